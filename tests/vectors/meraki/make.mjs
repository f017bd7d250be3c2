// How Meraki proves itself: the shared secret comes in the body.
import { catalogue } from '../vectors.mjs';

const event = (sharedSecret) => JSON.stringify({ version: '0.1', sharedSecret, sentAt: '2023-11-14T22:13:20.656975Z',
	organizationId: '00000001', networkId: 'N_111111111111', alertId: '0000000000000000', alertType: 'Settings changed',
	alertTypeId: 'settings_changed', occurredAt: '2023-11-14T22:10:33.504142Z', alertData: { name: 'Routing and DHCP' } });
const made = catalogue(import.meta.url, {
	source: 'Meraki\'s page Webhooks: sharedSecret is the user\'s secret to be validated by the receiver',
	secret: 'sh4red-secret-0123',
	other: 'another-secret-012',
	bodies: false,
	body: event(''),
	sign: ({ secret }) => secret,
	place: (secret) => ({ body: event(secret) }),
});
const refused = (kind, body, expect) => made.vector(`refused-${kind}`,
	{ ...made.request(), right: undefined, body: Buffer.from(body), expect });
refused('missing', '{"alertId":"1"}', 'missing');
refused('empty', event(''), 'malformed');
refused('null', event(null), 'missing');
made.write();
