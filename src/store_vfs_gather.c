/* store_vfs_gather.c - the frames of a commit gathered into one write of the log
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
 *
 * The three kinds of writes to a log have sizes of their own: its header (32 bytes, at its
 * beginning), frame headers (24), pages (512 at least). Where SQLite pads commits to whole sectors it
 * cuts frames at any place; there nothing is gathered, see attach() in store_vfs.c.
 */
#include "store_vfs_gather.h"

#define FRAME_HEADER 24

void
gather_set(struct vfs_file *log, bool gathers)
{
	vfs_hold_nothing(log); /* what is held is of no transaction any more */
	log->gathers = gathers;
}

/* The size of the database after the commit, big-endian; 0 in a frame that is not the last one. */
static bool
has_commit_mark(const unsigned char *header)
{
	return (header[4] | header[5] | header[6] | header[7]) != 0;
}

/*
 * What does not follow on what is held begins anew, and only a header without the commit mark can
 * begin: its page comes next. The others are complete as they are: the log's header; a page that was spilled
 * before, in place; a commit's header, which is either that of a commit of one frame, or the last one of
 * walRewriteChecksums(), which has no page after it that would flush it.
 */
int
gather_write(struct vfs_file *log, const void *bytes, size_t count, sqlite3_int64 offset)
{
	bool is_header = count == FRAME_HEADER;
	bool commits = is_header && has_commit_mark(bytes);
	if (!vfs_follows(log, offset) && vfs_flush(log) != SQLITE_OK)
		return log->error;
	if (log->used == 0 && (!is_header || commits))
		return vfs_write(log, bytes, count, offset);
	if (!vfs_hold(log, bytes, count, offset))
		return vfs_write_after_held(log, bytes, count, offset);
	if (is_header) {
		log->commits = commits;
		return SQLITE_OK;
	}
	return log->commits ? vfs_flush(log) : SQLITE_OK;
}
