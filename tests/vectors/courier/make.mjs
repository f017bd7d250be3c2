// How Courier signs: HMAC-SHA256 of "t.body", hex, t in milliseconds.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Courier\'s page "Outbound webhooks" as receivers quote it',
	secret: 'cwh_8f3Jk2LmQ9xTz4VbN6rPsY1dWgHe',
	other: 'cwh_8f3Jk2LmQ9xTz4VbN6rPsY1dWgHf',
	body: { type: 'message:updated', data: { id: '1-5f3d', status: 'DELIVERED', recipient: 'u1' } },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['courier-signature',
		[`t=${time}`, ...signatures.map((signature) => `signature=${signature}`)].join(',')]],
});
made.write();
