/* store_file.c - which file has the database's name, and is it the one that was here
 *
 * Whoever finds another file in the place of the database that it had open looks whether the log that it had
 * open still lies there: SQLite would replay that into the other file. A process that comes anew (CGI) cannot
 * know whose a log is.
 */
#include "store_sqlite.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "alloc.h"

#define EMPTY_MAX 1                   /* bytes of a file that is empty to SQLite */
#define LOG_LEFT_MAX ((off_t)1 << 20) /* see store_leave_log() */

/* The name of a file that lies beside the database; owned. */
static char *
beside(const struct store *store, const char *suffix)
{
	char *path = xmalloc(strlen(store->path) + strlen(suffix) + 1);
	sprintf(path, "%s%s", store->path, suffix);
	return path;
}

/* Which file: with the time when it was made, where the file system knows it, since numbers are given again. */
struct file_id {
	uint64_t device;
	uint64_t inode; /* 0: there is none */
	int64_t born_ns;
};

static struct file_id
file_id(const char *path)
{
	struct statx status;
	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &status) != 0)
		return (struct file_id){ .inode = 0 };
	bool known = (status.stx_mask & STATX_BTIME) != 0;
	return (struct file_id){
		.device = (uint64_t)status.stx_dev_major << 32 | status.stx_dev_minor,
		.inode = status.stx_ino,
		.born_ns = known ? (int64_t)status.stx_btime.tv_sec * 1000000000 +
					   status.stx_btime.tv_nsec
				 : 0,
	};
}

static struct file_id
log_id(const struct store *store)
{
	char *path = beside(store, "-wal");
	struct file_id id = file_id(path);
	free(path);
	return id;
}

static bool
is_same_file(struct file_id a, struct file_id b)
{
	return a.inode != 0 && a.inode == b.inode && a.device == b.device && a.born_ns == b.born_ns;
}

/* A database that was open in this process, or in one that it was forked from, and its log. */
struct opened_file {
	char *path;
	struct file_id database, log;
};

static struct {
	pthread_mutex_t lock;
	struct opened_file *files;
	size_t count;
} opened = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Called with the lock held. NULL: there was none at this path. */
static struct opened_file *
opened_find(const char *path)
{
	for (size_t i = 0; i < opened.count; i++) {
		if (strcmp(opened.files[i].path, path) == 0)
			return &opened.files[i];
	}
	return NULL;
}

/* false: none was open at this path. */
static bool
was_opened(const char *path, struct opened_file *out)
{
	pthread_mutex_lock(&opened.lock);
	const struct opened_file *found = opened_find(path);
	if (found != NULL)
		*out = *found;
	pthread_mutex_unlock(&opened.lock);
	return found != NULL;
}

void
file_remember(const struct store *store)
{
	struct file_id database = file_id(store->path), log = log_id(store);
	pthread_mutex_lock(&opened.lock);
	struct opened_file *file = opened_find(store->path);
	if (file == NULL) {
		opened.files = xreallocarray(opened.files, opened.count + 1, sizeof *opened.files);
		file = &opened.files[opened.count++];
		file->path = xstrdup(store->path);
	}
	file->database = database;
	file->log = log;
	pthread_mutex_unlock(&opened.lock);
}

/* The log that lies here is of the database that was here before. */
static bool
has_log_of_another(const struct store *store)
{
	struct opened_file before;
	return was_opened(store->path, &before) && is_same_file(before.log, log_id(store)) &&
	       !is_same_file(before.database, file_id(store->path));
}

/* There were events here. It is asked before a look at the file, which another process may be filling for the
 * first time. */
static bool
had_events(const struct store *store)
{
	struct opened_file before;
	return atomic_load(&store->expected) > 0 || was_opened(store->path, &before);
}

static enum store_result
gone(struct store *store)
{
	return store_refuse(store, STORE_FAILED,
		"the database was here and is gone: put it back, or restart to begin a new one");
}

enum store_result
file_say_emptied(struct store *store)
{
	const char *slash = strrchr(store->shown, '/');
	return store_refuse(store, STORE_FAILED,
		"it held events and is empty now: put a backup in its place, or remove it and "
		"%.80s-tally and restart to begin a new one",
		slash != NULL ? slash + 1 : store->shown);
}

static enum store_result
other_log(struct store *store)
{
	const char *slash = strrchr(store->shown, '/');
	const char *name = slash != NULL ? slash + 1 : store->shown;
	return store_refuse(store, STORE_FAILED,
		"%s, and the log of the one before still lies there: move %.60s-wal and "
		"%.60s-shm away as well, or put the one before back",
		access(store->path, F_OK) == 0 ? "another file was put in its place" : "it is gone",
		name, name);
}

enum store_result
file_say_moved(struct store *store)
{
	if (access(store->path, F_OK) != 0)
		return gone(store);
	if (has_log_of_another(store))
		return other_log(store);
	return store_refuse(store, STORE_FAILED,
		"another file was put in the place of the open database: it is used from the next "
		"try on");
}

