/* store_vfs.c - the frames of a commit gathered into one write, and a log copied in small portions of many pages
 * (a VFS on top of the default one)
 *
 * SQLite writes a frame of the write-ahead log as its header (24 bytes) and its page, one pwrite(2)
 * each. Here frames that follow each other are held in memory, until the one that commits: its header
 * says so, and with its page all that is held is written, before that xWrite returns.
 *
 * Why that is safe. wal.c is that of SQLite 3.40; the format of the log and the numbers of the locks
 * are documented (fileformat2.html#walformat, walformat.html) and cannot change.
 *
 * - No committed frame is ever held. sqlite3WalFrames() writes the frame with the commit mark after
 *   all others (the last of its list is always appended, never written in place), and only then
 *   syncs, enters the frames in the wal-index and publishes them, walIndexWriteHdr(). With
 *   synchronous=OFF or NORMAL there is no sync between; the one call that there always is,
 *   xShmBarrier, has no result, so an error of the disk would be lost there, and a commit that is
 *   not in the log be acknowledged. So not the sync but the mark is what flushes; the error is
 *   then that of an xWrite, as without us.
 * - Nobody misses what is held. Frames that a full cache spills before the commit are in the wal-index,
 *   but above the mxFrame that it publishes, up to which other connections and checkpoints read.
 *   Their own connection reads them back through this file: whatever looks at the log flushes first.
 * - Nobody else changes the log meanwhile. Bytes are held only between xShmLock() of the write lock and
 *   its unlock: writers, a log that begins anew, a checkpoint that truncates it, and recovery all need
 *   that lock. At the unlock what is left is of a transaction that was rolled back,
 *   and is dropped: written later, it would overwrite what others have committed there.
 *   With locking_mode=EXCLUSIVE there are no such locks, and nothing is gathered.
 * - A failed write fails the transaction. For frames that a spill left here, sqlite3WalFrames() has
 *   returned SQLITE_OK already; when their write fails later, in an xRead say, SQLite may roll back
 *   one statement only (SQLITE_FULL) and go on. So the error stays until the unlock, and a commit in
 *   between fails. The write is not tried again.
 * - A forked child writes nothing of what its parent holds. SQLite forbids it to use the connection, but
 *   even to close one reads the log, when a transaction is open.
 *
 * A checkpoint reads a page from the log and writes it to the database, one pread(2) and one pwrite(2) each, in the
 * order of the pages. Many follow each other: those that the database grows by. Here, where a copy is gentle, the
 * log is read ahead, and pages that follow each other are held and written at once. Why that is safe:
 *
 * - What is read ahead is never old. It is used only between xShmLock() of the lock for checkpoints and its unlock,
 *   for frames that were committed when the checkpoint began. Those change only in a log that begins anew, which
 *   waits until all of them were copied. That is known after the last one was read, or was so before the checkpoint
 *   began: see below.
 * - No write's error is lost. It is returned by the next call that there is, and the copy fails. After its last page
 *   there need not be one whose result SQLite obeys: where others have committed meanwhile it does not sync, and
 *   SQLITE_FCNTL_CKPT_DONE has no result. So the last page is never held. It is known: SQLite says with
 *   SQLITE_FCNTL_SIZE_HINT what the database grows to, and the page at the end of that is in the log. Without a hint,
 *   or when a reader keeps the checkpoint from copying all of the log, nothing is held.
 * - Were it not so after all, what is held at SQLITE_FCNTL_CKPT_DONE is written there, and when that fails the
 *   process ends: to be killed at any point loses nothing, and what SQLite would publish next does.
 * - Nobody looks for the pages in the database before they are there: those of the log are hidden only when it is
 *   published that they were copied, after the last write.
 *
 * A log that begins anew beside a checkpoint: a fault of SQLite's up to 3.51.2 (wal.html, "the WAL-reset bug"), which
 * Debian 12 has. Where all was copied, a checkpoint that has looked at the log's header, and not yet taken
 * the lock of those who read only the database, does not keep a writer from beginning the log anew; then it takes
 * the old number of frames for the new log's, copies what there is, and publishes that so many are copied: the next
 * commits are hidden, and lost when the log begins anew once more. That lock of all is what a writer needs
 * to begin anew. So when it is taken, and the log has other salts than when the lock for checkpoints was,
 * we say that it is busy, and SQLite copies nothing.
 *
 * The three kinds of writes to a log have sizes of their own: its header (32 bytes, at its
 * beginning), frame headers (24), pages (512 at least). Where SQLite pads commits to whole sectors it
 * cuts frames at any place; there nothing is gathered, see attach().
 */
