/* cli.c - what the commands of the command line share */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

int
cli_usage(const struct cli_command *command, const char *format, ...)
{
	va_list arguments;
	fputs("hookcgi: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nusage: hookcgi [-c FILE] %s%s%s\n", command->name,
		command->arguments[0] != '\0' ? " " : "", command->arguments);
	return CLI_USAGE;
}

/* The index of the option that word is, -1 for none; *value_out: what stands behind its "=". */
static int
find_option(const char *word, const char *const *options, const char **value_out)
{
	for (int i = 0; options[i] != NULL; i++) {
		size_t len = strcspn(options[i], "=");
		if (strncmp(word, options[i], len) != 0)
			continue;
		if (word[len] == '\0' || word[len] == '=') {
			*value_out = word[len] == '=' ? word + len + 1 : NULL;
			return i;
		}
	}
	return -1;
}

int
cli_options(const struct cli_command *command, int argc, char **argv, const char *const *options,
	const char **values)
{
	int kept = 1;
	bool options_end = false;
	for (int i = 1; i < argc; i++) {
		const char *value;
		if (options_end || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[kept++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			options_end = true;
			continue;
		}
		int option = find_option(argv[i], options, &value);
		if (option < 0) {
			cli_usage(command, "unknown option %s", argv[i]);
			return -1;
		}
		bool takes_value = strchr(options[option], '=') != NULL;
		if (takes_value && value == NULL && i + 1 < argc)
			value = argv[++i];
		if (takes_value != (value != NULL)) {
			cli_usage(command, takes_value ? "%s needs a value" : "%s takes no value",
				argv[i]);
			return -1;
		}
		values[option] = takes_value ? value : "";
	}
	return kept - 1;
}

struct config *
cli_load_config(const char *given, const char *only)
{
	char *path = config_path(given, NULL);
	bool usable;
	struct config *config = config_load(path, only, &usable);
	for (size_t i = 0; i < config->fault_count; i++) {
		const struct config_fault *fault = &config->faults[i];
		if (fault->severity != CONFIG_FAULT)
			continue;
		if (fault->line > 0)
			fprintf(stderr, "%s:%u: %s\n", fault->file, fault->line, fault->message);
		else
			fprintf(stderr, "%s: %s\n", fault->file, fault->message);
	}
	free(path);
	if (!usable) {
		config_free(config);
		return NULL;
	}
	return config;
}

bool
cli_read(const char *path, size_t max, struct buf *out)
{
	bool standard = path == NULL || strcmp(path, "-") == 0;
	const char *name = standard ? "standard input" : path;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	buf_init(out, max);
	if (fd < 0)
		goto out;
	do {
		/* One byte more than there is room for shows that the input goes on. */
		char chunk[65536];
		got = read(fd, chunk, sizeof chunk);
		if (got < 0 && errno == EINTR)
			continue;
		if (got > 0 && !buf_append(out, chunk, (size_t)got)) {
			fprintf(stderr, "hookcgi: %s is larger than %zu bytes\n", name, max);
			buf_free(out);
			if (!standard)
				close(fd);
			return false;
		}
	} while (got > 0 || (got < 0 && errno == EINTR));
out:
	if (got < 0) {
		fprintf(stderr, "hookcgi: %s: %s\n", name, strerror(errno));
		buf_free(out);
	}
	if (fd >= 0 && !standard)
		close(fd);
	return got == 0;
}

const struct config_endpoint *
cli_find_endpoint(const struct config *config, const char *name)
{
	const struct config_endpoint *endpoint = config_find(config, slice_of(name));
	if (endpoint == NULL)
		fprintf(stderr, "hookcgi: %s has no endpoint \"%s\"\n", config->path, name);
	else if (endpoint->unusable != NULL)
		fprintf(stderr, "hookcgi: endpoint %s cannot be used: %s\n", name,
			endpoint->unusable);
	else
		return endpoint;
	return NULL;
}

void
cli_compare_url(const struct config_endpoint *endpoint, const char *url)
{
	size_t end = strcspn(url, "?#");
	size_t start = end;
	while (start > 0 && url[start - 1] != '/')
		start--;
	struct slice last = { url + start, end - start };
	if (!slice_equal(last, slice_of(endpoint->name)))
		fprintf(stderr,
			"hookcgi: note: the URL does not end in /%s, the name of the endpoint: the "
			"request may reach another, or none\n",
			endpoint->name);
}

bool
cli_time(const char *given, int64_t *ms_out)
{
	uint64_t seconds;
	if (given != NULL) {
		if (!text_parse_number(slice_of(given), 253402300799u, &seconds))
			return false;
		*ms_out = (int64_t)seconds * 1000;
		return true;
	}
	*ms_out = clock_wall_ms();
	return true;
}
