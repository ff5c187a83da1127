// What htmx does is said and shown: a line when it takes long, words for what came, words when it failed.
function say(text) {
  document.getElementById("live").textContent = text;
}

function complain(title, text) {
  const place = document.getElementById("messages");
  const box = document.createElement("div");
  box.className = "callout tone-bad";
  box.setAttribute("role", "alert");
  const inner = document.createElement("div");
  const head = document.createElement("p");
  head.className = "callout-title";
  head.textContent = title;
  const body = document.createElement("p");
  body.textContent = text;
  inner.append(head, body);
  box.append(inner);
  place.replaceChildren(box);
}

// A form that is sent as a page shows the line, too, and is sent once: the answer to a second press would be an error
// about what the first one did. What is downloaded (data-download) leaves the page as it is, so it may be sent again.
function sendOnce(root) {
  let wait;
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method === "dialog") return;
    if (form.dataset.sent !== undefined) {
      event.preventDefault();
      return;
    }
    root.classList.add("is-busy");
    clearTimeout(wait);
    if (form.dataset.download !== undefined) {
      wait = setTimeout(() => root.classList.remove("is-busy"), 4000);
      return;
    }
    form.dataset.sent = "";
    wait = setTimeout(() => say("Still at it."), 1000);
  });
  // The page is back from the browser's memory: what was sent then may be sent again.
  addEventListener("pageshow", () => {
    clearTimeout(wait);
    root.classList.remove("is-busy");
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
}

export function start() {
  const root = document.documentElement;
  let running = 0;
  document.addEventListener("htmx:config:request", (event) => {
    const request = event.detail.ctx.request;
    if (request.method !== "GET") request.headers["X-CSRFToken"] = document.body.dataset.csrf;
  });
  document.addEventListener("htmx:before:request", () => {
    running += 1;
    root.classList.add("is-busy");
  });
  document.addEventListener("htmx:finally:request", () => {
    running = Math.max(0, running - 1);
    if (!running) root.classList.remove("is-busy");
  });
  sendOnce(root);
  document.addEventListener("htmx:after:swap", (event) => {
    const target = event.detail.ctx.target;
    const place = target?.isConnected ? target : document.getElementById(target?.id);
    const words = place?.querySelector("[data-announce]")?.textContent;
    if (words) say(words);
  });
  document.addEventListener("htmx:error", () => {
    complain("Ensign could not be reached", "Nothing was saved. Check the connection and try again; what you typed is still here.");
  });
}

export { complain };
