/* worker.h - runs queued events: a supervisor and its single-threaded runner processes
 *
 * The supervisor claims events, hands each to a runner, and records how it went; a runner does nothing but run
 * one handler after the other. The supervisor keeps so many runners alive, gives back what dead ones
 * had, prunes, and reloads the configuration. One worker for a store: wake_lock().
 */
#ifndef HOOKCGI_WORKER_H
#define HOOKCGI_WORKER_H

#include <stdbool.h>
#include <stdint.h>

struct worker_options {
	const char *config; /* -c's file, or NULL: as config_path() finds it */
	unsigned runners;   /* 0: as the configuration says */
	bool once;          /* end when nothing is due */
	int64_t idle_ms; /* end after so long without work, unless a retry is waited for; 0: never */
	int64_t stop_ms; /* how long a stop waits for handlers before it ends them; 0: 30 s */
};

/*
 * Run until TERM or INT (then each runner finishes its handler, or after the stop
 * time ends it and queues its event again), or as the options say. The process must be
 * single-threaded with no children. A handler whose end could not be recorded, since the store
 * did not take it until the process was told to stop (with once: after ten tries), or since the
 * process was killed, is run again: at least once, not exactly once.
 * Returns the exit status: 0 (with once also when another worker has the store: it does the
 * same); 1 another worker has the store, or the store cannot be used (said on stderr); 78 no usable
 * configuration or no store in it.
 */
int worker_run(const struct worker_options *options);

#endif
