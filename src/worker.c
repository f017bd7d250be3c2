/* worker.c - runs queued events: a supervisor and its runner processes
 *
 * A runner does one event after the other in a straight line: claim, prepare, run,
 * settle. It has one handler at a time, so it needs no thread and no table of
 * children, and what ends it ends one attempt. It looks for work when a byte
 * comes through the FIFO, and at least once a second: the byte is a hint that may
 * be lost, and a lane that another runner has freed sends none.
 *
 * The supervisor runs nothing itself. It keeps the runners alive and has the housework:
 * what dead processes had claimed, retention, endpoints that are configured no more, a changed
 * configuration. A reload is an end of the runners one by one, each after its
 * handler, and a start with the new configuration: no runner has to change
 * anything that it has. Its connection to the store is closed before each
 * fork and opened when it is needed next: SQLite keeps its locks by process and would
 * believe in the child that it still has those of the parent.
 *
 * What ends when:
 * - A runner is killed: the supervisor gives its event back, and another runs it again.
 *   The handler that it had may still be running: nobody can tell it from a process
 *   that a handler left behind on purpose.
 * - The supervisor is killed: the lock is free at once, and each runner ends after its
 *   handler, for which it holds one end of a pipe (the lifeline). PR_SET_PDEATHSIG
 *   was rejected: it would end the runner, and not the handler.
 * - All are killed: the next worker's store_recover() gives the events back.
 * - A runner was told to end: after its handler. After the stop time the supervisor ends
 *   the handler, not the runner, so that the attempt is recorded and nothing runs twice.
 */
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "attempt.h"
#include "clock.h"
#include "config.h"
#include "envelope.h"
#include "handler.h"
#include "log.h"
#include "message.h"
#include "run.h"
#include "store.h"
#include "tally.h"
#include "wake.h"

#define RUNNERS_MAX 64

#define STOP_MS (30 * 1000)   /* how long a stop waits for handlers */
#define CUT_MS (5 * 1000)     /* then for those that got TERM, and again for those that got KILL */
#define LOOK_MS 1000          /* the longest sleep of anybody, and between looks at the file */
#define WAIT_MIN_MS 5         /* so that no trouble with clocks becomes a busy loop */
#define RECOVER_MS (5 * 1000) /* between two looks for dead processes */
#define PRUNE_MS (60 * 1000)  /* between two rounds of retention */
#define PRUNE_STEP 100        /* rows that one step removes */
#define ORPHAN_MS (60 * 1000) /* an endpoint may come back within that time */
#define ORPHAN_STEP 100       /* events that one step makes dead */
#define COMPLAINT_MS (60 * 1000) /* between two lines about the same trouble */
#define RETRY_MS 1000            /* the store said no: again after this */
#define ONCE_TRIES 10            /* so often, when somebody waits for the end */
#define ONCE_ROUNDS 3            /* looks for what came while the runners ended */
#define LOST_MAX 10              /* attempts in a row whose runner was killed: then it is dead */
#define LEASE_SLACK_MS (60 * 1000)
#define CRASH_PAUSE_MS 250             /* before a runner that died is started again; doubled */
#define CRASH_PAUSE_MAX_MS (60 * 1000) /* up to here; one that lived so long has not just crashed */

/* sysexits(3) and hookcgi-handler(7). */
#define EXIT_NO 1
#define EXIT_CONFIG 78
#define HANDLER_DO_NOT_RETRY 100

/* Why an event is dead whose endpoint was taken out. */
static const char no_endpoint[] =
	"no endpoint of this name in the configuration any more: put it back and replay";

/* How a runner ends; anything else is a crash. */
enum runner_end {
	RUNNER_DONE = 0,      /* it was told to, or there is nothing to do and it should not wait */
	RUNNER_AGAIN = 10,    /* its handler left processes behind: a new one takes over */
	RUNNER_NO_STORE = 11, /* the store does not answer, and somebody waits for the end */
};

/* What a runner and the supervisor tell each other, in memory that both have. */
struct notes {
	_Atomic int64_t worked_ms; /* CLOCK_MONOTONIC: when an event was last claimed or settled */
	_Atomic int64_t next_due_ms; /* of the last claim that found nothing; INT64_MAX: none */
	struct {
		atomic_bool busy; /* with an event */
		atomic_bool cut;  /* the supervisor ends its handler, for a stop */
	} runners[RUNNERS_MAX];
};

struct slot {
	pid_t pid;  /* 0: none */
	bool asked; /* it was told to end */
	bool done;  /* it has nothing to do any more, and is not started again */
	int64_t started_ms;
	int64_t start_at_ms; /* not before */
	int64_t pause_ms;    /* the last one before a start */
};

