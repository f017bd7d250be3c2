/* sign.c - what a sender with this secret sends for a body
 *
 * The line of signature.c the other way round, for hookcgi sign and send and for tests: choose
 * the id and the time, put together what is signed, write the signature where the scheme carries
 * it. It works on a copy of the message that grows as the request does, so that a template sees
 * what was made before; in the end signature.c is asked whether it is right.
 */
#include "sign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "crypto.h"
#include "form.h"
#include "key.h"
#include "multipart.h"
#include "sign_body.h"
#include "signature.h"
#include "template.h"
#include "text.h"

#define MADE_MAX 65536  /* bytes that a template makes anew, besides those of the body */
#define FRESH_BYTES 12  /* 96 random bits, as 24 hex digits */
#define HEADER_MAX 8192 /* bytes of a header that we make */
#define CLAIMS_MAX 16   /* of a token */
#define TOKEN_LIFE_MS 300000
#define ITEMS_MAX 1000 /* elements that are signed one by one: more are not verified */

static const char form_type[] = "application/x-www-form-urlencoded";

/* The signing of one message under one scheme. */
struct making {
	const struct sign_request *request;
	const struct provider *provider;
	const struct provider_scheme *scheme;
	const struct config_secret *secret;
	struct sign_result *out;
	char *reason;           /* 256 bytes */
	struct message message; /* with what has been made so far */
	struct slice item;      /* path of the element at hand, of a scheme with each */
	char **variables;       /* the message's, all our own; NULL-ended */
	size_t variable_count;
	struct buf id, time, key_id; /* texts of the message */
	struct buf body;             /* the message's, once it was changed */
	bool body_changed;
	struct buf query;  /* what is added to it */
	struct buf claims; /* members of the token's payload */
	const char *claim_names[CLAIMS_MAX];
	size_t claim_count;
};

__attribute__((format(printf, 2, 3))) static bool
fail(struct making *making, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(making->reason, 256, format, arguments);
	va_end(arguments);
	return false;
}

static bool
fail_long(struct making *making)
{
	return fail(making, "it does not fit into memory");
}

/* ---- the copy of the message ---- */

static void
set_variable(struct making *making, const char *name, struct slice value)
{
	size_t size = strlen(name) + value.len + 2, i = 0;
	char *variable = xmalloc(size);

	snprintf(variable, size, "%s=%.*s", name, (int)value.len, value.len > 0 ? value.data : "");
	while (i < making->variable_count &&
		text_variable_value(making->variables[i], name) == NULL)
		i++;
	if (i == making->variable_count)
		making->variable_count++;
	else
		free_secret(making->variables[i], strlen(making->variables[i]));
	making->variables[i] = variable;
	buf_clear(&making->message.url);
}

static void
copy_message(struct making *making, const struct message *from)
{
	struct message *message = &making->message;
	size_t count = 0;

	while (from->variables != NULL && from->variables[count] != NULL)
		count++;
	/* Room for our headers, the target and the type. */
	making->variables = xcalloc(count + SIGN_HEADERS_MAX + 4, sizeof *making->variables);
	for (size_t i = 0; i < count; i++)
		making->variables[i] = xstrdup(from->variables[i]);
	making->variable_count = count;
	message_init(message, making->variables, from->body);
	message->url_override = from->url_override;
	message->parameters = from->parameters;
	message->parameter_count = from->parameter_count;
	message->document = from->document;
	message->endpoint = from->endpoint;
	message->event = from->event;
	message->id = from->id;
	message->timestamp = from->timestamp;
}

/* Take over another body; made is empty then. */
static void
set_body(struct making *making, struct buf *made)
{
	struct slice timestamp = making->message.timestamp, key_id = making->message.key_id;

	if (making->body_changed)
		buf_free(&making->body);
	making->body = *made;
	making->body_changed = true;
	buf_init(made, 0);
	message_set_body(&making->message, buf_slice(&making->body));
	/* They lie in buffers of their own. */
	making->message.timestamp = timestamp;
	making->message.key_id = key_id;
}

/* ---- templates ---- */

/* The template's text in out (empty): a copy, since body and query may still change. */
static bool
expand(struct making *making, const struct template *template, struct buf *out)
{
	buf_clear(out);
	return template_text(template, &making->message, out) == TEMPLATE_OK;
}

/* The one reference that the template is, NULL when it is anything else. */
static const struct template_part *
single(const struct template *template)
{
	return template != NULL && template->count == 1 ? &template->parts[0] : NULL;
}

