/* form.c - an application/x-www-form-urlencoded body becomes leaves
 *
 * Fields come in any order (a[x]=1&b=2&a[y]=3) while leaves are built in the
 * order of the document, so the form first becomes a small tree of its own. A
 * member is found by its container and name in one balanced tree over all
 * nodes (tsearch: red-black): O(log n) for whatever names a sender makes up,
 * where a hash table would need a secret seed.
 *
 * Names are decoded before brackets are looked at, since many senders escape
 * those. Everything is counted before it is allocated: fields from the raw
 * text, nodes from the decoded names.
 */
#include "form.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

#define REASON_SIZE 128

enum node_kind {
	NODE_VALUE,
	NODE_OBJECT,
	NODE_ARRAY,
};

struct node {
	struct node *parent;
	struct slice name; /* inside an object */
	enum node_kind kind;
	struct slice value;
	struct node *first; /* inside a container, in order */
	struct node *last;
	struct node *next; /* in the same container */
};

/* The fields of a text, decoded. */
struct decoded {
	struct buf text; /* what their slices point into; never grows */
	struct form_field *fields;
	size_t count;
};

struct form {
	struct node *nodes; /* never moves: members refers to them */
	size_t node_count;
	size_t node_max;
	void *members; /* tsearch tree of the nodes that lie in objects */
};

/* Reading fields */

static struct slice
slice_from(struct slice text, size_t at)
{
	return (struct slice){ text.data + at, text.len - at };
}

/* Take what is in front of the first separator off rest; all of it when there is none. */
static struct slice
take_until(struct slice *rest, char separator)
{
	const char *end = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;
	struct slice taken = *rest;

	if (end == NULL) {
		*rest = (struct slice){ NULL, 0 };
		return taken;
	}
	taken.len = (size_t)(end - rest->data);
	*rest = slice_from(*rest, taken.len + 1);
	return taken;
}

/* The next field that is not empty ("a=1&&b=2"). false: no more. */
static bool
next_field(struct slice *rest, struct form_field *out)
{
	while (rest->len > 0) {
		out->value = take_until(rest, '&');
		if (out->value.len > 0) {
			out->name = take_until(&out->value, '=');
			return true;
		}
	}
	return false;
}

/* The decoded byte that text begins with, which is not empty; -1 for a bad escape. */
static int
take_byte(struct slice *text)
{
	char c = text->data[0];
	size_t used = 1;
	int byte = (unsigned char)c;

	if (c == '+') {
		byte = ' ';
	} else if (c == '%') {
		int high = text->len > 2 ? text_hex_value(text->data[1]) : -1;
		int low = text->len > 2 ? text_hex_value(text->data[2]) : -1;

		if (high < 0 || low < 0)
			return -1;
		byte = high << 4 | low;
		used = 3;
	}
	*text = slice_from(*text, used);
	return byte;
}

/* Append the decoded text, for which out has room, and return it in decoded_out.
 * false: bad escape, NUL or invalid UTF-8. */
static bool
decode(struct slice text, struct buf *out, struct slice *decoded_out)
{
	size_t before = out->len;

	while (text.len > 0) {
		int byte = take_byte(&text);

		if (byte <= 0)
			return false;
		out->data[out->len++] = (char)byte;
	}
	*decoded_out = (struct slice){ out->data + before, out->len - before };
	return text_is_utf8(*decoded_out);
}

static void
give_reason(char *reason_out, size_t at, const char *what)
{
	if (reason_out != NULL)
		(void)snprintf(reason_out, REASON_SIZE, "byte %zu: %s", at, what);
}

static enum form_result
too_large(char *reason_out, size_t at)
{
	if (reason_out != NULL)
		(void)snprintf(reason_out, REASON_SIZE,
			"byte %zu: more than %d fields or %d values, or nested deeper than %d", at,
			FORM_FIELDS_MAX, LEAF_COUNT_MAX, LEAF_DEPTH_MAX);
	return FORM_TOO_LARGE;
}

static enum form_result
no_memory(char *reason_out)
{
	give_reason(reason_out, 0, "out of memory");
	return FORM_NO_MEMORY;
}

static enum form_result
count_fields(struct slice text, size_t *count_out, char *reason_out)
{
	struct slice rest = text;
	struct form_field field;
	size_t count = 0;

	for (; next_field(&rest, &field); count++) {
		if (count == FORM_FIELDS_MAX)
			return too_large(reason_out, (size_t)(field.name.data - text.data));
	}
	*count_out = count;
	return FORM_OK;
}

static enum form_result
decode_fields(struct slice text, struct decoded *decoded, char *reason_out)
{
	struct slice rest = text;
	struct form_field raw;

	for (; next_field(&rest, &raw); decoded->count++) {
		struct form_field *field = &decoded->fields[decoded->count];

		field->at = (size_t)(raw.name.data - text.data);
		if (!decode(raw.name, &decoded->text, &field->name) ||
			!decode(raw.value, &decoded->text, &field->value)) {
			give_reason(reason_out, field->at,
				"a field with a bad % escape, a NUL or invalid UTF-8");
			return FORM_INVALID;
		}
	}
	return FORM_OK;
}

