/* cli_explain.c - hookcgi explain: why a saved request verifies, or where it fails
 *
 * The request goes the way that receive.c sends it, with signature.c telling each step. Where it
 * fails, what most often happened to it is tried the other way round: a line feed too many, JSON
 * that was printed anew, another header. A guess is told only when the signature fits it.
 */
#include "cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "alloc.h"
#include "endpoint.h"
#include "gzip.h"
#include "handshake.h"
#include "message.h"
#include "saved.h"
#include "signature.h"
#include "text.h"

#define REQUEST_MAX ((size_t)1 << 30)
#define NOTES_MAX ((size_t)1 << 20) /* bytes that are said of one scheme */
#define NO_HANDSHAKE (-1)           /* where else an exit code is */
#define GUESS_MAX ((size_t)4 << 20) /* bytes of a body that is tried in many ways */

enum { OPTION_TIME, OPTION_URL, OPTION_COUNT };

static const char *const explain_options[] = {
	[OPTION_TIME] = "--time=",
	[OPTION_URL] = "--url=",
	[OPTION_COUNT] = NULL,
};

/* One request that is looked at. */
struct look {
	const struct config_endpoint *endpoint;
	const struct provider *provider;
	struct verifier *verifier;
	struct message message;
	struct buf plain; /* the body, uncompressed */
	bool compressed;  /* it is still to be */
	bool closed;      /* it is a handshake that the endpoint does not answer */
	int64_t now_ms;
};

static void
print_escaped(const char *before, struct slice text, const char *behind)
{
	struct buf shown;

	buf_init(&shown, 65536);
	(void)text_append_escaped(&shown, text, 1000);
	printf("%s%s%s", before, buf_text(&shown), behind);
	buf_free(&shown);
}

/* ---- what came ---- */

/* Is a field of the query the secret itself? */
static bool
has_token_in_query(const struct provider *provider)
{
	bool found = false;

	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		for (size_t j = 0; j < scheme->carrier_count; j++)
			found |= scheme->method == PROVIDER_TOKEN &&
				 template_refers(scheme->carriers[j], TEMPLATE_QUERY);
	}
	return found;
}

/* A URL or its target, without a query that holds a secret. */
static void
print_target(const struct look *look, const char *before, const char *target, const char *behind)
{
	struct slice shown = slice_of(target);
	bool hidden = has_token_in_query(look->provider) && strchr(target, '?') != NULL;

	if (hidden)
		shown.len = strcspn(target, "?");
	print_escaped(before, shown, hidden ? "?..." : "");
	fputs(behind, stdout);
}

static void
print_head(const struct look *look, const struct saved *saved)
{
	const char *target = message_variable(&look->message, "REQUEST_URI");

	print_escaped("", slice_of(message_variable(&look->message, "REQUEST_METHOD")), " ");
	print_target(look, "", target != NULL ? target : "(no path)", "");
	printf(", %zu bytes of body, for endpoint %s\n", saved->body.len, look->endpoint->name);
	if (saved->was_chunked)
		puts("  the body was saved in chunks, which are put together");
	printf("  provider %s\n", look->provider->name);
	for (size_t i = 0; i < look->endpoint->secret_count; i++)
		printf("  secret %zu is %s\n", i + 1, look->endpoint->secrets[i].source);
}

/* Editors put a line feed behind the last line, and tools cut long bodies: the request's own length tells. */
static void
judge_length(struct look *look, bool was_chunked)
{
	const char *length = message_variable(&look->message, "CONTENT_LENGTH");
	struct slice *body = &look->message.body;
	uint64_t said;

	if (length == NULL || was_chunked ||
		!text_parse_number(slice_of(length), REQUEST_MAX, &said))
		return;
	if (body->len > said) {
		printf("  the file holds %zu bytes more than Content-Length says: they are left "
		       "out\n",
			body->len - (size_t)said);
		body->len = (size_t)said;
	} else if (body->len < said) {
		printf("  the file holds %zu bytes less than Content-Length says: whatever was "
		       "signed, it was not this\n",
			(size_t)said - body->len);
	}
}

