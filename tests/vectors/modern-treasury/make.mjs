// How Modern Treasury signs: webhooks.validateSignature() of modern-treasury 3.3.0, run against these vectors,
// agrees, but for bodies that are not UTF-8.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after modern-treasury\'s getSignature()',
	secret: 'webhook key',
	other: 'another key',
	body: { event: 'created', data: { id: 'c743edb7-4059-496a-94b8-06fc081156fd', object: 'payment_order' } },
	extra: [['X-Topic', 'payment_order'], ['X-Event-ID', '1b0cbd5d-7a3f-4a13-8e5e-0a3a5c3c4a6e']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Signature', signature]],
});
made.write();
