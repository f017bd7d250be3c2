/* spawn.c - what running a handler costs beside the bare system calls
 *
 * Three ways to run /bin/true with 2 KB on its stdin and both outputs captured,
 * taking turns in one program so that all see the same machine:
 *   floor    posix_spawn with three pipes in its own group, from SPAWNERS threads
 *   handler  run_handler() in SPAWNERS processes (as CGI does it)
 *   runner   runner_run() from CALLERS threads (as the FastCGI endpoint does it),
 *            with SPAWNERS runners: more processes would take a larger share of
 *            a busy machine than the floor has
 * Printed are runs a second, and the ratios of the medians to that of the floor.
 *
 *   build/bench/spawn [ROUNDS [MILLISECONDS]]
 *   build/bench/spawn --floor MILLISECONDS     the floor once, as a line of bench/http.sh
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"
#include "runner.h"

#define SPAWNERS 4
#define CALLERS 16
#define ROUNDS_MAX 99

static char *const arguments[] = { (char[]){ "/bin/true" }, NULL };
static char *const variables[] = { (char[]){ "PATH=/usr/bin:/bin" }, NULL };
static char body[2048];
static int64_t slice_us = 700 * 1000;

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static void
read_to_end(int fd)
{
	char chunk[4096];

	while (read(fd, chunk, sizeof chunk) > 0)
		continue;
	close(fd);
}

/* One run with nothing that is not needed. */
static void
floor_once(void)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int in[2], out[2], err[2], status;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
		fail("pipe2");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	if (posix_spawn(&pid, arguments[0], &actions, &attributes, arguments, variables) != 0)
		fail("posix_spawn");
	close(in[0]);
	close(out[1]);
	close(err[1]);
	if (write(in[1], body, sizeof body) < 0 && errno != EPIPE)
		fail("write");
	close(in[1]);
	read_to_end(out[0]);
	read_to_end(err[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("/bin/true");
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
}

static struct run_spec
spec(void)
{
	return (struct run_spec){
		.argv = arguments,
		.envp = variables,
		.directory = "/",
		.input = { body, sizeof body },
		.input_fd = -1,
		.timeout_ms = 10000,
		.grace_ms = 1000,
	};
}

static void
check(struct run_result *result)
{
	if (result->end != RUN_EXITED || result->code != 0) {
		fprintf(stderr, "not run: %s\n", result->reason);
		exit(1);
	}
	run_result_free(result);
}

static void
handler_once(void)
{
	const struct run_spec one = spec();
	struct run_result result;

	run_result_init(&result);
	run_handler(&one, &result);
	check(&result);
}

static void
runner_once(void)
{
	const struct run_spec one = spec();
	struct run_result result;

	run_result_init(&result);
	runner_run(&one, SPAWNERS, &result);
	check(&result);
}

/* Again and again for one slice; how often. */
static long
repeat(void (*once)(void))
{
	int64_t end_us = now_us() + slice_us;
	long count = 0;

	while (now_us() < end_us) {
		once();
		count++;
	}
	return count;
}

static void *
thread_main(void *once)
{
	return (void *)(intptr_t)repeat(*(void (**)(void))once);
}

static double
rate_in_threads(void (*once)(void), int threads)
{
	pthread_t thread[CALLERS];
	int64_t start_us = now_us();
	long count = 0;
	void *part;
	int i;

	for (i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, thread_main, &once);
	for (i = 0; i < threads; i++) {
		pthread_join(thread[i], &part);
		count += (long)(intptr_t)part;
	}
	return (double)count * 1e6 / (double)(now_us() - start_us);
}

static double
rate_in_processes(void (*once)(void), int processes)
{
	int64_t start_us = now_us();
	long count = 0, part;
	int report[2], i;

	if (pipe(report) != 0)
		fail("pipe");
	for (i = 0; i < processes; i++) {
		if (fork() == 0) {
			part = repeat(once);
			_exit(write(report[1], &part, sizeof part) == sizeof part ? 0 : 1);
		}
	}
	for (i = 0; i < processes; i++) {
		wait(NULL);
		if (read(report[0], &part, sizeof part) != sizeof part)
			fail("a process");
		count += part;
	}
	close(report[0]);
	close(report[1]);
	return (double)count * 1e6 / (double)(now_us() - start_us);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof *values, compare);
	return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int
main(int argc, char **argv)
{
	static double bare[ROUNDS_MAX], handler[ROUNDS_MAX], runner[ROUNDS_MAX];
	bool floor_only = argc == 3 && strcmp(argv[1], "--floor") == 0;
	int rounds = argc > 1 && !floor_only ? (int)strtol(argv[1], NULL, 10) : 7;
	int i;
	double base;

	memset(body, 'x', sizeof body);
	if (argc > 2)
		slice_us = strtol(argv[2], NULL, 10) * 1000;
	if (rounds < 1 || rounds > ROUNDS_MAX || slice_us < 1000) {
		fprintf(stderr, "usage: spawn [ROUNDS [MILLISECONDS]]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (floor_only) {
		printf("%.1f 0 0 0\n", rate_in_threads(floor_once, SPAWNERS));
		return 0;
	}
	if (!runner_start())
		return 1;
	for (i = 0; i < rounds; i++) {
		bare[i] = rate_in_threads(floor_once, SPAWNERS);
		handler[i] = rate_in_processes(handler_once, SPAWNERS);
		runner[i] = rate_in_threads(runner_once, CALLERS);
		printf("round %d: floor %.0f/s  handler %.0f/s  runner %.0f/s\n", i + 1, bare[i],
			handler[i], runner[i]);
	}
	runner_stop();
	base = median(bare, rounds);
	printf("median: floor %.0f/s  handler %.2f  runner %.2f of it\n", base,
		median(handler, rounds) / base, median(runner, rounds) / base);
	return 0;
}
