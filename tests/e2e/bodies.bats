#!/usr/bin/env bats
# bodies.bats - forms that hold the event in a field, multipart forms, and compressed bodies
# shellcheck disable=SC2154 # code, effect and ANSWER are answers of lib.bash

load lib
load servers

setup_file() {
	lab_open
	lab_store
	{
		provider inform 'document = "payload"'
		provider partial 'document = "payload"' | sed 's/"{body}"/"{form:payload}"/'
		provider zipped 'gzip = "signed"'
		provider zippedlate 'gzip = "plain"'
		for name in inform partial zipped zippedlate; do
			endpoint "$name" "$name" "run = { \"$LAB/handlers/record\" }" \
				'secret = "file:idfy.secret"'
			endpoint "${name}raw" "$name" "run = { \"$LAB/handlers/record\" }" \
				'secret = "file:idfy.secret"' 'stdin = "raw"'
		done
	} >>"$LAB/etc/hookcgi.conf"
	server_start lighttpd_fastcgi
}

teardown_file() {
	lab_stop_workers
	lab_close
}

setup() { forget; }

# NAME OPTION: a provider that signs like idfy, with this besides.
provider() {
	printf 'provider "%s" {\n\theader = "X-Idfy-Signature"\n\talgorithm = "hmac-sha256"\n' "$1"
	printf '\tsigns = "{body}"\n\tevent = "{body:type}"\n\t%s\n}\n' "$2"
}

# TEXT [NAME]: a file that holds it.
file() {
	local name=$BATS_TEST_TMPDIR/${2:-file}
	printf %s "$1" >"$name"
	echo "$name"
}

