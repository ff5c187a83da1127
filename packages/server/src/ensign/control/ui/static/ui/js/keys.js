// Keyboard shortcuts: / searches, g + letter goes to a room, j and k walk the rows of a list, c comments on one, ? explains.
import { openPalette } from "./palette.js";

const PATIENCE_MS = 1200;
let goingUntil = 0;

function typing(target) {
  return target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") != null;
}

function walk(step) {
  const rows = [...document.querySelectorAll("[data-rows] tbody tr, ol[data-rows] > li, ul[data-rows] > li")];
  const stops = rows.map((row) => row.querySelector("a[href], button, summary")).filter(Boolean);
  if (!stops.length) return false;
  const here = stops.findIndex((stop) => stop.closest("tr, li").contains(document.activeElement));
  const next = here < 0 ? 0 : Math.min(stops.length - 1, Math.max(0, here + step));
  stops[next].focus();
  stops[next].closest("tr, li").scrollIntoView({ block: "nearest" });
  return true;
}

// Opens the box in which the line that has the focus, or else the first one, is talked about.
function talk() {
  const row = document.activeElement?.closest?.("[data-rows] tr");
  const box = (row ?? document).querySelector("details[data-talk]");
  if (!box) return false;
  box.open = true;
  box.querySelector("textarea")?.focus();
  return true;
}

function pressed(key) {
  if (performance.now() < goingUntil) {
    goingUntil = 0;
    const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    link?.click();
    return link !== null;
  }
  switch (key) {
    case "g":
      goingUntil = performance.now() + PATIENCE_MS;
      return true;
    case "/": {
      const search = document.querySelector("main input[type=search]");
      if (search) search.select();
      else openPalette();
      return true;
    }
    case "?":
      document.getElementById("shortcuts")?.showModal();
      return true;
    case "j":
      return walk(1);
    case "k":
      return walk(-1);
    case "c":
      return talk();
    default:
      return false;
  }
}

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey) {
      event.preventDefault();
      openPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (pressed(event.key)) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-shortcuts]")) document.getElementById("shortcuts")?.showModal();
  });
}
