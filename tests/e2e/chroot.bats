#!/usr/bin/env bats
# chroot.bats - the static program, its configuration and a static handler are all that is needed

load lib
load servers

setup_file() {
	STATIC=${HOOKCGI_STATIC:-$TOP/build/hookcgi-static}
	[ -x "$STATIC" ] || make -s -C "$TOP" static
	lab_open
	JAIL=$LAB/jail
	export JAIL
	mkdir -p "$JAIL"/{data,etc,run,out}
	chmod 700 "$JAIL/data"
	cp "$STATIC" "$JAIL/hookcgi"
	static_handler
	cp "$LAB/etc/idfy.secret" "$JAIL/etc/idfy.secret"
	{
		echo 'store = "none"'
		endpoint idfy idfy 'run = { "/handler" }'
	} >"$JAIL/etc/hookcgi.conf"
	{
		echo 'store = "sqlite:/data/hookcgi.db"'
		endpoint idfy idfy 'run = { "/handler" }'
	} >"$JAIL/etc/queue.conf"
	chmod 600 "$JAIL"/etc/*
	chown -R "$LAB_USER" "$JAIL"/{data,etc,run,out}
}

teardown_file() { lab_close; }

static_handler() {
	cat >"$LAB/conf/handler.c" <<-'EOF'
		#include <stdio.h>
		#include <stdlib.h>
		int main(void)
		{
			FILE *out = fopen("/out/effect", "w");
			if (out == NULL)
				return 1;
			fprintf(out, "%s ", getenv("HOOK_EVENT"));
			for (int c; (c = getchar()) != EOF;)
				fputc(c, out);
			return fclose(out) == 0 && puts("recorded") >= 0 ? 0 : 1;
		}
	EOF
	"${CC:-cc}" -static -O1 -o "$JAIL/handler" "$LAB/conf/handler.c"
}

setup() {
	variables=(HOOKCGI_CONFIG=/etc/hookcgi.conf)
	# as root by chroot alone, else in a user namespace of our own
	into_jail=("$(command -v chroot)" --userspec="$(id -u "$LAB_USER"):$(id -g "$LAB_USER")" "$JAIL")
	if [ "$(id -u)" -ne 0 ]; then
		unshare -r true || skip "needs root or user namespaces"
		into_jail=("$(command -v unshare)" -r "$(command -v chroot)" "$JAIL")
	fi
	rm -f "$JAIL/out/effect"
}

jailed() { env -i "${variables[@]}" "${into_jail[@]}" "$@"; }

took_effect() {
	[ "$(cat "$JAIL/out/effect")" = "document_signed $(cat "$(body)")" ]
}

@test "nothing else is in there" {
	[ "$(find "$JAIL" -type f | wc -l)" -eq 5 ] # two configurations
	not ldd "$JAIL/hookcgi"
}

@test "the commands work" {
	jailed /hookcgi version
	jailed /hookcgi check
	[ "$(printf '{"a":[5]}' | jailed /hookcgi get a.0)" = 5 ]
}

@test "as CGI" {
	local file=$BATS_TEST_TMPDIR/answer
	variables+=(GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST SERVER_PROTOCOL=HTTP/1.1
		SCRIPT_NAME=/hooks PATH_INFO=/idfy CONTENT_TYPE=application/json
		CONTENT_LENGTH="$(wc -c <"$(body)")" REMOTE_ADDR=127.0.0.1
		HTTP_X_IDFY_SIGNATURE="$(signature sha256 idfy "$(body)")")
	jailed /hookcgi <"$(body)" >"$file"
	cat "$file"
	grep -q '^Status: 200' "$file"
	grep -q '^recorded' "$file"
	took_effect
	jailed /hookcgi <<<'{"id":"evt_1","type":"document_signed","payload":{"n":8}}' >"$file"
	grep -qE '^Status: 40[01]' "$file"
}

@test "as CGI with the queue, and the worker that it starts" {
	local file=$BATS_TEST_TMPDIR/answer
	variables=(HOOKCGI_CONFIG=/etc/queue.conf GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST
		SERVER_PROTOCOL=HTTP/1.1 SCRIPT_NAME=/hooks PATH_INFO=/idfy CONTENT_TYPE=application/json
		CONTENT_LENGTH="$(wc -c <"$(body)")" REMOTE_ADDR=127.0.0.1
		HTTP_X_IDFY_SIGNATURE="$(signature sha256 idfy "$(body)")")
	jailed /hookcgi <"$(body)" >"$file"
	cat "$file"
	grep -q '"status":"accepted","id":1' "$file"
	wait_for 10 took_effect
	stop "$(pgrep -x hookcgi-worker -U "$(id -u "$LAB_USER")" | while read -r pid; do
		[ "$(readlink "/proc/$pid/root")" != "$JAIL" ] || echo "$pid"
	done)"
}

@test "as FastCGI behind a real server" {
	ln -s "$JAIL/run/hookcgi.sock" "$LAB/run/hookcgi.sock"
	serve_on_socket() {
		start hookcgi env HOOKCGI_CONFIG=/etc/hookcgi.conf "${into_jail[@]}" \
			/hookcgi serve --listen unix:/run/hookcgi.sock
		wait_for 10 test -S "$JAIL/run/hookcgi.sock"
	}
	server_start lighttpd_fastcgi_socket
	post idfy "$(body)"
	expect 200 "a request into the jail"
	answer_has recorded
	took_effect
	request --data-binary "@$(body)" "$BASE/idfy"
	expect 401 "an unsigned one"
	stop "$(cat "$LAB/run/hookcgi.main")"
}
