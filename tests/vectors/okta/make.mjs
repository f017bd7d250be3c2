// How Okta's event hooks prove themselves: the configured text is the Authorization header.
import { catalogue } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Okta\'s page "Unable to verify event hook", which prints a request',
	secret: 'my-shared-secret',
	other: 'her-shared-secre',
	body: { eventType: 'com.okta.event_hook', eventTypeVersion: '1.0', cloudEventsVersion: '0.1',
		eventId: '3OQEZQ', eventTime: '2023-11-14T22:13:20.000Z', contentType: 'application/json',
		data: { events: [{ uuid: 'd6f5', eventType: 'user.session.start', severity: 'INFO' }] } },
	sign: ({ secret }) => secret,
	headers: ([token]) => [['Authorization', token]],
});
made.vector('verification', { ...made.request({ body: Buffer.alloc(0) }), method: 'GET' });
made.write();
