// How Bitbucket signs: HMAC-SHA256 of the body, in hex behind "sha256=".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Atlassian\'s page "Manage webhooks", section "Secure webhooks"',
	secret: 'It\'s a Secret to Everybody',
	other: 'another secret',
	body: { push: { changes: [] }, repository: { full_name: 'team/repo', uuid: '{a1}' }, actor: { display_name: 'Emma' } },
	extra: [['X-Event-Key', 'repo:push'], ['X-Hook-UUID', 'b1'], ['X-Request-UUID', 'c1'], ['X-Attempt-Number', '1']],
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Hub-Signature', `sha256=${signature}`]],
});
const facts = made.request();
const sha1 = hmac('sha1', "It's a Secret to Everybody", facts.body, 'hex');
made.vector('refused-sha1', { ...facts, right: undefined, expect: 'malformed',
	headers: [...facts.headers.slice(0, -1), ['X-Hub-Signature', `sha1=${sha1}`]] });
made.write();
