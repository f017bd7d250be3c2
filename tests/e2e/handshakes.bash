# shellcheck shell=bash
# shellcheck disable=SC2154 # code and ANSWER are answers of lib.bash
# handshakes.bash - what senders ask of a URL before they use it, each as it really asks, and the exact answers
#
# The providers here are a user's own blocks, so that what they show is the language and not a file of
# ours. Digests that an answer must hold are made by openssl.

SECRET=s3cret # of every endpoint that does not learn it

# NAME OPTION...: an endpoint of the provider of that name.
hand() {
	printf 'endpoint "%s" {\n\tprovider = "%s"\n\trun = { "%s" }\n' "$1" "${1%%--*}" "$LAB/handlers/record"
	case "$*" in *learned:*) ;; *) printf '\tsecret = "file:hand.secret"\n' ;; esac
	shift
	[ $# -eq 0 ] || printf '\t%s\n' "$@"
	printf '}\n'
}

handshakes_config() {
	printf '%s\n' "$SECRET" >"$LAB/etc/hand.secret"
	printf 'bt-private-key' >"$LAB/etc/braintree.secret"
	openssl genpkey -algorithm ed25519 -out "$LAB/conf/discord.pem"
	openssl pkey -in "$LAB/conf/discord.pem" -pubout -outform DER | tail -c 32 | xxd -p -c 64 >"$LAB/etc/discord.secret"
	chmod 600 "$LAB"/etc/*.secret
	{
		cat <<'EOF'
provider "slack" {
	header = "X-Slack-Signature" algorithm = "hmac-sha256" format = "v0={signature}"
	timestamp = "{header:X-Slack-Request-Timestamp}" signs = "v0:{timestamp}:{body}"
	handshake "url_verification" { when = "{body:type}=url_verification" answer = "{body:challenge}" }
}
provider "zoom" {
	header = "X-Zm-Signature" algorithm = "hmac-sha256" format = "v0={signature}"
	timestamp = "{header:X-Zm-Request-Timestamp}" signs = "v0:{timestamp}:{body}"
	handshake "validation" {
		when = "{body:event}=endpoint.url_validation" type = "application/json"
		challenge = "{body:payload.plainToken}" challenge_algorithm = "hmac-sha256"
		answer = '{{"plainToken":"{body:payload.plainToken}","encryptedToken":"{digest}"}}'
	}
}
provider "meta" {
	header = "X-Hub-Signature-256" algorithm = "hmac-sha256" format = "sha256={signature}"
	handshake "verify" {
		method = "GET" answer = "{query:hub.challenge}"
		when = {"{query:hub.mode}=subscribe", "{query:hub.verify_token}={parameter:verify_token}"}
	}
	handshake "wrong token" { method = "GET" when = "{query:hub.mode}=subscribe" status = 403 }
}
provider "strava" {
	header = "X-S" algorithm = "hmac-sha256"
	handshake "verify" {
		method = "GET" type = "application/json" answer = '{{"hub.challenge":"{query:hub.challenge}"}}'
		when = "{query:hub.verify_token}={parameter:verify_token}"
	}
}
provider "x" {
	header = "x-twitter-webhooks-signature" algorithm = "hmac-sha256" encoding = "base64" format = "sha256={signature}"
	handshake "crc" {
		method = "GET" when = "{query:crc_token}" type = "application/json"
		challenge = "{query:crc_token}" challenge_algorithm = "hmac-sha256" challenge_encoding = "base64"
		answer = '{{"response_token":"sha256={digest}"}}'
	}
}
provider "dropbox" {
	header = "X-Dropbox-Signature" algorithm = "hmac-sha256"
	handshake "challenge" { method = "GET" when = "{query:challenge}" answer = "{query:challenge}" }
}
provider "linkedin" {
	header = "X-LI-Signature" algorithm = "hmac-sha256" signs = "hmacsha256={body}"
	handshake "challenge" {
		method = "GET" when = "{query:challengeCode}" type = "application/json"
		challenge = "{query:challengeCode}" challenge_of = "uuid" challenge_algorithm = "hmac-sha256"
		answer = '{{"challengeCode":"{query:challengeCode}","challengeResponse":"{digest}"}}'
	}
}
provider "ebay" {
	header = "x-ebay-signature" algorithm = "hmac-sha256"
	handshake "challenge" {
		method = "GET" when = "{query:challenge_code}" type = "application/json"
		challenge = "{query:challenge_code}{parameter:verification_token}{parameter:endpoint}"
		challenge_algorithm = "sha256" answer = '{{"challengeResponse":"{digest}"}}'
	}
}
provider "asana" {
	header = "X-Hook-Signature" algorithm = "hmac-sha256"
	handshake "secret" {
		verified = "no" when = "{header:X-Hook-Secret}" learns = "{header:X-Hook-Secret}" status = 204
		answer_header = "X-Hook-Secret: {header:X-Hook-Secret}"
	}
}
provider "clio" {
	header = "X-Hook-Signature" algorithm = "hmac-sha256"
	handshake "secret" {
		verified = "no" when = "{header:X-Hook-Secret}" learns = "{header:X-Hook-Secret}"
		answer_header = "X-Hook-Secret: {header:X-Hook-Secret}"
	}
}
provider "okta" {
	header = "Authorization" algorithm = "token"
	handshake "verification" {
		method = "GET" when = "{header:X-Okta-Verification-Challenge}" type = "application/json"
		answer = '{{"verification":"{header:X-Okta-Verification-Challenge}"}}'
	}
}
provider "trello" {
	header = "X-Trello-Webhook" algorithm = "hmac-sha1" encoding = "base64"
	handshake "head" { method = "HEAD" }
}
provider "mailchimp" {
	signature = "{query:token}" algorithm = "token"
	handshake "get" { method = "GET" }
}
provider "monday" {
	header = "Authorization" algorithm = "hmac-sha256"
	handshake "challenge" {
		verified = "no" when = "{body:challenge}" type = "application/json"
		answer = '{{"challenge":"{body:challenge}"}}'
	}
}
provider "twitch" {
	header = "Twitch-Eventsub-Message-Signature" algorithm = "hmac-sha256" format = "sha256={signature}"
	id = "{header:Twitch-Eventsub-Message-Id}" timestamp = "{header:Twitch-Eventsub-Message-Timestamp}"
	timestamp_format = "rfc3339" signs = "{id}{timestamp}{body}"
	handshake "challenge" {
		when = "{header:Twitch-Eventsub-Message-Type}=webhook_callback_verification" answer = "{body:challenge}"
	}
}
provider "discord" {
	header = "X-Signature-Ed25519" algorithm = "ed25519" encoding = "hex" key = "hex"
	timestamp = "{header:X-Signature-Timestamp}" signs = "{timestamp}{body}"
	handshake "ping" { when = "{body:type}=1" type = "application/json" answer = '{{"type":1}}' }
	handshake "event ping" { when = "{body:type}=0" status = 204 }
}
provider "xero" {
	header = "x-xero-signature" algorithm = "hmac-sha256" encoding = "base64" success_body = ""
	handshake "intent to receive" { when = {"{body:entropy}", "{body:firstEventSequence}=0"} }
}
provider "graph" {
	signature = "{body:value.0.clientState}" algorithm = "token"
	handshake "validation" { verified = "no" when = "{query:validationToken}" answer = "{query:validationToken}" }
}
provider "ringcentral" {
	header = "Verification-Token" algorithm = "token"
	handshake "validation" {
		verified = "no" when = "{header:Validation-Token}"
		answer_header = "Validation-Token: {header:Validation-Token}"
	}
}
provider "smartcar" {
	header = "SC-Signature" algorithm = "hmac-sha256"
	handshake "verify" {
		when = "{body:eventType}=VERIFY" type = "application/json"
		challenge = "{body:data.challenge}" challenge_of = "uuid" challenge_algorithm = "hmac-sha256"
		answer = '{{"challenge":"{digest}"}}'
	}
}
provider "braintree" {
	signature = "{body:bt_signature}" algorithm = "hmac-sha1" key = "sha1" signs = "{body:bt_payload}"
	handshake "challenge" {
		method = "GET" when = "{query:bt_challenge}"
		challenge = "{query:bt_challenge}" challenge_of = "hex" challenge_algorithm = "hmac-sha1"
		answer = "{parameter:public_key}|{digest}"
	}
}
provider "tebex" {
	header = "X-Signature" algorithm = "hmac-sha256"
	handshake "validation" {
		when = "{body:type}=validation.webhook" type = "application/json" answer = '{{"id":"{body:id}"}}'
	}
}
provider "oura" {
	header = "x-oura-signature" algorithm = "hmac-sha256" encoding = "hex-upper"
	handshake "verify" {
		method = "GET" type = "application/json" answer = '{{"challenge":"{query:challenge}"}}'
		when = "{query:verification_token}={parameter:verification_token}"
	}
}
provider "front" {
	header = "X-Front-Signature" algorithm = "hmac-sha256" encoding = "base64"
	handshake "challenge" { when = "{header:X-Front-Challenge}" answer = "{header:X-Front-Challenge}" }
}
provider "notion" {
	header = "X-Notion-Signature" algorithm = "hmac-sha256" format = "sha256={signature}"
	handshake "token" { verified = "no" when = "{body:verification_token}" learns = "{body:verification_token}" }
}
provider "fitbit" {
	header = "X-Fitbit-Signature" algorithm = "hmac-sha1" encoding = "base64" key_append = "&"
	handshake "right" { method = "GET" when = "{query:verify}={parameter:verify}" status = 204 }
	handshake "wrong" { method = "GET" when = "{query:verify}" status = 404 }
}
provider "vercel" {
	header = "x-vercel-signature" algorithm = "hmac-sha1"
	handshake "verify" { verified = "no" when = "{body}=[]" answer_header = "x-vercel-verify: {parameter:verify}" }
}
provider "woocommerce" {
	header = "X-WC-Webhook-Signature" algorithm = "hmac-sha256" encoding = "base64"
	handshake "ping" { verified = "no" when = "{body:webhook_id}" }
}
provider "exact" {
	header = "X-Exact" algorithm = "hmac-sha256"
	handshake "empty" { verified = "no" when = "{body}=" }
}
provider "plain" {
	algorithm = "none"
	handshake "challenge" { verified = "no" when = "{body:challenge}" answer = "{body:challenge}" }
}
provider "adyen" { header = "X-S" algorithm = "hmac-sha256" success_body = "[accepted]" }
provider "shiphero" {
	header = "X-S" algorithm = "hmac-sha256"
	success_body = '{{"code":"200","Status":"Success"}}' success_type = "application/json"
}
provider "zift" {
	header = "X-S" algorithm = "hmac-sha256"
	success_body = '{{"notificationId":"{body:notificationId}"}}' success_type = "application/json"
}
provider "salesforce" {
	header = "X-S" algorithm = "hmac-sha256" success_body = "<Ack>true</Ack>" success_type = "text/xml"
}
EOF
		hand slack
		hand zoom
		hand meta 'parameters = {"verify_token=meatyhamhock"}'
		hand meta--unset
		hand strava 'parameters = {"verify_token=file:hand.secret"}'
		hand x 'handshake = "open"'
		hand dropbox 'handshake = "open"'
		hand linkedin 'handshake = "open"'
		hand ebay 'handshake = "open"' \
			'parameters = {"verification_token=71745723-d031-455c-bfa5-f90d11b4f20a", "endpoint=http://www.testendpoint.com/webhook"}'
		hand asana 'secret = "learned:asana.secret"' 'handshake = "open"'
		hand clio 'secret = "learned:clio.secret"' 'handshake = "open"'
		hand clio--many 'secret = "learned:many.secret"' 'handshake = "open"'
		hand clio--two 'secret = "learned:two.secret"' 'handshake = "open"'
		hand okta 'handshake = "open"'
		hand trello
		hand mailchimp
		hand monday 'handshake = "open"'
		hand twitch
		hand discord 'secret = "file:discord.secret"' | grep -v hand.secret
		hand xero
		hand graph 'handshake = "open"'
		hand ringcentral 'handshake = "open"'
		hand smartcar
		hand braintree 'handshake = "open"' 'parameters = {"public_key=pub"}' 'secret = "file:braintree.secret"' |
			grep -v hand.secret
		hand tebex
		hand oura 'parameters = {"verification_token=oura-token"}'
		hand front
		hand notion 'secret = "learned:notion.secret"' 'handshake = "open"'
		hand fitbit 'parameters = {"verify=fit"}'
		hand vercel 'parameters = {"verify=code"}'
		hand woocommerce
		hand exact
		hand plain | grep -v secret
		hand adyen
		hand shiphero
		hand zift
		hand salesforce
		for name in x dropbox linkedin ebay okta monday graph ringcentral braintree; do
			hand "$name--shut" 'parameters = {"nothing=x"}' | sed '/nothing=x/d'
		done
		hand asana--shut 'secret = "learned:shut.secret"'
		hand clio--file
	} >>"$LAB/etc/hookcgi.conf"
	chown -R "$LAB_USER" "$LAB/etc"
}

# ALGORITHM KEY TEXT [base64]: by openssl, in hex.
hmac() {
	local form=(xxd -p -c 200)
	[ "${4:-hex}" = hex ] || form=(base64 -w 0)
	printf '%s' "$3" | openssl dgst "-$1" -mac HMAC -macopt "hexkey:$(printf '%s' "$2" | xxd -p -c 200)" -binary |
		"${form[@]}"
}

# CODE TYPE BODY: the answer was exactly this; TYPE "": none.
exactly() {
	local type
	expect "$1" "a handshake"
	printf '%s' "$3" | cmp - "$ANSWER.body"
	type=$(sed -n 's/^content-type: *\([^;\r]*\).*/\1/Ip' "$ANSWER.head")
	[ "$type" = "$2" ] || {
		echo "its type is $type, not $2"
		return 1
	}
	answer_has '^x-content-type-options: nosniff'
	not grep -qi '^transfer-encoding' "$ANSWER.head"
}

