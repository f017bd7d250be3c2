/* fuzz_form.c - any bytes as a form: the tree keeps its promises
 *
 * clang -fsanitize=fuzzer,address,undefined with form.c leaf.c json.c text.c
 * buf.c alloc.c and -lyajl.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "form.h"
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

/* Written as JSON and read again, each leaf is found at its path. */
static void
check_leaves(const struct leaves *leaves)
{
	struct leaves *again = leaves_new();
	struct leaf leaf;
	struct leaf found;
	struct buf json;
	struct buf path;
	size_t cursor = 0;

	buf_init(&json, OUT_MAX);
	buf_init(&path, OUT_MAX);
	require(leaves_write_json(leaves, &json));
	require(json_parse(buf_slice(&json), again, NULL) == JSON_OK);
	while (leaves_next(leaves, &cursor, &path, &leaf)) {
		struct leaf expected;

		require(text_is_utf8(leaf.value));
		require(memchr(leaf.value.data, '\0', leaf.value.len) == NULL);
		/* Names may hold dots: the leaf itself, or a later one with that path. */
		require(leaves_find(leaves, buf_slice(&path), &expected));
		require(leaves_find(again, buf_slice(&path), &found));
		require(found.kind == expected.kind);
		require(slice_equal(found.value, expected.value));
	}
	buf_free(&path);
	buf_free(&json);
	leaves_free(again);
}

/* A name without brackets that is there once has the value that a query of it gives. */
static void
check_query(struct slice text, const struct leaves *leaves)
{
	struct buf value;
	struct leaf leaf;
	bool repeated;

	buf_init(&value, OUT_MAX);
	if (form_find(text, "a", &value, &repeated)) {
		require(leaves_find(leaves, slice_of("a"), &leaf));
		require(repeated || slice_equal(buf_slice(&value), leaf.value));
	}
	buf_free(&value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = { (const char *)data, len };
	struct leaves *leaves = leaves_new();
	struct buf value;
	char reason[128];

	if (form_parse(text, leaves, reason) == FORM_OK) {
		check_leaves(leaves);
		check_query(text, leaves);
	} else {
		require(memchr(reason, '\0', sizeof reason) != NULL);
	}
	leaves_free(leaves);
	buf_init(&value, 16);
	(void)!form_find(text, "challenge", &value, NULL);
	buf_free(&value);
	return 0;
}
