// How WeChat Pay signs: RSA with SHA-256 of three lines: time, nonce and body.
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { bytes, catalogue } from '../vectors.mjs';

// A fresh key with each run.
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(new URL('public.pem', import.meta.url), publicKey.export({ type: 'spki', format: 'pem' }));

const nonce = 'd824f2e086d3c1df967785d13fcd22ef';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after WeChat Pay\'s page on verifying signatures (RSA with SHA-256 of time, nonce and body, a line each)',
	secret_file: 'public.pem',
	body: { id: 'EV-2018022511223320873', create_time: '2023-11-14T22:13:20+08:00', resource_type: 'encrypt-resource',
		event_type: 'TRANSACTION.SUCCESS', summary: '支付成功', resource: { original_type: 'transaction',
			algorithm: 'AEAD_AES_256_GCM', ciphertext: 'ZGVtbw==', associated_data: '', nonce: 'fdasflkja484' } },
	extra: [['Wechatpay-Serial', 'PUB_KEY_ID_0000000000000024101100397200000006'],
		['Wechatpay-Signature-Type', 'WECHATPAY2-SHA256-RSA2048']],
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ body, time }) => sign('sha256', bytes(`${time}\n${nonce}\n`, body, '\n'), privateKey).toString('base64'),
	headers: ([signature], { time }) => [['Wechatpay-Timestamp', time], ['Wechatpay-Nonce', nonce],
		['Wechatpay-Signature', signature]],
	parts: ['Wechatpay-Timestamp', 'Wechatpay-Nonce'],
});
made.vector('refused-probe', { ...made.request({ signature: 'WECHATPAY/SIGNTEST/' + made.request().right.slice(19) }),
	right: undefined, expect: 'wrong' });
made.write();
