// How Quoter signs, after its page "Integrate with Webhooks".
import { catalogue, hash } from '../vectors.mjs';

const data = '{"id":"quo_1","name":"Q & A, 50% näher","total":"1,200.00"}';
const form = (hash, timestamp, text = data) => new URLSearchParams({ hash, timestamp, data: text }).toString();
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Quoter\'s "Integrate with Webhooks" (MD5 of hash key, timestamp and data, hex)',
	secret: 'quoterHashKey01',
	other: 'ruoterHashKey02',
	type: 'application/x-www-form-urlencoded',
	body: data,
	bodies: false,
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hash('md5', [secret, time, body], 'hex'),
	place: (signature, { body, time }) => ({ body: form(signature, time, body.toString()) }),
});
const sample = made.request(), body = (text) => ({ headers: sample.headers, body: Buffer.from(text) });
made.vector('refused-other-data', { ...body(form(sample.right, '1700000000', data.replace('1,', '9,'))), expect: 'wrong' });
made.vector('refused-other-time', { ...body(form(sample.right, '1700000001')), expect: 'wrong' });
made.vector('refused-no-data', { ...body(new URLSearchParams({ hash: sample.right, timestamp: '1700000000' }).toString()), expect: 'missing' });
made.vector('refused-missing', { ...body(new URLSearchParams({ timestamp: '1700000000', data }).toString()), expect: 'missing' });
made.write();
