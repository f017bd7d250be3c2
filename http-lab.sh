#!/bin/bash
# http.sh - requests a second through lighttpd: hookcgi beside a null responder and what a user would pick instead
#
# All targets stand behind one lighttpd and take turns, ROUNDS times SECONDS each; printed are
# medians, and the median of the ratios to the null responder in the same round.
#
#   bench/http.sh [CASE…]      CASE: reject ignore large wait accept accept64 burst (default: all)
#   ROUNDS=5 SECONDS_EACH=2 CONNECTIONS=16
#
# Needs lighttpd, wrk, and for the peers webhook, php-fpm (Debian packages); a peer that is
# not installed is left out. Everything runs on loopback and is stopped at the end.
set -u
cd /work/main || exit 1
ROUNDS=${ROUNDS:-5} SECONDS_EACH=${SECONDS_EACH:-2} CONNECTIONS=${CONNECTIONS:-16}
PORT=${PORT:-18480}
cases=${*:-reject ignore large wait accept accept64 burst}
top=$PWD
lab=$(mktemp -d /tmp/hookcgi-bench.XXXXXX)
pids=()
stop() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	# They do not end on TERM, as libfcgi programs do not.
	pkill -KILL -f "^$lab/(null|reference|bare-hmac)" || :
	local worker
	for worker in $(pgrep -x hookcgi-worker); do # of this lab alone
		! find "/proc/$worker/fd" -lname "$lab/queue/*" 2>/dev/null | grep -q . || kill "$worker"
	done
	wait 2>/dev/null
	rm -rf "$lab"
}
trap stop EXIT
trap 'exit 1' INT TERM

make -s build/hookcgi build/bench/spawn || exit 1
cc -O2 -pthread -o "$lab/null" bench/null.c -lfcgi || exit 1
cc -O2 -pthread -o "$lab/reference" bench/reference.c -lfcgi -lyajl -lcrypto || exit 1
cc -O2 -pthread -DWITHOUT_PARSE -o "$lab/bare-hmac" bench/reference.c -lfcgi -lcrypto || exit 1

# Bodies: 2 KB and 1 MB of JSON as GitHub sends it.
secret=0123456789abcdef0123456789abcdef
python3 - "$lab" <<'P'
import json, sys
commit = {"id": "6dcb09b5b57875f334f61aebed695e2e4193db5e", "message": "Fix all the bugs", "distinct": True,
          "author": {"name": "Monalisa Octocat", "email": "mona@example.org"}, "added": ["a.c"], "removed": []}
def body(size):
    doc = {"ref": "refs/heads/main", "type": "push", "id": "evt_1", "commits": []}
    one = len(json.dumps(commit)) + 2
    doc["commits"] = [commit] * ((size - len(json.dumps(doc)) - 20) // one)
    doc["pad"] = "x" * max(0, size - len(json.dumps(doc)) - 10)
    return json.dumps(doc)
open(sys.argv[1] + "/small.json", "w").write(body(2048))
open(sys.argv[1] + "/large.json", "w").write(body(1 << 20))
P
sign() { openssl dgst -sha256 -hmac "$secret" -r "$1" | cut -d' ' -f1; }

umask 022
chmod 755 "$lab"
(umask 077 && printf %s "$secret" >"$lab/secret")
cat >"$lab/hookcgi.conf" <<C
store = "none"
log = "file:$lab/hookcgi.log"
provider "plain" {
    header = "X-Hub-Signature-256" algorithm = "hmac-sha256" format = "sha256={signature}"
    signs = "{body}" event = "{body:type}" id = "{body:id}"
}
endpoint "ignore" { provider = "plain" secret = "file:secret" events = {"nothing"} run = {"/bin/true"} }
endpoint "large"  { provider = "github" secret = "file:secret" events = {"nothing"} run = {"/bin/true"} body_limit = "2M" }
endpoint "wait"   { provider = "plain" secret = "file:secret" run = {"/bin/true"} }
C
# Accepted is on disk. Each request is an event of its own (dedupe off), none is run meanwhile.
mkdir -m 700 "$lab/store"
cat >"$lab/durable.conf" <<C
store = "sqlite:$lab/store/hookcgi.db"
worker = "off"
log = "file:$lab/durable.log"
provider "plain" {
    header = "X-Hub-Signature-256" algorithm = "hmac-sha256" format = "sha256={signature}"
    signs = "{body}" event = "{body:type}" id = "{body:id}"
}
endpoint "durable" { provider = "plain" secret = "file:secret" run = {"/bin/true"} dedupe = "off" queue_limit = 100000000 }
C
# What is answered and what is run: the handler adds a byte to a file.
cat >"$lab/count.c" <<C
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv) { return argc != 2 || write(open(argv[1], O_WRONLY | O_APPEND), ".", 1) != 1; }
C
cc -O2 -o "$lab/count" "$lab/count.c" || exit 1
: >"$lab/runs"
mkdir -m 700 "$lab/queue"
cat >"$lab/queue.conf" <<C
store = "sqlite:$lab/queue/hookcgi.db"
log = "file:$lab/queue.log"
provider "plain" {
    header = "X-Hub-Signature-256" algorithm = "hmac-sha256" format = "sha256={signature}"
    signs = "{body}" event = "{body:type}" id = "{body:id}"
}
endpoint "queue" { provider = "plain" secret = "file:secret" run = {"$lab/count", "$lab/runs"} dedupe = "off"
    queue_limit = 100000000 concurrency = 64 }
