/* intake.c - what an endpoint process has of a store
 *
 * The writing thread takes all that waits for it at once, and what comes until its transaction is
 * committed; one fsync acknowledges all of it. Requests that come during the commit wait for the next one, so under
 * load the batches grow by themselves. A ticket is its caller's memory: it may be
 * taken back only while it waits in the list.
 *
 * The answering thread calls done() of those that were put "later", a batch at once, so that
 * nothing wakes up for each of them; and it takes back what has waited for too long, also
 * while the writing thread is stuck in a dead disk. It takes a while to wake up, and until then nobody sends anything
 * again: so the writing thread, which would only wait for company, calls the first few itself.
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
#include "thread.h"
#include "wake.h"

#define BATCH_MAX 128
#define STACK_SIZE ((size_t)1 << 20)
#define COMPANY_FEW 3       /* are waited for at once, not half of them first */
#define ANSWERS_MAX 3       /* by the writing thread: what it can do until another one is awake */
#define WORKER_ASK_MS 1000  /* between two calls for a worker */
#define LINGER_MAX_US 5000  /* however slow the disk is */
#define TALLY_AGAIN_MS 1000 /* opening one may take a moment, for all requests */
#define LOOK_MS 500         /* how late it may be seen that one waits for too long */
#define LARGE_COMMIT_FRAMES 400 /* is no smaller than what a gentle copy syncs at once */
#define TOO_LONG "the store was busy for too long"
#define SETTLE_MS 10000 /* a result is not given up easily: the handler has run */

