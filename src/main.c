/* main.c - which of the three faces is asked for
 *
 * Decided from the environment before argv is looked at: under Apache's CGI a
 * query without "=" becomes the command line (RFC 3875 section 4.4), so argv is
 * a stranger's text there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "endpoint.h"
#include "listen.h"

static const struct cli_command *const commands[] = {
	&cli_check,
	&cli_serve,
	&cli_worker,
	&cli_list,
	&cli_show,
	&cli_replay,
	&cli_refused,
	&cli_stats,
	&cli_prune,
	&cli_provider,
	&cli_secret,
	&cli_sign,
	&cli_send,
	&cli_explain,
	&cli_get,
	&cli_subscribe,
	&cli_subscription,
	&cli_unsubscribe,
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void
print_commands(FILE *out)
{
	fputs("usage: hookcgi [-c FILE] COMMAND [ARGUMENTS]\n\n", out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	fputs("  version      print the version\n"
	      "\n"
	      "  -c FILE    the configuration; else $HOOKCGI_CONFIG,\n"
	      "             ~/.config/hookcgi/hookcgi.conf or /etc/hookcgi/hookcgi.conf\n"
	      "\n"
	      "hookcgi COMMAND --help says more. Started by a web server as a CGI or FastCGI\n"
	      "program it serves webhooks: see hookcgi(1).\n",
		out);
}

static void
print_help(const struct cli_command *command)
{
	printf("usage: hookcgi [-c FILE] %s%s%s\n\n%s", command->name,
		command->arguments[0] != '\0' ? " " : "", command->arguments, command->help);
}

static bool
wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* Was standard output taken? */
static int
printed(void)
{
	return fflush(stdout) == 0 ? CLI_DONE : CLI_NO;
}

static int
run_command(const char *config, int argc, char **argv)
{
	if (strcmp(argv[0], "version") == 0 || strcmp(argv[0], "--version") == 0) {
		printf("hookcgi %s\n", HOOKCGI_VERSION);
		return printed();
	}
	if (argc == 1 && (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 ||
				 strcmp(argv[0], "-h") == 0)) {
		print_commands(stdout);
		return printed();
	}
	bool help = strcmp(argv[0], "help") == 0; /* help COMMAND is COMMAND --help */
	if (help)
		argv++;
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(argv[0], commands[i]->name) != 0)
			continue;
		if (help || wants_help(argc, argv)) {
			print_help(commands[i]);
			return printed();
		}
		return commands[i]->run(commands[i], argc, argv, config);
	}
	fprintf(stderr, "hookcgi: unknown command \"%s\"\n", argv[0]);
	print_commands(stderr);
	return CLI_USAGE;
}

/* Take "-c FILE" out of the words, wherever it stands before "--". Returns the
 * new count, -1 when FILE is missing. */
static int
take_config(int argc, char **argv, const char **config_out)
{
	int kept = 0;
	bool options_end = false;
	for (int i = 0; i < argc; i++) {
		options_end = options_end || strcmp(argv[i], "--") == 0;
		if (!options_end && strcmp(argv[i], "-c") == 0) {
			if (++i == argc)
				return -1;
			*config_out = argv[i];
		} else {
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	return kept;
}

int
main(int argc, char **argv)
{
	if (getenv("GATEWAY_INTERFACE") != NULL)
		return endpoint_serve_cgi();
	if (listen_is_on(STDIN_FILENO))
		return endpoint_serve_fastcgi(STDIN_FILENO, NULL, ENDPOINT_STOP_MS);

	const char *config = NULL;
	int count = take_config(argc - 1, argv + 1, &config);
	if (count < 0) {
		fputs("hookcgi: -c needs a file\n", stderr);
		return CLI_USAGE;
	}
	if (count == 0) {
		print_commands(stderr);
		return CLI_USAGE;
	}
	return run_command(config, count, argv + 1);
}
