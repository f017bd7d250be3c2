/* test_text.c - one text for one value, and nothing raw that steers a terminal */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* A text with NULs, for tables. */
#define BYTES(literal)                      \
	{                                   \
		literal, sizeof literal - 1 \
	}

static const struct {
	enum text_encoding encoding;
	const char *bytes, *text;
} codec_vectors[] = {
	/* RFC 4648 section 10 */
	{ TEXT_BASE64, "", "" },
	{ TEXT_BASE64, "f", "Zg==" },
	{ TEXT_BASE64, "fo", "Zm8=" },
	{ TEXT_BASE64, "foo", "Zm9v" },
	{ TEXT_BASE64, "foob", "Zm9vYg==" },
	{ TEXT_BASE64, "fooba", "Zm9vYmE=" },
	{ TEXT_BASE64, "foobar", "Zm9vYmFy" },
	{ TEXT_HEX_UPPER, "", "" },
	{ TEXT_HEX_UPPER, "f", "66" },
	{ TEXT_HEX_UPPER, "foobar", "666F6F626172" },
	/* Section 5, and both special digits */
	{ TEXT_BASE64URL, "f", "Zg" },
	{ TEXT_BASE64URL, "fo", "Zm8" },
	{ TEXT_BASE64URL, "foo", "Zm9v" },
	{ TEXT_BASE64, "\xfb\xff\xbf", "+/+/" },
	{ TEXT_BASE64URL, "\xfb\xff\xbf", "-_-_" },
	{ TEXT_BASE64_HEX, "foo", "NjY2ZjZm" }, /* printf %s 666f6f | base64 */
	{ TEXT_HEX, "\x01\xab\xff", "01abff" },
};

static void
encoding_matches_rfc_4648(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(codec_vectors); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(buf_append_char(&out, '>'));
		assert_true(text_encode(codec_vectors[i].encoding, codec_vectors[i].bytes,
			strlen(codec_vectors[i].bytes), &out));
		assert_string_equal(buf_text(&out) + 1, codec_vectors[i].text);
		assert_int_equal(out.len, 1 + strlen(codec_vectors[i].text));
		buf_free(&out);
	}
}

static void
decoding_matches_rfc_4648(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(codec_vectors); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(buf_append_char(&out, '>'));
		assert_true(text_decode(
			codec_vectors[i].encoding, slice_of(codec_vectors[i].text), &out));
		assert_string_equal(buf_text(&out) + 1, codec_vectors[i].bytes);
		assert_int_equal(out.len, 1 + strlen(codec_vectors[i].bytes));
		buf_free(&out);
	}
}

