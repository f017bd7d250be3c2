#!/usr/bin/env bats
# ledger.bats - list, show, replay, refused, stats, prune: what they print, and their exit codes
#
# Events are put in by the program as a CGI server calls it, and run by the worker
# as cron calls it, so that each state lasts until the test has looked at it.
# The tests of a file run in order and share the store.
# shellcheck disable=SC2154,SC2094 # status and output are bats' own; a body is read twice

load lib

setup_file() {
	lab_open
	lab_store
	{
		echo 'worker = "off"'
		endpoint orders idfy "run = { \"$LAB/handlers/record\" }" 'mode = "queue"'
		endpoint broken idfy "run = { \"$LAB/handlers/exit\", \"100\" }" 'mode = "queue"'
	} >>"$LAB/etc/hookcgi.conf"
}

teardown_file() { lab_close; }

# EXIT ARGUMENT...
ends_with() {
	local wanted=$1
	shift
	run lab_hookcgi "$@"
	[ "$status" -eq "$wanted" ] && return 0
	printf 'hookcgi %s: exit %s, not %s\n%s\n' "$*" "$status" "$wanted" "$output"
	return 1
}

# TEXT: the last output has it.
says() {
	[[ $output == *"$1"* ]] && return 0
	printf 'there is no "%s" in\n%s\n' "$1" "$output"
	return 1
}

# ENDPOINT JSON [VARIABLE=VALUE...]: a rightly signed request. $answer is what came back.
deliver() {
	local file=$BATS_TEST_TMPDIR/delivered name=$1
	printf '%s' "$2" >"$file"
	shift 2
	answer=$("${AS_USER[@]}" env -i GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
		REQUEST_METHOD=POST SCRIPT_NAME=/hooks "PATH_INFO=/$name" "REQUEST_URI=/hooks/$name" \
		REMOTE_ADDR=192.0.2.7 CONTENT_TYPE=application/json "CONTENT_LENGTH=$(wc -c <"$file")" \
		"HOOKCGI_CONFIG=$LAB/etc/hookcgi.conf" \
		"HTTP_X_IDFY_SIGNATURE=$(signature sha256 idfy "$file")" "$@" \
		"$LAB/bin/hookcgi" <"$file")
}

accepted() {
	deliver "$@"
	[[ $answer == *'"status":"accepted"'* ]] && return 0
	echo "not accepted: $answer"
	return 1
}

work() { lab_hookcgi worker --once; }

# EXPRESSION: a truth about "rows", the objects that the last output's lines are.
rows() {
	python3 -c 'import json, sys
rows = [json.loads(line) for line in sys.stdin.buffer if line.strip()]
sys.exit(not eval(sys.argv[1]))' "$1" <<<"$output" && return 0
	printf '%s: not so in\n%s\n' "$1" "$output"
	return 1
}

# As rows; without what went to standard error.
json() {
	output=$(lab_hookcgi "${@:2}" --json) || true
	rows "$1"
}

@test "every command explains itself" {
	local command
	for command in list show replay refused stats prune; do
		ends_with 0 "$command" --help
		says "usage: hookcgi"
		says "--json"
	done
}

@test "wrong calls are usage errors" {
	ends_with 2 list 1
	ends_with 2 list --state gone
	ends_with 2 list --since yesterday
	ends_with 2 list --limit -1
	ends_with 2 list --endpoint 'A b'
	ends_with 2 list --event '['
	ends_with 2 list --follow --state dead
	ends_with 2 show
	ends_with 2 show 0
	ends_with 2 show 1 2
	ends_with 2 show 1 --body --json
	ends_with 2 show 1 --output none
	ends_with 2 replay
	ends_with 2 replay x
	ends_with 2 replay --endpoint orders
	ends_with 2 replay 1 --state dead
	ends_with 2 refused 1
	ends_with 2 stats --json --prometheus
	ends_with 2 prune --keep soon
}

