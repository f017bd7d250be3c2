/* provider.c - a provider's options become schemes, templates and handshakes
 *
 * Everything that can be known about a provider file is checked here, once, so
 * that signature.c and handshake.c meet only what makes sense. Faults are
 * reported one by one and compiling goes on, since whoever writes such a file
 * wants to see them all. What may stand where is in two tables: which
 * references a template of each place may hold, and which options each method
 * has a use for. An option without a use is a fault and not ignored: its writer
 * believes that it protects.
 */
#include "provider.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "provider_builtin.h"

#define DEFAULT_TOLERANCE_MS (5 * 60 * INT64_C(1000))
#define FAULT_SIZE 512

struct compiler {
	provider_fault *fault;
	void *context;
	const char *block; /* the variant or handshake at hand, NULL: the provider itself */
	bool failed;
	char **told; /* of the main scheme, not told again for what a variant takes over */
	size_t told_count;
};

/* Keep what the main scheme was blamed for; true: this variant only inherits it. */
static bool
already_told(struct compiler *compiler, const char *line)
{
	if (compiler->block == NULL) {
		compiler->told = xreallocarray(
			compiler->told, compiler->told_count + 1, sizeof *compiler->told);
		compiler->told[compiler->told_count++] = xstrdup(line);
		return false;
	}
	for (size_t i = 0; i < compiler->told_count; i++) {
		if (strcmp(compiler->told[i], line) == 0)
			return true;
	}
	return false;
}

__attribute__((format(printf, 3, 4))) static void
fault(struct compiler *compiler, const char *option, const char *format, ...)
{
	char message[FAULT_SIZE], line[FAULT_SIZE + 32];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	compiler->failed = true;
	snprintf(line, sizeof line, "%s %s", option, message);
	if (!already_told(compiler, line))
		compiler->fault(compiler->context, compiler->block, option, message);
}

static void
forget_told(struct compiler *compiler)
{
	for (size_t i = 0; i < compiler->told_count; i++)
		free(compiler->told[i]);
	free(compiler->told);
	compiler->told = NULL;
	compiler->told_count = 0;
}

static char *
copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

static size_t
list_count(char *const *list)
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

/* Where a template may stand, and what it may refer to there. */
enum place {
	PLACE_CARRIER, /* header, signature, timestamp: one value of the request */
	PLACE_FORMAT,
	PLACE_SIGNS,
	PLACE_SIGNS_HASH, /* signs of a plain hash */
	PLACE_FACT,       /* event, id, and what a handshake looks for or answers */
};

#define KIND(name) (1u << TEMPLATE_##name)
#define FIELD_KINDS (KIND(BODY_FIELD) | KIND(HEADER) | KIND(QUERY))
#define REQUEST_KINDS                                                                            \
	(FIELD_KINDS | KIND(KEY) | KIND(BODY) | KIND(BODYHASH) | KIND(SORTED_FORM) | KIND(URL) | \
		KIND(PATH) | KIND(METHOD) | KIND(ENDPOINT))
#define SIGNED_KINDS (REQUEST_KINDS | KIND(TIMESTAMP) | KIND(ID))

static const unsigned place_kinds[] = {
	[PLACE_CARRIER] = FIELD_KINDS,
	[PLACE_FORMAT] = KIND(SIGNATURE) | KIND(TIMESTAMP),
	[PLACE_SIGNS] = SIGNED_KINDS,
	[PLACE_SIGNS_HASH] = SIGNED_KINDS | KIND(SECRET),
	[PLACE_FACT] = REQUEST_KINDS,
};

static void
fault_misplaced(struct compiler *compiler, const char *option, enum place place,
	enum template_kind kind, const char *source)
{
	char known[FAULT_SIZE / 2] = "";
	size_t used = 0;

	for (int i = TEMPLATE_LITERAL + 1; i <= TEMPLATE_SORTED_FORM; i++) {
		if ((place_kinds[place] & 1u << i) != 0 && used < sizeof known)
			used += (size_t)snprintf(known + used, sizeof known - used, " %s",
				template_kind_name((enum template_kind)i));
	}
	fault(compiler, option, "\"%.80s\": %s has no meaning here: write text and any of%s",
		source, template_kind_name(kind), known);
}

static bool
refers_to_anything(const struct template *template)
{
	for (size_t i = 0; i < template->count; i++) {
		if (template->parts[i].kind != TEMPLATE_LITERAL)
			return true;
	}
	return false;
}

/* NULL: there was a fault. */
static struct template *
compile_template(
	struct compiler *compiler, const char *option, enum place place, const char *source)
{
	char reason[256];
	struct template *template;

	if (*source == '\0') {
		fault(compiler, option, "is empty: leave it out or write a template");
		return NULL;
	}
	template = template_parse(source, reason);
	if (template == NULL) {
		fault(compiler, option, "\"%.80s\": %s", source, reason);
		return NULL;
	}
	for (size_t i = 0; i < template->count; i++) {
		enum template_kind kind = template->parts[i].kind;
		if (kind == TEMPLATE_LITERAL || (place_kinds[place] & 1u << kind) != 0)
			continue;
		fault_misplaced(compiler, option, place, kind, source);
		template_free(template);
		return NULL;
	}
	return template;
}

