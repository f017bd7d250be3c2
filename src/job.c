/* job.c - a run on its way from the endpoint to a runner, and its result on the way back */
#include "job.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "handover.h"

/* More than any Linux takes for an argv and environment under the usual stack limit. */
#define JOB_MAX (2560 * 1024)
#define JOB_USUAL_SIZE 8192
#define JOB_BODY_MAX (32 * 1024) /* a body that goes along: shorter than a socket's buffer */

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

static uint32_t
append_strings(struct buf *job, char *const *strings)
{
	uint32_t count = 0;

	while (strings[count] != NULL &&
		buf_append(job, strings[count], strlen(strings[count]) + 1))
		count++;
	return strings[count] == NULL ? count : UINT32_MAX;
}

bool
job_takes_body(const struct run_spec *spec)
{
	return spec->input_fd < 0 && spec->input.len <= JOB_BODY_MAX;
}

bool
job_write(const struct run_spec *spec, struct buf *job)
{
	buf_init(job, JOB_MAX);
	bool has_body = job_takes_body(spec);
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

void
job_free(struct job *job)
{
	if (job->input >= 0)
		close(job->input);
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

bool
job_receive(int socket, struct job *job)
{
	struct job_header header;

	*job = (struct job){ .input = -1 };
	if (!handover_receive(socket, &header, sizeof header, &job->input) ||
		(job->input >= 0) != (header.has_descriptor != 0))
		return false;
	if (header.text_len == 0 || header.text_len > JOB_MAX || header.argument_count == 0 ||
		header.argument_count > JOB_MAX || header.variable_count > JOB_MAX ||
		header.body_len > JOB_BODY_MAX)
		return false;
	job->text = xmalloc((size_t)header.text_len + header.body_len);
	if (!handover_receive(socket, job->text, (size_t)header.text_len + header.body_len, NULL) ||
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

bool
job_send_result(int socket, const struct run_result *result)
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
	return handover_send(socket, &header, sizeof header, -1) &&
	       handover_send(socket, result->output.data, result->output.len, -1) &&
	       handover_send(socket, result->error.data, result->error.len, -1);
}

static bool
output_receive(int socket, struct buf *output, uint32_t len)
{
	if (!buf_reserve(output, len) || !handover_receive(socket, output->data, len, NULL))
		return false;
	output->len = len;
	output->data[len] = '\0';
	return true;
}

bool
job_receive_result(int socket, struct run_result *result)
{
	struct result_header header;

	if (!handover_receive(socket, &header, sizeof header, NULL) ||
		header.output_len > RUN_OUTPUT_MAX || header.error_len > RUN_OUTPUT_MAX ||
		header.end < RUN_EXITED || header.end > RUN_NOT_STARTED) {
		result->end = RUN_NOT_STARTED;
		snprintf(result->reason, sizeof result->reason,
			"the process that ran the handler ended without a result: it was killed, "
			"or the system has no room for another process; the handler may have "
			"been started");
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