#include "store_vfs.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#define FRAME_HEADER 24
#define HELD_MIN ((size_t)16 * 1024)
#define HELD_MAX ((size_t)0x1ffff)  /* the unix VFS takes no more in one write, seekAndWriteFd() */
#define RUN_MAX ((size_t)32 * 1024) /* of pages that are written at once */
#define AHEAD_SIZE (32 * 1024)
#define YIELD_STEP ((size_t)64 * 1024)
#define SYNC_STEP ((size_t)1024 * 1024)
#define CONTROL_SYNC_FAILED 0x686f6f6b /* of ours, "hook"; SQLite's have small numbers */
#define CONTROL_GENTLY 0x686f6f6c
#define WRITE_LOCK 0 /* WAL_WRITE_LOCK, of the main file's shared memory */
#define COPY_LOCK 1  /* WAL_CKPT_LOCK */
#define READ_LOCK_0 \
	3 /* WAL_READ_LOCK(0), of who reads only the database; then the log's readers' */
#define SHARED_SIZE 32768 /* of the shared memory's first part */
#define SALT_WORD 8       /* aSalt, two words, at byte 32 of it: walformat.html section 2.1 */
#define COPIED_WORD 24    /* nBackfill, at byte 96 of it: walformat.html section 2.1 */

/* An open database or log, followed by the default VFS's own of it. */
struct file {
	sqlite3_file base; /* first: it is what SQLite knows of it */
	sqlite3_file *real;
	bool sync_failed;
	struct file *peer; /* of a database: its log, if that may be gathered; of that log: it */

	/* Of a database. */
	/* The first part of its shared memory; NULL: it is not mapped. */
	volatile const uint32_t *shared;
	bool checkpoints; /* its connection has the lock for it */
	uint32_t salt[2]; /* of the log when it got that */
	bool writes_gently;
	size_t unsynced;        /* bytes written since the last sync */
	bool copies;            /* gently, and its connection has the lock for it */
	bool others_read;       /* what is older than the end of the log */
	sqlite3_int64 grows_to; /* by the copy; 0: nothing is held */

	/* Of a log. */
	bool reads_ahead;
	bool read_failed;     /* of the copy, which fails then */
	unsigned char *ahead; /* NULL: none yet */
	size_t ahead_len;
	sqlite3_int64 ahead_start; /* where those bytes are from */
	bool gathers;              /* its connection has the write lock */
	bool commits;              /* the last header that was held has the commit mark */

	/* Of a log that gathers, and of a database that copies. */
	int error;           /* of a write of held bytes, until the unlock; SQLITE_OK: none */
	unsigned char *held; /* NULL: none yet */
	size_t size, used;
	sqlite3_int64 start; /* where the held bytes belong */
	pid_t holder;        /* the process that holds them: another one is its child */
};

static const char vfs_name[] = "hookcgi";
static sqlite3_vfs *below;
static bool registered;

static struct file *
file_of(sqlite3_file *base)
{
	return (struct file *)base;
}

static int
write_through(struct file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	return file->real->pMethods->xWrite(file->real, bytes, (int)count, offset);
}

static int
sync_file(struct file *file, int flags)
{
	int result = file->real->pMethods->xSync(file->real, flags);
	file->unsynced = 0;
	file->sync_failed = file->sync_failed || result != SQLITE_OK;
	return result;
}

