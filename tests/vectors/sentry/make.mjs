// How Sentry signs: HMAC-SHA256 of the body, in hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Sentry\'s page "Webhooks", "Verifying the signature"',
	secret: '2c1f9f0d8a7b6c5e4d3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d',
	other: 'another',
	body: { action: 'created', installation: { uuid: 'a8e5d37a-696c-4c54-adb5-b3f28d64c7de' }, data: { issue: { id: '1170820242' } },
		actor: { type: 'application', id: 'sentry', name: 'Sentry' } },
	extra: [['Sentry-Hook-Resource', 'issue'], ['Sentry-Hook-Timestamp', '1700000000'], ['Request-ID', '7c6f0c1e']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['Sentry-Hook-Signature', signature]],
});
made.write();
