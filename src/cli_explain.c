/* cli_explain.c - hookcgi explain: why a saved request verifies, or where it fails
 *
 * The request goes the way that receive.c sends it, with signature.c telling each
 * step. A saved request is what a proxy, a request bin or curl -v shows: a request
 * line (or none), headers, an empty line, and the body byte for byte.
 */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "endpoint.h"
#include "message.h"
#include "signature.h"
#include "text.h"

#define HEADERS_MAX 200
#define REQUEST_MAX ((size_t)1 << 30)

enum { OPTION_TIME, OPTION_URL, OPTION_COUNT };

static const char *const explain_options[] = {
	[OPTION_TIME] = "--time=",
	[OPTION_URL] = "--url=",
	[OPTION_COUNT] = NULL,
};

/* A saved request as a web server would hand it on. */
struct saved {
	struct buf text;
	char *variables[HEADERS_MAX + 4]; /* NULL-ended */
	size_t variable_count;
	struct slice body;
};

static void
saved_free(struct saved *saved)
{
	for (size_t i = 0; i < saved->variable_count; i++)
		free_secret(saved->variables[i], strlen(saved->variables[i]));
	buf_free_secret(&saved->text);
}

static void
add_variable(struct saved *saved, const char *name, struct slice value)
{
	size_t size = strlen(name) + value.len + 2;
	char *variable = xmalloc(size);
	snprintf(variable, size, "%s=%.*s", name, (int)value.len, value.len > 0 ? value.data : "");
	saved->variables[saved->variable_count++] = variable;
}

/* The next line without its end, which may be CRLF; false: there is none. */
static bool
next_line(struct slice *rest, struct slice *line_out)
{
	if (rest->len == 0)
		return false;
	const char *end = memchr(rest->data, '\n', rest->len);
	size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	*line_out = (struct slice){ rest->data, len };
	if (len > 0 && line_out->data[len - 1] == '\r')
		line_out->len--;
	size_t taken = end != NULL ? len + 1 : len;
	rest->data += taken;
	rest->len -= taken;
	return true;
}

static struct slice
trimmed(struct slice text)
{
	while (text.len > 0 && strchr(" \t", text.data[0]) != NULL) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && strchr(" \t", text.data[text.len - 1]) != NULL)
		text.len--;
	return text;
}

/* "POST /hooks/orders HTTP/1.1" */
static bool
read_request_line(struct saved *saved, struct slice line)
{
	const char *blank = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
	const char *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
	if (blank == NULL || (colon != NULL && colon < blank))
		return false;
	struct slice method = { line.data, (size_t)(blank - line.data) };
	struct slice target = { blank + 1, line.len - method.len - 1 };
	const char *end = target.len > 0 ? memchr(target.data, ' ', target.len) : NULL;
	if (end != NULL)
		target.len = (size_t)(end - target.data);
	add_variable(saved, "REQUEST_METHOD", method);
	add_variable(saved, "REQUEST_URI", target);
	return true;
}

static bool
read_header(struct saved *saved, struct slice line)
{
	const char *colon = memchr(line.data, ':', line.len);
	if (colon == NULL || colon == line.data || saved->variable_count >= HEADERS_MAX)
		return false;
	char *name = xmemdup0(line.data, (size_t)(colon - line.data));
	char *variable = message_header_variable(name);
	struct slice value = { colon + 1, line.len - (size_t)(colon - line.data) - 1 };
	bool type = strcmp(variable, "HTTP_CONTENT_TYPE") == 0;
	bool length = strcmp(variable, "HTTP_CONTENT_LENGTH") == 0;
	add_variable(saved, type || length ? variable + strlen("HTTP_") : variable, trimmed(value));
	free(variable);
	free(name);
	return true;
}