static bool
refuse(int status, const char *reason)
{
	printf("  %s: answered %d\n", reason, status);
	return false;
}

/* Uncompress the body. false: it was told how that is answered. */
static bool
uncompress(struct look *look)
{
	switch (gzip_inflate(look->message.body, look->endpoint->body_limit, &look->plain)) {
	case GZIP_OK: message_set_body(&look->message, buf_slice(&look->plain)); return true;
	case GZIP_INVALID: return refuse(400, "the body is not whole gzip");
	case GZIP_TOO_LARGE:
		return refuse(413, "the body is larger than body_limit when it is uncompressed");
	case GZIP_NO_MEMORY: break;
	}
	return refuse(503, "there is no memory for the body");
}

/* false: it was told how the request is answered before anything is verified. */
static bool
take_encoding(struct look *look)
{
	const char *encoding = message_variable(&look->message, "HTTP_CONTENT_ENCODING");
	struct slice body = look->message.body;
	bool gzip;

	if (encoding == NULL || *encoding == '\0' || strcasecmp(encoding, "identity") == 0)
		return true;
	gzip = strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0;
	if (!gzip || look->provider->gzip == PROVIDER_GZIP_REFUSED)
		return refuse(415,
			"a compressed body (Content-Encoding) is not taken from this provider");
	if (body.len < 2 || memcmp(body.data, "\x1f\x8b", 2) != 0) {
		puts("  the body is not compressed any more: whatever saved it uncompressed it");
		return true;
	}
	look->compressed = look->provider->gzip == PROVIDER_GZIP_SIGNED;
	if (look->compressed)
		return true;
	puts("  the body is uncompressed before it is verified");
	return uncompress(look);
}

static bool
take_request(struct look *look)
{
	const char *method = message_variable(&look->message, "REQUEST_METHOD");

	if (strcmp(method, "POST") != 0 && !handshake_takes_method(look->provider, method))
		return refuse(405, "only POST is taken here");
	if (look->message.body.len > look->endpoint->body_limit)
		return refuse(413, "the body is larger than body_limit");
	return take_encoding(look);
}

static bool
refers(const struct provider_scheme *scheme, enum template_kind kind)
{
	bool found = false;

	for (size_t i = 0; i < scheme->signs_count; i++)
		found |= template_refers(scheme->signs[i], kind);
	for (size_t i = 0; i < scheme->requires_count; i++)
		found |= template_refers(scheme->requires[i].left, kind) ||
			 template_refers(scheme->requires[i].right, kind);
	return found;
}

/* Is the whole URL a part of what is signed? (Of the special forms one reads it: Plivo's.) */
static bool
signs_url(const struct provider_scheme *scheme)
{
	bool found = refers(scheme, TEMPLATE_URL);

	for (size_t i = 0; i < scheme->signs_count; i++) {
		const struct template *signs = scheme->signs[i];
		for (size_t j = 0; j < signs->count; j++)
			found |= signs->parts[j].kind == TEMPLATE_CANONICAL &&
				 strcmp(signs->parts[j].canonical->name, "plivo") == 0;
	}
	return found;
}

static void
print_url(struct look *look)
{
	const char *url;
	bool counts = false;

	for (size_t i = 0; i < look->provider->scheme_count; i++)
		counts |= signs_url(&look->provider->schemes[i]);
	if (!counts)
		return;
	url = message_url(&look->message);
	if (url == NULL) {
		puts("  the URL is signed, and it is not known: write url = \"https://...\" in the "
		     "endpoint, or give --url");
		return;
	}
	print_target(look, "  the URL that is signed: ", url, "\n");
	if (look->message.url_override == NULL)
		puts("  it was put together from the request, and behind a proxy may be another: "
		     "write url = \"https://...\" in the endpoint, as it is registered at the "
		     "sender");
}

/* ---- what would be done with it ---- */

static void
print_first(const char *label, struct template *const *templates, size_t count,
	struct message *message, struct slice *out)
{
	struct buf value;
	enum template_result result = TEMPLATE_ABSENT;

