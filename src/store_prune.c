/* store_prune.c - retention: what is over its time is removed, step by step
 *
 * It is measured in `age`, see transaction_age(). A key outlives its event, unless that is dead: what was never
 * handled may come again.
 */
#include "store_sqlite.h"

#include <stdlib.h>

#include "alloc.h"
#include "clock.h"

static unsigned
drop_rows(struct store *store, enum sql sql, int64_t id)
{
	return sql_run_number(store, sql, id) ? (unsigned)sql_changes(store) : 0;
}

/* Remove an event with all that belongs to it but its key. Returns how many rows that were. */
static unsigned
drop_event(struct store *store, int64_t id, int64_t endpoint, enum store_state state)
{
	struct change *change = &account_of(store, endpoint)->change;
	struct sqlite3_stmt *statement = sql_use(store, SQL_OVER_ATTEMPTS);
	sql_bind_number(store, statement, 1, id);
	if (sql_step(store, statement)) {
		change->attempts -= sql_column_number(statement, 0);
		change->failed_attempts -= sql_column_number(statement, 1);
	}
	sql_finish(store, statement);
	change->events[state]--;
	/* What was never handled may come again; what was is known for longer. */
	statement = sql_use(store, state == STORE_DEAD ? SQL_KEY_FREE : SQL_KEY_GONE);
	sql_bind_number(store, statement, 1, endpoint);
	sql_bind_number(store, statement, 2, id);
	sql_run(store, statement);
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
	while (found && removed < step_rows && sql_ok(store)) {
		struct sqlite3_stmt *statement = sql_use(store, SQL_OVER);
		sql_bind_number(store, statement, 1, state);
		sql_bind_number(store, statement, 2, before_age);
		found = sql_step(store, statement);
		int64_t id = found ? sql_column_number(statement, 0) : 0;
		int64_t endpoint = found ? sql_column_number(statement, 1) : 0;
		if (sql_finish(store, statement) && found)
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
	while (found && seen++ < step_rows && removed < step_rows && sql_ok(store)) {
		struct sqlite3_stmt *statement = sql_use(store, SQL_OVER_BODY);
		sql_bind_number(store, statement, 1, before_age);
		sql_bind_number(store, statement, 2, clock->body_age);
		sql_bind_number(store, statement, 3, clock->body_event);
		found = sql_step(store, statement);
		int64_t id = found ? sql_column_number(statement, 0) : 0;
		int64_t age = found ? sql_column_number(statement, 1) : 0;
		if (!sql_finish(store, statement) || !found)
			break;
		clock->body_age = age;
		clock->body_event = id;
		if (drop_rows(store, SQL_BODY_DROP, id) > 0) {
			removed++;
			sql_run_number(store, SQL_BODY_DROPPED, id);
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
	while (found && removed < step_rows && sql_ok(store)) {
		struct sqlite3_stmt *over = sql_use(store, SQL_KEY_OVER);
		sql_bind_number(store, over, 1, before_age);
		found = sql_step(store, over);
		if (found) {
			struct slice borrowed = sql_column_slice(over, 1);
			int64_t endpoint = sql_column_number(over, 0);
			char *key = xmemdup0(borrowed.data, borrowed.len);
			struct slice owned = { key, borrowed.len };
			sql_finish(store, over); /* before the row that it stands on goes */
			struct sqlite3_stmt *statement = sql_use(store, SQL_KEY_DROP);
			sql_bind_number(store, statement, 1, endpoint);
			sql_bind_slice(store, statement, 2, owned);
			removed += sql_run(store, statement);
			free(key);
		}
		sql_finish(store, over);
	}
	return removed;
}

enum store_result
store_prune(struct store *store, const struct store_retention *retention, int64_t now,
	unsigned step_rows, unsigned *removed_out, bool *more_out)
{
	enum store_result result = store_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	struct clock clock = store->clock;
	clock.age = transaction_age(store, now);
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
	struct sqlite3_stmt *statement = sql_use(store, SQL_CLOCK_SET);
	sql_bind_number(store, statement, 1, clock.age);
	sql_bind_number(store, statement, 2, clock.wall_ms);
	sql_bind_number(store, statement, 3, clock.body_age);
	sql_bind_number(store, statement, 4, clock.body_event);
	sql_bind_number(store, statement, 5, clock.last_id); /* its event may be gone now */
	sql_run(store, statement);
	result = store_end(store);
	if (result == STORE_OK) {
		*removed_out = removed;
		*more_out = removed >= step_rows;
	}
	return result;
}
