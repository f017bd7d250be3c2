/* runner.c - small processes that run handlers for a threaded one
 *
 * Three kinds of process. The endpoint (threaded, large) never forks after
 * runner_start(). The nursery, forked from it while it was small, does nothing
 * but fork runners. A runner does nothing but run one handler at a time.
 *
 * The endpoint makes a runner's socket pair itself and sends one end to the
 * nursery; the fork needs no answer, since the job waits in the socket until
 * the runner reads it, and a fork that failed is an end of file there. So the
 * nursery's socket carries datagrams one way and needs no lock.
 *
 *   endpoint -> runner   struct job_header, then argv, envp and directory as
 *                        strings, then the body, if it is short
 *   runner -> endpoint   struct result_header, then output, then error
 *
 * A long body goes from the endpoint straight into the handler's pipe, which
 * comes with the header (SCM_RIGHTS). Both sides are one program, but each checks
 * the lengths it is told.
 *
 * Everything ends by end of file: a runner finishes its handler and ends when
 * its endpoint is gone, also by kill -9; the nursery ends at once. They are in
 * a session of their own and ignore the signals with which web servers and
 * terminals end a process group, so that a restart does not cut a handler. The
 * nursery is forked twice and ignores SIGCHLD: nobody has to wait for anybody.
 */
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "log.h"

/* More than any Linux takes for an argv and environment under the usual stack limit. */
#define JOB_MAX (2560 * 1024)
#define IDLE_MAX_MS (60 * 1000)     /* unused for that long: it may go */
#define ANSWER_SLACK_MS (15 * 1000) /* beyond timeout and grace: KILL's own patience, and load */
#define STALL_MAX_S 10              /* a runner that neither reads nor writes is broken */
#define HEAP_STEP (128 * 1024)
#define JOB_USUAL_SIZE 8192
#define JOB_BODY_MAX (32 * 1024) /* a body that goes along: shorter than a socket's buffer */

/* What the nursery is asked for. */
struct nursery_request {
	enum { NURSERY_RUNNER, NURSERY_DETACHED } kind;
	char argument[PATH_MAX];
};

struct job_header {
	uint32_t argument_count;
	uint32_t variable_count;
	uint32_t text_len; /* all strings, each with its NUL: argv, envp, directory */
	uint32_t body_len; /* behind the strings; when a descriptor comes along: 0 */
	int64_t timeout_ms;
	int64_t grace_ms;
	uint8_t has_directory;
	uint8_t has_descriptor;
	uint8_t unused[6];
};

struct result_header {
	int64_t duration_us;
	uint32_t output_len;
	uint32_t error_len;
	int32_t end; /* enum run_end */
	int32_t code;
	uint8_t output_cut;
	uint8_t error_cut;
	uint8_t left_behind;
	uint8_t unused[5];
	char reason[256];
};

struct idle_runner {
	int socket;
	int64_t since_ms;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;   /* a runner became idle, or there is room for a new one */
	int nursery;              /* -1: none */
	bool lost;                /* it is not there any more */
	unsigned alive;           /* idle and busy ones */
	struct idle_runner *idle; /* the last used one last */
	size_t idle_count;
	size_t idle_size;
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.nursery = -1,
};

static void
descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Send all of it, and passed (-1: none) with its first byte. */
static bool
socket_send(int fd, const void *data, size_t len, int passed)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (passed >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof control.space;
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof passed),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &passed, sizeof passed);
	}
	while (part.iov_len > 0) {
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		part.iov_base = (char *)part.iov_base + n;
		part.iov_len -= (size_t)n;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	return true;
}

/* Receive exactly len bytes; false: end of file or broken. A descriptor that
 * came with them goes to *passed_out, which may be NULL when none can come. */
static bool
socket_receive(int fd, void *data, size_t len, int *passed_out)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	const struct cmsghdr *first;
	size_t received = 0;
	ssize_t n;

	while (received < len) {
		struct iovec part = { (char *)data + received, len - received };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

		if (passed_out != NULL) {
			message.msg_control = control.space;
			message.msg_controllen = sizeof control.space;
		}
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		received += (size_t)n;
		first = CMSG_FIRSTHDR(&message);
		if (passed_out != NULL && first != NULL && first->cmsg_type == SCM_RIGHTS)
			memcpy(passed_out, CMSG_DATA(first), sizeof *passed_out);
	}
	return true;
}

/*
 * The runner's side
 */

