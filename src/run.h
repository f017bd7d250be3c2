/* run.h - run one handler to its end (the only file that forks for handlers)
 *
 * Straight from argv, no shell: a process group of its own, no terminal, descriptors 0 to 2
 * and nothing else, default signals, empty mask, umask 077, an environment built
 * from nothing. Called only in small single-threaded processes that have no
 * other children: run_handler() makes its process a child subreaper and starts
 * the handler with vfork, so it costs the same whatever the endpoint has in
 * memory.
 */
#ifndef HOOKCGI_RUN_H
#define HOOKCGI_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"

#define RUN_OUTPUT_MAX 65536 /* bytes kept of stdout and of stderr; the rest is drained */

struct run_spec {
	char *const *argv; /* argv[0] is an absolute path */
	char *const *envp;
	const char *directory; /* NULL: that of argv[0] */
	struct slice input;    /* bytes for stdin, when input_fd is -1 */
	int input_fd;          /* a descriptor to hand over as stdin (borrowed), or -1 */
	int64_t timeout_ms;    /* then TERM, after grace_ms KILL, to everything it started */
	int64_t grace_ms;
};

enum run_end {
	RUN_EXITED,      /* code is the exit status */
	RUN_SIGNALLED,   /* code is the signal */
	RUN_TIMED_OUT,   /* ended by us; code is the signal that ended it, or its exit status */
	RUN_NOT_STARTED, /* reason says why: missing, not executable, no "#!" line, … */
};

struct run_result {
	enum run_end end;
	int code;
	int64_t duration_us;
	struct buf output; /* stdout, at most RUN_OUTPUT_MAX */
	struct buf error;  /* stderr, likewise */
	bool output_cut;   /* there was more */
	bool error_cut;
	bool left_behind; /* it exited and left processes running: this process should not
	                          run another handler, so that a later limit cannot end them */
	char reason[256]; /* RUN_NOT_STARTED: one printable line */
};

void run_result_init(struct run_result *result);
void run_result_free(struct run_result *result);

/*
 * Run it and wait for its end (not for the end of its pipes). Blocks for at
 * most timeout_ms + grace_ms and a moment. A handler that exits in time may
 * leave processes behind, as under cron; a limit ends the whole tree, also
 * what left the session, as far as /proc can be read. No signal disposition or
 * mask of the caller is changed when it returns, but what is to be reset in a handler is looked at
 * in the first call: change none after it. Nothing is logged here.
 * result was made by run_result_init(); its output is the caller's,
 * run_result_free().
 */
void run_handler(const struct run_spec *spec, struct run_result *result);

/*
 * Put something where a standard descriptor is closed, so that no file that is opened later becomes one:
 * /dev/null, or, where there is none (an empty chroot), what can be neither read nor written.
 */
void run_fill_standard(void);

/*
 * This process, its threads, and whatever it starts from here on, handlers too, never interrupt somebody
 * else when they wake up: they get the processor when that one is done with its turn (sched(7), SCHED_BATCH;
 * the share of it is the same). Where it cannot be had, or another policy than the
 * usual one was chosen for this process, nothing changes.
 */
void run_as_batch(void);

/* Close every descriptor from lowest up. Async-signal-safe, works on any kernel. */
void run_close_descriptors(int lowest);

/* The parent of the process that an entry of /proc (an open directory) stands for; 0: it is none, or gone. */
pid_t run_parent_of(int proc, const char *name);

/*
 * Write as much of *rest to the non-blocking pipe *fd as it takes, and move
 * *rest on. When all is written, or nobody reads any more, *fd is closed and
 * -1. SIGPIPE must be ignored.
 */
void run_feed(int *fd, struct slice *rest);

#endif
