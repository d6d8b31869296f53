// The messenger on the screen: puts the list, the open conversation and the composer together, and knows which of the
// two panes a phone shows.

import { findUserId } from '../crypto/identity.js';
import { Composer } from './composer.js';
import { $, avatar, button, h, icon } from './dom.js';
import { broken } from './gate.js';
import { List } from './list.js';
import { about, addSomebody, shareMe, shortcuts, warnOfLie } from './people.js';
import { Thread } from './thread.js';

/** App shows a messenger. erase deletes the account. */
export class App {
  #messenger;
  #erase;
  #list;
  #thread;
  #composer;

  constructor(messenger, erase) {
    this.#messenger = messenger;
    this.#erase = erase;
    this.#thread = new Thread(messenger);
    this.#list = new List(messenger, { choose: (id) => this.open(id), add: (id) => this.#add(id) });
    this.#composer = new Composer({
      send: (contact, text) => messenger.send(contact, text),
      draft: (contact, draft) => messenger.change(contact, { draft }),
    });
    messenger.addEventListener('lie', ({ detail }) => warnOfLie(detail.id));
    messenger.addEventListener('broken', ({ detail }) => broken(detail));
    this.#buttons();
    this.#surroundings();
    this.#fillMe();
    this.#fillEmpty();
  }

  /** show makes the messenger visible, and follows a link that the page was opened with. */
  show() {
    $('gate').hidden = true;
    $('app').hidden = false;
    this.#followLink();
  }

  /** open opens the conversation with a contact. */
  async open(id) {
    const contact = this.#messenger.contacts.get(id);
    if (!contact) return;
    if ($('search').value) $('search').value = '';
    if (!this.#thread.contact) history.pushState('thread', '');
    $('app').classList.add('reading');
    this.#list.mark(id);
    await this.#thread.open(contact);
    this.#composer.to(contact);
  }

  /** close goes back to the list. */
  #close() {
    if (!this.#thread.contact) return;
    const { id } = this.#thread.contact;
    $('app').classList.remove('reading');
    this.#composer.to(null);
    this.#thread.close();
    this.#list.mark(null);
    ($('list').querySelector(`[data-id="${id}"]`) ?? $('search')).focus();
  }

  /** back is close by way of the browser's history, so that its own button does the same. */
  #back() {
    if (history.state === 'thread') history.back();
    else this.#close();
  }

  #add(id) {
    addSomebody(this.#messenger, id, (contact) => this.open(contact.id));
  }

  #buttons() {
    $('new-button').addEventListener('click', () => this.#add(''));
    $('back-button').addEventListener('click', () => this.#back());
    $('me-button').addEventListener('click', () => shareMe(this.#messenger, { erase: this.#erase }));
    $('contact-button').addEventListener('click', () => about(this.#messenger, this.#thread.contact, () => this.#back()));
    document.addEventListener('keydown', (event) => this.#key(event));
  }

  #surroundings() {
    window.addEventListener('popstate', () => this.#close());
    window.addEventListener('hashchange', () => this.#followLink());
    window.addEventListener('online', () => this.#messenger.doubt());
    // Browsers close the connection of a page that is left when they get round to it; until then mail would go there.
    window.addEventListener('pagehide', () => this.#messenger.stop());
    window.addEventListener('focus', () => this.#thread.seen());
    document.addEventListener('visibilitychange', () => {
      this.#thread.seen();
      if (document.visibilityState === 'visible') this.#messenger.hurry();
    });
  }

  #key(event) {
    if ($('app').hidden || document.querySelector('dialog[open]')) return;
    const writing = event.target.matches?.('input, textarea');
    const act = this.#shortcut(event, writing);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #shortcut({ key, code, altKey, ctrlKey, metaKey }, writing) {
    if ((ctrlKey || metaKey) && key.toLowerCase() === 'k') return () => $('search').focus();
    if (altKey && code === 'KeyN') return () => this.#add('');
    if (altKey && key === 'ArrowUp') return () => this.open(this.#list.neighbour(-1));
    if (altKey && key === 'ArrowDown') return () => this.open(this.#list.neighbour(1));
    if (key === 'Escape' && this.#thread.contact) return () => this.#back();
    if (key === '?' && !writing) return shortcuts;
    return null;
  }

  /** followLink adds who is named behind the '#', and takes it out of the address. */
  #followLink() {
    const id = findUserId(location.hash.slice(1));
    if (!id) return;
    history.replaceState(history.state, '', location.pathname + location.search);
    if (id === this.#messenger.me.id) shareMe(this.#messenger, { erase: this.#erase });
    else if (this.#messenger.contacts.get(id)?.accepted) this.open(id);
    else this.#add(id);
  }

  #fillMe() {
    const { id } = this.#messenger.me;
    $('me-button').replaceChildren(
      avatar(id, '', 'small'),
      h('span', { class: 'me-text' }, h('strong', {}, 'You'), h('code', {}, `${id.slice(0, 8)}…${id.slice(-4)}`)),
      h('span', { class: 'me-hint' }, icon('share'), 'Share'),
    );
  }

  #fillEmpty() {
    $('empty').replaceChildren(
      icon('logo', 'logo large'),
      h('h2', {}, 'Your messages'),
      h('p', { class: 'quiet' }, 'Choose a conversation, or begin one.'),
      h(
        'div',
        { class: 'actions' },
        button('New conversation', () => this.#add(''), { kind: 'primary', picture: 'compose' }),
        button('Share your link', () => shareMe(this.#messenger, { erase: this.#erase }), { kind: 'tonal', picture: 'share' }),
      ),
    );
  }
}
