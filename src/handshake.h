/* handshake.h - requests that prove the URL, answered without a handler
 *
 * Which ones a sender makes is data in its provider file.
 */
#ifndef HOOKCGI_HANDSHAKE_H
#define HOOKCGI_HANDSHAKE_H

#include "buf.h"
#include "message.h"
#include "provider.h"

/*
 * The first of the provider's handshakes that this message is, NULL for none.
 * verified: has its signature been found right? Those that demand one are
 * passed over otherwise, and those that do not are looked for only before.
 */
const struct provider_handshake *handshake_find(
	const struct provider *provider, struct message *message, bool verified);

/* Is there a handshake that wants requests of this method (405 otherwise)? */
bool handshake_takes_method(const struct provider *provider, const char *method);

/* The answer's body, at most 4 KiB, appended to out; what it echoes is escaped when the answer
 * is JSON. false: something it echoes is absent or too long; out is unchanged. */
bool handshake_answer(
	const struct provider_handshake *handshake, struct message *message, struct buf *out);

#endif
