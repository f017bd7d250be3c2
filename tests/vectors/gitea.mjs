// gitea.mjs - how Gitea signs, and Forgejo, which comes from it: services/webhook/deliver.go of go-gitea, read
import { catalogue, hmac } from './vectors.mjs';

/* url: import.meta.url of the make.mjs; name: as in the headers (X-Gitea-Signature). */
export function gitea(url, name, source) {
	const made = catalogue(url, {
		source,
		secret: 'gitea secret',
		other: 'another secret',
		body: { ref: 'refs/heads/develop', before: '28e1879d029cb852e4844d9c718537df08844e03',
			after: 'bffeb74224043ba2feb48d137756c8a9331c449a', repository: { id: 140, name: 'webhooks' } },
		extra: [[`X-${name}-Event`, 'push'], [`X-${name}-Event-Type`, 'push'],
			[`X-${name}-Delivery`, 'f6266f16-1bf3-46a5-9ea4-602e06ead473']],
		sign: ({ secret, body }) => hmac('sha256', secret, body, 'hex'),
		headers: ([signature]) => [[`X-${name}-Signature`, signature]],
	});

	/* In form mode the field's text is signed, and the form around it is not. */
	const json = made.request();
	const form = (payload) => Buffer.from(`payload=${encodeURIComponent(payload).replace(/%20/g, '+')}`);
	const sent_as = (type, body) => ({ ...json, body, headers: [['Content-Type', type], ...json.headers.slice(1)] });
	const urlencoded = 'application/x-www-form-urlencoded';
	made.vector('form', sent_as(urlencoded, form(json.body.toString())));
	made.vector('refused-form-with-another-payload', { ...sent_as(urlencoded, form('{"ref":"refs/heads/main"}')),
		right: undefined, expect: 'wrong' });
	made.vector('refused-form-with-two-payloads', { ...sent_as(urlencoded,
		Buffer.concat([form('{}'), Buffer.from('&'), form(json.body.toString())])), right: undefined, expect: 'repeated' });
	made.vector('refused-without-a-secret', { ...json, right: undefined, expect: 'missing',
		headers: json.headers.map(([header, value]) => [header, header === `X-${name}-Signature` ? '' : value]) });
	made.write();
}
