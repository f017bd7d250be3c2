/* responder.c - FastCGI (its Responder role) on a listening socket (the only user of libfcgi)
 *
 * libfcgi reads the requests; everything else is done here, for reasons
 * that were measured with the real servers (DESIGN.md):
 *
 * - It accepts connections badly: its accept cannot be woken for a stop, gives
 *   up on EMFILE and leaks descriptors into programs that are started. Here the
 *   threads accept themselves (struct pool), and as many as are needed are
 *   started.
 * - It waits without end for a slow peer. Here each wait has a deadline, and
 *   the main thread shuts down the connection of a thread that is past it.
 * - It takes a short write for a whole one, copies answers through 8 KiB and
 *   sends log lines in a write of their own. Here the records of an answer are
 *   laid out in one buffer and leave in one write.
 * - It closes a connection by waiting until the server did. Here that is done
 *   only where something unread could turn the close into a reset.
 * - It reads a body by 8 KiB and copies it. Here a body that had not come as a
 *   whole when its connection was accepted goes from the socket to where it stays
 *   (records.c).
 *
 * Most requests are there as a whole then: records_look() tells, and such a request is
 * served without watching any wait, since there is none.
 */
#include "responder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <fastcgi.h>
#include <fcgiapp.h>

#include "alloc.h"
#include "clock.h"
#include "http_exchange.h"
#include "log.h"
#include "records.h"
#include "runner.h"
#include "thread.h"

#define SEND_MS 30000      /* a peer that does not take the answer holds a thread this long */
#define LINGER_MS 200      /* for a peer that is still sending when we close */
#define TICK_MS 1000       /* how late a deadline may be noticed */
#define IDLE_MS 10000      /* then spare threads end, and free memory is given back */
#define ACCEPT_PAUSE_MS 50 /* after EMFILE and the like */

#define KEPT_MAX ((size_t)64 << 10) /* a larger buffer is not kept for the next request */
#define LOG_MAX ((size_t)16 << 10)  /* log lines of one request sent to the server */
#define PIPE_MIN ((size_t)4 << 10)  /* one page is always there */
#define RECORD_MAX 0xfff8           /* a multiple of 8 needs no padding */

/* The largest buffers on a stack here are HTTP_READ_STEP; libfcgi has 1 KiB in one frame. */
#ifdef HOOKCGI_SANITIZED
#define STACK_SIZE ((size_t)1 << 20)
#else
#define STACK_SIZE ((size_t)256 << 10)
#endif

#define NEVER INT64_MAX

/* ---- One connection: one request ---- */

struct connection {
	struct http_exchange exchange; /* first */
	struct connection *next;       /* of those that nobody uses */
	struct pool *pool;
	bool detached; /* no thread of the pool has it */
	FCGX_Request request;
	int fd;
	enum records_arrival arrival;
	struct records body; /* of a request of which only the head had come */
	struct buf log;      /* lines for the server's error log */
	struct buf out;      /* the records of the answer */

	/* The wait that the main thread ends when it is late. Guarded by lock. While deadline_ms is
	 * not NEVER, fd is open and stays what it is: no reused number is ever shut down. */
	pthread_mutex_t lock;
	int64_t deadline_ms;
	int shutdown_how;
	bool late;
};

static void
watch_begin(struct connection *connection, int64_t deadline_ms, int shutdown_how)
{
	pthread_mutex_lock(&connection->lock);
	connection->deadline_ms = deadline_ms;
	connection->shutdown_how = shutdown_how;
	connection->late = false;
	pthread_mutex_unlock(&connection->lock);
}

/* Was it late? */
static bool
watch_end(struct connection *connection)
{
	pthread_mutex_lock(&connection->lock);
	bool late = connection->late;
	connection->deadline_ms = NEVER;
	pthread_mutex_unlock(&connection->lock);
	return late;
}

/* For the main thread: end a wait that is late. Returns the deadline that is still to come. */
static int64_t
watch_check(struct connection *connection, int64_t now)
{
	pthread_mutex_lock(&connection->lock);
	if (connection->deadline_ms <= now && !connection->late) {
		connection->late = true;
		shutdown(connection->fd, connection->shutdown_how);
	}
	int64_t deadline_ms = connection->late ? NEVER : connection->deadline_ms;
	pthread_mutex_unlock(&connection->lock);
	return deadline_ms;
}

static void pool_wait_begin(struct pool *pool);
static void pool_wait_end(struct pool *pool);

