/* test_run.c - the rules of run.h, tried on real processes
 *
 * Handlers are /bin/sh scripts, or this program itself (argv[1] is "state"),
 * which prints what it was started with. Every handler carries a mark in its
 * environment that is unique to this test program, so that what is left of it
 * can be counted in /proc.
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
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

#define LONG_MS 60000 /* a limit that only a broken program reaches */
#define SHORT_MS 700  /* a limit that is meant to be reached */
#define LARGE (10 * 1024 * 1024)
#define SCRIPT(text) ((const char *[]){ "/bin/sh", "-c", (text), NULL })

static char mark[64];
static char self[PATH_MAX];
static char scratch[] = "/tmp/hookcgi-test-run-XXXXXX";
static struct run_result result;

static const char *const *
plain_environment(void)
{
	static const char *strings[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", mark, NULL };

	return strings;
}

static struct run_spec
spec_of(const char *const *argv)
{
	return (struct run_spec){
		.argv = (char *const *)(uintptr_t)argv,
		.envp = (char *const *)(uintptr_t)plain_environment(),
		.directory = "/",
		.input_fd = -1,
		.timeout_ms = LONG_MS,
		.grace_ms = LONG_MS,
	};
}

static void
run(const struct run_spec *spec)
{
	run_result_free(&result);
	run_result_init(&result);
	run_handler(spec, &result);
}

static void
run_script(const char *text)
{
	const char *argv[] = { "/bin/sh", "-c", text, NULL };
	struct run_spec spec = spec_of(argv);

	run(&spec);
}

static void
assert_exited(int code)
{
	assert_string_equal(result.reason, "");
	assert_int_equal(result.end, RUN_EXITED);
	assert_int_equal(result.code, code);
}

static void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void
assert_no_children(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Processes with our mark, zombies and ourselves not counted; each gets the signal (0: none). */
static int
marked_processes(int signal)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char path[300], text[4096];
	ssize_t n;
	int fd, count = 0;

	assert_non_null(proc);
	while ((entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%s/environ", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof text);
		close(fd);
		if (n <= 0 || memmem(text, (size_t)n, mark, strlen(mark)) == NULL)
			continue;
		count++;
		if (signal != 0)
			kill((pid_t)strtol(entry->d_name, NULL, 10), signal);
	}
	closedir(proc);
	return count;
}

/* Wait until so many are there, and signal them each time (0: do not). One look
 * is not enough: a process that is about to exec has no environment to see. */
static void
await_survivors(int expected, int signal)
{
	int tries, count = 0;

	for (tries = 0; tries < 500; tries++) {
		count = marked_processes(signal);
		if (count == expected)
			return;
		poll(NULL, 0, 10);
	}
	marked_processes(SIGKILL);
	fail_msg("%d processes survived, not %d", count, expected);
}

/* Until nobody is left: between fork and exec a process cannot be seen by its mark. */
static void
kill_survivors(void)
{
	do
		await_survivors(0, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) >= 0);
}

/*
 * This program as a handler: say what it was started with, a line each
 */

static void
print_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	int seen[64] = { 0 }, fd;

	while ((entry = readdir(directory)) != NULL) {
		fd = (int)strtol(entry->d_name, NULL, 10);
		if (entry->d_name[0] != '.' && fd != dirfd(directory) && fd < 64)
			seen[fd] = 1;
	}
	closedir(directory);
	printf("descriptors");
	for (fd = 0; fd < 64; fd++) {
		if (seen[fd])
			printf(" %d", fd);
	}
	printf("\n");
}

static void
print_signals(void)
{
	struct sigaction action;
	sigset_t mask;
	int signal, ignored = 0, blocked = 0;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (signal = 1; signal < NSIG; signal++) {
		ignored += sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
		blocked += sigismember(&mask, signal) == 1;
	}
	printf("ignored %d\nblocked %d\n", ignored, blocked);
}

static bool
access_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int
state_main(int argc, char **argv)
{
	struct rlimit core, files;
	char directory[PATH_MAX];
	mode_t mask = umask(0);
	int i;

	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < argc; i++)
		printf("argument %d [%s]\n", i, argv[i]);
	for (i = 0; environ[i] != NULL; i++)
		printf("variable %d [%s]\n", i, environ[i]);
	printf("umask %03o\n", mask);
	printf("directory %s\n", getcwd(directory, sizeof directory));
	printf("group %s\n", getpgrp() == getpid() ? "own" : "shared");
	printf("terminal %s\n", access_terminal() ? "yes" : "no");
	printf("core %ld\n", (long)core.rlim_cur);
	printf("files %ld\n", (long)files.rlim_cur);
	print_signals();
	print_descriptors();
	return 0;
}

