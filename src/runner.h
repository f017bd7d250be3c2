/* runner.h - small processes that run handlers for a threaded one
 *
 * runner_start() forks a nursery once, before the first thread and before any
 * secret is read. The nursery forks runners when they are asked for; each runs
 * one handler at a time (run.h) and hands back the result over its socket
 * pair. So a threaded or large process never forks, needs no /proc and no
 * second exec of itself, and no runner holds a listening socket, the server's
 * descriptors, or a secret.
 */
#ifndef HOOKCGI_RUNNER_H
#define HOOKCGI_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "nursery.h"
#include "run.h"

/*
 * Start the nursery, unless it is there. Call while single-threaded. SIGPIPE is
 * ignored in this process from then on, since bodies are written to pipes that
 * a handler may close. false: it could not be started (logged).
 */
bool runner_start(void);

/*
 * Run the function of nursery_set_detached() with this argument (shorter than PATH_MAX) in a process of its own: in a
 * session of its own, with nothing of the caller but /dev/null at its first three descriptors and the default signals.
 * From the nursery where there is one; else forked here, for which the process must be single-threaded. Does not
 * wait for it. false: it could not be started (logged).
 */
bool runner_detach(const char *argument);

/* A run by a runner. */
struct runner_call {
	/* Given; all of it is borrowed until done() is called. */
	struct run_spec spec;
	struct run_result *result; /* made by run_result_init() */
	void (*done)(struct runner_call *call);
	void *context; /* the caller's */

	/* Of runner.c. */
	int input;         /* our end of the handler's stdin, -1: nothing to write any more */
	struct slice rest; /* of the body, to be written there */
	int64_t deadline_ms;
};

/*
 * As run_handler(), in a runner, without blocking: done() is called once, from another thread or this one, perhaps
 * before this returns. It must not block, since the results of others wait behind it. Idle runners are used again;
 * at most max_runners (0: 1) live at once: only then this waits until there is one.
 * A runner that dies gives RUN_NOT_STARTED with a reason; nothing is run twice,
 * so a handler whose runner was killed may well have been started: it goes on,
 * without anybody to hold it to its limit.
 * When the nursery has died (nobody but an administrator or the out-of-memory
 * killer ends it), runners that live are still used, and what needs a new one
 * is RUN_NOT_STARTED: the cure is a restart, since a threaded process must not
 * fork another nursery.
 */
void runner_run_later(struct runner_call *call, unsigned max_runners);

/* The same, for who has nothing else to do: blocks the calling thread until the result is there. */
void runner_run(const struct run_spec *spec, unsigned max_runners, struct run_result *result);

/* Does any handler run? */
bool runner_is_busy(void);

/* Is the nursery gone (killed)? No new runner can be had then; the process should end. */
bool runner_lost(void);

/* Let all go, once the runs that were given to them are done. */
void runner_stop(void);

#endif
