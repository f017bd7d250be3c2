/* handshake.c - requests that prove the URL, answered without a handler
 *
 * Senders ask for an echo of a query field, a header or a body field, for an
 * HMAC or hash of one, or only for an answer. All of it is templates in the
 * provider file; nothing here knows a sender.
 *
 * An endpoint that computes an HMAC of what a stranger brings, with the key that
 * events are signed with, is a signing oracle: LinkedIn, X and Braintree want
 * just that. Three things stand against it, each alone enough for most senders:
 *
 *  1. Who may ask (provider_handshake.c): the operator has said handshake =
 *     "open", or the request holds a parameter of his. X asks each hour and
 *     LinkedIn every two, with no token, so there it has to stay open.
 *  2. What may be asked for (is_fit()): one token, hex number or UUID of at most 128
 *     bytes. That is no JSON object or array, no XML and no list of form fields.
 *     But it may be all of a form (amount=100), a JSON number, the base64 of
 *     something short, or an empty body behind LinkedIn's "hmacsha256=".
 *  3. So what is signed may not look like a challenge (handshake_may_have_signed()):
 *     an event whose signed text could have been asked for is refused, whoever
 *     made the signature, also when the endpoint is closed by now, since most such
 *     signatures know no time. What may be asked for and what is believed have
 *     no text in common, so no answer is ever a signature.
 *
 * What that means for the senders that want an HMAC (a genuine event is never hit:
 * it is a JSON object or, Braintree, the base64 of an XML document over 64 bytes):
 *  - X: "{body}" is signed, crc_token is a token.
 *  - LinkedIn: "hmacsha256={body}" is signed, challengeCode is a UUID, which cannot
 *    begin like that; were it taken as a token, 3 refuses the body "".
 *  - Braintree: bt_payload is signed, bt_challenge is hex. Its base64 has other
 *    letters too or is longer than 64 bytes.
 *  - Zoom, Smartcar: the challenge is in a signed request, so only who can sign asks.
 *  - eBay: a plain hash that ends in a token and the URL, both parameters, and events
 *    have a public key signature: there is no key to sign with.
 */
#include "handshake.h"

#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "key.h"
#include "template.h"
#include "text.h"

/* A challenge is a few dozen characters; a request that asks for more is not one, and the
 * endpoint shall not send a stranger's pages back under its own name. */
#define ANSWER_MAX 4096

#define CHALLENGE_MAX 128 /* bytes of what comes from the request */
#define HEX_MAX 64        /* as many as a SHA-256 has */
#define COMPUTED_MAX 8192 /* with the parameters beside it */
#define SIGNED_MADE_MAX 65536
#define HEADER_MAX 1024  /* bytes of one header's value */
#define HEADERS_MAX 2500 /* of all lines: an answer's head has less than 4 KiB */
#define LEARNED_MAX 1024

/* ---- which one it is ---- */

/* In constant time, because what is expected may be a token (hub.verify_token). */
static bool
is_expected(struct slice text, struct slice expected)
{
	return expected.len > 0 ? crypto_equal(text, expected) : text.len == 0;
}

/* The first parameter that the template needs and the endpoint does not set, NULL for none. */
static const char *
lacking_parameter(
	const struct template *template, const struct message_parameter *given, size_t count)
{
	for (size_t i = 0; template != NULL && i < template->count; i++) {
		const struct template_part *part = &template->parts[i];
		bool found = part->kind != TEMPLATE_PARAMETER || part->optional;
		for (size_t j = 0; !found && j < count; j++)
			found = strcmp(given[j].name, part->text) == 0;
		if (!found)
			return part->text;
	}
	return NULL;
}

/* A condition holds when its template expands, and to the text of the one beside it. */
static bool
condition_holds(const struct template *when, const struct template *equals, struct message *message)
{
	struct buf text, expected;
	bool holds;

	buf_init(&text, ANSWER_MAX);
	buf_init(&expected, ANSWER_MAX);
	holds = template_text(when, message, &text) == TEMPLATE_OK;
	if (holds && equals != NULL &&
		lacking_parameter(equals, message->parameters, message->parameter_count) == NULL)
		holds = template_text(equals, message, &expected) == TEMPLATE_OK &&
			is_expected(buf_slice(&text), buf_slice(&expected));
	buf_free_secret(&expected);
	buf_free(&text);
	return holds;
}

static bool
handshake_matches(const struct provider_handshake *handshake, struct message *message)
{
	for (size_t i = 0; i < handshake->when_count; i++) {
		if (!condition_holds(handshake->when[i], handshake->equals[i], message))
			return false;
	}
	return true;
}

