/* cli_sign.c - hookcgi sign and send: be the sender, to test an endpoint
 *
 * Both make what the endpoint's provider would send for a body. The signature
 * is made by the code that verifies it, which proves nothing about the
 * provider: that is what the vectors under tests/vectors are for.
 */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "curl.h"
#include "endpoint.h"
#include "sign.h"
#include "text.h"

#define GIVEN_MAX 16 /* headers that the command line names */
/* Longer than any server lets a waiting handler take. */
#define SEND_TIMEOUT_MS 300000

enum {
	OPTION_EVENT,
	OPTION_ID,
	OPTION_TIME,
	OPTION_URL,
	OPTION_TYPE,
	OPTION_VARIANT,
	OPTION_COUNT
};

static const char *const sign_options[] = {
	[OPTION_EVENT] = "--event=",
	[OPTION_ID] = "--id=",
	[OPTION_TIME] = "--time=",
	[OPTION_URL] = "--url=",
	[OPTION_TYPE] = "--type=",
	[OPTION_VARIANT] = "--variant=",
	[OPTION_COUNT] = NULL,
};

/* One signed request, as far as it has been made. */
struct signing {
	struct config *config;
	const struct config_endpoint *endpoint;
	struct buf body;
	const char *type;             /* media type of the body that was given */
	int64_t time_ms;              /* that it is signed for, since 1970 */
	const char *given[GIVEN_MAX]; /* "Name: value", of the command line */
	size_t given_count;
	struct sign_result made;
};

static void
signing_free(struct signing *signing)
{
	sign_result_free(&signing->made);
	buf_free(&signing->body);
	config_free(signing->config);
}

static struct slice
body_of(const struct signing *signing)
{
	if (signing->made.body != NULL)
		return (struct slice){ signing->made.body, signing->made.body_len };
	return buf_slice(&signing->body);
}

static const char *
type_of(const struct signing *signing)
{
	return signing->made.type != NULL ? signing->made.type : signing->type;
}

/* JSON unless it does not look like it, as message_body() looks at it. */
static const char *
guess_type(struct slice body)
{
	size_t i = 0;
	while (i < body.len && strchr(" \t\r\n", body.data[i]) != NULL)
		i++;
	bool json = i == body.len || body.data[i] == '{' || body.data[i] == '[';
	return json ? "application/json" : "application/x-www-form-urlencoded";
}

/* Take every --header out of the words, which cli_options() would take once. false: usage was printed. */
static bool
take_headers(const struct cli_command *command, int *argc, char **argv, struct signing *out)
{
	static const char option[] = "--header";
	size_t len = strlen(option);
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		const char *value;
		if (strcmp(argv[i], option) == 0 && i + 1 < *argc)
			value = argv[++i];
		else if (strncmp(argv[i], option, len) == 0 && argv[i][len] == '=')
			value = argv[i] + len + 1;
		else {
			argv[kept++] = argv[i];
			continue;
		}
		const char *colon = strchr(value, ':');
		if (colon == NULL || colon == value || strpbrk(value, "\r\n") != NULL ||
			out->given_count == GIVEN_MAX) {
			cli_usage(command, "--header takes \"Name: value\", at most %d times",
				GIVEN_MAX);
			return false;
		}
		out->given[out->given_count++] = value;
	}
	argv[kept] = NULL;
	*argc = kept;
	return true;
}

static char *
variable_of(const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 2;
	char *variable = xmalloc(size);
	snprintf(variable, size, "%s=%s", name, value);
	return variable;
}

/* "Name: value" as a web server hands it on. */
static char *
header_variable(const char *header)
{
	size_t len = strcspn(header, ":");
	char *name = xmemdup0(header, len);
	char *variable_name = message_header_variable(name);
	const char *value = header + len + 1;
	char *variable = variable_of(variable_name, value + strspn(value, " \t"));
	free(variable_name);
	free(name);
	return variable;
}

/* Path and query of a URL, "/" for one without. */
static const char *
target_of(const char *url)
{
	const char *host = strstr(url, "://");
	const char *target = host != NULL ? strpbrk(host + 3, "/?") : NULL;
	return target != NULL ? target : "/";
}

