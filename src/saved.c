/* saved.c - a request that somebody saved, as a web server would hand it on
 *
 * Forgiving about how it was saved (ends of lines, marks in front of them), never about what
 * it says: a line that could be meant in two ways is refused with its number.
 */
#include "saved.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "alloc.h"
#include "message.h"
#include "text.h"

#define HEADERS_MAX 200

static void
add_variable(struct saved *saved, const char *name, struct slice value)
{
	size_t size = strlen(name) + value.len + 2;
	char *variable = xmalloc(size);

	snprintf(variable, size, "%s=%.*s", name, (int)value.len, value.len > 0 ? value.data : "");
	saved->variables =
		xreallocarray(saved->variables, saved->count + 2, sizeof *saved->variables);
	saved->variables[saved->count++] = variable;
	saved->variables[saved->count] = NULL;
}

static const char *
variable(const struct saved *saved, const char *name)
{
	for (size_t i = 0; i < saved->count; i++) {
		const char *value = text_variable_value(saved->variables[i], name);
		if (value != NULL)
			return value;
	}
	return NULL;
}

/* The next line without its end, which may be CRLF; false: there is none. */
static bool
next_line(struct slice *rest, struct slice *line_out)
{
	const char *end;
	size_t len, taken;

	if (rest->len == 0)
		return false;
	end = memchr(rest->data, '\n', rest->len);
	len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	taken = end != NULL ? len + 1 : len;
	*line_out = (struct slice){ rest->data, len };
	if (len > 0 && line_out->data[len - 1] == '\r')
		line_out->len--;
	rest->data += taken;
	rest->len -= taken;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_token(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c >= 0x80 || c == '\0' || (!isalnum(c) && strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return text.len > 0;
}

/* "POST /hooks/orders HTTP/1.1", the last word of which may be missing. */
static bool
read_request_line(struct saved *saved, struct slice line)
{
	const char *blank = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
	struct slice method, target;
	const char *end;

	if (blank == NULL)
		return false;
	method = (struct slice){ line.data, (size_t)(blank - line.data) };
	target = (struct slice){ blank + 1, line.len - method.len - 1 };
	end = target.len > 0 ? memchr(target.data, ' ', target.len) : NULL;
	if (end != NULL)
		target.len = (size_t)(end - target.data);
	if (!is_token(method) || target.len == 0 || memchr(target.data, '\0', target.len) != NULL ||
		(target.data[0] != '/' && memmem(target.data, target.len, "://", 3) == NULL))
		return false;
	add_variable(saved, "REQUEST_METHOD", method);
	add_variable(saved, "REQUEST_URI", target);
	return true;
}

static bool
read_header(struct saved *saved, struct slice line)
{
	const char *colon = memchr(line.data, ':', line.len);
	struct slice name, value;
	char *text, *name_variable;
	bool of_body;

	if (colon == NULL || saved->count >= HEADERS_MAX)
		return false;
	name = (struct slice){ line.data, (size_t)(colon - line.data) };
	value = (struct slice){ colon + 1, line.len - name.len - 1 };
	if (!is_token(name) || (value.len > 0 && memchr(value.data, '\0', value.len) != NULL))
		return false;
	text = xmemdup0(name.data, name.len);
	name_variable = message_header_variable(text);
	of_body = strcmp(name_variable, "HTTP_CONTENT_TYPE") == 0 ||
		  strcmp(name_variable, "HTTP_CONTENT_LENGTH") == 0;
	add_variable(saved, name_variable + (of_body ? strlen("HTTP_") : 0), slice_trim(value));
	free(name_variable);
	free(text);
	return true;
}

/* The number of a line that is no header, else 0; *rest is then the body. */
static unsigned
read_head(struct saved *saved, struct slice *rest)
{
	struct slice line;
	unsigned number = 0;
	bool first = true, marked = false;

	while (next_line(rest, &line)) {
		number++;
		/* curl's own remarks: no name of a header has a blank in it. */
		if ((first || marked) && line.len >= 2 && memcmp(line.data, "* ", 2) == 0)
			continue;
		if (first)
			marked = line.len > 1 && memcmp(line.data, "> ", 2) == 0;
		if (marked) {
			if (line.len == 0 || line.data[0] != '>')
				return number;
			line = slice_trim((struct slice){ line.data + 1, line.len - 1 });
		}
		if (line.len == 0)
			break;
		if (!(first && read_request_line(saved, line)) && !read_header(saved, line))
			return number;
		first = false;
	}
	return first ? (number > 0 ? number : 1) : 0;
}

/* "1a;name=value": the size of a chunk. */
static bool
read_chunk_size(struct slice line, size_t *out)
{
	size_t size = 0, i = 0;

	for (; i < line.len && text_hex_value(line.data[i]) >= 0; i++) {
		if (size > SIZE_MAX / 32)
			return false;
		size = size * 16 + (size_t)text_hex_value(line.data[i]);
	}
	*out = size;
	return i > 0 && (i == line.len || line.data[i] == ';' || is_blank(line.data[i]));
}

/* Put the chunks together. false: these are none, or more lies behind them. */
static bool
join_chunks(struct slice body, struct buf *out)
{
	struct slice line;
	size_t size;

	for (;;) {
		if (!next_line(&body, &line) || !read_chunk_size(line, &size))
			return false;
		if (size == 0)
			break;
		if (size > body.len || !buf_append(out, body.data, size))
			return false;
		body.data += size;
		body.len -= size;
		if (!next_line(&body, &line) || line.len > 0)
			return false;
	}
	/* Trailers, an empty line, and perhaps the line feed of an editor. */
	while (next_line(&body, &line)) {
		if (line.len > 0 && memchr(line.data, ':', line.len) == NULL)
			return false;
	}
	return true;
}

static void
read_body(struct saved *saved, struct slice rest)
{
	const char *coding = variable(saved, "HTTP_TRANSFER_ENCODING");

	saved->body = rest;
	buf_init(&saved->joined, rest.len);
	if (coding == NULL || strcasecmp(coding, "chunked") != 0)
		return;
	saved->was_chunked = join_chunks(rest, &saved->joined);
	if (saved->was_chunked)
		saved->body = buf_slice(&saved->joined);
}

unsigned
saved_read(struct saved *out, struct buf *text)
{
	struct slice rest;
	unsigned number;

	memset(out, 0, sizeof *out);
	out->text = *text;
	buf_init(text, 0);
	rest = buf_slice(&out->text);
	number = read_head(out, &rest);
	if (number > 0) {
		saved_free(out);
		return number;
	}
	read_body(out, rest);
	if (variable(out, "REQUEST_METHOD") == NULL)
		add_variable(out, "REQUEST_METHOD", slice_of("POST"));
	return 0;
}

void
saved_free(struct saved *saved)
{
	for (size_t i = 0; i < saved->count; i++)
		free_secret(saved->variables[i], strlen(saved->variables[i]));
	free(saved->variables);
	buf_free_secret(&saved->joined);
	buf_free_secret(&saved->text);
	memset(saved, 0, sizeof *saved);
}
