// How monday.com proves itself: a JWT of HMAC-SHA256 that expires; the body is not covered.
import { catalogue, jws, jwt_hs256, hmac, NOW } from '../vectors.mjs';

const secret = 'monday-signing-secret-0123456789';
const claims = { accountId: 1825529, userId: 4012689, aud: 'https://www.yourserver.com/endpoint', exp: NOW + 300,
	shortLivedToken: 'SHORT_LIVED_TOKEN_HERE', iat: NOW };
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after monday.com\'s page Authorization header',
	secret,
	other: 'another-signing-secret-012345678',
	body: { event: { userId: 9603417, boardId: 1771812698, pulseId: 1772099344, type: 'create_pulse',
		triggerUuid: '645fc8d8709d35718f1ae00ceded91e9' } },
	sign: ({ secret }) => jwt_hs256(secret, claims),
	headers: ([token]) => [['Authorization', token]],
});
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('expired-token', jwt_hs256(secret, { ...claims, exp: NOW - 3600 }), 'expired');
refused('alg-none', jws({ alg: 'none' }, claims, () => Buffer.alloc(0)), 'malformed');
refused('other-alg', jws({ alg: 'HS512', typ: 'JWT' }, claims, (input) => hmac('sha512', secret, input)));
made.write();