/* As compile_template(), for a template that tells nothing when it is text only. */
static struct template *
compile_reference(
	struct compiler *compiler, const char *option, enum place place, const char *source)
{
	struct template *template = compile_template(compiler, option, place, source);

	if (template == NULL || refers_to_anything(template))
		return template;
	fault(compiler, option,
		"\"%.80s\" is the same text for every request: refer to a part of it in braces, as "
		"in %s",
		source, place == PLACE_FORMAT ? "{signature}" : "{header:X-Name} or {body:field}");
	template_free(template);
	return NULL;
}

static void
templates_free(struct template **templates, size_t count)
{
	for (size_t i = 0; i < count; i++)
		template_free(templates[i]);
	free(templates);
}

/* Methods and their options. */
#define METHOD(name) (1u << PROVIDER_##name)
#define METHODS_SIGNED (METHOD(HMAC) | METHOD(HASH) | METHOD(PUBLIC))
#define METHODS_CARRIED (METHODS_SIGNED | METHOD(TOKEN))

static const struct scheme_option {
	const char *name;
	size_t offset;    /* of a pointer in struct provider_scheme_options */
	unsigned methods; /* that have a use for it */
} scheme_options[] = {
#define OPTION(member, methods)                                                    \
	{                                                                          \
#member, offsetof(struct provider_scheme_options, member), methods \
	}
	OPTION(header, METHODS_CARRIED),
	OPTION(signature, METHODS_CARRIED),
	OPTION(carriers, METHODS_CARRIED),
	OPTION(encoding, METHODS_SIGNED),
	OPTION(format, METHODS_CARRIED),
	OPTION(separator, METHODS_CARRIED),
	OPTION(signs, METHODS_SIGNED),
	OPTION(key, METHOD(HMAC) | METHOD(PUBLIC)),
	OPTION(key_strip, METHOD(HMAC) | METHOD(PUBLIC)),
	OPTION(key_append, METHOD(HMAC)),
	OPTION(timestamp, METHODS_SIGNED),
	OPTION(timestamp_format, METHODS_SIGNED),
	OPTION(tolerance, METHODS_SIGNED),
	OPTION(future, METHODS_SIGNED),
#undef OPTION
};

#define SCHEME_OPTION_COUNT (sizeof scheme_options / sizeof scheme_options[0])

static const void *
option_get(const struct provider_scheme_options *options, const struct scheme_option *option)
{
	const void *value;

	memcpy(&value, (const char *)options + option->offset, sizeof value);
	return value;
}

static void
option_set(struct provider_scheme_options *options, const struct scheme_option *option,
	const void *value)
{
	memcpy((char *)options + option->offset, &value, sizeof value);
}

struct algorithm {
	const char *name;
	enum provider_method method;
	enum crypto_digest digest;
	enum crypto_public_algorithm public_algorithm;
	const char *authorization; /* how the Authorization header begins (RFC 7617, RFC 6750) */
};

static const struct algorithm algorithms[] = {
	{ "hmac-md5", PROVIDER_HMAC, CRYPTO_MD5, 0, NULL },
	{ "hmac-sha1", PROVIDER_HMAC, CRYPTO_SHA1, 0, NULL },
	{ "hmac-sha256", PROVIDER_HMAC, CRYPTO_SHA256, 0, NULL },
	{ "hmac-sha384", PROVIDER_HMAC, CRYPTO_SHA384, 0, NULL },
	{ "hmac-sha512", PROVIDER_HMAC, CRYPTO_SHA512, 0, NULL },
	{ "sha1", PROVIDER_HASH, CRYPTO_SHA1, 0, NULL },
	{ "sha256", PROVIDER_HASH, CRYPTO_SHA256, 0, NULL },
	{ "sha512", PROVIDER_HASH, CRYPTO_SHA512, 0, NULL },
	{ "ed25519", PROVIDER_PUBLIC, 0, CRYPTO_ED25519, NULL },
	{ "ecdsa-p256-sha256", PROVIDER_PUBLIC, 0, CRYPTO_ECDSA_P256_SHA256, NULL },
	{ "rsa-sha1", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA1, NULL },
	{ "rsa-sha256", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA256, NULL },
	{ "rsa-sha512", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA512, NULL },
	{ "rsa-pss-sha512", PROVIDER_PUBLIC, 0, CRYPTO_RSA_PSS_SHA512, NULL },
	{ "token", PROVIDER_TOKEN, 0, 0, NULL },
	{ "bearer", PROVIDER_TOKEN, 0, 0, "Bearer {signature}" },
	{ "basic", PROVIDER_TOKEN, 0, 0, "Basic {signature}" },
	{ "none", PROVIDER_NONE, 0, 0, NULL },
};

