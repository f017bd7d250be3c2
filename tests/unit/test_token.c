/* test_token.c - schemes whose signature is a JSON web token
 *
 * The tokens were made with Python's hmac, the example of RFC 7515 apart.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "crypto.h"
#include "signature.h"
#include "text.h"
#include "verify.h"

#define JWT .header = LIST("X-T"), .algorithm = "jwt-hs256"
#define T(text) "HTTP_X_T=" text

/* {"a":1} and the secret "secret" */
#define GOOD "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.LrlPmSL4FxrzAHJSYbKzsA997COXdYCeFKlt3zt5DIY"

static void
a_token_has_the_providers_algorithm_and_is_in_its_time(void **state)
{
	static const struct {
		const char *token;
		enum signature_result expected;
	} rows[] = {
		{ T(GOOD), SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.J1MZUIkJXX3mvs2fLhAr3j5A-TErheadtQcdwaJVMPU"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzI1NiJ9.e30.XmNK3GpH3Ys_7wsYBfq4C3M6goz71I7dTgUkuIa5lyQ"),
			SIGNATURE_VALID },
		/* {"alg":"HS512"}, signed with either; {"alg":"RS256"}, {"alg":"hs256"} */
		{ T("eyJhbGciOiJIUzUxMiJ9.e30.F-N_v3AvrQ2ev8Oqmsfdo_tj4u-YNnIZGCM2l46dntw"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzUxMiJ9.e30.P_BilX5OMTZKsBDTFb9h2C5aNxDSLeVYdFVlW-"
		    "kFPt8qhmCbCCSc59tt4AGdEHRhjIdKjE-Q-d0Se3XEk0_EuQ"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJSUzI1NiJ9.e30.nNHCcdaNSTuqa8j3j5y8OHpktiWEfe25H54badusn7Q"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJoczI1NiJ9.e30.GmHlFxg8HPe9yl5cdnAz2FhDuBkzSQOS-JchnBWIfs0"),
			SIGNATURE_WRONG },
		/* none: without a signature, and with one */
		{ T("eyJhbGciOiJub25lIn0.e30."), SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJub25lIn0.e30"), SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJub25lIn0.e30.K5fUbCOH9sO36oYAO2K4X-L0PdIX_krQaQtpuNIHgXo"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzI1NiIsImFsZyI6Im5vbmUifQ.e30.8cmAonNdsNV_"
		    "6anuXXFKP8X9Xhs0D0kzPU2XgNWyYzw"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiZXhwIl19.e30."
		    "y7LO1kcbeT5UmzqnRaUXrzcvBYuL8ov7J1dVPl_c-Bs"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.W10.tYdGHAF7YBfiFrnqtcsM-PIsGDradtWY3a2xM-xQiN8"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9..sd3ENUazK8vJX_adQ9xDR3N_oXk_pdfV9-OFlen2FmU"),
			SIGNATURE_MALFORMED },
		/* exp, to the last second of the leeway and behind it */
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE2OTk5OTk5NDB9.LMJbMVVe05VE7Ja4HQSrlcIRnBKCwvw_"
		    "fGcnRRNxYT8"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE2OTk5OTk5Mzl9."
		    "pa17pYNd2ONyjsueWrWBinEkPTtrHHNjNcZmNPzc4Xo"),
			SIGNATURE_EXPIRED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE2OTk5OTk5MzkuOTk5fQ."
		    "o1ndtQTEMK8GTI9PdwCxoDmi7DGjfgnNaq4ALsYmivo"),
			SIGNATURE_EXPIRED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOiIxODAwMDAwMDAwIn0.tPpJQytVLhZSZ80_"
		    "6AmNDp4gxoFxeBbCWXj8s8YDA4M"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOlsxODAwMDAwMDAwXX0.uTABeo612BGG3Xe9bvUC7-"
		    "5a5fhbvbIeB870nD0sZMM"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOm51bGx9.pD6z1KKH5Y0fXaFqKe4O0YBhB4rCw0GXye_"
		    "rg43c9zE"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjFlMTB9.93_"
		    "Q8sBsmkDx2vPy8GE9ibvNYmJ6Qh40BsKjgihwhBQ"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjEsImV4cCI6MTgwMDAwMDAwMH0.xx_"
		    "cbpYvJKiATrr81qJF3NZTbGnDRd7lXP1E2yI09Cc"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.-IF7AjEcX0JZoChE1-ilTus6v_"
		    "PKI0j23j41GhMEKLI"),
			SIGNATURE_WRONG },
		/* nbf */
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJuYmYiOjE3MDAwMDAwNjB9."
		    "oL9Da0pmWzxokcmBlAd6xQfqJ58SWiwCL5ywWTmkwAE"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJuYmYiOjE3MDAwMDAwNjF9._UTaCyoxnR8NQtSIK--E5Bv92_"
		    "jBHw7E7S5Cfqs3XKY"),
			SIGNATURE_EARLY },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJuYmYiOnRydWV9.Is8iy9LeMc0WwNzafsjM_liDwV8r8U7kqv-"
		    "5FQYru1Y"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJuYmYiOjEsImV4cCI6MTgwMDAwMDAwMH0.g6xOnvvCOHGMmeh-"
		    "DhD3a7av4Rtonb_ppeRxy8-ICw4"),
			SIGNATURE_VALID },
		/* Two in one header, and one that came twice. */
		{ T(GOOD ", " GOOD), SIGNATURE_REPEATED },
		{ T(GOOD "," GOOD), SIGNATURE_MALFORMED },
		{ T(GOOD " "), SIGNATURE_MALFORMED },
		{ T(GOOD "="), SIGNATURE_MALFORMED },
		{ T(""), SIGNATURE_MISSING },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_options options = { .main = { JWT } };
		enum signature_result result = verify_once(options, TEXTS(rows[i].token), "");
		if (result != rows[i].expected)
			fail_msg("%s: %s", rows[i].token, signature_reason(result));
	}
}

