/* curl.h - requests made with curl(1), for commands of the command line
 *
 * Its settings go to its standard input, so that no secret is in its arguments; it gets
 * no environment and reads no ~/.curlrc.
 */
#ifndef HOOKCGI_CURL_H
#define HOOKCGI_CURL_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "run.h"

/* Append name = "value" + more in the syntax of curl's --config. false: out is full. */
bool curl_set(struct buf *out, const char *name, const char *value, const char *more)
	__attribute__((warn_unused_result));

/* Run curl with the settings for at most so long. false: it is not there or did not start, and a
 * line was printed to standard error. result is the caller's to free either way. */
bool curl_run(struct slice settings, int64_t timeout_ms, struct run_result *result);

#endif
