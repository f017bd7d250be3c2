/* test_provider.c - which providers are taken, and what is said about the others */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])
#define LIST(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })

/* A scheme that has no fault, to write a faulty one behind. */
#define SIGNED .header = LIST("X-Sig"), .algorithm = "hmac-sha256"
#define MAIN(...)                                               \
	{                                                       \
		.name = "acme", .main = { SIGNED, __VA_ARGS__ } \
	}
#define BARE(...)                                       \
	{                                               \
		.name = "acme", .main = { __VA_ARGS__ } \
	}

struct faults {
	size_t count;
	char block[64], option[64], message[512]; /* of the last one */
	char all[4096];
};

static void
note_fault(void *context, const char *block, const char *option, const char *message)
{
	struct faults *faults = context;
	size_t used = strlen(faults->all);

	faults->count++;
	snprintf(faults->block, sizeof faults->block, "%s", block != NULL ? block : "");
	snprintf(faults->option, sizeof faults->option, "%s", option);
	snprintf(faults->message, sizeof faults->message, "%s", message);
	snprintf(faults->all + used, sizeof faults->all - used, "%s/%s: %s\n", faults->block,
		option, message);
}

/* Compile what must have no fault. */
static struct provider *
compile(const struct provider_options *options)
{
	struct faults faults = { 0 };
	struct provider *provider = provider_compile(options, note_fault, &faults);

	if (provider == NULL)
		fail_msg("%s", faults.all);
	assert_int_equal(faults.count, 0);
	return provider;
}

