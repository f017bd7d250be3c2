/* cli_ledger.h - what the commands that look into the ledger share
 *
 * Opening what the configuration names, choosing events, and writing them as a
 * table for people or as JSON for programs. Whatever a sender wrote is escaped
 * on its way out, so that it can neither steer a terminal nor forge a line.
 */
#ifndef HOOKCGI_CLI_LEDGER_H
#define HOOKCGI_CLI_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "cli.h"
#include "config.h"
#include "store.h"
#include "tally.h"

/* ---- What the configuration names ---- */

struct ledger {
	struct config *config;
	struct store *store; /* NULL: there is no database yet */
	int64_t now_ms;      /* when it was last looked at */
	bool terminal;       /* standard output is one */
};

/*
 * Load the configuration, without its endpoints and their secrets, and find the
 * database; none is made. CLI_DONE, or a line was printed and the exit code is
 * returned. ledger_close() in every case.
 */
int ledger_open(const char *config, struct ledger *out);
void ledger_close(struct ledger *ledger);

/* Look again at the clock, and whether there is a database by now. false: a line was printed. */
bool ledger_look(struct ledger *ledger);

/* Say on standard error that there is no database; returns CLI_DONE. */
int ledger_nothing(void);

/* Print why the last call to the store failed; returns CLI_NO. */
int ledger_failed(const struct ledger *ledger);

/* The exit code of the command: result, when all that was printed was also taken. */
int ledger_printed(int result);

/* The tally beside the database, for tally_close(). NULL: there is none yet, or
 * it cannot be read and a line was printed. */
struct tally *ledger_tally(const struct ledger *ledger);

/* ---- Which events ---- */

/* The options that choose events, in front of a command's own. */
enum {
	LEDGER_ENDPOINT,
	LEDGER_STATE,
	LEDGER_EVENT,
	LEDGER_SINCE,
	LEDGER_LIMIT,
	LEDGER_FILTERS,
};

#define LEDGER_FILTER_OPTIONS                                           \
	[LEDGER_ENDPOINT] = "--endpoint=", [LEDGER_STATE] = "--state=", \
	[LEDGER_EVENT] = "--event=", [LEDGER_SINCE] = "--since=", [LEDGER_LIMIT] = "--limit="

#define LEDGER_FILTER_HELP                                                         \
	"  --endpoint NAME  only of this endpoint\n"                               \
	"  --state STATE    only queued, running, done or dead ones\n"             \
	"  --event PATTERN  only of these event types: \"order.*\"\n"              \
	"  --since WHEN     only received since: 30m, 2h, 3d, 2026-11-24 (local)," \
	"\n                   or a time as in 2026-11-24T17:50:00Z\n"

/*
 * What the values of these options choose. default_limit: without --limit; --limit 0
 * is none. false: usage was printed. Borrows from values.
 */
bool ledger_filter(const struct cli_command *command, const char *const *values, int64_t now_ms,
	unsigned default_limit, struct store_filter *out);

/* "--limit N". false: not a number. */
bool ledger_parse_limit(const char *text, unsigned *out);

/*
 * "2h": so long before now; "2026-11-24T17:50:00+01:00", or without a zone, or a date
 * alone: in local time. Never 0, which would mean "any". false: none of these.
 */
bool ledger_parse_since(const char *text, int64_t now_ms, int64_t *ms_out);

/* A number of an event. */
bool ledger_parse_id(const char *text, int64_t *id_out);

/* ---- Text for people ---- */

enum ledger_clock {
	LEDGER_UTC,   /* 2026-11-24T17:50:29.123Z */
	LEDGER_SHORT, /* local: 18:50:29 if it is of today, else 2026-11-23 18:50 */
	LEDGER_LONG,  /* local: 2026-11-24 18:50:29.123 CET */
};

/* "?" when it is no time of the years 1970 to 9999. */
void ledger_append_time(struct buf *out, enum ledger_clock clock, int64_t ms, int64_t now_ms);

/* "120ms", "45s", "12m", "47h", "9d": rounded down, one unit; "0s" for less than nothing. */
void ledger_append_span(struct buf *out, int64_t ms);

/*
 * Append text of many lines, each behind indent and with a newline at its end, also
 * the last. Tabs, quotes and backslashes stay as they are; what could steer a
 * terminal is escaped as by text_append_escaped(). At most max bytes are shown.
 * false: no memory.
 */
bool ledger_append_readable(struct buf *out, struct slice text, const char *indent, size_t max);

/* Is it text, mostly: no NUL, few control characters and bytes that are not UTF-8? Looks at its beginning. */
bool ledger_is_text(struct slice bytes);

/* Write the bytes, exactly; to a terminal: readable. */
void ledger_print_raw(FILE *out, struct slice bytes);

/* The header's name of a variable "HTTP_X_FOO=value": "X-Foo". false: it is no header. */
bool ledger_append_header_name(struct buf *out, const char *variable);

/* The value of a Prometheus label, with its quotes. */
void ledger_append_label(struct buf *out, struct slice value);

/* Columns of standard output: of the terminal, else $COLUMNS; 0: any number. */
size_t ledger_width(void);

struct ledger_column {
	const char *title;
	size_t usual; /* width, where rows are not known beforehand */
	size_t least; /* it may be cut to that when the line is too long; 0: never cut */
	bool right;   /* aligned, for numbers */
};

#define LEDGER_COLUMNS_MAX 8

/* A table whose columns are as wide as its first rows need. */
struct ledger_table {
	FILE *out;
	const struct ledger_column *columns;
	size_t column_count; /* at most LEDGER_COLUMNS_MAX */
	size_t width;        /* of a line; 0: any */
	char **cells;        /* of rows not yet printed */
	size_t cell_count;
	size_t widths[LEDGER_COLUMNS_MAX];
	bool fixed; /* widths are, and the titles are printed */
};

void ledger_table_init(struct ledger_table *table, const struct ledger_column *columns,
	size_t column_count, size_t width, FILE *out);
/* Print the titles now, and each row as soon as it is whole. */
void ledger_table_live(struct ledger_table *table);
/* The next cell, row after row; escaped and cut here. */
void ledger_table_cell(struct ledger_table *table, struct slice text);
void ledger_table_number(struct ledger_table *table, int64_t number);
/* Print what is left and free. Without rows nothing was printed. */
void ledger_table_end(struct ledger_table *table);

/* ---- JSON for programs ---- */

/* One object in the making; its line goes out whole. */
struct ledger_json {
	struct buf line;
	bool comma; /* something stands before the next member */
	bool lost;  /* no memory */
};

void ledger_json_init(struct ledger_json *json);
void ledger_json_free(struct ledger_json *json);

/* Begin a value that is an object or a list ('{', '['); name is NULL in a list and for the whole. */
void ledger_json_open(struct ledger_json *json, const char *name, char bracket);
void ledger_json_close(struct ledger_json *json, char bracket);
/* Empty text is null. */
void ledger_json_text(struct ledger_json *json, const char *name, struct slice text);
void ledger_json_number(struct ledger_json *json, const char *name, int64_t number);
void ledger_json_bool(struct ledger_json *json, const char *name, bool value);
/* RFC 3339 in UTC; 0 is null. */
void ledger_json_time(struct ledger_json *json, const char *name, int64_t ms);
/* The members that every event has. */
void ledger_json_row(struct ledger_json *json, const struct store_row *row);
/* Write the line and begin anew. false: it could not be made, a line was printed. */
bool ledger_json_print(struct ledger_json *json, FILE *out);

#endif
