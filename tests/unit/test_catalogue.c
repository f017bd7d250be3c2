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

/* Do the signatures say nothing at all of the body? The files say so, and what to do. */
static bool
leaves_the_body_out(const struct vector *vector)
{
	static const char *const names[] = { "atlassian-connect", "mercadopago", "monday" };
	const struct provider_scheme *scheme = vector->provider->schemes;

	for (size_t i = 0; vector->provider_name != NULL && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(vector->provider_name, names[i]) == 0)
			return true;
	return scheme->method == PROVIDER_TOKEN;
}

/* A form without fields, an empty object: what expands to nothing must not be signed by a signature
 * over what stands beside it. */
static void
empty_body(struct request *request)
{
	static char json[] = "application/json", form[] = "application/x-www-form-urlencoded";
	static char *const types[] = { json, form };
	static const char *const bodies[] = { "", "{}", "x=" };

	if (request->body.len == 0 || leaves_the_body_out(request->vector))
		return;
	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < request->header_count; i++) {
			if (strcasecmp(request->headers[i].name, "Content-Type") == 0)
				request->headers[i].value = types[t];
		}
		for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
			if (slice_is(request->body, bodies[b]))
				continue;
			request->body = slice_of(bodies[b]);
			expect_refusal(request, "without what the body holds");
			request->body = buf_slice(&request->vector->body);
		}
	}
}

static void
no_signature_is_that_of_an_empty_body(void **state)
{
	(void)state;
	for_each_good(empty_body);
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

/* Each provider's sample is a whole request as its sender makes it. */
static const struct vector *
sample_of(const char *provider)
{
	for (size_t i = 0; i < vector_count; i++) {
		const char *name = vectors[i].path + strlen(vectors[i].path);
		while (name > vectors[i].path && name[-1] != '/')
			name--;
		if (vectors[i].provider_name != NULL &&
			strcmp(vectors[i].provider_name, provider) == 0 &&
			(strcmp(name, "made.vectors#sample") == 0 ||
				strcmp(name, "sample.vector") == 0))
			return &vectors[i];
	}
	return NULL;
}

static void
event_and_id_are_found_in_each_sample(void **state)
{
	const char *name;
	size_t faults = 0;

	(void)state;
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		const struct vector *sample = sample_of(name);
		struct request request;
		if (strcmp(name, "unsigned") == 0)
			continue;
		if (sample == NULL)
			fail_msg("tests/vectors/%s: there is no sample", name);
		request_init(&request, sample);
		expect_result(&request, SIGNATURE_VALID, "as it is");
		if ((sample->provider->event_count > 0 && request.event.len == 0) ||
			(sample->provider->id_count > 0 && request.sender_id.len == 0)) {
			print_error("%s: event \"%s\", id \"%s\"\n", sample->path,
				buf_text(&request.event), buf_text(&request.sender_id));
			faults++;
		}
		request_free(&request);
	}
	assert_int_equal(faults, 0);
}

/* What the provider's templates make of a request: one variable besides the method, and a body. */
static void
id_of(const char *provider_name, const char *variable, const char *body, struct buf *out)
{
	static char method[] = "REQUEST_METHOD=POST";
	char reason[256] = "", *second = xstrdup(variable);
	char *variables[] = { method, second, NULL };
	struct provider *provider = config_builtin_provider(provider_name, reason);
	struct message message;

	if (provider == NULL)
		fail_msg("%s: %s", provider_name, reason);
	/* Deduplication would look at the body alone otherwise. */
	assert_true(provider->id_is_signed);
	message_init(&message, variables, slice_of(body));
	message.document = provider->document;
	buf_init(out, 65536);
	expand_first(provider->ids, provider->id_count, &message, out);
	assert_true(out->len > 0);
	message_free(&message);
	provider_free(provider);
	free(second);
}

