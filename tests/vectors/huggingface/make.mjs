// How Hugging Face proves itself: the secret as it is, in a header or in the registered URL.
import { catalogue } from '../vectors.mjs';

const secret = 'hf-webhook-secret_0123456789';
const body = { event: { action: 'create', scope: 'discussion' },
	repo: { type: 'model', name: 'openai-community/gpt2', id: '621ffdc036468d709f17434d', private: false },
	discussion: { id: '6399f58518721fdd27fc9ca9', title: 'Update co2 emissions', num: 19 },
	webhook: { id: '6390e855e30d9209411de93b', version: 3 } };
const made = catalogue(import.meta.url, {
	source: 'Hugging Face\'s page Webhooks, section Webhook secret',
	secret,
	other: 'another-webhook-secret_01234',
	body,
	sign: ({ secret }) => secret,
	headers: ([token]) => [['X-Webhook-Secret', token]],
});
const plain = { headers: [['Content-Type', 'application/json']], body: Buffer.from(JSON.stringify(body)) };
made.vector('in-the-query', { ...plain, url: `https://example.com/hooks/huggingface?secret=${secret}`, right: secret });
made.vector('refused-in-the-query', { ...plain, url: 'https://example.com/hooks/huggingface?secret=wrong', expect: 'wrong' });
made.vector('refused-wrong-beside-an-empty-query', { ...plain, url: 'https://example.com/hooks/huggingface?secret=',
	headers: [['X-Webhook-Secret', 'wrong']], expect: 'wrong' });
made.write();
