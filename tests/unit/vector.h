/* vector.h - one request with the answer that verifying it must give, read from tests/vectors
 *
 * The format is in tests/vectors/README.md. Shared by test_vectors.c and test_catalogue.c.
 */
#ifndef TEST_VECTOR_H
#define TEST_VECTOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "alloc.h"
#include "config.h"
#include "gzip.h"
#include "signature.h"
#include "text.h"

#define HEADERS_MAX 24
#define SECRETS_MAX 4
#define PARAMETERS_MAX 8
#define PARTS_MAX 8
#define BODY_MAX (4 << 20)

struct header {
	char *name;
	char *value;
};

struct vector {
	char *path; /* and "#NAME" in a file of several */
	char *source;
	char *provider_name; /* of a built-in one; NULL: block */
	struct buf block;
	char *method; /* NULL: POST */
	char *url;
	char *base; /* the endpoint's url, when that is not the URL of the request; NULL: it is */
	struct message_parameter parameters[PARAMETERS_MAX];
	size_t parameter_count;
	struct config_secret secrets[SECRETS_MAX];
	size_t secret_count;
	int64_t now_ms;
	struct header headers[HEADERS_MAX];
	size_t header_count;
	struct buf body;
	char *right;            /* the bytes of the signature's header that matter; NULL: all */
	char *parts[PARTS_MAX]; /* names of other headers that matter */
	size_t part_count;
	enum signature_result expect;
	long fits; /* index of the secret, -1: any */

	struct provider *provider;
	struct config *config; /* owns the provider of a block */
	struct verifier *verifier;
};

static char scratch[] = "/tmp/hookcgi-vectors-XXXXXX";

/* ---- reading ---- */

static const struct {
	const char *word;
	enum signature_result result;
} results[] = {
	{ "valid", SIGNATURE_VALID },
	{ "missing", SIGNATURE_MISSING },
	{ "malformed", SIGNATURE_MALFORMED },
	{ "wrong", SIGNATURE_WRONG },
	{ "expired", SIGNATURE_EXPIRED },
	{ "early", SIGNATURE_EARLY },
	{ "repeated", SIGNATURE_REPEATED },
	{ "ambiguous", SIGNATURE_AMBIGUOUS },
};

static void
stop(const char *path, const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s: %s\n", path, what, detail);
	exit(1);
}

static void
append(struct vector *vector, struct buf *buf, struct slice bytes)
{
	if (!buf_append_slice(buf, bytes))
		stop(vector->path, "too long", "");
}

static void
append_file(struct vector *vector, const char *name, struct buf *out)
{
	char path[512], piece[4096];
	size_t len;
	FILE *file;

	snprintf(path, sizeof path, "%.*s/%s", (int)(strrchr(vector->path, '/') - vector->path),
		vector->path, name);
	file = fopen(path, "re");
	if (file == NULL)
		stop(vector->path, "cannot open", path);
	while ((len = fread(piece, 1, sizeof piece, file)) > 0)
		append(vector, out, (struct slice){ piece, len });
	fclose(file);
}

static struct config_secret *
add_secret(struct vector *vector, const char *text)
{
	struct config_secret *secret = &vector->secrets[vector->secret_count];

	if (vector->secret_count == SECRETS_MAX)
		stop(vector->path, "too many secrets", text);
	vector->secret_count++;
	secret->text = xstrdup(text);
	secret->len = strlen(text);
	secret->source = xstrdup("vector");
	secret->key_id = NULL;
	return secret;
}

/* "ID SECRET" */
static void
add_key(struct vector *vector, const char *value)
{
	const char *blank = strchr(value, ' ');

	if (blank == NULL)
		stop(vector->path, "key is not: ID SECRET", value);
	add_secret(vector, blank + 1)->key_id = xmemdup0(value, (size_t)(blank - value));
}

