/* cli_stats.c - hookcgi stats: how much of what there is, and whether something is missing
 *
 * The tally's last acknowledged number is read before the store's last number:
 * an event that comes between the two makes the store's larger, never smaller.
 */
#include "cli_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"

enum { OPTION_JSON, OPTION_PROMETHEUS, OPTION_COUNT };

static const char *const stats_options[] = {
	[OPTION_JSON] = "--json",
	[OPTION_PROMETHEUS] = "--prometheus",
	[OPTION_COUNT] = NULL,
};

static const enum store_state states[] = { STORE_QUEUED, STORE_RUNNING, STORE_DONE, STORE_DEAD };
#define STATE_COUNT (sizeof states / sizeof states[0])

struct stats {
	const struct ledger *ledger;
	struct store_count *counts; /* the endpoints' names are owned */
	size_t count;
	uint64_t refusals;
	int64_t acknowledged; /* number of the last event that was; 0: none */
	int64_t stored;       /* number of the last event in the database */
	struct tally_gap missing;
	int64_t lost; /* how many that may be */
};

static bool
add_count(void *context, const struct store_count *count)
{
	struct stats *stats = context;
	stats->counts = xreallocarray(stats->counts, stats->count + 1, sizeof stats->counts[0]);
	stats->counts[stats->count] = *count;
	stats->counts[stats->count++].endpoint = xstrdup(count->endpoint);
	return true;
}

static void
stats_free(struct stats *stats)
{
	for (size_t i = 0; i < stats->count; i++)
		free((char *)(uintptr_t)stats->counts[i].endpoint);
	free(stats->counts);
}

static enum store_result
read_stats(struct stats *stats)
{
	const struct ledger *ledger = stats->ledger;
	struct tally *tally = ledger_tally(ledger);
	enum store_result result = STORE_OK;
	stats->acknowledged = tally_acknowledged(tally);
	stats->refusals = tally_refusal_count(tally);
	if (ledger->store != NULL)
		result = store_last_id(ledger->store, &stats->stored);
	if (result == STORE_OK && ledger->store != NULL)
		result = store_stats(ledger->store, add_count, stats);
	if (result == STORE_NONE)
		result = STORE_OK;
	if (result == STORE_OK)
		stats->missing = tally_missing(tally, stats->acknowledged, stats->stored);
	if (stats->missing.last > 0)
		stats->lost = stats->missing.last - stats->missing.first + 1;
	tally_close(tally);
	return result;
}

/* ---- Text ---- */

static const struct ledger_column columns[] = {
	{ "ENDPOINT", 12, 8, false },
	{ "QUEUED", 6, 0, true },
	{ "OLDEST", 6, 0, true },
	{ "RUNNING", 7, 0, true },
	{ "DONE", 6, 0, true },
	{ "DEAD", 6, 0, true },
	{ "TRIES", 6, 0, true },
	{ "FAILED", 6, 0, true },
};

static int64_t
age_ms(const struct stats *stats, const struct store_count *count, enum store_state state)
{
	int64_t oldest_ms = count->oldest_ms[state];
	int64_t now_ms = stats->ledger->now_ms;
	return oldest_ms > 0 && oldest_ms < now_ms ? now_ms - oldest_ms : 0;
}

static void
print_table(const struct stats *stats)
{
	struct ledger_table table;
	struct buf oldest;
	buf_init(&oldest, 64);
	ledger_table_init(
		&table, columns, sizeof columns / sizeof columns[0], ledger_width(), stdout);
	for (size_t i = 0; i < stats->count; i++) {
		const struct store_count *count = &stats->counts[i];
		buf_clear(&oldest);
		if (count->oldest_ms[STORE_QUEUED] > 0)
			ledger_append_span(&oldest, age_ms(stats, count, STORE_QUEUED));
		ledger_table_cell(&table, slice_of(count->endpoint));
		ledger_table_number(&table, count->events[STORE_QUEUED]);
		ledger_table_cell(&table, buf_slice(&oldest));
		ledger_table_number(&table, count->events[STORE_RUNNING]);
		ledger_table_number(&table, count->events[STORE_DONE]);
		ledger_table_number(&table, count->events[STORE_DEAD]);
		ledger_table_number(&table, count->attempts);
		ledger_table_number(&table, count->failed_attempts);
	}
	ledger_table_end(&table);
	buf_free(&oldest);
}

