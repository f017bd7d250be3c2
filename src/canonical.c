/* canonical.c - texts that senders sign and that no template can put together
 *
 * Each form follows the sender's own library, named in front of it, and departs
 * from it only to refuse what that would read in two ways. Header names that a
 * sender lists are looked up as variables of the server, where "-" and "_" are
 * the same: only letters, digits and "-" are taken, so that nobody can name one
 * header in two ways.
 *
 * A body is copied once, into the text; a form body, which has to be sorted,
 * once more on the way.
 */
#include "canonical.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "crypto.h"
#include "form.h"
#include "jwt.h"
#include "text.h"

/* More headers than any sender lists, and longer names. */
#define LISTED_MAX 64
#define LISTED_NAME_MAX 128

/* ---- pieces ---- */

static bool
contains(struct slice text, char c)
{
	return text.len > 0 && memchr(text.data, c, text.len) != NULL;
}

static enum canonical_result
appended(bool ok)
{
	return ok ? CANONICAL_OK : CANONICAL_TOO_LONG;
}

/* Append text with every byte that is no letter or digit and not in kept as escape and two hex
 * digits: "%" (RFC 3986 2.1), or "%25" where a sender escapes twice. */
static bool
append_escaped(struct buf *out, struct slice text, const char *kept, const char *escape)
{
	static const char digits[] = "0123456789ABCDEF";
	bool ok = true;

	for (size_t i = 0; ok && i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (letter || (c >= '0' && c <= '9') || (c != '\0' && strchr(kept, c) != NULL))
			ok = buf_append_char(out, (char)c);
		else
			ok = buf_append_text(out, escape) && buf_append_char(out, digits[c >> 4]) &&
			     buf_append_char(out, digits[c & 15]);
	}
	return ok;
}

static enum canonical_result
find_header(const struct message *message, const char *variable, struct slice *value_out)
{
	switch (message_header(message, variable, value_out)) {
	case MESSAGE_FOUND: return CANONICAL_OK;
	case MESSAGE_ABSENT: return CANONICAL_ABSENT;
	case MESSAGE_REPEATED: return CANONICAL_REPEATED;
	}
	return CANONICAL_ABSENT;
}

static bool
is_listable(struct slice name)
{
	if (name.len == 0 || name.len > LISTED_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] != '-' && !isalnum((unsigned char)name.data[i]))
			return false;
	}
	return true;
}

/* A header by the name that the sender lists. */
static enum canonical_result
find_listed_header(const struct message *message, struct slice name, struct slice *value_out)
{
	enum canonical_result result;
	char *text, *variable;

	if (!is_listable(name))
		return CANONICAL_ABSENT;
	text = xmemdup0(name.data, name.len);
	variable = message_header_variable(text);
	/* RFC 3875 4.1.2 gives the length a variable of its own. */
	if (strcmp(variable, "HTTP_CONTENT_LENGTH") == 0) {
		*value_out = slice_of(message_variable(message, "CONTENT_LENGTH"));
		result = value_out->len > 0 ? CANONICAL_OK : CANONICAL_ABSENT;
	} else {
		result = find_header(message, variable, value_out);
	}
	free(variable);
	free(text);
	return result;
}

static bool
find_method(const struct message *message, struct slice *method_out)
{
	*method_out = slice_of(message_variable(message, "REQUEST_METHOD"));
	return method_out->len > 0;
}

/* ---- fields of a query or form ---- */

struct field {
	struct slice name, value; /* decoded */
};

struct fields {
	struct field *items;
	size_t count;
	struct buf text; /* what the items point into */
};

static void
fields_free(struct fields *fields)
{
	free(fields->items);
	buf_free(&fields->text);
}

