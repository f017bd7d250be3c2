/* test_http.c - requests as web servers send them, and as they should not
 *
 * The server runs in a child process, the test is its web server: it writes
 * FastCGI records by hand, so that every one of them can be wrong.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "responder.h"
#include "http.h"
#include "listen.h"
#include "log.h"

enum { BEGIN = 1, ABORT = 2, END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, STDERR = 7 };
enum { RESPONDER = 1, AUTHORIZER = 2, FILTER = 3 };

#define HEADERS "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
#define PATIENCE_MS 300 /* the read timeout of servers whose clients are slow */
#define ORDERLY 10      /* the child's exit status when responder_serve() returned 0 */
#define ANSWER_BYTES 3000000

static char directory[] = "/tmp/test_http.XXXXXX";
static char socket_path[64];
static pid_t server; /* that runs; 0: none */

/* ---- The handler: does what PATH_INFO says and tells what it saw ---- */

static int inside[2]; /* a byte for each handler that is at the gate */
static int gate[2];   /* a byte lets one handler go on */
static atomic_uint at_once;

static unsigned
checksum(struct slice bytes)
{
	unsigned sum = 0;
	for (size_t i = 0; i < bytes.len; i++)
		sum = sum * 31 + (unsigned char)bytes.data[i];
	return sum;
}

static void
answer_text(struct http_exchange *exchange, const char *text)
{
	struct http_answer answer = { 200, "text/plain", slice_of(text), NULL };
	http_answer(exchange, &answer);
}

static void
answer_read(struct http_exchange *exchange)
{
	const char *limit = http_variable(exchange, "LIMIT");
	struct buf body;
	bool has_length;
	char text[128];

	buf_init(&body, 0);
	enum http_body result = http_read_body(
		exchange, limit != NULL ? (size_t)atol(limit) : 4 << 20, &body, &has_length);
	snprintf(text, sizeof text, "result=%d has_length=%d len=%zu sum=%u", (int)result,
		has_length, body.len, checksum(buf_slice(&body)));
	answer_text(exchange, text);
	buf_free(&body);
}

static void
answer_special(struct http_exchange *exchange)
{
	const char *status = http_variable(exchange, "STATUS");
	struct http_answer answer = { atoi(status), http_variable(exchange, "TYPE"),
		slice_of("body"), http_variable(exchange, "EXTRA") };
	http_answer(exchange, &answer);
}

static void
answer_large(struct http_exchange *exchange)
{
	char *body = malloc(ANSWER_BYTES);
	for (size_t i = 0; i < ANSWER_BYTES; i++)
		body[i] = (char)(i * 7 + i / 251);
	struct http_answer answer = { 200, "text/plain", { body, ANSWER_BYTES }, NULL };
	http_answer(exchange, &answer);
	free(body);
}

static void
wait_at_gate(void)
{
	char byte = 'i';
	if (write(inside[1], &byte, 1) != 1 || read(gate[0], &byte, 1) != 1)
		abort();
}

static void *
answer_detached(void *argument)
{
	struct http_exchange *exchange = argument;
	wait_at_gate();
	http_attach(exchange);
	answer_text(exchange, "through the gate");
	atomic_fetch_sub(&at_once, 1); /* what is detached counts */
	http_release(exchange);
	return NULL;
}

static bool
answer_later(struct http_exchange *exchange)
{
	struct buf body;
	bool has_length;
	pthread_t thread;

	buf_init(&body, 0);
	bool is_read = http_read_body(exchange, 1000, &body, &has_length) == HTTP_BODY_OK;
	buf_free(&body);
	if (!is_read || !http_detach(exchange)) {
		answer_text(exchange, "not detached");
		return false;
	}
	if (pthread_create(&thread, NULL, answer_detached, exchange) != 0)
		abort();
	pthread_detach(thread);
	return true;
}

static bool
handle(void *context, struct http_exchange *exchange)
{
	const char *path = http_variable(exchange, "PATH_INFO");
	unsigned most = *(const unsigned *)context;
	bool detached = false;

	if (atomic_fetch_add(&at_once, 1) >= most)
		abort();
	if (strcmp(path, "/read") == 0) {
		answer_read(exchange);
	} else if (strcmp(path, "/unread") == 0) {
		answer_text(exchange, "not read");
		answer_text(exchange, "a second answer");
	} else if (strcmp(path, "/gate") == 0) {
		http_wait_begin(exchange);
		wait_at_gate();
		http_wait_end(exchange);
		answer_text(exchange, "through the gate");
	} else if (strcmp(path, "/silent-gate") == 0) {
		wait_at_gate();
		answer_text(exchange, "through the gate");
	} else if (strcmp(path, "/special") == 0) {
		answer_special(exchange);
	} else if (strcmp(path, "/large") == 0) {
		answer_large(exchange);
	} else if (strcmp(path, "/log") == 0) {
		log_message(LOG_LEVEL_INFO, "first", "one");
		log_message(LOG_LEVEL_INFO, "second", "two");
		answer_text(exchange, "logged");
	} else if (strcmp(path, "/variables") == 0) {
		answer_text(exchange, http_variables(exchange)[1]);
	} else if (strcmp(path, "/too-early") == 0) {
		detached = http_detach(exchange); /* the answer may not be waited for */
		answer_text(exchange, detached ? "detached" : "not detached");
	} else if (strcmp(path, "/later") == 0) {
		detached = answer_later(exchange);
	}
	if (!detached)
		atomic_fetch_sub(&at_once, 1);
	return detached;
}

/* ---- The server ---- */

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(socket_path, sizeof socket_path, "%s/s", directory);
	return pipe2(inside, O_CLOEXEC) < 0 || pipe2(gate, O_CLOEXEC) < 0 ? -1 : 0;
}

/* A test that failed must not fail the next as well. */
static int
end_server(void **state)
{
	(void)state;
	if (server != 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		server = 0;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(socket_path);
	return rmdir(directory);
}

static int
listen_here(void)
{
	char where[80];
	char reason[256];
	snprintf(where, sizeof where, "unix:%s", socket_path);
	int fd = listen_open(where, reason);
	if (fd < 0)
		fail_msg("%s", reason);
	return fd;
}

/* free_fds: how many descriptors the server may open, 0: many. */
static pid_t
start_limited(unsigned threads, int64_t read_timeout_ms, unsigned free_fds)
{
	int listener = listen_here();
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct http_limits limits = { threads, read_timeout_ms, 3000 };
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (free_fds > 0) {
			int next;
			while ((next = dup(listener)) < listener) /* leave no gap below */
				continue;
			close_range((unsigned)next, ~0U, 0);
			struct rlimit few = { (rlim_t)next + free_fds, (rlim_t)next + free_fds };
			setrlimit(RLIMIT_NOFILE, &few);
		}
		exit(ORDERLY + responder_serve(listener, &limits, handle, &threads));
	}
	close(listener);
	server = pid;
	return pid;
}

static pid_t
start(unsigned threads, int64_t read_timeout_ms)
{
	return start_limited(threads, read_timeout_ms, 0);
}

static int
wait_for(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (pid == server)
		server = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void
stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(wait_for(pid), ORDERLY);
}

/* ---- The client ---- */

static void
put_record(struct buf *out, int type, const char *content, size_t len)
{
	unsigned char header[8] = { 1, (unsigned char)type, 0, 1, (unsigned char)(len >> 8),
		(unsigned char)len, 0, 0 };
	buf_append(out, header, sizeof header);
	buf_append(out, content, len);
}

static void
put_begin(struct buf *out, int role, int flags)
{
	char body[8] = { 0, (char)role, (char)flags, 0, 0, 0, 0, 0 };
	put_record(out, BEGIN, body, sizeof body);
}

/* "NAME=value" strings, NULL-ended. */
static void
put_params(struct buf *out, const char *const *variables)
{
	struct buf params;
	buf_init(&params, 65535);
	for (; *variables != NULL; variables++) {
		const char *value = strchr(*variables, '=') + 1;
		size_t name_len = (size_t)(value - *variables) - 1;
		size_t len = strlen(value);
		unsigned char lengths[5] = { (unsigned char)name_len,
			(unsigned char)(len >> 24) | 0x80, (unsigned char)(len >> 16),
			(unsigned char)(len >> 8), (unsigned char)len };
		buf_append(&params, lengths, sizeof lengths);
		buf_append(&params, *variables, name_len);
		buf_append_text(&params, value);
	}
	put_record(out, PARAMS, params.data, params.len);
	put_record(out, PARAMS, NULL, 0);
	buf_free(&params);
}

