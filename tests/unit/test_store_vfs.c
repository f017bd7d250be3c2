/* test_store_vfs.c - gathered writes to the write-ahead log, with everything that must not notice them
 *
 * Below the VFS of store_vfs.h lies one of the test, the default by then: it is that of SQLite, counts what
 * arrives at the log, and lets one call fail. In a child process CHECK() takes the place of the
 * assertions: those would go on with the other tests there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "scratch.h"
#include "store_vfs.h"

#define TURNS 1000 /* of each of two processes */
#define KILLS 24
#define PAGES 26

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

static char scratch[64];
static char database[128];

/* ---- The VFS below ---- */

static const sqlite3_io_methods *unix_methods;
static sqlite3_io_methods log_methods, database_methods; /* those, with some of ours */
static struct {
	unsigned writes, syncs;
	unsigned writes_at_sync;        /* what the last sync found written */
	unsigned fail_write, fail_sync; /* the number of the one that fails; 0: none */
	int code, error;                /* with these */
	unsigned reads;
	/* Connections with which a row is added at the third read, and when a checkpoint begins; NULL: it was. */
	sqlite3 *commits, *begins_anew;
	/* Of the database. */
	unsigned database_syncs, fail_database_sync;
	unsigned database_writes, fail_database_write;
	int64_t database_written, written_at_database_sync, longest_step;
} seen;

static bool
fails(unsigned number, unsigned which)
{
	if (number != which)
		return false;
	errno = seen.error;
	return true;
}

static int
log_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
	if (fails(++seen.writes, seen.fail_write)) {
		unix_methods->xWrite(file, bytes, count / 2, offset); /* as a full disk does */
		errno = seen.error;
		return seen.code;
	}
	return unix_methods->xWrite(file, bytes, count, offset);
}

static int
log_sync(sqlite3_file *file, int flags)
{
	seen.writes_at_sync = seen.writes;
	if (fails(++seen.syncs, seen.fail_sync))
		return SQLITE_IOERR_FSYNC;
	return unix_methods->xSync(file, flags);
}

static void
add_row(sqlite3 **db)
{
	sqlite3 *once = *db;
	*db = NULL;
	if (once != NULL &&
		sqlite3_exec(once, "INSERT INTO t(n) VALUES(0)", NULL, NULL, NULL) != SQLITE_OK)
		abort();
}

static int
log_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset)
{
	if (++seen.reads == 3)
		add_row(&seen.commits);
	return unix_methods->xRead(file, bytes, count, offset);
}

static int
database_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
	if (fails(++seen.database_writes, seen.fail_database_write))
		return seen.code;
	seen.database_written += count;
	return unix_methods->xWrite(file, bytes, count, offset);
}

static int
database_sync(sqlite3_file *file, int flags)
{
	int64_t step = seen.database_written - seen.written_at_database_sync;
	seen.written_at_database_sync = seen.database_written;
	if (step > seen.longest_step)
		seen.longest_step = step;
	if (fails(++seen.database_syncs, seen.fail_database_sync))
		return SQLITE_IOERR_FSYNC;
	return unix_methods->xSync(file, flags);
}

/* walCheckpoint() begins with it, when it has seen the log's header. */
static int
database_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *page)
{
	if (page == NULL)
		add_row(&seen.begins_anew);
	return unix_methods->xUnfetch(file, offset, page);
}

static int
open_below(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	sqlite3_vfs *real = sqlite3_vfs_find("unix");
	(void)vfs;
	int result = real->xOpen(real, name, file, flags, flags_out);
	if (result == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
		unix_methods = file->pMethods;
		log_methods = *unix_methods;
		log_methods.xWrite = log_write;
		log_methods.xSync = log_sync;
		log_methods.xRead = log_read;
		file->pMethods = &log_methods;
	} else if (result == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
		unix_methods = file->pMethods;
		database_methods = *unix_methods;
		database_methods.xWrite = database_write;
		database_methods.xSync = database_sync;
		database_methods.xUnfetch = database_unfetch;
		file->pMethods = &database_methods;
	}
	return result;
}

static bool no_large_memory; /* large: what only the gathering asks for here */
static sqlite3_mem_methods memory;

static void *
reallocate(void *old, int size)
{
	return no_large_memory && size >= 32 * 1024 ? NULL : memory.xRealloc(old, size);
}

static int
prepare(void **state)
{
	static sqlite3_vfs below;
	(void)state;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory), SQLITE_OK);
	sqlite3_mem_methods ours = memory;
	ours.xRealloc = reallocate;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours), SQLITE_OK);
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_URI, 1), SQLITE_OK);
	below = *sqlite3_vfs_find("unix");
	below.zName = "below";
	below.xOpen = open_below;
	return sqlite3_vfs_register(&below, 1);
}

