/* worker_house.h - the worker's housework: all but claiming, running and recording
 *
 * What ended processes had is given back, old events are removed, those of an endpoint that is no more become dead, and
 * what is missing is noticed; and retries keep their waits when somebody sets the clock. All with the supervisor's
 * connection, between its exchanges.
 */
#ifndef HOOKCGI_WORKER_HOUSE_H
#define HOOKCGI_WORKER_HOUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "store.h"
#include "tally.h"

struct worker_house {
	const struct config *config; /* in force; borrowed, as the store */
	struct store *store;
	struct tally *tally; /* NULL: none yet; whoever takes events makes it */
	bool prunes;         /* a round of retention is not at its end */
	int64_t recover_at_ms, prune_at_ms, orphans_at_ms;
	int64_t booted_ms; /* wall clock, as it was last seen to be set, when the machine was started */
	bool booted_known; /* the store was asked what it was */
	int64_t complained_ms, clock_said_ms;
};

void worker_house_open(
	struct worker_house *house, const struct config *config, struct store *store);
void worker_house_close(struct worker_house *house);

/* At the start. once: for a worker that ends when nothing is due, all is done in it. */
void worker_house_begin(struct worker_house *house, bool once);

/* Another configuration is in force. */
void worker_house_adopt(struct worker_house *house, const struct config *config);

/*
 * Somebody may set the wall clock, also while no worker runs: the waits of retries go on as they were. What was put off
 * before the machine was started was so by another clock, and stays. true: that was so, and something may be due.
 */
bool worker_house_heed_clock(struct worker_house *house);

/* What the wall clock shows at boot_ms (clock_boot_ms()), as it was set when it was last heeded: so that what is put off
 * by it is of one clock, whenever that is set. */
int64_t worker_house_wall_ms(const struct worker_house *house, int64_t boot_ms);

/* Do what it is time for. true: what ended processes had was given back, and may be due. */
bool worker_house_keep(struct worker_house *house);

/* When there is something to do before the supervisor's next look; INT64_MAX: not. */
int64_t worker_house_next_ms(const struct worker_house *house);

/* Is it time to give back what ended processes had, before anybody claims? And make it so; and do it. */
bool worker_house_recovers(const struct worker_house *house);
void worker_house_recover_now(struct worker_house *house);
void worker_house_recover(struct worker_house *house);

/* Say once a minute that the store does not do what it should. */
void worker_house_complain(struct worker_house *house, const char *what);

#endif
