/* jwk.h - a public key as JSON (RFC 7517, RFC 7518 section 6, RFC 8037)
 *
 * Plaid, Circle, Neon and others hand their keys out in this form. It is read
 * from the operator's own configuration; nothing here fetches one.
 */
#ifndef HOOKCGI_JWK_H
#define HOOKCGI_JWK_H

#include "buf.h"
#include "crypto.h"

#define JWK_TEXT_MAX 65536

/*
 * The key of one JWK (an object, not a set): kty EC with crv P-256 or P-521, OKP
 * with Ed25519, or RSA. NULL: it is none, or not of the algorithm's type (as
 * crypto_public_key_new()), a name is repeated in it, its use is not "sig", or it
 * holds a private or symmetric key, which no receiver needs.
 * The caller frees with crypto_public_key_free().
 */
struct crypto_public_key *jwk_public_key(enum crypto_public_algorithm algorithm, struct slice json);

#endif