static enum form_result
read_fields(struct slice text, struct decoded *decoded, char *reason_out)
{
	enum form_result result;
	size_t count;

	result = count_fields(text, &count, reason_out);
	if (result != FORM_OK)
		return result;
	decoded->fields = calloc(count + 1, sizeof *decoded->fields);
	/* Decoding never makes a text longer. */
	buf_init(&decoded->text, text.len);
	if (decoded->fields == NULL || !buf_reserve(&decoded->text, text.len))
		return no_memory(reason_out);
	return decode_fields(text, decoded, reason_out);
}

/* Names */

enum step_kind {
	STEP_NONE,   /* the name ends here */
	STEP_MEMBER, /* [name] */
	STEP_ITEM,   /* [] */
};

/* The name up to its first bracket; a bracket at its very start is a letter. */
static struct slice
take_first(struct slice *name)
{
	const char *bracket = name->len > 1 ? memchr(name->data + 1, '[', name->len - 1) : NULL;
	struct slice first = *name;

	/* "a[" at the very end is a letter too. */
	if (bracket == NULL || bracket == name->data + name->len - 1) {
		*name = (struct slice){ NULL, 0 };
		return first;
	}
	first.len = (size_t)(bracket - name->data);
	*name = slice_from(*name, first.len);
	return first;
}

/* The next step of what take_first() left. Text in which no bracket closes, or
 * that follows a closed one directly, is one member's name to its end. */
static enum step_kind
take_step(struct slice *name, struct slice *member_out)
{
	const char *bracket;

	if (name->len == 0)
		return STEP_NONE;
	bracket = name->data[0] == '[' ? memchr(name->data, ']', name->len) : NULL;
	if (bracket == NULL) {
		*member_out = *name;
		*name = (struct slice){ NULL, 0 };
		return STEP_MEMBER;
	}
	*member_out = (struct slice){ name->data + 1, (size_t)(bracket - name->data) - 1 };
	*name = slice_from(*name, member_out->len + 2);
	return member_out->len > 0 ? STEP_MEMBER : STEP_ITEM;
}

static enum node_kind
kind_for(struct slice rest)
{
	struct slice member;

	switch (take_step(&rest, &member)) {
	case STEP_NONE: return NODE_VALUE;
	case STEP_MEMBER: return NODE_OBJECT;
	case STEP_ITEM: return NODE_ARRAY;
	}
	return NODE_VALUE;
}

/* The tree */

static int
compare_nodes(const void *left, const void *right)
{
	const struct node *a = left;
	const struct node *b = right;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->name.len != b->name.len)
		return a->name.len < b->name.len ? -1 : 1;
	return a->name.len > 0 ? memcmp(a->name.data, b->name.data, a->name.len) : 0;
}

static struct node *
find_member(const struct form *form, struct node *object, struct slice name)
{
	struct node wanted = { .parent = object, .name = name };
	struct node *const *found = tfind(&wanted, &form->members, compare_nodes);

	return found != NULL ? *found : NULL;
}

/* A new node at the end of parent. NULL: the nodes or memory are used up. */
static struct node *
append_node(struct form *form, struct node *parent, struct slice name, enum node_kind kind)
{
	struct node *node;

	if (form->node_count == form->node_max)
		return NULL;
	node = &form->nodes[form->node_count];
	*node = (struct node){ .parent = parent, .name = name, .kind = kind };
	if (parent != NULL && parent->kind == NODE_OBJECT &&
		tsearch(node, &form->members, compare_nodes) == NULL)
		return NULL;
	form->node_count++;
	if (parent == NULL)
		return node;
	if (parent->last != NULL)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	return node;
}

/* Is all that rest names there already, below object? Never, where an array is on the way. */
static bool
is_taken(const struct form *form, struct node *object, struct slice rest)
{
	struct node *node = object;
	struct slice member;

	while (node != NULL && rest.len > 0) {
		if (node->kind != NODE_OBJECT || take_step(&rest, &member) != STEP_MEMBER)
			return false;
		node = find_member(form, node, member);
	}
	return node != NULL;
}

/* The item of array that rest, behind "[]", goes into: the last while it has no such field yet. */
static struct node *
item_for(struct form *form, struct node *array, struct slice rest)
{
	struct node *last = array->last;
	enum node_kind kind = kind_for(rest);

	if (kind == NODE_OBJECT && last != NULL && last->kind == NODE_OBJECT &&
		!is_taken(form, last, rest))
		return last;
	return append_node(form, array, (struct slice){ NULL, 0 }, kind);
}

