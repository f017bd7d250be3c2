/* intake.c - what an endpoint process has of a store
 *
 * The writing thread takes all that waits for it at once. Requests that come
 * while its transaction runs wait for the next one, so under load the batches grow by
 * themselves, and one fsync acknowledges all of a batch. A caller's ticket lives on the caller's stack: it
 * may be taken back only while it waits in the list.
 */
#include "intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "alloc.h"
#include "clock.h"
#include "log.h"
#include "wake.h"

#define BATCH_MAX 128
#define WAKES_MAX 4         /* runners that one batch wakes */
#define WORKER_ASK_MS 1000  /* between two calls for a worker */
#define LINGER_FROM_US 500  /* a commit that took so long is worth waiting for company */
#define LINGER_PART 10      /* a tenth of the last commit */
#define LINGER_MAX_US 5000  /* however slow the disk is */
#define TALLY_AGAIN_MS 1000 /* opening one may take a moment, for all requests */
#define SETTLE_MS 10000     /* a result is not given up easily: the handler has run */

enum ticket_state { TICKET_WAITING, TICKET_TAKEN, TICKET_DONE };

/* A request that waits for its event to be on disk. */
struct ticket {
	struct ticket *next;
	enum ticket_state state;
	pthread_cond_t done;
	struct store_event *event; /* NULL: a result, the rest is for that */
	int64_t id;
	const struct store_attempt *attempt;
	enum store_state settled;
	const char *settle_reason;
	int64_t deadline_ms;
	enum store_result result;
	char *reason; /* the caller's 256 bytes */
};

struct intake {
	struct intake *next;
	char *database;
	char *config; /* that names it */
	struct tally *tally;
	int64_t tally_again_ms; /* when opening it is tried again; under intakes_lock */
	struct store *store;    /* the writing thread's own */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct ticket *first, **last; /* in order of arrival */
	bool started;
	bool stopping;
	pthread_t thread;
	int64_t commit_us; /* what the last transaction took */
	atomic_bool worker_auto;
	_Atomic int64_t asked_ms; /* when a worker was last called for */
};

static pthread_mutex_t intakes_lock = PTHREAD_MUTEX_INITIALIZER;
static struct intake *intakes;
static bool threaded;
static intake_need_worker *need_worker;

/* Also for an event that its sender waits for: should this process be killed, the worker gives it back. */
static void
wake_worker(struct intake *intake, unsigned queued)
{
	bool listens = true;
	for (unsigned i = 0; i < queued && i < WAKES_MAX && listens; i++)
		listens = wake_send(intake->database);
	int64_t now = clock_ms();
	int64_t asked = atomic_load(&intake->asked_ms);
	if (!listens && need_worker != NULL && atomic_load(&intake->worker_auto) &&
		(asked == 0 || now - asked >= WORKER_ASK_MS) &&
		atomic_compare_exchange_strong(&intake->asked_ms, &asked, now))
		need_worker(intake->config);
}

/* Put a batch: one transaction. */
static void
put_all(struct intake *intake, struct ticket *const *tickets, size_t count)
{
	struct store_event *events[BATCH_MAX];
	int64_t deadline_ms = INT64_MAX;
	unsigned added = 0;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		events[i] = tickets[i]->event;
		if (tickets[i]->deadline_ms < deadline_ms)
			deadline_ms = tickets[i]->deadline_ms;
	}
	int64_t began = clock_us();
	enum store_result result = store_put(intake->store, events, count, deadline_ms);
	intake->commit_us = clock_us() - began;
	for (size_t i = 0; i < count; i++) {
		tickets[i]->result = result;
		if (result != STORE_OK) {
			snprintf(tickets[i]->reason, 256, "%s", store_reason(intake->store));
			continue;
		}
		enum store_put put = events[i]->put;
		tally_acknowledge(intake->tally, events[i]->id);
		added += put == STORE_ACCEPTED || put == STORE_REQUEUED;
	}
	if (added > 0)
		wake_worker(intake, added);
}

