// How Customer.io signs: "v0", X-CIO-Timestamp and the body with colons between, after its page "Reporting webhooks".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Customer.io\'s "Reporting webhooks" (HMAC-SHA256 of "v0:t:body", hex)',
	secret: '755781b5e03a973f3405a85474d5a032a60fd56fabaad66039b12eadd83955fa',
	other: '855781b5e03a973f3405a85474d5a032a60fd56fabaad66039b12eadd83955fb',
	body: { event_id: '01E4C4CT6YDC7Y5M7FE1GWWPQJ', object_type: 'email', metric: 'delivered', timestamp: 1700000000,
		data: { customer_id: '42', delivery_id: 'RPILAgUBcRhIBqSfeiIwdIYJKxTY' } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`v0:${time}:`, body], 'hex'),
	headers: ([signature], { time }) => [['X-CIO-Signature', signature], ['X-CIO-Timestamp', time]],
	parts: ['X-CIO-Timestamp'],
});
made.write();