	buf_init(&value, 8192);
	for (size_t i = 0; i < count && result == TEMPLATE_ABSENT; i++) {
		result = template_text(templates[i], message, &value);
		if (result == TEMPLATE_OK) {
			printf("  %s ", label);
			print_escaped("\"", buf_slice(&value), "\"");
			printf(", from %s\n", templates[i]->source);
		}
	}
	if (result != TEMPLATE_OK)
		printf("  %s none%s\n", label,
			count > 0 ? ": nothing of what the provider names is there" : "");
	*out = (struct slice){ xmemdup0(buf_text(&value), value.len), value.len };
	buf_free(&value);
}

/*
 * Is it one that is answered without a handler? Returns the exit code, or NO_HANDSHAKE. One that
 * the endpoint does not answer is none, unless it was verified.
 */
static int
try_handshake(struct look *look, bool verified)
{
	const struct provider_handshake *handshake =
		handshake_find(look->provider, &look->message, verified);
	struct handshake_answer answer;
	char reason[HANDSHAKE_REASON_MAX];
	int result = CLI_NO;

	if (handshake == NULL)
		return NO_HANDSHAKE;
	if (handshake_is_closed(handshake, look->endpoint, reason)) {
		look->closed = true;
		printf("  the handshake \"%s\" is closed: %s\n", handshake->label, reason);
		if (verified || look->provider->schemes[0].method == PROVIDER_NONE) {
			refuse(403, "it is not answered");
			return CLI_NO;
		}
		return NO_HANDSHAKE;
	}
	handshake_answer_init(&answer);
	switch (handshake_make(handshake, look->endpoint, &look->message, &answer)) {
	case HANDSHAKE_ANSWERED:
		printf("  it is the handshake \"%s\": answered %d, no handler runs%s\n",
			handshake->label, handshake->status,
			verified ? "" : ", no signature is looked at");
		if (answer.learned.len > 0)
			printf("  and what it brings is kept as the secret in %s, once\n",
				look->endpoint->learned);
		result = handshake->status < 300 ? CLI_DONE : CLI_NO;
		break;
	case HANDSHAKE_ABSENT: result = NO_HANDSHAKE; break;
	case HANDSHAKE_UNFIT: refuse(400, answer.unfit_reason); break;
	case HANDSHAKE_ERROR: refuse(503, "no answer could be computed"); break;
	}
	handshake_answer_free(&answer);
	return result;
}

/* Of a verified request. Returns the exit code. */
static int
print_event(struct look *look)
{
	struct message *message = &look->message;
	struct slice event, id;
	const struct config_run *run;
	int result;

	if (look->compressed && !uncompress(look))
		return CLI_NO;
	if (message_body(message) == MESSAGE_BODY_INVALID)
		print_escaped("  the body cannot be read: ", slice_of(message->reason), "\n");
	print_first(
		"event type", look->provider->events, look->provider->event_count, message, &event);
	print_first("id", look->provider->ids, look->provider->id_count, message, &id);
	message->event = event;
	message->id = id;
	result = try_handshake(look, true);
	if (result == NO_HANDSHAKE) {
		result = CLI_DONE;
		run = config_run_for(look->endpoint, event);
		if (run == NULL || run->argc == 0)
			puts("  nothing is configured to run for it: answered 200, ignored");
		else
			printf("  it runs %s\n", run->argv[0]->source);
	}
	message->event = message->id = (struct slice){ NULL, 0 };
	free((char *)(uintptr_t)event.data);
	free((char *)(uintptr_t)id.data);
	return result;
}

/* ---- the schemes, one by one ---- */

/* What became of one scheme. */
struct told {
	const struct provider_scheme *scheme;
	enum signature_result result;
	struct buf lines;
};

static void
take_note(void *context, const char *line)
{
	static const char text[] = " bytes, \"";
	struct told *told = context;
	const char *shown = strstr(line, text);
	size_t len = strlen(line);

	/* A token that was sent may be the right one, which is the secret. */
	if (shown != NULL && told->scheme->method == PROVIDER_TOKEN)
		len = (size_t)(shown - line) + strlen(" bytes");
	if (told->lines.len < NOTES_MAX)
		(void)(buf_append_text(&told->lines, "    ") &&
			buf_append(&told->lines, line, len) && buf_append_char(&told->lines, '\n'));
}

