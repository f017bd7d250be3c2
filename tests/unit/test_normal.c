/* test_normal.c - normalization form KD: lines of Unicode's NormalizationTest.txt */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "normal.h"

static void
nfkd_is_unicodes(void **state)
{
	/* Columns 1 and 5 of NormalizationTest.txt, and text that stays as it is. */
	static const struct {
		const char *source, *nfkd;
	} rows[] = {
		{ "", "" },
		{ "plain ASCII, 42", "plain ASCII, 42" },
		{ "\u1E0A", "D\u0307" },
		{ "\u1E0A\u0323", "D\u0323\u0307" },
		{ "\u00C8", "E\u0300" },
		{ "\uFB01", "fi" },
		{ "\u00BC", "1\u20444" },
		{ "\uAC00", "\u1100\u1161" },
		{ "\uFF21", "A" },
		{ "\u6771\u4EAC", "\u6771\u4EAC" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf out;
		buf_init(&out, 100);
		assert_int_equal(normal_nfkd(slice_of(rows[i].source), &out), NORMAL_OK);
		assert_string_equal(buf_text(&out), rows[i].nfkd);
		buf_free(&out);
	}
}

static void
what_is_not_utf8_or_does_not_fit_leaves_out_alone(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 2);
	assert_int_equal(normal_nfkd(slice_of("\xff"), &out), NORMAL_INVALID);
	assert_int_equal(normal_nfkd(slice_of("\u1E0A"), &out), NORMAL_NO_MEMORY);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nfkd_is_unicodes),
		cmocka_unit_test(what_is_not_utf8_or_does_not_fit_leaves_out_alone),
	};

	return cmocka_run_group_tests_name("normal", tests, NULL, NULL);
}
