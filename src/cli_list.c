/* cli_list.c - hookcgi list: which events came, and what became of them */
#include "cli_ledger.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

#define LIMIT 50
#define POLL_MS 500 /* between two looks of --follow */

enum { OPTION_FOLLOW = LEDGER_FILTERS, OPTION_JSON, OPTION_COUNT };

static const char *const list_options[] = {
	LEDGER_FILTER_OPTIONS,
	[OPTION_FOLLOW] = "--follow",
	[OPTION_JSON] = "--json",
	[OPTION_COUNT] = NULL,
};

static const struct ledger_column columns[] = {
	{ "ID", 6, 0, true },
	{ "RECEIVED", 16, 0, false },
	{ "ENDPOINT", 12, 8, false },
	{ "EVENT", 24, 8, false },
	{ "STATE", 7, 0, false },
	{ "TRIES", 5, 0, true },
	{ "DUE/REASON", 20, 10, false },
};

/* Where events go, one after the other. */
struct listing {
	const struct ledger *ledger;
	bool as_json;
	struct ledger_table table;
	struct ledger_json json;
	unsigned count;
	int64_t last_id;
};

static void
listing_init(struct listing *listing, const struct ledger *ledger, bool as_json)
{
	*listing = (struct listing){ .ledger = ledger, .as_json = as_json };
	ledger_json_init(&listing->json);
	ledger_table_init(&listing->table, columns, sizeof columns / sizeof columns[0],
		ledger_width(), stdout);
}

static void
listing_end(struct listing *listing)
{
	ledger_table_end(&listing->table);
	ledger_json_free(&listing->json);
}

/* "in 12s: exit 75", "exit 1", or nothing to say. */
static void
append_outlook(struct buf *out, const struct store_row *row, int64_t now_ms)
{
	bool reason = row->reason != NULL && row->reason[0] != '\0';
	if (row->state == STORE_QUEUED && row->due_ms > now_ms) {
		buf_append_text(out, "in ");
		ledger_append_span(out, row->due_ms - now_ms);
	} else if (row->state == STORE_QUEUED) {
		buf_append_text(out, "now");
	}
	if (reason && out->len > 0)
		buf_append_text(out, ": ");
	if (reason)
		buf_append_text(out, row->reason);
}

static void
add_to_table(struct listing *listing, const struct store_row *row)
{
	const struct ledger *ledger = listing->ledger;
	struct buf received, outlook;
	buf_init(&received, 64);
	buf_init(&outlook, 4096);
	ledger_append_time(&received, ledger->terminal ? LEDGER_SHORT : LEDGER_UTC,
		row->received_ms, ledger->now_ms);
	append_outlook(&outlook, row, ledger->now_ms);
	ledger_table_number(&listing->table, row->id);
	ledger_table_cell(&listing->table, buf_slice(&received));
	ledger_table_cell(&listing->table, slice_of(row->endpoint));
	ledger_table_cell(&listing->table, row->type);
	ledger_table_cell(&listing->table, slice_of(store_state_name(row->state)));
	ledger_table_number(&listing->table, row->attempts);
	ledger_table_cell(&listing->table, buf_slice(&outlook));
	buf_free(&received);
	buf_free(&outlook);
}

static bool
visit(void *context, const struct store_row *row)
{
	struct listing *listing = context;
	listing->count++;
	if (row->id > listing->last_id)
		listing->last_id = row->id;
	if (!listing->as_json) {
		add_to_table(listing, row);
		return ferror(stdout) == 0;
	}
	ledger_json_open(&listing->json, NULL, '{');
	ledger_json_row(&listing->json, row);
	ledger_json_close(&listing->json, '}');
	return ledger_json_print(&listing->json, stdout) && ferror(stdout) == 0;
}

static volatile sig_atomic_t ended;

static void
end(int signal)
{
	(void)signal;
	ended = 1;
}

