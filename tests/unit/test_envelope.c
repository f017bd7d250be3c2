/* test_envelope.c - what of a request is kept with its event, and what never is */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "envelope.h"

static char *variables[] = {
	(char *)"REQUEST_METHOD=POST",
	(char *)"CONTENT_TYPE=application/json",
	(char *)"REQUEST_URI=/hooks/a?token=s3cret&x=1",
	(char *)"QUERY_STRING=token=s3cret&x=1",
	(char *)"HTTP_X_GITHUB_EVENT=push",
	(char *)"HTTP_X_TOKEN=s3cret",
	(char *)"HTTP_AUTHORIZATION=Bearer s3cret",
	(char *)"HTTP_COOKIE=session=s3cret",
	(char *)"HTTP_PROXY=http://s3cret.example",
	(char *)"HTTP_CONTENT_LENGTH=7", /* lighttpd sends both */
	(char *)"HTTP_CONTENT_TYPE=application/json",
	(char *)"REMOTE_USER=s3cret",
	(char *)"DOCUMENT_ROOT=/srv/s3cret",
	(char *)"HOOKCGI_CONFIG=/home/s3cret",
	NULL,
};

static void
report(void *context, const char *block, const char *option, const char *message)
{
	(void)context, (void)block;
	fail_msg("%s: %s", option, message);
}

static struct provider *
compile(const struct provider_scheme_options *main)
{
	const struct provider_options options = { .name = "own", .main = *main };
	return provider_compile(&options, report, NULL);
}

static void
a_signed_request_keeps_what_templates_ask_for(void **state)
{
	(void)state;
	char reason[256];
	struct provider *github = config_builtin_provider("github", reason);
	struct buf kept;
	buf_init(&kept, ENVELOPE_MAX);
	assert_non_null(github);
	assert_true(envelope_write(variables, github, &kept));
	char **strings = envelope_strings(&kept);
	static const char *const expected[] = { "REQUEST_METHOD=POST",
		"CONTENT_TYPE=application/json", "REQUEST_URI=/hooks/a?token=s3cret&x=1",
		"QUERY_STRING=token=s3cret&x=1", "HTTP_X_GITHUB_EVENT=push",
		"HTTP_X_TOKEN=s3cret" };
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
		assert_string_equal(strings[i], expected[i]);
	assert_null(strings[sizeof expected / sizeof expected[0]]);
	free(strings);
	buf_free(&kept);
	provider_free(github);
}

static void
a_cut_envelope_gives_whole_strings_only(void **state)
{
	(void)state;
	struct buf kept;
	buf_init(&kept, 100);
	assert_true(buf_append(&kept, "A=1\0B=", 6));
	char **strings = envelope_strings(&kept);
	assert_string_equal(strings[0], "A=1");
	assert_null(strings[1]);
	free(strings);
	buf_clear(&kept);
	strings = envelope_strings(&kept);
	assert_null(strings[0]);
	free(strings);
	buf_free(&kept);
}

static void
too_much_is_refused(void **state)
{
	(void)state;
	char reason[256];
	struct provider *github = config_builtin_provider("github", reason);
	char *large = malloc(ENVELOPE_MAX + 16);
	memset(large, 'x', ENVELOPE_MAX);
	memcpy(large, "HTTP_X=", 7);
	large[ENVELOPE_MAX] = '\0';
	char *many[] = { large, NULL };
	struct buf kept;
	buf_init(&kept, ENVELOPE_MAX);
	assert_false(envelope_write(many, github, &kept));
	buf_free(&kept);
	free(large);
	provider_free(github);
}

static void
a_token_in_a_header_is_not_kept(void **state)
{
	(void)state;
	static char name[] = "X-Token";
	char *const header[] = { name, NULL };
	struct provider *own = compile(
		&(struct provider_scheme_options){ .header = header, .algorithm = "token" });
	struct buf kept;
	buf_init(&kept, ENVELOPE_MAX);
	assert_true(envelope_write(variables, own, &kept));
	assert_null(memmem(kept.data, kept.len, "HTTP_X_TOKEN", 12));
	assert_non_null(memmem(kept.data, kept.len, "QUERY_STRING", 12));
	buf_free(&kept);
	provider_free(own);
}

static void
a_token_in_the_query_is_not_kept(void **state)
{
	(void)state;
	static char query[] = "{query:token}";
	char *const signature[] = { query, NULL };
	struct provider *own = compile(
		&(struct provider_scheme_options){ .signature = signature, .algorithm = "token" });
	struct buf kept;
	buf_init(&kept, ENVELOPE_MAX);
	assert_true(envelope_write(variables, own, &kept));
	char **strings = envelope_strings(&kept);
	assert_string_equal(strings[2], "REQUEST_URI=/hooks/a");
	assert_null(memmem(kept.data, kept.len, "QUERY_STRING", 12));
	free(strings);
	buf_free(&kept);
	provider_free(own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_request_keeps_what_templates_ask_for),
		cmocka_unit_test(a_token_in_a_header_is_not_kept),
		cmocka_unit_test(a_token_in_the_query_is_not_kept),
		cmocka_unit_test(a_cut_envelope_gives_whole_strings_only),
		cmocka_unit_test(too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
