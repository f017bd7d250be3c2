/* form.h - an application/x-www-form-urlencoded body becomes leaves
 *
 * Nested names as Rack reads them: a[b][c] is a.b.c, a[] counts up (a.0, a.1),
 * a[][x] puts fields into one item until a name repeats, a[][] is an array of
 * its own each time; brackets that do not pair are letters. Only "&" separates;
 * "+" and %20 are a blank; a field without "=" has the value "", one without a
 * name is passed over; the last of a repeated name wins. A bad % escape, a
 * decoded NUL or invalid UTF-8 makes the form invalid; so does a name used both
 * as a value and as a container, or as an object and as an array (Rack raises
 * there too, or loses the first).
 */
#ifndef HOOKCGI_FORM_H
#define HOOKCGI_FORM_H

#include "buf.h"
#include "leaf.h"

#define FORM_FIELDS_MAX 10000 /* of one form; the limits of leaf.h hold too */

enum form_result {
	FORM_OK,
	FORM_INVALID,
	FORM_TOO_LARGE,
	FORM_NO_MEMORY,
};

/* Parse text into an empty tree (its root is an object); reason_out as json_parse(). */
enum form_result form_parse(struct slice text, struct leaves *out, char *reason_out)
	__attribute__((warn_unused_result));

/* A field as it is, decoded; names and values are borrowed. */
struct form_field {
	struct slice name;
	struct slice value;
	size_t at; /* where it begins in the body, for the reason */
};

/*
 * The nesting alone, for multipart.c as well: put count fields into an empty tree as form_parse()
 * does. The caller has seen to it that names and values are UTF-8 without a NUL, and that
 * there are not too many.
 */
enum form_result form_build(const struct form_field *fields, size_t count, struct leaves *out,
	char *reason_out) __attribute__((warn_unused_result));

/*
 * The value of the first field with exactly this name in a query string,
 * decoded into out (appended). false: absent, a value that form_parse() would
 * refuse, or out is full; out is then unchanged.
 * *repeated_out (may be NULL): the name is there more than once.
 */
bool form_find(struct slice text, const char *name, struct buf *out, bool *repeated_out)
	__attribute__((warn_unused_result));

#endif
