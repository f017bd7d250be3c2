/* test_buf.c - a buffer keeps to its ceiling and ends in NUL; alloc.h gives memory or ends */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "alloc.h"
#include "buf.h"

static void
new_buffer_is_empty_text(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_null(buf.data);
	assert_string_equal(buf_text(&buf), "");
	assert_int_equal(buf_slice(&buf).len, 0);
	buf_free(&buf);
}

static void
appending_joins_and_terminates(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	assert_true(buf_append(&buf, "a\0b", 3));
	assert_true(buf_append_slice(&buf, slice_of("cd")));
	assert_true(buf_append_slice(&buf, (struct slice){ NULL, 0 }));
	assert_true(buf_append_text(&buf, "ef"));
	assert_true(buf_append_char(&buf, 'g'));
	assert_true(buf_appendf(&buf, "%d-%s", 7, "h"));
	assert_int_equal(buf.len, 11);
	assert_memory_equal(buf.data, "a\0bcdefg7-h", 12);
	buf_free(&buf);
}

static void
ceiling_holds_for_every_length(void **state)
{
	(void)state;
	for (size_t max = 0; max < 300; max++) {
		struct buf buf;
		size_t count = 0;

		buf_init(&buf, max);
		while (buf_append_char(&buf, 'x'))
			count++;
		assert_int_equal(count, max);
		assert_int_equal(buf.len, max);
		assert_true(buf.size <= max + 1);
		assert_int_equal(strlen(buf_text(&buf)), max);
		buf_free(&buf);
	}
}

static void
failed_append_leaves_the_buffer_unchanged(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 5);
	assert_true(buf_append_text(&buf, "abc"));
	assert_false(buf_append_text(&buf, "def"));
	assert_false(buf_appendf(&buf, "%s", "def"));
	assert_false(buf_append_slice(&buf, slice_of("def")));
	assert_false(buf_reserve(&buf, 3));
	assert_string_equal(buf_text(&buf), "abc");
	assert_int_equal(buf.len, 3);
	assert_true(buf_append_text(&buf, "de"));
	assert_false(buf_append_char(&buf, 'f'));
	assert_string_equal(buf_text(&buf), "abcde");
	buf_free(&buf);
}

static void
absurd_sizes_do_not_overflow(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, SIZE_MAX);
	assert_true(buf_append_text(&buf, "abc"));
	assert_false(buf_reserve(&buf, SIZE_MAX));
	assert_false(buf_reserve(&buf, SIZE_MAX - 3));
#ifndef HOOKCGI_SANITIZED /* which treats a malloc() that must fail as an error */
	assert_false(buf_reserve(&buf, SIZE_MAX - 4));
	assert_false(buf_reserve(&buf, SIZE_MAX / 2));
#endif
	assert_string_equal(buf_text(&buf), "abc");
	buf_free(&buf);
}

static void
numbers_are_decimal_and_padded(void **state)
{
	(void)state;
	static const struct {
		uint64_t number;
		size_t width;
		const char *text;
	} cases[] = {
		{ 0, 0, "0" },
		{ 7, 3, "007" },
		{ 1234, 3, "1234" },
		{ UINT64_MAX, 1, "18446744073709551615" },
		{ 5, 1000, "00000000000000000000000000000005" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf buf;
		buf_init(&buf, 32);
		assert_true(buf_append_number(&buf, cases[i].number, cases[i].width));
		assert_string_equal(buf_text(&buf), cases[i].text);
		buf_free(&buf);
	}
}

static void
reserved_room_may_be_written(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10000);
	assert_true(buf_append_text(&buf, "ab"));
	assert_true(buf_reserve(&buf, 9998));
	assert_int_equal(buf.len, 2);
	memset(buf.data + 2, 'x', 9998);
	buf.len = 10000;
	assert_int_equal(strlen(buf_text(&buf)), 10000);
	assert_false(buf_reserve(&buf, 1));
	assert_true(buf_reserve(&buf, 0));
	buf_free(&buf);
}

static void
contents_survive_growth(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1 << 20);
	for (unsigned i = 0; i < 1 << 16; i++) {
		const unsigned char pair[2] = { (unsigned char)(i >> 8), (unsigned char)i };

		assert_true(buf_append(&buf, pair, 2));
	}
	for (unsigned i = 0; i < 1 << 16; i++) {
		assert_int_equal((unsigned char)buf.data[2 * i], i >> 8);
		assert_int_equal((unsigned char)buf.data[2 * i + 1], i & 255);
	}
	buf_free(&buf);
}

static void
cleared_buffer_keeps_its_memory(void **state)
{
	struct buf buf;
	char *data;

	(void)state;
	buf_init(&buf, 100);
	buf_clear(&buf);
	assert_true(buf_append_text(&buf, "abc"));
	data = buf.data;
	buf_clear(&buf);
	assert_string_equal(buf_text(&buf), "");
	assert_true(buf_append_text(&buf, "d"));
	assert_ptr_equal(buf.data, data);
	assert_string_equal(buf.data, "d"); /* nothing of what was there shows */
	buf_free(&buf);
}

