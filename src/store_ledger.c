/* store_ledger.c - what is seen of the events, and replayed
 *
 * A list reads one statement, the one that passes over the least of what the filter does not want; no writer waits
 * for it.
 */
#include "store_sqlite.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"

#define SORTED_MAX 100000 /* queued events: more are not sorted in 20 ms */

/* Of all endpoints, or one. */
struct totals {
	int64_t ended, queued, all;
};

static void
bind_or_null(
	struct store *store, struct sqlite3_stmt *statement, int at, bool is_set, int64_t number)
{
	if (is_set)
		sql_bind_number(store, statement, at, number);
	else
		sql_bind_text(store, statement, at, NULL);
}

static struct totals
totals_of(struct store *store, const struct store_filter *filter, int64_t endpoint)
{
	struct totals totals = { 0, 0, 0 };
	struct sqlite3_stmt *statement = sql_use(store, SQL_TOTALS);
	bind_or_null(store, statement, 1, endpoint != 0, endpoint);
	if (sql_step(store, statement)) {
		totals.queued = sql_column_number(statement, 0);
		totals.ended = sql_column_number(statement, filter->state == STORE_DONE ? 1 : 2);
		totals.all = sql_column_number(statement, 3);
	}
	sql_finish(store, statement);
	return totals;
}

/*
 * Has the endpoint so few of those in the state that to look at all that it has is less than to find them between
 * those of others? These are mixed, but what it has queued may all lie above what is done.
 */
static bool
is_rare(struct store *store, const struct store_filter *filter, int64_t endpoint)
{
	struct totals own = totals_of(store, filter, endpoint);
	int64_t passed = totals_of(store, filter, 0).ended;
	if (filter->limit > 0 && own.ended > filter->limit)
		passed = passed / own.ended * filter->limit;
	return own.all < passed;
}

/*
 * The statement that passes over the least of what the filter does not want, by what is counted in the endpoints'
 * rows: a number that is wrong there costs time only. Few that are queued are sorted by number; of many the
 * newest are, mostly, among the newest of all.
 */
static enum sql
list_statement(struct store *store, const struct store_filter *filter, int64_t endpoint)
{
	enum sql of_endpoint = endpoint != 0 ? SQL_LIST_ENDPOINT : SQL_LIST_ALL;
	if (!filter->has_state)
		return of_endpoint;
	switch (filter->state) {
	case STORE_RUNNING: return SQL_LIST_RUNNING;
	case STORE_QUEUED:
		if (filter->oldest_first && filter->after_id == 0)
			return SQL_LIST_QUEUED; /* what is done is older still */
		return totals_of(store, filter, endpoint).queued <= SORTED_MAX ? SQL_LIST_QUEUED
									       : of_endpoint;
	case STORE_DONE:
	case STORE_DEAD: break;
	}
	return endpoint != 0 && is_rare(store, filter, endpoint) ? SQL_LIST_ENDPOINT
								 : SQL_LIST_ENDED;
}

static bool
passes(const struct store_filter *filter, const struct store_row *row)
{
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
	enum store_result result = store_ready(store);
	if (result != STORE_OK)
		return result;
	int64_t endpoint =
		filter->endpoint != NULL ? account_find_endpoint(store, filter->endpoint) : 0;
	if (filter->endpoint != NULL && endpoint == 0)
		return sql_ok(store) ? STORE_OK : store_fail(store);
	int oldest = filter->oldest_first ? SQL_LIST_ALL_OLDEST - SQL_LIST_ALL : 0;
	unsigned shown = 0;
	struct sqlite3_stmt *statement =
		sql_use(store, (enum sql)((int)list_statement(store, filter, endpoint) + oldest));
	sql_bind_number(store, statement, 1, filter->after_id);
	bind_or_null(store, statement, 2, filter->endpoint != NULL, endpoint);
	sql_bind_number(store, statement, 3, filter->since_ms != 0 ? filter->since_ms : INT64_MIN);
	bind_or_null(store, statement, 4, filter->has_state, (int64_t)filter->state);
	while ((filter->limit == 0 || shown < filter->limit) && sql_step(store, statement)) {
		struct store_row row = sql_row(statement);
		if (!passes(filter, &row))
			continue;
		shown++;
		if (!visit(context, &row))
			break;
	}
	return sql_finish(store, statement) ? STORE_OK : store_fail(store);
}

enum store_result
store_show(struct store *store, int64_t id, store_row_visit *visit, void *context,
	struct buf *variables, struct buf *body, bool *damaged_out)
{
	enum store_result result = store_ready(store);
	if (result != STORE_OK)
		return result;
	bool found = false, room = true;
	struct sqlite3_stmt *statement = sql_use(store, SQL_SHOW);
	sql_bind_number(store, statement, 1, id);
	if (sql_step(store, statement)) {
		struct store_row row = sql_row(statement);
		struct slice stored = sql_column_slice(statement, 16);
		found = true;
		*damaged_out =
			row.body_len >= 0 && (sql_column_is_null(statement, 16) ||
						     !body_is_whole(store, stored, row.body_len,
							     sql_column_slice(statement, 14)));
		room = buf_append_slice(variables, sql_column_slice(statement, 15)) &&
		       buf_append_slice(body, stored);
		if (room)
			visit(context, &row);
	}
	if (!room)
		sql_note_memory(store);
	if (!sql_finish(store, statement))
		return store_fail(store);
	return found ? STORE_OK : store_refuse(store, STORE_NONE, "there is no event %" PRId64, id);
}