static void
settle_one(struct intake *intake, struct ticket *ticket)
{
	ticket->result = store_settle(intake->store, ticket->id, ticket->attempt, ticket->settled,
		0, ticket->settle_reason);
	if (ticket->result != STORE_OK)
		snprintf(ticket->reason, 256, "%s", store_reason(intake->store));
}

/* What one turn of the writing thread does: results one by one, events together. */
static void
write_all(struct intake *intake, struct ticket *const *tickets, size_t count)
{
	struct ticket *puts[BATCH_MAX];
	size_t put_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (tickets[i]->event != NULL)
			puts[put_count++] = tickets[i];
	}
	put_all(intake, puts, put_count);
	for (size_t i = 0; i < count; i++) {
		if (tickets[i]->event == NULL)
			settle_one(intake, tickets[i]);
	}
}

/* Take what waits; called with the lock held. */
static size_t
take(struct intake *intake, struct ticket *tickets[BATCH_MAX])
{
	size_t count = 0;
	while (intake->first != NULL && count < BATCH_MAX) {
		struct ticket *ticket = intake->first;
		intake->first = ticket->next;
		ticket->state = TICKET_TAKEN;
		tickets[count++] = ticket;
	}
	if (intake->first == NULL)
		intake->last = &intake->first;
	return count;
}

/* Without it a batch holds half of those that send again as soon as they are answered: the other
 * half has just missed it. */
static void
linger(int64_t commit_us)
{
	int64_t wait_us = commit_us / LINGER_PART;
	if (commit_us < LINGER_FROM_US)
		return;
	if (wait_us > LINGER_MAX_US)
		wait_us = LINGER_MAX_US;
	const struct timespec wait = { 0, wait_us * 1000 };
	nanosleep(&wait, NULL);
}

static void *
writer_main(void *argument)
{
	struct intake *intake = argument;
	struct ticket *tickets[BATCH_MAX];

	pthread_mutex_lock(&intake->lock);
	for (;;) {
		while (intake->first == NULL && !intake->stopping)
			pthread_cond_wait(&intake->work, &intake->lock);
		if (intake->first == NULL)
			break;
		pthread_mutex_unlock(&intake->lock);
		linger(intake->commit_us);
		pthread_mutex_lock(&intake->lock);
		size_t count = take(intake, tickets);
		pthread_mutex_unlock(&intake->lock);
		write_all(intake, tickets, count);
		pthread_mutex_lock(&intake->lock);
		for (size_t i = 0; i < count; i++) {
			tickets[i]->state = TICKET_DONE;
			pthread_cond_signal(&tickets[i]->done);
		}
	}
	pthread_mutex_unlock(&intake->lock);
	return NULL;
}

/* Called with the lock held. false: there is no thread. */
static bool
start(struct intake *intake)
{
	pthread_attr_t attributes;
	if (intake->started)
		return true;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, (size_t)1 << 20);
	int error = pthread_create(&intake->thread, &attributes, writer_main, intake);
	pthread_attr_destroy(&attributes);
	intake->started = error == 0;
	return intake->started;
}

static void
unlink_ticket(struct intake *intake, const struct ticket *ticket)
{
	struct ticket **at = &intake->first;
	while (*at != ticket)
		at = &(*at)->next;
	*at = ticket->next;
	if (*at == NULL)
		intake->last = at;
}

