/* test_runner.c - the rules of runner.h, tried on real processes
 *
 * This program is a child subreaper, so the nursery, which is forked twice,
 * becomes its child, and so does what a killed endpoint leaves. Handlers are
 * /bin/sh scripts; $PPID is their runner.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "run.h"
#include "runner.h"

#define LONG_MS 60000 /* a limit that only a broken program reaches */
#define LARGE (10 * 1024 * 1024)
#define MAX_RUNNERS 16
#define PROCESSES_MAX 64
#define SCRIPT(text) ((const char *[]){ "/bin/sh", "-c", (text), NULL })

static char scratch[] = "/tmp/hookcgi-test-runner-XXXXXX";

static struct run_spec
spec_of(const char *const *argv)
{
	static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

	return (struct run_spec){
		.argv = (char *const *)(uintptr_t)argv,
		.envp = (char *const *)(uintptr_t)environment,
		.directory = "/",
		.input_fd = -1,
		.timeout_ms = LONG_MS,
		.grace_ms = LONG_MS,
	};
}

static void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void
assert_exited(const struct run_result *result, int code)
{
	assert_string_equal(result->reason, "");
	assert_int_equal(result->end, RUN_EXITED);
	assert_int_equal(result->code, code);
}

/* The number that the script prints. */
static long
number_from(const char *text)
{
	struct run_spec spec = spec_of(SCRIPT(text));
	struct run_result result;
	long number;

	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_exited(&result, 0);
	number = strtol(buf_text(&result.output), NULL, 10);
	run_result_free(&result);
	return number;
}

/* The children of a process that go by this name; at most PROCESSES_MAX. */
static int
children_of(pid_t parent, const char *name, pid_t *pids)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char path[300], status[512], prefix[64];
	const char *end;
	ssize_t n;
	int fd, ppid, count = 0;

	assert_non_null(proc);
	snprintf(prefix, sizeof prefix, "(%s)", name);
	while ((entry = readdir(proc)) != NULL && count < PROCESSES_MAX) {
		snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
			(fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		n = read(fd, status, sizeof status - 1);
		close(fd);
		status[n > 0 ? n : 0] = '\0';
		end = strrchr(status, ')');
		if (end != NULL && sscanf(end, ") %*c %d", &ppid) == 1 && ppid == parent &&
			strstr(status, prefix) != NULL)
			pids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(proc);
	return count;
}

static pid_t
nursery_of(pid_t parent)
{
	pid_t pids[PROCESSES_MAX];

	assert_int_equal(children_of(parent, "hookcgi-nursery", pids), 1);
	return pids[0];
}

static int
runners_alive(void)
{
	pid_t pids[PROCESSES_MAX];

	return children_of(nursery_of(getpid()), "hookcgi-runner", pids);
}

static int
descriptors_open(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

/* Wait until condition(argument) holds, for at most ten seconds. */
static void
wait_until(bool (*condition)(long argument), long argument, const char *what)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		if (condition(argument))
			return;
		poll(NULL, 0, 10);
	}
	fail_msg("it did not happen: %s", what);
}

