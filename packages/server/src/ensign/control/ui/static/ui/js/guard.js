// Forms with data-guard ask before what was typed in them is lost.
function dirty() {
  return document.querySelector("form[data-guard][data-dirty]");
}

export function start() {
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      const form = event.target.closest?.("form[data-guard]");
      if (form) form.dataset.dirty = "";
    });
  }
  document.addEventListener("submit", (event) => delete event.target.dataset.dirty);
  document.addEventListener("reset", (event) => delete event.target.dataset.dirty);
  addEventListener("beforeunload", (event) => {
    if (dirty()) event.preventDefault();
  });
}
