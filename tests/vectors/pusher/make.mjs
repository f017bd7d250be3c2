// How Pusher signs: webhook().isValid() of pusher 5.3.4, run against these vectors, agrees, but for bodies that are
// not UTF-8.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Pusher\'s page "Webhooks", "Security"',
	secret: 'tofu',
	other: 'another',
	body: { time_ms: 1700000000000, events: [{ name: 'channel_occupied', channel: 'test_channel' }] },
	extra: [['X-Pusher-Key', '123456789']],
	key_id: '123456789',
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Pusher-Signature', signature]],
});

/* A secret that is not under this key's name is not tried. */
const facts = made.request();
made.vector('refused-other-key', { ...facts, right: undefined, expect: 'wrong',
	headers: facts.headers.map(([name, value]) => [name, name === 'X-Pusher-Key' ? '987654321' : value]) });
made.write();
