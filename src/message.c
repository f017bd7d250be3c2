/* message.c - one received request, as templates and signatures see it
 *
 * Lookups walk the server's variables each time: there are about forty, a
 * request needs a handful of them, and an index would cost more than it saves.
 * What the servers really put into them was measured; the traps are noted where
 * they matter.
 */
#include "message.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "form.h"
#include "json.h"
#include "multipart.h"
#include "text.h"

/* Twice what any of the servers accepts as a request line. */
#define URL_MAX 16384

void
message_init(struct message *message, char *const *variables, struct slice body)
{
	memset(message, 0, sizeof *message);
	message->variables = variables;
	message->body = body;
	message->kind = MESSAGE_BODY_UNREAD;
	buf_init(&message->url, URL_MAX);
}

void
message_free(struct message *message)
{
	if (message == NULL)
		return;
	leaves_free(message->leaves);
	leaves_free(message->claims);
	buf_free(&message->field);
	buf_free(&message->url);
	memset(message, 0, sizeof *message);
}

void
message_set_body(struct message *message, struct slice body)
{
	leaves_free(message->leaves);
	buf_free(&message->field);
	message->body = body;
	message->timestamp = message->key_id = (struct slice){ NULL, 0 };
	message->leaves = NULL;
	message->partial = false;
	message->kind = MESSAGE_BODY_UNREAD;
	message->source_kind = MESSAGE_BODY_UNREAD;
	message->source = (struct slice){ NULL, 0 };
	message->reason[0] = '\0';
}

const char *
message_variable(const struct message *message, const char *name)
{
	for (char *const *entry = message->variables; entry != NULL && *entry != NULL; entry++) {
		const char *value = text_variable_value(*entry, name);
		if (value != NULL)
			return value;
	}
	return NULL;
}

/* A variable's value, "" when it is absent. */
static const char *
variable_or_empty(const struct message *message, const char *name)
{
	const char *value = message_variable(message, name);

	return value != NULL ? value : "";
}

/* As text_variable_value(), for a server that leaves the dot of a header's name in its variable (nginx, which then
 * passes it only with ignore_invalid_headers off). */
static const char *
dotted_variable_value(const char *variable, const char *name)
{
	while (*name != '\0' && (*variable == *name || (*variable == '.' && *name == '_'))) {
		variable++;
		name++;
	}
	return *name == '\0' && *variable == '=' ? variable + 1 : NULL;
}

enum message_found
message_header(const struct message *message, const char *variable, struct slice *value_out)
{
	struct slice found = { NULL, 0 };

	/* RFC 3875 4.1.3 gives the content type a variable of its own; nginx sends both. */
	if (strcmp(variable, "HTTP_CONTENT_TYPE") == 0)
		variable = "CONTENT_TYPE";
	for (char *const *entry = message->variables; entry != NULL && *entry != NULL; entry++) {
		const char *value = dotted_variable_value(*entry, variable);
		if (value == NULL || *value == '\0')
			continue;
		if (found.data != NULL)
			return MESSAGE_REPEATED;
		found = slice_of(value);
	}
	if (found.data == NULL)
		return MESSAGE_ABSENT;
	*value_out = found;
	return MESSAGE_FOUND;
}

char *
message_header_variable(const char *header)
{
	static const char prefix[] = "HTTP_";
	size_t len = strlen(header);
	char *variable = xmalloc(sizeof prefix + len);

	memcpy(variable, prefix, sizeof prefix);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)header[i];
		/* Not only "-": lighttpd folds every other character too ("WM_SEC.SIGNATURE"). */
		variable[sizeof prefix - 1 + i] = isalnum(c) ? (char)toupper(c) : '_';
	}
	variable[sizeof prefix - 1 + len] = '\0';
	return variable;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* "Application/JSON; charset=utf-8": the part before the parameters. */
static struct slice
media_type(const struct message *message)
{
	const char *text = variable_or_empty(message, "CONTENT_TYPE");
	struct slice type = { text, 0 };

	while (is_blank(*type.data))
		type.data++;
	type.len = strcspn(type.data, ";");
	while (type.len > 0 && is_blank(type.data[type.len - 1]))
		type.len--;
	return type;
}

