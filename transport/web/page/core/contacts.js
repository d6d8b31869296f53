// The people this user writes with. A contact is made only with a key that hashes to its id, and keeps that key: the
// server is asked once, and cannot exchange it later.
//
// The records in memory are the truth while the page runs; every change is written through.

import { fetchKey, KeyUnsuited } from '../net/api.js';

/** Contacts owns the records of the store "contacts". */
export class Contacts {
  #db;
  #me;
  #map = new Map();

  constructor(db, me) {
    this.#db = db;
    this.#me = me;
  }

  async load() {
    for (const contact of await this.#db.read(['contacts'], ({ contacts }) => contacts.all())) this.#map.set(contact.id, contact);
  }

  get(id) {
    return this.#map.get(id);
  }

  /** list returns all that are shown, the most recently active first. */
  list() {
    return [...this.#map.values()].filter((contact) => !contact.blocked).sort((a, b) => b.at - a.at);
  }

  /** blocked returns those who are not shown. */
  blocked() {
    return [...this.#map.values()].filter((contact) => contact.blocked);
  }

  /** title is what a contact is called. */
  title(contact) {
    if (contact.name) return contact.name;
    return contact.id === this.#me.id ? 'Note to self' : `${contact.id.slice(0, 4)} ${contact.id.slice(4, 8)}…`;
  }

  /**
   * find returns the contact with an id, or makes one with the key that the server gives, in memory only: save keeps it.
   * It throws as fetchKey does, but for a key that this page cannot encrypt to if lenient: the contact then has no
   * publicRaw.
   */
  async find(id, lenient = false) {
    const known = this.#map.get(id);
    if (known) return known;
    const key = id === this.#me.id ? this.#me : await this.#key(id, lenient);
    // Another call may have been quicker.
    return this.#map.get(id) ?? fresh(id, key);
  }

  async #key(id, lenient) {
    try {
      return await fetchKey(id);
    } catch (error) {
      if (lenient && error instanceof KeyUnsuited) return { publicKey: '', publicRaw: null };
      throw error;
    }
  }

  /** put writes a contact within a transaction on the store. */
  put(stores, contact) {
    this.#map.set(contact.id, contact);
    return stores.contacts.put(contact);
  }

  /** save changes a contact and writes it. */
  async save(contact, change) {
    Object.assign(contact, change);
    await this.#db.write(['contacts'], (stores) => this.put(stores, contact));
  }

  /** remove forgets a contact and its messages. What was seen stays known, so that no replay brings it back. */
  async remove(id) {
    this.#map.delete(id);
    await this.#db.write(['contacts', 'messages'], async ({ contacts, messages }) => {
      await contacts.delete(id);
      await messages.deleteAll('thread', thread(id));
    });
  }
}

/** thread is the range of a contact's messages in the index of that name, up to an order that is not part of it. */
export const thread = (id, before = Infinity) => IDBKeyRange.bound([id, -Infinity], [id, before], false, true);

function fresh(id, { publicKey, publicRaw }) {
  return {
    id,
    publicKey,
    publicRaw,
    name: '',
    accepted: false, // this user has added the contact, or answered
    verified: false, // the safety numbers have been compared
    blocked: false,
    unread: 0,
    last: null, // what the list shows of the last message
    at: Date.now(), // when something happened last
    draft: '',
  };
}
