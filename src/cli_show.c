/* cli_show.c - hookcgi show: one event whole, with what its handler said each time */
#include "cli_ledger.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "text.h"

#define SHOWN_MAX 65536 /* bytes of a body that are shown to people */

enum { OPTION_BODY, OPTION_HEADERS, OPTION_OUTPUT, OPTION_JSON, OPTION_COUNT };

static const char *const show_options[] = {
	[OPTION_BODY] = "--body",
	[OPTION_HEADERS] = "--headers",
	[OPTION_OUTPUT] = "--output=",
	[OPTION_JSON] = "--json",
	[OPTION_COUNT] = NULL,
};

/* One attempt, owned. */
struct tried {
	struct store_attempt attempt;
	char *end, *reason, *output, *error;
};

/* One event, read whole before a byte is written: a reader that is slow must not
 * hold the store. */
struct shown {
	const struct ledger *ledger;
	struct store_row row; /* of which the texts are in strings */
	struct buf strings;   /* each with a NUL behind it */
	struct buf variables;
	struct buf body;
	bool damaged;
	struct tried *tried;
	size_t tried_count;
	struct buf out; /* text for people in the making */
};

static char *
copy(struct slice text)
{
	return xmemdup0(text.data != NULL ? text.data : "", text.len);
}

static void
shown_init(struct shown *shown, const struct ledger *ledger)
{
	*shown = (struct shown){ .ledger = ledger };
	buf_init(&shown->strings, SIZE_MAX / 4);
	buf_init(&shown->variables, SIZE_MAX / 4);
	buf_init(&shown->body, SIZE_MAX / 4);
	buf_init(&shown->out, SIZE_MAX / 4);
}

static void
shown_free(struct shown *shown)
{
	for (size_t i = 0; i < shown->tried_count; i++) {
		free(shown->tried[i].end);
		free(shown->tried[i].reason);
		free(shown->tried[i].output);
		free(shown->tried[i].error);
	}
	free(shown->tried);
	buf_free(&shown->strings);
	buf_free(&shown->variables);
	buf_free(&shown->body);
	buf_free(&shown->out);
}

/* ---- Reading ---- */

static bool
keep_row(void *context, const struct store_row *row)
{
	struct shown *shown = context;
	struct slice texts[] = { slice_of(row->endpoint), slice_of(row->provider),
		slice_of(row->reason), row->type, row->sender_id, row->key, row->remote };
	size_t starts[sizeof texts / sizeof texts[0]];
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		starts[i] = shown->strings.len;
		if (!buf_append_slice(&shown->strings, texts[i]) ||
			!buf_append_char(&shown->strings, '\0'))
			return false;
	}
	/* The buffer does not move any more. */
	const char *base = shown->strings.data;
	shown->row = *row;
	shown->row.endpoint = base + starts[0];
	shown->row.provider = base + starts[1];
	shown->row.reason = base + starts[2];
	shown->row.type.data = base + starts[3];
	shown->row.sender_id.data = base + starts[4];
	shown->row.key.data = base + starts[5];
	shown->row.remote.data = base + starts[6];
	return true;
}

static bool
keep_attempt(void *context, const struct store_attempt *attempt)
{
	struct shown *shown = context;
	shown->tried = xreallocarray(shown->tried, shown->tried_count + 1, sizeof shown->tried[0]);
	struct tried *tried = &shown->tried[shown->tried_count++];
	*tried = (struct tried){
		.attempt = *attempt,
		.end = copy(slice_of(attempt->end)),
		.reason = copy(slice_of(attempt->reason)),
		.output = copy(attempt->output),
		.error = copy(attempt->error),
	};
	tried->attempt.end = tried->end;
	tried->attempt.reason = tried->reason;
	tried->attempt.output.data = tried->output;
	tried->attempt.error.data = tried->error;
	return true;
}

/* CLI_DONE, or a line was printed. */
static int
read_event(struct shown *shown, int64_t id)
{
	struct store *store = shown->ledger->store;
	enum store_result result = STORE_NONE;
	if (store != NULL)
		result = store_show(store, id, keep_row, shown, &shown->variables, &shown->body,
			&shown->damaged);
	if (result == STORE_OK)
		result = store_attempts(store, id, keep_attempt, shown);
	else if (result == STORE_NONE) {
		fprintf(stderr, "hookcgi: there is no event %lld%s\n", (long long)id,
			store == NULL ? ": nothing was stored yet" : "");
		return CLI_NO;
	}
	if (result != STORE_OK && result != STORE_NONE)
		return ledger_failed(shown->ledger);
	if (shown->strings.len == 0) {
		fputs("hookcgi: no memory\n", stderr);
		return CLI_NO;
	}
	return CLI_DONE;
}

