// How Worldpay signs: KEY ID/SHA256/HMAC-SHA256 of the body, one for each secret, after its page. Hex is assumed.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'Nq5rXkz3VwLm8TbC1hYd';
const other = 'Nq5rXkz3VwLm8TbC1hYe';
const sign = ({ secret: key, body }) => hmac('sha256', key, body, 'hex');
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Worldpay\'s page "Signature"',
	secret,
	other,
	key_id: '1',
	body: { eventId: '3cc6aad4', eventTimestamp: '2023-11-14T22:13:20.000Z',
		eventDetails: { classification: 'payment', type: 'sentForSettlement', transactionReference: 'Memory265' } },
	sign,
	headers: (signatures) => [['Event-Signature', signatures.map((signature) => `1/SHA256/${signature}`).join(',')]],
	several: true,
	beside: (signature) => [['Event-Signature', `1/SHA512/${'0'.repeat(128)},1/SHA256/${signature}`]],
});
const { body, headers, right } = made.request();
const with_text = (from, to) => headers.map(([name, value]) => [name, value.replace(from, to)]);
made.vector('base64', { body, headers: with_text(right, hmac('sha256', secret, body, 'base64')) });
made.vector('another-secret-s-part-beside', { body, right,
	headers: with_text('1/SHA256/', `2/SHA256/${sign({ secret: other, body })},1/SHA256/`) });
made.vector('refused-under-another-id', { body, headers: with_text('1/SHA256', '2/SHA256'), expect: 'wrong' });
made.vector('refused-another-hash-named', { body, headers: with_text('1/SHA256', '1/SHA512'), expect: 'malformed' });
made.write();
