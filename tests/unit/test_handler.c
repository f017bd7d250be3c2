/* test_handler.c - what a handler is given: argv, environment and input */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "handler.h"
#include "template.h"

/* An endpoint and one event, put together by hand; each test changes what it is about. */
struct fixture {
	struct provider provider;
	struct config_endpoint endpoint;
	struct config_run run;
	struct template *argv[8];
	struct config_env env[4];
	struct message message;
	struct handler_event event;
	struct handler_call call;
	char reason[256];
};

static char *variables[] = {
	(char *)"REQUEST_METHOD=POST",
	(char *)"CONTENT_TYPE=application/json",
	(char *)"HTTP_X_ACME_EVENT=order.created",
	(char *)"HTTP_PROXY=http://evil.example",
	(char *)"HTTP_X_ACME_SIGNATURE=5ec4e7",
	NULL,
};

static char *form_variables[] = {
	(char *)"CONTENT_TYPE=application/x-www-form-urlencoded",
	NULL,
};

static char *multipart_variables[] = {
	(char *)"CONTENT_TYPE=multipart/form-data; boundary=x",
	NULL,
};

static struct template *
compiled(const char *source)
{
	char reason[256];
	struct template *template = template_parse(source, reason);
	assert_non_null(template);
	return template;
}

static void
setup(struct fixture *f, char *const *request_variables, const char *body)
{
	memset(f, 0, sizeof *f);
	f->provider.name = (char *)"acme";
	f->endpoint.name = (char *)"orders";
	f->endpoint.provider = &f->provider;
	f->endpoint.timeout_ms = 1000;
	f->endpoint.grace_ms = 500;
	f->endpoint.env = f->env;
	f->argv[0] = compiled("/srv/hook.sh");
	f->run.argv = f->argv;
	f->run.argc = 1;
	message_init(&f->message, request_variables, slice_of(body));
	f->message.event = slice_of("order.created");
	f->message.id = slice_of("evt_1");
	f->message.key = slice_of("evt_1");
	f->message.endpoint = slice_of("orders");
	f->event = (struct handler_event){
		.endpoint = &f->endpoint,
		.run = &f->run,
		.message = &f->message,
		.received_ms = 1470344246000,
		.remote_address = "192.0.2.7",
		.attempt = 1,
	};
}

static void
prepare(struct fixture *f)
{
	assert_int_equal(handler_prepare(&f->event, &f->call, f->reason), HANDLER_READY);
}

static void
teardown(struct fixture *f)
{
	handler_call_free(&f->call);
	message_free(&f->message);
	for (size_t i = 0; i < f->run.argc; i++)
		template_free(f->argv[i]);
	for (size_t i = 0; i < f->endpoint.env_count; i++)
		template_free(f->env[i].value);
}

/* The value of a variable in the prepared environment, NULL when it is not there. */
static const char *
value_of(const struct fixture *f, const char *name)
{
	const char *found = NULL;
	size_t len = strlen(name);
	for (char **string = f->call.environment.strings; *string != NULL; string++) {
		if (strncmp(*string, name, len) != 0 || (*string)[len] != '=')
			continue;
		assert_null(found); /* a name is there at most once */
		found = *string + len + 1;
	}
	return found;
}

static size_t
count_names(const struct fixture *f, const char *prefix)
{
	size_t count = 0;
	for (char **string = f->call.environment.strings; *string != NULL; string++)
		count += strncmp(*string, prefix, strlen(prefix)) == 0;
	return count;
}

