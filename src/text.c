/* text.c - bytes to text and back: hex, base64, escaping, sizes, times
 *
 * Written out here rather than taken from libraries, because those are
 * lenient where it matters: EVP_DecodeBlock() takes blanks and non-zero spare
 * bits, OPENSSL_hexstr2buf() takes colons, strtol() takes signs and blanks,
 * strptime() whatever the locale says, and timegm() and gmtime_r() read the
 * zone files. Nothing here depends on locale, time zone or environment.
 */
#include "text.h"

#include <inttypes.h>

static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";
static const char base64_plain[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool
encode_hex(const char *digits, const unsigned char *in, size_t len, struct buf *out)
{
	char *to;

	if (len > SIZE_MAX / 2 || !buf_reserve(out, len * 2))
		return false;
	to = out->data + out->len;
	for (size_t i = 0; i < len; i++) {
		*to++ = digits[in[i] >> 4];
		*to++ = digits[in[i] & 15];
	}
	*to = '\0';
	out->len += len * 2;
	return true;
}

static bool
encode_base64(const char *digits, bool padded, const unsigned char *in, size_t len, struct buf *out)
{
	size_t rest = len % 3;
	char *to;

	if (len > SIZE_MAX / 2 || !buf_reserve(out, (len + 2) / 3 * 4))
		return false;
	to = out->data + out->len;
	for (size_t i = 0; i + 3 <= len; i += 3) {
		uint32_t group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = digits[group >> 6 & 63];
		*to++ = digits[group & 63];
	}
	if (rest > 0) {
		const unsigned char *last = in + len - rest;
		uint32_t group = (uint32_t)last[0] << 16 | (rest == 2 ? (uint32_t)last[1] << 8 : 0);

		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		if (rest == 2)
			*to++ = digits[group >> 6 & 63];
		for (size_t i = rest; padded && i < 3; i++)
			*to++ = '=';
	}
	*to = '\0';
	out->len = (size_t)(to - out->data);
	return true;
}

static bool
encode_base64_hex(const void *data, size_t len, struct buf *out)
{
	struct buf hex;
	bool done;

	buf_init(&hex, out->max);
	done = encode_hex(hex_lower, data, len, &hex) &&
	       encode_base64(base64_plain, true, (const unsigned char *)hex.data, hex.len, out);
	buf_free(&hex);
	return done;
}

bool
text_encode(enum text_encoding encoding, const void *data, size_t len, struct buf *out)
{
	switch (encoding) {
	case TEXT_HEX: return encode_hex(hex_lower, data, len, out);
	case TEXT_HEX_UPPER: return encode_hex(hex_upper, data, len, out);
	case TEXT_BASE64: return encode_base64(base64_plain, true, data, len, out);
	case TEXT_BASE64URL: return encode_base64(base64_url, false, data, len, out);
	case TEXT_BASE64_HEX: return encode_base64_hex(data, len, out);
	}
	return false;
}

int
text_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int
base64_value(char c, const char *digits)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == digits[62])
		return 62;
	if (c == digits[63])
		return 63;
	return -1;
}

/* The decoders write behind out->len and raise it only at the end. */
static bool
decode_hex(struct slice text, struct buf *out)
{
	char *to;

	if (text.len % 2 != 0 || !buf_reserve(out, text.len / 2))
		return false;
	to = out->data + out->len;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = text_hex_value(text.data[i]);
		int low = text_hex_value(text.data[i + 1]);

		if (high < 0 || low < 0)
			return false;
		*to++ = (char)(high << 4 | low);
	}
	*to = '\0';
	out->len += text.len / 2;
	return true;
}

/* The length without padding; false: padding that does not fill the last group of four. */
static bool
strip_padding(struct slice text, size_t *len_out)
{
	size_t len = text.len;

	while (len > 0 && text.len - len < 2 && text.data[len - 1] == '=')
		len--;
	if (len < text.len && text.len % 4 != 0)
		return false;
	*len_out = len;
	return len % 4 != 1;
}

static bool
decode_base64(const char *digits, struct slice text, struct buf *out)
{
	size_t len;
	uint32_t bits = 0; /* of which the low bit_count are not yet written */
	unsigned bit_count = 0;
	char *to;

	if (!strip_padding(text, &len) || !buf_reserve(out, len / 4 * 3 + len % 4 * 3 / 4))
		return false;
	to = out->data + out->len;
	for (size_t i = 0; i < len; i++) {
		int value = base64_value(text.data[i], digits);

		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32_t)value) & 0xfff;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			*to++ = (char)(bits >> bit_count & 0xff);
		}
	}
	if ((bits & ((1U << bit_count) - 1)) != 0)
		return false; /* spare bits: a second spelling of the same bytes */
	*to = '\0';
	out->len = (size_t)(to - out->data);
	return true;
}

