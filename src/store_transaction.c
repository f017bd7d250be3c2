/* store_transaction.c - the clock of a transaction, and what it changes in the endpoints' rows
 *
 * How many events an endpoint has in each state is kept in its row, in the transaction that moves
 * them: the queue's limit, the concurrency and the statistics count nothing. A commit costs the pages
 * that it changes: an endpoint's row is written once in a transaction, see struct account, and no number
 * is written down when it is given: the largest is the newest event's, or that of one that was pruned
 * (clock.last_event).
 *
 * Retention is measured in `age`, the milliseconds that the database was in use. Nothing that is kept for
 * a time depends on the wall clock.
 */
#include "store_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)

bool
transaction_read_clock(struct store *store)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_CLOCK);
	store->clock = (struct clock){ 0 };
	if (sql_step(store, statement))
		store->clock = (struct clock){
			sql_column_number(statement, 0),
			sql_column_number(statement, 1),
			sql_column_number(statement, 2),
			sql_column_number(statement, 3),
			sql_column_number(statement, 4),
		};
	return sql_finish(store, statement);
}

int64_t
transaction_age(const struct store *store, int64_t wall)
{
	int64_t passed = wall - store->clock.wall_ms;
	return store->clock.age + (passed < 0 ? 0 : passed > DAY_MS ? DAY_MS : passed);
}

bool
transaction_begin(struct store *store)
{
	store->changes = sql_total_changes(store);
	return sql_run(store, sql_use(store, SQL_BEGIN)) && transaction_read_clock(store);
}

static bool
write_account(struct store *store, const struct account *account)
{
	static const struct change none;
	const struct change *change = &account->change;
	if (memcmp(change, &none, sizeof none) == 0)
		return true;
	struct sqlite3_stmt *statement = sql_use(store, SQL_ENDPOINT_COUNT);
	sql_bind_number(store, statement, 1, account->endpoint);
	for (int i = 0; i < 4; i++)
		sql_bind_number(store, statement, 2 + i, change->events[i]);
	sql_bind_number(store, statement, 6, change->attempts);
	sql_bind_number(store, statement, 7, change->failed_attempts);
	sql_bind_number(store, statement, 8, change->refusing);
	return sql_run(store, statement);
}

bool
transaction_commit(struct store *store)
{
	for (size_t i = 0; i < store->account_count && sql_ok(store); i++)
		write_account(store, &store->accounts[i]);
	store->account_count = 0;
	/* What a killed process left in the log may not be on disk: nothing is said to be there, a
	 * duplicate say, before one commit of this connection has synced it. */
	if (!store->synced && sql_total_changes(store) == store->changes && sql_ok(store))
		sql_run(store, sql_use(store, SQL_TOUCH));
	bool committed = sql_ok(store) && sql_run(store, sql_use(store, SQL_COMMIT));
	store->synced = store->synced || committed;
	return committed;
}

void
transaction_forget(struct store *store)
{
	store->account_count = 0;
	for (size_t i = 0; i < store->endpoint_count; i++)
		free(store->endpoints[i].name);
	store->endpoint_count = 0;
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

struct account *
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

int64_t
account_more(const struct store *store, int64_t endpoint, enum store_state state)
{
	const struct account *account = account_find(store, endpoint);
	return account != NULL ? account->change.events[state] : 0;
}

void
account_move(struct store *store, int64_t endpoint, enum store_state from, enum store_state to)
{
	struct change *change = &account_of(store, endpoint)->change;
	change->events[from]--;
	change->events[to]++;
}

int64_t
account_find_endpoint(struct store *store, const char *name)
{
	for (size_t i = 0; i < store->endpoint_count; i++) {
		if (strcmp(store->endpoints[i].name, name) == 0)
			return store->endpoints[i].id;
	}
	struct sqlite3_stmt *statement = sql_use(store, SQL_ENDPOINT_FIND);
	sql_bind_text(store, statement, 1, name);
	int64_t id = sql_step(store, statement) ? sql_column_number(statement, 0) : 0;
	if (!sql_finish(store, statement) || id == 0)
		return 0;
	if (store->endpoint_count == store->endpoint_size) {
		store->endpoint_size = store->endpoint_size > 0 ? store->endpoint_size * 2 : 16;
		store->endpoints = xreallocarray(
			store->endpoints, store->endpoint_size, sizeof *store->endpoints);
	}
	store->endpoints[store->endpoint_count++] = (struct known_endpoint){ xstrdup(name), id };
	return id;
}

int64_t
account_find_or_add_endpoint(struct store *store, const char *name)
{
	int64_t id = account_find_endpoint(store, name);
	if (id != 0 || !sql_ok(store))
		return id;
	struct sqlite3_stmt *statement = sql_use(store, SQL_ENDPOINT_ADD);
	sql_bind_text(store, statement, 1, name);
	return sql_run(store, statement) ? account_find_endpoint(store, name) : 0;
}
