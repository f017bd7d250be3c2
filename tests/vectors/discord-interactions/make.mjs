// How Discord signs interactions: discord-interactions 4.4.0, read; run against these vectors it agrees.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { bytes, catalogue } from '../vectors.mjs';

// Private keys from a seed; the secret is the public key in hex.
const keys = new Map(['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
	'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7'].map((seed) => {
	const key = createPrivateKey({ type: 'pkcs8', format: 'der',
		key: Buffer.from('302e020100300506032b657004220420' + seed, 'hex') });
	return [createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(12).toString('hex'), key];
}));
const [secret, other] = keys.keys();

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Discord\'s page Receiving and Responding (Ed25519 of timestamp and body)',
	secret, other,
	body: { version: 1, application_id: '1234560123453231555', id: '846462639134605312', type: 2, token: 'A_UNIQUE_TOKEN',
		data: { id: '846462639134605313', name: 'cardsearch', options: [{ name: 'cardname', type: 3, value: 'The Gitrog Monster' }] } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => sign(null, bytes(time, body), keys.get(secret)).toString('hex'),
	headers: ([signature], { time }) => [['X-Signature-Ed25519', signature], ['X-Signature-Timestamp', time]],
	parts: ['X-Signature-Timestamp'],
});
made.vector('ping', made.request({ body: Buffer.from('{"id":"846462639134605314","type":1,"version":1}') }));
made.write();
