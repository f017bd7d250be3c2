/* test_message.c - what templates and signatures see of a request */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "message.h"

#define ROWS(table) (sizeof(table) / sizeof(table)[0])
#define VARIABLES_MAX 8

/* Row tables hold string literals; a message wants what an environment is. */
static struct message
message_with(const char *const *variables, const char *body)
{
	struct message message;

	message_init(&message, (char *const *)(uintptr_t)variables, slice_of(body));
	return message;
}

static void
variable_is_found_by_its_whole_name(void **state)
{
	static const char *const variables[] = { "HTTP_X_A=1", "HTTP_X=2", "HTTP_X=3",
		"EMPTY=", NULL };
	struct message message = message_with(variables, "");

	(void)state;
	assert_string_equal(message_variable(&message, "HTTP_X"), "2");
	assert_string_equal(message_variable(&message, "EMPTY"), "");
	assert_null(message_variable(&message, "HTTP_X_"));
	assert_null(message_variable(&message, "HTTP_X_A=1"));
	message_free(&message);
}

static void
message_without_variables_has_none(void **state)
{
	struct message message = message_with(NULL, "");
	struct slice value;

	(void)state;
	assert_null(message_variable(&message, "A"));
	assert_int_equal(message_header(&message, "HTTP_A", &value), MESSAGE_ABSENT);
	assert_null(message_url(&message));
	assert_null(message_path(&message).data);
	assert_true(slice_is(message_query(&message), ""));
	message_free(&message);
	message_free(NULL);
}

