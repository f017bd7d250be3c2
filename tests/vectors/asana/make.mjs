// How Asana signs: HMAC-SHA256 of the body, in hex.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Asana\'s guide "Webhooks", "Security"',
	secret: 'b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81',
	other: 'another7f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e8',
	body: { events: [{ action: 'changed', resource: { gid: '1337', resource_type: 'task' }, created_at: '2023-11-14T22:13:20.000Z' }] },
	sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
	headers: ([signature]) => [['X-Hook-Signature', signature]],
});
made.write();
