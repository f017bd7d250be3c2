/* config_load.c - what a configuration file means: endpoints, handlers, providers
 *
 * settings.c reads the text; here each option gets its meaning and its bounds, and
 * what the file names (programs, folders; secrets in config_secret.c) is looked at. A fault of one
 * endpoint makes that endpoint unusable, any other the whole file; each is
 * reported, and the rest is still read, so that all are seen at once.
 */
#include "config_loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "safety.h"
#include "text.h"

#define FILE_MAX ((size_t)1 << 20)

/* What the file may hold. */

#define TEXT(word) .name = word, .kind = SETTINGS_TEXT
#define LIST(word) .name = word, .kind = SETTINGS_LIST
#define BLOCK(word, options) .name = word, .kind = SETTINGS_BLOCK, .inside = options

/* Where settings_fill() puts it, for provider.c to compile. */
#define IN(type, member) .offset = offsetof(struct type, member)

/* A scheme, in the member of type that is named with its dot, or in type itself. */
/* clang-format off */
#define SCHEME_IN(type, scheme) \
	{ LIST("header"), IN(type, scheme header) }, \
	{ LIST("signature"), IN(type, scheme signature) }, \
	{ TEXT("carriers"), IN(type, scheme carriers) }, \
	{ TEXT("algorithm"), IN(type, scheme algorithm) }, \
	{ TEXT("encoding"), IN(type, scheme encoding) }, \
	{ LIST("format"), IN(type, scheme format) }, \
	{ TEXT("separator"), IN(type, scheme separator) }, \
	{ LIST("signs"), IN(type, scheme signs) }, \
	{ TEXT("prehash"), IN(type, scheme prehash) }, \
	{ LIST("requires"), IN(type, scheme requires) }, \
	{ TEXT("each"), IN(type, scheme each) }, \
	{ TEXT("key_id"), IN(type, scheme key_id) }, \
	{ TEXT("key"), IN(type, scheme key) }, \
	{ TEXT("key_strip"), IN(type, scheme key_strip) }, \
	{ TEXT("key_append"), IN(type, scheme key_append) }, \
	{ TEXT("timestamp"), IN(type, scheme timestamp) }, \
	{ TEXT("timestamp_format"), IN(type, scheme timestamp_format) }, \
	{ TEXT("tolerance"), IN(type, scheme tolerance) }, \
	{ TEXT("future"), IN(type, scheme future) }
/* clang-format on */

static const struct settings_allowed variant_options[] = {
	SCHEME_IN(provider_scheme_options, ),
	{ .name = NULL },
};

static const struct settings_allowed handshake_options[] = {
	{ TEXT("method"), IN(provider_handshake_options, method) },
	{ TEXT("verified"), IN(provider_handshake_options, verified) },
	{ LIST("when"), IN(provider_handshake_options, when) },
	{ TEXT("status"), IN(provider_handshake_options, status) },
	{ TEXT("type"), IN(provider_handshake_options, type) },
	{ TEXT("answer"), IN(provider_handshake_options, answer) },
	{ LIST("answer_header"), IN(provider_handshake_options, answer_header) },
	{ TEXT("challenge"), IN(provider_handshake_options, challenge) },
	{ TEXT("challenge_of"), IN(provider_handshake_options, challenge_of) },
	{ TEXT("challenge_algorithm"), IN(provider_handshake_options, challenge_algorithm) },
	{ TEXT("challenge_encoding"), IN(provider_handshake_options, challenge_encoding) },
	{ TEXT("learns"), IN(provider_handshake_options, learns) },
	{ .name = NULL },
};

static const struct settings_allowed subscription_options[] = {
	{ TEXT("api"), IN(provider_subscription_options, api) },
	{ LIST("header"), IN(provider_subscription_options, header) },
	{ LIST("form"), IN(provider_subscription_options, form) },
	{ TEXT("secret"), IN(provider_subscription_options, secret) },
	{ TEXT("id"), IN(provider_subscription_options, id) },
	{ .name = NULL },
};

static const struct settings_allowed provider_block_options[] = {
	{ TEXT("title"), IN(provider_options, title) },
	{ TEXT("docs"), IN(provider_options, docs) },
	{ TEXT("sure"), IN(provider_options, sure) },
	{ TEXT("rests_on"), IN(provider_options, rests_on) },
	{ TEXT("retry"), IN(provider_options, retry) },
	SCHEME_IN(provider_options, main.),
	{ LIST("event"), IN(provider_options, event) },
	{ LIST("id"), IN(provider_options, id) },
	{ LIST("headers"), IN(provider_options, headers) },
	{ TEXT("dedupe"), IN(provider_options, dedupe) },
	{ TEXT("document"), IN(provider_options, document) },
	{ TEXT("gzip"), IN(provider_options, gzip) },
	{ TEXT("success"), IN(provider_options, success_status) },
	{ TEXT("success_body"), IN(provider_options, success_body) },
	{ TEXT("success_type"), IN(provider_options, success_type) },
	{ TEXT("refusal"), IN(provider_options, refusal) },
	{ BLOCK("variant", variant_options) },
	{ BLOCK("handshake", handshake_options) },
	{ BLOCK("subscription", subscription_options) },
	{ .name = NULL },
};

