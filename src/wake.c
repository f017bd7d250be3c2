/* wake.c - a FIFO to wake the worker, and the lock of the one worker
 *
 * The FIFO is opened for reading and writing by its reader, so it never comes
 * to an end for it; and a sender can open it for writing only while that lives
 * (fifo(7), ENXIO): that tells whether a worker is there, without a file that a killed
 * one would leave behind. The lock is flock(2) for the same reason.
 */
#include "wake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE (PATH_MAX + sizeof "-worker")
#define OPENS_MAX 10 /* while somebody removes it */

/* false: errno is ENAMETOOLONG. */
static bool
path_of(char path[PATH_SIZE], const char *database, const char *suffix)
{
	if (strlen(database) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	snprintf(path, PATH_SIZE, "%s-%s", database, suffix);
	return true;
}

/* Keep the descriptor when it is a file of that type that nobody else has put there; else close
 * it: -1 and errno. */
static int
keep_ours(int fd, mode_t type)
{
	struct stat status;
	int error = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) != 0)
		error = errno;
	else if ((status.st_mode & S_IFMT) != type)
		error = EEXIST;
	else if (geteuid() != 0 && status.st_uid != geteuid())
		error = EPERM;
	if (error == 0)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

/* What root has just made would lock out the user whose database it is. Without that the next
 * user is told why it cannot open it. */
static void
give_to_owner(int fd, const char *database)
{
	struct stat status, made;

	if (geteuid() == 0 && stat(database, &status) == 0 && fstat(fd, &made) == 0 &&
		made.st_nlink == 1 && fchown(fd, status.st_uid, status.st_gid) != 0)
		return;
}

/* A reader that ends just now makes it EPIPE, and SIGPIPE, which is for this thread and is taken back before it can
 * act, unless one was waiting already. */
static bool
send_byte(int fd)
{
	const struct timespec none = { 0, 0 };
	sigset_t pipe_signal, mask, pending;
	ssize_t n;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &mask);
	sigpending(&pending);
	do
		n = write(fd, "", 1);
	while (n < 0 && errno == EINTR);
	/* Full: it has enough to wake up for. */
	bool sent = n == 1 || (n < 0 && errno == EAGAIN);
	if (n < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe_signal, NULL, &none);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return sent;
}

bool
wake_send(const char *database)
{
	char path[PATH_SIZE];
	bool sent;
	int fd;

	if (!path_of(path, database, "wake"))
		return false;
	fd = keep_ours(
		open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY), S_IFIFO);
	if (fd < 0)
		return false;
	sent = send_byte(fd);
	close(fd);
	return sent;
}

int
wake_open(const char *database)
{
	char path[PATH_SIZE];
	bool made = false;
	int fd, opens;

	if (!path_of(path, database, "wake"))
		return -1;
	for (opens = 0; opens < OPENS_MAX; opens++) {
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
		if (fd >= 0 || errno != ENOENT)
			break;
		made = mkfifo(path, 0600) == 0;
		if (!made && errno != EEXIST)
			break;
	}
	fd = keep_ours(fd, S_IFIFO);
	if (fd >= 0 && made)
		give_to_owner(fd, database);
	return fd;
}

int
wake_lock(const char *database)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	char path[PATH_SIZE];
	bool made;
	int fd, error;

	if (!path_of(path, database, "worker"))
		return -1;
	fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	made = fd >= 0;
	if (!made && errno == EEXIST)
		fd = open(path, flags);
	fd = keep_ours(fd, S_IFREG);
	if (fd < 0)
		return -1;
	if (made)
		give_to_owner(fd, database);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
