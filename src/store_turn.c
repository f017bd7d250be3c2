/* store_turn.c - turns: byte locks on DATABASE-lock
 *
 * Whoever wants to write queues for byte 0, and with it waits for byte 1, the turn. So one who has
 * just written stands behind all who wait; SQLite's own waiting is sleep and retry, and
 * let a process wait for seconds behind one that writes back to back (measured).
 * Byte 2 is whoever copies the log; only who has to copy all of it waits for that.
 * They are locks of an open file, not of a process: another thread's are no obstacle to close(2), and
 * the kernel takes them back from whoever is killed.
 *
 * The mark is what the file holds: "!", or nothing.
 */
#include "store_turn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "descriptor.h"

#define LATE_AGAIN_MS 50 /* between two signals to one who waits too long */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum wait { TURN_TAKEN, TURN_LATE, TURN_NONE };

static pthread_once_t signal_once = PTHREAD_ONCE_INIT;

static void
signal_seen(int number)
{
	(void)number; /* it has interrupted fcntl(2), that is all */
}

static void
signal_setup(void)
{
	struct sigaction action = { .sa_handler = signal_seen }; /* no SA_RESTART */
	sigemptyset(&action.sa_mask);
	sigaction(SIGRTMIN + 1, &action, NULL);
}

static struct flock
byte_of(off_t byte, short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
}

static int
byte_lock(int fd, int command, off_t byte, short type)
{
	struct flock lock = byte_of(byte, type);
	return fcntl(fd, command, &lock);
}

/* Wait for the byte, woken by a signal to this thread when it is too late. */
static enum wait
byte_wait(int fd, off_t byte, int64_t deadline_ms)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec late = {
		/* Again and again: the first may come just before the call that it is to end. */
		.it_interval = { 0, (long)LATE_AGAIN_MS * 1000000 },
		.it_value = { deadline_ms / 1000, deadline_ms % 1000 * 1000000 },
	};
	sigset_t ours, before;
	timer_t timer;
	int error;

	pthread_once(&signal_once, signal_setup);
	event.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		return TURN_NONE;
	sigemptyset(&ours);
	sigaddset(&ours, SIGRTMIN + 1);
	pthread_sigmask(SIG_UNBLOCK, &ours, &before);
	timer_settime(timer, TIMER_ABSTIME, &late, NULL);
	do
		error = byte_lock(fd, F_OFD_SETLKW, byte, F_WRLCK) == 0 ? 0 : errno;
	while (error == EINTR && clock_ms() < deadline_ms);
	timer_delete(timer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		return TURN_TAKEN;
	return error == EINTR ? TURN_LATE : TURN_NONE;
}

static enum wait
byte_take(int fd, off_t byte, int64_t deadline_ms)
{
	if (byte_lock(fd, F_OFD_SETLK, byte, F_WRLCK) == 0)
		return TURN_TAKEN;
	if (errno != EAGAIN && errno != EACCES)
		return TURN_NONE;
	return clock_ms() < deadline_ms ? byte_wait(fd, byte, deadline_ms) : TURN_LATE;
}

/* false: there is none; nobody needs it. */
static bool
lock_open(struct turn *turn)
{
	struct stat database, lock;
	if (turn->fd >= 0)
		return true;
	char *path = xmalloc(strlen(turn->database) + sizeof "-lock");
	sprintf(path, "%s-lock", turn->database);
	turn->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(path);
	/* As SQLite does with its files: what root makes, the owner of the database may open. */
	if (turn->fd >= 0 && geteuid() == 0 && stat(turn->database, &database) == 0 &&
		fstat(turn->fd, &lock) == 0 && lock.st_uid != database.st_uid &&
		fchown(turn->fd, database.st_uid, database.st_gid) != 0)
		turn_close(turn);
	return turn->fd >= 0;
}

void
turn_init(struct turn *turn, const char *database)
{
	*turn = (struct turn){ .database = database, .fd = -1 };
}

void
turn_close(struct turn *turn)
{
	descriptor_close(&turn->fd);
}

bool
turn_take(struct turn *turn, int64_t deadline_ms)
{
	if (turn->taken || !lock_open(turn))
		return true;
	enum wait queued = byte_take(turn->fd, 0, deadline_ms);
	if (queued != TURN_TAKEN)
		return queued == TURN_NONE;
	enum wait waited = byte_take(turn->fd, 1, deadline_ms);
	byte_lock(turn->fd, F_OFD_SETLK, 0, F_UNLCK);
	turn->taken = waited == TURN_TAKEN;
	return waited != TURN_LATE;
}

void
turn_give(struct turn *turn)
{
	if (turn->taken)
		byte_lock(turn->fd, F_OFD_SETLK, 1, F_UNLCK);
	turn->taken = false;
}

bool
turn_is_awaited(const struct turn *turn)
{
	struct flock lock = byte_of(0, F_WRLCK);
	return turn->taken && fcntl(turn->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool
turn_take_copy(struct turn *turn, int64_t deadline_ms)
{
	return !lock_open(turn) || byte_take(turn->fd, 2, deadline_ms) != TURN_LATE;
}

void
turn_give_copy(struct turn *turn)
{
	if (turn->fd >= 0)
		byte_lock(turn->fd, F_OFD_SETLK, 2, F_UNLCK);
}

void
turn_mark(struct turn *turn)
{
	ssize_t ignored = lock_open(turn) ? pwrite(turn->fd, "!", 1, 0) : 0;
	(void)ignored;
}

bool
turn_is_marked(struct turn *turn)
{
	char mark;
	return lock_open(turn) && pread(turn->fd, &mark, 1, 0) == 1 && mark == '!';
}

void
turn_unmark(struct turn *turn)
{
	int ignored = turn->fd >= 0 ? ftruncate(turn->fd, 0) : 0;
	(void)ignored;
}
