/* wake.h - is a worker there, and: there is something to do
 *
 * A byte into a FIFO beside the database (DATABASE-wake) wakes the worker. It is a
 * hint: the due time in the store is the truth. A worker holds a lock on DATABASE-worker, so
 * there is one for a database on this machine.
 * What root makes belongs to the owner of the database.
 */
#ifndef HOOKCGI_WAKE_H
#define HOOKCGI_WAKE_H

#include <stdbool.h>

/* Say that there is something to do. false: no worker listens. Never blocks and raises no SIGPIPE. A full
 * FIFO, which nobody reads just now, has a listener. */
bool wake_send(const char *database);

/*
 * The reading end, made where it is missing: non-blocking, close-on-exec, always
 * at least one writer, so that it is never at its end. -1: errno; EEXIST: there is
 * something else than a FIFO, ELOOP: a symbolic link, EPERM: another user's.
 */
int wake_open(const char *database);

/*
 * Take the worker's lock: the descriptor that holds it (close-on-exec; a copy that
 * a fork has holds it too). -1: another worker has it (errno EWOULDBLOCK), or
 * errno says why not, as that of wake_open(). Nobody removes the file: that would make
 * room for a second worker.
 */
int wake_lock(const char *database);

#endif
