/* test_vectors.c - every vector of tests/vectors, and what must become of it when it is changed
 *
 * The format is in tests/vectors/README.md. A vector goes the way that a
 * request goes: the built-in provider file, or a provider block and secrets in
 * a configuration file; then verifier_new() and signature_verify(). The vectors
 * that are valid are then broken in every way that has one right answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <glob.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "config.h"
#include "signature.h"
#include "text.h"

#define HEADERS_MAX 16
#define SECRETS_MAX 4
#define BODY_MAX (4 << 20)

struct header {
	char *name;
	char *value;
};

struct vector {
	char *path;
	char *source;
	char *provider_name; /* of a built-in one; NULL: block */
	struct buf block;
	char *url;
	struct config_secret secrets[SECRETS_MAX];
	size_t secret_count;
	int64_t now_ms;
	struct header headers[HEADERS_MAX];
	size_t header_count;
	struct buf body;
	char *right; /* the bytes of the signature's header that matter; NULL: all */
	enum signature_result expect;
	long fits; /* index of the secret, -1: any */

	struct provider *provider;
	struct config *config; /* owns the provider of a block */
	struct verifier *verifier;
};

static struct vector *vectors;
static size_t vector_count;
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

static void
add_secret(struct vector *vector, const char *text)
{
	struct config_secret *secret = &vector->secrets[vector->secret_count++];

	if (vector->secret_count > SECRETS_MAX)
		stop(vector->path, "too many secrets", text);
	secret->text = xstrdup(text);
	secret->len = strlen(text);
	secret->source = xstrdup("vector");
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
	if (strcmp(key, "source") == 0)
		set_once(vector, &vector->source, value);
	else if (strcmp(key, "provider") == 0)
		set_once(vector, &vector->provider_name, value);
	else if (strcmp(key, "block") == 0 && buf_appendf(&vector->block, "    %s\n", value))
		;
	else if (strcmp(key, "url") == 0)
		set_once(vector, &vector->url, value);
	else if (strcmp(key, "secret") == 0)
		add_secret(vector, value);
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
read_vector(const char *path, struct vector *vector)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	memset(vector, 0, sizeof *vector);
	vector->path = xstrdup(path);
	vector->fits = -1;
	buf_init(&vector->block, 65536);
	buf_init(&vector->body, BODY_MAX);
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
		read_line(vector, line, colon[1] == ' ' ? colon + 2 : colon + 1);
	}
	if (vector->source == NULL || (vector->provider_name == NULL) == (vector->block.len == 0))
		stop(path, "needs source, and either provider or block", "");
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
	}
	for (size_t i = 0; i < vector->header_count; i++) {
		free(vector->headers[i].name);
		free(vector->headers[i].value);
	}
	free(vector->path);
	free(vector->source);
	free(vector->provider_name);
	free(vector->url);
	free(vector->right);
	buf_free(&vector->block);
	buf_free(&vector->body);
}

/* ---- asking ---- */

/* A request that may differ from its vector's. */
struct request {
	const struct vector *vector;
	const struct verifier *verifier;
	struct header headers[HEADERS_MAX + 1]; /* borrowed */
	size_t header_count;
	struct slice body;
	int64_t now_ms;
	struct signature_report report; /* of the last answer */
	struct buf timestamp, id;       /* likewise */
};

static void
request_init(struct request *request, const struct vector *vector)
{
	memset(request, 0, sizeof *request);
	request->vector = vector;
	request->verifier = vector->verifier;
	memcpy(request->headers, vector->headers, sizeof vector->headers);
	request->header_count = vector->header_count;
	request->body = buf_slice(&vector->body);
	request->now_ms = vector->now_ms;
	buf_init(&request->timestamp, 65536);
	buf_init(&request->id, 65536);
}