static const struct settings_allowed on_options[] = { { LIST("run") }, { .name = NULL } };

static const struct settings_allowed key_options[] = { { LIST("secret") }, { .name = NULL } };

static const struct settings_allowed endpoint_options[] = { { TEXT("provider") },
	{ LIST("secret") }, { BLOCK("key", key_options) }, { LIST("parameters") },
	{ TEXT("handshake") }, { LIST("events") }, { LIST("run") }, { TEXT("mode") },
	{ TEXT("timeout") }, { TEXT("grace") }, { TEXT("retries") }, { TEXT("backoff") },
	{ TEXT("concurrency") }, { TEXT("rate") }, { TEXT("queue_limit") }, { TEXT("stdin") },
	{ LIST("env") }, { LIST("headers") }, { TEXT("body_limit") }, { TEXT("dedupe") },
	{ TEXT("reply") }, { TEXT("reply_type") }, { TEXT("directory") }, { TEXT("url") },
	{ BLOCK("on", on_options) }, { .name = NULL } };

static const struct settings_allowed file_options[] = {
	{ TEXT("store") },
	{ TEXT("worker") },
	{ TEXT("runners") },
	{ TEXT("keep") },
	{ TEXT("keep_body") },
	{ TEXT("log") },
	{ TEXT("log_format") },
	{ TEXT("threads") },
	{ TEXT("read_timeout") },
	{ BLOCK("endpoint", endpoint_options), .named = true },
	{ BLOCK("provider", provider_block_options), .named = true },
	{ .name = NULL },
};

/* What a built-in provider's file may hold. */
static const struct settings_allowed builtin_options[] = {
	{ BLOCK("provider", provider_block_options), .named = true },
	{ .name = NULL },
};

/* Faults. */

/* What settings.c finds wrong is the whole text's fault. */
static void
report_settings(void *context, enum settings_severity severity, unsigned line, const char *message)
{
	struct source *source = context;
	bool warning = severity == SETTINGS_WARNING;
	if (!warning)
		source->broken = true;
	config_add_fault(source->config, NULL, warning ? CONFIG_WARNING : CONFIG_FAULT,
		source->label, line, message);
}

/* Options of a section. */

/* Read one of the choices into its number; others are reported as wrong. */
static int
choice_value(
	const struct section *section, const char *name, const char *const *choices, int otherwise)
{
	const char *text = settings_text(section->block, name);
	if (text == NULL)
		return otherwise;
	for (int i = 0; choices[i] != NULL; i++) {
		if (strcmp(text, choices[i]) == 0)
			return i;
	}
	struct buf list;
	buf_init(&list, 256);
	for (int i = 0; choices[i] != NULL; i++)
		buf_appendf(&list, "%s\"%s\"", i == 0 ? "" : " or ", choices[i]);
	loader_fault(section, settings_line(section->block, name),
		"%s = \"%s\" is not known: write %s", name, text, buf_text(&list));
	buf_free(&list);
	return otherwise;
}

/* least and most as their texts, so that the fault can print them. */
static int64_t
duration_value(const struct section *section, const char *name, const char *least, const char *most,
	const char *otherwise)
{
	int64_t value = 0;
	int64_t low = 0;
	int64_t high = 0;
	const char *text = settings_text(section->block, name);
	if (!text_parse_duration(text != NULL ? text : otherwise, &value) ||
		!text_parse_duration(least, &low) || !text_parse_duration(most, &high) ||
		value < low || value > high) {
		loader_fault(section, settings_line(section->block, name),
			"%s = \"%s\" is not a duration from %s to %s: write a number and ms, s, "
			"m, h or d, such as \"%s\"",
			name, text != NULL ? text : otherwise, least, most, otherwise);
		value = low;
	}
	return value;
}

static unsigned
number_value(const struct section *section, const char *name, unsigned least, unsigned most,
	unsigned otherwise)
{
	uint64_t value = 0;
	const char *text = settings_text(section->block, name);
	if (text == NULL)
		return otherwise;
	if (text_parse_number(slice_of(text), most, &value) && value >= least)
		return (unsigned)value;
	loader_fault(section, settings_line(section->block, name),
		"%s = \"%s\" is not a number from %u to %u: write one, such as %u", name, text,
		least, most, otherwise);
	return otherwise;
}

static size_t
size_value(const struct section *section, const char *name, size_t most, const char *most_text,
	size_t otherwise)
{
	size_t value = 0;
	const char *text = settings_text(section->block, name);
	if (text == NULL)
		return otherwise;
	if (text_parse_size(text, &value) && value >= 1 && value <= most)
		return value;
	loader_fault(section, settings_line(section->block, name),
		"%s = \"%s\" is not a size from 1 to %s: write a number with or without K, M or "
		"G, such as \"1M\"",
		name, text, most_text);
	return otherwise;
}

/* Providers. */

