/* test_signature_options.c - lists of texts, groups of signatures, named keys, items, requirements
 *
 * The signatures were made with Python's hmac.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "signature.h"
#include "text.h"
#include "verify.h"

#define HMAC .header = LIST("X-S"), .algorithm = "hmac-sha256"
#define S(text) "HTTP_X_S=" text

struct row {
	const char *variables[6];
	const char *body;
	enum signature_result expected;
};

static void
check_rows(struct provider_options options, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum signature_result result =
			verify_once(options, rows[i].variables, rows[i].body);
		if (result != rows[i].expected)
			fail_msg("row %zu: %s", i, signature_reason(result));
	}
}

static void
the_first_text_of_which_everything_is_there_is_signed(void **state)
{
	static const struct row rows[] = {
		{ { S("4fc4eb5fbdd547f813b32136bb1a202c644542a2191aac416999449878076dde"),
			  "HTTP_X_R=2", "QUERY_STRING=i=1" },
			"", SIGNATURE_VALID },
		{ { S("7b351b06616abde4651edda5e860cd1a25024d70ceca04dcf6c8369766f84c6f"),
			  "QUERY_STRING=i=1" },
			"", SIGNATURE_VALID },
		/* What is there must be signed; what was signed must be there. */
		{ { S("7b351b06616abde4651edda5e860cd1a25024d70ceca04dcf6c8369766f84c6f"),
			  "HTTP_X_R=2", "QUERY_STRING=i=1" },
			"", SIGNATURE_WRONG },
		{ { S("4fc4eb5fbdd547f813b32136bb1a202c644542a2191aac416999449878076dde"),
			  "QUERY_STRING=i=1" },
			"", SIGNATURE_WRONG },
		/* The longer text, told as the shorter one. */
		{ { S("4fc4eb5fbdd547f813b32136bb1a202c644542a2191aac416999449878076dde"),
			  "QUERY_STRING=i=1;r:2" },
			"", SIGNATURE_AMBIGUOUS },
		{ { S("4fc4eb5fbdd547f813b32136bb1a202c644542a2191aac416999449878076dde"),
			  "HTTP_X_R=2" },
			"", SIGNATURE_MISSING },
		{ { S("4fc4eb5fbdd547f813b32136bb1a202c644542a2191aac416999449878076dde"),
			  "HTTP_X_R=2", "HTTP_X_R=2", "QUERY_STRING=i=1" },
			"", SIGNATURE_REPEATED },
	};

	(void)state;
	check_rows((struct provider_options){ .main = { HMAC,
						      .signs = LIST("i:{query:i};r:{header:X-R};",
							      "i:{query:i};") } },
		rows, ROWS(rows));
}

