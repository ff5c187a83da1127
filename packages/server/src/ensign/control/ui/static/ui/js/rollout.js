// A rollout's slider and number hold one value; the number is the one that is sent.
function set(group, value) {
  const number = group.querySelector("input[type=number]");
  const slider = group.querySelector("input[type=range]");
  number.value = value;
  slider.value = value;
  number.dispatchEvent(new Event("change", { bubbles: true }));
}

export function start() {
  document.addEventListener("input", (event) => {
    const group = event.target.closest("[data-rollout]");
    if (!group) return;
    const slider = group.querySelector("input[type=range]");
    const number = group.querySelector("input[type=number]");
    if (event.target === slider) number.value = slider.value;
    else if (event.target === number && number.validity.valid && number.value !== "") slider.value = number.value;
  });
  document.addEventListener("click", (event) => {
    const stop = event.target.closest("[data-stop]");
    if (stop) set(stop.closest("[data-rollout]"), stop.dataset.stop);
  });
}
