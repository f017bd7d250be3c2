// How Fingerprint signs: v1= and HMAC-SHA256 of the body, hex. @fingerprint/node-sdk 7.7.1, read; run against these it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @fingerprint/node-sdk 7.7.1 (isValidWebhookSignature)',
	secret: 'whs_8f3Jk2LmQ9xTz4Vb',
	other: 'whs_8f3Jk2LmQ9xTz4Vc',
	body: { event_id: '1700000000000.rS5mF0', timestamp: 1700000000000, identification: { visitor_id: '3HNey93AkBW6CRbxV6xP' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: (signatures) => [['FPJS-Event-Signature', signatures.map((signature) => `v1=${signature}`).join(',')]],
	several: true,
	beside: (signature) => [['FPJS-Event-Signature', `v2=${'0'.repeat(64)},v1=${signature}`]],
});
made.write();