static void
put_stdin(struct buf *out, const char *body, size_t len)
{
	while (len > 0) {
		size_t piece = len < 65535 ? len : 65535;
		put_record(out, STDIN, body, piece);
		body += piece;
		len -= piece;
	}
}

/* Everything up to the body. length and extra ("NAME=value") may be NULL. */
static void
put_head(struct buf *out, const char *method, const char *path, const char *length,
	const char *extra, const char *more)
{
	char lines[3][300];
	const char *variables[6] = { lines[0], lines[1], NULL };
	size_t count = 2;

	snprintf(lines[0], sizeof lines[0], "REQUEST_METHOD=%s", method);
	snprintf(lines[1], sizeof lines[1], "PATH_INFO=%s", path);
	snprintf(lines[2], sizeof lines[2], "CONTENT_LENGTH=%s", length != NULL ? length : "");
	if (length != NULL)
		variables[count++] = lines[2];
	if (extra != NULL)
		variables[count++] = extra;
	if (more != NULL)
		variables[count++] = more;
	variables[count] = NULL;
	put_begin(out, RESPONDER, 0);
	put_params(out, variables);
}

static int
connect_here(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { 20, 0 }; /* a test that fails should not hang */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, socket_path, sizeof socket_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static bool
send_bytes(int fd, const struct buf *bytes)
{
	for (size_t done = 0; done < bytes->len;) {
		ssize_t len = send(fd, bytes->data + done, bytes->len - done, MSG_NOSIGNAL);
		if (len < 0)
			return false;
		done += (size_t)len;
	}
	return true;
}

struct reply {
	struct buf out;
	struct buf err;
	bool ended; /* END_REQUEST, complete, and then the connection was closed */
};

static void
reply_free(struct reply *reply)
{
	buf_free(&reply->out);
	buf_free(&reply->err);
}

/* All records until the server closes. */
static void
receive_reply(int fd, struct reply *reply)
{
	struct buf raw;
	char piece[65536];
	ssize_t len;

	buf_init(&raw, SIZE_MAX / 2);
	buf_init(&reply->out, SIZE_MAX / 2);
	buf_init(&reply->err, SIZE_MAX / 2);
	reply->ended = false;
	while ((len = read(fd, piece, sizeof piece)) > 0)
		buf_append(&raw, piece, (size_t)len);
	if (len < 0 && errno != ECONNRESET)
		fail_msg("no answer: %s", strerror(errno));
	close(fd);
	for (size_t at = 0; at < raw.len;) {
		const unsigned char *header = (const unsigned char *)raw.data + at;
		assert_true(raw.len - at >= 8);
		size_t content = (size_t)header[4] << 8 | header[5];
		assert_false(reply->ended);
		assert_int_equal(header[0], 1);
		assert_true(raw.len - at >= 8 + content + header[6]);
		assert_int_equal((content + header[6]) % 8, 0);
		if (header[1] == STDOUT)
			buf_append(&reply->out, raw.data + at + 8, content);
		else if (header[1] == STDERR)
			buf_append(&reply->err, raw.data + at + 8, content);
		else
			reply->ended = header[1] == END && content == 8 && header[8 + 4] == 0;
		at += 8 + content + header[6];
	}
	buf_free(&raw);
}

static const char *
body_of(const struct reply *reply)
{
	const char *end = strstr(buf_text(&reply->out), "\r\n\r\n");
	return end != NULL ? end + 4 : "(no answer)";
}

static int
status_of(const struct reply *reply)
{
	int status = 0;
	sscanf(buf_text(&reply->out), "Status: %d", &status);
	return status;
}

/* Send what is there, say that no more comes, and expect that body. NULL: no answer at all. */
static void
expect_body(struct buf *request, const char *body)
{
	struct reply reply;
	int fd = connect_here();

	(void)send_bytes(fd, request);
	shutdown(fd, SHUT_WR);
	receive_reply(fd, &reply);
	if (body == NULL) {
		assert_int_equal(reply.out.len, 0);
		assert_false(reply.ended);
	} else {
		assert_string_equal(body_of(&reply), body);
		assert_true(reply.ended);
	}
	reply_free(&reply);
	buf_clear(request);
}

/* Connect, and have the server find exactly these bytes when it accepts. */
static int
connect_with(const struct buf *first)
{
	int status;
	assert_int_equal(kill(server, SIGSTOP), 0);
	assert_int_equal(waitpid(server, &status, WUNTRACED), server);
	assert_true(WIFSTOPPED(status));
	int fd = connect_here();
	assert_true(send_bytes(fd, first));
	assert_int_equal(kill(server, SIGCONT), 0);
	return fd;
}

static void
expect_inside(void)
{
	struct pollfd arrived = { .fd = inside[0], .events = POLLIN };
	char byte;
	assert_int_equal(poll(&arrived, 1, 20000), 1);
	assert_int_equal(read(inside[0], &byte, 1), 1);
}

static void
expect_alive(void)
{
	struct buf request;
	buf_init(&request, 100000);
	put_head(&request, "GET", "/unread", NULL, NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	expect_body(&request, "not read");
	buf_free(&request);
}

/* ---- FastCGI ---- */

static void
whole_answer_is_exact(void **state)
{
	(void)state;
	struct buf request;
	struct reply reply;
	pid_t pid = start(2, 10000);

	buf_init(&request, 100000);
	put_head(&request, "POST", "/read", "5", NULL, NULL);
	put_stdin(&request, "hello", 5);
	put_record(&request, STDIN, NULL, 0);
	int fd = connect_here();
	assert_true(send_bytes(fd, &request));
	receive_reply(fd, &reply);
	assert_string_equal(buf_text(&reply.out), "Status: 200 OK\r\n"
						  "Content-Type: text/plain\r\n"
						  "Content-Length: 40\r\n" HEADERS "\r\n"
						  "result=0 has_length=1 len=5 sum=99162322");
	assert_int_equal(reply.err.len, 0);
	assert_true(reply.ended);
	reply_free(&reply);
	buf_free(&request);
	stop(pid);
}

static void
body_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	static const struct {
		const char *length; /* CONTENT_LENGTH, NULL: absent */
		size_t sent;
		enum http_body result;
		int has_length;
	} cases[] = {
		{ "999", 999, HTTP_BODY_OK, 1 },
		{ "1000", 1000, HTTP_BODY_OK, 1 }, /* the limit */
		{ "1001", 1001, HTTP_BODY_TOO_LARGE, 1 },
		{ "1001", 0, HTTP_BODY_TOO_LARGE, 1 },
		{ "18446744073709551615", 5, HTTP_BODY_TOO_LARGE, 1 },
		{ "18446744073709551621", 5, HTTP_BODY_TOO_LARGE, 1 }, /* 2^64 + 5 */
		{ "99999999999999999999999999999999", 5, HTTP_BODY_TOO_LARGE, 1 },
		{ "10", 5, HTTP_BODY_SHORT, 1 },
		{ "10", 0, HTTP_BODY_SHORT, 1 },
		{ "5", 6, HTTP_BODY_SHORT, 1 }, /* more than was declared */
		{ "0", 1, HTTP_BODY_SHORT, 1 },
		{ "0", 0, HTTP_BODY_OK, 1 },
		{ "0000", 0, HTTP_BODY_OK, 1 },
		{ "0005", 5, HTTP_BODY_OK, 1 },
		{ "00000000000000000000000000000005", 5, HTTP_BODY_OK, 1 },
		{ "+5", 5, HTTP_BODY_BAD_LENGTH, 0 },
		{ "-5", 5, HTTP_BODY_BAD_LENGTH, 0 },
		{ " 5", 5, HTTP_BODY_BAD_LENGTH, 0 },
		{ "5 ", 5, HTTP_BODY_BAD_LENGTH, 0 },
		{ "5,5", 5, HTTP_BODY_BAD_LENGTH, 0 },
		{ "0x5", 5, HTTP_BODY_BAD_LENGTH, 0 },
		{ "", 5, HTTP_BODY_OK, 0 },
		{ NULL, 0, HTTP_BODY_OK, 0 },
		{ NULL, 5, HTTP_BODY_OK, 0 },
		{ NULL, 1000, HTTP_BODY_OK, 0 },
		{ NULL, 1001, HTTP_BODY_TOO_LARGE, 0 },
		{ NULL, 90000, HTTP_BODY_TOO_LARGE, 0 },
	};
	struct buf request;
	static char body[90000];
	char text[128], start_of_text[64];
	pid_t pid = start(2, 10000);

	memset(body, 'b', sizeof body);
	buf_init(&request, 200000);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct reply reply;
		put_head(&request, "POST", "/read", cases[i].length, "LIMIT=1000", NULL);
		put_stdin(&request, body, cases[i].sent);
		put_record(&request, STDIN, NULL, 0);
		int fd = connect_here();
		assert_true(send_bytes(fd, &request));
		receive_reply(fd, &reply);
		snprintf(start_of_text, sizeof start_of_text, "result=%d has_length=%d",
			(int)cases[i].result, cases[i].has_length);
		snprintf(text, sizeof text, "%s len=%zu sum=%u", start_of_text, cases[i].sent,
			checksum((struct slice){ body, cases[i].sent }));
		if (cases[i].result == HTTP_BODY_OK)
			assert_string_equal(body_of(&reply), text);
		else
			assert_memory_equal(body_of(&reply), start_of_text, strlen(start_of_text));
		assert_true(reply.ended);
		reply_free(&reply);
		buf_clear(&request);
	}
	buf_free(&request);
	stop(pid);
}

