/* test_worker.c - the rules of worker.h, tried on a real store, real configurations and handlers
 *
 * A worker is a child of this program that calls worker_run(). Handlers are sh
 * scripts which write down what they did; one that has to be held up reads a FIFO
 * named "go" until the test opens it. The store is opened for each look and closed
 * again, since workers are forked in between. This program is a child subreaper, so what a
 * killed worker leaves comes to it.
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
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"
#include "store.h"
#include "tally.h"
#include "wake.h"
#include "worker.h"
#include "worker_runner.h"

#define PATIENCE_MS 30000 /* that only a broken program needs */
#define HOUR_MS ((int64_t)3600 * 1000)

static char scratch[64];
static char database[128];
static pid_t workers[4]; /* ended by the teardown, if not before */

/*
 * Files
 */

static const char *
in_scratch(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", scratch, name);
	return path;
}

/* Replaced as an editor does it. */
__attribute__((format(printf, 3, 4))) static void
write_file(const char *name, mode_t mode, const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;
	FILE *file;

	snprintf(path, sizeof path, "%s/.new", scratch);
	file = fopen(path, "we");
	assert_non_null(file);
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
	assert_int_equal(rename(path, in_scratch(name)), 0);
}

/* "" when it is not there. Borrowed until the next call. */
static const char *
read_text(const char *name)
{
	static char text[65536];
	size_t len = 0;
	FILE *file = fopen(in_scratch(name), "re");

	if (file != NULL) {
		len = fread(text, 1, sizeof text - 1, file);
		fclose(file);
	}
	text[len] = '\0';
	return text;
}

static void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* A handler of that name; $D is the scratch folder. */
static void
handler(const char *name, const char *script)
{
	write_file(name, 0700, "#!/bin/sh\nD=%s\n%s\n", scratch, script);
}

/* The head of a configuration, then endpoints; %D is the scratch folder. */
static void
configure(const char *endpoints)
{
	char text[8192] = "";
	size_t len = 0;
	const char *c;

	for (c = endpoints; *c != '\0'; c++) {
		if (c[0] == '%' && c[1] == 'D') {
			len += (size_t)snprintf(text + len, sizeof text - len, "%s", scratch);
			c++;
		} else {
			text[len++] = *c;
		}
		assert_true(len < sizeof text - sizeof scratch);
	}
	text[len] = '\0';
	write_file("hookcgi.conf", 0600, "store = \"sqlite:%s\"\nlog = \"file:%s/log\"\n%s",
		database, scratch, text);
}

#define ENDPOINT(name, options)                                                              \
	"endpoint \"" name "\" {\n\tprovider = \"unsigned\"\n\trun = {\"%D/" name ".sh\"}\n" \
	"\ttimeout = \"60s\"\n" options "\n}\n"

/*
 * Waiting
 */

typedef bool condition(const void *subject);

static void
wait_until(condition *is_true, const void *subject, const char *what)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!is_true(subject)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 > PATIENCE_MS)
			fail_msg("never: %s; the log:\n%s", what, read_text("log"));
		poll(NULL, 0, 10);
	}
}

static bool
file_is_there(const void *name)
{
	return access(in_scratch(name), F_OK) == 0;
}

static bool
log_says(const void *part)
{
	return strstr(read_text("log"), part) != NULL;
}

static bool
is_gone(const void *pid)
{
	char path[64], state = '\0', text[512] = "";
	const char *end;
	FILE *file;

	while (waitpid(*(const pid_t *)pid, NULL, WNOHANG) > 0)
		continue;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)*(const pid_t *)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return true;
	if (fgets(text, sizeof text, file) != NULL && (end = strrchr(text, ')')) != NULL)
		state = end[2];
	fclose(file);
	if (state == 'Z')
		waitpid(*(const pid_t *)pid, NULL, WNOHANG);
	return state == 'Z' || state == 'X' || state == '\0';
}

static pid_t
pid_in(const char *name)
{
	wait_until(file_is_there, name, name);
	return (pid_t)strtol(read_text(name), NULL, 10);
}