# ENDPOINT QUERY ARGUMENT...
get() {
	local target=$BASE/$1$2
	shift 2
	request "$@" "$target"
}

# ENDPOINT BODY ARGUMENT...: a POST of JSON.
tell() {
	local name=$1 text=$2
	shift 2
	request --data-binary "$text" -H 'Content-Type: application/json' "$@" "$BASE/$name"
}

# The last refusal in the log has this reason.
logged() {
	tail -n 3 "$LAB/log/hookcgi.log" | grep -qF -- "$1" && return 0
	echo "not logged: $1"
	tail -n 3 "$LAB/log/hookcgi.log"
	return 1
}

# ENDPOINT: nothing has been run for it.
unhandled() { [ "$(runs "$1")" -eq 0 ]; }

signed_challenges_are_answered() {
	local now body
	now=$(date +%s)
	body='{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}'
	tell slack "$body" -H "X-Slack-Request-Timestamp: $now" \
		-H "X-Slack-Signature: v0=$(hmac sha256 "$SECRET" "v0:$now:$body")"
	exactly 200 text/plain 3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P
	tell slack "$body" -H "X-Slack-Request-Timestamp: $now" -H "X-Slack-Signature: v0=$(hmac sha256 no "v0:$now:$body")"
	expect 401 "a forged challenge"

	body='{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}'
	tell zoom "$body" -H "X-Zm-Request-Timestamp: $now" \
		-H "X-Zm-Signature: v0=$(hmac sha256 "$SECRET" "v0:$now:$body")"
	exactly 200 application/json \
		"{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\",\"encryptedToken\":\"$(hmac sha256 "$SECRET" qgg8vlvZRS6UYooatFL8Aw)\"}"
	body='{"payload":{"plainToken":"v0:1:{}"},"event":"endpoint.url_validation"}'
	tell zoom "$body" -H "X-Zm-Request-Timestamp: $now" \
		-H "X-Zm-Signature: v0=$(hmac sha256 "$SECRET" "v0:$now:$body")"
	expect 400 "a challenge that is no token"

	now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	body='{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"id":"f1c2a387"}}'
	tell twitch "$body" -H 'Twitch-Eventsub-Message-Id: 1' -H "Twitch-Eventsub-Message-Timestamp: $now" \
		-H 'Twitch-Eventsub-Message-Type: webhook_callback_verification' \
		-H "Twitch-Eventsub-Message-Signature: sha256=$(hmac sha256 "$SECRET" "1$now$body")"
	exactly 200 text/plain pogchamp-kappa-360noscope-vohiyo

	body='{"eventType":"VERIFY","data":{"challenge":"5a0c6a4e-1c5b-4fd1-9a4d-8f1f6e0c9b3d"}}'
	tell smartcar "$body" -H "SC-Signature: $(hmac sha256 "$SECRET" "$body")"
	exactly 200 application/json "{\"challenge\":\"$(hmac sha256 "$SECRET" 5a0c6a4e-1c5b-4fd1-9a4d-8f1f6e0c9b3d)\"}"

	body='{"id":"4d9c8a","type":"validation.webhook","subject":{}}'
	tell tebex "$body" -H "X-Signature: $(hmac sha256 "$SECRET" "$body")"
	exactly 200 application/json '{"id":"4d9c8a"}'

	tell front '{}' -H 'X-Front-Challenge: abc123' -H "X-Front-Signature: $(hmac sha256 "$SECRET" '{}' base64)"
	exactly 200 text/plain abc123

	body='{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "S0m3r4Nd0mt3xt"}'
	tell xero "$body" -H "x-xero-signature: $(hmac sha256 "$SECRET" "$body" base64)"
	exactly 200 text/plain ''
	tell xero "$body" -H "x-xero-signature: $(hmac sha256 no "$body" base64)"
	exactly 401 '' ''
	for name in slack zoom twitch smartcar tebex front xero; do unhandled "$name"; done
}

