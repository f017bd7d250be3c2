/* store_sqlite.c - events in an SQLite database (with store_vfs.c the only user of sqlite3)
 *
 * One file, in WAL mode with synchronous=FULL: a commit is one fdatasync(2), and what it acknowledges
 * survives a power loss. NORMAL, and DELETE with FULL, lose acknowledged events
 * (measured); where WAL cannot be had, TRUNCATE with FULL is as safe and slower.
 *
 * What moves often is short: `event` and its partial indexes. What is long lies in tables of its
 * own. The index event_queued holds only what is queued, so that a claim costs the same with millions
 * of events that are done. How many events an endpoint has in each state is
 * kept in its row, in the transaction that moves them: the queue's limit, the
 * concurrency and the statistics count nothing. A commit costs the pages that it changes: an
 * endpoint's row is written once in a transaction, see struct account, and no number is written down
 * when it is given: the largest is the newest event's, or that of one that was pruned (clock.last_event).
 *
 * - New events have due 0 and are taken by their number, whatever the clock does. A retry has the
 *   time when it is due; one that is due at once (replayed, requeued) has 1, which is long ago, so it
 *   is taken as a retry and not before new events that came earlier. What a killed process had
 *   goes back to 0: it takes its old place.
 * - Retention is measured in `age`, the milliseconds that the database was in use, see
 *   current_age(). Nothing that is kept for a time depends on the wall clock.
 * - Writers take turns, see turn_take(): SQLite's own waiting starves whoever has slept
 *   longest.
 * - Whoever finds another file in the place of the database that it had open looks whether the log that it had
 *   open still lies there: SQLite would replay that into the other file. A process that comes anew (CGI) cannot
 *   know whose a log is.
 * - An error of the disk, or a database that was moved away, ends the connection without the
 *   checkpoint that sqlite3_close() would make: it might delete the write-ahead log of the file that
 *   now has the name. What the next connection finds after an error of the disk may
 *   be in memory only; it is written to the database anew before it is used, see write_anew().
 *
 * An UPDATE or DELETE finds its rows by number or by an index that is named (INDEXED BY): the
 * statement fails, in the tests, when it could not use it.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "alloc.h"
#include "clock.h"
#include "crypto.h"
#include "log.h"
#include "store_vfs.h"
#include "text.h"

#define APPLICATION_ID 0x686f6f6b /* "hook" */
#define VERSION 1

#define WAIT_MS 4000         /* for other writers, where the caller says nothing */
#define SETTLE_WAIT_MS 10000 /* a handler has run, or is about to */
#define WAIT_MAX_MS ((int64_t)3600 * 1000)
#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define WAITED_LEASE_MS ((int64_t)2 * 3600 * 1000) /* over any timeout of a handler */
#define LATE_AGAIN_MS 50                    /* between two signals to one who waits too long */
#define BLOB_MAX ((size_t)1 << 30)          /* SQLite's own limit is lower */
#define AT_ONCE 1                           /* due of a retry that waits for nothing */
#define FIX_STEP 1000                       /* due times mended in one transaction */
#define RUNNING_MAX 100000                  /* owners that one look at the running ones judges */
#define BURY_MAX 10                         /* damaged events that one transaction makes dead */
#define LOG_FRAMES_MAX (4 * STORE_LOG_LONG) /* then the writer makes the checkpoint itself */
#define LOG_LEFT_MAX ((off_t)1 << 20)       /* see store_leave_log() */
#define OWNER_MAX 160
#define NUMBER_MAX (INT64_C(1) << 53) /* of an event that is believed */
#define EMPTY_MAX 1                   /* bytes of a file that is empty to SQLite */

/* Flags of an attempt. */
#define ATTEMPT_OUTPUT_CUT 1
#define ATTEMPT_ERROR_CUT 2
#define ATTEMPT_FAILED 4

static const char schema[] =
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
	" owner TEXT," /* of a running one: which process, see owner_of_this_process() */
	" lease INTEGER NOT NULL," /* of a running one: ms since 1970 */
	" waited INTEGER NOT NULL" /* 1: its sender waits for the result */
	") STRICT;"
	"CREATE INDEX event_queued ON event(endpoint, due) WHERE state = 0;"
	"CREATE INDEX event_running ON event(endpoint) WHERE state = 1;"
	"CREATE INDEX event_over ON event(state, age) WHERE state >= 2;"
	"CREATE INDEX event_dead ON event(state) WHERE state = 3;"
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
	"INTEGER), -1, 0, 0, 0);"
	"PRAGMA application_id = 1752133483;"
	"PRAGMA user_version = 1;";

_Static_assert(APPLICATION_ID == 1752133483 && VERSION == 1, "the schema says both as text");

#define ROW_COLUMNS                                                                        \
	"SELECT e.id, p.name, d.provider, d.type, d.sender_id, d.key, d.remote, e.state, " \
	"e.attempts, d.received, e.due, e.changed, d.body_len, d.reason"
/* CROSS JOIN: in this order. */
#define ROW_TABLES                                  \
	" CROSS JOIN detail AS d ON d.event = e.id" \
	" CROSS JOIN endpoint AS p ON p.id = e.endpoint"
#define LIST(index, condition, order)                    \
	ROW_COLUMNS " FROM event AS e " index ROW_TABLES \
		    " WHERE e.id > ?1 AND d.received >= ?3 AND " condition " ORDER BY e.id " order
#define LIST_ALL(order) LIST("", "1", order)
#define LIST_ENDPOINT(order) LIST("INDEXED BY event_endpoint", "e.endpoint = ?2", order)
#define LIST_QUEUED(order) \
	LIST("", "e.id IN (SELECT id FROM event INDEXED BY event_queued WHERE state = 0)", order)
#define LIST_RUNNING(order) LIST("INDEXED BY event_running", "e.state = 1", order)
#define LIST_DEAD(order) LIST("INDEXED BY event_dead", "e.state = 3", order)

enum sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_CLOCK,
	SQL_CLOCK_SET,
	SQL_TOUCH,
	SQL_ENDPOINT_FIND,
	SQL_ENDPOINT_ADD,
	SQL_ENDPOINT_LOOK,
	SQL_ENDPOINT_COUNT,
	SQL_ENDPOINT_LOADS,
	SQL_ENDPOINTS,
	SQL_KEY_ADD,
	SQL_KEY_FIND,
	SQL_KEY_GONE,
	SQL_KEY_OVER,
	SQL_KEY_DROP,
	SQL_KEY_FREE,
	SQL_EVENT_ADD,
	SQL_DETAIL_ADD,
	SQL_BODY_ADD,
	SQL_REQUEUE,
	SQL_FRESH,
	SQL_RETRY,
	SQL_LOAD,
	SQL_CLAIM,
	SQL_BURY,
	SQL_SETTLE,
	SQL_REASON,
	SQL_ATTEMPT_ADD,
	SQL_RUNNING,
	SQL_GIVE_BACK,
	SQL_DUE_FAR,
	SQL_DUE_MEND,
	SQL_COUNT_RUNNING,
	SQL_COUNT_QUEUED,
	SQL_MEND_RUNNING,
	SQL_MEND_QUEUED,
	SQL_STATE,
	SQL_REPLAY,
	SQL_SHOW,
	SQL_ATTEMPTS,
	SQL_OLDEST_QUEUED,
	SQL_OLDEST_RUNNING,
	SQL_OLDEST_DONE,
	SQL_OLDEST_DEAD,
	SQL_OVER,
	SQL_OVER_ATTEMPTS,
	SQL_ATTEMPT_DROP,
	SQL_DETAIL_DROP,
	SQL_BODY_DROP,
	SQL_EVENT_DROP,
	SQL_OVER_BODY,
	SQL_BODY_DROPPED,
	SQL_LIST_ALL,
	SQL_LIST_ENDPOINT,
	SQL_LIST_QUEUED,
	SQL_LIST_RUNNING,
	SQL_LIST_DEAD,
	SQL_LIST_ALL_OLDEST, /* the same five, oldest first */
	SQL_LIST_ENDPOINT_OLDEST,
	SQL_LIST_QUEUED_OLDEST,
	SQL_LIST_RUNNING_OLDEST,
	SQL_LIST_DEAD_OLDEST,
	SQL_COUNT
};

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
			    " FROM event INDEXED BY event_dead WHERE state = 3 AND endpoint = ?1"
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
	[SQL_LIST_ALL] = LIST_ALL("DESC"),
	[SQL_LIST_ENDPOINT] = LIST_ENDPOINT("DESC"),
	[SQL_LIST_QUEUED] = LIST_QUEUED("DESC"),
	[SQL_LIST_RUNNING] = LIST_RUNNING("DESC"),
	[SQL_LIST_DEAD] = LIST_DEAD("DESC"),
	[SQL_LIST_ALL_OLDEST] = LIST_ALL("ASC"),
	[SQL_LIST_ENDPOINT_OLDEST] = LIST_ENDPOINT("ASC"),
	[SQL_LIST_QUEUED_OLDEST] = LIST_QUEUED("ASC"),
	[SQL_LIST_RUNNING_OLDEST] = LIST_RUNNING("ASC"),
	[SQL_LIST_DEAD_OLDEST] = LIST_DEAD("ASC"),
};

/* An endpoint's number; rows of endpoints are never removed. */
struct known_endpoint {
	char *name;
	int64_t id;
};

/* By how much an endpoint's row changes. */
struct change {
	int64_t events[4];
	int64_t attempts, failed_attempts;
	int64_t refusing;
};

/*
 * What a transaction changes in an endpoint's row, which is written when it ends. Until then a number
 * is what the row says and the change.
 */
struct account {
	int64_t endpoint;
	bool looked; /* the next two are what the row says */
	int64_t queued, refusing;
	struct change change;
};

struct clock {
	int64_t age;
	int64_t wall_ms;
	int64_t body_age;
	int64_t body_event;
	int64_t last_id; /* the largest that was ever given */
};

/* An attempt that is over and was not settled. */
struct lost {
	int64_t id;
	unsigned attempts;
	int64_t started_ms;
	char owner[OWNER_MAX];
};

struct store {
	char *path;
	char *shown; /* the path for people, escaped */
	pid_t pid;   /* that opened db and lock */
	sqlite3 *db; /* NULL: not open */
	sqlite3_stmt *cached[SQL_COUNT];
	dev_t device; /* of the file that is open */
	ino_t inode;
	int code;     /* first failure of this call, of SQLite; SQLITE_OK: none */
	int error;    /* errno of it, 0: none */
	bool network; /* the file may be other machines' too */
	bool suspect; /* the disk has failed: what it holds is not what the kernel shows */
	bool synced;  /* this connection has committed something: all that it sees is on disk */
	int changes;  /* sqlite3_total_changes() when the transaction began */
	int lock;     /* DATABASE-lock, -1: not open */
	bool has_turn;
	bool leaves_log;          /* see store_leave_log() */
	bool checkpoints_apart;   /* see store_checkpoint_apart() */
	unsigned log_frames;      /* after the last commit */
	bool counted;             /* what is queued, see mend_counts() */
	_Atomic int64_t expected; /* see store_expect() */
	store_loss *lost;
	void *lost_context;
	struct clock
		clock; /* as the transaction has found it; last_id goes on with what it gives */
	struct lost *doubts; /* what the transaction makes running, see doubt() */
	size_t doubt_count, doubt_size;
	struct known_endpoint *endpoints;
	size_t endpoint_count, endpoint_size;
	struct account *accounts; /* of the transaction */
	size_t account_count, account_size;
	char owner[OWNER_MAX];
	pid_t owner_pid; /* that owner is of; 0: none yet */
	char journal[128];
	char reason[512];
};

/*
 * Small things
 */

static const char *const state_names[] = {
	[STORE_QUEUED] = "queued",
	[STORE_RUNNING] = "running",
	[STORE_DONE] = "done",
	[STORE_DEAD] = "dead",
};

const char *
store_state_name(enum store_state state)
{
	return state_names[state];
}

bool
store_state_find(const char *name, enum store_state *out)
{
	for (unsigned i = 0; i < sizeof state_names / sizeof *state_names; i++) {
		if (strcmp(state_names[i], name) == 0) {
			*out = (enum store_state)i;
			return true;
		}
	}
	return false;
}

