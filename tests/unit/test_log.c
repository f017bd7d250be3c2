/* test_log.c - one record is one line, whatever the values hold and wherever it goes */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define LINE_MAX_LEN 8192
#define TIME_LEN 24 /* 2026-11-24T17:50:29.123Z */

static struct buf caught;
static char folder[64];
static char path[128];

static void
catch_line(void *context, const char *line, size_t len)
{
	assert_ptr_equal(context, &caught);
	assert_true(buf_append(&caught, line, len));
}

static void
catch_as(bool json)
{
	char reason[256];

	buf_clear(&caught);
	assert_true(log_open("stderr", json, reason));
	log_set_sink(catch_line, &caught);
}

static int
make_folder(void **state)
{
	(void)state;
	buf_init(&caught, 1 << 20);
	(void)snprintf(folder, sizeof folder, "/tmp/hookcgi-log-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/log", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	char reason[256], command[128];

	(void)state;
	log_set_sink(NULL, NULL);
	(void)log_open("stderr", false, reason);
	buf_free(&caught);
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command); /* our own folder, as mkdtemp() named it */
}

/* The whole file at path, in caught. */
static void
read_into_caught(const char *from)
{
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	assert_true(fd >= 0);
	buf_clear(&caught);
	do {
		assert_true(buf_reserve(&caught, 4096));
		got = read(fd, caught.data + caught.len, 4096);
		assert_true(got >= 0);
		caught.len += (size_t)got;
	} while (got > 0);
	(void)close(fd);
}

static size_t
count_lines(void)
{
	size_t count = 0;

	for (size_t i = 0; i < caught.len; i++)
		count += caught.data[i] == '\n';
	return count;
}

/* What was caught is one line of text: a time of now, and rest. */
static void
assert_text_line(const char *rest)
{
	int64_t ms;

	assert_true(caught.len > TIME_LEN);
	assert_true(
		text_parse_time(TEXT_TIME_RFC3339, (struct slice){ caught.data, TIME_LEN }, &ms));
	/* time(3) may lag behind the clock by a tick. */
	assert_true(ms / 1000 <= time(NULL) + 1 && ms / 1000 >= time(NULL) - 600);
	assert_string_equal(buf_text(&caught) + TIME_LEN, rest);
}

static void
text_record_has_bare_and_quoted_values(void **state)
{
	const struct log_field fields[] = {
		LOG_TEXT("endpoint", "orders"),
		LOG_NUMBER("status", 401),
		LOG_TEXT("reason", "no signature"),
		LOG_TEXT("absent", NULL),
		LOG_TEXT("address", "2001:db8::1"),
		LOG_TEXT("mail", "a+b@c.d/e_f-g"),
		LOG_TEXT("equals", "a=b"),
		LOG_TEXT("empty", ""),
		LOG_SLICE("nul", ((struct slice){ "a\0b", 3 })),
		LOG_US("took", 1234567),
	};

	(void)state;
	catch_as(false);
	log_record(LOG_LEVEL_WARNING, "refused", fields, COUNT_OF(fields));
	assert_text_line(" refused endpoint=orders status=401 reason=\"no signature\""
			 " address=2001:db8::1 mail=a+b@c.d/e_f-g equals=\"a=b\" empty=\"\""
			 " nul=\"a\\x00b\" took=1234.567\n");
}

static void
numbers_are_written_whole(void **state)
{
	const struct log_field fields[] = {
		LOG_NUMBER("least", INT64_MIN),
		LOG_NUMBER("most", INT64_MAX),
		LOG_US("zero", 0),
		LOG_US("one", 1),
		LOG_US("minus", -500),
		LOG_US("least_us", INT64_MIN),
	};

	(void)state;
	catch_as(false);
	log_record(LOG_LEVEL_INFO, "n", fields, COUNT_OF(fields));
	assert_text_line(" n least=-9223372036854775808 most=9223372036854775807 zero=0.000"
			 " one=0.001 minus=-0.500 least_us=-9223372036854775.808\n");
}

