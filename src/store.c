/* store.c - what of the store's interface needs no database: the names of the states, and a job's memory
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#define BLOB_MAX ((size_t)1 << 30) /* a database's own limit is lower */

static const char *const state_names[] = {
	[STORE_QUEUED] = "queued",
	[STORE_RUNNING] = "running",
	[STORE_DONE] = "done",
	[STORE_DEAD] = "dead",
};

const char *
store_state_name(enum store_state state)
{
	return state_names[state];
}

bool
store_state_find(const char *name, enum store_state *out)
{
	for (unsigned i = 0; i < sizeof state_names / sizeof *state_names; i++) {
		if (strcmp(state_names[i], name) == 0) {
			*out = (enum store_state)i;
			return true;
		}
	}
	return false;
}

void
store_job_init(struct store_job *job)
{
	struct buf *const bufs[] = { &job->key, &job->type, &job->sender_id, &job->remote,
		&job->variables, &job->body };
	*job = (struct store_job){ .id = 0 };
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		buf_init(bufs[i], BLOB_MAX);
}

void
store_job_free(struct store_job *job)
{
	if (job == NULL)
		return;
	buf_free(&job->key);
	buf_free(&job->type);
	buf_free(&job->sender_id);
	buf_free(&job->remote);
	buf_free(&job->variables);
	buf_free(&job->body);
	free(job->endpoint);
	free(job->provider);
	store_job_init(job);
}
