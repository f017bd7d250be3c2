#!/usr/bin/env bats
# fastcgi.bats - what a web server would never send, straight to the socket of hookcgi serve

load lib
load servers

setup_file() {
	lab_open
	printf 'threads = 4\nread_timeout = "2s"\n' | cat - "$LAB/etc/hookcgi.conf" >"$LAB/conf/new"
	cat "$LAB/conf/new" >"$LAB/etc/hookcgi.conf"
	endpoint unwanted idfy 'events = { "none" }' 'run = { "/bin/false" }' \
		'secret = "file:idfy.secret"' 'body_limit = "4M"' >>"$LAB/etc/hookcgi.conf"
	serve_on_socket
}

teardown_file() { lab_close; }

# What the client prints goes to $said, its exit status to $status.
fastcgi() {
	run python3 "$BATS_TEST_DIRNAME/fcgi_client.py" "$LAB/run/hookcgi.sock" "$@"
}

# ARGUMENT...: a rightly signed event for idfy, changed by them.
event() {
	fastcgi PATH_INFO=/idfy CONTENT_TYPE=application/json \
		HTTP_X_IDFY_SIGNATURE="$(signature sha256 idfy "$(body)")" --body "$(body)" "$@"
}

# STATUS: the answer that came.
answered() {
	[[ $output == *"Status: $1"* ]] && return 0
	echo "not $1: exit $status, $output"
	return 1
}

# The service lives, and nothing that was wrong before has run.
still_right() {
	[ "$(runs idfy)" -eq 0 ]
	event
	answered 200
	[ "$(runs idfy)" -eq 1 ]
}

setup() { forget; }

@test "a whole request is handled" {
	event
	[ "$status" -eq 0 ]
	answered 200
	handled idfy
	given HOOK_REMOTE_ADDR=192.0.2.1
}

@test "a request that breaks off runs nothing" {
	local fault
	for fault in cut-params cut-body no-end abort other-version garbage; do
		event --fault "$fault" --timeout 10
		[[ $output != *"Status: 2"* ]] || {
			echo "$fault: $output"
			return 1
		}
	done
	still_right
}

@test "a body that is not as long as declared runs nothing" {
	local length size
	size=$(wc -c <"$(body)")
	for length in $((size + 1)) $((size - 1)) 0 -1 +5 "4, 4" 0x39 99999999999999999999 \
		9223372036854775808 18446744073709551617 "$size x"; do
		event --length "$length"
		[[ $output == *"Status: 4"* ]] || {
			echo "CONTENT_LENGTH=$length: $output"
			return 1
		}
	done
	# rightly signed is what was declared, and there is more
	printf '%s ' "$(cat "$(body)")" >"$BATS_TEST_TMPDIR/more"
	fastcgi PATH_INFO=/idfy HTTP_X_IDFY_SIGNATURE="$(signature sha256 idfy "$(body)")" \
		--body "$BATS_TEST_TMPDIR/more" --length "$size"
	answered 400
	event --length none
	answered 200
	forget
	still_right
}

@test "a body is what it is, however its records are laid out and come" {
	local layout
	for layout in "--record 1 --padded" "--record 7" "--record 65535 --padded"; do
		# shellcheck disable=SC2086 # options
		event $layout --fault late-body
		answered 200
		# shellcheck disable=SC2086
		event $layout --cuts 6 --count 25 --length none
		answered 200
		[ "$(grep -c '^Status: 200' <<<"$output")" -eq 25 ]
	done
	[ "$(runs idfy)" -eq 78 ]
}

# ENDPOINT BYTES ARGUMENT...: a rightly signed event with so many blanks behind it.
large_event() {
	local name=$1 file
	file=$(mktemp "$BATS_TEST_TMPDIR/large.XXXXXX")
	printf '%s%*s' "$(cat "$(body)")" "$2" '' >"$file"
	shift 2
	fastcgi PATH_INFO="/$name" CONTENT_TYPE=application/json --body "$file" \
		HTTP_X_IDFY_SIGNATURE="$(signature sha256 idfy "$file")" "$@"
}

@test "a large body is read to its end, limit or fault" {
	local fault
	large_event big 1500000
	answered 200
	large_event big 1500000 --length none --record 65535 --padded
	answered 200
	[ "$(runs big)" -eq 2 ]
	large_event big 4500000 # more than body_limit: all of it is taken
	answered 413
	[ "$status" -eq 0 ]
	large_event big 4500000 --length none
	answered 413
	[ "$status" -eq 0 ]
	for fault in cut-body no-end other-version; do
		large_event big 1500000 --fault "$fault"
		answered 400
	done
	large_event big 1500000 --fault stall-body
	answered 408
	[ "$(runs big)" -eq 2 ]
}

# shellcheck disable=SC2030 # each of them has its own output
@test "many large bodies at once are all read" {
	local sent=() one
	for one in 1 2 3 4 5 6 7 8 9 10 11 12; do
		is_unwanted 3>&- &
		sent+=($!)
	done
	for one in "${sent[@]}"; do wait "$one"; done
}

