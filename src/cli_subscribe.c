/* cli_subscribe.c - hookcgi subscribe, subscription, unsubscribe: a webhook made at its sender
 *
 * What a sender's API looks like is data in its provider's file (a subscription block). The
 * order is: room for the secret, then the webhook, then the secret on disk, then a word
 * about it. A webhook whose secret could not be kept is removed again.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "curl.h"
#include "endpoint.h"
#include "json.h"
#include "learn.h"
#include "message.h"
#include "text.h"

#define TIMEOUT_MS 60000
#define SETTINGS_MAX ((size_t)1 << 20)
#define TOKEN_MAX 65536
#define ID_MAX 512

enum { OPTION_URL, OPTION_TOKEN_FILE, OPTION_DESCRIPTION, OPTION_API, OPTION_COUNT };

static const char *const subscribe_options[] = {
	[OPTION_URL] = "--url=",
	[OPTION_TOKEN_FILE] = "--token-file=",
	[OPTION_DESCRIPTION] = "--description=",
	[OPTION_API] = "--api=",
	[OPTION_COUNT] = NULL,
};

/* One call of a sender's API on its way. */
struct calling {
	struct config *config;
	const struct config_endpoint *endpoint;
	const struct provider_subscription *subscription;
	const char *api;
	struct buf token;
	struct message_parameter parameters[2]; /* token, description */
	struct message message;                 /* that the templates are expanded with */
	char *id_path;                          /* beside the secret: the webhook's id */
	/* The answer */
	unsigned status;
	struct run_result result;
	struct slice body; /* in result */
};

static void
calling_free(struct calling *calling)
{
	message_free(&calling->message);
	run_result_free(&calling->result);
	buf_free_secret(&calling->token);
	free(calling->id_path);
	config_free(calling->config);
}

/* From --token-file or HOOKCGI_TOKEN, without the line feed at its end. false: a line was printed. */
static bool
read_token(struct calling *calling, const char *file)
{
	const char *environment = getenv("HOOKCGI_TOKEN");
	struct buf *token = &calling->token;
	if (file != NULL) {
		if (!cli_read(file, TOKEN_MAX, token))
			return false;
	} else if (environment != NULL) {
		buf_init(token, TOKEN_MAX);
		if (!buf_append_text(token, environment))
			return false;
	}
	while (token->len > 0 && strchr("\r\n", token->data[token->len - 1]) != NULL)
		token->data[--token->len] = '\0';
	if (token->len > 0 && strlen(token->data) == token->len)
		return true;
	fputs("hookcgi: the sender's API wants a token: name a file with --token-file, or set "
	      "HOOKCGI_TOKEN\n",
		stderr);
	return false;
}

/* Plain HTTP is for tests on this host: everything else would show the token to the network. */
static bool
is_safe_api(const char *api)
{
	return strncmp(api, "https://", 8) == 0 || strncmp(api, "http://127.0.0.1:", 17) == 0 ||
	       strncmp(api, "http://[::1]:", 13) == 0;
}

/* What all three commands begin with. Returns CLI_DONE or the exit code, a line printed. */
static int
begin(const struct cli_command *command, int argc, char **argv, const char *config,
	const char **values, struct calling *calling)
{
	int count = cli_options(command, argc, argv, subscribe_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count != 1)
		return cli_usage(command, "%s takes one endpoint", command->name);
	run_result_init(&calling->result);
	endpoint_protect();
	calling->config = cli_load_config(config, argv[1]);
	if (calling->config == NULL)
		return CLI_CONFIG;
	calling->endpoint = cli_find_endpoint(calling->config, argv[1]);
	if (calling->endpoint == NULL)
		return CLI_NO;
	calling->subscription = calling->endpoint->provider->subscription;
	if (calling->subscription == NULL) {
		fprintf(stderr,
			"hookcgi: the file of provider %s does not say how to make a webhook "
			"there: "
			"make it by hand, and put the secret into the endpoint\n",
			calling->endpoint->provider->name);
		return CLI_NO;
	}
	if (calling->endpoint->learned == NULL) {
		fprintf(stderr,
			"hookcgi: endpoint %s has no place for the secret: write secret = "
			"\"learned:%s.secret\"\n",
			calling->endpoint->name, calling->endpoint->name);
		return CLI_NO;
	}
	calling->api = values[OPTION_API] != NULL ? values[OPTION_API] : calling->subscription->api;
	if (!is_safe_api(calling->api))
		return cli_usage(command, "%s is not https://", calling->api);
	if (asprintf(&calling->id_path, "%s.id", calling->endpoint->learned) < 0)
		calling->id_path = NULL;
	if (calling->id_path == NULL || !read_token(calling, values[OPTION_TOKEN_FILE]))
		return CLI_NO;
	static char token[] = "token", description[] = "description", no_description[] = "hookcgi";
	static char *no_variables[] = { NULL };
	calling->parameters[0] = (struct message_parameter){ token, calling->token.data };
	calling->parameters[1] = (struct message_parameter){ description,
		values[OPTION_DESCRIPTION] != NULL ? (char *)(uintptr_t)values[OPTION_DESCRIPTION]
						   : no_description };
	message_init(&calling->message, no_variables, slice_of(""));
	calling->message.url_override = values[OPTION_URL];
	calling->message.endpoint = slice_of(calling->endpoint->name);
	calling->message.parameters = calling->parameters;
	calling->message.parameter_count = 2;
	return CLI_DONE;
}

