// How LiveKit signs: livekit-server-sdk 2.19.2, read; run against these vectors it agrees.
import { catalogue, hash, jwt_hs256, NOW } from '../vectors.mjs';

const claims = (body, more) => ({ iss: 'APIqwerty', nbf: NOW - 10, exp: NOW + 300,
	sha256: hash('sha256', body, 'base64'), ...more });
const secret = 'dGhpcy1pcy1hLWxpdmVraXQtc2VjcmV0LTAxMjM';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after LiveKit\'s page Webhooks and its SDK (JWT with the body\'s SHA-256 in base64)',
	secret,
	other: 'YW5vdGhlci1pcy1hLWxpdmVraXQtc2VjcmV0LTAx',
	type: 'application/webhook+json',
	body: { event: 'room_started', room: { sid: 'RM_hycBMAjmt6Ub', name: 'Zoë', creationTime: '1700000000' },
		id: 'EV_eugWmGhovZmm', createdAt: '1700000000' },
	sign: ({ secret, body }) => jwt_hs256(secret, claims(body)),
	headers: ([token]) => [['Authorization', token]],
});
const body = made.request().body;
const refused = (kind, signature, expect = 'wrong') =>
	made.vector(`refused-${kind}`, { ...made.request({ signature }), right: undefined, expect });
refused('hash-in-hex', jwt_hs256(secret, claims(body, { sha256: hash('sha256', body, 'hex') })));
refused('hash-of-another-body', jwt_hs256(secret, claims('another')));
refused('expired-token', jwt_hs256(secret, claims(body, { exp: NOW - 3600 })), 'expired');
refused('token-of-later', jwt_hs256(secret, claims(body, { nbf: NOW + 3600 })), 'early');
made.write();