/* Decode text to the end of out, which has room for it. false: a bad % escape. */
static bool
decode_component(struct slice text, struct buf *out, struct slice *decoded_out)
{
	char *to = out->data + out->len;
	size_t start = out->len;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = text.len - i > 2 ? text_hex_value(text.data[i + 1]) : -1;
			int low = text.len - i > 2 ? text_hex_value(text.data[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		*to++ = c;
		out->len++;
	}
	*decoded_out = (struct slice){ out->data + start, out->len - start };
	return true;
}

static int
compare_fields(const void *a, const void *b)
{
	const struct field *left = a, *right = b;
	int order = slice_compare(left->name, right->name);

	return order != 0 ? order : slice_compare(left->value, right->value);
}

/*
 * All fields, decoded, by name and then by value, each as often as it is there.
 * The libraries sort by UTF-16 units, which is another order than that of bytes
 * only between U+E000-FFFF and what is above. The caller frees also on failure.
 */
static enum canonical_result
read_fields(struct slice form, struct fields *out)
{
	size_t room = 1;

	memset(out, 0, sizeof *out);
	buf_init(&out->text, form.len);
	for (size_t i = 0; i < form.len; i++)
		room += form.data[i] == '&';
	if (room > FORM_FIELDS_MAX || !buf_reserve(&out->text, form.len))
		return CANONICAL_TOO_LONG;
	out->items = xcalloc(room, sizeof *out->items);
	while (form.len > 0) {
		struct slice pair = slice_cut(form, '&', &form), value;
		struct slice name = slice_cut(pair, '=', &value);
		struct field *field = &out->items[out->count];

		if (pair.len == 0)
			continue;
		if (!decode_component(name, &out->text, &field->name) ||
			!decode_component(value, &out->text, &field->value))
			return CANONICAL_ABSENT;
		out->count++;
	}
	if (out->count > 0)
		qsort(out->items, out->count, sizeof *out->items, compare_fields);
	return CANONICAL_OK;
}

/* ---- contentful ----
 *
 * @contentful/node-apps-toolkit 3.16.1, signRequest and verifyRequest: method,
 * path, "name:value" of the signed headers by name, and body, between line
 * feeds. The path's query is escaped twice, by querystring.escape and encodeURI.
 * The library signs the time and the list itself whatever is listed; here both
 * have to be listed. It drops what follows a second "?" unsigned: refused here.
 */

struct listed {
	struct slice name, value;
};

static int
compare_listed(const void *a, const void *b)
{
	const struct listed *left = a, *right = b;

	return slice_compare(left->name, right->name);
}

/* Upper case is not what the library would find. */
static bool
has_upper(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (isupper((unsigned char)text.data[i]))
			return true;
	}
	return false;
}

/* The headers that list names, by name. */
static enum canonical_result
read_listed(const struct message *message, struct slice list, struct listed *out, size_t *count_out)
{
	size_t count = 0;

	/* "a," has an empty name behind it, so the end is a comma that is not there. */
	for (bool more = true; more;) {
		enum canonical_result result;

		more = contains(list, ',');
		if (count == LISTED_MAX)
			return CANONICAL_TOO_LONG;
		out[count].name = slice_cut(list, ',', &list);
		if (has_upper(out[count].name))
			return CANONICAL_ABSENT;
		result = find_listed_header(message, out[count].name, &out[count].value);
		if (result != CANONICAL_OK)
			return result;
		count++;
	}
	qsort(out, count, sizeof *out, compare_listed);
	for (size_t i = 1; i < count; i++) {
		if (slice_equal(out[i - 1].name, out[i].name))
			return CANONICAL_REPEATED;
	}
	*count_out = count;
	return CANONICAL_OK;
}

static bool
is_listed(const struct listed *listed, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_is(listed[i].name, name))
			return true;
	}
	return false;
}

static bool
append_listed(struct buf *out, const struct listed *listed, size_t count)
{
	bool ok = true;

	for (size_t i = 0; ok && i < count; i++) {
		ok = (i == 0 || buf_append_char(out, ';')) &&
		     buf_append_slice(out, listed[i].name) && buf_append_char(out, ':');
		if (!slice_is(listed[i].name, "x-contentful-signed-headers")) {
			ok = ok && buf_append_slice(out, slice_trim(listed[i].value));
			continue;
		}
		for (size_t j = 0; ok && j < count; j++)
			ok = (j == 0 || buf_append_char(out, ',')) &&
			     buf_append_slice(out, listed[j].name);
	}
	return ok;
}

/* What encodeURI and querystring.escape of ECMAScript and Node leave as they are. */
static const char kept_in_uri[] = ";,/?:@&=+$-_.!~*'()#";
static const char kept_in_query[] = "-_.!~*'()";

