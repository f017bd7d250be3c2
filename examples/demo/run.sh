#!/usr/bin/env bash
# run.sh HOOKCGI - the whole thing at work: lighttpd, hookcgi, five endpoints, real requests
#
# Starts lighttpd with lighttpd-conf/fastcgi.conf on 127.0.0.1:$PORT (8080),
# sends each endpoint one rightly signed and one forged request, shows the
# answers and what the handlers were given; then an event whose handler fails twice, a duplicate, a
# replay and the ledger; and goes on serving until Ctrl-C (or TERM). With DEMO_ONCE=1 it ends after the account. Everything lies in one
# folder under /tmp, which is removed in the end.
set -eu

program=${1:?usage: run.sh HOOKCGI}
port=${PORT:-8080}
url=http://127.0.0.1:$port/hooks
top=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
demo='' server=''

fail() {
	echo "demo: $*" >&2
	exit 1
}

# shellcheck disable=SC2317 # called by the trap
# Is a program of the demo still running? (Not one that only waits to be collected.)
alive() {
	local proc
	for proc in /proc/[0-9]*; do
		if { tr '\0' ' ' <"$proc/cmdline"; } 2>/dev/null | grep -qF "$demo/" &&
			! grep -qs '^State:[[:space:]]*Z' "$proc/status"; then
			return 0
		fi
	done
	return 1
}

# The worker that the endpoint started outlives the server: it is for the next one too.
# shellcheck disable=SC2317
end_workers() {
	local proc
	for proc in /proc/[0-9]*; do
		if grep -qs '^hookcgi-worker' "$proc/comm" &&
			{ tr '\0' ' ' <"$proc/cmdline"; } 2>/dev/null | grep -qF "$demo/"; then
			kill -TERM "${proc#/proc/}" 2>/dev/null || true
		fi
	done
}

# shellcheck disable=SC2317
clean_up() {
	local tries=0
	trap '' INT TERM
	if [ -n "$server" ]; then
		kill -TERM "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	if [ -n "$demo" ]; then
		end_workers
		while alive && [ $((tries += 1)) -le 100 ]; do sleep 0.1; done
		rm -rf "$demo"
	fi
}

