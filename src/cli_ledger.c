/* cli_ledger.c - what the commands that look into the ledger share
 *
 * Looking changes nothing: where there is no database yet none is made, and
 * neither endpoints nor secrets are read, so that the commands also work where
 * an endpoint is misconfigured.
 */
#include "cli_ledger.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "endpoint.h"
#include "text.h"

#define CELL_MAX 400      /* bytes of a value that a table shows at most */
#define TABLE_SAMPLE 256  /* rows that decide how wide columns are */
#define TEXT_SAMPLE 16384 /* bytes that decide whether a body is text */
#define TERMINAL_WIDTH 80 /* of one that does not say */
#define WIDTH_LEAST 20    /* of a line that is worth cutting for */

static const char elided[] = "...";

/* ---- What the configuration names ---- */

bool
ledger_look(struct ledger *ledger)
{
	const char *path = ledger->config->store;
	struct stat status;
	char reason[256];
	ledger->now_ms = clock_wall_ms();
	if (ledger->store != NULL)
		return true;
	if (stat(path, &status) == 0) {
		struct tally *tally = tally_find(path, reason);
		int64_t acknowledged = tally_acknowledged(tally);
		tally_close(tally);
		/* The store would make what is not there yet. */
		if (status.st_size > 0 || acknowledged > 0) {
			ledger->store = store_new(path);
			store_expect(ledger->store, acknowledged);
		}
		return true;
	}
	if (errno == ENOENT || errno == ENOTDIR)
		return true;
	fprintf(stderr,
		"hookcgi: %s: %s: run this as the user that the web server runs hookcgi as\n", path,
		strerror(errno));
	return false;
}

int
ledger_open(const char *config, struct ledger *out)
{
	*out = (struct ledger){ .terminal = isatty(STDOUT_FILENO) == 1 };
	endpoint_protect(); /* bodies are private, and a full quota is an error, not a death */
	/* No endpoint has the name "". */
	out->config = cli_load_config(config, "");
	if (out->config == NULL)
		return CLI_CONFIG;
	if (out->config->store == NULL) {
		fprintf(stderr,
			"hookcgi: %s: there is no store in this configuration: set store = "
			"\"sqlite:PATH\"\n",
			out->config->path);
		return CLI_NO;
	}
	return ledger_look(out) ? CLI_DONE : CLI_NO;
}

void
ledger_close(struct ledger *ledger)
{
	if (ledger->store != NULL)
		store_free(ledger->store);
	if (ledger->config != NULL)
		config_free(ledger->config);
	*ledger = (struct ledger){ .config = NULL };
}

int
ledger_nothing(void)
{
	fputs("hookcgi: nothing was stored yet\n", stderr);
	return CLI_DONE;
}

int
ledger_failed(const struct ledger *ledger)
{
	fprintf(stderr, "hookcgi: %s\n", store_reason(ledger->store));
	return CLI_NO;
}

int
ledger_printed(int result)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return result;
	perror("hookcgi: standard output");
	return CLI_NO;
}

struct tally *
ledger_tally(const struct ledger *ledger)
{
	char reason[256];
	struct tally *tally = tally_find(ledger->config->store, reason);
	if (tally == NULL && reason[0] != '\0')
		fprintf(stderr, "hookcgi: %s\n", reason);
	return tally;
}

/* ---- Which events ---- */

bool
ledger_parse_limit(const char *text, unsigned *out)
{
	uint64_t number;
	if (!text_parse_number(slice_of(text), UINT_MAX, &number))
		return false;
	*out = (unsigned)number;
	return true;
}

bool
ledger_parse_id(const char *text, int64_t *id_out)
{
	uint64_t number;
	if (!text_parse_number(slice_of(text), INT64_MAX, &number) || number == 0)
		return false;
	*id_out = (int64_t)number;
	return true;
}

/* A civil time that was read as if it were UTC, in the local zone. */
static bool
to_local(int64_t *ms)
{
	struct tm civil;
	time_t seconds = (time_t)(*ms / 1000);
	if (gmtime_r(&seconds, &civil) == NULL)
		return false;
	civil.tm_isdst = -1;
	seconds = mktime(&civil);
	*ms = (int64_t)seconds * 1000 + *ms % 1000;
	return *ms >= 0;
}