static void
no_border_can_be_moved(void **state)
{
	static const struct {
		const char *signs;
		struct row row;
	} rows[] = {
		/* The key's name is the sender's text too. */
		{ "{key_id}.{body}",
			{ { S("b34e18950fa82267dcbf7bd55ee8baf1399cf13bcff6c980c99d87b593890b3e"),
				  "HTTP_X_K=a" },
				"b.c", SIGNATURE_VALID } },
		{ "{key_id}.{body}",
			{ { S("b34e18950fa82267dcbf7bd55ee8baf1399cf13bcff6c980c99d87b593890b3e"),
				  "HTTP_X_K=a.b" },
				"c", SIGNATURE_AMBIGUOUS } },
		/* Without a text between them: nothing of a body in the value before it. */
		{ "{key_id}{body}",
			{ { S("418ac0545d389cc1b85d2bbd910bd7ac98aeb8c2440e6406beff1a4b724a6689"),
				  "HTTP_X_K=a" },
				"{\"b\":1}", SIGNATURE_VALID } },
		{ "{key_id}{body}",
			{ { S("418ac0545d389cc1b85d2bbd910bd7ac98aeb8c2440e6406beff1a4b724a6689"),
				  "HTTP_X_K=a{\"b\":" },
				"1}", SIGNATURE_AMBIGUOUS } },
		{ "{key_id}{body}",
			{ { S("14469986a18712efbd65858f2b552d315d40e024ea6dca80029194b5b83f5531"),
				  "HTTP_X_K=ab=1&" },
				"c=2", SIGNATURE_AMBIGUOUS } },
		{ "{body}{key_id}",
			{ { S("bc3bf44fae144015b1a9d412899b079a40e2598fd835af9b87735d89008f8a8c"),
				  "HTTP_X_K=}a" },
				"{\"b\":1", SIGNATURE_AMBIGUOUS } },
		{ "{body}{key_id}",
			{ { S("bc3bf44fae144015b1a9d412899b079a40e2598fd835af9b87735d89008f8a8c"),
				  "HTTP_X_K=a" },
				"{\"b\":1}", SIGNATURE_VALID } },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		check_rows((struct provider_options){ .main = { HMAC, .signs = LIST(rows[i].signs),
							      .key_id = "{header:X-K}" } },
			&rows[i].row, 1);
}

static void
a_time_has_no_digit_of_the_body(void **state)
{
	static const struct row rows[] = {
		{ { S("91a980327f9d67634756506cbfd21a8f65fa46eb456725ec1136d2cbed9d8c34"),
			  "HTTP_X_T=1700000000" },
			"a=10", SIGNATURE_VALID },
		{ { S("91a980327f9d67634756506cbfd21a8f65fa46eb456725ec1136d2cbed9d8c34"),
			  "HTTP_X_T=01700000000" },
			"a=1", SIGNATURE_MALFORMED },
		{ { S("91a980327f9d67634756506cbfd21a8f65fa46eb456725ec1136d2cbed9d8c34"),
			  "HTTP_X_T=700000000" },
			"a=101", SIGNATURE_EXPIRED },
		{ { S("91a980327f9d67634756506cbfd21a8f65fa46eb456725ec1136d2cbed9d8c34"),
			  "HTTP_X_T=101700000000" },
			"a=", SIGNATURE_EARLY },
	};

	(void)state;
	check_rows((struct provider_options){ .main = { HMAC, .signs = LIST("{body}{timestamp}"),
						      .timestamp = "{header:X-T}" } },
		rows, ROWS(rows));
}

/* t=TIME,v1=HMAC of "TIME.{}" */
#define PAIR(time, mac) "t=" time ",v1=" mac
#define OLD PAIR("1699990000", "0934b376540299cde712ff30e05aa2e35b652a7e61cbf249904ed6e362f4f9b4")
#define NEW PAIR("1700000000", "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163")
#define BAD(time) PAIR(time, "00")

static const struct provider_options persona = {
	.main = { HMAC, .format = LIST("t={timestamp},v1={signature}"), .separator = " ",
		.signs = LIST("{timestamp}.{body}") }
};

static void
a_time_in_the_part_of_a_signature_is_its_own(void **state)
{
	static const struct row rows[] = {
		{ { S(NEW) }, "{}", SIGNATURE_VALID },
		{ { S(OLD) }, "{}", SIGNATURE_EXPIRED },
		{ { S(OLD " " NEW) }, "{}", SIGNATURE_VALID },
		{ { S(NEW " " OLD) }, "{}", SIGNATURE_VALID },
		{ { S(OLD " " BAD("1700000000")) }, "{}", SIGNATURE_EXPIRED },
		/* The old signature with the new one's time. */
		{ { S(PAIR("1700000000", "0934b376540299cde712ff30e05aa2e35b652a7e61cbf249904ed6e36"
					 "2f4f9b4") " " OLD) },
			"{}", SIGNATURE_EXPIRED },
		{ { S(BAD("x") " " NEW) }, "{}", SIGNATURE_VALID },
		{ { S(BAD("1") " " BAD("2") " " BAD("3") " " NEW) }, "{}", SIGNATURE_VALID },
		/* The fifth time is not looked at: each costs a MAC. */
		{ { S(BAD("1") " " BAD("2") " " BAD("3") " " BAD("4") " " NEW) }, "{}",
			SIGNATURE_WRONG },
		/* Of one time, 16 signatures are. */
		{ { S("t=1700000000,v1=00 t=1700000000,v1=01 t=1700000000,v1=02 t=1700000000,v1=03 "
		      "t=1700000000,v1=04 t=1700000000,v1=05 t=1700000000,v1=06 t=1700000000,v1=07 "
		      "t=1700000000,v1=08 t=1700000000,v1=09 t=1700000000,v1=10 t=1700000000,v1=11 "
		      "t=1700000000,v1=12 t=1700000000,v1=13 t=1700000000,v1=14 " NEW) },
			"{}", SIGNATURE_VALID },
		{ { S("t=1700000000,v1=00 t=1700000000,v1=01 t=1700000000,v1=02 t=1700000000,v1=03 "
		      "t=1700000000,v1=04 t=1700000000,v1=05 t=1700000000,v1=06 t=1700000000,v1=07 "
		      "t=1700000000,v1=08 t=1700000000,v1=09 t=1700000000,v1=10 t=1700000000,v1=11 "
		      "t=1700000000,v1=12 t=1700000000,v1=13 t=1700000000,v1=14 "
		      "t=1700000000,v1=15 " NEW) },
			"{}", SIGNATURE_WRONG },
		{ { S("t=,v1=0e0607c634942569b144e991806df0edbff0695d1f4e4549bc298252b4fc4d6d") },
			"{}", SIGNATURE_MALFORMED },
		{ { S(NEW ", " NEW) }, "{}", SIGNATURE_VALID },
	};

	(void)state;
	check_rows(persona, rows, ROWS(rows));
}

static void
every_header_must_hold_a_right_and_fresh_one_where_all_must(void **state)
{
	static const struct row rows[] = {
		{ { "HTTP_X_A=" NEW }, "{}", SIGNATURE_VALID },
		{ { "HTTP_X_A=" NEW, "HTTP_X_B=" NEW }, "{}", SIGNATURE_VALID },
		{ { "HTTP_X_A=" NEW,
			  "HTTP_X_B=" PAIR("1700000001", "d8852b947962e1140a9c783987325ad24c45fe0cb"
							 "635b74b12638edf56ef795f") },
			"{}", SIGNATURE_VALID },
		{ { "HTTP_X_A=" NEW, "HTTP_X_B=" OLD }, "{}", SIGNATURE_WRONG },
		{ { "HTTP_X_A=" OLD, "HTTP_X_B=" NEW }, "{}", SIGNATURE_WRONG },
		{ { "HTTP_X_A=" NEW, "HTTP_X_B=" BAD("1700000000") }, "{}", SIGNATURE_WRONG },
		{ { "HTTP_X_A=" OLD " " NEW, "HTTP_X_B=" NEW " " OLD }, "{}", SIGNATURE_VALID },
	};
	struct provider_options options = persona;

	(void)state;
	options.main.header = LIST("X-A", "X-B");
	options.main.carriers = "all";
	check_rows(options, rows, ROWS(rows));
}

static void
a_key_is_found_by_the_name_that_is_sent(void **state)
{
	static const struct {
		bool in_format;
		struct row row;
	} rows[] = {
		{ false, { { S("32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798"),
				   "HTTP_X_K=a" },
				 "{}", SIGNATURE_VALID } },
		{ false, { { S("3bf751f39efa3321adb7a2e11508c03487590f1ac7d9de08215ae8a533678d16"),
				   "HTTP_X_K=a" },
				 "{}", SIGNATURE_WRONG } },
		{ false, { { S("d9520d793ef662258a1afd379fc3f157b42fa46afb286e57f85388398974509e"),
				   "HTTP_X_K=a" },
				 "{}", SIGNATURE_VALID } },
		{ false, { { S("d9520d793ef662258a1afd379fc3f157b42fa46afb286e57f85388398974509e"),
				   "HTTP_X_K=unknown" },
				 "{}", SIGNATURE_VALID } },
		{ false, { { S("32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798"),
				   "HTTP_X_K=unknown" },
				 "{}", SIGNATURE_WRONG } },
		{ false,
			{ { S("32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798") },
				"{}", SIGNATURE_MISSING } },
		{ false, { { S("32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798"),
				   "HTTP_X_K=" },
				 "{}", SIGNATURE_MISSING } },
		{ false, { { S("32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798"),
				   "HTTP_X_K=a, b" },
				 "{}", SIGNATURE_REPEATED } },
		{ false, { { S("32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798"),
				   "HTTP_X_K=a", "HTTP_X_K=a" },
				 "{}", SIGNATURE_REPEATED } },
		/* The same text under two names. */
		{ false, { { S("32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798"),
				   "HTTP_X_K=c" },
				 "{}", SIGNATURE_VALID } },
		{ true, { { S("k=a;s="
			      "32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798") },
				"{}", SIGNATURE_VALID } },
		{ true, { { S("k=b;s="
			      "32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798") },
				"{}", SIGNATURE_WRONG } },
		{ true, { { S("k=b;s="
			      "32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798 "
			      "k=b;s="
			      "3bf751f39efa3321adb7a2e11508c03487590f1ac7d9de08215ae8a533678d16") },
				"{}", SIGNATURE_VALID } },
		{ true, { { S("k=b;s="
			      "32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798 "
			      "k=a;s="
			      "32abb24f170dc0c6fb1a5b1d51e1c4ae4edb46e4e9dc8351091a6184d6ef4798") },
				"{}", SIGNATURE_VALID } },
	};
	const struct config_secret secrets[] = { secret_of("one", "a"), secret_of("two", "b"),
		secret_of("any", NULL), secret_of("one", "c") };

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider_options options = { .main = { HMAC } };
		struct provider *provider;
		struct verifier *verifier;
		char *const *format = LIST("k={key_id};s={signature}");
		options.main.format = rows[i].in_format ? format : NULL;
		options.main.separator = rows[i].in_format ? " " : NULL;
		options.main.key_id = rows[i].in_format ? NULL : "{header:X-K}";
		provider = compile(options);
		verifier = verifier_of(provider, secrets, ROWS(secrets));
		if (verify(verifier, rows[i].row.variables, rows[i].row.body) !=
			rows[i].row.expected)
			fail_msg("row %zu", i);
		verifier_free(verifier);
		provider_free(provider);
	}
}

