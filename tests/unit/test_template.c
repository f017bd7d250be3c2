/* test_template.c - what a template may say, and what becomes of it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

static const char *const variables[] = {
	"REQUEST_METHOD=POST",
	"REQUEST_URI=/hooks/shop?token=a%20b&empty=&twice=1&twice=2&bad=%zz",
	"HTTP_HOST=h.example",
	"HTTPS=on",
	"CONTENT_TYPE=application/json",
	"HTTP_X_EVENT=push",
	"HTTP_X_EMPTY=",
	"HTTP_X_TWICE=1",
	"HTTP_X_TWICE=2",
	NULL,
};

static const char json[] = "{\"response\":{\"id\":12,\"score\":7.50,\"text\":\"\",\"none\":null,"
			   "\"ok\":true,\"list\":[],\"object\":{}},\"event_name\":\"created\","
			   "\"items\":[{\"id\":\"a{body}\"},{\"id\":\"b\"}],\"nothing\":null}";

static struct message
message_with(const char *const *server, const char *body)
{
	struct message message;

	message_init(&message, (char *const *)(uintptr_t)server, slice_of(body));
	return message;
}

static struct message
json_message(void)
{
	struct message message = message_with(variables, json);

	message.endpoint = slice_of("shop");
	message.event = slice_of("created");
	message.timestamp = slice_of("1640995200");
	message.secret = slice_of("s3cret");
	return message;
}

/* Expand source over message; the caller frees out. */
static enum template_result
expand(const char *source, struct message *message, struct buf *out)
{
	char reason[256];
	struct template *template = template_parse(source, reason);
	enum template_result result;

	assert_non_null(template);
	result = template_text(template, message, out);
	template_free(template);
	return result;
}

