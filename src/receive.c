/* receive.c - one request, from the web server's variables to the answer
 *
 * receive() is a straight line: find the endpoint, read the body, verify,
 * find out what it is, keep it or run it, answer, log. Each step that cannot go on names one
 * outcome; the table below is all there is to know about what a sender is
 * told. Nothing in front of verify() is stored or trusted, and what it costs is
 * one MAC over a bounded body.
 */
#include "receive.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "attempt.h"
#include "clock.h"
#include "config.h"
#include "crypto.h"
#include "envelope.h"
#include "gzip.h"
#include "handler.h"
#include "handshake.h"
#include "intake.h"
#include "learn.h"
#include "log.h"
#include "message.h"
#include "service.h"
#include "signature.h"
#include "text.h"

/* Bytes of an event type, and of an id. */
#define VALUE_MAX 8192
/* Of each buffer that is kept for the next request, and of requests. */
#define KEPT_MAX ((size_t)8 << 10)
#define SPARE_MAX 64
/* Bytes that are asked of the kernel at once, for keys. */
#define RANDOM_SUPPLY 256
/* From the start of a request to the last moment that a busy store is waited for: some senders wait 5 s. */
#define STORE_WAIT_MS 4000
/* What a sender is asked to wait for where nothing says more. */
#define RETRY_AFTER_S 30
/* Bytes of a body that every socket's buffer has room for. */
#define SHORT_ANSWER 1024

enum outcome {
	OUTCOME_ACCEPTED,
	OUTCOME_DUPLICATE,
	OUTCOME_REQUEUED,
	OUTCOME_DEAD,
	OUTCOME_IGNORED,
	OUTCOME_HANDSHAKE,
	OUTCOME_CLOSED,
	OUTCOME_NOT_FOUND,
	OUTCOME_METHOD,
	OUTCOME_MALFORMED,
	OUTCOME_NO_LENGTH,
	OUTCOME_LATE,
	OUTCOME_TOO_LARGE,
	OUTCOME_ENCODED,
	OUTCOME_UNAUTHORIZED,
	OUTCOME_UNUSABLE,
	OUTCOME_MISCONFIGURED,
	OUTCOME_TOO_MANY,
	OUTCOME_QUEUE_FULL,
	OUTCOME_UNAVAILABLE,
	OUTCOME_FAILED,
	OUTCOME_TRY_LATER,
	OUTCOME_TIMED_OUT,
	OUTCOME_LATER, /* none yet: the event is on its way to disk */
};

/* What a sender is told. The bodies are fixed: a stranger learns nothing from them. */
static const struct {
	int status;
	const char *word; /* in the log, and as the answer's "status" */
	bool retry_after; /* 503 is for senders that obey it */
} outcomes[] = {
	[OUTCOME_ACCEPTED] = { 200, "accepted", false },
	[OUTCOME_DUPLICATE] = { 200, "duplicate", false },
	[OUTCOME_REQUEUED] = { 200, "requeued", false },
	[OUTCOME_DEAD] = { 200, "unusable", false }, /* kept: many senders never send again */
	[OUTCOME_IGNORED] = { 200, "ignored", false },
	[OUTCOME_HANDSHAKE] = { 200, "handshake", false },
	[OUTCOME_CLOSED] = { 403, "forbidden", false },
	[OUTCOME_NOT_FOUND] = { 404, "not_found", false },
	[OUTCOME_METHOD] = { 405, "method_not_allowed", false },
	[OUTCOME_MALFORMED] = { 400, "malformed", false },
	[OUTCOME_NO_LENGTH] = { 411, "length_required", false },
	[OUTCOME_LATE] = { 408, "too_slow", false },
	[OUTCOME_TOO_LARGE] = { 413, "too_large", false },
	[OUTCOME_ENCODED] = { 415, "encoding_not_supported", false },
	[OUTCOME_UNAUTHORIZED] = { 401, "unauthorized", false },
	[OUTCOME_UNUSABLE] = { 400, "unusable", false },
	[OUTCOME_MISCONFIGURED] = { 503, "misconfigured", true },
	[OUTCOME_TOO_MANY] = { 429, "too_many_requests", true },
	[OUTCOME_QUEUE_FULL] = { 503, "queue_full", true },
	[OUTCOME_UNAVAILABLE] = { 503, "unavailable", true },
	[OUTCOME_FAILED] = { 500, "failed", false },
	[OUTCOME_TRY_LATER] = { 503, "try_later", true },
	[OUTCOME_TIMED_OUT] = { 504, "timed_out", false },
};

/* One request on its way down the line. */
struct request {
	const struct receiver *receiver;
	struct http_exchange *exchange;
	int64_t started_us;  /* CLOCK_MONOTONIC */
	int64_t received_ms; /* since 1970 */
	struct slice name;   /* the endpoint's, as asked for */
	char remote[46];     /* the sender's address, "" where the server says none */
	struct snapshot *snapshot;
	const struct config_endpoint *endpoint;
	struct intake *intake; /* NULL: nothing is kept */
	const struct verifier *verifier;
	bool verified;                /* a stranger could not have sent it */
	const struct config_run *run; /* what the event type is wanted by */
	struct buf body;
	bool compressed;                   /* body is, until it is verified */
	struct buf event, id;              /* what message refers to */
	uint8_t digest[CRYPTO_DIGEST_MAX]; /* SHA-256 of the body, once digest_body() was asked */
	bool has_digest;
	struct buf key; /* where the id is none */
	struct message message;
	struct buf variables; /* that are kept */
	struct intake_ticket ticket;
	const char *reason; /* for the log: why it ended as it did, or NULL */
	char reason_made
		[HANDSHAKE_REASON_MAX]; /* where reason is not a text that is there anyway */
	struct http_answer answer;      /* body and type, where not the outcome's own */
	char status_text[96];
	int64_t retry_after_s;
	char retry_header[48];
	int64_t delivery; /* our number for the event, 0: it has none */
	unsigned attempt; /* the one that this process makes */
	struct handshake_answer handshake;
	struct buf success; /* the body that the sender insists on */
	bool has_success;
	bool closed; /* it is a handshake that the endpoint does not answer, for reason_made */
	char allow[48];
	struct handler_call handler;
	struct runner_call call; /* of it */
	struct run_result result;
	struct store_attempt record; /* of the run */
	struct store_settlement settlement;
	enum outcome outcome; /* while that is recorded */
	struct request *next; /* of those that are over */
};

