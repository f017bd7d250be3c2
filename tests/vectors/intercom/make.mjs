// How Intercom signs: "sha1=" and HMAC-SHA1 of the body with the client secret, hex.
import { catalogue, hmac } from '../vectors.mjs';

const secret = '7c1f0e9b-3d5a-4826-9f7e-1c0b2d4a6f83';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Intercom\'s page "Webhooks" as receivers quote it',
	secret,
	other: '7c1f0e9b-3d5a-4826-9f7e-1c0b2d4a6f84',
	body: { type: 'notification_event', app_id: 'abc123', id: 'notif_01HABCDEFG', topic: 'conversation.user.created',
		delivery_attempts: 1, data: { type: 'notification_event_data', item: { type: 'conversation', id: '12345' } } },
	sign: ({ secret: key, body }) => hmac('sha1', key, body, 'hex'),
	headers: (signatures) => signatures.map((signature) => ['X-Hub-Signature', `sha1=${signature}`]),
});
const body = Buffer.from('{}');
made.vector('refused-sha256', { headers: [['X-Hub-Signature', `sha256=${hmac('sha256', secret, body, 'hex')}`]], body, expect: 'malformed' });
made.write();
