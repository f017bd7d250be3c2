/* gzip.c - gzip (RFC 1952) to bytes, and its checksum (the only user of zlib)
 *
 * zlib writes straight into the buffer, which is given room step by step, so
 * that what a few compressed bytes claim costs nothing before it is there. A
 * full buffer is no answer yet: the checksum may be all that is left. One byte
 * of room beside it tells.
 */
#include "gzip.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <zlib.h>

/* The largest window (32 KiB), and only the gzip format: inflateInit2() in zlib.h. */
#define WINDOW_BITS (15 + 16)

/* Room that is made at once. */
#define STEP ((size_t)16 << 10)

/* Give zlib the next of what is left to read: its counters are unsigned int. */
static void
feed(z_stream *stream, struct slice *rest)
{
	size_t len = rest->len < UINT_MAX ? rest->len : UINT_MAX;

	if (stream->avail_in > 0 || len == 0)
		return;
	/* zlib only reads there; its type lacks the const without ZLIB_CONST. */
	stream->next_in = (z_const Bytef *)(uintptr_t)rest->data;
	stream->avail_in = (uInt)len;
	rest->data += len;
	rest->len -= len;
}

/* Uncompress into what room there is, and count it. spare is the byte beside a full buffer. */
static int
inflate_step(z_stream *stream, struct buf *out, unsigned char *spare)
{
	size_t room = out->size > 0 ? out->size - 1 - out->len : 0;
	int status;

	if (room == 0) {
		stream->next_out = spare;
		stream->avail_out = 1;
		return inflate(stream, Z_NO_FLUSH);
	}
	if (room > UINT_MAX)
		room = UINT_MAX;
	stream->next_out = (Bytef *)out->data + out->len;
	stream->avail_out = (uInt)room;
	status = inflate(stream, Z_NO_FLUSH);
	out->len += room - stream->avail_out;
	return status;
}

static bool
make_room(struct buf *out)
{
	size_t left = out->max - out->len;

	return buf_reserve(out, left < STEP ? left : STEP);
}

/* Where a member has ended, is there more, and so another one to begin? */
static bool
is_over(const z_stream *stream, struct slice rest)
{
	return stream->avail_in == 0 && rest.len == 0;
}

static enum gzip_result
inflate_all(z_stream *stream, struct slice rest, struct buf *out)
{
	unsigned char spare;

	for (;;) {
		if (!make_room(out))
			return GZIP_NO_MEMORY;
		feed(stream, &rest);

		bool full = out->len == out->max;
		int status = inflate_step(stream, out, &spare);

		if (full && stream->avail_out == 0)
			return GZIP_TOO_LARGE;
		switch (status) {
		case Z_OK: break;
		case Z_STREAM_END:
			if (is_over(stream, rest))
				return GZIP_OK;
			if (inflateReset(stream) != Z_OK)
				return GZIP_INVALID;
			break;
		case Z_MEM_ERROR: return GZIP_NO_MEMORY;
		default: return GZIP_INVALID; /* Z_BUF_ERROR too: cut off */
		}
	}
}

enum gzip_result
gzip_inflate(struct slice compressed, size_t max, struct buf *out)
{
	z_stream stream;
	enum gzip_result result;

	buf_init(out, max);
	memset(&stream, 0, sizeof stream);
	switch (inflateInit2(&stream, WINDOW_BITS)) {
	case Z_OK: break;
	case Z_MEM_ERROR: return GZIP_NO_MEMORY;
	default: return GZIP_INVALID;
	}
	result = inflate_all(&stream, compressed, out);
	(void)inflateEnd(&stream);
	if (result != GZIP_OK)
		buf_free(out);
	else
		(void)buf_text(out); /* the NUL */
	return result;
}

uint32_t
gzip_crc32(struct slice data)
{
	return (uint32_t)crc32_z(0, (const Bytef *)data.data, data.len);
}
