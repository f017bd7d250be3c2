/* cli_get.c - hookcgi get: one field of a JSON document, so that a handler needs no jq */
#include "cli.h"

#include <stdio.h>

#include "json.h"
#include "leaf.h"

/* As much as a body can have (config_load.c's highest body_limit). */
#define DOCUMENT_MAX ((size_t)1 << 30)

static int
print_leaf(struct slice document, const char *path)
{
	char reason[128];
	struct leaf leaf;
	struct leaves *leaves = leaves_new();
	int result = CLI_NO;
	switch (json_parse(document, leaves, reason)) {
	case JSON_OK:
		if (leaves_find(leaves, slice_of(path), &leaf)) {
			fwrite(leaf.value.data, 1, leaf.value.len, stdout);
			putchar('\n');
			result = CLI_DONE;
		}
		break;
	case JSON_INVALID:
	case JSON_TOO_LARGE: fprintf(stderr, "hookcgi: standard input: %s\n", reason); break;
	case JSON_NO_MEMORY: fputs("hookcgi: no memory\n", stderr); break;
	}
	leaves_free(leaves);
	return result;
}

static int
run_get(const struct cli_command *command, int argc, char **argv, const char *config)
{
	(void)config;
	static const char *const options[] = { NULL };
	int count = cli_options(command, argc, argv, options, NULL);
	if (count < 0)
		return CLI_USAGE;
	if (count != 1)
		return cli_usage(command, "get takes one path, such as data.items.0.id");

	struct buf document;
	if (!cli_read(NULL, DOCUMENT_MAX, &document))
		return CLI_NO;
	int result = print_leaf(buf_slice(&document), argv[1]);
	buf_free(&document);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

const struct cli_command cli_get = {
	.name = "get",
	.arguments = "PATH",
	.summary = "print one field of the JSON document on standard input",
	.help = "PATH is names and array positions with dots between: data.items.0.id\n"
		"Exit code 1 when there is no such field, or it is an object or a list\n"
		"with something in it.\n",
	.run = run_get,
};