/*
 * Pages of the database, of thousands that follow each other, copied from the log, while others commit.
 * They have the processor in between, and a sync of their log never waits behind more than a step of ours.
 */
static int
write_gently(struct file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	int result = write_through(file, bytes, count, offset);
	if (result != SQLITE_OK)
		return result;
	size_t before = file->unsynced;
	file->unsynced += count;
	if (file->unsynced / YIELD_STEP != before / YIELD_STEP)
		sched_yield();
	return file->unsynced >= SYNC_STEP ? sync_file(file, SQLITE_SYNC_NORMAL) : SQLITE_OK;
}

static int
write_now(struct file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	return file->writes_gently ? write_gently(file, bytes, count, offset)
				   : write_through(file, bytes, count, offset);
}

/* Write what is held. Nothing is done after a write that failed: errno is for xGetLastError. */
static int
flush(struct file *file)
{
	size_t used = file->used;
	file->used = 0;
	if (used > 0 && file->holder == getpid())
		file->error = write_now(file, file->held, used, file->start);
	return file->error;
}

static int
write_after_held(struct file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	return flush(file) == SQLITE_OK ? write_now(file, bytes, count, offset) : file->error;
}

/* The write lock was taken, or is about to be given up: what is held is of no transaction any more. */
static void
gather(struct file *log, bool gathers)
{
	log->gathers = gathers;
	log->holder = getpid();
	log->used = 0;
	log->error = SQLITE_OK;
}

/* SQLite is about to publish what was copied, unless it has seen an error. */
static void
end_copy(struct file *database)
{
	if (database->used > 0 && flush(database) != SQLITE_OK && !database->peer->read_failed)
		abort();
}

/* false: it is full, or there is no memory; then it must be written without. */
static bool
make_room(struct file *file, size_t count)
{
	size_t size = file->size > 0 ? file->size : HELD_MIN;
	if (count > HELD_MAX - file->used)
		return false;
	while (size < file->used + count)
		size *= 2;
	if (size > file->size) {
		unsigned char *grown = sqlite3_realloc64(file->held, size);
		if (grown == NULL)
			return false;
		file->held = grown;
		file->size = size;
	}
	return true;
}

/* The size of the database after the commit, big-endian; 0 in a frame that is not the last one. */
static bool
has_commit_mark(const unsigned char *header)
{
	return (header[4] | header[5] | header[6] | header[7]) != 0;
}

static void
hold(struct file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	if (file->used == 0)
		file->start = offset;
	memcpy(file->held + file->used, bytes, count);
	file->used += count;
}

/* A page that was read from the log. */
static int
copy_page(struct file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	bool is_last = offset + (sqlite3_int64)count >= file->grows_to;
	bool follows = file->used > 0 && offset == file->start + (sqlite3_int64)file->used &&
		       count <= RUN_MAX - file->used;
	if (!follows && flush(file) != SQLITE_OK)
		return file->error;
	if (is_last && file->used == 0)
		return write_now(file, bytes, count, offset);
	if (!make_room(file, count))
		return write_after_held(file, bytes, count, offset);
	hold(file, bytes, count, offset);
	return is_last ? flush(file) : SQLITE_OK;
}

/*
 * What does not follow on what is held begins anew, and only a header without the commit mark can
 * begin: its page comes next. The others are complete as they are: the log's header; a page that was spilled
 * before, in place; a commit's header, which is either that of a commit of one frame, or the last one of
 * walRewriteChecksums(), which has no page after it that would flush it.
 */
static int
file_write(sqlite3_file *base, const void *bytes, int amount, sqlite3_int64 offset)
{
	struct file *file = file_of(base);
	size_t count = (size_t)amount;
	if (file->copies)
		return copy_page(file, bytes, count, offset);
	if (!file->gathers)
		return write_now(file, bytes, count, offset);

	bool is_header = count == FRAME_HEADER;
	bool commits = is_header && has_commit_mark(bytes);
	bool follows = file->used > 0 && offset == file->start + (sqlite3_int64)file->used;
	if (!follows && flush(file) != SQLITE_OK)
		return file->error;
	if (file->used == 0 && (!is_header || commits))
		return write_now(file, bytes, count, offset);
	if (!make_room(file, count))
		return write_after_held(file, bytes, count, offset);

	hold(file, bytes, count, offset);
	if (is_header) {
		file->commits = commits;
		return SQLITE_OK;
	}
	return file->commits ? flush(file) : SQLITE_OK;
}