# NAME VALUE...: a multipart body of these fields and one file, with the boundary x.
multipart() {
	while [ $# -gt 0 ]; do
		printf -- '--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' "$1" "$2"
		shift 2
	done
	printf -- '--x\r\nContent-Disposition: form-data; name="up"; filename="a.png"\r\n'
	printf 'Content-Type: image/png\r\n\r\n\211PNG\r\n\r\n--x--\r\n'
}

# ENDPOINT FILE SIGNED ARGUMENT...: send the one file, signed as the other.
send() {
	local name=$1 file=$2 signed=$3
	shift 3
	request --data-binary "@$file" -H "X-Idfy-Signature: $(signature sha256 idfy "$signed")" \
		"$@" "$BASE/$name"
}
send_form() { send "$1" "$2" "$2" -H 'Content-Type: application/x-www-form-urlencoded'; }
send_multipart() { send "$1" "$2" "$2" -H 'Content-Type: multipart/form-data; boundary=x'; }
send_zipped() {
	send "$@" -H 'Content-Type: application/json' -H 'Content-Encoding: gzip'
}

# ENDPOINT
is_handled() {
	wait_for 10 has_run "$1"
	handled "$1"
}

@test "the field that holds the event is what the handler gets, from the worker too" {
	local form
	form=$(file 'payload=%7B%22type%22%3A+%22pay+it%22%2C%22n%22%3A7%7D&x=1')
	send_form inform "$form"
	expect 200 "the form"
	is_handled inform
	[ "$(cat "$effect.stdin")" = '{"type": "pay it","n":7}' ]
	given 'HOOK_EVENT=pay it'
	given 'HOOK_DATA_N=7'
	not grep -q HOOK_DATA_X "$effect.env"
	send_form informraw "$form"
	is_handled informraw
	cmp "$effect.stdin" "$form"
}

@test "the field may be one of a multipart form" {
	local form=$BATS_TEST_TMPDIR/form
	multipart x 1 payload '{"type": "a+b"}' >"$form"
	send_multipart inform "$form"
	expect 200 "the form"
	is_handled inform
	[ "$(cat "$effect.stdin")" = '{"type": "a+b"}' ]
	given 'HOOK_EVENT=a+b'
	send_multipart informraw "$form"
	is_handled informraw
	cmp "$effect.stdin" "$form"
}

@test "a multipart form without the field is a form, its files by name and size" {
	local form=$BATS_TEST_TMPDIR/form
	multipart type sent 'a[b]' 'c d' >"$form"
	send_multipart inform "$form"
	expect 200 "the form"
	is_handled inform
	printf %s '{"type":"sent","a":{"b":"c d"},' \
		'"up":{"filename":"a.png","type":"image/png","size":"6"}}' | cmp - "$effect.stdin"
	given 'HOOK_EVENT=sent'
	given 'HOOK_DATA_A_B=c d'
	given 'HOOK_DATA_UP_FILENAME=a.png'
}

@test "what the field holds must be JSON, once" {
	local form
	for form in 'payload=x' 'payload={}&payload={}'; do
		send_form inform "$(file "$form")"
		expect 200 "$form"
		answer_has '"status":"unusable"'
	done
	lab_hookcgi list --json --state dead >"$BATS_TEST_TMPDIR/dead"
	grep -q 'the field payload' "$BATS_TEST_TMPDIR/dead"
	[ "$(runs inform)" -eq 0 ]
}

@test "a compressed body whose bytes are signed arrives uncompressed" {
	local plain
	plain=$(file '{"type":"zip","n":1}' plain)
	gzip -nc "$plain" >"$plain.gz"
	send_zipped zipped "$plain.gz" "$plain.gz"
	expect 200 "the body"
	is_handled zipped
	cmp "$effect.stdin" "$plain"
	given HOOK_EVENT=zip
	given HOOK_DATA_N=1
	send_zipped zippedraw "$plain.gz" "$plain.gz"
	is_handled zippedraw
	cmp "$effect.stdin" "$plain"
	# Compressed otherwise, or not at all, it is the same event.
	{ gzip -nc </dev/null && gzip -n1c "$plain"; } >"$plain.2.gz"
	send_zipped zipped "$plain.2.gz" "$plain.2.gz"
	answer_has '"status":"duplicate"'
	send zipped "$plain" "$plain" -H 'Content-Type: application/json'
	answer_has '"status":"duplicate"'
	# A signature over what it stands for is none.
	send_zipped zipped "$plain.gz" "$plain"
	expect 401 "the other signature"
}

@test "a compressed body that was signed before arrives uncompressed" {
	local plain
	plain=$(file '{"type":"zip","n":2}' plain)
	gzip -nc "$plain" >"$plain.gz"
	send_zipped zippedlate "$plain.gz" "$plain"
	expect 200 "the body"
	is_handled zippedlate
	cmp "$effect.stdin" "$plain"
	given HOOK_EVENT=zip
	send zippedlate "$plain.gz" "$plain" -H 'Content-Encoding: X-GZIP'
	answer_has '"status":"duplicate"'
	send_zipped zippedlate "$plain.gz" "$plain.gz"
	expect 401 "the other signature"
}

@test "bombs and broken gzip are refused, and who does not compress sends nothing compressed" {
	local bomb=$BATS_TEST_TMPDIR/bomb plain
	head -c 20000000 /dev/zero >"$bomb"
	gzip -nc "$bomb" >"$bomb.gz"
	send_zipped zipped "$bomb.gz" "$bomb.gz"
	expect 413 "a bomb, signed"
	send_zipped zippedlate "$bomb.gz" "$bomb"
	expect 413 "a bomb"
	plain=$(file '{"type":"zip"}' plain)
	gzip -nc "$plain" | head -c 20 >"$plain.cut"
	send_zipped zipped "$plain.cut" "$plain.cut"
	expect 400 "cut off, signed"
	send_zipped zippedlate "$plain.cut" "$plain"
	expect 400 "cut off"
	send zipped "$plain" "$plain" -H 'Content-Encoding: deflate'
	expect 415 "another encoding"
	gzip -nc "$plain" >"$plain.gz"
	send_zipped inform "$plain.gz" "$plain.gz"
	expect 415 "not compressed by this provider"
	[ -z "$(ls "$LAB/out")" ]
}

@test "zlib is no library that each start would load" {
	not grep -q 'libz\.so' <(ldd "$HOOKCGI")
}

@test "a form around a signed document is no new event, whatever stands beside it" {
	local doc
	doc=$(file '{"type":"push","n":4711}' doc)
	send partial "$(file 'payload=%7B%22type%22%3A%22push%22%2C%22n%22%3A4711%7D' one)" "$doc" \
		-H 'Content-Type: application/x-www-form-urlencoded'
	expect 200 "the form"
	answer_has accepted
	send partial "$(file 'junk=1&payload=%7b%22type%22%3a%22push%22%2C%22n%22:4711}' two)" "$doc" \
		-H 'Content-Type: application/x-www-form-urlencoded'
	expect 200 "the same document in another form"
	answer_has duplicate
}
