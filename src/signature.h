/* signature.h - is this message really from the sender
 *
 * Everything is decided by the provider's schemes; nothing of the message
 * chooses an algorithm, a header or a version. Verification makes our own MAC
 * and compares its text with the sent text in constant time after the length
 * check, so there is no second spelling of a right signature. All signatures
 * of a list and all secrets are tried, without an early exit that would tell
 * which one fitted.
 */
#ifndef HOOKCGI_SIGNATURE_H
#define HOOKCGI_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "message.h"
#include "provider.h"

#define SIGNATURE_KEY_ID_MAX 65
#define SIGNATURE_LIST_MAX 16 /* signatures looked at in one request */

/* A provider's schemes with an endpoint's secrets, every key scheduled once.
 * Immutable; threads share it. */
struct verifier;

/* Borrows the provider and the secrets' key_id. NULL: a secret is not a key of the kind any scheme
 * wants (bad base64, empty after the prefix, no PEM); reason_out says which, never its text. */
struct verifier *verifier_new(const struct provider *provider, const struct config_secret *secrets,
	size_t secret_count, char reason_out[256]);
void verifier_free(struct verifier *verifier);

enum signature_result {
	SIGNATURE_VALID,
	SIGNATURE_MISSING,   /* no carrier has one, or something that it signs is absent */
	SIGNATURE_MALFORMED, /* it does not have the format's shape, or the time is no time */
	SIGNATURE_WRONG,     /* no secret makes this signature */
	SIGNATURE_NO_KEY,    /* the sender names a key, and no secret is for it */
	SIGNATURE_UNMET,     /* right, but what the scheme requires besides does not hold */
	SIGNATURE_EXPIRED,   /* right, but too old */
	SIGNATURE_EARLY,     /* right, but too far in the future */
	SIGNATURE_REPEATED, /* a signature, id or time header came more than once: ambiguous, 400 */
	SIGNATURE_AMBIGUOUS, /* the same signed bytes could mean another request: the id (or a
	                        free-form time, header, query field or key's name) holds the text
	                        that ends it in what is signed, or a signed field of the body is
	                        found in two ways: 400 */
	SIGNATURE_ERROR,     /* no memory, library failure: 503 */
};

/* A short text for logs ("no signature", "wrong signature", "expired"). */
const char *signature_reason(enum signature_result result);

struct signature_report {
	size_t scheme; /* index of the scheme that fitted */
	size_t secret; /* index of the secret that fitted */
	/* On SIGNATURE_NO_KEY alone: the key's name as the sender wrote it, not verified, cut. */
	char key_id[SIGNATURE_KEY_ID_MAX];
};

/*
 * Check the message at now_ms, before anybody has set its first_names (what is borrowed from its
 * leaves must stay). On SIGNATURE_VALID report is filled, and
 * message->timestamp and ->id are as the scheme that fitted had them: borrowed
 * from the message, or empty where the scheme has none, does not sign the id,
 * or had to make the text (a decoded query field). The time window includes
 * both its ends and is judged only after a secret fitted.
 * Otherwise the most telling result over all schemes is returned (ERROR before
 * any other), report is unchanged but for key_id, and timestamp and id are empty.
 */
enum signature_result signature_verify(const struct verifier *verifier, struct message *message,
	int64_t now_ms, struct signature_report *report) __attribute__((warn_unused_result));

/* Told of each step of a check, a line without its end; never of a secret, nor of a signature that was not sent. */
typedef void signature_note(void *context, const char *line);

/* As signature_verify(), and tell what was looked at, what is signed, and what did not fit. */
enum signature_result signature_explain(const struct verifier *verifier, struct message *message,
	int64_t now_ms, struct signature_report *report, signature_note *note, void *context)
	__attribute__((warn_unused_result));

#endif