/*
 * What is allocated in one thread and freed in the one that answers costs the most of all that malloc(3) does here: a
 * lock, and to merge pieces (bench/README.md). So requests that are over are kept, with their buffers.
 */
static struct {
	pthread_mutex_t lock;
	struct request *first;
	unsigned count;
} spare = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The buffers may have memory; all else is zero. */
static struct request *
request_new(void)
{
	pthread_mutex_lock(&spare.lock);
	struct request *request = spare.first;
	if (request != NULL) {
		spare.first = request->next;
		spare.count--;
	}
	pthread_mutex_unlock(&spare.lock);
	if (request == NULL)
		return xcalloc(1, sizeof *request);
	*request = (struct request){
		.body = request->body,
		.event = request->event,
		.id = request->id,
		.key = request->key,
		.variables = request->variables,
	};
	return request;
}

static void
request_free(struct request *request)
{
	struct buf *const kept[] = { &request->body, &request->event, &request->id, &request->key,
		&request->variables };

	run_result_free(&request->result);
	message_free(&request->message);
	handshake_answer_free(&request->handshake);
	buf_free(&request->success);
	service_release(request->snapshot);
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		buf_reuse(kept[i], KEPT_MAX);
	pthread_mutex_lock(&spare.lock);
	bool keeps = spare.count < SPARE_MAX;
	if (keeps) {
		request->next = spare.first;
		spare.first = request;
		spare.count++;
	}
	pthread_mutex_unlock(&spare.lock);
	if (keeps)
		return;
	for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
		buf_free(kept[i]);
	free(request);
}

static enum outcome
because(struct request *request, enum outcome outcome, const char *reason)
{
	request->reason = reason;
	return outcome;
}

/*
 * The last segment of the URL's path. SCRIPT_NAME and PATH_INFO together are the
 * path in every server and mode (nginx without fastcgi_split_path_info and
 * mod_proxy_fcgi put all of it into SCRIPT_NAME).
 */
static struct slice
endpoint_name(const struct http_exchange *exchange)
{
	const char *path = http_variable(exchange, "PATH_INFO");
	if (path == NULL || path[0] == '\0')
		path = http_variable(exchange, "SCRIPT_NAME");
	if (path == NULL)
		return slice_of("");
	const char *slash = strrchr(path, '/');
	return slice_of(slash != NULL ? slash + 1 : path);
}

static enum outcome
find_endpoint(struct request *request)
{
	request->name = endpoint_name(request->exchange);
	request->snapshot =
		service_acquire(http_variable(request->exchange, "HOOKCGI_CONFIG"), request->name);
	const struct config *config = snapshot_config(request->snapshot);
	if (config == NULL)
		return because(request, OUTCOME_MISCONFIGURED,
			"no usable configuration: hookcgi check says why");
	if (config->store != NULL)
		request->intake = intake_of(config->store, config->path, config->worker_auto);
	http_limit_read(request->exchange, config->read_timeout_ms);
	if (text_is_name(request->name))
		request->endpoint = config_find(config, request->name);
	if (request->endpoint == NULL)
		return because(request, OUTCOME_NOT_FOUND, "no endpoint of this name");
	const char *reason;
	request->verifier = snapshot_verifier(request->snapshot, request->endpoint, &reason);
	if (request->verifier == NULL && !config_awaits_secret(request->endpoint))
		return because(request, OUTCOME_MISCONFIGURED, reason);
	return OUTCOME_ACCEPTED;
}

static enum outcome
refuse_method(struct request *request, const char *reason)
{
	const struct provider *provider = request->endpoint->provider;
	snprintf(request->allow, sizeof request->allow, "Allow: %s%sPOST\r\n",
		handshake_takes_method(provider, "GET") ? "GET, " : "",
		handshake_takes_method(provider, "HEAD") ? "HEAD, " : "");
	request->answer.extra_headers = request->allow;
	return because(request, OUTCOME_METHOD, reason);
}

static bool
is_post(const struct request *request)
{
	return strcmp(http_variable(request->exchange, "REQUEST_METHOD"), "POST") == 0;
}

static enum outcome
check_method(struct request *request)
{
	const char *method = http_variable(request->exchange, "REQUEST_METHOD");
	if (is_post(request) || handshake_takes_method(request->endpoint->provider, method))
		return OUTCOME_ACCEPTED;
	return refuse_method(request, "only POST is taken here, and handshakes");
}

static bool
is_encoded(const struct http_exchange *exchange)
{
	const char *encoding = http_variable(exchange, "HTTP_CONTENT_ENCODING");
	return encoding != NULL && encoding[0] != '\0' && strcasecmp(encoding, "identity") != 0;
}