/* A provider's block being compiled. */
struct provider_section {
	struct source *source;
	const struct settings_block *block;
	struct config_endpoint *endpoint; /* that names it, or NULL */
};

/* provider.c knows variants and handshakes by their titles only. */
static const struct settings_block *
find_provider_block(const struct settings_block *provider, const char *title, const char *option)
{
	if (title == NULL)
		return provider;
	const struct settings_block *variant = settings_find_block(provider, "variant", title);
	const struct settings_block *handshake = settings_find_block(provider, "handshake", title);
	const struct settings_block *subscription =
		settings_find_block(provider, "subscription", title);
	if (subscription != NULL && settings_find(subscription, option) != NULL)
		return subscription;
	if (handshake != NULL && (variant == NULL || settings_find(handshake, option) != NULL))
		return handshake;
	return variant != NULL ? variant : provider;
}

static void
report_provider(void *context, const char *title, const char *option, const char *message)
{
	const struct provider_section *section = context;
	const struct source *source = section->source;
	const struct settings_block *block = find_provider_block(section->block, title, option);
	bool inner = block != section->block;
	char *text = NULL;
	if (asprintf(&text, "provider \"%s\"%s%s%s%s%s: %s: %s", section->block->title,
		    inner ? ", " : "", inner ? block->name : "", inner ? " \"" : "",
		    inner ? title : "", inner ? "\"" : "", option, message) == -1)
		text = xstrdup(message);
	config_add_fault(source->config, section->endpoint, CONFIG_FAULT, source->label,
		settings_line(block, option), text);
	free(text);
}

/* NULL: there were faults; each is reported and disables the endpoint. */
static struct provider *
compile_provider(
	struct source *source, const struct settings_block *block, struct config_endpoint *endpoint)
{
	const struct settings_option *variant = settings_find(block, "variant");
	const struct settings_option *handshake = settings_find(block, "handshake");
	struct provider_scheme_options *variants = xcalloc(variant->count, sizeof *variants);
	struct provider_handshake_options *handshakes =
		xcalloc(handshake->count, sizeof *handshakes);
	for (size_t i = 0; i < variant->count; i++) {
		variants[i].label = variant->blocks[i].title;
		settings_fill(&variant->blocks[i], &variants[i]);
	}
	for (size_t i = 0; i < handshake->count; i++) {
		handshakes[i].label = handshake->blocks[i].title;
		settings_fill(&handshake->blocks[i], &handshakes[i]);
	}
	struct provider_options options = { .name = block->title,
		.variants = variants,
		.variant_count = variant->count,
		.handshakes = handshakes,
		.handshake_count = handshake->count };
	settings_fill(block, &options);
	const struct settings_option *given = settings_find(block, "subscription");
	struct provider_subscription_options subscription = { .label = NULL };
	if (given->count > 0) {
		subscription.label = given->blocks[0].title;
		settings_fill(&given->blocks[0], &subscription);
		options.subscription = &subscription;
	}

	struct provider_section section = { source, block, endpoint };
	struct provider *provider = provider_compile(&options, report_provider, &section);
	free(handshakes);
	free(variants);
	return provider;
}

/* The same of a built-in one. */
static struct provider *
compile_builtin(
	struct config *config, const char *name, const char *text, struct config_endpoint *endpoint)
{
	char label[96];
	snprintf(label, sizeof label, "built-in provider %s", name);
	struct source source = { .config = config, .label = label };
	struct settings_block *root =
		settings_parse(text, builtin_options, report_settings, &source);
	const struct settings_block *block =
		root == NULL || source.broken ? NULL : settings_find_block(root, "provider", name);
	struct provider *provider = NULL;
	if (block != NULL)
		provider = compile_provider(&source, block, endpoint);
	else if (endpoint != NULL)
		config_add_fault(config, endpoint, CONFIG_FAULT, label, 0, "cannot be read");
	settings_free(root);
	return provider;
}

static void
report_unknown_provider(const struct section *section, const char *name)
{
	struct buf close;
	buf_init(&close, 1024);
	const struct settings_option *own = settings_find(section->loader->root, "provider");
	for (size_t i = 0; i < own->count; i++) {
		if (settings_is_slip(slice_of(name), own->blocks[i].title))
			buf_appendf(&close, "%s\"%s\"", close.len > 0 ? ", " : "",
				own->blocks[i].title);
	}
	const char *builtin;
	for (size_t i = 0; (builtin = provider_builtin_name(i)) != NULL; i++) {
		if (settings_is_slip(slice_of(name), builtin))
			buf_appendf(&close, "%s\"%s\"", close.len > 0 ? ", " : "", builtin);
	}
	loader_fault(section, settings_line(section->block, "provider"),
		"there is no provider \"%s\"%s%s%s: \"hookcgi provider\" lists those that are "
		"built in; one of your own needs a block provider \"%s\" { … }",
		name, close.len > 0 ? " (did you mean " : "", buf_text(&close),
		close.len > 0 ? "?)" : "", name);
	buf_free(&close);
}

