// How Finch signs: webhooks.verifySignature() of @tryfinch/finch-api 10.7.0, run against these vectors, agrees.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after @tryfinch/finch-api',
	secret: '5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH',
	other: 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { company_id: '720be419-0293-4d32-a707-32179b0827ab', account_id: 'a1', event_type: 'company.updated', data: {} },
	names: { id: 'Finch-Event-ID', timestamp: 'Finch-Timestamp', signature: 'Finch-Signature' },
});
made.write();
