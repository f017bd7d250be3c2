/* crypto.c - digests, MACs, public-key signatures, random bytes (the only user of OpenSSL)
 *
 * OpenSSL 3.0 is quick when nothing is looked up twice: a digest is fetched on
 * first use and kept for good, and a key of either kind is an initialised
 * context that each call copies, which also makes keys safe to share.
 *
 * HMAC is composed here from two digest contexts (RFC 2104 section 4 proposes
 * just that) and not by EVP_MAC: a 2 KB body costs 1.7 us instead of 2.3 with
 * EVP_MAC_CTX_dup(), because less is allocated, and a CGI start saves the
 * fetch. The SHA256_Init() family would save another half millisecond of that
 * start, but is deprecated. tests/unit/test_crypto.c holds the RFC vectors.
 *
 * A failed OpenSSL call leaves entries in the thread's error queue, which
 * nobody here reads; they are cleared so that they do not pile up.
 */
#include "crypto.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "alloc.h"

#define BLOCK_MAX 128

/* More than the text of any key or certificate of these kinds. */
#define PUBLIC_KEY_LEN_MAX (64 * 1024)

/* What OpenSSL itself still verifies with. */
#define RSA_MODULUS_LEN_MAX (16384 / 8)
#define RSA_EXPONENT_LEN_MAX 8

struct digest_facts {
	const char *name; /* OpenSSL's */
	size_t size;
	size_t block;
};

static const struct digest_facts digests[] = {
	[CRYPTO_MD5] = { "MD5", 16, 64 },
	[CRYPTO_SHA1] = { "SHA1", 20, 64 },
	[CRYPTO_SHA256] = { "SHA256", 32, 64 },
	[CRYPTO_SHA384] = { "SHA384", 48, 128 },
	[CRYPTO_SHA512] = { "SHA512", 64, 128 },
};

struct crypto_mac_key {
	enum crypto_digest digest;
	EVP_MD_CTX *inner; /* has taken in the key xor ipad; only ever copied from */
	EVP_MD_CTX *outer; /* the key xor opad */
};

struct crypto_public_key {
	enum crypto_public_algorithm algorithm;
	EVP_PKEY *pkey;
	EVP_MD_CTX *verifier; /* initialised; only ever copied from */
};

/*
 * Leaving out the tables of legacy names halves the start (2.3 to 1.2 ms, CGI,
 * static): fetching goes by the names that the provider itself gives. There is
 * no clean-up at exit, because the kernel is faster and a thread may still be
 * at work then.
 */
static bool
ensure_library(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static atomic_bool ready;

	if (atomic_load(&ready))
		return true;
	pthread_mutex_lock(&lock);
	/* What failed for want of memory is tried again by the next call. */
	atomic_store(
		&ready, OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
						    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
						    OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
						    OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
				NULL) == 1);
	pthread_mutex_unlock(&lock);
	return atomic_load(&ready);
}

/* Borrowed for good; NULL: OpenSSL does not offer it, or no memory. */
static const EVP_MD *
digest_find(enum crypto_digest digest)
{
	static _Atomic(EVP_MD *) fetched[sizeof digests / sizeof digests[0]];
	EVP_MD *found = atomic_load(&fetched[digest]);
	EVP_MD *expected = NULL;

	if (found != NULL)
		return found;
	if (ensure_library())
		found = EVP_MD_fetch(NULL, digests[digest].name, NULL);
	/* Every OpenSSL has SHA-256. One that could not be set up for want of memory is not set up again:
	 * only a new process has it. */
	if (found == NULL && digest == CRYPTO_SHA256)
		end_without_memory();
	if (found == NULL) {
		ERR_clear_error();
		return NULL;
	}
	/* Of two threads that come here first together, one drops its own. */
	if (!atomic_compare_exchange_strong(&fetched[digest], &expected, found)) {
		EVP_MD_free(found);
		found = expected;
	}
	return found;
}

size_t
crypto_digest_size(enum crypto_digest digest)
{
	return digests[digest].size;
}