static const struct fault_row {
	struct provider_options options;
	const char *option, *message;
} fault_rows[] = {
	{ BARE(.header = LIST("X-Sig")), "algorithm", "is missing: write one of hmac-md5" },
	{ BARE(.header = LIST("X-Sig"), .algorithm = "hmac-sha3"), "algorithm",
		"\"hmac-sha3\" is not known: write one of hmac-md5 hmac-sha1 hmac-sha256 "
		"hmac-sha384 hmac-sha512 md5 sha1 sha256 sha384 sha512 ed25519 ecdsa-p256-sha256 "
		"rsa-sha1 "
		"rsa-sha256 rsa-sha512 rsa-pss-sha512 jwt-hs256 "
		"jwt-hs384 jwt-hs512 jwt-rs256 jwt-es256 jwt-es512 jwt-eddsa token bearer basic "
		"none" },
	{ BARE(.algorithm = "hmac-sha256"), "header", "the header that carries the signature" },
	{ BARE(.algorithm = "token"), "header", "the header that carries the token" },
	{ BARE(.algorithm = "token", .header = LIST("X Sig")), "header",
		"not the name of a header" },
	{ BARE(.algorithm = "token", .header = LIST("")), "header",
		"{header:} does not say which" },
	{ BARE(.algorithm = "token", .signature = LIST("abc")), "signature",
		"\"abc\" is the same text for every request" },
	{ BARE(.algorithm = "token", .signature = LIST("{body}")), "signature",
		"{body} has no meaning here: write text and any of {body:PATH} {header:NAME} "
		"{query:NAME}" },
	{ BARE(.algorithm = "token", .signature = LIST("{signature}")), "signature",
		"{signature} has no meaning here" },
	{ MAIN(.carriers = "both"), "carriers", "\"both\" is not known: write any or all" },
	{ MAIN(.encoding = "HEX"), "encoding",
		"\"HEX\" is not known: write hex, hex-upper, base64 or base64url" },
	{ BARE(.header = LIST("X-Sig"), .algorithm = "ed25519"), "encoding", "is missing" },
	{ MAIN(.format = LIST("sha256=")), "format", "the same text for every request" },
	{ MAIN(.format = LIST("t={timestamp}")), "format", "does not hold {signature}" },
	{ MAIN(.format = LIST("{signature}{timestamp}")), "format",
		"nothing tells where one reference ends and the next begins" },
	{ MAIN(.format = LIST("{signature} {signature}")), "format", "holds {signature} twice" },
	{ MAIN(.format = LIST("{timestamp},{timestamp},{signature}")), "format",
		"holds {timestamp} more than once" },
	{ MAIN(.format = LIST("{body}={signature}")), "format",
		"{body} has no meaning here: write text and any of {timestamp} {signature}" },
	{ MAIN(.format = LIST("{signature")), "format", "the { at character 1 is not closed" },
	{ MAIN(.format = LIST("")), "format", "is empty" },
	{ MAIN(.format = LIST("t={timestamp}", "v1={signature}")), "separator",
		"is missing: the format has several parts" },
	{ MAIN(.format = LIST("v1,{signature}"), .separator = ","), "format",
		"holds the separator \",\" and so never fits" },
	{ MAIN(.separator = ""), "separator", "is empty" },
	{ MAIN(.format = LIST("{lower:signature}")), "format", "have no meaning here" },
	{ MAIN(.format = LIST("{signature?}")), "format", "have no meaning here" },
	/* Claims are known only once a signature was found right. */
	{ BARE(.header = LIST("X"), .algorithm = "jwt-hs256", .key_id = "{claim:kid}"), "key_id",
		"{claim:NAME} has no meaning here" },
	{ BARE(.signature = LIST("{claim:jwt}"), .algorithm = "jwt-hs256"), "signature",
		"{claim:NAME} has no meaning here" },
	{ MAIN(.signs = LIST("")), "signs", "is empty" },
	{ MAIN(.signs = LIST("{bodie}")), "signs", "unknown reference {bodie}" },
	{ MAIN(.signs = LIST("constant")), "signs", "the same text for every request" },
	{ MAIN(.signs = LIST("{timestamp}.{body}")), "signs",
		"holds {timestamp}, but nothing says where that is" },
	{ MAIN(.signs = LIST("{id}.{body}")), "signs",
		"holds {id}, but nothing says where that is" },
	{ MAIN(.signs = LIST("{signature}{body}")), "signs", "{signature} has no meaning here" },
	{ MAIN(.signs = LIST("{event}{body}")), "signs", "{event} has no meaning here" },
	{ MAIN(.signs = LIST("{secret}{body}")), "signs", "{secret} has no meaning here" },
	{ MAIN(.signs = LIST(
		       "{body}{body}{body}{body}{body}{body}{body}{body}{body}{body}{body}{body}"
		       "{body}{body}{body}{body}{body}{body}{body}{body}{body}{body}{body}{body}"
		       "{body}{body}{body}{body}{body}{body}{body}{body}{body}")),
		"signs", "more than 32 parts" },
	{ BARE(.header = LIST("X-Sig"), .algorithm = "sha256"), "signs",
		"is missing: write where the secret stands" },
	{ BARE(.header = LIST("X-Sig"), .algorithm = "sha256", .signs = LIST("{body}")), "signs",
		"is hashed without the secret" },
	{ BARE(.header = LIST("X-Sig"), .algorithm = "sha256", .signs = LIST("{secret}")), "signs",
		"is the same for every request: write {body} too" },
	{ BARE(.header = LIST("X-Sig"), .algorithm = "sha256", .signs = LIST("{secret}{body}"),
		  .key = "base64"),
		"key", "algorithm sha256 has no use for key" },
	{ MAIN(.key = "base32"), "key", "\"base32\" is not known: write text, base64" },
	{ MAIN(.key = "hex-upper"), "key", "\"hex-upper\" is not known" },
	{ MAIN(.key = "pem"), "key", "pem is for public keys" },
	{ MAIN(.key_strip = ""), "key_strip", "is empty" },
	{ MAIN(.key_append = ""), "key_append", "is empty" },
	{ BARE(.header = LIST("X-Sig"), .algorithm = "ed25519", .encoding = "hex",
		  .key_append = "&"),
		"key_append", "algorithm ed25519 has no use for key_append" },
	{ MAIN(.timestamp = ""), "timestamp", "is empty" },
	{ MAIN(.timestamp = "{method}"), "timestamp", "{method} has no meaning here" },
	{ MAIN(.timestamp = "{header:X-T}", .format = LIST("{timestamp},{signature}")), "timestamp",
		"the format carries the time already" },
	{ MAIN(.timestamp = "{header:X-T}", .timestamp_format = "unix"), "timestamp_format",
		"\"unix\" is not known: write s, ms, rfc3339, iso8601 or http" },
	{ MAIN(.timestamp_format = "ms"), "timestamp_format", "there is no time to look at" },
	{ MAIN(.tolerance = "5m"), "tolerance", "there is no time to look at" },
	{ MAIN(.future = "5m"), "future", "there is no time to look at" },
	{ MAIN(.timestamp = "{header:X-T}", .tolerance = "300"), "tolerance",
		"\"300\" is not a duration: write for example 5m, 30s, or off" },
	{ MAIN(.timestamp = "{header:X-T}", .future = "never"), "future",
		"\"never\" is not a duration" },
	/* What a token does not sign. */
	{ BARE(.header = LIST("X"), .algorithm = "token", .signs = LIST("{body}")), "signs",
		"algorithm token has no use for signs" },
	{ BARE(.header = LIST("X"), .algorithm = "token", .encoding = "hex"), "encoding",
		"algorithm token has no use for encoding" },
	{ BARE(.header = LIST("X"), .algorithm = "token", .tolerance = "5m"), "tolerance",
		"algorithm token has no use for tolerance" },
	{ BARE(.header = LIST("X"), .algorithm = "token",
		  .format = LIST("{signature},{timestamp}")),
		"format", "holds {timestamp}, which a token does not sign" },
	{ BARE(.header = LIST("X"), .algorithm = "token", .format = LIST("Key")), "format",
		"the same text for every request" },
	{ BARE(.algorithm = "bearer", .format = LIST("{signature}")), "format",
		"algorithm bearer is always written \"Bearer {signature}\"" },
	{ BARE(.algorithm = "basic", .separator = ","), "separator", "algorithm basic is always" },
	{ BARE(.algorithm = "none", .header = LIST("X")), "header",
		"algorithm none has no use for header" },
	{ BARE(.algorithm = "none", .format = LIST("x={signature}")), "format",
		"algorithm none has no use for format" },
	/* Event, id and the rest. */
	{ { .name = "acme", .main = { SIGNED }, .event = LIST("{secret}") }, "event",
		"{secret} has no meaning here" },
	{ { .name = "acme", .main = { SIGNED }, .event = LIST("{body:type}", "") }, "event",
		"is empty" },
	{ { .name = "acme", .main = { SIGNED }, .id = LIST("{id}") }, "id",
		"{id} has no meaning here" },
	{ { .name = "acme", .main = { SIGNED }, .id = LIST("{timestamp}") }, "id",
		"{timestamp} has no meaning here" },
	{ { .name = "acme", .main = { SIGNED }, .id = LIST("always") }, "id",
		"the same text for every request" },
	{ { .name = "acme", .main = { SIGNED }, .headers = LIST("X-Ok", "X: no") }, "headers",
		"\"X: no\" is not the name of a header" },
	{ { .name = "acme", .main = { SIGNED }, .success_body = "{\"a\":1}" }, "success_body",
		"unknown reference" },
	{ { .name = "acme", .main = { SIGNED }, .success_body = "{digest}" }, "success_body",
		"{digest} has no meaning here" },
	{ { .name = "acme", .main = { SIGNED }, .success_body = "x", .success_type = "text/html" },
		"success_type", "write text/plain, application/json or text/xml" },
	{ { .name = "acme",
		  .main = { SIGNED },
		  .success_body = "<Ack>{body:id}</Ack>",
		  .success_type = "text/xml" },
		"success_body", "not escaped in XML" },
	{ { .name = "acme", .main = { SIGNED }, .success_type = "text/plain" }, "success_body",
		"is missing" },
	{ { .name = "acme", .main = { SIGNED }, .success_status = "500" }, "success",
		"\"500\" is not possible here: write a number from 200 to 299" },
	{ { .name = "acme", .main = { SIGNED }, .success_status = "100" }, "success",
		"\"100\" is not possible here" },
	{ { .name = "acme", .main = { SIGNED }, .docs = "javascript:alert(1)" }, "docs",
		"is not a link" },
	{ { .name = "Acme Inc", .main = { SIGNED } }, "name", "\"Acme Inc\" is not a name" },
	{ { .main = { SIGNED } }, "name", "\"\" is not a name" },
};