#define ALGORITHM_COUNT (sizeof algorithms / sizeof algorithms[0])

static const struct algorithm *
algorithm_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < ALGORITHM_COUNT; i++) {
		if (strcmp(name, algorithms[i].name) == 0)
			return &algorithms[i];
	}
	return NULL;
}

/* The scheme's algorithm; after a fault hmac-sha256, so that the rest is checked too. */
static const struct algorithm *
compile_algorithm(struct compiler *compiler, const char *name)
{
	const struct algorithm *algorithm = algorithm_find(name);
	char known[FAULT_SIZE / 2] = "";
	size_t used = 0;

	if (algorithm != NULL)
		return algorithm;
	for (size_t i = 0; i < ALGORITHM_COUNT && used < sizeof known; i++)
		used += (size_t)snprintf(
			known + used, sizeof known - used, " %s", algorithms[i].name);
	if (name == NULL)
		fault(compiler, "algorithm", "is missing: write one of%s", known);
	else
		fault(compiler, "algorithm", "\"%.40s\" is not known: write one of%s", name, known);
	return algorithm_find("hmac-sha256");
}

static void
check_useless(struct compiler *compiler, const struct algorithm *algorithm,
	const struct provider_scheme_options *options)
{
	for (size_t i = 0; i < SCHEME_OPTION_COUNT; i++) {
		const struct scheme_option *option = &scheme_options[i];
		if ((option->methods & 1u << algorithm->method) == 0 &&
			option_get(options, option) != NULL)
			fault(compiler, option->name,
				"algorithm %s has no use for %s: leave it out, or choose another "
				"algorithm",
				algorithm->name, option->name);
	}
	if (algorithm->authorization == NULL)
		return;
	if (options->format != NULL || options->separator != NULL)
		fault(compiler, options->format != NULL ? "format" : "separator",
			"algorithm %s is always written \"%s\": leave it out, or write algorithm = "
			"\"token\"",
			algorithm->name, algorithm->authorization);
}

static void
add_carrier(struct provider_scheme *scheme, struct template *carrier)
{
	if (carrier == NULL)
		return;
	scheme->carriers = xreallocarray(
		scheme->carriers, scheme->carrier_count + 1, sizeof *scheme->carriers);
	scheme->carriers[scheme->carrier_count++] = carrier;
}

static void
add_header_carrier(struct compiler *compiler, struct provider_scheme *scheme, const char *header)
{
	static const char form[] = "{header:%s}";
	size_t size = sizeof form + strlen(header);
	char *source = xmalloc(size);

	snprintf(source, size, form, header);
	add_carrier(scheme, compile_reference(compiler, "header", PLACE_CARRIER, source));
	free(source);
}

static void
compile_carriers(struct compiler *compiler, const struct algorithm *algorithm,
	const struct provider_scheme_options *options, struct provider_scheme *scheme)
{
	size_t headers = list_count(options->header), templates = list_count(options->signature);

	for (size_t i = 0; i < headers; i++)
		add_header_carrier(compiler, scheme, options->header[i]);
	for (size_t i = 0; i < templates; i++)
		add_carrier(scheme, compile_reference(compiler, "signature", PLACE_CARRIER,
					    options->signature[i]));
	if (headers + templates == 0) {
		if (algorithm->authorization != NULL)
			add_header_carrier(compiler, scheme, "Authorization");
		else
			fault(compiler, "header",
				"is missing: name the header that carries the %s, or write "
				"signature = "
				"with a template that gives it",
				scheme->method == PROVIDER_TOKEN ? "token" : "signature");
	}
	if (options->carriers == NULL || strcmp(options->carriers, "any") == 0)
		return;
	if (strcmp(options->carriers, "all") == 0)
		scheme->carriers_all = true;
	else
		fault(compiler, "carriers", "\"%.40s\" is not known: write any or all",
			options->carriers);
}

static size_t
count_kind(const struct template *template, enum template_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < template->count; i++)
		count += template->parts[i].kind == kind;
	return count;
}

/* Can signature.c take a header's text apart by this part of a format? */
static void
check_format_part(struct compiler *compiler, const struct template *part, const char *separator)
{
	if (count_kind(part, TEMPLATE_SIGNATURE) > 1)
		fault(compiler, "format",
			"\"%.80s\" holds {signature} twice: write it once, and a separator when "
			"the sender repeats the part",
			part->source);
	for (size_t i = 1; i < part->count; i++) {
		if (part->parts[i - 1].kind != TEMPLATE_LITERAL &&
			part->parts[i].kind != TEMPLATE_LITERAL)
			fault(compiler, "format",
				"\"%.80s\": nothing tells where one reference ends and the next "
				"begins: write the text between them",
				part->source);
	}
	for (size_t i = 0; separator != NULL && *separator != '\0' && i < part->count; i++) {
		if (part->parts[i].kind == TEMPLATE_LITERAL &&
			strstr(part->parts[i].text, separator) != NULL)
			fault(compiler, "format",
				"\"%.80s\" holds the separator \"%.20s\" and so never fits: make "
				"it "
				"a list of parts",
				part->source, separator);
	}
}