static bool
is_gone(long pid)
{
	/* Ours to reap when its own parent has ended. */
	return waitpid((pid_t)pid, NULL, WNOHANG) == (pid_t)pid ||
	       (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

static bool
is_childless(long unused)
{
	(void)unused;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	return waitpid(-1, NULL, WNOHANG) < 0;
}

static bool
runners_are(long count)
{
	return runners_alive() == (int)count;
}

/*
 * One job
 */

static void
everything_of_a_job_and_its_result_passes(void **state)
{
	const char *argv[] = { "/bin/sh", "-c",
		"cat; printf '[%s]' \"$@\" \"$A\" \"$EMPTY\" \"$(pwd)\" >&2; exit 42", "sh",
		"two words", "", "\n", NULL };
	const char *envp[] = { "PATH=/bin:/usr/bin", "A=a\nb", "EMPTY=", NULL };
	struct run_spec spec = spec_of(argv);
	struct run_result result;

	(void)state;
	spec.envp = (char *const *)(uintptr_t)envp;
	spec.directory = "/usr";
	spec.input = slice_of("{\"a\":1}");
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_exited(&result, 42);
	assert_string_equal(buf_text(&result.output), "{\"a\":1}");
	assert_string_equal(buf_text(&result.error), "[two words][][\n][a\nb][][/usr]");
	assert_false(result.output_cut || result.error_cut || result.left_behind);
	assert_true(result.duration_us > 0);
	run_result_free(&result);
}

static void
directory_is_the_handlers_own_unless_one_is_given(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("pwd -P"));
	struct run_result result;

	(void)state;
	spec.directory = NULL;
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_exited(&result, 0);
	assert_contains(buf_text(&result.output), "bin\n");
	run_result_free(&result);
}

static void
empty_environment_passes(void **state)
{
	const char *argv[] = { "/usr/bin/env", NULL };
	const char *envp[] = { NULL };
	struct run_spec spec = spec_of(argv);
	struct run_result result;

	(void)state;
	spec.envp = (char *const *)(uintptr_t)envp;
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_exited(&result, 0);
	assert_int_equal(result.output.len, 0);
	run_result_free(&result);
}

static void
large_body_goes_through_the_pipe(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("tail -c 3; head -c 100000 /dev/zero >&2"));
	struct run_result result;
	char *bytes = malloc(LARGE);

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'x', LARGE);
	memcpy(bytes + LARGE - 3, "end", 3);
	spec.input = (struct slice){ bytes, LARGE };
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_exited(&result, 0);
	assert_string_equal(buf_text(&result.output), "end");
	assert_int_equal(result.error.len, RUN_OUTPUT_MAX);
	assert_true(result.error_cut && !result.output_cut);
	run_result_free(&result);

	spec.argv = (char *const *)(uintptr_t)SCRIPT("wc -c");
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_int_equal(strtol(buf_text(&result.output), NULL, 10), LARGE);
	run_result_free(&result);
	free(bytes);
}

/* On both sides of the length up to which it goes along with the job. */
static void
body_of_any_length_arrives_whole(void **state)
{
	static const size_t lengths[] = { 0, 1, 32767, 32768, 32769, 65536, 65537 };
	char *bytes = malloc(65537);
	size_t i;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'x', 65537);
	for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct run_spec spec = spec_of(SCRIPT("tr -d '\\n' | wc -c"));
		struct run_result result;

		spec.input = (struct slice){ bytes, lengths[i] };
		run_result_init(&result);
		runner_run(&spec, MAX_RUNNERS, &result);
		assert_exited(&result, 0);
		assert_int_equal(strtol(buf_text(&result.output), NULL, 10), lengths[i]);
		run_result_free(&result);
	}
	free(bytes);
}

static void
large_body_need_not_be_read(void **state)
{
	static const char *const scripts[] = { "echo done", "exec <&-; sleep 0.1; echo done",
		"head -c 1000000 >/dev/null; sleep 0.1; echo done" };
	struct run_result result;
	char *bytes = calloc(1, LARGE);
	size_t i;

	(void)state;
	assert_non_null(bytes);
	for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		struct run_spec spec = spec_of(SCRIPT(scripts[i]));

		spec.input = (struct slice){ bytes, LARGE };
		run_result_init(&result);
		runner_run(&spec, MAX_RUNNERS, &result);
		assert_exited(&result, 0);
		assert_string_equal(buf_text(&result.output), "done\n");
		run_result_free(&result);
	}
	free(bytes);
}

static void
descriptor_is_handed_over_as_input(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("cat"));
	struct run_result result;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "given", 5), 5);
	close(ends[1]);
	spec.input_fd = ends[0];
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_exited(&result, 0);
	assert_string_equal(buf_text(&result.output), "given");
	assert_int_equal(close(ends[0]), 0);
	run_result_free(&result);
}

static void
limit_is_held_by_the_runner(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("trap '' TERM; echo ready; sleep 1000; sleep 1000"));
	struct run_result result;

	(void)state;
	spec.timeout_ms = 500;
	spec.grace_ms = 100;
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_int_equal(result.end, RUN_TIMED_OUT);
	assert_int_equal(result.code, SIGKILL);
	assert_string_equal(buf_text(&result.output), "ready\n");
	run_result_free(&result);
}

static void
reason_passes_when_the_handler_cannot_be_started(void **state)
{
	const char *argv[] = { "/nonexistent/order.sh", NULL };
	struct run_spec spec = spec_of(argv);
	struct run_result result;

	(void)state;
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_int_equal(result.end, RUN_NOT_STARTED);
	assert_contains(result.reason, "/nonexistent/order.sh: there is no such file");
	run_result_free(&result);
}

