/* provider.h - how a sender signs, and where it puts its event type and id
 *
 * A provider is data: options as text (from providers/NAME.conf or the user's
 * own block, read by config_load.c) compiled here into what signature.c and
 * handshake.c work with. A provider knows no secret.
 */
#ifndef HOOKCGI_PROVIDER_H
#define HOOKCGI_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto.h"
#include "template.h"
#include "text.h"

enum provider_method {
	PROVIDER_HMAC,   /* digest says which */
	PROVIDER_HASH,   /* plain digest; the secret is in the template */
	PROVIDER_PUBLIC, /* public_algorithm says which; the secret is a public key */
	PROVIDER_TOKEN,  /* the carried text is the secret (bearer), or its base64 (basic) */
	PROVIDER_NONE,   /* unsigned, by the user's word; never beside another scheme */
};

/* How the secret's text becomes key bytes. */
enum provider_key_form {
	PROVIDER_KEY_TEXT,    /* the text itself, or a public key as PEM */
	PROVIDER_KEY_ENCODED, /* decode with encoding */
	PROVIDER_KEY_DIGEST,  /* the raw digest of the text */
	PROVIDER_KEY_NFKD,    /* the text in the normalization form KD */
};

struct provider_key {
	enum provider_key_form form;
	enum text_encoding encoding;
	enum crypto_digest digest;
	char *strip;  /* prefix taken off first when it is there ("whsec_"), or NULL */
	char *append; /* text added behind ("&"), or NULL */
};

/* Two texts of a request that must be the same. */
struct provider_requirement {
	struct template *left, *right;
};

/* One whole way to sign. A provider has one, and more where variants are given. */
struct provider_scheme {
	char *label;           /* "main" or the variant's name, for logs */
	const char *algorithm; /* as files name it, for people */
	enum provider_method method;
	enum crypto_digest digest;
	enum crypto_public_algorithm public_algorithm;
	const char *
		jws; /* the carried text is a compact JWS (RFC 7515) of exactly this "alg", or NULL */
	enum text_encoding encoding; /* of the signature */
	bool token_encoded; /* TOKEN: the sent text is the secret encoded with encoding (basic) */
	/*
	 * Where the signature's text is: {header:…}, or a field of query or body.
	 * Those that are absent are passed over; none present is "missing". When
	 * several are present, one right signature in any of them is enough, but
	 * with carriers_all every carrier that is present must hold a right one.
	 */
	struct template **carriers;
	size_t carrier_count;
	bool carriers_all;
	struct template **format; /* shapes of the parts of that text; default "{signature}" */
	bool format_folds; /* its literal text in any case: "bearer x" (RFC 9110 section 11.1) */
	size_t format_count;
	char *separator; /* between the parts, or NULL: the whole text is one part */
	/* The signed bytes: the first of these of which everything is there. None for token and
	 * none; of a JWS, where there are any, its payload, which then is not sent (RFC 7515 appendix F). */
	struct template **signs;
	size_t signs_count;
	bool signs_body; /* whichever it is, every byte of the body is bound */
	bool prehashed;  /* what is signed is their raw digest */
	enum crypto_digest prehash;
	struct provider_requirement *requires; /* and these must hold */
	size_t requires_count;
	char *each; /* path of an array in the body: checked for each of its elements; or NULL */
	struct provider_key key;
	struct template
		*key_id; /* which key the sender used, when it is no part of the format, or NULL */
	bool has_key_id; /* from either, or of a JWS its "kid" */
	struct template
		*timestamp; /* where the time is when it is no part of the format, or NULL */
	enum text_time timestamp_format;
	/* A time is read and checked, from the format's {timestamp} or from timestamp (never
	 * both). With both limits at -1 it may be any text (NMI sends a nonce there). */
	bool has_timestamp;
	int64_t tolerance_ms; /* how old it may be; -1: any age */
	int64_t future_ms;    /* how far ahead it may be; -1: any */
};

/* What a challenge that is computed with may be. */
enum provider_challenge {
	PROVIDER_CHALLENGE_TOKEN, /* 1 to 128 of A-Z a-z 0-9 and _ . ~ + / = - */
	PROVIDER_CHALLENGE_HEX,   /* 1 to 64 hex digits */
	PROVIDER_CHALLENGE_UUID,  /* hex digits and "-" as in RFC 9562 section 4 */
};

