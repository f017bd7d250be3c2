// How Scalr CMP signs, as adnanh/webhook checks it.
import { catalogue, hmac } from '../vectors.mjs';

const date = 'Tue 14 Nov 2023 22:13:20 UTC';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after github.com/adnanh/webhook (HMAC-SHA1 of body and the request\'s Date, hex)',
	secret: 'bilFGi4ZVZUdG+C6r0NIM9tuRq6PaG33R3eBUVhLwMAErGBaazvXe4Gq2DcJs5q+',
	other: 'cilFGi4ZVZUdG+C6r0NIM9tuRq6PaG33R3eBUVhLwMAErGBaazvXe4Gq2DcJs5q/',
	body: { eventName: 'run:completed', eventId: 'evt-1', data: { run: 'run-v0o' } },
	sign: ({ secret, body }) => hmac('sha1', secret, [body, date], 'hex'),
	headers: ([signature]) => [['X-Signature', signature], ['Date', date]],
	parts: ['Date'],
});
made.write();
