// How Paystack signs: HMAC-SHA512 of the body with the API secret key, hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after what Paystack\'s samples do (sha512, hex), over the raw body',
	secret: 'sk_test_73bb2550bdfe2ccaf1369ea167ece47ab06d7df9',
	other: 'sk_test_73bb2550bdfe2ccaf1369ea167ece47ab06d7dfa',
	body: { event: 'charge.success', data: { id: 302961, reference: 'qTPrJoy9Bx', status: 'success', amount: 10000 } },
	sign: ({ secret, body }) => hmac('sha512', secret, body, 'hex'),
	headers: (signatures) => signatures.map((signature) => ['x-paystack-signature', signature]),
});
made.write();
