#!/bin/sh
# fail-twice.sh LOG - a handler whose first two attempts fail, as when a mail server is down
#
# What it prints to standard error is kept with the attempt: hookcgi show ID.
set -eu
if [ "$HOOK_ATTEMPT" -lt 3 ]; then
	echo "handler for $HOOK_ENDPOINT: attempt $HOOK_ATTEMPT failed, the mail server is down" >>"$1"
	echo "mail server is down" >&2
	exit 75
fi
echo "handler for $HOOK_ENDPOINT: attempt $HOOK_ATTEMPT succeeded, event ${HOOK_ID:-(no id)}" >>"$1"
