/* store_sql.c - the schema, the statements, and what SQLite answers
 *
 * What moves often is short: `event` and its partial indexes. What is long lies in tables of its
 * own. The index event_queued holds only what is queued, so that a claim costs the same with millions
 * of events that are done.
 *
 * An UPDATE or DELETE finds its rows by number or by an index that is named (INDEXED BY): the
 * statement fails, in the tests, when it could not use it.
 *
 * All that uses the statements does so through these functions, and so without SQLite's header.
 */
#include "store_sqlite.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

/* One row, or none: the clock by which retries were put off, see store_booted(). */
#define BOOT_TABLE                                                                   \
	"CREATE TABLE boot("                                                         \
	" id INTEGER PRIMARY KEY,"                                                   \
	" machine TEXT NOT NULL," /* which start of which, see owner_boot() */       \
	" wall INTEGER NOT NULL"  /* ms since 1970, what the clock showed at that */ \
	") STRICT;"

const char sql_schema[] =
	/* A name that was ever put to, and how many of its events are in each state. */
	"CREATE TABLE endpoint("
	" id INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" queued INTEGER NOT NULL DEFAULT 0,"
	" running INTEGER NOT NULL DEFAULT 0,"
	" done INTEGER NOT NULL DEFAULT 0,"
	" dead INTEGER NOT NULL DEFAULT 0,"
	" attempts INTEGER NOT NULL DEFAULT 0,"        /* that are kept */
	" failed_attempts INTEGER NOT NULL DEFAULT 0," /* of them */
	" refusing INTEGER NOT NULL DEFAULT 0" /* 1: the limit was reached and no quarter worked off */
	") STRICT;"
	/* What moves. */
	"CREATE TABLE event("
	" id INTEGER PRIMARY KEY," /* never given again, see clock.last_event */
	" endpoint INTEGER NOT NULL,"
	" state INTEGER NOT NULL,"    /* enum store_state */
	" due INTEGER NOT NULL,"      /* ms since 1970; 0: new, 1: a retry at once */
	" attempts INTEGER NOT NULL," /* begun */
	" failed INTEGER NOT NULL,"   /* and failed, since it was last put or replayed */
	" changed INTEGER NOT NULL,"  /* ms since 1970, when it came into its state */
	" age INTEGER NOT NULL,"      /* the same of clock.age */
	" owner TEXT,"                /* of a running one: which process, see store_owner.h */
	" lease INTEGER NOT NULL,"    /* of a running one: ms since 1970 */
	" waited INTEGER NOT NULL"    /* 1: its sender waits for the result */
	") STRICT;"
	"CREATE INDEX event_queued ON event(endpoint, due) WHERE state = 0;"
	"CREATE INDEX event_running ON event(endpoint) WHERE state = 1;"
	"CREATE INDEX event_over ON event(state, age) WHERE state >= 2;"
	"CREATE INDEX event_ended ON event(state) WHERE state >= 2;"
	"CREATE INDEX event_endpoint ON event(endpoint);"
	/* What an event is. */
	"CREATE TABLE detail("
	" event INTEGER PRIMARY KEY,"
	" provider TEXT NOT NULL,"
	" type BLOB NOT NULL,"
	" sender_id BLOB NOT NULL,"
	" key BLOB NOT NULL,"
	" remote BLOB NOT NULL,"
	" received INTEGER NOT NULL," /* ms since 1970 */
	" reason TEXT,"               /* why it is dead, or its last attempt failed */
	" digest BLOB NOT NULL,"      /* SHA-256 of the body */
	" body_len INTEGER NOT NULL"  /* -1: the body was dropped */
	") STRICT;"
	"CREATE TABLE body("
	" event INTEGER PRIMARY KEY,"
	" variables BLOB NOT NULL,"
	" body BLOB NOT NULL"
	") STRICT;"
	/* What decides about duplicates; outlives its event. */
	"CREATE TABLE key("
	" endpoint INTEGER NOT NULL,"
	" key BLOB NOT NULL,"
	" event INTEGER NOT NULL,"
	" age INTEGER NOT NULL,"            /* of clock.age, when it was put */
	" gone INTEGER NOT NULL DEFAULT 0," /* 1: its event was removed */
	" PRIMARY KEY(endpoint, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX key_gone ON key(age) WHERE gone = 1;"
	"CREATE TABLE attempt("
	" event INTEGER NOT NULL,"
	" number INTEGER NOT NULL,"
	" started INTEGER NOT NULL,"  /* ms since 1970 */
	" duration INTEGER NOT NULL," /* us */
	" end TEXT NOT NULL,"
	" code INTEGER NOT NULL,"
	" flags INTEGER NOT NULL,"
	" reason TEXT,"
	" output BLOB NOT NULL,"
	" error BLOB NOT NULL,"
	" PRIMARY KEY(event, number)"
	") STRICT, WITHOUT ROWID;"
	/* One row. */
	"CREATE TABLE clock("
	" id INTEGER PRIMARY KEY,"
	" age INTEGER NOT NULL,"        /* ms that the database was in use, at the last prune */
	" wall INTEGER NOT NULL,"       /* ms since 1970 of the last prune */
	" body_age INTEGER NOT NULL,"   /* bodies of done events are dropped up to this age */
	" body_event INTEGER NOT NULL," /* and, of the same age, this number */
	" last_event INTEGER NOT NULL," /* the largest number at the last prune */
	" touched INTEGER NOT NULL"     /* changed where a commit has nothing else to sync */
	") STRICT;"
	"INSERT INTO clock VALUES(1, 0, CAST((julianday('now') - 2440587.5) * 86400000 AS "
	"INTEGER), -1, 0, 0, 0);" BOOT_TABLE "PRAGMA application_id = 1752133483;"
	"PRAGMA user_version = 3;";

