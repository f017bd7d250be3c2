/* test_json.c - JSON texts: what is taken, what is refused, what becomes of it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "json.h"
#include "leaf.h"

#define SUITE "tests/json/cases.txt"
#define SUITE_LINE_MAX 4096
#define REASON_SIZE 128

/* Where we differ from JSONTestSuite's judgement by rule: RFC 8259 allows
 * U+0000, but the environment of a handler ends there. */
static const char *const refused_by_rule[] = {
	"y_object_escaped_null_in_key",
	"y_string_null_escape",
};

/* What we do where the suite leaves it open: numbers of any size are text; no
 * lone surrogate, no invalid UTF-8, no byte order mark, no other encoding. */
static const struct {
	const char *name;
	enum json_result result;
} left_open[] = {
	{ "i_number_double_huge_neg_exp", JSON_OK },
	{ "i_number_huge_exp", JSON_OK },
	{ "i_number_neg_int_huge_exp", JSON_OK },
	{ "i_number_pos_double_huge_exp", JSON_OK },
	{ "i_number_real_neg_overflow", JSON_OK },
	{ "i_number_real_pos_overflow", JSON_OK },
	{ "i_number_real_underflow", JSON_OK },
	{ "i_number_too_big_neg_int", JSON_OK },
	{ "i_number_too_big_pos_int", JSON_OK },
	{ "i_number_very_big_negative_int", JSON_OK },
	{ "i_object_key_lone_2nd_surrogate", JSON_INVALID },
	{ "i_string_1st_surrogate_but_2nd_missing", JSON_INVALID },
	{ "i_string_1st_valid_surrogate_2nd_invalid", JSON_INVALID },
	{ "i_string_UTF-16LE_with_BOM", JSON_INVALID },
	{ "i_string_UTF-8_invalid_sequence", JSON_INVALID },
	{ "i_string_UTF8_surrogate_U+D800", JSON_INVALID },
	{ "i_string_incomplete_surrogate_and_escape_valid", JSON_INVALID },
	{ "i_string_incomplete_surrogate_pair", JSON_INVALID },
	{ "i_string_incomplete_surrogates_escape_valid", JSON_INVALID },
	{ "i_string_invalid_lonely_surrogate", JSON_INVALID },
	{ "i_string_invalid_surrogate", JSON_INVALID },
	{ "i_string_invalid_utf-8", JSON_INVALID },
	{ "i_string_inverted_surrogates_U+1D11E", JSON_INVALID },
	{ "i_string_iso_latin_1", JSON_INVALID },
	{ "i_string_lone_second_surrogate", JSON_INVALID },
	{ "i_string_lone_utf8_continuation_byte", JSON_INVALID },
	{ "i_string_not_in_unicode_range", JSON_INVALID },
	{ "i_string_overlong_sequence_2_bytes", JSON_INVALID },
	{ "i_string_overlong_sequence_6_bytes", JSON_INVALID },
	{ "i_string_overlong_sequence_6_bytes_null", JSON_INVALID },
	{ "i_string_truncated-utf-8", JSON_INVALID },
	{ "i_string_utf16BE_no_BOM", JSON_INVALID },
	{ "i_string_utf16LE_no_BOM", JSON_INVALID },
	{ "i_structure_500_nested_arrays", JSON_TOO_LARGE },
	{ "i_structure_UTF-8_BOM_empty_object", JSON_INVALID },
};

static enum json_result
judge(struct slice text)
{
	struct leaves *leaves = leaves_new();
	char reason[REASON_SIZE] = "";
	enum json_result result = json_parse(text, leaves, reason);

	assert_int_equal(reason[0] != '\0', result != JSON_OK);
	for (const char *p = reason; *p != '\0'; p++)
		assert_in_range(*p, 0x20, 0x7e);
	leaves_free(leaves);
	return result;
}

/* Keeping no member must not change the judgement. */
static enum json_result
judge_without_members(struct slice text)
{
	static char none[] = "no such name";
	char *const names[] = { none };
	struct leaves *leaves = leaves_new();
	enum json_result result = json_parse_members(text, names, 1, leaves, NULL);
	leaves_free(leaves);
	return result;
}

static struct leaves *
parsed(struct slice text)
{
	struct leaves *leaves = leaves_new();
	char reason[REASON_SIZE];

	if (json_parse(text, leaves, reason) != JSON_OK)
		fail_msg("%s", reason);
	return leaves;
}