/* The file's own blocks come first, so that a built-in one can be changed. */
static void
load_provider(const struct section *section)
{
	struct loader *loader = section->loader;
	struct config_endpoint *endpoint = section->endpoint;
	const char *name = settings_text(section->block, "provider");
	if (name == NULL) {
		loader_fault(section, settings_line(section->block, "provider"),
			"endpoint \"%s\" has no provider: write provider = \"NAME\" (\"hookcgi "
			"provider\" lists them)",
			endpoint->name);
		return;
	}
	const struct settings_block *own = settings_find_block(loader->root, "provider", name);
	const char *builtin = text_is_name(slice_of(name)) ? provider_builtin(name) : NULL;
	if (own != NULL)
		endpoint->provider = compile_provider(&loader->source, own, endpoint);
	else if (builtin != NULL)
		endpoint->provider = compile_builtin(loader->config, name, builtin, endpoint);
	else
		report_unknown_provider(section, name);
}

struct provider *
config_builtin_provider(const char *name, char reason_out[256])
{
	const char *text = provider_builtin(name);
	if (text == NULL) {
		snprintf(reason_out, 256, "there is no built-in provider of that name");
		return NULL;
	}
	struct config *config = xcalloc(1, sizeof *config);
	struct provider *provider = compile_builtin(config, name, text, NULL);
	if (provider == NULL) {
		const struct config_fault *first = config->faults;
		snprintf(reason_out, 256, "%s:%u: %s", first != NULL ? first->file : name,
			first != NULL ? first->line : 0,
			first != NULL ? first->message : "cannot be read");
	}
	config_free(config);
	return provider;
}

static void
load_events(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const struct settings_option *given = settings_find(section->block, "events");
	if (given->count == 0 && given->line != 0)
		loader_fault(section, given->line,
			"events is empty and nothing would be wanted: write events = {\"*\"} or "
			"remove it");
	endpoint->events = xcalloc(given->count + 1, sizeof *endpoint->events);
	for (size_t i = 0; i < given->count; i++) {
		const char *pattern = given->texts[i];
		const char *wrong = config_pattern_fault(pattern);
		if (wrong != NULL)
			loader_fault(
				section, given->lines[i], "the pattern \"%s\" %s", pattern, wrong);
		endpoint->events[endpoint->event_count++] = xstrdup(pattern);
	}
	if (given->count == 0)
		endpoint->events[endpoint->event_count++] = xstrdup("*");
}

/* What is run. */

/* NULL: reported. */
static struct template *
parse_template(const struct section *section, unsigned line, const char *what, const char *text)
{
	char reason[256];
	struct template *template = template_parse(text, reason);
	if (template == NULL) {
		loader_fault(section, line, "%s: %s", what, reason);
		return NULL;
	}
	/* What is secret, or known only while a signature is checked. */
	static const enum template_kind withheld[] = { TEMPLATE_SECRET, TEMPLATE_SIGNATURE,
		TEMPLATE_PARAMETER, TEMPLATE_CLAIM, TEMPLATE_ITEM, TEMPLATE_KEY_ID,
		TEMPLATE_DIGEST };
	for (size_t i = 0; i < sizeof withheld / sizeof withheld[0]; i++) {
		if (!template_refers(template, withheld[i]))
			continue;
		loader_fault(section, line, "%s: %s is not given to handlers: remove it", what,
			template_kind_name(withheld[i]));
		template_free(template);
		return NULL;
	}
	return template;
}

/* A template that stands for exactly this text. */
static struct template *
literal_template(const char *text)
{
	char reason[256];
	size_t len = 0;
	char *escaped = xmalloc(2 * strlen(text) + 1);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '{' || *c == '}')
			escaped[len++] = *c;
		escaped[len++] = *c;
	}
	escaped[len] = '\0';
	struct template *template = template_parse(escaped, reason);
	free(escaped);
	return template;
}

/* What cannot run now may be put right before an event comes: it is tried again
 * then. What others can write is never run. */
static void
check_program(
	const struct section *section, unsigned line, const char *path, struct config_run *run)
{
	struct safety_refusal refusal;
	safety_refusal_init(&refusal);
	switch (safety_check_program(path, &refusal)) {
	case SAFETY_PROGRAM_FINE:
		if (safety_check_start(path, &refusal))
			break;
		/* fallthrough */
	case SAFETY_PROGRAM_ABSENT:
		loader_warn(section, line, "this handler cannot run: %s%s",
			buf_text(&refusal.reason),
			strchr(path, ' ') != NULL ? " (its arguments are strings of their own: run "
						    "= {\"/path/to/it\", "
						    "\"--option\"})"
						  : "");
		run->cannot_run = xstrdup(buf_text(&refusal.reason));
		break;
	case SAFETY_PROGRAM_UNSAFE:
		config_watch_refused(section->loader->config, path, &refusal);
		loader_fault(section, line, "this handler is not safe to run: %s",
			buf_text(&refusal.reason));
		break;
	}
	safety_refusal_free(&refusal);
}

