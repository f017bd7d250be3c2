/* jwt.h - a JSON Web Signature in its compact form, taken apart (RFC 7515, RFC 7519)
 *
 * Only taken apart: nothing here is proved until the caller has verified the
 * signature over signed_text, with the algorithm that its configuration names
 * and after comparing the header's alg with that. No key, address or algorithm
 * is ever taken from a header on trust.
 */
#ifndef HOOKCGI_JWT_H
#define HOOKCGI_JWT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "leaf.h"

#define JWT_HEADER_MAX 16384   /* bytes of the header as sent */
#define JWT_TEXT_MAX (1 << 20) /* bytes of the whole */

/* The texts are borrowed from what was parsed and are base64url as sent. */
struct jwt {
	struct slice protected_text; /* the header */
	struct slice payload_text;   /* empty when detached */
	struct slice signed_text;    /* header, dot and payload: what the signature is over */
	struct slice signature_text; /* never empty */
	struct leaves *header;       /* owned */
	struct leaves *claims;       /* owned; NULL when detached */
};

enum jwt_result {
	JWT_OK,
	JWT_MALFORMED,
	JWT_NO_MEMORY,
};

/*
 * Take apart header.payload.signature (RFC 7515 section 3.1). Strictly: each
 * part has one spelling only (no padding, spare bits zero); header and, unless
 * detached, payload are JSON objects in which no name is repeated at any depth;
 * the header has a string alg, and no crit (we understand no extension, section
 * 4.1.11) and no b64 but true (RFC 7797); there is a signature (an unsecured
 * JWS has none). detached: the payload's place is empty (appendix F).
 * out: filled on JWT_OK, the caller calls jwt_free(); else all zeros.
 */
enum jwt_result jwt_parse(struct slice text, bool detached, struct jwt *out)
	__attribute__((warn_unused_result));
void jwt_free(struct jwt *jwt);

/* The text of a string, number, true or false, borrowed from the jwt; data NULL when there is
 * none. Claims are read as leaves. */
struct slice jwt_header(const struct jwt *jwt, const char *name);

/*
 * A claim at the top that is a time (exp, nbf, iat: a NumericDate, RFC 7519
 * section 2) in milliseconds since 1970, what is below one cut off. false: it is
 * there and no number from 0 to the end of year 9999, or written with an
 * exponent. Absent is true, with *present_out false and *ms_out left alone.
 */
bool jwt_time(const struct jwt *jwt, const char *claim, bool *present_out, int64_t *ms_out)
	__attribute__((warn_unused_result));

#endif
