/* test_crypto.c - published vectors, and what must not verify
 *
 * The RSA and ECDSA material was made with openssl 3.0.19 over the 14 bytes of
 * "hello, webhook" in the file m:
 *   openssl genrsa -out rsa.pem 2048                      (rsa1024.pem: 1024)
 *   openssl rsa -in rsa.pem -pubout
 *   openssl ecparam -name prime256v1 -genkey -noout -out ec.pem  (secp384r1)
 *   openssl ec -in ec.pem -pubout
 *   openssl req -x509 -key ec.pem -subj /CN=test -days 1
 *   openssl dgst -sha256 -sign rsa.pem m                  (-sha1, -sha512; ec.pem)
 *   openssl dgst -sha512 -sigopt rsa_padding_mode:pss \
 *       -sigopt rsa_pss_saltlen:digest -sign rsa.pem m    (short salt: 20)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const char message[] = "hello, webhook";

static const char rsa_key[] = "-----BEGIN PUBLIC KEY-----\n"
			      "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA052T9p8PoCikMlAXDYgg\n"
			      "+pqEyP3SyIjH+JXUOZxsYkqgUGwdJdcwoES2qy3PmRBCrDai4ERYFa6rErM7sK0/\n"
			      "k474dGGvX1+jaKWsHKUkcw5evExuNr4U3cWs4tyHRzx54nAVDvSv/EKLca6tyrr0\n"
			      "qpAGdguR4a20q62dBtj/Z91mKdfes0D7i3hqJhZr964Az94rC+uZNedXqN+KXVAq\n"
			      "vdYU32eJS1IQ2ntEHwuz04dZA1/xcQnKelR4NxbCo4pU6thigoQd24kbe92cIKdl\n"
			      "Ci/X4qWLr8DOri2cLSWM6HvTWN8iXq/XJXpTUPN1Wg6RpqEhnxRZa1u4j65r/Id2\n"
			      "TQIDAQAB\n"
			      "-----END PUBLIC KEY-----\n";

static const char rsa_1024_key[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDDAyII7gVrY+BfsDwwnKltpYrE\n"
	"4LWPB6NfFeSjdXibyfrv/jloKEfB4Zip+/ZPOTpiuN9P50aUDBy5swv27jav4eaN\n"
	"2fqhcCUgRcBQyK445j7LduVWPBpkPYoiXUdeDBjQZoehorx56P2tgRZk+oQtfHav\n"
	"BXQkAF1otRC7njYOjwIDAQAB\n"
	"-----END PUBLIC KEY-----\n";

static const char p256_key[] = "-----BEGIN PUBLIC KEY-----\n"
			       "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE92NO83346WbZIqJ9oixER1wbkXNk\n"
			       "qNyXoXWzBXv7pL7eQTt01xbBN61vrmixiXtA3Ialm6qXg5VslEkPQIr8mQ==\n"
			       "-----END PUBLIC KEY-----\n";

static const char p256_certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBcjCCARmgAwIBAgIUZCGmRSLppFLhcb94YW8X3a7zV34wCgYIKoZIzj0EAwIw\n"
	"DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjQxODEyMzNaFw0yNjExMjUxODEyMzNa\n"
	"MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT3Y07z\n"
	"ffjpZtkion2iLERHXBuRc2So3JehdbMFe/ukvt5BO3TXFsE3rW+uaLGJe0DchqWb\n"
	"qpeDlWyUSQ9AivyZo1MwUTAdBgNVHQ4EFgQUeIL6n7b1mRZnK38lsScGysYT3Bkw\n"
	"HwYDVR0jBBgwFoAUeIL6n7b1mRZnK38lsScGysYT3BkwDwYDVR0TAQH/BAUwAwEB\n"
	"/zAKBggqhkjOPQQDAgNHADBEAiBkrq7aBi/EbWfXdOQeFmhZHdtks54GFmaKLPdw\n"
	"QEAgyAIgZYT3NDK158yb2Xqq52SdmxgTiMUI0E/FjFU7Pglh7wk=\n"
	"-----END CERTIFICATE-----\n";

static const char p384_key[] = "-----BEGIN PUBLIC KEY-----\n"
			       "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEkeDD3dfZgqA7AwMAKM0PIU995Peiyrj6\n"
			       "/sc0TxLPUf6MbBIZL2e2WSpc0kqePVnN0c/Z7yRUoK7XF8oJlhs/2+rMx8RTFF2C\n"
			       "Cd2V9I3E8zKhInrz16x5zNyOSPfHxGQ2\n"
			       "-----END PUBLIC KEY-----\n";

static const char rsa_sha1_signature[] =
	"96b635badb52964a834ccbd44aed2f00df4fe14723fd244cd0f35b019c4eeaf1db3b8f40"
	"195d0f154f550b6b3759180c44101371ff6353a85cc293d9e6f0a870770cb0fec23b0b9e"
	"9b7b30996d5e4b60d92e9495d9a371075a8942a4a60a6fa8a8af335fb45206d7d90f039d"
	"284cf783e363e5fd6be1600f19165d863477867208e3d878af50c452010d0ec1270233cc"
	"268826c76f1ac81e621e804f5d820057da47c6011b32e7e7ee419344d607cd2f5e3a0e1a"
	"e070eea27e325d32b5c0efd352bd17d3b4ed48d768e4d3d64ada55e0f2b64200657340fc"
	"f3e271d339724e2dc566d7f00a7982f7f27d2f2e371b805abb3a0421c453e1493fcf066e"
	"e771400b";

static const char rsa_sha256_signature[] =
	"d2d134d6c5a39c8cda02781bef5c7bb42794135c79e953dd711ea6c689ea934e569f2414"
	"4c810637ea0068f41940be0cf05682f65c5bdb98c2c2d1ac3fbe866daae086322fd00dbd"
	"434233279109ffc4f8b6675b4b27233d2c2d6c56d799d36f6f5d595945232d802b11c1cf"
	"93c51b68984b7f6fe9f576ec92a9af5c577beec76521400f37e23e2866903b84c86c6afd"
	"5f7e502723d807eb52d252b0771009a0f87dc641239b9628b3c08f13f06c818f483d4823"
	"b880c1aac6d24e359c30d12e34149fe37e4dbda4cd68edf2f05dd6e4df99c3d4e8f8b369"
	"5ec2f7ec46a083a50a9db46adde4bbdbdea9c943c6798580217ab92676c5ec7885b1d9d4"
	"9e94001a";

static const char rsa_sha512_signature[] =
	"1b42b95e8ab4bee91cfb52846602101ac8f91ffc0c44b98837e45ed42902b42e0f825a7f"
	"974814f47d9aa337f77dfa26ae0261a04c653b1498a5a59ff90cd5dcdb9dd1928315f50c"
	"c63d3938a6925bdfab00e0b11aabd2e2dbafc462bb94d16694fbf020462a6ed11f45b892"
	"c19d09fe8102cddc5a87b125858c05c47d15e48e98e2c108fd0eeef011dc89fdee694c18"
	"36e1d8dfcbbe02339ee2bcdce023f7cc4b877bc455c183b1861e9cafe97e616a91f13d81"
	"347d54ebd6e3d991e6a44e7efd9637be4d4378171b3bc0ece3781fc103e9a2c76cf48818"
	"e819a2f896cf000ec744e8c160543cd824cae9a887cc53b9fd614348d5b06c7278cd2911"
	"9825dcf1";

static const char rsa_1024_sha1_signature[] =
	"544c78586574323e54e8ca8527c8b66a3f35c9c5c0ed2ad7a89a4bef8e0ce0122e499741"
	"78554dd86e48f996e09b8fded714a244a349f0ed60c6a1af12ff1cd9689e20906ac1aee2"
	"5e9be4c30468f6a0572c26d03d8e9cfd65c8ad7d8ef09849f8f4ac6027f558427483731c"
	"bc74ba75754fbffe18f22dadd966798285a3a0f1";

static const char pss_signature[] =
	"00ca18b4b11454437bab068ab2ffc4b5330e66e3199ed111e31502a96da407729982adfd"
	"0e8638ef9e90a598fab0d1a3a4a5e177231e76102531563821dd56d6f29a2455f849ac29"
	"9c0a80cefd08ed4aaa86b4398249c887036ca38d533a80457772be6249303f519dd131e3"
	"306dee568b7d6237084a440edb6b93a1b72640aa0bb2abfe126299117ebfca868d219777"
	"27d41a9862eabe94b2f15b2348487d31ce539b05e1c65e0f99d3962b81254be280bddcba"
	"b9fa113803310bf7ef061da93c0e70d6c7810f5aa6d35171be44c21c5fd2cd3d57db7134"
	"12ef8285505d9c94a902bb2e32ae8f445a00c76cc4b2e4e431df5de2d113912bd9d1e2de"
	"c45f681a";

static const char pss_short_salt_signature[] =
	"4d19087c1f87b47a3e32585b08e330cb2db9b5d91198e72c0337da50fb7055752b94ba83"
	"619f7f5c9c78481a7a9400d6f8645097d6000b9a199fcf242f98a3c84c2e7b05887a7047"
	"30131a0ae30b7339c1ae6e93cebe62c7a1cec7741c669b4aa9e28bb0a47a645c9c18dc40"
	"4b1a23fe7ff1ff5819cc1a704c9647951db70df1ffb078ffe83153860dd900e7444fdd2a"
	"975ac250df2e1beeb79a013d0ceccbba9593d30f33d5bd67020b87722070fc58b753f7d4"
	"5388ad7c9c39a310d39410473a1e9d22081514dfeb1826645a916ab8a4ab693a84edab33"
	"60fcb2488a217647b8124e31d30c33093308b45a59481b5de1c5b6e8758cccbfdccbb0f7"
	"c7fbb6de";

static const char p256_signature[] =
	"30450220645dfb083df48b1db45ef75fa0a6b14b4d24aaea5603c61e9bdf2cba296507a5"
	"022100a7cc3f254c8158a66c52ececb1b89185c1e5706f2fbb4159cd7fb40647d0e108";

/* RFC 8032 section 7.1, tests 1 to 3. */
static const struct {
	const char *key, *message, *signature;
} ed25519_vectors[] = {
	{ "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
		"c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
	{ "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
		"458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
		"ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
};

/* The second of them with the group's order added to S: the same point, another spelling. */
static const char ed25519_malleated[] =
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69daf52db741"
	"5978abc61b2c2eb6aeebfca0387b2eaeb4302aeeb00d291612bb0c10";

static const struct {
	enum crypto_digest digest;
	const char *key, *data, *mac;
} hmac_vectors[] = {
	/* RFC 2202, cases 1 to 4, 6, 7 */
	{ CRYPTO_MD5, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"9294727a3638bb1c13f48ef8158bfc9d" },
	{ CRYPTO_MD5, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"750c783e6ab0b503eaa86e310a5db738" },
	{ CRYPTO_MD5, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddd",
		"56be34521d144c88dbb8c733f0e8b3f6" },
	{ CRYPTO_MD5, "0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcd",
		"697eaf0aca3a3aea3a75164746ffaa79" },
	{ CRYPTO_MD5,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d20"
		"48617368204b6579204669727374",
		"6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd" },
	{ CRYPTO_MD5,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e"
		"64204c6172676572205468616e204f6e6520426c6f636b2d53697a652044617461",
		"6f630fad67cda0ee1fb1f562db3aa53e" },
	{ CRYPTO_SHA1, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"b617318655057264e28bc0b6fb378c8ef146be00" },
	{ CRYPTO_SHA1, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
	{ CRYPTO_SHA1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddd",
		"125d7342b9ac11cd91a39af48aa17b4f63f175d3" },
	{ CRYPTO_SHA1, "0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcd",
		"4c9007f4026250c6bc8414f9bf50c86c2d7235da" },
	{ CRYPTO_SHA1,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d20"
		"48617368204b6579204669727374",
		"aa4ae5e15272d00e95705637ce8a3b55ed402112" },
	{ CRYPTO_SHA1,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e"
		"64204c6172676572205468616e204f6e6520426c6f636b2d53697a652044617461",
		"e8e99d0f45237d786d6bbaa7965c7808bbff1a91" },
	/* RFC 4231, cases 1 to 4, 6, 7 */
	{ CRYPTO_SHA256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ CRYPTO_SHA256, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ CRYPTO_SHA256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddd",
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ CRYPTO_SHA256, "0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcd",
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	{ CRYPTO_SHA256,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d20"
		"48617368204b6579204669727374",
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ CRYPTO_SHA256,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa",
		"5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b"
		"2d73697a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a652064"
		"6174612e20546865206b6579206e6565647320746f20626520686173686564206265666f72652062"
		"65696e6720757365642062792074686520484d414320616c676f726974686d2e",
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
	{ CRYPTO_SHA384, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f"
		"4af152e8b2fa9cb6" },
	{ CRYPTO_SHA384, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c7"
		"8b3239ecfab21649" },
	{ CRYPTO_SHA384, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddd",
		"88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b9"
		"4e3ab6e101a34f27" },
	{ CRYPTO_SHA384, "0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcd",
		"3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679"
		"ccf8a386c674cffb" },
	{ CRYPTO_SHA384,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d20"
		"48617368204b6579204669727374",
		"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe82"
		"96248df163f44952" },
	{ CRYPTO_SHA384,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa",
		"5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b"
		"2d73697a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a652064"
		"6174612e20546865206b6579206e6565647320746f20626520686173686564206265666f72652062"
		"65696e6720757365642062792074686520484d414320616c676f726974686d2e",
		"6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d"
		"3860e6110c46523e" },
	{ CRYPTO_SHA512, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702"
		"038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
	{ CRYPTO_SHA512, "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a"
		"6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
	{ CRYPTO_SHA512, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddd",
		"fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c8"
		"06b485a47e67c807b946a337bee8942674278859e13292fb" },
	{ CRYPTO_SHA512, "0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcd",
		"b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4"
		"d679275cc5788063a5f19741120c4f2de2adebeb10a298dd" },
	{ CRYPTO_SHA512,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa",
		"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d20"
		"48617368204b6579204669727374",
		"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598"
		"bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
	{ CRYPTO_SHA512,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaa",
		"5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b"
		"2d73697a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a652064"
		"6174612e20546865206b6579206e6565647320746f20626520686173686564206265666f72652062"
		"65696e6720757365642062792074686520484d414320616c676f726974686d2e",
		"e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b1"
		"0d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58" },
};

static struct buf
from_hex(const char *hex)
{
	struct buf bytes;

	buf_init(&bytes, 4096);
	assert_true(text_decode(TEXT_HEX, slice_of(hex), &bytes));
	return bytes;
}

static void
assert_hex_equal(const uint8_t *bytes, size_t len, const char *hex)
{
	struct buf text;

	buf_init(&text, 4096);
	assert_true(text_encode(TEXT_HEX, bytes, len, &text));
	assert_string_equal(buf_text(&text), hex);
	buf_free(&text);
}

static bool
verify_one(const struct crypto_public_key *key, struct slice data, struct slice signature)
{
	return crypto_verify(key, &data, 1, signature);
}

static void
digests_match_their_standards(void **state)
{
	static const struct {
		enum crypto_digest digest;
		const char *hex;
	} of_abc[] = {
		/* RFC 1321 A.5; FIPS 180-4 examples */
		{ CRYPTO_MD5, "900150983cd24fb0d6963f7d28e17f72" },
		{ CRYPTO_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ CRYPTO_SHA256,
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ CRYPTO_SHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
				 "8086072ba1e7cc2358baeca134c825a7" },
		{ CRYPTO_SHA512,
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
	};
	const struct slice parts[] = { slice_of("a"), { NULL, 0 }, slice_of("bc") };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(of_abc); i++) {
		uint8_t out[CRYPTO_DIGEST_MAX];

		assert_true(crypto_hash(of_abc[i].digest, parts, COUNT_OF(parts), out));
		assert_hex_equal(out, crypto_digest_size(of_abc[i].digest), of_abc[i].hex);
	}
}

static void
digest_of_nothing_is_defined(void **state)
{
	uint8_t out[CRYPTO_DIGEST_MAX];

	(void)state;
	assert_true(crypto_hash(CRYPTO_SHA256, NULL, 0, out));
	assert_hex_equal(
		out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void
hmac_matches_the_rfcs(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(hmac_vectors); i++) {
		struct buf key_bytes = from_hex(hmac_vectors[i].key);
		struct buf data = from_hex(hmac_vectors[i].data);
		struct slice whole = buf_slice(&data);
		struct crypto_mac_key *key =
			crypto_mac_key_new(hmac_vectors[i].digest, key_bytes.data, key_bytes.len);
		uint8_t out[CRYPTO_DIGEST_MAX];

		assert_non_null(key);
		assert_true(crypto_mac(key, &whole, 1, out));
		assert_hex_equal(
			out, crypto_digest_size(hmac_vectors[i].digest), hmac_vectors[i].mac);
		crypto_mac_key_free(key);
		buf_free(&data);
		buf_free(&key_bytes);
	}
}

static void
hmac_does_not_depend_on_how_the_parts_are_cut(void **state)
{
	/* RFC 4231 case 2 */
	const char *text = "what do ya want for nothing?";
	struct crypto_mac_key *key = crypto_mac_key_new(CRYPTO_SHA256, "Jefe", 4);

	(void)state;
	assert_non_null(key);
	for (size_t cut = 0; cut <= strlen(text); cut++) {
		const struct slice parts[] = { { text, cut }, { NULL, 0 },
			{ text + cut, strlen(text) - cut } };
		uint8_t out[CRYPTO_DIGEST_MAX];

		assert_true(crypto_mac(key, parts, COUNT_OF(parts), out));
		assert_hex_equal(out, 32,
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	}
	crypto_mac_key_free(key);
}

static void
empty_mac_key_is_refused(void **state)
{
	(void)state;
	assert_null(crypto_mac_key_new(CRYPTO_SHA256, "", 0));
	assert_null(crypto_mac_key_new(CRYPTO_SHA256, NULL, 0));
}

/* What RFC 2104 says of keys around the block size. */
static void
key_longer_than_a_block_equals_its_digest(void **state)
{
	static const char long_key[129] = "k"; /* a block and one byte more */
	const struct slice key_slice = { long_key, sizeof long_key };
	const struct slice data = slice_of("data");
	uint8_t digest[CRYPTO_DIGEST_MAX], of_long[CRYPTO_DIGEST_MAX], of_digest[CRYPTO_DIGEST_MAX];
	struct crypto_mac_key *key;

	(void)state;
	assert_true(crypto_hash(CRYPTO_SHA512, &key_slice, 1, digest));
	key = crypto_mac_key_new(CRYPTO_SHA512, long_key, sizeof long_key);
	assert_true(crypto_mac(key, &data, 1, of_long));
	crypto_mac_key_free(key);
	key = crypto_mac_key_new(CRYPTO_SHA512, digest, sizeof digest);
	assert_true(crypto_mac(key, &data, 1, of_digest));
	crypto_mac_key_free(key);
	assert_memory_equal(of_long, of_digest, sizeof of_long);

	key = crypto_mac_key_new(CRYPTO_SHA512, long_key, 128);
	assert_true(crypto_mac(key, &data, 1, of_digest));
	crypto_mac_key_free(key);
	assert_memory_not_equal(of_long, of_digest, sizeof of_long);
}

/* So a key with zeros behind it is the same key, up to the size of a block. */
static void
shorter_key_is_padded_with_zeros(void **state)
{
	static const struct {
		enum crypto_digest digest;
		size_t block;
	} cases[] = {
		{ CRYPTO_MD5, 64 },
		{ CRYPTO_SHA1, 64 },
		{ CRYPTO_SHA256, 64 },
		{ CRYPTO_SHA384, 128 },
		{ CRYPTO_SHA512, 128 },
	};
	static const char padded[128] = "k";
	const struct slice data = slice_of("data");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint8_t first[CRYPTO_DIGEST_MAX];

		for (size_t len = 1; len <= cases[i].block; len++) {
			struct crypto_mac_key *key =
				crypto_mac_key_new(cases[i].digest, padded, len);
			uint8_t out[CRYPTO_DIGEST_MAX];

			assert_non_null(key);
			assert_true(crypto_mac(key, &data, 1, len == 1 ? first : out));
			if (len > 1)
				assert_memory_equal(
					first, out, crypto_digest_size(cases[i].digest));
			crypto_mac_key_free(key);
		}
	}
}

struct shared {
	const struct crypto_mac_key *mac_key;
	const struct crypto_public_key *public_key;
	struct slice signature;
};

static void *
use_shared_keys(void *context)
{
	const struct shared *shared = context;
	const struct slice text = slice_of("what do ya want for nothing?");
	const struct slice signed_text = slice_of(message);
	uint8_t first[CRYPTO_DIGEST_MAX], again[CRYPTO_DIGEST_MAX];

	if (!crypto_mac(shared->mac_key, &text, 1, first))
		return NULL;
	for (int i = 0; i < 300; i++) {
		if (!crypto_mac(shared->mac_key, &text, 1, again) || memcmp(first, again, 32) != 0)
			return NULL;
		if (!crypto_verify(shared->public_key, &signed_text, 1, shared->signature))
			return NULL;
	}
	return context;
}

static void
threads_may_share_keys(void **state)
{
	struct buf signature = from_hex(p256_signature);
	struct crypto_mac_key *mac_key = crypto_mac_key_new(CRYPTO_SHA256, "Jefe", 4);
	struct crypto_public_key *public_key =
		crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256, slice_of(p256_key));
	struct shared shared = { mac_key, public_key, buf_slice(&signature) };
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_shared_keys, &shared), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_non_null(result);
	}
	crypto_public_key_free(public_key);
	crypto_mac_key_free(mac_key);
	buf_free(&signature);
}

static void
only_equal_bytes_are_equal(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{ "abcd", "abcd", true },
		{ "abcd", "Abcd", false },
		{ "abcd", "abcD", false },
		{ "abcd", "abc", false },
		{ "abc", "abcd", false },
		{ "", "a", false },
		{ "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(
			crypto_equal(slice_of(cases[i].a), slice_of(cases[i].b)), cases[i].equal);
	assert_false(crypto_equal((struct slice){ NULL, 0 }, (struct slice){ NULL, 0 }));
}

static void
random_bytes_fill_what_is_asked_for(void **state)
{
	uint8_t first[400] = { 0 }, second[400] = { 0 };

	(void)state;
	assert_true(crypto_random(first, sizeof first - 1));
	assert_true(crypto_random(second, sizeof second - 1));
	assert_memory_not_equal(first, second, 32);
	assert_memory_not_equal(first + 367, second + 367, 32);
	assert_int_equal(first[399], 0);
	assert_true(crypto_random(first, 0));
}

static const struct {
	enum crypto_public_algorithm algorithm;
	const char *key, *signature;
} public_vectors[] = {
	{ CRYPTO_RSA_SHA1, rsa_key, rsa_sha1_signature },
	{ CRYPTO_RSA_SHA1, rsa_1024_key, rsa_1024_sha1_signature },
	{ CRYPTO_RSA_SHA256, rsa_key, rsa_sha256_signature },
	{ CRYPTO_RSA_SHA512, rsa_key, rsa_sha512_signature },
	{ CRYPTO_RSA_PSS_SHA512, rsa_key, pss_signature },
	{ CRYPTO_RSA_PSS_SHA512, rsa_key, pss_short_salt_signature },
	{ CRYPTO_ECDSA_P256_SHA256, p256_key, p256_signature },
	{ CRYPTO_ECDSA_P256_SHA256, p256_certificate, p256_signature },
};

static void
openssl_signatures_verify_however_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(public_vectors); i++) {
		struct buf signature = from_hex(public_vectors[i].signature);
		struct crypto_public_key *key = crypto_public_key_new(
			public_vectors[i].algorithm, slice_of(public_vectors[i].key));

		assert_non_null(key);
		for (size_t cut = 0; cut < sizeof message; cut++) {
			const struct slice parts[] = { { message, cut },
				{ message + cut, sizeof message - 1 - cut } };

			assert_true(crypto_verify(key, parts, 2, buf_slice(&signature)));
		}
		crypto_public_key_free(key);
		buf_free(&signature);
	}
}

/* Every bit of it flipped, every beginning of it, it and one byte more, none at all. */
static void
assert_no_variation_verifies(
	const struct crypto_public_key *key, struct slice data, struct buf *signature)
{
	assert_true(verify_one(key, data, buf_slice(signature)));
	for (size_t bit = 0; bit < signature->len * 8; bit++) {
		signature->data[bit / 8] ^= (char)(1 << bit % 8);
		assert_false(verify_one(key, data, buf_slice(signature)));
		signature->data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t len = 0; len < signature->len; len++)
		assert_false(verify_one(key, data, (struct slice){ signature->data, len }));
	assert_false(verify_one(key, data, (struct slice){ NULL, 0 }));
	assert_true(buf_append_char(signature, '\0'));
	assert_false(verify_one(key, data, buf_slice(signature)));
	signature->len--;
	assert_true(verify_one(key, data, buf_slice(signature)));
}

static void
changed_signature_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(public_vectors); i++) {
		struct buf signature = from_hex(public_vectors[i].signature);
		struct crypto_public_key *key = crypto_public_key_new(
			public_vectors[i].algorithm, slice_of(public_vectors[i].key));

		assert_no_variation_verifies(key, slice_of(message), &signature);
		crypto_public_key_free(key);
		buf_free(&signature);
	}
}

static void
changed_message_is_refused(void **state)
{
	static const char *const changed[] = { "Hello, webhook", "hello, webhooK", "hello, webhoo",
		"hello, webhook ", "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(public_vectors); i++) {
		struct buf signature = from_hex(public_vectors[i].signature);
		struct crypto_public_key *key = crypto_public_key_new(
			public_vectors[i].algorithm, slice_of(public_vectors[i].key));

		for (size_t j = 0; j < COUNT_OF(changed); j++)
			assert_false(verify_one(key, slice_of(changed[j]), buf_slice(&signature)));
		assert_false(crypto_verify(key, NULL, 0, buf_slice(&signature)));
		crypto_public_key_free(key);
		buf_free(&signature);
	}
}

static void
signature_of_another_algorithm_is_refused(void **state)
{
	static const struct {
		enum crypto_public_algorithm algorithm;
		const char *signature;
	} cases[] = {
		{ CRYPTO_RSA_SHA1, rsa_sha256_signature },
		{ CRYPTO_RSA_SHA256, rsa_sha1_signature },
		{ CRYPTO_RSA_SHA512, rsa_sha256_signature },
		{ CRYPTO_RSA_SHA512, pss_signature },
		{ CRYPTO_RSA_PSS_SHA512, rsa_sha512_signature },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf signature = from_hex(cases[i].signature);
		struct crypto_public_key *key =
			crypto_public_key_new(cases[i].algorithm, slice_of(rsa_key));

		assert_non_null(key);
		assert_false(verify_one(key, slice_of(message), buf_slice(&signature)));
		crypto_public_key_free(key);
		buf_free(&signature);
	}
}

static void
ed25519_matches_rfc_8032(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(ed25519_vectors); i++) {
		struct buf raw_key = from_hex(ed25519_vectors[i].key);
		struct buf data = from_hex(ed25519_vectors[i].message);
		struct buf signature = from_hex(ed25519_vectors[i].signature);
		struct crypto_public_key *key =
			crypto_public_key_new(CRYPTO_ED25519, buf_slice(&raw_key));

		assert_non_null(key);
		assert_no_variation_verifies(key, buf_slice(&data), &signature);
		assert_false(verify_one(key, slice_of("another"), buf_slice(&signature)));
		crypto_public_key_free(key);
		buf_free(&signature);
		buf_free(&data);
		buf_free(&raw_key);
	}
}

static void
ed25519_joins_the_parts(void **state)
{
	struct buf raw_key = from_hex(ed25519_vectors[2].key);
	struct buf signature = from_hex(ed25519_vectors[2].signature);
	struct crypto_public_key *key = crypto_public_key_new(CRYPTO_ED25519, buf_slice(&raw_key));
	const struct slice parts[] = { { "\xaf", 1 }, { NULL, 0 }, { "\x82", 1 } };
	const struct slice swapped[] = { { "\x82", 1 }, { "\xaf", 1 } };

	(void)state;
	assert_true(crypto_verify(key, parts, 3, buf_slice(&signature)));
	assert_false(crypto_verify(key, parts, 2, buf_slice(&signature)));
	assert_false(crypto_verify(key, swapped, 2, buf_slice(&signature)));
	crypto_public_key_free(key);
	buf_free(&signature);
	buf_free(&raw_key);
}

static void
second_spelling_of_an_ed25519_signature_is_refused(void **state)
{
	struct buf raw_key = from_hex(ed25519_vectors[1].key);
	struct buf signature = from_hex(ed25519_malleated);
	struct crypto_public_key *key = crypto_public_key_new(CRYPTO_ED25519, buf_slice(&raw_key));

	(void)state;
	assert_int_equal(signature.len, 64);
	assert_false(verify_one(key, slice_of("\x72"), buf_slice(&signature)));
	crypto_public_key_free(key);
	buf_free(&signature);
	buf_free(&raw_key);
}

static void
ed25519_key_may_be_der(void **state)
{
	/* RFC 8410 section 4: the fixed beginning of its SubjectPublicKeyInfo. */
	struct buf der =
		from_hex("302a300506032b6570032100"
			 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	struct buf signature = from_hex(ed25519_vectors[0].signature);
	struct crypto_public_key *key = crypto_public_key_new(CRYPTO_ED25519, buf_slice(&der));

	(void)state;
	assert_non_null(key);
	assert_true(crypto_verify(key, NULL, 0, buf_slice(&signature)));
	crypto_public_key_free(key);

	assert_null(crypto_public_key_new(CRYPTO_RSA_SHA256, buf_slice(&der)));
	assert_true(buf_append_char(&der, 'x')); /* something behind the key */
	assert_null(crypto_public_key_new(CRYPTO_ED25519, buf_slice(&der)));
	der.len -= 2; /* cut */
	assert_null(crypto_public_key_new(CRYPTO_ED25519, buf_slice(&der)));
	buf_free(&signature);
	buf_free(&der);
}

static void
key_of_another_kind_is_refused(void **state)
{
	static const char bytes_31[] = "0123456789012345678901234567890";
	static const char bytes_33[] = "012345678901234567890123456789012";
	static const char private_key[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
		"-----END PRIVATE KEY-----\n";
	const struct {
		enum crypto_public_algorithm algorithm;
		const char *key;
	} cases[] = {
		{ CRYPTO_RSA_SHA256, rsa_1024_key },
		{ CRYPTO_RSA_SHA512, rsa_1024_key },
		{ CRYPTO_RSA_PSS_SHA512, rsa_1024_key },
		{ CRYPTO_RSA_SHA256, p256_key },
		{ CRYPTO_ED25519, p256_key },
		{ CRYPTO_ED25519, rsa_key },
		{ CRYPTO_ECDSA_P256_SHA256, p384_key },
		{ CRYPTO_ECDSA_P256_SHA256, rsa_key },
		{ CRYPTO_RSA_SHA1, p256_certificate },
		{ CRYPTO_ECDSA_P256_SHA256_RAW, p384_key },
		{ CRYPTO_ECDSA_P256_SHA256_RAW, rsa_key },
		{ CRYPTO_ECDSA_P521_SHA512_RAW, p256_key },
		{ CRYPTO_ECDSA_P521_SHA512_RAW, p384_key },
		{ CRYPTO_ED25519, private_key },
		{ CRYPTO_ED25519, "" },
		{ CRYPTO_ED25519, bytes_31 },
		{ CRYPTO_ED25519, bytes_33 },
		{ CRYPTO_RSA_SHA256, "not a key" },
		{ CRYPTO_RSA_SHA256, "-----BEGIN PUBLIC KEY-----\n" },
		{ CRYPTO_RSA_SHA256, "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n" },
		{ CRYPTO_RSA_SHA256,
			"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_null(crypto_public_key_new(cases[i].algorithm, slice_of(cases[i].key)));
}

/* RFC 7515 appendices A.3 and A.4: ES256 and ES512. The keys are there as JWK; here as SEC 1
 * points, and as what Node's crypto writes of them. */
static const char a3_data[] =
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
	"LmNvbS9pc19yb290Ijp0cnVlfQ";
static const char a3_point[] =
	"047fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445c7f144cd1bbd9b"
	"7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad";
static const char a3_pem[] = "-----BEGIN PUBLIC KEY-----\n"
			     "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
			     "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
			     "-----END PUBLIC KEY-----\n";
static const char a3_signature[] =
	"0ed1215379636c483c2f7f155807d402a3b228033af97c7e17819ac3169ea665c50a07d38c3c70e5"
	"d8f12daf084a5480a66590c5f293509a8f3f7f8a83a354d5";
static const char a4_data[] = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA";
static const char a4_point[] =
	"0401e929050f124fc6bc55c7d5393365df9def4ab0c22cb25798f934eb04e3c6bae3701a57a7910e"
	"9d81bf363159e8ebcb155d6349f4bdb6ccf8a94c5c59c7aac101a40034a6440e376750d2371fd1bd"
	"c2c8f3b71d2f4ee5ea3432c815cca31560fe5d9387ec774b55838630e5cbbf5a8cbe0a91dd0064c6"
	"999a1f6e6e67faddede4c8c8f6";
static const char a4_pem[] = "-----BEGIN PUBLIC KEY-----\n"
			     "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQB6SkFDxJPxrxVx9U5M2Xfne9KsMIs\n"
			     "sleY+TTrBOPGuuNwGlenkQ6dgb82MVno68sVXWNJ9L22zPipTFxZx6rBAaQANKZE\n"
			     "DjdnUNI3H9G9wsjztx0vTuXqNDLIFcyjFWD+XZOH7HdLVYOGMOXLv1qMvgqR3QBk\n"
			     "xpmaH25uZ/rd7eTIyPY=\n"
			     "-----END PUBLIC KEY-----\n";
static const char a4_signature[] =
	"01dc0c81e7abc2d1e887e975f7697ad21a7dc001d915525b2df0ff531322ef47309d93986912356c"
	"a3d644e73e99966ac2a4f6488f8a183281df85ced1ac3fed776d006f06692c0529d0803d98285c3d"
	"980496423c45f7c4aa51c1c74e3bc2a9107c098f2a8e8330ceee22af53cbdc9f036b9b161b496f44"
	"4415ee90e5e894bcde3bf267";

static const struct {
	enum crypto_public_algorithm algorithm;
	const char *data, *point, *pem, *signature;
	size_t len; /* of r, and of s */
} raw_vectors[] = {
	{ CRYPTO_ECDSA_P256_SHA256_RAW, a3_data, a3_point, a3_pem, a3_signature, 32 },
	{ CRYPTO_ECDSA_P521_SHA512_RAW, a4_data, a4_point, a4_pem, a4_signature, 66 },
};

static void
raw_ecdsa_matches_rfc_7515(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(raw_vectors); i++) {
		struct buf point = from_hex(raw_vectors[i].point);
		struct buf signature = from_hex(raw_vectors[i].signature);
		const struct slice keys[] = { buf_slice(&point), slice_of(raw_vectors[i].pem) };

		for (size_t j = 0; j < COUNT_OF(keys); j++) {
			struct crypto_public_key *key =
				crypto_public_key_new(raw_vectors[i].algorithm, keys[j]);

			assert_non_null(key);
			assert_no_variation_verifies(
				key, slice_of(raw_vectors[i].data), &signature);
			assert_false(verify_one(key, slice_of("another"), buf_slice(&signature)));
			crypto_public_key_free(key);
		}
		buf_free(&signature);
		buf_free(&point);
	}
}

/* CVE-2022-21449: zeros that verified anything. */
static void
raw_ecdsa_of_zeros_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(raw_vectors); i++) {
		struct crypto_public_key *key = crypto_public_key_new(
			raw_vectors[i].algorithm, slice_of(raw_vectors[i].pem));
		struct buf signature = from_hex(raw_vectors[i].signature);
		size_t len = raw_vectors[i].len;

		memset(signature.data, 0, len);
		assert_false(verify_one(key, slice_of(raw_vectors[i].data), buf_slice(&signature)));
		memset(signature.data + len, 0, len);
		assert_false(verify_one(key, slice_of(raw_vectors[i].data), buf_slice(&signature)));
		memset(signature.data, 0xff, 2 * len);
		assert_false(verify_one(key, slice_of(raw_vectors[i].data), buf_slice(&signature)));
		buf_free(&signature);
		crypto_public_key_free(key);
	}
}

static void
der_and_raw_ecdsa_are_not_taken_for_each_other(void **state)
{
	struct crypto_public_key *raw =
		crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256_RAW, slice_of(p256_key));
	struct crypto_public_key *der =
		crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256, slice_of(a3_pem));
	struct buf der_signature = from_hex(p256_signature);
	struct buf raw_signature = from_hex(a3_signature);

	(void)state;
	assert_false(verify_one(raw, slice_of(message), buf_slice(&der_signature)));
	assert_false(verify_one(der, slice_of(a3_data), buf_slice(&raw_signature)));
	buf_free(&raw_signature);
	buf_free(&der_signature);
	crypto_public_key_free(der);
	crypto_public_key_free(raw);
}

