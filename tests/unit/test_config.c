/* test_config.c - what a configuration file means, and every way in which it may be wrong */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "config.h"
#include "safety.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NOBODY 65534

/* Real files: a folder of our own under /tmp (sticky), new for each test. */
static char folder[64];
static struct config *config;
static bool usable;

static const char *
path_of(const char *name)
{
	static char path[PATH_MAX];
	assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
	return path;
}

/* Written in place when it is there already. */
static void
write_bytes(const char *name, mode_t mode, const char *bytes, size_t len)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd != -1);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void
write_file(const char *name, mode_t mode, const char *text)
{
	write_bytes(name, mode, text, strlen(text));
}

static void
unload(void)
{
	config_free(config);
	config = NULL;
}

static void
reload(const char *only)
{
	unload();
	config = config_load(path_of("hookcgi.conf"), only, &usable);
	assert_non_null(config);
}

static void
load(const char *text)
{
	write_file("hookcgi.conf", 0640, text);
	reload(NULL);
}

static int
setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/hookcgi-config-XXXXXX");
	assert_non_null(mkdtemp(folder));
	write_file("secret", 0600, "s3cret\n");
	write_file("run.sh", 0755, "#!/bin/sh\n");
	return 0;
}

static int
teardown(void **state)
{
	char command[128];
	(void)state;
	unload();
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static void
print_faults(void)
{
	for (size_t i = 0; i < config->fault_count; i++)
		print_error("  %s %s:%u: %s\n",
			config->faults[i].severity == CONFIG_FAULT ? "fault" : "warning",
			config->faults[i].file, config->faults[i].line, config->faults[i].message);
}

static const struct config_fault *
find_fault(enum config_severity severity, unsigned line, const char *piece)
{
	for (size_t i = 0; i < config->fault_count; i++) {
		const struct config_fault *fault = &config->faults[i];
		if (fault->severity == severity && fault->line == line &&
			strstr(fault->message, piece) != NULL)
			return fault;
	}
	return NULL;
}

static void
expect_fault(enum config_severity severity, unsigned line, const char *piece)
{
	if (find_fault(severity, line, piece) != NULL)
		return;
	print_error("no such fault: line %u \"%s\", but:\n", line, piece);
	print_faults();
	fail();
}

static const struct config_endpoint *
endpoint(const char *name)
{
	const struct config_endpoint *found = config_find(config, slice_of(name));
	assert_non_null(found);
	return found;
}

static void
expect_fine(void)
{
	if (config->fault_count != 0)
		print_faults();
	assert_int_equal(config->fault_count, 0);
	assert_true(usable);
}

static void
everything_that_is_written_is_there(void **state)
{
	(void)state;
	write_file("second", 0640, "other\r\n");
	assert_int_equal(mkdir(path_of("sub"), 0755), 0);
	assert_int_equal(mkdir(path_of("log"), 0755), 0);
	assert_int_equal(setenv("HOOKCGI_TEST_SECRET", "from env", 1), 0);
	load("# a comment\n"
	     "store = \"none\" // another\n"
	     "log = 'file:log/x.log' log_format = json\n"
	     "threads = 8 read_timeout = 5s\n"
	     "endpoint \"zeta\" { provider = unsigned run = ./run.sh }\n"
	     "/* one\n over two lines */\n"
	     "endpoint \"orders\" {\n"
	     "  provider = \"github\"\n"
	     "  secret = {\"file:secret\", # inside a list\n"
	     "    \"env:HOOKCGI_TEST_SECRET\", \"file:second\", \"literal\"}\n"
	     "  events = {\"push\", \"pull_*\"}\n"
	     "  run = {\"./run.sh\", \"{event}\", \"-x {body:a}\"}\n"
	     "  mode = \"wait\" timeout = \"90s\" grace = \"1s\" retries = 3 backoff = 1m\n"
	     "  concurrency = 4 stdin = raw dedupe = body reply = none\n"
	     "  reply_type = \"application/json\" body_limit = 2M directory = \"sub\"\n"
	     "  url = \"https://example.org/hooks/orders\" headers = {\"X-A\", \"X-B\"}\n"
	     "  env = {\"SCORE={body:response.score}\", \"KIND=x=y\"}\n"
	     "  on \"ping\" { run = {} }\n"
	     "  on \"re?und.*\" { run = {\"run.sh/\"}\n run = {\"./run.sh\", 'a'} }\n"
	     "}\n");
	assert_true(usable);
	assert_null(config->store);
	assert_true(config->log_json);
	assert_int_equal(config->threads, 8);
	assert_int_equal(config->read_timeout_ms, 5000);
	char text[PATH_MAX];
	snprintf(text, sizeof text, "file:%s/log/x.log", folder);
	assert_string_equal(config->log, text);

	assert_int_equal(config->endpoint_count, 2);
	assert_string_equal(config->endpoints[0].name, "orders");
	assert_string_equal(config->endpoints[1].name, "zeta");
	const struct config_endpoint *e = endpoint("orders");
	assert_null(e->unusable);
	assert_int_equal(e->line, 8);
	assert_string_equal(e->provider->name, "github");
	assert_int_equal(e->secret_count, 4);
	static const char *const secrets[] = { "s3cret", "from env", "other", "literal" };
	for (size_t i = 0; i < COUNT(secrets); i++) {
		assert_string_equal(e->secrets[i].text, secrets[i]);
		assert_int_equal(e->secrets[i].len, strlen(secrets[i]));
	}
	snprintf(text, sizeof text, "file:%s/second", folder);
	assert_string_equal(e->secrets[2].source, text);
	assert_string_equal(e->secrets[1].source, "env:HOOKCGI_TEST_SECRET");
	assert_string_equal(e->secrets[3].source, "literal");
	assert_int_equal(e->event_count, 2);
	assert_string_equal(e->events[1], "pull_*");
	assert_int_equal(e->run.argc, 3);
	snprintf(text, sizeof text, "%s/run.sh", folder);
	assert_string_equal(e->run.argv[0]->source, text);
	assert_int_equal(e->run.argv[1]->parts[0].kind, TEMPLATE_EVENT);
	assert_int_equal(e->mode, CONFIG_MODE_WAIT);
	assert_int_equal(e->timeout_ms, 90000);
	assert_int_equal(e->grace_ms, 1000);
	assert_int_equal(e->retries, 3);
	assert_int_equal(e->backoff_ms, 60000);
	assert_int_equal(e->concurrency, 4);
	assert_int_equal(e->stdin_kind, CONFIG_STDIN_RAW);
	assert_int_equal(e->dedupe, PROVIDER_DEDUPE_BODY);
	assert_int_equal(e->reply, CONFIG_REPLY_NONE);
	assert_string_equal(e->reply_type, "application/json");
	assert_int_equal(e->body_limit, 2 << 20);
	snprintf(text, sizeof text, "%s/sub", folder);
	assert_string_equal(e->directory, text);
	assert_string_equal(e->url, "https://example.org/hooks/orders");
	assert_int_equal(e->header_count, 2);
	assert_string_equal(e->headers[1], "X-B");
	assert_int_equal(e->env_count, 2);
	assert_string_equal(e->env[0].name, "SCORE");
	assert_string_equal(e->env[1].value->source, "x=y");
	assert_int_equal(e->rule_count, 2);
	assert_string_equal(e->rules[0].pattern, "ping");
	assert_int_equal(e->rules[0].argc, 0);
	assert_int_equal(e->rules[1].argc, 2);
	/* The one thing to be said: an option that is given twice, and where. */
	assert_int_equal(config->fault_count, 1);
	expect_fault(CONFIG_WARNING, 21, "\"run\" is given twice");
}

static void
what_is_left_out_has_a_default(void **state)
{
	(void)state;
	load("endpoint \"a\" { provider = \"github\" secret = \"file:secret\" run = {\"./run.sh\"} "
	     "}\n");
	expect_fine();
	const struct config_endpoint *e = endpoint("a");
	char store[PATH_MAX];
	snprintf(store, sizeof store, "%s/data/hookcgi.db", folder);
	assert_string_equal(config->store, store);
	assert_true(config->worker_auto);
	assert_int_equal(config->runners, 8);
	assert_int_equal(config->keep_ms, INT64_C(30) * 86400000);
	assert_int_equal(config->keep_body_ms, 7 * 86400000);
	assert_int_equal(e->rate, 0);
	assert_int_equal(e->queue_limit, 100000);
	assert_string_equal(config->log, "stderr");
	assert_false(config->log_json);
	assert_int_equal(config->threads, 64);
	assert_int_equal(config->read_timeout_ms, 20000);
	assert_int_equal(e->event_count, 1);
	assert_string_equal(e->events[0], "*");
	assert_int_equal(e->mode, CONFIG_MODE_QUEUE);
	assert_int_equal(e->stdin_kind, CONFIG_STDIN_JSON);
	assert_int_equal(e->dedupe, PROVIDER_DEDUPE_ID);
	assert_int_equal(e->reply, CONFIG_REPLY_OUTPUT);
	assert_string_equal(e->reply_type, "text/plain; charset=utf-8");
	assert_int_equal(e->timeout_ms, 30000);
	assert_int_equal(e->grace_ms, 5000);
	assert_int_equal(e->body_limit, 1 << 20);
	assert_int_equal(e->retries, 8);
	assert_int_equal(e->backoff_ms, 10000);
	assert_int_equal(e->concurrency, 1);
	assert_null(e->directory);
	assert_null(e->url);
}

static void
url_is_asked_for_where_it_is_signed(void **state)
{
	(void)state;
	load("endpoint \"a\" {\n provider = \"twilio\" secret = \"file:secret\" run = "
	     "{\"./run.sh\"} }\n");
	expect_fault(CONFIG_WARNING, 1, "write url = \"https://HOST/PATH\"");
	load("endpoint \"a\" { provider = \"twilio\" secret = \"file:secret\" run = "
	     "{\"./run.sh\"}\n"
	     " url = \"https://example.org/hooks/a\" }\n");
	expect_fine();
}

static void
provider_says_what_a_duplicate_is_where_the_endpoint_does_not(void **state)
{
	(void)state;
	load("endpoint \"a\" { provider = \"dropbox\" secret = \"file:secret\" run = "
	     "{\"./run.sh\"} }\n"
	     "endpoint \"b\" { provider = \"dropbox\" secret = \"file:secret\" run = "
	     "{\"./run.sh\"}\n"
	     "  dedupe = \"body\" }\n");
	assert_int_equal(endpoint("a")->dedupe, PROVIDER_DEDUPE_OFF);
	assert_int_equal(endpoint("b")->dedupe, PROVIDER_DEDUPE_BODY);
}

static void
the_empty_file_is_a_configuration(void **state)
{
	(void)state;
	load("");
	expect_fine();
	assert_int_equal(config->endpoint_count, 0);
	assert_null(config_find(config, slice_of("a")));
	assert_null(config_find(config, slice_of("")));
}

/* Faults of the whole file, each with the line and a piece of the message. */
static const struct broken {
	const char *name, *text;
	unsigned line;
	const char *piece;
} broken_files[] = {
	{ "unknown option", "store = none\nstroe = \"x\"\n", 2, "did you mean \"store\"" },
	{ "unknown option in an endpoint", "endpoint \"a\" {\n\n scret = \"x\" }", 3,
		"unknown option \"scret\" (did you mean \"secret\"" },
	{ "unknown option in a rule", "endpoint a {\n on \"x\" {\n  rn = y } }", 3,
		"did you mean \"run\"" },
	{ "unknown option nothing like ours", "zzzzzzzz = {1, 2,\n3}\n", 1, "hookcgi.conf(5)" },
	{ "unknown block", "\nendpont \"a\" { run = { \"}\" } # }\n }\n", 2,
		"did you mean \"endpoint\"" },
	{ "a stray word", "threads = 5 5\nstore = x\n", 1, "unknown option \"5\"" },
	{ "behind a stray word", "threads = 5 5\nstore = x\n", 2, "store = \"x\"" },
	{ "behind semicolons", "threads = 5;\nlog = x ; store = x\n", 2, "log = \"x\"" },
	{ "unknown block without an end", "\nendpont \"a\" {\n", 2, "this { has no end" },
	{ "option of a libConfuse path", "endpoint a {}\nendpoint|run = x\n", 2,
		"unknown option \"endpoint|run\"" },
	{ "include", "include(\"/etc/passwd\")\n", 1, "unknown option \"include\"" },
	{ "missing brace at the end", "\nendpoint \"a\" {\n run = { \"x\" }\n", 2,
		"\"a\" that begins here has no end" },
	{ "missing brace in a rule", "endpoint \"a\" {\n on \"x\" {\n run = { \"x\" }\n }\n", 1,
		"has no end" },
	{ "missing brace before a block", "endpoint \"a\" {\n\nendpoint \"b\" { }\n", 3,
		"\"endpoint\" does not belong into the block endpoint \"a\" of line 1" },
	{ "missing brace of a list", "endpoint \"a\" {\n run = { \"x\"\n mode = wait }\n", 3,
		"unexpected token" },
	{ "a brace too much", "endpoint \"a\" { }\n}\n", 2, "a } too much" },
	{ "braces in comments and texts", "# {\n// {\n/* { */ log = '{' store = \"{\"\n", 3,
		"log = \"{\"" },
	{ "text without an end", "\nstore = \"none\nlog = x\n", 2, "this text has no end" },
	{ "text without an end behind all", "log = x\nstore = none 'a", 2, "this text has no end" },
	{ "comment without an end", "store = none\n/* x\n\n", 2, "this comment has no end" },
	{ "variable of the request", "\nlog = \"file:${HTTP_X_S}\"\n", 2,
		"${HTTP_X_S} is set for each request" },
	{ "no equals", "# c\n# c\nstore \"none\"\n", 3, "missing equal sign" },
	{ "no value", "store = \n\n", 3, "premature end" },
	{ "list for a single value", "\nstore = {\"none\"}\n", 2, "unexpected token '{'" },
	{ "append to a single value", "store += none\n", 1, "append" },
	{ "no title", "endpoint { }\n", 1, "missing title" },
	{ "stray equals", "= x\n", 1, "unexpected token" },
	{ "bad escape", "log = \"\\99\"\n", 1, "bad escape" },
	{ "endpoint twice", "endpoint \"a\" { }\n\nendpoint 'a' { }\n", 3,
		"\"a\" is given twice, first in line 1" },
	{ "provider twice", "provider a { }\nprovider a { }\n", 2, "given twice, first in line 1" },
	{ "rule twice", "endpoint a {\n on x { }\n on x { } }\n", 3,
		"given twice, first in line 2" },
	{ "endpoint name", "endpoint \"A b\" { }\n", 1,
		"\"A b\" cannot be the name of an endpoint" },
	{ "endpoint name empty", "endpoint \"\" { }\n", 1, "cannot be the name" },
	{ "endpoint name from a variable", "endpoint \"${HOME}\" { }\n", 1,
		"write the plain text" },
	{ "provider name", "provider \"../x\" { }\n", 1, "cannot be the name of a provider" },
	{ "store", "\nstore = \"postgres:x\"\n", 2, "write \"sqlite:PATH\" or \"none\"" },
	{ "store without a path", "\nstore = \"sqlite:\"\n", 2, "is not known" },
	{ "worker", "worker = yes", 1, "write \"auto\" or \"off\"" },
	{ "runners", "runners = 0", 1, "from 1 to 64" },
	{ "keep", "keep = \"1m\"", 1, "is not a duration from 1h" },
	{ "log", "log = \"file:\"\n", 1, "is not known: write \"stderr\"" },
	{ "log format", "log_format = xml", 1, "write \"text\" or \"json\"" },
	{ "threads none", "threads = 0", 1, "from 1 to 512" },
	{ "threads many", "threads = 513", 1, "from 1 to 512" },
	{ "read timeout", "read_timeout = 30", 1, "is not a duration from 1s to 10m" },
};

static void
a_broken_file_is_not_usable_and_says_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(broken_files); i++) {
		const struct broken *broken = &broken_files[i];
		load(broken->text);
		if (usable || find_fault(CONFIG_FAULT, broken->line, broken->piece) == NULL) {
			print_error("%s: usable %d\n", broken->name, usable);
			print_faults();
			fail();
		}
	}
}

