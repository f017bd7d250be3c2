/* responder.h - FastCGI (its Responder role) on a listening socket (the only user of libfcgi) */
#ifndef HOOKCGI_RESPONDER_H
#define HOOKCGI_RESPONDER_H

#include "http.h"

/*
 * FastCGI on a listening socket until TERM, INT or USR1, then what is in flight is
 * finished (for at most stop_ms) and 0 returned; HUP is ignored. Signals must not have been blocked or
 * threads started by the caller before. Requests run on several threads.
 * Signals stay blocked and SIGPIPE ignored afterwards. If a handler does not end within
 * that time, the process is ended here with _exit(0), since its threads still use the context.
 * Not 0: it could not start, the reason was logged.
 */
int responder_serve(
	int listener, const struct http_limits *limits, http_handler *handler, void *context);

#endif
