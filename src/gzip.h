/* gzip.h - gzip (RFC 1952) to bytes, and its checksum (the only user of zlib) */
#ifndef HOOKCGI_GZIP_H
#define HOOKCGI_GZIP_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum gzip_result {
	GZIP_OK,
	GZIP_INVALID,   /* not gzip, cut off, a wrong checksum or length, or something behind it */
	GZIP_TOO_LARGE, /* more than max bytes would come out */
	GZIP_NO_MEMORY,
};

/*
 * Uncompress one gzip member, or several one behind the other (RFC 1952 section 2.2), up to the
 * last byte of compressed. out is initialised here with max as its ceiling: its memory grows
 * with what comes out, so that a bomb costs no more than max bytes and the time to write them.
 * Filled on GZIP_OK, then the caller frees it; else it is empty.
 */
enum gzip_result gzip_inflate(struct slice compressed, size_t max, struct buf *out)
	__attribute__((warn_unused_result));

/* The CRC-32 of gzip, zip and PNG (RFC 1952 section 8). */
uint32_t gzip_crc32(struct slice data);

#endif