/* Put what the compressed body stands for in its place. */
static enum outcome
uncompress(struct request *request)
{
	struct buf plain;
	switch (gzip_inflate(buf_slice(&request->body), request->endpoint->body_limit, &plain)) {
	case GZIP_OK: break;
	case GZIP_INVALID: return because(request, OUTCOME_MALFORMED, "body is not whole gzip");
	case GZIP_TOO_LARGE:
		return because(request, OUTCOME_TOO_LARGE,
			"body is larger than body_limit when it is uncompressed");
	case GZIP_NO_MEMORY: return because(request, OUTCOME_UNAVAILABLE, "no memory for the body");
	}
	buf_free(&request->body);
	request->body = plain;
	return OUTCOME_ACCEPTED;
}

/* A compressed body is refused as it is, unless the provider is known to compress: what is signed
 * are the bytes, whichever those are, and a bomb is not ours to defuse. */
static enum outcome
take_encoded(struct request *request)
{
	const char *encoding = http_variable(request->exchange, "HTTP_CONTENT_ENCODING");
	/* RFC 9110 8.4.1.3: x-gzip is the same. */
	bool gzip = strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0;
	switch (gzip ? request->endpoint->provider->gzip : PROVIDER_GZIP_REFUSED) {
	case PROVIDER_GZIP_REFUSED: break;
	case PROVIDER_GZIP_SIGNED: request->compressed = true; return OUTCOME_ACCEPTED;
	case PROVIDER_GZIP_PLAIN: return uncompress(request);
	}
	return because(request, OUTCOME_ENCODED, "Content-Encoding is not supported");
}

static enum outcome
read_body(struct request *request, bool *has_length_out)
{
	switch (http_read_body(
		request->exchange, request->endpoint->body_limit, &request->body, has_length_out)) {
	case HTTP_BODY_OK: break;
	case HTTP_BODY_TOO_LARGE:
		return because(request, OUTCOME_TOO_LARGE, "body is larger than body_limit");
	case HTTP_BODY_SHORT:
		return because(
			request, OUTCOME_MALFORMED, "body is not as long as CONTENT_LENGTH says");
	case HTTP_BODY_LATE:
		return because(request, OUTCOME_LATE, "body did not arrive within read_timeout");
	case HTTP_BODY_BAD_LENGTH:
		return because(request, OUTCOME_MALFORMED, "CONTENT_LENGTH is not a number");
	case HTTP_BODY_NO_MEMORY:
		return because(request, OUTCOME_UNAVAILABLE, "no memory for the body");
	}
	enum outcome outcome =
		is_encoded(request->exchange) ? take_encoded(request) : OUTCOME_ACCEPTED;
	if (outcome != OUTCOME_ACCEPTED)
		return outcome;
	message_init(
		&request->message, http_variables(request->exchange), buf_slice(&request->body));
	request->message.endpoint = slice_of(request->endpoint->name);
	request->message.url_override = request->endpoint->url;
	request->message.document = request->endpoint->provider->document;
	request->message.parameters = request->endpoint->parameters;
	request->message.parameter_count = request->endpoint->parameter_count;
	return OUTCOME_ACCEPTED;
}

/* Keep what a handshake brings, before it is answered. */
static enum outcome
learn(struct request *request)
{
	const struct buf *learned = &request->handshake.learned;
	enum learn_result result = LEARN_DONE;
	if (learned->len == 0)
		return OUTCOME_HANDSHAKE;
	http_wait_begin(request->exchange);
	result = learn_secret(request->endpoint->learned, buf_slice(learned), request->reason_made);
	http_wait_end(request->exchange);
	switch (result) {
	case LEARN_DONE:
		/* The first event may come at once. */
		service_look_again(request->snapshot);
		return OUTCOME_HANDSHAKE;
	case LEARN_OTHER: return because(request, OUTCOME_CLOSED, request->reason_made);
	case LEARN_FAILED: break;
	}
	return because(request, OUTCOME_UNAVAILABLE, request->reason_made);
}

/*
 * Answer a handshake if this is one; ACCEPTED: it is none, go on. One that the endpoint
 * does not answer is only remembered while nothing is verified: it may be a rightly signed
 * event that looks like it.
 */
static enum outcome
shake_hands(struct request *request, bool verified)
{
	const struct provider_handshake *handshake =
		handshake_find(request->endpoint->provider, &request->message, verified);
	enum outcome outcome;
	if (handshake == NULL)
		return OUTCOME_ACCEPTED;
	if (handshake_is_closed(handshake, request->endpoint, request->reason_made)) {
		request->closed = true;
		return verified ? because(request, OUTCOME_CLOSED, request->reason_made)
				: OUTCOME_ACCEPTED;
	}
	handshake_answer_free(&request->handshake);
	handshake_answer_init(&request->handshake);
	switch (handshake_make(
		handshake, request->endpoint, &request->message, &request->handshake)) {
	case HANDSHAKE_ANSWERED: break;
	case HANDSHAKE_ABSENT: return OUTCOME_ACCEPTED;
	case HANDSHAKE_UNFIT:
		return because(request, OUTCOME_MALFORMED, request->handshake.unfit_reason);
	case HANDSHAKE_ERROR:
		return because(request, OUTCOME_UNAVAILABLE, "no answer could be computed");
	}
	outcome = learn(request);
	if (outcome != OUTCOME_HANDSHAKE)
		return outcome;
	request->answer.status = handshake->status;
	request->answer.content_type = handshake->content_type;
	request->answer.body = buf_slice(&request->handshake.body);
	if (request->handshake.headers.len > 0)
		request->answer.extra_headers = buf_text(&request->handshake.headers);
	return because(request, OUTCOME_HANDSHAKE, handshake->label);
}

