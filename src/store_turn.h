/* store_turn.h - whose turn it is to write, and who copies the log, among all processes and threads
 *
 * Turns are for fairness only: where they cannot be had, SQLite's lock is still there. The file of the
 * turn has room for one mark, which all that use the database see.
 */
#ifndef HOOKCGI_STORE_TURN_H
#define HOOKCGI_STORE_TURN_H

#include <stdbool.h>
#include <stdint.h>

struct turn {
	const char *database; /* borrowed */
	int fd;               /* DATABASE-lock, -1: not open */
	bool taken;
};

/* Opens nothing. */
void turn_init(struct turn *turn, const char *database);
/* After turn_give(), or in a child that has it of its parent. */
void turn_close(struct turn *turn);

/* deadline_ms: of CLOCK_MONOTONIC. false: not before it. */
bool turn_take(struct turn *turn, int64_t deadline_ms);
/* Does another one wait for it? false also where it was not taken. */
bool turn_is_awaited(const struct turn *turn);
/* Also where it was not taken. */
void turn_give(struct turn *turn);

/* For who copies the log, see copy_log(). deadline_ms as above, TURN_NOW: not to wait. false: somebody else does. */
#define TURN_NOW 0
bool turn_take_copy(struct turn *turn, int64_t deadline_ms);
/* Also where there was none to be had. */
void turn_give_copy(struct turn *turn);

/* The mark need not reach the disk. */
void turn_mark(struct turn *turn);
bool turn_is_marked(struct turn *turn);
void turn_unmark(struct turn *turn);

#endif