static void
print_text(const struct stats *stats)
{
	print_table(stats);
	printf("requests refused: %llu\n"
	       "last event: %lld stored, %lld acknowledged\n",
		(unsigned long long)stats->refusals, (long long)stats->stored,
		(long long)stats->acknowledged);
}

/* ---- JSON ---- */

static void
json_state(struct ledger_json *json, const struct stats *stats, const struct store_count *count,
	enum store_state state)
{
	ledger_json_open(json, store_state_name(state), '{');
	ledger_json_number(json, "events", count->events[state]);
	ledger_json_time(json, "oldest_received_at", count->oldest_ms[state]);
	ledger_json_number(json, "oldest_age_ms", age_ms(stats, count, state));
	ledger_json_close(json, '}');
}

/* A line for each endpoint, then one for all. */
static bool
print_json(const struct stats *stats)
{
	struct ledger_json json;
	bool done = true;
	ledger_json_init(&json);
	for (size_t i = 0; i < stats->count; i++) {
		const struct store_count *count = &stats->counts[i];
		ledger_json_open(&json, NULL, '{');
		ledger_json_text(&json, "endpoint", slice_of(count->endpoint));
		for (size_t k = 0; k < STATE_COUNT; k++)
			json_state(&json, stats, count, states[k]);
		ledger_json_number(&json, "attempts", count->attempts);
		ledger_json_number(&json, "failed_attempts", count->failed_attempts);
		ledger_json_close(&json, '}');
		done = ledger_json_print(&json, stdout) && done;
	}
	ledger_json_open(&json, NULL, '{');
	ledger_json_text(&json, "endpoint", slice_of(NULL));
	ledger_json_number(&json, "refusals", (int64_t)stats->refusals);
	ledger_json_number(&json, "last_stored", stats->stored);
	ledger_json_number(&json, "last_acknowledged", stats->acknowledged);
	ledger_json_number(&json, "lost", stats->lost);
	ledger_json_close(&json, '}');
	done = ledger_json_print(&json, stdout) && done;
	ledger_json_free(&json);
	return done;
}

/* ---- Prometheus's text format, version 0.0.4 ---- */