/* A closed handshake that is no event either: whoever registers the URL has to learn why. */
static enum outcome
refuse_closed(struct request *request, enum outcome outcome)
{
	bool proven = request->endpoint->provider->schemes[0].method != PROVIDER_NONE;
	if (request->closed &&
		(outcome == OUTCOME_UNAUTHORIZED || (outcome == OUTCOME_ACCEPTED && !proven)))
		return because(request, OUTCOME_CLOSED, request->reason_made);
	return outcome;
}

static enum outcome
verify(struct request *request, bool has_length)
{
	struct signature_report report = { .scheme = 0 };
	if (request->verifier == NULL)
		return because(request, OUTCOME_UNAUTHORIZED, "no secret has been learned yet");
	enum signature_result result = signature_verify(
		request->verifier, &request->message, request->received_ms, &report);
	switch (result) {
	case SIGNATURE_VALID: request->verified = true; break;
	case SIGNATURE_REPEATED:
	case SIGNATURE_AMBIGUOUS:
		return because(request, OUTCOME_MALFORMED, signature_reason(result));
	case SIGNATURE_ERROR:
		return because(request, OUTCOME_UNAVAILABLE, signature_reason(result));
	case SIGNATURE_MISSING:
	case SIGNATURE_MALFORMED:
	case SIGNATURE_WRONG:
	case SIGNATURE_EXPIRED:
	case SIGNATURE_EARLY:
		return because(request, OUTCOME_UNAUTHORIZED, signature_reason(result));
	case SIGNATURE_UNMET:
		return because(request, OUTCOME_UNAUTHORIZED,
			"right signature, but not what is required: hookcgi explain says what");
	case SIGNATURE_NO_KEY:
		snprintf(request->reason_made, sizeof request->reason_made,
			"no secret for the key %s: write a block key of that id", report.key_id);
		return because(request, OUTCOME_UNAUTHORIZED, request->reason_made);
	}
	if (handshake_may_have_signed(request->endpoint->provider,
		    &request->endpoint->provider->schemes[report.scheme], &request->message)) {
		request->verified = false;
		return because(request, OUTCOME_UNAUTHORIZED,
			"anybody could have got this signature as the answer to a handshake");
	}
	/* A body that came without a length may have been cut off unseen (mod_cgid):
	 * only a signature over it tells. */
	if (!has_length && is_post(request) &&
		!request->endpoint->provider->schemes[report.scheme].signs_body)
		return because(request, OUTCOME_NO_LENGTH,
			"a body without a length needs a signature over it");
	return OUTCOME_ACCEPTED;
}

/* The signature was over the compressed bytes; from here on nobody sees them any more. */
static enum outcome
uncompress_verified(struct request *request)
{
	enum outcome outcome = uncompress(request);
	if (outcome == OUTCOME_ACCEPTED)
		message_set_body(&request->message, buf_slice(&request->body));
	return outcome;
}

/* The first template of the list that expands, in value. TEMPLATE_ABSENT: none does, and value is
 * empty. */
static enum template_result
first_of(
	struct template *const *templates, size_t count, struct message *message, struct buf *value)
{
	enum template_result result = TEMPLATE_ABSENT;
	value->max = VALUE_MAX;
	for (size_t i = 0; i < count && result == TEMPLATE_ABSENT; i++)
		result = template_text(templates[i], message, value);
	return result;
}

/* "" and not nothing: from here on it is known what the event has. */
static struct slice
known(const struct buf *value)
{
	return (struct slice){ buf_text(value), value->len };
}

static bool
wants_all(const struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->event_count; i++)
		if (strcmp(endpoint->events[i], "*") == 0)
			return endpoint->run.argc > 0;
	return false;
}

/* Does this process run the handler, while the sender waits? Else a worker does, from the store. */
static bool
runs_here(const struct request *request)
{
	return request->intake == NULL || request->endpoint->mode == CONFIG_MODE_WAIT;
}

/* Event type and id, before anything is decided by them. */
static enum outcome
identify(struct request *request)
{
	const struct provider *provider = request->endpoint->provider;
	struct message *message = &request->message;

	/* A handler that runs here, whatever the type, will ask for all of the body anyway. */
	if (!runs_here(request) || !wants_all(request->endpoint)) {
		message->first_names = provider->body_names;
		message->first_name_count = provider->body_name_count;
	}
	enum template_result event_result =
		first_of(provider->events, provider->event_count, message, &request->event);
	enum template_result id_result =
		first_of(provider->ids, provider->id_count, message, &request->id);
	message->event = known(&request->event);
	message->id = known(&request->id);
	if (message->kind == MESSAGE_BODY_INVALID)
		return because(request, OUTCOME_UNUSABLE, message->reason);
	if (message->kind == MESSAGE_BODY_NO_MEMORY)
		return because(request, OUTCOME_UNAVAILABLE, "no memory to read the body");
	if (event_result == TEMPLATE_REPEATED || id_result == TEMPLATE_REPEATED)
		return because(
			request, OUTCOME_MALFORMED, "the event type or id is there more than once");
	if (event_result == TEMPLATE_TOO_LONG || id_result == TEMPLATE_TOO_LONG)
		return because(request, OUTCOME_UNUSABLE, "the event type or id is too long");
	return OUTCOME_ACCEPTED;
}

/* What the sender insists on is made while its request is at hand; it may be answered from elsewhere. */
static void
prepare_success(struct request *request)
{
	const struct provider *provider = request->endpoint->provider;
	request->has_success = provider->success_body != NULL &&
			       handshake_text(provider->success_body,
				       strcmp(provider->success_type, "application/json") == 0,
				       &request->message, &request->success);
}