/* Let one handler go on that reads the FIFO "go". */
static void
let_go(void)
{
	int fd = open(in_scratch("go"), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
}

/*
 * The store
 */

static int64_t
put(const char *endpoint, const char *key, const char *type, const char *body)
{
	static const char variables[] = "CONTENT_TYPE=application/json\0HTTP_X_EXTRA=yes";
	struct store *store = store_new(database);
	struct timespec now;
	struct store_event event = {
		.endpoint = endpoint,
		.provider = "unsigned",
		.key = slice_of(key),
		.type = slice_of(type),
		.sender_id = slice_of("sender-1"),
		.remote = slice_of("192.0.2.7"),
		.variables = { variables, sizeof variables },
		.body = slice_of(body),
		.state = STORE_QUEUED,
	};
	struct store_event *events[] = { &event };

	clock_gettime(CLOCK_REALTIME, &now);
	event.received_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (store_put(store, events, 1, (int64_t)now.tv_sec * 1000 + PATIENCE_MS) != STORE_OK)
		fail_msg("put: %s", store_reason(store));
	assert_int_equal(event.put, STORE_ACCEPTED);
	store_free(store);
	(void)wake_send(database);
	return event.id;
}

static int64_t
queue(const char *endpoint, const char *key)
{
	return put(endpoint, key, "order", "{\"n\":7}");
}

struct seen {
	enum store_state state;
	unsigned attempts;
	int64_t due_ms;
	char reason[600];
};

static bool
see_row(void *context, const struct store_row *row)
{
	struct seen *seen = context;

	seen->state = row->state;
	seen->attempts = row->attempts;
	seen->due_ms = row->due_ms;
	snprintf(seen->reason, sizeof seen->reason, "%s", row->reason);
	return true;
}

static struct seen
look(int64_t id)
{
	struct store *store = store_new(database);
	struct seen seen = { .attempts = 0 };
	struct buf variables, body;
	bool damaged;
	enum store_result result;

	buf_init(&variables, 1 << 20);
	buf_init(&body, 1 << 20);
	do
		result = store_show(store, id, see_row, &seen, &variables, &body, &damaged);
	while (result == STORE_BUSY);
	if (result != STORE_OK)
		fail_msg("show: %s", store_reason(store));
	buf_free(&variables);
	buf_free(&body);
	store_free(store);
	return seen;
}

static bool
is_done(const void *id)
{
	return look(*(const int64_t *)id).state == STORE_DONE;
}

static bool
is_dead(const void *id)
{
	return look(*(const int64_t *)id).state == STORE_DEAD;
}

static bool
count_row(void *context, const struct store_row *row)
{
	(void)row;
	++*(int *)context;
	return true;
}

static int
count_events(void)
{
	struct store *store = store_new(database);
	int count = 0;

	assert_int_equal(store_list(store, &(struct store_filter){ .limit = 0 }, count_row, &count),
		STORE_OK);
	store_free(store);
	return count;
}

/* "exit 0", "lost" and so on, one behind the other. */
static bool
see_attempt(void *context, const struct store_attempt *attempt)
{
	char *text = context;
	size_t len = strlen(text);

	snprintf(text + len, 512 - len, "%u:%s %d;", attempt->number, attempt->end, attempt->code);
	return true;
}

static void
assert_attempts(int64_t id, const char *expected)
{
	struct store *store = store_new(database);
	char text[512] = "";

	assert_int_equal(store_attempts(store, id, see_attempt, text), STORE_OK);
	store_free(store);
	assert_string_equal(text, expected);
}

/*
 * Workers
 */

static pid_t
start_worker(const struct worker_options *options)
{
	struct worker_options own = *options;
	pid_t pid = fork();
	size_t i;
	int fd;

	assert_true(pid >= 0);
	if (pid == 0) {
		fd = open(in_scratch("said"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
			_exit(99);
		own.config = in_scratch("hookcgi.conf");
		_exit(worker_run(&own));
	}
	for (i = 0; i < sizeof workers / sizeof workers[0]; i++) {
		if (workers[i] == 0) {
			workers[i] = pid;
			return pid;
		}
	}
	fail_msg("too many workers");
	return -1;
}

static pid_t
start_service(void)
{
	return start_worker(&(struct worker_options){ .runners = 2 });
}

static struct {
	pid_t pid;
	int status;
} ended;

static bool
has_ended(const void *pid)
{
	ended.pid = waitpid(*(const pid_t *)pid, &ended.status, WNOHANG);
	return ended.pid == *(const pid_t *)pid;
}

/* Its exit status. */
static int
await_end(pid_t pid)
{
	size_t i;

	wait_until(has_ended, &pid, "the worker ends");
	for (i = 0; i < sizeof workers / sizeof workers[0]; i++) {
		if (workers[i] == pid)
			workers[i] = 0;
	}
	assert_true(WIFEXITED(ended.status));
	return WEXITSTATUS(ended.status);
}

static int
stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGTERM), 0);
	return await_end(pid);
}

static int
work_once(void)
{
	return await_end(start_worker(&(struct worker_options){ .once = true, .runners = 3 }));
}

static int
setup(void **state)
{
	(void)state;
	snprintf(scratch, sizeof scratch, "/tmp/hookcgi-test-worker-XXXXXX");
	if (mkdtemp(scratch) == NULL)
		return -1;
	snprintf(database, sizeof database, "%s/data/hookcgi.db", scratch);
	return mkfifo(in_scratch("go"), 0600);
}

