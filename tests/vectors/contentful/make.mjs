// How Contentful signs: @contentful/node-apps-toolkit 3.16.1, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'g5IFDl0tbZ4b-8bfUoG0VYPBpB9nKpBy6-hxQ-O8hWYlL6m3ny2Wy4oEcIdr9Cg7'.slice(0, 64);
const base = 'https://hooks.example.org';
/* Each signed header as name:value, sorted, with ";" between; the query is escaped, and its "%" once more. */
const escaped = (target) => {
	const [path, query] = target.split('?');
	return encodeURI(query ? `${path}?${encodeURIComponent(query)}` : path);
};
const sign = (secret, body, url, headers) => hmac('sha256', secret, [['POST', escaped(url.slice(base.length)),
	Object.keys(headers).sort().map((name) => `${name}:${headers[name]}`).join(';'), ''].join('\n'), body], 'hex');
const signed = (time, more = {}) => {
	const headers = { ...more, 'x-contentful-timestamp': time };
	headers['x-contentful-signed-headers'] = [...Object.keys(headers), 'x-contentful-signed-headers'].sort().join(',');
	return headers;
};
const topic = { 'x-contentful-topic': 'ContentManagement.Entry.publish', 'x-contentful-webhook-name': 'My hook' };
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @contentful/node-apps-toolkit 3.16.1 (HMAC-SHA256 of method, path, named headers and body, hex; t in milliseconds)',
	secret,
	other: `h${secret.slice(1)}`,
	type: 'application/vnd.contentful.management.v1+json',
	url: `${base}/hooks/contentful`,
	body: { sys: { type: 'Entry', id: '6KntaYXaHSyIw8M6eo26OK', environment: { sys: { id: 'master' } } }, fields: { title: { 'en-US': 'Zoë' } } },
	extra: [['X-Contentful-Idempotency-Key', '8ed0e6bd5bf3b2d6b9f6c3c9d0c1a1a5e6b2c4f1b0a7d8e9f0a1b2c3d4e5f607']],
	time: (seconds) => String(seconds * 1000),
	tolerance: 30,
	sign: ({ secret, body, time, url }) => sign(secret, body, url, signed(time, topic)),
	headers: ([signature], { time }) => [...Object.entries(signed(time, topic)), ['x-contentful-signature', signature]],
	parts: ['x-contentful-timestamp', 'x-contentful-signed-headers', 'x-contentful-topic', 'x-contentful-webhook-name'],
});
const sample = made.request();
const query = `${base}/hooks/contentful?space=a&x=%2F`, with_query = sign(secret, sample.body, query, signed('1700000000000', topic));
made.vector('with-a-query', { ...sample, url: query, right: with_query,
	headers: sample.headers.map(([name, value]) => [name, name === 'x-contentful-signature' ? with_query : value]) });
made.vector('refused-other-query', { ...sample, url: `${base}/hooks/contentful?space=b&x=%2F`, right: undefined, expect: 'wrong',
	headers: sample.headers.map(([name, value]) => [name, name === 'x-contentful-signature' ? with_query : value]) });
/* Only what must be signed, and other headers beside. */
const least = sign(secret, sample.body, sample.url, signed('1700000000000'));
made.vector('two-headers', { ...sample, right: least, headers: [['x-contentful-version', '5'], ['x-contentful-timestamp', '1700000000000'],
	['x-contentful-signed-headers', signed('1700000000000')['x-contentful-signed-headers']], ['x-contentful-signature', least]] });
/* A list that leaves the time out: the time must be signed. */
const timeless = { 'x-contentful-signed-headers': 'x-contentful-signed-headers' };
const without = sign(secret, sample.body, sample.url, timeless);
made.vector('refused-time-not-signed', { ...sample, right: undefined, expect: 'missing', headers: [['x-contentful-timestamp', '1700000000000'],
	...Object.entries(timeless), ['x-contentful-signature', without]] });
made.write();
