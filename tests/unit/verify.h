/* verify.h - providers, secrets and messages for the tests of signature.c */
#ifndef TEST_VERIFY_H
#define TEST_VERIFY_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "signature.h"

#define NOW_MS INT64_C(1700000000000)
#define ROWS(table) (sizeof(table) / sizeof(table)[0])
#define LIST(...) ((char *const *)(const char *const[]){ __VA_ARGS__, NULL })
#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline void
fail_on_fault(void *context, const char *block, const char *option, const char *message)
{
	(void)context;
	fail_msg("%s %s: %s", block != NULL ? block : "", option, message);
}

static inline struct provider *
compile(struct provider_options options)
{
	struct provider *provider;

	options.name = "test";
	provider = provider_compile(&options, fail_on_fault, NULL);
	assert_non_null(provider);
	return provider;
}

static inline struct config_secret
secret_of(const char *text, const char *key_id)
{
	static char source[] = "literal";

	return (struct config_secret){ .text = (char *)(uintptr_t)text,
		.len = strlen(text),
		.source = source,
		.key_id = (char *)(uintptr_t)key_id };
}

static inline struct verifier *
verifier_of(const struct provider *provider, const struct config_secret *secrets, size_t count)
{
	char reason[256] = "";
	struct verifier *verifier = verifier_new(provider, secrets, count, reason);

	assert_string_equal(reason, "");
	return verifier;
}

static volatile unsigned char sink;

/* Each byte must still be there (ASan). */
static inline void
touch(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		sink ^= (unsigned char)text.data[i];
}

/* What is left in the message, whatever the result was. */
static inline void
assert_left(const struct message *message, enum signature_result result)
{
	touch(message->timestamp);
	touch(message->id);
	assert_null(message->key_id.data);
	assert_null(message->secret.data);
	assert_int_equal(message->item, 0);
	if (result == SIGNATURE_VALID)
		return;
	assert_null(message->timestamp.data);
	assert_null(message->id.data);
	assert_null(message->claims);
}

static inline enum signature_result
verify(const struct verifier *verifier, const char *const *variables, const char *body)
{
	struct signature_report report = { .scheme = 99, .secret = 99 };
	struct message message;
	enum signature_result result;

	message_init(&message, (char *const *)(uintptr_t)variables, slice_of(body));
	result = signature_verify(verifier, &message, NOW_MS, &report);
	assert_left(&message, result);
	assert_int_equal(report.scheme == 99, result != SIGNATURE_VALID);
	message_free(&message);
	return result;
}

/* The same with a provider and one secret, "secret". */
static inline enum signature_result
verify_once(struct provider_options options, const char *const *variables, const char *body)
{
	const struct config_secret secret = secret_of("secret", NULL);
	struct provider *provider = compile(options);
	struct verifier *verifier = verifier_of(provider, &secret, 1);
	enum signature_result result = verify(verifier, variables, body);

	verifier_free(verifier);
	provider_free(provider);
	return result;
}

#endif