/* Something that the peer may keep us waiting for: others serve meanwhile, and there is a deadline. */
static void
wait_begin(struct connection *connection, int64_t deadline_ms, int shutdown_how)
{
	watch_begin(connection, deadline_ms, shutdown_how);
	pool_wait_begin(connection->pool);
}

/* Was it late? */
static bool
wait_end(struct connection *connection)
{
	pool_wait_end(connection->pool);
	return watch_end(connection);
}

/* No wait is watched here, since all of them are our own. The deadline is looked at before each read: who
 * sends all the time is held to it, too. */
static enum http_body
read_records(struct connection *connection, char *data, size_t size, size_t *len_out)
{
	struct pollfd readable = { .fd = connection->fd, .events = POLLIN };

	for (;;) {
		int64_t wait_ms = connection->exchange.deadline_ms - clock_ms();
		if (wait_ms <= 0)
			return HTTP_BODY_LATE;
		switch (records_read(&connection->body, data, size, len_out)) {
		case RECORDS_OK: return HTTP_BODY_OK;
		case RECORDS_BROKEN: return HTTP_BODY_SHORT;
		case RECORDS_LATER: break;
		}
		pool_wait_begin(connection->pool);
		poll(&readable, 1, (int)MIN(wait_ms, INT_MAX));
		pool_wait_end(connection->pool);
	}
}

static enum http_body
fastcgi_read(struct http_exchange *exchange, char *data, size_t size, size_t *len_out)
{
	struct connection *connection = (struct connection *)exchange;
	FCGX_Stream *in = connection->request.in;

	if (connection->arrival == RECORDS_HEAD)
		return read_records(connection, data, size, len_out);
	bool late = false;
	if (connection->arrival != RECORDS_WHOLE)
		wait_begin(connection, exchange->deadline_ms, SHUT_RD);
	*len_out = (size_t)FCGX_GetStr(data, (int)MIN(size, INT_MAX), in);
	if (connection->arrival != RECORDS_WHOLE)
		late = wait_end(connection);
	/* A cut connection looks like an end (FCGX_HasSeenEOF); only the error tells. */
	if (FCGX_GetError(in) == 0)
		return HTTP_BODY_OK;
	return late ? HTTP_BODY_LATE : HTTP_BODY_SHORT;
}

/* FastCGI specification 3.3: a record has at most 65535 bytes, is best padded to 8. */
static bool
append_record(struct buf *out, int type, int request_id, struct slice content)
{
	unsigned padding = -(unsigned)content.len & 7;
	unsigned char header[FCGI_HEADER_LEN] = { FCGI_VERSION_1, (unsigned char)type,
		(unsigned char)(request_id >> 8), (unsigned char)request_id,
		(unsigned char)(content.len >> 8), (unsigned char)content.len,
		(unsigned char)padding, 0 };
	static const char zeros[8];

	return buf_append(out, header, sizeof header) && buf_append_slice(out, content) &&
	       buf_append(out, zeros, padding);
}

static bool
append_stream(struct buf *out, int type, int request_id, struct slice content)
{
	while (content.len > 0) {
		struct slice piece = { content.data, MIN(content.len, RECORD_MAX) };
		if (!append_record(out, type, request_id, piece))
			return false;
		content.data += piece.len;
		content.len -= piece.len;
	}
	return true;
}

/* Log lines, answer and end as records. Each stream that was used is ended by an empty record. */
static bool
append_answer(
	struct buf *out, int request_id, struct slice log, struct slice head, struct slice body)
{
	static const unsigned char complete[8]; /* status 0, FCGI_REQUEST_COMPLETE */
	struct slice nothing = { NULL, 0 };
	struct slice end = { (const char *)complete, sizeof complete };

	return (log.len == 0 || (append_stream(out, FCGI_STDERR, request_id, log) &&
					append_record(out, FCGI_STDERR, request_id, nothing))) &&
	       append_stream(out, FCGI_STDOUT, request_id, head) &&
	       append_stream(out, FCGI_STDOUT, request_id, body) &&
	       append_record(out, FCGI_STDOUT, request_id, nothing) &&
	       append_record(out, FCGI_END_REQUEST, request_id, end);
}

static bool
write_all(int fd, struct slice data)
{
	while (data.len > 0) {
		ssize_t len = write(fd, data.data, data.len);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return false;
		data.data += len;
		data.len -= (size_t)len;
	}
	return true;
}

