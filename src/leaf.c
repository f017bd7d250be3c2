/* leaf.c - a body as a list of leaves: path and value
 *
 * The tree is one array of nodes in document order, each container in front of
 * what it holds and knowing how many nodes that is: stepping over a subtree is
 * one addition, a walk is a loop. Names and values lie one behind the other in
 * one run of bytes. A node takes 16 bytes, so that a usual body of n bytes takes
 * 2 n, and none more than n + 16 * LEAF_COUNT_MAX.
 *
 * "The last wins" is settled once, when an object closes: every member whose
 * name comes again later is marked as replaced, and all readers step over it
 * with all below it. Few members are compared with each other, many are sorted:
 * O(n log n) with nothing for a sender to aim at, where a hash table would need
 * a secret seed.
 */
#include "leaf.h"

#include <stdint.h>
#include <stdlib.h>

#include "alloc.h"
#include "text.h"

/* Up to here comparing each name with each later one is quicker than sorting. */
#define PAIRWISE_MAX 32

/* Decimal digits of an array position, at most LEAF_COUNT_MAX. */
#define POSITION_DIGITS_MAX 10

/* Few bodies have more nodes than one for that many bytes. */
#define BODY_PER_NODE 16

struct node {
	uint32_t parent : 31;    /* the root's is itself */
	uint32_t replaced : 1;   /* a later member has the same name */
	uint32_t text;           /* where in the text the name begins; the value follows it */
	uint32_t name_len;       /* in an array instead: the position, and no name is stored */
	uint32_t value_len : 29; /* of a closed container: the number of nodes inside */
	uint32_t kind : 3;       /* enum leaf_kind */
};

struct container {
	uint32_t node;
	uint32_t children;
	enum leaf_kind kind;
};

/* For sorting. */
struct member {
	uint64_t hash; /* of the name */
	uint32_t node;
};

struct leaves {
	struct buf nodes; /* struct node, in document order */
	struct buf text;
	struct container open[LEAF_DEPTH_MAX]; /* from the root inwards */
	size_t depth;                          /* of open */
	bool too_large;
};

bool
leaf_has_text(const struct leaf *leaf)
{
	switch (leaf->kind) {
	case LEAF_STRING:
	case LEAF_NUMBER:
	case LEAF_TRUE:
	case LEAF_FALSE: return true;
	case LEAF_NULL:
	case LEAF_OBJECT:
	case LEAF_ARRAY: break;
	}
	return false;
}

struct leaves *
leaves_new(void)
{
	struct leaves *leaves = xcalloc(1, sizeof *leaves);

	buf_init(&leaves->nodes, LEAF_COUNT_MAX * sizeof(struct node));
	buf_init(&leaves->text, LEAF_TEXT_MAX);
	return leaves;
}

void
leaves_expect(struct leaves *leaves, size_t body_len)
{
	size_t nodes = body_len / BODY_PER_NODE + 1;

	if (body_len > LEAF_TEXT_MAX)
		body_len = LEAF_TEXT_MAX;
	if (nodes > LEAF_COUNT_MAX)
		nodes = LEAF_COUNT_MAX;
	/* Where it fails, the first leaf asks again. */
	(void)!buf_reserve(&leaves->nodes, nodes * sizeof(struct node));
	(void)!buf_reserve(&leaves->text, body_len);
}

void
leaves_free(struct leaves *leaves)
{
	if (leaves == NULL)
		return;
	buf_free(&leaves->text);
	buf_free(&leaves->nodes);
	free(leaves);
}

bool
leaves_too_large(const struct leaves *leaves)
{
	return leaves->too_large;
}

static uint32_t
node_count(const struct leaves *leaves)
{
	return (uint32_t)(leaves->nodes.len / sizeof(struct node));
}

static struct node *
node_at(const struct leaves *leaves, uint32_t index)
{
	return (struct node *)(void *)leaves->nodes.data + index;
}

static bool
is_container(const struct node *node)
{
	return node->kind == LEAF_OBJECT || node->kind == LEAF_ARRAY;
}

/* The node behind this one and all that it holds. */
static uint32_t
node_end(const struct leaves *leaves, uint32_t index)
{
	const struct node *node = node_at(leaves, index);

	return index + 1 + (is_container(node) ? node->value_len : 0);
}

