/* cli_serve.c - hookcgi serve: FastCGI on a socket of its own */
#include "cli.h"

#include <stdio.h>
#include <unistd.h>

#include "endpoint.h"
#include "listen.h"

/* Who starts this waits for it (systemd: 90 s), longer than a handler takes by default. */
#define STOP_MS 60000

static int
run_serve(const struct cli_command *command, int argc, char **argv, const char *config)
{
	static const char *const options[] = { "--listen=", NULL };
	const char *values[1] = { NULL };
	int count = cli_options(command, argc, argv, options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "serve takes no arguments, only --listen");
	if (values[0] != NULL && !listen_is_place(values[0]))
		return cli_usage(command, "--listen needs unix:PATH, or ADDRESS:PORT with a "
					  "numeric address or localhost");

	char reason[256];
	int listener = listen_open(values[0], reason);
	if (listener < 0) {
		fprintf(stderr, "hookcgi: %s\n", reason);
		return CLI_NO;
	}
	return endpoint_serve_fastcgi(listener, config, STOP_MS);
}

const struct cli_command cli_serve = {
	.name = "serve",
	.arguments = "[--listen unix:PATH|HOST:PORT]",
	.summary = "serve FastCGI on a socket of its own",
	.help = "  --listen  where: unix:/run/hookcgi/hookcgi.sock (mode 0660), or "
		"127.0.0.1:9000.\n"
		"            Without it the socket that systemd passed is taken (LISTEN_FDS).\n"
		"\n"
		"Runs in the foreground until TERM or INT, then finishes what is in flight\n"
		"(for at most 60 s). Whoever may connect to the socket can stop the service\n"
		"with a malformed FastCGI record: prefer unix: to HOST:PORT.\n",
	.run = run_serve,
};
