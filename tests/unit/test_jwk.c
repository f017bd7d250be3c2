/* test_jwk.c - public keys as JSON
 *
 * The keys are those of RFC 7515 appendices A.2 to A.4 and of RFC 8037 appendix
 * A.2; that they are the right ones is seen from signatures made with them, in
 * test_jwt.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "jwk.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

#define P256_X "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
#define P256_Y "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define P256 "\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X "," P256_Y
#define P521_X                                                                                  \
	"\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4q" \
	"UxcWceqwQGk\""
#define P521_Y                                                                                 \
	"\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9u" \
	"bmf63e3kyMj2\""
/* The same y without its zero byte in front. */
#define P521_Y_SHORT                                                                           \
	"\"y\":\"NKZEDjdnUNI3H9G9wsjztx0vTuXqNDLIFcyjFWD-XZOH7HdLVYOGMOXLv1qMvgqR3QBkxpmaH25u" \
	"Z_rd7eTIyPY\""
#define P521 "\"kty\":\"EC\",\"crv\":\"P-521\"," P521_X ","
#define ED25519_X "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define ED25519 "\"kty\":\"OKP\",\"crv\":\"Ed25519\"," ED25519_X
#define RSA_N                                                                                  \
	"\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrc" \
	"S2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0" \
	"LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxv" \
	"b3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9g" \
	"b54h4FRWyuXpoQ\""
#define RSA "\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQAB\""

static const struct {
	enum crypto_public_algorithm algorithm;
	const char *json;
	bool fits;
} rows[] = {
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{" P256 "}", true },
	{ CRYPTO_ECDSA_P256_SHA256, "{" P256 "}", true },
	{ CRYPTO_ECDSA_P521_SHA512_RAW, "{" P521 P521_Y "}", true },
	{ CRYPTO_ECDSA_P521_SHA512_RAW, "{" P521 P521_Y_SHORT "}", true },
	{ CRYPTO_ED25519, "{" ED25519 "}", true },
	{ CRYPTO_RSA_SHA256, "{" RSA "}", true },
	{ CRYPTO_RSA_PSS_SHA512, "{" RSA "}", true },
	/* What it says beside the key. */
	{ CRYPTO_RSA_SHA256, "{" RSA ",\"use\":\"sig\",\"alg\":\"RS512\",\"kid\":\"x\"}", true },
	{ CRYPTO_RSA_SHA256, "{" RSA ",\"use\":\"enc\"}", false },
	{ CRYPTO_RSA_SHA256, "{" RSA ",\"use\":1}", false },
	/* For another algorithm. */
	{ CRYPTO_ECDSA_P521_SHA512_RAW, "{" P256 "}", false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{" P521 P521_Y "}", false },
	{ CRYPTO_ED25519, "{" P256 "}", false },
	{ CRYPTO_ED25519, "{" RSA "}", false },
	{ CRYPTO_RSA_SHA256, "{" ED25519 "}", false },
	{ CRYPTO_RSA_SHA256, "{" P256 "}", false },
	/* Secret. */
	{ CRYPTO_ECDSA_P256_SHA256_RAW,
		"{" P256 ",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}", false },
	{ CRYPTO_ED25519, "{" ED25519 ",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}",
		false },
	{ CRYPTO_RSA_SHA256, "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMko\"}",
		false },
	/* Not whole, not on the curve, of the wrong length. */
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{\"crv\":\"P-256\"," P256_X "," P256_Y "}", false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{\"kty\":\"EC\"," P256_X "," P256_Y "}", false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{\"kty\":\"EC\",\"crv\":\"P-384\"," P256_X "," P256_Y "}",
		false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW,
		"{\"kty\":\"EC\",\"crv\":\"secp256k1\"," P256_X "," P256_Y "}", false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X "}", false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW,
		"{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X
		",\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
		false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{\"kty\":\"EC\",\"crv\":\"P-256\"," P256_X ",\"y\":\"\"}",
		false },
	{ CRYPTO_ECDSA_P256_SHA256_RAW, "{\"kty\":\"EC\",\"crv\":\"P-256\"," P521_X "," P521_Y "}",
		false },
	{ CRYPTO_ED25519, "{\"kty\":\"OKP\",\"crv\":\"X25519\"," ED25519_X "}", false },
	{ CRYPTO_ED25519, "{\"kty\":\"OKP\"," ED25519_X "}", false },
	{ CRYPTO_ED25519, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg\"}",
		false },
	{ CRYPTO_RSA_SHA256, "{\"kty\":\"RSA\"," RSA_N "}", false },
	{ CRYPTO_RSA_SHA256, "{\"kty\":\"RSA\"," RSA_N ",\"e\":\"AQ\"}", false },
	{ CRYPTO_RSA_SHA256, "{\"kty\":\"RSA\"," RSA_N ",\"e\":65537}", false },
	{ CRYPTO_RSA_SHA256, "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", false },
	/* Not JSON that is understood in one way. */
	{ CRYPTO_ED25519, "{" ED25519 "," ED25519_X "}", false },
	{ CRYPTO_ED25519, "{" ED25519, false },
	{ CRYPTO_ED25519, "[{" ED25519 "}]", false },
	{ CRYPTO_ED25519, "{\"keys\":[{" ED25519 "}]}", false },
	{ CRYPTO_ED25519, "\"x\"", false },
	{ CRYPTO_ED25519, "", false },
};

static void
jwk_becomes_the_key_of_its_algorithm(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct crypto_public_key *key =
			jwk_public_key(rows[i].algorithm, slice_of(rows[i].json));

		if ((key != NULL) != rows[i].fits)
			print_error("row %zu: %s\n", i, rows[i].json);
		assert_int_equal(key != NULL, rows[i].fits);
		crypto_public_key_free(key);
	}
}

/* White space up to the limit is nothing but a long text. */
static void
oversized_jwk_is_refused(void **state)
{
	static const char json[] = "{" ED25519 "}";
	char *text = memset(xmalloc(JWK_TEXT_MAX + 1), ' ', JWK_TEXT_MAX + 1);
	struct crypto_public_key *key;

	(void)state;
	memcpy(text, json, sizeof json - 1);
	key = jwk_public_key(CRYPTO_ED25519, (struct slice){ text, JWK_TEXT_MAX });
	assert_non_null(key);
	crypto_public_key_free(key);
	assert_null(jwk_public_key(CRYPTO_ED25519, (struct slice){ text, JWK_TEXT_MAX + 1 }));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jwk_becomes_the_key_of_its_algorithm),
		cmocka_unit_test(oversized_jwk_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
