/* test_wake.c - the rules of wake.h, tried between processes that are killed
 *
 * A child says that it is ready by a byte in a pipe; then it waits for its end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wake.h"

#define NOBODY 65534
#define PATIENCE_MS 30000 /* that only a broken program needs */

static char scratch[64];
static char database[128];
static char wake_path[160];
static char worker_path[160];

static struct stat
status_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status;
}

/* fork(2), of a child that ends with this program at the latest. */
static pid_t
start_child(void)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

/* A child that opens what open_it says, tells, and holds it until it is killed. */
static pid_t
start_holder(int (*open_it)(const char *))
{
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = start_child();
	if (child == 0) {
		if (open_it(database) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void
kill_child(pid_t child)
{
	int status;

	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

/* What child_main returns in a process of its own. */
static int
in_child(int (*child_main)(void))
{
	pid_t child = start_child();
	int status;

	if (child == 0)
		_exit(child_main());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
send_one(void)
{
	return wake_send(database);
}

static bool
is_readable(int fd, int wait_ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return poll(&polled, 1, wait_ms) == 1 && polled.revents == POLLIN;
}

/* How many bytes are in it. */
static size_t
drain(int fd)
{
	char bytes[4096];
	size_t count = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		count += (size_t)n;
	assert_int_equal(n, -1); /* never at its end */
	assert_int_equal(errno, EAGAIN);
	return count;
}

static void
make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void
assert_refused(int (*open_it)(const char *), int error)
{
	errno = 0;
	assert_int_equal(open_it(database), -1);
	assert_int_equal(errno, error);
}

/*
 * The FIFO
 */

static void
reading_end_is_private_does_not_block_and_is_not_inherited(void **state)
{
	int fd = wake_open(database);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(status_of(wake_path).st_mode, S_IFIFO | 0600);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(drain(fd), 0);
	close(fd);
}

static void
send_from_another_process_wakes(void **state)
{
	int fd = wake_open(database);

	(void)state;
	assert_false(is_readable(fd, 0));
	assert_int_equal(in_child(send_one), 1);
	assert_true(is_readable(fd, PATIENCE_MS));
	assert_int_equal(in_child(send_one), 1);
	assert_int_equal(in_child(send_one), 1);
	assert_int_equal(drain(fd), 3);
	/* The senders' ends have gone: that is no end for us. */
	assert_false(is_readable(fd, 0));
	assert_int_equal(in_child(send_one), 1);
	assert_true(is_readable(fd, PATIENCE_MS));
	close(fd);
}

static void
send_to_a_reader_in_another_process_has_a_listener(void **state)
{
	pid_t first = start_holder(wake_open), second = start_holder(wake_open);

	(void)state;
	assert_true(wake_send(database));
	kill_child(first);
	assert_true(wake_send(database));
	kill_child(second);
	assert_false(wake_send(database));
}

static void
without_a_listener_it_says_so(void **state)
{
	int fd;

	(void)state;
	assert_false(wake_send(database));
	assert_int_equal(access(wake_path, F_OK), -1); /* it makes nothing */
	fd = wake_open(database);
	assert_true(wake_send(database));
	close(fd);
	assert_false(wake_send(database));
	/* What was sent to one that has gone is not kept. */
	fd = wake_open(database);
	assert_int_equal(drain(fd), 0);
	close(fd);
}

static void
full_one_neither_blocks_nor_is_without_listener(void **state)
{
	int fd = wake_open(database), i, size;

	(void)state;
	size = fcntl(fd, F_GETPIPE_SZ);
	assert_true(size > 0);
	for (i = 0; i < size + 10; i++)
		assert_true(wake_send(database));
	assert_int_equal(in_child(send_one), 1);
	assert_int_equal(drain(fd), size);
	assert_true(wake_send(database));
	assert_int_equal(drain(fd), 1);
	close(fd);
}

static void
something_else_than_a_fifo_is_refused_and_left_alone(void **state)
{
	char target[128];
	int fd;

	(void)state;
	make_file(wake_path, "mine");
	assert_refused(wake_open, EEXIST);
	assert_false(wake_send(database));
	assert_int_equal(status_of(wake_path).st_size, 4);
	assert_int_equal(status_of(wake_path).st_mode & S_IFMT, S_IFREG);
	unlink(wake_path);
	/* Not even when what it names is one. */
	snprintf(target, sizeof target, "%s/target", scratch);
	assert_int_equal(mkfifo(target, 0600), 0);
	fd = open(target, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(symlink(target, wake_path), 0);
	assert_refused(wake_open, ELOOP);
	assert_false(wake_send(database));
	assert_int_equal(drain(fd), 0);
	close(fd);
	unlink(wake_path);
	assert_int_equal(mkdir(wake_path, 0700), 0);
	assert_int_equal(wake_open(database), -1);
	assert_false(wake_send(database));
	assert_int_equal(rmdir(wake_path), 0);
}

static void
path_that_cannot_be_is_an_error(void **state)
{
	char path[PATH_MAX + 100];

	(void)state;
	snprintf(path, sizeof path, "%s/nowhere/db", scratch);
	assert_false(wake_send(path));
	assert_int_equal(wake_open(path), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(wake_lock(path), -1);
	assert_int_equal(errno, ENOENT);
	memset(path, '/', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_false(wake_send(path));
	assert_int_equal(wake_open(path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(wake_lock(path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

static _Noreturn void
come_and_go(void)
{
	for (;;)
		close(wake_open(database));
}

/*
 * Readers that come and go all the time, so that some go between a sender's
 * open and its write; SIGPIPE has its default, which would kill the sender.
 */
static int
send_for_long(void)
{
	sigset_t after;
	int i, listened = 0;

	signal(SIGPIPE, SIG_DFL);
	for (i = 0; i < 100000; i++)
		listened += wake_send(database);
	sigprocmask(SIG_SETMASK, NULL, &after);
	if (sigismember(&after, SIGPIPE))
		return 1;
	return listened == 0 ? 2 : listened == i ? 3 : 0;
}

/* What a sender's process, running body, comes to. */
static int
while_a_reader_comes_and_goes(int (*body)(void))
{
	pid_t reader = start_child();
	int status;

	if (reader == 0)
		come_and_go();
	status = in_child(body);
	kill_child(reader);
	return status;
}

static void
reader_that_goes_in_between_kills_no_sender(void **state)
{
	(void)state;
	assert_int_equal(while_a_reader_comes_and_goes(send_for_long), 0);
}

/* One that was waiting already, blocked by the caller, stays; none is added. */
static int
send_with_signal_blocked(void)
{
	sigset_t blocked, pending;
	int i;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	for (i = 0; i < 50000; i++)
		wake_send(database);
	sigpending(&pending);
	if (sigismember(&pending, SIGPIPE))
		return 1;
	raise(SIGPIPE);
	for (i = 0; i < 50000; i++)
		wake_send(database);
	sigpending(&pending);
	return sigismember(&pending, SIGPIPE) ? 0 : 2;
}

static void
callers_own_sigpipe_is_neither_taken_nor_added(void **state)
{
	(void)state;
	assert_int_equal(while_a_reader_comes_and_goes(send_with_signal_blocked), 0);
}

static void
many_that_make_it_at_once_have_the_same(void **state)
{
	pid_t readers[8];
	int round, i, fd;

	(void)state;
	for (round = 0; round < 20; round++) {
		unlink(wake_path);
		for (i = 0; i < 8; i++) {
			readers[i] = start_child();
			if (readers[i] == 0) {
				fd = wake_open(database);
				_exit(fd >= 0 && is_readable(fd, PATIENCE_MS) ? 0 : 1);
			}
		}
		/* One byte, which nobody takes out, wakes all of them, if it is one FIFO. */
		fd = wake_open(database);
		assert_true(fd >= 0);
		assert_true(wake_send(database));
		for (i = 0; i < 8; i++) {
			int status;

			assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
			assert_int_equal(status, 0);
		}
		close(fd);
	}
}

/*
 * The lock
 */

static int
try_lock(void)
{
	int fd = wake_lock(database);

	return fd >= 0 ? 0 : errno == EWOULDBLOCK ? 1 : 2;
}

static void
one_worker_has_the_lock_of_a_database(void **state)
{
	char other[160];
	int fd = wake_lock(database), another;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(status_of(worker_path).st_mode, S_IFREG | 0600);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(in_child(try_lock), 1);
	assert_refused(wake_lock, EWOULDBLOCK); /* nor has this process twice */
	snprintf(other, sizeof other, "%s-b", database);
	another = wake_lock(other);
	assert_true(another >= 0);
	close(another);
	close(fd);
	assert_int_equal(in_child(try_lock), 0);
	assert_int_equal(in_child(try_lock), 0);
}

static void
lock_of_a_killed_worker_is_free(void **state)
{
	ino_t inode = 0;
	int round;

	(void)state;
	for (round = 0; round < 20; round++) {
		pid_t worker = start_holder(wake_lock);

		assert_refused(wake_lock, EWOULDBLOCK);
		kill_child(worker);
		assert_int_equal(in_child(try_lock), 0);
		/* The file stays: one that was made anew would be a second lock. */
		assert_true(round == 0 || status_of(worker_path).st_ino == inode);
		inode = status_of(worker_path).st_ino;
	}
}

static void
of_many_that_want_the_lock_at_once_one_gets_it(void **state)
{
	int ready[2], go[2], round, i, got;
	pid_t workers[8];
	char byte;

	(void)state;
	for (round = 0; round < 20; round++) {
		unlink(worker_path);
		assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
		assert_int_equal(pipe2(go, O_CLOEXEC), 0);
		for (i = 0; i < 8; i++) {
			workers[i] = start_child();
			if (workers[i] != 0)
				continue;
			close(go[1]);
			byte = wake_lock(database) >= 0 ? 'y' : 'n';
			if (write(ready[1], &byte, 1) != 1)
				_exit(1);
			_exit(read(go[0], &byte, 1) != 0); /* keep it until all have tried */
		}
		for (i = got = 0; i < 8; i++) {
			assert_int_equal(read(ready[0], &byte, 1), 1);
			got += byte == 'y';
		}
		assert_int_equal(got, 1);
		close(go[1]);
		for (i = 0; i < 8; i++)
			waitpid(workers[i], NULL, 0);
		close(go[0]);
		close(ready[0]);
		close(ready[1]);
	}
}

static void
lock_is_no_link_and_no_fifo(void **state)
{
	char target[128];

	(void)state;
	snprintf(target, sizeof target, "%s/target", scratch);
	assert_int_equal(symlink(target, worker_path), 0);
	assert_refused(wake_lock, ELOOP);
	assert_int_equal(access(target, F_OK), -1);
	unlink(worker_path);
	assert_int_equal(mkfifo(worker_path, 0600), 0);
	assert_refused(wake_lock, EEXIST);
}

/*
 * Whose they are
 */

static int
open_as_nobody(void)
{
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return 1;
	if (wake_open(database) >= 0 || errno != EPERM)
		return 2;
	if (wake_lock(database) >= 0 || errno != EPERM)
		return 3;
	return wake_send(database) ? 4 : 0;
}

static void
those_of_another_user_are_refused(void **state)
{
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	close(wake_lock(database));
	fd = wake_open(database);
	assert_int_equal(chmod(scratch, 0777), 0);
	assert_int_equal(chmod(wake_path, 0666), 0);
	assert_int_equal(chmod(worker_path, 0666), 0);
	assert_int_equal(in_child(open_as_nobody), 0);
	close(fd);
}

static void
what_root_makes_belongs_to_the_owner_of_the_database(void **state)
{
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_file(database, "");
	assert_int_equal(chown(database, NOBODY, NOBODY), 0);
	fd = wake_open(database);
	assert_int_equal(status_of(wake_path).st_uid, NOBODY);
	assert_int_equal(status_of(wake_path).st_gid, NOBODY);
	assert_true(wake_send(database)); /* root may send there */
	close(fd);
	close(wake_lock(database));
	assert_int_equal(status_of(worker_path).st_uid, NOBODY);
	assert_int_equal(status_of(worker_path).st_gid, NOBODY);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(scratch, sizeof scratch, "/tmp/hookcgi-test-wake-XXXXXX");
	if (mkdtemp(scratch) == NULL)
		return -1;
	snprintf(database, sizeof database, "%s/db", scratch);
	snprintf(wake_path, sizeof wake_path, "%s-wake", database);
	snprintf(worker_path, sizeof worker_path, "%s-worker", database);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "db", "db-wake", "db-worker", "db-b-worker",
		"target" };
	char path[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
		unlink(path);
	}
	return rmdir(scratch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reading_end_is_private_does_not_block_and_is_not_inherited),
		TEST(send_from_another_process_wakes),
		TEST(send_to_a_reader_in_another_process_has_a_listener),
		TEST(without_a_listener_it_says_so),
		TEST(full_one_neither_blocks_nor_is_without_listener),
		TEST(something_else_than_a_fifo_is_refused_and_left_alone),
		TEST(path_that_cannot_be_is_an_error),
		TEST(reader_that_goes_in_between_kills_no_sender),
		TEST(callers_own_sigpipe_is_neither_taken_nor_added),
		TEST(many_that_make_it_at_once_have_the_same),
		TEST(one_worker_has_the_lock_of_a_database),
		TEST(lock_of_a_killed_worker_is_free),
		TEST(of_many_that_want_the_lock_at_once_one_gets_it),
		TEST(lock_is_no_link_and_no_fifo),
		TEST(those_of_another_user_are_refused),
		TEST(what_root_makes_belongs_to_the_owner_of_the_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
