/* log.c - one line a record, to standard error, syslog or a file
 *
 * A record is put together in a buffer of fixed size on the stack, so that
 * logging needs no memory when memory is what went wrong, and handed over in
 * one piece. The lock guards the target; writers of a file share it, so that
 * no line waits for another but in the kernel. It is not held while a line goes
 * to the web server, which may be slow to take it.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "text.h"

#define LINE_SIZE 8192
#define LINE_END_LEN 2   /* "}\n" */
#define FIELD_LEN_MIN 64 /* room for punctuation and a number, or a cut value */
#define MESSAGE_SIZE 4096
#define GATHERED_MAX ((size_t)32 * 1024)

enum target_kind { TARGET_STDERR, TARGET_SYSLOG, TARGET_FILE };

struct target {
	enum target_kind kind;
	bool json;
	/* For a file only: */
	int fd;
	char *path; /* owned */
	dev_t device;
	ino_t inode;
	time_t looked_at_s; /* when path was last compared with fd */
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct target current = { .kind = TARGET_STDERR, .fd = -1 };

static _Thread_local log_sink *thread_sink;
static _Thread_local void *thread_sink_context;

static _Thread_local bool gathers; /* lines for a file go to gathered first */
static _Thread_local struct buf gathered;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
};

static const int syslog_priorities[] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_INFO] = LOG_INFO,
};

static time_t
coarse_now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/*
 * Open path for append into the file members of out. O_NONBLOCK is for a FIFO
 * without a reader, which must not hold the program up; files ignore it.
 */
static bool
file_open(const char *path, struct target *out, char reason_out[256])
{
	struct stat status;
	int fd = open(path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
		0600);

	if (fd < 0) {
		(void)snprintf(reason_out, 256, "%s: %m", path);
		return false;
	}
	if (fstat(fd, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISCHR(status.st_mode))) {
		(void)snprintf(reason_out, 256, "%s: is not a file", path);
		(void)close(fd);
		return false;
	}
	out->fd = fd;
	out->device = status.st_dev;
	out->inode = status.st_ino;
	out->looked_at_s = coarse_now_s();
	return true;
}

static bool
target_open(const char *name, struct target *out, char reason_out[256])
{
	if (strcmp(name, "stderr") == 0) {
		out->kind = TARGET_STDERR;
		return true;
	}
	if (strcmp(name, "syslog") == 0) {
		out->kind = TARGET_SYSLOG;
		openlog("hookcgi", LOG_PID, LOG_DAEMON);
		return true;
	}
	if (strncmp(name, "file:", 5) == 0 && name[5] != '\0') {
		out->kind = TARGET_FILE;
		if (!file_open(name + 5, out, reason_out))
			return false;
		out->path = xstrdup(name + 5);
		return true;
	}
	(void)snprintf(reason_out, 256, "%s: is none of stderr, syslog, file:PATH", name);
	return false;
}

static void
target_close(struct target *target)
{
	if (target->fd >= 0)
		(void)close(target->fd);
	free(target->path);
}

bool
log_open(const char *target, bool json, char reason_out[256])
{
	struct target opened = { .json = json, .fd = -1 };
	struct target old;

	if (!target_open(target, &opened, reason_out))
		return false;
	(void)pthread_rwlock_wrlock(&lock);
	old = current;
	current = opened;
	(void)pthread_rwlock_unlock(&lock);
	target_close(&old);
	return true;
}

void
log_close(void)
{
	char reason[256];
	(void)log_open("stderr", current.json, reason);
	closelog(); /* the C library's own descriptor */
}

void
log_set_sink(log_sink *sink, void *context)
{
	thread_sink = sink;
	thread_sink_context = context;
}

static bool
is_bare_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == '_' || c == ':' || c == '/' || c == '@' || c == '+' || c == '-';
}

static bool
is_bare(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!is_bare_character(value.data[i]))
			return false;
	return value.len > 0;
}

/* Append at most max bytes of value; false: they do not fit, and nothing was appended. */
static bool
append_value_cut(struct buf *line, struct slice value, size_t max, bool json)
{
	size_t before = line->len;
	bool cut = value.len > max;
	bool ok;

	if (!json && !cut && is_bare(value))
		return buf_append_slice(line, value);
	if (json) {
		ok = text_append_json(line, text_cut(value, max));
		if (ok && cut) {
			line->len--; /* the closing quote */
			ok = buf_append_text(line, "...\"");
		}
	} else {
		ok = buf_append_char(line, '"') && text_append_escaped(line, value, max) &&
		     buf_append_char(line, '"');
	}
	if (!ok)
		line->len = before;
	return ok;
}

