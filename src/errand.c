/* errand.c - an event on its way to a runner of the worker, and its result on the way back
 *
 * A message is a head, then a row of numbers of its kind, then its texts. Rejected: letting the runner read the
 * body from the store, which costs it a connection and most of what one process for the store saves.
 */
#include "errand.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHORT_MAX ((size_t)32 << 10)  /* of what goes through the socket itself */
#define SOCKET_ROOM (256 * 1024)      /* asked for; a few short messages are under way at most */
#define MAIL_MAX ((size_t)1025 << 20) /* the largest body_limit, and what goes along */
#define PARTS_MAX 10

struct head {
	uint32_t kind;
	uint32_t in_file; /* 1: what follows is in the file whose descriptor comes along */
	uint64_t len;     /* of what follows */
};

/* Lengths of texts include a NUL. */
struct job_numbers {
	int64_t id;
	int64_t received_ms;
	uint32_t attempt, failed, lost;
	uint32_t endpoint_len, remote_len, key_len, type_len, sender_id_len, variables_len;
	uint32_t body_len;
};

struct result_numbers {
	int64_t id;
	int64_t due_ms;
	int64_t started_ms;
	int64_t duration_us;
	uint32_t number;
	uint32_t state; /* enum store_state */
	int32_t code;
	uint32_t reason_len, start_reason_len; /* 0: NULL */
	uint32_t output_len, error_len;
	uint8_t output_cut, error_cut, left_behind, unused;
	char end[16];
};

bool
errand_open(int ends[2])
{
	static const int room = SOCKET_ROOM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return true;
}

static bool
send_head(int socket, const struct head *head, const struct iovec *parts, int count, int file)
{
	struct iovec all[PARTS_MAX + 1] = { { (void *)(uintptr_t)head, sizeof *head } };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof file)] = { 0 };
	struct msghdr message = { .msg_iov = all, .msg_iovlen = 1 + (size_t)count };
	ssize_t n;

	for (int i = 0; i < count; i++)
		all[1 + i] = parts[i];
	if (file >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof control;
		struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
		*rights = (struct cmsghdr){ CMSG_LEN(sizeof file), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(rights), &file, sizeof file);
	}
	do
		n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

/* Each part as a whole: writev(2) of them all would have to be taken up in the middle. */
static bool
write_parts(int file, const struct iovec *parts, int count)
{
	for (int i = 0; i < count; i++) {
		const char *at = parts[i].iov_base;
		size_t left = parts[i].iov_len;
		while (left > 0) {
			ssize_t n = write(file, at, left);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return false;
			at += n;
			left -= (size_t)n;
		}
	}
	return true;
}

static bool
send_parts(int socket, enum errand_kind kind, const struct iovec *parts, int count)
{
	struct head head = { .kind = (uint32_t)kind };
	for (int i = 0; i < count; i++)
		head.len += parts[i].iov_len;
	if (head.len <= SHORT_MAX)
		return send_head(socket, &head, parts, count, -1);
	head.in_file = 1;
	int file = memfd_create("hookcgi-errand", MFD_CLOEXEC);
	if (file < 0)
		return false;
	bool sent = write_parts(file, parts, count) && send_head(socket, &head, NULL, 0, file);
	int error = errno;
	close(file);
	errno = error;
	return sent;
}

bool
errand_send(int socket, enum errand_kind kind)
{
	return send_parts(socket, kind, NULL, 0);
}

static struct iovec
part(const void *data, size_t len)
{
	return (struct iovec){ (void *)(uintptr_t)data, len };
}

/* With its NUL: buf_text() puts one. */
static struct iovec
text_part(const struct buf *text, uint32_t *len_out)
{
	*len_out = (uint32_t)text->len + 1;
	return part(buf_text(text), text->len + 1);
}

bool
errand_send_job(int socket, const struct store_job *job, unsigned lost)
{
	struct job_numbers numbers = {
		.id = job->id,
		.received_ms = job->received_ms,
		.attempt = job->attempt,
		.failed = job->failed,
		.lost = lost,
		.endpoint_len = (uint32_t)strlen(job->endpoint) + 1,
	};
	const struct iovec parts[] = {
		part(&numbers, sizeof numbers),
		part(job->endpoint, numbers.endpoint_len),
		text_part(&job->remote, &numbers.remote_len),
		text_part(&job->key, &numbers.key_len),
		text_part(&job->type, &numbers.type_len),
		text_part(&job->sender_id, &numbers.sender_id_len),
		text_part(&job->variables, &numbers.variables_len),
		text_part(&job->body, &numbers.body_len),
	};
	return send_parts(socket, ERRAND_JOB, parts, sizeof parts / sizeof *parts);
}

bool
errand_send_result(int socket, const struct store_settlement *settlement, bool left_behind)
{
	const struct store_attempt *attempt = settlement->attempt;
	struct result_numbers numbers = {
		.id = settlement->id,
		.due_ms = settlement->due_ms,
		.started_ms = attempt->started_ms,
		.duration_us = attempt->duration_us,
		.number = attempt->number,
		.state = (uint32_t)settlement->state,
		.code = attempt->code,
		.output_len = (uint32_t)attempt->output.len,
		.error_len = (uint32_t)attempt->error.len,
		.output_cut = attempt->output_cut,
		.error_cut = attempt->error_cut,
		.left_behind = left_behind,
	};
	if (settlement->reason != NULL)
		numbers.reason_len = (uint32_t)strlen(settlement->reason) + 1;
	if (attempt->reason != NULL)
		numbers.start_reason_len = (uint32_t)strlen(attempt->reason) + 1;
	strncpy(numbers.end, attempt->end, sizeof numbers.end - 1);
	const struct iovec parts[] = {
		part(&numbers, sizeof numbers),
		part(settlement->reason, numbers.reason_len),
		part(attempt->reason, numbers.start_reason_len),
		part(attempt->output.data, numbers.output_len),
		part(attempt->error.data, numbers.error_len),
	};
	return send_parts(socket, ERRAND_RESULT, parts, sizeof parts / sizeof *parts);
}

