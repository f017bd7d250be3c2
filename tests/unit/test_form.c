/* test_form.c - form bodies and query strings */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "form.h"
#include "leaf.h"

#define REASON_SIZE 128

static enum form_result
judge(struct slice text)
{
	struct leaves *leaves = leaves_new();
	char reason[REASON_SIZE] = "";
	enum form_result result = form_parse(text, leaves, reason);

	assert_int_equal(reason[0] != '\0', result != FORM_OK);
	leaves_free(leaves);
	return result;
}

static struct leaves *
parsed(struct slice text)
{
	struct leaves *leaves = leaves_new();
	char reason[REASON_SIZE];

	if (form_parse(text, leaves, reason) != FORM_OK)
		fail_msg("%s", reason);
	return leaves;
}

static void
assert_found(const struct leaves *leaves, const char *path, const char *value)
{
	struct leaf leaf;

	if (!leaves_find(leaves, slice_of(path), &leaf))
		fail_msg("no %s", path);
	assert_int_equal(leaf.kind, LEAF_STRING);
	if (!slice_is(leaf.value, value))
		fail_msg("%s", path);
}

static void
names_nest_as_in_rack(void **state)
{
	static const struct {
		const char *form;
		const char *json;
	} cases[] = {
		{ "", "{}" },
		{ "&&", "{}" },
		{ "=x", "{}" },
		{ "a", "{\"a\":\"\"}" },
		{ "a=", "{\"a\":\"\"}" },
		{ "a=1&b=2", "{\"a\":\"1\",\"b\":\"2\"}" },
		{ "a=1&&b=2&", "{\"a\":\"1\",\"b\":\"2\"}" },
		{ "a=1;b=2", "{\"a\":\"1;b=2\"}" },
		{ "a=b=c", "{\"a\":\"b=c\"}" },
		{ "a=1&b=2&a=3", "{\"a\":\"3\",\"b\":\"2\"}" },
		{ "a+b=c%20d+e%2B", "{\"a b\":\"c d e+\"}" },
		{ "%61=%C3%a9", "{\"a\":\"\xc3\xa9\"}" },
		{ "a.b=1", "{\"a.b\":\"1\"}" },
		{ "a[b]=1", "{\"a\":{\"b\":\"1\"}}" },
		{ "a%5Bb%5D=1", "{\"a\":{\"b\":\"1\"}}" },
		{ "a[b]=1&c=2&a[d]=3", "{\"a\":{\"b\":\"1\",\"d\":\"3\"},\"c\":\"2\"}" },
		{ "a[b][c]=1&a[b][d]=2", "{\"a\":{\"b\":{\"c\":\"1\",\"d\":\"2\"}}}" },
		{ "a[b]=1&a[b]=2", "{\"a\":{\"b\":\"2\"}}" },
		{ "a[0]=x&a[1]=y", "{\"a\":{\"0\":\"x\",\"1\":\"y\"}}" },
		{ "a[]=1&a[]=2", "{\"a\":[\"1\",\"2\"]}" },
		{ "a[b][]=1&a[b][]=2", "{\"a\":{\"b\":[\"1\",\"2\"]}}" },
		{ "a[][x]=1&a[][y]=2&a[][x]=3",
			"{\"a\":[{\"x\":\"1\",\"y\":\"2\"},{\"x\":\"3\"}]}" },
		{ "a[][x][y]=1&a[][x][z]=2&a[][x][y]=3",
			"{\"a\":[{\"x\":{\"y\":\"1\",\"z\":\"2\"}},{\"x\":{\"y\":\"3\"}}]}" },
		{ "a[][x][]=1&a[][x][]=2", "{\"a\":[{\"x\":[\"1\",\"2\"]}]}" },
		{ "a[]=1&a[][x]=2", "{\"a\":[\"1\",{\"x\":\"2\"}]}" },
		{ "a[][]=1&a[][]=2", "{\"a\":[[\"1\"],[\"2\"]]}" },
		/* Brackets that do not pair are letters. */
		{ "[a]=1", "{\"[a]\":\"1\"}" },
		{ "[]=1", "{\"[]\":\"1\"}" },
		{ "[=1", "{\"[\":\"1\"}" },
		{ "a[=1", "{\"a[\":\"1\"}" },
		{ "a]=1", "{\"a]\":\"1\"}" },
		{ "a[b=1", "{\"a\":{\"[b\":\"1\"}}" },
		{ "a[b]c=1", "{\"a\":{\"b\":{\"c\":\"1\"}}}" },
		{ "a[b]c[d]=1", "{\"a\":{\"b\":{\"c[d]\":\"1\"}}}" },
		{ "a[b[c]]=1", "{\"a\":{\"b[c\":{\"]\":\"1\"}}}" },
		{ "a[]x=1", "{\"a\":[{\"x\":\"1\"}]}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct leaves *leaves = parsed(slice_of(cases[i].form));
		struct buf out;

		buf_init(&out, 1000);
		assert_true(leaves_write_json(leaves, &out));
		if (strcmp(buf_text(&out), cases[i].json) != 0)
			fail_msg("%s: %s", cases[i].form, buf_text(&out));
		buf_free(&out);
		leaves_free(leaves);
	}
}

static void
what_cannot_be_read_is_invalid(void **state)
{
	static const char *const forms[] = {
		"a=%",
		"a=%4",
		"a=%4g",
		"a=%g4",
		"a=1&%=2",
		"a=%00",
		"a%00b=1",
		"a=%ff",
		"a=\xff",
		"a=%ED%A0%80",
		"%C3=%A9",
		/* A name of two kinds, whichever comes first. */
		"a=1&a[b]=2",
		"a[b]=2&a=1",
		"a=1&a[]=2",
		"a[]=1&a=2",
		"a[]=1&a[b]=2",
		"a[b]=1&a[]=2",
		"a[b]=1&a[b][c]=2",
		"a[][x]=1&a[][x][y]=2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (judge(slice_of(forms[i])) != FORM_INVALID)
			fail_msg("%s", forms[i]);
	}
	assert_int_equal(judge((struct slice){ "a=\0", 3 }), FORM_INVALID);
}

static void
reason_names_the_byte(void **state)
{
	struct leaves *leaves = leaves_new();
	char reason[REASON_SIZE];

	(void)state;
	assert_int_equal(form_parse(slice_of("a=1&&b=%zz"), leaves, reason), FORM_INVALID);
	assert_non_null(strstr(reason, "byte 5: "));
	leaves_free(leaves);

	leaves = leaves_new();
	assert_int_equal(form_parse(slice_of("a=1&a[b]=2"), leaves, reason), FORM_INVALID);
	assert_non_null(strstr(reason, "byte 4: "));
	leaves_free(leaves);
}

static void
wootric_body_is_read(void **state)
{
	/* The response of https://docs.wootric.com (outgoing webhooks), its lines joined. */
	struct leaves *leaves = parsed(slice_of(
		"response[id]=1128&response[email]=nps@example.com&response[external_id]=123abc&"
		"response[score]=7&response[text]=&response[ip_address]=127.0.0.1&"
		"response[origin_url]=https%3A%2F%2Fwootric.com%2F&response[end_user_id]=30&"
		"response[end_user_properties][pricing_plan]=Enterprise&"
		"response[end_user_properties][product_plan]=Web%20App&response[survey_id]=1146&"
		"response[created_at]=2016-08-04%2013%3A57%3A26%20-0700&"
		"response[updated_at]=2016-08-04%2013%3A57%3A26%20-0700&"
		"response[excluded_from_calculations]=false&event_name=created&"
		"account_token=NPS-xxxxxxx&survey_mode=NPS&"
		"timestamp=2016-08-04%2013%3A57%3A31%20-0700"));

	(void)state;
	assert_found(leaves, "response.score", "7");
	assert_found(leaves, "response.text", "");
	assert_found(leaves, "response.end_user_properties.pricing_plan", "Enterprise");
	assert_found(leaves, "response.end_user_properties.product_plan", "Web App");
	assert_found(leaves, "response.origin_url", "https://wootric.com/");
	assert_found(leaves, "event_name", "created");
	assert_found(leaves, "timestamp", "2016-08-04 13:57:31 -0700");
	assert_true(leaves_has_key(leaves, slice_of("response")));
	assert_false(leaves_has_key(leaves, slice_of("decline")));
	leaves_free(leaves);
}

/* before, a number from 0 up, after: count times, with "&" between. */
static void
repeat(struct buf *out, const char *before, const char *after, size_t count)
{
	buf_init(out, count * (strlen(before) + strlen(after) + 16));
	for (size_t i = 0; i < count; i++)
		assert_true(buf_appendf(out, "%s%s%zu%s", i > 0 ? "&" : "", before, i, after));
}

static void
ten_thousand_fields_are_the_last_taken(void **state)
{
	static const struct {
		const char *before;
		const char *after;
		const char *path;
		const char *value;
	} cases[] = {
		{ "k", "=v", "k9999", "v" },
		{ "a[]=", "", "a.9999", "9999" },
		{ "a[x_", "]=v", "a.x_9999", "v" },
		{ "a[][x]=", "", "a.9999.x", "9999" },
		{ "a[][]=", "", "a.9999.0", "9999" },
		{ "a=", "", "a", "9999" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct leaves *leaves;
		struct buf form;

		repeat(&form, cases[i].before, cases[i].after, FORM_FIELDS_MAX);
		leaves = parsed(buf_slice(&form));
		assert_found(leaves, cases[i].path, cases[i].value);
		leaves_free(leaves);
		buf_free(&form);
		repeat(&form, cases[i].before, cases[i].after, FORM_FIELDS_MAX + 1);
		assert_int_equal(judge(buf_slice(&form)), FORM_TOO_LARGE);
		buf_free(&form);
	}
}

static void
bombs_are_too_large(void **state)
{
	struct buf form;

	(void)state;
	repeat(&form, "a", "=1", 1000000);
	assert_int_equal(judge(buf_slice(&form)), FORM_TOO_LARGE);
	buf_free(&form);

	/* 10,000 fields of 30 containers each. */
	repeat(&form, "a",
		"[b][b][b][b][b][b][b][b][b][b][b][b][b][b][b][b][b][b][b][b]"
		"[b][b][b][b][b][b][b][b][b][b]=1",
		FORM_FIELDS_MAX);
	assert_int_equal(judge(buf_slice(&form)), FORM_TOO_LARGE);
	buf_free(&form);
}

static void
depth_of_64_is_the_last_taken(void **state)
{
	struct buf form;

	(void)state;
	buf_init(&form, 1000);
	assert_true(buf_append_text(&form, "a"));
	for (int i = 1; i < LEAF_DEPTH_MAX; i++)
		assert_true(buf_append_text(&form, "[b]"));
	assert_int_equal(judge(buf_slice(&form)), FORM_OK);
	assert_true(buf_append_text(&form, "[b]"));
	assert_int_equal(judge(buf_slice(&form)), FORM_TOO_LARGE);
	buf_free(&form);
}

static void
first_field_of_a_query_is_found(void **state)
{
	static const struct {
		const char *query;
		const char *value; /* NULL: absent */
		bool repeated;
	} cases[] = {
		{ "", NULL, false }, { "b=1", NULL, false }, { "aa=1", NULL, false },
		{ "a=1", "1", false }, { "b=0&a=1&c=2", "1", false }, { "a", "", false },
		{ "%61=x+y%21", "x y!", false }, { "a=1&a=2", "1", true },
		{ "a=1&%61=2", "1", true }, { "%zz=0&a=1", "1", false },
		{ "a%00=0&a=1", "1", false }, { "a=%zz", NULL, false }, { "a=%00", NULL, false },
		{ "a=%ff", NULL, false }, { "a=%zz&a=1", NULL, true },
		{ "a=123456789012", NULL, false }, /* over the ceiling */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice query = slice_of(cases[i].query);
		bool repeated = !cases[i].repeated;
		struct buf out;
		bool found;

		buf_init(&out, 11);
		assert_true(buf_append_text(&out, "="));
		found = form_find(query, "a", &out, &repeated);
		if (found != (cases[i].value != NULL) || repeated != cases[i].repeated ||
			strcmp(buf_text(&out) + 1, found ? cases[i].value : "") != 0)
			fail_msg("%s", cases[i].query);
		buf_clear(&out);
		assert_int_equal(form_find(query, "a", &out, NULL), found);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_nest_as_in_rack),
		cmocka_unit_test(what_cannot_be_read_is_invalid),
		cmocka_unit_test(reason_names_the_byte),
		cmocka_unit_test(wootric_body_is_read),
		cmocka_unit_test(ten_thousand_fields_are_the_last_taken),
		cmocka_unit_test(bombs_are_too_large),
		cmocka_unit_test(depth_of_64_is_the_last_taken),
		cmocka_unit_test(first_field_of_a_query_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