/* count variables of 1,000 bytes */
static void
run_with_variables(int count, struct run_result *result)
{
	const char **envp = calloc((size_t)count + 1, sizeof *envp);
	struct run_spec spec = spec_of(SCRIPT("env | wc -l"));
	static char variable[1001];
	int i;

	assert_non_null(envp);
	memset(variable, 'x', 1000);
	memcpy(variable, "A=", 2);
	for (i = 0; i < count; i++)
		envp[i] = variable;
	spec.envp = (char *const *)(uintptr_t)envp;
	run_result_init(result);
	runner_run(&spec, MAX_RUNNERS, result);
	free(envp);
}

static void
large_environment_passes_until_it_is_too_large(void **state)
{
	struct run_result result;

	(void)state;
	run_with_variables(1500, &result);
	assert_exited(&result, 0);
	run_result_free(&result);
	run_with_variables(2200, &result);
	assert_int_equal(result.end, RUN_NOT_STARTED);
	assert_contains(result.reason, "larger than the system takes (E2BIG)");
	run_result_free(&result);
	run_with_variables(3000, &result);
	assert_int_equal(result.end, RUN_NOT_STARTED);
	assert_contains(result.reason, "larger than any system takes");
	run_result_free(&result);
}

/*
 * Runners
 */

static void
idle_runner_is_used_again(void **state)
{
	long first = number_from("echo $PPID");

	(void)state;
	assert_int_equal(number_from("echo $PPID"), first);
}

static void
runner_whose_handler_left_processes_behind_is_not_used_again(void **state)
{
	long first = number_from("echo $PPID");
	long sleeper = number_from("sleep 1000 & echo $!");

	(void)state;
	wait_until(is_gone, first, "the runner ends");
	assert_int_not_equal(number_from("echo $PPID"), first);
	assert_int_equal(kill((pid_t)sleeper, 0), 0); /* nobody ended what was left */
	kill((pid_t)sleeper, SIGKILL);
	wait_until(is_gone, sleeper, "it is ours to reap");
}

static void
idle_runner_that_was_killed_is_replaced(void **state)
{
	long first = number_from("echo $PPID");

	(void)state;
	assert_int_equal(kill((pid_t)first, SIGKILL), 0);
	wait_until(is_gone, first, "the nursery reaps it");
	assert_int_not_equal(number_from("echo $PPID"), first);
}

static void
runner_killed_while_it_runs_is_reported_and_the_next_one_works(void **state)
{
	char path[PATH_MAX], text[PATH_MAX + 64];
	struct run_spec spec = spec_of(SCRIPT(text));
	struct run_result result;
	struct stat status;

	(void)state;
	snprintf(path, sizeof path, "%s/started", scratch);
	snprintf(text, sizeof text, "echo started >>%s; kill -9 $PPID", path);
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_int_equal(result.end, RUN_NOT_STARTED);
	assert_contains(result.reason, "ended without a result");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 8); /* run once, not again */
	run_result_free(&result);
	number_from("echo $PPID");
}

static void
runner_and_nursery_hold_nothing_of_the_endpoint(void **state)
{
	char text[400];
	struct run_spec spec = spec_of(SCRIPT(text));
	struct run_result result;

	(void)state;
	snprintf(text, sizeof text,
		"for p in $PPID %d; do for f in /proc/$p/fd/*; do echo ${f##*/}=$(readlink $f); "
		"done; done;"
		"grep -h ^Sig[BI] /proc/%d/status; ps -o sid= -p $PPID",
		(int)nursery_of(getpid()), (int)nursery_of(getpid()));
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_exited(&result, 0);
	assert_contains(buf_text(&result.output), "0=/dev/null\n1=/dev/null\n2=/dev/null\n");
	assert_null(strstr(buf_text(&result.output), "endpoint-file"));
	assert_contains(buf_text(&result.output), "SigBlk:\t0000000000000000\n");
	assert_int_not_equal(getsid(0), getsid(nursery_of(getpid())));
	run_result_free(&result);
}

static void
signals_to_the_nurserys_group_end_nothing(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	long first = number_from("echo $PPID");
	size_t i;

	(void)state;
	for (i = 0; i < sizeof signals / sizeof signals[0]; i++)
		assert_int_equal(kill(-nursery_of(getpid()), signals[i]), 0);
	assert_int_equal(number_from("echo $PPID"), first);
}

