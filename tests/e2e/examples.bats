#!/usr/bin/env bats
# examples.bats - what examples/ holds does what it says: the handlers, the configuration, the demo

load lib

setup_file() { lab_open; }
teardown_file() { lab_close; }

setup() {
	TRY=$BATS_TEST_TMPDIR
	mkdir "$TRY/bin"
	PATH=$TRY/bin:$PATH
}

# NAME SCRIPT: a program in front of the real ones.
fake() {
	printf '#!/bin/sh\n%s\n' "$2" >"$TRY/bin/$1"
	chmod 755 "$TRY/bin/$1"
}

# VARIABLE=VALUE... HANDLER ARGUMENT...: run an example as hookcgi would.
handler() { env -i PATH="$PATH" HOME=/ TZ=UTC "$@"; }

@test "append-csv.sh quotes fields, defuses formulas and writes an event once" {
	local file=$TRY/out.csv
	handler HOOK_RECEIVED_AT=2026-11-24T00:00:00Z HOOK_KEY=one HOOK_DATA_DATA_TOTAL=20.60 \
		"$TOP/examples/append-csv.sh" "$file"
	handler HOOK_RECEIVED_AT=2026-11-24T00:00:01Z HOOK_KEY=two 'HOOK_DATA_DATA_TOTAL==HYPERLINK("http://x")' \
		"$TOP/examples/append-csv.sh" "$file"
	handler HOOK_RECEIVED_AT=2026-11-24T00:00:02Z HOOK_KEY=one HOOK_DATA_DATA_TOTAL=20.60 \
		"$TOP/examples/append-csv.sh" "$file"
	diff - "$file" <<-'EOF'
		"2026-11-24T00:00:00Z","one","20.60"
		"2026-11-24T00:00:01Z","two","'=HYPERLINK(""http://x"")"
	EOF
}

@test "append-csv.sh loses no line when many write at once" {
	local i
	for i in {1..12}; do
		handler HOOK_RECEIVED_AT=now HOOK_KEY="k$i" "$TOP/examples/append-csv.sh" "$TRY/out.csv" 3>&- &
	done
	wait
	[ "$(sort -u "$TRY/out.csv" | wc -l)" -eq 12 ]
}

@test "low-score-mail.sh mails low scores and only those" {
	fake sendmail "echo \"\$*\" >\"$TRY/mail\"; cat >>\"$TRY/mail\""
	handler HOOK_DATA_RESPONSE_SCORE=9 "$TOP/examples/low-score-mail.sh" me@example.org
	handler HOOK_DATA_RESPONSE_SCORE=10 "$TOP/examples/low-score-mail.sh" me@example.org
	handler HOOK_DATA_RESPONSE_SCORE='3
Bcc: evil@example.com' "$TOP/examples/low-score-mail.sh" me@example.org
	[ ! -e "$TRY/mail" ]
	# shellcheck disable=SC2016 # meant as it stands
	handler HOOK_DATA_RESPONSE_SCORE=3 'HOOK_DATA_RESPONSE_TEXT=bad $(id) `id`' \
		"$TOP/examples/low-score-mail.sh" me@example.org
	grep -qxF -- '-oi -- me@example.org' "$TRY/mail"
	grep -qxF 'Subject: A customer gave 3' "$TRY/mail"
	# shellcheck disable=SC2016
	grep -qxF 'bad $(id) `id`' "$TRY/mail"
	fake sendmail 'exit 1'
	run handler HOOK_DATA_RESPONSE_SCORE=3 "$TOP/examples/low-score-mail.sh" me@example.org
	[ "$status" -eq 75 ]
}

@test "deploy-on-push.sh takes the pushed branch and no other" {
	local git=(git -c user.name=t -c user.email=t@example.org -c init.defaultBranch=main -C "$TRY/origin")
	command -v git >/dev/null || skip "needs git"
	mkdir "$TRY/origin"
	"${git[@]}" init --quiet
	"${git[@]}" commit --quiet --allow-empty -m one
	git clone --quiet "$TRY/origin" "$TRY/site"
	echo new >"$TRY/origin/page"
	"${git[@]}" add page
	"${git[@]}" commit --quiet -m two
	handler HOOK_DATA_REF=refs/heads/other "$TOP/examples/deploy-on-push.sh" "$TRY/site" main
	[ ! -e "$TRY/site/page" ]
	handler HOOK_DATA_REF=refs/heads/main "$TOP/examples/deploy-on-push.sh" "$TRY/site" main
	[ "$(cat "$TRY/site/page")" = new ]
}

