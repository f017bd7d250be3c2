#!/bin/sh
# show-event.sh LOG - write down what a handler is given; what it prints is the answer
#
# The demo runs this for every event. A handler of your own starts like this and
# does something with the variables.
set -eu
{
	echo "handler for $HOOK_ENDPOINT: event $HOOK_EVENT, id ${HOOK_ID:-(none)}"
	env | grep '^HOOK_DATA_' | sort | sed 's/^/    /'
	echo "    and on standard input: $(head -c 200)"
} >>"$1"
echo "thank you for $HOOK_EVENT"
