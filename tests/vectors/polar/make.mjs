// How Polar signs: validateEvent() of @polar-sh/sdk 0.49.0, run against these vectors, agrees.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after validateEvent() of @polar-sh/sdk (the secret\'s text is the key)',
	secret: 'polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK',
	other: 'polar_whs_another6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK',
	body: { type: 'order.paid', timestamp: '2023-11-14T22:13:20Z', data: { id: '9d1f3c8e-5a0c-4b7b-8f2e-0c1f3a5b7d9e', amount: 1200 } },
	key: (secret) => secret,
});

/* "whsec_" belongs to the key here, and the rest is not decoded. */
const secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
made.vector('whsec-is-part-of-the-key', { ...made.request({ secret }), secrets: [secret] });
made.write();
