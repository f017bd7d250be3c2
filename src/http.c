/* http.c - one request in, one answer out: what CGI and FastCGI have in common, and CGI
 *
 * RFC 3875 for variables and answer. A body is read once, straight to where it
 * stays, and only as far as it was declared or allowed; an answer is sent only
 * after what was not read has been drained, because nginx hangs and mod_cgid
 * loses the answer otherwise.
 */
#include "http_exchange.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "text.h"

/* What is still unread when the answer is known: read on this far, then give up. */
#define DRAIN_BYTES_MAX ((size_t)8 << 20)
#define DRAIN_MS 5000

#define HEAD_MAX 4000 /* nginx refuses more than 4 KiB of header */

char *const *
http_variables(const struct http_exchange *exchange)
{
	return exchange->variables;
}

const char *
http_variable(const struct http_exchange *exchange, const char *name)
{
	const char *value = NULL;
	for (char *const *variable = exchange->variables; *variable != NULL && value == NULL;
		variable++)
		value = text_variable_value(*variable, name);
	return value;
}

/* Servers write leading zeros, and "" for an absent length. */
static enum http_length
parse_length(const char *text, uint64_t *length_out)
{
	if (text == NULL || text[0] == '\0')
		return HTTP_LENGTH_ABSENT;
	uint64_t length = 0;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return HTTP_LENGTH_BAD;
		unsigned digit = (unsigned)(*text - '0');
		length = length > (UINT64_MAX - digit) / 10 ? UINT64_MAX : length * 10 + digit;
	}
	*length_out = length;
	return HTTP_LENGTH_KNOWN;
}

void
http_exchange_init(struct http_exchange *exchange, const struct http_transport *transport,
	char *const *variables, int64_t deadline_ms)
{
	*exchange = (struct http_exchange){
		.transport = transport,
		.variables = variables,
		.began_ms = clock_ms(),
		.deadline_ms = deadline_ms,
	};
	exchange->length_kind =
		parse_length(http_variable(exchange, "CONTENT_LENGTH"), &exchange->length);
	const char *method = http_variable(exchange, "REQUEST_METHOD");
	exchange->is_head = method != NULL && strcmp(method, "HEAD") == 0;
}

void
http_limit_read(struct http_exchange *exchange, int64_t read_timeout_ms)
{
	int64_t deadline_ms = exchange->began_ms + read_timeout_ms;
	if (deadline_ms < exchange->deadline_ms)
		exchange->deadline_ms = deadline_ms;
}

static enum http_body
read_some(struct http_exchange *exchange, char *data, size_t size, size_t *len_out)
{
	*len_out = 0;
	enum http_body result = exchange->transport->read(exchange, data, size, len_out);
	if (result != HTTP_BODY_OK || *len_out == 0)
		exchange->ended = true;
	return result;
}

/* Nothing may follow; what does is the caller's fault of choice. */
static enum http_body
expect_end(struct http_exchange *exchange, enum http_body otherwise)
{
	char byte;
	size_t len;
	enum http_body result = read_some(exchange, &byte, 1, &len);
	return result == HTTP_BODY_OK && len > 0 ? otherwise : result;
}

static enum http_body
read_declared(struct http_exchange *exchange, size_t length, struct buf *body)
{
	if (!buf_reserve(body, length))
		return HTTP_BODY_NO_MEMORY;
	while (body->len < length) {
		size_t len;
		enum http_body result =
			read_some(exchange, body->data + body->len, length - body->len, &len);
		body->len += len;
		if (result != HTTP_BODY_OK)
			return result;
		if (len == 0)
			return HTTP_BODY_SHORT;
	}
	/* More than was declared: not the request that it says it is. */
	return expect_end(exchange, HTTP_BODY_SHORT);
}

static enum http_body
read_to_end(struct http_exchange *exchange, size_t limit, struct buf *body)
{
	while (body->len < limit) {
		size_t step = MIN(limit - body->len, MAX(body->len, HTTP_READ_STEP));
		if (!buf_reserve(body, step))
			return HTTP_BODY_NO_MEMORY;
		size_t len;
		enum http_body result = read_some(exchange, body->data + body->len, step, &len);
		body->len += len;
		if (result != HTTP_BODY_OK || len == 0)
			return result;
	}
	return expect_end(exchange, HTTP_BODY_TOO_LARGE);
}

