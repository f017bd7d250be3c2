// How Airwallex signs, after its page "Listen for webhook events" and its code examples.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Airwallex\'s "Listen for webhook events" (HMAC-SHA256 of x-timestamp and body, hex; t in milliseconds)',
	secret: 'whsec_Y2kAXE5nQ0y7RZ6sVJz8bQ3uT1pL9mDc',
	other: 'whsec_Z2kAXE5nQ0y7RZ6sVJz8bQ3uT1pL9mDd',
	body: { id: 'evt_hkdm7r9k5gkd1l9l9yv', name: 'payment_intent.succeeded', account_id: 'acct_jzjZ8C1bMl6Kzf3T', version: '2023-10-01',
		data: { object: { id: 'int_hkdmr7v9rg1j58ky8re', amount: 10.01, currency: 'USD' } }, created_at: '2023-11-14T22:13:20+0000' },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [time, body], 'hex'),
	headers: ([signature], { time }) => [['x-timestamp', time], ['x-signature', signature]],
	parts: ['x-timestamp'],
});
made.write();