const struct provider_handshake *
handshake_find(const struct provider *provider, struct message *message, bool verified)
{
	const char *method = message_variable(message, "REQUEST_METHOD");

	if (method == NULL)
		return NULL;
	for (size_t i = 0; i < provider->handshake_count; i++) {
		const struct provider_handshake *handshake = &provider->handshakes[i];
		if (handshake->verified == verified && strcmp(handshake->method, method) == 0 &&
			handshake_matches(handshake, message))
			return handshake;
	}
	return NULL;
}

bool
handshake_takes_method(const struct provider *provider, const char *method)
{
	for (size_t i = 0; i < provider->handshake_count; i++) {
		if (strcmp(provider->handshakes[i].method, method) == 0)
			return true;
	}
	return false;
}

/* ---- may it be answered ---- */

/* Of anything that the answer is decided by or made of. */
static const char *
first_lacking(const struct provider_handshake *handshake, const struct config_endpoint *endpoint)
{
	const struct message_parameter *given = endpoint->parameters;
	size_t count = endpoint->parameter_count;
	const char *lacking = lacking_parameter(handshake->challenge, given, count);

	if (lacking == NULL)
		lacking = lacking_parameter(handshake->answer, given, count);
	for (size_t i = 0; lacking == NULL && i < handshake->header_count; i++)
		lacking = lacking_parameter(handshake->headers[i].value, given, count);
	for (size_t i = 0; lacking == NULL && i < handshake->when_count; i++)
		lacking = lacking_parameter(handshake->equals[i], given, count);
	return lacking;
}

bool
handshake_is_closed(const struct provider_handshake *handshake,
	const struct config_endpoint *endpoint, char reason_out[HANDSHAKE_REASON_MAX])
{
	const char *lacking = first_lacking(handshake, endpoint);

	/* What to write comes first: a refusal is kept with the beginning of its reason. */
	if (lacking != NULL)
		snprintf(reason_out, HANDSHAKE_REASON_MAX,
			"write parameters = {\"%.64s=VALUE\"} into the endpoint: the handshake "
			"\"%.64s\" needs what the sender has for it",
			lacking, handshake->label);
	else if (handshake->learns != NULL && endpoint->learned == NULL)
		snprintf(reason_out, HANDSHAKE_REASON_MAX,
			"write secret = \"learned:PATH\" and handshake = \"open\" into the "
			"endpoint: "
			"the handshake \"%.64s\" brings the secret",
			handshake->label);
	else if (handshake->needs_open && !endpoint->handshake_open)
		snprintf(reason_out, HANDSHAKE_REASON_MAX,
			"write handshake = \"open\" into the endpoint while you register the URL: "
			"anybody could ask for the handshake \"%.64s\"",
			handshake->label);
	else if (handshake->challenge_keyed && endpoint->secret_count == 0)
		snprintf(reason_out, HANDSHAKE_REASON_MAX,
			"no secret has been learned yet: the handshake \"%.64s\" is answered with "
			"it",
			handshake->label);
	else
		return false;
	return true;
}

/* ---- challenges ---- */

static bool
is_token(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		bool word =
			(c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (!word && (c == '\0' || strchr("_.~+/=-", c) == NULL))
			return false;
	}
	return text.len > 0 && text.len <= CHALLENGE_MAX;
}

static bool
is_hex(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text_hex_value(text.data[i]) < 0)
			return false;
	}
	return text.len > 0 && text.len <= HEX_MAX;
}

static bool
is_uuid(struct slice text)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (text.len != sizeof shape - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (shape[i] == 'x' ? text_hex_value(text.data[i]) < 0 : text.data[i] != '-')
			return false;
	}
	return true;
}

static bool
is_fit(enum provider_challenge kind, struct slice text)
{
	switch (kind) {
	case PROVIDER_CHALLENGE_TOKEN: return is_token(text);
	case PROVIDER_CHALLENGE_HEX: return is_hex(text);
	case PROVIDER_CHALLENGE_UUID: return is_uuid(text);
	}
	return false;
}

/* What the scheme makes an HMAC of, as far as it may be a challenge (longer texts are cut): the first
 * of its texts of which everything is there. false: it cannot be told. */
