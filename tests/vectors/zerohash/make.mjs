// How Zero Hash signs, after its page "Webhook Security".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Zero Hash\'s "Webhook Security" (HMAC-SHA256 of body and timestamp, hex; t in milliseconds)',
	secret: 'zh-webhook-secret-7d1f0c9b8a6e5d4c',
	other: 'zh-webhook-secret-8d1f0c9b8a6e5d4d',
	body: { trade_id: 'b7c2f4e0-1d3a-4b6c-8e9f-0a1b2c3d4e5f', status: 'terminated', symbol: 'BTC/USD' },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [body, time], 'hex'),
	headers: ([signature], { time }) => [['x-zh-hook-payload-type', 'trade_status_changed'],
		['x-zh-hook-notification-id', '0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d'], ['x-zh-hook-timestamp', time], ['x-zh-hook-signature', signature]],
	parts: ['x-zh-hook-timestamp'],
});
/* The signature that covers no time, under the name of the one that does. */
const bare = made.request();
made.vector('refused-without-the-time-signed', { ...made.request({ signature: hmac('sha256', 'zh-webhook-secret-7d1f0c9b8a6e5d4c', bare.body, 'hex') }),
	right: undefined, expect: 'wrong' });
made.write();
