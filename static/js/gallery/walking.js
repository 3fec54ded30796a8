// One tab stop for each wall of pictures: Tab goes to one tile and to what can be done with it, the arrows to its
// neighbours.

import { byId, each } from "../dom.js";

const WALLS = ".wall, .slots", TILES = "figure.tile, .tile:has(> input)", STOPS = "a, button, input";
const FAR = 0.85; // of the window's height, for Page Up and Page Down
const places = new WeakMap(); // of each wall the tile at which Tab enters it

const wallOf = (tile) => tile.closest(WALLS);
const stopOf = (tile) => tile.querySelector("a") ?? tile.querySelector(STOPS);
const tilesOf = (wall) => [...wall.querySelectorAll(TILES)].filter(stopOf);

function open(tile, isOpen) {
  each(STOPS, (stop) => (isOpen ? stop.removeAttribute("tabindex") : (stop.tabIndex = -1)), tile);
}

function enterAt(tile) {
  const wall = wallOf(tile), before = places.get(wall);
  if (before && before !== tile) open(before, false);
  places.set(wall, tile);
  open(tile, true);
}

// Tiles come by scrolling and with pushes, and what can be done with them comes later.
function arrange() {
  each(WALLS, (wall) => {
    const tiles = tilesOf(wall), before = places.get(wall), at = tiles.includes(before) ? before : tiles[0];
    places.set(wall, at);
    for (const tile of tiles) open(tile, tile === at);
  });
}
document.addEventListener("htmx:load", arrange);
arrange();

// Back from a picture the keyboard goes on where it was. Going to the place in the address takes the focus, and comes
// before a page is shown.
addEventListener("pageshow", () => {
  const left = /^#picture-\d+$/.test(location.hash) && byId(location.hash.slice(1));
  if (left && document.activeElement === document.body) stopOf(left)?.focus({ preventScroll: true });
});

document.addEventListener("focusin", ({ target }) => {
  const tile = target.closest(TILES);
  if (tile && wallOf(tile) && stopOf(tile)) enterAt(tile);
});

// --- The arrows

const middle = ({ left, right }) => (left + right) / 2;

// The tile in the nearest row above or below, at least `far` pixels away, that is nearest to the same column.
function beyond(tiles, tile, way, far) {
  const from = tile.getBoundingClientRect();
  const edge = ({ top, bottom }) => (way > 0 ? top - from.bottom : from.top - bottom);
  const found = tiles.map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => edge(box) > -1);
  if (!found.length) return undefined;
  const distances = found.map(([, box]) => edge(box));
  const reached = Math.min(...distances.filter((distance) => distance >= far));
  const row = reached === Infinity ? Math.max(...distances) : reached;
  const aside = ([, box]) => Math.abs(middle(box) - middle(from));
  const near = found.filter(([, box]) => Math.abs(edge(box) - row) < from.height / 2);
  return near.reduce((best, one) => (aside(one) < aside(best) ? one : best))[0];
}

const MOVES = {
  ArrowLeft: (tiles, tile) => tiles[tiles.indexOf(tile) - 1],
  ArrowRight: (tiles, tile) => tiles[tiles.indexOf(tile) + 1],
  ArrowUp: (tiles, tile) => beyond(tiles, tile, -1, 0),
  ArrowDown: (tiles, tile) => beyond(tiles, tile, 1, 0),
  PageUp: (tiles, tile) => beyond(tiles, tile, -1, FAR * innerHeight),
  PageDown: (tiles, tile) => beyond(tiles, tile, 1, FAR * innerHeight),
  Home: (tiles) => tiles[0],
  End: (tiles) => tiles.at(-1),
};

// Before all other keys: on a wall the arrows mean this and nothing else.
document.addEventListener("keydown", (event) => {
  const { key, target } = event, tile = target.closest?.(TILES), wall = tile && wallOf(tile), move = MOVES[key];
  const typing = target.matches?.("textarea, select, input:not([type=checkbox])");
  if (!wall || !move || typing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const tiles = tilesOf(wall), to = move(tiles, tile);
  if (to) stopOf(to).focus();
  // Below the last tile stands what loads further ones when it is seen.
  if (!to || to === tiles.at(-1)) wall.querySelector(".more")?.scrollIntoView({ block: "nearest" });
}, true);
