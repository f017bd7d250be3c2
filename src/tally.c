/* tally.c - what all processes of one store count together, in a mapped file
 *
 * No lock is held to count: a process may be killed, or stopped for an hour,
 * between any two instructions here, and nobody waits for it.
 *
 * The file is complete before it has its name. Whoever finds none, or one of
 * another version, makes DATABASE-tally.new under flock(2) and renames it. Its
 * blocks are allocated then, since a write to a page that a full disk has no
 * room for is SIGBUS.
 *
 * Refusals are a ring. A writer draws a ticket, which names the slot, and the
 * slot's sequence says what is in it: 2t + 1 while ticket t is being written, 2t + 2
 * when it is whole. One that was killed leaves 2t + 1, readers pass over it, and
 * the next round writes over it. A writer that was stopped may wake a round
 * later and scribble into what is another's by then: so each slot has a checksum as
 * well, which also finds what a power loss left half written.
 *
 * Rates are GCRA, a token bucket in one word: the time at which the bucket is
 * full again. An endpoint's bucket is found by 64 bits of hash alone, set in one
 * step; a name beside it would need a second, and a process killed between the two
 * would leave others to wait, or to begin a second bucket.
 */
#include "tally.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "log.h"
#include "store.h"

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would be one in each process");
static_assert(sizeof(_Atomic uint64_t) == 8, "the words of the file are bare");

/* "hookcgi" and the version: raise it when anything below or struct tally_refusal changes. */
#define MAGIC UINT64_C(0x686f6f6b63676902)
#define BUCKET_COUNT 256
#define WORD_COUNT ((sizeof(struct tally_refusal) + 7) / 8)

#define SAME_MS 10000    /* one that comes again so soon is counted, not kept */
#define TICKETS_MAX 4    /* drawn for one refusal, when slots are ahead of the counter */
#define LOOKS_MAX 10     /* at what may change while we look */
#define LOCK_TRIES 200   /* for the maker's lock, */
#define LOCK_AGAIN_MS 10 /* so long apart */
#define PATH_SIZE (PATH_MAX + sizeof "-tally.new")
#define SHOWN_MAX 130 /* of a path in a reason */

#define MS_NS INT64_C(1000000)
#define LATE_NS (1000 * MS_NS) /* a process may be that late with the time it has read */
/* So that a time, a period and LATE_NS together fit into 63 bits of nanoseconds. */
#define NOW_MAX_MS INT64_C(5000000000000)    /* the year 2128 */
#define PERIOD_MAX_MS INT64_C(3200000000000) /* 101 years */

struct slot {
	_Atomic uint64_t sequence;
	_Atomic uint64_t repeated;          /* low half of the ticket, then how often; it grows */
	_Atomic uint64_t checksum;          /* of ticket and words */
	_Atomic uint64_t words[WORD_COUNT]; /* a struct tally_refusal */
};

struct bucket {
	_Atomic uint64_t name;   /* hash of the endpoint's; 0: free. Never changes again */
	_Atomic int64_t full_ns; /* when it is full again, if nothing comes */
};

struct file {
	uint64_t magic; /* these two are never written again */
	uint64_t size;
	_Atomic uint64_t boot; /* hash of the kernel's boot id: clocks begin anew with it */
	_Atomic int64_t acknowledged;
	_Atomic int64_t missing_first; /* see tally_missing(); 0: none */
	_Atomic int64_t missing_last;  /* written after it */
	_Atomic uint64_t refusals;     /* ever */
	_Atomic uint64_t next;         /* ticket */
	struct slot slots[TALLY_REFUSALS];
	struct bucket buckets[BUCKET_COUNT];
};

struct tally {
	struct file *file;
};

static uint64_t
mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

static uint64_t
hash_text(const char *text)
{
	uint64_t hash = MAGIC;

	while (*text != '\0')
		hash = mix(hash, (unsigned char)*text++);
	hash = mix(hash, 0);
	return hash != 0 ? hash : 1;
}

