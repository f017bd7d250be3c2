// How PagerDuty signs: v1= and HMAC-SHA256 of the body, hex, one for each secret, after its page.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after PagerDuty\'s page "Verifying Signatures"',
	secret: 'zAv7xGkTd4QHsb1TtVZ8wLmR0nYp3cUe6iXoJqFf2yKhWgB5',
	other: 'zAv7xGkTd4QHsb1TtVZ8wLmR0nYp3cUe6iXoJqFf2yKhWgB6',
	body: { event: { id: '5ac64822', event_type: 'incident.triggered', resource_type: 'incident',
		occurred_at: '2023-11-14T22:13:20.000Z', data: { id: 'PGR0VU2', type: 'incident' } } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: (signatures) => [['X-PagerDuty-Signature', signatures.map((signature) => `v1=${signature}`).join(',')]],
	several: true,
	beside: (signature) => [['X-PagerDuty-Signature', `v2=${'0'.repeat(64)},v1=${signature}`]],
	extra: [['X-Webhook-Id', '39a1b0c2'], ['X-Webhook-Subscription', 'PWHSUB1']],
});
const v2 = made.request();
made.vector('refused-only-v2', { ...v2, right: undefined, expect: 'malformed',
	headers: v2.headers.map(([name, value]) => [name, value.replace('v1=', 'v2=')]) });
made.write();
