// How Twitch signs EventSub messages, after its page "Handling Webhook Events".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Twitch\'s "Handling Webhook Events" (HMAC-SHA256 of message id, timestamp and body, hex)',
	secret: 's3cRe7-of-10-to-100-characters',
	other: 's3cRe7-of-11-to-100-characters',
	body: { subscription: { id: 'f1c2a387-161a-49f9-a165-0f21d7a4e1c4', status: 'enabled', type: 'channel.follow', version: '2', cost: 0,
		condition: { broadcaster_user_id: '12826' }, transport: { method: 'webhook', callback: 'https://example.com/webhooks/callback' },
		created_at: '2019-11-16T10:11:12.634234626Z' }, event: { user_id: '1337', user_login: 'awesome_user', broadcaster_user_id: '12826' } },
	id: 'e76c6bd4-55c9-4987-8304-da1588d8988b',
	time: (seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', '.000000000Z'),
	tolerance: 600,
	future: 600,
	sign: ({ secret, body, time, id }) => hmac('sha256', secret, [id, time, body], 'hex'),
	headers: ([signature], { time, id }) => [['Twitch-Eventsub-Message-Id', id], ['Twitch-Eventsub-Message-Retry', '0'],
		['Twitch-Eventsub-Message-Type', 'notification'], ['Twitch-Eventsub-Message-Signature', `sha256=${signature}`],
		['Twitch-Eventsub-Message-Timestamp', time], ['Twitch-Eventsub-Subscription-Type', 'channel.follow'],
		['Twitch-Eventsub-Subscription-Version', '2']],
	parts: ['Twitch-Eventsub-Message-Id', 'Twitch-Eventsub-Message-Timestamp'],
});
/* The border between id and time is not marked: moved by one character, it must not pass. */
const moved = made.request();
made.vector('refused-border-moved', { ...moved, right: undefined, expect: 'malformed', headers: moved.headers.map(([name, value]) =>
	[name, name === 'Twitch-Eventsub-Message-Id' ? `${value}2` : name === 'Twitch-Eventsub-Message-Timestamp' ? value.slice(1) : value]) });
made.write();
