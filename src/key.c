/* key.c - what a secret becomes under a scheme, and what it makes of bytes
 *
 * Rejected: decoding the sent text of a MAC and comparing bytes. It needs a decoder that
 * knows one spelling only (base64 has spare bits, hex has two cases), where
 * comparing with the text we would have written cannot be wrong about that.
 */
#include "key.h"

#include <stdint.h>
#include <string.h>

#include "jwk.h"
#include "normal.h"
#include "text.h"

#define SECRET_MAX 65536 /* bytes of one secret's text; an RSA key as PEM is under 2 KiB */
#define BYTES_MAX 65536  /* of a public key signature */

void
key_free(struct key *key)
{
	if (!key->mac_shared)
		crypto_mac_key_free(key->mac);
	crypto_public_key_free(key->public);
	buf_free_secret(&key->text);
	memset(key, 0, sizeof *key);
}

static bool
is_blank(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (strchr(" \t\r\n", text.data[i]) == NULL || text.data[i] == '\0')
			return false;
	}
	return true;
}

/* Append the raw digest of the text. */
static bool
append_digest(enum crypto_digest digest, struct slice text, struct buf *out)
{
	uint8_t bytes[CRYPTO_DIGEST_MAX];
	bool done = crypto_hash(digest, &text, 1, bytes) &&
		    buf_append(out, (const char *)bytes, crypto_digest_size(digest));

	explicit_bzero(bytes, sizeof bytes);
	return done;
}

static const char *
not_encoded(enum text_encoding encoding)
{
	switch (encoding) {
	case TEXT_HEX:
	case TEXT_HEX_UPPER:
	case TEXT_BASE64_HEX:
		return "is not in hex, as this sender's is: put it in as the sender shows it, and "
		       "nothing else";
	case TEXT_BASE64:
	case TEXT_BASE64URL:
		return "is not in base64, as this sender's is: put it in as the sender shows it, "
		       "and nothing else";
	}
	return NULL;
}

/* Append the key's bytes, derived from the secret's text, to out (which is empty). NULL: done;
 * else what is wrong, for people. */
static const char *
derive(const struct provider_key *rule, const struct config_secret *secret, struct buf *out)
{
	struct slice text = { secret->text, secret->len };
	size_t strip_len = rule->strip != NULL ? strlen(rule->strip) : 0;
	bool done = true;

	if (strip_len > 0 && text.len >= strip_len &&
		memcmp(text.data, rule->strip, strip_len) == 0) {
		text.data += strip_len;
		text.len -= strip_len;
	}
	/* Judged before anything is appended: "whsec_" alone is no secret, "&" behind it is none. */
	if (is_blank(text))
		return "is empty";
	if (text.len > SECRET_MAX)
		return "is too long";
	switch (rule->form) {
	case PROVIDER_KEY_NFKD:
		if (normal_nfkd(text, out) == NORMAL_INVALID)
			return "is not UTF-8";
		done = out->len > 0;
		break;
	case PROVIDER_KEY_TEXT: done = buf_append_slice(out, text); break;
	case PROVIDER_KEY_ENCODED:
		if (!text_decode(rule->encoding, text, out))
			return not_encoded(rule->encoding);
		break;
	case PROVIDER_KEY_DIGEST: done = append_digest(rule->digest, text, out); break;
	}
	if (!done || (rule->append != NULL && !buf_append_text(out, rule->append)))
		return "does not fit into memory";
	return out->len > 0 ? NULL : "is empty";
}

/* An HMAC with the public key of an RSA scheme is the oldest forgery of tokens (CVE-2015-9235). */
static bool
is_public_pem(struct slice text)
{
	static const char *const labels[] = { "-----BEGIN PUBLIC KEY-----",
		"-----BEGIN RSA PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----" };

	for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
		if (text.len > 0 &&
			memmem(text.data, text.len, labels[i], strlen(labels[i])) != NULL)
			return true;
	}
	return false;
}

/* PEM, DER or raw bytes, or a JSON web key. */
static struct crypto_public_key *
make_public(const struct provider_scheme *scheme, struct slice bytes)
{
	struct crypto_public_key *key = crypto_public_key_new(scheme->public_algorithm, bytes);

	if (key == NULL && bytes.len > 0 && bytes.data[0] == '{')
		key = jwk_public_key(scheme->public_algorithm, bytes);
	return key;
}

/* What a token's sender puts into the carrier. */
static const char *
make_token(const struct provider_scheme *scheme, struct buf *secret, struct key *key)
{
	bool done;

	if (scheme->token_encoded)
		done = text_encode(scheme->encoding, secret->data, secret->len, &key->text);
	else
		done = buf_append_slice(&key->text, buf_slice(secret));
	return done ? NULL : "does not fit into memory";
}

