// How Sanity signs: HMAC-SHA256 of "t.body", base64url, t in milliseconds. @sanity/webhook 4.0.4, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @sanity/webhook 4.0.4 (encodeSignatureHeader)',
	secret: 'a secret of Sanity',
	other: 'a secret of Sanitz',
	body: { _id: 'drafts.1', _type: 'post', title: 'Zoë' },
	time: (seconds) => String(seconds * 1000),
	tolerance: 3600,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'base64url'),
	headers: (signatures, { time }) => [['sanity-webhook-signature',
		[`t=${time}`, ...signatures.map((signature) => `v1=${signature}`)].join(',')]],
	extra: [['idempotency-key', '9c1f0e9b'], ['sanity-operation', 'update']],
});
made.write();