@test "forward.sh hands the bytes on, and asks again when nobody is there" {
	fake curl "printf '%s\\n' \"\$@\" >\"$TRY/arguments\"; cat >\"$TRY/body\""
	printf '{"a": 1}\n' | handler HOOK_KEY='evt-1
X-Evil: yes' "$TOP/examples/forward.sh" http://127.0.0.1:3000/orders
	[ "$(cat "$TRY/body")" = '{"a": 1}' ]
	grep -qxF 'Idempotency-Key: evt-1X-Evilyes' "$TRY/arguments"
	[ "$(tail -n 1 "$TRY/arguments")" = http://127.0.0.1:3000/orders ]
	fake curl 'exit 7'
	run handler HOOK_KEY=evt-1 "$TOP/examples/forward.sh" http://127.0.0.1:3000/orders
	[ "$status" -eq 75 ]
}

@test "retry-later.sh archives an event, or asks for it again" {
	run handler HOOK_KEY=a "$TOP/examples/retry-later.sh" "$TRY"
	[ "$status" -eq 75 ]
	fake mountpoint 'exit 0'
	echo '{}' | handler HOOK_KEY=../../a "$TOP/examples/retry-later.sh" "$TRY"
	echo '{}' | handler HOOK_KEY=../../a "$TOP/examples/retry-later.sh" "$TRY"
	[ "$(find "$TRY" -name '*.json' | wc -l)" -eq 1 ]
	[ "$(find "$TRY" -name '.*' -type f | wc -l)" -eq 0 ]
	fake df 'echo Avail; echo 100'
	run handler HOOK_KEY=a "$TOP/examples/retry-later.sh" "$TRY"
	[ "$status" -eq 75 ]
}

@test "hookcgi.conf has no fault, and no warning but for what this host lacks" {
	local name file=$LAB/etc/example.conf
	for name in registrations.secret registrations.old survey.secret orders.secret deploy.secret acme.secret; do
		openssl rand -hex 20 >"$LAB/etc/$name"
		chmod 600 "$LAB/etc/$name"
	done
	mkdir "$LAB/hooks"
	cp "$TOP"/examples/*.sh "$LAB/hooks"
	sed "s,/usr/local/lib/hooks/,$LAB/hooks/,; s,/usr/bin/logger,/bin/true," "$TOP/examples/hookcgi.conf" >"$file"
	chmod 600 "$file"
	chown -R "$LAB_USER" "$LAB/etc"
	run "${AS_USER[@]}" env DOCUMENTS_SECRET=x "$LAB/bin/hookcgi" -c "$file" check
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"no faults"* ]]
	[[ $output != *warning* ]]
}

# The demo as a process of its own, its output in $TRY/demo.
demo() {
	(
		cd "$TOP" || exit
		exec env PORT="$1" DEMO_ONCE="${2:-}" examples/demo/run.sh "$HOOKCGI"
	) </dev/null >"$TRY/demo" 2>&1 3>&- &
	demo_pid=$!
}

@test "the demo shows five right and five forged requests, and leaves nothing" {
	demo "$(free_port)" 1
	wait "$demo_pid"
	cat "$TRY/demo"
	[ "$(grep -c 'rightly signed 200' "$TRY/demo")" -eq 5 ]
	[ "$(grep -c 'forged         401' "$TRY/demo")" -eq 5 ]
	# Five, then one that fails twice and succeeds, and its replay.
	[ "$(grep -c 'handler for' "$TRY/demo")" -eq 9 ]
	[ "$(grep -c 'attempt [12] failed' "$TRY/demo")" -eq 2 ]
	[ "$(grep -c 'attempt [34] succeeded' "$TRY/demo")" -eq 2 ]
	grep -q 'the same again 200.*duplicate' "$TRY/demo"
}

@test "the demo serves until TERM, and leaves nothing" {
	local port folder
	port=$(free_port)
	demo "$port"
	wait_for 20 grep -q 'Serving until' "$TRY/demo"
	folder=$(sed -n 's,.*\(/tmp/hookcgi-demo\.[A-Za-z0-9]*\)/etc/idfy.secret.*,\1,p' "$TRY/demo" | head -n 1)
	[ -d "$folder" ]
	# Forged means: with a signature, and with one only.
	[ "$(grep -rho 'reason="wrong signature"' "$folder/log" | wc -l)" -eq 5 ]
	listens "$port"
	run env PORT="$port" "$TOP/examples/demo/run.sh" "$HOOKCGI"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"port $port"*taken* ]]
	kill -TERM "$demo_pid"
	wait "$demo_pid"
	not listens "$port"
	[ ! -e "$folder" ]
	not grep -qaF "$folder" /proc/[0-9]*/cmdline
}