# Unwanted is what was read whole and is rightly signed.
# shellcheck disable=SC2031
is_unwanted() {
	large_event unwanted 1500000 --cuts 20
	answered 200
	[[ $output == *ignored* ]]
}

@test "what is signed twice is refused, and so is an authorizer's request" {
	event HTTP_X_IDFY_SIGNATURE="$(printf '%064d' 0)"
	answered 400
	event --role authorizer
	[[ $output != *"Status: 200"* ]]
	still_right
}

@test "a connection that is kept open occupies nobody" {
	event --keep
	answered 200
	[ "$status" -eq 0 ]
	event --keep --count 8
	[ "$status" -eq 0 ]
	[ "$(runs idfy)" -eq 9 ]
}

@test "who does not wait for the answer is handled all the same" {
	event --fault gone
	wait_for 5 ran_once
	event
	answered 200
}

ran_once() { [ "$(runs idfy)" -eq 1 ]; }

@test "stalled peers are dropped, and others are served meanwhile" {
	local fault sent=() one
	for fault in silent stall-params stall-body; do
		event --fault "$fault" --timeout 20 3>&- &
		sent+=($!)
	done
	event --timeout 20
	answered 200
	# more of them than threads: they are dropped when read_timeout is over
	for fault in silent stall-params stall-body stall-body stall-params silent; do
		event --fault "$fault" --timeout 30 3>&- &
		sent+=($!)
	done
	event --timeout 30
	answered 200
	for one in "${sent[@]}"; do wait "$one"; done
	[ "$(runs idfy)" -eq 2 ]
}

# Not every length: libfcgi 2.4.2 aborts by an assertion where name and value
# together pass 2 GiB. Who may write to the socket is trusted that far.
@test "a name or value of two gigabytes is not waited for" {
	python3 - "$LAB/run/hookcgi.sock" <<-'EOF'
		import socket, struct, sys

		for length in (0x7fffffff, 0x00ffffff):
		    peer = socket.socket(socket.AF_UNIX)
		    peer.settimeout(20)
		    peer.connect(sys.argv[1])
		    pair = struct.pack(">II", length | 0x80000000, length | 0x80000000) + b"A" * 64
		    begin = struct.pack(">BBHHBxHB5x", 1, 1, 1, 8, 0, 1, 0)
		    params = struct.pack(">BBHHBx", 1, 4, 1, len(pair), 0) + pair
		    try:
		        peer.sendall(begin + params)
		        peer.shutdown(socket.SHUT_WR)
		        while peer.recv(65536):
		            pass
		    except ConnectionError:
		        pass
	EOF
	still_right
	[ "$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$(cat "$LAB/run/hookcgi.main")/status")" -lt 200000 ]
}

# Threads fall asleep and are called all the time here; one that nobody calls would leave the last ones waiting.
# It comes last: a sanitizer keeps what was freed, and the test before looks at the memory.
@test "in bursts of any size nobody is left waiting" {
	printf '{"pad":"%0300000d"}' 0 >"$BATS_TEST_TMPDIR/large"
	PYTHONPATH=$BATS_TEST_DIRNAME python3 - "$LAB/run/hookcgi.sock" \
		"$(body)" "$(signature sha256 idfy "$(body)")" \
		"$BATS_TEST_TMPDIR/large" "$(signature sha256 idfy "$BATS_TEST_TMPDIR/large")" <<-'EOF'
		import random, sys
		from fcgi_client import BEGIN, PARAMS, STDIN, connect, pair, receive, record, stream

		def request(file, signature):
		    body = open(file, "rb").read()
		    variables = {"REQUEST_METHOD": "POST", "PATH_INFO": "/unwanted", "CONTENT_LENGTH": str(len(body)),
		                 "CONTENT_TYPE": "application/json", "HTTP_X_IDFY_SIGNATURE": signature}
		    pairs = b"".join(pair(name.encode(), value.encode()) for name, value in variables.items())
		    return (record(BEGIN, b"\0\1" + bytes(6)) + stream(PARAMS, pairs) + record(PARAMS),
		            stream(STDIN, body) + record(STDIN))

		small, large = request(*sys.argv[2:4]), request(*sys.argv[4:6])
		random.seed(7)
		for burst in range(500):
		    # fewer late ones than threads
		    sent = [(connect(sys.argv[1], 10), random.choice([small, small, large]), i < 2 and random.random() < 0.5)
		            for i in range(random.randint(1, 12))]
		    for peer, (head, rest), late in sent:
		        peer.sendall(head if late else head + rest)
		    for peer, (head, rest), late in sent:
		        if late:
		            peer.sendall(rest)
		    for peer, _, _ in sent:
		        out, _, ended = receive(peer)
		        peer.close()
		        if not ended or b"Status: 200" not in out:
		            sys.exit(f"burst {burst}: {out}")
	EOF
}