/* The secrets of two names, and what is told of a third; a secret without a name is for any. */
static void
a_key_that_nobody_has_is_named(void **state)
{
	static const struct {
		size_t count; /* of secrets */
		const char *name;
		enum signature_result expected;
		const char *key_id;
	} rows[] = {
		{ 2, "a", SIGNATURE_WRONG, "-" },
		{ 2, "d", SIGNATURE_NO_KEY, "d" },
		{ 3, "d", SIGNATURE_WRONG, "-" },
		{ 2, "0123456789012345678901234567890123456789012345678901234567890123456789",
			SIGNATURE_NO_KEY,
			"0123456789012345678901234567890123456789012345678901234567890123" },
	};
	const struct config_secret secrets[] = { secret_of("one", "a"), secret_of("two", "b"),
		secret_of("any", NULL) };
	struct provider_options options = { .main = { HMAC } };
	char header[100];

	(void)state;
	options.main.key_id = "{header:X-K}";
	struct provider *provider = compile(options);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct verifier *verifier = verifier_of(provider, secrets, rows[i].count);
		struct signature_report report = { .key_id = "-" };
		snprintf(header, sizeof header, "HTTP_X_K=%s", rows[i].name);
		char *variables[] = { (char *)(uintptr_t)S("00"), header, NULL };
		struct message message;
		message_init(&message, variables, slice_of("{}"));
		if (signature_verify(verifier, &message, NOW_MS, &report) != rows[i].expected)
			fail_msg("row %zu", i);
		assert_string_equal(report.key_id, rows[i].key_id);
		message_free(&message);
		verifier_free(verifier);
	}
	provider_free(provider);
}

