#!/bin/sh
# low-score-mail.sh - mail somebody when a customer gave a low score (Wootric)
#
# endpoint "survey" {
#     provider = "wootric"
#     secret   = "file:survey.secret"
#     events   = {"response.created", "response.updated"}
#     run      = {"/usr/local/lib/hooks/low-score-mail.sh", "support@example.org"}
# }
set -eu

# 0 to 6 are what NPS calls detractors. Nothing but one digit gets past here, so
# the score may stand in a header of the mail; the rest stays in its text.
case ${HOOK_DATA_RESPONSE_SCORE:-} in [0-6]) ;; *) exit 0 ;; esac

sendmail -oi -- "$1" <<MAIL || exit 75
Subject: A customer gave $HOOK_DATA_RESPONSE_SCORE
Content-Type: text/plain; charset=utf-8

${HOOK_DATA_RESPONSE_EMAIL:-Somebody} wrote:

${HOOK_DATA_RESPONSE_TEXT:-(nothing)}
MAIL
