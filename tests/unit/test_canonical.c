/* test_canonical.c - special canonical forms, and what must not have one
 *
 * tests/vectors/canonical/NAME.json holds what the senders' own libraries made
 * (make.mjs there); it is read with json.c, which is tested elsewhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "canonical.h"
#include "form.h"
#include "json.h"
#include "jwk.h"
#include "jwt.h"
#include "text.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])
#define VARIABLES_MAX 16
#define TEXT_MAX (8 << 20)

static struct message
message_with(const char *const *variables, struct slice body, const char *url)
{
	struct message message;

	message_init(&message, (char *const *)(uintptr_t)variables, body);
	message.url_override = url;
	return message;
}

static enum canonical_result
append(const char *form, struct message *message, struct buf *out)
{
	const struct canonical_form *found = canonical_find(slice_of(form));

	assert_non_null(found);
	return found->append(message, out);
}

/* ---- what the libraries made ---- */

struct vector {
	char *variables[VARIABLES_MAX + 1];
	struct slice body;
	char *url; /* NULL: none */
	struct slice text;
};

static struct leaves *
read_vectors(const char *form)
{
	struct leaves *leaves = leaves_new();
	char path[128], piece[4096], reason[128];
	struct buf json;
	size_t len;
	FILE *file;

	buf_init(&json, 1 << 20);
	snprintf(path, sizeof path, "tests/vectors/canonical/%s.json", form);
	file = fopen(path, "re");
	assert_non_null(file);
	while ((len = fread(piece, 1, sizeof piece, file)) > 0)
		assert_true(buf_append(&json, piece, len));
	fclose(file);
	assert_int_equal(json_parse(buf_slice(&json), leaves, reason), JSON_OK);
	buf_free(&json);
	return leaves;
}

static bool
find_string(const struct leaves *leaves, size_t at, const char *name, struct slice *out)
{
	char path[64];
	struct leaf leaf;

	snprintf(path, sizeof path, "%zu.%s", at, name);
	if (!leaves_find(leaves, slice_of(path), &leaf))
		return false;
	assert_int_equal(leaf.kind, LEAF_STRING);
	*out = leaf.value;
	return true;
}

static bool
find_vector(const struct leaves *leaves, size_t at, struct vector *out)
{
	char name[32];
	struct slice value;

	memset(out, 0, sizeof *out);
	if (!find_string(leaves, at, "text", &out->text))
		return false;
	assert_true(find_string(leaves, at, "body", &out->body));
	if (find_string(leaves, at, "url", &value))
		out->url = xmemdup0(value.data, value.len);
	for (size_t i = 0;; i++) {
		snprintf(name, sizeof name, "variables.%zu", i);
		if (!find_string(leaves, at, name, &value))
			break;
		assert_true(i < VARIABLES_MAX);
		out->variables[i] = xmemdup0(value.data, value.len);
	}
	return true;
}

static void
vector_free(struct vector *vector)
{
	for (size_t i = 0; i < VARIABLES_MAX; i++)
		free(vector->variables[i]);
	free(vector->url);
}

static struct message
message_of(const struct vector *vector)
{
	return message_with((const char *const *)vector->variables, vector->body, vector->url);
}

/* Which of them each vector is for. */
static const char *const with_vectors[] = { "contentful", "hygraph", "aws-sns", "plivo",
	"atlassian-qsh", "truelayer" };

static void
for_each_vector(void (*check)(const struct canonical_form *form, const struct vector *vector))
{
	for (size_t i = 0; i < ROWS(with_vectors); i++) {
		const struct canonical_form *form = canonical_find(slice_of(with_vectors[i]));
		struct leaves *leaves = read_vectors(with_vectors[i]);
		struct vector vector;
		size_t count = 0;

		assert_non_null(form);
		for (; find_vector(leaves, count, &vector); count++) {
			check(form, &vector);
			vector_free(&vector);
		}
		assert_true(count > 2);
		leaves_free(leaves);
	}
}

