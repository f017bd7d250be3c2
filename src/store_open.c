/* store_open.c - the connection to the database, and the beginning and the end of a call
 *
 * One file, in WAL mode with synchronous=FULL: a commit is one fdatasync(2), and what it acknowledges
 * survives a power loss. NORMAL, and DELETE with FULL, lose acknowledged events
 * (measured); where WAL cannot be had, TRUNCATE with FULL is as safe and slower.
 *
 * An error of the disk, or a database that was moved away, ends the connection without the
 * checkpoint that sqlite3_close() would make: it might delete the write-ahead log of the file that
 * now has the name. What the next connection finds after an error of the disk may
 * be in memory only; it is written to the database anew before it is used, see write_anew().
 *
 * Writers take turns (store_turn.h): SQLite's own waiting starves whoever has slept longest.
 */
#include "store_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "alloc.h"
#include "clock.h"
#include "store_vfs.h"
#include "text.h"

#define WAIT_MAX_MS ((int64_t)3600 * 1000)
#define COPY_WAIT_MS 1000                         /* for the turn, to copy the rest of the log */
#define LOG_FRAMES_MAX (4 * STORE_LOG_LONG_APART) /* then the writer makes the checkpoint itself */

/*
 * How it ends
 */

static void
finalize(struct store *store)
{
	for (size_t i = 0; i < SQL_COUNT; i++) {
		sqlite3_finalize(store->cached[i]);
		store->cached[i] = NULL;
	}
	transaction_forget(store);
}

/* End the connection and touch no file by its name. */
static void
drop(struct store *store)
{
	turn_give(&store->turn);
	finalize(store);
	if (store->db != NULL) {
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_close(store->db);
	}
	store->db = NULL;
	turn_close(&store->turn);
}

/* Said to all processes, since the kernel tells each failure of a sync once: who opens the database next may
 * not see it. The mark need not reach the disk. */
static void
suspect(struct store *store)
{
	turn_mark(&store->turn);
	store->suspect = true;
}

enum store_result
store_fail(struct store *store)
{
	enum store_result result = sql_explain(store);
	int code = store->code & 0xff;
	if (code == SQLITE_IOERR)
		suspect(store);
	if (result == STORE_BUSY || code == SQLITE_FULL) {
		store->code = SQLITE_OK;
		store->doubt_count = 0;
		for (size_t i = 0; i < SQL_COUNT; i++)
			sqlite3_reset(store->cached[i]);
		transaction_forget(store);
		if (sqlite3_get_autocommit(store->db) == 0)
			sql_run(store, sql_use(store, SQL_ROLLBACK));
		turn_give(&store->turn);
		if (!sql_ok(store))
			drop(store);
	} else {
		drop(store);
	}
	return result;
}

/*
 * How it begins
 */

