/* store_sqlite.h - what the files of the store in SQLite share, and nobody else may include
 *
 * The store is these, each using only those before it:
 *
 *	store_turn         who may write now; independent of SQLite and of all here
 *	store_owner        which process this is, and whether another one still lives; likewise
 *	store_sql          the schema, the statements, and what a failure means
 *	store_file         which file has the database's name, and is it the one that was here
 *	store_transaction  the clock of a transaction and what it changes in the endpoints' rows
 *	store_lease        an event in the hands of a process: begun, settled, given back
 *	store_open         the connection, the beginning and the end of a call
 *	store_put          what is put in
 *	store_run          what is claimed and settled
 *	store_recover      what ended processes, clocks and damage have left
 *	store_ledger       what is seen, and replayed
 *	store_prune        what is over its time
 *
 * SQLite's own header is for store_sql, store_open and the files of store_vfs alone.
 */
#ifndef HOOKCGI_STORE_SQLITE_H
#define HOOKCGI_STORE_SQLITE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "store.h"
#include "store_owner.h"
#include "store_turn.h"

struct sqlite3;
struct sqlite3_stmt;

#define APPLICATION_ID 0x686f6f6b /* "hook" */
#define VERSION 3

#define WAIT_MS 4000 /* for other writers, where the caller says nothing */
#define AT_ONCE 1    /* due of a retry that waits for nothing */

/* Flags of an attempt. */
#define ATTEMPT_OUTPUT_CUT 1
#define ATTEMPT_ERROR_CUT 2
#define ATTEMPT_FAILED 4

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
	SQL_DUE_MOVE,
	SQL_BOOT,
	SQL_BOOT_SET,
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
	SQL_TOTALS,
	SQL_LIST_ALL,
	SQL_LIST_ENDPOINT,
	SQL_LIST_QUEUED,
	SQL_LIST_RUNNING,
	SQL_LIST_ENDED,
	SQL_LIST_ALL_OLDEST, /* the same five, oldest first */
	SQL_LIST_ENDPOINT_OLDEST,
	SQL_LIST_QUEUED_OLDEST,
	SQL_LIST_RUNNING_OLDEST,
	SQL_LIST_ENDED_OLDEST,
	SQL_COUNT
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

/* As the database has it; see transaction_age(). */
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
	char *shown;        /* the path for people, escaped */
	pid_t pid;          /* that opened db and the turn */
	struct sqlite3 *db; /* NULL: not open */
	struct sqlite3_stmt *cached[SQL_COUNT];
	dev_t device; /* of the file that is open */
	ino_t inode;
	int code;     /* first failure of this call, of SQLite; SQLITE_OK: none */
	int error;    /* errno of it, 0: none */
	bool network; /* the file may be other machines' too */
	bool suspect; /* the disk has failed: what it holds is not what the kernel shows */
	bool synced;  /* this connection has committed something: all that it sees is on disk */
	int changes;  /* sql_total_changes() when the transaction began */
	struct turn turn;
	bool leaves_log;          /* see store_leave_log() */
	bool checkpoints_apart;   /* see store_checkpoint_apart() */
	unsigned log_frames;      /* after the last commit */
	bool log_grew;            /* since it was last copied */
	bool counted;             /* what is queued, see store_recover() */
	_Atomic int64_t expected; /* see store_expect() */
	store_loss *lost;
	void *lost_context;
	struct clock
		clock; /* as the transaction has found it; last_id goes on with what it gives */
	struct lost *doubts; /* what the transaction makes running, see lease_begin() */
	size_t doubt_count, doubt_size;
	struct known_endpoint *endpoints;
	size_t endpoint_count, endpoint_size;
	struct account *accounts; /* of the transaction */
	size_t account_count, account_size;
	struct owner owner; /* this process */
	char journal[128];
	char reason[512];
};

/* ---- store_sql ---- */

