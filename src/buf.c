/* buf.c - bytes that grow up to a ceiling fixed at the start
 *
 * Grows by doubling, so that appending n bytes costs O(n), and never beyond
 * max + 1: one byte is always kept for the NUL. All arithmetic is done as
 * "room left", which cannot overflow whatever max is.
 */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"

#define FIRST_SIZE 64

/* Secrets are small. A buffer up to this size is wiped where it was when it
 * grows, so that buf_free_secret() finds the only copy; above, realloc() moves
 * pages instead of copying them. */
#define WIPED_SIZE_MAX 4096

static _Thread_local bool lacked_memory;

int
slice_compare(struct slice a, struct slice b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice
slice_trim(struct slice text)
{
	while (text.len > 0 && is_blank(text.data[0])) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

struct slice
slice_cut(struct slice text, char separator, struct slice *rest)
{
	const char *found = text.len > 0 ? memchr(text.data, separator, text.len) : NULL;
	struct slice first = text;

	*rest = (struct slice){ NULL, 0 };
	if (found != NULL) {
		first.len = (size_t)(found - text.data);
		*rest = (struct slice){ found + 1, text.len - first.len - 1 };
	}
	return first;
}

void
buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void
buf_free(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void
buf_free_secret(struct buf *buf)
{
	free_secret(buf->data, buf->size);
	buf_init(buf, buf->max);
}

void
buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

void
buf_reuse(struct buf *buf, size_t kept_max)
{
	if (buf->size > kept_max)
		buf_free(buf);
	else
		buf_clear(buf);
}

/* The size to allocate for at least needed bytes, NUL included. */
static size_t
next_size(const struct buf *buf, size_t needed)
{
	size_t size = buf->size > 0 ? buf->size : FIRST_SIZE;

	while (size < needed)
		size = size > SIZE_MAX / 2 ? SIZE_MAX : size * 2;
	if (size - 1 > buf->max)
		size = buf->max + 1;
	return size;
}

static char *
grow(const struct buf *buf, size_t size)
{
	char *data;

	if (buf->size > WIPED_SIZE_MAX)
		return realloc(buf->data, size);
	data = malloc(size);
	if (data == NULL)
		return NULL;
	if (buf->len > 0)
		memcpy(data, buf->data, buf->len);
	free_secret(buf->data, buf->size);
	return data;
}

bool
buf_lacked_memory(void)
{
	bool lacked = lacked_memory;
	lacked_memory = false;
	return lacked;
}

bool
buf_reserve(struct buf *buf, size_t more)
{
	size_t size;
	char *data;

	if (more > buf->max - buf->len || more > SIZE_MAX - 1 - buf->len)
		return false;
	if (buf->len + more + 1 <= buf->size)
		return true;
	size = next_size(buf, buf->len + more + 1);
	data = grow(buf, size);
	if (data == NULL) {
		lacked_memory = true;
		return false;
	}
	buf->data = data;
	buf->size = size;
	buf->data[buf->len] = '\0';
	return true;
}

bool
buf_append(struct buf *buf, const void *data, size_t len)
{
	if (!buf_reserve(buf, len))
		return false;
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return true;
}

bool
buf_append_slice(struct buf *buf, struct slice slice)
{
	return buf_append(buf, slice.data, slice.len);
}

bool
buf_append_text(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

bool
buf_append_char(struct buf *buf, char c)
{
	return buf_append(buf, &c, 1);
}

bool
buf_append_number(struct buf *buf, uint64_t number, size_t width)
{
	char digits[32];
	size_t at = sizeof digits;

	if (width > sizeof digits)
		width = sizeof digits;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (sizeof digits - at < width)
		digits[--at] = '0';
	return buf_append(buf, digits + at, sizeof digits - at);
}

bool
buf_appendf(struct buf *buf, const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (len < 0 || !buf_reserve(buf, (size_t)len))
		return false;
	va_start(arguments, format);
	(void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, arguments);
	va_end(arguments);
	buf->len += (size_t)len;
	return true;
}

struct slice
buf_slice(const struct buf *buf)
{
	return (struct slice){ buf->data, buf->len };
}

const char *
buf_text(const struct buf *buf)
{
	if (buf->data == NULL)
		return "";
	/* A caller of buf_reserve() may have raised len without the NUL. */
	buf->data[buf->len] = '\0';
	return buf->data;
}

char *
buf_take(struct buf *buf)
{
	char *data = buf->data;

	if (data == NULL)
		data = xstrdup("");
	else
		data[buf->len] = '\0';
	buf_init(buf, buf->max);
	return data;
}