/* How far a request came, the furthest first. */
static int
distance_of(enum signature_result result)
{
	switch (result) {
	case SIGNATURE_VALID: return 0;
	case SIGNATURE_ERROR: return 1;
	case SIGNATURE_EXPIRED:
	case SIGNATURE_EARLY: return 2;
	case SIGNATURE_UNMET: return 3;
	case SIGNATURE_AMBIGUOUS: return 4;
	case SIGNATURE_WRONG:
	case SIGNATURE_NO_KEY: return 5;
	case SIGNATURE_REPEATED: return 6;
	case SIGNATURE_MALFORMED: return 7;
	case SIGNATURE_MISSING: return 8;
	}
	return 9;
}

/* Check it alone. */
static void
ask_scheme(struct look *look, size_t index, struct told *out)
{
	struct provider alone = *look->provider;
	struct signature_report report = { .scheme = 0 };
	struct verifier *verifier;
	char reason[256] = "";

	alone.schemes = &look->provider->schemes[index];
	alone.scheme_count = 1;
	out->scheme = alone.schemes;
	out->result = SIGNATURE_MISSING;
	buf_init(&out->lines, 2 * NOTES_MAX);
	verifier =
		verifier_new(&alone, look->endpoint->secrets, look->endpoint->secret_count, reason);
	if (verifier != NULL)
		out->result = signature_explain(
			verifier, &look->message, look->now_ms, &report, take_note, out);
	if (out->lines.len == 0)
		(void)buf_appendf(&out->lines, "    scheme %s\n    %s\n", out->scheme->label,
			verifier == NULL            ? reason
			: out->scheme->each != NULL ? "the body has no list whose elements are "
						      "signed"
						    : signature_reason(out->result));
	verifier_free(verifier);
}

/* Tell of the one that fitted, or of all, those that came furthest first. */
static void
print_schemes(struct look *look, bool valid, size_t fitted)
{
	size_t count = look->provider->scheme_count;
	struct told *told = xcalloc(count, sizeof *told);

	for (size_t i = 0; i < count; i++) {
		if (!valid || i == fitted)
			ask_scheme(look, i, &told[i]);
	}
	for (int distance = 0; distance <= 8; distance++) {
		for (size_t i = 0; i < count; i++) {
			if (told[i].scheme != NULL && distance_of(told[i].result) == distance)
				fputs(buf_text(&told[i].lines), stdout);
		}
	}
	for (size_t i = 0; i < count; i++)
		buf_free(&told[i].lines);
	free(told);
}

/* ---- guesses ---- */

/* Would it be right (but perhaps not at this time) with these variables, this body and this URL? */
static bool
fits(const struct look *look, char *const *variables, struct slice body, const char *url)
{
	struct signature_report report = { .scheme = 0 };
	struct message other;
	enum signature_result result;

	message_init(&other, variables, body);
	other.endpoint = look->message.endpoint;
	other.url_override = url;
	other.document = look->message.document;
	other.parameters = look->message.parameters;
	other.parameter_count = look->message.parameter_count;
	result = signature_verify(look->verifier, &other, look->now_ms, &report);
	message_free(&other);
	return result == SIGNATURE_VALID || result == SIGNATURE_EXPIRED ||
	       result == SIGNATURE_EARLY;
}

/* The body with all ends of lines made LF, or CRLF. */
static bool
change_line_ends(struct slice body, bool crlf, struct buf *out)
{
	bool done = true;

	for (size_t i = 0; done && i < body.len; i++) {
		char c = body.data[i];
		if (c == '\r' && i + 1 < body.len && body.data[i + 1] == '\n')
			continue;
		done = c == '\n' && crlf ? buf_append_text(out, "\r\n") : buf_append_char(out, c);
	}
	return done;
}

static bool
make_compact(struct look *look, struct buf *out)
{
	const struct leaves *leaves = message_leaves(&look->message);

	return leaves != NULL && message_body(&look->message) == MESSAGE_BODY_JSON &&
	       leaves_write_json(leaves, out);
}

