// Tiles of pictures: what one can do with a picture is on the page once, and is put over each tile here.

import { byId, each } from "../dom.js";

const ZERO = /(?<![\d])0(?!\d)/; // stands for the picture's number
const MOST = 120; // characters of a text instead of a picture

function furnish(tile) {
  const acts = byId("tile-acts").firstElementChild.cloneNode(true);
  const cover = acts.querySelector("[data-cover]"), [number] = tile.querySelector("a").pathname.match(/\d+/);
  for (const part of acts.children) {
    for (const name of ["href", "hx-post", "data-favour", "data-boards"]) {
      if (part.hasAttribute(name)) part.setAttribute(name, part.getAttribute(name).replace(ZERO, number));
    }
  }
  const box = byId("tile-acts").querySelector(".tick-place").cloneNode(true);
  box.firstElementChild.value = number;
  tile.prepend(box);
  if (tile.dataset.coverOf) cover.setAttribute("hx-vals", JSON.stringify({ style: tile.dataset.coverOf }));
  else cover.remove();
  // On the wall of a board it can be taken off.
  const off = acts.querySelector("[data-off]"), board = tile.closest("[data-off-board]");
  if (board) {
    off.setAttribute("hx-post", board.dataset.offBoard);
    off.setAttribute("hx-vals", JSON.stringify({ picture: number }));
  } else off.remove();
  tile.append(acts);
  htmx.process(acts);
  // In the card of a job a picture has a number until here: the prompt is the card's title.
  const title = tile.closest("[data-job]")?.querySelector("[id$='-title']")?.textContent.trim();
  if (title) tile.querySelector("img").alt = title.length > MOST ? `${title.slice(0, MOST - 1)}…` : title;
}

// Something else may be loaded while htmx still settles what is copied: copies would keep its passing class for ever.
function furnishAll() {
  const isSettled = byId("tile-acts")?.matches(":has(> *):not(:has(> .htmx-added))");
  if (isSettled) each("figure.tile:has(> a):not(:has(.acts))", furnish);
}
document.addEventListener("htmx:load", furnishAll);
furnishAll();

// Back from a picture leads to its place in the wall: the pages that were loaded by then are not in its address.
document.addEventListener("click", ({ target }) => {
  const tile = target.closest?.("[data-wall] .tile[id]");
  if (!tile || !target.closest("a")) return;
  const place = new URL(location.href);
  place.searchParams.delete("before");
  place.searchParams.set("at", tile.id.replace("picture-", ""));
  place.hash = tile.id;
  history.replaceState(history.state, "", place);
});

// A title that is cut off is read in full under the pointer.
document.addEventListener("pointerover", ({ target }) => {
  const title = target.closest?.(".job .cut a:not([title])");
  if (title) title.title = title.textContent.trim();
});
