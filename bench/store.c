/* store.c - what the queue costs: as it grows, while it is pruned, on a slow disk
 *
 * An event here has a body of 2 KB, variables of 1 KB and a random key of 64 bytes, all of one endpoint.
 *
 *   grow [MAX]      at 10,000, 100,000, 1,000,000 and 3,000,000 events, up to MAX (default 1,000,000): us to
 *                   insert one (in batches of 32), us of claim and settle, ms to list the newest 50, once
 *                   with all events queued and once with all done but 2,000. Beside each size stands
 *                   a database of 10,000, fresh, measured by turns; the ratio is to that. Nothing is synced:
 *                   that costs the same at each size. 4.5 GB of room for a million; goal: ratios of 2 at most
 *   prune [EVENTS]  another process removes EVENTS (default 100,000) done ones, in steps as large as the worker's
 *                   but without its wait between them, while one thread puts events: how long a put takes,
 *                   by turns with nobody pruning; once with syncs and once without, which shows the lock
 *                   alone. Goal: no pause over 20 ms from pruning
 *   sync MS         each fdatasync takes MS longer (by a function of that name in this program): events a
 *                   second of 16 threads through intake.h beside one thread that appends 2 KB to a file
 *                   and syncs it. Goal: ratio 10
 *   batch [EVENTS]  EVENTS (default 20,000) are put in commits of 1, 4, 11, 16 and 32 by one thread, each with its sync:
 *                   us of its own processor time (user and system) an event, us in all, and us to copy the log, which
 *                   it does when that has the length at which intake.h's thread begins
 *   large [KB]      16 threads put events with bodies of KB (default 1000) through intake.h: events a second, how
 *                   long a put takes, and the longest write-ahead log, which has to be copied meanwhile
 *   fill DATABASE N [ENDPOINT [PROVIDER]]
 *                   no measurement: puts N events into this database and syncs it (for bench/queue.py)
 *
 * Printed are medians, and medians of the ratios of each round. What is done was made so by an UPDATE behind
 * the store's back: through claim and settle it would take an hour, and the rows are the same.
 * Scratch files lie in a folder under $TMPDIR (else /tmp), which should be on a disk, and go at the end; each run
 * is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "alloc.h"
#include "clock.h"
#include "intake.h"
#include "store.h"

#define BODY 2048
#define VARIABLES 1024
#define KEY 64
#define EVENT_ROOM 5000 /* bytes on disk, of one event with all that belongs to it */
#define PATIENCE_MS 60000

#define BASE 10000
#define FILL_BATCH 128 /* the most that intake.c puts at once */
#define BATCH 32
#define ROUNDS 5
#define ROUND_BATCHES 32 /* inserted in a round: some checkpoints are in it */
#define ROUND_CLAIMS 200 /* claimed and settled in a round */
#define ROUND_LISTS 5    /* of which the median counts */
#define LEFT_QUEUED 2000 /* where all others are done */
#define LISTED 50

#define PRUNE_TURNS 10

#define PRODUCERS 16
#define BODY_MAX 4096000
#define SYNC_ROUND_MS 2000

enum sync { SYNC_REAL, SYNC_NONE, SYNC_SLOW };

static enum sync how;
static int64_t delay_us;
static atomic_long syncs;

static char scratch[PATH_MAX];
static volatile sig_atomic_t ended_by;
static uint64_t random_state;
static char body[BODY_MAX], variables[VARIABLES];
static size_t body_len = BODY;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

/* In the place of the C library's, for SQLite too. */
int
fdatasync(int fd)
{
	const struct timespec wait = { delay_us / 1000000, delay_us % 1000000 * 1000 };

	atomic_fetch_add(&syncs, 1);
	if (how == SYNC_NONE)
		return 0;
	if (how == SYNC_SLOW)
		nanosleep(&wait, NULL);
	return (int)syscall(SYS_fdatasync, fd);
}

/*
 * Numbers
 */

struct samples {
	double *values;
	size_t count, size;
};