static void *
run_many(void *unused)
{
	struct run_spec spec = spec_of(SCRIPT("cat; exit 9"));
	struct run_result result;
	char input[32];
	long wrong = 0;
	int i;

	(void)unused;
	for (i = 0; i < 50; i++) {
		snprintf(input, sizeof input, "%p %d", (void *)&spec, i);
		spec.input = slice_of(input);
		run_result_init(&result);
		runner_run(&spec, MAX_RUNNERS, &result);
		wrong += result.end != RUN_EXITED || result.code != 9 ||
			 !slice_is(buf_slice(&result.output), input);
		run_result_free(&result);
	}
	return (void *)(intptr_t)wrong;
}

/* Run main in 16 threads; the sum of what they return. */
static long
in_threads(void *(*thread_main)(void *))
{
	pthread_t threads[16];
	void *part;
	long sum = 0;
	int i;

	for (i = 0; i < 16; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread_main, NULL), 0);
	for (i = 0; i < 16; i++) {
		pthread_join(threads[i], &part);
		sum += (long)(intptr_t)part;
	}
	return sum;
}

static void
sixteen_threads_get_their_own_results(void **state)
{
	int before;

	(void)state;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue; /* handlers whose runner was killed */
	assert_int_equal(in_threads(run_many), 0);
	before = descriptors_open();
	assert_int_equal(in_threads(run_many), 0);
	assert_true(descriptors_open() <= before + MAX_RUNNERS); /* idle ones have one each */
	assert_true(runners_alive() <= MAX_RUNNERS);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the nursery lives, nobody has died */
}

static void *
run_in_one_of_three(void *unused)
{
	/* mkdir is atomic: at most three can hold one of a, b and c. */
	struct run_spec spec = spec_of(SCRIPT("for d in a b c; do mkdir $d 2>/dev/null || continue;"
					      "sleep 0.02; rmdir $d; exit 0; done; exit 1"));
	struct run_result result;
	long wrong = 0;
	int i;

	(void)unused;
	spec.directory = scratch;
	for (i = 0; i < 5; i++) {
		run_result_init(&result);
		runner_run(&spec, 3, &result);
		wrong += result.end != RUN_EXITED || result.code != 0;
		run_result_free(&result);
	}
	return (void *)(intptr_t)wrong;
}

struct later {
	struct runner_call call; /* first */
	struct run_result result;
};

static int finished[2]; /* a pipe: a byte for each call that is done */

static void
tell(struct runner_call *call)
{
	(void)call;
	assert_int_equal(write(finished[1], "", 1), 1);
}

static int
threads_of_this(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int count = 0;

	assert_non_null(tasks);
	while (readdir(tasks) != NULL)
		count++;
	closedir(tasks);
	return count - 2;
}

