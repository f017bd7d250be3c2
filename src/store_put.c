/* store_put.c - what is put in: new, a duplicate, to life again, or refused
 *
 * The unique index of `key` decides what is a duplicate. An event's number is larger than all that were
 * given before, and than all that were acknowledged, also where those are missing.
 */
#include "store_sqlite.h"

#include "clock.h"
#include "crypto.h"

#define WAITED_LEASE_MS ((int64_t)2 * 3600 * 1000) /* over any timeout of a handler */

void
store_expect(struct store *store, int64_t acknowledged)
{
	int64_t before = atomic_load(&store->expected);
	if (acknowledged > STORE_NUMBER_MAX)
		return;
	while (before < acknowledged &&
		!atomic_compare_exchange_weak(&store->expected, &before, acknowledged))
		continue;
}

void
store_on_loss(struct store *store, store_loss *lost, void *context)
{
	store->lost = lost;
	store->lost_context = context;
}

/* The endpoint's account, with what its row says. NULL: it failed. */
static struct account *
endpoint_look(struct store *store, int64_t endpoint)
{
	struct account *account = account_of(store, endpoint);
	if (account->looked)
		return account;
	struct sqlite3_stmt *statement = sql_use(store, SQL_ENDPOINT_LOOK);
	sql_bind_number(store, statement, 1, endpoint);
	if (sql_step(store, statement)) {
		account->queued = sql_column_number(statement, 0);
		account->refusing = sql_column_number(statement, 1);
		account->looked = true;
	}
	return sql_finish(store, statement) ? account : NULL;
}

/* Is the queue full? Keeps in the endpoint's row whether it is refusing. */
static bool
is_refused(struct store *store, const struct store_event *event, int64_t endpoint)
{
	if (event->queue_limit == 0 || event->state != STORE_QUEUED)
		return false;
	struct account *account = endpoint_look(store, endpoint);
	if (account == NULL)
		return false;
	int64_t limit = event->queue_limit;
	int64_t queued = account->queued + account->change.events[STORE_QUEUED];
	bool refusing = account->refusing + account->change.refusing != 0;
	bool refused = queued >= limit || (refusing && queued > limit * 3 / 4);
	account->change.refusing += refused - refusing;
	return refused;
}

bool
body_is_whole(struct store *store, struct slice body, int64_t body_len, struct slice digest)
{
	uint8_t now[CRYPTO_DIGEST_MAX];
	/* No memory for that is no damage: the call fails. */
	if (!crypto_hash(CRYPTO_SHA256, &body, 1, now))
		return sql_note_memory(store);
	return (int64_t)body.len == body_len &&
	       slice_equal(digest, (struct slice){ (const char *)now, 32 });
}

static bool
write_detail(struct store *store, const struct store_event *event)
{
	uint8_t computed[CRYPTO_DIGEST_MAX];
	const uint8_t *digest = event->digest != NULL ? event->digest : computed;
	if (digest == computed && !crypto_hash(CRYPTO_SHA256, &event->body, 1, computed))
		return sql_note_memory(store);
	struct sqlite3_stmt *statement = sql_use(store, SQL_DETAIL_ADD);
	sql_bind_number(store, statement, 1, event->id);
	sql_bind_text(store, statement, 2, event->provider);
	sql_bind_slice(store, statement, 3, event->type);
	sql_bind_slice(store, statement, 4, event->sender_id);
	sql_bind_slice(store, statement, 5, event->key);
	sql_bind_slice(store, statement, 6, event->remote);
	sql_bind_number(store, statement, 7, event->received_ms);
	sql_bind_text(store, statement, 8, event->reason);
	sql_bind_slice(store, statement, 9, (struct slice){ (const char *)digest, 32 });
	sql_bind_number(store, statement, 10, (int64_t)event->body.len);
	if (!sql_run(store, statement))
		return false;
	statement = sql_use(store, SQL_BODY_ADD);
	sql_bind_number(store, statement, 1, event->id);
	sql_bind_slice(store, statement, 2, event->variables);
	sql_bind_slice(store, statement, 3, event->body);
	return sql_run(store, statement);
}

static bool
add_event(struct store *store, struct store_event *event, int64_t endpoint, int64_t now)
{
	bool running = event->state == STORE_RUNNING;
	event->put = STORE_ACCEPTED;
	event->attempt = running;
	const char *owner = running ? owner_of_this_process(&store->owner) : NULL;
	if (running)
		lease_begin(store, event->id, owner, 1, now);
	account_of(store, endpoint)->change.events[event->state]++;
	struct sqlite3_stmt *statement = sql_use(store, SQL_EVENT_ADD);
	sql_bind_number(store, statement, 1, event->id);
	sql_bind_number(store, statement, 2, endpoint);
	sql_bind_number(store, statement, 3, event->state);
	sql_bind_number(store, statement, 4, running);
	sql_bind_number(store, statement, 5, now);
	sql_bind_number(store, statement, 6, transaction_age(store, now));
	lease_bind(store, statement, 7, owner, now + WAITED_LEASE_MS);
	return sql_run(store, statement) && write_detail(store, event);
}

