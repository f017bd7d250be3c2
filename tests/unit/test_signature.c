/* test_signature.c - what the vectors do not show: several schemes, keys, what is left in the
 * message */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "signature.h"
#include "verify.h"

#define HEADERS_MAX 8

/* HMACs of "{}" with the key "secret", by openssl dgst -hmac. */
#define SHA256_HEX "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"
#define SHA256_BASE64 "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM="
#define SHA1_HEX "5d61605c3feea9799210ddcb71307d4ba264225f"

/* openssl dgst -sha256 -hmac secret of "1700000000.{}" */
#define TIMED_HEX "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"

static struct verifier *
verifier_with(const struct provider *provider, const char *text)
{
	struct config_secret secret = secret_of(text, NULL);
	char reason[256] = "";
	struct verifier *verifier = verifier_new(provider, &secret, 1, reason);

	assert_string_equal(reason, "");
	assert_non_null(verifier);
	return verifier;
}

/* A message with these variables ("NAME=value", NULL-ended). */
static struct message
message_of(const char *const *variables, const char *body)
{
	struct message message;

	message_init(&message, (char *const *)(uintptr_t)variables, slice_of(body));
	return message;
}

static enum signature_result
verify_into(const struct verifier *verifier, const char *const *variables, const char *body,
	struct signature_report *report)
{
	struct message message = message_of(variables, body);
	enum signature_result result = signature_verify(verifier, &message, NOW_MS, report);

	message_free(&message);
	return result;
}

/* hmac-sha256 in X-A with a time beside it, hmac-sha1 as "sha1=..." in X-B. */
static struct provider *
two_schemes(void)
{
	static char a[] = "X-A", b[] = "X-B", prefixed[] = "sha1={signature}";
	const struct provider_scheme_options variant = { .label = "old",
		.header = LIST(b),
		.algorithm = "hmac-sha1",
		.format = LIST(prefixed) };

	return compile((struct provider_options){
		.main = { .header = LIST(a), .algorithm = "hmac-sha256" },
		.variants = &variant,
		.variant_count = 1 });
}

static void
the_most_telling_result_over_all_schemes_is_told(void **state)
{
	static const struct {
		const char *a, *a_again, *b;
		enum signature_result expected;
		size_t scheme;
	} table[] = {
		{ "X=", "X=", "X=", SIGNATURE_MISSING, 0 },
		{ "HTTP_X_A=" SHA256_HEX, "X=", "X=", SIGNATURE_VALID, 0 },
		{ "X=", "X=", "HTTP_X_B=sha1=" SHA1_HEX, SIGNATURE_VALID, 1 },
		{ "HTTP_X_A=00", "X=", "HTTP_X_B=sha1=" SHA1_HEX, SIGNATURE_VALID, 1 },
		{ "HTTP_X_A=" SHA256_HEX, "X=", "HTTP_X_B=sha1=00", SIGNATURE_VALID, 0 },
		{ "HTTP_X_A=" SHA256_HEX, "HTTP_X_A=00", "HTTP_X_B=sha1=" SHA1_HEX, SIGNATURE_VALID,
			1 },
		{ "HTTP_X_A=" SHA256_HEX, "HTTP_X_A=" SHA256_HEX, "HTTP_X_B=sha1=00",
			SIGNATURE_REPEATED, 0 },
		{ "HTTP_X_A=00", "X=", "X=", SIGNATURE_WRONG, 0 },
		{ "X=", "X=", "HTTP_X_B=" SHA1_HEX, SIGNATURE_MALFORMED, 0 },
		{ "HTTP_X_A=00", "X=", "HTTP_X_B=" SHA1_HEX, SIGNATURE_WRONG, 0 },
		{ "HTTP_X_A=", "X=", "HTTP_X_B=sha1=", SIGNATURE_MALFORMED, 0 },
		/* Right for the other scheme is right for none. */
		{ "HTTP_X_A=" SHA1_HEX, "X=", "HTTP_X_B=sha1=" SHA256_HEX, SIGNATURE_WRONG, 0 },
	};
	struct provider *provider = two_schemes();
	struct verifier *verifier = verifier_with(provider, "secret");

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct signature_report report = { .scheme = 99, .secret = 99 };
		enum signature_result result = verify_into(
			verifier, TEXTS(table[i].a, table[i].a_again, table[i].b), "{}", &report);
		assert_int_equal(result, table[i].expected);
		assert_int_equal(report.scheme, result == SIGNATURE_VALID ? table[i].scheme : 99);
		assert_int_equal(report.secret, result == SIGNATURE_VALID ? 0 : 99);
	}
	verifier_free(verifier);
	provider_free(provider);
}