/* Each waits for the fifo, so all of them run at once; one gets a body that no pipe holds. */
static void
many_runs_at_once_take_one_thread(void **state)
{
	enum { COUNT = 12 };
	static struct later calls[COUNT];
	char text[PATH_MAX + 64], gate[PATH_MAX], byte;
	char *bytes = calloc(1, LARGE);
	int threads = threads_of_this(), i;

	(void)state;
	assert_non_null(bytes);
	assert_int_equal(pipe2(finished, O_CLOEXEC), 0);
	snprintf(gate, sizeof gate, "%s/gate", scratch);
	assert_int_equal(mkfifo(gate, 0600), 0);
	snprintf(text, sizeof text, "read x <%s; wc -c", gate);
	for (i = 0; i < COUNT; i++) {
		run_result_init(&calls[i].result);
		calls[i].call = (struct runner_call){
			.spec = spec_of(SCRIPT(text)),
			.result = &calls[i].result,
			.done = tell,
		};
		calls[i].call.spec.input = (struct slice){ bytes, i == 5 ? LARGE : (size_t)i };
		runner_run_later(&calls[i].call, MAX_RUNNERS);
	}
	assert_true(threads_of_this() <= threads + 1);
	close(open(gate, O_WRONLY | O_CLOEXEC)); /* opens once all have opened it */
	for (i = 0; i < COUNT; i++) {
		/* Who came later than that waits for the next. */
		struct pollfd told = { .fd = finished[0], .events = POLLIN };
		while (poll(&told, 1, 100) == 0) {
			int fd = open(gate, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
			if (fd >= 0)
				close(fd);
		}
		assert_int_equal(read(finished[0], &byte, 1), 1);
	}
	for (i = 0; i < COUNT; i++) {
		assert_exited(&calls[i].result, 0);
		assert_int_equal(
			strtol(buf_text(&calls[i].result.output), NULL, 10), i == 5 ? LARGE : i);
		run_result_free(&calls[i].result);
	}
	unlink(gate);
	close(finished[0]);
	close(finished[1]);
	free(bytes);
}

static void
no_more_than_max_runners_live_at_once(void **state)
{
	(void)state;
	runner_stop(); /* other tests left more than three */
	wait_until(is_childless, 0, "all end");
	assert_true(runner_start());
	number_from("echo 1");
	assert_int_equal(in_threads(run_in_one_of_three), 0);
	assert_true(runners_alive() <= 3);
}

static void
nothing_accumulates_over_many_runs(void **state)
{
	int before, i;

	(void)state;
	number_from("echo 1");
	before = descriptors_open();
	for (i = 0; i < 200; i++)
		number_from(i % 10 == 0 ? "sleep 1 & echo 1" : "echo 1");
	assert_true(descriptors_open() <= before + 1);
	wait_until(runners_are, runners_alive(), "the retired ones end");
	assert_true(runners_alive() <= 3);
}

static void
runner_keeps_no_descriptor_of_past_jobs(void **state)
{
	long runner = number_from("echo $PPID");
	long count = number_from("ls /proc/$PPID/fd | wc -l");
	int i;

	(void)state;
	/* Three ends of pipes may not have been closed yet when the handler looks. */
	for (i = 0; i < 20; i++)
		assert_true(number_from("ls /proc/$PPID/fd | wc -l") <= count + 3);
	assert_int_equal(number_from("echo $PPID"), runner);
}

static void
runner_stays_small_after_a_large_job(void **state)
{
	struct run_result result;
	long kilobytes;

	(void)state;
	run_with_variables(1800, &result);
	run_result_free(&result);
	number_from("head -c 1000000 /dev/zero | tee /dev/stderr >/dev/null; echo 1");
	kilobytes = number_from("awk '/^Private/ { sum += $2 } END { print sum }'"
				" /proc/$PPID/smaps_rollup");
	assert_true(kilobytes > 0);
#ifndef HOOKCGI_SANITIZED
	assert_true(kilobytes <= 1024);
#endif
	if (getenv("VERBOSE") != NULL)
		print_message("runner: %ld KiB private\n", kilobytes);
}

/*
 * The ends of things
 */

static void
stop_ends_all_and_start_begins_again(void **state)
{
	pid_t nursery;
	long runner = number_from("echo $PPID");

	(void)state;
	nursery = nursery_of(getpid());
	runner_stop();
	wait_until(is_gone, runner, "the runner ends");
	wait_until(is_gone, nursery, "the nursery ends");
	wait_until(is_childless, 0, "all end");
	assert_true(runner_start());
	assert_true(runner_start()); /* the second call is nothing */
	number_from("echo 1");       /* so it has its name by now */
	assert_int_not_equal(nursery_of(getpid()), nursery);
}

/* An endpoint of its own, which runs text and reports its end, or waits to be killed. */
__attribute__((noreturn)) static void
endpoint_main(const char *text)
{
	struct run_spec spec = spec_of(SCRIPT(text));
	struct run_result result;

	if (!runner_start())
		_exit(100);
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	for (;;)
		pause();
}

/* This program again, since a fork would have none of its threads. */
static pid_t
endpoint_start(const char *text)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	execl("/proc/self/exe", "endpoint", text, (char *)NULL);
	_exit(101);
}

static void
write_script(char *text, size_t size, const char *rest)
{
	snprintf(text, size, "echo $PPID >%s/runner.new; mv %s/runner.new %s/runner; %s", scratch,
		scratch, scratch, rest);
}

static bool
file_exists(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	return access(path, F_OK) == 0;
}

static bool
runner_file_exists(long unused)
{
	(void)unused;
	return file_exists("runner");
}

static bool
done_file_exists(long unused)
{
	(void)unused;
	return file_exists("done");
}

static long
read_runner_file(void)
{
	char path[PATH_MAX], text[32] = "";
	int fd;

	snprintf(path, sizeof path, "%s/runner", scratch);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof text - 1) > 0);
	close(fd);
	unlink(path);
	return strtol(text, NULL, 10);
}

