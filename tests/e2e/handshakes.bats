#!/usr/bin/env bats
# handshakes.bats - what senders ask of a URL before they use it, with lighttpd and FastCGI, and a store

load lib
load servers
load handshakes

setup_file() {
	lab_open
	handshakes_config
	lab_store
	server_start lighttpd_fastcgi
}

teardown_file() {
	lab_stop_workers
	lab_close
}

setup() { forget; }

@test "signed challenges are answered" { signed_challenges_are_answered; }
@test "Discord's pings are answered" { discord_pings_are_answered; }
@test "tokens are compared" { tokens_are_compared; }
@test "open echoes are answered" { open_echoes_are_answered; }
@test "open computations are answered" { open_computations_are_answered; }
@test "pings are answered" { pings_are_answered; }
@test "required bodies are sent" { required_bodies_are_sent; }
@test "a 405 tells which methods are taken" { methods_are_told; }
@test "check tells what is missing" { check_tells_what_is_missing; }
@test "handshakes are closed by default" { handshakes_are_closed_by_default; }
@test "what the endpoint signs for anybody is no event" { the_oracle_is_of_no_use; }
@test "headers cannot be split" { headers_cannot_be_split; }
@test "a secret is learned once" { a_secret_is_learned_once; }
@test "many learn one secret" { many_learn_one_secret; }
