/* settings.c - a text in our configuration syntax as a checked tree (the only user of libConfuse)
 *
 * The text is looked at twice. Our own first look (the outline) knows comments,
 * strings, names and braces: it blanks comments, since libConfuse 3.3 counts a
 * line too many after each and refuses one inside a list; it makes the tree of
 * blocks and options with the line of each and of each value; it reports what
 * libConfuse would stop at or never see (unknown options, all of them; a
 * missing brace; a block given twice) and blanks the unknown, so that the rest
 * is still checked. Then libConfuse reads the values, which are moved into the
 * tree, and stays the judge of the syntax: where the two disagree there is no
 * tree.
 *
 * Rejected: libConfuse's own numbers and booleans (a wrong one ends the parse,
 * so only the first fault would be seen), its cfg_parse() (opens by name, and
 * asks the user database, which a static program cannot), its include().
 */
#include "settings.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "safety.h"
#include "text.h"

#define NAME_MAX_LEN 64 /* of what is compared for "did you mean" */
#define QUOTED_MAX 200  /* of a wrong name in a message */

/* A text being read. */
struct parser {
	const struct settings_allowed *allowed; /* in the whole text */
	settings_fault *fault;
	void *context;
	char *text; /* a copy: comments are blanked in place; NUL behind it */
	size_t len;
	size_t at;                            /* the outline has come to this byte … */
	unsigned line;                        /* … on this line */
	const struct settings_allowed **used; /* what the text gives at least once */
	size_t used_count;
	bool faulty; /* a fault was reported */
	bool cut;    /* something has no end; reported, and not for libConfuse to see */
};

/* Faults. */

static void report(struct parser *parser, enum settings_severity severity, unsigned line,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

static void
report(struct parser *parser, enum settings_severity severity, unsigned line, const char *format,
	...)
{
	char *message = NULL;
	va_list arguments;
	va_start(arguments, format);
	if (vasprintf(&message, format, arguments) == -1)
		message = NULL;
	va_end(arguments);
	if (severity == SETTINGS_FAULT)
		parser->faulty = true;
	parser->fault(parser->context, severity, line,
		message != NULL ? message : "no memory for the message");
	free(message);
}

/* "Did you mean": Levenshtein's distance, in one row. */
static size_t
distance(struct slice a, struct slice b)
{
	size_t row[NAME_MAX_LEN + 1];
	if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t least = diagonal + (a.data[i - 1] != b.data[j - 1]);
			if (row[j] + 1 < least)
				least = row[j] + 1;
			if (row[j - 1] + 1 < least)
				least = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = least;
		}
	}
	return row[b.len];
}

/* Close enough, and not just as short. */
bool
settings_is_slip(struct slice wanted, const char *name)
{
	size_t apart = distance(wanted, slice_of(name));
	return apart <= 2 && apart < wanted.len;
}

/* The outline: tokens. */

enum token_kind {
	TOKEN_WORD, /* also a string */
	TOKEN_EQUALS,
	TOKEN_PLUS_EQUALS,
	TOKEN_COMMA,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_OTHER,
	TOKEN_END,
};

struct token {
	enum token_kind kind;
	size_t start;      /* its first byte in the text */
	unsigned line;     /* where it begins */
	struct slice text; /* TOKEN_WORD: as written, without its quotes */
	bool plain;        /* TOKEN_WORD: means what is written (no escape, no variable) */
};

/* Overwrite with blanks; lines stay. */
static void
blank(struct parser *parser, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (parser->text[i] != '\n')
			parser->text[i] = ' ';
	}
}

/* Step over one byte. */
static void
advance(struct parser *parser)
{
	if (parser->text[parser->at] == '\n')
		parser->line++;
	parser->at++;
}

static bool
looking_at(const struct parser *parser, const char *text)
{
	return strncmp(parser->text + parser->at, text, strlen(text)) == 0;
}

static void
skip_line_comment(struct parser *parser)
{
	size_t start = parser->at;
	while (parser->at < parser->len && parser->text[parser->at] != '\n')
		parser->at++;
	blank(parser, start, parser->at);
}

