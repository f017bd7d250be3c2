/* descriptor.h - a file descriptor in a variable */
#ifndef HOOKCGI_DESCRIPTOR_H
#define HOOKCGI_DESCRIPTOR_H

#include <unistd.h>

/* Close what it holds, if it holds one; then it holds none (-1). */
static inline void
descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif
