/* provider_subscription.c - the options of a sender's API that makes its webhooks */
#include "provider_compiler.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

/* "NAME" and what is behind the separator, as a template. */
static size_t
compile_fields(struct compiler *compiler, const char *option, char *const *texts,
	const char *separator, struct provider_field **out)
{
	size_t count = compile_count(texts), compiled = 0;

	*out = xcalloc(count, sizeof **out);
	for (size_t i = 0; i < count; i++) {
		const char *at = strstr(texts[i], separator);
		struct template *value = NULL;
		if (at == NULL || at == texts[i]) {
			compile_fault(compiler, option,
				"\"%.80s\" has no name: write NAME%sTEMPLATE", texts[i], separator);
			continue;
		}
		value = compile_template(compiler, option, PLACE_CALL, at + strlen(separator));
		if (value == NULL)
			continue;
		(*out)[compiled].name = xmemdup0(texts[i], (size_t)(at - texts[i]));
		(*out)[compiled++].value = value;
	}
	return compiled;
}

static char *
compile_needed(struct compiler *compiler, const char *option, const char *text)
{
	if (text == NULL || *text == '\0') {
		compile_fault(compiler, option, "is missing");
		return NULL;
	}
	return xstrdup(text);
}

void
compile_subscription(struct compiler *compiler, const struct provider_subscription_options *options,
	struct provider *provider)
{
	struct provider_subscription *subscription;

	if (options == NULL)
		return;
	compiler->block = options->label;
	subscription = xcalloc(1, sizeof *subscription);
	provider->subscription = subscription;
	subscription->api = compile_needed(compiler, "api", options->api);
	if (subscription->api != NULL && strncmp(subscription->api, "https://", 8) != 0)
		compile_fault(compiler, "api",
			"\"%.80s\" is not safe for a token: write it with https://",
			subscription->api);
	subscription->secret = compile_needed(compiler, "secret", options->secret);
	subscription->id = compile_needed(compiler, "id", options->id);
	subscription->header_count =
		compile_fields(compiler, "header", options->header, ": ", &subscription->headers);
	subscription->field_count =
		compile_fields(compiler, "form", options->form, "=", &subscription->fields);
	compiler->block = NULL;
}
