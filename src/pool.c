/* pool.c - threads that take connections from a listening socket and serve them, one each
 *
 * They take connections themselves. Those without one are free, and sleep on one epoll instance
 * when there are none; it reports the listener once and is then to be armed again.
 *
 * To wake a thread costs more than most requests do, and more threads at work
 * than processors only get into each other's way. So the next thread is called
 * (pool_call()) only while fewer than working_max are at work; a thread that
 * begins to wait, for a handler, a slow peer, a disk, calls one in its place;
 * one that is done takes the next connection by itself, and lets others run once
 * before it goes to sleep (sched_yield()), since under load the web server has
 * the next connection ready by then. And no more than working_max are free: until a thread that
 * was woken runs, each connection wakes one more of those that sleep on the epoll instance, all but
 * one for nothing. The others are spare, and sleep where only a call wakes them, the one that slept last.
 * Measured: bench/README.md.
 *
 * It always holds that the listener is armed and a thread is free, or that a thread is awake that
 * will accept, or arm it, or call another: no connection is left waiting.
 *
 * A thread that is called when nobody is free or spare is started, as far as the limit
 * allows; one that slept for IDLE_MS ends.
 */
#include "pool.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/param.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "log.h"
#include "runner.h"
#include "thread.h"

#define IDLE_MS 10000      /* then spare threads end, and free memory is given back */
#define ACCEPT_PAUSE_MS 50 /* after EMFILE and the like */

enum worker_state { WORKER_UNUSED, WORKER_RUNNING, WORKER_ENDED };

struct worker {
	struct pool *pool;
	enum worker_state state; /* guarded by pool->lock, as the next */
	pthread_t thread;
	struct worker *next_spare;
	bool spare;
	pthread_cond_t called;
};

struct pool {
	struct pool_options options;
	int epoll;              /* the listener and stop */
	int stop;               /* eventfd, readable from the stop on */
	int attention;          /* eventfd: the main thread has something to watch */
	struct worker *workers; /* options.threads of them */
	unsigned *unused;       /* places, of as many: guarded by lock, as the next */
	unsigned unused_count;
	struct worker *spare;
	unsigned detached; /* connections */
	unsigned working_max;

	atomic_bool stopping;
	atomic_bool armed;     /* the listener is reported */
	atomic_uint working;   /* threads with a connection that do not wait for anything */
	atomic_uint free;      /* threads without a connection that are not spare */
	atomic_uint serving;   /* threads with a connection */
	atomic_uint running;   /* threads; changed with the lock held */
	atomic_bool unwatched; /* the main thread sleeps without a time limit */
	pthread_mutex_t lock;
	pthread_cond_t ended;    /* a thread, or what was detached */
	pthread_cond_t returned; /* a place is unused */
};

static void *worker_run(void *argument);

static bool
start_thread(struct worker *worker)
{
	int error =
		thread_start(&worker->thread, worker->pool->options.stack_size, worker_run, worker);
	if (error != 0 && log_allowed())
		log_message(LOG_LEVEL_ERROR, "threads", "cannot start one: %s", strerror(error));
	return error == 0;
}

/* One more thread, if there may be one; called with the lock held. */
static void
pool_grow(struct pool *pool)
{
	struct worker *worker = NULL;

	for (unsigned i = 0; worker == NULL && i < pool->options.threads; i++)
		if (pool->workers[i].state != WORKER_RUNNING)
			worker = &pool->workers[i];
	if (worker == NULL)
		return;
	if (worker->state == WORKER_ENDED)
		pthread_join(worker->thread, NULL);
	atomic_fetch_add(&pool->free, 1);
	worker->state = start_thread(worker) ? WORKER_RUNNING : WORKER_UNUSED;
	if (worker->state == WORKER_RUNNING)
		atomic_fetch_add(&pool->running, 1);
	else
		atomic_fetch_sub(&pool->free, 1);
}

/* It is spare no more; called with the lock held. */
static void
spare_end(struct worker *worker)
{
	struct worker **at = &worker->pool->spare;
	while (*at != worker)
		at = &(*at)->next_spare;
	*at = worker->next_spare;
	worker->spare = false;
}

