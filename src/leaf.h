/* leaf.h - a body as a list of leaves: path and value
 *
 * JSON and form bodies both become one tree, read as leaves: "response.score"
 * is "7", "items.0.id" the id of the first item. Memory is linear in the body
 * (nodes refer to their parent, paths are put together on demand), so neither
 * deep nor wide nor long-named documents can blow it up. A name that occurs
 * twice in one object: the last wins, with all that lies below it, everywhere.
 * Names may hold dots; a path then is ambiguous and the last match wins.
 */
#ifndef HOOKCGI_LEAF_H
#define HOOKCGI_LEAF_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define LEAF_DEPTH_MAX 64        /* containers inside each other */
#define LEAF_COUNT_MAX 100000    /* leaves and containers of one body */
#define LEAF_TEXT_MAX (1u << 28) /* bytes of all names and values together */

enum leaf_kind {
	LEAF_STRING,
	LEAF_NUMBER, /* value is the text as sent: never a double */
	LEAF_TRUE,   /* value "true" */
	LEAF_FALSE,  /* value "false" */
	LEAF_NULL,   /* value "" */
	LEAF_OBJECT, /* an empty object, value "" */
	LEAF_ARRAY,  /* an empty array, value "" */
};

struct leaf {
	enum leaf_kind kind;
	struct slice value; /* borrowed from the leaves */
};

/* Is there a text that it stands for? Null and containers have none. */
bool leaf_has_text(const struct leaf *leaf);

struct leaves;

/* An empty tree; the first thing put in is its root. Never NULL. */
struct leaves *leaves_new(void);
void leaves_free(struct leaves *leaves);

/* Before building: make room for a body of so many bytes at once. Only a hint. */
void leaves_expect(struct leaves *leaves, size_t body_len);

/*
 * Building, for json.c and form.c. name is the member's name inside an object;
 * it is ignored for the root and inside an array, where the index counts up.
 * Bytes are copied. false: a limit above is reached or memory is out; the tree
 * must then only be freed.
 */
bool leaves_open(struct leaves *leaves, enum leaf_kind container, struct slice name);
bool leaves_close(struct leaves *leaves);
bool leaves_add(struct leaves *leaves, enum leaf_kind kind, struct slice name, struct slice value);

/* Was it a limit above (and not memory) that made building fail? */
bool leaves_too_large(const struct leaves *leaves);

/* The leaf at path ("a.b.0.c"; "" is the root when that is a scalar). false: absent,
 * or a container that is not empty. */
bool leaves_find(const struct leaves *leaves, struct slice path, struct leaf *out);

/*
 * Can every reader take the path for this one leaf or container only? Not when a second one is
 * reached by it ({"a":{"b":1},"a.b":2} has two for "a.b"), nor when a name on the way has a dot in
 * it (another reader would look for members of members). false also when it leads nowhere.
 */
bool leaves_is_plain(const struct leaves *leaves, struct slice path);

/* Is there a member (leaf or container) of that name at the top of the document? */
bool leaves_has_key(const struct leaves *leaves, struct slice name);

/*
 * The elements of the array at path in turn: the first, and how many there are; then the next.
 * 0: there is no such array, or it is empty. Of the last there is no next.
 */
uint32_t leaves_first_element(const struct leaves *leaves, struct slice path, size_t *count_out);
uint32_t leaves_next_element(const struct leaves *leaves, uint32_t element);

/* As leaves_find() and leaves_is_plain(), with the path counted from an element. The cost is that
 * of the element, however large the document is. */
bool leaves_find_in(
	const struct leaves *leaves, uint32_t element, struct slice path, struct leaf *out);
bool leaves_is_plain_in(const struct leaves *leaves, uint32_t element, struct slice path);

/* Does any object of the document, at whatever depth, have two members of one name? For
 * texts that two readers must not understand differently (RFC 7515 section 4). */
bool leaves_has_repeated_name(const struct leaves *leaves);

/*
 * The leaves in document order. *cursor starts at 0; path (a caller's buffer,
 * cleared at the start of a walk) and out are filled. Between two calls the
 * caller leaves path as it is: only what differs from the leaf before is
 * written, so that a long name above many leaves is not copied for each.
 * false: no more, or path is full: leaves_at_end() tells which, and the next
 * call goes on behind the leaf whose path did not fit. The whole walk costs
 * O(n) and the bytes of the names, whatever they are.
 */
bool leaves_next(const struct leaves *leaves, size_t *cursor, struct buf *path, struct leaf *out);
bool leaves_at_end(const struct leaves *leaves, size_t cursor);

/* Append the whole tree as compact JSON. false: out is full. */
bool leaves_write_json(const struct leaves *leaves, struct buf *out);

#endif
