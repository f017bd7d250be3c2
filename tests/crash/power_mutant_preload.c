/* power_mutant_preload.c - a program that is not as safe as it believes to be
 *
 * For the power loss tests, which must notice it. $POWER_MUTANT is one of
 *
 *   normal    synchronous is NORMAL where the program asked for FULL
 *   off       synchronous is OFF
 *   delete    the journal is a deleted one (DELETE, synchronous FULL) where it asked for WAL
 *   lie       fsync(2) and fdatasync(2) do nothing and say that all is well
 *
 * and what the program reads back to verify is what it wants to hear. Two are no faults:
 *
 *   nfs       the database lies on a network file system, as statfs(2) has it: the program's own other way
 *             (TRUNCATE, synchronous FULL)
 *   small     the write-ahead log seems to be 50 times as long as it is and goes into the database early, so that
 *             a short recording has many checkpoints; may be joined to the others: "small,normal"
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <sqlite3.h>

#define NFS_MAGIC 0x6969
#define SMALLER 100

#define NEXT(name)                                                               \
	static __typeof__(name) *next;                                           \
	if (next == NULL && (*(void **)&next = dlsym(RTLD_NEXT, #name)) == NULL) \
	abort()

static bool
is(const char *mutant)
{
	const char *wanted = getenv("POWER_MUTANT");
	return wanted != NULL && strstr(wanted, mutant) != NULL;
}

int
fsync(int fd)
{
	NEXT(fsync);
	return is("lie") ? 0 : next(fd);
}

int
fdatasync(int fd)
{
	NEXT(fdatasync);
	return is("lie") ? 0 : next(fd);
}

int
statfs(const char *path, struct statfs *status)
{
	NEXT(statfs);
	int result = next(path, status);
	if (result == 0 && is("nfs"))
		status->f_type = NFS_MAGIC;
	return result;
}

/* Set it and answer in the program's place, where the statement is one that we want to change. */
static const char *
changed(sqlite3 *db, const char *sql)
{
	NEXT(sqlite3_exec);
	if (strcmp(sql, "PRAGMA synchronous") == 0 && (is("normal") || is("off")))
		return "SELECT 2";
	if (strcmp(sql, "PRAGMA journal_mode") == 0 && is("delete"))
		return "SELECT 'wal'";
	if (strcmp(sql, "PRAGMA journal_mode = WAL") == 0 && is("delete"))
		return next(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK
			       ? "SELECT 'wal'"
			       : sql;
	return sql;
}

int
sqlite3_prepare_v2(sqlite3 *db, const char *sql, int len, sqlite3_stmt **out, const char **tail)
{
	NEXT(sqlite3_prepare_v2);
	return next(db, changed(db, sql), len, out, tail);
}

int
sqlite3_exec(sqlite3 *db, const char *sql, int (*visit)(void *, int, char **, char **),
	void *context, char **error)
{
	NEXT(sqlite3_exec);
	int result = next(db, sql, visit, context, error);
	if (result != SQLITE_OK || strstr(sql, "PRAGMA synchronous = FULL") == NULL)
		return result;
	if (is("normal"))
		result = next(db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	if (is("off"))
		result = next(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
	return result;
}

/* What is asked for with sqlite3_wal_hook(). */
struct hook {
	int (*function)(void *context, sqlite3 *db, const char *name, int frames);
	void *context;
};

static int
exaggerate(void *context, sqlite3 *db, const char *name, int frames)
{
	const struct hook *hook = context;
	return hook->function(hook->context, db, name, frames * SMALLER);
}

void *
sqlite3_wal_hook(sqlite3 *db, int (*function)(void *, sqlite3 *, const char *, int), void *context)
{
	NEXT(sqlite3_wal_hook);
	struct hook *hook = is("small") ? malloc(sizeof *hook) : NULL;
	if (hook == NULL)
		return next(db, function, context);
	*hook = (struct hook){ function, context };
	return next(db, exaggerate, hook); /* as long as the connection, and left to the end */
}
