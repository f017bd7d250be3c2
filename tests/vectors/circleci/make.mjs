// How CircleCI signs: v1= and HMAC-SHA256 of the body, hex, after its page.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after CircleCI\'s page "Outbound webhooks"',
	secret: 'correct horse battery staple',
	other: 'correct horse battery stapler',
	body: { id: '3888f21b', type: 'workflow-completed', happened_at: '2023-11-14T22:13:20.000Z',
		webhook: { id: 'cf8c4fdd', name: 'Sample' }, workflow: { id: 'fda08377', status: 'success' } },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: (signatures) => [['circleci-signature', signatures.map((signature) => `v1=${signature}`).join(',')]],
	several: true,
	beside: (signature) => [['circleci-signature', `v1=${signature},v2=abc,v3=def`]],
	extra: [['circleci-event-type', 'workflow-completed']],
});
const v2 = made.request();
made.vector('refused-only-v2', { ...v2, right: undefined, expect: 'malformed',
	headers: v2.headers.map(([name, value]) => [name, value.replace('v1=', 'v2=')]) });
made.write();
