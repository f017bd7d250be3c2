// How GitLab signs with a signing token: merge requests 230944 and 231325; standardwebhooks 1.1.1 agrees.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after GitLab\'s merge request 230944: "v1," and the base64 of HMAC-SHA256 of {webhook-id}.{timestamp}.{body}',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { object_kind: 'push', event_name: 'push', ref: 'refs/heads/main', project_id: 15, total_commits_count: 1 },
	extra: [['X-Gitlab-Event', 'Push Hook'], ['X-Gitlab-Token', 'what stands in the other field']],
});

/* The secret token that is sent in the clear beside counts for nothing here. */
const facts = made.request();
made.vector('refused-secret-token-alone', { ...facts, right: undefined, expect: 'missing',
	headers: [['Content-Type', 'application/json'], ['X-Gitlab-Event', 'Push Hook'],
		['X-Gitlab-Token', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD']] });
made.write();
