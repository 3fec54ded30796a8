// The order of the mix: rows change places here, the server reads it with the form.

import { byId, changed } from "../dom.js";

function settled(row) {
  const rows = [...row.parentElement.children], say = row.parentElement.dataset.placed;
  const title = row.querySelector(".name").textContent;
  byId("announcer").textContent = `${title}: ${say.replace("%1", rows.indexOf(row) + 1).replace("%2", rows.length)}`;
  changed(row.querySelector("[type=number]"));
}

function move(row, step) {
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  if (step < 0) other.before(row);
  else other.after(row);
  settled(row);
}

let dragged;
document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest("[data-grip]"), row = grip?.closest("li");
  if (!row?.parentElement.children[1] || event.button) return;
  event.preventDefault();
  grip.setPointerCapture(event.pointerId);
  dragged = { row, before: row.previousElementSibling };
  row.classList.add("dragged");
});
document.addEventListener("pointermove", ({ clientY }) => {
  if (!dragged) return;
  const middle = (other) => other.getBoundingClientRect().top + other.offsetHeight / 2;
  const { row } = dragged;
  // Its neighbours give way: were it moved itself, it would lose the pointer.
  for (let above; (above = row.previousElementSibling) && clientY < middle(above); ) row.after(above);
  for (let below; (below = row.nextElementSibling) && clientY > middle(below); ) row.before(below);
});
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => {
    if (!dragged) return;
    const { row, before } = dragged;
    dragged = undefined;
    row.classList.remove("dragged");
    if (row.previousElementSibling !== before) settled(row);
  });
}

document.addEventListener("click", (event) => {
  const mover = event.target.closest("[data-move]");
  if (!mover) return;
  event.preventDefault();
  move(mover.closest("li"), mover.name === "up" ? -1 : 1);
  mover.focus();
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail, root = fragment.firstElementChild;
  const names = (box) => [...(box?.querySelectorAll("[type=number]") ?? [])].map((input) => input.name).sort().join();
  // The same rows again: what is on the page is newer, and perhaps under somebody's finger.
  const isSame = () => names(root) && names(root) === names(target);
  if (target.id === "mix" && (dragged || isSame())) event.detail.shouldSwap = false;
});

// --- A weight is moved or typed; the box is what is sent. Outside the range in which the style is safe it is warned.

const parts = (row) => [row.querySelector("[type=number]"), row.querySelector("[type=range]")];

document.addEventListener("input", ({ target }) => {
  const row = target.closest(".mix li");
  if (!row) return;
  const [box, slider] = parts(row), { safeFrom, safeTo } = box.dataset;
  if (target === slider) box.value = Number(slider.value).toFixed(2);
  else slider.value = box.value;
  row.classList.toggle("above", Number(box.value) > Number(safeTo ?? Infinity));
  row.classList.toggle("below", Number(box.value) < Number(safeFrom ?? -Infinity));
});
// Before the form is sent with it.
document.addEventListener("change", ({ target }) => {
  if (!target.matches(".mix [type=number]")) return;
  const [, slider] = parts(target.closest("li")), { min, max } = target;
  const value = target.value === "" ? slider.value : Math.min(Math.max(target.value, min), max);
  target.value = Number(value).toFixed(2);
}, true);
