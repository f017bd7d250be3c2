/* test_jwt.c - the RFCs' examples, and what is no token */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "jwk.h"
#include "jwt.h"
#include "text.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

/* {"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true} */
#define JOE                                                                                        \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"

/* RFC 7515 appendix A.1 */
static const char a1[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
			 ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char a1_key[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hc"
			     "gUuTwjAzZr1Z9CAow";

static const struct {
	const char *alg;
	enum crypto_public_algorithm algorithm;
	const char *key; /* a JWK */
	const char *text;
	bool has_claims; /* the payload is no JSON otherwise */
} examples[] = {
	/* RFC 7515 appendices A.2, A.3, A.4; RFC 8037 appendix A.4 */
	{ "RS256", CRYPTO_RSA_SHA256,
		"{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPdd"
		"xHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r"
		"2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2C"
		"apHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia"
		"GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}",
		"eyJhbGciOiJSUzI1NiJ9." JOE
		".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF"
		"5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5"
		"h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZ"
		"ESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0i"
		"gcN_IoypGlUPQGe77Rw",
		true },
	{ "ES256", CRYPTO_ECDSA_P256_SHA256_RAW,
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHv"
		"RVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
		"eyJhbGciOiJFUzI1NiJ9." JOE ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw"
		"5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		true },
	{ "ES512", CRYPTO_ECDSA_P521_SHA512_RAW,
		"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wT"
		"jxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI8"
		"7cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}",
		"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYa"
		"RI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEH"
		"wJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
		false },
	{ "EdDSA", CRYPTO_ED25519,
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIa"
		"aPcHURo\"}",
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PP"
		"Ot7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
		false },
};

static struct slice
jwt_claim(const struct jwt *jwt, struct slice path)
{
	struct leaf leaf;

	if (jwt->claims == NULL || !leaves_find(jwt->claims, path, &leaf) || !leaf_has_text(&leaf))
		return (struct slice){ NULL, 0 };
	return leaf.value;
}

static bool
claim_is(const struct jwt *jwt, const char *path, const char *value)
{
	struct slice claim = jwt_claim(jwt, slice_of(path));

	return claim.data != NULL && slice_is(claim, value);
}

static void
assert_joe(const struct jwt *jwt)
{
	bool present = false;
	int64_t ms = 0;

	assert_true(claim_is(jwt, "iss", "joe"));
	assert_true(claim_is(jwt, "exp", "1300819380"));
	assert_true(claim_is(jwt, "http://example.com/is_root", "true"));
	assert_null(jwt_claim(jwt, slice_of("iat")).data);
	assert_true(jwt_time(jwt, "exp", &present, &ms));
	assert_true(present);
	assert_int_equal(ms, INT64_C(1300819380000));
	assert_true(jwt_time(jwt, "nbf", &present, &ms));
	assert_false(present);
}

static void
hs256_example_is_taken_apart(void **state)
{
	struct buf secret, signature;
	struct crypto_mac_key *key;
	uint8_t mac[CRYPTO_DIGEST_MAX];
	struct jwt jwt;

	(void)state;
	buf_init(&secret, 256);
	buf_init(&signature, 256);
	assert_int_equal(jwt_parse(slice_of(a1), false, &jwt), JWT_OK);
	assert_true(slice_is(jwt_header(&jwt, "alg"), "HS256"));
	assert_true(slice_is(jwt_header(&jwt, "typ"), "JWT"));
	assert_null(jwt_header(&jwt, "kid").data);
	assert_true(slice_is(jwt.protected_text, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"));
	assert_true(slice_is(jwt.payload_text, JOE));
	assert_true(slice_is(jwt.signed_text, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE));
	assert_joe(&jwt);

	assert_true(text_decode(TEXT_BASE64URL, slice_of(a1_key), &secret));
	assert_true(text_decode(TEXT_BASE64URL, jwt.signature_text, &signature));
	key = crypto_mac_key_new(CRYPTO_SHA256, secret.data, secret.len);
	assert_true(crypto_mac(key, &jwt.signed_text, 1, mac));
	assert_true(crypto_equal(buf_slice(&signature), (struct slice){ (const char *)mac, 32 }));
	crypto_mac_key_free(key);
	jwt_free(&jwt);
	buf_free(&signature);
	buf_free(&secret);
}

static bool
verifies(const struct crypto_public_key *key, struct slice signed_text, struct slice signature_text)
{
	struct buf signature;
	bool ok;

	buf_init(&signature, 1024);
	assert_true(text_decode(TEXT_BASE64URL, signature_text, &signature));
	ok = crypto_verify(key, &signed_text, 1, buf_slice(&signature));
	buf_free(&signature);
	return ok;
}

/* The payload is no JSON: the example is read as if it came detached. */
static void
assert_detached_example_verifies(
	const char *alg, const struct crypto_public_key *key, struct slice text)
{
	size_t header_len = strcspn(text.data, ".");
	size_t signed_len = header_len + 1 + strcspn(text.data + header_len + 1, ".");
	struct buf detached;
	struct jwt jwt;

	buf_init(&detached, 4096);
	assert_true(buf_append(&detached, text.data, header_len + 1));
	assert_true(buf_append_text(&detached, text.data + signed_len));
	assert_int_equal(jwt_parse(text, false, &jwt), JWT_MALFORMED);
	assert_int_equal(jwt_parse(buf_slice(&detached), true, &jwt), JWT_OK);
	assert_true(slice_is(jwt_header(&jwt, "alg"), alg));
	assert_null(jwt.claims);
	assert_int_equal(jwt.payload_text.len, 0);
	text.len = signed_len;
	assert_true(verifies(key, text, jwt.signature_text));
	text.len--;
	assert_false(verifies(key, text, jwt.signature_text));
	jwt_free(&jwt);
	buf_free(&detached);
}

static void
assert_example_verifies(const char *alg, const struct crypto_public_key *key, struct slice text)
{
	struct jwt jwt;

	assert_int_equal(jwt_parse(text, false, &jwt), JWT_OK);
	assert_joe(&jwt);
	assert_true(slice_is(jwt_header(&jwt, "alg"), alg));
	assert_true(verifies(key, jwt.signed_text, jwt.signature_text));
	jwt.signed_text.len--;
	assert_false(verifies(key, jwt.signed_text, jwt.signature_text));
	jwt_free(&jwt);
}

static void
public_key_examples_verify(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(examples); i++) {
		struct crypto_public_key *key =
			jwk_public_key(examples[i].algorithm, slice_of(examples[i].key));

		assert_non_null(key);
		if (examples[i].has_claims)
			assert_example_verifies(examples[i].alg, key, slice_of(examples[i].text));
		else
			assert_detached_example_verifies(
				examples[i].alg, key, slice_of(examples[i].text));
		crypto_public_key_free(key);
	}
}

/* RFC 7515 appendix A.5: alg none, no signature. */
static void
unsecured_example_is_refused(void **state)
{
	struct jwt jwt;

	(void)state;
	assert_int_equal(
		jwt_parse(slice_of("eyJhbGciOiJub25lIn0." JOE "."), false, &jwt), JWT_MALFORMED);
}

/* The bytes of header and payload as a token with some signature. */
static enum jwt_result
parse_made(
	struct slice header, struct slice payload, bool detached, struct jwt *out, struct buf *text)
{
	buf_init(text, 4 << 20);
	assert_true(text_encode(TEXT_BASE64URL, header.data, header.len, text) &&
		    buf_append_char(text, '.') &&
		    text_encode(TEXT_BASE64URL, payload.data, payload.len, text) &&
		    buf_append_text(text, ".AAAA"));
	return jwt_parse(buf_slice(text), detached, out);
}

#define GOOD "{\"alg\":\"HS256\"}"

static void
other_spellings_are_malformed(void **state)
{
	static const struct {
		const char *text;
		bool detached;
		enum jwt_result result;
	} rows[] = {
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", false, JWT_OK },
		{ "eyJhbGciOiJIUzI1NiJ9..AAAA", true, JWT_OK },
		{ "eyJhbGciOiJIUzI1NiJ9..AAAA", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", true, JWT_MALFORMED },
		/* dots */
		{ "", false, JWT_MALFORMED },
		{ "", true, JWT_MALFORMED },
		{ ".", true, JWT_MALFORMED },
		{ "..", true, JWT_MALFORMED },
		{ "..AAAA", true, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.AAAA", true, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9..", true, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA.AAAA.AAAA", false, JWT_MALFORMED }, /* a JWE */
		{ ".eyJhbGciOiJIUzI1NiJ9.e30.AAAA", false, JWT_MALFORMED },
		/* padding */
		{ "eyJhbGciOiJIUzI1NiJ9.e30=.AAAA", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AA==", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAA=", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.=", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiIgfQ==.e30.AAAA", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiIgfQ.e30.AAAA", false, JWT_OK },
		/* spare bits */
		{ "eyJhbGciOiJIUzI1NiIgfR.e30.AAAA", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e31.AAAA", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAB", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AB", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AA", false, JWT_OK },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.A", false, JWT_MALFORMED },
		/* other alphabets, blanks */
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AA+/", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AA-_", false, JWT_OK },
		{ " eyJhbGciOiJIUzI1NiJ9.e30.AAAA", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA ", false, JWT_MALFORMED },
		{ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n", false, JWT_MALFORMED },
		{ "Bearer eyJhbGciOiJIUzI1NiJ9.e30.AAAA", false, JWT_MALFORMED },
		/* the JSON serialization is another thing */
		{ "{\"payload\":\"e30\",\"protected\":\"e30\",\"signature\":\"AAAA\"}", false,
			JWT_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct jwt jwt;
		enum jwt_result result = jwt_parse(slice_of(rows[i].text), rows[i].detached, &jwt);

		if (result != rows[i].result)
			print_error("row %zu: %s\n", i, rows[i].text);
		assert_int_equal(result, rows[i].result);
		if (result != JWT_OK) {
			assert_null(jwt.header);
			assert_null(jwt.signed_text.data);
		}
		jwt_free(&jwt);
	}
}

static void
header_or_claims_not_understood_are_malformed(void **state)
{
	static const struct {
		const char *header, *payload;
		enum jwt_result result;
	} rows[] = {
		{ GOOD, "{}", JWT_OK },
		{ " \r\n\t{ \"alg\" : \"x\" } ", " {} \n", JWT_OK },
		/* alg */
		{ "{}", "{}", JWT_MALFORMED },
		{ "{\"alg\":1}", "{}", JWT_MALFORMED },
		{ "{\"alg\":null}", "{}", JWT_MALFORMED },
		{ "{\"alg\":true}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"\"}", "{}", JWT_MALFORMED },
		{ "{\"alg\":[\"HS256\"]}", "{}", JWT_MALFORMED },
		{ "{\"alg\":{\"alg\":\"HS256\"}}", "{}", JWT_MALFORMED },
		{ "{\"ALG\":\"HS256\"}", "{}", JWT_MALFORMED },
		{ "{\"a\":{\"alg\":\"HS256\"}}", "{}", JWT_MALFORMED },
		/* extensions */
		{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"crit\":[]}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"crit\":null}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"b64\":false}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"b64\":\"true\"}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"b64\":null}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"b64\":{\"a\":1}}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"b64\":true}", "{}", JWT_OK },
		/* names that come again */
		{ "{\"alg\":\"none\",\"alg\":\"HS256\"}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"jwk\":{\"k\":1,\"k\":2}}", "{}", JWT_MALFORMED },
		{ GOOD, "{\"exp\":1,\"exp\":2}", JWT_MALFORMED },
		{ GOOD, "{\"a\":{\"b\":[{\"c\":1,\"c\":1}]}}", JWT_MALFORMED },
		{ GOOD, "{\"a\":{\"b\":1},\"c\":{\"b\":1}}", JWT_OK },
		/* not objects */
		{ "[\"alg\",\"HS256\"]", "{}", JWT_MALFORMED },
		{ "\"alg\"", "{}", JWT_MALFORMED },
		{ "[[[[{\"alg\":\"HS256\"}]]]]", "{}", JWT_MALFORMED },
		{ GOOD, "[]", JWT_MALFORMED },
		{ GOOD, "[{}]", JWT_MALFORMED },
		{ GOOD, "\"x\"", JWT_MALFORMED },
		{ GOOD, "1", JWT_MALFORMED },
		{ GOOD, "null", JWT_MALFORMED },
		{ GOOD, " ", JWT_MALFORMED },
		/* not JSON */
		{ GOOD " x", "{}", JWT_MALFORMED },
		{ GOOD GOOD, "{}", JWT_MALFORMED },
		{ "{'alg':'HS256'}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",}", "{}", JWT_MALFORMED },
		{ "\xef\xbb\xbf" GOOD, "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"a\":\"\\u0000\"}", "{}", JWT_MALFORMED },
		{ "{\"alg\":\"HS256\",\"a\":\"\xff\"}", "{}", JWT_MALFORMED },
		{ GOOD, "{\"a\":\"\\ud800\"}", JWT_MALFORMED },
		{ GOOD, "{\"a\":1e}", JWT_MALFORMED },
		{ GOOD, "{", JWT_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		enum jwt_result result;
		struct buf text;
		struct jwt jwt;

		result = parse_made(
			slice_of(rows[i].header), slice_of(rows[i].payload), false, &jwt, &text);
		if (result != rows[i].result)
			print_error("row %zu: %s %s\n", i, rows[i].header, rows[i].payload);
		assert_int_equal(result, rows[i].result);
		jwt_free(&jwt);
		buf_free(&text);
	}
}

static void
nul_in_a_part_is_malformed(void **state)
{
	static const struct slice rows[][2] = {
		{ { "{\"alg\":\"HS256\"}\0", 16 }, { "{}", 2 } },
		{ { "\0{\"alg\":\"HS256\"}", 16 }, { "{}", 2 } },
		{ { "{\"alg\":\"HS2\0"
		    "56\"}",
			  16 },
			{ "{}", 2 } },
		{ { "{\"alg\":\"HS256\"}", 15 }, { "{}\0", 3 } },
		{ { "{\"alg\":\"HS256\"}", 15 }, { "\0", 1 } },
	};
	struct jwt jwt;
	struct buf text;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		assert_int_equal(
			parse_made(rows[i][0], rows[i][1], false, &jwt, &text), JWT_MALFORMED);
		buf_free(&text);
	}
	assert_int_equal(
		jwt_parse((struct slice){ "eyJhbGciOiJIUzI1NiJ9.e30.AA\0A", 29 }, false, &jwt),
		JWT_MALFORMED);
	assert_int_equal(
		jwt_parse((struct slice){ "eyJhbGciOiJIUzI1NiJ9.e30.AAAA\0", 30 }, false, &jwt),
		JWT_MALFORMED);
	assert_int_equal(jwt_parse((struct slice){ NULL, 0 }, false, &jwt), JWT_MALFORMED);
}

/* A JSON object of so many bytes: one name and blanks. */
static struct slice
object_of(size_t len, const char *beginning)
{
	char *text = memset(xmalloc(len), ' ', len);

	memcpy(text, beginning, strlen(beginning));
	text[len - 1] = '}';
	return (struct slice){ text, len };
}

static void
size_is_bounded(void **state)
{
	static const struct {
		size_t header_len, payload_len;
		enum jwt_result result;
	} rows[] = {
		{ JWT_HEADER_MAX / 4 * 3, 16, JWT_OK },
		{ JWT_HEADER_MAX / 4 * 3 + 1, 16, JWT_MALFORMED },
		{ 16, (JWT_TEXT_MAX - 64) / 4 * 3, JWT_OK },
		{ 16, JWT_TEXT_MAX / 4 * 3, JWT_MALFORMED },
		{ 16, 2 << 20, JWT_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice header = object_of(rows[i].header_len, "{\"alg\":\"HS256\"");
		struct slice payload = object_of(rows[i].payload_len, "{\"a\":1");
		struct buf text;
		struct jwt jwt;

		assert_int_equal(parse_made(header, payload, false, &jwt, &text), rows[i].result);
		jwt_free(&jwt);
		buf_free(&text);
		free((void *)(uintptr_t)payload.data);
		free((void *)(uintptr_t)header.data);
	}
}

static void
deep_claims_are_malformed(void **state)
{
	char deep[256] = "{\"a\":";
	struct buf text;
	struct jwt jwt;

	(void)state;
	memset(deep + 5, '[', 100);
	memset(deep + 105, ']', 100);
	deep[205] = '}';
	assert_int_equal(
		parse_made(slice_of(GOOD), slice_of(deep), false, &jwt, &text), JWT_MALFORMED);
	buf_free(&text);
}

static void
claim_is_the_text_of_a_scalar(void **state)
{
	static const char claims[] =
		"{\"s\":\"x\",\"empty\":\"\",\"n\":1.50,\"t\":true,\"f\":false,\"z\":null,"
		"\"o\":{},\"l\":[],\"deep\":{\"list\":[{\"a\":\"b\"}]}}";
	static const char *const rows[][2] = { { "s", "x" }, { "empty", "" }, { "n", "1.50" },
		{ "t", "true" }, { "f", "false" }, { "deep.list.0.a", "b" } };
	static const char *const absent[] = { "z", "o", "l", "deep", "deep.list", "deep.list.1.a",
		"S", "" };
	struct buf text;
	struct jwt jwt;

	(void)state;
	assert_int_equal(parse_made(slice_of(GOOD), slice_of(claims), false, &jwt, &text), JWT_OK);
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_true(claim_is(&jwt, rows[i][0], rows[i][1]));
	for (size_t i = 0; i < ROWS(absent); i++)
		assert_null(jwt_claim(&jwt, slice_of(absent[i])).data);
	jwt_free(&jwt);
	buf_free(&text);
}

static void
time_is_a_number_in_bounds(void **state)
{
	static const struct {
		const char *claims;
		bool ok, present;
		int64_t ms;
	} rows[] = {
		{ "{}", true, false, -1 },
		{ "{\"exp\":1300819380}", true, true, INT64_C(1300819380000) },
		{ "{\"exp\":0}", true, true, 0 },
		{ "{\"exp\":1.5}", true, true, 1500 },
		{ "{\"exp\":1.0019}", true, true, 1001 },
		{ "{\"exp\":1.07}", true, true, 1070 },
		{ "{\"exp\":1.99999999999999999999999}", true, true, 1999 },
		{ "{\"exp\":253402300799.999}", true, true, INT64_C(253402300799999) },
		{ "{\"exp\":253402300800}", false, true, -1 },
		{ "{\"exp\":99999999999999999999999}", false, true, -1 },
		{ "{\"exp\":-1}", false, true, -1 },
		{ "{\"exp\":-0}", false, true, -1 },
		{ "{\"exp\":1e9}", false, true, -1 },
		{ "{\"exp\":1.5e9}", false, true, -1 },
		{ "{\"exp\":1.5E+9}", false, true, -1 },
		{ "{\"exp\":\"1300819380\"}", false, true, -1 },
		{ "{\"exp\":null}", false, true, -1 },
		{ "{\"exp\":true}", false, true, -1 },
		{ "{\"exp\":{}}", false, true, -1 },
		{ "{\"exp\":{\"a\":1}}", false, true, -1 },
		{ "{\"exp\":[1300819380]}", false, true, -1 },
		{ "{\"a\":{\"exp\":1}}", true, false, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t ms = -1;
		bool present = false;
		struct buf text;
		struct jwt jwt;

		assert_int_equal(
			parse_made(slice_of(GOOD), slice_of(rows[i].claims), false, &jwt, &text),
			JWT_OK);
		assert_int_equal(jwt_time(&jwt, "exp", &present, &ms), rows[i].ok);
		assert_int_equal(present, rows[i].present);
		assert_int_equal(ms, rows[i].ms);
		jwt_free(&jwt);
		buf_free(&text);
	}
}

static void
detached_has_no_claims(void **state)
{
	bool present = true;
	int64_t ms;
	struct buf text;
	struct jwt jwt;

	(void)state;
	assert_int_equal(
		parse_made(slice_of(GOOD), (struct slice){ "", 0 }, true, &jwt, &text), JWT_OK);
	assert_null(jwt_claim(&jwt, slice_of("iss")).data);
	assert_true(jwt_time(&jwt, "exp", &present, &ms));
	assert_false(present);
	jwt_free(&jwt);
	jwt_free(&jwt); /* is all zeros now */
	jwt_free(NULL);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hs256_example_is_taken_apart),
		cmocka_unit_test(public_key_examples_verify),
		cmocka_unit_test(unsecured_example_is_refused),
		cmocka_unit_test(other_spellings_are_malformed),
		cmocka_unit_test(header_or_claims_not_understood_are_malformed),
		cmocka_unit_test(nul_in_a_part_is_malformed),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(deep_claims_are_malformed),
		cmocka_unit_test(claim_is_the_text_of_a_scalar),
		cmocka_unit_test(time_is_a_number_in_bounds),
		cmocka_unit_test(detached_has_no_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
