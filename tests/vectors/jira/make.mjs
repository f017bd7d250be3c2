// How Jira Cloud signs: "sha256=" and HMAC-SHA256 of the body, hex.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'It\'s a Secret to Everybody';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Atlassian\'s page "Webhooks" (WebSub: method=signature)',
	secret,
	other: 'It\'s a Secret to Everybody!',
	body: { timestamp: 1700000000000, webhookEvent: 'jira:issue_updated', issue: { id: '10002', key: 'EX-1' } },
	sign: ({ secret: key, body }) => hmac('sha256', key, body, 'hex'),
	headers: (signatures) => signatures.map((signature) => ['X-Hub-Signature', `sha256=${signature}`]),
	extra: [['X-Atlassian-Webhook-Identifier', '4f1c9b2e'], ['X-Atlassian-Webhook-Flow', 'Primary']],
});
const body = Buffer.from('{}');
made.vector('refused-sha1', { headers: [['X-Hub-Signature', `sha1=${hmac('sha1', secret, body, 'hex')}`]], body, expect: 'malformed' });
made.write();
