/* provider_signed.c - what a provider's signatures cover: the body, the ids
 *
 * Judged for the worst of a provider's schemes, and of the texts that one may sign.
 */
#include "provider_compiler.h"

#include <string.h>

/* Does what is signed hold this part of a request as the other names it? In lower case it binds
 * no other spelling; absent and empty are the same to both. */
static bool
same_reference(const struct template_part *a, const struct template_part *b)
{
	if (a->kind != b->kind || a->lower != b->lower)
		return false;
	if (a->kind == TEMPLATE_HEADER)
		return strcmp(a->variable, b->variable) == 0;
	return a->text == NULL || b->text == NULL ? a->text == b->text
						  : strcmp(a->text, b->text) == 0;
}

/* Does this part of what is signed end what stands beside it? A text does, and what the endpoint
 * says, and a time within a window, which has one spelling: not a digit more or less fits. */
static bool
is_border(const struct provider_scheme *scheme, const struct template_part *part)
{
	return part->kind == TEMPLATE_LITERAL || part->kind == TEMPLATE_SECRET ||
	       part->kind == TEMPLATE_PARAMETER ||
	       (part->kind == TEMPLATE_TIMESTAMP && scheme->tolerance_ms >= 0 &&
		       scheme->future_ms >= 0);
}

/* Is it certain where part i begins and ends? In "{header:X}{body}" it is not: a byte may belong
 * to either. A URL begins with its scheme, and so ends what stands before it. */
static bool
has_borders(const struct provider_scheme *scheme, const struct template *signs, size_t i)
{
	return (i == 0 || is_border(scheme, &signs->parts[i - 1])) &&
	       (i + 1 == signs->count || signs->parts[i + 1].kind == TEMPLATE_URL ||
		       is_border(scheme, &signs->parts[i + 1]));
}

static bool
holds_reference(const struct provider_scheme *scheme, const struct template *signs,
	const struct template_part *part)
{
	for (size_t i = 0; i < signs->count; i++) {
		if (same_reference(&signs->parts[i], part) && has_borders(scheme, signs, i))
			return true;
	}
	return false;
}

/* Does it hold all of what references of this kind stand for, each letter, whatever is absent? */
static bool
holds_whole(
	const struct provider_scheme *scheme, const struct template *signs, enum template_kind kind)
{
	for (size_t i = 0; i < signs->count; i++) {
		const struct template_part *part = &signs->parts[i];
		if (part->kind == kind && !part->lower && !part->optional &&
			(is_border(scheme, part) || has_borders(scheme, signs, i)))
			return true;
	}
	return false;
}

static bool
all_hold_whole(const struct provider_scheme *scheme, enum template_kind kind)
{
	for (size_t i = 0; i < scheme->signs_count; i++) {
		if (!holds_whole(scheme, scheme->signs[i], kind))
			return false;
	}
	return scheme->signs_count > 0;
}

/* Is that part what {timestamp} or {key_id} stands for? One that is put together of several has
 * no borders. */
static bool
stands_for(const struct template *template, const struct template_part *part)
{
	return template != NULL && template->count == 1 && same_reference(template->parts, part);
}

/* Is the part "EACH.NUMBER.PATH", where the scheme signs {item:PATH} of each element? */
static bool
holds_item(const struct provider_scheme *scheme, const struct template *signs, const char *path)
{
	size_t each_len = scheme->each != NULL ? strlen(scheme->each) : 0, digits;

	if (each_len == 0 || strncmp(path, scheme->each, each_len) != 0 || path[each_len] != '.')
		return false;
	path += each_len + 1;
	digits = strspn(path, "0123456789");
	if (digits == 0 || path[digits] != '.')
		return false;
	path += digits + 1;
	for (size_t i = 0; i < signs->count; i++) {
		if (signs->parts[i].kind == TEMPLATE_ITEM && !signs->parts[i].lower &&
			has_borders(scheme, signs, i) && strcmp(signs->parts[i].text, path) == 0)
			return true;
	}
	return false;
}

/* Is what this part of an id refers to among the bytes of this text? */
static bool
text_binds(const struct provider_scheme *scheme, const struct template *signs,
	const struct template_part *part)
{
	if (holds_reference(scheme, signs, part))
		return true;
	if (part->kind == TEMPLATE_BODY_FIELD)
		return holds_item(scheme, signs, part->text);
	/* As what {timestamp} or {key_id} stands for there. */
	return (holds_whole(scheme, signs, TEMPLATE_TIMESTAMP) &&
		       stands_for(scheme->timestamp, part)) ||
	       (holds_whole(scheme, signs, TEMPLATE_KEY_ID) && stands_for(scheme->key_id, part));
}

/* Does every text hold the field of the form that the provider's document is read from? */
static bool
signs_document(const struct provider_scheme *scheme, const char *document)
{
	bool all = document != NULL && scheme->signs_count > 0;

	for (size_t i = 0; all && i < scheme->signs_count; i++) {
		const struct template *signs = scheme->signs[i];
		bool held = false;
		for (size_t p = 0; p < signs->count; p++) {
			const struct template_part *part = &signs->parts[p];
			held |= part->kind == TEMPLATE_FORM && !part->lower && !part->optional &&
				has_borders(scheme, signs, p) && strcmp(part->text, document) == 0;
		}
		all = held;
	}
	return all;
}

