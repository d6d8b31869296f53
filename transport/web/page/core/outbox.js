// What has to reach the server. An entry is sealed once and written down before it is sent, and goes again, the same
// bytes with the same id, on every connection until the server acknowledges it: so it arrives, and arrives once.
//
//   send(text)  → seal → one transaction: message "queued", entry      → pump
//   owed texts  → seal a receipt for them → one transaction: entry, no longer owed → pump
//   ack         → one transaction: entry gone, message "stored"
//   refusal     → for good: entry gone, message "failed"; for now: nothing for this recipient for a while
//
// Sealing waits for the browser, so everything that adds to the queue goes through one chain and keeps its order.

import { asReceipt, maxReceipts, newId, seal } from '../crypto/letter.js';

const envelope = 200; // bytes of a frame around its payload, at the most
const window = 64; // entries sent and not acknowledged
const firstHold = 5_000; // ms that a recipient is left alone after a refusal for now
const longestHold = 300_000; // ms

// Refusals after which the same message may well be taken later.
const temporary = new Set(['MAILBOX_FULL', 'STORE_UNAVAILABLE', 'STORE_FULL', 'RATE_LIMITED', 'INTERNAL']);

const rank = { queued: 0, failed: 1, stored: 2, delivered: 3 };

/** advances tells whether a text may go from one state to another: never back, for a receipt may overtake an ack. */
const advances = (from, to) => rank[to] > rank[from];

/** Outbox owns the stores "outbox" and "owed", and the state of messages in "messages". */
export class Outbox {
  #db;
  #me;
  #contacts;
  #write; // sends a frame, false without a connection
  #changed; // tells that a message has another state
  #chain = Promise.resolve();
  #queue = []; // entries, in order
  #flying = new Set(); // n of those that were sent on this connection
  #holds = new Map(); // recipient: {until, delay, code}
  #timer = 0;
  #connected = false;
  #maxMessage = Infinity;

  constructor({ db, me, contacts, write, changed }) {
    this.#db = db;
    this.#me = me;
    this.#contacts = contacts;
    this.#write = write;
    this.#changed = changed;
  }

  async load() {
    this.#queue = await this.#db.read(['outbox'], ({ outbox }) => outbox.all());
  }

  /** connected begins anew on a connection that is ready. maxMessage is the server's bound on a frame, in bytes. */
  connected(maxMessage) {
    this.#connected = true;
    this.#maxMessage = maxMessage;
    this.#flying.clear();
    this.#holds.clear();
    this.payReceipts();
    this.#pump();
  }

