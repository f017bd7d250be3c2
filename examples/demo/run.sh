#!/usr/bin/env bash
# run.sh HOOKCGI - the whole thing at work: lighttpd, hookcgi, five endpoints, real requests
#
# Starts lighttpd with lighttpd-conf/fastcgi.conf on 127.0.0.1:$PORT (8080),
# sends each endpoint one rightly signed and one forged request, shows the
# answers and what the handlers were given, and goes on serving until Ctrl-C (or
# TERM). With DEMO_ONCE=1 it ends after the account. Everything lies in one
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

# shellcheck disable=SC2317
clean_up() {
	local tries=0
	trap '' INT TERM
	if [ -n "$server" ]; then
		kill -TERM "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	if [ -n "$demo" ]; then
		while alive && [ $((tries += 1)) -le 100 ]; do sleep 0.1; done
		rm -rf "$demo"
	fi
}

listens() { (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

# --- The folder: program, configuration, secrets, the handler ----------------------

prepare() {
	local name owner
	demo=$(mktemp -d /tmp/hookcgi-demo.XXXXXX)
	mkdir "$demo"/{etc,log,run,www}
	cp "$program" "$demo/hookcgi"
	cp "$top/examples/demo/show-event.sh" "$demo/"
	{
		echo "log = \"file:$demo/log/hookcgi.log\""
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
	} >"$demo/etc/hookcgi.conf"
	chmod 755 "$demo" "$demo/hookcgi" "$demo/show-event.sh"
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
			chown "$owner" "$demo/log" "$demo/run"
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

# NAME HEADER DIGEST PREFIX TYPE BODY [HEADER...]: the right one and the forged one.
show() {
	local name=$1 header=$2 digest=$3 prefix=$4 type=$5 body=$6 seen=0
	shift 6
	[ ! -e "$demo/log/events.log" ] || seen=$(wc -l <"$demo/log/events.log")
	echo
	echo "POST /hooks/$name"
	send "$name" "rightly signed" "$body" "Content-Type: $type" \
		"$header: $prefix$(signature "$digest" "$name" "$body")" "$@"
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

what_next() {
	cat <<-TEXT

		Serving until Ctrl-C. In another terminal:

		  body='{"id":"evt_2","type":"document_read"}'
		  curl -i $url/idfy -d "\$body" -H "X-Idfy-Signature: \$(printf %s "\$body" |
		    openssl dgst -sha256 -hmac "\$(cat $demo/etc/idfy.secret)" -r | cut -d' ' -f1)"

		or the same in one:  echo "\$body" | $program -c $demo/etc/hookcgi.conf send idfy --url $url/idfy

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
[ -z "${DEMO_ONCE:-}" ] || exit 0
what_next
wait "$server" || true
server=''
fail "lighttpd has ended: see above"
