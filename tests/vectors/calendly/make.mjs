// How Calendly signs: HMAC-SHA256 of "t.body", hex, after its page.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Calendly\'s page "Webhook Signatures"',
	secret: '5mEzn9C-I28UtwOjZJtFoob0sAAFZ95GbZkqj4y3i0I',
	other: '5mEzn9C-I28UtwOjZJtFoob0sAAFZ95GbZkqj4y3i0J',
	body: { event: 'invitee.created', created_at: '2023-11-14T22:13:20.000000Z', created_by: 'https://api.calendly.com/users/AAAA',
		payload: { email: 'a@example.com', uri: 'https://api.calendly.com/scheduled_events/E/invitees/I' } },
	time: (seconds) => String(seconds),
	tolerance: 180,
	future: 180,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['Calendly-Webhook-Signature',
		[`t=${time}`, ...signatures.map((signature) => `v1=${signature}`)].join(',')]],
});
made.write();