static void
either_case_and_optional_padding_are_taken(void **state)
{
	static const struct {
		enum text_encoding encoding;
		const char *text, *bytes;
	} cases[] = {
		{ TEXT_HEX, "6F6f", "oo" },
		{ TEXT_HEX_UPPER, "6f6F", "oo" },
		{ TEXT_BASE64, "Zg", "f" },
		{ TEXT_BASE64, "Zm8", "fo" },
		{ TEXT_BASE64URL, "Zg==", "f" },
		{ TEXT_BASE64URL, "Zm8=", "fo" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(text_decode(cases[i].encoding, slice_of(cases[i].text), &out));
		assert_string_equal(buf_text(&out), cases[i].bytes);
		buf_free(&out);
	}
}

static void
second_spellings_are_refused(void **state)
{
	static const struct {
		enum text_encoding encoding;
		struct slice text;
	} cases[] = {
		{ TEXT_HEX, BYTES("6") },
		{ TEXT_HEX, BYTES("666") },
		{ TEXT_HEX, BYTES("6g") },
		{ TEXT_HEX, BYTES("g6") },
		{ TEXT_HEX, BYTES(" 66") },
		{ TEXT_HEX, BYTES("66 ") },
		{ TEXT_HEX, BYTES("6:6:") },
		{ TEXT_HEX, BYTES("66:66") },
		{ TEXT_HEX, BYTES("0x66") },
		{ TEXT_HEX, BYTES("66\n0") },
		{ TEXT_HEX, BYTES("66\0\0") },
		{ TEXT_HEX, BYTES("\xff\xff") },
		{ TEXT_BASE64, BYTES("Z") },
		{ TEXT_BASE64, BYTES("Zm9vY") },
		{ TEXT_BASE64, BYTES("Zg=") },
		{ TEXT_BASE64, BYTES("Zg===") },
		{ TEXT_BASE64, BYTES("Zm8==") },
		{ TEXT_BASE64, BYTES("Zm9v=") },
		{ TEXT_BASE64, BYTES("Zm9v==") },
		{ TEXT_BASE64, BYTES("Zm9v====") },
		{ TEXT_BASE64, BYTES("=") },
		{ TEXT_BASE64, BYTES("==") },
		{ TEXT_BASE64, BYTES("====") },
		{ TEXT_BASE64, BYTES("Zg==Zg==") },
		{ TEXT_BASE64, BYTES("Z=g=") },
		{ TEXT_BASE64, BYTES("AB==") }, /* non-zero spare bits */
		{ TEXT_BASE64, BYTES("Zh==") },
		{ TEXT_BASE64, BYTES("Zh") },
		{ TEXT_BASE64, BYTES("Zm9=") },
		{ TEXT_BASE64, BYTES(" Zm9v") },
		{ TEXT_BASE64, BYTES("Zm9v\n") },
		{ TEXT_BASE64, BYTES("Zm\n9v") },
		{ TEXT_BASE64, BYTES("Zm9v\0\0\0\0") },
		{ TEXT_BASE64, BYTES("-_-_") },
		{ TEXT_BASE64URL, BYTES("+/+/") },
		{ TEXT_BASE64URL, BYTES("Zm9v.") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(buf_append_char(&out, '>'));
		if (text_decode(cases[i].encoding, cases[i].text, &out))
			fail_msg("taken: %s", cases[i].text.data);
		assert_string_equal(buf_text(&out), ">");
		buf_free(&out);
	}
}

/* Of all texts of four digits or "=", exactly the canonical ones are taken. */
static void
base64_has_no_second_spelling(void **state)
{
	static const char digits[] = "AQgwBCDEF/+=";
	char text[5] = "";
	struct buf bytes, again;

	(void)state;
	buf_init(&bytes, 10);
	buf_init(&again, 10);
	for (unsigned i = 0; i < 12 * 12 * 12 * 12; i++) {
		text[0] = digits[i % 12];
		text[1] = digits[i / 12 % 12];
		text[2] = digits[i / 144 % 12];
		text[3] = digits[i / 1728];
		buf_clear(&bytes);
		if (!text_decode(TEXT_BASE64, slice_of(text), &bytes))
			continue;
		buf_clear(&again);
		assert_true(text_encode(TEXT_BASE64, bytes.data, bytes.len, &again));
		assert_string_equal(buf_text(&again), text);
	}
	buf_free(&again);
	buf_free(&bytes);
}

static void
all_bytes_survive_the_round_trip(void **state)
{
	static const enum text_encoding encodings[] = { TEXT_HEX, TEXT_HEX_UPPER, TEXT_BASE64,
		TEXT_BASE64URL };
	unsigned char bytes[256];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	for (size_t i = 0; i < COUNT_OF(encodings); i++) {
		for (size_t len = 0; len <= sizeof bytes; len++) {
			struct buf text, again;

			buf_init(&text, 600);
			buf_init(&again, 600);
			assert_true(text_encode(encodings[i], bytes, len, &text));
			assert_true(text_decode(encodings[i], buf_slice(&text), &again));
			assert_true(slice_equal(
				buf_slice(&again), (struct slice){ (const char *)bytes, len }));
			buf_free(&again);
			buf_free(&text);
		}
	}
}

static void
full_buffer_is_left_unchanged(void **state)
{
	struct buf out;
	int64_t ms = 0;

	(void)state;
	buf_init(&out, 4);
	assert_true(buf_append_text(&out, "ab"));
	assert_false(text_encode(TEXT_HEX, "xy", 2, &out));
	assert_false(text_encode(TEXT_BASE64, "xy", 2, &out));
	assert_false(text_decode(TEXT_HEX, slice_of("616263"), &out));
	assert_false(text_decode(TEXT_BASE64, slice_of("Zm9v"), &out));
	assert_false(text_format_time(TEXT_TIME_RFC3339, ms, &out));
	assert_false(text_append_escaped(&out, slice_of("x\n"), 10));
	assert_false(text_append_escaped(&out, slice_of("xyz"), 1));
	assert_false(text_append_json(&out, slice_of("x")));
	assert_string_equal(buf_text(&out), "ab");
	assert_int_equal(out.len, 2);
	buf_free(&out);
}

static void
endpoint_names_are_narrow(void **state)
{
	static const struct {
		struct slice name;
		bool valid;
	} cases[] = {
		{ BYTES("orders"), true },
		{ BYTES("0"), true },
		{ BYTES("a-b_c9"), true },
		{ BYTES("a123456789012345678901234567890123456789012345678901234567890123"), true },
		{ BYTES("a1234567890123456789012345678901234567890123456789012345678901234"),
			false },
		{ BYTES(""), false },
		{ BYTES("-a"), false },
		{ BYTES("_a"), false },
		{ BYTES("Orders"), false },
		{ BYTES("aB"), false },
		{ BYTES("a.b"), false },
		{ BYTES("a/b"), false },
		{ BYTES("a b"), false },
		{ BYTES("a\0b"), false },
		{ BYTES("a\n"), false },
		{ BYTES("caf\xc3\xa9"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(text_is_name(cases[i].name), cases[i].valid);
}

static void
utf8_is_read_strictly(void **state)
{
	static const struct {
		struct slice text;
		bool valid;
	} cases[] = {
		{ BYTES(""), true },
		{ BYTES("plain \0 text, longer than eight bytes"), true },
		{ BYTES("\x7f"), true },
		{ BYTES("\xc2\x80"), true },
		{ BYTES("\xdf\xbf"), true },
		{ BYTES("\xe0\xa0\x80"), true },
		{ BYTES("\xed\x9f\xbf"), true },
		{ BYTES("\xee\x80\x80"), true },
		{ BYTES("\xef\xbf\xbf"), true },
		{ BYTES("\xf0\x90\x80\x80"), true },
		{ BYTES("\xf4\x8f\xbf\xbf"), true },
		{ BYTES("1234567\xc3\xa9"), true }, /* across the eighth byte */
		{ BYTES("\x80"), false },
		{ BYTES("\xbf"), false },
		{ BYTES("\xc0\x80"), false }, /* overlong */
		{ BYTES("\xc1\xbf"), false },
		{ BYTES("\xe0\x9f\xbf"), false },
		{ BYTES("\xf0\x8f\xbf\xbf"), false },
		{ BYTES("\xed\xa0\x80"), false }, /* surrogates */
		{ BYTES("\xed\xbf\xbf"), false },
		{ BYTES("\xf4\x90\x80\x80"), false }, /* above U+10FFFF */
		{ BYTES("\xf5\x80\x80\x80"), false },
		{ BYTES("\xf8\x88\x80\x80\x80"), false },
		{ BYTES("\xfe"), false },
		{ BYTES("\xff"), false },
		{ BYTES("\xc3"), false }, /* cut */
		{ BYTES("\xe2\x82"), false },
		{ BYTES("\xf0\x9f\x98"), false },
		{ BYTES("\xc3z"), false },
		{ BYTES("\xe2\x82z"), false },
		{ BYTES("\xe2z\x82"), false },
		{ BYTES("12345678901234567\xff"), false },
		{ BYTES("\xff"
			"12345678901234567"),
			false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (text_is_utf8(cases[i].text) != cases[i].valid)
			fail_msg("row %zu", i);
	}
}

/* Every code point that exists, encoded by hand here, and no surrogate. */
static void
every_code_point_is_utf8(void **state)
{
	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		char text[4];
		size_t len;

		if (code < 0x80) {
			text[0] = (char)code;
			len = 1;
		} else if (code < 0x800) {
			text[0] = (char)(0xc0 | code >> 6);
			text[1] = (char)(0x80 | (code & 63));
			len = 2;
		} else if (code < 0x10000) {
			text[0] = (char)(0xe0 | code >> 12);
			text[1] = (char)(0x80 | (code >> 6 & 63));
			text[2] = (char)(0x80 | (code & 63));
			len = 3;
		} else {
			text[0] = (char)(0xf0 | code >> 18);
			text[1] = (char)(0x80 | (code >> 12 & 63));
			text[2] = (char)(0x80 | (code >> 6 & 63));
			text[3] = (char)(0x80 | (code & 63));
			len = 4;
		}
		if (text_is_utf8((struct slice){ text, len }) != (code < 0xd800 || code > 0xdfff))
			fail_msg("U+%04X", (unsigned)code);
	}
}

static void
cuts_do_not_split_a_sequence(void **state)
{
	static const struct {
		struct slice text;
		size_t max, len;
	} cases[] = {
		{ BYTES("abc"), 5, 3 }, { BYTES("abc"), 3, 3 }, { BYTES("abc"), 2, 2 },
		{ BYTES("abc"), 0, 0 }, { BYTES("a\xc3\xa9"), 2, 1 },
		{ BYTES("a\xf0\x9f\x98\x80"), 4, 1 }, { BYTES("a\xf0\x9f\x98\x80z"), 5, 5 },
		{ BYTES("\xc3\xa9"), 1, 0 },
		{ BYTES("\x80\x80\x80\x80\x80\x80"), 5, 5 }, /* not UTF-8 anyway */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(text_cut(cases[i].text, cases[i].max).len, cases[i].len);
}

static void
durations_are_a_number_and_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "250ms", 250 },
		{ "30s", 30000 },
		{ "5m", 300000 },
		{ "2h", 7200000 },
		{ "30d", INT64_C(2592000000) },
		{ "36525d", INT64_C(3155760000000) },
		{ "3155760000000ms", INT64_C(3155760000000) },
	};
	static const char *const bad[] = { "", "s", "1", "30", "00", "-1s", "+1s", " 1s", "1 s",
		"1s ", "1.5s", "1S", "1w", "1y", "1h30m", "1ss", "0x1s", "36526d",
		"3155760000001ms", "3155760001s", "18446744073709551616ms", "18446744073709551617s",
		"99999999999999999999999d", "1e3s", "\xd9\xa1s" };
	int64_t ms = -7;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (text_parse_duration(bad[i], &ms))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(ms, -7);
	}
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_true(text_parse_duration(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
}

static void
sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "64K", 65536 },
		{ "1M", 1048576 },
		{ "2G", (size_t)2 << 30 },
		{ "1024G", (size_t)1 << 40 },
		{ "1099511627776", (size_t)1 << 40 },
	};
	static const char *const bad[] = { "", "K", "-1", "+1", " 1", "1 ", "1k", "1KB", "1T",
		"1.5M", "1025G", "1099511627777", "18014398509481984K", "18446744073709551616",
		"0x10", "1M1" };
	size_t bytes = 7;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (text_parse_size(bad[i], &bytes))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(bytes, 7);
	}
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_true(text_parse_size(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void
numbers_are_digits_up_to_a_limit(void **state)
{
	static const struct {
		struct slice text;
		uint64_t max;
		bool valid;
		uint64_t value;
	} cases[] = {
		{ BYTES("0"), 0, true, 0 },
		{ BYTES("0"), 5, true, 0 },
		{ BYTES("5"), 5, true, 5 },
		{ BYTES("6"), 5, false, 0 },
		{ BYTES("10"), 5, false, 0 },
		{ BYTES("1"), 0, false, 0 },
		{ BYTES("007"), 7, true, 7 },
		{ BYTES("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
		{ BYTES("18446744073709551616"), UINT64_MAX, false, 0 },
		{ BYTES("99999999999999999999"), UINT64_MAX, false, 0 },
		{ BYTES("18446744073709551617"), 100, false, 0 },
		{ BYTES(""), 9, false, 0 },
		{ BYTES("-1"), 9, false, 0 },
		{ BYTES("+1"), 9, false, 0 },
		{ BYTES(" 1"), 9, false, 0 },
		{ BYTES("1 "), 9, false, 0 },
		{ BYTES("1\0"), 9, false, 0 },
		{ BYTES("0x1"), 9, false, 0 },
		{ BYTES("1.0"), 99, false, 0 },
		{ BYTES("\xef\xbc\x91"), 9, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint64_t value = 77;

		if (text_parse_number(cases[i].text, cases[i].max, &value) != cases[i].valid)
			fail_msg("row %zu", i);
		assert_int_equal(value, cases[i].valid ? cases[i].value : 77);
	}
}

static void
times_are_read_in_each_format(void **state)
{
	static const struct {
		enum text_time format;
		const char *text;
		int64_t ms;
	} cases[] = {
		{ TEXT_TIME_S, "0", 0 },
		{ TEXT_TIME_S, "1470344251", INT64_C(1470344251000) },
		{ TEXT_TIME_S, "253402300799", INT64_C(253402300799000) },
		{ TEXT_TIME_MS, "1470344251329", INT64_C(1470344251329) },
		{ TEXT_TIME_MS, "253402300799999", INT64_C(253402300799999) },
		{ TEXT_TIME_RFC3339, "2016-08-04T13:57:31.329-07:00", INT64_C(1470344251329) },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31Z", INT64_C(1470344251000) },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31.3294567899Z", INT64_C(1470344251329) },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31.3Z", INT64_C(1470344251300) },
		{ TEXT_TIME_RFC3339, "2016-08-05T02:27:31+05:30", INT64_C(1470344251000) },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31-00:00", INT64_C(1470344251000) },
		{ TEXT_TIME_RFC3339, "1970-01-01T00:00:00Z", 0 },
		{ TEXT_TIME_RFC3339, "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
		{ TEXT_TIME_RFC3339, "2000-02-29T00:00:00Z", INT64_C(951782400000) },
		{ TEXT_TIME_RFC3339, "2016-12-31T23:59:60Z", INT64_C(1483228800000) },
		{ TEXT_TIME_RFC3339, "2016-12-31T15:59:60-08:00", INT64_C(1483228800000) },
		{ TEXT_TIME_ISO8601, "2016-08-04T20:57:31.329", INT64_C(1470344251329) },
		{ TEXT_TIME_ISO8601, "2016-08-04T20:57:31", INT64_C(1470344251000) },
		{ TEXT_TIME_ISO8601, "2016-08-04T13:57:31.329-07:00", INT64_C(1470344251329) },
		{ TEXT_TIME_HTTP, "Sun, 06 Nov 1994 08:49:37 GMT", INT64_C(784111777000) },
		{ TEXT_TIME_HTTP, "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t ms = -1;

		if (!text_parse_time(cases[i].format, slice_of(cases[i].text), &ms))
			fail_msg("refused: %s", cases[i].text);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void
other_texts_are_no_times(void **state)
{
	static const struct {
		enum text_time format;
		const char *text;
	} cases[] = {
		{ TEXT_TIME_S, "" },
		{ TEXT_TIME_S, " 17" },
		{ TEXT_TIME_S, "+17" },
		{ TEXT_TIME_S, "017" },
		{ TEXT_TIME_S, "00" },
		{ TEXT_TIME_MS, "01470344251329" },
		{ TEXT_TIME_S, "-17" },
		{ TEXT_TIME_S, "0x17" },
		{ TEXT_TIME_S, "17.5" },
		{ TEXT_TIME_S, "253402300800" },
		{ TEXT_TIME_S, "9223372036854775808" },
		{ TEXT_TIME_S, "18446744073709551616" },
		{ TEXT_TIME_MS, "253402300800000" },
		{ TEXT_TIME_RFC3339, "" },
		{ TEXT_TIME_RFC3339, "2016-08-04" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04 20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04t20:57:31z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31.Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31,3Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31+0700" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31+07" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31+24:00" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31+07:60" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31 07:00" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31ZZ" },
		{ TEXT_TIME_RFC3339, " 2016-08-04T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:31Z\n" },
		{ TEXT_TIME_RFC3339, "+016-08-04T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "16-08-04T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "12016-08-04T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-00-04T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-13-04T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-08-00T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-08-32T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-04-31T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2015-02-29T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2100-02-29T20:57:31Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T24:00:00Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:60:31Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:60Z" },
		{ TEXT_TIME_RFC3339, "2016-08-04T20:57:61Z" },
		{ TEXT_TIME_RFC3339, "2016-12-31T23:59:60-08:00" },
		{ TEXT_TIME_RFC3339, "1969-12-31T23:59:59Z" },
		{ TEXT_TIME_RFC3339, "1970-01-01T00:00:00+00:01" },
		{ TEXT_TIME_RFC3339, "9999-12-31T23:59:59-00:01" },
		{ TEXT_TIME_ISO8601, "2016-08-04" },
		{ TEXT_TIME_ISO8601, "20160804T205731" },
		{ TEXT_TIME_ISO8601, "2016-08-04T20:57:31." },
		{ TEXT_TIME_HTTP, "" },
		{ TEXT_TIME_HTTP, "Mon, 06 Nov 1994 08:49:37 GMT" }, /* was a Sunday */
		{ TEXT_TIME_HTTP, "Sun, 6 Nov 1994 08:49:37 GMT" },
		{ TEXT_TIME_HTTP, "sun, 06 nov 1994 08:49:37 gmt" },
		{ TEXT_TIME_HTTP, "Sun, 06 Nov 1994 08:49:37 UTC" },
		{ TEXT_TIME_HTTP, "Sun, 06 Nov 1994 08:49:37 GMT " },
		{ TEXT_TIME_HTTP, "Sun, 06 Nov 1994 08:49:37" },
		{ TEXT_TIME_HTTP, "Sunday, 06-Nov-94 08:49:37 GMT" },
		{ TEXT_TIME_HTTP, "Sun Nov  6 08:49:37 1994" },
		{ TEXT_TIME_HTTP, "Sun, 31 Nov 1994 08:49:37 GMT" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t ms = -7;

		if (text_parse_time(cases[i].format, slice_of(cases[i].text), &ms))
			fail_msg("taken: %s", cases[i].text);
		assert_int_equal(ms, -7);
	}
	assert_false(text_parse_time(TEXT_TIME_S, (struct slice){ NULL, 0 }, &(int64_t){ 0 }));
	assert_false(
		text_parse_time(TEXT_TIME_ISO8601, (struct slice){ NULL, 0 }, &(int64_t){ 0 }));
	assert_false(text_parse_time(TEXT_TIME_HTTP, (struct slice){ NULL, 0 }, &(int64_t){ 0 }));
}

/* Every day from 1970 to 2109 and each 37th to 9999 against the C library, and back. */
static void
days_agree_with_the_c_library(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (int64_t day = 0; day <= 253402300799 / 86400; day += day < 51000 ? 1 : 37) {
		int64_t ms = (day * 86400 + day % 86400) * 1000 + day % 1000, again;
		time_t seconds = (time_t)(ms / 1000);
		char expected[64];
		struct tm civil;

		assert_non_null(gmtime_r(&seconds, &civil));
		(void)snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
			civil.tm_year + 1900, civil.tm_mon + 1, civil.tm_mday, civil.tm_hour,
			civil.tm_min, civil.tm_sec, (int)(ms % 1000));
		buf_clear(&out);
		assert_true(text_format_time(TEXT_TIME_RFC3339, ms, &out));
		if (strcmp(buf_text(&out), expected) != 0)
			fail_msg("%s is not %s", buf_text(&out), expected);
		if (!text_parse_time(TEXT_TIME_RFC3339, buf_slice(&out), &again) || again != ms)
			fail_msg("not read back: %s", expected);

		assert_int_not_equal(
			strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &civil),
			0);
		buf_clear(&out);
		assert_true(text_format_time(TEXT_TIME_HTTP, ms, &out));
		if (strcmp(buf_text(&out), expected) != 0)
			fail_msg("%s is not %s", buf_text(&out), expected);
		if (!text_parse_time(TEXT_TIME_HTTP, buf_slice(&out), &again) ||
			again != ms / 1000 * 1000)
			fail_msg("not read back: %s", expected);
	}
	buf_free(&out);
}

static void
times_outside_of_four_digit_years_are_not_written(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (int format = TEXT_TIME_S; format <= TEXT_TIME_HTTP; format++) {
		assert_false(text_format_time((enum text_time)format, -1, &out));
		assert_false(
			text_format_time((enum text_time)format, INT64_C(253402300800000), &out));
		assert_false(text_format_time((enum text_time)format, INT64_MAX, &out));
		assert_false(text_format_time((enum text_time)format, INT64_MIN, &out));
	}
	assert_int_equal(out.len, 0);
	assert_true(text_format_time(TEXT_TIME_S, 1999, &out));
	assert_string_equal(buf_text(&out), "1");
	buf_clear(&out);
	assert_true(text_format_time(TEXT_TIME_MS, 1999, &out));
	assert_string_equal(buf_text(&out), "1999");
	buf_free(&out);
}

static const struct {
	struct slice text;
	const char *escaped, *json;
} escape_vectors[] = {
	{ BYTES(""), "", "\"\"" },
	{ BYTES("plain text"), "plain text", "\"plain text\"" },
	{ BYTES("caf\xc3\xa9 \xf0\x9f\x98\x80"), "caf\xc3\xa9 \xf0\x9f\x98\x80",
		"\"caf\xc3\xa9 \xf0\x9f\x98\x80\"" },
	{ BYTES("a\nb\tc"), "a\\nb\\tc", "\"a\\nb\\tc\"" },
	{ BYTES("a\\b\"c"), "a\\\\b\\\"c", "\"a\\\\b\\\"c\"" },
	{ BYTES("\r\b\f"), "\\x0d\\x08\\x0c", "\"\\r\\b\\f\"" },
	{ BYTES("\0\x1b[31m\x7f"), "\\x00\\x1b[31m\\x7f", "\"\\u0000\\u001b[31m\\u007f\"" },
	{ BYTES("\xc2\x9b"
		"31m"),
		"\\xc2\\x9b31m", "\"\\u009b31m\"" }, /* C1 */
	{ BYTES("\xc2\x80\xc2\x9f\xc2\xa0"), "\\xc2\\x80\\xc2\\x9f\xc2\xa0",
		"\"\\u0080\\u009f\xc2\xa0\"" },
	{ BYTES("\xe2\x80\xa8\xe2\x80\xa9"), "\\xe2\\x80\\xa8\\xe2\\x80\\xa9",
		"\"\\u2028\\u2029\"" },
	{ BYTES("\xe2\x80\xaa\xe2\x80\xae"), "\\xe2\\x80\\xaa\\xe2\\x80\\xae",
		"\"\\u202a\\u202e\"" },
	{ BYTES("\xe2\x81\xa6\xe2\x81\xa9"), "\\xe2\\x81\\xa6\\xe2\\x81\\xa9",
		"\"\\u2066\\u2069\"" },
	{ BYTES("\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c"), "\\xe2\\x80\\x8e\\xe2\\x80\\x8f\\xd8\\x9c",
		"\"\\u200e\\u200f\\u061c\"" },
	{ BYTES("\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5"), "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5",
		"\"\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\"" }, /* their harmless neighbours */
	{ BYTES("a\xff\xc3z"), "a\\xff\\xc3z", "\"a\xef\xbf\xbd\xef\xbf\xbdz\"" },
	{ BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ BYTES("\xe2\x80"), "\\xe2\\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
};

static void
what_steers_a_terminal_is_escaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(escape_vectors); i++) {
		struct buf out;

		buf_init(&out, 200);
		assert_true(text_append_escaped(&out, escape_vectors[i].text, 100));
		assert_string_equal(buf_text(&out), escape_vectors[i].escaped);
		buf_free(&out);
		assert_true(text_append_json(&out, escape_vectors[i].text));
		assert_string_equal(buf_text(&out), escape_vectors[i].json);
		buf_free(&out);
	}
}

static void
long_text_is_cut_with_dots(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		const char *escaped;
	} cases[] = {
		{ "abcdef", 6, "abcdef" },
		{ "abcdef", 5, "abcde..." },
		{ "abcdef", 0, "..." },
		{ "\n\n\n", 2, "\\n\\n..." },
		{ "ab\xc3\xa9", 3, "ab..." },
		{ "", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf out;

		buf_init(&out, 200);
		assert_true(text_append_escaped(&out, slice_of(cases[i].text), cases[i].max));
		assert_string_equal(buf_text(&out), cases[i].escaped);
		buf_free(&out);
	}
}

/* Any two bytes in any surroundings: the output is UTF-8 without anything unsafe. */
static void
escaped_text_is_safe_whatever_goes_in(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 200);
	for (unsigned pair = 0; pair < 0x10000; pair++) {
		const char text[] = { 'a', (char)0xe2, (char)(pair >> 8), (char)pair, 'z' };

		buf_clear(&out);
		assert_true(text_append_escaped(&out, (struct slice){ text, sizeof text }, 99));
		assert_true(text_append_json(&out, (struct slice){ text, sizeof text }));
		assert_true(text_is_utf8(buf_slice(&out)));
		for (size_t i = 0; i < out.len; i++)
			assert_true((unsigned char)out.data[i] >= 0x20 && out.data[i] != 0x7f);
		assert_null(strstr(buf_text(&out), "\xe2\x80\xae"));
		assert_null(strstr(buf_text(&out), "\xe2\x81\xa6"));
	}
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoding_matches_rfc_4648),
		cmocka_unit_test(decoding_matches_rfc_4648),
		cmocka_unit_test(either_case_and_optional_padding_are_taken),
		cmocka_unit_test(second_spellings_are_refused),
		cmocka_unit_test(base64_has_no_second_spelling),
		cmocka_unit_test(all_bytes_survive_the_round_trip),
		cmocka_unit_test(full_buffer_is_left_unchanged),
		cmocka_unit_test(endpoint_names_are_narrow),
		cmocka_unit_test(utf8_is_read_strictly),
		cmocka_unit_test(every_code_point_is_utf8),
		cmocka_unit_test(cuts_do_not_split_a_sequence),
		cmocka_unit_test(durations_are_a_number_and_a_unit),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(numbers_are_digits_up_to_a_limit),
		cmocka_unit_test(times_are_read_in_each_format),
		cmocka_unit_test(other_texts_are_no_times),
		cmocka_unit_test(days_agree_with_the_c_library),
		cmocka_unit_test(times_outside_of_four_digit_years_are_not_written),
		cmocka_unit_test(what_steers_a_terminal_is_escaped),
		cmocka_unit_test(long_text_is_cut_with_dots),
		cmocka_unit_test(escaped_text_is_safe_whatever_goes_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
