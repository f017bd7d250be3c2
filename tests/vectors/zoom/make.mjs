// How Zoom signs: @zoom/rivet 0.4.0, read; run against these vectors it agrees (it leaves the time alone, and prints the body anew).
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @zoom/rivet 0.4.0 (HMAC-SHA256 of "v0:t:body", hex)',
	secret: 'Q2VydGFpbmx5Tm90QVNlY3JldA',
	other: 'R2VydGFpbmx5Tm90QVNlY3JldB',
	body: { event: 'meeting.started', event_ts: 1700000000123, payload: { account_id: 'AAAAAABBBB', object: { id: '1234567890', uuid: '4444AAAiAAAAAiAiAiiAii==' } } },
	time: (seconds) => String(seconds),
	tolerance: 7200,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`v0:${time}:`, body], 'hex'),
	headers: ([signature], { time }) => [['x-zm-request-timestamp', time], ['x-zm-signature', `v0=${signature}`]],
	parts: ['x-zm-request-timestamp'],
});
made.write();
