// How Netlify signs: a JWS of HMAC-SHA256 with issuer and the body's SHA-256 in hex.
import { catalogue, hash, jws, jwt_hs256 } from '../vectors.mjs';

const claims = (body, more) => ({ iss: 'netlify', sha256: hash('sha256', body, 'hex'), ...more });
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Netlify\'s page Deploy notifications, section Payload signature',
	secret: 'netlify-jws-secret-token-0123456789',
	other: 'another-jws-secret-token-0123456789',
	body: { id: '5ebc34bf4fea0b01f02efa3a', site_id: 'fa4dd95a-994e-4f89-8a7a-2d9e9fc36a32', build_id: '5ebc34bf4fea0b01f02efa38',
		state: 'ready', name: 'www-example', ssl_url: 'https://www.example.com', branch: 'main', context: 'production' },
	extra: [['X-Netlify-Event', 'deploy_created']],
	sign: ({ secret, body }) => jwt_hs256(secret, claims(body)),
	headers: ([token]) => [['X-Webhook-Signature', token]],
	empty: 'malformed',
});
const { secret, body } = { secret: 'netlify-jws-secret-token-0123456789', body: made.request().body };
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('issuer', jwt_hs256(secret, claims(body, { iss: 'Netlify' })));
refused('no-issuer', jwt_hs256(secret, claims(body, { iss: undefined })));
refused('hash-of-another-body', jwt_hs256(secret, claims('another')));
refused('no-hash', jwt_hs256(secret, claims(body, { sha256: undefined })));
refused('hash-in-capitals', jwt_hs256(secret, claims(body, { sha256: hash('sha256', body, 'hex').toUpperCase() })));
refused('expired-token', jwt_hs256(secret, claims(body, { exp: made.NOW - 3600 })), 'expired');
refused('alg-none', jws({ alg: 'none', typ: 'JWT' }, claims(body), () => Buffer.alloc(0)), 'malformed');
made.write();
