/* worker.c - runs queued events: a supervisor and its runner processes
 *
 * The supervisor is the only one with a connection to the store. It claims events, each for one of its runners
 * and in that process's name, hands them over (errand.h), and records what comes back. What has come while it was
 * busy with one commit, and the claims for all who have nothing to do, are the next commit: the more come the fewer
 * syncs each costs. Before, each runner had a connection: each commit of one made the others read their pages anew, and
 * they waited for each other's turn to write (bench/README.md).
 *
 * It looks for work when somebody has nothing to do and a byte comes through the FIFO, at least once a second, and
 * with each result: the byte is a hint that may be lost, and a lane that was freed sends none. The rest is
 * housework: what dead processes had claimed, retention, endpoints that are configured no more, a changed
 * configuration. A reload is an end of the runners one by one, each after its handler, and a start with the new
 * configuration: no runner has to change anything that it has. The connection to the store is closed before each
 * fork and opened when it is needed next: SQLite keeps its locks by process and would
 * believe in the child that it still has those of the parent.
 *
 * What ends when:
 * - A runner is killed: its event names it as its owner, so the supervisor gives it back, and another runs it again.
 *   The handler that it had may still be running: nobody can tell it from a process
 *   that a handler left behind on purpose.
 * - The supervisor is killed: the lock is free at once. Each runner sees the end of its socket, after its handler,
 *   records itself what was not recorded, and ends.
 * - All are killed: the next worker's store_recover() gives the events back.
 * - A runner is to end: its socket is closed when its last result is recorded. After the stop time the supervisor
 *   ends the handler, not the runner, so that the attempt is recorded and nothing runs twice.
 */
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "config.h"
#include "descriptor.h"
#include "errand.h"
#include "log.h"
#include "run.h"
#include "store.h"
#include "store_owner.h"
#include "thread.h"
#include "wake.h"
#include "worker_house.h"
#include "worker_runner.h"

#define RUNNERS_MAX 64

#define STOP_MS (30 * 1000) /* how long a stop waits for handlers */
#define CUT_MS (5 * 1000)   /* then for those that got TERM, and again for those that got KILL */
#define LOOK_MS 1000        /* the longest sleep, and between looks at the file */
#define COMPANY_US 300      /* that a result waits for others */
#define WAIT_MIN_MS 5       /* so that no trouble with clocks becomes a busy loop */
#define RETRY_MS 1000       /* the store said no: again after this */
#define ONCE_TRIES 10       /* so often, when somebody waits for the end */
#define ONCE_ROUNDS 3       /* looks for what came while the runners ended */
#define LEASE_SLACK_MS (60 * 1000)
#define CRASH_PAUSE_MS 250             /* before a runner that died is started again; doubled */
#define CRASH_PAUSE_MAX_MS (60 * 1000) /* up to here; one that lived so long has not just crashed */
#define HEAP_STEP (128 * 1024)         /* a large body must not leave its pages here */

/* sysexits(3). */
#define EXIT_NO 1
#define EXIT_CONFIG 78

/* One runner. */
struct slot {
	pid_t pid;  /* 0: none */
	int socket; /* -1: closed, which is how it is told to end */
	char owner[OWNER_MAX];
	bool asked;       /* it is to end */
	bool left_behind; /* its handler left processes behind: it gets no other event */
	int64_t event;    /* that it has; 0: none */
	unsigned attempt; /* of the event */
	bool cut;         /* that was ended for a stop */
	bool has_result;  /* in the mail, not yet recorded; it may itself have ended since */
	struct buf mail;
	struct errand_result result;
	int64_t started_ms;
	int64_t start_at_ms; /* not before */
	int64_t pause_ms;    /* the last one before a start */
};

struct supervisor {
	const struct worker_options *options;
	struct config *config;  /* in force */
	struct config *refused; /* the newest load, when it was not usable; else NULL */
	struct store *store;    /* not connected in a fork */
	struct worker_house house;
	nfds_t crowd; /* more handlers than that have the processors busy */
	struct owner self;
	struct store_lane *lanes; /* of the configuration in force */
	size_t lane_count;
	bool retries_first;
	int lock;
	int wake;
	struct slot slots[RUNNERS_MAX];
	unsigned runners;    /* slots in use */
	bool ending;         /* nobody gets an event any more */
	bool all_done;       /* once: nothing is due */
	bool moved;          /* the new configuration names another store, or none */
	bool store_failed;   /* once: it was tried often enough */
	unsigned tries;      /* since the store last did what it should */
	int64_t retry_at_ms; /* not before; 0: at once */
	int64_t claim_at_ms; /* who has nothing to do is given something then, or with a byte */
	int64_t next_due_ms; /* wall clock, of the last claim that found nothing; INT64_MAX: none */
	int64_t worked_ms;   /* when an event was last claimed or settled */
	int64_t looked_ms;
};

