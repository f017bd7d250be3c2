/* test_store.c - the rules of store.h, tried on real files, with real processes
 *
 * What the store must not be able to see, a damaged body, a foreign lock, is done to the file
 * through SQLite itself. In a child process CHECK() takes the place of the assertions: those would
 * go on with the other tests there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "clock.h"
#include "crypto.h"
#include "scratch.h"
#include "store.h"
#include "store_owner.h"

#define PATIENCE_MS 60000 /* a limit that only a broken program reaches */
#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)
#define ADDRESS "192.0.2.7"

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

static char scratch[64];
static char database[128];

static int64_t
deadline(void)
{
	return clock_ms() + PATIENCE_MS;
}

static int
setup(void **state)
{
	(void)state;
	snprintf(scratch, sizeof scratch, "/tmp/hookcgi-test-store-XXXXXX");
	assert_non_null(mkdtemp(scratch));
	snprintf(database, sizeof database, "%s/folder/hookcgi.db", scratch);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return scratch_remove(scratch);
}

static struct slice
text(const char *string)
{
	return slice_of(string);
}

static struct store_event
event_of(const char *endpoint, const char *key, enum store_state state)
{
	return (struct store_event){
		.endpoint = endpoint,
		.provider = "unsigned",
		.key = text(key),
		.type = text("order.paid"),
		.sender_id = text("evt_1"),
		.received_ms = clock_wall_ms(),
		.remote = text(ADDRESS),
		.variables = { "CONTENT_TYPE=text/plain", sizeof "CONTENT_TYPE=text/plain" },
		.body = text("hello"),
		.state = state,
		.reason = state == STORE_DEAD ? "not JSON" : NULL,
	};
}

static void
assert_ok(struct store *store, enum store_result result)
{
	if (result != STORE_OK)
		fail_msg("result %d: %s", (int)result, store_reason(store));
}

static enum store_put
put(struct store *store, struct store_event *event)
{
	struct store_event *const events[] = { event };
	assert_ok(store, store_put(store, events, 1, deadline()));
	return event->put;
}

/* The number of a new event. */
static int64_t
put_new(struct store *store, const char *endpoint, const char *key)
{
	struct store_event event = event_of(endpoint, key, STORE_QUEUED);
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	assert_true(event.id > 0);
	return event.id;
}

/* The number of the claimed event, 0: none. */
static int64_t
claim_from(struct store *store, const char *endpoint, unsigned concurrency, bool retries_first,
	int64_t now, struct store_job *job, int64_t *next_due_ms)
{
	struct store_lane lane = { endpoint, concurrency, HOUR_MS };
	int64_t ignored;
	enum store_result result = store_claim(store, &lane, 1, retries_first, now, job,
		next_due_ms != NULL ? next_due_ms : &ignored);
	if (result == STORE_NONE)
		return 0;
	assert_ok(store, result);
	assert_true(job->id > 0);
	return job->id;
}

static int64_t
claim(struct store *store, struct store_job *job)
{
	return claim_from(store, "orders", 1, false, clock_wall_ms(), job, NULL);
}

static enum store_result
settle(struct store *store, int64_t id, unsigned number, enum store_state state, int64_t due_ms,
	const char *reason)
{
	struct store_attempt attempt = {
		.number = number,
		.started_ms = 1000,
		.duration_us = 2500,
		.end = "exit",
		.code = state == STORE_DONE ? 0 : 1,
		.output = { "out\0put", 7 },
		.error = text("err"),
		.error_cut = true,
	};
	return store_settle(store, id, &attempt, state, due_ms, reason);
}

/* A row as it was seen, with the texts that the tests look at. */
struct seen {
	unsigned count;
	struct store_row row;
	char endpoint[65], reason[200], type[64], key[64];
	int64_t ids[64];
	unsigned stop_after;
};

static bool
see(void *context, const struct store_row *row)
{
	struct seen *seen = context;
	seen->row = *row;
	snprintf(seen->endpoint, sizeof seen->endpoint, "%s", row->endpoint);
	snprintf(seen->reason, sizeof seen->reason, "%s", row->reason);
	snprintf(seen->type, sizeof seen->type, "%.*s", (int)row->type.len, row->type.data);
	snprintf(seen->key, sizeof seen->key, "%.*s", (int)row->key.len, row->key.data);
	if (seen->count < 64)
		seen->ids[seen->count] = row->id;
	seen->count++;
	return seen->count != seen->stop_after;
}

static struct seen
show(struct store *store, int64_t id, bool *damaged, struct buf *body)
{
	struct seen seen = { .count = 0 };
	struct buf variables, other;
	bool is_damaged = false;
	buf_init(&variables, 1 << 20);
	buf_init(&other, 1 << 20);
	assert_ok(store, store_show(store, id, see, &seen, &variables, body ? body : &other,
				 damaged ? damaged : &is_damaged));
	assert_int_equal(seen.count, 1);
	buf_free(&variables);
	buf_free(&other);
	return seen;
}

static void
assert_state(struct store *store, int64_t id, enum store_state state)
{
	assert_string_equal(
		store_state_name(show(store, id, NULL, NULL).row.state), store_state_name(state));
}

struct totals {
	int64_t events[4], oldest[4], attempts, failed;
};

static bool
add_count(void *context, const struct store_count *count)
{
	struct totals *totals = context;
	for (int i = 0; i < 4; i++) {
		totals->events[i] += count->events[i];
		if (count->oldest_ms[i] != 0)
			totals->oldest[i] = count->oldest_ms[i];
	}
	totals->attempts += count->attempts;
	totals->failed += count->failed_attempts;
	return true;
}

/* The file of the turns, as another process has it open. */
static int
open_turns(void)
{
	char path[160];
	snprintf(path, sizeof path, "%s-lock", database);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Through SQLite itself. */
static void
raw(const char *sql)
{
	sqlite3 *db;
	char *error = NULL;
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, PATIENCE_MS);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static int64_t
raw_number(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, PATIENCE_MS);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int64_t number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

/* The endpoints' rows say what a count of the events says. */
static void
assert_counts_are_exact(void)
{
	assert_int_equal(
		raw_number("SELECT count(*) FROM endpoint AS p WHERE"
			   " queued <> (SELECT count(*) FROM event WHERE endpoint = p.id AND state "
			   "= 0)"
			   " OR running <> (SELECT count(*) FROM event WHERE endpoint = p.id AND "
			   "state = 1)"
			   " OR done <> (SELECT count(*) FROM event WHERE endpoint = p.id AND "
			   "state = 2)"
			   " OR dead <> (SELECT count(*) FROM event WHERE endpoint = p.id AND "
			   "state = 3)"
			   " OR attempts <> (SELECT count(*) FROM attempt JOIN event ON id = event"
			   " WHERE endpoint = p.id)"
			   " OR failed_attempts <> (SELECT count(*) FROM attempt JOIN event"
			   " ON id = event WHERE endpoint = p.id AND flags & 4)"),
		0);
}

static void
assert_mode(const char *path, mode_t mode)
{
	struct stat status;
	if (stat(path, &status) != 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(status.st_mode & 07777, mode);
}

static void
assert_contains(const char *string, const char *part)
{
	if (strstr(string, part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, string);
}

/* What the connections of this process do, from watch() on. */
static struct {
	int statements, commits;
} watched;

static int
see_statement(unsigned kind, void *context, void *statement, void *sql)
{
	(void)kind;
	(void)context;
	(void)sql;
	watched.statements++;
	watched.commits += strcmp(sqlite3_sql(statement), "COMMIT") == 0;
	return 0;
}

static int
watch_start(sqlite3 *db, const char **error, const void *functions)
{
	(void)error;
	(void)functions;
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, see_statement, NULL);
}

/* A store that is watched from its beginning. */
static struct store *
watched_store(void)
{
	struct store *store = store_new(database);
	sqlite3_auto_extension((void (*)(void))(uintptr_t)watch_start);
	assert_ok(store, store_ready(store));
	sqlite3_reset_auto_extension();
	return store;
}

static void
watch(void)
{
	watched.statements = watched.commits = 0;
}

/* Bytes of the write-ahead log, -1: there is none. */
static off_t
log_size(void)
{
	struct stat status;
	char path[160];
	snprintf(path, sizeof path, "%s-wal", database);
	return stat(path, &status) == 0 ? status.st_size : -1;
}

/* Run it in a child; true: it ended with 0. */
static bool
in_child(void (*function)(void))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		function();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * Open
 */

static void
the_database_is_made_for_its_owner_alone(void **state)
{
	char path[160];
	struct store *store = store_new(database);
	(void)state;
	umask(0);
	assert_ok(store, store_ready(store));
	umask(022);
	assert_string_equal(store_journal(store), "WAL, synchronous FULL");
	put_new(store, "orders", "a");
	snprintf(path, sizeof path, "%s/folder", scratch);
	assert_mode(path, 0700);
	assert_mode(database, 0600);
	snprintf(path, sizeof path, "%s-wal", database);
	assert_mode(path, 0600);
	snprintf(path, sizeof path, "%s-lock", database);
	assert_mode(path, 0600);
	store_free(store);
	assert_int_equal(raw_number("PRAGMA application_id"), 0x686f6f6b);
	assert_int_equal(raw_number("PRAGMA user_version"), 3);
	assert_int_equal(raw_number("SELECT count(*) FROM pragma_journal_mode WHERE "
				    "journal_mode = 'wal'"),
		1);
}

/* Each statement that the store ran in this process, for the two tests below. */
static struct {
	char *texts[512];
	int count;
	int synchronous;
} traced;

static int
trace(unsigned kind, void *context, void *statement, void *sql)
{
	const char *string = sqlite3_sql(statement);
	(void)kind;
	(void)context;
	(void)sql;
	for (int i = 0; i < traced.count; i++) {
		if (strcmp(traced.texts[i], string) == 0)
			return 0;
	}
	if (traced.count < 512)
		traced.texts[traced.count++] = strdup(string);
	return 0;
}

static int
trace_start(sqlite3 *db, const char **error, const void *functions)
{
	(void)error;
	(void)functions;
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, trace, NULL);
}

static bool
stop_counting(void *context, const struct store_count *count)
{
	return add_count(context, count);
}

static bool
see_attempt(void *context, const struct store_attempt *attempt)
{
	char *out = context;
	size_t len = strlen(out);
	snprintf(out + len, 500 - len, "%u %s %d %zu%s;", attempt->number, attempt->end,
		attempt->code, attempt->output.len, attempt->error_cut ? " cut" : "");
	return true;
}

/* Everything that the store can do, once at least. */
static void
do_everything(struct store *store)
{
	struct store_job job;
	struct totals totals = { .attempts = 0 };
	struct store_retention retention = { 0, 0, 0 };
	char attempts[500] = "";
	unsigned count;
	bool more;
	int64_t id, last;
	struct store_event waited = event_of("orders", "w", STORE_RUNNING);
	store_job_init(&job);
	for (int i = 0; i < 4; i++) {
		char key[16];
		snprintf(key, sizeof key, "%d", i);
		struct store_event event = event_of("orders", key, STORE_QUEUED);
		event.queue_limit = 4;
		put(store, &event);
	}
	struct store_event refused = event_of("orders", "more", STORE_QUEUED);
	refused.queue_limit = 4;
	assert_int_equal(put(store, &refused), STORE_REFUSED);
	put(store, &waited);
	id = claim_from(store, "orders", 5, true, clock_wall_ms(), &job, NULL);
	assert_ok(store, settle(store, id, 1, STORE_QUEUED, clock_wall_ms() + 100 * DAY_MS, "no"));
	assert_ok(store, store_recover(store, clock_wall_ms(), HOUR_MS, &count));
	id = claim_from(store, "orders", 5, false, clock_wall_ms(), &job, NULL);
	assert_ok(store, settle(store, id, 1, STORE_DONE, 0, NULL));
	assert_ok(store, settle(store, waited.id, 1, STORE_DEAD, 0, "no"));
	assert_int_equal(put(store, &waited), STORE_REQUEUED);
	assert_ok(store, settle(store, waited.id, 2, STORE_DEAD, 0, "no"));
	assert_ok(store, store_replay(store, id, clock_wall_ms()));
	for (int i = 0; i < 2 * 2 * 5; i++) {
		struct seen seen = { .count = 0 };
		struct store_filter filter = {
			.endpoint = i & 1 ? "orders" : NULL,
			.oldest_first = i & 2,
			.has_state = i / 4 > 0,
			.state = (enum store_state)(i / 4 > 0 ? i / 4 - 1 : 0),
		};
		assert_ok(store, store_list(store, &filter, see, &seen));
	}
	show(store, id, NULL, NULL);
	assert_ok(store, store_attempts(store, id, see_attempt, attempts));
	assert_ok(store, store_stats(store, stop_counting, &totals));
	assert_ok(store, store_last_id(store, &last));
	assert_int_equal(last, 5);
	raw("UPDATE body SET body = X'78' WHERE event = (SELECT min(id) FROM event WHERE state = "
	    "0)");
	while ((id = claim_from(store, "orders", 5, true, clock_wall_ms(), &job, NULL)) != 0)
		assert_ok(store, settle(store, id, job.attempt, STORE_DONE, 0, NULL));
	retention.keep_ms = DAY_MS;
	assert_ok(store, store_prune(store, &retention, clock_wall_ms() + 10,
				 &(struct store_step){ 1000, HOUR_MS }, &count, &more));
	retention.keep_ms = 0;
	do
		assert_ok(store, store_prune(store, &retention, clock_wall_ms() + 20,
					 &(struct store_step){ 5, HOUR_MS }, &count, &more));
	while (more);
	store_job_free(&job);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM detail"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM body"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM attempt"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM key"), 0);
	assert_counts_are_exact();
}

