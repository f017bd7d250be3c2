/* records.h - a request as records on a connection (FastCGI specification 3.3, 5.1 to 5.3)
 *
 * What responder.c reads past libfcgi: how much of a request has come, and its body. A request
 * is BEGIN_REQUEST, PARAMS up to an empty one, STDIN up to an empty one, all with one number.
 */
#ifndef HOOKCGI_RECORDS_H
#define HOOKCGI_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#define RECORDS_LOOK_MAX ((size_t)8 << 10) /* what libfcgi reads at once */

/* How much of a request is there to be read without waiting. */
enum records_arrival {
	RECORDS_PART,  /* less than its head, or anything else */
	RECORDS_HEAD,  /* up to its body */
	RECORDS_WHOLE, /* and the body to its end */
};

/*
 * Look at what has come on a socket and leave it there; never waits.
 * *head_len_out: the bytes in front of the first STDIN record, at most RECORDS_LOOK_MAX; 0 for
 * RECORDS_PART.
 */
enum records_arrival records_look(int fd, size_t *head_len_out);

/* The body of one request: the reader's place in its STDIN records. */
struct records {
	int fd; /* borrowed */
	int request_id;
	unsigned content; /* bytes of the current record still to come */
	unsigned between; /* and then up to its end and that of the next header */
	unsigned ahead_len;
	bool last; /* the current record is the empty one */
	bool broken;
	unsigned char ahead[255 + 8]; /* of what is between, the bytes that have come */
};

/* A body whose first record is next on fd, a socket. */
void records_init(struct records *records, int fd, int request_id);

enum records_result {
	RECORDS_OK,
	RECORDS_LATER,  /* nothing has come: wait and read again */
	RECORDS_BROKEN, /* cut off or aborted, or no STDIN record of this request */
};

/*
 * Read what has come of the body, at most size (> 0) bytes; never waits.
 * RECORDS_OK with no bytes is its end, else *len_out is 0. Never reads past the end of the
 * body; takes one system call for each record unless the bytes come in smaller pieces.
 */
enum records_result records_read(struct records *records, char *data, size_t size, size_t *len_out)
	__attribute__((warn_unused_result));

/* Was everything up to the end of the body read? */
bool records_ended(const struct records *records);

#endif
