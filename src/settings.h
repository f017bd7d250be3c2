/* settings.h - a text in our configuration syntax as a checked tree (the only user of libConfuse)
 *
 *	NAME = "VALUE"    NAME = {"VALUE", "VALUE"}    NAME += {"VALUE"}    NAME "TITLE" { … }
 *
 * What may stand where is a table of the caller's; what the values mean is his
 * to say too. To a value belongs its line, so that he can name it in a fault.
 */
#ifndef HOOKCGI_SETTINGS_H
#define HOOKCGI_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

enum settings_kind {
	SETTINGS_TEXT,  /* one value */
	SETTINGS_LIST,  /* any number of values */
	SETTINGS_BLOCK, /* any number of blocks, each with a title of its own */
};

/* One thing that a block may hold. */
struct settings_allowed {
	const char *name; /* NULL ends the table */
	enum settings_kind kind;
	size_t offset; /* TEXT and LIST: where settings_fill() puts it, if that is called */
	const struct settings_allowed *inside; /* BLOCK: what it may hold */
	bool named; /* BLOCK: the title has to be a name (text_is_name()), not any text */
};

/* What was given of it in one block. A value stands in double quotes, in single
 * quotes, or alone. In double quotes ${NAME} is replaced from the environment, and
 * alone it may be a whole value; a variable of the request
 * (safety_is_request_variable()) is a fault there. */
struct settings_option {
	unsigned line;                 /* of its name, where that stands last; 0: not given */
	size_t count;                  /* 0 also for an empty list */
	char **texts;                  /* TEXT and LIST: count of them and a NULL; NULL for none */
	unsigned *lines;               /* where each stands */
	struct settings_block *blocks; /* BLOCK: count of them, in the order of the text */
};

struct settings_block {
	const char *name; /* "endpoint", and in the whole text "" */
	char *title;      /* as written */
	unsigned line;    /* of its name; 0 for the whole text */
	const struct settings_allowed *allowed;
	struct settings_option *options; /* one for each that is allowed, in that order */
};

enum settings_severity { SETTINGS_FAULT, SETTINGS_WARNING };

/* Called for each fault, in no particular order. line 0: the text as a whole. The
 * message says the fault and the remedy; it quotes the text, so it may be long and
 * hold control characters. Borrowed. */
typedef void settings_fault(
	void *context, enum settings_severity severity, unsigned line, const char *message);

/*
 * Read a text that holds no NUL. NULL: its syntax is wrong, which was reported.
 * Otherwise it is a tree for settings_free(), also when there were faults that
 * leave a rest to check (unknown options, titles that are wrong or given
 * twice): after a SETTINGS_FAULT the tree is for finding more faults only.
 * Of an option that is given twice the last counts, with a warning.
 * Not thread-safe (libConfuse's scanner is global): one caller at a time.
 */
struct settings_block *settings_parse(const char *text, const struct settings_allowed *allowed,
	settings_fault *fault, void *context);

/* Also overwrites every value: some are secrets. */
void settings_free(struct settings_block *root);

/* What the block has of that name, given or not; NULL when it may have none. */
const struct settings_option *settings_find(const struct settings_block *block, const char *name);

/* The block of that name and title in block. NULL: not there. */
const struct settings_block *settings_find_block(
	const struct settings_block *block, const char *name, const char *title);

/* The (first) value. NULL: not given. */
const char *settings_text(const struct settings_block *block, const char *name);

/* The line of the option, or of the block where it is not given. */
unsigned settings_line(const struct settings_block *block, const char *name);

/*
 * Put the block's values into the caller's struct, at the offsets that the
 * table has: a TEXT as const char *, a LIST as char *const * that ends with
 * NULL; NULL for what is not given. Borrowed from the tree.
 */
void settings_fill(const struct settings_block *block, void *out);

/* May somebody who wrote wanted have meant name? At most two letters are wrong. */
bool settings_is_slip(struct slice wanted, const char *name);

#endif
