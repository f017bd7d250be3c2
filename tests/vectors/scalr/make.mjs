// How Scalr signs: the headers and the digest's length are its document's, the signed text is that of its older product.
import { catalogue, hmac } from '../vectors.mjs';

const date = '2023-11-14T22:13:20+0000';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Scalr\'s "Webhooks" and its older product (HMAC-SHA256 of body and the request\'s Date, hex)',
	secret: 'bilFGi4ZVZUdG+C6r0NIM9tuRq6PaG33R3eBUVhLwMAErGBaazvXe4Gq2DcJs5q+',
	other: 'cilFGi4ZVZUdG+C6r0NIM9tuRq6PaG33R3eBUVhLwMAErGBaazvXe4Gq2DcJs5q/',
	body: { payload_version: 1, event_name: 'run:needs_attention', run: { id: 'run-t6v0g8prd9qi2h0', status: 'policy_checked' } },
	sign: ({ secret, body }) => hmac('sha256', secret, [body, date], 'hex'),
	headers: ([signature]) => [['Date', date], ['X-Scalr-Delivery-Id', 'wd-t6v0hrnn58vu4m0'], ['X-Signature', signature]],
	parts: ['Date'],
});
made.write();
