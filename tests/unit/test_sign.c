/* test_sign.c - what hookcgi sign makes is what the engine takes and what the sender sends
 *
 * Every provider's vectors, which are not of our making, are signed anew: the request that comes
 * out must verify, and its signature must be the vector's, byte for byte, but for tokens, in which
 * the sender says more than the scheme asks for.
 */
#include <glob.h>
#include <strings.h>
#include <sys/stat.h>

#include "form.h"
#include "vector.h"
#include "verify.h"

#include "sign.h"

/* HMACs of "{}" with the key "secret", by openssl dgst -hmac. */
#define SHA256_HEX "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"
#define SHA1_HEX "5d61605c3feea9799210ddcb71307d4ba264225f"

/* Providers of which no scheme can be made: the sender alone has the private key. */
static const char *const public_only[] = {
	"aws-sns",
	"aws-sns-v1",
	"bridge-xyz",
	"circle",
	"discord",
	"discord-interactions",
	"neon",
	"paypal",
	"plaid",
	"sendgrid",
	"telnyx",
	"tokenio",
	"travis-ci",
	"truelayer",
	"utila",
	"wechat-pay",
	"wise",
};

/* Its environment is a part of the header that signing does not know of. */
static const char other_environment[] =
	"tests/vectors/hygraph/made.vectors#environment-with-quotes";

/* ---- the catalogue ---- */

static bool
is_public_only(const char *name)
{
	for (size_t i = 0; i < sizeof public_only / sizeof public_only[0]; i++) {
		if (strcmp(public_only[i], name) == 0)
			return true;
	}
	return false;
}

static bool
names_header(const struct template *template, const char *name)
{
	for (size_t i = 0; template != NULL && i < template->count; i++) {
		if (template->parts[i].kind == TEMPLATE_HEADER &&
			strcasecmp(template->parts[i].header, name) == 0)
			return true;
	}
	return false;
}

static bool
any_names_header(struct template *const *templates, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (names_header(templates[i], name))
			return true;
	}
	return false;
}

/* Does signing make the header? All others of the vector it is given. */
static bool
is_made(const struct provider *provider, const struct provider_scheme *scheme, const char *name)
{
	bool made = any_names_header(scheme->carriers, scheme->carrier_count, name) ||
		    names_header(scheme->timestamp, name) || names_header(scheme->key_id, name);

	for (size_t i = 0; i < scheme->requires_count; i++)
		made |= names_header(scheme->requires[i].left, name);
	if (provider_scheme_signs(scheme, TEMPLATE_ID))
		made |= any_names_header(provider->ids, provider->id_count, name);
	return made;
}

static bool
names_query(const struct template *template, struct slice field)
{
	struct buf room;
	bool found = false;

	buf_init(&room, 65536);
	for (size_t i = 0; template != NULL && i < template->count; i++) {
		if (template->parts[i].kind == TEMPLATE_QUERY)
			found |= form_find(field, template->parts[i].text, &room, NULL);
	}
	buf_free(&room);
	return found;
}

/* The URL without the fields that signing makes; the caller frees. */
static char *
bare_url(const char *url, const struct provider_scheme *scheme)
{
	char *bare = xstrdup(url);
	size_t len = strcspn(url, "?"), at = len;
	char between = '?';

	while (url[at] != '\0') {
		struct slice field = { url + at + 1, strcspn(url + at + 1, "&") };
		bool made =
			names_query(scheme->timestamp, field) || names_query(scheme->key_id, field);
		for (size_t i = 0; i < scheme->carrier_count; i++)
			made |= names_query(scheme->carriers[i], field);
		for (size_t i = 0; i < scheme->requires_count; i++)
			made |= names_query(scheme->requires[i].left, field);
		if (!made) {
			bare[len++] = between;
			memcpy(bare + len, field.data, field.len);
			len += field.len;
			between = '&';
		}
		at += field.len + 1;
	}
	bare[len] = '\0';
	return bare;
}

