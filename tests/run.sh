#!/bin/sh
# run.sh BUILD [FILE…] - run the unit tests in BUILD/unit, the end-to-end and the crash tests, and count
#
# FILE names what to run (tests/e2e/cli.bats, build/unit/test_json); nothing: all.
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
passed=0 failed=0 skipped=0
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT INT TERM

count() { grep -c "$1" "$output" || :; }

for file; do
	case "$file" in
	*.d) continue ;;
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
	printf '%-36s %4d passed' "$file" "$good"
	[ "$skip" -eq 0 ] || printf ', %d skipped' "$skip"
	[ "$bad" -eq 0 ] || printf ', %d FAILED' "$bad"
	echo
	[ -z "$covered" ] || echo "$covered" | sed 's/^/    /'
	[ "$bad" -eq 0 ] || sed 's/^/    /' "$output"
	passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
