// How Clerk signs: verifyWebhook() of @clerk/backend 3.25.0, run against these vectors, agrees.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after Clerk\'s page "Verify webhooks" (Svix, whose headers it keeps)',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { data: { id: 'user_29w83sxmDNGwOuEthce5gg56FcC', object: 'user' }, object: 'event', type: 'user.created' },
	prefix: 'svix-',
});

/* Svix may name its headers otherwise; Clerk does not, and its own code wants these names. */
const facts = made.request();
made.vector('refused-headers-named-webhook', { ...facts, right: undefined, expect: 'missing',
	headers: facts.headers.map(([name, value]) => [name.replace('svix-', 'webhook-'), value]) });
made.write();
