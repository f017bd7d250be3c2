// How Meta signs: "sha256=" and HMAC-SHA256 of the body with the app secret, hex.
// whatsapp 0.0.5-Alpha, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const secret = '7c1f0e9b3d5a48269f7e1c0b2d4a6f83';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Meta\'s page "Webhooks: Get Started" and the SDK whatsapp 0.0.5-Alpha (generateXHub256Sig)',
	secret,
	other: '7c1f0e9b3d5a48269f7e1c0b2d4a6f84',
	body: { object: 'whatsapp_business_account', entry: [{ id: '1', changes: [{ field: 'messages', value: { messaging_product: 'whatsapp' } }] }] },
	sign: ({ secret: key, body }) => hmac('sha256', key, body, 'hex'),
	headers: (signatures) => signatures.map((signature) => ['X-Hub-Signature-256', `sha256=${signature}`]),
});
// Meta escapes what is not ASCII; the bytes as sent are what is signed.
made.vector('escaped', made.request({ body: Buffer.from('{"object":"page","entry":[{"text":"\\u00e9\\ud83d\\ude42 \\/"}]}') }));
const body = Buffer.from('{}');
made.vector('refused-sha1', { headers: [['X-Hub-Signature', `sha1=${hmac('sha1', secret, body, 'hex')}`]], body, expect: 'missing' });
made.write();
