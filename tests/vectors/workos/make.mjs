// How WorkOS signs: HMAC-SHA256 of "t.body", hex, t in milliseconds, a blank behind the comma. @workos-inc/node 8.13.0, read; run against these it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @workos-inc/node 8.13.0 (webhooks.verifyHeader)',
	secret: 'uH5xQeRk8sYv1nTz0bWm3cLd7gJf2aPi',
	other: 'uH5xQeRk8sYv1nTz0bWm3cLd7gJf2aPj',
	body: { id: 'wh_123', event: 'dsync.user.created', created_at: '2023-11-14T22:13:20.000Z', data: { id: 'directory_user_1', state: 'active' } },
	time: (seconds) => String(seconds * 1000),
	tolerance: 180,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['WorkOS-Signature', `t=${time}, v1=${signatures[0]}`]],
});
made.write();
