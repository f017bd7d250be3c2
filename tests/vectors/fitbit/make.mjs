// How Fitbit signs: HMAC-SHA1 of the body, base64; the key is the client secret and "&".
import { catalogue, hmac } from '../vectors.mjs';

const secret = '123ab4567c123d123e4567f1234g5678';
const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Fitbit\'s page "Using Subscriptions" as receivers quote it',
	secret,
	other: '123ab4567c123d123e4567f1234g5679',
	body: [{ collectionType: 'activities', date: '2023-11-14', ownerId: '228S74', ownerType: 'user', subscriptionId: '1234' }],
	sign: ({ secret: key, body }) => hmac('sha1', `${key}&`, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['X-Fitbit-Signature', signature]),
});
const body = Buffer.from('[]');
made.vector('refused-key-without-its-end', { headers: [['X-Fitbit-Signature', hmac('sha1', secret, body, 'base64')]], body, expect: 'wrong' });
made.write();