static bool
decode_base64_hex(struct slice text, struct buf *out)
{
	struct buf hex;
	bool done;

	buf_init(&hex, text.len + 1);
	done = decode_base64(base64_plain, text, &hex) && decode_hex(buf_slice(&hex), out);
	buf_free(&hex);
	return done;
}

bool
text_decode(enum text_encoding encoding, struct slice text, struct buf *out)
{
	switch (encoding) {
	case TEXT_HEX:
	case TEXT_HEX_UPPER: return decode_hex(text, out);
	case TEXT_BASE64: return decode_base64(base64_plain, text, out);
	case TEXT_BASE64URL: return decode_base64(base64_url, text, out);
	case TEXT_BASE64_HEX: return decode_base64_hex(text, out);
	}
	return false;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
text_is_name(struct slice name)
{
	if (name.len < 1 || name.len > 64)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if ((c >= 'a' && c <= 'z') || is_digit(c))
			continue;
		if (i == 0 || (c != '_' && c != '-'))
			return false;
	}
	return true;
}

/*
 * The length of the UTF-8 sequence (RFC 3629) that text begins with, 1 to 4,
 * and its code point; 0 when it begins with none.
 */
static size_t
utf8_sequence(struct slice text, uint32_t *code_out)
{
	const unsigned char *at = (const unsigned char *)text.data;
	uint32_t code, least;
	size_t len;

	if (text.len == 0)
		return 0;
	if (at[0] < 0x80) {
		*code_out = at[0];
		return 1;
	}
	if (at[0] >= 0xc2 && at[0] <= 0xdf) {
		len = 2;
		least = 0x80;
		code = at[0] & 0x1f;
	} else if (at[0] >= 0xe0 && at[0] <= 0xef) {
		len = 3;
		least = 0x800;
		code = at[0] & 0x0f;
	} else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		len = 4;
		least = 0x10000;
		code = at[0] & 0x07;
	} else {
		return 0;
	}
	if (len > text.len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	*code_out = code;
	return len;
}

static struct slice
slice_from(struct slice text, size_t at)
{
	return (struct slice){ text.data + at, text.len - at };
}

bool
text_is_utf8(struct slice text)
{
	uint32_t code;
	size_t at = 0;

	while (at < text.len) {
		size_t len;
		uint64_t eight;

		/* Most bodies are ASCII: eight bytes at a time. */
		if (text.len - at >= sizeof eight) {
			memcpy(&eight, text.data + at, sizeof eight);
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				at += sizeof eight;
				continue;
			}
		}
		len = utf8_sequence(slice_from(text, at), &code);
		if (len == 0)
			return false;
		at += len;
	}
	return true;
}

struct slice
text_cut(struct slice text, size_t max)
{
	size_t len = max;

	if (text.len <= max)
		return text;
	for (size_t back = 0; back <= 3 && back <= max; back++) {
		if (((unsigned char)text.data[max - back] & 0xc0) != 0x80) {
			len = max - back;
			break;
		}
	}
	return (struct slice){ text.data, len };
}

bool
text_parse_number(struct slice text, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		uint64_t digit;

		if (!is_digit(text.data[i]))
			return false;
		digit = (uint64_t)(text.data[i] - '0');
		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number and one of the units; max is in the smallest unit. */
static bool
parse_with_unit(
	const char *text, const struct unit *units, size_t count, uint64_t max, uint64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(text + digits, units[i].name) != 0)
			continue;
		if (!text_parse_number(
			    (struct slice){ text, digits }, max / units[i].factor, &value))
			return false;
		*out = value * units[i].factor;
		return true;
	}
	return false;
}

bool
text_parse_duration(const char *text, int64_t *ms_out)
{
	static const struct unit units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 3600 * 1000 },
		{ "d", 86400 * 1000 },
	};
	const uint64_t century = UINT64_C(36525) * 86400 * 1000;
	uint64_t ms;

	if (strcmp(text, "0") == 0) {
		*ms_out = 0;
		return true;
	}
	if (!parse_with_unit(text, units, sizeof units / sizeof units[0], century, &ms))
		return false;
	*ms_out = (int64_t)ms;
	return true;
}

bool
text_parse_size(const char *text, size_t *bytes_out)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "K", 1 << 10 },
		{ "M", 1 << 20 },
		{ "G", 1 << 30 },
	};
	uint64_t bytes;

	if (!parse_with_unit(
		    text, units, sizeof units / sizeof units[0], UINT64_C(1) << 40, &bytes) ||
		bytes > SIZE_MAX)
		return false;
	*bytes_out = (size_t)bytes;
	return true;
}