/* From version 1 or 2. */
const char sql_upgrade[] =
	"DROP INDEX IF EXISTS event_dead;"
	"CREATE INDEX IF NOT EXISTS event_ended ON event(state) WHERE state >= 2;" BOOT_TABLE
	"PRAGMA user_version = 3;";

_Static_assert(APPLICATION_ID == 1752133483 && VERSION == 3, "the schema says both as text");

/* In the order of sql_row(). */
#define ROW_COLUMNS                                                                        \
	"SELECT e.id, p.name, d.provider, d.type, d.sender_id, d.key, d.remote, e.state, " \
	"e.attempts, d.received, e.due, e.changed, d.body_len, d.reason"
/* CROSS JOIN: in this order. */
#define ROW_TABLES                                  \
	" CROSS JOIN detail AS d ON d.event = e.id" \
	" CROSS JOIN endpoint AS p ON p.id = e.endpoint"
/* What e alone tells is asked before anything is read of the others. ?2 and ?4: NULL where any will do. */
#define LIST(index, condition, order)                                                            \
	ROW_COLUMNS " FROM event AS e " index ROW_TABLES " WHERE e.id > ?1 AND d.received >= ?3" \
		    " AND (?2 IS NULL OR e.endpoint = ?2) AND (?4 IS NULL OR e.state = ?4) "     \
		    "AND " condition " ORDER BY e.id " order
#define LIST_ALL(order) LIST("NOT INDEXED", "1", order)
#define LIST_ENDPOINT(order) LIST("INDEXED BY event_endpoint", "e.endpoint = ?2", order)
/* These two sort. */
#define LIST_QUEUED(order)                                                              \
	LIST("",                                                                        \
		"e.id IN (SELECT id FROM event INDEXED BY event_queued WHERE state = 0" \
		" AND (?2 IS NULL OR endpoint = ?2))",                                  \
		order)
#define LIST_RUNNING(order) LIST("INDEXED BY event_running", "e.state = 1", order)
#define LIST_ENDED(order) LIST("INDEXED BY event_ended", "e.state >= 2 AND e.state = ?4", order)

