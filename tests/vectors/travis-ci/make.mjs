// How Travis CI signs: RSA with SHA-1 of the form's field "payload", decoded.
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { catalogue } from '../vectors.mjs';

// A fresh key with each run.
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(new URL('public.pem', import.meta.url), publicKey.export({ type: 'spki', format: 'pem' }));

const payload = JSON.stringify({ id: 183791261, repository: { id: 1, name: 'minimal', owner_name: 'svenfuchs' }, number: '1',
	type: 'push', state: 'passed', status: 0, started_at: '2023-11-14T22:10:20Z', finished_at: '2023-11-14T22:13:20Z',
	branch: 'main', message: 'naïve café + 100 % & more' });
const sha1 = (text) => sign('sha1', Buffer.from(text), privateKey).toString('base64');
const form = 'application/x-www-form-urlencoded';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Travis CI\'s page Configuring build notifications, section Verifying webhook requests',
	secret_file: 'public.pem',
	type: form,
	bodies: false,
	body: `payload=${encodeURIComponent(payload)}`,
	extra: [['Travis-Repo-Slug', 'svenfuchs/minimal']],
	sign: () => sha1(payload),
	headers: ([signature]) => [['Signature', signature]],
});
const with_body = (kind, body, more = {}) => made.vector(kind, { ...made.request(), body: Buffer.from(body), ...more });
with_body('blanks-as-plus', `payload=${encodeURIComponent(payload).replaceAll('%20', '+')}`);
with_body('another-field-beside', `payload=${encodeURIComponent(payload)}&x=1`);
with_body('refused-another-payload', `payload=${encodeURIComponent(payload.replace('passed', 'failed'))}`, { right: undefined, expect: 'wrong' });
with_body('refused-no-payload', `pay=${encodeURIComponent(payload)}`, { right: undefined, expect: 'missing' });
with_body('refused-payload-twice', `payload=${encodeURIComponent(payload)}&payload=%7B%7D`, { right: undefined, expect: 'repeated' });
const raw = made.request({ signature: sha1(`payload=${encodeURIComponent(payload)}`) });
made.vector('refused-signature-of-the-form', { ...raw, right: undefined, expect: 'wrong' });
made.write();