listens() { (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

# --- The folder: program, configuration, secrets, the handler ----------------------

prepare() {
	local name owner
	demo=$(mktemp -d /tmp/hookcgi-demo.XXXXXX)
	mkdir "$demo"/{data,etc,log,run,www}
	chmod 700 "$demo/data"
	cp "$program" "$demo/hookcgi"
	cp "$top"/examples/demo/{show-event,fail-twice}.sh "$demo/"
	{
		echo "log = \"file:$demo/log/hookcgi.log\""
		echo "store = \"sqlite:$demo/data/hookcgi.db\""
		for name in webconnex sixpark wootric digivault idfy; do
			"$program" secret >"$demo/etc/$name.secret"
			cat <<-CONF
				endpoint "$name" {
				    provider = "$name"
				    secret   = "file:$name.secret"
				    run      = {"$demo/show-event.sh", "$demo/log/events.log"}
				}
			CONF
		done
		cat <<-CONF
			endpoint "flaky" {
			    provider = "idfy"
			    secret   = "file:idfy.secret"
			    run      = {"$demo/fail-twice.sh", "$demo/log/events.log"}
			    retries  = 5
			    backoff  = "1s"
			}
		CONF
	} >"$demo/etc/hookcgi.conf"
	chmod 755 "$demo" "$demo/hookcgi" "$demo"/*.sh
	chmod 640 "$demo"/etc/*

	# As on a real server: started as root, it serves as www-data.
	sed -e "s,/usr/local/bin/hookcgi,$demo/hookcgi," -e "s,/etc/hookcgi/,$demo/etc/," \
		-e "s,/run/lighttpd/,$demo/run/," -e "s,/var/log/lighttpd/,$demo/log/," \
		"$top/lighttpd-conf/fastcgi.conf" >"$demo/etc/hooks-lighttpd.conf"
	{
		cat <<-CONF
			server.bind = "127.0.0.1"
			server.port = $port
			server.document-root = "$demo/www"
			server.upload-dirs = ( "$demo/run" )
			server.errorlog = "$demo/log/error.log"
		CONF
		if [ "$(id -u)" -eq 0 ]; then
			owner=www-data
			printf 'server.username = "%s"\nserver.groupname = "%s"\n' "$owner" "$owner"
			chgrp "$owner" "$demo"/etc/*
			chown "$owner" "$demo/data" "$demo/log" "$demo/run"
		fi
		echo "include \"$demo/etc/hooks-lighttpd.conf\""
	} >"$demo/etc/lighttpd.conf"
}

serve() {
	local tries=0
	lighttpd -D -f "$demo/etc/lighttpd.conf" </dev/null >"$demo/log/lighttpd.out" 2>&1 &
	server=$!
	until listens; do
		if [ $((tries += 1)) -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
			cat "$demo"/log/lighttpd.out "$demo"/log/error.log >&2 2>/dev/null || true
			fail "lighttpd did not start"
		fi
		sleep 0.1
	done
}

# --- The account --------------------------------------------------------------------

# DIGEST NAME BODY: as the sender makes it, by openssl.
signature() {
	printf '%s' "$3" | openssl dgst "-$1" -hmac "$(cat "$demo/etc/$2.secret")" -r | cut -d' ' -f1
}

# NAME WHAT BODY HEADER...: one request, and a line about its answer.
send() {
	local name=$1 what=$2 body=$3 headers=() answer header
	shift 3
	for header; do headers+=(-H "$header"); done
	answer=$(curl -sS --max-time 20 --data-binary "$body" "${headers[@]}" \
		-w ' %{http_code}' "$url/$name") || answer="(no answer) 000"
	printf '  %-14s %s  %s\n' "$what" "${answer##* }" "$(printf '%s' "${answer% *}" | tr '\n' ' ')"
}

# LINE TEXT: wait until the handlers' log has the text from that line on. They run after the answer.
until_seen() {
	local tries=0
	until tail -n "+$1" "$demo/log/events.log" 2>/dev/null | grep -q "$2"; do
		if [ $((tries += 1)) -gt 200 ]; then
			cat "$demo/log/hookcgi.log" >&2
			fail "no handler ran"
		fi
		sleep 0.1
	done
}

# The ledger's command line, as the user that owns the store.
ledger() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=www-data --regid=www-data --init-groups -- \
			"$demo/hookcgi" -c "$demo/etc/hookcgi.conf" "$@"
	else
		"$demo/hookcgi" -c "$demo/etc/hookcgi.conf" "$@"
	fi
}

# NAME HEADER DIGEST PREFIX TYPE BODY [HEADER...]: the right one and the forged one.
show() {
	local name=$1 header=$2 digest=$3 prefix=$4 type=$5 body=$6 seen=0
	shift 6
	[ ! -e "$demo/log/events.log" ] || seen=$(wc -l <"$demo/log/events.log")
	echo
	echo "POST /hooks/$name"
	send "$name" "rightly signed" "$body" "Content-Type: $type" \
		"$header: $prefix$(signature "$digest" "$name" "$body")" "$@"
	until_seen $((seen + 1)) "and on standard input"
	tail -n "+$((seen + 1))" "$demo/log/events.log" | cut -c 1-110 | sed 's/^/      /'
	send "$name" "forged" "$body" "Content-Type: $type" \
		"$header: $prefix$(printf 'not the secret' | openssl dgst "-$digest" -r | cut -d' ' -f1)" "$@"
}

account() {
	echo "hookcgi under lighttpd on $url/NAME; five senders, each once right and once forged:"
	show webconnex X-Webconnex-Signature sha256 '' application/json \
		'{"eventType":"registration","formId":7,"data":{"total":20.60,"email":"ada@example.com"}}' \
		'X-Webconnex-Event: registration' 'X-Webconnex-Delivery: b473fe314def43ccacc10ec75aae1451'
	show sixpark X-SixPark-Signature sha256 '' application/json \
		'{"data":{"id":"ecb20ef1","type":"webhook-event","attributes":{"even_type":"ACCOUNT_ONBOARDED"}}}'
	show wootric X-Wootric-Signature sha1 sha1= application/x-www-form-urlencoded \
		'response[id]=1128&response[email]=nps%40example.com&response[score]=7&event_name=created'
	show digivault X-DigiVault-Signature sha256 '' application/json \
		'{"id":"webhook_1","type":"conversation.message.created","data":{"object":{"message":"Hello, world!"}}}'
	show idfy X-Idfy-Signature sha256 '' application/json \
		'{"id":"evt_1","type":"document_signed","accountId":"a-1"}'
}

# What the queue is for.
queue_account() {
	local body='{"id":"evt_7","type":"document_signed"}' seen id header
	header="X-Idfy-Signature: $(signature sha256 idfy "$body")"
	seen=$(wc -l <"$demo/log/events.log")
	echo
	echo "POST /hooks/flaky: answered when the event is on disk; its handler fails twice and is tried again"
	send flaky "event" "$body" "Content-Type: application/json" "$header"
	send flaky "the same again" "$body" "Content-Type: application/json" "$header"
	until_seen $((seen + 1)) succeeded
	tail -n "+$((seen + 1))" "$demo/log/events.log" | sed 's/^/      /'
	id=$(ledger list --json --endpoint flaky --limit 1 | sed -n 's/^{"id":\([0-9]*\).*/\1/p')
	echo
	echo "hookcgi replay $id"
	seen=$(wc -l <"$demo/log/events.log")
	ledger replay "$id" | sed 's/^/  /'
	until_seen $((seen + 1)) succeeded
	tail -n "+$((seen + 1))" "$demo/log/events.log" | sed 's/^/      /'
	echo
	echo "hookcgi list"
	ledger list | sed 's/^/  /'
	echo
	echo "hookcgi refused"
	ledger refused --limit 3 | sed 's/^/  /'
}

what_next() {
	local as=
	[ "$(id -u)" -ne 0 ] || as='runuser -u www-data -- '
	cat <<-TEXT

		Serving until Ctrl-C. In another terminal:

		  body='{"id":"evt_2","type":"document_read"}'
		  curl -i $url/idfy -d "\$body" -H "X-Idfy-Signature: \$(printf %s "\$body" |
		    openssl dgst -sha256 -hmac "\$(cat $demo/etc/idfy.secret)" -r | cut -d' ' -f1)"

		or the same in one:  echo "\$body" | $program -c $demo/etc/hookcgi.conf send idfy --url $url/idfy

		  ${as}$demo/hookcgi -c $demo/etc/hookcgi.conf list --follow
		                             what arrives; also show ID, replay ID, refused, stats

		  $demo/log/hookcgi.log      every request and every run of a handler
		  $demo/log/events.log       what the handlers were given
		  $demo/etc/hookcgi.conf     change it: in force within a second
	TEXT
}

trap clean_up EXIT
trap 'exit 0' INT TERM
[ -x "$program" ] || fail "$program is not there: make builds it"
command -v lighttpd >/dev/null || fail "lighttpd is missing: apt-get install lighttpd"
if listens; then fail "port $port on 127.0.0.1 is taken; choose another: make run PORT=8081"; fi
prepare
serve
account
queue_account
[ -z "${DEMO_ONCE:-}" ] || exit 0
what_next
wait "$server" || true
server=''
fail "lighttpd has ended: see above"
