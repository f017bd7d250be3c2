// How Uber signs: HMAC-SHA256 of the body, in hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Uber\'s page "Webhooks", "Security"',
	secret: 'uCLwXWYPZ0hLzyK1GvJ7mNqR3sT5vB8x',
	other: 'anotherYPZ0hLzyK1GvJ7mNqR3sT5vB8',
	body: { event_id: 'c4d2261e-2779-4eb6-beb0-cb41235c751e', event_time: 1700000000, event_type: 'orders.notification',
		meta: { resource_id: '153dd7f1-339d-4619-940c-418943c14636', status: 'pos' } },
	extra: [['X-Environment', 'production']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Uber-Signature', signature]],
});
made.write();
