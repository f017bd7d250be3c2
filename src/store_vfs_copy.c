/* store_vfs_copy.c - checkpoints: a log copied by many pages at once, and not taken for another one
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
 */
#include "store_vfs_copy.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MAX ((size_t)32 * 1024) /* of pages that are written at once */
#define AHEAD_SIZE (32 * 1024)
#define SALT_WORD 8 /* aSalt, two words, at byte 32 of it: walformat.html section 2.1 */

void
copy_set(struct vfs_file *database, bool checkpoints)
{
	vfs_hold_nothing(database);
	database->checkpoints = checkpoints;
	for (size_t i = 0; i < 2; i++)
		database->salt[i] = database->shared != NULL ? database->shared[SALT_WORD + i] : 0;
	database->copies = checkpoints && database->writes_gently && database->peer != NULL;
	database->others_read = false;
	database->grows_to = 0;
	if (database->peer == NULL)
		return;
	database->peer->reads_ahead = database->copies;
	database->peer->read_failed = false;
	database->peer->ahead_len = 0;
}

void
copy_note_reader(struct vfs_file *database)
{
	database->others_read = true;
}

void
copy_note_size(struct vfs_file *database, sqlite3_int64 size)
{
	if (!database->others_read)
		database->grows_to = size;
}

bool
copy_is_of_same_log(const struct vfs_file *database)
{
	return database->shared != NULL && database->shared[SALT_WORD] == database->salt[0] &&
	       database->shared[SALT_WORD + 1] == database->salt[1];
}

static bool
look_ahead(struct vfs_file *log, size_t count, sqlite3_int64 offset)
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

bool
copy_read(struct vfs_file *log, void *bytes, size_t count, sqlite3_int64 offset)
{
	if (!look_ahead(log, count, offset))
		return false;
	memcpy(bytes, log->ahead + (offset - log->ahead_start), count);
	return true;
}

int
copy_write(struct vfs_file *database, const void *bytes, size_t count, sqlite3_int64 offset)
{
	bool is_last = offset + (sqlite3_int64)count >= database->grows_to;
	bool follows = vfs_follows(database, offset) && count <= RUN_MAX - database->used;
	if (!follows && vfs_flush(database) != SQLITE_OK)
		return database->error;
	if (is_last && database->used == 0)
		return vfs_write(database, bytes, count, offset);
	if (!vfs_hold(database, bytes, count, offset))
		return vfs_write_after_held(database, bytes, count, offset);
	return is_last ? vfs_flush(database) : SQLITE_OK;
}

void
copy_end(struct vfs_file *database)
{
	if (database->used > 0 && vfs_flush(database) != SQLITE_OK && !database->peer->read_failed)
		abort();
}