static void
environment_is_the_documented_list_and_nothing_else(void **state)
{
	(void)state;
	struct fixture f;
	unsetenv("TZ");
	setenv("SECRET_OF_THE_SERVER", "x", 1);
	setup(&f, variables, "{\"id\":\"evt_1\",\"data\":{\"score\":7,\"text\":null,\"ok\":true}}");
	prepare(&f);
	static const char *const expected[][2] = {
		{ "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
		{ "LANG", "C.UTF-8" },
		{ "HOOK_ENDPOINT", "orders" },
		{ "HOOK_PROVIDER", "acme" },
		{ "HOOK_EVENT", "order.created" },
		{ "HOOK_ID", "evt_1" },
		{ "HOOK_KEY", "evt_1" },
		{ "HOOK_ATTEMPT", "1" },
		{ "HOOK_DELIVERY", "0" },
		{ "HOOK_RECEIVED_AT", "2016-08-04T20:57:26.000Z" },
		{ "HOOK_REMOTE_ADDR", "192.0.2.7" },
		{ "HOOK_CONTENT_TYPE", "application/json" },
		{ "HOOK_DATA_ID", "evt_1" },
		{ "HOOK_DATA_DATA_SCORE", "7" },
		{ "HOOK_DATA_DATA_TEXT", "" },
		{ "HOOK_DATA_DATA_OK", "true" },
	};
	size_t count = sizeof expected / sizeof expected[0];
	for (size_t i = 0; i < count; i++) {
		assert_non_null(value_of(&f, expected[i][0]));
		assert_string_equal(value_of(&f, expected[i][0]), expected[i][1]);
	}
	assert_non_null(value_of(&f, "HOME"));
	assert_int_equal(count_names(&f, ""), count + 1);
	assert_string_equal(f.call.environment.strings[0],
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
		"/sbin:/bin");
	teardown(&f);
}

static void
a_taken_name_is_not_replaced(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, variables,
		"{\"a-b\":\"first\",\"a_b\":\"second\",\"A.B\":\"third\",\"truncated\":1}");
	prepare(&f);
	assert_string_equal(value_of(&f, "HOOK_DATA_A_B"), "first");
	assert_null(value_of(&f, "HOOK_DATA_TRUNCATED")); /* the mark cannot be forged */
	teardown(&f);
}

static void
hostile_names_stay_behind_the_prefix(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, variables,
		"{\"PATH\":\"/evil\",\"LD_PRELOAD\":\"x\",\"BASH_FUNC_ls%%\":\"() { id; }\","
		"\"HOOK_EVENT\":\"forged\",\"\xc3\xa4=\\n\":\"y\"}");
	prepare(&f);
	assert_string_equal(value_of(&f, "HOOK_DATA_PATH"), "/evil");
	assert_string_equal(value_of(&f, "HOOK_DATA_LD_PRELOAD"), "x");
	assert_string_equal(value_of(&f, "HOOK_DATA_BASH_FUNC_LS__"), "() { id; }");
	assert_string_equal(value_of(&f, "HOOK_DATA_HOOK_EVENT"), "forged");
	assert_string_equal(value_of(&f, "HOOK_DATA_____"), "y");
	assert_null(value_of(&f, "LD_PRELOAD"));
	assert_string_equal(value_of(&f, "HOOK_EVENT"), "order.created");
	teardown(&f);
}

/* execve(2) takes one string up to 128 KiB with its NUL. */
static void
a_value_over_the_systems_limit_is_left_out_and_said(void **state)
{
	(void)state;
	static const char prefix[] = "HOOK_DATA_BIG=";
	for (int over = 0; over <= 1; over++) {
		struct fixture f;
		size_t len = 131072 - strlen(prefix) - 1 + (size_t)over;
		char *body = malloc(len + 64);
		int at = sprintf(body, "{\"small\":\"s\",\"big\":\"");
		memset(body + at, 'x', len);
		strcpy(body + (size_t)at + len, "\"}");
		setup(&f, variables, body);
		prepare(&f);
		assert_string_equal(value_of(&f, "HOOK_DATA_SMALL"), "s");
		if (over) {
			assert_null(value_of(&f, "HOOK_DATA_BIG"));
			assert_string_equal(value_of(&f, "HOOK_DATA_TRUNCATED"), "1");
		} else {
			assert_int_equal(strlen(value_of(&f, "HOOK_DATA_BIG")), len);
			assert_null(value_of(&f, "HOOK_DATA_TRUNCATED"));
		}
		assert_int_equal(f.call.spec.input.len, strlen(body));
		teardown(&f);
		free(body);
	}
}

static void
many_leaves_stop_at_the_ceiling_and_keep_the_first(void **state)
{
	(void)state;
	struct fixture f;
	char *body = malloc(2u << 20);
	size_t at = (size_t)sprintf(body, "{\"first\":1");
	for (int i = 0; i < 60000; i++)
		at += (size_t)sprintf(body + at, ",\"name%d\":\"%d\"", i, i);
	strcpy(body + at, "}");
	setup(&f, variables, body);
	prepare(&f);
	size_t bytes = 0;
	for (char **string = f.call.environment.strings; *string != NULL; string++)
		bytes += strlen(*string) + 1 + sizeof *string;
	assert_true(bytes <= 1u << 20);
	assert_string_equal(value_of(&f, "HOOK_DATA_FIRST"), "1");
	assert_string_equal(value_of(&f, "HOOK_DATA_TRUNCATED"), "1");
	teardown(&f);
	free(body);
}

