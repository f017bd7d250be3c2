/* test_leaf.c - the tree of leaves: building, finding, walking, writing */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "leaf.h"

#define NOTHING ((struct slice){ NULL, 0 })

/* Build from a small notation: { } [ ] as in JSON, "name:" before a member,
 * scalars up to the next blank: 12 is a number, t f n, anything else a string. */
static bool
build(struct leaves *leaves, const char *notation)
{
	struct slice name = NOTHING;

	for (const char *p = notation; *p != '\0';) {
		size_t len = strcspn(p, " ");
		struct slice word = { p, len };
		bool ok = true;

		if (p[len - 1] == ':')
			name = (struct slice){ p, len - 1 };
		else if (slice_is(word, "{") || slice_is(word, "["))
			ok = leaves_open(leaves, *p == '{' ? LEAF_OBJECT : LEAF_ARRAY, name);
		else if (slice_is(word, "}") || slice_is(word, "]"))
			ok = leaves_close(leaves);
		else if (slice_is(word, "t") || slice_is(word, "f"))
			ok = leaves_add(leaves, *p == 't' ? LEAF_TRUE : LEAF_FALSE, name, NOTHING);
		else if (slice_is(word, "n"))
			ok = leaves_add(leaves, LEAF_NULL, name, NOTHING);
		else
			ok = leaves_add(leaves, *p >= '0' && *p <= '9' ? LEAF_NUMBER : LEAF_STRING,
				name, word);
		if (!ok)
			return false;
		p += len + strspn(p + len, " ");
	}
	return true;
}

static struct leaves *
built(const char *notation)
{
	struct leaves *leaves = leaves_new();

	assert_true(build(leaves, notation));
	return leaves;
}

/* "path=value" for each leaf, one blank between. */
static void
walk(const struct leaves *leaves, struct buf *out)
{
	struct buf path;
	struct leaf leaf;
	size_t cursor = 0;

	buf_init(&path, 10000);
	while (leaves_next(leaves, &cursor, &path, &leaf)) {
		if (out->len > 0)
			assert_true(buf_append_char(out, ' '));
		assert_true(buf_append_slice(out, buf_slice(&path)));
		assert_true(buf_append_char(out, '='));
		assert_true(buf_append_slice(out, leaf.value));
	}
	buf_free(&path);
}

static const struct {
	const char *notation;
	const char *walk;
	const char *json;
} trees[] = {
	{ "12", "=12", "12" },
	{ "abc", "=abc", "\"abc\"" },
	{ "{ }", "=", "{}" },
	{ "[ ]", "=", "[]" },
	{ "{ a: t b: f c: n }", "a=true b=false c=", "{\"a\":true,\"b\":false,\"c\":null}" },
	{ "{ a: { } b: [ ] }", "a= b=", "{\"a\":{},\"b\":[]}" },
	{ "{ a: { b: [ x { c: 1 } [ 2 ] ] } d: 3 }", "a.b.0=x a.b.1.c=1 a.b.2.0=2 d=3",
		"{\"a\":{\"b\":[\"x\",{\"c\":1},[2]]},\"d\":3}" },
	{ "[ 0 1 2 3 4 5 6 7 8 9 10 11 ]", "0=0 1=1 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9 10=10 11=11",
		"[0,1,2,3,4,5,6,7,8,9,10,11]" },
	/* The last of a repeated name, with all that lies below it. */
	{ "{ a: 1 a: 2 }", "a=2", "{\"a\":2}" },
	{ "{ a: { b: 1 } a: { c: 2 } }", "a.c=2", "{\"a\":{\"c\":2}}" },
	{ "{ a: { b: 1 } x: 0 a: 2 }", "x=0 a=2", "{\"x\":0,\"a\":2}" },
	{ "{ a: 1 a: { } }", "a=", "{\"a\":{}}" },
	{ "{ a: 1 a: 2 a: 3 b: 4 a: 5 }", "b=4 a=5", "{\"b\":4,\"a\":5}" },
	{ "[ { a: 1 } { a: 2 } ]", "0.a=1 1.a=2", "[{\"a\":1},{\"a\":2}]" },
	{ "{ a: { a: 1 a: { a: 2 } } }", "a.a.a=2", "{\"a\":{\"a\":{\"a\":2}}}" },
	/* Empty names, and names with dots. */
	{ "{ : 1 a: { : 2 } }", "=1 a.=2", "{\"\":1,\"a\":{\"\":2}}" },
	{ "{ : { : 1 } }", ".=1", "{\"\":{\"\":1}}" },
	{ "{ a.b: 1 a: { b: 2 } }", "a.b=1 a.b=2", "{\"a.b\":1,\"a\":{\"b\":2}}" },
};

