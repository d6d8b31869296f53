// The dialogs about people: adding one, one's details with the safety number, and oneself.

import { findUserId, safetyNumber } from '../crypto/identity.js';
import { base, KeyMismatch, KeyUnsuited } from '../net/api.js';
import { encode, toPath } from '../qr.js';
import { ask, openDialog } from './dialog.js';
import { avatar, button, drawing, h, icon } from './dom.js';
import { themeChoice } from './theme.js';
import { copy } from './toast.js';

const link = (id) => new URL(`#${id}`, base).href;

/** grouped is an id in groups of four, for eyes; an id with spaces is taken wherever one is asked for. */
const grouped = (id) => id.match(/.{4}/g).join(' ');

const lieText =
  'The server gave a key that does not belong to this id. Whoever made that key could read what you write to it. Either the server is not to be trusted, or somebody has got between it and you. Nothing was sent.';

/** warnOfLie is the clearest warning this page has. */
export function warnOfLie(id) {
  openDialog({
    title: 'This is not their key',
    kind: 'alert',
    body: [h('div', { class: 'warning' }, icon('alert'), h('p', {}, lieText)), h('p', { class: 'quiet' }, 'Id: ', h('code', { class: 'id' }, grouped(id)))],
    actions: [h('button', { type: 'button', class: 'button danger', on: { click: (event) => event.target.closest('dialog').close() } }, 'I understand')],
  });
}

