// How HubSpot signs (v1): @hubspot/api-client 13.5.0, read; run against these vectors it agrees.
import { catalogue, hash } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @hubspot/api-client 13.5.0 (SHA-256 of secret and body, hex)',
	secret: 'yyyyyyyy-yyyy-4yyy-8yyy-yyyyyyyyyyyy',
	other: 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx',
	body: [{ eventId: 1, subscriptionId: 12345, portalId: 62515, occurredAt: 1700000000000, subscriptionType: 'contact.creation',
		attemptNumber: 0, objectId: 123, changeSource: 'CRM', changeFlag: 'NEW' }],
	sign: ({ secret, body }) => hash('sha256', [secret, body], 'hex'),
	headers: ([signature]) => [['X-HubSpot-Signature-Version', 'v1'], ['X-HubSpot-Signature', signature]],
});
made.write();
