/* store_vfs_file.h - a file of SQLite's, and bytes of it that are held, to be written at once
 *
 * For store_vfs.c and what it is made of: store_vfs_gather.c holds frames of a log, store_vfs_copy.c pages of a
 * database.
 */
#ifndef HOOKCGI_STORE_VFS_FILE_H
#define HOOKCGI_STORE_VFS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sqlite3.h>

/* An open database or log, followed by the default VFS's own of it. */
struct vfs_file {
	sqlite3_file base; /* first: it is what SQLite knows of it */
	sqlite3_file *real;
	/* Of a database: its log, if that may be gathered; of that log: it. */
	struct vfs_file *peer;
	bool sync_failed;
	bool writes_gently;
	size_t unsynced; /* bytes written gently since the last sync */

	/* What is held. */
	int error;            /* of a write of held bytes, until the next vfs_hold_nothing() */
	unsigned char *bytes; /* NULL: none yet */
	size_t size, used;
	sqlite3_int64 start; /* where the held bytes belong */
	pid_t holder;        /* the process that holds them: another one is its child */

	/* Of a log, see store_vfs_gather.h. */
	bool gathers; /* its connection has the write lock */
	bool commits; /* the last header that was held has the commit mark */

	/* Of a database, see store_vfs_copy.h. */
	/* The first part of its shared memory; NULL: it is not mapped. */
	volatile const uint32_t *shared;
	bool checkpoints;       /* its connection has the lock for it */
	uint32_t salt[2];       /* of the log when it got that */
	bool copies;            /* it has that lock, writes gently, and its log is ours */
	bool others_read;       /* what is older than the end of the log */
	sqlite3_int64 grows_to; /* by the copy; 0: nothing is held */

	/* Of the log of a database that copies. */
	bool reads_ahead;
	bool read_failed;     /* of the copy, which fails then */
	unsigned char *ahead; /* NULL: none yet */
	size_t ahead_len;
	sqlite3_int64 ahead_start; /* where those bytes are from */
};

/* The results are SQLite's; errno stays for xGetLastError. */

/* Write without holding; gently where the file is to. */
int vfs_write(struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset);
int vfs_sync(struct vfs_file *file, int flags);

/* What is held is nobody's any more, and a new use of the file begins. */
void vfs_hold_nothing(struct vfs_file *file);
/* Do the bytes from offset on follow those that are held? */
bool vfs_follows(const struct vfs_file *file, sqlite3_int64 offset);
/* Hold these: they follow, or all before them was flushed without an error. false: it is full, or there is no memory;
 * then they must be written without. */
bool vfs_hold(struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset);
/* Write what is held. The error is that of the first write that failed. A forked child drops what it has of its
 * parent. */
int vfs_flush(struct vfs_file *file);
/* Flush and write; nothing is written when the flush fails. */
int vfs_write_after_held(
	struct vfs_file *file, const void *bytes, size_t count, sqlite3_int64 offset);

#endif
