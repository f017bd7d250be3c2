/* store_vfs_file.c - a file of SQLite's, and bytes of it that are held, to be written at once
 *
 * A forked child writes nothing of what its parent holds. SQLite forbids it to use the connection, but
 * even to close one reads the log, when a transaction is open.
 */
#include "store_vfs_file.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#define HELD_MIN ((size_t)16 * 1024)
#define HELD_MAX ((size_t)0x1ffff) /* the unix VFS takes no more in one write, seekAndWriteFd() */
#define YIELD_STEP ((size_t)64 * 1024)
#define SYNC_STEP ((size_t)1024 * 1024)

static int
write_through(struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	return file->real->pMethods->xWrite(file->real, bytes, (int)count, offset);
}

int
vfs_sync(struct vfs_file *file, int flags)
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
write_gently(struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	int result = write_through(file, bytes, count, offset);
	if (result != SQLITE_OK)
		return result;
	size_t before = file->unsynced;
	file->unsynced += count;
	if (file->unsynced / YIELD_STEP != before / YIELD_STEP)
		sched_yield();
	return file->unsynced >= SYNC_STEP ? vfs_sync(file, SQLITE_SYNC_NORMAL) : SQLITE_OK;
}

int
vfs_write(struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	return file->writes_gently ? write_gently(file, bytes, count, offset)
				   : write_through(file, bytes, count, offset);
}

void
vfs_hold_nothing(struct vfs_file *file)
{
	file->holder = getpid();
	file->used = 0;
	file->error = SQLITE_OK;
}

bool
vfs_follows(const struct vfs_file *file, sqlite3_int64 offset)
{
	return file->used > 0 && offset == file->start + (sqlite3_int64)file->used;
}

static bool
make_room(struct vfs_file *file, size_t count)
{
	size_t size = file->size > 0 ? file->size : HELD_MIN;
	if (count > HELD_MAX - file->used)
		return false;
	while (size < file->used + count)
		size *= 2;
	if (size > file->size) {
		unsigned char *grown = sqlite3_realloc64(file->bytes, size);
		if (grown == NULL)
			return false;
		file->bytes = grown;
		file->size = size;
	}
	return true;
}

bool
vfs_hold(struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	if (!make_room(file, count))
		return false;
	if (file->used == 0)
		file->start = offset;
	memcpy(file->bytes + file->used, bytes, count);
	file->used += count;
	return true;
}

int
vfs_flush(struct vfs_file *file)
{
	size_t used = file->used;
	file->used = 0;
	if (used > 0 && file->holder == getpid())
		file->error = vfs_write(file, file->bytes, used, file->start);
	return file->error;
}

int
vfs_write_after_held(struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset)
{
	return vfs_flush(file) == SQLITE_OK ? vfs_write(file, bytes, count, offset) : file->error;
}
