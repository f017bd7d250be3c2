/* sign_body.c - put a signature into a body, as senders do whose signature is a part of it
 *
 * Nothing but the value at hand is written anew: a body that went through a parser and
 * a printer would be another one wherever its bytes are signed too.
 */
#include "sign_body.h"

#include <ctype.h>
#include <stdio.h>

#include "form.h"
#include "json.h"
#include "text.h"

enum sign_body_result
sign_body_set_member(struct slice json, struct slice path, struct slice value, struct buf *out)
{
	struct slice found, before, after;

	switch (json_find_raw(json, path, &found)) {
	case JSON_RAW_FOUND: break;
	case JSON_RAW_ABSENT: return SIGN_BODY_ABSENT;
	case JSON_RAW_REPEATED: return SIGN_BODY_REPEATED;
	case JSON_RAW_INVALID: return SIGN_BODY_INVALID;
	}
	before = (struct slice){ json.data, (size_t)(found.data - json.data) };
	after = (struct slice){ found.data + found.len, json.len - before.len - found.len };
	return buf_append_slice(out, before) && text_append_json(out, value) &&
			       buf_append_slice(out, after)
		       ? SIGN_BODY_DONE
		       : SIGN_BODY_NO_ROOM;
}

bool
sign_body_escape(struct buf *out, struct slice text)
{
	bool done = true;

	for (size_t i = 0; done && i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool plain = c < 0x80 && (isalnum(c) || (c != '\0' && strchr("-._~", c) != NULL));
		done = plain ? buf_append_char(out, (char)c) : buf_appendf(out, "%%%02X", c);
	}
	return done;
}

bool
sign_body_field_name(struct buf *out, struct slice path)
{
	bool inside = false, done = true;

	for (size_t i = 0; done && i < path.len; i++) {
		if (path.data[i] != '.') {
			done = buf_append_char(out, path.data[i]);
			continue;
		}
		done = buf_append_text(out, inside ? "][" : "[");
		inside = true;
	}
	return done && (!inside || buf_append_char(out, ']'));
}

/* "NAME=VALUE", both decoded already. */
static bool
append_field(struct buf *out, const char *name, struct slice value)
{
	return sign_body_escape(out, slice_of(name)) && buf_append_char(out, '=') &&
	       sign_body_escape(out, value);
}

/* Is this field, between two "&", the one of that name? */
static bool
is_field(struct slice field, const char *name, struct buf *room)
{
	buf_clear(room);
	return form_find(field, name, room, NULL);
}

enum sign_body_result
sign_body_set_field(struct slice form, const char *name, struct slice value, struct buf *out)
{
	enum sign_body_result result = SIGN_BODY_DONE;
	struct buf decoded;
	size_t found = 0, at = 0;
	bool done = true;

	buf_init(&decoded, form.len + 1);
	while (done && at < form.len) {
		struct slice field = { form.data + at, form.len - at };
		const char *end = memchr(field.data, '&', field.len);
		if (end != NULL)
			field.len = (size_t)(end - field.data);
		if (is_field(field, name, &decoded)) {
			found++;
			done = append_field(out, name, value);
		} else {
			done = buf_append_slice(out, field);
		}
		done = done && (end == NULL || buf_append_char(out, '&'));
		at += field.len + (end != NULL ? 1 : 0);
	}
	if (done && found == 0)
		done = (out->len == 0 || buf_append_char(out, '&')) &&
		       append_field(out, name, value);
	if (!done)
		result = SIGN_BODY_NO_ROOM;
	else if (found > 1)
		result = SIGN_BODY_REPEATED;
	buf_free(&decoded);
	return result;
}
