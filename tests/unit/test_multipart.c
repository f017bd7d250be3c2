/* test_multipart.c - multipart/form-data: what is taken, what is refused, what becomes of it */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "leaf.h"
#include "multipart.h"

#define REASON_SIZE 128
#define TYPE "multipart/form-data; boundary=x"
#define ROWS(table) (sizeof(table) / sizeof(table)[0])

/* A part of the boundary x, and its end. */
#define PART(headers, content) "--x\r\n" headers "\r\n\r\n" content "\r\n"
#define FIELD(name, content) PART("Content-Disposition: form-data; name=\"" name "\"", content)
#define END "--x--\r\n"

static enum multipart_result
judge(struct slice body, const char *type)
{
	struct leaves *leaves = leaves_new();
	char reason[REASON_SIZE] = "";
	enum multipart_result result = multipart_parse(body, type, leaves, reason);

	assert_int_equal(reason[0] != '\0', result != MULTIPART_OK);
	leaves_free(leaves);
	return result;
}

static void
assert_json(struct slice body, const char *type, const char *json)
{
	struct leaves *leaves = leaves_new();
	char reason[REASON_SIZE] = "";
	struct buf out;

	if (multipart_parse(body, type, leaves, reason) != MULTIPART_OK)
		fail_msg("%s: %s", json, reason);
	buf_init(&out, 10000);
	assert_true(leaves_write_json(leaves, &out));
	assert_string_equal(buf_text(&out), json);
	buf_free(&out);
	leaves_free(leaves);
}

/* new Response(formData) of Node.js 20.20 (undici), as a browser writes it. */
static const char by_node[] =
	"------formdata-undici-056060008442\r\n"
	"Content-Disposition: form-data; name=\"a[b]\"\r\n\r\n"
	"x&y=\xc3\xbc\r\n"
	"------formdata-undici-056060008442\r\n"
	"Content-Disposition: form-data; name=\"quo%22te%0D%0A\"\r\n\r\n"
	"line1\r\nline2\r\n"
	"------formdata-undici-056060008442\r\n"
	"Content-Disposition: form-data; name=\"list[]\"\r\n\r\n"
	"1\r\n"
	"------formdata-undici-056060008442\r\n"
	"Content-Disposition: form-data; name=\"list[]\"\r\n\r\n"
	"2\r\n"
	"------formdata-undici-056060008442\r\n"
	"Content-Disposition: form-data; name=\"up[]\"; filename=\"a%22b\\c.bin\"\r\n"
	"Content-Type: image/png\r\n\r\n"
	"\0\xff\r\n\r\n"
	"------formdata-undici-056060008442\r\n"
	"Content-Disposition: form-data; name=\"up[]\"; filename=\"\xc3\xa9.txt\"\r\n"
	"Content-Type: application/octet-stream\r\n\r\n"
	"hi\r\n"
	"------formdata-undici-056060008442--\r\n";

/* curl 7.88 -F 'payload={"a": [1, 2]};type=application/json' -F 'quo"te\x=v' -F 'file=@…'. */
static const char by_curl[] =
	"--------------------------aadd6b9dcad545fa\r\n"
	"Content-Disposition: form-data; name=\"payload\"\r\n"
	"Content-Type: application/json\r\n\r\n"
	"{\"a\": [1, 2]}\r\n"
	"--------------------------aadd6b9dcad545fa\r\n"
	"Content-Disposition: form-data; name=\"quo%22te\\x\"\r\n\r\n"
	"v\r\n"
	"--------------------------aadd6b9dcad545fa\r\n"
	"Content-Disposition: form-data; name=\"file\"; filename=\"q%22uo.txt\"\r\n"
	"Content-Type: text/plain\r\n\r\n"
	"hi\r\n"
	"--------------------------aadd6b9dcad545fa--\r\n";

