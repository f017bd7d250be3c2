#!/usr/bin/env bats
# storm.bats - everything is killed, crowded and starved, and every event is accounted for
#
# Each test is a scenario of storm.py, which says what it does. TORTURE=1 is the long tier:
# the storm lasts STORM_SECONDS (1800) then.

setup() {
	TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	export HOOKCGI=${HOOKCGI:-$TOP/build/hookcgi} CRASH_BUILD=${CRASH_BUILD:-$TOP/build/crash}
}

# NAME: run it. Its last line says how much it covered; a hang ends here, with all that it started.
scenario() {
	local limit=180
	[ -z "${TORTURE:-}" ] || limit=$((${STORM_SECONDS:-1800} + 3600))
	run timeout --kill-after=20 "$limit" python3 "$BATS_TEST_DIRNAME/storm.py" "$1" 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	[ -n "$output" ]
	echo "# $1: ${lines[-1]}" >&3
}

@test "a storm of kills: nothing acknowledged is lost, and all that runs is accounted for" {
	scenario storm
}

@test "one event from sixteen processes at once is one row and one run" {
	scenario same
}

@test "two to eight workers that come and go run each event once" {
	scenario workers
}

@test "clocks that jump, stand still and differ lose, stop, repeat and forget nothing" {
	scenario clocks
}

@test "retries wait as long as they were to when somebody sets the clock" {
	scenario clock_set
}

@test "poison holds up nobody, and what is due at once does not run at once" {
	scenario poison
}

@test "a full queue refuses, and takes again when a quarter is worked off" {
	scenario limit
}

@test "too few descriptors, processes and threads lose nothing, and pass" {
	scenario scarce
}
