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
	local file=${file:-$(body)} one all=()
	declare -A variables=([GATEWAY_INTERFACE]=CGI/1.1 [SERVER_PROTOCOL]=HTTP/1.1
		[REQUEST_METHOD]=POST [SCRIPT_NAME]=/hooks [PATH_INFO]=/idfy
		[CONTENT_LENGTH]=$(wc -c <"$file") [HOOKCGI_CONFIG]=$LAB/etc/hookcgi.conf
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
