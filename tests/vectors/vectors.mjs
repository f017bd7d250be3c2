// vectors.mjs - what a provider's make.mjs is written with
//
// tests/vectors/NAME/make.mjs says how one sender signs, in a few lines that follow the sender's
// document, with Node's crypto and never with hookcgi; catalogue() makes of it all the requests that
// every provider is tried with, and writes them to made.vectors beside it:
//
//   node tests/vectors/NAME/make.mjs          (only to change them: the files are in the tree)
//
// What is not reproducible (ECDSA signatures, fresh keys) changes with each run.

import { createHash, createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const NOW = 1700000000; // 2023-11-14T22:13:20Z

// Bytes of the parts, one after the other; a part is text or a Buffer.
export const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

export const hmac = (algorithm, key, parts, encoding) =>
	createHmac(algorithm, key).update(bytes(...[parts].flat())).digest(encoding);
export const hash = (algorithm, parts, encoding) =>
	createHash(algorithm).update(bytes(...[parts].flat())).digest(encoding);
export const base64url = (text) => text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_');

// A compact JWS (RFC 7515); sign is given the text to sign and gives the signature's bytes.
export const jws = (header, payload, sign) => {
	const input = [header, payload].map((part) =>
		Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')).join('.');
	return `${input}.${sign(input).toString('base64url')}`;
};
// A JSON web token with HMAC-SHA256 (RFC 7519).
export const jwt_hs256 = (secret, claims, header = {}) =>
	jws({ alg: 'HS256', typ: 'JWT', ...header }, claims, (input) => hmac('sha256', secret, input));

const is_text = (body) => Buffer.from(body.toString()).equals(body) && !/[\r\n\0]/.test(body.toString());
const body_line = (body) =>
	is_text(body) ? `body: ${body}` : `body-hex: ${body.toString('hex')}`;

// Bodies that a scheme must take whatever they are, as the bytes are what is signed.
const any_bodies = {
	empty: Buffer.alloc(0),
	'utf-8': Buffer.from('{"name":"Zoë Łuczak","text":"naïve café — 東京 🙂"}'),
	binary: Buffer.from([...Array(256).keys()]),
	'not-utf-8': Buffer.from('7b2261223a22fffec328227d', 'hex'),
	crlf: Buffer.from('{"a": 1.0,\r\n "b":"\\u00e9"}\r\n'),
	megabyte: Buffer.alloc(1048576, 'x'),
};

/*
 * url: import.meta.url of the make.mjs. given:
 *   provider     the built-in provider's name; default: the folder's
 *   source       where the scheme is from: document with its title, or SDK with its version, and how it was followed
 *   secret       as a user writes it into the configuration; other: a second one of the same shape
 *   secret_file  instead: the name of a file in the folder (a public key); sign() then closes over the private one
 *   body         the sample event: text, or an object (made JSON); type: its Content-Type, default application/json
 *   sign         ({ secret, body, time, id }) => the signature's text as sent
 *   headers      (signatures, { time, id, body }) => [[name, value], …], everything the sender sends that matters;
 *                signatures is a list: write several only when the sender does
 *   place        (signature, { body, time, url }) => { body, url }: when the signature travels in body or URL instead
 *   extra        headers that are sent beside, not signed ([[name, value], …])
 *   several      true: the sender may send several signatures
 *   beside       (signature, { time }) => headers with a signature of an unknown version beside the right one
 *   time         (seconds) => the time as sent; leave out when there is none. tolerance, future: seconds; null: any
 *   id           the id as sent, when it is signed or in a header
 *   url          the URL as registered; base, what the endpoint says for it when that is another; method, default POST
 *   parameters   ['name=value', …] of the endpoint; key_id: the secret's id there
 *   bodies       false: the body cannot be any bytes (a form or JSON that is read to verify)
 *   parts        names of headers that are signed or needed besides the signature's
 */
export function catalogue(url, given) {
	const folder = dirname(fileURLToPath(url));
	const name = folder.split('/').pop();
	const method = given.method ?? 'POST';
	const sample = Buffer.from(typeof given.body === 'string' || Buffer.isBuffer(given.body)
		? given.body : JSON.stringify(given.body));
	const head = [`source: ${given.source}`, `provider: ${given.provider ?? name}`];
	const out = [];

	const secret_lines = (secrets) => given.secret_file ? [`secret-file: ${given.secret_file}`]
		: secrets.map((secret) => given.key_id ? `key: ${given.key_id} ${secret}` : `secret: ${secret}`);

	/* One more vector. made: { headers, body, url, right, now, secrets, expect, fits } */
	const vector = (kind, made) => {
		const lines = [`vector: ${kind}`];
		if (made.source)
			lines.push(`source: ${made.source}`);
		lines.push(...secret_lines(made.secrets ?? [given.secret]));
		lines.push(...(made.parameters ?? given.parameters ?? []).map((text) => `parameter: ${text}`));
		if ((made.method ?? method) !== 'POST')
			lines.push(`method: ${made.method ?? method}`);
		if (made.url ?? given.url)
			lines.push(`url: ${made.url ?? given.url}`);
		if (made.base ?? given.base)
			lines.push(`base: ${made.base ?? given.base}`);
		lines.push(`now: ${made.now ?? NOW}`);
		lines.push(...made.headers.map(([header, value]) => `header: ${header}: ${value}`));
		lines.push(...(given.parts ?? []).map((header) => `part: ${header}`));
		if (made.body.length === 1048576 && made.body.equals(any_bodies.megabyte))
			lines.push('body-repeat: 1048576 x');
		else
			lines.push(body_line(made.body));
		if (made.right !== undefined)
			lines.push(`right: ${made.right}`);
		lines.push(`expect: ${made.expect ?? 'valid'}`);
		if (made.fits !== undefined)
			lines.push(`fits: ${made.fits}`);
		out.push(lines.join('\n'));
	};

	const type = given.type === null ? [] : [['Content-Type', given.type ?? 'application/json']];
	/* The sender's request with this secret for these bytes at this time. */
	const request = ({ secret = given.secret, body = sample, at = NOW, id = given.id, signatures, signature } = {}) => {
		const time = given.time?.(at);
		const facts = { secret, body, time, id, url: given.url };
		const right = signature ?? given.sign(facts);
		const placed = given.place?.(right, facts) ?? {};
		const headers = [...type, ...(given.extra ?? []),
			...(given.headers?.(signatures?.(right) ?? [right], facts) ?? [])];
		return { headers, body: Buffer.from(placed.body ?? body), url: placed.url ?? given.url, right };
	};

	vector('sample', request());
	for (const [kind, body] of given.bodies === false ? [] : Object.entries(any_bodies))
		vector(kind, request({ body }));
	if (given.other) {
		vector('two-secrets-first', { ...request(), secrets: [given.secret, given.other], fits: 0 });
		vector('two-secrets-second', { ...request(), secrets: [given.other, given.secret], fits: 1 });
		vector('refused-other-secret', { ...request({ secret: given.other }), right: undefined, expect: 'wrong' });
	}
	if (given.several) {
		const wrong = (n) => given.sign({ secret: given.other, body: Buffer.from(`wrong ${n}`),
			time: given.time?.(NOW), id: given.id, url: given.url });
		vector('list-first', request({ signatures: (right) => [right, wrong(1), wrong(2)] }));
		vector('list-middle', request({ signatures: (right) => [wrong(1), right, wrong(2)] }));
		vector('list-last', request({ signatures: (right) => [wrong(1), wrong(2), right] }));
		vector('refused-list', { ...request({ signatures: () => [wrong(1), wrong(2)] }), right: undefined, expect: 'wrong' });
	}
	if (given.beside) {
		const right = request().right;
		vector('unknown-version-beside', { ...request(), headers: [...type, ...(given.extra ?? []),
			...given.beside(right, { time: given.time?.(NOW), id: given.id })], right });
	}
	if (given.time && given.tolerance != null) {
		vector('as-old-as-it-may-be', { ...request(), now: NOW + given.tolerance });
		vector('refused-expired', { ...request(), right: undefined, now: NOW + given.tolerance + 1, expect: 'expired' });
	} else if (given.time) {
		vector('of-any-age', { ...request(), now: NOW + 86400 * 365 });
	}
	if (given.time && given.future != null) {
		vector('as-far-ahead-as-it-may-be', { ...request(), now: NOW - given.future });
		vector('refused-early', { ...request(), right: undefined, now: NOW - given.future - 1, expect: 'early' });
	} else if (given.time) {
		vector('ahead-of-our-clock', { ...request(), now: NOW - 86400 });
	}
	const header_of = (made) => made.headers.findIndex(([, value]) => value.includes(made.right));
	const made = request();
	const at = header_of(made);
	if (at >= 0 && given.headers) {
		const without = made.headers.filter((_, i) => i !== at);
		vector('refused-missing', { ...made, right: undefined, headers: without, expect: given.missing ?? 'missing' });
		const empty = made.headers.map((header, i) => i === at ? [header[0], header[1].replace(made.right, '')] : header);
		vector('refused-empty-signature', { ...made, right: undefined, headers: empty,
			expect: empty[at][1] === '' ? given.missing ?? 'missing' : given.empty ?? 'malformed' });
	}
	const api = {
		request, vector, NOW,
		/* Write the file; call it last. */
		write() {
			const text = `# made by make.mjs\n${head.join('\n')}\n\n${out.join('\n\n')}\n`;
			writeFileSync(join(folder, 'made.vectors'), text);
		},
	};
	return api;
}
