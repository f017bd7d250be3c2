/* attempt.h - one run of a handler, as the store and the log have it
 *
 * The same for the endpoint, where a sender waits, and for the worker.
 */
#ifndef HOOKCGI_ATTEMPT_H
#define HOOKCGI_ATTEMPT_H

#include <stdint.h>

#include "buf.h"
#include "run.h"
#include "store.h"

/* What the store keeps of it. reason: why the handler was not started, for RUN_NOT_STARTED. What the
 * attempt refers to is the result's and the reason's. */
struct store_attempt attempt_of(
	const struct run_result *result, unsigned number, int64_t started_ms, const char *reason);

/* What its line in the log names besides how it went. What is NULL or 0 is left out. */
struct attempt_line {
	struct slice key;
	int64_t delivery;
	const char *endpoint;
	struct slice event;
	unsigned number;
	const char *state; /* what the event is from now on */
};

/* The line of an attempt: with what the handler wrote to standard error, where it failed. */
void attempt_log(const struct attempt_line *line, const struct run_result *result);

#endif
