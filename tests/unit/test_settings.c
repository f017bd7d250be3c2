/* test_settings.c - text becomes a tree with the line of everything, or is refused with its faults */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct target {
	const char *colour;
	char *const *sizes;
	const char *before, *behind; /* to see that nothing else is written */
};

static const struct settings_allowed leaf_allowed[] = {
	{ .name = "colour", .kind = SETTINGS_TEXT, .offset = offsetof(struct target, colour) },
	{ .name = "sizes", .kind = SETTINGS_LIST, .offset = offsetof(struct target, sizes) },
	{ .name = NULL },
};

static const struct settings_allowed tree_allowed[] = {
	{ .name = "colour", .kind = SETTINGS_TEXT, .offset = offsetof(struct target, colour) },
	{ .name = "leaf", .kind = SETTINGS_BLOCK, .inside = leaf_allowed },
	{ .name = NULL },
};

static const struct settings_allowed wood_allowed[] = {
	{ .name = "owner", .kind = SETTINGS_TEXT },
	{ .name = "paths", .kind = SETTINGS_LIST },
	{ .name = "tree", .kind = SETTINGS_BLOCK, .inside = tree_allowed, .named = true },
	{ .name = NULL },
};

static struct settings_block *root;
static char told[4096]; /* "fault 3: message\n" for each */

static void
tell(void *context, enum settings_severity severity, unsigned line, const char *message)
{
	size_t len = strlen(told);
	assert_ptr_equal(context, &root);
	snprintf(told + len, sizeof told - len, "%s %u: %s\n",
		severity == SETTINGS_FAULT ? "fault" : "warning", line, message);
}

static void
forget(void)
{
	settings_free(root);
	root = NULL;
	told[0] = '\0';
}

static int
teardown(void **state)
{
	(void)state;
	forget();
	return 0;
}

static void
parse(const char *text)
{
	forget();
	root = settings_parse(text, wood_allowed, tell, &root);
}

static void
parse_fine(const char *text)
{
	parse(text);
	assert_string_equal(told, "");
	assert_non_null(root);
}

static void
every_value_has_its_text_and_line(void **state)
{
	(void)state;
	parse_fine("# one\nowner = me\n/* two\nlines */ paths = {\"a b\", # in a list\n 'c',\n\n"
		   "d}\n");
	assert_string_equal(settings_text(root, "owner"), "me");
	assert_int_equal(settings_line(root, "owner"), 2);
	const struct settings_option *paths = settings_find(root, "paths");
	assert_int_equal(paths->line, 4);
	assert_int_equal(paths->count, 3);
	static const char *const texts[] = { "a b", "c", "d" };
	static const unsigned lines[] = { 4, 5, 7 };
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_string_equal(paths->texts[i], texts[i]);
		assert_int_equal(paths->lines[i], lines[i]);
	}
	assert_null(paths->texts[3]);
}

static void
what_is_not_given_has_the_line_of_its_block(void **state)
{
	(void)state;
	parse_fine("\ntree \"oak\" {\n leaf x { } }\n");
	const struct settings_block *oak = settings_find_block(root, "tree", "oak");
	assert_null(settings_text(oak, "colour"));
	assert_int_equal(settings_find(oak, "colour")->line, 0);
	assert_int_equal(settings_line(oak, "colour"), 2);
	assert_int_equal(settings_line(root, "owner"), 0);
	assert_null(settings_find(oak, "owner"));
	assert_int_equal(settings_line(oak, "owner"), 2);
	assert_null(settings_text(oak, "owner"));
}

static void
an_empty_list_is_given_and_an_absent_one_is_not(void **state)
{
	(void)state;
	parse_fine("tree a { leaf x {\n sizes = {} } leaf y { } }\n");
	const struct settings_block *tree = settings_find_block(root, "tree", "a");
	const struct settings_option *empty =
		settings_find(settings_find_block(tree, "leaf", "x"), "sizes");
	const struct settings_option *absent =
		settings_find(settings_find_block(tree, "leaf", "y"), "sizes");
	assert_int_equal(empty->line, 2);
	assert_int_equal(empty->count, 0);
	assert_null(empty->texts);
	assert_int_equal(absent->line, 0);
	assert_int_equal(absent->count, 0);
}

