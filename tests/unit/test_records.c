/* test_records.c - the records of a request, however they come */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "records.h"

enum { BEGIN = 1, ABORT = 2, END = 3, PARAMS = 4, STDIN = 5, GET_VALUES = 9 };

#define ID 0x0102
#define BODY_MAX 100000

static char body[BODY_MAX];

static int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < BODY_MAX; i++)
		body[i] = (char)(i * 13 + i / 255);
	return 0;
}

/* The padding looks like the header of a record, in case it is taken for one. */
static void
put(struct buf *out, int type, int id, const void *content, size_t len, unsigned padding)
{
	static const unsigned char looks[8] = { 1, STDIN, ID >> 8, ID & 0xff, 0, 1, 0, 0 };
	unsigned char header[8] = { 1, (unsigned char)type, (unsigned char)(id >> 8),
		(unsigned char)id, (unsigned char)(len >> 8), (unsigned char)len,
		(unsigned char)padding, 0 };

	buf_append(out, header, sizeof header);
	buf_append(out, content, len);
	for (unsigned i = 0; i < padding; i++)
		buf_append(out, &looks[i % 8], 1);
}

static void
put_head(struct buf *out, size_t params_len, unsigned padding)
{
	static const char begin[8] = { 0, 1 };
	put(out, BEGIN, ID, begin, sizeof begin, padding);
	if (params_len > 0)
		put(out, PARAMS, ID, body, params_len, padding);
	put(out, PARAMS, ID, NULL, 0, padding);
}

/* ends[0] is read, ends[1] written. */
static void
open_pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void
close_pair(int ends[2])
{
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
}

static void
feed(int fd, const char *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_DONTWAIT), len);
}

static void
expect_arrival(const char *data, size_t len, enum records_arrival arrival, size_t head_len)
{
	int ends[2];
	char left[20000];
	size_t got = 1;

	open_pair(ends);
	if (len > 0)
		feed(ends[1], data, len);
	assert_int_equal(records_look(ends[0], &got), arrival);
	assert_int_equal(got, head_len);
	assert_int_equal(recv(ends[0], left, sizeof left, MSG_DONTWAIT), len > 0 ? (int)len : -1);
	assert_memory_equal(left, data, len);
	close_pair(ends);
}

static void
look_tells_how_much_has_come(void **state)
{
	(void)state;
	static const unsigned paddings[] = { 0, 1, 7, 8, 255 };
	struct buf request;

	buf_init(&request, 100000);
	for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
		put_head(&request, 50, paddings[i]);
		size_t head_len = request.len;
		put(&request, STDIN, ID, "hello", 5, paddings[i]);
		put(&request, STDIN, ID, NULL, 0, paddings[i]);
		for (size_t len = 0; len < head_len; len++)
			expect_arrival(request.data, len, RECORDS_PART, 0);
		for (size_t len = head_len; len < request.len; len++)
			expect_arrival(request.data, len, RECORDS_HEAD, head_len);
		expect_arrival(request.data, request.len, RECORDS_WHOLE, head_len);
		buf_clear(&request);
	}

	/* no more than libfcgi reads at once */
	for (size_t more = 0; more < 2; more++) {
		size_t fixed = 16 + 8 + 8;
		put_head(&request, RECORDS_LOOK_MAX - fixed + more, 0);
		size_t head_len = request.len;
		put(&request, STDIN, ID, NULL, 0, 0);
		expect_arrival(request.data, request.len, more ? RECORDS_PART : RECORDS_HEAD,
			more ? 0 : head_len);
		buf_clear(&request);
	}

	/* a second empty PARAMS belongs to what follows */
	put_head(&request, 50, 0);
	size_t head_len = request.len;
	put(&request, PARAMS, ID, NULL, 0, 0);
	expect_arrival(request.data, request.len, RECORDS_HEAD, head_len);
	buf_free(&request);
}

static void
look_leaves_what_is_no_request(void **state)
{
	(void)state;
	static const struct {
		size_t at; /* a byte of the request, after BEGIN_REQUEST and PARAMS of 16 each */
		unsigned char value;
	} faults[] = {
		{ 0, 2 },      /* version */
		{ 1, PARAMS }, /* no BEGIN_REQUEST */
		{ 3, 1 },      /* another number than the rest */
		{ 16, 0 },     /* version */
		{ 17, BEGIN }, /* a second one */
		{ 18, 0 },     /* number */
		{ 19, 0 },     /* number */
		{ 33, STDIN }, /* no end of PARAMS */
		{ 35, 0 },     /* number */
	};
	struct buf request;

	buf_init(&request, 1000);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		put_head(&request, 8, 0);
		put(&request, STDIN, ID, NULL, 0, 0);
		request.data[faults[i].at] = (char)faults[i].value;
		expect_arrival(request.data, request.len, RECORDS_PART, 0);
		buf_clear(&request);
	}
	buf_append_text(&request, "POST / HTTP/1.1\r\nHost: example.org\r\n\r\n");
	expect_arrival(request.data, request.len, RECORDS_PART, 0);
	buf_free(&request);
}

