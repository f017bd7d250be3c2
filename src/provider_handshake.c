/* provider_handshake.c - the options of a handshake */
#include "provider_compiler.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "text.h"

/* What stands behind "=". NULL: there was a fault. */
static struct template *
compile_expected(struct compiler *compiler, const char *source)
{
	char reason[256];
	struct template *template =
		*source == '\0' ? template_parse(source, reason)
				: compile_template(compiler, "when", PLACE_EXPECTED, source);

	for (size_t i = 0; template != NULL && i < template->count; i++) {
		/* Empty where the endpoint says nothing, it would be a token that anybody knows. */
		if (template->parts[i].kind == TEMPLATE_PARAMETER && template->parts[i].optional) {
			compile_fault(compiler, "when",
				"\"%.80s\": a parameter that is compared with cannot be left out: "
				"write it without ?",
				source);
			template_free(template);
			template = NULL;
		}
	}
	return template;
}

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
		struct template *expected =
			equals != NULL ? compile_expected(compiler, equals + 1) : NULL;
		if (template != NULL) {
			out->when[out->when_count] = template;
			out->equals[out->when_count] = expected;
			out->when_count++;
		} else {
			template_free(expected);
		}
		free(source);
	}
	if (count == 0 && strcmp(out->method, "POST") == 0)
		compile_fault(compiler, "when",
			"is missing: every event would be taken for this handshake; write what "
			"tells it apart, as in \"{body:type}=ping\"");
}

/* ---- the challenge ---- */

static void
compile_challenge_kind(struct compiler *compiler, const struct provider_handshake_options *options,
	struct provider_handshake *out)
{
	static const char *const names[] = {
		[PROVIDER_CHALLENGE_TOKEN] = "token",
		[PROVIDER_CHALLENGE_HEX] = "hex",
		[PROVIDER_CHALLENGE_UUID] = "uuid",
	};
	const char *kind = options->challenge_of != NULL ? options->challenge_of : "token";

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(kind, names[i]) == 0) {
			out->challenge_of = (enum provider_challenge)i;
			return;
		}
	}
	compile_fault(
		compiler, "challenge_of", "\"%.40s\" is not known: write token, hex or uuid", kind);
}

static void
compile_challenge_algorithm(
	struct compiler *compiler, const char *algorithm, struct provider_handshake *out)
{
	const char *digest = algorithm;

	if (algorithm == NULL) {
		compile_fault(compiler, "challenge_algorithm",
			"is missing: write what is made of the challenge, as in hmac-sha256 (with "
			"the secret) or sha256");
		return;
	}
	out->challenge_keyed = strncmp(algorithm, "hmac-", 5) == 0;
	if (out->challenge_keyed)
		digest += 5;
	if (!template_digest_named(slice_of(digest), &out->challenge_digest))
		compile_fault(compiler, "challenge_algorithm",
			"\"%.40s\" is not known: write md5, sha1, sha256, sha384 or sha512, with "
			"hmac- before it when the secret is the key",
			algorithm);
}

/* An HMAC of anything but one value as it was sent would need another proof than that of
 * handshake_could_sign(). */
static bool
is_one_reference(const struct template *template)
{
	return template->count == 1 && template->parts[0].kind != TEMPLATE_LITERAL &&
	       template->parts[0].kind != TEMPLATE_PARAMETER;
}

static void
compile_challenge(struct compiler *compiler, const struct provider_handshake_options *options,
	struct provider_handshake *out)
{
	const char *encoding =
		options->challenge_encoding != NULL ? options->challenge_encoding : "hex";

	if (options->challenge == NULL) {
		if (options->challenge_of != NULL || options->challenge_algorithm != NULL ||
			options->challenge_encoding != NULL)
			compile_fault(compiler, "challenge",
				"is missing: write where the text is that {digest} is made of, as "
				"in {query:challenge}");
		return;
	}
	out->challenge =
		compile_reference(compiler, "challenge", PLACE_CHALLENGE, options->challenge);
	compile_challenge_kind(compiler, options, out);
	compile_challenge_algorithm(compiler, options->challenge_algorithm, out);
	if (!template_encoding_named(slice_of(encoding), &out->challenge_encoding))
		compile_fault(compiler, "challenge_encoding",
			"\"%.40s\" is not known: write hex, hex-upper, base64 or base64url",
			encoding);
	if (out->challenge != NULL && out->challenge_keyed && !is_one_reference(out->challenge))
		compile_fault(compiler, "challenge",
			"\"%.80s\": an HMAC is made of one value as it was sent: write one "
			"reference and nothing beside it",
			options->challenge);
}