/* A dead one comes to life as what the sender sent now. */
static bool
requeue(struct store *store, struct store_event *event, int64_t endpoint, unsigned attempts,
	int64_t now)
{
	bool running = event->state == STORE_RUNNING;
	event->put = STORE_REQUEUED;
	event->attempt = running ? attempts + 1 : 0;
	const char *owner = running ? owner_of_this_process(&store->owner) : NULL;
	if (running)
		lease_begin(store, event->id, owner, attempts + 1, now);
	account_move(store, endpoint, STORE_DEAD, event->state);
	struct sqlite3_stmt *statement = sql_use(store, SQL_REQUEUE);
	sql_bind_number(store, statement, 1, event->id);
	sql_bind_number(store, statement, 2, event->state);
	sql_bind_number(store, statement, 3, AT_ONCE);
	sql_bind_number(store, statement, 4, running);
	sql_bind_number(store, statement, 5, now);
	sql_bind_number(store, statement, 6, transaction_age(store, now));
	lease_bind(store, statement, 7, owner, now + WAITED_LEASE_MS);
	return sql_run(store, statement) && sql_run_number(store, SQL_DETAIL_DROP, event->id) &&
	       sql_run_number(store, SQL_BODY_DROP, event->id) && write_detail(store, event);
}

/* What is there under this key. */
static bool
put_known(
	struct store *store, struct store_event *event, int64_t endpoint, bool refused, int64_t now)
{
	struct sqlite3_stmt *statement = sql_use(store, SQL_KEY_FIND);
	sql_bind_number(store, statement, 1, endpoint);
	sql_bind_slice(store, statement, 2, event->key);
	bool found = sql_step(store, statement);
	bool dead = found && !sql_column_is_null(statement, 1) &&
		    sql_column_int(statement, 1) == STORE_DEAD;
	event->id = found ? sql_column_number(statement, 0) : 0;
	event->attempt = 0;
	event->put = found ? STORE_DUPLICATE : STORE_REFUSED;
	unsigned attempts = found ? sql_column_unsigned(statement, 2) : 0;
	if (!sql_finish(store, statement) || !dead || event->state == STORE_DEAD)
		return sql_ok(store);
	if (refused) {
		event->put = STORE_REFUSED;
		event->id = 0;
		return true;
	}
	return requeue(store, event, endpoint, attempts, now);
}

static bool
put_one(struct store *store, struct store_event *event, int64_t now)
{
	int64_t endpoint = account_find_or_add_endpoint(store, event->endpoint);
	bool refused = endpoint != 0 && is_refused(store, event, endpoint);
	if (!sql_ok(store))
		return false;
	if (refused)
		return put_known(store, event, endpoint, true, now);
	/* No number that was acknowledged is given again, also where its event is missing. */
	int64_t expected = atomic_load(&store->expected);
	int64_t last_id = store->clock.last_id;
	event->id = (last_id > expected ? last_id : expected) + 1;
	struct sqlite3_stmt *statement = sql_use(store, SQL_KEY_ADD);
	sql_bind_number(store, statement, 1, endpoint);
	sql_bind_slice(store, statement, 2, event->key);
	sql_bind_number(store, statement, 3, event->id);
	sql_bind_number(store, statement, 4, transaction_age(store, now));
	if (!sql_run(store, statement))
		return false;
	if (sql_changes(store) == 0)
		return put_known(store, event, endpoint, false, now);
	store->clock.last_id = event->id;
	return add_event(store, event, endpoint, now);
}

static void
write_batch(struct store *store, const struct store_batch *batch)
{
	int64_t now = clock_wall_ms();
	for (size_t i = 0; i < batch->settlement_count && sql_ok(store); i++)
		lease_settle(store, &batch->settlements[i], now);
	/* Nobody acknowledges what is not on disk, and nobody else writes now. */
	int64_t expected = atomic_load(&store->expected);
	if (batch->event_count > 0 && expected > store->clock.last_id && store->lost != NULL)
		store->lost(store->lost_context, expected, store->clock.last_id);
	for (size_t i = 0; i < batch->event_count && sql_ok(store); i++)
		put_one(store, batch->events[i], now);
}

enum store_result
store_write(struct store *store, const struct store_batch *batch, store_more *more, void *context,
	int64_t deadline_ms)
{
	struct store_batch next = *batch;
	enum store_result result = store_begin(store, deadline_ms);
	if (result != STORE_OK)
		return result;
	do
		write_batch(store, &next);
	while (more != NULL && sql_ok(store) && !turn_is_awaited(&store->turn) &&
		more(context, &next));
	return store_end(store);
}

enum store_result
store_put(struct store *store, struct store_event *const *events, size_t count, int64_t deadline_ms)
{
	const struct store_batch batch = { .events = events, .event_count = count };
	return store_write(store, &batch, NULL, NULL, deadline_ms);
}
