/* cli_provider.c - hookcgi provider: the built-in providers, listed or printed */
#include "cli.h"

#include <stdio.h>
#include <string.h>

/* How its first scheme signs, in a word or two. */
static const char *
describe(const struct provider *provider)
{
	static const char *const digests[] = { [CRYPTO_MD5] = "HMAC-MD5",
		[CRYPTO_SHA1] = "HMAC-SHA1",
		[CRYPTO_SHA256] = "HMAC-SHA256",
		[CRYPTO_SHA384] = "HMAC-SHA384",
		[CRYPTO_SHA512] = "HMAC-SHA512" };
	if (provider->scheme_count == 0)
		return "";
	switch (provider->schemes[0].method) {
	case PROVIDER_HMAC: return digests[provider->schemes[0].digest];
	case PROVIDER_HASH: return "plain hash";
	case PROVIDER_PUBLIC: return "public key";
	case PROVIDER_TOKEN: return "token";
	case PROVIDER_NONE: return "none";
	}
	return "";
}

static int
list_providers(void)
{
	int result = CLI_DONE;
	const char *name;
	printf("%-18s %-28s %s\n", "NAME", "TITLE", "SCHEME");
	for (size_t i = 0; (name = provider_builtin_name(i)) != NULL; i++) {
		char reason[256];
		struct provider *provider = config_builtin_provider(name, reason);
		if (provider == NULL) {
			fprintf(stderr, "hookcgi: provider %s: %s\n", name, reason);
			result = CLI_NO;
			continue;
		}
		printf("%-18s %-28s %s\n", name, provider->title != NULL ? provider->title : "",
			describe(provider));
		provider_free(provider);
	}
	return result;
}

static int
run_provider(const struct cli_command *command, int argc, char **argv, const char *config)
{
	(void)config;
	static const char *const options[] = { NULL };
	int count = cli_options(command, argc, argv, options, NULL);
	if (count < 0)
		return CLI_USAGE;
	if (count > 1)
		return cli_usage(command, "provider takes one name at most");

	int result = CLI_DONE;
	if (count == 0) {
		result = list_providers();
	} else {
		const char *text = provider_builtin(argv[1]);
		if (text != NULL) {
			fputs(text, stdout);
		} else {
			fprintf(stderr,
				"hookcgi: no built-in provider \"%s\"; hookcgi provider "
				"lists them\n",
				argv[1]);
			result = CLI_NO;
		}
	}
	return fflush(stdout) == 0 ? result : CLI_NO;
}

const struct cli_command cli_provider = {
	.name = "provider",
	.arguments = "[NAME]",
	.summary = "list the built-in providers, or print one, ready to copy and change",
	.help = "What is printed is a provider block in the syntax of the configuration file:\n"
		"give it another name and put it into yours to change how a sender is read.\n",
	.run = run_provider,
};