void
errand_mail_init(struct buf *mail)
{
	buf_init(mail, MAIL_MAX);
}

static bool
read_file(int file, struct buf *mail, uint64_t len)
{
	if (len > MAIL_MAX || !buf_reserve(mail, (size_t)len))
		return false;
	while (mail->len < len) {
		ssize_t n = pread(
			file, mail->data + mail->len, (size_t)len - mail->len, (off_t)mail->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		mail->len += (size_t)n;
	}
	return true;
}

/* The descriptor that came along, or -1. */
static int
file_of(struct msghdr *message)
{
	const struct cmsghdr *rights = CMSG_FIRSTHDR(message);
	int file = -1;
	if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
		rights->cmsg_len == CMSG_LEN(sizeof file))
		memcpy(&file, CMSG_DATA(rights), sizeof file);
	return file;
}

enum errand_kind
errand_receive(int socket, bool wait, struct buf *mail)
{
	struct head head = { .kind = ERRAND_GONE };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec parts[2] = { { &head, sizeof head } };
	struct msghdr message = { .msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control,
		.msg_controllen = sizeof control };
	ssize_t n;

	buf_free(mail); /* of a long one */
	if (!buf_reserve(mail, SHORT_MAX))
		return ERRAND_GONE;
	parts[1] = (struct iovec){ mail->data, SHORT_MAX };
	do
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return ERRAND_NONE;
	int file = n > 0 ? file_of(&message) : -1;
	bool whole = n >= (ssize_t)sizeof head && (message.msg_flags & MSG_TRUNC) == 0 &&
		     head.kind >= ERRAND_JOB && head.kind <= ERRAND_RESULT;
	if (whole && head.in_file == 0)
		mail->len = (size_t)n - sizeof head;
	else if (whole)
		whole = read_file(file, mail, head.len);
	whole = whole && mail->len == head.len;
	if (file >= 0)
		close(file);
	return whole ? (enum errand_kind)head.kind : ERRAND_GONE;
}

/* The next len bytes. Too long: out is NULL, and so are all that come after it. */
static struct slice
cut(struct slice *rest, size_t len)
{
	struct slice out = { rest->data, len };
	if (rest->data == NULL || len > rest->len) {
		*rest = (struct slice){ NULL, 0 };
		return *rest;
	}
	rest->data += len;
	rest->len -= len;
	return out;
}

/* A text without its NUL, which must be there. */
static struct slice
cut_text(struct slice *rest, size_t len)
{
	struct slice text = cut(rest, len);
	if (text.data == NULL || len == 0 || text.data[len - 1] != '\0') {
		*rest = (struct slice){ NULL, 0 };
		return *rest;
	}
	text.len--;
	return text;
}

bool
errand_read_job(struct buf *mail, struct errand_job *out)
{
	struct job_numbers numbers;
	struct slice rest = buf_slice(mail);
	struct slice head = cut(&rest, sizeof numbers);
	if (head.data == NULL)
		return false;
	memcpy(&numbers, head.data, sizeof numbers);
	*out = (struct errand_job){
		.id = numbers.id,
		.received_ms = numbers.received_ms,
		.attempt = numbers.attempt,
		.failed = numbers.failed,
		.lost = numbers.lost,
	};
	out->endpoint = cut_text(&rest, numbers.endpoint_len).data;
	out->remote = cut_text(&rest, numbers.remote_len).data;
	out->key = cut_text(&rest, numbers.key_len);
	out->type = cut_text(&rest, numbers.type_len);
	out->sender_id = cut_text(&rest, numbers.sender_id_len);
	struct slice variables = cut_text(&rest, numbers.variables_len);
	out->body = cut_text(&rest, numbers.body_len);
	if (rest.data == NULL || rest.len != 0)
		return false;
	char *start = mail->data + (variables.data - mail->data);
	out->variables = (struct buf){ start, variables.len, variables.len, variables.len };
	return true;
}

bool
errand_read_result(struct buf *mail, struct errand_result *out)
{
	struct result_numbers numbers;
	struct slice rest = buf_slice(mail);
	struct slice head = cut(&rest, sizeof numbers);
	if (head.data == NULL)
		return false;
	memcpy(&numbers, head.data, sizeof numbers);
	if (numbers.state > STORE_DEAD || memchr(numbers.end, '\0', sizeof numbers.end) == NULL)
		return false;
	const char *end = head.data + offsetof(struct result_numbers, end);
	const char *reason =
		numbers.reason_len > 0 ? cut_text(&rest, numbers.reason_len).data : NULL;
	const char *start_reason = numbers.start_reason_len > 0
					   ? cut_text(&rest, numbers.start_reason_len).data
					   : NULL;
	struct slice output = cut(&rest, numbers.output_len);
	struct slice error = cut(&rest, numbers.error_len);
	if (rest.data == NULL || rest.len != 0)
		return false;
	*out = (struct errand_result){
		.attempt = { numbers.number, numbers.started_ms, numbers.duration_us, end,
			numbers.code, start_reason, output, error, numbers.output_cut != 0,
			numbers.error_cut != 0 },
		.settlement = { .id = numbers.id,
			.state = (enum store_state)numbers.state,
			.due_ms = numbers.due_ms,
			.reason = reason },
		.left_behind = numbers.left_behind != 0,
	};
	return true;
}