/* "NAME=VALUE" */
static void
add_parameter(struct vector *vector, const char *value)
{
	const char *equals = strchr(value, '=');
	struct message_parameter *parameter = &vector->parameters[vector->parameter_count];

	if (equals == NULL || vector->parameter_count == PARAMETERS_MAX)
		stop(vector->path, "cannot take parameter", value);
	parameter->name = xmemdup0(value, (size_t)(equals - value));
	parameter->value = xstrdup(equals + 1);
	vector->parameter_count++;
}

static void
add_part(struct vector *vector, const char *value)
{
	if (vector->part_count == PARTS_MAX)
		stop(vector->path, "too many parts", value);
	vector->parts[vector->part_count++] = xstrdup(value);
}

static void
add_secret_file(struct vector *vector, const char *name)
{
	struct buf text;

	buf_init(&text, 65536);
	append_file(vector, name, &text);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	add_secret(vector, buf_text(&text));
	buf_free(&text);
}

static void
add_header(struct vector *vector, const char *text)
{
	struct header *header = &vector->headers[vector->header_count++];
	const char *colon = strstr(text, ": ");

	if (vector->header_count > HEADERS_MAX || colon == NULL)
		stop(vector->path, "cannot take header", text);
	header->name = xmemdup0(text, (size_t)(colon - text));
	header->value = xstrdup(colon + 2);
}

static void
add_repeated(struct vector *vector, const char *value)
{
	char *text;
	unsigned long count = strtoul(value, &text, 10);

	if (*text != ' ')
		stop(vector->path, "body-repeat is not: NUMBER TEXT", value);
	while (count-- > 0)
		append(vector, &vector->body, slice_of(text + 1));
}

static void
set_result(struct vector *vector, const char *word)
{
	for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
		if (strcmp(word, results[i].word) == 0) {
			vector->expect = results[i].result;
			return;
		}
	}
	stop(vector->path, "no such result", word);
}

static void
set_once(struct vector *vector, char **text, const char *value)
{
	if (*text != NULL)
		stop(vector->path, "given twice", value);
	*text = xstrdup(value);
}

/* One line that is not a comment. */
static void
read_line(struct vector *vector, const char *key, const char *value)
{
	if (strcmp(key, "source") == 0) {
		free(vector->source);
		vector->source = xstrdup(value);
	} else if (strcmp(key, "provider") == 0)
		set_once(vector, &vector->provider_name, value);
	else if (strcmp(key, "block") == 0 && buf_appendf(&vector->block, "    %s\n", value))
		;
	else if (strcmp(key, "url") == 0)
		set_once(vector, &vector->url, value);
	else if (strcmp(key, "base") == 0)
		set_once(vector, &vector->base, value);
	else if (strcmp(key, "secret") == 0)
		add_secret(vector, value);
	else if (strcmp(key, "key") == 0)
		add_key(vector, value);
	else if (strcmp(key, "parameter") == 0)
		add_parameter(vector, value);
	else if (strcmp(key, "part") == 0)
		add_part(vector, value);
	else if (strcmp(key, "method") == 0)
		set_once(vector, &vector->method, value);
	else if (strcmp(key, "secret-file") == 0)
		add_secret_file(vector, value);
	else if (strcmp(key, "now") == 0)
		vector->now_ms = strtoll(value, NULL, 10) * 1000;
	else if (strcmp(key, "header") == 0)
		add_header(vector, value);
	else if (strcmp(key, "body") == 0)
		append(vector, &vector->body, slice_of(value));
	else if (strcmp(key, "body-hex") == 0 &&
		 text_decode(TEXT_HEX, slice_of(value), &vector->body))
		;
	else if (strcmp(key, "body-repeat") == 0)
		add_repeated(vector, value);
	else if (strcmp(key, "body-file") == 0)
		append_file(vector, value, &vector->body);
	else if (strcmp(key, "right") == 0)
		set_once(vector, &vector->right, value);
	else if (strcmp(key, "expect") == 0)
		set_result(vector, value);
	else if (strcmp(key, "fits") == 0)
		vector->fits = strtol(value, NULL, 10);
	else
		stop(vector->path, "cannot take line", key);
}

