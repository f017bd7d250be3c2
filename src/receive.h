/* receive.h - one request, from the web server's variables to the answer
 *
 * The only place, with http.c, that knows HTTP status codes. See the table
 * of outcomes in receive.c, and hookcgi(1).
 */
#ifndef HOOKCGI_RECEIVE_H
#define HOOKCGI_RECEIVE_H

#include "http.h"
#include "run.h"
#include "runner.h"

/* How this process runs handlers: run_handler() in a CGI process, a runner in a threaded one. */
typedef void receive_run(const struct run_spec *spec, struct run_result *result);

/* The same without a thread that waits: runner_run_later(). */
typedef void receive_run_later(struct runner_call *call);

struct receiver {
	receive_run *run;
	receive_run_later *run_later; /* NULL: there is nobody to go on with a request */
};

/* Serve one request; an http_handler whose context is a struct receiver. */
bool receive(void *context, struct http_exchange *exchange);

#endif
