// How Walmart Marketplace signs, after its page "Security and authenticity".
import { catalogue, hash, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Walmart\'s "Security and authenticity" (HMAC-SHA256 of method, path with query, timestamp and hex SHA-256 of the body, a line each, base64)',
	secret: '5f2b8c1d9e4a7036f1c8b5d2e9a6437f',
	other: '6f2b8c1d9e4a7036f1c8b5d2e9a6437e',
	url: 'https://hooks.example.org/hooks/walmart?seller=10001&x=%2F',
	body: { source: { eventType: 'PO_CREATED', eventTime: '2023-11-14T22:13:20Z', eventId: '8b4f7d0c-1f5d-4b6f-9d2c-7e9f1a3b5c7d' }, payload: { poId: '1796277083022' } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time, url }) => hmac('sha256', secret,
		`POST\n${url.slice('https://hooks.example.org'.length)}\n${time}\n${hash('sha256', body, 'hex')}`, 'base64'),
	headers: ([signature], { time }) => [['WM_SEC.TIMESTAMP', time], ['WM_SEC.SIGNATURE', signature]],
	parts: ['WM_SEC.TIMESTAMP'],
});
made.vector('refused-other-query', { ...made.request(), right: undefined, url: 'https://hooks.example.org/hooks/walmart?seller=10002&x=%2F', expect: 'wrong' });
made.vector('refused-query-decoded', { ...made.request(), right: undefined, url: 'https://hooks.example.org/hooks/walmart?seller=10001&x=/', expect: 'wrong' });
made.write();