/*
 * Signals
 */

static volatile sig_atomic_t told_to_stop;
static volatile sig_atomic_t child_ended;

static void
on_signal(int signal)
{
	if (signal == SIGTERM || signal == SIGINT)
		told_to_stop = 1;
	else
		child_ended = 1;
}

/* They come only while it waits, so that none is missed between a look and the wait. */
static void
supervisor_signals(void)
{
	static const int handled[] = { SIGTERM, SIGINT, SIGCHLD };
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;
	sigemptyset(&blocked);
	told_to_stop = 0;
	child_ended = 0;
	for (size_t i = 0; i < sizeof handled / sizeof handled[0]; i++) {
		sigaddset(&blocked, handled[i]);
		sigaction(handled[i], &action, NULL);
	}
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/*
 * Its runners
 */

static void
pause_slot(struct slot *slot, int64_t lived_ms)
{
	if (lived_ms >= CRASH_PAUSE_MAX_MS || slot->pause_ms == 0)
		slot->pause_ms = CRASH_PAUSE_MS;
	else if (slot->pause_ms < CRASH_PAUSE_MAX_MS)
		slot->pause_ms *= 2;
	slot->start_at_ms = clock_ms() + slot->pause_ms;
}

/* What is the supervisor's alone is closed: its lock would outlive it, and its ends of the sockets would
 * hide its end. */
__attribute__((noreturn)) static void
become_runner(struct supervisor *supervisor, int socket)
{
	descriptor_close(&supervisor->lock);
	descriptor_close(&supervisor->wake);
	for (unsigned i = 0; i < RUNNERS_MAX; i++)
		descriptor_close(&supervisor->slots[i].socket);
	worker_runner_main(supervisor->config, supervisor->house.tally, socket);
}

static bool
fork_runner(struct supervisor *supervisor, struct slot *slot)
{
	int ends[2];
	if (!errand_open(ends))
		return false;
	store_disconnect(supervisor->store); /* see the top of this file */
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		become_runner(supervisor, ends[1]);
	}
	int error = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		errno = error;
		return false;
	}
	slot->pid = pid;
	slot->socket = ends[0];
	owner_of_child(&supervisor->self, pid, slot->owner);
	return true;
}

static void
start_runner(struct supervisor *supervisor, struct slot *slot)
{
	slot->asked = slot->left_behind = slot->cut = false;
	slot->event = 0;
	slot->started_ms = clock_ms();
	supervisor->claim_at_ms = 0;
	if (fork_runner(supervisor, slot))
		return;
	log_message(LOG_LEVEL_ERROR, "worker", "a runner cannot be started: %s", strerror(errno));
	pause_slot(slot, 0);
}

/* Take the result of its event, if it is there. What it holds of others' is nobody's: a runner that sends such
 * has lost its mind, and its socket. */
static void
receive(struct slot *slot)
{
	if (slot->socket < 0 || slot->has_result)
		return;
	switch (errand_receive(slot->socket, false, &slot->mail)) {
	case ERRAND_NONE: return;
	case ERRAND_RESULT:
		slot->has_result = errand_read_result(&slot->mail, &slot->result) &&
				   slot->result.settlement.id == slot->event &&
				   slot->result.attempt.number == slot->attempt;
		slot->left_behind = slot->has_result && slot->result.left_behind;
		break;
	case ERRAND_GONE:
	case ERRAND_JOB:
	case ERRAND_RECORDED:
	case ERRAND_GIVEN_UP:
	case ERRAND_CUT: break;
	}
	if (!slot->has_result)
		descriptor_close(&slot->socket);
}

/* A runner has ended: well, or was it killed? */
static void
note_end(struct supervisor *supervisor, struct slot *slot, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	receive(slot);
	bool told = slot->socket < 0 || slot->left_behind;
	descriptor_close(&slot->socket);
	slot->pid = 0;
	if (slot->event != 0 && !slot->has_result)
		worker_house_recover_now(&supervisor->house);
	if (!slot->has_result)
		slot->event = 0;
	if (code == WORKER_RUNNER_DONE || code == WORKER_RUNNER_AGAIN) {
		slot->pause_ms = 0;
		slot->start_at_ms = told ? 0 : clock_ms() + CRASH_PAUSE_MS;
		return;
	}
	log_message(LOG_LEVEL_ERROR, "worker",
		"a runner ended by itself (%s %d): its event is run again",
		code >= 0 ? "exit" : "signal", code >= 0 ? code : WTERMSIG(status));
	pause_slot(slot, clock_ms() - slot->started_ms);
}