/* What to do so that the part, which is not there, is. */
static const char *
remedy_of(enum template_kind kind)
{
	switch (kind) {
	case TEMPLATE_BODY_FIELD:
	case TEMPLATE_KEY:
	case TEMPLATE_FORM:
	case TEMPLATE_RAW:
	case TEMPLATE_ITEM:
	case TEMPLATE_SORTED_FORM: return "put it into the body";
	case TEMPLATE_HEADER: return "give it with --header";
	case TEMPLATE_QUERY: return "put it into the query of --url";
	case TEMPLATE_URL:
	case TEMPLATE_PATH:
	case TEMPLATE_TARGET: return "give --url";
	case TEMPLATE_CANONICAL:
		return "give --url, and see that the body is what this sender sends";
	case TEMPLATE_PARAMETER: return "put it among the endpoint's parameters";
	case TEMPLATE_EVENT: return "give --event";
	case TEMPLATE_ID: return "give --id";
	case TEMPLATE_LITERAL:
	case TEMPLATE_BODY:
	case TEMPLATE_METHOD:
	case TEMPLATE_TIMESTAMP:
	case TEMPLATE_SIGNATURE:
	case TEMPLATE_ENDPOINT:
	case TEMPLATE_SECRET:
	case TEMPLATE_BODYHASH:
	case TEMPLATE_ENCODED:
	case TEMPLATE_CLAIM:
	case TEMPLATE_KEY_ID:
	case TEMPLATE_DIGEST:
	case TEMPLATE_CHECKSUM: break;
	}
	return "this cannot be made here";
}

static bool
fail_part(struct making *making, const struct template_part *part)
{
	const char *kind = template_kind_name(part->kind);
	const char *colon = strchr(kind, ':');
	const char *name = part->kind == TEMPLATE_HEADER      ? part->header
			   : part->kind == TEMPLATE_CANONICAL ? part->canonical->name
							      : part->text;

	if (colon == NULL || name == NULL)
		return fail(making, "%.60s, which is signed, is not there: %s", kind,
			remedy_of(part->kind));
	return fail(making, "%.*s:%.80s}, which is signed, is not there: %s", (int)(colon - kind),
		kind, name, remedy_of(part->kind));
}

/* Say which of the template's references is not there. */
static bool
fail_absent(struct making *making, const struct template *template)
{
	struct buf room;
	size_t i = 0;

	buf_init(&room, MADE_MAX + 2 * making->message.body.len);
	for (; i < template->count; i++) {
		const struct template alone = { template->source, &template->parts[i], 1 };
		if (!expand(making, &alone, &room))
			break;
	}
	buf_free(&room);
	if (i < template->count)
		return fail_part(making, &template->parts[i]);
	return fail(
		making, "\"%.100s\", which is signed, cannot be put together", template->source);
}

/* ---- what carries something ---- */

/* A line break would start another header at the receiver, a NUL would end the value. */
static bool
fits_header(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\n' || value.data[i] == '\r' || value.data[i] == '\0')
			return false;
	}
	return value.len <= HEADER_MAX;
}

static bool
has_header(const struct making *making, const char *name)
{
	char *variable = message_header_variable(name);
	struct slice value;
	bool found = message_header(&making->message, variable, &value) != MESSAGE_ABSENT;

	free(variable);
	return found;
}

static bool
add_header(struct making *making, const char *name, struct slice value)
{
	struct sign_result *out = making->out;
	char *variable;

	if (out->header_count == SIGN_HEADERS_MAX)
		return fail(making, "there are more headers than there is room for");
	if (!fits_header(value))
		return fail(making, "what belongs into %.60s does not fit into a header", name);
	out->headers[out->header_count++] =
		(struct sign_header){ xstrdup(name), xmemdup0(value.data, value.len) };
	variable = message_header_variable(name);
	set_variable(making, variable, value);
	free(variable);
	return true;
}

/* The target with more behind it. */
static bool
set_query(struct making *making, struct slice more)
{
	const char *target = message_variable(&making->message, "REQUEST_URI");
	const char *name = target != NULL ? "REQUEST_URI" : "QUERY_STRING";
	bool has_query = message_query(&making->message).len > 0;
	struct buf text;
	bool done;

	if (target == NULL)
		target = message_variable(&making->message, "QUERY_STRING");
	if (target == NULL)
		target = "";
	buf_init(&text, MADE_MAX + strlen(target));
	done = buf_append_text(&text, target) &&
	       (*target == '\0' || buf_append_text(&text,
					   has_query || strchr(target, '?') != NULL ? "&" : "?")) &&
	       buf_append_slice(&text, more);
	if (done)
		set_variable(making, name, buf_slice(&text));
	buf_free_secret(&text);
	return done;
}

static bool
add_query(struct making *making, const char *name, struct slice value)
{
	struct buf field, room;
	bool repeated = false, done;

	buf_init(&room, MADE_MAX);
	if (form_find(message_query(&making->message), name, &room, &repeated) || repeated) {
		buf_free(&room);
		return fail(making, "the URL has %.60s already: leave it out", name);
	}
	buf_free(&room);
	buf_init(&field, MADE_MAX);
	done = sign_body_escape(&field, slice_of(name)) && buf_append_char(&field, '=') &&
	       sign_body_escape(&field, value) &&
	       (making->query.len == 0 || buf_append_char(&making->query, '&')) &&
	       buf_append_slice(&making->query, buf_slice(&field)) &&
	       set_query(making, buf_slice(&field));
	buf_free_secret(&field);
	return done || fail_long(making);
}

