// How Onfido signs: WebhookEventVerifier of @onfido/api 6.2.0, run against these vectors, agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Onfido\'s API reference, "Verifying webhook signatures"',
	secret: '_ABC123abc123ABC123abc123ABC123_',
	other: '_another3abc123ABC123abc123ABC12_',
	body: { payload: { resource_type: 'check', action: 'check.completed', object: { id: 'check-123', status: 'complete',
		completed_at_iso8601: '2023-11-14T22:13:20Z', href: 'https://api.onfido.com/v3/checks/check-123' } } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-SHA2-Signature', signature]],
});
made.write();