static void
compile_format(struct compiler *compiler, const struct algorithm *algorithm,
	const struct provider_scheme_options *options, struct provider_scheme *scheme)
{
	bool fixed = algorithm->authorization != NULL;
	char *usual = xstrdup(fixed ? algorithm->authorization : "{signature}");
	char *const fallback[] = { usual, NULL };
	char *const *format =
		!fixed && list_count(options->format) > 0 ? options->format : fallback;
	size_t count = list_count(format), signatures = 0, timestamps = 0;

	if (options->separator != NULL && *options->separator == '\0')
		fault(compiler, "separator",
			"is empty: write what stands between the parts, as in \",\"");
	if (count > 1 && options->separator == NULL)
		fault(compiler, "separator",
			"is missing: the format has several parts, write what stands between them");
	scheme->separator = copy(options->separator);
	scheme->format = xcalloc(count, sizeof *scheme->format);
	for (size_t i = 0; i < count; i++) {
		struct template *part =
			compile_reference(compiler, "format", PLACE_FORMAT, format[i]);
		if (part == NULL)
			continue;
		check_format_part(compiler, part, options->separator);
		signatures += count_kind(part, TEMPLATE_SIGNATURE);
		timestamps += count_kind(part, TEMPLATE_TIMESTAMP);
		scheme->format[scheme->format_count++] = part;
	}
	/* A part with a fault may have been the one that holds it. */
	if (signatures == 0 && scheme->format_count == count)
		fault(compiler, "format", "does not hold {signature}: write it where the %s stands",
			scheme->method == PROVIDER_TOKEN ? "token" : "signature");
	if (timestamps > 0 && scheme->method == PROVIDER_TOKEN)
		fault(compiler, "format",
			"holds {timestamp}, which a token does not sign: choose another algorithm");
	if (timestamps > 1)
		fault(compiler, "format", "holds {timestamp} more than once: write it once");
	scheme->has_timestamp = timestamps > 0;
	free(usual);
}

static void
compile_encoding(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	scheme->encoding = TEXT_HEX;
	if (options->encoding == NULL) {
		/* No guess for public keys: Discord writes hex, Telnyx base64. */
		if (scheme->method == PROVIDER_PUBLIC)
			fault(compiler, "encoding",
				"is missing: write how the sender writes the signature, hex, "
				"hex-upper, base64 or base64url");
		return;
	}
	if (!template_encoding_named(slice_of(options->encoding), &scheme->encoding))
		fault(compiler, "encoding",
			"\"%.40s\" is not known: write hex, hex-upper, base64 or base64url",
			options->encoding);
}

static void
compile_key(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	const char *key = options->key;

	if (options->key_strip != NULL && *options->key_strip == '\0')
		fault(compiler, "key_strip", "is empty: leave it out or write the prefix");
	if (options->key_append != NULL && *options->key_append == '\0')
		fault(compiler, "key_append", "is empty: leave it out or write the text");
	scheme->key.strip = copy(options->key_strip);
	scheme->key.append = copy(options->key_append);
	if (key == NULL || strcmp(key, "text") == 0)
		return;
	if (strcmp(key, "pem") == 0) {
		if (scheme->method != PROVIDER_PUBLIC)
			fault(compiler, "key",
				"pem is for public keys: write text, base64, base64url or hex");
		return;
	}
	/* There is one way to read hex, so no hex-upper. */
	scheme->key.decode = strcmp(key, "hex-upper") != 0 &&
			     template_encoding_named(slice_of(key), &scheme->key.encoding);
	if (!scheme->key.decode)
		fault(compiler, "key",
			"\"%.40s\" is not known: write text, base64, base64url, hex, or pem for a "
			"public key",
			key);
}

/* The secret is no part of the request. */
static bool
refers_to_request(const struct template *template)
{
	for (size_t i = 0; i < template->count; i++) {
		if (template->parts[i].kind != TEMPLATE_LITERAL &&
			template->parts[i].kind != TEMPLATE_SECRET)
			return true;
	}
	return false;
}

static void
compile_signs(struct compiler *compiler, const struct provider_scheme_options *options, bool has_id,
	struct provider_scheme *scheme)
{
	bool hash = scheme->method == PROVIDER_HASH;
	const char *source = options->signs;

