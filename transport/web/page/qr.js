// QR codes (ISO/IEC 18004): bytes in byte mode, error correction level M, versions 1 to 20, which hold up to 666 bytes.
//
//   bytes → bit stream with mode, length and padding → blocks with Reed-Solomon words → interleaved
//         → laid out in a zigzag around the function patterns → the mask that is easiest to read
//
// A matrix is an array of rows of booleans, true for dark.

import { utf8 } from './bytes.js';

// By version, from 1: error correction words in each block, and the number of blocks, both for level M.
const wordsPerBlock = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26];
const blockCount = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16];

const sizeOf = (version) => 4 * version + 17;

/** alignmentCenters are the coordinates at whose crossings alignment patterns stand. */
function alignmentCenters(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const last = sizeOf(version) - 7;
  const step = 2 * Math.ceil((last - 6) / (count - 1) / 2);
  return [6, ...Array.from({ length: count - 1 }, (_, i) => last - step * (count - 2 - i))];
}

/** capacity is the number of words, data and correction together: what is left of the square, in whole bytes. */
function capacity(version) {
  const size = sizeOf(version);
  const lines = alignmentCenters(version).length;
  const alignments = lines === 0 ? 0 : lines * lines - 3; // three would lie on the finders
  const onTiming = lines === 0 ? 0 : 2 * (lines - 2); // these share five modules with a timing line
  const finders = 3 * 64;
  const timing = 2 * (size - 16);
  const formats = 31;
  const versions = version >= 7 ? 36 : 0;
  return (size * size - finders - timing - formats - versions - 25 * alignments + 5 * onTiming) >> 3;
}

const dataWords = (version) => capacity(version) - wordsPerBlock[version - 1] * blockCount[version - 1];

// The field of 256 elements modulo x^8 + x^4 + x^3 + x^2 + 1.
const exp = new Uint8Array(510);
const log = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++, x = (x << 1) ^ (x & 0x80 ? 0x11d : 0)) {
  exp[i] = exp[i + 255] = x;
  log[x] = i;
}
const times = (a, b) => (a === 0 || b === 0 ? 0 : exp[log[a] + log[b]]);

/** generator is the polynomial with the roots 2^0 … 2^(degree-1), its highest coefficient, 1, left out. */
function generator(degree) {
  let poly = [1];
  for (let i = 0; i < degree; i++) {
    const next = [...poly, 0];
    poly.forEach((c, j) => (next[j + 1] ^= times(c, exp[i])));
    poly = next;
  }
  return poly.slice(1);
}

function correction(data, divisor) {
  const rest = new Uint8Array(divisor.length);
  for (const word of data) {
    const factor = word ^ rest[0];
    rest.copyWithin(0, 1);
    rest[rest.length - 1] = 0;
    divisor.forEach((c, i) => (rest[i] ^= times(c, factor)));
  }
  return rest;
}

