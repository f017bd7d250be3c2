// How QStash signs: @upstash/qstash 2.12.0, read; run against these vectors it agrees.
import { catalogue, hash, jwt_hs256, NOW } from '../vectors.mjs';

const url = 'https://example.com/hooks/qstash';
const digest = (body) => hash('sha256', body, 'base64').replaceAll('+', '-').replaceAll('/', '_');
const claims = (body, more) => ({ iss: 'Upstash', sub: url, exp: NOW + 300, nbf: NOW, iat: NOW,
	jti: 'jwt_67kxXD6UBAk7DqU6hzuHMDdXFXfP', body: digest(body), ...more });
const secret = 'sig_7RvLjqfZBvP5KEUimQCE1pvpLuou';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after QStash\'s page Security and its SDK (JWT with the body\'s SHA-256 in base64url)',
	secret,
	other: 'sig_4kUfL9dMbQrS8vWyXzT2nPaHjCeG',
	url,
	body: { hello: 'world' },
	extra: [['Upstash-Message-Id', 'msg_26hZCxZCuWyyTWPmSVBrNB882AHn'], ['Upstash-Retried', '0']],
	sign: ({ secret, body }) => jwt_hs256(secret, claims(body)),
	headers: ([token]) => [['Upstash-Signature', token]],
});
const body = made.request().body;
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
made.vector('unpadded', made.request({ signature: jwt_hs256(secret, claims(body, { body: digest(body).slice(0, -1) })) }));
refused('issuer', jwt_hs256(secret, claims(body, { iss: 'upstash' })));
refused('for-another-url', jwt_hs256(secret, claims(body, { sub: 'https://example.com/hooks/other' })));
refused('hash-of-another-body', jwt_hs256(secret, claims('another')));
refused('hash-with-two-equals-signs', jwt_hs256(secret, claims(body, { body: `${digest(body)}=` })));
refused('expired-token', jwt_hs256(secret, claims(body, { exp: NOW - 3600 })), 'expired');
refused('token-of-later', jwt_hs256(secret, claims(body, { nbf: NOW + 3600 })), 'early');
made.write();
