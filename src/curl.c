/* curl.c - requests made with curl(1), for commands of the command line */
#include "curl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GRACE_MS 1000

/* In double quotes curl takes these with a backslash, and everything else as it is. */
static char
escape_of(char c)
{
	switch (c) {
	case '\\':
	case '"': return c;
	case '\t': return 't';
	case '\n': return 'n';
	case '\r': return 'r';
	case '\v': return 'v';
	default: return '\0';
	}
}

static bool
append_quoted(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		char escape = escape_of(*text);
		if ((escape != '\0' && !buf_append_char(out, '\\')) ||
			!buf_append_char(out, escape != '\0' ? escape : *text))
			return false;
	}
	return true;
}

bool
curl_set(struct buf *out, const char *name, const char *value, const char *more)
{
	return buf_appendf(out, "%s = \"", name) && append_quoted(out, value) &&
	       append_quoted(out, more) && buf_append_text(out, "\"\n");
}

static const char *
find_curl(void)
{
	static const char *const places[] = { "/usr/bin/curl", "/usr/local/bin/curl", "/bin/curl" };
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

bool
curl_run(struct slice settings, int64_t timeout_ms, struct run_result *result)
{
	static char quiet[] = "-q", silent[] = "-sS", config[] = "--config", standard_input[] = "-";
	static char *no_environment[] = { NULL };
	const char *curl = find_curl();

	run_result_init(result);
	if (curl == NULL) {
		fputs("hookcgi: this needs curl: apt-get install curl\n", stderr);
		return false;
	}
	/* -q first: no ~/.curlrc may change what is sent. */
	char *const argv[] = { (char *)(uintptr_t)curl, quiet, silent, config, standard_input,
		NULL };
	struct run_spec spec = {
		.argv = argv,
		.envp = no_environment,
		.directory = "/",
		.input = settings,
		.input_fd = -1,
		.timeout_ms = timeout_ms,
		.grace_ms = GRACE_MS,
	};
	run_handler(&spec, result);
	if (result->end == RUN_NOT_STARTED)
		fprintf(stderr, "hookcgi: %s\n", result->reason);
	return result->end != RUN_NOT_STARTED;
}