static void
any_of_several_secrets_fits_and_is_told(void **state)
{
	static char a[] = "X-A";
	const struct provider_scheme_options variant = { .label = "base64", .encoding = "base64" };
	struct provider *provider = compile((struct provider_options){
		.main = { .header = LIST(a), .algorithm = "hmac-sha256" },
		.variants = &variant,
		.variant_count = 1 });
	const struct config_secret secrets[] = { secret_of("old", NULL), secret_of("secret", NULL),
		secret_of("new", NULL), secret_of("secret", NULL) };
	struct signature_report report;
	char reason[256];
	struct verifier *verifier = verifier_new(provider, secrets, 4, reason);

	(void)state;
	assert_non_null(verifier);
	assert_int_equal(verify_into(verifier, TEXTS("HTTP_X_A=" SHA256_HEX), "{}", &report),
		SIGNATURE_VALID);
	assert_int_equal(report.secret, 1);
	assert_int_equal(report.scheme, 0);
	/* The variant shares the keys of the main scheme. */
	assert_int_equal(verify_into(verifier, TEXTS("HTTP_X_A=" SHA256_BASE64), "{}", &report),
		SIGNATURE_VALID);
	assert_int_equal(report.secret, 1);
	assert_int_equal(report.scheme, 1);
	assert_int_equal(verify_into(verifier, TEXTS("HTTP_X_A=" SHA256_HEX), "{ }", &report),
		SIGNATURE_WRONG);
	verifier_free(verifier);
	provider_free(provider);
}

static void
one_right_header_is_enough_unless_all_must_be_right(void **state)
{
	static const struct {
		const char *carriers, *a, *b;
		enum signature_result expected;
	} table[] = {
		{ "any", "HTTP_X_A=" SHA256_HEX, "X=", SIGNATURE_VALID },
		{ "any", "X=", "HTTP_X_B=" SHA256_HEX, SIGNATURE_VALID },
		{ "any", "HTTP_X_A=00", "HTTP_X_B=" SHA256_HEX, SIGNATURE_VALID },
		{ "any", "HTTP_X_A=" SHA256_HEX, "HTTP_X_B=00", SIGNATURE_VALID },
		{ "any", "HTTP_X_A=01", "HTTP_X_B=00", SIGNATURE_WRONG },
		{ "all", "HTTP_X_A=" SHA256_HEX, "X=", SIGNATURE_VALID },
		{ "all", "X=", "HTTP_X_B=" SHA256_HEX, SIGNATURE_VALID },
		{ "all", "HTTP_X_A=" SHA256_HEX, "HTTP_X_B=" SHA256_HEX, SIGNATURE_VALID },
		{ "all", "HTTP_X_A=00", "HTTP_X_B=" SHA256_HEX, SIGNATURE_WRONG },
		{ "all", "HTTP_X_A=" SHA256_HEX, "HTTP_X_B=00", SIGNATURE_WRONG },
		{ "all", "X=", "X=", SIGNATURE_MISSING },
	};
	static char a[] = "X-A", b[] = "X-B";

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct signature_report report;
		struct provider *provider = compile(
			(struct provider_options){ .main = { .header = LIST(a, b),
							   .algorithm = "hmac-sha256",
							   .carriers = table[i].carriers } });
		struct verifier *verifier = verifier_with(provider, "secret");
		assert_int_equal(
			verify_into(verifier, TEXTS(table[i].a, table[i].b), "{}", &report),
			table[i].expected);
		/* One that came twice is refused even beside a right one. */
		assert_int_equal(verify_into(verifier,
					 TEXTS("HTTP_X_A=" SHA256_HEX, "HTTP_X_B=" SHA256_HEX,
						 "HTTP_X_B=00"),
					 "{}", &report),
			SIGNATURE_REPEATED);
		verifier_free(verifier);
		provider_free(provider);
	}
}

/* "t=...,s=..." as one shape: two references, no separator. */
static struct provider *
timed(const char *tolerance, const char *future)
{
	static char a[] = "X-A", shape[] = "t={timestamp},s={signature}";

	return compile((struct provider_options){ .main = { .header = LIST(a),
							  .algorithm = "hmac-sha256",
							  .format = LIST(shape),
							  .signs = LIST("{timestamp}.{body}"),
							  .tolerance = tolerance,
							  .future = future } });
}

