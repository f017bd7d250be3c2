// How Orb signs: orb-billing 6.11.0, read; run against these vectors it agrees. Its time has no zone.
import { catalogue, hmac } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after orb-billing 6.11.0 (HMAC-SHA256 of "v1:t:body", hex; t as in X-Orb-Timestamp)',
	secret: 'c21c9c0d5cbb5a9b84f7ad1f0c4d1d8e5e0a6f7b',
	other: 'd21c9c0d5cbb5a9b84f7ad1f0c4d1d8e5e0a6f7c',
	body: { id: 'o4mmewpfNNTnjfZc', created_at: '2023-11-14T22:13:20+00:00', type: 'subscription.started',
		subscription: { id: 'VDGsT23osdLb84KD' } },
	time: (seconds) => new Date(seconds * 1000).toISOString().replace('.000Z', '.000000'),
	tolerance: 300,
	future: 300,
	sign: ({ secret, body, time }) => hmac('sha256', secret, [`v1:${time}:`, body], 'hex'),
	headers: (signatures, { time }) => [['X-Orb-Timestamp', time],
		['X-Orb-Signature', signatures.map((signature) => `v1=${signature}`).join(' ')]],
	parts: ['X-Orb-Timestamp'],
	several: true,
});
made.write();
