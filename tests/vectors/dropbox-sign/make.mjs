// How Dropbox Sign signs: @dropbox/sign 1.11.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const boundary = '------------------------b1946ac92492d234';
const multipart = (json) => [`--${boundary}`, 'Content-Disposition: form-data; name="json"', '', json, `--${boundary}--`, ''].join('\r\n');
const event = (signature, change) => JSON.stringify({ account_id: '63522885f9261e2b04eea043933ee7313eb674fd',
	event: { event_time: '1700000000', event_type: 'signature_request_sent', event_hash: signature, ...change },
	signature_request: { signature_request_id: 'fa5c8a0b0f492d768749333ad6fcc214c111e967', title: 'Zoë\'s "NDA"' } });
const secret = 'a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @dropbox/sign 1.11.0 (HMAC-SHA256 of event_time and event_type, hex)',
	secret,
	other: 'b1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f91',
	type: `multipart/form-data; boundary=${boundary}`,
	body: '',
	bodies: false,
	sign: ({ secret }) => hmac('sha256', secret, '1700000000signature_request_sent', 'hex'),
	place: (signature) => ({ body: multipart(event(signature)) }),
});
const sample = made.request(), change = (fields, expect) => ({ headers: sample.headers, expect, body: Buffer.from(multipart(event(sample.right, fields))) });
made.vector('refused-other-type', change({ event_type: 'signature_request_all_signed' }, 'wrong'));
made.vector('refused-other-time', change({ event_time: '1700000001' }, 'wrong'));
made.vector('refused-missing', change({ event_hash: undefined }, 'missing'));
made.vector('refused-no-time', change({ event_time: undefined }, 'missing'));
made.vector('refused-no-json-field', { headers: sample.headers, expect: 'missing', body: Buffer.from(sample.body.toString().replace('name="json"', 'name="text"')) });
made.write();