discord_pings_are_answered() {
	local now body
	now=$(date +%s)
	for body in '{"type":1}' '{"type":0}'; do
		printf '%s' "$now$body" >"$BATS_TEST_TMPDIR/signed"
		openssl pkeyutl -sign -rawin -inkey "$LAB/conf/discord.pem" -in "$BATS_TEST_TMPDIR/signed" \
			-out "$BATS_TEST_TMPDIR/signature"
		tell discord "$body" -H "X-Signature-Timestamp: $now" \
			-H "X-Signature-Ed25519: $(xxd -p -c 200 "$BATS_TEST_TMPDIR/signature")"
		case $body in
		*1*) exactly 200 application/json '{"type":1}' ;;
		*) exactly 204 '' '' ;;
		esac
	done
	tell discord '{"type":1}' -H "X-Signature-Timestamp: $now" -H "X-Signature-Ed25519: $(printf '%0128d' 0)"
	expect 401 "a ping that is wrongly signed on purpose"
}

tokens_are_compared() {
	local right='?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token='
	get meta "${right}meatyhamhock"
	exactly 200 text/plain 1158201444
	get meta "${right}wrong"
	exactly 403 text/plain ''
	get meta "$right"
	exactly 403 text/plain ''
	get meta--unset "${right}anything"
	expect 403 "a parameter that is not set"
	grep -qx '{"status":"forbidden"}' "$ANSWER.body"
	logged 'write parameters = {\"verify_token=VALUE\"} into the endpoint'
	get strava "${right}$SECRET"
	exactly 200 application/json '{"hub.challenge":"1158201444"}'
	get strava "?hub.verify_token=$SECRET&hub.challenge=%22%2C%22a%22%3A%22%5C"
	exactly 200 application/json '{"hub.challenge":"\",\"a\":\"\\"}'
	get oura '?verification_token=oura-token&challenge=xyz'
	exactly 200 application/json '{"challenge":"xyz"}'
	get oura '?verification_token=oura-toke&challenge=xyz'
	expect 401 "a wrong token"
	get fitbit '?verify=fit'
	exactly 204 '' ''
	get fitbit '?verify=fat'
	exactly 404 text/plain ''
}

