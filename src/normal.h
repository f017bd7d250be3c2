/* normal.h - Unicode normalization (the only user of libunistring)
 */
#ifndef HOOKCGI_NORMAL_H
#define HOOKCGI_NORMAL_H

#include <stdbool.h>

#include "buf.h"

enum normal_result {
	NORMAL_OK,
	NORMAL_INVALID, /* not UTF-8 */
	NORMAL_NO_MEMORY,
};

/* Append the text in normalization form KD (Unicode Standard Annex 15) to out. What is not NORMAL_OK
 * leaves out as it was. */
enum normal_result normal_nfkd(struct slice text, struct buf *out)
	__attribute__((warn_unused_result));

#endif