static void
blocks_keep_their_order_and_are_found_by_title(void **state)
{
	(void)state;
	parse_fine("tree oak { colour = green leaf \"any text\" { colour = red } }\n"
		   "tree \"ash\" { }\n");
	const struct settings_option *trees = settings_find(root, "tree");
	assert_int_equal(trees->count, 2);
	assert_string_equal(trees->blocks[0].title, "oak");
	assert_string_equal(trees->blocks[1].title, "ash");
	assert_string_equal(trees->blocks[1].name, "tree");
	assert_int_equal(trees->blocks[1].line, 2);
	const struct settings_block *oak = settings_find_block(root, "tree", "oak");
	assert_ptr_equal(oak, &trees->blocks[0]);
	const struct settings_block *leaf = settings_find_block(oak, "leaf", "any text");
	assert_string_equal(settings_text(leaf, "colour"), "red");
	assert_string_equal(settings_text(oak, "colour"), "green");
	assert_null(settings_find_block(root, "tree", "elm"));
	assert_null(settings_find_block(root, "leaf", "any text"));
}

/* A later one replaces, += adds; the lines go with the values. */
static void
the_last_of_an_option_counts_and_so_do_its_lines(void **state)
{
	(void)state;
	parse("paths = {a,\nb,\nc}\npaths = {d}\npaths +=\n{e,\nf}\n");
	assert_string_equal(told, "warning 4: \"paths\" is given twice in this block and only this "
				  "one counts: remove the other\n");
	const struct settings_option *paths = settings_find(root, "paths");
	assert_int_equal(paths->count, 3);
	static const char *const texts[] = { "d", "e", "f" };
	static const unsigned lines[] = { 4, 6, 7 };
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_string_equal(paths->texts[i], texts[i]);
		assert_int_equal(paths->lines[i], lines[i]);
	}
	assert_int_equal(paths->line, 5);
	parse("owner = a\nowner = b\n");
	assert_string_equal(settings_text(root, "owner"), "b");
	assert_int_equal(settings_find(root, "owner")->lines[0], 2);
	assert_int_equal(settings_find(root, "owner")->count, 1);
}

static void
all_unknown_options_are_told_and_the_rest_is_there(void **state)
{
	(void)state;
	parse("ownr = {x, y}\ntree oak {\n thing { a { b = '}' } }\n colour = red }\nzzzzzz\n");
	assert_string_equal(told,
		"fault 1: unknown option \"ownr\" (did you mean \"owner\"?): correct or remove it\n"
		"fault 3: unknown option \"thing\": remove it, hookcgi.conf(5) lists them all\n"
		"fault 5: unknown option \"zzzzzz\": remove it, hookcgi.conf(5) lists them all\n");
	assert_non_null(root);
	const struct settings_block *oak = settings_find_block(root, "tree", "oak");
	assert_string_equal(settings_text(oak, "colour"), "red");
	assert_int_equal(settings_line(oak, "colour"), 4);
}

/* Titles that are wrong leave a tree, to look for more faults in. */
static void
a_wrong_title_is_a_fault_and_leaves_the_tree(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} rows[] = {
		{ "tree a { }\ntree a { }\n",
			"fault 2: tree \"a\" is given twice, first in line 1" },
		{ "tree A { }\n", "fault 1: \"A\" cannot be the name of a tree" },
		{ "tree a {\n leaf \"a\\\"b\" { } }\n",
			"fault 2: the title of leaf \"a\\\"b\" holds" },
		{ "tree \"${A}\" { }\n", "fault 1: the title of tree \"${A}\" holds" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		parse(rows[i].text);
		assert_non_null(root);
		told[strlen(rows[i].told)] = '\0';
		assert_string_equal(told, rows[i].told);
	}
}