static void
check_text(const struct canonical_form *form, const struct vector *vector)
{
	struct message message = message_of(vector);
	struct buf out;

	buf_init(&out, 6 + vector->text.len); /* no more than is needed */
	assert_true(buf_append_text(&out, "before"));
	assert_int_equal(form->append(&message, &out), CANONICAL_OK);
	assert_int_equal(out.len, 6 + vector->text.len);
	assert_memory_equal(out.data, "before", 6);
	assert_memory_equal(out.data + 6, vector->text.data, vector->text.len);
	buf_free(&out);
	message_free(&message);
}

static void
senders_libraries_agree(void **state)
{
	(void)state;
	for_each_vector(check_text);
}

static void
check_short_out(const struct canonical_form *form, const struct vector *vector)
{
	for (size_t max = 0; max < vector->text.len; max++) {
		struct message message = message_of(vector);
		struct buf out;

		buf_init(&out, max);
		assert_int_equal(form->append(&message, &out), CANONICAL_TOO_LONG);
		assert_true(out.len <= max);
		buf_free(&out);
		message_free(&message);
	}
}

static void
full_out_is_told(void **state)
{
	(void)state;
	for_each_vector(check_short_out);
}

/* Each byte of the body made another one. */
static void
check_body(const struct canonical_form *form, const struct vector *vector)
{
	char *body = xmemdup0(vector->body.data, vector->body.len);

	for (size_t i = 0; form->signs_body && i < vector->body.len; i++) {
		struct message message;
		struct buf out;

		body[i] ^= 1;
		message = message_with((const char *const *)vector->variables,
			(struct slice){ body, vector->body.len }, vector->url);
		buf_init(&out, TEXT_MAX);
		assert_int_equal(form->append(&message, &out), CANONICAL_OK);
		assert_false(slice_equal(buf_slice(&out), vector->text));
		buf_free(&out);
		message_free(&message);
		body[i] ^= 1;
	}
	free(body);
}

static void
signed_body_cannot_be_changed(void **state)
{
	(void)state;
	for_each_vector(check_body);
}

/* ---- what no library takes, or none should ---- */

#define METHOD "REQUEST_METHOD=POST"
#define URI "REQUEST_URI=/h"

#define CTF_TIME "HTTP_X_CONTENTFUL_TIMESTAMP=1700000000000"
#define CTF_LIST "HTTP_X_CONTENTFUL_SIGNED_HEADERS="
#define CTF_BOTH "x-contentful-signed-headers,x-contentful-timestamp"

#define HYGRAPH "HTTP_GCMS_SIGNATURE="

#define SNS_REST "\"MessageId\":\"1\",\"Timestamp\":\"2\",\"TopicArn\":\"3\",\"Message\":\"4\""

#define NONCE "HTTP_X_PLIVO_SIGNATURE_V3_NONCE=1"
#define FORM_TYPE "CONTENT_TYPE=application/x-www-form-urlencoded"
#define PLIVO_URL "https://example.com/h"