/* One more free thread. */
static void
pool_free_one(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct worker *worker = pool->spare;
	if (worker != NULL) {
		spare_end(worker);
		atomic_fetch_add(&pool->free, 1);
		pthread_cond_signal(&worker->called);
	} else {
		pool_grow(pool);
	}
	pthread_mutex_unlock(&pool->lock);
}

/*
 * The thread ends. false: it is free again, and goes on. While it made up its mind it was neither free nor spare, and its
 * place not one to start another in: who called meanwhile may have found nobody, and nobody else may be free.
 */
static bool
pool_leave(struct pool *pool, struct worker *worker)
{
	pthread_mutex_lock(&pool->lock);
	bool leaves = atomic_load(&pool->stopping) || atomic_load(&pool->free) > 0;
	if (leaves) {
		worker->state = WORKER_ENDED;
		atomic_fetch_sub(&pool->running, 1);
		pthread_cond_signal(&pool->ended);
	} else {
		atomic_fetch_add(&pool->free, 1);
	}
	pthread_mutex_unlock(&pool->lock);
	return leaves;
}

/* Arm the listener; if a connection is there already, this wakes a thread that sleeps. */
static void
pool_arm(struct pool *pool)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	if (!atomic_exchange(&pool->armed, true))
		epoll_ctl(pool->epoll, EPOLL_CTL_MOD, pool->options.listener, &event);
}

/* Let another thread take the next connection. */
static void
pool_call_anyway(struct pool *pool)
{
	if (atomic_load(&pool->free) == 0)
		pool_free_one(pool);
	else
		pool_arm(pool);
}

/* The same, unless enough are at work. */
static void
pool_call(struct pool *pool)
{
	if (atomic_load(&pool->working) < pool->working_max)
		pool_call_anyway(pool);
}

void
pool_wait_begin(struct pool *pool)
{
	atomic_fetch_sub(&pool->working, 1);
	pool_call(pool);
}

void
pool_wait_end(struct pool *pool)
{
	atomic_fetch_add(&pool->working, 1);
}

enum pool_wait { POOL_CONNECTION, POOL_RETRY, POOL_END };

/* Sleep until called. Not when the free ones have all got a connection meanwhile: they may have called nobody. */
static enum pool_wait
pool_wait_spare(struct worker *worker)
{
	struct pool *pool = worker->pool;
	const struct timespec until = clock_timespec(clock_us() + (int64_t)IDLE_MS * 1000);
	int error = 0;

	pthread_mutex_lock(&pool->lock);
	worker->next_spare = pool->spare;
	pool->spare = worker;
	worker->spare = true;
	while (worker->spare && error == 0 && !atomic_load(&pool->stopping) &&
		atomic_load(&pool->free) > 0)
		error = pthread_cond_timedwait(&worker->called, &pool->lock, &until);
	bool called = !worker->spare;
	if (!called)
		spare_end(worker);
	bool ends = !called && (error != 0 || atomic_load(&pool->stopping));
	if (!called && !ends)
		atomic_fetch_add(&pool->free, 1);
	pthread_mutex_unlock(&pool->lock);
	return ends ? POOL_END : POOL_RETRY;
}

/* Take this thread from the free ones, if more than that many are. */
static bool
pool_leave_free(struct pool *pool, unsigned left)
{
	unsigned count = atomic_load(&pool->free);
	while (count > left)
		if (atomic_compare_exchange_weak(&pool->free, &count, count - 1))
			return true;
	return false;
}

/* Sleep. CONNECTION: there is one, unless another thread was faster. */
static enum pool_wait
pool_wait(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct epoll_event event;

	/* Before it may become spare: the free ones may have fallen asleep when enough were at work, and armed nothing. */
	if (atomic_load(&pool->working) < pool->working_max)
		pool_arm(pool);
	if (pool_leave_free(pool, pool->working_max))
		return pool_wait_spare(worker);
	int count = epoll_wait(pool->epoll, &event, 1, IDLE_MS);
	if (atomic_load(&pool->stopping)) {
		eventfd_write(pool->stop, 1); /* wake the next */
		return POOL_END;
	}
	if (count > 0) {
		atomic_store(&pool->armed, false);
		return POOL_CONNECTION;
	}
	return count == 0 && pool_leave_free(pool, 1) ? POOL_END : POOL_RETRY;
}