static enum outcome
choose_run(struct request *request)
{
	request->run = config_run_for(request->endpoint, request->message.event);
	if (request->run == NULL)
		return because(
			request, OUTCOME_IGNORED, "no events pattern or rule wants this type");
	if (request->run->argc == 0)
		return because(request, OUTCOME_IGNORED, "nothing is configured to run");
	return OUTCOME_ACCEPTED;
}

/* One hash is both: the key of what has no id, and what is looked at before a run. */
static bool
digest_body(struct request *request)
{
	if (!request->has_digest)
		request->has_digest =
			crypto_hash(CRYPTO_SHA256, &request->message.body, 1, request->digest);
	return request->has_digest;
}

/* The digest of what the body says: of the document where a form holds one, since what stands
 * around that may be signed by nobody. */
static bool
digest_event(struct request *request, uint8_t digest[CRYPTO_DIGEST_MAX])
{
	struct slice body = request->message.body;
	struct slice document = request->endpoint->provider->document != NULL
					? message_document(&request->message)
					: body;
	if (document.data != NULL && document.data != body.data)
		return crypto_hash(CRYPTO_SHA256, &document, 1, digest);
	if (!digest_body(request))
		return false;
	memcpy(digest, request->digest, crypto_digest_size(CRYPTO_SHA256));
	return true;
}

/* Random bytes for what is not secret, without a system call each time. A process that forks must not go on to
 * receive in both: none does. */
static bool
take_random(uint8_t *out, size_t len)
{
	static _Thread_local uint8_t supply[RANDOM_SUPPLY];
	static _Thread_local size_t left;

	if (left < len) {
		if (!crypto_random(supply, sizeof supply))
			return false;
		left = sizeof supply;
	}
	left -= len;
	memcpy(out, supply + left, len);
	return true;
}

/*
 * The deduplication key, of signed material only: an id that the signature does
 * not cover could be changed by whoever replays the request.
 */
static enum outcome
make_key(struct request *request)
{
	const struct provider *provider = request->endpoint->provider;
	struct message *message = &request->message;
	uint8_t random[16], digest[CRYPTO_DIGEST_MAX];
	struct slice bytes = { (const char *)digest, crypto_digest_size(CRYPTO_SHA256) };
	bool made = false;

	switch (request->endpoint->dedupe) {
	case PROVIDER_DEDUPE_ID:
		if (provider->id_is_signed && message->id.len > 0) {
			message->key = message->id;
			return OUTCOME_ACCEPTED;
		}
		made = digest_event(request, digest);
		break;
	case PROVIDER_DEDUPE_BODY: made = digest_event(request, digest); break;
	case PROVIDER_DEDUPE_OFF:
		/* Time first, as in UUIDv7 (RFC 9562 section 5.7): keys that follow each other lie on
		 * one page of the store's index. */
		for (size_t i = 0; i < 6; i++)
			random[i] = (uint8_t)(request->received_ms >> 8 * (5 - i));
		bytes = (struct slice){ (const char *)random, sizeof random };
		made = take_random(random + 6, sizeof random - 6);
		break;
	}
	if (!made)
		return because(request, OUTCOME_UNAVAILABLE, "no deduplication key could be made");
	request->key.max = (size_t)2 * CRYPTO_DIGEST_MAX;
	if (!text_encode(TEXT_HEX, bytes.data, bytes.len, &request->key))
		return because(request, OUTCOME_UNAVAILABLE, "no memory");
	message->key = buf_slice(&request->key);
	return OUTCOME_ACCEPTED;
}

/* Not more requests than the endpoint is to take, whichever process they come to. */
static enum outcome
check_rate(struct request *request)
{
	const struct config_endpoint *endpoint = request->endpoint;
	int64_t wait_ms = 0;
	if (request->intake == NULL || endpoint->rate == 0 ||
		tally_rate(intake_tally(request->intake), endpoint->name, endpoint->rate,
			endpoint->rate_ms, clock_ms(), &wait_ms))
		return OUTCOME_ACCEPTED;
	request->retry_after_s = wait_ms / 1000 + 1;
	return because(request, OUTCOME_TOO_MANY, "more requests than rate allows");
}

/* Make the ticket with which the event goes to the store, in that state. ACCEPTED: it is ready. */
static enum outcome
make_ticket(struct request *request, enum store_state state, const char *reason)
{
	const struct message *message = &request->message;
	if (!envelope_write(http_variables(request->exchange), request->endpoint->provider,
		    &request->variables))
		return because(request, OUTCOME_UNAVAILABLE, "no room to keep the headers");
	if (!digest_body(request))
		return because(request, OUTCOME_UNAVAILABLE, "no digest of the body could be made");
	request->ticket.event = (struct store_event){
		.endpoint = request->endpoint->name,
		.provider = request->endpoint->provider->name,
		.key = message->key,
		.type = message->event,
		.sender_id = message->id,
		.received_ms = request->received_ms,
		.remote = slice_of(request->remote),
		.variables = buf_slice(&request->variables),
		.body = message->body,
		.digest = request->digest,
		.state = state,
		.reason = reason,
		.queue_limit = state == STORE_QUEUED ? request->endpoint->queue_limit : 0,
	};
	request->ticket.deadline_ms = request->started_us / 1000 + STORE_WAIT_MS;
	return OUTCOME_ACCEPTED;
}