static void
request_free(struct request *request)
{
	buf_free(&request->timestamp);
	buf_free(&request->id);
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

static enum signature_result
request_verify(struct request *request)
{
	static char method[] = "REQUEST_METHOD=POST", uri[256];
	char *variables[HEADERS_MAX + 4] = { method, uri };
	const char *url = request->vector->url;
	struct message message;
	enum signature_result result;

	snprintf(uri, sizeof uri, "REQUEST_URI=%s",
		url != NULL ? strchr(strchr(url, ':') + 3, '/') : "/hooks/vector");
	for (size_t i = 0; i < request->header_count; i++)
		variables[i + 2] = make_variable(&request->headers[i]);
	message_init(&message, variables, request->body);
	message.url_override = url;
	result = signature_verify(request->verifier, &message, request->now_ms, &request->report);
	buf_clear(&request->timestamp);
	buf_clear(&request->id);
	assert_true(buf_append_slice(&request->timestamp, message.timestamp));
	assert_true(buf_append_slice(&request->id, message.id));
	message_free(&message);
	for (size_t i = 0; i < request->header_count; i++)
		free(variables[i + 2]);
	return result;
}

static void
expect_result(struct request *request, enum signature_result expected, const char *change)
{
	enum signature_result result = request_verify(request);

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

/* ---- what fits a valid vector ---- */

struct good {
	const struct vector *vector;
	const struct provider_scheme *scheme; /* that fitted */
	size_t carrier;                       /* index of its header, SIZE_MAX: in no header */
	size_t start, len;                    /* of the signature in the header's value */
	char *timestamp;                      /* as read, "" for none */
	char *id;
};

static bool
names_header(const struct template *template, const char *name)
{
	return template != NULL && template->count == 1 &&
	       template->parts[0].kind == TEMPLATE_HEADER &&
	       strcasecmp(template->parts[0].header, name) == 0;
}

static bool
is_carrier(const struct provider_scheme *scheme, const char *name)
{
	for (size_t i = 0; i < scheme->carrier_count; i++) {
		if (names_header(scheme->carriers[i], name))
			return true;
	}
	return false;
}

/* The text before {signature} in the scheme's format. */
static const char *
signature_prefix(const struct provider_scheme *scheme)
{
	for (size_t i = 0; i < scheme->format_count; i++) {
		const struct template *shape = scheme->format[i];
		if (shape->count > 1 && shape->parts[1].kind == TEMPLATE_SIGNATURE)
			return shape->parts[0].text;
	}
	return "";
}

/* Without a "right" line the signature is what stands behind its prefix, to the end. */
static void
find_signature(struct good *good, const char *value)
{
	const char *prefix = signature_prefix(good->scheme);
	const char *found = good->vector->right != NULL ? strstr(value, good->vector->right)
							: strstr(value, prefix);

	if (found == NULL)
		stop(good->vector->path, "where is the signature in", value);
	if (good->vector->right != NULL) {
		good->len = strlen(good->vector->right);
	} else {
		found += strlen(prefix);
		good->len = strlen(found);
	}
	good->start = (size_t)(found - value);
}

/* Call check for each valid vector. */
static void
for_each_good(void check(const struct good *))
{
	size_t seen = 0;

	for (size_t i = 0; i < vector_count; i++) {
		struct good good = { .vector = &vectors[i], .carrier = SIZE_MAX };
		struct request request;
		if (vectors[i].expect != SIGNATURE_VALID)
			continue;
		request_init(&request, &vectors[i]);
		expect_result(&request, SIGNATURE_VALID, "as it is");
		good.scheme = &vectors[i].provider->schemes[request.report.scheme];
		good.timestamp = buf_take(&request.timestamp);
		good.id = buf_take(&request.id);
		for (size_t j = vectors[i].header_count; j-- > 0;) {
			if (is_carrier(good.scheme, vectors[i].headers[j].name))
				good.carrier = j;
		}
		if (good.carrier != SIZE_MAX)
			find_signature(&good, vectors[i].headers[good.carrier].value);
		check(&good);
		free(good.timestamp);
		free(good.id);
		request_free(&request);
		seen++;
	}
	assert_in_range(seen, 100, 100000);
}

/* The carrier's value with other text where the signature was. Static, for one request. */
static char *
with_signature(const struct good *good, const char *text, size_t len)
{
	static char value[65536];
	const char *old = good->vector->headers[good->carrier].value;

	snprintf(value, sizeof value, "%.*s%.*s%s", (int)good->start, old, (int)len, text,
		old + good->start + good->len);
	return value;
}

static const char *
signature_of(const struct good *good)
{
	return good->vector->headers[good->carrier].value + good->start;
}

/* The vector with another text as its signature. */
static void
expect_of_signature(const struct good *good, const char *text, size_t len,
	enum signature_result expected, const char *change)
{
	struct request request;

	if (good->carrier == SIZE_MAX)
		return;
	request_init(&request, good->vector);
	/* With both of two headers present, changing one is judged elsewhere. */
	request.headers[good->carrier].value = with_signature(good, text, len);
	expect_result(&request, expected, change);
	request_free(&request);
}

/* ---- the rules ---- */

static void
every_vector_gives_its_result(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		struct request request;
		request_init(&request, &vectors[i]);
		expect_result(&request, vectors[i].expect, "as it is");
		if (vectors[i].fits >= 0)
			assert_int_equal(request.report.secret, vectors[i].fits);
		request_free(&request);
	}
	assert_in_range(vector_count, 200, 100000);
}

/* A megabyte is hashed anew for each change: there one byte in so many is changed. */
static size_t
stride_of(const struct good *good)
{
	return good->vector->body.len > 65536 ? 17 : 1;
}

/* Flip each bit of the bytes of one header's value. */
static void
flip_header(const struct good *good, size_t header, size_t start, size_t len, const char *change)
{
	struct request request;
	size_t stride = stride_of(good);
	char *value = xstrdup(good->vector->headers[header].value);

	request_init(&request, good->vector);
	request.headers[header].value = value;
	/* "bearer" is "Bearer" (RFC 9110 section 11.1). */
	size_t folded = good->scheme->format_folds ? strcspn(value, " ") : 0;
	for (size_t i = start; i < start + len; i += stride) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bool other_case =
				i < folded && isalpha((unsigned char)value[i]) && bit == 5;
			value[i] = (char)(value[i] ^ 1 << bit);
			if (value[i] != '\0' && !other_case)
				expect_refusal(&request, change);
			value[i] = (char)(value[i] ^ 1 << bit);
		}
	}
	request_free(&request);
	free(value);
}

