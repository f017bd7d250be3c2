/* runner.c - the runners of a threaded process, and who waits for their results
 *
 * A job goes to a runner from the thread that has it. One thread, the collector,
 * waits for all results at once, so a thousand handlers that take long cost no threads, and those that end
 * together wake nobody but it. It also writes what a handler's pipe did not take of a long body at first, notices
 * a runner that dies, and is the only one that closes a runner's socket.
 *
 * A runner is idle, in the list of those; or in the hands of a thread that gives it a job, which holds its
 * lock; or busy with a call. The collector, who hears of its end at any time, waits for that lock.
 */
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "descriptor.h"
#include "handover.h"
#include "job.h"
#include "log.h"
#include "thread.h"

#define IDLE_MAX_MS (60 * 1000)     /* unused for that long: it may go */
#define ANSWER_SLACK_MS (15 * 1000) /* beyond timeout and grace: KILL's own patience, and load */
#define STALL_MAX_S 3  /* a runner, or the nursery, that neither reads nor writes is broken */
#define LOOK_MS 1000   /* how late a deadline may be noticed */
#define COMPANY_US 800 /* that a result waits for others */
#define EVENTS_MAX 32
#define STACK_SIZE ((size_t)1 << 20)

struct runner {
	int socket;
	pthread_mutex_t lock;             /* while a job is given to it */
	struct runner_call *_Atomic call; /* NULL: it has none */
	int64_t since_ms;                 /* idle */
	struct runner *next;              /* of all */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a runner became idle, or there is room for a new one */
	int nursery;            /* -1: none */
	bool lost;              /* it is not there any more */
	struct runner *all;
	unsigned alive;       /* how many */
	struct runner **idle; /* the last used one last */
	size_t idle_count;
	size_t idle_size;
	size_t crowd; /* more at work than that have the processors busy */

	bool collects; /* there is the collector, and with it epoll and attention */
	bool stopping;
	bool sleeps; /* it looks at no deadline until it is called */
	pthread_t collector;
	int epoll;     /* runners, their handlers' pipes, and attention (NULL) */
	int attention; /* eventfd */
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.nursery = -1,
};

static const struct timeval stall = { .tv_sec = STALL_MAX_S };

static void
refuse(struct run_result *result, const char *reason)
{
	result->end = RUN_NOT_STARTED;
	snprintf(result->reason, sizeof result->reason, "%s", reason);
}

static void
finish(struct runner_call *call)
{
	descriptor_close(&call->input);
	call->done(call); /* and it is gone */
}

/* ---- Runners; the functions here are called with the pool's lock held ---- */

/* It is in no list any more. */
static void
runner_free(struct runner *runner)
{
	struct runner **at = &pool.all;
	while (*at != runner)
		at = &(*at)->next;
	*at = runner->next;
	close(runner->socket);
	pthread_mutex_destroy(&runner->lock);
	free(runner);
	pool.alive--;
	/* All of them: callers may have different limits. */
	pthread_cond_broadcast(&pool.changed);
}

static size_t
busy_count(void)
{
	return pool.alive - pool.idle_count;
}

/* false: it is not idle. */
static bool
idle_remove(const struct runner *runner)
{
	for (size_t i = 0; i < pool.idle_count; i++) {
		if (pool.idle[i] != runner)
			continue;
		pool.idle_count--;
		memmove(pool.idle + i, pool.idle + i + 1,
			(pool.idle_count - i) * sizeof *pool.idle);
		return true;
	}
	return false;
}

/* The one that has been idle for too long is let go. Only the first can be: the last used is used first. */
static void
idle_retire(int64_t now)
{
	if (pool.idle_count > 0 && now - pool.idle[0]->since_ms >= IDLE_MAX_MS) {
		shutdown(pool.idle[0]->socket, SHUT_RDWR); /* the collector hears of it */
		(void)idle_remove(pool.idle[0]);
	}
}

static void
idle_add(struct runner *runner)
{
	int64_t now = clock_ms();
	idle_retire(now);
	if (pool.idle_count == pool.idle_size) {
		pool.idle_size = pool.idle_size * 2 + 4;
		pool.idle = xreallocarray(pool.idle, pool.idle_size, sizeof(struct runner *));
	}
	atomic_store(&runner->call, NULL);
	runner->since_ms = now;
	pool.idle[pool.idle_count++] = runner;
	pthread_cond_signal(&pool.changed);
}

