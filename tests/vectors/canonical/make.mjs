// make.mjs - makes the expected texts of special canonical forms with the senders' own libraries
//
//   npm install @contentful/node-apps-toolkit@3.16.1 @hygraph/utils@1.2.1 sns-validator@0.3.5 \
//       plivo@4.79.0 @atlassian/atlassian-jwt@2.2.0 truelayer-signing@0.2.3
//   node tests/vectors/canonical/make.mjs FOLDER      (in which that was run)
//
// Each text is what the library itself hands to HMAC, verifier or signer: crypto's functions are
// wrapped and what goes into them is kept. Only the authors of vectors need to run it: the files it
// writes are in the tree. A case is what a web server would hand on (variables, body, the URL as
// registered) and the text; what must be refused is in tests/unit/test_canonical.c.

import crypto from 'node:crypto';
import https from 'node:https';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(resolve(process.argv[2]), 'x.js'));

let kept = '';
for (const name of ['createHmac', 'createVerify']) {
	const real = crypto[name];
	crypto[name] = (...args) => {
		const made = real(...args);
		const update = made.update.bind(made);
		kept = Buffer.alloc(0);
		made.update = (data, encoding) => {
			kept = Buffer.concat([kept, Buffer.from(data, encoding)]);
			update(data, encoding);
			return made;
		};
		return made;
	};
}
syncBuiltinESMExports();

const put = (form, cases) =>
	writeFileSync(join(top, `${form}.json`), `${JSON.stringify(cases, null, '\t')}\n`);
const variable = (name) =>
	/^content-(type|length)$/i.test(name) ? name.toUpperCase().replaceAll('-', '_') :
		`HTTP_${name.toUpperCase().replaceAll('-', '_')}`;
const variables = (method, target, headers) => [`REQUEST_METHOD=${method}`, `REQUEST_URI=${target}`,
	...Object.entries(headers).map(([name, value]) => `${variable(name)}=${value}`)];

// ---- contentful

{
	const { signRequest, verifyRequest } = require('@contentful/node-apps-toolkit');
	const secret = 'a'.repeat(64);
	const one = (method, path, headers, body) => {
		const made = signRequest(secret, { method, path, headers, body }, 1700000000000);
		const text = kept.toString();
		const sent = { ...headers, ...made };
		if (!verifyRequest(secret, { method, path, headers: sent, body }, 0))
			throw new Error('contentful does not verify itself');
		return { variables: variables(method, path, sent), body, text };
	};
	const body = '{"sys":{"type":"Entry"},"fields":{"title":{"en-US":"Zoë 🙂"}}}';
	put('contentful', [
		one('POST', '/hooks/contentful', {}, body),
		one('POST', '/hooks/contentful', {
			'x-contentful-topic': 'ContentManagement.Entry.publish',
			'content-type': 'application/vnd.contentful.management.v1+json',
			'content-length': String(Buffer.byteLength(body)),
			'a-first': '1', 'x-zz-last': 'a;b:c' }, body),
		one('POST', '/hooks/contentful?tenant=a%20b&x=(1)*~', {}, body),
		one('POST', '/hooks/a%20b;c,d/[x]?', { 'X-Contentful-Crn': 'crn:contentful:::x' }, body),
		one('DELETE', '/', {}, ''),
	]);
}

// ---- hygraph

{
	const { generateWebhookSignature, verifyWebhookSignature } = require('@hygraph/utils');
	const secret = 'rCNwyiloY3oJYYkxgpBXaleIiUv5MYlx';
	const now = Date.now;
	const one = (rawPayload, environmentName) => {
		Date.now = () => 1700000000123;
		const signature = generateWebhookSignature({ rawPayload, environmentName, secret });
		Date.now = now;
		const text = kept.toString();
		if (!verifyWebhookSignature({ rawPayload, signature, secret }))
			throw new Error('hygraph does not verify itself');
		return { variables: variables('POST', '/hooks/hygraph', { 'gcms-signature': signature }),
			body: rawPayload, text };
	};
	const controls = [...Array(31).keys()].map((i) => String.fromCharCode(i + 1)).join('');
	put('hygraph', [
		one('{"hello":"world"}', 'master'),
		one('{"operation":"publish","data":{"title":"Zoë \\"naïve\\" 東京 🙂 \u2028\u007f\u0085"}}', 'my "env"'),
		one(`{"a":\t1,\r\n"b":"\\\\/"}${controls}`, 'master'),
	]);
}

// ---- aws-sns: a certificate is never fetched, since no text depends on it