bool
ledger_parse_since(const char *text, int64_t now, int64_t *ms_out)
{
	int64_t ms;
	char date[sizeof "2026-11-24T00:00:00"];
	if (text_parse_duration(text, &ms)) {
		ms = now - ms;
	} else if (!text_parse_time(TEXT_TIME_RFC3339, slice_of(text), &ms)) {
		if (strlen(text) == 10) {
			snprintf(date, sizeof date, "%.10sT00:00:00", text);
			text = date;
		}
		/* No zone is UTC to this function; the one meant is that of the clock
		 * on the wall, in which times are shown as well. */
		if (!text_parse_time(TEXT_TIME_ISO8601, slice_of(text), &ms) || !to_local(&ms))
			return false;
	}
	*ms_out = ms > 0 ? ms : 1;
	return true;
}

/* false: it cannot be a pattern, and usage was printed. */
static bool
judge_pattern(const struct cli_command *command, const char *pattern)
{
	const char *fault = config_pattern_fault(pattern);
	if (fault != NULL)
		cli_usage(command, "--event=%s: %s", pattern, fault);
	return fault == NULL;
}

bool
ledger_filter(const struct cli_command *command, const char *const *values, int64_t now,
	unsigned default_limit, struct store_filter *out)
{
	*out = (struct store_filter){
		.endpoint = values[LEDGER_ENDPOINT],
		.type = values[LEDGER_EVENT],
		.limit = default_limit,
	};
	if (out->endpoint != NULL && !text_is_name(slice_of(out->endpoint))) {
		cli_usage(command, "--endpoint=%s is no name of an endpoint", out->endpoint);
		return false;
	}
	if (out->type != NULL && !judge_pattern(command, out->type))
		return false;
	if (values[LEDGER_STATE] != NULL) {
		out->has_state = true;
		if (!store_state_find(values[LEDGER_STATE], &out->state)) {
			cli_usage(command, "--state=%s is none of queued, running, done, dead",
				values[LEDGER_STATE]);
			return false;
		}
	}
	if (values[LEDGER_SINCE] != NULL &&
		!ledger_parse_since(values[LEDGER_SINCE], now, &out->since_ms)) {
		cli_usage(command,
			"--since=%s is neither a time ago (30m, 2h, 3d) nor a date or time "
			"(2026-11-24, 2026-11-24T17:50:00Z)",
			values[LEDGER_SINCE]);
		return false;
	}
	if (values[LEDGER_LIMIT] != NULL &&
		!ledger_parse_limit(values[LEDGER_LIMIT], &out->limit)) {
		cli_usage(command, "--limit=%s is not a number", values[LEDGER_LIMIT]);
		return false;
	}
	return true;
}

/* ---- Text for people ---- */

void
ledger_append_time(struct buf *out, enum ledger_clock clock, int64_t ms, int64_t now)
{
	char text[64] = "?";
	char zone[16] = "";
	struct tm civil, today;
	time_t seconds = (time_t)(ms / 1000);
	time_t today_seconds = (time_t)(now / 1000);

	if (clock == LEDGER_UTC) {
		if (!text_format_time(TEXT_TIME_RFC3339, ms, out))
			buf_append_text(out, "?");
		return;
	}
	if (ms >= 0 && localtime_r(&seconds, &civil) != NULL &&
		localtime_r(&today_seconds, &today) != NULL && civil.tm_year <= 9999 - 1900) {
		bool same_day = civil.tm_year == today.tm_year && civil.tm_yday == today.tm_yday;
		if (clock == LEDGER_LONG) {
			strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &civil);
			strftime(zone, sizeof zone, " %Z", &civil);
		} else {
			strftime(text, sizeof text, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M",
				&civil);
		}
	}
	buf_append_text(out, text);
	if (zone[0] != '\0')
		buf_appendf(out, ".%03d%s", (int)(ms % 1000), zone);
}

void
ledger_append_span(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t below; /* in ms */
		int64_t unit;
		const char *name;
	} steps[] = {
		{ 1000, 1, "ms" },
		{ 120 * 1000, 1000, "s" },
		{ 120 * 60000, 60000, "m" },
		{ 48 * INT64_C(3600000), 3600000, "h" },
		{ INT64_MAX, 86400000, "d" },
	};
	size_t i = 0;
	if (ms <= 0) {
		buf_append_text(out, "0s");
		return;
	}
	while (ms >= steps[i].below && i + 1 < sizeof steps / sizeof steps[0])
		i++;
	buf_append_number(out, (uint64_t)(ms / steps[i].unit), 1);
	buf_append_text(out, steps[i].name);
}

/* The length of the beginning of line without what text_append_escaped() would
 * escape for the sake of quoting only. */
