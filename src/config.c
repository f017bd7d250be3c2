/* config.c - the configuration file, read whole and then closed (the only user of libConfuse)
 *
 * The text is looked at twice. Our own first look (the outline) knows comments,
 * strings, names and braces: it blanks comments, since libConfuse 3.3 counts a
 * line too many after each and refuses one inside a list; it notes the line of
 * each block, option and value, so that every later fault can name it; it
 * reports what libConfuse would stop at or never see (unknown options, all of
 * them; a missing brace; a block given twice) and blanks the unknown, so that
 * the rest is still checked. Then libConfuse reads the values and stays the
 * judge of the syntax: where the two disagree the file is not usable.
 *
 * Only then is the meaning read. A fault of one endpoint makes that endpoint
 * unusable, any other the whole file. What is read is what was checked: files
 * are opened once and judged by their descriptor (safety.c), and what they were
 * then is what config_changed() compares with.
 *
 * In double quotes libConfuse replaces ${NAME} from the environment, in single
 * quotes it does not.
 *
 * Rejected: libConfuse's own numbers and booleans (a wrong one ends the parse,
 * so only the first fault would be seen), its cfg_parse() (opens by name, and
 * asks the user database, which a static program cannot), its include().
 */
#include "config.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "safety.h"
#include "text.h"

#define FILE_MAX ((size_t)1 << 20)
#define SECRET_MAX ((size_t)65536) /* an RSA key in PEM has 800 bytes */
#define SECRETS_MAX 16
#define MESSAGE_MAX ((size_t)4000) /* bytes; a path has at most 4096 and hardly ever 200 */
#define NAME_MAX_LEN 64            /* of what is compared for "did you mean" */

/* Options. Every value is text: what it should have been is ours to say. */

#define TEXT(name) CFG_STR(name, NULL, CFGF_NODEFAULT)
#define LIST(name) CFG_STR_LIST(name, NULL, CFGF_NODEFAULT)
#define BLOCK(name, options) CFG_SEC(name, options, CFGF_MULTI | CFGF_TITLE)

#define SCHEME_OPTIONS                                                                            \
	LIST("header"), LIST("signature"), TEXT("carriers"), TEXT("algorithm"), TEXT("encoding"), \
		LIST("format"), TEXT("separator"), TEXT("signs"), TEXT("key"), TEXT("key_strip"), \
		TEXT("key_append"), TEXT("timestamp"), TEXT("timestamp_format"),                  \
		TEXT("tolerance"), TEXT("future")

static cfg_opt_t variant_options[] = { SCHEME_OPTIONS, CFG_END() };

static cfg_opt_t handshake_options[] = { TEXT("method"), TEXT("verified"), LIST("when"),
	TEXT("status"), TEXT("type"), TEXT("answer"), CFG_END() };

static cfg_opt_t provider_options[] = { TEXT("title"), TEXT("docs"), TEXT("rests_on"),
	SCHEME_OPTIONS, LIST("event"), LIST("id"), LIST("headers"), TEXT("success"),
	TEXT("success_body"), BLOCK("variant", variant_options),
	BLOCK("handshake", handshake_options), CFG_END() };

static cfg_opt_t on_options[] = { LIST("run"), CFG_END() };

static cfg_opt_t endpoint_options[] = { TEXT("provider"), LIST("secret"), LIST("events"),
	LIST("run"), TEXT("mode"), TEXT("timeout"), TEXT("grace"), TEXT("retries"), TEXT("backoff"),
	TEXT("concurrency"), TEXT("stdin"), LIST("env"), LIST("headers"), TEXT("body_limit"),
	TEXT("dedupe"), TEXT("reply"), TEXT("reply_type"), TEXT("directory"), TEXT("url"),
	BLOCK("on", on_options), CFG_END() };

static cfg_opt_t file_options[] = { TEXT("store"), TEXT("log"), TEXT("log_format"), TEXT("threads"),
	TEXT("read_timeout"), BLOCK("endpoint", endpoint_options),
	BLOCK("provider", provider_options), CFG_END() };

/* What a built-in provider's file may hold. */
static cfg_opt_t builtin_options[] = { BLOCK("provider", provider_options), CFG_END() };

/* A block of the text; block 0 is the file itself. */
struct block {
	size_t parent;
	const char *option; /* "endpoint"; NULL for the file */
	struct slice title;
	unsigned line;
};

#define MENTION UINT_MAX

/* Where an option of a block, or one of its values, stands. */
struct mark {
	size_t block;
	const char *option;
	unsigned index; /* of the value, or MENTION: the option's own name */
	unsigned line;
};

/* One text in our syntax: the configuration file or a built-in provider. */
struct source {
	struct config *config; /* where its faults go */
	const char *label;     /* the file's name in faults */
	char *text;            /* comments are blanked in place; NUL behind it */
	size_t len;
	size_t at;     /* the outline has come to this byte … */
	unsigned line; /* … on this line */
	struct block *blocks;
	size_t block_count;
	struct mark *marks;
	size_t mark_count;
	cfg_t *root; /* NULL: not parsed */
	bool cut;    /* something has no end; reported, and not for libConfuse to see */
	bool broken; /* not usable as a whole */
};

struct loader {
	struct config *config;
	struct source source;
	char *folder; /* relative paths start here */
	mode_t mode;  /* of the configuration file */
};

/* A block being read for its meaning, and whose fault a fault in it is. */
struct section {
	struct loader *loader;
	struct source *source;
	cfg_t *options;
	size_t block;
	struct config_endpoint *endpoint; /* NULL: the whole file's */
};

/* Faults. */

/* Printed text on one line and of bounded length, whatever the configuration holds. */
static char *message_format(const char *format, va_list arguments)
	__attribute__((format(printf, 1, 0)));

static char *
message_format(const char *format, va_list arguments)
{
	char *text = NULL;
	int len = vasprintf(&text, format, arguments);
	if (len == -1)
		return xstrdup("no memory for the message");
	if ((size_t)len > MESSAGE_MAX)
		text[MESSAGE_MAX] = '\0';
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == '\177')
			*c = ' ';
	}
	return text;
}