#define A                            \
	"{\"v\":\"a\",\"s\":{\"h\":" \
	"\"4048c44911916043ff626895ff78c5262764685b6cb9a03ce07886a9effb924c\"}}"
#define B                            \
	"{\"v\":\"b\",\"s\":{\"h\":" \
	"\"8caf295837e09c876c0c5ef729581d5e75ef93adc10420ce71aab05636ac63ed\"}}"
#define WRONG                        \
	"{\"v\":\"c\",\"s\":{\"h\":" \
	"\"8caf295837e09c876c0c5ef729581d5e75ef93adc10420ce71aab05636ac63ed\"}}"

static const struct provider_options items = { .main = { .signature = LIST("{item:s.h}"),
						       .algorithm = "hmac-sha256",
						       .each = "n.items",
						       .signs = LIST("{item:v}{item:w?}") } };

static void
each_item_must_be_right(void **state)
{
	static const struct row rows[] = {
		{ { NULL }, "{\"n\":{\"items\":[" A "]}}", SIGNATURE_VALID },
		{ { NULL }, "{\"n\":{\"items\":[" A "," B "," A "]}}", SIGNATURE_VALID },
		{ { NULL }, "{\"n\":{\"items\":[" A "," WRONG "," B "]}}", SIGNATURE_WRONG },
		{ { NULL }, "{\"n\":{\"items\":[" A "," B "," WRONG "]}}", SIGNATURE_WRONG },
		{ { NULL }, "{\"n\":{\"items\":[]}}", SIGNATURE_MISSING },
		{ { NULL }, "{\"n\":{}}", SIGNATURE_MISSING },
		{ { NULL }, "[" A "]", SIGNATURE_MISSING },
		{ { NULL }, "", SIGNATURE_MISSING },
		{ { NULL }, "{\"n\":{\"items\":[" A, SIGNATURE_MISSING },
		/* No objects, arrays in it, an object in its place. */
		{ { NULL }, "{\"n\":{\"items\":[1,null]}}", SIGNATURE_MISSING },
		{ { NULL }, "{\"n\":{\"items\":[[" A "]]}}", SIGNATURE_MISSING },
		{ { NULL }, "{\"n\":{\"items\":[" A ",[]]}}", SIGNATURE_MISSING },
		{ { NULL }, "{\"n\":{\"items\":{\"0\":" A "}}}", SIGNATURE_MISSING },
		{ { NULL },
			"{\"n\":{\"items\":[{\"s\":{\"h\":"
			"\"4048c44911916043ff626895ff78c5262764685b6cb9a03ce07886a9effb924c\"}}]}}",
			SIGNATURE_MISSING },
		/* What two readers of JSON would not see alike. */
		{ { NULL }, "{\"n\":{\"items\":[" WRONG "],\"items\":[" A "]}}",
			SIGNATURE_AMBIGUOUS },
		{ { NULL },
			"{\"n\":{\"items\":[{\"v\":\"x\",\"v\":\"a\",\"s\":{\"h\":"
			"\"4048c44911916043ff626895ff78c5262764685b6cb9a03ce07886a9effb924c\"}}]}}",
			SIGNATURE_AMBIGUOUS },
		{ { NULL }, "{\"n\":{\"items\":[" WRONG "]},\"n.items\":[" A "]}",
			SIGNATURE_AMBIGUOUS },
		{ { NULL }, "{\"n.items\":[" A "]}", SIGNATURE_AMBIGUOUS },
		{ { NULL },
			"{\"n\":{\"items\":[{\"v\":\"x\",\"s\":{\"h\":"
			"\"4048c44911916043ff626895ff78c5262764685b6cb9a03ce07886a9effb924c\"}}]},"
			"\"n.items.0.v\":\"a\",\"n.items.0\":{\"v\":\"a\"}}",
			SIGNATURE_WRONG },
	};

	(void)state;
	check_rows(items, rows, ROWS(rows));
}