static void
two_events_have_two_ids_and_two_tries_one(void **state)
{
	static const struct {
		const char *provider;
		const char *variable_a, *a, *variable_b, *b;
		bool same;
	} rows[] = {
		{ "viber", "X=",
			"{\"event\":\"delivered\",\"timestamp\":1457764197627,"
			"\"message_token\":4912661846655238145,\"user_id\":\"01234567890A=\"}",
			"X=",
			"{\"event\":\"seen\",\"timestamp\":1457764199627,"
			"\"message_token\":4912661846655238145,\"user_id\":\"01234567890A=\"}",
			false },
		{ "viber", "X=",
			"{\"event\":\"seen\",\"message_token\":4912661846655238145,\"user_id\":"
			"\"A\"}",
			"X=",
			"{\"event\":\"seen\",\"message_token\":4912661846655238145,\"user_id\":"
			"\"B\"}",
			false },
		/* A trigger's body is its author's, and may be the same again. */
		{ "zendesk", "HTTP_X_ZENDESK_WEBHOOK_SIGNATURE_TIMESTAMP=2023-11-14T22:13:20Z",
			"{\"type\":\"incident\",\"id\":35436}",
			"HTTP_X_ZENDESK_WEBHOOK_SIGNATURE_TIMESTAMP=2023-11-14T22:14:20Z",
			"{\"type\":\"incident\",\"id\":35436}", false },
		{ "zendesk", "HTTP_X_ZENDESK_WEBHOOK_SIGNATURE_TIMESTAMP=2023-11-14T22:13:20Z",
			"{\"id\":\"2b24ef10\",\"zendesk_event_version\":\"2022-11-06\"}",
			"HTTP_X_ZENDESK_WEBHOOK_SIGNATURE_TIMESTAMP=2023-11-14T22:14:20Z",
			"{\"id\":\"2b24ef10\",\"zendesk_event_version\":\"2022-11-06\"}", true },
		{ "slack", "HTTP_X_SLACK_REQUEST_TIMESTAMP=1700000000",
			"{\"type\":\"block_suggestion\",\"value\":\"a\"}",
			"HTTP_X_SLACK_REQUEST_TIMESTAMP=1700000009",
			"{\"type\":\"block_suggestion\",\"value\":\"a\"}", false },
		{ "slack", "HTTP_X_SLACK_REQUEST_TIMESTAMP=1700000000",
			"{\"type\":\"event_callback\",\"event_id\":\"Ev08MFMKH6\"}",
			"HTTP_X_SLACK_REQUEST_TIMESTAMP=1700000060",
			"{\"type\":\"event_callback\",\"event_id\":\"Ev08MFMKH6\"}", true },
		{ "grafana-timed", "HTTP_X_GRAFANA_ALERTING_TIMESTAMP=1700000000",
			"{\"status\":\"firing\"}", "HTTP_X_GRAFANA_ALERTING_TIMESTAMP=1700003600",
			"{\"status\":\"firing\"}", false },
		{ "docusign", "X=",
			"{\"event\":\"recipient-sent\",\"retryCount\":0,\"generatedDateTime\":"
			"\"T\","
			"\"data\":{\"envelopeId\":\"e\",\"recipientId\":\"1\"}}",
			"X=",
			"{\"event\":\"recipient-sent\",\"retryCount\":0,\"generatedDateTime\":"
			"\"T\","
			"\"data\":{\"envelopeId\":\"e\",\"recipientId\":\"2\"}}",
			false },
		{ "docusign", "X=",
			"{\"event\":\"envelope-sent\",\"retryCount\":0,\"generatedDateTime\":\"T\","
			"\"data\":{\"envelopeId\":\"e\"}}",
			"X=",
			"{\"event\":\"envelope-sent\",\"retryCount\":1,\"generatedDateTime\":\"T\","
			"\"data\":{\"envelopeId\":\"e\"}}",
			true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf a, b;
		id_of(rows[i].provider, rows[i].variable_a, rows[i].a, &a);
		id_of(rows[i].provider, rows[i].variable_b, rows[i].b, &b);
		if ((strcmp(buf_text(&a), buf_text(&b)) == 0) != rows[i].same)
			fail_msg("%s, row %zu: ids \"%s\" and \"%s\"", rows[i].provider, i,
				buf_text(&a), buf_text(&b));
		buf_free(&a);
		buf_free(&b);
	}
}

/* Bit N: a valid vector of the provider was reported to be of its scheme N. */
static unsigned
schemes_of_vectors(const char *provider)
{
	unsigned schemes = 0;

	for (size_t i = 0; i < vector_count; i++) {
		struct request request;
		if (vectors[i].provider_name == NULL ||
			strcmp(vectors[i].provider_name, provider) != 0 ||
			vectors[i].expect != SIGNATURE_VALID)
			continue;
		request_init(&request, &vectors[i]);
		expect_result(&request, SIGNATURE_VALID, "as it is");
		schemes |= 1U << request.report.scheme;
		request_free(&request);
	}
	return schemes;
}

static void
every_scheme_is_that_of_some_vector(void **state)
{
	const char *name;
	size_t faults = 0;

	(void)state;
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		char reason[256] = "";
		struct provider *provider = config_builtin_provider(name, reason);
		unsigned schemes = schemes_of_vectors(name);
		assert_non_null(provider);
		for (size_t s = 0; s < provider->scheme_count; s++) {
			if (strcmp(name, "unsigned") == 0 || (schemes >> s & 1) != 0)
				continue;
			print_error("%s: no valid vector is of the scheme \"%s\"\n", name,
				provider->schemes[s].label);
			faults++;
		}
		provider_free(provider);
	}
	assert_int_equal(faults, 0);
}

static int
load_all(void **state)
{
	(void)state;
	return load_vectors("tests/vectors/*/*.vectors", NULL) &&
			       load_vectors("tests/vectors/*/sample.vector", NULL) &&
			       load_vectors("tests/vectors/*/base64.vector", NULL)
		       ? 0
		       : -1;
}

static int
free_all(void **state)
{
	(void)state;
	return free_vectors();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_gives_its_result),
		cmocka_unit_test(another_signature_is_refused),
		cmocka_unit_test(another_signed_header_is_refused),
		cmocka_unit_test(another_body_is_refused),
		cmocka_unit_test(no_signature_is_that_of_an_empty_body),
		cmocka_unit_test(another_secret_is_refused),
		cmocka_unit_test(every_provider_but_the_unsigned_has_vectors),
		cmocka_unit_test(event_and_id_are_found_in_each_sample),
		cmocka_unit_test(every_scheme_is_that_of_some_vector),
		cmocka_unit_test(two_events_have_two_ids_and_two_tries_one),
	};

	umask(077);
	return cmocka_run_group_tests_name("catalogue", tests, load_all, free_all);
}
