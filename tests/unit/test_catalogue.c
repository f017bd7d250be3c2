/* test_catalogue.c - every provider's made.vectors, and what must become of them when they are changed
 *
 * Whatever a scheme is made of, and wherever its signature travels: a request that verifies must
 * stop doing so when the signature, a signed part, the secret or the body is another. Stricter
 * judgements of single schemes (which refusal, each bit) are in test_vectors.c.
 */
#include <glob.h>
#include <strings.h>
#include <sys/stat.h>

#include "vector.h"

static struct vector *vectors;
static size_t vector_count;

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
}

/* Call check for each valid vector; the big ones are for every_vector_gives_its_result() alone. */
static void
for_each_good(void check(struct request *request))
{
	for (size_t i = 0; i < vector_count; i++) {
		struct request request;
		if (vectors[i].expect != SIGNATURE_VALID || vectors[i].body.len > 65536)
			continue;
		request_init(&request, &vectors[i]);
		check(&request);
		request_free(&request);
	}
}

/* The text with other text in place of the first len bytes at found; the caller frees. */
static char *
replaced(const char *text, size_t text_len, const char *found, size_t len, struct slice with,
	size_t *len_out)
{
	size_t before = (size_t)(found - text), after = text_len - before - len;
	char *made = xmalloc(text_len - len + with.len + 1);

	memcpy(made, text, before);
	if (with.len > 0)
		memcpy(made + before, with.data, with.len);
	memcpy(made + before + with.len, found + len, after);
	*len_out = before + with.len + after;
	made[*len_out] = '\0';
	return made;
}

/* The request with another signature, wherever it travels. false: it is nowhere to be seen (inside a
 * base64 or a form's escapes, where the vectors themselves must try). */
static bool
refuse_signature(struct request *request, struct slice with, const char *change)
{
	const struct vector *vector = request->vector;
	const char *right = vector->right;
	size_t right_len = strlen(right), len;
	const char *found;

	for (size_t i = 0; i < request->header_count; i++) {
		char *value = request->headers[i].value;
		found = strstr(value, right);
		if (found == NULL)
			continue;
		request->headers[i].value =
			replaced(value, strlen(value), found, right_len, with, &len);
		expect_refusal(request, change);
		free(request->headers[i].value);
		request->headers[i].value = value;
		return true;
	}
	if (vector->url != NULL && (found = strstr(vector->url, right)) != NULL) {
		char *url =
			replaced(vector->url, strlen(vector->url), found, right_len, with, &len);
		request->url = url;
		expect_refusal(request, change);
		request->url = vector->url;
		free(url);
		return true;
	}
	found = memmem(vector->body.data, vector->body.len, right, right_len);
	if (vector->body.len == 0 || found == NULL)
		return false;
	char *body = replaced(vector->body.data, vector->body.len, found, right_len, with, &len);
	request->body = (struct slice){ body, len };
	expect_refusal(request, change);
	request->body = buf_slice(&vector->body);
	free(body);
	return true;
}

static void
change_signature(struct request *request)
{
	const char *right = request->vector->right, *separator;
	size_t len = right != NULL ? strlen(right) : 0;
	char changed[8192];

	if (len == 0 || len > sizeof changed / 2 - 2)
		return;
	for (size_t i = 0; i < len; i++) {
		memcpy(changed, right, len);
		changed[i] ^= 1;
		if (!refuse_signature(request, (struct slice){ changed, len }, "a changed byte"))
			return;
	}
	(void)refuse_signature(request, (struct slice){ right, len - 1 }, "cut short");
	(void)refuse_signature(request, (struct slice){ right + 1, len - 1 }, "without its first");
	(void)refuse_signature(request, (struct slice){ right, len / 2 }, "half of it");
	(void)refuse_signature(request, (struct slice){ NULL, 0 }, "an empty one");
	memcpy(changed, right, len);
	expect_result(request, SIGNATURE_VALID, "as it is");
	separator = request->vector->provider->schemes[request->report.scheme].separator;
	for (const char *more = "0aA=."; *more != '\0'; more++) {
		/* Behind a separator there is one signature more, an empty one. */
		if (separator != NULL && separator[0] == *more && separator[1] == '\0')
			continue;
		changed[len] = *more;
		(void)refuse_signature(
			request, (struct slice){ changed, len + 1 }, "one byte more");
	}
	memcpy(changed + len, right, len);
	(void)refuse_signature(request, (struct slice){ changed, 2 * len }, "twice");
}

static void
another_signature_is_refused(void **state)
{
	(void)state;
	for_each_good(change_signature);
}

