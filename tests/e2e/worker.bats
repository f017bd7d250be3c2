#!/usr/bin/env bats
# worker.bats - hookcgi worker as a service and from cron, where the endpoint starts none itself
# shellcheck disable=SC2154 # code and effect are answers of lib.bash

load lib
load servers

setup_file() {
	lab_open
	lab_store
	cat >"$LAB/handlers/brief" <<-'EOF'
		#!/bin/sh
		touch "${0%/handlers/*}/out/begun"
		"${0%/handlers/*}/bin/sleep" 1.5
		touch "${0%/handlers/*}/out/finished"
	EOF
	chmod 755 "$LAB/handlers/brief"
	{
		echo 'worker = "off"'
		endpoint brief idfy "run = { \"$LAB/handlers/brief\" }"
		endpoint later idfy "run = { \"$LAB/handlers/exit\", \"75\" }" 'backoff = "1h"'
	} >>"$LAB/etc/hookcgi.conf"
	# What a worker would complain about.
	sed -i '/"misconfigured"/,/^}/d; /"missing"/,/^}/d' "$LAB/etc/hookcgi.conf"
	server_start lighttpd_fastcgi
}

teardown_file() { lab_close; }

setup() { forget; }

teardown() {
	[ ! -e "$LAB/run/worker.main" ] || stop "$(cat "$LAB/run/worker.main")"
	rm -f "$LAB/run/worker.main"
	lab_hookcgi worker --once
}

start_worker() {
	start worker "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/etc/hookcgi.conf" worker "$@"
	worker=$(cat "$LAB/run/worker.main")
}

# ENDPOINT WORD: an event with a body of its own, accepted into $id.
put() {
	local file=$BATS_TEST_TMPDIR/body.$2
	printf '{"id":"evt_%s","type":"document_signed"}' "$BATS_TEST_NUMBER-$2" >"$file"
	post "$1" "$file"
	expect 200 "an event for $1"
	answer_has '"status":"accepted"'
	id=$(sed -n 's/.*"id":\([0-9]*\).*/\1/p' "$ANSWER.body")
}

@test "--once runs what is due, leaves retries, and ends" {
	put idfy a
	local first=$id
	put later b
	[ "$(runs idfy)" -eq 0 ] # worker = "off": nobody else did
	run lab_hookcgi worker --once
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	handled idfy
	given HOOK_ATTEMPT=1
	given "HOOK_DELIVERY=$first"
	is "$first" "done"
	is "$id" queued
	run lab_hookcgi worker --once
	[ "$status" -eq 0 ]
	[ "$(runs idfy)" -eq 1 ]
}

@test "a service is woken by the endpoint, and TERM lets its handler finish" {
	start_worker --runners 2
	put idfy a
	wait_for 5 has_run idfy
	put brief b
	wait_for 5 test -e "$LAB/out/begun"
	stop "$worker"
	[ -e "$LAB/out/finished" ]
	is "$id" "done"
}

@test "a second worker is refused, and --once leaves the work to the first" {
	start_worker
	put idfy a
	wait_for 5 has_run idfy
	run lab_hookcgi worker
	[ "$status" -eq 1 ]
	[[ "$output" == *"another worker has $STORE"* ]]
	run lab_hookcgi worker --once
	[ "$status" -eq 0 ]
}

@test "a killed worker leaves no runner, and the next one goes on" {
	start_worker
	put brief a
	wait_for 5 test -e "$LAB/out/begun"
	kill -KILL "$worker"
	start_worker --runners 4
	put idfy b
	wait_for 5 has_run idfy
	no_old_runner() { [ "$(lab_processes | grep -c 'hookcgi.* worker')" -eq 5 ]; }
	wait_for 5 no_old_runner # one supervisor and its four
}

@test "--idle ends a worker that has nothing to do" {
	# It stays as long as a retry waits.
	lab_hookcgi list --json --limit 0 --state queued | sed -n 's/^{"id":\([0-9]*\).*/\1/p' |
		while read -r id; do sqlite3 "$STORE" "UPDATE event SET due = 1 WHERE id = $id"; done
	sed -i 's/"75"/"0"/' "$LAB/etc/hookcgi.conf"
	start_worker --idle 300ms
	wait_for 10 gone "$worker"
}

@test "calls that are wrong, and --help" {
	local arguments
	for arguments in "--runners 0" "--runners 65" "--runners x" "--idle soon" "--idle 0" \
		"--once --idle 5m" "now" "--twice"; do
		# shellcheck disable=SC2086 # words
		run lab_hookcgi worker $arguments
		[ "$status" -eq 2 ] || {
			echo "worker $arguments: exit $status"
			return 1
		}
	done
	run lab_hookcgi worker --help
	[ "$status" -eq 0 ]
	[[ "$output" == *"--once"*"--runners"*"--idle"* ]]
	echo 'store = "none"' >"$LAB/etc/none.conf"
	chmod 600 "$LAB/etc/none.conf"
	chown "$LAB_USER" "$LAB/etc/none.conf"
	run "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/etc/none.conf" worker --once
	[ "$status" -eq 78 ]
	[[ "$output" == *"there is no queue to work on"* ]]
}