/* Wait for the writing thread to be done with the ticket. */
static void
await(struct intake *intake, struct ticket *ticket)
{
	pthread_condattr_t monotonic;
	const struct timespec deadline = { ticket->deadline_ms / 1000,
		ticket->deadline_ms % 1000 * 1000000 };
	int error = 0;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&ticket->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_lock(&intake->lock);
	if (!start(intake) || intake->stopping) {
		snprintf(ticket->reason, 256, "%s",
			intake->stopping ? "the program is stopping" : "no thread can be started");
		ticket->result = STORE_BUSY;
		goto out;
	}
	*intake->last = ticket;
	intake->last = &ticket->next;
	pthread_cond_signal(&intake->work);
	while (ticket->state == TICKET_WAITING && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&ticket->done, &intake->lock, &deadline);
	if (ticket->state == TICKET_WAITING) {
		unlink_ticket(intake, ticket);
		snprintf(ticket->reason, 256, "the store was busy for too long");
		ticket->result = STORE_BUSY;
		goto out;
	}
	while (ticket->state != TICKET_DONE)
		pthread_cond_wait(&ticket->done, &intake->lock);
out:
	pthread_mutex_unlock(&intake->lock);
	pthread_cond_destroy(&ticket->done);
}

static void
write_ticket(struct intake *intake, struct ticket *ticket)
{
	if (threaded)
		await(intake, ticket);
	else
		write_all(intake, &ticket, 1);
}

void
intake_setup(bool is_threaded, intake_need_worker *function)
{
	threaded = is_threaded;
	need_worker = function;
}

/* The store makes it too, but the tally is there before the first event. */
static void
make_folder(const char *database)
{
	const char *slash = strrchr(database, '/');
	char *folder = xmemdup0(database, (size_t)(slash - database));
	(void)mkdir(folder, 0700);
	free(folder);
}

struct intake *
intake_of(const char *database, const char *config, bool worker_auto)
{
	char reason[256];

	pthread_mutex_lock(&intakes_lock);
	struct intake *intake = intakes;
	while (intake != NULL && strcmp(intake->database, database) != 0)
		intake = intake->next;
	if (intake == NULL) {
		make_folder(database);
		intake = xcalloc(1, sizeof *intake);
		intake->database = xstrdup(database);
		intake->config = xstrdup(config);
		intake->store = store_new(database);
		intake->last = &intake->first;
		pthread_mutex_init(&intake->lock, NULL);
		pthread_cond_init(&intake->work, NULL);
		intake->next = intakes;
		intakes = intake;
	}
	atomic_store(&intake->worker_auto, worker_auto);
	if (intake->tally == NULL && clock_ms() >= intake->tally_again_ms &&
		(intake->tally = tally_open(database, reason)) == NULL) {
		intake->tally_again_ms = clock_ms() + TALLY_AGAIN_MS;
		if (log_allowed())
			log_message(LOG_LEVEL_WARNING, "tally", "%s", reason);
	}
	pthread_mutex_unlock(&intakes_lock);
	return intake;
}

struct tally *
intake_tally(struct intake *intake)
{
	return intake->tally;
}

enum store_result
intake_put(
	struct intake *intake, struct store_event *event, int64_t deadline_ms, char reason_out[256])
{
	struct ticket ticket = { .event = event,
		.deadline_ms = deadline_ms,
		.result = STORE_FAILED,
		.reason = reason_out };
	write_ticket(intake, &ticket);
	return ticket.result;
}

enum store_result
intake_settle(struct intake *intake, int64_t id, const struct store_attempt *attempt,
	enum store_state state, const char *reason, char reason_out[256])
{
	struct ticket ticket = { .id = id,
		.attempt = attempt,
		.settled = state,
		.settle_reason = reason,
		.deadline_ms = clock_ms() + SETTLE_MS,
		.result = STORE_FAILED,
		.reason = reason_out };
	write_ticket(intake, &ticket);
	return ticket.result;
}

void
intake_stop(void)
{
	pthread_mutex_lock(&intakes_lock);
	for (struct intake *intake = intakes; intake != NULL; intake = intake->next) {
		pthread_mutex_lock(&intake->lock);
		intake->stopping = true;
		pthread_cond_signal(&intake->work);
		bool started = intake->started;
		pthread_mutex_unlock(&intake->lock);
		if (started)
			pthread_join(intake->thread, NULL);
		intake->started = false;
		store_free(intake->store); /* the last one out checkpoints */
		intake->store = store_new(intake->database);
	}
	pthread_mutex_unlock(&intakes_lock);
}
