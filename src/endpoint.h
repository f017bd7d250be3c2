/* endpoint.h - the program as the web server's endpoint: CGI or FastCGI
 *
 * Puts the pieces together in the order that their contracts ask for: what must
 * be single-threaded first, protection before any secret is read.
 */
#ifndef HOOKCGI_ENDPOINT_H
#define HOOKCGI_ENDPOINT_H

#include <stdint.h>

/* For a program that a web server starts: they kill it 3 to 8 s after TERM. */
#define ENDPOINT_STOP_MS 3000

/* Serve one CGI request; returns the exit status. */
int endpoint_serve_cgi(void);

/*
 * Serve FastCGI on a listening socket until told to stop; returns the exit
 * status: 0, or 75 when it had to stop by itself and should be started again. config: -c's
 * file, or NULL to look where config_path() looks. stop_ms: how long a stop waits
 * for what is in flight.
 */
int endpoint_serve_fastcgi(int listener, const char *config, int64_t stop_ms);

/* Core dumps off, not readable by other processes of the user, signals and the first
 * three descriptors as a program needs them. Called by both, and by whatever else handles secrets. */
void endpoint_protect(void);

#endif