static bool
signed_text(const struct provider_scheme *scheme, struct message *message, struct buf *out)
{
	enum template_result result = TEMPLATE_ABSENT;
	struct slice pieces[TEMPLATE_PARTS_MAX];
	uint8_t digest[CRYPTO_DIGEST_MAX];
	size_t used = 0;
	struct buf made;
	bool told;

	buf_init(&made, SIGNED_MADE_MAX);
	for (; result == TEMPLATE_ABSENT && used < scheme->signs_count; used++)
		result = template_slices(scheme->signs[used], message, &made, pieces);
	told = result == TEMPLATE_OK;
	if (told && scheme->prehashed) {
		told = crypto_hash(
			       scheme->prehash, pieces, scheme->signs[used - 1]->count, digest) &&
		       buf_append(out, digest, crypto_digest_size(scheme->prehash));
	} else if (told) {
		for (size_t i = 0; i < scheme->signs[used - 1]->count; i++) {
			size_t room = CHALLENGE_MAX + 1 - out->len;
			told = told && buf_append(out, pieces[i].data,
					       pieces[i].len < room ? pieces[i].len : room);
		}
	}
	buf_free(&made);
	return told;
}

bool
handshake_may_have_signed(const struct provider *provider, const struct provider_scheme *scheme,
	struct message *message)
{
	bool may = false;
	struct buf text;

	/* The signed text of a token has a ".": such a provider has no challenge of that kind
	 * (provider_handshake.c). */
	if (scheme->method != PROVIDER_HMAC || scheme->jws != NULL)
		return false;
	buf_init(&text, CHALLENGE_MAX + 1);
	for (size_t i = 0; !may && i < provider->handshake_count; i++) {
		const struct provider_handshake *handshake = &provider->handshakes[i];
		if (handshake->verified || !handshake->challenge_keyed)
			continue;
		buf_clear(&text);
		may = !signed_text(scheme, message, &text) ||
		      is_fit(handshake->challenge_of, buf_slice(&text));
	}
	buf_free(&text);
	return may;
}

/* The HMAC with the endpoint's first secret that is a key for the main scheme. */
static bool
make_mac(const struct provider_handshake *handshake, const struct config_endpoint *endpoint,
	struct slice text, uint8_t digest[CRYPTO_DIGEST_MAX])
{
	struct provider_scheme scheme = endpoint->provider->schemes[0];
	bool made = false;

	scheme.method = PROVIDER_HMAC;
	scheme.digest = handshake->challenge_digest;
	for (size_t i = 0; !made && i < endpoint->secret_count; i++) {
		struct key key = { .mac = NULL };
		made = key_make(&scheme, &endpoint->secrets[i], &key) == NULL && key.mac != NULL &&
		       crypto_mac(key.mac, &text, 1, digest);
		key_free(&key);
	}
	return made;
}

/* Append the text that {digest} stands for to out. */
static enum handshake_result
make_digest(const struct provider_handshake *handshake, const struct config_endpoint *endpoint,
	struct message *message, struct buf *out)
{
	const struct template *challenge = handshake->challenge;
	struct slice pieces[TEMPLATE_PARTS_MAX];
	uint8_t digest[CRYPTO_DIGEST_MAX];
	enum handshake_result result = HANDSHAKE_ABSENT;
	struct buf made, text;
	struct slice joined;

	buf_init(&made, COMPUTED_MAX);
	buf_init(&text, COMPUTED_MAX);
	if (template_slices(challenge, message, &made, pieces) != TEMPLATE_OK)
		goto out;
	for (size_t i = 0; i < challenge->count; i++) {
		enum template_kind kind = challenge->parts[i].kind;
		result = HANDSHAKE_UNFIT;
		if (kind != TEMPLATE_LITERAL && kind != TEMPLATE_PARAMETER &&
			!is_fit(handshake->challenge_of, pieces[i]))
			goto out;
		if (!buf_append_slice(&text, pieces[i]))
			goto out;
	}
	joined = buf_slice(&text);
	result = HANDSHAKE_ERROR;
	if ((handshake->challenge_keyed
			    ? make_mac(handshake, endpoint, joined, digest)
			    : crypto_hash(handshake->challenge_digest, &joined, 1, digest)) &&
		text_encode(handshake->challenge_encoding, digest,
			crypto_digest_size(handshake->challenge_digest), out))
		result = HANDSHAKE_ANSWERED;
out:
	buf_free_secret(&text);
	buf_free(&made);
	return result;
}

/* ---- the answer ---- */

void
handshake_answer_init(struct handshake_answer *answer)
{
	buf_init(&answer->body, ANSWER_MAX);
	buf_init(&answer->headers, HEADERS_MAX);
	buf_init(&answer->learned, LEARNED_MAX);
	answer->unfit_reason = NULL;
}

void
handshake_answer_free(struct handshake_answer *answer)
{
	buf_free(&answer->body);
	buf_free(&answer->headers);
	buf_free_secret(&answer->learned);
}