static void
large_bodies_arrive_unchanged(void **state)
{
	(void)state;
	enum { SIZE = 2000000 };
	struct buf request;
	struct reply reply;
	char *body = malloc(SIZE);
	char text[128];
	pid_t pid = start(2, 10000);

	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 13 + i / 255);
	buf_init(&request, SIZE + 10000);
	snprintf(text, sizeof text, "result=0 has_length=1 len=%d sum=%u", SIZE,
		checksum((struct slice){ body, SIZE }));
	put_head(&request, "POST", "/read", "2000000", NULL, NULL);
	put_stdin(&request, body, SIZE);
	put_record(&request, STDIN, NULL, 0);
	expect_body(&request, text);

	put_head(&request, "POST", "/read", NULL, NULL, NULL);
	put_stdin(&request, body, SIZE);
	put_record(&request, STDIN, NULL, 0);
	text[strlen("result=0 has_length=")] = '0';
	expect_body(&request, text);

	put_head(&request, "GET", "/large", NULL, NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	int fd = connect_here();
	assert_true(send_bytes(fd, &request));
	receive_reply(fd, &reply);
	assert_true(reply.ended);
	const char *got = body_of(&reply);
	assert_int_equal(reply.out.len - (size_t)(got - reply.out.data), ANSWER_BYTES);
	for (size_t i = 0; i < ANSWER_BYTES; i++)
		if (got[i] != (char)(i * 7 + i / 251))
			fail_msg("answer differs at %zu", i);
	reply_free(&reply);
	free(body);
	buf_free(&request);
	stop(pid);
}

