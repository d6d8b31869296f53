// The page. It begins here:
//
//   1. is this a place where a browser encrypts, and a browser that can
//   2. the database, and the account in it; without one, the way to one
//   3. the lock that only one tab has; the rest runs while this tab holds it
//
// The directories, from the bottom: bytes.js; crypto/ (X25519, HPKE, the letters, the proof, ids); store/ (IndexedDB);
// net/ (the server); core/ (the messenger, without a screen); ui/ (the screen). Each uses only what stands before it.
// Nothing here is built, bundled or fetched from anywhere else, and no data ever becomes markup.
//
// What the server can do to a user of this page: it serves the page. Who does not trust it uses a program of their own.

import * as accounts from './core/account.js';
import { supported } from './crypto/x25519.js';
import { Database } from './store/db.js';
import { hold } from './tab.js';
import { broken, elsewhere, insecure, unsupported, welcome } from './ui/gate.js';

async function begin() {
  if (!window.isSecureContext) return insecure();
  if (!(await supported()) || !navigator.locks) return unsupported();
  let db;
  try {
    db = await Database.open();
  } catch (error) {
    return broken(error);
  }
  const me = (await accounts.load(db)) ?? (await welcome(db));
  run(db, me);
}

/** run has the messenger run while this tab holds the lock. */
function run(db, me) {
  const takeOver = hold({
    mine: () => start(db, me),
    waiting: () => elsewhere(takeOver),
    // The other tab changes the database now: what is known here would be out of date.
    lost: () => location.reload(),
  });
}

async function start(db, me) {
  // These are for browsers that have got this far; an old one could not even read them.
  const [{ Messenger }, { App }] = await Promise.all([import('./core/messenger.js'), import('./ui/app.js')]);
  const messenger = await Messenger.open(db, me);
  const erase = async () => {
    messenger.stop();
    await db.erase();
    location.reload();
  };
  const app = new App(messenger, erase);
  app.show();
  messenger.start();
}

begin();
