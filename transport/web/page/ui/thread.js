// The open conversation: its messages, grouped by who wrote them and when, and the place one has scrolled to.
//
// A page of messages is read at first and another whenever the upper end comes near. New messages are appended, states
// are changed in place; the list is rebuilt only when another conversation is opened.

import { $, avatar, button, h, hidden, icon } from './dom.js';
import { linkify, onlyEmoji } from './linkify.js';
import { mark, noteText } from './list.js';
import { day, fullTime, sameDay, timeOfDay } from './time.js';
import { say } from './toast.js';

const page = 60; // messages read at once
const together = 5 * 60_000; // ms between two messages of one group
const nearEnd = 80; // px from the lower end that count as being there
const nearStart = 400; // px from the upper end at which older messages are read

/** Thread shows one conversation at a time. */
export class Thread {
  #messenger;
  #contact = null;
  #messages = [];
  #complete = true; // there are no older messages
  #reading = false;
  #below = 0; // messages that came while one had scrolled up

  constructor(messenger) {
    this.#messenger = messenger;
    messenger.addEventListener('message', ({ detail }) => this.#arrived(detail));
    messenger.addEventListener('states', ({ detail }) => this.#changed(detail));
    messenger.addEventListener('contacts', () => this.#contact && this.#head());
    $('scroller').addEventListener('scroll', () => this.#scrolled(), { passive: true });
    $('end-button').addEventListener('click', () => this.#toEnd(true));
    // The composer grows, the keyboard of a phone comes up: who was at the end stays there.
    let height = 0;
    let wasAtEnd = true;
    $('scroller').addEventListener('scroll', () => (wasAtEnd = this.#atEnd()), { passive: true });
    new ResizeObserver(([entry]) => {
      if (wasAtEnd && entry.contentRect.height !== height) this.#toEnd(false);
      height = entry.contentRect.height;
    }).observe($('scroller'));
  }

  /** contact is whose conversation is open, null for none. */
  get contact() {
    return this.#contact;
  }

  /** open shows the conversation with a contact. */
  async open(contact) {
    const { unread } = contact;
    this.#contact = contact;
    this.#below = 0;
    const messages = await this.#messenger.history(contact, Math.max(page, unread + 10));
    if (this.#contact !== contact) return; // another was opened meanwhile
    this.#messages = messages;
    this.#complete = messages.length < page;
    $('empty').hidden = true;
    $('open').hidden = false;
    $('messages').replaceChildren(...(this.#complete ? [this.#beginning()] : []), ...messages.flatMap((message, i) => this.#nodes(message, messages[i - 1])));
    this.#group();
    this.#markUnread(unread);
    this.#head();
    this.#look();
    this.#toEnd(false);
  }

  close() {
    this.#contact = null;
    $('open').hidden = true;
    $('empty').hidden = false;
    this.#messenger.look(null);
  }

  /** seen is to be called when the page comes into view or leaves it. */
  seen() {
    this.#look();
  }

  #look() {
    this.#messenger.look(document.visibilityState === 'visible' ? this.#contact : null);
  }

  #head() {
    const contact = this.#contact;
    const title = this.#messenger.contacts.title(contact);
    $('contact-button').replaceChildren(
      avatar(contact.id, contact.name, 'small'),
      h(
        'span',
        { class: 'thread-name' },
        h('strong', {}, h('span', { class: 'cut' }, title), contact.verified && icon('shield', 'icon tiny verified')),
        h('span', { class: 'quiet' }, icon('lock', 'icon tiny'), contact.verified ? 'Encrypted and verified' : 'End-to-end encrypted'),
      ),
      hidden('Details'),
    );
    this.#notice();
    $('text').placeholder = `Message ${title}`;
    $('composer').classList.toggle('off', !contact.publicRaw);
    $('text').disabled = !contact.publicRaw;
  }

  #notice() {
    const contact = this.#contact;
    const { change, holdOf } = { change: (c) => this.#messenger.change(contact, c), holdOf: this.#messenger.holdOf(contact) };
    let content = [];
    if (!contact.publicRaw) {
      content = [icon('info'), h('p', {}, 'This user’s key is not of the kind this page encrypts to: you cannot read each other here.')];
    } else if (!contact.accepted && contact.id !== this.#messenger.me.id) {
      content = [
        icon('person'),
        h('p', {}, 'You have not added this user. The id is proved, the person behind it is not.'),
        h('div', { class: 'notice-actions' }, button('Block', () => change({ blocked: true }), { kind: 'small' }), button('Add', () => change({ accepted: true }), { kind: 'small primary' })),
      ];
    } else if (holdOf) {
      const full = holdOf === 'MAILBOX_FULL';
      content = [icon('clock'), h('p', {}, full ? 'This mailbox is full. What you write is sent again until there is room.' : 'The server cannot take messages just now. They are sent again by themselves.')];
    }
    $('notice').hidden = content.length === 0;
    $('notice').replaceChildren(...content);
  }

  /** beginning is what stands above the first message. */
  #beginning() {
    const contact = this.#contact;
    const self = contact.id === this.#messenger.me.id;
    return h(
      'li',
      { class: 'beginning' },
      avatar(contact.id, contact.name, 'large'),
      h('strong', {}, this.#messenger.contacts.title(contact)),
      h('span', { class: 'quiet' }, self ? 'Notes to yourself, kept in this browser.' : 'Messages here are encrypted end to end. Nobody else can read them, not even the server.'),
    );
  }

  /** nodes are the message's own, and a heading before it where a day begins. */
  #nodes(message, before) {
    const heading = !before || !sameDay(before.time, message.time);
    return [heading && h('li', { class: 'day' }, h('span', {}, day(message.time))), this.#node(message)].filter(Boolean);
  }

  #node(message) {
    if (message.note) return h('li', { class: 'note', 'data-order': message.order }, icon('lock', 'icon tiny'), noteText(message.note));
    const who = message.out ? 'You' : this.#messenger.contacts.title(this.#contact);
    return h(
      'li',
      { class: `message ${message.out ? 'out' : 'in'}`, 'data-order': message.order },
      h(
        'div',
        { class: `bubble${onlyEmoji(message.text) ? ' emoji' : ''}` },
        hidden(`${who}: `),
        h('span', { class: 'text', dir: 'auto' }, linkify(message.text)),
        this.#meta(message),
      ),
      message.state === 'failed' && button('Not sent. Try again', () => this.#again(message), { kind: 'retry' }),
    );
  }

  #meta(message) {
    const time = h('time', { datetime: new Date(message.time).toISOString(), title: fullTime(message.time) }, timeOfDay(message.time));
    return h('span', { class: 'meta' }, time, message.out ? mark(message.state) : null);
  }

  async #again(message) {
    await this.#messenger.discard(message);
    this.#messages = this.#messages.filter((m) => m !== message);
    this.#find(message)?.remove();
    await this.#messenger.send(this.#contact, message.text);
  }

  #find(message) {
    return $('messages').querySelector(`[data-order="${message.order}"]`);
  }

  /** group marks the first and the last message of each group. Only the last few can have changed by an arrival. */
  #group(from = 0) {
    const joined = (a, b) => a && b && !a.note && !b.note && a.out === b.out && b.time - a.time < together && sameDay(a.time, b.time);
    for (let i = Math.max(from, 0); i < this.#messages.length; i++) {
      const node = this.#find(this.#messages[i]);
      node.classList.toggle('first', !joined(this.#messages[i - 1], this.#messages[i]));
      node.classList.toggle('last', !joined(this.#messages[i], this.#messages[i + 1]));
    }
  }

  #markUnread(count) {
    const first = count > 0 && this.#messages.at(-count);
    if (!first) return;
    const line = h('li', { class: 'unread-line' }, h('span', {}, count === 1 ? 'New message' : `${count} new messages`));
    this.#find(first).before(line);
  }

  #arrived({ contact, message }) {
    const title = this.#messenger.contacts.title(contact);
    if (!message.out && document.visibilityState === 'visible') say(message.note ? noteText(message.note) : `${title}: ${message.text}`);
    if (contact !== this.#contact) return;
    const follow = message.out || this.#atEnd();
    const before = this.#messages.at(-1);
    this.#messages.push(message);
    const nodes = this.#nodes(message, before);
    nodes.at(-1).classList.add('fresh');
    $('messages').append(...nodes);
    this.#group(this.#messages.length - 2);
    if (follow) this.#toEnd(true);
    else this.#count(this.#below + 1);
  }

  #changed({ id, messages }) {
    if (id !== this.#contact?.id) return;
    for (const changed of messages) {
      const at = this.#messages.findIndex((message) => message.order === changed.order);
      if (at < 0) continue;
      this.#messages[at] = changed;
      this.#find(changed).replaceWith(this.#node(changed));
      this.#group(at);
    }
    this.#notice();
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = $('scroller');
    return scrollHeight - scrollTop - clientHeight < nearEnd;
  }

  #toEnd(smoothly) {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    $('scroller').scrollTo({ top: $('scroller').scrollHeight, behavior: smoothly && !calm ? 'smooth' : 'instant' });
    this.#count(0);
  }

  #scrolled() {
    const atEnd = this.#atEnd();
    if (atEnd) this.#count(0);
    $('end-button').hidden = atEnd;
    if ($('scroller').scrollTop < nearStart) this.#older();
  }

  #count(below) {
    this.#below = below;
    const badge = $('end-button').querySelector('.badge');
    badge.hidden = below === 0;
    badge.textContent = String(below);
    $('end-button').setAttribute('aria-label', below === 0 ? 'To the latest message' : `To the latest message, ${below} new`);
  }

  async #older() {
    if (this.#complete || this.#reading || this.#messages.length === 0) return;
    this.#reading = true;
    const contact = this.#contact;
    const older = await this.#messenger.history(contact, page, this.#messages[0].order);
    this.#reading = false;
    if (this.#contact !== contact) return;
    this.#complete = older.length < page;
    // The first heading of a day moves up if that day's messages go on above it.
    const first = $('messages').firstElementChild;
    if (older.length > 0 && first?.classList.contains('day') && sameDay(older.at(-1).time, this.#messages[0].time)) first.remove();
    const { scrollHeight, scrollTop } = $('scroller');
    $('messages').prepend(...(this.#complete ? [this.#beginning()] : []), ...older.flatMap((message, i) => this.#nodes(message, older[i - 1])));
    this.#messages = [...older, ...this.#messages];
    this.#group();
    $('scroller').scrollTop = scrollTop + $('scroller').scrollHeight - scrollHeight;
  }
}
