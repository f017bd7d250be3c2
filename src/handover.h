/* handover.h - bytes, and perhaps a descriptor, over a Unix stream socket */
#ifndef HOOKCGI_HANDOVER_H
#define HOOKCGI_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

/* Send all of it, and passed (-1: none) with its first byte. false: errno. Raises no SIGPIPE. */
bool handover_send(int fd, const void *data, size_t len, int passed);

/* Receive exactly len bytes; false: end of file or broken. A descriptor that
 * came with them goes to *passed_out, which may be NULL when none can come. */
bool handover_receive(int fd, void *data, size_t len, int *passed_out);

#endif
