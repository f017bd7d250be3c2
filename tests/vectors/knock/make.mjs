// How Knock signs: HMAC-SHA256 of "t.body", base64, t in milliseconds, after its page.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Knock\'s page "Outbound webhooks"',
	secret: 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7',
	other: 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ8',
	body: { id: 'evt_1', type: 'message.sent', created_at: '2023-11-14T22:13:20.000Z', data: { id: 'msg_1', status: 'sent' } },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'base64'),
	headers: (signatures, { time }) => [['x-knock-signature',
		[`t=${time}`, ...signatures.map((signature) => `s=${signature}`)].join(',')]],
	extra: [['x-knock-event', 'message.sent'], ['x-knock-environment-id', 'e1']],
});
made.write();
