/* safety.h - may this file be trusted: who else could have written or read it
 *
 * The rules are those of sshd's StrictModes: a file counts as ours only when
 * neither it nor any folder above it can be changed by somebody else. A folder
 * with the sticky bit (/tmp) may be writable: nobody can replace another
 * user's file in it. "We" are root and the effective user.
 */
#ifndef HOOKCGI_SAFETY_H
#define HOOKCGI_SAFETY_H

#include <sys/stat.h>

#include "buf.h"

enum safety_kind {
	SAFETY_TEXT,   /* ours, and only we can change it */
	SAFETY_SECRET, /* and others cannot read it (the group may) */
};

/* Why a path was refused. */
struct safety_refusal {
	struct buf reason; /* the fault and the remedy, one line */
	char *culprit;     /* the file or folder whose change may end it; owned */
};

void safety_refusal_init(struct safety_refusal *refusal);
void safety_refusal_free(struct safety_refusal *refusal);

/*
 * Open a regular file for reading, after symbolic links are resolved, and judge
 * what was opened: nothing can be swapped between the check and the read. Never
 * blocks on a FIFO. Returns a descriptor (close-on-exec) and status_out, or -1
 * and the refusal; status_out->st_nlink is then 0.
 * The folders are judged by name, the given one and the resolved one.
 */
int safety_open(const char *path, enum safety_kind kind, struct stat *status_out,
	struct safety_refusal *refusal);

enum safety_program {
	SAFETY_PROGRAM_FINE,
	SAFETY_PROGRAM_ABSENT, /* missing, a folder, or not executable: may still be put right */
	SAFETY_PROGRAM_UNSAFE, /* somebody but its owner can replace what would run */
};

/* Judge a program that is to be run. Its owner may be anybody: who runs another
 * user's program has said so. A FINE one may change before it runs. */
enum safety_program safety_check_program(const char *path, struct safety_refusal *refusal)
	__attribute__((warn_unused_result));

#endif
