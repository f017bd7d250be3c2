/* signature_token.c - schemes whose signature is a JSON web token (RFC 7515, RFC 7519) */
#include "signature_check.h"

#include "jwt.h"
#include "text.h"

/* How far the clocks may differ for a token's exp and nbf (RFC 7519 section 4.1.4). */
#define TOKEN_LEEWAY_MS 60000

/* A token's own limits, which hold whether the scheme asks for them or not (RFC 7519 section 4.1.4 and 5). */
static enum signature_result
check_token_window(const struct check *check, const struct jwt *token)
{
	bool has_end = false, has_start = false;
	int64_t end = 0, start = 0;

	if (token->claims == NULL)
		return SIGNATURE_VALID;
	if (!jwt_time(token, "exp", &has_end, &end) || !jwt_time(token, "nbf", &has_start, &start))
		return SIGNATURE_MALFORMED;
	if (has_end && check->now_ms > end + TOKEN_LEEWAY_MS)
		return SIGNATURE_EXPIRED;
	if (has_start && check->now_ms < start - TOKEN_LEEWAY_MS)
		return SIGNATURE_EARLY;
	return SIGNATURE_VALID;
}

/* Put together what a JWS signs. */
static enum signature_result
token_parts(struct check *check, const struct jwt *token, struct slice parts[3], size_t *count_out)
{
	enum signature_result result;

	if (check->scheme->signs_count == 0) {
		parts[0] = token->signed_text;
		*count_out = 1;
		return SIGNATURE_VALID;
	}
	result = check_expand(check, &check->keys[0]);
	if (result != SIGNATURE_VALID)
		return result;
	check_note_signed(check, check->parts, check->part_count);
	struct buf whole;
	size_t total = 0;
	bool done = true;
	for (size_t i = 0; i < check->part_count; i++)
		total += check->parts[i].len;
	buf_init(&whole, total);
	for (size_t i = 0; done && i < check->part_count; i++)
		done = buf_append_slice(&whole, check->parts[i]);
	buf_free(&check->payload);
	buf_init(&check->payload, 2 * total + 4);
	done = done && text_encode(TEXT_BASE64URL, whole.data, whole.len, &check->payload);
	buf_free(&whole);
	parts[0] = token->protected_text;
	parts[1] = slice_of(".");
	parts[2] = buf_slice(&check->payload);
	*count_out = 3;
	return done ? SIGNATURE_VALID : SIGNATURE_ERROR;
}

/* Of a token that a secret fitted: its own limits, and what the scheme asks for. From here on
 * {claim:NAME} is believed. */
static enum signature_result
check_claims(struct check *check, struct jwt *token)
{
	const struct provider_scheme *scheme = check->scheme;
	struct message *message = check->message;
	enum signature_result result = check_token_window(check, token);
	int64_t time_ms = 0;

	leaves_free(message->claims);
	message->claims = token->claims;
	token->claims = NULL;
	if (result == SIGNATURE_VALID && check_is_claim(scheme->timestamp)) {
		buf_clear(&check->time_made);
		result = check_read_shared(
			check, scheme->timestamp, &check->time_made, &message->timestamp);
	}
	if (result == SIGNATURE_VALID)
		result = check_time_of(check, &time_ms);
	if (result == SIGNATURE_VALID)
		result = check_requires(check);
	if (result == SIGNATURE_VALID && check_judges_time(scheme))
		result = check_window(check, time_ms);
	return result;
}

/* A JWS whose parts were taken apart. */
static enum signature_result
check_parsed_token(struct check *check, size_t index, struct jwt *token)
{
	const struct provider_scheme *scheme = check->scheme;
	struct message *message = check->message;
	struct slice parts[3];
	enum signature_result result;
	size_t count = 0;
	bool any = false;

	if (!slice_is(jwt_header(token, "alg"), scheme->jws)) {
		check_note_text(check, "its algorithm is another than the provider's",
			jwt_header(token, "alg"), 24);
		return SIGNATURE_WRONG;
	}
	message->key_id = scheme->key_id != NULL ? check->key_id : jwt_header(token, "kid");
	message->timestamp = check->timestamp;
	check->sent[index].signature = token->signature_text;
	result = token_parts(check, token, parts, &count);
	if (result == SIGNATURE_VALID)
		result = check_secrets(check, &index, 1, parts, count, &any);
	if (result == SIGNATURE_VALID && !any)
		result = SIGNATURE_WRONG;
	if (result == SIGNATURE_VALID)
		result = check_claims(check, token);
	message->key_id = (struct slice){ NULL, 0 }; /* it may be a piece of the token's header */
	return result;
}

enum signature_result
check_token(struct check *check, size_t index)
{
	struct jwt token;
	enum signature_result result = SIGNATURE_MALFORMED;

	switch (jwt_parse(check->sent[index].signature, check->scheme->signs_count > 0, &token)) {
	case JWT_OK: break;
	case JWT_MALFORMED:
		check_note(check, "it is no token (RFC 7515)");
		return SIGNATURE_MALFORMED;
	case JWT_NO_MEMORY: return SIGNATURE_ERROR;
	}
	result = check_parsed_token(check, index, &token);
	jwt_free(&token);
	return result;
}
