// How Mailgun signs, after its page "Securing Webhooks".
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'f1e0d2c3b4a5968778695a4b3c2d1e0f', other = 'e1e0d2c3b4a5968778695a4b3c2d1e0e';
const token = 'e0b5477167110d68991efc6b9f89f0a11066af278346001234';
const place = (signature, { body, time }) => ({
	body: JSON.stringify({ signature: { token, timestamp: time, signature }, ...JSON.parse(body) }),
});
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Mailgun\'s "Securing Webhooks" (HMAC-SHA256 of timestamp and token, hex)',
	secret,
	other,
	body: { 'event-data': { event: 'delivered', id: 'CPgfbmQMTCKtHW6uIWtuVe', timestamp: 1700000000.123, recipient: 'alice@example.com' } },
	bodies: false,
	time: (seconds) => String(seconds),
	tolerance: 32400,
	future: 300,
	sign: ({ secret, time }) => hmac('sha256', secret, [time, token], 'hex'),
	place,
});
const sample = made.request(), fields = JSON.parse(sample.body);
const with_signature = (change) => Buffer.from(JSON.stringify({ ...fields, signature: { ...fields.signature, ...change } }));
made.vector('of-the-main-account', { ...sample, body: with_signature({ signature: hmac('sha256', other, ['1700000000', token], 'hex'),
	'parent-signature': sample.right }) });
made.vector('refused-other-token', { ...sample, right: undefined, body: with_signature({ token: token.replace('e0b', 'e0c') }), expect: 'wrong' });
made.vector('refused-other-time', { ...sample, right: undefined, body: with_signature({ timestamp: '1700000001' }), expect: 'wrong' });
made.vector('refused-no-token', { ...sample, right: undefined, body: with_signature({ token: undefined }), expect: 'missing' });
made.vector('refused-missing', { ...sample, right: undefined, body: with_signature({ signature: undefined }), expect: 'missing' });
made.vector('refused-not-json', { ...sample, right: undefined, body: Buffer.from(`${sample.body}}`), expect: 'missing' });
made.write();
