// How Mux signs: HMAC-SHA256 of "t.body", hex. @mux/mux-node 15.3.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @mux/mux-node 15.3.0 (webhooks.verifySignature)',
	secret: '3uj7yR1nT0kZ8qYb2vLd5eHfWxSm4cGa',
	other: '3uj7yR1nT0kZ8qYb2vLd5eHfWxSm4cGb',
	body: { type: 'video.asset.ready', id: '3a56ac3d', created_at: '2023-11-14T22:13:20.000000Z', object: { type: 'asset', id: '0201p0' },
		data: { status: 'ready' } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['Mux-Signature',
		[`t=${time}`, ...signatures.map((signature) => `v1=${signature}`)].join(',')]],
	several: true,
	beside: (signature, { time }) => [['Mux-Signature', `t=${time},v0=${'0'.repeat(64)},v1=${signature}`]],
});
made.write();