static void
run_state(const char *directory)
{
	const char *argv[] = { self, "state", NULL };
	struct run_spec spec = spec_of(argv);

	spec.directory = directory;
	run(&spec);
	assert_exited(0);
}

/*
 * How a handler starts
 */

static void
arguments_pass_exactly(void **state)
{
	const char *argv[] = { self, "state", "two words", "", "'\"$HOME`id`\\", "line\nbreak", "*",
		"--", "-x", "\xff\xfe", NULL };
	struct run_spec spec = spec_of(argv);
	char line[64];
	int i;

	(void)state;
	run(&spec);
	assert_exited(0);
	for (i = 2; argv[i] != NULL; i++) {
		snprintf(line, sizeof line, "argument %d [%s]\n", i, argv[i]);
		assert_contains(buf_text(&result.output), line);
	}
	assert_null(strstr(buf_text(&result.output), "argument 10"));
}

static void
environment_is_exactly_what_was_given(void **state)
{
	const char *argv[] = { self, "state", NULL };
	const char *envp[] = { mark, "A=1", "EMPTY=", "B=two words\nand a line", NULL };
	struct run_spec spec = spec_of(argv);

	(void)state;
	setenv("HOOKCGI_LEAK", "yes", 1);
	spec.envp = (char *const *)(uintptr_t)envp;
	run(&spec);
	assert_exited(0);
	assert_contains(buf_text(&result.output), "variable 1 [A=1]\n");
	assert_contains(buf_text(&result.output), "variable 2 [EMPTY=]\n");
	assert_contains(buf_text(&result.output), "variable 3 [B=two words\nand a line]\n");
	assert_null(strstr(buf_text(&result.output), "variable 4"));
}

static void
handler_has_descriptors_0_to_2_only(void **state)
{
	int extra = open("/dev/null", O_RDONLY);
	int high = fcntl(extra, F_DUPFD, 60);

	(void)state;
	run_state("/");
	assert_contains(buf_text(&result.output), "descriptors 0 1 2\n");
	close(extra);
	close(high);
}

/* As kernels before 5.9 do. */
static void
forbid_close_range(void)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof steps / sizeof steps[0], steps };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0 ||
		close_range(1000, 1000, 0) == 0 || errno != ENOSYS)
		_exit(100);
}

/* Run body in a process of its own; its exit status is what body returns. */
static int
in_child(int (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(body());
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
state_without_close_range(void)
{
	const char *argv[] = { self, "state", NULL };
	struct run_spec spec = spec_of(argv);
	int extra = open("/dev/null", O_RDONLY), i;

	forbid_close_range();
	for (i = 0; i < 50; i++)
		extra = dup(extra); /* more than one getdents buffer holds */
	run(&spec);
	return strstr(buf_text(&result.output), "descriptors 0 1 2\n") != NULL ? 0 : 1;
}

static void
descriptors_are_closed_on_kernels_without_close_range(void **state)
{
	(void)state;
	assert_int_equal(in_child(state_without_close_range), 0);
}

static int
echo_without_standard_descriptors(void)
{
	struct run_spec spec = spec_of(SCRIPT("cat; echo error >&2"));

	close(0);
	close(1);
	close(2);
	spec.input = slice_of("hello");
	run(&spec);
	return result.end == RUN_EXITED && slice_is(buf_slice(&result.output), "hello") &&
			       slice_is(buf_slice(&result.error), "error\n")
		       ? 0
		       : 1;
}

/* Run "state" in this process, and pass on what it said: what a handler must not take over is looked
 * at in the first run, so each such caller is a program of its own. */
static void
pass_on_state(void)
{
	const char *argv[] = { self, "state", NULL };
	struct run_spec spec = spec_of(argv);

	spec.directory = "/usr";
	run(&spec);
	fwrite(result.output.data, 1, result.output.len, stdout);
}

/* A server that runs in the foreground. */
static int
on_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	setsid();
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
		open(ptsname(master), O_RDWR) < 0 || !access_terminal())
		return 100;
	pass_on_state();
	fflush(stdout);
	return 0;
}