/* Not flushed: what is held at the end is of no transaction. */
static int
file_close(sqlite3_file *base)
{
	struct file *file = file_of(base);
	if (file->peer != NULL)
		file->peer->peer = NULL;
	sqlite3_free(file->held);
	sqlite3_free(file->ahead);
	return file->real->pMethods->xClose(file->real);
}

/* Have these bytes of the log in memory, with what follows on them. false: they must be read by themselves, as where
 * the log ends. */
static bool
look_ahead(struct file *log, size_t count, sqlite3_int64 offset)
{
	sqlite3_int64 end = log->ahead_start + (sqlite3_int64)log->ahead_len;
	if (offset >= log->ahead_start && offset + (sqlite3_int64)count <= end)
		return true;
	log->ahead_len = 0;
	if (log->ahead == NULL)
		log->ahead = sqlite3_malloc64(AHEAD_SIZE);
	if (log->ahead == NULL || count > AHEAD_SIZE ||
		log->real->pMethods->xRead(log->real, log->ahead, AHEAD_SIZE, offset) != SQLITE_OK)
		return false;
	log->ahead_start = offset;
	log->ahead_len = AHEAD_SIZE;
	return true;
}

static int
file_read(sqlite3_file *base, void *bytes, int amount, sqlite3_int64 offset)
{
	struct file *file = file_of(base);
	if (flush(file) != SQLITE_OK)
		return file->error;
	if (file->reads_ahead && look_ahead(file, (size_t)amount, offset)) {
		memcpy(bytes, file->ahead + (offset - file->ahead_start), (size_t)amount);
		return SQLITE_OK;
	}
	int result = file->real->pMethods->xRead(file->real, bytes, amount, offset);
	file->read_failed = file->read_failed || result != SQLITE_OK;
	return result;
}

static int
file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct file *file = file_of(base);
	if (flush(file) != SQLITE_OK)
		return file->error;
	return file->real->pMethods->xTruncate(file->real, size);
}

static int
file_sync(sqlite3_file *base, int flags)
{
	struct file *file = file_of(base);
	return flush(file) == SQLITE_OK ? sync_file(file, flags) : file->error;
}

static int
file_size(sqlite3_file *base, sqlite3_int64 *size_out)
{
	struct file *file = file_of(base);
	if (flush(file) != SQLITE_OK)
		return file->error;
	return file->real->pMethods->xFileSize(file->real, size_out);
}

static int
file_control(sqlite3_file *base, int operation, void *argument)
{
	struct file *file = file_of(base);
	if (operation == CONTROL_SYNC_FAILED) {
		*(bool *)argument = file->sync_failed;
		return SQLITE_OK;
	}
	if (operation == CONTROL_GENTLY) {
		file->writes_gently = *(bool *)argument;
		file->unsynced = 0;
		return SQLITE_OK;
	}
	if (operation == SQLITE_FCNTL_CKPT_DONE && file->copies)
		end_copy(file);
	if (operation == SQLITE_FCNTL_SIZE_HINT && file->copies && !file->others_read)
		file->grows_to = *(const sqlite3_int64 *)argument;
	if (flush(file) != SQLITE_OK)
		return file->error;
	return file->real->pMethods->xFileControl(file->real, operation, argument);
}

/* The lock for a checkpoint was taken, or is about to be given up. */
static void
set_checkpoints(struct file *database, bool checkpoints)
{
	database->checkpoints = checkpoints;
	for (size_t i = 0; i < 2; i++)
		database->salt[i] = database->shared != NULL ? database->shared[SALT_WORD + i] : 0;
	database->copies = checkpoints && database->writes_gently && database->peer != NULL;
	database->others_read = false;
	database->grows_to = 0;
	database->holder = getpid();
	database->used = 0;
	database->error = SQLITE_OK;
	if (database->peer == NULL)
		return;
	database->peer->reads_ahead = database->copies;
	database->peer->read_failed = false;
	database->peer->ahead_len = 0;
}

