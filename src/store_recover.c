/* store_recover.c - what ended processes, a clock that was set back, and damaged numbers have left
 *
 * Each is looked for without a lock, which keeps nobody from writing, and mended in a transaction of its own,
 * which heeds that it may have changed meanwhile.
 */
#include "store_sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc.h"
#include "clock.h"

#define CLOCK_SET_MS 1000
#define FIX_STEP 1000      /* due times mended in one transaction */
#define RUNNING_MAX 100000 /* owners that one look at the running ones judges */

struct losses {
	struct lost *events;
	size_t count, size;
};

static bool
find_lost(struct store *store, int64_t now, struct losses *losses)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_RUNNING);
	while (losses->count < RUNNING_MAX && sql_step(store, statement)) {
		const char *owner = sql_column_text(statement, 2);
		enum life life = owner_life(&store->owner, owner, store->network);
		if (life == LIFE_GOES_ON ||
			(life == LIFE_UNKNOWN && sql_column_number(statement, 3) > now))
			continue;
		if (losses->count == losses->size) {
			losses->size = losses->size > 0 ? losses->size * 2 : 16;
			losses->events =
				xreallocarray(losses->events, losses->size, sizeof *losses->events);
		}
		struct lost *lost = &losses->events[losses->count++];
		*lost = (struct lost){
			.id = sql_column_number(statement, 0),
			.attempts = sql_column_unsigned(statement, 1),
			.started_ms = sql_column_number(statement, 4),
		};
		snprintf(lost->owner, sizeof lost->owner, "%s", owner);
	}
	return sql_finish(store, statement);
}

