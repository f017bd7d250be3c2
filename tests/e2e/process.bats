#!/usr/bin/env bats
# process.bats - hookcgi as a process: how it ends, and what it lets nobody see
# shellcheck disable=SC2154 # code and effect are answers of lib.bash

load lib
load servers

setup_file() {
	lab_open
	cat >"$LAB/handlers/brief" <<-'EOF'
		#!/bin/sh
		touch "${0%/handlers/*}/out/begun"
		"${0%/handlers/*}/bin/sleep" 1.5
		echo finished
	EOF
	cat >"$LAB/handlers/daemon" <<-'EOF'
		#!/bin/sh
		"${0%/*}/nap" >/dev/null 2>&1 &
		echo "left $!"
	EOF
	chmod 755 "$LAB/handlers/brief" "$LAB/handlers/daemon"
	{
		endpoint brief idfy "run = { \"$LAB/handlers/brief\" }"
		endpoint daemon idfy "run = { \"$LAB/handlers/daemon\" }"
		endpoint fromenv idfy "run = { \"$LAB/handlers/record\" }" 'secret = "env:LAB_SECRET"'
	} >>"$LAB/etc/hookcgi.conf"
	LAB_SECRET=$(openssl rand -hex 20)
	export LAB_SECRET
	server_start lighttpd_fastcgi_socket
}

teardown_file() { lab_close; }

restart() {
	gone "$(cat "$LAB/run/hookcgi.main")" || stop "$(cat "$LAB/run/hookcgi.main")"
	rm -f "$LAB/run/hookcgi.sock"
	serve_on_socket
}

# A request in the background, its answer's status into $BATS_TEST_TMPDIR/code.
post_behind() {
	rm -f "$LAB/out/begun"
	curl -sS --max-time 20 -o "$BATS_TEST_TMPDIR/said" -w '%{http_code}' --data-binary "@$(body)" \
		-H "X-Idfy-Signature: $(signature sha256 idfy "$(body)")" "$BASE/$1" \
		>"$BATS_TEST_TMPDIR/code" 2>/dev/null 3>&- &
	behind=$!
	wait_for 5 test -e "$LAB/out/begun"
}

@test "TERM lets what is in flight finish" {
	local pid
	pid=$(cat "$LAB/run/hookcgi.main")
	post_behind brief
	kill -TERM "$pid"
	wait "$behind"
	[ "$(cat "$BATS_TEST_TMPDIR/code")" = 200 ]
	grep -q finished "$BATS_TEST_TMPDIR/said"
	wait_for 5 gone "$pid"
	wait_for 2 no_hookcgi
	restart
	post idfy "$(body)"
	expect 200 "after the restart"
}

# No process of the service, its runners included; the web server's are named otherwise.
no_hookcgi() { ! lab_processes | grep -E "bin/hookcgi|handlers/"; }

@test "HUP changes nothing" {
	kill -HUP "$(cat "$LAB/run/hookcgi.main")"
	post idfy "$(body)"
	expect 200 "after HUP"
	not gone "$(cat "$LAB/run/hookcgi.main")"
}

@test "a killed service leaves no runner and no handler's result behind" {
	post idfy "$(body)" # so that a runner is there
	kill -KILL "$(cat "$LAB/run/hookcgi.main")"
	wait_for 5 no_hookcgi || {
		lab_processes
		return 1
	}
	restart
	post idfy "$(body)"
	expect 200 "after the restart"
}

# A threaded process cannot start another: it ends, and whoever started it starts it again.
@test "a service whose runners' parent was killed ends by itself" {
	local main pid
	main=$(cat "$LAB/run/hookcgi.main")
	post idfy "$(body)"
	for pid in $(lab_processes | grep 'bin/hookcgi' | cut -d' ' -f1); do
		[ "$pid" = "$main" ] || ! grep -q '^hookcgi-' "/proc/$pid/comm" || kill -KILL "$pid"
	done
	post idfy "$(body)"
	expect 503 "without runners"
	wait_for 5 gone "$main"
	restart
	post idfy "$(body)"
	expect 200 "after the restart"
}