#define PROVIDER_ANSWER_HEADERS_MAX 4

struct provider_answer_header {
	char *name;
	struct template *value;
};

/* A request that proves the URL, answered without a handler. */
struct provider_handshake {
	char *label;
	char *method;  /* "POST", "GET", "HEAD" */
	bool verified; /* only after the signature was found right */
	/* A stranger could have something sent back, computed or kept: only for an endpoint that
	 * says handshake = "open". */
	bool needs_open;
	struct template **when;   /* every one must expand, and to the text of the one beside it */
	struct template **equals; /* NULL entry: any value */
	size_t when_count;
	int status;
	char *content_type;
	struct template *answer; /* the body, or NULL for an empty one */
	struct provider_answer_header headers[PROVIDER_ANSWER_HEADERS_MAX];
	size_t header_count;
	/* What {digest} in the answer is made of, or NULL. Each part that comes from the request
	 * is of the kind challenge_of. */
	struct template *challenge;
	enum provider_challenge challenge_of;
	bool challenge_keyed; /* an HMAC with the endpoint's first secret; else a plain hash */
	enum crypto_digest challenge_digest;
	enum text_encoding challenge_encoding;
	struct template *learns; /* the value that becomes the endpoint's secret, or NULL */
};

enum provider_need {
	PROVIDER_NEED_NONE,      /* only {parameter:NAME?} */
	PROVIDER_NEED_HANDSHAKE, /* nothing but a handshake is impossible without */
	PROVIDER_NEED_SCHEME,
};

/* What the endpoint has to say for a {parameter:NAME}. */
struct provider_parameter {
	char *name;
	enum provider_need need;
	char *use; /* "signs", "handshake \"verify\"": the first that needs it so, for people */
};

/* What makes two deliveries the same event. */
enum provider_dedupe { PROVIDER_DEDUPE_ID, PROVIDER_DEDUPE_BODY, PROVIDER_DEDUPE_OFF };

/* A name and the text for it: a header, a field of a form. */
struct provider_field {
	char *name;
	struct template *value;
};

/*
 * How a webhook is made at the sender: POST to api with the fields as a form, and GET and
 * DELETE of api/ID. In the templates {url} is what the sender is to call, and
 * {parameter:token} and {parameter:description} are what was given.
 */
struct provider_subscription {
	char *api;
	struct provider_field *headers; /* of every call */
	size_t header_count;
	struct provider_field *fields;
	size_t field_count;
	char *secret; /* paths in the JSON answer */
	char *id;
};

/* What becomes of a body with Content-Encoding: gzip. */
enum provider_gzip {
	PROVIDER_GZIP_REFUSED,
	PROVIDER_GZIP_SIGNED, /* the signature is over the compressed bytes */
	PROVIDER_GZIP_PLAIN,  /* over what they stand for */
};

struct provider {
	char *name;
	char *title; /* for people, may be NULL */
	char *docs;  /* link, may be NULL */
	char *sure; /* how sure the facts are: "sdk", "document", "third-party", "memory", or NULL */
	char *rests_on; /* what they rest on, may be NULL */
	char *retry;    /* how the sender tries again, for people, may be NULL */
	struct provider_scheme *schemes;
	size_t scheme_count;
	struct template **events; /* tried in order */
	size_t event_count;
	struct template **ids;
	size_t id_count;
	bool has_key_id;             /* a scheme has */
	enum provider_dedupe dedupe; /* where the endpoint says nothing */
	bool id_is_signed; /* under every scheme each id template refers to signed material only */
	bool body_is_signed; /* every scheme has signs_body */
	char **body_names;   /* top-level names of the body that events and ids lie under */
	size_t body_name_count;
	char **headers; /* passed on to handlers besides the config's */
	size_t header_count;
	struct provider_handshake *handshakes;
	size_t handshake_count;
	struct provider_subscription *subscription; /* NULL: webhooks are made by hand */
	struct provider_parameter *parameters;
	size_t parameter_count;
	int success_status;            /* what the sender wants to see, default 200 */
	struct template *success_body; /* or NULL: ours; where it does not expand: ours */
	char *success_type;            /* its media type */
	int refusal_status;            /* what it wants to see for a wrong signature, default 401 */
	char *document;                /* the form field that holds the event as JSON, or NULL */
	enum provider_gzip gzip;
};

