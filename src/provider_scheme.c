/* provider_scheme.c - the options of a scheme and of its variants
 *
 * Everything that can be known about a scheme is checked here, once, so that
 * signature.c meets only what makes sense. Which options each method has a use
 * for is in one table. An option without a use is a fault and not ignored: its
 * writer believes that it protects.
 */
#include "provider_compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

#define DEFAULT_TOLERANCE_MS (5 * 60 * INT64_C(1000))
#define KNOWN_SIZE 400

/* Methods and their options. */
#define METHOD(name) (1u << PROVIDER_##name)
#define METHODS_SIGNED (METHOD(HMAC) | METHOD(HASH) | METHOD(PUBLIC))
#define METHODS_CARRIED (METHODS_SIGNED | METHOD(TOKEN))
#define METHOD_JWS (1u << 31) /* HMAC and PUBLIC inside a JWS */

static const struct scheme_option {
	const char *name;
	size_t offset;    /* of a pointer in struct provider_scheme_options */
	unsigned methods; /* that have a use for it */
} scheme_options[] = {
#define OPTION(member, methods)                                                    \
	{                                                                          \
#member, offsetof(struct provider_scheme_options, member), methods \
	}
	OPTION(header, METHODS_CARRIED | METHOD_JWS),
	OPTION(signature, METHODS_CARRIED | METHOD_JWS),
	OPTION(carriers, METHODS_CARRIED),
	OPTION(encoding, METHODS_SIGNED),
	OPTION(format, METHODS_CARRIED | METHOD_JWS),
	OPTION(separator, METHODS_CARRIED),
	OPTION(signs, METHODS_SIGNED | METHOD_JWS),
	OPTION(prehash, METHOD(HMAC) | METHOD(PUBLIC)),
	OPTION(requires, METHODS_SIGNED | METHOD_JWS),
	OPTION(each, METHODS_SIGNED),
	OPTION(key_id, METHODS_SIGNED | METHOD_JWS),
	OPTION(key, METHOD(HMAC) | METHOD(PUBLIC) | METHOD_JWS),
	OPTION(key_strip, METHOD(HMAC) | METHOD(PUBLIC) | METHOD_JWS),
	OPTION(key_append, METHOD(HMAC)),
	OPTION(timestamp, METHODS_SIGNED | METHOD_JWS),
	OPTION(timestamp_format, METHODS_SIGNED | METHOD_JWS),
	OPTION(tolerance, METHODS_SIGNED | METHOD_JWS),
	OPTION(future, METHODS_SIGNED | METHOD_JWS),
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
	const char *jws;           /* "alg" of RFC 7518 section 3.1 and RFC 8037 section 3.1 */
};