static void
skip_block_comment(struct parser *parser)
{
	size_t start = parser->at;
	unsigned line = parser->line;
	parser->at += 2;
	while (parser->at < parser->len && !looking_at(parser, "*/"))
		advance(parser);
	if (parser->at < parser->len)
		parser->at += 2;
	else
		report(parser, SETTINGS_FAULT, line, "this comment has no end: write */ behind it");
	blank(parser, start, parser->at);
}

/* White space, comments, and the bytes that libConfuse passes over. */
static void
skip_blanks(struct parser *parser)
{
	while (parser->at < parser->len) {
		char c = parser->text[parser->at];
		if (c == '#' || (c == '/' && looking_at(parser, "//")))
			skip_line_comment(parser);
		else if (c == '/' && looking_at(parser, "/*"))
			skip_block_comment(parser);
		else if ((unsigned char)c <= ' ' || c == '*' ||
			 (c == '+' && !looking_at(parser, "+=")))
			advance(parser);
		else
			break;
	}
}

/* The length to print. */
static int
quoted(struct slice text)
{
	return text.len < QUOTED_MAX ? (int)text.len : QUOTED_MAX;
}

/* libConfuse replaces ${NAME} and ${NAME:-DEFAULT} and does not ask whose NAME is. */
static void
check_variable(struct parser *parser, const char *inside)
{
	struct slice name = { inside, strcspn(inside, ":}") };
	if (safety_is_request_variable(name))
		report(parser, SETTINGS_FAULT, parser->line,
			"${%.*s} is set for each request by the web server, so that a sender may "
			"choose it: write the text itself, or set and name a variable of your own",
			quoted(name), name.data);
}

/* At "${": go behind its brace, when there is one. */
static bool
skip_variable(struct parser *parser)
{
	if (parser->text[parser->at] != '$' || !looking_at(parser, "${") ||
		strchr(parser->text + parser->at, '}') == NULL)
		return false;
	check_variable(parser, parser->text + parser->at + 2);
	while (parser->text[parser->at] != '}')
		advance(parser);
	advance(parser);
	return true;
}

/* From the opening quote to behind the closing one. */
static void
read_string(struct parser *parser, struct token *token)
{
	char quote = parser->text[parser->at];
	advance(parser);
	size_t start = parser->at;
	while (parser->at < parser->len && parser->text[parser->at] != quote) {
		if (quote == '"' && skip_variable(parser)) {
			token->plain = false;
			continue;
		}
		if (parser->text[parser->at] == '\\') {
			token->plain = false;
			advance(parser);
		}
		if (parser->at < parser->len)
			advance(parser);
	}
	token->text = (struct slice){ parser->text + start, parser->at - start };
	if (parser->at < parser->len) {
		advance(parser);
		return;
	}
	parser->cut = true;
	report(parser, SETTINGS_FAULT, token->line, "this text has no end: write %c behind it",
		quote);
	token->kind = TOKEN_OTHER;
}

static void
read_word(struct parser *parser, struct token *token)
{
	size_t start = parser->at;
	if (skip_variable(parser))
		token->plain = false;
	else
		parser->at += strcspn(parser->text + start, " #\"'\t\n\r={}()+,*");
	token->text = (struct slice){ parser->text + start, parser->at - start };
}

static struct token
next_token(struct parser *parser)
{
	skip_blanks(parser);
	struct token token = { TOKEN_OTHER, parser->at, parser->line, { "", 0 }, true };
	if (parser->at == parser->len) {
		token.kind = TOKEN_END;
		return token;
	}
	switch (parser->text[parser->at]) {
	case '{': token.kind = TOKEN_OPEN; break;
	case '}': token.kind = TOKEN_CLOSE; break;
	case '=': token.kind = TOKEN_EQUALS; break;
	case ',': token.kind = TOKEN_COMMA; break;
	case '(':
	case ')': break;
	case '+':
		token.kind = TOKEN_PLUS_EQUALS;
		parser->at++;
		break;
	case '"':
	case '\'':
		token.kind = TOKEN_WORD;
		read_string(parser, &token);
		return token;
	default:
		token.kind = TOKEN_WORD;
		read_word(parser, &token);
		return token;
	}
	parser->at++;
	return token;
}

/* The outline: the tree. */