static void
check_changed_signature(const struct good *good)
{
	if (good->carrier == SIZE_MAX)
		return;
	if (good->vector->right != NULL)
		flip_header(good, good->carrier, good->start, good->len, "a bit of the signature");
	else
		flip_header(good, good->carrier, 0,
			strlen(good->vector->headers[good->carrier].value), "a bit of the header");
}

static void
no_changed_bit_of_a_signature_is_accepted(void **state)
{
	(void)state;
	for_each_good(check_changed_signature);
}

static void
check_length(const struct good *good)
{
	char longer[8192];

	if (good->carrier == SIZE_MAX)
		return;
	for (size_t len = 1; len < good->len; len += stride_of(good))
		expect_of_signature(
			good, signature_of(good), len, SIGNATURE_WRONG, "signature cut short");
	expect_of_signature(good, signature_of(good) + 1, good->len - 1, SIGNATURE_WRONG,
		"signature without its first byte");
	for (const char *more = "0aA=.\x01"; *more != '\0'; more++) {
		snprintf(
			longer, sizeof longer, "%.*s%c", (int)good->len, signature_of(good), *more);
		expect_of_signature(good, longer, good->len + 1, SIGNATURE_WRONG,
			"signature with a byte behind it");
		snprintf(
			longer, sizeof longer, "%c%.*s", *more, (int)good->len, signature_of(good));
		expect_of_signature(good, longer, good->len + 1, SIGNATURE_WRONG,
			"signature with a byte before it");
	}
	snprintf(longer, sizeof longer, "%.*s%.*s", (int)good->len, signature_of(good),
		(int)good->len, signature_of(good));
	expect_of_signature(good, longer, 2 * good->len, SIGNATURE_WRONG,
		"signature twice without a separator");
}

static void
a_shorter_or_longer_signature_is_wrong(void **state)
{
	(void)state;
	for_each_good(check_length);
}

static void
check_empty(const struct good *good)
{
	const char *value;

	/* Beside other signatures the result is theirs. */
	if (good->carrier == SIZE_MAX || good->vector->right != NULL ||
		strstr(good->vector->path, "both-headers") != NULL)
		return;
	value = good->vector->headers[good->carrier].value;
	expect_of_signature(good, "", 0,
		good->len == strlen(value) ? SIGNATURE_MISSING : SIGNATURE_MALFORMED,
		"empty signature");
}

static void
an_empty_signature_is_never_compared(void **state)
{
	(void)state;
	for_each_good(check_empty);
}

static void
check_missing(const struct good *good)
{
	static char nothing[] = "", elsewhere[] = "X-Somewhere-Else";
	struct request request;

	if (good->carrier == SIZE_MAX)
		return;
	request_init(&request, good->vector);
	for (size_t i = 0; i < request.header_count; i++) {
		if (is_carrier(good->scheme, request.headers[i].name))
			request.headers[i].value = nothing;
	}
	expect_result(&request, SIGNATURE_MISSING, "empty header");
	memcpy(request.headers, good->vector->headers, sizeof good->vector->headers);
	for (size_t i = 0; i < request.header_count; i++) {
		if (is_carrier(good->scheme, request.headers[i].name))
			request.headers[i].name = elsewhere;
	}
	expect_result(&request, SIGNATURE_MISSING, "right signature in another header");
	request_free(&request);
}

