/* store_owner.c - processes by boot, namespace, number and start, as the kernel tells them in /proc
 */
#include "store_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a text names. */
struct named {
	char boot[40];
	char space[32];
	long pid;
	char start[24];
};

/* What a small file of the kernel holds, up to the first white space. false: nothing. */
static bool
read_word(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, " \n")] = '\0';
	return out[0] != '\0';
}

/* State and start time of a process (proc(5), fields 3 and 22). false: it cannot be read. */
static bool
read_stat(long pid, char *state_out, char start_out[24])
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* The name of the program may hold anything, also ")". */
	const char *at = strrchr(text, ')');
	if (at == NULL || sscanf(at, ") %c", state_out) != 1)
		return false;
	for (int field = 2; field < 22; field++) {
		at = strchr(at + 1, ' ');
		if (at == NULL)
			return false;
	}
	return sscanf(at, " %23[0-9]", start_out) == 1;
}

const char *
owner_of_this_process(struct owner *self)
{
	char boot[40], space[32] = "-", start[24] = "-", link[32], state;
	ssize_t n;
	if (self->pid == getpid())
		return self->text;
	if (!read_word("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
		memcpy(boot, "-", 2);
	/* A /proc of another namespace has other processes under these numbers. */
	n = readlink("/proc/self", link, sizeof link - 1);
	link[n > 0 ? n : 0] = '\0';
	if (strtol(link, NULL, 10) == (long)getpid()) {
		n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
		if (n > 0)
			space[n] = '\0';
		else
			memcpy(space, "-", 2);
		if (!read_stat((long)getpid(), &state, start))
			memcpy(start, "-", 2);
	}
	snprintf(self->text, sizeof self->text, "%s %s %ld %s", boot, space, (long)getpid(), start);
	self->pid = getpid();
	return self->text;
}

void
owner_of_child(struct owner *self, pid_t child, char out[OWNER_MAX])
{
	char boot[40] = "-", space[32] = "-", start[24] = "-", state;
	sscanf(owner_of_this_process(self), "%39s %31s", boot, space);
	/* Where this process could read nothing of itself in /proc, the child cannot either. */
	if (strcmp(space, "-") != 0 && !read_stat((long)child, &state, start))
		memcpy(start, "-", 2);
	snprintf(out, OWNER_MAX, "%s %s %ld %s", boot, space, (long)child, start);
}

bool
owner_boot(struct owner *self, char out[OWNER_BOOT_MAX])
{
	char boot[40], clock[40];
	ssize_t n = readlink("/proc/self/ns/time", clock, sizeof clock - 1);
	clock[n > 0 ? n : 0] = '\0'; /* a kernel without has one for all */
	if (sscanf(owner_of_this_process(self), "%39s", boot) != 1 || strcmp(boot, "-") == 0)
		return false;
	snprintf(out, OWNER_BOOT_MAX, "%s %s", boot, clock);
	return true;
}

static bool
owner_parse(const char *text, struct named *out)
{
	return text != NULL &&
	       sscanf(text, "%39s %31s %ld %23s", out->boot, out->space, &out->pid, out->start) ==
		       4 &&
	       out->pid > 0;
}

enum life
owner_life(struct owner *self, const char *text, bool network)
{
	struct named owner, own;
	char state, start[24];
	if (!owner_parse(text, &owner) || !owner_parse(owner_of_this_process(self), &own) ||
		strcmp(owner.boot, "-") == 0 || strcmp(own.boot, "-") == 0)
		return LIFE_UNKNOWN;
	if (strcmp(owner.boot, own.boot) != 0) /* of another machine, where there may be one */
		return network ? LIFE_UNKNOWN : LIFE_OVER;
	if (strcmp(owner.space, "-") == 0 || strcmp(owner.space, own.space) != 0)
		return LIFE_UNKNOWN;
	if (!read_stat(owner.pid, &state, start)) /* hidepid, or there is none */
		return kill((pid_t)owner.pid, 0) != 0 && errno == ESRCH ? LIFE_OVER : LIFE_UNKNOWN;
	if (state == 'Z' || state == 'X')
		return LIFE_OVER;
	if (strcmp(owner.start, "-") == 0)
		return LIFE_UNKNOWN;
	return strcmp(owner.start, start) == 0 ? LIFE_GOES_ON : LIFE_OVER;
}