static enum canonical_result
append_contentful(struct message *message, struct buf *out)
{
	struct listed listed[LISTED_MAX];
	struct slice method, list, query;
	struct slice path = slice_cut(message_target(message), '?', &query);
	enum canonical_result result;
	size_t count;

	if (!find_method(message, &method) || path.len == 0 || path.data[0] != '/' ||
		contains(query, '?'))
		return CANONICAL_ABSENT;
	result = find_header(message, "HTTP_X_CONTENTFUL_SIGNED_HEADERS", &list);
	if (result == CANONICAL_OK)
		result = read_listed(message, list, listed, &count);
	if (result != CANONICAL_OK)
		return result;
	if (!is_listed(listed, count, "x-contentful-timestamp") ||
		!is_listed(listed, count, "x-contentful-signed-headers"))
		return CANONICAL_ABSENT;
	return appended(
		buf_append_slice(out, method) && buf_append_char(out, '\n') &&
		append_escaped(out, path, kept_in_uri, "%") &&
		(query.len == 0 || (buf_append_char(out, '?') &&
					   append_escaped(out, query, kept_in_query, "%25"))) &&
		buf_append_char(out, '\n') && append_listed(out, listed, count) &&
		buf_append_char(out, '\n') && buf_append_slice(out, message->body));
}

/* ---- hygraph ----
 *
 * @hygraph/utils 1.2.1: what JSON.stringify makes of body, environment and time.
 * The latter two come from the signature's header "sign=…, env=…, t=…", in that order.
 */

/* The letter of a two-character escape of JSON (ECMA-262 QuoteJSONString); 0: there is none. */
static char
json_escape(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\': return (char)c;
	case '\b': return 'b';
	case '\f': return 'f';
	case '\n': return 'n';
	case '\r': return 'r';
	case '\t': return 't';
	default: return 0;
	}
}

static size_t
json_len(struct slice text)
{
	size_t len = 2;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		len += json_escape(c) != 0 ? 2 : c < 0x20 ? 6 : 1;
	}
	return len;
}

/* As JSON.stringify() does it. */
static bool
append_json_string(struct buf *out, struct slice text)
{
	static const char digits[] = "0123456789abcdef";
	bool ok = buf_append_char(out, '"');
	size_t from = 0;

	for (size_t i = 0; ok && i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		char letter = json_escape(c);
		char escape[] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };

		if (letter == 0 && c >= 0x20)
			continue;
		if (letter != 0)
			escape[1] = letter;
		ok = buf_append(out, text.data + from, i - from) &&
		     buf_append(out, escape, letter != 0 ? 2 : sizeof escape);
		from = i + 1;
	}
	return ok && buf_append(out, text.data + from, text.len - from) &&
	       buf_append_char(out, '"');
}

/* Cut "name=value" and what separates it from the next off *rest. */
static bool
take_named(struct slice *rest, const char *name, struct slice *value_out)
{
	size_t name_len = strlen(name);
	const char *end = rest->len > 0 ? memmem(rest->data, rest->len, ", ", 2) : NULL;
	struct slice part = { rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len };

	if (part.len <= name_len || memcmp(part.data, name, name_len) != 0)
		return false;
	*value_out = (struct slice){ part.data + name_len, part.len - name_len };
	*rest = end != NULL ? (struct slice){ end + 2, rest->len - part.len - 2 }
			    : (struct slice){ NULL, 0 };
	return true;
}

