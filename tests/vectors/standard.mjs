// standard.mjs - what a make.mjs is written with whose sender signs after standardwebhooks.com
//
// standard() is catalogue() with the specification's scheme filled in, and with the traps of that scheme added:
// HMAC-SHA256 of "id.time.body", in base64 behind "v1,", several with a blank between.
//
// The senders' own libraries that were run against these vectors differ from them in two things, which no make.mjs
// repeats: they refuse bodies that are not UTF-8, and take an id with a dot in it.

import { catalogue, hmac } from './vectors.mjs';

export const ID = 'msg_2Lh9KRb0pzN4LePd3XiA4v12Axj';

/*
 * given: as for catalogue(), without sign, headers, id and time. More:
 *   prefix   what the three headers' names begin with, default "webhook-"
 *   names    instead: their whole names { id, timestamp, signature }
 *   key      (secret) => the key's bytes; default: base64 behind "whsec_"
 */
export function standard(url, given) {
	const prefix = given.prefix ?? 'webhook-';
	const names = given.names ?? { id: `${prefix}id`, timestamp: `${prefix}timestamp`, signature: `${prefix}signature` };
	const key = given.key ?? ((secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64'));
	const id = ID;
	const headers = (text, { time, id }) => [[names.id, id], [names.timestamp, time], [names.signature, text]];
	const api = catalogue(url, {
		id, time: String, tolerance: 300, future: 300, several: true, parts: [names.id, names.timestamp],
		sign: ({ secret, body, time, id }) => hmac('sha256', key(secret), [`${id}.${time}.`, body], 'base64'),
		headers: (signatures, facts) => headers(signatures.map((text) => `v1,${text}`).join(' '), facts),
		beside: (signature, facts) => headers(`v1a,${'A'.repeat(86)}== v1,${signature}`, facts),
		...given,
	});
	const made = api.request();
	const facts = { time: String(api.NOW), id };
	const type = made.headers.slice(0, -3);
	const refused = (kind, expect, more) => api.vector(`refused-${kind}`, { ...made, right: undefined, expect, ...more });

	refused('other-version', 'malformed', { headers: [...type, ...headers(`v2,${made.right}`, facts)] });
	refused('without-version', 'malformed', { headers: [...type, ...headers(made.right, facts)] });
	refused('without-id', 'missing', { headers: made.headers.filter(([name]) => name !== names.id) });
	refused('without-time', 'missing', { headers: made.headers.filter(([name]) => name !== names.timestamp) });
	refused('id-with-dot', 'ambiguous', api.request({ id: `${id}.1` }));
	return api;
}
