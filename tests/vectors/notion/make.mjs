// How Notion signs: signWebhookPayload() of @notionhq/client 5.26.0, run against these vectors, agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Notion\'s page "Webhooks", "Validating events"',
	secret: 'secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl',
	other: 'secret_another1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl',
	body: { id: '367cba44-b6f3-4c92-81e7-6a2e9659efd4', timestamp: '2023-11-14T22:13:20.000Z', type: 'page.created', attempt_number: 1,
		entity: { id: '153104cd-477e-809d-8dc4-ff2d96ae3090', type: 'page' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Notion-Signature', `sha256=${signature}`]],
});
made.write();
