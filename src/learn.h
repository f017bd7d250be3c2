/* learn.h - a secret that a sender brings is written to a file, once */
#ifndef HOOKCGI_LEARN_H
#define HOOKCGI_LEARN_H

#include "buf.h"

#define LEARN_REASON_MAX 384

enum learn_result {
	LEARN_DONE,   /* the file is there with this secret, and stays there when the power fails */
	LEARN_OTHER,  /* another secret was learned before; the file is as it was */
	LEARN_FAILED, /* it cannot be kept, or not safely: reason_out says why; 503 */
};

/*
 * Keep the secret in a new file at path (absolute), mode 0600. A file that is there is
 * never changed or replaced: of several callers at once, in whatever processes, one
 * makes it, and the others succeed only with the same secret. Files are judged as
 * secrets are that the configuration names (safety_open()).
 * A crash leaves either the whole file or none, and perhaps a file path.XXXXXXXXXXXXXXXX
 * that nobody reads. reason_out never holds the secret.
 */
enum learn_result learn_secret(const char *path, struct slice secret,
	char reason_out[LEARN_REASON_MAX]) __attribute__((warn_unused_result));

#endif