/* libConfuse takes such a file, and prints what it cannot read to standard output. */
static void
nothing_is_read_behind_a_text_without_an_end(void **state)
{
	(void)state;
	load("log = x\nstore = none \"a\\");
	assert_false(usable);
	assert_int_equal(config->fault_count, 1);
}

/* Faults of one endpoint: that one is unusable, line 3 is where they are put. */
static const struct wrong {
	const char *text;
	const char *piece;
} wrong_endpoints[] = {
	{ "secret = \"file:\"", "names no file" },
	{ "secret = \"file:nosuch\"", "nosuch does not exist" },
	{ "secret = \"file:.\"", "is a folder" },
	{ "secret = \"file:empty\"", "is empty" },
	{ "secret = \"file:newline\"", "is empty" },
	{ "secret = \"file:blank\"", "is empty" },
	{ "secret = \"file:long\"", "longer than 64 KiB" },
	{ "secret = \"\"", "is empty" },
	{ "secret = \" \"", "is empty" },
	{ "secret = \"env:HOOKCGI_NOT_SET\"", "\"HOOKCGI_NOT_SET\" is not set" },
	{ "secret = \"env:HOOKCGI_EMPTY\"", "is empty" },
	{ "secret = \"env:\"", "is not set" },
	{ "secret = \"env:HTTP_X_S\"", "HTTP_X_S is set for each request" },
	{ "secret = {\"file:secret\", \"env:QUERY_STRING\"}", "QUERY_STRING is set for each" },
	{ "secret = {\"file:secret\", \"file:nosuch\"}", "nosuch" },
	{ "secret = {a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q}", "17 secrets are too many" },
	{ "provider = \"githab\"", "\"github\"" },
	{ "provider = \"nothing-like-it\"", "hookcgi provider" },
	{ "provider = \"../../etc/passwd\"", "there is no provider" },
	{ "run = {\"run.sh\"}", "a fixed path with a slash: write \"/path/to/run.sh\"" },
	{ "run = {\"./{event}\"}", "a fixed path" },
	{ "run = {\"\"}", "a fixed path" },
	{ "run = {\"./run.sh\", \"{evnt}\"}", "run: " },
	{ "run = {\"./run.sh\", \"{body\"}", "run: " },
	{ "run = {\"./run.sh\", \"{secret}\"}", "not given to handlers" },
	{ "run = {\"./open.sh\"}", "others can write" },
	{ "run = {\"./open/run.sh\"}", "others can write the folder" },
	{ "mode = \"later\"", "write \"wait\" or \"queue\"" },
	{ "timeout = \"30\"", "timeout = \"30\" is not a duration from 1s to 1h" },
	{ "timeout = \"999ms\"", "from 1s to 1h" },
	{ "timeout = \"61m\"", "from 1s to 1h" },
	{ "timeout = \"-1s\"", "from 1s to 1h" },
	{ "grace = \"6m\"", "from 0 to 5m" },
	{ "backoff = \"0\"", "from 1s to 1d" },
	{ "retries = \"-1\"", "not a number from 0" },
	{ "retries = \"many\"", "not a number from 0" },
	{ "concurrency = 0", "not a number from 1" },
	{ "queue_limit = 0", "not a number from 1" },
	{ "rate = \"10\"", "write \"10/s\"" },
	{ "rate = \"0/s\"", "write \"10/s\"" },
	{ "rate = \"10/w\"", "write \"10/s\"" },
	{ "rate = \"x/s\"", "write \"10/s\"" },
	{ "stdin = \"xml\"", "\"json\" or \"raw\" or \"none\"" },
	{ "dedupe = \"key\"", "\"id\" or \"body\" or \"off\"" },
	{ "reply = \"yes\"", "\"output\" or \"none\"" },
	{ "reply_type = \"text\"", "is not a media type" },
	{ "reply_type = \"text/html\\nX-A: b\"", "is not a media type" },
	{ "body_limit = 0", "not a size from 1 to 1G" },
	{ "body_limit = 1025M", "not a size from 1 to 1G" },
	{ "body_limit = 1MB", "not a size from 1 to 1G" },
	{ "url = \"example.org\"", "is not a web address" },
	{ "url = \"https://a b\"", "is not a web address" },
	{ "headers = {\"X A\"}", "cannot be the name of a header" },
	{ "headers = {\"\"}", "cannot be the name of a header" },
	{ "events = {}", "nothing would be wanted" },
	{ "events = {\"a\", \"\"}", "is empty and matches nothing" },
	{ "events = {\"[a\"}", "a [ without its ]" },
	{ "events = {\"[]\"}", "a [ without its ]" },
	{ "events = {'a\\\\'}", "ends in a backslash" },
	{ "on \"[x\" { run = {} }", "a [ without its ]" },
	{ "on \"x\" { run = {\"sh\"} }", "a fixed path" },
	{ "env = {\"SCORE\"}", "has no \"=\"" },
	{ "env = {\"=x\"}", "cannot be a name" },
	{ "env = {\"score=x\"}", "cannot be a name" },
	{ "env = {\"1A=x\"}", "cannot be a name" },
	{ "env = {\"A-B=x\"}", "cannot be a name" },
	{ "env = {\"HOOK_EVENT=x\"}", "HOOK_EVENT is obeyed" },
	{ "env = {\"PATH=x\"}", "PATH is obeyed" },
	{ "env = {\"LD_PRELOAD=x\"}", "is obeyed" },
	{ "env = {\"BASH_ENV=x\"}", "is obeyed" },
	{ "env = {\"IFS=x\"}", "is obeyed" },
	{ "env = {\"PERL5OPT=x\"}", "is obeyed" },
	{ "env = {\"PYTHONPATH=x\"}", "is obeyed" },
	{ "env = {\"RUBYOPT=x\"}", "is obeyed" },
	{ "env = {\"NODE_OPTIONS=x\"}", "is obeyed" },
	{ "env = {\"GIT_SSH_COMMAND=x\"}", "is obeyed" },
	{ "env = {\"HTTP_PROXY=x\"}", "is obeyed" },
	{ "env = {\"A=x\", \"A=y\"}", "A is given twice" },
	{ "env = {\"A={nope}\"}", "env: " },
	{ "env = {\"A={signature}\"}", "not given to handlers" },
};

