#!/usr/bin/env bats
# inject.bats - kill -9 at each system call, an error from each, and no memory at each allocation
#
# What is done and what must hold is in inject.py; TORTURE=1 takes every point, and then all of
# them again with other seeds until CRASH_POINTS have fired.

bats_require_minimum_version 1.5.0

setup_file() {
	local top
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	export HOOKCGI=${HOOKCGI:-$top/build/hookcgi} CRASH_BUILD=${CRASH_BUILD:-$top/build/crash}
	export FIRED=$BATS_FILE_TMPDIR/fired
	echo 0 >"$FIRED"
}

setup() {
	# A sanitizer brings its own allocator, and LeakSanitizer dies under ptrace(2).
	! grep -q __asan_init "$HOOKCGI" || skip "the program was built with a sanitizer"
}

# TASK...: its summary is shown, and what fired is added up.
inject() {
	local status=0
	python3 "$BATS_TEST_DIRNAME/inject.py" "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
	grep '^# ' "$BATS_TEST_TMPDIR/out" >&3 || true
	grep -v '^# ' "$BATS_TEST_TMPDIR/out" || true
	echo "$(($(cat "$FIRED") + $(sed -n 's/^# \([0-9]*\) points fired$/\1/p' "$BATS_TEST_TMPDIR/out")))" \
		>"$FIRED"
	return "$status"
}

@test "the checks notice what is lost, doubled, cut, changed or stuck" {
	inject control
}

@test "CGI that is killed at any call loses nothing that it acknowledged" {
	inject kill:cgi
}

@test "FastCGI that is killed at any call loses nothing that it acknowledged" {
	inject kill:fastcgi
}

@test "a worker that is killed at any call runs each event to its end" {
	inject kill:worker
}

@test "replay, prune and the making of a database can be killed at any call" {
	inject kill:create kill:replay kill:prune
}

@test "an error of any call is no false 200, no death and no hang" {
	inject error
}

@test "200 for a duplicate means that it is on disk, also when its first process did not get there" {
	[ "$(id -u)" -eq 0 ] || skip "needs root: strace has to read what an undumpable program writes"
	inject unsynced
}

@test "a duplicate waits while the sync of the first delivery is pending" {
	inject pending
}

@test "no memory at any allocation is no false 200, and no death of ours by a signal" {
	inject malloc
}

@test "torture: all of it again, until enough points have fired" {
	[ "${TORTURE:-0}" != 0 ] || skip "TORTURE=1 runs it"
	while [ "$(cat "$FIRED")" -lt "${CRASH_POINTS:-20000}" ]; do
		inject kill error malloc
	done
	echo "# $(cat "$FIRED") points fired in all" >&3
}
