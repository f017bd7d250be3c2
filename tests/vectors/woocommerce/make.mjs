// How WooCommerce signs: base64 of HMAC-SHA256 of the body, after WC_Webhook::generate_signature().
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after WooCommerce\'s class-wc-webhook.php (generate_signature)',
	secret: 'Xk&2"s9<Qe7>vT1m$Wb3kRz7',
	other: 'Xk&2"s9<Qe7>vT1m$Wb3kRz8',
	body: { id: 727, status: 'processing', total: '29.35', billing: { first_name: 'John' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['X-WC-Webhook-Signature', signature]),
	extra: [['X-WC-Webhook-Source', 'https://shop.example/'], ['X-WC-Webhook-Topic', 'order.created'],
		['X-WC-Webhook-ID', '5'], ['X-WC-Webhook-Delivery-ID', 'c2f1d0a7e4b93586']],
});
made.write();
