// How Grafana signs when no timestamp header is set: HMAC-SHA256 of the body, in hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Grafana\'s page "Configure webhook notifications", "HMAC signature"',
	secret: 'grafana secret',
	other: 'another secret',
	body: { receiver: 'My Super Webhook', status: 'firing', orgId: 1, alerts: [{ status: 'firing', labels: { alertname: 'High memory' } }] },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Grafana-Alerting-Signature', signature]],
});
made.write();