/* ---- Help ---- */

static int
setup(void **state)
{
	(void)state;
	snprintf(scratch, sizeof scratch, "/tmp/hookcgi-test-vfs-XXXXXX");
	assert_non_null(mkdtemp(scratch));
	snprintf(database, sizeof database, "%s/a.db", scratch);
	memset(&seen, 0, sizeof seen);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	no_large_memory = false;
	return scratch_remove(scratch);
}

static int
run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void
must_at(sqlite3 *db, const char *sql, int line)
{
	if (run(db, sql) != SQLITE_OK) {
		fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, line, sql, sqlite3_errmsg(db));
		abort();
	}
}
#define must(db, sql) must_at(db, sql, __LINE__)

/* -1: an error */
static int64_t
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static bool
is_whole(sqlite3 *db)
{
	return number(db, "SELECT (SELECT count(*) FROM pragma_integrity_check) = 1 AND"
			  " (SELECT integrity_check FROM pragma_integrity_check) = 'ok'") == 1;
}

static sqlite3 *
open_path(const char *path, const char *vfs)
{
	sqlite3 *db;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE;
	if (sqlite3_open_v2(path, &db, flags, vfs) != SQLITE_OK)
		abort();
	sqlite3_busy_timeout(db, 60000);
	return db;
}

/* A connection through the VFS that is tried. */
static sqlite3 *
open_ours(void)
{
	return open_path(database, store_vfs_name());
}

/* And one with a table: row n is a page of its own. */
static sqlite3 *
create(const char *synchronous)
{
	char sql[64];
	sqlite3 *db = open_ours();
	snprintf(sql, sizeof sql, "PRAGMA synchronous = %s", synchronous);
	must(db, "PRAGMA journal_mode = WAL");
	must(db, sql);
	must(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, long BLOB)");
	return db;
}

#define ADD(count)                                                                        \
	"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < " count \
	") INSERT INTO t(n, long) SELECT i, randomblob(3300) FROM c;"
#define ROWS "SELECT count(*) FROM t"

/* In a transaction that wrote each page once: fewer frames are in the log than SQLite has written. */
static bool
holds(sqlite3 *db)
{
	int frames, ignored;
	char log[140];
	struct stat status;
	snprintf(log, sizeof log, "%s-wal", database);
	assert_int_equal(stat(log, &status), 0);
	sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_WRITE, &frames, &ignored, 0);
	return status.st_size < (off_t)frames * 4120;
}

static const char *const synchronous[] = { "OFF", "NORMAL", "FULL" };

static void
reap(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- The tests ---- */

static void
the_name_is_registered_and_not_the_default(void **state)
{
	(void)state;
	const char *name = store_vfs_name();
	assert_string_equal(name, "hookcgi");
	assert_ptr_equal(store_vfs_name(), name);
	assert_non_null(sqlite3_vfs_find(name));
	assert_string_equal(sqlite3_vfs_find(NULL)->zName, "below");
}

/* Under OFF and NORMAL nothing but the write itself is there before other connections may look. */
static void
a_commit_is_one_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sqlite3 *db = create(synchronous[i]);
		sqlite3 *other = open_path(database, "unix");
		must(db, ADD("26"));
		memset(&seen, 0, sizeof seen);
		must(db, "UPDATE t SET n = n + 1");
		assert_int_equal(seen.writes, 1);
		assert_int_equal(seen.syncs, i == 2);
		assert_int_equal(seen.writes_at_sync, i == 2);
		assert_int_equal(number(other, "SELECT sum(n) FROM t"), 27 * 26 / 2 + 26);
		/* One page: as SQLite does it. */
		must(db, "UPDATE t SET n = 0 WHERE id = 5");
		assert_int_equal(seen.writes, 3);
		assert_int_equal(number(other, "SELECT n FROM t WHERE id = 5"), 0);
		sqlite3_close(other);
		must(db, "DROP TABLE t");
		sqlite3_close(db);
	}
}

static void
a_large_transaction_is_a_few_writes_and_its_memory_is_bounded(void **state)
{
	(void)state;
	sqlite3 *db = create("NORMAL");
	seen.writes = 0;
	must(db, ADD("900"));
	assert_in_range(seen.writes, 900 / 32, 3 * 900 / 31 + 3);
	must(db, "PRAGMA page_size = 65536");
	must(db, "PRAGMA journal_mode = DELETE");
	must(db, "VACUUM");
	must(db, "PRAGMA journal_mode = WAL");
	must(db, ADD("900"));
	assert_int_equal(number(db, ROWS), 1800);
	assert_true(is_whole(db));
	sqlite3_close(db);
}