/* A SCAN of what grows. A list of everything goes by the event's number, which is a SEARCH. */
static bool
is_scan(const char *plan)
{
	static const char *const small[] = { "SCAN event USING INDEX event_running",
		"SCAN event USING COVERING INDEX event_running", "SCAN e USING INDEX event_running",
		"SCAN endpoint", "SCAN p", "SCAN clock" };
	if (strstr(plan, "PRIMARY KEY (endpoint=?)") != NULL) /* all keys of an endpoint */
		return true;
	if (strncmp(plan, "SCAN", 4) != 0)
		return false;
	for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
		if (strncmp(plan, small[i], strlen(small[i])) == 0)
			return false;
	}
	return true;
}

/* What is asked again and again must not sort either. */
static bool
is_sorted_for_claim(const char *sql, const char *plan)
{
	return strstr(sql, "LIMIT 1") != NULL && strstr(plan, "TEMP B-TREE") != NULL;
}

static void
no_statement_scans_the_events(void **state)
{
	struct store *store;
	sqlite3 *db;
	int plans = 0;
	(void)state;
	sqlite3_auto_extension((void (*)(void))(uintptr_t)trace_start);
	traced.count = 0;
	store = store_new(database);
	do_everything(store);
	sqlite3_reset_auto_extension();
	store_free(store);
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	for (int i = 0; i < traced.count; i++) {
		char sql[2048];
		sqlite3_stmt *statement;
		const char *word = traced.texts[i];
		if (strstr(word, " FROM event") == NULL && strncmp(word, "UPDATE", 6) != 0 &&
			strncmp(word, "DELETE", 6) != 0 && strncmp(word, "SELECT", 6) != 0)
			continue;
		if (strstr(word, "count(*) FROM e") != NULL || strstr(word, "pragma") != NULL ||
			strstr(word, "count(*) FROM d") != NULL ||
			strstr(word, "count(*) FROM b") != NULL ||
			strstr(word, "count(*) FROM k") != NULL ||
			strstr(word, "sqlite_schema") != NULL || strstr(word, "= X'78'") != NULL ||
			strcmp(word, "SELECT count(*) FROM attempt") == 0)
			continue; /* of the tests and of the opening */
		snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", word);
		if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
			fail_msg("%s: %s", sql, sqlite3_errmsg(db));
		while (sqlite3_step(statement) == SQLITE_ROW) {
			const char *plan = (const char *)sqlite3_column_text(statement, 3);
			plans++;
			/* A list of what is queued looks at what is queued. */
			if (strncmp(word, "SELECT e.id", 11) == 0 &&
				strcmp(plan, "SCAN event USING INDEX event_queued") == 0)
				continue;
			if (is_scan(plan) || is_sorted_for_claim(word, plan))
				fail_msg("%s\n%s", plan, word);
		}
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
	assert_true(plans > 40); /* the trace has seen them */
	for (int i = 0; i < traced.count; i++)
		free(traced.texts[i]);
	traced.count = 0;
}

static int
see_synchronous(unsigned kind, void *context, void *statement, void *sql)
{
	sqlite3 *db = sqlite3_db_handle(statement);
	sqlite3_stmt *ask;
	static bool asking;
	(void)kind;
	(void)context;
	(void)sql;
	if (asking || strcmp(sqlite3_sql(statement), "COMMIT") != 0)
		return 0;
	asking = true;
	if (sqlite3_prepare_v2(db, "PRAGMA synchronous", -1, &ask, NULL) == SQLITE_OK &&
		sqlite3_step(ask) == SQLITE_ROW)
		traced.synchronous = sqlite3_column_int(ask, 0);
	sqlite3_finalize(ask);
	asking = false;
	return 0;
}

static int
synchronous_start(sqlite3 *db, const char **error, const void *functions)
{
	(void)error;
	(void)functions;
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, see_synchronous, NULL);
}

static void
each_commit_is_synced(void **state)
{
	(void)state;
	traced.synchronous = -1;
	sqlite3_auto_extension((void (*)(void))(uintptr_t)synchronous_start);
	struct store *store = store_new(database);
	put_new(store, "orders", "a");
	sqlite3_reset_auto_extension();
	assert_int_equal(traced.synchronous, 2); /* FULL */
	store_free(store);
}

static void
write_file(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void
assert_refused(const char *part)
{
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "a", STORE_QUEUED);
	struct store_event *const events[] = { &event };
	assert_int_equal(store_put(store, events, 1, deadline()), STORE_FAILED);
	assert_contains(store_reason(store), part);
	assert_int_equal(store_ready(store), STORE_FAILED);
	assert_contains(store_reason(store), part);
	store_free(store);
}

static void
what_is_not_ours_is_refused_and_left_alone(void **state)
{
	char garbage[4096], folder[128];
	struct stat status;
	struct store *store;
	(void)state;
	snprintf(folder, sizeof folder, "%s/folder", scratch);
	assert_int_equal(mkdir(folder, 0700), 0);
	raw("CREATE TABLE theirs(a); INSERT INTO theirs VALUES(7)");
	assert_refused("something else");
	assert_int_equal(raw_number("SELECT a FROM theirs"), 7);
	assert_int_equal(raw_number("SELECT count(*) FROM sqlite_schema"), 1);

	assert_int_equal(unlink(database), 0);
	memset(garbage, 'x', sizeof garbage);
	write_file(database, garbage, sizeof garbage);
	assert_refused("no database");
	assert_int_equal(stat(database, &status), 0);
	assert_int_equal(status.st_size, sizeof garbage);

	assert_int_equal(unlink(database), 0);
	assert_int_equal(mkdir(database, 0700), 0);
	assert_refused("not a file");
	assert_int_equal(rmdir(database), 0);

	/* The same connection takes what is put in its place. */
	store = store_new(database);
	put_new(store, "orders", "a");
	store_free(store);
	raw("PRAGMA user_version = 4");
	assert_refused("newer hookcgi");
	raw("PRAGMA user_version = 3; PRAGMA application_id = 5");
	assert_refused("something else");
	raw("PRAGMA application_id = 1752133483");
	store = store_new(database);
	assert_state(store, 1, STORE_QUEUED);
	store_free(store);
}

static void
database_of_an_earlier_version_is_brought_up_to_date(void **state)
{
	static const char *const earlier[] = {
		"DROP INDEX event_ended; CREATE INDEX event_dead ON event(state) WHERE state = 3;"
		"DROP TABLE boot; PRAGMA user_version = 1",
		"DROP TABLE boot; PRAGMA user_version = 2",
	};
	struct store *store = store_new(database), *other;

	(void)state;
	put_new(store, "orders", "a");
	store_free(store);
	for (size_t i = 0; i < sizeof earlier / sizeof earlier[0]; i++) {
		raw(earlier[i]);
		store = store_new(database);
		other = store_new(database);
		assert_state(store, 1, STORE_QUEUED);
		assert_state(other, 1, STORE_QUEUED);
		put_new(other, "orders", (char[]){ (char)('b' + i), '\0' });
		assert_int_equal(raw_number("PRAGMA user_version"), 3);
		assert_int_equal(
			raw_number("SELECT group_concat(name) = 'event_ended' FROM sqlite_schema"
				   " WHERE name IN ('event_dead', 'event_ended')"),
			1);
		assert_int_equal(raw_number("SELECT count(*) FROM boot"), 0);
		store_free(store);
		store_free(other);
	}
}

static void
a_database_that_is_moved_away_is_noticed(void **state)
{
	char aside[160];
	struct store *store = store_new(database), *other;
	struct store_event event = event_of("orders", "b", STORE_QUEUED);
	struct store_event *const events[] = { &event };
	(void)state;
	put_new(store, "orders", "a");
	snprintf(aside, sizeof aside, "%s.aside", database);
	assert_int_equal(rename(database, aside), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_put(store, events, 1, deadline()), STORE_FAILED);
		assert_contains(store_reason(store), "gone");
		assert_int_not_equal(access(database, F_OK), 0);
	}
	/* Nor does another connection of this process begin an empty one. */
	other = store_new(database);
	assert_int_equal(store_ready(other), STORE_FAILED);
	store_free(other);
	assert_int_equal(rename(aside, database), 0);
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	assert_int_equal(event.id, 2);

	/* Another one in its place: said once, then used. */
	snprintf(aside, sizeof aside, "%s/other.db", scratch);
	other = store_new(aside);
	for (int i = 0; i < 5; i++) {
		char key[16];
		snprintf(key, sizeof key, "%d", i);
		put_new(other, "orders", key);
	}
	store_free(other);
	assert_int_equal(rename(aside, database), 0);
	for (int i = 0; i < 2; i++) { /* what belongs to the first one goes with it */
		snprintf(aside, sizeof aside, "%s%s", database, i == 0 ? "-wal" : "-shm");
		assert_int_equal(unlink(aside), 0);
	}
	event.key = text("c");
	assert_int_equal(store_put(store, events, 1, deadline()), STORE_FAILED);
	assert_contains(store_reason(store), "another file");
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	store_free(store);
}

static void
another_database_is_not_put_over_the_log_of_the_first(void **state)
{
	static const char *const suffixes[] = { "-wal", "-shm" };
	char first[160], second[160], from[200], to[200];
	struct store *store = store_new(database), *other;
	struct store_event event = event_of("orders", "c", STORE_QUEUED);
	struct store_event *const events[] = { &event };
	(void)state;
	put_new(store, "orders", "a");
	snprintf(first, sizeof first, "%s/first.db", scratch);
	snprintf(second, sizeof second, "%s/second.db", scratch);
	other = store_new(second);
	put_new(other, "orders", "b");
	store_free(other);
	assert_int_equal(rename(database, first), 0);
	assert_int_equal(rename(second, database), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_put(store, events, 1, deadline()), STORE_FAILED);
		assert_contains(store_reason(store), "hookcgi.db-wal");
	}
	/* Another connection of this process knows it too. */
	other = store_new(database);
	assert_int_equal(store_ready(other), STORE_FAILED);
	store_free(other);
	/* The first one back: that is its own log. */
	assert_int_equal(rename(database, second), 0);
	assert_int_equal(rename(first, database), 0);
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	assert_int_equal(event.id, 2);
	/* Moved with its log: the second one is used, whole. */
	assert_int_equal(rename(database, first), 0);
	assert_int_equal(rename(second, database), 0);
	assert_int_equal(store_put(store, events, 1, deadline()), STORE_FAILED);
	for (int i = 0; i < 2; i++) {
		snprintf(from, sizeof from, "%s%s", database, suffixes[i]);
		snprintf(to, sizeof to, "%s%s", first, suffixes[i]);
		assert_int_equal(rename(from, to), 0);
	}
	event.key = text("b");
	assert_int_equal(put(store, &event), STORE_DUPLICATE);
	assert_int_equal(event.id, 1);
	store_free(store);
}

static void
assert_not_begun(const char *part)
{
	struct stat before, after;
	struct store *store = store_new(database);
	bool was_there = stat(database, &before) == 0;
	store_expect(store, 5);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_ready(store), STORE_FAILED);
		assert_contains(store_reason(store), part);
	}
	store_free(store);
	assert_int_equal(stat(database, &after) == 0, was_there);
	if (was_there)
		assert_int_equal(after.st_size, before.st_size);
}

static void
nothing_is_begun_where_events_were_acknowledged(void **state)
{
	char folder[128], path[160];
	struct store *store;
	(void)state;
	snprintf(folder, sizeof folder, "%s/folder", scratch);
	snprintf(path, sizeof path, "%s-wal", database);
	assert_int_equal(mkdir(folder, 0700), 0);
	write_file(database, "", 0);
	write_file(path, "log", 3);
	assert_not_begun("empty");
	assert_int_equal(access(path, F_OK), 0); /* SQLite would remove it */
	write_file(database, "x", 1);
	assert_not_begun("empty");
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(database), 0);
	assert_not_begun("hookcgi.db-wal");
	assert_int_equal(unlink(path), 0);
	raw("CREATE TABLE theirs(a); DROP TABLE theirs");
	assert_not_begun("empty");
	/* Where none was, one that was hardly begun is begun. */
	assert_int_equal(unlink(database), 0);
	write_file(database, "", 0);
	store = store_new(database);
	store_expect(store, 0);
	assert_int_equal(put_new(store, "orders", "a"), 1);
	store_free(store);
}

static void
a_database_that_was_open_here_is_not_begun_again_when_it_is_emptied(void **state)
{
	char path[160];
	struct store *store = store_new(database);
	(void)state;
	put_new(store, "orders", "a");
	store_free(store);
	snprintf(path, sizeof path, "%s.aside", database);
	assert_int_equal(rename(database, path), 0);
	write_file(database, "", 0);
	assert_refused("empty");
	assert_int_equal(unlink(database), 0);
	assert_int_equal(rename(path, database), 0);
	store = store_new(database);
	assert_state(store, 1, STORE_QUEUED);
	store_free(store);
}