/* Say why, after the name of the database. */
static enum store_result __attribute__((format(printf, 3, 4)))
refuse(struct store *store, enum store_result result, const char *format, ...)
{
	va_list arguments;
	int len = snprintf(store->reason, sizeof store->reason, "%.300s: ", store->shown);
	va_start(arguments, format);
	vsnprintf(store->reason + len, sizeof store->reason - (size_t)len, format, arguments);
	va_end(arguments);
	return result;
}

/* The name of a file that lies beside the database; owned. */
static char *
beside(const struct store *store, const char *suffix)
{
	char *path = xmalloc(strlen(store->path) + strlen(suffix) + 1);
	sprintf(path, "%s%s", store->path, suffix);
	return path;
}

/*
 * Which process: "BOOT PID-NAMESPACE PID START", "-" for what is not known
 */

struct owner {
	char boot[40];
	char space[32];
	long pid;
	char start[24];
};

/* What a small file of the kernel holds, up to the first white space. false: nothing. */
static bool
read_word(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, " \n")] = '\0';
	return out[0] != '\0';
}

/* State and start time of a process (proc(5), fields 3 and 22). false: it cannot be read. */
static bool
read_stat(long pid, char *state_out, char start_out[24])
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* The name of the program may hold anything, also ")". */
	const char *at = strrchr(text, ')');
	if (at == NULL || sscanf(at, ") %c", state_out) != 1)
		return false;
	for (int field = 2; field < 22; field++) {
		at = strchr(at + 1, ' ');
		if (at == NULL)
			return false;
	}
	return sscanf(at, " %23[0-9]", start_out) == 1;
}

/* As it is written into rows. Made once a process: a child is another one. */
static const char *
owner_of_this_process(struct store *store)
{
	char boot[40], space[32] = "-", start[24] = "-", self[32], state;
	ssize_t n;
	if (store->owner_pid == getpid())
		return store->owner;
	if (!read_word("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
		memcpy(boot, "-", 2);
	/* A /proc of another namespace has other processes under these numbers. */
	n = readlink("/proc/self", self, sizeof self - 1);
	self[n > 0 ? n : 0] = '\0';
	if (strtol(self, NULL, 10) == (long)getpid()) {
		n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
		if (n > 0)
			space[n] = '\0';
		else
			memcpy(space, "-", 2);
		if (!read_stat((long)getpid(), &state, start))
			memcpy(start, "-", 2);
	}
	snprintf(store->owner, sizeof store->owner, "%s %s %ld %s", boot, space, (long)getpid(),
		start);
	store->owner_pid = getpid();
	return store->owner;
}

static bool
owner_parse(const char *text, struct owner *out)
{
	return text != NULL &&
	       sscanf(text, "%39s %31s %ld %23s", out->boot, out->space, &out->pid, out->start) ==
		       4 &&
	       out->pid > 0;
}

enum life { LIFE_OVER, LIFE_GOES_ON, LIFE_UNKNOWN };

/* Does the process that wrote this owner still live? */
static enum life
owner_life(struct store *store, const char *text)
{
	struct owner owner, self;
	char state, start[24];
	if (!owner_parse(text, &owner) || !owner_parse(owner_of_this_process(store), &self) ||
		strcmp(owner.boot, "-") == 0 || strcmp(self.boot, "-") == 0)
		return LIFE_UNKNOWN;
	if (strcmp(owner.boot, self.boot) != 0) /* of another machine, where there may be one */
		return store->network ? LIFE_UNKNOWN : LIFE_OVER;
	if (strcmp(owner.space, "-") == 0 || strcmp(owner.space, self.space) != 0)
		return LIFE_UNKNOWN;
	if (!read_stat(owner.pid, &state, start)) /* hidepid, or there is none */
		return kill((pid_t)owner.pid, 0) != 0 && errno == ESRCH ? LIFE_OVER : LIFE_UNKNOWN;
	if (state == 'Z' || state == 'X')
		return LIFE_OVER;
	if (strcmp(owner.start, "-") == 0)
		return LIFE_UNKNOWN;
	return strcmp(owner.start, start) == 0 ? LIFE_GOES_ON : LIFE_OVER;
}

/*
 * Turns: two byte locks on DATABASE-lock
 *
 * Whoever wants to write queues for byte 0, and with it waits for byte 1, the turn. So one who has
 * just written stands behind all who wait; SQLite's own waiting is sleep and retry, and
 * let a process wait for seconds behind one that writes back to back (measured).
 * They are locks of an open file, not of a process: another thread's are no obstacle to close(2), and
 * the kernel takes them back from whoever is killed. They are for fairness only: where they cannot be
 * had, SQLite's lock is still there.
 */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum turn { TURN_TAKEN, TURN_LATE, TURN_NONE };

static pthread_once_t signal_once = PTHREAD_ONCE_INIT;

static void
signal_seen(int number)
{
	(void)number; /* it has interrupted fcntl(2), that is all */
}

static void
signal_setup(void)
{
	struct sigaction action = { .sa_handler = signal_seen }; /* no SA_RESTART */
	sigemptyset(&action.sa_mask);
	sigaction(SIGRTMIN + 1, &action, NULL);
}

static int
byte_lock(int fd, int command, off_t byte, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	return fcntl(fd, command, &lock);
}

/* Wait for the byte, woken by a signal to this thread when it is too late. */
static enum turn
byte_wait(int fd, off_t byte, int64_t deadline_ms)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec late = {
		/* Again and again: the first may come just before the call that it is to end. */
		.it_interval = { 0, (long)LATE_AGAIN_MS * 1000000 },
		.it_value = { deadline_ms / 1000, deadline_ms % 1000 * 1000000 },
	};
	sigset_t ours, before;
	timer_t timer;
	int error;

	pthread_once(&signal_once, signal_setup);
	event.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		return TURN_NONE;
	sigemptyset(&ours);
	sigaddset(&ours, SIGRTMIN + 1);
	pthread_sigmask(SIG_UNBLOCK, &ours, &before);
	timer_settime(timer, TIMER_ABSTIME, &late, NULL);
	do
		error = byte_lock(fd, F_OFD_SETLKW, byte, F_WRLCK) == 0 ? 0 : errno;
	while (error == EINTR && clock_ms() < deadline_ms);
	timer_delete(timer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		return TURN_TAKEN;
	return error == EINTR ? TURN_LATE : TURN_NONE;
}

static enum turn
byte_take(int fd, off_t byte, int64_t deadline_ms)
{
	if (byte_lock(fd, F_OFD_SETLK, byte, F_WRLCK) == 0)
		return TURN_TAKEN;
	if (errno != EAGAIN && errno != EACCES)
		return TURN_NONE;
	return clock_ms() < deadline_ms ? byte_wait(fd, byte, deadline_ms) : TURN_LATE;
}

/* false: there is none; nobody needs it. */
static bool
lock_open(struct store *store)
{
	struct stat database, lock;
	char *path;
	if (store->lock >= 0)
		return true;
	path = beside(store, "-lock");
	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(path);
	/* As SQLite does with its files: what root makes, the owner of the database may open. */
	if (store->lock >= 0 && geteuid() == 0 && stat(store->path, &database) == 0 &&
		fstat(store->lock, &lock) == 0 && lock.st_uid != database.st_uid &&
		fchown(store->lock, database.st_uid, database.st_gid) != 0) {
		close(store->lock);
		store->lock = -1;
	}
	return store->lock >= 0;
}

/* false: not before the deadline. */
static bool
turn_take(struct store *store, int64_t deadline_ms)
{
	if (store->has_turn || !lock_open(store))
		return true;
	enum turn queued = byte_take(store->lock, 0, deadline_ms);
	if (queued != TURN_TAKEN)
		return queued == TURN_NONE;
	enum turn turn = byte_take(store->lock, 1, deadline_ms);
	byte_lock(store->lock, F_OFD_SETLK, 0, F_UNLCK);
	store->has_turn = turn == TURN_TAKEN;
	return turn != TURN_LATE;
}

static void
turn_give(struct store *store)
{
	if (store->has_turn)
		byte_lock(store->lock, F_OFD_SETLK, 1, F_UNLCK);
	store->has_turn = false;
}

/*
 * Statements. The first failure of a call is kept in store->code, and what comes after it does nothing.
 */

static bool
note(struct store *store, int code)
{
	bool good = code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE;
	if (!good && store->code == SQLITE_OK) {
		store->code = code;
		store->error = store->db != NULL ? sqlite3_system_errno(store->db) : 0;
		if ((code & 0xff) == SQLITE_IOERR && store->error == 0)
			store->error = errno; /* SQLite keeps it only for some calls */
	}
	return good;
}

/* Ready to be bound: all of its parameters, since those of the last time are still there. finish()
 * has let go of the rows. NULL: it failed. */
static sqlite3_stmt *
use(struct store *store, enum sql sql)
{
	sqlite3_stmt **statement = &store->cached[sql];
	if (store->code != SQLITE_OK)
		return NULL;
	if (*statement == NULL && !note(store, sqlite3_prepare_v3(store->db, statements[sql], -1,
						       SQLITE_PREPARE_PERSISTENT, statement, NULL)))
		return NULL;
	return *statement;
}

static void
bind_number(struct store *store, sqlite3_stmt *statement, int at, int64_t number)
{
	if (statement != NULL)
		note(store, sqlite3_bind_int64(statement, at, number));
}

static void
bind_slice(struct store *store, sqlite3_stmt *statement, int at, struct slice slice)
{
	/* A pointer to nothing would be NULL. */
	if (statement != NULL)
		note(store, sqlite3_bind_blob64(statement, at, slice.len > 0 ? slice.data : "",
				    slice.len, SQLITE_STATIC));
}

/* NULL is NULL. */
static void
bind_text(struct store *store, sqlite3_stmt *statement, int at, const char *text)
{
	if (statement != NULL)
		note(store, sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC));
}

/* true: there is a (next) row. */
static bool
step(struct store *store, sqlite3_stmt *statement)
{
	if (statement == NULL || store->code != SQLITE_OK)
		return false;
	int code = sqlite3_step(statement);
	note(store, code);
	return code == SQLITE_ROW;
}

/* Let go of the rows. false: this or something before it failed. */
static bool
finish(struct store *store, sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	return store->code == SQLITE_OK;
}

/* For what has no rows. */
static bool
run(struct store *store, sqlite3_stmt *statement)
{
	while (step(store, statement))
		continue;
	return finish(store, statement);
}

static bool
run_number(struct store *store, enum sql sql, int64_t number)
{
	sqlite3_stmt *statement = use(store, sql);
	bind_number(store, statement, 1, number);
	return run(store, statement);
}

static struct slice
column_slice(sqlite3_stmt *statement, int at)
{
	const void *data = sqlite3_column_blob(statement, at);
	int len = sqlite3_column_bytes(statement, at);
	return (struct slice){ data, data != NULL && len > 0 ? (size_t)len : 0 };
}

/* "" for NULL. */
static const char *
column_text(sqlite3_stmt *statement, int at)
{
	const unsigned char *text = sqlite3_column_text(statement, at);
	return text != NULL ? (const char *)text : "";
}

static unsigned
column_unsigned(sqlite3_stmt *statement, int at)
{
	int64_t number = sqlite3_column_int64(statement, at);
	return number < 0 ? 0 : number > UINT_MAX ? UINT_MAX : (unsigned)number;
}

/*
 * The connection
 */

/* What was added to them in a transaction that is undone goes too. */
static void
forget_endpoints(struct store *store)
{
	store->account_count = 0;
	for (size_t i = 0; i < store->endpoint_count; i++)
		free(store->endpoints[i].name);
	store->endpoint_count = 0;
}

static void
finalize(struct store *store)
{
	for (size_t i = 0; i < SQL_COUNT; i++) {
		sqlite3_finalize(store->cached[i]);
		store->cached[i] = NULL;
	}
	forget_endpoints(store);
}

/* End the connection and touch no file by its name. */
static void
drop(struct store *store)
{
	turn_give(store);
	finalize(store);
	if (store->db != NULL) {
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_close(store->db);
	}
	store->db = NULL;
	if (store->lock >= 0)
		close(store->lock);
	store->lock = -1;
}

static bool
is_no_room(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* What store->code means, said in store->reason. */
static enum store_result
explain(struct store *store)
{
	int error = store->error;
	int code = store->code & 0xff;
	if (code == SQLITE_FULL ||
		((code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && is_no_room(error)))
		return refuse(store, STORE_FULL,
			"no room on the disk, or the quota is used up: free some");
	switch (code) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return refuse(store, STORE_BUSY,
			"another program held the database for too long: try again; if it stays "
			"so, "
			"find it with fuser(1)");
	case SQLITE_IOERR:
		return refuse(store, STORE_FAILED,
			"the disk failed (%s, SQLite code %d): look at it",
			error != 0 ? strerror(error) : "input/output error", store->code);
	case SQLITE_CORRUPT:
		return refuse(store, STORE_FAILED,
			"the database is damaged: stop all that use it, keep a copy, and put a "
			"backup "
			"in its place or mend it with sqlite3's .recover");
	case SQLITE_NOTADB:
		return refuse(store, STORE_FAILED,
			"this is no database: name another file as store, or put a backup in its "
			"place");
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return refuse(store, STORE_FAILED,
			"it cannot be written: make the file, its folder and the file system "
			"writable "
			"for user %ld",
			(long)geteuid());
	case SQLITE_CANTOPEN:
		return refuse(store, STORE_FAILED,
			"it cannot be opened (%s): the folder must be writable for user %ld",
			error != 0 ? strerror(error) : "no access", (long)geteuid());
	default:
		return refuse(store, STORE_FAILED, "%s (SQLite code %d)",
			store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(store->code),
			store->code);
	}
}

/* Said to all processes, since the kernel tells each failure of a sync once: who opens the database next may
 * not see it. The mark is in the file of the turn, which need not reach the disk. */
static void
suspect(struct store *store)
{
	ssize_t ignored = lock_open(store) ? pwrite(store->lock, "!", 1, 0) : 0;
	(void)ignored;
	store->suspect = true;
}

static bool
is_suspect(struct store *store)
{
	char mark;
	return store->suspect ||
	       (lock_open(store) && pread(store->lock, &mark, 1, 0) == 1 && mark == '!');
}

/* End what is open after a failure, and say what it was. A connection that has seen the disk fail
 * is not used again. */
static enum store_result
fail(struct store *store)
{
	enum store_result result = explain(store);
	int code = store->code & 0xff;
	if (code == SQLITE_IOERR)
		suspect(store);
	if (result == STORE_BUSY || code == SQLITE_FULL) {
		store->code = SQLITE_OK;
		store->doubt_count = 0;
		for (size_t i = 0; i < SQL_COUNT; i++)
			sqlite3_reset(store->cached[i]);
		forget_endpoints(store);
		if (sqlite3_get_autocommit(store->db) == 0)
			run(store, use(store, SQL_ROLLBACK));
		turn_give(store);
		if (store->code != SQLITE_OK)
			drop(store);
	} else {
		drop(store);
	}
	return result;
}

/* Which file: with the time when it was made, where the file system knows it, since numbers are given again. */
struct file_id {
	uint64_t device;
	uint64_t inode; /* 0: there is none */
	int64_t born_ns;
};

static struct file_id
file_id(const char *path)
{
	struct statx status;
	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &status) != 0)
		return (struct file_id){ .inode = 0 };
	bool known = (status.stx_mask & STATX_BTIME) != 0;
	return (struct file_id){
		.device = (uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor,
		.inode = status.stx_ino,
		.born_ns = known ? (int64_t)status.stx_btime.tv_sec * 1000000000 +
					   status.stx_btime.tv_nsec
				 : 0,
	};
}

static struct file_id
log_id(const struct store *store)
{
	char *path = beside(store, "-wal");
	struct file_id id = file_id(path);
	free(path);
	return id;
}

static bool
is_same_file(struct file_id a, struct file_id b)
{
	return a.inode != 0 && a.inode == b.inode && a.device == b.device && a.born_ns == b.born_ns;
}

/* A database that was open in this process, or in one that it was forked from, and its log. */
struct opened_file {
	char *path;
	struct file_id database, log;
};

static struct {
	pthread_mutex_t lock;
	struct opened_file *files;
	size_t count;
} opened = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Called with the lock held. NULL: there was none at this path. */
static struct opened_file *
opened_find(const char *path)
{
	for (size_t i = 0; i < opened.count; i++) {
		if (strcmp(opened.files[i].path, path) == 0)
			return &opened.files[i];
	}
	return NULL;
}

/* false: none was open at this path. */
static bool
was_opened(const char *path, struct opened_file *out)
{
	pthread_mutex_lock(&opened.lock);
	const struct opened_file *found = opened_find(path);
	if (found != NULL)
		*out = *found;
	pthread_mutex_unlock(&opened.lock);
	return found != NULL;
}

static void
remember_opened(const struct store *store)
{
	struct file_id database = file_id(store->path), log = log_id(store);
	pthread_mutex_lock(&opened.lock);
	struct opened_file *file = opened_find(store->path);
	if (file == NULL) {
		opened.files = xreallocarray(opened.files, opened.count + 1, sizeof *opened.files);
		file = &opened.files[opened.count++];
		file->path = xstrdup(store->path);
	}
	file->database = database;
	file->log = log;
	pthread_mutex_unlock(&opened.lock);
}

/* The log that lies here is of the database that was here before. */
static bool
has_log_of_another(const struct store *store)
{
	struct opened_file before;
	return was_opened(store->path, &before) && is_same_file(before.log, log_id(store)) &&
	       !is_same_file(before.database, file_id(store->path));
}

/* There were events here. It is asked before a look at the file, which another process may be filling for the
 * first time. */
static bool
had_events(const struct store *store)
{
	struct opened_file before;
	return atomic_load(&store->expected) > 0 || was_opened(store->path, &before);
}

static enum store_result
gone(struct store *store)
{
	return refuse(store, STORE_FAILED,
		"the database was here and is gone: put it back, or restart to begin a new one");
}

static enum store_result
emptied(struct store *store)
{
	const char *slash = strrchr(store->shown, '/');
	return refuse(store, STORE_FAILED,
		"it held events and is empty now: put a backup in its place, or remove it and "
		"%.80s-tally and restart to begin a new one",
		slash != NULL ? slash + 1 : store->shown);
}

static enum store_result
other_log(struct store *store)
{
	const char *slash = strrchr(store->shown, '/');
	const char *name = slash != NULL ? slash + 1 : store->shown;
	return refuse(store, STORE_FAILED,
		"%s, and the log of the one before still lies there: move %.60s-wal and "
		"%.60s-shm away as well, or put the one before back",
		access(store->path, F_OK) == 0 ? "another file was put in its place" : "it is gone",
		name, name);
}

/*
 * Make the empty file, and the folder that it lies in. mknod(2) makes it without opening it: a close(2) would take
 * SQLite's locks from another connection of this process.
 */
static enum store_result
make_file(struct store *store, bool *made_out)
{
	const char *slash = strrchr(store->path, '/');
	char *folder = xmemdup0(store->path, slash != NULL ? (size_t)(slash - store->path) : 0);
	int error = folder[0] != '\0' && mkdir(folder, 0700) != 0 && errno != EEXIST ? errno : 0;
	enum store_result result = STORE_OK;
	if (error != 0) {
		result = refuse(store, is_no_room(error) ? STORE_FULL : STORE_FAILED,
			"its folder cannot be made: %s: make it, writable for user %ld",
			strerror(error), (long)geteuid());
	} else if (mknod(store->path, S_IFREG | 0600, 0) == 0) {
		*made_out = true;
	} else if (errno != EEXIST) {
		error = errno;
		result = refuse(store, is_no_room(error) ? STORE_FULL : STORE_FAILED,
			"it cannot be made: %s: its folder must be writable for user %ld",
			strerror(error), (long)geteuid());
	}
	free(folder);
	return result;
}

/* Find the file, made where there never was one. had: see had_events(). */
static enum store_result
find_file(struct store *store, bool had, struct stat *status, bool *made_out)
{
	struct opened_file before;
	for (int tries = 0; tries < 2; tries++) {
		if (stat(store->path, status) == 0) {
			if (S_ISREG(status->st_mode))
				return STORE_OK;
			return refuse(store, STORE_FAILED, "not a file: name another one as store");
		}
		if (errno != ENOENT)
			return refuse(store, STORE_FAILED, "%s: it must be in reach of user %ld",
				strerror(errno), (long)geteuid());
		if (was_opened(store->path, &before))
			return gone(store);
		/* SQLite would remove the log of an empty file. */
		if (had && log_id(store).inode != 0)
			return other_log(store);
		enum store_result result = make_file(store, made_out);
		if (result != STORE_OK)
			return result;
	}
	return gone(store);
}

/* The connection's file is not the one of this name any more. */
static bool
has_moved(const struct store *store)
{
	struct stat status;
	return stat(store->path, &status) != 0 || status.st_dev != store->device ||
	       status.st_ino != store->inode;
}

/* One number or word that a statement says; "" when it fails. Only for opening. */
static bool
ask(struct store *store, const char *sql, char *out, size_t size)
{
	sqlite3_stmt *statement = NULL;
	out[0] = '\0';
	if (note(store, sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL)) &&
		step(store, statement))
		snprintf(out, size, "%s", column_text(statement, 0));
	sqlite3_finalize(statement);
	return store->code == SQLITE_OK;
}