static void
without_memory_it_writes_through(void **state)
{
	(void)state;
	sqlite3 *db = create("FULL");
	no_large_memory = true;
	must(db, ADD("26"));
	seen.writes = 0;
	must(db, "UPDATE t SET n = n + 1");
	assert_in_range(seen.writes, 10, 2 * PAGES);
	sqlite3 *other = open_path(database, "unix");
	assert_int_equal(number(other, "SELECT sum(n) FROM t"), 27 * 26 / 2 + 26);
	assert_true(is_whole(other));
	sqlite3_close(other);
	sqlite3_close(db);
}

/* Each adds a row of its own number, and sees all that was added before; the even ones without us. */
static void
take_turns(const char *mode, int from, int to, int parity)
{
	char token = 0;
	char sql[256];
	sqlite3 *db = open_path(database, parity == 0 && mode[0] == 'N' ? "unix" : "hookcgi");
	snprintf(sql, sizeof sql, "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = %d", mode,
		parity == 0 ? 7 : 50);
	must(db, sql);
	sqlite3_stmt *look;
	CHECK(sqlite3_prepare_v2(db, "SELECT count(*), total(n), total(length(long)) FROM t", -1,
		      &look, NULL) == SQLITE_OK);
	for (int64_t i = 0; i < TURNS; i++) {
		int64_t before = 2 * i + parity;
		CHECK(read(from, &token, 1) == 1);
		CHECK(sqlite3_step(look) == SQLITE_ROW);
		CHECK(sqlite3_column_int64(look, 0) == before);
		CHECK(sqlite3_column_int64(look, 1) == before * (before - 1) / 2);
		CHECK(sqlite3_column_int64(look, 2) == before * 20);
		sqlite3_reset(look);
		/* A third is rolled back, after a spill. */
		if (i % 3 == 0)
			must(db, "PRAGMA cache_size = 10; BEGIN;" ADD(
					 "20") "SELECT total(length(long)) FROM t; ROLLBACK; "
					       "PRAGMA cache_size = 500");
		snprintf(sql, sizeof sql,
			"BEGIN; INSERT INTO t(n, long) VALUES(%d, randomblob(20));"
			"UPDATE u SET n = n + 1; COMMIT",
			(int)before);
		must(db, sql);
		CHECK(write(to, &token, 1) == 1);
	}
	sqlite3_finalize(look);
	CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void
two_processes_by_turns_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int there[2], back[2];
		sqlite3 *db = create(synchronous[i]);
		must(db, "CREATE TABLE u(n INTEGER); INSERT INTO u VALUES(0)");
		sqlite3_close(db);
		assert_int_equal(pipe(there), 0);
		assert_int_equal(pipe(back), 0);
		pid_t pid = fork();
		if (pid == 0) {
			take_turns(synchronous[i], there[0], back[1], 1);
			_exit(0);
		}
		assert_true(pid > 0);
		assert_int_equal(write(back[1], "", 1), 1);
		take_turns(synchronous[i], back[0], there[1], 0);
		reap(pid);
		close(there[0]);
		close(there[1]);
		close(back[0]);
		close(back[1]);
		db = open_ours();
		assert_int_equal(number(db, ROWS), 2 * TURNS);
		assert_int_equal(number(db, "SELECT n FROM u"), 2 * TURNS);
		assert_true(is_whole(db));
		must(db, "DROP TABLE t; DROP TABLE u");
		sqlite3_close(db);
	}
}

/* All at once, with checkpoints that begin the log anew or cut it, and readers that look all the time. */
static void
processes_at_once_agree(void **state)
{
	(void)state;
	pid_t pids[4];
	sqlite3_close(create("NORMAL"));
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] > 0)
			continue;
		sqlite3 *db = open_path(database, i == 3 ? "unix" : "hookcgi");
		must(db, "PRAGMA synchronous = NORMAL; PRAGMA cache_size = 10;"
			 "PRAGMA journal_size_limit = 100000");
		for (int round = 0; round < 60; round++) {
			must(db, "BEGIN IMMEDIATE;" ADD("12"));
			must(db, round % 4 == 0 ? "ROLLBACK" : "COMMIT");
			CHECK(number(db, ROWS) % 12 == 0);
			if (round % 10 == 9)
				CHECK(is_whole(db));
			if (round % 7 == i)
				run(db, round % 2 == 0 ? "PRAGMA wal_checkpoint(TRUNCATE)"
						       : "PRAGMA wal_checkpoint(RESTART)");
		}
		CHECK(sqlite3_close(db) == SQLITE_OK);
		_exit(0);
	}
	for (int i = 0; i < 4; i++)
		reap(pids[i]);
	sqlite3 *db = open_ours();
	assert_int_equal(number(db, ROWS), 4 * 45 * 12);
	assert_true(is_whole(db));
	sqlite3_close(db);
}

