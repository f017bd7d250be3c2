/* config.h - the configuration file, read whole and then closed
 *
 * A configuration is immutable once loaded. One that cannot be used at all
 * (syntax, unsafe file) is not loaded; one endpoint that cannot be used is
 * loaded with the reason, so that it answers 503 and the others work.
 */
#ifndef HOOKCGI_CONFIG_H
#define HOOKCGI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "buf.h"
#include "message.h"
#include "provider.h"
#include "safety.h"
#include "template.h"

struct config_secret {
	char *text; /* trailing newline of a file taken off */
	size_t len;
	char *source; /* "file:/home/me/orders.secret", "learned:…", "env:NAME", "literal": for people */
	char *key_id; /* the sender's name for it, of a key block; NULL: may be any */
};

enum config_stdin { CONFIG_STDIN_JSON, CONFIG_STDIN_RAW, CONFIG_STDIN_NONE };
enum config_mode { CONFIG_MODE_WAIT, CONFIG_MODE_QUEUE };
enum config_reply { CONFIG_REPLY_OUTPUT, CONFIG_REPLY_NONE };

/* What to run for events that match: the argv and its extra environment. */
struct config_run {
	char *pattern;          /* of the event type; NULL for the endpoint's own run */
	struct template **argv; /* never a shell string */
	size_t argc;            /* 0: nothing is configured to run */
	char *cannot_run;       /* why it could not when it was looked at, for people; or NULL */
};

struct config_env {
	char *name; /* [A-Z_][A-Z0-9_]*, not HOOK_* and not one that programs obey (PATH, LD_*, …) */
	struct template *value;
};

struct config_endpoint {
	char *name;
	unsigned line;             /* in the config file */
	char *unusable;            /* why it answers 503, with file, line and remedy; NULL: fine */
	struct provider *provider; /* NULL only when unusable */
	struct config_secret *secrets; /* those of key blocks behind the others */
	size_t secret_count;           /* 0 also while config_awaits_secret() */
	char *learned; /* the absolute path of secret = "learned:PATH", there or not; or NULL */
	bool handshake_open;                  /* strangers may ask for an echo, too */
	struct message_parameter *parameters; /* for the provider's {parameter:NAME} */
	size_t parameter_count;
	char **events; /* shell patterns; never empty */
	size_t event_count;
	struct config_run *rules; /* "on" blocks, first match wins */
	size_t rule_count;
	struct config_run run; /* for what no rule takes */
	struct config_env *env;
	size_t env_count;
	char **headers; /* headers to hand on as HOOK_HEADER_…, with the provider's */
	size_t header_count;
	char *directory; /* handler's working directory, NULL: the handler's own */
	char *url;       /* as registered at the sender, for schemes that sign it; or NULL */
	enum config_mode mode;
	enum config_stdin stdin_kind;
	enum provider_dedupe dedupe;
	enum config_reply reply;
	char *reply_type; /* media type of the handler's output */
	int64_t timeout_ms;
	int64_t grace_ms;  /* between TERM and KILL */
	size_t body_limit; /* bytes */
	unsigned retries;  /* more attempts after the first */
	int64_t backoff_ms;
	unsigned concurrency;
	unsigned rate; /* requests in rate_ms; 0: any number */
	int64_t rate_ms;
	unsigned queue_limit; /* queued events from which on it answers 503 */
};

enum config_severity { CONFIG_FAULT, CONFIG_WARNING };

struct config_fault {
	enum config_severity severity;
	char *file;
	unsigned line; /* 0: the file as a whole */
	char *message; /* the fault and the remedy, one line */
};

