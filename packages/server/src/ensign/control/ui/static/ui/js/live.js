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