/* What became of the ticket. ACCEPTED and REQUEUED: the event is there, in its state. */
static enum outcome
kept(struct request *request)
{
	const struct store_event *event = &request->ticket.event;
	buf_reuse(&request->variables, KEPT_MAX);
	if (request->ticket.result != STORE_OK)
		return because(request, OUTCOME_UNAVAILABLE, request->ticket.reason);
	request->delivery = event->id;
	request->attempt = event->attempt;
	switch (event->put) {
	case STORE_ACCEPTED: return OUTCOME_ACCEPTED;
	case STORE_DUPLICATE: return OUTCOME_DUPLICATE;
	case STORE_REQUEUED: return OUTCOME_REQUEUED;
	case STORE_REFUSED: break;
	}
	return because(request, OUTCOME_QUEUE_FULL, "queue_limit is reached");
}

/* Hand in the ticket, and stay until the event is on disk. */
static enum outcome
put_and_stay(struct request *request)
{
	http_wait_begin(request->exchange);
	(void)intake_put(request->intake, &request->ticket);
	http_wait_end(request->exchange);
	return kept(request);
}

static enum outcome
keep(struct request *request, enum store_state state, const char *reason)
{
	enum outcome outcome = make_ticket(request, state, reason);
	return outcome == OUTCOME_ACCEPTED ? put_and_stay(request) : outcome;
}

/* Nothing is asked for any more but the event, in its ticket, and what is logged of it. What was read of the request
 * is given back in the thread that allocated it, which will need the same again. */
static void
forget_message(struct request *request)
{
	request->name = slice_of(request->endpoint->name);
	message_set_body(&request->message, request->message.body);
	request->message.variables = NULL;
	http_forget(request->exchange);
}

/* The same without a thread that stays, where that is possible. LATER: the request is done()'s. */
static enum outcome
keep_later(struct request *request, enum store_state state, void (*done)(struct intake_ticket *))
{
	enum outcome outcome = make_ticket(request, state, NULL);
	if (outcome != OUTCOME_ACCEPTED)
		return outcome;
	if (!http_detach(request->exchange))
		return put_and_stay(request);
	if (state == STORE_QUEUED)
		forget_message(request);
	request->ticket.context = request;
	request->ticket.done = done;
	/* A handler that is to be started may be waited for, and a peer that has to take a large answer. */
	request->ticket.quick = state == STORE_QUEUED && request->success.len <= SHORT_ANSWER;
	intake_put_later(request->intake, &request->ticket);
	return OUTCOME_LATER;
}

/* Kept with its reason for a person to look at, since many senders never send again. */
static enum outcome
keep_unusable(struct request *request)
{
	char reason[256];
	if (request->intake == NULL)
		return OUTCOME_UNUSABLE;
	snprintf(reason, sizeof reason, "%s", request->reason);
	enum outcome outcome = make_key(request);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = keep(request, STORE_DEAD, reason);
	if (outcome != OUTCOME_ACCEPTED)
		return outcome;
	snprintf(request->reason_made, sizeof request->reason_made, "%s", reason);
	return because(request, OUTCOME_DEAD, request->reason_made);
}

static void
log_attempt(const struct request *request)
{
	const struct attempt_line line = {
		.key = request->message.key,
		.endpoint = request->endpoint->name,
		.event = request->message.event,
		.number = request->attempt,
	};
	attempt_log(&line, &request->result);
}

static enum outcome
judge(struct request *request)
{
	const struct run_result *result = &request->result;
	switch (result->end) {
	case RUN_EXITED:
		if (result->code == 0)
			return OUTCOME_ACCEPTED;
		snprintf(request->reason_made, sizeof request->reason_made,
			"handler exited with %d", result->code);
		return because(request,
			result->code == 75 ? OUTCOME_TRY_LATER : OUTCOME_FAILED, /* EX_TEMPFAIL */
			request->reason_made);
	case RUN_SIGNALLED:
		snprintf(request->reason_made, sizeof request->reason_made,
			"handler died of signal %d", result->code);
		return because(request, OUTCOME_FAILED, request->reason_made);
	case RUN_TIMED_OUT:
		return because(request, OUTCOME_TIMED_OUT, "handler ran over its timeout");
	case RUN_NOT_STARTED: return because(request, OUTCOME_UNAVAILABLE, result->reason);
	}
	return OUTCOME_FAILED;
}

/* The handler has ended, or could not be started. */
static enum outcome
end_run(struct request *request)
{
	snapshot_leave(request->snapshot, request->endpoint);
	handler_call_free(&request->handler);
	log_attempt(request);
	return judge(request);
}

static enum outcome
prepare_run(struct request *request)
{
	const struct handler_event event = {
		.endpoint = request->endpoint,
		.run = request->run,
		.message = &request->message,
		.received_ms = request->received_ms,
		.remote_address = request->remote,
		.delivery = request->delivery,
		.attempt = request->attempt,
	};
	switch (handler_prepare(&event, &request->handler, request->reason_made)) {
	case HANDLER_READY: break;
	case HANDLER_UNUSABLE: return because(request, OUTCOME_UNUSABLE, request->reason_made);
	case HANDLER_NO_MEMORY: return because(request, OUTCOME_UNAVAILABLE, "no memory");
	}
	if (snapshot_enter(request->snapshot, request->endpoint))
		return OUTCOME_ACCEPTED;
	handler_call_free(&request->handler);
	return because(request, OUTCOME_UNAVAILABLE,
		"half of the requests that threads allows wait for this endpoint's handlers");
}

static void answer_run(struct runner_call *call);

/* LATER: the request is answer_run()'s, no thread stays for the handler. */
static enum outcome
run(struct request *request)
{
	const struct receiver *receiver = request->receiver;
	enum outcome outcome = prepare_run(request);
	if (outcome != OUTCOME_ACCEPTED)
		return outcome;
	if (receiver->run_later != NULL && http_detach(request->exchange)) {
		request->call = (struct runner_call){
			.spec = request->handler.spec,
			.result = &request->result,
			.done = answer_run,
			.context = request,
		};
		receiver->run_later(&request->call);
		return OUTCOME_LATER;
	}
	http_wait_begin(request->exchange);
	receiver->run(&request->handler.spec, &request->result);
	http_wait_end(request->exchange);
	return end_run(request);
}

