/* run.c - run one handler to its end
 *
 * One vfork: the child sets itself up and execs while this process stands
 * still, so nothing is copied, and a step that failed is reported through the
 * memory that both share. Then one ppoll loop feeds stdin, drains stdout and
 * stderr and wakes on SIGCHLD, which is blocked everywhere else; a pidfd would
 * do the same, but not on the 4.18 kernels of shared hosting.
 *
 * The process is a child subreaper: whatever the handler starts becomes our
 * child when its own parent ends, also after setsid() and a double fork. So
 * "no child left" (ECHILD) is the proof that a tree is gone, and /proc says
 * whom to signal until then. Killing the process group alone was rejected: it
 * misses what left the session. One scan of the parent ids in /proc was
 * preferred to the kernel's lists of children (task/TID/children), which not
 * every kernel has and which are only reliable for stopped processes.
 *
 * Not done to the child, on purpose:
 * - PR_SET_PDEATHSIG: a handler is half way through somebody's order when a web
 *   server restarts (daily, for the logs). It may finish; its runner outlives
 *   the endpoint and still holds the limit. (A CGI process that its server
 *   kills is itself the runner: then nobody holds it.)
 * - no_new_privs: it would break sendmail and other setgid tools.
 * - exec of a checked descriptor: a script's interpreter must open the script
 *   again, so the descriptor would have to stay open in the handler and $0
 *   would be /dev/fd/N. The file is looked at just before the vfork instead;
 *   whoever can swap it after that could have written it before.
 */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "descriptor.h"

#define CHUNK_SIZE 65536                /* read at once: what a pipe holds by default */
#define DRAIN_MAX (1024 * 1024)         /* the largest pipe that an ordinary user can make */
#define KILL_AGAIN_US (20 * 1000)       /* then look for processes that were missed */
#define KILL_MAX_US (5 * 1000 * 1000)   /* for what even KILL does not end: a dead disk */
#define PROCESSES_MAX (4 * 1024 * 1024) /* the kernel's own limit of process ids */
#define DESCRIPTORS_MAX (1024 * 1024)   /* closed one by one where nothing better is there */
#define HANDLER_FILES_MAX 1024          /* select() in a handler cannot take more */
#define PATH_SHOWN_MAX 100              /* bytes of a path in a reason: its end tells most */

struct stream {
	int fd;     /* -1: at its end */
	int theirs; /* the handler's end, kept open: see start() */
	struct buf *kept;
	bool *cut;
};

/* One run, as its parent sees it. */
struct run {
	const struct run_spec *spec;
	struct run_result *result;
	int input; /* -1: nothing more to write */
	struct slice rest;
	struct stream output, error;
	sigset_t waiting; /* the mask while it waits: SIGCHLD comes through */
	pid_t child;
	bool ended;     /* child has been reaped, status is valid */
	bool childless; /* and nobody else is left */
	int status;
};

enum launch_step { LAUNCH_DONE, LAUNCH_DESCRIPTORS, LAUNCH_DIRECTORY, LAUNCH_EXEC };

/* What the child needs, and where it leaves its failure. */
struct launch {
	const struct run_spec *spec;
	const char *directory;
	int standard[3];                /* what becomes 0, 1 and 2; none is below 3 */
	volatile enum launch_step step; /* written by the child into our memory */
	volatile int error;
};

/* Where there is no close_range (before Linux 5.9). Neither malloc nor stdio:
 * the child of a vfork runs this. */
static void
descriptors_close_each(int lowest)
{
	_Alignas(struct dirent64) char entries[1024];
	const struct dirent64 *entry;
	struct rlimit limit;
	ssize_t len, at;
	int directory, fd;

	close(lowest); /* makes room for the one that is opened here */
	directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory >= 0) {
		while ((len = getdents64(directory, entries, sizeof entries)) > 0) {
			for (at = 0; at < len; at += entry->d_reclen) {
				entry = (const struct dirent64 *)(const void *)(entries + at);
				fd = (int)strtol(entry->d_name, NULL, 10);
				if (fd >= lowest && fd != directory)
					close(fd);
			}
		}
		close(directory);
		return;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > DESCRIPTORS_MAX)
		limit.rlim_cur = DESCRIPTORS_MAX;
	for (fd = lowest; fd < (int)limit.rlim_cur; fd++)
		close(fd);
}