static void
a_claim_may_be_the_time(void **state)
{
	static const struct {
		const char *token;
		enum signature_result expected;
	} rows[] = {
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE2OTk5OTk3MDB9.DCen_-"
		    "nNQSkKo8oO2irnUonLV5pnfsqE_EWxpAFMWGY"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE2OTk5OTk2OTl9.Yn-"
		    "6hdEbIebOzgqObKGSy0lb8ozPZfOVK7--3qagC6Y"),
			SIGNATURE_EXPIRED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwNjB9.Ai6pnc3R9ZDv_KAVhIOGx-"
		    "3sMRyFinCB3HW5d_zvmgA"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwNjF9."
		    "IVH4kJbmYTQbSb4DNTuIm1w4D1hvIlCGkoHCo8WtuXY"),
			SIGNATURE_EARLY },
		{ T("eyJhbGciOiJIUzI1NiJ9.e30.XmNK3GpH3Ys_7wsYBfq4C3M6goz71I7dTgUkuIa5lyQ"),
			SIGNATURE_MISSING },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOm51bGx9.VO-"
		    "YBMkGWivjZy3rxsMYKIbzYbKTAFtwOtbmeuEv6ZQ"),
			SIGNATURE_MISSING },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOlsxNzAwMDAwMDAwXX0."
		    "COUC58c6RhuxAjRaxvdV5UMTpwVL28n985COAumcMqU"),
			SIGNATURE_MISSING },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOnRydWV9.HW8jxlsncAs6-itmbLW_"
		    "96mel1YBnfuPOTYJ8jITWhg"),
			SIGNATURE_MALFORMED },
		{ T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE2OTk5OTk3MDB9.LipeqWi7eL7Kn7ZVgqIuuh_"
		    "Y6Mu2IxXtpzPVBFOoDe8"),
			SIGNATURE_WRONG },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_options options = { .main = { JWT, .timestamp = "{claim:iat}",
								  .tolerance = "5m",
								  .future = "1m" } };
		enum signature_result result = verify_once(options, TEXTS(rows[i].token), "");
		if (result != rows[i].expected)
			fail_msg("%s: %s", rows[i].token, signature_reason(result));
	}
}

