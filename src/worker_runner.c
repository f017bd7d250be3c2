/* worker_runner.c - the process of a runner of the worker: one event after the other
 *
 * In a straight line: receive, prepare, run, report. It has one handler at a time, and what ends it ends one
 * attempt. The end of the socket is the end of the supervisor: PR_SET_PDEATHSIG was rejected, since it would end
 * the runner and not the handler. Signals that end a process group (a terminal, a service manager) are not for
 * it: the supervisor gets them too, and says what is to be done.
 */
#include "worker_runner.h"

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "attempt.h"
#include "clock.h"
#include "envelope.h"
#include "errand.h"
#include "handler.h"
#include "log.h"
#include "message.h"
#include "run.h"
#include "store.h"

#define ALONE_TRIES 60         /* to record a result without the supervisor */
#define RETRY_US (1000 * 1000) /* between two of them */

/* hookcgi-handler(7). */
#define HANDLER_DO_NOT_RETRY 100

const char worker_no_endpoint[] =
	"no endpoint of this name in the configuration any more: put it back and replay";

struct runner {
	const struct config *config;
	const struct tally *tally;
	int socket;
	struct buf mail;   /* the event that it has */
	struct buf answer; /* what comes meanwhile */
	bool has_next;     /* and that is the next event */
	bool left_behind;
};

/* An event on its way through its attempt. */
struct work {
	struct errand_job job;
	const struct config_endpoint *endpoint;
	char **variables; /* point into job */
	struct message message;
	struct run_result result;
	int64_t started_ms;
	/* What becomes of the event. */
	enum store_state state;
	int64_t due_boot_ms;
	char reason[512];
};

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

/*
 * One event
 */

static void
work_init(struct work *work, const struct errand_job *job)
{
	memset(work, 0, sizeof *work);
	work->job = *job;
	work->started_ms = clock_wall_ms();
	run_result_init(&work->result);
}

static void
work_free(struct work *work)
{
	message_free(&work->message);
	run_result_free(&work->result);
	free(work->variables);
}

static void
make_message(struct work *work)
{
	work->variables = envelope_strings(&work->job.variables);
	message_init(&work->message, work->variables, work->job.body);
	work->message.url_override = work->endpoint->url;
	work->message.document = work->endpoint->provider->document;
	work->message.endpoint = slice_of(work->endpoint->name);
	work->message.parameters = work->endpoint->parameters;
	work->message.parameter_count = work->endpoint->parameter_count;
	work->message.event = work->job.type;
	work->message.id = work->job.sender_id;
	work->message.key = work->job.key;
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
		work->due_boot_ms = clock_boot_ms();
		snprintf(work->reason, sizeof work->reason,
			"%s when the worker was stopped: it is run again", why);
	} else if (failed > work->endpoint->retries) {
		bury(work, "%s (attempt %u, the last)", why, work->job.attempt);
	} else {
		work->state = STORE_QUEUED;
		work->due_boot_ms = clock_boot_ms() + worker_backoff_ms(work->endpoint->backoff_ms,
							      failed, random_number());
		snprintf(work->reason, sizeof work->reason, "%s (attempt %u)", why,
			work->job.attempt);
	}
}

/* Has the supervisor ended the handler, for a stop? */
static bool
is_cut(struct runner *runner)
{
	return errand_receive(runner->socket, false, &runner->answer) == ERRAND_CUT;
}