static bool
update_parts(EVP_MD_CTX *context, const struct slice *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (EVP_DigestUpdate(context, parts[i].data, parts[i].len) != 1)
			return false;
	}
	return true;
}

bool
crypto_hash(enum crypto_digest digest, const struct slice *parts, size_t count,
	uint8_t out[CRYPTO_DIGEST_MAX])
{
	const EVP_MD *md = digest_find(digest);
	EVP_MD_CTX *context;
	bool ok;

	if (md == NULL)
		return false;
	context = EVP_MD_CTX_new();
	ok = context != NULL && EVP_DigestInit_ex2(context, md, NULL) == 1 &&
	     update_parts(context, parts, count) && EVP_DigestFinal_ex(context, out, NULL) == 1;
	if (!ok)
		ERR_clear_error();
	EVP_MD_CTX_free(context);
	return ok;
}

/* A context that has taken in the padded key xor mask; NULL: the library failed. */
static EVP_MD_CTX *
new_keyed_context(const EVP_MD *md, const uint8_t *padded_key, size_t block, uint8_t mask)
{
	uint8_t masked[BLOCK_MAX];
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	for (size_t i = 0; i < block; i++)
		masked[i] = padded_key[i] ^ mask;
	if (context != NULL && (EVP_DigestInit_ex2(context, md, NULL) != 1 ||
				       EVP_DigestUpdate(context, masked, block) != 1)) {
		EVP_MD_CTX_free(context);
		context = NULL;
	}
	explicit_bzero(masked, sizeof masked);
	return context;
}

struct crypto_mac_key *
crypto_mac_key_new(enum crypto_digest digest, const void *key, size_t key_len)
{
	const EVP_MD *md = digest_find(digest);
	size_t block = digests[digest].block;
	struct slice long_key = { key, key_len };
	struct crypto_mac_key *result;
	uint8_t padded[BLOCK_MAX] = { 0 };

	if (md == NULL || key_len == 0)
		return NULL;
	if (key_len <= block)
		memcpy(padded, key, key_len);
	else if (!crypto_hash(digest, &long_key, 1, padded))
		return NULL;
	result = xcalloc(1, sizeof *result);
	result->digest = digest;
	result->inner = new_keyed_context(md, padded, block, 0x36);
	result->outer = new_keyed_context(md, padded, block, 0x5c);
	explicit_bzero(padded, sizeof padded);
	if (result->inner == NULL || result->outer == NULL) {
		ERR_clear_error();
		crypto_mac_key_free(result);
		return NULL;
	}
	return result;
}

void
crypto_mac_key_free(struct crypto_mac_key *key)
{
	if (key == NULL)
		return;
	EVP_MD_CTX_free(key->outer); /* overwrites the state */
	EVP_MD_CTX_free(key->inner);
	free(key);
}

bool
crypto_mac(const struct crypto_mac_key *key, const struct slice *parts, size_t count,
	uint8_t out[CRYPTO_DIGEST_MAX])
{
	uint8_t inner[CRYPTO_DIGEST_MAX];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok;

	ok = context != NULL && EVP_MD_CTX_copy_ex(context, key->inner) == 1 &&
	     update_parts(context, parts, count) && EVP_DigestFinal_ex(context, inner, NULL) == 1 &&
	     EVP_MD_CTX_copy_ex(context, key->outer) == 1 &&
	     EVP_DigestUpdate(context, inner, digests[key->digest].size) == 1 &&
	     EVP_DigestFinal_ex(context, out, NULL) == 1;
	if (!ok)
		ERR_clear_error();
	EVP_MD_CTX_free(context);
	explicit_bzero(inner, sizeof inner);
	return ok;
}

bool
crypto_equal(struct slice a, struct slice b)
{
	/* CRYPTO_memcmp() over no bytes says "equal". */
	return a.len == b.len && a.len > 0 && CRYPTO_memcmp(a.data, b.data, a.len) == 0;
}

/* Straight from the kernel: OpenSSL's generator would have to be seeded from
 * there first, at every CGI start, and has a state that a fork copies. */
bool
crypto_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		len -= (size_t)got;
	}
	return true;
}

