// The few helpers with which the page makes elements. Text always goes in as text, never as markup.

const svg = 'http://www.w3.org/2000/svg';

/** $ returns the element with an id. */
export const $ = (id) => document.getElementById(id);

/**
 * h makes an element. Of the properties, `on` holds listeners by event, `class` the classes, and all others are
 * attributes: true is one without a value, false and null are none. Children are nodes or strings; null is none.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** icon is one of the symbols in the page, for eyes only. */
export function icon(name, classes = 'icon') {
  const element = document.createElementNS(svg, 'svg');
  element.setAttribute('class', classes);
  element.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(svg, 'use');
  use.setAttribute('href', `#i-${name}`);
  element.append(use);
  return element;
}

/** drawing is an SVG picture of one path, in units of a square of the size. */
export function drawing(size, path, label, classes) {
  const element = document.createElementNS(svg, 'svg');
  element.setAttribute('viewBox', `0 0 ${size} ${size}`);
  element.setAttribute('class', classes);
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', label);
  const shape = document.createElementNS(svg, 'path');
  shape.setAttribute('d', path);
  element.append(shape);
  return element;
}

/** iconButton is a button that has a picture and a name. */
export const iconButton = (name, label, onclick, classes = '') =>
  h('button', { type: 'button', class: `icon-button ${classes}`, 'aria-label': label, title: label, on: { click: onclick } }, icon(name));

/** button is a button with a word, and perhaps a picture before it. */
export const button = (label, onclick, { kind = 'quiet', picture = null, ...more } = {}) =>
  h('button', { type: 'button', class: `button ${kind}`, ...more, on: { click: onclick } }, picture && icon(picture), label);

/** hidden is text for screen readers alone. */
export const hidden = (text) => h('span', { class: 'hidden-text' }, text);

// A sum of the characters' codes is enough to spread colours.
const hue = (id) => [...id].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) % 10;

/** avatar is the coloured disc of a user: initials of the name, or the beginning of the id. */
export function avatar(id, name, classes = '') {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = (word) => [...word][0] ?? '';
  const initials = words.length > 1 ? first(words[0]) + first(words.at(-1)) : name ? first(words[0]) : id.slice(0, 2);
  return h('span', { class: `avatar hue-${hue(id)} ${classes}`, 'aria-hidden': 'true' }, initials.toUpperCase());
}
