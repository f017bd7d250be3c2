// How Mailchimp Transactional signs, as receivers of it read its document.
import { catalogue, hmac } from '../vectors.mjs';

const url = 'https://hooks.example.org/hooks/mandrill';
const events = JSON.stringify([{ event: 'send', msg: { ts: 1700000000, email: 'zoë+1@example.org', _id: 'exampleaaaaaaaaaaaaaaaaaaaaaaaaa' }, _id: 'exampleaaaaaaaaaaaaaaaaaaaaaaaaa', ts: 1700000000 }]);
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Mailchimp Transactional\'s document as receivers read it (HMAC-SHA1 of the URL and the fields, base64)',
	secret: 'KfFuThPttL_KoUyDndHW3A',
	other: 'LfFuThPttL_KoUyDndHW3B',
	type: 'application/x-www-form-urlencoded',
	url,
	body: new URLSearchParams({ mandrill_events: events }).toString(),
	bodies: false,
	sign: ({ secret, body, url }) => hmac('sha1', secret, [url, 'mandrill_events', new URLSearchParams(body.toString()).get('mandrill_events')], 'base64'),
	headers: ([signature]) => [['X-Mandrill-Signature', signature]],
});
const sample = made.request();
made.vector('no-events', made.request({ body: Buffer.from('mandrill_events=%5B%5D') }));
made.vector('refused-other-event', { ...sample, right: undefined, body: Buffer.from(sample.body.toString().replace('send', 'open')), expect: 'wrong' });
made.vector('refused-other-url', { ...sample, right: undefined, url: `${url}/`, expect: 'wrong' });
made.write();
