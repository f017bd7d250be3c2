/* signature.c - is this message really from the sender, and: make one that is
 *
 * Checking one scheme is a straight line: read what the message claims (the
 * signatures in its carriers, the time, the id), put together the bytes that
 * are signed without copying the body, make our own signature with each
 * secret, compare texts. The clock is asked last, so that only who knows a
 * secret learns that a message is too old.
 *
 * Rejected: decoding the sent text and comparing bytes. It needs a decoder that
 * knows one spelling only (base64 has spare bits, hex has two cases), where
 * comparing with the text we would have written cannot be wrong about that.
 *
 * In this file a step that returns SIGNATURE_VALID says "nothing against it so far".
 */
#include "signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "crypto.h"
#include "template.h"
#include "text.h"

/* Room for what a template makes anew (decoded query fields, digests); no web
 * server hands on a longer header or URL. A sorted form is at most as long as the body. */
#define MADE_MAX 65536

#define SECRET_MAX 65536  /* bytes of one secret's text; an RSA key as PEM is under 2 KiB */
#define FRESH_ID_BYTES 12 /* 96 random bits, as 24 hex digits */
#define HEADER_MAX 8192   /* bytes of a header that we make */

/* What one secret became under one scheme; which member is set follows from the method. */
struct key {
	struct crypto_mac_key *mac; /* HMAC */
	bool mac_shared;            /* it belongs to an earlier scheme with the same key rule */
	struct crypto_public_key *public;
	struct buf text; /* HASH: what {secret} stands for; TOKEN: the text that must be sent */
};

struct verifier {
	const struct provider *provider;
	size_t secret_count;
	struct key *keys; /* secret_count for each scheme, schemes in order */
};

/* One place where the message may carry signatures. */
struct carried {
	struct buf made; /* its text, when that is not a piece of the message */
	bool present;
	bool right; /* one of its signatures was made with one of the secrets */
};

/* The check of one scheme. */
struct check {
	const struct provider_scheme *scheme;
	const struct provider *provider;
	struct message *message;
	const struct key *keys; /* one for each secret */
	size_t secret_count;
	struct carried *carried;
	struct slice signatures[SIGNATURE_LIST_MAX];
	size_t origins[SIGNATURE_LIST_MAX]; /* index into carried */
	size_t count;
	bool two_times;         /* the carriers name two different times */
	bool joined;            /* a header that holds one value looks like two */
	struct buf time_made;   /* the time's text, when it is not a piece of the message */
	struct buf id_made;     /* likewise */
	struct buf signed_made; /* pieces of what is signed, likewise */
	int64_t time_ms;
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

static void
key_free(struct key *key)
{
	if (!key->mac_shared)
		crypto_mac_key_free(key->mac);
	crypto_public_key_free(key->public);
	buf_free_secret(&key->text);
	memset(key, 0, sizeof *key);
}

static bool
is_blank(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (strchr(" \t\r\n", text.data[i]) == NULL || text.data[i] == '\0')
			return false;
	}
	return true;
}

/* Append the key's bytes, derived from the secret's text, to out (which is empty). NULL: done;
 * else what is wrong, for people. */
static const char *
key_derive(const struct provider_key *rule, const struct config_secret *secret, struct buf *out)
{
	struct slice text = { secret->text, secret->len };
	size_t strip_len = rule->strip != NULL ? strlen(rule->strip) : 0;

	if (strip_len > 0 && text.len >= strip_len &&
		memcmp(text.data, rule->strip, strip_len) == 0) {
		text.data += strip_len;
		text.len -= strip_len;
	}
	/* Judged before anything is appended: "whsec_" alone is no secret, "&" behind it is none. */
	if (is_blank(text))
		return "is empty";
	if (text.len > SECRET_MAX)
		return "is too long";
	if (rule->decode) {
		if (!text_decode(rule->encoding, text, out))
			return "is not in the encoding that the provider's key option names";
	} else if (!buf_append_slice(out, text)) {
		return "does not fit into memory";
	}
	if (rule->append != NULL && !buf_append_text(out, rule->append))
		return "does not fit into memory";
	return out->len > 0 ? NULL : "is empty";
}

/* What a token's sender puts into the carrier. */
static const char *
key_make_token(const struct provider_scheme *scheme, struct buf *secret, struct key *key)
{
	bool done;

	if (scheme->token_encoded)
		done = text_encode(scheme->encoding, secret->data, secret->len, &key->text);
	else
		done = buf_append_slice(&key->text, buf_slice(secret));
	return done ? NULL : "does not fit into memory";
}

