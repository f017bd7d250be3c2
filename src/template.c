/* template.c - text with references in braces
 *
 * A template is parsed once, when its file is read, into a short flat list of
 * parts; expanding it walks that list and points at the bytes where they
 * already lie. What has to be made (decoded queries, digests, sorted forms)
 * goes into one scratch buffer, so a body of a megabyte is signed without being
 * copied. There are no conditions, filters or nested references on purpose:
 * whoever needs more writes it into the handler.
 */
#include "template.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "form.h"
#include "gzip.h"
#include "json.h"

enum argument { ARGUMENT_NONE, ARGUMENT_NEEDED };

static const struct reference {
	const char *name;
	enum argument argument;
	enum template_kind kind;
	const char *written; /* for messages */
} references[] = {
	{ "body", ARGUMENT_NONE, TEMPLATE_BODY, "{body}" },
	{ "body", ARGUMENT_NEEDED, TEMPLATE_BODY_FIELD, "{body:PATH}" },
	{ "header", ARGUMENT_NEEDED, TEMPLATE_HEADER, "{header:NAME}" },
	{ "query", ARGUMENT_NEEDED, TEMPLATE_QUERY, "{query:NAME}" },
	{ "key", ARGUMENT_NEEDED, TEMPLATE_KEY, "{key:A|B}" },
	{ "url", ARGUMENT_NONE, TEMPLATE_URL, "{url}" },
	{ "path", ARGUMENT_NONE, TEMPLATE_PATH, "{path}" },
	{ "method", ARGUMENT_NONE, TEMPLATE_METHOD, "{method}" },
	{ "timestamp", ARGUMENT_NONE, TEMPLATE_TIMESTAMP, "{timestamp}" },
	{ "signature", ARGUMENT_NONE, TEMPLATE_SIGNATURE, "{signature}" },
	{ "event", ARGUMENT_NONE, TEMPLATE_EVENT, "{event}" },
	{ "id", ARGUMENT_NONE, TEMPLATE_ID, "{id}" },
	{ "endpoint", ARGUMENT_NONE, TEMPLATE_ENDPOINT, "{endpoint}" },
	{ "secret", ARGUMENT_NONE, TEMPLATE_SECRET, "{secret}" },
	{ "bodyhash", ARGUMENT_NEEDED, TEMPLATE_BODYHASH, "{bodyhash:DIGEST:ENCODING}" },
	{ "sorted_form", ARGUMENT_NONE, TEMPLATE_SORTED_FORM, "{sorted_form}" },
	{ "target", ARGUMENT_NONE, TEMPLATE_TARGET, "{target}" },
	{ "encoded", ARGUMENT_NEEDED, TEMPLATE_ENCODED, "{encoded:ENCODING}" },
	{ "item", ARGUMENT_NEEDED, TEMPLATE_ITEM, "{item:PATH}" },
	{ "claim", ARGUMENT_NEEDED, TEMPLATE_CLAIM, "{claim:NAME}" },
	{ "parameter", ARGUMENT_NEEDED, TEMPLATE_PARAMETER, "{parameter:NAME}" },
	{ "key_id", ARGUMENT_NONE, TEMPLATE_KEY_ID, "{key_id}" },
	{ "digest", ARGUMENT_NONE, TEMPLATE_DIGEST, "{digest}" },
	{ "form", ARGUMENT_NEEDED, TEMPLATE_FORM, "{form:NAME}" },
	{ "raw", ARGUMENT_NEEDED, TEMPLATE_RAW, "{raw:PATH}" },
	{ "canonical", ARGUMENT_NEEDED, TEMPLATE_CANONICAL, "{canonical:NAME}" },
};

#define REFERENCE_COUNT (sizeof references / sizeof references[0])

const char *
template_kind_name(enum template_kind kind)
{
	for (size_t i = 0; i < REFERENCE_COUNT; i++) {
		if (references[i].kind == kind)
			return references[i].written;
	}
	return "text";
}

bool
template_digest_named(struct slice name, enum crypto_digest *out)
{
	static const char *const names[] = {
		[CRYPTO_MD5] = "md5",
		[CRYPTO_SHA1] = "sha1",
		[CRYPTO_SHA256] = "sha256",
		[CRYPTO_SHA384] = "sha384",
		[CRYPTO_SHA512] = "sha512",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (slice_is(name, names[i])) {
			*out = (enum crypto_digest)i;
			return true;
		}
	}
	return false;
}

