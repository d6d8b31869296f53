// Light or dark, before anything is painted: therefore a classic script in the head. Without a choice the system's holds.
(() => {
  const key = 'enigma-theme';
  let choice = null;
  try {
    choice = localStorage.getItem(key);
  } catch {
    // Storage is forbidden: the page says so later.
  }
  if (choice === 'light' || choice === 'dark') document.documentElement.dataset.theme = choice;
})();
