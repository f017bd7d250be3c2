/* attempt.c - one run of a handler, as the store and the log have it */
#include "attempt.h"

#include <stdio.h>

#include "log.h"

/* Bytes of a handler's standard error that go into the log line of a failed attempt. */
#define LOGGED_ERROR_MAX 1024

struct store_attempt
attempt_of(const struct run_result *result, unsigned number, int64_t started_ms, const char *reason)
{
	static const char *const ends[] = {
		[RUN_EXITED] = "exit",
		[RUN_SIGNALLED] = "signal",
		[RUN_TIMED_OUT] = "timeout",
		[RUN_NOT_STARTED] = "not started",
	};
	return (struct store_attempt){
		.number = number,
		.started_ms = started_ms,
		.duration_us = result->duration_us,
		.end = ends[result->end],
		.code = result->code,
		.reason = result->end == RUN_NOT_STARTED ? reason : NULL,
		.output = buf_slice(&result->output),
		.error = buf_slice(&result->error),
		.output_cut = result->output_cut,
		.error_cut = result->error_cut,
	};
}

void
attempt_log(const struct attempt_line *line, const struct run_result *result)
{
	char end[300];
	switch (result->end) {
	case RUN_EXITED: snprintf(end, sizeof end, "exit %d", result->code); break;
	case RUN_SIGNALLED: snprintf(end, sizeof end, "signal %d", result->code); break;
	case RUN_TIMED_OUT: snprintf(end, sizeof end, "timed out"); break;
	case RUN_NOT_STARTED: snprintf(end, sizeof end, "not started: %s", result->reason); break;
	}
	bool good = result->end == RUN_EXITED && result->code == 0;
	struct slice error = buf_slice(&result->error);
	if (error.len > LOGGED_ERROR_MAX)
		error.len = LOGGED_ERROR_MAX;
	if (good || error.len == 0)
		error.data = NULL; /* the field is left out */
	const struct log_field number = LOG_NUMBER("delivery", line->delivery);
	const struct log_field none = LOG_TEXT("delivery", NULL);
	struct log_field fields[] = {
		LOG_SLICE("key", line->key),
		line->delivery > 0 ? number : none,
		LOG_TEXT("endpoint", line->endpoint),
		LOG_SLICE("event", line->event),
		LOG_NUMBER("attempt", line->number),
		LOG_TEXT("end", end),
		LOG_TEXT("state", line->state),
		LOG_US("ms", result->duration_us),
		LOG_SLICE("stderr", error),
	};
	log_record(good ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "attempt", fields,
		sizeof fields / sizeof fields[0]);
}
