/* reference.c - the least that does the same work: verify and parse, and nothing else
 *
 * bench/null.c with the HMAC-SHA256 of the body, compared with the signature
 * header, and one pass of yajl's SAX parser without a tree. It has no
 * configuration, no templates, no log and no limits: what hookcgi costs beyond this
 * is its own.
 *
 * build: cc -O2 -pthread [-DWITHOUT_PARSE] -o reference bench/reference.c -lfcgi -lyajl -lcrypto
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcgiapp.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <yajl/yajl_parse.h>

#define THREADS 4
#define BODY_MAX (2 << 20)

static const char *secret;

static int
verify(const char *body, size_t len, const char *header)
{
	static const char prefix[] = "sha256=";
	unsigned char mac[32];
	char text[sizeof prefix + 64];
	unsigned mac_len;

	HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)body, len, mac,
		&mac_len);
	int at = sprintf(text, "%s", prefix);
	for (unsigned i = 0; i < mac_len; i++)
		at += sprintf(text + at, "%02x", mac[i]);
	return header != NULL && strlen(header) == (size_t)at &&
	       CRYPTO_memcmp(header, text, (size_t)at) == 0;
}

#ifndef WITHOUT_PARSE
static int
pass(void *context)
{
	(void)context;
	return 1;
}

static int
pass_boolean(void *context, int value)
{
	(void)value;
	return pass(context);
}

static int
pass_text(void *context, const unsigned char *text, size_t len)
{
	(void)text, (void)len;
	return pass(context);
}

static int
pass_number(void *context, const char *text, size_t len)
{
	(void)text, (void)len;
	return pass(context);
}

static const yajl_callbacks callbacks = { pass, pass_boolean, NULL, NULL, pass_number, pass_text,
	pass, pass_text, pass, pass, pass };

static int
parse(const char *body, size_t len)
{
	yajl_handle parser = yajl_alloc(&callbacks, NULL, NULL);
	int good = yajl_parse(parser, (const unsigned char *)body, len) == yajl_status_ok &&
		   yajl_complete_parse(parser) == yajl_status_ok;
	yajl_free(parser);
	return good;
}

#endif

static void *
serve(void *unused)
{
	FCGX_Request request;
	char *body = malloc(BODY_MAX);

	FCGX_InitRequest(&request, 0, 0);
	while (FCGX_Accept_r(&request) == 0) {
		int len = FCGX_GetStr(body, BODY_MAX, request.in);
		const char *header = FCGX_GetParam("HTTP_X_HUB_SIGNATURE_256", request.envp);
		int good = verify(body, (size_t)len, header);
#ifndef WITHOUT_PARSE /* where the event type is in a header */
		good = good && parse(body, (size_t)len);
#endif
		FCGX_FPrintF(request.out,
			"Status: %d\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n",
			good ? 200 : 401);
		FCGX_Finish_r(&request);
	}
	free(body);
	return unused;
}

int
main(void)
{
	pthread_t threads[THREADS];

	secret = getenv("SECRET");
	if (secret == NULL)
		return 1;
	FCGX_Init();
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, serve, NULL);
	pthread_join(threads[0], NULL);
	return 0;
}
