#!/usr/bin/env bats
# faults.bats - full, read-only and damaged disks, locks, signals, little memory: nothing acknowledged is lost
#
# What is done and looked at is in faults.py; TORTURE=1 does more of it, for hours.

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
export HOOKCGI=${HOOKCGI:-$TOP/build/hookcgi}

# SCENARIO: run it, and say what it covered.
fault() {
	local line
	run python3 "$BATS_TEST_DIRNAME/faults.py" "$1"
	line=${output##*$'\n'}
	case $status in
	0) echo "# $line" >&3 ;;
	77) skip "$line" ;;
	*)
		echo "$output"
		return 1
		;;
	esac
}

@test "a full disk is answered 503, and nothing is lost" { fault disk-full; }
@test "a full disk under CGI is answered 503, and nothing is lost" { fault disk-full-cgi; }
@test "a limit of file size is a full disk, and nobody's death" { fault file-size; }
@test "a file system that becomes read-only is answered 503, and left behind" { fault read-only; }
@test "an open database that cannot be written any more is answered 503, and left behind" { fault writes-fail; }
@test "a database that is moved, removed or replaced is noticed" { fault moved; }
@test "a database that is put over another one's log is not harmed" { fault swapped-alone; }
@test "an emptied database is not begun anew" { fault emptied; }
@test "a flipped bit in the write-ahead log, or none of it, is said" { fault log-damaged; }
@test "a loss is said also after new events" { fault loss-stays-said; }
@test "a flipped bit in a body keeps it from being run" { fault body-damaged; }
@test "flipped bits in variables and keys" { fault rest-damaged; }
@test "flipped bits in counters stop nothing" { fault counters-damaged; }
@test "noise and cuts: no crash, no false 200" { fault noise; }
@test "no descriptor of the database crosses a fork" { fault descriptors; }
@test "a write lock that another program holds is answered 503 in time" { fault write-lock; }
@test "a storm of signals loses nothing and runs nothing twice" { fault signals; }
@test "little address space: no false 200" { fault little-memory; }
@test "the kernel's memory limit: no false 200" { fault memory-limit; }
@test "a database of a newer version is refused and not touched" { fault newer; }
@test "a backup under load is whole and can be run" { fault backup; }
@test "all files are private whatever the umask" { fault files-private; }
@test "retention under load touches nothing that waits or runs" { fault retention; }
@test "power loss, block by block, loses nothing" { fault power-loss; }
