/* config_secret.c - an endpoint's secrets and parameters, from where the configuration says that they are */
#include "config_loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alloc.h"
#include "safety.h"
#include "text.h"

#define SECRET_MAX ((size_t)65536) /* an RSA key in PEM has 800 bytes */
#define SECRETS_MAX 16
#define PARAMETER_MAX 4096 /* bytes of a parameter's value */

/* A value that is being read. */
struct place {
	const struct section *section;
	unsigned line;
	const char *what; /* "the secret", for faults */
};

static bool
is_blank_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (memchr(" \t\r\n\v\f", text[i], 6) == NULL)
			return false;
	}
	return true;
}

/* Editors end a file with a newline; it belongs to no secret. */
static size_t
without_newline(const char *text, size_t len)
{
	if (len == 0 || text[len - 1] != '\n')
		return len;
	return len > 1 && text[len - 2] == '\r' ? len - 2 : len - 1;
}

/* false: reported. */
static bool
read_file(const struct place *place, const char *path, struct config_secret *secret)
{
	struct safety_refusal refusal;
	mode_t mode;
	size_t len = 0;

	safety_refusal_init(&refusal);
	char *text = config_read_file(place->section->loader->config, path, SAFETY_SECRET,
		SECRET_MAX, &len, &mode, &refusal);
	if (text != NULL) {
		secret->len = without_newline(text, len);
		secret->text = xmemdup0(text, secret->len);
		free_secret(text, len);
	} else if (refusal.reason.len > 0) {
		loader_fault(place->section, place->line, "%s cannot be used: %s", place->what,
			buf_text(&refusal.reason));
	} else {
		loader_fault(place->section, place->line, "%s %s %s", place->what, path,
			errno == EFBIG ? "is longer than 64 KiB: name the right file"
				       : "cannot be read: look at the file system");
	}
	safety_refusal_free(&refusal);
	return secret->text != NULL;
}

static bool
read_variable(const struct place *place, const char *name, struct config_secret *secret)
{
	if (safety_is_request_variable(slice_of(name))) {
		loader_fault(place->section, place->line,
			"%s cannot be used: the variable %s is set for each request by the "
			"web server, so that a sender may choose it: set one with another name, or "
			"write \"file:PATH\"",
			place->what, name);
		return false;
	}
	const char *value = name[0] != '\0' && strchr(name, '=') == NULL ? getenv(name) : NULL;
	if (value == NULL) {
		loader_fault(place->section, place->line,
			"%s cannot be used: the environment variable \"%s\" is not set "
			"for this process: set it, or write \"file:PATH\"",
			place->what, name);
		return false;
	}
	secret->text = xstrdup(value);
	secret->len = strlen(value);
	return true;
}

static bool
read_literal(const struct place *place, const char *value, struct config_secret *secret)
{
	const struct loader *loader = place->section->loader;
	if ((loader->mode & S_IROTH) != 0) {
		loader_fault(place->section, place->line,
			"%s stands in this file and others can read it (mode %04o): chmod "
			"640 %s, or move it into a file and write \"file:PATH\"",
			place->what, (unsigned)loader->mode & 07777U, loader->config->path);
		return false;
	}
	secret->text = xstrdup(value);
	secret->len = strlen(value);
	return true;
}

/* Most who write a file's name mean the file. */
static void
warn_of_name(const struct place *place, const char *value)
{
	char *path = loader_path(place->section->loader->config, value);
	struct stat status;
	if (strncmp(value, "env:", 4) != 0 && strncmp(value, "file:", 5) != 0 && *value != '\0' &&
		stat(path, &status) == 0 && S_ISREG(status.st_mode))
		loader_warn(place->section, place->line,
			"%s is taken as it stands here, and there is a file of that name: write "
			"\"file:\" in front of it to mean what the file holds",
			place->what);
	free(path);
}

static void
free_secret_of(struct config_secret *secret)
{
	free_secret(secret->text, secret->len);
	free(secret->source);
}

