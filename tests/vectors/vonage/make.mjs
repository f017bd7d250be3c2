// How Vonage signs: a JWT with the body's SHA-256 in hex; @vonage/jwt 1.14.0 takes the tokens.
import { catalogue, hash, jwt_hs256, NOW } from '../vectors.mjs';

const claims = (body, time, more) => ({ iat: Number(time), jti: 'c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5', iss: 'Vonage',
	payload_hash: hash('sha256', body, 'hex'), api_key: 'a1b2c3d', application_id: 'aaaaaaaa-bbbb-cccc-dddd-0123456789ab', ...more });
const secret = 'vonage-signature-secret-0123456789abcdef';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Vonage\'s page Signed webhooks, which prints a token\'s claims',
	secret,
	other: 'another-signature-secret-0123456789abcde',
	body: { message_uuid: 'aaaaaaaa-bbbb-cccc-dddd-0123456789ab', to: '447700900000', from: '447700900001',
		timestamp: '2023-11-14T22:13:20Z', status: 'delivered', channel: 'sms' },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => jwt_hs256(secret, claims(body, time)),
	headers: ([token]) => [['Authorization', `Bearer ${token}`]],
});
const body = made.request().body;
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('issuer', jwt_hs256(secret, claims(body, NOW, { iss: 'Nexmo' })));
refused('hash-of-another-body', jwt_hs256(secret, claims('another', NOW)));
refused('no-hash', jwt_hs256(secret, claims(body, NOW, { payload_hash: undefined })));
made.write();