@test "looking where nothing was stored says so and makes nothing" {
	ends_with 0 list
	says "nothing was stored yet"
	ends_with 0 stats
	says "nothing was stored yet"
	ends_with 0 prune
	ends_with 0 replay --state dead
	ends_with 0 refused
	ends_with 1 show 1
	says "nothing was stored yet"
	ends_with 1 replay 1
	json 'rows == []' list
	json 'len(rows) == 1 and rows[0]["lost"] == 0' stats
	[ ! -e "${STORE%/*}" ]
}

@test "without a store there is no ledger, and with a broken configuration no answer" {
	local file=$LAB/etc/other.conf command
	echo 'store = "none"' >"$file"
	chmod 600 "$file"
	chown "$LAB_USER" "$file"
	for command in list "show 1" "replay 1" refused stats prune; do
		# shellcheck disable=SC2086
		run "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$file" $command
		[ "$status" -eq 1 ]
		says 'set store = "sqlite:'
	done
	echo 'stoer = "none"' >"$file"
	run "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$file" list
	[ "$status" -eq 78 ]
}

@test "list has the newest first, with what came" {
	accepted orders '{"id":"evt_1","type":"order.paid"}'
	accepted orders '{"id":"evt_2","type":"order.sent"}'
	accepted broken '{"id":"evt_3","type":"refund"}'
	ends_with 0 list
	[[ ${lines[0]} =~ ^ID\ +RECEIVED\ +ENDPOINT\ +EVENT\ +STATE\ +TRIES\ +DUE/REASON$ ]]
	[[ ${lines[1]} =~ ^\ *3\ +[0-9-]+T[0-9:.]+Z\ +broken\ +refund\ +queued\ +0\ +now$ ]]
	[[ ${lines[3]} =~ ^\ *1\ .*\ orders\ +order\.paid\ +queued ]]
	[ "${#lines[@]}" -eq 4 ]
	json '[r["id"] for r in rows] == [3, 2, 1]' list
	rows 'all(set(r) >= set("id endpoint provider event event_id key state attempts received_at due_at reason".split()) for r in rows)'
	rows 'rows[2]["endpoint"] == "orders" and rows[2]["provider"] == "idfy" and rows[2]["event"] == "order.paid"'
	rows 'rows[2]["event_id"] == "evt_1" and rows[2]["state"] == "queued" and rows[2]["attempts"] == 0'
	rows 'rows[2]["reason"] is None and rows[2]["key"] and rows[2]["due_at"].endswith("Z")'
	rows 'rows[2]["remote"] == "192.0.2.7" and rows[2]["body_bytes"] == 34'
}

@test "filters choose" {
	json '[r["id"] for r in rows] == [3]' list --endpoint broken
	json '[r["id"] for r in rows] == [2, 1]' list --event 'order.*'
	json '[r["id"] for r in rows] == [3]' list --limit 1
	json 'len(rows) == 3' list --limit 0 --since 1h --state queued
	json 'rows == []' list --since 2099-01-01T00:00:00Z
	json 'rows == []' list --state "done"
	ends_with 0 list --state "done"
	says "there is no such event"
}

@test "show has the request and the body as it came" {
	ends_with 0 show 1
	says "event id  evt_1"
	says "from 192.0.2.7"
	says "  Content-Type: application/json"
	says '  {"id":"evt_1","type":"order.paid"}'
	says "none yet"
	ends_with 0 show 1 --body
	[ "$output" = '{"id":"evt_1","type":"order.paid"}' ]
	ends_with 0 show 1 --headers
	[[ $'\n'$output == *$'\nContent-Type: application/json'* ]]
	json 'json.loads(rows[0]["body"])["id"] == "evt_1" and rows[0]["body_base64"] is None' show 1
	rows 'rows[0]["runs"] == [] and rows[0]["body_damaged"] is False'
	rows '{"name": "Content-Type", "value": "application/json"} in rows[0]["headers"]'
	ends_with 1 show 99
	says "there is no event 99"
}

