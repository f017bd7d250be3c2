/* alloc.c - memory that is there or the process ends
 *
 * Ends with _exit(): other threads may be in the middle of anything, and what
 * atexit() would run may want memory itself. What counts is on disk already.
 */
#include "alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

_Noreturn void
end_without_memory(void)
{
	static const char line[] = "hookcgi: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, line, sizeof line - 1);

	(void)ignored;
	_exit(EX_OSERR);
}

void *
xmalloc(size_t size)
{
	void *memory = malloc(size > 0 ? size : 1);

	if (memory == NULL)
		end_without_memory();
	return memory;
}

void *
xcalloc(size_t count, size_t size)
{
	bool empty = count == 0 || size == 0;
	void *memory = calloc(empty ? 1 : count, empty ? 1 : size);

	if (memory == NULL)
		end_without_memory();
	return memory;
}

void *
xreallocarray(void *old, size_t count, size_t size)
{
	/* realloc(old, 0) may free: never ask for that. */
	bool empty = count == 0 || size == 0;
	void *memory = reallocarray(old, empty ? 1 : count, empty ? 1 : size);

	if (memory == NULL)
		end_without_memory();
	return memory;
}

char *
xstrdup(const char *text)
{
	return xmemdup0(text, strlen(text));
}

char *
xmemdup0(const void *data, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		end_without_memory();
	copy = xmalloc(len + 1);
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

void
free_secret(void *secret, size_t len)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, len);
	free(secret);
}
