// How Adyen signs each item: @adyen/api-library 32.1.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const secret = '44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056';
const item = (change) => ({ amount: { currency: 'EUR', value: 1130 }, pspReference: '7914073381342284', eventCode: 'AUTHORISATION',
	eventDate: '2019-05-06T17:15:34.121+02:00', merchantAccountCode: 'TestMerchant', operations: ['CANCEL', 'CAPTURE', 'REFUND'],
	merchantReference: 'TestPayment-1407325143704', paymentMethod: 'visa', success: 'true', ...change });
const sign_item = (item, key = secret) => hmac('sha256', Buffer.from(key, 'hex'), [item.pspReference, item.originalReference, item.merchantAccountCode,
	item.merchantReference, item.amount.value, item.amount.currency, item.eventCode, item.success].map((field) => String(field ?? '')).join(':'), 'base64');
const signed = (item, signature) => ({ NotificationRequestItem: { ...item, additionalData: { hmacSignature: signature ?? sign_item(item) } } });
const bytes = (items) => Buffer.from(JSON.stringify({ live: 'false', notificationItems: items }));

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @adyen/api-library 32.1.0 (HMAC-SHA256 of eight fields of the item with colons between, base64; the key is hex)',
	secret,
	other: '54782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA057',
	body: JSON.stringify(item()),
	bodies: false,
	sign: ({ secret, body }) => sign_item(JSON.parse(body), secret),
	place: (signature, { body }) => ({ body: bytes([signed(JSON.parse(body), signature)]) }),
});
const sample = made.request();
const refund = item({ eventCode: 'REFUND', pspReference: '8313842560770001', originalReference: '7914073381342284' });
made.vector('with-original-reference', made.request({ body: JSON.stringify(refund) }));
made.vector('two-items', { headers: sample.headers, body: bytes([signed(item()), signed(refund)]), right: sign_item(refund) });
made.vector('two-items-first', { headers: sample.headers, body: bytes([signed(item()), signed(refund)]), right: sign_item(item()) });
made.vector('refused-second-item-wrong', { headers: sample.headers, body: bytes([signed(item()), signed(refund, sign_item(item()))]), expect: 'wrong' });
made.vector('refused-second-item-unsigned', { headers: sample.headers, body: bytes([signed(item()), { NotificationRequestItem: refund }]), expect: 'missing' });
made.vector('refused-other-amount', { headers: sample.headers, expect: 'wrong',
	body: bytes([signed(item({ amount: { currency: 'EUR', value: 1 } }), sample.right)]) });
made.vector('refused-not-successful', { headers: sample.headers, expect: 'wrong', body: bytes([signed(item({ success: 'false' }), sample.right)]) });
made.vector('refused-no-items', { headers: sample.headers, body: bytes([]), expect: 'missing' });
made.vector('refused-no-list', { headers: sample.headers, body: Buffer.from('{"live":"false"}'), expect: 'missing' });
/* The published example of Adyen's own libraries. */
made.write();
