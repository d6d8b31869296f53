// Who somebody is: the public key's string, the id that follows from it, and the safety number of two people.

import { concat, fromBase64url, lp, toBase32, toBase64url, utf8 } from '../bytes.js';

const prefix = 'x25519:';

/** publicString is the public key as its user logs in with it. */
export const publicString = (raw) => prefix + toBase64url(raw);

/** parsePublic returns the 32 bytes of such a string, null for any other key: this page cannot encrypt to those. */
export function parsePublic(text) {
  try {
    if (!text.startsWith(prefix)) return null;
    const raw = fromBase64url(text.slice(prefix.length));
    return raw.length === 32 ? raw : null;
  } catch {
    return null;
  }
}

/** userId is the id of a public key's string: base32 of the first 20 bytes of its SHA-256. */
export async function userId(publicKey) {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(publicKey)));
  return toBase32(hash.subarray(0, 20));
}

/** isUserId tells whether text has the form of an id. */
export const isUserId = (text) => /^[a-z2-7]{32}$/.test(text);

/**
 * findUserId looks for an id in what a person pastes: the id itself, or a link with it behind the '#'. Unlike the wire
 * contract it forgives upper case and white space, which keyboards and mail programs add. It returns null without one.
 */
export function findUserId(text) {
  const plain = text.replace(/\s+/g, '').toLowerCase();
  const id = plain.includes('#') ? plain.slice(plain.lastIndexOf('#') + 1) : plain;
  return isUserId(id) ? id : null;
}

const groups = 12;
const groupBytes = 5;

/**
 * safetyNumber is what two people compare to know that neither has been given a wrong key: 12 groups of five digits.
 * Each person is {id, publicKey}; the order does not matter.
 */
export async function safetyNumber(a, b) {
  const [low, high] = a.id < b.id ? [a, b] : [b, a];
  const text = concat(...['enigma-safety-number', low.id, low.publicKey, high.id, high.publicKey].map(lp));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-512', text));
  return Array.from({ length: groups }, (_, i) => {
    const bytes = digest.subarray(groupBytes * i, groupBytes * (i + 1));
    const number = bytes.reduce((sum, byte) => sum * 256 + byte, 0); // 40 bits: exact
    return String(number % 100000).padStart(5, '0');
  });
}