/* It is recorded how the run that the sender waited for went, or cannot be. */
static enum outcome
settled(const struct request *request)
{
	if (request->ticket.result != STORE_OK)
		log_message(LOG_LEVEL_ERROR, "store",
			"event %lld: how its run ended could not be recorded: %s",
			(long long)request->delivery, request->ticket.reason);
	return request->outcome == OUTCOME_UNUSABLE ? OUTCOME_DEAD : request->outcome;
}

static void answer_settled(struct intake_ticket *ticket);

/* Whatever the outcome is, the event is over: a retry is the sender's, and requeues a dead one. LATER: the
 * request is answer_settled()'s. */
static enum outcome
settle(struct request *request, enum outcome outcome)
{
	bool good = outcome == OUTCOME_ACCEPTED;
	request->outcome = outcome;
	request->record = attempt_of(
		&request->result, request->attempt, request->received_ms, request->reason);
	request->settlement = (struct store_settlement){
		.id = request->delivery,
		.attempt = &request->record,
		.state = good ? STORE_DONE : STORE_DEAD,
		.reason = good ? NULL : request->reason,
	};
	request->ticket = (struct intake_ticket){ .done = answer_settled, .context = request };
	if (http_detach(request->exchange)) {
		intake_settle_later(request->intake, &request->settlement, &request->ticket);
		return OUTCOME_LATER;
	}
	http_wait_begin(request->exchange);
	(void)intake_settle(request->intake, &request->settlement, &request->ticket);
	http_wait_end(request->exchange);
	return settled(request);
}

/* outcome: what became of the ticket; LATER and refusals stay what they are. */
static enum outcome
run_if_kept(struct request *request, enum outcome outcome)
{
	if (outcome != OUTCOME_ACCEPTED && outcome != OUTCOME_REQUEUED)
		return outcome;
	outcome = run(request);
	return outcome == OUTCOME_LATER ? outcome : settle(request, outcome);
}

static void run_when_kept(struct intake_ticket *ticket);

/* The sender waits: the event is kept as running, and then as what came of it. */
static enum outcome
run_kept(struct request *request)
{
	return run_if_kept(request, keep_later(request, STORE_RUNNING, run_when_kept));
}

static void answer_kept(struct intake_ticket *ticket);

/* What sets everything in motion. */
static enum outcome
take(struct request *request)
{
	if (request->intake == NULL) {
		request->attempt = 1;
		return run(request);
	}
	return runs_here(request) ? run_kept(request)
				  : keep_later(request, STORE_QUEUED, answer_kept);
}

/* What the sender sees of a handler that exited with 0. */
static void
reply_with_output(struct request *request)
{
	const struct provider *provider = request->endpoint->provider;
	request->answer.status = provider->success_status;
	/* An empty body that is insisted on gives way: the output may be an answer to a command. */
	if (request->success.len == 0 && request->endpoint->reply == CONFIG_REPLY_OUTPUT &&
		request->result.output.len > 0) {
		request->answer.content_type = request->endpoint->reply_type;
		request->answer.body = buf_slice(&request->result.output);
	}
}

/* The line from the endpoint's name to the outcome, each step only after the one before. */
static enum outcome
decide(struct request *request)
{
	enum outcome outcome = find_endpoint(request);
	bool has_length = false;
	if (outcome == OUTCOME_ACCEPTED)
		outcome = check_method(request);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = read_body(request, &has_length);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = shake_hands(request, false);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = refuse_closed(request, verify(request, has_length));
	if (outcome == OUTCOME_ACCEPTED && request->compressed)
		outcome = uncompress_verified(request);
	(void)buf_lacked_memory();
	if (outcome == OUTCOME_ACCEPTED)
		outcome = identify(request);
	if (outcome == OUTCOME_UNUSABLE && buf_lacked_memory())
		outcome = because(request, OUTCOME_UNAVAILABLE, "no memory");
	if (outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_UNUSABLE)
		prepare_success(request);
	if (outcome == OUTCOME_UNUSABLE)
		outcome = keep_unusable(request);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = shake_hands(request, true);
	if (outcome == OUTCOME_ACCEPTED && !is_post(request))
		outcome = refuse_method(request, "only a POST is an event");
	if (outcome == OUTCOME_ACCEPTED)
		outcome = choose_run(request);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = make_key(request);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = check_rate(request);
	if (outcome == OUTCOME_ACCEPTED)
		outcome = take(request);
	if (outcome == OUTCOME_ACCEPTED)
		reply_with_output(request);
	return outcome;
}

static int
refusal_status(const struct request *request, enum outcome outcome)
{
	return outcome == OUTCOME_UNAUTHORIZED ? request->endpoint->provider->refusal_status
					       : outcomes[outcome].status;
}

/* Who insists on an empty body for a success (Xero) does so for a refusal. */
static bool
wants_no_body(const struct request *request)
{
	const struct template *body = request->endpoint->provider->success_body;
	return body != NULL && body->count == 0;
}

