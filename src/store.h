/* store.h - events on disk: what was accepted, what became of it
 *
 * An event is put, claimed, run, settled. It moves between four states and is never
 * lost on the way; DESIGN.md has the table of what a crash leaves at each point.
 * A connection (struct store) belongs to one process and one thread at a time,
 * and is opened after any fork. Times are milliseconds since 1970 unless a name says otherwise.
 *
 * After an I/O error the connection is dropped and a later call opens a new one:
 * a failed fsync(2) is never tried again on the same one. The same when another file has the
 * name: STORE_FAILED once, then that one is used, if it is a database of ours; while the write-ahead log
 * of the one before still lies beside it, STORE_FAILED each time. One that was open in
 * this process and is gone, or holds nothing any more, is not made anew: STORE_FAILED until it is back.
 *
 * A visit function must not call the store that it is called by.
 */
#ifndef HOOKCGI_STORE_H
#define HOOKCGI_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum store_state { STORE_QUEUED, STORE_RUNNING, STORE_DONE, STORE_DEAD };

/* "queued", "running", "done", "dead". */
const char *store_state_name(enum store_state state);
/* false: none of that name. */
bool store_state_find(const char *name, enum store_state *out);

enum store_result {
	STORE_OK,
	STORE_NONE,   /* there is nothing of the kind: no event due, none of that number */
	STORE_BUSY,   /* somebody else held the database until the deadline */
	STORE_FULL,   /* no room on the disk, or the quota is used up */
	STORE_FAILED, /* I/O, damage, read-only, not a database of ours */
};

/* Of an event; what says a larger one is damaged. */
#define STORE_NUMBER_MAX (INT64_C(1) << 53)

struct store;

/*
 * Note where the database is; the file is opened, and made with its folder (0700,
 * the file 0600) where it is missing, at the first call that needs it. Never NULL.
 * path: absolute. Never fails here: an unusable database is a STORE_FAILED of each call, until it is
 * usable.
 */
struct store *store_new(const char *path);
void store_free(struct store *store);

/* End the connection, before a fork: the child may then use a store of its own, and this one goes on with
 * another connection at the next call. What the write-ahead log holds stays there. */
void store_disconnect(struct store *store);

/*
 * Closing leaves the write-ahead log (DATABASE-wal) as it is, for the next one that opens the
 * database: the last one that closes would else write it into the database, with some syncs. For a
 * process that lives for one event. A log of more than 1 MiB is written into the database all the same,
 * so it stays bounded. What lies in it belongs to this database: whoever removes the one loses
 * events, whoever puts another database beside it damages that.
 */
void store_leave_log(struct store *store);

/* From so many frames on (pages in the write-ahead log) it is time for a checkpoint: of a connection that makes its own,
 * and nothing else meanwhile; and where a thread makes it apart, for whom fewer are better. */
#define STORE_LOG_LONG 2000
#define STORE_LOG_LONG_APART 4000

/* Checkpoints are made by another connection, with store_checkpoint(): this one makes one after a commit only
 * when the log has become four times as long as usual. */
void store_checkpoint_apart(struct store *store);

/* Frames in the log after the last commit of this connection; 0 where there is no log. */
unsigned store_log_frames(const struct store *store);

/*
 * Copy what is in the log into the database and sync it; the next commit begins the log anew. Writers wait only for the
 * rest, what came while it was copied. gently: for a thread of its own, while others make commits smaller than
 * 1 MiB: their syncs do not wait behind all of it. STORE_BUSY: another one is at it.
 */
enum store_result store_checkpoint(struct store *store, bool gently);

/*
 * Numbers up to this one were acknowledged (tally.h). So a database that holds nothing is not begun, nor one made
 * in the place of another whose write-ahead log is still there: STORE_FAILED. New events get larger
 * numbers, whatever the database ends with. It was read before the call that heeds it, so that other
 * processes, which acknowledge what is on disk, cannot make it too large. The largest that was given counts;
 * of any thread.
 */
void store_expect(struct store *store, int64_t acknowledged);

typedef void store_loss(void *context, int64_t acknowledged, int64_t stored);
/*
 * Called by a call that puts events, before they are there, when the database ends with a smaller number
 * than store_expect() said: once it has new ones, nothing shows it any more. It must not call the store.
 */
