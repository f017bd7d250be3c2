/* message.h - one received request, as templates and signatures see it
 *
 * Names and values are those of RFC 3875: the web server's variables, borrowed
 * as they came. The body is the raw bytes; it is parsed at most once, and only
 * when somebody asks for a field of it.
 */
#ifndef HOOKCGI_MESSAGE_H
#define HOOKCGI_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "leaf.h"

/* What the body turned out to be. */
enum message_body {
	MESSAGE_BODY_UNREAD,    /* nobody has asked yet */
	MESSAGE_BODY_JSON,      /* leaves are there */
	MESSAGE_BODY_FORM,      /* leaves are there */
	MESSAGE_BODY_MULTIPART, /* multipart/form-data; leaves are there */
	MESSAGE_BODY_OPAQUE,    /* none of these by type and first byte; no leaves */
	MESSAGE_BODY_INVALID,   /* says it is one of these and is not, or is over a limit */
	MESSAGE_BODY_NO_MEMORY,
};

/* What an endpoint says for a {parameter:NAME} of its provider. */
struct message_parameter {
	char *name;
	char *value;
};

struct message {
	/* Filled by whoever received or made the message; all borrowed. */
	char *const *variables; /* "NAME=value" strings, NULL-ended */
	struct slice body;
	const char *url_override; /* the URL as registered at the sender, or NULL */
	const struct message_parameter *parameters;
	size_t parameter_count;
	/* The field of a form that holds the event as JSON (the provider's document), or NULL. */
	const char *document;

	/* Filled on the way, by receive.c; data NULL while unknown. */
	struct slice endpoint;
	struct slice event;
	struct slice id;
	struct slice key;
	struct slice timestamp; /* as sent */
	struct slice key_id;    /* which key the sender says it used */
	/* Only while a scheme is checked that refers to them: */
	struct slice secret;
	uint32_t item; /* the element at hand among the leaves, of a scheme with each; or 0 */
	struct leaves *claims; /* of the token that was found right; the message's own */
	struct slice digest;   /* only while a handshake is answered that computes one */

	/* Names at the top of the JSON that it is read for at first; set by
	 * receive.c, may stay NULL. Borrowed. */
	char *const *first_names;
	size_t first_name_count;

	/* Private to message.c. */
	enum message_body kind;
	struct leaves *leaves;
	bool partial;                  /* leaves has only what lies under first_names */
	char reason[128];              /* why MESSAGE_BODY_INVALID */
	enum message_body source_kind; /* what source holds, once it was looked for */
	struct slice source;           /* what leaves are read from */
	struct buf field;              /* source, where it had to be decoded */
	struct buf url;
};

/* Fill with nothing known. variables may be NULL. */
void message_init(struct message *message, char *const *variables, struct slice body);
void message_free(struct message *message);

/*
 * Put another body in its place (the uncompressed one). What was read of the old one is
 * forgotten, with what was borrowed from it, and timestamp and key_id, which may be.
 */
void message_set_body(struct message *message, struct slice body);

/* A variable of the server ("CONTENT_TYPE"), NULL when absent; the first when repeated. */
const char *message_variable(const struct message *message, const char *name);

enum message_found {
	MESSAGE_FOUND,
	MESSAGE_ABSENT,
	MESSAGE_REPEATED, /* more than once: lighttpd and nginx hand on both */
};

/*
 * A request header by its variable's name ("HTTP_X_HUB_SIGNATURE_256", see
 * message_header_variable()). An empty value counts as absent: lighttpd drops
 * such a header and others do not. HTTP_CONTENT_TYPE is read from CONTENT_TYPE.
 */
enum message_found message_header(const struct message *message, const char *variable,
	struct slice *value_out) __attribute__((warn_unused_result));

/* "X-Hub-Signature-256" to "HTTP_X_HUB_SIGNATURE_256" (RFC 3875 4.1.18); the caller frees. */
char *message_header_variable(const char *header);

/*
 * Parse the body unless that was done; the kind is fixed from then on.
 * JSON when the first byte that is not white space is { or [, or the media type is
 * application/json, text/json or ends in +json; a form when the media type is
 * application/x-www-form-urlencoded or multipart/form-data; else opaque.
 * A form that has the field which document names (by its exact name, and as text) is JSON: that
 * field's, whatever the others hold. It is invalid when the field is no JSON or is there twice; a
 * form without the field is a form.
 */
enum message_body message_body(struct message *message);

/*
 * The text that the leaves come from: the body itself, or the field that document names, decoded.
 * Does not parse it. data NULL: the field is there twice, or there is no memory. Borrowed while the
 * message has this body.
 */
struct slice message_document(struct message *message);

/*
 * Append to out the field of a form or multipart body that has exactly this name, decoded,
 * also when document names it. MESSAGE_ABSENT: the body is neither, cannot be read, has no
 * such field or a file there; or the value is no text (see form.h), or out is full. *out is
 * changed on MESSAGE_FOUND only.
 */
enum message_found message_form_field(struct message *message, const char *name, struct buf *out)
	__attribute__((warn_unused_result));

/*
 * The body's leaves, NULL unless it is JSON or a form of either kind. Parses on first use. What
 * was borrowed from message_leaves_under() before is gone then, and a body of more than
 * LEAF_COUNT_MAX values may turn out MESSAGE_BODY_INVALID only here.
 */
const struct leaves *message_leaves(struct message *message);

/* Leaves that hold at least what lies under this name at the top of the body: only
 * that of first_names is kept while nobody asks for more. NULL as message_leaves(). */
const struct leaves *message_leaves_under(struct message *message, struct slice name);

/* The full URL the sender used: url_override (with the request's query in place of its own, so
 * that what is read from the query is what was signed; one that does not begin with the fields of
 * its own makes it unknown, or what is signed behind the URL could be moved into it), else scheme, host and REQUEST_URI
 * put together from the server's variables. NULL: not known (no REQUEST_URI or
 * no host), or over 16 KiB. Borrowed from the message. */
const char *message_url(struct message *message);

/* The path as sent, without the query (REQUEST_URI, also in its absolute form);
 * data NULL without a REQUEST_URI, since all other variables hold it decoded. */
struct slice message_path(const struct message *message);

/*
 * Path and query as sent, with the "?" (REQUEST_URI, also in its absolute form).
 * data NULL without a REQUEST_URI, or when an absolute form has a query and no
 * path: the "/" that belongs between them lies nowhere.
 */
struct slice message_target(const struct message *message);

/* The raw query string, from REQUEST_URI when there is one (lighttpd rewrites
 * QUERY_STRING); empty when there is none. */
struct slice message_query(const struct message *message);

#endif