/* A whole SubjectPublicKeyInfo, nothing behind it. */
static EVP_PKEY *
read_der(const unsigned char *der, size_t len)
{
	const unsigned char *at = der;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)len);

	if (pkey != NULL && at != der + len) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

/* The key of a certificate. Its dates, names and issuer mean nothing here: the
 * operator has put this very key into the configuration. */
static EVP_PKEY *
read_certificate(const unsigned char *der, size_t len)
{
	const unsigned char *at = der;
	X509 *certificate = d2i_X509(NULL, &at, (long)len);
	EVP_PKEY *pkey = NULL;

	if (certificate != NULL && at == der + len)
		pkey = X509_get_pubkey(certificate);
	X509_free(certificate);
	return pkey;
}

static EVP_PKEY *
read_pem(struct slice text)
{
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	EVP_PKEY *pkey = NULL;
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;

	if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &len) == 1 && len > 0) {
		if (strcmp(name, PEM_STRING_PUBLIC) == 0)
			pkey = read_der(der, (size_t)len);
		else if (strcmp(name, PEM_STRING_X509) == 0)
			pkey = read_certificate(der, (size_t)len);
	}
	OPENSSL_free(der);
	OPENSSL_free(header);
	OPENSSL_free(name);
	BIO_free(bio);
	return pkey;
}

/* What an ECDSA algorithm stands for. */
struct curve {
	const char *name;      /* OpenSSL's */
	size_t coordinate_len; /* also of r and s */
};

/* NULL: the algorithm is not ECDSA. */
static const struct curve *
curve_of(enum crypto_public_algorithm algorithm)
{
	static const struct curve p256 = { "prime256v1", 32 };
	static const struct curve p521 = { "secp521r1", 66 };

	switch (algorithm) {
	case CRYPTO_ECDSA_P256_SHA256:
	case CRYPTO_ECDSA_P256_SHA256_RAW: return &p256;
	case CRYPTO_ECDSA_P521_SHA512_RAW: return &p521;
	case CRYPTO_ED25519:
	case CRYPTO_RSA_SHA1:
	case CRYPTO_RSA_SHA256:
	case CRYPTO_RSA_SHA512:
	case CRYPTO_RSA_PSS_SHA512: return NULL;
	}
	return NULL;
}

static EVP_PKEY *
pkey_from_parameters(const char *type, OSSL_PARAM *parameters)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
		EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(context);
	return pkey;
}

/* OpenSSL refuses a point that is not on the curve. */
static EVP_PKEY *
read_point(const struct curve *curve, struct slice point)
{
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curve->name, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.data, point.len),
		OSSL_PARAM_construct_end(),
	};

	return pkey_from_parameters("EC", parameters);
}

static EVP_PKEY *
read_public_key(enum crypto_public_algorithm algorithm, struct slice key)
{
	const struct curve *curve = curve_of(algorithm);

	if (key.len == 0 || key.len > PUBLIC_KEY_LEN_MAX)
		return NULL;
	if (algorithm == CRYPTO_ED25519 && key.len == 32)
		return EVP_PKEY_new_raw_public_key(
			EVP_PKEY_ED25519, NULL, (const unsigned char *)key.data, key.len);
	/* DER begins with 0x30, and no text with a 4. */
	if (curve != NULL && key.data[0] == POINT_CONVERSION_UNCOMPRESSED &&
		key.len == 1 + 2 * curve->coordinate_len)
		return read_point(curve, key);
	if (memmem(key.data, key.len, "-----BEGIN ", 11) != NULL)
		return read_pem(key);
	return read_der((const unsigned char *)key.data, key.len);
}

static bool
is_on(const struct curve *curve, const EVP_PKEY *pkey)
{
	char group[64];

	return EVP_PKEY_is_a(pkey, "EC") == 1 &&
	       EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
	       strcmp(group, curve->name) == 0;
}

static bool
is_rsa(const EVP_PKEY *pkey, int bits_min)
{
	return EVP_PKEY_is_a(pkey, "RSA") == 1 && EVP_PKEY_get_bits(pkey) >= bits_min;
}

