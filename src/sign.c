/* sign.c - what a sender with this secret sends for a body
 *
 * The line of signature.c the other way round, for hookcgi sign and send and for tests: choose
 * the id and the time, put together what is signed, write the signature where the scheme carries it.
 */
#include "sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "key.h"
#include "template.h"
#include "text.h"

#define MADE_MAX 65536    /* bytes that a template makes anew, besides those of the body */
#define FRESH_ID_BYTES 12 /* 96 random bits, as 24 hex digits */
#define HEADER_MAX 8192   /* bytes of a header that we make */

/* The template's text as one slice: a piece of the message where it can be, else put
 * together in made (initialised, empty). false: something of it is not there. */
static bool
expand(const struct template *template, struct message *message, struct buf *made,
	struct slice *out)
{
	if (template->count == 1)
		return template_slices(template, message, made, out) == TEMPLATE_OK;
	if (template_text(template, message, made) != TEMPLATE_OK)
		return false;
	*out = buf_slice(made);
	return true;
}

/* The signing of one message; the strings of out are the caller's in the end. */
struct making {
	const struct provider *provider;
	const struct provider_scheme *scheme;
	struct message *message;
	struct sign_header *out;
	size_t max;
	size_t count;
	char *reason; /* 256 bytes */
};

static bool
making_fail(struct making *making, const char *reason)
{
	snprintf(making->reason, 256, "%s", reason);
	return false;
}

/* The header that the template is, NULL when it is anything else. */
static const char *
header_of(const struct template *template)
{
	if (template == NULL || template->count != 1 || template->parts[0].kind != TEMPLATE_HEADER)
		return NULL;
	return template->parts[0].header;
}

/* A line break would start another header at the receiver, a NUL would end the value. */
static bool
fits_header(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\n' || value.data[i] == '\r' || value.data[i] == '\0')
			return false;
	}
	return value.len <= HEADER_MAX;
}

/* Hand out a header. */
static bool
making_add(struct making *making, const char *name, struct slice value)
{
	if (making->count == making->max)
		return making_fail(making, "more headers than there is room for");
	if (!fits_header(value))
		return making_fail(making, "a value does not fit into a header");
	making->out[making->count++] =
		(struct sign_header){ xstrdup(name), xmemdup0(value.data, value.len) };
	return true;
}

/* The id, when it is signed or the caller gave one. fresh: room for one that is made here. */
static bool
making_id(struct making *making, struct buf *fresh)
{
	const struct provider *provider = making->provider;
	struct slice *id = &making->message->id;
	bool is_signed = provider_scheme_signs(making->scheme, TEMPLATE_ID);
	uint8_t random[FRESH_ID_BYTES];

	if (!is_signed && id->len == 0)
		return true;
	for (size_t i = 0; i < provider->id_count; i++) {
		if (header_of(provider->ids[i]) != NULL) {
			if (id->len == 0) {
				if (!crypto_random(random, sizeof random) ||
					!buf_append_text(fresh, "msg_") ||
					!text_encode(TEXT_HEX, random, sizeof random, fresh))
					return making_fail(making, "no random bytes for an id");
				*id = buf_slice(fresh);
			}
			return making_add(making, header_of(provider->ids[i]), *id);
		}
		/* An id that lies in the body is what it is. */
		buf_clear(fresh);
		if (expand(provider->ids[i], making->message, fresh, id))
			return true;
	}
	return !is_signed || making_fail(making, "the body lacks the id that is signed");
}

/* The time. made: room for its text. */
static bool
making_time(struct making *making, int64_t now_ms, struct buf *made)
{
	const struct provider_scheme *scheme = making->scheme;
	struct slice *timestamp = &making->message->timestamp;
	const char *header = header_of(scheme->timestamp);

	if (!scheme->has_timestamp)
		return true;
	if (scheme->timestamp != NULL && header == NULL) {
		if (!expand(scheme->timestamp, making->message, made, timestamp))
			return making_fail(making, "the body lacks the time that is signed");
		return true;
	}
	if (!text_format_time(scheme->timestamp_format, now_ms, made))
		return making_fail(making, "the time cannot be written");
	*timestamp = buf_slice(made);
	return header == NULL || making_add(making, header, *timestamp);
}

/* Append one part of the carrier's text. */
static bool
making_write_shape(struct making *making, const struct template *shape, struct slice signature,
	struct buf *text)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct template_part *part = &shape->parts[i];
		struct slice piece;
		if (part->kind == TEMPLATE_LITERAL)
			piece = (struct slice){ part->text, part->text_len };
		else if (part->kind == TEMPLATE_SIGNATURE)
			piece = signature;
		else if (part->kind == TEMPLATE_TIMESTAMP)
			piece = making->message->timestamp;
		else
			return making_fail(making, "the format holds more than signature and time");
		if (!buf_append_slice(text, piece))
			return making_fail(making, "the signature's header is too long");
	}
	return true;
}

