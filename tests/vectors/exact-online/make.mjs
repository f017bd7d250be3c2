// How Exact Online signs, as Picqer's client and Hookdeck check it: the text of Content as it stands in the body.
import { catalogue, hmac } from '../vectors.mjs';

const content = '{"Topic":"Accounts","ClientId":"{0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d}","Division":123456,"Action":"Update","Key":"d4d4c8b6-1a2b-4c3d-9e8f-1234567890ab","ExactOnlineEndpoint":"https:\\/\\/start.exactonline.nl\\/api\\/v1"}';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Picqer\'s exact-php-client (HMAC-SHA256 of the raw text of Content, capital hex)',
	secret: 'exactWebhookSecret01',
	other: 'fxactWebhookSecret02',
	body: content,
	bodies: false,
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex').toUpperCase(),
	place: (signature, { body }) => ({ body: `{"Content":${body},"HashCode":"${signature}"}` }),
});
const sample = made.request(), other = (text) => Buffer.from(text);
made.vector('with-blanks', made.request({ body: Buffer.from('{ "Topic" : "Items", "Division": 1.0 }') }));
made.vector('hash-first', { ...sample, body: other(`{ "HashCode" : "${sample.right}" , "Content" : ${content} }`) });
made.vector('refused-other-action', { ...sample, right: undefined, body: other(sample.body.toString().replace('Update', 'Delete')), expect: 'wrong' });
made.vector('refused-printed-anew', { ...sample, right: undefined, body: other(`{"Content":${JSON.stringify(JSON.parse(content))},"HashCode":"${sample.right}"}`), expect: 'wrong' });
made.vector('refused-small-letters', { ...sample, right: undefined, body: other(sample.body.toString().replace(sample.right, sample.right.toLowerCase())), expect: 'wrong' });
made.vector('refused-no-content', { ...sample, right: undefined, body: other(`{"HashCode":"${sample.right}"}`), expect: 'missing' });
made.vector('refused-no-hash', { ...sample, right: undefined, body: other(`{"Content":${content}}`), expect: 'missing' });
made.write();
