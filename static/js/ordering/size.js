// A size of one's own: sides are rounded when a field is left, which is told, and can be swapped.

import { byId, changed, each } from "../dom.js";

const STEP = 8;
const sides = () => [byId("width"), byId("height")];

function show() {
  const [width, height] = sides(), own = byId("shape-custom");
  own.dataset.text = `${width.value} × ${height.value}`;
  if (own.checked) each("[data-shows=shape]", (output) => (output.textContent = own.dataset.text));
}

function round(side) {
  const typed = Number(side.value), { min, max } = side;
  if (!side.value || Number.isNaN(typed)) return;
  const value = String(Math.min(Math.max(Math.round(typed / STEP) * STEP, min), max));
  byId("rounded").textContent = value === side.value ? "" : byId("rounded").dataset.words.replace("%1", value);
  side.value = value;
}

document.addEventListener("input", ({ target }) => target.matches("[data-side]") && show());
// Before the form is sent with it.
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-side]")) {
    round(target);
    show();
  } else if (target.name === "shape" && target.form?.id === "compose-form" && target.id !== "shape-custom") {
    // One's own size begins with the shape that was chosen before.
    const values = target.value.split("x");
    sides().forEach((side, number) => (side.value = values[number]));
    show();
  }
}, true);

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-swap]")) return;
  event.preventDefault();
  const [width, height] = sides();
  [width.value, height.value] = [height.value, width.value];
  changed(width);
});