C
cat >"$lab/hooks.json" <<C
[ { "id": "ignore", "execute-command": "/bin/true", "include-command-output-in-response": true,
    "trigger-rule": { "match": { "type": "payload-hmac-sha256", "secret": "$secret",
        "parameter": { "source": "header", "name": "X-Hub-Signature-256" } } } },
  { "id": "first", "execute-command": "$lab/count", "pass-arguments-to-command": [ { "source": "string", "name": "$lab/runs" } ],
    "trigger-rule": { "match": { "type": "payload-hmac-sha256", "secret": "$secret",
        "parameter": { "source": "header", "name": "X-Hub-Signature-256" } } } },
  { "id": "waits", "execute-command": "$lab/count", "pass-arguments-to-command": [ { "source": "string", "name": "$lab/runs" } ],
    "include-command-output-in-response": true,
    "trigger-rule": { "match": { "type": "payload-hmac-sha256", "secret": "$secret",
        "parameter": { "source": "header", "name": "X-Hub-Signature-256" } } } } ]
C
mkdir "$lab/php"
cat >"$lab/php/hook.php" <<C
<?php
\$body = file_get_contents('php://input');
\$want = 'sha256=' . hash_hmac('sha256', \$body, '$secret');
if (!hash_equals(\$want, \$_SERVER['HTTP_X_HUB_SIGNATURE_256'] ?? '')) { http_response_code(401); exit('no'); }
\$event = json_decode(\$body, true);
if (strpos(\$_SERVER['REQUEST_URI'], 'wait')) {
    \$p = proc_open(['/bin/true'], [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], \$pipes);
    fwrite(\$pipes[0], \$body); fclose(\$pipes[0]); stream_get_contents(\$pipes[1]); proc_close(\$p);
}
echo 'ok';
C

has_webhook='' has_php=''
if command -v webhook >/dev/null; then
	webhook -ip 127.0.0.1 -port $((PORT + 1)) -hooks "$lab/hooks.json" >/dev/null 2>&1 &
	pids+=($!)
	has_webhook=1
fi
php=$(command -v php-fpm || find /usr/sbin -name 'php-fpm*' | head -n 1)
if [ -n "$php" ]; then
	cat >"$lab/fpm.conf" <<C
[global]
error_log = $lab/fpm.log
daemonize = no
[www]
listen = $lab/php.sock
pm = static
pm.max_children = 4
user = $(id -un)
group = $(id -gn)
C
	"$php" -R -n -y "$lab/fpm.conf" -F >/dev/null 2>&1 &
	pids+=($!)
	has_php=1
fi