static void
begin_vector(struct vector *vector, const char *path, const char *name)
{
	size_t size = strlen(path) + (name != NULL ? strlen(name) : 0) + 2;

	memset(vector, 0, sizeof *vector);
	vector->path = xmalloc(size);
	snprintf(vector->path, size, "%s%s%s", path, name != NULL ? "#" : "",
		name != NULL ? name : "");
	vector->fits = -1;
	buf_init(&vector->block, 65536);
	buf_init(&vector->body, BODY_MAX);
}

static void
end_vector(const struct vector *vector)
{
	if (vector->source == NULL || (vector->provider_name == NULL) == (vector->block.len == 0))
		stop(vector->path, "needs source, and either provider or block", "");
}

static void free_vector(struct vector *vector);

/* Add the vectors of a file to the list: one, or, where there are lines "vector: NAME", one for each, with
 * source and provider as they stand in front of the first. */
static void
read_vectors(const char *path, struct vector **list, size_t *count)
{
	FILE *file = fopen(path, "re");
	struct vector head, *vector = &head;
	size_t size = 0, first = *count;
	char *line = NULL;
	ssize_t len;

	begin_vector(&head, path, NULL);
	if (file == NULL)
		stop(path, "cannot open", "");
	while ((len = getline(&line, &size, file)) > 0) {
		char *colon = strchr(line, ':');
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (colon == NULL || (colon[1] != ' ' && colon[1] != '\0'))
			stop(path, "line is not: KEY: VALUE", line);
		*colon = '\0';
		const char *value = colon[1] == ' ' ? colon + 2 : colon + 1;
		if (strcmp(line, "vector") != 0) {
			read_line(vector, line, value);
			continue;
		}
		if (*count > first)
			end_vector(vector);
		*list = xreallocarray(*list, *count + 1, sizeof **list);
		vector = &(*list)[(*count)++];
		begin_vector(vector, path, value);
		if (head.source != NULL)
			vector->source = xstrdup(head.source);
		if (head.provider_name != NULL)
			vector->provider_name = xstrdup(head.provider_name);
	}
	end_vector(vector);
	if (*count == first) {
		*list = xreallocarray(*list, *count + 1, sizeof **list);
		(*list)[(*count)++] = head;
	} else {
		free_vector(&head);
	}
	free(line);
	fclose(file);
}

/* A configuration of our own in the scratch folder, with the block and the secrets. */
static void
load_block(struct vector *vector)
{
	char path[512], secret_path[512];
	bool usable;
	FILE *file;

	for (size_t i = 0; i < vector->secret_count; i++) {
		snprintf(secret_path, sizeof secret_path, "%s/secret%zu", scratch, i);
		file = fopen(secret_path, "we");
		if (file == NULL || fputs(vector->secrets[i].text, file) < 0 || fclose(file) != 0)
			stop(vector->path, "cannot write", secret_path);
	}
	snprintf(path, sizeof path, "%s/vector.conf", scratch);
	file = fopen(path, "we");
	if (file == NULL)
		stop(vector->path, "cannot write", path);
	fprintf(file, "store = \"none\"\nprovider \"vector\" {\n%s}\n", buf_text(&vector->block));
	fprintf(file, "endpoint \"vector\" {\n    provider = \"vector\"\n    secret = {");
	for (size_t i = 0; i < vector->secret_count; i++)
		fprintf(file, "%s\"file:secret%zu\"", i > 0 ? ", " : "", i);
	fprintf(file, "}\n    run = {\"/bin/true\"}\n    mode = \"wait\"\n}\n");
	fclose(file);
	vector->config = config_load(path, NULL, &usable);
	for (size_t i = 0; i < vector->config->fault_count; i++) {
		if (vector->config->faults[i].severity == CONFIG_FAULT)
			stop(vector->path, "block", vector->config->faults[i].message);
	}
	if (!usable || vector->config->endpoint_count != 1)
		stop(vector->path, "block", "cannot be used");
	vector->provider = vector->config->endpoints[0].provider;
	vector->verifier = NULL;
}