/* Call visit with each variable. */
static void
each_variable(struct shown *shown,
	void (*visit)(struct shown *shown, const char *variable, void *to), void *to)
{
	const char *at = buf_text(&shown->variables);
	const char *end = at + shown->variables.len;
	for (; at < end; at += strlen(at) + 1)
		visit(shown, at, to);
}

static struct slice
value_of(const char *variable)
{
	const char *equals = strchr(variable, '=');
	return slice_of(equals != NULL ? equals + 1 : "");
}

/* ---- For people ---- */

static void
add_time(struct shown *shown, int64_t ms)
{
	const struct ledger *ledger = shown->ledger;
	ledger_append_time(
		&shown->out, ledger->terminal ? LEDGER_LONG : LEDGER_UTC, ms, ledger->now_ms);
}

static void
add_field(struct shown *shown, const char *label, struct slice value)
{
	buf_appendf(&shown->out, "  %-9s ", label);
	if (value.len > 0)
		text_append_escaped(&shown->out, value, SIZE_MAX);
	else
		buf_append_char(&shown->out, '-');
	buf_append_char(&shown->out, '\n');
}

static void
add_fields(struct shown *shown)
{
	const struct store_row *row = &shown->row;
	buf_appendf(&shown->out, "event %lld\n", (long long)row->id);
	add_field(shown, "endpoint", slice_of(row->endpoint));
	add_field(shown, "provider", slice_of(row->provider));
	add_field(shown, "event", row->type);
	add_field(shown, "event id", row->sender_id);
	add_field(shown, "key", row->key);
	buf_appendf(&shown->out, "  %-9s ", "received");
	add_time(shown, row->received_ms);
	buf_append_text(&shown->out, " from ");
	text_append_escaped(&shown->out, row->remote, SIZE_MAX);
	buf_appendf(&shown->out, "\n  %-9s %s since ", "state", store_state_name(row->state));
	add_time(shown, row->changed_ms);
	if (row->state == STORE_QUEUED && row->due_ms > shown->ledger->now_ms) {
		buf_append_text(&shown->out, ", due in ");
		ledger_append_span(&shown->out, row->due_ms - shown->ledger->now_ms);
	}
	buf_append_char(&shown->out, '\n');
	if (row->reason[0] != '\0')
		add_field(shown, "reason", slice_of(row->reason));
}

static void
add_header(struct shown *shown, const char *variable, void *indent)
{
	struct buf name;
	buf_init(&name, SIZE_MAX / 4);
	if (ledger_append_header_name(&name, variable)) {
		buf_append_text(&shown->out, indent);
		text_append_escaped(&shown->out, buf_slice(&name), SIZE_MAX);
		buf_append_text(&shown->out, ": ");
		if (!ledger_append_readable(&shown->out, value_of(variable), "", SIZE_MAX) ||
			value_of(variable).len == 0)
			buf_append_char(&shown->out, '\n');
	}
	buf_free(&name);
}

/* What came with the request and is no header: its method and URL. */
static void
add_request(struct shown *shown, const char *variable, void *to)
{
	struct buf name;
	(void)to;
	buf_init(&name, SIZE_MAX / 4);
	if (!ledger_append_header_name(&name, variable)) {
		buf_append_text(&shown->out, "  ");
		text_append_escaped(&shown->out, slice_of(variable), SIZE_MAX);
		buf_append_char(&shown->out, '\n');
	}
	buf_free(&name);
}

/* How an attempt ended, in words. */
static void
append_end(struct buf *out, const struct store_attempt *attempt)
{
	const char *name;
	if (strcmp(attempt->end, "exit") == 0) {
		buf_appendf(out, "exit %d", attempt->code);
	} else if (strcmp(attempt->end, "signal") == 0) {
		name = strsignal(attempt->code);
		buf_appendf(out, "signal %d%s%s%s", attempt->code, name != NULL ? " (" : "",
			name != NULL ? name : "", name != NULL ? ")" : "");
	} else {
		text_append_escaped(out, slice_of(attempt->end), 64);
	}
	if (attempt->reason[0] != '\0') {
		buf_append_text(out, ": ");
		text_append_escaped(out, slice_of(attempt->reason), 1024);
	}
}