static void
reap(struct supervisor *supervisor)
{
	pid_t pid;
	int status;
	if (!child_ended)
		return;
	child_ended = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < RUNNERS_MAX; i++)
			if (supervisor->slots[i].pid == pid)
				note_end(supervisor, &supervisor->slots[i], status);
	}
}

static void
start_runners(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->runners; i++) {
		struct slot *slot = &supervisor->slots[i];
		if (slot->pid == 0 && !slot->has_result && clock_ms() >= slot->start_at_ms)
			start_runner(supervisor, slot);
	}
}

/* May it be given an event, when it has none? */
static bool
takes_events(const struct slot *slot)
{
	return slot->socket >= 0 && !slot->asked && !slot->left_behind;
}

static bool
is_free(const struct slot *slot)
{
	return takes_events(slot) && slot->event == 0;
}

static bool
is_any(const struct supervisor *supervisor, bool (*is)(const struct slot *slot))
{
	for (unsigned i = 0; i < RUNNERS_MAX; i++)
		if (is(&supervisor->slots[i]))
			return true;
	return false;
}

static bool
is_alive(const struct slot *slot)
{
	return slot->pid != 0;
}

static bool
is_busy(const struct slot *slot)
{
	return slot->event != 0;
}

static bool
has_result(const struct slot *slot)
{
	return slot->has_result;
}

/* Let it end when it has nothing. */
static void
release(struct slot *slot)
{
	if (slot->event == 0 && (slot->asked || slot->left_behind))
		descriptor_close(&slot->socket);
}

/* Each runner, as soon as its handler has ended. */
static void
ask_runners(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < RUNNERS_MAX; i++) {
		supervisor->slots[i].asked = true;
		release(&supervisor->slots[i]);
	}
}

/*
 * Events: claimed and handed over, recorded
 */

/* Only what can be run: events of an endpoint that cannot be used wait until it is mended. */
static void
make_lanes(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	free(supervisor->lanes);
	supervisor->lane_count = 0;
	supervisor->lanes = xcalloc(config->endpoint_count, sizeof *supervisor->lanes);
	for (size_t i = 0; i < config->endpoint_count; i++) {
		const struct config_endpoint *endpoint = &config->endpoints[i];
		if (endpoint->unusable != NULL || endpoint->provider == NULL)
			continue;
		supervisor->lanes[supervisor->lane_count++] = (struct store_lane){
			.endpoint = endpoint->name,
			.concurrency = endpoint->concurrency,
			.lease_ms = endpoint->timeout_ms + endpoint->grace_ms + LEASE_SLACK_MS,
		};
	}
}

static bool
count_lost(void *context, const struct store_attempt *attempt)
{
	unsigned *lost = context;
	*lost = strcmp(attempt->end, "lost") == 0 ? *lost + 1 : 0;
	return true;
}

/* Does this event end the process that runs it, each time? */
static unsigned
lost_in_a_row(struct supervisor *supervisor, const struct store_job *job)
{
	unsigned lost = 0;
	if (job->attempt > WORKER_LOST_MAX)
		(void)store_attempts(supervisor->store, job->id, count_lost, &lost);
	return lost;
}

static void
forget_result(struct slot *slot)
{
	buf_free(&slot->mail);
	slot->has_result = false;
	slot->event = 0;
}

/* A job also says that the last result is recorded. A runner that cannot be given its event would have it for
 * ever: with its end it is given back. */
static void
hand_over(struct supervisor *supervisor, struct slot *slot, const struct store_job *job)
{
	forget_result(slot);
	slot->event = job->id;
	slot->attempt = job->attempt;
	slot->cut = false;
	if (errand_send_job(slot->socket, job, lost_in_a_row(supervisor, job)))
		return;
	if (errno != EPIPE && errno != ECONNRESET)
		log_message(LOG_LEVEL_ERROR, "worker", "event %lld cannot be given to a runner: %s",
			(long long)job->id, strerror(errno));
	kill(slot->pid, SIGKILL);
}

/* It was recorded, or never will be; unless a job has said so. */
static void
answer(struct slot *slot, enum errand_kind kind)
{
	if (!slot->has_result)
		return;
	if (slot->socket >= 0)
		(void)errand_send(slot->socket, kind); /* one that has ended is reaped */
	forget_result(slot);
	release(slot);
}

