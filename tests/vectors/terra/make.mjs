// How Terra signs: HMAC-SHA256 of "t.body", hex. terra-api 2.1.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after terra-api 2.1.0 (verifyTerraWebhookSignature)',
	secret: '6f8a2c1e9b7d4f035a6c8e1029384756abcdef12',
	other: '6f8a2c1e9b7d4f035a6c8e1029384756abcdef13',
	body: { type: 'activity', status: 'success', user: { user_id: '2f0a', provider: 'GARMIN' }, data: [{ metadata: { type: 8 } }] },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['terra-signature',
		[`t=${time}`, ...signatures.map((signature) => `v1=${signature}`)].join(',')]],
	several: true,
	beside: (signature, { time }) => [['terra-signature', `t=${time},v0=${'0'.repeat(64)},v1=${signature}`]],
});
made.write();