/* ---- the answer ---- */

/*
 * Names that mean something to the web server or a browser: what a stranger may
 * choose the value of never stands there. Small letters; "*" stands for any rest.
 */
static bool
is_obeyed_header(const char *name)
{
	static const char *const obeyed[] = { "status", "location", "content-*", "transfer-*",
		"connection", "keep-alive", "upgrade", "trailer", "te", "date", "server", "vary",
		"set-cookie*", "clear-site-data", "refresh", "link", "sourcemap", "alt-svc",
		"access-control-*", "cross-origin-*", "strict-transport-security", "cache-control",
		"expires", "etag", "age", "allow", "retry-after", "www-*", "proxy-*", "x-sendfile*",
		"x-lighttpd-*", "x-accel-*", "x-litespeed-*", "x-content-type-options",
		"x-frame-options", "x-xss-protection", "permissions-policy", "referrer-policy",
		"service-worker-*" };

	for (size_t i = 0; i < sizeof obeyed / sizeof obeyed[0]; i++) {
		if (fnmatch(obeyed[i], name, FNM_CASEFOLD) == 0)
			return true;
	}
	return false;
}

/* One "Name: TEMPLATE". */
static void
compile_answer_header(struct compiler *compiler, const char *source, struct provider_handshake *out)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-";
	size_t len = strspn(source, token);
	const char *value = source + len;
	char *name = xmemdup0(source, len);

	if (len == 0 || len > 64 || *value != ':') {
		compile_fault(compiler, "answer_header",
			"\"%.80s\" is not a header: write \"X-Name: TEMPLATE\"", source);
	} else if (is_obeyed_header(name)) {
		compile_fault(compiler, "answer_header",
			"the header %s is obeyed by web servers or browsers, a sender's text must "
			"not be in it: remove it",
			name);
	} else if (out->header_count == PROVIDER_ANSWER_HEADERS_MAX) {
		compile_fault(compiler, "answer_header", "more than %d headers: remove one",
			PROVIDER_ANSWER_HEADERS_MAX);
	} else {
		value += 1 + strspn(value + 1, " ");
		struct template *template =
			compile_template(compiler, "answer_header", PLACE_ANSWER, value);
		if (template != NULL) {
			out->headers[out->header_count++] =
				(struct provider_answer_header){ name, template };
			return;
		}
	}
	free(name);
}

static bool
answer_refers(const struct provider_handshake *handshake, enum template_kind kind)
{
	if (handshake->answer != NULL && template_refers(handshake->answer, kind))
		return true;
	for (size_t i = 0; i < handshake->header_count; i++) {
		if (template_refers(handshake->headers[i].value, kind))
			return true;
	}
	return false;
}

static void
compile_answer(struct compiler *compiler, const struct provider_handshake_options *options,
	struct provider_handshake *out)
{
	const char *type = options->type != NULL ? options->type : "text/plain";

	out->status = compile_status(compiler, "status", options->status, 200, 499, 200);
	if (out->status / 100 == 3)
		compile_fault(compiler, "status",
			"%d is a redirect, which proves nothing: write 200 to 299, or 400 to 499 "
			"for what is refused",
			out->status);
	out->content_type = xstrdup(type);
	/* What is echoed was chosen by a stranger: never a type in which a browser runs scripts. */
	if (!compile_is_one_of(type, "text/plain", "application/json"))
		compile_fault(compiler, "type",
			"\"%.40s\" is not allowed: write text/plain or application/json", type);
	if (options->answer != NULL)
		out->answer = compile_template(compiler, "answer", PLACE_ANSWER, options->answer);
	for (size_t i = 0; i < compile_count(options->answer_header); i++)
		compile_answer_header(compiler, options->answer_header[i], out);
	if (options->challenge == NULL && answer_refers(out, TEMPLATE_DIGEST))
		compile_fault(compiler, "challenge",
			"is missing: {digest} is made of it; write where it is, as in "
			"{query:challenge}");
	if (out->challenge != NULL && !answer_refers(out, TEMPLATE_DIGEST))
		compile_fault(compiler, "answer",
			"does not hold {digest}, which is all that challenge is for: write it "
			"where the sender looks for it");
}