static void
bearer_stands_before_the_token_as_the_format_says(void **state)
{
	static const struct {
		const char *value;
		enum signature_result expected;
	} rows[] = {
		{ "HTTP_AUTHORIZATION=Bearer " GOOD, SIGNATURE_VALID },
		{ "HTTP_AUTHORIZATION=" GOOD, SIGNATURE_MALFORMED },
		{ "HTTP_AUTHORIZATION=Bearer  " GOOD, SIGNATURE_MALFORMED },
		{ "HTTP_AUTHORIZATION=Bearer", SIGNATURE_MALFORMED },
		{ "HTTP_AUTHORIZATION=Bearer ", SIGNATURE_MALFORMED },
		{ "HTTP_AUTHORIZATION=Bearer " GOOD ", Bearer " GOOD, SIGNATURE_REPEATED },
		{ "HTTP_AUTHORIZATION=Bearer x, Bearer " GOOD, SIGNATURE_REPEATED },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_options options = { .main = { .header = LIST("Authorization"),
								  .algorithm = "jwt-hs256",
								  .format = LIST(
									  "Bearer {signature}") } };
		assert_int_equal(verify_once(options, TEXTS(rows[i].value), ""), rows[i].expected);
	}
}

static void
kid_picks_among_the_named_keys(void **state)
{
	static const struct {
		const char *token;
		enum signature_result expected;
	} rows[] = {
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.e30.ZowTX-PSTcyanYn-"
		    "if7aGye1cupXpzKLhN84n1dqXg8"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6ImIifQ.e30.SDCJh_"
		    "zhJmDCqrX1dGi7RzoQoUlsYZIuKl4c47m5J3A"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6ImIifQ.e30.VdbEW7-"
		    "XYDNH2Z4A6JaBG0xbfJHpYJ8WMqbbfGjP8Bk"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9.e30.yuwLptLS1k1TZwWEBJecMrvVh6FEB__AubrqhZaJ8z8"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6IiJ9.e30."
		    "qkrzwkb64WD3V66jlhmY23X1QpZAqq4rpj55m0iHdlU"),
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6WyJhIl19.e30.QO2fF_"
		    "XUypPUzy7YRuWZ8BDCcfBKSdKwS0M6NGf8aF8"),
			SIGNATURE_WRONG },
		/* What is named by none may be any. */
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.e30.jafdJVu0VgUOEMGB01w_ZR64DptXdHDHNG_"
		    "XSwzWYmU"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6InoifQ.e30.LVtj-O4NRnBHi3kShuIKiB-l_"
		    "cdvIaPb4R2iEG9Sh8M"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9.e30.qIuStXguwP2-oUJg9MSM5lIsjCkwxczRfeYEmNzRzSE"),
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiIsImtpZCI6ImEsIGIifQ.e30."
		    "i7VVxybsM0qXgGP8n9C9knLVwI0l6S830T0NhfziERY"),
			SIGNATURE_WRONG },
	};
	const struct config_secret secrets[] = { secret_of("one", "a"), secret_of("two", "b"),
		secret_of("any", NULL) };
	struct provider *provider = compile((struct provider_options){ .main = { JWT } });
	struct verifier *verifier = verifier_of(provider, secrets, ROWS(secrets));

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		enum signature_result result = verify(verifier, TEXTS(rows[i].token), "");
		if (result != rows[i].expected)
			fail_msg("%s: %s", rows[i].token, signature_reason(result));
	}
	verifier_free(verifier);
	provider_free(provider);
}

