// How Vercel signs: HMAC-SHA1 of the raw body, hex, after its pages.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Vercel\'s page "Drains Security" (sha1, hex)',
	secret: 'sWq7xR1nT0kZ8uYb2vLd5eHf',
	other: 'sWq7xR1nT0kZ8uYb2vLd5eHg',
	body: { id: 'uev_x8R1', type: 'deployment.succeeded', createdAt: 1700000000000, region: 'sfo1',
		payload: { deployment: { id: 'dpl_1' }, plan: 'pro' } },
	sign: ({ secret, body }) => hmac('sha1', secret, body, 'hex'),
	headers: (signatures) => signatures.map((signature) => ['x-vercel-signature', signature]),
});
const sha256 = made.request({ signature: hmac('sha256', 'sWq7xR1nT0kZ8uYb2vLd5eHf', '{}', 'hex'), body: Buffer.from('{}') });
made.vector('refused-sha256', { ...sha256, right: undefined, expect: 'wrong' });
made.write();
