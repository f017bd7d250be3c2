// How Grafana signs when a timestamp header is set: HMAC-SHA256 of "time:body", in hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Grafana\'s page "Configure webhook notifications": HMAC(timestamp + ":" + body)',
	secret: 'grafana secret',
	other: 'another secret',
	body: { receiver: 'My Super Webhook', status: 'firing', orgId: 1, alerts: [{ status: 'firing', labels: { alertname: 'High memory' } }] },
	time: String,
	tolerance: 300,
	future: 300,
	parts: ['X-Grafana-Alerting-Timestamp'],
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}:`, body], 'hex'),
	headers: ([signature], { time }) => [['X-Grafana-Alerting-Timestamp', time], ['X-Grafana-Alerting-Signature', signature]],
});
const facts = made.request();
made.vector('refused-body-alone', { ...facts, right: undefined, expect: 'wrong', headers: [...facts.headers.slice(0, -1),
	['X-Grafana-Alerting-Signature', hmac('sha256', 'grafana secret', facts.body, 'hex')]] });
made.write();
