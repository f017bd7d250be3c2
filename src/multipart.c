/* multipart.c - a multipart/form-data body becomes leaves
 *
 * The body is first cut at its boundaries into at most MULTIPART_PARTS_MAX parts, in one pass of
 * memmem(3): each search begins where the last one ended. Then each part's headers are read, and
 * their decoded parameters put into one buffer whose size is known beforehand, so that slices
 * into it stay. Fields borrow their values from the body; how names nest is form.c's.
 */
#include "multipart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "form.h"
#include "text.h"

#define REASON_SIZE 128

/* "\r\n--" and the boundary. */
#define DELIMITER_MAX (4 + MULTIPART_BOUNDARY_MAX)

/* A file is three fields; "[filename]" is the longest that its name gets behind it, and a size has
 * at most 20 digits. */
#define FILE_FIELDS 3
#define FILE_EXTRA ((size_t)64)

struct part {
	size_t at; /* where its headers begin in the body */
	struct slice headers;
	struct slice content;
	/* Decoded, from its headers. */
	struct slice name;
	struct slice filename;
	struct slice type;
	bool is_file;
};

struct multipart {
	char delimiter[DELIMITER_MAX];
	size_t delimiter_len;
	struct part *parts;
	size_t count;
	struct buf decoded; /* what the parts' slices point into; never grows */
	char *reason_out;
};

static enum multipart_result
refuse(const struct multipart *multipart, size_t at, const char *what)
{
	if (multipart->reason_out != NULL)
		(void)snprintf(multipart->reason_out, REASON_SIZE, "byte %zu: %s", at, what);
	return MULTIPART_INVALID;
}

static enum multipart_result
too_large(const struct multipart *multipart, size_t at)
{
	if (multipart->reason_out != NULL)
		(void)snprintf(multipart->reason_out, REASON_SIZE,
			"byte %zu: more than %d parts, or %d bytes of headers in one", at,
			MULTIPART_PARTS_MAX, MULTIPART_HEADERS_MAX);
	return MULTIPART_TOO_LARGE;
}

static enum multipart_result
no_memory(const struct multipart *multipart)
{
	(void)refuse(multipart, 0, "out of memory");
	return MULTIPART_NO_MEMORY;
}

