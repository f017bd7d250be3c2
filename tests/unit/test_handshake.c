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
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct message message = message_of(TEXTS(table[i].uri), table[i].body);
		assert_true(handshake_answer(labelled(provider, table[i].label), &message, &out));
		assert_string_equal(buf_text(&out), table[i].answer);
		buf_clear(&out);
		message_free(&message);
	}
	buf_free(&out);
	provider_free(provider);
}

static void
an_answer_without_what_it_echoes_is_none(void **state)
{
	struct provider *provider = compile();
	struct message message = message_of(TEXTS("REQUEST_URI=/h"), "{\"challenge\":null}");
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_false(handshake_answer(labelled(provider, "meta"), &message, &out));
	assert_false(handshake_answer(labelled(provider, "slack"), &message, &out));
	assert_false(handshake_answer(labelled(provider, "blank"), &message, &out));
	assert_int_equal(out.len, 0);
	buf_free(&out);
	message_free(&message);
	provider_free(provider);
}

static void
an_answer_has_at_most_4_kib(void **state)
{
	static const char key[] = "REQUEST_URI=/h?hub.challenge=";
	static const struct {
		size_t len, room;
		bool answered;
	} table[] = {
		{ 4096, 65536, true },
		{ 4097, 65536, false },
		{ 20000, 65536, false },
		{ 100, 100, true },
		{ 100, 99, false },
	};
	struct provider *provider = compile();
	char uri[32768];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct message message;
		struct buf out;
		memcpy(uri, key, sizeof key);
		memset(uri + sizeof key - 1, 'c', table[i].len);
		uri[sizeof key - 1 + table[i].len] = '\0';
		message = message_of(TEXTS(uri), "");
		buf_init(&out, table[i].room);
		assert_int_equal(handshake_answer(labelled(provider, "meta"), &message, &out),
			table[i].answered);
		assert_int_equal(out.len, table[i].answered ? table[i].len : 0);
		buf_free(&out);
		message_free(&message);
	}
	provider_free(provider);
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
	};

	return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