/** addSomebody asks for an id and a name; opened is called with the contact. */
export function addSomebody(messenger, id, opened) {
  const problem = h('p', { class: 'problem', role: 'alert', id: 'add-problem' });
  const whom = h('input', { id: 'add-id', value: id, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', 'aria-describedby': 'add-problem', required: true });
  const name = h('input', { id: 'add-name', autocomplete: 'off', maxlength: '60', placeholder: 'Optional; only you see it' });
  const submit = h('button', { type: 'submit', form: 'add-form', class: 'button primary', id: 'add-submit' }, 'Start writing');
  const look = async (event) => {
    event.preventDefault();
    problem.textContent = '';
    const wanted = findUserId(whom.value);
    if (!wanted) {
      problem.textContent = 'An id has 32 letters and digits from 2 to 7. A link with one behind the # will do too.';
      whom.focus();
      return;
    }
    submit.disabled = true;
    try {
      const contact = await messenger.add(wanted, name.value.trim());
      dialog.close();
      opened(contact);
    } catch (error) {
      if (error instanceof KeyMismatch) {
        dialog.close();
        warnOfLie(wanted);
        return;
      }
      problem.textContent = addProblem(error);
      whom.focus();
    } finally {
      submit.disabled = false;
    }
  };
  const dialog = openDialog({
    title: 'New conversation',
    body: h(
      'form',
      { id: 'add-form', class: 'fields', on: { submit: look } },
      h('label', { for: 'add-id' }, 'Id or link'),
      whom,
      problem,
      h('label', { for: 'add-name' }, 'Name'),
      name,
    ),
    actions: [button('Your own link', () => (dialog.close(), shareMe(messenger)), { picture: 'share' }), submit],
  });
  (id ? name : whom).focus();
}

function addProblem(error) {
  if (error instanceof KeyUnsuited) return 'This user’s key is of a kind this page cannot encrypt to.';
  const texts = {
    USER_NOT_FOUND: 'Nobody on this server has this id. Is it complete, and from this server?',
    UNREACHABLE: 'The server cannot be reached just now.',
  };
  return texts[error.code] ?? error.message;
}

/** about shows a contact's details. */
export function about(messenger, contact, gone) {
  const self = contact.id === messenger.me.id;
  const name = h('input', { id: 'contact-name', value: contact.name, maxlength: '60', autocomplete: 'off', placeholder: messenger.contacts.title({ ...contact, name: '' }) });
  name.addEventListener('change', () => messenger.change(contact, { name: name.value.trim() }));
  const remove = async () => {
    const yes = await ask({ title: 'Delete this conversation?', text: 'Its messages are deleted from this browser. The other side keeps theirs.', yes: 'Delete', danger: true });
    if (!yes) return;
    dialog.close();
    await messenger.remove(contact);
    gone();
  };
  const block = async () => {
    const yes = await ask({ title: 'Block this user?', text: 'What they write is thrown away unread, without a word to them. You can lift it by adding the id again.', yes: 'Block', danger: true });
    if (!yes) return;
    dialog.close();
    await messenger.change(contact, { blocked: true });
    gone();
  };
  const dialog = openDialog({
    title: self ? 'Note to self' : 'Contact',
    body: [
      h('div', { class: 'profile' }, avatar(contact.id, contact.name, 'large'), h('div', { class: 'fields' }, h('label', { for: 'contact-name' }, 'Name'), name)),
      idLine(contact.id),
      !self && contact.publicRaw && safety(messenger, contact),
    ].filter(Boolean),
    actions: [
      !self && button('Block', block, { picture: 'block', kind: 'quiet danger-text' }),
      button('Delete', remove, { picture: 'trash', kind: 'quiet danger-text' }),
    ].filter(Boolean),
  });
}

const idLine = (id, label = 'Id') =>
  h('div', { class: 'id-line' }, h('span', { class: 'label' }, label), h('code', { class: 'id' }, grouped(id)), button('Copy', () => copy(id, 'Id'), { kind: 'small', picture: 'copy' }));

/** safety is the number to compare, and the box to tick when it is the same. */
function safety(messenger, contact) {
  const number = h('div', { class: 'safety-number', id: 'safety-number', role: 'group', 'aria-label': 'Safety number' });
  safetyNumber(messenger.me, contact).then((groups) => number.append(...groups.map((group) => h('span', {}, group))));
  const box = h('input', { type: 'checkbox', id: 'verified', checked: contact.verified });
  box.addEventListener('change', () => messenger.change(contact, { verified: box.checked }));
  return h(
    'section',
    { class: 'safety', 'aria-labelledby': 'safety-title' },
    h('h3', { id: 'safety-title' }, icon('shield'), 'Safety number'),
    h('p', { class: 'quiet' }, 'Compare it with what the other one sees, side by side or on the phone. If it is the same, nobody is between you.'),
    number,
    h('label', { class: 'check', for: 'verified' }, box, h('span', {}, 'We have compared it, and it is the same')),
  );
}

/** shareMe shows how others find this user, and this browser's settings. */
export function shareMe(messenger, { erase } = {}) {
  const { id } = messenger.me;
  const address = link(id);
  const { size, path } = toPath(encode(address));
  const forget = async () => {
    const text = 'The key, all contacts and all messages are deleted from this browser. Without a copy of the key this id is lost for good.';
    if (await ask({ title: 'Delete everything here?', text, yes: 'Delete everything', danger: true })) erase();
  };
  const share = () => navigator.share({ title: 'Write to me on Enigma', url: address }).catch(() => {}); // thinking better of it is no error
  openDialog({
    title: 'You',
    body: [
      h(
        'div',
        { class: 'share' },
        h('div', { class: 'qr-frame' }, drawing(size, path, 'QR code of your link', 'qr')),
        h('p', { class: 'quiet' }, 'Who opens your link, or scans it, can write to you.'),
        h('div', { class: 'actions' }, button('Copy link', () => copy(address, 'Link'), { picture: 'copy', kind: 'tonal' }), 'share' in navigator && button('Share', share, { picture: 'share', kind: 'tonal' })),
      ),
      idLine(id, 'Your id'),
      themeChoice(),
    ],
    actions: [
      button('Shortcuts', shortcuts, { picture: 'keyboard', kind: 'quiet desktop-only' }),
      erase && button('Delete key', forget, { picture: 'trash', kind: 'quiet danger-text' }),
    ].filter(Boolean),
  });
}

/** shortcuts shows what keys do. */
export function shortcuts() {
  const mac = /Mac/.test(navigator.platform);
  const rows = [
    [mac ? '⌘ K' : 'Ctrl K', 'Search conversations'],
    ['Alt N', 'New conversation'],
    ['Alt ↑', 'Conversation above'],
    ['Alt ↓', 'Conversation below'],
    ['Enter', 'Send'],
    ['Shift Enter', 'New line'],
    ['Esc', 'Close, back to the list'],
    ['?', 'This list'],
  ];
  openDialog({
    title: 'Keyboard',
    body: h('dl', { class: 'keys' }, rows.map(([keys, text]) => h('div', {}, h('dt', {}, keys.split(' ').map((key) => h('kbd', {}, key))), h('dd', {}, text)))),
  });
}
