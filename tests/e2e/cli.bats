#!/usr/bin/env bats
# cli.bats - the command line: what each command prints, and its exit codes (0 done, 1 no, 2 usage, 78 bad config)
# shellcheck disable=SC2154 # code and effect are answers of lib.bash

load lib
load servers

setup_file() {
	lab_open
	sed -i '/"misconfigured"/,/^}/d; /"missing"/,/^}/d' "$LAB/etc/hookcgi.conf"
	server_start lighttpd_fastcgi
}

teardown_file() { lab_close; }

# The command as the user whose configuration it is.
hookcgi() { "${AS_USER[@]}" "$HOOKCGI_COPY" "$@"; }

setup() { HOOKCGI_COPY=$LAB/bin/hookcgi; }

# EXIT ARGUMENT...: run it with the lab's configuration.
ends_with() {
	local wanted=$1
	shift
	run hookcgi -c "$LAB/etc/hookcgi.conf" "$@"
	[ "$status" -eq "$wanted" ] || {
		echo "hookcgi $*: exit $status, not $wanted"
		echo "$output"
		return 1
	}
}

# TEXT EXIT PATTERN: a configuration of its own, what check says about it and where.
check_says() {
	local file=$LAB/etc/try.conf
	printf '%s\n' "$1" >"$file"
	chmod 600 "$file"
	chown "$LAB_USER" "$file"
	run hookcgi -c "$file" check
	[ "$status" -eq "$2" ] && grep -qE -- "$3" <<<"$output" && return 0
	printf 'check: exit %s, not %s, or nothing like %s in\n%s\n' "$status" "$2" "$3" "$output"
	return 1
}

# NAME TEXT: a file that the lab's user can read, and nobody else.
secret_file() {
	printf %b "$2" >"$LAB/etc/$1"
	chown "$LAB_USER" "$LAB/etc/$1"
	chmod 600 "$LAB/etc/$1"
}

# EXIT ENDPOINT PATTERN: what explain says of the request in $LAB/conf/request.
explain_says() {
	run hookcgi -c "$LAB/etc/try.conf" explain "$2" "$LAB/conf/request"
	[ "$status" -eq "$1" ] && grep -qE -- "$3" <<<"$output" && return 0
	printf 'explain: exit %s, not %s, or nothing like %s in\n%s\n' "$status" "$1" "$3" "$output"
	return 1
}

