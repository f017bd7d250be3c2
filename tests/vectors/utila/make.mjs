// How Utila signs: RSASSA-PSS with SHA-512 of the body and a salt of 64 bytes, base64.
import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { bytes, catalogue } from '../vectors.mjs';

// A fresh key with each run.
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 4096 });
writeFileSync(new URL('public.pem', import.meta.url), publicKey.export({ type: 'spki', format: 'pem' }));

const pss = (saltLength) => ({ key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after code that verifies Utila\'s webhooks (RSA-4096, SHA-512, PSS with a salt as long as the digest)',
	secret_file: 'public.pem',
	body: { id: '9c683b37-bfb6-42f4-bcaa-1a6f46d3b6f8', vault: 'vaults/3bf247bc8ee2c', type: 'TRANSACTION_STATE_UPDATED',
		details: { transactionStateUpdated: { newState: 'CONFIRMED' } }, resourceType: 'TRANSACTION',
		resource: 'vaults/3bf247bc8ee2c/transactions/b6e3cd2e8217' },
	sign: ({ body }) => sign('sha512', bytes(body), pss(constants.RSA_PSS_SALTLEN_DIGEST)).toString('base64'),
	headers: ([signature]) => [['x-utila-signature', signature]],
});
const pkcs1 = sign('sha512', made.request().body, privateKey).toString('base64');
made.vector('refused-pkcs1', { ...made.request({ signature: pkcs1 }), right: undefined, expect: 'wrong' });
made.write();