static void
begin_metric(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_appendf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_labels(struct buf *out, const char *name, const struct store_count *count,
	const enum store_state *state)
{
	buf_appendf(out, "%s{endpoint=", name);
	ledger_append_label(out, slice_of(count->endpoint));
	if (state != NULL)
		buf_appendf(out, ",state=\"%s\"", store_state_name(*state));
	buf_append_text(out, "} ");
}

static void
add_single(struct buf *out, const char *name, const char *type, const char *help, int64_t value)
{
	begin_metric(out, name, type, help);
	buf_appendf(out, "%s %lld\n", name, (long long)value);
}

static void
add_by_state(struct buf *out, const struct stats *stats)
{
	static const char events[] = "hookcgi_events";
	static const char age[] = "hookcgi_oldest_event_age_seconds";
	begin_metric(out, events, "gauge", "Events in the store.");
	for (size_t i = 0; i < stats->count; i++)
		for (size_t k = 0; k < STATE_COUNT; k++) {
			add_labels(out, events, &stats->counts[i], &states[k]);
			buf_appendf(out, "%lld\n", (long long)stats->counts[i].events[states[k]]);
		}
	begin_metric(out, age, "gauge",
		"Time since the oldest event in this state was received; 0 without one.");
	for (size_t i = 0; i < stats->count; i++)
		for (size_t k = 0; k < STATE_COUNT; k++) {
			int64_t ms = age_ms(stats, &stats->counts[i], states[k]);
			add_labels(out, age, &stats->counts[i], &states[k]);
			buf_appendf(out, "%lld.%03d\n", (long long)(ms / 1000), (int)(ms % 1000));
		}
}

static void
add_attempts(struct buf *out, const struct stats *stats)
{
	static const char all[] = "hookcgi_attempts";
	static const char failed[] = "hookcgi_failed_attempts";
	/* Gauges: they fall when events are pruned. */
	begin_metric(out, all, "gauge", "Runs of handlers for the events in the store.");
	for (size_t i = 0; i < stats->count; i++) {
		add_labels(out, all, &stats->counts[i], NULL);
		buf_appendf(out, "%lld\n", (long long)stats->counts[i].attempts);
	}
	begin_metric(out, failed, "gauge", "Those of them that failed.");
	for (size_t i = 0; i < stats->count; i++) {
		add_labels(out, failed, &stats->counts[i], NULL);
		buf_appendf(out, "%lld\n", (long long)stats->counts[i].failed_attempts);
	}
}

static void
print_prometheus(const struct stats *stats)
{
	struct buf out;
	buf_init(&out, SIZE_MAX / 4);
	add_by_state(&out, stats);
	add_attempts(&out, stats);
	add_single(&out, "hookcgi_refusals_total", "counter", "Requests that were refused.",
		(int64_t)stats->refusals);
	add_single(&out, "hookcgi_last_stored_event", "gauge",
		"Number of the last event in the store.", stats->stored);
	add_single(&out, "hookcgi_last_acknowledged_event", "gauge",
		"Number of the last event that a sender was told is safe.", stats->acknowledged);
	add_single(&out, "hookcgi_lost_events", "gauge",
		"Acknowledged events that the store does not have any more: never more than 0.",
		stats->lost);
	fwrite(buf_text(&out), 1, out.len, stdout);
	buf_free(&out);
}

static int
print_stats(const struct stats *stats, const char *const *values)
{
	if (values[OPTION_JSON] != NULL)
		print_json(stats);
	else if (values[OPTION_PROMETHEUS] != NULL)
		print_prometheus(stats);
	else if (stats->ledger->store == NULL && stats->refusals == 0 && stats->lost == 0)
		return ledger_nothing();
	else
		print_text(stats);
	if (stats->lost == 0)
		return CLI_DONE;
	fflush(stdout);
	fprintf(stderr,
		"hookcgi: EVENTS WERE LOST: senders were told that the events %lld to %lld are "
		"safe, and they are missing from %s (%lld). The database was restored, replaced "
		"or damaged: keep a copy of it, look at the disk, and have the senders send "
		"again what came then. When you have seen to it, stop everything and remove "
		"%s-tally\n",
		(long long)stats->missing.first, (long long)stats->missing.last,
		stats->ledger->config->store, (long long)stats->lost, stats->ledger->config->store);
	return CLI_NO;
}

static int
run_stats(const struct cli_command *command, int argc, char **argv, const char *config)
{
	const char *values[OPTION_COUNT] = { NULL };
	struct ledger ledger;
	struct stats stats = { .ledger = &ledger };
	int count = cli_options(command, argc, argv, stats_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "stats takes options only");
	if (values[OPTION_JSON] != NULL && values[OPTION_PROMETHEUS] != NULL)
		return cli_usage(command, "stats takes --json or --prometheus, not both");

	int result = ledger_open(config, &ledger);
	if (result == CLI_DONE)
		result = read_stats(&stats) == STORE_OK ? print_stats(&stats, values)
							: ledger_failed(&ledger);
	stats_free(&stats);
	ledger_close(&ledger);
	return ledger_printed(result);
}

const struct cli_command cli_stats = {
	.name = "stats",
	.arguments = "[--json|--prometheus]",
	.summary = "how many events are in which state, and whether any was lost",
	.help = "  --json        one object for each endpoint, then one for all\n"
		"  --prometheus  the text format, for node_exporter's textfile collector\n"
		"\n"
		"OLDEST is the age of the oldest queued event; TRIES and FAILED count the runs of\n"
		"handlers that are kept. Exit code 1 when the database lacks events that senders\n"
		"were told are safe.\n",
	.run = run_stats,
};
