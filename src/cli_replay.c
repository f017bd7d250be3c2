/* cli_replay.c - hookcgi replay: run events again */
#include "cli_ledger.h"

#include <stdlib.h>

#include "alloc.h"
#include "clock.h"
#include "wake.h"

enum { OPTION_JSON = LEDGER_FILTERS, OPTION_COUNT };

static const char *const replay_options[] = {
	LEDGER_FILTER_OPTIONS,
	[OPTION_JSON] = "--json",
	[OPTION_COUNT] = NULL,
};

/* The numbers of events, in order. */
struct numbers {
	int64_t *ids;
	size_t count;
	size_t size;
};

static void
add_number(struct numbers *numbers, int64_t id)
{
	if (numbers->count == numbers->size) {
		numbers->size = numbers->size > 0 ? numbers->size * 2 : 64;
		numbers->ids = xreallocarray(numbers->ids, numbers->size, sizeof(int64_t));
	}
	numbers->ids[numbers->count++] = id;
}

static bool
add_row(void *context, const struct store_row *row)
{
	add_number(context, row->id);
	return true;
}

static void
print_json(int64_t id, bool queued, const char *reason)
{
	struct ledger_json json;
	ledger_json_init(&json);
	ledger_json_open(&json, NULL, '{');
	ledger_json_number(&json, "id", id);
	ledger_json_bool(&json, "replayed", queued);
	ledger_json_text(&json, "reason", slice_of(reason));
	ledger_json_close(&json, '}');
	ledger_json_print(&json, stdout);
	ledger_json_free(&json);
}

/* false: it was not queued, and why was printed. */
static bool
replay_one(const struct ledger *ledger, int64_t id, bool as_json)
{
	enum store_result result = STORE_NONE;
	const char *reason = NULL;
	if (ledger->store != NULL)
		result = store_replay(ledger->store, id, ledger->now_ms);
	if (result == STORE_NONE)
		reason = "there is no such event";
	else if (result != STORE_OK)
		reason = store_reason(ledger->store);
	if (as_json)
		print_json(id, result == STORE_OK, reason);
	else if (result == STORE_OK)
		printf("%lld queued\n", (long long)id);
	if (result != STORE_OK)
		fprintf(stderr, "hookcgi: event %lld: %s\n", (long long)id, reason);
	return result == STORE_OK;
}

static int
replay_all(struct ledger *ledger, const struct numbers *numbers, bool as_json)
{
	size_t queued = 0;
	for (size_t i = 0; i < numbers->count; i++) {
		ledger->now_ms = clock_wall_ms();
		queued += replay_one(ledger, numbers->ids[i], as_json);
	}
	if (queued > 0 && !wake_send(ledger->config->store))
		fputs("hookcgi: no worker runs now: hookcgi worker --once runs what is queued\n",
			stderr);
	return queued == numbers->count ? CLI_DONE : CLI_NO;
}

/* First all numbers, then the changes: what is queued here must not be found again. */
static int
choose(const struct ledger *ledger, struct store_filter *filter, struct numbers *numbers)
{
	if (ledger->store == NULL)
		return ledger_nothing();
	filter->oldest_first = true;
	enum store_result result = store_list(ledger->store, filter, add_row, numbers);
	if (result != STORE_OK && result != STORE_NONE)
		return ledger_failed(ledger);
	if (numbers->count == 0)
		fputs("hookcgi: there is no such event\n", stderr);
	return CLI_DONE;
}

static bool
has_filter(const char *const *values)
{
	for (int i = 0; i < LEDGER_FILTERS; i++)
		if (values[i] != NULL)
			return true;
	return false;
}

static int
judge_call(const struct cli_command *command, int count, char **argv, const char *const *values,
	struct numbers *numbers)
{
	int64_t id;
	if (count > 0 && has_filter(values))
		return cli_usage(command, "replay takes numbers or a filter, not both");
	if (count == 0 && values[LEDGER_STATE] == NULL)
		return cli_usage(
			command, "replay needs numbers of events, or --state (dead, done)");
	for (int i = 1; i <= count; i++) {
		if (!ledger_parse_id(argv[i], &id))
			return cli_usage(command, "%s is no number of an event", argv[i]);
		add_number(numbers, id);
	}
	return CLI_DONE;
}

static int
run_replay(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	int count = cli_options(command, argc, argv, replay_options, values);
	if (count < 0)
		return CLI_USAGE;

	struct ledger ledger = { .config = NULL };
	struct store_filter filter;
	struct numbers numbers = { .ids = NULL };
	int result = judge_call(command, count, argv, values, &numbers);
	if (result == CLI_DONE && !ledger_filter(command, values, clock_wall_ms(), 0, &filter))
		result = CLI_USAGE;
	if (result == CLI_DONE)
		result = ledger_open(config, &ledger);
	if (result == CLI_DONE && count == 0)
		result = choose(&ledger, &filter, &numbers);
	if (result == CLI_DONE)
		result = replay_all(&ledger, &numbers, values[OPTION_JSON] != NULL);
	ledger_close(&ledger);
	free(numbers.ids);
	return ledger_printed(result);
}

const struct cli_command cli_replay = {
	.name = "replay",
	.arguments = "ID... | --state STATE [OPTIONS]",
	.summary = "queue events again: these, or all that a filter names",
	.help = "The retries of an event start anew; what became of its earlier attempts stays.\n"
		"\n" LEDGER_FILTER_HELP
		"  --limit N        at most so many, the oldest first (all)\n"
		"  --json           one object a line: id, replayed, reason\n"
		"\n"
		"Exit code 1 when one could not be queued: it runs now, is not there, or its body\n"
		"is not kept any more.\n",
	.run = run_replay,
};
