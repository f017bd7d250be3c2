/* signature_read.c - what a message claims: signatures, time, the key's name, the id */
#include "signature_check.h"

#include <string.h>
#include <strings.h>

#include "text.h"

enum signature_result
check_refusal_of(enum template_result result)
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
		return check_refusal_of(template_slices(template, message, made, out));
	result = template_text(template, message, made);
	if (result == TEMPLATE_OK)
		*out = buf_slice(made);
	return check_refusal_of(result);
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
		check_note_text(check, "a signature", held.signature, 24);
		return;
	}
	check->two_times |= !take_shared(&check->timestamp, held.timestamp) ||
			    !take_shared(&check->key_id, held.key_id);
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
		check_read_part(check, origin, slice_trim(part));
		if (end == NULL)
			return;
		text.len -= part.len + separator_len;
		text.data = end + separator_len;
	}
}

enum signature_result
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
			check_note(check, "%s: not there", carrier->source);
			continue;
		}
		if (result != SIGNATURE_VALID)
			return result;
		check_note_text(check, carrier->source, text, 24);
		present = carried->present = true;
		check_read_text(check, i, text);
	}
	if (!present)
		return SIGNATURE_MISSING;
	if (check->count == 0)
		check_note(check, "it has not the shape \"%s\"", check->scheme->format[0]->source);
	if (check->two_times)
		check_note(check, "it names two different times or keys");
	return check->count > 0 && !check->two_times ? SIGNATURE_VALID : SIGNATURE_MALFORMED;
}

bool
check_judges_time(const struct provider_scheme *scheme)
{
	return scheme->has_timestamp && (scheme->tolerance_ms >= 0 || scheme->future_ms >= 0);
}

bool
check_is_claim(const struct template *template)
{
	return template != NULL && template_refers(template, TEMPLATE_CLAIM);
}

enum signature_result
check_read_shared(
	struct check *check, const struct template *template, struct buf *made, struct slice *out)
{
	enum signature_result result = expand(template, check->message, made, out);

	if (result == SIGNATURE_VALID)
		check_note_text(check, template->source, *out, 60);
	else
		check_note(check, "%s: not there", template->source);
	return result == SIGNATURE_VALID && out->len == 0 ? SIGNATURE_MISSING : result;
}

/* Of a token only after it was found right: then its claims are known. */
enum signature_result
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

enum signature_result
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

/* The id, where it is signed. */
enum signature_result
check_read_id(struct check *check)
{
	const struct provider *provider = check->provider;
	struct slice *id = &check->message->id;

	if (!check_signs_any(check->scheme, TEMPLATE_ID))
		return SIGNATURE_VALID;
	for (size_t i = 0; i < provider->id_count; i++) {
		enum signature_result result =
			expand(provider->ids[i], check->message, &check->id_made, id);
		if (result == SIGNATURE_VALID && id->len > 0) {
			check_note_text(check, provider->ids[i]->source, *id, 60);
			note_joined(check, *id);
			return SIGNATURE_VALID;
		}
		*id = (struct slice){ NULL, 0 };
		buf_clear(&check->id_made);
		if (result != SIGNATURE_VALID && result != SIGNATURE_MISSING)
			return result;
	}
	check_note(check, "the id, which is signed, is not there");
	/* Another text may do without it. */
	return provider_scheme_signs(check->scheme, TEMPLATE_ID) ? SIGNATURE_MISSING
								 : SIGNATURE_VALID;
}

enum signature_result
check_time_of(const struct check *check, int64_t *time_ms_out)
{
	const struct provider_scheme *scheme = check->scheme;

	if (!scheme->has_timestamp)
		return SIGNATURE_VALID;
	if (check->message->timestamp.len == 0)
		return scheme->timestamp != NULL ? SIGNATURE_MISSING : SIGNATURE_MALFORMED;
	if (check_judges_time(scheme) && !text_parse_time(scheme->timestamp_format,
						 check->message->timestamp, time_ms_out)) {
		check_note(check, "the time cannot be read");
		return SIGNATURE_MALFORMED;
	}
	return SIGNATURE_VALID;
}