static enum canonical_result
append_hygraph(struct message *message, struct buf *out)
{
	static const char before_body[] = "{\"Body\":";
	static const char before_environment[] = ",\"EnvironmentName\":";
	static const char before_time[] = ",\"TimeStamp\":";
	static const char behind[] = "}";
	struct slice header, sign, environment, time;
	enum canonical_result result = find_header(message, "HTTP_GCMS_SIGNATURE", &header);
	uint64_t number;

	if (result != CANONICAL_OK)
		return result;
	if (!take_named(&header, "sign=", &sign) || !take_named(&header, "env=", &environment) ||
		!take_named(&header, "t=", &time) || header.len > 0)
		return CANONICAL_ABSENT;
	/* A number of JSON that ECMAScript writes the same way: at most 2^53 - 1. */
	if (!text_parse_number(time, UINT64_C(9007199254740991), &number) ||
		(time.len > 1 && time.data[0] == '0'))
		return CANONICAL_ABSENT;
	/* With room for all of it there at first, the body is not moved when the rest comes. */
	return appended(
		buf_reserve(out, strlen(before_body) + json_len(message->body) +
					 strlen(before_environment) + json_len(environment) +
					 strlen(before_time) + time.len + strlen(behind)) &&
		buf_append_text(out, before_body) && append_json_string(out, message->body) &&
		buf_append_text(out, before_environment) && append_json_string(out, environment) &&
		buf_append_text(out, before_time) && buf_append_slice(out, time) &&
		buf_append_text(out, behind));
}

/* ---- aws-sns ----
 *
 * sns-validator 0.3.5: each field's name and value, each with a line feed. It leaves
 * the Token of an UnsubscribeConfirmation out; here that is signed as the one of a
 * subscription is, as in Amazon's SDK for Java (SignatureChecker).
 *
 * Only Message may hold line feeds: with them in other fields too, one text
 * would be that of several messages.
 */
static const struct sns_field {
	const char *name;
	bool in_notification; /* has to be there */
	bool in_confirmation; /* of both kinds */
	bool confirmation_only;
} sns_fields[] = {
	{ "Message", true, true, false },
	{ "MessageId", true, true, false },
	{ "Subject", false, false, false },
	{ "SubscribeURL", false, true, false },
	{ "Timestamp", true, true, false },
	{ "Token", false, true, true },
	{ "TopicArn", true, true, false },
	{ "Type", true, true, false },
};

/* A member at the top. false: it is there and neither a string nor null. */
static bool
find_sns_field(const struct leaves *leaves, const char *name, struct slice *value_out)
{
	struct leaf leaf;

	*value_out = (struct slice){ NULL, 0 };
	if (!leaves_has_key(leaves, slice_of(name)))
		return true;
	if (!leaves_find(leaves, slice_of(name), &leaf))
		return false;
	if (leaf.kind == LEAF_STRING)
		*value_out = leaf.value;
	return leaf.kind == LEAF_STRING || leaf.kind == LEAF_NULL;
}

static enum canonical_result
append_sns_field(
	const struct leaves *leaves, const struct sns_field *field, bool confirms, struct buf *out)
{
	bool needed = confirms ? field->in_confirmation : field->in_notification;
	bool is_message = strcmp(field->name, "Message") == 0;
	struct slice value;

	if (field->confirmation_only && !confirms)
		return CANONICAL_OK;
	if (!find_sns_field(leaves, field->name, &value) || (needed && value.data == NULL) ||
		(!is_message && contains(value, '\n')))
		return CANONICAL_ABSENT;
	if (value.data == NULL)
		return CANONICAL_OK;
	return appended(buf_append_text(out, field->name) && buf_append_char(out, '\n') &&
			buf_append_slice(out, value) && buf_append_char(out, '\n'));
}

static enum canonical_result
append_aws_sns(struct message *message, struct buf *out)
{
	const struct leaves *leaves = message_leaves(message);
	enum canonical_result result = CANONICAL_OK;
	struct slice type;
	bool confirms;

	if (message_body(message) == MESSAGE_BODY_NO_MEMORY)
		return CANONICAL_TOO_LONG;
	if (message_body(message) != MESSAGE_BODY_JSON || !find_sns_field(leaves, "Type", &type))
		return CANONICAL_ABSENT;
	confirms = slice_is(type, "SubscriptionConfirmation") ||
		   slice_is(type, "UnsubscribeConfirmation");
	if (!confirms && !slice_is(type, "Notification"))
		return CANONICAL_ABSENT;
	for (size_t i = 0; result == CANONICAL_OK && i < sizeof sns_fields / sizeof sns_fields[0];
		i++)
		result = append_sns_field(leaves, &sns_fields[i], confirms, out);
	return result;
}

