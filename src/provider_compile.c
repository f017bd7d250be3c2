/* provider_compile.c - a provider's options become schemes, templates and handshakes */
#include "provider_compiler.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "text.h"

static void
compile_headers(struct compiler *compiler, char *const *headers, struct provider *provider)
{
	size_t count = compile_count(headers);

	provider->headers = xcalloc(count, sizeof *provider->headers);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(headers[i]);
		if (len == 0 || len != strspn(headers[i], "abcdefghijklmnopqrstuvwxyz"
							  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
							  "0123456789-_."))
			compile_fault(compiler, "headers",
				"\"%.40s\" is not the name of a header: write letters, digits, - "
				"and _",
				headers[i]);
		else
			provider->headers[provider->header_count++] = xstrdup(headers[i]);
	}
}

static void
add_body_name(struct provider *provider, struct slice name)
{
	for (size_t i = 0; i < provider->body_name_count; i++)
		if (slice_is(name, provider->body_names[i]))
			return;
	provider->body_names = xreallocarray(
		provider->body_names, provider->body_name_count + 1, sizeof *provider->body_names);
	provider->body_names[provider->body_name_count++] = xmemdup0(name.data, name.len);
}

static void
collect_body_names(struct provider *provider, struct template *const *templates, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < templates[i]->count; j++) {
			const struct template_part *part = &templates[i]->parts[j];
			if (part->kind == TEMPLATE_BODY_FIELD)
				add_body_name(provider, template_first_name(part->text));
			if (part->kind != TEMPLATE_KEY)
				continue;
			for (const char *name = part->text; *name != '\0';) {
				size_t len = strcspn(name, "|");
				add_body_name(provider, (struct slice){ name, len });
				name += len + (name[len] == '|');
			}
		}
	}
}

static void
compile_dedupe(struct compiler *compiler, const char *text, struct provider *provider)
{
	static const char *const names[] = { [PROVIDER_DEDUPE_ID] = "id",
		[PROVIDER_DEDUPE_BODY] = "body",
		[PROVIDER_DEDUPE_OFF] = "off" };

	for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(text, names[i]) == 0) {
			provider->dedupe = (enum provider_dedupe)i;
			return;
		}
	}
	if (text != NULL)
		compile_fault(
			compiler, "dedupe", "\"%.40s\" is not known: write id, body or off", text);
}

static void
compile_gzip(struct compiler *compiler, const char *text, struct provider *provider)
{
	if (text == NULL)
		return;
	if (strcmp(text, "signed") == 0)
		provider->gzip = PROVIDER_GZIP_SIGNED;
	else if (strcmp(text, "plain") == 0)
		provider->gzip = PROVIDER_GZIP_PLAIN;
	else
		compile_fault(compiler, "gzip",
			"\"%.40s\" is not known: write signed where the compressed bytes are "
			"signed, plain where what they hold is",
			text);
}

static void
compile_success_body(struct compiler *compiler, const struct provider_options *options,
	struct provider *provider)
{
	const char *type = options->success_type != NULL ? options->success_type : "text/plain";
	const char *body = options->success_body;
	char reason[256];

	if (body != NULL)
		provider->success_body = *body == '\0' ? template_parse("", reason)
						       : compile_template(compiler, "success_body",
								 PLACE_SUCCESS, body);
	if (options->success_type != NULL && body == NULL)
		compile_fault(compiler, "success_body", "is missing: write what is of this type");
	if (!compile_is_one_of(type, "text/plain", "application/json") &&
		strcmp(type, "text/xml") != 0)
		compile_fault(compiler, "success_type",
			"\"%.40s\" is not allowed: write text/plain, application/json or text/xml",
			type);
	/* A JSON string is escaped, and a browser runs no script in plain text. */
	if (strcmp(type, "text/xml") == 0 && provider->success_body != NULL &&
		(provider->success_body->count > 1 ||
			(provider->success_body->count == 1 &&
				provider->success_body->parts[0].kind != TEMPLATE_LITERAL)))
		compile_fault(compiler, "success_body",
			"holds a reference, which is not escaped in XML: write fixed text");
	provider->success_type =
		xstrdup(strcmp(type, "text/plain") == 0 ? "text/plain; charset=utf-8" : type);
}

struct provider *
provider_compile(
	const struct provider_options *options, provider_fault *fault_function, void *context)
{
	struct provider *provider = xcalloc(1, sizeof *provider);
	struct compiler compiler = {
		.fault = fault_function, .context = context, .provider = provider
	};

	if (options->name == NULL || !text_is_name(slice_of(options->name)))
		compile_fault(&compiler, "name",
			"\"%.80s\" is not a name: write at most 64 small letters, digits, - and _",
			options->name != NULL ? options->name : "");
	if (options->docs != NULL && strncmp(options->docs, "https://", 8) != 0 &&
		strncmp(options->docs, "http://", 7) != 0)
		compile_fault(&compiler, "docs", "\"%.80s\" is not a link: write it with https://",
			options->docs);
	provider->name = compile_copy(options->name);
	provider->title = compile_copy(options->title);
	provider->docs = compile_copy(options->docs);
	if (options->sure != NULL && !compile_is_one_of(options->sure, "sdk", "document") &&
		!compile_is_one_of(options->sure, "third-party", "memory"))
		compile_fault(&compiler, "sure",
			"\"%.40s\" is not known: write sdk, document, third-party or memory",
			options->sure);
	provider->sure = compile_copy(options->sure);
	provider->rests_on = compile_copy(options->rests_on);
	provider->retry = compile_copy(options->retry);
	compile_schemes(&compiler, options, provider);
	provider->event_count = compile_list(
		&compiler, "event", PLACE_FACT, options->event, false, &provider->events);
	provider->id_count =
		compile_list(&compiler, "id", PLACE_FACT, options->id, true, &provider->ids);
	compile_headers(&compiler, options->headers, provider);
	compile_handshakes(&compiler, options, provider);
	compile_subscription(&compiler, options->subscription, provider);
	provider->success_status =
		compile_status(&compiler, "success", options->success_status, 200, 299, 200);
	provider->refusal_status =
		compile_status(&compiler, "refusal", options->refusal, 400, 499, 401);
	compile_success_body(&compiler, options, provider);
	provider->document = compile_copy(options->document);
	compile_gzip(&compiler, options->gzip, provider);
	compile_dedupe(&compiler, options->dedupe, provider);
	compile_forget_told(&compiler);
	if (compiler.failed) {
		provider_free(provider);
		return NULL;
	}
	compile_judgement(provider);
	collect_body_names(provider, provider->events, provider->event_count);
	collect_body_names(provider, provider->ids, provider->id_count);
	return provider;
}