static bool
begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The rest that the endpoint needs is put behind, so that only one thing is wrong. */
static void
a_wrong_endpoint_is_unusable_alone_and_says_why(void **state)
{
	(void)state;
	char *long_text = xmalloc(65537);
	memset(long_text, 'x', 65537);
	write_bytes("long", 0600, long_text, 65537);
	free(long_text);
	write_file("empty", 0600, "");
	write_file("newline", 0600, "\n");
	write_file("blank", 0600, " \t\r\n\n");
	write_file("open.sh", 0777, "#!/bin/sh\n");
	assert_int_equal(mkdir(path_of("open"), 0700), 0);
	assert_int_equal(chmod(path_of("open"), 0777), 0);
	write_file("open/run.sh", 0755, "#!/bin/sh\n");
	assert_int_equal(setenv("HOOKCGI_EMPTY", "", 1), 0);
	for (size_t i = 0; i < COUNT(wrong_endpoints); i++) {
		const struct wrong *wrong = &wrong_endpoints[i];
		char text[1024];
		snprintf(text, sizeof text,
			"endpoint \"good\" { provider = \"unsigned\" run = {} }\n"
			"endpoint \"bad\" {\n %s\n%s%s%s}\n",
			wrong->text,
			begins_with(wrong->text, "provider") ? "" : " provider = \"github\"\n",
			begins_with(wrong->text, "secret") ? "" : " secret = \"file:secret\"\n",
			begins_with(wrong->text, "run") ? "" : " run = {\"./run.sh\"}\n");
		load(text);
		size_t faults = 0;
		for (size_t j = 0; j < config->fault_count; j++)
			faults += config->faults[j].severity == CONFIG_FAULT;
		const struct config_fault *found = find_fault(CONFIG_FAULT, 3, wrong->piece);
		if (!usable || endpoint("bad")->unusable == NULL || found == NULL || faults != 1 ||
			endpoint("good")->unusable != NULL) {
			print_error("%s: usable %d\n", wrong->text, usable);
			print_faults();
			fail();
		}
		char place[256];
		assert_true(snprintf(place, sizeof place, "%.99s/hookcgi.conf:3: ", folder) > 0);
		const char *unusable = endpoint("bad")->unusable;
		assert_true(begins_with(unusable, place));
		assert_string_equal(unusable + strlen(place), found->message);
	}
}

static void
a_secret_of_64_kib_is_read_whole(void **state)
{
	(void)state;
	char *text = xmalloc(65536);
	memset(text, 'x', 65536);
	text[10] = '\0';
	write_bytes("long", 0600, text, 65536);
	load("endpoint \"a\" { provider = \"github\" secret = \"file:long\" run = {} }\n");
	expect_fine();
	assert_int_equal(endpoint("a")->secrets[0].len, 65536);
	assert_memory_equal(endpoint("a")->secrets[0].text, text, 65536);
	free(text);
}

static void
only_one_newline_is_taken_off(void **state)
{
	(void)state;
	static const struct {
		const char *text, *secret;
	} rows[] = { { "a", "a" }, { "a\n", "a" }, { "a\r\n", "a" }, { "a\n\n", "a\n" },
		{ "a\r", "a\r" }, { " a ", " a " }, { "\na", "\na" } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		write_file("secret", 0600, rows[i].text);
		load("endpoint \"a\" { provider = \"github\" secret = \"file:secret\" run = {} "
		     "}\n");
		assert_string_equal(endpoint("a")->secrets[0].text, rows[i].secret);
	}
}

/* A provider whose scheme needs a parameter, whose handshake needs one, and that brings a secret. */
#define OWN                                                                                      \
	"provider \"own\" { header = \"X-S\" algorithm = \"hmac-sha256\"\n"                      \
	"  signs = \"{parameter:app}.{body}\" key_id = \"{header:X-Key}\"\n"                     \
	"  handshake \"verify\" { method = \"GET\" when = \"{query:t}={parameter:token}\" }\n"   \
	"  handshake \"learn\" { verified = \"no\" when = \"{body:s}\" learns = \"{body:s}\" } " \
	"}\n"                                                                                    \
	"endpoint \"a\" { provider = \"own\" run = {}\n"

static void
parameters_come_from_where_secrets_may(void **state)
{
	(void)state;
	write_file("token", 0600, "t0ken\n");
	setenv("HOOKCGI_TEST_APP", "app=1", 1);
	load(OWN "secret = \"file:secret\"\n"
		 "parameters = {\"token=file:token\", \"app=env:HOOKCGI_TEST_APP\"} }\n");
	expect_fine();
	assert_int_equal(endpoint("a")->parameter_count, 2);
	assert_string_equal(endpoint("a")->parameters[0].name, "token");
	assert_string_equal(endpoint("a")->parameters[0].value, "t0ken");
	assert_string_equal(endpoint("a")->parameters[1].name, "app");
	assert_string_equal(endpoint("a")->parameters[1].value, "app=1");
	assert_false(config_changed(config));
	write_file("token", 0600, "changed\n");
	assert_true(config_changed(config));
	load(OWN "secret = \"file:secret\"\n"
		 "parameters = \"app=literal=x\" handshake = \"open\" }\n");
	expect_fine();
	assert_string_equal(endpoint("a")->parameters[0].value, "literal=x");
	assert_true(endpoint("a")->handshake_open);
}