/* A member of the token; the first of a name stays. number: without quotes. */
static bool
add_claim(struct making *making, const char *name, struct slice value, bool number)
{
	struct buf *claims = &making->claims;

	for (size_t i = 0; i < making->claim_count; i++) {
		if (strcmp(making->claim_names[i], name) == 0)
			return true;
	}
	if (making->claim_count == CLAIMS_MAX)
		return fail(making, "the token would hold too many claims");
	making->claim_names[making->claim_count++] = name;
	return ((claims->len == 0 || buf_append_char(claims, ',')) &&
		       text_append_json(claims, slice_of(name)) && buf_append_char(claims, ':') &&
		       (number ? buf_append_slice(claims, value)
			       : text_append_json(claims, value))) ||
	       fail_long(making);
}

static bool
judge_body(struct making *making, enum sign_body_result result, struct slice path)
{
	int len = (int)(path.len < 80 ? path.len : 80);

	switch (result) {
	case SIGN_BODY_DONE: return true;
	case SIGN_BODY_ABSENT:
		return fail(making,
			"the signature lies in the body: put the member %.*s in with any text", len,
			path.data);
	case SIGN_BODY_REPEATED:
		return fail(making, "%.*s is in the body more than once", len, path.data);
	case SIGN_BODY_INVALID: return fail(making, "the body is no JSON");
	case SIGN_BODY_NO_ROOM: break;
	}
	return fail_long(making);
}

static bool
is_multipart(const struct making *making)
{
	const char *type = message_variable(&making->message, "CONTENT_TYPE");

	return type != NULL && strncasecmp(type, "multipart/", strlen("multipart/")) == 0;
}

/* Put the text in place of a field of a multipart body (RFC 7578), which must be there. */
static enum sign_body_result
set_part(struct making *making, const char *name, struct slice text, struct buf *made)
{
	struct slice body = making->message.body, value;
	const char *type = message_variable(&making->message, "CONTENT_TYPE");
	bool repeated = false;

	if (!multipart_find(body, type, name, &value, &repeated))
		return repeated ? SIGN_BODY_REPEATED : SIGN_BODY_ABSENT;
	if (repeated)
		return SIGN_BODY_REPEATED;
	struct slice before = { body.data, (size_t)(value.data - body.data) };
	struct slice after = { value.data + value.len, body.len - before.len - value.len };
	return buf_append_slice(made, before) && buf_append_slice(made, text) &&
			       buf_append_slice(made, after)
		       ? SIGN_BODY_DONE
		       : SIGN_BODY_NO_ROOM;
}

/* Put the text into a field of the form, of either kind, that the body is. */
static bool
put_field(struct making *making, const char *name, struct slice text)
{
	struct slice body = making->message.body;
	struct buf made;
	enum sign_body_result result;

	buf_init(&made, body.len + 3 * (strlen(name) + text.len) + 16);
	result = is_multipart(making) ? set_part(making, name, text, &made)
				      : sign_body_set_field(body, name, text, &made);
	if (judge_body(making, result, slice_of(name))) {
		set_body(making, &made);
		return true;
	}
	buf_free_secret(&made);
	return false;
}

static bool
can_place(const struct template_part *part)
{
	return part != NULL && (part->kind == TEMPLATE_HEADER || part->kind == TEMPLATE_QUERY ||
				       part->kind == TEMPLATE_FORM || part->kind == TEMPLATE_CLAIM);
}

/* Write the text where the part is read from, of those that can_place(). */
static bool
place(struct making *making, const struct template_part *part, struct slice text)
{
	if (part->kind == TEMPLATE_HEADER)
		return has_header(making, part->header) || add_header(making, part->header, text);
	if (part->kind == TEMPLATE_QUERY)
		return add_query(making, part->text, text);
	if (part->kind == TEMPLATE_FORM)
		return put_field(making, part->text, text);
	return add_claim(making, part->text, text, false);
}

/* ---- what a sender says besides the signature ---- */

/* Append what nobody has used before, behind the prefix. */
static bool
append_fresh(struct making *making, const char *prefix, struct buf *out)
{
	uint8_t random[FRESH_BYTES];

	return (crypto_random(random, sizeof random) && buf_append_text(out, prefix) &&
		       text_encode(TEXT_HEX, random, sizeof random, out)) ||
	       fail(making, "there are no random bytes");
}

static bool
make_id(struct making *making)
{
	buf_clear(&making->id);
	if (!append_fresh(making, "msg_", &making->id))
		return false;
	making->message.id = buf_slice(&making->id);
	return true;
}

/* The id, when it is signed or the caller gave one. A token has one of its own. */
static bool
say_id(struct making *making)
{
	const struct provider *provider = making->provider;
	struct slice *id = &making->message.id;
	bool is_signed = provider_scheme_signs(making->scheme, TEMPLATE_ID);

	for (size_t i = 0; i < provider->id_count; i++) {
		const struct template_part *part = single(provider->ids[i]);
		bool claimed = part != NULL && part->kind == TEMPLATE_CLAIM;
		if (claimed ? making->scheme->jws == NULL : !is_signed && id->len == 0)
			continue;
		/* One that is there already, or that lies in the body, is what it is. */
		if (!claimed && (is_signed || can_place(part)) &&
			expand(making, provider->ids[i], &making->id) && making->id.len > 0) {
			*id = buf_slice(&making->id);
			return true;
		}
		if (can_place(part))
			return (id->len > 0 || make_id(making)) && place(making, part, *id);
	}
	if (is_signed && id->len == 0)
		return fail(making, "the body lacks the id that is signed: put it in");
	return true;
}

