#!/bin/sh
# append-csv.sh - one line in a CSV file for each registration (Webconnex)
#
# endpoint "registrations" {
#     provider = "webconnex"
#     secret   = "file:registrations.secret"
#     events   = "registration"
#     run      = {"/usr/local/lib/hooks/append-csv.sh", "/srv/data/registrations.csv"}
# }
set -eu

# A field in quotes, its own quotes doubled. What a spreadsheet would take for a
# formula gets an apostrophe in front.
field() { printf '%s' "$1" | sed -e "1s/^[=+@-]/'&/" -e 's/"/""/g' -e '1s/^/"/' -e '$s/$/"/'; }

line=$(field "$HOOK_RECEIVED_AT"),$(field "$HOOK_KEY"),$(field "${HOOK_DATA_DATA_TOTAL:-0}")

# Two at once take turns. The key shows what is here already: a sender may
# deliver an event twice.
exec 9>>"$1"
flock -w 20 9 || exit 75
grep -qF -e ",$(field "$HOOK_KEY")," "$1" || printf '%s\n' "$line" >&9
