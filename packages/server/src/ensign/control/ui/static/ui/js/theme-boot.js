// Runs before the first paint, so that a chosen theme never flashes: the only blocking script.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = localStorage.getItem("ensign-theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Storage is forbidden here: the system's theme stands.
  }
})();