static void
json_record_is_one_object(void **state)
{
	const struct log_field fields[] = {
		LOG_TEXT("endpoint", "orders"),
		LOG_NUMBER("status", 401),
		LOG_TEXT("reason", "a \"b\"\n\x1b\xff"),
		LOG_TEXT("absent", NULL),
		LOG_US("took", 1234567),
	};
	static const struct {
		enum log_level level;
		const char *name;
	} levels[] = {
		{ LOG_LEVEL_ERROR, "error" },
		{ LOG_LEVEL_WARNING, "warning" },
		{ LOG_LEVEL_INFO, "info" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		char expected[256];
		int64_t ms;

		catch_as(true);
		log_record(levels[i].level, "refused", fields, COUNT_OF(fields));
		assert_memory_equal(caught.data, "{\"time\":\"", 9);
		assert_true(text_parse_time(
			TEXT_TIME_RFC3339, (struct slice){ caught.data + 9, TIME_LEN }, &ms));
		(void)snprintf(expected, sizeof expected,
			"\",\"level\":\"%s\",\"what\":\"refused\",\"endpoint\":\"orders\","
			"\"status\":401,\"reason\":\"a \\\"b\\\"\\n\\u001b\xef\xbf\xbd\","
			"\"took\":1234.567}\n",
			levels[i].name);
		assert_string_equal(buf_text(&caught) + 9 + TIME_LEN, expected);
	}
}

static void
message_is_a_field(void **state)
{
	(void)state;
	catch_as(false);
	errno = ENOENT;
	log_message(LOG_LEVEL_ERROR, "store", "%s: %m", "file");
	assert_text_line(" store message=\"file: No such file or directory\"\n");
}

static void
errno_survives(void **state)
{
	char reason[256];

	(void)state;
	assert_true(log_open("file:/dev/full", false, reason));
	errno = EBADMSG;
	log_message(LOG_LEVEL_INFO, "x", "y");
	assert_int_equal(errno, EBADMSG);
	log_record(LOG_LEVEL_INFO, "x", NULL, 0);
	assert_int_equal(errno, EBADMSG);
}

/* No byte of a value can end a line or reach a terminal raw (CVE-2009-4487). */
static void
no_value_writes_a_line_of_its_own(void **state)
{
	(void)state;
	for (int json = 0; json <= 1; json++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			const char value[] = { 'a', '\xc2', (char)byte, '\n', '\r', (char)byte };
			const struct log_field field =
				LOG_SLICE("value", ((struct slice){ value, sizeof value }));

			catch_as(json);
			log_record(LOG_LEVEL_INFO, "x", &field, 1);
			assert_int_equal(count_lines(), 1);
			assert_int_equal(caught.data[caught.len - 1], '\n');
			assert_true(text_is_utf8(buf_slice(&caught)));
			for (size_t i = 0; i < caught.len - 1; i++) {
				unsigned char c = (unsigned char)caught.data[i];

				assert_true(c >= 0x20 && c != 0x7f);
				assert_false(c == 0xc2 && (unsigned char)caught.data[i + 1] < 0xa0);
			}
		}
	}
}

/* Well formed as far as cutting could break it: quotes pair up, the end is there. */
static void
assert_line_is_whole(bool json)
{
	bool in_quotes = false;

	assert_int_equal(count_lines(), 1);
	assert_true(caught.len <= LINE_MAX_LEN);
	for (size_t i = 0; i < caught.len; i++) {
		if (caught.data[i] == '\\')
			i++;
		else if (caught.data[i] == '"')
			in_quotes = !in_quotes;
	}
	assert_false(in_quotes);
	assert_string_equal(buf_text(&caught) + caught.len - (json ? 2 : 1), json ? "}\n" : "\n");
	assert_null(
		strchr(":,= ", caught.data[caught.len - (json ? 3 : 2)])); /* a value is missing */
}

static void
long_values_are_cut_and_the_line_stays_whole(void **state)
{
	static const char *const fillings[] = { "a", "\n", "\x1b", "\xff", "\xc3\xa9", "\"",
		"\xe2\x80\xae", "\xf0\x9f\x98\x80", "ab c" };
	static const size_t lengths[] = { 1000, 4000, 4090, 8000, 8192, 20000 };
	struct buf value;

	(void)state;
	buf_init(&value, 100000);
	for (size_t i = 0; i < COUNT_OF(fillings) * COUNT_OF(lengths) * 2; i++) {
		bool json = i % 2 != 0;
		size_t len = lengths[i / 2 % COUNT_OF(lengths)];

		buf_clear(&value);
		while (value.len < len)
			assert_true(buf_append_text(&value, fillings[i / 2 / COUNT_OF(lengths)]));
		{
			const struct log_field fields[] = {
				LOG_SLICE("long", buf_slice(&value)),
				LOG_SLICE("longer", buf_slice(&value)),
				LOG_NUMBER("last", 7),
			};

			catch_as(json);
			log_record(LOG_LEVEL_INFO, "x", fields, COUNT_OF(fields));
		}
		assert_line_is_whole(json);
		assert_non_null(strstr(buf_text(&caught), json ? ",\"last\":7}" : " last=7"));
		if (len > 4096)
			assert_non_null(strstr(buf_text(&caught), "...\""));
		assert_true(text_is_utf8(buf_slice(&caught)));
		if (text_is_utf8(buf_slice(&value))) /* not cut inside a sequence */
			assert_null(strstr(buf_text(&caught), "\xef\xbf\xbd"));
	}
	buf_free(&value);
}