/* A thread that stays until its ticket is done. */
struct intake_waiter {
	pthread_cond_t wake;
	bool done;
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
	struct intake_ticket *first, **last; /* that wait, in order of arrival */
	size_t waiting;
	size_t wanted;                  /* in a batch: then there is no more to wait for */
	size_t awaited;                 /* that wait: then the writing thread is woken */
	struct intake_ticket *finished; /* whose done() is to be called */
	pthread_cond_t answer;
	pthread_cond_t copy;
	bool log_is_long; /* the copier is, or is to be, at it */
	/* Since it last began. */
	uint64_t commits, frames;
	bool answerer_sleeps; /* and looks at nothing until it is called */
	bool started;
	bool stopping;
	bool written; /* the writing thread has ended */
	pthread_t writer, answerer, copier;
	bool copies;       /* the copier was started */
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
wake_worker(struct intake *intake)
{
	bool listens = wake_send(intake->database);
	int64_t now = clock_ms();
	int64_t asked = atomic_load(&intake->asked_ms);
	if (!listens && need_worker != NULL && atomic_load(&intake->worker_auto) &&
		(asked == 0 || now - asked >= WORKER_ASK_MS) &&
		atomic_compare_exchange_strong(&intake->asked_ms, &asked, now))
		need_worker(intake->config);
}

/* What goes into one transaction: it grows while that is open. */
struct batch {
	struct intake *intake;
	struct intake_ticket *tickets[BATCH_MAX];
	size_t count;
	struct store_event *events[BATCH_MAX];
	size_t event_count;
	struct store_settlement results[BATCH_MAX];
	size_t result_count;
	int64_t deadline_ms; /* the first of the events' */
	int64_t began_us;    /* when nothing was waited for any more */
	int64_t until_us;    /* how long company is waited for */
	bool late;           /* it is after that */
};

static void
batch_init(struct batch *batch, struct intake *intake)
{
	int64_t linger_us = intake->commit_us < LINGER_MAX_US ? intake->commit_us : LINGER_MAX_US;
	batch->intake = intake;
	batch->count = batch->event_count = batch->result_count = 0;
	batch->deadline_ms = clock_ms() + SETTLE_MS;
	batch->began_us = clock_us();
	batch->until_us = batch->began_us + linger_us;
	batch->late = false;
}

/* Take what waits; called with the lock held. */
static void
take(struct batch *batch)
{
	struct intake *intake = batch->intake;
	while (intake->first != NULL && batch->count < BATCH_MAX) {
		struct intake_ticket *ticket = intake->first;
		intake->waiting--;
		intake->first = ticket->next;
		ticket->taken = true;
		batch->tickets[batch->count++] = ticket;
	}
	if (intake->first == NULL)
		intake->last = &intake->first;
	batch->began_us = clock_us();
}

/* Give the store those from that one on. */
static struct store_batch
sort(struct batch *batch, size_t first)
{
	struct store_batch out = {
		.events = batch->events + batch->event_count,
		.settlements = batch->results + batch->result_count,
	};
	for (size_t i = first; i < batch->count; i++) {
		struct intake_ticket *ticket = batch->tickets[i];
		if (ticket->settled != NULL) {
			batch->results[batch->result_count++] = *ticket->settled;
			out.settlement_count++;
			continue;
		}
		batch->events[batch->event_count++] = &ticket->event;
		out.event_count++;
		if (ticket->deadline_ms < batch->deadline_ms)
			batch->deadline_ms = ticket->deadline_ms;
	}
	return out;
}

/*
 * Wait a little for company: those that were answered last, and those that came meanwhile, may all
 * send again, and each commit has its price. It is over when half of those that are missing have come,
 * which then are written while the others are on their way; at the latest after the time that the last commit took. Who
 * sends alone is never waited with. Called with the lock held.
 */
static void
await_company(const struct batch *batch)
{
	struct intake *intake = batch->intake;
	const struct timespec until = clock_timespec(batch->until_us);
	size_t wanted = intake->wanted < BATCH_MAX ? intake->wanted : BATCH_MAX;
	if (wanted <= batch->count)
		return;
	size_t missing = wanted - batch->count;
	intake->awaited = missing > COMPANY_FEW ? missing / 2 : missing;
	int error = 0;
	while (intake->waiting < intake->awaited && !intake->stopping && error == 0)
		error = pthread_cond_timedwait(&intake->work, &intake->lock, &until);
	intake->awaited = 1;
}

/* For store_write(). What comes all the time is not waited for all the time. */
static bool
take_company(void *context, struct store_batch *out)
{
	struct batch *batch = context;
	size_t before = batch->count;
	if (batch->late)
		return false;
	pthread_mutex_lock(&batch->intake->lock);
	await_company(batch);
	take(batch);
	pthread_mutex_unlock(&batch->intake->lock);
	batch->late = batch->began_us >= batch->until_us;
	*out = sort(batch, before);
	return batch->count > before;
}

static void
note_result(struct intake_ticket *ticket, enum store_result result, const char *reason)
{
	ticket->result = result;
	if (result != STORE_OK)
		snprintf(ticket->reason, sizeof ticket->reason, "%s", reason);
}

/* One turn of the writing thread: all of it is one transaction. */
static void
write_all(struct batch *batch)
{
	struct intake *intake = batch->intake;
	char reason[256];
	bool queued = false;

	const struct store_batch first = sort(batch, 0);
	enum store_result put = store_write(
		intake->store, &first, threaded ? take_company : NULL, batch, batch->deadline_ms);
	intake->commit_us = clock_us() - batch->began_us;
	snprintf(reason, sizeof reason, "%s", store_reason(intake->store));
	enum store_result settled = put;
	/* Results may wait longer than events. */
	if (put == STORE_BUSY && batch->event_count > 0 && batch->result_count > 0)
		settled = store_settle_all(intake->store, batch->results, batch->result_count);

	for (size_t i = 0, result = 0; i < batch->count; i++) {
		struct intake_ticket *ticket = batch->tickets[i];
		if (ticket->settled != NULL) {
			note_result(ticket,
				settled == STORE_OK ? batch->results[result].result : settled,
				store_reason(intake->store));
			result++;
			continue;
		}
		note_result(ticket, put, reason);
		if (put != STORE_OK)
			continue;
		tally_acknowledge(intake->tally, ticket->event.id);
		if (ticket->event.put == STORE_ACCEPTED || ticket->event.put == STORE_REQUEUED)
			queued = true;
	}
	if (queued)
		wake_worker(intake);
}

/* Copying the log into the database takes as long as hundreds of commits: here, while they go on. */
static void *
copier_main(void *argument)
{
	struct intake *intake = argument;
	struct store *store = store_new(intake->database);

	store_leave_log(store);
	pthread_mutex_lock(&intake->lock);
	while (!intake->written) {
		if (!intake->log_is_long) {
			pthread_cond_wait(&intake->copy, &intake->lock);
			continue;
		}
		bool gently = intake->frames < intake->commits * LARGE_COMMIT_FRAMES;
		intake->commits = intake->frames = 0;
		pthread_mutex_unlock(&intake->lock);
		store_expect(store, tally_acknowledged(intake->tally));
		(void)store_checkpoint(store, gently);
		pthread_mutex_lock(&intake->lock);
		intake->log_is_long = false;
	}
	pthread_mutex_unlock(&intake->lock);
	store_free(store);
	return NULL;
}

static void
push(struct intake_ticket **first, struct intake_ticket *ticket)
{
	ticket->next = *first;
	*first = ticket;
}

/* The tickets are done; called with the lock held. Returns those that are left to the writing thread: quick ones among
 * the first, and none where half as many as there were wait to be written next. */
static struct intake_ticket *
finish(struct intake *intake, const struct batch *batch)
{
	size_t answers = intake->waiting < (batch->count + 1) / 2 ? ANSWERS_MAX : 0;
	struct intake_ticket *own = NULL;
	for (size_t i = batch->count; i-- > 0;) {
		struct intake_ticket *ticket = batch->tickets[i];
		if (ticket->waiter != NULL) {
			ticket->waiter->done = true;
			pthread_cond_signal(&ticket->waiter->wake);
		} else {
			push(i < answers && ticket->quick ? &own : &intake->finished, ticket);
		}
	}
	if (intake->finished != NULL)
		pthread_cond_signal(&intake->answer);
	return own;
}

static void
answer(struct intake_ticket *ticket)
{
	log_gather_begin();
	while (ticket != NULL) {
		struct intake_ticket *next = ticket->next;
		ticket->done(ticket); /* and it is gone */
		ticket = next;
	}
	log_gather_end();
}

/* How large commits are. before: frames in the log before the last one, which may have begun it anew; called
 * with the lock held. */
static void
note_frames(struct intake *intake, unsigned before)
{
	unsigned frames = store_log_frames(intake->store);
	intake->frames += frames > before ? frames - before : frames;
	intake->commits++;
}

static void *
writer_main(void *argument)
{
	struct intake *intake = argument;
	struct batch batch;

	pthread_mutex_lock(&intake->lock);
	for (;;) {
		while (intake->first == NULL && !intake->stopping)
			pthread_cond_wait(&intake->work, &intake->lock);
		if (intake->first == NULL)
			break;
		batch_init(&batch, intake);
		await_company(&batch);
		take(&batch);
		pthread_mutex_unlock(&intake->lock);
		unsigned frames = store_log_frames(intake->store);
		write_all(&batch);
		pthread_mutex_lock(&intake->lock);
		struct intake_ticket *own = finish(intake, &batch);
		note_frames(intake, frames);
		intake->wanted = (intake->waiting + batch.count) * 7 / 8;
		if (!intake->log_is_long &&
			store_log_frames(intake->store) >= STORE_LOG_LONG_APART) {
			intake->log_is_long = true;
			pthread_cond_signal(&intake->copy);
		}
		if (own != NULL) {
			pthread_mutex_unlock(&intake->lock);
			answer(own);
			pthread_mutex_lock(&intake->lock);
		}
	}
	intake->written = true;
	pthread_cond_signal(&intake->answer);
	pthread_cond_signal(&intake->copy);
	pthread_mutex_unlock(&intake->lock);
	return NULL;
}

static void
unlink_ticket(struct intake *intake, const struct intake_ticket *ticket)
{
	struct intake_ticket **at = &intake->first;
	while (*at != ticket)
		at = &(*at)->next;
	*at = ticket->next;
	intake->waiting--;
	if (*at == NULL)
		intake->last = at;
}

static void
refuse(struct intake_ticket *ticket, const char *reason)
{
	snprintf(ticket->reason, sizeof ticket->reason, "%s", reason);
	ticket->result = STORE_BUSY;
}

/* Move those to finished that nobody stays for and that have waited for too long; called with the lock held.
 * Returns when the next one has: events came in order, and all may wait as long. */
static int64_t
take_back(struct intake *intake, int64_t now)
{
	int64_t next_ms = now + LOOK_MS;
	for (struct intake_ticket *ticket = intake->first, *next; ticket != NULL; ticket = next) {
		next = ticket->next;
		if (ticket->waiter != NULL)
			continue;
		if (ticket->deadline_ms > now) {
			next_ms = ticket->deadline_ms < next_ms ? ticket->deadline_ms : next_ms;
			if (ticket->settled != NULL)
				continue; /* it may wait longer than those behind it */
			return next_ms;
		}
		unlink_ticket(intake, ticket);
		refuse(ticket, TOO_LONG);
		push(&intake->finished, ticket);
	}
	return next_ms;
}

/* Sleep until something is finished or may be late; called with the lock held. */
static void
await_finished(struct intake *intake)
{
	int64_t until_ms = take_back(intake, clock_ms());
	const struct timespec until = clock_timespec(until_ms * 1000);
	if (intake->finished != NULL || intake->written)
		return;
	int error = pthread_cond_timedwait(&intake->answer, &intake->lock, &until);
	/* Nothing to be seen for a while: no look either, until somebody comes. */
	while (error == ETIMEDOUT && intake->first == NULL && intake->finished == NULL &&
		!intake->written) {
		intake->answerer_sleeps = true;
		pthread_cond_wait(&intake->answer, &intake->lock);
		intake->answerer_sleeps = false;
	}
}

static void *
answerer_main(void *argument)
{
	struct intake *intake = argument;

	pthread_mutex_lock(&intake->lock);
	while (intake->finished != NULL || !intake->written) {
		struct intake_ticket *ticket = intake->finished;
		intake->finished = NULL;
		pthread_mutex_unlock(&intake->lock);
		answer(ticket);
		pthread_mutex_lock(&intake->lock);
		if (intake->finished == NULL)
			await_finished(intake);
	}
	pthread_mutex_unlock(&intake->lock);
	return NULL;
}

/* Called with the lock held. false: there are no threads. */
static bool
start(struct intake *intake)
{
	if (intake->started)
		return true;
	intake->written = false;
	if (thread_start(&intake->answerer, STACK_SIZE, answerer_main, intake) == 0) {
		intake->started =
			thread_start(&intake->writer, STACK_SIZE, writer_main, intake) == 0;
		if (!intake->started)
			intake->written = true;
	}
	intake->copies = intake->started &&
			 thread_start(&intake->copier, STACK_SIZE, copier_main, intake) == 0;
	if (intake->copies)
		store_checkpoint_apart(intake->store);
	if (intake->written) {
		pthread_cond_signal(&intake->answer);
		pthread_detach(intake->answerer);
	}
	return intake->started;
}

/* Put it into the list; called with the lock held. false: it cannot be, and has its result. */
static bool
line_up(struct intake *intake, struct intake_ticket *ticket)
{
	if (intake->stopping || !start(intake)) {
		refuse(ticket,
			intake->stopping ? "the program is stopping" : "no thread can be started");
		return false;
	}
	ticket->next = NULL;
	ticket->taken = false;
	*intake->last = ticket;
	intake->last = &ticket->next;
	intake->waiting++;
	if (intake->waiting == intake->awaited)
		pthread_cond_signal(&intake->work);
	if (intake->answerer_sleeps)
		pthread_cond_signal(&intake->answer);
	return true;
}

/* Wait for the writing thread to be done with the ticket. */
static void
await(struct intake *intake, struct intake_ticket *ticket)
{
	struct intake_waiter waiter = { .done = false };
	const struct timespec deadline = clock_timespec(ticket->deadline_ms * 1000);
	int error = 0;

	clock_cond_init(&waiter.wake);
	/* cppcheck-suppress autoVariables ; gone from it again below */
	ticket->waiter = &waiter;
	pthread_mutex_lock(&intake->lock);
	if (line_up(intake, ticket)) {
		while (!waiter.done && !ticket->taken && error != ETIMEDOUT)
			error = pthread_cond_timedwait(&waiter.wake, &intake->lock, &deadline);
		if (!ticket->taken) {
			unlink_ticket(intake, ticket);
			refuse(ticket, TOO_LONG);
		}
		while (ticket->taken && !waiter.done)
			pthread_cond_wait(&waiter.wake, &intake->lock);
	}
	ticket->waiter = NULL;
	pthread_mutex_unlock(&intake->lock);
	pthread_cond_destroy(&waiter.wake);
}

static void
write_alone(struct intake *intake, struct intake_ticket *ticket)
{
	struct batch batch;
	batch_init(&batch, intake);
	batch.tickets[batch.count++] = ticket;
	write_all(&batch);
}

static enum store_result
write_ticket(struct intake *intake, struct intake_ticket *ticket)
{
	if (threaded)
		await(intake, ticket);
	else
		write_alone(intake, ticket);
	return ticket->result;
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

/* The store has found it, and it is kept before it cannot be seen any more. */
static void
note_loss(void *context, int64_t acknowledged, int64_t stored)
{
	const struct intake *intake = context;
	tally_lose(intake->tally, intake->database, acknowledged, stored);
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
		store_on_loss(intake->store, note_loss, intake);
		if (!threaded)
			store_leave_log(intake->store); /* five syncs in each request else */
		intake->last = &intake->first;
		intake->awaited = 1;
		pthread_mutex_init(&intake->lock, NULL);
		clock_cond_init(&intake->work);
		clock_cond_init(&intake->answer);
		pthread_cond_init(&intake->copy, NULL);
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
	store_expect(intake->store, tally_acknowledged(intake->tally));
	pthread_mutex_unlock(&intakes_lock);
	return intake;
}

struct tally *
intake_tally(struct intake *intake)
{
	return intake->tally;
}

enum store_result
intake_put(struct intake *intake, struct intake_ticket *ticket)
{
	return write_ticket(intake, ticket);
}

void
intake_put_later(struct intake *intake, struct intake_ticket *ticket)
{
	ticket->waiter = NULL;
	pthread_mutex_lock(&intake->lock);
	bool waits = line_up(intake, ticket);
	pthread_mutex_unlock(&intake->lock);
	if (!waits)
		ticket->done(ticket);
}

static void
make_settling(struct intake_ticket *ticket, const struct store_settlement *settlement)
{
	ticket->settled = settlement;
	ticket->deadline_ms = clock_ms() + SETTLE_MS;
}

enum store_result
intake_settle(struct intake *intake, const struct store_settlement *settlement,
	struct intake_ticket *ticket)
{
	make_settling(ticket, settlement);
	return write_ticket(intake, ticket);
}

void
intake_settle_later(struct intake *intake, const struct store_settlement *settlement,
	struct intake_ticket *ticket)
{
	make_settling(ticket, settlement);
	intake_put_later(intake, ticket);
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
		if (started) {
			pthread_join(intake->writer, NULL);
			pthread_join(intake->answerer, NULL);
			if (intake->copies)
				pthread_join(intake->copier, NULL);
		}
		intake->started = false;
		store_free(intake->store); /* the last one out checkpoints */
		intake->store = store_new(intake->database);
	}
	pthread_mutex_unlock(&intakes_lock);
}
