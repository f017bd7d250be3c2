/* test_intake.c - who is told by whom that an event is on disk
 *
 * With a real store, the threads of intake.h, and callers that hold up the thread that calls them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "intake.h"
#include "scratch.h"

#define PATIENCE_MS 20000
#define MANY 2000
#define SIDE_BY_SIDE 40

static char scratch[64];
static struct intake *intake;
static sem_t go_on; /* for those who hold up the thread that tells them */

/* One event, and what became of it. */
struct put {
	struct intake_ticket ticket;
	char key[32];
	sem_t told;
	sem_t *until; /* its caller is not let go before; NULL: at once */
	atomic_int times;
};

static void
note_done(struct intake_ticket *ticket)
{
	struct put *put = ticket->context;
	sem_t *until = put->until;
	atomic_fetch_add(&put->times, 1);
	sem_post(&put->told);
	if (until != NULL)
		sem_wait(until);
}

static void
make(struct put *put, enum store_state state, sem_t *until)
{
	static unsigned number;
	*put = (struct put){ .until = until };
	snprintf(put->key, sizeof put->key, "key %u", ++number);
	put->ticket = (struct intake_ticket){
		.event = {
			.endpoint = "e",
			.provider = "p",
			.key = slice_of(put->key),
			.received_ms = clock_wall_ms(),
			.body = slice_of("{}"),
			.state = state,
		},
		.deadline_ms = clock_ms() + PATIENCE_MS,
		.done = note_done,
		.quick = state == STORE_QUEUED,
		.context = put,
	};
	sem_init(&put->told, 0, 0);
}

static void
put_later(struct put *put, enum store_state state, sem_t *until)
{
	make(put, state, until);
	intake_put_later(intake, &put->ticket);
}

static bool
is_told(struct put *put)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_MS / 1000;
	return sem_timedwait(&put->told, &until) == 0;
}

static void
each_is_told_once_that_it_is_on_disk(void **state)
{
	static struct put puts[MANY];
	int64_t last = 0;
	(void)state;
	for (int first = 0; first < MANY; first += SIDE_BY_SIDE) {
		for (int i = first; i < first + SIDE_BY_SIDE; i++)
			put_later(&puts[i], STORE_QUEUED, NULL);
		for (int i = first; i < first + SIDE_BY_SIDE; i++) {
			assert_true(is_told(&puts[i]));
			assert_int_equal(puts[i].ticket.result, STORE_OK);
			assert_int_equal(puts[i].ticket.event.put, STORE_ACCEPTED);
			assert_true(puts[i].ticket.event.id > last); /* in order of arrival */
			last = puts[i].ticket.event.id;
		}
	}
	intake_stop();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(atomic_load(&puts[i].times), 1);
	assert_true(tally_acknowledged(intake_tally(intake)) >= last);
}

/* The handler of an event that its sender waits for is started by who is told: that may take as long as it likes. */
static void
who_is_told_to_run_does_not_hold_up_the_disk(void **state)
{
	static struct put slow[3], quick;
	(void)state;
	for (int i = 0; i < 3; i++)
		put_later(&slow[i], STORE_RUNNING, &go_on);
	assert_true(is_told(&slow[0]));
	make(&quick, STORE_QUEUED, NULL);
	assert_int_equal(intake_put(intake, &quick.ticket), STORE_OK);
	for (int i = 0; i < 3; i++)
		sem_post(&go_on);
	for (int i = 1; i < 3; i++)
		assert_true(is_told(&slow[i]));
}

/* Nor those who only answer, as long as they are few. */
static void
a_few_are_told_while_the_answering_thread_is_held(void **state)
{
	static struct put slow, quick[3];
	(void)state;
	put_later(&slow, STORE_RUNNING, &go_on);
	assert_true(is_told(&slow));
	for (int i = 0; i < 3; i++) {
		put_later(&quick[i], STORE_QUEUED, NULL);
		assert_true(is_told(&quick[i]));
	}
}

static int
make_intake(void **state)
{
	char database[128];
	(void)state;
	strcpy(scratch, "/tmp/hookcgi-intake.XXXXXX");
	if (mkdtemp(scratch) == NULL)
		return -1;
	snprintf(database, sizeof database, "%s/db", scratch);
	sem_init(&go_on, 0, 0);
	intake_setup(true, NULL);
	intake = intake_of(database, "", false);
	return 0;
}

static int
remove_scratch(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		sem_post(&go_on); /* also where a test has failed */
	intake_stop();
	return scratch_remove(scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_is_told_once_that_it_is_on_disk, make_intake, remove_scratch),
		cmocka_unit_test_setup_teardown(
			who_is_told_to_run_does_not_hold_up_the_disk, make_intake, remove_scratch),
		cmocka_unit_test_setup_teardown(a_few_are_told_while_the_answering_thread_is_held,
			make_intake, remove_scratch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
