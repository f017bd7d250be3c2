// How TikTok for Developers signs: HMAC-SHA256 of "t.body", hex, after its page.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after TikTok\'s page "Check the signature"',
	secret: 'wD5kH0sVq2TzYb8nRm1xLc7eJfGu3aPo',
	other: 'wD5kH0sVq2TzYb8nRm1xLc7eJfGu3aPp',
	body: { client_key: 'bwo2m45353a6k85', event: 'video.publish.completed', create_time: 1700000000, user_openid: 'act.example',
		content: '{"share_id":"video.6974245311675353080.VDCxrcMJ"}' },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['TikTok-Signature',
		[`t=${time}`, ...signatures.map((signature) => `s=${signature}`)].join(',')]],
});
made.write();