/*
 * The file
 */

enum look { LOOK_TALLY, LOOK_NONE, LOOK_OTHER, LOOK_REFUSED };

/* The end of a path that is too long for one line. */
static const char *
end_of(const char *path)
{
	size_t len = strlen(path);

	return len > SHOWN_MAX ? path + len - SHOWN_MAX : path;
}

static enum look
refuse(char reason[256], const char *path, const char *what)
{
	snprintf(reason, 256, "%.130s: %s", end_of(path), what);
	return LOOK_REFUSED;
}

static enum look
refuse_for_errno(char reason[256], const char *path)
{
	int error = errno;
	const char *remedy = "remove it, if it is not a file";

	if (error == ELOOP)
		return refuse(reason, path, "is a symbolic link: remove it");
	if (error == ENOENT)
		remedy = "make its folder for the user that hookcgi runs as (mode 0700)";
	else if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		remedy = "make room for half a megabyte";
	else if (error == EACCES || error == EPERM || error == EROFS)
		remedy = "let the user that hookcgi runs as write there";
	snprintf(reason, 256, "%.130s: %s: %s", end_of(path), strerror(error), remedy);
	return LOOK_REFUSED;
}

/* Another user could cut the file under our mapping, or has put it there for us to find. */
static bool
is_ours(const struct stat *status)
{
	return geteuid() == 0 || status->st_uid == geteuid();
}

static bool
is_tally(int fd, const struct stat *status)
{
	uint64_t head[2];

	return status->st_size == (off_t)sizeof(struct file) &&
	       pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && head[0] == MAGIC &&
	       head[1] == sizeof(struct file);
}

/* Open what the path names and judge it. *fd_out: only on LOOK_TALLY, the caller closes. */
static enum look
look(const char *path, int *fd_out, char reason[256])
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	enum look result = LOOK_OTHER;
	struct stat status;

	if (fd < 0 && errno == ENOENT)
		return LOOK_NONE;
	if (fd < 0 || fstat(fd, &status) != 0)
		result = refuse_for_errno(reason, path);
	else if (!S_ISREG(status.st_mode))
		result = refuse(reason, path, "is not a regular file: remove it");
	else if (!is_ours(&status))
		result = refuse(reason, path,
			"belongs to another user: remove it, or give it to the one that hookcgi "
			"runs as");
	else if (is_tally(fd, &status)) {
		*fd_out = fd;
		return LOOK_TALLY;
	}
	if (fd >= 0)
		close(fd);
	return result;
}

/* Not for longer than a maker can take: it might be stopped. */
static bool
lock(int fd)
{
	const struct timespec again = { 0, LOCK_AGAIN_MS * MS_NS };
	int tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		nanosleep(&again, NULL);
	}
	return false;
}

