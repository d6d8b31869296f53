// The list of conversations, its search, and the line about the connection above it.

import { findUserId } from '../crypto/identity.js';
import { $, avatar, button, h, hidden, icon } from './dom.js';
import { brief } from './time.js';

const notes = {
  unreadable: 'A message could not be opened',
  unsuited: 'Sent something this page cannot open',
};

const marks = {
  queued: ['clock', 'Waiting to be sent'],
  stored: ['check', 'Safe on the server'],
  delivered: ['checks', 'Delivered'],
  failed: ['alert', 'Not sent'],
};

/** mark is the sign of what has become of a message of one's own. */
export function mark(state) {
  const [picture, words] = marks[state];
  return h('span', { class: `mark ${state}`, title: words }, icon(picture), hidden(words));
}

/** noteText is what is said of an envelope that could not be opened. */
export const noteText = (note) => notes[note] ?? notes.unreadable;

/** List shows the conversations. choose(id) opens one, add(id) an id that is no contact yet. */
export class List {
  #messenger;
  #choose;
  #add;
  #open = null;
  #items = new Map(); // by id of the contact

  constructor(messenger, { choose, add }) {
    this.#messenger = messenger;
    this.#choose = choose;
    this.#add = add;
    $('search').addEventListener('input', () => this.render());
    $('search').addEventListener('keydown', (event) => this.#searchKey(event));
    $('list').addEventListener('keydown', (event) => this.#listKey(event));
    messenger.addEventListener('contacts', () => this.render());
    messenger.addEventListener('connection', () => this.#status());
    this.render();
  }

  /** mark shows which conversation is open. */
  mark(id) {
    this.#open = id;
    this.render();
  }

  /** neighbour returns the id of the conversation so many places below the open one. */
  neighbour(distance) {
    const ids = this.#messenger.contacts.list().map((contact) => contact.id);
    const at = ids.indexOf(this.#open);
    return at < 0 ? ids[0] : ids[Math.min(Math.max(at + distance, 0), ids.length - 1)];
  }

  render() {
    const { contacts } = this.#messenger;
    const query = $('search').value.trim().toLowerCase();
    const matches = (contact) => contacts.title(contact).toLowerCase().includes(query) || contact.id.startsWith(query);
    const found = contacts.list().filter((contact) => query === '' || matches(contact));
    const items = found.map((contact) => this.#item(contact));
    const shown = items.length > 0 ? items : [this.#nothing(query)];
    // What stands where it should is not touched: a row that is taken out loses the focus, or the click it is getting.
    if (shown.length !== $('list').childElementCount || shown.some((item, i) => item !== $('list').children[i])) {
      const focused = document.activeElement;
      $('list').replaceChildren(...shown);
      if (focused.matches('.row') && focused.isConnected) focused.focus();
    }
    const unread = contacts.list().reduce((sum, contact) => sum + contact.unread, 0);
    document.title = unread > 0 ? `(${unread}) Enigma` : 'Enigma';
  }

  /** item is the entry of a contact, the same one each time. */
  #item(contact) {
    let item = this.#items.get(contact.id);
    if (!item) {
      item = h('li', {}, h('button', { type: 'button', 'data-id': contact.id, on: { click: () => this.#choose(contact.id) } }));
      this.#items.set(contact.id, item);
    }
    const row = item.firstElementChild;
    const active = contact.id === this.#open;
    row.className = `row${active ? ' active' : ''}${contact.unread > 0 ? ' unread' : ''}`;
    if (active) row.setAttribute('aria-current', 'true');
    else row.removeAttribute('aria-current');
    row.replaceChildren(...this.#content(contact));
    return item;
  }

  #content(contact) {
    const title = this.#messenger.contacts.title(contact);
    const { last, unread } = contact;
    const verified = contact.verified ? [icon('shield', 'icon tiny verified'), hidden(', verified')] : [];
    return [
      avatar(contact.id, contact.name),
      h(
        'span',
        { class: 'row-text' },
        h(
          'span',
          { class: 'row-top' },
          h('span', { class: 'row-name' }, h('span', { class: 'cut' }, title), verified),
          last && h('time', { class: 'row-time', datetime: new Date(last.time).toISOString() }, brief(last.time)),
        ),
        h(
          'span',
          { class: 'row-bottom' },
          last?.out && !contact.draft ? mark(last.state) : null,
          preview(contact),
          unread > 0 && h('span', { class: 'badge' }, String(unread), hidden(unread === 1 ? ' unread message' : ' unread messages')),
        ),
      ),
    ];
  }

  #nothing(query) {
    const id = findUserId(query);
    if (id) return h('li', { class: 'list-empty' }, h('p', {}, 'That looks like an id.'), button('Write to it', () => this.#add(id), { kind: 'tonal', picture: 'add' }));
    if (query) return h('li', { class: 'list-empty' }, h('p', {}, 'Nobody by that name.'));
    return h(
      'li',
      { class: 'list-empty' },
      h('p', {}, h('strong', {}, 'No conversations yet'), h('br'), 'Share your link, or add someone you know.'),
      button('Add someone', () => this.#add(''), { kind: 'tonal', picture: 'add' }),
    );
  }

  #searchKey(event) {
    if (event.key === 'Enter') $('list').querySelector('button')?.click();
    else if (event.key === 'ArrowDown') $('list').querySelector('button')?.focus();
    else if (event.key === 'Escape' && $('search').value) {
      $('search').value = '';
      this.render();
    } else return;
    event.preventDefault();
  }

  #listKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const rows = [...$('list').querySelectorAll('button')];
    const next = rows[rows.indexOf(document.activeElement) + step];
    if (next) next.focus();
    else if (step < 0) $('search').focus();
    event.preventDefault();
  }

  #status() {
    const line = statusLine(this.#messenger);
    $('status').dataset.state = this.#messenger.connection.name;
    $('status').replaceChildren(...line);
    $('status').classList.toggle('shown', line.length > 0);
  }
}

function preview(contact) {
  const { last, draft } = contact;
  if (draft) return h('span', { class: 'row-last' }, h('em', {}, 'Draft: '), draft);
  if (!last) return h('span', { class: 'row-last quiet' }, 'No messages yet');
  if (last.note) return h('span', { class: 'row-last quiet' }, noteText(last.note));
  return h('span', { class: 'row-last' }, last.text);
}

const refusals = {
  PROOF_REQUIRED:
    'The server did not accept the proof of your key. It may go by another name than the address you opened: its --public-host says which.',
  ORIGIN_REFUSED: 'The server refuses this page’s address. Its --origin must list it.',
  KEY_NOT_PROVABLE: 'The server does not accept this kind of key.',
  KEY_MISMATCH: 'The server gave your key another id. It is not to be trusted.',
  NO_V1: 'The server does not speak enigma.v1.',
};

/** statusLine is what to say about the connection; nothing while all is well. */
function statusLine(messenger) {
  const state = messenger.connection;
  const again = button('Connect here', () => messenger.start(), { kind: 'small' });
  switch (state.name) {
    case 'connecting':
      return [h('span', { class: 'spinner' }), h('span', {}, 'Connecting…')];
    case 'waiting':
      return [
        h('span', { class: 'spinner' }),
        h('span', {}, navigator.onLine ? 'No connection. Trying again…' : 'You are offline.'),
        button('Now', () => messenger.hurry(), { kind: 'small', 'aria-label': 'Try to connect now' }),
      ];
    case 'replaced':
      return [h('span', {}, 'You are connected from another place.'), again];
    case 'refused':
      return [icon('alert'), h('span', {}, refusals[state.reason] ?? refusals.PROOF_REQUIRED), button('Try again', () => messenger.start(), { kind: 'small' })];
    default:
      return [];
  }
}