@test "show --body writes every byte" {
	local file=$BATS_TEST_TMPDIR/big
	{
		printf '{"id":"evt_big","type":"order.big","text":"'
		head -c 200000 /dev/zero | tr '\0' 'x'
		printf '\\u0001\r\n\t"}'
	} | tr -d '\r\n\t' >"$file"
	accepted orders "$(cat "$file")"
	lab_hookcgi show 4 --body >"$BATS_TEST_TMPDIR/shown"
	cmp "$file" "$BATS_TEST_TMPDIR/shown"
	ends_with 0 show 4
	says "more bytes)"
}

@test "what the handler said is kept with its attempt" {
	work
	json 'rows[0]["state"] == "done" and rows[0]["attempts"] == 1 and rows[0]["due_at"] is None' show 1
	rows 'rows[0]["runs"][0]["end"] == "exit" and rows[0]["runs"][0]["code"] == 0'
	rows 'rows[0]["runs"][0]["stdout"] == "recorded\n" and rows[0]["runs"][0]["duration_us"] > 0'
	ends_with 0 show 3
	says "exit 100"
	says "| leaving with 100"
	[ "$(lab_hookcgi show 1 --output 1)" = recorded ]
	[ -z "$(lab_hookcgi show 3 --output 1 2>/dev/null)" ]
	[ "$(lab_hookcgi show 3 --output 1 2>&1)" = "leaving with 100" ]
	ends_with 1 show 3 --output 2
	json '[r["id"] for r in rows] == [3] and rows[0]["reason"]' list --state dead
	ends_with 0 list --state dead
	[[ ${lines[1]} == *"dead"*"100"* ]]
}

@test "replay queues again, by number and by filter" {
	ends_with 0 replay 1
	says "1 queued"
	says "worker"
	json 'rows[0]["state"] == "queued" and rows[0]["due_at"] > rows[0]["received_at"]' list --event order.paid
	ends_with 0 replay --state dead --endpoint broken
	says "3 queued"
	ends_with 1 replay 2 99
	says "2 queued"
	says "event 99: there is no such event"
	json 'rows == [{"id": 2, "replayed": True, "reason": None}]' replay 2
	ends_with 0 replay --state dead --endpoint orders
	says "there is no such event"
	work
	json 'len(rows[0]["runs"]) == 2 and rows[0]["state"] == "done"' show 1
	json 'len(rows[0]["runs"]) == 2 and rows[0]["state"] == "dead"' show 3
}

@test "what a sender wrote cannot steer the terminal or forge a line" {
	accepted orders '{"id":"evt_\u001b]0;x\u0007","type":"evil\n9  \u001b[31m\u202e"}' \
		HTTP_USER_AGENT=$'agent\e[2J\x9b'
	local command
	for command in list "list --json" "show 5" "show 5 --json" "show 5 --headers"; do
		# shellcheck disable=SC2086
		ends_with 0 $command
		python3 -c 'import sys
text = sys.stdin.buffer.read()
sys.exit(any(bad in text for bad in (b"\x1b", b"\x07", b"\x9b", b"\xe2\x80\xae")))' <<<"$output"
	done
	ends_with 0 list --event 'evil*'
	[ "${#lines[@]}" -eq 2 ]
	json 'rows[0]["event"] == "evil\n9  \x1b[31m\u202e"' list --limit 1
}

@test "refused says who was turned away and why" {
	deliver orders '{"id":"evt_9"}' HTTP_X_IDFY_SIGNATURE=wrong
	[[ $answer == "Status: 401"* ]]
	deliver nowhere '{"id":"evt_9"}'
	[[ $answer == "Status: 404"* ]]
	json 'rows[0]["status"] == 404 and rows[0]["endpoint"] == "nowhere"' refused
	json 'rows[0]["status"] == 401 and rows[0]["remote"] == "192.0.2.7" and rows[0]["reason"]' refused --endpoint orders
	rows 'len(rows) == 1 and rows[0]["repeated"] == 1'
	ends_with 0 refused
	[[ ${lines[0]} =~ ^TIME\ +STATUS\ +TIMES\ +ENDPOINT\ +FROM\ +BYTES\ +REASON$ ]]
	says "192.0.2.7"
	ends_with 0 refused --limit 1
	[ "${#lines[@]}" -eq 2 ]
	json 'rows == []' refused --since 2099-01-01
}