/* Wait for the next look. false: it is over, or nobody reads any more, which no
 * write would show while nothing comes. */
static bool
wait_for_more(void)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };
	if (ended == 0 && poll(&reader, 1, POLL_MS) > 0)
		return false;
	return ended == 0;
}

/* Print what came since the last look, and move the filter on. */
static enum store_result
look(struct ledger *ledger, struct listing *listing, struct store_filter *filter)
{
	int64_t last_id;
	unsigned before = listing->count;
	/* First the number, then the events: none that comes between is passed over, and
	 * what the filter leaves out is looked at once. */
	enum store_result result = store_last_id(ledger->store, &last_id);
	if (result == STORE_OK)
		result = store_list(ledger->store, filter, visit, listing);
	if (result == STORE_NONE)
		result = STORE_OK;
	if (result != STORE_OK)
		return result;
	if (filter->limit > 0) {
		filter->limit -= listing->count - before;
		if (filter->limit == 0)
			ended = 1;
	}
	filter->after_id = last_id > listing->last_id ? last_id : listing->last_id;
	filter->since_ms = 0; /* a clock that is set back must hide nothing new */
	return STORE_OK;
}

static int
follow(struct ledger *ledger, struct listing *listing, struct store_filter *filter)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = end };
	enum store_result result = STORE_OK;
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &action, NULL);

	filter->oldest_first = true;
	/* What --since names, or what a database that is not there yet will hold, is new. */
	if (filter->since_ms == 0 && ledger->store != NULL)
		result = store_last_id(ledger->store, &filter->after_id);
	if (result != STORE_OK)
		return ledger_failed(ledger);
	if (!listing->as_json)
		ledger_table_live(&listing->table);
	do {
		if (!ledger_look(ledger))
			return CLI_NO;
		if (ledger->store != NULL)
			result = look(ledger, listing, filter);
		if (result != STORE_OK && result != STORE_BUSY)
			return ledger_failed(ledger);
	} while (fflush(stdout) == 0 && wait_for_more());
	return CLI_DONE;
}

static int
list_once(struct ledger *ledger, struct listing *listing, const struct store_filter *filter)
{
	if (ledger->store == NULL)
		return ledger_nothing();
	enum store_result result = store_list(ledger->store, filter, visit, listing);
	if (result != STORE_OK && result != STORE_NONE)
		return ledger_failed(ledger);
	if (listing->count == 0)
		fputs("hookcgi: there is no such event\n", stderr);
	return CLI_DONE;
}

static int
run_list(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	int count = cli_options(command, argc, argv, list_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "list takes options only");
	bool follows = values[OPTION_FOLLOW] != NULL;
	if (follows && values[LEDGER_STATE] != NULL)
		return cli_usage(command,
			"--follow shows events as they come, before they reach a state: leave out "
			"--state");

	struct ledger ledger;
	struct store_filter filter;
	struct listing listing;
	if (!ledger_filter(command, values, clock_wall_ms(), follows ? 0 : LIMIT, &filter))
		return CLI_USAGE;
	int result = ledger_open(config, &ledger);
	if (result == CLI_DONE) {
		listing_init(&listing, &ledger, values[OPTION_JSON] != NULL);
		result = follows ? follow(&ledger, &listing, &filter)
				 : list_once(&ledger, &listing, &filter);
		listing_end(&listing);
	}
	ledger_close(&ledger);
	return ledger_printed(result);
}

const struct cli_command cli_list = {
	.name = "list",
	.arguments = "[OPTIONS]",
	.summary = "which events came and what became of them, the newest first",
	.help = LEDGER_FILTER_HELP
	"  --limit N        at most so many, 0 for all (50; all with --follow)\n"
	"  --follow         print events as they come, until it is interrupted; from now\n"
	"                   on, or since --since\n"
	"  --json           one object a line, times in UTC\n"
	"\n"
	"Times are local on a terminal, else UTC.\n",
	.run = run_list,
};