static void
what_clients_send_is_read(void **state)
{
	(void)state;
	assert_json((struct slice){ by_node, sizeof by_node - 1 },
		"multipart/form-data; boundary=----formdata-undici-056060008442",
		"{\"a\":{\"b\":\"x&y=\xc3\xbc\"},\"quo\\\"te\\r\\n\":\"line1\\r\\nline2\","
		"\"list\":[\"1\",\"2\"],\"up\":[{\"filename\":\"a\\\"b\\\\c.bin\","
		"\"type\":\"image/png\",\"size\":\"4\"},{\"filename\":\"\xc3\xa9.txt\","
		"\"type\":\"application/octet-stream\",\"size\":\"2\"}]}");
	assert_json(slice_of(by_curl),
		"multipart/form-data; boundary=------------------------aadd6b9dcad545fa",
		"{\"payload\":\"{\\\"a\\\": [1, 2]}\",\"quo\\\"te\\\\x\":\"v\",\"file\":"
		"{\"filename\":\"q\\\"uo.txt\",\"type\":\"text/plain\",\"size\":\"2\"}}");
}

static void
parts_become_leaves(void **state)
{
	static const struct {
		const char *body;
		const char *json;
	} rows[] = {
		{ END, "{}" },
		{ "--x--", "{}" },
		{ FIELD("a", "1") END, "{\"a\":\"1\"}" },
		{ FIELD("a", "1") "--x--", "{\"a\":\"1\"}" },
		{ FIELD("a", "1") FIELD("b", "2") FIELD("a", "3") END,
			"{\"a\":\"3\",\"b\":\"2\"}" },
		{ FIELD("a[b][]", "1") FIELD("a[b][]", "2") END, "{\"a\":{\"b\":[\"1\",\"2\"]}}" },
		{ FIELD("", "1") END, "{}" },
		{ FIELD("a", "") END, "{\"a\":\"\"}" },
		/* A value is as it stands: no escapes, line ends belong to it. */
		{ FIELD("a", "+%41&\n\r\n--\r\n-") END, "{\"a\":\"+%41&\\n\\r\\n--\\r\\n-\"}" },
		{ FIELD("a", "1--x--") END, "{\"a\":\"1--x--\"}" },
		/* Preamble and epilogue. */
		{ "see below\r\n" FIELD("a", "1") END "--x\r\nmore", "{\"a\":\"1\"}" },
		{ "\r\n" FIELD("a", "1") "--x--more", "{\"a\":\"1\"}" },
		/* Transport padding. */
		{ "--x \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x-- ",
			"{\"a\":\"1\"}" },
		/* Names of headers and parameters in any case and order. */
		{ PART("content-TYPE:text/plain\r\nX-Y: z\r\n"
		       "CONTENT-disposition:Form-Data;x=\"a;name=b\";NAME=a ; y=2",
			  "1") END,
			"{\"a\":\"1\"}" },
		{ PART("Content-Disposition: form-data; name=\"a\";", "1") END, "{\"a\":\"1\"}" },
		{ PART("Content-Transfer-Encoding: 8BIT\r\n"
		       "Content-Disposition: form-data; name=\"a\"",
			  "1") END,
			"{\"a\":\"1\"}" },
		/* Quotes: \" and \\ are one character, other backslashes letters. */
		{ FIELD("a\\\"b\\\\c\\d%22%0a%41%", "1") END,
			"{\"a\\\"b\\\\c\\\\d\\\"\\n%41%\":\"1\"}" },
		{ PART("Content-Disposition: form-data; name=a%22b", "1") END,
			"{\"a%22b\":\"1\"}" },
		/* Files. */
		{ PART("Content-Disposition: form-data; name=f; filename=\"C:\\dir\\x.txt\"",
			  "12\r\n3") END,
			"{\"f\":{\"filename\":\"C:\\\\dir\\\\x.txt\",\"type\":\"text/plain\","
			"\"size\":\"5\"}}" },
		{ PART("Content-Disposition: form-data; name=f; filename=\"\"\r\n"
		       "Content-Type: application/octet-stream",
			  "") END,
			"{\"f\":{\"filename\":\"\",\"type\":\"application/octet-stream\","
			"\"size\":\"0\"}}" },
		{ PART("Content-Disposition: form-data; name=\"\"; filename=x", "1") END, "{}" },
		/* The shape of MultipartFormDataContent (.NET), and of urllib3 before 2. */
		{ PART("Content-Disposition: form-data; name=f; filename=x; filename*=utf-8''y",
			  "1") END,
			"{\"f\":{\"filename\":\"x\",\"type\":\"text/plain\",\"size\":\"1\"}}" },
		{ PART("Content-Disposition: form-data; name=f; filename*=utf-8'en'%C3%a9+'", "1")
				END,
			"{\"f\":{\"filename\":\"\xc3\xa9+'\",\"type\":\"text/plain\","
			"\"size\":\"1\"}}" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_json(slice_of(rows[i].body), TYPE, rows[i].json);
}

static void
what_two_readers_could_read_differently_is_invalid(void **state)
{
#define DISPOSITION "Content-Disposition: form-data; name=a"
	static const char *const rows[] = {
		"",
		"--x",
		"--x-",
		"--y\r\n" DISPOSITION "\r\n\r\n1\r\n--y--\r\n",
		/* No closing boundary, or not on a line of its own. */
		"--x\r\n" DISPOSITION "\r\n\r\n1",
		"--x\r\n" DISPOSITION "\r\n\r\n1\r\n--x\r\n",
		"--x\r\n" DISPOSITION "\r\n\r\n1\n--x--\r\n",
		" --x--",
		/* Lone line feeds. */
		"--x\n" DISPOSITION "\n\n1\n--x--\n",
		"--x\r\n" DISPOSITION "\n\n1\r\n--x--\r\n",
		PART("X: y\n" DISPOSITION, "1") END,
		PART(DISPOSITION "\rX: y", "1") END,
		/* Text behind a boundary. */
		"--xy\r\n" DISPOSITION "\r\n\r\n1\r\n--x--\r\n",
		"--xy\r\n" FIELD("a", "1") END,
		FIELD("a", "1\r\n--xy") END,
		"--x\r\n" DISPOSITION "\r\n\r\n1\r\n--x-\r\n--x--\r\n",
		/* Parts without their headers, or without an end of them. */
		"--x\r\n\r\n1\r\n--x--\r\n",
		"--x\r\n--x--\r\n",
		"--x\r\n--x: y\r\n" DISPOSITION "\r\n\r\n1\r\n--x--\r\n",
		"--x\r\n" DISPOSITION "\r\n--x--\r\n",
		"--x\r\n" DISPOSITION "\r\n\r\n--x--\r\n",
		PART("X: y", "1") END,
		/* Folding, and what is no header. */
		PART("Content-Disposition: form-data;\r\n name=a", "1") END,
		PART(" " DISPOSITION, "1") END,
		PART("Content-Disposition : form-data; name=a", "1") END,
		PART(DISPOSITION "\r\nhello", "1") END,
		PART(DISPOSITION "\r\n: x", "1") END,
		PART(DISPOSITION "\r\nX: \xff", "1") END,
		/* Content-Disposition. */
		PART("Content-Disposition: form-data", "1") END,
		PART("Content-Disposition: attachment; name=a", "1") END,
		PART("Content-Disposition: form-data name=a", "1") END,
		PART("Content-Disposition: form-data; name", "1") END,
		PART("Content-Disposition: form-data; name=", "1") END,
		PART("Content-Disposition: form-data; name=\"a", "1") END,
		PART("Content-Disposition: form-data; name=\"a\\\"", "1") END,
		PART("Content-Disposition: form-data; name=\"a\"b", "1") END,
		PART("Content-Disposition: form-data; name=a b", "1") END,
		PART("Content-Disposition: form-data; name =a", "1") END,
		PART(DISPOSITION "; name=b", "1") END,
		PART(DISPOSITION "; filename=b; FILENAME=c", "1") END,
		PART(DISPOSITION "; filename*=b", "1") END,
		PART(DISPOSITION "; filename*=UTF-8'b", "1") END,
		PART(DISPOSITION "; filename*=ISO-8859-1''b", "1") END,
		PART(DISPOSITION "; filename*=UTF-8''%4", "1") END,
		PART(DISPOSITION "; filename*=UTF-8''%00", "1") END,
		PART(DISPOSITION "; filename*=UTF-8''%ff", "1") END,
		PART(DISPOSITION "; filename*=UTF-8''a; filename*=UTF-8''a", "1") END,
		PART(DISPOSITION "\r\n" DISPOSITION, "1") END,
		PART(DISPOSITION "\r\nContent-Type: a/b\r\nContent-Type: a/b", "1") END,
		/* Encodings that would have to be undone. */
		PART(DISPOSITION "\r\nContent-Transfer-Encoding: base64", "MQ==") END,
		PART(DISPOSITION "\r\nContent-Transfer-Encoding: quoted-printable", "=31") END,
		PART(DISPOSITION "\r\nContent-Transfer-Encoding:", "1") END,
		/* Values. */
		FIELD("a", "\xff") END,
		FIELD("a", "1") FIELD("a[b]", "1") END,
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (judge(slice_of(rows[i]), TYPE) != MULTIPART_INVALID)
			fail_msg("%zu: %s", i, rows[i]);
}

static void
nul_is_taken_in_files_alone(void **state)
{
	static const char field[] = FIELD("a", "1\0") END;
	static const char name[] = FIELD("a\0", "1") END;
	static const char file[] = PART(DISPOSITION "; filename=b", "1\0\xff") END;

	(void)state;
	assert_int_equal(judge((struct slice){ field, sizeof field - 1 }, TYPE), MULTIPART_INVALID);
	assert_int_equal(judge((struct slice){ name, sizeof name - 1 }, TYPE), MULTIPART_INVALID);
	assert_int_equal(judge((struct slice){ file, sizeof file - 1 }, TYPE), MULTIPART_OK);
}

static void
boundary_is_found_in_the_content_type(void **state)
{
	static const struct {
		const char *type;
		const char *boundary; /* NULL: refused */
	} rows[] = {
		{ "multipart/form-data; boundary=x", "x" },
		{ "multipart/form-data;boundary=x", "x" },
		{ "Multipart/Form-Data ; charset=utf-8 ; BOUNDARY=x ;", "x" },
		{ "multipart/form-data; boundary=\"x y\"", "x y" },
		{ "multipart/form-data; a=\";boundary=y\"; boundary=x", "x" },
		{ "multipart/form-data; boundary=\"'()+_,-./:=?09azAZ\"", "'()+_,-./:=?09azAZ" },
		{ "multipart/form-data; boundary='()+_,-./:=?09azAZ", "'()+_,-./:=?09azAZ" },
		{ "multipart/form-data; boundary="
		  "1234567890123456789012345678901234567890123456789012345678901234567890",
			"1234567890123456789012345678901234567890123456789012345678901234567890" },
		{ "multipart/form-data; boundary="
		  "12345678901234567890123456789012345678901234567890123456789012345678901",
			NULL },
		{ "multipart/form-data", NULL },
		{ "multipart/form-data; boundary", NULL },
		{ "multipart/form-data; boundary=", NULL },
		{ "multipart/form-data; boundary=\"\"", NULL },
		{ "multipart/form-data; boundary=\"x \"", NULL },
		{ "multipart/form-data; boundary=\"x", NULL },
		{ "multipart/form-data; boundary=x y", NULL },
		{ "multipart/form-data; boundary=x\"y\"", NULL },
		{ "multipart/form-data; boundary=\"x\"y", NULL },
		{ "multipart/form-data; boundary=\"x\\\"\"", NULL },
		{ "multipart/form-data; boundary=x@y", NULL },
		{ "multipart/form-data; boundary=x; boundary=x", NULL },
		{ "multipart/form-data; boundary=x, multipart/form-data; boundary=y", NULL },
		{ "multipart/form-data; boundary=x\xc3\xa9", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf body;

		buf_init(&body, 1000);
		assert_true(buf_appendf(&body, "--%s\r\n" DISPOSITION "\r\n\r\n1\r\n--%s--",
			rows[i].boundary != NULL ? rows[i].boundary : "x",
			rows[i].boundary != NULL ? rows[i].boundary : "x"));
		if (judge(buf_slice(&body), rows[i].type) !=
			(rows[i].boundary != NULL ? MULTIPART_OK : MULTIPART_INVALID))
			fail_msg("%s", rows[i].type);
		buf_free(&body);
	}
}

static void
field_is_found_by_its_exact_name(void **state)
{
	static const struct {
		const char *body;
		const char *value; /* NULL: not found */
		bool repeated;
	} rows[] = {
		{ FIELD("a", "1") END, "1", false },
		{ FIELD("b", "0") FIELD("a", "1\r\n") END, "1\r\n", false },
		{ FIELD("a", "") END, "", false },
		{ FIELD("A", "1") FIELD("a[]", "1") FIELD("aa", "1") END, NULL, false },
		{ FIELD("a", "1") FIELD("a", "2") END, "1", true },
		{ FIELD("a", "1") PART(DISPOSITION "; filename=f", "2") END, "1", true },
		{ PART(DISPOSITION "; filename=f", "2") END, NULL, false },
		{ FIELD("a", "\xff") END, NULL, false },
		{ FIELD("b", "\xff") FIELD("a", "1") END, "1", false },
		{ FIELD("a", "1"), NULL, false },
		{ FIELD("a", "1") "--x\r\nX\r\n\r\n\r\n" END, NULL, false },
		{ "", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct slice value = { "untouched", 9 };
		bool repeated = !rows[i].repeated;
		struct slice body = slice_of(rows[i].body);
		bool found = multipart_find(body, TYPE, "a", &value, &repeated);

		if (found != (rows[i].value != NULL) || repeated != rows[i].repeated ||
			!slice_is(value, found ? rows[i].value : "untouched"))
			fail_msg("%zu: %s", i, rows[i].body);
		assert_int_equal(multipart_find(body, TYPE, "a", &value, NULL), found);
		/* Borrowed. */
		if (found)
			assert_in_range(value.data, body.data, body.data + body.len);
	}
}

static struct buf
repeated_text(const char *before, const char *text, size_t count, const char *after)
{
	struct buf out;

	buf_init(&out, strlen(before) + strlen(text) * count + strlen(after));
	assert_true(buf_append_text(&out, before));
	for (size_t i = 0; i < count; i++)
		assert_true(buf_append_text(&out, text));
	assert_true(buf_append_text(&out, after));
	return out;
}

static void
limits_are_the_last_taken(void **state)
{
	static const struct {
		const char *before, *text, *after;
		size_t count; /* that is taken; one more is too large */
	} rows[] = {
		{ "", FIELD("a", "1"), END, MULTIPART_PARTS_MAX },
		{ "", PART(DISPOSITION "; filename=f", ""), END, MULTIPART_PARTS_MAX },
		{ "--x\r\n" DISPOSITION "\r\nX:", "y", "\r\n\r\n1\r\n" END,
			MULTIPART_HEADERS_MAX - sizeof DISPOSITION - sizeof "\r\nX:\r\n\r\n" + 2 },
		{ "--x\r\nContent-Disposition: form-data; name=a", "[b]", "\r\n\r\n1\r\n" END,
			LEAF_DEPTH_MAX - 1 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf body =
			repeated_text(rows[i].before, rows[i].text, rows[i].count, rows[i].after);

		if (judge(buf_slice(&body), TYPE) != MULTIPART_OK)
			fail_msg("%zu", i);
		buf_free(&body);
		body = repeated_text(
			rows[i].before, rows[i].text, rows[i].count + 1, rows[i].after);
		if (judge(buf_slice(&body), TYPE) != MULTIPART_TOO_LARGE)
			fail_msg("%zu", i);
		buf_free(&body);
	}
}

/* 8 MiB of what a search for the boundary could stumble over; linear it takes milliseconds. */
static void
hostile_bodies_cost_no_more_than_their_size(void **state)
{
	static const char type[] =
		"multipart/form-data; boundary="
		"----------------------------------------------------------------------";
	static const struct {
		const char *before, *text, *after;
	} rows[] = {
		{ "", "-", "" },
		{ "", "\r\n--", "" },
		{ "", "\r\n---------------------------------------------------------------", "" },
		{ "------------------------------------------------------------------------\r\n"
		  "Content-Disposition: form-data; name=a\r\n\r\n",
			"\r\n--", "" },
		{ "------------------------------------------------------------------------", " ",
			"" },
		{ "------------------------------------------------------------------------\r\n"
		  "Content-Disposition: form-data; name=\"",
			"\\\\", "" },
	};
	struct timespec before, after;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf body = repeated_text(rows[i].before, rows[i].text,
			((size_t)8 << 20) / strlen(rows[i].text), rows[i].after);

		(void)judge(buf_slice(&body), type);
		buf_free(&body);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_in_range(after.tv_sec - before.tv_sec, 0, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_clients_send_is_read),
		cmocka_unit_test(parts_become_leaves),
		cmocka_unit_test(what_two_readers_could_read_differently_is_invalid),
		cmocka_unit_test(nul_is_taken_in_files_alone),
		cmocka_unit_test(boundary_is_found_in_the_content_type),
		cmocka_unit_test(field_is_found_by_its_exact_name),
		cmocka_unit_test(limits_are_the_last_taken),
		cmocka_unit_test(hostile_bodies_cost_no_more_than_their_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
