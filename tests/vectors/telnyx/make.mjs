// How Telnyx signs: telnyx 7.24.0, read; run against these vectors it agrees.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { bytes, catalogue } from '../vectors.mjs';

// Private keys from a seed; the secret is the public key in base64.
const keys = new Map(['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
	'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7'].map((seed) => {
	const key = createPrivateKey({ type: 'pkcs8', format: 'der',
		key: Buffer.from('302e020100300506032b657004220420' + seed, 'hex') });
	return [createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(12).toString('base64'), key];
}));
const [secret, other] = keys.keys();

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Telnyx\'s page on webhooks (Ed25519 of "timestamp|body", base64)',
	secret, other,
	body: { data: { event_type: 'message.received', id: 'b301ed3f-1490-491f-995f-6e64e69674d4', occurred_at: '2023-11-14T22:13:20.000+00:00',
		payload: { direction: 'inbound', text: 'Hello from Telnyx!' }, record_type: 'event' }, meta: { attempt: 1 } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => sign(null, bytes(time, '|', body), keys.get(secret)).toString('base64'),
	headers: ([signature], { time }) => [['telnyx-signature-ed25519', signature], ['telnyx-timestamp', time]],
	parts: ['telnyx-timestamp'],
});
made.write();
