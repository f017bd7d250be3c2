// How Typeform signs: "sha256=" and HMAC-SHA256 of the body in base64.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'wD5kH0sVq2TzYb8nRm1xLc7eJfGu3aPo';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Typeform\'s page "Secure your webhooks"',
	secret,
	other: 'wD5kH0sVq2TzYb8nRm1xLc7eJfGu3aPp',
	body: { event_id: '01HF7Q', event_type: 'form_response', form_response: { form_id: 'lT4Z3j', answers: [{ type: 'text', text: 'a' }] } },
	sign: ({ secret: key, body }) => hmac('sha256', key, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['Typeform-Signature', `sha256=${signature}`]),
});
const body = Buffer.from('{}');
made.vector('refused-hex', { headers: [['Typeform-Signature', `sha256=${hmac('sha256', secret, body, 'hex')}`]], body,
	expect: 'wrong' });
made.write();
