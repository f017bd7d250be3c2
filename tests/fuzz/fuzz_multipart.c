/* fuzz_multipart.c - any bytes as a multipart form: what is read is what is found
 *
 * The first line is the Content-Type, the rest the body.
 * clang -fsanitize=fuzzer,address,undefined with multipart.c form.c leaf.c text.c buf.c alloc.c.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "leaf.h"
#include "multipart.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_leaves(const struct leaves *leaves, struct slice body)
{
	struct buf path;
	struct leaf leaf;
	size_t cursor = 0;

	buf_init(&path, body.len + 1000);
	while (leaves_next(leaves, &cursor, &path, &leaf)) {
		require(text_is_utf8(leaf.value));
		require(memchr(leaf.value.data, '\0', leaf.value.len) == NULL);
	}
	require(leaves_at_end(leaves, cursor));
	buf_free(&path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = len > 0 ? memchr(data, '\n', len) : NULL;
	size_t type_len = end != NULL ? (size_t)(end - data) : 0;
	char *type = strndup((const char *)data, type_len);
	/* Of its own, so that one byte too far is seen. */
	char *copy = malloc(len - type_len);
	struct slice body = { copy, len - type_len };
	struct leaves *leaves = leaves_new();
	struct slice value = { NULL, 0 };
	struct leaf leaf;
	bool repeated, found;
	char reason[128];
	enum multipart_result result;

	memcpy(copy, data + type_len, body.len);
	if (end != NULL)
		body = (struct slice){ copy + 1, body.len - 1 };
	result = multipart_parse(body, type, leaves, reason);
	found = multipart_find(body, type, "a", &value, &repeated);
	if (found)
		require(value.data >= body.data && value.data + value.len <= body.data + body.len);
	if (result == MULTIPART_OK) {
		check_leaves(leaves, body);
		if (found && !repeated)
			require(leaves_find(leaves, slice_of("a"), &leaf) &&
				slice_equal(leaf.value, value));
	} else {
		require(memchr(reason, '\0', sizeof reason) != NULL);
	}
	leaves_free(leaves);
	free(copy);
	free(type);
	return 0;
}
