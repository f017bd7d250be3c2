/* cli_check.c - hookcgi check: what the configuration will do, and everything that is wrong with it */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "endpoint.h"
#include "handshake.h"
#include "signature.h"
#include "store.h"
#include "tally.h"

static void
print_list(const char *label, char *const *items, size_t count)
{
	printf("    %-9s", label);
	for (size_t i = 0; i < count; i++)
		printf(" %s", items[i]);
	putchar('\n');
}

static void
print_run(const char *label, const struct config_run *run)
{
	printf("    %-9s", label);
	if (run->pattern != NULL)
		printf(" %s:", run->pattern);
	for (size_t i = 0; i < run->argc; i++)
		printf(" %s", run->argv[i]->source);
	puts(run->argc == 0 ? " nothing, answered 200 \"ignored\"" : "");
	if (run->cannot_run != NULL)
		printf("    %-9s CANNOT RUN: %s\n", "", run->cannot_run);
}

/* A template as it is written, on one line. */
static void
print_source(const char *before, const struct template *template)
{
	fputs(before, stdout);
	for (const char *c = template->source; *c != '\0'; c++) {
		if (*c == '\n')
			fputs("\\n", stdout);
		else
			putchar(*c);
	}
}

static const char *
encoding_name(enum text_encoding encoding)
{
	switch (encoding) {
	case TEXT_HEX: return "hex";
	case TEXT_HEX_UPPER: return "upper-case hex";
	case TEXT_BASE64: return "base64";
	case TEXT_BASE64URL: return "base64url";
	case TEXT_BASE64_HEX: return "base64 of hex";
	}
	return "?";
}

static void
print_scheme(const struct provider_scheme *scheme, bool first)
{
	printf("    %-9s", first ? "signature" : "or");
	if (scheme->method == PROVIDER_NONE) {
		puts(" none: anybody who knows the URL is believed");
		return;
	}
	if (!first)
		printf(" %s:", scheme->label);
	for (size_t i = 0; i < scheme->carrier_count; i++)
		print_source(i > 0 ? " or " : " ", scheme->carriers[i]);
	if (scheme->jws != NULL)
		printf(" as a token signed with %s", scheme->jws);
	else if (scheme->method != PROVIDER_TOKEN || scheme->token_encoded)
		printf(" in %s", encoding_name(scheme->encoding));
	for (size_t i = 0; i < scheme->signs_count; i++)
		print_source(i > 0 ? " or " : " over ", scheme->signs[i]);
	if (scheme->has_timestamp && scheme->tolerance_ms >= 0)
		printf(", at most %lld s old", (long long)scheme->tolerance_ms / 1000);
	putchar('\n');
}

static void
print_secrets(const struct config_endpoint *endpoint)
{
	printf("    %-9s", "secrets");
	for (size_t i = 0; i < endpoint->secret_count; i++) {
		const struct config_secret *secret = &endpoint->secrets[i];
		printf(" %s", secret->source);
		if (secret->key_id != NULL)
			printf(" (key %s)", secret->key_id);
	}
	if (config_awaits_secret(endpoint))
		printf(" none has been learned yet, every event is answered %d; %s writes %s",
			endpoint->provider->refusal_status,
			endpoint->provider->subscription != NULL ? "hookcgi subscribe"
								 : "a handshake",
			endpoint->learned);
	putchar('\n');
}

static void
print_url(const struct config_endpoint *endpoint)
{
	if (endpoint->url != NULL)
		printf("    %-9s %s\n", "url", endpoint->url);
}

/* Their names; the values may be secrets. */
static void
print_parameters(const struct config_endpoint *endpoint)
{
	if (endpoint->parameter_count == 0)
		return;
	printf("    %-9s", "parameters");
	for (size_t i = 0; i < endpoint->parameter_count; i++)
		printf(" %s", endpoint->parameters[i].name);
	putchar('\n');
}

static void
print_handshake(const struct provider_handshake *handshake, const struct config_endpoint *endpoint)
{
	char reason[HANDSHAKE_REASON_MAX];
	printf("    %-9s %s: ", "handshake", handshake->label);
	if (handshake_is_closed(handshake, endpoint, reason))
		printf("NOT ANSWERED: %s\n", reason);
	else if (handshake->verified)
		printf("a signed %s is answered %d\n", handshake->method, handshake->status);
	else
		printf("a %s is answered %d%s\n", handshake->method, handshake->status,
			handshake->needs_open ? ", whoever sends it (handshake = \"open\")" : "");
}