static void
add_output(struct shown *shown, const char *label, struct slice text, bool was_cut)
{
	if (text.len == 0)
		return;
	buf_appendf(&shown->out, "     %s%s\n", label,
		was_cut ? " (the beginning; the rest was not kept)" : "");
	ledger_append_readable(&shown->out, text, "       | ", SIZE_MAX);
}

static void
add_attempts(struct shown *shown)
{
	buf_appendf(&shown->out, "attempts%s\n", shown->tried_count == 0 ? ": none yet" : "");
	for (size_t i = 0; i < shown->tried_count; i++) {
		const struct store_attempt *attempt = &shown->tried[i].attempt;
		buf_appendf(&shown->out, "  %u  ", attempt->number);
		add_time(shown, attempt->started_ms);
		buf_appendf(&shown->out, ", %.3f s: ", (double)attempt->duration_us / 1e6);
		append_end(&shown->out, attempt);
		buf_append_char(&shown->out, '\n');
		add_output(shown, "standard output", attempt->output, attempt->output_cut);
		add_output(shown, "standard error", attempt->error, attempt->error_cut);
	}
}

static void
add_body(struct shown *shown)
{
	struct slice body = buf_slice(&shown->body);
	if (shown->row.body_len < 0) {
		buf_append_text(&shown->out, "body: its time to be kept is over\n");
	} else if (body.len == 0) {
		buf_append_text(&shown->out, "body: empty\n");
	} else if (!ledger_is_text(body)) {
		buf_appendf(&shown->out,
			"body: %zu bytes that are not text: show %lld --body writes "
			"them\n",
			body.len, (long long)shown->row.id);
	} else {
		buf_appendf(&shown->out, "body: %zu bytes\n", body.len);
		ledger_append_readable(&shown->out, body, "  ", SHOWN_MAX);
	}
}

static int
show_text(struct shown *shown)
{
	static char indent[] = "  ";
	add_fields(shown);
	if (shown->variables.len > 0) {
		buf_append_text(&shown->out, "request\n");
		each_variable(shown, add_request, NULL);
		each_variable(shown, add_header, indent);
	}
	add_attempts(shown);
	add_body(shown);
	fwrite(buf_text(&shown->out), 1, shown->out.len, stdout);
	return CLI_DONE;
}

static int
show_headers(struct shown *shown)
{
	static char indent[] = "";
	each_variable(shown, add_header, indent);
	fwrite(buf_text(&shown->out), 1, shown->out.len, stdout);
	return CLI_DONE;
}

static int
show_body(const struct shown *shown)
{
	if (shown->row.body_len < 0) {
		fprintf(stderr,
			"hookcgi: the body of event %lld is not kept any more (keep_body)\n",
			(long long)shown->row.id);
		return CLI_NO;
	}
	ledger_print_raw(stdout, buf_slice(&shown->body));
	return CLI_DONE;
}

/* As the handler wrote them: standard output there, standard error there. */
static int
show_output(const struct shown *shown, int64_t number)
{
	for (size_t i = 0; i < shown->tried_count; i++) {
		const struct store_attempt *attempt = &shown->tried[i].attempt;
		if (attempt->number != number)
			continue;
		ledger_print_raw(stdout, attempt->output);
		fflush(stdout);
		ledger_print_raw(stderr, attempt->error);
		if (attempt->output_cut || attempt->error_cut)
			fputs("\nhookcgi: there was more than is kept\n", stderr);
		return CLI_DONE;
	}
	fprintf(stderr, "hookcgi: event %lld has no attempt %lld\n", (long long)shown->row.id,
		(long long)number);
	return CLI_NO;
}

/* ---- For programs ---- */

static void
json_header(struct shown *shown, const char *variable, void *to)
{
	struct ledger_json *json = to;
	struct buf name;
	buf_init(&name, SIZE_MAX / 4);
	if (ledger_append_header_name(&name, variable)) {
		ledger_json_open(json, NULL, '{');
		ledger_json_text(json, "name", buf_slice(&name));
		ledger_json_text(json, "value", value_of(variable));
		ledger_json_close(json, '}');
	}
	buf_free(&name);
	(void)shown;
}

