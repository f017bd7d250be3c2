// How NMI signs: HMAC-SHA256 of "t.body", hex; t is a nonce.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after NMI\'s page "Webhooks" as receivers quote it',
	secret: '2F8A6C1E9B7D4F035A6C8E1029384756',
	other: '2F8A6C1E9B7D4F035A6C8E1029384757',
	body: { event_id: '0c8f2e4a', event_type: 'transaction.sale.success', event_body: { transaction_id: '1', amount: '1.00' } },
	time: () => 'f3c1e9a2b7d84c15',
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['Webhook-Signature',
		[`t=${time}`, ...signatures.map((signature) => `s=${signature}`)].join(',')]],
});
made.write();
