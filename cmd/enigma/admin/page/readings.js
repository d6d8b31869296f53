// Readings of /metrics.json, and what follows from two of them.

// Between is what happened from one reading to the next.
export class Between {
  constructor(before, now) {
    this.before = before;
    this.now = now;
    this.took = now.time - before.time;
  }

  // value is that of a gauge, or of a counter since the start.
  value(name) {
    const v = this.now.values[name];
    return v === undefined ? null : v;
  }

  // rate is by how much a counter rose per second; null over a restart of the server.
  rate(name) {
    const rise = (this.now.values[name] || 0) - (this.before.values[name] || 0);
    return rise < 0 || this.took <= 0 ? null : rise / this.took;
  }

  // total is the rate of a counter over all values of its label.
  total(name) {
    let sum = 0;
    for (const key of Object.keys(this.now.values)) {
      if (key.startsWith(name + "{")) sum += this.rate(key) || 0;
    }
    return sum;
  }

  // timing is what a histogram has counted: counts up to each bound, and the sum.
  timing(name) {
    const now = this.now.timings[name], before = this.before.timings[name];
    if (!now) return null;
    if (!before || before.counts.length !== now.counts.length) return now;
    return { bounds: now.bounds, counts: now.counts.map((n, i) => Math.max(0, n - before.counts[i])), sum: now.sum - before.sum };
  }

  // quantile is the value below which a part q lies, taken to be spread evenly within a bucket; null for none.
  quantile(name, q) {
    const t = this.timing(name);
    const all = t ? t.counts[t.counts.length - 1] : 0;
    if (!all) return null;
    let low = 0, below = 0;
    for (let i = 0; i < t.bounds.length; i++) {
      if (t.counts[i] >= q * all) return low + (t.bounds[i] - low) * (q * all - below) / Math.max(1, t.counts[i] - below);
      low = t.bounds[i];
      below = t.counts[i];
    }
    return low;
  }

  // labels are the values of a metric's label.
  labels(name) {
    return [...Object.keys(this.now.values), ...Object.keys(this.now.timings)]
      .filter((key) => key.startsWith(name + "{")).map((key) => key.slice(name.length + 1, -1)).sort();
  }
}
