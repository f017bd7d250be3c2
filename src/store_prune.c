/* store_prune.c - retention: what is over its time is removed, step by step
 *
 * It is measured in `age`, see transaction_age(). A key outlives its event, unless that is dead: what was never
 * handled may come again.
 *
 * A step ends by its rows, and by its time: how long a row takes nobody can say, where each of the pages
 * it lies on is read from the disk, or a body has thousands of them.
 */
#include "store_sqlite.h"

#include <stdlib.h>

#include "alloc.h"
#include "clock.h"

/* One transaction. */
struct step {
	unsigned rows; /* that are removed or looked at, at most */
	int64_t until_ms;
	unsigned looked, removed;
	bool over; /* more may be left */
};

/* Something was looked at, and so many rows removed. */
static void
count(struct step *step, unsigned removed)
{
	step->looked++;
	step->removed += removed;
	step->over = step->looked >= step->rows || step->removed >= step->rows ||
		     clock_ms() >= step->until_ms;
}

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

static void
prune_events(struct store *store, struct step *step, enum store_state state, int64_t before_age)
{
	while (!step->over && sql_ok(store)) {
		struct sqlite3_stmt *statement = sql_use(store, SQL_OVER);
		sql_bind_number(store, statement, 1, state);
		sql_bind_number(store, statement, 2, before_age);
		bool found = sql_step(store, statement);
		int64_t id = found ? sql_column_number(statement, 0) : 0;
		int64_t endpoint = found ? sql_column_number(statement, 1) : 0;
		if (!sql_finish(store, statement) || !found)
			return;
		count(step, drop_event(store, id, endpoint, state));
	}
}

/* The clock remembers how far it is: nothing has to be looked at twice. What is of the same age as
 * the clock is left: more of that age may come, with smaller numbers. */
static void
prune_bodies(struct store *store, struct step *step, struct clock *clock, int64_t before_age)
{
	while (!step->over && sql_ok(store)) {
		struct sqlite3_stmt *statement = sql_use(store, SQL_OVER_BODY);
		sql_bind_number(store, statement, 1, before_age);
		sql_bind_number(store, statement, 2, clock->body_age);
		sql_bind_number(store, statement, 3, clock->body_event);
		bool found = sql_step(store, statement);
		int64_t id = found ? sql_column_number(statement, 0) : 0;
		int64_t age = found ? sql_column_number(statement, 1) : 0;
		if (!sql_finish(store, statement) || !found)
			return;
		clock->body_age = age;
		clock->body_event = id;
		unsigned removed = drop_rows(store, SQL_BODY_DROP, id);
		if (removed > 0)
			sql_run_number(store, SQL_BODY_DROPPED, id);
		count(step, removed);
	}
}

static void
prune_keys(struct store *store, struct step *step, int64_t before_age)
{
	while (!step->over && sql_ok(store)) {
		struct sqlite3_stmt *over = sql_use(store, SQL_KEY_OVER);
		sql_bind_number(store, over, 1, before_age);
		if (!sql_step(store, over)) {
			sql_finish(store, over);
			return;
		}
		struct slice borrowed = sql_column_slice(over, 1);
		int64_t endpoint = sql_column_number(over, 0);
		char *key = xmemdup0(borrowed.data, borrowed.len);
		struct slice owned = { key, borrowed.len };
		sql_finish(store, over); /* before the row that it stands on goes */
		struct sqlite3_stmt *statement = sql_use(store, SQL_KEY_DROP);
		sql_bind_number(store, statement, 1, endpoint);
		sql_bind_slice(store, statement, 2, owned);
		count(step, sql_run(store, statement));
		free(key);
	}
}

enum store_result
store_prune(struct store *store, const struct store_retention *retention, int64_t now,
	const struct store_step *limit, unsigned *removed_out, bool *more_out)
{
	enum store_result result = store_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	/* Of its own turn, not of the wait for it. */
	struct step step = { .rows = limit->rows, .until_ms = clock_ms() + limit->ms };
	struct clock clock = store->clock;
	clock.age = transaction_age(store, now);
	clock.wall_ms = now;
	int64_t cut = clock.age - retention->keep_ms + 1;
	prune_events(store, &step, STORE_DONE, cut);
	prune_events(store, &step, STORE_DEAD, cut);
	prune_bodies(store, &step, &clock, clock.age - retention->keep_body_ms);
	prune_keys(store, &step, clock.age - retention->keep_key_ms + 1);
	struct sqlite3_stmt *statement = sql_use(store, SQL_CLOCK_SET);
	sql_bind_number(store, statement, 1, clock.age);
	sql_bind_number(store, statement, 2, clock.wall_ms);
	sql_bind_number(store, statement, 3, clock.body_age);
	sql_bind_number(store, statement, 4, clock.body_event);
	sql_bind_number(store, statement, 5, clock.last_id); /* its event may be gone now */
	sql_run(store, statement);
	/* Copied before it is long to those who accept: they did not make it so. */
	result = store_end_short(store, STORE_LOG_LONG / 2);
	if (result == STORE_OK) {
		*removed_out = step.removed;
		*more_out = step.over;
	}
	return result;
}
