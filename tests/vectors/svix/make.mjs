// How Svix signs: svix 1.99.1, run against these vectors, agrees, but for names that are mixed (taken there).
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after Svix\'s page "Verifying Webhooks Manually"',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { type: 'invoice.paid', data: { id: 'inv_1', amount: 1200 } },
	prefix: 'svix-',
});

/* The same under the other names; never half of one and half of the other. */
const facts = made.request();
const renamed = facts.headers.map(([name, value]) => [name.replace('svix-', 'webhook-'), value]);
made.vector('headers-named-webhook', { ...facts, headers: renamed });
made.vector('refused-mixed-names', { ...facts, right: undefined, expect: 'missing',
	headers: facts.headers.map(([name, value]) => [name.replace('svix-signature', 'webhook-signature'), value]) });
made.vector('secret-without-prefix', { ...facts, secrets: ['C2FVsBQIhrscChlQIMV+b5sSYspob7oD'] });
made.write();