bool
template_encoding_named(struct slice name, enum text_encoding *out)
{
	static const char *const names[] = {
		[TEXT_HEX] = "hex",
		[TEXT_HEX_UPPER] = "hex-upper",
		[TEXT_BASE64] = "base64",
		[TEXT_BASE64URL] = "base64url",
		[TEXT_BASE64_HEX] = "base64-hex",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (slice_is(name, names[i])) {
			*out = (enum text_encoding)i;
			return true;
		}
	}
	return false;
}

/*
 * Parsing. A template being built: its parts have room for TEMPLATE_PARTS_MAX,
 * literal for the whole source, so that "{{" and the text around it become one
 * part.
 */
struct parser {
	struct template *template;
	char *literal;
	size_t literal_len;
	char *reason; /* 256 bytes */
};

#define REASON_SIZE 256

static bool
add_part(struct parser *parser, const struct template_part *part)
{
	struct template *template = parser->template;

	if (template->count == TEMPLATE_PARTS_MAX) {
		snprintf(parser->reason, REASON_SIZE,
			"more than %d parts: make the template shorter", TEMPLATE_PARTS_MAX);
		return false;
	}
	template->parts[template->count++] = *part;
	return true;
}

static bool
flush_literal(struct parser *parser)
{
	struct template_part part = { .kind = TEMPLATE_LITERAL };

	if (parser->literal_len == 0)
		return true;
	part.text = xmemdup0(parser->literal, parser->literal_len);
	part.text_len = parser->literal_len;
	parser->literal_len = 0;
	if (add_part(parser, &part))
		return true;
	free(part.text);
	return false;
}

static bool
unknown_reference(struct parser *parser, struct slice name)
{
	size_t used =
		(size_t)snprintf(parser->reason, REASON_SIZE, "unknown reference {%.*s}: known are",
			(int)(name.len < 30 ? name.len : 30), name.data);

	for (size_t i = 0; i < REFERENCE_COUNT && used < REASON_SIZE; i++) {
		if (i == 0 || strcmp(references[i].name, references[i - 1].name) != 0)
			used += (size_t)snprintf(parser->reason + used, REASON_SIZE - used, " %s",
				references[i].name);
	}
	return false;
}

/* The reference of that name which takes an argument, or which takes none; the
 * other one of that name when there is no better (to say what is wrong). */
static const struct reference *
reference_find(struct slice name, bool has_argument)
{
	const struct reference *named = NULL;

	for (size_t i = 0; i < REFERENCE_COUNT; i++) {
		if (!slice_is(name, references[i].name))
			continue;
		named = &references[i];
		if (has_argument == (named->argument == ARGUMENT_NEEDED))
			break;
	}
	return named;
}

/* RFC 9110 5.6.2: what a header's name is made of. */
static bool
is_header_name(struct slice name)
{
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~";

	return name.len > 0 && name.len == strspn(name.data, allowed);
}

/* "sha256:hex" */
static bool
parse_bodyhash(struct slice argument, struct template_part *part)
{
	const char *colon = memchr(argument.data, ':', argument.len);
	struct slice digest, encoding;

	if (colon == NULL)
		return false;
	digest = (struct slice){ argument.data, (size_t)(colon - argument.data) };
	encoding = (struct slice){ colon + 1, argument.len - digest.len - 1 };
	return template_digest_named(digest, &part->digest) &&
	       template_encoding_named(encoding, &part->encoding);
}

static void
unknown_canonical(struct parser *parser, const char *name)
{
	const struct canonical_form *form;
	size_t used = (size_t)snprintf(
		parser->reason, REASON_SIZE, "there is no form {canonical:%.30s}: known are", name);

	for (size_t i = 0; (form = canonical_at(i)) != NULL && used < REASON_SIZE; i++)
		used += (size_t)snprintf(
			parser->reason + used, REASON_SIZE - used, " %s", form->name);
}

/* Fill in what the part's kind needs of its argument, which is text (a whole
 * C string); nothing is allocated on false. */