@test "version names the program and a version" {
	ends_with 0 version
	[[ $output =~ ^hookcgi\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	ends_with 0 --version
}

@test "no command and an unknown one are usage errors" {
	run hookcgi
	[ "$status" -eq 2 ]
	[[ $output == *"usage: hookcgi"* ]]
	ends_with 2 bogus
	ends_with 2 check --bogus
	ends_with 2 get
	ends_with 2 sign
	ends_with 2 sign idfy --time=abc
	ends_with 2 send idfy
	ends_with 2 provider a b
	run hookcgi check -c
	[ "$status" -eq 2 ]
}

@test "every command explains itself" {
	local command
	for command in check serve worker list show replay refused stats prune provider secret sign send explain get; do
		ends_with 0 "$command" --help
		[[ $output == "usage: hookcgi"*"$command"* ]]
	done
}

@test "check says what each endpoint will do" {
	local name
	ends_with 0 check
	for name in $PROVIDERS tempfail slow big; do
		[[ $output == *"$name"* ]]
	done
	[[ $output == *"no faults"* ]]
	[[ $output == *"$LAB/handlers/record"* ]]
	[[ $output != *"$(cat "$LAB/etc/idfy.secret")"* ]]
}

@test "check finds every fault with file and line" {
	local record="run = {\"$LAB/handlers/record\"}" at="$LAB/etc/try.conf:"
	check_says "endpoint \"a\" { provider = \"idfy\" secret = \"file:idfy.secret\" $record }" 0 'no faults'
	check_says $'\nnonsense = 1' 78 "${at}2: .*nonsense"
	check_says 'endpoint "a" {' 78 "$at"
	check_says $'endpoint "a" {\n provider = "idfy"\n tymeout = "1s"\n}' 78 "${at}3: .*tymeout"
	check_says $'\nendpoint "a" { secret = "x" '"$record }" 78 "${at}2: .*provider"
	check_says "endpoint \"a\" { provider = \"no-such\" secret = \"x\" $record }" 78 "${at}1: .*no-such"
	check_says "endpoint \"a\" { provider = \"idfy\" $record }" 78 "${at}1: .*secret"
	check_says "endpoint \"a\" { provider = \"idfy\" secret = \"file:empty.secret\" $record }" 78 'empty'
	check_says "endpoint \"a\" { provider = \"idfy\" secret = \"file:none.secret\" $record }" 78 'none\.secret'
	check_says "endpoint \"a\" { provider = \"idfy\" secret = \"env:NOT_SET\" $record }" 78 'NOT_SET'
	check_says 'endpoint "a" { provider = "idfy" secret = "file:idfy.secret" run = {"/nowhere/handler"} }' 0 "${at}1: warning: .*/nowhere/handler"
	check_says "endpoint \"A b\" { provider = \"idfy\" secret = \"x\" $record }" 78 "${at}1:"
	check_says "endpoint \"a\" { provider = \"idfy\" secret = \"file:idfy.secret\" $record timeout = \"soon\" }" 78 "${at}1: .*timeout"
	check_says $'store = "none"\n'"endpoint \"a\" { provider = \"idfy\" secret = \"file:idfy.secret\" $record mode = \"queue\" }" 78 "${at}2: .*queue"
}

@test "check ends with the number of warnings, and marks what cannot run" {
	local a='endpoint "a" { provider = "idfy" secret = "file:idfy.secret"' handler=$LAB/etc/handler.sh
	printf 'echo hello\n' >"$handler"
	chmod 755 "$handler"
	check_says "$a run = {\"/nowhere/handler\"} }" 0 '^no faults, 1 warning$'
	grep -qx ' *CANNOT RUN: /nowhere/handler does not exist: .*' <<<"$output"
	check_says "$a run = {\"./handler.sh\"} directory = \"none\" }" 0 '^no faults, 2 warnings$'
	grep -qx " *CANNOT RUN: $handler has no \"#!\".*" <<<"$output"
	check_says "$a run = {\"$LAB/handlers/record\"} }" 0 '^no faults$'
	not grep -q 'CANNOT RUN' <<<"$output"
	check_says "$a }"$'\nnonsense = 1' 78 '^1 fault, 1 warning$'
	check_says "$a run = {} on \"x\" { run = {} } }" 0 '^no faults$'
	[ "$(grep -c 'nothing, answered 200 "ignored"' <<<"$output")" -eq 2 ]
}

@test "check says that a log cannot be written, and creates none" {
	local a='endpoint "a" { provider = "idfy" secret = "file:idfy.secret" run = {} }'
	check_says "$a log = \"file:/nonexistent/x.log\"" 0 "try.conf:1: warning: .*/nonexistent does not exist"
	grep -qx 'no faults, 1 warning' <<<"$output"
	check_says "$a log = \"file:$LAB/log/new.log\"" 0 '^no faults$'
	[ ! -e "$LAB/log/new.log" ]
	[ "$LAB_USER" = www-data ] || skip "root is needed for what another user may not"
	check_says "$a log = \"file:/root/x.log\"" 0 "warning: .*folder /root"
	check_says "$a log = \"file:$LAB/x.log\"" 0 "warning: .*cannot create files in the folder $LAB "
}

@test "check names both places when there is no configuration, and no line 0" {
	run hookcgi check
	[[ $output != *":0:"* ]]
	[ "$status" -eq 78 ] || skip "there is a configuration here"
	[[ $output == *"/etc/hookcgi/hookcgi.conf: no configuration: neither ~/.config/"* ]]
	run hookcgi -c "$LAB/etc/not-there.conf" check
	[[ $output == *"$LAB/etc/not-there.conf: the configuration cannot be used:"* ]]
}

@test "check shows every scheme of a provider by its name" {
	printf '%s\n' 'endpoint "six" { provider = "sixpark" secret = "file:idfy.secret" run = {} }' >"$LAB/etc/try.conf"
	run hookcgi -c "$LAB/etc/try.conf" check
	[[ $output == *"signature {header:X-SixPark-Signature} in hex over {body}"* ]]
	[[ $output == *"or        base64: {header:X-SixPark-Signature} in base64 over {body}"* ]]
}

@test "PROVIDERS.md is of today" {
	hookcgi provider --markdown | diff "$TOP/PROVIDERS.md" -
}

@test "check refuses what others could read or change" {
	local config="endpoint \"a\" { provider = \"idfy\" secret = \"file:open.secret\" run = {\"$LAB/handlers/record\"} }"
	echo canary >"$LAB/etc/open.secret"
	chown "$LAB_USER" "$LAB/etc/open.secret"
	chmod 644 "$LAB/etc/open.secret"
	check_says "$config" 78 'open\.secret.*(read|chmod)'
	[[ $output != *canary* ]]
	chmod 660 "$LAB/etc/open.secret"
	check_says "$config" 78 'open\.secret.*(write|change|chmod)'
	chmod 640 "$LAB/etc/open.secret"
	check_says "$config" 0 'no faults'
	chmod 666 "$LAB/etc/try.conf"
	run hookcgi -c "$LAB/etc/try.conf" check
	[ "$status" -eq 78 ]
	run hookcgi -c "$LAB/etc/not-there.conf" check
	[ "$status" -eq 78 ]
	[[ $output == *not-there.conf* ]]
}

@test "check warns of what editing and copying leave around a secret" {
	local config="endpoint \"a\" { provider = \"idfy\" secret = \"file:framed.secret\" run = {} }"
	secret_file framed.secret 'canary\r\n'
	check_says "$config" 0 '^no faults$'
	for framed in 'canary \n' ' canary\n' 'canary\n\n'; do
		secret_file framed.secret "$framed"
		check_says "$config" 0 'try.conf:1: warning: .*framed.secret.* begins or ends with a blank'
		[[ $output != *canary* ]]
	done
	secret_file framed.secret '"canary"\n'
	check_says "$config" 0 'warning: .*framed.secret.* in quotes'
	secret_file framed.secret '\xef\xbb\xbfcanary\n'
	check_says "$config" 0 'warning: .*framed.secret.* byte order mark'
	check_says "${config/file:/}" 0 'warning: the secret is taken as it stands here, .*write "file:"'
	check_says "${config/file:framed.secret/file framed}" 0 '^no faults$'
}

@test "check shows the URL that is signed, or asks for it" {
	local config='endpoint "a" { provider = "twilio" secret = "file:idfy.secret" run = {} }'
	check_says "$config" 0 'warning: provider "twilio" signs the URL .*write url = '
	check_says "${config/run/url = \"https:\/\/b.example\/a\" run}" 0 '^    url +https://b.example/a$'
	check_says "${config/twilio/idfy}" 0 '^no faults$'
	[[ $output != *"    url "* ]]
}

@test "check says that arguments are strings of their own" {
	local config="endpoint \"a\" { provider = \"idfy\" secret = \"file:idfy.secret\" run = "
	check_says "$config \"$LAB/handlers/record --x\" }" 0 'cannot run: .* \(its arguments are strings of their own: run = '
	check_says "$config \"record --x\" }" 78 'write "/path/to/record" or'
}

@test "check says which form a key has to have" {
	secret_file key 'hello\n'
	check_says 'endpoint "a" { provider = "discord" secret = "file:key" run = {} }' 78 'etc/key) is not in hex'
	check_says 'endpoint "a" { provider = "gitlab-signed" secret = "file:key" run = {} }' 78 'etc/key) is not in base64'
	check_says 'endpoint "a" { provider = "paypal" secret = "file:key" parameters = {"webhook_id=1"} run = {} }' 78 \
		"etc/key) is not the sender's public key"
}

@test "explain judges a saved request as the endpoint does" {
	local body='{"id":"WH-1","type":"message.new"}' request=$LAB/conf/request now text signature
	openssl genpkey -algorithm RSA -out "$LAB/conf/key.pem" 2>/dev/null
	openssl pkey -in "$LAB/conf/key.pem" -pubout -out "$LAB/etc/public.pem"
	chown "$LAB_USER" "$LAB/etc/public.pem"
	chmod 600 "$LAB/etc/public.pem"
	secret_file plain.secret 'stream-secret\n'
	cat >"$LAB/etc/try.conf" <<-'EOF'
		endpoint "paypal" { provider = "paypal" secret = "file:public.pem" parameters = {"webhook_id=5GP"} run = {} }
		endpoint "other" { provider = "paypal" secret = "file:public.pem" parameters = {"webhook_id=6GP"} run = {} }
		endpoint "stream" { provider = "getstream" secret = "file:plain.secret" run = {} }
		endpoint "meta" { provider = "meta" secret = "file:plain.secret" parameters = {"verify_token=word"} run = {} }
		endpoint "dropbox" { provider = "dropbox" secret = "file:plain.secret" run = {} }
		endpoint "pusher" { provider = "pusher" key "abc" { secret = "file:plain.secret" } run = {} }
	EOF
	chown "$LAB_USER" "$LAB/etc/try.conf"
	chmod 600 "$LAB/etc/try.conf"

	# A parameter is a part of what is signed.
	now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	text="id-1|$now|5GP|$(printf %s "$body" | gzip -c | tail -c 8 | od -An -tu4 -N4 | tr -d ' ')"
	signature=$(printf %s "$text" | openssl dgst -sha256 -sign "$LAB/conf/key.pem" | base64 -w 0)
	printf '%s\r\n' 'POST /hooks/paypal HTTP/1.1' 'PAYPAL-TRANSMISSION-ID: id-1' "PAYPAL-TRANSMISSION-TIME: $now" \
		"PAYPAL-TRANSMISSION-SIG: $signature" '' >"$request"
	printf %s "$body" >>"$request"
	explain_says 0 paypal '^  verified$'
	explain_says 1 other '^  wrong signature: answered 401$'

	# What is signed is the body before it was compressed.
	signature=$(printf %s "$body" | openssl dgst -sha256 -hmac stream-secret -r | cut -d' ' -f1)
	printf '%s\r\n' 'POST /hooks/stream HTTP/1.1' 'Content-Encoding: gzip' "X-Signature: $signature" '' >"$request"
	printf %s "$body" | gzip -c >>"$request"
	explain_says 0 stream '^  event type "message.new"'
	explain_says 1 pusher 'answered 415'
	truncate -s -4 "$request"
	explain_says 1 stream 'not whole gzip'

	# Handshakes are no events.
	echo 'GET /hooks/meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=word HTTP/1.1' >"$request"
	explain_says 0 meta 'handshake "subscribe": answered 200'
	sed -i 's/=word/=other/' "$request"
	explain_says 1 meta 'handshake "wrong verify_token": answered 403'
	echo 'GET /hooks/dropbox?challenge=abc HTTP/1.1' >"$request"
	explain_says 1 dropbox 'is closed: write handshake = "open"'
	explain_says 1 meta '^  no signature: answered 401'

	# Which key is wanted.
	printf '%s\n' 'POST /hooks/pusher HTTP/1.1' 'X-Pusher-Key: def' "X-Pusher-Signature: $signature" '' >"$request"
	explain_says 1 pusher 'secret 1 is for another key: "abc"'
	explain_says 1 pusher 'block key of this id is missing.*"def"'
	explain_says 1 pusher '^  no secret is for the key that the sender names: answered 401'
}

@test "sign makes the signature that openssl makes" {
	local name header digest prefix file=$LAB/conf/body
	cp "$(body)" "$file"
	while read -r name header digest prefix; do
		ends_with 0 sign "$name" "$file"
		grep -qxF "$header: ${prefix:-}$(signature "$digest" "$name" "$file")" <<<"$output"
		run hookcgi -c "$LAB/etc/hookcgi.conf" sign "$name" <"$file"
		grep -qxF "$header: ${prefix:-}$(signature "$digest" "$name" "$file")" <<<"$output"
	done <<-'EOF'
		webconnex X-Webconnex-Signature sha256
		sixpark X-SixPark-Signature sha256
		wootric X-Wootric-Signature sha1 sha1=
		digivault X-DigiVault-Signature sha256
		idfy X-Idfy-Signature sha256
	EOF
	ends_with 0 sign webconnex "$file" --event registration
	grep -qxF 'X-Webconnex-Event: registration' <<<"$output"
	ends_with 1 sign nobody "$file"
	ends_with 1 sign idfy "$file.none"
}

@test "send delivers and shows the answer" {
	local name
	for name in $PROVIDERS; do
		forget
		run hookcgi -c "$LAB/etc/hookcgi.conf" send "$name" --url "$BASE/$name" --event test <"$(body)"
		echo "$output"
		[ "$status" -eq 0 ]
		[[ $output == *" 200"*recorded* ]]
		handled "$name"
		cmp "$(body)" "$effect.stdin"
	done
	run hookcgi -c "$LAB/etc/hookcgi.conf" send tempfail --url "$BASE/tempfail" <"$(body)"
	[ "$status" -eq 1 ]
	[[ $output == *" 503"* ]]
	run hookcgi -c "$LAB/etc/hookcgi.conf" send idfy --url "http://127.0.0.1:$(free_port)/" <"$(body)"
	[ "$status" -eq 1 ]
	run hookcgi -c "$LAB/etc/hookcgi.conf" send idfy <"$(body)"
	[ "$status" -eq 2 ]
}

@test "sign and send sign the URL that the endpoint goes by" {
	local config=$LAB/etc/try.conf sms='CallStatus=ringing&A=1'
	# TEXT: Twilio's signature of it.
	twilio() { printf %s "$1" | openssl dgst -sha1 -hmac twilio-token -binary | base64; }
	secret_file twilio.secret 'twilio-token\n'
	printf '%s\n' 'endpoint "twilio" { provider = "twilio" secret = "file:twilio.secret"' \
		'url = "https://example.org/hooks/twilio" run = {} }' >"$config"
	run hookcgi -c "$config" sign twilio <<<"$sms"
	[ "$status" -eq 0 ]
	run hookcgi -c "$config" sign twilio < <(printf %s "$sms")
	grep -qxF "X-Twilio-Signature: $(twilio 'https://example.org/hooks/twilioA1CallStatusringing')" <<<"$output"
	run hookcgi -c "$config" sign twilio --url 'https://b.example/t?q=1' < <(printf %s "$sms")
	grep -qxF "X-Twilio-Signature: $(twilio 'https://example.org/hooks/twilio?q=1A1CallStatusringing')" <<<"$output"
	# An endpoint that is tried at another address than the sender's.
	cat "$config" >>"$LAB/etc/hookcgi.conf"
	sleep 1.5
	run hookcgi -c "$LAB/etc/hookcgi.conf" send twilio --url "$BASE/twilio?q=1" < <(printf %s "$sms")
	[ "$status" -eq 0 ]
}

@test "secret is 256 random bits, anew each time" {
	ends_with 0 secret
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	local first=$output
	ends_with 0 secret
	[ "$output" != "$first" ]
	ends_with 0 secret --base64
	[[ $output =~ ^whsec_[A-Za-z0-9+/]{43}=$ ]]
	[ "$(printf '%s' "${output#whsec_}" | base64 -d | wc -c)" -eq 32 ]
}

@test "provider lists the built-in ones and prints one to copy" {
	local name list
	ends_with 0 provider
	list=$output
	for name in $PROVIDERS; do
		grep -q "^$name " <<<"$list"
		run hookcgi provider "$name"
		[ "$status" -eq 0 ]
		diff <(echo "$output") "$TOP/providers/$name.conf"
		check_says "${output/provider \"$name\"/provider \"mine\"}
endpoint \"a\" { provider = \"mine\" secret = \"file:idfy.secret\" run = {\"$LAB/handlers/record\"} }" 0 'no faults'
	done
	ends_with 1 provider no-such
}

@test "get prints one field" {
	local path wanted document='{"a":{"b":[10,{"c":"x y"}],"n":1.50,"t":true,"z":null,"e":""},"ä":"\u00e4\"\\"}'
	while IFS='|' read -r path wanted; do
		run hookcgi get "$path" <<<"$document"
		[ "$status" -eq 0 ] && [ "$output" = "$wanted" ] || {
			echo "get $path: exit $status, $output, not $wanted"
			return 1
		}
	done <<-'EOF'
		a.b.0|10
		a.b.1.c|x y
		a.n|1.50
		a.t|true
		a.e|
		ä|ä"\
	EOF
	for path in a a.b x a.b.7 a.b.1.c.d ''; do
		run hookcgi get "$path" <<<"$document"
		[ "$status" -eq 1 ] || [ "$status" -eq 2 ]
	done
	run hookcgi get a <<<'{"a":'
	[ "$status" -eq 1 ]
}
