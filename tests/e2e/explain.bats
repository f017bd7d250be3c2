#!/usr/bin/env bats
# explain.bats - hookcgi explain: why a saved request verifies, or where it fails
# shellcheck disable=SC2154 # LAB, status and output come from lib.bash and bats

load lib

setup_file() {
	lab_open
	printf %s whsec_canary0123456789 >"$LAB/etc/stripe.secret"
	printf %s canary-square-0123456789 >"$LAB/etc/square.secret"
	{
		endpoint timed stripe "run = { \"$LAB/handlers/record\" }"
		endpoint square square "run = { \"$LAB/handlers/record\" }"
		endpoint registered square "run = { \"$LAB/handlers/record\" }" \
			'url = "https://shop.example/square"'
		endpoint small idfy "run = { \"$LAB/handlers/record\" }" 'body_limit = "10"'
		endpoint picky idfy "run = { \"$LAB/handlers/record\" }" 'events = {"other"}'
		for name in signed plain; do
			printf 'provider "zipped%s" {\n\theader = "X-Idfy-Signature"\n' "$name"
			printf '\talgorithm = "hmac-sha256"\n\tsigns = "{body}"\n\tevent = "{body:type}"\n'
			printf '\tgzip = "%s"\n}\n' "$name"
			endpoint "zipped$name" "zipped$name" "run = { \"$LAB/handlers/record\" }" \
				'secret = "file:idfy.secret"'
		done
	} >>"$LAB/etc/hookcgi.conf"
	chmod 600 "$LAB"/etc/*.secret
	chown -R "$LAB_USER" "$LAB/etc"
}

teardown_file() { lab_close; }

setup() {
	FILE=$BATS_TEST_TMPDIR/request
	BODY=$(body)
	RIGHT=$(signature sha256 idfy "$BODY")
}

# BODY-FILE HEADER...: a saved request into $FILE.
saved() {
	local body=$1
	shift
	{
		printf 'POST /hooks/x HTTP/1.1\r\nHost: example.org\r\n'
		[ $# -eq 0 ] || printf '%s\r\n' "$@"
		printf '\r\n'
		cat "$body"
	} >"$FILE"
	chmod 644 "$FILE"
}

# EXIT ENDPOINT ARGUMENT...: what it says of $FILE is in $output, and never a secret, nor a
# signature that the file does not hold.
explains() {
	local wanted=$1 name secret
	shift
	run lab_hookcgi explain "$@" <"$FILE"
	[ "$status" -eq "$wanted" ] || {
		echo "explain $*: exit $status, not $wanted"
		echo "$output"
		return 1
	}
	for secret in "$LAB"/etc/*.secret; do
		[ ! -s "$secret" ] || not grep -F -- "$(cat "$secret")" <<<"$output"
	done
	for name in idfy stripe square; do
		secret=$(signature sha256 "$name" "$BODY")
		grep -qF "${secret:0:24}" "$FILE" || not grep -F "${secret:0:24}" <<<"$output"
	done
}

says() {
	grep -qE -- "$1" <<<"$output" && return 0
	echo "nothing like $1 in"
	echo "$output"
	return 1
}

@test "a right request verifies, and what would run is told" {
	saved "$BODY" "X-Idfy-Signature: $RIGHT"
	explains 0 idfy
	says '^POST /hooks/x, 57 bytes of body, for endpoint idfy$'
	says '^  verified$'
	says 'event type "document_signed", from \{body:type\}'
	says "id \"evt_1\""
	says "it runs $LAB/handlers/record"
	explains 0 picky
	says 'nothing is configured to run for it: answered 200, ignored'
}

@test "a missing signature" {
	saved "$BODY"
	explains 1 idfy
	says '^  no signature: answered 401$'
	says '\{header:X-Idfy-Signature\}: not there'
	says 'took the header away'
}

@test "a malformed one" {
	saved "$BODY" "Stripe-Signature: $RIGHT"
	explains 1 timed
	says '^  malformed signature: answered 401$'
	says "it has not the shape \"t=\{timestamp\}\""
}

@test "another secret" {
	saved "$BODY" "X-Idfy-Signature: $(signature sha256 stripe "$BODY")"
	explains 1 idfy
	says '^  wrong signature: answered 401$'
	says 'secret 1 makes none of the signatures that were sent'
	says 'signs with another secret'
}

@test "a body that was cut" {
	head -c 40 "$BODY" >"$BODY.cut"
	saved "$BODY.cut" "X-Idfy-Signature: $RIGHT" 'Content-Length: 57'
	explains 1 idfy
	says 'holds 17 bytes less than Content-Length says'
	says '^  wrong signature'
}

@test "a line feed behind the body" {
	{ cat "$BODY"; echo; } >"$BODY.lf"
	saved "$BODY.lf" "X-Idfy-Signature: $RIGHT"
	explains 1 idfy
	says 'without the line feed at the end of the file it fits'
	saved "$BODY.lf" "X-Idfy-Signature: $RIGHT" 'Content-Length: 57'
	explains 0 idfy
	says 'holds 1 bytes more than Content-Length says: they are left out'
	saved "$BODY" "X-Idfy-Signature: $(signature sha256 idfy "$BODY.lf")"
	explains 1 idfy
	says 'with a line feed at the end of the body it fits'
}

@test "ends of lines and JSON that were changed on the way" {
	printf '{"id":1,\r\n"type":"a"}' >"$BODY.crlf"
	printf '{"id":1,\n"type":"a"}' >"$BODY.lf"
	saved "$BODY.lf" "X-Idfy-Signature: $(signature sha256 idfy "$BODY.crlf")"
	explains 1 idfy
	says 'with CRLF at the end of each line it fits'
	saved "$BODY.crlf" "X-Idfy-Signature: $(signature sha256 idfy "$BODY.lf")"
	explains 1 idfy
	says 'with LF at the end of each line it fits'
	printf '{\n  "id": "evt_1",\n  "type": "document_signed",\n  "payload": { "n": 7 }\n}\n' >"$BODY.pretty"
	saved "$BODY.pretty" "X-Idfy-Signature: $RIGHT"
	explains 1 idfy
	says 'the body was printed anew by something on the way: the compact form fits'
}

@test "expired and early" {
	local signature
	printf '1700000000.' | cat - "$BODY" >"$BODY.timed"
	signature=$(signature sha256 stripe "$BODY.timed")
	saved "$BODY" "Stripe-Signature: t=1700000000,v1=$signature"
	explains 1 timed
	says '^  expired: answered 401$'
	says 'the signature is right: a saved request gets old \(--time=S'
	explains 0 timed --time=1700000010
	says '^  verified$'
	saved "$BODY" "X-Slack: 1" "Stripe-Signature: t=1700000000,v1=$signature"
	explains 1 timed --time=1700000301
	says '^    the time is 301 s ago$'
	says '^    at most 300 s ago is taken$'
	printf 'provider "ahead" {\n\theader = "X-A"\n\talgorithm = "hmac-sha256"\n\tsigns = "{timestamp}.{body}"\n\ttimestamp = "{header:X-T}"\n}\n' >>"$LAB/etc/hookcgi.conf"
	endpoint ahead ahead "run = { \"$LAB/handlers/record\" }" 'secret = "file:stripe.secret"' >>"$LAB/etc/hookcgi.conf"
	saved "$BODY" "X-A: $signature" 'X-T: 1700000000'
	explains 1 ahead --time=1699999000
	says '^  dated in the future: answered 401$'
	says "this host's clock is slow"
}

@test "another header, and one that is there twice" {
	saved "$BODY" 'X-Other: 1' "X-Hub-Signature-256: $RIGHT"
	explains 1 idfy
	says '^  no signature'
	says 'the header X-Hub-Signature-256 holds the right signature: the provider looks for X-Idfy-Signature'
	saved "$BODY" "X-Idfy-Signature: $RIGHT" "x-idfy-signature: $RIGHT"
	explains 1 idfy
	says '^  repeated signature, id or time header: answered 400$'
	says 'the header X-Idfy-Signature is there 2 times'
}

@test "variants are told of, the one that came furthest first" {
	local hex
	hex=$(signature sha256 sixpark "$BODY")
	saved "$BODY" "X-SixPark-Signature: $(xxd -r -p <<<"$hex" | base64)"
	explains 0 sixpark
	says '^    scheme base64$'
	not says '^    scheme main$'
	saved "$BODY" "X-SixPark-Signature: $RIGHT"
	explains 1 sixpark
	says '^    scheme main$'
	says '^    scheme base64$'
	printf 'provider "two" {\n\theader = "X-A"\n\talgorithm = "hmac-sha256"\n\tvariant "b" { header = "X-B" }\n}\n' >>"$LAB/etc/hookcgi.conf"
	endpoint two two "run = { \"$LAB/handlers/record\" }" 'secret = "file:idfy.secret"' >>"$LAB/etc/hookcgi.conf"
	saved "$BODY" 'X-B: 0123'
	explains 1 two
	[ "$(grep -n 'scheme b$' <<<"$output" | cut -d: -f1)" -lt "$(grep -n 'scheme main$' <<<"$output" | cut -d: -f1)" ]
}

@test "the URL that is signed" {
	local signature
	printf 'https://shop.example/square' | cat - "$BODY" >"$BODY.url"
	signature=$(signature sha256 square "$BODY.url" | xxd -r -p | base64)
	saved "$BODY" "x-square-hmacsha256-signature: $signature"
	explains 0 registered
	says '^  the URL that is signed: https://shop.example/square$'
	not says 'put together from the request'
	explains 1 square
	says '^  the URL that is signed: http://example.org/hooks/x$'
	says 'it was put together from the request'
	explains 0 square --url https://shop.example/square
	printf 'https://example.org/hooks/x' | cat - "$BODY" >"$BODY.url"
	saved "$BODY" "x-square-hmacsha256-signature: $(signature sha256 square "$BODY.url" | xxd -r -p | base64)"
	explains 1 square
	says 'with another URL it fits: write url = "https://example.org/hooks/x" in the endpoint'
}

@test "handshakes, methods, limits and encodings are answered before" {
	printf '{"type":"ping"}' >"$BODY.ping"
	saved "$BODY.ping" "X-Idfy-Signature: $(signature sha256 idfy "$BODY.ping")"
	explains 0 idfy
	says 'it is the handshake "ping": answered 200, no handler runs'
	saved "$BODY" "X-Idfy-Signature: $RIGHT"
	sed -i 's/^POST/PUT/' "$FILE"
	explains 1 idfy
	says 'only POST is taken here: answered 405'
	saved "$BODY" "X-Idfy-Signature: $RIGHT"
	explains 1 small
	says 'larger than body_limit: answered 413'
	saved "$BODY" "X-Idfy-Signature: $RIGHT" 'Content-Encoding: gzip'
	explains 1 idfy
	says 'not taken from this provider: answered 415'
}

@test "a handshake that is closed, and one that is answered to anybody" {
	{
		printf 'provider "echo" {\n\theader = "X-A"\n\talgorithm = "hmac-sha256"\n\thandshake "challenge" {\n'
		printf '\t\tverified = "no"\n\t\twhen = "{body:challenge}"\n\t\tanswer = "{body:challenge}"\n\t}\n}\n'
		endpoint closed echo "run = { \"$LAB/handlers/record\" }" 'secret = "file:idfy.secret"'
		endpoint open echo "run = { \"$LAB/handlers/record\" }" 'secret = "file:idfy.secret"' 'handshake = "open"'
	} >>"$LAB/etc/hookcgi.conf"
	printf '{"challenge":"abc"}' >"$BODY.challenge"
	saved "$BODY.challenge"
	explains 1 closed
	says 'the handshake "challenge" is closed: '
	says '^  no signature: answered 403$'
	explains 0 open
	says 'it is the handshake "challenge": answered 200, no handler runs, no signature is looked at'
}

@test "chunks and gzip" {
	{ printf '1e\r\n'; head -c 30 "$BODY"; printf '\r\n1b;x=y\r\n'; tail -c 27 "$BODY"; printf '\r\n0\r\n\r\n'; } >"$BODY.chunks"
	saved "$BODY.chunks" "X-Idfy-Signature: $RIGHT" 'Transfer-Encoding: chunked'
	explains 0 idfy
	says 'the body was saved in chunks, which are put together'
	saved "$BODY" "X-Idfy-Signature: $RIGHT" 'Transfer-Encoding: chunked'
	explains 0 idfy
	gzip -nc "$BODY" >"$BODY.gz"
	saved "$BODY.gz" "X-Idfy-Signature: $RIGHT" 'Content-Encoding: gzip'
	explains 0 zippedplain
	says 'event type "document_signed"'
	saved "$BODY.gz" "X-Idfy-Signature: $(signature sha256 idfy "$BODY.gz")" 'Content-Encoding: gzip'
	explains 0 zippedsigned
	says 'event type "document_signed"'
	saved "$BODY" "X-Idfy-Signature: $RIGHT" 'Content-Encoding: gzip'
	explains 0 zippedplain
	says 'the body is not compressed any more'
	head -c 30 "$BODY.gz" >"$BODY.cut"
	saved "$BODY.cut" "X-Idfy-Signature: $RIGHT" 'Content-Encoding: gzip'
	explains 1 zippedplain
	says 'the body is not whole gzip: answered 400'
}

@test "as curl -v shows it, and with neither request line nor CRLF" {
	{
		printf '* Connected to example.org\n> POST /hooks/x HTTP/1.1\n> X-Idfy-Signature: %s\n> \n' "$RIGHT"
		cat "$BODY"
	} >"$FILE"
	explains 0 idfy
	{ printf 'X-Idfy-Signature: %s\n\n' "$RIGHT"; cat "$BODY"; } >"$FILE"
	explains 0 idfy
	says '^POST \(no path\), '
	{ printf '> POST /hooks/x HTTP/1.1\nX-Idfy-Signature: %s\n\n' "$RIGHT"; cat "$BODY"; } >"$FILE"
	explains 1 idfy
	says 'standard input:2: this is no header'
}

@test "what is no request, no endpoint or no file" {
	cp "$BODY" "$FILE"
	explains 1 idfy
	says 'standard input:1: this is no header: write the request line'
	: >"$FILE"
	explains 1 idfy
	saved "$BODY" 'no header at all'
	explains 1 idfy
	says 'standard input:3: this is no header'
	explains 1 nobody
	says 'has no endpoint "nobody"'
	explains 1 idfy "$LAB/there-is-none"
	says 'there-is-none: No such file'
	install -m 000 "$FILE" "$LAB/etc/unreadable"
	explains 1 idfy "$LAB/etc/unreadable"
	says 'unreadable: Permission denied'
	explains 1 misconfigured
	explains 2 idfy --time=soon
	explains 2
}

@test "a token is never shown, though it was sent" {
	local secret
	printf 'provider "intoken" {\n\tsignature = "{query:token}"\n\talgorithm = "token"\n}\n' >>"$LAB/etc/hookcgi.conf"
	endpoint intoken intoken "run = { \"$LAB/handlers/record\" }" 'secret = "file:idfy.secret"' >>"$LAB/etc/hookcgi.conf"
	secret=$(cat "$LAB/etc/idfy.secret")
	saved "$BODY" "Authorization: Bearer $secret"
	explains 0 bearer
	says '^  verified$'
	not grep -F "${secret:0:20}" <<<"$output"
	saved "$BODY"
	sed -i "1s,/hooks/x,/hooks/x?token=$secret," "$FILE"
	explains 0 intoken
	says '^POST /hooks/x\?\.\.\., '
	not grep -F "${secret:0:20}" <<<"$output"
}

@test "nothing that came can steer a terminal" {
	saved "$BODY" "X-Idfy-Signature: $(printf '\033]0;x\a%s' "$RIGHT")"
	sed -i '1s/.*/POST \/hooks\/\x1b[31m HTTP\/1.1\r/' "$FILE"
	explains 1 idfy
	not grep -q "$(printf '\033')" <<<"$output"
}