static bool
parse_argument(struct parser *parser, const char *text, struct template_part *part)
{
	struct slice argument = slice_of(text);

	if (part->kind == TEMPLATE_BODYHASH) {
		if (slice_is(argument, "crc32:decimal")) {
			part->kind = TEMPLATE_CHECKSUM;
			return true;
		}
		if (parse_bodyhash(argument, part))
			return true;
		snprintf(parser->reason, REASON_SIZE,
			"{bodyhash:%.60s} is not a digest and an encoding: write for example "
			"{bodyhash:sha256:hex}, with md5 sha1 sha256 sha384 sha512 and hex "
			"hex-upper base64 base64url",
			text);
		return false;
	}
	if (part->kind == TEMPLATE_ENCODED) {
		if (template_encoding_named(argument, &part->encoding))
			return true;
		snprintf(parser->reason, REASON_SIZE,
			"{encoded:%.60s} names no encoding: write hex, hex-upper, base64 or "
			"base64url",
			text);
		return false;
	}
	if (part->kind == TEMPLATE_CANONICAL) {
		part->canonical = canonical_find(argument);
		if (part->canonical == NULL)
			unknown_canonical(parser, text);
		return part->canonical != NULL;
	}
	if (part->kind == TEMPLATE_HEADER) {
		if (!is_header_name(argument)) {
			snprintf(parser->reason, REASON_SIZE,
				"{header:%.60s} is not the name of a header: write it as the "
				"sender does, as in {header:X-Event}",
				text);
			return false;
		}
		part->header = xstrdup(text);
		part->variable = message_header_variable(text);
		return true;
	}
	part->text = xstrdup(text);
	part->text_len = argument.len;
	return true;
}

/* What stands between "{" and "}". */
static bool
parse_reference(struct parser *parser, struct slice inside)
{
	struct template_part part = { .kind = TEMPLATE_LITERAL };
	const struct reference *reference;
	const char *colon;
	struct slice name;
	char *argument;
	bool ok;

	if (inside.len > 1 && inside.data[inside.len - 1] == '?') {
		part.optional = true;
		inside.len--;
	}
	if (inside.len > 6 && memcmp(inside.data, "lower:", 6) == 0) {
		part.lower = true;
		inside.data += 6;
		inside.len -= 6;
	}
	colon = inside.len > 0 ? memchr(inside.data, ':', inside.len) : NULL;
	name = (struct slice){ inside.data, colon ? (size_t)(colon - inside.data) : inside.len };
	reference = reference_find(name, colon != NULL);

	if (reference == NULL)
		return unknown_reference(parser, inside);
	part.kind = reference->kind;
	if (part.lower && part.kind == TEMPLATE_BODY && colon == NULL) {
		snprintf(parser->reason, REASON_SIZE,
			"{lower:body} would make two bodies one: write {body}");
		return false;
	}
	if (reference->argument == ARGUMENT_NONE) {
		if (colon == NULL)
			return add_part(parser, &part);
		snprintf(parser->reason, REASON_SIZE, "{%.*s} takes nothing behind it: write %s",
			(int)name.len, name.data, reference->written);
		return false;
	}
	if (colon == NULL || name.len + 1 == inside.len) {
		snprintf(parser->reason, REASON_SIZE, "{%.*s} does not say which: write %s",
			(int)inside.len, inside.data, reference->written);
		return false;
	}
	argument = xmemdup0(colon + 1, inside.len - name.len - 1);
	ok = parse_argument(parser, argument, &part);
	free(argument);
	if (ok && !add_part(parser, &part)) {
		free(part.text);
		free(part.header);
		free(part.variable);
		ok = false;
	}
	return ok;
}

static bool
parse_all(struct parser *parser, const char *source)
{
	const char *at = source;

	while (*at != '\0') {
		size_t len;

		if (*at != '{' && *at != '}') {
			parser->literal[parser->literal_len++] = *at++;
			continue;
		}
		if (at[1] == at[0]) {
			parser->literal[parser->literal_len++] = *at;
			at += 2;
			continue;
		}
		if (*at == '}') {
			snprintf(parser->reason, REASON_SIZE,
				"a lone } at character %zu: write }} for a brace",
				(size_t)(at - source) + 1);
			return false;
		}
		len = strcspn(at + 1, "{}");
		if (at[1 + len] != '}') {
			snprintf(parser->reason, REASON_SIZE,
				"the { at character %zu is not closed: write } behind its name, or "
				"{{ for a brace",
				(size_t)(at - source) + 1);
			return false;
		}
		if (!flush_literal(parser) ||
			!parse_reference(parser, (struct slice){ at + 1, len }))
			return false;
		at += len + 2;
	}
	return flush_literal(parser);
}

