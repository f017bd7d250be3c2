# shellcheck shell=bash
# rules.bash - what must come of a request, the same behind every server
#
# Each function is one test; the files name it and say where a server differs.

# endpoint|signature header|digest|prefix|content type|more headers, ";" between|event type|id|a leaf|body
good_requests_table() {
	cat <<'EOF'
webconnex|X-Webconnex-Signature|sha256||application/json|X-Webconnex-Event: registration;X-Webconnex-Delivery: b473fe31|registration|b473fe31|HOOK_DATA_DATA_TOTAL=20.60|{"eventType":"registration","formId":1,"data":{"total":20.60,"name":"Åsa \"O\" \u0041"}}
sixpark|X-SixPark-Signature|sha256||application/json||ACCOUNT_ONBOARDED|ecb20ef1|HOOK_DATA_DATA_TYPE=webhook-event|{"data":{"id":"ecb20ef1","type":"webhook-event","attributes":{"even_type":"ACCOUNT_ONBOARDED"}}}
wootric|X-Wootric-Signature|sha1|sha1=|application/x-www-form-urlencoded||response.created|response.1128.created.2016-08-04 13:57:26 -0700|HOOK_DATA_RESPONSE_SCORE=7|response[id]=1128&response[email]=nps@example.com&response[score]=7&response[text]=&response[updated_at]=2016-08-04%2013%3A57%3A26%20-0700&response[end_user_properties][product_plan]=Web%20App&event_name=created&survey_mode=NPS
wootric|X-Wootric-Signature|sha1|sha1=|application/json||response.updated|response.1128.updated.2016-08-04T13:57:31.329-07:00|HOOK_DATA_RESPONSE_SCORE=3|{"response":{"id":1128,"score":3,"text":null,"updated_at":"2016-08-04T13:57:31.329-07:00"},"event_name":"updated"}
digivault|X-DigiVault-Signature|sha256||application/json||conversation.message.created|webhook_1|HOOK_DATA_DATA_OBJECT_MESSAGE=Hello, world!|{"id":"webhook_1","type":"conversation.message.created","created_at":1640995200,"data":{"object":{"message":"Hello, world!"}}}
digivault|X-BitVault-Signature|sha256||application/json||contact.created|webhook_2|HOOK_DATA_CREATED_AT=1640995200|{"id":"webhook_2","type":"contact.created","created_at":1640995200,"data":{}}
idfy|X-Idfy-Signature|sha256||application/json|X-Extra: yes|document_signed|evt_1|HOOK_HEADER_X_EXTRA=yes|{"id":"evt_1","type":"document_signed","payload":{"n":7}}
EOF
}

