// How Smartcar signs: verifyPayload() of smartcar 10.4.0, run against these vectors, agrees for compact JSON.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Smartcar\'s page "Payload verification"',
	secret: '98e4ee5b-2a7b-4a2b-8ae4-8d8b0b4e7a9c',
	other: 'another5b-2a7b-4a2b-8ae4-8d8b0b4e7a9c',
	body: { eventId: 'ad0a3f2c-1b4e-4e0f-8b7e-2b1a5c6d7e8f', eventType: 'VEHICLE_STATE', data: { vehicle: { id: 'v1' }, signals: [] },
		meta: { version: '4.0', webhookId: 'w1' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['SC-Signature', signature]],
});
made.write();