struct template *
template_parse(const char *source, char reason_out[256])
{
	struct parser parser = { .reason = reason_out };
	bool ok;

	parser.template = xcalloc(1, sizeof *parser.template);
	parser.template->source = xstrdup(source);
	parser.template->parts = xcalloc(TEMPLATE_PARTS_MAX, sizeof *parser.template->parts);
	parser.literal = xmalloc(strlen(source));
	ok = parse_all(&parser, source);
	free(parser.literal);
	if (!ok) {
		template_free(parser.template);
		return NULL;
	}
	return parser.template;
}

void
template_free(struct template *template)
{
	if (template == NULL)
		return;
	for (size_t i = 0; i < template->count; i++) {
		free(template->parts[i].text);
		free(template->parts[i].header);
		free(template->parts[i].variable);
	}
	free(template->parts);
	free(template->source);
	free(template);
}

bool
template_refers(const struct template *template, enum template_kind kind)
{
	for (size_t i = 0; i < template->count; i++) {
		if (template->parts[i].kind == kind)
			return true;
	}
	return false;
}

bool
template_needs_leaves(const struct template *template)
{
	return template_refers(template, TEMPLATE_BODY_FIELD) ||
	       template_refers(template, TEMPLATE_KEY) ||
	       template_refers(template, TEMPLATE_ITEM) ||
	       template_refers(template, TEMPLATE_SORTED_FORM);
}

/*
 * {sorted_form}. The leaves cannot be used: they have taken nested names apart
 * and dropped repeated ones. They have vouched for the form's escapes, though.
 */
struct field {
	struct slice name, value; /* decoded */
};

static int
compare_fields(const void *a, const void *b)
{
	const struct field *left = a, *right = b;
	int order = slice_compare(left->name, right->name);

	return order != 0 ? order : slice_compare(left->value, right->value);
}

/* Decode text to *at, which has room for it, and move *at behind the result. */
static struct slice
decode_component(struct slice text, char **at)
{
	struct slice decoded = { *at, 0 };

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%' && text.len - i > 2) {
			c = (char)(text_hex_value(text.data[i + 1]) << 4 |
				   text_hex_value(text.data[i + 2]));
			i += 2;
		}
		*(*at)++ = c;
	}
	decoded.len = (size_t)(*at - decoded.data);
	return decoded;
}

/* Decode the form's fields into text and fields, which have room for them. */
static size_t
split_form(struct slice form, char *text, struct field *fields)
{
	size_t count = 0;

	while (form.len > 0) {
		struct slice pair = slice_cut(form, '&', &form), value;
		struct slice name = slice_cut(pair, '=', &value);
		if (pair.len == 0)
			continue;
		fields[count].name = decode_component(name, &text);
		fields[count].value = decode_component(value, &text);
		count++;
	}
	return count;
}

static enum template_result
append_sorted_form(struct message *message, struct buf *out)
{
	struct slice form = message->body;
	enum template_result result = TEMPLATE_TOO_LONG;
	struct field *fields = NULL;
	struct buf text;
	size_t room = 1, count;

	if (message_body(message) != MESSAGE_BODY_FORM)
		return TEMPLATE_ABSENT;
	buf_init(&text, form.len);
	if (form.len > 0 && !buf_reserve(&text, form.len))
		goto out;
	/* At most FORM_FIELDS_MAX fields, or it were no form; empty ones do not count there. */
	for (size_t i = 0; i < form.len; i++)
		room += form.data[i] == '&' && i > 0 && form.data[i - 1] != '&';
	fields = xcalloc(room, sizeof *fields);
	count = split_form(form, text.data, fields);
	if (count > 0)
		qsort(fields, count, sizeof *fields, compare_fields);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && compare_fields(&fields[i - 1], &fields[i]) == 0)
			continue;
		if (!buf_append_slice(out, fields[i].name) ||
			!buf_append_slice(out, fields[i].value))
			goto out;
	}
	result = TEMPLATE_OK;
out:
	free(fields);
	buf_free(&text);
	return result;
}

/* Expanding. A value that had to be made is appended to scratch, and its place
 * there noted, since scratch may move when it grows. */
struct value {
	struct slice slice;
	bool in_scratch;
};