struct job {
	struct run_spec spec;
	char *text;     /* owned */
	char **strings; /* owned; argv, NULL, envp, NULL */
	int input;      /* owned */
};

static void
job_free(struct job *job)
{
	descriptor_close(&job->input);
	free(job->strings);
	free(job->text);
}

/* The next string of the text; NULL when there is none left. */
static char *
next_string(char **at, const char *end)
{
	char *string = *at;

	if (string >= end)
		return NULL;
	*at += strlen(string) + 1;
	return string;
}

/* Point into the text; false: it does not hold the strings that the header promises. */
static bool
job_point(struct job *job, const struct job_header *header)
{
	char *at = job->text, *end = job->text + header->text_len;
	uint32_t i;

	for (i = 0; i < header->argument_count; i++) {
		if ((job->strings[i] = next_string(&at, end)) == NULL)
			return false;
	}
	job->spec.argv = job->strings;
	job->spec.envp = job->strings + header->argument_count + 1;
	for (i = 0; i < header->variable_count; i++) {
		if ((job->strings[header->argument_count + 1 + i] = next_string(&at, end)) == NULL)
			return false;
	}
	if (header->has_directory != 0 && (job->spec.directory = next_string(&at, end)) == NULL)
		return false;
	return at == end;
}

/* false: the endpoint is gone, or what came is no job. job_free() in either case. */
static bool
job_receive(int socket, struct job *job)
{
	struct job_header header;

	*job = (struct job){ .input = -1 };
	if (!socket_receive(socket, &header, sizeof header, &job->input) ||
		(job->input >= 0) != (header.has_descriptor != 0))
		return false;
	if (header.text_len == 0 || header.text_len > JOB_MAX || header.argument_count == 0 ||
		header.argument_count > JOB_MAX || header.variable_count > JOB_MAX ||
		header.body_len > JOB_BODY_MAX)
		return false;
	job->text = xmalloc((size_t)header.text_len + header.body_len);
	if (!socket_receive(socket, job->text, (size_t)header.text_len + header.body_len, NULL) ||
		job->text[header.text_len - 1] != '\0')
		return false;
	job->spec.input = (struct slice){ job->text + header.text_len, header.body_len };
	job->strings = xcalloc(
		(size_t)header.argument_count + header.variable_count + 2, sizeof *job->strings);
	job->spec.input_fd = job->input;
	job->spec.timeout_ms = header.timeout_ms;
	job->spec.grace_ms = header.grace_ms;
	return job_point(job, &header);
}

static bool
result_send(int socket, const struct run_result *result)
{
	struct result_header header = {
		.duration_us = result->duration_us,
		.output_len = (uint32_t)result->output.len,
		.error_len = (uint32_t)result->error.len,
		.end = (int32_t)result->end,
		.code = result->code,
		.output_cut = result->output_cut,
		.error_cut = result->error_cut,
		.left_behind = result->left_behind,
	};

	memcpy(header.reason, result->reason, sizeof header.reason);
	return socket_send(socket, &header, sizeof header, -1) &&
	       socket_send(socket, result->output.data, result->output.len, -1) &&
	       socket_send(socket, result->error.data, result->error.len, -1);
}

/* A handler that left processes behind ends its runner too: the limit of the
 * next handler would otherwise end them. */
__attribute__((noreturn)) static void
runner_main(int socket)
{
	struct run_result result;
	struct job job;
	bool go_on = true;

	prctl(PR_SET_NAME, "hookcgi-runner");
	while (go_on && job_receive(socket, &job)) {
		run_result_init(&result);
		run_handler(&job.spec, &result);
		go_on = result_send(socket, &result) && !result.left_behind;
		run_result_free(&result);
		job_free(&job);
	}
	_exit(0);
}

/*
 * The nursery's side
 */

static void
standard_close(void)
{
	int fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
	run_fill_standard();
}

static runner_detached *detached;

