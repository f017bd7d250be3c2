// make.mjs - makes the vectors that no document publishes
//
//   node tests/vectors/make.mjs
//
// Signatures come from Node's crypto, following each sender's own document, and
// never from hookcgi. Only the authors of vectors need to run it: the files it
// writes are in the tree. Files named published*.vector are written by hand from
// what a sender or an RFC has published; this program does not touch them.
// Everything is reproducible but engine/rsa-*, which get a new key each time.

import { createHash, createHmac, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = dirname(fileURLToPath(import.meta.url));
const NOW = 1700000000;

const hmac = (algorithm, key, bytes, encoding) =>
	createHmac(algorithm, key).update(bytes).digest(encoding);
const join_bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

// A body: its bytes, and the line that stands for it in a vector.
const text = (value) => ({ bytes: Buffer.from(value), line: `body: ${value}` });
const hex = (value) => ({ bytes: Buffer.from(value, 'hex'), line: `body-hex: ${value}` });
const repeat = (count, value) =>
	({ bytes: Buffer.from(value.repeat(count)), line: `body-repeat: ${count} ${value}` });
const file = (folder, name) =>
	({ bytes: readFileSync(join(top, folder, name)), line: `body-file: ${name}` });
const empty = { bytes: Buffer.alloc(0), line: 'body:' };
const bodies = {
	'utf-8': text('{"name":"Zoë Łuczak","text":"naïve café — 東京 🙂"}'),
	binary: hex([...Array(256).keys()].map((i) => i.toString(16).padStart(2, '0')).join('')),
	'not-utf-8': hex('7b2261223a22ff fe c3 28227d'.replaceAll(' ', '')),
	'crlf': hex(Buffer.from('{"a": 1.0,\r\n "b":"\\u00e9"}\r\n').toString('hex')),
	empty,
	megabyte: repeat(1048576, 'x'),
};

function put(folder, name, lines) {
	mkdirSync(join(top, folder), { recursive: true });
	writeFileSync(join(top, folder, name), lines);
}

// One vector. given: source, provider or block, secrets, now, headers [[name, value]], body,
// expect, and optionally fits, right.
function vector(folder, name, given) {
	const lines = [`source: ${given.source}`];
	if (given.block)
		lines.push(...given.block.map((line) => `block: ${line}`));
	else
		lines.push(`provider: ${given.provider ?? folder}`);
	if (given.url)
		lines.push(`url: ${given.url}`);
	lines.push(...given.secrets.map((secret) =>
		secret.includes('\n') ? `secret-file: ${name}.pem` : `secret: ${secret}`));
	for (const secret of given.secrets) {
		if (secret.includes('\n'))
			put(folder, `${name}.pem`, secret);
	}
	lines.push(`now: ${given.now ?? NOW}`);
	lines.push(...given.headers.map(([header, value]) => `header: ${header}: ${value}`));
	lines.push(given.body.line);
	if (given.right !== undefined)
		lines.push(`right: ${given.right}`);
	lines.push(`expect: ${given.expect ?? 'valid'}`);
	if (given.fits !== undefined)
		lines.push(`fits: ${given.fits}`);
	put(folder, `${name}.vector`, lines.join('\n') + '\n');
}

// A request that end-to-end tests can send with curl: body, headers, secret, and its vector.
function sample(folder, given) {
	put(folder, 'sample.body', given.body);
	put(folder, 'sample.headers', given.headers.map(([name, value]) => `${name}: ${value}\n`).join(''));
	put(folder, 'sample.secret', given.secrets[0] + '\n');
	vector(folder, 'sample', { ...given, body: file(folder, 'sample.body') });
}

// ---- senders that sign the body alone ----

const other_secret = 'an-older-secret-7d1f';

function body_alone(folder, { source, header, prefix, algorithm, secret, body, extra, name }) {
	const signed = (key, bytes) => prefix + hmac(algorithm, key, bytes, 'hex');
	const base = { source: `Node's crypto after ${source}`, provider: name };
	sample(folder, { ...base, secrets: [secret], body,
		headers: [...extra, [header, signed(secret, body)]] });
	for (const [kind, value] of Object.entries(bodies)) {
		vector(folder, kind, { ...base, secrets: [secret], body: value,
			headers: [[header, signed(secret, value.bytes)]] });
	}
	for (const [kind, secrets, fits] of [
		['two-secrets-first', [secret, other_secret], 0],
		['two-secrets-second', [other_secret, secret], 1],
	]) {
		vector(folder, kind, { ...base, secrets, fits, body: text(`{"kind":"${kind}"}`),
			headers: [[header, signed(secret, `{"kind":"${kind}"}`)]] });
	}
	const small = text('{"refuse":"me"}');
	const refused = (kind, value, expect) => vector(folder, `refused-${kind}`,
		{ ...base, secrets: [secret], body: small, headers: [[header, value]], expect });
	if (prefix)
		refused('prefix-alone', prefix, 'malformed');
	refused('joined-by-apache', `${signed(secret, small.bytes)}, ${signed(secret, small.bytes)}`, 'repeated');
	refused('quoted', `"${signed(secret, small.bytes)}"`, prefix ? 'malformed' : 'wrong');
	refused('colons-in-hex', prefix + hmac(algorithm, secret, small.bytes, 'hex').match(/../g).join(':'), 'wrong');
	refused('of-empty-key', prefix + hmac(algorithm, '', small.bytes, 'hex'), 'wrong');
	refused('plain-hash', prefix + createHash(algorithm).update(secret).update(small.bytes).digest('hex'), 'wrong');
	const other = algorithm === 'sha1' ? 'sha256' : 'sha1';
	refused('other-algorithm', prefix + hmac(other, secret, small.bytes, 'hex'), 'wrong');
	refused('other-prefix', `${other}=${hmac(other, secret, small.bytes, 'hex')}`, prefix ? 'malformed' : 'wrong');
	if (/^([0-9a-f]{2})+$/.test(secret))
		refused('hex-decoded-key', prefix + hmac(algorithm, Buffer.from(secret, 'hex'), small.bytes, 'hex'), 'wrong');
}

const webconnex_body = '{"eventType":"test","accountId":123,"formId":4567,"eventId":89,' +
	'"data":{"id":1,"total":"20.60","amount":20.6,"billing":{"name":{"first":"John","last":"Smith"}},' +
	'"orderEmail":"test@example.com","registrants":[{"id":2,"fields":[{"label":"T-shirt","value":"L"}]}]},' +
	'"meta":{"appKey":"abc","name":"Test"}}';
body_alone('webconnex', {
	source: 'the Webconnex page "Verifying Signatures" (HMAC-SHA256 of the request body, hex, the ' +
		'secret as text); the key is the one that the page shows',
	header: 'X-Webconnex-Signature', prefix: '', algorithm: 'sha256',
	secret: 'cdcf15c7c0184636a0fd7af7dbd42929', body: webconnex_body,
	extra: [['Content-Type', 'application/json'], ['User-Agent', 'Webconnex-Divvy'],
		['X-Webconnex-Delivery', 'b473fe314def43ccacc10ec75aae1451'], ['X-Webconnex-Event', 'test']],
});

body_alone('sixpark', {
	source: 'the Six Park page "Webhooks" (SHA256 HMAC of the raw body; hex and the token as text are ' +
		'assumed, the page does not say); the token and the body are the page\'s',
	header: 'X-SixPark-Signature', prefix: '', algorithm: 'sha256',
	secret: 'b7bcf4a088215ed9396b07c9e8b931a5697bc0c4',
	body: JSON.stringify({ data: { id: 'ecb20ef1-a543-4ae5-9446-0661a882a616', type: 'webhook-event',
		attributes: { even_type: 'ACCOUNT_ONBOARDED' }, relationships: {
			webhook: { data: { type: 'webhook', id: '75fe2702-114a-401c-8a5f-61d9fa15e0eb' },
				links: { related: 'https://app.sixpark.com.au/api/v1/webhooks/75fe2702-114a-401c-8a5f-61d9fa15e0eb' } },
			account: { data: { type: 'account', id: 'f11b778a-3c83-43b5-a481-6b46e4d8aabb' },
				links: { related: 'https://...' } } } } }),
	extra: [['Content-Type', 'application/json']],
});

{
	const secret = 'b7bcf4a088215ed9396b07c9e8b931a5697bc0c4';
	vector('sixpark', 'base64', { source: 'Node\'s crypto; the page does not exclude base64',
		secrets: [secret], body: text('{"data":{}}'),
		headers: [['X-SixPark-Signature', hmac('sha256', secret, '{"data":{}}', 'base64')]] });
}

const wootric = {
	source: 'the Wootric page "Outgoing Webhooks" (sha1= and HMAC-SHA1 of the body, hex); the token ' +
		'and the body are the page\'s',
	header: 'X-Wootric-Signature', prefix: 'sha1=', algorithm: 'sha1',
	secret: '09dfb1b73af998743fb011f8bfda8912',
	// The page's bytes on one line: brackets bare, blanks as %20, one "@" bare, an empty value.
	body: 'response[id]=1128&response[email]=nps@example.com&response[external_id]=123abc&' +
		'response[score]=7&response[text]=&response[ip_address]=127.0.0.1&' +
		'response[origin_url]=https%3A%2F%2Fwootric.com%2F&response[end_user_id]=30&' +
		'response[end_user_properties][pricing_plan]=Enterprise&' +
		'response[end_user_properties][product_plan]=Web%20App&response[survey_id]=1146&' +
		'response[created_at]=2016-08-04%2013%3A57%3A26%20-0700&' +
		'response[updated_at]=2016-08-04%2013%3A57%3A26%20-0700&' +
		'response[excluded_from_calculations]=false&event_name=created&account_token=NPS-xxxxxxx&' +
		'survey_mode=NPS&timestamp=2016-08-04%2013%3A57%3A31%20-0700',
	extra: [['Content-Type', 'application/x-www-form-urlencoded']],
};
body_alone('wootric', wootric);
const decline = 'decline[id]=19&decline[email]=nps@example.com&decline[external_id]=123abc&' +
	'decline[ip_address]=127.0.0.1&decline[origin_url]=https%3A%2F%2Fwootric.com%2F&' +
	'decline[end_user_id]=31&decline[end_user_properties][pricing_plan]=Pro&' +
	'decline[end_user_properties][product_plan]=Web%20App&decline[survey_id]=1147&' +
	'decline[created_at]=2016-08-04%2013%3A58%3A21%20-0700&' +
	'decline[updated_at]=2016-08-04%2013%3A58%3A21%20-0700&event_name=created&' +
	'account_token=NPS-xxxxxxx&survey_mode=NPS&timestamp=2016-08-04%2013%3A58%3A23%20-0700';
const wootric_json = JSON.stringify({ response: { id: 1128, email: 'nps@example.com', external_id: '123abc',
	score: 7, text: null, ip_address: '127.0.0.1', origin_url: 'https://wootric.com/', end_user_id: 30,
	end_user_properties: { pricing_plan: 'Enterprise', product_plan: 'Web App' }, survey_id: 1146,
	created_at: '2016-08-04T13:57:26.000-07:00', updated_at: '2016-08-04T13:57:26.000-07:00',
	excluded_from_calculations: false }, event_name: 'created', account_token: 'NPS-xxxxxxx',
	survey_mode: 'NPS', timestamp: '2016-08-04T13:57:31.329-07:00' });
for (const [kind, body, type] of [
	['decline', decline, 'application/x-www-form-urlencoded'],
	['json', wootric_json, 'application/json'],
]) {
	vector('wootric', kind, { source: `Node's crypto after ${wootric.source}`, secrets: [wootric.secret],
		body: text(body), headers: [['Content-Type', type],
			[wootric.header, 'sha1=' + hmac('sha1', wootric.secret, body, 'hex')]] });
}
put('wootric', 'sample-json.body', wootric_json);
put('wootric', 'sample-json.headers', `Content-Type: application/json\n${wootric.header}: sha1=` +
	hmac('sha1', wootric.secret, wootric_json, 'hex') + '\n');

const digivault = {
	source: 'the DigiVault page "Verifying Webhook Signatures" (HMAC-SHA256 of the raw payload, hex); ' +
		'the body is the page\'s test event',
	header: 'X-DigiVault-Signature', prefix: '', algorithm: 'sha256', secret: 'dv_3f9c61a0b2e84d57',
	body: JSON.stringify({ id: 'webhook_test_123', type: 'conversation.message.created',
		created_at: 1640995200, data: { object: { id: 'test_message_id',
			conversation_id: 'test_conversation_id', message: 'This is a test message',
			created_at: 1640995200 } } }),
	extra: [['Content-Type', 'application/json']],
};
body_alone('digivault', digivault);
const digivault_right = hmac('sha256', digivault.secret, digivault.body, 'hex');
const digivault_wrong = hmac('sha256', other_secret, digivault.body, 'hex');
for (const [kind, headers, expect] of [
	['bitvault-header', [['X-BitVault-Signature', digivault_right]], 'valid'],
	['both-headers', [[digivault.header, digivault_right], ['X-BitVault-Signature', digivault_right]], 'valid'],
	['refused-both-differ', [[digivault.header, digivault_right], ['X-BitVault-Signature', digivault_wrong]], 'wrong'],
	['refused-both-differ-2', [[digivault.header, digivault_wrong], ['X-BitVault-Signature', digivault_right]], 'wrong'],
]) {
	vector('digivault', kind, { source: `Node's crypto after ${digivault.source}; two of its three ` +
		'samples name the header X-BitVault-Signature', secrets: [digivault.secret],
		body: text(digivault.body), headers, expect });
}

body_alone('idfy', {
	source: 'the Idfy page "Validating payloads" (HMAC-SHA256 hex digest of the body); the body is a ' +
		'ping in the shape of @idfy/sdk\'s Event type',
	header: 'X-Idfy-Signature', prefix: '', algorithm: 'sha256', secret: 'your-secret-token',
	body: JSON.stringify({ id: '5b4f1c0e-9d3a-4c55-8f0e-2a6a3d1f7c11', type: 'ping', payload: {},
		timestamp: '2018-06-01T12:00:00.000Z', accountId: 'a-12345', tags: [] }),
	extra: [['Content-Type', 'application/json']],
});

const github = {
	source: 'the GitHub page "Validating webhook deliveries" (sha256= and HMAC-SHA256 of the payload, hex)',
	header: 'X-Hub-Signature-256', prefix: 'sha256=', algorithm: 'sha256',
	secret: "It's a Secret to Everybody",
	body: JSON.stringify({ action: 'opened', issue: { number: 1347, title: 'Found a bug' },
		repository: { id: 1296269, full_name: 'octocat/Hello-World' }, sender: { login: 'octocat' } }),
	extra: [['Content-Type', 'application/json'], ['User-Agent', 'GitHub-Hookshot/044aadd'],
		['X-GitHub-Event', 'issues'], ['X-GitHub-Delivery', '72d3162e-cc78-11e3-81ab-4c9367dc0958'],
		['X-GitHub-Hook-ID', '292430182']],
};
body_alone('github', github);
{
	const form = 'payload=' + encodeURIComponent(github.body);
	vector('github', 'form', { source: `Node's crypto after ${github.source}; content type form`,
		secrets: [github.secret], body: text(form), headers: [
			['Content-Type', 'application/x-www-form-urlencoded'],
			[github.header, 'sha256=' + hmac('sha256', github.secret, form, 'hex')]] });
}

// ---- Stripe ----

const stripe = {
	secret: 'whsec_5Hh2kXb0YQ3rN8vJ1mT6pLcD9sWfA4eZ', // signed with as text, whsec_ and all
	body: JSON.stringify({ id: 'evt_1NG8Du2eZvKYlo2CUI79vXWy', object: 'event', api_version: '2023-10-16',
		created: NOW, type: 'payment_intent.succeeded', livemode: false,
		data: { object: { id: 'pi_3NG8Du2eZvKYlo2C0', object: 'payment_intent', amount: 2000 } } }),
};
const stripe_v1 = (secret, time, body) => hmac('sha256', secret, join_bytes(`${time}.`, body), 'hex');
{
	const source = 'Node\'s crypto after Stripe\'s page "Verify webhook signatures manually" ' +
		'(v1 is HMAC-SHA256 of "t.body", hex; the secret as text)';
	const header = (value) => [['Stripe-Signature', value]];
	const put_one = (kind, given) => vector('stripe', kind, { source, secrets: [stripe.secret],
		body: text(stripe.body), ...given });
	const right = stripe_v1(stripe.secret, NOW, stripe.body);
	const wrong = (i) => stripe_v1(`wrong ${i}`, NOW, stripe.body);
	sample('stripe', { source, secrets: [stripe.secret], body: stripe.body, headers: [
		['Content-Type', 'application/json; charset=utf-8'], ['User-Agent', 'Stripe/1.0 (+https://stripe.com/docs/webhooks)'],
		['Stripe-Signature', `t=${NOW},v1=${right}`]] });
	for (const [kind, body] of Object.entries(bodies))
		put_one(kind, { body, headers: header(`t=${NOW},v1=${stripe_v1(stripe.secret, NOW, body.bytes)}`) });
	put_one('two-secrets-second', { secrets: [other_secret, stripe.secret], fits: 1,
		headers: header(`t=${NOW},v1=${right}`) });
	for (const [kind, value] of [
		['list-first', `t=${NOW},v1=${right},v1=${wrong(1)},v1=${wrong(2)}`],
		['list-middle', `t=${NOW},v1=${wrong(1)},v1=${right},v1=${wrong(2)}`],
		['list-last', `t=${NOW},v1=${wrong(1)},v1=${wrong(2)},v1=${right}`],
		['list-of-16', `t=${NOW},` + [...Array(15).keys()].map((i) => `v1=${wrong(i)},`).join('') + `v1=${right}`],
		['unknown-version-beside', `t=${NOW},v1=${right},v0=${wrong(1)}`],
		['unknown-version-before', `t=${NOW},v0=${wrong(1)},v2=abc,v1=${right}`],
		['blanks-around-parts', `t=${NOW}, v1=${wrong(1)} ,\tv1=${right}`],
		['time-last', `v1=${right},t=${NOW}`],
		['time-twice-the-same', `t=${NOW},v1=${right},t=${NOW}`],
	])
		put_one(kind, { headers: header(value), right });
	for (const [kind, now, expect] of [
		['oldest', NOW + 300, 'valid'],
		['newest', NOW - 300, 'valid'],
		['refused-expired', NOW + 301, 'expired'],
	])
		put_one(kind, { now, headers: header(`t=${NOW},v1=${right}`), expect });
	const list_of = (count) => [...Array(count).keys()].map((i) => `v1=${wrong(i)}`).join(',');
	for (const [kind, value, expect] of [
		['list-of-17', `t=${NOW},${list_of(16)},v1=${right}`, 'wrong'],
		['expired-and-wrong', `t=${NOW - 9999},v1=${right}`, 'wrong'],
		['other-version', `t=${NOW},v0=${right}`, 'malformed'],
		['no-version', `t=${NOW},${right}`, 'malformed'],
		['no-time', `v1=${right}`, 'malformed'],
		['empty-time', `t=,v1=${right}`, 'malformed'],
		['empty-signature', `t=${NOW},v1=`, 'malformed'],
		['two-times', `t=${NOW},t=${NOW + 1},v1=${right}`, 'malformed'],
		['two-times-2', `t=${NOW},v1=${right},t=${NOW - 1}`, 'malformed'],
		['only-separators', ',,,,', 'malformed'],
		['other-separator', `t=${NOW};v1=${right}`, 'malformed'],
		['capital-names', `T=${NOW},V1=${right}`, 'malformed'],
		['secret-without-whsec', `t=${NOW},v1=${stripe_v1(stripe.secret.slice(6), NOW, stripe.body)}`, 'wrong'],
		['body-alone', `t=${NOW},v1=${hmac('sha256', stripe.secret, stripe.body, 'hex')}`, 'wrong'],
		...['+1700000000', '-1', '0x6553f100', '1700000000.0', '1.7e9', '9223372036854775808',
			'99999999999999999999999', 'now', '17000 00000'].map((time, i) => [`time-${i + 1}`,
			`t=${time},v1=${stripe_v1(stripe.secret, time, stripe.body)}`, 'malformed']),
		// Digits, but another text than what was signed: 01700000000 is not 1700000000.
		['time-leading-zero', `t=0${NOW},v1=${right}`, 'wrong'],
	])
		put_one(`refused-${kind}`, { headers: header(value), expect });
}

// ---- Standard Webhooks ----

{
	const source = 'Node\'s crypto after the Standard Webhooks specification (v1 is HMAC-SHA256 of ' +
		'"id.timestamp.body", base64; the key is the base64 behind whsec_)';
	const secret = 'whsec_' + createHash('sha256').update('vectors').digest('base64');
	let id = 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W';
	const key = Buffer.from(secret.slice(6), 'base64');
	const body = JSON.stringify({ type: 'contact.created', timestamp: '2022-11-03T20:26:10.344522Z',
		data: { id: '1f81eb52-5198-4599-803e-771906343485', type: 'contact' } });
	const v1 = (with_key, with_id, time, bytes) =>
		hmac('sha256', with_key, join_bytes(`${with_id}.${time}.`, bytes), 'base64');
	// An id whose signature has digits that base64url writes differently.
	for (let i = 0; !/[+/]/.test(v1(key, id, NOW, body)); i++)
		id = `msg_2KWPBgLlAfxdpx2AI54pPJ85f4${i}`;
	const headers = (signature, with_id = id, time = NOW) => [['webhook-id', with_id],
		['webhook-timestamp', String(time)], ['webhook-signature', signature]];
	const put_one = (kind, given) => vector('standardwebhooks', kind,
		{ source, secrets: [secret], body: text(body), ...given });
	const right = v1(key, id, NOW, body);
	const wrong = (i) => v1(Buffer.from(`wrong ${i}`), id, NOW, body);
	sample('standardwebhooks', { source, secrets: [secret], body,
		headers: [['Content-Type', 'application/json'], ...headers(`v1,${right}`)] });
	for (const [kind, value] of Object.entries(bodies))
		put_one(kind, { body: value, headers: headers(`v1,${v1(key, id, NOW, value.bytes)}`) });
	put_one('two-secrets-second', { fits: 1, headers: headers(`v1,${right}`),
		secrets: ['whsec_' + Buffer.from(other_secret).toString('base64'), secret] });
	for (const [kind, value] of [
		['list-first', `v1,${right} v1,${wrong(1)} v1,${wrong(2)}`],
		['list-middle', `v1,${wrong(1)} v1,${right} v1,${wrong(2)}`],
		['list-last', `v1,${wrong(1)} v1,${wrong(2)} v1,${right}`],
		['unknown-version-beside', `v1a,${wrong(1)} v1,${right} v2,${wrong(2)}`],
		['two-blanks', `v1,${wrong(1)}  v1,${right}`],
	])
		put_one(kind, { headers: headers(value), right });
	for (const [kind, now, expect] of [
		['oldest', NOW + 300, 'valid'],
		['newest', NOW - 300, 'valid'],
		['refused-expired', NOW + 301, 'expired'],
		['refused-early', NOW - 301, 'early'],
	])
		put_one(kind, { now, headers: headers(`v1,${right}`), expect });
	// The spare bits of base64's last digit: these spell the same bytes for a lax decoder.
	const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
	const spare = right.slice(0, 42) + digits[digits.indexOf(right[42]) + 1] + '=';
	for (const [kind, given] of Object.entries({
		'id-with-dot': { headers: headers(`v1,${v1(key, 'msg.1', NOW, body)}`, 'msg.1'), expect: 'ambiguous' },
		'border-moved': { headers: headers(`v1,${v1(key, 'a.1', `${NOW}`, body)}`, 'a', `1.${NOW}`), expect: 'malformed' },
		'id-missing': { headers: headers(`v1,${right}`).slice(1), expect: 'missing' },
		'time-missing': { headers: headers(`v1,${right}`).toSpliced(1, 1), expect: 'missing' },
		'id-twice': { headers: [['webhook-id', id], ...headers(`v1,${right}`)], expect: 'repeated' },
		'time-twice': { headers: [...headers(`v1,${right}`), ['webhook-timestamp', String(NOW)]], expect: 'repeated' },
		'id-joined-by-apache': { headers: headers(`v1,${right}`, `${id}, ${id}`), expect: 'repeated' },
		'time-joined-by-apache': { headers: headers(`v1,${right}`, id, `${NOW}, ${NOW}`), expect: 'repeated' },
		'time-beyond-year-9999': { headers: headers(`v1,${v1(key, id, NOW + '000', body)}`, id, NOW + '000'), expect: 'malformed' },
		'spare-bits': { headers: headers(`v1,${spare}`), expect: 'wrong' },
		'no-padding': { headers: headers(`v1,${right.slice(0, 43)}`), expect: 'wrong' },
		'two-characters-behind': { headers: headers(`v1,${right}AA`), expect: 'wrong' },
		'base64url': { headers: headers(`v1,${right.replaceAll('+', '-').replaceAll('/', '_')}`), expect: 'wrong' },
		'hex': { headers: headers(`v1,${Buffer.from(right, 'base64').toString('hex')}`), expect: 'wrong' },
		'version-alone': { headers: headers('v1,'), expect: 'malformed' },
		'other-version': { headers: headers(`v2,${right}`), expect: 'malformed' },
		'only-v1a': { headers: headers(`v1a,${right}`), expect: 'malformed' },
		'no-version': { headers: headers(right), expect: 'malformed' },
		'list-by-comma': { headers: headers(`v1,${wrong(1)},v1,${right}`), expect: 'wrong' },
		'key-as-text': { headers: headers(`v1,${v1(secret, id, NOW, body)}`), expect: 'wrong' },
	}))
		put_one(`refused-${kind}`, given);
}

// ---- the engine's own schemes, through a provider block ----

const X = 'X-Signature';
const engine = (name, given) => vector('engine', name, { body: text('{"a":1}'), ...given });
const rule = (first, ...more) => [`header = "${X}"`, `algorithm = "${first}"`, ...more];

{
	const source = 'Node\'s crypto';
	const secret = 'engine secret';
	const body = bodies['utf-8'];
	for (const algorithm of ['md5', 'sha1', 'sha256', 'sha384', 'sha512']) {
		for (const encoding of ['hex', 'base64', 'base64url']) {
			engine(`hmac-${algorithm}-${encoding}`, { source, body, secrets: [secret],
				block: rule(`hmac-${algorithm}`, `encoding = "${encoding}"`, 'signs = "{body}"'),
				headers: [[X, hmac(algorithm, secret, body.bytes, encoding)]] });
		}
	}
	engine('hmac-sha256-hex-upper', { source, body, secrets: [secret],
		block: rule('hmac-sha256', 'encoding = "hex-upper"'),
		headers: [[X, hmac('sha256', secret, body.bytes, 'hex').toUpperCase()]] });
	for (const algorithm of ['sha1', 'sha256', 'sha512']) {
		const plain = createHash(algorithm).update(secret).update(body.bytes).digest('hex');
		const block = rule(algorithm, 'encoding = "hex"', 'signs = "{secret}{body}"');
		engine(`hash-${algorithm}`, { source, body, secrets: [other_secret, secret], fits: 1, block,
			headers: [[X, plain]] });
		engine(`refused-hash-${algorithm}`, { source, body, secrets: [secret], block, expect: 'wrong',
			headers: [[X, createHash(algorithm).update(body.bytes).digest('hex')]] });
	}
	const timed = ['encoding = "hex"', 'timestamp = "{header:X-Timestamp}"', 'tolerance = "5m"'];
	for (const [kind, time, format] of [
		['s', String(NOW), 's'],
		['ms', String(NOW) + '000', 'ms'],
		['rfc3339', '2023-11-14T22:13:20.123456789Z', 'rfc3339'],
		['rfc3339-zone', '2023-11-14T23:13:20+01:00', 'rfc3339'],
		['iso8601', '2023-11-14T22:13:20', 'iso8601'],
		['http', 'Tue, 14 Nov 2023 22:13:20 GMT', 'http'],
	]) {
		engine(`time-${kind}`, { source, secrets: [secret],
			block: rule('hmac-sha256', ...timed, 'signs = "{timestamp}\\n{body}"', `timestamp_format = "${format}"`),
			headers: [['X-Timestamp', time], [X, hmac('sha256', secret, `${time}\n{"a":1}`, 'hex')]] });
	}
	const url = 'https://example.com/hooks/acme?x=1&y=%20';
	engine('url-method-body-time', { source, url, secrets: [secret],
		block: rule('hmac-sha256', 'encoding = "base64"', 'timestamp = "{header:X-Timestamp}"',
			'timestamp_format = "ms"', 'signs = "{method}{url}{body}{timestamp}"'),
		headers: [['X-Timestamp', `${NOW}000`],
			[X, hmac('sha256', secret, `POST${url}{"a":1}${NOW}000`, 'base64')]] });
	engine('bodyhash', { source, secrets: [secret],
		block: rule('hmac-sha256', 'encoding = "hex"', 'signs = "{path}\\n{bodyhash:sha256:hex}"'),
		url, headers: [[X, hmac('sha256', secret,
			'/hooks/acme\n' + createHash('sha256').update('{"a":1}').digest('hex'), 'hex')]] });
	engine('body-fields', { source, secrets: [secret],
		body: text('{"signature":{"timestamp":"1700000000","token":"abc","signature":"' +
			hmac('sha256', secret, '1700000000abc', 'hex') + '"}}'),
		block: ['signature = "{body:signature.signature}"', 'algorithm = "hmac-sha256"', 'encoding = "hex"',
			'timestamp = "{body:signature.timestamp}"', 'signs = "{timestamp}{body:signature.token}"'],
		headers: [['Content-Type', 'application/json']] });
	engine('sorted-form', { source, url: 'https://example.com/twilio', secrets: [secret],
		body: text('To=%2B1&From=%2B2&Body=a+b'),
		block: rule('hmac-sha1', 'encoding = "base64"', 'signs = "{url}{sorted_form}"'),
		headers: [['Content-Type', 'application/x-www-form-urlencoded'],
			[X, hmac('sha1', secret, 'https://example.com/twilioBodya bFrom+2To+1', 'base64')]] });
	const keyed = (kind, options, text_key, key) => engine(`key-${kind}`, { source, secrets: [text_key],
		block: rule('hmac-sha256', 'encoding = "hex"', 'signs = "{body}"', ...options),
		headers: [[X, hmac('sha256', key, '{"a":1}', 'hex')]] });
	keyed('hex', ['key = "hex"'], '00ff10203040', Buffer.from('00ff10203040', 'hex'));
	keyed('base64', ['key = "base64"'], 'AAH/+w==', Buffer.from('AAH/+w==', 'base64'));
	keyed('append', ['key_append = "&"'], 'fitbit', 'fitbit&');
	keyed('strip', ['key_strip = "v1,whsec_"', 'key = "base64"'], 'v1,whsec_AAH/+w==', Buffer.from('AAH/+w==', 'base64'));
	for (const [kind, value, expect] of [['signed-header', 'n0nce', 'valid'], ['refused-signed-header-with-dot', 'n.0', 'ambiguous']]) {
		engine(kind, { source, secrets: [secret], expect,
			block: rule('hmac-sha256', 'encoding = "hex"', 'signs = "{header:X-Nonce}.{body}"'),
			headers: [['X-Nonce', value], [X, hmac('sha256', secret, `${value}.{"a":1}`, 'hex')]] });
	}
	// Behind the body the border is in front: {"a":1} + "." + "n.0" is also {"a":1}.n + "." + "0".
	for (const [kind, value, expect] of [['signed-header-behind', 'n0nce', 'valid'], ['refused-signed-header-behind-with-dot', 'n.0', 'ambiguous']]) {
		engine(kind, { source, secrets: [secret], expect,
			block: rule('hmac-sha256', 'encoding = "hex"', 'signs = "{body}.{header:X-Nonce}"'),
			headers: [['X-Nonce', value], [X, hmac('sha256', secret, `{"a":1}.${value}`, 'hex')]] });
	}
	// Free-form time: signed as it came, so it must not hold the text that ends it.
	for (const [kind, nonce, expect] of [['nonce', 'n0nce', 'valid'], ['refused-nonce-with-dot', 'n.0', 'ambiguous']]) {
		engine(kind, { source, secrets: [secret], expect,
			block: rule('hmac-sha256', 'encoding = "hex"', 'format = {"t={timestamp}", "s={signature}"}',
				'separator = ","', 'signs = "{timestamp}.{body}"', 'tolerance = "off"', 'future = "off"'),
			headers: [[X, `t=${nonce},s=${hmac('sha256', secret, `${nonce}.{"a":1}`, 'hex')}`]] });
	}
}

{
	const source = 'by hand: the secret itself travels (RFC 7617 for Basic, RFC 6750 for Bearer)';
	const token = (kind, block, secrets, headers, more = {}) =>
		engine(kind, { source, secrets, headers, block, ...more });
	token('token', rule('token'), ['s3cr3t-token'], [[X, 's3cr3t-token']]);
	token('token-second', rule('token'), ['other', 's3cr3t-token'], [[X, 's3cr3t-token']], { fits: 1 });
	token('refused-token-prefix', rule('token'), ['s3cr3t-token'], [[X, 's3cr3t-toke']], { expect: 'wrong' });
	token('refused-token-longer', rule('token'), ['s3cr3t-token'], [[X, 's3cr3t-token1']], { expect: 'wrong' });
	token('refused-token-case', rule('token'), ['s3cr3t-token'], [[X, 'S3cr3t-token']], { expect: 'wrong' });
	token('bearer', ['algorithm = "bearer"'], ['mF_9.B5f-4.1JqM'], [['Authorization', 'Bearer mF_9.B5f-4.1JqM']]);
	token('refused-bearer-as-basic', ['algorithm = "bearer"'], ['mF_9.B5f-4.1JqM'],
		[['Authorization', 'Basic mF_9.B5f-4.1JqM']], { expect: 'malformed' });
	token('basic', ['algorithm = "basic"'], ['Aladdin:open sesame'],
		[['Authorization', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==']]);
	token('refused-basic-plain', ['algorithm = "basic"'], ['Aladdin:open sesame'],
		[['Authorization', 'Basic Aladdin:open sesame']], { expect: 'wrong' });
	token('refused-basic-unpadded', ['algorithm = "basic"'], ['Aladdin:open sesame'],
		[['Authorization', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ']], { expect: 'wrong' });
	token('refused-basic-other', ['algorithm = "basic"'], ['Aladdin:open sesame'],
		[['Authorization', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZE==']], { expect: 'wrong' });
}

{
	const spki = (key) => key.export({ type: 'spki', format: 'der' }).toString('base64');
	const pem = (key) => key.export({ type: 'spki', format: 'pem' });
	// Seed and public key of RFC 8032 section 7.1, test 2.
	const seed = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
	const public_hex = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
	const ed = createPrivateKey({ type: 'pkcs8', format: 'der',
		key: Buffer.from('302e020100300506032b657004220420' + seed, 'hex') });
	const ed_sign = (bytes, encoding) => sign(null, Buffer.from(bytes), ed).toString(encoding);
	const discord = rule('ed25519', 'encoding = "hex"', 'key = "hex"', 'signs = "{timestamp}{body}"',
		'timestamp = "{header:X-Timestamp}"');
	const source = 'Node\'s crypto with the key of RFC 8032 section 7.1 test 2';
	const good = ed_sign(`${NOW}{"a":1}`, 'hex');
	engine('ed25519', { source, block: discord, secrets: [public_hex],
		headers: [['X-Timestamp', String(NOW)], [X, good]] });
	engine('ed25519-second', { source, block: discord, fits: 1, secrets: [
		'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025', public_hex],
		headers: [['X-Timestamp', String(NOW)], [X, good]] });
	engine('refused-ed25519-other-key', { source, block: discord, expect: 'wrong',
		secrets: ['fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025'],
		headers: [['X-Timestamp', String(NOW)], [X, good]] });
	engine('refused-ed25519-capitals', { source, block: discord, expect: 'wrong', secrets: [public_hex],
		headers: [['X-Timestamp', String(NOW)], [X, good.toUpperCase()]] });
	engine('refused-ed25519-short', { source, block: discord, expect: 'wrong', secrets: [public_hex],
		headers: [['X-Timestamp', String(NOW)], [X, good.slice(0, 126)]] });
	const v1a = ['header = "webhook-signature"', 'algorithm = "ed25519"', 'encoding = "base64"',
		'format = "v1a,{signature}"', 'separator = " "', 'key = "base64"', 'key_strip = "whpk_"',
		'signs = "{id}.{timestamp}.{body}"', 'id = "{header:webhook-id}"', 'timestamp = "{header:webhook-timestamp}"'];
	const v1a_right = ed_sign(`msg_1.${NOW}.{"a":1}`, 'base64');
	engine('ed25519-v1a', { source: source + '; Standard Webhooks v1a', block: v1a, right: v1a_right,
		secrets: ['whpk_' + Buffer.from(public_hex, 'hex').toString('base64')],
		headers: [['webhook-id', 'msg_1'], ['webhook-timestamp', String(NOW)],
			['webhook-signature', `v1,AAAA v1a,${v1a_right}`]] });

	for (const [name, hash] of [['rsa-sha1', 'sha1'], ['rsa-sha256', 'sha256'], ['rsa-sha512', 'sha512']]) {
		const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
		const signature = sign(hash, Buffer.from('{"a":1}'), rsa.privateKey).toString('base64');
		const made = { source: 'Node\'s crypto with a key made for this vector and forgotten', headers: [[X, signature]] };
		engine(name, { ...made, secrets: [pem(rsa.publicKey)],
			block: rule(name, 'encoding = "base64"', 'key = "pem"', 'signs = "{body}"') });
		if (name !== 'rsa-sha256')
			continue;
		engine('rsa-sha256-spki', { ...made, secrets: [spki(rsa.publicKey)],
			block: rule(name, 'encoding = "base64"', 'key = "base64"', 'signs = "{body}"') });
		engine('refused-rsa-other-hash', { ...made, secrets: [pem(rsa.publicKey)], expect: 'wrong',
			block: rule('rsa-sha512', 'encoding = "base64"', 'key = "pem"', 'signs = "{body}"') });
	}
	const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
	engine('rsa-pss-sha512', { source: 'Node\'s crypto with a key made for this vector and forgotten',
		secrets: [pem(rsa.publicKey)], block: rule('rsa-pss-sha512', 'encoding = "base64"', 'key = "pem"', 'signs = "{body}"'),
		headers: [[X, sign('sha512', Buffer.from('{"a":1}'), { key: rsa.privateKey, padding: 6, saltLength: 64 }).toString('base64')]] });
}