static void
cut_body_is_short(void **state)
{
	(void)state;
	struct buf request;
	pid_t pid = start(2, 10000);

	buf_init(&request, 100000);
	/* The connection ends inside a record, between records, and after all bytes but before
	 * the end of the stream; without a length nothing but the end tells. */
	static const struct {
		const char *length;
		size_t cut; /* bytes taken off at the end */
		const char *body;
	} cases[] = {
		{ "5", 2, "result=2 has_length=1 len=3 sum=103254" },
		{ "10", 0, "result=2 has_length=1 len=5 sum=99162322" },
		{ "5", 0, "result=2 has_length=1 len=5 sum=99162322" },
		{ NULL, 0, "result=2 has_length=0 len=0 sum=0" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put_head(&request, "POST", "/read", cases[i].length, NULL, NULL);
		put_stdin(&request, "hello", 5);
		request.len -= cases[i].cut;
		struct reply reply;
		int fd = connect_here();
		assert_true(send_bytes(fd, &request));
		shutdown(fd, SHUT_WR);
		receive_reply(fd, &reply);
		assert_memory_equal(
			body_of(&reply), cases[i].body, strlen("result=2 has_length=1"));
		reply_free(&reply);
		buf_clear(&request);
	}

	put_head(&request, "POST", "/read", "10", NULL, NULL);
	put_stdin(&request, "hello", 5);
	put_record(&request, ABORT, NULL, 0);
	expect_body(&request, "result=2 has_length=1 len=5 sum=99162322");
	expect_alive();
	buf_free(&request);
	stop(pid);
}

static void
what_is_no_request_is_dropped(void **state)
{
	(void)state;
	static const char *const variables[] = { "REQUEST_METHOD=GET", "PATH_INFO=/unread", NULL };
	static const char *const methodless[] = { "PATH_INFO=/unread", NULL };
	struct buf request;
	pid_t pid = start(2, 10000);

	buf_init(&request, 100000);
	static const int roles[] = { AUTHORIZER, FILTER, 9, 0 };
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		put_begin(&request, roles[i], 0);
		put_params(&request, variables);
		put_record(&request, STDIN, NULL, 0);
		expect_body(&request, NULL);
	}
	put_begin(&request, RESPONDER, 0);
	put_params(&request, methodless);
	put_record(&request, STDIN, NULL, 0);
	expect_body(&request, NULL);

	buf_append_text(&request, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
	expect_body(&request, NULL);

	expect_body(&request, NULL); /* nothing at all */

	put_head(&request, "GET", "/unread", NULL, NULL, NULL);
	size_t whole = request.len;
	for (size_t len = 1; len < whole; len++) { /* cut anywhere before the body */
		put_head(&request, "GET", "/unread", NULL, NULL, NULL);
		request.len = len;
		expect_body(&request, NULL);
	}
	expect_alive();
	buf_free(&request);
	stop(pid);
}

static void
variables_are_as_sent(void **state)
{
	(void)state;
	struct buf request;
	pid_t pid = start(1, 10000);

	buf_init(&request, 100000);
	put_head(&request, "POST", "/variables", "0", NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	expect_body(&request, "REQUEST_METHOD=POST");
	/* the first of two counts; a longer name is another one */
	put_head(&request, "POST", "/unread", "0", "PATH_INFO=/read", "PATH_INFOS=/read");
	put_record(&request, STDIN, NULL, 0);
	expect_body(&request, "not read");
	buf_free(&request);
	stop(pid);
}

static void
connection_is_not_kept(void **state)
{
	(void)state;
	static const char *const variables[] = { "REQUEST_METHOD=GET", "PATH_INFO=/unread", NULL };
	struct buf request;
	struct reply reply;
	pid_t pid = start(1, 10000);

	buf_init(&request, 100000);
	put_begin(&request, RESPONDER, 1); /* FCGI_KEEP_CONN */
	put_params(&request, variables);
	put_record(&request, STDIN, NULL, 0);
	int fd = connect_here();
	assert_true(send_bytes(fd, &request));
	receive_reply(fd, &reply); /* ends only when the server closes */
	assert_true(reply.ended);
	reply_free(&reply);
	buf_free(&request);
	stop(pid);
}

static void
unread_body_is_drained(void **state)
{
	(void)state;
	enum { SIZE = 1500000 };
	struct buf request;
	struct reply reply;
	char *body = calloc(1, SIZE);
	pid_t pid = start(1, 10000);

	buf_init(&request, SIZE + 10000);
	put_head(&request, "POST", "/unread", "1500000", NULL, NULL);
	put_stdin(&request, body, SIZE);
	put_record(&request, STDIN, NULL, 0);
	int fd = connect_here();
	assert_true(send_bytes(fd, &request)); /* all of it is taken */
	receive_reply(fd, &reply);
	assert_string_equal(body_of(&reply), "not read"); /* and only the first answer sent */
	assert_true(reply.ended);
	reply_free(&reply);
	free(body);
	buf_free(&request);
	stop(pid);
}

static void
answers_have_the_parts_that_their_status_allows(void **state)
{
	(void)state;
	static char long_header[5000];
	static const struct {
		const char *method, *status, *type, *extra, *answer;
	} cases[] = {
		{ "POST", "STATUS=503", "TYPE=text/plain", "EXTRA=Retry-After: 30\r\n",
			"Status: 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
			"Content-Length: 4\r\n" HEADERS "Retry-After: 30\r\n\r\nbody" },
		{ "HEAD", "STATUS=200", "TYPE=text/plain", NULL,
			"Status: 200 OK\r\nContent-Type: text/plain\r\n"
			"Content-Length: 4\r\n" HEADERS "\r\n" },
		{ "POST", "STATUS=204", "TYPE=text/plain", NULL,
			"Status: 204 No Content\r\n" HEADERS "\r\n" },
		{ "POST", "STATUS=304", "TYPE=text/plain", NULL,
			"Status: 304 Not Modified\r\n" HEADERS "\r\n" },
		{ "POST", "STATUS=200", NULL, NULL,
			"Status: 200 OK\r\nContent-Length: 0\r\n" HEADERS "\r\n" },
		{ "POST", "STATUS=299", NULL, NULL,
			"Status: 299 OK\r\nContent-Length: 0\r\n" HEADERS "\r\n" },
		{ "POST", "STATUS=599", NULL, NULL,
			"Status: 599 Server Error\r\nContent-Length: 0\r\n" HEADERS "\r\n" },
		{ "POST", "STATUS=100", NULL, NULL,
			"Status: 500 Internal Server Error\r\nContent-Length: 0\r\n" HEADERS
			"\r\n" },
		{ "POST", "STATUS=600", NULL, NULL,
			"Status: 500 Internal Server Error\r\nContent-Length: 0\r\n" HEADERS
			"\r\n" },
		{ "POST", "STATUS=200", NULL, long_header,
			"Status: 500 Internal Server Error\r\nContent-Length: 0\r\n" HEADERS
			"\r\n" },
	};
	struct buf request;
	pid_t pid = start(1, 10000);

	memset(long_header, 'h', sizeof long_header - 1);
	memcpy(long_header, "EXTRA=X: ", 9);
	buf_init(&request, 100000);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *variables[7] = { "PATH_INFO=/special", cases[i].status };
		char method[32];
		struct reply reply;
		size_t count = 2;
		snprintf(method, sizeof method, "REQUEST_METHOD=%s", cases[i].method);
		variables[count++] = method;
		if (cases[i].type != NULL)
			variables[count++] = cases[i].type;
		if (cases[i].extra != NULL)
			variables[count++] = cases[i].extra;
		put_begin(&request, RESPONDER, 0);
		put_params(&request, variables);
		put_record(&request, STDIN, NULL, 0);
		int fd = connect_here();
		assert_true(send_bytes(fd, &request));
		receive_reply(fd, &reply);
		assert_string_equal(buf_text(&reply.out), cases[i].answer);
		assert_true(reply.ended);
		reply_free(&reply);
		buf_clear(&request);
	}
	buf_free(&request);
	stop(pid);
}

static void
handler_that_does_not_answer_is_a_500(void **state)
{
	(void)state;
	struct buf request;
	struct reply reply;
	pid_t pid = start(1, 10000);

	buf_init(&request, 100000);
	put_head(&request, "GET", "/silent", NULL, NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	int fd = connect_here();
	assert_true(send_bytes(fd, &request));
	receive_reply(fd, &reply);
	assert_int_equal(status_of(&reply), 500);
	assert_true(reply.ended);
	reply_free(&reply);
	buf_free(&request);
	stop(pid);
}

static void
log_lines_go_to_the_servers_error_log(void **state)
{
	(void)state;
	struct buf request;
	struct reply reply;
	pid_t pid = start(1, 10000);

	buf_init(&request, 100000);
	put_head(&request, "GET", "/log", NULL, NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	for (int round = 0; round < 2; round++) { /* and each line with its own request */
		int fd = connect_here();
		assert_true(send_bytes(fd, &request));
		receive_reply(fd, &reply);
		assert_string_equal(body_of(&reply), "logged");
		const char *first = strstr(buf_text(&reply.err), "first");
		assert_non_null(first);
		assert_non_null(strstr(first, "second"));
		assert_null(strstr(first + 1, "first"));
		assert_int_equal(reply.err.data[reply.err.len - 1], '\n');
		reply_free(&reply);
	}
	buf_free(&request);
	stop(pid);
}

static void
slow_clients_end_at_the_deadline_and_others_do_not_wait(void **state)
{
	(void)state;
	struct buf request;
	struct reply reply;
	pid_t pid = start(4, PATIENCE_MS);

	buf_init(&request, 100000);
	put_begin(&request, RESPONDER, 0);
	int in_params = connect_here();
	assert_true(send_bytes(in_params, &request));
	int silent = connect_here();
	buf_clear(&request);
	put_head(&request, "POST", "/read", "10", NULL, NULL);
	put_stdin(&request, "hello", 5);
	int in_body = connect_here();
	assert_true(send_bytes(in_body, &request));

	expect_alive(); /* three of four threads are held */

	receive_reply(in_params, &reply);
	assert_int_equal(reply.out.len, 0);
	reply_free(&reply);
	receive_reply(silent, &reply);
	assert_int_equal(reply.out.len, 0);
	reply_free(&reply);
	receive_reply(in_body, &reply);
	assert_string_equal(body_of(&reply), "result=3 has_length=1 len=5 sum=99162322");
	assert_true(reply.ended);
	reply_free(&reply);
	buf_free(&request);
	stop(pid);
}

/* One byte at a time, for ever: each read of the server succeeds. */
static void
trickle(const char *first, size_t first_len, const char *forever, size_t forever_len)
{
	int fd = connect_here();
	struct pollfd closed = { .fd = fd, .events = 0 };

	assert_int_equal(send(fd, first, first_len, MSG_NOSIGNAL), first_len);
	for (size_t i = 0; send(fd, forever + i % forever_len, 1, MSG_NOSIGNAL) == 1; i++) {
		if (i == 2000)
			fail_msg("a trickling client held the only thread");
		poll(&closed, 1, 20);
	}
	close(fd);
}

static void
trickling_client_does_not_hold_the_only_thread(void **state)
{
	(void)state;
	struct buf request;
	pid_t pid = start(1, PATIENCE_MS);
	static const char parameter[] = { 1, 1, 'A', 'b' };
	static const char large_record[8] = { 1, PARAMS, 0, 1, (char)0xff, (char)0xf8, 0, 0 };

	buf_init(&request, 100000);
	put_begin(&request, RESPONDER, 0);
	buf_append(&request, large_record, sizeof large_record);
	trickle(request.data, request.len, parameter, sizeof parameter);
	expect_alive();

	buf_clear(&request);
	put_head(&request, "POST", "/read", "60000", NULL, NULL);
	buf_append(&request, large_record, sizeof large_record);
	request.data[request.len - sizeof large_record + 1] = STDIN;
	trickle(request.data, request.len, "b", 1);
	expect_alive();

	/* libfcgi waits for the end of a connection that it could not use */
	trickle("GET / HTTP/1.1\r\n", 16, "b", 1);
	expect_alive();
	buf_free(&request);
	stop(pid);
}

static void
many_at(const char *path)
{
	enum { REQUESTS = 64, THREADS = 4 };
	int fds[REQUESTS];
	struct buf request;
	struct reply reply;
	pid_t pid = start(THREADS, 10000); /* the handler aborts when there are more at once */

	buf_init(&request, 100000);
	put_head(&request, "POST", path, "5", NULL, NULL);
	put_stdin(&request, "hello", 5);
	put_record(&request, STDIN, NULL, 0);
	for (int i = 0; i < REQUESTS; i++) {
		fds[i] = connect_here();
		assert_true(send_bytes(fds[i], &request));
	}
	for (int i = 0; i < THREADS; i++) /* that many are really at it together */
		expect_inside();
	for (int i = 0; i < REQUESTS; i++)
		assert_int_equal(write(gate[1], "g", 1), 1);
	for (int i = 0; i < REQUESTS; i++) {
		receive_reply(fds[i], &reply);
		assert_string_equal(body_of(&reply), "through the gate");
		reply_free(&reply);
	}
	for (int i = THREADS; i < REQUESTS; i++)
		expect_inside();
	buf_free(&request);
	stop(pid); /* several threads sleep now: all of them end */
}

static void
more_requests_than_threads_wait_their_turn(void **state)
{
	many_at("/gate");
	(void)state;
}

/* Whether they say that they wait or not. */
static void
threads_that_wait_unsaid_hold_up_nobody_for_long(void **state)
{
	many_at("/silent-gate");
	(void)state;
}

/* Nor when no thread of the pool has them any more. */
static void
detached_requests_are_answered_by_another_thread(void **state)
{
	many_at("/later");
	(void)state;
}

/* A request whose handler, or who answers it later, is at the gate. */
static int
request_at_gate(const char *path)
{
	struct buf request;
	int fd = connect_here();

	buf_init(&request, 100000);
	put_head(&request, "POST", path, "0", NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	assert_true(send_bytes(fd, &request));
	expect_inside();
	buf_free(&request);
	return fd;
}

static void
request_in_flight_is_answered_at_stop(void **state)
{
	(void)state;
	static const int signals[] = { SIGTERM, SIGINT, SIGUSR1 };

	for (size_t i = 0; i < 2 * sizeof signals / sizeof signals[0]; i++) {
		struct reply reply;
		pid_t pid = start(2, 10000);
		int fd = request_at_gate(i % 2 == 0 ? "/gate" : "/later");
		assert_int_equal(kill(pid, SIGHUP), 0); /* does not stop it */
		expect_alive();
		assert_int_equal(kill(pid, signals[i / 2]), 0);
		assert_int_equal(kill(pid, SIGTERM), 0); /* mod_fcgid says it twice */
		assert_int_equal(write(gate[1], "g", 1), 1);
		receive_reply(fd, &reply);
		assert_string_equal(body_of(&reply), "through the gate");
		assert_true(reply.ended);
		reply_free(&reply);
		assert_int_equal(wait_for(pid), ORDERLY);
	}
}

static void
stop_does_not_wait_for_a_handler_without_end(void **state)
{
	(void)state;
	struct reply reply;
	pid_t pid = start(2, 10000);
	int fd = request_at_gate("/gate");

	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(wait_for(pid), 0); /* not ORDERLY: ended under its threads */
	receive_reply(fd, &reply);
	assert_false(reply.ended);
	reply_free(&reply);
}

static void
want_of_descriptors_delays_and_ends_nothing(void **state)
{
	(void)state;
	/* epoll, two eventfds, a signalfd, and a connection with its duplicate */
	pid_t pid = start_limited(4, 10000, 6);
	struct buf request;
	struct reply reply;
	int fd = request_at_gate("/gate");

	buf_init(&request, 100000);
	put_head(&request, "GET", "/unread", NULL, NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	int second = connect_here();
	assert_true(send_bytes(second, &request));
	assert_int_equal(write(gate[1], "g", 1), 1);
	receive_reply(fd, &reply);
	assert_string_equal(body_of(&reply), "through the gate");
	reply_free(&reply);
	receive_reply(second, &reply);
	assert_string_equal(body_of(&reply), "not read");
	reply_free(&reply);
	expect_alive();
	buf_free(&request);
	stop(pid);
}

static void
client_that_is_gone_ends_nothing(void **state)
{
	(void)state;
	struct buf request;
	pid_t pid = start(1, 10000);
	static const char *const paths[] = { "/gate", "/later" };
	int fd;

	for (size_t i = 0; i < 2; i++) {
		fd = request_at_gate(paths[i]);
		close(fd);
		assert_int_equal(write(gate[1], "g", 1), 1);
		expect_alive();
	}
	buf_init(&request, 100000);
	put_head(&request, "GET", "/large", NULL, NULL, NULL);
	put_record(&request, STDIN, NULL, 0);
	fd = connect_here();
	assert_true(send_bytes(fd, &request));
	char byte;
	assert_int_equal(read(fd, &byte, 1), 1);
	close(fd); /* in the middle of the answer */
	expect_alive();
	buf_free(&request);
	stop(pid);
}

/* ---- A body that comes after its head (records.c) ---- */

/* The head, and when the server has it the rest; NULL: no more comes. The answer begins with that. */
static void
expect_after_head(struct buf *head, const struct buf *rest, bool more, const char *answer)
{
	struct reply reply;
	int fd = connect_with(head);

	if (rest != NULL)
		(void)send_bytes(fd, rest);
	if (!more)
		shutdown(fd, SHUT_WR);
	receive_reply(fd, &reply);
	if (strncmp(body_of(&reply), answer, strlen(answer)) != 0)
		fail_msg("%s instead of %s", body_of(&reply), answer);
	assert_true(reply.ended);
	reply_free(&reply);
	buf_clear(head);
}

static void
put_padded(struct buf *out, const char *content, size_t len, unsigned padding)
{
	static const char zeros[255];
	size_t at = out->len;

	put_record(out, STDIN, content, len);
	out->data[at + 6] = (char)padding;
	buf_append(out, zeros, padding);
}

/* Another number for all records. */
static void
renumber(struct buf *out, unsigned id)
{
	for (size_t at = 0; at < out->len;) {
		unsigned char *header = (unsigned char *)out->data + at;
		header[2] = (unsigned char)(id >> 8);
		header[3] = (unsigned char)id;
		at += 8 + ((size_t)header[4] << 8 | header[5]) + header[6];
	}
}

static size_t
count_descriptors(void)
{
	char path[64];
	size_t count = 0;
	snprintf(path, sizeof path, "/proc/%ld/fd", (long)server);
	DIR *folder = opendir(path);
	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static void
body_may_come_after_its_head(void **state)
{
	(void)state;
	enum { SIZE = 200000 };
	static const struct {
		size_t size; /* of a record */
		unsigned padding_first, padding_step;
		size_t total;
	} cases[] = {
		{ 1, 0, 1, 512 },
		{ 1, 0, 0, 1000 },
		{ 300, 255, 0, 30000 },
		{ 4096, 0, 8, SIZE },
		{ 65528, 0, 0, SIZE },
		{ 65535, 1, 0, SIZE },
		{ 65535, 255, 0, 65535 },
		{ 65535, 0, 0, 0 },
	};
	struct buf head, rest;
	char *body = malloc(SIZE);
	pid_t pid = start(2, 10000);

	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 13 + i / 255);
	buf_init(&head, 10000);
	buf_init(&rest, 2 * SIZE);
	expect_alive();
	size_t descriptors = count_descriptors();
	for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
		bool has_length = i % 2 == 0;
		size_t total = cases[i / 2].total;
		unsigned padding = cases[i / 2].padding_first;
		char length[24], answer[128];

		for (size_t at = 0; at < total;) {
			size_t len = cases[i / 2].size;
			if (len > total - at)
				len = total - at;
			put_padded(&rest, body + at, len, padding);
			padding = (padding + cases[i / 2].padding_step) % 256;
			at += len;
		}
		put_padded(&rest, NULL, 0, padding);
		snprintf(length, sizeof length, "%zu", total);
		snprintf(answer, sizeof answer, "result=0 has_length=%d len=%zu sum=%u", has_length,
			total, checksum((struct slice){ body, total }));
		put_head(&head, "POST", "/read", has_length ? length : NULL, NULL, NULL);
		renumber(&head, (unsigned)(i * 251 + 1));
		renumber(&rest, (unsigned)(i * 251 + 1));
		expect_after_head(&head, &rest, true, answer);
		buf_clear(&rest);
	}
	assert_int_equal(count_descriptors(), descriptors);
	buf_free(&rest);
	buf_free(&head);
	free(body);
	stop(pid);
}

static void
body_after_its_head_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	static const struct {
		const char *length;
		const char *limit;
		const char *
			rest; /* records: an empty one, one of what is behind its type, or a fault */
		bool more;    /* the connection stays open */
		const char *answer;
	} cases[] = {
		{ "5", NULL, "hello.", true, "result=0 has_length=1 len=5 sum=99162322" },
		{ NULL, NULL, "he llo.", true, NULL },
		/* more and less than was declared, and nothing of it */
		{ "5", NULL, "hello!.", true, "result=2" },
		{ "5", NULL, "hello !.", true, "result=2" },
		{ "0", NULL, "!.", true, "result=2" },
		{ "0", NULL, ".", true, "result=0 has_length=1 len=0" },
		{ "5", NULL, "hell.", true, "result=2 has_length=1 len=4" },
		{ "5", NULL, ".", true, "result=2 has_length=1 len=0" },
		/* too much, and more comes: all of it is taken */
		{ "1001", "LIMIT=1000", "L.", true, "result=1 has_length=1" },
		{ NULL, "LIMIT=1000", "L.", true, "result=1 has_length=0" },
		{ "x", NULL, "L.", true, "result=4" },
		/* no end */
		{ "5", NULL, "hello", true, "result=3 has_length=1 len=5" },
		{ "5", NULL, "hel", true, "result=3 has_length=1 len=3" },
		{ "5", NULL, "", true, "result=3 has_length=1 len=0" },
		{ NULL, NULL, "hello", true, "result=3 has_length=0" },
		/* cut off: between records, in a record, in a header */
		{ "5", NULL, "hello", false, "result=2 has_length=1 len=5" },
		{ "5", NULL, "hel", false, "result=2 has_length=1 len=3" },
		{ "5", NULL, "", false, "result=2 has_length=1 len=0" },
		{ NULL, NULL, "hello", false, "result=2" },
		{ "5", NULL, "helloC", false, "result=2 has_length=1 len=4" },
		{ "5", NULL, "hello.C", false, "result=2 has_length=1 len=5" },
		/* what is no record of this body, although its bytes are all there */
		{ "5", NULL, "helloV.", true, "result=2 has_length=1 len=5" },
		{ "5", NULL, "helloI.", true, "result=2 has_length=1 len=5" },
		{ "5", NULL, "helloP.", true, "result=2 has_length=1 len=5" },
		{ "5", NULL, "helloA", true, "result=2 has_length=1 len=5" },
		{ "10", NULL, "helloA", true, "result=2 has_length=1 len=5" },
		{ NULL, NULL, "helloA.", true, "result=2 has_length=0 len=5" },
	};
	enum { LARGE = 300000 };
	char *large = calloc(1, LARGE);
	struct buf head, rest;
	pid_t pid = start(2, PATIENCE_MS);

	buf_init(&head, 10000);
	buf_init(&rest, 2 * LARGE);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (const char *at = cases[i].rest; *at != '\0';) {
			size_t len = strcspn(at, " .LCVIPA");
			put_stdin(&rest, at, len);
			at += len;
			size_t record = rest.len;
			switch (*at) {
			case '\0': continue;
			case '.': put_record(&rest, STDIN, NULL, 0); break;
			case 'L': put_stdin(&rest, large, LARGE); break;
			case 'A': put_record(&rest, ABORT, NULL, 0); break;
			case 'P': put_record(&rest, PARAMS, "p", 1); break;
			case 'C': rest.len--; break;
			case 'V':
				put_record(&rest, STDIN, "v", 1);
				rest.data[record] = 2;
				break;
			case 'I':
				put_record(&rest, STDIN, "i", 1);
				rest.data[record + 3] = 2;
				break;
			}
			at++;
		}
		put_head(&head, "POST", "/read", cases[i].length, cases[i].limit, NULL);
		expect_after_head(&head, &rest, cases[i].more,
			cases[i].answer != NULL ? cases[i].answer
						: "result=0 has_length=0 len=5 sum=99162322");
		buf_clear(&rest);
	}
	expect_alive();
	buf_free(&rest);
	buf_free(&head);
	free(large);
	stop(pid);
}

/* What needs no more waiting for the peer may be detached: also with a padded end. */
static void
body_after_its_head_is_read_to_its_end(void **state)
{
	(void)state;
	struct buf head, rest;
	pid_t pid = start(2, 10000);

	buf_init(&head, 10000);
	buf_init(&rest, 10000);
	for (unsigned padding = 0; padding < 256; padding += 85) {
		put_head(&head, "POST", "/later", "5", NULL, NULL);
		put_padded(&rest, "hello", 5, padding);
		put_padded(&rest, NULL, 0, padding);
		assert_int_equal(write(gate[1], "g", 1), 1);
		expect_after_head(&head, &rest, true, "through the gate");
		expect_inside();
		buf_clear(&rest);
	}
	put_stdin(&rest, "hello", 5);
	put_record(&rest, STDIN, NULL, 0);
	put_head(&head, "POST", "/unread", "5", NULL, NULL);
	expect_after_head(&head, &rest, true, "not read");
	put_head(&head, "POST", "/too-early", "5", NULL, NULL);
	expect_after_head(&head, &rest, true, "not detached");
	buf_free(&rest);
	buf_free(&head);
	stop(pid);
}

static void
many_bodies_come_after_their_heads(void **state)
{
	(void)state;
	enum { REQUESTS = 64, THREADS = 4, SIZE = 100000, PIECE = 1700 };
	int fds[REQUESTS];
	struct buf head, rest;
	struct reply reply;
	char *body = calloc(1, SIZE);
	char answer[128];
	pid_t pid = start(THREADS, 10000);

	buf_init(&head, 10000);
	buf_init(&rest, SIZE + 10000);
	memset(body, 'b', SIZE);
	put_head(&head, "POST", "/read", "100000", NULL, NULL);
	put_stdin(&rest, body, SIZE);
	put_record(&rest, STDIN, NULL, 0);
	snprintf(answer, sizeof answer, "result=0 has_length=1 len=%d sum=%u", SIZE,
		checksum((struct slice){ body, SIZE }));
	for (int i = 0; i < REQUESTS; i++)
		fds[i] = connect_with(&head);
	for (size_t at = 0; at < rest.len; at += PIECE)
		for (int i = 0; i < REQUESTS; i++) {
			struct buf piece = { .data = rest.data + at,
				.len = rest.len - at < PIECE ? rest.len - at : PIECE };
			assert_true(send_bytes(fds[i], &piece));
		}
	for (int i = 0; i < REQUESTS; i++) {
		receive_reply(fds[i], &reply);
		assert_string_equal(body_of(&reply), answer);
		assert_true(reply.ended);
		reply_free(&reply);
	}
	free(body);
	buf_free(&rest);
	buf_free(&head);
	stop(pid);
}

/* Each wait lets another thread take its place, more than there are processors. */
static void
bodies_that_do_not_come_hold_up_nobody(void **state)
{
	(void)state;
	enum { MORE = 5 };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = (size_t)processors + MORE;
	int *fds = calloc(count, sizeof fds[0]);
	struct buf head;
	struct timespec begin, end;
	pid_t pid = start((unsigned)count + 1, 20000);

	buf_init(&head, 10000);
	put_head(&head, "POST", "/read", "5", NULL, NULL);
	for (size_t i = 0; i < count; i++)
		fds[i] = connect_with(&head);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	expect_alive();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 0,
		MORE - 3); /* the main thread would call one a second */
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	free(fds);
	buf_free(&head);
	stop(pid);
}

static void
trickling_body_after_its_head_ends_at_the_deadline(void **state)
{
	(void)state;
	static const char one_byte[9] = { 1, STDIN, 0, 1, 0, 1, 0, 0, 'b' };
	struct buf head;
	pid_t pid = start(1, PATIENCE_MS);

	buf_init(&head, 10000);
	put_head(&head, "POST", "/read", "60000", NULL, NULL);
	int fd = connect_with(&head);
	struct pollfd answered = { .fd = fd, .events = POLLIN };
	for (size_t i = 0; poll(&answered, 1, 20) == 0; i++) {
		if (i == 500)
			fail_msg("a trickling client held the only thread");
		assert_int_equal(send(fd, &one_byte[i % sizeof one_byte], 1, MSG_NOSIGNAL), 1);
	}
	struct reply reply;
	receive_reply(fd, &reply);
	assert_memory_equal(body_of(&reply), "result=3", 8);
	reply_free(&reply);
	expect_alive();
	buf_free(&head);
	stop(pid);
}

static void
body_after_its_head_is_read_without_descriptors(void **state)
{
	(void)state;
	/* epoll, two eventfds, a signalfd and the connection: none for a pipe, or one of two */
	for (unsigned free_fds = 5; free_fds <= 6; free_fds++) {
		struct buf head, rest;
		pid_t pid = start_limited(1, 10000, free_fds);

		buf_init(&head, 10000);
		buf_init(&rest, 10000);
		for (int round = 0; round < 3; round++) {
			put_head(&head, "POST", "/read", "5", NULL, NULL);
			put_stdin(&rest, "hello", 5);
			put_record(&rest, STDIN, NULL, 0);
			expect_after_head(
				&head, &rest, true, "result=0 has_length=1 len=5 sum=99162322");
			buf_clear(&rest);
		}
		buf_free(&rest);
		buf_free(&head);
		stop(pid);
	}
}

/* Wherever it is cut, and whatever has come when it is accepted. */
static void
request_cut_at_random_is_answered_the_same(void **state)
{
	(void)state;
	enum { SIZE = 30000, ROUNDS = 300 };
	struct buf request;
	char *body = malloc(SIZE);
	char answer[128];
	pid_t pid = start(2, 10000);

	srandom(20261127);
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 13 + i / 255);
	buf_init(&request, 100000);
	for (int round = 0; round < ROUNDS; round++) {
		size_t size = (size_t)random() % (round % 2 == 0 ? 200 : SIZE);
		size_t largest = (size_t)random() % size + 1;
		char length[24];
		snprintf(length, sizeof length, "%zu", size);
		put_head(&request, "POST", "/read", round % 3 == 0 ? NULL : length, NULL, NULL);
		for (size_t at = 0; at < size;) {
			size_t len = (size_t)random() % largest + 1;
			if (len > size - at)
				len = size - at;
			put_padded(&request, body + at, len, (unsigned)random() % 256);
			at += len;
		}
		put_padded(&request, NULL, 0, (unsigned)random() % 256);

		int fd = -1;
		size_t cuts = (size_t)random() % 4 + 1;
		for (size_t at = 0; at < request.len;) {
			size_t len = (size_t)random() % (2 * request.len / cuts) + 1;
			struct buf piece = { .data = request.data + at,
				.len = len < request.len - at ? len : request.len - at };
			if (fd < 0)
				fd = connect_with(&piece);
			else
				(void)send_bytes(
					fd, &piece); /* libfcgi needs no padding of the end */
			at += piece.len;
			if (random() % 4 == 0)
				poll(NULL, 0, 1);
		}
		struct reply reply;
		receive_reply(fd, &reply);
		snprintf(answer, sizeof answer, "result=0 has_length=%d len=%zu sum=%u",
			round % 3 != 0, size, checksum((struct slice){ body, size }));
		if (strcmp(body_of(&reply), answer) != 0)
			fail_msg("round %d: %s", round, body_of(&reply));
		assert_true(reply.ended);
		reply_free(&reply);
		buf_clear(&request);
	}
	free(body);
	buf_free(&request);
	stop(pid);
}

