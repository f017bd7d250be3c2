/* nursery.c - the process that forks runners, and those runners
 *
 * The endpoint makes a runner's socket pair itself and sends one end to the nursery. So the nursery's
 * socket carries datagrams one way and needs no lock.
 */
#include "nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover.h"
#include "job.h"
#include "log.h"
#include "run.h"

#define HEAP_STEP (128 * 1024)

/* What the nursery is asked for. */
struct request {
	enum { REQUEST_RUNNER, REQUEST_DETACHED } kind;
	char argument[PATH_MAX];
};

/* A handler that left processes behind ends its runner too: the limit of the
 * next handler would otherwise end them. */
__attribute__((noreturn)) static void
runner_main(int socket)
{
	struct run_result result;
	struct job job;
	bool go_on = true;

	prctl(PR_SET_NAME, "hookcgi-runner");
	while (go_on && job_receive(socket, &job)) {
		run_result_init(&result);
		run_handler(&job.spec, &result);
		go_on = job_send_result(socket, &result) && !result.left_behind;
		run_result_free(&result);
		job_free(&job);
	}
	_exit(0);
}

static void
standard_close(void)
{
	int fd;

	for (fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
	run_fill_standard();
}

static nursery_detached *detached;

/* Forked twice, so that it is the child of init and nobody has to wait for it. */
__attribute__((noreturn)) static void
detached_main(const char *argument)
{
	sigset_t none;
	int signal_number;

	setsid();
	if (fork() != 0)
		_exit(0);
	for (signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_close();
	run_close_descriptors(STDERR_FILENO + 1);
	standard_close();
	_exit(detached(argument));
}

/* Nothing of the endpoint stays: no descriptor (one that keeps 0 open makes
 * lighttpd believe that the program still lives), no session, no mask. */
static int
nursery_settle(int link)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE,
		SIGCHLD };
	const int kept = STDERR_FILENO + 1;
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	prctl(PR_SET_NAME, "hookcgi-nursery");
	if (link != kept && dup3(link, kept, O_CLOEXEC) < 0)
		_exit(1);
	log_close();
	run_close_descriptors(kept + 1);
	standard_close();
	/* A job of 2 MiB must not leave its pages in a runner: fixed thresholds
	 * instead of glibc's, which grow with what is freed. */
	mallopt(M_MMAP_THRESHOLD, HEAP_STEP);
	mallopt(M_TRIM_THRESHOLD, HEAP_STEP);
	return kept;
}

__attribute__((noreturn)) static void
nursery_main(int link)
{
	struct request request;
	int socket;

	link = nursery_settle(link);
	for (;;) {
		socket = -1;
		if (!handover_receive(link, &request, sizeof request, &socket))
			_exit(0);
		if (request.kind == REQUEST_DETACHED && detached != NULL && fork() == 0)
			detached_main(request.argument);
		if (socket >= 0 && fork() == 0) {
			close(link);
			runner_main(socket);
		}
		if (socket >= 0)
			close(socket);
	}
}

/* Fork twice, so that the nursery is the child of init, which reaps it. */
static bool
nursery_fork(int link)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		child = fork();
		if (child == 0)
			nursery_main(link);
		_exit(child < 0 ? 1 : 0);
	}
	if (child < 0)
		return false;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return true; /* ECHILD, SIGCHLD is ignored: the first use tells */
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void
nursery_set_detached(nursery_detached *function)
{
	detached = function;
}

int
nursery_start(void)
{
	int link[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) != 0) {
		log_message(LOG_LEVEL_ERROR, "runners", "socketpair: %s", strerror(errno));
		return -1;
	}
	bool forked = nursery_fork(link[1]);
	close(link[1]);
	if (forked)
		return link[0];
	log_message(LOG_LEVEL_ERROR, "runners",
		"the process that starts handlers could not be started: no room for another "
		"process");
	close(link[0]);
	return -1;
}

bool
nursery_fork_runner(int nursery, int socket)
{
	static const struct request request = { .kind = REQUEST_RUNNER };
	return handover_send(nursery, &request, sizeof request, socket);
}

bool
nursery_detach(int nursery, const char *argument)
{
	struct request request = { .kind = REQUEST_DETACHED };
	pid_t child;

	snprintf(request.argument, sizeof request.argument, "%s", argument);
	if (nursery >= 0)
		return handover_send(nursery, &request, sizeof request, -1);
	child = fork();
	if (child == 0)
		detached_main(argument);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	return child > 0;
}