/* NULL: reported. */
static struct template *
load_program(
	const struct section *section, unsigned line, const char *program, struct config_run *run)
{
	if (strchr(program, '/') == NULL || strpbrk(program, "{}") != NULL) {
		const char *name = strpbrk(program, "{}/") == NULL ? program : "program";
		loader_fault(section, line,
			"run = {\"%s\", …}: the program has to be a fixed path with a slash: "
			"write \"/path/to/%.*s\" or \"./NAME\" (beside this file)",
			program, (int)strcspn(name, " "), name);
		return NULL;
	}
	char *path = loader_path(section->loader->config, program);
	check_program(section, line, path, run);
	struct template *template = literal_template(path);
	if (template == NULL)
		loader_fault(section, line, "the path %s is too long: shorten it", path);
	free(path);
	return template;
}

/* The option "run" of an endpoint or an "on" block; events says which it is for. */
static void
load_run(const struct section *section, const char *events, struct config_run *run)
{
	const struct settings_option *given = settings_find(section->block, "run");
	if (given->line == 0)
		loader_warn(section, section->block->line,
			"nothing is run for %s of endpoint \"%s\", they are answered 200 "
			"\"ignored\": write run = {\"/path/to/program\"}, or run = {} if that is "
			"meant",
			events, section->endpoint->name);
	if (given->count == 0)
		return;
	run->argv = xcalloc(given->count, sizeof(struct template *));
	for (size_t i = 0; i < given->count; i++) {
		struct template *argument =
			i == 0 ? load_program(section, given->lines[i], given->texts[i], run)
			       : parse_template(section, given->lines[i], "run", given->texts[i]);
		if (argument != NULL)
			run->argv[run->argc++] = argument;
		else if (i == 0)
			return;
	}
}

static void
load_rules(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const struct settings_option *given = settings_find(section->block, "on");
	endpoint->rules = xcalloc(given->count, sizeof *endpoint->rules);
	for (size_t i = 0; i < given->count; i++) {
		const struct settings_block *block = &given->blocks[i];
		const struct section rule = { section->loader, block, endpoint };
		const char *wrong = config_pattern_fault(block->title);
		if (wrong != NULL)
			loader_fault(
				section, block->line, "the pattern \"%s\" %s", block->title, wrong);
		struct config_run *run = &endpoint->rules[endpoint->rule_count++];
		run->pattern = xstrdup(block->title);
		load_run(&rule, "these events", run);
	}
}

/*
 * Names that make a program run or load something else, before its first own
 * line or when it starts another: search paths, start-up files and options of
 * shells, interpreters and the dynamic linker, and what a handler is given
 * anyway. A value may come from the sender. TZ, LANG and LC_* only choose among
 * what is installed, and may be set. "*" at the end stands for any rest.
 */
static const char *const obeyed_names[] = { "HOOK_*", "PATH", "HOME", "IFS", "ENV", "BASH_ENV",
	"BASHOPTS", "SHELLOPTS", "SHELL", "PS4", "CDPATH", "GLOBIGNORE", "FPATH", "ZDOTDIR", "LD_*",
	"DYLD_*", "GCONV_PATH", "LOCPATH", "NLSPATH", "MALLOC_*", "GLIBC_TUNABLES", "HOSTALIASES",
	"PERL*", "PYTHON*", "RUBY*", "GEM_*", "BUNDLE_*", "NODE_*", "LUA_*", "PHPRC", "PHP_INI_*",
	"JAVA_*", "JDK_*", "CLASSPATH", "TCLLIBPATH", "GIT_*", "SSH_*", "EDITOR", "VISUAL", "PAGER",
	"LESSOPEN", "LESSCLOSE", "MANPAGER", "BROWSER", "OPENSSL_CONF", "OPENSSL_MODULES",
	"SSL_CERT_*", "CURL_HOME", "XDG_*", "HTTP_*", "HTTPS_PROXY", "ALL_PROXY", NULL };

static bool
is_obeyed(const char *name)
{
	for (size_t i = 0; obeyed_names[i] != NULL; i++) {
		if (config_pattern_matches(obeyed_names[i], slice_of(name)))
			return true;
	}
	return false;
}

static bool
is_variable_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	if (*name == '\0' || strchr(letters, *name) == NULL)
		return false;
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")] == '\0';
}

static bool
has_variable(const struct config_endpoint *endpoint, const char *name)
{
	for (size_t i = 0; i < endpoint->env_count; i++) {
		if (strcmp(endpoint->env[i].name, name) == 0)
			return true;
	}
	return false;
}

/* One "NAME=TEMPLATE". */
static void
load_variable(const struct section *section, const char *text, unsigned line)
{
	struct config_endpoint *endpoint = section->endpoint;
	const char *equals = strchr(text, '=');
	if (equals == NULL) {
		loader_fault(section, line, "env: \"%s\" has no \"=\": write \"NAME=VALUE\"", text);
		return;
	}
	char *name = xmemdup0(text, (size_t)(equals - text));
	struct template *value = NULL;
	if (!is_variable_name(name))
		loader_fault(section, line,
			"env: \"%s\" cannot be a name: write A-Z, 0-9 and _, the first no digit",
			name);
	else if (is_obeyed(name))
		loader_fault(section, line,
			"env: %s is obeyed by programs or set by hookcgi itself, a sender's text "
			"must not be in it: take another name",
			name);
	else if (has_variable(endpoint, name))
		loader_fault(section, line, "env: %s is given twice: remove one", name);
	else
		value = parse_template(section, line, "env", equals + 1);
	if (value == NULL) {
		free(name);
		return;
	}
	endpoint->env[endpoint->env_count++] = (struct config_env){ name, value };
}

