/* fuzz_signature.c - any headers and body through schemes of every kind
 *
 * clang -fsanitize=fuzzer,address,undefined with all of src but main.c, and the
 * program's libraries. The input: a byte for the provider, a byte of choices, then texts
 * that end in NUL: signature, time, id, key id, query, content type; the rest is the body.
 * A choice signs the request first, so that what comes after a right signature is met too.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "sign.h"
#include "signature.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SIGNED_MAX 4 /* headers of a sender that are taken over */
#define NOW_MS INT64_C(1700000000000)
#define LIST(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })
#define ROWS(table) (sizeof(table) / sizeof(table)[0])
#define SIG .header = LIST("X-Sig")
#define HMAC SIG, .algorithm = "hmac-sha256"
#define TIME .timestamp = "{header:X-Time}"

static const struct provider_options options[] = {
	{ .name = "plain", .main = { HMAC } },
	{ .name = "timed",
		.main = { HMAC, .format = LIST("t={timestamp}", "v1={signature}"), .separator = ",",
			.signs = LIST("{timestamp}.{body}") } },
	{ .name = "persona",
		.main = { HMAC, .format = LIST("t={timestamp},v1={signature}"), .separator = " ",
			.signs = LIST("{timestamp}.{body}") } },
	{ .name = "named",
		.main = { HMAC, .format = LIST("k={key_id};s={signature}"), .separator = " ",
			.signs = LIST("{key_id}.{body}") } },
	{ .name = "id",
		.main = { HMAC, TIME, .encoding = "base64", .format = LIST("v1,{signature}"),
			.separator = " ", .signs = LIST("{id}.{timestamp}.{body}") },
		.id = LIST("{header:X-Id}", "{query:id}", "{body:id}") },
	{ .name = "list",
		.main = { HMAC, TIME, .tolerance = "off", .future = "off",
			.signs = LIST("i:{lower:query:id};r:{header:X-Id};t:{timestamp};",
				"i:{query:id};t:{timestamp};", "t:{timestamp};") } },
	{ .name = "each",
		.main = { .signature = LIST("{item:s.h}"),
			.algorithm = "hmac-sha256",
			.encoding = "base64",
			.each = "items",
			.signs = LIST("{item:a}:{item:b?}:{item:c.d?}") } },
	{ .name = "raw",
		.main = { HMAC, TIME, .timestamp_format = "iso8601",
			.signs = LIST("{timestamp}|{raw:data}|{form:f?}|{encoded:base64url}") } },
	{ .name = "fields",
		.main = { HMAC, .signs = LIST("{body:a}.{body:b.0?}.{key:c|d}", "{body:a}") },
		.id = LIST("{body:a}"),
		.document = "payload" },
	{ .name = "hash",
		.main = { SIG, .algorithm = "md5", .encoding = "base64-hex", TIME,
			.timestamp_format = "http", .signs = LIST("{body}{timestamp}{secret}") } },
	{ .name = "url",
		.main = { .header = LIST("X-Sig", "X-Id"),
			.carriers = "all",
			.algorithm = "hmac-sha1",
			.signs = LIST("{url}{sorted_form?}"),
			.requires = LIST("{query:h}={bodyhash:sha256:hex}") } },
	{ .name = "prehash",
		.main = { HMAC, .prehash = "sha512", .key = "sha1",
			.signs = LIST("{method}\n{target}\n{bodyhash:crc32:decimal}") } },
	{ .name = "canonical",
		.main = { HMAC, .signs = LIST("{canonical:contentful}", "{canonical:plivo}",
					"{canonical:aws-sns}", "{canonical:atlassian-qsh}",
					"{canonical:truelayer}") } },
	{ .name = "jwt",
		.main = { .header = LIST("X-Sig", "X-Id"),
			.algorithm = "jwt-hs256",
			.timestamp = "{claim:iat}",
			.requires = LIST("{claim:h}={bodyhash:sha256:hex}") } },
	{ .name = "bare-jwt",
		.main = { .signature = LIST("{body}", "{body:t}", "{header:X-Sig}"),
			.algorithm = "jwt-hs512" },
		.id = LIST("{claim:jti}") },
	{ .name = "detached",
		.main = { SIG, .algorithm = "jwt-hs256", TIME,
			.signs = LIST("{timestamp}.{body}", "{body}") } },
	{ .name = "public", .main = { SIG, .algorithm = "jwt-eddsa", .key = "hex" } },
	{ .name = "basic", .main = { .algorithm = "basic" } },
};

static struct provider *providers[ROWS(options)];
static struct verifier *verifiers[ROWS(options)];

static void
fault(void *context, const char *block, const char *option, const char *message)
{
	(void)context;
	fprintf(stderr, "%s %s: %s\n", block != NULL ? block : "", option, message);
	abort();
}

static struct config_secret secrets[] = {
	{ .text = (char *)(uintptr_t) "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707"
				      "511a",
		.len = 64,
		.source = (char *)(uintptr_t) "literal" },
	{ .text = (char *)(uintptr_t) "111111111111111111111111111111111111111111111111111111111111"
				      "1111",
		.len = 64,
		.source = (char *)(uintptr_t) "literal",
		.key_id = (char *)(uintptr_t) "k" },
};

static void
set_up(void)
{
	char reason[256] = "";

	for (size_t i = 0; i < ROWS(options); i++) {
		providers[i] = provider_compile(&options[i], fault, NULL);
		verifiers[i] = verifier_new(providers[i], secrets, ROWS(secrets), reason);
		if (verifiers[i] == NULL)
			fault(NULL, options[i].name, "secret", reason);
	}
}

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static volatile unsigned char sink;

/* Under ASan: each byte must still be there. */
static void
touch(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		sink ^= (unsigned char)text.data[i];
}