static void
point_that_is_none_is_refused(void **state)
{
	struct buf p256 = from_hex(a3_point);
	struct buf p521 = from_hex(a4_point);

	(void)state;
	assert_null(crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256_RAW, buf_slice(&p521)));
	assert_null(crypto_public_key_new(CRYPTO_ECDSA_P521_SHA512_RAW, buf_slice(&p256)));
	assert_null(crypto_public_key_new(CRYPTO_ED25519, buf_slice(&p256)));
	p256.data[64] ^= 1; /* not on the curve */
	assert_null(crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256_RAW, buf_slice(&p256)));
	p256.data[64] ^= 1;
	p256.data[0] = 3; /* compressed, and too long for that */
	assert_null(crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256_RAW, buf_slice(&p256)));
	p256.data[0] = 4;
	p256.len--;
	assert_null(crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256_RAW, buf_slice(&p256)));
	memset(p521.data + 1, 0, 132); /* at infinity, if anything */
	assert_null(crypto_public_key_new(CRYPTO_ECDSA_P521_SHA512_RAW, buf_slice(&p521)));
	buf_free(&p521);
	buf_free(&p256);
}

/* Of rsa_key (openssl rsa -pubin -noout -modulus). */
static const char rsa_modulus[] =
	"d39d93f69f0fa028a43250170d8820fa9a84c8fdd2c888c7f895d4399c6c624aa0506c1d25d730a0"
	"44b6ab2dcf991042ac36a2e0445815aeab12b33bb0ad3f938ef87461af5f5fa368a5ac1ca524730e"
	"5ebc4c6e36be14ddc5ace2dc87473c79e270150ef4affc428b71aeadcabaf4aa9006760b91e1adb4"
	"abad9d06d8ff67dd6629d7deb340fb8b786a26166bf7ae00cfde2b0beb9935e757a8df8a5d502abd"
	"d614df67894b5210da7b441f0bb3d38759035ff17109ca7a54783716c2a38a54ead86282841ddb89"
	"1b7bdd9c20a7650a2fd7e2a58bafc0ceae2d9c2d258ce87bd358df225eafd7257a5350f3755a0e91"
	"a6a1219f14596b5bb88fae6bfc87764d";

