# shellcheck shell=bash
# lib.bash - real web servers on free ports, requests signed by openssl, and what must come of them
#
# A file starts one server in setup_file (lab_open, then a server_* function)
# and ends it in teardown_file (lab_close). Everything of a lab lies in one
# folder, $LAB; a process belongs to it when its program or its command line
# does, so lab_close can prove that nothing is left, also after a failure.
# Started as root, servers and handlers run as www-data, else as the caller.
#
# The configurations under test are the shipped ones, changed by sed in ports
# and paths alone (sample); *_main below is what a distribution's own main
# configuration has around them.

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
HOOKCGI=${HOOKCGI:-$TOP/build/hookcgi}
PATH=$PATH:/usr/sbin:/sbin

LAB_USER=$(id -un)
AS_USER=() # in front of a command: run it as that user
if [ "$(id -u)" -eq 0 ]; then
	LAB_USER=www-data
	# shellcheck disable=SC2034
	AS_USER=(setpriv --reuid="$LAB_USER" --regid="$LAB_USER" --init-groups --)
fi

# --- the lab -----------------------------------------------------------------

lab_open() {
	LAB=$(mktemp -d /tmp/hookcgi-e2e.XXXXXX)
	export LAB
	chmod 755 "$LAB"
	mkdir "$LAB"/{bin,conf,etc,handlers,log,out,run,www}
	cp "$HOOKCGI" "$LAB/bin/hookcgi"
	lab_handlers
	lab_config
	chown "$LAB_USER" "$LAB"/{log,out,run}
	chown -R "$LAB_USER" "$LAB/etc"
}

