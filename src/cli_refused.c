/* cli_refused.c - hookcgi refused: which requests were not accepted, and why */
#include "cli_ledger.h"

#include <string.h>

#include "clock.h"

#define LIMIT 50

enum { OPTION_ENDPOINT, OPTION_SINCE, OPTION_LIMIT, OPTION_JSON, OPTION_COUNT };

static const char *const refused_options[] = {
	[OPTION_ENDPOINT] = "--endpoint=",
	[OPTION_SINCE] = "--since=",
	[OPTION_LIMIT] = "--limit=",
	[OPTION_JSON] = "--json",
	[OPTION_COUNT] = NULL,
};

static const struct ledger_column columns[] = {
	{ "TIME", 8, 0, false },
	{ "STATUS", 6, 0, true },
	{ "TIMES", 5, 0, true },
	{ "ENDPOINT", 12, 8, false },
	{ "FROM", 15, 9, false },
	{ "BYTES", 6, 0, true },
	{ "REASON", 20, 10, false },
};

struct listing {
	const struct ledger *ledger;
	const char *endpoint; /* NULL: all */
	int64_t since_ms;     /* 0: any */
	unsigned limit;       /* 0: none */
	unsigned count;
	bool as_json;
	struct ledger_table table;
	struct ledger_json json;
};

static void
add_to_table(struct listing *listing, const struct tally_refusal *refusal)
{
	const struct ledger *ledger = listing->ledger;
	struct buf time;
	buf_init(&time, 64);
	ledger_append_time(&time, ledger->terminal ? LEDGER_SHORT : LEDGER_UTC, refusal->at_ms,
		ledger->now_ms);
	ledger_table_cell(&listing->table, buf_slice(&time));
	ledger_table_number(&listing->table, refusal->status);
	ledger_table_number(&listing->table, refusal->repeated);
	ledger_table_cell(&listing->table, slice_of(refusal->endpoint));
	ledger_table_cell(&listing->table, slice_of(refusal->remote));
	ledger_table_number(&listing->table, refusal->bytes);
	ledger_table_cell(&listing->table, slice_of(refusal->reason));
	buf_free(&time);
}

static bool
print_as_json(struct ledger_json *json, const struct tally_refusal *refusal)
{
	ledger_json_open(json, NULL, '{');
	ledger_json_time(json, "received_at", refusal->at_ms);
	ledger_json_text(json, "endpoint", slice_of(refusal->endpoint));
	ledger_json_number(json, "status", refusal->status);
	ledger_json_text(json, "reason", slice_of(refusal->reason));
	ledger_json_text(json, "remote", slice_of(refusal->remote));
	ledger_json_number(json, "body_bytes", refusal->bytes);
	ledger_json_number(json, "repeated", refusal->repeated);
	ledger_json_close(json, '}');
	return ledger_json_print(json, stdout);
}

static bool
visit(void *context, const struct tally_refusal *refusal)
{
	struct listing *listing = context;
	if (listing->endpoint != NULL && strcmp(listing->endpoint, refusal->endpoint) != 0)
		return true;
	if (refusal->at_ms < listing->since_ms)
		return true;
	listing->count++;
	if (!listing->as_json)
		add_to_table(listing, refusal);
	else if (!print_as_json(&listing->json, refusal))
		return false;
	return listing->limit == 0 || listing->count < listing->limit;
}

static int
print_refusals(struct listing *listing)
{
	struct tally *tally = ledger_tally(listing->ledger);
	if (tally == NULL) {
		fputs("hookcgi: no refusals were kept yet\n", stderr);
		return CLI_DONE;
	}
	ledger_json_init(&listing->json);
	ledger_table_init(&listing->table, columns, sizeof columns / sizeof columns[0],
		ledger_width(), stdout);
	tally_refusals(tally, visit, listing);
	ledger_table_end(&listing->table);
	ledger_json_free(&listing->json);
	if (listing->count == 0)
		fputs("hookcgi: there is no such refusal\n", stderr);
	tally_close(tally);
	return CLI_DONE;
}

static int
run_refused(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	struct ledger ledger;
	struct listing listing = { .ledger = &ledger, .limit = LIMIT };
	int count = cli_options(command, argc, argv, refused_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "refused takes options only");
	listing.endpoint = values[OPTION_ENDPOINT];
	listing.as_json = values[OPTION_JSON] != NULL;
	if (values[OPTION_LIMIT] != NULL &&
		!ledger_parse_limit(values[OPTION_LIMIT], &listing.limit))
		return cli_usage(command, "--limit=%s is not a number", values[OPTION_LIMIT]);
	if (values[OPTION_SINCE] != NULL &&
		!ledger_parse_since(values[OPTION_SINCE], clock_wall_ms(), &listing.since_ms))
		return cli_usage(command, "--since=%s is no time", values[OPTION_SINCE]);

	int result = ledger_open(config, &ledger);
	if (result == CLI_DONE)
		result = print_refusals(&listing);
	ledger_close(&ledger);
	return ledger_printed(result);
}

const struct cli_command cli_refused = {
	.name = "refused",
	.arguments = "[OPTIONS]",
	.summary = "requests that were not accepted and why, the newest first",
	.help = "  --endpoint NAME  only those to this name, as it was asked for\n"
		"  --since WHEN     only those since: 30m, 2h, 3d, 2026-11-24 (local),\n"
		"                   or a time as in 2026-11-24T17:50:00Z\n"
		"  --limit N        at most so many, 0 for all that are kept (50)\n"
		"  --json           one object a line, times in UTC\n"
		"\n"
		"The same request many times in a row is one line (TIMES). What senders wrote\n"
		"was not verified: endpoint and address are what they claimed or used.\n",
	.run = run_refused,
};