/* Forked twice, so that it is the child of init and nobody has to wait for it. */
__attribute__((noreturn)) static void
detached_main(const char *argument)
{
	sigset_t none;
	int signal_number;

	setsid();
	if (fork() != 0)
		_exit(0);
	for (signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_close();
	run_close_descriptors(STDERR_FILENO + 1);
	standard_close();
	_exit(detached(argument));
}

/* Nothing of the endpoint stays: no descriptor (one that keeps 0 open makes
 * lighttpd believe that the program still lives), no session, no mask. */
static int
nursery_settle(int link)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE,
		SIGCHLD };
	const int kept = STDERR_FILENO + 1;
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	prctl(PR_SET_NAME, "hookcgi-nursery");
	if (link != kept && dup3(link, kept, O_CLOEXEC) < 0)
		_exit(1);
	log_close();
	run_close_descriptors(kept + 1);
	standard_close();
	/* A job of 2 MiB must not leave its pages in a runner: fixed thresholds
	 * instead of glibc's, which grow with what is freed. */
	mallopt(M_MMAP_THRESHOLD, HEAP_STEP);
	mallopt(M_TRIM_THRESHOLD, HEAP_STEP);
	return kept;
}

__attribute__((noreturn)) static void
nursery_main(int link)
{
	struct nursery_request request;
	int socket;

	link = nursery_settle(link);
	for (;;) {
		socket = -1;
		if (!socket_receive(link, &request, sizeof request, &socket))
			_exit(0);
		if (request.kind == NURSERY_DETACHED && detached != NULL && fork() == 0)
			detached_main(request.argument);
		if (socket >= 0 && fork() == 0) {
			close(link);
			runner_main(socket);
		}
		descriptor_close(&socket);
	}
}

/*
 * The endpoint's side
 */

/* Fork twice, so that the nursery is the child of init, which reaps it. */
static bool
nursery_fork(int link)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		child = fork();
		if (child == 0)
			nursery_main(link);
		_exit(child < 0 ? 1 : 0);
	}
	if (child < 0)
		return false;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return true; /* ECHILD, SIGCHLD is ignored: the first use tells */
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool
runner_start(void)
{
	int link[2];

	if (pool.nursery >= 0)
		return true;
	signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) != 0) {
		log_message(LOG_LEVEL_ERROR, "runners", "socketpair: %s", strerror(errno));
		return false;
	}
	if (!nursery_fork(link[1])) {
		log_message(LOG_LEVEL_ERROR, "runners",
			"the process that starts handlers could not be started: no room for "
			"another process");
		close(link[0]);
		close(link[1]);
		return false;
	}
	close(link[1]);
	pool.nursery = link[0];
	return true;
}

void
runner_set_detached(runner_detached *function)
{
	detached = function;
}

