/* signature_check.h - the check of one scheme, for the files that it is made of
 *
 * For signature*.c alone. A step that returns SIGNATURE_VALID says "nothing against it so far".
 */
#ifndef HOOKCGI_SIGNATURE_CHECK_H
#define HOOKCGI_SIGNATURE_CHECK_H

#include "key.h"
#include "signature.h"
#include "template.h"

/* One place where the message may carry signatures. */
struct carried {
	struct buf made; /* its text, when that is not a piece of the message */
	bool present;
	bool fits; /* one of its signatures in the group at hand was made with one of the secrets */
	bool right; /* and nothing else is against it, in any group */
};

/* One signature that was sent. */
struct sent {
	struct slice signature;
	struct slice timestamp; /* where its own part of the format has one, else empty */
	struct slice key_id;    /* likewise */
	size_t origin;          /* index into carried */
	bool looked_at;
};

/* The check of one scheme. */
struct check {
	const struct provider_scheme *scheme;
	const struct provider *provider;
	struct message *message;
	const struct key *keys; /* one for each secret */
	size_t secret_count;
	int64_t now_ms;
	signature_note *note; /* told of each step, or NULL */
	void *context;
	struct carried *carried;
	struct sent sent[SIGNATURE_LIST_MAX];
	size_t count;
	struct slice timestamp, key_id; /* that all signatures share; empty: none */
	bool two_times;                 /* the carriers name two different times */
	bool joined;                    /* a header that holds one value looks like two */
	struct buf time_made;           /* the time's text, when it is not a piece of the message */
	struct buf key_id_made;         /* likewise */
	struct buf id_made;
	struct buf signed_made;       /* pieces of what is signed, likewise */
	struct buf payload;           /* what a detached JWS signs, in base64url */
	const struct template *signs; /* the one that expanded into parts */
	struct slice parts[TEMPLATE_PARTS_MAX];
	size_t part_count;
	size_t secret; /* that fitted */
	bool meant;    /* some secret is for the key that the sender names, or for any */
	char key_id_text[SIGNATURE_KEY_ID_MAX]; /* that none is for; "" */
};

/* signature_note.c: tell whoever wants to know why, if anybody does. */
void check_note(const struct check *check, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* "LABEL: 64 bytes, begins ..." */
void check_note_text(const struct check *check, const char *label, struct slice text, size_t shown);
/* How many bytes are signed, their digest, and how they begin. */
void check_note_signed(const struct check *check, const struct slice *parts, size_t count);

/* signature_read.c: what the message claims, into sent, timestamp, key_id and the message's id. */
enum signature_result check_read_carriers(struct check *check);
enum signature_result check_read_time(struct check *check);
enum signature_result check_read_key_id(struct check *check);
enum signature_result check_read_id(struct check *check);
/* A time or a key's name from where the scheme says, for all signatures; made: for what is no
 * piece of the message. */
enum signature_result check_read_shared(
	struct check *check, const struct template *template, struct buf *made, struct slice *out);
/* The time of the message in *time_ms_out, where it is judged. */
enum signature_result check_time_of(const struct check *check, int64_t *time_ms_out);
/* With neither limit the time is any text that is signed as it came (a nonce). */
bool check_judges_time(const struct provider_scheme *scheme);
bool check_is_claim(const struct template *template);
enum signature_result check_refusal_of(enum template_result result);

/* signature_signed.c: fill parts with what is signed, the first of the texts of which everything
 * is there. key: for {secret}. */
enum signature_result check_expand(struct check *check, const struct key *key);
/* Is the body JSON in which a name is there twice? */
bool check_repeats_a_name(const struct message *message, const struct leaves *leaves);
/* Does any of the texts refer to this kind? */
bool check_signs_any(const struct provider_scheme *scheme, enum template_kind kind);

/* signature.c: every secret against a group of signatures. parts, count: what is signed, where
 * that does not depend on the secret; else NULL. *any_out: one fitted. */
enum signature_result check_secrets(struct check *check, const size_t *group, size_t group_count,
	const struct slice *parts, size_t count, bool *any_out);
enum signature_result check_requires(const struct check *check);
enum signature_result check_window(const struct check *check, int64_t time_ms);

/* signature_token.c: the signature of that index as a JSON web token, with all that is asked for. */
enum signature_result check_token(struct check *check, size_t index);

#endif