static const char *const statements[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_CLOCK] = "SELECT age, wall, body_age, body_event,"
		      " max(last_event, ifnull((SELECT max(id) FROM event), 0))"
		      " FROM clock WHERE id = 1",
	[SQL_TOUCH] = "UPDATE clock SET touched = touched + 1 WHERE id = 1",
	[SQL_CLOCK_SET] = "UPDATE clock SET age = ?1, wall = ?2, body_age = ?3, body_event = ?4,"
			  " last_event = ?5 WHERE id = 1",
	[SQL_ENDPOINT_FIND] = "SELECT id FROM endpoint WHERE name = ?1",
	[SQL_ENDPOINT_ADD] = "INSERT INTO endpoint(name) VALUES(?1)",
	[SQL_ENDPOINT_LOOK] = "SELECT queued, refusing FROM endpoint WHERE id = ?1",
	[SQL_ENDPOINT_COUNT] = "UPDATE endpoint SET queued = queued + ?2, running = running + ?3,"
			       " done = done + ?4, dead = dead + ?5, attempts = attempts + ?6,"
			       " failed_attempts = failed_attempts + ?7,"
			       " refusing = refusing + ?8 WHERE id = ?1",
	[SQL_ENDPOINT_LOADS] = "SELECT id, queued, running, name FROM endpoint",
	[SQL_ENDPOINTS] = "SELECT id, name, queued, running, done, dead, attempts, failed_attempts"
			  " FROM endpoint ORDER BY name",
	[SQL_KEY_ADD] = "INSERT INTO key(endpoint, key, event, age) VALUES(?1, ?2, ?3, ?4)"
			" ON CONFLICT DO NOTHING",
	[SQL_KEY_FIND] = "SELECT k.event, e.state, e.attempts FROM key AS k"
			 " LEFT JOIN event AS e ON e.id = k.event"
			 " WHERE k.endpoint = ?1 AND k.key = ?2",
	[SQL_KEY_GONE] = "UPDATE key SET gone = 1 WHERE endpoint = ?1 AND event = ?2"
			 " AND key = (SELECT d.key FROM detail AS d WHERE d.event = ?2)",
	[SQL_KEY_FREE] = "DELETE FROM key WHERE endpoint = ?1 AND event = ?2"
			 " AND key = (SELECT d.key FROM detail AS d WHERE d.event = ?2)",
	[SQL_KEY_OVER] = "SELECT endpoint, key FROM key INDEXED BY key_gone"
			 " WHERE gone = 1 AND age < ?1 LIMIT 1",
	[SQL_KEY_DROP] = "DELETE FROM key WHERE endpoint = ?1 AND key = ?2",
	[SQL_EVENT_ADD] = "INSERT INTO event(id, endpoint, state, due, attempts, failed, changed,"
			  " age, owner, lease, waited)"
			  " VALUES(?1, ?2, ?3, 0, ?4, 0, ?5, ?6, ?7, ?8, ?4)",
	[SQL_DETAIL_ADD] = "INSERT INTO detail(event, provider, type, sender_id, key,"
			   " remote, received, reason, digest, body_len)"
			   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[SQL_BODY_ADD] = "INSERT INTO body(event, variables, body) VALUES(?1, ?2, ?3)",
	[SQL_REQUEUE] = "UPDATE event SET state = ?2, due = ?3, attempts = attempts + ?4,"
			" failed = 0, changed = ?5, age = ?6, owner = ?7, lease = ?8, waited = ?4"
			" WHERE id = ?1",
	[SQL_FRESH] = "SELECT id FROM event INDEXED BY event_queued"
		      " WHERE state = 0 AND endpoint = ?1 AND due = 0 ORDER BY id LIMIT 1",
	[SQL_RETRY] = "SELECT id, due FROM event INDEXED BY event_queued"
		      " WHERE state = 0 AND endpoint = ?1 AND due > 0 ORDER BY due, id LIMIT 1",
	[SQL_LOAD] = "SELECT p.name, d.provider, d.key, d.type, d.sender_id, d.remote,"
		     " d.received, e.attempts, e.failed, d.digest, d.body_len, b.variables, b.body"
		     " FROM event AS e CROSS JOIN endpoint AS p ON p.id = e.endpoint"
		     " LEFT JOIN detail AS d ON d.event = e.id"
		     " LEFT JOIN body AS b ON b.event = e.id WHERE e.id = ?1",
	[SQL_CLAIM] = "UPDATE event SET state = 1, attempts = attempts + 1, changed = ?2, age = ?3,"
		      " owner = ?4, lease = ?5, waited = 0 WHERE id = ?1 AND state = 0",
	[SQL_BURY] = "UPDATE event SET state = 3, changed = ?2, age = ?3 WHERE id = ?1",
	[SQL_SETTLE] = "UPDATE event SET state = ?2, due = ?3, failed = failed + (?2 = 0),"
		       " changed = ?4, age = ?5, owner = NULL, lease = 0"
		       " WHERE id = ?1 AND state = 1 AND owner = ?6 AND attempts = ?7"
		       " RETURNING endpoint",
	/* Mostly there was none and is none: that changes no page. */
	[SQL_REASON] = "UPDATE detail SET reason = ?2 WHERE event = ?1 AND reason IS NOT ?2",
	[SQL_ATTEMPT_ADD] =
		"INSERT OR REPLACE INTO attempt(event, number, started, duration, end, code,"
		" reason, output, error, flags) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[SQL_RUNNING] =
		"SELECT id, attempts, owner, lease, changed FROM event INDEXED BY event_running"
		" WHERE state = 1",
	[SQL_GIVE_BACK] = "UPDATE event SET state = CASE waited WHEN 1 THEN 3 ELSE 0 END, due = 0,"
			  " changed = ?3, age = ?4, owner = NULL, lease = 0"
			  " WHERE id = ?1 AND state = 1 AND attempts = ?2 AND owner IS ?5"
			  " RETURNING endpoint, state",
	[SQL_DUE_FAR] = "SELECT 1 FROM event INDEXED BY event_queued"
			" WHERE state = 0 AND endpoint = ?1 AND due > ?2 LIMIT 1",
	[SQL_DUE_MEND] = "UPDATE event SET due = ?3 WHERE id IN (SELECT id FROM event"
			 " INDEXED BY event_queued WHERE state = 0 AND endpoint = ?1 AND due > ?2"
			 " LIMIT ?4)",
	[SQL_DUE_MOVE] =
		"UPDATE event SET due = max(due + ?3, 2), changed = changed + ?3 WHERE id IN"
		" (SELECT id FROM event INDEXED BY event_queued WHERE state = 0 AND due > 1"
		" AND changed BETWEEN ?1 AND ?2)",
	[SQL_BOOT] = "SELECT wall FROM boot WHERE id = 1 AND machine = ?1",
	[SQL_BOOT_SET] = "INSERT OR REPLACE INTO boot(id, machine, wall) VALUES(1, ?1, ?2)",
	[SQL_COUNT_RUNNING] = "SELECT p.id, p.name, p.running, (SELECT count(*) FROM event INDEXED "
			      "BY event_running"
			      " WHERE state = 1 AND endpoint = p.id) FROM endpoint AS p",
	[SQL_COUNT_QUEUED] =
		"SELECT p.id, p.name, p.queued, (SELECT count(*) FROM event INDEXED BY event_queued"
		" WHERE state = 0 AND endpoint = p.id) FROM endpoint AS p",
	/* It may have moved since it was counted. */
	[SQL_MEND_RUNNING] = "UPDATE endpoint SET running = ?3 + (running - ?2) WHERE id = ?1",
	[SQL_MEND_QUEUED] = "UPDATE endpoint SET queued = ?3 + (queued - ?2) WHERE id = ?1",
	[SQL_STATE] = "SELECT e.endpoint, e.state, d.body_len FROM event AS e"
		      " CROSS JOIN detail AS d ON d.event = e.id WHERE e.id = ?1",
	[SQL_REPLAY] = "UPDATE event SET due = CASE WHEN state = 0 AND due = 0 THEN 0 ELSE ?2 END,"
		       " state = 0, failed = 0, changed = ?3, age = ?4 WHERE id = ?1",
	[SQL_SHOW] = ROW_COLUMNS ", d.digest, b.variables, b.body FROM event AS e" ROW_TABLES
				 " LEFT JOIN body AS b ON b.event = e.id WHERE e.id = ?1",
	[SQL_ATTEMPTS] = "SELECT number, started, duration, end, code, reason, output, error, flags"
			 " FROM attempt WHERE event = ?1 ORDER BY number",
	[SQL_OLDEST_QUEUED] =
		"SELECT d.received FROM detail AS d WHERE d.event = (SELECT min(id)"
		" FROM event INDEXED BY event_queued WHERE state = 0 AND endpoint = ?1)",
	[SQL_OLDEST_RUNNING] =
		"SELECT d.received FROM detail AS d WHERE d.event = (SELECT min(id)"
		" FROM event INDEXED BY event_running WHERE state = 1 AND endpoint = ?1)",
	[SQL_OLDEST_DONE] =
		"SELECT d.received FROM detail AS d WHERE d.event = (SELECT id"
		" FROM event INDEXED BY event_endpoint WHERE state = 2 AND endpoint = ?1"
		" ORDER BY id LIMIT 1)",
	[SQL_OLDEST_DEAD] = "SELECT d.received FROM detail AS d WHERE d.event = (SELECT id"
			    " FROM event INDEXED BY event_ended"
			    " WHERE state >= 2 AND state = 3 AND endpoint = ?1"
			    " ORDER BY id LIMIT 1)",
	[SQL_OVER] = "SELECT id, endpoint FROM event INDEXED BY event_over"
		     " WHERE state >= 2 AND state = ?1 AND age < ?2 ORDER BY age LIMIT 1",
	[SQL_OVER_ATTEMPTS] =
		"SELECT count(*), count(*) FILTER (WHERE flags & 4) FROM attempt WHERE event = ?1",
	[SQL_ATTEMPT_DROP] = "DELETE FROM attempt WHERE event = ?1",
	[SQL_DETAIL_DROP] = "DELETE FROM detail WHERE event = ?1",
	[SQL_BODY_DROP] = "DELETE FROM body WHERE event = ?1",
	[SQL_EVENT_DROP] = "DELETE FROM event WHERE id = ?1",
	[SQL_OVER_BODY] = "SELECT id, age FROM event INDEXED BY event_over"
			  " WHERE state >= 2 AND state = 2 AND age < ?1 AND (age, id) > (?2, ?3)"
			  " ORDER BY age, id LIMIT 1",
	[SQL_BODY_DROPPED] = "UPDATE detail SET body_len = -1 WHERE event = ?1",
	[SQL_TOTALS] = "SELECT total(queued), total(done), total(dead),"
		       " total(queued + running + done + dead) FROM endpoint"
		       " WHERE ?1 IS NULL OR id = ?1",
	[SQL_LIST_ALL] = LIST_ALL("DESC"),
	[SQL_LIST_ENDPOINT] = LIST_ENDPOINT("DESC"),
	[SQL_LIST_QUEUED] = LIST_QUEUED("DESC"),
	[SQL_LIST_RUNNING] = LIST_RUNNING("DESC"),
	[SQL_LIST_ENDED] = LIST_ENDED("DESC"),
	[SQL_LIST_ALL_OLDEST] = LIST_ALL("ASC"),
	[SQL_LIST_ENDPOINT_OLDEST] = LIST_ENDPOINT("ASC"),
	[SQL_LIST_QUEUED_OLDEST] = LIST_QUEUED("ASC"),
	[SQL_LIST_RUNNING_OLDEST] = LIST_RUNNING("ASC"),
	[SQL_LIST_ENDED_OLDEST] = LIST_ENDED("ASC"),
};

