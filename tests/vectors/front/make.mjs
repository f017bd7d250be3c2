// How Front signs application webhooks, after its page "Application webhooks".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Front\'s "Application webhooks" (HMAC-SHA256 of "t:body", base64; t in milliseconds)',
	secret: 'd1b7c0a94e3f2f58a6c9e0d1b7c0a94e',
	other: 'e1b7c0a94e3f2f58a6c9e0d1b7c0a94f',
	body: { type: 'inbound_received', authorization: { id: 'cmp_abc' }, payload: { id: 'evt_1mno9c', type: 'inbound', emitted_at: 1700000000 } },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}:`, body], 'base64'),
	headers: ([signature], { time }) => [['X-Front-Signature', signature], ['X-Front-Request-Timestamp', time]],
	parts: ['X-Front-Request-Timestamp'],
});
made.write();
