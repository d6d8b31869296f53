// Addresses in texts become links; everything else stays text.

import { h } from './dom.js';

const address = /https?:\/\/[^\s<>"']+/g;
const trailing = /[.,;:!?)\]}]+$/; // belongs to the sentence rather than to the address

/** linkify returns the nodes of a text. A link opens apart, and tells the site nothing about this page. */
export function linkify(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    const url = match[0].replace(trailing, '');
    if (!URL.canParse(url)) continue;
    nodes.push(text.slice(at, match.index), h('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, url));
    at = match.index + url.length;
  }
  nodes.push(text.slice(at));
  return nodes.filter((node) => node !== '');
}

const emoji = /^(\p{RGI_Emoji}\s*){1,3}$/v;

/** onlyEmoji tells whether a text is nothing but up to three pictures, which are shown larger. */
export const onlyEmoji = (text) => text.length < 40 && emoji.test(text);
