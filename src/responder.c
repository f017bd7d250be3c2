/* responder.c - FastCGI (its Responder role) on a listening socket (the only user of libfcgi)
 *
 * libfcgi reads the requests; everything else is done here, for reasons
 * that were measured with the real servers (DESIGN.md):
 *
 * - It accepts connections badly: its accept cannot be woken for a stop, gives
 *   up on EMFILE and leaks descriptors into programs that are started. Here that
 *   is done by as many threads as are needed (pool.c).
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
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <fastcgi.h>
#include <fcgiapp.h>

#include "alloc.h"
#include "clock.h"
#include "http_exchange.h"
#include "log.h"
#include "pool.h"
#include "records.h"

#define SEND_MS 30000    /* a peer that does not take the answer holds a thread this long */
#define LINGER_MS 200    /* for a peer that is still sending when we close */
#define TICK_MS 1000     /* how late a deadline may be noticed */
#define FULL_PAUSE_MS 50 /* between two tries to get a descriptor */

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

/* One at a time, each with one request. */
struct connection {
	struct http_exchange exchange; /* first */
	struct pool *pool;
	unsigned place; /* in it */
	bool detached;  /* no thread of the pool has it */
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

/* Waits for a descriptor to become free, as the pool does. */
static int
duplicate(int fd, int64_t deadline_ms)
{
	int copy;
	while ((copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0 && errno == EMFILE &&
		clock_ms() < deadline_ms)
		poll(NULL, 0, FULL_PAUSE_MS);
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

/* Only what needs no more waiting for the peer. */
static bool
fastcgi_detach(struct http_exchange *exchange)
{
	struct connection *connection = (struct connection *)exchange;
	if (!is_read(connection))
		return false;
	log_set_sink(NULL, NULL);
	if (!connection->detached)
		pool_detach(connection->pool);
	connection->detached = true;
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
	pool_release(connection->pool, connection->place);
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
	connection->detached = false;
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

struct responder {
	const struct http_limits *limits;
	http_handler *handler;
	void *context;
	struct connection *connections; /* one for each place of the pool */
};

static bool
responder_take(void *context, struct pool *pool, unsigned place, int fd)
{
	struct responder *responder = context;
	struct connection *connection = &responder->connections[place];
	connection->pool = pool;
	return connection_serve(
		connection, fd, responder->limits, responder->handler, responder->context);
}

static int64_t
responder_watch(void *context, unsigned place, int64_t now_ms)
{
	struct responder *responder = context;
	return watch_check(&responder->connections[place], now_ms);
}

static void
connections_init(struct responder *responder)
{
	responder->connections = xcalloc(responder->limits->threads, sizeof(struct connection));
	for (unsigned i = 0; i < responder->limits->threads; i++) {
		struct connection *connection = &responder->connections[i];
		connection->place = i;
		connection->deadline_ms = NEVER;
		FCGX_InitRequest(&connection->request, -1, 0);
		buf_init(&connection->log, LOG_MAX);
		buf_init(&connection->out, SIZE_MAX / 2); /* as the handler makes its answer */
		pthread_mutex_init(&connection->lock, NULL);
	}
}

static void
connections_free(struct responder *responder)
{
	for (unsigned i = 0; i < responder->limits->threads; i++) {
		struct connection *connection = &responder->connections[i];
		pthread_mutex_destroy(&connection->lock);
		buf_free(&connection->out);
		buf_free(&connection->log);
	}
	free(responder->connections);
}

int
responder_serve(
	int listener, const struct http_limits *limits, http_handler *handler, void *context)
{
	struct responder responder = { .limits = limits, .handler = handler, .context = context };
	const struct pool_options options = {
		.listener = listener,
		.threads = limits->threads,
		.stack_size = STACK_SIZE,
		.watch_ms = MIN(TICK_MS, limits->read_timeout_ms),
		.context = &responder,
		.serve = responder_take,
		.watch = responder_watch,
	};
	int signals = prepare_process(listener);
	if (signals < 0) {
		log_message(LOG_LEVEL_ERROR, "start", "%s", strerror(errno));
		return EX_OSERR;
	}
	connections_init(&responder);
	struct pool *pool = pool_open(&options);
	if (pool != NULL) {
		pool_supervise(pool, signals);
		unsigned left = pool_stop(pool, limits->stop_ms);
		if (left > 0) {
			/* Their memory is in use: the process can only be ended under them. */
			log_message(
				LOG_LEVEL_WARNING, "stop", "%u requests were not finished", left);
			_exit(EX_OK);
		}
		pool_close(pool);
	}
	connections_free(&responder);
	close(signals);
	return pool != NULL ? EX_OK : EX_OSERR;
}
