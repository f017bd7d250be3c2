// How Plivo signs (V3): plivo 4.79.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const nonce = '12345678901234567890', secret = 'MAXXXXXXXXXXXXXXXXXXNmJlY2U3MDIwZTk0MTU5YjBl';
/* Name=value of the query, sorted by name, then value; of the form without "=" and "&". */
const pairs = (text) => [...new URLSearchParams(text)].sort(([a, x], [b, y]) => a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0);
const signed_text = (url, body) => {
	const [base, query] = url.split('?');
	const fields = pairs(body.toString());
	const sorted = pairs(query ?? '').map(([name, value]) => `${name}=${value}`).join('&');
	return base + (sorted || fields.length ? `?${sorted}` : '') + (sorted && fields.length ? '.' : '') +
		fields.map(([name, value]) => name + value).join('');
};
const form = (fields) => Buffer.from(new URLSearchParams(fields).toString());
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after plivo 4.79.0 (HMAC-SHA256 of URL, sorted query, sorted fields and nonce, base64)',
	secret,
	other: 'NAXXXXXXXXXXXXXXXXXXNmJlY2U3MDIwZTk0MTU5YjBm',
	type: 'application/x-www-form-urlencoded',
	url: 'https://hooks.example.org/hooks/plivo?b=2&a=1',
	body: form([['To', '15551112222'], ['From', '15553334444'], ['CallUUID', '97ceeb52-58b6-11e1-86da-77300b68f8bb'], ['CallStatus', 'ringing'], ['Text', 'Zoë & co: 50% +1']]),
	bodies: false,
	sign: ({ secret, body, url }) => hmac('sha256', secret, `${signed_text(url, body)}.${nonce}`, 'base64'),
	headers: (signatures) => [['X-Plivo-Signature-V3', signatures.join(',')], ['X-Plivo-Signature-V3-Nonce', nonce]],
	several: true,
	parts: ['X-Plivo-Signature-V3-Nonce'],
});
const sample = made.request();
const at = (url, body) => {
	const right = hmac('sha256', secret, `${signed_text(url, body)}.${nonce}`, 'base64');
	return { ...sample, url, body, right, headers: [['Content-Type', 'application/x-www-form-urlencoded'], ['X-Plivo-Signature-V3', right], ['X-Plivo-Signature-V3-Nonce', nonce]] };
};
made.vector('no-query', at('https://hooks.example.org/hooks/plivo', sample.body));
made.vector('query-alone', at('https://hooks.example.org/hooks/plivo?b=2&a=1', Buffer.alloc(0)));
made.vector('neither', at('https://hooks.example.org/hooks/plivo', Buffer.alloc(0)));
made.vector('fields-twice', at('https://hooks.example.org/hooks/plivo?a=2&a=1', form([['x', 'b'], ['x', 'a'], ['w', 'c']])));
made.vector('main-account', { ...sample, headers: sample.headers.map(([name, value]) => [name === 'X-Plivo-Signature-V3' ? 'X-Plivo-Signature-Ma-V3' : name, value]) });
made.vector('refused-other-field', { ...sample, right: undefined, body: Buffer.from(sample.body.toString().replace('ringing', 'completed')), expect: 'wrong' });
made.vector('refused-other-query', { ...sample, right: undefined, url: sample.url.replace('a=1', 'a=3'), expect: 'wrong' });
made.write();