static bool
is_named(int fd, const char *path)
{
	struct stat opened, named;

	return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 &&
	       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* What root makes (`sudo hookcgi check`) would lock out the user whose database it is. */
static bool
give_to_owner(int fd, const char *database)
{
	struct stat status;

	return geteuid() != 0 || stat(database, &status) != 0 ||
	       fchown(fd, status.st_uid, status.st_gid) == 0;
}

/* Write an empty tally: zeros are a valid state of all but the head. */
static bool
fill(int fd, const char *database)
{
	const uint64_t head[2] = { MAGIC, sizeof(struct file) };

	if (ftruncate(fd, 0) != 0)
		return false;
	errno = posix_fallocate(fd, 0, (off_t)sizeof(struct file));
	return errno == 0 && pwrite(fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
	       give_to_owner(fd, database);
}

/*
 * With fd, which fresh names, locked: put a tally where path is. The name `fresh` is only
 * taken away by whoever has the lock on what it names, and so is what `path` names.
 */
static bool
put_in_place(int fd, const char *fresh, const char *path, const char *database, char reason[256])
{
	int made = -1;
	bool done = true;

	switch (look(path, &made, reason)) {
	case LOOK_TALLY: close(made); break;
	case LOOK_REFUSED: done = false; break;
	case LOOK_NONE:
	case LOOK_OTHER:
		if (fill(fd, database) && rename(fresh, path) == 0)
			return true;
		refuse_for_errno(reason, fresh);
		done = false;
		break;
	}
	unlink(fresh);
	return done;
}

/* true: look again, somebody has made it. What a maker left that was killed is used again. */
static bool
make(const char *path, const char *database, char reason[256])
{
	char fresh[PATH_SIZE];
	struct stat status;
	bool done = false;
	int fd;

	snprintf(fresh, sizeof fresh, "%s-tally.new", database);
	fd = open(fresh, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0 || fstat(fd, &status) != 0)
		refuse_for_errno(reason, fresh);
	else if (!S_ISREG(status.st_mode) || status.st_nlink > 1 || !is_ours(&status))
		refuse(reason, fresh, "is in the way: remove it");
	else if (!lock(fd))
		refuse(reason, fresh, "another process is making it and does not come to an end");
	else
		done = !is_named(fd, fresh) || put_in_place(fd, fresh, path, database, reason);
	if (fd >= 0)
		close(fd);
	return done;
}

/*
 * Fill the buckets when the system was started since: CLOCK_MONOTONIC is less than
 * it was, and would have the first request of each endpoint refused.
 */
static void
notice_boot(struct file *file)
{
	char id[64];
	ssize_t n = -1;
	uint64_t boot, before = atomic_load(&file->boot);
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	size_t i;

	if (fd >= 0) {
		n = read(fd, id, sizeof id - 1);
		close(fd);
	}
	if (n <= 0)
		return;
	id[n] = '\0';
	boot = hash_text(id);
	if (boot == before || !atomic_compare_exchange_strong(&file->boot, &before, boot))
		return;
	for (i = 0; before != 0 && i < BUCKET_COUNT; i++)
		atomic_store(&file->buckets[i].full_ns, 0);
}

/* false: it is too long. */
static bool
make_path(const char *database, char path[PATH_SIZE], char reason[256])
{
	if (strlen(database) >= PATH_MAX) {
		snprintf(reason, 256, "the path of the store is too long: shorten it");
		return false;
	}
	snprintf(path, PATH_SIZE, "%s-tally", database);
	return true;
}

/* Closes fd. */
static struct tally *
map(int fd, const char *path, char reason[256])
{
	void *mapped = mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct tally *tally;

	if (mapped == MAP_FAILED) {
		snprintf(reason, 256,
			"%.130s: it cannot be mapped: %s: put the store on a local disk",
			end_of(path), strerror(errno));
		close(fd);
		return NULL;
	}
	close(fd);
	tally = xmalloc(sizeof *tally);
	tally->file = mapped;
	notice_boot(tally->file);
	return tally;
}

struct tally *
tally_find(const char *database, char reason_out[256])
{
	char path[PATH_SIZE];
	int fd = -1;

	reason_out[0] = '\0';
	if (!make_path(database, path, reason_out) || look(path, &fd, reason_out) != LOOK_TALLY)
		return NULL;
	return map(fd, path, reason_out);
}

struct tally *
tally_open(const char *database, char reason_out[256])
{
	char path[PATH_SIZE];
	enum look found;
	int fd = -1, looks = 0;

	if (!make_path(database, path, reason_out))
		return NULL;
	while ((found = look(path, &fd, reason_out)) == LOOK_NONE || found == LOOK_OTHER) {
		if (looks++ == LOOKS_MAX)
			refuse(reason_out, path, "something removes it again and again");
		else if (make(path, database, reason_out))
			continue;
		return NULL;
	}
	return found == LOOK_TALLY ? map(fd, path, reason_out) : NULL;
}

void
tally_close(struct tally *tally)
{
	if (tally == NULL)
		return;
	munmap(tally->file, sizeof *tally->file);
	free(tally);
}

/*
 * Acknowledged events
 */

static bool
is_number(int64_t id)
{
	return id >= 0 && id <= STORE_NUMBER_MAX;
}

/* false: it was as large. */
static bool
raise(_Atomic int64_t *number, int64_t id)
{
	int64_t before = atomic_load(number);

	while (before < id || !is_number(before)) {
		if (atomic_compare_exchange_weak(number, &before, id))
			return true;
	}
	return false;
}

void
tally_acknowledge(struct tally *tally, int64_t id)
{
	if (tally != NULL)
		raise(&tally->file->acknowledged, id);
}

int64_t
tally_acknowledged(const struct tally *tally)
{
	int64_t id = tally != NULL ? atomic_load(&tally->file->acknowledged) : 0;

	return is_number(id) ? id : 0;
}

static struct tally_gap
kept_gap(const struct tally *tally)
{
	struct tally_gap gap = { 0, 0 };

	if (tally == NULL)
		return gap;
	gap.last = atomic_load(&tally->file->missing_last);
	gap.first = atomic_load(&tally->file->missing_first);
	if (gap.first < 1 || gap.last < gap.first || !is_number(gap.last))
		gap = (struct tally_gap){ 0, 0 };
	return gap;
}

struct tally_gap
tally_missing(const struct tally *tally, int64_t acknowledged, int64_t stored)
{
	struct tally_gap gap = kept_gap(tally);

	if (acknowledged <= stored)
		return gap;
	if (gap.first == 0 || gap.first > stored + 1)
		gap.first = stored + 1;
	if (gap.last < acknowledged)
		gap.last = acknowledged;
	return gap;
}

void
tally_lose(struct tally *tally, const char *database, int64_t acknowledged, int64_t stored)
{
	struct tally_gap kept = kept_gap(tally), gap = tally_missing(tally, acknowledged, stored);
	int64_t before;

	if (tally == NULL || (gap.first == kept.first && gap.last == kept.last))
		return;
	before = atomic_load(&tally->file->missing_first);
	while ((before < 1 || before > gap.first) &&
		!atomic_compare_exchange_weak(&tally->file->missing_first, &before, gap.first))
		continue;
	raise(&tally->file->missing_last, gap.last);
	log_message(LOG_LEVEL_ERROR, "store",
		"%s: the events %lld to %lld were acknowledged and are missing: it was damaged or "
		"replaced by an older copy; new ones get larger numbers, see hookcgi stats",
		database, (long long)stored + 1, (long long)acknowledged);
}

/*
 * Refusals
 */

/* Without what is behind the NULs, so that no memory of ours gets into the file. */
static void
text_keep(char *to, const char *from, size_t size)
{
	memcpy(to, from, strnlen(from, size - 1));
}

static uint64_t
checksum_of(uint64_t ticket, const uint64_t words[WORD_COUNT])
{
	uint64_t sum = mix(MAGIC, ticket);
	size_t i;

	for (i = 0; i < WORD_COUNT; i++)
		sum = mix(sum, words[i]);
	return sum;
}

/* The slot for this ticket. false: a later one has it. */
static bool
slot_claim(struct slot *slot, uint64_t ticket)
{
	uint64_t before = atomic_load(&slot->sequence);

	do {
		if (before >= 2 * ticket + 1)
			return false;
	} while (!atomic_compare_exchange_weak(&slot->sequence, &before, 2 * ticket + 1));
	return true;
}

static void
slot_write(struct slot *slot, uint64_t ticket, const struct tally_refusal *refusal)
{
	uint64_t words[WORD_COUNT] = { 0 }, writing = 2 * ticket + 1;
	size_t i;

	memcpy(words, refusal, sizeof *refusal);
	/* Nobody sees a new word with the old sequence. */
	atomic_thread_fence(memory_order_release);
	for (i = 0; i < WORD_COUNT; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&slot->checksum, checksum_of(ticket, words), memory_order_relaxed);
	atomic_store_explicit(
		&slot->repeated, ticket << 32 | refusal->repeated, memory_order_relaxed);
	/* Unless a later ticket has come in the meantime. */
	atomic_compare_exchange_strong(&slot->sequence, &writing, writing + 1);
}

/* false: it is not whole, or not of this ticket. */
static bool
slot_read(struct slot *slot, uint64_t ticket, struct tally_refusal *out)
{
	uint64_t words[WORD_COUNT], checksum, repeated;
	size_t i;

	if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != 2 * ticket + 2)
		return false;
	for (i = 0; i < WORD_COUNT; i++)
		words[i] = atomic_load_explicit(&slot->words[i], memory_order_relaxed);
	checksum = atomic_load_explicit(&slot->checksum, memory_order_relaxed);
	repeated = atomic_load_explicit(&slot->repeated, memory_order_relaxed);
	/* Whoever saw a new word sees the new sequence now. */
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != 2 * ticket + 2 ||
		checksum != checksum_of(ticket, words))
		return false;
	memcpy(out, words, sizeof *out);
	if (repeated >> 32 == (uint32_t)ticket)
		out->repeated = (uint32_t)repeated;
	/* Nothing else does what a file says without looking. */
	out->endpoint[sizeof out->endpoint - 1] = '\0';
	out->remote[sizeof out->remote - 1] = '\0';
	out->reason[sizeof out->reason - 1] = '\0';
	return true;
}