/* The sender's required success where it has one, else the outcome's own words. */
static void
compose_answer(struct request *request, enum outcome outcome)
{
	struct http_answer *answer = &request->answer;
	bool success = outcomes[outcome].status == 200 && outcome != OUTCOME_HANDSHAKE;
	const struct provider *provider = success ? request->endpoint->provider : NULL;

	if (answer->status == 0)
		answer->status =
			success ? provider->success_status : refusal_status(request, outcome);
	if (answer->content_type == NULL && outcome != OUTCOME_HANDSHAKE) {
		answer->content_type = "application/json";
		if (success && request->has_success) {
			answer->content_type = provider->success_type;
			answer->body = buf_slice(&request->success);
		} else if (outcome == OUTCOME_UNAUTHORIZED && wants_no_body(request)) {
			answer->content_type = NULL;
		} else if (success && request->endpoint->reply == CONFIG_REPLY_NONE) {
			answer->content_type = NULL;
		} else {
			char id[32] = "";
			if (request->delivery > 0)
				snprintf(id, sizeof id, ",\"id\":%lld",
					(long long)request->delivery);
			snprintf(request->status_text, sizeof request->status_text,
				"{\"status\":\"%s\"%s}\n", outcomes[outcome].word, id);
			answer->body = slice_of(request->status_text);
		}
	}
	if (outcomes[outcome].retry_after) {
		snprintf(request->retry_header, sizeof request->retry_header,
			"Retry-After: %lld\r\n", (long long)request->retry_after_s);
		answer->extra_headers = request->retry_header;
	}
}

static void
log_request(const struct request *request, enum outcome outcome)
{
	/* Anybody can cause the first, and one full disk thousands of the second. */
	if ((!request->verified || outcome == OUTCOME_UNAVAILABLE) && !log_allowed())
		return;
	const struct message *message = &request->message;
	struct slice name = request->name;
	if (name.len > 64)
		name.len = 64;
	bool success = outcomes[outcome].status == 200;
	const struct log_field number = LOG_NUMBER("delivery", request->delivery);
	const struct log_field none = LOG_TEXT("delivery", NULL);
	struct log_field fields[] = {
		LOG_SLICE("key", message->key),
		LOG_SLICE("endpoint", name),
		LOG_TEXT(
			"provider", request->endpoint != NULL && request->endpoint->provider != NULL
					    ? request->endpoint->provider->name
					    : NULL),
		LOG_SLICE("event", message->event),
		LOG_SLICE("id", message->id),
		request->delivery > 0 ? number : none,
		LOG_NUMBER("status", request->answer.status),
		LOG_TEXT("reason", request->reason),
		LOG_NUMBER("bytes", (int64_t)request->body.len),
		LOG_TEXT("from", request->remote[0] != '\0' ? request->remote : NULL),
		LOG_US("ms", clock_us() - request->started_us),
	};
	log_record(success ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, outcomes[outcome].word, fields,
		sizeof fields / sizeof fields[0]);
}

/* So that the operator can see why, long after: hookcgi refused. */
static void
note_refusal(const struct request *request)
{
	struct tally_refusal refusal = {
		.at_ms = request->received_ms,
		.status = request->answer.status,
		.repeated = 1,
		.bytes = (uint32_t)request->body.len,
	};
	if (request->intake == NULL || refusal.status < 400)
		return;
	snprintf(refusal.endpoint, sizeof refusal.endpoint, "%.*s",
		(int)(request->name.len < 64 ? request->name.len : 64), request->name.data);
	snprintf(refusal.remote, sizeof refusal.remote, "%s", request->remote);
	snprintf(refusal.reason, sizeof refusal.reason, "%s",
		request->reason != NULL ? request->reason : "");
	tally_refuse(intake_tally(request->intake), &refusal);
}

static void
answer(struct request *request, enum outcome outcome)
{
	compose_answer(request, outcome);
	/* First: in FastCGI the line goes to the server's error log with the answer. */
	log_request(request, outcome);
	note_refusal(request);
	http_answer(request->exchange, &request->answer);
}

/*
 * The rest of receive(), in another thread: each of these has the request for itself from its first line on, until
 * it is handed on (LATER) or gone.
 */

static void
conclude(struct request *request, enum outcome outcome)
{
	if (outcome == OUTCOME_LATER)
		return;
	struct http_exchange *exchange = request->exchange;
	if (outcome == OUTCOME_ACCEPTED)
		reply_with_output(request);
	answer(request, outcome);
	request_free(request);
	http_release(exchange);
}

/* The event is on disk, or cannot be. */
static void
answer_kept(struct intake_ticket *ticket)
{
	struct request *request = ticket->context;
	http_attach(request->exchange);
	conclude(request, kept(request));
}

static void
run_when_kept(struct intake_ticket *ticket)
{
	struct request *request = ticket->context;
	http_attach(request->exchange);
	conclude(request, run_if_kept(request, kept(request)));
}

static void
answer_run(struct runner_call *call)
{
	struct request *request = call->context;
	http_attach(request->exchange);
	enum outcome outcome = end_run(request);
	conclude(request, request->intake == NULL ? outcome : settle(request, outcome));
}

static void
answer_settled(struct intake_ticket *ticket)
{
	struct request *request = ticket->context;
	http_attach(request->exchange);
	conclude(request, settled(request));
}

bool
receive(void *context, struct http_exchange *exchange)
{
	struct request *request = request_new();
	const char *address = http_variable(exchange, "REMOTE_ADDR");
	request->receiver = context;
	request->exchange = exchange;
	request->started_us = clock_us();
	request->received_ms = clock_wall_ms();
	request->retry_after_s = RETRY_AFTER_S;
	snprintf(request->remote, sizeof request->remote, "%s", address != NULL ? address : "");
	run_result_init(&request->result);
	handshake_answer_init(&request->handshake);
	buf_init(&request->success, 0);

	enum outcome outcome = decide(request);
	if (outcome == OUTCOME_LATER)
		return true;
	answer(request, outcome);
	request_free(request);
	return false;
}
