// How GoCardless signs: parse() of gocardless-nodejs 10.1.2, run against these vectors, agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after GoCardless\'s page "Webhooks"',
	secret: 'ED7D658C-D8EB-4941-948B-3973214F2D49',
	other: 'another8C-D8EB-4941-948B-3973214F2D49',
	body: { events: [{ id: 'EV00BD05S5VM2T', created_at: '2023-11-14T22:13:20.404Z', resource_type: 'subscriptions', action: 'created',
		links: { subscription: 'SB0003JJQ2MR06' } }], meta: { webhook_id: 'WB0002JJQ2MR06' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['Webhook-Signature', signature]],
});
made.write();
