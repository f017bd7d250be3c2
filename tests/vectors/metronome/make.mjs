// How Metronome signs: @metronome/sdk 3.10.0, read; run against these vectors it agrees (not with the older Date).
import { catalogue, hmac } from '../vectors.mjs';

const given = {
	source: 'Node\'s crypto after @metronome/sdk 3.10.0 (HMAC-SHA256 of date, line feed, body, hex; the date as in X-Metronome-Date)',
	secret: 'correct-horse-battery-staple-just-kidding',
	other: 'incorrect-horse-battery-staple-just-kidding',
	body: { id: '2f6f4d1c-1f5d-4b6f-9d2c-7e9f1a3b5c7d', type: 'alerts.low_credit_balance_reached',
		properties: { customer_id: '4db51251-61de-4bfe-b9ce-495e244f3491', threshold: 1000 } },
	time: (seconds) => new Date(seconds * 1000).toUTCString(),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}\n`, body], 'hex'),
	headers: ([signature], { time }) => [['X-Metronome-Date', time], ['Metronome-Webhook-Signature', signature]],
	parts: ['X-Metronome-Date'],
};
const made = catalogue(import.meta.url, given);
const older = made.request();
made.vector('date', { ...older, headers: older.headers.map(([name, value]) =>
	[name === 'X-Metronome-Date' ? 'Date' : name, value]) });
made.write();