/* ---- CGI ---- */

/* Run one CGI request; input is all of standard input, which stays open when keep_open. What the
 * child left unread is put into rest. Returns the exit status. */
static int
run_cgi(const char *const *variables, struct slice input, bool keep_open, struct buf *out,
	struct buf *rest)
{
	int in[2], answer[2];
	char piece[65536];
	ssize_t len;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct http_limits limits = { 1, PATIENCE_MS, 0 };
		unsigned most = 1;
		dup2(in[0], STDIN_FILENO);
		dup2(answer[1], STDOUT_FILENO);
		close(in[1]);
		environ = (char **)(uintptr_t)variables;
		_exit(http_serve_cgi(&limits, handle, &most));
	}
	close(answer[1]);
	assert_int_equal(write(in[1], input.data, input.len), input.len);
	if (!keep_open)
		close(in[1]);
	while ((len = read(answer[0], piece, sizeof piece)) > 0)
		buf_append(out, piece, (size_t)len);
	int status = wait_for(pid);
	fcntl(in[0], F_SETFL, O_NONBLOCK);
	while ((len = read(in[0], piece, sizeof piece)) > 0)
		buf_append(rest, piece, (size_t)len);
	close(in[0]);
	close(answer[0]);
	if (keep_open)
		close(in[1]);
	return status;
}