static struct {
	int calls;
	int64_t acknowledged, stored;
} loss;

static void
see_loss(void *context, int64_t acknowledged, int64_t stored)
{
	assert_ptr_equal(context, &loss);
	loss.calls++;
	loss.acknowledged = acknowledged;
	loss.stored = stored;
}

static void
a_number_that_was_acknowledged_is_not_given_again(void **state)
{
	struct store *store = store_new(database);
	int64_t last;
	(void)state;
	loss.calls = 0;
	store_on_loss(store, see_loss, &loss);
	put_new(store, "orders", "a");
	store_expect(store, 1);
	assert_int_equal(put_new(store, "orders", "b"), 2);
	assert_int_equal(loss.calls, 0);
	store_expect(store, 10);
	store_expect(store, 7);
	store_expect(store, INT64_MAX); /* no store has given that */
	assert_ok(store, store_last_id(store, &last));
	assert_int_equal(last, 2);
	assert_ok(store, store_settle_all(store, NULL, 0));
	assert_int_equal(loss.calls, 0);
	assert_int_equal(put_new(store, "orders", "c"), 11);
	assert_int_equal(loss.calls, 1);
	assert_int_equal(loss.acknowledged, 10);
	assert_int_equal(loss.stored, 2);
	assert_int_equal(put_new(store, "orders", "d"), 12);
	assert_int_equal(loss.calls, 1);
	store_free(store);
}

static void
use_a_locked_folder(void)
{
	struct store *store = store_new(database);
	CHECK(geteuid() != 0 || seteuid(65534) == 0);
	CHECK(store_ready(store) == STORE_FAILED);
	CHECK(strstr(store_reason(store), "writable") != NULL);
	store_free(store);
}

static void
a_folder_that_cannot_be_written_is_said(void **state)
{
	char folder[128];
	(void)state;
	snprintf(folder, sizeof folder, "%s/folder", scratch);
	assert_int_equal(mkdir(folder, 0555), 0);
	assert_int_equal(chmod(scratch, 0755), 0);
	assert_true(in_child(use_a_locked_folder));
	assert_int_equal(chmod(folder, 0755), 0);
	/* One there that is another's. */
	struct store *store = store_new(database);
	assert_ok(store, store_ready(store));
	store_free(store);
	assert_int_equal(chmod(database, 0444), 0);
	assert_int_equal(chmod(folder, 0555), 0);
	assert_true(in_child(use_a_locked_folder));
	chmod(folder, 0700);
}

static void
a_log_that_is_left_is_found_by_the_next_one(void **state)
{
	static char body[20000];
	struct store *store = store_new(database);
	char key[16];
	int64_t last;
	(void)state;
	put_new(store, "orders", "a");
	store_free(store);
	assert_int_equal(log_size(), -1);
	for (int i = 0; i < 2; i++) {
		store = store_new(database);
		store_leave_log(store);
		snprintf(key, sizeof key, "%d", i);
		assert_int_equal(put_new(store, "orders", key), 2 + i);
		store_free(store);
		assert_true(log_size() > 0);
	}
	/* Whoever comes next sees it, and need not leave it. */
	store = store_new(database);
	assert_ok(store, store_last_id(store, &last));
	assert_int_equal(last, 3);
	assert_string_equal(store_journal(store), "WAL, synchronous FULL");
	store_free(store);
	assert_int_equal(log_size(), -1);
	/* Without an end it does not grow. */
	store = store_new(database);
	store_leave_log(store);
	for (int i = 0; i < 60; i++) {
		snprintf(key, sizeof key, "b%d", i);
		struct store_event event = event_of("orders", key, STORE_QUEUED);
		event.body = (struct slice){ body, sizeof body };
		assert_int_equal(put(store, &event), STORE_ACCEPTED);
	}
	assert_true(log_size() > 1 << 20);
	store_free(store);
	assert_int_equal(log_size(), -1);
	assert_counts_are_exact();
	/* Nothing was open. */
	store = store_new(database);
	store_leave_log(store);
	store_free(store);
}

/* Put so much that the log has that many frames more. */
#define FILL_MAX 5000 /* 300 MB in all */

static void
put_large(struct store *store)
{
	static char body[60000];
	static unsigned number;
	char key[16];
	assert_true(number < FILL_MAX); /* the log begins anew where it should not */
	snprintf(key, sizeof key, "f%u", number++);
	struct store_event event = event_of("orders", key, STORE_QUEUED);
	event.body = (struct slice){ body, sizeof body };
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
}

/* Not across what makes it begin anew. */
static void
fill_log(struct store *store, unsigned frames)
{
	unsigned before = store_log_frames(store);
	while (store_log_frames(store) < before + frames)
		put_large(store);
}

static void
the_log_begins_anew_after_a_checkpoint(void **state)
{
	struct store *store = store_new(database), *copier = store_new(database);
	(void)state;
	/* Its own: the log never gets much longer than it is to be. */
	for (int i = 0; i < 3; i++) {
		fill_log(store, 100);
		while (store_log_frames(store) < STORE_LOG_LONG)
			put_large(store);
		put_new(store, "orders", i == 0 ? "a" : i == 1 ? "b" : "c");
		assert_in_range(store_log_frames(store), 1, 100);
	}
	/* Another one's: it goes on until that one has been at it. */
	store_checkpoint_apart(store);
	fill_log(store, STORE_LOG_LONG_APART + 200);
	assert_true(store_log_frames(store) > STORE_LOG_LONG_APART);
	assert_ok(copier, store_checkpoint(copier, true));
	put_new(store, "orders", "d");
	assert_in_range(store_log_frames(store), 1, 100);
	/* Nobody has been: it does it itself in the end. */
	fill_log(store, 4 * STORE_LOG_LONG_APART - 100);
	while (store_log_frames(store) < 4 * STORE_LOG_LONG_APART)
		put_large(store);
	put_new(store, "orders", "e");
	assert_in_range(store_log_frames(store), 1, 100);
	store_free(copier);
	store_free(store);
	assert_counts_are_exact();
}

/* Two who copied in turns kept each other from ever having all of it: a checkpoint fails while another one runs. */
static void
one_copies_the_log_at_a_time(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 1 };
	struct store *store = store_new(database), *copier = store_new(database);
	(void)state;
	put_new(store, "orders", "first");
	int fd = open_turns();
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	/* Somebody is at it: no failure, and nobody waits for him. */
	fill_log(store, STORE_LOG_LONG + 100);
	assert_ok(copier, store_checkpoint(copier, true));
	put_new(store, "orders", "a");
	assert_true(store_log_frames(store) > STORE_LOG_LONG);
	/* He is not any more, and neither is who copied last. */
	close(fd);
	for (int i = 0; i < 2; i++) {
		assert_ok(copier, store_checkpoint(i == 0 ? copier : store, true));
		put_new(store, "orders", i == 0 ? "b" : "c");
		assert_in_range(store_log_frames(store), 1, 100);
		fill_log(store, 100);
	}
	store_free(copier);
	store_free(store);
	assert_counts_are_exact();
}

/* A sync of somebody has failed: nobody copies the log as if all before were on disk, but who connects next has
 * all of it written. */
static void
a_marked_log_is_copied_whole_or_not_at_all(void **state)
{
	struct store *store = store_new(database), *copier = store_new(database);
	struct stat lock;
	char path[160];
	(void)state;
	put_new(store, "orders", "first");
	fill_log(store, 100);
	assert_ok(copier, store_checkpoint(copier, true));
	fill_log(store, 100);
	snprintf(path, sizeof path, "%s-lock", database);
	write_file(path, "!", 1);
	assert_int_equal(store_checkpoint(copier, true), STORE_FAILED);
	assert_int_equal(stat(path, &lock), 0);
	assert_int_equal(lock.st_size, 1);
	/* It has let go of the database, and opens it again. */
	assert_ok(copier, store_checkpoint(copier, true));
	assert_int_equal(stat(path, &lock), 0);
	assert_int_equal(lock.st_size, 0);
	put_new(store, "orders", "a");
	assert_in_range(store_log_frames(store), 1, 100);
	store_free(copier);
	store_free(store);
	assert_counts_are_exact();
}

static struct store *parents;

static void
use_the_parents(void)
{
	int64_t id;
	CHECK(store_last_id(parents, &id) == STORE_FAILED);
	CHECK(strstr(store_reason(parents), "fork") != NULL);
	store_free(parents);
}

static void
a_connection_is_not_carried_over_a_fork(void **state)
{
	(void)state;
	parents = store_new(database);
	put_new(parents, "orders", "a");
	assert_true(in_child(use_the_parents));
	put_new(parents, "orders", "b");
	store_free(parents);
}

/*
 * Put
 */

static void
an_event_comes_back_as_it_was_put(void **state)
{
	static const char variables[] = "CONTENT_TYPE=a/b\0HTTP_X=1\0", body[] = "\0\1{\xff\0";
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "k", STORE_QUEUED);
	struct store_job job;
	struct buf shown;
	char attempts[500] = "";
	bool damaged = true;
	(void)state;
	event.key = (struct slice){ "k\0\xfe", 3 };
	event.variables = (struct slice){ variables, sizeof variables - 1 };
	event.body = (struct slice){ body, sizeof body - 1 };
	event.received_ms = 1234567;
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	assert_int_equal(event.attempt, 0);
	store_job_init(&job);
	assert_int_equal(claim(store, &job), event.id);
	assert_string_equal(job.endpoint, "orders");
	assert_string_equal(job.provider, "unsigned");
	assert_true(slice_equal(buf_slice(&job.key), event.key));
	assert_true(slice_equal(buf_slice(&job.type), event.type));
	assert_true(slice_equal(buf_slice(&job.sender_id), event.sender_id));
	assert_true(slice_equal(buf_slice(&job.remote), event.remote));
	assert_true(slice_equal(buf_slice(&job.variables), event.variables));
	assert_true(slice_equal(buf_slice(&job.body), event.body));
	assert_int_equal(job.received_ms, 1234567);
	assert_int_equal(job.attempt, 1);
	assert_int_equal(job.failed, 0);
	assert_state(store, event.id, STORE_RUNNING);
	assert_ok(store, settle(store, event.id, 1, STORE_DONE, 0, NULL));
	buf_init(&shown, 1 << 20);
	struct seen seen = show(store, event.id, &damaged, &shown);
	assert_false(damaged);
	assert_true(slice_equal(buf_slice(&shown), event.body));
	assert_int_equal(seen.row.state, STORE_DONE);
	assert_int_equal(seen.row.body_len, event.body.len);
	assert_int_equal(seen.row.attempts, 1);
	assert_string_equal(seen.reason, "");
	assert_ok(store, store_attempts(store, event.id, see_attempt, attempts));
	assert_string_equal(attempts, "1 exit 0 7 cut;");
	buf_free(&shown);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
an_empty_event_is_an_event(void **state)
{
	struct store *store = store_new(database);
	struct store_event event = { .endpoint = "orders", .provider = "p", .state = STORE_QUEUED };
	struct store_job job;
	(void)state;
	put(store, &event);
	store_job_init(&job);
	assert_int_equal(claim(store, &job), event.id);
	assert_int_equal(job.body.len, 0);
	assert_int_equal(job.variables.len, 0);
	store_job_free(&job);
	store_free(store);
}

static void
the_key_decides_what_is_a_duplicate(void **state)
{
	struct store *store = store_new(database);
	struct store_event again = event_of("orders", "a", STORE_QUEUED);
	struct store_job job;
	(void)state;
	store_job_init(&job);
	int64_t id = put_new(store, "orders", "a");
	int64_t elsewhere = put_new(store, "refunds", "a");
	assert_int_not_equal(id, elsewhere);
	assert_int_equal(put(store, &again), STORE_DUPLICATE); /* of a queued one */
	assert_int_equal(again.id, id);
	assert_int_equal(claim(store, &job), id);
	again.id = 0;
	assert_int_equal(put(store, &again), STORE_DUPLICATE); /* running */
	assert_int_equal(again.id, id);
	assert_ok(store, settle(store, id, 1, STORE_DONE, 0, NULL));
	again.state = STORE_DEAD;
	assert_int_equal(put(store, &again), STORE_DUPLICATE); /* done */
	assert_state(store, id, STORE_DONE);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 2);
	store_job_free(&job);
	store_free(store);
}

static void
a_dead_event_comes_to_life_when_it_is_sent_again(void **state)
{
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "a", STORE_DEAD);
	struct store_job job;
	(void)state;
	store_job_init(&job);
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	int64_t id = event.id;
	assert_string_equal(show(store, id, NULL, NULL).reason, "not JSON");
	assert_int_equal(put(store, &event), STORE_DUPLICATE);
	assert_int_equal(claim(store, &job), 0);

	event = event_of("orders", "a", STORE_QUEUED);
	event.body = text("another body");
	assert_int_equal(put(store, &event), STORE_REQUEUED);
	assert_int_equal(event.id, id);
	assert_string_equal(show(store, id, NULL, NULL).reason, "");
	assert_int_equal(show(store, id, NULL, NULL).row.due_ms, 0);
	assert_int_equal(claim(store, &job), id);
	assert_string_equal(buf_text(&job.body), "another body");
	assert_int_equal(job.attempt, 1);
	assert_ok(store, settle(store, id, 1, STORE_DEAD, 0, "never"));

	event.state = STORE_RUNNING;
	assert_int_equal(put(store, &event), STORE_REQUEUED);
	assert_int_equal(event.attempt, 2);
	assert_state(store, id, STORE_RUNNING);
	assert_ok(store, settle(store, id, 2, STORE_DONE, 0, NULL));
	assert_state(store, id, STORE_DONE);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 1);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
