// How Hygraph signs: @hygraph/utils 1.2.1, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const sign = (secret, body, env, time) => hmac('sha256', secret, JSON.stringify({ Body: body.toString(), EnvironmentName: env, TimeStamp: Number(time) }), 'base64');
const header = (signature, env, time) => [['gcms-signature', `sign=${signature}, env=${env}, t=${time}`]];
const secret = 'WrBYHGqXUlDu5nXA4PHVXyFe0rI3vOsC', time = '1700000000000';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @hygraph/utils 1.2.1 (HMAC-SHA256 of a JSON text that holds the body as a string, base64)',
	secret,
	other: 'XrBYHGqXUlDu5nXA4PHVXyFe0rI3vOsD',
	body: { operation: 'publish', data: { __typename: 'Post', id: 'cl1', title: 'Zoë said "hi" \\ / \u2028 \u0001 <b>' } },
	bodies: false,
	sign: ({ secret, body }) => sign(secret, body, 'master', time),
	headers: ([signature]) => header(signature, 'master', time),
});
const sample = made.request();
for (const [kind, text] of [['empty', ''], ['utf-8', '{"a":"naïve — 東京 🙂"}'], ['control', '{"a":"\t\r\n\b\f\u007f\u001f"}'], ['slashes', '{"a":"\\/ \\u00e9"}']])
	made.vector(kind, made.request({ body: Buffer.from(text) }));
made.vector('environment-with-quotes', { ...sample, right: sign(secret, sample.body, 'a"b', time), headers: header(sign(secret, sample.body, 'a"b', time), 'a"b', time) });
made.vector('refused-other-environment', { ...sample, right: undefined, headers: header(sample.right, 'staging', time), expect: 'wrong' });
made.vector('refused-other-time', { ...sample, right: undefined, headers: header(sample.right, 'master', '1700000000001'), expect: 'wrong' });
made.vector('refused-of-the-body-alone', { ...made.request({ signature: hmac('sha256', secret, sample.body, 'base64') }), right: undefined, expect: 'wrong' });
made.write();