/* ---- The collector ---- */

/* The call's result is there, or will not be: the runner may have the next. */
static void
runner_take_back(struct runner *runner, bool good)
{
	pthread_mutex_lock(&pool.lock);
	if (good && !pool.stopping)
		idle_add(runner);
	else
		runner_free(runner);
	pthread_mutex_unlock(&pool.lock);
}

static bool
is_readable(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	return poll(&polled, 1, 0) > 0;
}

/* It has answered, or ended; or its handler takes more of a body. */
static void
runner_attend(struct runner *runner)
{
	pthread_mutex_lock(&pool.lock);
	bool idle = idle_remove(runner);
	if (idle)
		runner_free(runner);
	pthread_mutex_unlock(&pool.lock);
	if (idle)
		return;

	pthread_mutex_lock(&runner->lock);
	struct runner_call *call = atomic_load(&runner->call);
	pthread_mutex_unlock(&runner->lock);
	if (call == NULL) { /* it did not get its job, or was to go */
		runner_take_back(runner, false);
		return;
	}
	if (call->input >= 0) {
		run_feed(&call->input, &call->rest);
		if (!is_readable(runner->socket))
			return;
	}
	runner_take_back(runner, job_receive_result(runner->socket, call->result));
	finish(call);
}

/* What has come is no longer late: it may be this thread that was held up. */
static bool
is_late(const struct runner *runner, const struct runner_call *call, int64_t now)
{
	return call != NULL && call->deadline_ms <= now && !is_readable(runner->socket);
}

/* End calls that are late. false: there are none that could be. */
static bool
look_for_late(void)
{
	int64_t now = clock_ms();
	struct runner *late;

	do {
		pthread_mutex_lock(&pool.lock);
		bool busy = busy_count() > 0;
		struct runner_call *call = NULL;
		late = pool.all;
		while (late != NULL && !is_late(late, call = atomic_load(&late->call), now))
			late = late->next;
		if (late != NULL) {
			pthread_mutex_lock(&late->lock); /* whoever gave it the job has let go */
			pthread_mutex_unlock(&late->lock);
			runner_free(late);
		}
		pool.sleeps = !busy;
		pthread_mutex_unlock(&pool.lock);
		if (!busy)
			return false;
		if (late != NULL) {
			refuse(call->result,
				"the process that runs the handler does not answer; the "
				"handler may have been started");
			finish(call);
		}
	} while (late != NULL);
	return true;
}

/*
 * With more handlers than the processors can run a result waits a moment for company: the others run
 * meanwhile, and the web server, too, wakes up once for all answers and not for each. That is a tenth of all
 * work (bench/README.md), and senders wait less.
 */
static bool
is_crowded(void)
{
	pthread_mutex_lock(&pool.lock);
	bool crowded = busy_count() > pool.crowd;
	pthread_mutex_unlock(&pool.lock);
	return crowded;
}

static bool
is_over(void)
{
	pthread_mutex_lock(&pool.lock);
	bool over = pool.stopping && pool.all == NULL;
	pthread_mutex_unlock(&pool.lock);
	return over;
}

/* Its socket and its handler's pipe may report at once; after the first it may be gone. */
static bool
is_among(const struct epoll_event *events, int count, const void *runner)
{
	for (int i = 0; i < count; i++)
		if (events[i].data.ptr == runner)
			return true;
	return false;
}

static void *
collector_main(void *unused)
{
	struct epoll_event events[EVENTS_MAX];
	eventfd_t calls;
	int wait_ms = LOOK_MS;
	int64_t look_ms = 0;

	while (!is_over()) {
		int count = epoll_wait(pool.epoll, events, EVENTS_MAX, wait_ms);
		if (count > 0 && is_crowded()) {
			clock_sleep_us(COMPANY_US);
			count = epoll_wait(pool.epoll, events, EVENTS_MAX, 0);
		}
		log_gather_begin();
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == NULL)
				(void)eventfd_read(pool.attention, &calls);
			else if (!is_among(events, i, events[i].data.ptr))
				runner_attend(events[i].data.ptr);
		}
		log_gather_end();
		if (clock_ms() < look_ms)
			continue;
		wait_ms = look_for_late() ? LOOK_MS : -1;
		look_ms = wait_ms < 0 ? 0 : clock_ms() + LOOK_MS;
	}
	return unused;
}

