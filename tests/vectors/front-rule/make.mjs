// How Front signs rule webhooks, after its page "Rule webhooks".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Front\'s "Rule webhooks" (HMAC-SHA1 of the body, base64)',
	secret: 'a94e3f2f58a6c9e0d1b7c0a94ed1b7c0',
	other: 'b94e3f2f58a6c9e0d1b7c0a94ed1b7c1',
	body: { _links: { self: 'https://api2.frontapp.com/events/evt_1mno9c' }, id: 'evt_1mno9c', type: 'inbound', emitted_at: 1700000000 },
	sign: ({ secret, body }) => hmac('sha1', secret, body, 'base64'),
	headers: ([signature]) => [['X-Front-Signature', signature]],
});
made.write();
