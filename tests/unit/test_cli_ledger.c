/* test_cli_ledger.c - how the ledger is chosen from, and how it is written for people and programs
 *
 * Times are given, and the zone is set, so that nothing depends on when and
 * where this runs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli_ledger.h"

#define NOON INT64_C(1795521600000) /* 2026-11-24T12:00:00Z */
#define MANY 2000

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

static const struct cli_command command = { .name = "test", .arguments = "" };

static void
set_zone(const char *zone)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
}

/* ---- Choosing ---- */

static void
since_takes_a_time_ago(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "2h", NOON - 7200000 }, { "3d", NOON - 259200000 }, { "500ms", NOON - 500 },
		{ "0", NOON }, { "36500d", 1 } };
	int64_t ms;
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(ledger_parse_since(good[i].text, NOON, &ms));
		assert_int_equal(ms, good[i].ms);
	}
}

static void
since_takes_a_date_and_time(void **state)
{
	int64_t ms;
	(void)state;
	set_zone("HOOK-2"); /* two hours ahead of UTC */
	assert_true(ledger_parse_since("2026-11-24T12:00:00Z", 0, &ms));
	assert_int_equal(ms, NOON);
	assert_true(ledger_parse_since("2026-11-24T12:00:00.250+01:00", 0, &ms));
	assert_int_equal(ms, NOON - 3600000 + 250);
	assert_true(ledger_parse_since("2026-11-24T12:00:00", 0, &ms));
	assert_int_equal(ms, NOON - 7200000);
	assert_true(ledger_parse_since("2026-11-24", 0, &ms));
	assert_int_equal(ms, NOON - 14 * 3600000);
	set_zone("CET-1CEST,M3.5.0,M10.5.0/3"); /* summer time counts */
	assert_true(ledger_parse_since("2026-07-01", 0, &ms));
	assert_int_equal(ms, INT64_C(1782856800000)); /* 2026-06-30T22:00Z */
	set_zone("UTC");
}

static void
since_refuses_everything_else(void **state)
{
	static const char *const bad[] = { "", "2", "2x", "-2h", "yesterday", "2026-13-01",
		"2026-02-29", "2026-11-24T25:00:00Z", "2026-11-24 12:00:00", "2026-11-2",
		"2026-11-24T12:00:00Z ", "2026/11/24" };
	int64_t ms = 42;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (ledger_parse_since(bad[i], NOON, &ms))
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_equal(ms, 42);
	}
}

static void
numbers_are_whole_and_positive(void **state)
{
	int64_t id;
	unsigned limit;
	(void)state;
	assert_true(ledger_parse_id("9223372036854775807", &id));
	assert_int_equal(id, INT64_MAX);
	assert_false(ledger_parse_id("9223372036854775808", &id));
	assert_false(ledger_parse_id("0", &id));
	assert_false(ledger_parse_id("-1", &id));
	assert_false(ledger_parse_id("1 ", &id));
	assert_false(ledger_parse_id("", &id));
	assert_true(ledger_parse_limit("0", &limit));
	assert_int_equal(limit, 0);
	assert_false(ledger_parse_limit("4294967296", &limit));
}

static void
filter_holds_what_was_chosen(void **state)
{
	const char *values[LEDGER_FILTERS] = {
		[LEDGER_ENDPOINT] = "orders",
		[LEDGER_STATE] = "dead",
		[LEDGER_EVENT] = "order.*",
		[LEDGER_SINCE] = "1h",
		[LEDGER_LIMIT] = "7",
	};
	const char *none[LEDGER_FILTERS] = { NULL };
	struct store_filter filter;
	(void)state;
	assert_true(ledger_filter(&command, values, NOON, 50, &filter));
	assert_string_equal(filter.endpoint, "orders");
	assert_string_equal(filter.type, "order.*");
	assert_true(filter.has_state);
	assert_int_equal(filter.state, STORE_DEAD);
	assert_int_equal(filter.since_ms, NOON - 3600000);
	assert_int_equal(filter.limit, 7);

	assert_true(ledger_filter(&command, none, NOON, 50, &filter));
	assert_null(filter.endpoint);
	assert_null(filter.type);
	assert_false(filter.has_state);
	assert_int_equal(filter.since_ms, 0);
	assert_int_equal(filter.limit, 50);
	assert_false(filter.oldest_first);
}