/* There is a connection: let others wait for the next, and the main thread watch this one. */
static void
pool_took(struct pool *pool)
{
	atomic_fetch_add(&pool->serving, 1);
	atomic_fetch_add(&pool->working, 1);
	atomic_fetch_sub(&pool->free, 1);
	pool_call(pool);
	if (atomic_load(&pool->unwatched) && atomic_exchange(&pool->unwatched, false))
		eventfd_write(pool->attention, 1);
}

static void
pool_done(struct pool *pool)
{
	atomic_fetch_add(&pool->free, 1);
	atomic_fetch_sub(&pool->working, 1);
	atomic_fetch_sub(&pool->serving, 1);
}

/*
 * The next connection; -1: end. Accept first and wait second: under load there
 * is one more already. The listener does not block, since others, also other
 * processes, may be faster. No error ends this, least of all EMFILE: it passes
 * when a request in flight ends.
 */
static int
pool_accept(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct pollfd stop = { .fd = pool->stop, .events = POLLIN };
	bool yielded = false;

	while (!atomic_load(&pool->stopping)) {
		int fd = accept4(pool->options.listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			pool_took(pool);
			return fd;
		}
		if (errno == EAGAIN && !yielded && !runner_is_busy() &&
			atomic_load(&pool->serving) == atomic_load(&pool->working)) {
			sched_yield();
			yielded = true;
		} else if (errno == EAGAIN) {
			enum pool_wait wait = pool_wait(worker);
			if (wait == POOL_END)
				return -1;
			yielded = wait == POOL_CONNECTION;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			if (log_allowed())
				log_message(LOG_LEVEL_ERROR, "accept", "%s", strerror(errno));
			poll(&stop, 1, ACCEPT_PAUSE_MS);
		}
	}
	return -1;
}

/* A place that nobody has; waits until there is one. */
static unsigned
pool_take_place(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->unused_count == 0)
		pthread_cond_wait(&pool->returned, &pool->lock);
	unsigned place = pool->unused[--pool->unused_count];
	pthread_mutex_unlock(&pool->lock);
	return place;
}

/* Called with the lock held. */
static void
pool_put_back(struct pool *pool, unsigned place)
{
	pool->unused[pool->unused_count++] = place;
	pthread_cond_signal(&pool->returned);
}

void
pool_detach(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->detached++;
	pthread_mutex_unlock(&pool->lock);
}

void
pool_release(struct pool *pool, unsigned place)
{
	pthread_mutex_lock(&pool->lock);
	pool->detached--;
	pthread_cond_signal(&pool->ended);
	pool_put_back(pool, place);
	pthread_mutex_unlock(&pool->lock);
}

static void
serve_next(struct pool *pool, int fd)
{
	unsigned place = pool_take_place(pool);
	if (!pool->options.serve(pool->options.context, pool, place, fd)) {
		pthread_mutex_lock(&pool->lock);
		pool_put_back(pool, place);
		pthread_mutex_unlock(&pool->lock);
	}
	pool_done(pool);
}

static void *
worker_run(void *argument)
{
	struct worker *worker = argument;
	struct pool *pool = worker->pool;
	int fd;

	/* Until pool_leave() this thread counts as running and a stop waits for it: no
	 * connection is accepted and then forgotten. */
	do
		while ((fd = pool_accept(worker)) >= 0)
			serve_next(pool, fd);
	while (!pool_leave(pool, worker));
	return NULL;
}

void
pool_close(struct pool *pool)
{
	int fds[] = { pool->epoll, pool->stop, pool->attention };

	for (unsigned i = 0; i < pool->options.threads; i++) {
		struct worker *worker = &pool->workers[i];
		if (worker->state == WORKER_ENDED)
			pthread_join(worker->thread, NULL);
		pthread_cond_destroy(&worker->called);
	}
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_cond_destroy(&pool->returned);
	pthread_cond_destroy(&pool->ended);
	pthread_mutex_destroy(&pool->lock);
	free(pool->workers);
	free(pool->unused);
	free(pool);
}

