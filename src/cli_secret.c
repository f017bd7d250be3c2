/* cli_secret.c - hookcgi secret: a fresh random secret */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "crypto.h"
#include "text.h"

/* 32 bytes: as strong as the HMAC-SHA256 it keys (RFC 2104 section 3), and what
 * Standard Webhooks asks for (24 to 64). */
#define SECRET_BYTES 32

static int
run_secret(const struct cli_command *command, int argc, char **argv, const char *config)
{
	(void)config;
	static const char *const options[] = { "--base64", NULL };
	const char *values[1] = { NULL };
	int count = cli_options(command, argc, argv, options, values);
	if (count < 0)
		return CLI_USAGE;
	if (count > 0)
		return cli_usage(command, "secret takes no arguments");

	unsigned char bytes[SECRET_BYTES];
	struct buf text;
	buf_init(&text, 128);
	bool made =
		crypto_random(bytes, sizeof bytes) &&
		text_encode(values[0] != NULL ? TEXT_BASE64 : TEXT_HEX, bytes, sizeof bytes, &text);
	if (made)
		printf("%s%s\n", values[0] != NULL ? "whsec_" : "", buf_text(&text));
	else
		fputs("hookcgi: the kernel gave no random bytes\n", stderr);
	explicit_bzero(bytes, sizeof bytes);
	buf_free_secret(&text);
	return made && fflush(stdout) == 0 ? CLI_DONE : CLI_NO;
}

const struct cli_command cli_secret = {
	.name = "secret",
	.arguments = "[--base64]",
	.summary = "print a fresh random secret",
	.help = "  --base64  as Standard Webhooks writes it: whsec_ and base64\n"
		"\n"
		"Keep it in a file that only you can read:\n"
		"  (umask 077; hookcgi secret > orders.secret)\n",
	.run = run_secret,
};
