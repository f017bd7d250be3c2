// How Alertmanager proves itself: http_config's authorization (RFC 6750) or basic_auth (RFC 7617).
import { catalogue } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Alertmanager\'s configuration page, http_config; RFC 6750 and RFC 7617',
	secret: 'mF_9.B5f-4.1JqM',
	other: 'another.f-4.1Jq',
	body: { version: '4', groupKey: '{}:{alertname="ProbeFailure"}', truncatedAlerts: 0, status: 'firing', receiver: 'hook',
		groupLabels: { alertname: 'ProbeFailure' }, externalURL: 'http://prometheus.example.org:9093',
		alerts: [{ status: 'firing', labels: { alertname: 'ProbeFailure' }, fingerprint: '1a30ba71cca2921f' }] },
	sign: ({ secret }) => secret,
	headers: ([token]) => [['Authorization', `Bearer ${token}`]],
});
const basic = (text) => ({ ...made.request(), secrets: ['prometheus:open sesame'],
	headers: [['Content-Type', 'application/json'], ['Authorization', `Basic ${Buffer.from(text).toString('base64')}`]] });
made.vector('basic', { ...basic('prometheus:open sesame'), right: Buffer.from('prometheus:open sesame').toString('base64') });
made.vector('refused-basic', { ...basic('prometheus:open'), right: undefined, expect: 'wrong' });
made.vector('refused-basic-password-as-bearer', { ...basic(''), right: undefined, expect: 'wrong',
	headers: [['Authorization', 'Bearer open sesame']] });
made.write();