static void
items_are_bounded(void **state)
{
	static const struct {
		size_t count;
		enum signature_result expected;
	} rows[] = { { 1000, SIGNATURE_VALID }, { 1001, SIGNATURE_MALFORMED } };

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		static const char *const none[] = { NULL };
		struct buf body;
		buf_init(&body, 1 << 20);
		buf_append_text(&body, "{\"n\":{\"items\":[" A);
		for (size_t j = 1; j < rows[i].count; j++)
			buf_append_text(&body, "," B);
		buf_append_text(&body, "]}}");
		assert_int_equal(verify_once(items, none, buf_text(&body)), rows[i].expected);
		buf_free(&body);
	}
}

static void
fields_that_are_signed_are_found_in_one_way_only(void **state)
{
	static const struct row rows[] = {
		{ { S("bd28ee142ca5b46259f6e27fc3a4216f447bd5843c406e63219cff30e73b135b") },
			"{\"a\":{\"b\":1}}", SIGNATURE_VALID },
		{ { S("bd28ee142ca5b46259f6e27fc3a4216f447bd5843c406e63219cff30e73b135b") },
			"{\"a\":{\"b\":2},\"a.b\":1}", SIGNATURE_AMBIGUOUS },
		{ { S("bd28ee142ca5b46259f6e27fc3a4216f447bd5843c406e63219cff30e73b135b") },
			"{\"a.b\":1,\"a\":{\"b\":{\"c\":2}}}", SIGNATURE_AMBIGUOUS },
		{ { S("bd28ee142ca5b46259f6e27fc3a4216f447bd5843c406e63219cff30e73b135b") },
			"{\"a\":{\"b\":2,\"b\":1}}", SIGNATURE_AMBIGUOUS },
		{ { S("bd28ee142ca5b46259f6e27fc3a4216f447bd5843c406e63219cff30e73b135b") },
			"{\"x\":2,\"a\":{\"b\":1},\"x\":1}", SIGNATURE_AMBIGUOUS },
	};
	/* Where the body is signed it is as the sender made it. */
	static const struct row whole[] = {
		{ { S("a68b51dd1d44cdef0d9d181924d94a784ab188abee9fb7e8372aeedc8fc418cf") },
			"{\"a\":{\"b\":2,\"b\":1}}", SIGNATURE_VALID },
	};

	(void)state;
	check_rows((struct provider_options){ .main = { HMAC, .signs = LIST("{body:a.b}") } }, rows,
		ROWS(rows));
	check_rows(
		(struct provider_options){ .main = { HMAC, .signs = LIST("{body:a.b}.{body}") } },
		whole, ROWS(whole));
}

