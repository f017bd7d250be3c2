/* fuzz_json.c - any bytes as JSON: the tree keeps its promises
 *
 * clang -fsanitize=fuzzer,address,undefined with leaf.c json.c text.c buf.c
 * alloc.c and -lyajl. Seeds: the texts of tests/json/cases.txt.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "json.h"
#include "leaf.h"
#include "text.h"

#define OUT_MAX (1u << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* What the path leads to is the last leaf of the walk with that path. */
static void
check_find(const struct leaves *leaves, struct slice path)
{
	struct leaf found;
	struct leaf walked;
	struct leaf last = { LEAF_NULL, { NULL, 0 } };
	struct buf other;
	size_t cursor = 0;

	require(leaves_find(leaves, path, &found));
	buf_init(&other, OUT_MAX);
	while (leaves_next(leaves, &cursor, &other, &walked)) {
		if (slice_equal(buf_slice(&other), path))
			last = walked;
	}
	require(found.kind == last.kind && found.value.data == last.value.data &&
		found.value.len == last.value.len);
	buf_free(&other);
}

static void
check_each(const struct leaves *leaves)
{
	struct leaf leaf;
	struct buf path;
	size_t cursor = 0;
	int checked = 0;

	buf_init(&path, OUT_MAX);
	while (leaves_next(leaves, &cursor, &path, &leaf)) {
		require(text_is_utf8(buf_slice(&path)) && text_is_utf8(leaf.value));
		require(memchr(leaf.value.data, '\0', leaf.value.len) == NULL);
		/* Quadratic: the first few will do. */
		if (checked++ < 64)
			check_find(leaves, buf_slice(&path));
	}
	require(checked > 0);
	buf_free(&path);
}

static void
check_same(const struct leaves *one, const struct leaves *other)
{
	struct leaf one_leaf;
	struct leaf other_leaf;
	struct buf one_path;
	struct buf other_path;
	size_t one_cursor = 0;
	size_t other_cursor = 0;

	buf_init(&one_path, OUT_MAX);
	buf_init(&other_path, OUT_MAX);
	while (leaves_next(one, &one_cursor, &one_path, &one_leaf)) {
		require(leaves_next(other, &other_cursor, &other_path, &other_leaf));
		require(slice_equal(buf_slice(&one_path), buf_slice(&other_path)));
		require(one_leaf.kind == other_leaf.kind);
		require(slice_equal(one_leaf.value, other_leaf.value));
	}
	require(!leaves_next(other, &other_cursor, &other_path, &other_leaf));
	buf_free(&one_path);
	buf_free(&other_path);
}

static void
check_written(const struct leaves *leaves)
{
	struct leaves *again = leaves_new();
	struct buf out;

	buf_init(&out, OUT_MAX);
	require(leaves_write_json(leaves, &out));
	require(json_parse(buf_slice(&out), again, NULL) == JSON_OK);
	check_same(leaves, again);
	buf_free(&out);
	leaves_free(again);
}

/* The bytes at a leaf's path, where nothing is repeated, are JSON for that leaf. */
static void
check_raw(struct slice text, const struct leaves *leaves)
{
	struct buf path;
	struct leaf leaf;
	size_t cursor = 0;

	buf_init(&path, OUT_MAX);
	for (int i = 0; i < 10 && leaves_next(leaves, &cursor, &path, &leaf); i++) {
		struct slice raw;

		switch (json_find_raw(text, buf_slice(&path), &raw)) {
		case JSON_RAW_FOUND: {
			struct leaves *value = leaves_new();
			struct leaf again;

			require(raw.data >= text.data &&
				raw.data + raw.len <= text.data + text.len);
			require(json_parse(raw, value, NULL) == JSON_OK);
			require(path.len == 0 || (leaves_find(value, slice_of(""), &again) &&
							 again.kind == leaf.kind &&
							 slice_equal(again.value, leaf.value)));
			leaves_free(value);
			break;
		}
		case JSON_RAW_REPEATED: break;
		case JSON_RAW_ABSENT:
		case JSON_RAW_INVALID: require(false);
		}
	}
	buf_free(&path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = { (const char *)data, len };
	struct leaves *leaves = leaves_new();
	char reason[128];

	if (json_parse(text, leaves, reason) == JSON_OK) {
		check_each(leaves);
		check_raw(text, leaves);
		check_written(leaves);
	} else {
		struct slice raw;

		require(memchr(reason, '\0', sizeof reason) != NULL);
		/* Inputs are too small to be over LEAF_COUNT_MAX. */
		require(json_find_raw(text, slice_of("a"), &raw) == JSON_RAW_INVALID);
	}
	leaves_free(leaves);
	return 0;
}
