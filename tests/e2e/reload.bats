#!/usr/bin/env bats
# reload.bats - a changed configuration is in force within a second, and a broken one is not
# shellcheck disable=SC2154 # code and effect are answers of lib.bash

load lib
load servers

setup_file() {
	lab_open
	server_start lighttpd_fastcgi
}

teardown_file() { lab_close; }

# Replace a file as an editor does: written beside, renamed over it.
replace() {
	cat >"$LAB/etc/new"
	chmod 600 "$LAB/etc/new"
	chown "$LAB_USER" "$LAB/etc/new"
	mv "$LAB/etc/new" "$LAB/etc/$1"
}

answers() {
	post "$2" "$(body)"
	[ "$code" = "$1" ]
}

# The documented second, and one for a slow machine.
soon() { wait_for 2 "$@"; }

# For a change that must not come into force: asked until it surely would have.
stays() {
	local until=$((SECONDS + 2))
	while [ "$SECONDS" -lt "$until" ]; do
		"$@" || return 1
		sleep 0.1
	done
}

@test "a new endpoint answers within a second" {
	answers 404 fresh
	{
		cat "$LAB/etc/hookcgi.conf"
		endpoint fresh idfy "run = { \"$LAB/handlers/record\" }"
	} | replace hookcgi.conf
	soon answers 200 fresh
}

@test "a file that is written in place is noticed too" {
	answers 404 inplace
	endpoint inplace idfy "run = { \"$LAB/handlers/record\" }" >>"$LAB/etc/hookcgi.conf"
	soon answers 200 inplace
}

@test "an emptied file, as an upload begins with, puts nothing out of service" {
	cp -p "$LAB/etc/hookcgi.conf" "$LAB/etc/good"
	: >"$LAB/etc/hookcgi.conf"
	stays answers 200 idfy
	grep -q 'names no endpoint' "$LAB"/log/*
	replace hookcgi.conf <"$LAB/etc/good"
}

@test "a broken file is reported and the old one stays in force" {
	cp -p "$LAB/etc/hookcgi.conf" "$LAB/etc/good"
	{
		cat "$LAB/etc/good"
		echo 'nonsense = 1'
	} | replace hookcgi.conf
	stays answers 200 idfy
	cat "$LAB/log/hookcgi.log"
	[ "$(grep -cE "hookcgi\.conf line=$(($(wc -l <"$LAB/etc/good") + 1)) message=" "$LAB/log/hookcgi.log")" -eq 1 ]
	grep -q "stays in force" "$LAB/log/hookcgi.log"
	replace hookcgi.conf <"$LAB/etc/good"
	endpoint mended idfy "run = { \"$LAB/handlers/record\" }" >>"$LAB/etc/hookcgi.conf"
	soon answers 200 mended
}

@test "a file that has gone leaves the old one in force" {
	mv "$LAB/etc/hookcgi.conf" "$LAB/etc/away"
	stays answers 200 idfy
	mv "$LAB/etc/away" "$LAB/etc/hookcgi.conf"
	stays answers 200 idfy
}

@test "a secret is rotated by a rename" {
	local file old
	file=$(body)
	old=$(signature sha256 idfy "$file")
	answers 200 idfy
	openssl rand -hex 20 | replace idfy.secret
	soon answers 200 idfy
	request --data-binary "@$file" -H "X-Idfy-Signature: $old" "$BASE/idfy"
	expect 401 "the old secret"
}

@test "two secrets verify during a change of secrets" {
	local file
	file=$(body)
	{
		cat "$LAB/etc/hookcgi.conf"
		endpoint both idfy "run = { \"$LAB/handlers/record\" }" 'secret = { "file:sixpark.secret", "file:idfy.secret" }'
	} | replace hookcgi.conf
	soon answers 200 both
	request --data-binary "@$file" -H "X-Idfy-Signature: $(signature sha256 sixpark "$file")" "$BASE/both"
	expect 200 "the other secret"
	request --data-binary "@$file" -H "X-Idfy-Signature: $(signature sha256 digivault "$file")" "$BASE/both"
	expect 401 "a third one"
}

@test "a secret that becomes readable for others closes its endpoint" {
	chmod 644 "$LAB/etc/idfy.secret"
	soon answers 503 idfy
	chmod 600 "$LAB/etc/idfy.secret"
	soon answers 200 idfy
}
