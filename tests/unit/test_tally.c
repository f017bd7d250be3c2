/* test_tally.c - the rules of tally.h, tried with processes that count at once, and are killed
 *
 * A record of a test says by a number what has to be in each of its fields, so
 * one that is torn shows. Children have no cmocka: they end with the number of
 * what they found wrong, 0 for nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "tally.h"

#define PROCESSES 4
#define EACH 10000
#define HOUR_MS ((int64_t)3600 * 1000)
#define NOBODY 65534
#define SKIPPED 200 /* exit status: this may not be done here */

static char scratch[64];
static char database[128];
static char tally_path[160];
static char fresh_path[160];

/* What the processes of one test share. */
static struct shared {
	_Atomic int gate;
	_Atomic unsigned granted;
	_Atomic bool over;
	_Atomic uint64_t number; /* of records that were given out */
} * shared;

/*
 * Children
 */

static void
wait_at_gate(void)
{
	while (atomic_load(&shared->gate) == 0)
		sched_yield();
}

/* A process that waits at the gate, runs main and ends with its result. */
static pid_t
start_child(int (*child_main)(void))
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		wait_at_gate();
		_exit(child_main());
	}
	return child;
}

static int
end_of_child(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
run_children(int count, int (*child_main)(void))
{
	pid_t children[16];
	int i;

	assert_true(count <= 16);
	atomic_store(&shared->gate, 0);
	for (i = 0; i < count; i++)
		children[i] = start_child(child_main);
	atomic_store(&shared->gate, 1);
	for (i = 0; i < count; i++)
		assert_int_equal(end_of_child(children[i]), 0);
}

static struct tally *
open_tally(void)
{
	char reason[256] = "";
	struct tally *tally = tally_open(database, reason);

	if (tally == NULL)
		fail_msg("no tally: %s", reason);
	return tally;
}

/* The tally in a child, NULL only if it cannot be. */
static struct tally *
child_tally(void)
{
	char reason[256];

	return tally_open(database, reason);
}

static void
assert_refused(const char *named, const char *because)
{
	char reason[256] = "";
	struct tally *tally = tally_open(database, reason);

	assert_null(tally);
	if (strstr(reason, named) == NULL || strstr(reason, because) == NULL)
		fail_msg("\"%s\" or \"%s\" is not in: %s", named, because, reason);
}

/*
 * Records
 */

static struct tally_refusal
record_of(uint32_t number)
{
	struct tally_refusal record;

	memset(&record, 0, sizeof record);
	record.at_ms = number;
	record.status = 400 + (int)(number % 100);
	record.repeated = 1;
	record.bytes = number;
	memset(record.endpoint, 'a' + (int)(number % 26), sizeof record.endpoint - 1);
	memset(record.remote, 'b' + (int)(number % 25), sizeof record.remote - 1);
	memset(record.reason, 'c' + (int)(number % 24), sizeof record.reason - 1);
	snprintf(record.reason, 11, "%010u", number);
	record.reason[10] = ' ';
	return record;
}

static bool
is_whole(const struct tally_refusal *record)
{
	struct tally_refusal right = record_of(record->bytes);

	return record->at_ms == right.at_ms && record->status == right.status &&
	       record->repeated == 1 && strcmp(record->endpoint, right.endpoint) == 0 &&
	       strcmp(record->remote, right.remote) == 0 &&
	       strcmp(record->reason, right.reason) == 0;
}

static void
refuse_number(struct tally *tally, uint32_t number)
{
	struct tally_refusal record = record_of(number);

	tally_refuse(tally, &record);
}

struct listed {
	unsigned count, torn, max;
	struct tally_refusal records[TALLY_REFUSALS];
};

static bool
list_one(void *context, const struct tally_refusal *refusal)
{
	struct listed *listed = context;

	listed->torn += !is_whole(refusal);
	listed->records[listed->count++] = *refusal;
	return listed->count < listed->max;
}

static const struct listed *
list(const struct tally *tally)
{
	static struct listed listed;

	listed.count = listed.torn = 0;
	listed.max = TALLY_REFUSALS;
	tally_refusals(tally, list_one, &listed);
	return &listed;
}

/*
 * The file
 */

static void
write_file(const char *path, size_t size, char fill)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char block[4096];

	assert_true(fd >= 0);
	memset(block, fill, sizeof block);
	for (; size > 0; size -= size < sizeof block ? size : sizeof block)
		assert_true(write(fd, block, size < sizeof block ? size : sizeof block) > 0);
	close(fd);
}

static struct stat
status_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status;
}

static void
file_is_private_fixed_in_size_and_allocated(void **state)
{
	struct tally *tally = open_tally();
	struct stat before = status_of(tally_path), after;
	uint32_t i;

	(void)state;
	assert_int_equal(before.st_mode, S_IFREG | 0600);
	assert_true(before.st_size > TALLY_REFUSALS * (off_t)sizeof(struct tally_refusal));
	assert_true(before.st_blocks * 512 >= before.st_size);
	for (i = 0; i < 3 * TALLY_REFUSALS; i++)
		refuse_number(tally, i);
	tally_acknowledge(tally, INT64_MAX);
	after = status_of(tally_path);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(access(fresh_path, F_OK), -1);
	tally_close(tally);
}