/* Fill the key (zeroed) for a scheme. NULL: done; else what is wrong, for people. */
static const char *
key_make(const struct provider_scheme *scheme, const struct config_secret *secret, struct key *key)
{
	const char *wrong;
	struct buf derived;

	/* Room for the text in base64, and for what the rule appends. */
	buf_init(&derived, 2 * SECRET_MAX);
	buf_init(&key->text, 4 * SECRET_MAX);
	wrong = key_derive(&scheme->key, secret, &derived);
	if (wrong != NULL)
		goto out;
	switch (scheme->method) {
	case PROVIDER_HMAC:
		key->mac = crypto_mac_key_new(scheme->digest, derived.data, derived.len);
		if (key->mac == NULL)
			wrong = "cannot be used by the crypto library";
		break;
	case PROVIDER_PUBLIC:
		key->public = crypto_public_key_new(scheme->public_algorithm, buf_slice(&derived));
		if (key->public == NULL)
			wrong = "is not a public key of the provider's algorithm";
		break;
	case PROVIDER_HASH:
		if (!buf_append_slice(&key->text, buf_slice(&derived)))
			wrong = "does not fit into memory";
		break;
	case PROVIDER_TOKEN: wrong = key_make_token(scheme, &derived, key); break;
	case PROVIDER_NONE: break;
	}
out:
	buf_free_secret(&derived);
	return wrong;
}

static bool
same_text(const char *a, const char *b)
{
	return slice_equal(slice_of(a), slice_of(b));
}

/* Do both schemes make the same HMAC key of a secret? */
static bool
same_mac_key(const struct provider_scheme *a, const struct provider_scheme *b)
{
	return a->method == PROVIDER_HMAC && b->method == PROVIDER_HMAC && a->digest == b->digest &&
	       a->key.decode == b->key.decode &&
	       (!a->key.decode || a->key.encoding == b->key.encoding) &&
	       same_text(a->key.strip, b->key.strip) && same_text(a->key.append, b->key.append);
}

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
		if (same_mac_key(&schemes[i], &schemes[scheme])) {
			buf_init(&key->text, 0);
			key->mac = verifier_keys(verifier, i)[secret].mac;
			key->mac_shared = true;
			return true;
		}
	}
	return false;
}

struct verifier *
verifier_new(const struct provider *provider, const struct config_secret *secrets,
	size_t secret_count, char reason_out[256])
{
	struct verifier *verifier = xcalloc(1, sizeof *verifier);

	verifier->provider = provider;
	verifier->secret_count = secret_count;
	verifier->keys = xcalloc(provider->scheme_count * secret_count, sizeof *verifier->keys);
	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		if (scheme->method == PROVIDER_NONE)
			continue;
		if (secret_count == 0) {
			snprintf(reason_out, 256, "no secret is given");
			goto fail;
		}
		for (size_t j = 0; j < secret_count; j++) {
			const char *wrong;
			if (verifier_share_key(verifier, i, j))
				continue;
			wrong = key_make(scheme, &secrets[j], &verifier_keys(verifier, i)[j]);
			if (wrong != NULL) {
				snprintf(reason_out, 256, "secret %zu (%.100s) %s", j + 1,
					secrets[j].source, wrong);
				goto fail;
			}
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
		text.data += piece.len;
		text.len -= piece.len;
	}
	return text.len == 0;
}

/* Take from one part of a carrier's text what the first shape that fits finds in it. A part
 * of no known shape (another version's signature) is passed over, and so is an empty digest
 * ("sha256=", sent by Gitea when it has no secret). */
static void
check_read_part(struct check *check, size_t origin, struct slice part)
{
	struct slice *timestamp = &check->message->timestamp;
	struct holding held;
	size_t i = 0;

	while (i < check->scheme->format_count &&
		!shape_match(check->scheme->format[i], check->scheme->format_folds, part, &held))
		i++;
	if (i == check->scheme->format_count)
		return;
	if (held.signature.len > 0 && check->count < SIGNATURE_LIST_MAX) {
		check->signatures[check->count] = held.signature;
		check->origins[check->count++] = origin;
	}
	if (held.timestamp.len == 0)
		return;
	if (timestamp->len == 0)
		*timestamp = held.timestamp;
	else if (!slice_equal(*timestamp, held.timestamp))
		check->two_times = true;
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
		struct carried *carried = &check->carried[i];
		struct slice text;
		enum signature_result result =
			expand(check->scheme->carriers[i], check->message, &carried->made, &text);
		if (result == SIGNATURE_MISSING)
			continue;
		if (result != SIGNATURE_VALID)
			return result;
		present = carried->present = true;
		check_read_text(check, i, text);
	}
	if (!present)
		return SIGNATURE_MISSING;
	return check->count > 0 && !check->two_times ? SIGNATURE_VALID : SIGNATURE_MALFORMED;
}