static bool
make_guess(struct look *look, size_t index, struct buf *out)
{
	struct slice body = look->message.body;

	switch (index) {
	case 0:
		if (body.len == 0 || body.data[body.len - 1] != '\n')
			return false;
		body.len -= body.len > 1 && body.data[body.len - 2] == '\r' ? 2 : 1;
		return buf_append_slice(out, body);
	case 1: return buf_append_slice(out, body) && buf_append_char(out, '\n');
	case 2: return change_line_ends(body, true, out);
	case 3: return change_line_ends(body, false, out);
	case 4: return make_compact(look, out);
	default: return false;
	}
}

/* A body that was changed on the way into the file. */
static bool
guess_body(struct look *look)
{
	static const char *const guesses[] = {
		"without the line feed at the end of the file it fits: take that out",
		"with a line feed at the end of the body it fits: it was cut off",
		"with CRLF at the end of each line it fits: something made LF of them",
		"with LF at the end of each line it fits: something made CRLF of them",
		"the body was printed anew by something on the way: the compact form fits",
	};
	struct buf body;
	bool found = false;

	if (look->message.body.len > GUESS_MAX)
		return false;
	for (size_t i = 0; !found && i < sizeof guesses / sizeof guesses[0]; i++) {
		buf_init(&body, 2 * GUESS_MAX + 2);
		found = make_guess(look, i, &body) &&
			fits(look, look->message.variables, buf_slice(&body),
				look->message.url_override);
		buf_free(&body);
		if (found)
			printf("  %s\n", guesses[i]);
	}
	return found;
}

/* HTTP_X_SIGNATURE is X-Signature, as most write it; the caller frees. */
static char *
name_of(const char *variable)
{
	size_t len = strcspn(variable, "=");
	char *name = xmemdup0(variable, len);

	for (size_t i = 0; i < len; i++) {
		bool first = i == 0 || name[i - 1] == '-';
		name[i] = name[i] == '_' ? '-'
			  : first        ? name[i]
					 : (char)tolower((unsigned char)name[i]);
	}
	return name;
}

static bool
is_header(const char *variable)
{
	return strncmp(variable, "HTTP_", 5) == 0;
}

/* Try each other header in the place of the carrier. */
static bool
guess_carrier(const struct look *look, const struct template_part *carrier)
{
	char *const *variables = look->message.variables;
	size_t count = 0, size = strlen(carrier->variable) + 1;
	char **changed;
	bool found = false;

	while (variables[count] != NULL)
		count++;
	changed = xcalloc(count + 1, sizeof *changed);
	for (size_t i = 0; !found && i < count; i++) {
		const char *value = strchr(variables[i], '=');
		if (!is_header(variables[i]) ||
			text_variable_value(variables[i], carrier->variable) != NULL)
			continue;
		char *moved = xmalloc(size + strlen(value) + 1);
		snprintf(moved, size + strlen(value) + 1, "%s%s", carrier->variable, value);
		memcpy(changed, variables, count * sizeof *changed);
		changed[i] = moved;
		found = fits(look, changed, look->message.body, look->message.url_override);
		if (found) {
			char *name = name_of(variables[i] + 5);
			printf("  the header %s holds the right signature: the provider looks for "
			       "%s\n",
				name, carrier->header);
			free(name);
		}
		free_secret(moved, strlen(moved));
	}
	free(changed);
	return found;
}

/* A right signature in another header. */
static bool
guess_header(const struct look *look)
{
	bool found = false;

	if (look->message.body.len > GUESS_MAX)
		return false;
	for (size_t i = 0; !found && i < look->provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &look->provider->schemes[i];
		const struct template *carrier =
			scheme->carrier_count > 0 ? scheme->carriers[0] : NULL;
		if (carrier != NULL && carrier->count == 1 &&
			carrier->parts[0].kind == TEMPLATE_HEADER)
			found = guess_carrier(look, &carrier->parts[0]);
	}
	return found;
}