static void
each_fault_is_reported_once_with_its_option_and_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(fault_rows); i++) {
		const struct fault_row *row = &fault_rows[i];
		struct faults faults = { 0 };
		if (provider_compile(&row->options, note_fault, &faults) != NULL)
			fail_msg("row %zu (%s) was taken", i, row->message);
		if (faults.count != 1 || strcmp(faults.option, row->option) != 0 ||
			strstr(faults.message, row->message) == NULL)
			fail_msg("row %zu (%s):\n%s", i, row->message, faults.all);
		if (strchr(faults.message, '\n') != NULL || strlen(faults.message) > 500)
			fail_msg("row %zu: not one line:\n%s", i, faults.all);
		assert_string_equal(faults.block, "");
	}
}

static void
every_fault_is_reported_not_only_the_first(void **state)
{
	const struct provider_options options = { .name = "acme",
		.main = { .algorithm = "hmac-none",
			.signs = LIST("{x}"),
			.key = "y",
			.tolerance = "5m" },
		.event = LIST("{z}"),
		.success_status = "x" };
	struct faults faults = { 0 };

	(void)state;
	assert_null(provider_compile(&options, note_fault, &faults));
	assert_int_equal(faults.count, 7);
	assert_non_null(strstr(faults.all, "/algorithm: "));
	assert_non_null(strstr(faults.all, "/header: "));
	assert_non_null(strstr(faults.all, "/signs: "));
	assert_non_null(strstr(faults.all, "/key: "));
	assert_non_null(strstr(faults.all, "/tolerance: "));
	assert_non_null(strstr(faults.all, "/event: "));
	assert_non_null(strstr(faults.all, "/success: "));
}

static void
the_same_fault_of_two_options_is_reported_for_both(void **state)
{
	const struct provider_options options = MAIN(.signs = LIST(""), .timestamp = "");
	struct faults faults = { 0 };

	(void)state;
	assert_null(provider_compile(&options, note_fault, &faults));
	assert_int_equal(faults.count, 2);
}

static void
variant_fault_names_its_block_and_inherited_ones_are_told_once(void **state)
{
	const struct provider_scheme_options variants[] = {
		{ .label = "old", .algorithm = "hmac-sha1", .format = LIST("sha1=") },
	};
	const struct provider_options options = { .name = "acme",
		.main = { SIGNED, .signs = LIST("{nonsense}") },
		.variants = variants,
		.variant_count = ROWS(variants) };
	struct faults faults = { 0 };

	(void)state;
	assert_null(provider_compile(&options, note_fault, &faults));
	assert_int_equal(faults.count, 2);
	assert_non_null(strstr(faults.all, "/signs: "));
	assert_non_null(strstr(faults.all, "old/format: "));
}