bool
runner_detach(const char *argument)
{
	struct nursery_request request = { .kind = NURSERY_DETACHED };
	bool sent = true;
	pid_t child;

	snprintf(request.argument, sizeof request.argument, "%s", argument);

	pthread_mutex_lock(&pool.lock);
	bool from_nursery = pool.nursery >= 0;
	if (from_nursery)
		sent = socket_send(pool.nursery, &request, sizeof request, -1);
	pthread_mutex_unlock(&pool.lock);
	if (from_nursery)
		return sent;
	child = fork();
	if (child == 0)
		detached_main(argument);
	if (child < 0) {
		log_message(LOG_LEVEL_ERROR, "worker", "cannot be started: %s", strerror(errno));
		return false;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	return true;
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
	size_t i;

	pthread_mutex_lock(&pool.lock);
	for (i = 0; i < pool.idle_count; i++)
		close(pool.idle[i].socket);
	pool.alive -= (unsigned)pool.idle_count;
	pool.idle_count = 0;
	pool.idle_size = 0;
	free(pool.idle);
	pool.idle = NULL;
	descriptor_close(&pool.nursery);
	pthread_cond_broadcast(&pool.changed);
	pthread_mutex_unlock(&pool.lock);
}

/* Ask the nursery for a runner: its socket, or -1 (logged). Called with the lock
 * held, so that runner_stop() cannot take the nursery's descriptor away. */
static int
runner_new(void)
{
	static const struct nursery_request request = { .kind = NURSERY_RUNNER };
	const struct timeval stall = { .tv_sec = STALL_MAX_S };
	int ends[2];

	if (pool.nursery < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		log_message(LOG_LEVEL_ERROR, "runners", "no socket for a runner: %s",
			pool.nursery < 0 ? "not started" : strerror(errno));
		return -1;
	}
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
	if (!socket_send(pool.nursery, &request, sizeof request, ends[1])) {
		log_message(LOG_LEVEL_ERROR, "runners",
			"the process that starts runners is gone: %s", strerror(errno));
		pool.lost = true;
		descriptor_close(&ends[0]);
	}
	close(ends[1]);
	return ends[0];
}

/* An idle runner, or a new one, or wait for either. -1: none can be had. */
static int
runner_acquire(unsigned max_runners, bool *is_new_out)
{
	int socket;

	pthread_mutex_lock(&pool.lock);
	while (pool.idle_count == 0 && pool.alive > 0 && pool.alive >= max_runners)
		pthread_cond_wait(&pool.changed, &pool.lock);
	*is_new_out = pool.idle_count == 0;
	if (*is_new_out) {
		socket = runner_new();
		if (socket >= 0)
			pool.alive++;
	} else {
		socket = pool.idle[--pool.idle_count].socket;
	}
	pthread_mutex_unlock(&pool.lock);
	return socket;
}

static void
runner_discard(int socket)
{
	close(socket);
	pthread_mutex_lock(&pool.lock);
	pool.alive--;
	/* All of them: callers may have different limits. */
	pthread_cond_broadcast(&pool.changed);
	pthread_mutex_unlock(&pool.lock);
}

/* The one that has been idle for too long, or -1. Only the first can be: the
 * last used is used first. */
static int
idle_take_stale(int64_t now)
{
	int socket;

	if (pool.idle_count == 0 || now - pool.idle[0].since_ms < IDLE_MAX_MS)
		return -1;
	socket = pool.idle[0].socket;
	pool.idle_count--;
	memmove(pool.idle, pool.idle + 1, pool.idle_count * sizeof *pool.idle);
	return socket;
}

static void
runner_release(int socket)
{
	int64_t now = clock_ms();
	bool stopped;
	int stale = -1;

	pthread_mutex_lock(&pool.lock);
	stopped = pool.nursery < 0;
	if (!stopped) {
		stale = idle_take_stale(now);
		if (pool.idle_count == pool.idle_size) {
			pool.idle_size = pool.idle_size * 2 + 4;
			pool.idle = xreallocarray(pool.idle, pool.idle_size, sizeof *pool.idle);
		}
		pool.idle[pool.idle_count++] = (struct idle_runner){ socket, now };
		pthread_cond_signal(&pool.changed);
	}
	pthread_mutex_unlock(&pool.lock);
	if (stopped)
		runner_discard(socket);
	if (stale >= 0)
		runner_discard(stale);
}

static void
refuse(struct run_result *result, const char *reason)
{
	result->end = RUN_NOT_STARTED;
	snprintf(result->reason, sizeof result->reason, "%s", reason);
}

static uint32_t
append_strings(struct buf *job, char *const *strings)
{
	uint32_t count = 0;

	while (strings[count] != NULL &&
		buf_append(job, strings[count], strlen(strings[count]) + 1))
		count++;
	return strings[count] == NULL ? count : UINT32_MAX;
}

static bool
goes_along(const struct run_spec *spec)
{
	return spec->input_fd < 0 && spec->input.len <= JOB_BODY_MAX;
}

/* The whole message. false: it is larger than any system would start. */
static bool
job_write(const struct run_spec *spec, struct buf *job)
{
	bool has_body = goes_along(spec);
	struct job_header header = {
		.body_len = has_body ? (uint32_t)spec->input.len : 0,
		.timeout_ms = spec->timeout_ms,
		.grace_ms = spec->grace_ms,
		.has_directory = spec->directory != NULL,
		.has_descriptor = !has_body,
	};

	if (!buf_reserve(job, JOB_USUAL_SIZE + header.body_len) ||
		!buf_append(job, &header, sizeof header))
		return false;
	header.argument_count = append_strings(job, spec->argv);
	header.variable_count = append_strings(job, spec->envp);
	if (header.argument_count == UINT32_MAX || header.variable_count == UINT32_MAX)
		return false;
	if (spec->directory != NULL &&
		!buf_append(job, spec->directory, strlen(spec->directory) + 1))
		return false;
	header.text_len = (uint32_t)(job->len - sizeof header);
	memcpy(job->data, &header, sizeof header);
	return !has_body || buf_append_slice(job, spec->input);
}

/*
 * Give the job to a runner; its socket, or -1 when there is none. An idle one
 * that has died meanwhile did not get the whole job, so another may have it.
 */
static int
job_give(const struct buf *job, int input, unsigned max_runners)
{
	bool is_new;
	int socket;

	while ((socket = runner_acquire(max_runners, &is_new)) >= 0) {
		if (socket_send(socket, job->data, job->len, input))
			return socket;
		runner_discard(socket);
		if (is_new)
			return -1;
	}
	return -1;
}

/* Write the body while the handler takes it, until the result comes. false: it
 * did not come in time. */
static bool
answer_await(int socket, int *input, struct slice *rest, int64_t deadline_ms)
{
	int64_t left_ms;
	int ready;

	for (;;) {
		struct pollfd polled[] = {
			{ .fd = socket, .events = POLLIN },
			{ .fd = *input, .events = POLLOUT },
		};

		left_ms = deadline_ms - clock_ms();
		if (left_ms <= 0)
			return false;
		ready = poll(polled, 2, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
		if (ready > 0 && polled[0].revents != 0)
			return true;
		if (ready > 0)
			run_feed(input, rest);
	}
}

static bool
output_receive(int socket, struct buf *output, uint32_t len)
{
	if (!buf_reserve(output, len) || !socket_receive(socket, output->data, len, NULL))
		return false;
	output->len = len;
	output->data[len] = '\0';
	return true;
}

/* false: the runner is not to be used again. */
static bool
result_receive(int socket, struct run_result *result)
{
	struct result_header header;

	if (!socket_receive(socket, &header, sizeof header, NULL) ||
		header.output_len > RUN_OUTPUT_MAX || header.error_len > RUN_OUTPUT_MAX ||
		header.end < RUN_EXITED || header.end > RUN_NOT_STARTED) {
		refuse(result, "the process that ran the handler ended without a result: it was "
			       "killed, or the system has no room for another process; the handler "
			       "may have been started");
		return false;
	}
	result->end = (enum run_end)header.end;
	result->code = header.code;
	result->duration_us = header.duration_us;
	result->output_cut = header.output_cut != 0;
	result->error_cut = header.error_cut != 0;
	result->left_behind = header.left_behind != 0;
	memcpy(result->reason, header.reason, sizeof result->reason);
	result->reason[sizeof result->reason - 1] = '\0';
	if (!output_receive(socket, &result->output, header.output_len)) {
		result->output_cut =
			true; /* no memory, or the runner broke: its end still counts */
		return false;
	}
	if (!output_receive(socket, &result->error, header.error_len)) {
		result->error_cut = true;
		return false;
	}
	return !result->left_behind;
}

/* The handler's stdin for the runner, -1 when the body goes along, and our end of it: -1
 * when there is nothing to write. false: no descriptor is left; what was opened is the caller's. */
static bool
input_open(const struct run_spec *spec, int *theirs_out, int *ours_out)
{
	int ends[2];

	*theirs_out = -1;
	*ours_out = -1;
	if (goes_along(spec))
		return true;
	if (spec->input_fd >= 0) {
		*theirs_out = fcntl(spec->input_fd, F_DUPFD_CLOEXEC, 0);
		return *theirs_out >= 0;
	}
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*theirs_out = ends[0];
	*ours_out = ends[1];
	return fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0;
}

void
runner_run(const struct run_spec *spec, unsigned max_runners, struct run_result *result)
{
	int64_t deadline_ms;
	int socket, theirs = -1, ours = -1;
	struct slice rest = spec->input;
	struct buf job;

	buf_init(&job, JOB_MAX);
	if (!job_write(spec, &job)) {
		refuse(result, "arguments and environment are larger than any system takes: let "
			       "the handler read the event from stdin");
		goto out;
	}
	if (!input_open(spec, &theirs, &ours)) {
		refuse(result, "no descriptor is left for the handler's standard input");
		goto out;
	}
	/* Most bodies fit into the pipe, and then need no second turn. */
	if (ours >= 0)
		run_feed(&ours, &rest);
	socket = job_give(&job, theirs, max_runners);
	if (socket < 0) {
		refuse(result, "no process to run the handler can be had: the one that starts them "
			       "was killed, or the system has no room: restart the program");
		goto out;
	}
	descriptor_close(&theirs);
	buf_free(&job);
	deadline_ms = clock_ms() + spec->timeout_ms + spec->grace_ms + ANSWER_SLACK_MS;
	if (!answer_await(socket, &ours, &rest, deadline_ms)) {
		refuse(result, "the process that runs the handler does not answer; the handler may "
			       "have been started");
		runner_discard(socket);
	} else if (result_receive(socket, result)) {
		runner_release(socket);
	} else {
		runner_discard(socket);
	}
out:
	descriptor_close(&ours);
	descriptor_close(&theirs);
	buf_free(&job);
}
