/* sign_body.h - put a signature into a body, as senders do whose signature is a part of it
 */
#ifndef HOOKCGI_SIGN_BODY_H
#define HOOKCGI_SIGN_BODY_H

#include "buf.h"

enum sign_body_result {
	SIGN_BODY_DONE,
	SIGN_BODY_ABSENT,   /* nothing is at that path */
	SIGN_BODY_REPEATED, /* more than one is */
	SIGN_BODY_INVALID,  /* the body is not what it should be */
	SIGN_BODY_NO_ROOM,  /* out is full, or no memory */
};

/*
 * Append to out (empty) the JSON text with a string in place of the value at path (as in
 * json_find_raw()); all other bytes stay as they are.
 */
enum sign_body_result sign_body_set_member(struct slice json, struct slice path, struct slice value,
	struct buf *out) __attribute__((warn_unused_result));

/*
 * Append to out (empty) the form (application/x-www-form-urlencoded) with the value of the field
 * that has exactly this name, decoded, replaced; a field that is not there is added at the end.
 */
enum sign_body_result sign_body_set_field(struct slice form, const char *name, struct slice value,
	struct buf *out) __attribute__((warn_unused_result));

/* Append text as a name or value of a form or query: all but RFC 3986's unreserved as %XX. */
bool sign_body_escape(struct buf *out, struct slice text);

/* Append the name of the field that a form has at path: "a.b.c" is a[b][c]. */
bool sign_body_field_name(struct buf *out, struct slice path);

#endif