static bool
is_same(const struct tally_refusal *a, const struct tally_refusal *b)
{
	return a->status == b->status && a->at_ms > b->at_ms - SAME_MS &&
	       a->at_ms < b->at_ms + SAME_MS && strcmp(a->endpoint, b->endpoint) == 0 &&
	       strcmp(a->remote, b->remote) == 0 && strcmp(a->reason, b->reason) == 0;
}

/* false: the newest one is another, or not whole yet. */
static bool
count_up(struct file *file, const struct tally_refusal *refusal)
{
	uint64_t next = atomic_load(&file->next), ticket = next - 1, before, after;
	struct slot *slot = &file->slots[ticket % TALLY_REFUSALS];
	struct tally_refusal newest;

	if (next == 0 || !slot_read(slot, ticket, &newest) || !is_same(refusal, &newest))
		return false;
	before = atomic_load(&slot->repeated);
	do {
		if (before >> 32 != (uint32_t)ticket)
			return false;
		after = before + refusal->repeated;
		if (after >> 32 != before >> 32)
			after = before | UINT32_MAX;
	} while (!atomic_compare_exchange_weak(&slot->repeated, &before, after));
	return true;
}

/*
 * No ticket up to the newest that any slot has seen is drawn again: after a power loss the
 * counter may be older than the slots, and they would refuse what it gives out.
 */