a_full_queue_refuses_until_a_quarter_is_worked_off(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	char key[16];
	(void)state;
	store_job_init(&job);
	for (int i = 0; i < 9; i++) {
		snprintf(key, sizeof key, "%d", i);
		struct store_event event = event_of("orders", key, STORE_QUEUED);
		event.queue_limit = 8;
		assert_int_equal(put(store, &event), i < 8 ? STORE_ACCEPTED : STORE_REFUSED);
		if (i == 8)
			assert_int_equal(event.id, 0);
	}
	struct store_event event = event_of("orders", "0", STORE_QUEUED);
	event.queue_limit = 8;
	assert_int_equal(put(store, &event), STORE_DUPLICATE); /* it is here, whatever is full */
	event = event_of("other", "0", STORE_QUEUED);
	event.queue_limit = 8;
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	event = event_of("orders", "new", STORE_QUEUED);
	event.queue_limit = 8;
	for (int left = 7; left >= 6; left--) {
		int64_t id = claim(store, &job);
		assert_ok(store, settle(store, id, 1, STORE_DONE, 0, NULL));
		assert_int_equal(put(store, &event), left > 6 ? STORE_REFUSED : STORE_ACCEPTED);
	}
	assert_int_equal(raw_number("SELECT count(*) FROM key"), 10); /* none of a refused one */
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
a_group_is_put_whole_or_not_at_all(void **state)
{
	struct store *store = store_new(database);
	struct store_event a = event_of("orders", "a", STORE_QUEUED);
	struct store_event b = event_of("orders", "b", STORE_QUEUED);
	struct store_event c = event_of("orders", "a", STORE_QUEUED);
	struct store_event *const events[] = { &a, &b, &c };
	(void)state;
	assert_ok(store, store_ready(store));
	raw("CREATE TRIGGER boom BEFORE INSERT ON body WHEN NEW.event = 2"
	    " BEGIN SELECT RAISE(ABORT, 'boom'); END");
	assert_int_equal(store_put(store, events, 3, deadline()), STORE_FAILED);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM key"), 0);
	assert_int_equal(raw_number("SELECT count(*) FROM endpoint"), 0);
	raw("DROP TRIGGER boom");
	assert_ok(store, store_put(store, events, 3, deadline()));
	assert_int_equal(a.put, STORE_ACCEPTED);
	assert_int_equal(b.put, STORE_ACCEPTED);
	assert_int_equal(c.put, STORE_DUPLICATE);
	assert_int_equal(c.id, a.id);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 2);
	store_free(store);
	assert_counts_are_exact();
}

static void
an_endpoint_is_counted_once_in_a_transaction(void **state)
{
	struct store *store = store_new(database);
	struct store_event events[10];
	struct store_event *pointers[10];
	char keys[10][16];
	(void)state;
	assert_ok(store, store_ready(store));
	raw("CREATE TABLE written(times); INSERT INTO written VALUES(0);"
	    "CREATE TRIGGER see AFTER UPDATE ON endpoint BEGIN UPDATE written SET times = times + "
	    "1; "
	    "END; CREATE TRIGGER boom BEFORE INSERT ON body WHEN NEW.event = 8"
	    " BEGIN SELECT RAISE(ABORT, 'boom'); END");
	for (int i = 0; i < 10; i++) {
		snprintf(keys[i], sizeof keys[i], "%d", i);
		events[i] = event_of("orders", keys[i], STORE_QUEUED);
		events[i].queue_limit = 8;
		pointers[i] = &events[i];
	}
	events[3].state = STORE_DEAD;
	/* What was counted in one that fails is forgotten. */
	assert_int_equal(store_put(store, pointers, 10, deadline()), STORE_FAILED);
	raw("DROP TRIGGER boom");
	assert_ok(store, store_put(store, pointers, 10, deadline()));
	for (int i = 0; i < 10; i++)
		assert_int_equal(events[i].put, i == 9 ? STORE_REFUSED : STORE_ACCEPTED);
	assert_int_equal(raw_number("SELECT times FROM written"), 1);
	assert_int_equal(raw_number("SELECT refusing FROM endpoint"), 1);
	store_free(store);
	raw("DROP TRIGGER see");
	assert_counts_are_exact();
}

static void
what_is_known_already_costs_no_write(void **state)
{
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "a", STORE_QUEUED);
	(void)state;
	put(store, &event);
	off_t size = log_size();
	assert_int_equal(put(store, &event), STORE_DUPLICATE);
	assert_int_equal(settle(store, event.id, 1, STORE_DONE, 0, NULL), STORE_NONE);
	assert_int_equal(log_size(), size);
	store_free(store);
}

static void
a_digest_that_is_given_is_the_one_that_counts(void **state)
{
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "a", STORE_QUEUED);
	struct store_job job;
	uint8_t digest[CRYPTO_DIGEST_MAX];
	(void)state;
	store_job_init(&job);
	assert_true(crypto_hash(CRYPTO_SHA256, &event.body, 1, digest));
	event.digest = digest;
	put(store, &event);
	assert_int_equal(claim(store, &job), event.id);
	assert_ok(store, settle(store, event.id, 1, STORE_DONE, 0, NULL));
	digest[31] ^= 1;
	event.key = text("b");
	put(store, &event);
	assert_int_equal(claim(store, &job), 0);
	assert_state(store, event.id, STORE_DEAD);
	store_job_free(&job);
	store_free(store);
}

/* Wait for all of them at one point: the end of file of a pipe. */
static int start_pipe[2];

static void
wait_for_start(void)
{
	char byte;
	close(start_pipe[1]);
	CHECK(read(start_pipe[0], &byte, 1) == 0);
}

static void
start_children(pid_t *pids, int count, void (*function)(int number))
{
	assert_int_equal(pipe(start_pipe), 0);
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			wait_for_start();
			function(i);
			_exit(0);
		}
	}
	close(start_pipe[0]);
	close(start_pipe[1]);
}

static void
assert_all_good(const pid_t *pids, int count)
{
	for (int i = 0; i < count; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void
put_the_same(int number)
{
	struct store *store = store_new(database);
	(void)number;
	for (int i = 0; i < 200; i++) {
		char key[16];
		snprintf(key, sizeof key, "%d", i);
		struct store_event event = event_of("orders", key, STORE_QUEUED);
		struct store_event *const events[] = { &event };
		enum store_result result = store_put(store, events, 1, deadline());
		if (result != STORE_OK)
			fprintf(stderr, "%s\n", store_reason(store));
		CHECK(result == STORE_OK);
		CHECK(event.put == STORE_ACCEPTED || event.put == STORE_DUPLICATE);
		CHECK(event.id > 0);
	}
	store_free(store);
}

static void
eight_processes_with_the_same_events_make_one_of_each(void **state)
{
	pid_t pids[8];
	(void)state;
	start_children(pids, 8, put_the_same); /* also: all of them begin the database */
	assert_all_good(pids, 8);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 200);
	assert_int_equal(raw_number("SELECT count(DISTINCT key) FROM detail"), 200);
	assert_int_equal(raw_number("SELECT count(*) FROM key"), 200);
	assert_counts_are_exact();
}

static void
put_claim_and_settle(int number)
{
	struct store *store = store_new(database);
	struct store_lane lane = { "orders", 1000, HOUR_MS };
	struct store_job job;
	int64_t next_due_ms;
	store_job_init(&job);
	for (int i = 0; i < 100; i++) {
		char key[32];
		snprintf(key, sizeof key, "%d/%d", number, i);
		struct store_event event = event_of("orders", key, STORE_QUEUED);
		struct store_event *const events[] = { &event };
		enum store_result result = store_put(store, events, 1, deadline());
		if (result != STORE_OK)
			fprintf(stderr, "%s\n", store_reason(store));
		CHECK(result == STORE_OK);
		CHECK(event.put == STORE_ACCEPTED);
		/* There is one for each: what is put before it is claimed. */
		CHECK(store_claim(store, &lane, 1, i & 1, clock_wall_ms(), &job, &next_due_ms) ==
			STORE_OK);
		CHECK(settle(store, job.id, 1, STORE_DONE, 0, NULL) == STORE_OK);
	}
	store_job_free(&job);
	store_free(store);
}

static void
busy_processes_all_get_through(void **state)
{
	pid_t pids[6];
	(void)state;
	start_children(pids, 6, put_claim_and_settle);
	assert_all_good(pids, 6);
	assert_int_equal(raw_number("SELECT count(*) FROM event WHERE state = 2"), 600);
	assert_int_equal(raw_number("SELECT count(*) FROM attempt"), 600); /* each once */
	assert_int_equal(raw_number("SELECT max(attempts) FROM event"), 1);
	assert_counts_are_exact();
}

static void
a_foreign_lock_is_waited_for_until_the_deadline(void **state)
{
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "b", STORE_QUEUED);
	struct store_event *const events[] = { &event };
	sqlite3 *db;
	(void)state;
	put_new(store, "orders", "a");
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_put(store, events, 1, clock_ms() + 50), STORE_BUSY);
	assert_contains(store_reason(store), "too long");
	assert_int_equal(store_put(store, events, 1, clock_ms() - 50), STORE_BUSY);
	assert_state(store, 1, STORE_QUEUED); /* readers do not wait */
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	store_free(store);
}

static void
a_turn_is_waited_for_until_the_deadline(void **state)
{
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "b", STORE_QUEUED);
	struct store_event *const events[] = { &event };
	sigset_t all, before;
	char path[160];
	(void)state;
	put_new(store, "orders", "a");
	int fd = open_turns();
	/* As in a server whose threads take no signals. */
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
	for (off_t byte = 0; byte < 2; byte++) {
		struct flock lock = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
		};
		assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
		assert_int_equal(store_put(store, events, 1, clock_ms() + 30), STORE_BUSY);
		assert_contains(store_reason(store), "writing");
		lock.l_type = F_UNLCK;
		assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	}
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	/* Neither lock was kept by the one that gave up. */
	struct flock both = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 2 };
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &both), 0);
	close(fd);
	assert_int_equal(put(store, &event), STORE_ACCEPTED);
	/* Without the lock file it goes on too. */
	snprintf(path, sizeof path, "%s-lock", database);
	store_free(store);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	store = store_new(database);
	put_new(store, "orders", "c");
	store_free(store);
}

/*
 * Claim and settle
 */

static void
events_run_in_the_order_of_their_arrival(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	int64_t ids[5], now = clock_wall_ms();
	(void)state;
	store_job_init(&job);
	for (int i = 0; i < 5; i++) {
		char key[16];
		snprintf(key, sizeof key, "%d", i);
		ids[i] = put_new(store, "orders", key);
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(claim(store, &job), ids[i]);
		/* One at once. */
		int64_t next_due_ms;
		assert_int_equal(claim_from(store, "orders", 1, true, now, &job, &next_due_ms), 0);
		assert_int_equal(next_due_ms, INT64_MAX);
		assert_ok(store, settle(store, ids[i], 1, STORE_DONE, 0, NULL));
	}
	assert_int_equal(claim(store, &job), 0);
	store_job_free(&job);
	store_free(store);
}

static void
lanes_are_served_by_the_age_of_their_events(void **state)
{
	struct store *store = store_new(database);
	struct store_lane lanes[] = { { "refunds", 1, HOUR_MS }, { "orders", 1, HOUR_MS },
		{ "unknown", 1, HOUR_MS } };
	struct store_job job;
	int64_t next_due_ms;
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "1");
	put_new(store, "refunds", "2");
	put_new(store, "orders", "3");
	put_new(store, "nobody's", "4");
	assert_ok(store, store_claim(store, lanes, 3, false, clock_wall_ms(), &job, &next_due_ms));
	assert_int_equal(job.id, 1);
	assert_ok(store, store_claim(store, lanes, 3, false, clock_wall_ms(), &job, &next_due_ms));
	assert_int_equal(job.id, 2); /* 3 waits for 1 */
	assert_string_equal(job.endpoint, "refunds");
	assert_int_equal(store_claim(store, lanes, 3, false, clock_wall_ms(), &job, &next_due_ms),
		STORE_NONE);
	assert_int_equal(store_claim(store, lanes, 0, false, clock_wall_ms(), &job, &next_due_ms),
		STORE_NONE);
	store_job_free(&job);
	store_free(store);
}

