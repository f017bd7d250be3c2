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

#include "run.h"

/*
 * Start the nursery, unless it is there. Call while single-threaded. SIGPIPE is
 * ignored in this process from then on, since bodies are written to pipes that
 * a handler may close. false: it could not be started (logged).
 */
bool runner_start(void);

/* Something that runs on its own, such as the worker; what it returns is its exit status. */
typedef int runner_detached(const char *argument);

/*
 * What runner_detach() runs. Before runner_start(), which hands it on.
 */
void runner_set_detached(runner_detached *function);

/*
 * Run it with this argument (shorter than PATH_MAX) in a process of its own: in a session of its own, with nothing of the caller but /dev/null at
 * its first three descriptors and the default signals. From the nursery where there is one; else forked here, for
 * which the process must be single-threaded. Does not wait for it. false: it could not be started (logged).
 */
bool runner_detach(const char *argument);

/*
 * As run_handler(), in a runner; blocks the calling thread only. Idle runners
 * are used again; at most max_runners live at once and further callers wait.
 * input goes through a pipe without a second copy of the body.
 * A runner that dies gives RUN_NOT_STARTED with a reason; nothing is run twice,
 * so a handler whose runner was killed may well have been started: it goes on,
 * without anybody to hold it to its limit.
 * When the nursery has died (nobody but an administrator or the out-of-memory
 * killer ends it), runners that live are still used, and what needs a new one
 * is RUN_NOT_STARTED: the cure is a restart, since a threaded process must not
 * fork another nursery.
 */
void runner_run(const struct run_spec *spec, unsigned max_runners, struct run_result *result);

/* Is the nursery gone (killed)? No new runner can be had then; the process should end. */
bool runner_lost(void);

/* Let idle runners go; those that are running end with their handler. */
void runner_stop(void);

#endif
