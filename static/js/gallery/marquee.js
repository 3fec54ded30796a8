// A rectangle drawn over tiles selects them; on a touch screen a long press selects the first one.

import { boxes, boxOf, choose, isSelecting, mark } from "./select.js";

const LEAST = 6, EDGE = 40, LONG = 450; // pixels until it is a drag, pixels in which the page scrolls, milliseconds
const BUSY = "button, input, select, textarea, summary, .filters, .actionbar, dialog, aside, .tick-place, .acts";
let drawn; // {x, y, before, tiles, box}: where it began on the page, what was selected, the tiles, the rectangle

// On a picture only while one selects, and not on a selected one: that is dragged itself.
function mayBegin({ target, pointerType, button }) {
  if (pointerType !== "mouse" || button || !boxes().length) return false;
  if (!target.closest("main") || target.closest(BUSY)) return false;
  const box = boxOf(target), tile = target.closest(".tile");
  return tile ? Boolean(box) && (tile.matches(".pickable") || (isSelecting() && !box.checked)) : !target.closest("a");
}

document.addEventListener("pointerdown", (event) => {
  drawn = mayBegin(event) ? { x: event.pageX, y: event.pageY } : undefined;
});

function begin() {
  drawn.before = new Set(boxes().filter((box) => box.checked));
  drawn.tiles = boxes().map((box) => {
    const { left, top, right, bottom } = box.closest(".tile").getBoundingClientRect();
    return { box, left: left + scrollX, top: top + scrollY, right: right + scrollX, bottom: bottom + scrollY };
  });
  drawn.box = document.createElement("div");
  drawn.box.className = "marquee";
  document.body.append(drawn.box);
}

document.addEventListener("pointermove", (event) => {
  if (!drawn) return;
  const { pageX, pageY, clientY } = event;
  if (!drawn.box && Math.hypot(pageX - drawn.x, pageY - drawn.y) < LEAST) return;
  if (!drawn.box) begin();
  const left = Math.min(pageX, drawn.x), right = Math.max(pageX, drawn.x);
  const top = Math.min(pageY, drawn.y), bottom = Math.max(pageY, drawn.y);
  Object.assign(drawn.box.style, {
    left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px`,
  });
  const under = (tile) => tile.left < right && tile.right > left && tile.top < bottom && tile.bottom > top;
  const on = drawn.tiles.filter((tile) => under(tile) || drawn.before.has(tile.box)).map(({ box }) => box);
  const wanted = new Set(on);
  mark(drawn.tiles.map(({ box }) => box).filter((box) => box.checked && !wanted.has(box)), false);
  mark(on.filter((box) => !box.checked), true);
  if (clientY < EDGE) scrollBy(0, -EDGE / 2);
  else if (clientY > innerHeight - EDGE) scrollBy(0, EDGE / 2);
});

// What was a drag is no click on the picture that it ends on.
const hushOnce = (event) => (event.preventDefault(), event.stopPropagation());
function end() {
  if (drawn?.box) {
    drawn.box.remove();
    addEventListener("click", hushOnce, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", hushOnce, true), 50);
  }
  drawn = undefined;
}
document.addEventListener("pointerup", end);
document.addEventListener("pointercancel", end);
document.addEventListener("dragstart", (event) => drawn && event.preventDefault());
document.addEventListener("selectstart", (event) => drawn?.box && event.preventDefault());

// --- Long press

let pressing, held = false, from;
document.addEventListener("pointerdown", (event) => {
  const box = boxOf(event.target);
  held = false;
  clearTimeout(pressing);
  if (event.pointerType !== "touch" || !box || isSelecting()) return;
  from = event;
  pressing = setTimeout(() => {
    held = true;
    choose(box, true, false);
    addEventListener("click", hushOnce, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", hushOnce, true), 1000);
  }, LONG);
});
document.addEventListener("pointermove", (event) => {
  if (from && Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > LEAST) clearTimeout(pressing);
});
for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => clearTimeout(pressing));
document.addEventListener("contextmenu", (event) => held && event.preventDefault());
