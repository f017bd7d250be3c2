/* cli.h - what the commands of the command line share
 *
 * Exit codes: 0 done, 1 no, 2 usage, 78 bad configuration (EX_CONFIG).
 */
#ifndef HOOKCGI_CLI_H
#define HOOKCGI_CLI_H

#include <stdbool.h>

#include "config.h"

enum {
	CLI_DONE = 0,
	CLI_NO = 1,
	CLI_USAGE = 2,
	CLI_CONFIG = 78,
};

/* One command. argv[0] is the command's name; config is -c's file or NULL. */
struct cli_command {
	const char *name;
	const char *arguments; /* "ENDPOINT [FILE]" */
	const char *summary;   /* one line, for the list */
	const char *help;      /* what --help prints behind the usage line */
	int (*run)(const struct cli_command *command, int argc, char **argv, const char *config);
};

extern const struct cli_command cli_check;
extern const struct cli_command cli_serve;
extern const struct cli_command cli_worker;
extern const struct cli_command cli_list;
extern const struct cli_command cli_show;
extern const struct cli_command cli_replay;
extern const struct cli_command cli_refused;
extern const struct cli_command cli_stats;
extern const struct cli_command cli_prune;
extern const struct cli_command cli_provider;
extern const struct cli_command cli_secret;
extern const struct cli_command cli_sign;
extern const struct cli_command cli_send;
extern const struct cli_command cli_explain;
extern const struct cli_command cli_get;
extern const struct cli_command cli_subscribe;
extern const struct cli_command cli_subscription;
extern const struct cli_command cli_unsubscribe;

/* Print what is wrong with the call and the usage line to standard error; returns CLI_USAGE. */
int cli_usage(const struct cli_command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Go through a command's options. options: "--event=" takes a value, "--json" does not, NULL-ended; values
 * (as many, set to NULL before) get the value, or "" for one without. Options may stand anywhere before "--"; what is
 * no option is moved to argv[1] and up and its number returned; -1: usage was printed (an
 * unknown option, a missing value).
 */
int cli_options(const struct cli_command *command, int argc, char **argv,
	const char *const *options, const char **values);

/* Load the configuration and print its faults to standard error; NULL when it cannot be used.
 * only: as config_load(). */
struct config *cli_load_config(const char *given, const char *only);

/* The endpoint of that name when it can be used; NULL and a line on standard error. */
const struct config_endpoint *cli_find_endpoint(const struct config *config, const char *name);

/*
 * A line on standard error where the last part of the URL's path, which is what chooses the
 * endpoint, is not this one's name. It is no fault: a web server may rewrite paths.
 */
void cli_compare_url(const struct config_endpoint *endpoint, const char *url);

/* The time given in seconds since 1970, else now, in milliseconds. false: it is not a number of
 * seconds in a year of four digits. */
bool cli_time(const char *given, int64_t *ms_out);

/* Read a file, or standard input for NULL and "-", up to max bytes. false: a line was printed. */
bool cli_read(const char *path, size_t max, struct buf *out);

#endif