/* Say why, after the name of the database. Returns the result. */
enum store_result store_refuse(struct store *store, enum store_result result, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/* error: of errno. */
static inline bool
is_no_room(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* The tables of an empty database, with its identity. */
extern const char sql_schema[];
extern const char sql_upgrade[]; /* from version 1 */

/*
 * The first failure of a call is kept in store->code, and what comes after it does nothing: so a call may go on
 * to its end and look there.
 */
static inline bool
sql_ok(const struct store *store)
{
	return store->code == 0; /* SQLITE_OK */
}

/* Keep what SQLite answered. false: it is a failure. */
bool sql_note(struct store *store, int code);
/* Keep that there is no memory. Returns false. */
bool sql_note_memory(struct store *store);
/* What store->code means, said in store->reason. */
enum store_result sql_explain(struct store *store);

/* Ready to be bound: all of its parameters, since those of the last time are still there. sql_finish()
 * has let go of the rows. NULL: it failed; all that takes a statement takes that. */
struct sqlite3_stmt *sql_use(struct store *store, enum sql sql);
/* From 1. What is bound is borrowed until the statement has run. */
void sql_bind_number(struct store *store, struct sqlite3_stmt *statement, int at, int64_t number);
void sql_bind_slice(
	struct store *store, struct sqlite3_stmt *statement, int at, struct slice slice);
/* NULL is NULL. */
void sql_bind_text(struct store *store, struct sqlite3_stmt *statement, int at, const char *text);
/* true: there is a (next) row. */
bool sql_step(struct store *store, struct sqlite3_stmt *statement);
/* Let go of the rows. false: this or something before it failed. */
bool sql_finish(struct store *store, struct sqlite3_stmt *statement);
/* For what has no rows. */
bool sql_run(struct store *store, struct sqlite3_stmt *statement);
bool sql_run_number(struct store *store, enum sql sql, int64_t number);
/* Rows that the last statement changed, and all of this connection. */
int sql_changes(const struct store *store);
int sql_total_changes(const struct store *store);

/* From 0; of a row, and borrowed until the next one or sql_finish(). */
int64_t sql_column_number(struct sqlite3_stmt *statement, int at);
int sql_column_int(struct sqlite3_stmt *statement, int at);
unsigned sql_column_unsigned(struct sqlite3_stmt *statement, int at);
struct slice sql_column_slice(struct sqlite3_stmt *statement, int at);
/* "" for NULL. */
const char *sql_column_text(struct sqlite3_stmt *statement, int at);
bool sql_column_is_null(struct sqlite3_stmt *statement, int at);
/* The first 14, of a statement that lists or shows events. */
struct store_row sql_row(struct sqlite3_stmt *statement);

/* ---- store_file ---- */

/* Find the file of the database, made where there never was one; it is the one that is open from now on.
 * *may_begin_out: when it is empty, it may be filled. */
enum store_result file_find(struct store *store, bool *may_begin_out);
/* It is open and good: what has its name from now on is compared with it. */
void file_remember(const struct store *store);
/* The connection's file is not the one of this name any more. */
bool file_has_moved(const struct store *store);
/* Why what has its name now is not used. */
enum store_result file_say_moved(struct store *store);
enum store_result file_say_emptied(struct store *store);
/* The name of a file system that more than one machine may have mounted, or that cannot share memory. NULL: it
 * is none. */
const char *file_network_system(const char *path);
/* The names of the file and of its folder, which may both be new, are on disk. 0, or errno. */
int file_sync_names(const char *path);
/* By the size of its file: one that was checkpointed and is long still goes with this close. */
bool file_log_is_short(const struct store *store);

/* ---- store_transaction ---- */

/* The turn is the caller's matter. Reads store->clock. */
bool transaction_begin(struct store *store);
/* Unless something has failed. Where nothing was changed, SQLite writes and syncs nothing. */
bool transaction_commit(struct store *store);
/* What was added to endpoints in a transaction that is undone goes too. */
void transaction_forget(struct store *store);
/* Into store->clock. */
bool transaction_read_clock(struct store *store);
/* How long the database was in use until now. Of the time since the last prune a day counts at
 * most, and none when the clock was set back. */
int64_t transaction_age(const struct store *store, int64_t wall_ms);

/* The endpoint's number; 0: there is none of this name, or it failed. */
int64_t account_find_endpoint(struct store *store, const char *name);
int64_t account_find_or_add_endpoint(struct store *store, const char *name);
/* Borrowed until the next call. */
struct account *account_of(struct store *store, int64_t endpoint);
/* By how many there are more of the endpoint's than its row says. */
int64_t account_more(const struct store *store, int64_t endpoint, enum store_state state);
void account_move(
	struct store *store, int64_t endpoint, enum store_state from, enum store_state to);

/* ---- store_lease, in a transaction ---- */

/*
 * The owner, this process or one that it answers for, is about to have the event. When the commit fails with the disk, it may be there all the
 * same, and would be taken for running as long as this process lives: the next connection gives it
 * back.
 */
void lease_begin(
	struct store *store, int64_t id, const char *owner, unsigned attempts, int64_t now);
/* Owner and end of the lease, at and behind it. NULL: it is not running. */
void lease_bind(struct store *store, struct sqlite3_stmt *statement, int at, const char *owner,
	int64_t lease_ms);
/* Record the attempt, and what the event is from now on. false: it failed; settlement->result says what is
 * no failure. */
bool lease_settle(struct store *store, struct store_settlement *settlement, int64_t now);
/* It may have been settled since it was looked at. */
bool lease_give_back(struct store *store, const struct lost *lost, int64_t now, unsigned *given);
/* Give back what lease_begin() was said of when the disk failed; in a transaction of its own. */
bool lease_resolve_doubts(struct store *store);
/* Why the event is dead, or its last attempt failed. NULL: nothing is. */
bool lease_set_reason(struct store *store, int64_t id, const char *reason);

/* ---- store_open ---- */

/* The beginning of each call: a connection to the file that has the name; store_ready() waits for WAIT_MS. */
enum store_result store_ready_until(struct store *store, int64_t deadline_ms);
/* End what is open after a failure, and say what it was. A connection that has seen the disk fail
 * is not used again. */
enum store_result store_fail(struct store *store);
/* The beginning of a call that writes: the turn, and a transaction. */
enum store_result store_begin(struct store *store, int64_t deadline_ms);
/* Commit, unless something has failed; then copy the log where it has become long. */
enum store_result store_end(struct store *store);
/* The same, with another idea of what is long. */
enum store_result store_end_short(struct store *store, unsigned frames);

/* ---- store_put ---- */

/* false: the body is not the one that was accepted, or it failed. */
bool body_is_whole(struct store *store, struct slice body, int64_t body_len, struct slice digest);

#endif
