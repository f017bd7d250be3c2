// How Teams signs: "HMAC " and base64 of HMAC-SHA256 of the body; the token is base64 of the key.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'vqF0En+Z0ucuRTM/01o2GuhMH3hKKk/N2bOmlM31zaA=';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Microsoft\'s page "Create Outgoing Webhooks"; the token is the one of that page',
	secret,
	other: 'vqF0En+Z0ucuRTM/01o2GuhMH3hKKk/N2bOmlM31zaE=',
	body: { type: 'message', id: '1700000000000', timestamp: '2023-11-14T22:13:20.000Z', text: '<at>hook</at> hello', from: { name: 'A' } },
	sign: ({ secret: key, body }) => hmac('sha256', Buffer.from(key, 'base64'), body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['Authorization', `HMAC ${signature}`]),
});
const body = Buffer.from('{}');
made.vector('refused-key-as-text', { headers: [['Authorization', `HMAC ${hmac('sha256', secret, body, 'base64')}`]], body, expect: 'wrong' });
made.vector('refused-bearer', { headers: [['Authorization', `Bearer ${hmac('sha256', Buffer.from(secret, 'base64'), body, 'base64')}`]],
	body, expect: 'malformed' });
made.write();