/* The key's type comes from the key, the algorithm from the provider file:
 * they have to agree before anything is verified. */
static bool
key_fits(enum crypto_public_algorithm algorithm, const EVP_PKEY *pkey)
{
	switch (algorithm) {
	case CRYPTO_ED25519: return EVP_PKEY_is_a(pkey, "ED25519") == 1;
	case CRYPTO_ECDSA_P256_SHA256:
	case CRYPTO_ECDSA_P256_SHA256_RAW:
	case CRYPTO_ECDSA_P521_SHA512_RAW: return is_on(curve_of(algorithm), pkey);
	case CRYPTO_RSA_SHA1: return is_rsa(pkey, 1024);
	case CRYPTO_RSA_SHA256:
	case CRYPTO_RSA_SHA512:
	case CRYPTO_RSA_PSS_SHA512: return is_rsa(pkey, 2048);
	}
	return false;
}

/* The digest that the message goes through first; NULL for Ed25519, which has its own. */
static const char *
digest_name(enum crypto_public_algorithm algorithm)
{
	switch (algorithm) {
	case CRYPTO_ED25519: return NULL;
	case CRYPTO_RSA_SHA1: return "SHA1";
	case CRYPTO_ECDSA_P256_SHA256:
	case CRYPTO_ECDSA_P256_SHA256_RAW:
	case CRYPTO_RSA_SHA256: return "SHA256";
	case CRYPTO_ECDSA_P521_SHA512_RAW:
	case CRYPTO_RSA_SHA512:
	case CRYPTO_RSA_PSS_SHA512: return "SHA512";
	}
	return NULL;
}

static bool
init_verifier(struct crypto_public_key *key)
{
	EVP_PKEY_CTX *parameters = NULL; /* borrowed from the verifier */

	key->verifier = EVP_MD_CTX_new();
	if (key->verifier == NULL ||
		EVP_DigestVerifyInit_ex(key->verifier, &parameters, digest_name(key->algorithm),
			NULL, NULL, key->pkey, NULL) != 1)
		return false;
	return key->algorithm != CRYPTO_RSA_PSS_SHA512 ||
	       (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_AUTO) == 1);
}

/* Takes pkey, which may be NULL. */
static struct crypto_public_key *
key_with(enum crypto_public_algorithm algorithm, EVP_PKEY *pkey)
{
	struct crypto_public_key *result = xcalloc(1, sizeof *result);

	result->algorithm = algorithm;
	result->pkey = pkey;
	if (pkey == NULL || !key_fits(algorithm, pkey) || !init_verifier(result)) {
		crypto_public_key_free(result);
		result = NULL;
	}
	/* A decoder that tried another format first leaves errors on success too. */
	ERR_clear_error();
	return result;
}

struct crypto_public_key *
crypto_public_key_new(enum crypto_public_algorithm algorithm, struct slice key)
{
	return key_with(algorithm, ensure_library() ? read_public_key(algorithm, key) : NULL);
}

