/* provider_compiler.h - what the files that compile a provider have in common
 *
 * For provider_*.c alone. Faults are reported one by one and compiling goes on, since whoever
 * writes a provider wants to see them all.
 */
#ifndef HOOKCGI_PROVIDER_COMPILER_H
#define HOOKCGI_PROVIDER_COMPILER_H

#include "provider.h"

struct compiler {
	provider_fault *fault;
	void *context;
	struct provider *provider; /* where the parameters are noted that templates refer to */
	const char *block;         /* the variant or handshake at hand, NULL: the provider itself */
	bool failed;
	char **told; /* of the main scheme, not told again for what a variant takes over */
	size_t told_count;
};

/* Where a template may stand, and what it may refer to there. */
enum place {
	PLACE_CARRIER,     /* header, signature, timestamp: one value of the request */
	PLACE_CARRIER_JWS, /* the same of a scheme with tokens: the body may be one */
	PLACE_TIME_JWS,    /* its time, which a claim may hold */
	PLACE_FORMAT,
	PLACE_SIGNS,
	PLACE_SIGNS_HASH, /* signs of a plain hash */
	PLACE_REQUIRES,
	PLACE_FACT,     /* event, id, and what a handshake looks for */
	PLACE_EXPECTED, /* what that must be */
	PLACE_CHALLENGE,
	PLACE_LEARNS,
	PLACE_ANSWER,  /* body and headers of a handshake's answer */
	PLACE_SUCCESS, /* body of an event's answer */
	PLACE_CALL, /* of the sender's API: its parameters are the command line's, not the endpoint's */
};

/* Report a fault of an option of the block at hand: what is wrong and what to write. */
void compile_fault(struct compiler *compiler, const char *option, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* From here on a fault of the main scheme is told anew. */
void compile_forget_told(struct compiler *compiler);

/* A copy the caller frees; NULL of NULL. */
char *compile_copy(const char *text);

/* Of a NULL-ended list, which may be NULL. */
size_t compile_count(char *const *list);

bool compile_is_one_of(const char *text, const char *a, const char *b);

/* NULL: there was a fault. */
struct template *compile_template(
	struct compiler *compiler, const char *option, enum place place, const char *source);

/* As compile_template(), for a template that tells nothing when it is text only. */
struct template *compile_reference(
	struct compiler *compiler, const char *option, enum place place, const char *source);

/* The same for each of a list that may be NULL: *out gets those without a fault, their number is
 * returned. must_refer: as compile_reference(). */
size_t compile_list(struct compiler *compiler, const char *option, enum place place,
	char *const *sources, bool must_refer, struct template ***out);

/* Where the first "=" outside braces stands, NULL for none. */
const char *compile_equals_sign(const char *text);

/* An HTTP status within these bounds; usual when text is NULL. */
int compile_status(struct compiler *compiler, const char *option, const char *text, int least,
	int most, int usual);

/* The parts of it, each in its file. */
void compile_schemes(struct compiler *compiler, const struct provider_options *options,
	struct provider *provider);
void compile_handshakes(struct compiler *compiler, const struct provider_options *options,
	struct provider *provider);

void compile_subscription(struct compiler *compiler,
	const struct provider_subscription_options *options, struct provider *provider);

/* Which of the ids a signature covers: after everything else has been compiled without a fault. */
void compile_judgement(struct provider *provider);

#endif