/* With neither limit the time is any text that is signed as it came (a nonce). */
static bool
scheme_judges_time(const struct provider_scheme *scheme)
{
	return scheme->has_timestamp && (scheme->tolerance_ms >= 0 || scheme->future_ms >= 0);
}

static enum signature_result
check_read_time(struct check *check)
{
	const struct provider_scheme *scheme = check->scheme;
	struct slice *timestamp = &check->message->timestamp;

	if (scheme->timestamp != NULL) {
		enum signature_result result =
			expand(scheme->timestamp, check->message, &check->time_made, timestamp);
		if (result != SIGNATURE_VALID)
			return result;
		if (scheme->timestamp_format != TEXT_TIME_HTTP)
			note_joined(check, *timestamp);
	}
	if (!scheme->has_timestamp)
		return SIGNATURE_VALID;
	if (timestamp->len == 0)
		return scheme->timestamp != NULL ? SIGNATURE_MISSING : SIGNATURE_MALFORMED;
	if (scheme_judges_time(scheme) &&
		!text_parse_time(scheme->timestamp_format, *timestamp, &check->time_ms))
		return SIGNATURE_MALFORMED;
	return SIGNATURE_VALID;
}

/* The id, where it is signed. */
static enum signature_result
check_read_id(struct check *check)
{
	const struct provider *provider = check->provider;
	struct slice *id = &check->message->id;

	if (check->scheme->signs == NULL || !template_refers(check->scheme->signs, TEMPLATE_ID))
		return SIGNATURE_VALID;
	for (size_t i = 0; i < provider->id_count; i++) {
		enum signature_result result =
			expand(provider->ids[i], check->message, &check->id_made, id);
		if (result == SIGNATURE_VALID && id->len > 0) {
			note_joined(check, *id);
			return SIGNATURE_VALID;
		}
		*id = (struct slice){ NULL, 0 };
		buf_clear(&check->id_made);
		if (result != SIGNATURE_VALID && result != SIGNATURE_MISSING)
			return result;
	}
	return SIGNATURE_MISSING;
}

/* May the sender write any text for this? A time that is judged has one strict spelling. */
static bool
is_free_form(const struct provider_scheme *scheme, enum template_kind kind)
{
	return kind == TEMPLATE_ID || kind == TEMPLATE_HEADER || kind == TEMPLATE_QUERY ||
	       (kind == TEMPLATE_TIMESTAMP && !scheme_judges_time(scheme));
}

static bool
holds_literal(struct slice text, const struct template_part *part)
{
	return part->kind == TEMPLATE_LITERAL && text.len > 0 &&
	       memmem(text.data, text.len, part->text, part->text_len) != NULL;
}

/*
 * "a.1" + "." + "2" and "a" + "." + "1.2" are the same signed bytes: who has one
 * signed message could move the border between id, time and body. So no value
 * outside the body may hold the literal text that begins or ends it in what is signed.
 */
static bool
borders_are_clear(const struct provider_scheme *scheme, const struct slice *parts)
{
	const struct template *signs = scheme->signs;

	for (size_t i = 0; i < signs->count; i++) {
		if (!is_free_form(scheme, signs->parts[i].kind))
			continue;
		if (i + 1 < signs->count && holds_literal(parts[i], &signs->parts[i + 1]))
			return false;
		/* In front of a first literal there is nothing to move. */
		if (i >= 2 && holds_literal(parts[i], &signs->parts[i - 1]))
			return false;
	}
	return true;
}

/* ---- comparing ---- */

/* Append the text that a sender with this key sends for these bytes. false: no memory,
 * library failure. */
static bool
write_signature(const struct provider_scheme *scheme, const struct key *key,
	const struct slice *parts, size_t count, struct buf *out)
{
	uint8_t digest[CRYPTO_DIGEST_MAX];
	bool done = false;

	switch (scheme->method) {
	case PROVIDER_HMAC: done = crypto_mac(key->mac, parts, count, digest); break;
	case PROVIDER_HASH: done = crypto_hash(scheme->digest, parts, count, digest); break;
	case PROVIDER_TOKEN: return buf_append_slice(out, buf_slice(&key->text));
	case PROVIDER_PUBLIC:
	case PROVIDER_NONE: return false;
	}
	done = done &&
	       text_encode(scheme->encoding, digest, crypto_digest_size(scheme->digest), out);
	explicit_bzero(digest, sizeof digest);
	return done;
}