struct supervisor {
	const struct worker_options *options;
	struct config *config;  /* in force */
	struct config *refused; /* the newest load, when it was not usable; else NULL */
	struct store *store;    /* NULL while not needed, and always in a fork */
	struct tally *tally;    /* NULL: none yet; whoever takes events makes it */
	int lock;
	int wake;        /* never read: what comes while no runner lives waits in the FIFO */
	int lifeline[2]; /* nothing is written: its end says that the supervisor has gone */
	struct notes *notes;
	struct slot slots[RUNNERS_MAX];
	unsigned runners;  /* slots in use */
	bool moved;        /* the new configuration names another store, or none */
	bool store_failed; /* a runner could not use it */
	int64_t looked_ms, recover_at_ms, prune_at_ms, orphans_at_ms;
	int64_t complained_ms;
};

struct runner {
	const struct config *config;
	struct notes *notes;
	unsigned number; /* of its slot */
	bool once;
	int lifeline, signals, wake, epoll;
	struct store *store;
	struct store_lane *lanes;
	size_t lane_count;
	bool retries_first;
	bool left_behind;
	bool no_store; /* it gives up */
	int64_t complained_ms;
	char *last_endpoint; /* of the event that was settled last */
};

static void
sleep_ms(int64_t ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&wait, NULL);
}

int64_t
worker_backoff_ms(int64_t backoff_ms, unsigned failed, uint32_t random)
{
	/* So that the largest jitter ends at the longest wait, and events at the limit still
	 * come apart. */
	const int64_t longest = WORKER_LONGEST_WAIT_MS / 5 * 4;
	int64_t wait = backoff_ms > 0 ? backoff_ms : 0;
	for (unsigned i = 1; i < failed && wait > 0 && wait < longest; i++)
		wait *= 2;
	if (wait > longest)
		wait = longest;
	return wait - wait / 4 + (int64_t)((double)(wait / 2) * random / UINT32_MAX);
}

static uint32_t
random_number(void)
{
	uint32_t random;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
		random = (uint32_t)(clock_ms() * 2654435761U) ^ (uint32_t)getpid();
	return random;
}

/* Say once a minute that the store does not do what it should. */
static void
complain(int64_t *complained_ms, const struct store *store, const char *what)
{
	int64_t now = clock_ms();
	if (*complained_ms != 0 && now - *complained_ms < COMPLAINT_MS)
		return;
	*complained_ms = now;
	log_message(LOG_LEVEL_ERROR, "worker", "%s: %s", what, store_reason(store));
}

/*
 * The runner: waiting.
 */

/* Told to end, or alone? Signals stay pending, so that no moment is missed and no handler of
 * signals is needed. */
static bool
is_told_to_end(const struct runner *runner)
{
	struct pollfd polled[] = {
		{ .fd = runner->signals, .events = POLLIN },
		{ .fd = runner->lifeline, .events = POLLIN },
	};
	return poll(polled, 2, 0) > 0;
}

/* One byte comes for each event, so one is taken for each claim, whether it was waited for or
 * not: else a burst leaves bytes that wake for nothing. */
static bool
take_byte(const struct runner *runner)
{
	char byte;
	return runner->wake >= 0 && read(runner->wake, &byte, 1) == 1;
}

/* Until a byte comes, the runner is told to end, or something is due; a second at most. */
static void
wait_for_work(const struct runner *runner, int64_t next_due_ms)
{
	struct epoll_event event;
	int64_t left_ms = LOOK_MS;
	if (next_due_ms != INT64_MAX && next_due_ms - clock_wall_ms() < left_ms)
		left_ms = next_due_ms - clock_wall_ms();
	epoll_wait(runner->epoll, &event, 1, left_ms > WAIT_MIN_MS ? (int)left_ms : WAIT_MIN_MS);
}

static void
watch(const struct runner *runner, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .fd = fd } };
	if (fd >= 0)
		epoll_ctl(runner->epoll, EPOLL_CTL_ADD, fd, &event);
}

/*
 * The runner: one event.
 */

/* An event that was claimed, on its way through its attempt. */
struct work {
	struct store_job job;
	const struct config_endpoint *endpoint;
	char **variables; /* point into job */
	struct message message;
	struct run_result result;
	int64_t started_ms;
	/* What becomes of the event. */
	enum store_state state;
	int64_t due_ms;
	char reason[512];
};

static void
work_init(struct work *work)
{
	memset(work, 0, sizeof *work);
	store_job_init(&work->job);
	run_result_init(&work->result);
}

static void
work_free(struct work *work)
{
	message_free(&work->message);
	run_result_free(&work->result);
	free(work->variables);
	store_job_free(&work->job);
}

/* "" and not nothing: it is known what the event has. */
static struct slice
known(const struct buf *value)
{
	return (struct slice){ buf_text(value), value->len };
}

