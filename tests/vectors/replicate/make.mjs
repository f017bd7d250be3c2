// How Replicate signs: validateWebhook() of replicate 1.4.0, run against these vectors, agrees, but for the
// empty body (refused there) and the time and version (not looked at there).
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after Replicate\'s page "Verify incoming webhooks"',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { id: 'ufawqhfynnddngldkgtslldrkq', version: '5c7d5dc6', status: 'succeeded', output: ['https://replicate.delivery/x.png'] },
});
made.write();
