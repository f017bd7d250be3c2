/* fuzz_jwt.c - any bytes as a token, plain and detached: what is taken has one spelling
 *
 * clang -fsanitize=fuzzer,address,undefined with jwt.c json.c leaf.c text.c buf.c
 * alloc.c and -lyajl. Seeds: the tokens of tests/unit/test_jwt.c.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "jwt.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_spelling(struct slice part)
{
	struct buf bytes, again;

	buf_init(&bytes, JWT_TEXT_MAX);
	buf_init(&again, JWT_TEXT_MAX);
	require(text_decode(TEXT_BASE64URL, part, &bytes));
	require(text_encode(TEXT_BASE64URL, bytes.data, bytes.len, &again));
	require(slice_equal(part, buf_slice(&again)));
	buf_free(&again);
	buf_free(&bytes);
}

static void
check(struct slice text, bool detached)
{
	bool present;
	int64_t ms = 0;
	struct jwt jwt;

	if (jwt_parse(text, detached, &jwt) == JWT_OK) {
		require(jwt.signed_text.len + 1 + jwt.signature_text.len == text.len);
		require(jwt_header(&jwt, "alg").len > 0);
		require((jwt.claims == NULL) == detached);
		check_spelling(jwt.protected_text);
		check_spelling(jwt.payload_text);
		check_spelling(jwt.signature_text);
		if (jwt_time(&jwt, "exp", &present, &ms))
			require(ms >= 0);
	}
	jwt_free(&jwt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check((struct slice){ (const char *)data, len }, false);
	check((struct slice){ (const char *)data, len }, true);
	return 0;
}
