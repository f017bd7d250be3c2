// How Square signs: square 46.0.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after square 46.0.0 (HMAC-SHA256 of notification URL and body, base64)',
	secret: 'asdf1234-WxYz_0987-square-key',
	other: 'zsdf1234-WxYz_0987-square-key',
	url: 'https://hooks.example.org/hooks/square?shop=1',
	body: { merchant_id: 'MLEFBHHSJGVHD', type: 'payment.updated', event_id: 'ac3ac95b-f97d-458c-a6e6-18981597e05f',
		created_at: '2023-11-14T22:13:20Z', data: { type: 'payment', id: 'KkAkhdMsgzn59SM8A89WgKwekxLZY' } },
	sign: ({ secret, body, url }) => hmac('sha256', secret, [url, body], 'base64'),
	headers: ([signature]) => [['x-square-hmacsha256-signature', signature], ['square-environment', 'Sandbox']],
});
made.vector('refused-other-url', { ...made.request(), right: undefined, url: 'https://hooks.example.org/hooks/square?shop=2', expect: 'wrong' });
made.write();
