/* sign.h - what a sender with this secret sends for a body
 */
#ifndef HOOKCGI_SIGN_H
#define HOOKCGI_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "message.h"
#include "provider.h"

#define SIGN_HEADERS_MAX 16 /* that one request is given */

/* A request header that signing made. */
struct sign_header {
	char *name; /* as the sender writes it */
	char *value;
};

/* What makes a signed request of a message; all of it the caller's, by sign_result_free(). */
struct sign_result {
	const char *scheme; /* label of the one that was made, borrowed from the provider */
	struct sign_header headers[SIGN_HEADERS_MAX];
	size_t header_count;
	char *query; /* "hmac=…", to be added to the URL's query; NULL: nothing */
	char *body;  /* to be sent instead, body_len bytes; NULL: the message's */
	size_t body_len;
	const char *type; /* media type of the changed body; NULL: the message's */
};

/* Who signs, and how. Borrowed. */
struct sign_request {
	const struct provider *provider;
	const struct config_secret *secrets; /* the first that is a key for the scheme is used */
	size_t secret_count;
	const char *variant; /* label of the scheme; NULL: the first that can be made */
	int64_t now_ms;      /* since 1970 */
};

/*
 * Make of the message what the sender would send. Of the message count the body, the variables
 * REQUEST_METHOD, REQUEST_URI (or QUERY_STRING), CONTENT_TYPE and those of headers that are there
 * already (they are signed as they are and not made anew), the URL, parameters, document, endpoint
 * and event; id and timestamp where the caller chooses them. It is left as it was.
 *
 * Made are the headers, query fields and claims that carry the signature, the time, the name of the
 * key and what the scheme requires; the id where it is signed (a fresh one, "msg_" and 24 random hex
 * digits, when the message has none) or given; and the event, where it is given and not of the body.
 * A header that is signed is made when it is Date or a nonce, no other. A name of the key is the secret's key_id, "1"
 * when it has none. A JSON web token holds what the scheme requires, iat, nbf and exp (5 minutes).
 *
 * A signature that lies in the body takes the place of the JSON member that is there (nothing else
 * of the body changes), or of the form's field, which is added when it is not there. With each,
 * every element is signed. A body of JSON becomes the form's field that document names when
 * CONTENT_TYPE is application/x-www-form-urlencoded, or the scheme reads that field by its name.
 *
 * What was made has been verified with the same secret at now_ms. false: the scheme cannot be made
 * (a public key; something that is signed is not there; not verified), reason_out says why and what
 * to do, never a secret; out is then empty.
 */
bool sign_message(const struct sign_request *request, const struct message *message,
	struct sign_result *out, char reason_out[256]) __attribute__((warn_unused_result));

/* Overwrites what it frees. */
void sign_result_free(struct sign_result *result);

#endif
