/* test_signature_memory.c - a check that runs out of memory finds nothing right, and leaves nothing
 *
 * malloc() fails once in each place in turn; what xcalloc() allocates (small, and fixed by the
 * provider) is left out, since without it the process ends.
 */
#ifndef HOOKCGI_SANITIZED /* whose allocator is its own */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "alloc.h"
#include "crypto.h"
#include "signature.h"
#include "text.h"
#include "verify.h"

static size_t left; /* calls of malloc() until one fails; 0: none does */
static size_t calls;

void *__libc_malloc(size_t size);

void *
malloc(size_t size)
{
	calls++;
	if (left > 0 && --left == 0)
		return NULL;
	return __libc_malloc(size);
}

#define HMAC .header = LIST("X-S"), .algorithm = "hmac-sha256"

static enum signature_result
verify_failing(const struct verifier *verifier, const char *const *variables, const char *body,
	size_t failing)
{
	struct signature_report report = { .scheme = 99, .secret = 99 };
	struct message message;
	enum signature_result result;

	message_init(&message, (char *const *)(uintptr_t)variables, slice_of(body));
	calls = 0;
	left = failing;
	result = signature_verify(verifier, &message, NOW_MS, &report);
	left = 0;
	assert_left(&message, result);
	message_free(&message);
	return result;
}

/* The result, or SIGNATURE_ERROR where the process ended: xmalloc() has no other way. */
static enum signature_result
in_child(const struct verifier *verifier, const char *const *variables, const char *body,
	size_t failing)
{
	pid_t pid = fork();
	int status = 0;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		fclose(stderr);
		_exit((int)verify_failing(verifier, variables, body, failing));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == EX_OSERR)
		return SIGNATURE_ERROR;
	assert_in_range(WEXITSTATUS(status), SIGNATURE_VALID, SIGNATURE_ERROR);
	return (enum signature_result)WEXITSTATUS(status);
}

static void
a_check_without_memory_fails_closed(void **state)
{
	const struct {
		struct provider_options options;
		const char *variables[4], *body, *other;
	} rows[] = {
		{ { .main = { HMAC } },
			{ "HTTP_X_S="
			  "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13" },
			"{}", "[]" },
		{ { .main = { HMAC, .signs = LIST("{query:q}.{bodyhash:sha256:hex}.{body:a}") } },
			{ "HTTP_X_S="
			  "2711a7a0093a8ce1f27c4b699d21b4a895019697d28802ea91cfa030d853fadc",
				"QUERY_STRING=q=%78" },
			"{\"a\":1}", "{\"a\":2}" },
		{ { .main = { HMAC, .signs = LIST("{form:p}.{sorted_form}") } },
			{ "HTTP_X_S="
			  "1cfcc53f9ffa443bdc6fa04f7a93e7be2eaca8b598b8a5d89340933ee6532bf8",
				"CONTENT_TYPE=application/x-www-form-urlencoded" },
			"p=1", "p=2" },
		{ { .main = { HMAC, .timestamp = "{query:t}", .key_id = "{query:k}",
			    .signs = LIST("{id}.{timestamp}.{key_id}{body}") },
			  .id = LIST("{query:i}") },
			{ "HTTP_X_S="
			  "f938fa6ada3e5e6a3484dc6ece6cbe45557a3644dd251feec3781c84996afe81",
				"QUERY_STRING=i=1&t=1700000000&k=2" },
			"a", "b" },
		{ { .main = { .signature = LIST("{item:s}"),
			    .algorithm = "hmac-sha256",
			    .each = "n",
			    .signs = LIST("{item:v}") } },
			{ NULL },
			"{\"n\":[{\"v\":\"a\",\"s\":"
			"\"4048c44911916043ff626895ff78c5262764685b6cb9a03ce07886a9effb924c\"}]}",
			"{\"n\":[{\"v\":\"b\",\"s\":"
			"\"4048c44911916043ff626895ff78c5262764685b6cb9a03ce07886a9effb924c\"}]}" },
		{ { .main = { .header = LIST("X-S"),
			    .algorithm = "jwt-hs256",
			    .timestamp = "{claim:iat}",
			    .requires = LIST("{claim:h}={bodyhash:sha256:hex}") } },
			{ "HTTP_X_S=eyJhbGciOiJIUzI1NiJ9."
			  "eyJpYXQiOjE3MDAwMDAwMDAsImgiOiI0NDEzNmZhMzU1YjM2NzhhMTE0NmFkMTZmN2U4NjQ5"
			  "ZTk0ZmI0ZmMyMWZlNzdlODMxMGMwNjBmNjFjYWFmZjhhIn0."
			  "BJjF7bW6XSQCBxuGz8M3cxCTTXzkjh0HbaMXjOAMUTI" },
			"{}", "[]" },
		{ { .main = { .header = LIST("X-S"),
			    .algorithm = "jwt-hs256",
			    .signs = LIST("{body}") } },
			{ "HTTP_X_S=eyJhbGciOiJIUzI1NiJ9..XmNK3GpH3Ys_"
			  "7wsYBfq4C3M6goz71I7dTgUkuIa5lyQ" },
			"{}", "[]" },
	};
	const struct config_secret secret = secret_of("secret", NULL);

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct provider *provider = compile(rows[i].options);
		struct verifier *verifier = verifier_of(provider, &secret, 1);
		size_t count;
		assert_int_equal(
			verify(verifier, rows[i].variables, rows[i].body), SIGNATURE_VALID);
		assert_int_equal(verify_failing(verifier, rows[i].variables, rows[i].body, 0),
			SIGNATURE_VALID);
		count = calls;
		for (size_t failing = 1; failing <= count; failing++) {
			(void)in_child(verifier, rows[i].variables, rows[i].body, failing);
			assert_int_not_equal(
				in_child(verifier, rows[i].variables, rows[i].other, failing),
				SIGNATURE_VALID);
		}
		verifier_free(verifier);
		provider_free(provider);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_check_without_memory_fails_closed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
a_check_without_memory_fails_closed(void **state)
{
	(void)state;
	skip();
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_check_without_memory_fails_closed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
