// How TrueLayer signs: truelayer-signing 0.2.3, read; run against these vectors it agrees.
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { bytes, catalogue } from '../vectors.mjs';

// A fresh key with each run.
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' });
writeFileSync(new URL('public.pem', import.meta.url), publicKey.export({ type: 'spki', format: 'pem' }));

const kid = '45fc75cf-5649-4134-84b3-192c2c78e990';
/* A detached JWS: header..signature, over "METHOD path\nName: value\n…body". */
const token = (body, time, { path = '/hooks/truelayer', headers = [['X-TL-Webhook-Timestamp', time]], more = {} } = {}) => {
	const header = Buffer.from(JSON.stringify({ alg: 'ES512', kid, tl_version: '2',
		tl_headers: headers.map(([name]) => name).join(','), ...more })).toString('base64url');
	const text = bytes(`POST ${path}\n`, ...headers.map(([name, value]) => `${name}: ${value}\n`), body);
	const signature = sign('sha512', bytes(header, '.', text.toString('base64url')), { key: privateKey, dsaEncoding: 'ieee-p1363' });
	return `${header}..${signature.toString('base64url')}`;
};
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after TrueLayer\'s document of request signing, version 2',
	secret_file: 'public.pem',
	url: 'https://example.com/hooks/truelayer',
	body: { type: 'payment_executed', event_id: '18b2842b-a57b-4887-a0a6-d3c7c36f1020', event_version: 1,
		payment_id: '60df4b00-9778-4297-be6d-817d7a6d27bb' },
	time: (seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'),
	tolerance: 73 * 3600,
	future: 300,
	sign: ({ body, time }) => token(body, time),
	headers: ([signature], { time }) => [['X-TL-Webhook-Timestamp', time], ['Tl-Signature', signature]],
	parts: ['X-TL-Webhook-Timestamp'],
});
const body = made.request().body;
const time = '2023-11-14T22:13:20Z';
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('for-another-path', token(body, time, { path: '/hooks/other' }));
refused('header-with-another-value', token(body, '2023-11-14T22:13:21Z'));
refused('time-not-signed', token(body, time, { headers: [] }), 'missing');
refused('version-1', token(body, time, { more: { tl_version: '1' } }), 'missing');
made.vector('path-with-a-slash', made.request({ signature: token(body, time, { path: '/hooks/truelayer/' }) }));
made.write();