/* What one commit is about. */
struct exchange {
	struct slot *settled[RUNNERS_MAX];
	struct store_settlement settlements[RUNNERS_MAX];
	size_t settlement_count;
	struct slot *claiming[RUNNERS_MAX];
	struct store_claim claims[RUNNERS_MAX];
	size_t claim_count, claimed;
};

static void
gather_results(struct supervisor *supervisor, struct exchange *exchange)
{
	for (unsigned i = 0; i < RUNNERS_MAX; i++) {
		struct slot *slot = &supervisor->slots[i];
		if (!slot->has_result)
			continue;
		struct store_settlement *settlement =
			&exchange->settlements[exchange->settlement_count];
		*settlement = slot->result.settlement;
		settlement->attempt = &slot->result.attempt;
		settlement->due_ms = worker_house_wall_ms(&supervisor->house, settlement->due_ms);
		settlement->owner = slot->owner;
		exchange->settled[exchange->settlement_count++] = slot;
	}
}

/* For all who have nothing to do, or will have nothing when their result is recorded. Not before what dead
 * processes had is given back: it has its place in the order. Nor with results that were not recorded with
 * claims: it may be an event that cannot be read. */
static void
gather_claims(struct supervisor *supervisor, struct exchange *exchange)
{
	int64_t now = clock_ms();
	bool is_time = now >= supervisor->claim_at_ms || exchange->settlement_count > 0;
	bool failed = supervisor->retry_at_ms != 0 && exchange->settlement_count > 0;
	if (supervisor->ending || worker_house_recovers(&supervisor->house) || !is_time || failed)
		return;
	for (unsigned i = 0; i < supervisor->runners; i++) {
		struct slot *slot = &supervisor->slots[i];
		if (!is_free(slot) && !(takes_events(slot) && slot->has_result))
			continue;
		struct store_claim *claim = &exchange->claims[exchange->claim_count];
		claim->owner = slot->owner;
		store_job_init(&claim->job);
		exchange->claiming[exchange->claim_count++] = slot;
	}
}

static void
note_settled(struct supervisor *supervisor, const struct exchange *exchange)
{
	for (size_t i = 0; i < exchange->settlement_count; i++) {
		const struct store_settlement *settlement = &exchange->settlements[i];
		if (settlement->result == STORE_NONE)
			log_message(LOG_LEVEL_WARNING, "worker",
				"event %lld: its lease ended before its handler did: attempt %u is "
				"not recorded",
				(long long)settlement->id, settlement->attempt->number);
		/* Before idleness can be seen: a retry may be waited for. */
		if (settlement->state == STORE_QUEUED &&
			settlement->due_ms < supervisor->next_due_ms)
			supervisor->next_due_ms = settlement->due_ms;
	}
}

/* Nothing more is due before that: when to look again. */
static void
note_next_due(struct supervisor *supervisor, int64_t next_due_ms)
{
	int64_t left_ms = LOOK_MS;
	supervisor->next_due_ms = next_due_ms;
	int64_t now = worker_house_wall_ms(&supervisor->house, clock_boot_ms());
	if (next_due_ms != INT64_MAX && next_due_ms - now < left_ms)
		left_ms = next_due_ms - now;
	supervisor->claim_at_ms = clock_ms() + (left_ms > WAIT_MIN_MS ? left_ms : WAIT_MIN_MS);
	if (supervisor->options->once && left_ms > 0 && !is_any(supervisor, is_busy))
		supervisor->all_done = true;
}

/* The store did not take it. Whoever waits for the end, or for the stop, does not wait for the store. */
static void
note_failure(struct supervisor *supervisor, const struct exchange *exchange)
{
	bool last = (supervisor->options->once && ++supervisor->tries >= ONCE_TRIES);
	bool stop = told_to_stop && supervisor->ending;
	supervisor->retry_at_ms = clock_ms() + RETRY_MS;
	worker_house_complain(&supervisor->house, exchange->settlement_count > 0
							  ? "an attempt cannot be recorded"
							  : "no event can be claimed");
	if (!last && !stop)
		return;
	for (size_t i = 0; i < exchange->settlement_count; i++) {
		log_message(LOG_LEVEL_ERROR, "worker",
			"event %lld: the end of attempt %u could not be recorded%s: it will be run "
			"again",
			(long long)exchange->settlements[i].id,
			exchange->settlements[i].attempt->number, stop ? " before the stop" : "");
		answer(exchange->settled[i], ERRAND_GIVEN_UP);
	}
	supervisor->store_failed = supervisor->store_failed || !stop;
	supervisor->retry_at_ms = 0;
}

