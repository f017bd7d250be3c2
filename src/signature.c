/* signature.c - is this message really from the sender
 *
 * Checking one scheme is a straight line: read what the message claims (the
 * signatures in its carriers, the time, the key's name, the id), put together the bytes that
 * are signed without copying the body, make our own signature with each
 * secret, compare texts, then see whether what else the scheme requires holds. The clock is
 * asked last, so that only who knows a secret learns that a message is too old.
 *
 * In this file a step that returns SIGNATURE_VALID says "nothing against it so far".
 */
#include "signature.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "crypto.h"
#include "jwt.h"
#include "key.h"
#include "template.h"
#include "text.h"

/* Room for what a template makes anew (decoded query fields, digests); no web
 * server hands on a longer header or URL. A sorted form is at most as long as the body. */
#define MADE_MAX 65536

/* Signatures of one request that each have a time or a key's name of their own: each costs a MAC over the body. */
#define GROUPS_MAX 4

#define ITEMS_MAX 1000 /* elements of an array that is checked one by one */

/* How far the clocks may differ for a token's exp and nbf (RFC 7519 section 4.1.4). */
#define TOKEN_LEEWAY_MS 60000

struct verifier {
	const struct provider *provider;
	size_t secret_count;
	struct key *keys; /* secret_count for each scheme, schemes in order */
};

/* One place where the message may carry signatures. */
struct carried {
	struct buf made; /* its text, when that is not a piece of the message */
	bool present;
	bool fits; /* one of its signatures in the group at hand was made with one of the secrets */
	bool right; /* and nothing else is against it, in any group */
};

/* One signature that was sent. */
struct sent {
	struct slice signature;
	struct slice timestamp; /* where its own part of the format has one, else empty */
	struct slice key_id;    /* likewise */
	size_t origin;          /* index into carried */
	bool looked_at;
};

/* The check of one scheme. */
struct check {
	const struct provider_scheme *scheme;
	const struct provider *provider;
	struct message *message;
	const struct key *keys; /* one for each secret */
	size_t secret_count;
	int64_t now_ms;
	signature_note *note; /* told of each step, or NULL */
	void *context;
	struct carried *carried;
	struct sent sent[SIGNATURE_LIST_MAX];
	size_t count;
	struct slice timestamp, key_id; /* that all signatures share; empty: none */
	bool two_times;                 /* the carriers name two different times */
	bool joined;                    /* a header that holds one value looks like two */
	struct buf time_made;           /* the time's text, when it is not a piece of the message */
	struct buf key_id_made;         /* likewise */
	struct buf id_made;
	struct buf signed_made;       /* pieces of what is signed, likewise */
	struct buf payload;           /* what a detached JWS signs, in base64url */
	const struct template *signs; /* the one that expanded into parts */
	struct slice parts[TEMPLATE_PARTS_MAX];
	size_t part_count;
	size_t secret; /* that fitted */
};

const char *
signature_reason(enum signature_result result)
{
	switch (result) {
	case SIGNATURE_VALID: return "valid signature";
	case SIGNATURE_MISSING: return "no signature";
	case SIGNATURE_MALFORMED: return "malformed signature";
	case SIGNATURE_WRONG: return "wrong signature";
	case SIGNATURE_EXPIRED: return "expired";
	case SIGNATURE_EARLY: return "dated in the future";
	case SIGNATURE_REPEATED: return "repeated signature, id or time header";
	case SIGNATURE_AMBIGUOUS: return "ambiguous id, time or header";
	case SIGNATURE_ERROR: return "signature could not be checked";
	}
	return "unknown";
}

/* ---- keys ---- */

static struct key *
verifier_keys(const struct verifier *verifier, size_t scheme)
{
	return verifier->keys + scheme * verifier->secret_count;
}

/* Take the scheduled key of an earlier scheme that makes the same of this secret. */
static bool
verifier_share_key(struct verifier *verifier, size_t scheme, size_t secret)
{
	const struct provider_scheme *schemes = verifier->provider->schemes;
	struct key *key = &verifier_keys(verifier, scheme)[secret];

	for (size_t i = 0; i < scheme; i++) {
		const struct key *earlier = &verifier_keys(verifier, i)[secret];
		if (key_is_same(&schemes[i], &schemes[scheme]) && earlier->mac != NULL) {
			*key = (struct key){
				.mac = earlier->mac, .mac_shared = true, .key_id = earlier->key_id
			};
			buf_init(&key->text, 0);
			return true;
		}
	}
	return false;
}

/* What is a public key under one scheme is no shared secret under another: anybody could sign
 * with it there. */
static void
verifier_keep_public(struct verifier *verifier, size_t secret)
{
	const struct provider *provider = verifier->provider;
	bool is_public = false;

	for (size_t i = 0; i < provider->scheme_count; i++)
		is_public |= verifier_keys(verifier, i)[secret].public != NULL;
	for (size_t i = 0; is_public && i < provider->scheme_count; i++) {
		if (provider->schemes[i].method != PROVIDER_PUBLIC)
			verifier_keys(verifier, i)[secret].unfit = true;
	}
}

/* Make the secret's keys for all schemes. NULL: done; else why it is a key for none of them, of the
 * first that wants one. */
