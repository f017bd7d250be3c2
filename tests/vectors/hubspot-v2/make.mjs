// How HubSpot signs (v2): @hubspot/api-client 13.5.0, read; run against these vectors it agrees.
import { catalogue, hash } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @hubspot/api-client 13.5.0 (SHA-256 of secret, method, URL and body, hex)',
	secret: 'yyyyyyyy-yyyy-4yyy-8yyy-yyyyyyyyyyyy',
	other: 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx',
	url: 'https://hooks.example.org/hooks/hubspot-v2',
	body: { objectId: 123, objectTypeId: '0-1', portalId: 62515, callbackId: 'ap-123-456' },
	sign: ({ secret, body, url }) => hash('sha256', [secret, 'POST', url, body], 'hex'),
	headers: ([signature]) => [['X-HubSpot-Signature-Version', 'v2'], ['X-HubSpot-Signature', signature]],
});
made.write();
