#!/usr/bin/env bats
# power.bats - the power fails at any time, and what was acknowledged is there
#
# power.py records what the real program does to its disk and plays back what a disk may keep of it.
# The mutants are the proof that it would notice: each must lose something.

power() {
	python3 -B "$BATS_TEST_DIRNAME/power.py" "$1" >"$BATS_TEST_TMPDIR/said" 2>"$BATS_TEST_TMPDIR/why" || {
		cat "$BATS_TEST_TMPDIR/said" "$BATS_TEST_TMPDIR/why"
		return 1
	}
	sed 's/^/# /' "$BATS_TEST_TMPDIR/said" >&3
}

@test "power loss: a new store, CGI processes one after the other" {
	power cgi
}

@test "power loss: CGI processes, checkpoints early" {
	power cgi-checkpoints
}

@test "power loss: FastCGI, group commits and checkpoints" {
	power fastcgi
}

@test "power loss: large bodies, checkpoints where the program has them" {
	power large
}

@test "power loss: events come, run, fail, run again and are removed" {
	power worker
}

@test "power loss: a network file system's journal, CGI" {
	power network-cgi
}

@test "power loss: a network file system's journal, FastCGI" {
	power network-fastcgi
}

@test "power loss: synchronous NORMAL is caught" {
	power mutant-normal
}

@test "power loss: synchronous OFF is caught" {
	power mutant-off
}

@test "power loss: a journal that is deleted is caught" {
	power mutant-delete
}

@test "power loss: a sync that does nothing is caught" {
	power mutant-lie
}