/* Read what there is by size bytes and expect it to continue the body; returns its new length. */
static size_t
read_on(struct records *records, size_t got, size_t size, enum records_result *result_out)
{
	char piece[BODY_MAX];
	size_t len;

	for (;;) {
		memset(piece, 0x55, 300);
		*result_out = records_read(records, piece, size, &len);
		assert_in_range(len, 0, size);
		if (*result_out != RECORDS_OK || len == 0)
			break;
		assert_true(got + len <= BODY_MAX);
		assert_memory_equal(piece, body + got, len);
		got += len;
	}
	assert_int_equal(len, 0);
	for (size_t i = 0; i < 300; i++) /* padding and header went elsewhere */
		assert_int_equal(piece[i], 0x55);
	return got;
}

/* Feed the records by step bytes, read by size, and expect so many bytes and nothing of what follows. */
static void
expect_body(const struct buf *records_bytes, size_t body_len, size_t step, size_t size)
{
	int ends[2];
	struct records records;
	enum records_result result;
	size_t got = 0, len;
	char after[2];

	open_pair(ends);
	records_init(&records, ends[0], ID);
	for (size_t at = 0; at < records_bytes->len; at += len) {
		assert_false(records_ended(&records));
		len = records_bytes->len - at < step ? records_bytes->len - at : step;
		feed(ends[1], records_bytes->data + at, len);
		if (at + len == records_bytes->len)
			feed(ends[1], "x", 1);
		got = read_on(&records, got, size, &result);
		assert_int_equal(
			result, at + len < records_bytes->len ? RECORDS_LATER : RECORDS_OK);
	}
	assert_int_equal(got, body_len);
	assert_true(records_ended(&records));
	assert_int_equal(recv(ends[0], after, sizeof after, MSG_DONTWAIT), 1);
	close_pair(ends);
}

static void
body_is_the_same_however_it_comes(void **state)
{
	(void)state;
	struct buf bytes;

	/* records of all paddings, each byte alone */
	buf_init(&bytes, 10 * (size_t)BODY_MAX);
	for (unsigned i = 0; i < 256; i++)
		put(&bytes, STDIN, ID, body + i, 1, i);
	put(&bytes, STDIN, ID, NULL, 0, 255);
	expect_body(&bytes, 256, 1, 1);
	expect_body(&bytes, 256, 1, 1000);
	expect_body(&bytes, 256, bytes.len, 1000);
	buf_clear(&bytes);

	put(&bytes, STDIN, ID, body, 65535, 255);
	put(&bytes, STDIN, ID, body + 65535, 2, 0);
	put(&bytes, STDIN, ID, NULL, 0, 0);
	expect_body(&bytes, 65537, bytes.len, BODY_MAX);
	expect_body(&bytes, 65537, bytes.len, 16384);
	expect_body(&bytes, 65537, 1000, 65535);
	buf_clear(&bytes);

	put(&bytes, STDIN, ID, NULL, 0, 0);
	expect_body(&bytes, 0, 1, 1);
	expect_body(&bytes, 0, 8, 1);
	buf_free(&bytes);
}

static void
body_cut_at_random_is_the_same(void **state)
{
	(void)state;
	struct buf bytes;

	srandom(20261127);
	buf_init(&bytes, 10 * (size_t)BODY_MAX);
	for (int round = 0; round < 500; round++) {
		size_t body_len = 0;
		long largest = random() % 3 == 0 ? 20000 : 100;
		for (long records = random() % 6; records > 0; records--) {
			size_t len = (size_t)(random() % largest) + 1;
			put(&bytes, STDIN, ID, body + body_len, len, (unsigned)(random() % 256));
			body_len += len;
		}
		put(&bytes, STDIN, ID, NULL, 0, (unsigned)(random() % 256));
		expect_body(&bytes, body_len, (size_t)(random() % 30000) + (size_t)largest / 10,
			(size_t)(random() % BODY_MAX) + 1);
		buf_clear(&bytes);
	}
	buf_free(&bytes);
}

