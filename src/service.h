/* service.h - the configuration in force, with every key scheduled
 *
 * A configuration file becomes a snapshot: immutable, counted, shared by
 * threads. When the file (or a secret file it names) has changed, the next
 * request that comes at least half a second after the last look loads it
 * again; a new one that cannot be used is reported and the old one stays.
 */
#ifndef HOOKCGI_SERVICE_H
#define HOOKCGI_SERVICE_H

#include <stdbool.h>

#include "buf.h"
#include "config.h"
#include "signature.h"

/* What one request needs of the configuration; valid until service_release(). */
struct snapshot;

/*
 * Say which file to use: given is -c's (NULL: as config_path() finds it). only:
 * a CGI process, which loads just the endpoint it was called for. Call once,
 * before threads.
 */
void service_open(const char *given, bool only);

/*
 * The snapshot in force for a request that carries HOOKCGI_CONFIG=requested
 * (NULL: none) and asks for endpoint. Never NULL.
 */
struct snapshot *service_acquire(const char *requested, struct slice endpoint);
void service_release(struct snapshot *snapshot);

/* A file of this snapshot has changed: let the next request look, however soon it comes. */
void service_look_again(struct snapshot *snapshot);

/* The configuration, NULL when none could be loaded: then nothing is served (503). */
const struct config *snapshot_config(const struct snapshot *snapshot);

/*
 * The verifier of an endpoint of this snapshot's configuration. NULL: it cannot be used and reason_out
 * points to why (borrowed), or to "" where it serves without one: config_awaits_secret().
 */
const struct verifier *snapshot_verifier(const struct snapshot *snapshot,
	const struct config_endpoint *endpoint, const char **reason_out);

/*
 * May one more handler of this endpoint run while its sender waits? Not when half of the requests that
 * `threads` allows wait for it already: one slow endpoint must not stop the others. true:
 * snapshot_leave() when it is over.
 */
bool snapshot_enter(struct snapshot *snapshot, const struct config_endpoint *endpoint);
void snapshot_leave(struct snapshot *snapshot, const struct config_endpoint *endpoint);

#endif