/* Take the text apart. false: a line was printed. */
static bool
saved_read(struct saved *saved, const char *path)
{
	struct slice rest = buf_slice(&saved->text), line = { NULL, 0 };
	unsigned number = 0;
	while (next_line(&rest, &line) && line.len > 0) {
		number++;
		if (number == 1 && read_request_line(saved, line))
			continue;
		if (!read_header(saved, line)) {
			fprintf(stderr,
				"hookcgi: %s:%u: this is no header: write the request line, one "
				"\"Name: value\" a line, an empty line, and the body\n",
				path != NULL ? path : "standard input", number);
			return false;
		}
	}
	saved->body = rest;
	return true;
}

static struct message
saved_message(struct saved *saved)
{
	struct message message;
	message_init(&message, saved->variables, saved->body);
	if (message_variable(&message, "REQUEST_METHOD") == NULL)
		add_variable(saved, "REQUEST_METHOD", slice_of("POST"));
	return message;
}

/* Editors put a line feed behind the last line, and tools cut long bodies: the request's own length tells. */
static void
judge_length(struct saved *saved, struct message *message)
{
	const char *length = message_variable(message, "CONTENT_LENGTH");
	uint64_t said;
	if (length == NULL || !text_parse_number(slice_of(length), REQUEST_MAX, &said))
		return;
	if (saved->body.len > said) {
		printf("  the file holds %zu bytes more than Content-Length says: they are left "
		       "out\n",
			saved->body.len - (size_t)said);
		saved->body.len = (size_t)said;
		message->body = saved->body;
	} else if (saved->body.len < said) {
		printf("  the file holds %zu bytes less than Content-Length says: whatever was "
		       "signed, "
		       "it was not this\n",
			(size_t)said - saved->body.len);
	}
}

static void
print_step(void *context, const char *line)
{
	(void)context;
	printf("    %s\n", line);
}

static void
print_first(const char *label, struct template *const *templates, size_t count,
	struct message *message, struct slice *out)
{
	struct buf value, shown;
	buf_init(&value, 8192);
	buf_init(&shown, 65536);
	enum template_result result = TEMPLATE_ABSENT;
	for (size_t i = 0; i < count && result == TEMPLATE_ABSENT; i++) {
		result = template_text(templates[i], message, &value);
		if (result == TEMPLATE_OK) {
			(void)text_append_escaped(&shown, buf_slice(&value), 200);
			printf("  %s \"%s\", from %s\n", label, buf_text(&shown),
				templates[i]->source);
		}
	}
	if (result != TEMPLATE_OK)
		printf("  %s none%s\n", label,
			count > 0 ? ": nothing of what the provider names is there" : "");
	*out = (struct slice){ xmemdup0(buf_text(&value), value.len), value.len };
	buf_free(&shown);
	buf_free(&value);
}

/* What would be done with it. */
static void
print_event(const struct config_endpoint *endpoint, struct message *message)
{
	const struct provider *provider = endpoint->provider;
	struct slice event, id;
	if (message_body(message) == MESSAGE_BODY_INVALID)
		printf("  the body cannot be read: %s\n", message->reason);
	print_first("event type", provider->events, provider->event_count, message, &event);
	print_first("id", provider->ids, provider->id_count, message, &id);
	const struct config_run *run = config_run_for(endpoint, event);
	if (run == NULL || run->argc == 0)
		puts("  nothing is configured to run for it: answered 200, ignored");
	else
		printf("  it runs %s\n", run->argv[0]->source);
	free((char *)(uintptr_t)event.data);
	free((char *)(uintptr_t)id.data);
}

/* Most who save a request by hand add one. */
static bool
fits_without_line_end(
	const struct verifier *verifier, const struct message *message, int64_t now_ms)
{
	struct signature_report report;
	struct message other;
	struct slice body = message->body;
	if (body.len == 0 || body.data[body.len - 1] != '\n')
		return false;
	body.len -= body.len > 1 && body.data[body.len - 2] == '\r' ? 2 : 1;
	message_init(&other, message->variables, body);
	other.endpoint = message->endpoint;
	other.url_override = message->url_override;
	other.document = message->document;
	bool fits = signature_verify(verifier, &other, now_ms, &report) == SIGNATURE_VALID;
	message_free(&other);
	return fits;
}