static int
spoiled_main(void)
{
	static const int spoiled[] = { SIGCHLD, SIGPIPE, SIGUSR1, SIGXFSZ, SIGINT };
	const struct sigaction ignored = { .sa_handler = SIG_IGN };
	struct sigaction now;
	struct rlimit files;
	sigset_t mask;
	size_t i;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < sizeof spoiled / sizeof spoiled[0]; i++)
		sigaction(spoiled[i], &ignored, NULL);
	sigfillset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	umask(0);
	pass_on_state();

	/* And the caller has its own back. */
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (i = 0; i < sizeof spoiled / sizeof spoiled[0]; i++) {
		sigaction(spoiled[i], NULL, &now);
		if (now.sa_handler != SIG_IGN)
			return 1;
	}
	return sigismember(&mask, SIGTERM) == 1 ? 0 : 2;
}

static void
run_self(const char *mode)
{
	const char *argv[] = { self, mode, NULL };
	struct run_spec spec = spec_of(argv);

	run(&spec);
	assert_exited(0);
}

static void
a_handler_has_no_terminal(void **state)
{
	(void)state;
	run_self("terminal");
	assert_contains(buf_text(&result.output), "terminal no\n");
	assert_contains(buf_text(&result.output), "group own\n");
}

static void
pipes_work_when_the_caller_has_no_standard_descriptors(void **state)
{
	(void)state;
	assert_int_equal(in_child(echo_without_standard_descriptors), 0);
}

static void
handler_starts_with_a_clean_state_whatever_the_caller_has(void **state)
{
	static const char *const expected[] = { "umask 077\n", "directory /usr\n", "group own\n",
		"terminal no\n", "core 0\n", "files 1024\n", "ignored 0\n", "blocked 0\n" };
	size_t i;

	(void)state;
	run_self("spoiled");
	for (i = 0; i < sizeof expected / sizeof expected[0]; i++)
		assert_contains(buf_text(&result.output), expected[i]);
}

static void
signals_are_the_callers_again_after_a_run(void **state)
{
	struct sigaction action;
	sigset_t mask;

	(void)state;
	run_script(":");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGCHLD), 0);
	assert_int_equal(sigismember(&mask, SIGTERM), 0);
	sigaction(SIGCHLD, NULL, &action);
	assert_ptr_equal(action.sa_handler, SIG_DFL);
	sigaction(SIGPIPE, NULL, &action);
	assert_ptr_equal(action.sa_handler, SIG_DFL);
}

static void
directory_is_the_handlers_own_unless_one_is_given(void **state)
{
	char line[PATH_MAX + 16], folder[PATH_MAX];

	(void)state;
	snprintf(folder, sizeof folder, "%s", self);
	*strrchr(folder, '/') = '\0';
	snprintf(line, sizeof line, "directory %s\n", folder);
	run_state(NULL);
	assert_contains(buf_text(&result.output), line);
	run_state("/usr");
	assert_contains(buf_text(&result.output), "directory /usr\n");
}

/*
 * How it ends
 */

static void
exit_status_is_reported(void **state)
{
	static const int codes[] = { 0, 1, 75, 100, 127, 255 };
	char text[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		snprintf(text, sizeof text, "exit %d", codes[i]);
		run_script(text);
		assert_exited(codes[i]);
		assert_false(result.left_behind);
	}
}

static void
signal_is_reported(void **state)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGPIPE };
	char text[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		snprintf(text, sizeof text, "kill -%d $$", signals[i]);
		run_script(text);
		assert_int_equal(result.end, RUN_SIGNALLED);
		assert_int_equal(result.code, signals[i]);
	}
}

static void
duration_is_measured(void **state)
{
	(void)state;
	run_script("sleep 0.1");
	assert_true(result.duration_us >= 100 * 1000);
}

/*
 * Input and output
 */

static char *
large_input(void)
{
	char *bytes = malloc(LARGE);
	size_t i;

	assert_non_null(bytes);
	for (i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	return bytes;
}

static void
input_arrives_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 2048, 65536 };
	struct run_spec spec = spec_of(SCRIPT("cat"));
	char *bytes = large_input();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		spec.input = (struct slice){ bytes, sizes[i] };
		run(&spec);
		assert_exited(0);
		assert_true(slice_equal(buf_slice(&result.output), spec.input));
		assert_false(result.output_cut);
	}
	free(bytes);
}

