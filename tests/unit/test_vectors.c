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
#include "vector.h"

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
	for (size_t i = 0; scheme->signs_count > 0 && i < scheme->signs[0]->count; i++) {
		const struct template_part *part = &scheme->signs[0]->parts[i];
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

static int
load_all(void **state)
{
	(void)state;
	return load_vectors("tests/vectors/*/*.vector", NULL) ? 0 : -1;
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
	};

	umask(077);
	return cmocka_run_group_tests_name("vectors", tests, load_all, free_all);
}