static void
a_retry_waits_until_it_is_due(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	int64_t now = clock_wall_ms(), next_due_ms, first, second;
	(void)state;
	store_job_init(&job);
	first = put_new(store, "orders", "a");
	second = put_new(store, "orders", "b");
	assert_int_equal(claim(store, &job), first);
	assert_ok(store, settle(store, first, 1, STORE_QUEUED, now + HOUR_MS, "exit 1"));
	assert_string_equal(show(store, first, NULL, NULL).reason, "exit 1");
	assert_int_equal(show(store, first, NULL, NULL).row.due_ms, now + HOUR_MS);
	assert_int_equal(claim(store, &job), second);
	assert_ok(store, settle(store, second, 1, STORE_QUEUED, now + 2 * HOUR_MS, "exit 1"));
	assert_int_equal(claim_from(store, "orders", 1, true, now, &job, &next_due_ms), 0);
	assert_int_equal(next_due_ms, now + HOUR_MS);
	assert_int_equal(
		claim_from(store, "orders", 1, true, now + HOUR_MS - 1, &job, &next_due_ms), 0);
	/* Of two that are due the one that was due first, and new ones do not starve it. */
	put_new(store, "orders", "c");
	assert_int_equal(
		claim_from(store, "orders", 1, true, now + 3 * HOUR_MS, &job, &next_due_ms), first);
	assert_int_equal(job.attempt, 2);
	assert_int_equal(job.failed, 1);
	assert_ok(store, settle(store, first, 2, STORE_DEAD, 0, "enough"));
	/* Nor does it starve new ones. */
	assert_int_equal(
		claim_from(store, "orders", 1, false, now + 3 * HOUR_MS, &job, &next_due_ms), 3);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
only_the_attempt_that_runs_is_settled(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	char attempts[500] = "";
	(void)state;
	store_job_init(&job);
	int64_t id = put_new(store, "orders", "a");
	assert_int_equal(settle(store, id, 1, STORE_DONE, 0, NULL), STORE_NONE); /* not begun */
	assert_int_equal(claim(store, &job), id);
	assert_int_equal(settle(store, id, 2, STORE_DONE, 0, NULL), STORE_NONE);
	assert_int_equal(settle(store, 99, 1, STORE_DONE, 0, NULL), STORE_NONE);
	raw("UPDATE event SET owner = 'another 1 1 1'");
	assert_int_equal(settle(store, id, 1, STORE_DONE, 0, NULL), STORE_NONE);
	assert_ok(store, store_attempts(store, id, see_attempt, attempts));
	assert_string_equal(attempts, "");
	assert_state(store, id, STORE_RUNNING);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
a_damaged_body_is_not_run(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	bool damaged = false;
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	put_new(store, "orders", "c");
	raw("UPDATE body SET body = CAST('hellp' AS BLOB) WHERE event = 1;"
	    "DELETE FROM body WHERE event = 2");
	assert_int_equal(claim(store, &job), 3);
	assert_string_equal(buf_text(&job.body), "hello");
	assert_state(store, 1, STORE_DEAD);
	assert_state(store, 2, STORE_DEAD);
	assert_contains(show(store, 1, &damaged, NULL).reason, "not the one that was accepted");
	assert_true(damaged);
	show(store, 2, &damaged, NULL);
	assert_true(damaged);
	show(store, 3, &damaged, NULL);
	assert_false(damaged);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
many_damaged_bodies_do_not_keep_the_others_waiting(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	int64_t next_due_ms, now = clock_wall_ms();
	char key[16];
	(void)state;
	store_job_init(&job);
	for (int i = 0; i < 11; i++) {
		snprintf(key, sizeof key, "%d", i);
		put_new(store, "orders", key);
	}
	raw("DELETE FROM body");
	assert_int_equal(claim_from(store, "orders", 1, false, now, &job, &next_due_ms), 0);
	assert_int_equal(next_due_ms, now);
	assert_state(store, 10, STORE_DEAD);
	assert_state(store, 11, STORE_QUEUED);
	assert_int_equal(claim_from(store, "orders", 1, false, now, &job, &next_due_ms), 0);
	assert_int_equal(next_due_ms, INT64_MAX);
	assert_state(store, 11, STORE_DEAD);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
a_look_for_what_is_due_takes_no_lock(void **state)
{
	struct store *store = watched_store();
	struct store_lane lanes[50];
	char names[50][32];
	struct store_job job;
	int64_t next_due_ms, now = clock_wall_ms();
	sqlite3 *db;
	(void)state;
	store_job_init(&job);
	for (int i = 0; i < 50; i++) {
		snprintf(names[i], sizeof names[i], "endpoint%d", i);
		lanes[i] = (struct store_lane){ names[i], 1, HOUR_MS };
		int64_t id = put_new(store, names[i], "a");
		assert_int_equal(claim_from(store, names[i], 1, false, now, &job, NULL), id);
		assert_ok(store, settle(store, id, 1, STORE_DONE, 0, NULL));
	}
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	watch();
	assert_int_equal(store_claim(store, lanes, 50, true, now, &job, &next_due_ms), STORE_NONE);
	assert_int_equal(watched.statements, 1);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	/* Nor does one more lane cost one that is due more. */
	put_new(store, names[40], "b");
	watch();
	assert_ok(store, store_claim(store, lanes, 50, false, now, &job, &next_due_ms));
	assert_int_equal(watched.statements, 10);
	store_job_free(&job);
	store_free(store);
}

static const struct store_attempt good_attempt = { .number = 1, .end = "exit" };

static enum store_result
settle_and_claim(struct store *store, int64_t id, enum store_state state,
	enum store_result *settled, struct store_job *job, int64_t *next_due_ms)
{
	struct store_lane lane = { "orders", 1, HOUR_MS };
	const struct store_lanes lanes = { &lane, 1, true };
	struct store_settlement settlement = { id, &good_attempt, state, 0, NULL, NULL, STORE_OK };
	struct store_claim claim = { NULL, *job };
	size_t claimed;
	enum store_result result = store_settle_and_claim(
		store, &settlement, 1, &lanes, clock_wall_ms(), &claim, 1, &claimed, next_due_ms);
	assert_int_equal(claimed, claim.job.id != 0);
	*job = claim.job;
	*settled = settlement.result;
	return result;
}

static void
a_result_and_the_next_claim_are_one_transaction(void **state)
{
	struct store *store = watched_store();
	enum store_result settled = STORE_FAILED;
	struct store_job job;
	int64_t next_due_ms;
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	assert_int_equal(claim(store, &job), 1);
	/* The lane has room again by the result. */
	watch();
	assert_ok(store, settle_and_claim(store, 1, STORE_DONE, &settled, &job, &next_due_ms));
	assert_int_equal(watched.commits, 1);
	assert_int_equal(settled, STORE_OK);
	assert_int_equal(job.id, 2);
	assert_string_equal(buf_text(&job.body), "hello");
	assert_state(store, 1, STORE_DONE);
	assert_state(store, 2, STORE_RUNNING);
	/* What the result queues is there for the claim. */
	assert_ok(store, settle_and_claim(store, 2, STORE_QUEUED, &settled, &job, &next_due_ms));
	assert_int_equal(settled, STORE_OK);
	assert_int_equal(job.id, 2);
	assert_int_equal(job.attempt, 2);
	/* Not ours, but another is due. */
	assert_ok(store, settle(store, 2, 2, STORE_DONE, 0, NULL));
	put_new(store, "orders", "c");
	assert_ok(store, settle_and_claim(store, 2, STORE_DONE, &settled, &job, &next_due_ms));
	assert_int_equal(settled, STORE_NONE);
	assert_contains(store_reason(store), "attempt 1 of event 2");
	assert_int_equal(job.id, 3);
	/* Nothing more is due: settled all the same. */
	assert_ok(store, settle_and_claim(store, 3, STORE_DONE, &settled, &job, &next_due_ms));
	assert_int_equal(settled, STORE_OK);
	assert_int_equal(next_due_ms, INT64_MAX);
	assert_int_equal(job.id, 0);
	assert_state(store, 3, STORE_DONE);
	/* Nothing of both when it fails. */
	put_new(store, "orders", "d");
	put_new(store, "orders", "e");
	assert_int_equal(claim(store, &job), 4);
	raw("CREATE TRIGGER boom BEFORE UPDATE ON event WHEN NEW.id = 5"
	    " BEGIN SELECT RAISE(ABORT, 'boom'); END");
	assert_int_equal(
		settle_and_claim(store, 4, STORE_DONE, &settled, &job, &next_due_ms), STORE_FAILED);
	assert_state(store, 4, STORE_RUNNING);
	assert_state(store, 5, STORE_QUEUED);
	assert_counts_are_exact();
	store_job_free(&job);
	store_free(store);
}

/* Until its end of the pipe is closed it lives, and says first how it names itself. */
static pid_t
fork_owner(const int talk[2], const int life[2], char name[OWNER_MAX])
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct owner self = { .pid = 0 };
		char text[OWNER_MAX] = "";
		snprintf(text, sizeof text, "%s", owner_of_this_process(&self));
		close(life[1]);
		_exit(write(talk[1], text, sizeof text) != sizeof text ||
			read(life[0], text, 1) != 0);
	}
	assert_int_equal(read(talk[0], name, OWNER_MAX), OWNER_MAX);
	return child;
}

static void
results_and_claims_of_several_owners_are_one_transaction(void **state)
{
	struct store *store = watched_store();
	struct store_lane lane = { "orders", 3, HOUR_MS };
	const struct store_lanes lanes = { &lane, 1, false };
	struct owner self = { .pid = 0 };
	char names[2][OWNER_MAX], named[OWNER_MAX];
	struct store_claim claims[4];
	int talk[2], life[2], status;
	int64_t next_due_ms;
	unsigned given;
	size_t claimed;
	pid_t child;
	(void)state;
	assert_int_equal(pipe(talk), 0);
	assert_int_equal(pipe(life), 0);
	child = fork_owner(talk, life, names[0]);
	owner_of_child(&self, child, named);
	assert_string_equal(named, names[0]);
	snprintf(names[1], OWNER_MAX, "%s", owner_of_this_process(&self));
	for (int i = 0; i < 4; i++) {
		store_job_init(&claims[i].job);
		claims[i].owner = names[i % 2];
	}
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	put_new(store, "orders", "c");
	put_new(store, "orders", "d");
	watch();
	assert_ok(store, store_settle_and_claim(store, NULL, 0, &lanes, clock_wall_ms(), claims, 4,
				 &claimed, &next_due_ms));
	assert_int_equal(watched.commits, 1);
	assert_int_equal(claimed, 3); /* the lane's concurrency */
	assert_int_equal(next_due_ms, INT64_MAX);
	for (int i = 0; i < 4; i++)
		assert_int_equal(claims[i].job.id, i < 3 ? i + 1 : 0);
	/* Only its owner's name settles an event; another one's room is given away. */
	struct store_settlement settlements[] = {
		{ 1, &good_attempt, STORE_DONE, 0, NULL, NULL, STORE_FAILED },
		{ 2, &good_attempt, STORE_DONE, 0, NULL, names[1], STORE_FAILED },
	};
	watch();
	assert_ok(store, store_settle_and_claim(store, settlements, 2, &lanes, clock_wall_ms(),
				 claims, 1, &claimed, &next_due_ms));
	assert_int_equal(watched.commits, 1);
	assert_int_equal(settlements[0].result, STORE_NONE);
	assert_int_equal(settlements[1].result, STORE_OK);
	assert_int_equal(claimed, 1);
	assert_int_equal(claims[0].job.id, 4);
	/* With its owner's end it is given back, and not before. */
	assert_ok(store, store_recover(store, clock_wall_ms(), HOUR_MS, &given));
	assert_int_equal(given, 0);
	close(life[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(store, store_recover(store, clock_wall_ms(), HOUR_MS, &given));
	assert_int_equal(given, 3);
	assert_state(store, 1, STORE_QUEUED);
	assert_state(store, 2, STORE_DONE);
	assert_counts_are_exact();
	for (int i = 0; i < 4; i++)
		store_job_free(&claims[i].job);
	close(talk[0]);
	close(talk[1]);
	close(life[0]);
	store_free(store);
}

static void
claims_of_large_bodies_end_a_transaction(void **state)
{
	struct store *store = watched_store();
	struct store_lane lane = { "orders", 8, HOUR_MS };
	const struct store_lanes lanes = { &lane, 1, false };
	struct store_claim claims[4];
	int64_t next_due_ms, now = clock_wall_ms();
	size_t claimed;
	(void)state;
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	put_new(store, "orders", "c");
	raw("UPDATE body SET body = zeroblob(2000000)");
	raw("UPDATE detail SET body_len = 2000000, digest = "
	    "x'13aea96040f2133033d103008d5d96cfe98b3361f7202d77bea97b2424a7a6cd'");
	for (int i = 0; i < 4; i++) {
		claims[i].owner = NULL;
		store_job_init(&claims[i].job);
	}
	assert_ok(store, store_settle_and_claim(
				 store, NULL, 0, &lanes, now, claims, 4, &claimed, &next_due_ms));
	assert_int_equal(claimed, 1);
	assert_int_equal(next_due_ms, now); /* there may be more */
	assert_ok(store, store_settle_and_claim(store, NULL, 0, &lanes, now, claims + 1, 1,
				 &claimed, &next_due_ms));
	assert_int_equal(claimed, 1);
	assert_int_equal(claims[1].job.id, 2);
	for (int i = 0; i < 4; i++)
		store_job_free(&claims[i].job);
	store_free(store);
}

static void
a_store_goes_on_after_it_was_disconnected(void **state)
{
	struct store *store = watched_store();
	struct store_job job;
	int status;
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	assert_int_equal(claim(store, &job), 1);
	store_disconnect(store);
	store_disconnect(store);
	/* A child has a store of its own. */
	pid_t child = fork();
	if (child == 0) {
		struct store *own = store_new(database);
		_exit(store_replay(own, 2, clock_wall_ms()) != STORE_OK);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(store, settle(store, 1, 1, STORE_DONE, 0, NULL));
	assert_int_equal(claim(store, &job), 2);
	store_job_free(&job);
	store_free(store);
}

/* A disk on which the log cannot be synced while sync_fails is set. */
static sqlite3_vfs failing_vfs;
static sqlite3_io_methods failing_methods;
static const sqlite3_vfs *real_vfs;
static int (*real_sync)(sqlite3_file *file, int flags);
static bool sync_fails;

static int
failing_sync(sqlite3_file *file, int flags)
{
	return sync_fails ? SQLITE_IOERR_FSYNC : real_sync(file, flags);
}

static int
failing_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *flags_out)
{
	int code = real_vfs->xOpen(vfs, name, file, flags, flags_out);
	if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
		failing_methods = *file->pMethods;
		real_sync = failing_methods.xSync;
		failing_methods.xSync = failing_sync;
		file->pMethods = &failing_methods;
	}
	return code;
}

/* Before the first connection: store_vfs.c stands on what is the default then. */
static int
put_failing_disk_below(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	failing_vfs = *real_vfs;
	failing_vfs.zName = "failing";
	failing_vfs.xOpen = failing_open;
	return sqlite3_vfs_register(&failing_vfs, 1);
}

static void
a_claim_whose_commit_failed_is_given_back(void **state)
{
	struct store *store = store_new(database);
	enum store_result settled;
	struct store_job job;
	int64_t next_due_ms;
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	assert_int_equal(claim(store, &job), 1);
	sync_fails = true;
	assert_int_equal(
		settle_and_claim(store, 1, STORE_DONE, &settled, &job, &next_due_ms), STORE_FAILED);
	assert_contains(store_reason(store), "disk");
	sync_fails = false;
	/* Both are in the log for who opens it next: the result is good, the claim nobody's. */
	assert_int_equal(claim(store, &job), 2);
	assert_int_equal(job.attempt, 2);
	assert_int_equal(job.failed, 0);
	assert_state(store, 1, STORE_DONE);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
results_and_events_share_a_transaction(void **state)
{
	struct store *store = watched_store();
	struct store_event waited[3], again, fresh = event_of("orders", "new", STORE_QUEUED);
	struct store_event *const first[] = { &waited[0], &waited[1], &waited[2] };
	struct store_event *const second[] = { &again, &fresh };
	struct store_settlement settlements[4];
	const struct store_batch batch = { settlements, 4, second, 2 };
	(void)state;
	waited[0] = event_of("orders", "a", STORE_RUNNING);
	waited[1] = event_of("orders", "b", STORE_RUNNING);
	waited[2] = event_of("refunds", "c", STORE_RUNNING);
	again = event_of("orders", "b", STORE_RUNNING);
	assert_ok(store, store_put(store, first, 3, deadline()));
	for (int i = 0; i < 4; i++)
		settlements[i] = (struct store_settlement){ i + 1, &good_attempt,
			i == 1 ? STORE_DEAD : STORE_DONE, 0, i == 1 ? "no" : NULL, NULL,
			STORE_FAILED };
	/* All or nothing. */
	raw("CREATE TRIGGER boom BEFORE INSERT ON body WHEN NEW.event = 4"
	    " BEGIN SELECT RAISE(ABORT, 'boom'); END");
	assert_int_equal(store_write(store, &batch, NULL, NULL, deadline()), STORE_FAILED);
	for (int i = 1; i <= 3; i++)
		assert_state(store, i, STORE_RUNNING);
	raw("DROP TRIGGER boom");
	store_free(store);

	store = watched_store();
	watch();
	assert_ok(store, store_write(store, &batch, NULL, NULL, deadline()));
	assert_int_equal(watched.commits, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(settlements[i].result, i < 3 ? STORE_OK : STORE_NONE);
	assert_state(store, 1, STORE_DONE);
	assert_state(store, 3, STORE_DONE);
	/* The result came first: what has just failed runs again. */
	assert_int_equal(again.put, STORE_REQUEUED);
	assert_int_equal(again.id, 2);
	assert_int_equal(again.attempt, 2);
	assert_state(store, 2, STORE_RUNNING);
	assert_int_equal(fresh.put, STORE_ACCEPTED);
	assert_int_equal(fresh.id, 4);
	assert_ok(store, store_settle_all(store, settlements, 2));
	assert_int_equal(settlements[0].result, STORE_NONE); /* once */
	assert_int_equal(settlements[1].result, STORE_NONE); /* the first attempt is over */
	store_free(store);
	assert_counts_are_exact();
}

/* What comes for a transaction that is open. */
struct company {
	struct store_event *const *events;
	size_t count, given;
	int turn; /* >= 0: by then another writer waits for its turn, with this descriptor */
};

static bool
give_one(void *context, struct store_batch *out)
{
	struct flock queue = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct company *company = context;
	if (company->given == company->count)
		return false;
	if (company->turn >= 0)
		assert_int_equal(fcntl(company->turn, F_OFD_SETLK, &queue), 0);
	*out = (struct store_batch){ .events = &company->events[company->given++],
		.event_count = 1 };
	return true;
}

static void
an_open_transaction_takes_more(void **state)
{
	struct store *store = watched_store();
	struct store_event a = event_of("orders", "a", STORE_QUEUED);
	struct store_event b = event_of("orders", "b", STORE_QUEUED);
	struct store_event again = event_of("orders", "a", STORE_QUEUED);
	struct store_event *const events[] = { &a, &b, &again };
	const struct store_batch first = { .events = events, .event_count = 1 };
	struct company company = { &events[1], 2, 0, -1 };
	(void)state;
	/* All or nothing. */
	raw("CREATE TRIGGER boom BEFORE INSERT ON body WHEN NEW.event = 2"
	    " BEGIN SELECT RAISE(ABORT, 'boom'); END");
	assert_int_equal(store_write(store, &first, give_one, &company, deadline()), STORE_FAILED);
	assert_int_equal(company.given, 1); /* nothing more is asked for */
	raw("DROP TRIGGER boom");
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 0);
	store_free(store);

	store = watched_store();
	watch();
	company.given = 0;
	assert_ok(store, store_write(store, &first, give_one, &company, deadline()));
	assert_int_equal(watched.commits, 1);
	assert_int_equal(company.given, 2);
	assert_int_equal(a.id, 1);
	assert_int_equal(b.id, 2);
	assert_int_equal(again.put, STORE_DUPLICATE);
	assert_int_equal(again.id, 1);
	store_free(store);
	assert_counts_are_exact();
}

/* Who lingers does so at nobody's expense. */
static void
an_open_transaction_ends_when_another_writer_waits(void **state)
{
	struct store *store = store_new(database);
	struct store_event a = event_of("orders", "a", STORE_QUEUED);
	struct store_event b = event_of("orders", "b", STORE_QUEUED);
	struct store_event c = event_of("orders", "c", STORE_QUEUED);
	struct store_event *const events[] = { &a, &b, &c };
	const struct store_batch first = { .events = events, .event_count = 1 };
	struct company company = { &events[1], 2, 0, -1 };
	(void)state;
	put_new(store, "orders", "first");
	company.turn = open_turns();
	assert_ok(store, store_write(store, &first, give_one, &company, deadline()));
	assert_int_equal(company.given, 1);
	assert_int_equal(b.put, STORE_ACCEPTED);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 3);
	close(company.turn);
	store_free(store);
}

/*
 * Recover
 */

static int ready_pipe[2];

/* Claim one, put one for which its sender waits, and stay. */
static void
claim_and_stay(void)
{
	struct store *store = store_new(database);
	struct store_lane lane = { "orders", 2, 1 };
	struct store_event waited = event_of("waited", "w", STORE_RUNNING);
	struct store_event *const events[] = { &waited };
	struct store_job job;
	int64_t next_due_ms;
	store_job_init(&job);
	CHECK(store_claim(store, &lane, 1, false, clock_wall_ms(), &job, &next_due_ms) == STORE_OK);
	CHECK(store_put(store, events, 1, deadline()) == STORE_OK);
	CHECK(waited.attempt == 1);
	CHECK(write(ready_pipe[1], "x", 1) == 1);
	for (;;)
		pause();
}

static void
what_a_killed_process_had_is_given_back(void **state)
{
	struct store *store;
	struct store_job job;
	unsigned count = 99;
	char byte, attempts[500] = "";
	siginfo_t info;
	(void)state;
	store_job_init(&job);
	store = store_new(database);
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	store_free(store);
	assert_int_equal(pipe(ready_pipe), 0);
	pid_t pid = fork();
	if (pid == 0)
		claim_and_stay();
	assert_int_equal(read(ready_pipe[0], &byte, 1), 1);
	store = store_new(database);
	/* It lives, so the lease is not asked, however long ago it ended. */
	assert_ok(store, store_recover(store, clock_wall_ms() + 100 * DAY_MS, DAY_MS, &count));
	assert_int_equal(count, 0);
	assert_state(store, 1, STORE_RUNNING);
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	/* A zombie runs nothing any more; and what the clock says does not matter. */
	assert_ok(store, store_recover(store, 1000, DAY_MS * 10000, &count));
	assert_int_equal(count, 2);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_state(store, 1, STORE_QUEUED);
	assert_state(store, 3, STORE_DEAD);
	assert_contains(show(store, 3, NULL, NULL).reason, "ended");
	assert_ok(store, store_attempts(store, 1, see_attempt, attempts));
	assert_string_equal(attempts, "1 lost 0 0;");
	assert_ok(store, store_recover(store, clock_wall_ms(), DAY_MS, &count));
	assert_int_equal(count, 0);
	/* In its old place; a lost attempt is none that failed. */
	assert_int_equal(claim(store, &job), 1);
	assert_int_equal(job.attempt, 2);
	assert_int_equal(job.failed, 0);
	/* What its sender sends again runs. */
	struct store_event waited = event_of("waited", "w", STORE_RUNNING);
	assert_int_equal(put(store, &waited), STORE_REQUEUED);
	assert_int_equal(waited.attempt, 2);
	store_job_free(&job);
	store_free(store);
	close(ready_pipe[0]);
	close(ready_pipe[1]);
	assert_counts_are_exact();
}

static void
where_the_process_cannot_be_asked_the_lease_decides(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	unsigned count = 99;
	int64_t now = clock_wall_ms();
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "a");
	assert_int_equal(claim_from(store, "orders", 1, false, now, &job, NULL), 1);
	raw("UPDATE event SET owner = (SELECT substr(owner, 1, instr(owner, ' ')) FROM event)"
	    " || 'pid:[1] 1 1'");
	assert_ok(store, store_recover(store, now + HOUR_MS - 1, DAY_MS, &count));
	assert_int_equal(count, 0);
	assert_ok(store, store_recover(store, now + HOUR_MS, DAY_MS, &count));
	assert_int_equal(count, 1);
	/* Of before this machine's start: dead, whatever the lease is. */
	assert_int_equal(claim_from(store, "orders", 1, false, now, &job, NULL), 1);
	raw("UPDATE event SET owner = 'other-boot pid:[1] 1 1'");
	assert_ok(store, store_recover(store, now, DAY_MS, &count));
	assert_int_equal(count, 1);
	/* The number of the process was given to another one. */
	assert_int_equal(claim_from(store, "orders", 1, false, now, &job, NULL), 1);
	raw("UPDATE event SET owner = owner || '1'");
	assert_ok(store, store_recover(store, now, DAY_MS, &count));
	assert_int_equal(count, 1);
	assert_state(store, 1, STORE_QUEUED);
	store_job_free(&job);
	store_free(store);
}

/* The clock as it is set: what it shows at the start of the machine, which was so long ago. */
static unsigned
heed_clock(struct store *store, int64_t was_ms, int64_t boot_ms, int64_t booted_ms)
{
	unsigned count = 99;
	int64_t heeded = booted_ms;
	assert_ok(store, store_heed_clock(store, was_ms, boot_ms, &heeded, &count));
	assert_int_equal(heeded, booted_ms);
	return count;
}

static void
assert_booted(struct store *store, int64_t expected)
{
	int64_t booted = 0;
	assert_ok(store, store_booted(store, &booted));
	assert_int_equal(booted, expected);
	assert_int_equal(raw_number("SELECT count(*) FROM boot"), 1);
}

static void
when_the_clock_was_set_waits_go_on(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	unsigned count;
	int64_t now = clock_wall_ms(), booted = 0, start = now - DAY_MS;
	(void)state;
	store_job_init(&job);
	for (int i = 0; i < 5; i++)
		put_new(store, "orders", (char[]){ (char)('a' + i), '\0' });
	/* Put off now; put off before the machine was started, or by a clock that was ahead; at once; new. */
	for (int64_t id = 1; id <= 4; id++) {
		assert_int_equal(claim(store, &job), id);
		assert_ok(store,
			settle(store, id, 1, STORE_QUEUED, id == 4 ? 0 : now + HOUR_MS, "later"));
	}
	raw("UPDATE event SET changed = 1000 WHERE id = 2");
	raw("UPDATE event SET changed = changed + 7200000 WHERE id = 3");
	/* The machine was started a day ago; and an hour later the clock is set back by two. */
	assert_int_equal(store_booted(store, &booted), STORE_NONE);
	assert_int_equal(heed_clock(store, start, DAY_MS, start), 0);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 1"), now + HOUR_MS);
	assert_booted(store, start);
	assert_int_equal(heed_clock(store, start, DAY_MS + HOUR_MS, start - 2 * HOUR_MS), 1);
	assert_booted(store, start - 2 * HOUR_MS);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 1"), now - HOUR_MS);
	assert_in_range(raw_number("SELECT changed FROM event WHERE id = 1"), now - 2 * HOUR_MS,
		now - HOUR_MS);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 2"), now + HOUR_MS);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 3"), now + HOUR_MS);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 4"), 1);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 5"), 0);
	/* Once: also for who did not see that it was kept. */
	assert_int_equal(heed_clock(store, start, DAY_MS + HOUR_MS, start - 2 * HOUR_MS), 0);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 1"), now - HOUR_MS);
	/* What differs by less is the same clock. */
	booted = start - 2 * HOUR_MS + 999;
	assert_ok(store, store_heed_clock(store, booted, DAY_MS, &booted, &count));
	assert_int_equal(booted, start - 2 * HOUR_MS);
	assert_int_equal(count, 0);
	/* And ahead again: it is known as one that was put off by this clock. */
	assert_int_equal(heed_clock(store, 0, DAY_MS + HOUR_MS, start), 1);
	assert_int_equal(raw_number("SELECT due FROM event WHERE id = 1"), now + HOUR_MS);
	/* Another start of the machine, or another machine; a damaged number. */
	raw("UPDATE boot SET machine = 'other'");
	assert_int_equal(store_booted(store, &booted), STORE_NONE);
	assert_int_equal(heed_clock(store, now, 0, now), 0);
	assert_booted(store, now);
	raw("UPDATE boot SET wall = -9223372036854775807");
	assert_int_equal(store_booted(store, &booted), STORE_NONE);
	assert_int_equal(heed_clock(store, now, 0, now), 0);
	assert_booted(store, now);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
