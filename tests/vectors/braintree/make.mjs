// How Braintree signs: braintree 3.40.0, read; run against these vectors it agrees.
import { catalogue, hash, hmac } from '../vectors.mjs';

const public_key = 'wv3w4n8zvcnpjq6h', secret = '4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d';
const other = '5a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9e';
const sign = (key, payload) => hmac('sha1', hash('sha1', key), payload, 'hex');
const xml = '<notification><timestamp type="datetime">2023-11-14T22:13:20Z</timestamp><kind>subscription_went_past_due</kind><subject><subscription><id>my_id</id></subscription></subject></notification>';
/* Lines of 60 and a line feed at the end, as Ruby's Base64.encode64 writes it. */
const payload = Buffer.from(xml).toString('base64').replace(/(.{60})/g, '$1\n') + '\n';
const form = (signature, text = payload) => new URLSearchParams({ bt_signature: signature, bt_payload: text }).toString();

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after braintree 3.40.0 (HMAC-SHA1 of bt_payload with the SHA-1 of the private key as the key, hex)',
	secret,
	other,
	key_id: public_key,
	type: 'application/x-www-form-urlencoded',
	body: payload,
	bodies: false,
	sign: ({ secret, body }) => sign(secret, body),
	place: (signature, { body }) => ({ body: form(`${public_key}|${signature}`, body.toString()) }),
});
const sample = made.request(), body = (text) => ({ headers: sample.headers, body: Buffer.from(text) });
made.vector('two-keys', { ...body(form(`integration_public_key|${'0'.repeat(40)}&${public_key}|${sample.right}`)), right: sample.right });
made.vector('line-feed-lost', { ...body(form(`${public_key}|${sample.right}`, payload.slice(0, -1))), right: sample.right });
made.vector('refused-other-public-key', { ...body(form(`integration_public_key|${sample.right}`)), expect: 'wrong' });
made.vector('refused-other-payload', { ...body(form(`${public_key}|${sample.right}`, payload.replace('P', 'Q'))), expect: 'wrong' });
made.vector('refused-key-not-hashed', { ...body(form(`${public_key}|${hmac('sha1', secret, payload, 'hex')}`)), expect: 'wrong' });
made.vector('refused-no-public-key', { ...body(form(sample.right)), expect: 'malformed' });
made.vector('refused-no-payload', { ...body(new URLSearchParams({ bt_signature: `${public_key}|${sample.right}` }).toString()), expect: 'missing' });
made.vector('refused-missing', { ...body(new URLSearchParams({ bt_payload: payload }).toString()), expect: 'missing' });
made.write();
