// How Oura signs, as receivers of it quote its document.
import { catalogue, hmac } from '../vectors.mjs';

const time = '1700000000';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Oura\'s document as receivers quote it (HMAC-SHA256 of timestamp and body, capital hex)',
	secret: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',
	other: 'BBCDEFGHIJKLMNOPQRSTUVWXYZ234566',
	body: { event_type: 'update', data_type: 'daily_sleep', object_id: '12345abc', event_time: '2023-11-14T22:13:20+00:00', user_id: '8f7e6d5c' },
	sign: ({ secret, body }) => hmac('sha256', secret, [time, body], 'hex').toUpperCase(),
	headers: ([signature]) => [['x-oura-timestamp', time], ['x-oura-signature', signature]],
	parts: ['x-oura-timestamp'],
});
const sample = made.request();
made.vector('refused-small-letters', { ...sample, right: undefined, expect: 'wrong',
	headers: sample.headers.map(([name, value]) => [name, name === 'x-oura-signature' ? value.toLowerCase() : value]) });
made.write();
