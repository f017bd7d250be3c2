// How Lithic signs: webhooks.verifySignature() of lithic 0.145.0, run against these vectors, agrees.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after the Standard Webhooks specification, which Lithic\'s document names',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { event_type: 'card.created', card_token: 'b68b7424-aa69-4cbc-a946-30d90181b621' },
});
made.write();