/* One signature against one public key. The text must be the only spelling of its bytes. */
static bool
public_fits(const struct provider_scheme *scheme, const struct key *key, const struct slice *parts,
	size_t count, struct slice text)
{
	struct buf bytes, again;
	bool fits;

	buf_init(&bytes, MADE_MAX);
	buf_init(&again, MADE_MAX);
	fits = text_decode(scheme->encoding, text, &bytes) &&
	       text_encode(scheme->encoding, bytes.data, bytes.len, &again) &&
	       slice_equal(buf_slice(&again), text) &&
	       crypto_verify(key->public, parts, count, buf_slice(&bytes));
	buf_free(&again);
	buf_free(&bytes);
	return fits;
}

/* Compare every signature of the message with what one secret makes of the parts.
 * *fits_out: any of them did. */
static enum signature_result
check_secret(struct check *check, const struct key *key, const struct slice *parts, size_t count,
	bool *fits_out)
{
	const struct provider_scheme *scheme = check->scheme;
	bool is_public = scheme->method == PROVIDER_PUBLIC;
	enum signature_result result = SIGNATURE_VALID;
	struct buf ours;

	buf_init(&ours, 4 * SECRET_MAX);
	if (!is_public && !write_signature(scheme, key, parts, count, &ours))
		result = SIGNATURE_ERROR;
	for (size_t i = 0; result == SIGNATURE_VALID && i < check->count; i++) {
		bool fits = is_public ? public_fits(scheme, key, parts, count, check->signatures[i])
				      : crypto_equal(buf_slice(&ours), check->signatures[i]);
		check->carried[check->origins[i]].right |= fits;
		*fits_out |= fits;
	}
	buf_free_secret(&ours);
	return result;
}

/* Every secret against every signature. */
static enum signature_result
check_secrets(struct check *check, size_t *secret_out)
{
	const struct template *signs = check->scheme->signs;
	bool signs_secret = signs != NULL && template_refers(signs, TEMPLATE_SECRET);
	struct slice parts[TEMPLATE_PARTS_MAX];
	size_t count = signs != NULL ? signs->count : 0;
	bool any = false;

	for (size_t i = 0; i < check->secret_count; i++) {
		enum signature_result result = SIGNATURE_VALID;
		bool fits = false;
		if (signs != NULL && (i == 0 || signs_secret)) {
			buf_clear(&check->signed_made);
			check->message->secret = buf_slice(&check->keys[i].text);
			result = refusal_of(
				template_slices(signs, check->message, &check->signed_made, parts));
			check->message->secret = (struct slice){ NULL, 0 };
			if (result == SIGNATURE_VALID && !borders_are_clear(check->scheme, parts))
				result = SIGNATURE_AMBIGUOUS;
		}
		if (result == SIGNATURE_VALID)
			result = check_secret(check, &check->keys[i], parts, count, &fits);
		if (result != SIGNATURE_VALID)
			return result;
		if (fits && !any)
			*secret_out = i;
		any |= fits;
	}
	for (size_t i = 0; check->scheme->carriers_all && i < check->scheme->carrier_count; i++)
		any &= check->carried[i].right || !check->carried[i].present;
	return any ? SIGNATURE_VALID : SIGNATURE_WRONG;
}

/* Both ends of the window belong to it. A time without fractions is compared with a clock
 * without them, so that 300 s ago is 300 s ago for the whole second. */
static enum signature_result
check_window(const struct check *check, int64_t now_ms)
{
	const struct provider_scheme *scheme = check->scheme;

	if (!scheme_judges_time(scheme))
		return SIGNATURE_VALID;
	if (scheme->timestamp_format == TEXT_TIME_S || scheme->timestamp_format == TEXT_TIME_HTTP)
		now_ms -= now_ms % 1000;
	if (scheme->tolerance_ms >= 0 && check->time_ms < now_ms - scheme->tolerance_ms)
		return SIGNATURE_EXPIRED;
	if (scheme->future_ms >= 0 && check->time_ms > now_ms + scheme->future_ms)
		return SIGNATURE_EARLY;
	return SIGNATURE_VALID;
}

/* ---- one scheme, all schemes ---- */

