/* canonical.h - texts that senders sign and that no template can put together
 *
 * Most senders sign something that a template can name. A few sign a form of the
 * request that takes sorting, a list of headers of the sender's choice, or JSON
 * in JSON: one C function each, found by name as {canonical:NAME}.
 *
 * What a sender may choose (which headers, how many fields) is bounded, and what
 * freshness rests on is demanded: a form in which the time is not signed is
 * absent, not shorter.
 */
#ifndef HOOKCGI_CANONICAL_H
#define HOOKCGI_CANONICAL_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "message.h"

enum canonical_result {
	CANONICAL_OK,
	CANONICAL_ABSENT, /* something that has to be in it is not in the message, or not rightly */
	CANONICAL_REPEATED, /* a header of it came more than once, or is listed more than once */
	CANONICAL_TOO_LONG, /* out is full, more fields than FORM_FIELDS_MAX, or no memory */
};

struct canonical_form {
	const char *name;
	/* Another body (byte for byte) never has the same text. */
	bool signs_body;
	/* It reads all of the body (message_leaves()): what was borrowed from its leaves before is
	 * gone then. */
	bool reads_leaves;
	/*
	 * Append the text to out. On anything but CANONICAL_OK out may hold the beginning of it
	 * behind what it held: the caller cuts that off.
	 */
	enum canonical_result (*append)(struct message *message, struct buf *out);
};

/* NULL: there is none of that name. */
const struct canonical_form *canonical_find(struct slice name);

/* Each in turn from 0; NULL past the end. */
const struct canonical_form *canonical_at(size_t index);

#endif
