// Where one writes. Enter sends and Shift+Enter begins a line; on a touch screen, whose keyboards have no Shift+Enter,
// Enter begins a line and the button sends. What was begun stays with its conversation as a draft.

import { maxText } from '../crypto/letter.js';
import { utf8 } from '../bytes.js';
import { $ } from './dom.js';

const warnAt = 2_000; // bytes of room left at which it is shown
const tallest = 180; // px

/** Composer writes to whichever contact it is given. send(contact, text) is called with what is to be sent. */
export class Composer {
  #send;
  #draft;
  #contact = null;

  constructor({ send, draft }) {
    this.#send = send;
    this.#draft = draft;
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    $('text').addEventListener('input', () => this.#changed());
    $('text').addEventListener('keydown', (event) => {
      const touch = matchMedia('(pointer: coarse)').matches;
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || touch) return;
      event.preventDefault();
      this.#submit();
    });
    $('text').addEventListener('blur', () => this.#keep());
  }

  /** to begins to write to a contact, null for nobody; it keeps the draft of the one before. */
  to(contact) {
    this.#keep();
    this.#contact = contact;
    $('text').value = contact?.draft ?? '';
    this.#changed();
    if (contact && !matchMedia('(pointer: coarse)').matches) $('text').focus();
  }

  #keep() {
    const text = $('text').value;
    if (this.#contact && text !== this.#contact.draft) this.#draft(this.#contact, text);
  }

  #submit() {
    const text = $('text').value.trim();
    if (!this.#contact || text === '' || utf8(text).length > maxText) return;
    $('text').value = '';
    this.#changed();
    this.#keep();
    this.#send(this.#contact, text);
    $('text').focus();
  }

  #changed() {
    const field = $('text');
    const room = maxText - utf8(field.value.trim()).length;
    $('room').textContent = room > warnAt ? '' : room >= 0 ? `${room} left` : `${-room} too many`;
    $('room').classList.toggle('over', room < 0);
    $('send-button').disabled = field.value.trim() === '' || room < 0;
    field.style.height = 'auto';
    field.style.height = `${Math.min(field.scrollHeight, tallest)}px`;
  }
}