/* Options as written; every pointer may be NULL, lists are NULL-ended. Borrowed. */
struct provider_scheme_options {
	const char *label;
	char *const *header;    /* names of headers */
	char *const *signature; /* or templates that give the signature's text */
	const char *carriers;   /* "any" (default) or "all" */
	const char *algorithm;
	const char *encoding;
	char *const *format;
	const char *separator;
	char *const *signs;
	const char *prehash;   /* "sha256", … */
	char *const *requires; /* "TEMPLATE=TEMPLATE" */
	const char *each;      /* path of an array */
	const char *key_id;
	const char *key; /* "text", "base64", "base64url", "hex", "pem", "nfkd", "sha1", … */
	const char *key_strip;
	const char *key_append;
	const char *timestamp;
	const char *timestamp_format;
	const char *tolerance; /* duration or "off"; default 5m */
	const char *future;    /* the same; default as tolerance */
};

struct provider_handshake_options {
	const char *label;
	const char *method;   /* default "POST" */
	const char *verified; /* "yes" or "no"; default yes for POST, no for GET and HEAD */
	char *const *when;    /* "TEMPLATE=TEMPLATE" or "TEMPLATE" */
	const char *status;   /* 200 to 299 or 400 to 499, default 200 */
	const char *type;     /* "text/plain" (default) or "application/json" */
	const char *answer;
	char *const *answer_header; /* "Name: TEMPLATE" */
	const char *challenge;
	const char *challenge_of;        /* "token" (default), "hex", "uuid" */
	const char *challenge_algorithm; /* "hmac-sha256", "sha256", … */
	const char *challenge_encoding;  /* default "hex" */
	const char *learns;
};

struct provider_subscription_options {
	const char *label;
	const char *api;
	char *const *header; /* "Name: TEMPLATE" */
	char *const *form;   /* "name=TEMPLATE" */
	const char *secret;
	const char *id;
};

struct provider_options {
	const char *name;
	const char *title;
	const char *docs;
	const char *sure;
	const char *rests_on;
	const char *retry;
	struct provider_scheme_options main;
	const struct provider_scheme_options *variants;
	size_t variant_count;
	const struct provider_handshake_options *handshakes;
	size_t handshake_count;
	const struct provider_subscription_options *subscription; /* or NULL */
	char *const *event;
	char *const *id;
	char *const *headers;
	const char *dedupe;   /* "id" (default), "body", "off" */
	const char *document; /* name of a form's field */
	const char *gzip;     /* "signed", "plain" */
	const char *success_status;
	const char *success_body;
	const char *success_type; /* "text/plain" (default), "application/json", "text/xml" */
	const char *refusal;      /* 400 to 499 */
};

/* Called for each fault: the option's name ("signs"), which variant or handshake
 * it stands in (NULL: the provider itself), what is wrong and what to write. */
typedef void provider_fault(
	void *context, const char *block, const char *option, const char *message);

/*
 * Compile. NULL when there was a fault; every fault is reported, not only the
 * first. A variant takes the options it lacks from the main scheme when it
 * names no algorithm or one of the same method (header and signature count as
 * one option there); a token beside an HMAC has nothing to take and stands alone.
 *
 * The method none is taken here whoever says it, but never beside another
 * scheme, where it would let everything pass; a test sees to it that of the
 * built-in files only "unsigned" says it.
 */
struct provider *provider_compile(
	const struct provider_options *options, provider_fault *fault, void *context);
void provider_free(struct provider *provider);

/* Does each of the texts that may be signed refer to this kind, and is there one? */
bool provider_scheme_signs(const struct provider_scheme *scheme, enum template_kind kind);

/* The text of a built-in provider file, NULL when there is none of that name. */
const char *provider_builtin(const char *name);

/* The names of the built-in providers, sorted; NULL past the end. */
const char *provider_builtin_name(size_t index);

#endif