static const struct algorithm algorithms[] = {
	{ "hmac-md5", PROVIDER_HMAC, CRYPTO_MD5, 0, NULL, NULL },
	{ "hmac-sha1", PROVIDER_HMAC, CRYPTO_SHA1, 0, NULL, NULL },
	{ "hmac-sha256", PROVIDER_HMAC, CRYPTO_SHA256, 0, NULL, NULL },
	{ "hmac-sha384", PROVIDER_HMAC, CRYPTO_SHA384, 0, NULL, NULL },
	{ "hmac-sha512", PROVIDER_HMAC, CRYPTO_SHA512, 0, NULL, NULL },
	{ "md5", PROVIDER_HASH, CRYPTO_MD5, 0, NULL, NULL },
	{ "sha1", PROVIDER_HASH, CRYPTO_SHA1, 0, NULL, NULL },
	{ "sha256", PROVIDER_HASH, CRYPTO_SHA256, 0, NULL, NULL },
	{ "sha384", PROVIDER_HASH, CRYPTO_SHA384, 0, NULL, NULL },
	{ "sha512", PROVIDER_HASH, CRYPTO_SHA512, 0, NULL, NULL },
	{ "ed25519", PROVIDER_PUBLIC, 0, CRYPTO_ED25519, NULL, NULL },
	{ "ecdsa-p256-sha256", PROVIDER_PUBLIC, 0, CRYPTO_ECDSA_P256_SHA256, NULL, NULL },
	{ "rsa-sha1", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA1, NULL, NULL },
	{ "rsa-sha256", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA256, NULL, NULL },
	{ "rsa-sha512", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA512, NULL, NULL },
	{ "rsa-pss-sha512", PROVIDER_PUBLIC, 0, CRYPTO_RSA_PSS_SHA512, NULL, NULL },
	{ "jwt-hs256", PROVIDER_HMAC, CRYPTO_SHA256, 0, NULL, "HS256" },
	{ "jwt-hs384", PROVIDER_HMAC, CRYPTO_SHA384, 0, NULL, "HS384" },
	{ "jwt-hs512", PROVIDER_HMAC, CRYPTO_SHA512, 0, NULL, "HS512" },
	{ "jwt-rs256", PROVIDER_PUBLIC, 0, CRYPTO_RSA_SHA256, NULL, "RS256" },
	{ "jwt-es256", PROVIDER_PUBLIC, 0, CRYPTO_ECDSA_P256_SHA256_RAW, NULL, "ES256" },
	{ "jwt-es512", PROVIDER_PUBLIC, 0, CRYPTO_ECDSA_P521_SHA512_RAW, NULL, "ES512" },
	{ "jwt-eddsa", PROVIDER_PUBLIC, 0, CRYPTO_ED25519, NULL, "EdDSA" },
	{ "token", PROVIDER_TOKEN, 0, 0, NULL, NULL },
	{ "bearer", PROVIDER_TOKEN, 0, 0, "Bearer {signature}", NULL },
	{ "basic", PROVIDER_TOKEN, 0, 0, "Basic {signature}", NULL },
	{ "none", PROVIDER_NONE, 0, 0, NULL, NULL },
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
	char known[KNOWN_SIZE] = "";
	size_t used = 0;

	if (algorithm != NULL)
		return algorithm;
	for (size_t i = 0; i < ALGORITHM_COUNT && used < sizeof known; i++)
		used += (size_t)snprintf(
			known + used, sizeof known - used, " %s", algorithms[i].name);
	if (name == NULL)
		compile_fault(compiler, "algorithm", "is missing: write one of%s", known);
	else
		compile_fault(compiler, "algorithm", "\"%.40s\" is not known: write one of%s", name,
			known);
	return algorithm_find("hmac-sha256");
}

static unsigned
method_bit(const struct algorithm *algorithm)
{
	return algorithm->jws != NULL ? METHOD_JWS : 1u << algorithm->method;
}

