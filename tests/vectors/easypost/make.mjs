// How EasyPost signs: validateWebhook() of @easypost/api 8.9.0, run against these vectors, agrees, but for bodies that
// are not JSON.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after @easypost/api and EasyPost\'s page "Webhooks"',
	secret: 'sécret of ﬁfty ÿ',
	other: 'another secret',
	body: '{"id":"evt_1","object":"Event","description":"tracker.updated","result":{"id":"trk_1","weight":614.0}}',
	sign: ({ secret, body }) => hmac('sha256', secret.normalize('NFKD'), body, 'hex'),
	headers: ([signature]) => [['X-Hmac-Signature', `hmac-sha256-hex=${signature}`]],
});
made.write();
