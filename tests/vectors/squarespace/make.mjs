// How Squarespace signs: HMAC-SHA256(hexToBytes(secret), request payload), after its page. Hex is assumed.
import { catalogue, hmac } from '../vectors.mjs';

const of = (key) => ({ body }) => hmac('sha256', key, body, 'hex');
const secret = '5f8e3c1a9b7d2460e1f3a5c7b9d8046213579bdf02468ace13579bdf02468ace';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Squarespace\'s page "Verifying notifications"; hex, as public receivers have it',
	secret,
	other: '5f8e3c1a9b7d2460e1f3a5c7b9d8046213579bdf02468ace13579bdf02468acf',
	body: { id: '4c4ad5f1-8ef9-4b38-9f3c-b4f5f1f6b2a1', websiteId: '7c2ad5f1', topic: 'order.create',
		createdOn: '2023-11-14T22:13:20.000Z', data: { orderId: '5d3f' } },
	sign: ({ secret: key, body }) => of(Buffer.from(key, 'hex'))({ body }),
	headers: (signatures) => signatures.map((signature) => ['Squarespace-Signature', signature]),
});
const as_text = made.request({ signature: of(secret)({ body: Buffer.from('{}') }), body: Buffer.from('{}') });
made.vector('refused-key-as-text', { ...as_text, right: undefined, expect: 'wrong' });
made.write();