static int
teardown(void **state)
{
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof workers / sizeof workers[0]; i++) {
		if (workers[i] == 0)
			continue;
		kill(workers[i], SIGKILL);
		waitpid(workers[i], NULL, 0);
		workers[i] = 0;
	}
	/* What a worker left comes to us, and ends when its handler does. */
	for (i = 0; i < 500 && waitpid(-1, NULL, WNOHANG) >= 0; i++) {
		fd = open(in_scratch("go"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		poll(NULL, 0, 10);
	}
	return scratch_remove(scratch);
}

/*
 * How long until the next attempt
 */

static void
backoff_doubles_with_jitter_up_to_the_longest_wait(void **state)
{
	static const int64_t longest = WORKER_LONGEST_WAIT_MS;
	static const struct {
		int64_t backoff_ms;
		unsigned failed;
		int64_t lowest_ms, highest_ms;
	} rows[] = {
		{ 1000, 0, 750, 1250 },
		{ 1000, 1, 750, 1250 },
		{ 1000, 2, 1500, 2500 },
		{ 1000, 3, 3000, 5000 },
		{ 10000, 8, 960000, 1600000 },
		{ 1000, 16, longest * 3 / 5 - 10000000, longest },
		{ 1000, 64, longest * 3 / 5, longest },
		{ 1000, 65, longest * 3 / 5, longest },
		{ 1000, UINT32_MAX, longest * 3 / 5, longest },
		{ 24 * HOUR_MS, 1, longest * 3 / 5, longest },
		{ INT64_MAX, 2, longest * 3 / 5, longest },
		{ 0, 5, 0, 0 },
		{ -1000, 5, 0, 0 },
		{ 1, 1, 1, 1 },
	};
	size_t i;
	uint64_t random;
	int64_t wait, last;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		last = -1;
		for (random = 0; random <= UINT32_MAX; random += UINT32_MAX / 255) {
			wait = worker_backoff_ms(
				rows[i].backoff_ms, rows[i].failed, (uint32_t)random);
			assert_true(wait >= rows[i].lowest_ms && wait <= rows[i].highest_ms);
			assert_true(wait >= last); /* every random number counts */
			last = wait;
		}
		assert_int_equal(
			worker_backoff_ms(rows[i].backoff_ms, rows[i].failed, UINT32_MAX), last);
	}
	assert_int_equal(worker_backoff_ms(1000, 1, 0), 750);
	assert_int_equal(worker_backoff_ms(1000, 1, UINT32_MAX), 1250);
	assert_int_equal(worker_backoff_ms(1000, 1, UINT32_MAX / 2), 999);
	assert_int_equal(worker_backoff_ms(24 * HOUR_MS, 9, UINT32_MAX), longest);
}

/*
 * What becomes of an event
 */

static void
events_run_in_order_one_at_a_time(void **state)
{
	char key[16], expected[512] = "";
	int64_t ids[12];
	int i;

	(void)state;
	handler("orders.sh",
		"echo \"+$HOOK_KEY\" >>$D/ran; sleep 0.02; echo \"-$HOOK_KEY\" >>$D/ran");
	configure(ENDPOINT("orders", ""));
	for (i = 0; i < 12; i++) {
		snprintf(key, sizeof key, "k%d", i);
		ids[i] = queue("orders", key);
		snprintf(expected + strlen(expected), sizeof expected - strlen(expected),
			"+k%d\n-k%d\n", i, i);
	}
	assert_int_equal(work_once(), 0);
	assert_string_equal(read_text("ran"), expected);
	for (i = 0; i < 12; i++) {
		assert_int_equal(look(ids[i]).state, STORE_DONE);
		assert_attempts(ids[i], "1:exit 0;");
	}
}

static void
concurrency_runs_so_many_at_once(void **state)
{
	int64_t a, b;

	(void)state;
	/* Each waits for the other. */
	handler("orders.sh",
		"touch $D/$HOOK_KEY; until [ -e $D/a ] && [ -e $D/b ]; do sleep 0.05; done");
	configure(ENDPOINT("orders", "concurrency = 2"));
	a = queue("orders", "a");
	b = queue("orders", "b");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(a).state, STORE_DONE);
	assert_int_equal(look(b).state, STORE_DONE);
}

static bool
see_output(void *context, const struct store_attempt *attempt)
{
	snprintf(context, 512, "%.*s", (int)attempt->output.len, attempt->output.data);
	return true;
}

static void
handler_is_given_the_event_and_no_descriptor_of_ours(void **state)
{
	char line[64];
	char output[512] = "";
	struct store *store;
	int64_t id, fds;

	(void)state;
	handler("orders.sh", "env >$D/env; cat >$D/stdin; grep ^Sig /proc/self/status >$D/signals");
	configure(ENDPOINT(
		"orders", "headers = {\"X-Extra\"}") "endpoint \"fds\" { provider = \"unsigned\" "
						     "run = {\"/bin/ls\", \"/proc/self/fd\"} }");
	fds = queue("fds", "k");
	id = put("orders", "key-1", "order.paid", "{\"n\":7}");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_DONE);
	snprintf(line, sizeof line, "HOOK_DELIVERY=%lld\n", (long long)id);
	assert_contains(read_text("env"), line);
	assert_contains(read_text("env"), "HOOK_ATTEMPT=1\n");
	assert_contains(read_text("env"), "HOOK_KEY=key-1\n");
	assert_contains(read_text("env"), "HOOK_ID=sender-1\n");
	assert_contains(read_text("env"), "HOOK_EVENT=order.paid\n");
	assert_contains(read_text("env"), "HOOK_ENDPOINT=orders\n");
	assert_contains(read_text("env"), "HOOK_REMOTE_ADDR=192.0.2.7\n");
	assert_contains(read_text("env"), "HOOK_HEADER_X_EXTRA=yes\n");
	assert_contains(read_text("env"), "HOOK_DATA_N=7\n");
	assert_string_equal(read_text("stdin"), "{\"n\":7}");
	store = store_new(database);
	assert_int_equal(store_attempts(store, fds, see_output, output), STORE_OK);
	store_free(store);
	assert_string_equal(output, "0\n1\n2\n3\n"); /* 3 is the folder that ls reads */
	assert_contains(read_text("signals"), "SigBlk:\t0000000000000000\n");
}

