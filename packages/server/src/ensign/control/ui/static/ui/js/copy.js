// Copy buttons. Where the clipboard API is missing (plain HTTP on another machine) the old way serves.
const SHOWN_MS = 1500;

async function put(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copying was refused");
}

export function start() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const live = document.getElementById("live");
    try {
      await put(button.dataset.copy);
      button.classList.add("is-copied");
      live.textContent = "Copied";
      setTimeout(() => {
        button.classList.remove("is-copied");
        live.textContent = "";
      }, SHOWN_MS);
    } catch {
      live.textContent = "The browser refused to copy. Select the text and copy it by hand.";
    }
    button.focus();
  });
}
