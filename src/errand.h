/* errand.h - an event on its way to a runner of the worker, and its result on the way back
 *
 * One message each over a socket pair that keeps messages apart (SOCK_SEQPACKET). What is long goes in a file in
 * memory (memfd_create(2)) whose descriptor goes along, so no message waits for room in the socket, and the
 * supervisor for no runner. Both sides are one program, but each checks the lengths it is told.
 */
#ifndef HOOKCGI_ERRAND_H
#define HOOKCGI_ERRAND_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "store.h"

enum errand_kind {
	ERRAND_NONE,     /* nothing came */
	ERRAND_GONE,     /* the other side has ended */
	ERRAND_JOB,      /* to the runner: run this event; and its last result is on disk */
	ERRAND_RECORDED, /* its last result is on disk, and there is nothing to run */
	ERRAND_GIVEN_UP, /* its result cannot be recorded: the event will be run again */
	ERRAND_CUT,      /* its handler is ended, since the worker has to stop */
	ERRAND_RESULT,   /* to the supervisor: how the attempt went */
};

/* The two ends, close-on-exec. false: errno. */
bool errand_open(int ends[2]);

/* For kinds that say all. false: the other side has gone. Never blocks, raises no SIGPIPE. */
bool errand_send(int socket, enum errand_kind kind);

/* lost: attempts in a row, before this one, whose runner was killed. false: errno; nothing was sent. */
bool errand_send_job(int socket, const struct store_job *job, unsigned lost);

/* state, due and reason as in the settlement, whose attempt is sent with it, but for the clock: due_ms is of CLOCK_BOOTTIME,
 * which nobody sets. left_behind: see run.h. */
bool errand_send_result(int socket, const struct store_settlement *settlement, bool left_behind);

/*
 * The next message. wait: until there is one, or the other side has gone; else ERRAND_NONE when there is
 * none. mail: what a job or a result consists of; the caller's, made with errand_mail_init(). A message that is
 * not whole is ERRAND_GONE: who sends such is not to be talked to.
 */
enum errand_kind errand_receive(int socket, bool wait, struct buf *mail);
void errand_mail_init(struct buf *mail);

/* A job as it was sent; points into the mail, with a NUL behind each text. */
struct errand_job {
	int64_t id;
	int64_t received_ms;
	unsigned attempt, failed, lost;
	const char *endpoint, *remote;
	struct slice key, type, sender_id, body;
	struct buf variables; /* not to be freed */
};

/* false: its lengths are not those of the mail. */
bool errand_read_job(struct buf *mail, struct errand_job *out);

/* A result as it was sent; points into the mail. */
struct errand_result {
	struct store_attempt attempt;
	struct store_settlement settlement; /* its attempt is set by the reader, as its owner */
	bool left_behind;
};

bool errand_read_result(struct buf *mail, struct errand_result *out);

#endif