static const struct refusal {
	const char *form;
	const char *variables[8];
	const char *body;
	const char *url;
	enum canonical_result result;
} refusals[] = {
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST CTF_BOTH }, "", NULL, CANONICAL_OK },
	{ "contentful", { METHOD, URI, CTF_TIME }, "", NULL, CANONICAL_ABSENT },
	{ "contentful", { METHOD, CTF_TIME, CTF_LIST CTF_BOTH }, "", NULL, CANONICAL_ABSENT },
	{ "contentful", { URI, CTF_TIME, CTF_LIST CTF_BOTH }, "", NULL, CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_LIST CTF_BOTH }, "", NULL, CANONICAL_ABSENT },
	/* The time, or the list, is not signed. */
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST "x-contentful-signed-headers" }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST "x-contentful-timestamp" }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_TIME, CTF_LIST CTF_BOTH }, "", NULL,
		CANONICAL_REPEATED },
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST CTF_BOTH, CTF_LIST CTF_BOTH }, "", NULL,
		CANONICAL_REPEATED },
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST CTF_BOTH ",x-contentful-timestamp" }, "",
		NULL, CANONICAL_REPEATED },
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST CTF_BOTH ",x-not-there" }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST CTF_BOTH "," }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_TIME, CTF_LIST "," CTF_BOTH }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_TIME, "HTTP_X_A=1", CTF_LIST CTF_BOTH ",x-a" }, "", NULL,
		CANONICAL_OK },
	/* Second spellings of one header. */
	{ "contentful", { METHOD, URI, CTF_TIME, "HTTP_X_A=1", CTF_LIST CTF_BOTH ",X-A" }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_TIME, "HTTP_X_A=1", CTF_LIST CTF_BOTH ",x_a" }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, URI, CTF_TIME, "HTTP_X_A=1", CTF_LIST CTF_BOTH ", x-a" }, "",
		NULL, CANONICAL_ABSENT },
	{ "contentful", { METHOD, "REQUEST_URI=/h?a?b", CTF_TIME, CTF_LIST CTF_BOTH }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, "REQUEST_URI=*", CTF_TIME, CTF_LIST CTF_BOTH }, "", NULL,
		CANONICAL_ABSENT },
	{ "contentful", { METHOD, "REQUEST_URI=http://h?a", CTF_TIME, CTF_LIST CTF_BOTH }, "", NULL,
		CANONICAL_ABSENT },

	{ "hygraph", { HYGRAPH "sign=a, env=b, t=1" }, "", NULL, CANONICAL_OK },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=9007199254740991" }, "", NULL, CANONICAL_OK },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=9007199254740992" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=01" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=1x" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=-1" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=, t=1" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=b" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=1, t=2" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "env=b, sign=a, t=1" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a,env=b,t=1" }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { NULL }, "", NULL, CANONICAL_ABSENT },
	{ "hygraph", { HYGRAPH "sign=a, env=b, t=1", HYGRAPH "sign=a, env=b, t=2" }, "", NULL,
		CANONICAL_REPEATED },

	{ "aws-sns", { NULL }, "{\"Type\":\"Notification\"," SNS_REST "}", NULL, CANONICAL_OK },
	{ "aws-sns", { NULL }, "{\"Type\":\"Other\"," SNS_REST "}", NULL, CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{" SNS_REST "}", NULL, CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{\"Type\":null," SNS_REST "}", NULL, CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{\"Type\":\"SubscriptionConfirmation\"," SNS_REST "}", NULL,
		CANONICAL_ABSENT },
	{ "aws-sns", { NULL },
		"{\"Type\":\"SubscriptionConfirmation\",\"Token\":\"5\",\"SubscribeURL\":"
		"null," SNS_REST "}",
		NULL, CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{\"Type\":\"Notification\",\"Subject\":1," SNS_REST "}", NULL,
		CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{\"Type\":\"Notification\",\"Subject\":{\"a\":1}," SNS_REST "}",
		NULL, CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{\"Type\":\"Notification\",\"Subject\":\"a\\nb\"," SNS_REST "}",
		NULL, CANONICAL_ABSENT },
	{ "aws-sns", { NULL },
		"{\"Type\":\"Notification\"," SNS_REST ",\"MessageId\":\"1\\nSubject\\nx\"}", NULL,
		CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{\"Type\":\"Notification\"," SNS_REST ",\"MessageId\":1}", NULL,
		CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "{\"Type\":\"Notification\"," SNS_REST, NULL, CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "[{\"Type\":\"Notification\"," SNS_REST "}]", NULL,
		CANONICAL_ABSENT },
	{ "aws-sns", { FORM_TYPE },
		"Type=Notification&MessageId=1&Timestamp=2&TopicArn=3&Message=4", NULL,
		CANONICAL_ABSENT },
	{ "aws-sns", { NULL }, "", NULL, CANONICAL_ABSENT },

	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=1", PLIVO_URL, CANONICAL_OK },
	{ "plivo", { METHOD, FORM_TYPE }, "a=1", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, NONCE, FORM_TYPE }, "a=1", PLIVO_URL, CANONICAL_REPEATED },
	{ "plivo", { METHOD, NONCE }, "a=1", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE }, "a", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE }, "{\"a\":1}", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "{\"a\":1}", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=%zz", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { "REQUEST_METHOD=PUT", NONCE, FORM_TYPE }, "a=1", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { "REQUEST_METHOD=GET", NONCE, FORM_TYPE }, "a=1", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { NONCE, FORM_TYPE }, "a=1", PLIVO_URL, CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=1", NULL, CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=1", "https://u:p@example.com/h",
		CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=1", PLIVO_URL "?a=1%26b=2", CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=1", PLIVO_URL "?a%3d1=b", CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=1", PLIVO_URL "?a=%", CANONICAL_ABSENT },
	{ "plivo", { METHOD, NONCE, FORM_TYPE }, "a=1", PLIVO_URL "?a=%4", CANONICAL_ABSENT },

	{ "atlassian-qsh", { METHOD, "REQUEST_URI=/h?a=1" }, "", NULL, CANONICAL_OK },
	{ "atlassian-qsh", { METHOD, "REQUEST_URI=/h?a=%zz" }, "", NULL, CANONICAL_ABSENT },
	{ "atlassian-qsh", { METHOD }, "", NULL, CANONICAL_ABSENT },
	{ "atlassian-qsh", { URI }, "", NULL, CANONICAL_ABSENT },
};

static void
what_is_not_whole_or_not_clear_has_no_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(refusals); i++) {
		const struct refusal *row = &refusals[i];
		struct message message =
			message_with(row->variables, slice_of(row->body), row->url);
		enum canonical_result result;
		struct buf out;

		buf_init(&out, TEXT_MAX);
		result = append(row->form, &message, &out);
		if (result != row->result)
			print_error("row %zu: %s: %s\n", i, row->form, row->body);
		assert_int_equal(result, row->result);
		buf_free(&out);
		message_free(&message);
	}
}