static void
walk_gives_each_leaf_once_in_document_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
		struct leaves *leaves = built(trees[i].notation);
		struct buf out;

		buf_init(&out, 10000);
		walk(leaves, &out);
		assert_string_equal(buf_text(&out), trees[i].walk);
		buf_free(&out);
		leaves_free(leaves);
	}
}

static void
json_is_written_by_the_same_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
		struct leaves *leaves = built(trees[i].notation);
		struct buf out;

		buf_init(&out, 10000);
		assert_true(leaves_write_json(leaves, &out));
		assert_string_equal(buf_text(&out), trees[i].json);
		buf_free(&out);
		buf_init(&out, strlen(trees[i].json) - 1);
		assert_false(leaves_write_json(leaves, &out));
		buf_free(&out);
		leaves_free(leaves);
	}
}

static const struct {
	const char *notation;
	const char *path;
	const char *value; /* NULL: absent */
} finds[] = {
	{ "12", "", "12" },
	{ "12", "0", NULL },
	{ "{ a: { b: [ x { c: 1 } ] } }", "a.b.1.c", "1" },
	{ "{ a: { b: [ x { c: 1 } ] } }", "a.b.0", "x" },
	{ "{ a: { b: [ x { c: 1 } ] } }", "a.b", NULL },
	{ "{ a: { b: [ x { c: 1 } ] } }", "a.b.2", NULL },
	{ "{ a: { b: [ x { c: 1 } ] } }", "a.b.00", NULL },
	{ "{ a: { b: [ x { c: 1 } ] } }", "a.b.0.", NULL },
	{ "{ a: { b: [ x { c: 1 } ] } }", "", NULL },
	{ "{ a: { b: [ x { c: 1 } ] } }", "a.", NULL },
	{ "{ ab: 1 a: 2 }", "a", "2" },
	{ "{ ab: 1 a: 2 }", "ab", "1" },
	{ "{ ab: 1 a: 2 }", "abc", NULL },
	{ "{ a: { b: 1 } }", "axb", NULL },
	{ "{ a: { } }", "a", "" },
	{ "{ }", "", "" },
	{ "{ a: 1 a: 2 }", "a", "2" },
	{ "{ a: { b: 1 } a: { c: 2 } }", "a.b", NULL },
	{ "{ a: { b: 1 } a: { c: 2 } }", "a.c", "2" },
	{ "{ a: { b: 1 } a: 2 }", "a.b", NULL },
	{ "{ a: 1 a: { b: 2 } }", "a", NULL },
	/* Several readings: the last in the document. */
	{ "{ a.b: 1 a: { b: 2 } }", "a.b", "2" },
	{ "{ a: { b: 2 } a.b: 1 }", "a.b", "1" },
	{ "{ a.b: { c: 1 } a: { b.c: 2 x: 3 } }", "a.b.c", "2" },
	{ "{ a: { b.c: 2 x: 3 } a.b: { c: 1 } }", "a.b.c", "1" },
	{ "{ a: { x: 3 } a.b: { c: 1 } }", "a.b.c", "1" },
	{ "{ : 1 a: { : 2 } }", "", "1" },
	{ "{ : 1 a: { : 2 } }", "a.", "2" },
	{ "{ : { : 1 } }", ".", "1" },
	{ "[ 5 6 ]", "1", "6" },
	{ "[ 5 6 ]", "01", NULL },
};