static void
wrong_parameters_make_an_endpoint_unusable(void **state)
{
	static const struct {
		const char *text, *piece;
	} rows[] = {
		{ "", "provider \"own\" cannot check a signature without the parameter app (in its "
		      "option signs): write parameters = {\"app=VALUE\"}" },
		{ "parameters = {\"token=x\"}", "without the parameter app" },
		{ "parameters = {\"app=x\", \"ap=y\"}",
			"has no parameter \"ap\": it knows app, token" },
		{ "parameters = {\"app=x\", \"app=y\"}", "app is given twice" },
		{ "parameters = {\"app\"}", "write \"NAME=VALUE\"" },
		{ "parameters = {\"=x\"}", "write \"NAME=VALUE\"" },
		{ "parameters = {\"app=\"}", "app (literal) is empty" },
		{ "parameters = {\"app= \"}", "app (literal) is empty" },
		{ "parameters = {\"app=file:nosuch\"}", "the parameter app cannot be used: " },
		{ "parameters = {\"app=file:readable\"}", "others can read" },
		{ "parameters = {\"app=file:zero\"}", "holds a zero byte" },
		{ "parameters = {\"app=file:big\"}", "longer than 4 KiB" },
		{ "parameters = {\"app=env:HTTP_X_APP\"}",
			"the parameter app cannot be used: the variable HTTP_X_APP is set for each "
			"request" },
		{ "parameters = {\"app=env:HOOKCGI_NOT_SET\"}", "is not set" },
		{ "handshake = \"closed\" parameters = {\"app=x\"}",
			"write \"signed\" or \"open\"" },
	};
	char big[4098], text[2048];

	(void)state;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	write_file("big", 0600, big);
	write_bytes("zero", 0600, "a\0b", 3);
	write_file("readable", 0644, "app");
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof text, OWN "secret = \"file:secret\" %s }\n", rows[i].text);
		load(text);
		expect_fault(CONFIG_FAULT, rows[i].text[0] == '\0' ? 5 : 6, rows[i].piece);
		assert_non_null(endpoint("a")->unusable);
	}
	/* As a secret: not where others can read it. */
	write_file(
		"hookcgi.conf", 0644, OWN "secret = \"file:secret\"\nparameters = {\"app=x\"} }\n");
	reload(NULL);
	expect_fault(
		CONFIG_FAULT, 7, "the parameter app stands in this file and others can read it");
}

static void
key_blocks_hold_secrets_of_one_key(void **state)
{
	(void)state;
	write_file("second", 0600, "second\n");
	load(OWN "parameters = {\"app=x\"}\n"
		 "key \"key 1\" { secret = {\"file:secret\", \"literal\"} }\n"
		 "key \"k2\" { secret = \"file:second\" }\n"
		 "secret = \"any\" }\n");
	expect_fine();
	const struct config_endpoint *a = endpoint("a");
	assert_int_equal(a->secret_count, 4);
	assert_string_equal(a->secrets[0].text, "any");
	assert_null(a->secrets[0].key_id);
	assert_string_equal(a->secrets[1].text, "s3cret");
	assert_string_equal(a->secrets[1].key_id, "key 1");
	assert_string_equal(a->secrets[2].text, "literal");
	assert_string_equal(a->secrets[2].key_id, "key 1");
	assert_string_equal(a->secrets[3].text, "second");
	assert_string_equal(a->secrets[3].key_id, "k2");

	load(OWN "parameters = {\"app=x\"}\nkey \"k\" { }\n"
		 "key \"\" { secret = \"x\" }\n"
		 "key \"l\" { secret = \"learned:there\" }\n"
		 "key \"m\" { secret = {a,b,c,d,e,f,g,h} }\n"
		 "secret = {i,j,k,l,m,n,o,p} }\n");
	expect_fault(CONFIG_FAULT, 7, "key \"k\" has no secret");
	expect_fault(CONFIG_FAULT, 8, "key \"\" names no key");
	expect_fault(CONFIG_FAULT, 11, "18 secrets are too many: keep at most 16");
	load(OWN "parameters = {\"app=x\"}\nkey \"l\" { secret = \"learned:there\" } }\n");
	expect_fault(CONFIG_FAULT, 7, "a secret that is learned belongs to no key");
	load("endpoint \"a\" { provider = \"github\" run = {}\n"
	     "key \"k\" { secret = \"file:secret\" } }\n");
	expect_fault(CONFIG_FAULT, 2, "provider \"github\" does not say which key it signed with");
}

#define LEARNING OWN "parameters = {\"app=x\"}\n"

static void
a_secret_that_is_to_be_learned_may_be_absent(void **state)
{
	(void)state;
	load(LEARNING "secret = \"learned:keys\" }\n");
	expect_fine();
	assert_null(endpoint("a")->unusable);
	assert_int_equal(endpoint("a")->secret_count, 0);
	assert_string_equal(endpoint("a")->learned, path_of("keys"));
	assert_true(config_awaits_secret(endpoint("a")));
	assert_false(config_changed(config));
	write_file("keys", 0600, "brought");
	assert_true(config_changed(config));
	reload(NULL);
	expect_fine();
	assert_false(config_awaits_secret(endpoint("a")));
	assert_int_equal(endpoint("a")->secret_count, 1);
	assert_string_equal(endpoint("a")->secrets[0].text, "brought");
	assert_false(config_changed(config));
	/* Beside others there is something to check with. */
	assert_int_equal(unlink(path_of("keys")), 0);
	load(LEARNING "secret = {\"learned:keys\", \"file:secret\"} }\n");
	expect_fine();
	assert_false(config_awaits_secret(endpoint("a")));
	assert_int_equal(endpoint("a")->secret_count, 1);
}

static void
a_secret_that_cannot_be_learned_safely_makes_an_endpoint_unusable(void **state)
{
	static const struct {
		const char *text, *piece;
	} rows[] = {
		{ "secret = \"learned:\"", "names no file" },
		{ "secret = \"learned:no/such/folder\"", "the secret cannot be learned: " },
		{ "secret = {\"learned:one\", \"learned:two\"}",
			"a second secret cannot be learned" },
		{ "secret = \"learned:readable\"", "others can read" },
		{ "secret = \"learned:empty\"", "is empty" },
		{ "secret = \"learned:dangling\"", "does not exist" },
		{ "secret = \"learned:.\"", "is a folder" },
	};
	char text[2048];

	(void)state;
	write_file("readable", 0644, "x");
	write_file("empty", 0600, "");
	assert_int_equal(symlink("nowhere", path_of("dangling")), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof text, LEARNING "%s }\n", rows[i].text);
		load(text);
		expect_fault(CONFIG_FAULT, 7, rows[i].piece);
		assert_non_null(endpoint("a")->unusable);
		assert_false(config_awaits_secret(endpoint("a")));
	}
	load("endpoint \"a\" { provider = \"github\" run = {}\nsecret = \"learned:x\" }\n");
	expect_fault(CONFIG_FAULT, 2,
		"provider \"github\" has neither a handshake nor an API that brings a secret");
}

static void
an_endpoint_without_provider_or_secret_is_unusable(void **state)
{
	(void)state;
	load("endpoint \"a\" { }\n"
	     "endpoint \"b\" { provider = \"github\" }\n"
	     "endpoint \"c\" { provider = \"github\" secret = {} }\n"
	     "endpoint \"d\" { provider = \"unsigned\" run = {} }\n");
	assert_true(usable);
	expect_fault(CONFIG_FAULT, 1, "has no provider");
	expect_fault(CONFIG_FAULT, 2, "\"b\" has no secret");
	expect_fault(CONFIG_FAULT, 3, "\"c\" has no secret");
	assert_non_null(endpoint("a")->unusable);
	assert_non_null(endpoint("b")->unusable);
	assert_non_null(endpoint("c")->unusable);
	assert_null(endpoint("d")->unusable);
}

static void
a_secret_for_an_unsigned_endpoint_is_worth_a_word(void **state)
{
	(void)state;
	load("endpoint \"d\" { provider = \"unsigned\" run = {}\n secret = \"file:secret\" }\n");
	assert_null(endpoint("d")->unusable);
	expect_fault(CONFIG_WARNING, 2, "the secret is not used");
}