static bool
say_time(struct making *making)
{
	const struct provider_scheme *scheme = making->scheme;
	const struct template_part *part = single(scheme->timestamp);
	struct slice *timestamp = &making->message.timestamp;
	bool claimed = part != NULL && part->kind == TEMPLATE_CLAIM;
	bool number =
		scheme->timestamp_format == TEXT_TIME_S || scheme->timestamp_format == TEXT_TIME_MS;

	if (!scheme->has_timestamp)
		return true;
	if (scheme->timestamp != NULL && !claimed &&
		expand(making, scheme->timestamp, &making->time) && making->time.len > 0) {
		*timestamp = buf_slice(&making->time);
		return true;
	}
	if (scheme->timestamp != NULL && !can_place(part))
		return fail(making,
			"the time that is signed, %.80s, is not there: put it into the body",
			scheme->timestamp->source);
	if (timestamp->len == 0) {
		buf_clear(&making->time);
		if (!text_format_time(
			    scheme->timestamp_format, making->request->now_ms, &making->time))
			return fail(making, "the time cannot be written");
		*timestamp = buf_slice(&making->time);
	}
	if (claimed)
		return add_claim(making, part->text, *timestamp, number);
	return part == NULL || place(making, part, *timestamp);
}

/* Which key it is. */
static bool
say_key_id(struct making *making)
{
	const struct provider_scheme *scheme = making->scheme;
	const struct template_part *part = single(scheme->key_id);
	const char *name = making->secret->key_id;

	if (scheme->key_id != NULL && expand(making, scheme->key_id, &making->key_id) &&
		making->key_id.len > 0) {
		if (name != NULL && !slice_is(buf_slice(&making->key_id), name))
			return fail(making, "%.80s names another key than \"%.60s\", which signs",
				scheme->key_id->source, name);
		making->message.key_id = buf_slice(&making->key_id);
		return true;
	}
	buf_clear(&making->key_id);
	if (!buf_append_text(&making->key_id, name != NULL ? name : "1"))
		return fail_long(making);
	making->message.key_id = buf_slice(&making->key_id);
	if (scheme->key_id == NULL)
		return true;
	if (!can_place(part))
		return fail(making, "the key's name, %.80s, is not there: put it into the body",
			scheme->key_id->source);
	return place(making, part, making->message.key_id);
}

/* The event's header, where the provider reads it from one. */
static bool
say_event(struct making *making)
{
	const struct provider *provider = making->provider;

	for (size_t i = 0; making->message.event.len > 0 && i < provider->event_count; i++) {
		const struct template_part *part = single(provider->events[i]);
		if (part != NULL && part->kind == TEMPLATE_HEADER)
			return place(making, part, making->message.event);
	}
	return true;
}

/* A header that is signed and not there, where it is known what the sender writes: a date or a nonce. */
static bool
say_header(struct making *making, const char *name)
{
	struct buf text;
	bool done = true, is_date = strcasecmp(name, "Date") == 0;

	if (has_header(making, name) || (!is_date && strcasestr(name, "nonce") == NULL))
		return true;
	buf_init(&text, 64);
	if (is_date)
		done = text_format_time(TEXT_TIME_HTTP, making->request->now_ms, &text) ||
		       fail(making, "the time cannot be written");
	else
		done = append_fresh(making, "", &text);
	done = done && add_header(making, name, buf_slice(&text));
	buf_free(&text);
	return done;
}

/* The headers that a form of the request reads (canonical.h). */
static bool
say_canonical(struct making *making, const struct canonical_form *form)
{
	static const char listed[] = "x-contentful-signed-headers";

	if (strcmp(form->name, "plivo") == 0)
		return say_header(making, "X-Plivo-Signature-V3-Nonce");
	if (strcmp(form->name, "contentful") == 0)
		return has_header(making, listed) ||
		       add_header(making, listed,
			       slice_of("x-contentful-signed-headers,x-contentful-timestamp"));
	return true;
}

static bool
say_signed_headers(struct making *making)
{
	bool done = true;

	for (size_t i = 0; done && i < making->scheme->signs_count; i++) {
		const struct template *signs = making->scheme->signs[i];
		for (size_t j = 0; done && j < signs->count; j++) {
			if (signs->parts[j].kind == TEMPLATE_HEADER)
				done = say_header(making, signs->parts[j].header);
			else if (signs->parts[j].kind == TEMPLATE_CANONICAL)
				done = say_canonical(making, signs->parts[j].canonical);
		}
	}
	return done;
}

/* What must be equal: where one side is nothing but a place to write to, the other side's text. */
static bool
say_required(struct making *making)
{
	bool done = true;
	struct buf text;

	buf_init(&text, MADE_MAX);
	for (size_t i = 0; done && i < making->scheme->requires_count; i++) {
		const struct provider_requirement *requirement = &making->scheme->requires[i];
		const struct template *to = requirement->left, *from = requirement->right;
		if (!can_place(single(to))) {
			to = requirement->right;
			from = requirement->left;
		}
		/* What neither side can be written to is there, or the end tells. */
		if (!can_place(single(to)) || expand(making, to, &text))
			continue;
		done = expand(making, from, &text) ? place(making, single(to), buf_slice(&text))
						   : fail_absent(making, from);
	}
	buf_free(&text);
	return done;
}