const char *
key_make(const struct provider_scheme *scheme, const struct config_secret *secret, struct key *key)
{
	const char *wrong;
	struct buf derived;

	/* Room for the text in base64, and for what the rule appends. */
	buf_init(&derived, 2 * SECRET_MAX);
	buf_init(&key->text, KEY_SIGNATURE_MAX);
	key->key_id = secret->key_id;
	wrong = derive(&scheme->key, secret, &derived);
	if (wrong != NULL)
		goto out;
	if (scheme->method != PROVIDER_PUBLIC && is_public_pem(buf_slice(&derived))) {
		wrong = "is a public key, which anybody may know: give the secret that you share "
			"with the sender";
		goto out;
	}
	switch (scheme->method) {
	case PROVIDER_HMAC:
		key->mac = crypto_mac_key_new(scheme->digest, derived.data, derived.len);
		if (key->mac == NULL)
			wrong = "cannot be used by the crypto library";
		break;
	case PROVIDER_PUBLIC:
		key->public = make_public(scheme, buf_slice(&derived));
		if (key->public == NULL)
			wrong = "is not the sender's public key, or one for another algorithm: "
				"\"hookcgi provider NAME\" says where it is found";
		break;
	case PROVIDER_HASH:
		if (!buf_append_slice(&key->text, buf_slice(&derived)))
			wrong = "does not fit into memory";
		break;
	case PROVIDER_TOKEN: wrong = make_token(scheme, &derived, key); break;
	case PROVIDER_NONE: break;
	}
out:
	buf_free_secret(&derived);
	return wrong;
}

static bool
same_text(const char *a, const char *b)
{
	return slice_equal(slice_of(a), slice_of(b));
}

bool
key_is_same(const struct provider_scheme *a, const struct provider_scheme *b)
{
	return a->method == PROVIDER_HMAC && b->method == PROVIDER_HMAC && a->digest == b->digest &&
	       a->key.form == b->key.form && a->key.encoding == b->key.encoding &&
	       a->key.digest == b->key.digest && same_text(a->key.strip, b->key.strip) &&
	       same_text(a->key.append, b->key.append);
}

/* The raw digest of the parts, where that is what is signed; count and parts are then it. */
static bool
prehash(const struct provider_scheme *scheme, const struct slice **parts, size_t *count,
	uint8_t digest[CRYPTO_DIGEST_MAX], struct slice *room)
{
	if (!scheme->prehashed)
		return true;
	if (!crypto_hash(scheme->prehash, *parts, *count, digest))
		return false;
	*room = (struct slice){ (const char *)digest, crypto_digest_size(scheme->prehash) };
	*parts = room;
	*count = 1;
	return true;
}

bool
key_sign(const struct provider_scheme *scheme, const struct key *key, const struct slice *parts,
	size_t count, struct buf *out)
{
	uint8_t digest[CRYPTO_DIGEST_MAX], first[CRYPTO_DIGEST_MAX];
	struct slice room;
	bool done = false;

	switch (scheme->method) {
	case PROVIDER_HMAC:
		done = prehash(scheme, &parts, &count, first, &room) &&
		       crypto_mac(key->mac, parts, count, digest);
		break;
	case PROVIDER_HASH: done = crypto_hash(scheme->digest, parts, count, digest); break;
	case PROVIDER_TOKEN: return buf_append_slice(out, buf_slice(&key->text));
	case PROVIDER_PUBLIC:
	case PROVIDER_NONE: return false;
	}
	done = done &&
	       text_encode(scheme->encoding, digest, crypto_digest_size(scheme->digest), out);
	explicit_bzero(digest, sizeof digest);
	return done;
}

bool
key_fits(const struct provider_scheme *scheme, const struct key *key, const struct slice *parts,
	size_t count, struct slice text)
{
	uint8_t digest[CRYPTO_DIGEST_MAX];
	struct buf bytes, again;
	struct slice room;
	bool fits;

	buf_init(&bytes, BYTES_MAX);
	buf_init(&again, BYTES_MAX);
	fits = prehash(scheme, &parts, &count, digest, &room) &&
	       text_decode(scheme->encoding, text, &bytes) &&
	       text_encode(scheme->encoding, bytes.data, bytes.len, &again) &&
	       slice_equal(buf_slice(&again), text) &&
	       crypto_verify(key->public, parts, count, buf_slice(&bytes));
	buf_free(&again);
	buf_free(&bytes);
	return fits;
}