/* Append value, or as much of it as half of the room that is left can hold. */
static void
append_value(struct buf *line, struct slice value, bool json)
{
	size_t line_max = line->max;
	size_t room = (line_max - line->len) / 2;
	size_t shown = value.len < room ? value.len : room;

	/* Escapes may make it up to six times as long. */
	line->max = line->len + room;
	while (!append_value_cut(line, value, shown, json) && shown > 0)
		shown /= 2;
	line->max = line_max;
}

static void
append_sign(struct buf *line, int64_t number)
{
	if (number < 0)
		(void)buf_append_char(line, '-');
}

static uint64_t
magnitude_of(int64_t number)
{
	return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

/* The caller has made sure that there is room. */
static void
append_field(struct buf *line, const struct log_field *field, bool json)
{
	uint64_t magnitude = magnitude_of(field->number);

	(void)buf_append_text(line, json ? ",\"" : " ");
	(void)buf_append_text(line, field->name);
	(void)buf_append_text(line, json ? "\":" : "=");
	switch (field->kind) {
	case LOG_FIELD_TEXT: append_value(line, field->text, json); break;
	case LOG_FIELD_NUMBER:
		append_sign(line, field->number);
		(void)buf_append_number(line, magnitude, 1);
		break;
	case LOG_FIELD_MS:
		append_sign(line, field->number);
		(void)buf_append_number(line, magnitude / 1000, 1);
		(void)buf_append_char(line, '.');
		(void)buf_append_number(line, magnitude % 1000, 3);
		break;
	}
}

static void
append_time(struct buf *line)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!text_format_time(
		    TEXT_TIME_RFC3339, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, line))
		(void)buf_append_char(line, '-'); /* the machine's clock stands before 1970 */
}

static void
append_head(
	struct buf *line, enum log_level level, const char *what, enum target_kind kind, bool json)
{
	if (json) {
		(void)buf_append_text(line, "{\"time\":\"");
		append_time(line);
		(void)buf_appendf(
			line, "\",\"level\":\"%s\",\"what\":\"%s\"", level_names[level], what);
		return;
	}
	if (kind != TARGET_SYSLOG) {
		append_time(line);
		(void)buf_append_char(line, ' ');
	}
	(void)buf_append_text(line, what);
}

/* Fields that there is no room for are left out: the line stays well formed. */
static void
append_fields(struct buf *line, const struct log_field *fields, size_t count, bool json)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i].kind == LOG_FIELD_TEXT && fields[i].text.data == NULL)
			continue;
		if (line->max - line->len < strlen(fields[i].name) + FIELD_LEN_MIN)
			continue;
		append_field(line, &fields[i], json);
	}
}

/* Write it all. Gives up at the first error: there is nobody to tell. */
static void
write_line(int fd, const char *line, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, line, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		line += written;
		len -= (size_t)written;
	}
}

/* Standard error may be a pipe to a web server that has gone: the SIGPIPE of
 * this write is kept from the process, one that was pending before is not. */