	if (source == NULL && !hash)
		source = "{body}";
	if (source == NULL) {
		fault(compiler, "signs",
			"is missing: write where the secret stands, as in \"{secret}{body}\"");
		return;
	}
	scheme->signs =
		compile_reference(compiler, "signs", hash ? PLACE_SIGNS_HASH : PLACE_SIGNS, source);
	if (scheme->signs == NULL)
		return;
	scheme->signs_body = template_refers(scheme->signs, TEMPLATE_BODY) ||
			     template_refers(scheme->signs, TEMPLATE_BODYHASH);
	if (hash && !template_refers(scheme->signs, TEMPLATE_SECRET))
		fault(compiler, "signs",
			"\"%.80s\" is hashed without the secret, which anybody can do: write "
			"{secret} where the sender puts it, or an hmac algorithm",
			source);
	if (hash && !refers_to_request(scheme->signs))
		fault(compiler, "signs",
			"\"%.80s\" is the same for every request: write {body} too", source);
	if (template_refers(scheme->signs, TEMPLATE_TIMESTAMP) && !scheme->has_timestamp)
		fault(compiler, "signs",
			"holds {timestamp}, but nothing says where that is: write timestamp = "
			"\"{header:X-Name}\", or {timestamp} into format");
	if (template_refers(scheme->signs, TEMPLATE_ID) && !has_id)
		fault(compiler, "signs",
			"holds {id}, but nothing says where that is: write id = "
			"\"{header:X-Name}\"");
}

static bool
time_format_named(const char *name, enum text_time *out)
{
	static const char *const names[] = {
		[TEXT_TIME_S] = "s",
		[TEXT_TIME_MS] = "ms",
		[TEXT_TIME_RFC3339] = "rfc3339",
		[TEXT_TIME_ISO8601] = "iso8601",
		[TEXT_TIME_HTTP] = "http",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum text_time)i;
			return true;
		}
	}
	return false;
}

/* A duration or "off" (-1). */
static int64_t
compile_limit(struct compiler *compiler, const char *option, const char *text, int64_t default_ms)
{
	int64_t ms = default_ms;

	if (text == NULL)
		return default_ms;
	if (strcmp(text, "off") == 0)
		return -1;
	if (!text_parse_duration(text, &ms))
		fault(compiler, option,
			"\"%.40s\" is not a duration: write for example 5m, 30s, or off", text);
	return ms;
}

/* An option about the time, of a scheme that has none. */
static void
check_no_time(struct compiler *compiler, const char *option, const char *value)
{
	if (value != NULL)
		fault(compiler, option,
			"there is no time to look at: say where it is with timestamp, or leave %s "
			"out",
			option);
}

/* After the format, which may carry the time. */
static void
compile_time(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	if (options->timestamp != NULL) {
		if (scheme->has_timestamp)
			fault(compiler, "timestamp",
				"the format carries the time already: leave one of them out");
		scheme->timestamp =
			compile_reference(compiler, "timestamp", PLACE_CARRIER, options->timestamp);
		scheme->has_timestamp = true;
	}
	if (!scheme->has_timestamp) {
		check_no_time(compiler, "timestamp_format", options->timestamp_format);
		check_no_time(compiler, "tolerance", options->tolerance);
		check_no_time(compiler, "future", options->future);
	}
	if (options->timestamp_format != NULL &&
		!time_format_named(options->timestamp_format, &scheme->timestamp_format))
		fault(compiler, "timestamp_format",
			"\"%.40s\" is not known: write s, ms, rfc3339, iso8601 or http",
			options->timestamp_format);
	scheme->tolerance_ms =
		compile_limit(compiler, "tolerance", options->tolerance, DEFAULT_TOLERANCE_MS);
	scheme->future_ms =
		compile_limit(compiler, "future", options->future, scheme->tolerance_ms);
}

static void
compile_scheme(struct compiler *compiler, const struct provider_scheme_options *options,
	const char *label, bool has_id, struct provider_scheme *scheme)
{
	const struct algorithm *algorithm = compile_algorithm(compiler, options->algorithm);

	scheme->label = xstrdup(label);
	scheme->method = algorithm->method;
	scheme->digest = algorithm->digest;
	scheme->public_algorithm = algorithm->public_algorithm;
	check_useless(compiler, algorithm, options);
	if (scheme->method == PROVIDER_NONE)
		return;
	compile_carriers(compiler, algorithm, options, scheme);
	compile_format(compiler, algorithm, options, scheme);
	scheme->format_folds = algorithm->authorization != NULL;
	if (scheme->method == PROVIDER_TOKEN) {
		scheme->token_encoded = strcmp(algorithm->name, "basic") == 0;
		scheme->encoding = TEXT_BASE64;
		return;
	}
	compile_encoding(compiler, options, scheme);
	compile_key(compiler, options, scheme);
	compile_time(compiler, options, scheme);
	compile_signs(compiler, options, has_id, scheme);
}

