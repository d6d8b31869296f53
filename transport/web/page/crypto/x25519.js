// X25519 on WebCrypto: key pairs, their files, and the agreement.
//
// A pair is {privateKey, publicRaw}: a CryptoKey, and the 32 raw bytes. Where a private key comes into being it can be
// exported, so that a backup can be made; what is kept is a handle that cannot (seal them off with locked).

import { fromBase64url, toBase64 } from '../bytes.js';

const algorithm = { name: 'X25519' };
const length = 32;

/** supported tells whether this browser can do X25519. */
export async function supported() {
  try {
    await crypto.subtle.generateKey(algorithm, false, ['deriveBits']);
    return true;
  } catch {
    return false;
  }
}

/** rawPublic returns a public CryptoKey's 32 bytes. */
export const rawPublic = async (key) => new Uint8Array(await crypto.subtle.exportKey('raw', key));

/** importPublic makes a CryptoKey of 32 bytes. */
export const importPublic = (raw) => crypto.subtle.importKey('raw', raw, algorithm, true, []);

/**
 * agree returns the shared secret. It throws on a point of small order, with which the secret would be zero whatever
 * the private key (RFC 7748, section 6.1): browsers should refuse that themselves.
 */
export async function agree(privateKey, publicRaw) {
  const publicKey = await importPublic(publicRaw);
  const secret = new Uint8Array(await crypto.subtle.deriveBits({ ...algorithm, public: publicKey }, privateKey, 8 * length));
  if (secret.every((byte) => byte === 0)) throw new RangeError('a point of small order');
  return secret;
}

/** generate makes a new pair, and its private key in PKCS #8 for the backup. */
export async function generate() {
  const pair = await crypto.subtle.generateKey(algorithm, true, ['deriveBits']);
  const der = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey));
  return { pair: await locked(der), der };
}

/** locked makes a pair of a private key in PKCS #8, whose handle cannot be exported. It throws on other keys. */
export async function locked(der) {
  // The public key is not in the file; an exportable handle, used once and forgotten, knows it.
  const open = await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['deriveBits']);
  const { x } = await crypto.subtle.exportKey('jwk', open);
  const privateKey = await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['deriveBits']);
  return { privateKey, publicRaw: fromBase64url(x) };
}

const pemLabel = 'PRIVATE KEY'; // RFC 7468, section 10

/** toPEM writes PKCS #8 as `enigma keygen` does. */
export const toPEM = (der) =>
  `-----BEGIN ${pemLabel}-----\n${toBase64(der).replace(/(.{64})(?=.)/g, '$1\n')}\n-----END ${pemLabel}-----\n`;

/** fromPEM returns the PKCS #8 in a PEM text. Its errors are for people. */
export function fromPEM(text) {
  const block = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/.exec(text);
  if (!block) throw new Error('This is not a key file. It should begin with “-----BEGIN PRIVATE KEY-----”.');
  const [, label, body] = block;
  if (label.includes('ENCRYPTED')) throw new Error('This key is protected by a passphrase. Remove it first, with: openssl pkcs8 -in KEY -out PLAIN');
  if (label.includes('PUBLIC')) throw new Error('This is a public key. The private one is needed.');
  if (label !== pemLabel) throw new Error('This is another kind of key file. Convert it with: openssl pkcs8 -topk8 -nocrypt -in KEY -out PLAIN');
  try {
    return Uint8Array.from(atob(body.replace(/\s+/g, '')), (c) => c.charCodeAt(0));
  } catch {
    throw new Error('This key file is damaged.');
  }
}

/** pairFromPEM reads a key file. Its errors are for people. */
export async function pairFromPEM(text) {
  const der = fromPEM(text);
  try {
    return await locked(der);
  } catch {
    throw new Error('This page works with X25519 keys, as “enigma keygen” makes them. This file has another kind, or is damaged.');
  }
}
