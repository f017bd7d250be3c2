#!/bin/sh
# retry-later.sh - ask for the event again while the work cannot be done
#
# endpoint "documents" {
#     provider = "idfy"
#     secret   = "file:documents.secret"
#     events   = "document_*"
#     run      = {"/usr/local/lib/hooks/retry-later.sh", "/srv/archive"}
# }
#
# Exit 0: done. Exit 75: not now, to be tried again
# later, by the queue, or by the sender where it waits. Anything else failed and is tried again too.
set -eu

# The archive is a mounted disk; not there, or nearly full, is no reason to lose
# an event.
mountpoint -q "$1" || exit 75
[ "$(df --output=avail -k "$1" | tail -n 1)" -gt 102400 ] || exit 75

# Whole or not at all: written beside, then renamed. The name is a digest of the
# key: the same for each delivery of the event, and no text of the sender's.
name=$(printf '%s' "$HOOK_KEY" | sha256sum | cut -c 1-32)
cat >"$1/.$name.$$"
mv "$1/.$name.$$" "$1/$name.json"
