/* cli_prune.c - hookcgi prune: remove now what is over its time */
#include "cli_ledger.h"

#include "clock.h"
#include "text.h"

enum { OPTION_KEEP, OPTION_KEEP_BODY, OPTION_JSON, OPTION_COUNT };

static const char *const prune_options[] = {
	[OPTION_KEEP] = "--keep=",
	[OPTION_KEEP_BODY] = "--keep-body=",
	[OPTION_JSON] = "--json",
	[OPTION_COUNT] = NULL,
};

static void
print_removed(uint64_t removed, bool as_json)
{
	if (as_json)
		printf("{\"removed\":%llu}\n", (unsigned long long)removed);
	else
		printf("%llu row%s removed\n", (unsigned long long)removed,
			removed == 1 ? "" : "s");
}

static int
prune(const struct ledger *ledger, const struct store_retention *retention, bool as_json)
{
	const struct store_step step = STORE_PRUNE_STEP;
	uint64_t removed = 0;
	unsigned step_removed;
	bool more;
	enum store_result result;
	if (ledger->store == NULL)
		return ledger_nothing();
	do {
		step_removed = 0;
		more = false;
		result = store_prune(
			ledger->store, retention, clock_wall_ms(), &step, &step_removed, &more);
		removed += step_removed;
	} while (result == STORE_OK && more);
	/* What went is gone, whatever came after. */
	print_removed(removed, as_json);
	return result == STORE_OK || result == STORE_NONE ? CLI_DONE : ledger_failed(ledger);
}

static int
run_prune(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	int64_t keep_ms = -1;
	int64_t keep_body_ms = -1;
	int count = cli_options(command, argc, argv, prune_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "prune takes options only");
	if (values[OPTION_KEEP] != NULL && !text_parse_duration(values[OPTION_KEEP], &keep_ms))
		return cli_usage(
			command, "--keep=%s is no time such as 12h or 30d", values[OPTION_KEEP]);
	if (values[OPTION_KEEP_BODY] != NULL &&
		!text_parse_duration(values[OPTION_KEEP_BODY], &keep_body_ms))
		return cli_usage(command, "--keep-body=%s is no time such as 12h or 30d",
			values[OPTION_KEEP_BODY]);

	struct ledger ledger;
	int result = ledger_open(config, &ledger);
	if (result == CLI_DONE) {
		const struct store_retention retention = {
			.keep_ms = keep_ms >= 0 ? keep_ms : ledger.config->keep_ms,
			.keep_body_ms =
				keep_body_ms >= 0 ? keep_body_ms : ledger.config->keep_body_ms,
			.keep_key_ms = STORE_KEEP_KEY_MS,
		};
		result = prune(&ledger, &retention, values[OPTION_JSON] != NULL);
	}
	ledger_close(&ledger);
	return ledger_printed(result);
}

const struct cli_command cli_prune = {
	.name = "prune",
	.arguments = "[--keep TIME] [--keep-body TIME] [--json]",
	.summary = "remove now what is over its time; a worker does so by itself",
	.help = "  --keep TIME       done and dead events go when they are that long in their "
		"state\n"
		"  --keep-body TIME  bodies and headers of done events\n"
		"  --json            {\"removed\":N}\n"
		"\n"
		"TIME is 12h, 30d or 0; without it, keep and keep_body of the configuration.\n"
		"Queued and running events stay, and so do keys of done ones for two weeks: what "
		"a\n"
		"sender sends again is still known. Removed rows make room in the file, it does\n"
		"not shrink.\n",
	.run = run_prune,
};