static void
a_detached_token_is_over_the_text_that_is_signed(void **state)
{
	static const struct {
		const char *token, *body;
		enum signature_result expected;
	} rows[] = {
		{ T("eyJhbGciOiJIUzI1NiJ9..LrlPmSL4FxrzAHJSYbKzsA997COXdYCeFKlt3zt5DIY"),
			"{\"a\":1}", SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9..LrlPmSL4FxrzAHJSYbKzsA997COXdYCeFKlt3zt5DIY"),
			"{\"a\":2}", SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzI1NiJ9..LrlPmSL4FxrzAHJSYbKzsA997COXdYCeFKlt3zt5DIY"), "",
			SIGNATURE_WRONG },
		{ T("eyJhbGciOiJIUzI1NiJ9..sd3ENUazK8vJX_adQ9xDR3N_oXk_pdfV9-OFlen2FmU"), "",
			SIGNATURE_VALID },
		/* The payload sent as well, right or of another body. */
		{ T(GOOD), "{\"a\":1}", SIGNATURE_MALFORMED },
		{ T(GOOD), "{\"a\":2}", SIGNATURE_MALFORMED },
		/* What is no JSON, and a time limit in a body that is none of a token. */
		{ T("eyJhbGciOiJIUzI1NiJ9..N9loAD5iVm-Muaa3WovIkq0ukeJwu1I07DZNgcBHY5Y"), "x=1",
			SIGNATURE_VALID },
		{ T("eyJhbGciOiJIUzI1NiJ9..NED7FDrPJCtAvhJ-OxAe5ft0SIqmDbUaeKm7233QG3A"),
			"{\"exp\":1}", SIGNATURE_VALID },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_options options = { .main = {
								  JWT, .signs = LIST("{body}") } };
		enum signature_result result =
			verify_once(options, TEXTS(rows[i].token), rows[i].body);
		if (result != rows[i].expected)
			fail_msg("%s: %s", rows[i].token, signature_reason(result));
	}
}