/* Returns false when the endpoint answers 503. */
static bool
print_endpoint(const struct config *config, const struct config_endpoint *endpoint)
{
	char reason[256] = "";
	struct verifier *verifier = NULL;
	if (endpoint->unusable == NULL && !config_awaits_secret(endpoint))
		verifier = verifier_new(
			endpoint->provider, endpoint->secrets, endpoint->secret_count, reason);
	bool usable = verifier != NULL || config_awaits_secret(endpoint);
	verifier_free(verifier);

	printf("  %s (%s:%u)\n", endpoint->name, config->path, endpoint->line);
	if (!usable) {
		printf("    NOT USABLE, answers 503: %s\n",
			endpoint->unusable != NULL ? endpoint->unusable : reason);
		if (endpoint->unusable == NULL)
			fprintf(stderr, "%s:%u: endpoint %s: %s\n", config->path, endpoint->line,
				endpoint->name, reason);
		return false;
	}
	printf("    %-9s %s\n", "provider", endpoint->provider->name);
	for (size_t i = 0; i < endpoint->provider->scheme_count; i++)
		print_scheme(&endpoint->provider->schemes[i], i == 0);
	print_secrets(endpoint);
	print_parameters(endpoint);
	print_url(endpoint);
	for (size_t i = 0; i < endpoint->provider->handshake_count; i++)
		print_handshake(&endpoint->provider->handshakes[i], endpoint);
	print_list("events", endpoint->events, endpoint->event_count);
	for (size_t i = 0; i < endpoint->rule_count; i++)
		print_run("on", &endpoint->rules[i]);
	print_run("runs", &endpoint->run);
	if (endpoint->mode == CONFIG_MODE_QUEUE)
		printf("    %-9s answers when the event is on disk; runs %u at once, %u retries, "
		       "the "
		       "first after %lld s\n",
			"queue", endpoint->concurrency, endpoint->retries,
			(long long)endpoint->backoff_ms / 1000);
	else
		printf("    %-9s runs while the sender waits, answers with the result\n", "wait");
	printf("    %-9s body up to %zu bytes, handler up to %lld s, then TERM and after %lld s "
	       "KILL\n",
		"limits", endpoint->body_limit, (long long)endpoint->timeout_ms / 1000,
		(long long)endpoint->grace_ms / 1000);
	return true;
}

/* Which of the things that run.c and endpoint.c rely on this host offers. */
static void
print_protections(void)
{
	int subreaper = 0;
	bool reaper = prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0;
	bool proc = access("/proc/self/stat", R_OK) == 0;
	printf("protections\n"
	       "  core dumps off, other processes of this user cannot read the program's memory\n"
	       "  handlers: own process group, three descriptors, an environment built from "
	       "nothing\n"
	       "  a timeout ends %s\n",
		reaper && proc ? "everything the handler started, also what left its session"
			       : "the handler's session only (no readable /proc here)");
	if (geteuid() == 0)
		puts("  running as root: a web server's user will need to read the same files");
}

/* Its folder must take a new file; one that is missing must have one above it that takes a folder. */
static bool
can_be_made(const char *database)
{
	char *folder = xmemdup0(database, (size_t)(strrchr(database, '/') - database));
	char *slash = strrchr(folder, '/');
	if (access(folder, F_OK) != 0 && slash != NULL)
		*slash = '\0';
	bool can = access(folder[0] != '\0' ? folder : "/", W_OK | X_OK) == 0;
	free(folder);
	return can;
}

/* How the database is kept, and the last number in it. false: it cannot be used, and it was said why. */
static bool
print_database(const char *path, int64_t acknowledged, int64_t *last_id_out)
{
	struct store *store = store_new(path);
	store_expect(store, acknowledged);
	bool usable =
		store_ready(store) == STORE_OK && store_last_id(store, last_id_out) == STORE_OK;
	if (usable)
		printf("  %s\n", store_journal(store));
	else
		fprintf(stderr, "%s\n", store_reason(store));
	store_free(store);
	return usable;
}

/* There is none yet: nothing is made to look at it. */
static bool
is_to_be_made(const char *path, int64_t acknowledged)
{
	struct stat status;
	return stat(path, &status) != 0 || (status.st_size == 0 && acknowledged == 0);
}