/* One number or word that a statement says; "" when it fails. Only for opening. */
static bool
ask(struct store *store, const char *sql, char *out, size_t size)
{
	struct sqlite3_stmt *statement = NULL;
	out[0] = '\0';
	if (sql_note(store, sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL)) &&
		sql_step(store, statement))
		snprintf(out, size, "%s", sql_column_text(statement, 0));
	sqlite3_finalize(statement);
	return sql_ok(store);
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
	return sql_ok(store) && sql_note(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

enum identity { IDENTITY_OURS, IDENTITY_EMPTY, IDENTITY_OLDER, IDENTITY_NEWER, IDENTITY_FOREIGN };

static enum identity
identify(struct store *store)
{
	int64_t application = ask_number(store, "PRAGMA application_id");
	int64_t version = ask_number(store, "PRAGMA user_version");
	if (application == APPLICATION_ID && version > VERSION)
		return IDENTITY_NEWER;
	if (application == APPLICATION_ID && version > 0)
		return version < VERSION ? IDENTITY_OLDER : IDENTITY_OURS;
	if (application == 0 && version == 0 &&
		ask_number(store, "SELECT count(*) FROM sqlite_schema") == 0)
		return IDENTITY_EMPTY;
	return IDENTITY_FOREIGN;
}

/*
 * The journal's mode, read back. On the way to WAL an empty database goes through TRUNCATE, not
 * DELETE: the deleted journal of its first page might come back after a power
 * loss, and undo it with all that lies behind it.
 */
static bool
set_journal(struct store *store, bool is_empty)
{
	const char *system = file_network_system(store->path);
	char mode[32];
	store->network = system != NULL;
	if (is_empty || system != NULL)
		ask(store, "PRAGMA journal_mode = TRUNCATE", mode, sizeof mode);
	if (system == NULL) {
		/* What it answers is not what is in force when a sync of it fails: that is asked for. */
		ask(store, "PRAGMA journal_mode = WAL", mode, sizeof mode);
		ask(store, "PRAGMA journal_mode", mode, sizeof mode);
	}
	if (!sql_ok(store))
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

/* After each commit that wrote to the log, in the place of SQLite's own hook, see store_end(). */
static int
after_commit(void *context, sqlite3 *db, const char *name, int frames)
{
	struct store *store = context;
	(void)db;
	(void)name;
	store->log_frames = (unsigned)frames;
	store->log_grew = true;
	return SQLITE_OK;
}

/* false: store->code. */
static bool
checkpoint(struct store *store)
{
	return sql_note(store,
		sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

/*
 * Write the log into the database. A passive checkpoint holds up nobody, and leaves what is written meanwhile: twice, so
 * that this becomes little; and then, since a log begins anew only when all of it was copied,
 * once more while nobody else has the turn to write. SQLite syncs the database in that last one only: what
 * the first two have written is synced before, or all writers would wait for it. gently: in portions, where commits
 * are small; with large ones, and in the last one, that would only make it longer.
 * One at a time: a checkpoint fails while another runs, and two who copied in turns kept each
 * other from ever finishing, at each commit. false: store->code.
 */
static bool
copy_log(struct store *store, bool gently)
{
	bool copied = true;
	if (!turn_take_copy(&store->turn, TURN_NOW))
		return true;
	/* Somebody's sync has failed: what he copied has to be copied again, see write_anew(). */
	if (turn_is_marked(&store->turn)) {
		store->code = SQLITE_IOERR_FSYNC;
		copied = false;
	}
	store_vfs_write_gently(store->db, gently);
	for (int pass = 0; pass < 2 && copied; pass++)
		copied = checkpoint(store) && sql_note(store, store_vfs_sync(store->db));
	store_vfs_write_gently(store->db, false);
	if (copied && turn_take(&store->turn, clock_ms() + COPY_WAIT_MS)) {
		copied = checkpoint(store);
		turn_give(&store->turn);
	}
	/* Before anybody else copies what lies behind it, and the log begins anew. */
	if (!copied && (store->code & 0xff) == SQLITE_IOERR)
		suspect(store);
	turn_give_copy(&store->turn);
	return copied;
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
	if (ask_number(store, "PRAGMA synchronous") != 2 && sql_ok(store))
		store->code = SQLITE_MISUSE;
	sqlite3_wal_hook(store->db, after_commit, store);
	return sql_ok(store);
}

/* Both are on disk before the database is ours: what comes later finds a database that was begun, and does not ask.
 * SQLite syncs the folder with its journal, but not what the folder lies in. */
static bool
sync_names(struct store *store)
{
	int error = file_sync_names(store->path);
	if (error == 0)
		return true;
	store->code = SQLITE_IOERR_DIR_FSYNC;
	store->error = error;
	return false;
}

/* Fill the empty database, unless another process has done so meanwhile. */
static bool
create(struct store *store)
{
	if (!execute(store, "BEGIN IMMEDIATE"))
		return false;
	if (identify(store) == IDENTITY_EMPTY)
		execute(store, sql_schema);
	return execute(store, "COMMIT");
}

/* Bring a database of an earlier version up to this one, unless another process has. */
static bool
upgrade(struct store *store)
{
	if (!execute(store, "BEGIN IMMEDIATE"))
		return false;
	if (ask_number(store, "PRAGMA user_version") < VERSION)
		execute(store, sql_upgrade);
	return execute(store, "COMMIT");
}

/*
 * After an fsync(2) that failed, the kernel may show pages as good that never reached the disk. So:
 * all that the write-ahead log holds goes into the database (again, where it was the database's that failed), which is
 * synced, and the log begins anew.
 */
static bool
write_anew(struct store *store, int64_t deadline_ms)
{
	if (!store->suspect && !turn_is_marked(&store->turn))
		return sql_ok(store);
	bool has_turn = store->turn.taken;
	/* With both nobody writes or copies, so nobody finds something that the mark is needed for meanwhile. */
	if (!turn_take(&store->turn, deadline_ms) || !turn_take_copy(&store->turn, deadline_ms))
		store->code = SQLITE_BUSY;
	if (strncmp(store->journal, "WAL", 3) == 0 && sql_ok(store) &&
		sql_note(store, store_vfs_copy_again(store->db)) &&
		ask_number(store, "PRAGMA wal_checkpoint(TRUNCATE)") != 0 && sql_ok(store))
		store->code = SQLITE_BUSY;
	store->suspect = !sql_ok(store);
	if (store->suspect)
		turn_mark(&store->turn);
	else
		turn_unmark(&store->turn);
	turn_give_copy(&store->turn);
	if (!has_turn)
		turn_give(&store->turn);
	return sql_ok(store);
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
	return store_refuse(store, STORE_BUSY,
		"others were writing until it was too late: try again; if it stays so, the disk is "
		"too "
		"slow for what comes");
}

static enum store_result
adopt(struct store *store, bool may_begin, int64_t deadline_ms)
{
	enum identity identity = identify(store);
	if ((identity == IDENTITY_EMPTY || identity == IDENTITY_FOREIGN) && sql_ok(store)) {
		/* Only one at once begins a database; one that was just begun looked like neither. */
		if (!turn_take(&store->turn, deadline_ms))
			return late(store);
		sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
		identity = identify(store);
	}
	bool is_empty = identity == IDENTITY_EMPTY;
	if (!sql_ok(store))
		return store_fail(store);
	if (is_empty && !may_begin)
		return file_say_emptied(store);
	switch (identity) {
	case IDENTITY_NEWER:
		return store_refuse(store, STORE_FAILED,
			"it was made by a newer hookcgi: install that one, or name another store");
	case IDENTITY_FOREIGN:
		return store_refuse(store, STORE_FAILED,
			"it holds something else than hookcgi's events: name another file as "
			"store");
	case IDENTITY_OURS:
	case IDENTITY_OLDER:
	case IDENTITY_EMPTY: break;
	}
	if (!configure(store, is_empty) || (is_empty && !(sync_names(store) && create(store))) ||
		!write_anew(store, deadline_ms) || (identity == IDENTITY_OLDER && !upgrade(store)))
		return store_fail(store);
	return STORE_OK;
}

static enum store_result
resolve_doubts(struct store *store)
{
	if (lease_resolve_doubts(store))
		return STORE_OK;
	enum store_result result = sql_explain(store);
	if ((store->code & 0xff) == SQLITE_IOERR)
		suspect(store);
	return result;
}

static enum store_result
connect(struct store *store, int64_t deadline_ms)
{
	bool may_begin;
	enum store_result result = file_find(store, &may_begin);
	if (result != STORE_OK)
		return result;
	store->pid = getpid();
	store->synced = false;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	if (!sql_note(store, sqlite3_open_v2(store->path, &store->db, flags, store_vfs_name())))
		return store_fail(store);
	sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
	result = adopt(store, may_begin, deadline_ms);
	turn_give(&store->turn);
	if (result == STORE_OK && file_has_moved(store))
		result = store_refuse(
			store, STORE_FAILED, "it was replaced while it was opened: try again");
	if (result == STORE_OK)
		result = resolve_doubts(store);
	if (result != STORE_OK)
		drop(store);
	else
		file_remember(store);
	return result;
}

/* The file that is open is not the one of this name any more. */
static enum store_result
leave(struct store *store)
{
	drop(store);
	return file_say_moved(store);
}

/*
 * A call
 */

enum store_result
store_ready_until(struct store *store, int64_t deadline_ms)
{
	store->code = SQLITE_OK;
	store->reason[0] = '\0';
	if (store->db != NULL && store->pid != getpid())
		return store_refuse(store, STORE_FAILED,
			"this connection is of another process: open one after the fork");
	if (store->db != NULL && file_has_moved(store))
		return leave(store);
	if (store->db == NULL)
		return connect(store, deadline_ms);
	sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
	return STORE_OK;
}

enum store_result
store_ready(struct store *store)
{
	return store_ready_until(store, clock_ms() + WAIT_MS);
}

enum store_result
store_begin(struct store *store, int64_t deadline_ms)
{
	enum store_result result = store_ready_until(store, deadline_ms);
	if (result != STORE_OK)
		return result;
	if (!turn_take(&store->turn, deadline_ms))
		return late(store);
	sqlite3_busy_timeout(store->db, left_ms(deadline_ms));
	if (!transaction_begin(store))
		return store_fail(store);
	/* It was a while, perhaps. */
	return file_has_moved(store) ? leave(store) : STORE_OK;
}

enum store_result
store_end_short(struct store *store, unsigned frames)
{
	if (!transaction_commit(store))
		return store_fail(store);
	store->doubt_count = 0;
	turn_give(&store->turn);
	if (store->log_grew && store->log_frames >= frames) {
		/* The transaction is on disk all the same; a later one tries again, with all of the log where
		 * the disk failed. */
		if (!copy_log(store, false) && (store->code & 0xff) == SQLITE_IOERR)
			(void)store_fail(store);
		store->code = SQLITE_OK;
	}
	store->log_grew = false;
	return STORE_OK;
}

enum store_result
store_end(struct store *store)
{
	return store_end_short(store, store->checkpoints_apart ? LOG_FRAMES_MAX : STORE_LOG_LONG);
}

/*
 * The store, and how it is to be used
 */

struct store *
store_new(const char *path)
{
	struct store *store = xcalloc(1, sizeof *store);
	struct buf shown;
	buf_init(&shown, 4096);
	text_append_escaped(&shown, slice_of(path), 300);
	store->path = xstrdup(path);
	store->shown = buf_take(&shown);
	turn_init(&store->turn, store->path);
	return store;
}

void
store_free(struct store *store)
{
	if (store == NULL)
		return;
	if (store->db != NULL && store->pid != getpid()) {
		/* The parent's: whatever is done to it here harms the parent. */
		turn_close(&store->turn);
		return;
	}
	if (store->db != NULL && file_has_moved(store))
		drop(store);
	turn_give(&store->turn);
	finalize(store);
	if (store->db != NULL && store->leaves_log && file_log_is_short(store))
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(store->db);
	turn_close(&store->turn);
	free(store->accounts);
	free(store->endpoints);
	free(store->doubts);
	free(store->shown);
	free(store->path);
	free(store);
}

void
store_disconnect(struct store *store)
{
	if (store->db != NULL && store->pid == getpid())
		drop(store);
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
store_checkpoint(struct store *store, bool gently)
{
	enum store_result result = store_ready(store);
	if (result != STORE_OK)
		return result;
	return copy_log(store, gently) ? STORE_OK : store_fail(store);
}

const char *
store_journal(struct store *store)
{
	return store_ready(store) == STORE_OK ? store->journal : store->reason;
}
