/* store_run.c - what is run: claimed and settled
 *
 * New events have due 0 and are taken by their number, whatever the clock does. A retry has the
 * time when it is due; one that is due at once (replayed, requeued) has 1, which is long ago, so it
 * is taken as a retry and not before new events that came earlier. What a killed process had
 * goes back to 0: it takes its old place.
 */
#include "store_sqlite.h"

#include <inttypes.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "log.h"

#define SETTLE_WAIT_MS 10000 /* a handler has run */
#define BURY_MAX 10          /* damaged events that one claim makes dead */
#define LOADED_MAX (1 << 20) /* bytes of bodies, after which one transaction claims no more */

/*
 * Claim
 */

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
	struct sqlite3_stmt *statement = sql_use(store, SQL_FRESH);
	sql_bind_number(store, statement, 1, endpoint);
	if (sql_step(store, statement)) {
		int64_t id = sql_column_number(statement, 0);
		if (look->fresh.id == 0 || id < look->fresh.id)
			look->fresh = (struct candidate){ id, 0, endpoint, lane->lease_ms };
	}
	sql_finish(store, statement);
}

static void
look_for_retry(struct store *store, const struct store_lane *lane, int64_t endpoint, int64_t now,
	struct look *look)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_RETRY);
	sql_bind_number(store, statement, 1, endpoint);
	if (sql_step(store, statement)) {
		int64_t id = sql_column_number(statement, 0);
		int64_t due = sql_column_number(statement, 1);
		if (due > now && due < look->next_due_ms)
			look->next_due_ms = due;
		else if (due <= now && (look->retry.id == 0 || due < look->retry.due_ms ||
					       (due == look->retry.due_ms && id < look->retry.id)))
			look->retry = (struct candidate){ id, due, endpoint, lane->lease_ms };
	}
	sql_finish(store, statement);
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
	struct sqlite3_stmt *loads = sql_use(store, SQL_ENDPOINT_LOADS);
	while (sql_step(store, loads)) {
		int64_t endpoint = sql_column_number(loads, 0);
		int64_t queued = sql_column_number(loads, 1);
		int64_t running = sql_column_number(loads, 2);
		if (queued + account_more(store, endpoint, STORE_QUEUED) <= 0)
			continue;
		const struct store_lane *lane = lane_of(wanted, sql_column_text(loads, 3));
		if (lane != NULL && running + account_more(store, endpoint, STORE_RUNNING) <
					    (int64_t)lane->concurrency)
			look_at_lane(store, lane, endpoint, wanted, &look);
	}
	*out = look.retry.id != 0 && (wanted->retries_first || look.fresh.id == 0) ? look.retry
										   : look.fresh;
	*next_due_ms = look.next_due_ms;
	return sql_finish(store, loads);
}

/* Fill the job. *whole_out: the body is the one that was accepted. */
static bool
load_job(struct store *store, int64_t id, struct store_job *job, bool *whole_out)
{
	struct buf *const bufs[] = { &job->key, &job->type, &job->sender_id, &job->remote };
	struct sqlite3_stmt *statement = sql_use(store, SQL_LOAD);
	bool room = true;
	*whole_out = false;
	store_job_free(job);
	sql_bind_number(store, statement, 1, id);
	if (sql_step(store, statement)) {
		job->id = id;
		job->endpoint = xstrdup(sql_column_text(statement, 0));
		job->provider = xstrdup(sql_column_text(statement, 1));
		for (int i = 0; i < 4; i++)
			room = room &&
			       buf_append_slice(bufs[i], sql_column_slice(statement, 2 + i));
		job->received_ms = sql_column_number(statement, 6);
		job->attempt = sql_column_unsigned(statement, 7) + 1;
		job->failed = sql_column_unsigned(statement, 8);
		struct slice body = sql_column_slice(statement, 12);
		*whole_out = !sql_column_is_null(statement, 12) &&
			     body_is_whole(store, body, sql_column_number(statement, 10),
				     sql_column_slice(statement, 9));
		room = room && buf_append_slice(&job->variables, sql_column_slice(statement, 11)) &&
		       buf_append_slice(&job->body, body);
	}
	if (!room)
		sql_note_memory(store);
	return sql_finish(store, statement);
}

static bool
quarantine(struct store *store, const struct candidate *candidate, int64_t now)
{
	static const char reason[] = "the body on disk is not the one that was accepted";
	struct sqlite3_stmt *statement = sql_use(store, SQL_BURY);
	sql_bind_number(store, statement, 1, candidate->id);
	sql_bind_number(store, statement, 2, now);
	sql_bind_number(store, statement, 3, transaction_age(store, now));
	if (!sql_run(store, statement) || !lease_set_reason(store, candidate->id, reason))
		return false;
	account_move(store, candidate->endpoint, STORE_QUEUED, STORE_DEAD);
	log_message(LOG_LEVEL_ERROR, "store", "event %" PRId64 " is dead: %s: look at the disk",
		candidate->id, reason);
	return true;
}