/* Append name = "PREFIX" and what the template stands for, as a setting of curl's. */
static bool
set_expanded(struct calling *calling, struct buf *settings, const char *name, const char *prefix,
	const struct template *template)
{
	struct buf text;
	buf_init(&text, TOKEN_MAX);
	bool done = template_text(template, &calling->message, &text) == TEMPLATE_OK &&
		    strlen(buf_text(&text)) == text.len &&
		    curl_set(settings, name, prefix, buf_text(&text));
	buf_free_secret(&text);
	return done;
}

/* Ask the API; the answer is in calling. false: a line was printed. */
static bool
call(struct calling *calling, const char *method, const char *id)
{
	const struct provider_subscription *subscription = calling->subscription;
	struct buf settings, url;
	buf_init(&settings, SETTINGS_MAX);
	buf_init(&url, 8192);
	bool posts = strcmp(method, "POST") == 0;
	bool done = buf_appendf(&url, "%s%s%s", calling->api, id != NULL ? "/" : "",
			    id != NULL ? id : "") &&
		    curl_set(&settings, "url", buf_text(&url), "") &&
		    curl_set(&settings, "request", method, "") &&
		    curl_set(&settings, "header", "Accept: application/json", "") &&
		    curl_set(&settings, "write-out", "\n%{http_code}", "") &&
		    curl_set(&settings, "max-redirs", "0", "");
	for (size_t i = 0; done && i < subscription->header_count; i++) {
		char prefix[256];
		snprintf(prefix, sizeof prefix, "%s: ", subscription->headers[i].name);
		done = set_expanded(
			calling, &settings, "header", prefix, subscription->headers[i].value);
	}
	for (size_t i = 0; done && posts && i < subscription->field_count; i++) {
		char prefix[256];
		snprintf(prefix, sizeof prefix, "%s=", subscription->fields[i].name);
		done = set_expanded(calling, &settings, "data-urlencode", prefix,
			subscription->fields[i].value);
	}
	if (!done)
		fputs("hookcgi: the request cannot be put together: is --url given?\n", stderr);
	else
		done = curl_run(buf_slice(&settings), TIMEOUT_MS, &calling->result);
	buf_free_secret(&settings);
	buf_free(&url);
	if (!done)
		return false;
	/* Behind the body, as write-out has it. */
	const struct buf *output = &calling->result.output;
	const char *line = output->len > 0 ? memrchr(output->data, '\n', output->len) : NULL;
	uint64_t status = 0;
	if (line == NULL || !text_parse_number(slice_of(line + 1), 999, &status) || status == 0) {
		fprintf(stderr, "hookcgi: no answer from %s: %.*s", calling->api,
			(int)calling->result.error.len, buf_text(&calling->result.error));
		return false;
	}
	calling->status = (unsigned)status;
	calling->body = (struct slice){ output->data, (size_t)(line - output->data) };
	return true;
}

/* The answer was no success: say so, with how it begins. */
static int
refused(const struct calling *calling, const char *what)
{
	struct buf shown;
	buf_init(&shown, 4096);
	(void)text_append_escaped(&shown, calling->body, 500);
	fprintf(stderr, "hookcgi: %s: %s answered %u: %s\n", what, calling->api, calling->status,
		buf_text(&shown));
	buf_free(&shown);
	return CLI_NO;
}

static bool
succeeded(const struct calling *calling)
{
	return calling->status >= 200 && calling->status <= 299;
}

