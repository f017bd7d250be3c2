/* signature_signed.c - the bytes that are signed, and whether they can mean one thing only */
#include "signature_check.h"

#include <string.h>

bool
check_signs_any(const struct provider_scheme *scheme, enum template_kind kind)
{
	for (size_t i = 0; i < scheme->signs_count; i++) {
		if (template_refers(scheme->signs[i], kind))
			return true;
	}
	return false;
}

/* May the sender write any text for this? A time that is judged has one strict spelling. */
static bool
is_free_form(const struct provider_scheme *scheme, enum template_kind kind)
{
	return kind == TEMPLATE_ID || kind == TEMPLATE_HEADER || kind == TEMPLATE_QUERY ||
	       kind == TEMPLATE_KEY_ID ||
	       (kind == TEMPLATE_TIMESTAMP && !check_judges_time(scheme));
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

bool
check_repeats_a_name(const struct message *message, const struct leaves *leaves)
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
			check_repeats_a_name(message,
				message_leaves_under(message, template_first_name(part->text))))
			return false;
	}
	return true;
}

/* Fill parts with what is signed: the first of the texts of which everything is there. key: for {secret}. */
enum signature_result
check_expand(struct check *check, const struct key *key)
{
	const struct provider_scheme *scheme = check->scheme;
	enum signature_result result = SIGNATURE_MISSING;

	for (size_t i = 0; i < scheme->signs_count && result == SIGNATURE_MISSING; i++) {
		buf_clear(&check->signed_made);
		check->signs = scheme->signs[i];
		check->part_count = check->signs->count;
		check->message->secret = buf_slice(&key->text);
		result = check_refusal_of(template_slices(
			check->signs, check->message, &check->signed_made, check->parts));
		check->message->secret = (struct slice){ NULL, 0 };
	}
	if (result == SIGNATURE_MISSING)
		check_note(check, "something of what is signed, \"%s\", is not there",
			scheme->signs[scheme->signs_count - 1]->source);
	if (result == SIGNATURE_VALID && (!borders_are_clear(check) || !fields_are_plain(check)))
		result = SIGNATURE_AMBIGUOUS;
	return result;
}