static bool
take(struct store *store, const struct candidate *candidate, const struct store_claim *claim,
	int64_t now)
{
	const char *owner =
		claim->owner != NULL ? claim->owner : owner_of_this_process(&store->owner);
	lease_begin(store, candidate->id, owner, claim->job.attempt, now);
	account_move(store, candidate->endpoint, STORE_QUEUED, STORE_RUNNING);
	struct sqlite3_stmt *statement = sql_use(store, SQL_CLAIM);
	sql_bind_number(store, statement, 1, candidate->id);
	sql_bind_number(store, statement, 2, now);
	sql_bind_number(store, statement, 3, transaction_age(store, now));
	lease_bind(store, statement, 4, owner, now + candidate->lease_ms);
	return sql_run(store, statement);
}

/* In a transaction. false: nothing is due, or it failed. */
static bool
claim_next(struct store *store, const struct wanted *wanted, struct store_claim *claim,
	int64_t *next_due_ms_out)
{
	for (int buried = 0; buried < BURY_MAX; buried++) {
		struct candidate candidate;
		bool whole;
		if (!look_for_due(store, wanted, &candidate, next_due_ms_out) ||
			candidate.id == 0 || !load_job(store, candidate.id, &claim->job, &whole))
			return false;
		if (whole)
			return take(store, &candidate, claim, wanted->now);
		if (!quarantine(store, &candidate, wanted->now))
			return false;
	}
	*next_due_ms_out = wanted->now; /* others want to write too: go on then */
	return false;
}

/* In a transaction, until nothing is due, all have one, or it failed. Returns how many have one. */
static size_t
claim_some(struct store *store, struct wanted *wanted, struct store_claim *claims, size_t count,
	int64_t *next_due_ms_out)
{
	size_t claimed = 0, loaded = 0;
	while (claimed < count && loaded <= LOADED_MAX &&
		claim_next(store, wanted, &claims[claimed], next_due_ms_out)) {
		loaded += claims[claimed].job.body.len;
		wanted->retries_first = !wanted->retries_first;
		claimed++;
		*next_due_ms_out = wanted->now;
	}
	return claimed;
}

enum store_result
store_settle_and_claim(struct store *store, struct store_settlement *settlements,
	size_t settlement_count, const struct store_lanes *lanes, int64_t now,
	struct store_claim *claims, size_t claim_count, size_t *claimed_out,
	int64_t *next_due_ms_out)
{
	struct wanted wanted = { lanes->lanes, lanes->count, lanes->retries_first, now };
	int64_t deadline_ms = clock_ms() + WAIT_MS;
	struct candidate candidate;
	*claimed_out = 0;
	*next_due_ms_out = INT64_MAX;
	if (settlement_count == 0) {
		/* A look first, without a lock: most of the time there is nothing. */
		enum store_result result = store_ready_until(store, deadline_ms);
		if (result != STORE_OK)
			return result;
		if (!look_for_due(store, &wanted, &candidate, next_due_ms_out))
			return store_fail(store);
		if (candidate.id == 0)
			return STORE_OK;
	}
	enum store_result result = store_begin(store, deadline_ms);
	if (result != STORE_OK)
		return result;
	for (size_t i = 0; i < settlement_count && sql_ok(store); i++)
		lease_settle(store, &settlements[i], now);
	size_t claimed = claim_some(store, &wanted, claims, claim_count, next_due_ms_out);
	result = store_end(store);
	if (result == STORE_OK)
		*claimed_out = claimed;
	for (size_t i = *claimed_out; i < claim_count; i++)
		store_job_free(&claims[i].job);
	return result;
}

enum store_result
store_claim(struct store *store, const struct store_lane *lanes, size_t count, bool retries_first,
	int64_t now, struct store_job *job, int64_t *next_due_ms_out)
{
	const struct store_lanes all = { lanes, count, retries_first };
	struct store_claim claim = { .owner = NULL, .job = *job };
	size_t claimed;
	enum store_result result = store_settle_and_claim(
		store, NULL, 0, &all, now, &claim, 1, &claimed, next_due_ms_out);
	*job = claim.job;
	return result == STORE_OK && claimed == 0 ? STORE_NONE : result;
}

/*
 * Settle
 */

enum store_result
store_settle_all(struct store *store, struct store_settlement *settlements, size_t count)
{
	const struct store_batch batch = { .settlements = settlements, .settlement_count = count };
	return store_write(store, &batch, NULL, NULL, clock_ms() + SETTLE_WAIT_MS);
}

enum store_result
store_settle(struct store *store, int64_t id, const struct store_attempt *attempt,
	enum store_state state, int64_t due_ms, const char *reason)
{
	struct store_settlement settlement = {
		.id = id, .attempt = attempt, .state = state, .due_ms = due_ms, .reason = reason
	};
	enum store_result result = store_settle_all(store, &settlement, 1);
	return result == STORE_OK ? settlement.result : result;
}
