/* http_exchange.h - what CGI (http.c) and FastCGI (responder.c) share of one request
 *
 * Only for these two: everybody else knows http.h. A transport is how bytes of
 * the body come and those of the answer go; the rest of an exchange is the same.
 */
#ifndef HOOKCGI_HTTP_EXCHANGE_H
#define HOOKCGI_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "http.h"

/* Bytes read at once where the length is not known, or they are thrown away. */
#define HTTP_READ_STEP ((size_t)16 << 10)

enum http_length { HTTP_LENGTH_ABSENT, HTTP_LENGTH_KNOWN, HTTP_LENGTH_BAD };

struct http_transport {
	/* Read at most size bytes of the body, not past exchange->deadline_ms. HTTP_BODY_OK
	 * with no bytes is its end; else HTTP_BODY_SHORT or HTTP_BODY_LATE. */
	enum http_body (*read)(
		struct http_exchange *exchange, char *data, size_t size, size_t *len_out);

	/* Send head and body; false: there is nobody to take it. */
	bool (*send)(struct http_exchange *exchange, struct slice head, struct slice body);

	/* http_wait_begin() and _end(); NULL: nobody else could serve meanwhile. */
	void (*wait)(struct http_exchange *exchange, bool begins);

	/* http_detach(), http_forget(), http_attach(), http_release(); NULL, all four: it cannot be detached. */
	bool (*detach)(struct http_exchange *exchange);
	void (*forget)(struct http_exchange *exchange);
	void (*attach)(struct http_exchange *exchange);
	void (*release)(struct http_exchange *exchange);
};

struct http_exchange {
	const struct http_transport *transport;
	char *const *variables;
	enum http_length length_kind;
	uint64_t length;     /* CONTENT_LENGTH, at most UINT64_MAX */
	int64_t began_ms;    /* monotonic */
	int64_t deadline_ms; /* monotonic, for the whole body */
	bool ended;          /* nothing of the body is left to read */
	bool is_head;        /* its answer has no body */
	bool answered;
	bool sent; /* the answer was taken */
};

/* A request with these variables (borrowed), whose body must be there by deadline_ms. */
void http_exchange_init(struct http_exchange *exchange, const struct http_transport *transport,
	char *const *variables, int64_t deadline_ms);

/* Run the handler; a request is answered whatever it does. true: it was detached, and may be gone. */
bool http_exchange_handle(struct http_exchange *exchange, http_handler *handler, void *context);

#endif