static size_t
plain_length(struct slice line)
{
	size_t len = 0;
	while (len < line.len && strchr("\t\"\\", line.data[len]) == NULL)
		len++;
	/* strchr() also finds the NUL at the end of its string. */
	return len < line.len && line.data[len] == '\0' ? len + 1 : len;
}

static bool
append_readable_line(struct buf *out, struct slice line)
{
	while (line.len > 0) {
		size_t len = plain_length(line);
		if (!text_append_escaped(out, (struct slice){ line.data, len }, SIZE_MAX))
			return false;
		line = (struct slice){ line.data + len, line.len - len };
		if (line.len > 0 && strchr("\t\"\\", line.data[0]) != NULL &&
			line.data[0] != '\0') {
			if (!buf_append_char(out, line.data[0]))
				return false;
			line = (struct slice){ line.data + 1, line.len - 1 };
		}
	}
	return true;
}

bool
ledger_append_readable(struct buf *out, struct slice text, const char *indent, size_t max)
{
	struct slice rest = text_cut(text, max);
	size_t shown = rest.len;
	while (rest.len > 0) {
		const char *end = memchr(rest.data, '\n', rest.len);
		size_t len = end != NULL ? (size_t)(end - rest.data) : rest.len;
		size_t next = end != NULL ? len + 1 : len;
		if (end != NULL && len > 0 && rest.data[len - 1] == '\r')
			len--;
		if ((len > 0 && !buf_append_text(out, indent)) ||
			!append_readable_line(out, (struct slice){ rest.data, len }) ||
			!buf_append_char(out, '\n'))
			return false;
		rest = (struct slice){ rest.data + next, rest.len - next };
	}
	return shown == text.len ||
	       buf_appendf(out, "%s... (%zu more bytes)\n", indent, text.len - shown);
}

bool
ledger_is_text(struct slice bytes)
{
	struct slice sample = text_cut(bytes, TEXT_SAMPLE);
	size_t odd = 0;
	size_t high = 0;
	for (size_t i = 0; i < sample.len; i++) {
		unsigned char c = (unsigned char)sample.data[i];
		if (c == '\0')
			return false;
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			odd++;
		if (c >= 0x80)
			high++;
	}
	if (!text_is_utf8(sample))
		odd += high;
	return odd <= sample.len / 10;
}

void
ledger_print_raw(FILE *out, struct slice bytes)
{
	struct buf readable;
	if (isatty(fileno(out)) != 1) {
		fwrite(bytes.data != NULL ? bytes.data : "", 1, bytes.len, out);
		return;
	}
	buf_init(&readable, SIZE_MAX / 4);
	if (!ledger_append_readable(&readable, bytes, "", SIZE_MAX))
		fputs("hookcgi: no memory: write it to a file with > FILE\n", stderr);
	fwrite(buf_text(&readable), 1, readable.len, out);
	buf_free(&readable);
}