static void
load_env(const struct section *section)
{
	const struct settings_option *given = settings_find(section->block, "env");
	section->endpoint->env = xcalloc(given->count, sizeof *section->endpoint->env);
	for (size_t i = 0; i < given->count; i++)
		load_variable(section, given->texts[i], given->lines[i]);
}

/* Endpoints. */

/* RFC 9110 5.6.2 */
static const char token_bytes[] = "!#$%&'*+-.^_`|~0123456789"
				  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static void
load_headers(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const struct settings_option *given = settings_find(section->block, "headers");
	endpoint->headers = xcalloc(given->count, sizeof *endpoint->headers);
	for (size_t i = 0; i < given->count; i++) {
		const char *name = given->texts[i];
		if (*name == '\0' || name[strspn(name, token_bytes)] != '\0')
			loader_fault(section, given->lines[i],
				"\"%s\" cannot be the name of a header: write one such as "
				"\"X-Request-Id\"",
				name);
		endpoint->headers[endpoint->header_count++] = xstrdup(name);
	}
}

/* type/subtype, and parameters of printable ASCII (RFC 9110 8.3.1). */
static bool
is_media_type(const char *text)
{
	size_t type = strspn(text, token_bytes);
	if (type == 0 || text[type] != '/' || strlen(text) > 200)
		return false;
	const char *rest = text + type + 1;
	size_t subtype = strspn(rest, token_bytes);
	if (subtype == 0 || (rest[subtype] != '\0' && rest[subtype] != ';' && rest[subtype] != ' '))
		return false;
	for (rest += subtype; *rest != '\0'; rest++) {
		if (*rest < ' ' || *rest > '~')
			return false;
	}
	return true;
}

static void
load_reply(const struct section *section)
{
	static const char *const kinds[] = { "output", "none", NULL };
	struct config_endpoint *endpoint = section->endpoint;
	const char *type = settings_text(section->block, "reply_type");
	endpoint->reply =
		(enum config_reply)choice_value(section, "reply", kinds, CONFIG_REPLY_OUTPUT);
	endpoint->reply_type = xstrdup(type != NULL ? type : "text/plain; charset=utf-8");
	if (!is_media_type(endpoint->reply_type))
		loader_fault(section, settings_line(section->block, "reply_type"),
			"reply_type = \"%s\" is not a media type: write one such as "
			"\"application/json\"",
			type);
}

static bool
signs_url(const struct provider *provider)
{
	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		for (size_t j = 0; j < scheme->signs_count; j++) {
			if (template_refers(scheme->signs[j], TEMPLATE_URL))
				return true;
		}
	}
	return false;
}

/* What a proxy in front leaves of host and scheme is another URL than the one that was signed. */
static void
load_url(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const char *url = settings_text(section->block, "url");
	if (url == NULL && endpoint->provider != NULL && signs_url(endpoint->provider))
		loader_warn(section, section->block->line,
			"provider \"%s\" signs the URL that it calls, which is now put together "
			"from "
			"each request: write url = \"https://HOST/PATH\" as it stands at the "
			"sender",
			endpoint->provider->name);
	if (url == NULL)
		return;
	endpoint->url = xstrdup(url);
	bool plain = true;
	for (const char *c = endpoint->url; *c != '\0'; c++)
		plain = plain && *c > ' ' && *c != '\177';
	if (!plain || (strncmp(endpoint->url, "https://", 8) != 0 &&
			      strncmp(endpoint->url, "http://", 7) != 0))
		loader_fault(section, settings_line(section->block, "url"),
			"url = \"%s\" is not a web address: write it as it stands at the sender, "
			"\"https://HOST/PATH\"",
			endpoint->url);
}

static void
mark_run(struct config_run *run, const char *cannot_run)
{
	if (run->argc > 0 && run->cannot_run == NULL)
		run->cannot_run = xstrdup(cannot_run);
}

/* Behind what is run: without its directory none of that can. */
static void
load_directory(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const char *path = settings_text(section->block, "directory");
	struct stat status;
	if (path == NULL)
		return;
	endpoint->directory = loader_path(section->loader->config, path);
	if (stat(endpoint->directory, &status) == 0 && S_ISDIR(status.st_mode))
		return;
	char *reason = loader_join("the handler's directory ", endpoint->directory,
		" is not there: create it or correct the path");
	loader_warn(section, settings_line(section->block, "directory"), "%s", reason);
	mark_run(&endpoint->run, reason);
	for (size_t i = 0; i < endpoint->rule_count; i++)
		mark_run(&endpoint->rules[i], reason);
	free(reason);
}

