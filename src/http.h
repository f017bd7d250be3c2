/* http.h - one request in, one answer out, as CGI or FastCGI
 *
 * RFC 3875 for the variables and the answer, the FastCGI 1.0 specification for
 * the records (libfcgi's). What the servers really do, and why accepting,
 * stopping and draining are done here and not by the library, is in DESIGN.md.
 */
#ifndef HOOKCGI_HTTP_H
#define HOOKCGI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* One request at hand. Valid inside the handler call only. */
struct http_exchange;

/* "NAME=value" strings, NULL-ended, as the server sent them. */
char *const *http_variables(const struct http_exchange *exchange);

/* The first variable of that name, NULL when absent. */
const char *http_variable(const struct http_exchange *exchange, const char *name);

enum http_body {
	HTTP_BODY_OK,
	HTTP_BODY_TOO_LARGE,  /* more than limit, declared or sent: 413 */
	HTTP_BODY_SHORT,      /* ended before CONTENT_LENGTH, or the connection broke: 400 */
	HTTP_BODY_LATE,       /* not there within the read deadline: 408 */
	HTTP_BODY_BAD_LENGTH, /* CONTENT_LENGTH is not a number: 400 */
	HTTP_BODY_NO_MEMORY,  /* 503 */
};

/* How long the whole body may take to arrive, from the start of the request; what the transport
 * was given at the start goes no further. */
void http_limit_read(struct http_exchange *exchange, int64_t read_timeout_ms);

/*
 * Read the raw body to its end into an empty buf whose max is set here to limit.
 * has_length_out: the server gave a CONTENT_LENGTH (else the end is
 * only as sure as the connection's). One read of the bytes into one place.
 */
enum http_body http_read_body(struct http_exchange *exchange, size_t limit, struct buf *body,
	bool *has_length_out) __attribute__((warn_unused_result));

struct http_answer {
	int status;               /* 200 to 599 */
	const char *content_type; /* NULL: no body, no type */
	struct slice body;
	const char *extra_headers; /* whole lines "Name: value\r\n", or NULL */
};

/*
 * Send the whole answer in one go. What was not read of the body is drained
 * first, bounded in bytes and time (nginx hangs and mod_cgid loses the answer
 * otherwise). Once for each exchange; a later call does nothing, and a handler
 * that never calls it is answered 500.
 * Log what belongs to the request before this: in FastCGI the lines leave with the answer, to
 * the server's error log; what is logged later goes to descriptor 2, which some servers drop.
 */
void http_answer(struct http_exchange *exchange, const struct http_answer *answer);

/*
 * Say that the handler waits for something else than the body and the answer (a program, a disk),
 * and when it is over: another thread serves meanwhile.
 */
void http_wait_begin(struct http_exchange *exchange);
void http_wait_end(struct http_exchange *exchange);

/*
 * Answer later: from here on the exchange stays valid until http_release(), also after the handler has
 * returned, and may be used by one other thread, which begins with http_attach(), then calls
 * http_answer() and http_release(). The handler must return true then. The body must have
 * been read to its end. false: that cannot be here (CGI), the answer must come before the handler returns.
 */
bool http_detach(struct http_exchange *exchange);
void http_attach(struct http_exchange *exchange);
void http_release(struct http_exchange *exchange);

/*
 * After http_detach(), and still in the thread that called it: nothing of the request is asked for any more, its memory
 * goes back where it came from. There are no variables from here on.
 */
void http_forget(struct http_exchange *exchange);

/* Serve one request: read, decide, http_answer(). true: it was detached. REQUEST_METHOD is always there; what is not a
 * whole request to a responder never gets here. */
typedef bool http_handler(void *context, struct http_exchange *exchange);

struct http_limits {
	unsigned threads;        /* most requests at once; grown on demand */
	int64_t read_timeout_ms; /* from accept to the last byte of the body */
	int64_t stop_ms;         /* how long a stop waits for what is in flight */
};

/* One CGI request from the environment and descriptors 0 and 1. Returns the exit status: 0 when
 * an answer was sent. SIGPIPE stays ignored. */
int http_serve_cgi(const struct http_limits *limits, http_handler *handler, void *context);

#endif