static void
large_body_reaches_the_handler_whole(void **state)
{
	static const size_t len = 1000000; /* two are too many for one claim */
	char *body = malloc(len + 1);
	int64_t ids[3];
	char key[24];

	(void)state;
	assert_non_null(body);
	memset(body, 'x', len);
	body[0] = body[len - 1] = '"';
	body[len] = '\0';
	handler("orders.sh", "wc -c >$D/len.$HOOK_KEY; cat /dev/zero | head -c 100000");
	configure(ENDPOINT("orders", "concurrency = 3"));
	for (int i = 0; i < 3; i++) {
		snprintf(key, sizeof key, "k%d", i);
		ids[i] = put("orders", key, "order", body);
	}
	free(body);
	assert_int_equal(work_once(), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(look(ids[i]).state, STORE_DONE);
		snprintf(key, sizeof key, "len.k%d", i);
		assert_int_equal(strtol(read_text(key), NULL, 10), len);
	}
}

static void
failing_handler_is_run_again_and_then_done(void **state)
{
	int64_t id;

	(void)state;
	handler("orders.sh",
		"echo $HOOK_ATTEMPT >>$D/ran; echo why >&2; [ $HOOK_ATTEMPT = 2 ] || exit 3");
	configure(ENDPOINT("orders", "backoff = \"1s\""));
	id = queue("orders", "k");
	start_service();
	wait_until(is_done, &id, "done");
	assert_string_equal(read_text("ran"), "1\n2\n");
	assert_attempts(id, "1:exit 3;2:exit 0;");
	assert_contains(read_text("log"), "attempt key=k delivery=");
	assert_contains(read_text("log"), "attempt=1 end=\"exit 3\" state=queued");
	assert_contains(read_text("log"), "stderr=\"why");
}

static void
once_leaves_retries_to_their_time(void **state)
{
	int64_t id;
	struct seen seen;

	(void)state;
	handler("orders.sh", "echo $HOOK_ATTEMPT >>$D/ran; exit 75");
	configure(ENDPOINT("orders", "backoff = \"1h\""));
	id = queue("orders", "k");
	assert_int_equal(work_once(), 0);
	assert_int_equal(work_once(), 0);
	seen = look(id);
	assert_int_equal(seen.state, STORE_QUEUED);
	assert_int_equal(seen.attempts, 1);
	assert_true(seen.due_ms > (int64_t)time(NULL) * 1000 + HOUR_MS / 2);
	assert_string_equal(seen.reason, "handler exited with 75 (attempt 1)");
	assert_string_equal(read_text("ran"), "1\n");
}

/* Cron starts it once a minute: what a step leaves would have to wait for the next one. */
static void
once_removes_all_that_is_over_its_time(void **state)
{
	char key[16];
	sqlite3 *db;

	(void)state;
	handler("orders.sh", "exit 0");
	configure("keep = \"1h\"\n" ENDPOINT("orders", ""));
	for (int i = 0; i < 150; i++) {
		snprintf(key, sizeof key, "k%d", i);
		queue("orders", key);
	}
	assert_int_equal(work_once(), 0);
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE clock SET age = age + 7200000", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(work_once(), 0);
	assert_int_equal(count_events(), 0);
}

static void
exit_100_is_dead_at_once(void **state)
{
	int64_t id;

	(void)state;
	handler("orders.sh", "exit 100");
	configure(ENDPOINT("orders", ""));
	id = queue("orders", "k");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_DEAD);
	assert_string_equal(look(id).reason, "handler exited with 100: do not retry");
	assert_attempts(id, "1:exit 100;");
}

static void
last_retry_that_fails_is_dead(void **state)
{
	int64_t id;

	(void)state;
	handler("orders.sh", "kill -9 $$");
	configure(ENDPOINT("orders", "retries = 1\nbackoff = \"1s\""));
	id = queue("orders", "k");
	start_service();
	wait_until(is_dead, &id, "dead");
	assert_string_equal(look(id).reason, "handler died of signal 9 (attempt 2, the last)");
	assert_attempts(id, "1:signal 9;2:signal 9;");
}

static void
replayed_event_has_all_its_retries_again(void **state)
{
	struct store *store;
	int64_t id;

	(void)state;
	handler("orders.sh", "exit 1");
	configure(ENDPOINT("orders", "retries = 1\nbackoff = \"1h\""));
	id = queue("orders", "k");
	assert_int_equal(work_once(), 0);
	store = store_new(database);
	assert_int_equal(store_replay(store, id, (int64_t)time(NULL) * 1000), STORE_OK);
	store_free(store);
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_QUEUED);
	assert_attempts(id, "1:exit 1;2:exit 1;");
}