enum store_result __attribute__((format(printf, 3, 4)))
store_refuse(struct store *store, enum store_result result, const char *format, ...)
{
	va_list arguments;
	int len = snprintf(store->reason, sizeof store->reason, "%.300s: ", store->shown);
	va_start(arguments, format);
	vsnprintf(store->reason + len, sizeof store->reason - (size_t)len, format, arguments);
	va_end(arguments);
	return result;
}

const char *
store_reason(const struct store *store)
{
	return store->reason;
}

bool
sql_note(struct store *store, int code)
{
	bool good = code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE;
	if (!good && sql_ok(store)) {
		store->code = code;
		store->error = store->db != NULL ? sqlite3_system_errno(store->db) : 0;
		if ((code & 0xff) == SQLITE_IOERR && store->error == 0)
			store->error = errno; /* SQLite keeps it only for some calls */
	}
	return good;
}

bool
sql_note_memory(struct store *store)
{
	return sql_note(store, SQLITE_NOMEM);
}

enum store_result
sql_explain(struct store *store)
{
	int error = store->error;
	int code = store->code & 0xff;
	if (code == SQLITE_FULL ||
		((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && is_no_room(error)))
		return store_refuse(store, STORE_FULL,
			"no room on the disk, or the quota is used up: free some");
	switch (code) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return store_refuse(store, STORE_BUSY,
			"another program held the database for too long: try again; if it stays "
			"so, "
			"find it with fuser(1)");
	case SQLITE_IOERR:
		return store_refuse(store, STORE_FAILED,
			"the disk failed (%s, SQLite code %d): look at it",
			error != 0 ? strerror(error) : "input/output error", store->code);
	case SQLITE_CORRUPT:
		return store_refuse(store, STORE_FAILED,
			"the database is damaged: stop all that use it, keep a copy, and put a "
			"backup "
			"in its place or mend it with sqlite3's .recover");
	case SQLITE_NOTADB:
		return store_refuse(store, STORE_FAILED,
			"this is no database: name another file as store, or put a backup in its "
			"place");
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return store_refuse(store, STORE_FAILED,
			"it cannot be written: make the file, its folder and the file system "
			"writable "
			"for user %ld",
			(long)geteuid());
	case SQLITE_CANTOPEN:
		return store_refuse(store, STORE_FAILED,
			"it cannot be opened (%s): the folder must be writable for user %ld",
			error != 0 ? strerror(error) : "no access", (long)geteuid());
	default:
		return store_refuse(store, STORE_FAILED, "%s (SQLite code %d)",
			store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(store->code),
			store->code);
	}
}