static const char *
verifier_add_secret(struct verifier *verifier, const struct config_secret *secrets, size_t secret)
{
	const struct provider *provider = verifier->provider;
	const char *first_wrong = NULL;
	bool fits = false;

	for (size_t i = 0; i < provider->scheme_count; i++) {
		struct key *key = &verifier_keys(verifier, i)[secret];
		const char *wrong = NULL;
		if (provider->schemes[i].method == PROVIDER_NONE)
			return NULL;
		if (!verifier_share_key(verifier, i, secret))
			wrong = key_make(&provider->schemes[i], &secrets[secret], key);
		key->unfit = wrong != NULL;
		fits |= wrong == NULL;
		if (first_wrong == NULL)
			first_wrong = wrong;
	}
	verifier_keep_public(verifier, secret);
	return fits ? NULL : first_wrong;
}

static bool
checks_anything(const struct provider *provider)
{
	return provider->scheme_count > 0 && provider->schemes[0].method != PROVIDER_NONE;
}

struct verifier *
verifier_new(const struct provider *provider, const struct config_secret *secrets,
	size_t secret_count, char reason_out[256])
{
	struct verifier *verifier = xcalloc(1, sizeof *verifier);

	verifier->provider = provider;
	verifier->secret_count = secret_count;
	verifier->keys = xcalloc(provider->scheme_count * secret_count, sizeof *verifier->keys);
	if (secret_count == 0 && checks_anything(provider)) {
		snprintf(reason_out, 256, "no secret is given");
		goto fail;
	}
	for (size_t i = 0; i < secret_count; i++) {
		const char *wrong = verifier_add_secret(verifier, secrets, i);
		if (wrong != NULL) {
			snprintf(reason_out, 256, "secret %zu (%.100s) %s", i + 1,
				secrets[i].source, wrong);
			goto fail;
		}
	}
	return verifier;
fail:
	verifier_free(verifier);
	return NULL;
}

void
verifier_free(struct verifier *verifier)
{
	size_t count;

	if (verifier == NULL)
		return;
	count = verifier->provider->scheme_count * verifier->secret_count;
	for (size_t i = 0; i < count; i++)
		key_free(&verifier->keys[i]);
	free(verifier->keys);
	free(verifier);
}

/* ---- for who wants to know why ---- */

__attribute__((format(printf, 2, 3))) static void
note(const struct check *check, const char *format, ...)
{
	char line[512];
	va_list arguments;

	if (check->note == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	check->note(check->context, line);
}

/* "LABEL: 64 bytes, begins ..." */
static void
note_text(const struct check *check, const char *label, struct slice text, size_t shown)
{
	struct buf escaped;

	if (check->note == NULL)
		return;
	buf_init(&escaped, 512);
	(void)text_append_escaped(&escaped, text, shown);
	note(check, "%s: %zu bytes, \"%s\"", label, text.len, buf_text(&escaped));
	buf_free(&escaped);
}

/* How many bytes are signed, their digest, and how they begin. */
static void
note_signed(const struct check *check, const struct slice *parts, size_t count)
{
	uint8_t digest[CRYPTO_DIGEST_MAX];
	struct buf hex, start;
	size_t total = 0;

	if (check->note == NULL)
		return;
	buf_init(&hex, 2 * CRYPTO_DIGEST_MAX + 1);
	buf_init(&start, 64);
	for (size_t i = 0; i < count; i++) {
		struct slice piece = parts[i];
		if (piece.len > start.max - start.len)
			piece.len = start.max - start.len;
		(void)buf_append_slice(&start, piece);
		total += parts[i].len;
	}
	if (crypto_hash(CRYPTO_SHA256, parts, count, digest))
		(void)text_encode(TEXT_HEX, digest, crypto_digest_size(CRYPTO_SHA256), &hex);
	note(check, "signed are %zu bytes, SHA-256 %s", total, buf_text(&hex));
	note_text(check, "they begin", buf_slice(&start), 60);
	buf_free(&start);
	buf_free(&hex);
}

/* ---- reading what the message claims ---- */

static enum signature_result
refusal_of(enum template_result result)
{
	switch (result) {
	case TEMPLATE_OK: return SIGNATURE_VALID;
	case TEMPLATE_ABSENT: return SIGNATURE_MISSING;
	case TEMPLATE_REPEATED: return SIGNATURE_REPEATED;
	case TEMPLATE_TOO_LONG: return SIGNATURE_MALFORMED; /* as a stranger can make it */
	}
	return SIGNATURE_ERROR;
}

/* The template's text as one slice: a piece of the message where it can be, else put
 * together in made (initialised, empty). */
static enum signature_result
expand(const struct template *template, struct message *message, struct buf *made,
	struct slice *out)
{
	enum template_result result;

	if (template->count == 1)
		return refusal_of(template_slices(template, message, made, out));
	result = template_text(template, message, made);
	if (result == TEMPLATE_OK)
		*out = buf_slice(made);
	return refusal_of(result);
}

/* What a part of a carrier's text was found to hold; empty where it does not. */
struct holding {
	struct slice signature;
	struct slice timestamp;
	struct slice key_id;
};

/* Does the whole text have the shape? A reference ends where the literal behind it first occurs. */
static bool
shape_match(const struct template *shape, bool folds, struct slice text, struct holding *out)
{
	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < shape->count; i++) {
		const struct template_part *part = &shape->parts[i];
		struct slice piece = text;
		if (part->kind == TEMPLATE_LITERAL) {
			piece.len = part->text_len;
			if (text.len < piece.len ||
				(folds ? strncasecmp(text.data, part->text, piece.len)
				       : memcmp(text.data, part->text, piece.len)) != 0)
				return false;
		} else if (i + 1 < shape->count) {
			const char *end =
				memmem(text.data, text.len, part[1].text, part[1].text_len);
			if (end == NULL)
				return false;
			piece.len = (size_t)(end - text.data);
		}
		if (part->kind == TEMPLATE_SIGNATURE)
			out->signature = piece;
		else if (part->kind == TEMPLATE_TIMESTAMP)
			out->timestamp = piece;
		else if (part->kind == TEMPLATE_KEY_ID)
			out->key_id = piece;
		text.data += piece.len;
		text.len -= piece.len;
	}
	return text.len == 0;
}