/* Called with the lock held. false: errno. */
static bool
collector_start(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	if (pool.collects)
		return true;
	pool.epoll = epoll_create1(EPOLL_CLOEXEC);
	pool.attention = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool.stopping = pool.sleeps = false;
	pool.crowd = 2 * thread_processors();
	pool.collects =
		pool.epoll >= 0 && pool.attention >= 0 &&
		epoll_ctl(pool.epoll, EPOLL_CTL_ADD, pool.attention, &event) == 0 &&
		(errno = thread_start(&pool.collector, STACK_SIZE, collector_main, NULL)) == 0;
	if (!pool.collects) {
		descriptor_close(&pool.epoll);
		descriptor_close(&pool.attention);
	}
	return pool.collects;
}

/* ---- The caller's side ---- */

/* Ask the nursery for one. NULL: there is none to be had (logged). Called with the lock held. */
static struct runner *
runner_new(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ends[2];

	if (pool.nursery < 0 || !collector_start() ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		log_message(LOG_LEVEL_ERROR, "runners", "none can be had: %s",
			pool.nursery < 0 ? "not started" : strerror(errno));
		return NULL;
	}
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
	struct runner *runner = xcalloc(1, sizeof *runner);
	runner->socket = ends[0];
	event.data.ptr = runner;
	bool asked = nursery_fork_runner(pool.nursery, ends[1]);
	if (!asked) {
		log_message(LOG_LEVEL_ERROR, "runners",
			"the process that starts runners is gone: %s", strerror(errno));
		pool.lost = true;
	}
	close(ends[1]);
	if (!asked || epoll_ctl(pool.epoll, EPOLL_CTL_ADD, ends[0], &event) != 0) {
		close(ends[0]);
		free(runner);
		return NULL;
	}
	pthread_mutex_init(&runner->lock, NULL);
	runner->next = pool.all;
	pool.all = runner;
	pool.alive++;
	return runner;
}

/* An idle one, or a new one, or wait for either; with its lock held. NULL: none can be had. */
static struct runner *
runner_acquire(unsigned max_runners, bool *is_new_out)
{
	struct runner *runner = NULL;

	pthread_mutex_lock(&pool.lock);
	while (pool.idle_count == 0 && pool.alive > 0 && pool.alive >= max_runners)
		pthread_cond_wait(&pool.changed, &pool.lock);
	*is_new_out = pool.idle_count == 0;
	if (!*is_new_out)
		runner = pool.idle[--pool.idle_count];
	else
		runner = runner_new();
	if (runner != NULL)
		pthread_mutex_lock(&runner->lock);
	if (pool.sleeps) {
		pool.sleeps = false;
		eventfd_write(pool.attention, 1);
	}
	pthread_mutex_unlock(&pool.lock);
	return runner;
}

/* Have the collector write the rest of a body that the pipe had no room for. */
static bool
watch_input(struct runner *runner, const struct runner_call *call)
{
	struct epoll_event event = { .events = EPOLLOUT, .data = { .ptr = runner } };
	return call->input < 0 || epoll_ctl(pool.epoll, EPOLL_CTL_ADD, call->input, &event) == 0;
}

/* Before its runner may be freed. */
static void
unwatch_input(const struct runner_call *call)
{
	if (call->input >= 0)
		epoll_ctl(pool.epoll, EPOLL_CTL_DEL, call->input, NULL);
}

/*
 * Give the job to a runner. false: there is none. An idle one that has died meanwhile did not get the whole job, so
 * another may have it; the collector hears of the end of its socket.
 */
static bool
job_give(const struct buf *job, int input, struct runner_call *call, unsigned max_runners)
{
	const struct run_spec *spec = &call->spec;
	struct runner *runner;
	bool is_new = false, given = false, has_died = true;

	while (!given && has_died && !is_new &&
		(runner = runner_acquire(max_runners, &is_new)) != NULL) {
		given = watch_input(runner, call) &&
			handover_send(runner->socket, job->data, job->len, input);
		has_died = errno == EPIPE || errno == ECONNRESET;
		if (given) {
			call->deadline_ms =
				clock_ms() + spec->timeout_ms + spec->grace_ms + ANSWER_SLACK_MS;
			atomic_store(&runner->call, call);
		} else {
			unwatch_input(call);
			shutdown(runner->socket, SHUT_RDWR);
		}
		pthread_mutex_unlock(&runner->lock);
	}
	return given;
}

