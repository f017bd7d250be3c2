/* provider_handshake.c - the options of a handshake */
#include "provider_compiler.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "text.h"

static void
compile_conditions(struct compiler *compiler, char *const *when, struct provider_handshake *out)
{
	size_t count = compile_count(when);

	out->when = xcalloc(count, sizeof *out->when);
	out->equals = xcalloc(count, sizeof *out->equals);
	for (size_t i = 0; i < count; i++) {
		const char *equals = compile_equals_sign(when[i]);
		char *source = equals != NULL ? xmemdup0(when[i], (size_t)(equals - when[i]))
					      : xstrdup(when[i]);
		struct template *template = compile_reference(compiler, "when", PLACE_FACT, source);
		if (template != NULL) {
			out->when[out->when_count] = template;
			out->equals[out->when_count] = equals != NULL ? xstrdup(equals + 1) : NULL;
			out->when_count++;
		}
		free(source);
	}
	if (count == 0 && strcmp(out->method, "POST") == 0)
		compile_fault(compiler, "when",
			"is missing: every event would be taken for this handshake; write what "
			"tells "
			"it apart, as in \"{body:type}=ping\"");
}

static void
compile_handshake(struct compiler *compiler, const struct provider_handshake_options *options,
	struct provider_handshake *out)
{
	const char *method = options->method != NULL ? options->method : "POST";
	const char *type = options->type != NULL ? options->type : "text/plain";
	bool post = strcmp(method, "POST") == 0;

	out->label = xstrdup(options->label != NULL ? options->label : "handshake");
	out->method = xstrdup(method);
	if (!post && !compile_is_one_of(method, "GET", "HEAD"))
		compile_fault(compiler, "method", "\"%.40s\" is not known: write POST, GET or HEAD",
			method);
	/* Senders sign what they post; a GET has no body to sign. */
	out->verified = post;
	if (options->verified != NULL) {
		out->verified = strcmp(options->verified, "yes") == 0;
		if (!compile_is_one_of(options->verified, "yes", "no"))
			compile_fault(compiler, "verified",
				"\"%.40s\" is not known: write yes or no", options->verified);
	}
	compile_conditions(compiler, options->when, out);
	out->status = compile_status(compiler, "status", options->status, 200, 499, 200);
	if (out->status / 100 == 3)
		compile_fault(compiler, "status",
			"%d is a redirect, which proves nothing: write 200 to 299, or 400 to 499 "
			"for what "
			"is refused",
			out->status);
	out->content_type = xstrdup(type);
	/* What is echoed was chosen by a stranger: never a type in which a browser runs scripts. */
	if (!compile_is_one_of(type, "text/plain", "application/json"))
		compile_fault(compiler, "type",
			"\"%.40s\" is not allowed: write text/plain or application/json", type);
	if (options->answer != NULL)
		out->answer = compile_template(compiler, "answer", PLACE_FACT, options->answer);
}

void
compile_handshakes(struct compiler *compiler, const struct provider_options *options,
	struct provider *provider)
{
	provider->handshake_count = options->handshake_count;
	provider->handshakes = xcalloc(provider->handshake_count, sizeof *provider->handshakes);
	for (size_t i = 0; i < options->handshake_count; i++) {
		const char *label = options->handshakes[i].label;
		compiler->block = label != NULL ? label : "handshake";
		compile_handshake(compiler, &options->handshakes[i], &provider->handshakes[i]);
	}
	compiler->block = NULL;
}
