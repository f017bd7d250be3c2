// How Flutterwave v4 signs: HMAC-SHA256 of the body with the secret hash, base64.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'My-Flutterwave-Secret-Hash-2023';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Flutterwave\'s page "Webhooks" (v4) as receivers quote it',
	secret,
	other: 'My-Flutterwave-Secret-Hash-2024',
	body: { webhook_id: 'wbk_1', id: 'wbk_ev1', timestamp: 1700000000000, type: 'charge.completed', data: { id: 'chg_1', status: 'succeeded' } },
	sign: ({ secret: key, body }) => hmac('sha256', key, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['flutterwave-signature', signature]),
});
made.vector('refused-the-hash-itself', { headers: [['verif-hash', secret]], body: Buffer.from('{}'), expect: 'missing' });
made.write();
