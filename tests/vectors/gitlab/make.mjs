// How GitLab proves itself with a secret token: it sends the token.
import { catalogue } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'GitLab\'s page "Webhooks": the secret token is sent in X-Gitlab-Token',
	secret: 'mY-s3cret-token',
	other: 'another token',
	body: { object_kind: 'push', event_name: 'push', ref: 'refs/heads/main', project_id: 15, total_commits_count: 1 },
	extra: [['X-Gitlab-Event', 'Push Hook'], ['Idempotency-Key', 'f5e5f430-f57b-4e6e-9fac-d9128cd7232f']],
	sign: ({ secret }) => secret,
	headers: ([signature]) => [['X-Gitlab-Token', signature]],
});
const right = made.request();
const instead = (value) => ({ ...right, right: undefined, expect: 'wrong',
	headers: right.headers.map(([name, old]) => [name, name === 'X-Gitlab-Token' ? value : old]) });
made.vector('refused-other-case', instead('my-s3cret-token'));
made.vector('refused-as-bearer', instead('Bearer mY-s3cret-token'));
made.write();
