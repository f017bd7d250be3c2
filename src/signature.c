/* signature.c - is this message really from the sender
 *
 * Checking one scheme is a straight line: read what the message claims (the
 * signatures in its carriers, the time, the key's name, the id), put together the bytes that
 * are signed without copying the body, make our own signature with each
 * secret, compare texts, then see whether what else the scheme requires holds. The clock is
 * asked last, so that only who knows a secret learns that a message is too old.
 */
#include "signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "signature_check.h"

/* Room for what a template makes anew (decoded query fields, digests); no web
 * server hands on a longer header or URL. A sorted form is at most as long as the body. */
#define MADE_MAX 65536

/* Signatures of one request that each have a time or a key's name of their own: each costs a MAC over the body. */
#define GROUPS_MAX 4

#define ITEMS_MAX 1000 /* elements of an array that is checked one by one */

struct verifier {
	const struct provider *provider;
	size_t secret_count;
	struct key *keys; /* secret_count for each scheme, schemes in order */
};

const char *
signature_reason(enum signature_result result)
{
	switch (result) {
	case SIGNATURE_VALID: return "valid signature";
	case SIGNATURE_MISSING: return "no signature";
	case SIGNATURE_MALFORMED: return "malformed signature";
	case SIGNATURE_WRONG: return "wrong signature";
	case SIGNATURE_NO_KEY: return "no secret is for the key that the sender names";
	case SIGNATURE_UNMET: return "right signature, but not what the provider requires";
	case SIGNATURE_EXPIRED: return "expired";
	case SIGNATURE_EARLY: return "dated in the future";
	case SIGNATURE_REPEATED: return "repeated signature, id or time header";
	case SIGNATURE_AMBIGUOUS: return "ambiguous id, time, header or field";
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
	const char *key_id = check->keys[index].key_id;
	if (other && key_id != NULL)
		check_note(check, "secret %zu is for another key: \"%s\"", index + 1, key_id);
	else
		check_note(check, "secret %zu %s", index + 1,
			other  ? "is for another key or scheme"
			: fits ? "makes a signature that was sent"
			       : "makes none of the signatures that were sent");
}

enum signature_result
check_secrets(struct check *check, const size_t *group, size_t group_count,
	const struct slice *parts, size_t count, bool *any_out)
{
	struct slice named = check->message->key_id;
	bool meant = false;

	for (size_t i = 0; i < check->secret_count; i++) {
		const struct key *key = &check->keys[i];
		enum signature_result result = SIGNATURE_VALID;
		bool fits = false;
		meant |= key->key_id == NULL || slice_is(named, key->key_id);
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
	check->meant |= meant;
	if (!meant && named.len > 0) {
		snprintf(check->key_id_text, sizeof check->key_id_text, "%.*s", (int)named.len,
			named.data);
		check_note_text(check,
			"no secret is for the key that the sender names (a block key of this id "
			"is missing)",
			named, SIGNATURE_KEY_ID_MAX);
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
	check_note(check, "%s must be %s: %s", requirement->left->source,
		requirement->right->source, holds ? "it is" : "it is not");
	buf_free(&right);
	buf_free(&left);
	return holds;
}

enum signature_result
check_requires(const struct check *check)
{
	bool all = true;

	for (size_t i = 0; i < check->scheme->requires_count; i++)
		all &= requirement_holds(check, &check->scheme->requires[i]);
	return all ? SIGNATURE_VALID : SIGNATURE_UNMET;
}

/* Both ends of the window belong to it. A time without fractions is compared with a clock
 * without them, so that 300 s ago is 300 s ago for the whole second. */
enum signature_result
check_window(const struct check *check, int64_t time_ms)
{
	const struct provider_scheme *scheme = check->scheme;
	int64_t now_ms = check->now_ms;

	if (scheme->timestamp_format == TEXT_TIME_S || scheme->timestamp_format == TEXT_TIME_HTTP)
		now_ms -= now_ms % 1000;
	check_note(check, "the time is %lld s %s", (long long)llabs(now_ms - time_ms) / 1000,
		time_ms > now_ms ? "ahead" : "ago");
	if (scheme->tolerance_ms >= 0)
		check_note(check, "at most %lld s ago is taken",
			(long long)scheme->tolerance_ms / 1000);
	if (scheme->future_ms >= 0)
		check_note(check, "at most %lld s ahead is taken",
			(long long)scheme->future_ms / 1000);
	if (scheme->tolerance_ms >= 0 && time_ms < now_ms - scheme->tolerance_ms)
		return SIGNATURE_EXPIRED;
	if (scheme->future_ms >= 0 && time_ms > now_ms + scheme->future_ms)
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
check_group(struct check *check, const size_t *group, size_t count)
{
	const struct provider_scheme *scheme = check->scheme;
	const struct sent *first = &check->sent[group[0]];
	bool any = false, of_secret = check_signs_any(scheme, TEMPLATE_SECRET);
	enum signature_result result;
	const struct slice *parts = NULL;
	int64_t time_ms = 0;

	check->message->timestamp = own_or(first->timestamp, check->timestamp);
	check->message->key_id = own_or(first->key_id, check->key_id);
	result = check_time_of(check, &time_ms);
	if (result == SIGNATURE_VALID && !of_secret && scheme->signs_count > 0) {
		result = check_expand(check, &check->keys[0]);
		/* Else there are no parts. */
		if (result == SIGNATURE_VALID || result == SIGNATURE_AMBIGUOUS)
			check_note_signed(check, check->parts, check->part_count);
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
	if (result == SIGNATURE_VALID && check_judges_time(scheme))
		result = check_window(check, time_ms);
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
	case SIGNATURE_VALID: return 9;
	case SIGNATURE_ERROR: return 8;
	case SIGNATURE_REPEATED: return 7;
	case SIGNATURE_AMBIGUOUS: return 6;
	case SIGNATURE_EXPIRED: return 5;
	case SIGNATURE_EARLY: return 4;
	case SIGNATURE_UNMET: return 3;
	case SIGNATURE_WRONG:
	case SIGNATURE_NO_KEY: return 2;
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

	if (result == SIGNATURE_VALID && !check_is_claim(check->scheme->timestamp))
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
	struct signature_report *report;
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
	check_note(&check, "scheme %s", check.scheme->label);
	result = check_once(&check);
	if (result == SIGNATURE_WRONG && !check.meant && check.key_id_text[0] != '\0') {
		result = SIGNATURE_NO_KEY;
		memcpy(asked->report->key_id, check.key_id_text, sizeof check.key_id_text);
	}
	check_note(&check, "%s", signature_reason(result));
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
	if (!leaves_is_plain(leaves, each) || check_repeats_a_name(message, leaves))
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
	const struct asked asked = { verifier, message, now_ms, note_function, context, report };
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
