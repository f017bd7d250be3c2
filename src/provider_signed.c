/* provider_signed.c - which of a provider's ids its signatures cover */
#include "provider_compiler.h"

#include <string.h>

/* Does the template refer to the same header or query field as part does? */
static bool
holds_field(const struct template *template, const struct template_part *part)
{
	for (size_t i = 0; i < template->count; i++) {
		const struct template_part *other = &template->parts[i];
		if (other->kind != part->kind)
			continue;
		if (part->kind == TEMPLATE_HEADER ? strcmp(part->variable, other->variable) == 0
						  : strcmp(part->text, other->text) == 0)
			return true;
	}
	return false;
}

/* Is what this part of an id template refers to among the bytes that are signed? */
static bool
part_is_signed(const struct template_part *part, const struct provider_scheme *scheme)
{
	const struct template *signs = scheme->signs;

	switch (part->kind) {
	case TEMPLATE_LITERAL:
	case TEMPLATE_ENDPOINT: return true; /* not the sender's to choose */
	case TEMPLATE_BODY:
	case TEMPLATE_BODY_FIELD:
	case TEMPLATE_KEY:
	case TEMPLATE_BODYHASH: return scheme->signs_body;
	case TEMPLATE_SORTED_FORM:
		return scheme->signs_body || template_refers(signs, TEMPLATE_SORTED_FORM);
	case TEMPLATE_METHOD:
	case TEMPLATE_PATH: return template_refers(signs, part->kind);
	case TEMPLATE_HEADER:
	case TEMPLATE_QUERY: break;
	/* {url} may be the registered one, whatever was asked for. */
	case TEMPLATE_URL:
	case TEMPLATE_TIMESTAMP:
	case TEMPLATE_SIGNATURE:
	case TEMPLATE_EVENT:
	case TEMPLATE_ID:
	case TEMPLATE_TARGET:
	case TEMPLATE_ENCODED:
	case TEMPLATE_ITEM:
	case TEMPLATE_CLAIM:
	case TEMPLATE_PARAMETER:
	case TEMPLATE_KEY_ID:
	case TEMPLATE_DIGEST:
	case TEMPLATE_SECRET: return false;
	}
	/* Among the signed bytes itself, or as what {timestamp} stands for there. */
	return holds_field(signs, part) ||
	       (scheme->timestamp != NULL && template_refers(signs, TEMPLATE_TIMESTAMP) &&
		       holds_field(scheme->timestamp, part));
}

static bool
scheme_signs_ids(const struct provider_scheme *scheme, const struct provider *provider)
{
	if (scheme->signs == NULL)
		return false;
	if (template_refers(scheme->signs, TEMPLATE_ID))
		return true;
	for (size_t i = 0; i < provider->id_count; i++) {
		const struct template *id = provider->ids[i];
		for (size_t p = 0; p < id->count; p++) {
			if (!part_is_signed(&id->parts[p], scheme))
				return false;
		}
	}
	return true;
}

void
compile_judgement(struct provider *provider)
{
	provider->id_is_signed = provider->id_count > 0;
	provider->body_is_signed = true;
	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		provider->id_is_signed &= scheme_signs_ids(scheme, provider);
		provider->body_is_signed &= scheme->signs_body;
	}
}
