// How HubSpot signs (v3): @hubspot/api-client 13.5.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @hubspot/api-client 13.5.0 (HMAC-SHA256 of method, URL, body and timestamp, base64; t in milliseconds)',
	secret: 'yyyyyyyy-yyyy-4yyy-8yyy-yyyyyyyyyyyy',
	other: 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx',
	url: 'https://hooks.example.org/hooks/hubspot',
	body: [{ eventId: 1, subscriptionId: 12345, portalId: 62515, occurredAt: 1700000000000, subscriptionType: 'contact.creation',
		attemptNumber: 0, objectId: 123, changeSource: 'CRM', changeFlag: 'NEW' }],
	time: (seconds) => String(seconds * 1000),
	tolerance: 300,
	sign: ({ secret, body, time, url }) => hmac('sha256', secret, ['POST', url, body, time], 'base64'),
	headers: ([signature], { time }) => [['X-HubSpot-Signature-v3', signature], ['X-HubSpot-Request-Timestamp', time]],
	parts: ['X-HubSpot-Request-Timestamp'],
});
made.write();
