/* provider_compiler.c - faults, templates and lists, for the files that compile a provider */
#include "provider_compiler.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define FAULT_SIZE 512

/* Keep what the main scheme was blamed for; true: this variant only inherits it. */
static bool
already_told(struct compiler *compiler, const char *line)
{
	if (compiler->block == NULL) {
		compiler->told = xreallocarray(
			compiler->told, compiler->told_count + 1, sizeof *compiler->told);
		compiler->told[compiler->told_count++] = xstrdup(line);
		return false;
	}
	for (size_t i = 0; i < compiler->told_count; i++) {
		if (strcmp(compiler->told[i], line) == 0)
			return true;
	}
	return false;
}

void
compile_fault(struct compiler *compiler, const char *option, const char *format, ...)
{
	char message[FAULT_SIZE], line[FAULT_SIZE + 32];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	compiler->failed = true;
	snprintf(line, sizeof line, "%s %s", option, message);
	if (!already_told(compiler, line))
		compiler->fault(compiler->context, compiler->block, option, message);
}

void
compile_forget_told(struct compiler *compiler)
{
	for (size_t i = 0; i < compiler->told_count; i++)
		free(compiler->told[i]);
	free(compiler->told);
	compiler->told = NULL;
	compiler->told_count = 0;
}

char *
compile_copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

size_t
compile_count(char *const *list)
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

#define KIND(name) (1u << TEMPLATE_##name)
#define FIELD_KINDS (KIND(BODY_FIELD) | KIND(FORM) | KIND(HEADER) | KIND(QUERY))
#define REQUEST_KINDS                                                                            \
	(FIELD_KINDS | KIND(KEY) | KIND(BODY) | KIND(BODYHASH) | KIND(SORTED_FORM) | KIND(URL) | \
		KIND(PATH) | KIND(TARGET) | KIND(METHOD) | KIND(ENDPOINT))
#define SIGNED_KINDS                                                               \
	(REQUEST_KINDS | KIND(TIMESTAMP) | KIND(ID) | KIND(ENCODED) | KIND(ITEM) | \
		KIND(PARAMETER) | KIND(KEY_ID) | KIND(RAW) | KIND(CHECKSUM) | KIND(CANONICAL))

static const unsigned place_kinds[] = {
	[PLACE_CARRIER] = FIELD_KINDS | KIND(ITEM),
	[PLACE_CARRIER_JWS] = FIELD_KINDS | KIND(BODY),
	[PLACE_TIME_JWS] = FIELD_KINDS | KIND(CLAIM),
	[PLACE_FORMAT] = KIND(SIGNATURE) | KIND(TIMESTAMP) | KIND(KEY_ID),
	[PLACE_SIGNS] = SIGNED_KINDS,
	[PLACE_SIGNS_HASH] = SIGNED_KINDS | KIND(SECRET),
	[PLACE_REQUIRES] = SIGNED_KINDS | KIND(CLAIM),
	[PLACE_FACT] = REQUEST_KINDS | KIND(CLAIM),
	[PLACE_EXPECTED] = REQUEST_KINDS | KIND(PARAMETER),
	[PLACE_CHALLENGE] = FIELD_KINDS | KIND(KEY) | KIND(PARAMETER),
	[PLACE_LEARNS] = FIELD_KINDS,
	[PLACE_ANSWER] = REQUEST_KINDS | KIND(PARAMETER) | KIND(DIGEST) | KIND(EVENT) | KIND(ID),
	[PLACE_SUCCESS] = REQUEST_KINDS | KIND(EVENT) | KIND(ID),
	[PLACE_CALL] = KIND(URL) | KIND(ENDPOINT) | KIND(PARAMETER),
};

static void
fault_misplaced(struct compiler *compiler, const char *option, enum place place,
	enum template_kind kind, const char *source)
{
	char known[FAULT_SIZE / 2] = "";
	size_t used = 0;

	for (int i = TEMPLATE_LITERAL + 1; i < TEMPLATE_KIND_COUNT; i++) {
		if ((place_kinds[place] & 1u << i) != 0 && used < sizeof known)
			used += (size_t)snprintf(known + used, sizeof known - used, " %s",
				template_kind_name((enum template_kind)i));
	}
	compile_fault(compiler, option,
		"\"%.80s\": %s has no meaning here: write text and any of%s", source,
		template_kind_name(kind), known);
}

