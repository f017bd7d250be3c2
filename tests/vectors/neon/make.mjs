// How Neon Auth signs: a detached JWS of EdDSA over "timestamp.base64url(body)".
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { catalogue } from '../vectors.mjs';

// Private keys from a seed; the secret is the public JWK.
const keys = new Map(['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
	'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7'].map((seed) => {
	const key = createPrivateKey({ type: 'pkcs8', format: 'der',
		key: Buffer.from('302e020100300506032b657004220420' + seed, 'hex') });
	return [JSON.stringify({ ...createPublicKey(key).export({ format: 'jwk' }), alg: 'EdDSA' }), key];
}));
const [secret, other] = keys.keys();
const kid = '01dec52b-4666-40f7-87ed-6423552eecaf';
const token = (secret, body, time, more) => {
	const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'JWS', kid: '01dec52b', ...more })).toString('base64url');
	const payload = Buffer.from(`${time}.${Buffer.from(body).toString('base64url')}`).toString('base64url');
	return `${header}..${sign(null, Buffer.from(`${header}.${payload}`), keys.get(secret)).toString('base64url')}`;
};
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Neon\'s page Webhooks, section Verification steps',
	secret, other,
	key_id: kid,
	body: { event_id: '550e8400-e29b-41d4-a716-446655440000', event_type: 'user.created', timestamp: '2023-11-14T22:13:20.000Z',
		user: { id: 'a1b2c3d4', email: 'user@example.com', name: 'Zoë' }, event_data: { auth_provider: 'credential' } },
	time: (seconds) => `${seconds}000`,
	tolerance: 300,
	future: 300,
	extra: [['X-Neon-Event-Type', 'user.created'], ['X-Neon-Delivery-Attempt', '1']],
	sign: ({ secret, body, time }) => token(secret, body, time),
	headers: ([signature], { time }) => [['X-Neon-Signature-Kid', kid], ['X-Neon-Timestamp', time], ['X-Neon-Signature', signature]],
	parts: ['X-Neon-Timestamp', 'X-Neon-Signature-Kid'],
});
const { body } = made.request();
const [header, , signature] = made.request().right.split('.');
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('payload-not-detached', `${header}.${Buffer.from(`${made.NOW}000.`).toString('base64url')}.${signature}`, 'malformed');
refused('other-alg', token(secret, body, `${made.NOW}000`, { alg: 'ES256' }));
made.write();