/* Has the log not begun anew since the lock for the checkpoint was taken? */
static bool
is_same_log(const struct file *database)
{
	return database->shared != NULL && database->shared[SALT_WORD] == database->salt[0] &&
	       database->shared[SALT_WORD + 1] == database->salt[1];
}

/* From after the lock until before the unlock: then nobody else writes to the log, or copies it. */
static int
file_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
	struct file *file = file_of(base);
	bool locks = flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
	bool unlocks = (flags & SQLITE_SHM_UNLOCK) != 0;
	bool writes = first == WRITE_LOCK && file->peer != NULL;
	bool checkpoints = first == COPY_LOCK && count == 1; /* more: recovery, which is no copy */
	if (writes && unlocks)
		gather(file->peer, false);
	if (checkpoints && unlocks) {
		end_copy(file);
		set_checkpoints(file, false);
	}
	int result = file->real->pMethods->xShmLock(file->real, first, count, flags);
	if (writes && locks && result == SQLITE_OK)
		gather(file->peer, true);
	if (checkpoints && locks && result == SQLITE_OK)
		set_checkpoints(file, true);
	if (first == READ_LOCK_0 && locks && result == SQLITE_OK && file->checkpoints &&
		!is_same_log(file)) {
		file->real->pMethods->xShmLock(
			file->real, first, count, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
		return SQLITE_BUSY;
	}
	if (locks && result == SQLITE_BUSY && first > READ_LOCK_0)
		file->others_read = true;
	return result;
}

/* What only hands on. A log is never locked or mapped. */

static int
file_lock(sqlite3_file *base, int level)
{
	sqlite3_file *real = file_of(base)->real;
	return real->pMethods->xLock(real, level);
}

static int
file_unlock(sqlite3_file *base, int level)
{
	sqlite3_file *real = file_of(base)->real;
	return real->pMethods->xUnlock(real, level);
}

static int
file_check_reserved_lock(sqlite3_file *base, int *reserved_out)
{
	sqlite3_file *real = file_of(base)->real;
	return real->pMethods->xCheckReservedLock(real, reserved_out);
}

static int
file_sector_size(sqlite3_file *base)
{
	sqlite3_file *real = file_of(base)->real;
	return real->pMethods->xSectorSize(real);
}

static int
file_device_characteristics(sqlite3_file *base)
{
	sqlite3_file *real = file_of(base)->real;
	return real->pMethods->xDeviceCharacteristics(real);
}

static int
file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
	struct file *file = file_of(base);
	int result = file->real->pMethods->xShmMap(file->real, region, size, extend, out);
	if (region == 0)
		file->shared = result == SQLITE_OK ? *out : NULL;
	return result;
}

static void
file_shm_barrier(sqlite3_file *base)
{
	sqlite3_file *real = file_of(base)->real;
	real->pMethods->xShmBarrier(real);
}

static int
file_shm_unmap(sqlite3_file *base, int delete)
{
	struct file *file = file_of(base);
	file->shared = NULL;
	return file->real->pMethods->xShmUnmap(file->real, delete);
}

static int
file_fetch(sqlite3_file *base, sqlite3_int64 offset, int amount, void **out)
{
	sqlite3_file *real = file_of(base)->real;
	return real->pMethods->xFetch(real, offset, amount, out);
}

static int
file_unfetch(sqlite3_file *base, sqlite3_int64 offset, void *page)
{
	sqlite3_file *real = file_of(base)->real;
	return real->pMethods->xUnfetch(real, offset, page);
}