static void
make_message(struct work *work)
{
	work->variables = envelope_strings(&work->job.variables);
	message_init(&work->message, work->variables, buf_slice(&work->job.body));
	work->message.url_override = work->endpoint->url;
	work->message.document = work->endpoint->provider->document;
	work->message.endpoint = slice_of(work->endpoint->name);
	work->message.parameters = work->endpoint->parameters;
	work->message.parameter_count = work->endpoint->parameter_count;
	work->message.event = known(&work->job.type);
	work->message.id = known(&work->job.sender_id);
	work->message.key = known(&work->job.key);
}

__attribute__((format(printf, 2, 3))) static void
bury(struct work *work, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(work->reason, sizeof work->reason, format, arguments);
	va_end(arguments);
	work->state = STORE_DEAD;
}

/* It could not even be tried, and trying again would be the same. */
static void
refuse(struct work *work, const char *reason)
{
	bury(work, "%s", reason);
	snprintf(work->result.reason, sizeof work->result.reason, "%s", reason);
	work->result.end = RUN_NOT_STARTED;
}

/* Why the attempt failed, in words. */
static void
explain(const struct work *work, char out[300])
{
	const struct run_result *result = &work->result;
	switch (result->end) {
	case RUN_EXITED: snprintf(out, 300, "handler exited with %d", result->code); break;
	case RUN_SIGNALLED: snprintf(out, 300, "handler died of signal %d", result->code); break;
	case RUN_TIMED_OUT: snprintf(out, 300, "handler ran over its timeout"); break;
	case RUN_NOT_STARTED: snprintf(out, 300, "handler not started: %s", result->reason); break;
	}
}

/* Again later, or not any more. */
static void
judge(struct work *work, bool cut)
{
	const struct run_result *result = &work->result;
	unsigned failed = work->job.failed < UINT32_MAX ? work->job.failed + 1 : UINT32_MAX;
	char why[300];

	if (result->end == RUN_EXITED && result->code == 0) {
		work->state = STORE_DONE;
		return;
	}
	explain(work, why);
	if (result->end == RUN_EXITED && result->code == HANDLER_DO_NOT_RETRY) {
		bury(work, "handler exited with 100: do not retry");
	} else if (cut) {
		work->state = STORE_QUEUED;
		work->due_ms = clock_wall_ms();
		snprintf(work->reason, sizeof work->reason,
			"%s when the worker was stopped: it is run again", why);
	} else if (failed > work->endpoint->retries) {
		bury(work, "%s (attempt %u, the last)", why, work->job.attempt);
	} else {
		work->state = STORE_QUEUED;
		work->due_ms = clock_wall_ms() + worker_backoff_ms(work->endpoint->backoff_ms,
							 failed, random_number());
		snprintf(work->reason, sizeof work->reason, "%s (attempt %u)", why,
			work->job.attempt);
	}
}

static void
call_handler(struct runner *runner, struct work *work, const struct config_run *run)
{
	struct handler_event event = {
		.endpoint = work->endpoint,
		.run = run,
		.message = &work->message,
		.received_ms = work->job.received_ms,
		.remote_address = buf_text(&work->job.remote),
		.delivery = work->job.id,
		.attempt = work->job.attempt,
	};
	struct handler_call call;
	char reason[256];
	switch (handler_prepare(&event, &call, reason)) {
	case HANDLER_READY: break;
	case HANDLER_UNUSABLE: refuse(work, reason); return;
	case HANDLER_NO_MEMORY:
		snprintf(work->result.reason, sizeof work->result.reason, "no memory");
		judge(work, false);
		return;
	}
	run_handler(&call.spec, &work->result);
	handler_call_free(&call);
	runner->left_behind = runner->left_behind || work->result.left_behind;
	judge(work, atomic_load(&runner->notes->runners[runner->number].cut));
}

static bool
count_lost(void *context, const struct store_attempt *attempt)
{
	unsigned *lost = context;
	*lost = strcmp(attempt->end, "lost") == 0 ? *lost + 1 : 0;
	return true;
}

/* Does this event end the process that runs it, each time? It would go on for ever, since what is
 * lost is no failure of the handler, and hold up all others. */
static bool
kills_its_runner(struct runner *runner, const struct work *work)
{
	unsigned lost = 0;
	return work->job.attempt > LOST_MAX &&
	       store_attempts(runner->store, work->job.id, count_lost, &lost) == STORE_OK &&
	       lost >= LOST_MAX;
}

static void
attempt_event(struct runner *runner, struct work *work)
{
	work->endpoint = config_find(runner->config, slice_of(work->job.endpoint));
	if (work->endpoint == NULL || work->endpoint->provider == NULL) {
		refuse(work, no_endpoint);
		return;
	}
	if (kills_its_runner(runner, work)) {
		refuse(work, "the process that runs the handler was killed each time: find out "
			     "by whom (memory limits, the system's log) and replay");
		return;
	}
	make_message(work);
	const struct config_run *run = config_run_for(work->endpoint, work->message.event);
	if (run == NULL)
		refuse(work, "no events pattern or rule wants this type any more: mend it and "
			     "replay");
	else if (run->argc == 0)
		refuse(work, "nothing is configured to run: give the endpoint a run and replay");
	else
		call_handler(runner, work, run);
}

