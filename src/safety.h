/* safety.h - may this be trusted: who else could have written, read or chosen it
 *
 * The rules are those of sshd's StrictModes: a file counts as ours only when
 * neither it nor any folder above it can be changed by somebody else. A folder
 * with the sticky bit (/tmp) may be writable: nobody can replace another
 * user's file in it. "We" are root and the effective user.
 */
#ifndef HOOKCGI_SAFETY_H
#define HOOKCGI_SAFETY_H

#include <stdbool.h>
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

/*
 * Can the system start a program that is FINE otherwise? false: it is empty, or a
 * script without "#!", with lines that end in CR LF, or whose interpreter is
 * missing. What cannot be looked into is believed.
 */
bool safety_check_start(const char *path, struct safety_refusal *refusal)
	__attribute__((warn_unused_result));

/* Could the effective user append to this file, or create it? Nothing is
 * created; a symbolic link is not followed, as log_open() does not. */
bool safety_check_append(const char *path, struct safety_refusal *refusal)
	__attribute__((warn_unused_result));

/*
 * Is it the name of an environment variable that a web server sets for each
 * request (RFC 3875 4.1, and those that Apache, lighttpd and nginx add)? To a CGI
 * program these are its own environment, and what is in many of them the sender
 * chose: nothing that has to be trusted is taken from one, whatever it holds.
 */
bool safety_is_request_variable(struct slice name);

#endif