/* Take what all signatures share from a part of its own. false: another part said otherwise. */
static bool
take_shared(struct slice *shared, struct slice text)
{
	if (text.len > 0 && shared->len > 0)
		return slice_equal(*shared, text);
	if (text.len > 0)
		*shared = text;
	return true;
}

/* Take from one part of a carrier's text what the first shape that fits finds in it. A part
 * of no known shape (another version's signature) is passed over, and so is an empty digest
 * ("sha256=", sent by Gitea when it has no secret). */
static void
check_read_part(struct check *check, size_t origin, struct slice part)
{
	const struct provider_scheme *scheme = check->scheme;
	const struct template *shape;
	struct holding held;
	size_t i = 0;

	while (i < scheme->format_count &&
		!shape_match(scheme->format[i], scheme->format_folds, part, &held))
		i++;
	if (i == scheme->format_count)
		return;
	shape = scheme->format[i];
	if (template_refers(shape, TEMPLATE_SIGNATURE)) {
		if (held.signature.len == 0 || check->count == SIGNATURE_LIST_MAX)
			return;
		check->sent[check->count++] = (struct sent){ .signature = held.signature,
			.timestamp = held.timestamp,
			.key_id = held.key_id,
			.origin = origin };
		note_text(check, "a signature", held.signature, 24);
		return;
	}
	check->two_times |= !take_shared(&check->timestamp, held.timestamp) ||
			    !take_shared(&check->key_id, held.key_id);
}

static struct slice
trim(struct slice text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* Apache and lighttpd join a header that came twice with ", ". No single value has that in
 * it (but a token may, which then fits all the same, and an HTTP date). */
static void
note_joined(struct check *check, struct slice value)
{
	if (value.len > 0 && memmem(value.data, value.len, ", ", 2) != NULL)
		check->joined = true;
}

/* Take a carrier's text apart at the separator. */
static void
check_read_text(struct check *check, size_t origin, struct slice text)
{
	const char *separator = check->scheme->separator;
	size_t separator_len = separator != NULL ? strlen(separator) : 0;

	if (text.len == 0)
		return;
	if (separator_len == 0) {
		note_joined(check, text);
		check_read_part(check, origin, text);
		return;
	}
	for (;;) {
		const char *end = memmem(text.data, text.len, separator, separator_len);
		struct slice part = { text.data, text.len };
		if (end != NULL)
			part.len = (size_t)(end - text.data);
		check_read_part(check, origin, trim(part));
		if (end == NULL)
			return;
		text.len -= part.len + separator_len;
		text.data = end + separator_len;
	}
}

static enum signature_result
check_read_carriers(struct check *check)
{
	bool present = false;

	for (size_t i = 0; i < check->scheme->carrier_count; i++) {
		const struct template *carrier = check->scheme->carriers[i];
		struct carried *carried = &check->carried[i];
		struct slice text;
		enum signature_result result =
			expand(carrier, check->message, &carried->made, &text);
		if (result == SIGNATURE_MISSING) {
			note(check, "%s: not there", carrier->source);
			continue;
		}
		if (result != SIGNATURE_VALID)
			return result;
		note_text(check, carrier->source, text, 24);
		present = carried->present = true;
		check_read_text(check, i, text);
	}
	if (!present)
		return SIGNATURE_MISSING;
	if (check->count == 0)
		note(check, "it has not the shape \"%s\"", check->scheme->format[0]->source);
	if (check->two_times)
		note(check, "it names two different times or keys");
	return check->count > 0 && !check->two_times ? SIGNATURE_VALID : SIGNATURE_MALFORMED;
}

/* With neither limit the time is any text that is signed as it came (a nonce). */
static bool
scheme_judges_time(const struct provider_scheme *scheme)
{
	return scheme->has_timestamp && (scheme->tolerance_ms >= 0 || scheme->future_ms >= 0);
}

static bool
is_claim(const struct template *template)
{
	return template != NULL && template_refers(template, TEMPLATE_CLAIM);
}

/* A time or a key's name from where the scheme says, for all signatures. */
static enum signature_result
check_read_shared(
	struct check *check, const struct template *template, struct buf *made, struct slice *out)
{
	enum signature_result result = expand(template, check->message, made, out);

	if (result == SIGNATURE_VALID)
		note_text(check, template->source, *out, 60);
	else
		note(check, "%s: not there", template->source);
	return result == SIGNATURE_VALID && out->len == 0 ? SIGNATURE_MISSING : result;
}

/* Of a token only after it was found right: then its claims are known. */
static enum signature_result
check_read_time(struct check *check)
{
	const struct provider_scheme *scheme = check->scheme;
	enum signature_result result;

	if (scheme->timestamp == NULL)
		return SIGNATURE_VALID;
	result = check_read_shared(check, scheme->timestamp, &check->time_made, &check->timestamp);
	if (result == SIGNATURE_VALID && scheme->timestamp_format != TEXT_TIME_HTTP)
		note_joined(check, check->timestamp);
	return result;
}

static enum signature_result
check_read_key_id(struct check *check)
{
	enum signature_result result;

	if (check->scheme->key_id == NULL)
		return SIGNATURE_VALID;
	result = check_read_shared(
		check, check->scheme->key_id, &check->key_id_made, &check->key_id);
	if (result == SIGNATURE_VALID)
		note_joined(check, check->key_id);
	return result;
}

static bool
signs_any(const struct provider_scheme *scheme, enum template_kind kind)
{
	for (size_t i = 0; i < scheme->signs_count; i++) {
		if (template_refers(scheme->signs[i], kind))
			return true;
	}
	return false;
}

/* The id, where it is signed. */
static enum signature_result
check_read_id(struct check *check)
{
	const struct provider *provider = check->provider;
	struct slice *id = &check->message->id;

	if (!signs_any(check->scheme, TEMPLATE_ID))
		return SIGNATURE_VALID;
	for (size_t i = 0; i < provider->id_count; i++) {
		enum signature_result result =
			expand(provider->ids[i], check->message, &check->id_made, id);
		if (result == SIGNATURE_VALID && id->len > 0) {
			note_text(check, provider->ids[i]->source, *id, 60);
			note_joined(check, *id);
			return SIGNATURE_VALID;
		}
		*id = (struct slice){ NULL, 0 };
		buf_clear(&check->id_made);
		if (result != SIGNATURE_VALID && result != SIGNATURE_MISSING)
			return result;
	}
	note(check, "the id, which is signed, is not there");
	/* Another text may do without it. */
	return provider_scheme_signs(check->scheme, TEMPLATE_ID) ? SIGNATURE_MISSING
								 : SIGNATURE_VALID;
}

/* ---- what is signed ---- */

/* May the sender write any text for this? A time that is judged has one strict spelling. */
static bool
is_free_form(const struct provider_scheme *scheme, enum template_kind kind)
{
	return kind == TEMPLATE_ID || kind == TEMPLATE_HEADER || kind == TEMPLATE_QUERY ||
	       kind == TEMPLATE_KEY_ID ||
	       (kind == TEMPLATE_TIMESTAMP && !scheme_judges_time(scheme));
}

static bool
holds_literal(struct slice text, const struct template_part *part)
{
	return part->kind == TEMPLATE_LITERAL && text.len > 0 &&
	       memmem(text.data, text.len, part->text, part->text_len) != NULL;
}

/* Does the text hold what stands between two references, in any of the texts that may be signed?
 * The first is taken of which everything is there, and what is there is the sender's choice. */
static bool
holds_border(const struct provider_scheme *scheme, struct slice text)
{
	for (size_t i = 0; scheme->signs_count > 1 && i < scheme->signs_count; i++) {
		const struct template *signs = scheme->signs[i];
		for (size_t p = 1; p < signs->count; p++) {
			if (holds_literal(text, &signs->parts[p]))
				return true;
		}
	}
	return false;
}

/* Does the part touch another without a text between them? */
static bool
touches(const struct template *signs, size_t i)
{
	return (i > 0 && signs->parts[i - 1].kind != TEMPLATE_LITERAL) ||
	       (i + 1 < signs->count && signs->parts[i + 1].kind != TEMPLATE_LITERAL);
}

/* Could it be a piece of JSON, XML or a form? */
static bool
holds_structure(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\0' && strchr("{}[]<>\"&", text.data[i]) != NULL)
			return true;
	}
	return false;
}

