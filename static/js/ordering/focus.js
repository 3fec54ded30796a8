// A click on a given picture says what is to stay when it is cut: the fields hold it as numbers.

import { byId, changed } from "../dom.js";

document.addEventListener("click", (event) => {
  const figure = event.target.closest("[data-focus]"), prefix = figure?.dataset.focus;
  const way = figure && document.querySelector(`[name="${prefix}_fit"][value="cut"], [name="${prefix}"][value="cut"]`);
  if (!way) return;
  const box = figure.getBoundingClientRect();
  const parts = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  way.checked = true;
  ["x", "y"].forEach((axis, place) => (byId(`${prefix}_${axis}`).value = Math.round(parts[place] * 100)));
  changed(byId(`${prefix}_x`));
});