recover_and_say(struct store *store, const char *part)
{
	unsigned count = 99;
	assert_ok(store, store_recover(store, clock_wall_ms(), DAY_MS, &count));
	assert_int_equal(count, 0);
	if (part == NULL)
		assert_string_equal(store_reason(store), "");
	else
		assert_contains(store_reason(store), part);
}

static void
damaged_numbers_of_an_endpoint_are_mended(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	put_new(store, "others", "c");
	assert_int_equal(claim(store, &job), 1);
	recover_and_say(store, NULL);
	raw("UPDATE endpoint SET running = running + 4398046511104 WHERE name = 'orders'");
	assert_int_equal(claim(store, &job), 0);
	recover_and_say(store, "running");
	assert_counts_are_exact();
	recover_and_say(store, NULL);
	raw("UPDATE endpoint SET running = -1 - 9223372036854775807");
	recover_and_say(store, "endpoint orders");
	assert_counts_are_exact();
	/* What is queued may be many: counted once. */
	raw("UPDATE endpoint SET queued = queued + 4398046511104");
	recover_and_say(store, NULL);
	store_free(store);
	store = store_new(database);
	recover_and_say(store, "queued");
	assert_counts_are_exact();
	store_free(store);
	raw("UPDATE endpoint SET queued = 9223372036854775807 WHERE name = 'others'");
	store = store_new(database);
	recover_and_say(store, "endpoint others");
	assert_counts_are_exact();
	recover_and_say(store, NULL);
	store_job_free(&job);
	store_free(store);
}