void store_on_loss(struct store *store, store_loss *lost, void *context);

/* Why the last call was not STORE_OK: one printable line with the remedy; and see store_recover(). Borrowed
 * until the next call. */
const char *store_reason(const struct store *store);

/* Open now; what `check` and a start say. */
enum store_result store_ready(struct store *store);

/* How it is kept, for `check`: "WAL, synchronous FULL", or why not ("network file system (nfs): TRUNCATE, synchronous FULL"). */
const char *store_journal(struct store *store);

/* ---- What is put in ---- */

enum store_put {
	STORE_ACCEPTED,
	STORE_DUPLICATE, /* an event of this endpoint with this key is queued, running or done, or was
	                  * removed by retention while its key is kept; dead, and this one is too */
	STORE_REQUEUED, /* it was dead, and now is as if it had just come: due at once, as a retry is */
	STORE_REFUSED, /* the endpoint has queue_limit queued events already */
};

struct store_event {
	/* Given; all borrowed. */
	const char *endpoint;
	const char *provider;
	struct slice key;       /* for deduplication, unique in its endpoint */
	struct slice type;      /* of the event; may be empty */
	struct slice sender_id; /* may be empty */
	int64_t received_ms;
	struct slice remote; /* address of the sender */
	struct slice
		variables; /* the request's as far as they are kept: "NAME=value" with a NUL each */
	struct slice body;
	const uint8_t *digest; /* SHA-256 of the body, 32 bytes; NULL: computed here */
	enum store_state
		state;        /* QUEUED; RUNNING: this process runs it now; DEAD: reason says why */
	const char *reason;   /* NULL, or why it is dead */
	unsigned queue_limit; /* 0: none. Refuses from there on until a quarter is worked off */

	/* Set, when the result is STORE_OK. */
	enum store_put put;
	int64_t id;       /* of the event, also of the one it is a duplicate of; 0 when REFUSED */
	unsigned attempt; /* RUNNING: the number of the attempt that begins */
};

/*
 * Put them in, in one transaction with one fsync(2): all of them are on disk when it
 * is STORE_OK, and none otherwise. Where nothing is new there is nothing to sync. The unique index
 * decides what is a duplicate. deadline_ms: of CLOCK_MONOTONIC, for waiting for other writers; what
 * an fsync takes is not bounded by it.
 */
enum store_result store_put(
	struct store *store, struct store_event *const *events, size_t count, int64_t deadline_ms);

/* ---- What is run ---- */

/* Whose events may be run, and how many at once. */
struct store_lane {
	const char *endpoint;
	unsigned concurrency;
	int64_t lease_ms; /* how long a run may take at most: where the runner cannot be asked, it is over then */
};

/* An event that was claimed; owned, store_job_free(). */
struct store_job {
	int64_t id;
	char *endpoint;
	char *provider;
	struct buf key, type, sender_id, remote;
	struct buf variables; /* as store_event's */
	struct buf body;
	int64_t received_ms;
	unsigned attempt; /* 1 for the first */
	unsigned
		failed; /* attempts that were settled as QUEUED since it was last put or replayed; a lost one is none */
};

void store_job_init(struct store_job *job);
void store_job_free(struct store_job *job);

/*
 * Take the next due event of these lanes for this process: of new ones the one that came
 * first, of those that wait for a retry the one that is due first; retries_first
 * says which is looked for first (callers take turns, so that neither starves the other). Costs the same
 * whatever is queued, and takes no lock when nothing is due. An event whose body is not what it was is made
 * dead on the way (after ten of them: STORE_NONE, and the next one is due now).
 * STORE_NONE: nothing is due; *next_due_ms_out is when the next one is, INT64_MAX: none is queued
 * (those of lanes that are full do not count). job must have been made by store_job_init().
 */
enum store_result store_claim(struct store *store, const struct store_lane *lanes, size_t count,
	bool retries_first, int64_t now_ms, struct store_job *job, int64_t *next_due_ms_out);

/* How one attempt went. All borrowed. */
struct store_attempt {
	unsigned number;
	int64_t started_ms;
	int64_t duration_us;
	const char *end;    /* "exit", "signal", "timeout", "not started", "lost" */
	int code;           /* exit status or signal */
	const char *reason; /* NULL, or why it was not started */
	struct slice output, error;
	bool output_cut, error_cut;
};