/* Take the next event of this runner's lanes. */
static enum store_result
claim(struct runner *runner, struct work *work, int64_t *next_due_ms_out)
{
	return store_claim(runner->store, runner->lanes, runner->lane_count, runner->retries_first,
		clock_wall_ms(), &work->job, next_due_ms_out);
}

/* Record an attempt; and in the same transaction, unless the runner is about to end, take the next event. What
 * the store says of the attempt. */
static enum store_result
record(struct runner *runner, const struct work *work, struct work *next, bool last)
{
	const struct store_attempt attempt =
		attempt_of(&work->result, work->job.attempt, work->started_ms, work->result.reason);
	struct store_settlement settlement = {
		.id = work->job.id,
		.attempt = &attempt,
		.state = work->state,
		.due_ms = work->due_ms,
		.reason = work->state == STORE_DONE ? NULL : work->reason,
	};
	enum store_result result;
	int64_t next_due_ms;

	if (last || runner->left_behind)
		result = store_settle_all(runner->store, &settlement, 1);
	else
		result = store_settle_and_claim(runner->store, &settlement, runner->lanes,
			runner->lane_count, runner->retries_first, clock_wall_ms(), &next->job,
			&next_due_ms);
	return result == STORE_OK || result == STORE_NONE ? settlement.result : result;
}

/* Record it, however long that takes: the handler has run. next: what is run next, where that is known. false:
 * the process is to end and the event will be run again. */
static bool
settle(struct runner *runner, struct work *work, struct work *next)
{
	for (unsigned tries = 1;; tries++) {
		bool told = is_told_to_end(runner);
		bool last = told || (runner->once && tries >= ONCE_TRIES);
		switch (record(runner, work, next, last)) {
		case STORE_OK: return true;
		case STORE_NONE:
			log_message(LOG_LEVEL_WARNING, "worker",
				"event %lld: its lease ended before its handler did: attempt %u is "
				"not recorded",
				(long long)work->job.id, work->job.attempt);
			return true;
		case STORE_BUSY:
		case STORE_FULL:
		case STORE_FAILED: break;
		}
		complain(&runner->complained_ms, runner->store, "an attempt cannot be recorded");
		if (last) {
			log_message(LOG_LEVEL_ERROR, "worker",
				"event %lld: the end of attempt %u could not be recorded%s: it "
				"will be run again",
				(long long)work->job.id, work->job.attempt,
				told ? " before the stop" : "");
			runner->no_store = !told;
			return false;
		}
		wait_for_work(runner, clock_wall_ms() + RETRY_MS);
		sleep_ms(RETRY_MS / 10); /* a byte may have ended the wait at once */
	}
}

static void
log_attempt(const struct work *work)
{
	const struct attempt_line line = {
		.key = known(&work->job.key),
		.delivery = work->job.id,
		.endpoint = work->job.endpoint,
		.event = known(&work->job.type),
		.number = work->job.attempt,
		.state = store_state_name(work->state),
	};
	attempt_log(&line, &work->result);
}

/* From the claim to the record, and perhaps to the next claim. false: the process is to end. */
static bool
handle(struct runner *runner, struct work *work, struct work *next)
{
	atomic_bool *busy = &runner->notes->runners[runner->number].busy;
	atomic_store(busy, true);
	atomic_store(&runner->notes->worked_ms, clock_ms());
	work->started_ms = clock_wall_ms();
	attempt_event(runner, work);
	bool settled = settle(runner, work, next);
	if (settled)
		log_attempt(work);
	atomic_store(&runner->notes->worked_ms, clock_ms());
	/* Before idleness can be seen: a retry may be waited for. */
	if (work->state == STORE_QUEUED)
		atomic_store(&runner->notes->next_due_ms, work->due_ms);
	atomic_store(busy, next->job.id != 0);
	return settled && !runner->left_behind;
}

/*
 * Somebody who waits may be wanted: for an event whose byte was taken for a retry
 * (which sends none), or for the lane that was just freed.
 */
static void
pass_on(struct runner *runner, const struct store_job *job, bool took_byte)
{
	bool freed_other =
		runner->last_endpoint != NULL && strcmp(runner->last_endpoint, job->endpoint) != 0;
	if (freed_other || (took_byte && job->failed > 0))
		(void)wake_send(runner->config->store, 1);
	free(runner->last_endpoint);
	runner->last_endpoint = xstrdup(job->endpoint);
}

/*
 * The runner: its life.
 */