/* Read one value as it is written; false: reported, and nothing to free. */
static bool
read_value(const struct place *place, const char *value, struct config_secret *out)
{
	struct config_secret secret = { NULL, 0, NULL, NULL };
	bool read;
	if (strncmp(value, "file:", 5) == 0 && value[5] != '\0') {
		char *path = loader_path(place->section->loader->config, value + 5);
		read = read_file(place, path, &secret);
		secret.source = loader_join("file:", "", path);
		free(path);
	} else if (strncmp(value, "file:", 5) == 0) {
		loader_fault(place->section, place->line,
			"\"file:\" names no file: write \"file:PATH\"");
		return false;
	} else if (strncmp(value, "env:", 4) == 0) {
		read = read_variable(place, value + 4, &secret);
		secret.source = xstrdup(value);
	} else {
		read = read_literal(place, value, &secret);
		secret.source = xstrdup("literal");
	}
	if (read)
		*out = secret;
	else
		free_secret_of(&secret);
	return read;
}

/* Keys and certificates have a form of their own, in which blanks around them do not count. */
static bool
is_key_text(struct slice text)
{
	return (text.len > 0 && text.data[0] == '{') ||
	       (text.len > 5 && memcmp(text.data, "-----", 5) == 0);
}

/* What editors and copying leave around a secret counts, and no signature fits then. */
static void
warn_of_frame(const struct place *place, const struct config_secret *secret)
{
	struct slice text = { secret->text, secret->len };
	if (is_key_text(text))
		return;
	char first = text.data[0], last = text.data[text.len - 1];
	if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
		loader_warn(place->section, place->line,
			"the secret (%s) begins with a byte order mark, which counts: save it as "
			"UTF-8 without one",
			secret->source);
	else if (memchr(" \t\r\n", first, 4) != NULL || memchr(" \t\r\n", last, 4) != NULL)
		loader_warn(place->section, place->line,
			"the secret (%s) begins or ends with a blank or an empty line, which "
			"counts: take it out, unless the sender's has it",
			secret->source);
	else if (text.len > 1 && first == last && memchr("\"'", first, 2) != NULL)
		loader_warn(place->section, place->line,
			"the secret (%s) stands in quotes, which count: take them out, unless "
			"the sender's has them",
			secret->source);
}

/* Put the secret, which is taken over, into the endpoint's list. */
static void
add_secret(const struct place *place, struct config_secret *secret, const char *key_id)
{
	struct config_endpoint *endpoint = place->section->endpoint;
	if (is_blank_text(secret->text, secret->len)) {
		loader_fault(place->section, place->line,
			"the secret (%s) is empty, and anybody could sign with it: put in the "
			"sender's, or one from \"hookcgi secret\"",
			secret->source);
		free_secret_of(secret);
		return;
	}
	warn_of_frame(place, secret);
	secret->key_id = key_id != NULL ? xstrdup(key_id) : NULL;
	endpoint->secrets[endpoint->secret_count++] = *secret;
}

static bool
can_learn(const struct provider *provider)
{
	if (provider->subscription != NULL)
		return true;
	for (size_t i = 0; i < provider->handshake_count; i++) {
		if (provider->handshakes[i].learns != NULL)
			return true;
	}
	return false;
}

/* May a handshake make the file? It is not there. */
static void
check_learning(const struct place *place, const char *path)
{
	struct safety_refusal refusal;
	safety_refusal_init(&refusal);
	if (!safety_check_append(path, &refusal)) {
		loader_fault(place->section, place->line,
			"the secret cannot be learned: %s; the best place is beside the store, as "
			"\"learned:/var/lib/hookcgi/%s.secret\"",
			buf_text(&refusal.reason), place->section->endpoint->name);
		config_watch_refused(place->section->loader->config, path, &refusal);
	}
	safety_refusal_free(&refusal);
}

/*
 * "learned:PATH": a file that a handshake makes, a secret's file like any other from then
 * on. It is watched before it is looked for, so that it cannot come in between unseen.
 */