static void
any_right_token_is_enough_of_four(void **state)
{
	static const struct {
		const char *tokens[6];
		enum signature_result expected;
	} rows[] = {
		{ { "HTTP_X_A=" GOOD, "HTTP_X_B=x.y.z" }, SIGNATURE_VALID },
		{ { "HTTP_X_A=x.y.z", "HTTP_X_B=" GOOD }, SIGNATURE_VALID },
		{ { "HTTP_X_A=eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.J1MZUIkJXX3mvs2fLhAr3j5A-"
		    "TErheadtQcdwaJVMPU",
			  "HTTP_X_B=" GOOD },
			SIGNATURE_VALID },
		{ { "HTTP_X_A=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.NED7FDrPJCtAvhJ-"
		    "OxAe5ft0SIqmDbUaeKm7233QG3A",
			  "HTTP_X_B=" GOOD },
			SIGNATURE_VALID },
		{ { "HTTP_X_A=" GOOD, "HTTP_X_B=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.NED7FDrPJCtAvhJ-"
				      "OxAe5ft0SIqmDbUaeKm7233QG3A" },
			SIGNATURE_VALID },
		{ { "HTTP_X_A=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.NED7FDrPJCtAvhJ-"
		    "OxAe5ft0SIqmDbUaeKm7233QG3A",
			  "HTTP_X_B=x.y.z" },
			SIGNATURE_EXPIRED },
		{ { "HTTP_X_A=x.y.z", "HTTP_X_B=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.NED7FDrPJCtAvhJ-"
				      "OxAe5ft0SIqmDbUaeKm7233QG3A" },
			SIGNATURE_EXPIRED },
		{ { "HTTP_X_A=x.y.z", "HTTP_X_B=x.y.z", "HTTP_X_C=x.y.z", "HTTP_X_D=" GOOD },
			SIGNATURE_VALID },
		/* The fifth is not looked at. */
		{ { "HTTP_X_A=x.y.z", "HTTP_X_B=x.y.z", "HTTP_X_C=x.y.z", "HTTP_X_D=x.y.z",
			  "HTTP_X_E=" GOOD },
			SIGNATURE_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_options options = {
			.main = { .header = LIST("X-A", "X-B", "X-C", "X-D", "X-E"),
				.algorithm = "jwt-hs256" }
		};
		enum signature_result result = verify_once(options, rows[i].tokens, "");
		if (result != rows[i].expected)
			fail_msg("row %zu: %s", i, signature_reason(result));
	}
}

static void
the_claims_of_the_right_token_are_left(void **state)
{
	static const char *const variables[] = {
		"HTTP_X_A=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjEsImlhdCI6NSwieCI6Im9sZCJ9."
		"rtKsmeMBaMXRSYwO4RA-SJoRdfHWVM9tkR8HupxtFk8",
		"HTTP_X_B=eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDAsIngiOiJuZXcifQ.8ZorP-"
		"dOfrVsmzfcWdegQmMkmtG9EPIHLxth7YOjYus",
		NULL
	};
	const struct config_secret secret = secret_of("secret", NULL);
	struct provider *provider =
		compile((struct provider_options){ .main = { .header = LIST("X-A", "X-B"),
							   .algorithm = "jwt-hs256",
							   .timestamp = "{claim:iat}" } });
	struct verifier *verifier = verifier_of(provider, &secret, 1);
	struct signature_report report;
	struct message message;
	struct leaf leaf;

	(void)state;
	message_init(&message, (char *const *)(uintptr_t)variables, slice_of(""));
	assert_int_equal(signature_verify(verifier, &message, NOW_MS, &report), SIGNATURE_VALID);
	assert_true(slice_is(message.timestamp, "1700000000"));
	assert_true(leaves_find(message.claims, slice_of("x"), &leaf));
	assert_true(slice_is(leaf.value, "new"));
	/* Nothing of it is left when the next check fails. */
	assert_int_equal(
		signature_verify(verifier, &message, NOW_MS + 3600000, &report), SIGNATURE_EXPIRED);
	assert_left(&message, SIGNATURE_EXPIRED);
	message_free(&message);
	verifier_free(verifier);
	provider_free(provider);
}

static void
what_a_token_must_say_else(void **state)
{
	static const struct {
		const char *requires, *token, *query;
		enum signature_result expected;
	} rows[] = {
		{ "{claim:a}=1", T(GOOD), "", SIGNATURE_VALID },
		{ "{claim:a}=2", T(GOOD), "", SIGNATURE_UNMET },
		{ "{claim:b}=1", T(GOOD), "", SIGNATURE_UNMET },
		/* Two empty texts, and a claim that is empty. */
		{ "{claim:b?}={query:b?}", T(GOOD), "", SIGNATURE_UNMET },
		{ "{claim:b?}={query:b?}",
			T("eyJhbGciOiJIUzI1NiJ9.eyJiIjoiIn0.Ti-o_d1TAy9_"
			  "v0BNfD20ztBQHHqgJMtYUCnlYPqIvxA"),
			"b=", SIGNATURE_UNMET },
		{ "{claim:b?}={query:b?}",
			T("eyJhbGciOiJIUzI1NiJ9.eyJiIjoieCJ9.jpuV5pyFUR0vIe_"
			  "TJ0jC8akp8wpYQ8RQ5Gjx83V-zVg"),
			"b=x", SIGNATURE_VALID },
		{ "{claim:b}={query:b}",
			T("eyJhbGciOiJIUzI1NiJ9.eyJiIjoieCJ9.jpuV5pyFUR0vIe_"
			  "TJ0jC8akp8wpYQ8RQ5Gjx83V-zVg"),
			"b=x&b=x", SIGNATURE_UNMET },
		{ "{claim:b}={bodyhash:sha256:hex}",
			T("eyJhbGciOiJIUzI1NiJ9."
			  "eyJiIjoiNDQxMzZmYTM1NWIzNjc4YTExNDZhZDE2ZjdlODY0OWU5NGZiNGZjMjFmZTc3ZTgz"
			  "MTBjMDYwZjYxY2FhZmY4YSJ9.YDt5OgMQOJfrh5iofggzo2D9sDbewVZvOQOkiYCn_AM"),
			"", SIGNATURE_VALID },
		{ "{claim:b}={bodyhash:sha256:hex}",
			T("eyJhbGciOiJIUzI1NiJ9."
			  "eyJiIjoiMjU3YzFiZTk2YWU2OWY0YjAxYzJjNjliZGI2ZDc4NjA1ZjU5MTc1ODE5ZmIwMDdk"
			  "MGJmMjQ1YmY0ODQ0NGM0YSJ9.rgrOnqVWJOmc8WWB3QbakNSBjlrWbEhfwEP1Zn0CXkE"),
			"", SIGNATURE_UNMET },
		{ "{claim:b}={bodyhash:sha256:hex}",
			T("eyJhbGciOiJIUzI1NiJ9."
			  "eyJiIjpbIjQ0MTM2ZmEzNTViMzY3OGExMTQ2YWQxNmY3ZTg2NDllOTRmYjRmYzIxZmU3N2U4"
			  "MzEwYzA2MGY2MWNhYWZmOGEiXX0."
			  "C9NeyfGrTvhi4KVwHyger9yEPJzCARJ5w613PpSqny0"),
			"", SIGNATURE_UNMET },
		{ "{key_id}=a",
			T("eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.e30.2xLhYT1X_"
			  "Iro5ouohn7e4657nRd9fo9KwuhEkCZpUnw"),
			"", SIGNATURE_VALID },
		{ "{timestamp}={query:t}",
			T("eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDB9.b1nDmIwem7-eKO-"
			  "74bQuy7SroGJtzjN8Yr0TCIR8Jvs"),
			"t=1700000000", SIGNATURE_VALID },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_options options = {
			.main = { JWT, .requires = LIST(rows[i].requires),
				.timestamp = strstr(rows[i].requires, "{timestamp}") != NULL
						     ? "{claim:iat}"
						     : NULL }
		};
		char query[64];
		enum signature_result result;
		snprintf(query, sizeof query, "QUERY_STRING=%s", rows[i].query);
		result = verify_once(options, TEXTS(rows[i].token, query), "{}");
		if (result != rows[i].expected)
			fail_msg("%s: %s", rows[i].requires, signature_reason(result));
	}
}

/* openssl genrsa 2048, openssl rsa -pubout */
static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvlPOAEqX4L4gFnTBlw3R\n"
			  "hVykj6928DirULzekWHBgxjh/wRucg/jkqkaP9c22l2o4+59hwUzJIof2TddeikH\n"
			  "HdlMLpiQ03ifSnVTpAp4LlmSd0NQv82nnfP1buReNiSX5AgrVSeoOK1oqpEOdS44\n"
			  "9o1jdOHQZsKKtH2YpJfzZMsa5SIM9JUek7piFIOPyOQzIkf9Xmk+cD4vxlG0sq5G\n"
			  "9L9MypXjykpEbqpEIGmpZkoX+jzhENowVeqSP7/tNEVVZBvV9L2a4V6xyhC2z59r\n"
			  "P14Eb1IHGojzHJ6VwMiUvSNVg+5qN8ZDuKAdHDxqoT/k7QT39wXNJWbChLKGLcJB\n"
			  "HwIDAQAB\n"
			  "-----END PUBLIC KEY-----\n";

/* {"alg":"HS256"} and {}, with that text as the key of the HMAC */
static const char forged[] =
	T("eyJhbGciOiJIUzI1NiJ9.e30.kvPJ3H_UcAlQcx-I2gDR3sEUCunXWuLgpFiI9Wdoxek");
static const char forged_trimmed[] =
	T("eyJhbGciOiJIUzI1NiJ9.e30.FPAYV9gDj6YnJWTZHnVBFQgWf3dbeWPTYZ_3fsYMJWY");

static void
a_public_key_is_no_shared_secret(void **state)
{
	const struct provider_scheme_options hmac = {
		.label = "hmac", .header = LIST("X-T"), .algorithm = "jwt-hs256"
	};
	const struct config_secret secret = secret_of(pem, NULL);
	struct provider *provider = compile((struct provider_options){
		.main = { .header = LIST("X-T"), .algorithm = "jwt-rs256" },
		.variants = &hmac,
		.variant_count = 1 });
	struct verifier *verifier = verifier_of(provider, &secret, 1);
	char reason[256] = "";

	(void)state;
	assert_int_equal(verify(verifier, TEXTS(forged), ""), SIGNATURE_WRONG);
	assert_int_equal(verify(verifier, TEXTS(forged_trimmed), ""), SIGNATURE_WRONG);
	verifier_free(verifier);
	provider_free(provider);
	/* Nor where nothing else is asked for. */
	provider = compile((struct provider_options){ .main = { JWT } });
	assert_null(verifier_new(provider, &secret, 1, reason));
	assert_non_null(strstr(reason, "secret 1 (literal) is a public key"));
	provider_free(provider);
}

static void
raw_bytes_of_a_public_key_are_no_shared_secret_either(void **state)
{
	/* RFC 8032 section 7.1, test 1 */
	static const char key[] =
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
	const struct provider_scheme_options hmac = { .label = "hmac",
		.header = LIST("X-B"),
		.algorithm = "hmac-sha256",
		.encoding = "hex" };
	const struct config_secret secrets[] = { secret_of(key, NULL), secret_of("secret", NULL) };
	struct provider *provider =
		compile((struct provider_options){ .main = { .header = LIST("X-A"),
							   .algorithm = "ed25519",
							   .encoding = "hex",
							   .key = "hex" },
			.variants = &hmac,
			.variant_count = 1 });
	struct verifier *verifier = verifier_of(provider, secrets, ROWS(secrets));

	(void)state;
	assert_int_equal(
		verify(verifier,
			TEXTS("HTTP_X_B="
			      "e35f6fe6a568caaca141cd67a8c10175407bb2a3cdf6d1703c9290af0876ebc2"),
			"{}"),
		SIGNATURE_WRONG);
	/* The other secret fits the variant only. */
	assert_int_equal(
		verify(verifier,
			TEXTS("HTTP_X_B="
			      "77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13"),
			"{}"),
		SIGNATURE_VALID);
	verifier_free(verifier);
	provider_free(provider);
}

/* A token of that many bytes, with the secret "secret". */
static char *
long_token(size_t len)
{
	static const char head[] = "HTTP_X_T=eyJhbGciOiJIUzI1NiJ9.";
	size_t prefix = strlen("HTTP_X_T="), payload_len = len - (sizeof head - 1 - prefix) - 44;
	struct crypto_mac_key *key = crypto_mac_key_new(CRYPTO_SHA256, "secret", 6);
	uint8_t mac[CRYPTO_DIGEST_MAX];
	char *json = xmalloc(payload_len);
	struct slice made;
	struct buf text;

	buf_init(&text, len + sizeof head);
	buf_append_text(&text, head);
	/* {"a":"xxx…"}: as many bytes as fill the base64 without a rest, spaces behind. */
	memset(json, ' ', payload_len);
	memcpy(json, "{\"a\":\"x\"}", 9);
	assert_true(text_encode(
		TEXT_BASE64URL, json, payload_len / 4 * 3 + payload_len % 4 * 3 / 4, &text));
	made = (struct slice){ text.data + prefix, text.len - prefix };
	assert_true(crypto_mac(key, &made, 1, mac));
	buf_append_char(&text, '.');
	assert_true(text_encode(TEXT_BASE64URL, (char *)mac, 32, &text));
	assert_int_equal(text.len - prefix, len);
	free(json);
	crypto_mac_key_free(key);
	return buf_take(&text);
}

static void
a_token_is_at_most_a_mebibyte(void **state)
{
	static const struct {
		size_t len;
		enum signature_result expected;
	} rows[] = {
		{ 1000, SIGNATURE_VALID },
		{ 1 << 20, SIGNATURE_VALID },
		{ (1 << 20) + 4, SIGNATURE_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct provider_options options = { .main = { JWT } };
		char *variable = long_token(rows[i].len);
		assert_int_equal(verify_once(options, TEXTS(variable), ""), rows[i].expected);
		free(variable);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_has_the_providers_algorithm_and_is_in_its_time),
		cmocka_unit_test(a_claim_may_be_the_time),
		cmocka_unit_test(bearer_stands_before_the_token_as_the_format_says),
		cmocka_unit_test(kid_picks_among_the_named_keys),
		cmocka_unit_test(a_detached_token_is_over_the_text_that_is_signed),
		cmocka_unit_test(any_right_token_is_enough_of_four),
		cmocka_unit_test(the_claims_of_the_right_token_are_left),
		cmocka_unit_test(what_a_token_must_say_else),
		cmocka_unit_test(a_public_key_is_no_shared_secret),
		cmocka_unit_test(raw_bytes_of_a_public_key_are_no_shared_secret_either),
		cmocka_unit_test(a_token_is_at_most_a_mebibyte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