static void
a_shape_may_hold_time_and_signature(void **state)
{
	static const struct {
		const char *value;
		enum signature_result expected;
	} table[] = {
		{ "HTTP_X_A=t=1700000000,s=" TIMED_HEX, SIGNATURE_VALID },
		{ "HTTP_X_A=t=1700000001,s=" TIMED_HEX, SIGNATURE_WRONG },
		{ "HTTP_X_A=t=1700000000,s=", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=t=,s=" TIMED_HEX, SIGNATURE_MALFORMED },
		{ "HTTP_X_A=t=1700000000 ,s=" TIMED_HEX, SIGNATURE_MALFORMED },
		{ "HTTP_X_A=t= 1700000000,s=" TIMED_HEX, SIGNATURE_MALFORMED },
		{ "HTTP_X_A=t=1700000000", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=s=" TIMED_HEX ",t=1700000000", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=t=1700000000,s=" TIMED_HEX ",s=" TIMED_HEX, SIGNATURE_WRONG },
	};
	struct provider *provider = timed(NULL, NULL);
	struct verifier *verifier = verifier_with(provider, "secret");
	struct signature_report report;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		assert_int_equal(verify_into(verifier, TEXTS(table[i].value), "{}", &report),
			table[i].expected);
	verifier_free(verifier);
	provider_free(provider);
}

static void
a_shape_must_be_the_whole_text(void **state)
{
	static const struct {
		const char *value;
		enum signature_result expected;
	} table[] = {
		{ "HTTP_X_A=<" SHA256_HEX ">", SIGNATURE_VALID },
		{ "HTTP_X_A=<" SHA256_HEX, SIGNATURE_MALFORMED },
		{ "HTTP_X_A=" SHA256_HEX ">", SIGNATURE_MALFORMED },
		{ "HTTP_X_A= <" SHA256_HEX ">", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=<" SHA256_HEX "> ", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=<" SHA256_HEX ">>", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=<" SHA256_HEX "><" SHA256_HEX ">", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=<>", SIGNATURE_MALFORMED },
		{ "HTTP_X_A=<", SIGNATURE_MALFORMED },
	};
	static char a[] = "X-A", shape[] = "<{signature}>";
	struct provider *provider = compile((struct provider_options){
		.main = { .header = LIST(a), .algorithm = "hmac-sha256", .format = LIST(shape) } });
	struct verifier *verifier = verifier_with(provider, "secret");
	struct signature_report report;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		assert_int_equal(verify_into(verifier, TEXTS(table[i].value), "{}", &report),
			table[i].expected);
	verifier_free(verifier);
	provider_free(provider);
}

/* HMACs of "{}" by openssl, the key made of the secret "abcd" by each rule. */
static void
schemes_with_other_key_rules_have_keys_of_their_own(void **state)
{
	static const char *const values[] = {
		"HTTP_X_A=f16eb8c71285d3b2b86a5fc221c7bcae74242ddf08b89f284fca393fe8646dbf",
		"HTTP_X_A=05323f56de9c5d0c48ed8a7435daed3b6a6c4fe5245b33bc0f7daf16702b95bc",
		"HTTP_X_A=65caa260f7ba10ef7c509f524b3a598e0504874a916a2859aadff66c0a356567",
		"HTTP_X_A=4bbb614a39ee17450c4e5f5b74ffd5b7ff7304f879b2605c53dd44b25e3bc3b7",
		"HTTP_X_A=3b763d96f650b08ec9ac061819aa210a147a80fd7bb22e07eda90b66c8756550",
		"HTTP_X_A=e46a81a6b3e2ef07f185c4bd441e10a109406f24",
	};
	static char a[] = "X-A";
	const struct provider_scheme_options variants[] = {
		{ .label = "base64", .key = "base64" },
		{ .label = "hex", .key = "hex" },
		{ .label = "append", .key_append = "&" },
		{ .label = "strip", .key_strip = "ab" },
		{ .label = "sha1", .algorithm = "hmac-sha1" },
	};
	struct provider *provider = compile((struct provider_options){
		.main = { .header = LIST(a), .algorithm = "hmac-sha256" },
		.variants = variants,
		.variant_count = sizeof variants / sizeof variants[0] });
	struct verifier *verifier = verifier_with(provider, "abcd");

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		struct signature_report report;
		assert_int_equal(
			verify_into(verifier, TEXTS(values[i]), "{}", &report), SIGNATURE_VALID);
		assert_int_equal(report.scheme, i);
	}
	verifier_free(verifier);
	provider_free(provider);
}

