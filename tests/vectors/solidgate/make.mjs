// How Solidgate signs, after its page "Access to API". The base64 is of the hex text.
import { catalogue, hmac } from '../vectors.mjs';

const public_key = 'wh_pk_7b197f0c9a8e4d5b96a1c2d3e4f50617', secret = 'wh_sk_0a1b2c3d4e5f60718293a4b5c6d7e8f9';
const base64_of_hex = (hex) => Buffer.from(hex).toString('base64');
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Solidgate\'s "Access to API" (HMAC-SHA512 of public key, body, public key; the base64 of its hex)',
	secret,
	other: 'wh_sk_1a1b2c3d4e5f60718293a4b5c6d7e8f8',
	parameters: [`public_key=${public_key}`],
	body: { order: { order_id: '1001', status: 'settle_ok', amount: 1020, currency: 'USD' } },
	sign: ({ secret, body }) => base64_of_hex(hmac('sha512', secret, [public_key, body, public_key], 'hex')),
	headers: ([signature]) => [['merchant', public_key], ['signature', signature], ['solidgate-event-type', 'card_gate.order.updated'],
		['solidgate-event-id', '0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d']],
});
const sample = made.request();
made.vector('refused-base64-of-the-bytes', { ...made.request({ signature: hmac('sha512', secret, [public_key, sample.body, public_key], 'base64') }),
	right: undefined, expect: 'wrong' });
made.vector('refused-other-public-key', { ...sample, right: undefined, parameters: ['public_key=wh_pk_8b197f0c9a8e4d5b96a1c2d3e4f50617'], expect: 'wrong' });
made.write();
