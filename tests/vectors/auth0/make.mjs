// How Auth0's log streams prove themselves: the configured text is the Authorization header.
import { catalogue } from '../vectors.mjs';

const event = { log_id: '90020231114221320000000000000000000000000000000000', data: {
	date: '2023-11-14T22:13:20.410Z', type: 's', description: 'Successful login', user_id: 'auth0|64f' } };
const made = catalogue(import.meta.url, {
	source: 'Auth0\'s page on custom webhook log streams: Authorization Token is the value of that header',
	secret: 'Bearer lS7xkqF0a-1',
	other: 'Bearer another-0a1',
	body: event,
	sign: ({ secret }) => secret,
	headers: ([token]) => [['Authorization', token]],
});
made.vector('array', made.request({ body: Buffer.from(JSON.stringify([event, event])) }));
made.vector('without-a-scheme', { ...made.request({ secret: 'lS7xkqF0a-1' }), secrets: ['lS7xkqF0a-1'] });
made.vector('refused-scheme-missing', { ...made.request({ secret: 'lS7xkqF0a-1' }), right: undefined, expect: 'wrong' });
made.write();
