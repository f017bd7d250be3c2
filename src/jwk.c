/* jwk.c - a public key as JSON (RFC 7517, RFC 7518 section 6, RFC 8037)
 *
 * The members become the bytes that crypto.c reads anyhow. What the key says of
 * its own algorithm (alg, key_ops, kid) is passed over: the configuration says
 * what it is for, and crypto.c that it can be.
 */
#include "jwk.h"

#include <string.h>

#include "json.h"
#include "leaf.h"
#include "text.h"

/* Base64url of an RSA modulus of 16384 bits. */
#define MEMBER_MAX 4096

static bool
member_is(const struct leaves *jwk, const char *name, const char *value)
{
	struct leaf leaf;

	return leaves_find(jwk, slice_of(name), &leaf) && leaf.kind == LEAF_STRING &&
	       slice_is(leaf.value, value);
}

/* Append the bytes of a base64url member. */
static bool
read_bytes(const struct leaves *jwk, const char *name, struct buf *out)
{
	struct leaf leaf;

	return leaves_find(jwk, slice_of(name), &leaf) && leaf.kind == LEAF_STRING &&
	       leaf.value.len > 0 && leaf.value.len <= MEMBER_MAX &&
	       text_decode(TEXT_BASE64URL, leaf.value, out);
}

/*
 * Append a coordinate, len bytes wide. RFC 7518 section 6.2.1.2 wants all of them
 * written; some senders (TrueLayer) leave zeros in front out.
 */
static bool
read_coordinate(const struct leaves *jwk, const char *name, size_t len, struct buf *out)
{
	struct buf bytes;
	bool ok;

	buf_init(&bytes, MEMBER_MAX);
	ok = read_bytes(jwk, name, &bytes) && bytes.len <= len;
	for (size_t i = bytes.len; ok && i < len; i++)
		ok = buf_append_char(out, '\0');
	ok = ok && buf_append_slice(out, buf_slice(&bytes));
	buf_free(&bytes);
	return ok;
}

static struct crypto_public_key *
ec_key(enum crypto_public_algorithm algorithm, const struct leaves *jwk)
{
	size_t len = member_is(jwk, "crv", "P-256") ? 32 : member_is(jwk, "crv", "P-521") ? 66 : 0;
	struct crypto_public_key *key = NULL;
	struct buf point;

	buf_init(&point, 1 + 2 * 66);
	/* SEC 1 section 2.3.3: 4, x, y */
	if (len > 0 && buf_append_char(&point, 4) && read_coordinate(jwk, "x", len, &point) &&
		read_coordinate(jwk, "y", len, &point))
		key = crypto_public_key_new(algorithm, buf_slice(&point));
	buf_free(&point);
	return key;
}

static struct crypto_public_key *
okp_key(enum crypto_public_algorithm algorithm, const struct leaves *jwk)
{
	struct crypto_public_key *key = NULL;
	struct buf bytes;

	buf_init(&bytes, MEMBER_MAX);
	if (member_is(jwk, "crv", "Ed25519") && read_bytes(jwk, "x", &bytes) && bytes.len == 32)
		key = crypto_public_key_new(algorithm, buf_slice(&bytes));
	buf_free(&bytes);
	return key;
}

static struct crypto_public_key *
rsa_key(enum crypto_public_algorithm algorithm, const struct leaves *jwk)
{
	struct crypto_public_key *key = NULL;
	struct buf modulus, exponent;

	buf_init(&modulus, MEMBER_MAX);
	buf_init(&exponent, MEMBER_MAX);
	if (read_bytes(jwk, "n", &modulus) && read_bytes(jwk, "e", &exponent))
		key = crypto_public_key_from_rsa(
			algorithm, buf_slice(&modulus), buf_slice(&exponent));
	buf_free(&exponent);
	buf_free(&modulus);
	return key;
}

static bool
is_public(const struct leaves *jwk)
{
	return !leaves_has_repeated_name(jwk) && !leaves_has_key(jwk, slice_of("d")) &&
	       !leaves_has_key(jwk, slice_of("k")) &&
	       (!leaves_has_key(jwk, slice_of("use")) || member_is(jwk, "use", "sig"));
}

struct crypto_public_key *
jwk_public_key(enum crypto_public_algorithm algorithm, struct slice json)
{
	struct crypto_public_key *key = NULL;
	struct leaves *jwk;

	if (json.len > JWK_TEXT_MAX)
		return NULL;
	jwk = leaves_new();
	if (json_parse(json, jwk, NULL) == JSON_OK && is_public(jwk)) {
		if (member_is(jwk, "kty", "EC"))
			key = ec_key(algorithm, jwk);
		else if (member_is(jwk, "kty", "OKP"))
			key = okp_key(algorithm, jwk);
		else if (member_is(jwk, "kty", "RSA"))
			key = rsa_key(algorithm, jwk);
	}
	leaves_free(jwk);
	return key;
}
