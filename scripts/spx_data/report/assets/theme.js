// Before anything is drawn: light or dark, as chosen last time.
"use strict";
(() => {
  try {
    const chosen = localStorage.getItem("spx-data-theme");
    if (chosen) document.documentElement.dataset.theme = chosen;
  } catch { /* a page may not be allowed to remember: then it is as the system says */ }
})();