static bool
is_member(const struct leaves *leaves, uint32_t index)
{
	return index > 0 && node_at(leaves, node_at(leaves, index)->parent)->kind == LEAF_OBJECT;
}

/* The name of a member of an object. */
static struct slice
member_name(const struct leaves *leaves, uint32_t index)
{
	const struct node *node = node_at(leaves, index);

	return (struct slice){ leaves->text.data + node->text, node->name_len };
}

static struct leaf
leaf_at(const struct leaves *leaves, uint32_t index)
{
	const struct node *node = node_at(leaves, index);
	struct leaf leaf = { (enum leaf_kind)node->kind, { "", 0 } };

	switch (leaf.kind) {
	case LEAF_STRING:
	case LEAF_NUMBER:
		leaf.value.data = leaves->text.data + node->text;
		leaf.value.len = node->value_len;
		if (is_member(leaves, index)) /* its name comes first */
			leaf.value.data += node->name_len;
		break;
	case LEAF_TRUE: leaf.value = slice_of("true"); break;
	case LEAF_FALSE: leaf.value = slice_of("false"); break;
	case LEAF_NULL:
	case LEAF_OBJECT:
	case LEAF_ARRAY: break;
	}
	return leaf;
}

/* Building */

/* buf_reserve(), without the call where there is room: twice for each leaf. */
static bool
make_room(struct buf *buf, size_t more)
{
	return more < buf->size - buf->len || buf_reserve(buf, more);
}

