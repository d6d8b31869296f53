// The user's own account in this browser: a key pair, and the id that follows from it.

import { publicString, userId } from '../crypto/identity.js';

const record = 'me';

/** fromPair makes an account of a key pair: {id, publicKey, publicRaw, privateKey, created}. */
export async function fromPair({ privateKey, publicRaw }) {
  const publicKey = publicString(publicRaw);
  return { id: await userId(publicKey), publicKey, publicRaw, privateKey, created: Date.now() };
}

/** load returns the account that is kept here, undefined if there is none. */
export const load = (db) => db.read(['account'], ({ account }) => account.get(record));

/** save keeps an account, and asks the browser not to clear it away when it is short of space. */
export async function save(db, me) {
  await db.write(['account'], ({ account }) => account.put(me, record));
  navigator.storage?.persist?.().catch(() => {}); // its answer changes nothing here
}
