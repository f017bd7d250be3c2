/* sign.h - what a sender with this secret sends for a body
 */
#ifndef HOOKCGI_SIGN_H
#define HOOKCGI_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "message.h"
#include "provider.h"

/* A request header that signing made. */
struct sign_header {
	char *name; /* as the sender writes it */
	char *value;
};

/*
 * Sign message->body as the sender would, with the given secret and the main
 * scheme: fills at most max headers (also those that carry the time and the id
 * when the scheme signs them; a fresh id, "msg_" and 24 random hex digits, is
 * made when message->id is not set; when it is set, its header also where it is
 * not signed; the event header too when the provider reads the event from a
 * header and message->event is set). The message is left as it was.
 * Returns the number of headers, each string the caller's to free; -1: the
 * scheme cannot be made here (public key, or the signature lies in the body)
 * and reason_out says why.
 */
int sign_message(const struct provider *provider, const struct config_secret *secret,
	struct message *message, int64_t now_ms, struct sign_header *out, size_t max,
	char reason_out[256]);

#endif
