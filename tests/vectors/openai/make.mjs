// How OpenAI signs: webhooks.verifySignature() of openai 6.49.0, run against these vectors, agrees, but for a
// digest without a version (taken there).
import { ID, standard } from '../standard.mjs';
import { hmac } from '../vectors.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after OpenAI\'s guide "Webhooks"',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { object: 'event', id: 'evt_685c059ae3a481909bdc86819b066fb6', type: 'response.completed', created_at: 1700000000,
		data: { id: 'resp_123' } },
});

const plain = 'a secret that is no base64';
const facts = made.request({ signature: hmac('sha256', plain, [`${ID}.${made.NOW}.`, made.request().body], 'base64') });
made.vector('secret-as-text', { ...facts, secrets: [plain] });
made.write();