/* The other nursery is ours too once the endpoint's fork has ended. */
static pid_t
other_nursery(pid_t mine)
{
	pid_t pids[PROCESSES_MAX];

	assert_int_equal(children_of(getpid(), "hookcgi-nursery", pids), 2);
	return pids[0] == mine ? pids[1] : pids[0];
}

static void
all_ends_when_the_endpoint_is_killed(void **state)
{
	char text[3 * PATH_MAX];
	pid_t mine = nursery_of(getpid()), endpoint, nursery;
	long runner;

	(void)state;
	write_script(text, sizeof text, ":");
	endpoint = endpoint_start(text);
	wait_until(runner_file_exists, 0, "the handler runs");
	runner = read_runner_file();
	nursery = other_nursery(mine);
	kill(endpoint, SIGKILL);
	assert_int_equal(waitpid(endpoint, NULL, 0), endpoint);
	wait_until(is_gone, nursery, "the nursery ends");
	wait_until(is_gone, runner, "the runner ends");
}

static void
running_handler_ends_in_its_own_time_when_the_endpoint_is_killed(void **state)
{
	char text[5 * PATH_MAX], rest[PATH_MAX], go[PATH_MAX];
	pid_t mine = nursery_of(getpid()), endpoint, nursery;
	long runner;

	(void)state;
	snprintf(go, sizeof go, "%s/go", scratch);
	assert_int_equal(mkfifo(go, 0600), 0);
	snprintf(rest, sizeof rest, "read x <%s/go; echo late; echo $x >%s/done", scratch, scratch);
	write_script(text, sizeof text, rest);
	endpoint = endpoint_start(text);
	wait_until(runner_file_exists, 0, "the handler runs");
	runner = read_runner_file();
	nursery = other_nursery(mine);
	kill(endpoint, SIGKILL);
	assert_int_equal(waitpid(endpoint, NULL, 0), endpoint);
	wait_until(is_gone, nursery, "the nursery ends");
	assert_int_equal(kill((pid_t)runner, 0), 0);
	assert_false(file_exists("done"));
	close(open(go, O_WRONLY | O_CLOEXEC)); /* it was waiting for this */
	wait_until(done_file_exists, 0, "the handler finishes");
	wait_until(is_gone, runner, "its runner ends");
}

static void
death_of_the_nursery_is_reported_and_idle_runners_still_work(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("exit 0"));
	struct run_result result;
	long runner = number_from("echo $PPID");
	pid_t nursery = nursery_of(getpid());

	(void)state;
	kill(nursery, SIGKILL);
	assert_int_equal(waitpid(nursery, NULL, 0), nursery);
	assert_int_equal(number_from("echo $PPID"), runner);
	run_result_init(&result);
	runner_run(&spec, 0, &result); /* a limit of 0 is one of 1 */
	assert_exited(&result, 0);
	run_result_free(&result);
	/* Now use them up. */
	for (;;) {
		struct run_spec kills = spec_of(SCRIPT("kill -9 $PPID"));

		run_result_init(&result);
		runner_run(&kills, MAX_RUNNERS, &result);
		assert_int_equal(result.end, RUN_NOT_STARTED);
		if (strstr(result.reason, "ended without a result") == NULL)
			break;
		run_result_free(&result);
	}
	assert_contains(result.reason, "restart the program");
	run_result_free(&result);
	runner_stop();
	assert_true(runner_start());
	number_from("echo 1");
}

static void
run_without_start_is_refused(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("exit 0"));
	struct run_result result;

	(void)state;
	runner_stop();
	run_result_init(&result);
	runner_run(&spec, MAX_RUNNERS, &result);
	assert_int_equal(result.end, RUN_NOT_STARTED);
	assert_contains(result.reason, "restart the program");
	run_result_free(&result);
	wait_until(is_childless, 0, "all end");
	assert_true(runner_start());
}

