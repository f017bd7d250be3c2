// How ElevenLabs signs: HMAC-SHA256 of "t.body", hex. @elevenlabs/elevenlabs-js 2.73.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @elevenlabs/elevenlabs-js 2.73.0 (webhooks.constructEvent)',
	secret: 'wsec_7c1f0e9b3d5a48269f7e1c0b2d4a6f83',
	other: 'wsec_7c1f0e9b3d5a48269f7e1c0b2d4a6f84',
	body: { type: 'post_call_transcription', event_timestamp: 1700000000, data: { agent_id: 'a1', conversation_id: 'c1', status: 'done' } },
	time: (seconds) => String(seconds),
	tolerance: 1800,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['ElevenLabs-Signature',
		[`t=${time}`, ...signatures.map((signature) => `v0=${signature}`)].join(',')]],
});
made.write();
