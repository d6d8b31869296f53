// A plot of a few lines over time, on a canvas. It knows nothing of what it shows.

import { text } from "./format.js";

const left = 4, right = 4, top = 8, bottom = 18;

// nice returns the least round number that is not below v.
function nice(v) {
  const base = 10 ** Math.floor(Math.log10(v));
  for (const step of [1, 2, 3, 4, 5, 6, 8]) if (v <= step * base * 1.0001) return step * base;
  return 10 * base;
}

// niceBytes is nice for sizes: powers of two.
const niceBytes = (v) => 2 ** Math.ceil(Math.log2(v));

export class Plot {
  // options: format, log (a logarithmic scale), bytes, least (the top of the scale is at least that), fill.
  constructor(canvas, options) {
    this.canvas = canvas;
    this.options = options;
    this.hover = null;
  }

  // scale returns where a value lies, from 0 at the bottom to 1, and at which values there are lines.
  scale(lines) {
    const values = lines.flat().filter((v) => v !== null && v > 0);
    const most = Math.max(this.options.least || 1, ...values.map((v) => v * 1.05));
    if (!this.options.log) {
      const peak = this.options.bytes ? niceBytes(most) : nice(most);
      return [(v) => v / peak, [peak / 2, peak]];
    }
    const low = Math.floor(Math.log10(Math.min(most / 10, ...values.map((v) => v * 0.95)))), high = Math.ceil(Math.log10(most));
    const marks = [];
    for (let e = low + 1; e <= high; e++) marks.push(10 ** e);
    return [(v) => (Math.log10(Math.max(v, 10 ** low)) - low) / (high - low), marks];
  }

  // draw shows the lines, each with a value or null for every moment, between two moments in seconds.
  draw(times, lines, from, to) {
    const { canvas } = this, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const g = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const color = (name) => style.getPropertyValue(name).trim();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = `11px ${style.fontFamily}`;
    const x = (t) => left + (t - from) / (to - from) * (width - left - right);
    const [at, marks] = this.scale(lines);
    const y = (v) => height - bottom - at(v) * (height - top - bottom);
    this.moments(g, color, from, to, x, width, height);
    this.place = { from, to, width };

    g.lineWidth = 1;
    g.strokeStyle = color("--line");
    this.rule(g, left, width - right, height - bottom);
    g.strokeStyle = color("--grid");
    for (const mark of marks) this.rule(g, left, width - right, y(mark));

    g.save();
    g.beginPath();
    g.rect(left, 0, width - left - right, height - bottom + 1);
    g.clip();
    for (let i = lines.length - 1; i >= 0; i--) this.line(g, times, lines[i], x, y, color(`--s${i + 1}`), i === 0 && this.options.fill ? color("--fill") : null, height - bottom);
    g.restore();
    this.marks(g, color, marks, y);
    if (this.hover !== null) {
      g.fillStyle = color("--soft");
      g.fillRect(Math.round(x(this.hover)), top, 1, height - top - bottom);
    }
  }

  rule(g, x1, x2, y) {
    g.beginPath();
    g.moveTo(x1, Math.round(y) + 0.5);
    g.lineTo(x2, Math.round(y) + 0.5);
    g.stroke();
  }

  line(g, times, values, x, y, stroke, fill, floor) {
    g.strokeStyle = stroke;
    g.lineWidth = 1.6;
    g.lineJoin = "round";
    let run = [];
    const finish = () => {
      if (run.length === 1) {
        g.fillStyle = stroke;
        g.fillRect(run[0][0] - 1, run[0][1] - 1, 2, 2);
      } else if (run.length > 1) {
        g.beginPath();
        run.forEach(([px, py], i) => (i ? g.lineTo(px, py) : g.moveTo(px, py)));
        g.stroke();
        if (fill) {
          g.lineTo(run[run.length - 1][0], floor);
          g.lineTo(run[0][0], floor);
          g.fillStyle = fill;
          g.fill();
        }
      }
      run = [];
    };
    times.forEach((t, i) => {
      if (values[i] === null || (i && t - times[i - 1] > 5)) finish();
      if (values[i] !== null) run.push([x(t), y(values[i])]);
    });
    finish();
  }

  // marks writes the values of the lines above them, over the plot: they take no room from it.
  marks(g, color, marks, y) {
    g.textAlign = "left";
    g.textBaseline = "bottom";
    for (const mark of marks) {
      const label = text(this.options.format, mark), place = Math.max(y(mark) + 12, 12);
      g.lineWidth = 3;
      g.strokeStyle = color("--card");
      g.strokeText(label, left, place);
      g.fillStyle = color("--soft");
      g.fillText(label, left, place);
    }
  }

  // moments writes the time of day below the plot.
  moments(g, color, from, to, x, width, height) {
    const step = [10, 20, 60, 300, 600].find((s) => (to - from) / s * 76 <= width) || 1800;
    g.fillStyle = color("--soft");
    g.textBaseline = "alphabetic";
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      const label = new Date(t * 1000).toLocaleTimeString("en-GB", step < 60 ? {} : { hour: "2-digit", minute: "2-digit" });
      const half = g.measureText(label).width / 2;
      if (x(t) - half < left || x(t) + half > width - right) continue;
      g.textAlign = "center";
      g.fillText(label, x(t), height - 4);
    }
  }

  // momentAt returns the moment at a place on the page.
  momentAt(clientX) {
    if (!this.place) return null;
    const part = (clientX - this.canvas.getBoundingClientRect().left - left) / (this.place.width - left - right);
    return part < 0 || part > 1 ? null : this.place.from + part * (this.place.to - this.place.from);
  }
}
