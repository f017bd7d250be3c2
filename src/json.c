/* json.c - a JSON text (RFC 8259) becomes leaves (the only user of yajl)
 *
 * yajl's callbacks build the tree and end the parse at the first limit, so a
 * bomb is not read on. yajl 2.1 then is laxer than the RFC and than us in a
 * few places, which are looked at once the text is known to be JSON otherwise:
 * form feed and vertical tab between tokens, UTF-8 by its lead bits only, \u
 * escapes that are no character (decoded to "?" or to invalid UTF-8, so the
 * raw text is what must be asked), an unterminated string behind the value.
 * Each costs a scan at memory speed; a parser of our own would save them and
 * be ours to fuzz for years.
 *
 * yajl does not check what its allocator returns, so that must not fail: x*
 * from alloc.h. It keeps one copy of the longest string with escapes, and of a
 * token that the text ends in, each at most twice the size of a text that
 * is in memory already.
 */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "alloc.h"
#include "text.h"

#define REASON_SIZE 128

struct parser {
	struct leaves *leaves;
	struct buf name;    /* of the member whose value comes next */
	char *const *names; /* the root's members that are kept; NULL: all of them */
	size_t name_count;
	size_t depth; /* containers that are open, kept or not */
	bool skips;   /* what comes is, or is in, a member that is not kept */
	bool too_deep;
};

/* A member of the root is over, or a container in it: the next one is looked at anew. */
static void
value_ends(struct parser *parser)
{
	if (parser->depth == 1)
		parser->skips = false;
}

static int
take_leaf(struct parser *parser, enum leaf_kind kind, struct slice value)
{
	if (parser->skips) {
		value_ends(parser);
		return 1;
	}
	return leaves_add(parser->leaves, kind, buf_slice(&parser->name), value);
}

static int
take_null(void *context)
{
	return take_leaf(context, LEAF_NULL, (struct slice){ NULL, 0 });
}

static int
take_boolean(void *context, int is_true)
{
	return take_leaf(context, is_true ? LEAF_TRUE : LEAF_FALSE, (struct slice){ NULL, 0 });
}

static int
take_number(void *context, const char *text, size_t len)
{
	return take_leaf(context, LEAF_NUMBER, (struct slice){ text, len });
}

static int
take_string(void *context, const unsigned char *text, size_t len)
{
	return take_leaf(context, LEAF_STRING, (struct slice){ (const char *)text, len });
}

static bool
is_kept(const struct parser *parser, struct slice name)
{
	for (size_t i = 0; i < parser->name_count; i++) {
		size_t len = strlen(parser->names[i]);
		if (name.len >= len && memcmp(name.data, parser->names[i], len) == 0 &&
			(name.len == len || name.data[len] == '.'))
			return true;
	}
	return parser->names == NULL;
}

static int
take_name(void *context, const unsigned char *text, size_t len)
{
	struct parser *parser = context;

	if (parser->depth == 1)
		parser->skips = !is_kept(parser, (struct slice){ (const char *)text, len });
	if (parser->skips)
		return 1;
	buf_clear(&parser->name);
	return buf_append(&parser->name, text, len);
}

static int
open_container(struct parser *parser, enum leaf_kind kind)
{
	/* leaves_open() has the limit too, but does not see what is skipped. */
	parser->too_deep = parser->depth == LEAF_DEPTH_MAX;
	if (parser->too_deep)
		return 0;
	parser->depth++;
	return parser->skips || leaves_open(parser->leaves, kind, buf_slice(&parser->name));
}

static int
open_object(void *context)
{
	return open_container(context, LEAF_OBJECT);
}

static int
open_array(void *context)
{
	return open_container(context, LEAF_ARRAY);
}

static int
close_container(void *context)
{
	struct parser *parser = context;

	parser->depth--;
	if (!parser->skips)
		return leaves_close(parser->leaves);
	value_ends(parser);
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = take_null,
	.yajl_boolean = take_boolean,
	.yajl_number = take_number, /* instead of yajl_integer and yajl_double */
	.yajl_string = take_string,
	.yajl_start_map = open_object,
	.yajl_map_key = take_name,
	.yajl_end_map = close_container,
	.yajl_start_array = open_array,
	.yajl_end_array = close_container,
};

static void *
yajl_malloc(void *context, size_t size)
{
	(void)context;
	return xmalloc(size);
}

static void *
yajl_realloc(void *context, void *old, size_t size)
{
	(void)context;
	return xreallocarray(old, 1, size);
}

static void
yajl_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static enum json_result
refuse(char *reason_out, size_t at, const char *what)
{
	if (reason_out != NULL)
		(void)snprintf(reason_out, REASON_SIZE, "byte %zu: %s", at, what);
	return JSON_INVALID;
}

