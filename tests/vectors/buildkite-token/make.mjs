// How Buildkite shows who it is by a token: the token itself, in a header.
import { catalogue } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Buildkite\'s page "Pipelines webhooks" (webhook token): nothing is computed',
	secret: '0c8f2e4a6b1d3957e0f2a4c6b8d0e1f3',
	other: '0c8f2e4a6b1d3957e0f2a4c6b8d0e1f4',
	body: { event: 'build.finished', build: { id: 'f62a1b4d', state: 'passed', number: 1 } },
	sign: ({ secret }) => secret,
	headers: (signatures) => signatures.map((signature) => ['X-Buildkite-Token', signature]),
	extra: [['X-Buildkite-Event', 'build.finished']],
});
made.write();
