/* config_loader.h - what the files that read a configuration have in common
 *
 * For config_*.c alone. Faults are reported one by one and reading goes on, since
 * whoever wrote the file wants to see them all.
 */
#ifndef HOOKCGI_CONFIG_LOADER_H
#define HOOKCGI_CONFIG_LOADER_H

#include "config.h"
#include "settings.h"

/* A text being read, the file or a built-in provider, and where its faults go. */
struct source {
	struct config *config;
	const char *label; /* the file's name in faults */
	bool broken;       /* not usable as a whole */
};

struct loader {
	struct config *config;
	struct source source;
	struct settings_block *root; /* NULL: not usable */
	mode_t mode;                 /* of the configuration file */
};

/* A block being read for its meaning, and whose fault a fault in it is. */
struct section {
	struct loader *loader;
	const struct settings_block *block;
	struct config_endpoint *endpoint; /* NULL: the whole file's */
};

/* A fault of the section's endpoint, or of the file. */
void loader_fault(const struct section *section, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void loader_warn(const struct section *section, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The three, one after the other; the caller frees. */
char *loader_join(const char *first, const char *separator, const char *second);

/* Relative paths start at the configuration's folder; the caller frees. */
char *loader_path(const struct config *config, const char *path);

/* The endpoint's secrets and parameters, once its provider has been read. */
void loader_secrets(const struct section *section);
void loader_parameters(const struct section *section);

#endif
