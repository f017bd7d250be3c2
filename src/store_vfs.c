/* store_vfs.c - SQLite's files as it sees them: a VFS on top of the default one */
#include "store_vfs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "store_vfs_copy.h"
#include "store_vfs_file.h"
#include "store_vfs_gather.h"

#define CONTROL_SYNC_FAILED 0x686f6f6b /* of ours, "hook"; SQLite's have small numbers */
#define CONTROL_GENTLY 0x686f6f6c
#define WRITE_LOCK 0 /* WAL_WRITE_LOCK, of the main file's shared memory */
#define COPY_LOCK 1  /* WAL_CKPT_LOCK */
#define READ_LOCK_0 \
	3 /* WAL_READ_LOCK(0), of who reads only the database; then the log's readers' */
#define SHARED_SIZE 32768 /* of the shared memory's first part */
#define COPIED_WORD 24    /* nBackfill, at byte 96 of it: walformat.html section 2.1 */

static const char vfs_name[] = "hookcgi";
static sqlite3_vfs *below;
static bool registered;

static struct vfs_file *
file_of(sqlite3_file *base)
{
	return (struct vfs_file *)base;
}

static int
file_write(sqlite3_file *base, const void *bytes, int amount, sqlite3_int64 offset)
{
	struct vfs_file *file = file_of(base);
	if (file->copies)
		return copy_write(file, bytes, (size_t)amount, offset);
	if (file->gathers)
		return gather_write(file, bytes, (size_t)amount, offset);
	return vfs_write(file, bytes, (size_t)amount, offset);
}

/* Not flushed: what is held at the end is of no transaction. */
static int
file_close(sqlite3_file *base)
{
	struct vfs_file *file = file_of(base);
	if (file->peer != NULL)
		file->peer->peer = NULL;
	sqlite3_free(file->bytes);
	sqlite3_free(file->ahead);
	return file->real->pMethods->xClose(file->real);
}

static int
file_read(sqlite3_file *base, void *bytes, int amount, sqlite3_int64 offset)
{
	struct vfs_file *file = file_of(base);
	if (vfs_flush(file) != SQLITE_OK)
		return file->error;
	if (file->reads_ahead && copy_read(file, bytes, (size_t)amount, offset))
		return SQLITE_OK;
	int result = file->real->pMethods->xRead(file->real, bytes, amount, offset);
	file->read_failed = file->read_failed || result != SQLITE_OK;
	return result;
}

static int
file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct vfs_file *file = file_of(base);
	if (vfs_flush(file) != SQLITE_OK)
		return file->error;
	return file->real->pMethods->xTruncate(file->real, size);
}

static int
file_sync(sqlite3_file *base, int flags)
{
	struct vfs_file *file = file_of(base);
	return vfs_flush(file) == SQLITE_OK ? vfs_sync(file, flags) : file->error;
}

static int
file_size(sqlite3_file *base, sqlite3_int64 *size_out)
{
	struct vfs_file *file = file_of(base);
	if (vfs_flush(file) != SQLITE_OK)
		return file->error;
	return file->real->pMethods->xFileSize(file->real, size_out);
}

static int
file_control(sqlite3_file *base, int operation, void *argument)
{
	struct vfs_file *file = file_of(base);
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
		copy_end(file);
	if (operation == SQLITE_FCNTL_SIZE_HINT && file->copies)
		copy_note_size(file, *(const sqlite3_int64 *)argument);
	if (vfs_flush(file) != SQLITE_OK)
		return file->error;
	return file->real->pMethods->xFileControl(file->real, operation, argument);
}

/* From after the lock until before the unlock: then nobody else writes to the log, or copies it. */
static int
file_shm_lock(sqlite3_file *base, int first, int count, int flags)
{
	struct vfs_file *file = file_of(base);
	bool locks = flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
	bool unlocks = (flags & SQLITE_SHM_UNLOCK) != 0;
	bool writes = first == WRITE_LOCK && file->peer != NULL;
	bool checkpoints = first == COPY_LOCK && count == 1; /* more: recovery, which is no copy */
	if (writes && unlocks)
		gather_set(file->peer, false);
	if (checkpoints && unlocks) {
		copy_end(file);
		copy_set(file, false);
	}
	int result = file->real->pMethods->xShmLock(file->real, first, count, flags);
	if (writes && locks && result == SQLITE_OK)
		gather_set(file->peer, true);
	if (checkpoints && locks && result == SQLITE_OK)
		copy_set(file, true);
	if (first == READ_LOCK_0 && locks && result == SQLITE_OK && file->checkpoints &&
		!copy_is_of_same_log(file)) {
		file->real->pMethods->xShmLock(
			file->real, first, count, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
		return SQLITE_BUSY;
	}
	if (locks && result == SQLITE_BUSY && first > READ_LOCK_0)
		copy_note_reader(file);
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
	struct vfs_file *file = file_of(base);
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
	struct vfs_file *file = file_of(base);
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
attach(struct vfs_file *log, const char *name)
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
	struct vfs_file *file = file_of(base);
	*file = (struct vfs_file){ .real = (sqlite3_file *)(file + 1) };
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
	vfs.szOsFile = (int)sizeof(struct vfs_file) + below->szOsFile;
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