/*
 * "a.1" + "." + "2" and "a" + "." + "1.2" are the same signed bytes: who has one
 * signed message could move the border between id, time and body. So no value
 * outside the body may hold the literal text that begins or ends it in what is signed;
 * and where there is no such text, nothing that a piece of a body would hold.
 */
static bool
borders_are_clear(const struct check *check)
{
	const struct template *signs = check->signs;

	for (size_t i = 0; i < signs->count; i++) {
		if (!is_free_form(check->scheme, signs->parts[i].kind))
			continue;
		if (i + 1 < signs->count && holds_literal(check->parts[i], &signs->parts[i + 1]))
			return false;
		/* In front of a first literal there is nothing to move. */
		if (i >= 2 && holds_literal(check->parts[i], &signs->parts[i - 1]))
			return false;
		if (holds_border(check->scheme, check->parts[i]) ||
			(touches(signs, i) && holds_structure(check->parts[i])))
			return false;
	}
	return true;
}

/* Is the field that this part of what is signed refers to found in one way only? A part that is
 * no field of the body is, and one that is not there. */
static bool
field_is_plain(struct message *message, const struct template_part *part)
{
	struct slice path = { part->text, part->text_len };
	const struct leaves *leaves;
	struct leaf leaf;

	if (part->kind == TEMPLATE_ITEM) {
		leaves = message_leaves(message);
		return leaves == NULL || !leaves_find_in(leaves, message->item, path, &leaf) ||
		       leaves_is_plain_in(leaves, message->item, path);
	}
	if (part->kind != TEMPLATE_BODY_FIELD)
		return true;
	leaves = message_leaves_under(message, template_first_name(part->text));
	return leaves == NULL || !leaves_find(leaves, path, &leaf) || leaves_is_plain(leaves, path);
}

static bool
repeats_a_name(const struct message *message, const struct leaves *leaves)
{
	return leaves != NULL && message->kind == MESSAGE_BODY_JSON &&
	       leaves_has_repeated_name(leaves);
}

/*
 * A field is signed by its value, and found by a path that two readers may follow to two places:
 * {"a":{"b":1},"a.b":2}, or a name that is there twice. What the handler's reader sees must be
 * what was checked. Where all of the body is signed the sender vouches for that.
 */
