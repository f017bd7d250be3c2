// How Amazon SNS signs (SignatureVersion 1).
import { sns } from '../sns.mjs';

sns(import.meta.url, '1', 'SHA-1');