static void
a_killed_writer_leaves_what_it_acknowledged(void **state)
{
	(void)state;
	sqlite3_close(create("FULL"));
	int64_t known = 0;
	for (int i = 0; i < KILLS; i++) {
		int said[2];
		int64_t id = 0;
		assert_int_equal(pipe(said), 0);
		pid_t pid = fork();
		if (pid == 0) {
			sqlite3 *db = open_ours();
			must(db, i % 2 == 0 ? "PRAGMA cache_size = 10" : "PRAGMA cache_size = 500");
			must(db, i % 3 == 0 ? "PRAGMA synchronous = NORMAL"
					    : "PRAGMA synchronous = FULL");
			for (;;) {
				must(db, "BEGIN;" ADD(
						 "30") "UPDATE t SET n = n + 1 WHERE id % 7 = 0;"
						       "COMMIT");
				id = sqlite3_last_insert_rowid(db);
				CHECK(write(said[1], &id, sizeof id) == sizeof id);
			}
		}
		assert_true(pid > 0);
		close(said[1]);
		assert_int_equal(read(said[0], &known, sizeof known), sizeof known);
		nanosleep(&(struct timespec){ .tv_nsec = (long)i * 1700000 }, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(said[0], &id, sizeof id) == sizeof id)
			known = id;
		close(said[0]);
		sqlite3 *db = open_path(database, i % 2 == 0 ? "unix" : "hookcgi");
		assert_true(is_whole(db));
		assert_true(number(db, "SELECT max(id) FROM t") >= known);
		assert_int_equal(number(db, ROWS " HAVING count(*) = max(id)") % 30, 0);
		sqlite3_close(db);
	}
}

static void
spills_savepoints_and_rollbacks_work(void **state)
{
	(void)state;
	sqlite3 *db = create("NORMAL");
	sqlite3 *other = open_path(database, "unix");
	must(db, ADD("50"));
	must(db, "PRAGMA cache_size = 10");
	for (int i = 0; i < 6; i++) {
		must(db, "BEGIN");
		must(db, ADD("100"));
		must(db, "SAVEPOINT s");
		must(db, "UPDATE t SET n = -1, long = randomblob(3400)");
		assert_int_equal(number(db, "SELECT sum(n) FROM t"), -number(db, ROWS));
		must(db, "ROLLBACK TO s");
		assert_int_equal(number(db, "SELECT min(n) FROM t"), 1);
		must(db, "UPDATE t SET long = randomblob(3200) WHERE id % 2 = 1");
		must(db, "DELETE FROM t WHERE id > 50 AND n > 60");
		assert_int_equal(number(other, ROWS), 50);
		must(db, i % 2 == 0 ? "ROLLBACK" : "COMMIT");
		/* Another's commit lies where ours was held. */
		must(other, "DELETE FROM t WHERE id > 50");
		assert_true(is_whole(db));
		assert_int_equal(number(db, ROWS), 50);
		assert_true(is_whole(other));
		must(other, "PRAGMA wal_checkpoint(TRUNCATE)");
	}
	sqlite3_close(other);
	sqlite3_close(db);
}

static void
what_was_rolled_back_is_never_written(void **state)
{
	(void)state;
	sqlite3 *db = create("NORMAL");
	sqlite3 *other = open_path(database, "unix");
	must(db, ADD("20"));
	must(db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = 10");
	sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_WRITE, &(int){ 0 }, &(int){ 0 }, 1);
	/* Not of page 1, which the rollback would read, and so flush. */
	must(db, "BEGIN; UPDATE t SET n = -1");
	assert_true(holds(db));
	must(db, "ROLLBACK");
	/* This lies where it was held. */
	must(other, ADD("45"));
	assert_int_equal(number(db, ROWS), 65);
	assert_true(is_whole(db));
	must(db, "UPDATE t SET n = n");
	assert_true(is_whole(db));
	sqlite3_close(db);
	assert_true(is_whole(other));
	sqlite3_close(other);
}

/* A transaction that spills, reads back, and has statements that could be rolled back alone. SQLITE_OK:
 * it was committed. */
static int
try_all(sqlite3 *db, bool goes_on)
{
	static const char *const steps[] = {
		"BEGIN",
		ADD("40"),
		"SELECT total(length(long)) FROM t",
		"UPDATE t SET n = n + 1 WHERE id % 2 = 0",
		"INSERT INTO u SELECT n, long FROM t ORDER BY n DESC",
		"SELECT total(length(long)) FROM t",
		"DELETE FROM t WHERE id % 3 = 0",
		"SELECT total(length(long)) FROM u",
		"UPDATE t SET long = randomblob(3000)",
		"COMMIT",
	};
	int first = SQLITE_OK, result = SQLITE_OK;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		result = run(db, steps[i]);
		if (result != SQLITE_OK && first == SQLITE_OK) {
			first = result;
			if ((first & 0xff) == SQLITE_IOERR)
				assert_int_equal(sqlite3_system_errno(db), seen.error);
		}
		if (result != SQLITE_OK && (!goes_on || sqlite3_get_autocommit(db)))
			break;
	}
	/* After the error nothing of it may be committed, whatever is tried. */
	if (first != SQLITE_OK)
		assert_int_not_equal(result, SQLITE_OK);
	if (!sqlite3_get_autocommit(db))
		run(db, "ROLLBACK");
	return first;
}