static void
every_fault_is_reported_in_order(void **state)
{
	(void)state;
	load("threads = 0 # one\n"             /* 1 */
	     "unknwn = 1 /* two */\n"          /* 2 */
	     "endpoint \"b\" {\n"              /* 3: no run */
	     "  provider = \"github\"\n"       /* 4 */
	     "  other { x = { \"}\" } }\n"     /* 5 */
	     "  secret = \"file:nosuch\"\n"    /* 6 */
	     "  env = {\"A=1\",\n"             /* 7 */
	     "    \"b=2\", // c\n"             /* 8 */
	     "    # d\n"                       /* 9 */
	     "    \"PATH=3\"}\n"               /* 10 */
	     "  timeout = never\n"             /* 11 */
	     "}\n"                             /* 12 */
	     "provider \"own\" {\n"            /* 13 */
	     "  header = \"X-A\"\n"            /* 14 */
	     "  algorithm = \"hmac-sha257\"\n" /* 15 */
	     "  signs = \"{bdy}\"\n"           /* 16 */
	     "  foo = \"x\" }\n");             /* 17 */
	assert_false(usable);
	static const struct {
		enum config_severity severity;
		unsigned line;
		const char *piece;
	} rows[] = { { CONFIG_FAULT, 1, "threads" }, { CONFIG_FAULT, 2, "\"unknwn\"" },
		{ CONFIG_WARNING, 3, "nothing is run" }, { CONFIG_FAULT, 5, "\"other\"" },
		{ CONFIG_FAULT, 6, "nosuch" }, { CONFIG_FAULT, 8, "\"b\"" },
		{ CONFIG_FAULT, 10, "PATH" }, { CONFIG_FAULT, 11, "timeout" },
		{ CONFIG_FAULT, 15, "provider \"own\": algorithm: " },
		{ CONFIG_FAULT, 16, "provider \"own\": signs: " },
		{ CONFIG_FAULT, 17, "\"foo\"" } };
	for (size_t i = 0; i < COUNT(rows); i++)
		expect_fault(rows[i].severity, rows[i].line, rows[i].piece);
	for (size_t i = 1; i < config->fault_count; i++)
		assert_true(config->faults[i - 1].line <= config->faults[i].line);
}

static void
a_handler_that_is_not_there_yet_is_a_warning(void **state)
{
	(void)state;
	static const struct {
		const char *run, *piece;
	} rows[] = { { "./nosuch", "does not exist" }, { "./secret", "is not executable" },
		{ "./", "is a folder" }, { "./nosuch/x", "does not exist" } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[256];
		snprintf(text, sizeof text,
			"endpoint \"a\" {\nprovider = \"unsigned\"\nrun = {\"%s\"} }\n",
			rows[i].run);
		load(text);
		expect_fault(CONFIG_WARNING, 3, rows[i].piece);
		assert_int_equal(config->fault_count, 1);
		assert_null(endpoint("a")->unusable);
		assert_int_equal(endpoint("a")->run.argc, 1);
		assert_non_null(strstr(endpoint("a")->run.cannot_run, rows[i].piece));
	}
}

static void
a_handler_that_the_system_cannot_start_is_a_warning(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *piece; /* NULL: fine */
	} rows[] = {
		{ "#!/bin/sh\n", NULL },
		{ "#!/bin/sh", NULL },
		{ "#! \t/bin/sh -e\n\r\n", NULL },
		{ "\177ELF\2\1\1", NULL },
		{ "echo hello\n", "has no \"#!\"" },
		{ "\177ELV", "has no \"#!\"" },
		{ "#", "has no \"#!\"" },
		{ "", "is empty" },
		{ "#!/bin/sh\r\necho\r\n", "ends its lines with CR LF" },
		{ "#!/bin/sh -e\r\n", "ends its lines with CR LF" },
		{ "\xef\xbb\xbf#!/bin/sh\n", "begins with a byte order mark" },
		{ "#!/nowhere/python3 -u\n", "/nowhere/python3, which does not exist" },
		{ "#!/etc/passwd\n", "/etc/passwd, which is not executable" },
		{ "#!sh\n", "names no interpreter" },
		{ "#!\n", "names no interpreter" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		write_file("run.sh", 0755, rows[i].bytes);
		load("endpoint \"a\" { provider = \"unsigned\" run = {}\n"
		     "on \"x\" {\n run = {\"./run.sh\"} } }\n");
		assert_null(endpoint("a")->unusable);
		const char *reason = endpoint("a")->rules[0].cannot_run;
		if (rows[i].piece == NULL) {
			expect_fine();
			assert_null(reason);
			continue;
		}
		expect_fault(CONFIG_WARNING, 3, rows[i].piece);
		assert_int_equal(config->fault_count, 1);
		assert_non_null(strstr(reason, rows[i].piece));
	}
	/* The longest first line that the kernel reads, and longer. */
	char text[400];
	memset(text, 'x', sizeof text);
	memcpy(text, "#!/", 3);
	write_bytes("run.sh", 0755, text, sizeof text);
	reload(NULL);
	expect_fault(CONFIG_WARNING, 3, "which does not exist");
}

static void
a_log_that_cannot_be_written_is_a_warning_and_not_created(void **state)
{
	(void)state;
	assert_int_equal(symlink("secret", path_of("link")), 0);
	static const struct {
		const char *log, *piece;
	} rows[] = {
		{ "nosuch/x.log", "nosuch does not exist" },
		{ "nosuch/deeper/x.log", "nosuch/deeper does not exist" },
		{ "secret/x.log", "secret is not a folder" },
		{ "link", "is a symbolic link" },
		{ ".", "is a folder" },
		{ "x.log", NULL },
		{ "secret", NULL },
		{ "/dev/null", NULL },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[256];
		snprintf(text, sizeof text, "\nlog = \"file:%s\"\n", rows[i].log);
		load(text);
		assert_true(usable);
		if (rows[i].piece == NULL) {
			expect_fine();
			continue;
		}
		expect_fault(CONFIG_WARNING, 2, rows[i].piece);
		assert_int_equal(config->fault_count, 1);
	}
	assert_int_equal(access(path_of("x.log"), F_OK), -1);
}

/* A process that writes elsewhere meanwhile takes the log up when it can. */
static void
a_log_that_can_be_written_at_last_is_seen(void **state)
{
	(void)state;
	load("log = \"file:nosuch/x.log\"\n");
	assert_false(config_changed(config));
	assert_int_equal(mkdir(path_of("nosuch"), 0755), 0);
	assert_true(config_changed(config));
}

/* Root can do everything, so as somebody else; the real user comes back. */
static void
become(uid_t user)
{
	if (getuid() == 0)
		assert_int_equal(seteuid(user), 0);
}

static void
what_bars_this_user_is_named(void **state)
{
	(void)state;
	char text[1024];
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(mkdir(path_of("shut"), 0755), 0);
	assert_int_equal(mkdir(path_of("shut/below"), 0755), 0);
	assert_int_equal(mkdir(path_of("fixed"), 0555), 0);
	write_file("shut/below/secret", 0600, "x");
	write_file("shut/below/run.sh", 0755, "#!/bin/sh\n");
	write_file("closed.log", 0, "");
	write_file("closed", 0, "x");
	assert_int_equal(chmod(path_of("shut"), 0), 0);
	write_file("hookcgi.conf", 0644,
		"log = \"file:fixed/x.log\"\n"
		"endpoint \"a\" { provider = \"github\"\n"
		" secret = {\"file:shut/below/secret\",\n"
		" \"file:closed\"}\n"
		" run = {\"./shut/below/run.sh\"} }\n");
	become(NOBODY);
	reload(NULL);
	become(0);
	snprintf(text, sizeof text, "the folder %s/shut (mode 0000, owner id %lu) is closed to it",
		folder, (unsigned long)getuid());
	expect_fault(CONFIG_FAULT, 3, text);
	expect_fault(CONFIG_WARNING, 5, text);
	snprintf(text, sizeof text, "%s/closed (mode 0000, owner id %lu) cannot be read", folder,
		(unsigned long)getuid());
	expect_fault(CONFIG_FAULT, 4, text);
	expect_fault(CONFIG_WARNING, 1, "cannot create files in the folder");

	write_file("hookcgi.conf", 0644, "log = \"file:closed.log\"\n");
	become(NOBODY);
	reload(NULL);
	become(0);
	expect_fault(CONFIG_WARNING, 1, "cannot write");
	write_file("hookcgi.conf", 0644, "log = \"file:shut/x.log\"\n");
	become(NOBODY);
	reload(NULL);
	become(0);
	expect_fault(CONFIG_WARNING, 1, "is closed to it");
	assert_int_equal(chmod(path_of("shut"), 0700), 0);
}

static void
a_variable_of_the_request_is_known_by_its_name(void **state)
{
	(void)state;
	static const char *const names[] = { "HTTP_X_S", "HTTP_", "CONTENT_TYPE", "CONTENT_LENGTH",
		"QUERY_STRING", "PATH_INFO", "PATH_TRANSLATED", "REQUEST_METHOD", "REQUEST_URI",
		"REMOTE_ADDR", "REMOTE_USER", "SERVER_NAME", "SCRIPT_NAME", "SCRIPT_URL",
		"AUTH_TYPE", "GATEWAY_INTERFACE", "DOCUMENT_URI", "REDIRECT_QUERY_STRING", "HTTPS",
		"SSL_CLIENT_S_DN", "CONTEXT_PREFIX", "UNIQUE_ID" };
	static const char *const others[] = { "", "PATH", "HOME", "HTTP", "XHTTP_X",
		"ORDERS_SECRET", "HTTPS_SECRET", "PATH_INFOS", "MY_QUERY_STRING", "http_proxy",
		"SSL" };
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!safety_is_request_variable(slice_of(names[i])))
			fail_msg("%s", names[i]);
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		if (safety_is_request_variable(slice_of(others[i])))
			fail_msg("%s", others[i]);
	}
}