{
	const Validator = require('sns-validator');
	const { publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
	const pem = publicKey.export({ type: 'spki', format: 'pem' });
	https.get = (url, done) => {
		const answer = new EventEmitter();
		answer.statusCode = 200;
		done(answer);
		answer.emit('data', Buffer.from(pem));
		answer.emit('end');
		return new EventEmitter();
	};
	const one = (message) => {
		let error;
		new Validator().validate(structuredClone(message), (e) => { error = e; });
		if (error?.message !== 'The message signature is invalid.')
			throw error ?? new Error('sns-validator takes anything');
		return { variables: variables('POST', '/hooks/sns', { 'content-type': 'text/plain; charset=UTF-8' }),
			body: JSON.stringify(message, null, 2), text: kept.toString() };
	};
	const common = {
		MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
		TopicArn: 'arn:aws:sns:us-west-2:123456789012:MyTopic',
		Timestamp: '2012-05-02T00:54:06.655Z',
		SignatureVersion: '1',
		Signature: 'AAAA',
		SigningCertURL: 'https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3.pem',
	};
	put('aws-sns', [
		one({ Type: 'Notification', ...common, Subject: 'My First Message', Message: 'Hello world!',
			UnsubscribeURL: 'https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe' }),
		one({ Type: 'Notification', ...common, Message: 'two\nlines: "Zoë" \\ 🙂\n' }),
		one({ Type: 'Notification', ...common, Subject: null, Message: '' }),
		one({ Type: 'Notification', ...common, Subject: '', Message: '{"a":1}', Token: 'not signed' }),
		one({ Type: 'Notification', ...common, Message: 'x', SubscribeURL: 'https://signed.when.there' }),
		one({ Type: 'SubscriptionConfirmation', ...common, Message: 'You have chosen to subscribe.',
			Token: '2336412f37', SubscribeURL: 'https://sns.us-west-2.amazonaws.com/?Action=Confirm' }),
	]);
}

// ---- plivo

{
	const plivo = require('plivo');
	const qs = require('querystring');
	const one = (method, url, body) => {
		plivo.validateV3Signature(method, url, '12345', 'token', 'x', qs.parse(body));
		return { url, variables: variables(method, new URL(url).pathname + new URL(url).search, {
			'X-Plivo-Signature-V3-Nonce': '12345', 'content-type': 'application/x-www-form-urlencoded' }),
			body, text: kept.toString() };
	};
	const form = 'To=14155551234&From=14155555678&CallUUID=9d1a&Event=StartApp&Text=Zo%C3%AB+%F0%9F%99%82';
	put('plivo', [
		one('POST', 'https://example.com/hooks/plivo', form),
		one('POST', 'https://example.com:8443/hooks/plivo?b=2&a=x%20y&a=1&c', form),
		one('POST', 'https://example.com/hooks/plivo?a=1', ''),
		one('POST', 'https://example.com/hooks/plivo', ''),
		one('POST', 'https://example.com/hooks/plivo', 'b=2&a=z&a=y&ab=&=nameless&&c'),
		one('GET', 'https://example.com/hooks/plivo?To=2&From=1%2B1&z=~', ''),
		one('POST', 'https://example.com', 'a=1'),
	]);
}

// ---- atlassian-qsh: the registered URL is the base URL of the app

{
	const jwt = require('@atlassian/atlassian-jwt');
	const one = (method, url, target) => ({
		url, variables: variables(method, target, {}), body: '{}',
		text: jwt.createQueryStringHash(jwt.fromMethodAndUrl(method, target), false, url),
	});
	put('atlassian-qsh', [
		one('POST', 'https://app.example.com', '/hooks/jira'),
		one('POST', 'https://app.example.com/hooks', '/hooks/jira?user_id=u1&user_key=k&jwt=a.b.c'),
		one('POST', 'https://app.example.com/hooks/', '/hooks/jira/'),
		one('POST', 'https://app.example.com/hooks/jira', '/hooks/jira'),
		one('GET', 'https://app.example.com', '/a&b/c?z=1&a=(x)*!~_-.&b=x+y%20z&empty&z=%C3%AB,&z=0'),
		one('POST', 'https://app.example.com/other', '/hooks/jira?%C3%AB=1&A=2&a%26=3'),
		one('POST', 'https://app.example.com', '/'),
	]);
}

// ---- truelayer

{
	const { sign } = require('truelayer-signing');
	const one = async (path, headers, body, sent = headers) => {
		let text;
		const signature = await sign({ kid: 'k', method: 'post', path, headers, body,
			signingFunction: (message) => {
				text = Buffer.from(message.split('.')[1], 'base64url').toString();
				return 'AAAA';
			} });
		return { variables: variables('POST', path, { ...sent, 'Tl-Signature': signature }), body, text };
	};
	const time = { 'X-Tl-Webhook-Timestamp': '2021-11-29T11:42:55Z' };
	const body = '{"event_type":"example","event_id":"18b2842b-a57b-4887-a0a6-d3c7c36f1020"}';
	put('truelayer', [
		await one('/tl-webhook', { ...time, 'Content-Type': 'application/json' }, body),
		await one('/tl-webhook/?a=1', { 'content-type': 'application/json',
			'x-tl-webhook-timestamp': '2021-11-29T11:42:55Z', 'Idempotency-Key': 'Zoë' }, body),
		await one('/tl-webhook', { ...time, 'X-Empty': '' }, '', time),
	]);
}
