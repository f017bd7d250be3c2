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
	{ "circle", false, "HEAD", "", "X=", "", "check", 200, "text/plain", "", "", "" },
	{ "intercom", false, "HEAD", "", "X=", "", "check", 200, "text/plain", "", "", "" },
	{ "intercom", true, "POST", "",
		"X=", "{\"type\":\"notification_event\",\"id\":null,\"topic\":\"ping\"}", "ping",
		200, "text/plain", "", "", "" },
	{ "mandrill", false, "HEAD", "", "X=", "", "head", 200, "text/plain", "", "", "" },
	{ "trello", false, "HEAD", "", "X=", "", "head", 200, "text/plain", "", "", "" },
	{ "github", true, "POST", "", "HTTP_X_GITHUB_EVENT=ping",
		"{\"zen\":\"Keep it logically awesome.\",\"hook_id\":1}", "ping", 200, "text/plain",
		"", "", "" },
	{ "github", false, "POST", "", "HTTP_X_GITHUB_EVENT=ping", "{\"hook_id\":1}", "none", 0, "",
		"", "", "" },
	{ "idfy", true, "POST", "", "X=", "{\"type\":\"ping\"}", "ping", 200, "text/plain", "", "",
		"" },
	{ "favro", true, "POST", "", "X=", "{\"payloadId\":\"a1\",\"action\":\"ping\"}", "ping",
		200, "text/plain", "", "", "" },
	{ "figma", true, "POST", "",
		"X=", "{\"event_type\":\"PING\",\"passcode\":\"p\",\"webhook_id\":\"22\"}", "ping",
		200, "text/plain", "", "", "" },
	{ "wise", true, "POST", "", "HTTP_X_TEST_NOTIFICATION=true", "{\"data\":{}}", "test", 200,
		"text/plain", "", "", "" },
	{ "woocommerce", false, "POST", "", "CONTENT_TYPE=application/x-www-form-urlencoded",
		"webhook_id=5", "ping", 200, "text/plain", "", "", "" },
	{ "woocommerce", false, "POST", "", "CONTENT_TYPE=application/json", "{\"id\":5}", "none",
		0, "", "", "", "" },
	{ "exact-online", false, "POST", "", "X=", "", "empty", 200, "text/plain", "", "", "" },
	{ "exact-online", false, "POST", "", "X=", "{}", "none", 0, "", "", "", "" },
	{ "discord-interactions", true, "POST", "", "X=",
		"{\"application_id\":\"1\",\"id\":\"2\",\"token\":\"t\",\"type\":1,\"version\":1}",
		"ping", 200, "application/json", "{\"type\":1}", "", "" },
	{ "discord-interactions", false, "POST", "", "X=", "{\"type\":1}", "none", 0, "", "", "",
		"" },
	{ "discord", true, "POST", "", "X=", "{\"version\":1,\"application_id\":\"1\",\"type\":0}",
		"ping", 204, "text/plain", "", "", "" },
	{ "front", true, "POST", "", "HTTP_X_FRONT_CHALLENGE=26ad7e0b",
		"{\"type\":\"sync\",\"authorization\":{\"id\":\"cmp_abc\"}}", "challenge", 200,
		"application/json", "{\"challenge\":\"26ad7e0b\"}", "", "" },
	{ "tebex", true, "POST", "",
		"X=", "{\"id\":\"4f2d8a\",\"type\":\"validation.webhook\",\"subject\":{}}",
		"validation", 200, "application/json", "{\"id\":\"4f2d8a\"}", "", "" },
	{ "twitch", true, "POST", "",
		"HTTP_TWITCH_EVENTSUB_MESSAGE_TYPE=webhook_callback_verification",
		"{\"challenge\":\"pogchamp-kappa-360noscope-vohiyo\",\"subscription\":{\"type\":"
		"\"channel.follow\"}}",
		"challenge", 200, "text/plain", "pogchamp-kappa-360noscope-vohiyo", "", "" },
	{ "monday", false, "POST", "", "X=", "{\"challenge\":\"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd\"}",
		"challenge", 200, "application/json",
		"{\"challenge\":\"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd\"}", "", "" },
	{ "okta", true, "GET", "", "HTTP_X_OKTA_VERIFICATION_CHALLENGE=my verification challenge",
		"", "verification", 200, "application/json",
		"{\"verification\":\"my verification challenge\"}", "", "" },
	{ "okta", false, "GET", "", "HTTP_X_OKTA_VERIFICATION_CHALLENGE=abc", "", "none", 0, "", "",
		"", "" },
	{ "meta", false, "GET",
		"?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock",
		"X=", "", "subscribe", 200, "text/plain", "1158201444", "", "" },
	{ "meta", false, "GET",
		"?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=other", "X=", "",
		"wrong verify_token", 403, "text/plain", "", "", "" },
	{ "oura", false, "GET", "?verification_token=123&challenge=xyz", "X=", "", "challenge", 200,
		"application/json", "{\"challenge\":\"xyz\"}", "", "" },
	{ "oura", false, "GET", "?verification_token=124&challenge=xyz", "X=", "", "none", 0, "",
		"", "", "" },
	{ "fitbit", false, "GET", "?verify=correctVerificationCode", "X=", "", "verify", 204,
		"text/plain", "", "", "" },
	{ "fitbit", false, "GET", "?verify=incorrectVerificationCode", "X=", "",
		"wrong verify code", 404, "text/plain", "", "", "" },
	/* As in the tests of Braintree's own library. */
	{ "braintree", false, "GET", "?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53", "X=", "",
		"challenge", 200, "text/plain",
		"integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4", "", "" },
	/* The digests below: printf TEXT | openssl dgst -sha256 -hmac s3cret */
	{ "linkedin", false, "GET", "?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0", "X=", "",
		"validation", 200, "application/json",
		"{\"challengeCode\":\"890e4665-4dfe-4ab1-b689-ed553bceeed0\",\"challengeResponse\":"
		"\"282e84d6c3fe9e152bf838a2c9ac5fabeace9e4bcc5a62d3eb0925f22f514d62\"}",
		"", "" },
	{ "x-twitter", false, "GET", "?crc_token=9b4507b3-9040-4669-9ca3-6b94edb50553", "X=", "",
		"crc", 200, "application/json",
		"{\"response_token\":\"sha256=sUiql2ImzpZiS81esbntH8T8m2wuVrPa0jyMticDMm8=\"}", "",
		"" },
	{ "zoom", true, "POST", "", "X=",
		"{\"payload\":{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\"},\"event_ts\":"
		"1654503849680,"
		"\"event\":\"endpoint.url_validation\"}",
		"validation", 200, "application/json",
		"{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\",\"encryptedToken\":"
		"\"f54f2d5fee8f181aab8371bada7fed9bb675eae464f18ed4fb91715244b58ef4\"}",
		"", "" },
	{ "zoom", false, "POST", "", "X=",
		"{\"payload\":{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\"},"
		"\"event\":\"endpoint.url_validation\"}",
		"none", 0, "", "", "", "" },
};