static enum store_result
recover_lost(struct store *store, int64_t now, unsigned *given)
{
	struct losses losses = { NULL, 0, 0 };
	enum store_result result = STORE_OK;
	if (!find_lost(store, now, &losses)) {
		result = store_fail(store);
	} else if (losses.count > 0) {
		result = store_begin(store, clock_ms() + WAIT_MS);
		if (result == STORE_OK) {
			for (size_t i = 0; i < losses.count; i++) {
				if (!lease_give_back(store, &losses.events[i], now, given))
					break;
			}
			result = store_end(store);
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
	struct sqlite3_stmt *endpoints = sql_use(store, SQL_ENDPOINTS);
	while (found == 0 && sql_step(store, endpoints)) {
		int64_t endpoint = sql_column_number(endpoints, 0);
		struct sqlite3_stmt *statement = sql_use(store, SQL_DUE_FAR);
		sql_bind_number(store, statement, 1, endpoint);
		sql_bind_number(store, statement, 2, far_ms);
		if (sql_step(store, statement))
			found = endpoint;
		sql_finish(store, statement);
	}
	sql_finish(store, endpoints);
	return found;
}

static enum store_result
mend_due(struct store *store, int64_t now, int64_t far_ms)
{
	int64_t endpoint;
	while ((endpoint = find_far(store, far_ms)) != 0) {
		enum store_result result = store_begin(store, clock_ms() + WAIT_MS);
		if (result != STORE_OK)
			return result;
		struct sqlite3_stmt *statement = sql_use(store, SQL_DUE_MEND);
		sql_bind_number(store, statement, 1, endpoint);
		sql_bind_number(store, statement, 2, far_ms);
		sql_bind_number(store, statement, 3, now);
		sql_bind_number(store, statement, 4, FIX_STEP);
		sql_run(store, statement);
		result = store_end(store);
		if (result != STORE_OK)
			return result;
	}
	return sql_ok(store) ? STORE_OK : store_fail(store);
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
	struct sqlite3_stmt *statement = sql_use(store, count);
	while (sql_step(store, statement)) {
		struct miscount item = { mend, sql_column_number(statement, 0),
			sql_column_number(statement, 2), sql_column_number(statement, 3) };
		if (item.stored == item.counted)
			continue;
		if (miscounts->count == 0)
			snprintf(miscounts->first, sizeof miscounts->first,
				"endpoint %.64s had %" PRId64
				" %s events, and a count finds %" PRId64,
				sql_column_text(statement, 1), item.stored, what, item.counted);
		miscounts->items = xreallocarray(
			miscounts->items, miscounts->count + 1, sizeof *miscounts->items);
		miscounts->items[miscounts->count++] = item;
	}
	return sql_finish(store, statement);
}

static enum store_result
write_counts(struct store *store, const struct miscounts *miscounts)
{
	enum store_result result = store_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	for (size_t i = 0; i < miscounts->count; i++) {
		const struct miscount *item = &miscounts->items[i];
		struct sqlite3_stmt *statement = sql_use(store, item->mend);
		sql_bind_number(store, statement, 1, item->endpoint);
		sql_bind_number(store, statement, 2, item->stored);
		sql_bind_number(store, statement, 3, item->counted);
		sql_run(store, statement);
	}
	result = store_end(store);
	if (result == STORE_OK)
		store_refuse(store, STORE_OK,
			"a number was damaged and is mended, look at the disk: %s",
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
		result = store_fail(store);
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
	enum store_result result = store_ready(store);
	if (result == STORE_OK)
		result = recover_lost(store, now, &given);
	if (result != STORE_OK)
		return result;
	*count_out = given;
	result = mend_due(store, now, now + longest_wait_ms);
	return result == STORE_OK ? mend_counts(store) : result;
}

/* In a transaction or without one. false: there is none, or it failed. */
static bool
read_booted(struct store *store, const char *boot, int64_t *booted_ms_out)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_BOOT);
	sql_bind_text(store, statement, 1, boot);
	int64_t booted_ms =
		sql_step(store, statement) ? sql_column_number(statement, 0) : INT64_MIN;
	/* What no clock shows is damaged. */
	bool found = booted_ms > -STORE_NUMBER_MAX && booted_ms < STORE_NUMBER_MAX;
	if (found)
		*booted_ms_out = booted_ms;
	return sql_finish(store, statement) && found;
}

enum store_result
store_booted(struct store *store, int64_t *booted_ms_out)
{
	char boot[OWNER_BOOT_MAX];
	enum store_result result = store_ready(store);
	if (result != STORE_OK)
		return result;
	if (owner_boot(&store->owner, boot) && read_booted(store, boot, booted_ms_out))
		return STORE_OK;
	return sql_ok(store) ? STORE_NONE : store_fail(store);
}

bool
store_clock_is_set(int64_t was_ms, int64_t booted_ms)
{
	int64_t by_ms = booted_ms - was_ms;
	return by_ms <= -CLOCK_SET_MS || by_ms >= CLOCK_SET_MS;
}

/* What is kept decides, and is read in the same transaction: a commit whose sync has failed may be there all the same. */
enum store_result
store_heed_clock(struct store *store, int64_t was_ms, int64_t boot_ms, int64_t *booted_ms,
	unsigned *count_out)
{
	char boot[OWNER_BOOT_MAX];
	unsigned moved = 0;
	bool told = owner_boot(&store->owner, boot);
	if (!told && !store_clock_is_set(was_ms, *booted_ms)) { /* nothing to move, or to keep */
		*booted_ms = was_ms;
		*count_out = 0;
		return STORE_OK;
	}
	enum store_result result = store_begin(store, clock_ms() + WAIT_MS);
	if (result != STORE_OK)
		return result;
	bool kept = told && read_booted(store, boot, &was_ms);
	bool moves = store_clock_is_set(was_ms, *booted_ms);
	int64_t now_ms = moves ? *booted_ms : was_ms;
	if (moves && sql_ok(store)) {
		struct sqlite3_stmt *statement = sql_use(store, SQL_DUE_MOVE);
		sql_bind_number(store, statement, 1, was_ms);
		sql_bind_number(store, statement, 2, was_ms + boot_ms);
		sql_bind_number(store, statement, 3, now_ms - was_ms);
		moved = sql_run(store, statement) ? (unsigned)sql_changes(store) : 0;
	}
	if (told && (moves || !kept) && sql_ok(store)) {
		struct sqlite3_stmt *statement = sql_use(store, SQL_BOOT_SET);
		sql_bind_text(store, statement, 1, boot);
		sql_bind_number(store, statement, 2, now_ms);
		sql_run(store, statement);
	}
	result = store_end(store);
	if (result == STORE_OK) {
		*booted_ms = now_ms;
		*count_out = moved;
	}
	return result;
}
