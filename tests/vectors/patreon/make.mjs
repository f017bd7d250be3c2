// How Patreon signs: HMAC-MD5 of the body, hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Patreon\'s document as receivers quote it (md5, hex)',
	secret: 'h3kJ2-Vb81sQe0ZpXwT5mNcR7uYgLdFa',
	other: 'h3kJ2-Vb81sQe0ZpXwT5mNcR7uYgLdFb',
	body: { data: { type: 'member', id: '8c2f', attributes: { patron_status: 'active_patron' } } },
	sign: ({ secret, body }) => hmac('md5', secret, body, 'hex'),
	headers: (signatures) => signatures.map((signature) => ['X-Patreon-Signature', signature]),
	extra: [['X-Patreon-Event', 'members:create']],
});
made.write();