/* Append what there must be room for. */
static void
put(struct buf *buf, const void *data, size_t len)
{
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

static bool
has_room_for(struct leaves *leaves, struct slice name, struct slice value)
{
	if (node_count(leaves) < LEAF_COUNT_MAX && name.len <= LEAF_TEXT_MAX &&
		value.len <= LEAF_TEXT_MAX &&
		name.len + value.len <= LEAF_TEXT_MAX - leaves->text.len)
		return make_room(&leaves->text, name.len + value.len) &&
		       make_room(&leaves->nodes, sizeof(struct node));
	leaves->too_large = true;
	return false;
}

static bool
append_node(struct leaves *leaves, enum leaf_kind kind, struct slice name, struct slice value)
{
	struct container *outer = leaves->depth > 0 ? &leaves->open[leaves->depth - 1] : NULL;
	struct node node = { .kind = kind, .text = (uint32_t)leaves->text.len };

	if (outer == NULL && leaves->nodes.len > 0) /* a second root */
		return false;
	if (outer == NULL || outer->kind == LEAF_ARRAY)
		name.len = 0;
	if (!has_room_for(leaves, name, value))
		return false;
	node.name_len = (uint32_t)name.len;
	node.value_len = (uint32_t)value.len;
	if (outer != NULL) {
		node.parent = outer->node;
		if (outer->kind == LEAF_ARRAY)
			node.name_len = outer->children;
		outer->children++;
	}
	put(&leaves->nodes, &node, sizeof node);
	put(&leaves->text, name.data, name.len);
	put(&leaves->text, value.data, value.len);
	return true;
}

bool
leaves_open(struct leaves *leaves, enum leaf_kind container, struct slice name)
{
	uint32_t index = node_count(leaves);

	if (leaves->depth == LEAF_DEPTH_MAX) {
		leaves->too_large = true;
		return false;
	}
	if (!append_node(leaves, container, name, (struct slice){ NULL, 0 }))
		return false;
	leaves->open[leaves->depth++] = (struct container){ index, 0, container };
	return true;
}

bool
leaves_add(struct leaves *leaves, enum leaf_kind kind, struct slice name, struct slice value)
{
	if (kind != LEAF_STRING && kind != LEAF_NUMBER)
		value.len = 0;
	return append_node(leaves, kind, name, value);
}

static void
replace_pairwise(struct leaves *leaves, const struct container *object)
{
	struct slice names[PAIRWISE_MAX];
	uint32_t members[PAIRWISE_MAX];
	uint32_t index = object->node + 1;

	for (uint32_t later = 0; later < object->children; later++) {
		names[later] = member_name(leaves, index);
		members[later] = index;
		for (uint32_t i = 0; i < later; i++) {
			if (slice_equal(names[i], names[later]))
				node_at(leaves, members[i])->replaced = 1;
		}
		index = node_end(leaves, index);
	}
}

/* FNV-1a: any 64 bits that differ for most names will do, see compare_members(). */
static uint64_t
hash_name(struct slice name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/*
 * Equal names side by side, in document order. The hash is compared first only
 * because it lies at hand; a sender who makes hashes collide falls back to the
 * comparison of the names and gains nothing.
 */
static int
compare_members(const void *left, const void *right, void *context)
{
	const struct leaves *leaves = context;
	const struct member *a = left;
	const struct member *b = right;
	struct slice a_name;
	struct slice b_name;
	int order;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	a_name = member_name(leaves, a->node);
	b_name = member_name(leaves, b->node);
	if (a_name.len != b_name.len)
		return a_name.len < b_name.len ? -1 : 1;
	order = memcmp(a_name.data, b_name.data, a_name.len);
	if (order != 0)
		return order;
	return a->node < b->node ? -1 : a->node > b->node;
}

static bool
replace_sorted(struct leaves *leaves, const struct container *object)
{
	struct member *members = malloc(object->children * sizeof *members);
	uint32_t node = object->node + 1;

	if (members == NULL)
		return false;
	for (uint32_t i = 0; i < object->children; i++) {
		members[i] = (struct member){ hash_name(member_name(leaves, node)), node };
		node = node_end(leaves, node);
	}
	qsort_r(members, object->children, sizeof *members, compare_members, leaves);
	for (uint32_t i = 1; i < object->children; i++) {
		uint32_t earlier = members[i - 1].node;
		uint32_t later = members[i].node;

		if (slice_equal(member_name(leaves, earlier), member_name(leaves, later)))
			node_at(leaves, earlier)->replaced = 1;
	}
	free(members);
	return true;
}

bool
leaves_close(struct leaves *leaves)
{
	struct container closed;
	struct node *node;

	if (leaves->depth == 0)
		return false;
	closed = leaves->open[--leaves->depth];
	node = node_at(leaves, closed.node);
	node->value_len = node_count(leaves) - closed.node - 1;
	if (closed.kind == LEAF_ARRAY)
		return true;
	if (closed.children > PAIRWISE_MAX)
		return replace_sorted(leaves, &closed);
	replace_pairwise(leaves, &closed);
	return true;
}

/* Reading */

/* Does path begin with name, as a whole or before a dot? rest_out is what follows the dot. */
static bool
path_starts_with(struct slice path, struct slice name, bool *whole_out, struct slice *rest_out)
{
	if (path.len < name.len || (name.len > 0 && memcmp(path.data, name.data, name.len) != 0))
		return false;
	*whole_out = path.len == name.len;
	if (*whole_out)
		return true;
	*rest_out = (struct slice){ path.data + name.len + 1, path.len - name.len - 1 };
	return path.data[name.len] == '.';
}

static struct slice
position_text(uint32_t position, char digits[POSITION_DIGITS_MAX])
{
	size_t at = POSITION_DIGITS_MAX;

	do {
		digits[--at] = (char)('0' + position % 10);
		position /= 10;
	} while (position > 0);
	return (struct slice){ digits + at, POSITION_DIGITS_MAX - at };
}

/* A node's own part of its path. */
static struct slice
component(const struct leaves *leaves, uint32_t index, char digits[POSITION_DIGITS_MAX])
{
	if (is_member(leaves, index))
		return member_name(leaves, index);
	return position_text(node_at(leaves, index)->name_len, digits);
}

/*
 * The last leaf below container that path leads to; best_out is left alone
 * where there is none. Each node is looked at once at most, since one chain of
 * parents leads to it: O(n) also where dots in names allow several readings.
 */
static void
find_below(const struct leaves *leaves, uint32_t container, struct slice path, uint32_t *best_out)
{
	uint32_t end = node_end(leaves, container);
	char digits[POSITION_DIGITS_MAX];
	struct slice rest = { NULL, 0 };
	bool whole = false;

	for (uint32_t i = container + 1; i < end; i = node_end(leaves, i)) {
		bool is_leaf = node_end(leaves, i) == i + 1;

		if (node_at(leaves, i)->replaced ||
			!path_starts_with(path, component(leaves, i, digits), &whole, &rest))
			continue;
		if (whole && is_leaf)
			*best_out = i;
		else if (!whole && !is_leaf)
			find_below(leaves, i, rest, best_out);
	}
}

bool
leaves_find(const struct leaves *leaves, struct slice path, struct leaf *out)
{
	uint32_t none = node_count(leaves);
	uint32_t best = none;

	if (none == 0)
		return false;
	if (node_end(leaves, 0) > 1)
		find_below(leaves, 0, path, &best);
	else if (path.len == 0)
		best = 0;
	if (best == none)
		return false;
	*out = leaf_at(leaves, best);
	return true;
}

/* Count what path leads to below this container; a way over a name with a dot counts twice. */
static void
count_ways(const struct leaves *leaves, uint32_t container, struct slice path, size_t weight,
	size_t *ways)
{
	uint32_t end = node_end(leaves, container);
	char digits[POSITION_DIGITS_MAX];
	struct slice rest = { NULL, 0 };
	bool whole = false;

	for (uint32_t i = container + 1; i < end; i = node_end(leaves, i)) {
		struct slice name = component(leaves, i, digits);
		size_t more = weight;

		if (node_at(leaves, i)->replaced || !path_starts_with(path, name, &whole, &rest))
			continue;
		if (name.len > 0 && memchr(name.data, '.', name.len) != NULL)
			more = 2;
		if (whole)
			*ways += more;
		else if (node_end(leaves, i) > i + 1)
			count_ways(leaves, i, rest, more, ways);
	}
}

bool
leaves_is_plain_in(const struct leaves *leaves, uint32_t element, struct slice path)
{
	size_t ways = 0;

	if (element < node_count(leaves))
		count_ways(leaves, element, path, 1, &ways);
	return ways == 1;
}

bool
leaves_is_plain(const struct leaves *leaves, struct slice path)
{
	return leaves_is_plain_in(leaves, 0, path);
}

bool
leaves_find_in(const struct leaves *leaves, uint32_t element, struct slice path, struct leaf *out)
{
	uint32_t none = node_count(leaves);
	uint32_t best = none;

	if (element < none)
		find_below(leaves, element, path, &best);
	if (best == none)
		return false;
	*out = leaf_at(leaves, best);
	return true;
}

/* The last container below this one that path leads to, as find_below(). */
static void
find_container_below(
	const struct leaves *leaves, uint32_t container, struct slice path, uint32_t *best_out)
{
	uint32_t end = node_end(leaves, container);
	char digits[POSITION_DIGITS_MAX];
	struct slice rest = { NULL, 0 };
	bool whole = false;

	for (uint32_t i = container + 1; i < end; i = node_end(leaves, i)) {
		if (node_at(leaves, i)->replaced || !is_container(node_at(leaves, i)) ||
			!path_starts_with(path, component(leaves, i, digits), &whole, &rest))
			continue;
		if (whole)
			*best_out = i;
		else
			find_container_below(leaves, i, rest, best_out);
	}
}

uint32_t
leaves_first_element(const struct leaves *leaves, struct slice path, size_t *count_out)
{
	uint32_t best = node_count(leaves);

	*count_out = 0;
	if (best == 0)
		return 0;
	if (path.len == 0)
		best = 0;
	else
		find_container_below(leaves, 0, path, &best);
	if (best == node_count(leaves) || node_at(leaves, best)->kind != LEAF_ARRAY)
		return 0;
	for (uint32_t i = best + 1; i < node_end(leaves, best); i = node_end(leaves, i))
		++*count_out;
	return *count_out > 0 ? best + 1 : 0;
}

uint32_t
leaves_next_element(const struct leaves *leaves, uint32_t element)
{
	return node_end(leaves, element);
}

bool
leaves_has_key(const struct leaves *leaves, struct slice name)
{
	uint32_t count = node_count(leaves);

	if (count == 0 || node_at(leaves, 0)->kind != LEAF_OBJECT)
		return false;
	for (uint32_t i = 1; i < count; i = node_end(leaves, i)) {
		if (slice_equal(member_name(leaves, i), name))
			return true;
	}
	return false;
}

bool
leaves_has_repeated_name(const struct leaves *leaves)
{
	for (uint32_t i = 0; i < node_count(leaves); i++) {
		if (node_at(leaves, i)->replaced)
			return true;
	}
	return false;
}

/* The first leaf at or behind index that nothing replaces; the number of nodes when there is none. */
static uint32_t
next_leaf(const struct leaves *leaves, uint32_t index)
{
	uint32_t count = node_count(leaves);

	while (index < count) {
		const struct node *node = node_at(leaves, index);

		if (node->replaced)
			index = node_end(leaves, index);
		else if (is_container(node) && node->value_len > 0)
			index++;
		else
			break;
	}
	return index;
}

/* The nodes from just below the root to index, inwards. */
static size_t
chain_to(const struct leaves *leaves, uint32_t index, uint32_t chain[LEAF_DEPTH_MAX])
{
	size_t len = 0;

	for (uint32_t i = index; i != 0; i = node_at(leaves, i)->parent)
		len++;
	for (size_t at = len; at > 0; index = node_at(leaves, index)->parent)
		chain[--at] = index;
	return len;
}

/*
 * path holds that of the leaf before from, or as much of it as fitted. A
 * container in front of from that leads to index leads to that leaf too: its
 * part of path is right already.
 */
static bool
write_path(const struct leaves *leaves, uint32_t index, uint32_t from, struct buf *path)
{
	uint32_t chain[LEAF_DEPTH_MAX];
	char digits[POSITION_DIGITS_MAX];
	size_t len = chain_to(leaves, index, chain);
	size_t shared = 0;
	size_t kept = 0;

	for (; shared < len && chain[shared] < from; shared++)
		kept += (shared > 0) + component(leaves, chain[shared], digits).len;
	if (kept > path->len)
		shared = kept = 0;
	path->len = kept;
	for (; shared < len; shared++) {
		if (shared > 0 && !buf_append_char(path, '.'))
			return false;
		if (!buf_append_slice(path, component(leaves, chain[shared], digits)))
			return false;
	}
	return true;
}

bool
leaves_next(const struct leaves *leaves, size_t *cursor, struct buf *path, struct leaf *out)
{
	uint32_t from = (uint32_t)*cursor;
	uint32_t index = next_leaf(leaves, from);

	if (index >= node_count(leaves))
		return false;
	if (from == 0)
		buf_clear(path);
	*cursor = index + 1;
	if (!write_path(leaves, index, from, path))
		return false;
	*out = leaf_at(leaves, index);
	return true;
}

bool
leaves_at_end(const struct leaves *leaves, size_t cursor)
{
	return next_leaf(leaves, (uint32_t)cursor) >= node_count(leaves);
}

static bool
write_scalar(struct buf *out, struct leaf leaf)
{
	switch (leaf.kind) {
	case LEAF_STRING: return text_append_json(out, leaf.value);
	case LEAF_NUMBER:
	case LEAF_TRUE:
	case LEAF_FALSE: return buf_append_slice(out, leaf.value);
	case LEAF_NULL: return buf_append_text(out, "null");
	case LEAF_OBJECT: return buf_append_text(out, "{}");
	case LEAF_ARRAY: return buf_append_text(out, "[]");
	}
	return false;
}

static bool
write_name(const struct leaves *leaves, uint32_t member, struct buf *out)
{
	return text_append_json(out, member_name(leaves, member)) && buf_append_char(out, ':');
}

/* Calls itself LEAF_DEPTH_MAX deep at most. */
static bool
write_node(const struct leaves *leaves, uint32_t index, struct buf *out)
{
	uint32_t end = node_end(leaves, index);
	bool in_object = node_at(leaves, index)->kind == LEAF_OBJECT;
	char before = in_object ? '{' : '[';

	if (end == index + 1)
		return write_scalar(out, leaf_at(leaves, index));
	for (uint32_t i = index + 1; i < end; i = node_end(leaves, i)) {
		if (node_at(leaves, i)->replaced)
			continue;
		if (!buf_append_char(out, before) || (in_object && !write_name(leaves, i, out)) ||
			!write_node(leaves, i, out))
			return false;
		before = ',';
	}
	return buf_append_char(out, in_object ? '}' : ']');
}

bool
leaves_write_json(const struct leaves *leaves, struct buf *out)
{
	return node_count(leaves) == 0 || write_node(leaves, 0, out);
}