/* Does the request have the vector's signature somewhere? */
static bool
shows(const struct sign_result *made, struct slice body, const char *right)
{
	bool found = made->query != NULL && strstr(made->query, right) != NULL;

	for (size_t i = 0; i < made->header_count; i++)
		found |= strstr(made->headers[i].value, right) != NULL;
	return found || (body.len > 0 && memmem(body.data, body.len, right, strlen(right)) != NULL);
}

/* Sign one vector's body anew; right: its signature must come out. */
static void
sign_anew(const struct vector *vector, const struct provider_scheme *scheme,
	const struct request *sent)
{
	static char method[64], uri[4096];
	char *variables[HEADERS_MAX + 4] = { method, uri };
	char *bare = vector->url != NULL ? bare_url(vector->url, scheme) : NULL, *url = NULL;
	bool judged =
		scheme->has_timestamp && (scheme->tolerance_ms >= 0 || scheme->future_ms >= 0);
	/* The time as we write it; a nonce and another spelling are the caller's to choose. */
	bool chosen = !judged || scheme->timestamp_format == TEXT_TIME_RFC3339 ||
		      scheme->timestamp_format == TEXT_TIME_ISO8601;
	struct sign_request request = { .provider = vector->provider,
		.secrets = &vector->secrets[sent->report.secret],
		.secret_count = 1,
		.variant = scheme->label,
		.now_ms = vector->now_ms };
	struct sign_result made;
	struct message message;
	struct request again;
	char reason[256] = "";
	size_t given = 0;

	/* Of one that lies in a form nothing is left; those vectors are signed for now. */
	if (judged && sent->timestamp.len > 0)
		assert_true(text_parse_time(
			scheme->timestamp_format, buf_slice(&sent->timestamp), &request.now_ms));
	request_init(&again, vector);
	again.now_ms = request.now_ms;
	again.header_count = 0;
	snprintf(method, sizeof method, "REQUEST_METHOD=%s",
		vector->method != NULL ? vector->method : "POST");
	snprintf(uri, sizeof uri, "REQUEST_URI=%s",
		bare != NULL ? strchr(strchr(bare, ':') + 3, '/') : "/hooks/vector");
	for (size_t i = 0; i < vector->header_count; i++) {
		if (is_made(vector->provider, scheme, vector->headers[i].name))
			continue;
		variables[2 + given++] = make_variable(&vector->headers[i]);
		again.headers[again.header_count++] = vector->headers[i];
	}
	message_init(&message, variables, buf_slice(&vector->body));
	message.url_override = vector->base != NULL ? vector->base : bare;
	message.parameters = vector->parameters;
	message.parameter_count = vector->parameter_count;
	message.document = vector->provider->document;
	message.id = buf_slice(&sent->id);
	if (chosen)
		message.timestamp = buf_slice(&sent->timestamp);
	if (!sign_message(&request, &message, &made, reason))
		fail_msg("%s: %s", vector->path, reason);

	for (size_t i = 0; i < made.header_count; i++)
		again.headers[again.header_count++] =
			(struct header){ made.headers[i].name, made.headers[i].value };
	again.url = bare;
	if (made.query != NULL) {
		assert_non_null(bare);
		url = xmalloc(strlen(bare) + strlen(made.query) + 2);
		sprintf(url, "%s%c%s", bare, strchr(bare, '?') != NULL ? '&' : '?', made.query);
		again.url = url;
	}
	if (made.body != NULL)
		again.body = (struct slice){ made.body, made.body_len };
	expect_result(&again, SIGNATURE_VALID, "signed by us");
	if (scheme->jws == NULL && vector->right != NULL &&
		strcmp(vector->path, other_environment) != 0 &&
		!shows(&made, again.body, vector->right))
		fail_msg("%s: another signature than the sender's was made", vector->path);
	if (made.query == NULL && made.body == NULL) {
		again.header_count = given;
		expect_refusal(&again, "without what was made");
	}
	sign_result_free(&made);
	request_free(&again);
	message_free(&message);
	while (given > 0)
		free(variables[1 + given--]);
	free(url);
	free(bare);
}