/* The whole text of the carrier. */
static bool
making_write_text(struct making *making, struct slice signature, struct buf *text)
{
	const struct provider_scheme *scheme = making->scheme;

	for (size_t i = 0; i < scheme->format_count; i++) {
		if (i > 0 && !buf_append_text(text, scheme->separator))
			return making_fail(making, "the signature's header is too long");
		if (!making_write_shape(making, scheme->format[i], signature, text))
			return false;
	}
	return true;
}

/* Fill parts with what is signed, the first of the texts of which everything is there. */
static bool
making_parts(struct making *making, const struct key *key, struct buf *made, struct slice *parts,
	size_t *count_out)
{
	const struct provider_scheme *scheme = making->scheme;
	enum template_result result = TEMPLATE_ABSENT;

	for (size_t i = 0; i < scheme->signs_count && result == TEMPLATE_ABSENT; i++) {
		buf_clear(made);
		making->message->secret = buf_slice(&key->text);
		result = template_slices(scheme->signs[i], making->message, made, parts);
		making->message->secret = (struct slice){ NULL, 0 };
		*count_out = scheme->signs[i]->count;
	}
	return result == TEMPLATE_OK;
}

/* Sign what the message now is and add the signature's header. */
static bool
making_signature(struct making *making, const struct key *key)
{
	const struct provider_scheme *scheme = making->scheme;
	struct message *message = making->message;
	struct slice parts[TEMPLATE_PARTS_MAX];
	size_t count = 0;
	struct buf made, signature, text;
	bool done = false;

	buf_init(&made, MADE_MAX + message->body.len);
	buf_init(&signature, KEY_SIGNATURE_MAX);
	buf_init(&text, HEADER_MAX);
	if (scheme->signs_count > 0 && !making_parts(making, key, &made, parts, &count)) {
		making_fail(making, "something that is signed is not in the message");
		goto out;
	}
	if (!key_sign(scheme, key, parts, count, &signature)) {
		making_fail(making, "the crypto library failed");
		goto out;
	}
	done = making_write_text(making, buf_slice(&signature), &text) &&
	       making_add(making, header_of(scheme->carriers[0]), buf_slice(&text));
out:
	buf_free_secret(&text);
	buf_free_secret(&signature);
	buf_free_secret(&made);
	return done;
}

/* The event's header, where the provider reads it from one. */
static bool
making_event(struct making *making)
{
	const struct provider *provider = making->provider;

	if (making->message->event.len == 0)
		return true;
	for (size_t i = 0; i < provider->event_count; i++) {
		if (header_of(provider->events[i]) != NULL)
			return making_add(
				making, header_of(provider->events[i]), making->message->event);
	}
	return true;
}

/* Can the scheme be made here at all? */
static bool
making_is_possible(struct making *making)
{
	const struct provider_scheme *scheme = making->scheme;

	if (scheme->method == PROVIDER_PUBLIC)
		return making_fail(making, "only the sender has the private key");
	if (scheme->jws != NULL || scheme->each != NULL)
		return making_fail(making, "this kind of signature is not made here");
	if (scheme->carrier_count == 0 || header_of(scheme->carriers[0]) == NULL)
		return making_fail(making, "the signature does not travel in a header");
	return true;
}

int
sign_message(const struct provider *provider, const struct config_secret *secret,
	struct message *message, int64_t now_ms, struct sign_header *out, size_t max,
	char reason_out[256])
{
	struct making making = { provider, &provider->schemes[0], message, out, max, 0,
		reason_out };
	struct slice id_before = message->id, timestamp_before = message->timestamp;
	struct buf id_made, time_made;
	struct key key = { 0 };
	const char *wrong;
	bool done = false;

	buf_init(&id_made, MADE_MAX);
	buf_init(&time_made, MADE_MAX);
	if (making.scheme->method == PROVIDER_NONE) {
		done = making_event(&making);
		goto out;
	}
	if (!making_is_possible(&making))
		goto out;
	wrong = key_make(making.scheme, secret, &key);
	if (wrong != NULL) {
		snprintf(reason_out, 256, "the secret (%.100s) %s", secret->source, wrong);
		goto out;
	}
	done = making_id(&making, &id_made) && making_time(&making, now_ms, &time_made) &&
	       making_signature(&making, &key) && making_event(&making);
out:
	if (!done) {
		while (making.count > 0) {
			making.count--;
			free(out[making.count].name);
			free(out[making.count].value);
		}
	}
	message->id = id_before;
	message->timestamp = timestamp_before;
	key_free(&key);
	buf_free(&time_made);
	buf_free(&id_made);
	return done ? (int)making.count : -1;
}