static void
path_leads_to_the_last_leaf_of_that_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof finds / sizeof finds[0]; i++) {
		struct leaves *leaves = built(finds[i].notation);
		struct leaf leaf = { LEAF_NULL, NOTHING };
		bool found = leaves_find(leaves, slice_of(finds[i].path), &leaf);

		if (found != (finds[i].value != NULL) ||
			(found && !slice_is(leaf.value, finds[i].value)))
			fail_msg("%s in %s", finds[i].path, finds[i].notation);
		leaves_free(leaves);
	}
}

static void
kinds_are_kept(void **state)
{
	struct leaves *leaves = built("[ x 1 t f n { } [ ] ]");
	static const enum leaf_kind kinds[] = { LEAF_STRING, LEAF_NUMBER, LEAF_TRUE, LEAF_FALSE,
		LEAF_NULL, LEAF_OBJECT, LEAF_ARRAY };
	struct buf path;
	struct leaf leaf;
	size_t cursor = 0;

	(void)state;
	buf_init(&path, 10);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		assert_true(leaves_next(leaves, &cursor, &path, &leaf));
		assert_int_equal(leaf.kind, kinds[i]);
	}
	assert_false(leaves_next(leaves, &cursor, &path, &leaf));
	assert_false(leaves_next(leaves, &cursor, &path, &leaf));
	buf_free(&path);
	leaves_free(leaves);
}

static void
repeated_names_are_settled_among_many_members(void **state)
{
	struct leaves *leaves = leaves_new();
	struct leaf leaf;
	struct buf path;
	size_t cursor = 0;
	size_t count = 0;

	(void)state;
	assert_true(leaves_open(leaves, LEAF_OBJECT, NOTHING));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			char name[16];
			char value[16];

			snprintf(name, sizeof name, "m%d", i);
			snprintf(value, sizeof value, "%d", round * 1000 + i);
			assert_true(leaves_open(leaves, LEAF_ARRAY, slice_of(name)));
			assert_true(leaves_add(leaves, LEAF_NUMBER, NOTHING, slice_of(value)));
			assert_true(leaves_close(leaves));
		}
	}
	assert_true(leaves_close(leaves));
	buf_init(&path, 100);
	while (leaves_next(leaves, &cursor, &path, &leaf)) {
		char expected[32];

		snprintf(expected, sizeof expected, "m%zu.0", count);
		assert_string_equal(buf_text(&path), expected);
		snprintf(expected, sizeof expected, "%zu", 2000 + count);
		assert_true(slice_is(leaf.value, expected));
		count++;
	}
	assert_int_equal(count, 1000);
	assert_true(leaves_find(leaves, slice_of("m7.0"), &leaf));
	assert_true(slice_is(leaf.value, "2007"));
	buf_free(&path);
	leaves_free(leaves);
}

static void
key_is_looked_for_at_the_top_only(void **state)
{
	struct leaves *leaves = built("{ a: { b: 1 } c: 2 e: [ ] }");

	(void)state;
	assert_true(leaves_has_key(leaves, slice_of("a")));
	assert_true(leaves_has_key(leaves, slice_of("c")));
	assert_true(leaves_has_key(leaves, slice_of("e")));
	assert_false(leaves_has_key(leaves, slice_of("b")));
	assert_false(leaves_has_key(leaves, slice_of("a.b")));
	assert_false(leaves_has_key(leaves, slice_of("")));
	leaves_free(leaves);

	leaves = built("[ 1 ]");
	assert_false(leaves_has_key(leaves, slice_of("0")));
	leaves_free(leaves);
}