/* ---- plivo ----
 *
 * plivo 4.79.0, validateV3Signature: URL with its query decoded and sorted, the
 * form's names and values sorted, the nonce. With fields in the form there is a
 * "?" also without a query, and a dot behind one. Where a name ends and its
 * value begins is not signed: signs_body is false.
 */

static enum canonical_result
append_plivo_query(struct slice query, bool has_params, struct buf *out)
{
	struct fields fields;
	enum canonical_result result = read_fields(query, &fields);
	bool ok = true;

	if (result == CANONICAL_OK && (fields.count > 0 || has_params))
		ok = buf_append_char(out, '?');
	for (size_t i = 0; result == CANONICAL_OK && i < fields.count; i++) {
		struct field field = fields.items[i];

		/* Decoded, these would be the borders of other fields. */
		if (contains(field.name, '=') || contains(field.name, '&') ||
			contains(field.value, '&'))
			result = CANONICAL_ABSENT;
		ok = ok && (i == 0 || buf_append_char(out, '&')) &&
		     buf_append_slice(out, field.name) && buf_append_char(out, '=') &&
		     buf_append_slice(out, field.value);
	}
	if (result == CANONICAL_OK && fields.count > 0 && has_params)
		ok = ok && buf_append_char(out, '.');
	fields_free(&fields);
	return result == CANONICAL_OK ? appended(ok) : result;
}

static enum canonical_result
append_plivo_params(struct fields *params, struct buf *out)
{
	bool ok = true;

	for (size_t i = 0; ok && i < params->count; i++)
		ok = buf_append_slice(out, params->items[i].name) &&
		     buf_append_slice(out, params->items[i].value);
	return appended(ok);
}

/* The URL's scheme, host and path, and its query; data NULL when it has a user or is none. */
static struct slice
split_url(struct slice url, struct slice *query_out)
{
	const char *authority = url.len > 0 ? memmem(url.data, url.len, "://", 3) : NULL;
	struct slice rest, base;

	url = slice_cut(url, '#', &rest);
	base = slice_cut(url, '?', query_out);
	if (authority == NULL || authority >= base.data + base.len)
		return (struct slice){ NULL, 0 };
	authority += 3;
	rest = (struct slice){ authority, base.len - (size_t)(authority - base.data) };
	return contains(slice_cut(rest, '/', &rest), '@') ? (struct slice){ NULL, 0 } : base;
}

static enum canonical_result
append_plivo(struct message *message, struct buf *out)
{
	struct fields params = { .count = 0 };
	struct slice method, nonce, query;
	struct slice base = split_url(slice_of(message_url(message)), &query);
	enum canonical_result result =
		find_header(message, "HTTP_X_PLIVO_SIGNATURE_V3_NONCE", &nonce);

	if (result != CANONICAL_OK)
		return result;
	if (base.data == NULL || !find_method(message, &method) ||
		(!slice_is(method, "POST") && !slice_is(method, "GET")))
		return CANONICAL_ABSENT;
	if (message->body.len > 0) {
		if (slice_is(method, "GET") || message_body(message) == MESSAGE_BODY_JSON)
			return CANONICAL_ABSENT;
		if (message_body(message) == MESSAGE_BODY_NO_MEMORY)
			return CANONICAL_TOO_LONG;
		if (message_body(message) != MESSAGE_BODY_FORM)
			return CANONICAL_ABSENT;
		result = read_fields(message->body, &params);
	}
	if (result == CANONICAL_OK)
		result = appended(buf_append_slice(out, base));
	if (result == CANONICAL_OK)
		result = append_plivo_query(query, params.count > 0, out);
	if (result == CANONICAL_OK)
		result = append_plivo_params(&params, out);
	if (result == CANONICAL_OK)
		result = appended(buf_append_char(out, '.') && buf_append_slice(out, nonce));
	fields_free(&params);
	return result;
}

/* ---- atlassian-qsh ----
 *
 * @atlassian/atlassian-jwt 2.2.0, createCanonicalRequest: method, path below the
 * app's base URL, and query by name without "jwt"; what repeats a name is one
 * field with commas. Names and values are percent-encoded as in OAuth 1 (RFC
 * 5849 section 3.6). The claim that is compared with it is their SHA-256 in hex,
 * and so is this. The body is not signed.
 *
 * The base URL is what is registered with Atlassian, in the app's descriptor, so
 * it is what url_override holds; without one it is taken to have no path. The
 * rebuilt URL of the request would say nothing about where the base ends.
 */