enum store_result
store_attempts(struct store *store, int64_t id, store_attempt_visit *visit, void *context)
{
	enum store_result result = store_ready(store);
	if (result != STORE_OK)
		return result;
	struct sqlite3_stmt *statement = sql_use(store, SQL_ATTEMPTS);
	sql_bind_number(store, statement, 1, id);
	while (sql_step(store, statement)) {
		int flags = sql_column_int(statement, 8);
		struct store_attempt attempt = {
			.number = sql_column_unsigned(statement, 0),
			.started_ms = sql_column_number(statement, 1),
			.duration_us = sql_column_number(statement, 2),
			.end = sql_column_text(statement, 3),
			.code = sql_column_int(statement, 4),
			.reason = !sql_column_is_null(statement, 5) ? sql_column_text(statement, 5)
								    : NULL,
			.output = sql_column_slice(statement, 6),
			.error = sql_column_slice(statement, 7),
			.output_cut = (flags & ATTEMPT_OUTPUT_CUT) != 0,
			.error_cut = (flags & ATTEMPT_ERROR_CUT) != 0,
		};
		if (!visit(context, &attempt))
			break;
	}
	return sql_finish(store, statement) ? STORE_OK : store_fail(store);
}

/* What keeps the event from being replayed; STORE_OK: nothing. */
static enum store_result
may_replay(struct store *store, int64_t id, int64_t *endpoint_out, enum store_state *state_out)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_STATE);
	sql_bind_number(store, statement, 1, id);
	bool found = sql_step(store, statement);
	int64_t body_len = 0;
	if (found) {
		*endpoint_out = sql_column_number(statement, 0);
		*state_out = (enum store_state)(sql_column_int(statement, 1) & 3);
		body_len = sql_column_number(statement, 2);
	}
	if (!sql_finish(store, statement))
		return STORE_OK; /* store_end() says it */
	if (!found)
		return store_refuse(store, STORE_NONE, "there is no event %" PRId64, id);
	if (*state_out == STORE_RUNNING)
		return store_refuse(store, STORE_BUSY,
			"event %" PRId64 " is running: wait until it has ended", id);
	if (body_len < 0)
		return store_refuse(store, STORE_FAILED,
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
	enum store_result result = store_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	enum store_result may = may_replay(store, id, &endpoint, &state);
	if (may == STORE_OK && sql_ok(store)) {
		account_move(store, endpoint, state, STORE_QUEUED);
		struct sqlite3_stmt *statement = sql_use(store, SQL_REPLAY);
		sql_bind_number(store, statement, 1, id);
		sql_bind_number(store, statement, 2, AT_ONCE);
		sql_bind_number(store, statement, 3, now);
		sql_bind_number(store, statement, 4, transaction_age(store, now));
		if (sql_run(store, statement))
			lease_set_reason(store, id, NULL);
	}
	result = store_end(store);
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
	struct sqlite3_stmt *statement = sql_use(store, by_state[state]);
	sql_bind_number(store, statement, 1, endpoint);
	int64_t received_ms = sql_step(store, statement) ? sql_column_number(statement, 0) : 0;
	sql_finish(store, statement);
	return received_ms;
}

enum store_result
store_stats(struct store *store, store_count_visit *visit, void *context)
{
	enum store_result result = store_ready(store);
	if (result != STORE_OK)
		return result;
	struct sqlite3_stmt *statement = sql_use(store, SQL_ENDPOINTS);
	while (sql_step(store, statement)) {
		int64_t endpoint = sql_column_number(statement, 0);
		struct store_count totals = {
			.endpoint = sql_column_text(statement, 1),
			.attempts = sql_column_number(statement, 6),
			.failed_attempts = sql_column_number(statement, 7),
		};
		for (int i = 0; i < 4; i++) {
			totals.events[i] = sql_column_number(statement, 2 + i);
			if (totals.events[i] > 0)
				totals.oldest_ms[i] = oldest(store, endpoint, (enum store_state)i);
		}
		if (sql_ok(store) && !visit(context, &totals))
			break;
	}
	return sql_finish(store, statement) ? STORE_OK : store_fail(store);
}

enum store_result
store_last_id(struct store *store, int64_t *id_out)
{
	enum store_result result = store_ready(store);
	if (result != STORE_OK)
		return result;
	if (!transaction_read_clock(store))
		return store_fail(store);
	*id_out = store->clock.last_id;
	return STORE_OK;
}
