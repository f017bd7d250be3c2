#!/usr/bin/env bats
# cgi.bats - the program as RFC 3875 calls it, without a web server around it

load lib

setup_file() { lab_open; }
teardown_file() { lab_close; }

setup() {
	forget
	arguments=()
	reader="cat"
}

# VARIABLE=VALUE or -VARIABLE...: a rightly signed request for idfy, with these set or
# left out; the body from $file, $arguments as a server would put them there, the
# answer to $reader.
cgi() {
	local file=${file:-$(body)} length=57 one all=()
	[ ! -f "$file" ] || length=$(wc -c <"$file")
	declare -A variables=([GATEWAY_INTERFACE]=CGI/1.1 [SERVER_PROTOCOL]=HTTP/1.1
		[REQUEST_METHOD]=POST [SCRIPT_NAME]=/hooks [PATH_INFO]=/idfy
		[CONTENT_LENGTH]=$length [HOOKCGI_CONFIG]=$LAB/etc/hookcgi.conf
		[HTTP_X_IDFY_SIGNATURE]=$(signature sha256 idfy "$(body)"))
	for one; do
		case $one in
		-*) unset "variables[${one#-}]" ;;
		*) variables[${one%%=*}]=${one#*=} ;;
		esac
	done
	for one in "${!variables[@]}"; do all+=("$one=${variables[$one]}"); done
	status=0
	{
		"${AS_USER[@]}" env -i "${all[@]}" "$LAB/bin/hookcgi" "${arguments[@]}" \
			<"$file" 2>"$BATS_TEST_TMPDIR/stderr" || echo $? >"$BATS_TEST_TMPDIR/status"
	} | "$reader" >"$BATS_TEST_TMPDIR/stdout"
	output=$(cat "$BATS_TEST_TMPDIR/stdout")
	[ ! -e "$BATS_TEST_TMPDIR/status" ] || status=$(cat "$BATS_TEST_TMPDIR/status")
}

# STATUS RUNS: what was answered, and how often the handler has run.
answered() {
	[[ $output == "Status: $1 "* ]] && [ "$(runs idfy)" -eq "$2" ] && return 0
	echo "not $1, or the handler did not run $2 times: exit $status, $output"
	return 1
}

@test "a whole request is handled" {
	cgi
	answered 200 1
	[ "$status" -eq 0 ]
	[[ $output == *recorded ]]
}

@test "a body that is shorter than declared runs nothing, though it is signed" {
	cgi CONTENT_LENGTH=$(($(wc -c <"$(body)") + 1))
	answered 400 0
}

@test "without a length there is no body, and nothing is waited for" {
	local file=$BATS_TEST_TMPDIR/endless
	mkfifo "$file"
	exec 8<>"$file" # open for writing: a reader would wait
	file=/dev/fd/8 cgi CONTENT_LENGTH=
	exec 8>&-
	answered 401 0 # the signature is over another body
}

@test "read_timeout is obeyed" {
	local file=$BATS_TEST_TMPDIR/slow
	{
		echo 'read_timeout = "1s"'
		cat "$LAB/etc/hookcgi.conf"
	} >"$LAB/etc/hasty.conf"
	chmod 600 "$LAB/etc/hasty.conf"
	chown "$LAB_USER" "$LAB/etc/hasty.conf"
	mkfifo "$file"
	exec 8<>"$file"
	file=/dev/fd/8 cgi CONTENT_LENGTH=57 HOOKCGI_CONFIG="$LAB/etc/hasty.conf"
	exec 8>&-
	answered 408 0
}

@test "no more than the declared length is read" {
	local file=$BATS_TEST_TMPDIR/more
	printf '%s and more' "$(cat "$(body)")" >"$file"
	cgi CONTENT_LENGTH="$(wc -c <"$(body)")"
	answered 200 1
	cmp "$LAB/out"/idfy.*.stdin "$(body)"
}

@test "a body without a length is read to its end" {
	cgi -CONTENT_LENGTH HTTP_TRANSFER_ENCODING=chunked
	answered 200 1
}

