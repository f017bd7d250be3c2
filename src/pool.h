/* pool.h - threads that take connections from a listening socket and serve them, one each
 *
 * How many are awake, asleep and started follows the load (pool.c). Each connection has a place while it is
 * served, the number of what its server keeps for it from one to the next.
 */
#ifndef HOOKCGI_POOL_H
#define HOOKCGI_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;

struct pool_options {
	int listener;      /* borrowed; it does not block */
	unsigned threads;  /* most of them, and as many places: 0 to threads - 1 */
	size_t stack_size; /* bytes, of each */
	int64_t watch_ms;  /* the longest time between two looks at those that are served */
	void *context;     /* of the functions */

	/* Serve the connection fd, which it is given to close. true: it was detached, pool_detach(), and
	 * pool_release() gives its place back, perhaps before this returns. */
	bool (*serve)(void *context, struct pool *pool, unsigned place, int fd);

	/* In the thread of pool_supervise(), while a thread serves anything, for each place: end a wait that is late. Returns
	 * the deadline of one that is not late yet, of clock_ms() and after now_ms; INT64_MAX: none. */
	int64_t (*watch)(void *context, unsigned place, int64_t now_ms);
};

/* Start: one thread at first, with the caller's mask of signals, as all that follow. The options are copied; what they
 * name must stay until pool_close(). NULL: it could not, the reason was logged. */
struct pool *pool_open(const struct pool_options *options);

/* Watch what is served, until a signal other than SIGHUP comes from this signalfd(2), which does not block. */
void pool_supervise(struct pool *pool, int signals);

/* Take no new connection, and let the threads finish what they have, and what is detached; nothing is watched any more.
 * Returns how many had not ended after stop_ms: then all stays in use, and the process can only end. */
unsigned pool_stop(struct pool *pool, int64_t stop_ms);

/* After a pool_stop() that returned 0. */
void pool_close(struct pool *pool);

/* In serve(), around something that it waits for: another thread serves meanwhile. */
void pool_wait_begin(struct pool *pool);
void pool_wait_end(struct pool *pool);

/* In serve(), once: the connection goes on without its thread. It keeps its place, and pool_stop() waits for it, until
 * pool_release(), which any thread may call. */
void pool_detach(struct pool *pool);
void pool_release(struct pool *pool, unsigned place);

#endif
