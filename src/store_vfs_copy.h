/* store_vfs_copy.h - checkpoints: a log copied by many pages at once, and not taken for another one; for store_vfs.c */
#ifndef HOOKCGI_STORE_VFS_COPY_H
#define HOOKCGI_STORE_VFS_COPY_H

#include "store_vfs_file.h"

/* The lock for checkpoints was taken, or is about to be given up. */
void copy_set(struct vfs_file *database, bool checkpoints);
/* Another connection's lock keeps it from copying all of the log. */
void copy_note_reader(struct vfs_file *database);
/* What the database grows to, SQLITE_FCNTL_SIZE_HINT. */
void copy_note_size(struct vfs_file *database, sqlite3_int64 size);
/* Has the log not begun anew since the lock for the checkpoint was taken? */
bool copy_is_of_same_log(const struct vfs_file *database);

/* An xRead from the log of a database that copies: are these bytes there, with what follows on them read ahead?
 * false: they must be read by themselves, as where the log ends. */
bool copy_read(struct vfs_file *log, void *bytes, size_t count, sqlite3_int64 offset);
/* An xWrite to a database that copies: a page that was read from the log. */
int copy_write(struct vfs_file *database, const void *bytes, size_t count, sqlite3_int64 offset);
/* SQLite is about to publish what was copied, unless it has seen an error. */
void copy_end(struct vfs_file *database);

#endif