#define CGI_HEAD(length)                                                                       \
	"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " length "\r\n" HEADERS \
	"\r\n"

static void
cgi_answers_as_fastcgi_does(void **state)
{
	(void)state;
	static const struct {
		const char *variables[5];
		const char *input;
		bool keep_open;
		const char *answer;
		const char *rest;
	} cases[] = {
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/read", "CONTENT_LENGTH=5" }, "hello", false,
			CGI_HEAD("40") "result=0 has_length=1 len=5 sum=99162322", "" },
		/* what is behind the length is not ours, and its end need not come */
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/read", "CONTENT_LENGTH=0005" }, "helloworld",
			true, CGI_HEAD("40") "result=0 has_length=1 len=5 sum=99162322", "world" },
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/unread", "CONTENT_LENGTH=5" }, "helloworld",
			true, CGI_HEAD("8") "not read", "world" },
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/read", "CONTENT_LENGTH=9" }, "hello", false,
			CGI_HEAD("40") "result=2 has_length=1 len=5 sum=99162322", "" },
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/read", "CONTENT_LENGTH=9" }, "hello", true,
			CGI_HEAD("40") "result=3 has_length=1 len=5 sum=99162322", "" },
		/* chunked, as mod_cgi hands it on */
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/read", "HTTP_TRANSFER_ENCODING=chunked" },
			"hello", false, CGI_HEAD("40") "result=0 has_length=0 len=5 sum=99162322",
			"" },
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/unread", "HTTP_TRANSFER_ENCODING=chunked" },
			"hello", false, CGI_HEAD("8") "not read", "" },
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/read", "CONTENT_LENGTH=x" }, "hello", true,
			CGI_HEAD("33") "result=4 has_length=0 len=0 sum=0", "hello" },
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/read", "CONTENT_LENGTH=6", "LIMIT=5" },
			"hellos", false, CGI_HEAD("33") "result=1 has_length=1 len=0 sum=0", "" },
		/* no length and not chunked: no body, and none is waited for */
		{ { "REQUEST_METHOD=GET", "PATH_INFO=/unread" }, "", true, CGI_HEAD("8") "not read",
			"" },
		{ { "REQUEST_METHOD=HEAD", "PATH_INFO=/unread" }, "", true, CGI_HEAD("8"), "" },
		{ { "REQUEST_METHOD=POST", "PATH_INFO=/special", "STATUS=204", "TYPE=text/plain" },
			"", false, "Status: 204 No Content\r\n" HEADERS "\r\n", "" },
		{ { "REQUEST_METHOD=GET", "PATH_INFO=/silent" }, "", false,
			"Status: 500 Internal Server Error\r\nContent-Length: 0\r\n" HEADERS "\r\n",
			"" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out, rest;
		buf_init(&out, 100000);
		buf_init(&rest, 100000);
		assert_int_equal(run_cgi(cases[i].variables, slice_of(cases[i].input),
					 cases[i].keep_open, &out, &rest),
			0);
		assert_string_equal(buf_text(&out), cases[i].answer);
		assert_string_equal(buf_text(&rest), cases[i].rest);
		buf_free(&rest);
		buf_free(&out);
	}
}