static void
counter_catch_up(struct file *file)
{
	uint64_t at_least = 0, before;
	size_t i;

	for (i = 0; i < TALLY_REFUSALS; i++) {
		before = atomic_load(&file->slots[i].sequence);
		before = before / 2 + before % 2;
		if (at_least < before)
			at_least = before;
	}
	before = atomic_load(&file->next);
	while (before < at_least && !atomic_compare_exchange_weak(&file->next, &before, at_least))
		continue;
}

static void
add(struct file *file, const struct tally_refusal *refusal)
{
	uint64_t ticket;
	struct slot *slot;
	int tries;

	for (tries = 0; tries < TICKETS_MAX; tries++) {
		ticket = atomic_fetch_add(&file->next, 1);
		slot = &file->slots[ticket % TALLY_REFUSALS];
		if (slot_claim(slot, ticket)) {
			slot_write(slot, ticket, refusal);
			return;
		}
		counter_catch_up(file); /* or we were stopped for a whole round */
	}
}

void
tally_refuse(struct tally *tally, const struct tally_refusal *refusal)
{
	struct tally_refusal kept;

	if (tally == NULL)
		return;
	memset(&kept, 0, sizeof kept); /* its padding too */
	kept.at_ms = refusal->at_ms;
	kept.status = refusal->status;
	kept.repeated = refusal->repeated > 0 ? refusal->repeated : 1;
	kept.bytes = refusal->bytes;
	text_keep(kept.endpoint, refusal->endpoint, sizeof kept.endpoint);
	text_keep(kept.remote, refusal->remote, sizeof kept.remote);
	text_keep(kept.reason, refusal->reason, sizeof kept.reason);
	atomic_fetch_add(&tally->file->refusals, kept.repeated);
	if (!count_up(tally->file, &kept))
		add(tally->file, &kept);
}