static void
add(struct samples *samples, double value)
{
	if (samples->count == samples->size) {
		samples->size = samples->size * 2 + 64;
		samples->values =
			xreallocarray(samples->values, samples->size, sizeof *samples->values);
	}
	samples->values[samples->count++] = value;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* part: 0.5 the median, 1 the largest; 0 where there is nothing. */
static double
quantile(struct samples *samples, double part)
{
	if (samples->count == 0)
		return 0;
	qsort(samples->values, samples->count, sizeof *samples->values, compare);
	return samples->values[(size_t)((double)(samples->count - 1) * part)];
}

static double
median(struct samples *samples)
{
	return quantile(samples, 0.5);
}

static void
forget(struct samples *samples)
{
	free(samples->values);
	*samples = (struct samples){ NULL, 0, 0 };
}

static uint64_t
random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/*
 * Events
 */

/* As a request leaves them: variables that a web server sets, and a JSON document. */
static void
make_contents(void)
{
	static const char first[] =
		"REQUEST_METHOD=POST\0CONTENT_TYPE=application/json\0HTTP_X_PAD=";
	int len = snprintf(body, sizeof body, "{\"type\":\"push\",\"pad\":\"");

	memset(body + len, 'x', body_len - (size_t)len);
	memcpy(body + body_len - 2, "\"}", 2);
	memset(variables, 'y', sizeof variables);
	memcpy(variables, first, sizeof first - 1);
	variables[sizeof variables - 1] = '\0';
	random_state = (uint64_t)clock_us() * 2654435761U + (uint64_t)getpid();
}

static void
make_key(char key[KEY])
{
	static const char digits[16] = "0123456789abcdef";

	for (int i = 0; i < KEY; i += 16) {
		uint64_t number = random_number();
		for (int j = 0; j < 16; j++, number >>= 4)
			key[i + j] = digits[number & 15];
	}
}

static struct store_event
make_event(const char *endpoint, const char *provider, const char *key)
{
	return (struct store_event){
		.endpoint = endpoint,
		.provider = provider,
		.key = { key, KEY },
		.type = slice_of("push"),
		.received_ms = clock_wall_ms(),
		.remote = slice_of("192.0.2.7"),
		.variables = { variables, sizeof variables },
		.body = { body, body_len },
		.state = STORE_QUEUED,
	};
}

static void
put(struct store *store, const char *endpoint, const char *provider, size_t count)
{
	static char keys[FILL_BATCH][KEY];
	struct store_event events[FILL_BATCH], *pointers[FILL_BATCH];

	for (size_t i = 0; i < count; i++) {
		make_key(keys[i]);
		events[i] = make_event(endpoint, provider, keys[i]);
		pointers[i] = &events[i];
	}
	if (store_put(store, pointers, count, clock_ms() + PATIENCE_MS) != STORE_OK)
		die("put: %s", store_reason(store));
}

static void
fill(struct store *store, const char *endpoint, const char *provider, int64_t count)
{
	for (; count > 0; count -= FILL_BATCH)
		put(store, endpoint, provider, count < FILL_BATCH ? (size_t)count : FILL_BATCH);
}

/* All that is queued, but for the newest `left`, becomes done with one attempt, a millisecond apart. */
static void
make_done(const char *path, int64_t left)
{
	char sql[1200];
	char *error = NULL;
	sqlite3 *db;

	snprintf(sql, sizeof sql,
		"PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;"
		"BEGIN IMMEDIATE;"
		"CREATE TEMP TABLE bound AS SELECT max(id) - %" PRId64 " AS last FROM main.event;"
		"INSERT INTO attempt(event, number, started, duration, end, code, reason, output,"
		" error, flags) SELECT id, 1, changed, 1000, 'exit', 0, NULL, x'', x'', 0 FROM "
		"event"
		" WHERE state = 0 AND id <= (SELECT last FROM bound);"
		"UPDATE event SET state = 2, attempts = 1, age = id"
		" WHERE state = 0 AND id <= (SELECT last FROM bound);"
		"UPDATE endpoint SET queued = (SELECT count(*) FROM event WHERE state = 0),"
		" done = (SELECT count(*) FROM event WHERE state = 2),"
		" attempts = (SELECT count(*) FROM event WHERE state = 2);"
		"UPDATE clock SET age = max(age, (SELECT last FROM bound));"
		"COMMIT",
		left);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
		sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		die("make done: %s", error != NULL ? error : sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* Each time another one: a store does not make a database anew that was there and is gone. */
static void
path_in_scratch(char path[PATH_MAX])
{
	static int number;

	if (snprintf(path, PATH_MAX, "%s/%d.db", scratch, ++number) >= PATH_MAX)
		die("%s: too long", scratch);
}

/* With what lies beside it. */
static void
remove_database(const char *path)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-lock", "-tally" };
	char name[PATH_MAX + 16];

	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		snprintf(name, sizeof name, "%s%s", path, tails[i]);
		unlink(name);
	}
}

/* What was put without syncs: the first real one would have to write all of it. */
static void
sync_database(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

static void
want_room(int64_t events)
{
	struct statvfs room;

	if (statvfs(scratch, &room) != 0 ||
		(int64_t)room.f_bavail * (int64_t)room.f_frsize < events * EVENT_ROOM * 5 / 4)
		die("%s: no room for %" PRId64 " events", scratch, events);
}

/*
 * grow
 */

struct subject {
	char path[PATH_MAX];
	struct store *store;
	struct samples insert_us, claim_us, list_ms, queued_ms;
};

static double
insert_round(struct subject *subject)
{
	int64_t began = clock_us();

	for (int i = 0; i < ROUND_BATCHES; i++)
		put(subject->store, "bench", "plain", BATCH);
	return (double)(clock_us() - began) / (ROUND_BATCHES * BATCH);
}

static double
claim_round(struct subject *subject)
{
	const struct store_lane lane = { "bench", 1, PATIENCE_MS };
	struct store_attempt attempt = { .duration_us = 1000, .end = "exit" };
	struct store_job job;
	int64_t due_ms, began = clock_us();

	for (int i = 0; i < ROUND_CLAIMS; i++) {
		store_job_init(&job);
		if (store_claim(subject->store, &lane, 1, false, clock_wall_ms(), &job, &due_ms) !=
			STORE_OK)
			die("claim: %s", store_reason(subject->store));
		attempt.number = job.attempt;
		attempt.started_ms = clock_wall_ms();
		if (store_settle(subject->store, job.id, &attempt, STORE_DONE, 0, NULL) != STORE_OK)
			die("settle: %s", store_reason(subject->store));
		store_job_free(&job);
	}
	return (double)(clock_us() - began) / ROUND_CLAIMS;
}

static bool
count_row(void *context, const struct store_row *row)
{
	(void)row;
	++*(int *)context;
	return true;
}

static double
list_round(struct subject *subject, bool only_queued)
{
	const struct store_filter filter = {
		.limit = LISTED, .has_state = only_queued, .state = STORE_QUEUED
	};
	struct samples times = { NULL, 0, 0 };

	for (int i = 0; i < ROUND_LISTS; i++) {
		int rows = 0;
		int64_t began = clock_us();
		if (store_list(subject->store, &filter, count_row, &rows) != STORE_OK ||
			rows != LISTED)
			die("list: %d rows, %s", rows, store_reason(subject->store));
		add(&times, (double)(clock_us() - began) / 1000);
	}
	double result = median(&times);
	forget(&times);
	return result;
}

/* As many as it is to hold, but for what the rounds insert. */
static void
subject_open(struct subject *subject, int64_t size)
{
	memset(subject, 0, sizeof *subject);
	path_in_scratch(subject->path);
	subject->store = store_new(subject->path);
	fill(subject->store, "bench", "plain", size - ROUNDS * ROUND_BATCHES * BATCH);
}

static void
subject_forget(struct subject *subject)
{
	forget(&subject->insert_us);
	forget(&subject->claim_us);
	forget(&subject->list_ms);
	forget(&subject->queued_ms);
}

static void
subject_close(struct subject *subject)
{
	store_free(subject->store);
	remove_database(subject->path);
	subject_forget(subject);
}

static void
print_growth(const char *what, const char *unit, struct samples *mine, struct samples *base)
{
	struct samples ratios = { NULL, 0, 0 };

	if (base != NULL) {
		for (size_t i = 0; i < mine->count; i++)
			add(&ratios,
				mine->values[i] / base->values[i]); /* in their rounds' order */
	}
	printf("  %-28s %10.3f %s", what, median(mine), unit);
	if (base != NULL)
		printf("   %.2f of %d", median(&ratios), BASE);
	putchar('\n');
	forget(&ratios);
}

/* Whatever both are, they take turns. base: NULL, at the first size. */
static void
grow_to(struct subject *subject, struct subject *base, int64_t size, bool done)
{
	struct subject *both[] = { base, subject };

	for (int turn = 0; turn < ROUNDS; turn++) {
		for (int i = base == NULL; i < 2; i++)
			add(&both[i]->insert_us, insert_round(both[i]));
	}
	for (int i = base == NULL; done && i < 2; i++)
		make_done(both[i]->path, LEFT_QUEUED);
	for (int turn = 0; turn < ROUNDS; turn++) {
		for (int i = base == NULL; i < 2; i++)
			add(&both[i]->claim_us, claim_round(both[i]));
		for (int i = base == NULL; i < 2; i++) {
			add(&both[i]->list_ms, list_round(both[i], false));
			add(&both[i]->queued_ms, list_round(both[i], true));
		}
	}
	printf("%" PRId64 " events, %s\n", size, done ? "all done but 2,000" : "all queued");
	print_growth("insert an event", "us", &subject->insert_us, base ? &base->insert_us : NULL);
	print_growth("claim and settle", "us", &subject->claim_us, base ? &base->claim_us : NULL);
	print_growth("list the newest 50", "ms", &subject->list_ms, base ? &base->list_ms : NULL);
	print_growth("list the newest 50 queued", "ms", &subject->queued_ms,
		base ? &base->queued_ms : NULL);
	fflush(stdout);
}

static void
run_grow(int64_t max)
{
	static const int64_t sizes[] = { BASE, 100000, 1000000, 3000000 };
	struct subject subject = { .store = NULL }, base;

	how = SYNC_NONE;
	for (int done = 0; done < 2; done++) {
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] <= max; i++) {
			want_room(sizes[i]);
			if (i == 0) {
				subject_open(&subject, sizes[0]);
				grow_to(&subject, NULL, sizes[0], done);
				continue;
			}
			subject_forget(&subject);
			fill(subject.store, "bench", "plain",
				sizes[i] - sizes[i - 1] - ROUNDS * ROUND_BATCHES * BATCH);
			subject_open(&base, BASE);
			grow_to(&subject, &base, sizes[i], done);
			subject_close(&base);
		}
		subject_close(&subject);
	}
}

