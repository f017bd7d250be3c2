// How Circle signs: ECDSA P-256 with SHA-256 of the body, base64.
import { generateKeyPairSync, sign } from 'node:crypto';
import { bytes, catalogue } from '../vectors.mjs';

// Fresh keys with each run; the secret is the public one as base64 of its SubjectPublicKeyInfo.
const keys = new Map([0, 1].map(() => {
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return [publicKey.export({ type: 'spki', format: 'der' }).toString('base64'), privateKey];
}));
const [secret, other] = keys.keys();
const id = '879dc113-5ca4-4ff7-a6b7-54652083fcf8';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Circle\'s page Verify webhook signatures (ECDSA_SHA_256 of the body, base64)',
	secret, other,
	body: { subscriptionId: 'd4c07d5f-f05f-4fe4-853d-4dd434806dfb', notificationId: 'acab8c14-92ae-481b-8335-6eb5271da014',
		notificationType: 'transactions.outbound', notification: { id: 'tx-1', state: 'COMPLETE' },
		timestamp: '2023-11-14T22:13:20.779834211Z', version: 2 },
	key_id: id,
	extra: [['X-Circle-Key-Id', id]],
	parts: ['X-Circle-Key-Id'],
	sign: ({ secret, body }) => sign('sha256', bytes(body), keys.get(secret)).toString('base64'),
	headers: ([signature]) => [['X-Circle-Signature', signature]],
});
made.write();
