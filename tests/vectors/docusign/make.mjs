// How DocuSign Connect signs: HMAC-SHA256 of the body, base64, in one header for each key, after its page.
import { catalogue, hmac } from '../vectors.mjs';

const sign = ({ secret, body }) => hmac('sha256', secret, body, 'base64');
const secret = 'dFpQ5XnJ0yqvT1m8Wb3kRz7uGhLe2cAsVx9oYi4tNdE=';
const other = 'dFpQ5XnJ0yqvT1m8Wb3kRz7uGhLe2cAsVx9oYi4tNdF=';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after DocuSign\'s page "How to validate an HMAC signature"',
	secret,
	other,
	body: { event: 'envelope-completed', apiVersion: 'v2.1', retryCount: 0, generatedDateTime: '2023-11-14T22:13:20.0000000Z',
		data: { accountId: 'a1', envelopeId: 'e1' } },
	sign,
	headers: (signatures) => signatures.map((signature, i) => [`X-DocuSign-Signature-${i + 1}`, signature]),
	several: true,
	extra: [['X-Authorization-Digest', 'HMACSHA256']],
});
const body = Buffer.from('{}');
made.vector('tenth-key', { headers: [['X-DocuSign-Signature-10', sign({ secret, body })]], body, right: sign({ secret, body }) });
made.vector('refused-eleventh-key', { headers: [['X-DocuSign-Signature-11', sign({ secret, body })]], body, expect: 'missing' });
made.write();
