// How Dodo Payments signs: webhooks.unwrap() of dodopayments 2.52.0, run against these vectors, agrees.
import { standard } from '../standard.mjs';

const made = standard(import.meta.url, {
	source: 'Node\'s crypto after the Standard Webhooks specification, which Dodo Payments\'s document names',
	secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
	other: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
	body: { business_id: 'bus_1', type: 'payment.succeeded', timestamp: '2023-11-14T22:13:20Z', data: { payment_id: 'pay_1' } },
});
made.write();