static void
counting_takes_no_lock(void **state)
{
	struct store *store = store_new(database);
	sqlite3 *db;
	unsigned count;
	(void)state;
	put_new(store, "orders", "a");
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	int64_t began = clock_ms();
	assert_ok(store, store_recover(store, clock_wall_ms(), DAY_MS, &count));
	assert_true(clock_ms() - began < 2000);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	store_free(store);
}

static void
a_clock_that_is_set_back_delays_no_retry(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	unsigned count;
	int64_t now = clock_wall_ms();
	(void)state;
	store_job_init(&job);
	put_new(store, "orders", "a");
	put_new(store, "orders", "b");
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(claim(store, &job), i);
		assert_ok(store, settle(store, i, 1, STORE_QUEUED,
					 now + (i == 1 ? 400 * DAY_MS : HOUR_MS), "no"));
	}
	assert_ok(store, store_recover(store, now, DAY_MS, &count));
	assert_int_equal(show(store, 2, NULL, NULL).row.due_ms, now + HOUR_MS);
	assert_int_equal(claim_from(store, "orders", 1, false, now, &job, NULL), 1);
	store_job_free(&job);
	store_free(store);
}

/*
 * The ledger
 */

static unsigned
list(struct store *store, const struct store_filter *filter, struct seen *seen)
{
	*seen = (struct seen){ .stop_after = seen->stop_after };
	assert_ok(store, store_list(store, filter, see, seen));
	return seen->count;
}

static void
a_list_is_filtered_and_ordered(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	struct seen seen = { .count = 0 };
	(void)state;
	store_job_init(&job);
	for (int i = 1; i <= 6; i++) {
		char key[16];
		snprintf(key, sizeof key, "%d", i);
		struct store_event event = event_of(i % 2 ? "orders" : "refunds", key,
			i == 3 || i == 6 ? STORE_DEAD : STORE_QUEUED);
		event.received_ms = 1000 * i;
		event.type = text(i == 5 ? "order.refund" : "order.paid");
		put(store, &event);
	}
	assert_int_equal(claim(store, &job), 1);
	assert_ok(store, settle(store, 1, 1, STORE_DONE, 0, NULL));
	assert_int_equal(claim(store, &job), 5);
	static const struct {
		struct store_filter filter;
		int64_t ids[7];
	} cases[] = {
		{ { .limit = 0 }, { 6, 5, 4, 3, 2, 1 } },
		{ { .oldest_first = true }, { 1, 2, 3, 4, 5, 6 } },
		{ { .limit = 2 }, { 6, 5 } },
		{ { .limit = 2, .oldest_first = true, .after_id = 2 }, { 3, 4 } },
		{ { .endpoint = "orders" }, { 5, 3, 1 } },
		{ { .endpoint = "orders", .oldest_first = true, .after_id = 1 }, { 3, 5 } },
		{ { .endpoint = "none" }, { 0 } },
		{ { .has_state = true, .state = STORE_QUEUED }, { 4, 2 } },
		{ { .has_state = true, .state = STORE_QUEUED, .oldest_first = true }, { 2, 4 } },
		{ { .has_state = true, .state = STORE_RUNNING }, { 5 } },
		{ { .has_state = true, .state = STORE_DONE }, { 1 } },
		{ { .has_state = true, .state = STORE_DEAD }, { 6, 3 } },
		{ { .has_state = true, .state = STORE_DEAD, .endpoint = "orders" }, { 3 } },
		{ { .has_state = true, .state = STORE_DEAD, .oldest_first = true, .limit = 1 },
			{ 3 } },
		{ { .type = "order.ref*" }, { 5 } },
		{ { .type = "*.paid", .limit = 1, .oldest_first = true }, { 1 } },
		{ { .since_ms = 4000 }, { 6, 5, 4 } },
		{ { .since_ms = 4000, .type = "*.paid", .endpoint = "refunds" }, { 6, 4 } },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		unsigned expected = 0;
		list(store, &cases[i].filter, &seen);
		while (cases[i].ids[expected] != 0)
			expected++;
		if (seen.count != expected ||
			memcmp(seen.ids, cases[i].ids, expected * sizeof seen.ids[0]) != 0)
			fail_msg("case %zu: %u rows, the first is %" PRId64, i, seen.count,
				seen.ids[0]);
	}
	seen.stop_after = 3;
	assert_int_equal(list(store, &cases[0].filter, &seen), 3);
	struct totals totals = { .attempts = 0 };
	assert_ok(store, store_stats(store, add_count, &totals));
	assert_int_equal(totals.events[STORE_QUEUED], 2);
	assert_int_equal(totals.events[STORE_RUNNING], 1);
	assert_int_equal(totals.events[STORE_DONE], 1);
	assert_int_equal(totals.events[STORE_DEAD], 2);
	assert_int_equal(totals.oldest[STORE_QUEUED], 2000);
	assert_int_equal(totals.oldest[STORE_RUNNING], 5000);
	assert_int_equal(totals.oldest[STORE_DONE], 1000);
	assert_int_equal(totals.attempts, 1);
	assert_int_equal(totals.failed, 0);
	store_job_free(&job);
	store_free(store);
}

static int64_t steps;

static int
count_steps(unsigned kind, void *context, void *statement, void *time)
{
	(void)kind;
	(void)context;
	(void)time;
	steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
	return 0;
}

static int
watch_steps(sqlite3 *db, char **error, const struct sqlite3_api_routines *api)
{
	(void)error;
	(void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_steps, NULL);
}

static bool
count_row(void *context, const struct store_row *row)
{
	(void)row;
	++*(unsigned *)context;
	return true;
}

/* Whatever else there is in the store, and how much of what is asked for. */
static void
a_list_of_the_newest_looks_at_few(void **state)
{
	static const char *const endpoints[] = { NULL, "orders", "returns", "none" };
	char key[16];
	(void)state;
	assert_int_equal(sqlite3_auto_extension((void (*)(void))watch_steps), SQLITE_OK);
	struct store *store = store_new(database);
	assert_ok(store, store_ready(store));
	sqlite3_cancel_auto_extension((void (*)(void))watch_steps);
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof key, "%d", i);
		put_new(store, i % 3 == 0 ? "returns" : "orders", key);
	}
	raw("UPDATE event SET state = CASE WHEN id > 2000 THEN 0 WHEN id > 1000 THEN 2 ELSE 3 END,"
	    " age = 3000 - id");
	raw("UPDATE endpoint SET (queued, done, dead) = (SELECT total(state = 0), total(state = 2),"
	    " total(state = 3) FROM event WHERE endpoint = endpoint.id)");
	assert_counts_are_exact();
	/* More than are sorted; it costs too much to have so many here. */
	raw("UPDATE endpoint SET queued = queued + 100000");
	for (size_t i = 0; i < 4 * 5; i++) {
		struct store_filter filter = { .endpoint = endpoints[i / 5],
			.has_state = i % 5 > 0,
			.state = (enum store_state)(i % 5 > 0 ? i % 5 - 1 : 0),
			.limit = 10 };
		unsigned rows = 0;
		bool is_there = i / 5 < 3 && filter.state != STORE_RUNNING;
		steps = 0;
		assert_ok(store, store_list(store, &filter, count_row, &rows));
		assert_int_equal(rows, is_there ? 10 : 0);
		assert_true(steps > 0);
		if (steps > 2000)
			fail_msg("%s, state %d: %" PRId64 " steps",
				filter.endpoint != NULL ? filter.endpoint : "all", (int)(i % 5) - 1,
				steps);
	}
	store_free(store);
}

static void
an_event_is_replayed(void **state)
{
	struct store *store = store_new(database);
	struct store_job job;
	int64_t now = clock_wall_ms(), id;
	(void)state;
	store_job_init(&job);
	id = put_new(store, "orders", "a");
	assert_int_equal(store_replay(store, 99, now), STORE_NONE);
	assert_contains(store_reason(store), "99");
	assert_int_equal(claim(store, &job), id);
	assert_int_equal(store_replay(store, id, now), STORE_BUSY);
	assert_contains(store_reason(store), "running");
	assert_ok(store, settle(store, id, 1, STORE_QUEUED, now + HOUR_MS, "no"));
	assert_int_equal(claim(store, &job), 0);
	assert_ok(store, store_replay(store, id, now)); /* a waiting one */
	assert_int_equal(claim(store, &job), id);
	assert_int_equal(job.attempt, 2);
	assert_int_equal(job.failed, 0);
	assert_ok(store, settle(store, id, 2, STORE_DEAD, 0, "enough"));
	assert_ok(store, store_replay(store, id, now));
	assert_string_equal(show(store, id, NULL, NULL).reason, "");
	assert_int_equal(claim(store, &job), id);
	assert_ok(store, settle(store, id, 3, STORE_DONE, 0, NULL));
	assert_ok(store, store_replay(store, id, now));
	assert_int_equal(show(store, id, NULL, NULL).row.due_ms, 0);
	assert_int_equal(claim(store, &job), id);
	assert_int_equal(job.attempt, 4);
	store_job_free(&job);
	store_free(store);
	assert_counts_are_exact();
}

static void
finish_all(struct store *store, int count, enum store_state state)
{
	struct store_job job;
	char key[16];
	store_job_init(&job);
	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof key, "%d/%d", (int)state, i);
		put_new(store, "orders", key);
		int64_t id = claim(store, &job);
		assert_true(id > 0);
		assert_ok(store, settle(store, id, 1, state, 0, NULL));
	}
	store_job_free(&job);
}

/* Call it until there is no more; how many rows went. */
static unsigned
prune(struct store *store, const struct store_retention *retention, int64_t now, unsigned rows)
{
	const struct store_step step = { rows, HOUR_MS };
	unsigned removed, total = 0, calls = 0;
	bool more;
	do {
		assert_ok(store, store_prune(store, retention, now, &step, &removed, &more));
		assert_true(removed <= rows + 4); /* a whole event at a time */
		total += removed;
		assert_true(++calls < 1000);
	} while (more);
	return total;
}