static void
reused_buffer_keeps_little_memory(void **state)
{
	struct buf buf;
	char *data;

	(void)state;
	buf_init(&buf, 1000);
	assert_true(buf_append_text(&buf, "abc"));
	data = buf.data;
	buf_reuse(&buf, buf.size);
	assert_ptr_equal(buf.data, data);
	assert_string_equal(buf_text(&buf), "");
	assert_int_equal(buf.len, 0);
	buf_reuse(&buf, buf.size - 1);
	assert_null(buf.data);
	assert_true(buf_append_text(&buf, "d"));
	buf_free(&buf);
}

static void
freed_buffer_is_usable_again(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 3);
	assert_true(buf_append_text(&buf, "abc"));
	buf_free_secret(&buf);
	assert_string_equal(buf_text(&buf), "");
	assert_true(buf_append_text(&buf, "def"));
	assert_false(buf_append_char(&buf, 'g'));
	buf_free(&buf);
	buf_free(&buf);
	assert_int_equal(buf.max, 3);
}

static void
taken_text_belongs_to_the_caller(void **state)
{
	struct buf buf;
	char *text;

	(void)state;
	buf_init(&buf, 10);
	text = buf_take(&buf);
	assert_string_equal(text, "");
	free(text);

	assert_true(buf_append_text(&buf, "abc"));
	text = buf_take(&buf);
	assert_int_equal(buf.len, 0);
	assert_null(buf.data);
	assert_true(buf_append_text(&buf, "def"));
	assert_string_equal(text, "abc");
	free(text);
	buf_free(&buf);
}

static void
slices_compare_by_bytes(void **state)
{
	const struct slice with_nul = { "a\0b", 3 };

	(void)state;
	assert_true(slice_equal(slice_of(""), (struct slice){ NULL, 0 }));
	assert_true(slice_is((struct slice){ NULL, 0 }, ""));
	assert_true(slice_is(slice_of("abc"), "abc"));
	assert_false(slice_is(slice_of("abc"), "ab"));
	assert_false(slice_is(slice_of("abc"), "abd"));
	assert_false(slice_is(with_nul, "a"));
	assert_false(slice_equal(with_nul, (struct slice){ "a\0c", 3 }));
	assert_int_equal(slice_of(NULL).len, 0);
}

static void
copies_are_whole_and_terminated(void **state)
{
	char *copy = xmemdup0("a\0b", 3);

	(void)state;
	assert_memory_equal(copy, "a\0b", 4);
	free(copy);
	copy = xmemdup0(NULL, 0);
	assert_string_equal(copy, "");
	free(copy);
	copy = xstrdup("abc");
	assert_string_equal(copy, "abc");
	free_secret(copy, 3);
	free_secret(NULL, 3);
}

static void
nothing_is_still_memory(void **state)
{
	void *memory = xmalloc(0);

	(void)state;
	assert_non_null(memory);
	memory = xreallocarray(memory, 0, 8);
	assert_non_null(memory);
	free(memory);
	memory = xcalloc(0, 8);
	assert_non_null(memory);
	free(memory);
}

static void
allocate_too_much(int which)
{
	/* Not known to the compiler, which would warn. */
	volatile size_t half = SIZE_MAX / 2;

	if (which == 0)
		free(xreallocarray(NULL, half, 4));
	else if (which == 1)
		free(xcalloc(half, 4));
	else
		free(xmemdup0("", half * 2 + 1));
}

/* Products that wrap around must not become small blocks. */
static void
exhaustion_ends_the_process_with_71(void **state)
{
	(void)state;
#ifdef HOOKCGI_SANITIZED
	skip(); /* the sanitizer ends the process in its own way */
#endif
	for (int which = 0; which < 3; which++) {
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			(void)close(STDERR_FILENO);
			allocate_too_much(which);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EX_OSERR);
	}
}

static void
lack_of_memory_is_told_from_a_full_buffer(void **state)
{
	struct buf buf;

	(void)state;
	(void)buf_lacked_memory();
	buf_init(&buf, 10);
	assert_false(buf_append_text(&buf, "more than ten bytes"));
	assert_false(buf_lacked_memory());
	buf_free(&buf);
	buf_init(&buf, SIZE_MAX / 2);
#ifndef HOOKCGI_SANITIZED /* where such a wish ends the program */
	assert_false(buf_reserve(&buf, SIZE_MAX / 4));
	assert_true(buf_lacked_memory());
#endif
	assert_false(buf_lacked_memory());
	buf_free(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_buffer_is_empty_text),
		cmocka_unit_test(appending_joins_and_terminates),
		cmocka_unit_test(ceiling_holds_for_every_length),
		cmocka_unit_test(failed_append_leaves_the_buffer_unchanged),
		cmocka_unit_test(absurd_sizes_do_not_overflow),
		cmocka_unit_test(numbers_are_decimal_and_padded),
		cmocka_unit_test(reserved_room_may_be_written),
		cmocka_unit_test(contents_survive_growth),
		cmocka_unit_test(cleared_buffer_keeps_its_memory),
		cmocka_unit_test(reused_buffer_keeps_little_memory),
		cmocka_unit_test(freed_buffer_is_usable_again),
		cmocka_unit_test(taken_text_belongs_to_the_caller),
		cmocka_unit_test(slices_compare_by_bytes),
		cmocka_unit_test(copies_are_whole_and_terminated),
		cmocka_unit_test(nothing_is_still_memory),
		cmocka_unit_test(exhaustion_ends_the_process_with_71),
		cmocka_unit_test(lack_of_memory_is_told_from_a_full_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
