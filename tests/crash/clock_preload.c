/* clock_preload.c - LD_PRELOAD: a wall clock that can be set while the process runs
 *
 * The file that $STORM_CLOCK names holds two numbers of 64 bits: nanoseconds to add to the time, and,
 * when it is not 0, the time at which the clock stands still. Processes that map the
 * same file have the same clock, also those that are forked from them. The monotonic clock is left
 * alone, as it is when somebody sets the time of a real system. Without the file nothing is changed.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

struct set_clock {
	volatile int64_t offset_ns;
	volatile int64_t stands_at_ns; /* 0: it goes */
};

static const struct set_clock *set_clock;

__attribute__((constructor)) static void
map_clock(void)
{
	const char *path = getenv("STORM_CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *mapped;

	if (fd < 0)
		return;
	mapped = mmap(NULL, sizeof *set_clock, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED)
		set_clock = mapped;
	close(fd);
}

/* Not by the function that is replaced here, nor by dlsym(3), which may not be called this early. */
static int
real_time(clockid_t clock, struct timespec *out)
{
	return (int)syscall(SYS_clock_gettime, clock, out);
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int64_t now;

	if (real_time(clock, out) != 0)
		return -1;
	if (set_clock == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return 0;
	now = set_clock->stands_at_ns;
	if (now == 0)
		now = (int64_t)out->tv_sec * SECOND + out->tv_nsec + set_clock->offset_ns;
	out->tv_sec = (time_t)(now / SECOND);
	out->tv_nsec = (long)(now % SECOND);
	return 0;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return (time_t)-1;
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
