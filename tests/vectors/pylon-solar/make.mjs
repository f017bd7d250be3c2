// How Pylon (getpylon.com) signs, as Hookdeck describes its document.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Hookdeck\'s description of Pylon\'s webhooks (HMAC-SHA256 of "t.body", hex behind "hs256=")',
	secret: 'q8YzH2t1bR5vN0kXw7cJ4mLpS9dFgA3e',
	other: 'r8YzH2t1bR5vN0kXw7cJ4mLpS9dFgA3f',
	body: { data: { type: 'events', id: 'aB3dE5fG7h', attributes: { name: 'web_proposals.signed', created_at: '2023-11-14T22:13:20Z',
		customer_name: 'Zoë' }, relationships: { solar_project: { data: { type: 'solar_projects', id: 'kL9mN1pQ3r' } } } } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: ([signature], { time }) => [['Pylon-Webhook-Signature', `hs256=${signature}`], ['Pylon-Webhook-Timestamp', time],
		['Pylon-Webhook-Version', '2021-07']],
	parts: ['Pylon-Webhook-Timestamp'],
});
made.write();