static void
poison_holds_up_nothing_else(void **state)
{
	int64_t poison, others[4];

	(void)state;
	handler("orders.sh", "[ $HOOK_KEY != poison ]");
	handler("mails.sh", "exit 0");
	configure(ENDPOINT("orders", "backoff = \"1h\"") ENDPOINT("mails", ""));
	poison = queue("orders", "poison");
	others[0] = queue("orders", "a");
	others[1] = queue("mails", "b");
	others[2] = queue("orders", "c");
	others[3] = queue("mails", "d");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(poison).state, STORE_QUEUED);
	for (int i = 0; i < 4; i++)
		assert_int_equal(look(others[i]).state, STORE_DONE);
}

static void
handler_over_its_timeout_is_ended_and_counted(void **state)
{
	int64_t id;

	(void)state;
	handler("orders.sh", "sleep 1000");
	configure("endpoint \"orders\" { provider = \"unsigned\" run = {\"%D/orders.sh\"}\n"
		  "timeout = \"1s\" grace = \"1s\" retries = 0 }\n");
	id = queue("orders", "k");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_DEAD);
	assert_contains(look(id).reason, "ran over its timeout");
	assert_attempts(id, "1:timeout 15;");
}

static void
missing_handler_may_still_be_put_there(void **state)
{
	int64_t id;

	(void)state;
	handler("mails.sh", "exit 0");
	configure(ENDPOINT("orders", "backoff = \"1s\"") ENDPOINT("mails", ""));
	id = queue("orders", "k");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_QUEUED);
	assert_contains(look(id).reason, "there is no such file");
	handler("orders.sh", "exit 0");
	start_service();
	wait_until(is_done, &id, "done");
	assert_attempts(id, "1:not started 0;2:exit 0;");
}

static void
what_cannot_be_handed_over_is_dead_with_a_reason(void **state)
{
	int64_t broken, unwanted, gone, fine;

	(void)state;
	handler("orders.sh", "exit 0");
	configure(ENDPOINT("orders", "events = {\"order*\"}"));
	broken = put("orders", "broken", "order", "{\"n\":");
	unwanted = put("orders", "unwanted", "refund", "{}");
	gone = queue("gone", "k");
	fine = queue("orders", "fine");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(broken).state, STORE_DEAD);
	assert_true(look(broken).reason[0] != '\0');
	assert_attempts(broken, "1:not started 0;");
	assert_int_equal(look(unwanted).state, STORE_DEAD);
	assert_contains(look(unwanted).reason, "wants this type");
	assert_int_equal(look(gone).state, STORE_DEAD);
	assert_contains(
		look(gone).reason, "no endpoint of this name in the configuration any more");
	assert_int_equal(look(fine).state, STORE_DONE);
}

static void
events_of_an_unusable_endpoint_wait(void **state)
{
	int64_t id;

	(void)state;
	handler("orders.sh", "exit 0");
	configure("endpoint \"orders\" { provider = \"github\" secret = \"file:none\"\n"
		  "run = {\"%D/orders.sh\"} }\n");
	id = queue("orders", "k");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_QUEUED);
	assert_int_equal(look(id).attempts, 0);
	write_file("none", 0600, "a-secret-of-some-length");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_DONE);
}

static void
runner_whose_handler_left_processes_behind_runs_no_other(void **state)
{
	int64_t first, second;
	long before, after;

	(void)state;
	handler("orders.sh", "sleep 1000 >/dev/null 2>&1 & echo $! >$D/sleeper.$HOOK_KEY; echo "
			     "$PPID >$D/$HOOK_KEY");
	configure(ENDPOINT("orders", ""));
	first = queue("orders", "a");
	second = queue("orders", "b");
	assert_int_equal(
		await_end(start_worker(&(struct worker_options){ .once = true, .runners = 1 })), 0);
	assert_int_equal(look(first).state, STORE_DONE);
	assert_int_equal(look(second).state, STORE_DONE);
	before = strtol(read_text("a"), NULL, 10);
	after = strtol(read_text("b"), NULL, 10);
	assert_true(before > 1 && after > 1 && before != after);
	/* They were let live. */
	assert_int_equal(kill(pid_in("sleeper.a"), SIGKILL), 0);
	assert_int_equal(kill(pid_in("sleeper.b"), SIGKILL), 0);
}

/*
 * What ends
 */

/* A handler that says that it runs, and waits for let_go() in its first attempt. */
#define HELD                                                      \
	"echo $HOOK_ATTEMPT >>$D/ran\n"                           \
	"echo $PPID >$D/runner.new; mv $D/runner.new $D/runner\n" \
	"echo $$ >$D/handler.new; mv $D/handler.new $D/handler\n" \
	"[ $HOOK_ATTEMPT != 1 ] || read x <$D/go\n"               \
	"echo ended >>$D/ran"

