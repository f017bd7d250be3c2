#!/usr/bin/env bats
# apache-cgi.bats - Apache with mod_cgi and processes instead of threads (apache-conf/cgid.conf)

load lib
load servers
load rules

setup_file() {
	lab_open
	server_start apache_cgi
}

teardown_file() { lab_close; }

@test "each provider's signed request is accepted and handled" { each_provider_is_accepted; }
@test "a bearer token arrives" { a_bearer_token_arrives; }
@test "the handler's environment is built from nothing" { the_environment_is_built_from_nothing; }
@test "handlers inherit no descriptor" { handlers_inherit_no_descriptor; }
@test "forged and unsigned requests are refused alike" { forged_and_unsigned_are_refused_alike; }
@test "what is no delivery is refused" { what_is_no_delivery_is_refused; }
@test "the handler decides the answer" { the_handler_decides_the_answer; }
@test "a chunked body is whole" { a_chunked_body_is_whole; }
@test "a body that is cut off runs nothing" { a_body_that_is_cut_off_runs_nothing; }
@test "bodies over the limit are refused" { large_bodies_are_refused_and_small_limits_hold; }
@test "twenty at once are all handled" { twenty_at_once_are_all_handled; }
@test "a repeated signature is refused" { a_repeated_signature_is_refused; }
@test "other spellings of a header change nothing" { other_spellings_of_a_header_change_nothing drops; }
@test "a query word is no command" { a_query_word_is_no_command; }
@test "odd names are no endpoints" { odd_names_are_no_endpoints; }
@test "a raised limit lets larger bodies in" { a_raised_limit_lets_larger_bodies_in apache_cgi; }
