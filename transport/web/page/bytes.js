// Bytes and the texts that stand for them. Everything here is pure.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** utf8 returns the bytes of a string. */
export const utf8 = (text) => encoder.encode(text);

/** fromUtf8 is the reverse; it throws on what is not UTF-8. */
export const fromUtf8 = (bytes) => decoder.decode(bytes);

/** concat joins byte arrays; strings among them count as UTF-8. */
export function concat(...parts) {
  const arrays = parts.map((part) => (typeof part === 'string' ? utf8(part) : part));
  const out = new Uint8Array(arrays.reduce((length, array) => length + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return out;
}

/** uint16 is n in two bytes, big-endian. */
export const uint16 = (n) => Uint8Array.of(n >> 8, n & 0xff);

/** uint64 is n, at most 2^53 - 1, in eight bytes, big-endian. */
export function uint64(n) {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(n));
  return out;
}

/** lp is LP(x) of the wire contract: the length in 16 bits, big-endian, and then x. */
export function lp(x) {
  const bytes = typeof x === 'string' ? utf8(x) : x;
  if (bytes.length > 0xffff) throw new RangeError('too long for 16 bits of length');
  return concat(uint16(bytes.length), bytes);
}

/** equal compares two byte arrays in a time that does not depend on where they differ. */
export function equal(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

const chunk = 0x8000; // String.fromCharCode takes its bytes as arguments, of which there must not be too many

/** toBase64 is standard base64 with padding. */
export function toBase64(bytes) {
  let binary = '';
  for (let i = 0; i < bytes.length; i += chunk) binary += String.fromCharCode(...bytes.subarray(i, i + chunk));
  return btoa(binary);
}

/** toBase64url is base64url without padding. */
export const toBase64url = (bytes) =>
  toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** fromBase64url is strict: no padding, no other characters, zero trailing bits; it throws otherwise. */
export function fromBase64url(text) {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new SyntaxError('not base64url');
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const out = Uint8Array.from(binary, (c) => c.charCodeAt(0));
  if (toBase64url(out) !== text) throw new SyntaxError('base64url with stray bits');
  return out;
}

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** toBase32 is base32 in lower case without padding (RFC 4648, section 6). */
export function toBase32(bytes) {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff;
    held += 8;
    for (; held >= 5; held -= 5) out += base32[(bits >> (held - 5)) & 31];
  }
  if (held > 0) out += base32[(bits << (5 - held)) & 31];
  return out;
}

/** random returns n random bytes. */
export const random = (n) => crypto.getRandomValues(new Uint8Array(n));