static void
rsa_key_may_be_its_two_numbers(void **state)
{
	struct buf modulus = from_hex(rsa_modulus), signature = from_hex(rsa_sha256_signature);
	static const struct {
		struct slice exponent;
		bool fits;
	} cases[] = {
		{ { "\1\0\1", 3 }, true },
		{ { "\0\1\0\1", 4 }, true },
		{ { "\1", 1 }, false }, /* would verify anything */
		{ { "\0", 1 }, false },
		{ { "\2", 1 }, false },
		{ { "", 0 }, false },
		{ { "\1\0\0\0\0\0\0\0\1", 9 }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct crypto_public_key *key = crypto_public_key_from_rsa(
			CRYPTO_RSA_SHA256, buf_slice(&modulus), cases[i].exponent);

		assert_int_equal(key != NULL, cases[i].fits);
		if (key != NULL)
			assert_true(verify_one(key, slice_of(message), buf_slice(&signature)));
		crypto_public_key_free(key);
	}
	assert_null(
		crypto_public_key_from_rsa(CRYPTO_ED25519, buf_slice(&modulus), cases[0].exponent));
	modulus.len = 128; /* 1024 bits */
	assert_null(crypto_public_key_from_rsa(
		CRYPTO_RSA_SHA256, buf_slice(&modulus), cases[0].exponent));
	modulus.len = 0;
	assert_null(crypto_public_key_from_rsa(
		CRYPTO_RSA_SHA256, buf_slice(&modulus), cases[0].exponent));
	buf_free(&signature);
	buf_free(&modulus);
}

static void
oversized_key_text_is_refused(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 80 * 1024);
	for (size_t i = 0; i < 65 * 1024; i++)
		assert_true(buf_append_char(&text, '\n'));
	assert_true(buf_append_text(&text, p256_key));
	assert_null(crypto_public_key_new(CRYPTO_ECDSA_P256_SHA256, buf_slice(&text)));
	buf_free(&text);
}