static void
load_learned(const struct place *place, const char *path)
{
	const struct section *section = place->section;
	struct config_endpoint *endpoint = section->endpoint;
	struct config *config = section->loader->config;
	struct config_secret secret = { NULL, 0, NULL, NULL };
	struct safety_refusal nothing;
	struct stat status;

	if (*path == '\0') {
		loader_fault(
			section, place->line, "\"learned:\" names no file: write \"learned:PATH\"");
		return;
	}
	if (endpoint->learned != NULL) {
		loader_fault(section, place->line,
			"a second secret cannot be learned: an endpoint has one \"learned:PATH\", "
			"give the sender another endpoint for another");
		return;
	}
	if (endpoint->provider != NULL && !can_learn(endpoint->provider)) {
		loader_fault(section, place->line,
			"provider \"%s\" has neither a handshake nor an API that brings a secret: "
			"write "
			"\"file:PATH\" and put the sender's into that file",
			endpoint->provider->name);
		return;
	}
	endpoint->learned = loader_path(config, path);
	safety_refusal_init(&nothing);
	config_watch_refused(config, endpoint->learned, &nothing);
	safety_refusal_free(&nothing);
	if (lstat(endpoint->learned, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
		check_learning(place, endpoint->learned);
	} else if (read_file(place, endpoint->learned, &secret)) {
		secret.source = loader_join("learned:", "", endpoint->learned);
		add_secret(place, &secret, NULL);
	}
}

static void
load_secret(const struct place *place, const char *value, const char *key_id)
{
	struct config_secret secret;
	if (strncmp(value, "learned:", 8) != 0) {
		warn_of_name(place, value);
		if (read_value(place, value, &secret))
			add_secret(place, &secret, key_id);
	} else if (key_id != NULL) {
		loader_fault(place->section, place->line,
			"a secret that is learned belongs to no key: write it into the endpoint "
			"itself");
	} else {
		load_learned(place, value + 8);
	}
}

static bool
needs_secret(const struct provider *provider)
{
	for (size_t i = 0; i < provider->scheme_count; i++) {
		if (provider->schemes[i].method != PROVIDER_NONE)
			return true;
	}
	return false;
}

/* How many there are in all; a key block without one is reported. */
static size_t
count_secrets(const struct section *section)
{
	const struct settings_option *keys = settings_find(section->block, "key");
	size_t count = settings_find(section->block, "secret")->count;
	for (size_t i = 0; i < keys->count; i++) {
		const struct settings_block *key = &keys->blocks[i];
		size_t secrets = settings_find(key, "secret")->count;
		if (key->title[0] == '\0')
			loader_fault(section, key->line,
				"key \"\" names no key: write the id that the sender has for it");
		if (secrets == 0)
			loader_fault(section, key->line,
				"key \"%s\" has no secret: write secret = \"file:PATH\" into it",
				key->title);
		count += secrets;
	}
	return count;
}

static void
load_list(const struct section *section, const struct settings_block *block, const char *key_id)
{
	const struct settings_option *given = settings_find(block, "secret");
	for (size_t i = 0; i < given->count; i++) {
		const struct place place = { section, given->lines[i], "the secret" };
		load_secret(&place, given->texts[i], key_id);
	}
}

void
loader_secrets(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const struct settings_option *keys = settings_find(section->block, "key");
	unsigned line = settings_line(section->block, "secret");
	size_t count = count_secrets(section);
	/* A provider with a fault cannot say whether it needs one. */
	if (count == 0 && endpoint->provider != NULL && needs_secret(endpoint->provider))
		loader_fault(section, line,
			"endpoint \"%s\" has no secret: write secret = \"file:PATH\"",
			endpoint->name);
	if (count > 0 && endpoint->provider != NULL && !needs_secret(endpoint->provider))
		loader_warn(section, line,
			"the secret is not used, provider \"%s\" checks no signature: remove it, "
			"or name the sender's provider",
			endpoint->provider->name);
	if (keys->count > 0 && endpoint->provider != NULL && !endpoint->provider->has_key_id)
		loader_fault(section, keys->blocks[0].line,
			"provider \"%s\" does not say which key it signed with (key_id): write the "
			"secret into the endpoint itself",
			endpoint->provider->name);
	if (count > SECRETS_MAX) {
		loader_fault(section, line, "%zu secrets are too many: keep at most %d", count,
			SECRETS_MAX);
		return;
	}
	endpoint->secrets = xcalloc(count, sizeof *endpoint->secrets);
	load_list(section, section->block, NULL);
	for (size_t i = 0; i < keys->count; i++)
		load_list(section, &keys->blocks[i], keys->blocks[i].title);
}

/* Parameters. */

static const struct provider_parameter *
find_parameter(const struct provider *provider, const char *name)
{
	for (size_t i = 0; i < provider->parameter_count; i++) {
		if (strcmp(provider->parameters[i].name, name) == 0)
			return &provider->parameters[i];
	}
	return NULL;
}

static bool
has_parameter(const struct config_endpoint *endpoint, const char *name)
{
	for (size_t i = 0; i < endpoint->parameter_count; i++) {
		if (strcmp(endpoint->parameters[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
report_unknown_parameter(const struct place *place, const char *name)
{
	const struct provider *provider = place->section->endpoint->provider;
	struct buf known;
	buf_init(&known, 1024);
	for (size_t i = 0; i < provider->parameter_count; i++)
		buf_appendf(&known, "%s%s", i > 0 ? ", " : "", provider->parameters[i].name);
	loader_fault(place->section, place->line,
		"parameters: provider \"%s\" has no parameter \"%s\": %s%s", provider->name, name,
		provider->parameter_count > 0 ? "it knows " : "remove it, it knows none",
		buf_text(&known));
	buf_free(&known);
}

/* Is the value one? false: reported. */
static bool
check_value(const struct place *place, const char *name, const struct config_secret *value)
{
	const char *wrong = NULL;
	if (is_blank_text(value->text, value->len))
		wrong = "is empty: write what the sender has for it";
	else if (value->len > PARAMETER_MAX)
		wrong = "is longer than 4 KiB: write what the sender has for it";
	else if (strlen(value->text) != value->len)
		wrong = "holds a zero byte: write it as plain text";
	if (wrong != NULL)
		loader_fault(place->section, place->line, "parameters: %s (%s) %s", name,
			value->source, wrong);
	return wrong == NULL;
}

/* One "NAME=VALUE". */
static void
load_parameter(const struct section *section, const char *text, unsigned line)
{
	struct config_endpoint *endpoint = section->endpoint;
	const char *equals = strchr(text, '=');
	if (equals == NULL || equals == text) {
		loader_fault(section, line,
			"parameters: a name and \"=\" are missing: write \"NAME=VALUE\"");
		return;
	}
	char *name = xmemdup0(text, (size_t)(equals - text));
	char *what = loader_join("the parameter ", "", name);
	const struct place place = { section, line, what };
	struct config_secret value;
	if (endpoint->provider != NULL && find_parameter(endpoint->provider, name) == NULL) {
		report_unknown_parameter(&place, name);
	} else if (has_parameter(endpoint, name)) {
		loader_fault(section, line, "parameters: %s is given twice: remove one", name);
	} else if (read_value(&place, equals + 1, &value)) {
		if (check_value(&place, name, &value))
			endpoint->parameters[endpoint->parameter_count++] =
				(struct message_parameter){ xstrdup(name), xstrdup(value.text) };
		free_secret_of(&value);
	}
	free(what);
	free(name);
}

void
loader_parameters(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const struct settings_option *given = settings_find(section->block, "parameters");
	endpoint->parameters = xcalloc(given->count, sizeof *endpoint->parameters);
	for (size_t i = 0; i < given->count; i++)
		load_parameter(section, given->texts[i], given->lines[i]);
	for (size_t i = 0; endpoint->provider != NULL && i < endpoint->provider->parameter_count;
		i++) {
		const struct provider_parameter *parameter = &endpoint->provider->parameters[i];
		if (parameter->need == PROVIDER_NEED_SCHEME &&
			!has_parameter(endpoint, parameter->name))
			loader_fault(section, settings_line(section->block, "parameters"),
				"provider \"%s\" cannot check a signature without the parameter "
				"%s (in its option %s): write parameters = {\"%s=VALUE\"}",
				endpoint->provider->name, parameter->name, parameter->use,
				parameter->name);
	}
}