static void
a_signature_that_is_not_in_its_header_is_missing(void **state)
{
	(void)state;
	for_each_good(check_missing);
}

static bool
signs_header(const struct provider_scheme *scheme, const char *name)
{
	for (size_t i = 0; scheme->signs != NULL && i < scheme->signs->count; i++) {
		const struct template_part *part = &scheme->signs->parts[i];
		if (part->kind == TEMPLATE_HEADER && strcasecmp(part->header, name) == 0)
			return true;
	}
	return false;
}

static void
check_repeated(const struct good *good)
{
	struct request request;

	request_init(&request, good->vector);
	for (size_t i = 0; i < good->vector->header_count; i++) {
		const struct header *header = &good->vector->headers[i];
		bool counts = is_carrier(good->scheme, header->name) ||
			      names_header(good->scheme->timestamp, header->name) ||
			      signs_header(good->scheme, header->name) ||
			      (*good->id != '\0' && strcmp(good->id, header->value) == 0);
		request.headers[good->vector->header_count] = *header;
		request.header_count = good->vector->header_count + 1;
		expect_result(&request, counts ? SIGNATURE_REPEATED : SIGNATURE_VALID,
			"a header sent twice");
	}
	request_free(&request);
}

static void
a_repeated_signature_time_or_id_header_is_refused(void **state)
{
	(void)state;
	for_each_good(check_repeated);
}

static void
check_spelling(const struct good *good)
{
	static const enum text_encoding others[] = { TEXT_HEX, TEXT_HEX_UPPER, TEXT_BASE64,
		TEXT_BASE64URL };
	struct slice sent;
	struct buf bytes, other;

	if (good->carrier == SIZE_MAX || good->scheme->method == PROVIDER_TOKEN)
		return;
	sent = (struct slice){ signature_of(good), good->len };
	buf_init(&bytes, 8192);
	buf_init(&other, 8192);
	assert_true(text_decode(good->scheme->encoding, sent, &bytes));
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		bool known = false;
		buf_clear(&other);
		assert_true(text_encode(others[i], bytes.data, bytes.len, &other));
		for (size_t j = 0; j < good->vector->provider->scheme_count; j++)
			known |= good->vector->provider->schemes[j].encoding == others[i];
		if (!known && !slice_equal(buf_slice(&other), sent))
			expect_of_signature(good, other.data, other.len, SIGNATURE_WRONG,
				"the same bytes in another spelling");
	}
	buf_free(&other);
	buf_free(&bytes);
}

static void
the_right_bytes_in_another_spelling_are_wrong(void **state)
{
	(void)state;
	for_each_good(check_spelling);
}

static void
check_secret(const struct good *good)
{
	const struct vector *vector = good->vector;
	const char *strip = good->scheme->key.strip != NULL ? good->scheme->key.strip : "";
	struct config_secret changed[SECRETS_MAX];
	struct request request;
	struct verifier *verifier;
	char reason[256];

	if (good->scheme->method == PROVIDER_PUBLIC)
		return;
	for (size_t i = 0; i < vector->secret_count; i++) {
		changed[i] = vector->secrets[i];
		changed[i].text = xstrdup(vector->secrets[i].text);
		char *first = changed[i].text + strlen(strip);
		*first = *first == 'a' ? 'b' : 'a';
	}
	verifier = verifier_new(vector->provider, changed, vector->secret_count, reason);
	if (verifier == NULL)
		fail_msg("%s: %s", vector->path, reason);
	request_init(&request, vector);
	request.verifier = verifier;
	expect_result(&request, SIGNATURE_WRONG, "other secrets");
	request_free(&request);
	verifier_free(verifier);
	for (size_t i = 0; i < vector->secret_count; i++)
		free(changed[i].text);
}

static void
another_secret_is_wrong(void **state)
{
	(void)state;
	for_each_good(check_secret);
}

