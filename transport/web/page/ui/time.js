// Times as people read them, in the browser's language.

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long' });
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const longDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });

const startOfDay = (ms) => new Date(ms).setHours(0, 0, 0, 0);
const daysAgo = (ms) => Math.round((startOfDay(Date.now()) - startOfDay(ms)) / 86_400_000);

/** timeOfDay is "14:05". */
export const timeOfDay = (ms) => clock.format(ms);

/** fullTime leaves nothing out. */
export const fullTime = (ms) => full.format(ms);

/** sameDay tells whether two moments have the same date. */
export const sameDay = (a, b) => startOfDay(a) === startOfDay(b);

/** day is the heading of a day's messages. */
export function day(ms) {
  const ago = daysAgo(ms);
  if (ago <= 0) return 'Today';
  if (ago === 1) return 'Yesterday';
  if (ago < 7) return weekday.format(ms);
  return new Date(ms).getFullYear() === new Date().getFullYear() ? date.format(ms) : longDate.format(ms);
}

/** brief is the time beside a conversation in the list. */
export function brief(ms) {
  const ago = daysAgo(ms);
  if (ago <= 0) return timeOfDay(ms);
  if (ago === 1) return 'Yesterday';
  return ago < 7 ? shortWeekday.format(ms) : shortDate.format(ms);
}