/*
 * Record the attempt and what the event is from now on: DONE, DEAD (with reason), QUEUED
 * until due_ms (with reason: why the last attempt failed). STORE_NONE: the attempt is not this
 * process's any more (it is settled, or its lease ended and another has the event); it is recorded nowhere.
 */
enum store_result store_settle(struct store *store, int64_t id, const struct store_attempt *attempt,
	enum store_state state, int64_t due_ms, const char *reason);

/* What store_settle() is given, of one of several. */
struct store_settlement {
	int64_t id;
	const struct store_attempt *attempt;
	enum store_state state;
	int64_t due_ms;
	const char *reason;
	const char *owner; /* who has the event, see store_owner.h; NULL: this process */

	/* Set, when the result of all is STORE_OK: that, or STORE_NONE as store_settle() says it. */
	enum store_result result;
};

/* Settle several in one transaction. store_reason() is of the last that is STORE_NONE. */
enum store_result store_settle_all(
	struct store *store, struct store_settlement *settlements, size_t count);

/* What is settled and put in one transaction; borrowed, and set as by store_settle_all() and store_put(). */
struct store_batch {
	struct store_settlement *settlements;
	size_t settlement_count;
	struct store_event *const *events;
	size_t event_count;
};

/*
 * Asked, while the transaction is open, for more that is to go into it; may wait for that, a moment, since
 * nobody else can write meanwhile. false: there is no more, and the transaction ends.
 */
typedef bool store_more(void *context, struct store_batch *out);

/*
 * store_settle_all() and then store_put(), in one transaction with one fsync(2): all of it, or nothing. more (may
 * be NULL) is asked until it says no, until something fails, or until another writer waits.
 */
enum store_result store_write(struct store *store, const struct store_batch *batch,
	store_more *more, void *context, int64_t deadline_ms);

/* Whose events are claimed; retries_first is for the first claim, and the next ones take turns. */
struct store_lanes {
	const struct store_lane *lanes;
	size_t count;
	bool retries_first;
};

struct store_claim {
	const char *owner; /* as that of a settlement */
	struct store_job job;
};

/*
 * Settle all of these, then claim an event for each of the claims, as store_settle() and store_claim() do it, in
 * one transaction with one fsync(2); without a settlement it takes no lock when nothing is due. STORE_OK: what
 * each settlement's result says, and *claimed_out of the claims, the first ones, have an event: less than
 * claim_count when nothing more is due before *next_due_ms_out (INT64_MAX: never), or, where that is now, since
 * bodies of a MiB were read. Any other result: nothing was done, settling is tried again (after an error of the
 * disk the attempt may be settled already: STORE_NONE). Each job was made by store_job_init().
 */
enum store_result store_settle_and_claim(struct store *store, struct store_settlement *settlements,
	size_t settlement_count, const struct store_lanes *lanes, int64_t now_ms,
	struct store_claim *claims, size_t claim_count, size_t *claimed_out,
	int64_t *next_due_ms_out);

/*
 * Give back what ended processes had claimed: queued again at once, in its old place, with a "lost"
 * attempt, which store_job.failed does not count; what a sender waited
 * for (put as RUNNING) becomes dead, so that the sender's retry runs it. Also
 * bring due times that no retry can have (more than longest_wait_ms ahead: the clock was set
 * back) to now; and count what is running, and at the first call with this store what is queued, where a damaged
 * number of an endpoint would keep events from being run or taken. Counting keeps no writer waiting. What was
 * wrong is mended and said by store_reason(), which is "" else. By one process at a time (wake_lock()).
 * *count_out: how many events were given back.
 */
enum store_result store_recover(
	struct store *store, int64_t now_ms, int64_t longest_wait_ms, unsigned *count_out);

/* Was the clock set, where it was was_ms at the start of the machine and is booted_ms there now? By less than a second it
 * is only kept right (NTP). */
bool store_clock_is_set(int64_t was_ms, int64_t booted_ms);

/*
 * The clock by which retries are put off: what it showed when the machine was started (the wall clock minus
 * CLOCK_BOOTTIME), as store_heed_clock() kept it last since that start. NONE: it did not, or starts cannot be told from
 * each other here.
 */
enum store_result store_booted(struct store *store, int64_t *booted_ms_out);