static void
a_directory_that_is_not_there_yet_is_a_warning(void **state)
{
	(void)state;
	load("endpoint \"a\" { provider = \"unsigned\" run = {}\n directory = \"nosuch\"\n"
	     "on \"x\" { run = {\"./run.sh\"} } }\n");
	expect_fault(CONFIG_WARNING, 2, "nosuch is not there");
	assert_null(endpoint("a")->unusable);
	assert_null(endpoint("a")->run.cannot_run);
	assert_non_null(strstr(endpoint("a")->rules[0].cannot_run, "nosuch is not there"));
	load("endpoint \"a\" { provider = \"unsigned\" run = {\"./run.sh\"} directory = \"nosuch\" "
	     "}");
	assert_non_null(strstr(endpoint("a")->run.cannot_run, "nosuch is not there"));
}

static void
a_missing_run_is_a_warning_unless_it_is_said(void **state)
{
	(void)state;
	load("endpoint \"a\" { provider = \"unsigned\" }\n"
	     "endpoint \"b\" { provider = \"unsigned\" run = {}\n on \"x\" {} }\n");
	assert_true(usable);
	assert_int_equal(config->fault_count, 2);
	expect_fault(CONFIG_WARNING, 1, "nothing is run for the events of endpoint \"a\"");
	expect_fault(CONFIG_WARNING, 1, "answered 200 \"ignored\"");
	expect_fault(CONFIG_WARNING, 3, "nothing is run for these events");
	assert_null(endpoint("a")->unusable);
}

/* Who may have written or read the file. */
static const struct permission {
	mode_t folder, file;
	bool foreign;                          /* owned by nobody (as root only) */
	const char *text_piece, *secret_piece; /* NULL: allowed as configuration, as secret */
} permissions[] = {
	{ 0700, 0600, false, NULL, NULL },
	{ 0755, 0400, false, NULL, NULL },
	{ 0750, 0640, false, NULL, NULL },
	{ 0755, 0644, false, NULL, "others can read" },
	{ 0755, 0604, false, NULL, "others can read" },
	{ 0755, 0620, false, "others can write", "others can write" },
	{ 0755, 0602, false, "others can write", "others can write" },
	{ 0755, 0666, false, "others can write", "others can write" },
	{ 0770, 0600, false, "others can write the folder", "others can write the folder" },
	{ 0707, 0600, false, "others can write the folder", "others can write the folder" },
	{ 01777, 0600, false, NULL, NULL },
	{ 0755, 0600, true, "is owned by user id 65534", "is owned by user id 65534" },
	{ 01777, 0600, true, "is owned by user id 65534", "is owned by user id 65534" },
};

static void
expect_safety(enum safety_kind kind, const char *name, const char *piece)
{
	struct safety_refusal refusal;
	struct stat status;
	safety_refusal_init(&refusal);
	int fd = safety_open(path_of(name), kind, &status, &refusal);
	if ((fd == -1) != (piece != NULL) ||
		(piece != NULL && strstr(buf_text(&refusal.reason), piece) == NULL)) {
		print_error("%s: %s, not %s\n", name, buf_text(&refusal.reason), piece);
		fail();
	}
	assert_true((refusal.culprit == NULL) == (fd != -1));
	if (fd != -1)
		close(fd);
	safety_refusal_free(&refusal);
}

static void
a_file_that_others_can_change_or_read_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(permissions); i++) {
		const struct permission *row = &permissions[i];
		if (row->foreign && geteuid() != 0)
			continue;
		assert_int_equal(mkdir(path_of("d"), 0700), 0);
		assert_int_equal(mkdir(path_of("d/below"), 0700), 0);
		write_file("d/file", row->file, "x");
		write_file("d/below/file", row->file, "x");
		if (row->foreign) {
			assert_int_equal(chown(path_of("d/file"), NOBODY, NOBODY), 0);
			assert_int_equal(chown(path_of("d/below/file"), NOBODY, NOBODY), 0);
		}
		assert_int_equal(chmod(path_of("d"), row->folder), 0);
		char target[PATH_MAX];
		snprintf(target, sizeof target, "%s/d/file", folder);
		assert_int_equal(symlink(target, path_of("link")), 0);
		static const char *const names[] = { "d/file", "d/below/file", "link" };
		for (size_t j = 0; j < COUNT(names); j++) {
			expect_safety(SAFETY_TEXT, names[j], row->text_piece);
			expect_safety(SAFETY_SECRET, names[j], row->secret_piece);
		}
		assert_int_equal(unlink(path_of("link")), 0);
		assert_int_equal(unlink(path_of("d/file")), 0);
		assert_int_equal(unlink(path_of("d/below/file")), 0);
		assert_int_equal(rmdir(path_of("d/below")), 0);
		assert_int_equal(rmdir(path_of("d")), 0);
	}
}

static void
a_folder_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(path_of("d"), 0755), 0);
	write_file("d/file", 0600, "x");
	assert_int_equal(chown(path_of("d"), NOBODY, NOBODY), 0);
	expect_safety(SAFETY_TEXT, "d/file", "is owned by user id 65534");
}

/* Whoever can replace a symbolic link chooses the file. */
static void
a_link_in_an_open_folder_is_refused(void **state)
{
	(void)state;
	char target[PATH_MAX];
	snprintf(target, sizeof target, "%s/secret", folder);
	assert_int_equal(mkdir(path_of("d"), 0700), 0);
	assert_int_equal(symlink(target, path_of("d/link")), 0);
	expect_safety(SAFETY_SECRET, "d/link", NULL);
	assert_int_equal(chmod(path_of("d"), 0777), 0);
	expect_safety(SAFETY_SECRET, "d/link", "others can write the folder");
}

static void
what_is_no_regular_file_is_refused_at_once(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	assert_int_equal(symlink("/dev/null", path_of("null")), 0);
	assert_int_equal(symlink("loop", path_of("loop")), 0);
	assert_int_equal(symlink("nowhere", path_of("dangling")), 0);
	expect_safety(SAFETY_SECRET, "fifo", "is a FIFO");
	expect_safety(SAFETY_SECRET, "null", "not a regular file");
	expect_safety(SAFETY_SECRET, ".", "is a folder");
	expect_safety(SAFETY_SECRET, "loop", "cannot be read");
	expect_safety(SAFETY_SECRET, "dangling", "does not exist");
	expect_safety(SAFETY_SECRET, "secret/x", "cannot be read");
}

static void
an_unsafe_configuration_is_not_read(void **state)
{
	(void)state;
	static const mode_t modes[] = { 0666, 0660, 0646 };
	for (size_t i = 0; i < COUNT(modes); i++) {
		write_file("hookcgi.conf", modes[i],
			"endpoint \"a\" { provider = \"unsigned\" run = {} }\n");
		reload(NULL);
		assert_false(usable);
		assert_int_equal(config->endpoint_count, 0);
		expect_fault(CONFIG_FAULT, 0, "others can write");
	}
	write_file("hookcgi.conf", 0644, "endpoint \"a\" { provider = \"unsigned\" run = {} }\n");
	reload(NULL);
	assert_true(usable);
	assert_int_equal(chmod(folder, 0777), 0);
	reload(NULL);
	assert_false(usable);
	expect_fault(CONFIG_FAULT, 0, "others can write the folder");
	/* Its repair is noticed. */
	assert_false(config_changed(config));
	assert_int_equal(chmod(folder, 0700), 0);
	assert_true(config_changed(config));
}

static void
a_configuration_that_is_missing_is_watched(void **state)
{
	(void)state;
	reload(NULL);
	assert_false(usable);
	expect_fault(CONFIG_FAULT, 0, "does not exist");
	assert_false(config_changed(config));
	write_file("hookcgi.conf", 0640, "");
	assert_true(config_changed(config));
}

static void
a_literal_secret_needs_a_private_file(void **state)
{
	(void)state;
	const char *text = "endpoint \"a\" { provider = \"github\" run = {}\n secret = \"abc\" }\n";
	write_file("hookcgi.conf", 0644, text);
	reload(NULL);
	assert_true(usable);
	assert_non_null(endpoint("a")->unusable);
	assert_int_equal(endpoint("a")->secret_count, 0);
	expect_fault(CONFIG_FAULT, 2, "others can read it (mode 0644): chmod 640");
	assert_null(strstr(endpoint("a")->unusable, "abc"));
	assert_false(config_changed(config));
	assert_int_equal(chmod(path_of("hookcgi.conf"), 0640), 0);
	assert_true(config_changed(config));
	reload(NULL);
	assert_null(endpoint("a")->unusable);
}

static void
a_zero_byte_or_too_long_a_file_is_not_usable(void **state)
{
	(void)state;
	write_bytes("hookcgi.conf", 0640, "store = none\n\0store = none\n", 26);
	reload(NULL);
	assert_false(usable);
	expect_fault(CONFIG_FAULT, 0, "zero byte");
	char *text = xmalloc((1 << 20) + 1);
	memset(text, '\n', (1 << 20) + 1);
	write_bytes("hookcgi.conf", 0640, text, 1 << 20);
	reload(NULL);
	assert_true(usable);
	write_bytes("hookcgi.conf", 0640, text, (1 << 20) + 1);
	reload(NULL);
	assert_false(usable);
	expect_fault(CONFIG_FAULT, 0, "longer than 1 MiB");
	free(text);
}

static void
move(const char *from, const char *to)
{
	char source[PATH_MAX];
	snprintf(source, sizeof source, "%s", path_of(from));
	assert_int_equal(rename(source, path_of(to)), 0);
}

