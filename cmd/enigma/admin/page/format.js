// How numbers are written. A number that there is not is a dash.

const none = "–";
const has = (v) => v !== null && v !== undefined && Number.isFinite(v);

// digits writes three significant digits, and a whole number as it is.
function digits(v) {
  if (v === 0) return "0";
  if (Number.isInteger(v) && Math.abs(v) < 1000) return String(v);
  return v >= 99.95 ? v.toFixed(0) : v >= 9.995 ? v.toFixed(1) : v.toFixed(2);
}

function scaled(v, step, units) {
  let i = 0;
  while (Math.abs(v) >= step * 0.9995 && i < units.length - 1) { v /= step; i++; }
  return [digits(v), units[i]];
}

// Each of these returns the number and its unit.
export const count = (v) => {
  if (!has(v)) return [none, ""];
  if (v < 100000) return [v >= 1000 ? Math.round(v).toLocaleString("en") : digits(v), ""];
  return scaled(v / 1e6 < 1 ? v / 1000 : v / 1e6, 1000, v / 1e6 < 1 ? ["k", "M"] : ["M", "G"]);
};
export const rate = (v) => { const [n, u] = count(v); return [n, has(v) ? u + "/s" : ""]; };
export const bytes = (v) => has(v) ? scaled(v, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]) : [none, ""];
export const percent = (v) => has(v) ? [digits(Math.round(v * 1000) / 10), "%"] : [none, ""];
export const seconds = (v) => {
  if (!has(v)) return [none, ""];
  if (v >= 0.9995) return [digits(v), "s"];
  return scaled(v * 1e6, 1000, ["µs", "ms"]);
};
export const text = (format, v) => format(v).join(" ").replace(" /s", "/s").trim();

export function uptime(s) {
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min ${Math.floor(s) % 60} s` : `${Math.floor(s)} s`;
}