static void
depth_is_limited(void **state)
{
	struct leaves *leaves = leaves_new();
	struct buf out;

	(void)state;
	for (int i = 0; i < LEAF_DEPTH_MAX; i++)
		assert_true(leaves_open(leaves, LEAF_ARRAY, NOTHING));
	assert_true(leaves_add(leaves, LEAF_TRUE, NOTHING, NOTHING));
	assert_false(leaves_too_large(leaves));
	assert_false(leaves_open(leaves, LEAF_ARRAY, NOTHING));
	assert_true(leaves_too_large(leaves));
	for (int i = 0; i < LEAF_DEPTH_MAX; i++)
		assert_true(leaves_close(leaves));
	buf_init(&out, 1000);
	walk(leaves, &out);
	assert_int_equal(out.len, LEAF_DEPTH_MAX * 2 - 1 + strlen("=true"));
	buf_free(&out);
	leaves_free(leaves);
}

static void
number_of_nodes_is_limited(void **state)
{
	struct leaves *leaves = leaves_new();

	(void)state;
	assert_true(leaves_open(leaves, LEAF_ARRAY, NOTHING));
	for (int i = 1; i < LEAF_COUNT_MAX; i++)
		assert_true(leaves_add(leaves, LEAF_NULL, NOTHING, NOTHING));
	assert_false(leaves_add(leaves, LEAF_NULL, NOTHING, NOTHING));
	assert_true(leaves_too_large(leaves));
	leaves_free(leaves);
}

static void
only_one_root_and_no_close_too_many(void **state)
{
	struct leaves *leaves = built("{ a: 1 }");

	(void)state;
	assert_false(leaves_close(leaves));
	assert_false(leaves_add(leaves, LEAF_TRUE, NOTHING, NOTHING));
	assert_false(leaves_open(leaves, LEAF_OBJECT, NOTHING));
	assert_false(leaves_too_large(leaves));
	leaves_free(leaves);
}

static void
leaf_whose_path_does_not_fit_is_told_from_the_end(void **state)
{
	static const struct {
		const char *path; /* NULL: did not fit */
	} steps[] = { { "a" }, { NULL }, { "b.c" }, { NULL }, { "b.d.1" }, { NULL }, { "e" } };
	struct leaves *leaves =
		built("{ a: 1 abcdef: 2 b: { c: 3 d: [ { x: 4 } 5 ] abcdef: 6 } e: 7 }");
	struct buf path;
	struct leaf leaf;
	size_t cursor = 0;

	(void)state;
	buf_init(&path, 5);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		assert_false(leaves_at_end(leaves, cursor));
		assert_int_equal(leaves_next(leaves, &cursor, &path, &leaf), steps[i].path != NULL);
		if (steps[i].path != NULL)
			assert_string_equal(buf_text(&path), steps[i].path);
	}
	assert_true(leaves_at_end(leaves, cursor));
	assert_false(leaves_next(leaves, &cursor, &path, &leaf));
	buf_free(&path);
	leaves_free(leaves);
}

static void
empty_tree_holds_nothing(void **state)
{
	struct leaves *leaves = leaves_new();
	struct buf path;
	struct leaf leaf;
	size_t cursor = 0;

	(void)state;
	buf_init(&path, 5);
	assert_false(leaves_next(leaves, &cursor, &path, &leaf));
	assert_false(leaves_find(leaves, slice_of(""), &leaf));
	assert_false(leaves_has_key(leaves, slice_of("")));
	buf_free(&path);
	leaves_free(leaves);
	leaves_free(NULL);
}

static void
walk_may_start_again_with_the_same_path(void **state)
{
	struct leaves *leaves = built("{ a: { b: 1 c: 2 } }");
	struct buf path;
	struct leaf leaf;

	(void)state;
	buf_init(&path, 100);
	for (int i = 0; i < 2; i++) {
		size_t cursor = 0;

		assert_true(leaves_next(leaves, &cursor, &path, &leaf));
		assert_string_equal(buf_text(&path), "a.b");
		assert_true(leaves_next(leaves, &cursor, &path, &leaf));
		assert_string_equal(buf_text(&path), "a.c");
	}
	buf_free(&path);
	leaves_free(leaves);
}