static void
what_is_over_its_time_goes_in_steps(void **state)
{
	static const struct store_retention retention = { 3 * DAY_MS, DAY_MS + HOUR_MS,
		5 * DAY_MS };
	struct store *store = store_new(database);
	struct store_event again = event_of("orders", "2/0", STORE_QUEUED);
	int64_t now = clock_wall_ms();
	(void)state;
	finish_all(store, 20, STORE_DONE);
	finish_all(store, 5, STORE_DEAD);
	put_new(store, "orders", "waiting");
	now = clock_wall_ms();
	assert_int_equal(prune(store, &retention, now, 10), 0);
	/* A clock that jumps a year ahead: a day. */
	now += 365 * DAY_MS;
	assert_int_equal(prune(store, &retention, now, 10), 0);
	/* And back, and ahead again. */
	assert_int_equal(prune(store, &retention, now - 700 * DAY_MS, 10), 0);
	now = now - 700 * DAY_MS;
	now += 12 * HOUR_MS;
	assert_int_equal(prune(store, &retention, now, 10), 20); /* bodies of done ones */
	assert_int_equal(raw_number("SELECT count(*) FROM body"), 6);
	assert_int_equal(show(store, 1, NULL, NULL).row.body_len, -1);
	assert_int_equal(store_replay(store, 1, now), STORE_FAILED);
	assert_contains(store_reason(store), "dropped");
	assert_int_equal(prune(store, &retention, now, 10), 0);
	now += DAY_MS;
	assert_int_equal(prune(store, &retention, now, 10), 0);
	now += DAY_MS;
	/* Events, details, attempts, and the bodies of dead ones. */
	assert_int_equal(prune(store, &retention, now, 10), 25 * 3 + 5);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 1);
	/* The keys know them still. */
	assert_int_equal(put(store, &again), STORE_DUPLICATE);
	assert_int_equal(again.id, 1);
	/* But what was never handled may come again. */
	assert_int_equal(put_new(store, "orders", "3/0"), 27);
	now += DAY_MS;
	assert_int_equal(prune(store, &retention, now, 10), 0);
	now += DAY_MS;
	assert_int_equal(prune(store, &retention, now, 10), 20);
	assert_int_equal(raw_number("SELECT count(*) FROM key"), 2);
	assert_int_equal(put(store, &again), STORE_ACCEPTED);
	assert_int_equal(again.id, 28); /* a number is never given twice */
	store_free(store);
	assert_counts_are_exact();
}

static void
a_step_without_time_removes_one_event(void **state)
{
	static const struct store_retention all = { 0, 0, STORE_KEEP_KEY_MS },
					    bodies = { DAY_MS, 0, STORE_KEEP_KEY_MS };
	static const struct store_step no_time = { 1000, 0 };
	struct store *store = store_new(database);
	unsigned removed;
	bool more;
	(void)state;
	finish_all(store, 3, STORE_DONE);
	int64_t now = clock_wall_ms() + 5;
	for (int i = 0; i < 2; i++) {
		assert_ok(store, store_prune(store, &bodies, now, &no_time, &removed, &more));
		assert_int_equal(removed, 1);
		assert_true(more);
	}
	/* Of the first two the bodies are gone. */
	for (unsigned i = 0; i < 3; i++) {
		assert_ok(store, store_prune(store, &all, now, &no_time, &removed, &more));
		assert_int_equal(removed, i < 2 ? 3 : 4);
		assert_int_equal(raw_number("SELECT count(*) FROM event"), 2 - i);
		assert_true(more);
	}
	assert_ok(store, store_prune(store, &all, now, &no_time, &removed, &more));
	assert_int_equal(removed, 0);
	assert_false(more);
	store_free(store);
	assert_counts_are_exact();
}

/* Whoever puts the next event would copy what retention has written. */
static void
retention_copies_the_log_before_it_is_long(void **state)
{
	static const struct store_retention none = { DAY_MS, DAY_MS, DAY_MS };
	static const struct store_step step = STORE_PRUNE_STEP;
	struct store *store = store_new(database), *pruner = store_new(database);
	unsigned removed;
	bool more;
	(void)state;
	put_new(store, "orders", "a");
	fill_log(store, STORE_LOG_LONG / 2 + 100);
	put_new(store, "orders", "b");
	assert_true(store_log_frames(store) > STORE_LOG_LONG / 2);
	assert_ok(pruner, store_prune(pruner, &none, clock_wall_ms(), &step, &removed, &more));
	put_new(store, "orders", "c");
	assert_in_range(store_log_frames(store), 1, 100);
	store_free(pruner);
	store_free(store);
	assert_counts_are_exact();
}

static void
the_last_number_outlives_its_event(void **state)
{
	struct store *store = store_new(database);
	static const struct store_retention nothing = { 0, 0, 0 };
	int64_t id = 99;
	(void)state;
	assert_ok(store, store_last_id(store, &id));
	assert_int_equal(id, 0);
	finish_all(store, 3, STORE_DONE);
	prune(store, &nothing, clock_wall_ms() + 5, 100);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 0);
	assert_ok(store, store_last_id(store, &id));
	assert_int_equal(id, 3);
	store_free(store);
}

static void
no_number_is_given_again(void **state)
{
	static const struct store_retention nothing = { 0, 0, 0 };
	struct store *store = store_new(database);
	struct store_event event = event_of("orders", "a", STORE_DEAD);
	int64_t id;
	(void)state;
	finish_all(store, 3, STORE_DONE);
	put(store, &event);
	assert_int_equal(event.id, 4);
	/* The newest goes and older ones stay; twice, with another connection. */
	raw("UPDATE event SET age = age + 1000000000 WHERE id < 4");
	for (int i = 0; i < 2; i++) {
		prune(store, &nothing, clock_wall_ms() + 5, 100);
		assert_int_equal(raw_number("SELECT max(id) FROM event"), 3);
		assert_ok(store, store_last_id(store, &id));
		assert_int_equal(id, 4 + i);
		store_free(store);
		store = store_new(database);
		put(store, &event);
		assert_int_equal(event.put, STORE_ACCEPTED);
		assert_int_equal(event.id, 5 + i);
	}
	/* All of them go. */
	raw("UPDATE event SET age = 0");
	prune(store, &nothing, clock_wall_ms() + 5, 100);
	assert_int_equal(raw_number("SELECT count(*) FROM event"), 0);
	assert_int_equal(put_new(store, "orders", "b"), 7);
	store_free(store);
	assert_counts_are_exact();
}

static void
states_have_names(void **state)
{
	enum store_state found;
	(void)state;
	for (int i = STORE_QUEUED; i <= STORE_DEAD; i++) {
		assert_true(store_state_find(store_state_name((enum store_state)i), &found));
		assert_int_equal(found, i);
	}
	assert_false(store_state_find("Done", &found));
	assert_false(store_state_find("", &found));
}

/*
 * Disks
 */

/* Put until there is no room, and again when there is. */
static void
fill_up(void (*make_room)(void))
{
	static char body[20000];
	struct store *store = store_new(database);
	struct store_event event;
	struct store_event *const events[] = { &event };
	int64_t good = 0, last = -1;
	enum store_result result = STORE_OK;
	char key[16];
	memset(body, 'b', sizeof body);
	for (int i = 0; i < 2000 && result == STORE_OK; i++) {
		snprintf(key, sizeof key, "%d", i);
		event = event_of("orders", key, STORE_QUEUED);
		event.body = (struct slice){ body, sizeof body };
		result = store_put(store, events, 1, deadline());
		good += result == STORE_OK;
	}
	CHECK(good > 3);
	if (result != STORE_FULL)
		fprintf(stderr, "%s\n", store_reason(store));
	CHECK(result == STORE_FULL);
	CHECK(strstr(store_reason(store), "no room") != NULL);
	make_room();
	event = event_of("orders", "after", STORE_QUEUED);
	result = store_put(store, events, 1, deadline());
	if (result != STORE_OK)
		fprintf(stderr, "%s\n", store_reason(store));
	CHECK(result == STORE_OK);
	CHECK(event.put == STORE_ACCEPTED);
	CHECK(store_last_id(store, &last) == STORE_OK);
	CHECK(last >= good + 1);
	store_free(store);
}

static void
no_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void
fill_up_the_limit(void)
{
	struct rlimit limit;
	signal(SIGXFSZ, SIG_IGN);
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = 300 * 1024;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	fill_up(no_limit);
}

static void
a_limit_of_file_size_is_a_full_disk(void **state)
{
	(void)state;
	assert_true(in_child(fill_up_the_limit));
	assert_int_equal(raw_number("SELECT count(*) FROM pragma_integrity_check WHERE "
				    "integrity_check = 'ok'"),
		1);
	assert_counts_are_exact();
}

static char filler[160];

static void
remove_filler(void)
{
	CHECK(unlink(filler) == 0);
}

static void
fill_up_a_disk(void)
{
	static char block[64 * 1024];
	char folder[128];
	snprintf(folder, sizeof folder, "%s/folder", scratch);
	CHECK(mkdir(folder, 0700) == 0);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", folder, "tmpfs", 0, "size=640k") == 0);
	snprintf(filler, sizeof filler, "%s/filler", folder);
	int fd = open(filler, O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, block, sizeof block) == (ssize_t)sizeof block);
	close(fd);
	fill_up(remove_filler);
	assert_counts_are_exact();
}

static void
a_full_disk_is_said_and_left_behind(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(in_child(fill_up_a_disk));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(states_have_names),
		TEST(the_database_is_made_for_its_owner_alone),
		TEST(no_statement_scans_the_events),
		TEST(each_commit_is_synced),
		TEST(what_is_not_ours_is_refused_and_left_alone),
		TEST(database_of_an_earlier_version_is_brought_up_to_date),
		TEST(a_database_that_is_moved_away_is_noticed),
		TEST(another_database_is_not_put_over_the_log_of_the_first),
		TEST(nothing_is_begun_where_events_were_acknowledged),
		TEST(a_database_that_was_open_here_is_not_begun_again_when_it_is_emptied),
		TEST(a_number_that_was_acknowledged_is_not_given_again),
		TEST(a_folder_that_cannot_be_written_is_said),
		TEST(the_log_begins_anew_after_a_checkpoint),
		TEST(one_copies_the_log_at_a_time),
		TEST(a_marked_log_is_copied_whole_or_not_at_all),
		TEST(a_log_that_is_left_is_found_by_the_next_one),
		TEST(a_connection_is_not_carried_over_a_fork),
		TEST(an_event_comes_back_as_it_was_put),
		TEST(an_empty_event_is_an_event),
		TEST(the_key_decides_what_is_a_duplicate),
		TEST(a_dead_event_comes_to_life_when_it_is_sent_again),
		TEST(a_full_queue_refuses_until_a_quarter_is_worked_off),
		TEST(a_group_is_put_whole_or_not_at_all),
		TEST(an_endpoint_is_counted_once_in_a_transaction),
		TEST(what_is_known_already_costs_no_write),
		TEST(a_digest_that_is_given_is_the_one_that_counts),
		TEST(eight_processes_with_the_same_events_make_one_of_each),
		TEST(busy_processes_all_get_through),
		TEST(a_foreign_lock_is_waited_for_until_the_deadline),
		TEST(a_turn_is_waited_for_until_the_deadline),
		TEST(events_run_in_the_order_of_their_arrival),
		TEST(lanes_are_served_by_the_age_of_their_events),
		TEST(a_retry_waits_until_it_is_due),
		TEST(only_the_attempt_that_runs_is_settled),
		TEST(a_damaged_body_is_not_run),
		TEST(many_damaged_bodies_do_not_keep_the_others_waiting),
		TEST(a_look_for_what_is_due_takes_no_lock),
		TEST(a_result_and_the_next_claim_are_one_transaction),
		TEST(results_and_claims_of_several_owners_are_one_transaction),
		TEST(claims_of_large_bodies_end_a_transaction),
		TEST(a_store_goes_on_after_it_was_disconnected),
		TEST(a_claim_whose_commit_failed_is_given_back),
		TEST(results_and_events_share_a_transaction),
		TEST(an_open_transaction_takes_more),
		TEST(an_open_transaction_ends_when_another_writer_waits),
		TEST(what_a_killed_process_had_is_given_back),
		TEST(where_the_process_cannot_be_asked_the_lease_decides),
		TEST(when_the_clock_was_set_waits_go_on),
		TEST(damaged_numbers_of_an_endpoint_are_mended),
		TEST(counting_takes_no_lock),
		TEST(a_clock_that_is_set_back_delays_no_retry),
		TEST(a_list_is_filtered_and_ordered),
		TEST(a_list_of_the_newest_looks_at_few),
		TEST(an_event_is_replayed),
		TEST(what_is_over_its_time_goes_in_steps),
		TEST(a_step_without_time_removes_one_event),
		TEST(retention_copies_the_log_before_it_is_long),
		TEST(the_last_number_outlives_its_event),
		TEST(no_number_is_given_again),
		TEST(a_limit_of_file_size_is_a_full_disk),
		TEST(a_full_disk_is_said_and_left_behind),
	};

	if (put_failing_disk_below() != SQLITE_OK)
		return 1;
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