static void
check_body(const struct good *good)
{
	const struct buf *body = &good->vector->body;
	size_t step = body->len > 4096 ? body->len / 16 : 1;
	struct request request;
	char *changed;

	if (!good->scheme->signs_body)
		return;
	changed = xmalloc(body->len + 1);
	if (body->len > 0)
		memcpy(changed, body->data, body->len);
	changed[body->len] = '\n';
	request_init(&request, good->vector);
	request.body = (struct slice){ changed, body->len + 1 };
	expect_result(&request, SIGNATURE_WRONG, "a byte behind the body");
	request.body.len = body->len;
	for (size_t i = 0; i < body->len; i += step) {
		for (unsigned bit = 0; bit < 8; bit++) {
			changed[i] = (char)(changed[i] ^ 1 << bit);
			expect_result(&request, SIGNATURE_WRONG, "a bit of the body");
			changed[i] = (char)(changed[i] ^ 1 << bit);
		}
	}
	if (body->len > 0) {
		request.body.len = body->len - 1;
		expect_result(&request, SIGNATURE_WRONG, "the body's last byte gone");
		request.body = (struct slice){ changed + 1, body->len - 1 };
		expect_result(&request, SIGNATURE_WRONG, "the body's first byte gone");
		request.body = (struct slice){ NULL, 0 };
		expect_result(&request, SIGNATURE_WRONG, "no body");
	}
	request_free(&request);
	free(changed);
}

static void
no_changed_bit_of_a_body_is_accepted(void **state)
{
	(void)state;
	for_each_good(check_body);
}

static void
check_time_and_id(const struct good *good)
{
	const struct vector *vector = good->vector;

	for (size_t i = 0; i < vector->header_count; i++) {
		const struct header *header = &vector->headers[i];
		if (names_header(good->scheme->timestamp, header->name))
			flip_header(good, i, 0, strlen(header->value), "a bit of the time");
		if (*good->id != '\0' && strcmp(good->id, header->value) == 0)
			flip_header(good, i, 0, strlen(header->value), "a bit of the id");
		if (signs_header(good->scheme, header->name))
			flip_header(good, i, 0, strlen(header->value), "a bit of a signed header");
	}
}

static void
no_changed_bit_of_a_signed_time_or_id_is_accepted(void **state)
{
	(void)state;
	for_each_good(check_time_and_id);
}

static void
check_window(const struct good *good)
{
	const struct provider_scheme *scheme = good->scheme;
	bool whole = scheme->timestamp_format == TEXT_TIME_S ||
		     scheme->timestamp_format == TEXT_TIME_HTTP;
	struct request request;
	int64_t at;

	if (!scheme->has_timestamp || (scheme->tolerance_ms < 0 && scheme->future_ms < 0))
		return;
	assert_true(text_parse_time(scheme->timestamp_format, slice_of(good->timestamp), &at));
	request_init(&request, good->vector);
	request.now_ms = at + scheme->tolerance_ms + (whole ? 999 : 0);
	expect_result(&request, SIGNATURE_VALID, "as old as it may be");
	request.now_ms += 1;
	expect_result(&request, SIGNATURE_EXPIRED, "a moment older than that");
	request.now_ms = at + scheme->tolerance_ms + 1000;
	expect_result(&request, SIGNATURE_EXPIRED, "a second older than that");
	if (scheme->future_ms < 0) {
		request.now_ms = 0;
		expect_result(&request, SIGNATURE_VALID, "far ahead where that is not judged");
	} else {
		request.now_ms = at - scheme->future_ms;
		expect_result(&request, SIGNATURE_VALID, "as far ahead as it may be");
		request.now_ms -= 1;
		expect_result(&request, SIGNATURE_EARLY, "a moment further ahead");
		request.now_ms = at - scheme->future_ms - 1000;
		expect_result(&request, SIGNATURE_EARLY, "a second further ahead");
	}
	request_free(&request);
}

static void
the_time_window_includes_both_its_ends(void **state)
{
	(void)state;
	for_each_good(check_window);
}

/* ---- signing ---- */

static void
free_made(struct signature_header *made, int count)
{
	for (int i = 0; i < count; i++) {
		free(made[i].name);
		free(made[i].value);
	}
}

/* Does the vector hold the header that was made, byte for byte? */
static bool
vector_has(const struct vector *vector, const struct signature_header *made)
{
	for (size_t i = 0; i < vector->header_count; i++) {
		if (strcasecmp(vector->headers[i].name, made->name) == 0 &&
			strcmp(vector->headers[i].value, made->value) == 0)
			return true;
	}
	return false;
}

