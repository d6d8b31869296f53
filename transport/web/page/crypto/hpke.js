// HPKE (RFC 9180) for one message, in the one suite that "hpke1" uses: mode_auth, DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256, AES-128-GCM. It is all of section 4.1, 5.1 and 6.1 that this needs, on WebCrypto's primitives.
//
// Private keys are CryptoKeys and may be non-extractable; public keys are 32 raw bytes.

import { concat, uint16, utf8 } from '../bytes.js';
import { agree, rawPublic } from './x25519.js';

const modeAuth = 0x02;
const kemSuite = concat('KEM', uint16(0x0020));
const hpkeSuite = concat('HPKE', uint16(0x0020), uint16(0x0001), uint16(0x0001));

const hashLength = 32; // Nh, and the length of a shared secret
const keyLength = 16; // Nk
const nonceLength = 12; // Nn
const encLength = 32; // Nenc
const tagLength = 16; // Nt
const nothing = new Uint8Array(0);

/** overhead is by how many bytes enc and ciphertext together are longer than the plaintext. */
export const overhead = encLength + tagLength;

async function hmac(key, ...data) {
  const handle = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', handle, concat(...data)));
}

// HKDF by its two steps, which WebCrypto does not offer apart. An empty salt is a block of zeros (RFC 5869,
// section 2.2), and has to be written as one because WebCrypto takes no empty HMAC key. No output here is longer than
// one hash, so that expanding is one step.
const extract = (salt, ...ikm) => hmac(salt.length > 0 ? salt : new Uint8Array(hashLength), ...ikm);
const expand = async (prk, info, length) => (await hmac(prk, info, Uint8Array.of(1))).subarray(0, length);

const labeledExtract = (suite, salt, label, ikm) => extract(salt, 'HPKE-v1', suite, label, ikm);
const labeledExpand = (suite, prk, label, info, length) =>
  expand(prk, concat(uint16(length), 'HPKE-v1', suite, label, info), length);

/** extractAndExpand makes the KEM's shared secret of the two agreements (section 4.1). */
async function extractAndExpand(dh, context) {
  const prk = await labeledExtract(kemSuite, nothing, utf8('eae_prk'), dh);
  return labeledExpand(kemSuite, prk, utf8('shared_secret'), context, hashLength);
}

/** keySchedule returns key and base nonce of mode_auth (section 5.1). */
async function keySchedule(sharedSecret, info) {
  const [idHash, infoHash, secret] = await Promise.all([
    labeledExtract(hpkeSuite, nothing, utf8('psk_id_hash'), nothing),
    labeledExtract(hpkeSuite, nothing, utf8('info_hash'), info),
    labeledExtract(hpkeSuite, sharedSecret, utf8('secret'), nothing),
  ]);
  const context = concat(Uint8Array.of(modeAuth), idHash, infoHash);
  const [key, nonce] = await Promise.all([
    labeledExpand(hpkeSuite, secret, utf8('key'), context, keyLength),
    labeledExpand(hpkeSuite, secret, utf8('base_nonce'), context, nonceLength),
  ]);
  return { key, nonce };
}

/** aead returns the cipher of a message: the key, and the parameters for sequence number 0, whose nonce is the base. */
async function aead(sharedSecret, info, aad, usage) {
  const { key, nonce } = await keySchedule(sharedSecret, info);
  const handle = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, [usage]);
  return [{ name: 'AES-GCM', iv: nonce, additionalData: aad, tagLength: 8 * tagLength }, handle];
}

/**
 * seal encrypts plaintext from sender {privateKey, publicRaw} to the recipient's public key and returns enc and
 * ciphertext in one array. ephemeral, a key pair, is for tests with known answers alone.
 */
export async function seal(sender, recipientRaw, info, aad, plaintext, ephemeral) {
  const fresh = ephemeral ?? (await crypto.subtle.generateKey({ name: 'X25519' }, false, ['deriveBits']));
  const enc = await rawPublic(fresh.publicKey);
  const [one, two] = await Promise.all([agree(fresh.privateKey, recipientRaw), agree(sender.privateKey, recipientRaw)]);
  const secret = await extractAndExpand(concat(one, two), concat(enc, recipientRaw, sender.publicRaw));
  const [params, key] = await aead(secret, info, aad, 'encrypt');
  return concat(enc, new Uint8Array(await crypto.subtle.encrypt(params, key, plaintext)));
}

/** open is the reverse: it throws unless message was sealed by the holder of senderRaw for recipient, info and aad. */
export async function open(recipient, senderRaw, info, aad, message) {
  if (message.length < overhead) throw new RangeError('too short');
  const enc = message.subarray(0, encLength);
  const [one, two] = await Promise.all([agree(recipient.privateKey, enc), agree(recipient.privateKey, senderRaw)]);
  const secret = await extractAndExpand(concat(one, two), concat(enc, recipient.publicRaw, senderRaw));
  const [params, key] = await aead(secret, info, aad, 'decrypt');
  return new Uint8Array(await crypto.subtle.decrypt(params, key, message.subarray(encLength)));
}