static void
cgi_sends_large_answers_whole(void **state)
{
	(void)state;
	static const char *const variables[] = { "REQUEST_METHOD=GET", "PATH_INFO=/large", NULL };
	struct buf out, rest;

	buf_init(&out, ANSWER_BYTES + 10000);
	buf_init(&rest, 100);
	assert_int_equal(run_cgi(variables, slice_of(""), false, &out, &rest), 0);
	const char *body = strstr(buf_text(&out), "\r\n\r\n") + 4;
	assert_int_equal(out.len - (size_t)(body - out.data), ANSWER_BYTES);
	for (size_t i = 0; i < ANSWER_BYTES; i++)
		if (body[i] != (char)(i * 7 + i / 251))
			fail_msg("answer differs at %zu", i);
	buf_free(&out);
}

static void
cgi_without_a_method_is_refused(void **state)
{
	(void)state;
	static const char *const variables[] = { "PATH_INFO=/unread", NULL };
	struct buf out, rest;

	buf_init(&out, 1000);
	buf_init(&rest, 1000);
	assert_int_not_equal(run_cgi(variables, slice_of(""), false, &out, &rest), 0);
	assert_int_equal(out.len, 0);
}

/* ---- Listening ---- */

static void
expect_refused(const char *where, const char *reason_part)
{
	char reason[256] = "";
	assert_int_equal(listen_open(where, reason), -1);
	if (strstr(reason, reason_part) == NULL)
		fail_msg("\"%s\" for %s", reason, where);
}