#define QSH_MAX 262144 /* bytes that are hashed: a target at most escaped threefold */

/* The path of the base URL, without a "/" at its end. */
static struct slice
base_path(const struct message *message)
{
	struct slice query;
	struct slice base = split_url(slice_of(message->url_override), &query);
	const char *slash;

	if (base.data == NULL)
		return (struct slice){ "", 0 };
	slash = memmem(base.data, base.len, "://", 3);
	slash = memchr(slash + 3, '/', base.len - (size_t)(slash + 3 - base.data));
	if (slash == NULL)
		return (struct slice){ "", 0 };
	base.len -= (size_t)(slash - base.data);
	base.data = slash;
	while (base.len > 0 && base.data[base.len - 1] == '/')
		base.len--;
	return base;
}

static bool
append_qsh_path(struct slice path, struct slice base, struct buf *out)
{
	bool ok = true;

	if (path.len >= base.len &&
		(base.len == 0 || memcmp(path.data, base.data, base.len) == 0)) {
		path.data += base.len;
		path.len -= base.len;
	}
	if (path.len == 0 || path.data[0] != '/')
		ok = buf_append_char(out, '/');
	if (path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	/* A "&" in it would look like the border to the query. */
	for (size_t i = 0; ok && i < path.len; i++)
		ok = path.data[i] == '&' ? buf_append_text(out, "%26")
					 : buf_append_char(out, path.data[i]);
	return ok;
}

/* RFC 3986 section 2.3, but for letters and digits. */
static const char unreserved[] = "-._~";

static bool
append_qsh_query(const struct fields *fields, struct buf *out)
{
	const struct field *before = NULL; /* the last that was written */
	bool ok = true;

	for (size_t i = 0; ok && i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		if (slice_is(field->name, "jwt"))
			continue;
		if (before != NULL && slice_equal(before->name, field->name))
			ok = buf_append_char(out, ',');
		else
			ok = (before == NULL || buf_append_char(out, '&')) &&
			     append_escaped(out, field->name, unreserved, "%") &&
			     buf_append_char(out, '=');
		ok = ok && append_escaped(out, field->value, unreserved, "%");
		before = field;
	}
	return ok;
}

static enum canonical_result
append_atlassian_qsh(struct message *message, struct buf *out)
{
	struct slice method, path = message_path(message), slice;
	uint8_t digest[CRYPTO_DIGEST_MAX];
	struct fields fields;
	struct buf text;
	enum canonical_result result;

	if (!find_method(message, &method) || path.len == 0)
		return CANONICAL_ABSENT;
	buf_init(&text, QSH_MAX);
	result = read_fields(message_query(message), &fields);
	if (result == CANONICAL_OK)
		result = appended(buf_append_slice(&text, method) && buf_append_char(&text, '&') &&
				  append_qsh_path(path, base_path(message), &text) &&
				  buf_append_char(&text, '&') && append_qsh_query(&fields, &text));
	fields_free(&fields);
	slice = buf_slice(&text);
	if (result == CANONICAL_OK)
		result = appended(
			crypto_hash(CRYPTO_SHA256, &slice, 1, digest) &&
			text_encode(TEXT_HEX, digest, crypto_digest_size(CRYPTO_SHA256), out));
	buf_free(&text);
	return result;
}

/* ---- truelayer ----
 *
 * truelayer-signing 0.2.3, version 2: "POST /path", then "Name: value" of each
 * header in tl_headers of the JWS in Tl-Signature, spelt and ordered as there,
 * then the body. A listed header that is not there has an empty value. The time
 * has to be listed: TrueLayer's webhooks do so, the library leaves it to its
 * caller. The library tries the path also with or without a "/" at its end,
 * which is the second form.
 */

/* The path and query as sent, or with the slash at its end turned. */
static bool
append_truelayer_path(const struct message *message, bool turned, struct buf *out)
{
	struct slice target = message_target(message);

	if (!turned)
		return buf_append_slice(out, target);
	if (target.len > 1 && target.data[target.len - 1] == '/')
		return buf_append(out, target.data, target.len - 1);
	return buf_append_slice(out, target) && buf_append_char(out, '/');
}

static bool
same_header(struct slice a, struct slice b)
{
	return a.len == b.len && a.len > 0 && strncasecmp(a.data, b.data, a.len) == 0;
}

static enum canonical_result
append_truelayer_headers(const struct message *message, struct slice list, struct buf *out)
{
	struct slice names[LISTED_MAX];
	bool time_is_signed = false;
	size_t count = 0;

	while (list.len > 0) {
		struct slice name = slice_cut(list, ',', &list), value = { NULL, 0 };
		enum canonical_result result;

		if (count == LISTED_MAX)
			return CANONICAL_TOO_LONG;
		for (size_t i = 0; i < count; i++) {
			if (same_header(names[i], name))
				return CANONICAL_REPEATED;
		}
		names[count++] = name;
		result = find_listed_header(message, name, &value);
		if (result == CANONICAL_REPEATED || !is_listable(name))
			return result;
		if (same_header(name, slice_of("X-TL-Webhook-Timestamp")))
			time_is_signed = result == CANONICAL_OK;
		if (!buf_append_slice(out, name) || !buf_append_text(out, ": ") ||
			!buf_append_slice(out, value) || !buf_append_char(out, '\n'))
			return CANONICAL_TOO_LONG;
	}
	return time_is_signed ? CANONICAL_OK : CANONICAL_ABSENT;
}

static enum canonical_result
append_truelayer_with(struct message *message, bool turned, struct buf *out)
{
	struct slice method, text, target = message_target(message);
	enum canonical_result result = find_header(message, "HTTP_TL_SIGNATURE", &text);
	struct jwt jwt;

	if (result != CANONICAL_OK)
		return result;
	if (!find_method(message, &method) || target.len == 0 || target.data[0] != '/' ||
		(turned && contains(target, '?')))
		return CANONICAL_ABSENT;
	switch (jwt_parse(text, true, &jwt)) {
	case JWT_OK: break;
	case JWT_MALFORMED: return CANONICAL_ABSENT;
	case JWT_NO_MEMORY: return CANONICAL_TOO_LONG;
	}
	if (!slice_is(jwt_header(&jwt, "alg"), "ES512") ||
		!slice_is(jwt_header(&jwt, "tl_version"), "2"))
		result = CANONICAL_ABSENT;
	if (result == CANONICAL_OK)
		result = appended(buf_append_slice(out, method) && buf_append_char(out, ' ') &&
				  append_truelayer_path(message, turned, out) &&
				  buf_append_char(out, '\n'));
	if (result == CANONICAL_OK)
		result = append_truelayer_headers(message, jwt_header(&jwt, "tl_headers"), out);
	if (result == CANONICAL_OK)
		result = appended(buf_append_slice(out, message->body));
	jwt_free(&jwt);
	return result;
}

static enum canonical_result
append_truelayer(struct message *message, struct buf *out)
{
	return append_truelayer_with(message, false, out);
}

static enum canonical_result
append_truelayer_slash(struct message *message, struct buf *out)
{
	return append_truelayer_with(message, true, out);
}

/* ---- all ---- */

static const struct canonical_form forms[] = {
	{ "contentful", true, false, append_contentful },
	{ "hygraph", true, false, append_hygraph },
	{ "aws-sns", false, true, append_aws_sns },
	{ "plivo", false, true, append_plivo },
	{ "atlassian-qsh", false, false, append_atlassian_qsh },
	{ "truelayer", true, false, append_truelayer },
	{ "truelayer-slash", true, false, append_truelayer_slash },
};

#define FORM_COUNT (sizeof forms / sizeof forms[0])

const struct canonical_form *
canonical_find(struct slice name)
{
	for (size_t i = 0; i < FORM_COUNT; i++) {
		if (slice_is(name, forms[i].name))
			return &forms[i];
	}
	return NULL;
}

const struct canonical_form *
canonical_at(size_t index)
{
	return index < FORM_COUNT ? &forms[index] : NULL;
}