static bool
refers_to_anything(const struct template *template)
{
	for (size_t i = 0; i < template->count; i++) {
		if (template->parts[i].kind != TEMPLATE_LITERAL)
			return true;
	}
	return false;
}

static bool
is_for_handshake(enum place place)
{
	return place == PLACE_EXPECTED || place == PLACE_CHALLENGE || place == PLACE_ANSWER;
}

/* Of several templates that refer to it the first that needs it most is told. */
static void
note_parameter(struct compiler *compiler, const char *option, enum place place,
	const struct template_part *part)
{
	struct provider *provider = compiler->provider;
	struct provider_parameter *parameter = NULL;
	enum provider_need need = part->optional            ? PROVIDER_NEED_NONE
				  : is_for_handshake(place) ? PROVIDER_NEED_HANDSHAKE
							    : PROVIDER_NEED_SCHEME;
	char use[128];

	for (size_t i = 0; i < provider->parameter_count; i++) {
		if (strcmp(provider->parameters[i].name, part->text) == 0)
			parameter = &provider->parameters[i];
	}
	if (parameter != NULL && parameter->need >= need)
		return;
	if (parameter == NULL) {
		provider->parameters = xreallocarray(provider->parameters,
			provider->parameter_count + 1, sizeof *provider->parameters);
		parameter = &provider->parameters[provider->parameter_count++];
		*parameter = (struct provider_parameter){ .name = xstrdup(part->text) };
	}
	if (is_for_handshake(place))
		snprintf(use, sizeof use, "handshake \"%.64s\"", compiler->block);
	else
		snprintf(use, sizeof use, "%.64s", option);
	free(parameter->use);
	parameter->use = xstrdup(use);
	parameter->need = need;
}

struct template *
compile_template(
	struct compiler *compiler, const char *option, enum place place, const char *source)
{
	char reason[256];
	struct template *template;

	if (*source == '\0') {
		compile_fault(compiler, option, "is empty: leave it out or write a template");
		return NULL;
	}
	template = template_parse(source, reason);
	if (template == NULL) {
		compile_fault(compiler, option, "\"%.80s\": %s", source, reason);
		return NULL;
	}
	for (size_t i = 0; i < template->count; i++) {
		enum template_kind kind = template->parts[i].kind;
		if (kind == TEMPLATE_PARAMETER && place != PLACE_CALL &&
			(place_kinds[place] & 1u << kind) != 0)
			note_parameter(compiler, option, place, &template->parts[i]);
		if (kind == TEMPLATE_LITERAL || (place_kinds[place] & 1u << kind) != 0)
			continue;
		fault_misplaced(compiler, option, place, kind, source);
		template_free(template);
		return NULL;
	}
	return template;
}

struct template *
compile_reference(
	struct compiler *compiler, const char *option, enum place place, const char *source)
{
	struct template *template = compile_template(compiler, option, place, source);

	if (template == NULL || refers_to_anything(template))
		return template;
	compile_fault(compiler, option,
		"\"%.80s\" is the same text for every request: refer to a part of it in braces, as "
		"in %s",
		source, place == PLACE_FORMAT ? "{signature}" : "{header:X-Name} or {body:field}");
	template_free(template);
	return NULL;
}

bool
compile_is_one_of(const char *text, const char *a, const char *b)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

int
compile_status(struct compiler *compiler, const char *option, const char *text, int least, int most,
	int usual)
{
	uint64_t status;

	if (text == NULL)
		return usual;
	if (text_parse_number(slice_of(text), (uint64_t)most, &status) && status >= (uint64_t)least)
		return (int)status;
	compile_fault(compiler, option,
		"\"%.40s\" is not possible here: write a number from %d to %d", text, least, most);
	return usual;
}

size_t
compile_list(struct compiler *compiler, const char *option, enum place place, char *const *sources,
	bool must_refer, struct template ***out)
{
	size_t count = compile_count(sources), compiled = 0;

	*out = xcalloc(count, sizeof **out);
	for (size_t i = 0; i < count; i++) {
		struct template *template =
			must_refer ? compile_reference(compiler, option, place, sources[i])
				   : compile_template(compiler, option, place, sources[i]);
		if (template != NULL)
			(*out)[compiled++] = template;
	}
	return compiled;
}

const char *
compile_equals_sign(const char *text)
{
	bool inside = false;

	for (; *text != '\0'; text++) {
		if (*text == '{')
			inside = true;
		else if (*text == '}')
			inside = false;
		else if (*text == '=' && !inside)
			return text;
	}
	return NULL;
}
