/* saved.h - a request that somebody saved, as a web server would hand it on
 *
 * What a proxy, a request bin or an editor shows: a request line (or none), headers, an
 * empty line, and the body byte for byte. Also as curl -v shows it, with "> " in front of each
 * line of the head. Lines of the head may end with LF or CRLF.
 */
#ifndef HOOKCGI_SAVED_H
#define HOOKCGI_SAVED_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

struct saved {
	char **variables; /* "NAME=value" (RFC 3875), NULL-ended; for message_init() */
	size_t count;
	struct slice body;
	bool was_chunked; /* and has been put together */
	struct buf text;  /* private */
	struct buf joined;
};

/*
 * Take text apart, and over: it is empty then. Without a request line the method is POST. A body in
 * chunks (RFC 9112 section 7.1) whose head says so is put together; one that is whole already stays
 * as it is, and so do Content-Length and Content-Encoding, which are the caller's to judge.
 * Header names must be tokens (RFC 9110 section 5.6.2); at most 200 of them.
 * Returns 0; or the number of the line that is none of the head's, with *out empty.
 */
unsigned saved_read(struct saved *out, struct buf *text);
void saved_free(struct saved *saved);

#endif
