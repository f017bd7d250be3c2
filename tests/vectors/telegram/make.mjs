// How Telegram proves itself: the secret_token of setWebhook, as it is.
import { catalogue } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'the Bot API\'s page setWebhook: the header holds the secret token',
	secret: 'b0t_S3cret-0123456789',
	other: 'another_S3cret-012345',
	body: { update_id: 10000, message: { message_id: 1365, date: 1700000000,
		chat: { id: 1111111, type: 'private', first_name: 'Zoë' }, text: '/start' } },
	sign: ({ secret }) => secret,
	headers: ([token]) => [['X-Telegram-Bot-Api-Secret-Token', token]],
});
made.write();
