/* key.h - what a secret becomes under a scheme, and what it makes of bytes
 */
#ifndef HOOKCGI_KEY_H
#define HOOKCGI_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "config.h"
#include "crypto.h"
#include "provider.h"

#define KEY_SIGNATURE_MAX 262144 /* bytes of a signature's text: a token may be long */

/* Which member is set follows from the scheme's method. Threads may share it. */
struct key {
	struct crypto_mac_key *mac; /* HMAC */
	bool mac_shared;            /* it is another key's, which lives longer */
	struct crypto_public_key *public;
	struct buf text;    /* HASH: what {secret} stands for; TOKEN: the text that must be sent */
	const char *key_id; /* of the secret, borrowed; NULL: may be any */
	bool unfit;         /* the secret is none for this scheme: it fits nothing */
};

/* Fill the key (zeroed). NULL: done; else what is wrong with the secret, for people,
 * never its text; the key must be freed all the same. */
const char *key_make(
	const struct provider_scheme *scheme, const struct config_secret *secret, struct key *key);
void key_free(struct key *key);

/* Do both schemes make the same HMAC key of a secret? */
bool key_is_same(const struct provider_scheme *a, const struct provider_scheme *b);

/* Append the text that a sender with this key sends for the parts, one after the other, of any
 * method but PUBLIC. false: no memory, library failure. */
bool key_sign(const struct provider_scheme *scheme, const struct key *key,
	const struct slice *parts, size_t count, struct buf *out)
	__attribute__((warn_unused_result));

/* Of the method PUBLIC: does the text stand over exactly the parts? It must be the only
 * spelling of its bytes. */
bool key_fits(const struct provider_scheme *scheme, const struct key *key,
	const struct slice *parts, size_t count, struct slice text)
	__attribute__((warn_unused_result));

#endif