cat >"$lab/lighttpd.conf" <<C
server.modules = ( "mod_fastcgi", "mod_proxy" )
server.bind = "127.0.0.1"
server.port = $PORT
server.document-root = "$lab"
server.upload-dirs = ( "$lab" )
server.errorlog = "$lab/error.log"
server.breakagelog = "$lab/breakage.log"
fastcgi.server = (
  "/null"  => (( "bin-path" => "$lab/null", "socket" => "$lab/null.sock", "check-local" => "disable", "max-procs" => 1 )),
  "/reference" => (( "bin-path" => "$lab/reference", "socket" => "$lab/reference.sock", "check-local" => "disable",
                 "max-procs" => 1, "bin-environment" => ( "SECRET" => "$secret" ) )),
  "/bare-hmac" => (( "bin-path" => "$lab/bare-hmac", "socket" => "$lab/bare-hmac.sock", "check-local" => "disable",
                 "max-procs" => 1, "bin-environment" => ( "SECRET" => "$secret" ) )),
  "/hooks" => (( "bin-path" => "$top/build/hookcgi", "socket" => "$lab/hookcgi.sock", "check-local" => "disable",
                 "max-procs" => 1, "bin-environment" => ( "HOOKCGI_CONFIG" => "$lab/hookcgi.conf" ) )),
  "/durable" => (( "bin-path" => "$top/build/hookcgi", "socket" => "$lab/durable.sock", "check-local" => "disable",
                 "max-procs" => 1, "bin-environment" => ( "HOOKCGI_CONFIG" => "$lab/durable.conf" ) )),
  "/queue" => (( "bin-path" => "$top/build/hookcgi", "socket" => "$lab/queue.sock", "check-local" => "disable",
                 "max-procs" => 1, "bin-environment" => ( "HOOKCGI_CONFIG" => "$lab/queue.conf" ) )),
  ".php"   => (( "socket" => "$lab/php.sock", "check-local" => "disable" )) )
\$HTTP["url"] =~ "^/webhook/" {
  proxy.header = ( "map-urlpath" => ( "/webhook/" => "/hooks/" ) )
  proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => $((PORT + 1)) )) )
}
C
lighttpd -D -f "$lab/lighttpd.conf" 2>/dev/null &
pids+=($!)
for _ in $(seq 100); do
	curl -s -o /dev/null "http://127.0.0.1:$PORT/null" && break
	sleep 0.05
done

measure() { # URL BODY HEADERS -> "req/s errors p50 p99"
	if [ "$1" = spawn ]; then # not over HTTP: the bare system calls
		build/bench/spawn --floor $((SECONDS_EACH * 1000))
		return
	fi
	BODY=$2 HEADERS=$3 wrk -t1 -c"$CONNECTIONS" -d"${SECONDS_EACH}s" -s bench/post.lua \
		"http://127.0.0.1:$PORT$1" | sed -n 's/^RESULT //p'
}

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

