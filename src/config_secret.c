/* config_secret.c - an endpoint's secrets, from where the configuration says that they are */
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
read_secret_file(const struct section *section, const char *path, unsigned line,
	struct config_secret *secret)
{
	struct safety_refusal refusal;
	mode_t mode;
	size_t len = 0;

	safety_refusal_init(&refusal);
	char *text = config_read_file(
		section->loader->config, path, SAFETY_SECRET, SECRET_MAX, &len, &mode, &refusal);
	if (text != NULL) {
		secret->len = without_newline(text, len);
		secret->text = xmemdup0(text, secret->len);
		free_secret(text, len);
	} else if (refusal.reason.len > 0) {
		loader_fault(
			section, line, "the secret cannot be used: %s", buf_text(&refusal.reason));
	} else {
		loader_fault(section, line, "the secret %s %s", path,
			errno == EFBIG ? "is longer than 64 KiB: name the right file"
				       : "cannot be read: look at the file system");
	}
	safety_refusal_free(&refusal);
	return secret->text != NULL;
}

static bool
read_secret_variable(const struct section *section, const char *name, unsigned line,
	struct config_secret *secret)
{
	if (safety_is_request_variable(slice_of(name))) {
		loader_fault(section, line,
			"the secret cannot be used: the variable %s is set for each request by the "
			"web server, so that a sender may choose it: set one with another name, or "
			"write \"file:PATH\"",
			name);
		return false;
	}
	const char *value = name[0] != '\0' && strchr(name, '=') == NULL ? getenv(name) : NULL;
	if (value == NULL) {
		loader_fault(section, line,
			"the secret cannot be used: the environment variable \"%s\" is not set "
			"for this process: set it, or write \"file:PATH\"",
			name);
		return false;
	}
	secret->text = xstrdup(value);
	secret->len = strlen(value);
	return true;
}

static bool
read_secret_literal(const struct section *section, const char *value, unsigned line,
	struct config_secret *secret)
{
	const struct loader *loader = section->loader;
	if ((loader->mode & S_IROTH) != 0) {
		loader_fault(section, line,
			"a secret stands in this file and others can read it (mode %04o): chmod "
			"640 %s, or move the secret into a file and write \"file:PATH\"",
			(unsigned)loader->mode & 07777U, loader->config->path);
		return false;
	}
	secret->text = xstrdup(value);
	secret->len = strlen(value);
	return true;
}

static void
free_secret_of(struct config_secret *secret)
{
	free_secret(secret->text, secret->len);
	free(secret->source);
}

/* Read one secret as it is written; false: reported, and nothing to free. */
static bool
read_secret(
	const struct section *section, const char *value, unsigned line, struct config_secret *out)
{
	struct config_secret secret = { NULL, 0, NULL, NULL };
	bool read;
	if (strncmp(value, "file:", 5) == 0 && value[5] != '\0') {
		char *path = loader_path(section->loader->config, value + 5);
		read = read_secret_file(section, path, line, &secret);
		secret.source = loader_join("file:", "", path);
		free(path);
	} else if (strncmp(value, "file:", 5) == 0) {
		loader_fault(section, line, "\"file:\" names no file: write \"file:PATH\"");
		return false;
	} else if (strncmp(value, "env:", 4) == 0) {
		read = read_secret_variable(section, value + 4, line, &secret);
		secret.source = xstrdup(value);
	} else {
		read = read_secret_literal(section, value, line, &secret);
		secret.source = xstrdup("literal");
	}
	if (read && is_blank_text(secret.text, secret.len)) {
		loader_fault(section, line,
			"the secret (%s) is empty, and anybody could sign with it: put in the "
			"sender's, or one from \"hookcgi secret\"",
			secret.source);
		read = false;
	}
	if (read)
		*out = secret;
	else
		free_secret_of(&secret);
	return read;
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

void
loader_secrets(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const struct settings_option *given = settings_find(section->block, "secret");
	unsigned line = settings_line(section->block, "secret");
	/* A provider with a fault cannot say whether it needs one. */
	if (given->count == 0 && endpoint->provider != NULL && needs_secret(endpoint->provider))
		loader_fault(section, line,
			"endpoint \"%s\" has no secret: write secret = \"file:PATH\"",
			endpoint->name);
	if (given->count > 0 && endpoint->provider != NULL && !needs_secret(endpoint->provider))
		loader_warn(section, line,
			"the secret is not used, provider \"%s\" checks no signature: remove it, "
			"or name the sender's provider",
			endpoint->provider->name);
	if (given->count > SECRETS_MAX) {
		loader_fault(section, line, "%zu secrets are too many: keep at most %d",
			given->count, SECRETS_MAX);
		return;
	}
	endpoint->secrets = xcalloc(given->count, sizeof *endpoint->secrets);
	for (size_t i = 0; i < given->count; i++) {
		if (read_secret(section, given->texts[i], given->lines[i],
			    &endpoint->secrets[endpoint->secret_count]))
			endpoint->secret_count++;
	}
}