/* Room for one more; doubling, since a text may hold a great many. */
static void *
grow(void *array, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return array;
	return xreallocarray(array, count == 0 ? 1 : count * 2, size);
}

static size_t
allowed_count(const struct settings_allowed *allowed)
{
	size_t count = 0;
	while (allowed[count].name != NULL)
		count++;
	return count;
}

static void
init_block(struct settings_block *block, const char *name, struct slice title, unsigned line,
	const struct settings_allowed *allowed)
{
	*block = (struct settings_block){ name, xmemdup0(title.data, title.len), line, allowed,
		xcalloc(allowed_count(allowed), sizeof *block->options) };
}

static void
free_block(struct settings_block *block)
{
	for (size_t i = 0; block->allowed[i].name != NULL; i++) {
		struct settings_option *option = &block->options[i];
		for (size_t j = 0; option->texts != NULL && j < option->count; j++)
			free_secret(option->texts[j], strlen(option->texts[j]));
		free(option->texts);
		free(option->lines);
		for (size_t j = 0; option->blocks != NULL && j < option->count; j++)
			free_block(&option->blocks[j]);
		free(option->blocks);
	}
	free(block->options);
	free(block->title);
}

static const struct settings_allowed *
find_allowed(const struct settings_allowed *allowed, struct slice name)
{
	for (; allowed->name != NULL; allowed++) {
		if (slice_is(name, allowed->name))
			return allowed;
	}
	return NULL;
}

static struct settings_block *
find_titled(const struct settings_option *option, struct slice title)
{
	for (size_t i = 0; i < option->count; i++) {
		if (slice_is(title, option->blocks[i].title))
			return &option->blocks[i];
	}
	return NULL;
}

/* The last one of a title counts, in the place of the first, as for libConfuse. */
static struct settings_block *
add_block(struct settings_option *option, const struct settings_allowed *allowed,
	struct slice title, unsigned line)
{
	struct settings_block *block = find_titled(option, title);
	if (block != NULL) {
		free_block(block);
	} else {
		option->blocks = grow(option->blocks, option->count, sizeof *option->blocks);
		block = &option->blocks[option->count++];
	}
	init_block(block, allowed->name, title, line, allowed->inside);
	option->line = line;
	return block;
}

static void
add_value_line(struct settings_option *option, unsigned line)
{
	option->lines = grow(option->lines, option->count, sizeof *option->lines);
	option->lines[option->count++] = line;
}

/* The outline: blocks, options, values. */

static bool
is_used(const struct parser *parser, const struct settings_allowed *allowed)
{
	for (size_t i = 0; i < parser->used_count; i++) {
		if (parser->used[i] == allowed)
			return true;
	}
	return false;
}

static void
add_used(struct parser *parser, const struct settings_allowed *allowed)
{
	if (is_used(parser, allowed))
		return;
	parser->used = grow(parser->used, parser->used_count, sizeof *parser->used);
	parser->used[parser->used_count++] = allowed;
}

/* Behind "{": go behind the brace that closes it. false: there is none. */
static bool
skip_braces(struct parser *parser)
{
	for (size_t depth = 1; depth > 0;) {
		struct token token = next_token(parser);
		if (token.kind == TOKEN_END)
			return false;
		if (token.kind == TOKEN_OPEN)
			depth++;
		else if (token.kind == TOKEN_CLOSE)
			depth--;
	}
	return true;
}

/*
 * Behind an unknown name: go behind its value, list or block, and blank it all.
 * What has none of these is a stray word, and blanked alone. false: its brace
 * has no end.
 */
static bool
skip_unknown(struct parser *parser, const struct token *name)
{
	size_t end = parser->at;
	unsigned end_line = parser->line;
	struct token token = next_token(parser);
	bool assigned = token.kind == TOKEN_EQUALS || token.kind == TOKEN_PLUS_EQUALS;
	if (assigned || token.kind == TOKEN_WORD)
		token = next_token(parser);
	if (token.kind == TOKEN_OPEN && !skip_braces(parser)) {
		parser->cut = true;
		report(parser, SETTINGS_FAULT, token.line, "this { has no end: write } behind it");
		return false;
	}
	if (token.kind != TOKEN_OPEN && !(assigned && token.kind == TOKEN_WORD)) {
		parser->at = end;
		parser->line = end_line;
	}
	blank(parser, name->start, parser->at);
	return true;
}

