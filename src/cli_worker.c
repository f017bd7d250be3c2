/* cli_worker.c - hookcgi worker: runs queued events */
#include "cli.h"

#include "endpoint.h"
#include "text.h"
#include "worker.h"

#define RUNNERS_MAX 64

/* false: usage was printed. */
static bool
read_options(const struct cli_command *command, const char *const *values,
	struct worker_options *options)
{
	uint64_t runners = 0;
	options->once = values[0] != NULL;
	if (values[1] != NULL &&
		(!text_parse_number(slice_of(values[1]), RUNNERS_MAX, &runners) || runners == 0)) {
		cli_usage(command, "--runners needs a number from 1 to %d", RUNNERS_MAX);
		return false;
	}
	options->runners = (unsigned)runners;
	if (values[2] != NULL &&
		(!text_parse_duration(values[2], &options->idle_ms) || options->idle_ms == 0)) {
		cli_usage(command, "--idle needs a time like \"30s\" or \"5m\"");
		return false;
	}
	if (options->once && options->idle_ms > 0) {
		cli_usage(command, "--once ends when nothing is due: it needs no --idle");
		return false;
	}
	return true;
}

static int
run_worker(const struct cli_command *command, int argc, char **argv, const char *config)
{
	static const char *const names[] = { "--once", "--runners=", "--idle=", NULL };
	const char *values[3] = { NULL, NULL, NULL };
	struct worker_options options = { .config = config };
	int count = cli_options(command, argc, argv, names, values);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "worker takes no arguments, only options");
	if (!read_options(command, values, &options))
		return CLI_USAGE;
	endpoint_protect();
	return worker_run(&options);
}

const struct cli_command cli_worker = {
	.name = "worker",
	.arguments = "[--once] [--runners N] [--idle TIME]",
	.summary = "run queued events: as a service, or until nothing is due",
	.help = "  --once     end when nothing is due, for cron: retries that wait for their time\n"
		"             are left to the next call. Ends at once with 0 when a worker runs.\n"
		"  --runners  handlers at once, 1 to 64, instead of the configuration's `runners`\n"
		"  --idle     end after so long without work (\"5m\"), unless a retry is waited "
		"for\n"
		"\n"
		"Runs in the foreground until TERM or INT. Each handler that is running then\n"
		"has 30 s to end; one that takes longer gets TERM, KILL 5 s later, and its event\n"
		"is queued again. There is one worker for a store; a second one ends with 1.\n"
		"A changed configuration is in force within a second, for each runner as soon as\n"
		"its handler has ended.\n",
	.run = run_worker,
};