#define DIGEST "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static void
a_digest_in_the_query_is_signed_with_the_url(void **state)
{
	static const struct row rows[] = {
		{ { S("7b1b15ad6e57a9e882354a0cc51dbf76f5094c75801e28be248fbf8473416d94"),
			  "REQUEST_URI=/h?d=" DIGEST },
			"{}", SIGNATURE_VALID },
		/* Another body with its digest, in place of the signed one and beside it. */
		{ { S("7b1b15ad6e57a9e882354a0cc51dbf76f5094c75801e28be248fbf8473416d94"),
			  "REQUEST_URI=/"
			  "h?d=4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945" },
			"[]", SIGNATURE_WRONG },
		{ { S("7b1b15ad6e57a9e882354a0cc51dbf76f5094c75801e28be248fbf8473416d94"),
			  "REQUEST_URI=/h?d=" DIGEST
			  "&d=4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945" },
			"[]", SIGNATURE_WRONG },
		{ { S("7b1b15ad6e57a9e882354a0cc51dbf76f5094c75801e28be248fbf8473416d94"),
			  "REQUEST_URI=/h?d=" DIGEST },
			"[]", SIGNATURE_WRONG },
		/* The server's idea of the query is not asked. */
		{ { S("7b1b15ad6e57a9e882354a0cc51dbf76f5094c75801e28be248fbf8473416d94"),
			  "REQUEST_URI=/h?d=" DIGEST,
			  "QUERY_STRING=d="
			  "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945" },
			"[]", SIGNATURE_WRONG },
		/* None at all, of a URL that has one of its own at the sender. */
		{ { S("e2a5b21bb736590641741c624c9a6d49ee52f10b83024adfb57b6c27a43f45dc"),
			  "REQUEST_URI=/h" },
			"{}", SIGNATURE_WRONG },
		{ { S("327e7d2be2b87b11ffb755fa4d2ad7f3f1c0a1478f4057dcfaa2bc0883b1a007"),
			  "REQUEST_URI=/h?d=" },
			"", SIGNATURE_WRONG },
	};
	static const char *const overrides[] = { "https://me.example/h",
		"https://me.example/h?d=" DIGEST };
	const struct config_secret secret = secret_of("secret", NULL);
	struct provider *provider = compile((struct provider_options){
		.main = { HMAC, .signs = LIST("{url}"),
			.requires = LIST("{query:d}={bodyhash:sha256:hex}") } });
	struct verifier *verifier = verifier_of(provider, &secret, 1);

	(void)state;
	for (size_t i = 0; i < ROWS(rows) * ROWS(overrides); i++) {
		const struct row *row = &rows[i / 2];
		struct signature_report report;
		struct message message;
		enum signature_result result;
		message_init(
			&message, (char *const *)(uintptr_t)row->variables, slice_of(row->body));
		message.url_override = overrides[i % 2];
		result = signature_verify(verifier, &message, NOW_MS, &report);
		assert_left(&message, result);
		assert_int_equal(result == SIGNATURE_VALID, row->expected == SIGNATURE_VALID);
		message_free(&message);
	}
	verifier_free(verifier);
	provider_free(provider);
}

/* A message says what its sender likes: its text, behind the URL in what is signed, could be a
 * query that vouches for another body. */