enum http_body
http_read_body(struct http_exchange *exchange, size_t limit, struct buf *body, bool *has_length_out)
{
	body->max = limit;
	*has_length_out = exchange->length_kind == HTTP_LENGTH_KNOWN;
	if (exchange->ended)
		return HTTP_BODY_OK; /* CGI: no length and not chunked is no body */
	switch (exchange->length_kind) {
	case HTTP_LENGTH_ABSENT: return read_to_end(exchange, limit, body);
	case HTTP_LENGTH_BAD: return HTTP_BODY_BAD_LENGTH;
	case HTTP_LENGTH_KNOWN: break;
	}
	if (exchange->length > limit)
		return HTTP_BODY_TOO_LARGE;
	return read_declared(exchange, (size_t)exchange->length, body);
}

/* nginx hangs and mod_cgid loses the answer when we answer before the body was read. */
static void
drain(struct http_exchange *exchange)
{
	char trash[HTTP_READ_STEP];
	size_t total = 0;

	if (exchange->ended)
		return;
	exchange->deadline_ms = MIN(exchange->deadline_ms, clock_ms() + DRAIN_MS);
	while (!exchange->ended && total < DRAIN_BYTES_MAX) {
		size_t len;
		(void)read_some(exchange, trash, sizeof trash, &len);
		total += len;
	}
}

static const char *
reason_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};
	static const char *const classes[] = { "OK", "Redirect", "Client Error", "Server Error" };

	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return classes[status / 100 - 2];
}

/* RFC 3875 section 6.2.1, and the length, so that a cut answer shows. Returns the length of the
 * head, 0 when it would be too long. */
static size_t
format_head(char head[HEAD_MAX], const struct http_answer *answer)
{
	bool bodiless = answer->status == 204 || answer->status == 304; /* RFC 9110 section 8.6 */
	bool typed = answer->content_type != NULL && !bodiless;
	char length[64] = "";

	if (!bodiless)
		snprintf(length, sizeof length, "Content-Length: %zu\r\n",
			typed ? answer->body.len : 0);
	int len = snprintf(head, HEAD_MAX,
		"Status: %d %s\r\n"
		"%s%s%s"
		"%s"
		"X-Content-Type-Options: nosniff\r\n"
		"Cache-Control: no-store\r\n"
		"%s"
		"\r\n",
		answer->status, reason_phrase(answer->status), typed ? "Content-Type: " : "",
		typed ? answer->content_type : "", typed ? "\r\n" : "", length,
		answer->extra_headers != NULL ? answer->extra_headers : "");
	return len > 0 && len < HEAD_MAX ? (size_t)len : 0;
}

static struct slice
answer_body(const struct http_exchange *exchange, const struct http_answer *answer)
{
	if (answer->content_type == NULL || answer->status == 204 || answer->status == 304 ||
		exchange->is_head)
		return (struct slice){ NULL, 0 };
	return answer->body;
}

void
http_answer(struct http_exchange *exchange, const struct http_answer *answer)
{
	static const struct http_answer failure = { .status = 500 };
	char head[HEAD_MAX];
	size_t head_len = 0;

	if (exchange->answered)
		return;
	exchange->answered = true;
	drain(exchange);

	if (answer->status >= 200 && answer->status <= 599)
		head_len = format_head(head, answer);
	if (head_len == 0) {
		log_message(LOG_LEVEL_ERROR, "answer",
			"status %d with these headers cannot be sent", answer->status);
		answer = &failure;
		head_len = format_head(head, answer);
	}
	exchange->sent = exchange->transport->send(
		exchange, (struct slice){ head, head_len }, answer_body(exchange, answer));
}

void
http_wait_begin(struct http_exchange *exchange)
{
	if (exchange->transport->wait != NULL)
		exchange->transport->wait(exchange, true);
}

void
http_wait_end(struct http_exchange *exchange)
{
	if (exchange->transport->wait != NULL)
		exchange->transport->wait(exchange, false);
}

