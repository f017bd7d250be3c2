/* buf.h - bytes that grow up to a ceiling fixed at the start
 *
 * The only growable memory that a sender's bytes may steer. The text is always
 * followed by a NUL that len does not count, so data can be printed, but it
 * may hold NULs itself: lengths travel with bytes.
 */
#ifndef HOOKCGI_BUF_H
#define HOOKCGI_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. data may be NULL only when len is 0. */
struct slice {
	const char *data;
	size_t len;
};

struct buf {
	char *data;  /* owned; NULL until the first byte is added */
	size_t len;  /* bytes in use */
	size_t size; /* bytes allocated */
	size_t max;  /* len never exceeds this */
};

static inline struct slice
slice_of(const char *text)
{
	struct slice s = { text, text != NULL ? strlen(text) : 0 };
	return s;
}

static inline bool
slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Not for secrets: see crypto_equal(). */
static inline bool
slice_is(struct slice a, const char *text)
{
	return slice_equal(a, slice_of(text));
}

/* By bytes, as memcmp(3); of two of which one begins the other the shorter is less. */
int slice_compare(struct slice a, struct slice b);

/* Without the blanks and tabs at both ends. */
struct slice slice_trim(struct slice text);

/* What is before the first separator; *rest is what follows it, data NULL where there is none. */
struct slice slice_cut(struct slice text, char separator, struct slice *rest);

/* An empty buffer that will hold at most max bytes; allocates nothing. */
void buf_init(struct buf *buf, size_t max);

/* Free the memory; the buffer is empty and usable again. */
void buf_free(struct buf *buf);

/* As buf_free(), and overwrite what it held first. */
void buf_free_secret(struct buf *buf);

/* Forget the contents, keep the memory. */
void buf_clear(struct buf *buf);

/* The same, but free what is more than kept_max bytes. */
void buf_reuse(struct buf *buf, size_t kept_max);

/*
 * Make room for more bytes behind len without changing it, so that the caller
 * may write there and then raise len (buf_text() and buf_take() put the NUL).
 * What a small buffer (4 KiB) held is wiped where it was when it moves.
 * false: over max, or no memory; the buffer is unchanged.
 */
bool buf_reserve(struct buf *buf, size_t more) __attribute__((warn_unused_result));

/* Did some buffer of this thread not grow for lack of memory since this was asked last? For who has to tell that
 * from one that was full, once all is done. */
bool buf_lacked_memory(void);

/* Append; false (over max, or no memory) leaves the buffer unchanged. data must
 * not point into the buffer itself. */
bool buf_append(struct buf *buf, const void *data, size_t len);
bool buf_append_slice(struct buf *buf, struct slice slice);
bool buf_append_text(struct buf *buf, const char *text);
bool buf_append_char(struct buf *buf, char c);
/* Decimal digits, with zeros in front up to width; what the log and times are made of
 * without the cost of printf. */
bool buf_append_number(struct buf *buf, uint64_t number, size_t width);
bool buf_appendf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The contents, borrowed until the buffer changes. */
struct slice buf_slice(const struct buf *buf);

/* The contents as a NUL-terminated string, "" when empty, borrowed likewise. */
const char *buf_text(const struct buf *buf);

/* Hand the memory over to the caller (free()), never NULL; the buffer is empty. */
char *buf_take(struct buf *buf);

#endif