/* false: errno. */
static bool
pool_listen(struct pool *pool)
{
	struct epoll_event later = { .events = 0 }; /* until pool_arm() */
	struct epoll_event always = { .events = EPOLLIN };

	pool->epoll = epoll_create1(EPOLL_CLOEXEC);
	pool->stop = eventfd(0, EFD_CLOEXEC);
	pool->attention = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pool->epoll >= 0 && pool->stop >= 0 && pool->attention >= 0 &&
	       epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->options.listener, &later) == 0 &&
	       epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->stop, &always) == 0;
}

struct pool *
pool_open(const struct pool_options *options)
{
	struct pool *pool = xcalloc(1, sizeof *pool);
	pool->options = *options;
	pthread_mutex_init(&pool->lock, NULL);
	clock_cond_init(&pool->ended);
	pthread_cond_init(&pool->returned, NULL);
	pool->working_max = thread_processors();
	pool->workers = xcalloc(options->threads, sizeof pool->workers[0]);
	pool->unused = xcalloc(options->threads, sizeof pool->unused[0]);
	for (unsigned i = 0; i < options->threads; i++) {
		pool->workers[i].pool = pool;
		clock_cond_init(&pool->workers[i].called);
		pool->unused[i] = options->threads - 1 - i;
	}
	pool->unused_count = options->threads;

	bool listens = pool_listen(pool);
	if (listens)
		pool_free_one(pool);
	else
		log_message(LOG_LEVEL_ERROR, "start", "%s", strerror(errno));
	if (atomic_load(&pool->running) > 0)
		return pool;
	pool_close(pool);
	return NULL;
}

unsigned
pool_stop(struct pool *pool, int64_t stop_ms)
{
	const struct timespec until = clock_timespec(clock_us() + stop_ms * 1000);
	int error = 0;

	atomic_store(&pool->stopping, true);
	eventfd_write(pool->stop, 1);
	pthread_mutex_lock(&pool->lock);
	for (struct worker *worker = pool->spare; worker != NULL; worker = worker->next_spare)
		pthread_cond_signal(&worker->called);
	while (atomic_load(&pool->running) + pool->detached > 0 && error == 0)
		error = pthread_cond_timedwait(&pool->ended, &pool->lock, &until);
	unsigned left = atomic_load(&pool->running) + pool->detached;
	pthread_mutex_unlock(&pool->lock);
	return left;
}

/* End what is late. Returns how long the main thread may sleep, -1 for ever: nobody is served. */
static int
pool_watch(struct pool *pool)
{
	int64_t now = clock_ms();
	int64_t next = now + pool->options.watch_ms;

	/* First say that nobody watches, then look: a thread does it the other way round. */
	atomic_store(&pool->unwatched, true);
	if (atomic_load(&pool->serving) == 0)
		return -1;
	atomic_store(&pool->unwatched, false);
	for (unsigned i = 0; i < pool->options.threads; i++) {
		int64_t deadline_ms = pool->options.watch(pool->options.context, i, now);
		next = MIN(next, deadline_ms);
	}
	pool_call_anyway(pool); /* one may wait that did not say so: for a dead disk */
	return (int)(next - now) + 1;
}

void
pool_supervise(struct pool *pool, int signals)
{
	struct pollfd events[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = pool->attention, .events = POLLIN },
	};
	eventfd_t count;
	struct signalfd_siginfo signal;

	for (;;) {
		int sleep_ms = pool_watch(pool);
		if (poll(events, 2, sleep_ms < 0 ? IDLE_MS : sleep_ms) == 0 && sleep_ms < 0) {
			malloc_trim(0); /* what endpoint.c has malloc(3) keep while there is work */
			poll(events, 2, -1);
		}
		(void)eventfd_read(pool->attention, &count);
		while (read(signals, &signal, sizeof signal) == (ssize_t)sizeof signal)
			if (signal.ssi_signo != SIGHUP)
				return;
	}
}
