// Relative times stay right while a page is open; copied text holds the exact time instead.
// The words are those of relative() in templatetags/ensign_ui.py.
const UNITS = [
  [2700, 60, "min"],
  [79200, 3600, "h"],
  [2592000, 86400, "d"],
];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export function relative(at, now) {
  let seconds = Math.trunc((now - at) / 1000);
  const ahead = seconds < 0;
  seconds = Math.abs(seconds);
  if (seconds < 45) return ahead ? "in a moment" : "just now";
  for (const [limit, size, unit] of UNITS) {
    if (seconds >= limit) continue;
    const count = Math.max(1, Math.floor(seconds / size));
    return ahead ? `in ${count} ${unit}` : `${count} ${unit} ago`;
  }
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
}

function refresh() {
  const now = new Date();
  for (const time of document.querySelectorAll("time[data-moment]")) {
    const text = relative(new Date(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
  }
}

// The browser reads the selection after this event, so the exact time stands there for that moment.
function exactWhileCopying() {
  const selection = getSelection();
  if (selection.isCollapsed) return;
  const times = [...document.querySelectorAll("time[data-moment]")].filter((time) => selection.containsNode(time, true));
  const shown = times.map((time) => [time, time.textContent]);
  for (const [time] of shown) time.firstChild.data = time.title;
  setTimeout(() => {
    for (const [time, text] of shown) time.firstChild.data = text;
  });
}

export function start() {
  (window.requestIdleCallback ?? setTimeout)(refresh); // long lists come with dates alone
  setInterval(refresh, 30000);
  document.addEventListener("visibilitychange", refresh);
  document.addEventListener("copy", exactWhileCopying);
}
