// How Flutterwave v3 shows who it is: the secret hash itself, in a header.
import { catalogue } from '../vectors.mjs';

const made = catalogue(import.meta.url, {
	source: 'Flutterwave\'s page "Webhooks" (v3) as receivers quote it: nothing is computed',
	secret: 'My-Flutterwave-Secret-Hash-2023',
	other: 'My-Flutterwave-Secret-Hash-2024',
	body: { event: 'charge.completed', data: { id: 285959875, tx_ref: 'Links-616626414629', status: 'successful' } },
	sign: ({ secret }) => secret,
	headers: (signatures) => signatures.map((signature) => ['verif-hash', signature]),
});
made.write();