/* Only what can be run: events of an endpoint that cannot be used wait until it is mended. */
static void
make_lanes(struct runner *runner)
{
	const struct config *config = runner->config;
	runner->lanes = xcalloc(config->endpoint_count, sizeof *runner->lanes);
	for (size_t i = 0; i < config->endpoint_count; i++) {
		const struct config_endpoint *endpoint = &config->endpoints[i];
		if (endpoint->unusable != NULL || endpoint->provider == NULL)
			continue;
		runner->lanes[runner->lane_count++] = (struct store_lane){
			.endpoint = endpoint->name,
			.concurrency = endpoint->concurrency,
			.lease_ms = endpoint->timeout_ms + endpoint->grace_ms + LEASE_SLACK_MS,
		};
	}
}

/* Nothing was claimed: wait until that may be otherwise. false: the runner is to end. */
static bool
wait_for_claim(
	struct runner *runner, enum store_result result, int64_t next_due_ms, unsigned *tries)
{
	if (result == STORE_NONE) {
		*tries = 0;
		atomic_store(&runner->notes->next_due_ms, next_due_ms);
		free(runner->last_endpoint);
		runner->last_endpoint = NULL;
		if (runner->once && next_due_ms > clock_wall_ms())
			return false;
		wait_for_work(runner, next_due_ms);
		return true;
	}
	complain(&runner->complained_ms, runner->store, "no event can be claimed");
	if (runner->once && ++*tries == ONCE_TRIES) {
		runner->no_store = true;
		return false;
	}
	wait_for_work(runner, clock_wall_ms() + RETRY_MS);
	sleep_ms(RETRY_MS / 10);
	return true;
}

static enum runner_end
work_on(struct runner *runner)
{
	struct work work, next;
	unsigned tries = 0;
	bool go_on = true;

	work_init(&work);
	while (go_on && (work.job.id != 0 || !is_told_to_end(runner))) {
		bool took_byte = take_byte(runner);
		if (work.job.id == 0) {
			int64_t next_due_ms = INT64_MAX;
			enum store_result result = claim(runner, &work, &next_due_ms);
			if (result != STORE_OK) {
				go_on = wait_for_claim(runner, result, next_due_ms, &tries);
				continue;
			}
		}
		tries = 0;
		runner->retries_first = !runner->retries_first;
		pass_on(runner, &work.job, took_byte);
		work_init(&next);
		go_on = handle(runner, &work, &next);
		work_free(&work);
		work = next;
	}
	work_free(&work);
	if (runner->no_store)
		return RUNNER_NO_STORE;
	return runner->left_behind ? RUNNER_AGAIN : RUNNER_DONE;
}

/* Signals as a runner has them: those that end it wait in a descriptor, HUP (a terminal that is
 * closed) changes nothing. All before the first handler, see run.h. */
static int
runner_signals(void)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_SETMASK, &ends, NULL);
	return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What the configuration in force names, with what was acknowledged of it so far. */
static struct store *
open_store(const struct supervisor *supervisor)
{
	struct store *store = store_new(supervisor->config->store);
	store_expect(store, tally_acknowledged(supervisor->tally));
	return store;
}

/* The process of a runner, from its fork to its end. What is the supervisor's alone is closed: its
 * lock would outlive it, and its end of the lifeline would hide its end. */
__attribute__((noreturn)) static void
runner_main(struct supervisor *supervisor, unsigned number)
{
	prctl(PR_SET_NAME, "hookcgi-runner");
	close(supervisor->lock);
	close(supervisor->lifeline[1]);
	if (supervisor->wake >= 0)
		close(supervisor->wake);
	struct runner runner = {
		.config = supervisor->config,
		.notes = supervisor->notes,
		.number = number,
		.once = supervisor->options->once,
		.lifeline = supervisor->lifeline[0],
		.signals = runner_signals(),
		.epoll = epoll_create1(EPOLL_CLOEXEC),
		.store = open_store(supervisor),
	};
	if (runner.signals < 0 || runner.epoll < 0) {
		log_message(LOG_LEVEL_ERROR, "worker", "a runner has no descriptors: %s",
			strerror(errno));
		_exit(EXIT_FAILURE);
	}
	runner.wake = wake_open(runner.config->store);
	if (runner.wake < 0)
		log_message(LOG_LEVEL_WARNING, "worker",
			"%s-wake: %s: events are noticed a second later", runner.config->store,
			strerror(errno));
	watch(&runner, runner.signals, EPOLLIN);
	watch(&runner, runner.lifeline, EPOLLIN);
	watch(&runner, runner.wake, EPOLLIN | EPOLLEXCLUSIVE); /* one byte wakes one of them */
	make_lanes(&runner);
	enum runner_end end = work_on(&runner);
	store_free(runner.store);
	_exit(end);
}

/*
 * The supervisor: signals.
 */

static volatile sig_atomic_t told_to_stop;

static void
on_signal(int signal)
{
	if (signal == SIGTERM || signal == SIGINT)
		told_to_stop = 1;
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
	for (size_t i = 0; i < sizeof handled / sizeof handled[0]; i++) {
		sigaddset(&blocked, handled[i]);
		sigaction(handled[i], &action, NULL);
	}
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static void
wait_for_signal(int64_t ms)
{
	sigset_t none;
	sigemptyset(&none);
	if (ms < 0)
		ms = 0;
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };
	ppoll(NULL, 0, &wait, &none);
}

