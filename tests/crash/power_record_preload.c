/* power_record_preload.c - write down, in one order, all that changes a folder on disk
 *
 * For the power loss tests. Preloaded into the program; each thread of each process appends to one mapped
 * file, $POWER_LOG, under one lock that is held over the call itself: so the order of the records is the
 * order in which the kernel had the calls. Recorded is what happens to files under $POWER_ROOT, and each
 * answer 200 with the number of its event ("acknowledged"), before it is sent.
 *
 * A sync has two records: what was written before the first is on disk after the second. Between them
 * the lock is free and $POWER_SYNC_US passes, as on a real disk; without that a group
 * commit has no group.
 *
 * Whether a descriptor is one of ours is asked by fstat(2) each time, and never remembered: descriptors are
 * closed by vfork children, by close_range(2) and inside of libc.
 *
 * What is written through a mapping is not seen: SQLite's -shm and the tally. The replayer has them as a
 * power loss may leave them, in any state. It also compares what it has in the end with the
 * files as they are, so a call that is missing here is found.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The same in power_replay.c, and count is read by power.py. */
#define LOG_MAGIC UINT64_C(0x31676f6c72776f70)
#define LOG_RECORDS 8192 /* where they begin */
enum record_kind {
	RECORD_CREATE = 1, /* path; a: is it a folder */
	RECORD_UNLINK,     /* path */
	RECORD_RENAME,     /* path, NUL, new path */
	RECORD_WRITE,      /* data; a: offset */
	RECORD_TRUNCATE,   /* a: size */
	RECORD_ALLOCATE,   /* a: size at least */
	RECORD_SYNC_BEGIN,
	RECORD_SYNC_END, /* a: number of the record that began it */
	RECORD_ANSWER,   /* a: number of the event */
};
struct record {
	uint32_t kind, len; /* of what follows, which is padded to 8 */
	uint64_t inode;
	uint64_t a;
};
struct log_head {
	uint64_t magic;
	uint64_t count; /* records */
	uint64_t used;  /* bytes of the file */
	uint64_t root;  /* inode of $POWER_ROOT */
	uint64_t device;
	uint64_t inode_count;
	uint64_t inodes[512]; /* of ours, folders too */
	pthread_mutex_t lock;
};
_Static_assert(sizeof(struct log_head) <= LOG_RECORDS, "records begin behind it");

#define LOG_SIZE ((size_t)1 << 30) /* sparse */

static struct log_head *head; /* NULL: nothing is recorded */
static const char *root;
static size_t root_len;
static long sync_us;

static void __attribute__((noreturn)) give_up(const char *what)
{
	fprintf(stderr, "power_record: %s: %s\n", what, strerror(errno));
	abort();
}

