// How X signs: HMAC-SHA256 of the body with the consumer secret, base64.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after X\'s page Webhooks Quickstart, section Signature header validation',
	secret: 'z6tS0yl1bV0pYb3b8nR4vNQ2mJcQeX9hKfUuW7dL5aGgTtPoIi',
	other: 'anotheR0yl1bV0pYb3b8nR4vNQ2mJcQeX9hKfUuW7dL5aGgTtP',
	body: { for_user_id: '2244994945', tweet_create_events: [{ id_str: '1', text: 'naïve café 🙂' }] },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'base64'),
	headers: ([signature]) => [['x-twitter-webhooks-signature', `sha256=${signature}`]],
});
made.write();