static void
what_was_counted_is_there_when_it_is_opened_again(void **state)
{
	struct tally *tally = open_tally();
	int64_t wait = -1;

	(void)state;
	tally_acknowledge(tally, 42);
	refuse_number(tally, 7);
	assert_true(tally_rate(tally, "orders", 1, HOUR_MS, 1000, &wait));
	tally_close(tally);
	tally = open_tally();
	assert_int_equal(tally_acknowledged(tally), 42);
	assert_int_equal(tally_refusal_count(tally), 1);
	assert_int_equal(list(tally)->count, 1);
	assert_int_equal(list(tally)->torn, 0);
	assert_false(tally_rate(tally, "orders", 1, HOUR_MS, 1000, &wait));
	tally_close(tally);
}

static void
without_a_tally_nothing_is_counted_and_everything_passes(void **state)
{
	struct tally_refusal record = record_of(1);
	struct listed none = { .count = 0, .max = 1 };
	int64_t wait = -1;

	(void)state;
	tally_acknowledge(NULL, 1);
	assert_int_equal(tally_acknowledged(NULL), 0);
	tally_lose(NULL, database, 5, 3);
	assert_int_equal(tally_missing(NULL, 0, 3).last, 0);
	tally_refuse(NULL, &record);
	assert_int_equal(tally_refusal_count(NULL), 0);
	tally_refusals(NULL, list_one, &none);
	assert_int_equal(none.count, 0);
	assert_true(tally_rate(NULL, "orders", 1, HOUR_MS, 1, &wait));
	assert_true(tally_rate(NULL, "orders", 1, HOUR_MS, 1, &wait));
	tally_close(NULL);
}

static int
open_and_count(void)
{
	struct tally *tally = child_tally();

	if (tally == NULL)
		return 1;
	refuse_number(tally, (uint32_t)atomic_fetch_add(&shared->number, 20000));
	return tally_refusal_count(tally) > 0 ? 0 : 2;
}

static void
many_that_open_it_first_at_the_same_time_have_one_file(void **state)
{
	struct tally *tally;
	off_t size;
	int round;

	(void)state;
	tally_close(open_tally());
	size = status_of(tally_path).st_size;
	for (round = 0; round < 40; round++) {
		unlink(tally_path);
		if (round % 4 == 1)
			write_file(tally_path, 100, 'x'); /* another version's */
		if (round % 4 == 2)
			write_file(tally_path, (size_t)size, 'x'); /* as large, and none */
		if (round % 4 == 3)
			write_file(fresh_path, 700000, 'x'); /* its maker was killed */
		run_children(16, open_and_count);
		tally = open_tally();
		assert_int_equal(tally_refusal_count(tally), 16);
		assert_int_equal(list(tally)->count, 16);
		assert_int_equal(list(tally)->torn, 0);
		tally_close(tally);
		assert_int_equal(access(fresh_path, F_OK), -1);
	}
}

static void
file_of_zeros_or_of_nothing_is_replaced(void **state)
{
	char aside[128];
	off_t sizes[] = { 0, 1, 0, 4096 };
	struct tally *tally = open_tally();
	size_t i;

	(void)state;
	snprintf(aside, sizeof aside, "%s/target", scratch);
	sizes[2] = status_of(tally_path).st_size;
	tally_acknowledge(tally, 5);
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct tally *fresh;

		/* Renamed, since the old one is mapped. */
		assert_int_equal(rename(tally_path, aside), 0);
		write_file(tally_path, (size_t)sizes[i], '\0');
		fresh = open_tally();
		assert_int_equal(tally_acknowledged(fresh), 0);
		tally_acknowledge(fresh, 6);
		tally_close(fresh);
		fresh = open_tally();
		assert_int_equal(tally_acknowledged(fresh), 6);
		tally_close(fresh);
	}
	assert_int_equal(tally_acknowledged(tally), 5);
	tally_close(tally);
}

static void
link_folder_and_fifo_are_refused(void **state)
{
	char target[128];

	(void)state;
	snprintf(target, sizeof target, "%s/target", scratch);
	write_file(target, 10, 'x');
	assert_int_equal(symlink(target, tally_path), 0);
	assert_refused(tally_path, "symbolic link: remove it");
	assert_int_equal(status_of(target).st_size, 10);
	assert_int_equal(unlink(tally_path), 0);
	/* Also while it is made. */
	assert_int_equal(symlink(target, fresh_path), 0);
	assert_refused(fresh_path, "symbolic link: remove it");
	assert_int_equal(unlink(fresh_path), 0);
	assert_int_equal(link(target, fresh_path), 0);
	assert_refused(fresh_path, "remove it");
	assert_int_equal(status_of(target).st_size, 10);
	assert_int_equal(unlink(fresh_path), 0);
	assert_int_equal(mkdir(tally_path, 0700), 0);
	assert_refused(tally_path, "remove it");
	assert_int_equal(rmdir(tally_path), 0);
	assert_int_equal(mkfifo(tally_path, 0600), 0);
	assert_refused(tally_path, "not a regular file: remove it");
	assert_int_equal(unlink(tally_path), 0);
	assert_int_equal(unlink(target), 0);
}

static void
missing_folder_is_a_reason(void **state)
{
	char reason[256] = "", missing[300];

	(void)state;
	snprintf(missing, sizeof missing, "%s/nowhere/db", scratch);
	assert_null(tally_open(missing, reason));
	assert_non_null(strstr(reason, "nowhere/db-tally.new: No such file"));
	assert_non_null(strstr(reason, "make its folder"));
	memset(missing, 'x', sizeof missing - 1);
	missing[0] = '/';
	missing[sizeof missing - 1] = '\0';
	assert_null(tally_open(missing, reason));
	assert_non_null(strstr(reason, "too long"));
}

