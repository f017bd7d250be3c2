/* test_errand.c - what supervisor and runner tell each other arrives whole, or not at all
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc.h"
#include "errand.h"

static int ends[2]; /* supervisor's, runner's */
static struct buf mail;

static int
setup(void **state)
{
	(void)state;
	errand_mail_init(&mail);
	return errand_open(ends) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&mail);
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	return 0;
}

static struct store_job
job_with_body(size_t body_len)
{
	struct store_job job;
	store_job_init(&job);
	job.id = INT64_C(1) << 40;
	job.endpoint = xstrdup("orders");
	job.provider = xstrdup("github");
	job.received_ms = 1764250000123;
	job.attempt = 12;
	job.failed = 3;
	assert_true(buf_append_text(&job.remote, "192.0.2.7"));
	assert_true(buf_append(&job.key, "k\0y", 3));
	assert_true(buf_append_text(&job.type, "order.paid"));
	assert_true(buf_append(&job.variables, "A=1\0B=2", 8));
	assert_true(buf_reserve(&job.body, body_len));
	for (size_t i = 0; i < body_len; i++)
		job.body.data[i] = (char)(i * 2654435761U >> 13);
	job.body.len = body_len;
	return job;
}

static void
jobs_of_any_size_arrive_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 2048, 32000, 32768, 65536, 20 << 20 };
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct store_job job = job_with_body(sizes[i]);
		struct errand_job got;
		/* Nobody reads meanwhile. */
		assert_true(errand_send_job(ends[0], &job, 7));
		assert_int_equal(errand_receive(ends[1], true, &mail), ERRAND_JOB);
		assert_true(errand_read_job(&mail, &got));
		assert_int_equal(got.id, job.id);
		assert_int_equal(got.received_ms, job.received_ms);
		assert_int_equal(got.attempt, 12);
		assert_int_equal(got.failed, 3);
		assert_int_equal(got.lost, 7);
		assert_string_equal(got.endpoint, "orders");
		assert_string_equal(got.remote, "192.0.2.7");
		assert_true(slice_equal(got.key, buf_slice(&job.key)));
		assert_true(slice_is(got.type, "order.paid"));
		assert_true(slice_is(got.sender_id, ""));
		assert_int_equal(got.variables.len, 8);
		assert_memory_equal(got.variables.data, "A=1\0B=2", 8);
		assert_true(slice_equal(got.body, buf_slice(&job.body)));
		assert_int_equal(got.body.data[got.body.len], '\0');
		store_job_free(&job);
	}
	assert_int_equal(errand_receive(ends[1], false, &mail), ERRAND_NONE);
}

static void
results_arrive_whole(void **state)
{
	static char output[65536], error[65536];
	struct store_attempt attempt = { .number = 3,
		.started_ms = 1764250000123,
		.duration_us = 4711,
		.end = "not started",
		.code = -1,
		.reason = "there is no such file",
		.output = { output, sizeof output },
		.error = { error, sizeof error },
		.error_cut = true };
	struct store_settlement settlement = { .id = 9,
		.attempt = &attempt,
		.state = STORE_QUEUED,
		.due_ms = 1764250001000,
		.reason = "later" };
	struct errand_result got;
	(void)state;
	memset(output, 'o', sizeof output);
	memset(error, 'e', sizeof error);
	for (int round = 0; round < 2; round++) {
		assert_true(errand_send_result(ends[1], &settlement, round == 0));
		assert_int_equal(errand_receive(ends[0], false, &mail), ERRAND_RESULT);
		assert_true(errand_read_result(&mail, &got));
		assert_int_equal(got.left_behind, round == 0);
		assert_int_equal(got.settlement.id, 9);
		assert_int_equal(got.settlement.state, settlement.state);
		assert_int_equal(got.settlement.due_ms, settlement.due_ms);
		assert_int_equal(got.attempt.number, 3);
		assert_int_equal(got.attempt.started_ms, attempt.started_ms);
		assert_int_equal(got.attempt.duration_us, 4711);
		assert_int_equal(got.attempt.code, -1);
		assert_string_equal(got.attempt.end, attempt.end);
		assert_true(slice_equal(got.attempt.output, attempt.output));
		assert_true(slice_equal(got.attempt.error, attempt.error));
		assert_false(got.attempt.output_cut);
		assert_true(got.attempt.error_cut);
		if (round == 0) {
			assert_string_equal(got.settlement.reason, "later");
			assert_string_equal(got.attempt.reason, "there is no such file");
		} else {
			assert_null(got.settlement.reason);
			assert_null(got.attempt.reason);
		}
		settlement.reason = attempt.reason = NULL;
		settlement.state = STORE_DONE;
		attempt.end = "exit";
		attempt.output.len = 5; /* short ones go another way */
		attempt.error.len = 0;
	}
}

static void
an_end_is_seen_behind_what_was_sent(void **state)
{
	(void)state;
	assert_true(errand_send(ends[0], ERRAND_RECORDED));
	assert_true(errand_send(ends[0], ERRAND_CUT));
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(errand_receive(ends[1], true, &mail), ERRAND_RECORDED);
	assert_int_equal(errand_receive(ends[1], true, &mail), ERRAND_CUT);
	assert_int_equal(errand_receive(ends[1], true, &mail), ERRAND_GONE);
	assert_int_equal(errand_receive(ends[1], false, &mail), ERRAND_GONE);
	assert_false(errand_send(ends[1], ERRAND_RECORDED)); /* and no SIGPIPE */
}

static void
what_is_not_whole_is_refused(void **state)
{
	static const uint32_t heads[][4] = {
		{ 0, 0, 0, 0 },               /* of no kind */
		{ 99, 0, 0, 0 },              /* likewise */
		{ ERRAND_RECORDED, 0, 5, 0 }, /* says that more follows */
		{ ERRAND_JOB, 1, 5, 0 },      /* in a file that does not come along */
		{ ERRAND_JOB, 1, 0, 1 },      /* of 4 GiB */
	};
	struct store_job job = job_with_body(100);
	struct errand_job got;
	struct errand_result result;
	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		assert_int_equal(send(ends[0], heads[i], sizeof heads[i], 0), sizeof heads[i]);
		assert_int_equal(errand_receive(ends[1], true, &mail), ERRAND_GONE);
	}
	assert_int_equal(send(ends[0], "short", 5, 0), 5);
	assert_int_equal(errand_receive(ends[1], true, &mail), ERRAND_GONE);
	/* A job of which something is missing. */
	assert_true(errand_send_job(ends[0], &job, 0));
	assert_int_equal(errand_receive(ends[1], true, &mail), ERRAND_JOB);
	assert_false(errand_read_result(&mail, &result));
	for (; mail.len > 0; mail.len--) {
		struct buf cut = mail;
		cut.len--;
		assert_false(errand_read_job(&cut, &got));
	}
	store_job_free(&job);
}

static void
a_job_that_cannot_be_sent_says_so(void **state)
{
	struct rlimit before, none;
	struct store_job job = job_with_body(100000);
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	bool sent = errand_send_job(ends[0], &job, 0);
	int error = errno;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_false(sent);
	assert_int_equal(error, EMFILE);
	assert_int_equal(errand_receive(ends[1], false, &mail), ERRAND_NONE);
	store_job_free(&job);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jobs_of_any_size_arrive_whole),
		TEST(results_arrive_whole),
		TEST(an_end_is_seen_behind_what_was_sent),
		TEST(what_is_not_whole_is_refused),
		TEST(a_job_that_cannot_be_sent_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