static void
none_is_never_beside_another_scheme(void **state)
{
	const struct provider_scheme_options none = { .label = "lax", .algorithm = "none" };
	const struct provider_scheme_options token = {
		.label = "strict", .algorithm = "token", .header = LIST("X")
	};
	const struct provider_options rows[] = {
		{ .name = "acme", .main = { SIGNED }, .variants = &none, .variant_count = 1 },
		{ .name = "acme",
			.main = { .algorithm = "none" },
			.variants = &token,
			.variant_count = 1 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct faults faults = { 0 };
		assert_null(provider_compile(&rows[i], note_fault, &faults));
		assert_int_equal(faults.count, 1);
		assert_non_null(strstr(faults.message, "lets every request pass"));
	}
}

#define DIGEST(algorithm) .challenge = "{body:a}", .challenge_algorithm = algorithm

static void
handshake_faults_name_their_block(void **state)
{
	const struct {
		struct provider_handshake_options handshake;
		const char *option, *message;
	} rows[] = {
		{ { .when = LIST("{body:a}"), .method = "PUT" }, "method",
			"write POST, GET or HEAD" },
		{ { .when = LIST("{body:a}"), .verified = "true" }, "verified", "write yes or no" },
		{ { .when = LIST("{body:a}"), .status = "302" }, "status", "is a redirect" },
		{ { .when = LIST("{body:a}"), .type = "text/html" }, "type", "is not allowed" },
		{ { .when = LIST("{body:a}"), .answer = "{secret}" }, "answer",
			"{secret} has no meaning here" },
		{ { .when = LIST("{body:a}"), .answer = "{\"a\":1}" }, "answer",
			"unknown reference {\"a\":1}" },
		{ { .answer = "x" }, "when", "every event would be taken for this handshake" },
		{ { .when = LIST("ping=ping") }, "when", "the same text for every request" },
		{ { .when = LIST("{event}=ping") }, "when", "{event} has no meaning here" },
		{ { .when = LIST("=ping") }, "when", "is empty" },
		{ { .when = LIST("{query:t}={parameter:token?}") }, "when", "cannot be left out" },
		{ { .when = LIST("{parameter:token}=x") }, "when",
			"{parameter:NAME} has no meaning here" },
		{ { .when = LIST("{query:t}={secret}") }, "when", "{secret} has no meaning here" },
		{ { .when = LIST("{body:a}"), .answer = "{digest}" }, "challenge",
			"{digest} is made of it" },
		{ { .when = LIST("{body:a}"), .challenge_of = "hex" }, "challenge", "is missing" },
		{ { .when = LIST("{body:a}"), DIGEST("sha256"), .answer = "x" }, "answer",
			"does not hold {digest}" },
		{ { .when = LIST("{body:a}"), DIGEST(NULL), .answer = "{digest}" },
			"challenge_algorithm", "is missing" },
		{ { .when = LIST("{body:a}"), DIGEST("hmac-crc"), .answer = "{digest}" },
			"challenge_algorithm", "\"hmac-crc\" is not known" },
		{ { .when = LIST("{body:a}"),
			  DIGEST("sha256"),
			  .challenge_of = "any",
			  .answer = "{digest}" },
			"challenge_of", "write token, hex or uuid" },
		{ { .when = LIST("{body:a}"),
			  DIGEST("sha256"),
			  .challenge_encoding = "b64",
			  .answer = "{digest}" },
			"challenge_encoding", "is not known" },
		{ { .when = LIST("{body:a}"),
			  .challenge = "{body:a}{body:b}",
			  .challenge_algorithm = "hmac-sha256",
			  .answer = "{digest}" },
			"challenge", "one value as it was sent" },
		{ { .when = LIST("{body:a}"),
			  .challenge = "x{body:a}",
			  .challenge_algorithm = "hmac-sha256",
			  .answer = "{digest}" },
			"challenge", "one value as it was sent" },
		{ { .when = LIST("{body:a}"),
			  .challenge = "{body}",
			  .challenge_algorithm = "sha256",
			  .answer = "{digest}" },
			"challenge", "{body} has no meaning here" },
		{ { .when = LIST("{body:a}"), .answer_header = LIST("X-Name") }, "answer_header",
			"write \"X-Name: TEMPLATE\"" },
		{ { .when = LIST("{body:a}"), .answer_header = LIST("X\r\nName: x") },
			"answer_header", "is not a header" },
		{ { .when = LIST("{body:a}"), .answer_header = LIST("location: {body:a}") },
			"answer_header", "is obeyed by web servers" },
		{ { .when = LIST("{body:a}"), .answer_header = LIST("X-Accel-Redirect: {body:a}") },
			"answer_header", "is obeyed by web servers" },
		{ { .when = LIST("{body:a}"), .answer_header = LIST("Content-Type: {body:a}") },
			"answer_header", "is obeyed by web servers" },
		{ { .when = LIST("{body:a}"),
			  .answer_header = LIST("A: 1", "B: 1", "C: 1", "D: 1", "E: 1") },
			"answer_header", "more than 4 headers" },
		{ { .when = LIST("{body:a}"), .learns = "{body:a}" }, "learns",
			"write verified = \"no\"" },
		{ { .when = LIST("{body:a}"),
			  .verified = "no",
			  .learns = "{body:a}",
			  .status = "404" },
			"learns", "write 200 to 299" },
		{ { .when = LIST("{body:a}"), .verified = "no", .learns = "fixed" }, "learns",
			"the same text for every request" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_handshake_options handshakes[2] = { rows[i].handshake,
			rows[i].handshake };
		struct provider_options options = { .name = "acme", .main = { SIGNED } };
		struct faults faults = { 0 };
		handshakes[1].label = "second";
		options.handshakes = handshakes;
		options.handshake_count = 2;
		assert_null(provider_compile(&options, note_fault, &faults));
		if (faults.count < 2 || strcmp(faults.option, rows[i].option) != 0 ||
			strstr(faults.message, rows[i].message) == NULL)
			fail_msg("row %zu:\n%s", i, faults.all);
		assert_non_null(strstr(faults.all, "handshake/"));
		assert_string_equal(faults.block, "second");
	}
}

/* What is signed of a token, "HEADER.PAYLOAD", would be a challenge. */
static void
no_stranger_gets_a_token_signed(void **state)
{
	static const struct {
		const char *algorithm, *kind, *challenge, *verified;
		bool taken;
	} rows[] = {
		{ "jwt-hs256", "token", "hmac-sha256", "no", false },
		{ "jwt-hs256", "hex", "hmac-sha256", "no", true },
		{ "jwt-hs256", "token", "sha256", "no", true },
		{ "jwt-hs256", "token", "hmac-sha256", "yes", true },
		{ "hmac-sha256", "token", "hmac-sha256", "no", true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_handshake_options handshake = { .label = "c",
			.method = "GET",
			.verified = rows[i].verified,
			.challenge = "{query:c}",
			.challenge_of = rows[i].kind,
			.challenge_algorithm = rows[i].challenge,
			.answer = "{digest}" };
		const struct provider_options options = { .name = "acme",
			.main = { .header = LIST("X-Sig"), .algorithm = rows[i].algorithm },
			.handshakes = &handshake,
			.handshake_count = 1 };
		struct faults faults = { 0 };
		struct provider *provider = provider_compile(&options, note_fault, &faults);
		if ((provider != NULL) != rows[i].taken)
			fail_msg("row %zu: %s", i, faults.all);
		if (provider == NULL)
			assert_string_equal(faults.option, "challenge_of");
		provider_free(provider);
	}
}

static void
defaults_are_the_usual_scheme(void **state)
{
	const struct provider_options options = { .name = "acme", .main = { SIGNED } };
	struct provider *provider = compile(&options);
	const struct provider_scheme *scheme = &provider->schemes[0];

	(void)state;
	assert_int_equal(provider->scheme_count, 1);
	assert_string_equal(scheme->label, "main");
	assert_int_equal(scheme->method, PROVIDER_HMAC);
	assert_int_equal(scheme->digest, CRYPTO_SHA256);
	assert_int_equal(scheme->encoding, TEXT_HEX);
	assert_int_equal(scheme->carrier_count, 1);
	assert_string_equal(scheme->carriers[0]->source, "{header:X-Sig}");
	assert_false(scheme->carriers_all);
	assert_int_equal(scheme->format_count, 1);
	assert_string_equal(scheme->format[0]->source, "{signature}");
	assert_null(scheme->separator);
	assert_string_equal(scheme->signs[0]->source, "{body}");
	assert_true(scheme->signs_body);
	assert_int_equal(scheme->key.form, PROVIDER_KEY_TEXT);
	assert_false(scheme->has_timestamp);
	assert_int_equal(provider->success_status, 200);
	assert_int_equal(provider->event_count, 0);
	assert_false(provider->id_is_signed);
	assert_true(provider->body_is_signed);
	provider_free(provider);
	provider_free(NULL);
}

static void
algorithms_become_methods(void **state)
{
	const struct {
		const char *algorithm;
		enum provider_method method;
		enum crypto_digest digest;
		enum crypto_public_algorithm public_algorithm;
	} rows[] = {
		{ "hmac-md5", PROVIDER_HMAC, CRYPTO_MD5, 0 },
		{ "hmac-sha1", PROVIDER_HMAC, CRYPTO_SHA1, 0 },
		{ "hmac-sha384", PROVIDER_HMAC, CRYPTO_SHA384, 0 },
		{ "hmac-sha512", PROVIDER_HMAC, CRYPTO_SHA512, 0 },
		{ "sha1", PROVIDER_HASH, CRYPTO_SHA1, 0 },
		{ "sha256", PROVIDER_HASH, CRYPTO_SHA256, 0 },
		{ "sha512", PROVIDER_HASH, CRYPTO_SHA512, 0 },
		{ "ed25519", PROVIDER_PUBLIC, 0, CRYPTO_ED25519 },
		{ "ecdsa-p256-sha256", PROVIDER_PUBLIC, 0, CRYPTO_ECDSA_P256_SHA256 },
		{ "rsa-sha1", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA1 },
		{ "rsa-sha256", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA256 },
		{ "rsa-sha512", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA512 },
		{ "rsa-pss-sha512", PROVIDER_PUBLIC, 0, CRYPTO_RSA_PSS_SHA512 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options = { .name = "acme",
			.main = { .header = LIST("X"),
				.algorithm = rows[i].algorithm,
				.encoding = "base64",
				.signs = rows[i].method == PROVIDER_HASH ? LIST("{secret}{body}")
									 : NULL } };
		struct provider *provider = compile(&options);
		assert_int_equal(provider->schemes[0].method, rows[i].method);
		assert_int_equal(provider->schemes[0].digest, rows[i].digest);
		assert_int_equal(provider->schemes[0].public_algorithm, rows[i].public_algorithm);
		assert_int_equal(provider->schemes[0].encoding, TEXT_BASE64);
		provider_free(provider);
	}
}

static void
bearer_and_basic_are_tokens_in_authorization(void **state)
{
	const struct {
		const char *algorithm, *format;
		bool encoded;
	} rows[] = {
		{ "bearer", "Bearer {signature}", false },
		{ "basic", "Basic {signature}", true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options = { .name = "acme",
			.main = { .algorithm = rows[i].algorithm } };
		struct provider *provider = compile(&options);
		const struct provider_scheme *scheme = &provider->schemes[0];
		assert_int_equal(scheme->method, PROVIDER_TOKEN);
		assert_int_equal(scheme->token_encoded, rows[i].encoded);
		assert_int_equal(scheme->encoding, TEXT_BASE64);
		assert_string_equal(scheme->carriers[0]->parts[0].variable, "HTTP_AUTHORIZATION");
		assert_string_equal(scheme->format[0]->source, rows[i].format);
		assert_int_equal(scheme->signs_count, 0);
		assert_false(provider->body_is_signed);
		provider_free(provider);
	}
}

static void
keys_and_carriers_are_read(void **state)
{
	const struct provider_options options = { .name = "acme",
		.main = { .algorithm = "hmac-sha1",
			.header = LIST("X-A", "X-B"),
			.signature = LIST("{body:sig}"),
			.carriers = "all",
			.key = "hex",
			.key_strip = "k_",
			.key_append = "&" },
		.headers = LIST("X-Attempt", "WM_SEC.ID"),
		.success_status = "204",
		.success_body = "[accepted]" };
	struct provider *provider = compile(&options);
	const struct provider_scheme *scheme = &provider->schemes[0];

	(void)state;
	assert_int_equal(scheme->carrier_count, 3);
	assert_string_equal(scheme->carriers[1]->source, "{header:X-B}");
	assert_string_equal(scheme->carriers[2]->source, "{body:sig}");
	assert_true(scheme->carriers_all);
	assert_int_equal(scheme->key.form, PROVIDER_KEY_ENCODED);
	assert_int_equal(scheme->key.encoding, TEXT_HEX);
	assert_string_equal(scheme->key.strip, "k_");
	assert_string_equal(scheme->key.append, "&");
	assert_int_equal(provider->header_count, 2);
	assert_int_equal(provider->success_status, 204);
	assert_string_equal(provider->success_body->source, "[accepted]");
	provider_free(provider);
}

static void
limits_of_time_have_defaults(void **state)
{
	const struct {
		const char *tolerance, *future;
		int64_t tolerance_ms, future_ms;
	} rows[] = {
		{ NULL, NULL, 300000, 300000 },
		{ "10m", NULL, 600000, 600000 },
		{ "off", NULL, -1, -1 },
		{ "10m", "0", 600000, 0 },
		{ NULL, "off", 300000, -1 },
		{ "off", "1s", -1, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options = MAIN(.signs = LIST("{timestamp}{body}"),
			.timestamp = "{header:X-T}", .timestamp_format = "iso8601",
			.tolerance = rows[i].tolerance, .future = rows[i].future);
		struct provider *provider = compile(&options);
		assert_true(provider->schemes[0].has_timestamp);
		assert_int_equal(provider->schemes[0].timestamp_format, TEXT_TIME_ISO8601);
		assert_int_equal(provider->schemes[0].tolerance_ms, rows[i].tolerance_ms);
		assert_int_equal(provider->schemes[0].future_ms, rows[i].future_ms);
		provider_free(provider);
	}
}

static void
variant_takes_what_it_lacks_from_the_main_scheme(void **state)
{
	const struct provider_scheme_options variants[] = {
		{ .label = "old", .algorithm = "hmac-sha1", .signature = LIST("{query:sig}") },
		{ .label = "token", .algorithm = "token", .header = LIST("X-Token") },
		{ .label = "upper", .encoding = "hex-upper" },
	};
	const struct provider_options options = { .name = "acme",
		.main = { SIGNED, .format = LIST("t={timestamp}", "v1={signature}"),
			.separator = ",", .signs = LIST("{timestamp}.{body}"), .tolerance = "1m" },
		.variants = variants,
		.variant_count = ROWS(variants) };
	struct provider *provider = compile(&options);
	const struct provider_scheme *old = &provider->schemes[1];
	const struct provider_scheme *token = &provider->schemes[2];
	const struct provider_scheme *upper = &provider->schemes[3];

	(void)state;
	assert_int_equal(provider->scheme_count, 4);
	assert_string_equal(old->label, "old");
	assert_int_equal(old->digest, CRYPTO_SHA1);
	/* Its own signature stands in for the main scheme's header. */
	assert_int_equal(old->carrier_count, 1);
	assert_string_equal(old->carriers[0]->source, "{query:sig}");
	assert_string_equal(old->signs[0]->source, "{timestamp}.{body}");
	assert_string_equal(old->separator, ",");
	assert_int_equal(old->tolerance_ms, 60000);
	/* A token has no use for any of it. */
	assert_int_equal(token->method, PROVIDER_TOKEN);
	assert_string_equal(token->format[0]->source, "{signature}");
	assert_int_equal(token->signs_count, 0);
	assert_null(token->separator);
	assert_int_equal(upper->encoding, TEXT_HEX_UPPER);
	assert_int_equal(upper->digest, CRYPTO_SHA256);
	assert_string_equal(upper->carriers[0]->source, "{header:X-Sig}");
	assert_false(provider->body_is_signed);
	provider_free(provider);
}

static void
id_is_signed_only_when_the_signed_bytes_hold_it(void **state)
{
	const struct {
		const char *signs, *timestamp, *ids[3];
		bool is_signed;
	} rows[] = {
		{ "{body}", NULL, { "{body:id}" }, true },
		{ "{body}", NULL, { "{key:a|b}.{body:b.id}" }, true },
		{ "{body}", NULL, { "{body}" }, true },
		{ "{body}", NULL, { "{endpoint}-{bodyhash:md5:hex}" }, true },
		{ "{bodyhash:sha256:hex}", NULL, { "{body:id}" }, true },
		{ "{url}\n{sorted_form}", NULL, { "{sorted_form}" }, true },
		/* A byte may belong to either. */
		{ "{url}{sorted_form}", NULL, { "{sorted_form}" }, false },
		{ "{header:X-Id}{body}", NULL, { "{header:X-Id}" }, false },
		{ "{body:a}{body:b}", NULL, { "{body:a}" }, false },
		{ "{body:a}:{body:b}", NULL, { "{body:b}" }, true },
		{ "{id}{body}", NULL, { "{header:X-Id}" }, false },
		{ "{body:a}{url}", NULL, { "{body:a}" }, true },
		{ "{url}{body:a}", NULL, { "{body:a}" }, false },
		{ "{id}{timestamp}{body}", "{header:X-T}", { "{header:X-Id}" }, true },
		{ "{timestamp}{body}", "{header:X-T}", { "{header:X-T}" }, true },
		/* Another spelling of the same signed bytes. */
		{ "{lower:header:X-Id}.{body}", NULL, { "{header:X-Id}" }, false },
		{ "{lower:header:X-Id}.{body}", NULL, { "{lower:header:X-Id}" }, true },
		{ "{lower:id}.{body}", NULL, { "{header:X-Id}" }, false },
		{ "{lower:timestamp}.{body}", "{header:X-T}", { "{header:X-T}" }, false },
		{ "{header:X-Id?}.{body}", NULL, { "{header:X-Id}" }, true },
		{ "{id?}.{body}", NULL, { "{header:X-Id}" }, false },
		{ "{lower:encoded:base64}", NULL, { "{body:id}" }, false },
		{ "{encoded:base64}", NULL, { "{body:id}" }, true },
		{ "{bodyhash:crc32:decimal}", NULL, { "{body:id}" }, false },
		{ "{form:payload}", NULL, { "{body:id}" }, false },
		{ "{raw:a}", NULL, { "{body:a}" }, false },
		{ "{url}{sorted_form}", NULL, { "{body:id}" }, false },
		{ "{body}", NULL, { "{header:X-Id}" }, false },
		{ "{body}", NULL, { "{body:id}", "{header:X-Id}" }, false },
		{ "{body}", NULL, { "{header:X-Id}", "{body:id}" }, false },
		{ "{body}", NULL, { "{body:id}{header:X-Id}" }, false },
		{ "{id}.{body}", NULL, { "{header:X-Id}" }, true },
		{ "{id}.{body}", NULL, { "{header:X-Id}", "{query:id}" }, true },
		{ "{header:X-ID}.{body}", NULL, { "{header:x-id}" }, true },
		{ "{header:X-Other}.{body}", NULL, { "{header:X-Id}" }, false },
		{ "{query:id}.{body}", NULL, { "{query:id}" }, true },
		{ "{query:ID}.{body}", NULL, { "{query:id}" }, false },
		{ "{query:id}.{body}", NULL, { "{header:id}" }, false },
		{ "{timestamp}.{body}", "{header:X-T}", { "{header:X-T}" }, true },
		{ "{body}", "{header:X-T}", { "{header:X-T}" }, false },
		{ "{url}{body}", NULL, { "{query:id}" }, false },
		{ "{url}{body}", NULL, { "{url}" }, false },
		{ "{path}\n{body}", NULL, { "{path}" }, true },
		{ "{header:X-Id}", NULL, { "{body:id}" }, false },
		{ "{body:a}", NULL, { "{body:a}" }, true },
		{ "{body:a}", NULL, { "{body:b}" }, false },
		{ "{body}", NULL, { NULL }, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options =
			MAIN(.signs = LIST(rows[i].signs), .timestamp = rows[i].timestamp);
		struct provider *provider;
		options.id = (char *const *)rows[i].ids;
		provider = compile(&options);
		if (provider->id_is_signed != rows[i].is_signed)
			fail_msg("row %zu: %s over %s", i, rows[i].ids[0], rows[i].signs);
		provider_free(provider);
	}
}

static void
id_of_a_document_is_signed_with_the_field_that_holds_it(void **state)
{
	const struct {
		const char *signs[3];
		const char *id;
		bool is_signed;
	} rows[] = {
		{ { "{form:payload}" }, "{body:id}", true },
		{ { "{timestamp}.{form:payload}" }, "{body:a.b}.{key:c}", true },
		{ { "{form:payload}", "{form:payload}.{form:x}" }, "{body:id}", true },
		{ { "{form:payload}", "{form:x}" }, "{body:id}", false },
		{ { "{form:payload?}.{form:x}" }, "{body:id}", false },
		{ { "{form:x}{form:payload}" }, "{body:id}", false },
		{ { "{form:x}" }, "{body:id}", false },
		{ { "{form:payload}" }, "{form:x}", false },
		{ { "{form:payload}" }, "{bodyhash:sha256:hex}", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options = MAIN(.timestamp = "{header:X-T}");
		struct provider *provider;
		options.main.signs = (char *const *)rows[i].signs;
		options.id = LIST(rows[i].id);
		options.document = "payload";
		provider = compile(&options);
		assert_false(provider->body_is_signed);
		if (provider->id_is_signed != rows[i].is_signed)
			fail_msg("row %zu: %s", i, rows[i].signs[0]);
		provider_free(provider);
	}
}

static void
the_body_is_signed_where_a_digest_of_it_is(void **state)
{
	const struct {
		const char *algorithm, *signs[3], *requires;
		bool is_signed;
	} rows[] = {
		{ "jwt-hs256", { NULL }, NULL, false },
		{ "jwt-hs256", { NULL }, "{claim:h}={bodyhash:sha256:hex}", true },
		{ "jwt-hs256", { NULL }, "{bodyhash:sha256:hex}={claim:h?}", true },
		{ "jwt-hs256", { NULL }, "{claim:h}={bodyhash:crc32:decimal}", false },
		{ "jwt-hs256", { NULL }, "{header:X}={bodyhash:sha256:hex}", false },
		{ "jwt-hs256", { NULL }, "{claim:h}x={bodyhash:sha256:hex}x", false },
		{ "jwt-hs256", { "{body}" }, NULL, true },
		/* A detached token has no claims. */
		{ "jwt-hs256", { "{url}" }, "{claim:h}={bodyhash:sha256:hex}", false },
		{ "hmac-sha256", { "{url}" }, "{query:h}={bodyhash:sha256:hex}", true },
		{ "hmac-sha256", { "{target}" }, "{query:h}={bodyhash:sha256:hex}", true },
		{ "hmac-sha256", { "{url?}" }, "{query:h}={bodyhash:sha256:hex}", false },
		{ "hmac-sha256", { "{lower:url}" }, "{query:h}={bodyhash:sha256:hex}", false },
		{ "hmac-sha256", { "{path}" }, "{query:h}={bodyhash:sha256:hex}", false },
		{ "hmac-sha256", { "{query:h}" }, "{query:h}={bodyhash:sha256:hex}", true },
		{ "hmac-sha256", { "{query:i}" }, "{query:h}={bodyhash:sha256:hex}", false },
		{ "hmac-sha256", { "{header:X}" }, "{header:X}={bodyhash:sha256:hex}", true },
		{ "hmac-sha256", { "{header:X}", "{header:Y}" }, "{header:X}={bodyhash:sha256:hex}",
			false },
		{ "hmac-sha256", { "{header:X}.{body}", "{header:X}" }, NULL, false },
		{ "hmac-sha256", { "{header:X}.{body}", "{bodyhash:sha1:hex}" }, NULL, true },
		{ "hmac-sha256", { "{lower:encoded:base64}" }, NULL, false },
		{ "hmac-sha256", { "{raw:a}" }, NULL, false },
		{ "hmac-sha256", { "{canonical:contentful}" }, NULL, true },
		{ "hmac-sha256", { "{canonical:plivo}" }, NULL, false },
		{ "hmac-sha256", { "{canonical:contentful?}" }, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options =
			BARE(.header = LIST("X-Sig"), .algorithm = rows[i].algorithm);
		struct provider *provider;
		options.main.signs = rows[i].signs[0] != NULL ? (char *const *)rows[i].signs : NULL;
		options.main.requires = rows[i].requires != NULL ? LIST(rows[i].requires) : NULL;
		provider = compile(&options);
		if (provider->body_is_signed != rows[i].is_signed)
			fail_msg("row %zu", i);
		provider_free(provider);
	}
}

static void
id_is_not_signed_when_a_variant_does_not_sign_it(void **state)
{
	const struct {
		struct provider_scheme_options variant;
		bool id_is_signed, body_is_signed;
	} rows[] = {
		{ { .label = "b", .signs = LIST("{method}{body}") }, true, true },
		{ { .label = "b", .signs = LIST("{header:X-Other}") }, false, false },
		{ { .label = "b", .algorithm = "bearer" }, false, false },
		{ { .label = "b",
			  .algorithm = "ed25519",
			  .header = LIST("X"),
			  .encoding = "hex",
			  .key = "pem" },
			true, true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options = { .name = "acme",
			.main = { SIGNED },
			.id = LIST("{body:id}"),
			.variants = &rows[i].variant,
			.variant_count = 1 };
		struct provider *provider = compile(&options);
		assert_int_equal(provider->id_is_signed, rows[i].id_is_signed);
		assert_int_equal(provider->body_is_signed, rows[i].body_is_signed);
		provider_free(provider);
	}
}

static void
unsigned_provider_needs_nothing_but_its_word(void **state)
{
	const struct provider_options options = {
		.name = "unsigned", .main = { .algorithm = "none" }, .id = LIST("{body:id}")
	};
	struct provider *provider = compile(&options);

	(void)state;
	assert_int_equal(provider->schemes[0].method, PROVIDER_NONE);
	assert_int_equal(provider->schemes[0].carrier_count, 0);
	assert_false(provider->id_is_signed);
	assert_false(provider->body_is_signed);
	provider_free(provider);
}

static void
handshake_conditions_are_split_at_the_first_equals_sign_outside_braces(void **state)
{
	const struct provider_handshake_options handshakes[] = {
		{ .label = "ping",
			.when = LIST("{body:a=b}={body}=x", "{query:challenge}", "{header:X}=") },
		{ .label = "get",
			.method = "GET",
			.answer = "{query:c}",
			.type = "application/json" },
		{ .label = "get-signed", .method = "GET", .verified = "yes", .status = "204" },
		{ .label = "open", .verified = "no", .when = LIST("{body:c}") },
	};
	const struct provider_options options = { .name = "acme",
		.main = { SIGNED },
		.handshakes = handshakes,
		.handshake_count = ROWS(handshakes) };
	struct provider *provider = compile(&options);
	const struct provider_handshake *ping = &provider->handshakes[0];

	(void)state;
	assert_int_equal(ping->when_count, 3);
	assert_string_equal(ping->when[0]->source, "{body:a=b}");
	assert_string_equal(ping->equals[0]->source, "{body}=x");
	assert_null(ping->equals[1]);
	assert_string_equal(ping->equals[2]->source, "");
	assert_string_equal(ping->method, "POST");
	assert_int_equal(ping->status, 200);
	assert_string_equal(ping->content_type, "text/plain");
	assert_null(ping->answer);
	assert_true(ping->verified);
	assert_false(provider->handshakes[1].verified);
	assert_string_equal(provider->handshakes[1].answer->source, "{query:c}");
	assert_true(provider->handshakes[2].verified);
	assert_int_equal(provider->handshakes[2].status, 204);
	assert_false(provider->handshakes[3].verified);
	provider_free(provider);
}

static void
an_unsigned_handshake_that_gives_something_away_wants_consent(void **state)
{
	const struct {
		struct provider_handshake_options options;
		bool needs_open;
	} rows[] = {
		{ { .method = "GET", .answer = "{query:c}" }, true },
		{ { .method = "GET", .answer_header = LIST("X-Echo: {header:X-Echo}") }, true },
		{ { .method = "GET", .answer = "{url}" }, true },
		{ { .method = "GET",
			  .challenge = "{query:c}",
			  .challenge_algorithm = "hmac-sha256",
			  .answer = "{digest}" },
			true },
		{ { .method = "GET", .when = LIST("{query:t}=fixed"), .answer = "{query:c}" },
			true },
		{ { .verified = "no", .when = LIST("{body:c}"), .answer = "{body:c}" }, true },
		{ { .verified = "no", .when = LIST("{body:c}"), .learns = "{body:c}" }, true },
		/* Also for whoever knows the token: it stands in logs. */
		{ { .verified = "no",
			  .when = LIST("{query:t}={parameter:token}"),
			  .learns = "{body:c}" },
			true },
		{ { .method = "GET",
			  .when = LIST("{query:m}=s", "{query:t}={parameter:token}"),
			  .answer = "{query:c}" },
			false },
		{ { .method = "HEAD" }, false },
		{ { .method = "GET", .answer = "pong" }, false },
		{ { .method = "GET", .answer = "{parameter:code}{endpoint}" }, false },
		{ { .method = "GET", .answer_header = LIST("x-verify: {parameter:code}") }, false },
		{ { .method = "GET", .answer = "{query:c}", .status = "404" }, false },
		{ { .when = LIST("{body:c}"), .answer = "{body:c}" }, false },
		{ { .when = LIST("{body:c}"),
			  .challenge = "{body:c}",
			  .challenge_algorithm = "hmac-sha256",
			  .answer = "{digest}" },
			false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options = { .name = "acme",
			.main = { SIGNED },
			.handshakes = &rows[i].options,
			.handshake_count = 1 };
		struct provider *provider = compile(&options);
		if (provider->handshakes[0].needs_open != rows[i].needs_open)
			fail_msg("row %zu", i);
		provider_free(provider);
	}
}

static void
parameters_are_noted_with_what_needs_them_most(void **state)
{
	const struct provider_handshake_options handshakes[] = {
		{ .label = "verify",
			.method = "GET",
			.when = LIST("{query:t}={parameter:token}", "{query:u}={parameter:app}") },
		{ .label = "second", .method = "GET", .answer = "{parameter:token}" },
	};
	const struct provider_options options = { .name = "acme",
		.main = { SIGNED, .signs = LIST("{parameter:app}{body}{parameter:note?}") },
		.handshakes = handshakes,
		.handshake_count = ROWS(handshakes) };
	static const struct provider_parameter expected[] = {
		{ (char *)(uintptr_t) "app", PROVIDER_NEED_SCHEME, (char *)(uintptr_t) "signs" },
		{ (char *)(uintptr_t) "note", PROVIDER_NEED_NONE, (char *)(uintptr_t) "signs" },
		{ (char *)(uintptr_t) "token", PROVIDER_NEED_HANDSHAKE,
			(char *)(uintptr_t) "handshake \"verify\"" },
	};
	struct provider *provider = compile(&options);

	(void)state;
	assert_int_equal(provider->parameter_count, ROWS(expected));
	for (size_t i = 0; i < ROWS(expected); i++) {
		assert_string_equal(provider->parameters[i].name, expected[i].name);
		assert_int_equal(provider->parameters[i].need, expected[i].need);
		assert_string_equal(provider->parameters[i].use, expected[i].use);
	}
	provider_free(provider);
}

static void
builtin_providers_are_found_by_name_and_sorted(void **state)
{
	size_t count = 0;

	(void)state;
	for (; provider_builtin_name(count) != NULL; count++) {
		const char *name = provider_builtin_name(count);
		const char *text = provider_builtin(name);
		char head[100];
		assert_true(text_is_name(slice_of(name)));
		assert_non_null(text);
		snprintf(head, sizeof head, "provider \"%s\" {", name);
		if (strstr(text, head) == NULL)
			fail_msg("%s.conf has no block of its own name", name);
		if (count > 0)
			assert_true(strcmp(provider_builtin_name(count - 1), name) < 0);
	}
	assert_true(count >= 9);
	assert_null(provider_builtin_name(count + 1));
	assert_null(provider_builtin("nobody"));
	assert_null(provider_builtin(""));
	assert_null(provider_builtin("github.conf"));
}

static void
of_the_builtin_providers_only_unsigned_checks_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; provider_builtin_name(i) != NULL; i++) {
		const char *name = provider_builtin_name(i);
		bool none = strstr(provider_builtin(name), "\"none\"") != NULL;
		assert_int_equal(none, strcmp(name, "unsigned") == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_reported_once_with_its_option_and_remedy),
		cmocka_unit_test(every_fault_is_reported_not_only_the_first),
		cmocka_unit_test(the_same_fault_of_two_options_is_reported_for_both),
		cmocka_unit_test(variant_fault_names_its_block_and_inherited_ones_are_told_once),
		cmocka_unit_test(none_is_never_beside_another_scheme),
		cmocka_unit_test(handshake_faults_name_their_block),
		cmocka_unit_test(no_stranger_gets_a_token_signed),
		cmocka_unit_test(an_unsigned_handshake_that_gives_something_away_wants_consent),
		cmocka_unit_test(parameters_are_noted_with_what_needs_them_most),
		cmocka_unit_test(defaults_are_the_usual_scheme),
		cmocka_unit_test(algorithms_become_methods),
		cmocka_unit_test(bearer_and_basic_are_tokens_in_authorization),
		cmocka_unit_test(keys_and_carriers_are_read),
		cmocka_unit_test(limits_of_time_have_defaults),
		cmocka_unit_test(variant_takes_what_it_lacks_from_the_main_scheme),
		cmocka_unit_test(id_is_signed_only_when_the_signed_bytes_hold_it),
		cmocka_unit_test(id_of_a_document_is_signed_with_the_field_that_holds_it),
		cmocka_unit_test(the_body_is_signed_where_a_digest_of_it_is),
		cmocka_unit_test(id_is_not_signed_when_a_variant_does_not_sign_it),
		cmocka_unit_test(unsigned_provider_needs_nothing_but_its_word),
		cmocka_unit_test(
			handshake_conditions_are_split_at_the_first_equals_sign_outside_braces),
		cmocka_unit_test(builtin_providers_are_found_by_name_and_sorted),
		cmocka_unit_test(of_the_builtin_providers_only_unsigned_checks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
