#!/usr/bin/env bats
# queue.bats - what was answered 200 is on disk, runs, is retried, and can be seen and replayed
# shellcheck disable=SC2154 # code and effect are answers of lib.bash

load lib
load servers

setup_file() {
	lab_open
	lab_store
	# Fails until the third attempt.
	cat >"$LAB/handlers/third" <<-'EOF'
		#!/bin/sh
		echo "attempt $HOOK_ATTEMPT of $HOOK_KEY" >>"${0%/handlers/*}/out/third"
		[ "$HOOK_ATTEMPT" -ge 3 ] || { echo "not yet" >&2; exit 1; }
	EOF
	chmod 755 "$LAB/handlers/third"
	{
		endpoint third idfy "run = { \"$LAB/handlers/third\" }" 'backoff = "1s"' 'retries = 5'
		endpoint gone idfy "run = { \"$LAB/handlers/exit\", \"100\" }"
		endpoint once idfy "run = { \"$LAB/handlers/exit\", \"7\" }" 'retries = 0'
		endpoint waits idfy "run = { \"$LAB/handlers/record\" }" 'mode = "wait"'
		endpoint waitfails idfy "run = { \"$LAB/handlers/exit\", \"9\" }" 'mode = "wait"'
		endpoint rated idfy "run = { \"$LAB/handlers/record\" }" 'rate = "2/h"'
	} >>"$LAB/etc/hookcgi.conf"
	server_start lighttpd_fastcgi
}

teardown_file() {
	lab_stop_workers
	lab_close
}

setup() { forget; }

# NUMBER: a body of its own.
numbered() {
	printf '{"id":"evt_%s","type":"document_signed","payload":{"n":%s}}' "$1" "$1" \
		>"$BATS_TEST_TMPDIR/body.$1"
	echo "$BATS_TEST_TMPDIR/body.$1"
}

