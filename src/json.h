/* json.h - a JSON text (RFC 8259) becomes leaves (the only user of yajl)
 *
 * One pass of yajl's SAX parser, stricter than it: depth and node limits, no
 * comments, form feed is not white space, one value and nothing behind it,
 * valid UTF-8, no byte order mark. U+0000 in a name or value (a handler's
 * environment ends there), and a lone surrogate, make the text invalid.
 */
#ifndef HOOKCGI_JSON_H
#define HOOKCGI_JSON_H

#include "buf.h"
#include "leaf.h"

enum json_result {
	JSON_OK,
	JSON_INVALID,   /* not JSON, or U+0000 or a lone surrogate in it */
	JSON_TOO_LARGE, /* deeper or wider than leaf.h allows */
	JSON_NO_MEMORY,
};

/*
 * Parse text into an empty tree. reason_out (may be NULL, else 128 bytes) says
 * what is wrong and at which byte, printable. On anything but JSON_OK the tree
 * must only be freed.
 */
enum json_result json_parse(struct slice text, struct leaves *out, char *reason_out)
	__attribute__((warn_unused_result));

/*
 * As json_parse(), judging the whole text, but when it is an object keep only the members whose
 * name is one of these (or begins with one and a dot: names may hold dots). For
 * a body that is read for its event type and perhaps not wanted: a tree of all
 * of it costs half as much as the parse itself. LEAF_COUNT_MAX counts what is kept.
 */
enum json_result json_parse_members(struct slice text, char *const *names, size_t count,
	struct leaves *out, char *reason_out) __attribute__((warn_unused_result));

enum json_raw {
	JSON_RAW_FOUND,
	JSON_RAW_ABSENT,
	JSON_RAW_REPEATED,
	JSON_RAW_INVALID, /* the text is none that json_parse() takes, or nested too deep */
};

/*
 * The bytes of the value at path, exactly as they stand in text (borrowed): a string with its
 * quotes and escapes, a number as sent, a container from bracket to bracket. path as in
 * leaves_find(), but it leads to containers as well; "" is the whole value. For schemes that
 * sign a part of the document as it was written. The whole text is judged.
 * JSON_RAW_REPEATED: at some step more than one member leads there, by the same name or by
 * names with dots, so that readers could differ on which is meant.
 * out: filled on JSON_RAW_FOUND only.
 */
enum json_raw json_find_raw(struct slice text, struct slice path, struct slice *out)
	__attribute__((warn_unused_result));

#endif