open_echoes_are_answered() {
	get dropbox '?challenge=some%20text'
	exactly 200 text/plain 'some text'
	get okta '' -H 'X-Okta-Verification-Challenge: a"b'
	exactly 200 application/json '{"verification":"a\"b"}'
	tell monday '{"challenge":"3eZbrw1a"}'
	exactly 200 application/json '{"challenge":"3eZbrw1a"}'
	request -X POST -H 'Content-Length: 0' "$BASE/graph?validationToken=Validation%3A+Testing+client+%3Cb%3E"
	exactly 200 text/plain 'Validation: Testing client <b>'
	tell ringcentral '' -H 'Validation-Token: abc-123'
	exactly 200 text/plain ''
	answer_has '^Validation-Token: abc-123'
}

open_computations_are_answered() {
	local key
	get x '?crc_token=challenge_string'
	exactly 200 application/json "{\"response_token\":\"sha256=$(hmac sha256 "$SECRET" challenge_string base64)\"}"
	get linkedin '?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0'
	exactly 200 application/json \
		"{\"challengeCode\":\"890e4665-4dfe-4ab1-b689-ed553bceeed0\",\"challengeResponse\":\"$(hmac sha256 "$SECRET" 890e4665-4dfe-4ab1-b689-ed553bceeed0)\"}"
	# from eBay's own document
	get ebay '?challenge_code=a8628072-3d33-45ee-9004-bee86830a22d'
	exactly 200 application/json \
		'{"challengeResponse":"ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb"}'
	key=$(printf 'bt-private-key' | openssl dgst -sha1 -r | cut -d' ' -f1)
	get braintree '?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53'
	exactly 200 text/plain "pub|$(printf 20f9f8ed05f77439fe955c977e4c8a53 |
		openssl dgst -sha1 -mac HMAC -macopt "hexkey:$key" -r | cut -d' ' -f1)"
}