  disconnected() {
    this.#connected = false;
    this.#flying.clear();
    clearTimeout(this.#timer);
  }

  /** holdOf returns the code of the refusal because of which a recipient's mail waits, if it does. */
  holdOf(id) {
    return this.#holds.get(id)?.code;
  }

  /** send writes a text to a contact and returns the message, as it stands in the store. */
  send(contact, text) {
    return this.#inOrder(async () => {
      // A lone surrogate has no bytes in UTF-8.
      const content = { type: 'text', id: newId(), time: Date.now(), text: text.toWellFormed() };
      const payload = await seal(this.#me, contact, content);
      const message = { contact: contact.id, id: content.id, out: 1, text, time: content.time, state: 'queued' };
      await this.#enqueue({ id: content.id, to: contact.id, payload, text: true }, async (stores) => {
        message.order = await stores.messages.put(message);
        Object.assign(contact, { accepted: true, at: content.time, last: { text, time: content.time, out: 1, id: content.id, state: 'queued' } });
        await this.#contacts.put(stores, contact);
        await stores.seen.put({ contact: contact.id, id: content.id }); // nobody can send it back as their own
      });
      return message;
    });
  }

  /** payReceipts writes receipts for all texts that are owed one. */
  payReceipts() {
    return this.#inOrder(async () => {
      const owed = await this.#db.read(['owed'], ({ owed: store }) => store.all());
      for (const [id, texts] of group(owed)) {
        for (let i = 0; i < texts.length; i += maxReceipts) await this.#receipt(this.#contacts.get(id), texts.slice(i, i + maxReceipts));
      }
    });
  }

  async #receipt(contact, texts) {
    const settled = async (stores) => {
      for (const { contact: id, id: text } of texts) await stores.owed.delete([id, text]);
    };
    if (!contact?.publicRaw || contact.blocked) {
      await this.#db.write(['owed'], settled);
      return;
    }
    const payload = await seal(this.#me, contact, { type: 'receipt', ids: texts.map((t) => t.id), time: Date.now() });
    await this.#enqueue({ id: newId(), to: contact.id, payload, text: false }, settled);
  }

  /** enqueue writes an entry down together with what belongs to it. */
  async #enqueue(entry, more) {
    await this.#db.write(['outbox', 'owed', 'messages', 'contacts', 'seen'], async (stores) => {
      entry.n = await stores.outbox.put(entry);
      await more(stores);
    });
    this.#queue.push(entry);
    this.#pump();
  }

  #inOrder(work) {
    const done = this.#chain.then(work);
    this.#chain = done.catch(() => {}); // who asked is told; the next one is not to blame
    return done;
  }

  /** pump sends what may be sent. */
  #pump() {
    if (!this.#connected) return;
    const now = Date.now();
    for (const entry of this.#queue) {
      if (this.#flying.size >= window) break;
      if (this.#flying.has(entry.n) || this.#holds.get(entry.to)?.until > now) continue;
      if (entry.payload.length + envelope > this.#maxMessage) {
        // The server would close the connection over it, each time anew.
        this.#settle(entry.id, entry.to, 'failed');
        return; // settling pumps
      }
      if (!this.#write({ type: 'send', id: entry.id, to: entry.to, payload: entry.payload })) break;
      this.#flying.add(entry.n);
    }
  }

  /** heardFrom says that a contact is there: what waited for room in its mailbox may go. */
  heardFrom(id) {
    if (this.#holds.delete(id)) this.#pump();
  }

  /** acknowledged is the server's word that an entry is safe. */
  async acknowledged({ id, to }) {
    this.#holds.delete(to);
    await this.#settle(id, to, 'stored');
  }

  /** refused is the server's word that it has not taken an entry. */
  async refused({ id, to, code }) {
    const entry = this.#queue.find((e) => e.id === id);
    if (!entry) return;
    if (!temporary.has(code)) {
      await this.#settle(id, entry.to, 'failed');
      return;
    }
    const delay = Math.min((this.#holds.get(entry.to)?.delay ?? firstHold / 2) * 2, longestHold);
    this.#holds.set(entry.to, { until: Date.now() + delay, delay, code });
    this.#flying.delete(entry.n);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#pump(), delay + 10);
    this.#changed(entry.to, [], code);
  }

  async #settle(id, to, state) {
    const at = this.#queue.findIndex((e) => e.id === id && e.to === to);
    if (at < 0) return;
    const [entry] = this.#queue.splice(at, 1);
    this.#flying.delete(entry.n);
    await this.#db.write(['outbox'], ({ outbox }) => outbox.delete(entry.n));
    if (entry.text) await this.#mark(to, [id], state);
    this.#pump();
  }

  /** delivered is a contact's receipt. */
  async delivered(contact, content) {
    await this.#mark(contact.id, asReceipt(content) ?? [], 'delivered');
  }

  /** mark changes the state of texts to a contact. */
  async #mark(to, ids, state) {
    const contact = this.#contacts.get(to);
    const marked = await this.#db.write(['messages', 'contacts'], async (stores) => {
      const out = [];
      for (const id of ids) {
        const message = await stores.messages.one('text', [to, 1, id]);
        if (!message || !advances(message.state, state)) continue;
        message.state = state;
        await stores.messages.put(message);
        out.push(message);
        if (contact?.last?.id === id) contact.last.state = state;
      }
      if (contact && out.length > 0) await this.#contacts.put(stores, contact);
      return out;
    });
    if (marked.length > 0) this.#changed(to, marked, '');
  }
}

/** group is by contact. */
function group(owed) {
  const map = new Map();
  for (const o of owed) map.set(o.contact, [...(map.get(o.contact) ?? []), o]);
  return map;
}