static bool
is_one_of(const char *text, const char *a, const char *b)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* A variant's options with those of the main scheme that it takes over. */
static struct provider_scheme_options
variant_options(
	const struct provider_scheme_options *main, const struct provider_scheme_options *variant)
{
	struct provider_scheme_options merged = *variant;
	const struct algorithm *ours = algorithm_find(variant->algorithm);
	const struct algorithm *theirs = algorithm_find(main->algorithm);
	bool carried = variant->header != NULL || variant->signature != NULL;

	if (merged.algorithm == NULL)
		merged.algorithm = main->algorithm;
	else if (ours != NULL && theirs != NULL && ours->method != theirs->method)
		return merged;
	for (size_t i = 0; i < SCHEME_OPTION_COUNT; i++) {
		const struct scheme_option *option = &scheme_options[i];
		if (carried && is_one_of(option->name, "header", "signature"))
			continue;
		if (option_get(&merged, option) == NULL)
			option_set(&merged, option, option_get(main, option));
	}
	return merged;
}

static void
compile_schemes(struct compiler *compiler, const struct provider_options *options,
	struct provider *provider)
{
	bool has_id = list_count(options->id) > 0, unsigned_too = false;

	provider->scheme_count = 1 + options->variant_count;
	provider->schemes = xcalloc(provider->scheme_count, sizeof *provider->schemes);
	compile_scheme(compiler, &options->main, "main", has_id, &provider->schemes[0]);
	for (size_t i = 0; i < options->variant_count; i++) {
		struct provider_scheme_options merged =
			variant_options(&options->main, &options->variants[i]);
		compiler->block = merged.label != NULL ? merged.label : "variant";
		compile_scheme(
			compiler, &merged, compiler->block, has_id, &provider->schemes[i + 1]);
	}
	compiler->block = NULL;
	forget_told(compiler);
	for (size_t i = 0; i < provider->scheme_count; i++)
		unsigned_too |= provider->schemes[i].method == PROVIDER_NONE;
	if (unsigned_too && provider->scheme_count > 1)
		fault(compiler, "algorithm",
			"none beside another scheme lets every request pass: take it out, or the "
			"variants");
}

/* A list of templates, for event and id. */
static size_t
compile_list(struct compiler *compiler, const char *option, char *const *sources, bool must_refer,
	struct template ***out)
{
	size_t count = list_count(sources), compiled = 0;

	*out = xcalloc(count, sizeof **out);
	for (size_t i = 0; i < count; i++) {
		struct template *template =
			must_refer ? compile_reference(compiler, option, PLACE_FACT, sources[i])
				   : compile_template(compiler, option, PLACE_FACT, sources[i]);
		if (template != NULL)
			(*out)[compiled++] = template;
	}
	return compiled;
}

/* Where the first "=" outside braces stands, NULL for none. */
static const char *
equals_sign(const char *text)
{
	bool inside = false;

	for (; *text != '\0'; text++) {
		if (*text == '{')
			inside = true;
		else if (*text == '}')
			inside = false;
		else if (*text == '=' && !inside)
			return text;
	}
	return NULL;
}

static void
compile_conditions(struct compiler *compiler, char *const *when, struct provider_handshake *out)
{
	size_t count = list_count(when);

	out->when = xcalloc(count, sizeof *out->when);
	out->equals = xcalloc(count, sizeof *out->equals);
	for (size_t i = 0; i < count; i++) {
		const char *equals = equals_sign(when[i]);
		char *source = equals != NULL ? xmemdup0(when[i], (size_t)(equals - when[i]))
					      : xstrdup(when[i]);
		struct template *template = compile_reference(compiler, "when", PLACE_FACT, source);
		if (template != NULL) {
			out->when[out->when_count] = template;
			out->equals[out->when_count] = equals != NULL ? xstrdup(equals + 1) : NULL;
			out->when_count++;
		}
		free(source);
	}
	if (count == 0 && strcmp(out->method, "POST") == 0)
		fault(compiler, "when",
			"is missing: every event would be taken for this handshake; write what "
			"tells "
			"it apart, as in \"{body:type}=ping\"");
}

/* An HTTP status within these bounds; usual when text is NULL. */
static int
compile_status(struct compiler *compiler, const char *option, const char *text, int least, int most,
	int usual)
{
	uint64_t status;

	if (text == NULL)
		return usual;
	if (text_parse_number(slice_of(text), (uint64_t)most, &status) && status >= (uint64_t)least)
		return (int)status;
	fault(compiler, option, "\"%.40s\" is not possible here: write a number from %d to %d",
		text, least, most);
	return usual;
}

static void
compile_handshake(struct compiler *compiler, const struct provider_handshake_options *options,
	struct provider_handshake *out)
{
	const char *method = options->method != NULL ? options->method : "POST";
	const char *type = options->type != NULL ? options->type : "text/plain";
	bool post = strcmp(method, "POST") == 0;