/* The usage lines of what is refused are not for the test's output. */
static int
silence(void)
{
	int kept = dup(STDERR_FILENO);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(kept >= 0 && null >= 0);
	fflush(stderr);
	dup2(null, STDERR_FILENO);
	close(null);
	return kept;
}

static void
speak(int kept)
{
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
}

static void
filter_refuses_what_means_nothing(void **state)
{
	static const struct {
		int option;
		const char *value;
	} bad[] = { { LEDGER_ENDPOINT, "Orders" }, { LEDGER_ENDPOINT, "" },
		{ LEDGER_STATE, "gone" }, { LEDGER_STATE, "" }, { LEDGER_SINCE, "soon" },
		{ LEDGER_LIMIT, "many" }, { LEDGER_EVENT, "[" } };
	struct store_filter filter;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *values[LEDGER_FILTERS] = { NULL };
		values[bad[i].option] = bad[i].value;
		int kept = silence();
		bool taken = ledger_filter(&command, values, NOON, 50, &filter);
		speak(kept);
		if (taken)
			fail_msg("\"%s\" was taken", bad[i].value);
	}
}

/* ---- Text ---- */

static void
assert_span(int64_t ms, const char *expected)
{
	struct buf out;
	buf_init(&out, 64);
	ledger_append_span(&out, ms);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void
spans_have_one_unit(void **state)
{
	(void)state;
	assert_span(-5, "0s");
	assert_span(0, "0s");
	assert_span(999, "999ms");
	assert_span(1000, "1s");
	assert_span(119999, "119s");
	assert_span(120000, "2m");
	assert_span(119 * 60000, "119m");
	assert_span(120 * 60000, "2h");
	assert_span(48 * 3600000 - 1, "47h");
	assert_span(48 * 3600000, "2d");
	assert_span(INT64_C(400) * 86400000, "400d");
	assert_span(INT64_MAX, "106751991167d");
}

static void
assert_time(enum ledger_clock clock, int64_t ms, const char *expected)
{
	struct buf out;
	buf_init(&out, 64);
	ledger_append_time(&out, clock, ms, NOON);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void
times_are_utc_or_local(void **state)
{
	(void)state;
	set_zone("HOOK-2");
	assert_time(LEDGER_UTC, NOON + 29123, "2026-11-24T12:00:29.123Z");
	assert_time(LEDGER_SHORT, NOON + 29123, "14:00:29");
	/* 21:59:59Z of the day before is the last second of that day here. */
	assert_time(LEDGER_SHORT, NOON - 14 * 3600000, "00:00:00");
	assert_time(LEDGER_SHORT, NOON - 14 * 3600000 - 1, "2026-11-23 23:59");
	assert_time(LEDGER_SHORT, NOON + INT64_C(365) * 86400000, "2027-11-24 14:00");
	assert_time(LEDGER_LONG, NOON + 29007, "2026-11-24 14:00:29.007 HOOK");
	assert_time(LEDGER_UTC, -1, "?");
	assert_time(LEDGER_SHORT, -1, "?");
	assert_time(LEDGER_LONG, INT64_MAX, "?");
	assert_time(LEDGER_UTC, INT64_MAX, "?");
	set_zone("UTC");
}

static void
assert_readable(struct slice text, size_t max, const char *expected)
{
	struct buf out;
	buf_init(&out, 65536);
	assert_true(ledger_append_readable(&out, text, "> ", max));
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void
readable_text_keeps_lines_and_quotes(void **state)
{
	(void)state;
	assert_readable(SLICE(""), 100, "");
	assert_readable(SLICE("one"), 100, "> one\n");
	assert_readable(SLICE("one\n"), 100, "> one\n");
	assert_readable(SLICE("one\n\ntwo\r\n"), 100, "> one\n\n> two\n");
	assert_readable(SLICE("{\"a\":\t\"\\u00e9\"}"), 100, "> {\"a\":\t\"\\u00e9\"}\n");
	assert_readable(SLICE("gr\xc3\xbc\xc3\x9f"), 100, "> gr\xc3\xbc\xc3\x9f\n");
}

static void
readable_text_steers_no_terminal(void **state)
{
	(void)state;
	assert_readable(SLICE("\x1b]0;title\a"), 100, "> \\x1b]0;title\\x07\n");
	assert_readable(SLICE("a\0b"), 100, "> a\\x00b\n");
	assert_readable(SLICE("over\rwritten"), 100, "> over\\x0dwritten\n");
	assert_readable(SLICE("\x7f \xc2\x9b \xff"), 100, "> \\x7f \\xc2\\x9b \\xff\n");
	assert_readable(SLICE("\xe2\x80\xae"
			      "txt.exe"),
		100, "> \\xe2\\x80\\xaetxt.exe\n");
	assert_readable(SLICE("\xe2\x81\xa6x"), 100, "> \\xe2\\x81\\xa6x\n");
	/* A sequence that a quote interrupts is two invalid bytes and a quote. */
	assert_readable(SLICE("\xe2\"\x80"), 100, "> \\xe2\"\\x80\n");
}

static void
readable_text_ends_at_its_limit(void **state)
{
	(void)state;
	assert_readable(SLICE("abcdef"), 4, "> abcd\n> ... (2 more bytes)\n");
	assert_readable(SLICE("abcdef"), 6, "> abcdef\n");
	/* not inside a character */
	assert_readable(SLICE("abc\xc3\xbc"), 4, "> abc\n> ... (2 more bytes)\n");
}

static void
text_is_told_from_other_bytes(void **state)
{
	char many[MANY];
	(void)state;
	assert_true(ledger_is_text(SLICE("")));
	assert_true(ledger_is_text(SLICE("{\"a\":1}\r\n\t")));
	assert_true(ledger_is_text(SLICE("\xc3\xa4\xc3\xb6\xc3\xbc")));
	assert_false(ledger_is_text(SLICE("PK\x03\x04\0\0")));
	assert_false(ledger_is_text(SLICE("\x89PNG\r\n\x1a")));
	assert_false(ledger_is_text(SLICE("\xff\xfe\xfd")));
	/* One odd byte in a long text does not hide it. */
	memset(many, 'a', sizeof many);
	many[7] = '\xe4';
	many[9] = '\x1b';
	assert_true(ledger_is_text((struct slice){ many, sizeof many }));
}

static void
headers_get_their_names_back(void **state)
{
	static const struct {
		const char *variable, *name; /* NULL: no header */
	} cases[] = { { "HTTP_X_HUB_SIGNATURE_256=v", "X-Hub-Signature-256" },
		{ "HTTP_HOST=x", "Host" }, { "CONTENT_TYPE=a/b", "Content-Type" },
		{ "CONTENT_LENGTH=3", "Content-Length" }, { "REQUEST_URI=/x", NULL },
		{ "CONTENT_TYPES=1", NULL }, { "HTTPS=on", NULL }, { "", NULL } };
	struct buf out;
	(void)state;
	buf_init(&out, 256);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_clear(&out);
		assert_int_equal(
			ledger_append_header_name(&out, cases[i].variable), cases[i].name != NULL);
		assert_string_equal(buf_text(&out), cases[i].name != NULL ? cases[i].name : "");
	}
	buf_free(&out);
}

static void
labels_follow_prometheus(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 256);
	ledger_append_label(&out, SLICE("orders"));
	assert_string_equal(buf_text(&out), "\"orders\"");
	buf_clear(&out);
	ledger_append_label(&out, SLICE("a\"b\\c\nd\x1b"));
	/* Escaped as in a log line, and that again for the label. */
	assert_string_equal(buf_text(&out), "\"a\\\\\\\"b\\\\\\\\c\\\\nd\\\\x1b\"");
	buf_free(&out);
}

/* ---- Tables ---- */

static const struct ledger_column columns[] = {
	{ "ID", 4, 0, true },
	{ "EVENT", 8, 6, false },
	{ "REASON", 8, 8, false },
};

struct sheet {
	struct ledger_table table;
	FILE *out;
	char *text;
	size_t len;
};

static void
sheet_begin(struct sheet *sheet, size_t width)
{
	sheet->out = open_memstream(&sheet->text, &sheet->len);
	assert_non_null(sheet->out);
	ledger_table_init(&sheet->table, columns, 3, width, sheet->out);
}

static void
sheet_row(struct sheet *sheet, int64_t id, const char *event, const char *reason)
{
	ledger_table_number(&sheet->table, id);
	ledger_table_cell(&sheet->table, slice_of(event));
	ledger_table_cell(&sheet->table, slice_of(reason));
}

static void
sheet_end(struct sheet *sheet, const char *expected)
{
	ledger_table_end(&sheet->table);
	fclose(sheet->out);
	if (expected != NULL)
		assert_string_equal(sheet->text, expected);
	free(sheet->text);
}

static void
table_is_as_wide_as_its_rows(void **state)
{
	struct sheet sheet;
	(void)state;
	sheet_begin(&sheet, 0);
	sheet_row(&sheet, 12345, "order.paid", "");
	sheet_row(&sheet, 7, "", "exit 1");
	sheet_row(&sheet, 8, "gr\xc3\xbc\xc3\x9f", "two words");
	sheet_row(&sheet, 9, "a\\\"\x1b", "write a = \"open\"");
	sheet_end(&sheet, "   ID  EVENT       REASON\n"
			  "12345  order.paid\n"
			  "    7  -           exit 1\n"
			  "    8  gr\xc3\xbc\xc3\x9f        two words\n"
			  "    9  a\\\\\"\\x1b    write a = \"open\"\n");
}

static void
table_without_rows_prints_nothing(void **state)
{
	struct sheet sheet;
	(void)state;
	sheet_begin(&sheet, 80);
	sheet_end(&sheet, "");
}

static void
table_cuts_to_the_terminal(void **state)
{
	struct sheet sheet;
	(void)state;
	/* 2 + 2 + 6 + 2 + 8 columns are needed at least. */
	sheet_begin(&sheet, 24);
	sheet_row(&sheet, 17, "order.paid.twice", "the handler exited with 75");
	sheet_row(&sheet, 18, "x", "short");
	sheet_end(&sheet, "ID  EVENT      REASON\n"
			  "17  order....  the ha...\n"
			  "18  x          short\n");
	/* Narrower than that: nothing is cut below its least. */
	sheet_begin(&sheet, 5);
	sheet_row(&sheet, 17, "order.paid.twice", "the handler exited with 75");
	sheet_end(&sheet, "ID  EVENT   REASON\n"
			  "17  ord...  the h...\n");
	/* Between characters, not inside one. */
	sheet_begin(&sheet, 20);
	sheet_row(&sheet, 17, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", "ok");
	sheet_end(&sheet, "ID  EVENT    REASON\n"
			  "17  \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4  ok\n");
}

static void
table_cell_cannot_forge_a_line(void **state)
{
	struct sheet sheet;
	(void)state;
	sheet_begin(&sheet, 0);
	sheet_row(&sheet, 1, "a\n2  b", "\x1b[2J");
	sheet_end(&sheet, "ID  EVENT    REASON\n"
			  " 1  a\\n2  b  \\x1b[2J\n");
}

static void
live_table_prints_rows_at_once(void **state)
{
	struct sheet sheet;
	(void)state;
	sheet_begin(&sheet, 40);
	ledger_table_live(&sheet.table);
	fflush(sheet.out);
	assert_string_equal(sheet.text, "  ID  EVENT     REASON\n");
	sheet_row(&sheet, 1, "order.paid", "why not");
	fflush(sheet.out);
	assert_non_null(strstr(sheet.text, "\n   1  order...  why not\n"));
	sheet_end(&sheet, NULL);
}

static void
table_of_any_length_is_whole(void **state)
{
	struct sheet sheet;
	char *line;
	size_t lines = 0;
	(void)state;
	sheet_begin(&sheet, 0);
	for (int i = 1; i <= MANY; i++)
		sheet_row(&sheet, i, "e", i == MANY ? "last" : "");
	fflush(sheet.out);
	for (line = sheet.text; (line = strchr(line, '\n')) != NULL; line++)
		lines++;
	assert_int_equal(lines, MANY + 1);
	assert_non_null(strstr(sheet.text, "\n2000  e      last\n"));
	sheet_end(&sheet, NULL);
}

static void
width_comes_from_the_environment_or_is_any(void **state)
{
	struct winsize size;
	int kept = dup(STDOUT_FILENO);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	size_t given, none, small, wrong;
	(void)state;
	assert_true(kept >= 0 && null >= 0);
	assert_int_not_equal(ioctl(null, TIOCGWINSZ, &size), 0);
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	setenv("COLUMNS", "132", 1);
	given = ledger_width();
	setenv("COLUMNS", "3", 1);
	small = ledger_width();
	setenv("COLUMNS", "wide", 1);
	wrong = ledger_width();
	unsetenv("COLUMNS");
	none = ledger_width();
	dup2(kept, STDOUT_FILENO);
	close(kept);
	close(null);
	assert_int_equal(given, 132);
	assert_int_equal(small, 20);
	assert_int_equal(wrong, 0);
	assert_int_equal(none, 0);
}

/* ---- JSON ---- */

static const struct store_row row = {
	.id = 17,
	.endpoint = "orders",
	.provider = "webconnex",
	.type = { "a\"b\x1b", 4 },
	.key = { "k\xff", 2 },
	.remote = { "::1", 3 },
	.state = STORE_QUEUED,
	.attempts = 2,
	.received_ms = NOON,
	.due_ms = NOON + 1500,
	.changed_ms = NOON + 500,
	.body_len = 57,
	.reason = "exit 75",
};

static void
assert_json(const struct store_row *given, const char *expected)
{
	struct ledger_json json;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	ledger_json_init(&json);
	for (int i = 0; i < 2; i++) { /* a second line does not remember the first */
		ledger_json_open(&json, NULL, '{');
		ledger_json_row(&json, given);
		ledger_json_close(&json, '}');
		assert_true(ledger_json_print(&json, out));
	}
	ledger_json_free(&json);
	fclose(out);
	assert_int_equal(len, 2 * strlen(expected));
	assert_memory_equal(text, expected, len / 2);
	assert_memory_equal(text + len / 2, expected, len / 2);
	free(text);
}

static void
json_has_every_member_on_one_line(void **state)
{
	(void)state;
	assert_json(&row,
		"{\"id\":17,\"endpoint\":\"orders\",\"provider\":\"webconnex\","
		"\"event\":\"a\\\"b\\u001b\",\"event_id\":null,\"key\":\"k\xef\xbf\xbd\","
		"\"state\":\"queued\",\"attempts\":2,\"received_at\":\"2026-11-24T12:00:00.000Z\","
		"\"due_at\":\"2026-11-24T12:00:01.500Z\",\"reason\":\"exit 75\","
		"\"changed_at\":\"2026-11-24T12:00:00.500Z\",\"remote\":\"::1\","
		"\"body_bytes\":57}\n");
}

static void
json_says_null_where_there_is_nothing(void **state)
{
	struct store_row bare = row;
	(void)state;
	bare.type = bare.key = bare.remote = (struct slice){ NULL, 0 };
	bare.state = STORE_DONE;
	bare.body_len = -1;
	bare.reason = "";
	assert_json(&bare,
		"{\"id\":17,\"endpoint\":\"orders\",\"provider\":\"webconnex\",\"event\":null,"
		"\"event_id\":null,\"key\":null,\"state\":\"done\",\"attempts\":2,"
		"\"received_at\":\"2026-11-24T12:00:00.000Z\",\"due_at\":null,\"reason\":null,"
		"\"changed_at\":\"2026-11-24T12:00:00.500Z\",\"remote\":null,"
		"\"body_bytes\":null}\n");
}

static void
json_due_at_of_what_is_due_at_once(void **state)
{
	struct store_row fresh = row;
	(void)state;
	fresh.due_ms = 0;
	fresh.type = fresh.key = (struct slice){ "x", 1 };
	assert_json(&fresh,
		"{\"id\":17,\"endpoint\":\"orders\",\"provider\":\"webconnex\",\"event\":\"x\","
		"\"event_id\":null,\"key\":\"x\",\"state\":\"queued\",\"attempts\":2,"
		"\"received_at\":\"2026-11-24T12:00:00.000Z\","
		"\"due_at\":\"2026-11-24T12:00:00.500Z\",\"reason\":\"exit 75\","
		"\"changed_at\":\"2026-11-24T12:00:00.500Z\",\"remote\":\"::1\","
		"\"body_bytes\":57}\n");
}

static void
json_nests(void **state)
{
	struct ledger_json json;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	(void)state;
	assert_non_null(out);
	ledger_json_init(&json);
	ledger_json_open(&json, NULL, '{');
	ledger_json_open(&json, "empty", '[');
	ledger_json_close(&json, ']');
	ledger_json_open(&json, "runs", '[');
	for (int i = 1; i <= 2; i++) {
		ledger_json_open(&json, NULL, '{');
		ledger_json_number(&json, "n", i);
		ledger_json_bool(&json, "cut", i == 2);
		ledger_json_close(&json, '}');
	}
	ledger_json_close(&json, ']');
	ledger_json_time(&json, "at", 0);
	ledger_json_close(&json, '}');
	assert_true(ledger_json_print(&json, out));
	ledger_json_free(&json);
	fclose(out);
	assert_string_equal(text, "{\"empty\":[],\"runs\":[{\"n\":1,\"cut\":false},"
				  "{\"n\":2,\"cut\":true}],\"at\":null}\n");
	free(text);
}

/* ---- Opening ---- */

static char folder[] = "/tmp/hookcgi-test-ledger-XXXXXX";

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
	char path[256];
	(void)state;
	snprintf(path, sizeof path, "%s/hookcgi.conf", folder);
	unlink(path);
	return rmdir(folder);
}

/* The path of a configuration with this text; static. */
static const char *
config_with(const char *text)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/hookcgi.conf", folder);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static int
open_quietly(const char *config, struct ledger *ledger)
{
	int kept = silence();
	int result = ledger_open(config, ledger);
	speak(kept);
	return result;
}

static void
looking_makes_no_database(void **state)
{
	struct ledger ledger;
	char path[256];
	struct stat status;
	(void)state;
	assert_int_equal(
		open_quietly(config_with("store = \"sqlite:sub/try.db\"\n"), &ledger), CLI_DONE);
	assert_null(ledger.store);
	assert_null(ledger_tally(&ledger));
	assert_true(ledger_look(&ledger));
	assert_null(ledger.store);
	ledger_close(&ledger);
	snprintf(path, sizeof path, "%s/sub", folder);
	assert_int_not_equal(stat(path, &status), 0);
}

static void
looking_begins_nothing_in_an_empty_file(void **state)
{
	char database[256], path[300], reason[256];
	struct ledger ledger;
	struct stat status;
	struct tally *tally;
	int64_t last;
	(void)state;
	snprintf(database, sizeof database, "%s/try.db", folder);
	int fd = open(database, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	const char *config = config_with("store = \"sqlite:try.db\"\n");
	assert_int_equal(open_quietly(config, &ledger), CLI_DONE);
	assert_null(ledger.store);
	ledger_close(&ledger);
	/* What was there is missed. */
	tally = tally_open(database, reason);
	assert_non_null(tally);
	tally_acknowledge(tally, 5);
	tally_close(tally);
	assert_int_equal(open_quietly(config, &ledger), CLI_DONE);
	assert_int_equal(store_last_id(ledger.store, &last), STORE_FAILED);
	ledger_close(&ledger);
	assert_int_equal(stat(database, &status), 0);
	assert_int_equal(status.st_size, 0);
	assert_int_equal(unlink(database), 0);
	snprintf(path, sizeof path, "%s-tally", database);
	assert_int_equal(unlink(path), 0);
}

static void
no_store_and_no_configuration_are_told_apart(void **state)
{
	struct ledger ledger;
	(void)state;
	assert_int_equal(open_quietly(config_with("store = \"none\"\n"), &ledger), CLI_NO);
	ledger_close(&ledger);
	assert_int_equal(open_quietly(config_with("nonsense = 1\n"), &ledger), CLI_CONFIG);
	ledger_close(&ledger);
	assert_int_equal(open_quietly("/nonexistent/hookcgi.conf", &ledger), CLI_CONFIG);
	ledger_close(&ledger);
}

static void
secrets_are_not_read(void **state)
{
	struct ledger ledger;
	(void)state;
	/* An endpoint that cannot be used does not keep the ledger from being read. */
	assert_int_equal(open_quietly(config_with("store = \"sqlite:try.db\"\n"
						  "endpoint \"a\" { provider = \"github\" "
						  "secret = \"file:missing.secret\" run = {} }\n"),
				 &ledger),
		CLI_DONE);
	assert_int_equal(ledger.config->endpoint_count, 0);
	assert_int_equal(ledger.config->fault_count, 0);
	ledger_close(&ledger);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(since_takes_a_time_ago),
		cmocka_unit_test(since_takes_a_date_and_time),
		cmocka_unit_test(since_refuses_everything_else),
		cmocka_unit_test(numbers_are_whole_and_positive),
		cmocka_unit_test(filter_holds_what_was_chosen),
		cmocka_unit_test(filter_refuses_what_means_nothing),
		cmocka_unit_test(spans_have_one_unit),
		cmocka_unit_test(times_are_utc_or_local),
		cmocka_unit_test(readable_text_keeps_lines_and_quotes),
		cmocka_unit_test(readable_text_steers_no_terminal),
		cmocka_unit_test(readable_text_ends_at_its_limit),
		cmocka_unit_test(text_is_told_from_other_bytes),
		cmocka_unit_test(headers_get_their_names_back),
		cmocka_unit_test(labels_follow_prometheus),
		cmocka_unit_test(table_is_as_wide_as_its_rows),
		cmocka_unit_test(table_without_rows_prints_nothing),
		cmocka_unit_test(table_cuts_to_the_terminal),
		cmocka_unit_test(table_cell_cannot_forge_a_line),
		cmocka_unit_test(live_table_prints_rows_at_once),
		cmocka_unit_test(table_of_any_length_is_whole),
		cmocka_unit_test(width_comes_from_the_environment_or_is_any),
		cmocka_unit_test(json_has_every_member_on_one_line),
		cmocka_unit_test(json_says_null_where_there_is_nothing),
		cmocka_unit_test(json_due_at_of_what_is_due_at_once),
		cmocka_unit_test(json_nests),
		cmocka_unit_test(looking_makes_no_database),
		cmocka_unit_test(looking_begins_nothing_in_an_empty_file),
		cmocka_unit_test(no_store_and_no_configuration_are_told_apart),
		cmocka_unit_test(secrets_are_not_read),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
