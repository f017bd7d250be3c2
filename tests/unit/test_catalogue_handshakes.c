/* test_catalogue_handshakes.c - what senders ask of a URL, and what the built-in providers answer
 *
 * Each request as its sender's document shows it. Who may ask, and what may be
 * echoed at all, is in test_handshake.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "handshake.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TEXT(literal) ((char *)(uintptr_t)(literal))

static const struct {
	const char *provider;
	bool verified; /* the sender signs it */
	const char *method, *query, *header, *body;
	const char *label; /* "none": it is an event */
	int status;
	const char *type, *answer, *headers, *learned;
} rows[] = {
	{ "slack", true, "POST", "", "X=",
		"{\"token\":\"t\",\"challenge\":\"3eZbrw1aBm2r\",\"type\":\"url_verification\"}",
		"url_verification", 200, "text/plain", "3eZbrw1aBm2r", "", "" },
	{ "slack", false, "POST", "", "CONTENT_TYPE=application/x-www-form-urlencoded",
		"ssl_check=1&token=t", "ssl_check", 200, "text/plain", "", "", "" },
	{ "slack", true, "POST", "",
		"X=", "{\"type\":\"event_callback\",\"event\":{\"type\":\"url_verification\"}}",
		"none", 0, "", "", "", "" },
	{ "bitbucket", true, "POST", "", "HTTP_X_EVENT_KEY=diagnostics:ping", "{\"test\":true}",
		"ping", 200, "text/plain", "", "", "" },
	{ "bitbucket", true, "POST", "", "HTTP_X_EVENT_KEY=repo:push", "{\"test\":true}", "none", 0,
		"", "", "", "" },
	{ "viber", true, "POST", "", "X=", "{\"event\":\"webhook\",\"message_token\":241256543215}",
		"webhook", 200, "text/plain", "", "", "" },
	{ "viber", true, "POST", "", "X=", "{\"event\":\"message\",\"message_token\":241256543215}",
		"none", 0, "", "", "", "" },
	{ "notion", false, "POST", "", "X=", "{\"verification_token\":\"secret_tMrlL1qK5vuQ\"}",
		"verification_token", 200, "text/plain", "", "", "secret_tMrlL1qK5vuQ" },
	{ "notion", false, "POST", "", "X=", "{\"type\":\"page.created\"}", "none", 0, "", "", "",
		"" },
	{ "asana", false, "POST", "", "HTTP_X_HOOK_SECRET=b537207f20cbfa02357cf448134da559", "{}",
		"secret", 200, "text/plain", "",
		"X-Hook-Secret: b537207f20cbfa02357cf448134da559\r\n",
		"b537207f20cbfa02357cf448134da559" },
	{ "asana", false, "POST", "", "X=", "{\"events\":[]}", "none", 0, "", "", "", "" },
	{ "dropbox", false, "GET", "?challenge=abc123", "X=", "", "challenge", 200, "text/plain",
		"abc123", "", "" },
	{ "nylas", false, "GET", "?challenge=bc609b38-c81f-47fb-a275-1d9bd61be968", "X=", "",
		"challenge", 200, "text/plain", "bc609b38-c81f-47fb-a275-1d9bd61be968", "", "" },
	/* printf abc-123 | openssl dgst -sha256 -hmac s3cret */
	{ "smartcar", true, "POST", "", "X=",
		"{\"eventId\":\"52f6e0bb\",\"eventType\":\"VERIFY\",\"data\":{\"challenge\":\"abc-"
		"123\"}}",
		"verify", 200, "application/json",
		"{\"challenge\":"
		"\"7b94a54d7edb63bba60a50cb2818a3d36fcd12ed3a85b68650c57e010e03cc50\"}",
		"", "" },
	/* Whoever does not sign it gets no digest. */
	{ "smartcar", false, "POST", "",
		"X=", "{\"eventType\":\"VERIFY\",\"data\":{\"challenge\":\"abc-123\"}}", "none", 0,
		"", "", "", "" },
};

static void
check_answer(const struct provider_handshake *handshake, struct provider *provider,
	struct message *message, size_t row)
{
	static struct config_secret secret = {
		.text = TEXT("s3cret"), .len = 6, .source = TEXT("literal")
	};
	struct config_endpoint endpoint = { .name = TEXT("hook"),
		.provider = provider,
		.secrets = &secret,
		.secret_count = 1,
		.learned = TEXT("/nowhere"),
		.handshake_open = true };
	struct handshake_answer answer;

	handshake_answer_init(&answer);
	assert_int_equal(
		handshake_make(handshake, &endpoint, message, &answer), HANDSHAKE_ANSWERED);
	assert_int_equal(handshake->status, rows[row].status);
	assert_string_equal(handshake->content_type, rows[row].type);
	assert_string_equal(buf_text(&answer.body), rows[row].answer);
	assert_string_equal(buf_text(&answer.headers), rows[row].headers);
	assert_string_equal(buf_text(&answer.learned), rows[row].learned);
	handshake_answer_free(&answer);
}

static void
what_a_sender_asks_is_answered_as_it_wants(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char method[32], uri[256], reason[256] = "";
		char *variables[] = { method, uri, TEXT(rows[i].header), NULL };
		struct provider *provider = config_builtin_provider(rows[i].provider, reason);
		struct message message;
		const struct provider_handshake *handshake;

		if (provider == NULL)
			fail_msg("%s: %s", rows[i].provider, reason);
		snprintf(method, sizeof method, "REQUEST_METHOD=%s", rows[i].method);
		snprintf(uri, sizeof uri, "REQUEST_URI=/hooks/hook%s", rows[i].query);
		message_init(&message, variables, slice_of(rows[i].body));
		message.document = provider->document;
		handshake = handshake_find(provider, &message, rows[i].verified);
		if (strcmp(handshake != NULL ? handshake->label : "none", rows[i].label) != 0)
			fail_msg("%s, row %zu: %s, not %s", rows[i].provider, i,
				handshake != NULL ? handshake->label : "none", rows[i].label);
		if (handshake != NULL)
			check_answer(handshake, provider, &message, i);
		message_free(&message);
		provider_free(provider);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_sender_asks_is_answered_as_it_wants),
	};

	return cmocka_run_group_tests_name("catalogue's handshakes", tests, NULL, NULL);
}