each_provider_is_accepted() {
	local name header digest prefix type more event id leaf text file=$BATS_TEST_TMPDIR/good
	local rest arguments
	while IFS='|' read -r name header digest prefix type more event id leaf text; do
		printf '%s' "$text" >"$file"
		arguments=(-H "Content-Type: $type" -H "$header: $prefix$(signature "$digest" "$name" "$file")")
		while [ -n "$more" ]; do
			arguments+=(-H "${more%%;*}")
			rest=${more#*;}
			[ "$rest" != "$more" ] || rest=
			more=$rest
		done
		forget
		request --data-binary "@$file" "${arguments[@]}" "$BASE/$name"
		expect 200 "$name $header"
		answer_has recorded
		handled "$name"
		given "HOOK_ENDPOINT=$name"
		given "HOOK_PROVIDER=$name"
		given "HOOK_EVENT=$event"
		given "HOOK_ID=$id"
		given "HOOK_CONTENT_TYPE=$type"
		given "HOOK_REMOTE_ADDR=127.0.0.1"
		given "$leaf"
		if [ "$type" = application/json ]; then
			cmp "$file" "$effect.stdin"
		else
			[ "$("$LAB/bin/hookcgi" get response.end_user_properties.product_plan <"$effect.stdin")" = "Web App" ]
		fi
	done < <(good_requests_table)
}

# Apache keeps the header from programs unless it is told otherwise.
a_bearer_token_arrives() {
	request --data-binary "@$(body)" -H "Authorization: Bearer $(cat "$LAB/etc/idfy.secret")" "$BASE/bearer"
	expect 200 "a right bearer token"
	request --data-binary "@$(body)" -H "Authorization: Bearer $(cat "$LAB/etc/sixpark.secret")" "$BASE/bearer"
	expect 401 "a wrong one"
}

# What the handler gets is a list of ours; nothing of the server's leaks into it.
the_environment_is_built_from_nothing() {
	forget
	post 'idfy?token=evil' "$(body)" -H 'Proxy: http://evil.example/' \
		-H 'X-Not-Named: evil' -H 'Authorization: Bearer evil'
	expect 200 "a request with a Proxy header"
	for effect in "$LAB"/out/idfy.*.env; do
		[ "$(grep -cvE '^(PATH|HOME|LANG|TZ|PWD|OLDPWD|SHLVL|_|HOOK_[A-Z0-9_]*)=' "$effect")" -eq 0 ] || {
			cat "$effect"
			return 1
		}
		not grep evil "$effect"
	done
	not grep -rF "$(cat "$LAB/etc/idfy.secret")" "$LAB/out" "$LAB/log"
	# nor does a token of the query string get into a log
	not grep -r 'token=evil' "$LAB/log"
}

# Whatever the server left open in hookcgi: 0 to 2 and nothing else.
handlers_inherit_no_descriptor() {
	post descriptors "$(body)"
	expect 200 "the list of descriptors"
	cat "$ANSWER.body"
	[ "$(sed -n "\\,/handlers/,d; s/.* \([0-9]*\) -> .*/\1/p" "$ANSWER.body" | tr '\n' ' ')" = "0 1 2 " ]
	not grep -E " -> ($LAB/log|/dev/tty|/dev/pts)" "$ANSWER.body"
}

forged_and_unsigned_are_refused_alike() {
	local file
	file=$(body)
	forget
	request --data-binary "@$file" -H "X-Idfy-Signature: $(printf '%064d' 0)" "$BASE/idfy"
	expect 401 "a wrong signature"
	cp "$ANSWER.body" "$BATS_TEST_TMPDIR/wrong"
	request --data-binary "@$file" "$BASE/idfy"
	expect 401 "no signature"
	cmp "$ANSWER.body" "$BATS_TEST_TMPDIR/wrong"
	request --data-binary "@$file" -H "X-Idfy-Signature: $(signature sha256 sixpark "$file")" "$BASE/idfy"
	expect 401 "another endpoint's secret"
	printf ' ' >>"$file"
	request --data-binary "@$file" -H "X-Idfy-Signature: $(signature sha256 idfy "$(body)")" "$BASE/idfy"
	expect 200 "the same body"
	forget
	cp "$(body)" "$file.changed"
	printf ' ' >>"$file.changed"
	request --data-binary "@$file.changed" -H "X-Idfy-Signature: $(signature sha256 idfy "$file")" "$BASE/idfy"
	expect 401 "a changed body"
	[ "$(runs idfy)" -eq 0 ]
}

what_is_no_delivery_is_refused() {
	local method
	post nobody "$(body)"
	expect 404 "an unknown endpoint"
	for method in GET PUT DELETE OPTIONS; do
		request -X "$method" "$BASE/idfy"
		expect 405 "$method"
		answer_has '^Allow: .*POST'
	done
	request -I "$BASE/idfy"
	expect 405 HEAD
	post idfy "$(body)" -H 'Content-Encoding: gzip'
	expect 415 "a gzip body"
	post misconfigured "$(body)"
	expect 503 "an endpoint without a secret"
	printf '{"id":' >"$BATS_TEST_TMPDIR/bad"
	post idfy "$BATS_TEST_TMPDIR/bad"
	expect 400 "broken JSON, rightly signed"
}

the_handler_decides_the_answer() {
	local began=$SECONDS
	post tempfail "$(body)"
	expect 503 "exit 75"
	answer_has '^Retry-After:'
	post fails "$(body)"
	expect 500 "exit 1"
	post missing "$(body)"
	expect 500 503 "a handler that is not there"
	post slow "$(body)"
	expect 504 "a handler over its timeout"
	[ $((SECONDS - began)) -lt 25 ]
	wait_for 5 no_nap || {
		lab_processes
		return 1
	}
}

# The time limit ended the child that had left the session, too.
no_nap() { ! lab_processes | grep -q 'bin/sleep'; }

# HOW MANY bytes of JSON.
large_body() {
	local file=$BATS_TEST_TMPDIR/large
	{
		printf '{"id":"1","type":"x","pad":"'
		head -c $(($1 - 30)) /dev/zero | tr '\0' a
		printf '"}'
	} >"$file"
	echo "$file"
}

large_bodies_are_refused_and_small_limits_hold() {
	local file
	forget
	file=$(large_body 1048576)
	[ "$(wc -c <"$file")" -eq 1048576 ]
	post idfy "$file"
	expect 200 "1 MiB"
	handled idfy
	cmp "$file" "$effect.stdin"
	printf ' ' >>"$file"
	post idfy "$file"
	expect 413 "one byte more, declared"
	post idfy "$file" -H 'Transfer-Encoding: chunked'
	expect "${1:-413}" "one byte more, chunked"
	[ "$(runs idfy)" -eq 1 ]
}

# The one number that the comment in the shipped file names, and body_limit.
a_raised_limit_lets_larger_bodies_in() {
	local file
	stop "$(cat "$LAB/run/server.main")"
	[ ! -e "$LAB/run/hookcgi.main" ] || stop "$(cat "$LAB/run/hookcgi.main")"
	rm -f "$LAB/run/hookcgi.sock"
	RAISED=yes server_start "$1"
	file=$(large_body 2000000)
	forget
	post big "$file"
	expect 200 "2 MB to an endpoint of 4 MiB"
	handled big
	cmp "$file" "$effect.stdin"
	post big "$file" -H 'Transfer-Encoding: chunked'
	expect 200 "2 MB in chunks"
	post idfy "$file"
	expect 413 "2 MB to an endpoint of 1 MiB"
	file=$(large_body 5000000)
	post big "$file"
	expect 413 "5 MB to an endpoint of 4 MiB"
}

a_chunked_body_is_whole() {
	forget
	post idfy "$(body)" -H 'Transfer-Encoding: chunked'
	expect 200 "a chunked body"
	handled idfy
	cmp "$(body)" "$effect.stdin"
	given HOOK_DATA_PAYLOAD_N=7
}

# What arrives is rightly signed, but is not all that was declared: under CGI only
# CONTENT_LENGTH tells.
a_body_that_is_cut_off_runs_nothing() {
	local file
	file=$(large_body 65536) # some whole buffers: what has come is handed on
	forget
	{
		printf 'POST /hooks/idfy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
		printf 'Content-Length: %d\r\nX-Idfy-Signature: %s\r\n\r\n' \
			$(($(wc -c <"$file") + 10)) "$(signature sha256 idfy "$file")"
		cat "$file"
	} | python3 -c '
import socket, sys
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 40)
server.sendall(sys.stdin.buffer.read())
server.shutdown(socket.SHUT_WR)
while server.recv(65536):
    pass
' "$PORT"
	[ "$(runs idfy)" -eq 0 ]
	post idfy "$file"
	expect 200 "a whole body after it"
	[ "$(runs idfy)" -eq 1 ]
}

