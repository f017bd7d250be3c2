/* store_vfs.h - SQLite's files, with fewer writes to the write-ahead log, and fewer and gentle ones to the database
 *
 * A commit in WAL mode is two small writes for each page, 52 of them where one does. Through this VFS
 * the frames of a commit are gathered and written at once; all else goes to the default VFS
 * as it is. What is on disk when SQLite is told that a write or a sync succeeded and a transaction is
 * committed is the same as without it, for every setting of `synchronous`, and connections
 * with and without it may use one database at the same time.
 *
 * A fault of SQLite's before 3.51.3, by which a checkpoint may lose commits when the log begins anew beside it, does
 * not happen to connections through this VFS.
 *
 * The log is copied into the database page by page, thousands of them, and a sync of the log waits behind all that is
 * on its way to the disk: see store_vfs_write_gently().
 */
#ifndef HOOKCGI_STORE_VFS_H
#define HOOKCGI_STORE_VFS_H

#include <stdbool.h>

/*
 * The name for sqlite3_open_v2(), registered at the first call, on top of what is the default VFS then.
 * NULL: it cannot be had; NULL is also the name of the default. From any thread. The default VFS is not
 * changed, and must stay registered.
 */
const char *store_vfs_name(void);

struct sqlite3;

/* Has a sync of this connection's database failed? PRAGMA journal_mode = WAL goes on in another mode without
 * saying so. false also for a connection through another VFS. */
bool store_vfs_sync_failed(struct sqlite3 *db);
/* Sync this connection's database, which SQLite does only when a checkpoint has copied all. The result is SQLite's. */
int store_vfs_sync(struct sqlite3 *db);
/*
 * Make checkpoints gently from now on: what is written to this connection's database is synced in small portions, with
 * other threads in between, and pages that follow each other are read and written many at once. Or as SQLite does it.
 * The error of each write is a checkpoint's, as without.
 */
void store_vfs_write_gently(struct sqlite3 *db, bool gently);
/*
 * Have the next checkpoint copy all of the log, also what was copied before: after a sync of the database that
 * failed nobody knows what of it is on disk, and SQLite remembers only that it was written. Outside of a transaction.
 * SQLITE_BUSY: somebody else makes a checkpoint now. Without a log nothing is done.
 */
int store_vfs_copy_again(struct sqlite3 *db);

#endif