static void
repeated_name_is_noticed_at_any_depth(void **state)
{
	static const struct {
		const char *notation;
		bool repeated;
	} rows[] = {
		{ "{ }", false },
		{ "s", false },
		{ "{ a: 1 b: 2 A: 3 }", false },
		{ "{ a: 1 b: 2 a: 1 }", true },
		{ "{ a: { x: 1 } b: { x: 1 } }", false },
		{ "{ a: { x: 1 y: 2 x: n } }", true },
		{ "[ 1 1 { a: 1 } { a: 1 } ]", false },
		{ "[ { } [ { b: 1 b: { } } ] ]", true },
		{ "{ a: { } a: { } }", true },
	};
	struct leaves *many = leaves_new();

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leaves *leaves = built(rows[i].notation);

		assert_int_equal(leaves_has_repeated_name(leaves), rows[i].repeated);
		leaves_free(leaves);
	}
	/* More than are compared with each other. */
	assert_true(leaves_open(many, LEAF_OBJECT, NOTHING));
	for (int i = 0; i < 100; i++) {
		char name[8];

		snprintf(name, sizeof name, "%d", i % 99);
		assert_true(leaves_add(many, LEAF_NULL, slice_of(name), NOTHING));
	}
	assert_true(leaves_close(many));
	assert_true(leaves_has_repeated_name(many));
	leaves_free(many);
}

static void
plain_is_a_leaf_that_every_reader_finds_by_its_path(void **state)
{
	static const struct {
		const char *notation, *path;
		bool plain;
	} rows[] = {
		{ "{ a: { b: 1 } }", "a.b", true },
		{ "{ a: [ { b: 1 } ] }", "a.0.b", true },
		{ "{ a: { b: 1 } }", "a", true },
		{ "{ a: { b: 1 } }", "a.c", false },
		{ "{ a: { b: 1 } a.b: 2 }", "a.b", false },
		{ "{ a.b: 2 a: { b: 1 } }", "a.b", false },
		{ "{ a: { b: { } } a.b: 2 }", "a.b", false },
		{ "{ a: { b: { c: 1 } } a.b: 2 }", "a.b", false },
		{ "{ a: [ ] a.0.b: 2 }", "a.0.b", false },
		{ "{ a.0: { b: 2 } a: [ { b: 1 } ] }", "a.0.b", false },
		{ "{ a: { b: 1 b: 2 } }", "a.b", true },
		{ "{ a.b: 2 a: { c: 1 } }", "a.c", true },
		{ "{ a: [ 1 ] a: [ 2 ] }", "a", true },
		{ "{ a.b: [ ] }", "a.b", false },
		{ "{ }", "a", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leaves *leaves = built(rows[i].notation);

		if (leaves_is_plain(leaves, slice_of(rows[i].path)) != rows[i].plain)
			fail_msg("%s in %s", rows[i].path, rows[i].notation);
		leaves_free(leaves);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_gives_each_leaf_once_in_document_order),
		cmocka_unit_test(json_is_written_by_the_same_rules),
		cmocka_unit_test(path_leads_to_the_last_leaf_of_that_name),
		cmocka_unit_test(kinds_are_kept),
		cmocka_unit_test(repeated_names_are_settled_among_many_members),
		cmocka_unit_test(key_is_looked_for_at_the_top_only),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(number_of_nodes_is_limited),
		cmocka_unit_test(only_one_root_and_no_close_too_many),
		cmocka_unit_test(leaf_whose_path_does_not_fit_is_told_from_the_end),
		cmocka_unit_test(empty_tree_holds_nothing),
		cmocka_unit_test(walk_may_start_again_with_the_same_path),
		cmocka_unit_test(repeated_name_is_noticed_at_any_depth),
		cmocka_unit_test(plain_is_a_leaf_that_every_reader_finds_by_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