struct sqlite3_stmt *
sql_use(struct store *store, enum sql sql)
{
	struct sqlite3_stmt **statement = &store->cached[sql];
	if (!sql_ok(store))
		return NULL;
	if (*statement == NULL &&
		!sql_note(store, sqlite3_prepare_v3(store->db, statements[sql], -1,
					 SQLITE_PREPARE_PERSISTENT, statement, NULL)))
		return NULL;
	return *statement;
}

void
sql_bind_number(struct store *store, struct sqlite3_stmt *statement, int at, int64_t number)
{
	if (statement != NULL)
		sql_note(store, sqlite3_bind_int64(statement, at, number));
}

void
sql_bind_slice(struct store *store, struct sqlite3_stmt *statement, int at, struct slice slice)
{
	/* A pointer to nothing would be NULL. */
	if (statement != NULL)
		sql_note(store, sqlite3_bind_blob64(statement, at, slice.len > 0 ? slice.data : "",
					slice.len, SQLITE_STATIC));
}

void
sql_bind_text(struct store *store, struct sqlite3_stmt *statement, int at, const char *text)
{
	if (statement != NULL)
		sql_note(store, sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC));
}

bool
sql_step(struct store *store, struct sqlite3_stmt *statement)
{
	if (statement == NULL || !sql_ok(store))
		return false;
	int code = sqlite3_step(statement);
	sql_note(store, code);
	return code == SQLITE_ROW;
}

