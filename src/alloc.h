/* alloc.h - memory that is there or the process ends
 *
 * For small things whose size the program itself bounds. Anything whose size a
 * sender chooses goes into a struct buf (buf.h), which has a ceiling and can
 * say no. Ending is safe: the process is restartable and nothing has been
 * acknowledged that is not kept.
 */
#ifndef HOOKCGI_ALLOC_H
#define HOOKCGI_ALLOC_H

#include <stddef.h>

/* Each returns memory that the caller frees with free(), never NULL; on
 * exhaustion one line goes to standard error and the process ends with 71
 * (EX_OSERR). A size of 0 is treated as 1. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *text);

/* A copy of len bytes with a NUL behind them. */
char *xmemdup0(const void *data, size_t len);

/* What these do when there is none, for whoever allocates by itself and cannot go on. */
_Noreturn void end_without_memory(void);

/* Overwrite len bytes of a secret and free it. NULL is allowed. */
void free_secret(void *secret, size_t len);

#endif