static void
every_symmetric_vector_is_signed_anew(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *vector = &vectors[i];
		const struct provider_scheme *scheme;
		struct request sent;
		if (vector->provider_name == NULL || vector->expect != SIGNATURE_VALID ||
			vector->body.len > 65536)
			continue;
		request_init(&sent, vector);
		/* What is signed of those is what they stand for, which other vectors hold. */
		if (request_is_compressed(&sent)) {
			request_free(&sent);
			continue;
		}
		expect_result(&sent, SIGNATURE_VALID, "as it is");
		scheme = &vector->provider->schemes[sent.report.scheme];
		if (scheme->method == PROVIDER_HMAC || scheme->method == PROVIDER_HASH ||
			scheme->method == PROVIDER_TOKEN)
			sign_anew(vector, scheme, &sent);
		request_free(&sent);
	}
}

static void
only_those_with_a_private_key_cannot_be_made(void **state)
{
	const char *name;

	(void)state;
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		char reason[256] = "";
		struct provider *provider = config_builtin_provider(name, reason);
		bool all_public = true;
		assert_non_null(provider);
		for (size_t j = 0; j < provider->scheme_count; j++)
			all_public &= provider->schemes[j].method == PROVIDER_PUBLIC;
		if (all_public != is_public_only(name))
			fail_msg("%s: is it one that only the sender can sign for?", name);
		if (!all_public && strcmp(name, "unsigned") != 0 && !has_vectors(name))
			fail_msg("%s: no vector is signed anew", name);
		provider_free(provider);
	}
}

/* ---- single rules ---- */

/* A message with these variables ("NAME=value", NULL-ended). */
static struct message
message_of(char *const *variables, const char *body)
{
	struct message message;

	message_init(&message, variables, slice_of(body));
	return message;
}

static struct sign_request
request_of(const struct provider *provider, const struct config_secret *secret)
{
	return (struct sign_request){
		.provider = provider, .secrets = secret, .secret_count = 1, .now_ms = NOW_MS
	};
}

static void
must_sign(
	const struct sign_request *request, const struct message *message, struct sign_result *made)
{
	char reason[256] = "";

	if (!sign_message(request, message, made, reason))
		fail_msg("%s", reason);
}

static void
must_not_sign(const struct sign_request *request, const struct message *message, const char *about)
{
	char reason[256] = "";
	struct sign_result made;

	assert_false(sign_message(request, message, &made, reason));
	if (strstr(reason, about) == NULL)
		fail_msg("\"%s\" is not about \"%s\"", reason, about);
	assert_null(strstr(reason, "canary"));
	assert_int_equal(made.header_count, 0);
	assert_null(made.query);
	assert_null(made.body);
}