/** dataStream is mode, length, bytes and padding. */
function dataStream(bytes, version) {
  const bits = [];
  const push = (value, count) => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  push(0b0100, 4); // byte mode
  push(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((byte) => push(byte, 8));
  const room = 8 * dataWords(version);
  push(0, Math.min(4, room - bits.length));
  push(0, -bits.length & 7);
  for (let pad = 0xec; bits.length < room; pad ^= 0xec ^ 0x11) push(pad, 8);
  return Uint8Array.from({ length: room / 8 }, (_, i) => bits.slice(8 * i, 8 * i + 8).reduce((sum, bit) => 2 * sum + bit, 0));
}

/** interleave adds the correction words and mixes the blocks. The last blocks are one data word longer if need be. */
function interleave(data, version) {
  const count = blockCount[version - 1];
  const divisor = generator(wordsPerBlock[version - 1]);
  const short = Math.floor(data.length / count);
  const longer = data.length % count;
  const blocks = [];
  for (let i = 0, at = 0; i < count; i++) {
    const length = short + (i >= count - longer ? 1 : 0);
    const part = data.subarray(at, at + length);
    blocks.push({ part, check: correction(part, divisor) });
    at += length;
  }
  const out = [];
  for (let i = 0; i <= short; i++) blocks.forEach(({ part }) => i < part.length && out.push(part[i]));
  for (let i = 0; i < divisor.length; i++) blocks.forEach(({ check }) => out.push(check[i]));
  return out;
}

/** checked appends the remainder of a BCH code to a value. */
function checked(value, bits, polynomial) {
  let rest = value;
  const top = 31 - Math.clz32(polynomial);
  for (let i = 0; i < bits; i++) rest = (rest << 1) ^ ((rest >> (top - 1)) & 1 ? polynomial : 0);
  return (value << bits) | (rest & ((1 << bits) - 1));
}

/** Grid is the square while it is being drawn. */
class Grid {
  constructor(version) {
    this.size = sizeOf(version);
    this.dark = Array.from({ length: this.size }, () => new Array(this.size).fill(false));
    this.fixed = Array.from({ length: this.size }, () => new Array(this.size).fill(false));
    this.#functions(version);
  }

  #set(x, y, dark) {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.dark[y][x] = dark;
    this.fixed[y][x] = true;
  }

  /** #rings draws a square pattern around a centre; light rings are named by their distance from it. */
  #rings(cx, cy, radius, light) {
    for (let dy = -radius; dy <= radius; dy++) {
      for (let dx = -radius; dx <= radius; dx++) this.#set(cx + dx, cy + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))));
    }
  }

  #functions(version) {
    const end = this.size - 1;
    for (let i = 0; i < this.size; i++) {
      this.#set(6, i, i % 2 === 0);
      this.#set(i, 6, i % 2 === 0);
    }
    for (const [x, y] of [[3, 3], [end - 3, 3], [3, end - 3]]) this.#rings(x, y, 4, [2, 4]);
    const centers = alignmentCenters(version);
    const last = centers.length - 1;
    centers.forEach((x, i) => centers.forEach((y, j) => {
      const onFinder = (i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0);
      if (!onFinder) this.#rings(x, y, 2, [1]);
    }));
    this.format(0);
    if (version >= 7) this.#version(checked(version, 12, 0x1f25));
  }

  #version(bits) {
    for (let i = 0; i < 18; i++) {
      const dark = ((bits >> i) & 1) === 1;
      const near = Math.floor(i / 3);
      const far = this.size - 11 + (i % 3);
      this.#set(far, near, dark);
      this.#set(near, far, dark);
    }
  }

  /** format writes level and mask, twice. Level M is 00. */
  format(mask) {
    const bits = checked(mask, 10, 0x537) ^ 0x5412;
    const dark = (i) => ((bits >> i) & 1) === 1;
    for (let i = 0; i < 8; i++) {
      this.#set(8, i < 6 ? i : i + 1, dark(i)); // down beside the first finder, past the timing line
      this.#set(this.size - 1 - i, 8, dark(i));
    }
    this.#set(7, 8, dark(8));
    for (let i = 9; i < 15; i++) this.#set(14 - i, 8, dark(i));
    for (let i = 8; i < 15; i++) this.#set(8, this.size - 15 + i, dark(i));
    this.#set(8, this.size - 8, true);
  }

  /** fill lays the words out: pairs of columns from the right, upwards and downwards in turn, past the timing column. */
  fill(words) {
    let bit = 0;
    for (let right = this.size - 1, up = true; right >= 1; right -= 2, up = !up) {
      if (right === 6) right = 5;
      for (let step = 0; step < this.size; step++) {
        const y = up ? this.size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.fixed[y][x]) continue;
          this.dark[y][x] = bit < 8 * words.length && ((words[bit >> 3] >> (7 - (bit & 7))) & 1) === 1;
          bit++;
        }
      }
    }
  }

  /** flip applies a mask to what is no function pattern; twice is not at all. */
  flip(mask) {
    for (let y = 0; y < this.size; y++) {
      for (let x = 0; x < this.size; x++) if (!this.fixed[y][x] && masks[mask](x, y)) this.dark[y][x] = !this.dark[y][x];
    }
  }

  /** penalty is how hard the square is to read, by the standard's four rules. */
  penalty() {
    const at = (x, y) => this.dark[y][x];
    let sum = 0;
    let darkCount = 0;
    for (let a = 0; a < this.size; a++) {
      for (const line of [this.dark[a], this.dark.map((row) => row[a])]) sum += linePenalty(line);
      for (let b = 0; b < this.size; b++) {
        if (at(a, b)) darkCount++;
        if (a > 0 && b > 0 && at(a, b) === at(a - 1, b) && at(a, b) === at(a, b - 1) && at(a, b) === at(a - 1, b - 1)) sum += 3;
      }
    }
    return sum + 10 * Math.floor(Math.abs((20 * darkCount) / this.size ** 2 - 10));
  }
}

/** linePenalty is the part of runs of one colour, and of what looks like a finder. */
function linePenalty(line) {
  const text = line.map((dark) => (dark ? '1' : '0')).join('');
  let sum = 0;
  for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
  for (const look of ['00001011101', '10111010000']) {
    for (let i = text.indexOf(look); i >= 0; i = text.indexOf(look, i + 1)) sum += 40;
  }
  return sum;
}

const masks = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** encode returns the matrix of a text, or null if it is too long. */
export function encode(text) {
  const bytes = utf8(text);
  const head = (version) => (version < 10 ? 12 : 20); // bits of mode and length
  const versions = wordsPerBlock.map((_, i) => i + 1);
  const version = versions.find((v) => head(v) + 8 * bytes.length <= 8 * dataWords(v));
  if (!version) return null;
  const grid = new Grid(version);
  grid.fill(interleave(dataStream(bytes, version), version));
  let best = { mask: 0, penalty: Infinity };
  masks.forEach((_, mask) => {
    grid.flip(mask);
    grid.format(mask);
    const penalty = grid.penalty();
    if (penalty < best.penalty) best = { mask, penalty };
    grid.flip(mask);
  });
  grid.flip(best.mask);
  grid.format(best.mask);
  return grid.dark;
}

const quiet = 4; // modules of light around it

/** toPath returns the size of a matrix with its margin, and an SVG path of its dark modules. */
export function toPath(matrix) {
  let path = '';
  matrix.forEach((row, y) => row.forEach((dark, x) => dark && (path += `M${x + quiet} ${y + quiet}h1v1h-1z`)));
  return { size: matrix.length + 2 * quiet, path };
}
