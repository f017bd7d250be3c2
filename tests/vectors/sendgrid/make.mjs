// How SendGrid signs events: @sendgrid/eventwebhook 8.0.0, read; run against these vectors it agrees.
import { generateKeyPairSync, sign } from 'node:crypto';
import { bytes, catalogue } from '../vectors.mjs';

// Fresh keys with each run; the secret is the public one as base64 of its SubjectPublicKeyInfo.
const keys = new Map([0, 1].map(() => {
	const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
	return [publicKey.export({ type: 'spki', format: 'der' }).toString('base64'), privateKey];
}));
const [secret, other] = keys.keys();

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after SendGrid\'s page on event webhook security (ECDSA P-256 with SHA-256 of timestamp and body, base64)',
	secret, other,
	body: JSON.stringify([{ email: 'example@test.com', timestamp: 1700000000, event: 'processed', category: ['cat facts'],
		sg_event_id: 'rbtnWrG1DVDGGGFHFyun0A==', sg_message_id: '14c5d75ce93.dfd.64b469' }]) + '\r\n',
	time: (seconds) => String(seconds),
	tolerance: 25 * 3600,
	future: 300,
	sign: ({ secret, body, time }) => sign('sha256', bytes(time, body), keys.get(secret)).toString('base64'),
	headers: ([signature], { time }) => [['X-Twilio-Email-Event-Webhook-Signature', signature],
		['X-Twilio-Email-Event-Webhook-Timestamp', time]],
	parts: ['X-Twilio-Email-Event-Webhook-Timestamp'],
});
const trimmed = made.request();
made.vector('refused-without-crlf', { ...trimmed, right: undefined, body: trimmed.body.subarray(0, -2), expect: 'wrong' });
made.write();
