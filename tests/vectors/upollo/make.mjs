// How Upollo signs: HMAC-SHA512 of the body, hex; the time beside it is not signed.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Upollo\'s page as receivers quote it',
	secret: 'upollo_wh_3c5e7a9b1d2f4068',
	other: 'upollo_wh_3c5e7a9b1d2f4069',
	body: { action: 'CHALLENGE', eventType: 'LOGIN', flags: [{ type: 'ACCOUNT_SHARING', firstFlagged: '2023-11-14T22:13:20Z' }] },
	sign: ({ secret, body }) => hmac('sha512', secret, body, 'hex'),
	headers: (signatures) => [['Upollo-Signature', ['t:1700000000000', ...signatures.map((signature) => `s0:${signature}`)].join(',')]],
});
made.write();