static void
report_unknown(struct parser *parser, const struct settings_block *block, struct token name)
{
	if (block->line != 0 && find_allowed(parser->allowed, name.text) != NULL) {
		report(parser, SETTINGS_FAULT, name.line,
			"\"%.*s\" does not belong into the block %s \"%s\" of line %u: close "
			"that with } before it",
			(int)name.text.len, name.text.data, block->name, block->title, block->line);
		return;
	}
	const char *nearest = NULL;
	for (const struct settings_allowed *each = block->allowed; each->name != NULL; each++) {
		if (settings_is_slip(name.text, each->name) &&
			(nearest == NULL || distance(name.text, slice_of(each->name)) <
						    distance(name.text, slice_of(nearest))))
			nearest = each->name;
	}
	report(parser, SETTINGS_FAULT, name.line, "unknown option \"%.*s\"%s%s%s: %s",
		quoted(name.text), name.text.data, nearest != NULL ? " (did you mean \"" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "\"?)" : "",
		nearest != NULL ? "correct or remove it"
				: "remove it, hookcgi.conf(5) lists them all");
}

/* Behind the name of an option: its values. false: not the syntax of one. */
static bool
outline_values(struct parser *parser, struct settings_option *option, struct token name)
{
	struct token token = next_token(parser);
	if (token.kind == TOKEN_EQUALS) {
		if (option->line != 0)
			report(parser, SETTINGS_WARNING, name.line,
				"\"%.*s\" is given twice in this block and only this one counts: "
				"remove the other",
				(int)name.text.len, name.text.data);
		option->count = 0;
	} else if (token.kind != TOKEN_PLUS_EQUALS) {
		return false;
	}
	option->line = name.line;
	token = next_token(parser);
	if (token.kind != TOKEN_OPEN) {
		add_value_line(option, token.line);
		return token.kind == TOKEN_WORD;
	}
	/* Values and commas in their right order: libConfuse's to judge. */
	while ((token = next_token(parser)).kind == TOKEN_WORD || token.kind == TOKEN_COMMA) {
		if (token.kind == TOKEN_WORD)
			add_value_line(option, token.line);
	}
	return token.kind == TOKEN_CLOSE;
}

/* A title is compared and printed as it is written, so it has to mean just that. */
static void
check_title(struct parser *parser, const struct settings_option *option,
	const struct settings_allowed *allowed, struct token title)
{
	const struct settings_block *first = find_titled(option, title.text);
	int len = quoted(title.text);
	if (!title.plain)
		report(parser, SETTINGS_FAULT, title.line,
			"the title of %s \"%.*s\" holds a backslash or ${: write the plain text",
			allowed->name, len, title.text.data);
	else if (allowed->named && !text_is_name(title.text))
		report(parser, SETTINGS_FAULT, title.line,
			"\"%.*s\" cannot be the name of %s %s: write 1 to 64 of a-z, 0-9, _ and "
			"-, the first a letter or digit",
			len, title.text.data,
			strchr("aeiou", allowed->name[0]) != NULL ? "an" : "a", allowed->name);
	else if (first != NULL)
		report(parser, SETTINGS_FAULT, title.line,
			"%s \"%.*s\" is given twice, first in line %u: remove or rename one",
			allowed->name, len, title.text.data, first->line);
}

static bool outline_block(struct parser *parser, struct settings_block *block);

/* Behind the name of a block. false: not the syntax of one. */
static bool
outline_inner(struct parser *parser, struct settings_option *option,
	const struct settings_allowed *allowed, struct token name)
{
	struct token title = next_token(parser);
	if (title.kind != TOKEN_WORD || next_token(parser).kind != TOKEN_OPEN)
		return false;
	check_title(parser, option, allowed, title);
	return outline_block(parser, add_block(option, allowed, title.text, name.line));
}