@test "a length that is no number is refused" {
	local length
	for length in -1 +5 0x39 1e3 "57 57" 99999999999999999999 18446744073709551617; do
		cgi CONTENT_LENGTH="$length"
		[[ $output == "Status: 4"* ]]
	done
	[ "$(runs idfy)" -eq 0 ]
}

@test "the name is the end of SCRIPT_NAME and PATH_INFO" {
	cgi SCRIPT_NAME=/hooks/idfy PATH_INFO=
	answered 200 1
	cgi SCRIPT_NAME=/cgi-bin/hookcgi.cgi PATH_INFO=/idfy
	answered 200 2
	cgi SCRIPT_NAME=/hooks/idfy -PATH_INFO
	answered 200 3
	cgi SCRIPT_NAME=/idfy PATH_INFO=/nobody
	answered 404 3
	cgi -SCRIPT_NAME -PATH_INFO
	answered 404 3
}

@test "what stands in argv is not looked at" {
	arguments=(check)
	cgi
	answered 200 1
	arguments=(-c /etc/passwd serve --listen "unix:$LAB/run/evil")
	cgi
	answered 200 2
	[ ! -e "$LAB/run/evil" ]
}

@test "without a usable configuration every request is 503" {
	cgi HOOKCGI_CONFIG="$LAB/etc/not-there.conf"
	answered 503 0
	echo 'nonsense = 1' >"$LAB/etc/bad.conf"
	chown "$LAB_USER" "$LAB/etc/bad.conf"
	cgi HOOKCGI_CONFIG="$LAB/etc/bad.conf"
	answered 503 0
}

@test "a sender cannot name the configuration" {
	cgi HTTP_HOOKCGI_CONFIG="$LAB/etc/not-there.conf" QUERY_STRING='HOOKCGI_CONFIG=/etc/passwd'
	answered 200 1
}

# Under CGI the request's variables are the process's own: a secret taken from one is the
# sender's to choose.
@test "a sender cannot choose the secret" {
	local secret signed
	signed=$(openssl dgst -sha256 -hmac chosen -r <"$(body)" | cut -d' ' -f1)
	# shellcheck disable=SC2016 # not for this shell
	for secret in '"env:HTTP_X_S"' '"${HTTP_X_S}"' '"${HTTP_X_S:-x}"' '${HTTP_X_S}' \
		'"env:QUERY_STRING"' '{"file:idfy.secret", "env:REMOTE_USER"}'; do
		{
			echo 'store = "none"'
			endpoint idfy idfy "run = { \"$LAB/handlers/record\" }" "secret = $secret"
		} >"$LAB/etc/chosen.conf"
		chmod 600 "$LAB/etc/chosen.conf"
		chown "$LAB_USER" "$LAB/etc/chosen.conf"
		cgi HOOKCGI_CONFIG="$LAB/etc/chosen.conf" HTTP_X_IDFY_SIGNATURE="$signed" \
			HTTP_X_S=chosen QUERY_STRING=chosen REMOTE_USER=chosen
		answered 503 0
	done
}

@test "a log that cannot be opened is said once, and where the lines go instead" {
	{
		echo 'log = "file:/nonexistent/x.log"'
		echo 'store = "none"'
		endpoint idfy idfy "run = { \"$LAB/handlers/record\" }"
	} >"$LAB/etc/nolog.conf"
	chmod 600 "$LAB/etc/nolog.conf"
	chown "$LAB_USER" "$LAB/etc/nolog.conf"
	cgi HOOKCGI_CONFIG="$LAB/etc/nolog.conf"
	answered 200 1
	cat "$BATS_TEST_TMPDIR/stderr"
	[ "$(grep -c '/nonexistent/x.log' "$BATS_TEST_TMPDIR/stderr")" -eq 1 ]
	grep -q 'lines go to standard error' "$BATS_TEST_TMPDIR/stderr"
}

@test "a request without its variables is refused" {
	cgi -REQUEST_METHOD # no server calls like that
	[ "$status" -ne 0 ]
	cgi REQUEST_METHOD=
	[[ $output == "Status: 4"* ]]
	[ "$(runs idfy)" -eq 0 ]
}

@test "a reader that has gone harms nothing" {
	reader="true"
	cgi
	wait_for 5 ran_once
}

ran_once() { [ "$(runs idfy)" -eq 1 ]; }
