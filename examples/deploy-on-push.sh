#!/bin/sh
# deploy-on-push.sh - bring a checkout up to date when somebody has pushed
#
# endpoint "deploy" {
#     provider = "github"
#     secret   = "file:deploy.secret"
#     events   = "push"
#     run      = {"/usr/local/lib/hooks/deploy-on-push.sh", "/srv/www/site", "main"}
# }
set -eu
folder=$1 branch=$2

# Pushes to other branches are fine, and nothing to do.
[ "${HOOK_DATA_REF:-}" = "refs/heads/$branch" ] || exit 0

# One at a time: two pushes in a row must not run in each other's way. Whoever
# waits too long asks the sender to try again (75).
exec 9>"$folder/.git/deploy.lock"
flock -w 20 9 || exit 75

cd "$folder"
git fetch --quiet origin "$branch"
git reset --quiet --hard FETCH_HEAD
git log -1 --format='now at %h'