/* ---- the signature ---- */

/* The first place that a signature can be written to, NULL: there is none. */
static const struct template_part *
carrier_of(const struct provider_scheme *scheme)
{
	for (size_t i = 0; i < scheme->carrier_count; i++) {
		const struct template_part *part = single(scheme->carriers[i]);
		if (part == NULL)
			continue;
		if (part->kind == TEMPLATE_HEADER || part->kind == TEMPLATE_QUERY ||
			part->kind == TEMPLATE_BODY_FIELD || part->kind == TEMPLATE_FORM ||
			(part->kind == TEMPLATE_ITEM && scheme->each != NULL))
			return part;
	}
	return NULL;
}

/* Append one part of the carrier's text. */
static bool
write_shape(struct making *making, const struct template *shape, struct slice signature,
	struct buf *text)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct template_part *part = &shape->parts[i];
		struct slice piece;
		if (part->kind == TEMPLATE_LITERAL)
			piece = (struct slice){ part->text, part->text_len };
		else if (part->kind == TEMPLATE_SIGNATURE)
			piece = signature;
		else if (part->kind == TEMPLATE_TIMESTAMP)
			piece = making->message.timestamp;
		else if (part->kind == TEMPLATE_KEY_ID)
			piece = making->message.key_id;
		else
			return fail(making, "the format holds more than signature, time and key");
		if (!buf_append_slice(text, piece))
			return fail_long(making);
	}
	return true;
}

/*
 * Of a form of the request that is read from the signature's own header: that header in full, where
 * the provider's format names only what a receiver looks for.
 */
static const char *
whole_header(const struct provider_scheme *scheme)
{
	static const char hygraph[] = "sign={signature}, env=master, t={timestamp}";
	const struct template_part *part =
		scheme->signs_count > 0 ? single(scheme->signs[0]) : NULL;

	if (part == NULL || part->kind != TEMPLATE_CANONICAL ||
		strcmp(part->canonical->name, "hygraph") != 0)
		return NULL;
	return hygraph;
}

static bool
write_whole_header(struct making *making, struct slice signature, struct buf *text)
{
	char wrong[256];
	struct template *shape = template_parse(whole_header(making->scheme), wrong);
	bool done = shape != NULL && write_shape(making, shape, signature, text);

	template_free(shape);
	return done;
}

/* The whole text of the carrier. */
static bool
write_text(struct making *making, struct slice signature, struct buf *text)
{
	const struct provider_scheme *scheme = making->scheme;

	if (whole_header(scheme) != NULL)
		return write_whole_header(making, signature, text);
	for (size_t i = 0; i < scheme->format_count; i++) {
		if (i > 0 && scheme->separator == NULL)
			break;
		if (i > 0 && !buf_append_text(text, scheme->separator))
			return fail_long(making);
		if (!write_shape(making, scheme->format[i], signature, text))
			return false;
	}
	return true;
}

/* Let what is signed be read from a header that does not have its signature yet. */
static bool
draft_header(struct making *making)
{
	const struct template_part *carrier = carrier_of(making->scheme);
	struct buf text;
	bool done = true;

	if (whole_header(making->scheme) == NULL || carrier->kind != TEMPLATE_HEADER)
		return true;
	buf_init(&text, HEADER_MAX);
	done = write_whole_header(making, slice_of("0"), &text);
	if (done)
		set_variable(making, carrier->variable, buf_slice(&text));
	buf_free(&text);
	return done;
}

/* What is signed, the first of the texts of which everything is there, in parts. made holds what
 * of them is no piece of the message. */
static bool
signed_parts(struct making *making, const struct key *key, struct buf *made,
	struct slice parts[TEMPLATE_PARTS_MAX], size_t *count_out)
{
	const struct provider_scheme *scheme = making->scheme;
	enum template_result result = TEMPLATE_ABSENT;

	*count_out = 0;
	for (size_t i = 0; i < scheme->signs_count && result == TEMPLATE_ABSENT; i++) {
		buf_clear(made);
		making->message.secret = buf_slice(&key->text);
		result = template_slices(scheme->signs[i], &making->message, made, parts);
		making->message.secret = (struct slice){ NULL, 0 };
		*count_out = scheme->signs[i]->count;
	}
	if (scheme->signs_count == 0 || result == TEMPLATE_OK)
		return true;
	return fail_absent(making, scheme->signs[scheme->signs_count - 1]);
}

