/* store_vfs_gather.h - the frames of a commit gathered into one write of the log; for store_vfs.c */
#ifndef HOOKCGI_STORE_VFS_GATHER_H
#define HOOKCGI_STORE_VFS_GATHER_H

#include "store_vfs_file.h"

/* The write lock of its database was taken, or is about to be given up. */
void gather_set(struct vfs_file *log, bool gathers);

/* An xWrite to a log that gathers. */
int gather_write(struct vfs_file *log, const void *bytes, size_t count, sqlite3_int64 offset);

#endif