run_case() { # CASE BODY HEADERS EXPECTED-STATUS target=url…
	local case=$1 body=$2 headers=$3 expected=$4
	shift 4
	local target url status line
	local -a header_words=()
	while read -r line; do header_words+=(-H "$line"); done <<<"$headers"
	for target; do
		url=${target#*=}
		[ "$url" != spawn ] || continue
		status=$(curl -s -o /dev/null -w '%{http_code}' --data-binary @"$body" -H 'Expect:' \
			"${header_words[@]}" "http://127.0.0.1:$PORT$url")
		case "$target:$status" in
		null=*:200 | webhook=*:*) ;;
		*:"$expected") ;;
		*) echo "$case: ${target%%=*} answered $status, not $expected" >&2 ;;
		esac
	done
	: >"$lab/rows"
	for round in $(seq "$ROUNDS"); do
		for target; do
			echo "$round ${target%%=*} $(measure "${target#*=}" "$body" "$headers")" >>"$lab/rows"
		done
	done
	for target; do
		local name=${target%%=*}
		local rate p50 p99 ratio
		rate=$(awk -v n="$name" '$2 == n { print $3 }' "$lab/rows" | median)
		p50=$(awk -v n="$name" '$2 == n { print $5 }' "$lab/rows" | median)
		p99=$(awk -v n="$name" '$2 == n { print $6 }' "$lab/rows" | median)
		ratio=$(awk -v n="$name" '$2 == "null" { base[$1] = $3 } $2 == n { mine[$1] = $3 }
			END { for (r in mine) printf "%.4f\n", mine[r] / base[r] }' "$lab/rows" | median)
		local floor
		floor=$(awk -v n="$name" '$2 == "floor" { base[$1] = $3 } $2 == n { mine[$1] = $3 }
			END { for (r in mine) if (r in base) printf "%.4f\n", mine[r] / base[r] }' "$lab/rows" | median)
		printf '%-8s %-10s %9.0f req/s   %.3f of null   p50 %.2f ms   p99 %.2f ms%s\n' \
			"$case" "$name" "$rate" "$ratio" "$p50" "$p99" "${floor:+   $floor of floor}"
	done
}

# A burst, and then as long as runs still come: who answered 200, and what was run.
burst() { # NAME URL
	local result answered before after
	: >"$lab/runs"
	result=$(CONNECTIONS=64 SECONDS_EACH=2 measure "$2" "$small" "$good_small")
	answered=$(awk '{ printf "%d", $1 * 2 }' <<<"$result")
	after=$(stat -c %s "$lab/runs")
	before=-1
	while [ "$after" -ne "$before" ]; do
		before=$after
		sleep 2
		after=$(stat -c %s "$lab/runs")
	done
	printf 'burst    %-14s %9.0f answered 200/s   about %6d answered   %6d run\n' \
		"$1" "${result%% *}" "$answered" "$after"
}

small=$lab/small.json large=$lab/large.json
json="Content-Type: application/json"
good_small="$json
X-Hub-Signature-256: sha256=$(sign "$small")"
good_large="$json
X-GitHub-Event: push
X-Hub-Signature-256: sha256=$(sign "$large")"
bad="$json
X-Hub-Signature-256: sha256=0000000000000000000000000000000000000000000000000000000000000000"

[ -z "$HOOK" ] || { source "$HOOK"; exit; }
for case in $cases; do
	case $case in
	reject) run_case reject "$small" "$bad" 401 null=/null bare-hmac=/bare-hmac hookcgi=/hooks/ignore \
		${has_webhook:+webhook=/webhook/ignore} ${has_php:+php-fpm=/php/hook.php} ;;
	ignore) run_case ignore "$small" "$good_small" 200 null=/null reference=/reference hookcgi=/hooks/ignore \
		${has_php:+php-fpm=/php/hook.php} ;;
	large) run_case large "$large" "$good_large" 200 null=/null bare-hmac=/bare-hmac hookcgi=/hooks/large ;;
	wait) run_case wait "$small" "$good_small" 200 null=/null floor=spawn hookcgi=/hooks/wait \
		${has_webhook:+webhook=/webhook/ignore} ${has_php:+php-fpm=/php/hook.php?wait} ;;
	accept) run_case accept "$small" "$good_small" 200 null=/null hookcgi=/durable \
		${has_webhook:+webhook=/webhook/ignore} ${has_php:+php-fpm=/php/hook.php} ;;
	accept64) CONNECTIONS=64 run_case accept64 "$small" "$good_small" 200 null=/null hookcgi=/durable \
		${has_webhook:+webhook=/webhook/ignore} ${has_php:+php-fpm=/php/hook.php} ;;
	burst)
		if [ -n "$has_webhook" ]; then
			burst webhook-waits /webhook/waits
			burst webhook-first /webhook/first
		fi
		burst hookcgi /queue
		;;
	*) echo "unknown case $case" >&2 ;;
	esac
done
pid=$(pgrep -n -f "^$top/build/hookcgi" -P "${pids[-1]}" || :)
[ -z "$pid" ] || awk '/VmRSS|VmHWM/ { print "hookcgi " $1, $2 / 1024, "MB" }' "/proc/$pid/status"