static bool
fields_are_plain(const struct check *check)
{
	struct message *message = check->message;

	if (check->scheme->signs_body)
		return true;
	for (size_t i = 0; i < check->signs->count; i++) {
		const struct template_part *part = &check->signs->parts[i];
		if (!field_is_plain(message, part))
			return false;
		/* Of items that was seen once for all. */
		if (part->kind == TEMPLATE_BODY_FIELD && check->scheme->each == NULL &&
			repeats_a_name(message,
				message_leaves_under(message, template_first_name(part->text))))
			return false;
	}
	return true;
}

/* Fill parts with what is signed: the first of the texts of which everything is there. key: for {secret}. */
static enum signature_result
check_expand(struct check *check, const struct key *key)
{
	const struct provider_scheme *scheme = check->scheme;
	enum signature_result result = SIGNATURE_MISSING;

	for (size_t i = 0; i < scheme->signs_count && result == SIGNATURE_MISSING; i++) {
		buf_clear(&check->signed_made);
		check->signs = scheme->signs[i];
		check->part_count = check->signs->count;
		check->message->secret = buf_slice(&key->text);
		result = refusal_of(template_slices(
			check->signs, check->message, &check->signed_made, check->parts));
		check->message->secret = (struct slice){ NULL, 0 };
	}
	if (result == SIGNATURE_MISSING)
		note(check, "something of what is signed, \"%s\", is not there",
			scheme->signs[scheme->signs_count - 1]->source);
	if (result == SIGNATURE_VALID && (!borders_are_clear(check) || !fields_are_plain(check)))
		result = SIGNATURE_AMBIGUOUS;
	return result;
}

/* ---- comparing ---- */

/* The sender names a key, and this secret is for another. */
static bool
is_other_key(const struct check *check, const struct key *key)
{
	return key->unfit ||
	       (key->key_id != NULL && !slice_is(check->message->key_id, key->key_id));
}

/* Compare the signatures of a group with what one secret makes of the parts.
 * *fits_out: any of them did. */
static enum signature_result
check_secret(struct check *check, const struct key *key, const size_t *group, size_t group_count,
	const struct slice *parts, size_t count, bool *fits_out)
{
	const struct provider_scheme *scheme = check->scheme;
	bool is_public = scheme->method == PROVIDER_PUBLIC;
	enum signature_result result = SIGNATURE_VALID;
	struct buf ours;

	buf_init(&ours, KEY_SIGNATURE_MAX);
	if (!is_public && !key_sign(scheme, key, parts, count, &ours))
		result = SIGNATURE_ERROR;
	for (size_t i = 0; result == SIGNATURE_VALID && i < group_count; i++) {
		const struct sent *sent = &check->sent[group[i]];
		bool fits = is_public ? key_fits(scheme, key, parts, count, sent->signature)
				      : crypto_equal(buf_slice(&ours), sent->signature);
		check->carried[sent->origin].fits |= fits;
		*fits_out |= fits;
	}
	buf_free_secret(&ours);
	return result;
}

static void
note_secret(const struct check *check, size_t index, bool other, bool fits)
{
	note(check, "secret %zu %s", index + 1,
		other  ? "is for another key or scheme"
		: fits ? "makes a signature that was sent"
		       : "makes none of the signatures that were sent");
}

/* Every secret against a group of signatures. parts, count: what is signed, where that does
 * not depend on the secret; else NULL. */
static enum signature_result
check_secrets(struct check *check, const size_t *group, size_t group_count,
	const struct slice *parts, size_t count, bool *any_out)
{
	for (size_t i = 0; i < check->secret_count; i++) {
		const struct key *key = &check->keys[i];
		enum signature_result result = SIGNATURE_VALID;
		bool fits = false;
		if (is_other_key(check, key)) {
			note_secret(check, i, true, false);
			continue;
		}
		if (parts == NULL)
			result = check_expand(check, key);
		if (result == SIGNATURE_VALID)
			result = check_secret(check, key, group, group_count,
				parts != NULL ? parts : check->parts,
				parts != NULL ? count : check->part_count, &fits);
		if (result != SIGNATURE_VALID)
			return result;
		note_secret(check, i, false, fits);
		if (fits && !*any_out)
			check->secret = i;
		*any_out |= fits;
	}
	return SIGNATURE_VALID;
}

/* ---- what else must hold ---- */

/* Two empty texts do not hold: see crypto_equal(). */
static bool
requirement_holds(const struct check *check, const struct provider_requirement *requirement)
{
	struct buf left, right;
	bool holds;

	buf_init(&left, MADE_MAX);
	buf_init(&right, MADE_MAX);
	holds = template_text(requirement->left, check->message, &left) == TEMPLATE_OK &&
		template_text(requirement->right, check->message, &right) == TEMPLATE_OK &&
		crypto_equal(buf_slice(&left), buf_slice(&right));
	note(check, "%s must be %s: %s", requirement->left->source, requirement->right->source,
		holds ? "it is" : "it is not");
	buf_free(&right);
	buf_free(&left);
	return holds;
}

static enum signature_result
check_requires(const struct check *check)
{
	bool all = true;

	for (size_t i = 0; i < check->scheme->requires_count; i++)
		all &= requirement_holds(check, &check->scheme->requires[i]);
	return all ? SIGNATURE_VALID : SIGNATURE_WRONG;
}

/* Both ends of the window belong to it. A time without fractions is compared with a clock
 * without them, so that 300 s ago is 300 s ago for the whole second. */
