// What comes from the server. Envelopes are taken one after the other:
//
//   1. whose key opens it: the contact's, or a stranger's, which the server is asked for and which must hash to its id
//   2. open it; what cannot be opened becomes a note in the conversation
//   3. one transaction: the text, that it was seen, the receipt owed, the contact's last line, the sequence number
//   4. when nothing more waits: confirm to the server up to that number, and write the receipts
//
// Only after step 3 may the server forget an envelope. One whose sender's key cannot be had now, or that comes with a
// key that is not the sender's, is held and tried again on the next connection: nothing is lost by a lie.
//
// What comes twice is known by who sent it and the id inside, never by its sequence number: a server could make that up,
// or begin anew with a new store, and would silence everybody with it.

import { asText, open } from '../crypto/letter.js';
import { KeyMismatch, RequestError } from '../net/api.js';

const everything = ['messages', 'contacts', 'seen', 'owed', 'held', 'meta'];

/** Inbox owns the stores "seen", "held" and "meta", and adds to "messages" and "owed". */
export class Inbox {
  #db;
  #me;
  #contacts;
  #outbox;
  #on; // handlers: message(contact, message), lie(id), confirm(seq), failed(error), visible(id)
  #seq = 0; // of the last one that is processed
  #waiting = 0;
  #chain = Promise.resolve();
  #broken = false;

  constructor({ db, me, contacts, outbox, on }) {
    this.#db = db;
    this.#me = me;
    this.#contacts = contacts;
    this.#outbox = outbox;
    this.#on = on;
  }

  async load() {
    this.#seq = (await this.#db.read(['meta'], ({ meta }) => meta.get('seq'))) ?? 0;
  }

  /** seq is the sequence number of the last envelope processed, 0 for none. */
  get seq() {
    return this.#seq;
  }

  /** take queues a message frame. */
  take(frame) {
    if (!Number.isSafeInteger(frame.seq) || typeof frame.from !== 'string') return;
    this.#queue(() => this.#process(frame, false));
  }

  /** retry goes through what was held. */
  retry() {
    this.#queue(async () => {
      for (const frame of await this.#db.read(['held'], ({ held }) => held.all())) await this.#process(frame, true);
    });
  }

  #queue(work) {
    this.#waiting++;
    this.#chain = this.#chain
      .then(() => this.#broken || work())
      .catch((error) => {
        this.#broken = true; // storage is full or gone: what follows must not be confirmed either
        this.#on.failed(error);
      })
      .then(() => {
        if (--this.#waiting > 0 || this.#broken) return;
        this.#on.confirm(this.#seq);
        this.#outbox.payReceipts();
      });
  }

  async #process(frame, again) {
    const found = await this.#read(frame);
    let message = null;
    await this.#db.write(everything, async (stores) => {
      if (again && !found.hold) await stores.held.delete(frame.seq);
      if (!again && found.hold) await stores.held.put({ seq: frame.seq, from: frame.from, payload: frame.payload, time: frame.time });
      if (found.text) message = await this.#keepText(stores, found.contact, found.text);
      if (found.note) message = await this.#keepNote(stores, found.contact, found.note, frame.time);
      if (!again) await stores.meta.put(frame.seq, 'seq');
    });
    if (!again) this.#seq = frame.seq;
    if (found.contact && !again) this.#outbox.heardFrom(found.contact.id);
    if (found.receipt) await this.#outbox.delivered(found.contact, found.receipt);
    // A note to oneself is delivered when it comes back.
    if (found.text && frame.from === this.#me.id) await this.#outbox.delivered(found.contact, { type: 'receipt', ids: [found.text.id] });
    if (found.hold === 'lie' && !again) this.#on.lie(frame.from);
    if (message) this.#on.message(found.contact, message);
  }

  /** read returns what to do with an envelope: {contact, text | receipt | note}, {hold} or {}. */
  async #read({ from, payload }) {
    let contact;
    try {
      contact = await this.#contacts.find(from, true);
    } catch (error) {
      if (error instanceof KeyMismatch) return { hold: 'lie' };
      if (error instanceof RequestError && error.code !== 'USER_NOT_FOUND') return { hold: 'unreachable' };
      return {};
    }
    if (contact.blocked) return {};
    if (!contact.publicRaw) return { contact, note: 'unsuited' };
    let content;
    try {
      content = await open(this.#me, contact, payload);
    } catch {
      return { contact, note: 'unreadable' };
    }
    if (content.type === 'receipt') return { contact, receipt: content };
    const text = asText(content);
    return text ? { contact, text } : {};
  }

  /** keepText adds a text to its conversation and returns the message, null for one that was seen. */
  async #keepText(stores, contact, { id, time, text }) {
    if (await stores.seen.get([contact.id, id])) return null; // so is our own note, which is there already
    const now = Date.now();
    const own = contact.id === this.#me.id; // a note from another place with the same key
    const message = { contact: contact.id, id, out: own ? 1 : 0, text, time: Math.min(time, now), ...(own && { state: 'delivered' }) };
    message.order = await stores.messages.put(message);
    await stores.seen.put({ contact: contact.id, id });
    if (!own) await stores.owed.put({ contact: contact.id, id });
    await this.#touch(stores, contact, { text, time: message.time, out: message.out, id, state: message.state }, now);
    return message;
  }

  /** keepNote adds a line about an envelope that could not be opened; of several in a row only the first. */
  async #keepNote(stores, contact, note, time) {
    if (contact.last?.note === note) return null;
    const message = { contact: contact.id, out: 0, note, time: Number.isFinite(time) ? time : Date.now() };
    message.order = await stores.messages.put(message);
    await this.#touch(stores, contact, { note, time: message.time, out: 0 }, Date.now());
    return message;
  }

  #touch(stores, contact, last, now) {
    Object.assign(contact, { last, at: now, unread: this.#on.visible(contact.id) ? 0 : contact.unread + 1 });
    return this.#contacts.put(stores, contact);
  }
}