/* Append {"alg":…,"typ":"JWT"} in base64url. */
static bool
write_token_header(const struct making *making, struct buf *token)
{
	const char *name = making->secret->key_id;
	struct buf json;
	bool done;

	buf_init(&json, MADE_MAX);
	done = buf_appendf(&json, "{\"alg\":\"%s\",\"typ\":\"JWT\"", making->scheme->jws) &&
	       (name == NULL || making->scheme->key_id != NULL ||
		       (buf_append_text(&json, ",\"kid\":") &&
			       text_append_json(&json, slice_of(name)))) &&
	       buf_append_char(&json, '}') &&
	       text_encode(TEXT_BASE64URL, json.data, json.len, token);
	buf_free(&json);
	return done;
}

/* The token's own times (RFC 7519 section 4.1). */
static bool
add_token_times(struct making *making)
{
	static const char *const names[] = { "iat", "nbf", "exp" };
	char text[24];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int64_t at_ms = making->request->now_ms + (i == 2 ? TOKEN_LIFE_MS : 0);
		snprintf(text, sizeof text, "%lld", (long long)(at_ms / 1000));
		if (!add_claim(making, names[i], slice_of(text), true))
			return false;
	}
	return true;
}

/* What a JWS is over: its claims, or, detached, the text that is signed. */
static bool
write_payload(struct making *making, const struct key *key, struct buf *payload)
{
	struct slice parts[TEMPLATE_PARTS_MAX];
	size_t count = 0;
	struct buf made;
	bool done;

	if (making->scheme->signs_count == 0)
		return add_token_times(making) &&
		       ((buf_append_char(payload, '{') &&
				buf_append_slice(payload, buf_slice(&making->claims)) &&
				buf_append_char(payload, '}')) ||
			       fail_long(making));
	buf_init(&made, payload->max);
	done = signed_parts(making, key, &made, parts, &count);
	for (size_t i = 0; done && i < count; i++)
		done = buf_append_slice(payload, parts[i]) || fail_long(making);
	buf_free_secret(&made);
	return done;
}

/* The compact JWS (RFC 7515 section 3.1; appendix F for a detached one). */
static bool
make_token(struct making *making, const struct key *key, struct buf *token)
{
	size_t max = MADE_MAX + 4 * making->message.body.len, head_len;
	struct buf signed_text, payload, signature;
	bool done = false;

	buf_init(&payload, max);
	buf_init(&signed_text, 2 * max);
	buf_init(&signature, KEY_SIGNATURE_MAX);
	if (!write_payload(making, key, &payload))
		goto out;
	done = write_token_header(making, &signed_text) && buf_append_char(&signed_text, '.');
	head_len = signed_text.len;
	if (done && text_encode(TEXT_BASE64URL, payload.data, payload.len, &signed_text)) {
		struct slice part = buf_slice(&signed_text), sent = part;
		if (making->scheme->signs_count > 0)
			sent.len = head_len;
		done = key_sign(making->scheme, key, &part, 1, &signature) &&
		       buf_append_slice(token, sent) && buf_append_char(token, '.') &&
		       buf_append_slice(token, buf_slice(&signature));
	} else {
		done = false;
	}
	if (!done)
		fail_long(making);
out:
	buf_free_secret(&signature);
	buf_free(&signed_text);
	buf_free(&payload);
	return done;
}

/* Of anything but a JWS. */
static bool
make_signature(struct making *making, const struct key *key, struct buf *signature)
{
	struct slice parts[TEMPLATE_PARTS_MAX];
	size_t count = 0;
	struct buf made;
	bool done;

	buf_init(&made, MADE_MAX + 2 * making->message.body.len);
	done = signed_parts(making, key, &made, parts, &count) &&
	       (key_sign(making->scheme, key, parts, count, signature) ||
		       fail(making, "the crypto library failed"));
	buf_free_secret(&made);
	return done;
}

/* ---- a signature in the body ---- */

/* Put the text into a member of the JSON that the body is, or that lies in its field. */
static bool
put_member(struct making *making, struct slice path, struct slice text)
{
	struct slice document = message_document(&making->message);
	bool in_field = document.data != making->message.body.data;
	struct buf made;
	bool done;

	buf_init(&made, document.len + 6 * text.len + 16);
	done = judge_body(making, sign_body_set_member(document, path, text, &made), path);
	if (done && in_field)
		done = put_field(making, making->message.document, buf_slice(&made));
	else if (done)
		set_body(making, &made);
	buf_free_secret(&made);
	return done;
}

static bool
put_leaf(struct making *making, struct slice path, struct slice text)
{
	struct buf name;
	bool done;

	switch (message_body(&making->message)) {
	case MESSAGE_BODY_JSON: return put_member(making, path, text);
	case MESSAGE_BODY_FORM:
	case MESSAGE_BODY_MULTIPART:
		buf_init(&name, 4 * path.len + 1);
		done = sign_body_field_name(&name, path) ? put_field(making, buf_text(&name), text)
							 : fail_long(making);
		buf_free(&name);
		return done;
	case MESSAGE_BODY_UNREAD:
	case MESSAGE_BODY_OPAQUE:
	case MESSAGE_BODY_INVALID:
	case MESSAGE_BODY_NO_MEMORY: break;
	}
	return fail(making, "the signature lies in the body, which must be JSON or a form");
}