/*
 * The supervisor: its runners.
 */

static struct store *
store_of(struct supervisor *supervisor)
{
	if (supervisor->store == NULL)
		supervisor->store = open_store(supervisor);
	return supervisor->store;
}

static void
store_close(struct supervisor *supervisor)
{
	store_free(supervisor->store);
	supervisor->store = NULL;
}

static void
pause_slot(struct slot *slot, int64_t lived_ms)
{
	if (lived_ms >= CRASH_PAUSE_MAX_MS || slot->pause_ms == 0)
		slot->pause_ms = CRASH_PAUSE_MS;
	else if (slot->pause_ms < CRASH_PAUSE_MAX_MS)
		slot->pause_ms *= 2;
	slot->start_at_ms = clock_ms() + slot->pause_ms;
}

static void
start_runner(struct supervisor *supervisor, unsigned number)
{
	struct slot *slot = &supervisor->slots[number];
	store_close(supervisor); /* see the top of this file */
	slot->asked = false;
	atomic_store(&supervisor->notes->runners[number].busy, false);
	atomic_store(&supervisor->notes->runners[number].cut, false);
	slot->started_ms = clock_ms();
	pid_t pid = fork();
	if (pid == 0)
		runner_main(supervisor, number);
	if (pid > 0) {
		slot->pid = pid;
		return;
	}
	log_message(LOG_LEVEL_ERROR, "worker", "a runner cannot be started: %s", strerror(errno));
	pause_slot(slot, 0);
}

/* A runner has ended: well, or was it killed? */
static void
note_end(struct supervisor *supervisor, unsigned number, int status)
{
	struct slot *slot = &supervisor->slots[number];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	int64_t lived_ms = clock_ms() - slot->started_ms;

	slot->pid = 0;
	atomic_store(&supervisor->notes->runners[number].busy, false);
	if (code == RUNNER_DONE || code == RUNNER_NO_STORE) {
		slot->done = supervisor->options->once;
		supervisor->store_failed = supervisor->store_failed || code == RUNNER_NO_STORE;
		slot->pause_ms = 0;
		/* Nobody asked: a signal to the runner alone. */
		slot->start_at_ms = slot->asked ? 0 : clock_ms() + CRASH_PAUSE_MS;
		return;
	}
	if (code == RUNNER_AGAIN) {
		slot->pause_ms = 0;
		slot->start_at_ms = 0;
		return;
	}
	log_message(LOG_LEVEL_ERROR, "worker",
		"a runner ended by itself (%s %d): its event is run again",
		code >= 0 ? "exit" : "signal", code >= 0 ? code : WTERMSIG(status));
	pause_slot(slot, lived_ms);
	supervisor->recover_at_ms = 0; /* now */
}

static void
reap(struct supervisor *supervisor)
{
	pid_t pid;
	int status;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < RUNNERS_MAX; i++)
			if (supervisor->slots[i].pid == pid)
				note_end(supervisor, i, status);
	}
}

static void
start_runners(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->runners; i++) {
		const struct slot *slot = &supervisor->slots[i];
		if (slot->pid == 0 && !slot->done && clock_ms() >= slot->start_at_ms)
			start_runner(supervisor, i);
	}
}

static unsigned
alive(const struct supervisor *supervisor)
{
	unsigned count = 0;
	for (unsigned i = 0; i < RUNNERS_MAX; i++)
		count += supervisor->slots[i].pid != 0;
	return count;
}

/* Each runner, as soon as its handler has ended. */
static void
ask_runners(struct supervisor *supervisor)
{
	for (unsigned i = 0; i < RUNNERS_MAX; i++) {
		struct slot *slot = &supervisor->slots[i];
		if (slot->pid == 0 || slot->asked)
			continue;
		slot->asked = true;
		kill(slot->pid, SIGTERM);
	}
}

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
		pid_t pid = supervisor->slots[i].pid;
		if (pid == 0)
			continue;
		atomic_store(&supervisor->notes->runners[i].cut, true);
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

	ask_runners(supervisor);
	for (;;) {
		reap(supervisor);
		if (alive(supervisor) == 0)
			return;
		if (told_to_stop && deadline_ms == INT64_MAX)
			deadline_ms = clock_ms() + (stop_ms > 0 ? stop_ms : STOP_MS);
		if (clock_ms() >= deadline_ms) {
			cut_short(supervisor, step < 2 ? step : 2);
			step++;
			deadline_ms = clock_ms() + CUT_MS;
		}
		int64_t left_ms = deadline_ms - clock_ms();
		wait_for_signal(left_ms < LOOK_MS ? left_ms : LOOK_MS);
	}
}