static bool
part_is_signed(const struct template_part *part, const struct provider_scheme *scheme,
	const char *document)
{
	switch (part->kind) {
	case TEMPLATE_LITERAL:
	case TEMPLATE_ENDPOINT: return true; /* not the sender's to choose */
	case TEMPLATE_CLAIM: return scheme->jws != NULL && scheme->signs_count == 0;
	case TEMPLATE_BODY_FIELD:
	case TEMPLATE_KEY:
	case TEMPLATE_RAW:
		if (scheme->signs_body || signs_document(scheme, document))
			return true;
		break;
	case TEMPLATE_BODY:
	case TEMPLATE_BODYHASH:
	case TEMPLATE_ENCODED:
	case TEMPLATE_FORM:
	case TEMPLATE_SORTED_FORM:
		if (scheme->signs_body)
			return true;
		break;
	case TEMPLATE_METHOD:
	case TEMPLATE_PATH:
	case TEMPLATE_TARGET:
	case TEMPLATE_HEADER:
	case TEMPLATE_QUERY: break;
	/* {url} may be the registered one, whatever was asked for. */
	case TEMPLATE_URL:
	case TEMPLATE_TIMESTAMP:
	case TEMPLATE_SIGNATURE:
	case TEMPLATE_EVENT:
	case TEMPLATE_ID:
	case TEMPLATE_ITEM:
	case TEMPLATE_PARAMETER:
	case TEMPLATE_KEY_ID:
	case TEMPLATE_CHECKSUM:
	case TEMPLATE_CANONICAL:
	case TEMPLATE_DIGEST:
	case TEMPLATE_SECRET: return false;
	}
	for (size_t i = 0; i < scheme->signs_count; i++) {
		if (!text_binds(scheme, scheme->signs[i], part))
			return false;
	}
	return scheme->signs_count > 0;
}

static bool
scheme_signs_ids(const struct provider_scheme *scheme, const struct provider *provider)
{
	if (scheme->method == PROVIDER_TOKEN || scheme->method == PROVIDER_NONE)
		return false;
	if (all_hold_whole(scheme, TEMPLATE_ID))
		return true;
	for (size_t i = 0; i < provider->id_count; i++) {
		const struct template *id = provider->ids[i];
		for (size_t p = 0; p < id->count; p++) {
			if (!part_is_signed(&id->parts[p], scheme, provider->document))
				return false;
		}
	}
	return true;
}

/* Every byte of it; a checksum (crc32) is none, since a body of any checksum can be made. Nor is
 * the body's base64 in lower case; its digest stays one. */
static bool
text_binds_body(const struct template *signs)
{
	for (size_t i = 0; i < signs->count; i++) {
		const struct template_part *part = &signs->parts[i];
		if (part->kind == TEMPLATE_BODY || part->kind == TEMPLATE_BODYHASH ||
			(part->kind == TEMPLATE_ENCODED && !part->lower) ||
			(part->kind == TEMPLATE_CANONICAL && part->canonical->signs_body &&
				!part->lower && !part->optional))
			return true;
	}
	return false;
}

/* Is the text a part of what was signed, so that it may vouch for the body? */
static bool
vouches(const struct provider_scheme *scheme, const struct template *text)
{
	if (text->count != 1)
		return false;
	/* The query is all of it in the URL, whatever else is there. */
	if (text->parts[0].kind == TEMPLATE_QUERY &&
		(all_hold_whole(scheme, TEMPLATE_URL) || all_hold_whole(scheme, TEMPLATE_TARGET)))
		return true;
	return text->parts[0].kind != TEMPLATE_LITERAL &&
	       part_is_signed(&text->parts[0], scheme, NULL);
}

static bool
is_body_digest(const struct template *text)
{
	return text->count == 1 && text->parts[0].kind == TEMPLATE_BODYHASH;
}

static bool
scheme_signs_body(const struct provider_scheme *scheme)
{
	bool all = scheme->signs_count > 0;

	for (size_t i = 0; i < scheme->signs_count; i++)
		all &= text_binds_body(scheme->signs[i]);
	for (size_t i = 0; i < scheme->requires_count; i++) {
		const struct provider_requirement *requirement = &scheme->requires[i];
		all |= (is_body_digest(requirement->left) && vouches(scheme, requirement->right)) ||
		       (is_body_digest(requirement->right) && vouches(scheme, requirement->left));
	}
	return all;
}

void
compile_judgement(struct provider *provider)
{
	provider->id_is_signed = provider->id_count > 0;
	provider->body_is_signed = true;
	for (size_t i = 0; i < provider->scheme_count; i++) {
		struct provider_scheme *scheme = &provider->schemes[i];
		scheme->signs_body = scheme_signs_body(scheme);
		provider->id_is_signed &= scheme_signs_ids(scheme, provider);
		provider->body_is_signed &= scheme->signs_body;
	}
}