/* The text must be this. */
static void
assert_form(const char *form, const char *const *variables, const char *body, const char *url,
	const char *text)
{
	struct message message = message_with(variables, slice_of(body), url);
	struct buf out;

	buf_init(&out, TEXT_MAX);
	assert_int_equal(append(form, &message, &out), CANONICAL_OK);
	assert_string_equal(buf_text(&out), text);
	buf_free(&out);
	message_free(&message);
}

/* sns-validator has no Token here; SignatureChecker of aws-sdk-java signs it as in a subscription. */
static void
sns_unsubscription_is_signed_as_documented(void **state)
{
	static const char *const variables[] = { NULL };

	(void)state;
	assert_form("aws-sns", variables,
		"{\"Type\":\"UnsubscribeConfirmation\",\"Token\":\"5\",\"SubscribeURL\":"
		"\"6\"," SNS_REST "}",
		NULL,
		"Message\n4\nMessageId\n1\nSubscribeURL\n6\nTimestamp\n2\nToken\n5\nTopicArn\n3\n"
		"Type\nUnsubscribeConfirmation\n");
}

static void
contentful_list_is_put_in_order(void **state)
{
	static const char *const variables[] = { METHOD, URI, CTF_TIME, "HTTP_X_A= 1 ",
		CTF_LIST "x-contentful-timestamp,x-a,x-contentful-signed-headers", NULL };

	(void)state;
	assert_form("contentful", variables, "b", NULL,
		"POST\n/h\nx-a:1;x-contentful-signed-headers:x-a,x-contentful-signed-headers,"
		"x-contentful-timestamp;x-contentful-timestamp:1700000000000\nb");
}