static void
event_of_a_killed_runner_is_run_again(void **state)
{
	int64_t id;
	pid_t worker, orphan;

	(void)state;
	handler("orders.sh", HELD);
	configure(ENDPOINT("orders", "retries = 0"));
	id = queue("orders", "k");
	worker = start_service();
	orphan = pid_in("handler");
	assert_int_equal(kill(pid_in("runner"), SIGKILL), 0);
	wait_until(is_done, &id, "run again");
	assert_contains(read_text("ran"), "1\n2\nended\n");
	assert_attempts(id, "1:lost 0;2:exit 0;");
	let_go();
	wait_until(is_gone, &orphan, "the first handler ends");
	assert_int_equal(look(id).attempts, 2);
	assert_int_equal(stop(worker), 0);
	assert_contains(read_text("log"), "a runner ended by itself (signal 9)");
}

static void
event_that_kills_its_runner_each_time_is_dead_in_the_end(void **state)
{
	int64_t poison, other;

	(void)state;
	handler("orders.sh", "[ $HOOK_KEY != poison ] || kill -9 $PPID");
	configure(ENDPOINT("orders", ""));
	poison = queue("orders", "poison");
	start_worker(&(struct worker_options){ .runners = 12 });
	wait_until(is_dead, &poison, "dead");
	assert_contains(look(poison).reason, "was killed each time");
	assert_int_equal(look(poison).attempts, 11);
	other = queue("orders", "other");
	wait_until(is_done, &other, "done");
}

static void
second_worker_takes_over_from_a_killed_one(void **state)
{
	int64_t held, other;
	pid_t worker, runner;

	(void)state;
	handler("orders.sh", HELD);
	handler("mails.sh", "exit 0");
	configure(ENDPOINT("orders", "") ENDPOINT("mails", ""));
	held = queue("orders", "k");
	worker = start_service();
	runner = pid_in("runner");
	assert_int_equal(kill(worker, SIGKILL), 0);
	wait_until(has_ended, &worker, "killed");
	workers[0] = 0;
	start_service();
	other = queue("mails", "m");
	wait_until(is_done, &other, "the second works");
	assert_int_equal(look(held).state, STORE_RUNNING); /* its runner is still at it */
	let_go();
	wait_until(is_done, &held, "and records it");
	wait_until(is_gone, &runner, "and ends");
	assert_attempts(held, "1:exit 0;");
	assert_string_equal(read_text("ran"), "1\nended\n");
}

static void
event_of_a_worker_that_was_killed_whole_is_run_again(void **state)
{
	int64_t id;
	pid_t worker, runner;

	(void)state;
	handler("orders.sh", HELD);
	configure(ENDPOINT("orders", ""));
	id = queue("orders", "k");
	worker = start_service();
	runner = pid_in("runner");
	kill(pid_in("handler"), SIGSTOP);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(kill(runner, SIGKILL), 0);
	kill(pid_in("handler"), SIGKILL);
	wait_until(has_ended, &worker, "killed");
	workers[0] = 0;
	wait_until(is_gone, &runner, "killed");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_DONE);
	assert_attempts(id, "1:lost 0;2:exit 0;");
	assert_string_equal(read_text("ran"), "1\n2\nended\n");
}

static void
term_lets_the_running_handler_finish(void **state)
{
	int64_t running, waiting;
	pid_t worker, runner;

	(void)state;
	handler("orders.sh", HELD);
	configure(ENDPOINT("orders", ""));
	running = queue("orders", "k");
	worker = start_service();
	runner = pid_in("runner");
	waiting = queue("orders", "later");
	assert_int_equal(kill(worker, SIGTERM), 0);
	assert_int_equal(kill(worker, SIGTERM), 0);
	poll(NULL, 0, 100);
	assert_int_equal(waitpid(worker, NULL, WNOHANG), 0);
	let_go();
	assert_int_equal(await_end(worker), 0);
	assert_true(is_gone(&runner));
	assert_int_equal(look(running).state, STORE_DONE);
	assert_int_equal(look(waiting).state, STORE_QUEUED);
	assert_string_equal(read_text("ran"), "1\nended\n");
}

static void
handler_that_outlasts_the_stop_time_is_ended_and_run_again(void **state)
{
	int64_t id;
	pid_t worker, running;

	(void)state;
	handler("orders.sh", HELD);
	configure(ENDPOINT("orders", "retries = 0"));
	id = queue("orders", "k");
	worker = start_worker(&(struct worker_options){ .runners = 2, .stop_ms = 100 });
	running = pid_in("handler");
	assert_int_equal(stop(worker), 0);
	assert_true(is_gone(&running));
	assert_int_equal(look(id).state, STORE_QUEUED);
	assert_contains(look(id).reason, "when the worker was stopped");
	assert_attempts(id, "1:signal 15;");
	assert_int_equal(work_once(), 0);
	assert_int_equal(look(id).state, STORE_DONE);
}

static void
result_that_cannot_be_recorded_is_not_forgotten(void **state)
{
	int64_t id;
	sqlite3 *other = NULL;

	(void)state;
	handler("orders.sh", HELD);
	configure(ENDPOINT("orders", ""));
	id = queue("orders", "k");
	start_service();
	pid_in("handler");
	assert_int_equal(sqlite3_open(database, &other), SQLITE_OK);
	sqlite3_busy_timeout(other, PATIENCE_MS);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	let_go();
	wait_until(log_says, "an attempt cannot be recorded", "the store is locked");
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	wait_until(is_done, &id, "recorded");
	assert_attempts(id, "1:exit 0;");
	assert_string_equal(read_text("ran"), "1\nended\n");
}