/* The handler's stdin for the runner, -1 when the body goes along, and our end of it: -1 when there is nothing to
 * write. false: no descriptor is left; what was opened is the caller's. */
static bool
input_open(struct runner_call *call, int *theirs_out)
{
	int ends[2];

	*theirs_out = -1;
	if (job_takes_body(&call->spec))
		return true;
	if (call->spec.input_fd >= 0) {
		*theirs_out = fcntl(call->spec.input_fd, F_DUPFD_CLOEXEC, 0);
		return *theirs_out >= 0;
	}
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*theirs_out = ends[0];
	call->input = ends[1];
	return fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0;
}

/* false: the result says why not. */
static bool
give(struct runner_call *call, const struct buf *job, unsigned max_runners)
{
	int theirs;
	bool opened = input_open(call, &theirs);
	/* What fits into the pipe is there when the handler starts. */
	if (opened && call->input >= 0)
		run_feed(&call->input, &call->rest);
	bool given = opened && job_give(job, theirs, call, max_runners);

	if (!opened)
		refuse(call->result, "no descriptor is left for the handler's standard input");
	else if (!given)
		refuse(call->result,
			"no process to run the handler can be had: the one that starts them was "
			"killed, or the system has no room: restart the program");
	descriptor_close(&theirs);
	return given;
}

void
runner_run_later(struct runner_call *call, unsigned max_runners)
{
	const struct run_spec *spec = &call->spec;
	struct buf job;

	call->input = -1;
	call->rest = spec->input;
	bool given = job_write(spec, &job);
	if (given)
		given = give(call, &job, max_runners);
	else
		refuse(call->result,
			"arguments and environment are larger than any system takes: let the "
			"handler read the event from stdin");
	buf_free(&job);
	if (!given)
		finish(call);
}

struct waiter {
	struct runner_call call; /* first */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
};

static void
wake_waiter(struct runner_call *call)
{
	struct waiter *waiter = (struct waiter *)call;
	pthread_mutex_lock(&waiter->lock);
	waiter->done = true;
	pthread_cond_signal(&waiter->wake);
	pthread_mutex_unlock(&waiter->lock);
}

void
runner_run(const struct run_spec *spec, unsigned max_runners, struct run_result *result)
{
	struct waiter waiter = {
		.call = { .spec = *spec, .result = result, .done = wake_waiter },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.wake = PTHREAD_COND_INITIALIZER,
	};

	runner_run_later(&waiter.call, max_runners);
	pthread_mutex_lock(&waiter.lock);
	while (!waiter.done)
		pthread_cond_wait(&waiter.wake, &waiter.lock);
	pthread_mutex_unlock(&waiter.lock);
	pthread_cond_destroy(&waiter.wake);
	pthread_mutex_destroy(&waiter.lock);
}

bool
runner_start(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (pool.nursery < 0) {
		pool.nursery = nursery_start();
		setsockopt(pool.nursery, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
	}
	return pool.nursery >= 0;
}

bool
runner_detach(const char *argument)
{
	pthread_mutex_lock(&pool.lock);
	bool started = nursery_detach(pool.nursery, argument);
	if (!started)
		log_message(LOG_LEVEL_ERROR, "worker", "cannot be started: %s", strerror(errno));
	pthread_mutex_unlock(&pool.lock);
	return started;
}

bool
runner_is_busy(void)
{
	pthread_mutex_lock(&pool.lock);
	bool busy = busy_count() > 0;
	pthread_mutex_unlock(&pool.lock);
	return busy;
}

bool
runner_lost(void)
{
	pthread_mutex_lock(&pool.lock);
	bool lost = pool.lost;
	pthread_mutex_unlock(&pool.lock);
	return lost;
}

void
runner_stop(void)
{
	pthread_mutex_lock(&pool.lock);
	bool collects = pool.collects;
	pool.stopping = true;
	for (size_t i = 0; i < pool.idle_count; i++)
		shutdown(pool.idle[i]->socket, SHUT_RDWR);
	if (collects)
		eventfd_write(pool.attention, 1);
	descriptor_close(&pool.nursery);
	pthread_cond_broadcast(&pool.changed);
	pthread_mutex_unlock(&pool.lock);
	if (!collects)
		return;
	pthread_join(pool.collector, NULL);
	pool.collects = false;
	descriptor_close(&pool.epoll);
	descriptor_close(&pool.attention);
	free(pool.idle);
	pool.idle = NULL;
	pool.idle_size = 0;
}