#define METHODS(version)                                                                          \
	{                                                                                         \
		version, file_close, file_read, file_write, file_truncate, file_sync, file_size,  \
			file_lock, file_unlock, file_check_reserved_lock, file_control,           \
			file_sector_size, file_device_characteristics, file_shm_map,              \
			file_shm_lock, file_shm_barrier, file_shm_unmap, file_fetch, file_unfetch \
	}

/* By the version of the file below: the first has no shared memory, the second no mapping. */
static const sqlite3_io_methods methods[] = { METHODS(1), METHODS(2), METHODS(3) };

static const sqlite3_io_methods *
methods_over(const sqlite3_io_methods *real)
{
	if (real->iVersion < 2 || real->xShmMap == NULL)
		return &methods[0];
	return real->iVersion == 2 || real->xFetch == NULL ? &methods[1] : &methods[2];
}

/*
 * Let the log be gathered while its database has the write lock. Not when the database was
 * opened through another VFS, whose locks we would not see, nor when a sector that is being written
 * may be lost with what was in it before: sqlite3WalOpen() asks the same, and then pads.
 */
static void
attach(struct file *log, const char *name)
{
	sqlite3_file *database = sqlite3_database_file_object(name);
	if (database == NULL || database->pMethods == NULL ||
		database->pMethods->xClose != file_close ||
		(file_device_characteristics(database) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) == 0)
		return;
	log->peer = file_of(database);
	log->peer->peer = log;
}

static int
open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_out)
{
	(void)vfs;
	if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
		return below->xOpen(below, name, base, flags, flags_out);
	struct file *file = file_of(base);
	*file = (struct file){ .real = (sqlite3_file *)(file + 1) };
	file->real->pMethods = NULL;
	int result = below->xOpen(below, name, file->real, flags, flags_out);
	if (file->real->pMethods == NULL)
		return result;
	base->pMethods = methods_over(file->real->pMethods);
	if ((flags & SQLITE_OPEN_WAL) != 0 && result == SQLITE_OK)
		attach(file, name);
	return result;
}

/* All but xOpen are the methods of the VFS below, which finds its own data in the copy: what SQLite's
 * own shims do (test_quota.c, test_multiplex.c). */
static void
register_vfs(void)
{
	static sqlite3_vfs vfs;
	/* All threads take one lock, at each allocation, for figures that nobody asks for. Only now: it is refused
	 * once SQLite is in use. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	below = sqlite3_vfs_find(NULL);
	if (below == NULL)
		return;
	vfs = *below;
	vfs.zName = vfs_name;
	vfs.pNext = NULL;
	vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	vfs.xOpen = open_file;
	registered = sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
}

const char *
store_vfs_name(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, register_vfs);
	return registered ? vfs_name : NULL;
}

bool
store_vfs_sync_failed(sqlite3 *db)
{
	bool failed = false;
	return sqlite3_file_control(db, "main", CONTROL_SYNC_FAILED, &failed) == SQLITE_OK &&
	       failed;
}

void
store_vfs_write_gently(sqlite3 *db, bool gently)
{
	sqlite3_file_control(db, "main", CONTROL_GENTLY, &gently);
}

static int
main_file(sqlite3 *db, sqlite3_file **file_out)
{
	return sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, file_out);
}

int
store_vfs_sync(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	int result = main_file(db, &file);
	if (result != SQLITE_OK)
		return result;
	return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

/* The number may be made less at any time by who has the lock to make it more: then readers look into the log for what
 * is also in the database. */
int
store_vfs_copy_again(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	volatile void *shared = NULL;
	int result = main_file(db, &file);
	if (result != SQLITE_OK || file->pMethods->iVersion < 2)
		return result;
	result = file->pMethods->xShmMap(file, 0, SHARED_SIZE, 0, &shared);
	if (result != SQLITE_OK || shared == NULL)
		return result;
	result = file->pMethods->xShmLock(
		file, COPY_LOCK, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
	if (result != SQLITE_OK)
		return result;
	((volatile uint32_t *)shared)[COPIED_WORD] = 0;
	file->pMethods->xShmBarrier(file);
	return file->pMethods->xShmLock(
		file, COPY_LOCK, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
}