/*
 * The supervisor: the housework.
 */

/* A worker makes no tally: what takes events does, and may come later. */
static void
find_tally(struct supervisor *supervisor)
{
	char reason[256];
	if (supervisor->tally == NULL)
		supervisor->tally = tally_find(supervisor->config->store, reason);
}

/* Is anything missing that was acknowledged? */
static void
look_for_loss(struct supervisor *supervisor)
{
	int64_t stored;
	find_tally(supervisor);
	int64_t acknowledged = tally_acknowledged(supervisor->tally); /* first, see tally.h */
	if (store_last_id(store_of(supervisor), &stored) == STORE_OK)
		tally_lose(supervisor->tally, supervisor->config->store, acknowledged, stored);
}

static void
recover(struct supervisor *supervisor)
{
	unsigned count = 0;
	supervisor->recover_at_ms = clock_ms() + RECOVER_MS;
	look_for_loss(supervisor);
	if (store_recover(store_of(supervisor), clock_wall_ms(), WORKER_LONGEST_WAIT_MS, &count) !=
		STORE_OK) {
		complain(&supervisor->complained_ms, supervisor->store,
			"what ended processes had claimed cannot be given back yet");
		return;
	}
	if (store_reason(supervisor->store)[0] != '\0')
		log_message(LOG_LEVEL_WARNING, "worker", "%s", store_reason(supervisor->store));
	if (count > 0)
		log_message(LOG_LEVEL_WARNING, "worker",
			"%u events of processes that ended before them are queued again", count);
	for (unsigned i = 0; i < count && i < supervisor->runners; i++)
		(void)wake_send(supervisor->config->store, 1);
}

static void
prune(struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	struct store_retention retention = { config->keep_ms, config->keep_body_ms,
		STORE_KEEP_KEY_MS };
	unsigned removed = 0;
	bool more = false;
	enum store_result result = store_prune(
		store_of(supervisor), &retention, clock_wall_ms(), PRUNE_STEP, &removed, &more);
	if (result != STORE_OK && result != STORE_NONE)
		complain(&supervisor->complained_ms, supervisor->store,
			"old events cannot be removed");
	supervisor->prune_at_ms = clock_ms() + (result == STORE_OK && more ? LOOK_MS : PRUNE_MS);
}

/* The first endpoint that has queued events and stands in the configuration no more. */
struct orphan {
	const struct config *config;
	char *endpoint;
};

static bool
find_orphan(void *context, const struct store_count *count)
{
	struct orphan *orphan = context;
	if (count->events[STORE_QUEUED] == 0 ||
		config_find(orphan->config, slice_of(count->endpoint)) != NULL)
		return true;
	orphan->endpoint = xstrdup(count->endpoint);
	return false;
}

/* Make one of its events dead. false: there is none due, or the store says no. */
static bool
bury_orphan(struct supervisor *supervisor, const char *endpoint)
{
	struct store_lane lane = { endpoint, 1, LEASE_SLACK_MS };
	struct store_attempt attempt = { .end = "not started", .reason = no_endpoint };
	struct store_job job;
	int64_t next_due_ms;
	store_job_init(&job);
	bool buried = store_claim(supervisor->store, &lane, 1, false, clock_wall_ms(), &job,
			      &next_due_ms) == STORE_OK;
	if (buried) {
		attempt.number = job.attempt;
		attempt.started_ms = clock_wall_ms();
		buried = store_settle(supervisor->store, job.id, &attempt, STORE_DEAD, 0,
				 no_endpoint) == STORE_OK;
	}
	store_job_free(&job);
	return buried;
}

/*
 * Events of an endpoint that was taken out are in no lane, so no runner would ever see them. Not at
 * once: a file may be put right again within the minute.
 */
static void
bury_orphans(struct supervisor *supervisor)
{
	struct orphan orphan = { supervisor->config, NULL };
	unsigned count = 0;
	supervisor->orphans_at_ms = clock_ms() + ORPHAN_MS;
	if (store_stats(store_of(supervisor), find_orphan, &orphan) != STORE_OK ||
		orphan.endpoint == NULL) {
		free(orphan.endpoint);
		return;
	}
	while (count < ORPHAN_STEP && bury_orphan(supervisor, orphan.endpoint))
		count++;
	if (count > 0) {
		log_message(LOG_LEVEL_WARNING, "worker",
			"endpoint %s is not in the configuration any more: %u of its events are "
			"dead; put it back and replay them",
			orphan.endpoint, count);
		supervisor->orphans_at_ms = clock_ms() + LOOK_MS;
	}
	free(orphan.endpoint);
}

static void
keep_house(struct supervisor *supervisor)
{
	int64_t now = clock_ms();
	if (now >= supervisor->recover_at_ms)
		recover(supervisor);
	if (now >= supervisor->prune_at_ms)
		prune(supervisor);
	if (now >= supervisor->orphans_at_ms)
		bury_orphans(supervisor);
}

