// What stands before the messenger: making or bringing a key, and the reasons why there is nothing to be done here.

import * as accounts from '../core/account.js';
import { generate, pairFromPEM, toPEM } from '../crypto/x25519.js';
import { $, button, h, icon } from './dom.js';
import { copy } from './toast.js';

function screen({ picture = 'logo', title, children, focus = false }) {
  const heading = h('h1', { tabindex: '-1' }, title);
  $('app').hidden = true;
  $('gate').hidden = false;
  $('gate').replaceChildren(h('div', { class: 'card' }, icon(picture, picture === 'logo' ? 'logo large' : 'icon large'), heading, ...children));
  if (focus) heading.focus();
}

const paragraph = (...text) => h('p', {}, ...text);
const code = (text) => h('code', {}, text);

/** insecure says why an address without TLS will not do, and what would. */
export function insecure() {
  const port = location.port ? `:${location.port}` : '';
  screen({
    picture: 'lock',
    title: 'This page needs HTTPS',
    children: [
      paragraph('Browsers encrypt only on pages that nobody can have tampered with on the way: over HTTPS, or on this very machine.'),
      h(
        'ul',
        { class: 'steps' },
        h('li', {}, 'Does the server speak HTTPS already? Open ', h('a', { href: `https://${location.host}${location.pathname}${location.hash}` }, `https://${location.host}`), '.'),
        h('li', {}, 'Do you run it? Start it with ', code('--tls-cert'), ' and ', code('--tls-key'), ', or put a proxy that ends TLS in front of it.'),
        h('li', {}, 'Does it run on this machine? Open ', h('a', { href: `http://localhost${port}/` }, `http://localhost${port}`), '.'),
      ),
    ],
  });
}

/** unsupported says what the browser lacks. */
export function unsupported() {
  screen({
    picture: 'alert',
    title: 'This browser is too old',
    children: [
      paragraph('Messages are encrypted with X25519, which this browser does not have. Chrome and Edge have it since version 133, Firefox since 130, Safari since 17.'),
    ],
  });
}

/** broken says that the browser keeps nothing. */
export function broken(error) {
  screen({
    picture: 'alert',
    title: 'This browser cannot keep your messages',
    children: [
      paragraph('Its storage is full, or forbidden to this page, as in some private windows. Messages that could not be kept wait on the server.'),
      h('p', { class: 'detail' }, String(error?.message ?? error)),
      h('div', { class: 'actions' }, button('Try again', () => location.reload(), { kind: 'primary' })),
    ],
  });
}

/** elsewhere says that another tab is at work. */
export function elsewhere(takeOver) {
  screen({
    picture: 'tabs',
    title: 'Enigma is open in another tab',
    children: [
      paragraph('Only one tab at a time is connected. Close the other one, or go on here.'),
      h('div', { class: 'actions' }, button('Use it here', takeOver, { kind: 'primary' })),
    ],
  });
}

/** welcome leads to an account, and resolves to it when it is kept. */
export function welcome(db) {
  return new Promise((resolve) => {
    const done = async (me) => {
      try {
        await accounts.save(db, me);
        resolve(me);
      } catch (error) {
        broken(error);
      }
    };
    start(done);
  });
}

function start(done, focus = false) {
  const fact = (picture, title, text) => h('li', {}, icon(picture), h('div', {}, h('strong', {}, title), h('span', {}, text)));
  screen({
    title: 'Messages for two',
    focus,
    children: [
      h('p', { class: 'lead' }, 'No phone number, no password. A key on this device is your account.'),
      h(
        'ul',
        { class: 'facts' },
        fact('lock', 'Encrypted end to end', 'Only the person you write to can read it.'),
        fact('clock', 'They need not be there', 'Messages wait until they are.'),
        fact('key', 'Yours alone', 'Your key is made here and stays with you.'),
      ),
      h(
        'div',
        { class: 'actions column' },
        button('Create my key', () => create(done), { kind: 'primary big', id: 'create-key' }),
        button('I have a key already', () => bring(done), { kind: 'quiet big', id: 'have-key' }),
      ),
    ],
  });
}

async function create(done) {
  const { pair, der } = await generate();
  const me = await accounts.fromPair(pair);
  const pem = toPEM(der);
  let saved = false;
  const finish = h('button', { type: 'button', class: 'button quiet big', id: 'finish', on: { click: () => done(me) } }, 'Go on without a backup');
  const keep = (act) => async () => {
    await act();
    if (saved) return;
    saved = true;
    finish.textContent = 'Start messaging';
    finish.className = 'button primary big';
  };
  screen({
    picture: 'key',
    title: 'Keep a copy of your key',
    focus: true,
    children: [
      paragraph('Whoever has this key is you. If this browser’s data is ever cleared, only a copy brings your id back. Make it now: later the browser does not give the key out.'),
      h('div', { class: 'id-line' }, h('span', { class: 'label' }, 'Your id'), h('code', { class: 'id' }, me.id)),
      h(
        'div',
        { class: 'actions' },
        button('Save as a file', keep(() => download(`enigma-${me.id.slice(0, 8)}.pem`, pem)), { picture: 'download', id: 'save-key', kind: 'tonal' }),
        button('Copy', keep(() => copy(pem, 'Key')), { picture: 'copy', id: 'copy-key', kind: 'tonal' }),
      ),
      h('div', { class: 'actions column' }, finish),
    ],
  });
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/x-pem-file' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // long after the browser has taken it
}

function bring(done) {
  const problem = h('p', { class: 'problem', role: 'alert', id: 'key-problem' });
  const text = h('textarea', {
    id: 'key-text',
    rows: '5',
    spellcheck: 'false',
    autocomplete: 'off',
    'aria-describedby': 'key-problem',
    placeholder: '-----BEGIN PRIVATE KEY-----',
  });
  const read = async () => {
    try {
      await done(await accounts.fromPair(await pairFromPEM(text.value)));
    } catch (error) {
      problem.textContent = error.message;
      text.focus();
    }
  };
  const file = h('input', {
    type: 'file',
    id: 'key-file',
    class: 'hidden-text',
    tabindex: '-1',
    'aria-hidden': 'true',
    accept: '.pem,.key,application/x-pem-file,text/plain',
    on: {
      change: async () => {
        if (!file.files[0]) return;
        text.value = (await file.files[0].slice(0, 65_536).text()).trim();
        await read();
      },
    },
  });
  screen({
    picture: 'key',
    title: 'Bring your key',
    focus: true,
    children: [
      paragraph('The file that you saved when you made it, or one that ', code('enigma keygen'), ' has written.'),
      h('div', { class: 'actions' }, button('Choose a file', () => file.click(), { picture: 'key', kind: 'tonal' }), file),
      h('label', { class: 'label', for: 'key-text' }, 'Or paste it'),
      text,
      problem,
      h(
        'div',
        { class: 'actions column' },
        button('Use this key', read, { kind: 'primary big', id: 'use-key' }),
        button('Back', () => start(done, true), { kind: 'quiet big' }),
      ),
    ],
  });
}