/* The text of a field of the answer; the caller frees. NULL: not there. */
static char *
field_of(const struct leaves *leaves, const char *path)
{
	struct leaf leaf;
	if (path == NULL || !leaves_find(leaves, slice_of(path), &leaf) || leaf.value.len == 0 ||
		memchr(leaf.value.data, '\0', leaf.value.len) != NULL)
		return NULL;
	return xmemdup0(leaf.value.data, leaf.value.len);
}

/* What may be in a URL's path as it is. */
static bool
is_plain_id(const char *id)
{
	return *id != '\0' && strlen(id) <= ID_MAX &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") ==
		       strlen(id);
}

/* Keep secret and id of the answer, which is a success. */
static int
keep(struct calling *calling)
{
	const struct provider_subscription *subscription = calling->subscription;
	const char *path = calling->endpoint->learned;
	char reason[LEARN_REASON_MAX] = "the answer is no JSON";
	struct leaves *leaves = leaves_new();
	bool read = json_parse(calling->body, leaves, NULL) == JSON_OK, kept = false;
	char *secret = read ? field_of(leaves, subscription->secret) : NULL;
	char *id = read ? field_of(leaves, subscription->id) : NULL;
	leaves_free(leaves);
	if (id != NULL && !is_plain_id(id)) {
		free(id);
		id = NULL;
	}
	if (read && (secret == NULL || id == NULL))
		snprintf(reason, sizeof reason, "the answer lacks %s or %s", subscription->secret,
			subscription->id);
	/* The id first: with it the webhook can be removed whatever happens to the secret. */
	if (secret != NULL && id != NULL)
		kept = learn_secret(calling->id_path, slice_of(id), reason) == LEARN_DONE &&
		       learn_secret(path, slice_of(secret), reason) == LEARN_DONE;
	if (secret != NULL)
		free_secret(secret, strlen(secret));
	if (kept) {
		printf("webhook %s is made; its secret is in %s\n", id, path);
		free(id);
		return CLI_DONE;
	}
	fprintf(stderr, "hookcgi: the webhook was made, but its secret cannot be kept: %s\n",
		reason);
	if (id != NULL) {
		run_result_free(&calling->result);
		if (call(calling, "DELETE", id) && succeeded(calling)) {
			fputs("hookcgi: it was removed again\n", stderr);
			unlink(calling->id_path);
		} else {
			fprintf(stderr,
				"hookcgi: and it could not be removed: webhook %s is left "
				"at the sender\n",
				id);
		}
	}
	free(id);
	return CLI_NO;
}

static bool
exists(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0 || errno != ENOENT;
}

static int
subscribe(struct calling *calling, const char *url)
{
	const char *const paths[] = { calling->endpoint->learned, calling->id_path };
	for (size_t i = 0; i < 2; i++) {
		if (!exists(paths[i]))
			continue;
		fprintf(stderr,
			"hookcgi: %s is there already: hookcgi unsubscribe %s removes webhook and "
			"secret\n",
			paths[i], calling->endpoint->name);
		return CLI_NO;
	}
	cli_compare_url(calling->endpoint, url);
	if (!call(calling, "POST", NULL))
		return CLI_NO;
	return succeeded(calling) ? keep(calling) : refused(calling, "no webhook was made");
}