bool
http_detach(struct http_exchange *exchange)
{
	return exchange->transport->detach != NULL && exchange->transport->detach(exchange);
}

void
http_forget(struct http_exchange *exchange)
{
	static char *const none[] = { NULL };
	exchange->variables = none;
	exchange->ended = true;
	exchange->transport->forget(exchange);
}

void
http_attach(struct http_exchange *exchange)
{
	exchange->transport->attach(exchange);
}

void
http_release(struct http_exchange *exchange)
{
	exchange->transport->release(exchange);
}

bool
http_exchange_handle(struct http_exchange *exchange, http_handler *handler, void *context)
{
	static const struct http_answer failure = { .status = 500 };

	if (handler(context, exchange))
		return true;
	http_answer(exchange, &failure);
	return false;
}

/* ---- CGI: the same over the environment and descriptors 0 and 1 ---- */

struct cgi {
	struct http_exchange exchange; /* first */
	uint64_t left;                 /* of CONTENT_LENGTH; what follows it is not ours */
};

static enum http_body
cgi_read(struct http_exchange *exchange, char *data, size_t size, size_t *len_out)
{
	struct cgi *cgi = (struct cgi *)exchange;
	struct pollfd readable = { .fd = STDIN_FILENO, .events = POLLIN };

	if (cgi->left == 0)
		return HTTP_BODY_OK;
	size = (size_t)MIN(size, cgi->left);
	for (;;) {
		int64_t wait_ms = exchange->deadline_ms - clock_ms();
		if (wait_ms <= 0)
			return HTTP_BODY_LATE;
		int ready = poll(&readable, 1, (int)MIN(wait_ms, INT_MAX));
		ssize_t len = ready > 0 ? read(STDIN_FILENO, data, size) : ready;
		if (len < 0 && errno != EINTR && errno != EAGAIN)
			return HTTP_BODY_SHORT;
		if (ready > 0 && len >= 0) {
			*len_out = (size_t)len;
			cgi->left -= (uint64_t)len;
			return HTTP_BODY_OK;
		}
	}
}

static bool
cgi_send(struct http_exchange *exchange, struct slice head, struct slice body)
{
	struct iovec parts[] = {
		{ (void *)head.data, head.len },
		{ (void *)body.data, body.len },
	};
	struct iovec *part = parts;
	struct iovec *end = parts + (body.len > 0 ? 2 : 1);

	(void)exchange;
	while (part < end) {
		ssize_t len = writev(STDOUT_FILENO, part, (int)(end - part));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return false;
		size_t done = (size_t)len;
		for (; part < end && done >= part->iov_len; part++)
			done -= part->iov_len;
		if (part < end) {
			part->iov_base = (char *)part->iov_base + done;
			part->iov_len -= done;
		}
	}
	return true;
}

int
http_serve_cgi(const struct http_limits *limits, http_handler *handler, void *context)
{
	static const struct http_transport transport = { .read = cgi_read, .send = cgi_send };
	struct cgi cgi = { .left = 0 };
	struct http_exchange *exchange = &cgi.exchange;

	signal(SIGPIPE, SIG_IGN);
	http_exchange_init(exchange, &transport, environ, clock_ms() + limits->read_timeout_ms);
	switch (exchange->length_kind) {
	case HTTP_LENGTH_KNOWN: cgi.left = exchange->length; break;
	case HTTP_LENGTH_ABSENT: cgi.left = UINT64_MAX; break;
	case HTTP_LENGTH_BAD: break;
	}
	/* RFC 3875 section 4.1.2: without a length there is no body; but mod_cgid hands on a chunked
	 * one so. */
	exchange->ended = exchange->length_kind == HTTP_LENGTH_ABSENT &&
			  http_variable(exchange, "HTTP_TRANSFER_ENCODING") == NULL;
	if (http_variable(exchange, "REQUEST_METHOD") == NULL) {
		log_message(LOG_LEVEL_ERROR, "cgi", "no REQUEST_METHOD: not started by a server");
		return EX_USAGE;
	}
	(void)http_exchange_handle(exchange, handler, context);
	return exchange->sent ? EX_OK : EX_IOERR;
}
