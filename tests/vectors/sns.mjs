// sns.mjs - how Amazon SNS signs, in either version: sns-validator 0.3.5, read; run against these vectors it agrees
import { createSign, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { catalogue } from './vectors.mjs';

/* url: import.meta.url of the make.mjs; version, digest_name: '1' and SHA-1, '2' and SHA-256. */
export function sns(url, version, digest_name) {
	const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
	writeFileSync(new URL('public.pem', url), publicKey.export({ type: 'spki', format: 'pem' }));
	/* Name and value of these, a line each, in this order; what a message lacks is left out. */
	const names = { Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
		SubscriptionConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] };
	const sign = (message, key = privateKey) => createSign(`RSA-${digest_name.replace('-', '')}`).update(names[message.Type].filter((name) => name in message)
		.map((name) => `${name}\n${message[name]}\n`).join('')).sign(key, 'base64');
	const topic = 'arn:aws:sns:us-west-2:123456789012:MyTopic';
	const cert = 'https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem';
	const message = { Type: 'Notification', MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324', TopicArn: topic, Subject: 'My First Message',
		Message: '{"hello":"Zoë \\ world"}\nsecond line', Timestamp: '2023-11-14T22:13:20.000Z', SignatureVersion: version, SigningCertURL: cert,
		UnsubscribeURL: 'https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe' };
	const made = catalogue(url, {
		source: `Node's crypto after sns-validator 0.3.5 (RSA with ${digest_name}, PKCS #1 v1.5, of name and value lines, base64)`,
		secret_file: 'public.pem',
		parameters: [`topic=${topic}`],
		type: 'text/plain; charset=UTF-8',
		body: message,
		bodies: false,
		sign: ({ body }) => sign(JSON.parse(body)),
		place: (signature, { body }) => ({ body: JSON.stringify({ ...JSON.parse(body), Signature: signature }) }),
	});
	const sample = made.request();
	const changed = (change, right = sample.right) => ({ headers: sample.headers, body: Buffer.from(JSON.stringify({ ...message, ...change, Signature: right })) });
	const { Subject, ...without } = message;
	made.vector('no-subject', made.request({ body: JSON.stringify(without) }));
	made.vector('subscription-confirmation', made.request({ body: JSON.stringify({ Type: 'SubscriptionConfirmation', MessageId: '165545c9-2a5c-472c-8df2-7ff2be2b3b1b',
		Token: '2336412f37fb687f5d51e6e2425f004aed', TopicArn: topic, Message: 'You have chosen to subscribe to the topic.',
		SubscribeURL: 'https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=2336412f37fb687f5d51e6e2425f004aed',
		Timestamp: '2023-11-14T22:13:20.000Z', SignatureVersion: version, SigningCertURL: cert }) }));
	for (const name of ['Message', 'MessageId', 'Subject', 'Timestamp'])
		made.vector(`refused-other-${name.toLowerCase()}`, { ...changed({ [name]: `${message[name]} ` }), expect: 'wrong' });
	made.vector('refused-subject-in-the-message', { ...changed({ Subject: undefined, MessageId: `${message.MessageId}\nSubject\n${message.Subject}` }), expect: 'missing' });
	made.vector('refused-other-topic', { ...made.request({ body: JSON.stringify({ ...message, TopicArn: `${topic}2` }) }), right: undefined, expect: 'wrong' });
	const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
	made.vector('refused-other-key', { ...changed({}, sign(message, other)), expect: 'wrong' });
	made.vector('refused-missing', { ...changed({}, null), expect: 'missing' });
	made.write();
}