@test "stats count by endpoint and state" {
	ends_with 0 stats
	says "ENDPOINT"
	says "requests refused: 2"
	says "last event: 5 stored, 5 acknowledged"
	json '[r["done"]["events"] for r in rows if r["endpoint"] == "orders"] == [3]' stats
	rows '[r["dead"]["events"] for r in rows if r["endpoint"] == "broken"] == [1]'
	rows '[r["failed_attempts"] for r in rows if r["endpoint"] == "broken"] == [2]'
	rows 'rows[-1] == {"endpoint": None, "refusals": 2, "last_stored": 5, "last_acknowledged": 5, "lost": 0}'
	ends_with 0 stats --prometheus
	says 'hookcgi_events{endpoint="orders",state="queued"} 1'
	says 'hookcgi_events{endpoint="broken",state="dead"} 1'
	says 'hookcgi_refusals_total 2'
	says 'hookcgi_lost_events 0'
	# Each sample belongs to a metric that was announced, and all of it is together.
	awk '/^# TYPE / { if (seen[$3]++) exit 1; now = $3; next } /^#/ { next }
		{ name = $1; sub(/\{.*/, "", name); if (name != now) exit 1 }' <<<"$output"
}

follower_has() { grep -q -- "$1" "$BATS_TEST_TMPDIR/followed"; }

@test "list --follow prints what comes, and ends when it is told to" {
	local follower i=0
	# exec, so that the signal below meets the program and not a shell around it.
	(exec "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/etc/hookcgi.conf" list --follow --json) \
		>"$BATS_TEST_TMPDIR/followed" 3>&- &
	follower=$!
	# It may begin a moment later: send until it has seen one.
	seen() {
		i=$((i + 1))
		accepted orders "{\"id\":\"evt_f$i\",\"type\":\"followed\"}"
		wait_for 1 follower_has '"event":"followed"'
	}
	wait_for 20 seen
	not follower_has '"event":"order.paid"'
	accepted orders '{"id":"evt_last","type":"followed"}'
	wait_for 10 follower_has evt_last
	kill -INT "$follower"
	status=0
	wait "$follower" || status=$?
	[ "$status" -eq 0 ]
}

@test "list --follow ends when nobody reads any more, though nothing comes" {
	# shellcheck disable=SC2016
	run timeout 20 bash -c '"$@" | true' bash "${AS_USER[@]}" "$LAB/bin/hookcgi" \
		-c "$LAB/etc/hookcgi.conf" list --follow --json
	[ "$status" -eq 0 ]
}

@test "list --follow begins at --since and ends after --limit" {
	json '[r["id"] for r in rows] == [1, 2]' list --follow --since 1h --limit 2
}

@test "prune removes what is done and dead, and no more" {
	ends_with 0 prune
	says "0 rows removed"
	json 'rows == [{"removed": 0}]' prune
	ends_with 0 prune --keep 0
	not says "0 rows removed"
	json 'rows and {r["state"] for r in rows} == {"queued"}' list --limit 0
	ends_with 1 show 1
	work
	ends_with 0 prune --keep-body 0
	json 'rows[0]["state"] == "done" and rows[0]["body_bytes"] is None and rows[0]["body"] is None' show 5
	ends_with 1 show 5 --body
	ends_with 1 replay 5
}

@test "a database that lacks acknowledged events is not passed over" {
	rm "$STORE" "$STORE"-wal "$STORE"-shm 2>/dev/null || true
	ends_with 1 stats
	says "EVENTS WERE LOST"
	accepted orders '{"id":"evt_new","type":"order.paid"}'
	ends_with 1 stats
	says "EVENTS WERE LOST"
	ends_with 1 stats --prometheus
	not grep -q '^hookcgi_lost_events 0' <<<"$output"
	json 'rows[-1]["lost"] > 0' stats
}