/* yajl's own words: fixed texts in ASCII, of which the line end is cut. */
static enum json_result
refuse_as_yajl(char *reason_out, size_t at, yajl_handle yajl)
{
	unsigned char *message = yajl_get_error(yajl, 0, NULL, 0);

	(void)refuse(reason_out, at, "not JSON");
	if (message != NULL && reason_out != NULL)
		(void)snprintf(reason_out, REASON_SIZE, "byte %zu: %.*s", at,
			(int)strcspn((const char *)message, "\n"), (const char *)message);
	yajl_free_error(yajl, message);
	return JSON_INVALID;
}

static enum json_result
refuse_size(char *reason_out, size_t at, const struct parser *parser)
{
	if (!parser->too_deep && !leaves_too_large(parser->leaves)) {
		(void)refuse(reason_out, at, "out of memory");
		return JSON_NO_MEMORY;
	}
	if (reason_out != NULL)
		(void)snprintf(reason_out, REASON_SIZE,
			"byte %zu: nested deeper than %d, more than %d values, or too long", at,
			LEAF_DEPTH_MAX, LEAF_COUNT_MAX);
	return JSON_TOO_LARGE;
}

/* Parse text as the whole of a document. *at_out: where it went wrong. */
static yajl_status
feed_yajl(yajl_handle yajl, struct slice text, size_t *at_out)
{
	yajl_status status = yajl_parse(yajl, (const unsigned char *)text.data, text.len);

	*at_out = status != yajl_status_ok ? yajl_get_bytes_consumed(yajl) : text.len;
	/* yajl closes with a blank, which an unterminated string behind the value
	 * swallows: [] " would pass. No token goes on over a line end. */
	if (status == yajl_status_ok)
		status = yajl_parse(yajl, (const unsigned char *)"\n", 1);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	return status;
}

static enum json_result
run_yajl(yajl_handle yajl, struct slice text, const struct parser *parser, char *reason_out)
{
	size_t at;

	switch (feed_yajl(yajl, text, &at)) {
	case yajl_status_ok: return JSON_OK;
	case yajl_status_client_canceled: return refuse_size(reason_out, at, parser);
	case yajl_status_error: break;
	}
	return refuse_as_yajl(reason_out, at, yajl);
}

static yajl_handle
open_yajl(const yajl_callbacks *functions, void *context)
{
	yajl_alloc_funcs memory = { yajl_malloc, yajl_realloc, yajl_release, NULL };
	yajl_handle yajl = yajl_alloc(functions, &memory, context);

	/* All off by default but the last; said once more, since we rely on it. */
	yajl_config(yajl, yajl_allow_comments, 0);
	yajl_config(yajl, yajl_allow_trailing_garbage, 0);
	yajl_config(yajl, yajl_allow_multiple_values, 0);
	yajl_config(yajl, yajl_dont_validate_strings, 0);
	return yajl;
}

static enum json_result
build_leaves(struct slice text, struct parser *parser, char *reason_out)
{
	enum json_result result;
	yajl_handle yajl;

	buf_init(&parser->name, text.len);
	yajl = open_yajl(&callbacks, parser);
	result = run_yajl(yajl, text, parser, reason_out);
	yajl_free(yajl);
	buf_free(&parser->name);
	return result;
}

/* Inside strings yajl refuses control characters, so any that is left lies between tokens. */
static enum json_result
check_blanks(struct slice text, char *reason_out)
{
	static const char refused[] = { '\v', '\f' };

	for (size_t i = 0; i < sizeof refused; i++) {
		const char *found = memchr(text.data, refused[i], text.len);

		if (found != NULL)
			return refuse(reason_out, (size_t)(found - text.data),
				"form feed or vertical tab between tokens");
	}
	return JSON_OK;
}

/* The code unit behind "\u" at text; yajl has seen that four hex digits are there. */
static unsigned
code_unit(const char *digits)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)digits[i];

		unit = unit << 4 | ((c & 0x0fu) + (c > '9' ? 9 : 0));
	}
	return unit;
}

/* The length of the escape at text (which begins with its backslash); 0 when it
 * stands for no character, or for U+0000. RFC 8259 section 7. */
static size_t
escape_len(struct slice text)
{
	unsigned unit;

	if (text.len < 2 || text.data[1] != 'u')
		return 2;
	if (text.len < 6)
		return 0;
	unit = code_unit(text.data + 2);
	if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return 0;
	if (unit < 0xd800 || unit > 0xdbff)
		return 6;
	if (text.len < 12 || text.data[6] != '\\' || text.data[7] != 'u')
		return 0;
	unit = code_unit(text.data + 8);
	return unit >= 0xdc00 && unit <= 0xdfff ? 12 : 0;
}