/* Media types are compared without regard to case (RFC 9110 8.3.1). */
static bool
type_is(struct slice type, const char *name)
{
	return type.len == strlen(name) && strncasecmp(type.data, name, type.len) == 0;
}

static bool
type_is_json(struct slice type)
{
	static const char suffix[] = "+json"; /* RFC 6839 3.1 */
	size_t suffix_len = sizeof suffix - 1;

	if (type_is(type, "application/json") || type_is(type, "text/json"))
		return true;
	return type.len > suffix_len &&
	       strncasecmp(type.data + type.len - suffix_len, suffix, suffix_len) == 0;
}

/* Senders that say nothing, or text/plain, about their JSON are common; no form
 * or XML document begins like this. */
static bool
body_looks_json(struct slice body)
{
	size_t i = 0;

	while (i < body.len &&
		(is_blank(body.data[i]) || body.data[i] == '\n' || body.data[i] == '\r'))
		i++;
	return i < body.len && (body.data[i] == '{' || body.data[i] == '[');
}

/* What the body is by its first byte and its type. */
static enum message_body
body_kind(const struct message *message)
{
	struct slice type = media_type(message);

	if (body_looks_json(message->body) || type_is_json(type))
		return MESSAGE_BODY_JSON;
	if (type_is(type, "application/x-www-form-urlencoded"))
		return MESSAGE_BODY_FORM;
	if (type_is(type, "multipart/form-data"))
		return MESSAGE_BODY_MULTIPART;
	return MESSAGE_BODY_OPAQUE;
}

/* Find a field of a body of that kind in out, which has room for as much as the body; as
 * message_form_field(). */
static enum message_found
find_field(const struct message *message, enum message_body kind, const char *name, struct buf *out)
{
	size_t before = out->len;
	struct slice value = { NULL, 0 };
	bool repeated = false, found = false;

	if (kind == MESSAGE_BODY_FORM)
		found = form_find(message->body, name, out, &repeated);
	else if (kind == MESSAGE_BODY_MULTIPART)
		found = multipart_find(message->body, variable_or_empty(message, "CONTENT_TYPE"),
				name, &value, &repeated) &&
			buf_append_slice(out, value);
	if (!repeated)
		return found ? MESSAGE_FOUND : MESSAGE_ABSENT;
	if (found) {
		out->len = before;
		out->data[before] = '\0';
	}
	return MESSAGE_REPEATED;
}

enum message_found
message_form_field(struct message *message, const char *name, struct buf *out)
{
	return find_field(message, body_kind(message), name, out);
}

/* Fill source with the field that document names, where the form has it. */
static void
find_document(struct message *message)
{
	struct buf *field = &message->field;

	buf_init(field, message->body.len);
	/* Now, so that what is not found below is not there. */
	if (!buf_reserve(field, message->body.len)) {
		message->source_kind = MESSAGE_BODY_NO_MEMORY;
		message->source = (struct slice){ NULL, 0 };
		return;
	}
	switch (find_field(message, message->source_kind, message->document, field)) {
	case MESSAGE_FOUND:
		message->source_kind = MESSAGE_BODY_JSON;
		message->source = (struct slice){ buf_text(field), field->len };
		return;
	case MESSAGE_REPEATED:
		message->source_kind = MESSAGE_BODY_INVALID;
		message->source = (struct slice){ NULL, 0 };
		(void)snprintf(message->reason, sizeof message->reason,
			"the field %.40s is there more than once", message->document);
		break;
	case MESSAGE_ABSENT: break;
	}
	buf_free(field);
}

/* Find out, once, what the leaves are read from. */
static void
find_source(struct message *message)
{
	if (message->source_kind != MESSAGE_BODY_UNREAD)
		return;
	message->source_kind = body_kind(message);
	message->source = message->body;
	if (message->document != NULL && (message->source_kind == MESSAGE_BODY_FORM ||
						 message->source_kind == MESSAGE_BODY_MULTIPART))
		find_document(message);
}

struct slice
message_document(struct message *message)
{
	find_source(message);
	return message->source;
}