/* Write the carrier's text to where it belongs. */
static bool
carry(struct making *making, struct slice text)
{
	const struct template_part *carrier = carrier_of(making->scheme);
	struct buf path;
	bool done;

	if (carrier->kind == TEMPLATE_HEADER)
		return add_header(making, carrier->header, text);
	if (carrier->kind == TEMPLATE_QUERY)
		return add_query(making, carrier->text, text);
	if (carrier->kind == TEMPLATE_FORM)
		return put_field(making, carrier->text, text);
	if (carrier->kind == TEMPLATE_BODY_FIELD)
		return put_leaf(making, slice_of(carrier->text), text);
	buf_init(&path, MADE_MAX);
	done = buf_append_slice(&path, making->item) && buf_append_char(&path, '.') &&
			       buf_append_text(&path, carrier->text)
		       ? put_leaf(making, buf_slice(&path), text)
		       : fail_long(making);
	buf_free(&path);
	return done;
}

/* Sign what the message now is, and write the signature. */
static bool
sign_once(struct making *making, const struct key *key)
{
	struct buf signature, text;
	bool done;

	buf_init(&signature, KEY_SIGNATURE_MAX + 4 * making->message.body.len);
	buf_init(&text, signature.max + HEADER_MAX);
	done = draft_header(making) &&
	       (making->scheme->jws != NULL ? make_token(making, key, &signature)
					    : make_signature(making, key, &signature)) &&
	       write_text(making, buf_slice(&signature), &text) && carry(making, buf_slice(&text));
	buf_free_secret(&text);
	buf_free_secret(&signature);
	return done;
}

/* Sign one element of the array. Its place among the leaves is another after each change. */
static bool
sign_element(struct making *making, const struct key *key, size_t index)
{
	const char *each = making->scheme->each;
	struct message *message = &making->message;
	const struct leaves *leaves = message_leaves(message);
	char path[512];
	size_t count = 0;
	uint32_t element =
		leaves != NULL ? leaves_first_element(leaves, slice_of(each), &count) : 0;
	int len = snprintf(path, sizeof path, "%s.%zu", each, index);
	bool done;

	if (index >= count || len < 0 || (size_t)len >= sizeof path)
		return fail_long(making);
	for (size_t i = 0; i < index; i++)
		element = leaves_next_element(leaves, element);
	making->item = (struct slice){ path, (size_t)len };
	message->item = element;
	done = sign_once(making, key);
	message->item = 0;
	making->item = (struct slice){ NULL, 0 };
	return done;
}

/* Sign every element of the array. */
static bool
sign_each(struct making *making, const struct key *key)
{
	const char *each = making->scheme->each;
	const struct leaves *leaves = message_leaves(&making->message);
	size_t count = 0;

	if (leaves == NULL || leaves_first_element(leaves, slice_of(each), &count) == 0)
		return fail(making, "the body has no list %.80s, whose elements are signed", each);
	if (count > ITEMS_MAX)
		return fail(making, "the list %.80s is too long", each);
	for (size_t i = 0; i < count; i++) {
		if (!sign_element(making, key, i))
			return false;
	}
	return true;
}

/* ---- from message to request ---- */

static bool
reads_field(const struct provider_scheme *scheme, const char *field)
{
	for (size_t i = 0; i < scheme->signs_count + scheme->carrier_count; i++) {
		const struct template *template =
			i < scheme->signs_count ? scheme->signs[i]
						: scheme->carriers[i - scheme->signs_count];
		for (size_t j = 0; j < template->count; j++)
			if (template->parts[j].kind == TEMPLATE_FORM &&
				strcmp(template->parts[j].text, field) == 0)
				return true;
	}
	return false;
}

/* JSON that the sender puts into a form: make it that form. */
static bool
wrap_document(struct making *making)
{
	const char *field = making->message.document;
	const char *type = message_variable(&making->message, "CONTENT_TYPE");
	bool is_form = type != NULL && strncasecmp(type, form_type, strlen(form_type)) == 0;
	struct buf made;

	if (field == NULL || (!is_form && !reads_field(making->scheme, field)) ||
		message_body(&making->message) != MESSAGE_BODY_JSON ||
		message_document(&making->message).data != making->message.body.data)
		return true;
	buf_init(&made, 3 * (making->message.body.len + strlen(field)) + 16);
	if (sign_body_set_field((struct slice){ NULL, 0 }, field, making->message.body, &made) !=
		SIGN_BODY_DONE) {
		buf_free(&made);
		return fail_long(making);
	}
	set_variable(making, "CONTENT_TYPE", slice_of(form_type));
	making->out->type = form_type;
	set_body(making, &made);
	return true;
}

/* Ask those who will verify it. */
static bool
prove(struct making *making)
{
	struct signature_report report = { .scheme = 0 };
	enum signature_result result;
	struct verifier *verifier =
		verifier_new(making->provider, making->secret, 1, making->reason);

	if (verifier == NULL)
		return false;
	result = signature_verify(verifier, &making->message, making->request->now_ms, &report);
	verifier_free(verifier);
	switch (result) {
	case SIGNATURE_VALID: return true;
	case SIGNATURE_EXPIRED:
	case SIGNATURE_EARLY:
		return fail(making,
			"the time that is signed is not now (%s): write another, or sign for it "
			"with --time",
			signature_reason(result));
	case SIGNATURE_MISSING:
	case SIGNATURE_MALFORMED:
	case SIGNATURE_WRONG:
	case SIGNATURE_UNMET:
	case SIGNATURE_NO_KEY:
	case SIGNATURE_REPEATED:
	case SIGNATURE_AMBIGUOUS:
	case SIGNATURE_ERROR: break;
	}
	return fail(making, "what was made for this body does not verify (%s)",
		signature_reason(result));
}