/*
 * prune
 */

static bool
pass_byte(int fd)
{
	return write(fd, "x", 1) == 1;
}

static bool
get_byte(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

/* A share of the rows each time that a byte comes, and one back. */
static void
pruner_main(const char *path, int64_t rows, int from, int to)
{
	const struct store_retention all = { 0, 0, STORE_KEEP_KEY_MS };
	const struct store_step step = STORE_PRUNE_STEP;
	struct store *store = store_new(path);
	bool more = true;

	while (get_byte(from)) {
		for (int64_t done = 0; more && done < rows;) {
			unsigned removed = 0;
			if (store_prune(store, &all, clock_wall_ms(), &step, &removed, &more) !=
				STORE_OK)
				die("prune: %s", store_reason(store));
			done += removed;
		}
		if (!pass_byte(to))
			break;
	}
	store_free(store);
}

static void
put_timed(struct store *store, struct samples *ms)
{
	int64_t began = clock_us();

	put(store, "bench", "plain", 1);
	add(ms, (double)(clock_us() - began) / 1000);
}

static void
print_puts(const char *what, struct samples *ms)
{
	printf("  %-20s %7zu puts   p50 %.3f   p99 %.3f   longest %.3f ms\n", what, ms->count,
		quantile(ms, 0.5), quantile(ms, 0.99), quantile(ms, 1));
}

static void
prune_with(enum sync sync, int64_t events)
{
	struct samples pruned = { NULL, 0, 0 }, alone = { NULL, 0, 0 };
	char path[PATH_MAX];
	int go[2], ready[2];

	path_in_scratch(path);
	want_room(events);
	how = SYNC_NONE;
	struct store *store = store_new(path);
	fill(store, "bench", "plain", events);
	store_free(store);
	make_done(path, 0);
	sync_database(path);
	how = sync;

	/* It is there before this process opens the database: connections do not outlive a fork. */
	if (pipe(go) != 0 || pipe(ready) != 0)
		die("pipe: %s", strerror(errno));
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(go[1]);
		close(ready[0]);
		/* An event is four rows; the last share takes what is left. */
		pruner_main(path, events * 4 / PRUNE_TURNS + 1, go[0], ready[1]);
		exit(0);
	}
	close(go[0]);
	close(ready[1]);
	store = store_new(path);
	int64_t spent_us = 0;
	for (int turn = 0; turn < PRUNE_TURNS; turn++) {
		struct pollfd finished = { .fd = ready[0], .events = POLLIN };
		int64_t began = clock_us();
		if (!pass_byte(go[1]))
			die("the pruning process is gone");
		do
			put_timed(store, &pruned);
		while (poll(&finished, 1, 0) == 0);
		if (!get_byte(ready[0]))
			die("the pruning process is gone");
		int64_t took = clock_us() - began;
		spent_us += took;
		for (began = clock_us(); clock_us() - began < took;)
			put_timed(store, &alone);
	}
	close(go[1]);
	waitpid(pid, NULL, 0);
	struct store_filter filter = { .has_state = true, .state = STORE_DONE };
	int left = 0;
	if (store_list(store, &filter, count_row, &left) != STORE_OK || left != 0)
		die("%d done events are left", left);
	store_free(store);
	remove_database(path);

	printf("%s: %" PRId64 " events pruned in %.1f s\n",
		sync == SYNC_REAL ? "with syncs" : "without syncs", events, (double)spent_us / 1e6);
	print_puts("while pruned", &pruned);
	print_puts("not pruned", &alone);
	printf("  ratio                p99 %.2f   longest %.2f   goal: longest at most 20 ms\n",
		quantile(&pruned, 0.99) / quantile(&alone, 0.99),
		quantile(&pruned, 1) / quantile(&alone, 1));
	forget(&pruned);
	forget(&alone);
}