static void
any_number_of_fields_fits_into_a_line(void **state)
{
	struct log_field fields[600];

	(void)state;
	for (size_t count = 0; count <= COUNT_OF(fields); count++) {
		if (count > 0)
			fields[count - 1] =
				count % 3 == 0 ? (struct log_field)LOG_NUMBER("number", INT64_MIN)
					       : (struct log_field)LOG_TEXT(
							 "text", "value in quotes \n\n\n\n\n\n\n");
		catch_as(count % 2 != 0);
		log_record(LOG_LEVEL_INFO, "x", fields, count);
		assert_line_is_whole(count % 2 != 0);
	}
}

static void
malformed_targets_are_refused(void **state)
{
	static const char *const targets[] = { "", "file", "file:", "stdout", "STDERR",
		"syslog:", "/var/log/x", "file:/nowhere/at/all", "file:/tmp" };

	(void)state;
	catch_as(false);
	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		char reason[256] = "";

		assert_false(log_open(targets[i], true, reason));
		assert_true(strlen(reason) > 10);
	}
	log_record(LOG_LEVEL_INFO, "still", NULL, 0); /* the old target, the old form */
	assert_text_line(" still\n");
}

static void
long_target_does_not_overrun_the_reason(void **state)
{
	char target[2000], reason[256];

	(void)state;
	memset(target, 'x', sizeof target - 1);
	target[sizeof target - 1] = '\0';
	assert_false(log_open(target, false, reason));
	assert_int_equal(strlen(reason), 255);
	memcpy(target, "file:", 5);
	assert_false(log_open(target, false, reason));
	assert_int_equal(strlen(reason), 255);
}

static void
file_is_private_and_appended_to(void **state)
{
	char target[160], reason[256];
	struct stat status;

	(void)state;
	(void)snprintf(target, sizeof target, "file:%s", path);
	for (int i = 0; i < 2; i++) {
		assert_true(log_open(target, false, reason));
		log_record(LOG_LEVEL_INFO, "one", NULL, 0);
	}
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	read_into_caught(path);
	assert_int_equal(count_lines(), 2);
	assert_int_equal(unlink(path), 0);
}

static void
links_and_fifos_are_no_log_files(void **state)
{
	char target[160], other[160], reason[256];

	(void)state;
	(void)snprintf(target, sizeof target, "file:%s", path);
	(void)snprintf(other, sizeof other, "%s/other", folder);
	assert_int_equal(symlink(other, path), 0);
	assert_false(log_open(target, false, reason));
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(log_open(target, false, reason)); /* and does not wait for a reader */
	assert_int_equal(unlink(path), 0);
}

/* Looked at once a second, so lines go on into the moved file until then. */
static void
moved_file_is_opened_again(void **state)
{
	char target[160], moved[160], reason[256];

	(void)state;
	(void)snprintf(target, sizeof target, "file:%s", path);
	(void)snprintf(moved, sizeof moved, "%s/moved", folder);
	assert_true(log_open(target, false, reason));
	log_record(LOG_LEVEL_INFO, "before", NULL, 0);
	assert_int_equal(rename(path, moved), 0);
	for (int i = 0; i < 1000 && access(path, F_OK) != 0; i++) {
		(void)poll(NULL, 0, 5);
		log_record(LOG_LEVEL_INFO, "after", NULL, 0);
	}
	read_into_caught(path);
	assert_text_line(" after\n");
	read_into_caught(moved);
	assert_non_null(strstr(buf_text(&caught), " before\n"));
	assert_int_equal(unlink(moved), 0);
	assert_int_equal(unlink(path), 0);
}

static void *
write_many_lines(void *context)
{
	for (int i = 0; i < 500; i++) {
		const struct log_field fields[] = {
			LOG_NUMBER("number", i),
			LOG_TEXT("text", "some words that take room"),
		};

		log_record(LOG_LEVEL_INFO, "line", fields, COUNT_OF(fields));
	}
	return context;
}