static enum json_result
check_escapes(struct slice text, char *reason_out)
{
	size_t at = 0;

	while (at < text.len) {
		const char *escape = memchr(text.data + at, '\\', text.len - at);
		size_t len;

		if (escape == NULL)
			break;
		at = (size_t)(escape - text.data);
		len = escape_len((struct slice){ escape, text.len - at });
		if (len == 0)
			return refuse(reason_out, at, "U+0000 or a lone surrogate");
		at += len;
	}
	return JSON_OK;
}

/* yajl has seen that the lead bits are right and the sequences whole; what is left
 * are overlong forms, surrogates and what lies above U+10FFFF. */
static enum json_result
check_utf8(struct slice text, char *reason_out)
{
	size_t at = 0;

	if (text_is_utf8(text))
		return JSON_OK;
	while (at < text.len) {
		unsigned char lead = (unsigned char)text.data[at];
		size_t len = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

		if (len > text.len - at || !text_is_utf8((struct slice){ text.data + at, len }))
			break;
		at += len;
	}
	return refuse(reason_out, at, "not UTF-8");
}

/* What yajl lets through. */
static enum json_result
check_text(struct slice text, char *reason_out)
{
	enum json_result result = check_blanks(text, reason_out);

	if (result == JSON_OK)
		result = check_escapes(text, reason_out);
	if (result == JSON_OK)
		result = check_utf8(text, reason_out);
	return result;
}

static enum json_result
parse(struct slice text, struct parser *parser, char *reason_out)
{
	enum json_result result;

	if (text.len == 0)
		return refuse(reason_out, 0, "empty");
	result = build_leaves(text, parser, reason_out);
	return result == JSON_OK ? check_text(text, reason_out) : result;
}

enum json_result
json_parse(struct slice text, struct leaves *out, char *reason_out)
{
	struct parser parser = { .leaves = out };

	leaves_expect(out, text.len);
	return parse(text, &parser, reason_out);
}

enum json_result
json_parse_members(
	struct slice text, char *const *names, size_t count, struct leaves *out, char *reason_out)
{
	struct parser parser = { .leaves = out, .names = names, .name_count = count };

	return parse(text, &parser, reason_out);
}

/* Finding a value's bytes
 *
 * yajl tells its callbacks values without their place, but how much it has
 * read: where a string or bracket ends. A value begins behind the token before it, when blanks and
 * one colon or comma are stepped over. No tree is built; of the containers that are open, the
 * outermost ones may be a chain that path leads along, and only their direct children are compared
 * with it. What was read of the text is first used in a number at its very end, which yajl
 * tells of when it has left the text: there its length says more.
 */

/* How a value lies to the path. */
enum match {
	MATCH_NONE,
	MATCH_ON_THE_WAY, /* the path goes on inside */
	MATCH_WHOLE,
};

/* A container that is open and on the way. */
struct step {
	struct slice rest; /* of the path, inside */
	bool is_array;
	bool matched;    /* a child was on the way already */
	size_t position; /* of the next item */
};

struct finder {
	yajl_handle yajl;
	struct slice text;
	struct slice path;
	size_t behind; /* the end of the token before */
	struct step chain[LEAF_DEPTH_MAX];
	size_t chain_len;
	size_t depth;      /* containers that are open */
	enum match match;  /* of the member whose name was read last */
	struct slice rest; /* of the path, behind that name */
	bool is_inside;    /* the container at target_depth is what is looked for */
	size_t target_depth;
	struct slice found; /* data NULL: not yet */
	bool repeated;
};

/* Does the path begin with this name, as a whole or in front of a dot? */
static enum match
match_name(struct slice path, struct slice name, struct slice *rest_out)
{
	if (path.len < name.len || (name.len > 0 && memcmp(path.data, name.data, name.len) != 0))
		return MATCH_NONE;
	if (path.len == name.len)
		return MATCH_WHOLE;
	if (path.data[name.len] != '.')
		return MATCH_NONE;
	*rest_out = (struct slice){ path.data + name.len + 1, path.len - name.len - 1 };
	return MATCH_ON_THE_WAY;
}

static enum match
match_position(struct slice path, size_t position, struct slice *rest_out)
{
	char digits[32];
	int len = snprintf(digits, sizeof digits, "%zu", position);

	return match_name(path, (struct slice){ digits, (size_t)len }, rest_out);
}

/* The container that directly holds what comes, when the path leads through it; else NULL. */
static struct step *
on_the_way(struct finder *finder)
{
	return finder->depth > 0 && finder->depth == finder->chain_len
		       ? &finder->chain[finder->chain_len - 1]
		       : NULL;
}