static bool
make_request(struct signing *signing, const char **values)
{
	const struct config_endpoint *endpoint = signing->endpoint;
	/* Who sends may go another way than the sender, who knows only the URL of the configuration. */
	const char *given = values[OPTION_URL] != NULL ? values[OPTION_URL] : endpoint->url;
	/* A fragment is never sent. */
	char *url = given != NULL ? xmemdup0(given, strcspn(given, "#")) : NULL;
	char *variables[GIVEN_MAX + 4] = { NULL };
	size_t count = 0;
	char reason[256];
	struct message message;

	variables[count++] = variable_of("REQUEST_METHOD", "POST");
	variables[count++] = variable_of("CONTENT_TYPE", signing->type);
	if (url != NULL)
		variables[count++] = variable_of("REQUEST_URI", target_of(url));
	for (size_t i = 0; i < signing->given_count; i++)
		variables[count++] = header_variable(signing->given[i]);
	message_init(&message, variables, buf_slice(&signing->body));
	message.url_override = endpoint->url != NULL ? endpoint->url : url;
	message.document = endpoint->provider->document;
	message.event = slice_of(values[OPTION_EVENT]);
	message.id = slice_of(values[OPTION_ID]);
	message.endpoint = slice_of(endpoint->name);
	message.parameters = endpoint->parameters;
	message.parameter_count = endpoint->parameter_count;
	const struct sign_request request = { .provider = endpoint->provider,
		.secrets = endpoint->secrets,
		.secret_count = endpoint->secret_count,
		.variant = values[OPTION_VARIANT],
		.now_ms = signing->time_ms };
	bool done = sign_message(&request, &message, &signing->made, reason);
	message_free(&message);
	free(url);
	while (count > 0)
		free(variables[--count]);
	if (!done)
		fprintf(stderr, "hookcgi: %s\n", reason);
	else if (values[OPTION_VARIANT] == NULL && strcmp(signing->made.scheme, "main") != 0)
		fprintf(stderr, "hookcgi: signed as the variant \"%s\" is\n", signing->made.scheme);
	return done;
}

/* From the words of the command line to a signed request. Returns CLI_DONE or the exit code. */
static int
sign(const struct cli_command *command, int argc, char **argv, const char *config,
	const char **values, struct signing *out)
{
	if (!take_headers(command, &argc, argv, out))
		return CLI_USAGE;
	int count = cli_options(command, argc, argv, sign_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count < 1 || count > 2)
		return cli_usage(
			command, "%s takes an endpoint and at most one file", command->name);
	if (command == &cli_send && values[OPTION_URL] == NULL)
		return cli_usage(command, "send needs --url URL");

	if (!cli_time(values[OPTION_TIME], &out->time_ms))
		return cli_usage(command, "--time=%s is not a number of seconds since 1970",
			values[OPTION_TIME]);

	endpoint_protect();
	out->config = cli_load_config(config, argv[1]);
	if (out->config == NULL)
		return CLI_CONFIG;
	out->endpoint = cli_find_endpoint(out->config, argv[1]);
	if (out->endpoint == NULL ||
		!cli_read(count == 2 ? argv[2] : NULL, out->endpoint->body_limit, &out->body))
		return CLI_NO;
	out->type = values[OPTION_TYPE] != NULL ? values[OPTION_TYPE]
						: guess_type(buf_slice(&out->body));
	if (config_awaits_secret(out->endpoint)) {
		bool subscribes = out->endpoint->provider->subscription != NULL;
		fprintf(stderr, "hookcgi: no secret has been learned yet: %s%s writes %s\n",
			subscribes ? "hookcgi subscribe " : "a handshake",
			subscribes ? out->endpoint->name : "", out->endpoint->learned);
		return CLI_NO;
	}
	return make_request(out, values) ? CLI_DONE : CLI_NO;
}

static int
run_sign(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	struct signing signing = { .config = NULL };
	int result = sign(command, argc, argv, config, values, &signing);
	if (result == CLI_DONE) {
		if (signing.made.query != NULL)
			printf("# add to the URL: ?%s\n", signing.made.query);
		printf("Content-Type: %s\n", type_of(&signing));
		for (size_t i = 0; i < signing.given_count; i++)
			puts(signing.given[i]);
		for (size_t i = 0; i < signing.made.header_count; i++)
			printf("%s: %s\n", signing.made.headers[i].name,
				signing.made.headers[i].value);
		if (signing.made.body != NULL) {
			putchar('\n');
			fwrite(signing.made.body, 1, signing.made.body_len, stdout);
		}
	}
	signing_free(&signing);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

/* The URL with what signing adds to its query. */
static bool
append_url(struct buf *out, const struct signing *signing, const char *url)
{
	size_t len = strcspn(url, "#");
	const char *more = signing->made.query != NULL ? signing->made.query : "";
	struct buf whole;

	buf_init(&whole, 65536 + len);
	bool done = buf_append(&whole, url, len) &&
		    (*more == '\0' ||
			    (buf_append_char(&whole, memchr(url, '?', len) != NULL ? '&' : '?') &&
				    buf_append_text(&whole, more))) &&
		    curl_set(out, "url", buf_text(&whole), "");
	buf_free_secret(&whole);
	return done;
}

/* curl reads its settings from standard input, so that a token is not in its argv. */
static bool
write_settings(
	const struct signing *signing, const char *url, const char *body_path, struct buf *out)
{
	struct buf line;
	bool done = append_url(out, signing, url) && curl_set(out, "data-binary", "@", body_path) &&
		    curl_set(out, "header", "Content-Type: ", type_of(signing)) &&
		    buf_append_text(out, "include\n") &&
		    curl_set(out, "header", "Expect:", ""); /* one answer, no 100 before it */
	for (size_t i = 0; done && i < signing->given_count; i++)
		done = curl_set(out, "header", signing->given[i], "");
	for (size_t i = 0; done && i < signing->made.header_count; i++) {
		buf_init(&line, 65536);
		done = buf_appendf(&line, "%s: ", signing->made.headers[i].name) &&
		       curl_set(out, "header", buf_text(&line), signing->made.headers[i].value);
		buf_free_secret(&line);
	}
	return done;
}

/* What a signal would leave behind. */
static char body_path[] = "/tmp/hookcgi-send-XXXXXX";

static void
remove_body(int signal)
{
	unlink(body_path);
	_exit(128 + signal);
}

static void
remove_body_on_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = remove_body };
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &action, NULL);
}