/* As the worker does: its own log, then a file of which it says something there. */
static int
log_and_open(const char *folder)
{
	char path[PATH_MAX], reason[256];
	int fd;

	snprintf(path, sizeof path, "file:%s/log.own", folder);
	if (!log_open(path, false, reason))
		return 1;
	snprintf(path, sizeof path, "%s/data", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	log_message(LOG_LEVEL_INFO, "detached", "says something");
	if (fd < 0 || write(fd, "data", 4) != 4)
		return 1;
	snprintf(path, sizeof path, "%s/said", folder);
	return mkdir(path, 0700);
}

static off_t
size_of(const char *name)
{
	char path[PATH_MAX];
	struct stat status;

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	return stat(path, &status) == 0 ? status.st_size : -1;
}

static void
detached_process_takes_no_file_for_the_log_of_its_parent(void **state)
{
	char path[PATH_MAX], reason[256];
	int i, spare = fcntl(3, F_DUPFD_CLOEXEC, 10); /* of whoever started us, or none */

	(void)state;
	runner_stop();
	close(3); /* the first number that a child gives again */
	snprintf(path, sizeof path, "file:%s/log.parent", scratch);
	assert_true(log_open(path, false, reason));
	nursery_set_detached(log_and_open);
	assert_true(runner_detach(scratch));
	for (i = 0; i < 1000 && size_of("said") < 0; i++)
		poll(NULL, 0, 10);
	assert_true(log_open("stderr", false, reason));
	if (spare >= 0) {
		dup2(spare, 3);
		close(spare);
	}
	assert_true(size_of("said") >= 0);
	assert_int_equal(size_of("data"), 4);
	assert_int_equal(size_of("log.parent"), 0);
	assert_true(size_of("log.own") > 0);
	snprintf(path, sizeof path, "%s/said", scratch);
	rmdir(path);
	assert_true(runner_start());
}

static int
group_setup(void **state)
{
	const struct rlimit stack = { 8 << 20, 8 << 20 }; /* decides how much exec takes */
	char path[PATH_MAX];
	int fd;

	(void)state;
	if (setrlimit(RLIMIT_STACK, &stack) != 0 || mkdtemp(scratch) == NULL ||
		prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return -1;
	/* What nobody may inherit: without close-on-exec, and a mask. */
	snprintf(path, sizeof path, "%s/endpoint-file", scratch);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	return fd >= 0 && fcntl(fd, F_DUPFD, 50) >= 0 && runner_start() ? 0 : -1;
}

static int
group_teardown(void **state)
{
	static const char *const names[] = { "endpoint-file", "started", "runner", "go", "done",
		"data", "log.own", "log.parent" };
	char path[PATH_MAX];
	size_t i;

	(void)state;
	runner_stop();
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
		unlink(path);
	}
	return rmdir(scratch);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_of_a_job_and_its_result_passes),
		cmocka_unit_test(directory_is_the_handlers_own_unless_one_is_given),
		cmocka_unit_test(empty_environment_passes),
		cmocka_unit_test(large_body_goes_through_the_pipe),
		cmocka_unit_test(body_of_any_length_arrives_whole),
		cmocka_unit_test(large_body_need_not_be_read),
		cmocka_unit_test(descriptor_is_handed_over_as_input),
		cmocka_unit_test(limit_is_held_by_the_runner),
		cmocka_unit_test(reason_passes_when_the_handler_cannot_be_started),
		cmocka_unit_test(large_environment_passes_until_it_is_too_large),
		cmocka_unit_test(idle_runner_is_used_again),
		cmocka_unit_test(runner_whose_handler_left_processes_behind_is_not_used_again),
		cmocka_unit_test(idle_runner_that_was_killed_is_replaced),
		cmocka_unit_test(runner_killed_while_it_runs_is_reported_and_the_next_one_works),
		cmocka_unit_test(runner_and_nursery_hold_nothing_of_the_endpoint),
		cmocka_unit_test(signals_to_the_nurserys_group_end_nothing),
		cmocka_unit_test(sixteen_threads_get_their_own_results),
		cmocka_unit_test(many_runs_at_once_take_one_thread),
		cmocka_unit_test(no_more_than_max_runners_live_at_once),
		cmocka_unit_test(nothing_accumulates_over_many_runs),
		cmocka_unit_test(runner_keeps_no_descriptor_of_past_jobs),
		cmocka_unit_test(runner_stays_small_after_a_large_job),
		cmocka_unit_test(stop_ends_all_and_start_begins_again),
		cmocka_unit_test(all_ends_when_the_endpoint_is_killed),
		cmocka_unit_test(running_handler_ends_in_its_own_time_when_the_endpoint_is_killed),
		cmocka_unit_test(death_of_the_nursery_is_reported_and_idle_runners_still_work),
		cmocka_unit_test(run_without_start_is_refused),
		cmocka_unit_test(detached_process_takes_no_file_for_the_log_of_its_parent),
	};

	if (argc == 2 && strcmp(argv[0], "endpoint") == 0)
		endpoint_main(argv[1]);

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
