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
// The newer form: several keys, each with its name.
const { body, NOW: now } = { ...made.request(), NOW: made.NOW };
const timed = (key, at = now) => hmac('sha512', key, [`${at}.`, body], 'hex');
const headers = (text) => [['Content-Type', 'application/json'], ['x-paystack-signature', text]];
made.vector('timed', { body, headers: headers(`t=${now},v1=k1:${timed(secret)}`), right: timed(secret) });
made.vector('timed-second-key', { body, headers: headers(`t=${now},v1=k1:${timed(other)},v1=k2:${timed(secret)}`), right: timed(secret) });
made.vector('refused-timed-expired', { body, headers: headers(`t=${now - 301},v1=k1:${timed(secret, now - 301)}`), expect: 'expired' });
made.vector('refused-timed-without-its-time', { body, headers: headers(`t=${now},v1=k1:${hmac('sha512', secret, body, 'hex')}`), expect: 'wrong' });
made.write();