static enum message_body
read_json(struct message *message)
{
	char reason[sizeof message->reason];
	enum json_result result =
		message->partial ? json_parse_members(message->source, message->first_names,
					   message->first_name_count, message->leaves, reason)
				 : json_parse(message->source, message->leaves, reason);

	switch (result) {
	case JSON_OK: return MESSAGE_BODY_JSON;
	case JSON_INVALID:
	case JSON_TOO_LARGE: break;
	case JSON_NO_MEMORY: return MESSAGE_BODY_NO_MEMORY;
	}
	if (message->field.data != NULL)
		(void)snprintf(message->reason, sizeof message->reason, "the field %.40s: %.70s",
			message->document, reason);
	else
		(void)snprintf(message->reason, sizeof message->reason, "%s", reason);
	return MESSAGE_BODY_INVALID;
}

static enum message_body
read_form(struct message *message)
{
	switch (form_parse(message->source, message->leaves, message->reason)) {
	case FORM_OK: return MESSAGE_BODY_FORM;
	case FORM_INVALID: return MESSAGE_BODY_INVALID;
	case FORM_TOO_LARGE: return MESSAGE_BODY_INVALID;
	case FORM_NO_MEMORY: return MESSAGE_BODY_NO_MEMORY;
	}
	return MESSAGE_BODY_INVALID;
}

static enum message_body
read_multipart(struct message *message)
{
	switch (multipart_parse(message->source, variable_or_empty(message, "CONTENT_TYPE"),
		message->leaves, message->reason)) {
	case MULTIPART_OK: return MESSAGE_BODY_MULTIPART;
	case MULTIPART_INVALID: return MESSAGE_BODY_INVALID;
	case MULTIPART_TOO_LARGE: return MESSAGE_BODY_INVALID;
	case MULTIPART_NO_MEMORY: return MESSAGE_BODY_NO_MEMORY;
	}
	return MESSAGE_BODY_INVALID;
}

static bool
has_leaves(enum message_body kind)
{
	return kind == MESSAGE_BODY_JSON || kind == MESSAGE_BODY_FORM ||
	       kind == MESSAGE_BODY_MULTIPART;
}

/* Find out what the body is and read it, with partial saying how much of it. */
static void
read_body(struct message *message)
{
	find_source(message);
	leaves_free(message->leaves);
	message->leaves = NULL;
	message->partial = message->partial && message->source_kind == MESSAGE_BODY_JSON;
	message->kind = message->source_kind;
	if (!has_leaves(message->kind))
		return;
	message->leaves = leaves_new();
	if (message->kind == MESSAGE_BODY_JSON)
		message->kind = read_json(message);
	else if (message->kind == MESSAGE_BODY_FORM)
		message->kind = read_form(message);
	else
		message->kind = read_multipart(message);
	/* A tree that was not built to its end must not be read. */
	if (!has_leaves(message->kind)) {
		leaves_free(message->leaves);
		message->leaves = NULL;
	}
}

enum message_body
message_body(struct message *message)
{
	(void)message_leaves(message);
	return message->kind;
}

const struct leaves *
message_leaves(struct message *message)
{
	if (message->kind == MESSAGE_BODY_UNREAD || message->partial) {
		message->partial = false;
		read_body(message);
	}
	return message->leaves;
}

static bool
is_first_name(const struct message *message, struct slice name)
{
	for (size_t i = 0; i < message->first_name_count; i++)
		if (slice_is(name, message->first_names[i]))
			return true;
	return false;
}

const struct leaves *
message_leaves_under(struct message *message, struct slice name)
{
	if (!is_first_name(message, name))
		return message_leaves(message);
	if (message->kind == MESSAGE_BODY_UNREAD) {
		message->partial = true;
		read_body(message);
	}
	return message->leaves;
}

/*
 * REQUEST_URI from its path on; data NULL when there is none. Apache hands on
 * the absolute form ("http://host/path?query") when a client sends it.
 */
