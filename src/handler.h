/* handler.h - what a handler is given: argv, environment and input for one event
 *
 * The environment is built from nothing; what a sender wrote gets into names
 * only behind the prefix HOOK_DATA_ and only as [A-Z0-9_], into argv only where
 * the config says so, each value one element, and never to a shell. The list
 * is the contract of hookcgi-handler(7).
 */
#ifndef HOOKCGI_HANDLER_H
#define HOOKCGI_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "message.h"
#include "run.h"

/* One verified event on its way to a handler; everything is borrowed. */
struct handler_event {
	const struct config_endpoint *endpoint;
	const struct config_run *run; /* which of its handlers */
	struct message *message;      /* event, id and key are set; "" where there is none */
	int64_t received_ms;          /* since 1970 */
	const char *remote_address;   /* may be NULL */
	int64_t delivery;             /* our number for the event, 0 without a store */
	unsigned attempt;             /* 1 for the first */
};

struct handler_environment {
	char **strings; /* "NAME=value", NULL-ended */
	char *text;     /* what they point into */
};

/* A prepared call: spec refers to the memory that the rest owns. */
struct handler_call {
	struct run_spec spec;
	char **argv;
	struct handler_environment environment;
	struct buf input; /* a form as JSON; else unused */
};

enum handler_result {
	HANDLER_READY,
	HANDLER_UNUSABLE,  /* this event cannot be handed over: reason_out says why */
	HANDLER_NO_MEMORY, /* try later */
};

/*
 * Prepare the call. Parses the body unless that was done. out is filled only on HANDLER_READY, then the
 * caller frees it, before the event's message and endpoint. HANDLER_UNUSABLE: the body says it is JSON or a form
 * and is not; an argument refers to something absent, holds a NUL, or is a value that begins with "-".
 */
enum handler_result handler_prepare(const struct handler_event *event, struct handler_call *out,
	char reason_out[256]) __attribute__((warn_unused_result));
void handler_call_free(struct handler_call *call);

#endif
