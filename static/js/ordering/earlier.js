// Arrow up in an empty prompt goes back through one's own earlier prompts, down comes forward, Esc leaves it empty.

import { byId } from "../dom.js";

let known, at = -1, shown = ""; // a promise of the prompts, once they are asked for; which of them is shown
const isGoing = (field) => at >= 0 && field.value === shown;

async function ask(address) {
  try {
    return (await (await fetch(address)).json()).prompts;
  } catch {
    return [];
  }
}

function show(field, prompts, number) {
  at = number;
  field.value = shown = prompts[at] ?? "";
  field.setSelectionRange(shown.length, shown.length);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  const words = field.dataset.place.replace("%1", at + 1).replace("%2", prompts.length);
  byId("announcer").textContent = at < 0 ? "" : `${words}: ${shown}`;
}

document.addEventListener("keydown", async (event) => {
  const { target: field, key } = event, going = field.id === "prompt" && isGoing(field);
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey && !event.isComposing;
  if (field.id !== "prompt" || !isPlain) return;
  if (key === "Escape" && going) return show(field, [], -1);
  if (!(key === "ArrowUp" && (going || !field.value)) && !(key === "ArrowDown" && going)) return;
  event.preventDefault();
  const step = key === "ArrowUp" ? 1 : -1, prompts = await (known ??= ask(field.dataset.earlier));
  if (!prompts.length) known = undefined;
  else show(field, prompts, Math.min((going ? at : -1) + step, prompts.length - 1));
});

// There is one more after an order.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt?.id === "compose-form") known = undefined;
});
