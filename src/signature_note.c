/* signature_note.c - what a check looked at, for who wants to know why */
#include "signature_check.h"

#include <stdarg.h>
#include <stdio.h>

#include "crypto.h"
#include "text.h"

void
check_note(const struct check *check, const char *format, ...)
{
	char line[512];
	va_list arguments;

	if (check->note == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	check->note(check->context, line);
}

void
check_note_text(const struct check *check, const char *label, struct slice text, size_t shown)
{
	struct buf escaped;

	if (check->note == NULL)
		return;
	buf_init(&escaped, 512);
	(void)text_append_escaped(&escaped, text, shown);
	check_note(check, "%s: %zu bytes, \"%s\"", label, text.len, buf_text(&escaped));
	buf_free(&escaped);
}

void
check_note_signed(const struct check *check, const struct slice *parts, size_t count)
{
	uint8_t digest[CRYPTO_DIGEST_MAX];
	struct buf hex, start;
	size_t total = 0;

	if (check->note == NULL)
		return;
	buf_init(&hex, 2 * CRYPTO_DIGEST_MAX + 1);
	buf_init(&start, 64);
	for (size_t i = 0; i < count; i++) {
		struct slice piece = parts[i];
		if (piece.len > start.max - start.len)
			piece.len = start.max - start.len;
		(void)buf_append_slice(&start, piece);
		total += parts[i].len;
	}
	if (crypto_hash(CRYPTO_SHA256, parts, count, digest))
		(void)text_encode(TEXT_HEX, digest, crypto_digest_size(CRYPTO_SHA256), &hex);
	check_note(check, "signed are %zu bytes, SHA-256 %s", total, buf_text(&hex));
	check_note_text(check, "they begin", buf_slice(&start), 60);
	buf_free(&start);
	buf_free(&hex);
}