static char *message_make(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *
message_make(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *message = message_format(format, arguments);
	va_end(arguments);
	return message;
}

static char *
located(const char *file, unsigned line, const char *message)
{
	size_t size = strlen(file) + strlen(message) + 16;
	char *text = xmalloc(size);
	if (line == 0)
		snprintf(text, size, "%s: %s", file, message);
	else
		snprintf(text, size, "%s:%u: %s", file, line, message);
	return text;
}

static int
compare_places(const struct config_fault *fault, const char *file, unsigned line)
{
	int order = strcmp(fault->file, file);
	return order != 0 ? order : (fault->line > line) - (fault->line < line);
}

/* Insert in order of file and line, behind its equals, and once only (a provider
 * that two endpoints name is compiled twice). Takes message. */
static void
add_fault(struct config *config, enum config_severity severity, const char *file, unsigned line,
	char *message)
{
	size_t place = config->fault_count;
	for (size_t i = 0; i < config->fault_count; i++) {
		const struct config_fault *old = &config->faults[i];
		int order = compare_places(old, file, line);
		if (order == 0 && strcmp(old->message, message) == 0) {
			free(message);
			return;
		}
		if (order > 0) {
			place = i;
			break;
		}
	}
	config->faults =
		xreallocarray(config->faults, config->fault_count + 1, sizeof *config->faults);
	memmove(&config->faults[place + 1], &config->faults[place],
		(config->fault_count - place) * sizeof *config->faults);
	config->faults[place] = (struct config_fault){ severity, xstrdup(file), line, message };
	config->fault_count++;
}

/* A fault that makes the whole text unusable. */
static void source_fault(struct source *source, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
source_fault(struct source *source, unsigned line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add_fault(source->config, CONFIG_FAULT, source->label, line,
		message_format(format, arguments));
	va_end(arguments);
	source->broken = true;
}

static void source_warn(struct source *source, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
source_warn(struct source *source, unsigned line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add_fault(source->config, CONFIG_WARNING, source->label, line,
		message_format(format, arguments));
	va_end(arguments);
}

/* Its first fault is what an endpoint answers with. */
static void
endpoint_disable(
	struct config_endpoint *endpoint, const char *file, unsigned line, const char *message)
{
	if (endpoint->unusable == NULL)
		endpoint->unusable = located(file, line, message);
}

/* A fault of the section's endpoint, or of the file. */
static void fault(const struct section *section, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
fault(const struct section *section, unsigned line, const char *format, ...)
{
	struct source *source = section->source;
	va_list arguments;
	va_start(arguments, format);
	char *message = message_format(format, arguments);
	va_end(arguments);
	if (section->endpoint != NULL)
		endpoint_disable(section->endpoint, source->label, line, message);
	else
		source->broken = true;
	add_fault(source->config, CONFIG_FAULT, source->label, line, message);
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

/* Close enough to be a slip, and not just as short. */
static bool
is_close(struct slice wanted, const char *name)
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
blank(struct source *source, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (source->text[i] != '\n')
			source->text[i] = ' ';
	}
}

/* Step over one byte. */
static void
advance(struct source *source)
{
	if (source->text[source->at] == '\n')
		source->line++;
	source->at++;
}

static bool
looking_at(const struct source *source, const char *text)
{
	return strncmp(source->text + source->at, text, strlen(text)) == 0;
}

static void
skip_line_comment(struct source *source)
{
	size_t start = source->at;
	while (source->at < source->len && source->text[source->at] != '\n')
		source->at++;
	blank(source, start, source->at);
}

static void
skip_block_comment(struct source *source)
{
	size_t start = source->at;
	unsigned line = source->line;
	source->at += 2;
	while (source->at < source->len && !looking_at(source, "*/"))
		advance(source);
	if (source->at < source->len)
		source->at += 2;
	else
		source_fault(source, line, "this comment has no end: write */ behind it");
	blank(source, start, source->at);
}

/* White space, comments, and the bytes that libConfuse passes over. */
static void
skip_blanks(struct source *source)
{
	while (source->at < source->len) {
		char c = source->text[source->at];
		if (c == '#' || (c == '/' && looking_at(source, "//")))
			skip_line_comment(source);
		else if (c == '/' && looking_at(source, "/*"))
			skip_block_comment(source);
		else if ((unsigned char)c <= ' ' || c == '*' ||
			 (c == '+' && !looking_at(source, "+=")))
			advance(source);
		else
			break;
	}
}

/* At "${": go behind its brace, when there is one. */
static bool
skip_variable(struct source *source)
{
	if (source->text[source->at] != '$' || !looking_at(source, "${") ||
		strchr(source->text + source->at, '}') == NULL)
		return false;
	while (source->text[source->at] != '}')
		advance(source);
	advance(source);
	return true;
}

/* From the opening quote to behind the closing one. */
static void
read_string(struct source *source, struct token *token)
{
	char quote = source->text[source->at];
	advance(source);
	size_t start = source->at;
	while (source->at < source->len && source->text[source->at] != quote) {
		if (quote == '"' && skip_variable(source)) {
			token->plain = false;
			continue;
		}
		if (source->text[source->at] == '\\') {
			token->plain = false;
			advance(source);
		}
		if (source->at < source->len)
			advance(source);
	}
	token->text = (struct slice){ source->text + start, source->at - start };
	if (source->at < source->len) {
		advance(source);
		return;
	}
	source->cut = true;
	source_fault(source, token->line, "this text has no end: write %c behind it", quote);
	token->kind = TOKEN_OTHER;
}

static void
read_word(struct source *source, struct token *token)
{
	size_t start = source->at;
	if (skip_variable(source))
		token->plain = false;
	else
		source->at += strcspn(source->text + start, " #\"'\t\n\r={}()+,*");
	token->text = (struct slice){ source->text + start, source->at - start };
}

static struct token
next_token(struct source *source)
{
	skip_blanks(source);
	struct token token = { TOKEN_OTHER, source->at, source->line, { "", 0 }, true };
	if (source->at == source->len) {
		token.kind = TOKEN_END;
		return token;
	}
	switch (source->text[source->at]) {
	case '{': token.kind = TOKEN_OPEN; break;
	case '}': token.kind = TOKEN_CLOSE; break;
	case '=': token.kind = TOKEN_EQUALS; break;
	case ',': token.kind = TOKEN_COMMA; break;
	case '(':
	case ')': break;
	case '+':
		token.kind = TOKEN_PLUS_EQUALS;
		source->at++;
		break;
	case '"':
	case '\'':
		token.kind = TOKEN_WORD;
		read_string(source, &token);
		return token;
	default:
		token.kind = TOKEN_WORD;
		read_word(source, &token);
		return token;
	}
	source->at++;
	return token;
}

/* The outline: blocks, options, values. */

static size_t
add_block(struct source *source, size_t parent, const char *option, const struct token *title)
{
	source->blocks =
		xreallocarray(source->blocks, source->block_count + 1, sizeof *source->blocks);
	source->blocks[source->block_count] =
		(struct block){ parent, option, title->text, title->line };
	return source->block_count++;
}

static void
add_mark(struct source *source, size_t block, const char *option, unsigned index, unsigned line)
{
	/* Doubling: a file may hold a great many values. */
	if ((source->mark_count & (source->mark_count - 1)) == 0)
		source->marks = xreallocarray(source->marks,
			source->mark_count == 0 ? 1 : source->mark_count * 2,
			sizeof *source->marks);
	source->marks[source->mark_count++] = (struct mark){ block, option, index, line };
}

/* The last one counts, as for libConfuse. NULL: not there. */
static const struct mark *
find_mark(const struct source *source, size_t block, const char *option, unsigned index)
{
	for (size_t i = source->mark_count; i-- > 0;) {
		const struct mark *mark = &source->marks[i];
		if (mark->block == block && mark->index == index &&
			strcmp(mark->option, option) == 0)
			return mark;
	}
	return NULL;
}

/* Of the last one with this title. 0: none. */
static size_t
find_block(const struct source *source, size_t parent, const char *option, struct slice title)
{
	for (size_t i = source->block_count; i-- > 1;) {
		const struct block *block = &source->blocks[i];
		if (block->parent == parent && strcmp(block->option, option) == 0 &&
			slice_equal(block->title, title))
			return i;
	}
	return 0;
}

static const cfg_opt_t *
find_option(const cfg_opt_t *options, struct slice name)
{
	for (; options->name != NULL; options++) {
		if (slice_is(name, options->name))
			return options;
	}
	return NULL;
}

/* Behind "{": go behind the brace that closes it. false: there is none. */
static bool
skip_braces(struct source *source)
{
	for (size_t depth = 1; depth > 0;) {
		struct token token = next_token(source);
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
skip_unknown(struct source *source, const struct token *name)
{
	size_t end = source->at;
	unsigned end_line = source->line;
	struct token token = next_token(source);
	bool assigned = token.kind == TOKEN_EQUALS || token.kind == TOKEN_PLUS_EQUALS;
	if (assigned || token.kind == TOKEN_WORD)
		token = next_token(source);
	if (token.kind == TOKEN_OPEN && !skip_braces(source)) {
		source->cut = true;
		source_fault(source, token.line, "this { has no end: write } behind it");
		return false;
	}
	if (token.kind != TOKEN_OPEN && !(assigned && token.kind == TOKEN_WORD)) {
		source->at = end;
		source->line = end_line;
	}
	blank(source, name->start, source->at);
	return true;
}

static void
report_unknown(
	struct source *source, size_t block, const cfg_opt_t *options, const struct token *name)
{
	const struct block *parent = &source->blocks[block];
	if (block != 0 && find_option(file_options, name->text) != NULL) {
		source_fault(source, name->line,
			"\"%.*s\" does not belong into the block %s \"%.*s\" of line %u: close "
			"that with } before it",
			(int)name->text.len, name->text.data, parent->option,
			(int)parent->title.len, parent->title.data, parent->line);
		return;
	}
	const char *nearest = NULL;
	for (const cfg_opt_t *option = options; option->name != NULL; option++) {
		if (is_close(name->text, option->name) &&
			(nearest == NULL || distance(name->text, slice_of(option->name)) <
						    distance(name->text, slice_of(nearest))))
			nearest = option->name;
	}
	source_fault(source, name->line, "unknown option \"%.*s\"%s%s%s: %s",
		(int)(name->text.len < 200 ? name->text.len : 200), name->text.data,
		nearest != NULL ? " (did you mean \"" : "", nearest != NULL ? nearest : "",
		nearest != NULL ? "\"?)" : "",
		nearest != NULL ? "correct or remove it"
				: "remove it, hookcgi.conf(5) lists them all");
}

/* Behind the name of an option: its values. false: not the syntax of one. */
static bool
outline_values(
	struct source *source, size_t block, const cfg_opt_t *option, const struct token *name)
{
	struct token token = next_token(source);
	unsigned index = 0;
	if (token.kind == TOKEN_PLUS_EQUALS) {
		while (find_mark(source, block, option->name, index) != NULL)
			index++;
	} else if (token.kind != TOKEN_EQUALS) {
		return false;
	} else if (find_mark(source, block, option->name, MENTION) != NULL) {
		source_warn(source, name->line,
			"\"%s\" is given twice in this block and only this one counts: remove "
			"the other",
			option->name);
	}
	add_mark(source, block, option->name, MENTION, name->line);
	token = next_token(source);
	if (token.kind != TOKEN_OPEN) {
		add_mark(source, block, option->name, index, token.line);
		return token.kind == TOKEN_WORD;
	}
	/* Values and commas in their right order: libConfuse's to judge. */
	while ((token = next_token(source)).kind == TOKEN_WORD || token.kind == TOKEN_COMMA) {
		if (token.kind == TOKEN_WORD)
			add_mark(source, block, option->name, index++, token.line);
	}
	return token.kind == TOKEN_CLOSE;
}

/* A title is compared and printed as it is written, so it has to mean just that. */
static void
check_title(
	struct source *source, size_t parent, const cfg_opt_t *option, const struct token *title)
{
	bool named = option->subopts == endpoint_options || option->subopts == provider_options;
	int len = (int)(title->text.len < 200 ? title->text.len : 200);
	size_t first = find_block(source, parent, option->name, title->text);
	if (!title->plain)
		source_fault(source, title->line,
			"the title of %s \"%.*s\" holds a backslash or ${: write the plain text",
			option->name, len, title->text.data);
	else if (named && !text_is_name(title->text))
		source_fault(source, title->line,
			"\"%.*s\" cannot be the name of %s %s: write 1 to 64 of a-z, 0-9, _ and "
			"-, the first a letter or digit",
			len, title->text.data, option->subopts == endpoint_options ? "an" : "a",
			option->name);
	else if (first != 0)
		source_fault(source, title->line,
			"%s \"%.*s\" is given twice, first in line %u: remove or rename one",
			option->name, len, title->text.data, source->blocks[first].line);
}

/*
 * Everything in a block up to its closing brace. false: something is not our
 * syntax; the outline ends here and libConfuse will say what is wrong.
 */
static bool
outline_block(struct source *source, size_t block, const cfg_opt_t *options)
{
	for (;;) {
		struct token name = next_token(source);
		if (name.kind == TOKEN_END && block != 0) {
			source->cut = true;
			source_fault(source, source->blocks[block].line,
				"the block %s \"%.*s\" that begins here has no end: write } "
				"behind it",
				source->blocks[block].option, (int)source->blocks[block].title.len,
				source->blocks[block].title.data);
		}
		if (name.kind == TOKEN_CLOSE && block == 0)
			source_fault(source, name.line, "a } too much: remove it");
		if (name.kind == TOKEN_END || name.kind == TOKEN_CLOSE)
			return (name.kind == TOKEN_END) == (block == 0);
		if (name.kind != TOKEN_WORD)
			return false;

		const cfg_opt_t *option = find_option(options, name.text);
		if (option == NULL) {
			report_unknown(source, block, options, &name);
			if (!skip_unknown(source, &name))
				return false;
		} else if (option->type != CFGT_SEC) {
			if (!outline_values(source, block, option, &name))
				return false;
		} else {
			struct token title = next_token(source);
			if (title.kind != TOKEN_WORD || next_token(source).kind != TOKEN_OPEN)
				return false;
			check_title(source, block, option, &title);
			title.line = name.line; /* where people look for the block */
			size_t inner = add_block(source, block, option->name, &title);
			if (!outline_block(source, inner, option->subopts))
				return false;
		}
	}
}

/* libConfuse's look. */

/* Its error callback has no argument of ours. Set during source_parse() only. */
static struct source *parsing;

static void syntax_fault(cfg_t *cfg, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void
syntax_fault(cfg_t *cfg, const char *format, va_list arguments)
{
	char *message = message_format(format, arguments);
	source_fault(parsing, (unsigned)cfg->line,
		"%s: write NAME = \"VALUE\", NAME = {\"VALUE\", \"VALUE\"} or NAME \"TITLE\" { … }",
		message);
	free(message);
}

/* Read source->text. On return root is there unless the syntax is wrong. */
static void
source_parse(struct source *source, cfg_opt_t *options)
{
	const struct token whole = { TOKEN_END, 0, 0, { "", 0 }, true };
	source->line = 1;
	add_block(source, 0, NULL, &whole);
	bool outlined = outline_block(source, 0, options);
	unsigned last_line = source->line;
	if (source->cut)
		return; /* libConfuse would accept it, or print the rest to standard output */

	parsing = source;
	cfg_t *root = cfg_init(options, CFGF_NONE);
	if (root == NULL) {
		source_fault(source, 0, "no memory to read it");
		goto out;
	}
	cfg_set_error_function(root, syntax_fault);
	if (cfg_parse_buf(root, source->text) != CFG_SUCCESS) {
		if (!source->broken)
			source_fault(source, 0, "cannot be parsed");
		cfg_free(root);
		goto out;
	}
	if (!outlined)
		source_fault(
			source, last_line, "something before this is not the syntax of an option");
	source->root = root;
out:
	parsing = NULL;
}

static void
source_free(struct source *source)
{
	if (source->root != NULL)
		cfg_free(source->root);
	free(source->marks);
	free(source->blocks);
	free_secret(source->text, source->len);
}

/* Options of a section. */

/* The line of the option, or of its block where it is not given. */
static unsigned
option_line(const struct section *section, const char *name)
{
	const struct mark *mark = find_mark(section->source, section->block, name, MENTION);
	return mark != NULL ? mark->line : section->source->blocks[section->block].line;
}

static unsigned
value_line(const struct section *section, const char *name, unsigned index)
{
	const struct mark *mark = find_mark(section->source, section->block, name, index);
	return mark != NULL ? mark->line : option_line(section, name);
}

static bool
is_given(const struct section *section, const char *name)
{
	return find_mark(section->source, section->block, name, MENTION) != NULL;
}

static unsigned
list_count(const struct section *section, const char *name)
{
	return cfg_size(section->options, name);
}

static const char *
list_value(const struct section *section, const char *name, unsigned index)
{
	return cfg_getnstr(section->options, name, index);
}

/* NULL: not given. */
static const char *
text_value(const struct section *section, const char *name)
{
	return list_count(section, name) == 0 ? NULL : list_value(section, name, 0);
}

static char *
text_copy(const struct section *section, const char *name)
{
	const char *text = text_value(section, name);
	return text == NULL ? NULL : xstrdup(text);
}

/* Read one of the choices into its number; others are reported as wrong. */
static int
choice_value(
	const struct section *section, const char *name, const char *const *choices, int otherwise)
{
	const char *text = text_value(section, name);
	if (text == NULL)
		return otherwise;
	for (int i = 0; choices[i] != NULL; i++) {
		if (strcmp(text, choices[i]) == 0)
			return i;
	}
	struct buf list;
	buf_init(&list, 256);
	for (int i = 0; choices[i] != NULL; i++)
		buf_appendf(&list, "%s\"%s\"", i == 0 ? "" : " or ", choices[i]);
	fault(section, option_line(section, name), "%s = \"%s\" is not known: write %s", name, text,
		buf_text(&list));
	buf_free(&list);
	return otherwise;
}

/* least and most as their texts, so that the fault can print them. */
static int64_t
duration_value(const struct section *section, const char *name, const char *least, const char *most,
	const char *otherwise)
{
	int64_t value = 0;
	int64_t low = 0;
	int64_t high = 0;
	const char *text = text_value(section, name);
	if (!text_parse_duration(text != NULL ? text : otherwise, &value) ||
		!text_parse_duration(least, &low) || !text_parse_duration(most, &high) ||
		value < low || value > high) {
		fault(section, option_line(section, name),
			"%s = \"%s\" is not a duration from %s to %s: write a number and ms, s, "
			"m, h or d, such as \"%s\"",
			name, text != NULL ? text : otherwise, least, most, otherwise);
		value = low;
	}
	return value;
}

static unsigned
number_value(const struct section *section, const char *name, unsigned least, unsigned most,
	unsigned otherwise)
{
	uint64_t value = 0;
	const char *text = text_value(section, name);
	if (text == NULL)
		return otherwise;
	if (text_parse_number(slice_of(text), most, &value) && value >= least)
		return (unsigned)value;
	fault(section, option_line(section, name),
		"%s = \"%s\" is not a number from %u to %u: write one, such as %u", name, text,
		least, most, otherwise);
	return otherwise;
}

static size_t
size_value(const struct section *section, const char *name, size_t most, const char *most_text,
	size_t otherwise)
{
	size_t value = 0;
	const char *text = text_value(section, name);
	if (text == NULL)
		return otherwise;
	if (text_parse_size(text, &value) && value >= 1 && value <= most)
		return value;
	fault(section, option_line(section, name),
		"%s = \"%s\" is not a size from 1 to %s: write a number with or without K, M or "
		"G, such as \"1M\"",
		name, text, most_text);
	return otherwise;
}

static char *
join(const char *first, const char *separator, const char *second)
{
	size_t size = strlen(first) + strlen(separator) + strlen(second) + 1;
	char *joined = xmalloc(size);
	snprintf(joined, size, "%s%s%s", first, separator, second);
	return joined;
}

/* Relative paths start at the folder, the configuration's. */
static char *
absolute_path(const char *folder, const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += strspn(path + 1, "/") + 1;
	return path[0] == '/' ? xstrdup(path) : join(folder, "/", path);
}

/* Watched files. */

/* What the file is: status as it was when it was opened, NULL to look now. */
static void
add_watch(struct config *config, const char *path, const struct stat *status)
{
	struct stat now;
	for (size_t i = 0; i < config->watch_count; i++) {
		if (strcmp(config->watches[i].path, path) == 0)
			return;
	}
	if (status == NULL && stat(path, &now) == 0)
		status = &now;
	config->watches =
		xreallocarray(config->watches, config->watch_count + 1, sizeof *config->watches);
	struct config_watch *watch = &config->watches[config->watch_count++];
	*watch = (struct config_watch){ .path = xstrdup(path) };
	if (status != NULL) {
		watch->present = true;
		watch->device = status->st_dev;
		watch->inode = status->st_ino;
		watch->size = status->st_size;
		watch->modified = status->st_mtim;
		watch->changed = status->st_ctim;
	}
}

/* A refused file, and what was wrong with it: repairing either means load again. */
static void
watch_refused(struct config *config, const char *path, const struct safety_refusal *refusal)
{
	add_watch(config, path, NULL);
	if (refusal->culprit != NULL)
		add_watch(config, refusal->culprit, NULL);
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool
config_changed(const struct config *config)
{
	for (size_t i = 0; i < config->watch_count; i++) {
		const struct config_watch *watch = &config->watches[i];
		struct stat status;
		if ((stat(watch->path, &status) == 0) != watch->present)
			return true;
		if (watch->present &&
			(status.st_dev != watch->device || status.st_ino != watch->inode ||
				status.st_size != watch->size ||
				!same_time(status.st_mtim, watch->modified) ||
				!same_time(status.st_ctim, watch->changed)))
			return true;
	}
	return false;
}

/*
 * All of a file of at most max bytes, with a NUL behind it, for free_secret().
 * NULL: errno says why, EFBIG that it is longer.
 */
static char *
read_all(int fd, size_t max, size_t *len_out)
{
	char *text = xmalloc(max + 1);
	size_t len = 0;
	ssize_t got;
	do {
		got = read(fd, text + len, max + 1 - len);
		if (got > 0)
			len += (size_t)got;
	} while ((got > 0 && len <= max) || (got < 0 && errno == EINTR));
	if (got < 0 || len > max) {
		int error = got < 0 ? errno : EFBIG;
		free_secret(text, len);
		errno = error;
		return NULL;
	}
	text[len] = '\0';
	*len_out = len;
	return text;
}

/* Providers. */

/* Where an option's text goes in the structs that provider.c compiles. */
struct field {
	const char *name;
	size_t offset;
	bool list;
};

#define FIELD(type, member, name)                   \
	{                                           \
		name, offsetof(type, member), false \
	}
#define FIELD_LIST(type, member, name)             \
	{                                          \
		name, offsetof(type, member), true \
	}

static const struct field scheme_fields[] = {
	FIELD_LIST(struct provider_scheme_options, header, "header"),
	FIELD_LIST(struct provider_scheme_options, signature, "signature"),
	FIELD(struct provider_scheme_options, carriers, "carriers"),
	FIELD(struct provider_scheme_options, algorithm, "algorithm"),
	FIELD(struct provider_scheme_options, encoding, "encoding"),
	FIELD_LIST(struct provider_scheme_options, format, "format"),
	FIELD(struct provider_scheme_options, separator, "separator"),
	FIELD(struct provider_scheme_options, signs, "signs"),
	FIELD(struct provider_scheme_options, key, "key"),
	FIELD(struct provider_scheme_options, key_strip, "key_strip"),
	FIELD(struct provider_scheme_options, key_append, "key_append"),
	FIELD(struct provider_scheme_options, timestamp, "timestamp"),
	FIELD(struct provider_scheme_options, timestamp_format, "timestamp_format"),
	FIELD(struct provider_scheme_options, tolerance, "tolerance"),
	FIELD(struct provider_scheme_options, future, "future"),
	{ NULL, 0, false },
};

static const struct field handshake_fields[] = {
	FIELD(struct provider_handshake_options, method, "method"),
	FIELD(struct provider_handshake_options, verified, "verified"),
	FIELD_LIST(struct provider_handshake_options, when, "when"),
	FIELD(struct provider_handshake_options, status, "status"),
	FIELD(struct provider_handshake_options, type, "type"),
	FIELD(struct provider_handshake_options, answer, "answer"),
	{ NULL, 0, false },
};

static const struct field provider_fields[] = {
	FIELD(struct provider_options, title, "title"),
	FIELD(struct provider_options, docs, "docs"),
	FIELD(struct provider_options, rests_on, "rests_on"),
	FIELD_LIST(struct provider_options, event, "event"),
	FIELD_LIST(struct provider_options, id, "id"),
	FIELD_LIST(struct provider_options, headers, "headers"),
	FIELD(struct provider_options, success_status, "success"),
	FIELD(struct provider_options, success_body, "success_body"),
	{ NULL, 0, false },
};

/* Borrow the texts; lists get an array of their own, see free_fields(). */
static void
fill_fields(cfg_t *options, const struct field *fields, void *out)
{
	for (; fields->name != NULL; fields++) {
		unsigned count = cfg_size(options, fields->name);
		void *value = NULL;
		if (count > 0 && fields->list) {
			char **list = xcalloc(count + 1, sizeof *list);
			for (unsigned i = 0; i < count; i++)
				list[i] = cfg_getnstr(options, fields->name, i);
			value = list;
		} else if (count > 0) {
			value = cfg_getnstr(options, fields->name, 0);
		}
		memcpy((char *)out + fields->offset, &value, sizeof value);
	}
}

static void
free_fields(const struct field *fields, void *filled)
{
	for (; fields->name != NULL; fields++) {
		void *value;
		memcpy(&value, (char *)filled + fields->offset, sizeof value);
		if (fields->list)
			free(value);
	}
}

/* A provider's block being compiled. */
struct provider_section {
	struct source *source;
	const char *name;
	size_t block;
	struct config_endpoint *endpoint; /* that names it, or NULL */
};

/* provider.c knows variants and handshakes by their titles only. */
static size_t
find_provider_block(const struct provider_section *section, const char *title, const char *option)
{
	if (title == NULL)
		return section->block;
	size_t variant = find_block(section->source, section->block, "variant", slice_of(title));
	size_t handshake =
		find_block(section->source, section->block, "handshake", slice_of(title));
	if (variant == 0 && handshake == 0)
		return section->block;
	if (variant == 0 ||
		(handshake != 0 && find_option(handshake_options, slice_of(option)) != NULL))
		return handshake;
	return variant;
}

static void
report_provider(void *context, const char *title, const char *option, const char *message)
{
	const struct provider_section *section = context;
	size_t block = find_provider_block(section, title, option);
	const struct mark *mark = find_mark(section->source, block, option, MENTION);
	unsigned line = mark != NULL ? mark->line : section->source->blocks[block].line;
	bool inner = block != section->block;
	char *text = message_make("provider \"%s\"%s%s%s%s%s: %s: %s", section->name,
		inner ? ", " : "", inner ? section->source->blocks[block].option : "",
		inner ? " \"" : "", inner ? title : "", inner ? "\"" : "", option, message);
	if (section->endpoint != NULL)
		endpoint_disable(section->endpoint, section->source->label, line, text);
	add_fault(section->source->config, CONFIG_FAULT, section->source->label, line, text);
}

/* NULL: there were faults; each is reported and disables the endpoint. */
static struct provider *
compile_provider(struct source *source, const char *name, struct config_endpoint *endpoint)
{
	cfg_t *block = cfg_gettsec(source->root, "provider", name);
	struct provider_section section = { source, name,
		find_block(source, 0, "provider", slice_of(name)), endpoint };
	struct provider_options options;
	memset(&options, 0, sizeof options);
	options.name = name;
	fill_fields(block, provider_fields, &options);
	fill_fields(block, scheme_fields, &options.main);

	size_t variant_count = cfg_size(block, "variant");
	size_t handshake_count = cfg_size(block, "handshake");
	struct provider_scheme_options *variants = xcalloc(variant_count, sizeof *variants);
	struct provider_handshake_options *handshakes =
		xcalloc(handshake_count, sizeof *handshakes);
	for (size_t i = 0; i < variant_count; i++) {
		cfg_t *inner = cfg_getnsec(block, "variant", (unsigned)i);
		variants[i].label = cfg_title(inner);
		fill_fields(inner, scheme_fields, &variants[i]);
	}
	for (size_t i = 0; i < handshake_count; i++) {
		cfg_t *inner = cfg_getnsec(block, "handshake", (unsigned)i);
		handshakes[i].label = cfg_title(inner);
		fill_fields(inner, handshake_fields, &handshakes[i]);
	}
	options.variants = variants;
	options.variant_count = variant_count;
	options.handshakes = handshakes;
	options.handshake_count = handshake_count;

	struct provider *provider = provider_compile(&options, report_provider, &section);

	for (size_t i = 0; i < handshake_count; i++)
		free_fields(handshake_fields, &handshakes[i]);
	for (size_t i = 0; i < variant_count; i++)
		free_fields(scheme_fields, &variants[i]);
	free(handshakes);
	free(variants);
	free_fields(scheme_fields, &options.main);
	free_fields(provider_fields, &options);
	return provider;
}

/* NULL: it has a fault, which is reported and disables the endpoint. */
static struct provider *
compile_builtin(
	struct config *config, const char *name, const char *text, struct config_endpoint *endpoint)
{
	struct provider *provider = NULL;
	char label[NAME_MAX_LEN + 32];
	snprintf(label, sizeof label, "built-in provider %s", name);
	struct source source = {
		.config = config, .label = label, .text = xstrdup(text), .len = strlen(text)
	};
	source_parse(&source, builtin_options);
	if (source.root != NULL && !source.broken &&
		cfg_gettsec(source.root, "provider", name) != NULL)
		provider = compile_provider(&source, name, endpoint);
	else if (endpoint != NULL)
		endpoint_disable(endpoint, label, 0, "cannot be read");
	source_free(&source);
	return provider;
}

static void
report_unknown_provider(const struct section *section, const char *name)
{
	struct buf close;
	buf_init(&close, 1024);
	for (unsigned i = 0; i < cfg_size(section->source->root, "provider"); i++) {
		const char *own = cfg_title(cfg_getnsec(section->source->root, "provider", i));
		if (is_close(slice_of(name), own))
			buf_appendf(&close, "%s\"%s\"", close.len > 0 ? ", " : "", own);
	}
	const char *builtin;
	for (size_t i = 0; (builtin = provider_builtin_name(i)) != NULL; i++) {
		if (is_close(slice_of(name), builtin))
			buf_appendf(&close, "%s\"%s\"", close.len > 0 ? ", " : "", builtin);
	}
	fault(section, option_line(section, "provider"),
		"there is no provider \"%s\"%s%s%s: \"hookcgi provider\" lists those that are "
		"built in; one of your own needs a block provider \"%s\" { … }",
		name, close.len > 0 ? " (did you mean " : "", buf_text(&close),
		close.len > 0 ? "?)" : "", name);
	buf_free(&close);
}

/* The file's own blocks come first, so that a built-in one can be changed. */
static void
load_provider(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const char *name = text_value(section, "provider");
	if (name == NULL) {
		fault(section, option_line(section, "provider"),
			"endpoint \"%s\" has no provider: write provider = \"NAME\" (\"hookcgi "
			"provider\" lists them)",
			endpoint->name);
	} else if (cfg_gettsec(section->source->root, "provider", name) != NULL) {
		endpoint->provider = compile_provider(section->source, name, endpoint);
	} else {
		const char *text = text_is_name(slice_of(name)) ? provider_builtin(name) : NULL;
		if (text != NULL)
			endpoint->provider =
				compile_builtin(section->loader->config, name, text, endpoint);
		else
			report_unknown_provider(section, name);
	}
}

struct provider *
config_builtin_provider(const char *name, char reason_out[256])
{
	const char *text = provider_builtin(name);
	if (text == NULL) {
		snprintf(reason_out, 256, "there is no built-in provider of that name");
		return NULL;
	}
	struct config *config = xcalloc(1, sizeof *config);
	struct provider *provider = compile_builtin(config, name, text, NULL);
	if (provider == NULL) {
		const struct config_fault *first = config->faults;
		snprintf(reason_out, 256, "%s:%u: %s", first != NULL ? first->file : name,
			first != NULL ? first->line : 0,
			first != NULL ? first->message : "cannot be read");
	}
	config_free(config);
	return provider;
}

/* Secrets. */

static bool
is_blank_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (memchr(" \t\r\n\v\f", text[i], 6) == NULL)
			return false;
	}
	return true;
}

/* Editors end a file with a newline; it belongs to no secret. */
static size_t
without_newline(const char *text, size_t len)
{
	if (len == 0 || text[len - 1] != '\n')
		return len;
	return len > 1 && text[len - 2] == '\r' ? len - 2 : len - 1;
}

/* false: reported. */
static bool
read_secret_file(const struct section *section, const char *path, unsigned line,
	struct config_secret *secret)
{
	struct config *config = section->loader->config;
	struct safety_refusal refusal;
	struct stat status;
	char *text = NULL;
	size_t len = 0;

	safety_refusal_init(&refusal);
	int fd = safety_open(path, SAFETY_SECRET, &status, &refusal);
	if (fd == -1) {
		watch_refused(config, path, &refusal);
		fault(section, line, "the secret cannot be used: %s", buf_text(&refusal.reason));
		goto out;
	}
	add_watch(config, path, &status);
	text = read_all(fd, SECRET_MAX, &len);
	if (text == NULL) {
		fault(section, line, "the secret %s %s", path,
			errno == EFBIG ? "is longer than 64 KiB: name the right file"
				       : "cannot be read: look at the file system");
		goto out;
	}
	secret->len = without_newline(text, len);
	secret->text = xmemdup0(text, secret->len);
out:
	free_secret(text, len);
	if (fd != -1)
		close(fd);
	safety_refusal_free(&refusal);
	return secret->text != NULL;
}

static bool
read_secret_variable(const struct section *section, const char *name, unsigned line,
	struct config_secret *secret)
{
	const char *value = name[0] != '\0' && strchr(name, '=') == NULL ? getenv(name) : NULL;
	if (value == NULL) {
		fault(section, line,
			"the secret cannot be used: the environment variable \"%s\" is not set "
			"for this process: set it, or write \"file:PATH\"",
			name);
		return false;
	}
	secret->text = xstrdup(value);
	secret->len = strlen(value);
	return true;
}

static bool
read_secret_literal(const struct section *section, const char *value, unsigned line,
	struct config_secret *secret)
{
	const struct loader *loader = section->loader;
	if ((loader->mode & S_IROTH) != 0) {
		fault(section, line,
			"a secret stands in this file and others can read it (mode %04o): chmod "
			"640 %s, or move the secret into a file and write \"file:PATH\"",
			(unsigned)loader->mode & 07777U, loader->config->path);
		return false;
	}
	secret->text = xstrdup(value);
	secret->len = strlen(value);
	return true;
}

static void
free_secret_of(struct config_secret *secret)
{
	free_secret(secret->text, secret->len);
	free(secret->source);
}

/* Read one secret as it is written; false: reported, and nothing to free. */
static bool
read_secret(
	const struct section *section, const char *value, unsigned line, struct config_secret *out)
{
	struct config_secret secret = { NULL, 0, NULL };
	bool read;
	if (strncmp(value, "file:", 5) == 0 && value[5] != '\0') {
		char *path = absolute_path(section->loader->folder, value + 5);
		read = read_secret_file(section, path, line, &secret);
		secret.source = join("file:", "", path);
		free(path);
	} else if (strncmp(value, "file:", 5) == 0) {
		fault(section, line, "\"file:\" names no file: write \"file:PATH\"");
		return false;
	} else if (strncmp(value, "env:", 4) == 0) {
		read = read_secret_variable(section, value + 4, line, &secret);
		secret.source = xstrdup(value);
	} else {
		read = read_secret_literal(section, value, line, &secret);
		secret.source = xstrdup("literal");
	}
	if (read && is_blank_text(secret.text, secret.len)) {
		fault(section, line,
			"the secret (%s) is empty, and anybody could sign with it: put in the "
			"sender's, or one from \"hookcgi secret\"",
			secret.source);
		read = false;
	}
	if (read)
		*out = secret;
	else
		free_secret_of(&secret);
	return read;
}

static bool
needs_secret(const struct provider *provider)
{
	for (size_t i = 0; i < provider->scheme_count; i++) {
		if (provider->schemes[i].method != PROVIDER_NONE)
			return true;
	}
	return false;
}

static void
load_secrets(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	unsigned count = list_count(section, "secret");
	unsigned line = option_line(section, "secret");
	/* A provider with a fault cannot say whether it needs one. */
	if (count == 0 && endpoint->provider != NULL && needs_secret(endpoint->provider))
		fault(section, line, "endpoint \"%s\" has no secret: write secret = \"file:PATH\"",
			endpoint->name);
	if (count > 0 && endpoint->provider != NULL && !needs_secret(endpoint->provider))
		source_warn(section->source, line,
			"the secret is not used, provider \"%s\" checks no signature: remove it, "
			"or name the sender's provider",
			endpoint->provider->name);
	if (count > SECRETS_MAX) {
		fault(section, line, "%u secrets are too many: keep at most %d", count,
			SECRETS_MAX);
		return;
	}
	endpoint->secrets = xcalloc(count, sizeof *endpoint->secrets);
	for (unsigned i = 0; i < count; i++) {
		if (read_secret(section, list_value(section, "secret", i),
			    value_line(section, "secret", i),
			    &endpoint->secrets[endpoint->secret_count]))
			endpoint->secret_count++;
	}
}

/* Patterns. */

/*
 * At "[": does the set hold the byte? *pattern goes behind "]". A set without
 * an end matches nothing and moves to the pattern's end.
 */
static bool
set_matches(const char **pattern, unsigned char byte)
{
	const char *p = *pattern + 1;
	bool negated = *p == '!' || *p == '^';
	bool found = false;
	if (negated)
		p++;
	const char *start = p;
	while (*p != '\0' && (*p != ']' || p == start)) {
		unsigned char low = (unsigned char)*p;
		unsigned char high = low;
		if (p[1] == '-' && p[2] != ']' && p[2] != '\0') {
			high = (unsigned char)p[2];
			p += 2;
		}
		found = found || (byte >= low && byte <= high);
		p++;
	}
	*pattern = *p == ']' ? p + 1 : p;
	return *p == ']' && found != negated;
}

/* Does the pattern's next element, which is not "*", take the byte? It is stepped over. */
static bool
element_matches(const char **pattern, unsigned char byte)
{
	const char *p = *pattern;
	if (*p == '[')
		return set_matches(pattern, byte);
	bool escaped = *p == '\\' && p[1] != '\0';
	if (escaped)
		p++;
	*pattern = p + 1;
	return (*p == '?' && !escaped) || (unsigned char)*p == byte;
}

/* Not fnmatch(3): that wants a NUL behind a sender's bytes, obeys the locale, and
 * takes exponential time with many "*". Here only the last "*" is ever retried. */
bool
config_pattern_matches(const char *pattern, struct slice event)
{
	const char *p = pattern;
	const char *star = NULL; /* behind the last "*" */
	size_t at = 0;
	size_t retry = 0;
	while (at < event.len) {
		if (*p == '*') {
			star = ++p;
			retry = at;
		} else if (*p != '\0' && element_matches(&p, (unsigned char)event.data[at])) {
			at++;
		} else if (star != NULL) {
			p = star;
			at = ++retry;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

/* NULL: well formed; else what is wrong with it. */
static const char *
pattern_fault(const char *pattern)
{
	if (*pattern == '\0')
		return "is empty and matches nothing: write \"*\" for every event";
	while (*pattern != '\0') {
		if (*pattern == '[') {
			const char *start = pattern;
			set_matches(&pattern, 0);
			if (pattern[-1] != ']' || pattern - start < 3)
				return "has a [ without its ]: close it, or write \\[";
		} else if (*pattern == '\\' && pattern[1] == '\0') {
			return "ends in a backslash: write \\\\ for one";
		} else {
			pattern += *pattern == '\\' ? 2 : 1;
		}
	}
	return NULL;
}

static void
load_events(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	unsigned count = list_count(section, "events");
	if (count == 0 && is_given(section, "events"))
		fault(section, option_line(section, "events"),
			"events is empty and nothing would be wanted: write events = {\"*\"} or "
			"remove it");
	endpoint->events = xcalloc(count + 1, sizeof *endpoint->events);
	for (unsigned i = 0; i < count; i++) {
		const char *pattern = list_value(section, "events", i);
		const char *wrong = pattern_fault(pattern);
		if (wrong != NULL)
			fault(section, value_line(section, "events", i), "the pattern \"%s\" %s",
				pattern, wrong);
		endpoint->events[endpoint->event_count++] = xstrdup(pattern);
	}
	if (count == 0)
		endpoint->events[endpoint->event_count++] = xstrdup("*");
}

/* What is run. */

/* NULL: reported. */
static struct template *
parse_template(const struct section *section, unsigned line, const char *what, const char *text)
{
	char reason[256];
	struct template *template = template_parse(text, reason);
	if (template == NULL) {
		fault(section, line, "%s: %s", what, reason);
		return NULL;
	}
	if (template_refers(template, TEMPLATE_SECRET) ||
		template_refers(template, TEMPLATE_SIGNATURE)) {
		fault(section, line,
			"%s: {secret} and {signature} are not given to handlers: remove them",
			what);
		template_free(template);
		return NULL;
	}
	return template;
}

/* A template that stands for exactly this text. */
static struct template *
literal_template(const char *text)
{
	char reason[256];
	size_t len = 0;
	char *escaped = xmalloc(2 * strlen(text) + 1);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '{' || *c == '}')
			escaped[len++] = *c;
		escaped[len++] = *c;
	}
	escaped[len] = '\0';
	struct template *template = template_parse(escaped, reason);
	free(escaped);
	return template;
}

/* What is missing now may be there when an event comes: it is looked for again
 * then. What others can write is never run. */
static void
check_program(const struct section *section, unsigned line, const char *path)
{
	struct safety_refusal refusal;
	safety_refusal_init(&refusal);
	switch (safety_check_program(path, &refusal)) {
	case SAFETY_PROGRAM_FINE: break;
	case SAFETY_PROGRAM_ABSENT:
		source_warn(section->source, line, "this handler cannot run: %s",
			buf_text(&refusal.reason));
		break;
	case SAFETY_PROGRAM_UNSAFE:
		watch_refused(section->loader->config, path, &refusal);
		fault(section, line, "this handler is not safe to run: %s",
			buf_text(&refusal.reason));
		break;
	}
	safety_refusal_free(&refusal);
}

/* NULL: reported. */
static struct template *
load_program(const struct section *section, const char *program)
{
	unsigned line = value_line(section, "run", 0);
	if (strchr(program, '/') == NULL || strpbrk(program, "{}") != NULL) {
		fault(section, line,
			"run = {\"%s\", …}: the program has to be a fixed path with a slash: "
			"write \"/path/to/%s\" or \"./NAME\" (beside this file)",
			program, strpbrk(program, "{}/") == NULL ? program : "program");
		return NULL;
	}
	char *path = absolute_path(section->loader->folder, program);
	check_program(section, line, path);
	struct template *template = literal_template(path);
	if (template == NULL)
		fault(section, line, "the path %s is too long: shorten it", path);
	free(path);
	return template;
}

/* The option "run" of an endpoint or an "on" block; events says which it is for. */
static void
load_run(const struct section *section, const char *events, struct config_run *run)
{
	unsigned count = list_count(section, "run");
	if (!is_given(section, "run"))
		source_warn(section->source, option_line(section, "run"),
			"nothing is run for %s of endpoint \"%s\", they are accepted and "
			"answered only: write run = {\"/path/to/program\"}, or run = {} if that "
			"is meant",
			events, section->endpoint->name);
	if (count == 0)
		return;
	run->argv = xcalloc(count, sizeof(struct template *));
	struct template *argument = load_program(section, list_value(section, "run", 0));
	if (argument == NULL)
		return;
	run->argv[run->argc++] = argument;
	for (unsigned i = 1; i < count; i++) {
		argument = parse_template(section, value_line(section, "run", i), "run",
			list_value(section, "run", i));
		if (argument != NULL)
			run->argv[run->argc++] = argument;
	}
}

static void
load_rules(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	unsigned count = cfg_size(section->options, "on");
	endpoint->rules = xcalloc(count, sizeof *endpoint->rules);
	for (unsigned i = 0; i < count; i++) {
		struct section rule = *section;
		rule.options = cfg_getnsec(section->options, "on", i);
		const char *pattern = cfg_title(rule.options);
		rule.block = find_block(section->source, section->block, "on", slice_of(pattern));
		const char *wrong = pattern_fault(pattern);
		if (wrong != NULL)
			fault(section, section->source->blocks[rule.block].line,
				"the pattern \"%s\" %s", pattern, wrong);
		struct config_run *run = &endpoint->rules[endpoint->rule_count++];
		run->pattern = xstrdup(pattern);
		load_run(&rule, "these events", run);
	}
}

/*
 * Names that make a program run or load something else, before its first own
 * line or when it starts another: search paths, start-up files and options of
 * shells, interpreters and the dynamic linker, and what a handler is given
 * anyway. A value may come from the sender. TZ, LANG and LC_* only choose among
 * what is installed, and may be set. "*" at the end stands for any rest.
 */
static const char *const obeyed_names[] = { "HOOK_*", "PATH", "HOME", "IFS", "ENV", "BASH_ENV",
	"BASHOPTS", "SHELLOPTS", "SHELL", "PS4", "CDPATH", "GLOBIGNORE", "FPATH", "ZDOTDIR", "LD_*",
	"DYLD_*", "GCONV_PATH", "LOCPATH", "NLSPATH", "MALLOC_*", "GLIBC_TUNABLES", "HOSTALIASES",
	"PERL*", "PYTHON*", "RUBY*", "GEM_*", "BUNDLE_*", "NODE_*", "LUA_*", "PHPRC", "PHP_INI_*",
	"JAVA_*", "JDK_*", "CLASSPATH", "TCLLIBPATH", "GIT_*", "SSH_*", "EDITOR", "VISUAL", "PAGER",
	"LESSOPEN", "LESSCLOSE", "MANPAGER", "BROWSER", "OPENSSL_CONF", "OPENSSL_MODULES",
	"SSL_CERT_*", "CURL_HOME", "XDG_*", "HTTP_*", "HTTPS_PROXY", "ALL_PROXY", NULL };

static bool
is_obeyed(const char *name)
{
	for (size_t i = 0; obeyed_names[i] != NULL; i++) {
		if (config_pattern_matches(obeyed_names[i], slice_of(name)))
			return true;
	}
	return false;
}

static bool
is_variable_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	if (*name == '\0' || strchr(letters, *name) == NULL)
		return false;
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")] == '\0';
}

static bool
has_variable(const struct config_endpoint *endpoint, const char *name)
{
	for (size_t i = 0; i < endpoint->env_count; i++) {
		if (strcmp(endpoint->env[i].name, name) == 0)
			return true;
	}
	return false;
}

/* One "NAME=TEMPLATE". */
static void
load_variable(const struct section *section, const char *text, unsigned line)
{
	struct config_endpoint *endpoint = section->endpoint;
	const char *equals = strchr(text, '=');
	if (equals == NULL) {
		fault(section, line, "env: \"%s\" has no \"=\": write \"NAME=VALUE\"", text);
		return;
	}
	char *name = xmemdup0(text, (size_t)(equals - text));
	struct template *value = NULL;
	if (!is_variable_name(name))
		fault(section, line,
			"env: \"%s\" cannot be a name: write A-Z, 0-9 and _, the first no digit",
			name);
	else if (is_obeyed(name))
		fault(section, line,
			"env: %s is obeyed by programs or set by hookcgi itself, a sender's text "
			"must not be in it: take another name",
			name);
	else if (has_variable(endpoint, name))
		fault(section, line, "env: %s is given twice: remove one", name);
	else
		value = parse_template(section, line, "env", equals + 1);
	if (value == NULL) {
		free(name);
		return;
	}
	endpoint->env[endpoint->env_count++] = (struct config_env){ name, value };
}

static void
load_env(const struct section *section)
{
	unsigned count = list_count(section, "env");
	section->endpoint->env = xcalloc(count, sizeof *section->endpoint->env);
	for (unsigned i = 0; i < count; i++)
		load_variable(
			section, list_value(section, "env", i), value_line(section, "env", i));
}

/* Endpoints. */

/* RFC 9110 5.6.2 */
static const char token_bytes[] = "!#$%&'*+-.^_`|~0123456789"
				  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static void
load_headers(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	unsigned count = list_count(section, "headers");
	endpoint->headers = xcalloc(count, sizeof *endpoint->headers);
	for (unsigned i = 0; i < count; i++) {
		const char *name = list_value(section, "headers", i);
		if (*name == '\0' || name[strspn(name, token_bytes)] != '\0')
			fault(section, value_line(section, "headers", i),
				"\"%s\" cannot be the name of a header: write one such as "
				"\"X-Request-Id\"",
				name);
		endpoint->headers[endpoint->header_count++] = xstrdup(name);
	}
}

/* type/subtype, and parameters of printable ASCII (RFC 9110 8.3.1). */
static bool
is_media_type(const char *text)
{
	size_t type = strspn(text, token_bytes);
	if (type == 0 || text[type] != '/' || strlen(text) > 200)
		return false;
	const char *rest = text + type + 1;
	size_t subtype = strspn(rest, token_bytes);
	if (subtype == 0 || (rest[subtype] != '\0' && rest[subtype] != ';' && rest[subtype] != ' '))
		return false;
	for (rest += subtype; *rest != '\0'; rest++) {
		if (*rest < ' ' || *rest > '~')
			return false;
	}
	return true;
}

static void
load_reply(const struct section *section)
{
	static const char *const kinds[] = { "output", "none", NULL };
	struct config_endpoint *endpoint = section->endpoint;
	const char *type = text_value(section, "reply_type");
	endpoint->reply =
		(enum config_reply)choice_value(section, "reply", kinds, CONFIG_REPLY_OUTPUT);
	endpoint->reply_type = xstrdup(type != NULL ? type : "text/plain; charset=utf-8");
	if (!is_media_type(endpoint->reply_type))
		fault(section, option_line(section, "reply_type"),
			"reply_type = \"%s\" is not a media type: write one such as "
			"\"application/json\"",
			type);
}

static void
load_url(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	endpoint->url = text_copy(section, "url");
	if (endpoint->url == NULL)
		return;
	bool plain = true;
	for (const char *c = endpoint->url; *c != '\0'; c++)
		plain = plain && *c > ' ' && *c != '\177';
	if (!plain || (strncmp(endpoint->url, "https://", 8) != 0 &&
			      strncmp(endpoint->url, "http://", 7) != 0))
		fault(section, option_line(section, "url"),
			"url = \"%s\" is not a web address: write it as it stands at the sender, "
			"\"https://HOST/PATH\"",
			endpoint->url);
}

static void
load_directory(const struct section *section)
{
	struct config_endpoint *endpoint = section->endpoint;
	const char *path = text_value(section, "directory");
	struct stat status;
	if (path == NULL)
		return;
	endpoint->directory = absolute_path(section->loader->folder, path);
	if (stat(endpoint->directory, &status) != 0 || !S_ISDIR(status.st_mode))
		source_warn(section->source, option_line(section, "directory"),
			"the handler's directory %s is not there: create it or correct the path",
			endpoint->directory);
}

static void
load_mode(const struct section *section)
{
	static const char *const modes[] = { "wait", "queue", NULL };
	section->endpoint->mode =
		(enum config_mode)choice_value(section, "mode", modes, CONFIG_MODE_WAIT);
	if (section->endpoint->mode == CONFIG_MODE_QUEUE)
		fault(section, option_line(section, "mode"),
			"mode = \"queue\" is not in this version: write mode = \"wait\"");
}

static void
load_limits(const struct section *section)
{
	static const char *const inputs[] = { "json", "raw", "none", NULL };
	static const char *const dedupes[] = { "id", "body", "off", NULL };
	struct config_endpoint *endpoint = section->endpoint;
	endpoint->timeout_ms = duration_value(section, "timeout", "1s", "1h", "30s");
	endpoint->grace_ms = duration_value(section, "grace", "0", "5m", "5s");
	endpoint->backoff_ms = duration_value(section, "backoff", "1s", "1d", "10s");
	endpoint->retries = number_value(section, "retries", 0, 1000, 8);
	endpoint->concurrency = number_value(section, "concurrency", 1, 1000, 1);
	endpoint->body_limit =
		size_value(section, "body_limit", (size_t)1 << 30, "1G", (size_t)1 << 20);
	endpoint->stdin_kind =
		(enum config_stdin)choice_value(section, "stdin", inputs, CONFIG_STDIN_JSON);
	endpoint->dedupe =
		(enum config_dedupe)choice_value(section, "dedupe", dedupes, CONFIG_DEDUPE_ID);
}

static void
load_endpoint(struct loader *loader, cfg_t *options)
{
	struct config *config = loader->config;
	config->endpoints = xreallocarray(
		config->endpoints, config->endpoint_count + 1, sizeof *config->endpoints);
	struct config_endpoint *endpoint = &config->endpoints[config->endpoint_count++];
	memset(endpoint, 0, sizeof *endpoint);
	endpoint->name = xstrdup(cfg_title(options));

	struct section section = { loader, &loader->source, options,
		find_block(&loader->source, 0, "endpoint", slice_of(endpoint->name)), endpoint };
	endpoint->line = loader->source.blocks[section.block].line;
	load_provider(&section);
	load_secrets(&section);
	load_events(&section);
	load_run(&section, list_count(&section, "on") > 0 ? "the other events" : "the events",
		&endpoint->run);
	load_rules(&section);
	load_env(&section);
	load_headers(&section);
	load_directory(&section);
	load_url(&section);
	load_mode(&section);
	load_reply(&section);
	load_limits(&section);
}

static int
compare_endpoints(const void *a, const void *b)
{
	return strcmp(((const struct config_endpoint *)a)->name,
		((const struct config_endpoint *)b)->name);
}

static void
load_endpoints(struct loader *loader, const char *only)
{
	struct config *config = loader->config;
	for (unsigned i = 0; i < cfg_size(loader->source.root, "endpoint"); i++) {
		cfg_t *options = cfg_getnsec(loader->source.root, "endpoint", i);
		if (only == NULL || strcmp(only, cfg_title(options)) == 0)
			load_endpoint(loader, options);
	}
	if (config->endpoint_count > 1)
		qsort(config->endpoints, config->endpoint_count, sizeof *config->endpoints,
			compare_endpoints);
}

/* Blocks that no endpoint names are checked too: they are written to be used. */
static void
check_providers(struct loader *loader)
{
	for (unsigned i = 0; i < cfg_size(loader->source.root, "provider"); i++)
		provider_free(compile_provider(&loader->source,
			cfg_title(cfg_getnsec(loader->source.root, "provider", i)), NULL));
}

/* The file. */

static void
load_log(const struct section *section)
{
	static const char *const formats[] = { "text", "json", NULL };
	struct config *config = section->loader->config;
	const char *log = text_value(section, "log");
	config->log_json = choice_value(section, "log_format", formats, 0) == 1;
	if (log != NULL && strncmp(log, "file:", 5) == 0 && log[5] != '\0') {
		char *path = absolute_path(section->loader->folder, log + 5);
		config->log = join("file:", "", path);
		free(path);
		return;
	}
	config->log = xstrdup(log != NULL ? log : "stderr");
	if (strcmp(config->log, "stderr") != 0 && strcmp(config->log, "syslog") != 0)
		fault(section, option_line(section, "log"),
			"log = \"%s\" is not known: write \"stderr\", \"syslog\" or \"file:PATH\"",
			config->log);
}

static void
load_top(struct loader *loader)
{
	struct config *config = loader->config;
	const struct section section = { loader, &loader->source, loader->source.root, 0, NULL };
	const char *store = text_value(&section, "store");
	config->store = xstrdup(store != NULL ? store : "none");
	if (strcmp(config->store, "none") != 0)
		fault(&section, option_line(&section, "store"),
			"store = \"%s\" is not in this version: write store = \"none\"", store);
	load_log(&section);
	config->threads = number_value(&section, "threads", 1, 512, 64);
	config->read_timeout_ms = duration_value(&section, "read_timeout", "1s", "10m", "20s");
}

/* Read the file into loader->source. false: reported, the file is not usable. */
static bool
read_file(struct loader *loader)
{
	struct config *config = loader->config;
	struct source *source = &loader->source;
	struct safety_refusal refusal;
	struct stat status;

	safety_refusal_init(&refusal);
	int fd = safety_open(config->path, SAFETY_TEXT, &status, &refusal);
	if (fd == -1) {
		watch_refused(config, config->path, &refusal);
		source_fault(source, 0, "the configuration cannot be used: %s",
			buf_text(&refusal.reason));
		goto out;
	}
	add_watch(config, config->path, &status);
	loader->mode = status.st_mode;
	source->text = read_all(fd, FILE_MAX, &source->len);
	if (source->text == NULL)
		source_fault(source, 0, "the configuration cannot be read: %s",
			errno == EFBIG ? "it is longer than 1 MiB" : strerror(errno));
	else if (strlen(source->text) != source->len)
		source_fault(source, 0,
			"there is a zero byte in the configuration: write it as plain text "
			"(UTF-8)");
out:
	if (fd != -1)
		close(fd);
	safety_refusal_free(&refusal);
	return !source->broken;
}

/* Overwrite the literal secrets that libConfuse holds. (Its scanner's buffers are
 * out of reach.) */
static void
wipe_secrets(cfg_t *root)
{
	for (unsigned i = 0; i < cfg_size(root, "endpoint"); i++) {
		cfg_opt_t *option = cfg_getopt(cfg_getnsec(root, "endpoint", i), "secret");
		for (unsigned j = 0; j < cfg_opt_size(option); j++) {
			char *value = cfg_opt_getnstr(option, j);
			explicit_bzero(value, strlen(value));
		}
	}
}

/* So that a process that goes elsewhere still finds its files. */
static char *
path_from_here(const char *path)
{
	char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *absolute = here == NULL ? xstrdup(path) : join(here, "/", path);
	free(here);
	return absolute;
}

struct config *
config_load(const char *path, const char *only, bool *usable_out)
{
	struct config *config = xcalloc(1, sizeof *config);
	config->path = path_from_here(path);
	struct loader loader = { .config = config };
	loader.source.config = config;
	loader.source.label = config->path;
	loader.folder = xstrdup(config->path);
	char *slash = strrchr(loader.folder, '/');
	if (slash != NULL)
		*slash = '\0'; /* "" for the root: paths get their own slash */

	if (read_file(&loader))
		source_parse(&loader.source, file_options);
	if (loader.source.root != NULL) {
		load_top(&loader);
		load_endpoints(&loader, only);
		if (only == NULL)
			check_providers(&loader);
		wipe_secrets(loader.source.root);
	}
	*usable_out = loader.source.root != NULL && !loader.source.broken;
	source_free(&loader.source);
	free(loader.folder);
	return config;
}

static void
free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void
free_run(struct config_run *run)
{
	for (size_t i = 0; i < run->argc; i++)
		template_free(run->argv[i]);
	free(run->argv);
	free(run->pattern);
}

static void
free_endpoint(struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->secret_count; i++)
		free_secret_of(&endpoint->secrets[i]);
	free(endpoint->secrets);
	for (size_t i = 0; i < endpoint->rule_count; i++)
		free_run(&endpoint->rules[i]);
	free(endpoint->rules);
	free_run(&endpoint->run);
	for (size_t i = 0; i < endpoint->env_count; i++) {
		free(endpoint->env[i].name);
		template_free(endpoint->env[i].value);
	}
	free(endpoint->env);
	free_texts(endpoint->events, endpoint->event_count);
	free_texts(endpoint->headers, endpoint->header_count);
	provider_free(endpoint->provider);
	free(endpoint->reply_type);
	free(endpoint->url);
	free(endpoint->directory);
	free(endpoint->unusable);
	free(endpoint->name);
}

void
config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->endpoint_count; i++)
		free_endpoint(&config->endpoints[i]);
	free(config->endpoints);
	for (size_t i = 0; i < config->fault_count; i++) {
		free(config->faults[i].file);
		free(config->faults[i].message);
	}
	free(config->faults);
	for (size_t i = 0; i < config->watch_count; i++)
		free(config->watches[i].path);
	free(config->watches);
	free(config->log);
	free(config->store);
	free(config->path);
	free(config);
}

static int
compare_name(const void *name, const void *endpoint)
{
	const struct slice *wanted = name;
	const char *have = ((const struct config_endpoint *)endpoint)->name;
	size_t len = strlen(have);
	int order = memcmp(wanted->data, have, wanted->len < len ? wanted->len : len);
	return order != 0 ? order : (wanted->len > len) - (wanted->len < len);
}

const struct config_endpoint *
config_find(const struct config *config, struct slice name)
{
	if (name.len == 0 || config->endpoint_count == 0)
		return NULL;
	return bsearch(&name, config->endpoints, config->endpoint_count, sizeof *config->endpoints,
		compare_name);
}

const struct config_run *
config_run_for(const struct config_endpoint *endpoint, struct slice event)
{
	for (size_t i = 0; i < endpoint->rule_count; i++) {
		if (config_pattern_matches(endpoint->rules[i].pattern, event))
			return &endpoint->rules[i];
	}
	for (size_t i = 0; i < endpoint->event_count; i++) {
		if (config_pattern_matches(endpoint->events[i], event))
			return &endpoint->run;
	}
	return NULL;
}

/*
 * The effective user's home, from /etc/passwd itself: getpwuid(3) would load
 * NSS, which a static program cannot, and HOME is the web server's to set.
 * NULL: not there.
 */
static char *
home_folder(void)
{
	char *home = NULL;
	FILE *file = fopen("/etc/passwd", "re");
	if (file == NULL)
		return NULL;
	for (const struct passwd *user; home == NULL && (user = fgetpwent(file)) != NULL;) {
		if (user->pw_uid == geteuid() && user->pw_dir[0] == '/')
			home = xstrdup(user->pw_dir);
	}
	fclose(file);
	return home;
}

char *
config_path(const char *given, const char *requested)
{
	const char *named = given != NULL ? given : getenv("HOOKCGI_CONFIG");
	if (named == NULL || named[0] == '\0')
		named = requested;
	if (named != NULL && named[0] != '\0')
		return xstrdup(named);
	char *home = home_folder();
	char *path = home != NULL ? join(home, "/", ".config/hookcgi/hookcgi.conf") : NULL;
	free(home);
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	free(path);
	return xstrdup("/etc/hookcgi/hookcgi.conf");
}
