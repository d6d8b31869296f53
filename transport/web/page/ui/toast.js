// Short messages that go by themselves, and words for screen readers alone.

import { $, h } from './dom.js';

const shown = 3500; // ms

/** toast shows a line at the lower edge for a moment; screen readers read it. */
export function toast(text) {
  const line = h('p', { class: 'toast' }, text);
  $('toasts').replaceChildren(line);
  setTimeout(() => line.remove(), shown);
}

/** say has screen readers read a text, when they have finished what they are at. */
export function say(text) {
  $('spoken').replaceChildren(h('p', {}, text));
}

/** copy puts a text into the clipboard and says so. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    toast('The browser does not let this page copy. Mark it and copy it yourself.');
  }
}