static void
json_attempt(struct ledger_json *json, const struct store_attempt *attempt)
{
	ledger_json_open(json, NULL, '{');
	ledger_json_number(json, "number", attempt->number);
	ledger_json_time(json, "started_at", attempt->started_ms);
	ledger_json_number(json, "duration_us", attempt->duration_us);
	ledger_json_text(json, "end", slice_of(attempt->end));
	ledger_json_number(json, "code", attempt->code);
	ledger_json_text(json, "reason", slice_of(attempt->reason));
	ledger_json_text(json, "stdout", attempt->output);
	ledger_json_text(json, "stderr", attempt->error);
	ledger_json_bool(json, "stdout_cut", attempt->output_cut);
	ledger_json_bool(json, "stderr_cut", attempt->error_cut);
	ledger_json_close(json, '}');
}

/* Exactly: as text where it is UTF-8, else in base64. */
static void
json_body(struct ledger_json *json, struct slice body)
{
	struct buf encoded;
	bool utf8 = text_is_utf8(body);
	buf_init(&encoded, SIZE_MAX / 4);
	if (!utf8 && !text_encode(TEXT_BASE64, body.data, body.len, &encoded))
		json->lost = true;
	ledger_json_text(json, "body", utf8 ? body : slice_of(NULL));
	ledger_json_text(json, "body_base64", buf_slice(&encoded));
	buf_free(&encoded);
}

static int
show_json(struct shown *shown)
{
	struct ledger_json json;
	ledger_json_init(&json);
	ledger_json_open(&json, NULL, '{');
	ledger_json_row(&json, &shown->row);
	ledger_json_open(&json, "headers", '[');
	each_variable(shown, json_header, &json);
	ledger_json_close(&json, ']');
	ledger_json_open(&json, "runs", '[');
	for (size_t i = 0; i < shown->tried_count; i++)
		json_attempt(&json, &shown->tried[i].attempt);
	ledger_json_close(&json, ']');
	ledger_json_bool(&json, "body_damaged", shown->damaged);
	json_body(&json, buf_slice(&shown->body));
	ledger_json_close(&json, '}');
	bool printed = ledger_json_print(&json, stdout);
	ledger_json_free(&json);
	return printed ? CLI_DONE : CLI_NO;
}

static int
show(struct shown *shown, const char *const *values, int64_t output)
{
	int result;
	if (values[OPTION_BODY] != NULL)
		result = show_body(shown);
	else if (values[OPTION_HEADERS] != NULL)
		result = show_headers(shown);
	else if (values[OPTION_OUTPUT] != NULL)
		result = show_output(shown, output);
	else if (values[OPTION_JSON] != NULL)
		result = show_json(shown);
	else
		result = show_text(shown);
	fflush(stdout);
	if (!shown->damaged)
		return result;
	fprintf(stderr,
		"hookcgi: THE BODY IS DAMAGED: what event %lld has is not what was accepted; have "
		"the "
		"sender send it again, and check the disk\n",
		(long long)shown->row.id);
	return CLI_NO;
}

static int
run_show(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	int64_t id;
	int64_t output = 0;
	int chosen = 0;
	int count = cli_options(command, argc, argv, show_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count != 1 || !ledger_parse_id(argv[1], &id))
		return cli_usage(command, "show takes the number of one event");
	for (int i = 0; i < OPTION_COUNT; i++)
		chosen += values[i] != NULL;
	if (chosen > 1)
		return cli_usage(command, "show takes one of its options at a time");
	if (values[OPTION_OUTPUT] != NULL && !ledger_parse_id(values[OPTION_OUTPUT], &output))
		return cli_usage(
			command, "--output=%s is no number of an attempt", values[OPTION_OUTPUT]);

	struct ledger ledger;
	struct shown shown;
	int result = ledger_open(config, &ledger);
	shown_init(&shown, &ledger);
	if (result == CLI_DONE)
		result = read_event(&shown, id);
	if (result == CLI_DONE)
		result = show(&shown, values, output);
	shown_free(&shown);
	ledger_close(&ledger);
	return ledger_printed(result);
}

const struct cli_command cli_show = {
	.name = "show",
	.arguments = "ID [--body|--headers|--output N|--json]",
	.summary = "one event whole: its request, what its handler did, its body",
	.help = "  --body      only the body, exactly as it came (to a terminal: escaped)\n"
		"  --headers   only the request's headers, one a line\n"
		"  --output N  only what the handler wrote in attempt N: its standard output to\n"
		"              standard output, its standard error to standard error\n"
		"  --json      all of it as one line; a body that is not UTF-8 as body_base64\n"
		"\n"
		"Exit code 1 when there is no such event, or its body is not what was accepted.\n",
	.run = run_show,
};