static void
load_vector(struct vector *vector)
{
	char reason[256] = "";

	if (vector->provider_name == NULL)
		load_block(vector);
	else
		vector->provider = config_builtin_provider(vector->provider_name, reason);
	if (vector->provider == NULL)
		stop(vector->path, "provider", reason);
	vector->verifier =
		verifier_new(vector->provider, vector->secrets, vector->secret_count, reason);
	if (vector->verifier == NULL)
		stop(vector->path, "verifier", reason);
}

static void
free_vector(struct vector *vector)
{
	verifier_free(vector->verifier);
	if (vector->config != NULL)
		config_free(vector->config);
	else
		provider_free(vector->provider);
	for (size_t i = 0; i < vector->secret_count; i++) {
		free(vector->secrets[i].text);
		free(vector->secrets[i].source);
		free(vector->secrets[i].key_id);
	}
	for (size_t i = 0; i < vector->header_count; i++) {
		free(vector->headers[i].name);
		free(vector->headers[i].value);
	}
	for (size_t i = 0; i < vector->parameter_count; i++) {
		free(vector->parameters[i].name);
		free(vector->parameters[i].value);
	}
	for (size_t i = 0; i < vector->part_count; i++)
		free(vector->parts[i]);
	free(vector->method);
	free(vector->path);
	free(vector->source);
	free(vector->provider_name);
	free(vector->url);
	free(vector->base);
	free(vector->right);
	buf_free(&vector->block);
	buf_free(&vector->body);
}

/* ---- asking ---- */

/* A request that may differ from its vector's. */
struct request {
	const struct vector *vector;
	const struct verifier *verifier;
	const char *url;
	struct header headers[HEADERS_MAX + 1]; /* borrowed */
	size_t header_count;
	struct slice body;
	int64_t now_ms;
	struct signature_report report; /* of the last answer */
	struct buf timestamp, id;       /* likewise */
	struct buf event,
		sender_id; /* what the provider's templates make of it, when it was valid */
};

static void
request_init(struct request *request, const struct vector *vector)
{
	memset(request, 0, sizeof *request);
	request->vector = vector;
	request->verifier = vector->verifier;
	request->url = vector->url;
	memcpy(request->headers, vector->headers, sizeof vector->headers);
	request->header_count = vector->header_count;
	request->body = buf_slice(&vector->body);
	request->now_ms = vector->now_ms;
	buf_init(&request->timestamp, 65536);
	buf_init(&request->id, 65536);
	buf_init(&request->event, 65536);
	buf_init(&request->sender_id, 65536);
}

static void
request_free(struct request *request)
{
	buf_free(&request->timestamp);
	buf_free(&request->id);
	buf_free(&request->event);
	buf_free(&request->sender_id);
}

/* The first of the templates that is there, into out; empty when none is. */
static void
expand_first(struct template **templates, size_t count, struct message *message, struct buf *out)
{
	enum template_result result = TEMPLATE_ABSENT;

	buf_clear(out);
	for (size_t i = 0; i < count && result == TEMPLATE_ABSENT; i++)
		result = template_text(templates[i], message, out);
}

static char *
make_variable(const struct header *header)
{
	char *name = message_header_variable(header->name);
	const char *known = strcmp(name, "HTTP_CONTENT_TYPE") == 0 ? "CONTENT_TYPE" : name;
	size_t size = strlen(known) + strlen(header->value) + 2;
	char *variable = xmalloc(size);

	snprintf(variable, size, "%s=%s", known, header->value);
	free(name);
	return variable;
}

/* Is what is signed the body before it was compressed? receive.c uncompresses it then. */
static bool
request_is_compressed(const struct request *request)
{
	if (request->vector->provider->gzip != PROVIDER_GZIP_PLAIN)
		return false;
	for (size_t i = 0; i < request->header_count; i++) {
		if (strcasecmp(request->headers[i].name, "Content-Encoding") == 0)
			return true;
	}
	return false;
}