/* The end of the stream comes along with the last bytes: who has read these need not ask again. */
static void
end_is_known_with_the_last_bytes(void **state)
{
	(void)state;
	int ends[2];
	struct records records;
	struct buf bytes;
	char piece[10];
	size_t len;

	open_pair(ends);
	records_init(&records, ends[0], ID);
	buf_init(&bytes, 1000);
	put(&bytes, STDIN, ID, body, 10, 6);
	put(&bytes, STDIN, ID, NULL, 0, 0);
	feed(ends[1], bytes.data, bytes.len);
	assert_int_equal(records_read(&records, piece, 10, &len), RECORDS_OK);
	assert_int_equal(len, 10);
	assert_true(records_ended(&records));
	buf_free(&bytes);
	close_pair(ends);
}

static void
what_is_no_body_is_broken(void **state)
{
	(void)state;
	static const struct {
		unsigned char header[8];
	} faults[] = {
		{ { 0, STDIN, 1, 2, 0, 1, 0, 0 } },
		{ { 2, STDIN, 1, 2, 0, 1, 0, 0 } },
		{ { 1, STDIN, 1, 3, 0, 1, 0, 0 } },
		{ { 1, STDIN, 0, 2, 0, 1, 0, 0 } },
		{ { 1, STDIN, 0, 0, 0, 0, 0, 0 } },
		{ { 2, STDIN, 1, 2, 0, 0, 0, 0 } }, /* even as the end */
		{ { 1, ABORT, 1, 2, 0, 0, 0, 0 } },
		{ { 1, ABORT, 1, 2, 0, 1, 0, 0 } },
		{ { 1, BEGIN, 1, 2, 0, 8, 0, 0 } },
		{ { 1, END, 1, 2, 0, 0, 0, 0 } },
		{ { 1, PARAMS, 1, 2, 0, 0, 0, 0 } },
		{ { 1, PARAMS, 1, 2, 0, 1, 0, 0 } },
		{ { 1, GET_VALUES, 0, 0, 0, 0, 0, 0 } },
		{ { 1, 0, 1, 2, 0, 0, 0, 0 } },
	};
	struct buf bytes;

	buf_init(&bytes, 1000);
	for (size_t i = 0; i < 2 * sizeof faults / sizeof faults[0]; i++) {
		int ends[2];
		struct records records;
		enum records_result result;
		size_t before = i % 2 == 0 ? 10 : 0;

		open_pair(ends);
		records_init(&records, ends[0], ID);
		if (before > 0)
			put(&bytes, STDIN, ID, body, before, 3);
		buf_append(&bytes, faults[i / 2].header, 8);
		put(&bytes, STDIN, ID, body, 10, 0);
		put(&bytes, STDIN, ID, NULL, 0, 0);
		feed(ends[1], bytes.data, bytes.len);
		assert_int_equal(read_on(&records, 0, 100, &result), before);
		assert_int_equal(result, RECORDS_BROKEN);
		assert_int_equal(read_on(&records, before, 100, &result), before);
		assert_int_equal(result, RECORDS_BROKEN); /* and stays so */
		assert_false(records_ended(&records));
		buf_clear(&bytes);
		close_pair(ends);
	}
	buf_free(&bytes);
}

static void
body_that_breaks_off_anywhere_is_broken(void **state)
{
	(void)state;
	struct buf bytes;

	buf_init(&bytes, 1000);
	put(&bytes, STDIN, ID, body, 10, 6);
	put(&bytes, STDIN, ID, body + 10, 20, 0);
	put(&bytes, STDIN, ID, NULL, 0, 9);
	for (size_t len = 0; len < bytes.len; len++) {
		int ends[2];
		struct records records;
		enum records_result result;

		open_pair(ends);
		records_init(&records, ends[0], ID);
		if (len > 0)
			feed(ends[1], bytes.data, len);
		close(ends[1]);
		ends[1] = -1;
		size_t got = read_on(&records, 0, 100, &result);
		assert_int_equal(got, len <= 8    ? 0
				      : len <= 18 ? len - 8
				      : len <= 32 ? 10
				      : len <= 52 ? len - 22
						  : 30);
		assert_int_equal(result, RECORDS_BROKEN);
		assert_false(records_ended(&records));
		close_pair(ends);
	}
	buf_free(&bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look_tells_how_much_has_come),
		cmocka_unit_test(look_leaves_what_is_no_request),
		cmocka_unit_test(body_is_the_same_however_it_comes),
		cmocka_unit_test(body_cut_at_random_is_the_same),
		cmocka_unit_test(end_is_known_with_the_last_bytes),
		cmocka_unit_test(what_is_no_body_is_broken),
		cmocka_unit_test(body_that_breaks_off_anywhere_is_broken),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