/*
 * sync
 */

struct producer {
	pthread_t thread;
	struct intake *intake;
	int64_t until_us;
	char key[KEY]; /* the first 16 are counted up */
	uint64_t count;
	struct samples ms;
	const char *log; /* NULL, or the path of the log, whose length is looked at */
	off_t longest;
};

static void *
producer_main(void *argument)
{
	struct producer *producer = argument;

	while (clock_us() < producer->until_us) {
		char digits[17];
		snprintf(digits, sizeof digits, "%016" PRIx64, producer->count++);
		memcpy(producer->key, digits, 16);
		struct intake_ticket ticket = {
			.event = make_event("bench", "plain", producer->key),
			.deadline_ms = clock_ms() + PATIENCE_MS,
		};
		int64_t began = clock_us();
		if (intake_put(producer->intake, &ticket) != STORE_OK)
			die("put: %s", ticket.reason);
		add(&producer->ms, (double)(clock_us() - began) / 1000);
		struct stat status;
		if (producer->log != NULL && stat(producer->log, &status) == 0 &&
			status.st_size > producer->longest)
			producer->longest = status.st_size;
	}
	return NULL;
}

/* Events a second. log: NULL, or its path, and *longest_out is set. */
static double
intake_round(struct intake *intake, struct samples *ms, const char *log, off_t *longest_out)
{
	static struct producer producers[PRODUCERS];
	int64_t began = clock_us();
	double count = 0;

	for (int i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){
			.intake = intake, .until_us = began + SYNC_ROUND_MS * 1000, .log = log
		};
		make_key(producers[i].key);
		if (pthread_create(&producers[i].thread, NULL, producer_main, &producers[i]) != 0)
			die("no thread");
	}
	for (int i = 0; i < PRODUCERS; i++) {
		pthread_join(producers[i].thread, NULL);
		count += (double)producers[i].ms.count;
		for (size_t j = 0; j < producers[i].ms.count; j++)
			add(ms, producers[i].ms.values[j]);
		forget(&producers[i].ms);
		if (log != NULL && producers[i].longest > *longest_out)
			*longest_out = producers[i].longest;
	}
	return count * 1e6 / (double)(clock_us() - began);
}

