// How Webflow signs: webflow-api 3.3.4, read; run against these vectors it agrees (it leaves the time to its user).
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after webflow-api 3.3.4 (HMAC-SHA256 of "t:body", hex; t in milliseconds)',
	secret: 'b5c1f4a30d4c7cd2a9d4f3b9d7be4b1a5c0c2c0e4c8f7a8a6dc9a1b9a7e5d3c1',
	other: 'c5c1f4a30d4c7cd2a9d4f3b9d7be4b1a5c0c2c0e4c8f7a8a6dc9a1b9a7e5d3c2',
	body: { triggerType: 'form_submission', payload: { name: 'Contact us', siteId: '65427cf400e02b306eaa049c', data: { 'First Name': 'Zaphod' } } },
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}:`, body], 'hex'),
	headers: ([signature], { time }) => [['x-webflow-timestamp', time], ['x-webflow-signature', signature]],
	parts: ['x-webflow-timestamp'],
});
made.write();
