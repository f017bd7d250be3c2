#!/usr/bin/env bats
# subscribe.bats - a webhook made at its sender: Six Park's API as its document shows it, a secret that
# is on disk before a word is said about it, and a delivery that the endpoint then takes
# shellcheck disable=SC2154 # code and effect are answers of lib.bash

load lib
load servers

TOKEN=b7bcf4a088215ed9396b07c9e8b931a5697bc0c4
ID=330acf46d-ce50-4788-a219-1de5ae9ac484
ACCESS=access-token-of-the-test
URL=https://example.org/hooks/six

setup_file() { lab_open; }
teardown_file() { lab_close; }

setup() {
	rm -rf "$LAB/api" "$LAB/six"
	mkdir "$LAB/api" "$LAB/six"
	cat >"$LAB/six/hookcgi.conf" <<-EOF2
		store = "none"
		endpoint "six" { provider = "sixpark" secret = "learned:six.secret" run = {"$LAB/handlers/record"} mode = "wait" }
		endpoint "file" { provider = "sixpark" secret = "file:file.secret" run = {"$LAB/handlers/record"} mode = "wait" }
		endpoint "github" { provider = "github" secret = "learned:github.secret" run = {"$LAB/handlers/record"} mode = "wait" }
	EOF2
	printf '%s\n' "$ACCESS" >"$LAB/six/token"
	printf 'x' >"$LAB/six/file.secret"
	chmod 600 "$LAB"/six/*
	chmod 700 "$LAB/six"
	chown -R "$LAB_USER" "$LAB/six"
	"$TOP/tests/e2e/sixpark_api.py" "$LAB/api" 3>&- &
	API_PID=$!
	wait_for 10 test -e "$LAB/api/port"
	API=http://127.0.0.1:$(cat "$LAB/api/port")/api/v1/webhooks
}

teardown() {
	kill "$API_PID" 2>/dev/null || true
	wait "$API_PID" 2>/dev/null || true
}

# COMMAND ARGUMENT...: as the configuration's user, with the token in a file.
six() {
	local command=$1
	shift
	run "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/six/hookcgi.conf" "$command" "$@" --api "$API" --token-file "$LAB/six/token"
}

asked() { wc -l <"$LAB/api/requests"; }

@test "subscribe makes the webhook and keeps its secret, 0600, and the endpoint takes what is signed with it" {
	six subscribe six --url "$URL" --description 'Orders & more'
	[ "$status" -eq 0 ]
	[[ $output == *"webhook $ID is made; its secret is in $LAB/six/six.secret"* ]]
	[[ $output != *"$TOKEN"* ]]
	[ "$(cat "$LAB/six/six.secret")" = "$TOKEN" ]
	[ "$(stat -c %a "$LAB/six/six.secret")" = 600 ]
	python3 - "$LAB/api/requests" "$URL" <<-'EOF2'
		import json, sys, urllib.parse
		request = json.loads(open(sys.argv[1]).readline())
		assert request["method"] == "POST" and request["path"] == "/api/v1/webhooks", request
		assert dict(urllib.parse.parse_qsl(request["body"])) == {"url": sys.argv[2], "description": "Orders & more"}, request
		assert request["headers"]["Authorization"] == "Bearer access-token-of-the-test"
	EOF2
	printf '{"data":{"id":"e1","attributes":{"even_type":"ACCOUNT_OPENED"}}}' >"$LAB/event"
	signed=$(openssl dgst -sha256 -hmac "$TOKEN" -r "$LAB/event" | cut -d' ' -f1)
	length=$(stat -c %s "$LAB/event")
	run env -i GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST SCRIPT_NAME=/hooks PATH_INFO=/six \
		CONTENT_LENGTH="$length" CONTENT_TYPE=application/json HTTP_X_SIXPARK_SIGNATURE="$signed" \
		HOOKCGI_CONFIG="$LAB/six/hookcgi.conf" "${AS_USER[@]}" "$LAB/bin/hookcgi" <"$LAB/event"
	[[ $output == *"Status: 200"* ]]
}

@test "a URL of another name is noted, and a test event before there is a secret says what to do" {
	run "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/six/hookcgi.conf" sign six <<<'{}'
	[ "$status" -eq 1 ]
	[[ $output == *"hookcgi subscribe six writes $LAB/six/six.secret"* ]]
	six subscribe six --url "${URL}ty?x=/six"
	[ "$status" -eq 0 ]
	[[ $output == *"note: the URL does not end in /six,"* ]]
	six unsubscribe six
	six subscribe six --url "$URL?x=1"
	[ "$status" -eq 0 ]
	[[ $output != *note:* ]]
}

@test "the token may come from the environment, and never is an argument of curl" {
	run env HOOKCGI_TOKEN="$ACCESS" "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/six/hookcgi.conf" subscribe six \
		--url "$URL" --api "$API"
	[ "$status" -eq 0 ]
	run "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/six/hookcgi.conf" subscription six --api "$API"
	[ "$status" -eq 1 ]
	[[ $output == *"--token-file"* ]]
}

@test "a second subscribe asks nothing and changes nothing" {
	six subscribe six --url "$URL"
	[ "$status" -eq 0 ]
	six subscribe six --url "$URL"
	[ "$status" -eq 1 ]
	[[ $output == *"six.secret is there already"*"unsubscribe"* ]]
	[ "$(asked)" -eq 1 ]
}

@test "subscription shows it, and says whether the secret is ours without showing it" {
	six subscription six
	[ "$status" -eq 1 ]
	[[ $output == *"no webhook that was made here"* ]]
	six subscribe six --url "$URL"
	six subscription six
	[ "$status" -eq 0 ]
	[[ $output == *"data.attributes.url = $URL"* ]]
	[[ $output == *"data.attributes.signature_token = (the one that is kept here)"* ]]
	[[ $output != *"$TOKEN"* ]]
	"${AS_USER[@]}" sh -c "printf other > '$LAB/six/six.secret'"
	six subscription six
	[[ $output == *"(NOT the one that is kept here)"* ]]
}

@test "unsubscribe removes it at the sender and then its files; one that is gone already is no fault" {
	six subscribe six --url "$URL"
	six unsubscribe six
	[ "$status" -eq 0 ]
	[ ! -e "$LAB/six/six.secret" ]
	[ ! -e "$LAB/six/six.secret.id" ]
	[ "$(tail -n 1 "$LAB/api/requests" | grep -c '"DELETE", "path": "/api/v1/webhooks/'"$ID")" -eq 1 ]
	six unsubscribe six
	[ "$status" -eq 1 ]
	six subscribe six --url "$URL"
	curl -fsS -X DELETE -H "Authorization: Bearer $ACCESS" -H 'Accept: application/json' "$API/$ID"
	six unsubscribe six
	[ "$status" -eq 0 ]
	[ ! -e "$LAB/six/six.secret" ]
}

@test "a webhook whose secret cannot be kept is removed again" {
	echo no-token >"$LAB/api/mode"
	six subscribe six --url "$URL"
	[ "$status" -eq 1 ]
	[[ $output == *"signature_token"*"it was removed again"* ]]
	[ ! -e "$LAB/six/six.secret" ]
	[ ! -e "$LAB/six/six.secret.id" ]
	tail -n 1 "$LAB/api/requests" | grep -q '"DELETE"'
}

@test "what the API refuses, no answer, and no place for a secret are told in one line" {
	echo refuse >"$LAB/api/mode"
	six subscribe six --url "$URL"
	[ "$status" -eq 1 ]
	[[ $output == *"answered 403"*forbidden* ]]
	[ ! -e "$LAB/six/six.secret" ]
	echo broken >"$LAB/api/mode"
	six subscribe six --url "$URL"
	[ "$status" -eq 1 ]
	[[ $output == *"no JSON"* ]]
	six subscribe file --url "$URL"
	[ "$status" -eq 1 ]
	[[ $output == *'secret = "learned:file.secret"'* ]]
	six subscribe github --url "$URL"
	[ "$status" -eq 1 ]
	[[ $output == *"neither a handshake nor an API"* ]]
	six subscribe six
	[ "$status" -eq 2 ]
	run "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/six/hookcgi.conf" subscribe six --url "$URL" \
		--api http://example.org/webhooks --token-file "$LAB/six/token"
	[ "$status" -eq 2 ]
	[[ $output == *"is not https://"* ]]
	teardown
	rm -f "$LAB/six/six.secret" "$LAB/six/six.secret.id"
	six subscribe six --url "$URL"
	[ "$status" -eq 1 ]
	[[ $output == *"no answer from $API"* ]]
}