static int
open_as_nobody(void)
{
	char reason[256] = "";

	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return SKIPPED;
	return tally_open(database, reason) == NULL && strstr(reason, "another user") != NULL ? 0
											      : 1;
}

static void
file_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	tally_close(open_tally());
	assert_int_equal(chmod(scratch, 0777), 0);
	assert_int_equal(chmod(tally_path, 0666), 0);
	run_children(1, open_as_nobody);
	assert_int_equal(chmod(scratch, 0700), 0);
}

static void
what_root_makes_belongs_to_the_owner_of_the_database(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(database, 1, 'x');
	assert_int_equal(chown(database, NOBODY, NOBODY), 0);
	tally_close(open_tally());
	assert_int_equal(status_of(tally_path).st_uid, NOBODY);
	assert_int_equal(status_of(tally_path).st_gid, NOBODY);
	tally_close(open_tally());
}

/* A mount of our own that nobody else sees. */
static bool
leave_namespace(void)
{
	return (geteuid() == 0 ? unshare(CLONE_NEWNS) : unshare(CLONE_NEWUSER | CLONE_NEWNS)) ==
		       0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int
open_on_full_disk(void)
{
	char reason[256] = "";

	if (!leave_namespace() || mount("none", scratch, "tmpfs", 0, "size=256k") != 0)
		return SKIPPED;
	if (tally_open(database, reason) != NULL)
		return 1;
	if (strstr(reason, "No space left on device: make room") == NULL)
		return 2;
	/* Nothing is left that takes the last room of the database. */
	if (access(fresh_path, F_OK) == 0 || access(tally_path, F_OK) == 0)
		return 3;
	return mount("none", scratch, "tmpfs", MS_REMOUNT, "size=2m") == 0 &&
			       tally_open(database, reason) != NULL
		       ? 0
		       : 4;
}

static void
full_disk_is_a_reason_and_nothing_worse(void **state)
{
	int status;

	(void)state;
	atomic_store(&shared->gate, 1);
	status = end_of_child(start_child(open_on_full_disk));
	if (status == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static void
maker_that_does_not_end_is_not_waited_for(void **state)
{
	int fd = open(fresh_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_refused(fresh_path, "another process is making it");
	close(fd);
	tally_close(open_tally());
}

/*
 * Acknowledged events
 */

static void
look_finds_what_is_there_and_makes_nothing(void **state)
{
	char reason[256] = "x";
	struct tally *tally;

	(void)state;
	assert_null(tally_find(database, reason));
	assert_string_equal(reason, "");
	assert_int_equal(access(tally_path, F_OK), -1);
	write_file(tally_path, 100, '\0');
	assert_null(tally_find(database, reason));
	assert_string_equal(reason, "");
	assert_int_equal(status_of(tally_path).st_size, 100);
	assert_int_equal(unlink(tally_path), 0);
	assert_int_equal(symlink("/nonexistent", tally_path), 0);
	assert_null(tally_find(database, reason));
	assert_non_null(strstr(reason, "symbolic link"));
	assert_int_equal(unlink(tally_path), 0);
	tally = open_tally();
	tally_acknowledge(tally, 42);
	tally_close(tally);
	tally = tally_find(database, reason);
	assert_int_equal(tally_acknowledged(tally), 42);
	tally_close(tally);
}

static void
assert_gap(struct tally_gap gap, int64_t first, int64_t last)
{
	assert_int_equal(gap.first, first);
	assert_int_equal(gap.last, last);
}

static void
missing_events_are_known_for_good_and_said_once(void **state)
{
	struct tally *tally = open_tally();
	struct stat before;
	char log_path[128], reason[256], target[160];

	(void)state;
	snprintf(log_path, sizeof log_path, "%s/target", scratch);
	snprintf(target, sizeof target, "file:%s", log_path);
	assert_true(log_open(target, false, reason));
	tally_lose(tally, database, 40, 40);
	tally_lose(tally, database, 40, 41);
	assert_gap(tally_missing(tally, 40, 41), 0, 0);
	assert_int_equal(status_of(log_path).st_size, 0);
	/* Seen, and not kept. */
	assert_gap(tally_missing(tally, 40, 10), 11, 40);
	assert_gap(tally_missing(tally, 40, 40), 0, 0);
	tally_lose(tally, database, 40, 10);
	before = status_of(log_path);
	assert_true(before.st_size > 0);
	tally_lose(tally, database, 40, 10);
	tally_lose(tally, database, 35, 30);
	assert_int_equal(status_of(log_path).st_size, before.st_size);
	tally_close(tally);
	tally = open_tally();
	assert_gap(tally_missing(tally, 80, 80), 11, 40);
	assert_gap(tally_missing(tally, 80, 70), 11, 80);
	tally_lose(tally, database, 80, 5);
	assert_true(status_of(log_path).st_size > before.st_size);
	assert_gap(tally_missing(tally, 90, 90), 6, 80);
	tally_close(tally);
	assert_true(log_open("stderr", false, reason));
}

static void
number_that_no_store_has_given_is_damage(void **state)
{
	struct tally *tally = open_tally();

	(void)state;
	tally_acknowledge(tally, INT64_MAX);
	assert_int_equal(tally_acknowledged(tally), 0);
	tally_acknowledge(tally, 7);
	assert_int_equal(tally_acknowledged(tally), 7);
	tally_close(tally);
}

/* Interleaved numbers, the largest of each block first. */
static int
acknowledge_many(void)
{
	struct tally *tally = child_tally();
	int64_t id, seen = 0, now;
	int i;

	if (tally == NULL)
		return 1;
	for (i = 0; i < 30 * EACH; i++) {
		id = (int64_t)atomic_fetch_add(&shared->number, 1) + 1;
		tally_acknowledge(tally, id);
		tally_acknowledge(tally, id - 3);
		now = tally_acknowledged(tally);
		if (now < id || now < seen)
			return 2;
		seen = now;
	}
	return 0;
}

static void
largest_number_of_all_processes_is_kept(void **state)
{
	struct tally *tally = open_tally();

	(void)state;
	assert_int_equal(tally_acknowledged(tally), 0);
	run_children(PROCESSES, acknowledge_many);
	assert_int_equal(tally_acknowledged(tally), 30 * PROCESSES * EACH);
	tally_close(tally);
}

/*
 * Refusals
 */

static void
refusals_come_newest_first_until_visit_says_stop(void **state)
{
	static struct listed two = { .max = 2 };
	struct tally *tally = open_tally();
	const struct listed *all;
	uint32_t i;

	(void)state;
	assert_int_equal(list(tally)->count, 0);
	for (i = 1; i <= 5; i++)
		refuse_number(tally, i);
	all = list(tally);
	assert_int_equal(all->count, 5);
	assert_int_equal(all->torn, 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(all->records[i].bytes, 5 - i);
	two.count = 0;
	tally_refusals(tally, list_one, &two);
	assert_int_equal(two.count, 2);
	tally_close(tally);
}

static void
last_ones_are_kept_and_all_are_counted(void **state)
{
	struct tally *tally = open_tally();
	const struct listed *all;
	uint32_t i, total = 3 * TALLY_REFUSALS + 17;

	(void)state;
	for (i = 1; i <= total; i++)
		refuse_number(tally, i);
	all = list(tally);
	assert_int_equal(all->count, TALLY_REFUSALS);
	assert_int_equal(all->torn, 0);
	for (i = 0; i < TALLY_REFUSALS; i++)
		assert_int_equal(all->records[i].bytes, total - i);
	assert_int_equal(tally_refusal_count(tally), total);
	tally_close(tally);
}

static void
same_one_again_is_counted_in_its_place(void **state)
{
	struct tally_refusal first = record_of(100000), other;
	struct tally *tally = open_tally();
	const struct listed *all;
	int i;

	(void)state;
	refuse_number(tally, 1);
	tally_refuse(tally, &first);
	for (i = 0; i < 5000; i++) {
		other = first;
		other.at_ms += i % 9999;
		other.bytes = (uint32_t)i;
		tally_refuse(tally, &other);
	}
	all = list(tally);
	assert_int_equal(all->count, 2);
	assert_int_equal(all->records[0].repeated, 5001);
	assert_int_equal(all->records[0].at_ms, 100000);
	assert_int_equal(all->records[0].bytes, 100000);
	assert_string_equal(all->records[0].reason, first.reason);
	assert_int_equal(all->records[1].repeated, 1);
	assert_int_equal(tally_refusal_count(tally), 5002);
	tally_close(tally);
}

static void
any_difference_is_another_one(void **state)
{
	struct tally_refusal records[7];
	struct tally *tally = open_tally();
	size_t i;

	(void)state;
	for (i = 0; i < 7; i++)
		records[i] = record_of(100000);
	records[1].status++;
	records[2].endpoint[63] = '!';
	records[3].remote[0] = '!';
	records[4].reason[94] = '!';
	records[5].at_ms += 10000;
	records[6].at_ms -= 10000; /* the clock was set back */
	for (i = 0; i < 7; i++) {
		if (i > 0)
			tally_refuse(tally, &records[0]);
		tally_refuse(tally, &records[i]);
	}
	/* The first is repeated once; all later ones follow on another. */
	assert_int_equal(list(tally)->count, 12);
	assert_int_equal(tally_refusal_count(tally), 13);
	tally_close(tally);
}

static void
count_of_repetitions_stops_at_its_end(void **state)
{
	struct tally_refusal record = record_of(1);
	struct tally *tally = open_tally();

	(void)state;
	record.repeated = UINT32_MAX - 1;
	tally_refuse(tally, &record);
	record.repeated = 1;
	tally_refuse(tally, &record);
	tally_refuse(tally, &record);
	tally_refuse(tally, &record);
	assert_int_equal(list(tally)->count, 1);
	assert_int_equal(list(tally)->records[0].repeated, UINT32_MAX);
	tally_close(tally);
}

static void
text_that_does_not_end_is_cut_and_memory_behind_it_is_not_kept(void **state)
{
	struct tally_refusal record;
	struct tally *tally = open_tally();
	const struct listed *all;
	char *file;
	int fd;
	off_t size = status_of(tally_path).st_size;

	(void)state;
	memset(&record, 'S', sizeof record);
	record.at_ms = 1;
	record.repeated = 0;
	tally_refuse(tally, &record);
	all = list(tally);
	assert_int_equal(all->count, 1);
	assert_int_equal(strlen(all->records[0].endpoint), 64);
	assert_int_equal(strlen(all->records[0].remote), 45);
	assert_int_equal(strlen(all->records[0].reason), 95);
	assert_int_equal(all->records[0].repeated, 1);
	memset(&record, 'L', sizeof record);
	record.at_ms = record.status = 1;
	record.repeated = record.bytes = 1;
	record.endpoint[0] = record.remote[0] = record.reason[0] = '\0';
	tally_refuse(tally, &record);
	fd = open(tally_path, O_RDONLY | O_CLOEXEC);
	file = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(file != MAP_FAILED);
	assert_non_null(memmem(file, (size_t)size, "SSSS", 4));
	assert_null(memmem(file, (size_t)size, "LLLL", 4));
	munmap(file, (size_t)size);
	close(fd);
	tally_close(tally);
}

static int
refuse_many(void)
{
	struct tally *tally = child_tally();
	int i;

	if (tally == NULL)
		return 1;
	for (i = 0; i < EACH; i++)
		refuse_number(tally, (uint32_t)atomic_fetch_add(&shared->number, 20000));
	return 0;
}

static int
read_until_over(void)
{
	struct tally *tally = child_tally();
	unsigned long seen = 0;

	if (tally == NULL)
		return 1;
	while (!atomic_load(&shared->over) || seen == 0) {
		seen += list(tally)->count;
		if (list(tally)->torn > 0)
			return 2;
	}
	return 0;
}

static void
records_are_whole_while_many_write(void **state)
{
	struct tally *tally = open_tally();
	const struct listed *all;
	pid_t reader;

	(void)state;
	atomic_store(&shared->gate, 1);
	reader = start_child(read_until_over);
	run_children(PROCESSES, refuse_many);
	atomic_store(&shared->over, true);
	assert_int_equal(end_of_child(reader), 0);
	assert_int_equal(tally_refusal_count(tally), PROCESSES * EACH);
	all = list(tally);
	assert_int_equal(all->torn, 0);
	/* One whose writer was held up for a whole round is missing. */
	assert_in_range(all->count, TALLY_REFUSALS - 3 * PROCESSES, TALLY_REFUSALS);
	tally_close(tally);
}

static int
refuse_same_many(void)
{
	struct tally_refusal record = record_of(5);
	struct tally *tally = child_tally();
	int i;

	if (tally == NULL)
		return 1;
	for (i = 0; i < 10 * EACH; i++)
		tally_refuse(tally, &record);
	return 0;
}

static void
same_one_from_many_processes_is_counted_exactly(void **state)
{
	struct tally *tally = open_tally();
	const struct listed *all;
	uint64_t sum = 0;
	unsigned i;

	(void)state;
	run_children(PROCESSES, refuse_same_many);
	all = list(tally);
	for (i = 0; i < all->count; i++)
		sum += all->records[i].repeated;
	assert_int_equal(sum, 10 * PROCESSES * EACH);
	assert_int_equal(tally_refusal_count(tally), 10 * PROCESSES * EACH);
	/* Some begin one of their own while another is being written; far from all. */
	assert_in_range(all->count, 1, TALLY_REFUSALS / 2);
	tally_close(tally);
}

static int
refuse_for_ever(void)
{
	struct tally *tally = child_tally();

	while (tally != NULL)
		refuse_number(tally, (uint32_t)atomic_fetch_add(&shared->number, 20000));
	return 1;
}

/* And say how many. */
static int
refuse_and_say(void)
{
	struct tally *tally = child_tally();

	while (tally != NULL) {
		refuse_number(tally, (uint32_t)atomic_fetch_add(&shared->number, 20000));
		atomic_fetch_add(&shared->granted, 1);
	}
	return 1;
}

static void
wait_for_more(const struct tally *tally, uint64_t more)
{
	uint64_t begin = tally_refusal_count(tally);

	while (tally_refusal_count(tally) < begin + more)
		sched_yield();
}

static void
writers_that_are_killed_block_nobody(void **state)
{
	enum { KILLS = 300 };
	struct tally *tally = open_tally();
	const struct listed *all;
	pid_t reader, writer, steady;
	uint32_t i;
	int status;

	(void)state;
	atomic_store(&shared->gate, 1);
	reader = start_child(read_until_over);
	steady = start_child(refuse_for_ever);
	for (i = 0; i < KILLS; i++) {
		atomic_store(&shared->granted, 0);
		writer = start_child(refuse_and_say);
		while (atomic_load(&shared->granted) <= i % 50)
			sched_yield();
		kill(writer, SIGKILL);
		assert_int_equal(waitpid(writer, &status, 0), writer);
		assert_true(WIFSIGNALED(status));
	}
	kill(steady, SIGKILL);
	waitpid(steady, &status, 0);
	assert_int_equal(list(tally)->torn, 0);
	/* One slot each that was left half written, at most, and a round later none. */
	assert_in_range(list(tally)->count, TALLY_REFUSALS - KILLS - 1, TALLY_REFUSALS);
	for (i = 0; i < TALLY_REFUSALS; i++)
		refuse_number(tally, 20000 * i);
	atomic_store(&shared->over, true);
	assert_int_equal(end_of_child(reader), 0);
	all = list(tally);
	assert_int_equal(all->count, TALLY_REFUSALS);
	assert_int_equal(all->torn, 0);
	tally_close(tally);
}

static void
writer_that_wakes_a_round_later_spoils_nothing(void **state)
{
	struct tally *tally = open_tally();
	uint32_t i, round;
	pid_t writer;
	int status;

	(void)state;
	atomic_store(&shared->gate, 1);
	writer = start_child(refuse_for_ever);
	for (round = 0; round < 100; round++) {
		wait_for_more(tally, 3);
		kill(writer, SIGSTOP);
		assert_int_equal(waitpid(writer, &status, WUNTRACED), writer);
		assert_true(WIFSTOPPED(status));
		for (i = 0; i < TALLY_REFUSALS + 1; i++)
			refuse_number(tally, (uint32_t)atomic_fetch_add(&shared->number, 20000));
		assert_int_equal(list(tally)->count, TALLY_REFUSALS);
		assert_int_equal(list(tally)->torn, 0);
		kill(writer, SIGCONT);
		assert_int_equal(waitpid(writer, &status, WCONTINUED), writer);
		assert_int_equal(list(tally)->torn, 0);
	}
	kill(writer, SIGKILL);
	waitpid(writer, &status, 0);
	tally_close(tally);
}

/* Each byte of what a power loss may have left half written. */
static void
damaged_record_is_passed_over(void **state)
{
	struct tally *tally = open_tally();
	off_t size = status_of(tally_path).st_size;
	int fd = open(tally_path, O_RDWR | O_CLOEXEC);
	char *file = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct tally_refusal record = record_of(3);
	char *at;
	size_t i;

	(void)state;
	assert_true(file != MAP_FAILED);
	refuse_number(tally, 2);
	tally_refuse(tally, &record);
	at = memmem(file, (size_t)size, record.endpoint, strlen(record.endpoint));
	assert_non_null(at);
	for (i = 0; i < 65 + 46 + 96; i++) {
		at[i] ^= 1;
		assert_int_equal(list(tally)->count, 1);
		assert_int_equal(list(tally)->records[0].bytes, 2);
		at[i] ^= 1;
	}
	assert_int_equal(list(tally)->count, 2);
	munmap(file, (size_t)size);
	close(fd);
	tally_close(tally);
}

/* The kernel writes pages in any order: slots may be newer than the counter. */
static void
counter_that_was_lost_in_part_goes_on_from_the_newest_slot(void **state)
{
	const uint64_t total = 3000;
	struct tally *tally = open_tally();
	int fd = open(tally_path, O_RDWR | O_CLOEXEC);
	uint64_t head[8];
	uint32_t i;

	(void)state;
	for (i = 1; i <= total; i++)
		refuse_number(tally, i);
	assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
	for (i = 0; i < 8; i++)
		head[i] = head[i] == total ? 10 : head[i];
	assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
	close(fd);
	assert_int_equal(tally_refusal_count(tally), 10);
	for (i = 1; i <= 5; i++) {
		refuse_number(tally, 90000 + i);
		assert_int_equal(list(tally)->records[0].bytes, 90000 + i);
	}
	assert_int_equal(list(tally)->torn, 0);
	assert_in_range(list(tally)->count, 5, TALLY_REFUSALS);
	tally_close(tally);
}

/*
 * Rates
 */

static const struct rate {
	unsigned events;
	int64_t period_ms;
} rates[] = { { 1, 1 }, { 1, HOUR_MS }, { 10, 1000 }, { 7, 1000 }, { 3, 10 }, { 1000, 1 },
	{ 999, 7 }, { 30000, 60000 }, { 10000, INT64_C(3155760000000) } };

#define RATE_COUNT (sizeof rates / sizeof rates[0])

static bool
passes(struct tally *tally, const char *name, const struct rate *rate, int64_t now_ms)
{
	int64_t unused;

	return tally_rate(tally, name, rate->events, rate->period_ms, now_ms, &unused);
}

/* How many pass at this time. */
static unsigned
pass_all(struct tally *tally, const char *name, const struct rate *rate, int64_t now_ms)
{
	unsigned count = 0;

	while (passes(tally, name, rate, now_ms))
		count++;
	return count;
}

static void
as_many_as_allowed_pass_at_once_and_then_as_they_become_due(void **state)
{
	const int64_t start = 1000000;
	struct tally *tally = open_tally();
	int64_t wait, now;
	uint64_t passed, due;
	char name[16];
	size_t i;
	int more;

	(void)state;
	for (i = 0; i < RATE_COUNT; i++) {
		snprintf(name, sizeof name, "rate%zu", i);
		wait = -7;
		assert_true(
			tally_rate(tally, name, rates[i].events, rates[i].period_ms, start, &wait));
		assert_int_equal(wait, -7);
		assert_int_equal(pass_all(tally, name, &rates[i], start), rates[i].events - 1);
		passed = 0;
		now = start;
		for (more = 0; more < 200; more++) {
			/* At the time that is said, and not a millisecond before. */
			assert_false(tally_rate(
				tally, name, rates[i].events, rates[i].period_ms, now, &wait));
			assert_in_range(wait, 1, rates[i].period_ms / rates[i].events + 1);
			assert_false(passes(tally, name, &rates[i], now + wait - 1));
			now += wait;
			assert_true(passes(tally, name, &rates[i], now));
			passed += 1 + pass_all(tally, name, &rates[i], now);
			due = (uint64_t)((now - start) / rates[i].period_ms * rates[i].events +
					 (now - start) % rates[i].period_ms * rates[i].events /
						 rates[i].period_ms);
			/* A nanosecond slower each, where it does not come out even. */
			assert_in_range(passed, due - 1 - due / 1000, due);
		}
	}
	tally_close(tally);
}

static void
bucket_holds_no_more_than_its_size_however_long_nothing_comes(void **state)
{
	const struct rate rate = { 7, 1000 };
	struct tally *tally = open_tally();

	(void)state;
	assert_int_equal(pass_all(tally, "orders", &rate, 5000), 7);
	assert_int_equal(pass_all(tally, "orders", &rate, 5000 + 100 * HOUR_MS), 7);
	/* Half full. */
	assert_int_equal(pass_all(tally, "orders", &rate, 5500 + 100 * HOUR_MS), 3);
	tally_close(tally);
}

static void
endpoints_have_buckets_of_their_own(void **state)
{
	const struct rate rate = { 5, HOUR_MS };
	struct tally *tally = open_tally();

	(void)state;
	assert_int_equal(pass_all(tally, "orders", &rate, 1000), 5);
	assert_int_equal(pass_all(tally, "order", &rate, 1000), 5);
	assert_int_equal(pass_all(tally, "sredro", &rate, 1000), 5);
	assert_int_equal(pass_all(tally, "orders", &rate, 1000), 0);
	tally_close(tally);
}

static void
no_rate_and_odd_times_let_pass_or_end(void **state)
{
	const struct rate none = { 0, 1000 }, no_time = { 5, 0 }, negative = { 5, -1 };
	const struct rate largest = { UINT32_MAX, INT64_MAX }, long_one = { 2, INT64_MAX };
	struct tally *tally = open_tally();
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		assert_true(passes(tally, "a", &none, 1));
		assert_true(passes(tally, "b", &no_time, 1));
		assert_true(passes(tally, "c", &negative, 1));
		assert_true(passes(tally, "d", &largest, INT64_MAX));
	}
	assert_int_equal(pass_all(tally, "e", &long_one, INT64_MAX), 2);
	assert_int_equal(pass_all(tally, "f", &long_one, INT64_MIN), 2);
	tally_close(tally);
}

static void
endpoints_beyond_the_table_pass(void **state)
{
	const struct rate rate = { 1, HOUR_MS };
	struct tally *tally = open_tally();
	char name[32];
	int i, limited = 0;

	(void)state;
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "endpoint-%d", i);
		assert_true(passes(tally, name, &rate, 1000));
		limited += !passes(tally, name, &rate, 1000);
	}
	assert_int_equal(limited, 256);
	/* Those that have one keep it. */
	assert_false(passes(tally, "endpoint-0", &rate, 1000));
	assert_false(passes(tally, "endpoint-255", &rate, 1000));
	assert_true(passes(tally, "endpoint-256", &rate, 1000));
	tally_close(tally);
}

static int
pass_frozen(void)
{
	unsigned round = (unsigned)atomic_load(&shared->number);
	const struct rate *rate = &rates[round % RATE_COUNT];
	struct tally *tally = child_tally();
	char name[32];
	int i;

	if (tally == NULL)
		return 1;
	snprintf(name, sizeof name, "endpoint-%u", round);
	for (i = 0; i < EACH; i++)
		atomic_fetch_add(&shared->granted, passes(tally, name, rate, 77777));
	return 0;
}

static void
processes_together_pass_exactly_the_limit(void **state)
{
	unsigned round;

	(void)state;
	/* A new name each time: they also compete for its bucket. */
	for (round = 0; round < 5 * RATE_COUNT; round++) {
		atomic_store(&shared->number, round);
		atomic_store(&shared->granted, 0);
		run_children(PROCESSES, pass_frozen);
		assert_int_equal(atomic_load(&shared->granted), rates[round % RATE_COUNT].events);
	}
}

static int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const struct rate quick = { 100, 50 };

static int
pass_moving(void)
{
	struct tally *tally = child_tally();
	int64_t now;
	int i;

	if (tally == NULL)
		return 1;
	for (i = 0; i < 5 * EACH; i++) {
		now = clock_ms();
		if (i % 1000 == 0)
			sched_yield(); /* late with what it has read */
		atomic_fetch_add(&shared->granted, passes(tally, "orders", &quick, now));
	}
	return 0;
}

static void
processes_together_pass_no_more_than_time_allows(void **state)
{
	int64_t begin_ms = clock_ms(), passed_ms;
	struct tally *tally = open_tally();

	(void)state;
	run_children(PROCESSES, pass_moving);
	passed_ms = clock_ms() - begin_ms;
	assert_in_range(atomic_load(&shared->granted), quick.events,
		quick.events + (uint64_t)passed_ms * quick.events / (uint64_t)quick.period_ms);
	tally_close(tally);
}

static void
process_that_is_late_with_the_time_gives_nothing_away(void **state)
{
	const struct rate rate = { 1000, 1000 };
	struct tally *tally = open_tally();
	int i;

	(void)state;
	assert_int_equal(pass_all(tally, "orders", &rate, 50000), 1000);
	for (i = 0; i < 100; i++) {
		assert_false(passes(tally, "orders", &rate, 49500));
		assert_false(passes(tally, "orders", &rate, 50000));
	}
	assert_int_equal(pass_all(tally, "orders", &rate, 50010), 10);
	tally_close(tally);
}

static void
clock_set_back_neither_blocks_for_ever_nor_grants_more(void **state)
{
	const struct rate rate = { 10, 1000 };
	const int64_t late = 1000 * HOUR_MS, early = 5000;
	struct tally *tally = open_tally();
	int64_t wait = -1;
	unsigned i, passed = 0;

	(void)state;
	assert_int_equal(pass_all(tally, "orders", &rate, late), 10);
	assert_false(tally_rate(tally, "orders", rate.events, rate.period_ms, early, &wait));
	assert_int_equal(wait, 100);
	assert_false(passes(tally, "orders", &rate, early + 99));
	assert_int_equal(pass_all(tally, "orders", &rate, early + 100), 1);
	assert_int_equal(pass_all(tally, "orders", &rate, early + 1100), 10);
	/* By half a second, over and over: as if no time had gone by. */
	for (i = 0; i < 100; i++)
		passed += pass_all(tally, "orders", &rate, early + 1100 - 500 * (i % 2));
	assert_int_equal(passed, 0);
	/* And by less than a second it may take that second more. */
	assert_int_equal(pass_all(tally, "orders", &rate, early + 1200), 1);
	tally_close(tally);
}

static void
smaller_rate_of_a_new_configuration_holds_and_a_larger_one_does_not_wait(void **state)
{
	const struct rate hourly = { 10, HOUR_MS }, quickly = { 100, 1000 };
	struct tally *tally = open_tally();

	(void)state;
	assert_int_equal(pass_all(tally, "orders", &hourly, 1000), 10);
	assert_int_equal(pass_all(tally, "orders", &quickly, 1000), 0);
	assert_int_equal(pass_all(tally, "orders", &quickly, 1010), 1);
	assert_int_equal(pass_all(tally, "orders", &quickly, 9000), 100);
	assert_in_range(pass_all(tally, "orders", &hourly, 9000), 0, 10);
	assert_int_equal(pass_all(tally, "orders", &hourly, 9000), 0);
	tally_close(tally);
}

static int
open_after_a_start_of_the_system(void)
{
	const struct rate rate = { 3, HOUR_MS };
	struct tally *tally;
	char id[128];
	int fd;

	snprintf(id, sizeof id, "%s/boot_id", scratch);
	fd = open(id, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "another\n", 8) != 8 || close(fd) != 0 || !leave_namespace() ||
		mount(id, "/proc/sys/kernel/random/boot_id", NULL, MS_BIND, NULL) != 0)
		return SKIPPED;
	tally = child_tally();
	if (tally == NULL || tally_acknowledged(tally) != 9 || list(tally)->count != 1)
		return 1;
	if (pass_all(tally, "orders", &rate, 1000) != 3)
		return 2;
	tally_close(tally);
	/* Once. */
	return passes(child_tally(), "orders", &rate, 1000) ? 3 : 0;
}

static void
start_of_the_system_fills_the_buckets(void **state)
{
	const struct rate rate = { 3, HOUR_MS };
	struct tally *tally = open_tally();
	int status;

	(void)state;
	tally_acknowledge(tally, 9);
	refuse_number(tally, 9);
	assert_int_equal(pass_all(tally, "orders", &rate, 1000 * HOUR_MS), 3);
	tally_close(tally);
	tally = open_tally();
	assert_false(passes(tally, "orders", &rate, 1000 * HOUR_MS));
	atomic_store(&shared->gate, 1);
	status = end_of_child(start_child(open_after_a_start_of_the_system));
	tally_close(tally);
	if (status == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

/*
 * All of it
 */

static int
setup(void **state)
{
	(void)state;
	memset(shared, 0, sizeof *shared);
	snprintf(scratch, sizeof scratch, "/tmp/hookcgi-test-tally-XXXXXX");
	if (mkdtemp(scratch) == NULL)
		return -1;
	snprintf(database, sizeof database, "%s/db", scratch);
	snprintf(tally_path, sizeof tally_path, "%s-tally", database);
	snprintf(fresh_path, sizeof fresh_path, "%s-tally.new", database);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "db", "db-tally", "db-tally.new", "target",
		"boot_id" };
	char path[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
		unlink(path);
	}
	return rmdir(scratch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_is_private_fixed_in_size_and_allocated),
		TEST(what_was_counted_is_there_when_it_is_opened_again),
		TEST(without_a_tally_nothing_is_counted_and_everything_passes),
		TEST(many_that_open_it_first_at_the_same_time_have_one_file),
		TEST(file_of_zeros_or_of_nothing_is_replaced),
		TEST(link_folder_and_fifo_are_refused),
		TEST(missing_folder_is_a_reason),
		TEST(file_of_another_user_is_refused),
		TEST(what_root_makes_belongs_to_the_owner_of_the_database),
		TEST(full_disk_is_a_reason_and_nothing_worse),
		TEST(maker_that_does_not_end_is_not_waited_for),
		TEST(look_finds_what_is_there_and_makes_nothing),
		TEST(missing_events_are_known_for_good_and_said_once),
		TEST(number_that_no_store_has_given_is_damage),
		TEST(largest_number_of_all_processes_is_kept),
		TEST(refusals_come_newest_first_until_visit_says_stop),
		TEST(last_ones_are_kept_and_all_are_counted),
		TEST(same_one_again_is_counted_in_its_place),
		TEST(any_difference_is_another_one),
		TEST(count_of_repetitions_stops_at_its_end),
		TEST(text_that_does_not_end_is_cut_and_memory_behind_it_is_not_kept),
		TEST(records_are_whole_while_many_write),
		TEST(same_one_from_many_processes_is_counted_exactly),
		TEST(writers_that_are_killed_block_nobody),
		TEST(writer_that_wakes_a_round_later_spoils_nothing),
		TEST(damaged_record_is_passed_over),
		TEST(counter_that_was_lost_in_part_goes_on_from_the_newest_slot),
		TEST(as_many_as_allowed_pass_at_once_and_then_as_they_become_due),
		TEST(bucket_holds_no_more_than_its_size_however_long_nothing_comes),
		TEST(endpoints_have_buckets_of_their_own),
		TEST(no_rate_and_odd_times_let_pass_or_end),
		TEST(endpoints_beyond_the_table_pass),
		TEST(processes_together_pass_exactly_the_limit),
		TEST(processes_together_pass_no_more_than_time_allows),
		TEST(process_that_is_late_with_the_time_gives_nothing_away),
		TEST(clock_set_back_neither_blocks_for_ever_nor_grants_more),
		TEST(smaller_rate_of_a_new_configuration_holds_and_a_larger_one_does_not_wait),
		TEST(start_of_the_system_fills_the_buckets),
	};

	shared = mmap(
		NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