bool
sql_finish(struct store *store, struct sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	return sql_ok(store);
}

bool
sql_run(struct store *store, struct sqlite3_stmt *statement)
{
	while (sql_step(store, statement))
		continue;
	return sql_finish(store, statement);
}

bool
sql_run_number(struct store *store, enum sql sql, int64_t number)
{
	struct sqlite3_stmt *statement = sql_use(store, sql);
	sql_bind_number(store, statement, 1, number);
	return sql_run(store, statement);
}

int
sql_changes(const struct store *store)
{
	return sqlite3_changes(store->db);
}

int
sql_total_changes(const struct store *store)
{
	return sqlite3_total_changes(store->db);
}

int64_t
sql_column_number(struct sqlite3_stmt *statement, int at)
{
	return sqlite3_column_int64(statement, at);
}

int
sql_column_int(struct sqlite3_stmt *statement, int at)
{
	return sqlite3_column_int(statement, at);
}

unsigned
sql_column_unsigned(struct sqlite3_stmt *statement, int at)
{
	int64_t number = sqlite3_column_int64(statement, at);
	return number < 0 ? 0 : number > UINT_MAX ? UINT_MAX : (unsigned)number;
}

struct slice
sql_column_slice(struct sqlite3_stmt *statement, int at)
{
	const void *data = sqlite3_column_blob(statement, at);
	int len = sqlite3_column_bytes(statement, at);
	return (struct slice){ data, data != NULL && len > 0 ? (size_t)len : 0 };
}

const char *
sql_column_text(struct sqlite3_stmt *statement, int at)
{
	const unsigned char *text = sqlite3_column_text(statement, at);
	return text != NULL ? (const char *)text : "";
}

bool
sql_column_is_null(struct sqlite3_stmt *statement, int at)
{
	return sqlite3_column_type(statement, at) == SQLITE_NULL;
}

struct store_row
sql_row(struct sqlite3_stmt *statement)
{
	int64_t due_ms = sqlite3_column_int64(statement, 10);
	return (struct store_row){
		.id = sqlite3_column_int64(statement, 0),
		.endpoint = sql_column_text(statement, 1),
		.provider = sql_column_text(statement, 2),
		.type = sql_column_slice(statement, 3),
		.sender_id = sql_column_slice(statement, 4),
		.key = sql_column_slice(statement, 5),
		.remote = sql_column_slice(statement, 6),
		.state = (enum store_state)(sqlite3_column_int(statement, 7) & 3),
		.attempts = sql_column_unsigned(statement, 8),
		.received_ms = sqlite3_column_int64(statement, 9),
		.due_ms = due_ms > AT_ONCE ? due_ms : 0,
		.changed_ms = sqlite3_column_int64(statement, 11),
		.body_len = sqlite3_column_int64(statement, 12),
		.reason = sql_column_text(statement, 13),
	};
}