void
run_close_descriptors(int lowest)
{
	if (close_range((unsigned)lowest, ~0U, 0) != 0)
		descriptors_close_each(lowest);
}

void
run_fill_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			fd = open("/", O_PATH);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* Each end of a handler wakes its runner, that one the endpoint, and that one the web server; where each took the
 * processor from a handler, the switches cost a tenth of all (bench/README.md). */
void
run_as_batch(void)
{
	const struct sched_param none = { .sched_priority = 0 };
	if (sched_getscheduler(0) == SCHED_OTHER) /* else somebody has chosen */
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

void
run_feed(int *fd, struct slice *rest)
{
	ssize_t n;

	while (rest->len > 0) {
		n = write(*fd, rest->data, rest->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* EPIPE: a handler need not read all of it */
		rest->data += n;
		rest->len -= (size_t)n;
	}
	descriptor_close(fd);
}

void
run_result_init(struct run_result *result)
{
	*result = (struct run_result){ .end = RUN_NOT_STARTED };
	buf_init(&result->output, RUN_OUTPUT_MAX);
	buf_init(&result->error, RUN_OUTPUT_MAX);
}

void
run_result_free(struct run_result *result)
{
	buf_free(&result->output);
	buf_free(&result->error);
}

/* Not started, and why: "PATH: TEXT", cut to fit, on one line whatever the path holds. */
__attribute__((format(printf, 3, 4))) static void
refuse(struct run_result *result, const char *path, const char *format, ...)
{
	size_t len = strlen(path);
	bool cut = len > PATH_SHOWN_MAX;
	char *c;
	int at;
	va_list arguments;

	result->end = RUN_NOT_STARTED;
	at = snprintf(result->reason, sizeof result->reason, "%s%s: ", cut ? "..." : "",
		cut ? path + len - PATH_SHOWN_MAX : path);
	va_start(arguments, format);
	vsnprintf(result->reason + at, sizeof result->reason - (size_t)at, format, arguments);
	va_end(arguments);
	for (c = result->reason; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

static void
refuse_for_errno(struct run_result *result, const char *path, int error)
{
	switch (error) {
	case ENOENT:
		refuse(result, path, "there is no such file: correct `run` or put it there");
		return;
	case EACCES:
		refuse(result, path,
			"a folder on the way is closed to this user: chmod +x on the folders");
		return;
	case E2BIG:
		refuse(result, path,
			"arguments and environment are larger than the system takes (E2BIG): "
			"let the handler read the event from stdin");
		return;
	case EAGAIN:
	case ENOMEM:
		refuse(result, path, "the system has no room for another process (%s)",
			strerror(error));
		return;
	case EMFILE:
	case ENFILE:
		refuse(result, path, "no descriptor is left for its pipes (%s)", strerror(error));
		return;
	case ETXTBSY: refuse(result, path, "somebody has it open for writing just now"); return;
	}
	refuse(result, path, "it cannot be run: %s", strerror(error));
}

/* The start of the file, NUL behind it; empty when it cannot be read. */
static void
read_head(const char *path, char *head, size_t size)
{
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0) {
		n = read(fd, head, size - 1);
		close(fd);
	}
	head[n > 0 ? n : 0] = '\0';
}

/* ENOENT for a file that is there: what it asks for in its first line is not. */
static void
explain_interpreter(struct run_result *result, const char *path, const char *head)
{
	size_t line_len = strcspn(head, "\n");
	const char *name;

	if (strncmp(head, "#!", 2) != 0) {
		refuse(result, path,
			"the program loader that it was built for is not on this system: "
			"build it here, or statically");
		return;
	}
	if (head[line_len - 1] == '\r') {
		refuse(result, path,
			"its #! line ends in CR LF, as Windows writes it: sed -i 's/\\r$//' on it");
		return;
	}
	name = head + 2 + strspn(head + 2, " \t");
	refuse(result, path,
		"the interpreter of its #! line does not exist: %.*s: install it or correct the "
		"line",
		(int)strcspn(name, " \t\n"), name);
}

static void
explain_format(struct run_result *result, const char *path, const char *head)
{
	if (strncmp(head, "\xef\xbb\xbf", 3) == 0)
		refuse(result, path,
			"a byte-order mark is before its #! line: save it as UTF-8 without BOM");
	else if (strncmp(head, "\177ELF", 4) == 0)
		refuse(result, path, "it is a program for another kind of machine");
	else if (strncmp(head, "#!", 2) == 0)
		refuse(result, path, "its #! line names no interpreter: write #!/bin/sh");
	else
		refuse(result, path, "it has no #! line: write #!/bin/sh as its first line");
}

static void
explain_access(struct run_result *result, const char *path)
{
	struct statvfs file_system;

	if (access(path, X_OK) != 0)
		refuse(result, path, "it is not executable: chmod +x on it");
	else if (statvfs(path, &file_system) == 0 && (file_system.f_flag & ST_NOEXEC) != 0)
		refuse(result, path, "its file system is mounted noexec: move it to another one");
	else
		refuse(result, path, "the interpreter of its #! line is not executable");
}

/* Why exec said no, in words that name the remedy. */
static void
explain_exec(struct run_result *result, const char *path, int error)
{
	char head[256];

	read_head(path, head, sizeof head);
	if (error == ENOENT)
		explain_interpreter(result, path, head);
	else if (error == ENOEXEC)
		explain_format(result, path, head);
	else if (error == EACCES)
		explain_access(result, path);
	else
		refuse_for_errno(result, path, error);
}

/* Is it what may be run? The exec follows at once. */
static bool
handler_inspect(const char *path, struct run_result *result)
{
	struct stat status;

	if (path == NULL || path[0] != '/') {
		refuse(result, path != NULL ? path : "run", "it is not an absolute path");
		return false;
	}
	if (stat(path, &status) != 0) {
		refuse_for_errno(result, path, errno);
		return false;
	}
	if (S_ISDIR(status.st_mode)) {
		refuse(result, path, "it is a directory: name the program in it");
		return false;
	}
	if (!S_ISREG(status.st_mode)) {
		refuse(result, path, "it is not a regular file");
		return false;
	}
	if ((status.st_mode & S_IWOTH) != 0) {
		refuse(result, path, "everybody may write to it: chmod o-w on it");
		return false;
	}
	return true;
}

/* What a handler must not take over from this process, looked at once. */
static struct {
	bool known;
	bool has_terminal;
	sigset_t signals; /* whose disposition may not be the default */
} habits;

static void
habits_look(void)
{
	struct sigaction action;
	int signal;
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	habits.known = true;
	habits.has_terminal = terminal >= 0;
	descriptor_close(&terminal);
	sigemptyset(&habits.signals);
	for (signal = 1; signal < NSIG; signal++) {
		if (sigaction(signal, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			sigaddset(&habits.signals, signal);
	}
	sigaddset(&habits.signals, SIGCHLD); /* see signals_take() */
	sigaddset(&habits.signals, SIGPIPE);
}

/* A limit that is meant for us, not for the handler. */
static void
soft_limit_lower(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0 || limit.rlim_cur <= most)
		return;
	limit.rlim_cur = most;
	setrlimit(resource, &limit);
}

/* Ignored signals and the mask pass through exec. Dispositions first: a signal
 * that is pending must not run a handler of ours in the memory of our parent. */
static void
signals_reset(void)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;
	int signal;

	for (signal = 1; signal < NSIG; signal++) {
		if (sigismember(&habits.signals, signal) == 1)
			sigaction(signal, &standard, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * A process group is enough to name the handler by. A session for each would have
 * the kernel's autogroups (sched(7)) give each handler as much of the processors as the whole web
 * server has: then, with a dozen handlers running, one request in a hundred waited for
 * half a second (bench/README.md). So only where there is a terminal to get away from.
 */
static void
leave_group(void)
{
	if (habits.has_terminal)
		setsid();
	else
		setpgid(0, 0);
}

/*
 * The child between vfork and exec, in its parent's memory: nothing here may
 * allocate, return, or write anywhere but to launch and the own frame. The
 * descriptors go before the directory so that nothing of ours is open however
 * long a dead file system holds chdir.
 */
__attribute__((noinline, noreturn)) static void
child_main(struct launch *launch)
{
	int i;

	leave_group();
	launch->step = LAUNCH_DESCRIPTORS;
	for (i = 0; i < 3; i++) {
		if (dup2(launch->standard[i], i) < 0)
			goto failed;
	}
	run_close_descriptors(3);
	umask(077);
	launch->step = LAUNCH_DIRECTORY;
	if (chdir(launch->directory) != 0)
		goto failed;
	soft_limit_lower(RLIMIT_CORE, 0);
	soft_limit_lower(RLIMIT_NOFILE, HANDLER_FILES_MAX);
	signals_reset();
	launch->step = LAUNCH_EXEC;
	execve(launch->spec->argv[0], launch->spec->argv, launch->spec->envp);
failed:
	launch->error = errno;
	_exit(127);
}

/* As vfork(), with every signal held back while two processes use one memory. */
static pid_t
launch_child(struct launch *launch)
{
	sigset_t all, old;
	pid_t child;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	child = vfork();
	if (child == 0)
		child_main(launch);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return child;
}

/* Above the standard descriptors, so that in the child each dup2() is a real
 * one, which clears close-on-exec, and none overwrites what the next needs. */
static bool
descriptor_raise(int *fd)
{
	int raised;

	if (*fd > STDERR_FILENO)
		return true;
	raised = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(*fd);
	*fd = raised;
	return raised >= 0;
}

/* A pipe of which our end does not block and the handler's does. */
static bool
pipe_open(int *ours, int *theirs, bool we_read)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*ours = ends[we_read ? 0 : 1];
	*theirs = ends[we_read ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 && descriptor_raise(theirs);
}

static bool
pipes_open(struct run *run, int *input)
{
	if (run->spec->input_fd >= 0) {
		*input = fcntl(run->spec->input_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (*input < 0)
			return false;
	} else if (!pipe_open(&run->input, input, false)) {
		return false;
	}
	return pipe_open(&run->output.fd, &run->output.theirs, true) &&
	       pipe_open(&run->error.fd, &run->error.theirs, true);
}

static void
reap(struct run *run)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != run->child)
			continue;
		run->ended = true;
		run->status = status;
	}
	run->childless = pid < 0;
}

static void
explain_launch(const struct run *run, const struct launch *launch)
{
	switch (launch->step) {
	case LAUNCH_DONE:
	case LAUNCH_DESCRIPTORS:
		refuse_for_errno(run->result, run->spec->argv[0], launch->error);
		return;
	case LAUNCH_DIRECTORY:
		refuse(run->result, launch->directory,
			"it cannot be the working directory: %s: create it or correct `directory`",
			strerror(launch->error));
		return;
	case LAUNCH_EXEC: explain_exec(run->result, run->spec->argv[0], launch->error); return;
	}
}

/* The folder of an absolute path, the caller's to free. */
static char *
directory_of(const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	return xmemdup0(path, len > 0 ? len : 1);
}

/*
 * Start the handler. false: it was not, and the result says why.
 * Its ends of the output pipes stay open here as well until it has ended: so its exit wakes
 * us once, by SIGCHLD, and not for each pipe that it closes on the way.
 */
static bool
start(struct run *run)
{
	const struct run_spec *spec = run->spec;
	struct launch launch = { .spec = spec };
	int input = -1;
	char *folder = NULL;

	if (!handler_inspect(spec->argv[0], run->result))
		return false;
	if (spec->directory == NULL)
		folder = directory_of(spec->argv[0]);
	launch.directory = folder != NULL ? folder : spec->directory;
	if (!pipes_open(run, &input)) {
		launch.error = errno;
		goto out;
	}
	launch.standard[0] = input;
	launch.standard[1] = run->output.theirs;
	launch.standard[2] = run->error.theirs;
	/* Most bodies fit into the pipe, so most handlers find all of it there. */
	if (run->input >= 0)
		run_feed(&run->input, &run->rest);
	run->child = launch_child(&launch);
	if (run->child < 0)
		launch.error = errno;
	else if (launch.error != 0)
		waitpid(run->child, NULL, 0);
out:
	descriptor_close(&input);
	if (launch.error != 0)
		explain_launch(run, &launch);
	free(folder);
	return launch.error == 0;
}

/* Read once; keep what the limit allows. false: nothing was there. */
static bool
stream_read(struct stream *stream)
{
	char chunk[CHUNK_SIZE];
	size_t room = stream->kept->max - stream->kept->len;
	ssize_t n = read(stream->fd, chunk, sizeof chunk);

	if (n > 0) {
		if ((size_t)n > room || !buf_append(stream->kept, chunk, (size_t)n)) {
			buf_append(stream->kept, chunk, (size_t)n < room ? (size_t)n : room);
			*stream->cut = true;
		}
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		descriptor_close(&stream->fd);
	return false;
}

/* Take what is in the pipe now, and no more: whoever still holds its other end
 * may write for ever, or never. */
static void
stream_finish(struct stream *stream)
{
	int chunks;

	descriptor_close(&stream->theirs);
	for (chunks = 0; stream->fd >= 0 && chunks < DRAIN_MAX / CHUNK_SIZE; chunks++) {
		if (!stream_read(stream))
			break;
	}
}

/* Wait for at most wait_us until a pipe is ready or a child ends; serve the pipes. */
static void
serve_once(struct run *run, int64_t wait_us)
{
	struct pollfd polled[] = {
		{ .fd = run->input, .events = POLLOUT },
		{ .fd = run->output.fd, .events = POLLIN },
		{ .fd = run->error.fd, .events = POLLIN },
	};
	struct timespec wait = clock_timespec(wait_us);

	if (ppoll(polled, 3, &wait, &run->waiting) <= 0)
		return;
	if (polled[0].revents != 0)
		run_feed(&run->input, &run->rest);
	if (polled[1].revents != 0)
		stream_read(&run->output);
	if (polled[2].revents != 0)
		stream_read(&run->error);
}

enum awaited { HANDLER_END, TREE_END };

/* false: the time is up. Children are looked for after each turn, since a pipe
 * that is always ready would hold back the signal. */
static bool
serve_until(struct run *run, enum awaited awaited, int64_t deadline_us)
{
	int64_t left_us;

	while (!(awaited == HANDLER_END ? run->ended : run->childless)) {
		left_us = deadline_us - clock_us();
		if (left_us <= 0)
			return false;
		serve_once(run, left_us);
		reap(run);
	}
	return true;
}

struct process {
	pid_t pid;
	pid_t parent;
};

pid_t
run_parent_of(int proc, const char *name)
{
	char path[32], status[512];
	const char *name_end;
	int parent = 0;
	ssize_t n;
	int fd;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	snprintf(path, sizeof path, "%.10s/stat", name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, status, sizeof status - 1);
	close(fd);
	status[n > 0 ? n : 0] = '\0';
	name_end = strrchr(status, ')'); /* a process may have ") S 1" in its name */
	return name_end != NULL && sscanf(name_end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* Append all processes that can be seen. false: /proc cannot be read. */
static bool
processes_list(struct buf *processes)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;
	struct process process;

	if (directory == NULL)
		return false;
	while ((entry = readdir(directory)) != NULL) {
		process.parent = run_parent_of(dirfd(directory), entry->d_name);
		process.pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (process.parent != 0 && !buf_append(processes, &process, sizeof process))
			break; /* no memory: those that are known; the caller comes again */
	}
	closedir(directory);
	return true;
}

/* Those of the list that descend from root, parents before their children, are
 * moved to its front; returns how many they are. */
static size_t
descendants_first(struct process *list, size_t count, pid_t root)
{
	size_t found = 0, parent, i;
	struct process swapped;
	pid_t pid = root;

	for (parent = 0; parent <= found; parent++) {
		if (parent > 0)
			pid = list[parent - 1].pid;
		for (i = found; i < count; i++) {
			if (list[i].parent != pid)
				continue;
			swapped = list[found];
			list[found++] = list[i];
			list[i] = swapped;
		}
	}
	return found;
}

/* To each process once, so a trap runs once; CONT, since a stopped process
 * would act on TERM only when somebody wakes it. */
static void
tree_signal(const struct run *run, int signal)
{
	struct buf processes;
	struct process *list;
	size_t count, i;

	buf_init(&processes, PROCESSES_MAX * sizeof *list);
	if (processes_list(&processes) && processes.len > 0) {
		list = (struct process *)(void *)processes.data;
		count = descendants_first(list, processes.len / sizeof *list, getpid());
		for (i = 0; i < count; i++) {
			kill(list[i].pid, signal);
			kill(list[i].pid, SIGCONT);
		}
	} else if (!run->ended) {
		/* Its group is ours to name as long as it has not been reaped. */
		kill(-run->child, signal);
		kill(-run->child, SIGCONT);
	}
	buf_free(&processes);
}

/* The limit: TERM, the grace for the whole tree, then KILL until nobody is left. */
static void
tree_end(struct run *run)
{
	int64_t give_up_us;

	tree_signal(run, SIGTERM);
	if (serve_until(run, TREE_END, clock_us() + run->spec->grace_ms * 1000))
		return;
	give_up_us = clock_us() + KILL_MAX_US;
	do {
		tree_signal(run, SIGKILL);
		if (serve_until(run, TREE_END, clock_us() + KILL_AGAIN_US))
			return;
	} while (clock_us() < give_up_us);
}

/* From the start of the handler to its end, or to that of all it started. */
static void
supervise(struct run *run)
{
	struct run_result *result = run->result;
	bool in_time = serve_until(run, HANDLER_END, clock_us() + run->spec->timeout_ms * 1000);

	if (!in_time)
		tree_end(run);
	stream_finish(&run->output);
	stream_finish(&run->error);
	if (!run->ended)
		run->status = SIGKILL; /* it has the signal, if not yet the end */
	result->left_behind = !run->childless;
	result->code = WIFEXITED(run->status) ? WEXITSTATUS(run->status) : WTERMSIG(run->status);
	if (!in_time)
		result->end = RUN_TIMED_OUT;
	else
		result->end = WIFEXITED(run->status) ? RUN_EXITED : RUN_SIGNALLED;
}

/* SIGCHLD needs a handler to interrupt ppoll(); an ignored one would also reap by itself. */
static void
child_ended(int signal)
{
	(void)signal;
}

struct caller_signals {
	struct sigaction child, pipe;
	sigset_t mask;
};

static void
signals_take(struct caller_signals *saved, sigset_t *waiting)
{
	const struct sigaction noticed = { .sa_handler = child_ended };
	const struct sigaction ignored = { .sa_handler = SIG_IGN };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &saved->mask);
	sigaction(SIGCHLD, &noticed, &saved->child);
	sigaction(SIGPIPE, &ignored, &saved->pipe);
	*waiting = saved->mask;
	sigdelset(waiting, SIGCHLD);
}

static void
signals_give_back(const struct caller_signals *saved)
{
	sigaction(SIGPIPE, &saved->pipe, NULL);
	sigaction(SIGCHLD, &saved->child, NULL);
	sigprocmask(SIG_SETMASK, &saved->mask, NULL);
}

void
run_handler(const struct run_spec *spec, struct run_result *result)
{
	struct run run = {
		.spec = spec,
		.result = result,
		.input = -1,
		.rest = spec->input,
		.output = { -1, -1, &result->output, &result->output_cut },
		.error = { -1, -1, &result->error, &result->error_cut },
		.child = -1,
	};
	struct caller_signals saved;
	int64_t started_us = clock_us();

	if (!habits.known)
		habits_look();
	signals_take(&saved, &run.waiting);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (start(&run))
		supervise(&run);
	descriptor_close(&run.input);
	descriptor_close(&run.output.fd);
	descriptor_close(&run.output.theirs);
	descriptor_close(&run.error.fd);
	descriptor_close(&run.error.theirs);
	signals_give_back(&saved);
	result->duration_us = clock_us() - started_us;
}