static void
socket_is_private_to_owner_and_group(void **state)
{
	(void)state;
	static const mode_t masks[] = { 0, 022, 077 };
	for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
		struct stat status;
		mode_t old = umask(masks[i]);
		int fd = listen_here(); /* the last round's is stale: it is replaced */
		assert_int_equal(umask(old), masks[i]);
		assert_int_equal(stat(socket_path, &status), 0);
		assert_int_equal(status.st_mode & 0777, 0660);
		assert_true(listen_is_on(fd));
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
}

static void
live_socket_is_not_stolen(void **state)
{
	(void)state;
	char where[80];
	int fd = listen_here();
	snprintf(where, sizeof where, "unix:%s", socket_path);
	expect_refused(where, "listens there");
	int client = connect_here(); /* it still does */
	close(client);
	close(fd);
}

static void
only_sockets_are_removed(void **state)
{
	(void)state;
	char path[80], where[100];
	snprintf(path, sizeof path, "%s/file", directory);
	snprintf(where, sizeof where, "unix:%s", path);

	int file = open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	close(file);
	expect_refused(where, "not a socket");
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);

	int stale = listen_here();
	close(stale);
	assert_int_equal(symlink(socket_path, path), 0); /* not even through a link */
	expect_refused(where, "not a socket");
	unlink(path);
}

static void
odd_places_are_refused(void **state)
{
	(void)state;
	static const char *const odd[] = { "", ":9000", "*:9000", "9000", "localhost",
		"localhost:", "localhost:0", "localhost:65536", "localhost:099", "localhost:+80",
		"localhost:80x", "example.org:80", "127.0.0.1.:80", "[::1:80", "::1:80", "[]:80",
		"[:80", "127.1:9000", "/run/hookcgi.sock",
		"1111111111111111111111111111111111111111111111111111111111111111111111:80" };
	char long_path[200] = "unix:/tmp/";

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
		expect_refused(odd[i], "cannot listen on");
	expect_refused("unix:", "107 bytes");
	memset(long_path + 10, 'x', 103);
	long_path[10 + 103] = '\0'; /* a path of 108 bytes */
	expect_refused(long_path, "107 bytes");
	expect_refused("unix:/nonexistent/socket", "No such file");
}

static void
address_with_port_is_listened_on(void **state)
{
	(void)state;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	char where[64], reason[256];

	int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* a port that is free */
	assert_int_equal(bind(probe, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(probe, (struct sockaddr *)&address, &size), 0);
	close(probe);
	snprintf(where, sizeof where, "localhost:%u", ntohs(address.sin_port));
	int fd = listen_open(where, reason);
	assert_true(fd >= 0);
	assert_true(listen_is_on(fd));
	struct sockaddr_in bound;
	size = sizeof bound;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
	assert_int_equal(bound.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	expect_refused(where, "in use");
	close(fd);
}

/* In a child, with LISTEN_PID and LISTEN_FDS set and descriptor 3 as told: does it listen? */
static bool
takes_from_systemd(bool own_pid, const char *count, bool listening)
{
	int listener = listen_here();
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		char text[24], reason[256];
		snprintf(text, sizeof text, "%ld", (long)(own_pid ? getpid() : getppid()));
		setenv("LISTEN_PID", text, 1);
		setenv("LISTEN_FDS", count, 1);
		if (!listening)
			listener = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(listener, 3);
		int fd = listen_open(NULL, reason);
		bool taken = fd == 3 && (fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 &&
			     getenv("LISTEN_FDS") == NULL;
		_exit(taken ? 0 : fd == -1 ? 1 : 2);
	}
	close(listener);
	int status = wait_for(pid);
	assert_in_range(status, 0, 1);
	return status == 0;
}

static void
systemd_socket_is_taken_if_it_is_ours(void **state)
{
	(void)state;
	assert_true(takes_from_systemd(true, "1", true));
	assert_false(takes_from_systemd(false, "1", true));
	assert_false(takes_from_systemd(true, "2", true));
	assert_false(takes_from_systemd(true, "", true));
	assert_false(takes_from_systemd(true, "1", false));
	expect_refused(NULL, "no socket");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(whole_answer_is_exact, end_server),
		cmocka_unit_test_teardown(body_is_read_whole_or_not_at_all, end_server),
		cmocka_unit_test_teardown(large_bodies_arrive_unchanged, end_server),
		cmocka_unit_test_teardown(cut_body_is_short, end_server),
		cmocka_unit_test_teardown(what_is_no_request_is_dropped, end_server),
		cmocka_unit_test_teardown(variables_are_as_sent, end_server),
		cmocka_unit_test_teardown(connection_is_not_kept, end_server),
		cmocka_unit_test_teardown(unread_body_is_drained, end_server),
		cmocka_unit_test_teardown(
			answers_have_the_parts_that_their_status_allows, end_server),
		cmocka_unit_test_teardown(handler_that_does_not_answer_is_a_500, end_server),
		cmocka_unit_test_teardown(log_lines_go_to_the_servers_error_log, end_server),
		cmocka_unit_test_teardown(
			slow_clients_end_at_the_deadline_and_others_do_not_wait, end_server),
		cmocka_unit_test_teardown(
			trickling_client_does_not_hold_the_only_thread, end_server),
		cmocka_unit_test_teardown(more_requests_than_threads_wait_their_turn, end_server),
		cmocka_unit_test_teardown(
			threads_that_wait_unsaid_hold_up_nobody_for_long, end_server),
		cmocka_unit_test_teardown(
			detached_requests_are_answered_by_another_thread, end_server),
		cmocka_unit_test_teardown(request_in_flight_is_answered_at_stop, end_server),
		cmocka_unit_test_teardown(stop_does_not_wait_for_a_handler_without_end, end_server),
		cmocka_unit_test_teardown(want_of_descriptors_delays_and_ends_nothing, end_server),
		cmocka_unit_test_teardown(client_that_is_gone_ends_nothing, end_server),
		cmocka_unit_test_teardown(body_may_come_after_its_head, end_server),
		cmocka_unit_test_teardown(
			body_after_its_head_is_read_whole_or_not_at_all, end_server),
		cmocka_unit_test_teardown(body_after_its_head_is_read_to_its_end, end_server),
		cmocka_unit_test_teardown(many_bodies_come_after_their_heads, end_server),
		cmocka_unit_test_teardown(bodies_that_do_not_come_hold_up_nobody, end_server),
		cmocka_unit_test_teardown(
			trickling_body_after_its_head_ends_at_the_deadline, end_server),
		cmocka_unit_test_teardown(
			body_after_its_head_is_read_without_descriptors, end_server),
		cmocka_unit_test_teardown(request_cut_at_random_is_answered_the_same, end_server),
		cmocka_unit_test_teardown(cgi_answers_as_fastcgi_does, end_server),
		cmocka_unit_test_teardown(cgi_sends_large_answers_whole, end_server),
		cmocka_unit_test_teardown(cgi_without_a_method_is_refused, end_server),
		cmocka_unit_test_teardown(socket_is_private_to_owner_and_group, end_server),
		cmocka_unit_test_teardown(live_socket_is_not_stolen, end_server),
		cmocka_unit_test_teardown(only_sockets_are_removed, end_server),
		cmocka_unit_test_teardown(odd_places_are_refused, end_server),
		cmocka_unit_test_teardown(address_with_port_is_listened_on, end_server),
		cmocka_unit_test_teardown(systemd_socket_is_taken_if_it_is_ours, end_server),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
