// What this browser keeps, in IndexedDB:
//
//   account    one record, "me": {id, publicKey, publicRaw, privateKey, created}; the key is a handle without export
//   contacts   by id: {id, publicKey, publicRaw, name, accepted, verified, blocked, unread, last, at, draft}
//   messages   by order, the order they came or went in: {contact, order, id, out, text, time, state} or {note}
//   seen       [contact, id] of every text that was shown, so that a replay by the server is not shown again
//   owed       [contact, id] of every text whose receipt has not been written yet
//   outbox     by n: {n, id, to, payload, text}, sealed and not yet acknowledged by the server
//   held       by seq: envelopes that cannot be opened before their sender's key can be had
//   meta       "seq": the sequence number of the last envelope processed
//
// A change that spans stores is one transaction: after a crash a text is there with its receipt owed, or not at all.

const name = 'enigma';
const version = 1;

const request = (r) =>
  new Promise((resolve, reject) => {
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(r.error);
  });

function create(db) {
  db.createObjectStore('account');
  db.createObjectStore('contacts', { keyPath: 'id' });
  const messages = db.createObjectStore('messages', { keyPath: 'order', autoIncrement: true });
  messages.createIndex('thread', ['contact', 'order'], { unique: true });
  messages.createIndex('text', ['contact', 'out', 'id']);
  db.createObjectStore('seen', { keyPath: ['contact', 'id'] });
  db.createObjectStore('owed', { keyPath: ['contact', 'id'] });
  db.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true });
  db.createObjectStore('held', { keyPath: 'seq' });
  db.createObjectStore('meta');
}

/** Database is the open database. All methods reject with what IndexedDB says. */
export class Database {
  #db;

  constructor(db) {
    this.#db = db;
    db.onversionchange = () => db.close(); // a newer page wants to change it, or this browser's data is being cleared
  }

  static async open() {
    const opening = indexedDB.open(name, version);
    opening.onupgradeneeded = () => create(opening.result);
    return new Database(await request(opening));
  }

  /**
   * read runs work with the stores named, and returns what it returns. In work only these may be awaited: anything
   * else ends the transaction.
   */
  read(stores, work) {
    return this.#transact(stores, 'readonly', work);
  }

  /** write is read for a change. When it resolves the change is on disk, so that mail may be confirmed. */
  write(stores, work) {
    return this.#transact(stores, 'readwrite', work);
  }

  #transact(stores, mode, work) {
    return new Promise((resolve, reject) => {
      const tx = this.#db.transaction(stores, mode, { durability: 'strict' });
      let result;
      let fault = null;
      tx.oncomplete = () => resolve(result);
      tx.onabort = () => reject(fault ?? tx.error);
      const access = Object.fromEntries(stores.map((store) => [store, new Store(tx.objectStore(store))]));
      Promise.resolve(work(access)).then(
        (value) => (result = value),
        (error) => {
          fault = error;
          try {
            tx.abort();
          } catch {
            reject(error); // it has ended already
          }
        },
      );
    });
  }

  /** erase deletes everything. */
  async erase() {
    this.#db.close();
    await request(indexedDB.deleteDatabase(name));
  }
}

/** Store is an object store whose requests are promises. */
class Store {
  #store;

  constructor(store) {
    this.#store = store;
  }

  get(key) {
    return request(this.#store.get(key));
  }

  all(query, count) {
    return request(this.#store.getAll(query, count));
  }

  put(value, key) {
    return request(this.#store.put(value, key));
  }

  delete(key) {
    return request(this.#store.delete(key));
  }

  /** one returns the first record of an index with the key. */
  one(index, key) {
    return request(this.#store.index(index).get(key));
  }

  /** last returns up to count records of an index in the range, the last ones, in order. */
  last(index, range, count) {
    return new Promise((resolve, reject) => {
      const found = [];
      const walk = this.#store.index(index).openCursor(range, 'prev');
      walk.onerror = () => reject(walk.error);
      walk.onsuccess = () => {
        const cursor = walk.result;
        if (cursor && found.push(cursor.value) < count) cursor.continue();
        else resolve(found.reverse());
      };
    });
  }

  /** deleteAll deletes the records of an index in the range. */
  async deleteAll(index, range) {
    for (const key of await request(this.#store.index(index).getAllKeys(range))) this.#store.delete(key);
  }
}
