// The dashboard: asks for a reading once a second and shows what changed. What is shown stands in the two lists below.

import { bytes, count, percent, rate, seconds, text, uptime } from "./format.js";
import { Plot } from "./plot.js";
import { Between } from "./readings.js";

const interval = 1000; // milliseconds
const kept = 1900; // readings

const busy = (b) => b.total("enigma_shard_busy_seconds_total") / Math.max(1, b.labels("enigma_shard_busy_seconds_total").length);

const tiles = [
  ["Connections", count, (b) => b.value("enigma_connections")],
  ["Messages in", rate, (b) => b.rate("enigma_messages_submitted_total")],
  ["Delivery, 99 %", seconds, (b) => b.quantile("enigma_delivery_write_seconds", 0.99)],
  ["Confirmation, 99 %", seconds, (b) => b.quantile("enigma_delivery_confirm_seconds", 0.99)],
  ["Unconfirmed", count, (b) => b.value("enigma_messages_pending")],
  ["Store append, 99 %", seconds, (b) => b.quantile("enigma_store_call_seconds{append}", 0.99)],
  ["Event loop busy", percent, busy],
  ["Memory", bytes, (b) => b.value("process_resident_memory_bytes")],
];

// Each plot: its title, how its numbers are written, its lines, and how it is drawn.
const plots = [
  ["Messages", rate, [
    ["submitted", (b) => b.rate("enigma_messages_submitted_total")],
    ["delivered", (b) => b.rate("enigma_messages_delivered_total")],
    ["confirmed", (b) => b.rate("enigma_messages_confirmed_total")],
  ], { fill: true, least: 10 }],
  ["From submit to write", seconds, [
    ["median", (b) => b.quantile("enigma_delivery_write_seconds", 0.5)],
    ["99 %", (b) => b.quantile("enigma_delivery_write_seconds", 0.99)],
  ], { log: true, least: 1e-3 }],
  ["From submit to confirm", seconds, [
    ["median", (b) => b.quantile("enigma_delivery_confirm_seconds", 0.5)],
    ["99 %", (b) => b.quantile("enigma_delivery_confirm_seconds", 0.99)],
  ], { log: true, least: 1e-1 }],
  ["Connections", count, [
    ["attached", (b) => b.value("enigma_connections")],
    ["stalled", (b) => b.value("enigma_connections_stalled")],
  ], { fill: true, least: 10 }],
  ["Messages in memory, unconfirmed", count, [
    ["unconfirmed", (b) => b.value("enigma_messages_pending")],
  ], { fill: true, least: 10 }],
  ["To and from the store", rate, [
    ["parked", (b) => b.rate("enigma_messages_parked_total")],
    ["spilled", (b) => b.rate("enigma_messages_spilled_total")],
    ["drained", (b) => b.rate("enigma_messages_drained_total")],
  ], { least: 10 }],
  ["Time of an append", seconds, [
    ["median", (b) => b.quantile("enigma_store_call_seconds{append}", 0.5)],
    ["99 %", (b) => b.quantile("enigma_store_call_seconds{append}", 0.99)],
  ], { log: true, least: 1e-2 }],
  ["Memory", bytes, [
    ["process", (b) => b.value("process_resident_memory_bytes")],
    ["Go heap", (b) => b.value("go_memstats_heap_inuse_bytes")],
    ["messages", (b) => b.value("enigma_buffered_bytes")],
  ], { bytes: true, least: 1 << 24 }],
  ["Busy", percent, [
    ["event loops", busy],
    ["process, of a core", (b) => b.rate("process_cpu_seconds_total")],
  ], { fill: true, least: 1 }],
  ["Longest turn of an event loop", seconds, [
    ["last 15 to 30 s", (b) => b.value("enigma_shard_longest_turn_seconds")],
  ], { log: true, least: 1e-2 }],
  ["Stalls, errors sent", rate, [
    ["for credit", (b) => b.rate("enigma_connection_stalls_total{credit}")],
    ["for memory", (b) => b.rate("enigma_connection_stalls_total{memory}")],
    ["errors", (b) => b.total("enigma_errors_total")],
  ], { least: 1 }],
  ["Coming and going", rate, [
    ["attached", (b) => b.rate("enigma_connections_attached_total")],
    ["replaced", (b) => b.rate("enigma_connections_replaced_total")],
    ["logins", (b) => b.rate("enigma_logins_total")],
  ], { least: 1 }],
];

const element = (name, className, ...children) => {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
};
const byId = (id) => document.getElementById(id);

const tileViews = tiles.map(([title, format, of]) => {
  const number = element("strong", "", "–"), unit = element("small", "");
  byId("tiles").append(element("article", "card tile", element("p", "", title), number));
  return (b) => {
    const [n, u] = format(of(b));
    unit.textContent = u;
    number.replaceChildren(n, unit);
  };
});

