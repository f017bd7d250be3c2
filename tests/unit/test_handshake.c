/* test_handshake.c - which requests are handshakes, and what they are answered */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "handshake.h"

#define LIST(...) ((char *const[]){ __VA_ARGS__, NULL })
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
fail_on_fault(void *context, const char *block, const char *option, const char *message)
{
	(void)context;
	fail_msg("%s %s: %s", block != NULL ? block : "", option, message);
}

/* The handshakes that real senders make: Meta, Slack, Asana, GitHub, Trello. */
static struct provider *
compile(void)
{
	static char header[] = "X-A", mode[] = "{query:hub.mode}=subscribe",
		    token[] = "{query:hub.verify_token}=t0ken",
		    challenge[] = "{query:hub.challenge}", type[] = "{body:type}=url_verification",
		    body_challenge[] = "{body:challenge}", secret[] = "{header:X-Hook-Secret}",
		    ping[] = "{header:X-Event}=ping", blank[] = "{query:blank}=";
	const struct provider_handshake_options handshakes[] = {
		{ .label = "meta",
			.method = "GET",
			.when = LIST(mode, token, challenge),
			.answer = "{query:hub.challenge}" },
		{ .label = "slack",
			.verified = "yes",
			.when = LIST(type, body_challenge),
			.type = "application/json",
			.answer = "{{\"challenge\":\"{body:challenge}\"}}" },
		{ .label = "asana", .verified = "no", .when = LIST(secret), .status = "204" },
		{ .label = "ping", .verified = "yes", .when = LIST(ping) },
		{ .label = "blank",
			.method = "GET",
			.when = LIST(blank),
			.answer = "{header:X-Absent}" },
	};
	const struct provider_options options = { .name = "test",
		.main = { .header = LIST(header), .algorithm = "hmac-sha256" },
		.handshakes = handshakes,
		.handshake_count = sizeof handshakes / sizeof handshakes[0] };
	struct provider *provider = provider_compile(&options, fail_on_fault, NULL);

	assert_non_null(provider);
	return provider;
}

static struct message
message_of(const char *const *variables, const char *body)
{
	struct message message;

	message_init(&message, (char *const *)(uintptr_t)variables, slice_of(body));
	return message;
}

static const char *
found(const struct provider *provider, const char *const *variables, const char *body,
	bool verified)
{
	struct message message = message_of(variables, body);
	const struct provider_handshake *handshake = handshake_find(provider, &message, verified);

	message_free(&message);
	return handshake != NULL ? handshake->label : "none";
}

static void
a_handshake_is_found_by_method_and_all_its_conditions(void **state)
{
	static const struct {
		const char *method, *uri, *extra, *body, *before, *after;
	} table[] = {
		{ "GET", "/h?hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=1", "X=", "",
			"meta", "none" },
		{ "GET", "/h?hub.challenge=1&hub.mode=subscribe&hub.verify_token=t0ke%6e&x",
			"X=", "", "meta", "none" },
		{ "POST", "/h?hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=1", "X=", "",
			"none", "none" },
		{ "HEAD", "/h?hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=1", "X=", "",
			"none", "none" },
		{ "get", "/h?hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=1", "X=", "",
			"none", "none" },
		{ "GET", "/h?hub.mode=subscribe&hub.verify_token=t0ke&hub.challenge=1", "X=", "",
			"none", "none" },
		{ "GET", "/h?hub.mode=subscribe&hub.verify_token=T0ken&hub.challenge=1", "X=", "",
			"none", "none" },
		{ "GET", "/h?hub.mode=subscribe&hub.verify_token=&hub.challenge=1", "X=", "",
			"none", "none" },
		{ "GET", "/h?hub.mode=subscribe&hub.challenge=1", "X=", "", "none", "none" },
		{ "GET", "/h?hub.mode=subscribe&hub.verify_token=t0ken", "X=", "", "none", "none" },
		/* Which of two would be meant is not known. */
		{ "GET",
			"/h?hub.mode=subscribe&hub.verify_token=t0ken&hub.verify_token=x&hub."
			"challenge=1",
			"X=", "", "none", "none" },
		{ "GET", "/h", "X=", "", "none", "none" },
		{ "GET", "/h?blank=", "X=", "", "blank", "none" },
		{ "GET", "/h?blank=1", "X=", "", "none", "none" },
		{ "POST", "/h", "X=", "{\"type\":\"url_verification\",\"challenge\":\"c\"}", "none",
			"slack" },
		{ "POST", "/h", "X=", "{\"type\":\"url_verification\"}", "none", "none" },
		{ "POST", "/h", "X=", "{\"type\":\"event\",\"challenge\":\"c\"}", "none", "none" },
		{ "POST", "/h", "X=", "{\"type\":\"url_verification\",\"challenge\":\"c\"", "none",
			"none" },
		{ "POST", "/h", "HTTP_X_HOOK_SECRET=abc", "{}", "asana", "none" },
		{ "POST", "/h", "HTTP_X_HOOK_SECRET=", "{}", "none", "none" },
		{ "POST", "/h", "HTTP_X_EVENT=ping", "{}", "none", "ping" },
		{ "POST", "/h", "HTTP_X_EVENT=pings", "{}", "none", "none" },
	};
	struct provider *provider = compile();
	char method[32], uri[256];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		const char *const *variables;
		snprintf(method, sizeof method, "REQUEST_METHOD=%s", table[i].method);
		snprintf(uri, sizeof uri, "REQUEST_URI=%s", table[i].uri);
		variables = TEXTS(method, uri, table[i].extra);
		assert_string_equal(
			found(provider, variables, table[i].body, false), table[i].before);
		assert_string_equal(
			found(provider, variables, table[i].body, true), table[i].after);
	}
	/* No method at all is no handshake. */
	assert_string_equal(found(provider, TEXTS("HTTP_X_EVENT=ping"), "{}", true), "none");
	provider_free(provider);
}