static int
run_subscribe(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	struct calling calling = { .config = NULL };
	int result = begin(command, argc, argv, config, values, &calling);
	if (result == CLI_DONE && values[OPTION_URL] == NULL)
		result = cli_usage(
			command, "subscribe needs --url URL, which the sender is to call");
	if (result == CLI_DONE)
		result = subscribe(&calling, values[OPTION_URL]);
	calling_free(&calling);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

/* The id that was kept; the caller frees. NULL: a line was printed. */
static char *
read_id(const struct calling *calling)
{
	struct buf text;
	if (!exists(calling->id_path)) {
		fprintf(stderr,
			"hookcgi: endpoint %s has no webhook that was made here (%s is not "
			"there)\n",
			calling->endpoint->name, calling->id_path);
		return NULL;
	}
	if (!cli_read(calling->id_path, ID_MAX + 2, &text))
		return NULL;
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	char *id = buf_take(&text);
	if (id != NULL && is_plain_id(id))
		return id;
	fprintf(stderr, "hookcgi: %s holds no id\n", calling->id_path);
	free(id);
	return NULL;
}

/* Each field of the answer, but the secret only by whether it is ours. */
static void
print_answer(const struct calling *calling)
{
	struct leaves *leaves = leaves_new();
	const struct config_endpoint *endpoint = calling->endpoint;
	struct buf path, shown;
	struct leaf leaf;
	size_t cursor = 0;
	buf_init(&path, 4096);
	buf_init(&shown, 65536);
	bool read = json_parse(calling->body, leaves, NULL) == JSON_OK;
	while (read && leaves_next(leaves, &cursor, &path, &leaf)) {
		buf_clear(&shown);
		if (strcmp(buf_text(&path), calling->subscription->secret) == 0) {
			bool same =
				endpoint->secret_count > 0 &&
				crypto_equal(leaf.value, (struct slice){ endpoint->secrets[0].text,
								 endpoint->secrets[0].len });
			(void)buf_append_text(&shown, same ? "(the one that is kept here)"
							   : "(NOT the one that is kept here)");
		} else {
			(void)text_append_escaped(&shown, leaf.value, 1000);
		}
		printf("%s = %s\n", buf_text(&path), buf_text(&shown));
	}
	buf_free(&shown);
	buf_free(&path);
	leaves_free(leaves);
}

static int
show(struct calling *calling, const char *id)
{
	if (!call(calling, "GET", id))
		return CLI_NO;
	if (!succeeded(calling))
		return refused(calling, "the webhook cannot be shown");
	print_answer(calling);
	return CLI_DONE;
}

static int
unsubscribe(struct calling *calling, const char *id)
{
	if (!call(calling, "DELETE", id))
		return CLI_NO;
	/* Gone already is as good. */
	if (!succeeded(calling) && calling->status != 404 && calling->status != 410)
		return refused(calling, "the webhook is still there");
	/* The secret first: while the id is there this can be tried again. */
	if ((unlink(calling->endpoint->learned) != 0 && errno != ENOENT) ||
		unlink(calling->id_path) != 0) {
		fprintf(stderr,
			"hookcgi: webhook %s is removed, but not the files of its secret: %s\n", id,
			strerror(errno));
		return CLI_NO;
	}
	printf("webhook %s is removed, and its secret\n", id);
	return CLI_DONE;
}

/* Do something with the webhook that was made here. */
static int
run_with_id(const struct cli_command *command, int argc, char **argv, const char *config,
	int (*act)(struct calling *calling, const char *id))
{
	const char *values[OPTION_COUNT] = { NULL };
	struct calling calling = { .config = NULL };
	char *id = NULL;
	int result = begin(command, argc, argv, config, values, &calling);
	if (result == CLI_DONE && (id = read_id(&calling)) == NULL)
		result = CLI_NO;
	if (result == CLI_DONE)
		result = act(&calling, id);
	free(id);
	calling_free(&calling);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

static int
run_subscription(const struct cli_command *command, int argc, char **argv, const char *config)
{
	return run_with_id(command, argc, argv, config, show);
}

static int
run_unsubscribe(const struct cli_command *command, int argc, char **argv, const char *config)
{
	return run_with_id(command, argc, argv, config, unsubscribe);
}

#define API_HELP                                                                         \
	"  --token-file FILE  the token of the sender's API; else HOOKCGI_TOKEN is it\n" \
	"  --api URL          another address of the API, as a sandbox has\n"            \
	"Runs curl. "

const struct cli_command cli_subscribe = {
	.name = "subscribe",
	.arguments = "ENDPOINT --url URL [--description TEXT] [--token-file FILE] [--api URL]",
	.summary = "make the webhook at the sender, and keep the secret that it answers with",
	.help = "  --url URL          what the sender is to call: "
		"https://example.org/hooks/ENDPOINT\n"
		"  --description TEXT what the sender shows it as; default hookcgi\n" API_HELP
		"The endpoint says secret = \"learned:PATH\": the secret is written there,\n"
		"readable for you alone, and the webhook's id beside it (PATH.id).\n",
	.run = run_subscribe,
};

const struct cli_command cli_subscription = {
	.name = "subscription",
	.arguments = "ENDPOINT [--token-file FILE] [--api URL]",
	.summary = "show the webhook that subscribe made, as the sender has it",
	.help = API_HELP "The secret is compared with the one that is kept, and not shown.\n",
	.run = run_subscription,
};

const struct cli_command cli_unsubscribe = {
	.name = "unsubscribe",
	.arguments = "ENDPOINT [--token-file FILE] [--api URL]",
	.summary = "remove the webhook at the sender, and then its secret here",
	.help = API_HELP "\n",
	.run = run_unsubscribe,
};