/* 9999-12-31T23:59:59.999Z: the last instant that all formats can write. */
#define TIME_MAX_MS INT64_C(253402300799999)

#define MINUTES_A_DAY (24 * 60)

/* A civil date and time of day, UTC, proleptic Gregorian. */
struct civil {
	int year;       /* 1970 to 9999 */
	int month, day; /* from 1 */
	int hour, minute;
	int second; /* 60 in a leap second */
	int ms;
};

static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec" };
/* From the weekday of 1970-01-01. */
static const char day_names[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };

static bool
is_leap_year(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
days_in_month(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap_year(year) ? 1 : 0);
}

/* Days from 1970-01-01 to the first of January; 477 leap days lie before 1970. */
static int64_t
days_before_year(int year)
{
	int before = year - 1;

	return INT64_C(365) * (year - 1970) + before / 4 - before / 100 + before / 400 - 477;
}

static int64_t
days_from_civil(const struct civil *civil)
{
	int64_t days = days_before_year(civil->year) + civil->day - 1;

	for (int month = 1; month < civil->month; month++)
		days += days_in_month(civil->year, month);
	return days;
}

/* ms: 0 to TIME_MAX_MS. */
static void
civil_from_ms(int64_t ms, struct civil *out)
{
	int64_t days = ms / (MINUTES_A_DAY * INT64_C(60000));
	int of_day = (int)(ms % (MINUTES_A_DAY * INT64_C(60000)));

	/* 366 makes the first guess too early, never too late. */
	out->year = 1970 + (int)(days / 366);
	while (days >= days_before_year(out->year + 1))
		out->year++;
	days -= days_before_year(out->year);
	out->month = 1;
	while (days >= days_in_month(out->year, out->month)) {
		days -= days_in_month(out->year, out->month);
		out->month++;
	}
	out->day = (int)days + 1;
	out->hour = of_day / 3600000;
	out->minute = of_day / 60000 % 60;
	out->second = of_day / 1000 % 60;
	out->ms = of_day % 1000;
}

static bool
civil_is_valid(const struct civil *civil)
{
	return civil->year >= 1970 && civil->year <= 9999 && civil->month >= 1 &&
	       civil->month <= 12 && civil->day >= 1 &&
	       civil->day <= days_in_month(civil->year, civil->month) && civil->hour <= 23 &&
	       civil->minute <= 59 && civil->second <= 60;
}

/*
 * The instant of a civil time that is offset_minutes ahead of UTC. A leap
 * second exists at the end of a UTC day only, and is the next second here, as
 * the clock of the system has none.
 */
static bool
ms_from_civil(const struct civil *civil, int offset_minutes, int64_t *ms_out)
{
	int64_t minutes, ms;

	if (!civil_is_valid(civil))
		return false;
	minutes = days_from_civil(civil) * MINUTES_A_DAY + civil->hour * 60 + civil->minute -
		  offset_minutes;
	if (civil->second == 60 && (minutes + 1) % MINUTES_A_DAY != 0)
		return false;
	ms = minutes * 60000 + civil->second * 1000 + civil->ms;
	if (ms < 0 || ms > TIME_MAX_MS)
		return false;
	*ms_out = ms;
	return true;
}

/* The take_ functions take something off the front of *text; false: it does
 * not begin with that. */
static bool
take_char(struct slice *text, char c)
{
	if (text->len == 0 || text->data[0] != c)
		return false;
	*text = slice_from(*text, 1);
	return true;
}

static bool
take_digits(struct slice *text, size_t count, int *out)
{
	uint64_t value;

	if (text->len < count ||
		!text_parse_number((struct slice){ text->data, count }, 9999, &value))
		return false;
	*text = slice_from(*text, count);
	*out = (int)value;
	return true;
}

/* One of count names of three letters. */
static bool
take_name(struct slice *text, const char names[][4], int count, int *index_out)
{
	for (int i = 0; i < count; i++) {
		if (text->len >= 3 && memcmp(text->data, names[i], 3) == 0) {
			*text = slice_from(*text, 3);
			*index_out = i;
			return true;
		}
	}
	return false;
}

static bool
take_time_of_day(struct slice *text, struct civil *out)
{
	return take_digits(text, 2, &out->hour) && take_char(text, ':') &&
	       take_digits(text, 2, &out->minute) && take_char(text, ':') &&
	       take_digits(text, 2, &out->second);
}

