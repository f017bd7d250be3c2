// How Viber signs: MessageValidator of viber-bot 1.0.18, run against these vectors, agrees, but for bodies that are
// not UTF-8.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Viber\'s REST Bot API, "Callbacks"',
	secret: '445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9',
	other: 'another6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im',
	body: { event: 'message', timestamp: 1700000000000, message_token: 4912661846655238145, sender: { id: '01234567890A=', name: 'Zoë' },
		message: { type: 'text', text: 'a message' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Viber-Content-Signature', signature]],
});

const facts = made.request();
const query = `https://hooks.example.com/hooks/viber?sig=${facts.right}`;
made.vector('in-the-query', { ...facts, headers: facts.headers.slice(0, 1), url: query });
made.vector('refused-both-differ', { ...facts, right: undefined, expect: 'wrong',
	url: query.replace(facts.right, hmac('sha256', 'another key', facts.body, 'hex')) });
made.write();
