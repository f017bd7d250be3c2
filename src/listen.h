/* listen.h - a listening socket for FastCGI */
#ifndef HOOKCGI_LISTEN_H
#define HOOKCGI_LISTEN_H

#include <stdbool.h>

/* Is the descriptor a listening socket? */
bool listen_is_on(int fd);

/* Is the text "unix:PATH" or "HOST:PORT" as listen_open() takes them? */
bool listen_is_place(const char *where);

/*
 * A listening socket for "unix:PATH" (mode 0660; a stale socket is replaced, a
 * live one or anything else at PATH is refused) or "HOST:PORT" (numeric
 * address or "localhost"; no wildcard without being written), or the socket
 * that systemd passed (LISTEN_FDS) for NULL. -1: reason_out says why.
 */
int listen_open(const char *where, char reason_out[256]);

#endif
