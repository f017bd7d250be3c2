// How Persona signs: "t=..,v1=.." with HMAC-SHA256 of "t.body", hex; several pairs with a blank between.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'wbhsec_7c1f0e9b-3d5a-4826-9f7e-1c0b2d4a6f83';
const other = 'wbhsec_7c1f0e9b-3d5a-4826-9f7e-1c0b2d4a6f84';
const sign = ({ secret: key, body, time }) => hmac('sha256', key, [`${time}.`, body], 'hex');
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Persona\'s page "Webhooks best practices"',
	secret,
	other,
	body: { data: { type: 'event', id: 'evt_7J6q', attributes: { name: 'inquiry.completed', 'created-at': '2023-11-14T22:13:20.000Z',
		payload: { data: { type: 'inquiry', id: 'inq_1' } } } } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign,
	headers: (signatures, { time }) => [['Persona-Signature',
		signatures.map((signature) => `t=${time},v1=${signature}`).join(' ')]],
	several: true,
});
// Each time belongs to its own signature.
const body = Buffer.from('{}');
const pair = (key, at, signed_at = at) => `t=${at},v1=${sign({ secret: key, body, time: signed_at })}`;
const now = made.NOW;
made.vector('two-times', { body, headers: [['Persona-Signature', `${pair(other, now - 1)} ${pair(secret, now)}`]],
	right: sign({ secret, body, time: now }) });
made.vector('two-times-the-other-way', { body, headers: [['Persona-Signature', `${pair(secret, now - 1)} ${pair(other, now)}`]],
	right: sign({ secret, body, time: now - 1 }) });
made.vector('refused-times-exchanged', { body, expect: 'wrong',
	headers: [['Persona-Signature', `${pair(other, now, now - 1)} ${pair(secret, now - 1, now)}`]] });
made.vector('refused-right-one-expired', { body, expect: 'expired',
	headers: [['Persona-Signature', `${pair(other, now)} ${pair(secret, now - 301)}`]] });
made.write();