static void
an_error_at_any_write_fails_the_transaction_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		int code, error;
	} errors[] = { { SQLITE_FULL, 0 }, { SQLITE_IOERR_WRITE, EIO } };
	sqlite3 *db = create("FULL");
	must(db, "CREATE TABLE u(n INTEGER, long BLOB, UNIQUE(n, long))");
	must(db, ADD("30"));
	must(db, "PRAGMA cache_size = 10");
	sqlite3 *other = open_path(database, "unix");
	const char *sum = "SELECT (SELECT total(n) + count(*) FROM t) + (SELECT count(*) FROM u)";
	unsigned failed = 0;
	for (int kind = 0; kind < 4; kind++) {
		bool goes_on = kind % 2 == 1;
		for (unsigned nth = 1;; nth++) {
			int64_t before = number(other, sum);
			seen.code = errors[kind / 2].code;
			seen.error = errors[kind / 2].error;
			seen.writes = seen.syncs = 0;
			seen.fail_write = nth;
			int result = try_all(db, goes_on);
			bool was_hit = seen.writes >= nth;
			seen.fail_write = 0;
			assert_int_equal(result, was_hit ? seen.code : SQLITE_OK);
			failed += was_hit;
			if (was_hit)
				assert_int_equal(number(db, sum), before);
			assert_true(is_whole(db));
			must(other, "UPDATE t SET n = n WHERE id < 9");
			assert_int_equal(number(db, sum), number(other, sum));
			assert_true(is_whole(other));
			if (!was_hit)
				break;
			if (nth > 40)
				nth += 7;
		}
		must(db, "DELETE FROM u; DELETE FROM t WHERE id > 30");
	}
	assert_true(failed > 40);
	/* A sync that fails is the commit's as well. */
	seen.error = EIO;
	seen.syncs = 0;
	seen.fail_sync = 1;
	assert_int_equal(run(db, ADD("20")), SQLITE_IOERR_FSYNC);
	sqlite3_close(other);
	sqlite3_close(db);
}

/* The child has a copy of what its parent holds, and closes what it inherited. */
static void
a_forked_child_writes_nothing(void **state)
{
	(void)state;
	sqlite3 *db = create("FULL");
	must(db, "PRAGMA cache_size = 10");
	must(db, "BEGIN");
	must(db, ADD("40"));
	assert_true(holds(db));
	pid_t pid = fork();
	if (pid == 0) {
		unsigned before = seen.writes;
		CHECK(sqlite3_close(db) == SQLITE_OK);
		CHECK(seen.writes == before);
		_exit(0);
	}
	assert_true(pid > 0);
	reap(pid);
	/* Its rollback has taken the frames out of the shared wal-index, as without us. */
	must(db, "ROLLBACK");
	must(db, ADD("7"));
	assert_int_equal(number(db, ROWS), 7);
	assert_true(is_whole(db));
	sqlite3_close(db);
}

static void
nothing_is_gathered_where_it_could_be_wrong(void **state)
{
	(void)state;
	/* No locks to be seen. */
	sqlite3 *db = create("FULL");
	must(db, ADD("26"));
	must(db, "PRAGMA locking_mode = EXCLUSIVE; UPDATE t SET n = n");
	seen.writes = 0;
	must(db, "UPDATE t SET n = n + 1");
	assert_int_equal(seen.writes, 2 * PAGES);
	must(db, "PRAGMA locking_mode = NORMAL; UPDATE t SET n = n");
	seen.writes = 0;
	must(db, "UPDATE t SET n = n + 1");
	assert_int_equal(seen.writes, 1);
	assert_true(is_whole(db));
	sqlite3_close(db);
	/* Frames cut at sectors: the rest of one may look like a header. */
	char path[160], uri[200], sql[64];
	snprintf(path, sizeof path, "%s/b.db", scratch);
	snprintf(uri, sizeof uri, "file:%s?psow=0", path);
	db = open_path(uri, store_vfs_name());
	must(db, "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		 "PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(n INTEGER, long BLOB)");
	must(db, "INSERT INTO t VALUES(0, zeroblob(900))");
	sqlite3 *other = open_path(path, "unix");
	for (int i = 1; i < 600; i++) {
		snprintf(sql, sizeof sql, "UPDATE t SET n = %d", i);
		must(db, sql);
		assert_int_equal(number(other, "SELECT n FROM t WHERE length(long) = 900"), i);
	}
	assert_true(is_whole(other));
	sqlite3_close(other);
	sqlite3_close(db);
}

/* Frames that were spilled and changed again are written in place, and their checksums anew. */
static void
checksums_are_written_anew(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sqlite3 *db = create(synchronous[i]);
		must(db, "PRAGMA cache_size = 10");
		must(db, "BEGIN");
		must(db, ADD("60"));
		for (int round = 0; round < 3; round++)
			must(db, "UPDATE t SET n = n + 1");
		must(db, "COMMIT");
		/* As after a crash: the copy is read from the log alone. */
		char copy[256], command[1024];
		snprintf(copy, sizeof copy, "%s/copy.db", scratch);
		snprintf(command, sizeof command, "cp %s %s && cp %s-wal %s-wal", database, copy,
			database, copy);
		assert_int_equal(system(command), 0);
		sqlite3 *copied = open_path(copy, "unix");
		assert_int_equal(number(copied, "SELECT sum(n) FROM t"), 61 * 30 + 180);
		assert_true(is_whole(copied));
		sqlite3_close(copied);
		must(db, "DROP TABLE t");
		sqlite3_close(db);
	}
}