/* Undo \\ and \xHH. */
static void
unescape(struct slice line, struct buf *out)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned byte = (unsigned char)line.data[i];

		if (byte == '\\' && line.data[i + 1] == 'x') {
			assert_int_equal(sscanf(line.data + i + 2, "%2x", &byte), 1);
			i += 3;
		} else if (byte == '\\') {
			i++;
		}
		assert_true(buf_append_char(out, (char)byte));
	}
}

static enum json_result
judge_case(struct slice escaped, long repeat)
{
	enum json_result result;
	struct buf once;
	struct buf text;

	buf_init(&once, SUITE_LINE_MAX);
	buf_init(&text, SUITE_LINE_MAX * 1000);
	unescape(escaped, &once);
	for (long i = 0; i < repeat; i++)
		assert_true(buf_append_slice(&text, buf_slice(&once)));
	result = judge(buf_slice(&text));
	assert_int_equal(judge_without_members(buf_slice(&text)), result);
	buf_free(&text);
	buf_free(&once);
	return result;
}

static bool
is_right(const char *name, enum json_result result)
{
	for (size_t i = 0; i < sizeof left_open / sizeof left_open[0]; i++) {
		if (strcmp(left_open[i].name, name) == 0)
			return result == left_open[i].result;
	}
	for (size_t i = 0; i < sizeof refused_by_rule / sizeof refused_by_rule[0]; i++) {
		if (strcmp(refused_by_rule[i], name) == 0)
			return result == JSON_INVALID;
	}
	switch (name[0]) {
	case 'y': return result == JSON_OK;
	case 'n': return result == JSON_INVALID || result == JSON_TOO_LARGE;
	default: return false;
	}
}

static void
json_test_suite_is_judged_as_it_says(void **state)
{
	FILE *file = fopen(SUITE, "r");
	char line[SUITE_LINE_MAX];
	int accepted = 0;
	int rejected = 0;
	int open = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL) {
		char *repeat = strchr(line, '\t');
		char *text = repeat != NULL ? strchr(repeat + 1, '\t') : NULL;

		if (line[0] == '#')
			continue;
		assert_non_null(text);
		*repeat++ = '\0';
		*text++ = '\0';
		if (!is_right(line, judge_case((struct slice){ text, strcspn(text, "\n") },
					    strtol(repeat, NULL, 10))))
			fail_msg("%s", line);
		accepted += line[0] == 'y';
		rejected += line[0] == 'n';
		open += line[0] == 'i';
	}
	(void)fclose(file);
	assert_int_equal(accepted, 95);
	assert_int_equal(rejected, 188);
	assert_int_equal(open, 35);
}

/* A string literal with its length, so that it may hold NULs. */
#define TEXT(literal)                       \
	{                                   \
		literal, sizeof literal - 1 \
	}

