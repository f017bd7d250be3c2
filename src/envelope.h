/* envelope.h - what of a request is kept with its event besides the body
 *
 * The web server's variables that a template or a reader of the ledger may ask for, and
 * never what proves who the sender is without being bound to the body: a token, a password, a
 * cookie. "NAME=value" with a NUL behind each.
 */
#ifndef HOOKCGI_ENVELOPE_H
#define HOOKCGI_ENVELOPE_H

#include <stdbool.h>

#include "buf.h"
#include "provider.h"

#define ENVELOPE_MAX ((size_t)128 << 10)

/* Append what is kept. Where the provider's secret itself is sent (token, basic, bearer) its
 * header, or the query that holds it, is left out. false: over ENVELOPE_MAX, or no memory. */
bool envelope_write(char *const *variables, const struct provider *provider, struct buf *out);

/* The strings of an envelope, NULL-ended, pointing into it; free() the array. A last string without its NUL
 * is left out. */
char **envelope_strings(struct buf *envelope);

#endif