/* Behind the last option: is this the end of the block? false: reported. */
static bool
outline_end(struct parser *parser, const struct settings_block *block, struct token token)
{
	bool whole = block->line == 0;
	if (token.kind == TOKEN_END && !whole) {
		parser->cut = true;
		report(parser, SETTINGS_FAULT, block->line,
			"the block %s \"%s\" that begins here has no end: write } behind it",
			block->name, block->title);
	} else if (token.kind == TOKEN_CLOSE && whole) {
		report(parser, SETTINGS_FAULT, token.line, "a } too much: remove it");
	}
	return (token.kind == TOKEN_END) == whole;
}

/*
 * Everything in a block up to its closing brace. false: something is not our
 * syntax; the outline ends here and libConfuse will say what is wrong.
 */
static bool
outline_block(struct parser *parser, struct settings_block *block)
{
	for (;;) {
		struct token name = next_token(parser);
		if (name.kind == TOKEN_END || name.kind == TOKEN_CLOSE)
			return outline_end(parser, block, name);
		if (name.kind != TOKEN_WORD)
			return false;

		const struct settings_allowed *allowed = find_allowed(block->allowed, name.text);
		bool fine;
		if (allowed == NULL) {
			report_unknown(parser, block, name);
			fine = skip_unknown(parser, &name);
		} else {
			struct settings_option *option = &block->options[allowed - block->allowed];
			add_used(parser, allowed);
			fine = allowed->kind == SETTINGS_BLOCK
				       ? outline_inner(parser, option, allowed, name)
				       : outline_values(parser, option, name);
		}
		if (!fine)
			return false;
	}
}

/* libConfuse's look. */

/*
 * Our table in libConfuse's terms, for free_table(). Every value is text: what
 * it should have been is the caller's to say. libConfuse copies the whole table
 * for each block, so it gets only what the outline met, which saves a fifth of a
 * load; where the outline did not come to the end it gets all, lest it calls an
 * option unknown that stands behind.
 */
static cfg_opt_t *
make_table(const struct parser *parser, const struct settings_allowed *allowed, bool all)
{
	cfg_opt_t *table = xcalloc(allowed_count(allowed) + 1, sizeof *table);
	cfg_opt_t *next = table;
	for (; allowed->name != NULL; allowed++) {
		if (!all && !is_used(parser, allowed))
			continue;
		switch (allowed->kind) {
		case SETTINGS_TEXT:
			*next++ = (cfg_opt_t)CFG_STR(allowed->name, NULL, CFGF_NODEFAULT);
			break;
		case SETTINGS_LIST:
			*next++ = (cfg_opt_t)CFG_STR_LIST(allowed->name, NULL, CFGF_NODEFAULT);
			break;
		case SETTINGS_BLOCK:
			*next++ = (cfg_opt_t)CFG_SEC(allowed->name,
				make_table(parser, allowed->inside, all), CFGF_MULTI | CFGF_TITLE);
			break;
		}
	}
	*next = (cfg_opt_t)CFG_END();
	return table;
}

static void
free_table(cfg_opt_t *table)
{
	for (cfg_opt_t *each = table; each->name != NULL; each++) {
		if (each->subopts != NULL)
			free_table(each->subopts);
	}
	free(table);
}

/* Its error callback has no argument of ours. Set during read_values() only. */
static struct parser *parsing;