static struct slice
request_target(const struct message *message)
{
	const char *uri = message_variable(message, "REQUEST_URI");
	const char *authority;
	size_t scheme_len;

	if (uri == NULL || *uri == '\0')
		return (struct slice){ NULL, 0 };
	if (*uri == '/')
		return slice_of(uri);
	scheme_len = strcspn(uri, ":/?");
	if (scheme_len == 0 || strncmp(uri + scheme_len, "://", 3) != 0)
		return slice_of(uri);
	authority = uri + scheme_len + 3;
	return slice_of(authority + strcspn(authority, "/?"));
}

struct slice
message_path(const struct message *message)
{
	struct slice target = request_target(message);

	if (target.data == NULL)
		return target;
	target.len = strcspn(target.data, "?");
	/* An absolute form may end behind the host; its path is "/" (RFC 9110 4.2.3). */
	return target.len > 0 ? target : slice_of("/");
}

struct slice
message_target(const struct message *message)
{
	struct slice target = request_target(message);

	if (target.len > 0 && target.data[0] == '?')
		return (struct slice){ NULL, 0 };
	return target.data == NULL || target.len > 0 ? target : slice_of("/");
}

struct slice
message_query(const struct message *message)
{
	struct slice target = request_target(message);
	const char *mark;

	if (target.data == NULL)
		return slice_of(variable_or_empty(message, "QUERY_STRING"));
	mark = strchr(target.data, '?');
	return slice_of(mark != NULL ? mark + 1 : "");
}

static const char *
url_scheme(const struct message *message)
{
	const char *https = variable_or_empty(message, "HTTPS");
	const char *scheme = variable_or_empty(message, "REQUEST_SCHEME");

	if (*https != '\0' && strcasecmp(https, "off") != 0)
		return "https";
	return *scheme != '\0' ? scheme : "http";
}

/* Append host and port as the sender wrote them: its Host header, and only
 * without one the server's idea of itself. false: not known, or out is full. */
static bool
append_host(const struct message *message, const char *scheme, struct buf *out)
{
	const char *name = variable_or_empty(message, "SERVER_NAME");
	const char *port = variable_or_empty(message, "SERVER_PORT");
	const char *usual = strcmp(scheme, "https") == 0 ? "443" : "80";
	struct slice host;

	switch (message_header(message, "HTTP_HOST", &host)) {
	case MESSAGE_FOUND: return buf_append_slice(out, host);
	case MESSAGE_REPEATED: return false;
	case MESSAGE_ABSENT: break;
	}
	if (*name == '\0')
		return false;
	if (*port == '\0' || strcmp(port, usual) == 0)
		return buf_append_text(out, name);
	return buf_appendf(out, "%s:%s", name, port);
}

/* Is own ("?a=1", or "" for none) what the query begins with, field for field? A query may be
 * longer, and it may be missing altogether. */
static bool
begins_with_query(struct slice query, const char *own)
{
	size_t len = *own == '?' ? strlen(own + 1) : 0;

	if (query.len == 0 || len == 0)
		return true;
	return query.len >= len && memcmp(query.data, own + 1, len) == 0 &&
	       (query.len == len || query.data[len] == '&');
}

const char *
message_url(struct message *message)
{
	struct slice target = request_target(message);
	struct slice path = message_path(message);
	const char *scheme = url_scheme(message);
	struct buf *url = &message->url;

	if (url->len > 0)
		return buf_text(url);
	if (message->url_override != NULL) {
		struct slice query = message_query(message);
		struct slice before = slice_of(message->url_override);
		before.len = strcspn(message->url_override, "?");
		if (!begins_with_query(query, message->url_override + before.len))
			return NULL;
		if (query.len == 0)
			return message->url_override;
		if (buf_append_slice(url, before) && buf_append_text(url, "?") &&
			buf_append_slice(url, query))
			return buf_text(url);
		buf_clear(url);
		return NULL;
	}
	if (target.data == NULL)
		return NULL;
	if (buf_appendf(url, "%s://", scheme) && append_host(message, scheme, url) &&
		buf_append_slice(url, path) &&
		/* From the "?" on, where there is one. */
		buf_append_text(url, target.data + strcspn(target.data, "?")))
		return buf_text(url);
	buf_clear(url);
	return NULL;
}
