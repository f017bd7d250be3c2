// How Liveblocks signs: WebhookHandler.verifyRequest() of @liveblocks/node 3.24.2, run against these vectors,
// agrees, but for the version (not looked at there).
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after the Standard Webhooks specification, which Liveblocks\'s document names',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { type: 'storageUpdated', data: { roomId: 'my-room', projectId: 'p_1', updatedAt: '2023-11-14T22:13:20Z' } },
});
made.write();
