// How Mercado Pago signs: HMAC-SHA256 of a manifest of data.id, x-request-id and ts; what is absent is left out.
// mercadopago 3.6.1, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const url = 'https://example.com/hooks/mercadopago?data.id=123456&type=payment';
const secret = '7c1f0e9b3d5a48269f7e1c0b2d4a6f83cafe0123456789abcdef0123456789ab';
const request_id = 'bb56a2f1-6aae-46ac-982e-9dcd3581d08e';
const manifest = (id, request, ts) => `${id ? `id:${id};` : ''}${request ? `request-id:${request};` : ''}ts:${ts};`;
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after mercadopago 3.6.1 (WebhookSignatureValidator)',
	secret,
	other: '7c1f0e9b3d5a48269f7e1c0b2d4a6f83cafe0123456789abcdef0123456789ac',
	url,
	body: { id: 12345, live_mode: true, type: 'payment', action: 'payment.updated', data: { id: '123456' } },
	time: (seconds) => String(seconds),
	sign: ({ secret: key, time }) => hmac('sha256', key, manifest('123456', request_id, time), 'hex'),
	headers: (signatures, { time }) => [['x-signature', `ts=${time},v1=${signatures[0]}`], ['x-request-id', request_id]],
	parts: ['x-request-id'],
});
const one = (kind, id, request, more = {}) => {
	const right = hmac('sha256', secret, manifest(id, request, made.NOW), 'hex');
	made.vector(kind, { body: Buffer.from('{}'), right, url: id ? url : 'https://example.com/hooks/mercadopago',
		headers: [['x-signature', `ts=${made.NOW},v1=${right}`], ...(request ? [['x-request-id', request]] : [])], ...more });
};
one('without-id', null, request_id);
const order = 'ORD01JQ4S4KY8HWQ6NA5PXB65B3D3';
one('small-letters', order.toLowerCase(), request_id, { url: url.replace('123456', order) });
one('capitals', order, request_id, { url: url.replace('123456', order) });
const part = made.request();
made.vector('refused-another-id', { ...part, right: undefined, url: url.replace('123456', '123457'), expect: 'wrong' });
made.vector('refused-without-its-id', { ...part, right: undefined, url: 'https://example.com/hooks/mercadopago', expect: 'wrong' });
made.vector('another-body', { ...part, body: Buffer.from('{"action":"payment.created"}') });
made.write();
