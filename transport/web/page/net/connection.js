// One user's connection on the enigma.v1 profile: the opening with its proof, and coming back after every end but two.
//
//   1. log in, so that the server knows the key; later on, see whether the server is there: a WebSocket that fails
//      makes browsers hold back the next one
//   2. open the WebSocket; answer the challenge; wait for ready
//   3. frames in both directions, which the owner handles
//   4. at the end: wait, longer each time and never for a round number of seconds, and begin again
//
// REPLACED is not followed by a new attempt, because two places would throw each other out for ever; nor is a refused
// proof, which the next attempt would not change. A person may start again in both cases.
//
// It is not an actor but follows the same rule: all its state is changed by its own methods, on one thread.

import { authority, prove } from '../crypto/proof.js';
import { KeyMismatch, login, reach } from './api.js';

const subprotocol = 'enigma.v1';

const openingPatience = 20_000; // ms from the attempt to ready
const answerPatience = 30_000; // ms for an ack: a message is stored or confirmed long before
const checkEvery = 5_000; // ms between looks at overdue answers and at the clock
const sleptAfter = 90_000; // ms without a look: the machine has slept, and the connection has not survived that
const firstDelay = 500; // ms
const longestDelay = 30_000; // ms
const busyAttempt = 3; // the step of the backoff at which a server without capacity is met
const stableAfter = longestDelay; // ms of being ready after which the backoff begins anew

const closeCodes = { 4401: 'PROOF_REQUIRED', 4404: 'USER_NOT_FOUND', 4409: 'REPLACED', 1013: 'BUSY', 1008: 'RATE_LIMITED' };

/** backoff is the delay before the nth attempt, in ms. random is in [0, 1). */
export function backoff(attempt, random) {
  const delay = Math.min(firstDelay * 2 ** Math.min(attempt, 10), longestDelay);
  return delay / 2 + (random * delay) / 2;
}

/**
 * Connection keeps one user connected from start to stop. Its handlers:
 *
 *   state({name, reason, at})  name: connecting, ready, waiting (until at, ms since the epoch), replaced, refused, stopped
 *   frame(frame)               every frame after ready, but those about the connection itself
 *   resumeAt()                 the last seq processed, for the first recv; 0 for none
 */
export class Connection {
  #me;
  #url;
  #handlers;
  #socket = null;
  #state = { name: 'stopped' };
  #attempt = 0;
  #readySince = 0;
  #comeBack = 0; // ms, from going_away
  #lastCode = ''; // of the last error frame
  #loggedIn = false;
  #unanswered = new Map(); // id of a send: when it was written
  #timer = 0; // of the wait, or of the opening
  #watch = 0;
  #looked = 0; // when the watch last ran

  constructor(me, base, handlers) {
    this.#me = me;
    this.#url = new URL(`ws/${me.id}`, base);
    this.#url.protocol = this.#url.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#handlers = handlers;
  }

  /** state is what the state handler was told last. */
  get state() {
    return this.#state;
  }

  /** start connects now, whatever was before. */
  start() {
    this.#drop();
    this.#attempt = 0;
    this.#looked = Date.now();
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.#look(), checkEvery);
    this.#connect();
  }