#define NEXT(name)                                                               \
	static __typeof__(name) *next;                                           \
	if (next == NULL && (*(void **)&next = dlsym(RTLD_NEXT, #name)) == NULL) \
	give_up(#name)

/*
 * The log
 */

static void
hold(void)
{
	if (pthread_mutex_lock(&head->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&head->lock);
}

static void
let_go(void)
{
	pthread_mutex_unlock(&head->lock);
}

/* Make the log whole, once, whoever comes first. */
static void
begin_log(void)
{
	pthread_mutexattr_t shared;
	struct stat status;
	if (stat(root, &status) != 0)
		give_up(root);
	head->count = 0;
	head->used = LOG_RECORDS;
	head->root = status.st_ino;
	head->device = status.st_dev;
	head->inodes[head->inode_count++] = status.st_ino;
	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&head->lock, &shared);
	head->magic = LOG_MAGIC;
}

static void __attribute__((constructor)) open_log(void)
{
	const char *path = getenv("POWER_LOG");
	const char *pause = getenv("POWER_SYNC_US");
	root = getenv("POWER_ROOT");
	if (path == NULL || root == NULL)
		return;
	root_len = strlen(root);
	sync_us = pause != NULL ? strtol(pause, NULL, 10) : 0;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) != 0 || ftruncate(fd, LOG_SIZE) != 0)
		give_up(path);
	void *mapped = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		give_up(path);
	head = mapped;
	if (head->magic != LOG_MAGIC)
		begin_log();
	flock(fd, LOCK_UN); /* the mapping would keep it */
	close(fd);
}

/* With the lock. Returns the number of the record. */
static uint64_t
append(enum record_kind kind, uint64_t inode, uint64_t a, const struct iovec *data, int parts,
	size_t len)
{
	char *at = (char *)head + head->used;
	struct record record = { kind, (uint32_t)len, inode, a };
	if (head->used + sizeof record + len + 8 > LOG_SIZE) {
		errno = ENOSPC;
		give_up("the log is full");
	}
	memcpy(at, &record, sizeof record);
	at += sizeof record;
	for (int i = 0; i < parts && len > 0; i++) {
		size_t part = data[i].iov_len < len ? data[i].iov_len : len;
		memcpy(at, data[i].iov_base, part);
		at += part;
		len -= part;
	}
	head->used += sizeof record + ((record.len + 7) & ~(size_t)7);
	return head->count++;
}

static void
append_text(enum record_kind kind, uint64_t inode, uint64_t a, const char *text, size_t len)
{
	const struct iovec data = { (void *)text, len };
	append(kind, inode, a, &data, 1, len);
}

/*
 * What is ours
 */

/* The path as of the root, NULL: outside. Only absolute ones are looked at: SQLite and the store have no
 * other. */
static const char *
inside(const char *path)
{
	if (head == NULL || path == NULL || strncmp(path, root, root_len) != 0 ||
		path[root_len] != '/')
		return NULL;
	return path + root_len + 1;
}

static bool
is_ours(const struct stat *status)
{
	if (status->st_dev != head->device)
		return false;
	for (size_t i = 0; i < head->inode_count; i++) {
		if (head->inodes[i] == status->st_ino)
			return true;
	}
	return false;
}

/* The inode of a file of ours that is open, 0: something else. */
static uint64_t
file_of(int fd)
{
	struct stat status;
	int error = errno;
	uint64_t inode = 0;
	if (head != NULL && fstat(fd, &status) == 0 &&
		(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) && is_ours(&status))
		inode = status.st_ino;
	errno = error;
	return inode;
}

/* With the lock: this path has just come to be. */
static void
note_made(const char *path)
{
	struct stat status;
	int error = errno;
	if (lstat(path, &status) == 0) {
		if (head->inode_count == sizeof head->inodes / sizeof *head->inodes)
			give_up("too many files");
		head->inodes[head->inode_count++] = status.st_ino;
		append_text(RECORD_CREATE, status.st_ino, S_ISDIR(status.st_mode), inside(path),
			strlen(inside(path)));
	}
	errno = error;
}

/* With the lock. Its number may be given to a file of somebody else. */
static void
forget(uint64_t inode)
{
	for (size_t i = 0; i < head->inode_count; i++) {
		if (head->inodes[i] == inode)
			head->inodes[i] = head->inodes[--head->inode_count];
	}
}

/*
 * Names
 */

static bool
is_there(const char *path)
{
	struct stat status;
	int error = errno;
	bool there = lstat(path, &status) == 0;
	errno = error;
	return there;
}

typedef int open_function(const char *, int, ...);

static int
open_noted(open_function *next, const char *path, int flags, mode_t mode)
{
	if (inside(path) == NULL || (flags & (O_CREAT | O_TRUNC)) == 0)
		return next(path, flags, mode);
	hold();
	bool there = is_there(path);
	int fd = next(path, flags, mode);
	if (fd >= 0 && !there)
		note_made(path);
	else if (fd >= 0 && (flags & O_TRUNC))
		append(RECORD_TRUNCATE, file_of(fd), 0, NULL, 0, 0);
	let_go();
	return fd;
}

#define MODE_OF(flags, mode)                 \
	mode_t mode = 0;                     \
	if ((flags)&O_CREAT) {               \
		va_list list;                \
		va_start(list, flags);       \
		mode = va_arg(list, mode_t); \
		va_end(list);                \
	}

int
open(const char *path, int flags, ...)
{
	NEXT(open);
	MODE_OF(flags, mode)
	return open_noted(next, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	NEXT(open64);
	MODE_OF(flags, mode)
	return open_noted(next, path, flags, mode);
}

int
mkdir(const char *path, mode_t mode)
{
	NEXT(mkdir);
	if (inside(path) == NULL)
		return next(path, mode);
	hold();
	int result = next(path, mode);
	if (result == 0)
		note_made(path);
	let_go();
	return result;
}

int
mknod(const char *path, mode_t mode, dev_t device)
{
	NEXT(mknod);
	if (inside(path) == NULL)
		return next(path, mode, device);
	hold();
	int result = next(path, mode, device);
	if (result == 0)
		note_made(path);
	let_go();
	return result;
}

int
unlink(const char *path)
{
	NEXT(unlink);
	struct stat status;
	if (inside(path) == NULL)
		return next(path);
	hold();
	if (lstat(path, &status) != 0)
		status.st_ino = 0;
	int result = next(path);
	if (result == 0) {
		append_text(RECORD_UNLINK, 0, 0, inside(path), strlen(inside(path)));
		forget(status.st_ino);
	}
	let_go();
	return result;
}

int
rename(const char *from, const char *to)
{
	NEXT(rename);
	if (inside(from) == NULL || inside(to) == NULL)
		return next(from, to);
	char both[8192];
	int len = snprintf(both, sizeof both, "%s%c%s", inside(from), 0, inside(to));
	hold();
	int result = next(from, to);
	if (result == 0)
		append_text(RECORD_RENAME, 0, 0, both, (size_t)len);
	let_go();
	return result;
}

/*
 * Contents
 */

typedef ssize_t pwrite_function(int, const void *, size_t, off_t);

static ssize_t
pwrite_noted(pwrite_function *next, int fd, const void *data, size_t len, off_t offset)
{
	uint64_t inode = file_of(fd);
	if (inode == 0)
		return next(fd, data, len, offset);
	hold();
	ssize_t done = next(fd, data, len, offset);
	const struct iovec part = { (void *)data, len };
	if (done > 0)
		append(RECORD_WRITE, inode, (uint64_t)offset, &part, 1, (size_t)done);
	let_go();
	return done;
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	NEXT(pwrite);
	return pwrite_noted(next, fd, data, len, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off_t offset)
{
	NEXT(pwrite64);
	return pwrite_noted(next, fd, data, len, offset);
}

typedef int ftruncate_function(int, off_t);

static int
ftruncate_noted(ftruncate_function *next, int fd, off_t size)
{
	uint64_t inode = file_of(fd);
	if (inode == 0)
		return next(fd, size);
	hold();
	int result = next(fd, size);
	if (result == 0)
		append(RECORD_TRUNCATE, inode, (uint64_t)size, NULL, 0, 0);
	let_go();
	return result;
}

int
ftruncate(int fd, off_t size)
{
	NEXT(ftruncate);
	return ftruncate_noted(next, fd, size);
}

int
ftruncate64(int fd, off_t size)
{
	NEXT(ftruncate64);
	return ftruncate_noted(next, fd, size);
}

int
posix_fallocate(int fd, off_t offset, off_t len)
{
	NEXT(posix_fallocate);
	uint64_t inode = file_of(fd);
	if (inode == 0)
		return next(fd, offset, len);
	hold();
	int result = next(fd, offset, len);
	if (result == 0)
		append(RECORD_ALLOCATE, inode, (uint64_t)(offset + len), NULL, 0, 0);
	let_go();
	return result;
}

static int
sync_noted(int (*next)(int), int fd)
{
	uint64_t inode = file_of(fd);
	const struct timespec pause = { 0, sync_us * 1000 };
	if (inode == 0)
		return next(fd);
	hold();
	uint64_t begun = append(RECORD_SYNC_BEGIN, inode, 0, NULL, 0, 0);
	let_go();
	int result = next(fd);
	int error = errno;
	nanosleep(&pause, NULL);
	hold();
	if (result == 0)
		append(RECORD_SYNC_END, inode, begun, NULL, 0, 0);
	let_go();
	errno = error;
	return result;
}

int
fsync(int fd)
{
	NEXT(fsync);
	return sync_noted(next, fd);
}

int
fdatasync(int fd)
{
	NEXT(fdatasync);
	return sync_noted(next, fd);
}

/*
 * Answers, and the other ways to write
 */

/* Is it an answer 200 that names an event? All answers are sent as one piece. */
static void
note_answer(const struct iovec *parts, int count)
{
	char text[4096];
	size_t len = 0;
	for (int i = 0; i < count; i++) {
		size_t part = sizeof text - 1 - len;
		if (parts[i].iov_len < part)
			part = parts[i].iov_len;
		memcpy(text + len, parts[i].iov_base, part);
		len += part;
	}
	text[len] = '\0';
	const char *status = memmem(text, len, "Status: 200", 11);
	const char *id =
		status != NULL ? memmem(status, len - (size_t)(status - text), "\"id\":", 5) : NULL;
	if (id == NULL)
		return;
	hold();
	append(RECORD_ANSWER, 0, strtoull(id + 5, NULL, 10), NULL, 0, 0);
	let_go();
}

ssize_t
write(int fd, const void *data, size_t len)
{
	NEXT(write);
	const struct iovec part = { (void *)data, len };
	uint64_t inode = file_of(fd);
	if (head != NULL && inode == 0)
		note_answer(&part, 1);
	if (inode == 0)
		return next(fd, data, len);
	hold();
	off_t offset = lseek(fd, 0, SEEK_CUR);
	ssize_t done = next(fd, data, len);
	if (done > 0)
		append(RECORD_WRITE, inode, (uint64_t)offset, &part, 1, (size_t)done);
	let_go();
	return done;
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	NEXT(writev);
	if (head != NULL)
		note_answer(parts, count);
	return next(fd, parts, count);
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	NEXT(send);
	const struct iovec part = { (void *)data, len };
	if (head != NULL)
		note_answer(&part, 1);
	return next(fd, data, len, flags);
}
