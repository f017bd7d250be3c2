#!/bin/sh
# run.sh BUILD [FILE…] - run the unit tests in BUILD/unit, the end-to-end and the crash tests, and count
#
# FILE names what to run (tests/e2e/cli.bats, build/unit/test_json); nothing: all. As many files run at
# once as there are processors, but the crash tests one by one: they look at all that runs.
# The last line is "N passed, N failed, N skipped"; the exit status says the same.
set -u
build=$1
shift
cd "$(dirname "$0")/.." || exit 1
if [ $# -eq 0 ]; then
	set -- "$build"/unit/test_* tests/e2e/*.bats
	[ ! -d "$build"/crash ] || set -- "$@" tests/crash/*.bats # under sanitizers there is none
fi

HOOKCGI=$PWD/$build/hookcgi
CRASH_BUILD=$PWD/$build/crash
export HOOKCGI CRASH_BUILD
limit=600 # seconds that a file of tests may take
[ -z "${TORTURE:-}" ] || limit=10800

count() { grep -c "$1" "$output" || :; }

# FILE: run it, print what came of it, and leave the numbers in $RUN_COUNTS.
run_one() {
	file=$1
	begin=$(date +%s)
	output=$(mktemp) || exit 1
	case "$file" in
	*.bats)
		timeout -k 10 "$limit" bats --tap "$file" >"$output" 2>&1
		status=$?
		good=$(grep '^ok ' "$output" | grep -vc ' # skip' || :)
		skip=$(count '^ok .* # skip')
		bad=$(count '^not ok ')
		covered=$(sed -n 's/^# covered: //p' "$output")
		;;
	*)
		covered=
		timeout -k 10 300 "$file" >"$output" 2>&1
		status=$?
		good=$(count '^\[       OK \]')
		skip=$(count '^\[  SKIPPED \]')
		bad=$(count '^\[  FAILED  \] [^0-9]*$')
		;;
	esac
	# A file that died has failed, whatever it managed to print.
	[ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$((good + bad + skip))" -gt 0 ] || bad=1
	{
		flock 9 # lines of two files do not mix
		printf '%-40s %4d passed' "$file" "$good"
		[ "$skip" -eq 0 ] || printf ', %d skipped' "$skip"
		[ "$bad" -eq 0 ] || printf ', %d FAILED' "$bad"
		printf ', %d s\n' "$(($(date +%s) - begin))"
		[ -z "$covered" ] || echo "$covered" | sed 's/^/    /'
		[ "$bad" -eq 0 ] || sed 's/^/    /' "$output"
		echo "$good $bad $skip" >>"$RUN_COUNTS"
	} 9>>"$RUN_COUNTS.lock"
	rm -f "$output"
}

# What xargs(1) below starts.
if [ -n "${RUN_COUNTS:-}" ]; then
	for file; do run_one "$file"; done
	exit 0
fi

RUN_COUNTS=$(mktemp) || exit 1
export RUN_COUNTS
trap 'rm -f "$RUN_COUNTS" "$RUN_COUNTS.lock"' EXIT INT TERM
several=$(mktemp) alone=$(mktemp)
for file; do
	case "$file" in
	*.d) ;;
	tests/crash/*) echo "$file" >>"$alone" ;;
	*) echo "$file" >>"$several" ;;
	esac
done
xargs -r -P "$(nproc)" -n 1 tests/run.sh "$build" <"$several"
xargs -r -n 1 tests/run.sh "$build" <"$alone"
rm -f "$several" "$alone"

awk '{ passed += $1; failed += $2; skipped += $3 }
	END { print passed + 0 " passed, " failed + 0 " failed, " skipped + 0 " skipped"; exit failed > 0 }' "$RUN_COUNTS"