/* Record what has come, and give those something who have nothing to do: one commit. */
static void
exchange(struct supervisor *supervisor)
{
	struct exchange now = { .settlement_count = 0 };
	const struct store_lanes lanes = { supervisor->lanes, supervisor->lane_count,
		supervisor->retries_first };
	int64_t next_due_ms;

	if (clock_ms() < supervisor->retry_at_ms)
		return;
	gather_results(supervisor, &now);
	gather_claims(supervisor, &now);
	if (now.settlement_count + now.claim_count == 0)
		return;
	int64_t wall_ms = worker_house_wall_ms(&supervisor->house, clock_boot_ms());
	enum store_result result =
		store_settle_and_claim(supervisor->store, now.settlements, now.settlement_count,
			&lanes, wall_ms, now.claims, now.claim_count, &now.claimed, &next_due_ms);
	if (result != STORE_OK) {
		note_failure(supervisor, &now);
		return;
	}
	supervisor->tries = 0;
	supervisor->retry_at_ms = 0;
	if (now.settlement_count + now.claimed > 0)
		supervisor->worked_ms = clock_ms();
	note_settled(supervisor, &now);
	for (size_t i = 0; i < now.claimed; i++)
		hand_over(supervisor, now.claiming[i], &now.claims[i].job);
	for (size_t i = 0; i < now.settlement_count; i++)
		answer(now.settled[i], ERRAND_RECORDED);
	for (size_t i = 0; i < now.claimed; i++)
		store_job_free(&now.claims[i].job);
	if (now.claimed % 2 == 1)
		supervisor->retries_first = !supervisor->retries_first;
	if (now.claimed > 0 && next_due_ms <= wall_ms)
		supervisor->claim_at_ms = 0; /* there may be more */
	else if (now.claimed < now.claim_count)
		note_next_due(supervisor, next_due_ms);
}

/*
 * Waiting
 */

/* All bytes that are there: what is due is looked for at once. */
static void
take_bytes(struct supervisor *supervisor)
{
	char bytes[4096];
	while (read(supervisor->wake, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
		continue;
	supervisor->claim_at_ms = 0;
}

/* When there is something to do, whatever comes. */
static int64_t
next_turn_ms(const struct supervisor *supervisor)
{
	int64_t at_ms = clock_ms() + LOOK_MS;
	int64_t exchange_ms = INT64_MAX;
	for (unsigned i = 0; i < supervisor->runners && !supervisor->ending; i++) {
		const struct slot *slot = &supervisor->slots[i];
		if (slot->pid == 0 && !slot->has_result && slot->start_at_ms < at_ms)
			at_ms = slot->start_at_ms;
	}
	if (is_any(supervisor, has_result))
		exchange_ms = 0;
	else if (!supervisor->ending && is_any(supervisor, is_free))
		exchange_ms = supervisor->claim_at_ms;
	if (exchange_ms < supervisor->retry_at_ms)
		exchange_ms = supervisor->retry_at_ms;
	int64_t house_ms = worker_house_next_ms(&supervisor->house);
	if (!supervisor->ending && house_ms < at_ms)
		at_ms = house_ms;
	return exchange_ms < at_ms ? exchange_ms : at_ms;
}

/*
 * Until a runner or the FIFO says something, a signal comes, or the time. The FIFO is listened to only while
 * somebody has nothing to do: else each event that comes would wake for nothing. Signals come only here, so that none
 * is missed between a look and the wait.
 * With more handlers than the processors can run a result waits a moment for company: the others run meanwhile, and all
 * that come share one turn and one commit.
 */
static void
wait_until(struct supervisor *supervisor, int64_t at_ms)
{
	struct pollfd polled[RUNNERS_MAX + 1];
	struct slot *slots[RUNNERS_MAX];
	nfds_t count = 0, slot_count;
	bool listens = !supervisor->ending && supervisor->wake >= 0 &&
		       supervisor->retry_at_ms == 0 && is_any(supervisor, is_free);
	sigset_t none;
	int64_t left_ms = at_ms - clock_ms();
	if (left_ms < 0)
		left_ms = 0;
	struct timespec wait = clock_timespec(left_ms * 1000);
	const struct timespec at_once = { 0, 0 };

	sigemptyset(&none);
	for (unsigned i = 0; i < RUNNERS_MAX; i++) {
		struct slot *slot = &supervisor->slots[i];
		if (slot->socket < 0 || slot->event == 0 || slot->has_result)
			continue;
		slots[count] = slot;
		polled[count++] = (struct pollfd){ .fd = slot->socket, .events = POLLIN };
	}
	slot_count = count;
	if (listens)
		polled[count++] = (struct pollfd){ .fd = supervisor->wake, .events = POLLIN };
	int ready = ppoll(polled, count, &wait, &none);
	if (ready > 0 && slot_count > supervisor->crowd) {
		clock_sleep_us(COMPANY_US);
		ready = ppoll(polled, count, &at_once, &none);
	}
	if (ready <= 0)
		return;
	for (nfds_t i = 0; i < slot_count; i++)
		if (polled[i].revents != 0)
			receive(slots[i]);
	if (listens && polled[slot_count].revents != 0)
		take_bytes(supervisor);
}

/*
 * The stop
 */

/* End what the runner has started, with its process group, so that the runner sees its handler's
 * end and can record it. */
static void
signal_handlers(pid_t runner, int signal)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (run_parent_of(dirfd(directory), entry->d_name) != runner)
			continue;
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (kill(-pid, signal) != 0)
			kill(pid, signal);
		kill(-pid, SIGCONT); /* a stopped process acts on TERM only then */
	}
	if (directory != NULL)
		closedir(directory);
}

