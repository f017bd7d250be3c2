// How Coinbase Commerce signs: verifySigHeader() of coinbase-commerce-node 1.0.4, run against these vectors,
// agrees, but for bodies that are not UTF-8.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Coinbase Commerce\'s page "Webhooks security"',
	secret: '30291a20-0bd1-4267-9b0f-e6e7b123c0bf',
	other: 'another0-0bd1-4267-9b0f-e6e7b123c0bf',
	body: { id: '00000000-0000-0000-0000-000000000000', attempt_number: 1, scheduled_for: '2023-11-14T22:13:20Z',
		event: { id: '24934862-d980-46cb-9402-43c81b0cdba6', type: 'charge:confirmed', data: { code: '66BEOV2A' } } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-CC-Webhook-Signature', signature]],
});
made.write();