pings_are_answered() {
	request -I "$BASE/trello"
	expect 200 "HEAD"
	get mailchimp ''
	exactly 200 text/plain ''
	request --data 'webhook_id=12' "$BASE/woocommerce"
	exactly 200 text/plain ''
	request -X POST -H 'Content-Length: 0' "$BASE/exact"
	exactly 200 text/plain ''
	tell vercel '[]'
	exactly 200 text/plain ''
	answer_has '^x-vercel-verify: code'
	for name in trello mailchimp woocommerce exact vercel; do unhandled "$name"; done
}

# What has to be in the answer to every event.
required_bodies_are_sent() {
	local body='{"notificationId":"n\"1"}'
	local signature
	signature=$(hmac sha256 "$SECRET" "$body")
	tell adyen "$body" -H "X-S: $signature"
	exactly 200 text/plain '[accepted]'
	tell shiphero "$body" -H "X-S: $signature"
	exactly 200 application/json '{"code":"200","Status":"Success"}'
	tell zift "$body" -H "X-S: $signature"
	exactly 200 application/json '{"notificationId":"n\"1"}'
	tell salesforce "$body" -H "X-S: $signature"
	exactly 200 text/xml '<Ack>true</Ack>'
	wait_for 5 has_run adyen
}

methods_are_told() {
	request -X PUT "$BASE/trello"
	expect 405 "PUT"
	answer_has '^Allow: HEAD, POST.$'
	get trello ''
	expect 405 "a GET where HEAD is taken"
	request -I "$BASE/dropbox"
	expect 405 "a HEAD where GET is taken"
	answer_has '^Allow: GET, POST.$'
	get slack ''
	expect 405 "a GET where none is taken"
	answer_has '^Allow: POST.$'
	# with the right token, and no event all the same
	get okta '' -H "Authorization: $SECRET"
	expect 405 "a GET that is no handshake"
	get okta '' -H 'Authorization: wrong'
	expect 401 "the same without the token"
	unhandled okta
}

