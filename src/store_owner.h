/* store_owner.h - which process has a running event, and does it still live
 *
 * A process is named by a text, "BOOT PID-NAMESPACE PID START", "-" for what is not known: so a number
 * that was given again, a machine that was started again and a container are told apart.
 */
#ifndef HOOKCGI_STORE_OWNER_H
#define HOOKCGI_STORE_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

#define OWNER_MAX 160
#define OWNER_BOOT_MAX 96

/* The process that asks; begins as zeros. */
struct owner {
	char text[OWNER_MAX];
	pid_t pid; /* that text is of; 0: none yet */
};

/* As it is written into rows. Made once a process: a child is another one. */
const char *owner_of_this_process(struct owner *self);
/* What a child of this process, not yet waited for, would write itself. */
void owner_of_child(struct owner *self, pid_t child, char out[OWNER_MAX]);

/* This start of this machine, and whose CLOCK_BOOTTIME (time_namespaces(7)). false: it cannot be told from others. */
bool owner_boot(struct owner *self, char out[OWNER_BOOT_MAX]);

enum life { LIFE_OVER, LIFE_GOES_ON, LIFE_UNKNOWN };

/* Does the process that wrote this text still live? network: it may be one of another machine. */
enum life owner_life(struct owner *self, const char *text, bool network);

#endif