/* For a thread that has others to answer: only for a moment. */
static bool
send_rest(int fd, struct slice data)
{
	struct pollfd writable = { .fd = fd, .events = POLLOUT };
	int64_t end_ms = clock_ms() + LINGER_MS;

	while (data.len > 0) {
		int64_t wait_ms = end_ms - clock_ms();
		if (wait_ms <= 0 || poll(&writable, 1, (int)wait_ms) <= 0)
			return false;
		ssize_t len = send(fd, data.data, data.len, MSG_DONTWAIT);
		if (len < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (len > 0) {
			data.data += len;
			data.len -= (size_t)len;
		}
	}
	return true;
}

/* An answer fits into the socket's buffer; only what does not is waited for, and not by a thread that has
 * others to answer. */
static bool
send_all(struct connection *connection, struct slice data)
{
	ssize_t len = send(connection->fd, data.data, data.len, MSG_DONTWAIT);
	if (len < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (len > 0) {
		data.data += len;
		data.len -= (size_t)len;
	}
	if (connection->detached)
		return send_rest(connection->fd, data);
	if (data.len == 0)
		return true;
	wait_begin(connection, clock_ms() + SEND_MS, SHUT_RDWR);
	bool sent = write_all(connection->fd, data);
	(void)wait_end(connection);
	return sent;
}

static bool
fastcgi_send(struct http_exchange *exchange, struct slice head, struct slice body)
{
	struct connection *connection = (struct connection *)exchange;
	struct slice log = buf_slice(&connection->log);

	log_set_sink(NULL, NULL); /* the error stream ends with the answer */
	bool sent =
		append_answer(&connection->out, connection->request.requestId, log, head, body) &&
		send_all(connection, buf_slice(&connection->out));
	if (!sent)
		(void)write_all(STDERR_FILENO, log);
	buf_reuse(&connection->out, KEPT_MAX);
	buf_reuse(&connection->log, KEPT_MAX);
	return sent;
}

static void
fastcgi_wait(struct http_exchange *exchange, bool begins)
{
	struct connection *connection = (struct connection *)exchange;
	if (begins)
		pool_wait_begin(connection->pool);
	else
		pool_wait_end(connection->pool);
}

/* Keep a line for the answer to take along; what is too much goes where it would have gone. */
static void
collect_log(void *context, const char *line, size_t len)
{
	struct connection *connection = context;
	if (!buf_append(&connection->log, line, len))
		(void)write_all(STDERR_FILENO, (struct slice){ line, len });
}

/* Waits for a descriptor to become free, as pool_accept() does. */
static int
duplicate(int fd, int64_t deadline_ms)
{
	int copy;
	while ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0 && errno == EMFILE &&
		clock_ms() < deadline_ms)
		poll(NULL, 0, ACCEPT_PAUSE_MS);
	return copy;
}

/*
 * Read a request up to its body from descriptor fd. libfcgi closes fd itself when that fails.
 * false: it did.
 */
static bool
accept_on(FCGX_Request *request, int fd)
{
	request->ipcFd = fd;
	request->keepConnection = 1; /* else FCGX_Accept_r() begins with closing ipcFd */
	return FCGX_Accept_r(request) == 0;
}

/*
 * The same where the peer may keep us waiting. The main thread may shut down connection->fd then: that
 * number must not be closed, and taken by another thread, behind our back. So libfcgi gets a
 * duplicate.
 */
static bool
accept_slowly(struct connection *connection, int64_t deadline_ms)
{
	int copy = duplicate(connection->fd, deadline_ms);
	if (copy < 0)
		return false;
	wait_begin(connection, deadline_ms, SHUT_RD);
	bool accepted = accept_on(&connection->request, copy);
	(void)wait_end(connection);
	if (accepted)
		close(copy);
	return accepted;
}

/*
 * Read a request whose head has come, and leave its body to records.c: libfcgi gets the head
 * through a pipe, since from the socket it would read on. It cannot wait there, whatever it takes the
 * head for: all is written, and the other end closed.
 */
static bool
accept_head(struct connection *connection, const int pipe[2], size_t head_len)
{
	char head[RECORDS_LOOK_MAX];
	bool passed = recv(connection->fd, head, head_len, MSG_DONTWAIT) == (ssize_t)head_len &&
		      write(pipe[1], head, head_len) == (ssize_t)head_len;

	close(pipe[1]);
	if (passed && !accept_on(&connection->request, pipe[0]))
		return false;
	close(pipe[0]);
	records_init(&connection->body, connection->fd, connection->request.requestId);
	return passed;
}

/* A pipe that takes so much. A user who has many gets small ones (pipe(7), pipe-user-pages-soft). */
static bool
pipe_for(size_t len, int ends[2])
{
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	if (len <= PIPE_MIN || fcntl(ends[1], F_GETPIPE_SZ) >= (int)len)
		return true;
	close(ends[0]);
	close(ends[1]);
	return false;
}

/* Read a request up to its body. false: nothing that can be answered. */
static bool
connection_receive(struct connection *connection, int64_t deadline_ms)
{
	FCGX_Request *request = &connection->request;
	int head_pipe[2];
	size_t head_len;

	connection->arrival = records_look(connection->fd, &head_len);
	if (connection->arrival == RECORDS_PART) {
		if (!accept_slowly(connection, deadline_ms))
			return false;
	} else if (connection->arrival == RECORDS_HEAD && pipe_for(head_len, head_pipe)) {
		if (!accept_head(connection, head_pipe, head_len))
			return false;
	} else if (accept_on(request, connection->fd)) {
		/* Without a pipe libfcgi has begun with the body, and reads it to its end. */
		if (connection->arrival == RECORDS_HEAD)
			connection->arrival = RECORDS_PART;
	} else {
		connection->fd = -1;
		return false;
	}
	request->ipcFd = connection->fd;
	/* Cut off parameters are no error to FCGX_Accept_r(). */
	return FCGX_GetError(request->in) == 0 && request->role == FCGI_RESPONDER &&
	       FCGX_GetParam("REQUEST_METHOD", request->envp) != NULL;
}

/* Closing with bytes unread resets the connection, and the answer may be lost with it. */
static void
linger(int fd)
{
	char trash[HTTP_READ_STEP];
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	int64_t end_ms = clock_ms() + LINGER_MS;

	if (shutdown(fd, SHUT_WR) < 0)
		return;
	for (int64_t wait_ms = LINGER_MS; wait_ms > 0; wait_ms = end_ms - clock_ms())
		if (poll(&readable, 1, (int)wait_ms) <= 0 || read(fd, trash, sizeof trash) <= 0)
			return;
}

/* Was the request read to its end, so that a close cannot reset the connection? */
static bool
is_read(const struct connection *connection)
{
	if (connection->arrival == RECORDS_HEAD)
		return records_ended(&connection->body);
	return FCGX_HasSeenEOF(connection->request.in) != 0 &&
	       FCGX_GetError(connection->request.in) == 0;
}

static void
connection_close(struct connection *connection, bool clean)
{
	FCGX_Free(&connection->request, 0);
	connection->request.ipcFd = -1;
	if (connection->fd < 0)
		return;
	if (!clean)
		linger(connection->fd);
	close(connection->fd);
}

static void pool_detach(struct connection *connection);
static void pool_put_back(struct connection *connection);

/* Only what needs no more waiting for the peer. */
static bool
fastcgi_detach(struct http_exchange *exchange)
{
	struct connection *connection = (struct connection *)exchange;
	if (!is_read(connection))
		return false;
	log_set_sink(NULL, NULL);
	pool_detach(connection);
	return true;
}

/* malloc(3) gives it to the next request of this thread, and nobody has to wait for another one's arena. */
static void
fastcgi_forget(struct http_exchange *exchange)
{
	struct connection *connection = (struct connection *)exchange;
	FCGX_Free(&connection->request, 0);
}

static void
fastcgi_attach(struct http_exchange *exchange)
{
	struct connection *connection = (struct connection *)exchange;
	log_set_sink(collect_log, connection);
}

static void
fastcgi_release(struct http_exchange *exchange)
{
	struct connection *connection = (struct connection *)exchange;
	log_set_sink(NULL, NULL);
	connection_close(connection, true);
	pool_put_back(connection);
}

/* true: the connection is the handler's, see http_detach(). */
static bool
connection_serve(struct connection *connection, int fd, const struct http_limits *limits,
	http_handler *handler, void *context)
{
	static const struct http_transport transport = {
		.read = fastcgi_read,
		.send = fastcgi_send,
		.wait = fastcgi_wait,
		.detach = fastcgi_detach,
		.forget = fastcgi_forget,
		.attach = fastcgi_attach,
		.release = fastcgi_release,
	};
	struct http_exchange *exchange = &connection->exchange;
	int64_t deadline_ms = clock_ms() + limits->read_timeout_ms;
	bool clean = false;

	connection->fd = fd;
	if (connection_receive(connection, deadline_ms)) {
		http_exchange_init(exchange, &transport, connection->request.envp, deadline_ms);
		log_set_sink(collect_log, connection);
		if (http_exchange_handle(exchange, handler, context))
			return true;
		clean = is_read(connection);
	} else if (log_allowed()) {
		log_message(LOG_LEVEL_WARNING, "dropped", "not a whole FastCGI request");
	}
	connection_close(connection, clean);
	return false;
}

/* ---- The threads ---- */

/*
 * Threads take connections themselves. Those without one are free, and sleep on one epoll instance
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
	int listener;
	int epoll;     /* the listener and stop */
	int stop;      /* eventfd, readable from the stop on */
	int attention; /* eventfd: the main thread has something to watch */
	const struct http_limits *limits;
	http_handler *handler;
	void *context;
	struct worker *workers;         /* limits->threads of them */
	struct connection *connections; /* as many: what is detached counts as a request, too */
	struct connection *unused;      /* guarded by lock, as the next */
	struct worker *spare;
	unsigned detached;
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
	pthread_cond_t returned; /* a connection is unused */
};

