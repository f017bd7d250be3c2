// How Figma proves itself: the passcode comes back in the body.
import { catalogue } from '../vectors.mjs';

const event = (passcode) => JSON.stringify({ event_type: 'FILE_UPDATE', file_key: 'zH1rT', file_name: 'Zoë',
	passcode, protocol_version: '2', retries: 0, timestamp: '2023-11-14T22:13:20Z', webhook_id: '22' });
const made = catalogue(import.meta.url, {
	source: 'Figma\'s page Security: the passcode of an event is the one given when the webhook was made',
	secret: 'p4sscode-0123456789',
	other: 'another-0123456789x',
	bodies: false,
	body: event(''),
	sign: ({ secret }) => secret,
	place: (passcode) => ({ body: event(passcode) }),
});
const refused = (kind, body, expect) => made.vector(`refused-${kind}`,
	{ ...made.request(), right: undefined, body: Buffer.from(body), expect });
refused('missing', '{"event_type":"PING"}', 'missing');
refused('empty', event(''), 'malformed');
refused('null', event(null), 'missing');
refused('a-list', event(['p4sscode-0123456789']), 'missing');
refused('not-json', 'passcode', 'missing');
made.vector('passcode-in-escapes', { ...made.request(), right: undefined,
	body: Buffer.from(event('').replace('"passcode":""', '"passcode":"\\u00704sscode-0123456789"')) });
made.write();