static void
only_methods_of_a_handshake_are_taken(void **state)
{
	struct provider *provider = compile();

	(void)state;
	assert_true(handshake_takes_method(provider, "GET"));
	assert_true(handshake_takes_method(provider, "POST"));
	assert_false(handshake_takes_method(provider, "HEAD"));
	assert_false(handshake_takes_method(provider, "get"));
	assert_false(handshake_takes_method(provider, ""));
	provider_free(provider);
}

static const struct provider_handshake *
labelled(const struct provider *provider, const char *label)
{
	for (size_t i = 0; i < provider->handshake_count; i++) {
		if (strcmp(provider->handshakes[i].label, label) == 0)
			return &provider->handshakes[i];
	}
	fail_msg("no handshake %s", label);
	return NULL;
}

/* An endpoint that answers everything. */
static struct config_endpoint
open_endpoint(struct provider *provider)
{
	static struct config_secret secret = {
		.text = TEXT("s3cret"), .len = 6, .source = TEXT("literal")
	};
	static struct message_parameter parameters[] = { { TEXT("token"), TEXT("t0ken") } };

	return (struct config_endpoint){ .name = TEXT("hook"),
		.provider = provider,
		.secrets = &secret,
		.secret_count = 1,
		.learned = TEXT("/nowhere"),
		.handshake_open = true,
		.parameters = parameters,
		.parameter_count = 1 };
}

static enum handshake_result
answer_of(struct provider *provider, const char *label, struct message *message,
	struct handshake_answer *answer)
{
	struct config_endpoint endpoint = open_endpoint(provider);

	message->parameters = endpoint.parameters;
	message->parameter_count = endpoint.parameter_count;
	handshake_answer_init(answer);
	return handshake_make(labelled(provider, label), &endpoint, message, answer);
}

static void
the_answer_echoes_what_the_sender_asked_for(void **state)
{
	static const struct {
		const char *label, *uri, *body, *answer;
	} table[] = {
		{ "meta", "REQUEST_URI=/h?hub.challenge=a%20b%2Bc", "", "a b+c" },
		{ "slack", "REQUEST_URI=/h", "{\"challenge\":\"3eZb\"}",
			"{\"challenge\":\"3eZb\"}" },
		{ "slack", "REQUEST_URI=/h", "{\"challenge\":\"\\\"},\\\\\\n\"}",
			"{\"challenge\":\"\\\"},\\\\\\n\"}" },
		{ "meta", "REQUEST_URI=/h?hub.challenge=%22%0a", "", "\"\n" },
		{ "asana", "REQUEST_URI=/h", "", "" },
	};
	struct provider *provider = compile();

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct message message = message_of(TEXTS(table[i].uri), table[i].body);
		struct handshake_answer answer;
		assert_int_equal(
			answer_of(provider, table[i].label, &message, &answer), HANDSHAKE_ANSWERED);
		assert_string_equal(buf_text(&answer.body), table[i].answer);
		assert_int_equal(answer.headers.len, 0);
		handshake_answer_free(&answer);
		message_free(&message);
	}
	provider_free(provider);
}

