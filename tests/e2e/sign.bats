#!/usr/bin/env bats
# sign.bats - hookcgi sign and send, where more than a header carries the signature
# shellcheck disable=SC2154 # status and output come from bats, effect from lib.bash

load lib
load servers

setup_file() {
	lab_open
	{
		provider inquery 'signature = "{query:hmac}"' 'algorithm = "hmac-sha256"' \
			'signs = "{query:a}{body}"'
		provider inbody 'signature = "{body:auth.mac}"' 'algorithm = "hmac-sha256"' \
			'signs = "{body:id}"'
		provider inform 'signature = "{form:mac}"' 'algorithm = "hmac-sha256"' \
			'signs = "{form:data}"' 'document = "data"'
		provider items 'each = "l"' 'signature = "{item:mac}"' 'algorithm = "hmac-sha256"' \
			'signs = "{item:v}"'
		provider jwt 'header = "Authorization"' 'format = "Bearer {signature}"' \
			'algorithm = "jwt-hs256"' 'requires = "{claim:hash}={bodyhash:sha256:hex}"'
		provider beside 'header = "X-A"' 'algorithm = "ed25519"' 'encoding = "hex"' 'key = "hex"' \
			'variant "mac" { header = "X-B" algorithm = "hmac-sha256" }' \
			'variant "token" { header = "X-C" algorithm = "token" }'
		provider addressed 'header = "X-A"' 'algorithm = "hmac-sha256"' \
			'signs = "{method}{url}{header:X-Seal}{body}"'
		for name in inquery inbody inform items jwt beside addressed; do
			endpoint "$name" "$name" "run = { \"$LAB/handlers/record\" }" 'secret = "file:idfy.secret"'
		done
		endpoint registered addressed "run = { \"$LAB/handlers/record\" }" \
			'secret = "file:idfy.secret"' 'url = "https://shop.example/hook"'
		endpoint private discord "run = { \"$LAB/handlers/record\" }" \
			'secret = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"'
	} >>"$LAB/etc/hookcgi.conf"
	server_start lighttpd_fastcgi
}

teardown_file() { lab_close; }

setup() { forget; }

# NAME OPTION...: a provider block.
provider() {
	printf 'provider "%s" {\n' "$1"
	shift
	printf '\t%s\n' "$@" 'event = "{body:type}"' '}'
}

# TEXT: its HMAC by openssl.
mac() { printf %s "$1" | openssl dgst -sha256 -hmac "$(cat "$LAB/etc/idfy.secret")" -r | cut -d' ' -f1; }

# EXIT BODY ARGUMENT...: hookcgi with the body on its standard input.
with() {
	local wanted=$1 body=$2
	shift 2
	run lab_hookcgi "$@" <<<"$body"
	[ "$status" -eq "$wanted" ] || {
		echo "$*: exit $status, not $wanted"
		echo "$output"
		return 1
	}
}

# ENDPOINT BODY ARGUMENT...: send it; the handler must have run.
arrives() {
	local name=$1 body=$2
	shift 2
	with 0 "$body" send "$name" --url "$BASE/$name" "$@"
	handled "$name"
}

@test "in the query" {
	with 0 '{}' sign inquery --url 'https://x.example/hook?a=1'
	[ "${lines[0]}" = "# add to the URL: ?hmac=$(mac $'1{}\n')" ]
	[ "${#lines[@]}" -eq 2 ]
	with 0 '{}' send inquery --url "$BASE/inquery?a=1#here"
	handled inquery
	with 1 '{}' sign inquery --url 'https://x.example/hook'
	[[ $output == *"{query:a}, which is signed, is not there: put it into the query of --url"* ]]
}

@test "in the body, of which nothing else changes" {
	with 0 '{ "id":"e\u0031", "auth":{"mac" : 0}}' sign inbody
	[ "$output" = "Content-Type: application/json

{ \"id\":\"e\\u0031\", \"auth\":{\"mac\" : \"$(mac e1)\"}}" ]
	arrives inbody '{ "id":"e\u0031", "auth":{"mac" : 0}}'
	with 1 '{"id":"e1"}' sign inbody
	[[ $output == *"the signature lies in the body: put the member auth.mac in with any text"* ]]
	arrives items '{"l":[{"v":"1","mac":""},{"v":"2","mac":""}]}'
	with 0 '{"l":[{"v":"1","mac":""},{"v":"2","mac":""}]}' sign items
	[[ $output == *"$(mac 1)"*"$(mac 2)"* ]]
}

@test "in a form, which JSON becomes where the sender sends one" {
	with 0 '{"id":"e 1"}' sign inform
	[ "$output" = "Content-Type: application/x-www-form-urlencoded

data=%7B%22id%22%3A%22e%201%22%7D%0A&mac=$(mac $'{"id":"e 1"}\n')" ]
	arrives inform '{"id":"e 1"}'
	[ "$("$LAB/bin/hookcgi" get id <"$effect.stdin")" = "e 1" ]
}

@test "a token" {
	local token head payload signature
	with 0 '{}' sign jwt --time 1700000000
	token=$(sed -n 's/^Authorization: Bearer //p' <<<"$output")
	IFS=. read -r head payload signature <<<"$token"
	[ "$(base64 -d <<<"$head===" 2>/dev/null)" = '{"alg":"HS256","typ":"JWT"}' ]
	[[ "$(base64 -d <<<"$payload===" 2>/dev/null)" == *'"iat":1700000000,"nbf":1700000000,"exp":1700000300}' ]]
	[ "$(mac "$head.$payload")" = "$(tr -- -_ +/ <<<"$signature=" | base64 -d | od -An -tx1 | tr -d ' \n')" ]
	arrives jwt '{}'
}

@test "the first scheme that can be made, or the one that is named" {
	with 0 '{}' sign beside
	[[ $output == *"X-B: $(mac $'{}\n')"* ]]
	[[ $output == *'signed as the variant "mac" is'* ]]
	with 0 '{}' sign beside --variant token
	[[ $output == *"X-C: $(cat "$LAB/etc/idfy.secret")"* ]]
	with 1 '{}' sign beside --variant main
	[[ $output == *"only the sender has the private key"* ]]
	with 1 '{}' sign beside --variant none
	[[ $output == *'has no variant "none"'* ]]
	with 1 '{}' sign private
	[[ $output == *"only the sender has the private key"* ]]
}

@test "the URL of the configuration is signed, and headers that the sender chooses" {
	with 1 '{}' sign addressed
	[[ $output == *"{url}, which is signed, is not there: give --url"* ]]
	with 1 '{}' sign addressed --url https://x.example/hook
	[[ $output == *"{header:X-Seal}, which is signed, is not there: give it with --header"* ]]
	with 0 '{}' sign addressed --url https://x.example/hook --header 'X-Seal: n1' --header=X-More:2
	[[ $output == *$'\n'"X-Seal: n1"$'\n'"X-More:2"$'\n'"X-A: $(mac $'POSThttps://x.example/hookn1{}\n')" ]]
	with 0 '{}' send registered --url "$BASE/registered" --header 'X-Seal: n1'
	handled registered
	with 2 '{}' sign addressed --header X-Seal
	with 2 '{}' sign addressed --header $'X-A: 1\r\nX-B: 2'
}
