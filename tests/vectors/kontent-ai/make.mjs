// How Kontent.ai signs: HMAC-SHA256 of the body, base64. @kontent-ai/webhook-helper 3.0.3, read; run against these it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @kontent-ai/webhook-helper 3.0.3 (getHashFromString)',
	secret: 'Y2gXhVZ8u3kQm1pR7sT0wNcLd5eHfJaBx4yK6zE9oI=',
	other: 'Y2gXhVZ8u3kQm1pR7sT0wNcLd5eHfJaBx4yK6zE9oJ=',
	body: { notifications: [{ data: { system: { id: 'e113e464', name: 'Coffee', codename: 'coffee' } },
		message: { environment_id: 'b259760f', object_type: 'content_item', action: 'published', delivery_slot: 'published' } }] },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['X-Kontent-ai-Signature', signature]),
});
made.write();