static void *worker_run(void *argument);

static bool
start_thread(struct worker *worker)
{
	int error = thread_start(&worker->thread, STACK_SIZE, worker_run, worker);
	if (error != 0 && log_allowed())
		log_message(LOG_LEVEL_ERROR, "threads", "cannot start one: %s", strerror(error));
	return error == 0;
}

/* One more thread, if there may be one; called with the lock held. */
static void
pool_grow(struct pool *pool)
{
	struct worker *worker = NULL;

	for (unsigned i = 0; worker == NULL && i < pool->limits->threads; i++)
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
		epoll_ctl(pool->epoll, EPOLL_CTL_MOD, pool->listener, &event);
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

static void
pool_wait_begin(struct pool *pool)
{
	atomic_fetch_sub(&pool->working, 1);
	pool_call(pool);
}

static void
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
		int fd = accept4(pool->listener, NULL, NULL, SOCK_CLOEXEC);
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

/* One that nobody uses; waits until there is one. */
static struct connection *
pool_take(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->unused == NULL)
		pthread_cond_wait(&pool->returned, &pool->lock);
	struct connection *connection = pool->unused;
	pool->unused = connection->next;
	connection->detached = false;
	pthread_mutex_unlock(&pool->lock);
	return connection;
}

static void
pool_put_back(struct connection *connection)
{
	struct pool *pool = connection->pool;
	pthread_mutex_lock(&pool->lock);
	if (connection->detached) {
		pool->detached--;
		pthread_cond_signal(&pool->ended);
	}
	connection->next = pool->unused;
	pool->unused = connection;
	pthread_cond_signal(&pool->returned);
	pthread_mutex_unlock(&pool->lock);
}