static void
a_window_that_is_off_on_one_side_is_judged_on_the_other(void **state)
{
	static const struct {
		const char *tolerance, *future;
		int64_t now_s; /* from the time in the message */
		enum signature_result expected;
	} table[] = {
		{ "5m", "1m", 300, SIGNATURE_VALID },
		{ "5m", "1m", 301, SIGNATURE_EXPIRED },
		{ "5m", "1m", -60, SIGNATURE_VALID },
		{ "5m", "1m", -61, SIGNATURE_EARLY },
		{ "off", "1m", 100000000, SIGNATURE_VALID },
		{ "off", "1m", -61, SIGNATURE_EARLY },
		{ "5m", "off", -1000000000, SIGNATURE_VALID },
		{ "5m", "off", 301, SIGNATURE_EXPIRED },
		{ "0", "0", 0, SIGNATURE_VALID },
		{ "0", "0", 1, SIGNATURE_EXPIRED },
		{ "0", "0", -1, SIGNATURE_EARLY },
		{ "off", "off", 1000000000, SIGNATURE_VALID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct provider *provider = timed(table[i].tolerance, table[i].future);
		struct verifier *verifier = verifier_with(provider, "secret");
		struct message message =
			message_of(TEXTS("HTTP_X_A=t=1700000000,s=" TIMED_HEX), "{}");
		struct signature_report report;
		assert_int_equal(signature_verify(verifier, &message,
					 NOW_MS + table[i].now_s * 1000, &report),
			table[i].expected);
		message_free(&message);
		verifier_free(verifier);
		provider_free(provider);
	}
}

static void
time_and_id_are_left_only_by_the_scheme_that_fitted(void **state)
{
	static char a[] = "X-A", id[] = "{header:X-Id}";
	struct provider *provider = compile((struct provider_options){ .id = LIST(id),
		.main = { .header = LIST(a),
			.algorithm = "hmac-sha256",
			.signs = LIST("{timestamp}.{body}"),
			.timestamp = "{header:X-Time}" } });
	struct provider *with_id = compile((struct provider_options){ .id = LIST(id),
		.main = { .header = LIST(a),
			.algorithm = "hmac-sha256",
			.signs = LIST("{id}.{body}") } });
	struct verifier *verifier = verifier_with(provider, "secret");
	struct verifier *id_verifier = verifier_with(with_id, "secret");
	struct message message = message_of(
		TEXTS("HTTP_X_A=" TIMED_HEX, "HTTP_X_TIME=1700000000", "HTTP_X_ID=1700000000"),
		"{}");
	struct signature_report report;

	(void)state;
	assert_int_equal(signature_verify(verifier, &message, NOW_MS, &report), SIGNATURE_VALID);
	assert_true(slice_is(message.timestamp, "1700000000"));
	assert_null(message.id.data); /* not signed */
	assert_null(message.secret.data);
	assert_int_equal(
		signature_verify(verifier, &message, NOW_MS + 999999, &report), SIGNATURE_EXPIRED);
	assert_null(message.timestamp.data);
	assert_int_equal(signature_verify(id_verifier, &message, NOW_MS, &report), SIGNATURE_VALID);
	assert_true(slice_is(message.id, "1700000000"));
	assert_null(message.timestamp.data);
	message.body = slice_of("[]");
	assert_int_equal(signature_verify(id_verifier, &message, NOW_MS, &report), SIGNATURE_WRONG);
	assert_null(message.id.data);
	message_free(&message);
	verifier_free(id_verifier);
	verifier_free(verifier);
	provider_free(with_id);
	provider_free(provider);
}

/* What a decoded query field gave is gone after the check and must not be pointed at. */
static void
time_and_id_that_had_to_be_made_are_not_left(void **state)
{
	static char carrier[] = "{query:s}", id[] = "{query:i}";
	struct provider *provider = compile((struct provider_options){ .id = LIST(id),
		.main = { .signature = LIST(carrier),
			.algorithm = "hmac-sha256",
			.signs = LIST("{timestamp}.{body}"),
			.timestamp = "{query:t}" } });
	struct provider *with_id = compile((struct provider_options){ .id = LIST(id),
		.main = { .signature = LIST(carrier),
			.algorithm = "hmac-sha256",
			.signs = LIST("{id}.{body}") } });
	struct verifier *verifier = verifier_with(provider, "secret");
	struct verifier *id_verifier = verifier_with(with_id, "secret");
	struct message message = message_of(
		TEXTS("REQUEST_URI=/x?t=170000%30000&i=170000000%30&s=" TIMED_HEX), "{}");
	struct signature_report report;

	(void)state;
	assert_int_equal(signature_verify(verifier, &message, NOW_MS, &report), SIGNATURE_VALID);
	assert_null(message.timestamp.data);
	assert_int_equal(signature_verify(id_verifier, &message, NOW_MS, &report), SIGNATURE_VALID);
	assert_null(message.id.data);
	message_free(&message);
	verifier_free(id_verifier);
	verifier_free(verifier);
	provider_free(with_id);
	provider_free(provider);
}

static void
a_signature_in_a_body_that_cannot_be_read_is_missing(void **state)
{
	static const char *const bodies[] = { "", "{", "{\"s\":1", "{\"s\":null}", "{\"s\":{}}",
		"[]", "s=1" };
	static char carrier[] = "{body:s}";
	struct provider *provider =
		compile((struct provider_options){ .main = { .signature = LIST(carrier),
							   .algorithm = "hmac-sha256",
							   .signs = LIST("{body:x}") } });
	struct verifier *verifier = verifier_with(provider, "secret");
	struct signature_report report;

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
		assert_int_equal(
			verify_into(verifier, TEXTS("X="), bodies[i], &report), SIGNATURE_MISSING);
	/* Something signed is absent; nothing is there to compare. */
	assert_int_equal(
		verify_into(verifier, TEXTS("X="), "{\"s\":\"00\"}", &report), SIGNATURE_MISSING);
	assert_int_equal(verify_into(verifier, TEXTS("X="), "{\"s\":\"\",\"x\":1}", &report),
		SIGNATURE_MALFORMED);
	assert_int_equal(verify_into(verifier, TEXTS("X="), "{\"s\":\"00\",\"x\":1}", &report),
		SIGNATURE_WRONG);
	verifier_free(verifier);
	provider_free(provider);
}

static void
a_secret_that_is_no_key_is_refused_without_showing_it(void **state)
{
	static const struct {
		const char *algorithm, *key, *strip, *append, *secret;
	} table[] = {
		{ "hmac-sha256", NULL, NULL, NULL, "" },
		{ "hmac-sha256", NULL, NULL, NULL, "   " },
		{ "hmac-sha256", NULL, NULL, NULL, "\t\r\n" },
		{ "hmac-sha256", "base64", "whsec_", NULL, "whsec_" },
		{ "hmac-sha256", "base64", "whsec_", NULL, "whsec_canary!" },
		{ "hmac-sha256", "base64", "whsec_", NULL, "whsec_AB==" },
		{ "hmac-sha256", "base64", "whsec_", NULL, "whsec_Y2FuYXJ5 " },
		{ "hmac-sha256", NULL, "whsec_", NULL, "whsec_" },
		{ "hmac-sha256", NULL, NULL, "&", "" },
		{ "hmac-sha256", NULL, "whsec_", "&", "whsec_ " },
		{ "hmac-sha256", "hex", NULL, NULL, "canary" },
		{ "hmac-sha256", "hex", NULL, NULL, "abc" },
		{ "hmac-sha256", "hex", NULL, NULL, "ab:cd" },
		{ "ed25519", "hex", NULL, NULL,
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af466" },
		{ "ed25519", "pem", NULL, NULL, "canary" },
		{ "rsa-sha256", "pem", NULL, NULL,
			"-----BEGIN PUBLIC KEY-----\ncanary\n-----END PUBLIC KEY-----" },
		{ "token", NULL, NULL, NULL, "" },
		{ "basic", NULL, NULL, NULL, " " },
		{ "bearer", NULL, NULL, NULL, "\n" },
	};
	static char a[] = "X-A";

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		bool public = strcmp(table[i].algorithm, "ed25519") == 0 ||
			      strcmp(table[i].algorithm, "rsa-sha256") == 0;
		struct provider *provider = compile(
			(struct provider_options){ .main = { .header = LIST(a),
							   .algorithm = table[i].algorithm,
							   .encoding = public ? "hex" : NULL,
							   .key = table[i].key,
							   .key_strip = table[i].strip,
							   .key_append = table[i].append } });
		const struct config_secret secrets[] = { secret_of("0123456789abcdef", NULL),
			secret_of(table[i].secret, NULL) };
		char reason[256] = "";
		assert_null(verifier_new(provider, &secrets[1], 1, reason));
		assert_non_null(strstr(reason, "secret 1 (literal) "));
		assert_null(strstr(reason, "canary"));
		assert_null(verifier_new(provider, NULL, 0, reason));
		assert_string_equal(reason, "no secret is given");
		/* A good one beside it does not help. */
		if (!public && table[i].key == NULL) {
			assert_null(verifier_new(provider, secrets, 2, reason));
			assert_non_null(strstr(reason, "secret 2 (literal) "));
		}
		provider_free(provider);
	}
}

/* RFC 9110 section 11.1: the scheme's name is no part of the secret. */
static void
the_authorization_schemes_name_has_any_case(void **state)
{
	static const struct {
		const char *algorithm;
		const char *header;
		enum signature_result expected;
	} table[] = {
		{ "bearer", "HTTP_AUTHORIZATION=bearer s3cret", SIGNATURE_VALID },
		{ "bearer", "HTTP_AUTHORIZATION=BEARER s3cret", SIGNATURE_VALID },
		{ "bearer", "HTTP_AUTHORIZATION=Bearer S3cret", SIGNATURE_WRONG },
		{ "bearer", "HTTP_AUTHORIZATION=Bearer", SIGNATURE_MALFORMED },
		{ "bearer", "HTTP_AUTHORIZATION=Basic s3cret", SIGNATURE_MALFORMED },
		{ "basic", "HTTP_AUTHORIZATION=basic czNjcmV0", SIGNATURE_VALID },
		{ "basic", "HTTP_AUTHORIZATION=basic CZNJCMV0", SIGNATURE_WRONG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct provider *provider = compile(
			(struct provider_options){ .main = { .algorithm = table[i].algorithm } });
		const struct config_secret secret = secret_of("s3cret", NULL);
		char reason[256] = "";
		struct verifier *verifier = verifier_new(provider, &secret, 1, reason);
		struct signature_report report;
		assert_non_null(verifier);
		assert_int_equal(verify_into(verifier, TEXTS(table[i].header), "", &report),
			table[i].expected);
		verifier_free(verifier);
		provider_free(provider);
	}
}

static void
unsigned_needs_neither_secret_nor_signature(void **state)
{
	struct provider *provider =
		compile((struct provider_options){ .main = { .algorithm = "none" } });
	char reason[256] = "";
	struct verifier *verifier = verifier_new(provider, NULL, 0, reason);
	struct signature_report report;

	(void)state;
	assert_non_null(verifier);
	assert_int_equal(verify_into(verifier, TEXTS("X="), "", &report), SIGNATURE_VALID);
	verifier_free(verifier);
	provider_free(provider);
	verifier_free(NULL);
}

static void
every_result_has_its_own_reason(void **state)
{
	(void)state;
	for (int i = SIGNATURE_VALID; i <= SIGNATURE_ERROR; i++) {
		for (int j = SIGNATURE_VALID; j < i; j++)
			assert_string_not_equal(signature_reason((enum signature_result)i),
				signature_reason((enum signature_result)j));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_telling_result_over_all_schemes_is_told),
		cmocka_unit_test(any_of_several_secrets_fits_and_is_told),
		cmocka_unit_test(one_right_header_is_enough_unless_all_must_be_right),
		cmocka_unit_test(a_shape_may_hold_time_and_signature),
		cmocka_unit_test(a_shape_must_be_the_whole_text),
		cmocka_unit_test(schemes_with_other_key_rules_have_keys_of_their_own),
		cmocka_unit_test(a_window_that_is_off_on_one_side_is_judged_on_the_other),
		cmocka_unit_test(time_and_id_are_left_only_by_the_scheme_that_fitted),
		cmocka_unit_test(time_and_id_that_had_to_be_made_are_not_left),
		cmocka_unit_test(a_signature_in_a_body_that_cannot_be_read_is_missing),
		cmocka_unit_test(a_secret_that_is_no_key_is_refused_without_showing_it),
		cmocka_unit_test(the_authorization_schemes_name_has_any_case),
		cmocka_unit_test(unsigned_needs_neither_secret_nor_signature),
		cmocka_unit_test(every_result_has_its_own_reason),
	};

	return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