/*
 * The supervisor: the configuration.
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
	supervisor->orphans_at_ms = clock_ms() + ORPHAN_MS;
	config_free(old);
	apply_log(fresh);
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
 * The supervisor: from start to end.
 */

/* Nobody works, nothing was done for a while, and no retry is waited for: with "auto" no request
 * may come that starts another worker for it. */
static bool
is_idle(const struct supervisor *supervisor)
{
	const struct notes *notes = supervisor->notes;
	if (supervisor->options->idle_ms <= 0 || atomic_load(&notes->next_due_ms) != INT64_MAX)
		return false;
	for (unsigned i = 0; i < RUNNERS_MAX; i++)
		if (atomic_load(&notes->runners[i].busy))
			return false;
	return clock_ms() - atomic_load(&notes->worked_ms) >= supervisor->options->idle_ms;
}

static bool
all_done(const struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->runners; i++)
		if (!supervisor->slots[i].done)
			return false;
	return true;
}

/* Until it is told to stop, there is nothing more to do, or the store is another. */
static void
supervise(struct supervisor *supervisor)
{
	for (;;) {
		reap(supervisor);
		if (told_to_stop || all_done(supervisor) || is_idle(supervisor))
			return;
		if (!supervisor->options->once)
			reload(supervisor);
		if (supervisor->moved)
			return;
		keep_house(supervisor);
		start_runners(supervisor);
		int64_t wait_until_ms = clock_ms() + LOOK_MS;
		for (unsigned i = 0; i < supervisor->runners; i++) {
			const struct slot *slot = &supervisor->slots[i];
			if (slot->pid == 0 && !slot->done && slot->start_at_ms < wait_until_ms)
				wait_until_ms = slot->start_at_ms;
		}
		wait_for_signal(wait_until_ms - clock_ms());
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
	return store_list(store_of(supervisor), &filter, find_due, &due) == STORE_OK && due.found;
}

/* Open what it runs on. -1: go on; else the exit status, and it was said why. */
static int
take_store(struct supervisor *supervisor)
{
	const char *database = supervisor->config->store;
	find_tally(supervisor);
	struct store *store = store_of(supervisor);
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
	supervisor->runners = wanted_runners(supervisor->options, supervisor->config);
	supervisor->looked_ms = now;
	supervisor->recover_at_ms = 0;
	supervisor->prune_at_ms = now + (supervisor->options->once ? 0 : PRUNE_MS / 10);
	supervisor->orphans_at_ms = now + (supervisor->options->once ? 0 : ORPHAN_MS);
	atomic_store(&supervisor->notes->worked_ms, now);
	atomic_store(&supervisor->notes->next_due_ms, INT64_MAX);
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
		supervise(supervisor);
		end_runners(supervisor);
		if (supervisor->wake >= 0)
			close(supervisor->wake);
		supervisor->wake = -1;
		recover(supervisor);
		if (supervisor->moved)
			break;
		status = supervisor->store_failed ? EXIT_NO : EXIT_SUCCESS;
		/*
		 * What came in the last moment found a FIFO with a reader, or a lock that
		 * was held, and started no worker. So: first no reader, then no lock, and
		 * then the last look.
		 */
		close(supervisor->lock);
		supervisor->lock = -1;
		if (told_to_stop || status != EXIT_SUCCESS ||
			(supervisor->options->once && rounds == ONCE_ROUNDS) ||
			!is_anything_due(supervisor))
			break;
		supervisor->lock = wake_lock(supervisor->config->store);
		if (supervisor->lock >= 0)
			status = -1; /* else it is another worker's now */
	}
	if (supervisor->lock >= 0)
		close(supervisor->lock);
	supervisor->lock = -1;
	store_close(supervisor);
	tally_close(supervisor->tally);
	supervisor->tally = NULL;
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
		.options = options, .lock = -1, .wake = -1, .lifeline = { -1, -1 }
	};
	int status = EXIT_NO;
	prctl(PR_SET_NAME, "hookcgi-worker");
	supervisor.config = first_config(options->config);
	if (supervisor.config == NULL)
		return EXIT_CONFIG;
	supervisor.notes = mmap(NULL, sizeof *supervisor.notes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (supervisor.notes == MAP_FAILED || pipe2(supervisor.lifeline, O_CLOEXEC) != 0) {
		fprintf(stderr, "hookcgi: the worker cannot start: %s\n", strerror(errno));
	} else {
		supervisor_signals();
		status = work(&supervisor);
	}
	for (int i = 0; i < 2; i++)
		if (supervisor.lifeline[i] >= 0)
			close(supervisor.lifeline[i]);
	if (supervisor.notes != MAP_FAILED)
		munmap(supervisor.notes, sizeof *supervisor.notes);
	config_free(supervisor.refused);
	config_free(supervisor.config);
	return status;
}
