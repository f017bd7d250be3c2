// How Trello signs, after its page "Webhooks".
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Trello\'s "Webhooks" (HMAC-SHA1 of body and callbackURL, base64)',
	secret: '6dc1bf2f0b5ad8bb2b5d4c9a7f3e1d0c9b8a7f6e5d4c3b2a190807f6e5d4c3b2',
	other: '7dc1bf2f0b5ad8bb2b5d4c9a7f3e1d0c9b8a7f6e5d4c3b2a190807f6e5d4c3b3',
	url: 'https://hooks.example.org/hooks/trello?board=main',
	body: { action: { id: '51f9424bcd6e040f3c002412', idMemberCreator: '4fc78a59a885233f4b349bd9', type: 'updateCard',
		date: '2023-11-14T22:13:20.000Z', data: { card: { id: '4d5ea62fd76aa1136000000c', name: 'Webhooks' } } },
	model: { id: '4d5ea62fd76aa1136000000c', name: 'Trello Development' } },
	sign: ({ secret, body, url }) => hmac('sha1', secret, [body, url], 'base64'),
	headers: ([signature]) => [['X-Trello-Webhook', signature]],
});
made.vector('refused-other-url', { ...made.request(), right: undefined, url: 'https://hooks.example.org/hooks/trello', expect: 'wrong' });
made.write();
