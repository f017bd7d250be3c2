// How Xero signs: HMAC-SHA256 of the body with the webhooks key as text, base64.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'OSd0eLlVIY9ZhViEqlDUh4+6n6M+Lo+eDaEJheJ6OCCgWwIz2D3JIAU6jPMipHRbgKTLz2uJ+xiACXGDBLrgdA==';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Xero\'s page "Configuring your server" for webhooks',
	secret,
	other: 'OSd0eLlVIY9ZhViEqlDUh4+6n6M+Lo+eDaEJheJ6OCCgWwIz2D3JIAU6jPMipHRbgKTLz2uJ+xiACXGDBLrgdB==',
	body: { events: [{ resourceId: '717f2bfc', eventDateUtc: '2023-11-14T22:13:20.000', eventType: 'UPDATE',
		eventCategory: 'CONTACT', tenantId: 'c2cc9b6e', tenantType: 'ORGANISATION' }], lastEventSequence: 1,
		firstEventSequence: 1, entropy: 'S0m3r4N0m3t3xt' },
	sign: ({ secret: key, body }) => hmac('sha256', key, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['x-xero-signature', signature]),
});
const body = Buffer.from('{"events":[],"lastEventSequence":0,"firstEventSequence":0,"entropy":"BSZECLFFXKOHRQOAFSPX"}');
made.vector('intent-to-receive', made.request({ body }));
made.vector('refused-intent-to-receive', { ...made.request({ body, signature: hmac('sha256', 'not the key', body, 'base64') }),
	right: undefined, expect: 'wrong' });
made.vector('refused-decoded-key', { ...made.request({ body, signature: hmac('sha256', Buffer.from(secret, 'base64'), body, 'base64') }),
	right: undefined, expect: 'wrong' });
made.write();