/* ".", then at least one digit; what is finer than a millisecond is cut off. */
static bool
take_fraction(struct slice *text, int *ms_out)
{
	int ms = 0, scale = 100;
	size_t digits = 0;

	if (!take_char(text, '.'))
		return false;
	while (digits < text->len && is_digit(text->data[digits])) {
		ms += (text->data[digits] - '0') * scale;
		scale /= 10;
		digits++;
	}
	*text = slice_from(*text, digits);
	*ms_out = ms;
	return digits > 0;
}

/* "Z", "+hh:mm" or "-hh:mm": minutes ahead of UTC. */
static bool
take_zone(struct slice *text, int *offset_minutes_out)
{
	int sign, hours, minutes;

	if (take_char(text, 'Z')) {
		*offset_minutes_out = 0;
		return true;
	}
	if (take_char(text, '+'))
		sign = 1;
	else if (take_char(text, '-'))
		sign = -1;
	else
		return false;
	if (!take_digits(text, 2, &hours) || hours > 23 || !take_char(text, ':') ||
		!take_digits(text, 2, &minutes) || minutes > 59)
		return false;
	*offset_minutes_out = sign * (hours * 60 + minutes);
	return true;
}

/* RFC 3339 section 5.6, with the upper case "T" and "Z" that every sender writes. */
static bool
parse_rfc3339(struct slice text, bool zone_needed, int64_t *ms_out)
{
	struct civil civil = { 0 };
	int offset_minutes = 0;

	if (!take_digits(&text, 4, &civil.year) || !take_char(&text, '-') ||
		!take_digits(&text, 2, &civil.month) || !take_char(&text, '-') ||
		!take_digits(&text, 2, &civil.day) || !take_char(&text, 'T') ||
		!take_time_of_day(&text, &civil))
		return false;
	if (text.len > 0 && text.data[0] == '.' && !take_fraction(&text, &civil.ms))
		return false;
	if ((text.len > 0 || zone_needed) && !take_zone(&text, &offset_minutes))
		return false;
	return text.len == 0 && ms_from_civil(&civil, offset_minutes, ms_out);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT"; the day of the week has to be the right one. */
static bool
parse_http_date(struct slice text, int64_t *ms_out)
{
	struct civil civil = { 0 };
	int weekday;

	if (!take_name(&text, day_names, 7, &weekday) || !take_char(&text, ',') ||
		!take_char(&text, ' ') || !take_digits(&text, 2, &civil.day) ||
		!take_char(&text, ' ') || !take_name(&text, month_names, 12, &civil.month) ||
		!take_char(&text, ' ') || !take_digits(&text, 4, &civil.year) ||
		!take_char(&text, ' ') || !take_time_of_day(&text, &civil) ||
		!slice_is(text, " GMT"))
		return false;
	civil.month++;
	return civil_is_valid(&civil) && days_from_civil(&civil) % 7 == weekday &&
	       ms_from_civil(&civil, 0, ms_out);
}

static bool
parse_epoch(struct slice text, int64_t unit_ms, int64_t *ms_out)
{
	uint64_t value;

	/* One spelling: a zero in front could come from the end of what is signed before it. */
	if (text.len > 1 && text.data[0] == '0')
		return false;
	if (!text_parse_number(text, (uint64_t)(TIME_MAX_MS / unit_ms), &value))
		return false;
	*ms_out = (int64_t)value * unit_ms;
	return true;
}

bool
text_parse_time(enum text_time format, struct slice text, int64_t *ms_out)
{
	switch (format) {
	case TEXT_TIME_S: return parse_epoch(text, 1000, ms_out);
	case TEXT_TIME_MS: return parse_epoch(text, 1, ms_out);
	case TEXT_TIME_RFC3339: return parse_rfc3339(text, true, ms_out);
	case TEXT_TIME_ISO8601: return parse_rfc3339(text, false, ms_out);
	case TEXT_TIME_HTTP: return parse_http_date(text, ms_out);
	}
	return false;
}

static bool
format_rfc3339(int64_t ms, struct buf *out)
{
	struct civil civil;

	civil_from_ms(ms, &civil);
	const struct {
		int number;
		size_t width;
		char behind;
	} parts[] = {
		{ civil.year, 4, '-' },
		{ civil.month, 2, '-' },
		{ civil.day, 2, 'T' },
		{ civil.hour, 2, ':' },
		{ civil.minute, 2, ':' },
		{ civil.second, 2, '.' },
		{ civil.ms, 3, 'Z' },
	};
	if (!buf_reserve(out, sizeof "2016-08-04T13:57:31.329Z" - 1))
		return false;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		buf_append_number(out, (uint64_t)parts[i].number, parts[i].width);
		buf_append_char(out, parts[i].behind);
	}
	return true;
}

