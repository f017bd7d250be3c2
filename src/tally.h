/* tally.h - what all processes of one store count together, in a small file beside it
 *
 * Fixed in size, mapped into each process, changed with atomic operations and
 * never synced: a flood of refusals costs neither disk nor speed. Losing it
 * loses no event. DATABASE-tally, mode 0600, half a megabyte, allocated. It
 * never shrinks: whoever cuts it while it is in use ends the processes that use
 * it (SIGBUS). When it is removed, processes that begin later count anew.
 *
 * - The number of the last event that was acknowledged: a database with fewer
 *   events has lost some (a damaged write-ahead log looks whole to SQLite). Which
 *   ones were found missing is kept: new events would hide it.
 * - The last TALLY_REFUSALS refusals, and how many there ever were.
 * - Token buckets for the `rate` of endpoints.
 */
#ifndef HOOKCGI_TALLY_H
#define HOOKCGI_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

#define TALLY_REFUSALS 2048

struct tally;

/*
 * Map the tally of the database at this path (absolute), made where it is
 * missing, and made anew where it is of another version or no tally. NULL: it
 * cannot be, reason_out says why, with the remedy: nothing is counted then, and
 * nothing else suffers. So it is for a symbolic link, for what is no regular
 * file, for another user's file and on a full disk. What root makes belongs to
 * the owner of the database. Thread-safe from here on. A fork may go on using it.
 */
struct tally *tally_open(const char *database, char reason_out[256]);
/* The same, and none is made: NULL also where there is none yet, or none of this version, and
 * reason_out is "" then. For whoever acknowledges nothing. */
struct tally *tally_find(const char *database, char reason_out[256]);
void tally_close(struct tally *tally);

/* All of these take NULL and then do nothing, or say 0 or, tally_rate(), true.
 * None waits for another process, whatever becomes of that one. */

/* An event of this number is on disk and acknowledged. */
void tally_acknowledge(struct tally *tally, int64_t id);
int64_t tally_acknowledged(const struct tally *tally);

/* Acknowledged events that are missing, in so far as there ever were some of these numbers; both 0: none. */
struct tally_gap {
	int64_t first, last;
};

/*
 * What is known to be missing: what was kept, and what a database lacks that ends with the number
 * `stored`. acknowledged was read before that was: what other processes add in
 * between makes the database's number larger, so there is no false alarm. One gap holds all.
 */
struct tally_gap tally_missing(const struct tally *tally, int64_t acknowledged, int64_t stored);
/* Keep that, for as long as the file is there, and log a line, unless it is known already. database: its path,
 * for the line. */
void tally_lose(struct tally *tally, const char *database, int64_t acknowledged, int64_t stored);

struct tally_refusal {
	int64_t at_ms;     /* since 1970 */
	int status;        /* of HTTP */
	uint32_t repeated; /* 1, or how often the same came in a row */
	uint32_t bytes;    /* of the body, as far as it was read */
	char endpoint[65]; /* as asked for, cut */
	char remote[46];
	char reason[96]; /* cut */
};

/*
 * Keep one. The same as the newest (endpoint, status, reason and address), less
 * than 10 s from it, is counted there, whose at_ms and bytes stay; when several
 * processes refuse at once it may be kept instead. Sender's bytes are kept as
 * they are: whoever prints escapes them.
 */
void tally_refuse(struct tally *tally, const struct tally_refusal *refusal);

typedef bool tally_refusal_visit(void *context, const struct tally_refusal *refusal);
/* The newest first, until visit says false; one that is being written is passed over. */
void tally_refusals(const struct tally *tally, tally_refusal_visit *visit, void *context);
/* How many there ever were, each repetition counted. */
uint64_t tally_refusal_count(const struct tally *tally);

/*
 * May one more request to this endpoint pass, when `events` are allowed in
 * period_ms (a token bucket of that size)? now_ms is of CLOCK_MONOTONIC, or of any
 * clock that all processes share. One that steps back refills nothing: the
 * bucket may be empty then, and fills from the new time on (a second later at
 * most). A start of the system fills all buckets.
 * There are buckets for 256 names in the life of the file; requests to any
 * further one pass, and so they do where events or period_ms is 0.
 * false: *retry_after_ms_out is in how many milliseconds the next one may.
 */
bool tally_rate(struct tally *tally, const char *endpoint, unsigned events, int64_t period_ms,
	int64_t now_ms, int64_t *retry_after_ms_out);

#endif