static enum signature_result
check_window(const struct check *check, int64_t time_ms)
{
	const struct provider_scheme *scheme = check->scheme;
	int64_t now_ms = check->now_ms;

	if (scheme->timestamp_format == TEXT_TIME_S || scheme->timestamp_format == TEXT_TIME_HTTP)
		now_ms -= now_ms % 1000;
	note(check, "the time is %lld s %s", (long long)llabs(now_ms - time_ms) / 1000,
		time_ms > now_ms ? "ahead" : "ago");
	if (scheme->tolerance_ms >= 0)
		note(check, "at most %lld s ago is taken", (long long)scheme->tolerance_ms / 1000);
	if (scheme->future_ms >= 0)
		note(check, "at most %lld s ahead is taken", (long long)scheme->future_ms / 1000);
	if (scheme->tolerance_ms >= 0 && time_ms < now_ms - scheme->tolerance_ms)
		return SIGNATURE_EXPIRED;
	if (scheme->future_ms >= 0 && time_ms > now_ms + scheme->future_ms)
		return SIGNATURE_EARLY;
	return SIGNATURE_VALID;
}

/* A token's own limits, which hold whether the scheme asks for them or not (RFC 7519 section 4.1.4 and 5). */
static enum signature_result
check_token_window(const struct check *check, const struct jwt *token)
{
	bool has_end = false, has_start = false;
	int64_t end = 0, start = 0;

	if (token->claims == NULL)
		return SIGNATURE_VALID;
	if (!jwt_time(token, "exp", &has_end, &end) || !jwt_time(token, "nbf", &has_start, &start))
		return SIGNATURE_MALFORMED;
	if (has_end && check->now_ms > end + TOKEN_LEEWAY_MS)
		return SIGNATURE_EXPIRED;
	if (has_start && check->now_ms < start - TOKEN_LEEWAY_MS)
		return SIGNATURE_EARLY;
	return SIGNATURE_VALID;
}

/* ---- signatures that share a time and a key's name ---- */

static struct slice
own_or(struct slice own, struct slice shared)
{
	return own.len > 0 ? own : shared;
}

/* Take the next group of signatures that have not been looked at. Every token is one of its own. */
static size_t
check_next_group(struct check *check, size_t group[SIGNATURE_LIST_MAX])
{
	const struct sent *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < check->count; i++) {
		struct sent *sent = &check->sent[i];
		if (sent->looked_at || (first != NULL && check->scheme->jws != NULL) ||
			(first != NULL && (!slice_equal(sent->timestamp, first->timestamp) ||
						  !slice_equal(sent->key_id, first->key_id))))
			continue;
		if (first == NULL)
			first = sent;
		sent->looked_at = true;
		group[count++] = i;
	}
	return count;
}

static enum signature_result
read_time_of(const struct check *check, int64_t *time_ms_out)
{
	const struct provider_scheme *scheme = check->scheme;

	if (!scheme->has_timestamp)
		return SIGNATURE_VALID;
	if (check->message->timestamp.len == 0)
		return scheme->timestamp != NULL ? SIGNATURE_MISSING : SIGNATURE_MALFORMED;
	if (scheme_judges_time(scheme) && !text_parse_time(scheme->timestamp_format,
						  check->message->timestamp, time_ms_out)) {
		note(check, "the time cannot be read");
		return SIGNATURE_MALFORMED;
	}
	return SIGNATURE_VALID;
}

static enum signature_result
check_group(struct check *check, const size_t *group, size_t count)
{
	const struct provider_scheme *scheme = check->scheme;
	const struct sent *first = &check->sent[group[0]];
	bool any = false, of_secret = signs_any(scheme, TEMPLATE_SECRET);
	enum signature_result result;
	const struct slice *parts = NULL;
	int64_t time_ms = 0;

	check->message->timestamp = own_or(first->timestamp, check->timestamp);
	check->message->key_id = own_or(first->key_id, check->key_id);
	result = read_time_of(check, &time_ms);
	if (result == SIGNATURE_VALID && !of_secret && scheme->signs_count > 0) {
		result = check_expand(check, &check->keys[0]);
		note_signed(check, check->parts, check->part_count);
	}
	if (result != SIGNATURE_VALID)
		return result;
	if (!of_secret)
		parts = check->parts;
	result = check_secrets(check, group, count, parts, check->part_count, &any);
	if (result != SIGNATURE_VALID)
		return result;
	if (!any)
		return SIGNATURE_WRONG;
	result = check_requires(check);
	if (result == SIGNATURE_VALID && scheme_judges_time(scheme))
		result = check_window(check, time_ms);
	return result;
}

/* Put together what a JWS signs. */
static enum signature_result
token_parts(struct check *check, const struct jwt *token, struct slice parts[3], size_t *count_out)
{
	enum signature_result result;

	if (check->scheme->signs_count == 0) {
		parts[0] = token->signed_text;
		*count_out = 1;
		return SIGNATURE_VALID;
	}
	result = check_expand(check, &check->keys[0]);
	if (result != SIGNATURE_VALID)
		return result;
	note_signed(check, check->parts, check->part_count);
	struct buf whole;
	size_t total = 0;
	bool done = true;
	for (size_t i = 0; i < check->part_count; i++)
		total += check->parts[i].len;
	buf_init(&whole, total);
	for (size_t i = 0; done && i < check->part_count; i++)
		done = buf_append_slice(&whole, check->parts[i]);
	buf_free(&check->payload);
	buf_init(&check->payload, 2 * total + 4);
	done = done && text_encode(TEXT_BASE64URL, whole.data, whole.len, &check->payload);
	buf_free(&whole);
	parts[0] = token->protected_text;
	parts[1] = slice_of(".");
	parts[2] = buf_slice(&check->payload);
	*count_out = 3;
	return done ? SIGNATURE_VALID : SIGNATURE_ERROR;
}

/* Of a token that a secret fitted: its own limits, and what the scheme asks for. From here on
 * {claim:NAME} is believed. */