static void
pool_detach(struct connection *connection)
{
	struct pool *pool = connection->pool;
	pthread_mutex_lock(&pool->lock);
	if (!connection->detached)
		pool->detached++;
	connection->detached = true;
	pthread_mutex_unlock(&pool->lock);
}

static void
serve_next(struct pool *pool, int fd)
{
	struct connection *connection = pool_take(pool);
	if (!connection_serve(connection, fd, pool->limits, pool->handler, pool->context))
		pool_put_back(connection);
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

static bool
pool_open(struct pool *pool)
{
	struct epoll_event later = { .events = 0 }; /* until pool_arm() */
	struct epoll_event always = { .events = EPOLLIN };

	pthread_mutex_init(&pool->lock, NULL);
	clock_cond_init(&pool->ended);
	pthread_cond_init(&pool->returned, NULL);
	pool->working_max = thread_processors();
	pool->workers = xcalloc(pool->limits->threads, sizeof pool->workers[0]);
	pool->connections = xcalloc(pool->limits->threads, sizeof pool->connections[0]);
	for (unsigned i = pool->limits->threads; i-- > 0;) {
		struct connection *connection = &pool->connections[i];
		pool->workers[i].pool = pool;
		clock_cond_init(&pool->workers[i].called);
		connection->pool = pool;
		connection->next = pool->unused;
		pool->unused = connection;
		connection->deadline_ms = NEVER;
		FCGX_InitRequest(&connection->request, -1, 0);
		buf_init(&connection->log, LOG_MAX);
		buf_init(&connection->out, SIZE_MAX / 2); /* as the handler makes its answer */
		pthread_mutex_init(&connection->lock, NULL);
	}

	pool->epoll = epoll_create1(EPOLL_CLOEXEC);
	pool->stop = eventfd(0, EFD_CLOEXEC);
	pool->attention = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->epoll < 0 || pool->stop < 0 || pool->attention < 0 ||
		epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->listener, &later) < 0 ||
		epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->stop, &always) < 0) {
		log_message(LOG_LEVEL_ERROR, "start", "%s", strerror(errno));
		return false;
	}
	pool_free_one(pool);
	return atomic_load(&pool->running) > 0;
}