/* What came in by https, and went on behind a proxy by http. */
static bool
guess_url(struct look *look)
{
	const char *url = message_url(&look->message);
	struct buf secure;
	bool found = false;

	if (look->message.url_override != NULL || url == NULL || strncmp(url, "http://", 7) != 0 ||
		look->message.body.len > GUESS_MAX)
		return false;
	buf_init(&secure, 65536);
	found = buf_append_text(&secure, "https://") && buf_append_text(&secure, url + 7) &&
		fits(look, look->message.variables, look->message.body, buf_text(&secure));
	if (found)
		print_escaped("  with another URL it fits: write url = \"", buf_slice(&secure),
			"\" in the endpoint\n");
	buf_free(&secure);
	return found;
}

static void
print_repeated(const struct look *look)
{
	char *const *variables = look->message.variables;

	for (size_t i = 0; variables[i] != NULL; i++) {
		size_t len = strcspn(variables[i], "=") + 1, before = 0, all = 0;
		for (size_t j = 0; variables[j] != NULL; j++) {
			bool same = strncmp(variables[i], variables[j], len) == 0;
			all += same;
			before += same && j < i;
		}
		if (all > 1 && before == 0 && is_header(variables[i])) {
			char *name = name_of(variables[i] + 5);
			printf("  the header %s is there %zu times\n", name, all);
			free(name);
		}
	}
}

/* What to do about it. */
static void
print_remedy(struct look *look, enum signature_result result)
{
	switch (result) {
	case SIGNATURE_VALID: return;
	case SIGNATURE_MISSING:
		if (!guess_header(look))
			puts("  the sender has no secret yet, or something on the way (a proxy, "
			     "the "
			     "web server) took the header away");
		return;
	case SIGNATURE_MALFORMED:
		if (!guess_header(look))
			puts("  it looks like another sender's, or another version's: hookcgi "
			     "provider lists what is known");
		return;
	case SIGNATURE_WRONG:
		if (!guess_url(look) && !guess_body(look) && !guess_header(look))
			puts("  the sender signs with another secret, or the body (or what else is "
			     "signed) is not as it was sent");
		return;
	case SIGNATURE_UNMET:
		puts("  the secret is the sender's; what must be equal and is not is said above: a "
		     "parameter of the endpoint, or a body that is not as it was sent");
		return;
	case SIGNATURE_NO_KEY:
		puts("  write the sender's key of that name into the endpoint: key \"NAME\" { "
		     "secret "
		     "= \"file:PATH\" }");
		return;
	case SIGNATURE_EXPIRED:
		puts("  the signature is right: a saved request gets old (--time=S looks at it as "
		     "it was then), else compare the clocks");
		return;
	case SIGNATURE_EARLY:
		puts("  the signature is right: this host's clock is slow, or the sender's fast");
		return;
	case SIGNATURE_REPEATED:
		print_repeated(look);
		puts("  nobody can tell which one counts: see what on the way adds a second");
		return;
	case SIGNATURE_AMBIGUOUS:
		puts("  a text holds what separates it from the next in what is signed");
		return;
	case SIGNATURE_ERROR: puts("  no memory, or the crypto library refuses it"); return;
	}
}

static int
status_of(const struct look *look, enum signature_result result)
{
	if (result == SIGNATURE_REPEATED || result == SIGNATURE_AMBIGUOUS)
		return 400;
	if (result == SIGNATURE_ERROR)
		return 503;
	/* Whoever registers the URL has to learn that it is not answered. */
	return look->closed ? 403 : look->provider->refusal_status;
}

/* ---- one request ---- */

static int
explain_signature(struct look *look)
{
	struct signature_report report = { .scheme = 0 };
	enum signature_result result;
	bool valid;

	if (look->verifier == NULL) {
		refuse(status_of(look, SIGNATURE_WRONG),
			"no secret has been learned yet, nothing is believed");
		return CLI_NO;
	}
	result = signature_verify(look->verifier, &look->message, look->now_ms, &report);
	valid = result == SIGNATURE_VALID;
	print_schemes(look, valid, report.scheme);
	if (!valid) {
		printf("  %s: answered %d\n", signature_reason(result), status_of(look, result));
		print_remedy(look, result);
		return CLI_NO;
	}
	/* Asked again, since the message now holds what the last scheme left in it. */
	(void)!signature_verify(look->verifier, &look->message, look->now_ms, &report);
	if (handshake_may_have_signed(
		    look->provider, &look->provider->schemes[report.scheme], &look->message)) {
		printf("  anybody could have got this signature as the answer to a handshake: "
		       "answered %d\n",
			look->provider->refusal_status);
		return CLI_NO;
	}
	puts("  verified");
	return print_event(look);
}

