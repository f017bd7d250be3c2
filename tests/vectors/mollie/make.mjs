// How Mollie signs: SignatureValidator of mollie-api-typescript 1.12.28, run against these vectors, agrees, but
// for bodies that are not UTF-8.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Mollie\'s page "Webhooks: Best practices"',
	secret: 'cdsqfjMRvVNhfmzUC2xqYpDSiUC7kmwe',
	other: 'another',
	body: { resource: 'event', id: 'event_GvJ8WHrp5isUdRub9CJyH', type: 'payment-link.paid', entityId: 'pl_qng5gbbv8NAZ5gpM5ZYgx',
		createdAt: '2023-11-14T22:13:20.0Z' },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	empty: 'wrong',
	headers: ([signature]) => [['X-Mollie-Signature', `sha256=${signature}`]],
});
const facts = made.request();
made.vector('without-prefix', { ...facts, headers: [...facts.headers.slice(0, -1), ['X-Mollie-Signature', facts.right]] });
made.vector('refused-old-webhook', { ...facts, right: undefined, expect: 'missing', body: Buffer.from('id=tr_5B8cwPMGnU6qLbRvo7qEZo'),
	headers: [['Content-Type', 'application/x-www-form-urlencoded']] });
made.write();
