/* config_loader.c - faults and paths, for the files that read a configuration */
#include "config_loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

static char *print_text(const char *format, va_list arguments)
	__attribute__((format(printf, 1, 0)));

static char *
print_text(const char *format, va_list arguments)
{
	char *text = NULL;
	return vasprintf(&text, format, arguments) != -1 ? text
							 : xstrdup("no memory for the message");
}

void
loader_fault(const struct section *section, unsigned line, const char *format, ...)
{
	struct source *source = &section->loader->source;
	va_list arguments;
	va_start(arguments, format);
	char *message = print_text(format, arguments);
	va_end(arguments);
	if (section->endpoint == NULL)
		source->broken = true;
	config_add_fault(
		source->config, section->endpoint, CONFIG_FAULT, source->label, line, message);
	free(message);
}

void
loader_warn(const struct section *section, unsigned line, const char *format, ...)
{
	const struct source *source = &section->loader->source;
	va_list arguments;
	va_start(arguments, format);
	char *message = print_text(format, arguments);
	va_end(arguments);
	config_add_fault(source->config, NULL, CONFIG_WARNING, source->label, line, message);
	free(message);
}

char *
loader_join(const char *first, const char *separator, const char *second)
{
	size_t size = strlen(first) + strlen(separator) + strlen(second) + 1;
	char *joined = xmalloc(size);
	snprintf(joined, size, "%s%s%s", first, separator, second);
	return joined;
}

char *
loader_path(const struct config *config, const char *path)
{
	const char *slash = strrchr(config->path, '/');
	while (path[0] == '.' && path[1] == '/')
		path += strspn(path + 1, "/") + 1;
	if (path[0] == '/' || slash == NULL)
		return xstrdup(path);
	char *folder = xmemdup0(config->path, (size_t)(slash - config->path));
	char *absolute = loader_join(folder, "/", path);
	free(folder);
	return absolute;
}
