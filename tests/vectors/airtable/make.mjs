// How Airtable signs: HMAC-SHA256 of the body in hex, the key decoded from base64.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Airtable\'s page "Webhooks overview" (pyairtable does the same)',
	secret: 'VGhpcyBpcyBhIHNlY3JldCBrZXkgb2YgMzIgYnl0ZXM=',
	other: 'QW5vdGhlciBzZWNyZXQga2V5IG9mIDMyIGJ5dGVzLi4u',
	body: { base: { id: 'app00000000000000' }, webhook: { id: 'ach00000000000000' }, timestamp: '2023-11-14T22:13:20.000Z' },
	sign: ({ secret, body }) => hmac('sha256', Buffer.from(secret, 'base64'), body, 'hex'),
	headers: ([signature]) => [['X-Airtable-Content-MAC', `hmac-sha256=${signature}`]],
});
const facts = made.request();
made.vector('refused-secret-as-text', { ...facts, right: undefined, expect: 'wrong', headers: [...facts.headers.slice(0, -1),
	['X-Airtable-Content-MAC', `hmac-sha256=${hmac('sha256', 'VGhpcyBpcyBhIHNlY3JldCBrZXkgb2YgMzIgYnl0ZXM=', facts.body, 'hex')}`]] });
made.write();