/*
 * Make the empty file, and the folder that it lies in. mknod(2) makes it without opening it: a close(2) would take
 * SQLite's locks from another connection of this process.
 */
static enum store_result
make_file(struct store *store, bool *made_out)
{
	const char *slash = strrchr(store->path, '/');
	char *folder = xmemdup0(store->path, slash != NULL ? (size_t)(slash - store->path) : 0);
	int error = folder[0] != '\0' && mkdir(folder, 0700) != 0 && errno != EEXIST ? errno : 0;
	enum store_result result = STORE_OK;
	if (error != 0) {
		result = store_refuse(store, is_no_room(error) ? STORE_FULL : STORE_FAILED,
			"its folder cannot be made: %s: make it, writable for user %ld",
			strerror(error), (long)geteuid());
	} else if (mknod(store->path, S_IFREG | 0600, 0) == 0) {
		*made_out = true;
	} else if (errno != EEXIST) {
		error = errno;
		result = store_refuse(store, is_no_room(error) ? STORE_FULL : STORE_FAILED,
			"it cannot be made: %s: its folder must be writable for user %ld",
			strerror(error), (long)geteuid());
	}
	free(folder);
	return result;
}

/* Find the file, made where there never was one. had: see had_events(). */
static enum store_result
find_or_make(struct store *store, bool had, struct stat *status, bool *made_out)
{
	struct opened_file before;
	for (int tries = 0; tries < 2; tries++) {
		if (stat(store->path, status) == 0) {
			if (S_ISREG(status->st_mode))
				return STORE_OK;
			return store_refuse(
				store, STORE_FAILED, "not a file: name another one as store");
		}
		if (errno != ENOENT)
			return store_refuse(store, STORE_FAILED,
				"%s: it must be in reach of user %ld", strerror(errno),
				(long)geteuid());
		if (was_opened(store->path, &before))
			return gone(store);
		/* SQLite would remove the log of an empty file. */
		if (had && log_id(store).inode != 0)
			return other_log(store);
		enum store_result result = make_file(store, made_out);
		if (result != STORE_OK)
			return result;
	}
	return gone(store);
}

enum store_result
file_find(struct store *store, bool *may_begin_out)
{
	struct stat status;
	bool had = had_events(store), made = false;
	enum store_result result = find_or_make(store, had, &status, &made);
	if (result != STORE_OK)
		return result;
	if (has_log_of_another(store))
		return other_log(store);
	/* Before SQLite sees it: it would remove the log. */
	if (status.st_size <= EMPTY_MAX && had && !made)
		return file_say_emptied(store);
	store->device = status.st_dev;
	store->inode = status.st_ino;
	*may_begin_out = made || !had;
	return STORE_OK;
}

bool
file_has_moved(const struct store *store)
{
	struct stat status;
	return stat(store->path, &status) != 0 || status.st_dev != store->device ||
	       status.st_ino != store->inode;
}

/* File systems that more than one machine may have mounted, or that cannot share memory. */
static const struct {
	unsigned long magic;
	const char *name;
} network_systems[] = {
	{ 0x6969, "nfs" },
	{ 0x517b, "smb" },
	{ 0xff534d42, "cifs" },
	{ 0xfe534d42, "smb2" },
	{ 0x65735546, "fuse" },
	{ 0x01021997, "9p" },
	{ 0x5346414f, "afs" },
	{ 0x6b414653, "afs" },
	{ 0x00c36400, "ceph" },
	{ 0x73757245, "coda" },
	{ 0x564c, "ncp" },
	{ 0x01161970, "gfs2" },
	{ 0x7461636f, "ocfs2" },
	{ 0x0bd00bd0, "lustre" },
	{ 0x786f4256, "vboxsf" },
	{ 0x19830326, "fhgfs" },
};

const char *
file_network_system(const char *path)
{
	struct statfs status;
	if (statfs(path, &status) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof network_systems / sizeof *network_systems; i++) {
		if (((unsigned long)status.f_type & 0xffffffff) == network_systems[i].magic)
			return network_systems[i].name;
	}
	return NULL;
}

int
file_sync_names(const char *database)
{
	char *path = xstrdup(database);
	int error = 0;
	for (int up = 0; up < 2 && error == 0; up++) {
		char *slash = strrchr(path, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
		int fd = open(path[0] != '\0' ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* One that may be written and not be read cannot be synced by us. */
		if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
			error = errno;
		if (fd >= 0)
			close(fd);
	}
	free(path);
	return error;
}

bool
file_log_is_short(const struct store *store)
{
	struct stat status;
	char *path = beside(store, "-wal");
	bool is_short = stat(path, &status) != 0 || status.st_size <= LOG_LEFT_MAX;
	free(path);
	return is_short;
}
