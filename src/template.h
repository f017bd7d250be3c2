/* template.h - the one template language
 *
 * Text with references in braces; "{{" and "}}" are a brace:
 *   {body}              the raw bytes           {body:PATH}  a leaf of the body
 *   {form:NAME}         the field of a form of exactly this name, decoded
 *   {raw:PATH}          the bytes of a JSON value as they stand in the body
 *   {header:NAME}       a request header        {query:NAME} a field of the query
 *   {key:A|B}           the first of these top-level names of the body that is there
 *   {url} {path} {method} {timestamp} {event} {id} {endpoint} {secret}
 *   {target}            path and query as sent
 *   {bodyhash:ALGORITHM:ENCODING}   e.g. {bodyhash:sha256:hex}; and {bodyhash:crc32:decimal}
 *   {encoded:ENCODING}  the body in that encoding
 *   {sorted_form}       the form's fields sorted by name, name and value joined,
 *                       both decoded; of equal fields one (Twilio)
 *   {canonical:NAME}    a form of the request that no template can put together (canonical.h)
 *   {item:PATH}         a leaf of the element at hand, in a scheme with each
 *   {claim:NAME}        of the JSON web token that was found right
 *   {parameter:NAME}    what the endpoint says for it
 *   {key_id}            which key the sender says it used
 *   {signature}         only in a scheme's format, where it is what is looked for
 *   {digest}            only in a handshake's answer
 * {lower:…} before any of them but {body}: its ASCII letters in lower case.
 * A "?" behind the name or argument ({body:note?}, {header:X-Note?}): what is absent is empty.
 * A template over something that is absent fails, so that the next in its list
 * is tried. Absent is also a leaf that is null or an empty container, and an
 * empty header (some servers drop it); an empty string in body or query is a value.
 * Expanding never calls a shell and never re-reads what it inserted.
 */
#ifndef HOOKCGI_TEMPLATE_H
#define HOOKCGI_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "canonical.h"
#include "crypto.h"
#include "message.h"
#include "text.h"

#define TEMPLATE_PARTS_MAX 32

enum template_kind {
	TEMPLATE_LITERAL,
	TEMPLATE_BODY,
	TEMPLATE_BODY_FIELD,
	TEMPLATE_HEADER,
	TEMPLATE_QUERY,
	TEMPLATE_KEY,
	TEMPLATE_URL,
	TEMPLATE_PATH,
	TEMPLATE_METHOD,
	TEMPLATE_TIMESTAMP,
	TEMPLATE_SIGNATURE,
	TEMPLATE_EVENT,
	TEMPLATE_ID,
	TEMPLATE_ENDPOINT,
	TEMPLATE_SECRET,
	TEMPLATE_BODYHASH,
	TEMPLATE_SORTED_FORM,
	TEMPLATE_TARGET,
	TEMPLATE_ENCODED,
	TEMPLATE_ITEM,
	TEMPLATE_CLAIM,
	TEMPLATE_PARAMETER,
	TEMPLATE_KEY_ID,
	TEMPLATE_DIGEST,
	TEMPLATE_FORM,
	TEMPLATE_RAW,
	TEMPLATE_CHECKSUM,
	TEMPLATE_CANONICAL,
};

#define TEMPLATE_KIND_COUNT (TEMPLATE_CANONICAL + 1)

/* One part, readable by signature.c, which splits formats and judges what is signed. */
struct template_part {
	enum template_kind kind;
	char *text;     /* literal text, leaf path, query name, or names with "|"; else NULL */
	char *header;   /* TEMPLATE_HEADER: the header's name as written */
	char *variable; /* TEMPLATE_HEADER: its variable's name */
	size_t text_len;
	const struct canonical_form *canonical; /* TEMPLATE_CANONICAL */
	enum crypto_digest digest;              /* TEMPLATE_BODYHASH */
	enum text_encoding encoding;            /* TEMPLATE_BODYHASH, TEMPLATE_ENCODED */
	bool optional;                          /* empty when absent */
	bool lower;                             /* in lower case */
};

struct template
{
	char *source; /* as written */
	struct template_part *parts;
	size_t count; /* 0 for "" */
};

/* NULL: malformed, and reason_out (256 bytes) says what is wrong, with the remedy. */
struct template *template_parse(const char *source, char reason_out[256]);
void template_free(struct template *template);

/* How references of the kind are written, for messages: "{body:PATH}"; "text" for literals. */
const char *template_kind_name(enum template_kind kind);

/* The names that files use ("sha256", "hex-upper"). false: none of that name. */
bool template_digest_named(struct slice name, enum crypto_digest *out)
	__attribute__((warn_unused_result));
bool template_encoding_named(struct slice name, enum text_encoding *out)
	__attribute__((warn_unused_result));

/* Does it refer to anything of this kind? */
bool template_refers(const struct template *template, enum template_kind kind);

/* The name at the top of the body that a {body:PATH}'s path begins with. */
struct slice template_first_name(const char *path);

/* Does expanding it need the parsed body? */
bool template_needs_leaves(const struct template *template);

enum template_result {
	TEMPLATE_OK,
	TEMPLATE_ABSENT,   /* something it refers to is not there, or the body cannot be parsed */
	TEMPLATE_REPEATED, /* a header or query field it refers to is there more than once */
	TEMPLATE_TOO_LONG, /* scratch or out is full, or no memory */
};

/*
 * Expand into slices that refer to the message where they can (the body is not
 * copied) and to scratch where a value had to be made. slices must have room
 * for template->count. Valid until message or scratch changes.
 */
enum template_result template_slices(const struct template *template, struct message *message,
	struct buf *scratch, struct slice *slices) __attribute__((warn_unused_result));

/* Expand and append to out. On anything but TEMPLATE_OK out is unchanged. */
enum template_result template_text(const struct template *template, struct message *message,
	struct buf *out) __attribute__((warn_unused_result));

#endif