static void
contentful_list_is_bounded(void **state)
{
	for (size_t extra = 62; extra <= 63; extra++) {
		const char *variables[128] = { METHOD, URI, CTF_TIME };
		char headers[64][16];
		struct message message;
		struct buf list, out;

		(void)state;
		buf_init(&list, 4096);
		buf_init(&out, TEXT_MAX);
		assert_true(buf_append_text(&list, CTF_LIST CTF_BOTH));
		for (size_t i = 0; i < extra; i++) {
			assert_true(buf_appendf(&list, ",x%zu", i));
			snprintf(headers[i], sizeof headers[i], "HTTP_X%zu=v", i);
			variables[3 + i] = headers[i];
		}
		variables[3 + extra] = buf_text(&list);
		message = message_with(variables, slice_of(""), NULL);
		assert_int_equal(append("contentful", &message, &out),
			extra == 62 ? CANONICAL_OK : CANONICAL_TOO_LONG);
		message_free(&message);
		buf_free(&out);
		buf_free(&list);
	}
}

/* Without a registered URL the request's own is taken. */
static void
plivo_url_may_be_that_of_the_request(void **state)
{
	static const char *const variables[] = { METHOD, "REQUEST_URI=/h?b=2&a=1", "HTTPS=on",
		"HTTP_HOST=example.com:8443", NONCE, NULL };

	(void)state;
	assert_form("plivo", variables, "", NULL, "https://example.com:8443/h?a=1&b=2.1");
}

/* A form body of so many would be no form, and the URL of a Plivo request is bounded before. */
static void
too_many_fields_are_told(void **state)
{
	struct buf uri, out;

	(void)state;
	buf_init(&uri, 1 << 20);
	buf_init(&out, TEXT_MAX);
	assert_true(buf_append_text(&uri, "REQUEST_URI=/h?"));
	for (size_t i = 1; i < FORM_FIELDS_MAX; i++)
		assert_true(buf_append_text(&uri, "a&"));
	for (size_t count = FORM_FIELDS_MAX; count <= FORM_FIELDS_MAX + 1; count++) {
		const char *variables[] = { METHOD, buf_text(&uri), NULL };
		struct message message = message_with(variables, slice_of(""), NULL);

		assert_int_equal(append("atlassian-qsh", &message, &out),
			count == FORM_FIELDS_MAX ? CANONICAL_OK : CANONICAL_TOO_LONG);
		message_free(&message);
		assert_true(buf_append_text(&uri, "a&"));
	}
	buf_free(&out);
	buf_free(&uri);
}

static void
megabyte_is_taken(void **state)
{
	static const char *const hygraph[] = { HYGRAPH "sign=a, env=b, t=1", NULL };
	static const char *const contentful[] = { METHOD, URI, CTF_TIME, CTF_LIST CTF_BOTH, NULL };
	static const size_t len = 1 << 20;
	struct slice body = { memset(xmalloc(len), '\1', len), len };
	struct message message = message_with(hygraph, body, NULL);
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_int_equal(append("hygraph", &message, &out), CANONICAL_OK);
	assert_int_equal(out.len,
		6 * len + strlen("{\"Body\":\"\",\"EnvironmentName\":\"b\",\"TimeStamp\":1}"));
	message_free(&message);
	buf_free(&out);

	message = message_with(contentful, body, NULL);
	assert_int_equal(append("contentful", &message, &out), CANONICAL_OK);
	assert_memory_equal(out.data + out.len - len, body.data, len);
	message_free(&message);
	buf_free(&out);
	free((void *)(uintptr_t)body.data);
}

/* ---- truelayer ---- */