static void
check_init(struct check *check, const struct verifier *verifier, size_t scheme,
	struct message *message)
{
	memset(check, 0, sizeof *check);
	check->provider = verifier->provider;
	check->scheme = &verifier->provider->schemes[scheme];
	check->keys = verifier_keys(verifier, scheme);
	check->secret_count = verifier->secret_count;
	check->message = message;
	check->carried = xcalloc(check->scheme->carrier_count, sizeof *check->carried);
	for (size_t i = 0; i < check->scheme->carrier_count; i++)
		buf_init(&check->carried[i].made, MADE_MAX);
	buf_init(&check->time_made, MADE_MAX);
	buf_init(&check->id_made, MADE_MAX);
	buf_init(&check->signed_made, MADE_MAX + message->body.len);
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
	free(check->carried);
	buf_free(&check->time_made);
	buf_free(&check->id_made);
	buf_free_secret(&check->signed_made);
}

static enum signature_result
check_scheme(const struct verifier *verifier, size_t scheme, struct message *message,
	int64_t now_ms, size_t *secret_out)
{
	struct check check;
	enum signature_result result;

	message->timestamp = message->id = (struct slice){ NULL, 0 };
	if (verifier->provider->schemes[scheme].method == PROVIDER_NONE)
		return SIGNATURE_VALID;
	check_init(&check, verifier, scheme, message);
	result = check_read_carriers(&check);
	if (result == SIGNATURE_VALID)
		result = check_read_time(&check);
	if (result == SIGNATURE_VALID)
		result = check_read_id(&check);
	if (result == SIGNATURE_VALID)
		result = check_secrets(&check, secret_out);
	if (result == SIGNATURE_VALID)
		result = check_window(&check, now_ms);
	if (check.joined && (result == SIGNATURE_WRONG || result == SIGNATURE_MALFORMED))
		result = SIGNATURE_REPEATED;
	check_free(&check);
	return result;
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

enum signature_result
signature_verify(const struct verifier *verifier, struct message *message, int64_t now_ms,
	struct signature_report *report)
{
	enum signature_result told = SIGNATURE_MISSING;

	/* Stopping at the first scheme that fits tells nothing: which headers were sent is
	 * known to the sender. */
	for (size_t i = 0; i < verifier->provider->scheme_count; i++) {
		size_t secret = 0;
		enum signature_result result = check_scheme(verifier, i, message, now_ms, &secret);
		if (result == SIGNATURE_VALID) {
			report->scheme = i;
			report->secret = secret;
			return SIGNATURE_VALID;
		}
		if (weight_of(result) > weight_of(told))
			told = result;
	}
	message->timestamp = message->id = (struct slice){ NULL, 0 };
	return told;
}

/* ---- signing ---- */

/* The signing of one message; the strings of out are the caller's in the end. */
struct making {
	const struct provider *provider;
	const struct provider_scheme *scheme;
	struct message *message;
	struct signature_header *out;
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
		(struct signature_header){ xstrdup(name), xmemdup0(value.data, value.len) };
	return true;
}

/* The id, when it is signed or the caller gave one. fresh: room for one that is made here. */
static bool
making_id(struct making *making, struct buf *fresh)
{
	const struct provider *provider = making->provider;
	struct slice *id = &making->message->id;
	const struct template *signs = making->scheme->signs;
	bool is_signed = signs != NULL && template_refers(signs, TEMPLATE_ID);
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
		if (expand(provider->ids[i], making->message, fresh, id) == SIGNATURE_VALID)
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
		if (expand(scheme->timestamp, making->message, made, timestamp) != SIGNATURE_VALID)
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

/* Sign what the message now is and add the signature's header. */
static bool
making_signature(struct making *making, const struct key *key)
{
	const struct provider_scheme *scheme = making->scheme;
	struct message *message = making->message;
	struct slice parts[TEMPLATE_PARTS_MAX];
	size_t count = scheme->signs != NULL ? scheme->signs->count : 0;
	struct buf made, signature, text;
	bool done = false;

	buf_init(&made, MADE_MAX + message->body.len);
	buf_init(&signature, 4 * SECRET_MAX);
	buf_init(&text, HEADER_MAX);
	if (scheme->signs != NULL) {
		enum template_result result;
		message->secret = buf_slice(&key->text);
		result = template_slices(scheme->signs, message, &made, parts);
		message->secret = (struct slice){ NULL, 0 };
		if (result != TEMPLATE_OK) {
			making_fail(making, "something that is signed is not in the message");
			goto out;
		}
	}
	if (!write_signature(scheme, key, parts, count, &signature)) {
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
	if (scheme->carrier_count == 0 || header_of(scheme->carriers[0]) == NULL)
		return making_fail(making, "the signature does not travel in a header");
	return true;
}

int
signature_make(const struct provider *provider, const struct config_secret *secret,
	struct message *message, int64_t now_ms, struct signature_header *out, size_t max,
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
