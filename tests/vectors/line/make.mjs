// How LINE signs: HMAC-SHA256 of the body, base64. @line/bot-sdk 11.0.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after LINE\'s page "Verify webhook signature"',
	secret: '8c570fa6dd201bb328f1c1eac23a96d8',
	other: '8c570fa6dd201bb328f1c1eac23a96d9',
	body: { destination: 'U8e742f61d673b39c7fff3cecb7536ef0', events: [{ type: 'message', webhookEventId: '01FZ74A0TDDPYRVKNK77XKC3ZR',
		deliveryContext: { isRedelivery: false }, timestamp: 1700000000000, mode: 'active' }] },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['x-line-signature', signature]),
});
// The SDK decodes with Node's lax decoder and takes this.
const longer = made.request();
longer.headers = longer.headers.map(([name, value]) => [name, value === longer.right ? `${value}AB` : value]);
made.vector('refused-two-characters-behind', { ...longer, right: undefined, expect: 'wrong' });
made.write();