static void
other_journals_and_vacuum_work(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		sqlite3 *db = create("FULL");
		must(db, i == 0 ? "PRAGMA journal_mode = TRUNCATE" : "PRAGMA journal_mode = WAL");
		seen.writes = 0;
		must(db, "BEGIN;" ADD("300") "COMMIT");
		must(db, "BEGIN; DELETE FROM t WHERE id > 9; ROLLBACK");
		must(db, "DELETE FROM t WHERE id % 2 = 0");
		assert_int_equal(seen.writes == 0, i == 0);
		must(db, "VACUUM");
		assert_int_equal(number(db, ROWS), 150);
		assert_true(number(db, "PRAGMA page_count") < 170);
		must(db, "PRAGMA wal_checkpoint(TRUNCATE)");
		must(db, "PRAGMA mmap_size = 10000000; UPDATE t SET n = 4");
		assert_int_equal(number(db, "SELECT sum(n) FROM t"), 600);
		assert_true(is_whole(db));
		must(db, "DROP TABLE t");
		sqlite3_close(db);
	}
}

/* ---- Copying the log ---- */

static void
a_log_is_copied_and_synced_in_steps(void **state)
{
	(void)state;
	sqlite3 *db = create("FULL");
	must(db, "PRAGMA wal_autocheckpoint = 0");
	for (int i = 0; i < 5; i++)
		must(db, ADD("300"));
	memset(&seen, 0, sizeof seen);
	store_vfs_write_gently(db, true);
	must(db, "PRAGMA wal_checkpoint(PASSIVE)");
	assert_true(seen.database_written > 5 * 1024 * 1024);
	assert_in_range(seen.longest_step, 1, 1024 * 1024);
	assert_int_equal(seen.written_at_database_sync, seen.database_written);
	/* The longer way is taken only where it is asked for. */
	store_vfs_write_gently(db, false);
	for (int i = 0; i < 5; i++)
		must(db, ADD("300"));
	memset(&seen, 0, sizeof seen);
	must(db, "PRAGMA wal_checkpoint(PASSIVE)");
	assert_int_equal(seen.database_syncs, 1);
	assert_true(is_whole(db));

	store_vfs_write_gently(db, true);
	/* One that fails is an error of the checkpoint, and none of what was committed is gone. */
	must(db, ADD("300"));
	must(db, ADD("300"));
	seen.fail_database_sync = seen.database_syncs + 1;
	seen.error = EIO;
	assert_int_equal(run(db, "PRAGMA wal_checkpoint(PASSIVE)"), SQLITE_IOERR_FSYNC);
	assert_true(store_vfs_sync_failed(db));
	assert_int_equal(number(db, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
	assert_int_equal(number(db, ROWS), 12 * 300);
	sqlite3_close(db);
}

#define COPY_ROWS "60" /* of a page each, nearly all of which the database grows by */

/* Copy gently into a database that it grows, where others commit or have a reader meanwhile; the result of SQLite. */
static int
copy_into_growing(unsigned fail_write, bool commits, bool reads)
{
	sqlite3 *db = create("FULL"), *other = open_ours();
	must(db, "PRAGMA wal_autocheckpoint = 0");
	must(other, "PRAGMA wal_autocheckpoint = 0");
	if (reads) {
		must(db, ADD("30"));
		must(other, "BEGIN");
		assert_int_equal(number(other, ROWS), 30);
	}
	must(db, ADD(COPY_ROWS));
	memset(&seen, 0, sizeof seen);
	seen.code = SQLITE_FULL;
	seen.error = ENOSPC;
	seen.fail_database_write = fail_write;
	seen.commits = commits ? other : NULL;
	store_vfs_write_gently(db, true);
	int result = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	bool committed = commits && seen.commits == NULL;
	seen.commits = NULL;
	bool has_failed = fail_write != 0 && seen.database_writes >= fail_write;
	assert_int_equal(result, has_failed ? SQLITE_FULL : SQLITE_OK);

	/* All is there for somebody who finds in the log only what is said to be nowhere else, and once that is gone. */
	sqlite3 *later = open_path(database, "unix");
	int64_t rows = 60 + (reads ? 30 : 0) + committed;
	assert_true(has_failed || committed == commits);
	assert_int_equal(number(later, ROWS), rows);
	assert_true(is_whole(later));
	sqlite3_close(other);
	seen.fail_database_write = 0;
	must(later, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(number(later, ROWS), rows);
	assert_true(is_whole(later));
	sqlite3_close(later);
	must(db, "DROP TABLE t; VACUUM");
	must(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return result;
}

static void
a_gentle_copy_is_a_few_reads_and_writes(void **state)
{
	(void)state;
	assert_int_equal(copy_into_growing(0, false, false), SQLITE_OK);
	sqlite3 *db = create("FULL");
	must(db, "PRAGMA wal_autocheckpoint = 0");
	must(db, ADD(COPY_ROWS));
	memset(&seen, 0, sizeof seen);
	store_vfs_write_gently(db, true);
	must(db, "PRAGMA wal_checkpoint(PASSIVE)");
	assert_true(seen.database_written > 60 * 4096);
	assert_in_range(seen.database_writes, 1, 60 / 4);
	/* At the end of the log each is read by itself. */
	assert_in_range(seen.reads, 1, 60 / 2);
	sqlite3_close(db);
}

/* After its last write SQLite does not ask whether the copy went well where others have committed meanwhile. */
static void
no_failed_write_of_a_gentle_copy_is_lost(void **state)
{
	(void)state;
	static const struct {
		bool commits, reads;
	} cases[] = { { false, false }, { true, false }, { false, true } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned fail = 1;
		while (copy_into_growing(fail, cases[i].commits, cases[i].reads) != SQLITE_OK)
			fail++;
		assert_in_range(fail, 4, 90);
	}
}

/* What was read ahead for one copy is not what another finds, nor who reads in between. */
static void
what_is_read_ahead_is_not_old(void **state)
{
	(void)state;
	sqlite3 *db = create("FULL"), *other = open_ours();
	must(db, "PRAGMA wal_autocheckpoint = 0");
	must(other, "PRAGMA wal_autocheckpoint = 0");
	must(db, ADD("200")); /* a log that goes on behind what is in use of it */
	store_vfs_write_gently(db, true);
	for (int i = 0; i < 30; i++) {
		/* Each fits into what is read at once, and begins the log anew. */
		must(db, "PRAGMA wal_checkpoint(PASSIVE)");
		must(other, "UPDATE t SET n = n + 1 WHERE id < 4");
		must(db, "PRAGMA wal_checkpoint(PASSIVE)");
		must(db, "UPDATE t SET n = n + 10 WHERE id < 4");
		assert_int_equal(number(db, "SELECT n FROM t WHERE id = 3"), 3 + 11 * (i + 1));
		assert_int_equal(number(other, "SELECT n FROM t WHERE id = 3"), 3 + 11 * (i + 1));
	}
	assert_true(is_whole(db));
	sqlite3_close(other);
	sqlite3_close(db);
}

/* wal.html, "the WAL-reset bug" */
static void
a_log_that_begins_anew_beside_a_checkpoint_loses_nothing(void **state)
{
	(void)state;
	for (int gently = 0; gently < 2; gently++) {
		sqlite3 *db = create("FULL"), *other = open_ours();
		must(db, "PRAGMA wal_autocheckpoint = 0");
		must(other, "PRAGMA wal_autocheckpoint = 0");
		must(other, ADD("60"));
		store_vfs_write_gently(db, gently == 1);
		must(db, "PRAGMA wal_checkpoint(PASSIVE)"); /* all of it */
		seen.begins_anew = other;
		must(db, "PRAGMA wal_checkpoint(PASSIVE)");
		assert_null(seen.begins_anew);
		for (int i = 0; i < 20; i++)
			must(other, "INSERT INTO t(n) VALUES(0)");
		sqlite3 *later = open_ours();
		assert_int_equal(number(later, ROWS), 81);
		must(db, "PRAGMA wal_checkpoint(PASSIVE)");
		must(db, "PRAGMA wal_checkpoint(TRUNCATE)");
		assert_int_equal(number(later, ROWS), 81);
		assert_true(is_whole(later));
		sqlite3_close(later);
		sqlite3_close(other);
		must(db, "DROP TABLE t");
		sqlite3_close(db);
	}
}

/* ---- A database whose sync failed ---- */

static char *
read_database(size_t *len_out)
{
	FILE *file = fopen(database, "r");
	struct stat status;
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	*len_out = (size_t)status.st_size;
	char *content = malloc(*len_out);
	assert_non_null(content);
	assert_int_equal(fread(content, 1, *len_out, file), *len_out);
	fclose(file);
	return content;
}

/* A checkpoint that a reader keeps from copying all is not synced, and what it wrote is lost: then the rest is
 * copied, and the log begins anew. Is all there? */
static bool
survives_a_lost_copy(bool copy_again)
{
	sqlite3 *db = create("FULL");
	sqlite3 *reader = open_path(database, store_vfs_name());
	size_t len;

	must(db, "PRAGMA wal_autocheckpoint = 0");
	must(db, ADD("40"));
	must(reader, "BEGIN");
	assert_int_equal(number(reader, "SELECT count(*) FROM t"), 40);
	must(db, ADD("40"));
	char *before = read_database(&len);
	assert_int_equal(number(db, "PRAGMA wal_checkpoint(PASSIVE)"), 0);
	FILE *file = fopen(database, "r+");
	assert_non_null(file);
	assert_int_equal(fwrite(before, 1, len, file), len);
	assert_int_equal(ftruncate(fileno(file), (off_t)len), 0);
	fclose(file);
	free(before);
	must(reader, "COMMIT");
	if (copy_again)
		assert_int_equal(store_vfs_copy_again(db), SQLITE_OK);
	assert_int_equal(number(db, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
	sqlite3_close(reader);
	sqlite3_close(db);
	db = open_ours();
	bool all = is_whole(db) && number(db, "SELECT count(*) FROM t") == 80;
	sqlite3_close(db);
	return all;
}

static void
what_a_lost_copy_held_is_copied_again(void **state)
{
	(void)state;
	assert_true(survives_a_lost_copy(true));
}

/* The positive control: else nothing above is proved. */
static void
without_that_it_is_gone(void **state)
{
	(void)state;
	assert_false(survives_a_lost_copy(false));
}

static void
to_copy_again_waits_for_a_checkpoint_and_needs_a_log(void **state)
{
	sqlite3 *db = open_ours(), *other;
	sqlite3_file *file = NULL;

	(void)state;
	must(db, "CREATE TABLE t(n)"); /* with a journal */
	assert_int_equal(store_vfs_copy_again(db), SQLITE_OK);
	must(db, "PRAGMA journal_mode = WAL");
	must(db, "INSERT INTO t VALUES (1)");
	other = open_path(database, store_vfs_name());
	assert_int_equal(number(other, "SELECT count(*) FROM t"), 1);
	assert_int_equal(
		sqlite3_file_control(other, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
	assert_int_equal(
		file->pMethods->xShmLock(file, 1, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE),
		SQLITE_OK);
	assert_int_equal(store_vfs_copy_again(db), SQLITE_BUSY);
	assert_int_equal(
		file->pMethods->xShmLock(file, 1, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE),
		SQLITE_OK);
	assert_int_equal(store_vfs_copy_again(db), SQLITE_OK);
	sqlite3_close(other);
	sqlite3_close(db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_name_is_registered_and_not_the_default, setup, teardown),
		cmocka_unit_test_setup_teardown(a_commit_is_one_write, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_log_is_copied_and_synced_in_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_large_transaction_is_a_few_writes_and_its_memory_is_bounded, setup,
			teardown),
		cmocka_unit_test_setup_teardown(without_memory_it_writes_through, setup, teardown),
		cmocka_unit_test_setup_teardown(two_processes_by_turns_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(processes_at_once_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_killed_writer_leaves_what_it_acknowledged, setup, teardown),
		cmocka_unit_test_setup_teardown(
			spills_savepoints_and_rollbacks_work, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_rolled_back_is_never_written, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_error_at_any_write_fails_the_transaction_and_nothing_else, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_forked_child_writes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_gathered_where_it_could_be_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(checksums_are_written_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_a_lost_copy_held_is_copied_again, setup, teardown),
		cmocka_unit_test_setup_teardown(without_that_it_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_gentle_copy_is_a_few_reads_and_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			no_failed_write_of_a_gentle_copy_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_read_ahead_is_not_old, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_log_that_begins_anew_beside_a_checkpoint_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			to_copy_again_waits_for_a_checkpoint_and_needs_a_log, setup, teardown),
		cmocka_unit_test_setup_teardown(other_journals_and_vacuum_work, setup, teardown),
	};
	return cmocka_run_group_tests(tests, prepare, NULL);
}