static void
large_input_arrives_whole(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("tail -c 1000; wc -c >&2"));
	char *bytes = large_input();

	(void)state;
	spec.input = (struct slice){ bytes, LARGE };
	run(&spec);
	assert_exited(0);
	assert_int_equal(result.output.len, 1000);
	assert_memory_equal(result.output.data, bytes + LARGE - 1000, 1000);

	spec.argv = (char *const *)(uintptr_t)SCRIPT("wc -c");
	run(&spec);
	assert_int_equal(strtol(buf_text(&result.output), NULL, 10), LARGE);
	free(bytes);
}

static void
input_need_not_be_read(void **state)
{
	static const char *const scripts[] = {
		"echo done",
		"sleep 0.1; echo done",
		"exec <&-; sleep 0.1; echo done",
		"head -c 100000 >/dev/null; echo done",
		"head -c 3000000 /dev/zero; echo done >&2; echo done",
	};
	char *bytes = large_input();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		struct run_spec spec = spec_of(SCRIPT(scripts[i]));

		spec.input = (struct slice){ bytes, LARGE };
		run(&spec);
		assert_exited(0);
		assert_true(strstr(buf_text(&result.output), "done") != NULL || result.output_cut);
	}
	free(bytes);
}

static void
descriptor_is_handed_over_as_input_and_stays_the_callers(void **state)
{
	struct run_spec spec = spec_of(SCRIPT("cat"));
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "given", 5), 5);
	close(ends[1]);
	spec.input_fd = ends[0];
	run(&spec);
	assert_exited(0);
	assert_string_equal(buf_text(&result.output), "given");
	assert_int_equal(close(ends[0]), 0);
}

static void
output_is_kept_up_to_the_limit(void **state)
{
	(void)state;
	run_script("head -c 65536 /dev/zero; head -c 65537 /dev/zero >&2");
	assert_exited(0);
	assert_int_equal(result.output.len, RUN_OUTPUT_MAX);
	assert_false(result.output_cut);
	assert_int_equal(result.error.len, RUN_OUTPUT_MAX);
	assert_true(result.error_cut);
}

static void
large_output_is_drained_on_both_streams(void **state)
{
	(void)state;
	run_script("printf begin; head -c 10000000 /dev/zero; printf BEGIN >&2;"
		   "head -c 10000000 /dev/zero >&2; exit 3");
	assert_exited(3);
	assert_memory_equal(result.output.data, "begin", 5);
	assert_memory_equal(result.error.data, "BEGIN", 5);
	assert_int_equal(result.output.len, RUN_OUTPUT_MAX);
	assert_int_equal(result.error.len, RUN_OUTPUT_MAX);
	assert_true(result.output_cut && result.error_cut);
}

static void
silent_handler_costs_no_output_memory(void **state)
{
	(void)state;
	run_script(":");
	assert_null(result.output.data);
	assert_null(result.error.data);
	run_script("echo x");
	assert_true(result.output.size < 1024);
}

/*
 * The limit
 */

static void
run_with_limit(const char *text, int64_t grace_ms)
{
	struct run_spec spec = spec_of(SCRIPT(text));

	spec.timeout_ms = SHORT_MS;
	spec.grace_ms = grace_ms;
	run(&spec);
	assert_string_equal(result.reason, "");
	assert_int_equal(result.end, RUN_TIMED_OUT);
}