/* The body in a file of its own; -1: a line was printed. path_out is a template for mkstemp(3). */
static int
write_body(const struct signing *signing, char *path_out)
{
	int fd = mkstemp(path_out);
	struct slice body = body_of(signing);
	size_t written = 0;
	while (fd >= 0 && written < body.len) {
		ssize_t got = write(fd, body.data + written, body.len - written);
		if (got <= 0) {
			close(fd);
			unlink(path_out);
			fd = -1;
		} else {
			written += (size_t)got;
		}
	}
	if (fd < 0)
		perror("hookcgi: a temporary file for the body");
	return fd;
}

/* Run curl with the settings; prints its answer. Returns the exit code of the command. */
static int
show_answer(struct slice settings)
{
	struct run_result result;
	bool good = curl_run(settings, SEND_TIMEOUT_MS, &result);

	if (good) {
		/* "HTTP/1.1 200 OK": the first digit of the status decides. */
		const char *status = strchr(buf_text(&result.output), ' ');
		fwrite(buf_text(&result.output), 1, result.output.len, stdout);
		fwrite(buf_text(&result.error), 1, result.error.len, stderr);
		good = result.end == RUN_EXITED && result.code == 0 && status != NULL &&
		       status[1] == '2';
	}
	run_result_free(&result);
	return good ? CLI_DONE : CLI_NO;
}

static int
send_signed(const struct signing *signing, const char *url)
{
	struct buf settings;
	remove_body_on_signals();
	int fd = write_body(signing, body_path);
	if (fd < 0)
		return CLI_NO;
	close(fd);
	buf_init(&settings, (size_t)1 << 20);
	int result = CLI_NO;
	if (write_settings(signing, url, body_path, &settings))
		result = show_answer(buf_slice(&settings));
	unlink(body_path);
	buf_free_secret(&settings);
	return result;
}

static int
run_send(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	struct signing signing = { .config = NULL };
	int result = sign(command, argc, argv, config, values, &signing);
	if (result == CLI_DONE) {
		cli_compare_url(signing.endpoint, values[OPTION_URL]);
		result = send_signed(&signing, values[OPTION_URL]);
	}
	signing_free(&signing);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

#define OPTION_HELP                                                                         \
	"FILE is the body; - or nothing: standard input. The first secret that fits is\n"   \
	"used.\n"                                                                           \
	"  --event TYPE    the event type, for senders that put it into a header\n"         \
	"  --id ID         the event id, for senders that put it into a header\n"           \
	"  --time S        sign for another time than now (seconds since 1970)\n"           \
	"  --type TYPE     media type of the body; else JSON or a form by its first byte\n" \
	"  --header H      \"Name: value\", one more header; may be repeated\n"             \
	"  --variant NAME  another of the provider's schemes than the first that can be made\n"

const struct cli_command cli_sign = {
	.name = "sign",
	.arguments = "ENDPOINT [FILE] [--event TYPE] [--id ID] [--time S] [--type TYPE] "
		     "[--url URL] [--header H]... [--variant NAME]",
	.summary = "print the headers of a correctly signed request with this body",
	.help = OPTION_HELP
	"  --url URL       for senders that sign the URL, where the endpoint has no url\n"
	"Where the signature lies in the URL, a first line \"# add to the URL: ?...\" says what\n"
	"to add; where it lies in the body, an empty line and the body follow the headers.\n",
	.run = run_sign,
};

const struct cli_command cli_send = {
	.name = "send",
	.arguments = "ENDPOINT [FILE] --url URL [--event TYPE] [--id ID] [--time S] [--type TYPE] "
		     "[--header H]... [--variant NAME]",
	.summary = "send a correctly signed test event and show the answer",
	.help = OPTION_HELP
	"  --url URL       where to: https://example.org/hooks/ENDPOINT\n"
	"Sends what sign prints. A sender that signs the URL signs the endpoint's url, where\n"
	"there is one. Runs curl. Exit code 0 when the answer is 2xx, else 1.\n",
	.run = run_send,
};