/* The stop time is over. step 0, 1, 2: TERM to handlers, KILL to handlers, KILL to runners. */
static void
cut_short(struct supervisor *supervisor, unsigned step)
{
	for (unsigned i = 0; i < RUNNERS_MAX; i++) {
		struct slot *slot = &supervisor->slots[i];
		pid_t pid = slot->pid;
		if (pid == 0)
			continue;
		if (!slot->cut && slot->socket >= 0)
			(void)errand_send(slot->socket, ERRAND_CUT);
		slot->cut = true;
		log_message(LOG_LEVEL_WARNING, "worker",
			"the stop time is over: %s of runner %d is ended by %s; its event is run "
			"again",
			step < 2 ? "the handler" : "all", (int)pid, step == 0 ? "TERM" : "KILL");
		if (step < 2)
			signal_handlers(pid, step == 0 ? SIGTERM : SIGKILL);
		else
			kill(pid, SIGKILL);
	}
}

/* Wait until all runners have ended. They are not hurried before the worker is told to stop. */
static void
end_runners(struct supervisor *supervisor)
{
	int64_t stop_ms = supervisor->options->stop_ms;
	int64_t deadline_ms = INT64_MAX;
	unsigned step = 0;

	supervisor->ending = true;
	ask_runners(supervisor);
	for (;;) {
		reap(supervisor);
		exchange(supervisor);
		if (!is_any(supervisor, is_alive) && !is_any(supervisor, has_result))
			return;
		if (told_to_stop && deadline_ms == INT64_MAX)
			deadline_ms = clock_ms() + (stop_ms > 0 ? stop_ms : STOP_MS);
		if (clock_ms() >= deadline_ms) {
			cut_short(supervisor, step < 2 ? step : 2);
			step++;
			deadline_ms = clock_ms() + CUT_MS;
		}
		int64_t turn_ms = next_turn_ms(supervisor);
		wait_until(supervisor, turn_ms < deadline_ms ? turn_ms : deadline_ms);
	}
}

/*
 * The configuration
 */

static void
report_faults(const struct config *config, bool to_person)
{
	for (size_t i = 0; i < config->fault_count; i++) {
		const struct config_fault *fault = &config->faults[i];
		if (fault->severity == CONFIG_WARNING)
			continue;
		if (to_person && fault->line > 0)
			fprintf(stderr, "%s:%u: %s\n", fault->file, fault->line, fault->message);
		else if (to_person)
			fprintf(stderr, "%s: %s\n", fault->file, fault->message);
		else
			log_message(LOG_LEVEL_ERROR, "config", "%s:%u: %s", fault->file,
				fault->line, fault->message);
	}
}

static void
apply_log(const struct config *config)
{
	char reason[256];
	if (!log_open(config->log, config->log_json, reason))
		log_message(LOG_LEVEL_ERROR, "config",
			"%s: the log cannot be opened: %s; lines go where they went before",
			config->path, reason);
}

/* Of the options, else of the configuration. */
static unsigned
wanted_runners(const struct worker_options *options, const struct config *config)
{
	unsigned runners = options->runners > 0 ? options->runners : config->runners;
	if (runners == 0)
		return 1;
	return runners < RUNNERS_MAX ? runners : RUNNERS_MAX;
}

