// How Ably signs: HMAC-SHA256 of the body with the secret half of the API key, base64, after its page.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'sK3uHvX9rT0kZ8qYb2vLd5eHf';
const other = 'sK3uHvX9rT0kZ8qYb2vLd5eHg';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Ably\'s page "Outbound webhooks overview" (webhook security)',
	secret,
	other,
	key_id: 'aBCdEf.GhIjKl',
	body: { items: [{ webhookId: 'ABcDEf', source: 'channel.message', serial: 'a7bcdEFghIjklm123456789:4', timestamp: 1700000000000,
		name: 'channel.message', data: { channelId: 'chat-channel-4', messages: [{ id: 'ABcDefgHIj:1:0', data: 'a' }] } }] },
	sign: ({ secret: key, body }) => hmac('sha256', key, body, 'base64'),
	headers: (signatures) => [['X-Ably-Signature', signatures[0]], ['X-Ably-Key', 'aBCdEf.GhIjKl']],
});
const made_of = made.request();
made.vector('refused-under-another-key', { ...made_of, right: undefined, expect: 'wrong',
	headers: made_of.headers.map(([name, value]) => [name, name === 'X-Ably-Key' ? 'aBCdEf.MnOpQr' : value]) });
made.write();