	out->label = xstrdup(options->label != NULL ? options->label : "handshake");
	out->method = xstrdup(method);
	if (!post && !is_one_of(method, "GET", "HEAD"))
		fault(compiler, "method", "\"%.40s\" is not known: write POST, GET or HEAD",
			method);
	/* Senders sign what they post; a GET has no body to sign. */
	out->verified = post;
	if (options->verified != NULL) {
		out->verified = strcmp(options->verified, "yes") == 0;
		if (!is_one_of(options->verified, "yes", "no"))
			fault(compiler, "verified", "\"%.40s\" is not known: write yes or no",
				options->verified);
	}
	compile_conditions(compiler, options->when, out);
	out->status = compile_status(compiler, "status", options->status, 200, 499, 200);
	out->content_type = xstrdup(type);
	/* What is echoed was chosen by a stranger: never a type in which a browser runs scripts. */
	if (!is_one_of(type, "text/plain", "application/json"))
		fault(compiler, "type",
			"\"%.40s\" is not allowed: write text/plain or application/json", type);
	if (options->answer != NULL)
		out->answer = compile_template(compiler, "answer", PLACE_FACT, options->answer);
}

static void
compile_handshakes(struct compiler *compiler, const struct provider_options *options,
	struct provider *provider)
{
	provider->handshake_count = options->handshake_count;
	provider->handshakes = xcalloc(provider->handshake_count, sizeof *provider->handshakes);
	for (size_t i = 0; i < options->handshake_count; i++) {
		const char *label = options->handshakes[i].label;
		compiler->block = label != NULL ? label : "handshake";
		compile_handshake(compiler, &options->handshakes[i], &provider->handshakes[i]);
	}
	compiler->block = NULL;
}

static void
compile_headers(struct compiler *compiler, char *const *headers, struct provider *provider)
{
	size_t count = list_count(headers);

	provider->headers = xcalloc(count, sizeof *provider->headers);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(headers[i]);
		if (len == 0 || len != strspn(headers[i], "abcdefghijklmnopqrstuvwxyz"
							  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
							  "0123456789-_."))
			fault(compiler, "headers",
				"\"%.40s\" is not the name of a header: write letters, digits, - "
				"and _",
				headers[i]);
		else
			provider->headers[provider->header_count++] = xstrdup(headers[i]);
	}
}

/* Does the template refer to the same header or query field as part does? */
static bool
holds_field(const struct template *template, const struct template_part *part)
{
	for (size_t i = 0; i < template->count; i++) {
		const struct template_part *other = &template->parts[i];
		if (other->kind != part->kind)
			continue;
		if (part->kind == TEMPLATE_HEADER ? strcmp(part->variable, other->variable) == 0
						  : strcmp(part->text, other->text) == 0)
			return true;
	}
	return false;
}

/* Is what this part of an id template refers to among the bytes that are signed? */
static bool
part_is_signed(const struct template_part *part, const struct provider_scheme *scheme)
{
	const struct template *signs = scheme->signs;

	switch (part->kind) {
	case TEMPLATE_LITERAL:
	case TEMPLATE_ENDPOINT: return true; /* not the sender's to choose */
	case TEMPLATE_BODY:
	case TEMPLATE_BODY_FIELD:
	case TEMPLATE_KEY:
	case TEMPLATE_BODYHASH: return scheme->signs_body;
	case TEMPLATE_SORTED_FORM:
		return scheme->signs_body || template_refers(signs, TEMPLATE_SORTED_FORM);
	case TEMPLATE_METHOD:
	case TEMPLATE_PATH: return template_refers(signs, part->kind);
	case TEMPLATE_HEADER:
	case TEMPLATE_QUERY: break;
	/* {url} may be the registered one, whatever was asked for. */
	case TEMPLATE_URL:
	case TEMPLATE_TIMESTAMP:
	case TEMPLATE_SIGNATURE:
	case TEMPLATE_EVENT:
	case TEMPLATE_ID:
	case TEMPLATE_SECRET: return false;
	}
	/* Among the signed bytes itself, or as what {timestamp} stands for there. */
	return holds_field(signs, part) ||
	       (scheme->timestamp != NULL && template_refers(signs, TEMPLATE_TIMESTAMP) &&
		       holds_field(scheme->timestamp, part));
}

static bool
scheme_signs_ids(const struct provider_scheme *scheme, const struct provider *provider)
{
	if (scheme->signs == NULL)
		return false;
	if (template_refers(scheme->signs, TEMPLATE_ID))
		return true;
	for (size_t i = 0; i < provider->id_count; i++) {
		const struct template *id = provider->ids[i];
		for (size_t p = 0; p < id->count; p++) {
			if (!part_is_signed(&id->parts[p], scheme))
				return false;
		}
	}
	return true;
}

/* After everything else has been compiled without a fault. */
static void
judge_what_is_signed(struct provider *provider)
{
	provider->id_is_signed = provider->id_count > 0;
	provider->body_is_signed = true;
	for (size_t i = 0; i < provider->scheme_count; i++) {
		const struct provider_scheme *scheme = &provider->schemes[i];
		provider->id_is_signed &= scheme_signs_ids(scheme, provider);
		provider->body_is_signed &= scheme->signs_body;
	}
}