static enum form_result
put_field(struct form *form, const struct form_field *field)
{
	struct node *node = form->nodes;
	struct slice rest = field->name;
	struct slice member = take_first(&rest);
	enum step_kind step = STEP_MEMBER;

	for (int depth = 1; step != STEP_NONE; depth++) {
		struct node *inner = NULL;

		if (depth > LEAF_DEPTH_MAX)
			return FORM_TOO_LARGE;
		if (step == STEP_ITEM)
			inner = item_for(form, node, rest);
		else
			inner = find_member(form, node, member);
		if (inner == NULL && step == STEP_MEMBER)
			inner = append_node(form, node, member, kind_for(rest));
		if (inner == NULL)
			return form->node_count == form->node_max ? FORM_TOO_LARGE : FORM_NO_MEMORY;
		if (inner->kind != kind_for(rest))
			return FORM_INVALID;
		node = inner;
		step = take_step(&rest, &member);
	}
	node->value = field->value;
	return FORM_OK;
}

/* No field makes more nodes than its name, its brackets and a rest behind them. */
static size_t
count_nodes(const struct form_field *fields, size_t field_count)
{
	size_t count = 1;

	for (size_t i = 0; i < field_count; i++) {
		struct slice rest = fields[i].name;

		for (count += 2; rest.len > 0; count++)
			(void)take_until(&rest, '[');
	}
	return count < LEAF_COUNT_MAX ? count : LEAF_COUNT_MAX;
}

static enum form_result
build_tree(struct form *form, const struct form_field *fields, size_t count, char *reason_out)
{
	form->node_max = count_nodes(fields, count);
	form->nodes = malloc(form->node_max * sizeof *form->nodes);
	if (form->nodes == NULL)
		return no_memory(reason_out);
	(void)append_node(form, NULL, (struct slice){ NULL, 0 }, NODE_OBJECT);
	for (size_t i = 0; i < count; i++) {
		const struct form_field *field = &fields[i];
		enum form_result result = FORM_OK;

		if (field->name.len > 0)
			result = put_field(form, field);
		switch (result) {
		case FORM_OK: break;
		case FORM_INVALID:
			give_reason(reason_out, field->at, "a name of two kinds");
			return result;
		case FORM_TOO_LARGE: return too_large(reason_out, field->at);
		case FORM_NO_MEMORY: return no_memory(reason_out);
		}
	}
	return FORM_OK;
}

/* Calls itself LEAF_DEPTH_MAX deep at most: put_field() made no more levels. */
static bool
write_node(const struct node *node, struct leaves *out)
{
	if (node->kind == NODE_VALUE)
		return leaves_add(out, LEAF_STRING, node->name, node->value);
	if (!leaves_open(out, node->kind == NODE_ARRAY ? LEAF_ARRAY : LEAF_OBJECT, node->name))
		return false;
	for (const struct node *inner = node->first; inner != NULL; inner = inner->next) {
		if (!write_node(inner, out))
			return false;
	}
	return leaves_close(out);
}

static void
keep_node(void *node)
{
	(void)node; /* form->nodes owns it */
}

enum form_result
form_build(const struct form_field *fields, size_t count, struct leaves *out, char *reason_out)
{
	struct form form = { .nodes = NULL };
	enum form_result result = build_tree(&form, fields, count, reason_out);

	if (result == FORM_OK && !write_node(form.nodes, out))
		result = leaves_too_large(out) ? too_large(reason_out, 0) : no_memory(reason_out);
	tdestroy(form.members, keep_node);
	free(form.nodes);
	return result;
}

enum form_result
form_parse(struct slice text, struct leaves *out, char *reason_out)
{
	struct decoded decoded = { .fields = NULL };
	enum form_result result;

	leaves_expect(out, text.len);
	result = read_fields(text, &decoded, reason_out);
	if (result == FORM_OK)
		result = form_build(decoded.fields, decoded.count, out, reason_out);
	free(decoded.fields);
	buf_free(&decoded.text);
	return result;
}

/* Is this, not yet decoded, the name? */
static bool
is_name(struct slice raw, const char *name)
{
	while (raw.len > 0 && *name != '\0') {
		if (take_byte(&raw) != (unsigned char)*name)
			return false;
		name++;
	}
	return raw.len == 0 && *name == '\0';
}

bool
form_find(struct slice text, const char *name, struct buf *out, bool *repeated_out)
{
	size_t before = out->len;
	struct slice value = { NULL, 0 };
	struct slice decoded;
	struct form_field field;
	size_t count = 0;
	bool is_valid;

	while (next_field(&text, &field)) {
		if (is_name(field.name, name) && count++ == 0)
			value = field.value;
	}
	if (repeated_out != NULL)
		*repeated_out = count > 1;
	if (count == 0 || !buf_reserve(out, value.len))
		return false;
	is_valid = decode(value, out, &decoded);
	if (!is_valid)
		out->len = before;
	out->data[out->len] = '\0';
	return is_valid;
}