static enum template_result
known_or_absent(struct slice known, struct value *out)
{
	if (known.data == NULL)
		return TEMPLATE_ABSENT;
	out->slice = known;
	return TEMPLATE_OK;
}

struct slice
template_first_name(const char *path)
{
	return (struct slice){ path, strcspn(path, ".") };
}

static enum template_result
text_of(const struct leaf *leaf, struct value *out)
{
	if (!leaf_has_text(leaf))
		return TEMPLATE_ABSENT;
	out->slice = leaf->value;
	return TEMPLATE_OK;
}

static enum template_result
leaf_text(const struct leaves *leaves, struct slice path, struct value *out)
{
	struct leaf leaf;

	if (leaves == NULL || !leaves_find(leaves, path, &leaf))
		return TEMPLATE_ABSENT;
	return text_of(&leaf, out);
}

static enum template_result
expand_leaf(const struct template_part *part, struct message *message, struct value *out)
{
	const struct leaves *leaves =
		message_leaves_under(message, template_first_name(part->text));

	if (message->kind == MESSAGE_BODY_NO_MEMORY)
		return TEMPLATE_TOO_LONG;
	return leaf_text(leaves, (struct slice){ part->text, part->text_len }, out);
}

/* A leaf of the element at hand. */
static enum template_result
expand_item(const struct template_part *part, struct message *message, struct value *out)
{
	const struct leaves *leaves = message->item > 0 ? message_leaves(message) : NULL;
	struct leaf leaf;

	if (message->kind == MESSAGE_BODY_NO_MEMORY)
		return TEMPLATE_TOO_LONG;
	if (leaves == NULL || !leaves_find_in(leaves, message->item,
				      (struct slice){ part->text, part->text_len }, &leaf))
		return TEMPLATE_ABSENT;
	return text_of(&leaf, out);
}

static enum template_result
expand_raw(const struct template_part *part, struct message *message, struct value *out)
{
	struct slice path = { part->text, part->text_len };

	switch (json_find_raw(message_document(message), path, &out->slice)) {
	case JSON_RAW_FOUND: return TEMPLATE_OK;
	case JSON_RAW_REPEATED: return TEMPLATE_REPEATED;
	case JSON_RAW_ABSENT:
	case JSON_RAW_INVALID: break;
	}
	return TEMPLATE_ABSENT;
}

static enum template_result
expand_parameter(const struct template_part *part, const struct message *message, struct value *out)
{
	for (size_t i = 0; i < message->parameter_count; i++) {
		if (strcmp(message->parameters[i].name, part->text) == 0) {
			out->slice = slice_of(message->parameters[i].value);
			return TEMPLATE_OK;
		}
	}
	return TEMPLATE_ABSENT;
}

static enum template_result
expand_key(const struct template_part *part, struct message *message, struct value *out)
{
	struct slice names = { part->text, part->text_len };

	while (names.len > 0) {
		struct slice name = slice_cut(names, '|', &names);
		const struct leaves *leaves = message_leaves_under(message, name);
		if (message->kind == MESSAGE_BODY_NO_MEMORY)
			return TEMPLATE_TOO_LONG;
		if (leaves != NULL && leaves_has_key(leaves, name)) {
			out->slice = name;
			return TEMPLATE_OK;
		}
	}
	return TEMPLATE_ABSENT;
}

static enum template_result
expand_header(const struct template_part *part, const struct message *message, struct value *out)
{
	switch (message_header(message, part->variable, &out->slice)) {
	case MESSAGE_FOUND: return TEMPLATE_OK;
	case MESSAGE_ABSENT: return TEMPLATE_ABSENT;
	case MESSAGE_REPEATED: return TEMPLATE_REPEATED;
	}
	return TEMPLATE_ABSENT;
}

static enum template_result
append_query(const struct template_part *part, const struct message *message, struct buf *out)
{
	bool repeated = false;

	if (!form_find(message_query(message), part->text, out, &repeated))
		return TEMPLATE_ABSENT;
	return repeated ? TEMPLATE_REPEATED : TEMPLATE_OK;
}

static enum template_result
append_bodyhash(const struct template_part *part, const struct message *message, struct buf *out)
{
	uint8_t digest[CRYPTO_DIGEST_MAX];

	if (!crypto_hash(part->digest, &message->body, 1, digest) ||
		!text_encode(part->encoding, digest, crypto_digest_size(part->digest), out))
		return TEMPLATE_TOO_LONG;
	return TEMPLATE_OK;
}