static double
append_round(int fd, struct samples *ms)
{
	int64_t began = clock_us(), now = began, last;
	double count = 0;

	while (now - began < SYNC_ROUND_MS * 1000) {
		last = now;
		if (write(fd, body, body_len) != (ssize_t)body_len || fdatasync(fd) != 0)
			die("append: %s", strerror(errno));
		now = clock_us();
		add(ms, (double)(now - last) / 1000);
		count++;
	}
	return count * 1e6 / (double)(now - began);
}

static void
run_sync(double ms)
{
	struct samples floors = { NULL, 0, 0 }, rates = { NULL, 0, 0 }, ratios = { NULL, 0, 0 };
	struct samples append_ms = { NULL, 0, 0 }, put_ms = { NULL, 0, 0 };
	char path[PATH_MAX];
	long intake_syncs = 0;

	how = SYNC_SLOW;
	delay_us = (int64_t)(ms * 1000);
	path_in_scratch(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	path_in_scratch(path);
	intake_setup(true, NULL);
	struct intake *intake = intake_of(path, "none", false);
	for (int turn = 0; turn < ROUNDS; turn++) {
		double bare = append_round(fd, &append_ms);
		long before = atomic_load(&syncs);
		double rate = intake_round(intake, &put_ms, NULL, NULL);
		intake_syncs += atomic_load(&syncs) - before;
		add(&floors, bare);
		add(&rates, rate);
		add(&ratios, rate / bare);
	}
	intake_stop();
	close(fd);
	if (intake_syncs == 0)
		die("no sync of the store came through here: these numbers mean nothing");
	printf("each sync %g ms longer, %ld syncs of the store, %.1f events each\n", ms,
		intake_syncs, (double)put_ms.count / (double)intake_syncs);
	printf("  floor: append, sync  %9.0f /s   p50 %.2f   p99 %.2f ms\n", median(&floors),
		quantile(&append_ms, 0.5), quantile(&append_ms, 0.99));
	printf("  intake, %d threads   %9.0f /s   p50 %.2f   p99 %.2f ms\n", PRODUCERS,
		median(&rates), quantile(&put_ms, 0.5), quantile(&put_ms, 0.99));
	printf("  ratio %.2f   goal 10\n", median(&ratios));
}

/* Of this thread. */
static double
processor_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static void
batch_round(size_t size, int64_t count)
{
	double put_us = 0, copy_us = 0, all_us = 0;
	char path[PATH_MAX];

	path_in_scratch(path);
	struct store *store = store_new(path);
	store_checkpoint_apart(store);
	for (int64_t left = count; left > 0; left -= (int64_t)size) {
		double began = processor_us();
		int64_t began_us = clock_us();
		put(store, "bench", "plain", size);
		put_us += processor_us() - began;
		all_us += (double)(clock_us() - began_us);
		if (store_log_frames(store) < STORE_LOG_LONG_APART)
			continue;
		began = processor_us();
		if (store_checkpoint(store, false) != STORE_OK)
			die("copy: %s", store_reason(store));
		copy_us += processor_us() - began;
	}
	printf("commits of %2zu: put %6.1f us of processor time an event, %6.1f us in all; copied "
	       "%5.1f us\n",
		size, put_us / (double)count, all_us / (double)count, copy_us / (double)count);
	store_free(store);
	remove_database(path);
}

static void
run_batch(int64_t count)
{
	static const size_t sizes[] = { 1, 4, 11, 16, 32 };

	how = SYNC_REAL;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		batch_round(sizes[i], count);
}

static void
run_large(double kb)
{
	struct samples rates = { NULL, 0, 0 }, put_ms = { NULL, 0, 0 };
	char path[PATH_MAX], log[PATH_MAX + sizeof "-wal"];
	off_t longest = 0;

	how = SYNC_REAL;
	body_len = (size_t)(kb * 1000);
	if (body_len < BODY || body_len > BODY_MAX)
		die("2.1 to %d KB", BODY_MAX / 1000);
	make_contents();
	path_in_scratch(path);
	snprintf(log, sizeof log, "%s-wal", path);
	intake_setup(true, NULL);
	struct intake *intake = intake_of(path, "none", false);
	for (int turn = 0; turn < ROUNDS; turn++)
		add(&rates, intake_round(intake, &put_ms, log, &longest));
	intake_stop();
	printf("bodies of %zu bytes: %.0f a second, p50 %.1f, p99 %.1f, longest %.1f ms; "
	       "longest log %.0f MB\n",
		body_len, median(&rates), quantile(&put_ms, 0.5), quantile(&put_ms, 0.99),
		quantile(&put_ms, 1), (double)longest / 1e6);
}

static void
run_fill(const char *path, int64_t count, const char *endpoint, const char *provider)
{
	struct store *store = store_new(path);

	how = SYNC_NONE;
	fill(store, endpoint, provider, count);
	store_free(store); /* writes the log into the database */
	sync_database(path);
}

/*
 * The scratch folder, and who removes it
 */

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

static void
note_end(int number)
{
	ended_by = number;
}

/* In the child process: what was asked for. */
static void
run(const char *name, const char *number)
{
	if (strcmp(name, "grow") == 0) {
		run_grow(number != NULL ? strtoll(number, NULL, 10) : 1000000);
	} else if (strcmp(name, "prune") == 0) {
		prune_with(SYNC_REAL, number != NULL ? strtoll(number, NULL, 10) : 100000);
		prune_with(SYNC_NONE, number != NULL ? strtoll(number, NULL, 10) : 100000);
	} else if (strcmp(name, "batch") == 0) {
		run_batch(number != NULL ? strtoll(number, NULL, 10) : 20000);
	} else if (strcmp(name, "large") == 0) {
		run_large(number != NULL ? strtod(number, NULL) : 1000);
	} else {
		run_sync(strtod(number, NULL));
	}
}

/* A process of its own, so that this one removes the folder whatever becomes of it. Returns the exit status. */
static int
run_in_scratch(const char *name, const char *number, unsigned seconds)
{
	const char *folder = getenv("TMPDIR");
	const struct sigaction action = { .sa_handler = note_end };
	int status = 0;

	if (snprintf(scratch, sizeof scratch, "%s/hookcgi-store.XXXXXX",
		    folder != NULL && folder[0] == '/' ? folder : "/tmp") >= (int)sizeof scratch ||
		mkdtemp(scratch) == NULL) {
		perror(scratch);
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		run(name, number);
		exit(0);
	}
	setpgid(pid, pid);
	alarm(seconds);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		kill(-pid, SIGKILL);
	kill(-pid, SIGKILL); /* one that it left behind */
	nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (ended_by == SIGALRM)
		fprintf(stderr, "not finished within %u s\n", seconds);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool
is_number(const char *text)
{
	char *end;

	return text != NULL && strtod(text, &end) >= 0 && end != text && *end == '\0';
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const char *number = argc > 2 ? argv[2] : NULL;
	bool usable = argc <= 3 && (number == NULL || is_number(number));

	make_contents();
	if (strcmp(name, "grow") == 0 && usable &&
		(number == NULL || strtoll(number, NULL, 10) >= BASE))
		return run_in_scratch(name, number, 3600);
	if (strcmp(name, "prune") == 0 && usable)
		return run_in_scratch(name, number, 900);
	if (strcmp(name, "batch") == 0 && usable)
		return run_in_scratch(name, number, 300);
	if (strcmp(name, "large") == 0 && usable)
		return run_in_scratch(name, number, 300);
	if (strcmp(name, "sync") == 0 && usable && number != NULL)
		return run_in_scratch(name, number, 300);
	if (strcmp(name, "fill") == 0 && argc >= 4 && argc <= 6 && argv[2][0] == '/' &&
		is_number(argv[3])) {
		alarm(3600);
		run_fill(argv[2], strtoll(argv[3], NULL, 10), argc > 4 ? argv[4] : "bench",
			argc > 5 ? argv[5] : "plain");
		return 0;
	}
	fprintf(stderr, "usage: store grow [MAX, 10000 at least] | prune [EVENTS] | sync MS "
			"| batch [EVENTS] | large [KB]\n"
			"       store fill /DATABASE N [ENDPOINT [PROVIDER]]\n");
	return 2;
}