static void
write_stderr(const char *line, size_t len)
{
	const struct timespec at_once = { 0, 0 };
	sigset_t pipe_only, before, pending;
	bool was_pending;

	(void)sigemptyset(&pipe_only);
	(void)sigaddset(&pipe_only, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
	errno = 0;
	write_line(STDERR_FILENO, line, len);
	if (errno == EPIPE && !was_pending)
		(void)sigtimedwait(&pipe_only, NULL, &at_once);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Open the file again if its path leads elsewhere by now (log rotation). If
 * that fails, lines go on into the file that is open. */
static void
reopen_moved_file(void)
{
	struct target fresh;
	struct stat status;
	char reason[256];

	(void)pthread_rwlock_wrlock(&lock);
	fresh = current;
	current.looked_at_s = coarse_now_s();
	if (current.kind == TARGET_FILE &&
		(lstat(current.path, &status) != 0 || status.st_dev != current.device ||
			status.st_ino != current.inode) &&
		file_open(current.path, &fresh, reason)) {
		(void)close(current.fd);
		current = fresh;
	}
	(void)pthread_rwlock_unlock(&lock);
}

/* Threads write side by side: O_APPEND keeps their lines apart, and the shared
 * lock only the descriptor open. */
static void
write_file(const char *line, size_t len)
{
	bool is_open;

	(void)pthread_rwlock_rdlock(&lock);
	if (current.kind == TARGET_FILE && coarse_now_s() != current.looked_at_s) {
		(void)pthread_rwlock_unlock(&lock);
		reopen_moved_file();
		(void)pthread_rwlock_rdlock(&lock);
	}
	is_open = current.kind == TARGET_FILE; /* else changed by log_open() meanwhile */
	if (is_open)
		write_line(current.fd, line, len);
	(void)pthread_rwlock_unlock(&lock);
	if (!is_open)
		write_stderr(line, len);
}

void
log_gather_begin(void)
{
	gathers = true;
	buf_init(&gathered, GATHERED_MAX);
}

void
log_gather_end(void)
{
	int saved_errno = errno;
	gathers = false;
	if (gathered.len > 0)
		write_file(gathered.data, gathered.len);
	buf_free(&gathered);
	errno = saved_errno;
}

/* Lines stay in order: what does not fit any more goes behind those before it. */
static void
gather(const char *line, size_t len)
{
	if (buf_append(&gathered, line, len))
		return;
	write_file(gathered.data, gathered.len);
	buf_clear(&gathered);
	write_file(line, len);
}

/* line ends in "\n". */
static void
deliver(enum target_kind kind, enum log_level level, const char *line, size_t len)
{
	switch (kind) {
	case TARGET_STDERR:
		if (thread_sink != NULL)
			thread_sink(thread_sink_context, line, len);
		else
			write_stderr(line, len);
		break;
	case TARGET_SYSLOG: syslog(syslog_priorities[level], "%.*s", (int)len - 1, line); break;
	case TARGET_FILE:
		if (gathers)
			gather(line, len);
		else
			write_file(line, len);
		break;
	}
}

void
log_record(enum log_level level, const char *what, const struct log_field *fields, size_t count)
{
	char storage[LINE_SIZE];
	/* All reserved, so it never grows and never leaves the stack. */
	struct buf line = { storage, 0, sizeof storage, sizeof storage - 1 - LINE_END_LEN };
	int saved_errno = errno;
	enum target_kind kind;
	bool json;

	(void)pthread_rwlock_rdlock(&lock);
	kind = current.kind;
	json = current.json;
	(void)pthread_rwlock_unlock(&lock);

	append_head(&line, level, what, kind, json);
	append_fields(&line, fields, count, json);
	line.max += LINE_END_LEN;
	(void)buf_append_text(&line, json ? "}\n" : "\n");
	deliver(kind, level, line.data, line.len);
	errno = saved_errno;
}

void
log_message(enum log_level level, const char *what, const char *format, ...)
{
	char message[MESSAGE_SIZE];
	struct log_field field = { "message", LOG_FIELD_TEXT, { message, 0 }, 0 };
	int saved_errno = errno;
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	if (len < 0)
		len = 0;
	field.text.len = (size_t)len < sizeof message ? (size_t)len : sizeof message - 1;
	log_record(level, what, &field, 1);
	errno = saved_errno;
}

#define BUCKET_INTERVAL_US 50000 /* 20 a second */
#define BUCKET_BURST 40

bool
log_bucket_take(struct log_bucket *bucket, int64_t now_us, uint64_t *suppressed_out)
{
	int64_t due_us = bucket->next_us > now_us ? bucket->next_us : now_us;

	if (due_us - now_us > (BUCKET_BURST - 1) * BUCKET_INTERVAL_US) {
		bucket->suppressed++;
		return false;
	}
	bucket->next_us = due_us + BUCKET_INTERVAL_US;
	*suppressed_out = bucket->suppressed;
	bucket->suppressed = 0;
	return true;
}

bool
log_allowed(void)
{
	static pthread_mutex_t bucket_lock = PTHREAD_MUTEX_INITIALIZER;
	static struct log_bucket bucket;
	uint64_t suppressed = 0;
	struct timespec now;
	bool allowed;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)pthread_mutex_lock(&bucket_lock);
	allowed = log_bucket_take(
		&bucket, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, &suppressed);
	(void)pthread_mutex_unlock(&bucket_lock);
	if (suppressed > 0) {
		const struct log_field count = LOG_NUMBER("count", (int64_t)suppressed);

		log_record(LOG_LEVEL_WARNING, "suppressed", &count, 1);
	}
	return allowed;
}
