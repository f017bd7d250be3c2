/* normal.c - Unicode normalization (the only user of libunistring) */
#include "normal.h"

#include <stdint.h>
#include <stdlib.h>

#include <uninorm.h>

#include "alloc.h"
#include "text.h"

enum normal_result
normal_nfkd(struct slice text, struct buf *out)
{
	enum normal_result result = NORMAL_NO_MEMORY;
	uint8_t *made;
	size_t len;

	if (!text_is_utf8(text))
		return NORMAL_INVALID;
	if (text.len == 0)
		return NORMAL_OK;
	made = u8_normalize(UNINORM_NFKD, (const uint8_t *)text.data, text.len, NULL, &len);
	if (made == NULL)
		return NORMAL_NO_MEMORY;
	if (buf_append(out, (const char *)made, len))
		result = NORMAL_OK;
	free_secret((char *)made, len);
	return result;
}