bool
ledger_append_header_name(struct buf *out, const char *variable)
{
	bool word = true; /* the next letter begins one */
	if (strncmp(variable, "HTTP_", 5) == 0)
		variable += 5;
	else if (strncmp(variable, "CONTENT_TYPE=", 13) != 0 &&
		 strncmp(variable, "CONTENT_LENGTH=", 15) != 0)
		return false;
	for (; *variable != '\0' && *variable != '='; variable++) {
		char c = *variable;
		if (!word && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		word = c == '_';
		buf_append_char(out, word ? '-' : c);
	}
	return true;
}

void
ledger_append_label(struct buf *out, struct slice value)
{
	struct buf escaped;
	buf_init(&escaped, SIZE_MAX / 4);
	text_append_escaped(&escaped, value, CELL_MAX);
	buf_append_char(out, '"');
	for (size_t i = 0; i < escaped.len; i++) {
		/* Only \\, \" and \n mean something there. */
		if (escaped.data[i] == '\\' || escaped.data[i] == '"')
			buf_append_char(out, '\\');
		buf_append_char(out, escaped.data[i]);
	}
	buf_append_char(out, '"');
	buf_free(&escaped);
}

size_t
ledger_width(void)
{
	struct winsize size;
	uint64_t columns = 0;
	const char *given = getenv("COLUMNS");
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		columns = size.ws_col;
	else if (given != NULL && text_parse_number(slice_of(given), 10000, &columns) &&
		 columns > 0)
		;
	else
		columns = isatty(STDOUT_FILENO) == 1 ? TERMINAL_WIDTH : 0;
	return columns > 0 && columns < WIDTH_LEAST ? WIDTH_LEAST : (size_t)columns;
}

/* Each code point is one column: near enough. */
static size_t
columns_of(const char *text)
{
	size_t columns = 0;
	for (; *text != '\0'; text++)
		if (((unsigned char)*text & 0xc0) != 0x80)
			columns++;
	return columns;
}

/* The bytes of the first so many columns. */
static size_t
bytes_of(const char *text, size_t columns)
{
	size_t len = 0;
	while (text[len] != '\0') {
		if (((unsigned char)text[len] & 0xc0) != 0x80 && columns-- == 0)
			break;
		len++;
	}
	return len;
}

void
ledger_table_init(struct ledger_table *table, const struct ledger_column *columns,
	size_t column_count, size_t width, FILE *out)
{
	*table = (struct ledger_table){
		.out = out,
		.columns = columns,
		.column_count = column_count,
		.width = width,
		.cells = xcalloc(TABLE_SAMPLE * column_count, sizeof(char *)),
	};
}

static void
print_blanks(FILE *out, size_t count)
{
	while (count-- > 0)
		putc(' ', out);
}

/* One line; blanks at its end are left out. */
static void
print_row(const struct ledger_table *table, const char *const *cells)
{
	size_t blanks = 0; /* due before the next text */
	for (size_t i = 0; i < table->column_count; i++) {
		const char *text = cells[i];
		size_t room = table->widths[i];
		size_t columns = columns_of(text);
		bool cut = table->width > 0 && table->columns[i].least > 0 && columns > room;
		size_t pad = columns < room ? room - columns : 0;
		if (table->columns[i].right) {
			blanks += pad;
			pad = 0;
		}
		if (text[0] != '\0') {
			size_t dots = cut && room > 3 ? 3 : 0;
			size_t len = cut ? bytes_of(text, room - dots) : strlen(text);
			print_blanks(table->out, blanks);
			blanks = 0;
			fwrite(text, 1, len, table->out);
			fputs(elided + (3 - dots), table->out);
		}
		blanks += pad + 2;
	}
	putc('\n', table->out);
}

/* Take from the widest columns that may be cut until a line fits. */
static void
fit(struct ledger_table *table)
{
	size_t total = 2 * (table->column_count - 1);
	for (size_t i = 0; i < table->column_count; i++)
		total += table->widths[i];
	for (; total > table->width; total--) {
		size_t *widest = NULL;
		for (size_t i = 0; i < table->column_count; i++) {
			size_t least = table->columns[i].least;
			if (least > 0 && table->widths[i] > least &&
				(widest == NULL || table->widths[i] > *widest))
				widest = &table->widths[i];
		}
		if (widest == NULL)
			return;
		--*widest;
	}
	table->widths[table->column_count - 1] +=
		table->width - total; /* what later rows may need */
}

static void
free_cells(struct ledger_table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	table->cell_count = 0;
}

static void
print_cells(struct ledger_table *table)
{
	for (size_t i = 0; i + table->column_count <= table->cell_count; i += table->column_count)
		print_row(table, (const char *const *)&table->cells[i]);
	free_cells(table);
}

/* Decide on widths, and print the titles and the rows at hand. */
static void
fix(struct ledger_table *table, bool live)
{
	const char *titles[LEDGER_COLUMNS_MAX];
	for (size_t i = 0; i < table->column_count; i++) {
		titles[i] = table->columns[i].title;
		table->widths[i] = columns_of(titles[i]);
		if (live && table->columns[i].usual > table->widths[i])
			table->widths[i] = table->columns[i].usual;
	}
	for (size_t i = 0; i < table->cell_count; i++) {
		size_t columns = columns_of(table->cells[i]);
		if (columns > table->widths[i % table->column_count])
			table->widths[i % table->column_count] = columns;
	}
	if (table->width > 0)
		fit(table);
	table->fixed = true;
	print_row(table, titles);
	print_cells(table);
}

void
ledger_table_live(struct ledger_table *table)
{
	if (!table->fixed)
		fix(table, true);
}

/* A cell stands in no quotes, so those in it need no escape: what a reason says to write can be
 * copied from it. */
static void
restore_quotes(char *escaped)
{
	char *to = escaped;
	for (const char *from = escaped; *from != '\0'; from++) {
		if (from[0] == '\\' && from[1] == '"')
			from++;
		else if (from[0] == '\\' && from[1] != '\0')
			*to++ = *from++;
		*to++ = *from;
	}
	*to = '\0';
}

void
ledger_table_cell(struct ledger_table *table, struct slice text)
{
	struct buf cell;
	bool last = (table->cell_count + 1) % table->column_count == 0;
	buf_init(&cell, SIZE_MAX / 4);
	/* A "-" keeps the count of words in a line, for awk. */
	if (text.len == 0 && !last)
		text = slice_of("-");
	text_append_escaped(&cell, text, CELL_MAX);
	char *shown = buf_take(&cell);
	restore_quotes(shown);
	table->cells[table->cell_count++] = shown;
	if (table->fixed && last)
		print_cells(table);
	else if (table->cell_count == TABLE_SAMPLE * table->column_count)
		fix(table, false);
}

void
ledger_table_number(struct ledger_table *table, int64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)number);
	ledger_table_cell(table, slice_of(text));
}

