/* test_gzip.c - gzip members: what comes out, what is refused, what a bomb costs */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "buf.h"
#include "gzip.h"
#include "text.h"

#define OUT_MAX 1000

/* printf 'hello, ' | gzip -9n (1.12), and so on. */
#define HELLO "1f8b0800000000000203cb48cdc9c9d75100009956ea1107000000"
#define WORLD "1f8b08000000000002032bcf2fca49e10200a86138dd06000000"
#define NOTHING "1f8b080000000000020303000000000000000000"
/* HELLO under a header with every optional field (RFC 1952 2.3.1), put together in Python. */
#define ALL_FIELDS                                                                                 \
	"1f8b081e00000000020303006162636e616d6500636f6d6d656e7400f507cb48cdc9c9d75100009956ea1107" \
	"000000"

static struct buf
bytes_of(const char *hex)
{
	struct buf bytes;

	buf_init(&bytes, strlen(hex) + 1);
	assert_true(text_decode(TEXT_HEX, slice_of(hex), &bytes));
	return bytes;
}

static enum gzip_result
judge(struct slice compressed, size_t max)
{
	struct buf out;
	enum gzip_result result = gzip_inflate(compressed, max, &out);

	assert_true(result == GZIP_OK || (out.data == NULL && out.len == 0));
	buf_free(&out);
	return result;
}

static void
members_become_one_text(void **state)
{
	static const struct {
		const char *hex;
		const char *text;
	} rows[] = {
		{ HELLO, "hello, " },
		{ NOTHING, "" },
		{ HELLO WORLD, "hello, world\n" },
		{ NOTHING HELLO NOTHING WORLD NOTHING, "hello, world\n" },
		{ ALL_FIELDS WORLD, "hello, world\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf compressed = bytes_of(rows[i].hex);
		struct buf out;

		assert_int_equal(gzip_inflate(buf_slice(&compressed), OUT_MAX, &out), GZIP_OK);
		assert_string_equal(buf_text(&out), rows[i].text);
		assert_int_equal(out.len, strlen(rows[i].text));
		buf_free(&out);
		/* Exactly as much as comes out is allowed, one byte less is not. */
		assert_int_equal(judge(buf_slice(&compressed), strlen(rows[i].text)), GZIP_OK);
		if (rows[i].text[0] != '\0')
			assert_int_equal(judge(buf_slice(&compressed), strlen(rows[i].text) - 1),
				GZIP_TOO_LARGE);
		buf_free(&compressed);
	}
}

static void
every_part_of_a_member_counts(void **state)
{
	struct buf whole = bytes_of(ALL_FIELDS);

	(void)state;
	for (size_t len = 0; len < whole.len; len++)
		assert_int_equal(judge((struct slice){ whole.data, len }, OUT_MAX), GZIP_INVALID);
	for (size_t i = 0; i < whole.len; i++) {
		/* The time, the extra flags and the system (bytes 4 to 9) are covered by FHCRC. */
		whole.data[i] ^= 1;
		assert_int_equal(judge(buf_slice(&whole), OUT_MAX), GZIP_INVALID);
		whole.data[i] ^= 1;
	}
	assert_int_equal(judge(buf_slice(&whole), OUT_MAX), GZIP_OK);
	buf_free(&whole);
}

static void
nothing_may_stand_behind(void **state)
{
	static const char *const rows[] = {
		HELLO "00", HELLO "1f", HELLO "1f8b",
		HELLO "0000000000000000000000000000000000000000",
		/* zlib (RFC 1950) and raw deflate (RFC 1951) are no gzip. */
		"789ccb48cdc9c9d75100000aa40272", "cb48cdc9c9d75100", "7b7d", /* {} */
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf compressed = bytes_of(rows[i]);

		assert_int_equal(judge(buf_slice(&compressed), OUT_MAX), GZIP_INVALID);
		buf_free(&compressed);
	}
	assert_int_equal(judge((struct slice){ NULL, 0 }, OUT_MAX), GZIP_INVALID);
}

/* len bytes of pattern, repeated, as gzip by zlib itself. */
static struct buf
compressed_by_zlib(const char *pattern, size_t len)
{
	size_t pattern_len = strlen(pattern);
	unsigned char *plain = malloc(len);
	z_stream stream;
	struct buf out;

	assert_non_null(plain);
	for (size_t i = 0; i < len; i++)
		plain[i] = (unsigned char)pattern[i % pattern_len];
	memset(&stream, 0, sizeof stream);
	assert_int_equal(
		deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
	buf_init(&out, len + 1000);
	assert_true(buf_reserve(&out, len / 100 + 1000));
	stream.next_in = plain;
	stream.avail_in = (unsigned)len;
	stream.next_out = (unsigned char *)out.data;
	stream.avail_out = (unsigned)out.size;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	out.len = stream.total_out;
	deflateEnd(&stream);
	free(plain);
	return out;
}

static void
large_body_comes_out_whole(void **state)
{
	static const char pattern[] = "{\"score\":7},\n";
	size_t len = 3000000;
	struct buf compressed = compressed_by_zlib(pattern, len);
	struct buf out;

	(void)state;
	assert_int_equal(gzip_inflate(buf_slice(&compressed), len, &out), GZIP_OK);
	assert_int_equal(out.len, len);
	for (size_t i = 0; i < len; i++)
		if (out.data[i] != pattern[i % (sizeof pattern - 1)])
			fail_msg("byte %zu", i);
	/* Doubling, and the ceiling: never more than twice what came out. */
	assert_in_range(out.size, len, 2 * len);
	buf_free(&out);
	assert_int_equal(judge(buf_slice(&compressed), len - 1), GZIP_TOO_LARGE);
	buf_free(&compressed);
}

static void
bomb_ends_at_the_limit(void **state)
{
	/* 100 MiB in 100 KiB. */
	struct buf bomb = compressed_by_zlib("0", (size_t)100 << 20);

	(void)state;
	assert_in_range(bomb.len, 1, 200000);
	assert_int_equal(judge(buf_slice(&bomb), (size_t)1 << 20), GZIP_TOO_LARGE);
	assert_int_equal(judge(buf_slice(&bomb), 0), GZIP_TOO_LARGE);
	buf_free(&bomb);
}

static void
crc32_is_the_known_one(void **state)
{
	(void)state;
	/* The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms. */
	assert_int_equal(gzip_crc32(slice_of("123456789")), 0xcbf43926);
	assert_int_equal(gzip_crc32((struct slice){ NULL, 0 }), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_become_one_text),
		cmocka_unit_test(every_part_of_a_member_counts),
		cmocka_unit_test(nothing_may_stand_behind),
		cmocka_unit_test(large_body_comes_out_whole),
		cmocka_unit_test(bomb_ends_at_the_limit),
		cmocka_unit_test(crc32_is_the_known_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