static void
check_made(const struct good *good)
{
	static char method[] = "REQUEST_METHOD=POST", uri[256];
	const struct vector *vector = good->vector;
	const struct provider_scheme *scheme = good->scheme;
	char *variables[4] = { method, uri };
	struct signature_header made[8];
	struct message message;
	struct request request;
	int64_t at = vector->now_ms;
	char reason[256] = "";
	size_t fits = vector->fits > 0 ? (size_t)vector->fits : 0;
	bool timed = scheme->tolerance_ms >= 0 || scheme->future_ms >= 0;
	int count;

	/* Of the main scheme, in a header, one signature, of a method that we can make. */
	if (scheme != &vector->provider->schemes[0] || good->carrier == SIZE_MAX ||
		scheme->method == PROVIDER_PUBLIC || vector->right != NULL ||
		(scheme->signs != NULL && template_refers(scheme->signs, TEMPLATE_HEADER)))
		return;
	if (scheme->has_timestamp && timed)
		assert_true(
			text_parse_time(scheme->timestamp_format, slice_of(good->timestamp), &at));
	snprintf(uri, sizeof uri, "REQUEST_URI=%s",
		vector->url != NULL ? strchr(strchr(vector->url, ':') + 3, '/') : "/hooks/vector");
	for (size_t i = 0; i < vector->header_count; i++) {
		if (strcasecmp(vector->headers[i].name, "Content-Type") == 0)
			variables[2] = make_variable(&vector->headers[i]);
	}
	message_init(&message, variables, buf_slice(&vector->body));
	message.url_override = vector->url;
	if (*good->id != '\0')
		message.id = slice_of(good->id);
	count = signature_make(
		vector->provider, &vector->secrets[fits], &message, at, made, 8, reason);
	if (count < 1)
		fail_msg("%s: %s", vector->path, reason);
	request_init(&request, vector);
	request.now_ms = at;
	request.header_count = 0;
	for (int i = 0; i < count; i++) {
		/* Another spelling of the time gives another signature. */
		bool same = scheme->timestamp_format != TEXT_TIME_RFC3339 &&
			    scheme->timestamp_format != TEXT_TIME_ISO8601 &&
			    (!scheme->has_timestamp || timed);
		if (same && strstr(vector->path, "bitvault") == NULL &&
			!vector_has(vector, &made[i]))
			fail_msg("%s: made %s: %s", vector->path, made[i].name, made[i].value);
		request.headers[request.header_count++] =
			(struct header){ made[i].name, made[i].value };
	}
	for (size_t i = 0; i < vector->header_count; i++) {
		if (strcasecmp(vector->headers[i].name, "Content-Type") == 0)
			request.headers[request.header_count++] = vector->headers[i];
	}
	expect_result(&request, SIGNATURE_VALID, "signed by us");
	request_free(&request);
	free_made(made, count);
	message_free(&message);
	free(variables[2]);
}

static void
signing_makes_what_the_sender_makes(void **state)
{
	(void)state;
	for_each_good(check_made);
}

static int
load_all(void **state)
{
	glob_t found;

	(void)state;
	if (mkdtemp(scratch) == NULL || glob("tests/vectors/*/*.vector", 0, NULL, &found) != 0)
		return -1;
	vectors = xcalloc(found.gl_pathc, sizeof *vectors);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		read_vector(found.gl_pathv[i], &vectors[i]);
		load_vector(&vectors[i]);
	}
	vector_count = found.gl_pathc;
	globfree(&found);
	return 0;
}

static int
free_all(void **state)
{
	char path[512];

	(void)state;
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_gives_its_result),
		cmocka_unit_test(no_changed_bit_of_a_signature_is_accepted),
		cmocka_unit_test(a_shorter_or_longer_signature_is_wrong),
		cmocka_unit_test(an_empty_signature_is_never_compared),
		cmocka_unit_test(a_signature_that_is_not_in_its_header_is_missing),
		cmocka_unit_test(a_repeated_signature_time_or_id_header_is_refused),
		cmocka_unit_test(the_right_bytes_in_another_spelling_are_wrong),
		cmocka_unit_test(another_secret_is_wrong),
		cmocka_unit_test(no_changed_bit_of_a_body_is_accepted),
		cmocka_unit_test(no_changed_bit_of_a_signed_time_or_id_is_accepted),
		cmocka_unit_test(the_time_window_includes_both_its_ends),
		cmocka_unit_test(signing_makes_what_the_sender_makes),
	};

	umask(077);
	return cmocka_run_group_tests_name("vectors", tests, load_all, free_all);
}
