/* learn.c - a secret that a sender brings is written to a file, once
 *
 * The bytes go to a file of a name of its own beside it and to disk first; then a
 * hard link gives it its name, which fails where there is a file already, and the
 * folder goes to disk. So whoever sees the file sees all of it, and who answers
 * the sender knows that it will be there. Rejected: O_EXCL on the name itself,
 * which shows others half a secret; rename(2), which replaces.
 */
#include "learn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "crypto.h"
#include "safety.h"
#include "text.h"

#define SECRET_MAX 65536 /* bytes of a file that is there: as much as the configuration reads */

static enum learn_result
fail(char *reason_out, const char *what, const char *path, const char *why)
{
	snprintf(reason_out, LEARN_REASON_MAX, "the secret cannot be kept: %s %.200s: %s", what,
		path, why);
	return LEARN_FAILED;
}

static bool
write_all(int fd, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t written = write(fd, bytes.data, bytes.len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes.data += written;
		bytes.len -= (size_t)written;
	}
	return true;
}

static bool
sync_folder(const char *path)
{
	char *folder = xmemdup0(path, (size_t)(strrchr(path, '/') - path) + 1);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd != -1 && fsync(fd) == 0;
	int error = errno;
	if (fd != -1)
		close(fd);
	free(folder);
	errno = error;
	return done;
}

/* May the configuration read what lies there? */
static int
open_safely(const char *path, char *reason_out)
{
	struct safety_refusal refusal;
	struct stat status;
	safety_refusal_init(&refusal);
	int fd = safety_open(path, SAFETY_SECRET, &status, &refusal);
	if (fd == -1)
		snprintf(reason_out, LEARN_REASON_MAX, "the secret cannot be kept: %.300s",
			buf_text(&refusal.reason));
	safety_refusal_free(&refusal);
	return fd;
}

/* A file is there. Is it the same secret? An editor's newline behind it belongs to none. */
static enum learn_result
compare(const char *path, struct slice secret, char *reason_out)
{
	enum learn_result result = LEARN_FAILED;
	int fd = open_safely(path, reason_out);
	if (fd == -1)
		return LEARN_FAILED;
	struct buf there;
	buf_init(&there, SECRET_MAX);
	if (!buf_reserve(&there, SECRET_MAX)) {
		fail(reason_out, "reading", path, strerror(ENOMEM));
		goto out;
	}
	ssize_t got = 0;
	do {
		if (got > 0)
			there.len += (size_t)got;
		got = read(fd, there.data + there.len, SECRET_MAX - there.len);
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0) {
		fail(reason_out, "reading", path, strerror(errno));
		goto out;
	}
	if (there.len > 0 && there.data[there.len - 1] == '\n') {
		there.len--;
		if (there.len > 0 && there.data[there.len - 1] == '\r')
			there.len--;
	}
	result = crypto_equal(buf_slice(&there), secret) ? LEARN_DONE : LEARN_OTHER;
	/* Who made it may be about to do this still. */
	if (result == LEARN_DONE && !sync_folder(path))
		result = fail(reason_out, "syncing the folder of", path, strerror(errno));
	if (result == LEARN_OTHER)
		snprintf(reason_out, LEARN_REASON_MAX,
			"another secret was learned before: to take a new one, remove %.200s and "
			"register the URL again",
			path);
out:
	buf_free_secret(&there);
	close(fd);
	return result;
}

/* A new file beside path with the secret in it, on disk; the caller frees its name. NULL: the reason is told. */
static char *
write_beside(const char *path, struct slice secret, char *reason_out)
{
	uint8_t random[8];
	struct buf name;
	bool named;

	buf_init(&name, strlen(path) + 32);
	named = crypto_random(random, sizeof random) && buf_append_text(&name, path) &&
		buf_append_char(&name, '.') && text_encode(TEXT_HEX, random, sizeof random, &name);
	if (!named) {
		buf_free(&name);
		fail(reason_out, "naming", path, "no random bytes");
		return NULL;
	}
	char *beside = buf_take(&name);
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1) {
		fail(reason_out, "creating", beside, strerror(errno));
		free(beside);
		return NULL;
	}
	bool written = write_all(fd, secret) && fsync(fd) == 0;
	int error = errno;
	if (close(fd) != 0 && written) {
		written = false;
		error = errno;
	}
	if (!written) {
		unlink(beside);
		fail(reason_out, "writing", beside, strerror(error));
		free(beside);
		return NULL;
	}
	return beside;
}

/* Give the file its name, where there is none of that name. EEXIST: there is. */
static bool
name_once(const char *beside, const char *path)
{
	if (link(beside, path) == 0) {
		unlink(beside);
		return true;
	}
	/* A file system without hard links. */
	return (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) &&
	       renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
}

enum learn_result
learn_secret(const char *path, struct slice secret, char reason_out[LEARN_REASON_MAX])
{
	struct stat status;
	reason_out[0] = '\0';
	if (lstat(path, &status) == 0)
		return compare(path, secret, reason_out);

	char *beside = write_beside(path, secret, reason_out);
	if (beside == NULL)
		return LEARN_FAILED;
	enum learn_result result = LEARN_FAILED;
	/* Its folders are those of path: what could not be read as a secret later is none now. */
	int fd = open_safely(beside, reason_out);
	if (fd == -1)
		goto out;
	close(fd);
	if (name_once(beside, path)) {
		result = LEARN_DONE;
		if (!sync_folder(path))
			result = fail(reason_out, "syncing the folder of", path, strerror(errno));
	} else if (errno == EEXIST) {
		result = compare(path, secret, reason_out);
	} else {
		fail(reason_out, "naming", path, strerror(errno));
	}
out:
	unlink(beside); /* gone already where it has its name */
	free(beside);
	return result;
}
