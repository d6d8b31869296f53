// The server's HTTP side: login and the keys of others. Paths are relative to the page, so that it works below a prefix.

import { parsePublic, userId } from '../crypto/identity.js';

const patience = 15_000; // ms for one request

/** RequestError is a refusal of the server, with its code, or "UNREACHABLE" where there was no answer. */
export class RequestError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** KeyMismatch says that the server gave a key that does not hash to the id it was asked for: it lies, or is lied to. */
export class KeyMismatch extends Error {}

/** KeyUnsuited says that somebody's key is not of the kind this page can encrypt to. */
export class KeyUnsuited extends Error {}

/** base is where the server answers: the page's own address without what follows the last slash. */
export const base = new URL('.', document.baseURI);

async function request(path, options) {
  let answer;
  let body;
  try {
    answer = await fetch(new URL(path, base), { signal: AbortSignal.timeout(patience), credentials: 'omit', ...options });
    body = await answer.json();
  } catch {
    throw new RequestError('UNREACHABLE', 'The server cannot be reached.');
  }
  if (!answer.ok) throw new RequestError(body?.code ?? 'INTERNAL', body?.error ?? `The server answered ${answer.status}.`);
  return body;
}

/** login registers me {id, publicKey}. A server that makes another id of the key is none of ours. */
export async function login(me) {
  const body = await request('login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ publicKey: me.publicKey }),
  });
  if (body.userId !== me.id) throw new KeyMismatch('The server gave this key another id.');
}

/** reach resolves when the server answers, and throws RequestError when it does not. */
export const reach = () => request('healthz', { cache: 'no-store' });

/**
 * fetchKey returns the public key of a user, {publicKey, publicRaw}, and insists that it hashes to the id. It throws
 * RequestError, KeyMismatch or KeyUnsuited. The browser's cache is passed over: a lie must not stay in it.
 */
export async function fetchKey(id) {
  const { publicKey } = await request(`connect/${id}`, { cache: 'no-store' });
  if (typeof publicKey !== 'string' || (await userId(publicKey)) !== id) throw new KeyMismatch('The key does not belong to this id.');
  const publicRaw = parsePublic(publicKey);
  if (!publicRaw) throw new KeyUnsuited('This key is of a kind this page cannot encrypt to.');
  return { publicKey, publicRaw };
}
