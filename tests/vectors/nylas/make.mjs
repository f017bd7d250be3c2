// How Nylas signs: HMAC-SHA256 of the bytes as they are sent, in hex.
import { gzipSync } from 'node:zlib';
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Nylas\'s page "Using webhooks with Nylas"',
	secret: 'K3rYyLm5dQw8nT2vB7xZ1cF4hJ6gP9sA',
	other: 'anotherm5dQw8nT2vB7xZ1cF4hJ6gP9s',
	body: { specversion: '1.0', type: 'message.created', source: '/google/emails/realtime', id: 'mock-id', time: 1700000000,
		webhook_delivery_attempt: 1, data: { object: { id: 'm1' } } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Nylas-Signature', signature]],
});

/* Compressed: the signature is over the bytes that are sent. */
const facts = made.request();
const compressed = gzipSync(facts.body);
const sent = (signature) => [['Content-Type', 'application/json'], ['Content-Encoding', 'gzip'], ['X-Nylas-Signature', signature]];
const right = hmac('sha256', 'K3rYyLm5dQw8nT2vB7xZ1cF4hJ6gP9sA', compressed, 'hex');
made.vector('gzip', { ...facts, body: compressed, right, headers: sent(right) });
made.vector('refused-gzip-signed-plain', { ...facts, body: compressed, right: undefined, expect: 'wrong', headers: sent(facts.right) });
made.write();
