/* cli_provider.c - hookcgi provider: the built-in providers, listed or printed */
#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { OPTION_MARKDOWN, OPTION_COUNT };

static const char *const provider_options[] = {
	[OPTION_MARKDOWN] = "--markdown",
	[OPTION_COUNT] = NULL,
};

static const char *
or_dash(const char *text)
{
	return text != NULL ? text : "-";
}

/* How its first scheme signs, and how many others there are. */
static void
describe(const struct provider *provider, char out[64])
{
	size_t more = provider->scheme_count - 1;
	if (more > 0)
		snprintf(out, 64, "%s +%zu", provider->schemes[0].algorithm, more);
	else
		snprintf(out, 64, "%s", provider->schemes[0].algorithm);
}

static void
print_line(const struct provider *provider)
{
	char scheme[64];
	describe(provider, scheme);
	printf("%-20s %-34.34s %-22s %s\n", provider->name, or_dash(provider->title), scheme,
		or_dash(provider->sure));
}

/* Text inside a cell: "|" would end it, "<" begin markup. */
static void
print_cell(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|')
			fputs("\\|", stdout);
		else if (*text == '<')
			fputs("&lt;", stdout);
		else
			putchar(*text);
	}
}

/* Code inside a cell. */
static void
print_code(const char *text)
{
	putchar('`');
	for (; *text != '\0'; text++)
		fputs(*text == '|'      ? "\\|"
			: *text == '\n' ? "\\n"
					: (char[]){ *text, '\0' },
			stdout);
	putchar('`');
}

static void
print_codes(struct template *const *templates, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			fputs("<br>", stdout);
		print_code(templates[i]->source);
	}
	if (count == 0)
		putchar('-');
}

static void
print_scheme_cells(const struct provider_scheme *scheme)
{
	printf("%s ", scheme->algorithm);
	for (size_t i = 0; i < scheme->carrier_count; i++) {
		fputs(i > 0 ? ", " : "in ", stdout);
		print_code(scheme->carriers[i]->source);
	}
	if (scheme->signs_count > 0)
		fputs(" of ", stdout);
	for (size_t i = 0; i < scheme->signs_count; i++) {
		if (i > 0)
			fputs(" or ", stdout);
		print_code(scheme->signs[i]->source);
	}
	for (size_t i = 0; i < scheme->requires_count; i++) {
		fputs(", ", stdout);
		print_code(scheme->requires[i].left->source);
		fputs(" = ", stdout);
		print_code(scheme->requires[i].right->source);
	}
	if (scheme->method != PROVIDER_NONE && !scheme->signs_body)
		fputs("; **the body is not covered**", stdout);
	if (!scheme->has_timestamp || (scheme->tolerance_ms < 0 && scheme->future_ms < 0))
		return;
	if (scheme->tolerance_ms >= 0)
		printf("; %lld s back", (long long)scheme->tolerance_ms / 1000);
	if (scheme->future_ms >= 0)
		printf("; %lld s ahead", (long long)scheme->future_ms / 1000);
}

static void
print_row(const struct provider *provider)
{
	printf("| `%s` | ", provider->name);
	if (provider->docs != NULL) {
		putchar('[');
		print_cell(or_dash(provider->title));
		printf("](%s)", provider->docs);
	} else {
		print_cell(or_dash(provider->title));
	}
	fputs(" | ", stdout);
	for (size_t i = 0; i < provider->scheme_count; i++) {
		if (i > 0)
			printf("<br>*%s*: ", provider->schemes[i].label);
		print_scheme_cells(&provider->schemes[i]);
	}
	fputs(" | ", stdout);
	print_codes(provider->events, provider->event_count);
	fputs(" | ", stdout);
	print_codes(provider->ids, provider->id_count);
	fputs(" | ", stdout);
	for (size_t i = 0; i < provider->handshake_count; i++)
		printf("%s%s", i > 0 ? ", " : "", provider->handshakes[i].label);
	if (provider->success_status != 200)
		printf("%swants %d", provider->handshake_count > 0 ? "; " : "",
			provider->success_status);
	fputs(" | ", stdout);
	print_cell(or_dash(provider->retry));
	printf(" | %s: ", or_dash(provider->sure));
	print_cell(or_dash(provider->rests_on));
	fputs(" |\n", stdout);
}

static void
print_markdown_head(void)
{
	puts("<!-- Made by `make PROVIDERS.md` from the files in providers/: change those. -->\n"
	     "# Providers\n\n"
	     "Whose webhooks hookcgi verifies: write `provider = \"NAME\"` and the secret into an "
	     "endpoint. `hookcgi provider NAME` prints\nthe file with its comments, ready to copy "
	     "and change; hookcgi-provider(5) says what its options mean, CONTRIBUTING.md how\nto "
	     "add one.\n\n"
	     "**Read its first lines before you set a sender up**: which of the sender's secrets "
	     "is "
	     "meant and in what form, and what else the\nendpoint needs, as `parameters`, a `key` "
	     "block, `url`, `handshake = \"open\"` or `dedupe = \"off\"`. `hookcgi check` names "
	     "most of what is missing.\n\n"
	     "How sure: **sdk** was run against the sender's own code, **document** read in its "
	     "own "
	     "document, **third-party** in\nanother's text or code, **memory** is not confirmed. "
	     "What is in *italics* is a further scheme of the same sender.\n\n"
	     "| Name | Sender | Signature | Event | Id | Handshakes | It tries again | How sure "
	     "|\n|---|---|---|---|---|---|---|---|");
}

static int
list_providers(bool markdown)
{
	int result = CLI_DONE;
	const char *name;
	if (markdown)
		print_markdown_head();
	else
		printf("%-20s %-34s %-22s %s\n", "NAME", "TITLE", "SCHEME", "HOW SURE");
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		char reason[256];
		struct provider *provider = config_builtin_provider(name, reason);
		if (provider == NULL) {
			fprintf(stderr, "hookcgi: provider %s: %s\n", name, reason);
			result = CLI_NO;
			continue;
		}
		if (markdown)
			print_row(provider);
		else
			print_line(provider);
		provider_free(provider);
	}
	return result;
}

static int
print_provider(const char *name)
{
	const char *text = provider_builtin(name);
	if (text != NULL) {
		fputs(text, stdout);
		return CLI_DONE;
	}
	fprintf(stderr, "hookcgi: no built-in provider \"%s\"; hookcgi provider lists them\n",
		name);
	return CLI_NO;
}

static int
run_provider(const struct cli_command *command, int argc, char **argv, const char *config)
{
	(void)config;
	const char *values[OPTION_COUNT] = { NULL };
	int count = cli_options(command, argc, argv, provider_options, values);
	bool markdown = values[OPTION_MARKDOWN] != NULL;
	if (count < 0)
		return CLI_USAGE;
	if (count > 1 || (count == 1 && markdown))
		return cli_usage(command, "provider takes one name at most, --markdown none");
	int result = count == 0 ? list_providers(markdown) : print_provider(argv[1]);
	return fflush(stdout) == 0 ? result : CLI_NO;
}

const struct cli_command cli_provider = {
	.name = "provider",
	.arguments = "[NAME | --markdown]",
	.summary = "list the built-in providers, or print one, ready to copy and change",
	.help = "What is printed is a provider block in the syntax of the configuration file:\n"
		"give it another name and put it into yours to change how a sender is read.\n"
		"  --markdown  all of them as one table, as in PROVIDERS.md\n",
	.run = run_provider,
};