static void
runner_records_alone_what_a_killed_worker_could_not(void **state)
{
	int64_t id;
	pid_t worker, runner;
	sqlite3 *other = NULL;

	(void)state;
	handler("orders.sh", HELD);
	configure(ENDPOINT("orders", ""));
	id = queue("orders", "k");
	worker = start_service();
	runner = pid_in("runner");
	assert_int_equal(sqlite3_open(database, &other), SQLITE_OK);
	sqlite3_busy_timeout(other, PATIENCE_MS);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	let_go();
	wait_until(log_says, "an attempt cannot be recorded", "the worker has the result");
	assert_int_equal(kill(worker, SIGKILL), 0);
	wait_until(has_ended, &worker, "killed");
	workers[0] = 0;
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	wait_until(is_gone, &runner, "the runner ends");
	assert_int_equal(look(id).state, STORE_DONE);
	assert_attempts(id, "1:exit 0;");
	assert_string_equal(read_text("ran"), "1\nended\n");
}

static void
worker_that_is_waited_for_gives_up_to_record(void **state)
{
	char aside[160];
	int64_t id;
	pid_t worker;

	(void)state;
	snprintf(aside, sizeof aside, "%s/aside.db", scratch);
	handler("orders.sh", HELD);
	configure(ENDPOINT("orders", ""));
	id = queue("orders", "k");
	worker = start_worker(&(struct worker_options){ .once = true, .runners = 1 });
	pid_in("handler");
	assert_int_equal(rename(database, aside), 0);
	let_go();
	assert_int_equal(await_end(worker), 1);
	assert_contains(read_text("log"), "could not be recorded: it will be run again");
	assert_int_equal(rename(aside, database), 0);
	assert_int_equal(work_once(), 0);
	assert_attempts(id, "1:lost 0;2:exit 0;");
}

static void
what_is_missing_is_said_once(void **state)
{
	char reason[256];
	struct tally *tally;
	const char *said;
	int64_t id;

	(void)state;
	handler("orders.sh", "exit 0");
	configure(ENDPOINT("orders", ""));
	id = queue("orders", "k");
	assert_int_equal(work_once(), 0);
	assert_int_equal(access(in_scratch("data/hookcgi.db-tally"), F_OK), -1);
	assert_true(is_done(&id));
	tally = tally_open(database, reason);
	assert_non_null(tally);
	tally_acknowledge(tally, id + 30);
	assert_int_equal(work_once(), 0);
	assert_int_equal(work_once(), 0);
	said = strstr(read_text("log"), "were acknowledged and are missing");
	assert_non_null(said);
	assert_null(strstr(said + 1, "were acknowledged and are missing"));
	assert_int_equal(tally_missing(tally, 0, 0).first, id + 1);
	assert_int_equal(tally_missing(tally, 0, 0).last, id + 30);
	tally_close(tally);
}

