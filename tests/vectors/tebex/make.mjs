// How Tebex signs, after its page "Webhooks": the digest of the body as text, and its HMAC.
import { catalogue, hash, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Tebex\'s "Webhooks" (HMAC-SHA256 of the hex text of the body\'s SHA-256, hex)',
	secret: '33d2a1f7b8c94e05a6d7e8f90123ab45',
	other: '43d2a1f7b8c94e05a6d7e8f90123ab46',
	body: { id: '2c116b11-1110-91e0-b266-b792c8da5f11', type: 'payment.completed', date: '2023-11-14T22:13:20+00:00', subject: { transaction_id: 'tbx-1' } },
	sign: ({ secret, body }) => hmac('sha256', secret, hash('sha256', body, 'hex'), 'hex'),
	headers: ([signature]) => [['X-Signature', signature]],
});
const plain = made.request();
made.vector('refused-hmac-of-the-body', { ...made.request({ signature: hmac('sha256', '33d2a1f7b8c94e05a6d7e8f90123ab45', plain.body, 'hex') }),
	right: undefined, expect: 'wrong' });
made.write();