/*
 * At the start of the machine, boot_ms ago, the clock was *booted_ms, as it is set now. Where it was kept as another one (or
 * is not kept, and was was_ms), retries that were put off by that one since then are due as much later or earlier; and
 * it is kept. *booted_ms: what retries go by from here on. *count_out: how many were moved.
 */
enum store_result store_heed_clock(struct store *store, int64_t was_ms, int64_t boot_ms,
	int64_t *booted_ms, unsigned *count_out);

/* ---- What is seen: the ledger ---- */

struct store_filter {
	const char *endpoint; /* NULL: all, as each of these */
	const char *type;     /* shell pattern, fnmatch(3) */
	bool has_state;
	enum store_state state;
	int64_t since_ms; /* received then or later; 0: any */
	int64_t after_id; /* only larger numbers; 0: any */
	unsigned limit;   /* 0: none */
	bool oldest_first;
};

struct store_row {
	int64_t id;
	const char *endpoint, *provider;
	struct slice type, sender_id, key, remote;
	enum store_state state;
	unsigned attempts;
	int64_t received_ms;
	int64_t due_ms;     /* QUEUED: when; 0: at once */
	int64_t changed_ms; /* when it came into its state */
	int64_t body_len;   /* -1: the body was dropped by retention */
	const char *reason; /* "" where there is none */
};

/* Called for each; what it is given is borrowed. false: stop. */
typedef bool store_row_visit(void *context, const struct store_row *row);

/* The newest first, unless the filter says otherwise. Reads a snapshot; no writer waits for it. */
enum store_result store_list(struct store *store, const struct store_filter *filter,
	store_row_visit *visit, void *context);

/* One event whole: visit is called once with its row; variables and body (empty when dropped) are filled.
 * *damaged_out: the body is not what was accepted. */
enum store_result store_show(struct store *store, int64_t id, store_row_visit *visit, void *context,
	struct buf *variables, struct buf *body, bool *damaged_out);

typedef bool store_attempt_visit(void *context, const struct store_attempt *attempt);
/* The attempts of an event in order. STORE_OK also when there is none, or no such event. */
enum store_result store_attempts(
	struct store *store, int64_t id, store_attempt_visit *visit, void *context);

/* Queue a done, dead or waiting event for now; its count of retries starts anew, its attempts stay. It is
 * taken as a retry that is due at once: not before new events that came earlier.
 * STORE_NONE: no such event; STORE_BUSY also: it is running. STORE_FAILED also: its body was dropped. */
enum store_result store_replay(struct store *store, int64_t id, int64_t now_ms);

struct store_count {
	const char *endpoint;
	int64_t events[4];                 /* by enum store_state */
	int64_t oldest_ms[4];              /* received; 0: none */
	int64_t attempts, failed_attempts; /* all that are kept */
};

typedef bool store_count_visit(void *context, const struct store_count *count);
enum store_result store_stats(struct store *store, store_count_visit *visit, void *context);

/* Longer than any sender that is known goes on retrying, and than any tolerance. */
#define STORE_KEEP_KEY_MS ((int64_t)14 * 24 * 3600 * 1000)

struct store_retention {
	int64_t keep_ms;      /* done and dead events go when they are that long in their state */
	int64_t keep_body_ms; /* bodies and variables of done events */
	int64_t keep_key_ms; /* keys outlive done events: at least this long. Those of dead ones go along */
};

/* Ends one step: about so many rows, or as much time. An event goes whole, one at least. */
struct store_step {
	unsigned rows;
	int64_t ms;
};

/* Whoever puts an event waits for a step at most: long enough that a sync is for fifty events, and short where a
 * page comes from the disk, or bodies are large. */
#define STORE_PRUNE_STEP ((struct store_step){ .rows = 200, .ms = 5 })

/*
 * Remove what is over its time, in one short step (a writer waits no
 * longer than that takes). *removed_out: rows; *more_out: call again.
 * Time is measured by how long the store has been in use, at most a day for each call, so
 * a clock that jumps a year ahead makes nothing go early.
 */
enum store_result store_prune(struct store *store, const struct store_retention *retention,
	int64_t now_ms, const struct store_step *step, unsigned *removed_out, bool *more_out);

/* The largest event number that was ever given, 0: none; see tally.h. */
enum store_result store_last_id(struct store *store, int64_t *id_out);

#endif
