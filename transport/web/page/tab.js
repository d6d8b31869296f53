// One tab at a time. A user has one connection, and two tabs on one database would step on each other's feet, so the tab
// that holds the lock is the one that runs. Another waits: until that tab is closed, or until it takes the lock away.

const name = 'enigma';

/**
 * hold calls mine when this tab may run, once; waiting if that is not at once, because another tab runs; and lost when
 * another tab has taken over, after which this page is to begin anew. It returns a function that takes over.
 */
export function hold({ mine, waiting, lost }) {
  // Browsers keep a page that is left for a while, and its locks with it. It gives them back, and begins anew if the
  // browser brings it back.
  const left = new AbortController();
  const gone = new Promise((resolve) => {
    left.signal.onabort = resolve;
  });
  window.addEventListener('pagehide', () => left.abort());
  window.addEventListener('pageshow', (event) => event.persisted && location.reload());

  let running = false;
  const granted = () => {
    if (!running) mine();
    running = true;
    return gone;
  };
  const over = () => left.signal.aborted || lost();
  // The first question is whether anybody else is there: a page that opens should not flash "please wait".
  const first = (lock) => {
    if (lock) return granted();
    waiting();
    navigator.locks.request(name, { signal: left.signal }, granted).catch(over);
  };
  navigator.locks.request(name, { ifAvailable: true }, first).catch(over);
  return () => navigator.locks.request(name, { steal: true }, granted).catch(over);
}