static void
malformed_template_says_what_is_wrong(void **state)
{
	static const struct {
		const char *source, *reason;
	} rows[] = {
		{ "{foo}", "unknown reference {foo}: known are body header" },
		{ "{foo}", " sorted_form " },
		{ "{foo:bar}", "unknown reference {foo:bar}" },
		{ "{Body}", "unknown reference {Body}" },
		{ "{lower:body}", "would make two bodies one" },
		{ "{lower:body?}", "would make two bodies one" },
		{ "{ body }", "unknown reference" },
		{ "{}", "unknown reference {}" },
		{ "{:x}", "unknown reference {:x}" },
		{ "a{body", "the { at character 2 is not closed" },
		{ "{", "the { at character 1 is not closed" },
		{ "{body{id}}", "the { at character 1 is not closed" },
		{ "a}b", "a lone } at character 2: write }}" },
		{ "{body}}", "a lone } at character 7: write }}" },
		{ "{body:}", "{body:} does not say which: write {body:PATH}" },
		{ "{header}", "{header} does not say which: write {header:NAME}" },
		{ "{query:}", "write {query:NAME}" },
		{ "{key}", "write {key:A|B}" },
		{ "{url:x}", "{url} takes nothing behind it: write {url}" },
		{ "{id:}", "{id} takes nothing behind it" },
		{ "{header:X Y}", "{header:X Y} is not the name of a header" },
		{ "{header:X:Y}", "is not the name of a header" },
		{ "{bodyhash}", "{bodyhash} does not say which: write {bodyhash:DIGEST:ENCODING}" },
		{ "{bodyhash:sha256}", "write for example {bodyhash:sha256:hex}" },
		{ "{bodyhash:sha3:hex}", "{bodyhash:sha3:hex} is not a digest and an encoding" },
		{ "{bodyhash:sha256:HEX}", "is not a digest and an encoding" },
		{ "{bodyhash:sha256:hex:}", "is not a digest and an encoding" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char reason[256] = "";
		if (template_parse(rows[i].source, reason) != NULL)
			fail_msg("\"%s\" was taken", rows[i].source);
		if (strstr(reason, rows[i].reason) == NULL)
			fail_msg("\"%s\": %s", rows[i].source, reason);
	}
}

static void
long_faulty_names_do_not_overrun_the_reason(void **state)
{
	static const char *const before[] = { "{", "{header: ", "{bodyhash:", "{url:" };
	char source[2000], reason[256];

	(void)state;
	for (size_t i = 0; i < ROWS(before); i++) {
		memset(source, 'x', sizeof source);
		memcpy(source, before[i], strlen(before[i]));
		memcpy(source + sizeof source - 2, "}", 2);
		assert_null(template_parse(source, reason));
		assert_true(strlen(reason) < sizeof reason);
	}
}

static void
parts_are_limited(void **state)
{
	char source[8 * (TEMPLATE_PARTS_MAX + 1)] = "", reason[256];
	struct template *template;

	(void)state;
	for (int i = 0; i < TEMPLATE_PARTS_MAX; i++)
		memcpy(source + 6 * i, "{body}", 7);
	template = template_parse(source, reason);
	assert_non_null(template);
	assert_int_equal(template->count, TEMPLATE_PARTS_MAX);
	template_free(template);
	memcpy(source + strlen(source), "x", 2);
	assert_null(template_parse(source, reason));
	assert_non_null(strstr(reason, "more than 32 parts"));
	memcpy(source + strlen(source) - 1, "{header:X}", 11);
	assert_null(template_parse(source, reason));
}

static void
parts_hold_what_was_written(void **state)
{
	char reason[256];
	struct template *template =
		template_parse("a{{b}}{header:X-Event}{bodyhash:sha512:base64}", reason);

	(void)state;
	assert_non_null(template);
	assert_int_equal(template->count, 3);
	assert_int_equal(template->parts[0].kind, TEMPLATE_LITERAL);
	assert_string_equal(template->parts[0].text, "a{b}");
	assert_int_equal(template->parts[0].text_len, 4);
	assert_string_equal(template->parts[1].header, "X-Event");
	assert_string_equal(template->parts[1].variable, "HTTP_X_EVENT");
	assert_int_equal(template->parts[2].digest, CRYPTO_SHA512);
	assert_int_equal(template->parts[2].encoding, TEXT_BASE64);
	assert_true(template_refers(template, TEMPLATE_BODYHASH));
	assert_false(template_refers(template, TEMPLATE_BODY));
	template_free(template);
	template_free(NULL);
}

static void
template_expands(void **state)
{
	static const struct {
		const char *source;
		enum template_result result;
		const char *text;
	} rows[] = {
		{ "", TEMPLATE_OK, "" },
		{ "plain", TEMPLATE_OK, "plain" },
		{ "{{}}{{body}}", TEMPLATE_OK, "{}{body}" },
		{ "{body}", TEMPLATE_OK, json },
		{ "v0:{timestamp}:{method}", TEMPLATE_OK, "v0:1640995200:POST" },
		{ "{body:response.id}", TEMPLATE_OK, "12" },
		{ "{body:response.score}", TEMPLATE_OK, "7.50" },
		{ "{body:response.ok}", TEMPLATE_OK, "true" },
		{ "{body:items.1.id}", TEMPLATE_OK, "b" },
		/* What was inserted is never read again. */
		{ "{body:items.0.id}", TEMPLATE_OK, "a{body}" },
		{ "<{body:response.text}>", TEMPLATE_OK, "<>" },
		{ "{body:response.none}", TEMPLATE_ABSENT, NULL },
		{ "{body:response.list}", TEMPLATE_ABSENT, NULL },
		{ "{body:response.object}", TEMPLATE_ABSENT, NULL },
		{ "{body:response}", TEMPLATE_ABSENT, NULL },
		{ "{body:response.missing}", TEMPLATE_ABSENT, NULL },
		{ "{header:x-event}", TEMPLATE_OK, "push" },
		{ "{header:X-Empty}", TEMPLATE_ABSENT, NULL },
		{ "{header:X-Missing}", TEMPLATE_ABSENT, NULL },
		{ "{header:X-Twice}", TEMPLATE_REPEATED, NULL },
		{ "{header:Content-Type}", TEMPLATE_OK, "application/json" },
		{ "{query:token}", TEMPLATE_OK, "a b" },
		{ "[{query:empty}]", TEMPLATE_OK, "[]" },
		{ "{query:missing}", TEMPLATE_ABSENT, NULL },
		{ "{query:bad}", TEMPLATE_ABSENT, NULL },
		{ "{query:twice}", TEMPLATE_REPEATED, NULL },
		{ "{query:token}/{query:token}/{query:empty}{query:token}", TEMPLATE_OK,
			"a b/a b/a b" },
		{ "{key:response|decline}.{body:event_name}", TEMPLATE_OK, "response.created" },
		{ "{key:decline|response}", TEMPLATE_OK, "response" },
		{ "{key:items|response}", TEMPLATE_OK, "items" },
		{ "{key:decline|nothing}", TEMPLATE_OK, "nothing" },
		{ "{key:decline|id}", TEMPLATE_ABSENT, NULL },
		{ "{url}", TEMPLATE_OK,
			"https://h.example/hooks/shop?token=a%20b&empty=&twice=1&twice=2&bad=%zz" },
		{ "{path}", TEMPLATE_OK, "/hooks/shop" },
		{ "{endpoint}/{event}", TEMPLATE_OK, "shop/created" },
		{ "{id}", TEMPLATE_ABSENT, NULL },
		{ "{secret}", TEMPLATE_OK, "s3cret" },
		{ "{signature}", TEMPLATE_ABSENT, NULL },
		{ "{sorted_form}", TEMPLATE_ABSENT, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct message message = json_message();
		struct buf out;
		buf_init(&out, 4096);
		assert_true(buf_append_text(&out, ">"));
		if (expand(rows[i].source, &message, &out) != rows[i].result)
			fail_msg("\"%s\": wrong result", rows[i].source);
		if (strcmp(buf_text(&out) + 1, rows[i].text != NULL ? rows[i].text : "") != 0)
			fail_msg("\"%s\": %s", rows[i].source, buf_text(&out));
		assert_int_equal(out.len, 1 + (rows[i].text ? strlen(rows[i].text) : 0));
		buf_free(&out);
		message_free(&message);
	}
}

static void
body_that_cannot_be_parsed_is_absent_but_its_bytes_are_there(void **state)
{
	static const char *const server[] = { "CONTENT_TYPE=application/json", NULL };
	struct message message = message_with(server, "{\"a\":\"b\"");
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(expand("{body:a}", &message, &out), TEMPLATE_ABSENT);
	assert_int_equal(expand("{key:a}", &message, &out), TEMPLATE_ABSENT);
	assert_int_equal(expand("{body}", &message, &out), TEMPLATE_OK);
	assert_string_equal(buf_text(&out), "{\"a\":\"b\"");
	buf_free(&out);
	message_free(&message);
}

/* The vectors of FIPS 180 and RFC 1321 for "abc". */
static void
bodyhash_is_the_digest_of_the_raw_body(void **state)
{
	static const char *const rows[][2] = {
		{ "{bodyhash:md5:hex}", "900150983cd24fb0d6963f7d28e17f72" },
		{ "{bodyhash:sha1:hex-upper}", "A9993E364706816ABA3E25717850C26C9CD0D89D" },
		{ "{bodyhash:sha256:base64}", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=" },
		{ "{bodyhash:sha256:base64url}", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" },
		{ "{bodyhash:md5:hex}.{bodyhash:sha1:hex}",
			"900150983cd24fb0d6963f7d28e17f72."
			"a9993e364706816aba3e25717850c26c9cd0d89d" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct message message = message_with(variables, "abc");
		struct buf out;
		buf_init(&out, 200);
		assert_int_equal(expand(rows[i][0], &message, &out), TEMPLATE_OK);
		assert_string_equal(buf_text(&out), rows[i][1]);
		buf_free(&out);
		message_free(&message);
	}
}

static void
sorted_form_is_what_twilio_signs(void **state)
{
	static const struct {
		const char *body;
		enum template_result result;
		const char *text;
	} rows[] = {
		{ "", TEMPLATE_OK, "" },
		{ "b=2&a=1", TEMPLATE_OK, "a1b2" },
		{ "To=%2B1800&From=%2b1415&Body=a+b%20c", TEMPLATE_OK,
			"Bodya b cFrom+1415To+1800" },
		{ "a=2&a=1&a=2", TEMPLATE_OK, "a1a2" },
		{ "a=&a", TEMPLATE_OK, "a" },
		{ "&&b=1&&a=1&", TEMPLATE_OK, "a1b1" },
		{ "ab=&a=b", TEMPLATE_OK, "abab" },
		{ "a=x&ab=y&B=z", TEMPLATE_OK, "Bzaxaby" },
		{ "x[b]=1&x[a]=2", TEMPLATE_OK, "x[a]2x[b]1" },
		{ "a=b=c", TEMPLATE_OK, "ab=c" },
		{ "a=%e2%82%ac", TEMPLATE_OK, "a\xe2\x82\xac" },
		{ "a=%", TEMPLATE_ABSENT, NULL },
		{ "a=%4", TEMPLATE_ABSENT, NULL },
	};
	static const char *const server[] = { "CONTENT_TYPE=application/x-www-form-urlencoded",
		NULL };

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct message message = message_with(server, rows[i].body);
		struct buf out;
		buf_init(&out, 200);
		if (expand("{sorted_form}", &message, &out) != rows[i].result)
			fail_msg("\"%s\": wrong result", rows[i].body);
		assert_true(slice_is(buf_slice(&out), rows[i].text));
		buf_free(&out);
		message_free(&message);
	}
}

static void
slices_refer_to_the_body_and_survive_a_growing_scratch(void **state)
{
	struct message message = json_message();
	char reason[256];
	struct template *template = template_parse(
		"{query:token}.{body}.{bodyhash:sha512:hex}{bodyhash:sha512:hex}", reason);
	struct slice slices[TEMPLATE_PARTS_MAX];
	struct buf scratch;

	(void)state;
	assert_non_null(template);
	buf_init(&scratch, 4096);
	assert_true(buf_append_text(&scratch, "kept"));
	assert_int_equal(template_slices(template, &message, &scratch, slices), TEMPLATE_OK);
	assert_true(slice_is(slices[0], "a b"));
	assert_ptr_equal(slices[2].data, message.body.data);
	assert_true(slice_equal(slices[4], slices[5]));
	assert_int_equal(slices[4].len, 128);
	assert_memory_equal(scratch.data, "kept", 4);
	template_free(template);
	buf_free(&scratch);
	message_free(&message);
}

static void
scratch_is_left_as_it_was_when_a_later_part_is_absent(void **state)
{
	struct message message = json_message();
	char reason[256];
	struct template *template = template_parse("{query:token}{id}", reason);
	struct slice slices[TEMPLATE_PARTS_MAX];
	struct buf scratch;

	(void)state;
	assert_non_null(template);
	buf_init(&scratch, 4096);
	assert_true(buf_append_text(&scratch, "kept"));
	assert_int_equal(template_slices(template, &message, &scratch, slices), TEMPLATE_ABSENT);
	assert_string_equal(buf_text(&scratch), "kept");
	template_free(template);
	buf_free(&scratch);
	message_free(&message);
}

static void
expansion_stops_at_the_ceiling(void **state)
{
	static const struct {
		const char *source;
		size_t max;
		enum template_result result;
	} rows[] = {
		{ "{event}{event}", 14, TEMPLATE_OK },
		{ "{event}{event}", 13, TEMPLATE_TOO_LONG },
		{ "{bodyhash:md5:hex}", 32, TEMPLATE_OK },
		{ "{bodyhash:md5:hex}", 31, TEMPLATE_TOO_LONG },
		{ "{body}", 20, TEMPLATE_TOO_LONG },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct message message = json_message();
		struct buf out;
		buf_init(&out, rows[i].max);
		assert_int_equal(expand(rows[i].source, &message, &out), rows[i].result);
		if (rows[i].result != TEMPLATE_OK)
			assert_int_equal(out.len, 0);
		buf_free(&out);
		message_free(&message);
	}
}

static void
out_that_is_nearly_full_stays_unchanged(void **state)
{
	struct message message = json_message();
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	assert_true(buf_append_text(&out, "12345"));
	assert_int_equal(expand("{event}", &message, &out), TEMPLATE_TOO_LONG);
	assert_string_equal(buf_text(&out), "12345");
	buf_free(&out);
	message_free(&message);
}

static void
only_fields_of_the_body_need_its_leaves(void **state)
{
	static const struct {
		const char *source;
		bool needs;
	} rows[] = {
		{ "{body}{header:A}{query:b}{url}{bodyhash:md5:hex}", false },
		{ "{header:A}{body:a}", true },
		{ "{key:a}", true },
		{ "{sorted_form}", true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char reason[256];
		struct template *template = template_parse(rows[i].source, reason);
		assert_non_null(template);
		assert_int_equal(template_needs_leaves(template), rows[i].needs);
		template_free(template);
	}
}

static void
names_of_digests_and_encodings_are_exact(void **state)
{
	enum crypto_digest digest = CRYPTO_MD5;
	enum text_encoding encoding = TEXT_HEX;

	(void)state;
	assert_true(template_digest_named(slice_of("sha384"), &digest));
	assert_int_equal(digest, CRYPTO_SHA384);
	assert_false(template_digest_named(slice_of("SHA256"), &digest));
	assert_false(template_digest_named(slice_of(""), &digest));
	assert_true(template_encoding_named(slice_of("hex-upper"), &encoding));
	assert_int_equal(encoding, TEXT_HEX_UPPER);
	assert_false(template_encoding_named(slice_of("base6"), &encoding));
	assert_string_equal(template_kind_name(TEMPLATE_QUERY), "{query:NAME}");
}

static void
a_field_beside_one_that_is_read_first_expands(void **state)
{
	(void)state;
	static char *no_variables[] = { NULL };
	static char type[] = "type";
	char *const names[] = { type };
	char reason[256];
	struct message message;
	struct buf out;
	struct template *template = template_parse("{body:type}-{body:other.a}", reason);

	message_init(&message, no_variables, slice_of("{\"type\":\"t\",\"other\":{\"a\":\"b\"}}"));
	message.first_names = names;
	message.first_name_count = 1;
	buf_init(&out, 100);
	assert_int_equal(template_text(template, &message, &out), TEMPLATE_OK);
	assert_string_equal(buf_text(&out), "t-b");
	buf_free(&out);
	message_free(&message);
	template_free(template);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_template_says_what_is_wrong),
		cmocka_unit_test(long_faulty_names_do_not_overrun_the_reason),
		cmocka_unit_test(parts_are_limited),
		cmocka_unit_test(parts_hold_what_was_written),
		cmocka_unit_test(template_expands),
		cmocka_unit_test(body_that_cannot_be_parsed_is_absent_but_its_bytes_are_there),
		cmocka_unit_test(bodyhash_is_the_digest_of_the_raw_body),
		cmocka_unit_test(sorted_form_is_what_twilio_signs),
		cmocka_unit_test(slices_refer_to_the_body_and_survive_a_growing_scratch),
		cmocka_unit_test(scratch_is_left_as_it_was_when_a_later_part_is_absent),
		cmocka_unit_test(expansion_stops_at_the_ceiling),
		cmocka_unit_test(out_that_is_nearly_full_stays_unchanged),
		cmocka_unit_test(only_fields_of_the_body_need_its_leaves),
		cmocka_unit_test(names_of_digests_and_encodings_are_exact),
		cmocka_unit_test(a_field_beside_one_that_is_read_first_expands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
