/* handshake.c - requests that prove the URL, answered without a handler
 *
 * Senders ask for an echo of a query field, a header or a body field, or only
 * for an answer. All of it is templates in the provider file; nothing here
 * knows a sender.
 */
#include "handshake.h"

#include <string.h>

#include "crypto.h"
#include "template.h"
#include "text.h"

/* A challenge is a few dozen characters; a request that asks for more is not one, and the
 * endpoint shall not send a stranger's pages back under its own name. */
#define ANSWER_MAX 4096

/* In constant time, because what is expected may be a token (hub.verify_token). */
static bool
is_expected(struct slice text, struct slice expected)
{
	return expected.len > 0 ? crypto_equal(text, expected) : text.len == 0;
}

/* A condition holds when its template expands, and to the text beside it. */
static bool
condition_holds(const struct template *when, const char *equals, struct message *message)
{
	struct buf text;
	bool holds;

	buf_init(&text, ANSWER_MAX);
	holds = template_text(when, message, &text) == TEMPLATE_OK &&
		(equals == NULL || is_expected(buf_slice(&text), slice_of(equals)));
	buf_free(&text);
	return holds;
}

static bool
handshake_matches(const struct provider_handshake *handshake, struct message *message)
{
	for (size_t i = 0; i < handshake->when_count; i++) {
		if (!condition_holds(handshake->when[i], handshake->equals[i], message))
			return false;
	}
	return true;
}

const struct provider_handshake *
handshake_find(const struct provider *provider, struct message *message, bool verified)
{
	const char *method = message_variable(message, "REQUEST_METHOD");

	if (method == NULL)
		return NULL;
	for (size_t i = 0; i < provider->handshake_count; i++) {
		const struct provider_handshake *handshake = &provider->handshakes[i];
		if (handshake->verified == verified && strcmp(handshake->method, method) == 0 &&
			handshake_matches(handshake, message))
			return handshake;
	}
	return NULL;
}

bool
handshake_takes_method(const struct provider *provider, const char *method)
{
	for (size_t i = 0; i < provider->handshake_count; i++) {
		if (strcmp(provider->handshakes[i].method, method) == 0)
			return true;
	}
	return false;
}

/* Inside a JSON answer an echoed quote must not end the string that the template began. */
static bool
append_escaped(struct slice value, struct buf *out)
{
	struct buf quoted;
	bool done;

	buf_init(&quoted, 6 * ANSWER_MAX + 2);
	done = text_append_json(&quoted, value) && buf_append(out, quoted.data + 1, quoted.len - 2);
	buf_free(&quoted);
	return done;
}

bool
handshake_answer(
	const struct provider_handshake *handshake, struct message *message, struct buf *out)
{
	const struct template *answer = handshake->answer;
	bool json = strcmp(handshake->content_type, "application/json") == 0;
	struct slice pieces[TEMPLATE_PARTS_MAX];
	struct buf made, text;
	bool done;

	if (answer == NULL)
		return true;
	buf_init(&made, ANSWER_MAX);
	buf_init(&text, ANSWER_MAX);
	done = template_slices(answer, message, &made, pieces) == TEMPLATE_OK;
	for (size_t i = 0; done && i < answer->count; i++) {
		if (json && answer->parts[i].kind != TEMPLATE_LITERAL)
			done = append_escaped(pieces[i], &text);
		else
			done = buf_append_slice(&text, pieces[i]);
	}
	done = done && buf_append_slice(out, buf_slice(&text));
	buf_free(&text);
	buf_free(&made);
	return done;
}