static enum signature_result
check_claims(struct check *check, struct jwt *token)
{
	const struct provider_scheme *scheme = check->scheme;
	struct message *message = check->message;
	enum signature_result result = check_token_window(check, token);
	int64_t time_ms = 0;

	leaves_free(message->claims);
	message->claims = token->claims;
	token->claims = NULL;
	if (result == SIGNATURE_VALID && is_claim(scheme->timestamp)) {
		buf_clear(&check->time_made);
		result = check_read_shared(
			check, scheme->timestamp, &check->time_made, &message->timestamp);
	}
	if (result == SIGNATURE_VALID)
		result = read_time_of(check, &time_ms);
	if (result == SIGNATURE_VALID)
		result = check_requires(check);
	if (result == SIGNATURE_VALID && scheme_judges_time(scheme))
		result = check_window(check, time_ms);
	return result;
}

/* A JWS whose parts were taken apart. */
static enum signature_result
check_parsed_token(struct check *check, size_t index, struct jwt *token)
{
	const struct provider_scheme *scheme = check->scheme;
	struct message *message = check->message;
	struct slice parts[3];
	enum signature_result result;
	size_t count = 0;
	bool any = false;

	if (!slice_is(jwt_header(token, "alg"), scheme->jws)) {
		note_text(check, "its algorithm is another than the provider's",
			jwt_header(token, "alg"), 24);
		return SIGNATURE_WRONG;
	}
	message->key_id = scheme->key_id != NULL ? check->key_id : jwt_header(token, "kid");
	message->timestamp = check->timestamp;
	check->sent[index].signature = token->signature_text;
	result = token_parts(check, token, parts, &count);
	if (result == SIGNATURE_VALID)
		result = check_secrets(check, &index, 1, parts, count, &any);
	if (result == SIGNATURE_VALID && !any)
		result = SIGNATURE_WRONG;
	if (result == SIGNATURE_VALID)
		result = check_claims(check, token);
	message->key_id = (struct slice){ NULL, 0 }; /* it may be a piece of the token's header */
	return result;
}

static enum signature_result
check_token(struct check *check, size_t index)
{
	struct jwt token;
	enum signature_result result = SIGNATURE_MALFORMED;

	switch (jwt_parse(check->sent[index].signature, check->scheme->signs_count > 0, &token)) {
	case JWT_OK: break;
	case JWT_MALFORMED: note(check, "it is no token (RFC 7515)"); return SIGNATURE_MALFORMED;
	case JWT_NO_MEMORY: return SIGNATURE_ERROR;
	}
	result = check_parsed_token(check, index, &token);
	jwt_free(&token);
	return result;
}

/* ---- one scheme, all schemes ---- */

static void
check_init(struct check *check, const struct verifier *verifier, size_t scheme,
	struct message *message, int64_t now_ms)
{
	memset(check, 0, sizeof *check);
	check->provider = verifier->provider;
	check->scheme = &verifier->provider->schemes[scheme];
	check->keys = verifier_keys(verifier, scheme);
	check->secret_count = verifier->secret_count;
	check->message = message;
	check->now_ms = now_ms;
	check->carried = xcalloc(check->scheme->carrier_count, sizeof *check->carried);
	for (size_t i = 0; i < check->scheme->carrier_count; i++)
		buf_init(&check->carried[i].made, MADE_MAX);
	buf_init(&check->time_made, MADE_MAX);
	buf_init(&check->key_id_made, MADE_MAX);
	buf_init(&check->id_made, MADE_MAX);
	buf_init(&check->signed_made, MADE_MAX + 2 * message->body.len);
	buf_init(&check->payload, 0);
}

/* Is the slice a piece of memory that ends with the check? */
static bool
was_made(const struct buf *made, struct slice slice)
{
	return made->data != NULL && slice.data >= made->data &&
	       slice.data < made->data + made->size;
}

static void
check_free(struct check *check)
{
	struct message *message = check->message;
	bool time_made = was_made(&check->time_made, message->timestamp);

	for (size_t i = 0; i < check->scheme->carrier_count; i++) {
		time_made |= was_made(&check->carried[i].made, message->timestamp);
		buf_free(&check->carried[i].made);
	}
	if (time_made)
		message->timestamp = (struct slice){ NULL, 0 };
	if (was_made(&check->id_made, message->id))
		message->id = (struct slice){ NULL, 0 };
	message->key_id = (struct slice){ NULL, 0 };
	free(check->carried);
	buf_free(&check->time_made);
	buf_free(&check->key_id_made);
	buf_free(&check->id_made);
	buf_free(&check->payload);
	buf_free_secret(&check->signed_made);
}

/* Which of two refusals says more: a scheme of which nothing is there says least, a right
 * signature at the wrong time much, our own failure most (it is no refusal at all). */
static int
weight_of(enum signature_result result)
{
	switch (result) {
	case SIGNATURE_VALID: return 8;
	case SIGNATURE_ERROR: return 7;
	case SIGNATURE_REPEATED: return 6;
	case SIGNATURE_AMBIGUOUS: return 5;
	case SIGNATURE_EXPIRED: return 4;
	case SIGNATURE_EARLY: return 3;
	case SIGNATURE_WRONG: return 2;
	case SIGNATURE_MALFORMED: return 1;
	case SIGNATURE_MISSING: return 0;
	}
	return 0;
}

/* With what is borrowed from them. */
static void
forget_claims(struct message *message)
{
	message->timestamp = (struct slice){ NULL, 0 };
	leaves_free(message->claims);
	message->claims = NULL;
}