/* ---- who may ask ---- */

/* What we have put there ourselves tells a stranger nothing that he brought. */
static bool
holds_request(const struct template *template)
{
	for (size_t i = 0; template != NULL && i < template->count; i++) {
		enum template_kind kind = template->parts[i].kind;
		if (kind != TEMPLATE_LITERAL && kind != TEMPLATE_PARAMETER &&
			kind != TEMPLATE_ENDPOINT)
			return true;
	}
	return false;
}

static bool
answer_holds_request(const struct provider_handshake *handshake)
{
	bool holds = holds_request(handshake->answer);

	for (size_t i = 0; i < handshake->header_count; i++)
		holds |= holds_request(handshake->headers[i].value);
	return holds;
}

/* Only who knows what the operator has set gets past it. */
static bool
is_guarded(const struct provider_handshake *handshake)
{
	for (size_t i = 0; i < handshake->when_count; i++) {
		if (handshake->equals[i] != NULL &&
			template_refers(handshake->equals[i], TEMPLATE_PARAMETER))
			return true;
	}
	return false;
}

static void
compile_learning(struct compiler *compiler, const char *learns, struct provider_handshake *out)
{
	if (learns == NULL)
		return;
	out->learns = compile_reference(compiler, "learns", PLACE_LEARNS, learns);
	if (out->verified)
		compile_fault(compiler, "learns",
			"a request that is signed already brings no new secret: write verified = "
			"\"no\"");
	if (out->status / 100 != 2)
		compile_fault(compiler, "learns",
			"the status %d tells the sender that its secret was not taken: write 200 "
			"to 299",
			out->status);
}

/*
 * A request that proves nothing about its sender gets nothing out of the endpoint
 * that it chose itself, unless the operator has agreed: in general (handshake =
 * "open") or by a token that he and the sender know (a parameter). A fixed answer
 * says no more than that the endpoint is there, and a refusal proves nothing. A
 * secret is taken only where he has agreed in general: a token that stands in the
 * URL is in logs, and whoever reads it there would choose the secret.
 */
static bool
judge_openness(const struct provider_handshake *handshake)
{
	if (handshake->learns != NULL)
		return true;
	return !handshake->verified && handshake->status < 400 && answer_holds_request(handshake) &&
	       !is_guarded(handshake);
}

static void
compile_handshake(struct compiler *compiler, const struct provider_handshake_options *options,
	struct provider_handshake *out)
{
	const char *method = options->method != NULL ? options->method : "POST";
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
	compile_challenge(compiler, options, out);
	compile_answer(compiler, options, out);
	compile_learning(compiler, options->learns, out);
	out->needs_open = judge_openness(out);
}

/*
 * handshake_may_have_signed() keeps what strangers may ask for and what is believed
 * apart by the signed text. Where that is "HEADER.PAYLOAD" of a token it could be asked
 * for as a token; where it differs for each element of an array it cannot be told.
 */
static void
check_oracle(struct compiler *compiler, const struct provider *provider,
	const struct provider_handshake *handshake)
{
	if (handshake->verified || !handshake->challenge_keyed)
		return;
	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		if (scheme->method != PROVIDER_HMAC)
			continue;
		if (scheme->jws != NULL && handshake->challenge_of == PROVIDER_CHALLENGE_TOKEN)
			compile_fault(compiler, "challenge_of",
				"a JSON web token could be had as the answer to a challenge: write "
				"hex or uuid");
		if (scheme->each != NULL)
			compile_fault(compiler, "challenge",
				"what is signed of an element (each) could be had as the answer to "
				"it: write verified = \"yes\", or another algorithm");
	}
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
		check_oracle(compiler, provider, &provider->handshakes[i]);
	}
	compiler->block = NULL;
}