static void
change_parts(struct request *request)
{
	const struct vector *vector = request->vector;

	for (size_t i = 0; i < request->header_count; i++) {
		bool counts = false;
		for (size_t p = 0; p < vector->part_count; p++)
			counts |= strcasecmp(vector->parts[p], request->headers[i].name) == 0;
		if (!counts)
			continue;
		struct header before = request->headers[i];
		char *value = xstrdup(before.value);
		request->headers[i].value = value;
		for (size_t at = 0; value[at] != '\0'; at++) {
			value[at] ^= 1;
			if (value[at] != '\0')
				expect_refusal(request, "a signed header changed");
			value[at] ^= 1;
		}
		value[0] = '\0';
		expect_refusal(request, "a signed header empty");
		free(value);
		request->headers[i].value = before.value;
		static char elsewhere[] = "X-Somewhere-Else";
		request->headers[i].name = elsewhere;
		expect_refusal(request, "a signed header missing");
		request->headers[i] = before;
	}
}

static void
another_signed_header_is_refused(void **state)
{
	(void)state;
	for_each_good(change_parts);
}

static void
change_body(struct request *request)
{
	const struct buf *body = &request->vector->body;
	size_t step = body->len / 16 + 1;
	char *changed;

	expect_result(request, SIGNATURE_VALID, "as it is");
	/* A gzip member has a header, whose bytes may differ with the same content. */
	if (!request->vector->provider->schemes[request->report.scheme].signs_body ||
		request_is_compressed(request))
		return;
	changed = xmalloc(body->len + 1);
	if (body->len > 0)
		memcpy(changed, body->data, body->len);
	for (size_t i = 0; i < body->len; i += step) {
		changed[i] ^= 1;
		request->body = (struct slice){ changed, body->len };
		expect_refusal(request, "a changed byte of the body");
		changed[i] ^= 1;
	}
	changed[body->len] = ' ';
	request->body = (struct slice){ changed, body->len + 1 };
	expect_refusal(request, "a body with one byte more");
	if (body->len > 0) {
		request->body = (struct slice){ changed, body->len - 1 };
		expect_refusal(request, "a body without its last byte");
	}
	free(changed);
}

static void
another_body_is_refused(void **state)
{
	(void)state;
	for_each_good(change_body);
}

/* The secret with one byte changed that matters to the key, whatever its encoding. */
static void
change_secret(struct request *request)
{
	const struct vector *vector = request->vector;
	struct config_secret changed[SECRETS_MAX];
	struct verifier *verifier;
	char reason[256];

	if (vector->secret_count == 0 || strchr(vector->secrets[0].text, '\n') != NULL)
		return;
	for (size_t i = 0; i < vector->secret_count; i++) {
		changed[i] = vector->secrets[i];
		changed[i].text = xstrdup(vector->secrets[i].text);
		char *middle = changed[i].text + changed[i].len / 2;
		*middle = *middle == 'a' ? 'b' : 'a';
	}
	verifier = verifier_new(vector->provider, changed, vector->secret_count, reason);
	if (verifier != NULL) {
		request->verifier = verifier;
		expect_refusal(request, "other secrets");
		verifier_free(verifier);
	}
	for (size_t i = 0; i < vector->secret_count; i++)
		free(changed[i].text);
}

static void
another_secret_is_refused(void **state)
{
	(void)state;
	for_each_good(change_secret);
}

static bool
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

static void
every_provider_but_the_unsigned_has_vectors(void **state)
{
	const char *name;

	(void)state;
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		if (strcmp(name, "unsigned") != 0 && !has_vectors(name))
			fail_msg("tests/vectors/%s: there are no vectors", name);
	}
}

static int
load_all(void **state)
{
	static const char *const patterns[] = { "tests/vectors/*/*.vectors",
		"tests/vectors/*/sample.vector" };
	glob_t found;

	(void)state;
	if (mkdtemp(scratch) == NULL)
		return -1;
	for (size_t p = 0; p < 2; p++) {
		if (glob(patterns[p], 0, NULL, &found) != 0)
			return -1;
		for (size_t i = 0; i < found.gl_pathc; i++)
			read_vectors(found.gl_pathv[i], &vectors, &vector_count);
		globfree(&found);
	}
	for (size_t i = 0; i < vector_count; i++)
		load_vector(&vectors[i]);
	return 0;
}

static int
free_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++)
		free_vector(&vectors[i]);
	free(vectors);
	return rmdir(scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_gives_its_result),
		cmocka_unit_test(another_signature_is_refused),
		cmocka_unit_test(another_signed_header_is_refused),
		cmocka_unit_test(another_body_is_refused),
		cmocka_unit_test(another_secret_is_refused),
		cmocka_unit_test(every_provider_but_the_unsigned_has_vectors),
	};

	umask(077);
	return cmocka_run_group_tests_name("catalogue", tests, load_all, free_all);
}
