// How Paystack signs: HMAC-SHA512 of the body with the API secret key, hex.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'sk_test_73bb2550bdfe2ccaf1369ea167ece47ab06d7df9';
const other = 'sk_test_73bb2550bdfe2ccaf1369ea167ece47ab06d7dfa';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after what Paystack\'s samples do (sha512, hex), over the raw body',
	secret,
	other,
	body: { event: 'charge.success', data: { id: 302961, reference: 'qTPrJoy9Bx', status: 'success', amount: 10000 } },
	sign: ({ secret: key, body }) => hmac('sha512', key, body, 'hex'),
	headers: (signatures) => signatures.map((signature) => ['x-paystack-signature', signature]),
});
made.write();