static enum handshake_result
result_of(enum template_result result)
{
	return result == TEMPLATE_OK ? HANDSHAKE_ANSWERED : HANDSHAKE_ABSENT;
}

/* Inside a JSON answer an echoed quote must not end the string that the template began. */
static bool
append_escaped(struct slice value, struct buf *out)
{
	struct buf quoted;
	bool done;

	buf_init(&quoted, 6 * ANSWER_MAX + 2);
	done = text_append_json(&quoted, value) && buf_append(out, quoted.data + 1, quoted.len - 2);
	buf_free(&quoted);
	return done;
}

bool
handshake_text(const struct template *template, bool json, struct message *message, struct buf *out)
{
	struct slice pieces[TEMPLATE_PARTS_MAX];
	struct buf made;
	bool done;

	buf_init(&made, ANSWER_MAX);
	buf_init(out, ANSWER_MAX);
	done = template_slices(template, message, &made, pieces) == TEMPLATE_OK;
	for (size_t i = 0; done && i < template->count; i++) {
		if (json && template->parts[i].kind != TEMPLATE_LITERAL)
			done = append_escaped(pieces[i], out);
		else
			done = buf_append_slice(out, pieces[i]);
	}
	if (!done)
		buf_clear(out);
	buf_free(&made);
	return done;
}

/* Nothing in it ends a header, an ASCII terminal shows all of it, and it is not blank. */
static bool
is_printable(struct slice text)
{
	bool blank = true;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < ' ' || text.data[i] > '~')
			return false;
		blank = blank && text.data[i] == ' ';
	}
	return !blank;
}

static enum handshake_result
make_headers(const struct provider_handshake *handshake, struct message *message,
	struct handshake_answer *answer)
{
	enum handshake_result result = HANDSHAKE_ANSWERED;
	struct buf value;

	buf_init(&value, HEADER_MAX);
	for (size_t i = 0; result == HANDSHAKE_ANSWERED && i < handshake->header_count; i++) {
		const struct provider_answer_header *header = &handshake->headers[i];
		buf_clear(&value);
		result = result_of(template_text(header->value, message, &value));
		if (result == HANDSHAKE_ANSWERED && !is_printable(buf_slice(&value))) {
			result = HANDSHAKE_UNFIT;
			answer->unfit_reason = "what is to be echoed in a header is not printable "
					       "ASCII";
		} else if (result == HANDSHAKE_ANSWERED &&
			   !buf_appendf(&answer->headers, "%s: %s\r\n", header->name,
				   buf_text(&value))) {
			result = HANDSHAKE_UNFIT;
			answer->unfit_reason = "what is to be echoed in headers is too long";
		}
	}
	buf_free(&value);
	return result;
}

static enum handshake_result
read_learned(const struct provider_handshake *handshake, struct message *message,
	struct handshake_answer *answer)
{
	enum template_result result;

	if (handshake->learns == NULL)
		return HANDSHAKE_ANSWERED;
	result = template_text(handshake->learns, message, &answer->learned);
	if (result == TEMPLATE_OK && is_printable(buf_slice(&answer->learned)))
		return HANDSHAKE_ANSWERED;
	if (result == TEMPLATE_ABSENT)
		return HANDSHAKE_ABSENT;
	answer->unfit_reason = "what is to be the secret is not 1 to 1024 bytes of printable ASCII";
	return HANDSHAKE_UNFIT;
}

enum handshake_result
handshake_make(const struct provider_handshake *handshake, const struct config_endpoint *endpoint,
	struct message *message, struct handshake_answer *answer)
{
	enum handshake_result result = HANDSHAKE_ANSWERED;
	struct buf digest;

	buf_init(&digest, 4 * CRYPTO_DIGEST_MAX);
	if (handshake->challenge != NULL) {
		result = make_digest(handshake, endpoint, message, &digest);
		if (result == HANDSHAKE_UNFIT)
			answer->unfit_reason = "the challenge is not of the kind that this sender "
					       "uses";
	}
	message->digest = buf_slice(&digest);
	if (result == HANDSHAKE_ANSWERED && handshake->answer != NULL &&
		!handshake_text(handshake->answer,
			strcmp(handshake->content_type, "application/json") == 0, message,
			&answer->body))
		result = HANDSHAKE_ABSENT;
	if (result == HANDSHAKE_ANSWERED)
		result = make_headers(handshake, message, answer);
	if (result == HANDSHAKE_ANSWERED)
		result = read_learned(handshake, message, answer);
	message->digest = (struct slice){ NULL, 0 };
	buf_free(&digest);
	return result;
}