# What an operator is told before he asks the sender.
check_tells_what_is_missing() {
	local said
	said=$(lab_hookcgi check 2>/dev/null) || true
	grep -q 'handshake crc: a GET is answered 200, whoever sends it' <<<"$said"
	grep -q 'handshake crc: NOT ANSWERED: write handshake = "open"' <<<"$said"
	grep -q 'handshake verify: NOT ANSWERED: write parameters = {"verify_token=' <<<"$said"
	grep -q "none has been learned yet, every event is answered 401; a handshake writes $LAB/etc/shut.secret" <<<"$said"
	grep -q 'parameters verification_token endpoint$' <<<"$said"
	not grep -q -e 71745723 -e meatyhamhock -e "$SECRET" <<<"$said"
	said=$(lab_hookcgi sign asana--shut </dev/null 2>&1) && return 1
	grep -q 'no secret has been learned yet' <<<"$said"
}

# Whoever may send the request gets nothing out of it until the operator has agreed.
handshakes_are_closed_by_default() {
	local name
	get x--shut '?crc_token=challenge_string'
	shut
	get dropbox--shut '?challenge=a'
	shut
	get linkedin--shut '?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0'
	shut
	get okta--shut '' -H 'X-Okta-Verification-Challenge: a'
	shut
	tell monday--shut '{"challenge":"a"}'
	shut
	request -X POST -H 'Content-Length: 0' "$BASE/graph--shut?validationToken=a"
	shut
	tell ringcentral--shut '' -H 'Validation-Token: abc'
	shut
	tell asana--shut '{}' -H 'X-Hook-Secret: abc'
	shut
	not grep -qi abc "$ANSWER.head"
	[ ! -e "$LAB/etc/shut.secret" ]
	get ebay--shut '?challenge_code=a'
	expect 403 "without its parameters"
	get braintree--shut '?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53'
	expect 403 "without its parameter"
	tell plain '{"challenge":"a"}'
	shut
	tell clio--file '{}' -H 'X-Hook-Secret: abc'
	expect 403 "a secret that is not to be learned"
	logged 'write secret = \"learned:PATH\"'
	# An event that looks like one is an event.
	tell monday--shut '{"challenge":"a"}' -H "Authorization: $(hmac sha256 "$SECRET" '{"challenge":"a"}')"
	expect 200 "a signed event"
	wait_for 5 has_run monday--shut
}