static void
gaps_of_yajl_are_closed(void **state)
{
	static const struct slice texts[] = {
		TEXT(""),
		TEXT(" "),
		TEXT("\f[]"),
		TEXT("[1,\v2]"),
		TEXT("[]\f"),
		TEXT("\xef\xbb\xbf[]"),
		TEXT("[] \""),    /* unterminated behind the value */
		TEXT("[] \"abc"), /* swallowed by yajl's closing blank */
		TEXT("1 \"\\"),   /* in an escape */
		TEXT("1 \"\xc3"), /* in a character */
		TEXT("[] tru"),   /* in a word */
		TEXT("[] /"),     /* in a comment */
		TEXT("[] // x"),
		TEXT("/* x */ []"),
		TEXT("[] []"),
		TEXT("1 2"),
		TEXT("-"),
		TEXT("01"),
		TEXT("1."),
		TEXT("1e"),
		TEXT("+1"),
		TEXT("[\"\\ud800\"]"),
		TEXT("[\"\\udc00\"]"),
		TEXT("[\"\\ud800\\ud800\"]"),
		TEXT("[\"\\ud800\\u0041\"]"),
		TEXT("[\"\\ud800\\n\"]"),
		TEXT("[\"\\ud800x\"]"),
		TEXT("[\"\\udc00\\ud800\"]"),
		TEXT("[\"\\\\\\ud800\"]"), /* behind an escaped backslash */
		TEXT("{\"\\ud800\":1}"),
		TEXT("{\"a\\u0000\":1}"),
		TEXT("[\"\\u0000\"]"),
		TEXT("[\"\0\"]"),
		TEXT("[]\0"),
		TEXT("[\"\xc0\x80\"]"),         /* overlong */
		TEXT("[\"\xe0\x9f\xbf\"]"),     /* overlong */
		TEXT("[\"\xf0\x8f\xbf\xbf\"]"), /* overlong */
		TEXT("[\"\xed\xa0\x80\"]"),     /* surrogate */
		TEXT("[\"\xf4\x90\x80\x80\"]"), /* above U+10FFFF */
		TEXT("[\"\xf5\x80\x80\x80\"]"),
		TEXT("{\"\xed\xb0\x80\":1}"),
		TEXT("[\"\t\"]"),
		TEXT("[1,]"),
		TEXT("{\"a\":1,}"),
		TEXT("{\"a\"}"),
		TEXT("[1}"),
		TEXT("NaN"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (judge(texts[i]) != JSON_INVALID ||
			judge_without_members(texts[i]) != JSON_INVALID)
			fail_msg("number %zu: %s", i, texts[i].data);
	}
}

static void
strings_are_decoded(void **state)
{
	static const struct {
		const char *text;
		const char *value;
	} cases[] = {
		{ "\"\"", "" },
		{ "\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz" },
		{ "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
		{ "\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf" },
		/* What yajl puts for a bad surrogate may also be meant. */
		{ "\"?\"", "?" },
		{ "\"\\u003f\"", "?" },
		{ "\"\\ufffd\"", "\xef\xbf\xbd" },
		{ "\"\xef\xbf\xbd\"", "\xef\xbf\xbd" },
		/* An escaped backslash before letters that look like an escape. */
		{ "\"\\\\ud800\"", "\\ud800" },
		{ "\"\\\\u0000\"", "\\u0000" },
		{ "\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80" },
		{ "\"\x7f\"", "\x7f" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct leaves *leaves = parsed(slice_of(cases[i].text));
		struct leaf leaf;

		assert_true(leaves_find(leaves, slice_of(""), &leaf));
		assert_int_equal(leaf.kind, LEAF_STRING);
		if (!slice_is(leaf.value, cases[i].value))
			fail_msg("%s", cases[i].text);
		leaves_free(leaves);
	}
}

static void
numbers_stay_text(void **state)
{
	static const char *const numbers[] = { "0", "-0", "-0.0", "1e999999999", "1E+2", "0.10",
		"123456789012345678901234567890", "9007199254740993", "1.0", "-1e-7" };

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		struct leaves *leaves = parsed(slice_of(numbers[i]));
		struct leaf leaf;
		struct buf out;

		buf_init(&out, 100);
		assert_true(leaves_find(leaves, slice_of(""), &leaf));
		assert_int_equal(leaf.kind, LEAF_NUMBER);
		assert_true(slice_is(leaf.value, numbers[i]));
		assert_true(leaves_write_json(leaves, &out));
		assert_string_equal(buf_text(&out), numbers[i]);
		buf_free(&out);
		leaves_free(leaves);
	}
}

static void
document_becomes_leaves_and_json_again(void **state)
{
	static const struct {
		const char *text;
		const char *json;
	} cases[] = {
		{ " { \"a\" : [ 1 , { \"b\" : null } , [ ] ] , \"c\" : { } } ",
			"{\"a\":[1,{\"b\":null},[]],\"c\":{}}" },
		{ "{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "{\"a\":{\"c\":2}}" },
		{ "{\"a\":1,\"\\u0061\":2}", "{\"a\":2}" },
		{ "{\"x\\ny\":\"\\u0001\\\"\"}", "{\"x\\ny\":\"\\u0001\\\"\"}" },
		{ "{\"k\":{\"\\u006b\":\"\\u0076\"}}", "{\"k\":{\"k\":\"v\"}}" },
		{ "true", "true" },
		{ "\t\r\n false \n", "false" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct leaves *leaves = parsed(slice_of(cases[i].text));
		struct buf out;

		buf_init(&out, 1000);
		assert_true(leaves_write_json(leaves, &out));
		assert_string_equal(buf_text(&out), cases[i].json);
		buf_free(&out);
		leaves_free(leaves);
	}
}

/* head, then unit so often that size is reached, then tail. */
static void
only_named_members_are_kept(void **state)
{
	(void)state;
	static char id[] = "id", data[] = "data";
	char *const names[] = { id, data };
	static const struct {
		const char *text;
		const char *kept;
	} rows[] = {
		{ "{\"id\":1,\"x\":2}", "{\"id\":1}" },
		{ "{\"x\":{\"id\":2,\"y\":[{\"data\":3}]},\"id\":1}", "{\"id\":1}" },
		{ "{\"x\":[1,[2,{}],{}],\"data\":{\"x\":[1,{\"y\":2}]},\"z\":\"\"}",
			"{\"data\":{\"x\":[1,{\"y\":2}]}}" },
		{ "{\"id\":1,\"id\":2,\"x\":3}", "{\"id\":2}" },
		{ "{\"data\":{\"a\":1},\"x\":0,\"data\":{\"b\":2}}", "{\"data\":{\"b\":2}}" },
		{ "{\"data.x\":1,\"dat\":2,\"datax\":3}", "{\"data.x\":1}" },
		{ "{\"x\":{}}", "{}" },
		{ "{}", "{}" },
		{ "[{\"x\":1}]", "[{\"x\":1}]" },
		{ "7", "7" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leaves *leaves = leaves_new();
		struct buf written;
		buf_init(&written, 1000);
		assert_int_equal(json_parse_members(slice_of(rows[i].text), names, 2, leaves, NULL),
			JSON_OK);
		assert_true(leaves_write_json(leaves, &written));
		assert_string_equal(buf_text(&written), rows[i].kept);
		buf_free(&written);
		leaves_free(leaves);
	}
}

static enum json_result
judge_bomb(const char *head, const char *unit, size_t count, const char *tail)
{
	enum json_result result;
	struct buf text;

	buf_init(&text, strlen(head) + strlen(unit) * count + strlen(tail));
	assert_true(buf_append_text(&text, head));
	for (size_t i = 0; i < count; i++)
		assert_true(buf_append_text(&text, unit));
	assert_true(buf_append_text(&text, tail));
	result = judge(buf_slice(&text));
	buf_free(&text);
	return result;
}

static void
bombs_are_too_large(void **state)
{
	(void)state;
	assert_int_equal(judge_bomb("", "[", 20000000, ""), JSON_TOO_LARGE);
	assert_int_equal(judge_bomb("", "{\"a\":", 1000000, ""), JSON_TOO_LARGE);
	assert_int_equal(judge_bomb("[", "[],", 2000000, "[]]"), JSON_TOO_LARGE);
	assert_int_equal(judge_bomb("[", "1,", LEAF_COUNT_MAX - 2, "1]"), JSON_OK);
	assert_int_equal(judge_bomb("[", "1,", LEAF_COUNT_MAX - 1, "1]"), JSON_TOO_LARGE);
	assert_int_equal(judge_bomb("{", "\"a\":1,", LEAF_COUNT_MAX - 2, "\"a\":1}"), JSON_OK);
	assert_int_equal(judge_bomb("[\"", "\\n", 5000000, "\"]"), JSON_OK);
	assert_int_equal(judge_bomb("[\"", "x", 5000000, ""), JSON_INVALID);
}

static void
depth_of_64_is_the_last_taken(void **state)
{
	char text[2 * LEAF_DEPTH_MAX + 2];

	(void)state;
	memset(text, '[', LEAF_DEPTH_MAX + 1);
	memset(text + LEAF_DEPTH_MAX + 1, ']', LEAF_DEPTH_MAX + 1);
	assert_int_equal(judge((struct slice){ text + 1, 2 * LEAF_DEPTH_MAX }), JSON_OK);
	assert_int_equal(judge((struct slice){ text, sizeof text }), JSON_TOO_LARGE);
}

static void
reason_names_the_byte(void **state)
{
	static const struct {
		const char *text;
		const char *reason;
	} cases[] = {
		{ "", "byte 0: " },
		{ "[1, x]", "byte 5: " },
		{ "[1", "byte 2: " },
		{ "[\"ab\\ud800\"]", "byte 4: " },
		{ "[\"ab\xed\xa0\x80\"]", "byte 4: " },
		{ "[1,\f2]", "byte 3: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct leaves *leaves = leaves_new();
		char reason[REASON_SIZE] = "";

		assert_int_equal(json_parse(slice_of(cases[i].text), leaves, reason), JSON_INVALID);
		if (strncmp(reason, cases[i].reason, strlen(cases[i].reason)) != 0)
			fail_msg("%s: %s", cases[i].text, reason);
		leaves_free(leaves);
		leaves = leaves_new();
		assert_int_equal(json_parse(slice_of(cases[i].text), leaves, NULL), JSON_INVALID);
		leaves_free(leaves);
	}
}

static enum json_raw
find_raw(const char *text, const char *path, struct slice *out)
{
	return json_find_raw(slice_of(text), slice_of(path), out);
}

static void
bytes_of_a_value_are_found_as_they_stand(void **state)
{
	static const struct {
		const char *text;
		const char *path;
		const char *raw; /* NULL: absent */
	} rows[] = {
		{ "{\"a\":1}", "a", "1" },
		{ " \t\r\n{ \"a\" :\n 1.50e+01 ,\"b\":2 } ", "a", "1.50e+01" },
		{ "{\"a\":1,\"b\" : -0}", "b", "-0" },
		{ "{\"a\":true,\"b\":false,\"c\":null}", "a", "true" },
		{ "{\"a\":true,\"b\":false,\"c\":null}", "b", "false" },
		{ "{\"a\":true,\"b\":false,\"c\":null}", "c", "null" },
		{ "{\"a\":\"\"}", "a", "\"\"" },
		{ "{\"a\": \"x\\u0041\\\"\\\\\" }", "a", "\"x\\u0041\\\"\\\\\"" },
		{ "{\"a\":\",:{}[]\" , \"b\":\":\"}", "b", "\":\"" },
		{ "{\"a\": { \"b\" : [ 1 , {} ] } , \"c\":3}", "a", "{ \"b\" : [ 1 , {} ] }" },
		{ "{\"a\": { \"b\" : [ 1 , {} ] } , \"c\":3}", "a.b", "[ 1 , {} ]" },
		{ "{\"a\": { \"b\" : [ 1 , { } ] } , \"c\":3}", "a.b.1", "{ }" },
		{ "{\"a\": { \"b\" : [ 1 , {} ] } , \"c\":3}", "a.b.0", "1" },
		{ "{\"a\": { \"b\" : [ 1 , {} ] } , \"c\":3}", "a.b.2", NULL },
		{ "{\"a\": { \"b\" : [ 1 , {} ] } , \"c\":3}", "c", "3" },
		{ "{\"a\": { \"b\" : [ 1 , {} ] } , \"c\":3}", "b", NULL },
		{ "{\"a\": { \"b\" : [ 1 , {} ] } , \"c\":3}", "c.a", NULL },
		{ "[[1,2],[3,[4,5]]]", "1.1.0", "4" },
		{ "[[1,2],[3,[4,5]]]", "1", "[3,[4,5]]" },
		{ "[[1,2],[3,[4,5]]]", "01", NULL },
		{ "[1,2,3,4,5,6,7,8,9,10,11,12]", "11", "12" },
		/* Names are compared as they are meant. */
		{ "{\"\\u0061\\/b\":1}", "a/b", "1" },
		{ "{\"\\ud83d\\ude00\":1}", "\xf0\x9f\x98\x80", "1" },
		{ "{\"a.b\":{\"c\":1}}", "a.b.c", "1" },
		{ "{\"a\":{\"\":1}}", "a.", "1" },
		{ "{\"ab\":1}", "a", NULL },
		/* The whole value. */
		{ " {\"a\":1}\n", "", "{\"a\":1}" },
		{ " \"x\" ", "", "\"x\"" },
		{ "12345", "", "12345" },
		{ " 12345 ", "", "12345" },
		{ "0", "", "0" },
		{ "true", "", "true" },
		{ "7", "a", NULL },
		{ "{}", "a", NULL },
		{ "[]", "0", NULL },
		/* What is repeated elsewhere is not on the way. */
		{ "{\"x\":1,\"x\":2,\"a\":{\"b\":3},\"y\":{\"a\":1,\"a\":2}}", "a.b", "3" },
		{ "[{\"a\":1},{\"a\":2}]", "1.a", "2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct slice raw = { NULL, 0 };
		enum json_raw result = find_raw(rows[i].text, rows[i].path, &raw);

		if (result != (rows[i].raw != NULL ? JSON_RAW_FOUND : JSON_RAW_ABSENT) ||
			!slice_is(raw, rows[i].raw))
			fail_msg("%s in %s: %d, %.*s", rows[i].path, rows[i].text, result,
				(int)raw.len, raw.data);
	}
}

static void
repeated_names_on_the_way_to_bytes_are_told(void **state)
{
	static const char *const texts[] = {
		"{\"a\":{\"b\":1},\"a\":{\"b\":1}}",
		"{\"a\":{\"x\":1},\"a\":{\"b\":1}}",
		"{\"a\":{\"b\":1},\"a\":7}",
		"{\"a\":{\"b\":1},\"\\u0061\":7}",
		"{\"a\":{\"b\":1,\"b\":2}}",
		/* Two readings of a path with dots. */
		"{\"a\":{\"b\":1},\"a.b\":2}",
	};
	struct slice raw;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(find_raw(texts[i], "a.b", &raw), JSON_RAW_REPEATED);
}

static void
bytes_are_found_in_json_alone(void **state)
{
	static const char *const texts[] = { "", " ", "{\"a\":1", "{\"a\":1}x", "{\"a\":1} \"",
		"{\"a\":01}", "{\"a\":1,}", "{\"a\":\f1}", "{\"a\":1,\"b\":\"\\u0000\"}",
		"{\"a\":1,\"b\":\"\\ud800\"}", "{\"a\":1,\"b\":\"\xff\"}", "a" };
	struct slice raw;
	struct buf deep;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(find_raw(texts[i], "a", &raw), JSON_RAW_INVALID);

	buf_init(&deep, 1000);
	for (size_t i = 0; i < LEAF_DEPTH_MAX; i++)
		assert_true(buf_append_char(&deep, '['));
	for (size_t i = 0; i < LEAF_DEPTH_MAX; i++)
		assert_true(buf_append_char(&deep, ']'));
	assert_int_equal(json_find_raw(buf_slice(&deep), slice_of("0.0"), &raw), JSON_RAW_FOUND);
	assert_int_equal(raw.len, 2 * (LEAF_DEPTH_MAX - 2));
	buf_clear(&deep);
	for (size_t i = 0; i < LEAF_DEPTH_MAX + 1; i++)
		assert_true(buf_append_char(&deep, '['));
	for (size_t i = 0; i < LEAF_DEPTH_MAX + 1; i++)
		assert_true(buf_append_char(&deep, ']'));
	assert_int_equal(json_find_raw(buf_slice(&deep), slice_of("0.0"), &raw), JSON_RAW_INVALID);
	buf_free(&deep);
}

static void
bytes_of_a_large_value_are_found(void **state)
{
	size_t len = (size_t)1 << 20;
	struct buf text, value;
	struct slice raw;

	(void)state;
	buf_init(&text, 4 * len);
	buf_init(&value, 2 * len);
	assert_true(buf_append_text(&value, "[ "));
	while (value.len < len)
		assert_true(buf_append_text(&value, "{\"k\" : \"\\u00e9\", \"n\":1e5} ,"));
	assert_true(buf_append_text(&value, " 7 ]"));
	assert_true(buf_append_text(&text, "{\"x\":"));
	assert_true(buf_append_slice(&text, buf_slice(&value)));
	assert_true(buf_append_text(&text, " , \"data\"\n:\n"));
	assert_true(buf_append_slice(&text, buf_slice(&value)));
	assert_true(buf_append_text(&text, "\n}"));
	assert_int_equal(json_find_raw(buf_slice(&text), slice_of("data"), &raw), JSON_RAW_FOUND);
	assert_true(slice_equal(raw, buf_slice(&value)));
	assert_int_equal(
		json_find_raw(buf_slice(&text), slice_of("data.30000.n"), &raw), JSON_RAW_FOUND);
	assert_true(slice_is(raw, "1e5"));
	buf_free(&value);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_test_suite_is_judged_as_it_says),
		cmocka_unit_test(gaps_of_yajl_are_closed),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(numbers_stay_text),
		cmocka_unit_test(document_becomes_leaves_and_json_again),
		cmocka_unit_test(only_named_members_are_kept),
		cmocka_unit_test(bombs_are_too_large),
		cmocka_unit_test(depth_of_64_is_the_last_taken),
		cmocka_unit_test(reason_names_the_byte),
		cmocka_unit_test(bytes_of_a_value_are_found_as_they_stand),
		cmocka_unit_test(repeated_names_on_the_way_to_bytes_are_told),
		cmocka_unit_test(bytes_are_found_in_json_alone),
		cmocka_unit_test(bytes_of_a_large_value_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
