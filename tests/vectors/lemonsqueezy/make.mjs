// How Lemon Squeezy signs: HMAC-SHA256 of the body, in hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Lemon Squeezy\'s page "Signing requests"',
	secret: 'between 6 and 40 letters',
	other: 'another secret',
	body: { meta: { event_name: 'order_created' }, data: { type: 'orders', id: '1', attributes: { total: 1199, currency: 'USD' } } },
	extra: [['X-Event-Name', 'order_created']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Signature', signature]],
});
made.write();