refused_with() {
	local said
	said=$(lab_hookcgi refused --limit 1)
	grep -qF -- "$1" <<<"$said" && return 0
	echo "not the last refusal: $1"
	echo "$said"
	return 1
}

shut() {
	exactly 403 application/json '{"status":"forbidden"}
'
	logged 'write handshake = \"open\" into the endpoint while you register the URL'
	[ -z "${STORE:-}" ] ||
		refused_with 'write handshake = "open" into the endpoint while you register the URL'
}

# What the endpoint signs for anybody is never taken for an event.
the_oracle_is_of_no_use() {
	local text digest
	# asked for, and then sent as an event
	for text in amount=100 100 'eyJhIjoxfQ=='; do
		get x "?crc_token=$text"
		expect 200 "a challenge"
		digest=$(sed 's/.*sha256=//; s/".*//' "$ANSWER.body")
		[ "$digest" = "$(hmac sha256 "$SECRET" "$text" base64)" ]
		for type in application/json application/x-www-form-urlencoded text/plain; do
			request --data-binary "$text" -H "Content-Type: $type" \
				-H "x-twitter-webhooks-signature: sha256=$digest" "$BASE/x"
			expect 401 "an event that the endpoint has signed itself"
			# closed by now, and still not believed
			request --data-binary "$text" -H "Content-Type: $type" \
				-H "x-twitter-webhooks-signature: sha256=$digest" "$BASE/x--shut"
			expect 401 "the same where it is closed"
		done
		logged 'as the answer to a handshake'
	done
	# what would be an event is no challenge
	for text in '%7B%22amount%22%3A100%7D' 'a%3D1%26b%3D2' '%5B1%5D'; do
		get x "?crc_token=$text"
		expect 400 "an event as a challenge"
		not grep -q sha256 "$ANSWER.body"
	done
	get linkedin '?challengeCode=hmacsha256%3D'
	expect 400 "the beginning of what LinkedIn signs"
	get linkedin '?challengeCode=hmacsha256%3D%7B%22a%22%3A1%7D'
	expect 400 "what LinkedIn signs"
	get braintree '?bt_challenge=PG5vdGlmaWNhdGlvbj4='
	expect 400 "a payload as a challenge"
	unhandled x
	unhandled x--shut
	# A genuine event is one.
	text='{"for_user_id":"1","tweet_create_events":[]}'
	tell x "$text" -H "x-twitter-webhooks-signature: sha256=$(hmac sha256 "$SECRET" "$text" base64)"
	expect 200 "a genuine event"
	text='{"a":1}'
	tell linkedin "$text" -H "X-LI-Signature: $(hmac sha256 "$SECRET" "hmacsha256=$text")"
	expect 200 "a genuine event"
}

