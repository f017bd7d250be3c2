/* fuzz_canonical.c - any request in every special canonical form
 *
 * clang -fsanitize=fuzzer,address,undefined with canonical.c message.c form.c
 * multipart.c jwt.c json.c leaf.c crypto.c text.c buf.c alloc.c, -lyajl and
 * -lcrypto. An input is lines "NAME=value", an empty line, the body; a line
 * "=URL" is the URL as registered. Seeds: the variables and bodies of
 * tests/vectors/canonical/.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "buf.h"
#include "canonical.h"
#include "message.h"

#define VARIABLES_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* What fits in exactly its length is the same, and does not fit in less. */
static void
check_form(const struct canonical_form *form, char *const *variables, struct slice body,
	const char *url)
{
	struct message message;
	struct buf out, again;

	message_init(&message, variables, body);
	message.url_override = url;
	buf_init(&out, 1 << 22);
	if (form->append(&message, &out) == CANONICAL_OK) {
		buf_init(&again, out.len);
		require(form->append(&message, &again) == CANONICAL_OK);
		require(slice_equal(buf_slice(&out), buf_slice(&again)));
		buf_free(&again);
		buf_init(&again, out.len - 1);
		require(form->append(&message, &again) == CANONICAL_TOO_LONG);
		buf_free(&again);
	}
	buf_free(&out);
	message_free(&message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = xmemdup0(data, len);
	char *variables[VARIABLES_MAX + 1] = { NULL };
	const char *url = NULL;
	char *at = text, *line_end;
	size_t count = 0;

	while (count < VARIABLES_MAX && (line_end = strchr(at, '\n')) != NULL && line_end != at) {
		*line_end = '\0';
		if (*at == '=')
			url = at + 1;
		else
			variables[count++] = at;
		at = line_end + 1;
	}
	if (*at == '\n')
		at++;
	for (size_t i = 0; canonical_at(i) != NULL; i++)
		check_form(canonical_at(i), variables,
			(struct slice){ at, (size_t)(text + len - at) }, url);
	free(text);
	return 0;
}
