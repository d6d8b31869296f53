// Dialogs. The browser's own <dialog> keeps the focus inside, closes on Escape and gives the focus back.

import { h, iconButton } from './dom.js';

let count = 0;

/**
 * openDialog shows a dialog with a title and returns it. It is removed when it closes; onclose is called then. A dialog
 * of the kind "alert" is announced as one and has no cross: it wants an answer.
 */
export function openDialog({ title, body, actions = [], kind = '', onclose = () => {} }) {
  const id = `dialog-${++count}`;
  const close = () => dialog.close();
  const dialog = h(
    'dialog',
    { class: `dialog ${kind}`, 'aria-labelledby': id, role: kind === 'alert' ? 'alertdialog' : null },
    h('header', { class: 'dialog-head' }, h('h2', { id }, title), kind !== 'alert' && iconButton('close', 'Close', close)),
    h('div', { class: 'dialog-body' }, body),
    actions.length > 0 && h('footer', { class: 'dialog-actions' }, actions),
  );
  dialog.addEventListener('close', () => {
    dialog.remove();
    onclose();
  });
  // A click on the backdrop has the dialog itself for its target.
  dialog.addEventListener('pointerdown', (event) => event.target === dialog && kind !== 'alert' && close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** ask shows a question and resolves to whether the answer was yes. */
export function ask({ title, text, yes, no = 'Cancel', danger = false }) {
  return new Promise((resolve) => {
    let answer = false;
    const choose = (value) => () => {
      answer = value;
      dialog.close();
    };
    const dialog = openDialog({
      title,
      kind: 'alert',
      body: h('p', {}, text),
      actions: [
        no && h('button', { type: 'button', class: 'button quiet', on: { click: choose(false) } }, no),
        h('button', { type: 'button', class: `button ${danger ? 'danger' : 'primary'}`, on: { click: choose(true) } }, yes),
      ].filter(Boolean),
      onclose: () => resolve(answer),
    });
  });
}