headers_cannot_be_split() {
	local text
	for text in 'a%0D%0ASet-Cookie:%20b=c' 'a%0Ab' 'a%0Db' 'a%00b'; do
		get dropbox "?challenge=$text"
		not grep -qi '^set-cookie' "$ANSWER.head"
	done
	tell ringcentral '' -H "Validation-Token: $(printf '%01025d' 0)"
	not grep -qi '^validation-token' "$ANSWER.head"
	[ "$code" -ge 400 ]
}

a_secret_is_learned_once() {
	local secret=b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81
	tell asana '{"events":[]}' -H "X-Hook-Signature: $(hmac sha256 "$secret" '{"events":[]}')"
	expect 401 "an event before anything was learned"
	logged 'no secret has been learned yet'
	tell asana '' -H "X-Hook-Secret: $secret"
	exactly 204 '' ''
	answer_has "^X-Hook-Secret: $secret"
	is_believed asana "$secret" # at once
	printf '%s' "$secret" | cmp - "$LAB/etc/asana.secret"
	[ "$(stat -c '%a %U %h' "$LAB/etc/asana.secret")" = "600 $LAB_USER 1" ]
	# It is registered again.
	tell asana '' -H "X-Hook-Secret: $secret"
	exactly 204 '' ''
	tell asana '' -H "X-Hook-Secret: other$secret"
	expect 403 "another secret"
	logged 'another secret was learned before'
	printf '%s' "$secret" | cmp - "$LAB/etc/asana.secret"
	tell asana '{"events":[]}' -H "X-Hook-Signature: $(hmac sha256 "other$secret" '{"events":[]}')"
	expect 401 "an event signed with the other"
	not grep -rqF "$secret" "$LAB/log"
	tell notion '{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}'
	exactly 200 text/plain ''
	[ "$(cat "$LAB/etc/notion.secret")" = secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl ]
	not grep -rqF -e secret_tMrlL1qK -e "$secret" "$LAB/log" "$LAB/run"
}

is_believed() {
	tell "$1" '{"events":[]}' -H "X-Hook-Signature: $(hmac sha256 "$2" '{"events":[]}')"
	[ "$code" = 200 ]
}

# Sixteen at once, and each of eight twice in another race.
many_learn_one_secret() {
	local i sent=() codes
	for i in $(seq 16); do
		curl -sS -o /dev/null -w '%{http_code}\n' -X POST -H 'Content-Length: 0' -H 'X-Hook-Secret: same' \
			"$BASE/clio--many" >"$BATS_TEST_TMPDIR/many.$i" 3>&- &
		sent+=($!)
	done
	wait "${sent[@]}"
	codes=$(sort "$BATS_TEST_TMPDIR"/many.* | uniq -c | tr -s ' ')
	[ "$codes" = " 16 200" ] || {
		echo "answers: $codes"
		return 1
	}
	[ "$(cat "$LAB/etc/many.secret")" = same ]
	sent=()
	for i in $(seq 16); do
		curl -sS -o /dev/null -w '%{http_code}\n' -X POST -H 'Content-Length: 0' -H "X-Hook-Secret: s$((i % 8))" \
			"$BASE/clio--two" >"$BATS_TEST_TMPDIR/two.$i" 3>&- &
		sent+=($!)
	done
	wait "${sent[@]}"
	codes=$(sort "$BATS_TEST_TMPDIR"/two.* | uniq -c | tr -s ' \n' ' ')
	[ "$codes" = " 2 200 14 403 " ] || {
		echo "answers: $codes"
		return 1
	}
	# nothing is left beside the files
	[ "$(find "$LAB/etc" -name 'many.secret*' -o -name 'two.secret*' | wc -l)" -eq 2 ]
}
