// How LinkedIn signs, after its page "Webhook Validation". The prefix is signed and not sent.
import { catalogue, hmac } from '../vectors.mjs';

const secret = 'WPL_AP1.aBcDeFgHiJkLmNoP.qRsTuV==';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after LinkedIn\'s "Webhook Validation" (HMAC-SHA256 of "hmacsha256=" and the body, hex)',
	secret,
	other: 'WPL_AP1.bBcDeFgHiJkLmNoP.qRsTuW==',
	body: { type: 'ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS', notifications: [{ notificationId: 1248, organizationalEntity: 'urn:li:organization:2414183', action: 'LIKE' }] },
	sign: ({ secret, body }) => hmac('sha256', secret, ['hmacsha256=', body], 'hex'),
	headers: ([signature]) => [['X-LI-Signature', signature]],
});
const sample = made.request();
made.vector('refused-prefix-sent', { ...sample, right: undefined, headers: [['X-LI-Signature', `hmacsha256=${sample.right}`]], expect: 'wrong' });
made.vector('refused-prefix-not-signed', { ...made.request({ signature: hmac('sha256', secret, sample.body, 'hex') }), right: undefined, expect: 'wrong' });
made.write();