  /** stop ends the connection and every attempt. */
  stop() {
    clearInterval(this.#watch);
    this.#drop();
    this.#become({ name: 'stopped' });
  }

  /** hurry ends a wait: there is a reason to believe that it would succeed now. */
  hurry() {
    if (this.#state.name !== 'waiting') return;
    this.#attempt = 0;
    this.#connect();
  }

  /** doubt drops a connection that may well be dead, because the network has changed, and connects again. */
  doubt() {
    if (this.#state.name === 'ready') this.#lost('MUTE');
    else this.hurry();
  }

  /** send writes a frame, or returns false when there is no connection to write it to. */
  send(frame) {
    if (this.#state.name !== 'ready') return false;
    if (frame.type === 'send') this.#unanswered.set(frame.id, Date.now());
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #become(state) {
    this.#state = state;
    this.#handlers.state(state);
  }

  async #connect() {
    clearTimeout(this.#timer);
    this.#become({ name: 'connecting' });
    this.#lastCode = '';
    this.#comeBack = 0;
    const attempt = (this.#socket = {}); // stands for the attempt until there is a socket
    try {
      if (!this.#loggedIn) await login(this.#me);
      else if (this.#attempt > 0) await reach();
    } catch (error) {
      if (this.#socket === attempt) this.#unreachable(error);
      return;
    }
    if (this.#socket !== attempt) return; // stopped or started again meanwhile
    this.#loggedIn = true;
    this.#open();
  }

  #unreachable(error) {
    this.#socket = null;
    const final = ['ORIGIN_REFUSED', 'KEY_NOT_PROVABLE'].includes(error.code) || error instanceof KeyMismatch;
    if (final) this.#become({ name: 'refused', reason: error.code ?? 'KEY_MISMATCH' });
    else this.#wait(error.code);
  }

  #open() {
    const socket = (this.#socket = new WebSocket(this.#url, subprotocol));
    const current = (handle) => (event) => this.#socket === socket && handle(event);
    this.#timer = setTimeout(current(() => this.#lost('SLOW')), openingPatience);
    socket.onopen = current(() => socket.protocol === subprotocol || this.#refuse('NO_V1'));
    socket.onmessage = current((event) => this.#receive(event.data));
    socket.onclose = current((event) => this.#lost(closeCodes[event.code] ?? this.#lastCode));
  }

  #receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#lost('MALFORMED');
      return;
    }
    if (this.#state.name === 'connecting') this.#opening(frame);
    else this.#running(frame);
  }

  /** opening handles the frames before ready. */
  async #opening(frame) {
    const socket = this.#socket;
    if (frame.type === 'challenge') {
      let proof;
      try {
        proof = await prove(this.#me, authority(this.#url), frame);
      } catch {
        proof = null;
      }
      if (this.#socket !== socket) return;
      if (proof) socket.send(JSON.stringify(proof));
      else this.#refuse('PROOF_REQUIRED');
    } else if (frame.type === 'ready' && frame.userId === this.#me.id) {
      clearTimeout(this.#timer);
      this.#readySince = Date.now();
      const seq = this.#handlers.resumeAt();
      if (seq > 0) socket.send(JSON.stringify({ type: 'recv', seq }));
      this.#become({ name: 'ready', proven: frame.proven === true, limits: frame.limits });
    } else if (frame.type === 'error' || frame.error) {
      this.#lastCode = frame.code;
    }
  }

  #running(frame) {
    if (frame.type === 'going_away') {
      this.#comeBack = Math.min(Math.max(Number(frame.reconnectMs) || 0, 0), longestDelay);
      return;
    }
    if (frame.type === 'ack' || frame.type === 'error') this.#unanswered.delete(frame.id);
    if (frame.type === 'error' && frame.id === undefined) this.#lastCode = frame.code;
    this.#handlers.frame(frame);
  }

  /** refuse ends the connection for good. */
  #refuse(reason) {
    this.#drop();
    this.#become({ name: 'refused', reason });
  }

  /** lost is the end of a socket that was not dropped on purpose. */
  #lost(code) {
    const stood = this.#state.name === 'ready' && Date.now() - this.#readySince > stableAfter;
    this.#drop();
    if (code === 'REPLACED') this.#become({ name: 'replaced' });
    else if (code === 'PROOF_REQUIRED') this.#become({ name: 'refused', reason: code });
    else {
      if (code === 'USER_NOT_FOUND') this.#loggedIn = false; // the server has forgotten us: say it again
      if (stood) this.#attempt = 0;
      this.#wait(code);
    }
  }

  #wait(code) {
    const attempt = ['BUSY', 'RATE_LIMITED', 'STORE_UNAVAILABLE'].includes(code) ? Math.max(this.#attempt, busyAttempt) : this.#attempt;
    const delay = this.#comeBack > 0 ? this.#comeBack * (1 + Math.random() / 2) : backoff(attempt, Math.random());
    this.#attempt++;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#become({ name: 'waiting', reason: code, at: Date.now() + delay });
  }

  /** drop forgets the socket and closes it. Its end no longer matters, and may take a while on a dead network. */
  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#unanswered.clear();
    socket?.close?.();
  }

  /** look finds out what the browser does not tell: that the machine has slept, or that the server is mute. */
  #look() {
    const now = Date.now();
    const slept = now - this.#looked > sleptAfter;
    this.#looked = now;
    if (this.#state.name !== 'ready') return;
    const overdue = [...this.#unanswered.values()].some((since) => now - since > answerPatience);
    if (slept || overdue) this.#lost('MUTE');
  }
}
