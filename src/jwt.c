/* jwt.c - a JSON Web Signature in its compact form, taken apart (RFC 7515, RFC 7519)
 *
 * Strict, since a token is read twice by different eyes: what the sender signed
 * and what the handler sees must be the same thing. Everything that libraries
 * have been fooled with (two alg members, crit that is passed over, padding that
 * makes a second spelling for a replay cache) makes a token malformed here.
 */
#include "jwt.h"

#include <string.h>

#include "json.h"
#include "text.h"

/* 9999-12-31T23:59:59Z */
#define SECONDS_MAX 253402300799

/* Cut the first part off *rest, up to the next dot. false: no dot follows. */
static bool
take_part(struct slice *rest, struct slice *part_out)
{
	const char *dot = rest->len > 0 ? memchr(rest->data, '.', rest->len) : NULL;

	if (dot == NULL)
		return false;
	*part_out = (struct slice){ rest->data, (size_t)(dot - rest->data) };
	*rest = (struct slice){ dot + 1, rest->len - part_out->len - 1 };
	return true;
}

static bool
split(struct slice text, struct jwt *out)
{
	struct slice rest = text;

	if (!take_part(&rest, &out->protected_text) || !take_part(&rest, &out->payload_text))
		return false;
	out->signature_text = rest;
	out->signed_text =
		(struct slice){ text.data, out->protected_text.len + 1 + out->payload_text.len };
	return true;
}

/* Decode one part into out, which is empty. */
static enum jwt_result
decode(struct slice text, struct buf *out)
{
	/* text_decode() takes padding too, and cannot say what it failed for. */
	if (text.len == 0 || text.data[text.len - 1] == '=')
		return JWT_MALFORMED;
	if (!buf_reserve(out, text.len))
		return JWT_NO_MEMORY;
	return text_decode(TEXT_BASE64URL, text, out) ? JWT_OK : JWT_MALFORMED;
}

/* Is the first byte that is not white space (RFC 8259 section 2) a brace? */
static bool
begins_object(struct slice text)
{
	size_t i = 0;

	while (i < text.len && strchr(" \t\r\n", text.data[i]) != NULL && text.data[i] != '\0')
		i++;
	return i < text.len && text.data[i] == '{';
}

/* A part that is a JSON object; *leaves_out may be set on failure too. */
static enum jwt_result
read_object(struct slice text, struct leaves **leaves_out)
{
	enum jwt_result result;
	struct buf json;

	buf_init(&json, JWT_TEXT_MAX);
	result = decode(text, &json);
	if (result == JWT_OK && !begins_object(buf_slice(&json)))
		result = JWT_MALFORMED;
	if (result == JWT_OK) {
		*leaves_out = leaves_new();
		switch (json_parse(buf_slice(&json), *leaves_out, NULL)) {
		case JSON_OK:
			if (leaves_has_repeated_name(*leaves_out))
				result = JWT_MALFORMED;
			break;
		case JSON_INVALID:
		case JSON_TOO_LARGE: result = JWT_MALFORMED; break;
		case JSON_NO_MEMORY: result = JWT_NO_MEMORY; break;
		}
	}
	buf_free(&json);
	return result;
}

/* The signature's bytes are the caller's; here only that they are spelt in the one way. */
static enum jwt_result
check_signature(struct slice text)
{
	enum jwt_result result;
	struct buf bytes;

	buf_init(&bytes, JWT_TEXT_MAX);
	result = decode(text, &bytes);
	buf_free(&bytes);
	return result;
}

static bool
header_is_understood(const struct leaves *header)
{
	struct leaf leaf;

	if (!leaves_find(header, slice_of("alg"), &leaf) || leaf.kind != LEAF_STRING ||
		leaf.value.len == 0)
		return false;
	if (leaves_has_key(header, slice_of("crit")))
		return false;
	return !leaves_has_key(header, slice_of("b64")) ||
	       (leaves_find(header, slice_of("b64"), &leaf) && leaf.kind == LEAF_TRUE);
}

static enum jwt_result
parse(struct slice text, bool detached, struct jwt *out)
{
	enum jwt_result result;

	if (text.len > JWT_TEXT_MAX || !split(text, out) ||
		out->protected_text.len > JWT_HEADER_MAX ||
		detached != (out->payload_text.len == 0))
		return JWT_MALFORMED;
	result = check_signature(out->signature_text);
	if (result == JWT_OK)
		result = read_object(out->protected_text, &out->header);
	if (result == JWT_OK && !header_is_understood(out->header))
		result = JWT_MALFORMED;
	if (result == JWT_OK && !detached)
		result = read_object(out->payload_text, &out->claims);
	return result;
}

enum jwt_result
jwt_parse(struct slice text, bool detached, struct jwt *out)
{
	enum jwt_result result;

	memset(out, 0, sizeof *out);
	result = parse(text, detached, out);
	if (result != JWT_OK)
		jwt_free(out);
	return result;
}

void
jwt_free(struct jwt *jwt)
{
	if (jwt == NULL)
		return;
	leaves_free(jwt->claims);
	leaves_free(jwt->header);
	memset(jwt, 0, sizeof *jwt);
}

struct slice
jwt_header(const struct jwt *jwt, const char *name)
{
	struct leaf leaf;

	if (jwt->header == NULL || !leaves_find(jwt->header, slice_of(name), &leaf) ||
		!leaf_has_text(&leaf))
		return (struct slice){ NULL, 0 };
	return leaf.value;
}

/* "1300819380" or "1300819380.25", already known to be a number of JSON. */
static bool
parse_numeric_date(struct slice text, int64_t *ms_out)
{
	const char *dot = memchr(text.data, '.', text.len);
	struct slice whole = { text.data, dot != NULL ? (size_t)(dot - text.data) : text.len };
	uint64_t seconds;
	int64_t ms = 0;

	if (!text_parse_number(whole, SECONDS_MAX, &seconds))
		return false;
	for (size_t i = whole.len + 1, unit = 100; i < text.len; i++, unit /= 10) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		ms += (int64_t)unit * (text.data[i] - '0');
	}
	*ms_out = (int64_t)seconds * 1000 + ms;
	return true;
}

bool
jwt_time(const struct jwt *jwt, const char *claim, bool *present_out, int64_t *ms_out)
{
	struct leaf leaf;

	*present_out = jwt->claims != NULL && leaves_has_key(jwt->claims, slice_of(claim));
	if (!*present_out)
		return true;
	return leaves_find(jwt->claims, slice_of(claim), &leaf) && leaf.kind == LEAF_NUMBER &&
	       parse_numeric_date(leaf.value, ms_out);
}