void
tally_refusals(const struct tally *tally, tally_refusal_visit *visit, void *context)
{
	struct tally_refusal refusal;
	uint64_t next, back;

	if (tally == NULL)
		return;
	next = atomic_load(&tally->file->next);
	for (back = 1; back <= TALLY_REFUSALS && back <= next; back++) {
		if (slot_read(&tally->file->slots[(next - back) % TALLY_REFUSALS], next - back,
			    &refusal) &&
			!visit(context, &refusal))
			return;
	}
}

uint64_t
tally_refusal_count(const struct tally *tally)
{
	return tally != NULL ? atomic_load(&tally->file->refusals) : 0;
}

/*
 * Rates
 */

/* The bucket of that name, taken where there is none yet, and never given back, so all processes
 * find the same. NULL: all are taken. */
static struct bucket *
bucket_of(struct file *file, const char *endpoint)
{
	uint64_t name = hash_text(endpoint), before;
	struct bucket *bucket;
	size_t i;

	for (i = 0; i < BUCKET_COUNT; i++) {
		bucket = &file->buckets[(name + i) % BUCKET_COUNT];
		before = atomic_load(&bucket->name);
		if (before == 0 && atomic_compare_exchange_strong(&bucket->name, &before, name))
			return bucket;
		if (before == name)
			return bucket;
	}
	return NULL;
}

static int64_t
clamp(int64_t value, int64_t min, int64_t max)
{
	return value < min ? min : value > max ? max : value;
}

bool
tally_rate(struct tally *tally, const char *endpoint, unsigned events, int64_t period_ms,
	int64_t now_ms, int64_t *retry_after_ms_out)
{
	int64_t now = clamp(now_ms, 0, NOW_MAX_MS) * MS_NS;
	int64_t period = clamp(period_ms, 0, PERIOD_MAX_MS) * MS_NS;
	int64_t one, all, before, after;
	struct bucket *bucket;
	bool passes;

	if (tally == NULL || events == 0 || period == 0 ||
		(bucket = bucket_of(tally->file, endpoint)) == NULL)
		return true;
	/* Rounded up, and the bucket to as many of them: never more than `events` at once,
	 * nor faster. */
	one = (period + events - 1) / events;
	all = one * events;
	before = atomic_load(&bucket->full_ns);
	do {
		after = before > now ? before : now;
		/*
		 * Further ahead than any request can have put it: the clock was set back, or
		 * the rate was changed. Empty, then, and filling from now on. A little ahead
		 * is another process that read the clock after us: to believe our older
		 * time would give away what lies between.
		 */
		if (after > now + all + LATE_NS)
			after = now + all;
		passes = after - now + one <= all;
		if (passes)
			after += one;
	} while (
		after != before && !atomic_compare_exchange_weak(&bucket->full_ns, &before, after));
	if (!passes)
		*retry_after_ms_out = (after - now + one - all + MS_NS - 1) / MS_NS;
	return passes;
}
