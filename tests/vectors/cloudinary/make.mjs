// How Cloudinary signs with SHA-1: cloudinary 2.11.0, read; run against these vectors it agrees.
import { catalogue, hash } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Node\'s crypto after cloudinary 2.11.0 (SHA-1 of body, timestamp and API secret, hex)',
	secret: 'X7qLTrsES31MzxxkxPPA-pAGGfU',
	other: 'Y7qLTrsES31MzxxkxPPA-pAGGfV',
	body: { notification_type: 'upload', timestamp: '2023-11-14T22:13:20+00:00', request_id: '3f1f5d1b7c0a94e3f2f58a6c9e0d1b7c',
		asset_id: '1b2c3d4e', public_id: 'sample', version: 1700000000 },
	time: (seconds) => String(seconds),
	tolerance: 7200,
	sign: ({ secret, body, time }) => hash('sha1', [body, time, secret], 'hex'),
	headers: ([signature], { time }) => [['X-Cld-Timestamp', time], ['X-Cld-Signature', signature]],
	parts: ['X-Cld-Timestamp'],
});
made.write();
