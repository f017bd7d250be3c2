// How Resend signs: webhooks.verify() of resend 6.38.0, run against these vectors, agrees.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after Resend\'s page "Verify Webhooks Requests"',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { type: 'email.delivered', created_at: '2023-11-14T22:13:20.000Z', data: { email_id: '56761188-7520-42d8-8898-ff6fc54ce618' } },
	prefix: 'svix-',
});
made.write();