static enum template_result
append_form(const struct template_part *part, struct message *message, struct buf *out)
{
	switch (message_form_field(message, part->text, out)) {
	case MESSAGE_FOUND: return TEMPLATE_OK;
	case MESSAGE_ABSENT: return TEMPLATE_ABSENT;
	case MESSAGE_REPEATED: return TEMPLATE_REPEATED;
	}
	return TEMPLATE_ABSENT;
}

static enum template_result
append_canonical(const struct template_part *part, struct message *message, struct buf *out)
{
	switch (part->canonical->append(message, out)) {
	case CANONICAL_OK: return TEMPLATE_OK;
	case CANONICAL_ABSENT: return TEMPLATE_ABSENT;
	case CANONICAL_REPEATED: return TEMPLATE_REPEATED;
	case CANONICAL_TOO_LONG: return TEMPLATE_TOO_LONG;
	}
	return TEMPLATE_ABSENT;
}

static enum template_result
append_checksum(const struct message *message, struct buf *out)
{
	return buf_appendf(out, "%" PRIu32, gzip_crc32(message->body)) ? TEMPLATE_OK
								       : TEMPLATE_TOO_LONG;
}

static enum template_result
append_encoded(const struct template_part *part, const struct message *message, struct buf *out)
{
	return text_encode(part->encoding, message->body.data, message->body.len, out)
		       ? TEMPLATE_OK
		       : TEMPLATE_TOO_LONG;
}

/* Append what the part makes to scratch; out->slice gets its length only. */
static enum template_result
expand_made(const struct template_part *part, struct message *message, struct buf *scratch,
	struct value *out)
{
	enum template_result result;
	size_t start = scratch->len;

	if (part->kind == TEMPLATE_QUERY)
		result = append_query(part, message, scratch);
	else if (part->kind == TEMPLATE_BODYHASH)
		result = append_bodyhash(part, message, scratch);
	else if (part->kind == TEMPLATE_ENCODED)
		result = append_encoded(part, message, scratch);
	else if (part->kind == TEMPLATE_FORM)
		result = append_form(part, message, scratch);
	else if (part->kind == TEMPLATE_CHECKSUM)
		result = append_checksum(message, scratch);
	else if (part->kind == TEMPLATE_CANONICAL)
		result = append_canonical(part, message, scratch);
	else
		result = append_sorted_form(message, scratch);
	out->in_scratch = true;
	out->slice.len = scratch->len - start;
	return result;
}

static enum template_result
expand_reference(const struct template_part *part, struct message *message, struct buf *scratch,
	struct value *out)
{
	switch (part->kind) {
	case TEMPLATE_LITERAL:
		return known_or_absent((struct slice){ part->text, part->text_len }, out);
	case TEMPLATE_BODY: out->slice = message->body; return TEMPLATE_OK;
	case TEMPLATE_BODY_FIELD: return expand_leaf(part, message, out);
	case TEMPLATE_HEADER: return expand_header(part, message, out);
	case TEMPLATE_KEY: return expand_key(part, message, out);
	case TEMPLATE_URL: return known_or_absent(slice_of(message_url(message)), out);
	case TEMPLATE_PATH: return known_or_absent(message_path(message), out);
	case TEMPLATE_METHOD:
		return known_or_absent(slice_of(message_variable(message, "REQUEST_METHOD")), out);
	case TEMPLATE_TIMESTAMP: return known_or_absent(message->timestamp, out);
	case TEMPLATE_EVENT: return known_or_absent(message->event, out);
	case TEMPLATE_ID: return known_or_absent(message->id, out);
	case TEMPLATE_ENDPOINT: return known_or_absent(message->endpoint, out);
	case TEMPLATE_SECRET: return known_or_absent(message->secret, out);
	case TEMPLATE_TARGET: return known_or_absent(message_target(message), out);
	case TEMPLATE_ITEM: return expand_item(part, message, out);
	case TEMPLATE_RAW: return expand_raw(part, message, out);
	case TEMPLATE_CLAIM:
		return leaf_text(
			message->claims, (struct slice){ part->text, part->text_len }, out);
	case TEMPLATE_PARAMETER: return expand_parameter(part, message, out);
	case TEMPLATE_KEY_ID: return known_or_absent(message->key_id, out);
	case TEMPLATE_DIGEST: return known_or_absent(message->digest, out);
	case TEMPLATE_SIGNATURE: return TEMPLATE_ABSENT;
	case TEMPLATE_QUERY:
	case TEMPLATE_BODYHASH:
	case TEMPLATE_ENCODED:
	case TEMPLATE_FORM:
	case TEMPLATE_CHECKSUM:
	case TEMPLATE_CANONICAL:
	case TEMPLATE_SORTED_FORM: return expand_made(part, message, scratch, out);
	}
	return TEMPLATE_ABSENT;
}