static void
limit_ends_everything_that_was_started(void **state)
{
	static const struct {
		const char *text;
		int signal;
	} cases[] = {
		{ "echo ready; exec sleep 1000", SIGTERM },
		{ "echo ready; sleep 1000", SIGTERM },
		{ "trap '' TERM; echo ready; sleep 1000; sleep 1000", SIGKILL },
		{ "echo ready; kill -STOP $$; sleep 1000", SIGTERM },
		{ "trap '' TERM; echo ready; kill -STOP $$; sleep 1000", SIGKILL },
		{ "setsid sleep 1000 & echo ready; wait", SIGTERM },
		{ "trap '' TERM; setsid sh -c 'sleep 1000; sleep 1000' & echo ready; wait",
			SIGKILL },
		{ "((sleep 1000 &) &); (setsid setsid sleep 1000 &); echo ready; sleep 1000",
			SIGTERM },
		{ "trap '' TERM; (setsid sh -c '(trap : TERM; sleep 1000; sleep 1000) & sleep "
		  "1000' &);"
		  "echo ready; sleep 1000; sleep 1000",
			SIGKILL },
		{ "for i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'sleep 1000 & sleep 1000; :' & done;"
		  "echo ready; wait",
			SIGTERM },
		{ "a() { [ $1 = 0 ] || { sh -c \"sleep 1000; :\" & a $(($1 - 1)) & wait; }; };"
		  "trap '' TERM; echo ready; a 8",
			SIGKILL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		run_with_limit(cases[i].text, 200);
		assert_string_equal(buf_text(&result.output), "ready\n");
		assert_int_equal(result.code, cases[i].signal);
		assert_false(result.left_behind);
		assert_no_children();
		await_survivors(0, 0);
	}
}

static void
term_leaves_a_grace_to_finish_in(void **state)
{
	(void)state;
	run_with_limit("trap 'echo bye; exit 7' TERM; sleep 1000", LONG_MS);
	assert_int_equal(result.code, 7);
	assert_string_equal(buf_text(&result.output), "bye\n");
	await_survivors(0, 0);
}

static void
term_is_sent_once_to_each_process(void **state)
{
	(void)state;
	run_with_limit("trap 'echo term' TERM; sleep 1000 & wait; wait; exit 3", LONG_MS);
	assert_int_equal(result.code, 3);
	assert_string_equal(buf_text(&result.output), "term\n");
}

static void
the_whole_tree_has_the_grace(void **state)
{
	(void)state;
	/* The handler ends at once, its child in the background needs a moment. */
	run_with_limit(
		"sh -c 'trap \"sleep 0.3; echo saved; exit\" TERM; sleep 1000; :' & sleep 1000",
		LONG_MS);
	assert_int_equal(result.code, SIGTERM);
	assert_string_equal(buf_text(&result.output), "saved\n");
	await_survivors(0, 0);
}

static void
flood_of_output_is_drained_until_the_limit(void **state)
{
	(void)state;
	run_with_limit("yes & yes >&2", 200);
	assert_int_equal(result.output.len, RUN_OUTPUT_MAX);
	assert_int_equal(result.error.len, RUN_OUTPUT_MAX);
	assert_true(result.output.size <= RUN_OUTPUT_MAX + 1);
	assert_true(result.output_cut && result.error_cut);
	await_survivors(0, 0);
}

/*
 * What a handler leaves behind
 */

static void
processes_left_behind_do_not_hold_the_result(void **state)
{
	(void)state;
	run_script("sleep 1000 & echo done; echo problem >&2");
	assert_exited(0);
	assert_true(result.left_behind);
	assert_string_equal(buf_text(&result.output), "done\n");
	assert_string_equal(buf_text(&result.error), "problem\n");
	await_survivors(1, 0);
	kill_survivors();
}

static void
flood_left_behind_does_not_hold_the_result(void **state)
{
	(void)state;
	run_script("yes & exit 5");
	assert_exited(5);
	await_survivors(0, 0); /* yes gets SIGPIPE: nobody reads any more */
}

static void
detached_process_is_left_alone(void **state)
{
	(void)state;
	run_script("setsid sleep 1000 </dev/null >/dev/null 2>&1 &");
	assert_exited(0);
	assert_true(result.left_behind);
	await_survivors(1, 0);
	kill_survivors();
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

static void
nothing_accumulates_over_many_runs(void **state)
{
	struct run_spec refused = spec_of((const char *[]){ "/nonexistent", NULL });
	int before, i;

	(void)state;
	run_script("echo x");
	before = descriptors_open();
	for (i = 0; i < 200; i++) {
		run_script("echo x; (exit 3) & wait; echo y >&2");
		assert_exited(0);
		run(&refused);
	}
	assert_int_equal(descriptors_open(), before);
	assert_no_children();
}

/*
 * What cannot be started
 */

static const char *
scratch_file(const char *name, const char *content, mode_t mode)
{
	static char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static void
assert_refused(const struct run_spec *spec, const char *reason)
{
	const char *c;

	run(spec);
	assert_int_equal(result.end, RUN_NOT_STARTED);
	assert_contains(result.reason, reason);
	for (c = result.reason; *c != '\0'; c++)
		assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
	assert_no_children();
}

static void
unusable_file_is_refused_with_its_remedy(void **state)
{
	static const struct {
		const char *content;
		mode_t mode;
		const char *reason;
	} cases[] = {
		{ "#!/bin/sh\n", 0600, "it is not executable: chmod +x" },
		{ "#!/bin/sh\n", 0757, "everybody may write to it: chmod o-w" },
		{ "echo hello\n", 0700, "no #! line: write #!/bin/sh as its first line" },
		{ "", 0700, "no #! line" },
		{ "#!\n", 0700, "names no interpreter" },
		{ "\xef\xbb\xbf#!/bin/sh\n", 0700, "byte-order mark" },
		{ "\177ELF\2\1\1", 0700, "another kind of machine" },
		{ "#!/bin/sh\r\necho\r\n", 0700, "CR LF" },
		{ "#! /nonexistent/python3 -x\n", 0700, "does not exist: /nonexistent/python3:" },
		{ "#!/etc/passwd\n", 0700, "interpreter of its #! line is not executable" },
	};
	const char *argv[] = { NULL, NULL };
	struct run_spec spec = spec_of(argv);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		argv[0] = scratch_file("handler", cases[i].content, cases[i].mode);
		assert_refused(&spec, cases[i].reason);
	}
}

static void
path_that_names_no_program_is_refused(void **state)
{
	char fifo[PATH_MAX], loop[PATH_MAX], below[PATH_MAX];
	const struct {
		const char *path;
		const char *reason;
	} cases[] = {
		{ "/nonexistent/handler.sh", "/nonexistent/handler.sh: there is no such file" },
		{ scratch, "it is a directory" },
		{ fifo, "it is not a regular file" },
		{ "handler.sh", "it is not an absolute path" },
		{ loop, "symbolic links" },
		{ below, "Not a directory" },
		{ "/new\nline\x1b[31m", "/new?line?[31m: there is no such file" },
	};
	const char *argv[] = { NULL, NULL };
	struct run_spec spec = spec_of(argv);
	size_t i;

	(void)state;
	snprintf(fifo, sizeof fifo, "%s/fifo", scratch);
	snprintf(loop, sizeof loop, "%s/loop", scratch);
	snprintf(below, sizeof below, "/etc/passwd/handler");
	assert_int_equal(mkfifo(fifo, 0700), 0);
	assert_int_equal(symlink("loop", loop), 0);
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		argv[0] = cases[i].path;
		assert_refused(&spec, cases[i].reason);
	}
}

static void
long_path_is_shown_by_its_end(void **state)
{
	char path[2000];
	const char *argv[] = { path, NULL };
	struct run_spec spec = spec_of(argv);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof path - 1; i++)
		path[i] = i % 100 == 0 ? '/' : 'x';
	memcpy(path + sizeof path - 9, "order.sh", 9);
	assert_refused(&spec, "xxorder.sh: there is no such file");
}

