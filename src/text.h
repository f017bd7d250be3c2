/* text.h - bytes to text and back: hex, base64, escaping, sizes, times
 *
 * Decoders are strict: one text for one value, no white space, no optional
 * padding tricks, so that nobody has a second spelling of a signature or key.
 */
#ifndef HOOKCGI_TEXT_H
#define HOOKCGI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum text_encoding {
	TEXT_HEX, /* lower case, RFC 4648 section 8 */
	TEXT_HEX_UPPER,
	TEXT_BASE64,     /* RFC 4648 section 4, padded */
	TEXT_BASE64URL,  /* RFC 4648 section 5, unpadded */
	TEXT_BASE64_HEX, /* base64 of the lower case hex text, as some senders do it by mistake */
};

/* Append the encoded text of data to out; false as buf_append(). */
bool text_encode(enum text_encoding encoding, const void *data, size_t len, struct buf *out);

/*
 * Append the bytes that text stands for to out. false: text is not exactly
 * what text_encode() would write (hex of either case is taken for both hex
 * encodings; base64 with or without its padding is taken for both base64
 * encodings, but every other deviation, also non-zero spare bits, is refused),
 * or out is full; out is then unchanged.
 */
bool text_decode(enum text_encoding encoding, struct slice text, struct buf *out)
	__attribute__((warn_unused_result));

/*
 * The value of "NAME=value" when the name is this one, else NULL. A loop of its own, since
 * thirty variables are looked through a dozen times in each request and
 * almost all differ in the first few bytes.
 */
static inline const char *
text_variable_value(const char *variable, const char *name)
{
	while (*name != '\0' && *variable == *name) {
		variable++;
		name++;
	}
	return *name == '\0' && *variable == '=' ? variable + 1 : NULL;
}

/* The value of a hexadecimal digit of either case, -1 for anything else. */
int text_hex_value(char c);

/* A name that an endpoint may have: [a-z0-9][a-z0-9_-]{0,63}. */
bool text_is_name(struct slice name);

/* Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, at most U+10FFFF. */
bool text_is_utf8(struct slice text);

/* The longest beginning of text of at most max bytes that does not end inside
 * a UTF-8 sequence. */
struct slice text_cut(struct slice text, size_t max);

/*
 * "250ms", "30s", "5m", "2h", "30d", a bare "0": milliseconds. false: anything
 * else, a sign, or more than 100 years.
 */
bool text_parse_duration(const char *text, int64_t *ms_out) __attribute__((warn_unused_result));

/* "512", "64K", "1M", "2G" (powers of 1024): bytes. false: anything else or over 2^40. */
bool text_parse_size(const char *text, size_t *bytes_out) __attribute__((warn_unused_result));

/* Decimal digits only, at least one, at most max. */
bool text_parse_number(struct slice text, uint64_t max, uint64_t *out)
	__attribute__((warn_unused_result));

enum text_time {
	TEXT_TIME_S,       /* decimal seconds since 1970 */
	TEXT_TIME_MS,      /* decimal milliseconds since 1970 */
	TEXT_TIME_RFC3339, /* 2016-08-04T13:57:31.329-07:00; fraction of any length; zone needed */
	TEXT_TIME_ISO8601, /* the same, a missing zone is UTC */
	TEXT_TIME_HTTP,    /* RFC 9110 5.6.7 IMF-fixdate */
};

/* The instant in milliseconds since 1970, strictly read (no sign, no blanks, upper case
 * "T" and "Z", an existing day, the right weekday, 1970 to 9999). A leap second is the next. */
bool text_parse_time(enum text_time format, struct slice text, int64_t *ms_out)
	__attribute__((warn_unused_result));

/* Append the instant, written in that format (RFC3339 and ISO8601: UTC, "Z", with milliseconds).
 * false: before 1970 or after 9999, or as buf_append(). */
bool text_format_time(enum text_time format, int64_t ms, struct buf *out);

/*
 * Append text so that it is safe in a log line and on a terminal: printable
 * ASCII and valid UTF-8 as they are, but control characters (C0, DEL, C1),
 * bidirectional controls (U+202A-202E, U+2066-2069, U+200E, U+200F, U+061C), line
 * separators (U+2028, U+2029), backslash, double quote and invalid bytes as
 * \n, \t, \\, \", \xHH (bytes). Stops after max bytes of input with "..." .
 */
bool text_append_escaped(struct buf *out, struct slice text, size_t max);

/*
 * Append text as a JSON string with its quotes (RFC 8259); invalid UTF-8
 * becomes U+FFFD. What text_append_escaped() would not show as it is, is
 * written \uXXXX, so that the JSON is safe on a terminal as well.
 */
bool text_append_json(struct buf *out, struct slice text);

#endif
