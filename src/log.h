/* log.h - one line a record, to standard error, syslog or a file
 *
 * A record is a level, a short name and named fields. Every value is escaped
 * here, so no caller can let a sender write a line of its own. Each write(2) is
 * of whole lines, so that processes may share a file.
 *
 *   text: 2026-11-24T17:50:29.123Z refused endpoint=orders status=401 reason="no signature"
 *   json: {"time":"…","level":"warning","what":"refused","endpoint":"orders",…}
 *
 * Thread-safe after log_open(). A secret or the right value of a signature is
 * never given to this module.
 */
#ifndef HOOKCGI_LOG_H
#define HOOKCGI_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum log_level {
	LOG_LEVEL_ERROR,   /* somebody must act */
	LOG_LEVEL_WARNING, /* refused or failed, and handled */
	LOG_LEVEL_INFO,    /* one line a request, one an attempt */
};

enum log_kind { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_MS };

/* One field. TEXT: the slice; a slice with NULL data is left out. NUMBER: number.
 * MS: number is microseconds, written as milliseconds with three decimals. */
struct log_field {
	const char *name; /* [a-z_]+ */
	enum log_kind kind;
	struct slice text;
	int64_t number;
};

#define LOG_TEXT(field, value)                              \
	{                                                   \
		(field), LOG_FIELD_TEXT, slice_of(value), 0 \
	}
#define LOG_SLICE(field, value)                     \
	{                                           \
		(field), LOG_FIELD_TEXT, (value), 0 \
	}
#define LOG_NUMBER(field, value)                                \
	{                                                       \
		(field), LOG_FIELD_NUMBER, { NULL, 0 }, (value) \
	}
#define LOG_US(field, value)                                \
	{                                                   \
		(field), LOG_FIELD_MS, { NULL, 0 }, (value) \
	}

/* Where a line goes when it should not go to descriptor 2: called with the
 * whole line, "\n" included. */
typedef void log_sink(void *context, const char *line, size_t len);

/*
 * Say where lines go: "stderr", "syslog", or "file:PATH" (opened for append,
 * created 0600, opened again when it was moved away, looked at once a second).
 * json chooses the form. May be called again (a changed config). false: the
 * target is malformed or the file cannot be opened (a symbolic link is not
 * followed); the old target stays and reason_out says why.
 * Before the first call, lines go to descriptor 2 as text.
 */
bool log_open(const char *target, bool json, char reason_out[256]);

/*
 * Let go of what is open; lines go to descriptor 2. For a child, before it closes all descriptors: what is opened
 * later under the same number would else be taken for the log, be written to and be closed.
 */
void log_close(void);

/*
 * While set (per thread), lines for "stderr" go to sink instead of descriptor
 * 2: the FastCGI error stream of the request at hand. NULL ends it.
 */
void log_set_sink(log_sink *sink, void *context);

/*
 * From begin to end lines of this thread for a file are gathered, and written together; what goes elsewhere is not
 * held up. For who has many to write in a row, and soon.
 */
void log_gather_begin(void);
void log_gather_end(void);

/*
 * One record, 8 KiB at most: a value may fill half of what is left of the line,
 * a longer one is cut and ends with "...". To syslog, text goes without the
 * time, which syslog adds. A line that cannot be written is lost; nothing is
 * raised (no SIGPIPE), and errno stays as it is.
 */
void log_record(
	enum log_level level, const char *what, const struct log_field *fields, size_t count);

/* One record with a single field "message". */
void log_message(enum log_level level, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * May another record of a class that strangers can cause be written? At most
 * 20 a second in this process, with a burst of 40; when one is let through
 * again, a record "suppressed" with the number left out is written before it.
 */
bool log_allowed(void);

/* The rule behind log_allowed() on a clock of the caller's. Starts as zeros. */
struct log_bucket {
	int64_t next_us;     /* when the next record is due if they come evenly */
	uint64_t suppressed; /* since the last one that was let through */
};

/*
 * May a record be written at now_us (a clock that never goes back)? If so,
 * *suppressed_out is how many were not since the last.
 */
bool log_bucket_take(struct log_bucket *bucket, int64_t now_us, uint64_t *suppressed_out);

#endif
