/* safety.c - may this be trusted: who else could have written, read or chosen it
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
#define HEAD_MAX 256 /* of a script, for its interpreter: BINPRM_BUF_SIZE of Linux */

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

/* The topmost folder on the way to path that the effective user may not search,
 * to be freed; NULL: none. Of a link that leads behind one it is the link. */
static char *
closed_folder(const char *path)
{
	char *folder = xstrdup(path);
	for (char *slash = folder; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
		*slash = '\0';
		if (faccessat(AT_FDCWD, folder, X_OK, AT_EACCESS) != 0 && errno == EACCES)
			return folder;
	}
	free(folder);
	return NULL;
}

/* Append " (mode 0700, owner id 0)" where that can be seen. */
static void
append_rights(struct safety_refusal *refusal, const char *path)
{
	struct stat status;
	if (stat(path, &status) == 0)
		buf_appendf(&refusal->reason, " (mode %04o, owner id %lu)", permissions(&status),
			(unsigned long)status.st_uid);
}

/* The effective user may not read it, or not even come to it. */
static bool
refuse_access(const char *path, struct safety_refusal *refusal)
{
	unsigned long user = geteuid();
	char *closed = closed_folder(path);
	if (closed != NULL) {
		buf_appendf(&refusal->reason, "%s cannot be reached by user id %lu: the folder %s",
			path, user, closed);
		append_rights(refusal, closed);
		buf_appendf(&refusal->reason,
			" is closed to it: change that folder's group or mode, or move the file");
	} else {
		buf_appendf(&refusal->reason, "%s", path);
		append_rights(refusal, path);
		buf_appendf(&refusal->reason,
			" cannot be read by user id %lu: change its owner or group", user);
	}
	blame(refusal, closed != NULL ? closed : path);
	free(closed);
	return false;
}

static bool
refuse_error(const char *path, int error, struct safety_refusal *refusal)
{
	if (error == EACCES)
		return refuse_access(path, refusal);
	if (error == ENOENT)
		buf_appendf(
			&refusal->reason, "%s does not exist: create it or correct the path", path);
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

/* "#! /path/to/interpreter argument", as execve(2) reads it. */
static bool
check_interpreter(const char *path, struct slice head, struct safety_refusal *refusal)
{
	char line[HEAD_MAX + 1];
	const char *newline = memchr(head.data, '\n', head.len);
	size_t len = newline != NULL ? (size_t)(newline - head.data) : head.len;
	memcpy(line, head.data, len);
	line[len] = '\0';
	char *interpreter = line + 2 + strspn(line + 2, " \t");

	if (line[len - 1] == '\r') {
		buf_appendf(&refusal->reason,
			"%s ends its lines with CR LF, and the CR counts as part of the "
			"interpreter's name: sed -i 's/\\r$//' %s",
			path, path);
		return false;
	}
	interpreter[strcspn(interpreter, " \t")] = '\0';
	if (interpreter[0] != '/') {
		buf_appendf(&refusal->reason,
			"%s names no interpreter by its full path: make its first line one such as "
			"#!/bin/sh",
			path);
		return false;
	}
	if (faccessat(AT_FDCWD, interpreter, X_OK, AT_EACCESS) == 0)
		return true;
	buf_appendf(&refusal->reason,
		"%s is run by %s, which %s: install that or correct the first line", path,
		interpreter, errno == ENOENT ? "does not exist" : "is not executable");
	return false;
}

bool
safety_check_start(const char *path, struct safety_refusal *refusal)
{
	static const char mark[] = "\xef\xbb\xbf";
	char head[HEAD_MAX];
	bool starts = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t len = fd == -1 ? -1 : read(fd, head, sizeof head);
	if (fd != -1)
		close(fd);
	if (len == -1 || (len >= 4 && memcmp(head, "\177ELF", 4) == 0))
		return true;
	if (len >= 2 && memcmp(head, "#!", 2) == 0)
		starts = check_interpreter(path, (struct slice){ head, (size_t)len }, refusal);
	else if (len == 0)
		buf_appendf(&refusal->reason, "%s is empty: write the program into it", path);
	else if (len >= 3 && memcmp(head, mark, 3) == 0)
		buf_appendf(&refusal->reason,
			"%s begins with a byte order mark, before its \"#!\": save it without one",
			path);
	else
		buf_appendf(&refusal->reason,
			"%s has no \"#!\" at its beginning and is no binary program: make its "
			"first "
			"line one such as #!/bin/sh",
			path);
	if (!starts)
		blame(refusal, path);
	return starts;
}

/* Could a file be created there? */
static bool
check_creation(const char *path, struct safety_refusal *refusal)
{
	struct stat status;
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL ? xstrdup(".")
				     : xmemdup0(path, slash == path ? 1 : (size_t)(slash - path));
	bool fine = false;
	if (stat(folder, &status) != 0) {
		refuse_error(folder, errno, refusal);
	} else if (!S_ISDIR(status.st_mode)) {
		buf_appendf(&refusal->reason, "%s is not a folder: correct the path", folder);
		blame(refusal, folder);
	} else if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0) {
		int error = errno;
		buf_appendf(&refusal->reason, "user id %lu cannot create files in the folder %s",
			(unsigned long)geteuid(), folder);
		append_rights(refusal, folder);
		buf_appendf(&refusal->reason, ": %s",
			error == EACCES ? "change its owner or group, or name another"
					: strerror(error));
		blame(refusal, folder);
	} else {
		fine = true;
	}
	free(folder);
	return fine;
}

bool
safety_check_append(const char *path, struct safety_refusal *refusal)
{
	struct stat status;
	if (lstat(path, &status) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return check_creation(path, refusal);
		return refuse_error(path, errno, refusal);
	}
	if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) {
		buf_appendf(&refusal->reason, "%s is %s: name a file", path,
			S_ISLNK(status.st_mode)   ? "a symbolic link, which is not followed"
			: S_ISDIR(status.st_mode) ? "a folder"
						  : "not a regular file");
	} else if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0) {
		int error = errno;
		buf_appendf(&refusal->reason, "user id %lu cannot write %s",
			(unsigned long)geteuid(), path);
		append_rights(refusal, path);
		buf_appendf(&refusal->reason, ": %s",
			error == EACCES ? "change its owner or group, or name another"
					: strerror(error));
	} else {
		return true;
	}
	blame(refusal, path);
	return false;
}

bool
safety_is_request_variable(struct slice name)
{
	/* "*" at the end stands for any rest. */
	static const char *const names[] = { "HTTP_*", "HTTPS", "CONTENT_*", "QUERY_STRING*",
		"PATH_INFO", "PATH_TRANSLATED", "ORIG_*", "REQUEST_*", "REMOTE_*", "SERVER_*",
		"SCRIPT_*", "AUTH_TYPE", "AUTHENTICATE_*", "GATEWAY_INTERFACE", "DOCUMENT_*",
		"REDIRECT_*", "SSL_*", "CONTEXT_*", "UNIQUE_ID" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t len = strlen(names[i]);
		bool prefix = names[i][len - 1] == '*';
		if (prefix ? name.len >= len - 1 && memcmp(name.data, names[i], len - 1) == 0
			   : slice_is(name, names[i]))
			return true;
	}
	return false;
}
