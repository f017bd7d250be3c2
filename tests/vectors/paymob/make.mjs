// How Paymob signs a processed callback, after its page "HMAC Transaction Callback"; the text that it gives as an example is this one.
import { catalogue, hmac } from '../vectors.mjs';

const fields = ['amount_cents', 'created_at', 'currency', 'error_occured', 'has_parent_transaction', 'id', 'integration_id', 'is_3d_secure',
	'is_auth', 'is_capture', 'is_refunded', 'is_standalone_payment', 'is_voided', 'order.id', 'owner', 'pending',
	'source_data.pan', 'source_data.sub_type', 'source_data.type', 'success'];
const signed_text = (body) => {
	const { obj } = JSON.parse(body);
	return fields.map((path) => String(path.split('.').reduce((at, name) => at[name], obj))).join('');
};
const url = 'https://hooks.example.org/hooks/paymob';
const body = { type: 'TRANSACTION', obj: { id: 192036465, pending: false, amount_cents: 100000, success: true, is_auth: false, is_capture: false,
	is_standalone_payment: true, is_voided: false, is_refunded: false, is_3d_secure: true, integration_id: 4097558, has_parent_transaction: false,
	order: { id: 217503754, merchant_order_id: 'M-1' }, created_at: '2024-06-13T11:33:44.592345', currency: 'EGP', error_occured: false,
	owner: 302852, source_data: { type: 'card', pan: '2346', sub_type: 'MasterCard' } } };
if (signed_text(JSON.stringify(body)) !== '1000002024-06-13T11:33:44.592345EGPfalsefalse1920364654097558truefalsefalsefalsetruefalse217503754302852false2346MasterCardcardtrue')
	throw new Error('this is not the text of the document');

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Paymob\'s "HMAC Transaction Callback" and its example of the signed text (HMAC-SHA512 of 20 fields, hex)',
	secret: '9A2B4C6D8E0F1A3B5C7D9E1F2A4B6C8D',
	other: '8A2B4C6D8E0F1A3B5C7D9E1F2A4B6C8C',
	url,
	body,
	bodies: false,
	sign: ({ secret, body }) => hmac('sha512', secret, signed_text(body), 'hex'),
	place: (signature, { url }) => ({ url: `${url}?hmac=${signature}` }),
});
const sample = made.request(), changed = (from, to) => Buffer.from(sample.body.toString().replace(from, to));
made.vector('refused-other-amount', { ...sample, right: undefined, body: changed('"amount_cents":100000', '"amount_cents":900000'), expect: 'wrong' });
made.vector('refused-not-paid', { ...sample, right: undefined, body: changed('"success":true', '"success":false'), expect: 'wrong' });
made.vector('refused-a-field-less', { ...sample, right: undefined, body: changed('"owner":302852,', ''), expect: 'missing' });
made.vector('refused-missing', { ...sample, right: undefined, url, expect: 'missing' });
made.vector('refused-twice', { ...sample, right: undefined, url: `${sample.url}&hmac=${'0'.repeat(128)}`, expect: 'repeated' });
made.write();
