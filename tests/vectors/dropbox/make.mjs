// How Dropbox signs: HMAC-SHA256 of the body, in hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Dropbox\'s page "Webhooks"',
	secret: 'x8n3k5w9q1r7t2y',
	other: 'another5w9q1r7t',
	body: { list_folder: { accounts: ['dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc'] }, delta: { users: [12345678] } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Dropbox-Signature', signature]],
});
made.write();