/* Put a fresh configuration in force. Runners take it as they are started again. */
static void
adopt(struct supervisor *supervisor, struct config *fresh)
{
	struct config *old = supervisor->config;
	supervisor->moved = fresh->store == NULL || strcmp(fresh->store, old->store) != 0;
	if (supervisor->moved) {
		/* The runners and the housework first end with the old one's store. */
		supervisor->refused = fresh;
		return;
	}
	log_message(LOG_LEVEL_INFO, "config", "%s is in force", fresh->path);
	supervisor->config = fresh;
	supervisor->runners = wanted_runners(supervisor->options, fresh);
	worker_house_adopt(&supervisor->house, fresh);
	config_free(old);
	apply_log(fresh);
	make_lanes(supervisor);
	ask_runners(supervisor);
}

static void
reload(struct supervisor *supervisor)
{
	const struct config *newest =
		supervisor->refused != NULL ? supervisor->refused : supervisor->config;
	int64_t now = clock_ms();
	if (now - supervisor->looked_ms < LOOK_MS)
		return;
	supervisor->looked_ms = now;
	if (!config_changed(newest) || !config_has_settled(newest))
		return;
	bool usable;
	struct config *fresh = config_load(supervisor->config->path, NULL, &usable);
	report_faults(fresh, false);
	if (usable && fresh->endpoint_count == 0 && supervisor->config->endpoint_count > 0) {
		log_message(
			LOG_LEVEL_ERROR, "config", "%s names no endpoint any more", fresh->path);
		usable = false;
	}
	config_free(supervisor->refused);
	supervisor->refused = NULL;
	if (usable) {
		adopt(supervisor, fresh);
		return;
	}
	supervisor->refused = fresh;
	log_message(LOG_LEVEL_ERROR, "config",
		"%s cannot be used; the one before it stays in force", fresh->path);
}

/*
 * From start to end
 */

/* Nobody works, nothing was done for a while, and no retry is waited for: with "auto" no request
 * may come that starts another worker for it. */
static bool
is_idle(const struct supervisor *supervisor)
{
	return supervisor->options->idle_ms > 0 && supervisor->next_due_ms == INT64_MAX &&
	       !is_any(supervisor, is_busy) &&
	       clock_ms() - supervisor->worked_ms >= supervisor->options->idle_ms;
}

/* Until it is told to stop, there is nothing more to do, or the store is another. */
static void
supervise(struct supervisor *supervisor)
{
	for (;;) {
		reap(supervisor);
		if (told_to_stop)
			return;
		if (!supervisor->options->once)
			reload(supervisor);
		if (supervisor->moved)
			return;
		start_runners(supervisor);
		if (worker_house_heed_clock(&supervisor->house))
			supervisor->claim_at_ms = 0;
		/* First, since what dead runners had done is not lost. */
		exchange(supervisor);
		if (worker_house_keep(&supervisor->house))
			supervisor->claim_at_ms = 0;
		if ((supervisor->all_done && !supervisor->house.prunes) ||
			supervisor->store_failed || is_idle(supervisor))
			return;
		wait_until(supervisor, next_turn_ms(supervisor));
	}
}

/* Is there an event that a runner would take now? */
struct due {
	const struct config *config;
	int64_t now_ms;
	bool found;
};

static bool
find_due(void *context, const struct store_row *row)
{
	struct due *due = context;
	const struct config_endpoint *endpoint = config_find(due->config, slice_of(row->endpoint));
	due->found = row->due_ms <= due->now_ms && endpoint != NULL && endpoint->unusable == NULL;
	return !due->found;
}

static bool
is_anything_due(struct supervisor *supervisor)
{
	struct due due = { supervisor->config, clock_wall_ms(), false };
	struct store_filter filter = {
		.has_state = true, .state = STORE_QUEUED, .limit = 1000, .oldest_first = true
	};
	return store_list(supervisor->store, &filter, find_due, &due) == STORE_OK && due.found;
}

/* Open what it runs on. -1: go on; else the exit status, and it was said why. */
static int
take_store(struct supervisor *supervisor)
{
	const char *database = supervisor->config->store;
	struct store *store = store_new(database);
	supervisor->store = store;
	worker_house_open(&supervisor->house, supervisor->config, store);
	switch (store_ready(store)) {
	case STORE_OK:
	case STORE_NONE:
	case STORE_BUSY: break;
	case STORE_FULL:
	case STORE_FAILED: fprintf(stderr, "hookcgi: %s\n", store_reason(store)); return EXIT_NO;
	}
	supervisor->lock = wake_lock(database);
	if (supervisor->lock >= 0)
		return -1;
	bool held = errno == EWOULDBLOCK;
	if (held && supervisor->options->once)
		return EXIT_SUCCESS;
	if (held)
		fprintf(stderr, "hookcgi: another worker has %s\n", database);
	else
		fprintf(stderr, "hookcgi: %s-worker: %s\n", database, strerror(errno));
	return EXIT_NO;
}

