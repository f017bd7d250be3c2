// How Pylon (usepylon.com) signs, after its page "How do I verify the webhook signatures?".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Pylon\'s "How do I verify the webhook signatures?" (HMAC-SHA256 of the body, hex)',
	secret: 'q8YzH2t1bR5vN0kXw7cJ4mLpS9dFgA3e',
	other: 'r8YzH2t1bR5vN0kXw7cJ4mLpS9dFgA3f',
	body: { event_type: 'issue.created', data: { id: 'issue_1', title: 'Login is broken' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Pylon-Signature', signature]],
});
made.write();
