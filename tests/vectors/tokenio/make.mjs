// How Token.io signs: Ed25519 of the body, base64url without padding.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { bytes, catalogue } from '../vectors.mjs';

// Private keys from a seed; the secret is the public key in base64url.
const keys = new Map(['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
	'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7'].map((seed) => {
	const key = createPrivateKey({ type: 'pkcs8', format: 'der',
		key: Buffer.from('302e020100300506032b657004220420' + seed, 'hex') });
	return [createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(12).toString('base64url'), key];
}));
const [secret, other] = keys.keys();

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after hookdeck/webhook-skills, which quotes Token.io (Ed25519 of the body, base64url)',
	secret, other,
	body: { payment: { id: 'pm2:12345:abc', status: 'INITIATION_COMPLETED', bankPaymentStatus: 'ACSC' } },
	extra: [['token-event', 'PAYMENT_STATUS_CHANGED']],
	sign: ({ secret, body }) => sign(null, bytes(body), keys.get(secret)).toString('base64url'),
	headers: ([signature]) => [['token-signature', signature]],
});
made.write();