const times = [];
const plotViews = plots.map(([title, format, lines, options]) => {
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${title} over time`);
  const keys = lines.map(([name], i) => element("span", `c${i + 1}`, name, element("b", "", "–")));
  byId("plots").append(element("article", "card", element("div", "head", element("h2", "", title), element("div", "key", ...keys)), canvas));
  const view = { plot: new Plot(canvas, { ...options, format }), values: lines.map(() => []), lines, keys, format };
  for (const event of ["pointermove", "pointerdown"]) canvas.addEventListener(event, (e) => point(view.plot.momentAt(e.clientX)));
  for (const event of ["pointerleave", "pointercancel"]) canvas.addEventListener(event, () => point(null));
  return view;
});

// point shows all values at one moment, in every plot; the last ones for null.
let pointed = null;
function point(moment) {
  pointed = moment;
  draw();
}

function draw() {
  if (!times.length) return;
  const to = times[times.length - 1], span = Number(document.querySelector("#span input:checked").value);
  const from = to - Math.min(span, Math.max(60, to - times[0])); // not much wider than what there is
  let first = times.findIndex((t) => t >= from - 2);
  if (first < 0) first = 0;
  const shown = times.slice(first);
  let at = times.length - 1;
  if (pointed !== null) at = first + shown.reduce((best, t, i) => (Math.abs(t - pointed) < Math.abs(shown[best] - pointed) ? i : best), 0);
  for (const { plot, values, keys, format } of plotViews) {
    plot.hover = pointed === null ? null : times[at];
    plot.draw(shown, values.map((v) => v.slice(first)), from, to);
    keys.forEach((key, i) => { key.lastChild.textContent = text(format, values[i][at]); });
  }
}

// row fills the table's row of that name with texts.
function row(body, name, ...cells) {
  let tr = [...body.rows].find((r) => r.dataset.name === name);
  if (!tr) {
    tr = body.insertRow([...body.rows].filter((r) => r.dataset.name < name).length);
    tr.dataset.name = name;
    for (let i = 0; i <= cells.length; i++) tr.insertCell();
  }
  [name, ...cells].forEach((cell, i) => { tr.cells[i].textContent = cell; });
}

function fillTables(b) {
  for (const call of b.labels("enigma_store_call_seconds")) {
    const time = `enigma_store_call_seconds{${call}}`, size = b.timing(`enigma_store_batch_size{${call}}`);
    const n = size.counts[size.counts.length - 1], all = b.now.timings[time].counts;
    row(byId("calls"), call, text(count, n / b.took), text(count, n ? size.sum / n : null), text(seconds, b.quantile(time, 0.5)),
      text(seconds, b.quantile(time, 0.99)), text(count, all[all.length - 1]));
  }
  const seen = b.labels("enigma_errors_total").filter((code) => b.value(`enigma_errors_total{${code}}`) > 0);
  for (const code of seen) row(byId("errors"), code, text(count, b.rate(`enigma_errors_total{${code}}`)), text(count, b.value(`enigma_errors_total{${code}}`)));
  if (!seen.length && !byId("errors").rows.length) {
    const cell = byId("errors").insertRow().insertCell();
    cell.colSpan = 3;
    cell.className = "none";
    cell.textContent = "none";
  } else if (seen.length && byId("errors").querySelector(".none")) {
    byId("errors").querySelector(".none").parentNode.remove();
  }
}

function setState(label, className) {
  byId("state").textContent = label;
  byId("state").className = `pill ${className}`;
}

// take shows a reading.
let last = null;
function take(now) {
  const b = new Between(last || now, now);
  last = now;
  byId("about").textContent = `${now.versions[0]}, up ${uptime(now.time - now.values["process_start_time_seconds"])}`;
  document.title = `Enigma ${text(count, b.value("enigma_connections"))} connected`;
  const up = b.value("enigma_store_up") === 1;
  setState(up ? "running" : "the store does not answer", up ? "good" : "bad");
  if (b.took <= 0) return;
  times.push(now.time);
  for (const view of plotViews) {
    view.lines.forEach(([, of], i) => {
      const v = of(b);
      view.values[i].push(v === null || !Number.isFinite(v) ? null : v);
      if (times.length > kept) view.values[i].shift();
    });
  }
  if (times.length > kept) times.shift();
  for (const show of tileViews) show(b);
  fillTables(b);
  draw();
}

async function poll() {
  try {
    const answer = await fetch("metrics.json", { signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.statusText);
    take(await answer.json());
  } catch {
    setState("no answer", "bad");
  }
  const wait = interval - (Date.now() % interval);
  setTimeout(poll, wait < interval / 2 ? wait + interval : wait); // no two readings close to each other
}

byId("span").addEventListener("change", draw);
window.addEventListener("resize", draw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
poll();
