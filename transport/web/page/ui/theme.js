// Light or dark: the choice, which theme.js in the head applies before anything is painted.

import { h } from './dom.js';

const key = 'enigma-theme';
const choices = [
  ['', 'System'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

function choose(value) {
  if (value) {
    localStorage.setItem(key, value);
    document.documentElement.dataset.theme = value;
  } else {
    localStorage.removeItem(key);
    delete document.documentElement.dataset.theme;
  }
}

/** themeChoice is the control for it. */
export function themeChoice() {
  const current = document.documentElement.dataset.theme ?? '';
  return h(
    'fieldset',
    { class: 'segments' },
    h('legend', { class: 'label' }, 'Appearance'),
    choices.map(([value, label]) =>
      h('label', {}, h('input', { type: 'radio', name: 'theme', value, checked: value === current, on: { change: () => choose(value) } }), h('span', {}, label)),
    ),
  );
}