/* Only when no thread runs and nothing is detached. */
static void
pool_close(struct pool *pool)
{
	int fds[] = { pool->epoll, pool->stop, pool->attention };

	for (unsigned i = 0; i < pool->limits->threads; i++) {
		struct worker *worker = &pool->workers[i];
		struct connection *connection = &pool->connections[i];
		if (worker->state == WORKER_ENDED)
			pthread_join(worker->thread, NULL);
		pthread_cond_destroy(&worker->called);
		pthread_mutex_destroy(&connection->lock);
		buf_free(&connection->out);
		buf_free(&connection->log);
	}
	free(pool->workers);
	free(pool->connections);
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_cond_destroy(&pool->returned);
	pthread_cond_destroy(&pool->ended);
	pthread_mutex_destroy(&pool->lock);
}

/* Take no new connection, let the threads finish, and what is detached. Returns how many did not within
 * stop_ms. */
static unsigned
pool_stop(struct pool *pool)
{
	const struct timespec until = clock_timespec(clock_us() + pool->limits->stop_ms * 1000);
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

/* ---- The main thread ---- */

/* End what is late. Returns how long the main thread may sleep, -1 for ever: nobody is served. */
static int
pool_watch(struct pool *pool)
{
	int64_t now = clock_ms();
	int64_t next = now + MIN(TICK_MS, pool->limits->read_timeout_ms);

	/* First say that nobody watches, then look: a thread does it the other way round. */
	atomic_store(&pool->unwatched, true);
	if (atomic_load(&pool->serving) == 0)
		return -1;
	atomic_store(&pool->unwatched, false);
	for (unsigned i = 0; i < pool->limits->threads; i++) {
		int64_t deadline_ms = watch_check(&pool->connections[i], now);
		next = MIN(next, deadline_ms);
	}
	pool_call_anyway(pool); /* one may wait that did not say so: for a dead disk */
	return (int)(next - now) + 1;
}

/* Until a signal says stop. */
static void
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

/*
 * Signals are blocked first: libfcgi's handlers, which FCGX_Init() installs,
 * swallow a TERM, and in a thread they would cut a read. They stay blocked at
 * the end, since mod_fcgid sends TERM twice. -1: errno.
 */
static int
prepare_process(int listener)
{
	sigset_t stops;
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGUSR1);
	sigaddset(&stops, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &stops, NULL);

	/* How long libfcgi waits for the peer of a broken request to close. */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "200", 1);
	/* Without memory: it would take no request, and close no connection. */
	if (FCGX_Init() != 0)
		return -1;
	signal(SIGPIPE, SIG_IGN); /* FCGX_Init() would have replaced it */

	fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
	fcntl(listener, F_SETFD, FD_CLOEXEC);
	return signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
responder_serve(
	int listener, const struct http_limits *limits, http_handler *handler, void *context)
{
	struct pool pool = {
		.listener = listener,
		.limits = limits,
		.handler = handler,
		.context = context,
	};
	int signals = prepare_process(listener);
	if (signals < 0) {
		log_message(LOG_LEVEL_ERROR, "start", "%s", strerror(errno));
		return EX_OSERR;
	}
	bool started = pool_open(&pool);
	if (started)
		pool_supervise(&pool, signals);
	unsigned left = pool_stop(&pool);
	if (left > 0) {
		/* Their memory is in use: the process can only be ended under them. */
		log_message(LOG_LEVEL_WARNING, "stop", "%u requests were not finished", left);
		_exit(EX_OK);
	}
	pool_close(&pool);
	close(signals);
	return started ? EX_OK : EX_OSERR;
}
