// How Shopify signs: webhooks.validate() of @shopify/shopify-api 13.1.0, run against these vectors, agrees, but for
// bodies that are empty or not UTF-8, which it refuses.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Shopify\'s page "Verify webhook deliveries"',
	secret: 'hush',
	other: 'another',
	body: { id: 820982911946154508, email: 'jon@example.com', total_price: '254.98', currency: 'USD' },
	extra: [['X-Shopify-Topic', 'orders/create'], ['X-Shopify-Webhook-Id', 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043'],
		['X-Shopify-Event-Id', '98880550-7158-44d4-b7cd-2c97c8a091b5'], ['X-Shopify-API-Version', '2026-01'],
		['X-Shopify-Shop-Domain', 'shop.myshopify.com']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: ([signature]) => [['X-Shopify-Hmac-Sha256', signature]],
});
const facts = made.request();
const newer = facts.headers.map(([name, value]) => [name.replace('X-Shopify-', 'shopify-').toLowerCase(), value]);
made.vector('headers-of-events', { ...facts, headers: newer });
made.vector('refused-both-differ', { ...facts, right: undefined, expect: 'wrong',
	headers: [...facts.headers, ['shopify-hmac-sha256', hmac('sha256', 'another', facts.body, 'base64')]] });
made.vector('refused-hex', { ...facts, right: undefined, expect: 'wrong',
	headers: [...facts.headers.slice(0, -1), ['X-Shopify-Hmac-Sha256', hmac('sha256', 'hush', facts.body, 'hex')]] });
made.write();