/* Nothing of an earlier scheme is left in the message. */
static void
forget(struct message *message)
{
	message->id = message->key_id = (struct slice){ NULL, 0 };
	forget_claims(message);
}

/* Where every carrier that is there must hold a right one: does it? */
static bool
carriers_are_right(const struct check *check)
{
	for (size_t i = 0; check->scheme->carriers_all && i < check->scheme->carrier_count; i++) {
		if (check->carried[i].present && !check->carried[i].right)
			return false;
	}
	return true;
}

/* The signatures that were read, group by group (a token is one); one right one is enough. */
static enum signature_result
check_sent(struct check *check)
{
	enum signature_result told = SIGNATURE_MISSING;
	size_t group[SIGNATURE_LIST_MAX], count;
	struct slice timestamp = { NULL, 0 };

	for (size_t groups = 0; groups < GROUPS_MAX; groups++) {
		enum signature_result result;
		count = check_next_group(check, group);
		if (count == 0)
			break;
		result = check->scheme->jws != NULL ? check_token(check, group[0])
						    : check_group(check, group, count);
		/* Also a signature that a secret fits may be too old. */
		for (size_t i = 0; i < check->scheme->carrier_count; i++) {
			struct carried *carried = &check->carried[i];
			carried->right |= carried->fits && result == SIGNATURE_VALID;
			carried->fits = false;
		}
		if (result == SIGNATURE_VALID && told != SIGNATURE_VALID)
			timestamp = check->message->timestamp;
		if (groups == 0 || weight_of(result) > weight_of(told))
			told = result;
		if (told == SIGNATURE_VALID && carriers_are_right(check))
			break;
		if (told != SIGNATURE_VALID)
			forget_claims(check->message);
	}
	check->message->timestamp = timestamp;
	if (told == SIGNATURE_VALID && !carriers_are_right(check))
		told = SIGNATURE_WRONG;
	return told;
}

/* One scheme over the whole message, or over the item at hand. */
static enum signature_result
check_once(struct check *check)
{
	enum signature_result result = check_read_carriers(check);

	if (result == SIGNATURE_VALID && !is_claim(check->scheme->timestamp))
		result = check_read_time(check);
	if (result == SIGNATURE_VALID)
		result = check_read_key_id(check);
	if (result == SIGNATURE_VALID)
		result = check_read_id(check);
	if (result == SIGNATURE_VALID)
		result = check_sent(check);
	if (check->joined && (result == SIGNATURE_WRONG || result == SIGNATURE_MALFORMED))
		result = SIGNATURE_REPEATED;
	return result;
}

/* How a scheme is checked: of which verifier, for which message, when, and who is told. */
struct asked {
	const struct verifier *verifier;
	struct message *message;
	int64_t now_ms;
	signature_note *note;
	void *context;
};

static enum signature_result
check_scheme(const struct asked *asked, size_t scheme, size_t *secret_out)
{
	struct check check;
	enum signature_result result;

	forget(asked->message);
	if (asked->verifier->provider->schemes[scheme].method == PROVIDER_NONE)
		return SIGNATURE_VALID;
	check_init(&check, asked->verifier, scheme, asked->message, asked->now_ms);
	check.note = asked->note;
	check.context = asked->context;
	note(&check, "scheme %s", check.scheme->label);
	result = check_once(&check);
	note(&check, "%s", signature_reason(result));
	*secret_out = check.secret;
	check_free(&check);
	return result;
}

/* Every element of the array must be right on its own. */
static enum signature_result
check_each(const struct asked *asked, size_t scheme, size_t *secret_out)
{
	struct slice each = slice_of(asked->verifier->provider->schemes[scheme].each);
	struct message *message = asked->message;
	const struct leaves *leaves = message_leaves(message);
	enum signature_result result = SIGNATURE_MISSING;
	uint32_t element;
	size_t count = 0;

	forget(message);
	element = leaves != NULL ? leaves_first_element(leaves, each, &count) : 0;
	if (element == 0)
		return SIGNATURE_MISSING;
	if (count > ITEMS_MAX)
		return SIGNATURE_MALFORMED;
	if (!leaves_is_plain(leaves, each) || repeats_a_name(message, leaves))
		return SIGNATURE_AMBIGUOUS;
	for (size_t i = 0; i < count; i++) {
		message->item = element;
		result = check_scheme(asked, scheme, secret_out);
		message->item = 0;
		if (result != SIGNATURE_VALID)
			break;
		element = leaves_next_element(leaves, element);
	}
	return result;
}

enum signature_result
signature_explain(const struct verifier *verifier, struct message *message, int64_t now_ms,
	struct signature_report *report, signature_note *note_function, void *context)
{
	const struct asked asked = { verifier, message, now_ms, note_function, context };
	enum signature_result told = SIGNATURE_MISSING;

	/* Stopping at the first scheme that fits tells nothing: which headers were sent is
	 * known to the sender. */
	for (size_t i = 0; i < verifier->provider->scheme_count; i++) {
		size_t secret = 0;
		enum signature_result result = verifier->provider->schemes[i].each != NULL
						       ? check_each(&asked, i, &secret)
						       : check_scheme(&asked, i, &secret);
		if (result == SIGNATURE_VALID) {
			report->scheme = i;
			report->secret = secret;
			return SIGNATURE_VALID;
		}
		if (weight_of(result) > weight_of(told))
			told = result;
	}
	forget(message);
	return told;
}

enum signature_result
signature_verify(const struct verifier *verifier, struct message *message, int64_t now_ms,
	struct signature_report *report)
{
	return signature_explain(verifier, message, now_ms, report, NULL, NULL);
}
