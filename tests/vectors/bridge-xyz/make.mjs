// How Bridge signs: RSA with SHA-256 of the SHA-256 of "timestamp.body".
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { catalogue, hash } from '../vectors.mjs';

// A fresh key with each run.
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(new URL('public.pem', import.meta.url), publicKey.export({ type: 'spki', format: 'pem' }));

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Bridge\'s page Webhook Event Signature Verification',
	secret_file: 'public.pem',
	body: { api_version: 'v0', event_id: 'wh_uhVgQzUtZRHkQGuJ6UQNjKZ', event_category: 'customer', event_type: 'customer.updated',
		event_object_id: 'cust_123', event_created_at: '2023-11-14T22:13:20.000Z' },
	time: (seconds) => `${seconds}000`,
	tolerance: 600,
	future: 600,
	sign: ({ body, time }) => sign('sha256', hash('sha256', [`${time}.`, body]), privateKey).toString('base64'),
	headers: ([signature], { time }) => [['X-Webhook-Signature', `t=${time},v0=${signature}`]],
});
const once = sign('sha256', Buffer.concat([Buffer.from(`${made.NOW}000.`), made.request().body]), privateKey).toString('base64');
made.vector('refused-hashed-once', { ...made.request({ signature: once }), right: undefined, expect: 'wrong' });
made.write();
