// The command menu: the rooms of the navigation at once, and what the server finds while one types.
//
// The server is asked at the address in data-source with ?q=…; it answers
// {"items": [{"label": "new-checkout", "kind": "Flag", "href": "/…"}]}.
const PAUSE_MS = 120;
let asking;
let timer;

const menu = () => document.getElementById("palette");
const input = () => document.getElementById("palette-input");
const list = () => document.getElementById("palette-list");

function rooms() {
  return [...document.querySelectorAll(".nav-link")].map((link) => ({
    label: link.querySelector("span").textContent,
    kind: "Room",
    href: link.getAttribute("href"),
    keys: link.dataset.go ? `g ${link.dataset.go}` : "",
  }));
}

function matches(item, words) {
  const text = `${item.label} ${item.kind}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function option(item, index) {
  const line = document.createElement("li");
  line.id = `palette-option-${index}`;
  line.setAttribute("role", "option");
  line.dataset.href = item.href;
  const label = document.createElement("span");
  label.className = "label truncate";
  label.textContent = item.label;
  const kind = document.createElement("span");
  kind.className = "kind";
  kind.textContent = item.kind;
  line.append(label, kind);
  for (const key of (item.keys ?? "").split(" ").filter(Boolean)) {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    line.append(cap);
  }
  return line;
}

function choose(line) {
  for (const other of list().children) other.setAttribute("aria-selected", String(other === line));
  if (!line) {
    input().removeAttribute("aria-activedescendant");
    return;
  }
  input().setAttribute("aria-activedescendant", line.id);
  line.scrollIntoView({ block: "nearest" });
}

function chosen() {
  return list().querySelector('[aria-selected="true"]');
}

function show(items) {
  list().replaceChildren(...items.map(option));
  list().hidden = items.length === 0;
  document.getElementById("palette-empty").hidden = items.length > 0;
  choose(list().firstElementChild);
}

async function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const here = rooms().filter((item) => matches(item, words));
  show(here);
  const source = menu().dataset.source;
  asking?.abort();
  if (!source || !words.length) return;
  asking = new AbortController();
  try {
    const answer = await fetch(`${source}?q=${encodeURIComponent(text)}`, {
      signal: asking.signal,
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) return;
    const { items } = await answer.json();
    if (input().value === text) show([...here, ...items]);
  } catch (error) {
    if (error.name !== "AbortError") document.getElementById("live").textContent = "The search could not be reached.";
  }
}

function step(by) {
  const lines = [...list().children];
  if (!lines.length) return;
  const at = lines.indexOf(chosen());
  choose(lines[(at + by + lines.length) % lines.length]);
}

function go() {
  const line = chosen();
  if (!line) return;
  menu().close();
  location.assign(line.dataset.href);
}

export function openPalette() {
  if (!menu() || menu().open) return;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  document.getElementById("sidebar")?.hidePopover?.();
  input().value = "";
  menu().showModal();
  input().focus();
  find("");
}

export function start() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]")) openPalette();
    const line = event.target.closest("#palette-list [role=option]");
    if (line) {
      choose(line);
      go();
    }
  });
  if (!menu()) return;
  input().addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => find(input().value), PAUSE_MS);
  });
  input().addEventListener("keydown", (event) => {
    const act = { ArrowDown: () => step(1), ArrowUp: () => step(-1), Enter: go }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
