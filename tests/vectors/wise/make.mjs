// How Wise signs: RSA with SHA-256 of the body, base64.
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { bytes, catalogue } from '../vectors.mjs';

// A fresh key with each run.
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(new URL('public.pem', import.meta.url), publicKey.export({ type: 'spki', format: 'pem' }));

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Wise\'s page Event handling (RSA key and SHA256 digest of the body, base64)',
	secret_file: 'public.pem',
	body: { data: { resource: { id: 111, profile_id: 222, type: 'transfer' }, current_state: 'processing',
		previous_state: 'incoming_payment_waiting', occurred_at: '2023-11-14T22:13:20Z' },
	subscription_id: '01234567-89ab-cdef-0123-456789abcdef', event_type: 'transfers#state-change', schema_version: '2.0.0' },
	extra: [['X-Delivery-Id', '7b9ba62e-1a6b-4b6c-8b8a-0e1a1f0b5a5f']],
	sign: ({ body }) => sign('sha256', bytes(body), privateKey).toString('base64'),
	headers: ([signature]) => [['X-Signature-SHA256', signature]],
});
const sha1 = sign('sha1', made.request().body, privateKey).toString('base64');
made.vector('refused-sha1', { ...made.request({ signature: sha1 }), right: undefined, expect: 'wrong' });
made.write();
