// How Tally signs: HMAC-SHA256 of the body, base64.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Tally\'s page "Webhooks" as receivers quote it',
	secret: '9c2b7b1e-5a0f-4d57-8f43-1e6f0b8c2d74',
	other: '9c2b7b1e-5a0f-4d57-8f43-1e6f0b8c2d75',
	body: { eventId: 'a4cb511e', eventType: 'FORM_RESPONSE', createdAt: '2023-11-14T22:13:20.000Z',
		data: { responseId: '2wgx4n', formId: 'VwbNEw', fields: [] } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['Tally-Signature', signature]),
});
made.write();
