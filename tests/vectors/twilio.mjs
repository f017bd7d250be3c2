// twilio.mjs - how Twilio signs, with either digest: twilio 6.3.1, read; run against these vectors it agrees
import { catalogue, hash, hmac } from './vectors.mjs';

/* make_url: import.meta.url of the make.mjs; digest_name: sha1, sha256. */
export function twilio(make_url, digest_name) {
	/* The fields as they are on the wire of a form. */
	const form = (fields) => Buffer.from(new URLSearchParams(fields).toString());
	const sorted = (body) => [...new Set([...new URLSearchParams(body.toString())].map(([name, value]) => name + value))].sort().join('');
	const url = 'https://hooks.example.org/hooks/twilio?line=1';
	const made = catalogue(make_url, {
		source: `Node's crypto after twilio 6.3.1 (HMAC-${digest_name.toUpperCase()} of the URL and the sorted fields of the form, base64)`,
		secret: '12345678901234567890123456789012',
		other: '22345678901234567890123456789013',
		type: 'application/x-www-form-urlencoded',
		url,
		body: form([['ToCountry', 'US'], ['SmsMessageSid', 'SM2003cbd5e6a3701999aa3e5f20ff2787'], ['MessageSid', 'SM2003cbd5e6a3701999aa3e5f20ff2787'],
			['SmsStatus', 'received'], ['Body', 'Ahoy & näher: 50% +1'], ['From', '+14158675310'], ['To', '+15017122661'], ['NumMedia', '0'], ['Empty', '']]),
		bodies: false,
		sign: ({ secret, body, url }) => hmac(digest_name, secret, [url, sorted(body)], 'base64'),
		headers: ([signature]) => [['X-Twilio-Signature', signature]],
		extra: [['I-Twilio-Idempotency-Token', '3d7ad1a4-8f0c-4e0f-8a69-9d31d66a1f0e']],
	});
	const sample = made.request();
	made.vector('fields-twice', made.request({ body: form([['Media', 'b'], ['Body', 'x'], ['Media', 'a'], ['Media', 'b']]) }));
	made.vector('refused-other-field', { ...sample, right: undefined, body: Buffer.from(sample.body.toString().replace('From=%2B1', 'From=%2B2')), expect: 'wrong' });
	made.vector('refused-field-more', { ...sample, right: undefined, body: Buffer.concat([sample.body, Buffer.from('&x=1')]), expect: 'wrong' });
	made.vector('refused-other-url', { ...sample, right: undefined, url: 'https://hooks.example.org/hooks/twilio?line=2', expect: 'wrong' });

	/* A body that is no form: only the URL is signed, which holds its digest. */
	const json = Buffer.from('{"EventType":"onMessageAdded","Body":"Ahoy"}');
	const json_request = (body, digest) => {
		const json_url = `${url}&bodySHA256=${digest}`, right = hmac(digest_name, '12345678901234567890123456789012', json_url, 'base64');
		return { body, url: json_url, right, headers: [['Content-Type', 'application/json'], ['X-Twilio-Signature', right]] };
	};
	made.vector('json', json_request(json, hash('sha256', json, 'hex')));
	made.vector('refused-json-of-another-body', { ...json_request(json, hash('sha256', 'x', 'hex')), right: undefined, expect: 'wrong' });
	/* Its signature is also that of a form without fields. */
	made.vector('refused-json-as-an-empty-form', { ...json_request(Buffer.alloc(0), hash('sha256', json, 'hex')), right: undefined, expect: 'wrong',
		headers: json_request(json, hash('sha256', json, 'hex')).headers.map(([name, value]) =>
			[name, name === 'Content-Type' ? 'application/x-www-form-urlencoded' : value]) });
	made.vector('refused-json-without-digest', { ...made.request({ body: json, signature: hmac(digest_name, '12345678901234567890123456789012', url, 'base64') }),
		headers: [['Content-Type', 'application/json'], ['X-Twilio-Signature', hmac(digest_name, '12345678901234567890123456789012', url, 'base64')]],
		right: undefined, expect: 'wrong' });
	made.write();
}
