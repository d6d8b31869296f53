// One tab at a time. A user has one connection, and two tabs on one database would step on each other's feet, so the tab
// that holds the lock is the one that runs. Another waits: until that tab is closed, or until it takes the lock away.

const name = 'enigma';

/**
 * hold calls mine when this tab may run, and waiting when it may not: because another tab runs, or has taken over. It
 * returns a function that takes over from whichever tab it is.
 */
export function hold({ mine, waiting }) {
  const granted = () => {
    mine();
    return new Promise(() => {}); // for as long as the tab lives, or until the lock is stolen
  };
  const ask = (options) => navigator.locks.request(name, options, granted).catch(wait);
  const wait = () => {
    waiting();
    ask({});
  };
  // The first question is whether anybody else is there: a page that opens should not flash "please wait".
  navigator.locks.request(name, { ifAvailable: true }, (lock) => (lock === null ? wait() : granted())).catch(wait);
  return () => ask({ steal: true });
}
