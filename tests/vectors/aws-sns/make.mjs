// How Amazon SNS signs (SignatureVersion 2).
import { sns } from '../sns.mjs';

sns(import.meta.url, '2', 'SHA-256');