static void report_syntax(cfg_t *cfg, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void
report_syntax(cfg_t *cfg, const char *format, va_list arguments)
{
	char *message = NULL;
	if (vasprintf(&message, format, arguments) == -1)
		message = NULL;
	report(parsing, SETTINGS_FAULT, (unsigned)cfg->line,
		"%s: write NAME = \"VALUE\", NAME = {\"VALUE\", \"VALUE\"} or NAME \"TITLE\" { … }",
		message != NULL ? message : "wrong syntax");
	free(message);
}

/* Move the values of one option. */
static bool
take_texts(struct settings_option *option, cfg_opt_t *read)
{
	if (cfg_opt_size(read) != option->count)
		return false;
	if (option->count > 0)
		option->texts = xcalloc(option->count + 1, sizeof *option->texts);
	for (size_t i = 0; i < option->count; i++) {
		option->texts[i] = read->values[i]->string;
		read->values[i]->string = NULL;
	}
	return true;
}

/* false: libConfuse saw other values or blocks than the outline. */
static bool
take_values(struct settings_block *block, cfg_t *read)
{
	for (size_t i = 0; block->allowed[i].name != NULL; i++) {
		struct settings_option *option = &block->options[i];
		if (option->line == 0)
			continue;
		cfg_opt_t *have = cfg_getopt(read, block->allowed[i].name);
		if (block->allowed[i].kind != SETTINGS_BLOCK) {
			if (!take_texts(option, have))
				return false;
			continue;
		}
		if (cfg_opt_size(have) != option->count)
			return false;
		for (size_t j = 0; j < option->count; j++) {
			if (!take_values(&option->blocks[j], cfg_opt_getnsec(have, (unsigned)j)))
				return false;
		}
	}
	return true;
}

/* Let libConfuse read the text, and move what it read into the tree. outlined:
 * we understood it to its end. false: reported. */
static bool
read_values(struct parser *parser, struct settings_block *root, bool outlined)
{
	bool taken = false;
	cfg_opt_t *table = make_table(parser, parser->allowed, !outlined);
	cfg_t *read = cfg_init(table, CFGF_NONE);
	free_table(table);
	if (read == NULL) {
		report(parser, SETTINGS_FAULT, 0, "no memory to read it");
		return false;
	}
	parsing = parser;
	cfg_set_error_function(read, report_syntax);
	if (cfg_parse_buf(read, parser->text) != CFG_SUCCESS) {
		if (!parser->faulty)
			report(parser, SETTINGS_FAULT, 0, "cannot be parsed");
		goto out;
	}
	taken = outlined && take_values(root, read);
	if (!taken)
		report(parser, SETTINGS_FAULT, parser->line,
			"something before this is not the syntax of an option");
out:
	parsing = NULL;
	cfg_free(read);
	return taken;
}

struct settings_block *
settings_parse(const char *text, const struct settings_allowed *allowed, settings_fault *fault,
	void *context)
{
	struct parser parser = { .allowed = allowed,
		.fault = fault,
		.context = context,
		.text = xstrdup(text),
		.len = strlen(text),
		.line = 1 };
	struct settings_block *root = xcalloc(1, sizeof *root);
	init_block(root, "", slice_of(""), 0, allowed);

	bool outlined = outline_block(&parser, root);
	/* libConfuse would accept what is cut, or print the rest to standard output. */
	if (parser.cut || !read_values(&parser, root, outlined)) {
		settings_free(root);
		root = NULL;
	}
	free(parser.used);
	free_secret(parser.text, parser.len);
	return root;
}

void
settings_free(struct settings_block *root)
{
	if (root == NULL)
		return;
	free_block(root);
	free(root);
}

/* The tree. */

const struct settings_option *
settings_find(const struct settings_block *block, const char *name)
{
	const struct settings_allowed *found = find_allowed(block->allowed, slice_of(name));
	return found == NULL ? NULL : &block->options[found - block->allowed];
}

const struct settings_block *
settings_find_block(const struct settings_block *block, const char *name, const char *title)
{
	const struct settings_option *option = settings_find(block, name);
	return option == NULL ? NULL : find_titled(option, slice_of(title));
}

const char *
settings_text(const struct settings_block *block, const char *name)
{
	const struct settings_option *option = settings_find(block, name);
	return option == NULL || option->texts == NULL ? NULL : option->texts[0];
}

unsigned
settings_line(const struct settings_block *block, const char *name)
{
	const struct settings_option *option = settings_find(block, name);
	return option == NULL || option->line == 0 ? block->line : option->line;
}

void
settings_fill(const struct settings_block *block, void *out)
{
	for (size_t i = 0; block->allowed[i].name != NULL; i++) {
		const struct settings_option *option = &block->options[i];
		char *at = (char *)out + block->allowed[i].offset;
		switch (block->allowed[i].kind) {
		case SETTINGS_TEXT: {
			const char *text = option->texts == NULL ? NULL : option->texts[0];
			memcpy(at, &text, sizeof text);
			break;
		}
		case SETTINGS_LIST: memcpy(at, &option->texts, sizeof option->texts); break;
		case SETTINGS_BLOCK: break;
		}
	}
}
