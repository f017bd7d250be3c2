/* store_lease.c - an event in the hands of a process: begun, settled, given back
 *
 * A running event names its owner, and only this one settles it. An event that is given back was lost with its
 * process, or never was this one's: the commit that made it running has failed with the disk.
 */
#include "store_sqlite.h"

#include <inttypes.h>
#include <stdio.h>

#include "alloc.h"
#include "clock.h"

void
lease_begin(struct store *store, int64_t id, const char *owner, unsigned attempts, int64_t now)
{
	if (store->doubt_count == store->doubt_size) {
		store->doubt_size = store->doubt_size > 0 ? store->doubt_size * 2 : 8;
		store->doubts =
			xreallocarray(store->doubts, store->doubt_size, sizeof *store->doubts);
	}
	struct lost *lost = &store->doubts[store->doubt_count++];
	*lost = (struct lost){ .id = id, .attempts = attempts, .started_ms = now };
	snprintf(lost->owner, sizeof lost->owner, "%s", owner);
}

void
lease_bind(struct store *store, struct sqlite3_stmt *statement, int at, const char *owner,
	int64_t lease_ms)
{
	sql_bind_text(store, statement, at, owner);
	sql_bind_number(store, statement, at + 1, owner != NULL ? lease_ms : 0);
}

bool
lease_set_reason(struct store *store, int64_t id, const char *reason)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_REASON);
	sql_bind_number(store, statement, 1, id);
	sql_bind_text(store, statement, 2, reason);
	return sql_run(store, statement);
}

static bool
add_attempt(struct store *store, int64_t id, const struct store_attempt *attempt, bool failed)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_ATTEMPT_ADD);
	sql_bind_number(store, statement, 1, id);
	sql_bind_number(store, statement, 2, attempt->number);
	sql_bind_number(store, statement, 3, attempt->started_ms);
	sql_bind_number(store, statement, 4, attempt->duration_us);
	sql_bind_text(store, statement, 5, attempt->end);
	sql_bind_number(store, statement, 6, attempt->code);
	sql_bind_text(store, statement, 7, attempt->reason);
	sql_bind_slice(store, statement, 8, attempt->output);
	sql_bind_slice(store, statement, 9, attempt->error);
	sql_bind_number(store, statement, 10,
		(attempt->output_cut ? ATTEMPT_OUTPUT_CUT : 0) |
			(attempt->error_cut ? ATTEMPT_ERROR_CUT : 0) |
			(failed ? ATTEMPT_FAILED : 0));
	return sql_run(store, statement);
}

/* A running event with an attempt that is over becomes something else. */
static void
count_attempt(struct store *store, int64_t endpoint, enum store_state to)
{
	account_move(store, endpoint, STORE_RUNNING, to);
	struct change *change = &account_of(store, endpoint)->change;
	change->attempts++;
	change->failed_attempts += to != STORE_DONE;
}

bool
lease_settle(struct store *store, struct store_settlement *settlement, int64_t now)
{
	int64_t id = settlement->id, due_ms = settlement->due_ms, endpoint = 0;
	const struct store_attempt *attempt = settlement->attempt;
	enum store_state state = settlement->state;
	struct sqlite3_stmt *statement = sql_use(store, SQL_SETTLE);
	sql_bind_number(store, statement, 1, id);
	sql_bind_number(store, statement, 2, state);
	sql_bind_number(store, statement, 3,
		state != STORE_QUEUED ? 0
		: due_ms > AT_ONCE    ? due_ms
				      : AT_ONCE);
	sql_bind_number(store, statement, 4, now);
	sql_bind_number(store, statement, 5, transaction_age(store, now));
	sql_bind_text(store, statement, 6,
		settlement->owner != NULL ? settlement->owner
					  : owner_of_this_process(&store->owner));
	sql_bind_number(store, statement, 7, attempt->number);
	while (sql_step(store, statement))
		endpoint = sql_column_number(statement, 0);
	settlement->result = STORE_OK;
	if (sql_finish(store, statement) && endpoint == 0)
		settlement->result = store_refuse(store, STORE_NONE,
			"attempt %u of event %" PRId64 " is not its owner's any more",
			attempt->number, id);
	if (endpoint == 0)
		return sql_ok(store);
	count_attempt(store, endpoint, state);
	return add_attempt(store, id, attempt, state != STORE_DONE) &&
	       lease_set_reason(store, id, settlement->reason);
}

bool
lease_give_back(struct store *store, const struct lost *lost, int64_t now, unsigned *given)
{
	struct store_attempt attempt = {
		.number = lost->attempts,
		.started_ms = lost->started_ms,
		.end = "lost",
		.reason = "the process that ran it has ended",
	};
	int64_t endpoint = 0;
	enum store_state state = STORE_QUEUED;
	struct sqlite3_stmt *statement = sql_use(store, SQL_GIVE_BACK);
	sql_bind_number(store, statement, 1, lost->id);
	sql_bind_number(store, statement, 2, lost->attempts);
	sql_bind_number(store, statement, 3, now);
	sql_bind_number(store, statement, 4, transaction_age(store, now));
	sql_bind_text(store, statement, 5, lost->owner[0] != '\0' ? lost->owner : NULL);
	while (sql_step(store, statement)) {
		endpoint = sql_column_number(statement, 0);
		state = sql_column_int(statement, 1) == STORE_DEAD ? STORE_DEAD : STORE_QUEUED;
	}
	if (!sql_finish(store, statement) || endpoint == 0)
		return sql_ok(store);
	(*given)++;
	count_attempt(store, endpoint, state);
	return add_attempt(store, lost->id, &attempt, true) &&
	       lease_set_reason(store, lost->id,
		       state == STORE_DEAD
			       ? "the process that ran it has ended: the sender's next try, "
				 "or a replay, runs it"
			       : attempt.reason);
}

bool
lease_resolve_doubts(struct store *store)
{
	unsigned given = 0;
	if (store->doubt_count == 0)
		return true;
	transaction_begin(store);
	for (size_t i = 0; i < store->doubt_count && sql_ok(store); i++)
		lease_give_back(store, &store->doubts[i], clock_wall_ms(), &given);
	if (!transaction_commit(store))
		return false;
	store->doubt_count = 0;
	return true;
}