static void
a_date_and_a_nonce_are_made_unless_they_are_given(void **state)
{
	static char a[] = "X-A";
	struct provider *provider = compile((struct provider_options){
		.main = { .header = LIST(a),
			.algorithm = "hmac-sha256",
			.signs = LIST("{body}{header:Date}{header:X-A-Nonce}") } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(LIST("X="), "{}");
	struct message given = message_of(LIST("HTTP_DATE=today", "HTTP_X_A_NONCE=n"), "{}");
	struct sign_result made;

	(void)state;
	must_sign(&request, &message, &made);
	assert_int_equal(made.header_count, 3);
	assert_string_equal(made.headers[0].name, "Date");
	assert_string_equal(made.headers[0].value, "Tue, 14 Nov 2023 22:13:20 GMT");
	assert_string_equal(made.headers[1].name, "X-A-Nonce");
	assert_int_equal(strlen(made.headers[1].value), 24);
	sign_result_free(&made);
	must_sign(&request, &given, &made);
	assert_int_equal(made.header_count, 1);
	sign_result_free(&made);
	message_free(&given);
	message_free(&message);
	provider_free(provider);
}

/* Standard Webhooks, with an event in a header. */
static struct provider *
three_headers(void)
{
	static char signature[] = "webhook-signature", id[] = "{header:webhook-id}",
		    event[] = "{header:X-Event}", shape[] = "v1,{signature}";

	return compile((struct provider_options){ .id = LIST(id),
		.event = LIST(event),
		.main = { .header = LIST(signature),
			.algorithm = "hmac-sha256",
			.encoding = "base64",
			.format = LIST(shape),
			.separator = " ",
			.key = "base64",
			.key_strip = "whsec_",
			.signs = LIST("{id}.{timestamp}.{body}"),
			.timestamp = "{header:webhook-timestamp}" } });
}

static void
a_fresh_id_is_made_where_it_is_signed(void **state)
{
	struct provider *provider = three_headers();
	struct config_secret secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct sign_result first, second;
	struct message message = message_of(LIST("X="), "{}");

	(void)state;
	must_sign(&request, &message, &first);
	must_sign(&request, &message, &second);
	assert_int_equal(first.header_count, 3);
	assert_string_equal(first.scheme, "main");
	assert_string_equal(first.headers[0].name, "webhook-id");
	assert_int_equal(strlen(first.headers[0].value), 4 + 24);
	assert_memory_equal(first.headers[0].value, "msg_", 4);
	assert_int_equal(strspn(first.headers[0].value + 4, "0123456789abcdef"), 24);
	assert_string_not_equal(first.headers[0].value, second.headers[0].value);
	assert_string_equal(first.headers[1].name, "webhook-timestamp");
	assert_string_equal(first.headers[1].value, "1700000000");
	assert_string_equal(first.headers[2].name, "webhook-signature");
	assert_memory_equal(first.headers[2].value, "v1,", 3);
	/* The message is left as it was. */
	assert_null(message.id.data);
	assert_null(message.timestamp.data);
	assert_null(message.secret.data);
	sign_result_free(&first);
	sign_result_free(&second);
	message_free(&message);
	provider_free(provider);
}

static void
signing_follows_the_published_example(void **state)
{
	struct provider *provider = three_headers();
	struct config_secret secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct sign_result made;
	struct message message = message_of(LIST("X="), "{\"test\": 2432232314}");

	(void)state;
	message.id = slice_of("msg_p5jXN8AQM9LWM0D4loKWxJek");
	message.event = slice_of("ping");
	request.now_ms = INT64_C(1614265330999);
	must_sign(&request, &message, &made);
	assert_int_equal(made.header_count, 4);
	assert_string_equal(made.headers[0].value, "msg_p5jXN8AQM9LWM0D4loKWxJek");
	assert_string_equal(made.headers[1].value, "1614265330");
	assert_string_equal(made.headers[2].name, "X-Event");
	assert_string_equal(made.headers[2].value, "ping");
	assert_string_equal(
		made.headers[3].value, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	sign_result_free(&made);
	message_free(&message);
	provider_free(provider);
}

static void
an_id_that_is_not_signed_is_sent_when_it_is_given(void **state)
{
	static char a[] = "X-A", id[] = "{header:X-Delivery}";
	struct provider *provider = compile((struct provider_options){
		.id = LIST(id), .main = { .header = LIST(a), .algorithm = "hmac-sha256" } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct sign_result made;
	struct message message = message_of(LIST("X="), "{}");

	(void)state;
	must_sign(&request, &message, &made);
	assert_int_equal(made.header_count, 1);
	assert_string_equal(made.headers[0].value, SHA256_HEX);
	sign_result_free(&made);
	message.id = slice_of("d1");
	must_sign(&request, &message, &made);
	assert_int_equal(made.header_count, 2);
	assert_string_equal(made.headers[0].name, "X-Delivery");
	assert_string_equal(made.headers[0].value, "d1");
	sign_result_free(&made);
	message_free(&message);
	provider_free(provider);
}

static void
what_cannot_be_signed_says_why(void **state)
{
	static char a[] = "X-A", in_body[] = "{body:s}", id[] = "{header:X-Id}",
		    body_id[] = "{body:id}", split[] = "{header:X-A}{header:X-B}";
	const struct {
		struct provider_options options;
		const char *secret, *id;
		const char *reason; /* a part of it */
	} table[] = {
		{ { .main = { .header = LIST(a),
			    .algorithm = "ed25519",
			    .encoding = "hex",
			    .key = "hex" } },
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", NULL,
			"private key" },
		{ { .main = { .signature = LIST(in_body),
			    .algorithm = "hmac-sha256",
			    .signs = LIST("{method}") } },
			"secret", NULL, "put the member s in with any text" },
		{ { .main = { .signature = LIST(split), .algorithm = "hmac-sha256" } }, "secret",
			NULL, "cannot be written to" },
		{ { .main = { .header = LIST(a), .algorithm = "hmac-sha256", .key = "hex" } },
			"canary", NULL, "(literal) is not in hex" },
		{ { .main = { .header = LIST(a),
			    .algorithm = "hmac-sha256",
			    .signs = LIST("{url}{body}") } },
			"secret", NULL, "{url}, which is signed, is not there: give --url" },
		{ { .main = { .header = LIST(a),
			    .algorithm = "hmac-sha256",
			    .signs = LIST("{header:X-Seal}{body}") } },
			"secret", NULL,
			"{header:X-Seal}, which is signed, is not there: give it with" },
		{ { .main = { .header = LIST(a), .algorithm = "hmac-sha256" }, .id = LIST(id) },
			"secret", "two\nlines", "does not fit into a header" },
		{ { .main = { .header = LIST(a),
			    .algorithm = "hmac-sha256",
			    .signs = LIST("{id}{body}") },
			  .id = LIST(body_id) },
			"secret", NULL, "lacks the id" },
		{ { .main = { .header = LIST(a),
			    .algorithm = "hmac-sha256",
			    .timestamp = "{body:t}" } },
			"secret", NULL, "{body:t}, is not there: put it into the body" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct provider *provider = compile(table[i].options);
		struct config_secret secret = secret_of(table[i].secret, NULL);
		struct sign_request request = request_of(provider, &secret);
		struct message message = message_of(LIST("REQUEST_METHOD=POST"), "{}");
		if (table[i].id != NULL)
			message.id = slice_of(table[i].id);
		must_not_sign(&request, &message, table[i].reason);
		message_free(&message);
		provider_free(provider);
	}
}

static void
a_time_in_the_body_that_is_not_now_is_told(void **state)
{
	static char a[] = "X-A";
	struct provider *provider = compile((struct provider_options){
		.main = {
			.header = LIST(a), .algorithm = "hmac-sha256", .timestamp = "{body:t}" } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message old = message_of(LIST("X="), "{\"t\":1600000000}");
	struct sign_result made;

	(void)state;
	must_not_sign(&request, &old, "is not now (expired)");
	request.now_ms = INT64_C(1600000000000);
	must_sign(&request, &old, &made);
	sign_result_free(&made);
	message_free(&old);
	provider_free(provider);
}

/* A scheme with a public key, and beside it an HMAC and a token. */
static struct provider *
three_schemes(void)
{
	static char a[] = "X-A", b[] = "X-B", c[] = "X-C";
	const struct provider_scheme_options variants[] = {
		{ .label = "mac", .header = LIST(b), .algorithm = "hmac-sha1" },
		{ .label = "token", .header = LIST(c), .algorithm = "token" },
	};

	return compile((struct provider_options){ .main = { .header = LIST(a),
							  .algorithm = "ed25519",
							  .encoding = "hex",
							  .key = "hex" },
		.variants = variants,
		.variant_count = 2 });
}

static void
the_first_scheme_that_can_be_made_is_and_another_when_it_is_named(void **state)
{
	struct provider *provider = three_schemes();
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(LIST("X="), "{}");
	struct sign_result made;

	(void)state;
	must_sign(&request, &message, &made);
	assert_string_equal(made.scheme, "mac");
	assert_string_equal(made.headers[0].name, "X-B");
	assert_string_equal(made.headers[0].value, SHA1_HEX);
	sign_result_free(&made);
	request.variant = "token";
	must_sign(&request, &message, &made);
	assert_int_equal(made.header_count, 1);
	assert_string_equal(made.headers[0].name, "X-C");
	assert_string_equal(made.headers[0].value, "secret");
	sign_result_free(&made);
	request.variant = "main";
	must_not_sign(&request, &message, "private key");
	request.variant = "other";
	must_not_sign(&request, &message, "has no variant \"other\"");
	message_free(&message);
	provider_free(provider);
}

static void
only_the_member_of_a_json_body_changes(void **state)
{
	static char carrier[] = "{body:a.s}";
	static const char before[] = "{ \"n\": 1.50,\"a\":{\"s\" :\"any\\n\", \"z\":[1,\t2]}}\n";
	static const char after[] = "{ \"n\": 1.50,\"a\":{\"s\" :\"canary\", \"z\":[1,\t2]}}\n";
	struct provider *provider = compile((struct provider_options){
		.main = { .signature = LIST(carrier), .algorithm = "token" } });
	struct config_secret secret = secret_of("canary", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(LIST("X="), before);
	struct message twice = message_of(LIST("X="), "{\"a\":{\"s\":1,\"s\":2}}");
	struct sign_result made;

	(void)state;
	must_sign(&request, &message, &made);
	assert_int_equal(made.header_count, 0);
	assert_int_equal(made.body_len, strlen(after));
	assert_memory_equal(made.body, after, strlen(after));
	assert_ptr_equal(message.body.data, before);
	sign_result_free(&made);
	must_not_sign(&request, &twice, "more than once");
	message_free(&twice);
	message_free(&message);
	provider_free(provider);
}

static void
a_field_of_a_form_is_replaced_or_added(void **state)
{
	static char carrier[] = "{body:a.s}",
		    type[] = "CONTENT_TYPE=application/x-www-form-urlencoded";
	static const char *const table[][2] = {
		{ "x=1&a%5Bs%5D=any&y=%zz2", NULL }, /* no form */
		{ "x=1&a%5Bs%5D=any&y=+2", "x=1&a%5Bs%5D=k%26%20%C3%A4&y=+2" },
		{ "a[s]=&x=1", "a%5Bs%5D=k%26%20%C3%A4&x=1" },
		{ "x=1", "x=1&a%5Bs%5D=k%26%20%C3%A4" },
		{ "", "a%5Bs%5D=k%26%20%C3%A4" },
		{ "a[s]=1&a[s]=2", NULL },
	};
	struct provider *provider = compile((struct provider_options){
		.main = { .signature = LIST(carrier), .algorithm = "token" } });
	struct config_secret secret = secret_of("k& ä", NULL);
	struct sign_request request = request_of(provider, &secret);

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct message message = message_of(LIST(type), table[i][0]);
		struct sign_result made;
		if (table[i][1] == NULL) {
			must_not_sign(&request, &message, "");
		} else {
			must_sign(&request, &message, &made);
			assert_string_equal(made.body, table[i][1]);
			sign_result_free(&made);
		}
		message_free(&message);
	}
	provider_free(provider);
}

static void
json_becomes_the_field_that_document_names(void **state)
{
	static char carrier[] = "{body:s}",
		    type[] = "CONTENT_TYPE=application/x-www-form-urlencoded";
	struct provider *provider = compile((struct provider_options){ .document = "payload",
		.main = { .signature = LIST(carrier), .algorithm = "token" } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message json = message_of(LIST("X="), "{\"s\":0}");
	struct message form = message_of(LIST(type), "{\"s\":0}");
	struct message made_form = message_of(LIST(type), "a=1&payload=%7B%22s%22:0%7D");
	struct sign_result made;

	(void)state;
	json.document = form.document = made_form.document = "payload";
	must_sign(&request, &json, &made);
	assert_string_equal(made.body, "{\"s\":\"secret\"}");
	assert_null(made.type);
	sign_result_free(&made);
	must_sign(&request, &form, &made);
	assert_string_equal(made.body, "payload=%7B%22s%22%3A%22secret%22%7D");
	assert_string_equal(made.type, "application/x-www-form-urlencoded");
	sign_result_free(&made);
	must_sign(&request, &made_form, &made);
	assert_string_equal(made.body, "a=1&payload=%7B%22s%22%3A%22secret%22%7D");
	sign_result_free(&made);
	message_free(&made_form);
	message_free(&form);
	message_free(&json);
	provider_free(provider);
}

static void
a_signature_in_the_query_is_added_to_it(void **state)
{
	static char carrier[] = "{query:h mac}";
	struct provider *provider =
		compile((struct provider_options){ .main = { .signature = LIST(carrier),
							   .algorithm = "hmac-sha256",
							   .encoding = "base64",
							   .signs = LIST("{query:a}{query:t}"),
							   .timestamp = "{query:t}" } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(LIST("REQUEST_URI=/h?a=1"), "{}");
	struct message full = message_of(LIST("REQUEST_URI=/h?a=1&h%20mac=2"), "{}");
	struct sign_result made;

	(void)state;
	must_sign(&request, &message, &made);
	/* printf 11700000000 | openssl dgst -sha256 -hmac secret -binary | base64 */
	assert_string_equal(made.query,
		"t=1700000000&h%20mac=jr40aOYcz57ipvkL3zDGirCJRsUuXHg6IIMH2hptB%2F4%3D");
	sign_result_free(&made);
	must_not_sign(&request, &full, "already: leave it out");
	message_free(&full);
	message_free(&message);
	provider_free(provider);
}

/* The decoded part of a token; the caller frees. */
static char *
token_part(const char *token, unsigned index)
{
	struct buf text;

	buf_init(&text, 8192);
	while (index-- > 0)
		token = strchr(token, '.') + 1;
	assert_true(
		text_decode(TEXT_BASE64URL, (struct slice){ token, strcspn(token, ".") }, &text));
	return buf_take(&text);
}

static void
a_token_holds_what_is_required_and_its_times(void **state)
{
	static char a[] = "Authorization", shape[] = "Bearer {signature}", id[] = "{claim:jti}",
		    key_id[] = "k\"1";
	struct provider *provider = compile((struct provider_options){ .id = LIST(id),
		.main = { .header = LIST(a),
			.algorithm = "jwt-hs256",
			.format = LIST(shape),
			.requires = LIST("{claim:iss}=us", "{bodyhash:sha256:hex}={claim:hash}",
				"{header:X-Hash}={bodyhash:crc32:decimal}"),
			.timestamp = "{claim:at}",
			.timestamp_format = "ms" } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(LIST("X="), "{}");
	struct sign_result made;
	char *head, *payload;

	(void)state;
	secret.key_id = key_id;
	message.id = slice_of("i1");
	must_sign(&request, &message, &made);
	assert_int_equal(made.header_count, 2);
	assert_string_equal(made.headers[0].name, "X-Hash");
	assert_string_equal(made.headers[0].value, "2745614147"); /* node: zlib.crc32("{}") */
	assert_memory_equal(made.headers[1].value, "Bearer ", 7);
	head = token_part(made.headers[1].value + 7, 0);
	payload = token_part(made.headers[1].value + 7, 1);
	assert_string_equal(head, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k\\\"1\"}");
	assert_string_equal(payload,
		"{\"jti\":\"i1\",\"at\":1700000000000,\"iss\":\"us\",\"hash\":\""
		"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\","
		"\"iat\":1700000000,\"nbf\":1700000000,\"exp\":1700000300}");
	free(payload);
	free(head);
	sign_result_free(&made);
	message_free(&message);
	provider_free(provider);
}

static void
a_detached_token_has_no_payload(void **state)
{
	static char a[] = "X-Jws";
	struct provider *provider = compile((struct provider_options){
		.main = { .header = LIST(a), .algorithm = "jwt-hs512", .signs = LIST("{body}") } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(LIST("X="), "{}");
	struct sign_result made;

	(void)state;
	must_sign(&request, &message, &made);
	assert_non_null(strstr(made.headers[0].value, ".."));
	sign_result_free(&made);
	message_free(&message);
	provider_free(provider);
}

static void
every_element_is_signed(void **state)
{
	static char carrier[] = "{item:s}";
	struct provider *provider =
		compile((struct provider_options){ .main = { .signature = LIST(carrier),
							   .algorithm = "hmac-sha256",
							   .each = "l",
							   .signs = LIST("{item:v}") } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(
		LIST("X="), "{\"l\":[{\"v\":\"{}\",\"s\":\"\"},{\"s\":null,\"v\":\"{}\"}]}");
	struct message empty = message_of(LIST("X="), "{\"l\":[]}");
	struct message without = message_of(LIST("X="), "{\"l\":[{\"v\":\"{}\"}]}");
	struct sign_result made;

	(void)state;
	must_sign(&request, &message, &made);
	assert_string_equal(made.body, "{\"l\":[{\"v\":\"{}\",\"s\":\"" SHA256_HEX
				       "\"},{\"s\":\"" SHA256_HEX "\",\"v\":\"{}\"}]}");
	sign_result_free(&made);
	must_not_sign(&request, &empty, "no list l");
	must_not_sign(&request, &without, "put the member l.0.s in");
	message_free(&without);
	message_free(&empty);
	message_free(&message);
	provider_free(provider);
}

static void
the_key_is_named_by_the_secret(void **state)
{
	static char a[] = "X-A", shape[] = "{key_id}/{signature}", name[] = "k7";
	struct provider *provider = compile((struct provider_options){
		.main = { .header = LIST(a), .algorithm = "hmac-sha256", .format = LIST(shape) } });
	struct provider *apart =
		compile((struct provider_options){ .main = { .header = LIST(a),
							   .algorithm = "hmac-sha256",
							   .key_id = "{header:X-Key}" } });
	struct config_secret secret = secret_of("secret", NULL);
	struct sign_request request = request_of(provider, &secret);
	struct message message = message_of(LIST("X="), "{}");
	struct message other = message_of(LIST("HTTP_X_KEY=k8"), "{}");
	struct sign_result made;

	(void)state;
	must_sign(&request, &message, &made);
	assert_string_equal(made.headers[0].value, "1/" SHA256_HEX);
	sign_result_free(&made);
	secret.key_id = name;
	must_sign(&request, &message, &made);
	assert_string_equal(made.headers[0].value, "k7/" SHA256_HEX);
	sign_result_free(&made);
	request.provider = apart;
	must_sign(&request, &message, &made);
	assert_string_equal(made.headers[0].name, "X-Key");
	assert_string_equal(made.headers[0].value, "k7");
	assert_string_equal(made.headers[1].value, SHA256_HEX);
	sign_result_free(&made);
	must_not_sign(&request, &other, "names another key than \"k7\"");
	message_free(&other);
	message_free(&message);
	provider_free(apart);
	provider_free(provider);
}

static int
load_all(void **state)
{
	(void)state;
	return load_vectors("tests/vectors/*/*.vectors", "/engine/") &&
			       load_vectors("tests/vectors/*/*.vector", "/engine/")
		       ? 0
		       : -1;
}

static int
free_all(void **state)
{
	(void)state;
	return free_vectors();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_symmetric_vector_is_signed_anew),
		cmocka_unit_test(only_those_with_a_private_key_cannot_be_made),
		cmocka_unit_test(a_date_and_a_nonce_are_made_unless_they_are_given),
		cmocka_unit_test(a_fresh_id_is_made_where_it_is_signed),
		cmocka_unit_test(signing_follows_the_published_example),
		cmocka_unit_test(an_id_that_is_not_signed_is_sent_when_it_is_given),
		cmocka_unit_test(what_cannot_be_signed_says_why),
		cmocka_unit_test(a_time_in_the_body_that_is_not_now_is_told),
		cmocka_unit_test(the_first_scheme_that_can_be_made_is_and_another_when_it_is_named),
		cmocka_unit_test(only_the_member_of_a_json_body_changes),
		cmocka_unit_test(a_field_of_a_form_is_replaced_or_added),
		cmocka_unit_test(json_becomes_the_field_that_document_names),
		cmocka_unit_test(a_signature_in_the_query_is_added_to_it),
		cmocka_unit_test(a_token_holds_what_is_required_and_its_times),
		cmocka_unit_test(a_detached_token_has_no_payload),
		cmocka_unit_test(every_element_is_signed),
		cmocka_unit_test(the_key_is_named_by_the_secret),
	};

	umask(077);
	return cmocka_run_group_tests_name("sign", tests, load_all, free_all);
}
