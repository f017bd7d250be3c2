// How Synctera signs, as Hookdeck describes its document. Two signatures have a dot between them.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Hookdeck\'s description of Synctera\'s webhooks guide (HMAC-SHA256 of "t.body", hex)',
	secret: 'a3f1c2d4e5b6978812345678abcdef00112233445566778899aabbccddeeff00',
	other: 'b3f1c2d4e5b6978812345678abcdef00112233445566778899aabbccddeeff01',
	body: { id: '1f9a1f0e-6e0e-4b0f-9a55-3d8c2a0b6c1d', type: 'ACCOUNT.UPDATED', event_time: '2023-11-14T22:13:20Z',
		event_resource: '{"id":"c1d2"}', webhook_id: '5b7d0b1a-3c7e-4a55-8f6d-1b2c3d4e5f60' },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['Synctera-Signature', signatures.join('.')], ['Request-Timestamp', time]],
	several: true,
	parts: ['Request-Timestamp'],
});
made.write();