static int
explain(const struct config_endpoint *endpoint, struct saved *saved, const char *url,
	int64_t now_ms)
{
	struct message message = saved_message(saved);
	struct signature_report report;
	char reason[256] = "";

	printf("%s %s, %zu bytes of body, for endpoint %s\n",
		message_variable(&message, "REQUEST_METHOD"),
		message_path(&message).data != NULL ? message_variable(&message, "REQUEST_URI")
						    : "(no path)",
		saved->body.len, endpoint->name);
	judge_length(saved, &message);
	message.endpoint = slice_of(endpoint->name);
	message.url_override = url != NULL ? url : endpoint->url;
	message.document = endpoint->provider->document;
	for (size_t i = 0; i < endpoint->secret_count; i++)
		printf("  secret %zu is %s\n", i + 1, endpoint->secrets[i].source);
	printf("  provider %s\n", endpoint->provider->name);
	struct verifier *verifier =
		verifier_new(endpoint->provider, endpoint->secrets, endpoint->secret_count, reason);
	if (verifier == NULL) {
		fprintf(stderr, "hookcgi: endpoint %s: %s\n", endpoint->name, reason);
		message_free(&message);
		return CLI_NO;
	}
	enum signature_result result =
		signature_explain(verifier, &message, now_ms, &report, print_step, NULL);
	if (result == SIGNATURE_WRONG && fits_without_line_end(verifier, &message, now_ms))
		puts("    without the line feed at the end of the file it fits: take that out");
	printf("  %s\n", result == SIGNATURE_VALID ? "verified" : signature_reason(result));
	if (result == SIGNATURE_VALID)
		print_event(endpoint, &message);
	verifier_free(verifier);
	message_free(&message);
	return result == SIGNATURE_VALID ? CLI_DONE : CLI_NO;
}

static int
run_explain(const struct cli_command *command, int argc, char **argv, const char *config_path)
{
	const char *values[OPTION_COUNT] = { NULL };
	struct saved saved = { .variable_count = 0 };
	int64_t now_ms;
	int count = cli_options(command, argc, argv, explain_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count < 1 || count > 2)
		return cli_usage(command, "explain takes an endpoint and at most one file");
	if (!cli_time(values[OPTION_TIME], &now_ms))
		return cli_usage(command, "--time=%s is not a number of seconds since 1970",
			values[OPTION_TIME]);

	endpoint_protect();
	struct config *config = cli_load_config(config_path, argv[1]);
	if (config == NULL)
		return CLI_CONFIG;
	const struct config_endpoint *endpoint = cli_find_endpoint(config, argv[1]);
	const char *path = count == 2 ? argv[2] : NULL;
	int result = CLI_NO;
	if (endpoint != NULL && cli_read(path, REQUEST_MAX, &saved.text)) {
		if (saved_read(&saved, path))
			result = explain(endpoint, &saved, values[OPTION_URL], now_ms);
		saved_free(&saved);
	}
	config_free(config);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

const struct cli_command cli_explain = {
	.name = "explain",
	.arguments = "ENDPOINT [FILE] [--time S] [--url URL]",
	.summary = "say step by step why a saved request verifies, or where it fails",
	.help = "FILE is the request as it came: the request line, headers, an empty line, the\n"
		"body byte for byte; - or nothing: standard input.\n"
		"  --time S      as if it were then (seconds since 1970), for a request of the "
		"past\n"
		"  --url URL     the URL that the sender called, for senders that sign it\n"
		"Shows no secret, and no signature but those that were sent.\n"
		"Exit code 0 when it verifies, else 1.\n",
	.run = run_explain,
};