twenty_at_once_are_all_handled() {
	local i file sent=() bad=0
	file=$(body)
	local mark
	mark=$(signature sha256 idfy "$file")
	forget
	for i in {1..20}; do
		curl -sS --max-time 40 -o /dev/null -w '%{http_code}\n' --data-binary "@$file" \
			-H "X-Idfy-Signature: $mark" "$BASE/idfy" >"$BATS_TEST_TMPDIR/code.$i" 3>&- &
		sent+=($!)
	done
	for i in "${sent[@]}"; do wait "$i" || bad=1; done
	sort "$BATS_TEST_TMPDIR"/code.* | uniq -c
	[ "$bad" -eq 0 ]
	[ "$(cat "$BATS_TEST_TMPDIR"/code.* | sort -u)" = 200 ]
	[ "$(runs idfy)" -eq 20 ]
}

# Two of them are ambiguous, whichever of them is right. nginx hands on both, the
# others join them with a comma.
a_repeated_signature_is_refused() {
	local file right wrong
	file=$(body)
	right=$(signature sha256 idfy "$file")
	wrong=$(printf '%064d' 0)
	forget
	for pair in "$right $wrong" "$wrong $right" "$right $right"; do
		request --data-binary "@$file" -H "X-Idfy-Signature: ${pair% *}" \
			-H "X-Idfy-Signature: ${pair#* }" "$BASE/idfy"
		expect 400 "signatures $pair"
	done
	[ "$(runs idfy)" -eq 0 ]
}

# SERVER'S WAY: "drops" spellings of a header with "_" and ".", or "folds" them
# into one with "-"; then hookcgi must see two and refuse.
other_spellings_of_a_header_change_nothing() {
	local file other folded=200
	file=$(body)
	[ "$1" = drops ] || folded=400
	for other in X_Idfy_Signature X.Idfy.Signature X_Idfy-Signature; do
		post idfy "$file" -H "$other: $(printf '%064d' 0)"
		expect "$folded" "$other beside the right one"
	done
	forget
	printf '{"formId":1}' >"$file"
	request --data-binary "@$file" -H "X-Webconnex-Signature: $(signature sha256 webconnex "$file")" \
		-H 'X_Webconnex_Event: evil' -H 'X-Webconnex-Event: registration' \
		-H 'X.Webconnex.Event: evil' "$BASE/webconnex"
	expect "$folded" "an event type in three spellings"
	[ "$folded" -ne 200 ] || handled webconnex
	not grep -r evil "$LAB/out"
}

# RFC 3875 4.4: under CGI a query without "=" becomes the command line.
a_query_word_is_no_command() {
	local word
	for word in -x --help check version 'serve+--listen+unix:/tmp/x' '-c+/etc/passwd'; do
		forget
		post "idfy?$word" "$(body)"
		expect 200 "?$word"
		answer_has recorded
	done
}

odd_names_are_no_endpoints() {
	local name file
	file=$(body)
	forget
	# shellcheck disable=SC2016 # meant as it stands
	for name in ../idfyx ../../idfyx %2e%2e %2e%2e%2fidfyx %00 idfy%00 idfy%0a %0aidfy idfy%0d%0aX:y \
		IDFY -rf .git idfy.secret 'idfy%20' idfy%c3%a9 "idfy'" 'idfy;id' 'idfy$(id)' '' \
		"$(printf '%05000d' 0)"; do
		post "$name" "$file"
		expect 301 400 403 404 414 431 "the name $name"
	done
	[ "$(runs idfy)" -eq 0 ]
	post idfy "$file"
	expect 200 "a plain name after them"
}
