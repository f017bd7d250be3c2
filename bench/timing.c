/* timing.c - does the time that a refusal takes tell anything about the right signature?
 *
 * Welch's t over two classes of wrong signatures, taken in random order, after
 * dudect (Reparaz, Balasch, Verbauwhede 2017): the first byte wrong or the last; and two secrets,
 * wrong for both against right for the second but for its last byte. |t| below 4.5 is no difference. memcmp() in the same
 * loop is the control: it must be found out, else the measurement sees nothing.
 *
 *   build/bench/timing [SAMPLES]     default 1000000
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "config.h"
#include "signature.h"

#define CROP 0.95 /* of the samples, by their own 95th percentile: the rest are interrupts */

static char body[256];
static char right[80], headers[2][128];
static struct verifier *verifier;

static uint64_t
verify_once(int class)
{
	char *variables[] = { headers[class], NULL };
	struct message message;
	struct signature_report report;
	message_init(&message, variables, (struct slice){ body, sizeof body });
	uint64_t start = __rdtsc();
	enum signature_result result = signature_verify(verifier, &message, 0, &report);
	uint64_t end = __rdtsc();
	message_free(&message);
	if (result == SIGNATURE_VALID)
		abort();
	return end - start;
}

static volatile int sink;

static uint64_t
memcmp_once(int class)
{
	unsigned aux;
	uint64_t start = __rdtscp(&aux);
	for (int i = 0; i < 8; i++) /* byte by byte, as a naive program compares */
		for (const char *a = headers[class], *b = right; *a == *b && *a != '\0'; a++, b++)
			sink++;
	return __rdtscp(&aux) - start;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static double
welch(uint64_t (*once)(int), size_t count)
{
	double n[2] = { 0 }, mean[2] = { 0 }, m2[2] = { 0 };
	enum { WARM = 20000 };
	static uint64_t sample[WARM];
	for (size_t i = 0; i < WARM; i++)
		sample[i] = once((int)(i & 1));
	qsort(sample, WARM, sizeof sample[0], compare);
	uint64_t crop = sample[(size_t)(WARM * CROP)];
	for (size_t i = 0; i < count; i++) {
		int class = (int)(random() & 1);
		uint64_t ticks = once(class);
		if (ticks > crop)
			continue;
		n[class]++;
		double delta = (double)ticks - mean[class];
		mean[class] += delta / n[class];
		m2[class] += delta * ((double)ticks - mean[class]);
	}
	return (mean[0] - mean[1]) / sqrt(m2[0] / (n[0] - 1) / n[0] + m2[1] / (n[1] - 1) / n[1]);
}

static void
set_headers(const char *mac, size_t wrong_a, size_t wrong_b)
{
	snprintf(right, sizeof right, "HTTP_X_HUB_SIGNATURE_256=sha256=%s", mac);
	for (int i = 0; i < 2; i++) {
		strcpy(headers[i], right);
		char *at = headers[i] + strlen("HTTP_X_HUB_SIGNATURE_256=sha256=") +
			   (i == 0 ? wrong_a : wrong_b);
		*at = *at == '0' ? '1' : '0';
	}
}

int
main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	char reason[256], text[65] = "";
	struct provider *provider = config_builtin_provider("github", reason);
	static char first[] = "0123456789abcdef0123456789abcdef",
		    second[] = "another secret of 32 bytes......!";
	static char source[] = "literal";
	const struct config_secret secrets[] = {
		{ .text = first, .len = sizeof first - 1, .source = source },
		{ .text = second, .len = sizeof second - 1, .source = source },
	};
	uint8_t mac[64];

	memset(body, 'b', sizeof body);
	srandom((unsigned)time(NULL));
	for (int which = 0; which < 2; which++) {
		struct crypto_mac_key *key =
			crypto_mac_key_new(CRYPTO_SHA256, secrets[which].text, secrets[which].len);
		const struct slice part = { body, sizeof body };
		if (!crypto_mac(key, &part, 1, mac))
			return 1;
		for (int i = 0; i < 32; i++)
			snprintf(text + 2 * i, 3, "%02x", mac[i]);
		crypto_mac_key_free(key);
		verifier = verifier_new(provider, secrets, 2, reason);
		set_headers(text, 0, 63);
		printf("secret %d, first or last digit wrong: t = %6.2f\n", which + 1,
			welch(verify_once, count));
		if (which == 1)
			printf("control, byte by byte:              t = %6.2f\n",
				welch(memcmp_once, count / 10));
		verifier_free(verifier);
	}
	provider_free(provider);
	return 0;
}
