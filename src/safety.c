/* safety.c - may this file be trusted: who else could have written or read it
 *
 * Files are opened first and judged by their descriptor. Folders are judged
 * from the file upwards, like sshd's safe_path(): once for the path as it was
 * resolved, and once as it was written, since whoever can replace a symbolic
 * link chooses which of our files is read. Access control lists need no look
 * of their own: their mask shows in the group bits.
 */
#include "safety.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"

#define REASON_MAX ((size_t)16384) /* two paths and a sentence */
#define OTHERS_WRITE ((mode_t)(S_IWGRP | S_IWOTH))

void
safety_refusal_init(struct safety_refusal *refusal)
{
	buf_init(&refusal->reason, REASON_MAX);
	refusal->culprit = NULL;
}

void
safety_refusal_free(struct safety_refusal *refusal)
{
	buf_free(&refusal->reason);
	free(refusal->culprit);
	refusal->culprit = NULL;
}

/* Note whose change may end the refusal; the reason has been written. */
static void
blame(struct safety_refusal *refusal, const char *path)
{
	free(refusal->culprit);
	refusal->culprit = xstrdup(path);
}

static unsigned
permissions(const struct stat *status)
{
	return (unsigned)status->st_mode & 07777U;
}

static bool
is_ours(const struct stat *status)
{
	return status->st_uid == 0 || status->st_uid == geteuid();
}

static bool
refuse_error(const char *path, int error, struct safety_refusal *refusal)
{
	if (error == ENOENT)
		buf_appendf(
			&refusal->reason, "%s does not exist: create it or correct the path", path);
	else if (error == EACCES)
		buf_appendf(&refusal->reason,
			"%s cannot be read by user id %lu: change its owner or group, or a "
			"folder's",
			path, (unsigned long)geteuid());
	else
		buf_appendf(&refusal->reason, "%s cannot be read: %s", path, strerror(error));
	blame(refusal, path);
	return false;
}

static bool
check_folder(const char *folder, bool any_owner, struct safety_refusal *refusal)
{
	struct stat status;
	if (stat(folder, &status) != 0)
		return refuse_error(folder, errno, refusal);
	if ((status.st_mode & OTHERS_WRITE) != 0 && (status.st_mode & S_ISVTX) == 0) {
		buf_appendf(&refusal->reason,
			"others can write the folder %s (mode %04o): chmod go-w %s", folder,
			permissions(&status), folder);
	} else if (!any_owner && !is_ours(&status)) {
		buf_appendf(&refusal->reason,
			"the folder %s is owned by user id %lu, not by root or user id %lu: change "
			"its owner",
			folder, (unsigned long)status.st_uid, (unsigned long)geteuid());
	} else {
		return true;
	}
	blame(refusal, folder);
	return false;
}

/* Every folder above an absolute path, from the nearest to the root. */
static bool
check_folders(const char *path, bool any_owner, struct safety_refusal *refusal)
{
	char *folder = xstrdup(path);
	bool safe = true;
	for (char *slash; safe && (slash = strrchr(folder, '/')) != NULL;) {
		*slash = '\0';
		safe = check_folder(slash == folder ? "/" : folder, any_owner, refusal);
	}
	free(folder);
	return safe;
}

/* The path as written and as resolved. */
static bool
check_all_folders(
	const char *path, const char *resolved, bool any_owner, struct safety_refusal *refusal)
{
	return check_folders(resolved, any_owner, refusal) &&
	       (strcmp(path, resolved) == 0 || check_folders(path, any_owner, refusal));
}

static bool
check_file(const char *path, const struct stat *status, enum safety_kind kind,
	struct safety_refusal *refusal)
{
	if (!S_ISREG(status->st_mode)) {
		buf_appendf(&refusal->reason, "%s is %s: name a regular file", path,
			S_ISDIR(status->st_mode)    ? "a folder"
			: S_ISFIFO(status->st_mode) ? "a FIFO"
						    : "not a regular file");
	} else if (!is_ours(status)) {
		buf_appendf(&refusal->reason,
			"%s is owned by user id %lu, not by root or user id %lu: change its owner",
			path, (unsigned long)status->st_uid, (unsigned long)geteuid());
	} else if ((status->st_mode & OTHERS_WRITE) != 0) {
		buf_appendf(&refusal->reason, "others can write %s (mode %04o): chmod go-w %s",
			path, permissions(status), path);
	} else if (kind == SAFETY_SECRET && (status->st_mode & S_IROTH) != 0) {
		buf_appendf(&refusal->reason, "others can read %s (mode %04o): chmod 640 %s", path,
			permissions(status), path);
	} else {
		return true;
	}
	blame(refusal, path);
	return false;
}

int
safety_open(const char *path, enum safety_kind kind, struct stat *status_out,
	struct safety_refusal *refusal)
{
	int fd = -1;
	bool safe = false;

	memset(status_out, 0, sizeof *status_out);
	char *resolved = realpath(path, NULL);
	if (resolved == NULL) {
		refuse_error(path, errno, refusal);
		goto out;
	}
	fd = open(resolved, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	if (fd == -1 || fstat(fd, status_out) != 0) {
		refuse_error(resolved, errno, refusal);
		goto out;
	}
	safe = check_file(resolved, status_out, kind, refusal) &&
	       check_all_folders(path, resolved, false, refusal);
out:
	if (!safe && fd != -1) {
		close(fd);
		fd = -1;
	}
	if (!safe)
		memset(status_out, 0, sizeof *status_out);
	free(resolved);
	return fd;
}

static enum safety_program
check_program_file(const char *path, const struct stat *status, struct safety_refusal *refusal)
{
	if (!S_ISREG(status->st_mode)) {
		buf_appendf(&refusal->reason, "%s is %s: name a program", path,
			S_ISDIR(status->st_mode) ? "a folder" : "not a regular file");
		blame(refusal, path);
		return SAFETY_PROGRAM_ABSENT;
	}
	if ((status->st_mode & OTHERS_WRITE) != 0) {
		buf_appendf(&refusal->reason, "others can write %s (mode %04o): chmod go-w %s",
			path, permissions(status), path);
		blame(refusal, path);
		return SAFETY_PROGRAM_UNSAFE;
	}
	/* As the effective user; root needs one x bit too (faccessat(2)). */
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0) {
		buf_appendf(&refusal->reason, "%s is not executable (mode %04o): chmod +x %s", path,
			permissions(status), path);
		blame(refusal, path);
		return SAFETY_PROGRAM_ABSENT;
	}
	return SAFETY_PROGRAM_FINE;
}

enum safety_program
safety_check_program(const char *path, struct safety_refusal *refusal)
{
	enum safety_program result = SAFETY_PROGRAM_ABSENT;
	struct stat status;
	char *resolved = realpath(path, NULL);
	if (resolved == NULL || stat(resolved, &status) != 0) {
		refuse_error(resolved != NULL ? resolved : path, errno, refusal);
		goto out;
	}
	result = check_program_file(resolved, &status, refusal);
	if (result == SAFETY_PROGRAM_FINE && !check_all_folders(path, resolved, true, refusal))
		result = SAFETY_PROGRAM_UNSAFE;
out:
	free(resolved);
	return result;
}