/* What endpoints say, where it is more than the secret s3cret. */
static const struct {
	const char *provider, *secret;
	struct message_parameter parameter;
} endpoints[] = {
	{ "meta", "s3cret", { TEXT("verify_token"), TEXT("meatyhamhock") } },
	{ "oura", "s3cret", { TEXT("verification_token"), TEXT("123") } },
	{ "fitbit", "s3cret", { TEXT("verify"), TEXT("correctVerificationCode") } },
	{ "braintree", "integration_private_key",
		{ TEXT("public_key"), TEXT("integration_public_key") } },
	{ NULL, "s3cret", { NULL, NULL } },
};

static size_t
endpoint_of(const char *provider)
{
	size_t i = 0;

	while (endpoints[i].provider != NULL && strcmp(endpoints[i].provider, provider) != 0)
		i++;
	return i;
}

static void
check_answer(const struct provider_handshake *handshake, struct provider *provider,
	struct message *message, size_t row)
{
	const char *text = endpoints[endpoint_of(rows[row].provider)].secret;
	struct config_secret secret = {
		.text = TEXT(text), .len = strlen(text), .source = TEXT("literal")
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
		size_t endpoint = endpoint_of(rows[i].provider);

		if (provider == NULL)
			fail_msg("%s: %s", rows[i].provider, reason);
		snprintf(method, sizeof method, "REQUEST_METHOD=%s", rows[i].method);
		snprintf(uri, sizeof uri, "REQUEST_URI=/hooks/hook%s", rows[i].query);
		message_init(&message, variables, slice_of(rows[i].body));
		message.document = provider->document;
		message.parameters = &endpoints[endpoint].parameter;
		message.parameter_count = endpoints[endpoint].provider != NULL ? 1 : 0;
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

static bool
has_row(const char *provider, const char *label)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (strcmp(rows[i].provider, provider) == 0 && strcmp(rows[i].label, label) == 0)
			return true;
	}
	return false;
}

static void
every_handshake_of_the_catalogue_is_asked_for(void **state)
{
	const char *name;

	(void)state;
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		char reason[256] = "";
		struct provider *provider = config_builtin_provider(name, reason);
		if (provider == NULL)
			fail_msg("%s: %s", name, reason);
		for (size_t h = 0; h < provider->handshake_count; h++) {
			if (!has_row(name, provider->handshakes[h].label))
				fail_msg("%s: nothing asks for the handshake \"%s\"", name,
					provider->handshakes[h].label);
		}
		provider_free(provider);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_sender_asks_is_answered_as_it_wants),
		cmocka_unit_test(every_handshake_of_the_catalogue_is_asked_for),
	};

	return cmocka_run_group_tests_name("catalogue's handshakes", tests, NULL, NULL);
}