@test "the socket is for owner and group" {
	[ "$(stat -c %a "$LAB/run/hookcgi.sock")" = 660 ]
}

@test "a second service does not take the socket of a living one" {
	run "${AS_USER[@]}" env HOOKCGI_CONFIG="$LAB/etc/hookcgi.conf" timeout 10 \
		"$LAB/bin/hookcgi" serve --listen "unix:$LAB/run/hookcgi.sock"
	[ "$status" -eq 1 ]
	post idfy "$(body)"
	expect 200 "the first one"
	echo precious >"$LAB/run/file"
	run "${AS_USER[@]}" timeout 10 "$LAB/bin/hookcgi" serve --listen "unix:$LAB/run/file"
	[ "$status" -eq 1 ]
	[ "$(cat "$LAB/run/file")" = precious ]
}

@test "a place that is none is a wrong call" {
	run "$LAB/bin/hookcgi" serve --listen nowhere
	[ "$status" -eq 2 ]
	[[ "$output" == *"--listen needs unix:PATH"* ]]
}

@test "the listening socket is nobody's but the service's" {
	local inode pid held=""
	inode=$(awk -v path="$LAB/run/hookcgi.sock" '$8 == path { print $7; exit }' /proc/net/unix)
	[ -n "$inode" ]
	post_behind brief
	for pid in $(lab_processes | grep -E 'bin/hookcgi|handlers/|bin/sleep' | cut -d' ' -f1); do
		if find "/proc/$pid/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q .; then
			held="$held $pid"
		fi
	done
	wait "$behind"
	[ "$held" = " $(cat "$LAB/run/hookcgi.main")" ] || {
		echo "held by:$held"
		lab_processes
		# only root and hookcgi's own tracer may look into the service itself
		[ "$(id -u)" -ne 0 ] && [ -z "$held" ]
	}
}

@test "a handler may leave a process behind, and it holds nothing up" {
	local left
	post daemon "$(body)"
	expect 200 "a handler that starts a daemon"
	cp "$ANSWER.body" "$LAB/log/daemon"
	post idfy "$(body)"
	expect 200 "after it"
	left=$(sed -n 's/^left //p' "$LAB/log/daemon")
	not gone "$left"
	kill "$left"
}

@test "a secret is in no command line, environment, log or output" {
	local secret=$LAB/etc/idfy.secret place
	post_behind brief
	for place in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
		if grep -qaFf "$secret" "$place" 2>/dev/null; then
			echo "it is in $place"
			return 1
		fi
	done
	wait "$behind"
	forget
	post idfy "$(body)"
	post fails "$(body)"
	request --data-binary "@$(body)" -H "X-Idfy-Signature: 00" "$BASE/idfy"
	not grep -raFf "$secret" "$LAB/log" "$LAB/out" "$LAB/run" "$ANSWER.body" 2>/dev/null
}

@test "a secret of the environment does not reach handlers" {
	local file
	stop "$(cat "$LAB/run/hookcgi.main")"
	rm -f "$LAB/run/hookcgi.sock"
	start hookcgi "${AS_USER[@]}" env HOOKCGI_CONFIG="$LAB/etc/hookcgi.conf" LAB_SECRET="$LAB_SECRET" \
		"$LAB/bin/hookcgi" serve --listen "unix:$LAB/run/hookcgi.sock"
	wait_for 10 test -S "$LAB/run/hookcgi.sock"
	printf '%s' "$LAB_SECRET" >"$LAB/etc/fromenv.secret"
	file=$(body)
	forget
	request --data-binary "@$file" -H "X-Idfy-Signature: $(signature sha256 fromenv "$file")" "$BASE/fromenv"
	expect 200 "a secret of the environment"
	handled fromenv
	not grep -F "$LAB_SECRET" "$effect.env"
	restart
}
