/* worker_runner.h - the process of a runner of the worker: one event after the other
 *
 * It is given an event by the supervisor, runs its handler, says how that went, and waits until that is on disk.
 * It has no thread, no table of children and, while the supervisor lives, no connection to the store.
 */
#ifndef HOOKCGI_WORKER_RUNNER_H
#define HOOKCGI_WORKER_RUNNER_H

#include <stdint.h>

#include "config.h"
#include "tally.h"

/* How it ends; anything else is a crash. */
enum worker_runner_end {
	WORKER_RUNNER_DONE = 0,   /* the supervisor has closed the socket, or has ended */
	WORKER_RUNNER_AGAIN = 10, /* its handler left processes behind: a new one takes over */
};

/*
 * From the fork to the end. socket: the runner's end of errand_open(), and no other process has the supervisor's
 * end. When that is closed the runner ends, after its handler; a result that was not answered it then records
 * itself, for a minute at least where the store does not take it. No connection to the store may be open in this
 * process. tally: NULL: none.
 */
__attribute__((noreturn)) void worker_runner_main(
	const struct config *config, const struct tally *tally, int socket);

#define WORKER_LOST_MAX 10 /* attempts in a row whose runner was killed: then it is dead */

/*
 * Milliseconds to wait before the attempt after `failed` failed ones (1: one has failed): backoff_ms,
 * doubled for each, with a quarter of jitter either way by random (0 to UINT32_MAX). Never more
 * than WORKER_LONGEST_WAIT_MS, jitter included: store_recover() takes a later time for a clock
 * that was set back.
 */
int64_t worker_backoff_ms(int64_t backoff_ms, unsigned failed, uint32_t random);

#define WORKER_LONGEST_WAIT_MS ((int64_t)12 * 3600 * 1000)

/* Why an event is dead whose endpoint was taken out. */
extern const char worker_no_endpoint[];

#endif
