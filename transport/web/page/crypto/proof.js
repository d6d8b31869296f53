// Proof that this page holds the private key of its user, as the wire contract's section 5 has it for x25519 keys: an
// agreement with the server's ephemeral key, and a MAC with the result over everything the two must agree on. The host
// is part of that, so that a server cannot pass on another server's challenge.

import { concat, fromBase64url, lp, toBase64url, uint64, utf8 } from '../bytes.js';
import { agree } from './x25519.js';

const label = 'enigma-pop-v1';

/** authority is the host of a URL in the form proofs are bound to. URL has made it lower case and put brackets. */
export function authority(url) {
  const { hostname, port } = new URL(url);
  const name = hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
  return port === '' || port === '80' || port === '443' ? name : `${name}:${port}`;
}

/**
 * prove answers a challenge frame for me {id, publicKey, privateKey} at the authority: the frame with the tag. It
 * throws on a challenge for another kind of key or with parts of a wrong size.
 */
export async function prove(me, host, { alg, epk, nonce, exp }) {
  if (alg !== 'x25519') throw new Error('a challenge for another kind of key');
  const ephemeral = fromBase64url(epk);
  const random = fromBase64url(nonce);
  if (ephemeral.length !== 32 || random.length !== 32 || !Number.isSafeInteger(exp) || exp < 0) throw new Error('a malformed challenge');
  const parts = [label, alg, 'client', host, me.id, me.publicKey, ephemeral, random, uint64(exp)];
  const transcript = concat(...parts.map(lp));
  const secret = await agree(me.privateKey, ephemeral);
  return { type: 'proof', tag: toBase64url(await mac(secret, transcript)) };
}

async function mac(secret, transcript) {
  const salt = await crypto.subtle.digest('SHA-256', transcript);
  const source = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey']);
  const key = await crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt, info: utf8(`${label} mac`) },
    source,
    { name: 'HMAC', hash: 'SHA-256', length: 256 },
    false,
    ['sign'],
  );
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, transcript));
}