/* github.com/TrueLayer/truelayer-signing, test-resources: jwks.json, webhook-signature.txt */
static const char truelayer_key[] =
	"{\"kty\":\"EC\",\"alg\":\"ES512\",\"kid\":\"45fc75cf-5649-4134-84b3-192c2c78e990\","
	"\"crv\":\"P-521\",\"x\":\"oLuW4nFqoUuR8d7FVsUoI62libYdQlWGtLStnqdudLY92bQ0ra5eZAbkunrGTR9-"
	"w9mr4o2Etyb6pC7YB2-23WM\",\"y\":\"AX1cjkGMiltikPrkX49qwuJDdcETaTsj-kyFP8jsF9W5XAB3Z4tBiQtc"
	"72DQnJYeKyAV_T6qZTtFKFr-Tp4iu-j7\"}";
#define TRUELAYER_SIGNATURE                                                                      \
	"eyJhbGciOiJFUzUxMiIsImtpZCI6IjQ1ZmM3NWNmLTU2NDktNDEzNC04NGIzLTE5MmMyYzc4ZTk5MCIsInRsX3" \
	"ZlcnNpb24iOiIyIiwidGxfaGVhZGVycyI6IlgtVGwtV2ViaG9vay1UaW1lc3RhbXAsQ29udGVudC1UeXBlIiwi" \
	"amt1IjoiaHR0cHM6Ly93ZWJob29rcy50cnVlbGF5ZXIuY29tLy53ZWxsLWtub3duL2p3a3MifQ..AB9S1dzZTm" \
	"w0tofUjJNGO7Kt_jZsahPyIrBTdhfxBWOI3KoLALkMy6ka1MjpZQx06_hQUJnanu9K_LS6V9lNaNGiAX5Cos5R" \
	"WQfbeBCZWqAvIpXO3FvIzyJKRaTYK8FBG4lfJYPi76_pIkCLGKWeq8__7ElpMVRcLTM5IBKWL8isVZn_"

static bool
truelayer_verifies(const char *form, const char *const *variables, const char *body)
{
	struct message message = message_with(variables, slice_of(body), NULL);
	struct crypto_public_key *key =
		jwk_public_key(CRYPTO_ECDSA_P521_SHA512_RAW, slice_of(truelayer_key));
	struct buf text, signing_input, signature;
	struct jwt jwt;
	struct slice input;
	bool ok;

	buf_init(&text, TEXT_MAX);
	buf_init(&signing_input, TEXT_MAX);
	buf_init(&signature, 1024);
	assert_non_null(key);
	assert_int_equal(append(form, &message, &text), CANONICAL_OK);
	assert_int_equal(jwt_parse(slice_of(TRUELAYER_SIGNATURE), true, &jwt), JWT_OK);
	assert_true(buf_append_slice(&signing_input, jwt.protected_text) &&
		    buf_append_char(&signing_input, '.') &&
		    text_encode(TEXT_BASE64URL, text.data, text.len, &signing_input));
	assert_true(text_decode(TEXT_BASE64URL, jwt.signature_text, &signature));
	input = buf_slice(&signing_input);
	ok = crypto_verify(key, &input, 1, buf_slice(&signature));
	jwt_free(&jwt);
	buf_free(&signature);
	buf_free(&signing_input);
	buf_free(&text);
	crypto_public_key_free(key);
	message_free(&message);
	return ok;
}

#define TL_SIGNATURE "HTTP_TL_SIGNATURE=" TRUELAYER_SIGNATURE
#define TL_TIME "HTTP_X_TL_WEBHOOK_TIMESTAMP=2021-11-29T11:42:55Z"
#define TL_TYPE "CONTENT_TYPE=application/json"
#define TL_URI "REQUEST_URI=/tl-webhook"
#define TL_BODY "{\"event_type\":\"example\",\"event_id\":\"18b2842b-a57b-4887-a0a6-d3c7c36f1020\"}"