static void
add_body_name(struct provider *provider, struct slice name)
{
	for (size_t i = 0; i < provider->body_name_count; i++)
		if (slice_is(name, provider->body_names[i]))
			return;
	provider->body_names = xreallocarray(
		provider->body_names, provider->body_name_count + 1, sizeof *provider->body_names);
	provider->body_names[provider->body_name_count++] = xmemdup0(name.data, name.len);
}

static void
collect_body_names(struct provider *provider, struct template *const *templates, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < templates[i]->count; j++) {
			const struct template_part *part = &templates[i]->parts[j];
			if (part->kind == TEMPLATE_BODY_FIELD)
				add_body_name(provider, template_first_name(part->text));
			if (part->kind != TEMPLATE_KEY)
				continue;
			for (const char *name = part->text; *name != '\0';) {
				size_t len = strcspn(name, "|");
				add_body_name(provider, (struct slice){ name, len });
				name += len + (name[len] == '|');
			}
		}
	}
}

struct provider *
provider_compile(
	const struct provider_options *options, provider_fault *fault_function, void *context)
{
	struct compiler compiler = { .fault = fault_function, .context = context };
	struct provider *provider = xcalloc(1, sizeof *provider);

	if (options->name == NULL || !text_is_name(slice_of(options->name)))
		fault(&compiler, "name",
			"\"%.80s\" is not a name: write at most 64 small letters, digits, - and _",
			options->name != NULL ? options->name : "");
	if (options->docs != NULL && strncmp(options->docs, "https://", 8) != 0 &&
		strncmp(options->docs, "http://", 7) != 0)
		fault(&compiler, "docs", "\"%.80s\" is not a link: write it with https://",
			options->docs);
	provider->name = copy(options->name);
	provider->title = copy(options->title);
	provider->docs = copy(options->docs);
	if (options->sure != NULL && !is_one_of(options->sure, "sdk", "document") &&
		!is_one_of(options->sure, "third-party", "memory"))
		fault(&compiler, "sure",
			"\"%.40s\" is not known: write sdk, document, third-party or memory",
			options->sure);
	provider->sure = copy(options->sure);
	provider->rests_on = copy(options->rests_on);
	provider->retry = copy(options->retry);
	compile_schemes(&compiler, options, provider);
	provider->event_count =
		compile_list(&compiler, "event", options->event, false, &provider->events);
	provider->id_count = compile_list(&compiler, "id", options->id, true, &provider->ids);
	compile_headers(&compiler, options->headers, provider);
	compile_handshakes(&compiler, options, provider);
	provider->success_status =
		compile_status(&compiler, "success", options->success_status, 200, 299, 200);
	provider->refusal_status =
		compile_status(&compiler, "refusal", options->refusal, 400, 499, 401);
	provider->success_body = copy(options->success_body);
	forget_told(&compiler);
	if (compiler.failed) {
		provider_free(provider);
		return NULL;
	}
	judge_what_is_signed(provider);
	collect_body_names(provider, provider->events, provider->event_count);
	collect_body_names(provider, provider->ids, provider->id_count);
	return provider;
}

static void
scheme_free(struct provider_scheme *scheme)
{
	templates_free(scheme->carriers, scheme->carrier_count);
	templates_free(scheme->format, scheme->format_count);
	template_free(scheme->signs);
	template_free(scheme->timestamp);
	free(scheme->label);
	free(scheme->separator);
	free(scheme->key.strip);
	free(scheme->key.append);
}

static void
handshake_free(struct provider_handshake *handshake)
{
	templates_free(handshake->when, handshake->when_count);
	for (size_t i = 0; i < handshake->when_count; i++)
		free(handshake->equals[i]);
	free(handshake->equals);
	template_free(handshake->answer);
	free(handshake->label);
	free(handshake->method);
	free(handshake->content_type);
}

void
provider_free(struct provider *provider)
{
	if (provider == NULL)
		return;
	for (size_t i = 0; i < provider->scheme_count; i++)
		scheme_free(&provider->schemes[i]);
	free(provider->schemes);
	templates_free(provider->events, provider->event_count);
	templates_free(provider->ids, provider->id_count);
	for (size_t i = 0; i < provider->header_count; i++)
		free(provider->headers[i]);
	free(provider->headers);
	for (size_t i = 0; i < provider->body_name_count; i++)
		free(provider->body_names[i]);
	free(provider->body_names);
	for (size_t i = 0; i < provider->handshake_count; i++)
		handshake_free(&provider->handshakes[i]);
	free(provider->handshakes);
	free(provider->name);
	free(provider->title);
	free(provider->docs);
	free(provider->sure);
	free(provider->rests_on);
	free(provider->retry);
	free(provider->success_body);
	free(provider);
}

const char *
provider_builtin(const char *name)
{
	for (size_t i = 0; i < provider_builtin_count; i++) {
		if (strcmp(name, provider_builtin_files[i].name) == 0)
			return provider_builtin_files[i].text;
	}
	return NULL;
}

const char *
provider_builtin_name(size_t index)
{
	return index < provider_builtin_count ? provider_builtin_files[index].name : NULL;
}