/* A file whose change means: load again. */
struct config_watch {
	char *path;
	bool present;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct config {
	char *path;
	char *store;          /* the database's absolute path; NULL: "none" */
	bool worker_auto;     /* the endpoint starts a worker where none is */
	unsigned runners;     /* processes of the worker */
	int64_t keep_ms;      /* done and dead events */
	int64_t keep_body_ms; /* bodies of done ones */
	char *log;            /* "stderr", "syslog", "file:PATH" (absolute) */
	bool log_json;
	unsigned threads;                  /* most requests at once in one FastCGI process */
	int64_t read_timeout_ms;           /* a whole request must have arrived by then */
	struct config_endpoint *endpoints; /* sorted by name */
	size_t endpoint_count;
	struct config_fault *faults; /* in order of file and line */
	size_t fault_count;
	struct config_watch *watches;
	size_t watch_count;
};

/*
 * Where the configuration is: given (-c), else HOOKCGI_CONFIG of the process,
 * else requested (the request's HOOKCGI_CONFIG, NULL outside a request), else
 * ~/.config/hookcgi/hookcgi.conf with the home of the user database's
 * /etc/passwd entry, else /etc/hookcgi/hookcgi.conf, whichever exists first of
 * the last two. Never NULL; the caller frees.
 */
char *config_path(const char *given, const char *requested);

/*
 * The effective user's home, from /etc/passwd itself: getpwuid(3) would load
 * NSS, which a static program cannot, and HOME is the web server's to set. The
 * caller frees. NULL: not there, or no absolute path.
 */
char *config_home(void);

/*
 * Read path and everything it names. only: compile just the endpoint of that
 * name (a CGI request needs no other), NULL for all; secrets of others are
 * then not read either. Never NULL: usable_out says whether it may be served
 * (false: syntax error, unknown option, unsafe or missing file). The faults
 * list holds every fault found, not only the first.
 * Not thread-safe (libConfuse's lexer is global): one caller at a time.
 */
struct config *config_load(const char *path, const char *only, bool *usable_out);
void config_free(struct config *config);

/* Has any watched file changed since it was loaded? A few stat(2) calls. */
bool config_changed(const struct config *config);

/* Was none of its files written to just now? One that was (an upload, an editor that truncates) may be half
 * there: look again later. A clock that stands before a file's time holds nothing up, nor does a secret that
 * was learned, which comes whole. */
bool config_has_settled(const struct config *config);

/* NULL: none of that name. */
const struct config_endpoint *config_find(const struct config *config, struct slice name);

/* Does the endpoint serve without a secret, since a handshake is to bring the first? It
 * believes nobody then. */
bool config_awaits_secret(const struct config_endpoint *endpoint);

/* Does the shell pattern match the event type? */
bool config_pattern_matches(const char *pattern, struct slice event);

/* What to run for this event type: the first matching rule, else the endpoint's
 * own run when events admits the type. NULL: not wanted. */
const struct config_run *config_run_for(const struct config_endpoint *endpoint, struct slice event);

/* Compile one built-in provider, for the command line and tests; NULL and a
 * line in reason_out when there is none of that name or it has a fault. */
struct provider *config_builtin_provider(const char *name, char reason_out[256]);

/*
 * The rest is for config_*.c, while they read.
 */

/*
 * A file that is not there: the fault that names both places, when path is where
 * config_path() ends and the one before it is empty too; the caller frees. NULL: path
 * was named by somebody.
 */
char *config_missing_fault(const char *path);

/*
 * Put a fault in its place in the list; the same one again is passed over. With
 * an endpoint it makes that unusable: the first is what it answers with. The
 * message is copied, without control characters and cut to 4,000 bytes.
 */
void config_add_fault(struct config *config, struct config_endpoint *endpoint,
	enum config_severity severity, const char *file, unsigned line, const char *message);

/*
 * Open and judge a file (safety_open()), read it whole, and watch it. Returns its
 * bytes with a NUL behind them, for free_secret(), and its mode.
 * NULL: with a reason in refusal, it was refused; without one, errno says why it
 * cannot be read, EFBIG that it is longer than max.
 */
char *config_read_file(struct config *config, const char *path, enum safety_kind kind, size_t max,
	size_t *len_out, mode_t *mode_out, struct safety_refusal *refusal);

/* Watch a file that was refused, and what was wrong with it: repairing either
 * means load again. */
void config_watch_refused(
	struct config *config, const char *path, const struct safety_refusal *refusal);

/* NULL: the pattern is well formed; else what is wrong with it. */
const char *config_pattern_fault(const char *pattern);

#endif