# End every process of the lab and remove it. Fails when one had to be killed
# that its server should have ended.
lab_close() {
	local pid left=0
	[ -n "${LAB:-}" ] || return 0
	for pid in "$LAB"/run/*.main; do
		[ ! -e "$pid" ] || stop "$(cat "$pid")" || left=1
	done
	if ! wait_for 10 lab_is_empty; then
		left=1
		echo "left behind:"
		lab_processes
		for pid in $(lab_processes | cut -d' ' -f1); do kill -9 "$pid" 2>/dev/null || true; done
	fi
	rm -rf "$LAB"
	return "$left"
}

lab_is_empty() { [ -z "$(lab_processes)" ]; }

# "PID COMMAND LINE" of each process that belongs to the lab.
lab_processes() {
	local proc line
	for proc in /proc/[0-9]*; do
		[ "${proc#/proc/}" != "$BASHPID" ] || continue
		line=$(tr '\0' ' ' 2>/dev/null <"$proc/cmdline") || continue
		case "$(readlink "$proc/exe" 2>/dev/null) $line" in
		*"$LAB/"*) gone "${proc#/proc/}" || echo "${proc#/proc/} $line" ;;
		esac
	done
}

# The workers that the endpoint started stay when its server ends: they are for the next one too.
lab_workers() {
	local pid
	for pid in $(lab_processes | cut -d' ' -f1); do
		case "$(cat "/proc/$pid/comm" 2>/dev/null)" in hookcgi-worker) echo "$pid" ;; esac
	done
}
lab_stop_workers() {
	local pid
	for pid in $(lab_workers); do stop "$pid"; done
}
lab_kill_workers() {
	local pid
	for pid in $(lab_workers); do kill -KILL "$pid"; done
}

# Has it ended? (A zombie has: in a container nobody may collect it.)
gone() {
	! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"
}

# The command must fail. (A plain "!" fails no test unless it stands last.)
not() {
	if "$@"; then
		echo "this should have failed: $*"
		return 1
	fi
}

# SECONDS COMMAND...: poll until it succeeds. By the clock, since on a busy machine
# a look at all processes takes a while itself.
wait_for() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# TERM, and within ten seconds it is gone; else KILL, and that is a failure.
stop() {
	kill -TERM "$1" 2>/dev/null || return 0
	wait_for 10 gone "$1" && return 0
	echo "process $1 did not end on TERM"
	kill -KILL "$1"
	return 1
}

# Start NAME in the background with an environment like an init system's and a
# session of its own (apache2 signals its whole process group when it ends).
start() {
	local name=$1
	shift
	setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C \
		"$@" </dev/null >>"$LAB/log/$name.out" 2>&1 3>&- 4>&- &
	echo $! >"$LAB/run/$name.main"
}

listens() {
	(: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		listens "$port" || break
	done
	echo "$port"
}

wait_for_port() {
	wait_for 10 listens "$1" && return 0
	echo "nothing listens on port $1:"
	tail -n 20 "$LAB"/log/*
	return 1
}

# --- configuration and handlers ------------------------------------------------

PROVIDERS="webconnex sixpark wootric digivault idfy"

lab_handlers() {
	# What a handler is given, for the tests to look at.
	cat >"$LAB/handlers/record" <<-'EOF'
		#!/bin/sh
		out=${0%/handlers/*}/out
		env >"$out/$HOOK_ENDPOINT.$$.env"
		cat >"$out/$HOOK_ENDPOINT.$$.stdin"
		chmod 644 "$out/$HOOK_ENDPOINT.$$".*
		echo recorded
	EOF
	cat >"$LAB/handlers/exit" <<-'EOF'
		#!/bin/sh
		echo "leaving with $1" >&2
		exit "$1"
	EOF
	# Longer than any limit, with a child in a session of its own.
	cat >"$LAB/handlers/sleep" <<-'EOF'
		#!/bin/sh
		setsid "${0%/*}/nap" &
		"${0%/*}/nap"
	EOF
	cp "$(command -v sleep)" "$LAB/bin/sleep" # so that it is seen to belong to the lab
	cat >"$LAB/handlers/nap" <<-'EOF'
		#!/bin/sh
		exec "${0%/handlers/*}/bin/sleep" 60
	EOF
	# Every descriptor that it has; one is the shell's own, with this file open.
	cat >"$LAB/handlers/descriptors" <<-'EOF'
		#!/bin/sh
		ls -l "/proc/$$/fd"
	EOF
	chmod 755 "$LAB"/handlers/*
}

# The configuration: an endpoint for each provider, and one for each way to fail,
# all of which are signed like idfy's.
lab_config() {
	local name
	for name in $PROVIDERS; do
		openssl rand -hex 20 >"$LAB/etc/$name.secret"
	done
	: >"$LAB/etc/empty.secret"
	chmod 600 "$LAB"/etc/*.secret
	{
		echo "log = \"file:$LAB/log/hookcgi.log\""
		echo 'store = "none"'
		for name in $PROVIDERS; do
			endpoint "$name" "$name" "run = { \"$LAB/handlers/record\" }" \
				'headers = { "X-Extra" }'
		done
		endpoint tempfail idfy "run = { \"$LAB/handlers/exit\", \"75\" }"
		endpoint fails idfy "run = { \"$LAB/handlers/exit\", \"1\" }"
		endpoint slow idfy "run = { \"$LAB/handlers/sleep\" }" 'timeout = "1s"' 'grace = "1s"'
		endpoint missing idfy "run = { \"$LAB/handlers/there-is-none\" }"
		endpoint descriptors idfy "run = { \"$LAB/handlers/descriptors\" }"
		endpoint big idfy "run = { \"$LAB/handlers/record\" }" 'body_limit = "4M"'
		echo 'provider "bearer" { header = "Authorization" algorithm = "bearer" }'
		endpoint bearer bearer "run = { \"$LAB/handlers/record\" }" 'secret = "file:idfy.secret"'
		endpoint misconfigured idfy "run = { \"$LAB/handlers/record\" }" 'secret = "file:empty.secret"'
	} >"$LAB/etc/hookcgi.conf"
	chmod 600 "$LAB/etc/hookcgi.conf"
	chmod 700 "$LAB/etc"
}

# NAME PROVIDER OPTION...: one endpoint block; the secret is the provider's file
# unless an option says otherwise.
endpoint() {
	local name=$1 provider=$2
	shift 2
	printf 'endpoint "%s" {\n\tprovider = "%s"\n' "$name" "$provider"
	case "$*" in *secret*) ;; *) printf '\tsecret = "file:%s.secret"\n' "$provider" ;; esac
	[ $# -eq 0 ] || printf '\t%s\n' "$@"
	printf '}\n'
}

# Keep events from here on, in $STORE; the program makes its folder itself.
lab_store() {
	export STORE=$LAB/run/store/hookcgi.db
	sed -i "s,^store = .*,store = \"sqlite:$STORE\"," "$LAB/etc/hookcgi.conf"
	chown "$LAB_USER" "$LAB/etc/hookcgi.conf"
}

# ARGUMENT...: the command line, as the user that the store belongs to.
lab_hookcgi() { "${AS_USER[@]}" "$LAB/bin/hookcgi" -c "$LAB/etc/hookcgi.conf" "$@"; }

# ID STATE: what became of an event.
is() { lab_hookcgi list --json --limit 1000 | grep -q "^{\"id\":$1,.*\"state\":\"$2\""; }

# FILE: a shipped configuration with this lab's paths, and with the one number
# that limits bodies raised when RAISED is set.
sample() {
	sed -e "s,/usr/local/bin/hookcgi,$LAB/bin/hookcgi,g" \
		-e "s,/etc/hookcgi/hookcgi\.conf,$LAB/etc/hookcgi.conf,g" \
		-e "s,/home/USER/\.config/hookcgi/hookcgi\.conf,$LAB/etc/hookcgi.conf,g" \
		-e "s,/run/hookcgi/hookcgi\.sock,$LAB/run/hookcgi.sock,g" \
		-e "s,/run/lighttpd/,$LAB/run/,g" \
		-e "s,/var/log/[a-z0-9]*/,$LAB/log/,g" \
		-e "s,/etc/nginx/snippets/,$LAB/conf/,g" \
		"$TOP/$1" |
		if [ -n "${RAISED:-}" ]; then
			sed -e 's/\<1048576\>/4194304/' \
				-e 's/max-request-size = 1024/max-request-size = 4096/' \
				-e 's/client_max_body_size 1m/client_max_body_size 4m/'
		else
			cat
		fi
}