static bool
format_http_date(int64_t ms, struct buf *out)
{
	struct civil civil;

	civil_from_ms(ms, &civil);
	return buf_appendf(out, "%s, %02d %s %04d %02d:%02d:%02d GMT",
		day_names[days_from_civil(&civil) % 7], civil.day, month_names[civil.month - 1],
		civil.year, civil.hour, civil.minute, civil.second);
}

bool
text_format_time(enum text_time format, int64_t ms, struct buf *out)
{
	if (ms < 0 || ms > TIME_MAX_MS)
		return false;
	switch (format) {
	case TEXT_TIME_S: return buf_appendf(out, "%" PRId64, ms / 1000);
	case TEXT_TIME_MS: return buf_appendf(out, "%" PRId64, ms);
	case TEXT_TIME_RFC3339:
	case TEXT_TIME_ISO8601: return format_rfc3339(ms, out);
	case TEXT_TIME_HTTP: return format_http_date(ms, out);
	}
	return false;
}

/*
 * What may steer a terminal or deceive the reader of a line (CVE-2009-4487,
 * CVE-2021-42574), and what both kinds of quoting have to escape anyway. All
 * of it lies in the basic plane, so that \uXXXX can say it.
 */
static bool
is_unsafe(uint32_t code)
{
	return code < 0x20 || code == '"' || code == '\\' || (code >= 0x7f && code <= 0x9f) ||
	       code == 0x061c || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

#define CODE_INVALID UINT32_MAX

/* Append what stands for the bytes at one place: an unsafe code point, or
 * CODE_INVALID for one byte that is not UTF-8. */
typedef bool escape_function(struct buf *out, struct slice bytes, uint32_t code);

/* Append text, what is safe as it is and the rest through escape. */
static bool
append_escaping(struct buf *out, struct slice text, escape_function *escape)
{
	size_t run = 0; /* where the bytes not yet appended begin */
	size_t at = 0;

	while (at < text.len) {
		uint32_t code = CODE_INVALID;
		size_t len = utf8_sequence(slice_from(text, at), &code);

		if (len > 0 && !is_unsafe(code)) {
			at += len;
			continue;
		}
		if (len == 0)
			len = 1;
		if (!buf_append(out, text.data + run, at - run) ||
			!escape(out, (struct slice){ text.data + at, len }, code))
			return false;
		at += len;
		run = at;
	}
	return run == text.len || buf_append(out, text.data + run, text.len - run);
}

static bool
escape_for_log(struct buf *out, struct slice bytes, uint32_t code)
{
	switch (code) {
	case '\n': return buf_append_text(out, "\\n");
	case '\t': return buf_append_text(out, "\\t");
	case '\\': return buf_append_text(out, "\\\\");
	case '"': return buf_append_text(out, "\\\"");
	default: break;
	}
	for (size_t i = 0; i < bytes.len; i++) {
		if (!buf_appendf(out, "\\x%02x", (unsigned)(unsigned char)bytes.data[i]))
			return false;
	}
	return true;
}

static bool
escape_for_json(struct buf *out, struct slice bytes, uint32_t code)
{
	(void)bytes;
	switch (code) {
	case '\b': return buf_append_text(out, "\\b");
	case '\t': return buf_append_text(out, "\\t");
	case '\n': return buf_append_text(out, "\\n");
	case '\f': return buf_append_text(out, "\\f");
	case '\r': return buf_append_text(out, "\\r");
	case '"': return buf_append_text(out, "\\\"");
	case '\\': return buf_append_text(out, "\\\\");
	case CODE_INVALID: return buf_append_text(out, "\xef\xbf\xbd");
	default: return buf_appendf(out, "\\u%04x", (unsigned)code);
	}
}

/* Undo a partial append. */
static bool
truncate_to(struct buf *out, size_t len)
{
	out->len = len;
	if (out->data != NULL)
		out->data[len] = '\0';
	return false;
}

bool
text_append_escaped(struct buf *out, struct slice text, size_t max)
{
	size_t before = out->len;
	struct slice shown = text_cut(text, max);

	if (!append_escaping(out, shown, escape_for_log) ||
		(shown.len < text.len && !buf_append_text(out, "...")))
		return truncate_to(out, before);
	return true;
}

bool
text_append_json(struct buf *out, struct slice text)
{
	size_t before = out->len;

	if (!buf_append_char(out, '"') || !append_escaping(out, text, escape_for_json) ||
		!buf_append_char(out, '"'))
		return truncate_to(out, before);
	return true;
}