static void
a_change_of_what_was_read_is_seen(void **state)
{
	(void)state;
	const char *text = "endpoint \"a\" { provider = \"github\" run = {}\n"
			   "secret = {\"file:secret\", \"file:later\"} }\n";
	load(text);
	assert_false(config_changed(config));
	write_file("later", 0600, "now\n"); /* was missing */
	assert_true(config_changed(config));
	reload(NULL);
	assert_false(config_changed(config));
	assert_int_equal(endpoint("a")->secret_count, 2);
	write_file("new", 0600, "n3w\n"); /* another file of the same name */
	move("new", "later");
	assert_true(config_changed(config));
	reload(NULL);
	assert_string_equal(endpoint("a")->secrets[1].text, "n3w");
	write_file("later", 0600, "longer\n"); /* in place */
	assert_true(config_changed(config));
	reload(NULL);
	write_file("new", 0640, text); /* the same text in a new file */
	move("new", "hookcgi.conf");
	assert_true(config_changed(config));
	reload(NULL);
	assert_int_equal(unlink(path_of("secret")), 0);
	assert_true(config_changed(config));
	reload(NULL);
	assert_false(config_changed(config));
}

static void
a_handler_that_was_made_safe_is_seen(void **state)
{
	(void)state;
	assert_int_equal(chmod(path_of("run.sh"), 0777), 0);
	load("endpoint \"a\" { provider = \"unsigned\" run = {\"./run.sh\"} }\n");
	assert_non_null(endpoint("a")->unusable);
	assert_false(config_changed(config));
	assert_int_equal(chmod(path_of("run.sh"), 0755), 0);
	assert_true(config_changed(config));
}

static void
only_the_endpoint_of_a_request_is_compiled(void **state)
{
	(void)state;
	load("endpoint \"a\" { provider = \"github\" secret = \"file:secret\" run = {} }\n"
	     "endpoint \"b\" { provider = \"nosuch\" secret = \"file:nosuch\" }\n"
	     "provider \"own\" { algorithm = \"nosuch\" }\n");
	assert_int_equal(config->endpoint_count, 2);
	assert_true(config->fault_count > 0);
	reload("a");
	expect_fine();
	assert_int_equal(config->endpoint_count, 1);
	assert_int_equal(config->watch_count, 2);
	assert_null(config_find(config, slice_of("b")));
	reload("nosuch");
	expect_fine();
	assert_int_equal(config->endpoint_count, 0);
	/* What makes the file unusable does so for every request. */
	load("endpoint \"a\" { provider = \"unsigned\" run = {} }\nendpoint \"b\" { nosuch = 1 "
	     "}\n");
	reload("a");
	assert_false(usable);
}

static void
a_relative_configuration_is_found_from_elsewhere(void **state)
{
	(void)state;
	char here[PATH_MAX];
	assert_non_null(getcwd(here, sizeof here));
	write_file("hookcgi.conf", 0640,
		"endpoint \"a\" { provider = \"github\" secret = \"file:secret\" run = {./run.sh} "
		"}\n");
	assert_int_equal(chdir(folder), 0);
	config = config_load("hookcgi.conf", NULL, &usable);
	assert_int_equal(chdir(here), 0);
	expect_fine();
	assert_string_equal(config->path, path_of("hookcgi.conf"));
	assert_false(config_changed(config));
}

static void
a_folder_with_braces_is_no_template(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path_of("{body}"), 0700), 0);
	write_file("{body}/run.sh", 0755, "#!/bin/sh\n");
	write_file("{body}/hookcgi.conf", 0640,
		"endpoint \"a\" { provider = \"unsigned\" run = {\"./run.sh\"} }\n");
	config = config_load(path_of("{body}/hookcgi.conf"), NULL, &usable);
	expect_fine();
	const struct template *program = endpoint("a")->run.argv[0];
	assert_int_equal(template_refers(program, TEMPLATE_BODY), false);
}

static void
variables_are_expanded_in_double_quotes_only(void **state)
{
	(void)state;
	assert_int_equal(setenv("HOOKCGI_TEST_DIR", folder, 1), 0);
	load("endpoint \"a\" { provider = \"github\" run = {}\n"
	     "secret = {\"file:${HOOKCGI_TEST_DIR}/secret\", '${HOOKCGI_TEST_DIR}', 'a\\'b', "
	     "\"a\\\"b # c\"} }\n");
	expect_fine();
	const struct config_endpoint *e = endpoint("a");
	assert_string_equal(e->secrets[0].text, "s3cret");
	assert_string_equal(e->secrets[1].text, "${HOOKCGI_TEST_DIR}");
	assert_string_equal(e->secrets[2].text, "a'b");
	assert_string_equal(e->secrets[3].text, "a\"b # c");
}

static void
a_queue_needs_a_store(void **state)
{
	(void)state;
	load("store = none\nendpoint \"a\" { provider = unsigned run = {}\nmode = queue }\n"
	     "endpoint \"b\" { provider = unsigned run = {} }\n");
	expect_fault(CONFIG_FAULT, 3, "mode = \"queue\" needs a store");
	assert_non_null(endpoint("a")->unusable);
	assert_int_equal(endpoint("b")->mode, CONFIG_MODE_WAIT);

	load("store = \"sqlite:/srv/x.db\" worker = off runners = 2 keep = 90d keep_body = 0\n"
	     "endpoint \"a\" { provider = unsigned run = {} rate = \"100/m\" queue_limit = 7 }\n"
	     "endpoint \"b\" { provider = unsigned run = {} mode = wait rate = none }\n");
	expect_fine();
	assert_string_equal(config->store, "/srv/x.db");
	assert_false(config->worker_auto);
	assert_int_equal(config->runners, 2);
	assert_int_equal(config->keep_ms, INT64_C(90) * 86400000);
	assert_int_equal(config->keep_body_ms, 0);
	assert_int_equal(endpoint("a")->mode, CONFIG_MODE_QUEUE);
	assert_int_equal(endpoint("a")->rate, 100);
	assert_int_equal(endpoint("a")->rate_ms, 60000);
	assert_int_equal(endpoint("a")->queue_limit, 7);
	assert_int_equal(endpoint("b")->mode, CONFIG_MODE_WAIT);
	assert_int_equal(endpoint("b")->rate, 0);
}

static void
the_last_of_an_option_counts_and_append_adds(void **state)
{
	(void)state;
	load("endpoint \"a\" { provider = \"unsigned\" run = {}\n"
	     "mode = queue\nmode = later\n"
	     "env = {\"A=1\"}\nenv += {\"B=2\",\n\"c=3\"} }\n");
	expect_fault(CONFIG_WARNING, 3, "\"mode\" is given twice");
	expect_fault(CONFIG_FAULT, 3, "mode = \"later\"");
	expect_fault(CONFIG_FAULT, 6, "\"c\" cannot be a name");
	assert_int_equal(config->fault_count, 3);
	assert_int_equal(endpoint("a")->env_count, 2);
}

static void
own_providers_come_before_built_in_ones(void **state)
{
	(void)state;
	load("provider \"github\" { header = \"X-Mine\" algorithm = \"hmac-sha256\" encoding = "
	     "\"hex\"\n"
	     "  signs = \"{body}\" variant \"old\" { algorithm = \"hmac-sha1\" } }\n"
	     "endpoint \"a\" { provider = \"github\" secret = \"file:secret\" run = {} }\n");
	expect_fine();
	const struct provider *provider = endpoint("a")->provider;
	assert_int_equal(provider->scheme_count, 2);
	assert_string_equal(provider->schemes[1].label, "old");
	assert_string_equal(provider->schemes[0].carriers[0]->parts[0].header, "X-Mine");
}

static void
a_fault_of_a_provider_is_said_once_and_disables_who_names_it(void **state)
{
	(void)state;
	load("provider \"own\" { header = \"X-A\" algorithm = \"hmac-sha256\" encoding = \"hex\"\n"
	     "  signs = \"{body}\"\n"
	     "  variant \"two\" {\n"
	     "    encoding = \"hax\" }\n"
	     "  handshake \"three\" {\n"
	     "    method = \"BREW\" } }\n"
	     "endpoint \"a\" { provider = \"own\" secret = \"file:secret\" run = {} }\n"
	     "endpoint \"b\" { provider = \"own\" secret = \"file:secret\" run = {} }\n"
	     "endpoint \"c\" { provider = \"unsigned\" run = {} }\n");
	assert_true(usable);
	assert_int_equal(config->fault_count, 2);
	expect_fault(CONFIG_FAULT, 4, "provider \"own\", variant \"two\": encoding: ");
	expect_fault(CONFIG_FAULT, 6, "provider \"own\", handshake \"three\": method: ");
	assert_non_null(strstr(endpoint("a")->unusable, "hookcgi.conf:4: "));
	assert_non_null(strstr(endpoint("b")->unusable, "hookcgi.conf:4: "));
	assert_null(endpoint("a")->provider);
	assert_null(endpoint("c")->unusable);
}

static void
every_built_in_provider_compiles(void **state)
{
	(void)state;
	const char *name;
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		char reason[256] = "";
		struct provider *provider = config_builtin_provider(name, reason);
		if (provider == NULL) {
			print_error("%s: %s\n", name, reason);
			fail();
		}
		assert_string_equal(provider->name, name);
		provider_free(provider);
	}
	char reason[256] = "";
	assert_null(config_builtin_provider("nosuch", reason));
	assert_string_not_equal(reason, "");
}