# --- requests --------------------------------------------------------------------

# DIGEST PROVIDER FILE: the HMAC in hex, by openssl and not by the program under test.
signature() {
	openssl dgst "-$1" -hmac "$(cat "$LAB/etc/$2.secret")" -r <"$3" | cut -d' ' -f1
}

# The variables that the functions below answer with.
code='' effect='' ANSWER=''

# curl's arguments: an answer into $code (000: none came), $ANSWER.head and $ANSWER.body.
request() {
	ANSWER=$BATS_TEST_TMPDIR/answer
	rm -f "$ANSWER".*
	touch "$ANSWER.head" "$ANSWER.body"
	code=$(curl -sS --max-time 30 --path-as-is -o "$ANSWER.body" -D "$ANSWER.head" \
		-w '%{http_code}' "$@" 2>"$ANSWER.error") || true
}

# CODE... LABEL: the last answer was one of these.
expect() {
	local label=${*: -1}
	case " ${*:1:$#-1} " in *" $code "*) return 0 ;; esac
	echo "$label: answered $code, not ${*:1:$#-1}"
	cat "$ANSWER.error" "$ANSWER.head"
	head -c 300 "$ANSWER.body"
	echo
	tail -n 5 "$LAB/log/hookcgi.log" "$LAB/log/error.log" 2>/dev/null | cut -c 1-300
	return 1
}

answer_has() {
	grep -qi -- "$1" "$ANSWER.head" "$ANSWER.body" && return 0
	echo "the answer has no $1:"
	cat "$ANSWER.head" "$ANSWER.body"
	return 1
}

# ENDPOINT FILE ARGUMENT...: signed as the endpoint wants it, where that is idfy's way.
post() {
	local name=$1 file=$2
	shift 2
	request --data-binary "@$file" -H 'Content-Type: application/json' \
		-H "X-Idfy-Signature: $(signature sha256 idfy "$file")" "$@" "$BASE/$name"
}

# A small right body, always under the same name, whole at any time.
body() {
	local file=$BATS_TEST_TMPDIR/body
	printf '{"id":"evt_1","type":"document_signed","payload":{"n":7}}' >"$file.$BASHPID"
	mv "$file.$BASHPID" "$file"
	echo "$file"
}

forget() { rm -f "$LAB"/out/*; }
runs() { find "$LAB/out" -name "$1.*.env" | wc -l; }
has_run() { [ "$(runs "$1")" -ge "${2:-1}" ]; }

# ENDPOINT: its handler ran once; $effect.env and $effect.stdin are what it was given.
handled() {
	[ "$(runs "$1")" -eq 1 ] || {
		echo "$1: the handler ran $(runs "$1") times"
		return 1
	}
	effect=$(echo "$LAB/out/$1".*.env)
	effect=${effect%.env}
}

# LINE: the handler's environment has it.
given() {
	grep -qxF -- "$1" "$effect.env" && return 0
	echo "the handler was not given $1:"
	cat "$effect.env"
	return 1
}
