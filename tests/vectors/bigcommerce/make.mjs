// How BigCommerce signs: standardwebhooks 1.1.1, given the secret in base64, agrees with these vectors.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after the Standard Webhooks specification, the client secret\'s text as the key',
	secret: 'e7d1c3f5a9b84d6e0f2a4c6e8b0d2f4a6c8e0b2d4f6a8c0e2b4d6f8a0c2e4b6d',
	other: 'another5a9b84d6e0f2a4c6e8b0d2f4a6c8e0b2d4f6a8c0e2b4d6f8a0c2e4b6d',
	body: { store_id: '11111', producer: 'stores/abcde', scope: 'store/order/statusUpdated', data: { type: 'order', id: 173331 },
		hash: '3f9ea420af83450d7ef9f78b08c8af25b2213637', created_at: 1700000000 },
	key: (secret) => secret,
});
made.write();