static EVP_PKEY *
read_rsa(struct slice modulus, struct slice exponent)
{
	BIGNUM *n = BN_bin2bn((const unsigned char *)modulus.data, (int)modulus.len, NULL);
	BIGNUM *e = BN_bin2bn((const unsigned char *)exponent.data, (int)exponent.len, NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *parameters = NULL;
	EVP_PKEY *pkey = NULL;

	/* With 1 as exponent everybody could sign. */
	if (builder != NULL && n != NULL && e != NULL && BN_is_odd(e) && !BN_is_one(e) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		parameters = OSSL_PARAM_BLD_to_param(builder);
	if (parameters != NULL)
		pkey = pkey_from_parameters("RSA", parameters);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	BN_free(e);
	BN_free(n);
	return pkey;
}

struct crypto_public_key *
crypto_public_key_from_rsa(
	enum crypto_public_algorithm algorithm, struct slice modulus, struct slice exponent)
{
	if (modulus.len == 0 || modulus.len > RSA_MODULUS_LEN_MAX || exponent.len == 0 ||
		exponent.len > RSA_EXPONENT_LEN_MAX || !ensure_library())
		return NULL;
	return key_with(algorithm, read_rsa(modulus, exponent));
}

void
crypto_public_key_free(struct crypto_public_key *key)
{
	if (key == NULL)
		return;
	EVP_MD_CTX_free(key->verifier);
	EVP_PKEY_free(key->pkey);
	free(key);
}

/* RFC 8032's Ed25519 reads the message twice, so it has to be in one piece. */
static bool
verify_whole(EVP_MD_CTX *context, const struct slice *parts, size_t count, struct slice signature)
{
	struct buf joined;
	struct slice message = { "", 0 };
	bool ok = true;

	buf_init(&joined, SIZE_MAX);
	if (count == 1 && parts[0].len > 0) {
		message = parts[0];
	} else {
		for (size_t i = 0; ok && i < count; i++)
			ok = buf_append_slice(&joined, parts[i]);
		if (joined.len > 0)
			message = buf_slice(&joined);
	}
	ok = ok && EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
			   (const unsigned char *)message.data, message.len) == 1;
	buf_free(&joined);
	return ok;
}

static bool
verify_parts(EVP_MD_CTX *context, const struct slice *parts, size_t count, struct slice signature)
{
	for (size_t i = 0; i < count; i++) {
		if (EVP_DigestVerifyUpdate(context, parts[i].data, parts[i].len) != 1)
			return false;
	}
	return EVP_DigestVerifyFinal(
		       context, (const unsigned char *)signature.data, signature.len) == 1;
}

/* DER of an ECDSA signature of at most P-521: two integers of 66 bytes, each with a zero in
 * front, and the heads. */
#define ECDSA_DER_MAX 160

/* r and s of len bytes each to the DER that OpenSSL wants; 0: the library failed. */
static size_t
raw_to_der(struct slice raw, size_t len, unsigned char der[ECDSA_DER_MAX])
{
	const unsigned char *bytes = (const unsigned char *)raw.data;
	BIGNUM *r = BN_bin2bn(bytes, (int)len, NULL);
	BIGNUM *s = BN_bin2bn(bytes + len, (int)len, NULL);
	ECDSA_SIG *signature = ECDSA_SIG_new();
	int der_len = 0;

	if (r != NULL && s != NULL && signature != NULL && ECDSA_SIG_set0(signature, r, s) == 1) {
		r = s = NULL; /* the signature's now */
		der_len = i2d_ECDSA_SIG(signature, NULL);
		if (der_len > 0 && der_len <= ECDSA_DER_MAX)
			der_len = i2d_ECDSA_SIG(signature, &der);
		else
			der_len = 0;
	}
	ECDSA_SIG_free(signature);
	BN_free(s);
	BN_free(r);
	return der_len > 0 ? (size_t)der_len : 0;
}

static bool
is_raw(enum crypto_public_algorithm algorithm)
{
	return algorithm == CRYPTO_ECDSA_P256_SHA256_RAW ||
	       algorithm == CRYPTO_ECDSA_P521_SHA512_RAW;
}

bool
crypto_verify(const struct crypto_public_key *key, const struct slice *parts, size_t count,
	struct slice signature)
{
	unsigned char der[ECDSA_DER_MAX];
	EVP_MD_CTX *context;
	bool ok;

	if (is_raw(key->algorithm)) {
		size_t len = curve_of(key->algorithm)->coordinate_len;
		if (signature.len != 2 * len)
			return false;
		signature.len = raw_to_der(signature, len, der);
		signature.data = (const char *)der;
	}
	if (signature.len == 0)
		return false;
	context = EVP_MD_CTX_new();
	ok = context != NULL && EVP_MD_CTX_copy_ex(context, key->verifier) == 1;
	if (ok && key->algorithm == CRYPTO_ED25519)
		ok = verify_whole(context, parts, count, signature);
	else if (ok)
		ok = verify_parts(context, parts, count, signature);
	if (!ok)
		ERR_clear_error();
	EVP_MD_CTX_free(context);
	return ok;
}
