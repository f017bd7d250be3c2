/* clock.h - what time it is
 *
 * Two clocks: the monotonic one, for how long something takes and until when it is
 * waited for (all processes of a machine share it), and the wall clock, which is what
 * people and databases know and which may be set at any moment.
 */
#ifndef HOOKCGI_CLOCK_H
#define HOOKCGI_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Microseconds, and milliseconds, of CLOCK_MONOTONIC. */
static inline int64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

/* Milliseconds of CLOCK_BOOTTIME: since the machine was started, also while it slept. */
static inline int64_t
clock_boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Microseconds, a time or how long, as system calls take them. */
static inline struct timespec
clock_timespec(int64_t us)
{
	return (struct timespec){ us / 1000000, us % 1000000 * 1000 };
}

/* Less, if a signal comes. */
static inline void
clock_sleep_us(int64_t us)
{
	const struct timespec wait = clock_timespec(us);

	nanosleep(&wait, NULL);
}

/* A condition variable whose timed waits are until a time of CLOCK_MONOTONIC. */
static inline void
clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* Milliseconds since 1970. */
static inline int64_t
clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* When the machine was started, in milliseconds since 1970, by what the wall clock shows now: it changes with it. */
static inline int64_t
clock_booted_ms(void)
{
	return clock_wall_ms() - clock_boot_ms();
}

#endif