static void
no_form_becomes_a_query(void **state)
{
	static const char signature[] =
		S("46486366b592431359cf59572dd0fbdfbe592382b449f835f08fedb38abf45c7");
	static const struct {
		const char *uri, *type, *body;
		enum signature_result expected;
	} rows[] = {
		{ "REQUEST_URI=/h?t=1", "CONTENT_TYPE=application/x-www-form-urlencoded",
			"From=2&AccountSid=1&Body=%26d%3D" DIGEST "%26z%3D", SIGNATURE_VALID },
		{ "REQUEST_URI=/h?t=1AccountSid1Body&d=" DIGEST "&z=From2",
			"CONTENT_TYPE=application/json", "{}", SIGNATURE_MISSING },
	};
	const struct provider_scheme_options variant = { .label = "json",
		.signs = LIST("{url}"),
		.requires = LIST("{query:d}={bodyhash:sha256:hex}") };
	const struct config_secret secret = secret_of("secret", NULL);
	struct provider *provider = compile(
		(struct provider_options){ .main = { HMAC, .signs = LIST("{url}{sorted_form}") },
			.variants = &variant,
			.variant_count = 1 });
	struct verifier *verifier = verifier_of(provider, &secret, 1);

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct signature_report report;
		struct message message;
		message_init(&message,
			(char *const *)(uintptr_t)TEXTS(signature, rows[i].uri, rows[i].type),
			slice_of(rows[i].body));
		message.url_override = "https://me.example/h?t=1";
		assert_int_equal(
			signature_verify(verifier, &message, NOW_MS, &report), rows[i].expected);
		message_free(&message);
	}
	verifier_free(verifier);
	provider_free(provider);
}