static void
missing_directory_is_refused(void **state)
{
	struct run_spec spec = spec_of(SCRIPT(":"));

	(void)state;
	spec.directory = "/nonexistent/work";
	assert_refused(&spec, "/nonexistent/work: it cannot be the working directory: "
			      "No such file or directory");
}

static void
too_large_an_environment_is_refused(void **state)
{
	struct run_spec spec = spec_of(SCRIPT(":"));
	char *large = malloc(200000);
	const char *envp[] = { large, NULL };

	(void)state;
	assert_non_null(large);
	memset(large, 'x', 199999);
	large[199999] = '\0';
	memcpy(large, "A=", 2);
	spec.envp = (char *const *)(uintptr_t)envp;
	assert_refused(&spec, "larger than the system takes (E2BIG)");
	free(large);
}

static void
file_that_is_being_written_is_refused(void **state)
{
	const char *path = scratch_file("handler", "#!/bin/sh\n", 0700);
	const char *argv[] = { path, NULL };
	struct run_spec spec = spec_of(argv);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_refused(&spec, "open for writing");
	close(fd);
	run(&spec);
	assert_exited(0);
}

static void
batch_processes_and_their_handlers_do_not_interrupt(void **state)
{
	/* proc(5): the 41st is the scheduling policy */
	struct run_spec spec = spec_of(SCRIPT("cut -d' ' -f41 /proc/$$/stat"));

	(void)state;
	run_as_batch();
	assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
	run(&spec);
	assert_exited(0);
	assert_string_equal(buf_text(&result.output), "3\n");
}

