// How Box signs: box-node-sdk 10.12.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const primary = 'Fd28OJrZ8oNxkgmS7TbjXNgrG8v8PwTR';
const secondary = 'KWkROAOiof4zhYUHbAmiVn63cMj2Ixyi';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after box-node-sdk 10.12.0 (HMAC-SHA256 of body and BOX-DELIVERY-TIMESTAMP, base64)',
	secret: primary,
	other: secondary,
	body: { type: 'webhook_event', id: 'eb0c4e06-751f-442c-86f8-fd5bb404dbec', created_at: '2023-11-14T14:13:19-08:00',
		trigger: 'FILE.UPLOADED', webhook: { id: '53', type: 'webhook' }, source: { id: '73835521473', type: 'file' } },
	time: (seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z'),
	tolerance: 600,
	future: 60,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [body, time], 'base64'),
	headers: ([signature], { time }) => [['BOX-DELIVERY-ID', 'f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f'], ['BOX-DELIVERY-TIMESTAMP', time],
		['BOX-SIGNATURE-ALGORITHM', 'HmacSHA256'], ['BOX-SIGNATURE-PRIMARY', signature], ['BOX-SIGNATURE-VERSION', '1']],
	parts: ['BOX-DELIVERY-TIMESTAMP'],
});
/* Both headers, and the receiver has only one of the keys. */
const first = made.request(), second = made.request({ secret: secondary });
const both = [...first.headers, ['BOX-SIGNATURE-SECONDARY', second.right]];
made.vector('both-with-the-primary-key', { ...first, headers: both });
made.vector('both-with-the-secondary-key', { ...second, headers: both, secrets: [secondary] });
made.vector('only-the-secondary', { ...second, headers: both.filter(([name]) => name !== 'BOX-SIGNATURE-PRIMARY'), secrets: [secondary] });
made.vector('with-a-zone', (() => {
	const zoned = '2023-11-14T14:13:20-08:00', right = hmac('sha256', primary, [first.body, zoned], 'base64');
	return { ...first, right, headers: first.headers.map(([name, value]) =>
		[name, name === 'BOX-DELIVERY-TIMESTAMP' ? zoned : name === 'BOX-SIGNATURE-PRIMARY' ? right : value]) };
})());
made.write();
