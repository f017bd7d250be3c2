/* handshake.h - requests that prove the URL, answered without a handler
 *
 * Which ones a sender makes is data in its provider file; which of them an
 * endpoint answers is the operator's to say.
 */
#ifndef HOOKCGI_HANDSHAKE_H
#define HOOKCGI_HANDSHAKE_H

#include "buf.h"
#include "config.h"
#include "message.h"
#include "provider.h"

#define HANDSHAKE_REASON_MAX 384

/*
 * The first of the provider's handshakes that this message is, NULL for none.
 * verified: has its signature been found right? Those that demand one are
 * passed over otherwise, and those that do not are looked for only before.
 * Where a parameter to compare with is not set, any value is taken for it:
 * handshake_is_closed() says so then.
 */
const struct provider_handshake *handshake_find(
	const struct provider *provider, struct message *message, bool verified);

/* Is there a handshake that wants requests of this method (405 otherwise)? */
bool handshake_takes_method(const struct provider *provider, const char *method);

/*
 * Does the endpoint not answer this handshake? It does not where a stranger could ask
 * for it and the operator has not written handshake = "open", nor where it lacks
 * something that he has to write. reason_out: what he has to, for the log.
 */
bool handshake_is_closed(const struct provider_handshake *handshake,
	const struct config_endpoint *endpoint, char reason_out[HANDSHAKE_REASON_MAX]);

enum handshake_result {
	HANDSHAKE_ANSWERED,
	HANDSHAKE_ABSENT, /* something that it echoes is not there or too long: it is none */
	HANDSHAKE_UNFIT, /* what the sender chose may not be computed with, sent back or kept: 400 */
	HANDSHAKE_ERROR, /* no memory, library failure: 503 */
};

struct handshake_answer {
	struct buf body;
	struct buf headers; /* whole lines "Name: value\r\n" */
	struct buf learned; /* the value to be learned; empty where the handshake learns none */
	const char *unfit_reason; /* HANDSHAKE_UNFIT: for the log */
};

void handshake_answer_init(struct handshake_answer *answer);
void handshake_answer_free(struct handshake_answer *answer);

/*
 * Make the answer to a handshake that is not closed into answer (empty): a body of at
 * most 4 KiB, in which what is echoed is escaped when it is JSON, and headers of at most
 * 1 KiB each whose values are printable ASCII. Nothing is written to disk: what is
 * learned is the caller's to keep before he answers.
 */
enum handshake_result handshake_make(const struct provider_handshake *handshake,
	const struct config_endpoint *endpoint, struct message *message,
	struct handshake_answer *answer) __attribute__((warn_unused_result));

/*
 * Append a template's text to out (empty), of at most 4 KiB; for JSON with what it refers to
 * escaped as within a string. false: something that it refers to is not there, or it is too long; out
 * stays empty.
 */
bool handshake_text(const struct template *template, bool json, struct message *message,
	struct buf *out) __attribute__((warn_unused_result));

/*
 * A message was verified by this scheme: may it nevertheless be a stranger's, who got its
 * signature as the answer to a challenge? Then it is no proof of anything.
 */
bool handshake_may_have_signed(const struct provider *provider,
	const struct provider_scheme *scheme, struct message *message);

#endif