static void
freeing_nothing_is_allowed(void **state)
{
	(void)state;
	crypto_mac_key_free(NULL);
	crypto_public_key_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_match_their_standards),
		cmocka_unit_test(digest_of_nothing_is_defined),
		cmocka_unit_test(hmac_matches_the_rfcs),
		cmocka_unit_test(hmac_does_not_depend_on_how_the_parts_are_cut),
		cmocka_unit_test(empty_mac_key_is_refused),
		cmocka_unit_test(key_longer_than_a_block_equals_its_digest),
		cmocka_unit_test(shorter_key_is_padded_with_zeros),
		cmocka_unit_test(threads_may_share_keys),
		cmocka_unit_test(only_equal_bytes_are_equal),
		cmocka_unit_test(random_bytes_fill_what_is_asked_for),
		cmocka_unit_test(openssl_signatures_verify_however_cut),
		cmocka_unit_test(changed_signature_is_refused),
		cmocka_unit_test(changed_message_is_refused),
		cmocka_unit_test(signature_of_another_algorithm_is_refused),
		cmocka_unit_test(ed25519_matches_rfc_8032),
		cmocka_unit_test(ed25519_joins_the_parts),
		cmocka_unit_test(second_spelling_of_an_ed25519_signature_is_refused),
		cmocka_unit_test(ed25519_key_may_be_der),
		cmocka_unit_test(key_of_another_kind_is_refused),
		cmocka_unit_test(raw_ecdsa_matches_rfc_7515),
		cmocka_unit_test(raw_ecdsa_of_zeros_is_refused),
		cmocka_unit_test(der_and_raw_ecdsa_are_not_taken_for_each_other),
		cmocka_unit_test(point_that_is_none_is_refused),
		cmocka_unit_test(rsa_key_may_be_its_two_numbers),
		cmocka_unit_test(oversized_key_text_is_refused),
		cmocka_unit_test(freeing_nothing_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