/* What execve(2) would refuse with E2BIG for ever is not tried. */
static void
arguments_over_the_stacks_share_are_refused(void **state)
{
	(void)state;
	struct fixture f;
	struct rlimit saved, small;
	char body[40100] = "{\"long\":\"";
	memset(body + strlen(body), 'x', 40000);
	strcpy(body + strlen(body), "\"}");
	getrlimit(RLIMIT_STACK, &saved);
	small = (struct rlimit){ 256 * 1024, saved.rlim_max };
	setup(&f, variables, body);
	f.argv[1] = compiled("{body:long}");
	f.run.argc = 2;
	prepare(&f);
	handler_call_free(&f.call);
	setrlimit(RLIMIT_STACK, &small);
	assert_int_equal(handler_prepare(&f.event, &f.call, f.reason), HANDLER_UNUSABLE);
	setrlimit(RLIMIT_STACK, &saved);
	assert_non_null(strstr(f.reason, "longer than this system takes"));
	teardown(&f);
}

static void
a_path_over_the_limit_is_left_out_and_the_rest_goes_on(void **state)
{
	(void)state;
	struct fixture f;
	char *body = malloc(300000);
	size_t at = (size_t)sprintf(body, "{\"");
	memset(body + at, 'n', 200000);
	strcpy(body + at + 200000, "\":{\"a\":1,\"b\":2},\"last\":3}");
	setup(&f, variables, body);
	prepare(&f);
	assert_int_equal(count_names(&f, "HOOK_DATA_N"), 0);
	assert_string_equal(value_of(&f, "HOOK_DATA_LAST"), "3");
	assert_string_equal(value_of(&f, "HOOK_DATA_TRUNCATED"), "1");
	teardown(&f);
	free(body);
}

static void
headers_are_handed_on_only_when_named(void **state)
{
	(void)state;
	struct fixture f;
	static char *provider_headers[] = { (char *)"X-Acme-Event" };
	static char *endpoint_headers[] = { (char *)"X-Absent" };
	setup(&f, variables, "{}");
	f.provider.headers = provider_headers;
	f.provider.header_count = 1;
	f.endpoint.headers = endpoint_headers;
	f.endpoint.header_count = 1;
	prepare(&f);
	assert_string_equal(value_of(&f, "HOOK_HEADER_X_ACME_EVENT"), "order.created");
	assert_int_equal(count_names(&f, "HOOK_HEADER_"), 1);
	assert_int_equal(count_names(&f, "HTTP_"), 0);
	teardown(&f);
}

static void
mappings_are_added_and_absent_ones_left_out(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, variables, "{\"response\":{\"score\":7}}");
	f.env[0] = (struct config_env){ (char *)"SCORE", compiled("{body:response.score}/10") };
	f.env[1] = (struct config_env){ (char *)"NOTHING", compiled("{body:response.text}") };
	f.endpoint.env_count = 2;
	prepare(&f);
	assert_string_equal(value_of(&f, "SCORE"), "7/10");
	assert_null(value_of(&f, "NOTHING"));
	teardown(&f);
}

static void
an_argument_is_always_one_element(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, variables, "{\"name\":\"a b; rm -rf / $(id) \\n'\\\"\",\"empty\":\"\"}");
	f.argv[1] = compiled("{body:name}");
	f.argv[2] = compiled("--type={event}");
	f.argv[3] = compiled("{body:empty}");
	f.run.argc = 4;
	prepare(&f);
	assert_string_equal(f.call.spec.argv[0], "/srv/hook.sh");
	assert_string_equal(f.call.spec.argv[1], "a b; rm -rf / $(id) \n'\"");
	assert_string_equal(f.call.spec.argv[2], "--type=order.created");
	assert_string_equal(f.call.spec.argv[3], "");
	assert_null(f.call.spec.argv[4]);
	teardown(&f);
}

static void
a_senders_value_never_becomes_an_option(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, variables, "{\"name\":\"--output=/etc/passwd\"}");
	f.argv[1] = compiled("{body:name}");
	f.run.argc = 2;
	assert_int_equal(handler_prepare(&f.event, &f.call, f.reason), HANDLER_UNUSABLE);
	assert_non_null(strstr(f.reason, "begins with \"-\""));
	teardown(&f);
}

static void
an_argument_over_something_absent_is_refused(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, variables, "{}");
	f.argv[1] = compiled("{body:name}");
	f.run.argc = 2;
	assert_int_equal(handler_prepare(&f.event, &f.call, f.reason), HANDLER_UNUSABLE);
	assert_non_null(strstr(f.reason, "{body:name}"));
	teardown(&f);
}

