/* crypto.h - digests, MACs, public-key signatures, random bytes (the only user of OpenSSL)
 *
 * openssl.cnf is never read (OPENSSL_INIT_NO_LOAD_CONFIG): it costs a third of
 * a CGI start and could load foreign providers.
 */
#ifndef HOOKCGI_CRYPTO_H
#define HOOKCGI_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum crypto_digest { CRYPTO_MD5, CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA384, CRYPTO_SHA512 };

#define CRYPTO_DIGEST_MAX 64

/* Bytes that a digest or a MAC made with it has. */
size_t crypto_digest_size(enum crypto_digest digest);

/*
 * Digest of the parts, one after the other. out: crypto_digest_size() bytes.
 * false: the library failed (no memory, digest disabled by policy).
 */
bool crypto_hash(enum crypto_digest digest, const struct slice *parts, size_t count,
	uint8_t out[CRYPTO_DIGEST_MAX]) __attribute__((warn_unused_result));

/* An HMAC key, scheduled once (RFC 2104). Threads may share it. */
struct crypto_mac_key;

/* NULL: key_len is 0 (a zero-length key would verify anything signed with
 * nothing), or the library failed. Copies the key. */
struct crypto_mac_key *crypto_mac_key_new(
	enum crypto_digest digest, const void *key, size_t key_len);
void crypto_mac_key_free(struct crypto_mac_key *key);

/* HMAC of the parts, one after the other, without joining them. */
bool crypto_mac(const struct crypto_mac_key *key, const struct slice *parts, size_t count,
	uint8_t out[CRYPTO_DIGEST_MAX]) __attribute__((warn_unused_result));

/* Constant-time comparison; false at once when the lengths differ (the length
 * of a signature is public), and when both are empty: nothing proves nothing. */
bool crypto_equal(struct slice a, struct slice b);

/* len bytes from the kernel's generator. false: it failed; out is undefined. */
bool crypto_random(void *out, size_t len) __attribute__((warn_unused_result));

enum crypto_public_algorithm {
	CRYPTO_ED25519,           /* RFC 8032, signature 64 bytes */
	CRYPTO_ECDSA_P256_SHA256, /* DER signature */
	CRYPTO_RSA_SHA1,          /* PKCS #1 v1.5 */
	CRYPTO_RSA_SHA256,
	CRYPTO_RSA_SHA512,
	CRYPTO_RSA_PSS_SHA512, /* salt as long as the digest, or found from the signature */
	/* r and s behind each other, as wide as the curve's order: 64 and 132 bytes, no
	 * others (RFC 7518 section 3.4: ES256, ES512). */
	CRYPTO_ECDSA_P256_SHA256_RAW,
	CRYPTO_ECDSA_P521_SHA512_RAW,
};

/* A public key to verify with. Threads may share it. */
struct crypto_public_key;

/*
 * Read a public key: PEM ("-----BEGIN PUBLIC KEY-----", or a certificate), or
 * DER SubjectPublicKeyInfo, or for Ed25519 the 32 raw bytes, or for ECDSA the
 * uncompressed point (SEC 1 section 2.3.3: 4, x, y; 65 or 133 bytes). NULL: it
 * is none of these, or not of the algorithm's type (RSA under 2048 bits is
 * refused, but for CRYPTO_RSA_SHA1 1024 bits are allowed).
 */
struct crypto_public_key *crypto_public_key_new(
	enum crypto_public_algorithm algorithm, struct slice key);

/*
 * An RSA key from its two numbers, big-endian (RFC 7518 section 6.3.1). NULL: as
 * crypto_public_key_new(), or the modulus has more than 16384 bits, or the exponent is over
 * 64 bits or not an odd number from 3 on.
 */
struct crypto_public_key *crypto_public_key_from_rsa(
	enum crypto_public_algorithm algorithm, struct slice modulus, struct slice exponent);
void crypto_public_key_free(struct crypto_public_key *key);

/* Does the signature stand over exactly the parts, one after the other? */
bool crypto_verify(const struct crypto_public_key *key, const struct slice *parts, size_t count,
	struct slice signature) __attribute__((warn_unused_result));

#endif