static void
reset(struct supervisor *supervisor)
{
	int64_t now = clock_ms();
	memset(supervisor->slots, 0, sizeof supervisor->slots);
	for (unsigned i = 0; i < RUNNERS_MAX; i++) {
		supervisor->slots[i].socket = -1;
		errand_mail_init(&supervisor->slots[i].mail);
	}
	supervisor->runners = wanted_runners(supervisor->options, supervisor->config);
	make_lanes(supervisor);
	supervisor->ending = supervisor->all_done = false;
	supervisor->tries = 0;
	supervisor->retry_at_ms = supervisor->claim_at_ms = 0;
	supervisor->next_due_ms = INT64_MAX;
	supervisor->worked_ms = supervisor->looked_ms = now;
	worker_house_begin(&supervisor->house, supervisor->options->once);
}

/*
 * Work on the store of the configuration in force. -1: the configuration in `refused` names another
 * one; else the exit status.
 */
static int
work_store(struct supervisor *supervisor)
{
	int status = take_store(supervisor);
	unsigned rounds = 0;
	while (status == -1) {
		reset(supervisor);
		if (rounds++ == 0 && !supervisor->options->once) /* cron mails what is said */
			log_message(LOG_LEVEL_INFO, "worker", "%u runners for %s",
				supervisor->runners, supervisor->config->store);
		supervisor->wake = wake_open(supervisor->config->store);
		if (supervisor->wake < 0)
			log_message(LOG_LEVEL_WARNING, "worker",
				"%s-wake: %s: events are noticed a second later",
				supervisor->config->store, strerror(errno));
		supervise(supervisor);
		end_runners(supervisor);
		descriptor_close(&supervisor->wake);
		worker_house_recover(&supervisor->house);
		if (supervisor->moved)
			break;
		status = supervisor->store_failed ? EXIT_NO : EXIT_SUCCESS;
		/*
		 * What came in the last moment found a FIFO with a reader, or a lock that
		 * was held, and started no worker. So: first no reader, then no lock, and
		 * then the last look.
		 */
		descriptor_close(&supervisor->lock);
		if (told_to_stop || status != EXIT_SUCCESS ||
			(supervisor->options->once && rounds == ONCE_ROUNDS) ||
			!is_anything_due(supervisor))
			break;
		supervisor->lock = wake_lock(supervisor->config->store);
		if (supervisor->lock >= 0)
			status = -1; /* else it is another worker's now */
	}
	descriptor_close(&supervisor->lock);
	store_free(supervisor->store);
	supervisor->store = NULL;
	worker_house_close(&supervisor->house);
	return status;
}

/* The first configuration. NULL: it was said why not. */
static struct config *
first_config(const char *given)
{
	bool usable;
	char *path = config_path(given, NULL);
	struct config *config = config_load(path, NULL, &usable);
	free(path);
	report_faults(config, true);
	if (usable)
		return config;
	config_free(config);
	return NULL;
}

static bool
has_store(const struct config *config)
{
	if (config->store == NULL)
		fprintf(stderr,
			"hookcgi: %s: store = \"none\": there is no queue to work on: name a store "
			"(store = \"sqlite:PATH\")\n",
			config->path);
	return config->store != NULL;
}

static int
work(struct supervisor *supervisor)
{
	int status = -1;
	while (status == -1 && has_store(supervisor->config)) {
		apply_log(supervisor->config);
		status = work_store(supervisor);
		if (status == -1) {
			log_message(LOG_LEVEL_INFO, "config", "%s names another store",
				supervisor->refused->path);
			config_free(supervisor->config);
			supervisor->config = supervisor->refused;
			supervisor->refused = NULL;
			supervisor->moved = false;
			if (told_to_stop)
				status = EXIT_SUCCESS;
		}
	}
	return status != -1 ? status : EXIT_CONFIG;
}

int
worker_run(const struct worker_options *options)
{
	struct supervisor supervisor = {
		.options = options,
		.lock = -1,
		.wake = -1,
		.crowd = 2 * thread_processors(),
	};
	prctl(PR_SET_NAME, "hookcgi-worker");
	supervisor.config = first_config(options->config);
	if (supervisor.config == NULL)
		return EXIT_CONFIG;
	run_as_batch();
	mallopt(M_MMAP_THRESHOLD, HEAP_STEP);
	mallopt(M_TRIM_THRESHOLD, HEAP_STEP);
	supervisor_signals();
	int status = work(&supervisor);
	free(supervisor.lanes);
	config_free(supervisor.refused);
	config_free(supervisor.config);
	return status;
}
