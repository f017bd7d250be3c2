// How Retell AI signs: HMAC-SHA256 of the body and behind it v, in milliseconds, hex. retell-sdk 5.66.1, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after retell-sdk 5.66.1 (verify)',
	secret: 'key_7c1f0e9b3d5a48269f7e1c0b2d4a',
	other: 'key_7c1f0e9b3d5a48269f7e1c0b2d4b',
	body: { event: 'call_ended', call: { call_id: 'Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6', call_status: 'ended' } },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [body, time], 'hex'),
	headers: (signatures, { time }) => [['X-Retell-Signature',
		[`v=${time}`, ...signatures.map((signature) => `d=${signature}`)].join(',')]],
});
made.write();