static enum signature_result
verify(const struct verifier *verifier, char *const *variables, struct slice body)
{
	static const struct message_parameter parameters[] = { { (char *)(uintptr_t) "p",
		(char *)(uintptr_t) "v" } };
	struct signature_report report = { .scheme = 99, .secret = 99 };
	struct message message;
	enum signature_result result;

	message_init(&message, variables, body);
	message.document = "payload";
	message.parameters = parameters;
	message.parameter_count = 1;
	result = signature_verify(verifier, &message, NOW_MS, &report);
	touch(message.timestamp);
	touch(message.id);
	require(message.key_id.len == 0 && message.secret.data == NULL && message.item == 0);
	require((result == SIGNATURE_VALID) == (report.scheme != 99));
	if (result != SIGNATURE_VALID)
		require(message.timestamp.data == NULL && message.id.data == NULL &&
			message.claims == NULL);
	message_free(&message);
	return result;
}

/* The next text of the input. */
static struct slice
take(struct slice *rest)
{
	const char *end = rest->len > 0 ? memchr(rest->data, '\0', rest->len) : NULL;
	struct slice text = { rest->data, end != NULL ? (size_t)(end - rest->data) : 0 };

	if (end != NULL)
		*rest = (struct slice){ end + 1, rest->len - text.len - 1 };
	return text;
}

static char *
variable(const char *name, struct slice value)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_append_text(&text, name);
	buf_append_char(&text, '=');
	buf_append_slice(&text, value);
	return buf_take(&text);
}

/* header.payload.HMAC, of texts as JSON. */
static char *
token(enum crypto_digest digest, struct slice header, struct slice payload)
{
	struct crypto_mac_key *key = crypto_mac_key_new(digest, secrets[0].text, secrets[0].len);
	uint8_t mac[CRYPTO_DIGEST_MAX];
	struct buf text;
	struct slice made;

	buf_init(&text, 1 << 20);
	(void)text_encode(TEXT_BASE64URL, header.data, header.len, &text);
	buf_append_char(&text, '.');
	(void)text_encode(TEXT_BASE64URL, payload.data, payload.len, &text);
	made = buf_slice(&text);
	require(crypto_mac(key, &made, 1, mac));
	buf_append_char(&text, '.');
	(void)text_encode(TEXT_BASE64URL, (char *)mac, crypto_digest_size(digest), &text);
	crypto_mac_key_free(key);
	return buf_take(&text);
}

/* Put what a sender would send into variables, from at on. */
static size_t
sign(size_t index, char **variables, size_t at, struct slice body)
{
	const struct sign_request request = { .provider = providers[index],
		.secrets = &secrets[0],
		.secret_count = 1,
		.now_ms = NOW_MS };
	struct sign_result made;
	char reason[256];
	struct message message;

	message_init(&message, variables, body);
	if (sign_message(&request, &message, &made, reason)) {
		for (size_t i = 0; i < made.header_count && i < SIGNED_MAX; i++) {
			char *name = message_header_variable(made.headers[i].name);
			variables[at++] = variable(name, slice_of(made.headers[i].value));
			variables[at] = NULL;
			free(name);
		}
		sign_result_free(&made);
	}
	message_free(&message);
	return at;
}

/* Of a body that is signed no byte may change. */
static void
change(const struct provider *provider, const struct verifier *verifier, char *const *variables,
	struct slice body, uint8_t where)
{
	char *other;

	if (!provider->body_is_signed || body.len == 0)
		return;
	other = xmemdup0(body.data, body.len);
	other[where % body.len] ^= 1;
	require(verify(verifier, variables, (struct slice){ other, body.len }) != SIGNATURE_VALID);
	free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice rest = { (const char *)data, len }, signature, time, id, key_id, query;
	char *variables[16] = { NULL }, *made = NULL;
	enum signature_result result;
	size_t index, count = 0;

	if (len < 2)
		return 0;
	if (providers[0] == NULL)
		set_up();
	rest = (struct slice){ rest.data + 2, len - 2 };
	index = data[0] % ROWS(options);
	signature = take(&rest);
	time = take(&rest);
	id = take(&rest);
	key_id = take(&rest);
	query = take(&rest);
	variables[count++] = variable("CONTENT_TYPE", take(&rest));
	variables[count++] = variable("REQUEST_METHOD", slice_of("POST"));
	variables[count++] = variable("HTTP_HOST", slice_of("h"));
	made = variable("/hook?x", query);
	variables[count++] = variable("REQUEST_URI", slice_of(made));
	free(made);
	made = NULL;
	if ((data[1] & 1) != 0) {
		count = sign(index, variables, count, rest);
		made = token(index == 14 ? CRYPTO_SHA512 : CRYPTO_SHA256, signature, time);
		signature = slice_of(made);
	}
	if (count == 4 || (data[1] & 2) != 0)
		variables[count++] =
			variable(index == 17 ? "HTTP_AUTHORIZATION" : "HTTP_X_SIG", signature);
	if (id.len > 0)
		variables[count++] = variable("HTTP_X_ID", id);
	if (time.len > 0 && (data[1] & 4) != 0)
		variables[count++] = variable("HTTP_X_TIME", time);
	if (key_id.len > 0)
		variables[count++] = variable("HTTP_X_KEY", key_id);
	if (index == 14 && (data[1] & 1) != 0 && (data[1] & 8) != 0)
		rest = signature;
	result = verify(verifiers[index], variables, rest);
	require(verify(verifiers[index], variables, rest) == result);
	if (result == SIGNATURE_VALID)
		change(providers[index], verifiers[index], variables, rest, data[1]);
	for (size_t i = 0; i < count; i++)
		free(variables[i]);
	free(made);
	return 0;
}
