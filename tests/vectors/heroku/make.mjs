// How Heroku signs: HMAC-SHA256 of the body, base64.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Heroku\'s page "App Webhooks" as receivers quote it',
	secret: '72d9e7a5c1b04f38ae6f92b0d4c7138e',
	other: '72d9e7a5c1b04f38ae6f92b0d4c7138f',
	body: { id: 'f3a1', action: 'update', resource: 'release', data: { app: { name: 'example' }, status: 'succeeded' },
		webhook_metadata: { attempt: { id: 'a1' }, delivery: { id: 'd1' }, event: { id: 'f3a1', include: 'api:release' } } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['Heroku-Webhook-Hmac-SHA256', signature]),
});
made.write();