void
ledger_table_end(struct ledger_table *table)
{
	if (table->cell_count > 0 && !table->fixed)
		fix(table, false);
	free_cells(table);
	free(table->cells);
	table->cells = NULL;
}

/* ---- JSON for programs ---- */

void
ledger_json_init(struct ledger_json *json)
{
	*json = (struct ledger_json){ .comma = false };
	buf_init(&json->line, SIZE_MAX / 4);
}

void
ledger_json_free(struct ledger_json *json)
{
	buf_free(&json->line);
}

/* What stands before a value. */
static void
begin_member(struct ledger_json *json, const char *name)
{
	bool done = !json->comma || buf_append_char(&json->line, ',');
	if (name != NULL)
		done = done && text_append_json(&json->line, slice_of(name)) &&
		       buf_append_char(&json->line, ':');
	json->comma = true;
	json->lost = json->lost || !done;
}

static void
append_value(struct ledger_json *json, const char *name, const char *value)
{
	begin_member(json, name);
	if (!buf_append_text(&json->line, value))
		json->lost = true;
}

void
ledger_json_open(struct ledger_json *json, const char *name, char bracket)
{
	append_value(json, name, bracket == '{' ? "{" : "[");
	json->comma = false;
}

void
ledger_json_close(struct ledger_json *json, char bracket)
{
	if (!buf_append_char(&json->line, bracket))
		json->lost = true;
	json->comma = true;
}

void
ledger_json_text(struct ledger_json *json, const char *name, struct slice text)
{
	if (text.len == 0) {
		append_value(json, name, "null");
		return;
	}
	begin_member(json, name);
	if (!text_append_json(&json->line, text))
		json->lost = true;
}

void
ledger_json_number(struct ledger_json *json, const char *name, int64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)number);
	append_value(json, name, text);
}

void
ledger_json_bool(struct ledger_json *json, const char *name, bool value)
{
	append_value(json, name, value ? "true" : "false");
}

void
ledger_json_time(struct ledger_json *json, const char *name, int64_t ms)
{
	struct buf text;
	buf_init(&text, 64);
	if (ms != 0)
		text_format_time(TEXT_TIME_RFC3339, ms, &text);
	ledger_json_text(json, name, buf_slice(&text));
	buf_free(&text);
}

void
ledger_json_row(struct ledger_json *json, const struct store_row *row)
{
	int64_t due_ms = 0;
	if (row->state == STORE_QUEUED) /* one that is due at once: since it was queued */
		due_ms = row->due_ms > row->changed_ms ? row->due_ms : row->changed_ms;
	ledger_json_number(json, "id", row->id);
	ledger_json_text(json, "endpoint", slice_of(row->endpoint));
	ledger_json_text(json, "provider", slice_of(row->provider));
	ledger_json_text(json, "event", row->type);
	ledger_json_text(json, "event_id", row->sender_id);
	ledger_json_text(json, "key", row->key);
	ledger_json_text(json, "state", slice_of(store_state_name(row->state)));
	ledger_json_number(json, "attempts", row->attempts);
	ledger_json_time(json, "received_at", row->received_ms);
	ledger_json_time(json, "due_at", due_ms);
	ledger_json_text(json, "reason", slice_of(row->reason));
	ledger_json_time(json, "changed_at", row->changed_ms);
	ledger_json_text(json, "remote", row->remote);
	if (row->body_len >= 0)
		ledger_json_number(json, "body_bytes", row->body_len);
	else
		ledger_json_text(json, "body_bytes", slice_of(NULL));
}

bool
ledger_json_print(struct ledger_json *json, FILE *out)
{
	bool whole = !json->lost && buf_append_char(&json->line, '\n');
	if (whole)
		fwrite(buf_text(&json->line), 1, json->line.len, out);
	else
		fputs("hookcgi: no memory for a line of JSON\n", stderr);
	buf_clear(&json->line);
	json->comma = false;
	json->lost = false;
	return whole;
}