static int64_t
ask_number(struct store *store, const char *sql)
{
	char text[32];
	return ask(store, sql, text, sizeof text) ? strtoll(text, NULL, 10) : -1;
}

static bool
execute(struct store *store, const char *sql)
{
	return store->code == SQLITE_OK &&
	       note(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

enum identity { IDENTITY_OURS, IDENTITY_EMPTY, IDENTITY_NEWER, IDENTITY_FOREIGN };

static enum identity
identify(struct store *store)
{
	int64_t application = ask_number(store, "PRAGMA application_id");
	int64_t version = ask_number(store, "PRAGMA user_version");
	if (application == APPLICATION_ID && version > 0)
		return version > VERSION ? IDENTITY_NEWER : IDENTITY_OURS;
	if (application == 0 && version == 0 &&
		ask_number(store, "SELECT count(*) FROM sqlite_schema") == 0)
		return IDENTITY_EMPTY;
	return IDENTITY_FOREIGN;
}

/* File systems that more than one machine may have mounted, or that cannot share memory. */
static const struct {
	unsigned long magic;
	const char *name;
} network_systems[] = {
	{ 0x6969, "nfs" },
	{ 0x517b, "smb" },
	{ 0xff534d42, "cifs" },
	{ 0xfe534d42, "smb2" },
	{ 0x65735546, "fuse" },
	{ 0x01021997, "9p" },
	{ 0x5346414f, "afs" },
	{ 0x6b414653, "afs" },
	{ 0x00c36400, "ceph" },
	{ 0x73757245, "coda" },
	{ 0x564c, "ncp" },
	{ 0x01161970, "gfs2" },
	{ 0x7461636f, "ocfs2" },
	{ 0x0bd00bd0, "lustre" },
	{ 0x786f4256, "vboxsf" },
	{ 0x19830326, "fhgfs" },
};

/* NULL: none. */
static const char *
network_system(const char *path)
{
	struct statfs status;
	if (statfs(path, &status) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof network_systems / sizeof *network_systems; i++) {
		if (((unsigned long)status.f_type & 0xffffffff) == network_systems[i].magic)
			return network_systems[i].name;
	}
	return NULL;
}

/*
 * The journal's mode, read back. On the way to WAL an empty database goes through TRUNCATE, not
 * DELETE: the deleted journal of its first page might come back after a power
 * loss, and undo it with all that lies behind it.
 */
static bool
set_journal(struct store *store, bool is_empty)
{
	const char *system = network_system(store->path);
	char mode[32];
	store->network = system != NULL;
	if (is_empty || system != NULL)
		ask(store, "PRAGMA journal_mode = TRUNCATE", mode, sizeof mode);
	if (system == NULL) {
		/* What it answers is not what is in force when a sync of it fails: that is asked for. */
		ask(store, "PRAGMA journal_mode = WAL", mode, sizeof mode);
		ask(store, "PRAGMA journal_mode", mode, sizeof mode);
	}
	if (store->code != SQLITE_OK)
		return false;
	/* SQLite falls back by itself, also where it was the disk that failed. */
	if (system == NULL && store_vfs_sync_failed(store->db)) {
		store->code = SQLITE_IOERR_FSYNC;
		store->error = EIO;
		return false;
	}
	if (system == NULL && strcmp(mode, "wal") == 0) {
		snprintf(store->journal, sizeof store->journal, "WAL, synchronous FULL");
		return true;
	}
	if (system == NULL && !ask(store, "PRAGMA journal_mode = TRUNCATE", mode, sizeof mode))
		return false;
	if (strcmp(mode, "truncate") != 0) {
		store->code = SQLITE_CANTOPEN;
		return false;
	}
	if (system != NULL)
		snprintf(store->journal, sizeof store->journal,
			"network file system (%s): TRUNCATE, synchronous FULL", system);
	else
		snprintf(store->journal, sizeof store->journal,
			"no shared memory on this file system: TRUNCATE, synchronous FULL");
	return true;
}

/* After each commit that wrote to the log: what SQLite's own hook does (sqlite3WalDefaultHook()), with our limit.
 * A checkpoint that fails is made by a later one. */
static int
after_commit(void *context, sqlite3 *db, const char *name, int frames)
{
	struct store *store = context;
	store->log_frames = (unsigned)frames;
	if (store->log_frames >= (store->checkpoints_apart ? LOG_FRAMES_MAX : STORE_LOG_LONG))
		(void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return SQLITE_OK;
}

/* false: store->code, or what is set is not in force. */
static bool
configure(struct store *store, bool is_empty)
{
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (is_empty && !execute(store, "PRAGMA page_size = 2048")) /* before the first page */
		return false;
	if (!execute(store, "PRAGMA synchronous = FULL;"
			    "PRAGMA temp_store = MEMORY;"
			    "PRAGMA mmap_size = 0;"
			    "PRAGMA cache_size = -2000;"
			    "PRAGMA foreign_keys = OFF;"
			    "PRAGMA secure_delete = OFF;"
			    "PRAGMA cell_size_check = ON;"
			    "PRAGMA journal_size_limit = 67108864") ||
		!set_journal(store, is_empty))
		return false;
	if (ask_number(store, "PRAGMA synchronous") != 2 && store->code == SQLITE_OK)
		store->code = SQLITE_MISUSE;
	sqlite3_wal_hook(store->db, after_commit, store);
	return store->code == SQLITE_OK;
}

/*
 * The names of the file and of its folder, which may both be new, are on disk before the database is
 * ours: what comes later finds a database that was begun, and does not ask. SQLite syncs the
 * folder with its journal, but not what the folder lies in.
 */
static bool
sync_names(struct store *store)
{
	char *path = xstrdup(store->path);
	for (int up = 0; up < 2 && store->code == SQLITE_OK; up++) {
		char *slash = strrchr(path, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
		int fd = open(path[0] != '\0' ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* One that may be written and not be read cannot be synced by us. */
		if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL && errno != EROFS) {
			store->code = SQLITE_IOERR_DIR_FSYNC;
			store->error = errno;
		}
		if (fd >= 0)
			close(fd);
	}
	free(path);
	return store->code == SQLITE_OK;
}

/* Fill the empty database, unless another process has done so meanwhile. */
static bool
create(struct store *store)
{
	if (!execute(store, "BEGIN IMMEDIATE"))
		return false;
	if (identify(store) == IDENTITY_EMPTY)
		execute(store, schema);
	return execute(store, "COMMIT");
}

/*
 * After an fsync(2) that failed, the kernel may show pages as good that never reached the disk. So:
 * all that the write-ahead log holds goes into the database, which is synced, and the log begins anew.
 */
static bool
write_anew(struct store *store)
{
	if (!is_suspect(store))
		return store->code == SQLITE_OK;
	/* First: another process may find something meanwhile. */
	int ignored = store->lock >= 0 ? ftruncate(store->lock, 0) : 0;
	(void)ignored;
	if (strncmp(store->journal, "WAL", 3) == 0 &&
		ask_number(store, "PRAGMA wal_checkpoint(TRUNCATE)") != 0 &&
		store->code == SQLITE_OK)
		store->code = SQLITE_BUSY;
	if (store->code == SQLITE_OK)
		store->suspect = false;
	else
		suspect(store);
	return store->code == SQLITE_OK;
}

static int
left_ms(int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_ms();
	return left <= 0 ? 0 : left > WAIT_MAX_MS ? (int)WAIT_MAX_MS : (int)left;
}

static enum store_result
late(struct store *store)
{
	return refuse(store, STORE_BUSY,
		"others were writing until it was too late: try again; if it stays so, the disk is "
		"too "
		"slow for what comes");
}

static enum store_result
adopt(struct store *store, bool may_begin, int64_t deadline_ms)
{
	enum identity identity = identify(store);
	if ((identity == IDENTITY_EMPTY || identity == IDENTITY_FOREIGN) &&
		store->code == SQLITE_OK) {
		/* Only one at once begins a database; one that was just begun looked like neither. */
		if (!turn_take(store, deadline_ms))
			return late(store);
		sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
		identity = identify(store);
	}
	bool is_empty = identity == IDENTITY_EMPTY;
	if (store->code != SQLITE_OK)
		return fail(store);
	if (is_empty && !may_begin)
		return emptied(store);
	switch (identity) {
	case IDENTITY_NEWER:
		return refuse(store, STORE_FAILED,
			"it was made by a newer hookcgi: install that one, or name another store");
	case IDENTITY_FOREIGN:
		return refuse(store, STORE_FAILED,
			"it holds something else than hookcgi's events: name another file as "
			"store");
	case IDENTITY_OURS:
	case IDENTITY_EMPTY: break;
	}
	if (!configure(store, is_empty) || (is_empty && !(sync_names(store) && create(store))) ||
		!write_anew(store))
		return fail(store);
	return STORE_OK;
}

static bool
clock_read(struct store *store)
{
	sqlite3_stmt *statement = use(store, SQL_CLOCK);
	store->clock = (struct clock){ 0 };
	if (step(store, statement))
		store->clock = (struct clock){
			sqlite3_column_int64(statement, 0),
			sqlite3_column_int64(statement, 1),
			sqlite3_column_int64(statement, 2),
			sqlite3_column_int64(statement, 3),
			sqlite3_column_int64(statement, 4),
		};
	return finish(store, statement);
}

static bool
begin(struct store *store)
{
	store->changes = sqlite3_total_changes(store->db);
	return run(store, use(store, SQL_BEGIN)) && clock_read(store);
}

static bool
write_account(struct store *store, const struct account *account)
{
	static const struct change none;
	const struct change *change = &account->change;
	if (memcmp(change, &none, sizeof none) == 0)
		return true;
	sqlite3_stmt *statement = use(store, SQL_ENDPOINT_COUNT);
	bind_number(store, statement, 1, account->endpoint);
	for (int i = 0; i < 4; i++)
		bind_number(store, statement, 2 + i, change->events[i]);
	bind_number(store, statement, 6, change->attempts);
	bind_number(store, statement, 7, change->failed_attempts);
	bind_number(store, statement, 8, change->refusing);
	return run(store, statement);
}

/* Unless something has failed. Where nothing was changed, SQLite writes and syncs nothing. */
static bool
commit(struct store *store)
{
	for (size_t i = 0; i < store->account_count && store->code == SQLITE_OK; i++)
		write_account(store, &store->accounts[i]);
	store->account_count = 0;
	/* What a killed process left in the log may not be on disk: nothing is said to be there, a
	 * duplicate say, before one commit of this connection has synced it. */
	if (!store->synced && sqlite3_total_changes(store->db) == store->changes &&
		store->code == SQLITE_OK)
		run(store, use(store, SQL_TOUCH));
	bool committed = store->code == SQLITE_OK && run(store, use(store, SQL_COMMIT));
	store->synced = store->synced || committed;
	return committed;
}

static bool give_back(struct store *store, const struct lost *lost, int64_t now, unsigned *given);

/* This process is about to have the event. When the commit fails with the disk, it may be there all the
 * same, and would be taken for running as long as this process lives: the next connection gives it
 * back. */
static void
doubt(struct store *store, int64_t id, unsigned attempts, int64_t now)
{
	if (store->doubt_count == store->doubt_size) {
		store->doubt_size = store->doubt_size > 0 ? store->doubt_size * 2 : 8;
		store->doubts =
			xreallocarray(store->doubts, store->doubt_size, sizeof *store->doubts);
	}
	struct lost *lost = &store->doubts[store->doubt_count++];
	*lost = (struct lost){ .id = id, .attempts = attempts, .started_ms = now };
	snprintf(lost->owner, sizeof lost->owner, "%s", owner_of_this_process(store));
}

static enum store_result
resolve_doubts(struct store *store)
{
	unsigned given = 0;
	if (store->doubt_count == 0)
		return STORE_OK;
	begin(store);
	for (size_t i = 0; i < store->doubt_count && store->code == SQLITE_OK; i++)
		give_back(store, &store->doubts[i], clock_wall_ms(), &given);
	if (!commit(store)) {
		enum store_result result = explain(store);
		if ((store->code & 0xff) == SQLITE_IOERR)
			suspect(store);
		return result;
	}
	store->doubt_count = 0;
	return STORE_OK;
}

static enum store_result
connect(struct store *store, int64_t deadline_ms)
{
	struct stat status;
	bool had = had_events(store), made = false;
	enum store_result result = find_file(store, had, &status, &made);
	if (result != STORE_OK)
		return result;
	if (has_log_of_another(store))
		return other_log(store);
	/* Before SQLite sees it: it would remove the log. */
	if (status.st_size <= EMPTY_MAX && had && !made)
		return emptied(store);
	store->pid = getpid();
	store->synced = false;
	store->device = status.st_dev;
	store->inode = status.st_ino;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	if (!note(store, sqlite3_open_v2(store->path, &store->db, flags, store_vfs_name())))
		return fail(store);
	sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
	result = adopt(store, made || !had, deadline_ms);
	turn_give(store);
	if (result == STORE_OK && has_moved(store))
		result = refuse(
			store, STORE_FAILED, "it was replaced while it was opened: try again");
	if (result == STORE_OK)
		result = resolve_doubts(store);
	if (result != STORE_OK)
		drop(store);
	else
		remember_opened(store);
	return result;
}

/* The file that is open is not the one of this name any more. */
static enum store_result
leave(struct store *store)
{
	drop(store);
	if (access(store->path, F_OK) != 0)
		return gone(store);
	if (has_log_of_another(store))
		return other_log(store);
	return refuse(store, STORE_FAILED,
		"another file was put in the place of the open database: it is used from the next "
		"try on");
}

/* The beginning of each call: a connection to the file that has the name. */
static enum store_result
ready(struct store *store, int64_t deadline_ms)
{
	store->code = SQLITE_OK;
	store->reason[0] = '\0';
	if (store->db != NULL && store->pid != getpid())
		return refuse(store, STORE_FAILED,
			"this connection is of another process: open one after the fork");
	if (store->db != NULL && has_moved(store))
		return leave(store);
	if (store->db == NULL)
		return connect(store, deadline_ms);
	sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
	return STORE_OK;
}

struct store *
store_new(const char *path)
{
	struct store *store = xcalloc(1, sizeof *store);
	struct buf shown;
	buf_init(&shown, 4096);
	text_append_escaped(&shown, slice_of(path), 300);
	store->path = xstrdup(path);
	store->shown = buf_take(&shown);
	store->lock = -1;
	return store;
}

void
store_leave_log(struct store *store)
{
	store->leaves_log = true;
}

void
store_checkpoint_apart(struct store *store)
{
	store->checkpoints_apart = true;
}

unsigned
store_log_frames(const struct store *store)
{
	return store->log_frames;
}

enum store_result
store_checkpoint(struct store *store, unsigned *copied_out)
{
	int frames = 0, copied = 0;
	*copied_out = 0;
	enum store_result result = ready(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	if (!note(store, sqlite3_wal_checkpoint_v2(
				 store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied)))
		return fail(store);
	*copied_out = copied > 0 ? (unsigned)copied : 0;
	return STORE_OK;
}

void
store_expect(struct store *store, int64_t acknowledged)
{
	int64_t before = atomic_load(&store->expected);
	if (acknowledged > NUMBER_MAX)
		return;
	while (before < acknowledged &&
		!atomic_compare_exchange_weak(&store->expected, &before, acknowledged))
		continue;
}

void
store_on_loss(struct store *store, store_loss *lost, void *context)
{
	store->lost = lost;
	store->lost_context = context;
}

/* By the size of its file: one that was checkpointed and is long still goes with this close. */
static bool
log_is_short(const struct store *store)
{
	struct stat status;
	char *path = beside(store, "-wal");
	bool is_short = stat(path, &status) != 0 || status.st_size <= LOG_LEFT_MAX;
	free(path);
	return is_short;
}

void
store_free(struct store *store)
{
	if (store == NULL)
		return;
	if (store->db != NULL && store->pid != getpid()) {
		/* The parent's: whatever is done to it here harms the parent. */
		if (store->lock >= 0)
			close(store->lock);
		return;
	}
	if (store->db != NULL && has_moved(store))
		drop(store);
	turn_give(store);
	finalize(store);
	if (store->db != NULL && store->leaves_log && log_is_short(store))
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	free(store->accounts);
	free(store->endpoints);
	free(store->doubts);
	free(store->shown);
	free(store->path);
	free(store);
}

const char *
store_reason(const struct store *store)
{
	return store->reason;
}

enum store_result
store_ready(struct store *store)
{
	return ready(store, clock_ms() + WAIT_MS);
}

const char *
store_journal(struct store *store)
{
	return store_ready(store) == STORE_OK ? store->journal : store->reason;
}

/*
 * Transactions that write
 */

static enum store_result
write_begin(struct store *store, int64_t deadline_ms)
{
	enum store_result result = ready(store, deadline_ms);
	if (result != STORE_OK)
		return result;
	if (!turn_take(store, deadline_ms))
		return late(store);
	sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
	if (!begin(store))
		return fail(store);
	/* It was a while, perhaps. */
	return has_moved(store) ? leave(store) : STORE_OK;
}

/* Commit, unless something has failed. */
static enum store_result
write_end(struct store *store)
{
	if (!commit(store))
		return fail(store);
	store->doubt_count = 0;
	turn_give(store);
	return STORE_OK;
}

/* How long the database was in use until now. Of the time since the last prune a day counts at
 * most, and none when the clock was set back. */
static int64_t
current_age(const struct store *store, int64_t wall)
{
	int64_t passed = wall - store->clock.wall_ms;
	return store->clock.age + (passed < 0 ? 0 : passed > DAY_MS ? DAY_MS : passed);
}

/* NULL: nothing of the endpoint was looked at or changed in this transaction. */
static struct account *
account_find(const struct store *store, int64_t endpoint)
{
	for (size_t i = 0; i < store->account_count; i++) {
		if (store->accounts[i].endpoint == endpoint)
			return &store->accounts[i];
	}
	return NULL;
}

/* Borrowed until the next call. */
static struct account *
account_of(struct store *store, int64_t endpoint)
{
	struct account *account = account_find(store, endpoint);
	if (account != NULL)
		return account;
	if (store->account_count == store->account_size) {
		store->account_size = store->account_size > 0 ? store->account_size * 2 : 16;
		store->accounts = xreallocarray(
			store->accounts, store->account_size, sizeof *store->accounts);
	}
	account = &store->accounts[store->account_count++];
	*account = (struct account){ .endpoint = endpoint };
	return account;
}

/* By how many there are more of the endpoint's than its row says. */
static int64_t
counted(const struct store *store, int64_t endpoint, enum store_state state)
{
	const struct account *account = account_find(store, endpoint);
	return account != NULL ? account->change.events[state] : 0;
}

static void
count_moved(struct store *store, int64_t endpoint, enum store_state from, enum store_state to)
{
	struct change *change = &account_of(store, endpoint)->change;
	change->events[from]--;
	change->events[to]++;
}

/* The endpoint's number; 0: there is none of this name, or it failed. */
static int64_t
endpoint_find(struct store *store, const char *name)
{
	for (size_t i = 0; i < store->endpoint_count; i++) {
		if (strcmp(store->endpoints[i].name, name) == 0)
			return store->endpoints[i].id;
	}
	sqlite3_stmt *statement = use(store, SQL_ENDPOINT_FIND);
	bind_text(store, statement, 1, name);
	int64_t id = step(store, statement) ? sqlite3_column_int64(statement, 0) : 0;
	if (!finish(store, statement) || id == 0)
		return 0;
	if (store->endpoint_count == store->endpoint_size) {
		store->endpoint_size = store->endpoint_size > 0 ? store->endpoint_size * 2 : 16;
		store->endpoints = xreallocarray(
			store->endpoints, store->endpoint_size, sizeof *store->endpoints);
	}
	store->endpoints[store->endpoint_count++] = (struct known_endpoint){ xstrdup(name), id };
	return id;
}

static int64_t
endpoint_find_or_add(struct store *store, const char *name)
{
	int64_t id = endpoint_find(store, name);
	if (id != 0 || store->code != SQLITE_OK)
		return id;
	sqlite3_stmt *statement = use(store, SQL_ENDPOINT_ADD);
	bind_text(store, statement, 1, name);
	return run(store, statement) ? endpoint_find(store, name) : 0;
}

/*
 * Put
 */

/* The endpoint's account, with what its row says. NULL: it failed. */
static struct account *
endpoint_look(struct store *store, int64_t endpoint)
{
	struct account *account = account_of(store, endpoint);
	if (account->looked)
		return account;
	sqlite3_stmt *statement = use(store, SQL_ENDPOINT_LOOK);
	bind_number(store, statement, 1, endpoint);
	if (step(store, statement)) {
		account->queued = sqlite3_column_int64(statement, 0);
		account->refusing = sqlite3_column_int64(statement, 1);
		account->looked = true;
	}
	return finish(store, statement) ? account : NULL;
}

/* Is the queue full? Keeps in the endpoint's row whether it is refusing. */
static bool
is_refused(struct store *store, const struct store_event *event, int64_t endpoint)
{
	if (event->queue_limit == 0 || event->state != STORE_QUEUED)
		return false;
	struct account *account = endpoint_look(store, endpoint);
	if (account == NULL)
		return false;
	int64_t limit = event->queue_limit;
	int64_t queued = account->queued + account->change.events[STORE_QUEUED];
	bool refusing = account->refusing + account->change.refusing != 0;
	bool refused = queued >= limit || (refusing && queued > limit * 3 / 4);
	account->change.refusing += refused - refusing;
	return refused;
}

static bool
write_detail(struct store *store, const struct store_event *event)
{
	uint8_t computed[CRYPTO_DIGEST_MAX];
	const uint8_t *digest = event->digest != NULL ? event->digest : computed;
	if (digest == computed && !crypto_hash(CRYPTO_SHA256, &event->body, 1, computed))
		return note(store, SQLITE_NOMEM);
	sqlite3_stmt *statement = use(store, SQL_DETAIL_ADD);
	bind_number(store, statement, 1, event->id);
	bind_text(store, statement, 2, event->provider);
	bind_slice(store, statement, 3, event->type);
	bind_slice(store, statement, 4, event->sender_id);
	bind_slice(store, statement, 5, event->key);
	bind_slice(store, statement, 6, event->remote);
	bind_number(store, statement, 7, event->received_ms);
	bind_text(store, statement, 8, event->reason);
	bind_slice(store, statement, 9, (struct slice){ (const char *)digest, 32 });
	bind_number(store, statement, 10, (int64_t)event->body.len);
	if (!run(store, statement))
		return false;
	statement = use(store, SQL_BODY_ADD);
	bind_number(store, statement, 1, event->id);
	bind_slice(store, statement, 2, event->variables);
	bind_slice(store, statement, 3, event->body);
	return run(store, statement);
}

static void
bind_owner(struct store *store, sqlite3_stmt *statement, int at, bool running, int64_t lease_ms)
{
	bind_text(store, statement, at, running ? owner_of_this_process(store) : NULL);
	bind_number(store, statement, at + 1, running ? lease_ms : 0);
}

static bool
add_event(struct store *store, struct store_event *event, int64_t endpoint, int64_t now)
{
	bool running = event->state == STORE_RUNNING;
	event->put = STORE_ACCEPTED;
	event->attempt = running;
	if (running)
		doubt(store, event->id, 1, now);
	account_of(store, endpoint)->change.events[event->state]++;
	sqlite3_stmt *statement = use(store, SQL_EVENT_ADD);
	bind_number(store, statement, 1, event->id);
	bind_number(store, statement, 2, endpoint);
	bind_number(store, statement, 3, event->state);
	bind_number(store, statement, 4, running);
	bind_number(store, statement, 5, now);
	bind_number(store, statement, 6, current_age(store, now));
	bind_owner(store, statement, 7, running, now + WAITED_LEASE_MS);
	return run(store, statement) && write_detail(store, event);
}

/* A dead one comes to life as what the sender sent now. */
static bool
requeue(struct store *store, struct store_event *event, int64_t endpoint, unsigned attempts,
	int64_t now)
{
	bool running = event->state == STORE_RUNNING;
	event->put = STORE_REQUEUED;
	event->attempt = running ? attempts + 1 : 0;
	if (running)
		doubt(store, event->id, attempts + 1, now);
	count_moved(store, endpoint, STORE_DEAD, event->state);
	sqlite3_stmt *statement = use(store, SQL_REQUEUE);
	bind_number(store, statement, 1, event->id);
	bind_number(store, statement, 2, event->state);
	bind_number(store, statement, 3, AT_ONCE);
	bind_number(store, statement, 4, running);
	bind_number(store, statement, 5, now);
	bind_number(store, statement, 6, current_age(store, now));
	bind_owner(store, statement, 7, running, now + WAITED_LEASE_MS);
	return run(store, statement) && run_number(store, SQL_DETAIL_DROP, event->id) &&
	       run_number(store, SQL_BODY_DROP, event->id) && write_detail(store, event);
}

/* What is there under this key. */
static bool
put_known(
	struct store *store, struct store_event *event, int64_t endpoint, bool refused, int64_t now)
{
	sqlite3_stmt *statement = use(store, SQL_KEY_FIND);
	bind_number(store, statement, 1, endpoint);
	bind_slice(store, statement, 2, event->key);
	bool found = step(store, statement);
	bool dead = found && sqlite3_column_type(statement, 1) != SQLITE_NULL &&
		    sqlite3_column_int(statement, 1) == STORE_DEAD;
	event->id = found ? sqlite3_column_int64(statement, 0) : 0;
	event->attempt = 0;
	event->put = found ? STORE_DUPLICATE : STORE_REFUSED;
	unsigned attempts = found ? column_unsigned(statement, 2) : 0;
	if (!finish(store, statement) || !dead || event->state == STORE_DEAD)
		return store->code == SQLITE_OK;
	if (refused) {
		event->put = STORE_REFUSED;
		event->id = 0;
		return true;
	}
	return requeue(store, event, endpoint, attempts, now);
}

static bool
put_one(struct store *store, struct store_event *event, int64_t now)
{
	int64_t endpoint = endpoint_find_or_add(store, event->endpoint);
	bool refused = endpoint != 0 && is_refused(store, event, endpoint);
	if (store->code != SQLITE_OK)
		return false;
	if (refused)
		return put_known(store, event, endpoint, true, now);
	/* No number that was acknowledged is given again, also where its event is missing. */
	int64_t expected = atomic_load(&store->expected);
	int64_t last_id = store->clock.last_id;
	event->id = (last_id > expected ? last_id : expected) + 1;
	sqlite3_stmt *statement = use(store, SQL_KEY_ADD);
	bind_number(store, statement, 1, endpoint);
	bind_slice(store, statement, 2, event->key);
	bind_number(store, statement, 3, event->id);
	bind_number(store, statement, 4, current_age(store, now));
	if (!run(store, statement))
		return false;
	if (sqlite3_changes(store->db) == 0)
		return put_known(store, event, endpoint, false, now);
	store->clock.last_id = event->id;
	return add_event(store, event, endpoint, now);
}

enum store_result
store_put(struct store *store, struct store_event *const *events, size_t count, int64_t deadline_ms)
{
	return store_write(store, events, count, NULL, 0, deadline_ms);
}

/*
 * Claim
 */

void
store_job_init(struct store_job *job)
{
	struct buf *const bufs[] = { &job->key, &job->type, &job->sender_id, &job->remote,
		&job->variables, &job->body };
	*job = (struct store_job){ .id = 0 };
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		buf_init(bufs[i], BLOB_MAX);
}

void
store_job_free(struct store_job *job)
{
	if (job == NULL)
		return;
	buf_free(&job->key);
	buf_free(&job->type);
	buf_free(&job->sender_id);
	buf_free(&job->remote);
	buf_free(&job->variables);
	buf_free(&job->body);
	free(job->endpoint);
	free(job->provider);
	store_job_init(job);
}

/* The best event of those that lanes may run. */
struct candidate {
	int64_t id; /* 0: none */
	int64_t due_ms;
	int64_t endpoint;
	int64_t lease_ms; /* of the lane */
};

/* What a claim looks for. */
struct wanted {
	const struct store_lane *lanes;
	size_t lane_count;
	bool retries_first;
	int64_t now;
};

struct look {
	struct candidate fresh; /* of the smallest number */
	struct candidate retry; /* that is due first */
	int64_t next_due_ms;
};

static void
look_for_fresh(
	struct store *store, const struct store_lane *lane, int64_t endpoint, struct look *look)
{
	sqlite3_stmt *statement = use(store, SQL_FRESH);
	bind_number(store, statement, 1, endpoint);
	if (step(store, statement)) {
		int64_t id = sqlite3_column_int64(statement, 0);
		if (look->fresh.id == 0 || id < look->fresh.id)
			look->fresh = (struct candidate){ id, 0, endpoint, lane->lease_ms };
	}
	finish(store, statement);
}

static void
look_for_retry(struct store *store, const struct store_lane *lane, int64_t endpoint, int64_t now,
	struct look *look)
{
	sqlite3_stmt *statement = use(store, SQL_RETRY);
	bind_number(store, statement, 1, endpoint);
	if (step(store, statement)) {
		int64_t id = sqlite3_column_int64(statement, 0);
		int64_t due = sqlite3_column_int64(statement, 1);
		if (due > now && due < look->next_due_ms)
			look->next_due_ms = due;
		else if (due <= now && (look->retry.id == 0 || due < look->retry.due_ms ||
					       (due == look->retry.due_ms && id < look->retry.id)))
			look->retry = (struct candidate){ id, due, endpoint, lane->lease_ms };
	}
	finish(store, statement);
}

/* What is looked for second does not matter when there is one of the first, in whatever lane. */
static void
look_at_lane(struct store *store, const struct store_lane *lane, int64_t endpoint,
	const struct wanted *wanted, struct look *look)
{
	if (wanted->retries_first) {
		look_for_retry(store, lane, endpoint, wanted->now, look);
		if (look->retry.id == 0)
			look_for_fresh(store, lane, endpoint, look);
	} else {
		look_for_fresh(store, lane, endpoint, look);
		if (look->fresh.id == 0)
			look_for_retry(store, lane, endpoint, wanted->now, look);
	}
}

/* NULL: there is none. */
static const struct store_lane *
lane_of(const struct wanted *wanted, const char *endpoint)
{
	for (size_t i = 0; i < wanted->lane_count; i++) {
		if (strcmp(wanted->lanes[i].endpoint, endpoint) == 0)
			return &wanted->lanes[i];
	}
	return NULL;
}

/* One statement goes over the endpoints, whatever the lanes are; what is asked meanwhile sees the same
 * snapshot. false: it failed. */
static bool
look_for_due(struct store *store, const struct wanted *wanted, struct candidate *out,
	int64_t *next_due_ms)
{
	struct look look = { .next_due_ms = INT64_MAX };
	sqlite3_stmt *loads = use(store, SQL_ENDPOINT_LOADS);
	while (step(store, loads)) {
		int64_t endpoint = sqlite3_column_int64(loads, 0);
		int64_t queued = sqlite3_column_int64(loads, 1);
		int64_t running = sqlite3_column_int64(loads, 2);
		if (queued + counted(store, endpoint, STORE_QUEUED) <= 0)
			continue;
		const struct store_lane *lane = lane_of(wanted, column_text(loads, 3));
		if (lane != NULL && running + counted(store, endpoint, STORE_RUNNING) <
					    (int64_t)lane->concurrency)
			look_at_lane(store, lane, endpoint, wanted, &look);
	}
	*out = look.retry.id != 0 && (wanted->retries_first || look.fresh.id == 0) ? look.retry
										   : look.fresh;
	*next_due_ms = look.next_due_ms;
	return finish(store, loads);
}

static bool
is_whole(struct store *store, struct slice body, int64_t body_len, struct slice digest)
{
	uint8_t now[CRYPTO_DIGEST_MAX];
	/* No memory for that is no damage: the call fails. */
	if (!crypto_hash(CRYPTO_SHA256, &body, 1, now))
		return note(store, SQLITE_NOMEM);
	return (int64_t)body.len == body_len &&
	       slice_equal(digest, (struct slice){ (const char *)now, 32 });
}

/* Fill the job. *whole_out: the body is the one that was accepted. */
static bool
load_job(struct store *store, int64_t id, struct store_job *job, bool *whole_out)
{
	struct buf *const bufs[] = { &job->key, &job->type, &job->sender_id, &job->remote };
	sqlite3_stmt *statement = use(store, SQL_LOAD);
	bool room = true;
	*whole_out = false;
	store_job_free(job);
	bind_number(store, statement, 1, id);
	if (step(store, statement)) {
		job->id = id;
		job->endpoint = xstrdup(column_text(statement, 0));
		job->provider = xstrdup(column_text(statement, 1));
		for (int i = 0; i < 4; i++)
			room = room && buf_append_slice(bufs[i], column_slice(statement, 2 + i));
		job->received_ms = sqlite3_column_int64(statement, 6);
		job->attempt = column_unsigned(statement, 7) + 1;
		job->failed = column_unsigned(statement, 8);
		struct slice body = column_slice(statement, 12);
		*whole_out = sqlite3_column_type(statement, 12) != SQLITE_NULL &&
			     is_whole(store, body, sqlite3_column_int64(statement, 10),
				     column_slice(statement, 9));
		room = room && buf_append_slice(&job->variables, column_slice(statement, 11)) &&
		       buf_append_slice(&job->body, body);
	}
	if (!room)
		note(store, SQLITE_NOMEM);
	return finish(store, statement);
}

static bool
set_reason(struct store *store, int64_t id, const char *reason)
{
	sqlite3_stmt *statement = use(store, SQL_REASON);
	bind_number(store, statement, 1, id);
	bind_text(store, statement, 2, reason);
	return run(store, statement);
}

static bool
quarantine(struct store *store, const struct candidate *candidate, int64_t now)
{
	static const char reason[] = "the body on disk is not the one that was accepted";
	sqlite3_stmt *statement = use(store, SQL_BURY);
	bind_number(store, statement, 1, candidate->id);
	bind_number(store, statement, 2, now);
	bind_number(store, statement, 3, current_age(store, now));
	if (!run(store, statement) || !set_reason(store, candidate->id, reason))
		return false;
	count_moved(store, candidate->endpoint, STORE_QUEUED, STORE_DEAD);
	log_message(LOG_LEVEL_ERROR, "store", "event %" PRId64 " is dead: %s: look at the disk",
		candidate->id, reason);
	return true;
}

static bool
take(struct store *store, const struct candidate *candidate, unsigned attempt, int64_t now)
{
	doubt(store, candidate->id, attempt, now);
	count_moved(store, candidate->endpoint, STORE_QUEUED, STORE_RUNNING);
	sqlite3_stmt *statement = use(store, SQL_CLAIM);
	bind_number(store, statement, 1, candidate->id);
	bind_number(store, statement, 2, now);
	bind_number(store, statement, 3, current_age(store, now));
	bind_owner(store, statement, 4, true, now + candidate->lease_ms);
	return run(store, statement);
}

/* In a transaction. false: nothing is due, or it failed. */
static bool
claim_next(struct store *store, const struct wanted *wanted, struct store_job *job,
	int64_t *next_due_ms_out)
{
	for (int buried = 0; buried < BURY_MAX; buried++) {
		struct candidate candidate;
		bool whole;
		if (!look_for_due(store, wanted, &candidate, next_due_ms_out) ||
			candidate.id == 0 || !load_job(store, candidate.id, job, &whole))
			return false;
		if (whole)
			return take(store, &candidate, job->attempt, wanted->now);
		if (!quarantine(store, &candidate, wanted->now))
			return false;
	}
	*next_due_ms_out = wanted->now; /* others want to write too: go on then */
	return false;
}

/* Claim, and end the transaction. */
static enum store_result
claim_and_end(struct store *store, const struct wanted *wanted, struct store_job *job,
	int64_t *next_due_ms_out)
{
	bool claimed = claim_next(store, wanted, job, next_due_ms_out);
	enum store_result result = write_end(store);
	if (result == STORE_OK && claimed)
		return STORE_OK;
	store_job_free(job);
	return result == STORE_OK ? STORE_NONE : result;
}

enum store_result
store_claim(struct store *store, const struct store_lane *lanes, size_t count, bool retries_first,
	int64_t now, struct store_job *job, int64_t *next_due_ms_out)
{
	const struct wanted wanted = { lanes, count, retries_first, now };
	int64_t deadline_ms = clock_ms() + SETTLE_WAIT_MS;
	struct candidate candidate;
	*next_due_ms_out = INT64_MAX;
	enum store_result result = ready(store, deadline_ms);
	if (result != STORE_OK)
		return result;
	/* A look first, without a lock: most of the time there is nothing. */
	if (!look_for_due(store, &wanted, &candidate, next_due_ms_out))
		return fail(store);
	if (candidate.id == 0)
		return STORE_NONE;
	result = write_begin(store, deadline_ms);
	return result == STORE_OK ? claim_and_end(store, &wanted, job, next_due_ms_out) : result;
}

/*
 * Settle and recover
 */

static bool
add_attempt(struct store *store, int64_t id, const struct store_attempt *attempt, bool failed)
{
	sqlite3_stmt *statement = use(store, SQL_ATTEMPT_ADD);
	bind_number(store, statement, 1, id);
	bind_number(store, statement, 2, attempt->number);
	bind_number(store, statement, 3, attempt->started_ms);
	bind_number(store, statement, 4, attempt->duration_us);
	bind_text(store, statement, 5, attempt->end);
	bind_number(store, statement, 6, attempt->code);
	bind_text(store, statement, 7, attempt->reason);
	bind_slice(store, statement, 8, attempt->output);
	bind_slice(store, statement, 9, attempt->error);
	bind_number(store, statement, 10,
		(attempt->output_cut ? ATTEMPT_OUTPUT_CUT : 0) |
			(attempt->error_cut ? ATTEMPT_ERROR_CUT : 0) |
			(failed ? ATTEMPT_FAILED : 0));
	return run(store, statement);
}

/* A running event with an attempt that is over becomes something else. */
static void
count_attempt(struct store *store, int64_t endpoint, enum store_state to)
{
	count_moved(store, endpoint, STORE_RUNNING, to);
	struct change *change = &account_of(store, endpoint)->change;
	change->attempts++;
	change->failed_attempts += to != STORE_DONE;
}

/* In a transaction. */
static bool
settle_one(struct store *store, struct store_settlement *settlement, int64_t now)
{
	int64_t id = settlement->id, due_ms = settlement->due_ms, endpoint = 0;
	const struct store_attempt *attempt = settlement->attempt;
	enum store_state state = settlement->state;
	sqlite3_stmt *statement = use(store, SQL_SETTLE);
	bind_number(store, statement, 1, id);
	bind_number(store, statement, 2, state);
	bind_number(store, statement, 3,
		state != STORE_QUEUED ? 0
		: due_ms > AT_ONCE    ? due_ms
				      : AT_ONCE);
	bind_number(store, statement, 4, now);
	bind_number(store, statement, 5, current_age(store, now));
	bind_text(store, statement, 6, owner_of_this_process(store));
	bind_number(store, statement, 7, attempt->number);
	while (step(store, statement))
		endpoint = sqlite3_column_int64(statement, 0);
	settlement->result = STORE_OK;
	if (finish(store, statement) && endpoint == 0)
		settlement->result = refuse(store, STORE_NONE,
			"attempt %u of event %" PRId64 " is not this process's any more",
			attempt->number, id);
	if (endpoint == 0)
		return store->code == SQLITE_OK;
	count_attempt(store, endpoint, state);
	return add_attempt(store, id, attempt, state != STORE_DONE) &&
	       set_reason(store, id, settlement->reason);
}

enum store_result
store_write(struct store *store, struct store_event *const *events, size_t event_count,
	struct store_settlement *settlements, size_t settlement_count, int64_t deadline_ms)
{
	int64_t now = clock_wall_ms();
	enum store_result result = write_begin(store, deadline_ms);
	if (result != STORE_OK)
		return result;
	for (size_t i = 0; i < settlement_count && store->code == SQLITE_OK; i++)
		settle_one(store, &settlements[i], now);
	/* Nobody acknowledges what is not on disk, and nobody else writes now. */
	int64_t expected = atomic_load(&store->expected);
	if (event_count > 0 && expected > store->clock.last_id && store->lost != NULL)
		store->lost(store->lost_context, expected, store->clock.last_id);
	for (size_t i = 0; i < event_count && store->code == SQLITE_OK; i++)
		put_one(store, events[i], now);
	return write_end(store);
}

enum store_result
store_settle_all(struct store *store, struct store_settlement *settlements, size_t count)
{
	return store_write(store, NULL, 0, settlements, count, clock_ms() + SETTLE_WAIT_MS);
}

enum store_result
store_settle(struct store *store, int64_t id, const struct store_attempt *attempt,
	enum store_state state, int64_t due_ms, const char *reason)
{
	struct store_settlement settlement = { id, attempt, state, due_ms, reason, STORE_OK };
	enum store_result result = store_settle_all(store, &settlement, 1);
	return result == STORE_OK ? settlement.result : result;
}

enum store_result
store_settle_and_claim(struct store *store, int64_t id, const struct store_attempt *attempt,
	enum store_state state, int64_t due_ms, const char *reason, enum store_result *settled_out,
	const struct store_lane *lanes, size_t count, bool retries_first, int64_t now,
	struct store_job *job, int64_t *next_due_ms_out)
{
	struct store_settlement settlement = { id, attempt, state, due_ms, reason, STORE_OK };
	const struct wanted wanted = { lanes, count, retries_first, now };
	*next_due_ms_out = INT64_MAX;
	enum store_result result = write_begin(store, clock_ms() + SETTLE_WAIT_MS);
	if (result != STORE_OK)
		return result;
	settle_one(store, &settlement, clock_wall_ms());
	result = claim_and_end(store, &wanted, job, next_due_ms_out);
	*settled_out = settlement.result;
	return result;
}

struct losses {
	struct lost *events;
	size_t count, size;
};

static bool
find_lost(struct store *store, int64_t now, struct losses *losses)
{
	sqlite3_stmt *statement = use(store, SQL_RUNNING);
	while (losses->count < RUNNING_MAX && step(store, statement)) {
		const char *owner = column_text(statement, 2);
		enum life life = owner_life(store, owner);
		if (life == LIFE_GOES_ON ||
			(life == LIFE_UNKNOWN && sqlite3_column_int64(statement, 3) > now))
			continue;
		if (losses->count == losses->size) {
			losses->size = losses->size > 0 ? losses->size * 2 : 16;
			losses->events =
				xreallocarray(losses->events, losses->size, sizeof *losses->events);
		}
		struct lost *lost = &losses->events[losses->count++];
		*lost = (struct lost){
			.id = sqlite3_column_int64(statement, 0),
			.attempts = column_unsigned(statement, 1),
			.started_ms = sqlite3_column_int64(statement, 4),
		};
		snprintf(lost->owner, sizeof lost->owner, "%s", owner);
	}
	return finish(store, statement);
}

/* It may have been settled since it was looked at. */
static bool
give_back(struct store *store, const struct lost *lost, int64_t now, unsigned *given)
{
	struct store_attempt attempt = {
		.number = lost->attempts,
		.started_ms = lost->started_ms,
		.end = "lost",
		.reason = "the process that ran it has ended",
	};
	int64_t endpoint = 0;
	enum store_state state = STORE_QUEUED;
	sqlite3_stmt *statement = use(store, SQL_GIVE_BACK);
	bind_number(store, statement, 1, lost->id);
	bind_number(store, statement, 2, lost->attempts);
	bind_number(store, statement, 3, now);
	bind_number(store, statement, 4, current_age(store, now));
	bind_text(store, statement, 5, lost->owner[0] != '\0' ? lost->owner : NULL);
	while (step(store, statement)) {
		endpoint = sqlite3_column_int64(statement, 0);
		state = sqlite3_column_int(statement, 1) == STORE_DEAD ? STORE_DEAD : STORE_QUEUED;
	}
	if (!finish(store, statement) || endpoint == 0)
		return store->code == SQLITE_OK;
	(*given)++;
	count_attempt(store, endpoint, state);
	return add_attempt(store, lost->id, &attempt, true) &&
	       set_reason(store, lost->id,
		       state == STORE_DEAD
			       ? "the process that ran it has ended: the sender's next try, "
				 "or a replay, runs it"
			       : attempt.reason);
}

static enum store_result
recover_lost(struct store *store, int64_t now, unsigned *given)
{
	struct losses losses = { NULL, 0, 0 };
	enum store_result result = STORE_OK;
	if (!find_lost(store, now, &losses)) {
		result = fail(store);
	} else if (losses.count > 0) {
		result = write_begin(store, clock_ms() + WAIT_MS);
		if (result == STORE_OK) {
			for (size_t i = 0; i < losses.count; i++) {
				if (!give_back(store, &losses.events[i], now, given))
					break;
			}
			result = write_end(store);
		}
	}
	free(losses.events);
	return result;
}

/* Is there an endpoint with a retry that is due after far_ms? 0: none. */
static int64_t
find_far(struct store *store, int64_t far_ms)
{
	int64_t found = 0;
	sqlite3_stmt *endpoints = use(store, SQL_ENDPOINTS);
	while (found == 0 && step(store, endpoints)) {
		int64_t endpoint = sqlite3_column_int64(endpoints, 0);
		sqlite3_stmt *statement = use(store, SQL_DUE_FAR);
		bind_number(store, statement, 1, endpoint);
		bind_number(store, statement, 2, far_ms);
		if (step(store, statement))
			found = endpoint;
		finish(store, statement);
	}
	finish(store, endpoints);
	return found;
}

static enum store_result
mend_due(struct store *store, int64_t now, int64_t far_ms)
{
	int64_t endpoint;
	while ((endpoint = find_far(store, far_ms)) != 0) {
		enum store_result result = write_begin(store, clock_ms() + WAIT_MS);
		if (result != STORE_OK)
			return result;
		sqlite3_stmt *statement = use(store, SQL_DUE_MEND);
		bind_number(store, statement, 1, endpoint);
		bind_number(store, statement, 2, far_ms);
		bind_number(store, statement, 3, now);
		bind_number(store, statement, 4, FIX_STEP);
		run(store, statement);
		result = write_end(store);
		if (result != STORE_OK)
			return result;
	}
	return store->code == SQLITE_OK ? STORE_OK : fail(store);
}

/* A number in an endpoint's row that is not what its events say. */
struct miscount {
	enum sql mend;
	int64_t endpoint;
	int64_t stored, counted;
};

struct miscounts {
	struct miscount *items;
	size_t count;
	char first[200]; /* in words */
};

/* One statement sees one state of the database, and keeps nobody from writing. */
static bool
find_miscounts(struct store *store, enum sql count, enum sql mend, const char *what,
	struct miscounts *miscounts)
{
	sqlite3_stmt *statement = use(store, count);
	while (step(store, statement)) {
		struct miscount item = { mend, sqlite3_column_int64(statement, 0),
			sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3) };
		if (item.stored == item.counted)
			continue;
		if (miscounts->count == 0)
			snprintf(miscounts->first, sizeof miscounts->first,
				"endpoint %.64s had %" PRId64
				" %s events, and a count finds %" PRId64,
				column_text(statement, 1), item.stored, what, item.counted);
		miscounts->items = xreallocarray(
			miscounts->items, miscounts->count + 1, sizeof *miscounts->items);
		miscounts->items[miscounts->count++] = item;
	}
	return finish(store, statement);
}

static enum store_result
write_counts(struct store *store, const struct miscounts *miscounts)
{
	enum store_result result = write_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	for (size_t i = 0; i < miscounts->count; i++) {
		const struct miscount *item = &miscounts->items[i];
		sqlite3_stmt *statement = use(store, item->mend);
		bind_number(store, statement, 1, item->endpoint);
		bind_number(store, statement, 2, item->stored);
		bind_number(store, statement, 3, item->counted);
		run(store, statement);
	}
	result = write_end(store);
	if (result == STORE_OK)
		refuse(store, STORE_OK, "a number was damaged and is mended, look at the disk: %s",
			miscounts->first);
	return result;
}

/* The numbers that decide whether events are run and taken. */
static enum store_result
mend_counts(struct store *store)
{
	struct miscounts miscounts = { .count = 0 };
	enum store_result result = STORE_OK;
	if (!find_miscounts(store, SQL_COUNT_RUNNING, SQL_MEND_RUNNING, "running", &miscounts) ||
		(!store->counted && !find_miscounts(store, SQL_COUNT_QUEUED, SQL_MEND_QUEUED,
					    "queued", &miscounts)))
		result = fail(store);
	else if (miscounts.count > 0)
		result = write_counts(store, &miscounts);
	store->counted = store->counted || result == STORE_OK;
	free(miscounts.items);
	return result;
}

enum store_result
store_recover(struct store *store, int64_t now, int64_t longest_wait_ms, unsigned *count_out)
{
	unsigned given = 0;
	enum store_result result = ready(store, clock_ms() + WAIT_MS);
	if (result == STORE_OK)
		result = recover_lost(store, now, &given);
	if (result != STORE_OK)
		return result;
	*count_out = given;
	result = mend_due(store, now, now + longest_wait_ms);
	return result == STORE_OK ? mend_counts(store) : result;
}

/*
 * The ledger
 */

static struct store_row
row_of(sqlite3_stmt *statement)
{
	int64_t due_ms = sqlite3_column_int64(statement, 10);
	return (struct store_row){
		.id = sqlite3_column_int64(statement, 0),
		.endpoint = column_text(statement, 1),
		.provider = column_text(statement, 2),
		.type = column_slice(statement, 3),
		.sender_id = column_slice(statement, 4),
		.key = column_slice(statement, 5),
		.remote = column_slice(statement, 6),
		.state = (enum store_state)(sqlite3_column_int(statement, 7) & 3),
		.attempts = column_unsigned(statement, 8),
		.received_ms = sqlite3_column_int64(statement, 9),
		.due_ms = due_ms > AT_ONCE ? due_ms : 0,
		.changed_ms = sqlite3_column_int64(statement, 11),
		.body_len = sqlite3_column_int64(statement, 12),
		.reason = column_text(statement, 13),
	};
}

/* The statement that passes over the most of what the filter does not want. */
static enum sql
list_statement(const struct store_filter *filter)
{
	int oldest = filter->oldest_first ? SQL_LIST_ALL_OLDEST - SQL_LIST_ALL : 0;
	enum sql sql = filter->endpoint != NULL ? SQL_LIST_ENDPOINT : SQL_LIST_ALL;
	if (filter->has_state) {
		switch (filter->state) {
		case STORE_QUEUED: sql = SQL_LIST_QUEUED; break;
		case STORE_RUNNING: sql = SQL_LIST_RUNNING; break;
		case STORE_DEAD: sql = SQL_LIST_DEAD; break;
		case STORE_DONE: break;
		}
	}
	return (enum sql)((int)sql + oldest);
}

static bool
passes(const struct store_filter *filter, const struct store_row *row)
{
	if ((filter->has_state && row->state != filter->state) ||
		(filter->endpoint != NULL && strcmp(filter->endpoint, row->endpoint) != 0))
		return false;
	if (filter->type == NULL)
		return true;
	/* A pattern is text: what holds a NUL is none that it could mean. */
	if (row->type.len > 0 && memchr(row->type.data, '\0', row->type.len) != NULL)
		return false;
	char *type = xmemdup0(row->type.data, row->type.len);
	bool matches = fnmatch(filter->type, type, 0) == 0;
	free(type);
	return matches;
}

enum store_result
store_list(struct store *store, const struct store_filter *filter, store_row_visit *visit,
	void *context)
{
	enum store_result result = ready(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	int64_t endpoint = filter->endpoint != NULL ? endpoint_find(store, filter->endpoint) : 0;
	unsigned shown = 0;
	sqlite3_stmt *statement = use(store, list_statement(filter));
	bind_number(store, statement, 1, filter->after_id);
	bind_number(store, statement, 2, endpoint);
	bind_number(store, statement, 3, filter->since_ms != 0 ? filter->since_ms : INT64_MIN);
	while ((filter->limit == 0 || shown < filter->limit) && step(store, statement)) {
		struct store_row row = row_of(statement);
		if (!passes(filter, &row))
			continue;
		shown++;
		if (!visit(context, &row))
			break;
	}
	return finish(store, statement) ? STORE_OK : fail(store);
}

enum store_result
store_show(struct store *store, int64_t id, store_row_visit *visit, void *context,
	struct buf *variables, struct buf *body, bool *damaged_out)
{
	enum store_result result = ready(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	bool found = false, room = true;
	sqlite3_stmt *statement = use(store, SQL_SHOW);
	bind_number(store, statement, 1, id);
	if (step(store, statement)) {
		struct store_row row = row_of(statement);
		struct slice stored = column_slice(statement, 16);
		found = true;
		*damaged_out =
			row.body_len >= 0 && (sqlite3_column_type(statement, 16) == SQLITE_NULL ||
						     !is_whole(store, stored, row.body_len,
							     column_slice(statement, 14)));
		room = buf_append_slice(variables, column_slice(statement, 15)) &&
		       buf_append_slice(body, stored);
		if (room)
			visit(context, &row);
	}
	if (!room)
		note(store, SQLITE_NOMEM);
	if (!finish(store, statement))
		return fail(store);
	return found ? STORE_OK : refuse(store, STORE_NONE, "there is no event %" PRId64, id);
}

enum store_result
store_attempts(struct store *store, int64_t id, store_attempt_visit *visit, void *context)
{
	enum store_result result = ready(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	sqlite3_stmt *statement = use(store, SQL_ATTEMPTS);
	bind_number(store, statement, 1, id);
	while (step(store, statement)) {
		int flags = sqlite3_column_int(statement, 8);
		struct store_attempt attempt = {
			.number = column_unsigned(statement, 0),
			.started_ms = sqlite3_column_int64(statement, 1),
			.duration_us = sqlite3_column_int64(statement, 2),
			.end = column_text(statement, 3),
			.code = sqlite3_column_int(statement, 4),
			.reason = sqlite3_column_type(statement, 5) != SQLITE_NULL
					  ? column_text(statement, 5)
					  : NULL,
			.output = column_slice(statement, 6),
			.error = column_slice(statement, 7),
			.output_cut = (flags & ATTEMPT_OUTPUT_CUT) != 0,
			.error_cut = (flags & ATTEMPT_ERROR_CUT) != 0,
		};
		if (!visit(context, &attempt))
			break;
	}
	return finish(store, statement) ? STORE_OK : fail(store);
}

/* What keeps the event from being replayed; STORE_OK: nothing. */
static enum store_result
may_replay(struct store *store, int64_t id, int64_t *endpoint_out, enum store_state *state_out)
{
	sqlite3_stmt *statement = use(store, SQL_STATE);
	bind_number(store, statement, 1, id);
	bool found = step(store, statement);
	int64_t body_len = 0;
	if (found) {
		*endpoint_out = sqlite3_column_int64(statement, 0);
		*state_out = (enum store_state)(sqlite3_column_int(statement, 1) & 3);
		body_len = sqlite3_column_int64(statement, 2);
	}
	if (!finish(store, statement))
		return STORE_OK; /* write_end() says it */
	if (!found)
		return refuse(store, STORE_NONE, "there is no event %" PRId64, id);
	if (*state_out == STORE_RUNNING)
		return refuse(store, STORE_BUSY,
			"event %" PRId64 " is running: wait until it has ended", id);
	if (body_len < 0)
		return refuse(store, STORE_FAILED,
			"the body of event %" PRId64 " was dropped by retention (keep_body): it "
			"cannot run again",
			id);
	return STORE_OK;
}

enum store_result
store_replay(struct store *store, int64_t id, int64_t now)
{
	int64_t endpoint = 0;
	enum store_state state = STORE_QUEUED;
	enum store_result result = write_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	enum store_result may = may_replay(store, id, &endpoint, &state);
	if (may == STORE_OK && store->code == SQLITE_OK) {
		count_moved(store, endpoint, state, STORE_QUEUED);
		sqlite3_stmt *statement = use(store, SQL_REPLAY);
		bind_number(store, statement, 1, id);
		bind_number(store, statement, 2, AT_ONCE);
		bind_number(store, statement, 3, now);
		bind_number(store, statement, 4, current_age(store, now));
		if (run(store, statement))
			set_reason(store, id, NULL);
	}
	result = write_end(store);
	return result == STORE_OK ? may : result;
}

/* Received, of the first event of an endpoint in a state; 0: none. */
static int64_t
oldest(struct store *store, int64_t endpoint, enum store_state state)
{
	static const enum sql by_state[] = {
		[STORE_QUEUED] = SQL_OLDEST_QUEUED,
		[STORE_RUNNING] = SQL_OLDEST_RUNNING,
		[STORE_DONE] = SQL_OLDEST_DONE,
		[STORE_DEAD] = SQL_OLDEST_DEAD,
	};
	sqlite3_stmt *statement = use(store, by_state[state]);
	bind_number(store, statement, 1, endpoint);
	int64_t received_ms = step(store, statement) ? sqlite3_column_int64(statement, 0) : 0;
	finish(store, statement);
	return received_ms;
}

enum store_result
store_stats(struct store *store, store_count_visit *visit, void *context)
{
	enum store_result result = ready(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	sqlite3_stmt *statement = use(store, SQL_ENDPOINTS);
	while (step(store, statement)) {
		int64_t endpoint = sqlite3_column_int64(statement, 0);
		struct store_count totals = {
			.endpoint = column_text(statement, 1),
			.attempts = sqlite3_column_int64(statement, 6),
			.failed_attempts = sqlite3_column_int64(statement, 7),
		};
		for (int i = 0; i < 4; i++) {
			totals.events[i] = sqlite3_column_int64(statement, 2 + i);
			if (totals.events[i] > 0)
				totals.oldest_ms[i] = oldest(store, endpoint, (enum store_state)i);
		}
		if (store->code == SQLITE_OK && !visit(context, &totals))
			break;
	}
	return finish(store, statement) ? STORE_OK : fail(store);
}

/*
 * Retention
 */

static unsigned
drop_rows(struct store *store, enum sql sql, int64_t id)
{
	return run_number(store, sql, id) ? (unsigned)sqlite3_changes(store->db) : 0;
}

/* Remove an event with all that belongs to it but its key. Returns how many rows that were. */
static unsigned
drop_event(struct store *store, int64_t id, int64_t endpoint, enum store_state state)
{
	struct change *change = &account_of(store, endpoint)->change;
	sqlite3_stmt *statement = use(store, SQL_OVER_ATTEMPTS);
	bind_number(store, statement, 1, id);
	if (step(store, statement)) {
		change->attempts -= sqlite3_column_int64(statement, 0);
		change->failed_attempts -= sqlite3_column_int64(statement, 1);
	}
	finish(store, statement);
	change->events[state]--;
	/* What was never handled may come again; what was is known for longer. */
	statement = use(store, state == STORE_DEAD ? SQL_KEY_FREE : SQL_KEY_GONE);
	bind_number(store, statement, 1, endpoint);
	bind_number(store, statement, 2, id);
	run(store, statement);
	unsigned removed = drop_rows(store, SQL_ATTEMPT_DROP, id);
	removed += drop_rows(store, SQL_BODY_DROP, id);
	removed += drop_rows(store, SQL_DETAIL_DROP, id);
	return removed + drop_rows(store, SQL_EVENT_DROP, id);
}

static unsigned
prune_events(struct store *store, enum store_state state, int64_t before_age, unsigned step_rows)
{
	unsigned removed = 0;
	bool found = true;
	while (found && removed < step_rows && store->code == SQLITE_OK) {
		sqlite3_stmt *statement = use(store, SQL_OVER);
		bind_number(store, statement, 1, state);
		bind_number(store, statement, 2, before_age);
		found = step(store, statement);
		int64_t id = found ? sqlite3_column_int64(statement, 0) : 0;
		int64_t endpoint = found ? sqlite3_column_int64(statement, 1) : 0;
		if (finish(store, statement) && found)
			removed += drop_event(store, id, endpoint, state);
	}
	return removed;
}

/* The clock remembers how far it is: nothing has to be looked at twice. What is of the same age as
 * the clock is left: more of that age may come, with smaller numbers. */
static unsigned
prune_bodies(struct store *store, struct clock *clock, int64_t before_age, unsigned step_rows)
{
	unsigned removed = 0, seen = 0;
	bool found = true;
	while (found && seen++ < step_rows && removed < step_rows && store->code == SQLITE_OK) {
		sqlite3_stmt *statement = use(store, SQL_OVER_BODY);
		bind_number(store, statement, 1, before_age);
		bind_number(store, statement, 2, clock->body_age);
		bind_number(store, statement, 3, clock->body_event);
		found = step(store, statement);
		int64_t id = found ? sqlite3_column_int64(statement, 0) : 0;
		int64_t age = found ? sqlite3_column_int64(statement, 1) : 0;
		if (!finish(store, statement) || !found)
			break;
		clock->body_age = age;
		clock->body_event = id;
		if (drop_rows(store, SQL_BODY_DROP, id) > 0) {
			removed++;
			run_number(store, SQL_BODY_DROPPED, id);
		}
	}
	/* Not yet at the end though nothing was there to remove: as good as a row. */
	return found && removed < step_rows && seen > step_rows ? step_rows : removed;
}

static unsigned
prune_keys(struct store *store, int64_t before_age, unsigned step_rows)
{
	unsigned removed = 0;
	bool found = true;
	while (found && removed < step_rows && store->code == SQLITE_OK) {
		sqlite3_stmt *over = use(store, SQL_KEY_OVER);
		bind_number(store, over, 1, before_age);
		found = step(store, over);
		if (found) {
			struct slice borrowed = column_slice(over, 1);
			int64_t endpoint = sqlite3_column_int64(over, 0);
			char *key = xmemdup0(borrowed.data, borrowed.len);
			struct slice owned = { key, borrowed.len };
			finish(store, over); /* before the row that it stands on goes */
			sqlite3_stmt *statement = use(store, SQL_KEY_DROP);
			bind_number(store, statement, 1, endpoint);
			bind_slice(store, statement, 2, owned);
			removed += run(store, statement);
			free(key);
		}
		finish(store, over);
	}
	return removed;
}

enum store_result
store_prune(struct store *store, const struct store_retention *retention, int64_t now,
	unsigned step_rows, unsigned *removed_out, bool *more_out)
{
	enum store_result result = write_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	struct clock clock = store->clock;
	clock.age = current_age(store, now);
	clock.wall_ms = now;
	int64_t cut = clock.age - retention->keep_ms + 1;
	unsigned removed = prune_events(store, STORE_DONE, cut, step_rows);
	if (removed < step_rows)
		removed += prune_events(store, STORE_DEAD, cut, step_rows - removed);
	if (removed < step_rows)
		removed += prune_bodies(
			store, &clock, clock.age - retention->keep_body_ms, step_rows - removed);
	if (removed < step_rows)
		removed += prune_keys(
			store, clock.age - retention->keep_key_ms + 1, step_rows - removed);
	sqlite3_stmt *statement = use(store, SQL_CLOCK_SET);
	bind_number(store, statement, 1, clock.age);
	bind_number(store, statement, 2, clock.wall_ms);
	bind_number(store, statement, 3, clock.body_age);
	bind_number(store, statement, 4, clock.body_event);
	bind_number(store, statement, 5, clock.last_id); /* its event may be gone now */
	run(store, statement);
	result = write_end(store);
	if (result == STORE_OK) {
		*removed_out = removed;
		*more_out = removed >= step_rows;
	}
	return result;
}

enum store_result
store_last_id(struct store *store, int64_t *id_out)
{
	enum store_result result = ready(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	if (!clock_read(store))
		return fail(store);
	*id_out = store->clock.last_id;
	return STORE_OK;
}
