/* endpoint.c - the program as the web server's endpoint: CGI or FastCGI */
#include "endpoint.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "http.h"
#include "intake.h"
#include "receive.h"
#include "responder.h"
#include "run.h"
#include "runner.h"
#include "service.h"
#include "worker.h"

/* When no configuration can be read at the start. */
#define DEFAULT_THREADS 64
#define DEFAULT_READ_TIMEOUT_MS 20000

/* A CGI process knows its endpoint's configuration only once it serves: it begins with the most
 * that read_timeout may be, and http_limit_read() makes it less. */
#define CGI_READ_TIMEOUT_MS 600000

/* As many as there can be requests that wait for one (threads, config_load.c), so none waits for a runner. */
#define RUNNERS_MAX 512

#define ARENAS 4

#define HEAP_BODY_MAX (8 << 20)
#define HEAP_KEPT_MAX (16 << 20)

/* sysexits(3): EX_TEMPFAIL. */
#define EXIT_START_AGAIN 75

void
endpoint_protect(void)
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
#ifndef HOOKCGI_SANITIZED /* LeakSanitizer has to trace its own process */
	prctl(PR_SET_DUMPABLE, 0);
#endif
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a full quota is an error to handle, not a death */
	umask(077);
	run_fill_standard();
}

static atomic_bool lost;

/* A threaded process cannot have a new nursery: finish, and be started again. */
static void
look_for_nursery(void)
{
	if (runner_lost() && !atomic_exchange(&lost, true))
		kill(getpid(), SIGTERM);
}

static void
run_in_runner(const struct run_spec *spec, struct run_result *result)
{
	runner_run(spec, RUNNERS_MAX, result);
	look_for_nursery();
}

static void
run_in_runner_later(struct runner_call *call)
{
	runner_run_later(call, RUNNERS_MAX);
	look_for_nursery();
}

/* A worker that the endpoint started goes when there was nothing to do for so long. */
#define WORKER_IDLE_MS (10 * 60 * 1000)

static int
work(const char *config)
{
	const struct worker_options options = { .config = config, .idle_ms = WORKER_IDLE_MS };
	endpoint_protect();
	return worker_run(&options);
}

static void
start_worker(const char *config)
{
	(void)runner_detach(config);
}

/* A CGI process answers first: the server waits for its end. */
static char *wanted_worker; /* the configuration to start one with */

static void
want_worker(const char *config)
{
	if (wanted_worker == NULL)
		wanted_worker = xstrdup(config);
}

/* What the configuration says about serving itself. Taken once, unlike all else in it. */
static struct http_limits
read_limits(const char *config)
{
	struct http_limits limits = { DEFAULT_THREADS, DEFAULT_READ_TIMEOUT_MS, 0 };
	service_open(config, false);
	struct snapshot *snapshot = service_acquire(NULL, slice_of(""));
	const struct config *loaded = snapshot_config(snapshot);
	if (loaded != NULL) {
		limits.threads = loaded->threads;
		limits.read_timeout_ms = loaded->read_timeout_ms;
	}
	service_release(snapshot);
	return limits;
}

int
endpoint_serve_cgi(void)
{
	endpoint_protect();
	service_open(NULL, true);
	intake_setup(false, want_worker);
	nursery_set_detached(work);
	struct receiver receiver = { run_handler, NULL };
	struct http_limits limits = { 1, CGI_READ_TIMEOUT_MS, 0 };
	int status = http_serve_cgi(&limits, receive, &receiver);
	intake_stop();
	if (wanted_worker != NULL)
		start_worker(wanted_worker);
	return status;
}

int
endpoint_serve_fastcgi(int listener, const char *config, int64_t stop_ms)
{
	endpoint_protect();
	run_as_batch();
	/* With two, one request in six found its arena's lock taken, and slept; with one for each thread, sixteen
	 * bodies of 1 MB leave 71 MB where these leave 47, and nothing is faster. And what is freed is merged at
	 * once: kept in small pieces, they were all merged at each large one that is freed (a tenth of a
	 * request's time). */
	mallopt(M_ARENA_MAX, ARENAS);
	mallopt(M_MXFAST, 0);
	/* A body comes from the heap, and what is free at the end of that (of each arena) stays: to get the
	 * pages of each body of 1 MB from the kernel anew took a sixth of its request's time. What was
	 * kept is given back when the process is idle (pool.c). */
	mallopt(M_MMAP_THRESHOLD, HEAP_BODY_MAX);
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_MAX);
	nursery_set_detached(work);
	if (!runner_start()) /* before secrets and threads: see runner.h */
		return EXIT_FAILURE;
	struct http_limits limits = read_limits(config);
	limits.stop_ms = stop_ms;
	struct receiver receiver = { run_in_runner, run_in_runner_later };
	intake_setup(true, start_worker);
	int status = responder_serve(listener, &limits, receive, &receiver);
	intake_stop();
	runner_stop();
	return atomic_load(&lost) ? EXIT_START_AGAIN : status;
}