static void
load_mode(const struct section *section)
{
	static const char *const modes[] = { "wait", "queue", NULL };
	bool stored = section->loader->config->store != NULL;
	section->endpoint->mode = (enum config_mode)choice_value(
		section, "mode", modes, stored ? CONFIG_MODE_QUEUE : CONFIG_MODE_WAIT);
	if (section->endpoint->mode == CONFIG_MODE_QUEUE && !stored)
		loader_fault(section, settings_line(section->block, "mode"),
			"mode = \"queue\" needs a store: name one (store = \"sqlite:PATH\") or "
			"write mode = \"wait\"");
}

/* "100/m": so many requests in a second, minute, hour or day. */
static void
load_rate(const struct section *section)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	const char *text = settings_text(section->block, "rate");
	const char *slash = text != NULL ? strchr(text, '/') : NULL;
	uint64_t count = 0;
	if (text == NULL || strcmp(text, "none") == 0)
		return;
	if (slash != NULL &&
		text_parse_number(
			(struct slice){ text, (size_t)(slash - text) }, 1000000, &count) &&
		count > 0) {
		for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
			if (strcmp(slash + 1, units[i].unit) == 0) {
				section->endpoint->rate = (unsigned)count;
				section->endpoint->rate_ms = units[i].ms;
				return;
			}
	}
	loader_fault(section, settings_line(section->block, "rate"),
		"rate = \"%s\" is not a number of requests in a time: write \"10/s\", \"100/m\", "
		"\"1000/h\" or \"none\"",
		text);
}

static void
load_limits(const struct section *section)
{
	static const char *const inputs[] = { "json", "raw", "none", NULL };
	static const char *const dedupes[] = { "id", "body", "off", NULL };
	struct config_endpoint *endpoint = section->endpoint;
	endpoint->timeout_ms = duration_value(section, "timeout", "1s", "1h", "30s");
	endpoint->grace_ms = duration_value(section, "grace", "0", "5m", "5s");
	endpoint->backoff_ms = duration_value(section, "backoff", "1s", "1d", "10s");
	endpoint->retries = number_value(section, "retries", 0, 1000, 8);
	endpoint->concurrency = number_value(section, "concurrency", 1, 1000, 1);
	endpoint->queue_limit = number_value(section, "queue_limit", 1, 100000000, 100000);
	load_rate(section);
	endpoint->body_limit =
		size_value(section, "body_limit", (size_t)1 << 30, "1G", (size_t)1 << 20);
	endpoint->stdin_kind =
		(enum config_stdin)choice_value(section, "stdin", inputs, CONFIG_STDIN_JSON);
	endpoint->dedupe = (enum provider_dedupe)choice_value(section, "dedupe", dedupes,
		endpoint->provider != NULL ? (int)endpoint->provider->dedupe : PROVIDER_DEDUPE_ID);
}

static void
load_handshake(const struct section *section)
{
	static const char *const kinds[] = { "signed", "open", NULL };
	section->endpoint->handshake_open = choice_value(section, "handshake", kinds, 0) == 1;
}

static void
load_endpoint(struct loader *loader, const struct settings_block *block)
{
	struct config *config = loader->config;
	config->endpoints = xreallocarray(
		config->endpoints, config->endpoint_count + 1, sizeof *config->endpoints);
	struct config_endpoint *endpoint = &config->endpoints[config->endpoint_count++];
	memset(endpoint, 0, sizeof *endpoint);
	endpoint->name = xstrdup(block->title);
	endpoint->line = block->line;

	const struct section section = { loader, block, endpoint };
	load_provider(&section);
	loader_secrets(&section);
	loader_parameters(&section);
	load_handshake(&section);
	load_events(&section);
	load_run(&section,
		settings_find(block, "on")->count > 0 ? "the other events" : "the events",
		&endpoint->run);
	load_rules(&section);
	load_env(&section);
	load_headers(&section);
	load_directory(&section);
	load_url(&section);
	load_mode(&section);
	load_reply(&section);
	load_limits(&section);
}

static int
compare_endpoints(const void *a, const void *b)
{
	return strcmp(((const struct config_endpoint *)a)->name,
		((const struct config_endpoint *)b)->name);
}

static void
load_endpoints(struct loader *loader, const char *only)
{
	struct config *config = loader->config;
	const struct settings_option *given = settings_find(loader->root, "endpoint");
	for (size_t i = 0; i < given->count; i++) {
		if (only == NULL || strcmp(only, given->blocks[i].title) == 0)
			load_endpoint(loader, &given->blocks[i]);
	}
	if (config->endpoint_count > 1)
		qsort(config->endpoints, config->endpoint_count, sizeof *config->endpoints,
			compare_endpoints);
}

/* Blocks that no endpoint names are checked too: they are written to be used. */
static void
check_providers(struct loader *loader)
{
	const struct settings_option *given = settings_find(loader->root, "provider");
	for (size_t i = 0; i < given->count; i++)
		provider_free(compile_provider(&loader->source, &given->blocks[i], NULL));
}

/* The file. */

