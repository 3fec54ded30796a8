// Tiles of pictures: what one can do with a picture is on the page once, and is put over each tile here.

import { each } from "../dom.js";

const MOST = 120; // characters of a text instead of a picture

function furnish(tile, pattern) {
  const acts = pattern.cloneNode(true);
  const cover = acts.querySelector("[data-cover]"), [number] = tile.querySelector("a").pathname.match(/\d+/);
  for (const part of acts.children) {
    for (const name of ["href", "hx-post"]) {
      if (part.hasAttribute(name)) part.setAttribute(name, part.getAttribute(name).replace(/\b0\b/, number));
    }
  }
  if (tile.dataset.coverOf) cover.setAttribute("hx-vals", JSON.stringify({ style: tile.dataset.coverOf }));
  else cover.remove();
  tile.append(acts);
  htmx.process(acts);
  // In the card of a job a picture has a number until here: the prompt is the card's title.
  const title = tile.closest("[data-job]")?.querySelector("h3").textContent.trim();
  if (title) tile.querySelector("img").alt = title.length > MOST ? `${title.slice(0, MOST - 1)}…` : title;
}

// Something else may be loaded while htmx still settles the pattern: copies would keep its passing class for ever.
function furnishAll() {
  const pattern = document.querySelector("#tile-acts > :not(.htmx-added)");
  if (pattern) each("figure.tile:has(> a):not(:has(.acts))", (tile) => furnish(tile, pattern));
}
document.addEventListener("htmx:load", furnishAll);
furnishAll();

// A title that is cut off is read in full under the pointer.
document.addEventListener("pointerover", ({ target }) => {
  const title = target.closest?.(".job .cut a:not([title])");
  if (title) title.title = title.textContent.trim();
});
