// How Plaid signs: a JWT of ES256 with the body's SHA-256 in hex and the time.
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { catalogue, hash, jws, jwt_hs256, NOW } from '../vectors.mjs';

const kid = 'bfbd5111-8e33-4643-8ced-b2e642a72f3c';
// Fresh keys with each run; the secret is the public one as Plaid hands it out.
const keys = new Map([0, 1].map(() => {
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const { crv, kty, x, y } = publicKey.export({ format: 'jwk' });
	return [JSON.stringify({ alg: 'ES256', created_at: 1560466150, crv, expired_at: null, kid, kty, use: 'sig', x, y }), privateKey];
}));
const [secret, other] = keys.keys();
const pem = createPublicKey(keys.get(secret)).export({ type: 'spki', format: 'pem' });

const claims = (body, time) => ({ iat: Number(time), request_body_sha256: hash('sha256', body, 'hex') });
const es256 = (secret) => (input) =>
	sign('sha256', Buffer.from(input), { key: keys.get(secret), dsaEncoding: 'ieee-p1363' });
const token = (secret, body, time, more) =>
	jws({ alg: 'ES256', kid, typ: 'JWT', ...more }, claims(body, time), es256(secret));
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Plaid\'s page Verify webhooks',
	secret, other,
	key_id: kid,
	body: { webhook_type: 'TRANSACTIONS', webhook_code: 'SYNC_UPDATES_AVAILABLE', item_id: 'wz666MBjYWTp2PDzzggYhM6oWWmBb',
		initial_update_complete: true, historical_update_complete: false, environment: 'production' },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => token(secret, body, time),
	headers: ([signature]) => [['Plaid-Verification', signature]],
});
const body = made.request().body;
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('hash-of-another-body', token(secret, 'another', NOW));
refused('another-kid', token(secret, body, NOW, { kid: '6c5516e1-92dc-479e-a8ff-5a51992e0001' }));
refused('public-key-as-hmac-secret', jwt_hs256(pem, claims(body, NOW), { kid }));
refused('signature-in-der', jws({ alg: 'ES256', kid, typ: 'JWT' }, claims(body, NOW),
	(input) => sign('sha256', Buffer.from(input), keys.get(secret))));
made.write();