static void
an_answer_without_what_it_echoes_is_none(void **state)
{
	static const char *const labels[] = { "meta", "slack", "blank" };
	struct provider *provider = compile();

	(void)state;
	for (size_t i = 0; i < COUNT(labels); i++) {
		struct message message =
			message_of(TEXTS("REQUEST_URI=/h"), "{\"challenge\":null}");
		struct handshake_answer answer;
		assert_int_equal(
			answer_of(provider, labels[i], &message, &answer), HANDSHAKE_ABSENT);
		handshake_answer_free(&answer);
		message_free(&message);
	}
	provider_free(provider);
}

static void
an_answer_has_at_most_4_kib(void **state)
{
	static const char key[] = "REQUEST_URI=/h?hub.challenge=";
	static const struct {
		size_t len;
		enum handshake_result result;
	} table[] = {
		{ 4096, HANDSHAKE_ANSWERED },
		{ 4097, HANDSHAKE_ABSENT },
		{ 20000, HANDSHAKE_ABSENT },
	};
	struct provider *provider = compile();
	char uri[32768];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct handshake_answer answer;
		memcpy(uri, key, sizeof key);
		memset(uri + sizeof key - 1, 'c', table[i].len);
		uri[sizeof key - 1 + table[i].len] = '\0';
		struct message message = message_of(TEXTS(uri), "");
		assert_int_equal(answer_of(provider, "meta", &message, &answer), table[i].result);
		if (table[i].result == HANDSHAKE_ANSWERED)
			assert_int_equal(answer.body.len, table[i].len);
		handshake_answer_free(&answer);
		message_free(&message);
	}
	provider_free(provider);
}

/* ---- what is computed ---- */

/* A provider with one handshake and the signed text signs (NULL: the body). */
static struct provider *
one(const struct provider_handshake_options *handshake, const char *signs, const char *key)
{
	static char header[] = "X-A";
	const struct provider_options options = { .name = "test",
		.main = { .header = LIST(header),
			.algorithm = "hmac-sha256",
			.signs = signs != NULL ? LIST(TEXT(signs)) : NULL,
			.key = key },
		.handshakes = handshake,
		.handshake_count = 1 };
	struct provider *provider = provider_compile(&options, fail_on_fault, NULL);

	assert_non_null(provider);
	return provider;
}

static struct provider_handshake_options
challenge(const char *kind, const char *algorithm, const char *encoding)
{
	static char text[] = "{query:c}";
	static char *const when[] = { text, NULL };

	return (struct provider_handshake_options){ .label = "c",
		.method = "GET",
		.when = when,
		.challenge = "{query:c}",
		.challenge_of = kind,
		.challenge_algorithm = algorithm,
		.challenge_encoding = encoding,
		.answer = "{digest}" };
}