static bool
make_request(struct making *making)
{
	const struct provider_scheme *scheme = making->scheme;
	struct key key = { 0 };
	const char *wrong;
	bool done;

	if (scheme->method == PROVIDER_NONE)
		return say_id(making) && say_event(making);
	wrong = key_make(scheme, making->secret, &key);
	if (wrong != NULL)
		done = fail(making, "the secret (%.100s) %s", making->secret->source, wrong);
	else
		done = wrap_document(making) && say_id(making) && say_time(making) &&
		       say_key_id(making) && say_event(making) && say_required(making) &&
		       say_signed_headers(making) &&
		       (scheme->each != NULL ? sign_each(making, &key) : sign_once(making, &key)) &&
		       prove(making);
	key_free(&key);
	return done;
}

/* The first secret that is a key for the scheme, else the first. */
static const struct config_secret *
choose_secret(const struct sign_request *request, const struct provider_scheme *scheme)
{
	for (size_t i = 0; i < request->secret_count; i++) {
		struct key key = { 0 };
		bool fits = key_make(scheme, &request->secrets[i], &key) == NULL;
		key_free(&key);
		if (fits)
			return &request->secrets[i];
	}
	return &request->secrets[0];
}

/* Can the scheme be made here at all? */
static bool
is_possible(struct making *making)
{
	const struct provider_scheme *scheme = making->scheme;

	if (scheme->method == PROVIDER_NONE)
		return true;
	if (scheme->method == PROVIDER_PUBLIC)
		return fail(making, "only the sender has the private key: it cannot be played");
	if (making->request->secret_count == 0)
		return fail(making, "the endpoint has no secret");
	if (carrier_of(scheme) == NULL)
		return fail(making, "the signature travels where it cannot be written to here");
	return true;
}

static void
hand_out(struct making *making)
{
	struct sign_result *out = making->out;

	out->scheme = making->scheme->label;
	if (making->query.len > 0)
		out->query = buf_take(&making->query);
	if (making->body_changed) {
		out->body_len = making->body.len;
		out->body = buf_take(&making->body);
	}
}

/* One scheme. false: out is empty. */
static bool
sign_scheme(const struct sign_request *request, const struct provider_scheme *scheme,
	const struct message *message, struct sign_result *out, char reason[256])
{
	struct making making = { .request = request,
		.provider = request->provider,
		.scheme = scheme,
		.out = out,
		.reason = reason };
	bool done;

	memset(out, 0, sizeof *out);
	if (!is_possible(&making))
		return false;
	if (scheme->method != PROVIDER_NONE)
		making.secret = choose_secret(request, scheme);
	copy_message(&making, message);
	buf_init(&making.id, MADE_MAX);
	buf_init(&making.time, MADE_MAX);
	buf_init(&making.key_id, MADE_MAX);
	buf_init(&making.query, MADE_MAX);
	buf_init(&making.claims, MADE_MAX + 2 * message->body.len);
	done = make_request(&making);
	if (done)
		hand_out(&making);
	else
		sign_result_free(out);
	message_free(&making.message);
	buf_free(&making.claims);
	buf_free_secret(&making.query);
	buf_free(&making.key_id);
	buf_free(&making.time);
	buf_free(&making.id);
	if (making.body_changed)
		buf_free_secret(&making.body);
	for (size_t i = 0; i < making.variable_count; i++)
		free_secret(making.variables[i], strlen(making.variables[i]));
	free(making.variables);
	return done;
}

bool
sign_message(const struct sign_request *request, const struct message *message,
	struct sign_result *out, char reason_out[256])
{
	const struct provider *provider = request->provider;
	bool told = false, found = false;
	char reason[256] = "";

	memset(out, 0, sizeof *out);
	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		if (request->variant != NULL && strcmp(scheme->label, request->variant) != 0)
			continue;
		found = true;
		if (sign_scheme(request, scheme, message, out, reason))
			return true;
		/* What is wrong with the first that could be made says more. */
		if (!told)
			memcpy(reason_out, reason, sizeof reason);
		told |= scheme->method != PROVIDER_PUBLIC;
	}
	if (!found)
		snprintf(reason_out, 256, "the provider %.60s has no variant \"%.60s\"",
			provider->name, request->variant != NULL ? request->variant : "main");
	return false;
}

void
sign_result_free(struct sign_result *result)
{
	for (size_t i = 0; i < result->header_count; i++) {
		free(result->headers[i].name);
		free_secret(result->headers[i].value, strlen(result->headers[i].value));
	}
	if (result->query != NULL)
		free_secret(result->query, strlen(result->query));
	free_secret(result->body, result->body_len);
	memset(result, 0, sizeof *result);
}