/* Where events are kept. Returns false when they cannot be. */
static bool
print_store(const struct config *config)
{
	char reason[256];
	int64_t last_id = 0;
	bool usable;
	if (config->store == NULL) {
		puts("store none: handlers run while the sender waits, nothing is kept");
		return true;
	}
	printf("store %s\n", config->store);
	struct tally *tally = tally_find(config->store, reason);
	int64_t acknowledged = tally_acknowledged(tally); /* first, see tally.h */
	if (is_to_be_made(config->store, acknowledged)) {
		usable = can_be_made(config->store);
		puts(usable ? "  made with the first event"
			    : "  NOT USABLE, events are answered 503");
		if (!usable)
			fprintf(stderr,
				"%s: the database cannot be made: create its folder for this "
				"user (mode 0700) or name another in store\n",
				config->store);
	} else {
		usable = print_database(config->store, acknowledged, &last_id);
	}
	struct tally_gap missing = { 0, 0 };
	if (usable)
		missing = tally_missing(tally, acknowledged, last_id);
	tally_close(tally);
	if (missing.last > 0) {
		fprintf(stderr,
			"%s: the events %lld to %lld were acknowledged and are missing: the "
			"database was damaged or replaced by an older copy. When you have seen "
			"to it, stop everything and remove %s-tally\n",
			config->store, (long long)missing.first, (long long)missing.last,
			config->store);
		usable = false;
	}
	printf("  worker %s, %u runners; events kept %lld h, bodies of done ones %lld h\n",
		config->worker_auto ? "started by the endpoint where none is"
				    : "not started by the endpoint",
		config->runners, (long long)config->keep_ms / 3600000,
		(long long)config->keep_body_ms / 3600000);
	return usable;
}

/* Faults first go to standard error, where file:line is what editors look for. */
static void
print_faults(const struct config *config, size_t *faults_out, size_t *warnings_out)
{
	for (size_t i = 0; i < config->fault_count; i++) {
		const struct config_fault *fault = &config->faults[i];
		bool warning = fault->severity == CONFIG_WARNING;
		++*(warning ? warnings_out : faults_out);
		fprintf(stderr, "%s:", fault->file);
		if (fault->line > 0)
			fprintf(stderr, "%u:", fault->line);
		fprintf(stderr, " %s%s\n", warning ? "warning: " : "", fault->message);
	}
}

static void
print_summary(size_t faults, size_t warnings)
{
	if (faults > 0)
		printf("%zu fault%s", faults, faults == 1 ? "" : "s");
	else
		fputs("no faults", stdout);
	if (warnings > 0)
		printf(", %zu warning%s", warnings, warnings == 1 ? "" : "s");
	putchar('\n');
}

static int
check(const char *path)
{
	bool usable;
	struct config *config = config_load(path, NULL, &usable);
	printf("configuration %s%s\n", path,
		usable ? "" : ": NOT USABLE, every request is answered 503");
	fflush(stdout);
	size_t faults = 0;
	size_t warnings = 0;
	print_faults(config, &faults, &warnings);
	if (usable) {
		printf("  log %s (%s), %u requests at once\n", config->log,
			config->log_json ? "json" : "text", config->threads);
		if (!print_store(config))
			faults++;
		printf("endpoints\n");
		for (size_t i = 0; i < config->endpoint_count; i++)
			if (!print_endpoint(config, &config->endpoints[i]) &&
				config->endpoints[i].unusable == NULL)
				faults++;
		if (config->endpoint_count == 0)
			printf("  none\n");
		print_protections();
	}
	print_summary(faults, warnings);
	config_free(config);
	return faults > 0 || !usable ? CLI_CONFIG : CLI_DONE;
}

static int
run_check(const struct cli_command *command, int argc, char **argv, const char *config)
{
	static const char *const options[] = { NULL };
	int count = cli_options(command, argc, argv, options, NULL);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "check takes no arguments; name the file with -c");

	endpoint_protect();
	char *path = config_path(config, NULL);
	int result = check(path);
	free(path);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

const struct cli_command cli_check = {
	.name = "check",
	.arguments = "",
	.summary = "read the configuration and say what each endpoint will do, and every fault",
	.help = "Faults go to standard error as FILE:LINE: what is wrong, and what to write.\n"
		"Run it as the user that the web server runs the program as: what matters is\n"
		"what that user can read.\n"
		"Exit code 0 when there is none, 78 when there is one.\n",
	.run = run_check,
};