/* Made with "openssl dgst -sha256 -hmac s3cret" and the like; eBay's is from its document. */
static void
a_challenge_is_answered_with_its_digest(void **state)
{
	static const struct {
		const char *kind, *algorithm, *encoding, *key, *secret, *uri, *digest;
	} table[] = {
		{ "uuid", "hmac-sha256", NULL, NULL, "s3cret",
			"REQUEST_URI=/h?c=5a0c6a4e-1c5b-4fd1-9a4d-8f1f6e0c9b3d",
			"b7cff7df85d429f5a3a20ee3775b775cdb46ba7a853355728cc2d73973efbe9d" },
		{ NULL, "hmac-sha256", NULL, NULL, "s3cret",
			"REQUEST_URI=/h?c=qgg8vlvZRS6UYooatFL8Aw",
			"f54f2d5fee8f181aab8371bada7fed9bb675eae464f18ed4fb91715244b58ef4" },
		{ "token", "hmac-sha256", "base64", "text", "s3cret",
			"REQUEST_URI=/h?c=challenge_string",
			"nvqHBp8Arm4x8J8HIpXYCDu6hISdDhOxFQN6VRpCUp0=" },
		{ "hex", "hmac-sha1", "hex", "sha1", "integration_private_key",
			"REQUEST_URI=/h?c=20f9f8ed05f77439fe955c977e4c8a53",
			"d9b899556c966b3f06945ec21311865d35df3ce4" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct provider_handshake_options options =
			challenge(table[i].kind, table[i].algorithm, table[i].encoding);
		struct provider *provider = one(&options, NULL, table[i].key);
		struct config_endpoint endpoint = open_endpoint(provider);
		struct config_secret secret = { .text = TEXT(table[i].secret),
			.len = strlen(table[i].secret) };
		struct message message = message_of(TEXTS(table[i].uri), "");
		struct handshake_answer answer;
		endpoint.secrets = &secret;
		handshake_answer_init(&answer);
		assert_int_equal(
			handshake_make(&provider->handshakes[0], &endpoint, &message, &answer),
			HANDSHAKE_ANSWERED);
		assert_string_equal(buf_text(&answer.body), table[i].digest);
		handshake_answer_free(&answer);
		message_free(&message);
		provider_free(provider);
	}
}

static void
a_plain_hash_takes_parameters_beside_the_challenge(void **state)
{
	struct provider_handshake_options options = challenge("uuid", "sha256", "hex");
	struct message_parameter parameters[] = {
		{ TEXT("token"), TEXT("71745723-d031-455c-bfa5-f90d11b4f20a") },
		{ TEXT("url"), TEXT("http://www.testendpoint.com/webhook") },
	};
	struct message message =
		message_of(TEXTS("REQUEST_URI=/h?c=a8628072-3d33-45ee-9004-bee86830a22d"), "");
	struct handshake_answer answer;

	(void)state;
	options.challenge = "{query:c}{parameter:token}{parameter:url}";
	struct provider *provider = one(&options, NULL, NULL);
	struct config_endpoint endpoint = open_endpoint(provider);
	message.parameters = parameters;
	message.parameter_count = 2;
	handshake_answer_init(&answer);
	assert_int_equal(handshake_make(&provider->handshakes[0], &endpoint, &message, &answer),
		HANDSHAKE_ANSWERED);
	assert_string_equal(buf_text(&answer.body),
		"ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb");
	handshake_answer_free(&answer);
	message_free(&message);
	provider_free(provider);
}

static void
only_challenges_of_their_kind_are_computed_with(void **state)
{
	static const char longest[] =
		"REQUEST_URI=/h?c="
		"0123456789012345678901234567890123456789012345678901234567890123"
		"0123456789012345678901234567890123456789012345678901234567890123";
	static const struct {
		const char *kind, *uri;
		enum handshake_result result;
	} table[] = {
		{ "token", "REQUEST_URI=/h?c=aZ09_.%7E%2B%2F%3D-", HANDSHAKE_ANSWERED },
		{ "token", "REQUEST_URI=/h?c=", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?c=%7B%22a%22%3A1%7D", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?c=%5B%5D", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?c=a%26b", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?c=a%3Ab", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?c=a%00", HANDSHAKE_ABSENT },
		{ "token", "REQUEST_URI=/h?c=a%0A", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?c=a+b", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?c=%C3%A9", HANDSHAKE_UNFIT },
		{ "token", longest, HANDSHAKE_ANSWERED },
		{ "hex", longest, HANDSHAKE_UNFIT },
		{ "hex",
			"REQUEST_URI=/h?c="
			"0123456789abcdefABCDEF6789012345678901234567890123456789012345678",
			HANDSHAKE_UNFIT },
		{ "hex", "REQUEST_URI=/h?c=0123456789abcdefABCDEF", HANDSHAKE_ANSWERED },
		{ "hex", "REQUEST_URI=/h?c=0g", HANDSHAKE_UNFIT },
		{ "hex", "REQUEST_URI=/h?c=", HANDSHAKE_UNFIT },
		{ "uuid", "REQUEST_URI=/h?c=5a0c6a4e-1c5b-4fd1-9a4d-8f1f6e0c9b3d",
			HANDSHAKE_ANSWERED },
		{ "uuid", "REQUEST_URI=/h?c=5a0c6a4e-1c5b-4fd1-9a4d-8f1f6e0c9b3d0",
			HANDSHAKE_UNFIT },
		{ "uuid", "REQUEST_URI=/h?c=5a0c6a4e01c5b-4fd1-9a4d-8f1f6e0c9b3d",
			HANDSHAKE_UNFIT },
		{ "uuid", "REQUEST_URI=/h?c=", HANDSHAKE_UNFIT },
		{ "token", "REQUEST_URI=/h?d=", HANDSHAKE_ABSENT },
	};
	char over[256];

	(void)state;
	for (size_t i = 0; i <= COUNT(table); i++) {
		/* And one more than the longest. */
		snprintf(over, sizeof over, "%sx", longest);
		bool last = i == COUNT(table);
		const struct provider_handshake_options options =
			challenge(last ? "token" : table[i].kind, "hmac-sha256", NULL);
		struct provider *provider = one(&options, NULL, NULL);
		struct message message = message_of(TEXTS(last ? over : table[i].uri), "");
		struct handshake_answer answer;
		assert_int_equal(answer_of(provider, "c", &message, &answer),
			last ? HANDSHAKE_UNFIT : table[i].result);
		if (answer.unfit_reason != NULL)
			assert_int_equal(answer.body.len, 0);
		handshake_answer_free(&answer);
		message_free(&message);
		provider_free(provider);
	}
}

static void
what_strangers_may_ask_for_is_no_proof_of_an_event(void **state)
{
	static const struct {
		const char *kind, *signs, *body;
		bool may;
	} table[] = {
		{ "token", "{body}", "amount=100", true },
		{ "token", "{body}", "100", true },
		{ "token", "{body}", "eyJhbGciOiJub25lIn0=", true },
		{ "token", "{body}", "{\"amount\":100}", false },
		{ "token", "{body}", "amount=100&to=me", false },
		{ "token", "{body}", "", false },
		{ "token", "hmacsha256={body}", "", true },
		{ "token", "hmacsha256={body}", "x", true },
		{ "token", "hmacsha256={body}", "{}", false },
		{ "uuid", "hmacsha256={body}", "", false },
		{ "uuid", "{body}", "5a0c6a4e-1c5b-4fd1-9a4d-8f1f6e0c9b3d", true },
		{ "hex", "{body:bt_payload}", "bt_payload=20f9f8ed05f77439", true },
		{ "hex", "{body:bt_payload}", "bt_payload=PG5vdGlmaWNhdGlvbj4=", false },
		{ "token", "v0:{body}", "100", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct provider_handshake_options options =
			challenge(table[i].kind, "hmac-sha256", NULL);
		struct message message = message_of(
			TEXTS("REQUEST_URI=/h", "CONTENT_TYPE=application/x-www-form-urlencoded"),
			table[i].body);
		struct provider *provider = one(&options, table[i].signs, NULL);
		if (handshake_may_have_signed(provider, provider->schemes, &message) !=
			table[i].may)
			fail_msg("%s of %s", table[i].signs, table[i].body);
		provider_free(provider);
		/* Who had to sign the challenge can sign anything, and a hash is no signature. */
		options.verified = "yes";
		provider = one(&options, table[i].signs, NULL);
		assert_false(handshake_may_have_signed(provider, provider->schemes, &message));
		provider_free(provider);
		options.verified = "no";
		options.challenge_algorithm = "sha256";
		provider = one(&options, table[i].signs, NULL);
		assert_false(handshake_may_have_signed(provider, provider->schemes, &message));
		provider_free(provider);
		message_free(&message);
	}
}

/* ---- headers, and what is learned ---- */

static void
a_header_echoes_printable_ascii_on_one_line(void **state)
{
	static char when[] = "{query:t}", header[] = "Validation-Token: {query:t}",
		    second[] = "X-Two:v={query:t}";
	static const struct {
		const char *uri;
		enum handshake_result result;
		const char *lines;
	} table[] = {
		{ "REQUEST_URI=/h?t=abc", HANDSHAKE_ANSWERED,
			"Validation-Token: abc\r\nX-Two: v=abc\r\n" },
		{ "REQUEST_URI=/h?t=a%20b", HANDSHAKE_ANSWERED,
			"Validation-Token: a b\r\nX-Two: v=a b\r\n" },
		{ "REQUEST_URI=/h?t=a%0D%0ASet-Cookie%3A%20x", HANDSHAKE_UNFIT, NULL },
		{ "REQUEST_URI=/h?t=a%0A", HANDSHAKE_UNFIT, NULL },
		{ "REQUEST_URI=/h?t=a%0D", HANDSHAKE_UNFIT, NULL },
		{ "REQUEST_URI=/h?t=a%00", HANDSHAKE_ABSENT, NULL },
		{ "REQUEST_URI=/h?t=a%09", HANDSHAKE_UNFIT, NULL },
		{ "REQUEST_URI=/h?t=%C2%85", HANDSHAKE_UNFIT, NULL },
		{ "REQUEST_URI=/h?t=", HANDSHAKE_UNFIT, NULL },
		{ "REQUEST_URI=/h", HANDSHAKE_ABSENT, NULL },
	};
	const struct provider_handshake_options options = { .label = "c",
		.method = "GET",
		.when = LIST(when),
		.answer_header = LIST(header, second) };
	struct provider *provider = one(&options, NULL, NULL);
	char uri[2048];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct message message = message_of(TEXTS(table[i].uri), "");
		struct handshake_answer answer;
		assert_int_equal(answer_of(provider, "c", &message, &answer), table[i].result);
		if (table[i].lines != NULL)
			assert_string_equal(buf_text(&answer.headers), table[i].lines);
		handshake_answer_free(&answer);
		message_free(&message);
	}
	/* 1 KiB each, with the text around it. */
	for (size_t len = 1022; len <= 1023; len++) {
		struct handshake_answer answer;
		snprintf(uri, sizeof uri, "REQUEST_URI=/h?t=%0*d", (int)len, 0);
		struct message message = message_of(TEXTS(uri), "");
		assert_int_equal(answer_of(provider, "c", &message, &answer),
			len == 1022 ? HANDSHAKE_ANSWERED : HANDSHAKE_ABSENT);
		handshake_answer_free(&answer);
		message_free(&message);
	}
	provider_free(provider);
}

static void
what_is_learned_is_a_printable_text_of_at_most_1_kib(void **state)
{
	static char when[] = "{body:token}";
	const struct provider_handshake_options options = {
		.label = "c", .verified = "no", .when = LIST(when), .learns = "{body:token}"
	};
	static const struct {
		const char *body;
		enum handshake_result result;
		const char *learned;
	} table[] = {
		{ "{\"token\":\"secret_abc\"}", HANDSHAKE_ANSWERED, "secret_abc" },
		{ "{\"token\":\"file:/etc/passwd\"}", HANDSHAKE_ANSWERED, "file:/etc/passwd" },
		{ "{\"token\":\"\"}", HANDSHAKE_UNFIT, "" },
		{ "{\"token\":\"  \"}", HANDSHAKE_UNFIT, NULL },
		{ "{\"token\":\"a\\nb\"}", HANDSHAKE_UNFIT, NULL },
		{ "{\"token\":\"\xc3\xa9\"}", HANDSHAKE_UNFIT, NULL },
		{ "{\"token\":null}", HANDSHAKE_ABSENT, "" },
	};
	struct provider *provider = one(&options, NULL, NULL);
	char body[2048];

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct message message = message_of(TEXTS("REQUEST_URI=/h"), table[i].body);
		struct handshake_answer answer;
		assert_int_equal(answer_of(provider, "c", &message, &answer), table[i].result);
		if (table[i].learned != NULL)
			assert_string_equal(buf_text(&answer.learned), table[i].learned);
		handshake_answer_free(&answer);
		message_free(&message);
	}
	for (int len = 1024; len <= 1025; len++) {
		struct handshake_answer answer;
		snprintf(body, sizeof body, "{\"token\":\"%0*d\"}", len, 0);
		struct message message = message_of(TEXTS("REQUEST_URI=/h"), body);
		assert_int_equal(answer_of(provider, "c", &message, &answer),
			len == 1024 ? HANDSHAKE_ANSWERED : HANDSHAKE_UNFIT);
		handshake_answer_free(&answer);
		message_free(&message);
	}
	provider_free(provider);
}

/* ---- who may ask ---- */

static void
a_handshake_is_closed_until_the_operator_has_agreed(void **state)
{
	static char when[] = "{query:c}", guard[] = "{query:t}={parameter:token}";
	const struct provider_handshake_options echo = {
		.label = "h", .method = "GET", .when = LIST(when), .answer = "{query:c}"
	};
	const struct provider_handshake_options guarded = {
		.label = "h", .method = "GET", .when = LIST(guard), .answer = "{query:c}"
	};
	const struct provider_handshake_options ping = { .label = "h", .method = "HEAD" };
	const struct provider_handshake_options learning = {
		.label = "h", .verified = "no", .when = LIST(when), .learns = "{query:c}"
	};
	const struct provider_handshake_options computed = { .label = "h",
		.method = "GET",
		.challenge = "{query:c}",
		.challenge_algorithm = "hmac-sha256",
		.answer = "{digest}" };
	const struct {
		const struct provider_handshake_options *options;
		bool open, parameter, learned, secret;
		const char *reason; /* NULL: it is answered */
	} table[] = {
		{ &echo, false, true, false, true, "write handshake = \"open\" into the endpoint" },
		{ &echo, true, false, false, true, NULL },
		{ &guarded, false, false, false, true, "write parameters = {\"token=VALUE\"}" },
		{ &guarded, true, false, false, true, "write parameters = {\"token=VALUE\"}" },
		{ &guarded, false, true, false, true, NULL },
		{ &ping, false, false, false, true, NULL },
		{ &learning, true, false, false, true, "write secret = \"learned:PATH\"" },
		{ &learning, false, false, true, false, "write handshake = \"open\"" },
		{ &learning, true, false, true, false, NULL },
		{ &computed, false, false, false, true, "write handshake = \"open\"" },
		{ &computed, true, false, false, true, NULL },
		{ &computed, true, false, true, false, "no secret has been learned yet" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct provider *provider = one(table[i].options, NULL, NULL);
		struct config_endpoint endpoint = open_endpoint(provider);
		char reason[HANDSHAKE_REASON_MAX] = "";
		endpoint.handshake_open = table[i].open;
		endpoint.parameter_count = table[i].parameter;
		endpoint.secret_count = table[i].secret;
		if (!table[i].learned)
			endpoint.learned = NULL;
		assert_int_equal(handshake_is_closed(&provider->handshakes[0], &endpoint, reason),
			table[i].reason != NULL);
		if (table[i].reason != NULL && strstr(reason, table[i].reason) == NULL)
			fail_msg("%zu: %s", i, reason);
		provider_free(provider);
	}
}

static void
a_token_is_compared_with_the_parameter(void **state)
{
	static char guard[] = "{query:t}={parameter:token}",
		    prefixed[] = "{query:t}=x{parameter:token}";
	static struct message_parameter parameters[] = { { TEXT("token"), TEXT("t0ken") } };
	static const struct {
		char *when;
		const char *uri;
		bool set, found;
	} table[] = {
		{ guard, "REQUEST_URI=/h?t=t0ken", true, true },
		{ guard, "REQUEST_URI=/h?t=t0ke", true, false },
		{ guard, "REQUEST_URI=/h?t=t0kens", true, false },
		{ guard, "REQUEST_URI=/h?t=", true, false },
		{ guard, "REQUEST_URI=/h?t={parameter:token}", true, false },
		{ guard, "REQUEST_URI=/h", true, false },
		{ prefixed, "REQUEST_URI=/h?t=xt0ken", true, true },
		{ prefixed, "REQUEST_URI=/h?t=t0ken", true, false },
		/* It is one, and handshake_is_closed() says what is missing. */
		{ guard, "REQUEST_URI=/h?t=anything", false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct provider_handshake_options options = {
			.label = "h", .method = "GET", .when = LIST(table[i].when)
		};
		struct provider *provider = one(&options, NULL, NULL);
		struct message message = message_of(TEXTS("REQUEST_METHOD=GET", table[i].uri), "");
		message.parameters = parameters;
		message.parameter_count = table[i].set;
		assert_int_equal(handshake_find(provider, &message, false) != NULL, table[i].found);
		message_free(&message);
		provider_free(provider);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake_is_found_by_method_and_all_its_conditions),
		cmocka_unit_test(only_methods_of_a_handshake_are_taken),
		cmocka_unit_test(the_answer_echoes_what_the_sender_asked_for),
		cmocka_unit_test(an_answer_without_what_it_echoes_is_none),
		cmocka_unit_test(an_answer_has_at_most_4_kib),
		cmocka_unit_test(a_challenge_is_answered_with_its_digest),
		cmocka_unit_test(a_plain_hash_takes_parameters_beside_the_challenge),
		cmocka_unit_test(only_challenges_of_their_kind_are_computed_with),
		cmocka_unit_test(what_strangers_may_ask_for_is_no_proof_of_an_event),
		cmocka_unit_test(a_header_echoes_printable_ascii_on_one_line),
		cmocka_unit_test(what_is_learned_is_a_printable_text_of_at_most_1_kib),
		cmocka_unit_test(a_handshake_is_closed_until_the_operator_has_agreed),
		cmocka_unit_test(a_token_is_compared_with_the_parameter),
	};

	return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