static void
lack_of_descriptors_is_refused(void **state)
{
	struct run_spec spec = spec_of(SCRIPT(":"));
	struct rlimit limit, low;
	int before = descriptors_open(), next = dup(0), left;

	(void)state;
	close(next);
	getrlimit(RLIMIT_NOFILE, &limit);
	for (left = 0; left < 6; left++) {
		low = (struct rlimit){ (rlim_t)(next + left), limit.rlim_max };
		setrlimit(RLIMIT_NOFILE, &low);
		assert_refused(&spec, "no descriptor is left");
		setrlimit(RLIMIT_NOFILE, &limit);
		assert_int_equal(descriptors_open(), before);
	}
}

static int
group_setup(void **state)
{
	(void)state;
	snprintf(mark, sizeof mark, "HOOKCGI_TEST_MARK=run-%ld", (long)getpid());
	run_result_init(&result);
	return mkdtemp(scratch) == NULL ? -1 : 0;
}

static int
group_teardown(void **state)
{
	static const char *const names[] = { "handler", "fifo", "loop" };
	char path[PATH_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", scratch, names[i]);
		unlink(path);
	}
	run_result_free(&result);
	marked_processes(SIGKILL);
	return rmdir(scratch);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_pass_exactly),
		cmocka_unit_test(environment_is_exactly_what_was_given),
		cmocka_unit_test(handler_has_descriptors_0_to_2_only),
		cmocka_unit_test(descriptors_are_closed_on_kernels_without_close_range),
		cmocka_unit_test(a_handler_has_no_terminal),
		cmocka_unit_test(pipes_work_when_the_caller_has_no_standard_descriptors),
		cmocka_unit_test(handler_starts_with_a_clean_state_whatever_the_caller_has),
		cmocka_unit_test(signals_are_the_callers_again_after_a_run),
		cmocka_unit_test(directory_is_the_handlers_own_unless_one_is_given),
		cmocka_unit_test(exit_status_is_reported),
		cmocka_unit_test(signal_is_reported),
		cmocka_unit_test(duration_is_measured),
		cmocka_unit_test(input_arrives_whole),
		cmocka_unit_test(large_input_arrives_whole),
		cmocka_unit_test(input_need_not_be_read),
		cmocka_unit_test(descriptor_is_handed_over_as_input_and_stays_the_callers),
		cmocka_unit_test(output_is_kept_up_to_the_limit),
		cmocka_unit_test(large_output_is_drained_on_both_streams),
		cmocka_unit_test(silent_handler_costs_no_output_memory),
		cmocka_unit_test(limit_ends_everything_that_was_started),
		cmocka_unit_test(term_leaves_a_grace_to_finish_in),
		cmocka_unit_test(term_is_sent_once_to_each_process),
		cmocka_unit_test(the_whole_tree_has_the_grace),
		cmocka_unit_test(flood_of_output_is_drained_until_the_limit),
		cmocka_unit_test(processes_left_behind_do_not_hold_the_result),
		cmocka_unit_test(flood_left_behind_does_not_hold_the_result),
		cmocka_unit_test(detached_process_is_left_alone),
		cmocka_unit_test(nothing_accumulates_over_many_runs),
		cmocka_unit_test(unusable_file_is_refused_with_its_remedy),
		cmocka_unit_test(path_that_names_no_program_is_refused),
		cmocka_unit_test(long_path_is_shown_by_its_end),
		cmocka_unit_test(missing_directory_is_refused),
		cmocka_unit_test(too_large_an_environment_is_refused),
		cmocka_unit_test(file_that_is_being_written_is_refused),
		cmocka_unit_test(lack_of_descriptors_is_refused),
		cmocka_unit_test(batch_processes_and_their_handlers_do_not_interrupt),
	};

	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		return 1;
	if (argc > 1 && strcmp(argv[1], "terminal") == 0)
		return in_child(on_terminal); /* the leader of a group cannot call setsid() */
	if (argc > 1 && strcmp(argv[1], "spoiled") == 0)
		return spoiled_main();
	if (argc > 1 && strcmp(argv[1], "state") == 0)
		return state_main(argc, argv);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
