// How Zendesk signs, after its page "Verifying webhook authenticity".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Zendesk\'s "Verifying webhook authenticity" (HMAC-SHA256 of timestamp and body, base64)',
	secret: 'dGhpc19pc190aGVfc2VjcmV0X2Zvcl9hX3dlYmhvb2s=',
	other: 'dGhpc19pc19hbm90aGVyX3NlY3JldF9mb3JfYV9ob29r',
	body: { account_id: 22129848, id: '2b24ef10-19c4-4777-93ff-a2b4a1e9a24b', type: 'zen:event-type:ticket.created',
		time: '2023-11-14T22:13:19Z', zendesk_event_version: '2022-11-06', detail: { id: '35436' } },
	time: (seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [time, body], 'base64'),
	headers: ([signature], { time }) => [['X-Zendesk-Webhook-Signature', signature], ['X-Zendesk-Webhook-Signature-Timestamp', time]],
	extra: [['X-Zendesk-Account-Id', '22129848'], ['X-Zendesk-Webhook-Id', '01GEB3ZXMQ8TGK6ZVDQPK0MKJ2'],
		['X-Zendesk-Webhook-Invocation-Id', '01GEB40DPGXFVWCKP8TYVWFMS3']],
	parts: ['X-Zendesk-Webhook-Signature-Timestamp'],
});
made.write();
