// How Linear signs: LinearWebhookClient.verify() of @linear/sdk 98.0.0, run against these vectors, agrees.
import { catalogue, hmac } from '../vectors.mjs';

const body = (more) => JSON.stringify({ action: 'create', type: 'Issue', createdAt: '2023-11-14T22:13:20.000Z',
	data: { id: '2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9', title: 'Zoë' }, webhookId: '000042e3-d123-4980-b49f-8e140eef9329', ...more });
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Linear\'s page "Webhooks", "Securing webhooks"',
	secret: 'lin_wh_0123456789abcdefghijklmnopqrstuvwxyz',
	other: 'lin_wh_another6789abcdefghijklmnopqrstuvwxyz',
	body: body({ webhookTimestamp: 1700000000000 }),
	bodies: false,
	time: () => '1700000000000',
	tolerance: 60,
	future: 60,
	extra: [['Linear-Event', 'Issue'], ['Linear-Delivery', '234d1a4e-b617-4388-90fe-adc3633d6b72']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['Linear-Signature', signature]],
});
/* The header says "now", the signed body an hour ago. */
const stale = made.request({ body: Buffer.from(body({ webhookTimestamp: 1699996400000 })) });
made.vector('refused-time-of-the-header', { ...stale, right: undefined, expect: 'expired',
	headers: [...stale.headers, ['Linear-Timestamp', '1700000000000']] });
made.vector('refused-no-time', { ...made.request({ body: Buffer.from(body({})) }), right: undefined, expect: 'missing' });
made.write();
