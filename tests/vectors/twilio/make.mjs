// How Twilio signs with HMAC-SHA1.
import { twilio } from '../twilio.mjs';

twilio(import.meta.url, 'sha1');