static int
explain(const struct config_endpoint *endpoint, const struct saved *saved, const char *url,
	int64_t now_ms)
{
	struct look look = {
		.endpoint = endpoint, .provider = endpoint->provider, .now_ms = now_ms
	};
	char reason[256] = "";
	int result = CLI_NO;

	look.verifier =
		verifier_new(endpoint->provider, endpoint->secrets, endpoint->secret_count, reason);
	if (look.verifier == NULL) {
		fprintf(stderr, "hookcgi: endpoint %s: %s\n", endpoint->name, reason);
		return CLI_NO;
	}
	buf_init(&look.plain, 0);
	message_init(&look.message, saved->variables, saved->body);
	look.message.endpoint = slice_of(endpoint->name);
	look.message.url_override = url != NULL ? url : endpoint->url;
	look.message.document = endpoint->provider->document;
	look.message.parameters = endpoint->parameters;
	look.message.parameter_count = endpoint->parameter_count;
	print_head(&look, saved);
	judge_length(&look, saved->was_chunked);
	if (take_request(&look)) {
		print_url(&look);
		result = try_handshake(&look, false);
		if (result == NO_HANDSHAKE)
			result = explain_signature(&look);
	}
	message_free(&look.message);
	buf_free(&look.plain);
	verifier_free(look.verifier);
	return result;
}

static int
explain_file(
	const struct config_endpoint *endpoint, const char *path, const char *url, int64_t now_ms)
{
	struct saved saved;
	struct buf text;
	unsigned line;
	int result;

	if (!cli_read(path, REQUEST_MAX, &text))
		return CLI_NO;
	line = saved_read(&saved, &text);
	if (line > 0) {
		fprintf(stderr,
			"hookcgi: %s:%u: this is no header: write the request line, one "
			"\"Name: value\" a line, an empty line, and the body\n",
			path != NULL ? path : "standard input", line);
		return CLI_NO;
	}
	result = explain(endpoint, &saved, url, now_ms);
	saved_free(&saved);
	return result;
}

static int
run_explain(const struct cli_command *command, int argc, char **argv, const char *config_path)
{
	const char *values[OPTION_COUNT] = { NULL };
	int64_t now_ms;
	int count = cli_options(command, argc, argv, explain_options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count < 1 || count > 2)
		return cli_usage(command, "explain takes an endpoint and at most one file");
	if (!cli_time(values[OPTION_TIME], &now_ms))
		return cli_usage(command, "--time=%s is not a number of seconds since 1970",
			values[OPTION_TIME]);

	endpoint_protect();
	struct config *config = cli_load_config(config_path, argv[1]);
	if (config == NULL)
		return CLI_CONFIG;
	const struct config_endpoint *endpoint = cli_find_endpoint(config, argv[1]);
	int result = endpoint != NULL ? explain_file(endpoint, count == 2 ? argv[2] : NULL,
						values[OPTION_URL], now_ms)
				      : CLI_NO;
	config_free(config);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

const struct cli_command cli_explain = {
	.name = "explain",
	.arguments = "ENDPOINT [FILE] [--time S] [--url URL]",
	.summary = "say step by step why a saved request verifies, or where it fails",
	.help = "FILE is the request as it came: the request line, headers, an empty line, the\n"
		"body byte for byte; - or nothing: standard input. \"> \" in front of each line "
		"of\n"
		"the head, as curl -v has it, is passed over.\n"
		"  --time S      as if it were then (seconds since 1970), for a request of the "
		"past\n"
		"  --url URL     the URL that the sender called, for senders that sign it\n"
		"Shows no secret, and no signature but those that were sent.\n"
		"Exit code 0 when it verifies, or is a handshake that is answered 2xx; else 1.\n",
	.run = run_explain,
};
