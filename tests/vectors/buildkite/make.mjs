// How Buildkite signs: HMAC-SHA256 of "timestamp.body", hex, after its pages.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after Buildkite\'s page "Pipelines webhooks" (verifying HMAC signatures)',
	secret: '0c8f2e4a6b1d3957e0f2a4c6b8d0e1f3',
	other: '0c8f2e4a6b1d3957e0f2a4c6b8d0e1f4',
	body: { event: 'build.finished', build: { id: 'f62a1b4d', state: 'passed', number: 1 }, sender: { id: '8a7693f8', name: 'A' } },
	time: (seconds) => String(seconds),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`${time}.`, body], 'hex'),
	headers: (signatures, { time }) => [['X-Buildkite-Signature',
		[`timestamp=${time}`, ...signatures.map((signature) => `signature=${signature}`)].join(',')]],
	extra: [['X-Buildkite-Event', 'build.finished']],
});
made.write();