static void
of_a_title_given_twice_the_last_counts(void **state)
{
	(void)state;
	parse("tree a { colour = red leaf x { } }\ntree b { }\ntree a {\n leaf y { } }\n");
	const struct settings_option *trees = settings_find(root, "tree");
	assert_int_equal(trees->count, 2);
	const struct settings_block *tree = settings_find_block(root, "tree", "a");
	assert_int_equal(tree->line, 3);
	assert_null(settings_text(tree, "colour"));
	assert_null(settings_find_block(tree, "leaf", "x"));
	assert_int_equal(settings_find_block(tree, "leaf", "y")->line, 4);
	assert_ptr_equal(tree, &trees->blocks[0]);
}

/* Wrong syntax: no tree, and one line that says where. */
static void
wrong_syntax_gives_no_tree(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} rows[] = {
		{ "\nowner me\n", "fault 2: missing equal sign" },
		{ "owner =\n", "fault 2: premature end" },
		{ "# c\ntree {\n", "fault 2: missing title" },
		{ "tree a {\n\n", "fault 1: the block tree \"a\" that begins here has no end" },
		{ "tree a {\n leaf b {\n }\n", "fault 1: the block tree \"a\"" },
		{ "unknown {\n", "fault 1: unknown option \"unknown\"" },
		{ "\nowner = 'me\n", "fault 2: this text has no end: write ' behind it" },
		{ "}\n", "fault 1: a } too much" },
		{ "owner = {me}\n", "fault 1: unexpected token" },
		{ "owner += me\n", "fault 1: " },
		{ "paths = {a,\n", "fault 2: premature end" },
		/* A byte that only the outline passes over: it stops there, libConfuse later. */
		{ "owner = \001\npaths = {b}\nx y\n", "fault 3: no such option 'x'" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		parse(rows[i].text);
		if (root != NULL || strncmp(told, rows[i].told, strlen(rows[i].told)) != 0) {
			print_error("%s -> %s\n", rows[i].text, told);
			fail();
		}
	}
	/* libConfuse is not asked: it takes this, and prints the rest to standard output. */
	parse("owner = me \"a\\");
	assert_null(root);
	assert_string_equal(told, "fault 1: this text has no end: write \" behind it\n");
	/* Two blocks for the outline, one for libConfuse. */
	parse("tree \"${HOOKCGI_NOT}\" { }\ntree \"${HOOKCGI_SET}\" { }\n");
	assert_null(root);
	/* A comment without an end takes the rest: a fault, but the rest is read. */
	parse("owner = me\n/* x\n");
	assert_string_equal(told, "fault 2: this comment has no end: write */ behind it\n");
}

/* libConfuse is given only what a text uses: what a text before it used is not kept. */
static void
each_text_is_read_for_itself(void **state)
{
	(void)state;
	parse_fine("tree a { leaf x { sizes = {1, 2} } }\n");
	parse_fine("");
	assert_int_equal(settings_find(root, "tree")->count, 0);
	parse("owner = {\n");
	assert_null(root);
	parse_fine("owner = me\ntree a { colour = red }\ntree b { leaf y { colour = blue } }\n");
	const struct settings_block *tree = settings_find_block(root, "tree", "b");
	assert_string_equal(
		settings_text(settings_find_block(tree, "leaf", "y"), "colour"), "blue");
}

static void
variables_are_replaced_in_double_quotes_only(void **state)
{
	(void)state;
	assert_int_equal(setenv("HOOKCGI_TEST", "v", 1), 0);
	parse_fine("paths = {\"a${HOOKCGI_TEST}\", '${HOOKCGI_TEST}', \"\\x41\\\"#\"}\n");
	const struct settings_option *paths = settings_find(root, "paths");
	assert_string_equal(paths->texts[0], "av");
	assert_string_equal(paths->texts[1], "${HOOKCGI_TEST}");
	assert_string_equal(paths->texts[2], "A\"#");
}

