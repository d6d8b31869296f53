// The end-to-end format "hpke1": what stands in a payload, and what in its plaintext.
//
//   payload   = "hpke1." ‖ base64url(enc ‖ ciphertext)
//   plaintext = a JSON object in UTF-8, filled up with spaces to a multiple of 64 bytes
//
// info and aad bind a letter to both ids, so that the server cannot pass one off as another's. The sender is proved to
// the recipient and to nobody else. It has no forward secrecy: who gets the private key can read all mail that was kept.

import { concat, fromBase64url, fromUtf8, lp, random, toBase64url, utf8 } from '../bytes.js';
import * as hpke from './hpke.js';

const prefix = 'hpke1.';
const block = 64;

/** maxText bounds the text of a letter, in bytes of UTF-8. */
export const maxText = 60_000;
/** maxReceipts bounds the ids in one receipt. */
export const maxReceipts = 256;

/** newId makes the id of a text, 22 characters. */
export const newId = () => toBase64url(random(16));

const binding = (label, from, to) => concat(lp(label), lp(from), lp(to));
const info = (from, to) => binding('enigma-hpke1', from, to);
const aad = (from, to) => binding('enigma-hpke1 message', from, to);

function padded(text) {
  const bytes = utf8(text);
  const out = new Uint8Array(Math.ceil(bytes.length / block) * block).fill(0x20);
  out.set(bytes);
  return out;
}

/** seal writes content, a JSON object, from me {id, privateKey, publicRaw} to them {id, publicRaw}: a payload. */
export async function seal(me, them, content) {
  const plaintext = padded(JSON.stringify(content));
  const message = await hpke.seal(me, them.publicRaw, info(me.id, them.id), aad(me.id, them.id), plaintext);
  return prefix + toBase64url(message);
}

/**
 * open returns the content of a payload from them to me. It throws on all that is not a letter sealed by them for me.
 * That their key belongs to their id is for the caller to have checked.
 */
export async function open(me, them, payload) {
  if (typeof payload !== 'string' || !payload.startsWith(prefix)) throw new SyntaxError('not hpke1');
  const message = fromBase64url(payload.slice(prefix.length));
  const plaintext = await hpke.open(me, them.publicRaw, info(them.id, me.id), aad(them.id, me.id), message);
  const content = JSON.parse(fromUtf8(plaintext));
  if (content === null || typeof content !== 'object' || Array.isArray(content)) throw new SyntaxError('not an object');
  return content;
}

const isTextId = (id) => typeof id === 'string' && /^[A-Za-z0-9_-]{22}$/.test(id);

/** asText returns {id, time, text} if content is a well-formed text, else null. */
export function asText(content) {
  const { type, id, time, text } = content;
  if (type !== 'text' || !isTextId(id) || typeof text !== 'string' || !Number.isFinite(time)) return null;
  return utf8(text).length <= maxText ? { id, time, text } : null;
}

/** asReceipt returns the ids in a well-formed receipt, else null. */
export function asReceipt(content) {
  if (content.type !== 'receipt' || !Array.isArray(content.ids) || content.ids.length > maxReceipts) return null;
  return content.ids.filter(isTextId);
}
