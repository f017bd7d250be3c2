/* envelope.c - what of a request is kept with its event besides the body */
#include "envelope.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "text.h"

static const char *const kept[] = {
	"CONTENT_TYPE",
	"CONTENT_LENGTH",
	"HTTPS",
	"PATH_INFO",
	"QUERY_STRING",
	"REMOTE_ADDR",
	"REQUEST_METHOD",
	"REQUEST_SCHEME",
	"REQUEST_URI",
	"SCRIPT_NAME",
	"SERVER_NAME",
	"SERVER_PORT",
	"SERVER_PROTOCOL",
};

/* Headers that are a secret by themselves, or that programs obey (HTTP_PROXY), or that have a variable of their own. */
static const char *const never_kept[] = {
	"HTTP_AUTHORIZATION",
	"HTTP_CONTENT_LENGTH",
	"HTTP_CONTENT_TYPE",
	"HTTP_COOKIE",
	"HTTP_PROXY",
	"HTTP_PROXY_AUTHORIZATION",
};

static bool
is_named(const char *variable, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text_variable_value(variable, names[i]) != NULL)
			return true;
	return false;
}

/* Does a token travel in a part of this kind; for a header: in this variable? */
static bool
carries_token(const struct provider *provider, enum template_kind kind, const char *variable)
{
	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		if (scheme->method != PROVIDER_TOKEN)
			continue;
		for (size_t k = 0; k < scheme->carrier_count; k++) {
			const struct template *carrier = scheme->carriers[k];
			for (size_t p = 0; p < carrier->count; p++)
				if (carrier->parts[p].kind == kind &&
					(variable == NULL ||
						text_variable_value(variable,
							carrier->parts[p].variable) != NULL))
					return true;
		}
	}
	return false;
}

static bool
is_kept(const struct provider *provider, const char *variable)
{
	if (strncmp(variable, "HTTP_", 5) != 0)
		return is_named(variable, kept, sizeof kept / sizeof kept[0]);
	return !is_named(variable, never_kept, sizeof never_kept / sizeof never_kept[0]) &&
	       !carries_token(provider, TEMPLATE_HEADER, variable);
}

bool
envelope_write(char *const *variables, const struct provider *provider, struct buf *out)
{
	bool no_query = carries_token(provider, TEMPLATE_QUERY, NULL);
	bool fits = true;

	out->max = ENVELOPE_MAX;
	for (; *variables != NULL && fits; variables++) {
		const char *variable = *variables;
		if (!is_kept(provider, variable))
			continue;
		if (no_query && text_variable_value(variable, "QUERY_STRING") != NULL)
			continue;
		bool is_cut = no_query && text_variable_value(variable, "REQUEST_URI") != NULL;
		size_t len = is_cut ? strcspn(variable, "?") : strlen(variable);
		fits = buf_append(out, variable, len) && buf_append_char(out, '\0');
	}
	return fits;
}

char **
envelope_strings(struct buf *envelope)
{
	size_t count = 0;
	for (size_t i = 0; i < envelope->len; i++)
		count += envelope->data[i] == '\0';
	char **strings = xcalloc(count + 1, sizeof *strings);
	char *at = envelope->data;
	for (size_t i = 0; i < count; i++) {
		strings[i] = at;
		at += strlen(at) + 1;
	}
	return strings;
}