static void
lines_of_threads_do_not_mix(void **state)
{
	char target[160], reason[256];
	pthread_t threads[4];
	char *line;

	(void)state;
	(void)snprintf(target, sizeof target, "file:%s", path);
	assert_true(log_open(target, false, reason));
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many_lines, NULL), 0);
	for (int i = 0; i < 100; i++) /* a changed config meanwhile */
		assert_true(log_open(target, false, reason));
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	read_into_caught(path);
	assert_int_equal(count_lines(), 2000);
	line = caught.data;
	for (size_t i = 0; i < 2000; i++) {
		char *end = strchr(line, '\n');
		int number, used = 0;

		*end = '\0';
		assert_int_equal(
			sscanf(line + TIME_LEN, " line number=%d text=%n", &number, &used), 1);
		assert_string_equal(line + TIME_LEN + used, "\"some words that take room\"");
		line = end + 1;
	}
	assert_int_equal(unlink(path), 0);
}

static void
gathered_lines_are_written_together_and_in_order(void **state)
{
	enum { COUNT = 2000 }; /* more than are held */
	char target[160], reason[256];
	struct stat status;
	const char *line;

	(void)state;
	(void)snprintf(target, sizeof target, "file:%s", path);
	assert_true(log_open(target, false, reason));
	log_gather_begin();
	log_record(LOG_LEVEL_INFO, "first", NULL, 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 0);
	for (int i = 0; i < COUNT; i++) {
		const struct log_field field = LOG_NUMBER("number", i);
		log_record(LOG_LEVEL_INFO, "line", &field, 1);
	}
	errno = EDOM;
	log_gather_end();
	assert_int_equal(errno, EDOM);
	read_into_caught(path);
	assert_int_equal(count_lines(), COUNT + 1);
	line = strchr(caught.data, '\n') + 1;
	for (int i = 0; i < COUNT; i++) {
		int number = -1;
		assert_int_equal(sscanf(line + TIME_LEN, " line number=%d", &number), 1);
		assert_int_equal(number, i);
		line = strchr(line, '\n') + 1;
	}
	/* Not any more. */
	log_record(LOG_LEVEL_INFO, "last", NULL, 0);
	read_into_caught(path);
	assert_int_equal(count_lines(), COUNT + 2);
	assert_int_equal(unlink(path), 0);
}

/* Another target holds nothing up. */
static void
gathering_is_for_files(void **state)
{
	(void)state;
	catch_as(false);
	log_gather_begin();
	log_record(LOG_LEVEL_INFO, "at_once", NULL, 0);
	assert_text_line(" at_once\n");
	log_gather_end();
	assert_text_line(" at_once\n");
	log_set_sink(NULL, NULL);
}

static void *
log_from_another_thread(void *context)
{
	log_record(LOG_LEVEL_INFO, "elsewhere", NULL, 0);
	return context;
}

