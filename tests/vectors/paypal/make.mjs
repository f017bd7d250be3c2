// How PayPal signs: RSA with SHA-256 of "transmission id|time|webhook id|CRC-32 of the body in decimal".
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { catalogue } from '../vectors.mjs';

// A fresh key with each run.
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(new URL('public.pem', import.meta.url), publicKey.export({ type: 'spki', format: 'pem' }));

const transmission = '69cd13f0-d67a-11e5-baa3-778b53f4ae55';
const webhook = '9XL90610J3647323C';
const sha256 = (text) => sign('sha256', Buffer.from(text), privateKey).toString('base64');
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after code that verifies PayPal\'s webhooks (stackoverflow.com 62870568)',
	secret_file: 'public.pem',
	parameters: [`webhook_id=${webhook}`],
	body: { id: 'WH-9UG43882HX7271132-6E0871324L7949614', event_version: '1.0', create_time: '2023-11-14T22:13:19Z',
		resource_type: 'sale', event_type: 'PAYMENT.SALE.COMPLETED', resource: { id: '80F85758S3080410K', state: 'completed' } },
	time: (seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'),
	tolerance: 4 * 86400,
	future: 300,
	sign: ({ body, time }) => sha256(`${transmission}|${time}|${webhook}|${crc32(body)}`),
	headers: ([signature], { time }) => [['PAYPAL-TRANSMISSION-ID', transmission], ['PAYPAL-TRANSMISSION-TIME', time],
		['PAYPAL-CERT-URL', 'https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77'],
		['PAYPAL-AUTH-ALGO', 'SHA256withRSA'], ['PAYPAL-TRANSMISSION-SIG', signature]],
	parts: ['PAYPAL-TRANSMISSION-ID', 'PAYPAL-TRANSMISSION-TIME'],
});
const refused = (kind, signature, more = {}) =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect: 'wrong', ...more });
const { body, right } = made.request();
const time = '2023-11-14T22:13:20Z';
refused('another-webhook-id', right, { parameters: ['webhook_id=1JE4291016473214C'] });
refused('id-of-the-event-for-the-webhook', sha256(`${transmission}|${time}|WH-9UG43882HX7271132-6E0871324L7949614|${crc32(body)}`));
refused('crc-in-hex', sha256(`${transmission}|${time}|${webhook}|${crc32(body).toString(16)}`));
made.write();