static void
damaged_numbers_are_mended_and_said(void **state)
{
	int64_t id;
	sqlite3 *other = NULL;

	(void)state;
	handler("orders.sh", "exit 0");
	configure(ENDPOINT("orders", ""));
	id = queue("orders", "k");
	assert_int_equal(sqlite3_open(database, &other), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(other, "UPDATE endpoint SET running = 1000", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(other);
	assert_int_equal(work_once(), 0);
	assert_true(is_done(&id));
	assert_contains(read_text("log"), "endpoint orders had 1000 running events");
}

/*
 * The worker as a whole
 */

static void
there_is_one_worker_for_a_store(void **state)
{
	int64_t id;
	pid_t worker;

	(void)state;
	handler("orders.sh", "exit 0");
	configure(ENDPOINT("orders", ""));
	worker = start_service();
	id = queue("orders", "k");
	wait_until(is_done, &id, "the first works");
	assert_int_equal(await_end(start_service()), 1);
	assert_contains(read_text("said"), "another worker has ");
	assert_int_equal(work_once(), 0); /* somebody does what it would do */
	id = queue("orders", "l");
	wait_until(is_done, &id, "the first still works");
	assert_int_equal(stop(worker), 0);
}

static void
idle_worker_ends_but_waits_for_a_retry(void **state)
{
	int64_t id;

	(void)state;
	handler("orders.sh", "[ $HOOK_ATTEMPT = 2 ]");
	configure(ENDPOINT("orders", "backoff = \"2s\""));
	id = queue("orders", "k");
	assert_int_equal(await_end(start_worker(&(struct worker_options){ .idle_ms = 300 })), 0);
	assert_int_equal(look(id).state, STORE_DONE);
	assert_attempts(id, "1:exit 1;2:exit 0;");
}

struct expected {
	const char *endpoint;
	const char *text;
	unsigned count;
};

/* Put one more event and look whether its handler says that. */
static bool
handler_says(const void *subject)
{
	static unsigned number;
	const struct expected *expected = subject;
	char key[16];
	int64_t id;

	snprintf(key, sizeof key, "n%u", number++);
	id = queue(expected->endpoint, key);
	wait_until(is_done, &id, "done");
	return strcmp(read_text("ran"), expected->text) == 0;
}

static void
changed_configuration_is_taken_and_a_broken_one_is_not(void **state)
{
	static const struct expected one = { "orders", "one\n", 0 }, two = { "orders", "two\n", 0 };
	pid_t worker;

	(void)state;
	handler("orders.sh", "echo one >$D/ran");
	handler("two.sh", "echo two >$D/ran");
	configure(ENDPOINT("orders", ""));
	worker = start_service();
	wait_until(handler_says, &one, "the first handler runs");
	configure("endpoint \"orders\" { provider = \"unsigned\" run = {\"%D/two.sh\"} }\n");
	wait_until(handler_says, &two, "the second handler runs");
	configure("endpoint \"orders\" { provider = \"unsigned\" run = {\"%D/orders.sh\"} "
		  "}\nnonsense = 1\n");
	wait_until(log_says, "the one before it stays in force", "the fault is reported");
	assert_true(handler_says(&two));
	assert_contains(read_text("log"), "nonsense");
	configure(ENDPOINT("orders", ""));
	wait_until(handler_says, &one, "it is mended");
	assert_int_equal(stop(worker), 0);
}

static void
worker_moves_to_another_store(void **state)
{
	static const char text[] =
		"store = \"sqlite:%s\"\nlog = \"file:%s/log\"\nendpoint \"orders\" "
		"{ provider = \"unsigned\" run = {\"%s/orders.sh\"} }\n";
	int64_t id;
	pid_t worker;

	(void)state;
	handler("orders.sh", "exit 0");
	write_file("hookcgi.conf", 0600, text, database, scratch, scratch);
	worker = start_service();
	id = queue("orders", "k");
	wait_until(is_done, &id, "done");
	snprintf(database, sizeof database, "%s/second/hookcgi.db", scratch);
	write_file("hookcgi.conf", 0600, text, database, scratch, scratch);
	id = queue("orders", "k");
	wait_until(is_done, &id, "done in the second");
	assert_int_equal(stop(worker), 0);
}

static void
without_a_usable_configuration_or_store_there_is_no_worker(void **state)
{
	(void)state;
	write_file("hookcgi.conf", 0600, "nonsense = 1\n");
	assert_int_equal(await_end(start_service()), 78);
	assert_contains(read_text("said"), "hookcgi.conf:1: ");
	write_file("hookcgi.conf", 0600, "store = \"none\"\n");
	assert_int_equal(await_end(start_service()), 78);
	assert_contains(read_text("said"), "there is no queue to work on");
	write_file("file", 0600, "no folder");
	write_file("hookcgi.conf", 0600, "store = \"sqlite:%s/file/hookcgi.db\"\n", scratch);
	assert_int_equal(await_end(start_service()), 1);
	assert_contains(read_text("said"), "file/hookcgi.db");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_doubles_with_jitter_up_to_the_longest_wait),
		TEST(events_run_in_order_one_at_a_time),
		TEST(concurrency_runs_so_many_at_once),
		TEST(handler_is_given_the_event_and_no_descriptor_of_ours),
		TEST(large_body_reaches_the_handler_whole),
		TEST(failing_handler_is_run_again_and_then_done),
		TEST(once_leaves_retries_to_their_time),
		TEST(once_removes_all_that_is_over_its_time),
		TEST(exit_100_is_dead_at_once),
		TEST(last_retry_that_fails_is_dead),
		TEST(replayed_event_has_all_its_retries_again),
		TEST(poison_holds_up_nothing_else),
		TEST(handler_over_its_timeout_is_ended_and_counted),
		TEST(missing_handler_may_still_be_put_there),
		TEST(what_cannot_be_handed_over_is_dead_with_a_reason),
		TEST(events_of_an_unusable_endpoint_wait),
		TEST(runner_whose_handler_left_processes_behind_runs_no_other),
		TEST(event_of_a_killed_runner_is_run_again),
		TEST(event_that_kills_its_runner_each_time_is_dead_in_the_end),
		TEST(second_worker_takes_over_from_a_killed_one),
		TEST(event_of_a_worker_that_was_killed_whole_is_run_again),
		TEST(term_lets_the_running_handler_finish),
		TEST(handler_that_outlasts_the_stop_time_is_ended_and_run_again),
		TEST(result_that_cannot_be_recorded_is_not_forgotten),
		TEST(runner_records_alone_what_a_killed_worker_could_not),
		TEST(worker_that_is_waited_for_gives_up_to_record),
		TEST(what_is_missing_is_said_once),
		TEST(damaged_numbers_are_mended_and_said),
		TEST(there_is_one_worker_for_a_store),
		TEST(idle_worker_ends_but_waits_for_a_retry),
		TEST(changed_configuration_is_taken_and_a_broken_one_is_not),
		TEST(worker_moves_to_another_store),
		TEST(without_a_usable_configuration_or_store_there_is_no_worker),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(077);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
