// How Razorpay signs: validateWebhookSignature() of razorpay 2.9.8, run against these vectors, agrees, but for
// bodies that are not UTF-8.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Razorpay\'s page "Validate and test webhooks"',
	secret: 'webhook secret',
	other: 'another secret',
	body: { entity: 'event', account_id: 'acc_BFQ7uQEaa7j2z7', event: 'payment.captured', contains: ['payment'],
		payload: { payment: { entity: { id: 'pay_DESlfW9H8K9uqM', amount: 100 } } }, created_at: 1700000000 },
	extra: [['X-Razorpay-Event-Id', 'LiNlWtvsCXzLgh']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Razorpay-Signature', signature]],
});
made.write();