/* Only a warning: the log that was open before serves as well. Where the way to the
 * file is missing, its coming means load again, and so open the log. */
static void
check_log(const struct section *section, const char *path)
{
	struct safety_refusal refusal;
	safety_refusal_init(&refusal);
	if (!safety_check_append(path, &refusal)) {
		loader_warn(section, settings_line(section->block, "log"),
			"this log cannot be written: %s", buf_text(&refusal.reason));
		if (access(path, F_OK) != 0)
			config_watch_refused(section->loader->config, path, &refusal);
	}
	safety_refusal_free(&refusal);
}

static void
load_log(const struct section *section)
{
	static const char *const formats[] = { "text", "json", NULL };
	struct config *config = section->loader->config;
	const char *log = settings_text(section->block, "log");
	config->log_json = choice_value(section, "log_format", formats, 0) == 1;
	if (log != NULL && strncmp(log, "file:", 5) == 0 && log[5] != '\0') {
		char *path = loader_path(section->loader->config, log + 5);
		config->log = loader_join("file:", "", path);
		check_log(section, path);
		free(path);
		return;
	}
	config->log = xstrdup(log != NULL ? log : "stderr");
	if (strcmp(config->log, "stderr") != 0 && strcmp(config->log, "syslog") != 0)
		loader_fault(section, settings_line(section->block, "log"),
			"log = \"%s\" is not known: write \"stderr\", \"syslog\" or \"file:PATH\"",
			config->log);
}

/* Where events are kept when the file does not say: for the system's configuration where
 * systems keep such data, else in a folder beside the file. */
static char *
default_store(const struct config *config)
{
	if (strncmp(config->path, "/etc/", 5) == 0)
		return xstrdup("/var/lib/hookcgi/hookcgi.db");
	return loader_path(config, "data/hookcgi.db");
}

static void
load_store(const struct section *section)
{
	static const char *const workers[] = { "auto", "off", NULL };
	struct config *config = section->loader->config;
	const char *store = settings_text(section->block, "store");
	if (store == NULL)
		config->store = default_store(config);
	else if (strncmp(store, "sqlite:", 7) == 0 && store[7] != '\0')
		config->store = loader_path(config, store + 7);
	else if (strcmp(store, "none") != 0)
		loader_fault(section, settings_line(section->block, "store"),
			"store = \"%s\" is not known: write \"sqlite:PATH\" or \"none\"", store);
	config->worker_auto = choice_value(section, "worker", workers, 0) == 0;
	config->runners = number_value(section, "runners", 1, 64, 8);
	config->keep_ms = duration_value(section, "keep", "1h", "3650d", "30d");
	config->keep_body_ms = duration_value(section, "keep_body", "0", "3650d", "7d");
}

static void
load_top(struct loader *loader)
{
	struct config *config = loader->config;
	const struct section section = { loader, loader->root, NULL };
	load_store(&section);
	load_log(&section);
	config->threads = number_value(&section, "threads", 1, 512, 64);
	config->read_timeout_ms = duration_value(&section, "read_timeout", "1s", "10m", "20s");
}

/* Read the file into loader->root, which stays NULL when it is not usable. */
static void
read_file(struct loader *loader)
{
	const struct section whole = { loader, NULL, NULL };
	struct safety_refusal refusal;
	size_t len = 0;

	safety_refusal_init(&refusal);
	char *text = config_read_file(loader->config, loader->config->path, SAFETY_TEXT, FILE_MAX,
		&len, &loader->mode, &refusal);
	char *missing = text == NULL ? config_missing_fault(loader->config->path) : NULL;
	if (missing != NULL)
		loader_fault(&whole, 0, "%s", missing);
	else if (text == NULL && refusal.reason.len > 0)
		loader_fault(&whole, 0, "the configuration cannot be used: %s",
			buf_text(&refusal.reason));
	else if (text == NULL)
		loader_fault(&whole, 0, "the configuration cannot be read: %s",
			errno == EFBIG ? "it is longer than 1 MiB" : strerror(errno));
	else if (strlen(text) != len)
		loader_fault(&whole, 0,
			"there is a zero byte in the configuration: write it as plain text "
			"(UTF-8)");
	else
		loader->root = settings_parse(text, file_options, report_settings, &loader->source);
	free(missing);
	free_secret(text, len);
	safety_refusal_free(&refusal);
}

/* So that a process that goes elsewhere still finds its files. */
static char *
path_from_here(const char *path)
{
	char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *absolute = here == NULL ? xstrdup(path) : loader_join(here, "/", path);
	free(here);
	return absolute;
}

struct config *
config_load(const char *path, const char *only, bool *usable_out)
{
	struct config *config = xcalloc(1, sizeof *config);
	config->path = path_from_here(path);
	struct loader loader = { .config = config,
		.source = { .config = config, .label = config->path } };

	read_file(&loader);
	if (loader.root != NULL) {
		load_top(&loader);
		load_endpoints(&loader, only);
		if (only == NULL)
			check_providers(&loader);
	}
	*usable_out = loader.root != NULL && !loader.source.broken;
	settings_free(loader.root);
	return config;
}