static enum signature_result
request_verify(struct request *request)
{
	static char method[64], uri[4096];
	char *variables[HEADERS_MAX + 4] = { method, uri };
	const char *url = request->url;
	struct message message;
	struct buf plain;
	struct slice body = request->body;
	bool compressed = request_is_compressed(request);
	enum signature_result result;

	if (compressed) {
		if (gzip_inflate(body, BODY_MAX, &plain) != GZIP_OK)
			return SIGNATURE_MALFORMED;
		body = buf_slice(&plain);
	}

	snprintf(method, sizeof method, "REQUEST_METHOD=%s",
		request->vector->method != NULL ? request->vector->method : "POST");
	snprintf(uri, sizeof uri, "REQUEST_URI=%s",
		url != NULL ? strchr(strchr(url, ':') + 3, '/') : "/hooks/vector");
	for (size_t i = 0; i < request->header_count; i++)
		variables[i + 2] = make_variable(&request->headers[i]);
	message_init(&message, variables, body);
	message.url_override = request->vector->base != NULL ? request->vector->base : url;
	message.document = request->vector->provider->document;
	message.parameters = request->vector->parameters;
	message.parameter_count = request->vector->parameter_count;
	result = signature_verify(request->verifier, &message, request->now_ms, &request->report);
	buf_clear(&request->timestamp);
	buf_clear(&request->id);
	assert_true(buf_append_slice(&request->timestamp, message.timestamp));
	assert_true(buf_append_slice(&request->id, message.id));
	if (result == SIGNATURE_VALID) {
		const struct provider *provider = request->vector->provider;
		expand_first(provider->events, provider->event_count, &message, &request->event);
		expand_first(provider->ids, provider->id_count, &message, &request->sender_id);
	}
	message_free(&message);
	if (compressed)
		buf_free(&plain);
	for (size_t i = 0; i < request->header_count; i++)
		free(variables[i + 2]);
	return result;
}

static void
expect_result(struct request *request, enum signature_result expected, const char *change)
{
	enum signature_result result = request_verify(request);

	/* A vector says that it is not the sender's, and not why. */
	if (result == SIGNATURE_NO_KEY || result == SIGNATURE_UNMET)
		result = SIGNATURE_WRONG;
	if (result != expected)
		fail_msg("%s, %s: %s, not %s", request->vector->path, change,
			signature_reason(result), signature_reason(expected));
}

static void
expect_refusal(struct request *request, const char *change)
{
	if (request_verify(request) == SIGNATURE_VALID)
		fail_msg("%s, %s: accepted", request->vector->path, change);
}

/* ---- all of them ---- */

static struct vector *vectors;
static size_t vector_count;

/* Read and load the vectors of all files that the pattern names, but those whose path holds
 * other (NULL: none). false: there are none, or no folder for what they need. */
static inline bool
load_vectors(const char *pattern, const char *other)
{
	glob_t found;
	size_t first = vector_count;

	if ((vector_count == 0 && mkdtemp(scratch) == NULL) || glob(pattern, 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (other == NULL || strstr(found.gl_pathv[i], other) == NULL)
			read_vectors(found.gl_pathv[i], &vectors, &vector_count);
	}
	globfree(&found);
	for (size_t i = first; i < vector_count; i++)
		load_vector(&vectors[i]);
	return vector_count > first;
}

/* 0: all is gone, as cmocka wants it. */
static inline int
free_vectors(void)
{
	char path[512];

	for (size_t i = 0; i < vector_count; i++)
		free_vector(&vectors[i]);
	free(vectors);
	for (int i = 0; i < SECRETS_MAX; i++) {
		snprintf(path, sizeof path, "%s/secret%d", scratch, i);
		(void)unlink(path);
	}
	snprintf(path, sizeof path, "%s/vector.conf", scratch);
	(void)unlink(path);
	return rmdir(scratch);
}

/* Has the provider one that verifies? */
static inline bool
has_vectors(const char *provider)
{
	for (size_t i = 0; i < vector_count; i++) {
		if (vectors[i].provider_name != NULL &&
			strcmp(vectors[i].provider_name, provider) == 0 &&
			vectors[i].expect == SIGNATURE_VALID)
			return true;
	}
	return false;
}

#endif
