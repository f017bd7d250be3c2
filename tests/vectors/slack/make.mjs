// How Slack signs: verifySlackRequest() of @slack/bolt 5.1.0, run against these vectors, agrees, but for bodies
// that are not UTF-8.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Slack\'s page "Verifying requests from Slack"',
	secret: '8f742231b10e8888abcd99yyyzzz85a5',
	other: 'another31b10e8888abcd99yyyzzz85a',
	body: { token: 'z', team_id: 'T123', type: 'event_callback', event_id: 'Ev123', event_time: 1700000000,
		event: { type: 'app_mention', user: 'U123', text: 'hello', channel: 'C123' } },
	time: String,
	tolerance: 300,
	parts: ['X-Slack-Request-Timestamp'],
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`v0:${time}:`, body], 'hex'),
	headers: ([signature], { time }) => [['X-Slack-Request-Timestamp', time], ['X-Slack-Signature', `v0=${signature}`]],
});
const form = Buffer.from('payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%221.2.a%22%7D');
const facts = made.request({ body: form });
made.vector('interactivity', { ...facts,
	headers: [['Content-Type', 'application/x-www-form-urlencoded'], ...facts.headers.slice(1)] });
const right = made.request();
made.vector('refused-other-version', { ...right, right: undefined, expect: 'malformed',
	headers: right.headers.map(([name, value]) => [name, value.replace('v0=', 'v1=')]) });
made.vector('refused-without-time', { ...right, right: undefined, expect: 'missing',
	headers: right.headers.filter(([name]) => name !== 'X-Slack-Request-Timestamp') });
made.write();