static void
header_is_found_absent_or_repeated(void **state)
{
	static const struct {
		const char *variables[VARIABLES_MAX];
		enum message_found found;
		const char *value;
	} rows[] = {
		{ { "HTTP_X_SIG=abc", NULL }, MESSAGE_FOUND, "abc" },
		{ { "HTTP_X_SIG2=abc", NULL }, MESSAGE_ABSENT, NULL },
		{ { "HTTP_X_SIG=", NULL }, MESSAGE_ABSENT, NULL },
		{ { "HTTP_X_SIG=a", "B=1", "HTTP_X_SIG=b", NULL }, MESSAGE_REPEATED, NULL },
		{ { "HTTP_X_SIG=a", "HTTP_X_SIG=a", NULL }, MESSAGE_REPEATED, NULL },
		/* An empty one counts as absent, wherever it stands. */
		{ { "HTTP_X_SIG=", "HTTP_X_SIG=b", NULL }, MESSAGE_FOUND, "b" },
		{ { "HTTP_X_SIG=b", "HTTP_X_SIG=", NULL }, MESSAGE_FOUND, "b" },
		{ { "HTTP_X_SIG=a, b", NULL }, MESSAGE_FOUND, "a, b" },
		/* nginx keeps a header's dot, others do not. */
		{ { "HTTP_X.SIG=abc", NULL }, MESSAGE_FOUND, "abc" },
		{ { "HTTP.X.SIG=abc", NULL }, MESSAGE_FOUND, "abc" },
		{ { "HTTP_X.SIG=a", "HTTP_X_SIG=a", NULL }, MESSAGE_REPEATED, NULL },
		{ { "HTTP_X.SIG.=abc", NULL }, MESSAGE_ABSENT, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct message message = message_with(rows[i].variables, "");
		struct slice value = { NULL, 0 };
		assert_int_equal(message_header(&message, "HTTP_X_SIG", &value), rows[i].found);
		assert_true(slice_is(value, rows[i].value));
		message_free(&message);
	}
}

static void
content_type_header_is_read_from_its_own_variable(void **state)
{
	static const char *const variables[] = { "HTTP_CONTENT_TYPE=no", "CONTENT_TYPE=yes", NULL };
	struct message message = message_with(variables, "");
	struct slice value;

	(void)state;
	assert_int_equal(message_header(&message, "HTTP_CONTENT_TYPE", &value), MESSAGE_FOUND);
	assert_true(slice_is(value, "yes"));
	message_free(&message);
}

static void
header_name_becomes_a_variable(void **state)
{
	static const char *const rows[][2] = {
		{ "X-Hub-Signature-256", "HTTP_X_HUB_SIGNATURE_256" },
		{ "webhook-id", "HTTP_WEBHOOK_ID" },
		{ "WM_SEC.SIGNATURE", "HTTP_WM_SEC_SIGNATURE" },
		{ "a", "HTTP_A" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char *variable = message_header_variable(rows[i][0]);
		assert_string_equal(variable, rows[i][1]);
		free(variable);
	}
}

static void
body_kind_follows_first_byte_and_type(void **state)
{
	static const struct {
		const char *type;
		const char *body;
		enum message_body kind;
	} rows[] = {
		{ "CONTENT_TYPE=application/json", "{\"a\":1}", MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=application/json", "7", MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=Application/JSON ; charset=utf-8", "\"x\"", MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=text/json", "7", MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=application/vnd.api+json", "7", MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=application/vnd.api+jsonx", "7", MESSAGE_BODY_OPAQUE },
		{ "CONTENT_TYPE=text/plain", " \r\n\t[1]", MESSAGE_BODY_JSON },
		{ "X=", "{}", MESSAGE_BODY_JSON },
		{ "X=", "7", MESSAGE_BODY_OPAQUE },
		{ "X=", "", MESSAGE_BODY_OPAQUE },
		{ "CONTENT_TYPE=", "<a/>", MESSAGE_BODY_OPAQUE },
		{ "CONTENT_TYPE=application/json", "", MESSAGE_BODY_INVALID },
		{ "CONTENT_TYPE=application/json", "{\"a\":", MESSAGE_BODY_INVALID },
		{ "X=", "{nope}", MESSAGE_BODY_INVALID },
		{ "CONTENT_TYPE=application/x-www-form-urlencoded", "a=1", MESSAGE_BODY_FORM },
		{ "CONTENT_TYPE=application/x-www-form-urlencoded;x", "", MESSAGE_BODY_FORM },
		{ "CONTENT_TYPE=application/x-www-form-urlencoded", "a=%zz", MESSAGE_BODY_INVALID },
		{ "CONTENT_TYPE=application/x-www-form-urlencoded", "{\"a\":1}",
			MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=application/vnd.api+json", "[1]", MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=APPLICATION/CloudEvents+JSON; charset=UTF-8", "\"x\"",
			MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=text/plain; charset=utf-8", "{}", MESSAGE_BODY_JSON },
		{ "CONTENT_TYPE=text/plain", "7", MESSAGE_BODY_OPAQUE },
		{ "CONTENT_TYPE=application/xml", "<a/>", MESSAGE_BODY_OPAQUE },
		{ "CONTENT_TYPE=text/xml; charset=utf-8", "\n<a/>", MESSAGE_BODY_OPAQUE },
		{ "CONTENT_TYPE=multipart/form-data; boundary=x", "--x--", MESSAGE_BODY_MULTIPART },
		{ "CONTENT_TYPE=Multipart/Form-Data;boundary=x",
			"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--",
			MESSAGE_BODY_MULTIPART },
		{ "CONTENT_TYPE=multipart/form-data; boundary=x", "--x", MESSAGE_BODY_INVALID },
		{ "CONTENT_TYPE=multipart/form-data", "--x--", MESSAGE_BODY_INVALID },
		{ "CONTENT_TYPE=multipart/mixed; boundary=x", "--x--", MESSAGE_BODY_OPAQUE },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *variables[] = { rows[i].type, NULL };
		struct message message = message_with(variables, rows[i].body);
		bool has_leaves = rows[i].kind == MESSAGE_BODY_JSON ||
				  rows[i].kind == MESSAGE_BODY_FORM ||
				  rows[i].kind == MESSAGE_BODY_MULTIPART;
		assert_int_equal(message_body(&message), rows[i].kind);
		assert_int_equal(message_leaves(&message) != NULL, has_leaves);
		assert_int_equal(message.reason[0] != '\0', rows[i].kind == MESSAGE_BODY_INVALID);
		message_free(&message);
	}
}

static void
body_is_parsed_once(void **state)
{
	static const char *const variables[] = { NULL };
	struct message message = message_with(variables, "{\"a\":\"b\"}");
	const struct leaves *leaves = message_leaves(&message);
	struct leaf leaf;

	(void)state;
	assert_non_null(leaves);
	assert_ptr_equal(message_leaves(&message), leaves);
	assert_true(leaves_find(leaves, slice_of("a"), &leaf));
	assert_true(slice_is(leaf.value, "b"));
	message_free(&message);
}

static void
more_of_the_body_is_read_when_it_is_asked_for(void **state)
{
	static const char *const variables[] = { NULL };
	static char type[] = "type";
	char *const names[] = { type };
	struct message message =
		message_with(variables, "{\"type\":\"t\",\"other\":{\"a\":\"b\"}}");
	struct leaf leaf;

	(void)state;
	message.first_names = names;
	message.first_name_count = 1;
	const struct leaves *first = message_leaves_under(&message, slice_of("type"));
	assert_true(leaves_find(first, slice_of("type"), &leaf));
	assert_false(leaves_find(first, slice_of("other.a"), &leaf));
	assert_ptr_equal(message_leaves_under(&message, slice_of("type")), first);

	const struct leaves *all = message_leaves_under(&message, slice_of("other"));
	assert_true(leaves_find(all, slice_of("other.a"), &leaf));
	assert_true(leaves_find(all, slice_of("type"), &leaf));
	assert_ptr_equal(message_leaves_under(&message, slice_of("type")), all);
	assert_int_equal(message_body(&message), MESSAGE_BODY_JSON);
	message_free(&message);
}

#define FORM "CONTENT_TYPE=application/x-www-form-urlencoded"
#define MULTIPART "CONTENT_TYPE=multipart/form-data; boundary=x"
#define PART(name, value) \
	"--x\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"

static void
items_of_a_top_level_array_are_found(void **state)
{
	static const char *const variables[] = { NULL };
	struct message message = message_with(variables, "[{\"type\":\"t\"},{\"type\":\"u\"}]");
	struct leaf leaf;

	(void)state;
	assert_true(leaves_find(
		message_leaves_under(&message, slice_of("0")), slice_of("0.type"), &leaf));
	assert_true(slice_is(leaf.value, "t"));
	message_free(&message);
}

static void
leaves_come_from_the_field_that_holds_the_document(void **state)
{
	static const struct {
		const char *type;
		const char *body;
		enum message_body kind;
		const char *document; /* NULL: none can be told */
		const char *action;   /* NULL: absent */
	} rows[] = {
		{ FORM, "payload=%7B%22action%22%3A%22a+b%22%7D&x=%zz", MESSAGE_BODY_JSON,
			"{\"action\":\"a b\"}", "a b" },
		{ FORM, "x=1&%70ayload={\"action\":1}", MESSAGE_BODY_JSON, "{\"action\":1}", "1" },
		{ MULTIPART, PART("x", "1") PART("payload", " {\"action\":\"b\"}") "--x--",
			MESSAGE_BODY_JSON, " {\"action\":\"b\"}", "b" },
		{ FORM, "payload=7", MESSAGE_BODY_JSON, "7", NULL },
		/* Without the field a form is a form. */
		{ FORM, "action=c&Payload={}", MESSAGE_BODY_FORM, "action=c&Payload={}", "c" },
		{ MULTIPART, PART("action", "d") "--x--", MESSAGE_BODY_MULTIPART,
			PART("action", "d") "--x--", "d" },
		{ MULTIPART,
			"--x\r\nContent-Disposition: form-data; name=payload; filename=f\r\n\r\n"
			"{}\r\n--x--",
			MESSAGE_BODY_MULTIPART,
			"--x\r\nContent-Disposition: form-data; name=payload; filename=f\r\n\r\n"
			"{}\r\n--x--",
			NULL },
		/* Other bodies have no fields. */
		{ "CONTENT_TYPE=application/json", "{\"payload\":\"{}\",\"action\":\"e\"}",
			MESSAGE_BODY_JSON, "{\"payload\":\"{}\",\"action\":\"e\"}", "e" },
		{ "CONTENT_TYPE=text/plain", "payload={}", MESSAGE_BODY_OPAQUE, "payload={}",
			NULL },
		/* What cannot be read. */
		{ FORM, "payload=x", MESSAGE_BODY_INVALID, "x", NULL },
		{ FORM, "payload=", MESSAGE_BODY_INVALID, "", NULL },
		{ FORM, "payload={}&payload={}", MESSAGE_BODY_INVALID, NULL, NULL },
		{ MULTIPART, PART("payload", "{}") PART("payload", "{}") "--x--",
			MESSAGE_BODY_INVALID, NULL, NULL },
		{ MULTIPART, PART("payload", "{\"action\":") "--x--", MESSAGE_BODY_INVALID,
			"{\"action\":", NULL },
		{ FORM, "payload=%zz", MESSAGE_BODY_INVALID, "payload=%zz", NULL },
		{ MULTIPART, PART("payload", "{}"), MESSAGE_BODY_INVALID, PART("payload", "{}"),
			NULL },
	};
	static char action[] = "action";
	char *const names[] = { action };

	(void)state;
	for (size_t i = 0; i < 2 * ROWS(rows); i++) {
		size_t row = i / 2;
		const char *variables[] = { rows[row].type, NULL };
		struct message message = message_with(variables, rows[row].body);
		const struct leaves *leaves;
		struct leaf leaf;

		message.document = "payload";
		if (i % 2 == 1) { /* read in part at first */
			message.first_names = names;
			message.first_name_count = 1;
		}
		assert_true(slice_is(message_document(&message), rows[row].document));
		leaves = message_leaves_under(&message, slice_of("action"));
		if (message.kind != rows[row].kind)
			fail_msg("%s: %d", rows[row].body, message.kind);
		assert_int_equal(leaves != NULL && leaves_find(leaves, slice_of("action"), &leaf),
			rows[row].action != NULL);
		if (rows[row].action != NULL)
			assert_true(slice_is(leaf.value, rows[row].action));
		assert_int_equal(message_body(&message), rows[row].kind);
		assert_int_equal(message.reason[0] != '\0', rows[row].kind == MESSAGE_BODY_INVALID);
		assert_true(slice_is(message_document(&message), rows[row].document));
		assert_true(slice_is(message.body, rows[row].body));
		message_free(&message);
	}
}

static void
reason_names_the_field(void **state)
{
	const char *variables[] = { FORM, NULL };
	struct message message = message_with(variables, "payload=[1");

	(void)state;
	message.document = "payload";
	assert_int_equal(message_body(&message), MESSAGE_BODY_INVALID);
	assert_non_null(strstr(message.reason, "the field payload: byte 2: "));
	message_free(&message);
}

static void
form_field_is_found_by_its_exact_name(void **state)
{
	static const struct {
		const char *type;
		const char *body;
		enum message_found found;
		const char *value;
	} rows[] = {
		{ FORM, "a=1&b[c]=x+%41&d=2", MESSAGE_FOUND, "x A" },
		{ FORM, "b%5Bc%5D=", MESSAGE_FOUND, "" },
		{ FORM, "b=1", MESSAGE_ABSENT, NULL },
		{ FORM, "b[c]=%zz", MESSAGE_ABSENT, NULL },
		{ FORM, "b[c]=1&b[c]=1", MESSAGE_REPEATED, NULL },
		{ FORM, "b[c]=123456789012", MESSAGE_ABSENT, NULL }, /* over the ceiling */
		{ MULTIPART, PART("b[c]", "x+%41") "--x--", MESSAGE_FOUND, "x+%41" },
		{ MULTIPART, PART("b", "x") "--x--", MESSAGE_ABSENT, NULL },
		{ MULTIPART, PART("b[c]", "x"), MESSAGE_ABSENT, NULL },
		{ MULTIPART, PART("b[c]", "x") PART("b[c]", "y") "--x--", MESSAGE_REPEATED, NULL },
		{ "CONTENT_TYPE=text/plain", "b[c]=1", MESSAGE_ABSENT, NULL },
		{ "X=", "b[c]=1", MESSAGE_ABSENT, NULL },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ROWS(rows); i++) {
		const char *variables[] = { rows[i / 2].type, NULL };
		struct message message = message_with(variables, rows[i / 2].body);
		struct buf out;

		buf_init(&out, 11);
		assert_true(buf_append_text(&out, "="));
		message.document = i % 2 == 1 ? "b[c]" : NULL;
		if (message_form_field(&message, "b[c]", &out) != rows[i / 2].found)
			fail_msg("%s", rows[i / 2].body);
		assert_true(slice_is(
			(struct slice){ buf_text(&out) + 1, out.len - 1 }, rows[i / 2].value));
		buf_free(&out);
		message_free(&message);
	}
}

static void
other_body_is_read_anew(void **state)
{
	const char *variables[] = { FORM, NULL };
	struct message message = message_with(variables, "payload=%1f&x");
	struct leaf leaf;

	(void)state;
	message.document = "payload";
	message.timestamp = slice_of("1");
	assert_int_equal(message_body(&message), MESSAGE_BODY_INVALID);
	message_set_body(&message, slice_of("payload={\"a\":\"b\"}"));
	assert_int_equal(message.reason[0], '\0');
	assert_null(message.timestamp.data);
	assert_true(leaves_find(message_leaves(&message), slice_of("a"), &leaf));
	assert_true(slice_is(leaf.value, "b"));
	message_set_body(&message, slice_of("a=c"));
	assert_true(leaves_find(message_leaves(&message), slice_of("a"), &leaf));
	assert_true(slice_is(leaf.value, "c"));
	assert_int_equal(message_body(&message), MESSAGE_BODY_FORM);
	message_free(&message);
}

static void
path_and_query_are_those_that_were_sent(void **state)
{
	static const struct {
		const char *uri, *path, *query;
	} rows[] = {
		{ "REQUEST_URI=/hooks/a?x=%41&y", "/hooks/a", "x=%41&y" },
		{ "REQUEST_URI=/hooks/%61//b", "/hooks/%61//b", "" },
		{ "REQUEST_URI=/a?", "/a", "" },
		{ "REQUEST_URI=/a?b?c", "/a", "b?c" },
		{ "REQUEST_URI=http://other.example/a/b?c", "/a/b", "c" },
		{ "REQUEST_URI=https://other.example:8443", "/", "" },
		{ "REQUEST_URI=http://other.example?c=/d", "/", "c=/d" },
		{ "REQUEST_URI=/a?u=http://b/c", "/a", "u=http://b/c" },
		{ "REQUEST_URI=*", "*", "" },
		{ "REQUEST_URI=", NULL, "rewritten" },
		{ "X=", NULL, "rewritten" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *variables[] = { "QUERY_STRING=rewritten", rows[i].uri, NULL };
		struct message message = message_with(variables, "");
		assert_true(slice_is(message_path(&message), rows[i].path));
		assert_true(slice_is(message_query(&message), rows[i].query));
		message_free(&message);
	}
}

static void
url_is_put_together_as_the_sender_used_it(void **state)
{
	static const struct {
		const char *variables[VARIABLES_MAX];
		const char *url;
	} rows[] = {
		{ { "HTTPS=on", "HTTP_HOST=h.example", "REQUEST_URI=/a?b=%20c", NULL },
			"https://h.example/a?b=%20c" },
		{ { "HTTPS=off", "HTTP_HOST=h.example:8080", "REQUEST_URI=/", NULL },
			"http://h.example:8080/" },
		{ { "REQUEST_SCHEME=https", "HTTP_HOST=h", "REQUEST_URI=/a", NULL },
			"https://h/a" },
		{ { "HTTPS=on", "REQUEST_SCHEME=http", "HTTP_HOST=h", "REQUEST_URI=/a", NULL },
			"https://h/a" },
		{ { "HTTP_HOST=h", "REQUEST_URI=http://h/a?b", NULL }, "http://h/a?b" },
		{ { "HTTP_HOST=h", "REQUEST_URI=http://h?b", NULL }, "http://h/?b" },
		{ { "SERVER_NAME=s", "SERVER_PORT=80", "REQUEST_URI=/a", NULL }, "http://s/a" },
		{ { "SERVER_NAME=s", "SERVER_PORT=443", "REQUEST_URI=/a", NULL },
			"http://s:443/a" },
		{ { "HTTPS=on", "SERVER_NAME=s", "SERVER_PORT=443", "REQUEST_URI=/a", NULL },
			"https://s/a" },
		{ { "HTTP_HOST=", "SERVER_NAME=s", "REQUEST_URI=/a", NULL }, "http://s/a" },
		{ { "HTTP_HOST=a", "HTTP_HOST=b", "REQUEST_URI=/a", NULL }, NULL },
		{ { "SERVER_NAME=", "REQUEST_URI=/a", NULL }, NULL },
		{ { "HTTP_HOST=h", NULL }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct message message = message_with(rows[i].variables, "");
		const char *url = message_url(&message);
		if (rows[i].url == NULL) {
			assert_null(url);
		} else {
			assert_string_equal(url, rows[i].url);
			assert_ptr_equal(message_url(&message), url);
		}
		message_free(&message);
	}
}

static void
registered_url_wins(void **state)
{
	static const char *const variables[] = { "HTTP_HOST=h", "REQUEST_URI=/a", NULL };
	struct message message = message_with(variables, "");

	(void)state;
	message.url_override = "https://public.example/hook";
	assert_string_equal(message_url(&message), "https://public.example/hook");
	message_free(&message);
}

static void
registered_url_takes_the_query_of_the_request(void **state)
{
	static const char *const rows[][3] = {
		{ "REQUEST_URI=/a?x=1", "https://p/h", "https://p/h?x=1" },
		{ "REQUEST_URI=/a?", "https://p/h", "https://p/h" },
		{ "REQUEST_URI=/a", "https://p/h?t=1", "https://p/h?t=1" },
		{ "REQUEST_URI=/a?t=1", "https://p/h?t=1", "https://p/h?t=1" },
		{ "REQUEST_URI=/a?t=1&x=2", "https://p/h?t=1", "https://p/h?t=1&x=2" },
		/* Text that is signed behind the URL, moved into it, and another's query. */
		{ "REQUEST_URI=/a?t=1AccountSid", "https://p/h?t=1", NULL },
		{ "REQUEST_URI=/a?x=2&t=1", "https://p/h?t=1", NULL },
		{ "REQUEST_URI=/a?t=", "https://p/h?t=1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *variables[] = { "HTTP_HOST=h", rows[i][0], NULL };
		struct message message = message_with(variables, "");
		message.url_override = rows[i][1];
		if (rows[i][2] == NULL)
			assert_null(message_url(&message));
		else
			assert_string_equal(message_url(&message), rows[i][2]);
		message_free(&message);
	}
}

static void
url_over_the_limit_is_not_known(void **state)
{
	static char uri[20000] = "REQUEST_URI=/";
	const char *variables[] = { "HTTP_HOST=h", uri, NULL };
	struct message message = message_with(variables, "");

	(void)state;
	memset(uri + strlen(uri), 'a', sizeof uri - strlen(uri) - 1);
	assert_null(message_url(&message));
	assert_null(message_url(&message));
	message_free(&message);
}

static void
target_is_path_and_query_as_sent(void **state)
{
	static const char *const rows[][2] = {
		{ "REQUEST_URI=/a%20b?c=%64?e", "/a%20b?c=%64?e" },
		{ "REQUEST_URI=/", "/" },
		{ "REQUEST_URI=http://h/a?b", "/a?b" },
		{ "REQUEST_URI=http://h", "/" },
		{ "REQUEST_URI=http://h?b", NULL },
		{ "REQUEST_URI=*", "*" },
		{ "REQUEST_URI=", NULL },
		{ "PATH_INFO=/a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *variables[] = { rows[i][0], NULL };
		struct message message = message_with(variables, "");
		struct slice target = message_target(&message);

		if (rows[i][1] == NULL)
			assert_null(target.data);
		else
			assert_true(slice_is(target, rows[i][1]));
		message_free(&message);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variable_is_found_by_its_whole_name),
		cmocka_unit_test(message_without_variables_has_none),
		cmocka_unit_test(target_is_path_and_query_as_sent),
		cmocka_unit_test(header_is_found_absent_or_repeated),
		cmocka_unit_test(content_type_header_is_read_from_its_own_variable),
		cmocka_unit_test(header_name_becomes_a_variable),
		cmocka_unit_test(body_kind_follows_first_byte_and_type),
		cmocka_unit_test(body_is_parsed_once),
		cmocka_unit_test(more_of_the_body_is_read_when_it_is_asked_for),
		cmocka_unit_test(items_of_a_top_level_array_are_found),
		cmocka_unit_test(leaves_come_from_the_field_that_holds_the_document),
		cmocka_unit_test(reason_names_the_field),
		cmocka_unit_test(form_field_is_found_by_its_exact_name),
		cmocka_unit_test(other_body_is_read_anew),
		cmocka_unit_test(path_and_query_are_those_that_were_sent),
		cmocka_unit_test(url_is_put_together_as_the_sender_used_it),
		cmocka_unit_test(registered_url_wins),
		cmocka_unit_test(registered_url_takes_the_query_of_the_request),
		cmocka_unit_test(url_over_the_limit_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