static void
call_handler(struct runner *runner, struct work *work, const struct config_run *run)
{
	struct handler_event event = {
		.endpoint = work->endpoint,
		.run = run,
		.message = &work->message,
		.received_ms = work->job.received_ms,
		.remote_address = work->job.remote,
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
	bool good = work->result.end == RUN_EXITED && work->result.code == 0;
	judge(work, !good && is_cut(runner));
}

static void
attempt_event(struct runner *runner, struct work *work)
{
	work->endpoint = config_find(runner->config, slice_of(work->job.endpoint));
	if (work->endpoint == NULL || work->endpoint->provider == NULL) {
		refuse(work, worker_no_endpoint);
		return;
	}
	/* It would go on for ever, since what is lost is no failure of the handler, and hold up all others. */
	if (work->job.lost >= WORKER_LOST_MAX) {
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

static void
log_attempt(const struct work *work)
{
	const struct attempt_line line = {
		.key = work->job.key,
		.delivery = work->job.id,
		.endpoint = work->job.endpoint,
		.event = work->job.type,
		.number = work->job.attempt,
		.state = store_state_name(work->state),
	};
	attempt_log(&line, &work->result);
}

/*
 * Its result
 */

/* There is nobody who does it: the handler has run. What the supervisor did record before it ended is not
 * recorded again. false: the event will be run again. */
static bool
record_alone(const struct runner *runner, const struct store_settlement *settlement)
{
	struct store *store = store_new(runner->config->store);
	int64_t booted_ms = clock_booted_ms();
	bool recorded = false;
	unsigned moved;
	store_expect(store, tally_acknowledged(runner->tally));
	/* As the supervisor did: what is put off is so by the clock that is kept. */
	(void)store_heed_clock(store, booted_ms, clock_boot_ms(), &booted_ms, &moved);
	int64_t due_ms = settlement->due_ms + booted_ms;
	for (int tries = 1; !recorded && tries <= ALONE_TRIES; tries++) {
		switch (store_settle(store, settlement->id, settlement->attempt, settlement->state,
			due_ms, settlement->reason)) {
		case STORE_OK:
		case STORE_NONE: recorded = true; continue;
		case STORE_BUSY:
		case STORE_FULL:
		case STORE_FAILED: break;
		}
		if (tries == 1)
			log_message(LOG_LEVEL_ERROR, "worker", "an attempt cannot be recorded: %s",
				store_reason(store));
		clock_sleep_us(RETRY_US);
	}
	if (!recorded)
		log_message(LOG_LEVEL_ERROR, "worker",
			"event %lld: the end of attempt %u could not be recorded: it will be run "
			"again",
			(long long)settlement->id, settlement->attempt->number);
	store_free(store);
	return recorded;
}

/* Have it recorded, however long that takes. false: this process is to end. */
static bool
report(struct runner *runner, const struct work *work)
{
	const struct store_attempt attempt =
		attempt_of(&work->result, work->job.attempt, work->started_ms, work->result.reason);
	const struct store_settlement settlement = {
		.id = work->job.id,
		.attempt = &attempt,
		.state = work->state,
		.due_ms = work->due_boot_ms,
		.reason = work->state == STORE_DONE ? NULL : work->reason,
	};
	bool answered = false;
	bool sent = errand_send_result(runner->socket, &settlement, runner->left_behind);
	while (sent && !answered) {
		enum errand_kind kind = errand_receive(runner->socket, true, &runner->answer);
		switch (kind) {
		case ERRAND_JOB:
		case ERRAND_RECORDED:
			answered = true;
			runner->has_next = kind == ERRAND_JOB;
			break;
		case ERRAND_GIVEN_UP: return false;
		case ERRAND_CUT:
		case ERRAND_NONE: break;
		case ERRAND_GONE:
		case ERRAND_RESULT: sent = false; break;
		}
	}
	if (answered || record_alone(runner, &settlement))
		log_attempt(work);
	return answered && !runner->left_behind;
}

/* The next event, in the mail. false: there will be none. */
static bool
await(struct runner *runner)
{
	if (runner->has_next) {
		const struct buf last = runner->mail;
		runner->mail = runner->answer;
		runner->answer = last;
		runner->has_next = false;
		return true;
	}
	for (;;) {
		switch (errand_receive(runner->socket, true, &runner->mail)) {
		case ERRAND_JOB: return true;
		case ERRAND_CUT:
		case ERRAND_RECORDED:
		case ERRAND_GIVEN_UP:
		case ERRAND_NONE: break;
		case ERRAND_GONE:
		case ERRAND_RESULT: return false;
		}
	}
}

/* false: this process is to end. */
static bool
handle(struct runner *runner)
{
	struct errand_job job;
	struct work work;
	if (!errand_read_job(&runner->mail, &job))
		return false;
	work_init(&work, &job);
	attempt_event(runner, &work);
	bool go_on = report(runner, &work);
	work_free(&work);
	return go_on;
}

static void
runner_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t none;
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
worker_runner_main(const struct config *config, const struct tally *tally, int socket)
{
	struct runner runner = { .config = config, .tally = tally, .socket = socket };
	bool go_on = true;
	prctl(PR_SET_NAME, "hookcgi-runner");
	runner_signals(); /* before the first handler, see run.h */
	errand_mail_init(&runner.mail);
	errand_mail_init(&runner.answer);
	while (go_on && await(&runner))
		go_on = handle(&runner);
	_exit(runner.left_behind ? WORKER_RUNNER_AGAIN : WORKER_RUNNER_DONE);
}
