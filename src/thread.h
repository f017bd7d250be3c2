/* thread.h - a thread with a stack of its own size (the default of 8 MB is counted by some hosts), and how many
 * run at once */
#ifndef HOOKCGI_THREAD_H
#define HOOKCGI_THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

/* As pthread_create(): 0, or an error number. */
static inline int
thread_start(pthread_t *thread, size_t stack_size, void *(*function)(void *), void *argument)
{
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack_size);
	int error = pthread_create(thread, &attributes, function, argument);
	pthread_attr_destroy(&attributes);
	return error;
}

/* The processors, 1 at least. */
static inline unsigned
thread_processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count > 1 ? (unsigned)count : 1;
}

#endif
