/* worker_house.c - the worker's housework */
#include "worker_house.h"

#include <inttypes.h>
#include <stdlib.h>

#include "alloc.h"
#include "clock.h"
#include "log.h"
#include "worker_runner.h"

#define RECOVER_MS (5 * 1000) /* between two looks for dead processes */
#define PRUNE_MS (60 * 1000)  /* between two rounds of retention */
#define PRUNE_REST_MS 10      /* between two of its steps, at least; and as long as one took */
#define ORPHAN_MS (60 * 1000) /* an endpoint may come back within that time */
#define ORPHAN_AGAIN_MS 1000  /* while there are more */
#define ORPHAN_STEP 100       /* events that one step makes dead */
#define ORPHAN_LEASE_MS 60000 /* it is made dead at once */
#define SAY_MS (60 * 1000)    /* between two lines about the same trouble */

/* At most once a minute. */
static bool
may_say(int64_t *said_ms)
{
	int64_t now = clock_ms();
	if (*said_ms != 0 && now - *said_ms < SAY_MS)
		return false;
	*said_ms = now;
	return true;
}

void
worker_house_complain(struct worker_house *house, const char *what)
{
	if (may_say(&house->complained_ms))
		log_message(LOG_LEVEL_ERROR, "worker", "%s: %s", what, store_reason(house->store));
}

/* A worker makes no tally: what takes events does, and may come later. */
static void
find_tally(struct worker_house *house)
{
	char reason[256];
	if (house->tally == NULL)
		house->tally = tally_find(house->config->store, reason);
}

/* Is anything missing that was acknowledged? */
static void
look_for_loss(struct worker_house *house)
{
	int64_t stored;
	find_tally(house);
	int64_t acknowledged = tally_acknowledged(house->tally); /* first, see tally.h */
	if (store_last_id(house->store, &stored) == STORE_OK)
		tally_lose(house->tally, house->config->store, acknowledged, stored);
}

int64_t
worker_house_wall_ms(const struct worker_house *house, int64_t boot_ms)
{
	return house->booted_ms + boot_ms;
}

/*
 * The clock as whoever heeded it last knew it. Again and again: a backup may be put in the place of the
 * store, with another one. The first since the machine was started keeps it. false: it cannot be known yet.
 */
static bool
recall_clock(struct worker_house *house)
{
	int64_t booted_ms = house->booted_ms;
	unsigned moved;
	enum store_result result = store_booted(house->store, &booted_ms);
	if (result == STORE_NONE)
		(void)store_heed_clock(
			house->store, booted_ms, clock_boot_ms(), &booted_ms, &moved);
	house->booted_ms = booted_ms;
	house->booted_known = house->booted_known || result == STORE_OK || result == STORE_NONE;
	return house->booted_known;
}

/* All by the clock as it was heeded: what is put off is so by that one. */
void
worker_house_recover(struct worker_house *house)
{
	unsigned count = 0;
	house->recover_at_ms = clock_ms() + RECOVER_MS;
	look_for_loss(house);
	if (!recall_clock(house) ||
		store_recover(house->store, worker_house_wall_ms(house, clock_boot_ms()),
			WORKER_LONGEST_WAIT_MS, &count) != STORE_OK) {
		worker_house_complain(
			house, "what ended processes had claimed cannot be given back yet");
		return;
	}
	if (store_reason(house->store)[0] != '\0')
		log_message(LOG_LEVEL_WARNING, "worker", "%s", store_reason(house->store));
	if (count > 0)
		log_message(LOG_LEVEL_WARNING, "worker",
			"%u events of processes that ended before them are queued again", count);
}

static void
prune(struct worker_house *house)
{
	const struct config *config = house->config;
	struct store_retention retention = { config->keep_ms, config->keep_body_ms,
		STORE_KEEP_KEY_MS };
	const struct store_step step = STORE_PRUNE_STEP;
	unsigned removed = 0;
	bool more = false;
	int64_t began = clock_ms();
	enum store_result result =
		store_prune(house->store, &retention, clock_wall_ms(), &step, &removed, &more);
	if (result != STORE_OK && result != STORE_NONE)
		worker_house_complain(house, "old events cannot be removed");
	house->prunes = result == STORE_OK && more;
	int64_t now = clock_ms();
	int64_t rest_ms = now - began > PRUNE_REST_MS ? now - began : PRUNE_REST_MS;
	house->prune_at_ms = now + (house->prunes ? rest_ms : PRUNE_MS);
}

/* The first endpoint that has queued events and stands in the configuration no more. */
struct orphan {
	const struct config *config;
	char *endpoint;
};

static bool
find_orphan(void *context, const struct store_count *count)
{
	struct orphan *orphan = context;
	if (count->events[STORE_QUEUED] == 0 ||
		config_find(orphan->config, slice_of(count->endpoint)) != NULL)
		return true;
	orphan->endpoint = xstrdup(count->endpoint);
	return false;
}

/* Make one of its events dead. false: there is none due, or the store says no. */
static bool
bury_orphan(struct worker_house *house, const char *endpoint)
{
	struct store_lane lane = { endpoint, 1, ORPHAN_LEASE_MS };
	struct store_attempt attempt = { .end = "not started", .reason = worker_no_endpoint };
	struct store_job job;
	int64_t next_due_ms;
	store_job_init(&job);
	bool buried = store_claim(house->store, &lane, 1, false, clock_wall_ms(), &job,
			      &next_due_ms) == STORE_OK;
	if (buried) {
		attempt.number = job.attempt;
		attempt.started_ms = clock_wall_ms();
		buried = store_settle(house->store, job.id, &attempt, STORE_DEAD, 0,
				 worker_no_endpoint) == STORE_OK;
	}
	store_job_free(&job);
	return buried;
}

/*
 * Events of an endpoint that was taken out are in no lane, so no runner would ever see them. Not at
 * once: a file may be put right again within the minute.
 */
static void
bury_orphans(struct worker_house *house)
{
	struct orphan orphan = { house->config, NULL };
	unsigned count = 0;
	house->orphans_at_ms = clock_ms() + ORPHAN_MS;
	if (store_stats(house->store, find_orphan, &orphan) != STORE_OK ||
		orphan.endpoint == NULL) {
		free(orphan.endpoint);
		return;
	}
	while (count < ORPHAN_STEP && bury_orphan(house, orphan.endpoint))
		count++;
	if (count > 0) {
		log_message(LOG_LEVEL_WARNING, "worker",
			"endpoint %s is not in the configuration any more: %u of its events are "
			"dead; put it back and replay them",
			orphan.endpoint, count);
		house->orphans_at_ms = clock_ms() + ORPHAN_AGAIN_MS;
	}
	free(orphan.endpoint);
}

bool
worker_house_heed_clock(struct worker_house *house)
{
	if (!house->booted_known && !recall_clock(house))
		return false;
	int64_t booted_ms = clock_booted_ms();
	int64_t by_ms = booted_ms - house->booted_ms;
	unsigned moved = 0;
	if (!store_clock_is_set(house->booted_ms, booted_ms))
		return false;
	enum store_result result = store_heed_clock(
		house->store, house->booted_ms, clock_boot_ms(), &booted_ms, &moved);
	if (result != STORE_OK && result != STORE_NONE) {
		worker_house_complain(
			house, "the clock was set, and retries cannot be put off by as much yet");
		return false;
	}
	house->booted_ms = booted_ms;
	if (may_say(&house->clock_said_ms)) /* it may stand still */
		log_message(LOG_LEVEL_WARNING, "worker",
			"the clock was set %s by %" PRId64 " s: %u retries keep their waits",
			by_ms < 0 ? "back" : "ahead", (by_ms < 0 ? -by_ms : by_ms) / 1000, moved);
	return true;
}

void
worker_house_open(struct worker_house *house, const struct config *config, struct store *store)
{
	*house = (struct worker_house){ .config = config, .store = store };
	find_tally(house);
	store_expect(store, tally_acknowledged(house->tally));
}

void
worker_house_begin(struct worker_house *house, bool once)
{
	int64_t now = clock_ms();
	house->prunes = false;
	house->recover_at_ms = 0;
	house->prune_at_ms = now + (once ? 0 : PRUNE_MS / 10);
	house->orphans_at_ms = now + (once ? 0 : ORPHAN_MS);
	house->booted_ms = clock_booted_ms();
	house->booted_known = false;
}

void
worker_house_adopt(struct worker_house *house, const struct config *config)
{
	house->config = config;
	house->orphans_at_ms = clock_ms() + ORPHAN_MS;
}

void
worker_house_recover_now(struct worker_house *house)
{
	house->recover_at_ms = 0;
}

bool
worker_house_recovers(const struct worker_house *house)
{
	return clock_ms() >= house->recover_at_ms;
}

bool
worker_house_keep(struct worker_house *house)
{
	int64_t now = clock_ms();
	bool recovered = worker_house_recovers(house);
	if (recovered)
		worker_house_recover(house);
	if (now >= house->prune_at_ms)
		prune(house);
	if (now >= house->orphans_at_ms)
		bury_orphans(house);
	return recovered;
}

int64_t
worker_house_next_ms(const struct worker_house *house)
{
	return house->prunes ? house->prune_at_ms : INT64_MAX;
}

void
worker_house_close(struct worker_house *house)
{
	tally_close(house->tally);
	house->tally = NULL;
}
