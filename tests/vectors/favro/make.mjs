// How Favro signs, as receivers of it quote its document.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Favro\'s "Webhook signatures" as receivers quote it (HMAC-SHA1 of payloadId and the registered URL, base64)',
	secret: 'kN7xP2vQ9sT4wY6z',
	other: 'lN7xP2vQ9sT4wY6a',
	url: 'https://hooks.example.org/hooks/favro',
	body: { payloadId: 'AbCdEf012345==', hookId: '5c1a0000', action: 'created', card: { cardId: 'card-1', name: 'Implement webhook receiver' } },
	bodies: false,
	sign: ({ secret, body, url }) => hmac('sha1', secret, [JSON.parse(body).payloadId, url], 'base64'),
	headers: ([signature]) => [['X-Favro-Webhook', signature]],
});
const sample = made.request();
made.vector('refused-other-payload-id', { ...sample, right: undefined, body: Buffer.from(sample.body.toString().replace('AbC', 'AbD')), expect: 'wrong' });
made.vector('refused-no-payload-id', { ...sample, right: undefined, body: Buffer.from('{"action":"created","card":{}}'), expect: 'missing' });
made.vector('refused-other-url', { ...sample, right: undefined, url: 'https://hooks.example.org/hooks/favro2', expect: 'wrong' });
made.write();