# ID STATE
becomes() {
	wait_for 10 is "$1" "$2" && return 0
	echo "event $1 did not become $2:"
	lab_hookcgi show "$1"
	tail -n 5 "$LAB"/log/*
	return 1
}
# The number that the last answer gave.
number() { sed -n 's/.*"id":\([0-9]*\).*/\1/p' "$ANSWER.body"; }

@test "an event is answered with its number and its handler runs without a service or cron" {
	post idfy "$(numbered 1)"
	expect 200 "the event"
	answer_has '"status":"accepted","id":1'
	wait_for 10 has_run idfy
	handled idfy
	given HOOK_DELIVERY=1
	given HOOK_ATTEMPT=1
	given HOOK_DATA_PAYLOAD_N=1
	cmp "$effect.stdin" "$(numbered 1)"
	becomes 1 "done"
}

@test "a second delivery is a duplicate and runs nothing" {
	post idfy "$(numbered 2)"
	becomes "$(number)" "done"
	local first
	first=$(number)
	post idfy "$(numbered 2)"
	expect 200 "the duplicate"
	answer_has "\"status\":\"duplicate\",\"id\":$first"
	[ "$(runs idfy)" -eq 1 ]
}

@test "a failing handler is tried again until it succeeds" {
	post third "$(numbered 3)"
	expect 200 "the event"
	becomes "$(number)" "done"
	[ "$(wc -l <"$LAB/out/third")" -eq 3 ]
	lab_hookcgi show "$(number)" | grep -q "not yet"
}

@test "exit 100 and the last retry make an event dead, and the sender's retry queues it again" {
	post gone "$(numbered 4)"
	becomes "$(number)" dead
	local id
	id=$(number)
	post gone "$(numbered 4)"
	answer_has "\"status\":\"requeued\",\"id\":$id"
	becomes "$id" dead
	post once "$(numbered 5)"
	becomes "$(number)" dead
	lab_hookcgi show "$(number)" | grep -q 'exit.* 7'
}

@test "a dead event is replayed" {
	sed -i 's/"100"/"0"/' "$LAB/etc/hookcgi.conf"
	local id
	id=$(lab_hookcgi list --json --endpoint gone --limit 1 | sed -n 's/^{"id":\([0-9]*\).*/\1/p')
	# The worker takes the new configuration within a second; replay until it did.
	replayed() { lab_hookcgi replay "$id" >/dev/null && wait_for 2 is "$id" "done"; }
	wait_for 10 replayed
}

@test "while the sender waits the event is kept too" {
	post waits "$(numbered 6)"
	expect 200 "the waiting one"
	answer_has recorded
	handled waits
	lab_hookcgi list --json --endpoint waits | grep -q '"state":"done"'
	post waits "$(numbered 6)"
	answer_has '"status":"duplicate"'
	[ "$(runs waits)" -eq 1 ]
	post waitfails "$(numbered 7)"
	expect 500 "the failing one"
	lab_hookcgi list --json --endpoint waitfails | grep -q '"state":"dead"'
	post waitfails "$(numbered 7)"
	expect 500 "its retry runs again"
	lab_hookcgi show "$(lab_hookcgi list --json --endpoint waitfails | sed -n 's/^{"id":\([0-9]*\).*/\1/p')" |
		grep -q 'exit.* 9'
}

@test "what is signed and of no use is kept as dead" {
	printf '{"id":' >"$BATS_TEST_TMPDIR/cut"
	post idfy "$BATS_TEST_TMPDIR/cut"
	expect 200 "the unusable one"
	answer_has '"status":"unusable"'
	lab_hookcgi list --json --state dead --endpoint idfy | grep -q '"reason":"[^"]'
}

@test "twenty at once are twenty events and twenty runs" {
	local i
	for i in $(seq 101 120); do
		(
			post idfy "$(numbered "$i")"
			[ "$code" = 200 ]
		) &
	done
	wait
	wait_for 20 has_run idfy 20
	[ "$(runs idfy)" -eq 20 ]
}

@test "sixteen deliveries of one event at once are one event and one run" {
	local i file
	file=$(numbered 200)
	for i in $(seq 16); do
		(
			ANSWER=$BATS_TEST_TMPDIR/answer.$i
			post idfy "$file"
			echo "$code" >"$BATS_TEST_TMPDIR/code.$i"
		) &
	done
	wait
	[ "$(cat "$BATS_TEST_TMPDIR"/code.* | sort -u)" = 200 ]
	wait_for 10 has_run idfy
	[ "$(lab_hookcgi list --json --limit 1000 | grep -c '"event_id":"evt_200"')" -eq 1 ]
	[ "$(runs idfy)" -eq 1 ]
}

@test "more than the rate is put off" {
	post rated "$(numbered 301)"
	post rated "$(numbered 302)"
	expect 200 "the second"
	post rated "$(numbered 303)"
	expect 429 "the third"
	answer_has '^Retry-After: [0-9]'
}

@test "a refusal can be seen later" {
	request --data-binary x -H 'X-Idfy-Signature: no' "$BASE/idfy"
	expect 401 "the forged one"
	lab_hookcgi refused --json | grep '"status":401' | grep -q '"endpoint":"idfy"'
	request --data-binary x "$BASE/nowhere"
	lab_hookcgi refused | grep -q nowhere
}

@test "check says how the events are kept" {
	run lab_hookcgi check
	[[ $output == *"store $STORE"*"WAL"*"FULL"* ]]
}

@test "the store is private whatever the umask" {
	[ "$(find "${STORE%/*}" -type f -perm /077 | wc -l)" -eq 0 ]
}

@test "a killed worker loses nothing" {
	local i
	for i in $(seq 401 410); do
		post idfy "$(numbered "$i")"
		expect 200 "event $i"
		[ "$i" -ne 405 ] || lab_kill_workers
	done
	post idfy "$(numbered 411)"
	expect 200 "the last"
	all_done() { ! lab_hookcgi list --json --limit 1000 --endpoint idfy | grep -qE '"state":"(queued|running)"'; }
	wait_for 20 all_done
	for i in $(seq 401 411); do
		lab_hookcgi list --json --limit 1000 --state "done" | grep -q "\"event_id\":\"evt_$i\""
	done
}
