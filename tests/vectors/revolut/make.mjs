// How Revolut signs, after its page "Verify the payload signature".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Revolut\'s "Verify the payload signature" (HMAC-SHA256 of "v1.t.body", hex; t in milliseconds)',
	secret: 'wsk_r59a4HfWVAKycbCaNO1RvgCJec02gRd8',
	other: 'wsk_s59a4HfWVAKycbCaNO1RvgCJec02gRd9',
	body: { event: 'ORDER_COMPLETED', order_id: '9fc01989-3f61-4484-a5d9-ffe768531be9', merchant_order_ext_ref: 'Test #3928' },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`v1.${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['Revolut-Request-Timestamp', time],
		['Revolut-Signature', signatures.map((signature) => `v1=${signature}`).join(',')]],
	several: true,
	beside: (signature, { time }) => [['Revolut-Request-Timestamp', time], ['Revolut-Signature', `v2=${'0'.repeat(64)},v1=${signature}`]],
	parts: ['Revolut-Request-Timestamp'],
});
made.write();