/* The value in lower case, which lies in scratch then. */
static enum template_result
lower(struct buf *scratch, struct value *value)
{
	char *at;

	if (!value->in_scratch && !buf_append_slice(scratch, value->slice))
		return TEMPLATE_TOO_LONG;
	value->in_scratch = true;
	at = scratch->data + scratch->len - value->slice.len;
	for (size_t i = 0; i < value->slice.len; i++) {
		if (at[i] >= 'A' && at[i] <= 'Z')
			at[i] = (char)(at[i] - 'A' + 'a');
	}
	return TEMPLATE_OK;
}

static enum template_result
expand_part(const struct template_part *part, struct message *message, struct buf *scratch,
	struct value *out)
{
	enum template_result result = expand_reference(part, message, scratch, out);

	if (result == TEMPLATE_OK && part->lower)
		return lower(scratch, out);
	if (result != TEMPLATE_ABSENT || !part->optional)
		return result;
	*out = (struct value){ slice_of(""), false };
	return TEMPLATE_OK;
}

/* Forget what was appended behind len. */
static void
buf_cut(struct buf *buf, size_t len)
{
	buf->len = len;
	if (buf->data != NULL)
		buf->data[len] = '\0';
}

/* Read as much of the body as any part needs before the first borrows from it: reading
 * more later would free what was borrowed. */
static void
read_leaves(const struct template *template, struct message *message)
{
	for (size_t i = 0; i < template->count; i++) {
		const struct template_part *part = &template->parts[i];
		struct slice names = { part->text, part->text_len };
		if (part->kind == TEMPLATE_BODY_FIELD)
			(void)message_leaves_under(message, template_first_name(part->text));
		if (part->kind == TEMPLATE_ITEM ||
			(part->kind == TEMPLATE_CANONICAL && part->canonical->reads_leaves))
			(void)message_leaves(message);
		while (part->kind == TEMPLATE_KEY && names.len > 0)
			(void)message_leaves_under(message, slice_cut(names, '|', &names));
	}
}

enum template_result
template_slices(const struct template *template, struct message *message, struct buf *scratch,
	struct slice *slices)
{
	struct value values[TEMPLATE_PARTS_MAX];
	size_t start = scratch->len, at = start;

	read_leaves(template, message);
	for (size_t i = 0; i < template->count; i++) {
		enum template_result result;

		values[i] = (struct value){ { NULL, 0 }, false };
		result = expand_part(&template->parts[i], message, scratch, &values[i]);
		if (result != TEMPLATE_OK) {
			buf_cut(scratch, start);
			return result;
		}
	}
	for (size_t i = 0; i < template->count; i++) {
		slices[i] = values[i].slice;
		if (values[i].in_scratch && slices[i].len > 0) {
			slices[i].data = scratch->data + at;
			at += slices[i].len;
		}
	}
	return TEMPLATE_OK;
}

enum template_result
template_text(const struct template *template, struct message *message, struct buf *out)
{
	struct slice slices[TEMPLATE_PARTS_MAX];
	enum template_result result;
	struct buf scratch;
	size_t total = 0;

	buf_init(&scratch, out->max);
	result = template_slices(template, message, &scratch, slices);
	if (result != TEMPLATE_OK)
		goto out;
	for (size_t i = 0; i < template->count; i++) {
		if (slices[i].len > out->max - total) {
			result = TEMPLATE_TOO_LONG;
			goto out;
		}
		total += slices[i].len;
	}
	/* With the room there, no append fails and out is never left half-done. */
	if (!buf_reserve(out, total)) {
		result = TEMPLATE_TOO_LONG;
		goto out;
	}
	for (size_t i = 0; i < template->count; i++)
		buf_append_slice(out, slices[i]);
out:
	buf_free(&scratch);
	return result;
}