static void
sink_belongs_to_its_thread(void **state)
{
	int saved = dup(STDERR_FILENO);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	pthread_t thread;

	(void)state;
	catch_as(false);
	assert_true(saved >= 0 && fd >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_record(LOG_LEVEL_INFO, "here", NULL, 0);
	assert_int_equal(pthread_create(&thread, NULL, log_from_another_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	log_set_sink(NULL, NULL);
	log_record(LOG_LEVEL_INFO, "later", NULL, 0);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(fd);

	assert_text_line(" here\n");
	read_into_caught(path);
	assert_int_equal(count_lines(), 2);
	assert_non_null(strstr(buf_text(&caught), " elsewhere\n"));
	assert_non_null(strstr(buf_text(&caught), " later\n"));
	assert_int_equal(unlink(path), 0);
}

enum broken_stderr { STDERR_CLOSED, STDERR_WITHOUT_READER, STDERR_FULL };

/* Runs in a child: replace descriptor 2 with one that cannot be written to. */
static void
break_stderr(enum broken_stderr how)
{
	int pipe_fds[2];

	switch (how) {
	case STDERR_CLOSED: (void)close(STDERR_FILENO); return;
	case STDERR_WITHOUT_READER:
		if (pipe(pipe_fds) != 0)
			_exit(90);
		(void)close(pipe_fds[0]);
		(void)dup2(pipe_fds[1], STDERR_FILENO);
		return;
	case STDERR_FULL:
		if (pipe2(pipe_fds, O_NONBLOCK) != 0)
			_exit(91);
		(void)dup2(pipe_fds[1], STDERR_FILENO);
		return;
	}
}

static void
failed_write_does_not_end_the_program(void **state)
{
	(void)state;
	catch_as(false);
	log_set_sink(NULL, NULL);
	for (int how = STDERR_CLOSED; how <= STDERR_FULL; how++) {
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			(void)signal(SIGPIPE, SIG_DFL);
			(void)alarm(20); /* so that a loop ends */
			break_stderr((enum broken_stderr)how);
			for (int i = 0; i < 3000; i++)
				log_message(LOG_LEVEL_INFO, "x", "a line that gets lost");
			_exit(7);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 7);
	}
}

/* A SIGPIPE that somebody else caused stays. */
static void
foreign_sigpipe_is_not_swallowed(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		sigset_t set;

		(void)sigemptyset(&set);
		(void)sigaddset(&set, SIGPIPE);
		(void)sigprocmask(SIG_BLOCK, &set, NULL);
		(void)raise(SIGPIPE);
		break_stderr(STDERR_WITHOUT_READER);
		log_set_sink(NULL, NULL);
		log_message(LOG_LEVEL_INFO, "x", "y");
		(void)sigpending(&set);
		_exit(sigismember(&set, SIGPIPE) == 1 ? 7 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void
syslog_needs_no_daemon_to_go_on(void **state)
{
	char reason[256];

	(void)state;
	buf_clear(&caught);
	assert_true(log_open("syslog", false, reason));
	log_message(LOG_LEVEL_INFO, "x", "%%s %s", "%s%n");
	assert_int_equal(caught.len, 0);
}

static void
bucket_lets_a_burst_through_and_then_twenty_a_second(void **state)
{
	const int64_t start_us = 1000;
	struct log_bucket bucket = { 0, 0 };
	uint64_t suppressed = 99;

	(void)state;
	for (int i = 0; i < 40; i++) {
		assert_true(log_bucket_take(&bucket, start_us, &suppressed));
		assert_int_equal(suppressed, 0);
	}
	suppressed = 99;
	for (int i = 0; i < 5; i++)
		assert_false(log_bucket_take(&bucket, start_us + 49999, &suppressed));
	assert_int_equal(suppressed, 99);
	assert_true(log_bucket_take(&bucket, start_us + 50000, &suppressed));
	assert_int_equal(suppressed, 5);
	assert_false(log_bucket_take(&bucket, start_us + 50000, &suppressed));
	assert_true(log_bucket_take(&bucket, start_us + 100000, &suppressed));
	assert_int_equal(suppressed, 1);
}

static void
bucket_fills_up_again_to_a_burst_and_no_further(void **state)
{
	struct log_bucket bucket = { 0, 0 };
	uint64_t suppressed;
	int allowed = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		assert_true(log_bucket_take(&bucket, 0, &suppressed));
	for (int i = 0; i < 1000; i++)
		allowed += log_bucket_take(&bucket, INT64_C(3600) * 1000000, &suppressed);
	assert_int_equal(allowed, 40);

	bucket = (struct log_bucket){ 0, 0 };
	allowed = 0;
	for (int64_t us = 0; us < 10000000; us += 100) /* a flood of ten seconds */
		allowed += log_bucket_take(&bucket, us, &suppressed);
	assert_int_equal(allowed, 40 + 199);
}

static void
suppressed_records_are_counted_in_the_log(void **state)
{
	char expected[64];
	int refused = 0;

	(void)state;
	catch_as(false);
	while (log_allowed())
		continue;
	refused++;
	buf_clear(&caught);
	while (!log_allowed())
		refused++;
	(void)snprintf(expected, sizeof expected, " suppressed count=%d\n", refused);
	assert_text_line(expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_record_has_bare_and_quoted_values),
		cmocka_unit_test(numbers_are_written_whole),
		cmocka_unit_test(json_record_is_one_object),
		cmocka_unit_test(message_is_a_field),
		cmocka_unit_test(errno_survives),
		cmocka_unit_test(no_value_writes_a_line_of_its_own),
		cmocka_unit_test(long_values_are_cut_and_the_line_stays_whole),
		cmocka_unit_test(any_number_of_fields_fits_into_a_line),
		cmocka_unit_test(malformed_targets_are_refused),
		cmocka_unit_test(long_target_does_not_overrun_the_reason),
		cmocka_unit_test(file_is_private_and_appended_to),
		cmocka_unit_test(links_and_fifos_are_no_log_files),
		cmocka_unit_test(moved_file_is_opened_again),
		cmocka_unit_test(lines_of_threads_do_not_mix),
		cmocka_unit_test(gathered_lines_are_written_together_and_in_order),
		cmocka_unit_test(gathering_is_for_files),
		cmocka_unit_test(sink_belongs_to_its_thread),
		cmocka_unit_test(failed_write_does_not_end_the_program),
		cmocka_unit_test(foreign_sigpipe_is_not_swallowed),
		cmocka_unit_test(syslog_needs_no_daemon_to_go_on),
		cmocka_unit_test(bucket_lets_a_burst_through_and_then_twenty_a_second),
		cmocka_unit_test(bucket_fills_up_again_to_a_burst_and_no_further),
		cmocka_unit_test(suppressed_records_are_counted_in_the_log),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