static void
check_useless(struct compiler *compiler, const struct algorithm *algorithm,
	const struct provider_scheme_options *options)
{
	for (size_t i = 0; i < SCHEME_OPTION_COUNT; i++) {
		const struct scheme_option *option = &scheme_options[i];
		if ((option->methods & method_bit(algorithm)) == 0 &&
			option_get(options, option) != NULL)
			compile_fault(compiler, option->name,
				"algorithm %s has no use for %s: leave it out, or choose another "
				"algorithm",
				algorithm->name, option->name);
	}
	if (algorithm->authorization == NULL)
		return;
	if (options->format != NULL || options->separator != NULL)
		compile_fault(compiler, options->format != NULL ? "format" : "separator",
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

static enum place
carrier_place(const struct provider_scheme *scheme)
{
	return scheme->jws != NULL ? PLACE_CARRIER_JWS : PLACE_CARRIER;
}

static void
add_header_carrier(struct compiler *compiler, struct provider_scheme *scheme, const char *header)
{
	static const char form[] = "{header:%s}";
	size_t size = sizeof form + strlen(header);
	char *source = xmalloc(size);

	snprintf(source, size, form, header);
	add_carrier(scheme, compile_reference(compiler, "header", carrier_place(scheme), source));
	free(source);
}

static void
compile_carriers(struct compiler *compiler, const struct algorithm *algorithm,
	const struct provider_scheme_options *options, struct provider_scheme *scheme)
{
	size_t headers = compile_count(options->header),
	       templates = compile_count(options->signature);

	for (size_t i = 0; i < headers; i++)
		add_header_carrier(compiler, scheme, options->header[i]);
	for (size_t i = 0; i < templates; i++)
		add_carrier(scheme, compile_reference(compiler, "signature", carrier_place(scheme),
					    options->signature[i]));
	if (headers + templates == 0) {
		if (algorithm->authorization != NULL)
			add_header_carrier(compiler, scheme, "Authorization");
		else
			compile_fault(compiler, "header",
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
		compile_fault(compiler, "carriers", "\"%.40s\" is not known: write any or all",
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
	for (size_t i = 0; i < part->count; i++) {
		if (part->parts[i].lower || part->parts[i].optional)
			compile_fault(compiler, "format",
				"\"%.80s\": lower: and ? have no meaning here: leave them out",
				part->source);
	}
	if (count_kind(part, TEMPLATE_SIGNATURE) > 1)
		compile_fault(compiler, "format",
			"\"%.80s\" holds {signature} twice: write it once, and a separator when "
			"the sender repeats the part",
			part->source);
	for (size_t i = 1; i < part->count; i++) {
		if (part->parts[i - 1].kind != TEMPLATE_LITERAL &&
			part->parts[i].kind != TEMPLATE_LITERAL)
			compile_fault(compiler, "format",
				"\"%.80s\": nothing tells where one reference ends and the next "
				"begins: write the text between them",
				part->source);
	}
	for (size_t i = 0; separator != NULL && *separator != '\0' && i < part->count; i++) {
		if (part->parts[i].kind == TEMPLATE_LITERAL &&
			strstr(part->parts[i].text, separator) != NULL)
			compile_fault(compiler, "format",
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
		!fixed && compile_count(options->format) > 0 ? options->format : fallback;
	size_t count = compile_count(format), signatures = 0, timestamps = 0, key_ids = 0;

	if (options->separator != NULL && *options->separator == '\0')
		compile_fault(compiler, "separator",
			"is empty: write what stands between the parts, as in \",\"");
	if (count > 1 && options->separator == NULL)
		compile_fault(compiler, "separator",
			"is missing: the format has several parts, write what stands between them");
	scheme->separator = compile_copy(options->separator);
	scheme->format = xcalloc(count, sizeof *scheme->format);
	for (size_t i = 0; i < count; i++) {
		struct template *part =
			compile_reference(compiler, "format", PLACE_FORMAT, format[i]);
		if (part == NULL)
			continue;
		check_format_part(compiler, part, options->separator);
		signatures += count_kind(part, TEMPLATE_SIGNATURE);
		timestamps += count_kind(part, TEMPLATE_TIMESTAMP);
		key_ids += count_kind(part, TEMPLATE_KEY_ID);
		scheme->format[scheme->format_count++] = part;
	}
	/* A part with a fault may have been the one that holds it. */
	if (signatures == 0 && scheme->format_count == count)
		compile_fault(compiler, "format",
			"does not hold {signature}: write it where the %s stands",
			scheme->method == PROVIDER_TOKEN ? "token" : "signature");
	if (timestamps > 0 && scheme->method == PROVIDER_TOKEN)
		compile_fault(compiler, "format",
			"holds {timestamp}, which a token does not sign: choose another algorithm");
	if (timestamps > 1)
		compile_fault(
			compiler, "format", "holds {timestamp} more than once: write it once");
	if (key_ids > 1)
		compile_fault(compiler, "format", "holds {key_id} more than once: write it once");
	if (key_ids > 0 && scheme->method == PROVIDER_TOKEN)
		compile_fault(compiler, "format",
			"holds {key_id}, which a token has not: choose another algorithm");
	scheme->has_timestamp = timestamps > 0;
	scheme->has_key_id = key_ids > 0;
	free(usual);
}

static void
compile_encoding(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	scheme->encoding = scheme->jws != NULL ? TEXT_BASE64URL : TEXT_HEX;
	if (scheme->jws != NULL)
		return;
	if (options->encoding == NULL) {
		/* No guess for public keys: Discord writes hex, Telnyx base64. */
		if (scheme->method == PROVIDER_PUBLIC)
			compile_fault(compiler, "encoding",
				"is missing: write how the sender writes the signature, hex, "
				"hex-upper, base64 or base64url");
		return;
	}
	if (!template_encoding_named(slice_of(options->encoding), &scheme->encoding))
		compile_fault(compiler, "encoding",
			"\"%.40s\" is not known: write hex, hex-upper, base64 or base64url",
			options->encoding);
}

static void
compile_key(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	const char *key = options->key;

	if (options->key_strip != NULL && *options->key_strip == '\0')
		compile_fault(compiler, "key_strip", "is empty: leave it out or write the prefix");
	if (options->key_append != NULL && *options->key_append == '\0')
		compile_fault(compiler, "key_append", "is empty: leave it out or write the text");
	scheme->key.strip = compile_copy(options->key_strip);
	scheme->key.append = compile_copy(options->key_append);
	if (key == NULL || strcmp(key, "text") == 0)
		return;
	if (strcmp(key, "pem") == 0) {
		if (scheme->method != PROVIDER_PUBLIC)
			compile_fault(compiler, "key",
				"pem is for public keys: write text, base64, base64url or hex");
		return;
	}
	if (strcmp(key, "nfkd") == 0)
		scheme->key.form = PROVIDER_KEY_NFKD;
	else if (template_digest_named(slice_of(key), &scheme->key.digest))
		scheme->key.form = PROVIDER_KEY_DIGEST;
	/* There is one way to read hex, so no hex-upper. */
	else if (strcmp(key, "hex-upper") != 0 && strcmp(key, "base64-hex") != 0 &&
		 template_encoding_named(slice_of(key), &scheme->key.encoding))
		scheme->key.form = PROVIDER_KEY_ENCODED;
	else
		compile_fault(compiler, "key",
			"\"%.40s\" is not known: write text, base64, base64url, hex, nfkd, a "
			"digest as "
			"sha1, or pem for a public key",
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

/* One of the texts that may be signed. */
static void
check_signs(struct compiler *compiler, const struct template *signs, bool has_id,
	const struct provider_scheme *scheme)
{
	bool hash = scheme->method == PROVIDER_HASH;

	if (hash && !template_refers(signs, TEMPLATE_SECRET))
		compile_fault(compiler, "signs",
			"\"%.80s\" is hashed without the secret, which anybody can do: write "
			"{secret} where the sender puts it, or an hmac algorithm",
			signs->source);
	if (hash && !refers_to_request(signs))
		compile_fault(compiler, "signs",
			"\"%.80s\" is the same for every request: write {body} too", signs->source);
	if (template_refers(signs, TEMPLATE_TIMESTAMP) && !scheme->has_timestamp)
		compile_fault(compiler, "signs",
			"holds {timestamp}, but nothing says where that is: write timestamp = "
			"\"{header:X-Name}\", or {timestamp} into format");
	if (template_refers(signs, TEMPLATE_ID) && !has_id)
		compile_fault(compiler, "signs",
			"holds {id}, but nothing says where that is: write id = "
			"\"{header:X-Name}\"");
	if (template_refers(signs, TEMPLATE_KEY_ID) && !scheme->has_key_id)
		compile_fault(compiler, "signs",
			"holds {key_id}, but nothing says where that is: write key_id = "
			"\"{header:X-Name}\", or {key_id} into format");
	if (template_refers(signs, TEMPLATE_ITEM) && scheme->each == NULL)
		compile_fault(compiler, "signs",
			"holds {item:PATH}, but nothing says of which array: write each = "
			"\"PATH\"");
}

static void
compile_signs(struct compiler *compiler, const struct provider_scheme_options *options, bool has_id,
	struct provider_scheme *scheme)
{
	bool hash = scheme->method == PROVIDER_HASH;
	static char body[] = "{body}";
	static char *const fallback[] = { body, NULL };
	char *const *sources = options->signs;

	/* A JWS holds what it signs. */
	if (compile_count(sources) == 0 && scheme->jws != NULL)
		return;
	if (compile_count(sources) == 0 && hash) {
		compile_fault(compiler, "signs",
			"is missing: write where the secret stands, as in \"{secret}{body}\"");
		return;
	}
	scheme->signs_count = compile_list(compiler, "signs", hash ? PLACE_SIGNS_HASH : PLACE_SIGNS,
		compile_count(sources) > 0 ? sources : fallback, true, &scheme->signs);
	for (size_t i = 0; i < scheme->signs_count; i++)
		check_signs(compiler, scheme->signs[i], has_id, scheme);
}

static void
compile_prehash(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	if (options->prehash == NULL)
		return;
	scheme->prehashed = template_digest_named(slice_of(options->prehash), &scheme->prehash);
	if (!scheme->prehashed)
		compile_fault(compiler, "prehash",
			"\"%.40s\" is not known: write md5, sha1, sha256, sha384 or sha512",
			options->prehash);
}

static void
compile_requires(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	size_t count = compile_count(options->requires);

	scheme->requires = xcalloc(count, sizeof *scheme->requires);
	for (size_t i = 0; i < count; i++) {
		const char *text = options->requires[i], *equals = compile_equals_sign(text);
		struct provider_requirement *requirement =
			&scheme->requires[scheme->requires_count];
		char *left;
		if (equals == NULL || equals == text) {
			compile_fault(compiler, "requires",
				"\"%.80s\" is not two texts: write for example "
				"\"{claim:sha256}={bodyhash:sha256:hex}\"",
				text);
			continue;
		}
		left = xmemdup0(text, (size_t)(equals - text));
		requirement->left = compile_reference(compiler, "requires", PLACE_REQUIRES, left);
		requirement->right =
			compile_template(compiler, "requires", PLACE_REQUIRES, equals + 1);
		scheme->requires_count++;
		free(left);
	}
}

/* Which key: after the format, which may carry its name. */
static void
compile_key_id(struct compiler *compiler, const struct provider_scheme_options *options,
	struct provider_scheme *scheme)
{
	if (options->key_id != NULL) {
		if (scheme->has_key_id)
			compile_fault(compiler, "key_id",
				"the format carries it already: leave one of them out");
		scheme->key_id = compile_reference(
			compiler, "key_id", carrier_place(scheme), options->key_id);
	}
	scheme->has_key_id |= options->key_id != NULL || scheme->jws != NULL;
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
		compile_fault(compiler, option,
			"\"%.40s\" is not a duration: write for example 5m, 30s, or off", text);
	return ms;
}

/* An option about the time, of a scheme that has none. */
static void
check_no_time(struct compiler *compiler, const char *option, const char *value)
{
	if (value != NULL)
		compile_fault(compiler, option,
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
			compile_fault(compiler, "timestamp",
				"the format carries the time already: leave one of them out");
		scheme->timestamp = compile_reference(compiler, "timestamp",
			scheme->jws != NULL ? PLACE_TIME_JWS : PLACE_CARRIER, options->timestamp);
		scheme->has_timestamp = true;
	}
	if (!scheme->has_timestamp) {
		check_no_time(compiler, "timestamp_format", options->timestamp_format);
		check_no_time(compiler, "tolerance", options->tolerance);
		check_no_time(compiler, "future", options->future);
	}
	if (options->timestamp_format != NULL &&
		!time_format_named(options->timestamp_format, &scheme->timestamp_format))
		compile_fault(compiler, "timestamp_format",
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
	scheme->algorithm = algorithm->name;
	scheme->method = algorithm->method;
	scheme->digest = algorithm->digest;
	scheme->public_algorithm = algorithm->public_algorithm;
	scheme->jws = algorithm->jws;
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
	scheme->each = compile_copy(options->each);
	compile_encoding(compiler, options, scheme);
	compile_key(compiler, options, scheme);
	compile_key_id(compiler, options, scheme);
	compile_time(compiler, options, scheme);
	compile_signs(compiler, options, has_id, scheme);
	compile_prehash(compiler, options, scheme);
	compile_requires(compiler, options, scheme);
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
	else if (ours != NULL && theirs != NULL && method_bit(ours) != method_bit(theirs))
		return merged;
	for (size_t i = 0; i < SCHEME_OPTION_COUNT; i++) {
		const struct scheme_option *option = &scheme_options[i];
		if (carried && compile_is_one_of(option->name, "header", "signature"))
			continue;
		if (option_get(&merged, option) == NULL)
			option_set(&merged, option, option_get(main, option));
	}
	return merged;
}

void
compile_schemes(struct compiler *compiler, const struct provider_options *options,
	struct provider *provider)
{
	bool has_id = compile_count(options->id) > 0, unsigned_too = false;

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
	compile_forget_told(compiler);
	for (size_t i = 0; i < provider->scheme_count; i++) {
		unsigned_too |= provider->schemes[i].method == PROVIDER_NONE;
		provider->has_key_id |= provider->schemes[i].has_key_id;
	}
	if (unsigned_too && provider->scheme_count > 1)
		compile_fault(compiler, "algorithm",
			"none beside another scheme lets every request pass: take it out, or the "
			"variants");
}
