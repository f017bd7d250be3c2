// How Stream signs: verifyAndParseWebhook() of stream-chat 9.53.0, run against these vectors, agrees.
import { gzipSync } from 'node:zlib';
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Stream\'s page "Webhooks overview"',
	secret: 'a1b23cdefgh4ijklmnop5qrstuvw6xyz',
	other: 'anothercdefgh4ijklmnop5qrstuvw6xy',
	body: { type: 'message.new', cid: 'messaging:fun', message: { id: 'dry-hill-0', text: 'Zoë' }, created_at: '2023-11-14T22:13:20Z' },
	extra: [['X-Webhook-Id', '123e4567-e89b-12d3-a456-426614174000'], ['X-Webhook-Attempt', '1'], ['X-Api-Key', 'key']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Signature', signature]],
});

/* Compressed on the way: the signature is over the bytes before that. */
const facts = made.request();
const compressed = gzipSync(facts.body);
const sent = (signature) => [['Content-Type', 'application/json'], ['Content-Encoding', 'gzip'], ['X-Signature', signature]];
made.vector('gzip', { ...facts, body: compressed, headers: sent(facts.right) });
made.vector('refused-gzip-signed-compressed', { ...facts, body: compressed, right: undefined, expect: 'wrong',
	headers: sent(hmac('sha256', 'a1b23cdefgh4ijklmnop5qrstuvw6xyz', compressed, 'hex')) });
made.write();
