// How Atlassian Connect signs: @atlassian/atlassian-jwt 2.2.0, read; run against these vectors it agrees.
import { catalogue, hash, jwt_hs256, NOW } from '../vectors.mjs';

const secret = 'atlassian-shared-secret-0123456789abcdef';
const qsh = (canonical) => hash('sha256', canonical, 'hex');
const claims = (canonical, more) => ({ iss: 'unique-client-identifier', iat: NOW, exp: NOW + 180, qsh: qsh(canonical), ...more });
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Atlassian\'s page Understanding JWT for Connect apps (qsh: SHA-256 of METHOD&path&sorted query)',
	secret,
	other: 'another-shared-secret-0123456789abcdefgh',
	url: 'https://example.com/hooks/atlassian-connect',
	base: 'https://example.com',
	body: { timestamp: 1700000000000, webhookEvent: 'jira:issue_updated', issue: { id: '10002', key: 'ED-1' } },
	extra: [['X-Atlassian-Webhook-Identifier', '8aa5a8b2-8e3b-4f8b-9f6e-3f0d3d2c1b0a']],
	sign: ({ secret }) => jwt_hs256(secret, claims('POST&/hooks/atlassian-connect&')),
	headers: ([token]) => [['Authorization', `JWT ${token}`]],
});
const with_query = (kind, query, canonical) => {
	const url = `https://example.com/hooks/atlassian-connect?${query}`;
	made.vector(kind, { ...made.request({ signature: jwt_hs256(secret, claims(`POST&/hooks/atlassian-connect&${canonical}`)) }), url });
};
with_query('query', 'user_id=admin&user_key=zo%C3%AB', 'user_id=admin&user_key=zo%C3%AB');
with_query('query-sorted', 'b=2&a=1&B=3', 'B=3&a=1&b=2');
with_query('query-repeated', 'a=2&b=1&a=1', 'a=1,2&b=1');
with_query('query-encoded-anew', 'a=x+y&b=%7e&c=%2a', 'a=x%20y&b=~&c=%2A');
with_query('query-jwt-left-out', 'jwt=abc&a=1', 'a=1');
// The path is hashed as it is below the base URL.
made.vector('below-the-base', { ...made.request({ signature: jwt_hs256(secret, claims('POST&/atlassian-connect&')) }),
	base: 'https://example.com/hooks/' });
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('for-another-path', jwt_hs256(secret, claims('POST&/hooks/other&')));
made.vector('refused-with-the-base', { ...made.request(), right: undefined, base: 'https://example.com/hooks', expect: 'wrong' });
refused('for-another-method', jwt_hs256(secret, claims('GET&/hooks/atlassian-connect&')));
refused('without-qsh', jwt_hs256(secret, claims('', { qsh: undefined })));
refused('context-qsh', jwt_hs256(secret, claims('', { qsh: 'context-qsh' })));
refused('expired-token', jwt_hs256(secret, claims('POST&/hooks/atlassian-connect&', { exp: NOW - 3600 })), 'expired');
made.write();
