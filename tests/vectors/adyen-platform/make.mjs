// How Adyen signs webhooks of platforms and management: @adyen/api-library 32.1.0, read; run against these vectors it agrees.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @adyen/api-library 32.1.0 (HMAC-SHA256 of the body with the key\'s bytes, base64)',
	secret: '44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056',
	other: '54782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA057',
	body: { type: 'balancePlatform.accountHolder.updated', environment: 'test', data: { balancePlatform: 'YOUR_BALANCE_PLATFORM', accountHolder: { id: 'AH0000000' } } },
	sign: ({ secret, body }) => hmac('sha256', Buffer.from(secret, 'hex'), body, 'base64'),
	headers: ([signature]) => [['Protocol', 'HmacSHA256'], ['HmacSignature', signature]],
});
made.write();