/* How the value that begins here lies to the path; rest_out is what of the path is inside it. */
static enum match
match_value(struct finder *finder, struct slice *rest_out)
{
	struct step *step = on_the_way(finder);

	*rest_out = finder->path;
	if (finder->depth == 0)
		return finder->path.len == 0 ? MATCH_WHOLE : MATCH_ON_THE_WAY;
	if (step == NULL)
		return MATCH_NONE;
	if (step->is_array)
		return match_position(step->rest, step->position++, rest_out);
	*rest_out = finder->rest;
	return finder->match;
}

/* Where the value begins that yajl has come to. */
static size_t
value_start(const struct finder *finder)
{
	size_t at = finder->behind;

	while (at < finder->text.len && strchr(" \t\r\n:,", finder->text.data[at]) != NULL)
		at++;
	return at;
}

static void
note_found(struct finder *finder, size_t start)
{
	finder->found = (struct slice){ finder->text.data + start, finder->behind - start };
}

/* A scalar that ends where yajl has read to, or that has a known length. */
static int
scalar(struct finder *finder, size_t len)
{
	size_t start = value_start(finder);
	struct slice rest;

	finder->behind = len > 0 ? start + len : yajl_get_bytes_consumed(finder->yajl);
	if (match_value(finder, &rest) == MATCH_WHOLE)
		note_found(finder, start);
	return 1;
}

static int
find_null(void *context)
{
	return scalar(context, sizeof "null" - 1);
}

static int
find_boolean(void *context, int is_true)
{
	return scalar(context, is_true ? sizeof "true" - 1 : sizeof "false" - 1);
}

static int
find_number(void *context, const char *text, size_t len)
{
	(void)text;
	return scalar(context, len);
}

static int
find_string(void *context, const unsigned char *text, size_t len)
{
	(void)text;
	(void)len;
	return scalar(context, 0);
}

static int
find_name(void *context, const unsigned char *text, size_t len)
{
	struct finder *finder = context;
	struct step *step = on_the_way(finder);

	finder->behind = yajl_get_bytes_consumed(finder->yajl);
	finder->match = MATCH_NONE;
	if (step == NULL)
		return 1;
	finder->match =
		match_name(step->rest, (struct slice){ (const char *)text, len }, &finder->rest);
	if (finder->match != MATCH_NONE) {
		finder->repeated = finder->repeated || step->matched;
		step->matched = true;
	}
	return 1;
}

static int
find_open(struct finder *finder, bool is_array)
{
	size_t start = value_start(finder);
	struct slice rest;
	enum match match;

	if (finder->depth == LEAF_DEPTH_MAX)
		return 0;
	match = match_value(finder, &rest);
	finder->behind = start + 1;
	if (match == MATCH_WHOLE) {
		finder->is_inside = true;
		finder->target_depth = finder->depth;
		note_found(finder, start); /* its end follows */
	} else if (match == MATCH_ON_THE_WAY) {
		finder->chain[finder->chain_len++] =
			(struct step){ .rest = rest, .is_array = is_array };
	}
	finder->depth++;
	return 1;
}

static int
find_open_object(void *context)
{
	return find_open(context, false);
}

static int
find_open_array(void *context)
{
	return find_open(context, true);
}

static int
find_close(void *context)
{
	struct finder *finder = context;

	finder->behind = yajl_get_bytes_consumed(finder->yajl);
	if (finder->depth == finder->chain_len)
		finder->chain_len--;
	finder->depth--;
	if (finder->is_inside && finder->depth == finder->target_depth) {
		finder->is_inside = false;
		note_found(finder, (size_t)(finder->found.data - finder->text.data));
	}
	return 1;
}

static const yajl_callbacks finder_callbacks = {
	.yajl_null = find_null,
	.yajl_boolean = find_boolean,
	.yajl_number = find_number,
	.yajl_string = find_string,
	.yajl_start_map = find_open_object,
	.yajl_map_key = find_name,
	.yajl_end_map = find_close,
	.yajl_start_array = find_open_array,
	.yajl_end_array = find_close,
};

enum json_raw
json_find_raw(struct slice text, struct slice path, struct slice *out)
{
	struct finder finder = { .text = text, .path = path };
	yajl_status status;
	size_t at;

	if (text.len == 0)
		return JSON_RAW_INVALID;
	finder.yajl = open_yajl(&finder_callbacks, &finder);
	status = feed_yajl(finder.yajl, text, &at);
	yajl_free(finder.yajl);
	if (status != yajl_status_ok || check_text(text, NULL) != JSON_OK)
		return JSON_RAW_INVALID;
	if (finder.repeated)
		return JSON_RAW_REPEATED;
	if (finder.found.data == NULL)
		return JSON_RAW_ABSENT;
	*out = finder.found;
	return JSON_RAW_FOUND;
}