static void
truelayers_published_signature_verifies(void **state)
{
	static const struct {
		const char *form;
		const char *variables[6];
		const char *body;
		bool verifies;
	} rows[] = {
		{ "truelayer", { TL_SIGNATURE, METHOD, TL_URI, TL_TIME, TL_TYPE }, TL_BODY, true },
		{ "truelayer", { TL_SIGNATURE, METHOD, TL_URI "/", TL_TIME, TL_TYPE }, TL_BODY,
			false },
		{ "truelayer-slash", { TL_SIGNATURE, METHOD, TL_URI "/", TL_TIME, TL_TYPE },
			TL_BODY, true },
		{ "truelayer-slash", { TL_SIGNATURE, METHOD, TL_URI, TL_TIME, TL_TYPE }, TL_BODY,
			false },
		{ "truelayer", { TL_SIGNATURE, METHOD, TL_URI "?a", TL_TIME, TL_TYPE }, TL_BODY,
			false },
		{ "truelayer", { TL_SIGNATURE, METHOD, TL_URI, TL_TIME }, TL_BODY, false },
		{ "truelayer", { TL_SIGNATURE, METHOD, TL_URI, TL_TIME, TL_TYPE }, TL_BODY " ",
			false },
		{ "truelayer", { TL_SIGNATURE, "REQUEST_METHOD=PUT", TL_URI, TL_TIME, TL_TYPE },
			TL_BODY, false },
		{ "truelayer",
			{ TL_SIGNATURE, METHOD, TL_URI,
				"HTTP_X_TL_WEBHOOK_TIMESTAMP=2021-11-29T11:42:56Z", TL_TYPE },
			TL_BODY, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(truelayer_verifies(rows[i].form, rows[i].variables, rows[i].body),
			rows[i].verifies);
}

static void
truelayer_header_that_lacks_something_is_refused(void **state)
{
	static const struct {
		const char *header; /* of the JWS, JSON */
		enum canonical_result result;
	} rows[] = {
#define GOOD "\"alg\":\"ES512\",\"tl_version\":\"2\","
		{ "{" GOOD "\"tl_headers\":\"X-Tl-Webhook-Timestamp\"}", CANONICAL_OK },
		{ "{" GOOD "\"tl_headers\":\"x-tl-webhook-timestamp,X-Not-There\"}", CANONICAL_OK },
		{ "{" GOOD "\"tl_headers\":\"\"}", CANONICAL_ABSENT },
		{ "{" GOOD "\"kid\":\"k\"}", CANONICAL_ABSENT },
		{ "{" GOOD "\"tl_headers\":\"X-Other\"}", CANONICAL_ABSENT },
		{ "{" GOOD "\"tl_headers\":\"X_Tl_Webhook_Timestamp\"}", CANONICAL_ABSENT },
		{ "{" GOOD "\"tl_headers\":\"X-Tl-Webhook-Timestamp,,A\"}", CANONICAL_ABSENT },
		{ "{" GOOD "\"tl_headers\":\"X-Tl-Webhook-Timestamp,x-tl-webhook-timestamp\"}",
			CANONICAL_REPEATED },
		{ "{" GOOD "\"tl_headers\":\"X-Tl-Webhook-Timestamp,A\\nB\"}", CANONICAL_ABSENT },
		{ "{\"alg\":\"HS512\",\"tl_version\":\"2\",\"tl_headers\":\"X-Tl-Webhook-"
		  "Timestamp\"}",
			CANONICAL_ABSENT },
		{ "{\"alg\":\"ES512\",\"tl_version\":\"1\",\"tl_headers\":\"X-Tl-Webhook-"
		  "Timestamp\"}",
			CANONICAL_ABSENT },
		{ "{\"alg\":\"ES512\",\"tl_headers\":\"X-Tl-Webhook-Timestamp\"}",
			CANONICAL_ABSENT },
		{ "not json", CANONICAL_ABSENT },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *variables[] = { METHOD, URI, TL_TIME, NULL, NULL };
		struct message message;
		struct buf header, out;

		buf_init(&header, 4096);
		buf_init(&out, TEXT_MAX);
		assert_true(buf_append_text(&header, "HTTP_TL_SIGNATURE=") &&
			    text_encode(TEXT_BASE64URL, rows[i].header, strlen(rows[i].header),
				    &header) &&
			    buf_append_text(&header, "..AAAA"));
		variables[3] = buf_text(&header);
		message = message_with(variables, slice_of("b"), NULL);
		assert_int_equal(append("truelayer", &message, &out), rows[i].result);
		message_free(&message);
		buf_free(&out);
		buf_free(&header);
	}
}

static void
truelayer_time_has_to_be_there(void **state)
{
	static const struct {
		const char *variables[6];
		enum canonical_result result;
	} rows[] = {
		{ { TL_SIGNATURE, METHOD, TL_URI, TL_TYPE }, CANONICAL_ABSENT },
		{ { TL_SIGNATURE, METHOD, TL_URI, TL_TIME, TL_TIME }, CANONICAL_REPEATED },
		{ { TL_SIGNATURE, TL_SIGNATURE, METHOD, TL_URI, TL_TIME }, CANONICAL_REPEATED },
		{ { METHOD, TL_URI, TL_TIME }, CANONICAL_ABSENT },
		{ { TL_SIGNATURE, TL_URI, TL_TIME }, CANONICAL_ABSENT },
		{ { TL_SIGNATURE, METHOD, TL_TIME }, CANONICAL_ABSENT },
		{ { TL_SIGNATURE "=", METHOD, TL_URI, TL_TIME }, CANONICAL_ABSENT },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct message message = message_with(rows[i].variables, slice_of(TL_BODY), NULL);
		struct buf out;

		buf_init(&out, TEXT_MAX);
		assert_int_equal(append("truelayer", &message, &out), rows[i].result);
		buf_free(&out);
		message_free(&message);
	}
}

static void
slash_is_not_turned_behind_a_query(void **state)
{
	static const char *const variables[] = { TL_SIGNATURE, METHOD, TL_URI "?a=1", TL_TIME,
		TL_TYPE, NULL };
	struct message message = message_with(variables, slice_of(""), NULL);
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_int_equal(append("truelayer-slash", &message, &out), CANONICAL_ABSENT);
	buf_free(&out);
	message_free(&message);
}

static void
forms_are_found_by_their_whole_name(void **state)
{
	size_t count = 0;

	(void)state;
	for (const struct canonical_form *form; (form = canonical_at(count)) != NULL; count++)
		assert_ptr_equal(canonical_find(slice_of(form->name)), form);
	assert_int_equal(count, 7);
	assert_null(canonical_at(SIZE_MAX));
	assert_null(canonical_find(slice_of("")));
	assert_null(canonical_find(slice_of("truelaye")));
	assert_null(canonical_find(slice_of("Plivo")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders_libraries_agree),
		cmocka_unit_test(full_out_is_told),
		cmocka_unit_test(signed_body_cannot_be_changed),
		cmocka_unit_test(what_is_not_whole_or_not_clear_has_no_form),
		cmocka_unit_test(sns_unsubscription_is_signed_as_documented),
		cmocka_unit_test(contentful_list_is_put_in_order),
		cmocka_unit_test(contentful_list_is_bounded),
		cmocka_unit_test(plivo_url_may_be_that_of_the_request),
		cmocka_unit_test(too_many_fields_are_told),
		cmocka_unit_test(megabyte_is_taken),
		cmocka_unit_test(truelayers_published_signature_verifies),
		cmocka_unit_test(truelayer_header_that_lacks_something_is_refused),
		cmocka_unit_test(truelayer_time_has_to_be_there),
		cmocka_unit_test(slash_is_not_turned_behind_a_query),
		cmocka_unit_test(forms_are_found_by_their_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