static void
a_body_that_is_not_what_it_says_is_unusable(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f, variables, "{\"cut\":");
	assert_int_equal(handler_prepare(&f.event, &f.call, f.reason), HANDLER_UNUSABLE);
	assert_true(strlen(f.reason) > 0);
	teardown(&f);
}

static void
input_is_the_body_a_form_as_json_raw_or_nothing(void **state)
{
	(void)state;
	static const char form[] = "response[score]=7&event_name=created";
	static const char multipart[] =
		"--x\r\nContent-Disposition: form-data; name=a[b]\r\n\r\n7\r\n"
		"--x\r\nContent-Disposition: form-data; name=f; filename=g\r\n\r\nhi\r\n--x--";
	static const struct {
		char *const *variables;
		const char *body;
		enum config_stdin kind;
		const char *expected;
	} cases[] = {
		{ variables, "{ \"a\" : 1.0 }", CONFIG_STDIN_JSON, "{ \"a\" : 1.0 }" },
		{ variables, "{ \"a\" : 1.0 }", CONFIG_STDIN_NONE, "" },
		{ form_variables, form, CONFIG_STDIN_JSON,
			"{\"response\":{\"score\":\"7\"},\"event_name\":\"created\"}" },
		{ form_variables, form, CONFIG_STDIN_RAW, form },
		{ multipart_variables, multipart, CONFIG_STDIN_JSON,
			"{\"a\":{\"b\":\"7\"},\"f\":{\"filename\":\"g\",\"type\":\"text/plain\","
			"\"size\":\"2\"}}" },
		{ multipart_variables, multipart, CONFIG_STDIN_RAW, multipart },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fixture f;
		setup(&f, cases[i].variables, cases[i].body);
		f.endpoint.stdin_kind = cases[i].kind;
		prepare(&f);
		assert_true(slice_is(f.call.spec.input, cases[i].expected));
		teardown(&f);
	}
}

/* The field of a form that the provider says holds the event. */
static void
document_is_what_a_handler_gets(void **state)
{
	(void)state;
	static const char form[] = "payload=%7B%22action%22%3A%20%22a+b%22%7D&action=x";
	static const char multipart[] =
		"--x\r\nContent-Disposition: form-data; name=action\r\n\r\nx\r\n"
		"--x\r\nContent-Disposition: form-data; name=payload\r\n\r\n{\"action\": \"a "
		"b\"}\r\n"
		"--x--";
	static const struct {
		char *const *variables;
		const char *body;
	} cases[] = {
		{ form_variables, form },
		{ multipart_variables, multipart },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fixture f;
		setup(&f, cases[i].variables, cases[i].body);
		f.message.document = "payload";
		f.argv[f.run.argc++] = compiled("{body:action}");
		prepare(&f);
		assert_true(slice_is(f.call.spec.input, "{\"action\": \"a b\"}"));
		assert_string_equal(value_of(&f, "HOOK_DATA_ACTION"), "a b");
		assert_int_equal(count_names(&f, "HOOK_DATA_"), 1);
		assert_string_equal(f.call.argv[1], "a b");
		handler_call_free(&f.call);
		f.endpoint.stdin_kind = CONFIG_STDIN_RAW;
		prepare(&f);
		assert_true(slice_is(f.call.spec.input, cases[i].body));
		teardown(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environment_is_the_documented_list_and_nothing_else),
		cmocka_unit_test(a_taken_name_is_not_replaced),
		cmocka_unit_test(hostile_names_stay_behind_the_prefix),
		cmocka_unit_test(a_value_over_the_systems_limit_is_left_out_and_said),
		cmocka_unit_test(many_leaves_stop_at_the_ceiling_and_keep_the_first),
		cmocka_unit_test(arguments_over_the_stacks_share_are_refused),
		cmocka_unit_test(a_path_over_the_limit_is_left_out_and_the_rest_goes_on),
		cmocka_unit_test(headers_are_handed_on_only_when_named),
		cmocka_unit_test(mappings_are_added_and_absent_ones_left_out),
		cmocka_unit_test(an_argument_is_always_one_element),
		cmocka_unit_test(a_senders_value_never_becomes_an_option),
		cmocka_unit_test(an_argument_over_something_absent_is_refused),
		cmocka_unit_test(a_body_that_is_not_what_it_says_is_unusable),
		cmocka_unit_test(input_is_the_body_a_form_as_json_raw_or_nothing),
		cmocka_unit_test(document_is_what_a_handler_gets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
