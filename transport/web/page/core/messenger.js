// The messenger: one user's account with everything that belongs to it, without anything on a screen. It puts together
// contacts, inbox, outbox and connection, and tells the page what has changed, by events whose detail is
//
//   connection  the connection's state
//   contacts    nothing: the list, or something in it, is different
//   message     {contact, message}: there is one more
//   states      {id, messages, code}: messages to a contact have another state, or wait because of a code
//   lie         {id}: the server gave a key that does not belong to this id
//   broken      the error: this browser keeps nothing any more

import { base } from '../net/api.js';
import { Connection } from '../net/connection.js';
import { Contacts, thread } from './contacts.js';
import { Inbox } from './inbox.js';
import { Outbox } from './outbox.js';

/** Messenger is made by open, and runs from start to stop. */
export class Messenger extends EventTarget {
  #db;
  #inbox;
  #outbox;
  #connection;
  #visible = null; // id of the conversation that is open before somebody's eyes

  constructor(db, me) {
    super();
    this.#db = db;
    this.me = me;
    this.contacts = new Contacts(db, me);
    this.#connection = new Connection(me, base, {
      state: (state) => this.#connectionIs(state),
      frame: (frame) => this.#frame(frame),
      resumeAt: () => this.#inbox.seq,
    });
    this.#outbox = new Outbox({
      db,
      me,
      contacts: this.contacts,
      write: (frame) => this.#connection.send(frame),
      changed: (id, messages, code) => {
        this.#tell('states', { id, messages, code });
        this.#tell('contacts');
      },
    });
    this.#inbox = new Inbox({
      db,
      me,
      contacts: this.contacts,
      outbox: this.#outbox,
      on: {
        message: (contact, message) => {
          this.#tell('message', { contact, message });
          this.#tell('contacts');
        },
        lie: (id) => this.#tell('lie', { id }),
        confirm: (seq) => seq > 0 && this.#connection.send({ type: 'recv', seq }),
        failed: (error) => this.#failed(error),
        visible: (id) => this.#visible === id,
      },
    });
  }

  /** open loads what the database holds for the account. */
  static async open(db, me) {
    const messenger = new Messenger(db, me);
    await Promise.all([messenger.contacts.load(), messenger.#outbox.load(), messenger.#inbox.load()]);
    return messenger;
  }

  /** start connects, and stays connected. */
  start() {
    this.#connection.start();
  }

  stop() {
    this.#connection.stop();
  }

  /** hurry ends a wait for the next attempt to connect. */
  hurry() {
    this.#connection.hurry();
  }

  /** doubt connects again if the connection may be dead without anybody having said so. */
  doubt() {
    this.#connection.doubt();
  }

  get connection() {
    return this.#connection.state;
  }

  /** add returns the contact with an id, made if need be. It throws as fetchKey of net/api.js does. */
  async add(id, name) {
    const contact = await this.contacts.find(id);
    await this.contacts.save(contact, { accepted: true, blocked: false, ...(name && { name }) });
    this.#tell('contacts');
    return contact;
  }

  /** change changes a contact: name, verified, accepted, blocked, draft. */
  async change(contact, change) {
    if (this.contacts.get(contact.id) !== contact) return; // removed: a draft that is kept late must not bring it back
    await this.contacts.save(contact, change);
    this.#tell('contacts');
  }

  async remove(contact) {
    await this.contacts.remove(contact.id);
    this.#tell('contacts');
  }

  /** send writes a text to a contact. It resolves when the text is written down here; it goes out when it can. */
  async send(contact, text) {
    const message = await this.#outbox.send(contact, text);
    this.#tell('message', { contact, message });
    this.#tell('contacts');
  }

  /** discard deletes a message here. */
  discard(message) {
    return this.#db.write(['messages'], ({ messages }) => messages.delete(message.order));
  }

  /** holdOf says why mail to a contact waits although there is a connection: a code, or undefined. */
  holdOf(contact) {
    return this.#outbox.holdOf(contact.id);
  }

  /** history returns up to count messages before an order, the last ones, in order. */
  history(contact, count, before) {
    return this.#db.read(['messages'], ({ messages }) => messages.last('thread', thread(contact.id, before), count));
  }

  /** look says which conversation somebody is looking at, null for none: what comes in it is not unread. */
  async look(contact) {
    this.#visible = contact?.id ?? null;
    if (contact?.unread > 0) await this.change(contact, { unread: 0 });
  }

  #frame(frame) {
    switch (frame.type) {
      case 'message':
        this.#inbox.take(frame);
        break;
      case 'ack':
        this.#outbox.acknowledged(frame).catch((error) => this.#failed(error));
        break;
      case 'error':
        this.#outbox.refused(frame).catch((error) => this.#failed(error));
    }
  }

  #connectionIs(state) {
    if (state.name === 'ready') {
      this.#outbox.connected(state.limits?.maxMessage ?? Infinity);
      this.#inbox.retry();
    } else {
      this.#outbox.disconnected();
    }
    this.#tell('connection', state);
  }

  #failed(error) {
    this.stop();
    this.#tell('broken', error);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
