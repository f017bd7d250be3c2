// How Twilio signs with HMAC-SHA256.
import { twilio } from '../twilio.mjs';

twilio(import.meta.url, 'sha256');