static void
what_is_signed_may_be_made_of_the_request_in_many_ways(void **state)
{
	const struct {
		struct provider_scheme_options main;
		struct row row;
	} rows[] = {
		{ { HMAC, .prehash = "sha256" },
			{ { S("b7554dc3ef7d4401bdee1079819c8af296961ae069b691febecc8293052c407b") },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .prehash = "sha256" },
			{ { S("77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13") },
				"{}", SIGNATURE_WRONG } },
		{ { HMAC, .key = "sha1" },
			{ { S("83f8183136e61619f0c17d98d15c629ad4df790c90ff1caf75b4b9023a7808b7") },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .key = "nfkd" },
			{ { S("77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13") },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .encoding = "base64-hex" },
			{ { S("NzczMjU5MDJjYWNhODEyZGMyNTk3MzNhYWNkMDQ2YjczODE3MzcyYzc3N2I4ZDk1YjQw"
			      "MjY0NzQ3NDUxNmUxMw==") },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .encoding = "base64-hex" },
			{ { S("dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=") }, "{}",
				SIGNATURE_WRONG } },
		{ { HMAC, .signs = LIST("{header:X-N?}.{body:a.b?}.{form:f?}.{body}") },
			{ { S("427f97a56f877e8ae88c49014821caafd6d4c39979155d63de493d2ed5f9db31") },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{header:X-N?}.{body}") },
			{ { S("3fabc90917e17830d98ce2daafa457abf4de33021507107a0f03f71ae6439576"),
				  "HTTP_X_N=n" },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{header:X-N?}.{body}") },
			{ { S("3fabc90917e17830d98ce2daafa457abf4de33021507107a0f03f71ae6439576") },
				"{}", SIGNATURE_WRONG } },
		{ { HMAC, .signs = LIST("{lower:query:i}.{body}") },
			{ { S("92fc3a776e57ea313b42a6b2f95c52f3eec05ea1fc5704a45fbded58f2a6af63"),
				  "QUERY_STRING=i=AbC" },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{lower:header:X-N}.{body}") },
			{ { S("92fc3a776e57ea313b42a6b2f95c52f3eec05ea1fc5704a45fbded58f2a6af63"),
				  "HTTP_X_N=ABC" },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{raw:a}") },
			{ { S("22f649fb11ed785cb33b507925a731617a48bf17748bc4275c508e073c3db093") },
				"{\"a\":{ \"b\" : 1.0 }}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{raw:a}") },
			{ { S("bd28ee142ca5b46259f6e27fc3a4216f447bd5843c406e63219cff30e73b135b") },
				"{\"a\":2,\"a\":1}", SIGNATURE_REPEATED } },
		{ { HMAC, .signs = LIST("{form:p}") },
			{ { S("7b2e76c714bff430a4f25a79f5e63f9c4fbd06608484753d259184a460476d73"),
				  "CONTENT_TYPE=application/x-www-form-urlencoded" },
				"x=1&p=a+b", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{form:p}") },
			{ { S("7b2e76c714bff430a4f25a79f5e63f9c4fbd06608484753d259184a460476d73"),
				  "CONTENT_TYPE=application/x-www-form-urlencoded" },
				"p=1&p=a+b", SIGNATURE_REPEATED } },
		{ { HMAC, .signs = LIST("{encoded:base64url}") },
			{ { S("46b771accf399f227f5067668e3c69b456dba28a797c7013de95f04f2cfb2a1f") },
				"{\"?\":\">>>\"}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{bodyhash:crc32:decimal}") },
			{ { S("c0859d768f543f53b399077e3b4fa63f903df550ffe64676919ad055fbcee00d") },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{target}\n{body}") },
			{ { S("e83a62a24f380b567bd4921f7404e920fc001af7ac327dcc20d744b972ed3252"),
				  "REQUEST_URI=/h?a=1" },
				"{}", SIGNATURE_VALID } },
		{ { HMAC, .signs = LIST("{canonical:plivo}") },
			{ { S("00") }, "{}", SIGNATURE_MISSING } },
		{ { HMAC, .signs = LIST("{parameter:p}.{body}") },
			{ { S("0e0607c634942569b144e991806df0edbff0695d1f4e4549bc298252b4fc4d6d") },
				"{}", SIGNATURE_MISSING } },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		enum signature_result result =
			verify_once((struct provider_options){ .main = rows[i].main },
				rows[i].row.variables, rows[i].row.body);
		if (result != rows[i].row.expected)
			fail_msg("row %zu: %s", i, signature_reason(result));
	}
}

static void
a_secret_need_fit_one_scheme_only(void **state)
{
	const struct provider_scheme_options variant = {
		.label = "base64", .header = LIST("X-B"), .key = "base64"
	};
	const struct config_secret both = secret_of("6162", NULL), second = secret_of("YWI=", NULL),
				   none = secret_of("6162!", NULL);
	struct provider *provider = compile((struct provider_options){
		.main = { HMAC, .key = "hex" }, .variants = &variant, .variant_count = 1 });
	struct verifier *verifier = verifier_of(provider, &second, 1);
	char reason[256] = "";

	(void)state;
	/* Not hex: the main scheme passes it over, and nothing fits there. */
	assert_int_equal(verify(verifier,
				 TEXTS(S("22f8eea909400af98adf3681a9f31923ef6b7fcba4abb553d92823a3e"
					 "9d5c25e")),
				 "{}"),
		SIGNATURE_WRONG);
	assert_int_equal(
		verify(verifier,
			TEXTS("HTTP_X_B="
			      "7d7dd11b2b7f78cc361a4220b76b6014f8234bea5d0aee9d0da334c847f187d7"),
			"{}"),
		SIGNATURE_VALID);
	verifier_free(verifier);
	verifier = verifier_of(provider, &both, 1);
	assert_int_equal(verify(verifier,
				 TEXTS(S("7d7dd11b2b7f78cc361a4220b76b6014f8234bea5d0aee9d0da334c84"
					 "7f187d7")),
				 "{}"),
		SIGNATURE_VALID);
	verifier_free(verifier);
	/* None fits: what the first says. */
	assert_null(verifier_new(provider, &none, 1, reason));
	assert_string_equal(reason,
		"secret 1 (literal) is not in hex, as this sender's is: put it in as the "
		"sender shows it, and nothing else");
	provider_free(provider);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_text_of_which_everything_is_there_is_signed),
		cmocka_unit_test(no_border_can_be_moved),
		cmocka_unit_test(a_time_has_no_digit_of_the_body),
		cmocka_unit_test(a_time_in_the_part_of_a_signature_is_its_own),
		cmocka_unit_test(every_header_must_hold_a_right_and_fresh_one_where_all_must),
		cmocka_unit_test(a_key_is_found_by_the_name_that_is_sent),
		cmocka_unit_test(a_key_that_nobody_has_is_named),
		cmocka_unit_test(each_item_must_be_right),
		cmocka_unit_test(items_are_bounded),
		cmocka_unit_test(fields_that_are_signed_are_found_in_one_way_only),
		cmocka_unit_test(a_digest_in_the_query_is_signed_with_the_url),
		cmocka_unit_test(no_form_becomes_a_query),
		cmocka_unit_test(what_is_signed_may_be_made_of_the_request_in_many_ways),
		cmocka_unit_test(a_secret_need_fit_one_scheme_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