static struct slice
slice_from(struct slice text, size_t at)
{
	return (struct slice){ text.data + at, text.len - at };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
skip_blanks(struct slice *text)
{
	while (text->len > 0 && is_blank(text->data[0]))
		*text = slice_from(*text, 1);
}

static bool
is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* RFC 9110 5.6.2: what names of headers and parameters are made of. */
static bool
is_token_char(char c)
{
	return is_letter_or_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

/* RFC 2046 5.1.1, bchars. */
static bool
is_boundary_char(char c)
{
	return is_letter_or_digit(c) || is_one_of(c, "'()+_,-./:=? ");
}

static bool
name_is(struct slice name, const char *wanted)
{
	return name.len == strlen(wanted) && strncasecmp(name.data, wanted, name.len) == 0;
}

static struct slice
take_token(struct slice *text)
{
	struct slice token = { text->data, 0 };

	while (token.len < text->len && is_token_char(text->data[token.len]))
		token.len++;
	*text = slice_from(*text, token.len);
	return token;
}

/* Header values: a first word, then parameters */

/* Take "…" off text, without its quotes. false: it does not end. */
static bool
take_quoted(struct slice *text, struct slice *out)
{
	size_t at = 1;

	while (at < text->len && text->data[at] != '"')
		at += text->data[at] == '\\' && at + 1 < text->len &&
				      is_one_of(text->data[at + 1], "\"\\")
			      ? 2
			      : 1;
	if (at >= text->len)
		return false;
	*out = (struct slice){ text->data + 1, at - 1 };
	*text = slice_from(*text, at + 1);
	return true;
}

struct parameter {
	struct slice name;
	struct slice value; /* not yet decoded */
	bool quoted;
};

enum taken {
	TAKEN,
	TAKEN_LAST, /* there was none any more */
	TAKEN_INVALID,
};

/* Take the next "; name=value" off text, to its end or the next ";". A value without quotes goes
 * up to a blank or semicolon, which is more than a token: boundaries come so. */
static enum taken
take_parameter(struct slice *text, struct parameter *out)
{
	skip_blanks(text);
	if (text->len == 0)
		return TAKEN_LAST;
	if (text->data[0] != ';')
		return TAKEN_INVALID;
	*text = slice_from(*text, 1);
	skip_blanks(text);
	if (text->len == 0) /* "form-data; name=x;" */
		return TAKEN_LAST;
	out->name = take_token(text);
	if (out->name.len == 0 || text->len == 0 || text->data[0] != '=')
		return TAKEN_INVALID;
	*text = slice_from(*text, 1);
	out->quoted = text->len > 0 && text->data[0] == '"';
	if (out->quoted)
		return take_quoted(text, &out->value) ? TAKEN : TAKEN_INVALID;
	out->value = (struct slice){ text->data, 0 };
	while (out->value.len < text->len && !is_one_of(text->data[out->value.len], " \t;\""))
		out->value.len++;
	*text = slice_from(*text, out->value.len);
	return out->value.len > 0 ? TAKEN : TAKEN_INVALID;
}

/* %22, %0D and %0A, which HTML has browsers write for what would end a quoted text. -1: no such. */
static int
browser_escape(struct slice text)
{
	static const char *const escapes[] = { "%22", "%0D", "%0A" };
	static const char bytes[] = "\"\r\n";

	for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
		if (text.len >= 3 && strncasecmp(text.data, escapes[i], 3) == 0)
			return bytes[i];
	return -1;
}

/* Append the value, for which there is room, and return it. */
static struct slice
decode(struct multipart *multipart, const struct parameter *parameter)
{
	struct buf *out = &multipart->decoded;
	struct slice text = parameter->value;
	size_t before = out->len;

	while (text.len > 0) {
		int byte = parameter->quoted ? browser_escape(text) : -1;
		size_t used = byte >= 0 ? 3 : 1;

		/* take_quoted() has seen that a backslash is not the last. */
		if (parameter->quoted && text.len > 1 && text.data[0] == '\\' &&
			is_one_of(text.data[1], "\"\\")) {
			byte = text.data[1];
			used = 2;
		} else if (byte < 0) {
			byte = (unsigned char)text.data[0];
		}
		out->data[out->len++] = (char)byte;
		text = slice_from(text, used);
	}
	return (struct slice){ out->data + before, out->len - before };
}

/* Append what a value of RFC 8187 stands for, UTF-8'language'%C3%A9, for which there is room. false:
 * it is none, or not UTF-8, or holds a NUL. */
static bool
decode_extended(struct multipart *multipart, struct slice text, struct slice *out)
{
	static const char charset[] = "UTF-8'";
	struct buf *decoded = &multipart->decoded;
	size_t before = decoded->len;
	const char *quote;

	if (text.len < sizeof charset - 1 ||
		strncasecmp(text.data, charset, sizeof charset - 1) != 0)
		return false;
	text = slice_from(text, sizeof charset - 1);
	quote = text.len > 0 ? memchr(text.data, '\'', text.len) : NULL;
	if (quote == NULL)
		return false;
	text = slice_from(text, (size_t)(quote - text.data) + 1);
	while (text.len > 0) {
		int high = text.len > 2 ? text_hex_value(text.data[1]) : -1;
		int low = text.len > 2 ? text_hex_value(text.data[2]) : -1;
		bool escaped = text.data[0] == '%';

		if (escaped && (high < 0 || low < 0 || (high == 0 && low == 0)))
			return false;
		decoded->data[decoded->len++] = escaped ? (char)(high << 4 | low) : text.data[0];
		text = slice_from(text, escaped ? 3 : 1);
	}
	*out = (struct slice){ decoded->data + before, decoded->len - before };
	return text_is_utf8(*out);
}

/* The boundary */

static bool
is_boundary(struct slice text)
{
	if (text.len == 0 || text.len > MULTIPART_BOUNDARY_MAX || text.data[text.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!is_boundary_char(text.data[i]))
			return false;
	return true;
}

/* Find the one boundary that content_type names. A quoted one is taken as it stands: none of its
 * characters can be escaped. */
static bool
find_boundary(const char *content_type, struct slice *out)
{
	struct slice rest = slice_of(content_type);
	struct parameter parameter;
	enum taken taken;
	size_t count = 0;

	skip_blanks(&rest);
	while (rest.len > 0 && rest.data[0] != ';' && !is_blank(rest.data[0]))
		rest = slice_from(rest, 1);
	while ((taken = take_parameter(&rest, &parameter)) == TAKEN) {
		if (!name_is(parameter.name, "boundary"))
			continue;
		*out = parameter.value;
		count++;
	}
	return taken == TAKEN_LAST && count == 1 && is_boundary(*out);
}

/* Cutting the body at its boundaries */

/* The next delimiter at or behind from; body.len when there is none. */
static size_t
find_delimiter(const struct multipart *multipart, struct slice body, size_t from)
{
	const char *found = from < body.len
				    ? memmem(body.data + from, body.len - from,
					      multipart->delimiter, multipart->delimiter_len)
				    : NULL;

	return found != NULL ? (size_t)(found - body.data) : body.len;
}

enum line {
	LINE_OPENS,  /* a part follows */
	LINE_CLOSES, /* the last */
	LINE_INVALID,
};

/* What stands behind the boundary that ends at *at; for a part *at becomes where its line ends, in
 * front of the CRLF, which may be that of the next boundary. */
static enum line
read_boundary_line(struct slice body, size_t *at)
{
	struct slice rest = slice_from(body, *at);

	if (rest.len >= 2 && memcmp(rest.data, "--", 2) == 0)
		return LINE_CLOSES;
	skip_blanks(&rest); /* transport-padding */
	if (rest.len < 2 || memcmp(rest.data, "\r\n", 2) != 0)
		return LINE_INVALID;
	*at = (size_t)(rest.data - body.data);
	return LINE_OPENS;
}

/* Note the part between at, where its boundary line ends, and end; split it at the empty line. */
static enum multipart_result
add_part(struct multipart *multipart, struct slice body, size_t at, size_t end)
{
	struct part *part = &multipart->parts[multipart->count];
	struct slice text, search;
	const char *empty_line;

	if (multipart->count == MULTIPART_PARTS_MAX)
		return too_large(multipart, at);
	if (end < at + 2)
		return refuse(multipart, at, "a part without headers");
	text = (struct slice){ body.data + at + 2, end - at - 2 };
	search = text;
	if (search.len > MULTIPART_HEADERS_MAX)
		search.len = MULTIPART_HEADERS_MAX;
	empty_line = search.len > 0 ? memmem(search.data, search.len, "\r\n\r\n", 4) : NULL;
	if (empty_line == NULL) {
		if (text.len > MULTIPART_HEADERS_MAX)
			return too_large(multipart, at + 2);
		return refuse(multipart, at + 2, "a part without an empty line behind its headers");
	}
	*part = (struct part){ .at = at + 2, .headers = text };
	part->headers.len = (size_t)(empty_line - text.data) + 2;
	part->content = slice_from(text, part->headers.len + 2);
	multipart->count++;
	return MULTIPART_OK;
}

static enum multipart_result
cut_parts(struct multipart *multipart, struct slice body)
{
	enum multipart_result result = MULTIPART_OK;
	size_t bare_len = multipart->delimiter_len - 2; /* without the CRLF */
	size_t at, end;

	if (body.len >= bare_len && memcmp(body.data, multipart->delimiter + 2, bare_len) == 0) {
		at = bare_len;
	} else {
		at = find_delimiter(multipart, body, 0);
		if (at == body.len)
			return refuse(multipart, at, "the boundary of Content-Type is not there");
		at += multipart->delimiter_len;
	}
	for (; result == MULTIPART_OK; at = end + multipart->delimiter_len) {
		switch (read_boundary_line(body, &at)) {
		case LINE_OPENS: break;
		case LINE_CLOSES: return MULTIPART_OK;
		case LINE_INVALID: return refuse(multipart, at, "text behind a boundary");
		}
		end = find_delimiter(multipart, body, at);
		if (end == body.len)
			return refuse(multipart, end, "no closing boundary");
		result = add_part(multipart, body, at, end);
	}
	return result;
}

/* Reading headers */

static enum multipart_result
read_disposition(struct multipart *multipart, struct part *part, struct slice value, size_t at)
{
	struct slice extended = { NULL, 0 };
	struct parameter parameter;
	struct slice kind;
	enum taken taken;

	if (part->name.data != NULL)
		return refuse(multipart, at, "Content-Disposition twice");
	kind = take_token(&value);
	if (!name_is(kind, "form-data"))
		return refuse(multipart, at, "Content-Disposition is not form-data");
	while ((taken = take_parameter(&value, &parameter)) == TAKEN) {
		if (name_is(parameter.name, "name")) {
			if (part->name.data != NULL)
				return refuse(multipart, at, "name twice");
			part->name = decode(multipart, &parameter);
		} else if (name_is(parameter.name, "filename")) {
			if (part->is_file)
				return refuse(multipart, at, "filename twice");
			part->filename = decode(multipart, &parameter);
			part->is_file = true;
		} else if (name_is(parameter.name, "filename*")) {
			if (extended.data != NULL)
				return refuse(multipart, at, "filename* twice");
			extended = parameter.value;
		}
	}
	if (taken == TAKEN_INVALID)
		return refuse(multipart, at, "Content-Disposition cannot be read");
	if (part->name.data == NULL)
		return refuse(multipart, at, "Content-Disposition without a name");
	if (extended.data != NULL && !part->is_file &&
		!decode_extended(multipart, extended, &part->filename))
		return refuse(multipart, at, "a filename* that cannot be read");
	part->is_file = part->is_file || extended.data != NULL;
	return MULTIPART_OK;
}

static bool
is_plain_encoding(struct slice value)
{
	return name_is(value, "7bit") || name_is(value, "8bit") || name_is(value, "binary");
}

/* One line, without its CRLF. */
static enum multipart_result
read_header(struct multipart *multipart, struct part *part, struct slice line, size_t at)
{
	struct slice value = line;
	struct slice name = take_token(&value);

	if (line.len > 0 && is_blank(line.data[0]))
		return refuse(multipart, at, "a folded header line");
	if (name.len == 0 || value.len == 0 || value.data[0] != ':')
		return refuse(multipart, at, "not a header line");
	if (memchr(line.data, '\0', line.len) != NULL ||
		memchr(line.data, '\n', line.len) != NULL ||
		memchr(line.data, '\r', line.len) != NULL)
		return refuse(multipart, at, "a NUL or a lone line end in a header");
	if (!text_is_utf8(line))
		return refuse(multipart, at, "a header that is not UTF-8");
	value = slice_from(value, 1);
	skip_blanks(&value);
	while (value.len > 0 && is_blank(value.data[value.len - 1]))
		value.len--;
	if (name_is(name, "Content-Disposition"))
		return read_disposition(multipart, part, value, at);
	if (name_is(name, "Content-Type")) {
		if (part->type.data != NULL)
			return refuse(multipart, at, "Content-Type twice");
		part->type = value;
	}
	if (name_is(name, "Content-Transfer-Encoding") && !is_plain_encoding(value))
		return refuse(multipart, at, "a Content-Transfer-Encoding that encodes");
	return MULTIPART_OK;
}

static enum multipart_result
read_headers(struct multipart *multipart, struct part *part)
{
	enum multipart_result result = MULTIPART_OK;
	struct slice rest = part->headers;
	size_t at = part->at;

	while (result == MULTIPART_OK && rest.len > 0) {
		/* There is one: headers end in a CRLF. */
		const char *end = memmem(rest.data, rest.len, "\r\n", 2);
		size_t len = (size_t)(end - rest.data);

		result = read_header(multipart, part, (struct slice){ rest.data, len }, at);
		rest = slice_from(rest, len + 2);
		at += len + 2;
	}
	if (result == MULTIPART_OK && part->name.data == NULL)
		return refuse(multipart, part->at, "a part without Content-Disposition");
	return result;
}

/* May these bytes be a value? */
static bool
is_text(struct slice text)
{
	return text.len == 0 || (memchr(text.data, '\0', text.len) == NULL && text_is_utf8(text));
}

static void
multipart_free(struct multipart *multipart)
{
	free(multipart->parts);
	buf_free(&multipart->decoded);
}

/* Cut the body and read each part's headers. The caller frees multipart, whatever comes of it. */
static enum multipart_result
read_parts(struct multipart *multipart, struct slice body, const char *content_type)
{
	struct slice boundary = { NULL, 0 };
	enum multipart_result result;
	size_t room = 0;

	if (!find_boundary(content_type, &boundary))
		return refuse(multipart, 0, "Content-Type without a boundary that is one");
	memcpy(multipart->delimiter, "\r\n--", 4);
	memcpy(multipart->delimiter + 4, boundary.data, boundary.len);
	multipart->delimiter_len = 4 + boundary.len;
	multipart->parts = calloc(MULTIPART_PARTS_MAX + 1, sizeof *multipart->parts);
	if (multipart->parts == NULL)
		return no_memory(multipart);
	result = cut_parts(multipart, body);
	/* Decoding makes no text longer; a file's name is written three times more. */
	for (size_t i = 0; i < multipart->count; i++)
		room += (1 + FILE_FIELDS) * multipart->parts[i].headers.len + FILE_EXTRA;
	buf_init(&multipart->decoded, room);
	if (result == MULTIPART_OK && !buf_reserve(&multipart->decoded, room))
		return no_memory(multipart);
	for (size_t i = 0; result == MULTIPART_OK && i < multipart->count; i++)
		result = read_headers(multipart, &multipart->parts[i]);
	return result;
}

/* Leaves */

/* A field NAME[member] of a file. */
static struct form_field
file_field(struct multipart *multipart, const struct part *part, const char *member,
	struct slice value)
{
	struct buf *decoded = &multipart->decoded;
	size_t before = decoded->len;

	/* For which read_parts() has made room. */
	(void)buf_appendf(decoded, "%.*s[%s]", (int)part->name.len, part->name.data, member);
	return (struct form_field){
		.name = { decoded->data + before, decoded->len - before },
		.value = value,
		.at = part->at,
	};
}

static struct slice
size_text(struct multipart *multipart, size_t size)
{
	struct buf *decoded = &multipart->decoded;
	size_t before = decoded->len;

	(void)buf_append_number(decoded, size, 1);
	return (struct slice){ decoded->data + before, decoded->len - before };
}

/* The fields that a part is; how many. */
static size_t
fields_of(struct multipart *multipart, const struct part *part, struct form_field *out)
{
	struct slice type = part->type.data != NULL ? part->type : slice_of("text/plain");

	if (!part->is_file) {
		out[0] = (struct form_field){ part->name, part->content, part->at };
		return 1;
	}
	if (part->name.len == 0)
		return 0;
	out[0] = file_field(multipart, part, "filename", part->filename);
	out[1] = file_field(multipart, part, "type", type);
	out[2] = file_field(multipart, part, "size", size_text(multipart, part->content.len));
	return FILE_FIELDS;
}

static enum multipart_result
build_leaves(struct multipart *multipart, struct leaves *out)
{
	struct form_field *fields =
		calloc(multipart->count * FILE_FIELDS + 1, sizeof(struct form_field));
	enum form_result result = FORM_NO_MEMORY;
	size_t count = 0, bytes = 0;

	if (fields == NULL)
		return no_memory(multipart);
	for (size_t i = 0; i < multipart->count; i++)
		count += fields_of(multipart, &multipart->parts[i], fields + count);
	for (size_t i = 0; i < count; i++)
		bytes += fields[i].name.len + fields[i].value.len;
	leaves_expect(out, bytes);
	result = form_build(fields, count, out, multipart->reason_out);
	free(fields);
	switch (result) {
	case FORM_OK: return MULTIPART_OK;
	case FORM_INVALID: return MULTIPART_INVALID;
	case FORM_TOO_LARGE: return MULTIPART_TOO_LARGE;
	case FORM_NO_MEMORY: break;
	}
	return MULTIPART_NO_MEMORY;
}

enum multipart_result
multipart_parse(struct slice body, const char *content_type, struct leaves *out, char *reason_out)
{
	struct multipart multipart = { .reason_out = reason_out };
	enum multipart_result result = read_parts(&multipart, body, content_type);

	for (size_t i = 0; result == MULTIPART_OK && i < multipart.count; i++) {
		const struct part *part = &multipart.parts[i];

		if (!part->is_file && !is_text(part->content))
			result =
				refuse(&multipart, part->at, "a field with a NUL or invalid UTF-8");
	}
	if (result == MULTIPART_OK)
		result = build_leaves(&multipart, out);
	multipart_free(&multipart);
	return result;
}

bool
multipart_find(struct slice body, const char *content_type, const char *name, struct slice *out,
	bool *repeated_out)
{
	struct multipart multipart = { .reason_out = NULL };
	const struct part *found = NULL;
	size_t count = 0;
	bool is_found = false;

	if (read_parts(&multipart, body, content_type) == MULTIPART_OK) {
		for (size_t i = 0; i < multipart.count; i++) {
			const struct part *part = &multipart.parts[i];

			if (slice_is(part->name, name) && count++ == 0)
				found = part;
		}
		is_found = found != NULL && !found->is_file && is_text(found->content);
	}
	if (repeated_out != NULL)
		*repeated_out = count > 1;
	if (is_found)
		*out = found->content;
	multipart_free(&multipart);
	return is_found;
}