static void
patterns_match_like_a_shell(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *event;
		bool matches;
	} rows[] = {
		{ "*", "", true },
		{ "*", "a.b/c", true },
		{ "a", "a", true },
		{ "a", "A", false },
		{ "a", "ab", false },
		{ "ab", "a", false },
		{ "a*", "a", true },
		{ "*.b", "a.b", true },
		{ "*.b", "a.b.b", true },
		{ "*.b", "a.bc", false },
		{ "a?c", "abc", true },
		{ "a?c", "ac", false },
		{ "?", "", false },
		{ "[abc]", "b", true },
		{ "[abc]", "d", false },
		{ "[a-c]x", "bx", true },
		{ "[!a-c]", "b", false },
		{ "[!a-c]", "d", true },
		{ "[^a]", "a", false },
		{ "[]]", "]", true },
		{ "[]a]", "a", true },
		{ "[a-]", "-", true },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "\\?", "?", true },
		{ "\\?", "a", false },
		{ "\\[a]", "[a]", true },
		{ "*a*b*", "xxaxxbxx", true },
		{ "*a*b*", "xxbxxaxx", false },
		{ "[a", "a", false },
		{ "", "", true },
		{ "", "a", false },
		{ "**", "a", true },
		{ "a*[0-9]", "axx7", true },
		{ "a*[0-9]", "axx7x", false },
		{ "\xc3\xa4*", "\xc3\xa4x", true },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (config_pattern_matches(rows[i].pattern, slice_of(rows[i].event)) !=
			rows[i].matches) {
			print_error("\"%s\" \"%s\"\n", rows[i].pattern, rows[i].event);
			fail();
		}
	}
	struct slice zero = { "a\0b", 3 };
	assert_true(config_pattern_matches("a?b", zero));
	assert_false(config_pattern_matches("a", zero));
}

static void
many_stars_do_not_take_for_ever(void **state)
{
	(void)state;
	char event[4096];
	memset(event, 'a', sizeof event);
	struct slice slice = { event, sizeof event };
	assert_false(config_pattern_matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", slice));
}

static void
the_first_matching_rule_wins(void **state)
{
	(void)state;
	load("endpoint \"a\" { provider = \"unsigned\" events = {\"order.*\"} run = "
	     "{\"./run.sh\"}\n"
	     "on \"order.paid\" { run = {\"./run.sh\", one} }\n"
	     "on \"order.p*\" { run = {\"./run.sh\", two} }\n"
	     "on \"refund\" { run = {\"./run.sh\", three} } }\n");
	expect_fine();
	const struct config_endpoint *e = endpoint("a");
	assert_ptr_equal(config_run_for(e, slice_of("order.paid")), &e->rules[0]);
	assert_ptr_equal(config_run_for(e, slice_of("order.put")), &e->rules[1]);
	assert_ptr_equal(config_run_for(e, slice_of("refund")), &e->rules[2]);
	assert_ptr_equal(config_run_for(e, slice_of("order.new")), &e->run);
	assert_null(config_run_for(e, slice_of("other")));
}

static void
endpoints_are_found_by_their_whole_name(void **state)
{
	(void)state;
	load("endpoint \"ab\" { provider = \"unsigned\" run = {} }\n"
	     "endpoint \"a\" { provider = \"unsigned\" run = {} }\n"
	     "endpoint \"abc\" { provider = \"unsigned\" run = {} }\n");
	expect_fine();
	static const char *const names[] = { "a", "ab", "abc" };
	for (size_t i = 0; i < COUNT(names); i++)
		assert_string_equal(endpoint(names[i])->name, names[i]);
	static const char *const others[] = { "", "b", "abcd", "A", "aa" };
	for (size_t i = 0; i < COUNT(others); i++)
		assert_null(config_find(config, slice_of(others[i])));
	struct slice part = { "abcd", 2 };
	assert_string_equal(config_find(config, part)->name, "ab");
}

static void
the_path_comes_from_whoever_is_asked_first(void **state)
{
	(void)state;
	static const struct {
		const char *given, *process, *requested, *path;
	} rows[] = {
		{ "/g", "/p", "/r", "/g" },
		{ NULL, "/p", "/r", "/p" },
		{ NULL, NULL, "/r", "/r" },
		{ NULL, "", "/r", "/r" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].process != NULL)
			assert_int_equal(setenv("HOOKCGI_CONFIG", rows[i].process, 1), 0);
		else
			assert_int_equal(unsetenv("HOOKCGI_CONFIG"), 0);
		char *path = config_path(rows[i].given, rows[i].requested);
		assert_string_equal(path, rows[i].path);
		free(path);
	}
	assert_int_equal(unsetenv("HOOKCGI_CONFIG"), 0);
	/* HOME is not asked. */
	assert_int_equal(setenv("HOME", folder, 1), 0);
	char *path = config_path(NULL, NULL);
	assert_true(strncmp(path, folder, strlen(folder)) != 0);
	assert_non_null(strstr(path, "/hookcgi/hookcgi.conf"));
	free(path);
}

static void
without_any_configuration_both_places_are_named(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("HOOKCGI_CONFIG"), 0);
	char *path = config_path(NULL, NULL);
	bool there = access(path, F_OK) == 0;
	if (!there)
		config = config_load(path, NULL, &usable);
	free(path);
	if (there)
		skip();
	assert_false(usable);
	assert_int_equal(config->fault_count, 1);
	expect_fault(
		CONFIG_FAULT, 0, "no configuration: neither ~/.config/hookcgi/hookcgi.conf (/");
	expect_fault(CONFIG_FAULT, 0, " nor /etc/hookcgi/hookcgi.conf exists: create one");
	expect_fault(CONFIG_FAULT, 0, "-c or HOOKCGI_CONFIG");
	reload(NULL); /* a named one is another matter */
	expect_fault(CONFIG_FAULT, 0, "hookcgi.conf does not exist: create it");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_that_is_written_is_there),
		TEST(what_is_left_out_has_a_default),
		TEST(url_is_asked_for_where_it_is_signed),
		TEST(provider_says_what_a_duplicate_is_where_the_endpoint_does_not),
		TEST(the_empty_file_is_a_configuration),
		TEST(a_broken_file_is_not_usable_and_says_where),
		TEST(nothing_is_read_behind_a_text_without_an_end),
		TEST(a_wrong_endpoint_is_unusable_alone_and_says_why),
		TEST(a_secret_of_64_kib_is_read_whole),
		TEST(only_one_newline_is_taken_off),
		TEST(parameters_come_from_where_secrets_may),
		TEST(wrong_parameters_make_an_endpoint_unusable),
		TEST(key_blocks_hold_secrets_of_one_key),
		TEST(a_secret_that_is_to_be_learned_may_be_absent),
		TEST(a_secret_that_cannot_be_learned_safely_makes_an_endpoint_unusable),
		TEST(an_endpoint_without_provider_or_secret_is_unusable),
		TEST(a_secret_for_an_unsigned_endpoint_is_worth_a_word),
		TEST(every_fault_is_reported_in_order),
		TEST(a_handler_that_is_not_there_yet_is_a_warning),
		TEST(a_handler_that_the_system_cannot_start_is_a_warning),
		TEST(a_log_that_cannot_be_written_is_a_warning_and_not_created),
		TEST(a_log_that_can_be_written_at_last_is_seen),
		TEST(what_bars_this_user_is_named),
		TEST(a_variable_of_the_request_is_known_by_its_name),
		TEST(a_directory_that_is_not_there_yet_is_a_warning),
		TEST(a_missing_run_is_a_warning_unless_it_is_said),
		TEST(a_file_that_others_can_change_or_read_is_refused),
		TEST(a_folder_of_another_user_is_refused),
		TEST(a_link_in_an_open_folder_is_refused),
		TEST(what_is_no_regular_file_is_refused_at_once),
		TEST(an_unsafe_configuration_is_not_read),
		TEST(a_configuration_that_is_missing_is_watched),
		TEST(a_literal_secret_needs_a_private_file),
		TEST(a_zero_byte_or_too_long_a_file_is_not_usable),
		TEST(a_change_of_what_was_read_is_seen),
		TEST(a_handler_that_was_made_safe_is_seen),
		TEST(only_the_endpoint_of_a_request_is_compiled),
		TEST(a_relative_configuration_is_found_from_elsewhere),
		TEST(a_folder_with_braces_is_no_template),
		TEST(variables_are_expanded_in_double_quotes_only),
		TEST(a_queue_needs_a_store),
		TEST(the_last_of_an_option_counts_and_append_adds),
		TEST(own_providers_come_before_built_in_ones),
		TEST(a_fault_of_a_provider_is_said_once_and_disables_who_names_it),
		TEST(every_built_in_provider_compiles),
		TEST(patterns_match_like_a_shell),
		TEST(many_stars_do_not_take_for_ever),
		TEST(the_first_matching_rule_wins),
		TEST(endpoints_are_found_by_their_whole_name),
		TEST(the_path_comes_from_whoever_is_asked_first),
		TEST(without_any_configuration_both_places_are_named),
	};
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
