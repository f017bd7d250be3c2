/* intake.h - what an endpoint process has of a store
 *
 * One for each database: the connection, the tally beside it, and the worker to wake. In
 * a threaded process one thread writes, and all requests that came while it was busy share its next
 * transaction and its one fsync(2) (group commit); where the disk is slow it lingers a
 * little for more. Another one tells those that did not stay to wait, all but the first few. In a CGI process the only
 * thread writes itself.
 */
#ifndef HOOKCGI_INTAKE_H
#define HOOKCGI_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"
#include "tally.h"

struct intake;

/* Called when an event was queued and no worker listens, at most once a second for a database. config: the
 * file that names the database. */
typedef void intake_need_worker(const char *config);

/* Before the first intake_of(). threaded: may start a thread for each database. */
void intake_setup(bool threaded, intake_need_worker *need_worker);

/* That of the database at this path (absolute), which the file config names; made at first use, never
 * freed. worker_auto: need_worker may be called (what the last caller says). Never NULL. Thread-safe. */
struct intake *intake_of(const char *database, const char *config, bool worker_auto);

/* NULL: it could not be mapped (logged once); the functions of tally.h take that. */
struct tally *intake_tally(struct intake *intake);

/* An event on its way to disk. */
struct intake_ticket {
	/* Given; what event refers to is borrowed until done() is called, or intake_put() returns. */
	struct store_event event;
	int64_t deadline_ms;                        /* CLOCK_MONOTONIC */
	void (*done)(struct intake_ticket *ticket); /* for what is done later */
	bool quick;    /* done() waits for nothing at all: the thread that writes may call it */
	void *context; /* the caller's */

	/* Set. */
	enum store_result result;
	char reason[256]; /* why it is not STORE_OK */

	/* Of intake.c. */
	struct intake_ticket *next;
	struct intake_waiter *waiter;
	const struct store_settlement *settled;
	bool taken;
};

/*
 * As store_put() of one event. Blocks until it is on disk or cannot be put; an event whose transaction has
 * not begun at deadline_ms (CLOCK_MONOTONIC) is taken back (STORE_BUSY). STORE_OK: the
 * number is acknowledged in the tally, and a worker woken when the event is queued. The result is the ticket's.
 */
enum store_result intake_put(struct intake *intake, struct intake_ticket *ticket);

/*
 * The same, in a threaded process, without blocking: ticket->done() is called once, from another thread or
 * this one, perhaps before this returns. It must not block, since others wait behind it; a quick one may hold up all
 * commits.
 */
void intake_put_later(struct intake *intake, struct intake_ticket *ticket);

/* As store_settle(), of an event that was put as STORE_RUNNING, and with a ticket in whose event nothing is set. It
 * waits longer than an event: the handler has run. The result is the ticket's. */
enum store_result intake_settle(struct intake *intake, const struct store_settlement *settlement,
	struct intake_ticket *ticket);

/* The same, as intake_put_later(); the settlement, too, is borrowed until done() is called. */
void intake_settle_later(struct intake *intake, const struct store_settlement *settlement,
	struct intake_ticket *ticket);

/* Let the threads finish what they have; nothing may be put any more. */
void intake_stop(void);

#endif
