/* test_saved.c - a saved request taken apart */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "saved.h"
#include "text.h"

#define LINE "POST /h HTTP/1.1\r\n"
#define CHUNKED LINE "Transfer-Encoding: chunked\r\n\r\n"

static unsigned
read_text(struct saved *saved, const char *text)
{
	struct buf buf;

	buf_init(&buf, 4096);
	assert_true(buf_append_text(&buf, text));
	return saved_read(saved, &buf);
}

static const char *
variable(const struct saved *saved, const char *name)
{
	for (size_t i = 0; i < saved->count; i++) {
		const char *value = text_variable_value(saved->variables[i], name);
		if (value != NULL)
			return value;
	}
	return "(absent)";
}

static void
heads_are_read_as_a_server_hands_them_on(void **state)
{
	static const struct {
		const char *text, *name, *value;
	} table[] = {
		{ LINE "A-b.c:  x y \t\r\n\r\n", "HTTP_A_B_C", "x y" },
		{ LINE "A:\r\n\r\n", "HTTP_A", "" },
		{ LINE "Content-Type: a/b\r\n\r\n", "CONTENT_TYPE", "a/b" },
		{ LINE "content-length: 3\r\n\r\n", "CONTENT_LENGTH", "3" },
		{ LINE "A: 1\r\n\r\n", "REQUEST_METHOD", "POST" },
		{ LINE "A: 1\r\n\r\n", "REQUEST_URI", "/h" },
		{ "GET https://e.org/h?a=b\nA: 1\n\n", "REQUEST_URI", "https://e.org/h?a=b" },
		{ "GET / HTTP/2\n\n", "REQUEST_METHOD", "GET" },
		{ "A: 1\n\n", "REQUEST_METHOD", "POST" },
		{ "A: 1\n\n", "REQUEST_URI", "(absent)" },
		{ "* To e.org\n> PUT /x HTTP/2\n* more\n> A: 1\n>\n", "HTTP_A", "1" },
		{ "> PUT /x HTTP/2\n> A: 1\n> \n", "REQUEST_METHOD", "PUT" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct saved saved;
		assert_int_equal(read_text(&saved, table[i].text), 0);
		assert_string_equal(variable(&saved, table[i].name), table[i].value);
		assert_null(saved.variables[saved.count]);
		assert_int_equal(saved.body.len, 0);
		saved_free(&saved);
	}
}

static void
a_line_that_is_no_header_is_named(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} table[] = {
		{ "", 1 },
		{ "\n{}", 1 },
		{ "{\"a\": 1}", 1 },
		{ "{\"a\":\n1}", 1 },
		{ LINE "A: 1\nnothing\n\n", 3 },
		{ LINE ": 1\n\n", 2 },
		{ LINE "A B: 1\n\n", 2 },
		{ LINE LINE "\n", 2 },
		{ "POST\n\n", 1 },
		{ "POST x\n\n", 1 },
		{ "> POST / HTTP/1.1\nA: 1\n\n", 2 },
		{ LINE "> A: 1\n\n", 2 },
		{ LINE "* A: 1\n\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct saved saved;
		assert_int_equal(read_text(&saved, table[i].text), table[i].line);
		assert_int_equal(saved.count, 0);
		assert_null(saved.text.data);
	}
}

static void
the_body_is_as_it_stands_and_chunks_are_put_together(void **state)
{
	static const struct {
		const char *text, *body;
		bool chunked;
	} table[] = {
		{ LINE "\r\n{}\r\n", "{}\r\n", false },
		{ LINE "\r\n\r\n", "\r\n", false },
		{ LINE "\r\n2\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\n\r\n", false },
		{ CHUNKED "2\r\n{}\r\n0\r\n\r\n", "{}", true },
		{ CHUNKED "1;a=b\r\n{\r\n01 \r\n}\r\n0\r\nA: 1\r\n\r\n", "{}", true },
		{ CHUNKED "B\n0123456789\n\n0\n\n\n", "0123456789\n", true },
		{ CHUNKED "0\r\n\r\n", "", true },
		{ CHUNKED "{}", "{}", false },
		{ CHUNKED "", "", false },
		{ CHUNKED "9\r\n{}\r\n0\r\n\r\n", "9\r\n{}\r\n0\r\n\r\n", false },
		{ CHUNKED "2\r\n{}\r\n", "2\r\n{}\r\n", false },
		{ CHUNKED "2\r\n{}\r\n0\r\n\r\nmore", "2\r\n{}\r\n0\r\n\r\nmore", false },
		{ CHUNKED "2x\r\n{}\r\n0\r\n", "2x\r\n{}\r\n0\r\n", false },
		{ CHUNKED "fffffffffffffffff\r\n{}", "fffffffffffffffff\r\n{}", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct saved saved;
		assert_int_equal(read_text(&saved, table[i].text), 0);
		assert_int_equal(saved.was_chunked, table[i].chunked);
		assert_true(slice_is(saved.body, table[i].body));
		saved_free(&saved);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_read_as_a_server_hands_them_on),
		cmocka_unit_test(a_line_that_is_no_header_is_named),
		cmocka_unit_test(the_body_is_as_it_stands_and_chunks_are_put_together),
	};

	return cmocka_run_group_tests_name("saved", tests, NULL, NULL);
}
