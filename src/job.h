/* job.h - a run on its way from the endpoint to a runner, and its result on the way back
 *
 * Over a Unix stream socket, both sides of one program; but each checks the lengths it is told.
 *
 *   endpoint -> runner   argv, envp and directory as strings, then the body if it is short;
 *                        a long one, or what is a descriptor, comes as the stdin pipe (SCM_RIGHTS)
 *   runner -> endpoint   how it ended, then output, then error
 */
#ifndef HOOKCGI_JOB_H
#define HOOKCGI_JOB_H

#include <stdbool.h>

#include "buf.h"
#include "run.h"

/* As a runner has it. */
struct job {
	struct run_spec spec; /* points into the rest */
	char *text;           /* owned */
	char **strings;       /* owned; argv, NULL, envp, NULL */
	int input;            /* owned; -1: the body came along */
};

/* Does the body go along? Else a descriptor must be sent with the job. */
bool job_takes_body(const struct run_spec *spec);

/* The whole message, to be sent with handover_send(); buf_free() it in either case. false: it is larger than
 * any system would start. */
bool job_write(const struct run_spec *spec, struct buf *job);

/* false: the endpoint is gone, or what came is no job. job_free() in either case. */
bool job_receive(int socket, struct job *job);
void job_free(struct job *job);

bool job_send_result(int socket, const struct run_result *result);

/* Blocks until all of it is there. result was made by run_result_init(). false: the runner is not to be used
 * again; the result says what is known. */
bool job_receive_result(int socket, struct run_result *result);

#endif
