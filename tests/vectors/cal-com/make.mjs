// How Cal.com signs: createWebhookSignature() in packages/features/webhooks/lib/sendPayload.ts of its source, read.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Cal.com\'s createWebhookSignature()',
	secret: 'cal secret',
	other: 'another secret',
	body: { triggerEvent: 'BOOKING_CREATED', createdAt: '2023-11-14T22:13:20.538Z', payload: { uid: 'bFJeNb2uX8ANpT3JL5EfXw', title: 'Zoë' } },
	extra: [['X-Cal-Webhook-Version', '2021-10-20']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Cal-Signature-256', signature]],
});
const facts = made.request();
made.vector('refused-no-secret-provided', { ...facts, right: undefined, expect: 'wrong',
	headers: [...facts.headers.slice(0, -1), ['X-Cal-Signature-256', 'no-secret-provided']] });
made.write();
