// How QuickBooks Online signs: HMAC-SHA256 of the body with the verifier token, base64.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Intuit\'s SampleApp-Webhooks-nodejs (util.js)',
	secret: 'c6b4b4f7-4b3e-4e0a-9a58-2f1d7a6c9e03',
	other: 'c6b4b4f7-4b3e-4e0a-9a58-2f1d7a6c9e04',
	body: { eventNotifications: [{ realmId: '1185883450', dataChangeEvent: { entities: [{ name: 'Customer', id: '1',
		operation: 'Create', lastUpdated: '2023-11-14T22:13:20.000Z' }] } }] },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: (signatures) => signatures.map((signature) => ['intuit-signature', signature]),
});
made.vector('cloud-events', made.request({ body: Buffer.from('[{"specversion":"1.0","id":"88cd52aa","source":"intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=","type":"qbo.customer.created.v1","time":"2023-11-14T22:13:20Z","intuitentityid":"1234","intuitaccountid":"310687"}]') }));
made.write();
