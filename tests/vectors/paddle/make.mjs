// How Paddle signs: @paddle/paddle-node-sdk 3.10.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Paddle\'s page "Verify webhook signatures" (h1 is HMAC-SHA256 of "ts:body", hex)',
	secret: 'pdl_ntfset_01gkdqys4qagc7z4jxq2r0z0jd_nqnSW8Pwl8y1Yc4k5pTqv0w2e7gB3sRk',
	other: 'pdl_ntfset_01gkdqys4qagc7z4jxq2r0z0jd_another0Pwl8y1Yc4k5pTqv0w2e7gB3s',
	body: { event_id: 'evt_01h0', event_type: 'transaction.completed', occurred_at: '2023-11-14T22:13:20Z',
		notification_id: 'ntf_01h0', data: { id: 'txn_01h0', status: 'completed' } },
	time: (seconds) => String(seconds),
	tolerance: 5,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}:`, body], 'hex'),
	headers: (signatures, { time }) => [['Paddle-Signature',
		`ts=${time};` + signatures.map((signature) => `h1=${signature}`).join(';')]],
	several: true,
});
made.write();