/* Under CGI a request's variables are in the environment, and the sender chose them. */
static void
a_variable_of_the_request_is_a_fault(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned line;
	} rows[] = {
		{ "owner = \"${HTTP_X}\"\n", 1 },
		{ "owner = ${HTTP_X}\n", 1 },
		{ "\npaths = {a,\n\"b${HTTP_X:-c}\"}\n", 3 },
		{ "owner = \"$${QUERY_STRING}\"\n", 1 },
		{ "owner = \"${HTTPS:-}\"\n", 1 },
		{ "tree a {\n leaf b {\n colour = \"\\\\${PATH_INFO}\" } }\n", 3 },
		{ "tree a { leaf \"${REMOTE_USER}\" { } }\n", 1 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char fault[64];
		parse(rows[i].text);
		snprintf(fault, sizeof fault, "fault %u: ${", rows[i].line);
		if (strstr(told, fault) == NULL ||
			strstr(told, "is set for each request") == NULL) {
			print_error("%s -> %s\n", rows[i].text, told);
			fail();
		}
	}
	/* Not replaced, so not asked for. */
	parse_fine("paths = {'${HTTP_X}', \"\\${HTTP_X}\", \"$HTTP_X\"} # ${HTTP_X}\n");
}

static void
values_are_put_where_the_table_says(void **state)
{
	(void)state;
	static const char *const sizes[] = { "1", "2" };
	static const char mark[] = "untouched";
	parse_fine("tree a { leaf x { colour = red sizes = {1, 2} } leaf y { sizes = {} } }\n");
	const struct settings_block *tree = settings_find_block(root, "tree", "a");
	struct target target = { mark, NULL, mark, mark };
	settings_fill(settings_find_block(tree, "leaf", "x"), &target);
	assert_string_equal(target.colour, "red");
	for (size_t i = 0; i < COUNT(sizes); i++)
		assert_string_equal(target.sizes[i], sizes[i]);
	assert_null(target.sizes[2]);
	settings_fill(settings_find_block(tree, "leaf", "y"), &target);
	assert_null(target.colour);
	assert_null(target.sizes);
	assert_ptr_equal(target.before, mark);
	assert_ptr_equal(target.behind, mark);
}

static void
a_slip_is_at_most_two_letters_and_not_the_whole_word(void **state)
{
	(void)state;
	static const struct {
		const char *wanted, *name;
		bool slip;
	} rows[] = {
		{ "colour", "colour", true },
		{ "color", "colour", true },
		{ "colors", "colour", true },
		{ "collars", "colour", false },
		{ "x", "y", false },
		{ "ab", "a", true },
		{ "ab", "cd", false },
		{ "", "a", false },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(
			settings_is_slip(slice_of(rows[i].wanted), rows[i].name), rows[i].slip);
	char longest[100];
	memset(longest, 'a', sizeof longest);
	struct slice slice = { longest, sizeof longest };
	assert_false(settings_is_slip(slice, "a"));
}

#define TEST(function) cmocka_unit_test_teardown(function, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_value_has_its_text_and_line),
		TEST(what_is_not_given_has_the_line_of_its_block),
		TEST(an_empty_list_is_given_and_an_absent_one_is_not),
		TEST(blocks_keep_their_order_and_are_found_by_title),
		TEST(the_last_of_an_option_counts_and_so_do_its_lines),
		TEST(all_unknown_options_are_told_and_the_rest_is_there),
		TEST(a_wrong_title_is_a_fault_and_leaves_the_tree),
		TEST(of_a_title_given_twice_the_last_counts),
		TEST(wrong_syntax_gives_no_tree),
		TEST(each_text_is_read_for_itself),
		TEST(variables_are_replaced_in_double_quotes_only),
		TEST(a_variable_of_the_request_is_a_fault),
		TEST(values_are_put_where_the_table_says),
		TEST(a_slip_is_at_most_two_letters_and_not_the_whole_word),
	};
	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
