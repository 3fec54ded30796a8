// Selecting pictures on a wall: by their boxes, with Shift and Ctrl, with keys; and the bar that says what can be done.

import { byId, changed, each } from "../dom.js";
import { isLetter, isTyping } from "../keys.js";

const picked = new Set(); // the keys of pictures
let anchor; // the picture that a range begins at
let all; // {number, filters, upto}: all that the filter shows, loaded or not

export const boxes = () => [...document.querySelectorAll(".tile:not([hidden]) .tick:not(:disabled)")];
export const boxOf = (element) => element.closest?.(".tile")?.querySelector(".tick:not(:disabled)");
export const isSelecting = () => document.body.classList.contains("selecting");
const bar = () => byId("selection");

// Only those that are not so yet.
export function mark(list, on) {
  const fresh = list.filter((box) => picked.has(box.value) !== on || box.checked !== on);
  for (const box of fresh) {
    box.checked = on;
    if (on) picked.add(box.value);
    else picked.delete(box.value);
  }
  if (fresh.length) all = undefined;
  if (fresh.length && fresh[0].form?.matches("[data-choose]")) changed(fresh[0]); // its button has the number
  show();
}

// A range goes in reading order from the last picture that was chosen.
export function choose(box, on, isRange) {
  const list = boxes(), from = list.findIndex((other) => other.value === anchor), to = list.indexOf(box);
  const some = isRange && from >= 0 ? list.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
  anchor = box.value;
  mark(some, on);
}

function clear() {
  all = undefined;
  picked.clear();
  each(".tick:checked", (box) => (box.checked = false));
  const form = document.querySelector("[data-choose]");
  if (form) changed(form.querySelector(".tick"));
  document.body.classList.remove("ticking");
  show();
}

// --- The bar. It comes when something is selected for the first time.

async function show() {
  const place = bar(), number = all?.number ?? picked.size;
  document.body.classList.toggle("selecting", number > 0 || document.body.classList.contains("ticking"));
  if (!place) return;
  place.hidden = !number;
  if (!number) return;
  if (!place.firstElementChild && !place.dataset.asked) {
    place.dataset.asked = "yes";
    await htmx.ajax("GET", place.dataset.bar, { target: place, swap: "innerHTML" });
    delete place.dataset.asked;
    return show();
  }
  const form = place.querySelector("form");
  if (form) fill(form, number);
}

function fill(form, number) {
  const { elements } = form, wall = document.querySelector("[data-filters]");
  elements.pictures.value = all ? "" : [...picked].join();
  elements.filters.value = all?.filters ?? "";
  elements.upto.value = all?.upto ?? "";
  elements.back.value = location.pathname + location.search;
  const words = form.querySelector("[data-selected]");
  words.textContent = words.dataset.selected.replace("#", number.toLocaleString("en"));
  form.querySelector("[data-everything]").hidden = !wall || Boolean(all);
  if (!all) byId("selection-all").replaceChildren();
  const compare = form.querySelector("[value=compare]"), fits = number >= 2 && number <= 4;
  compare.ariaDisabled = String(!fits);
  compare.title = fits ? "" : compare.dataset.why;
}

async function everything(button) {
  const { filters } = document.querySelector("[data-filters]").dataset, place = byId("selection-all");
  await htmx.ajax("GET", `${button.dataset.everything}?${new URLSearchParams({ filters })}`, { target: place });
  const found = place.firstElementChild?.dataset;
  if (!found) return;
  mark(boxes(), true);
  all = { number: Number(found.number), filters, upto: found.upto };
  show();
}

// Tiles of what was deleted are hidden, so that Undo brings them back where they were.
async function refresh() {
  const loaded = [...document.querySelectorAll(".tile .tick")].map((box) => box.value), place = bar();
  if (!place || !loaded.length) return;
  document.dispatchEvent(new Event("selection-changed"));
  const headers = JSON.parse(document.body.getAttribute("hx-headers"));
  const body = new URLSearchParams({ pictures: loaded.join() });
  const answer = await fetch(place.dataset.gone, { method: "POST", headers, body });
  if (!answer.ok) return;
  const gone = new Set((await answer.json()).gone.map(String));
  each(".tile .tick", (box) => (box.closest(".tile").hidden = gone.has(box.value)));
  if (byId("wall-count")) htmx.trigger(byId("wall-count"), "renew");
  if (all && gone.size) clear();
  else mark([...document.querySelectorAll(".tile .tick")].filter((box) => gone.has(box.value)), false);
}

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const { verb, path } = detail.requestConfig ?? {};
  if (detail.successful && verb === "post" && path.includes("/gallery/selection/")) refresh();
});
document.addEventListener("htmx:load", ({ detail }) => {
  if (detail.elt.matches?.("[id^=job-pictures-]:not(.is-waiting, .is-running)")) refresh();
  // A card that was pushed has new tiles.
  each(".tick", (box) => (box.checked = box.checked || picked.has(box.value)), detail.elt);
});

// What is asked before: the answer opens it.
document.addEventListener("htmx:afterSwap", ({ target }) => {
  if (target.id === "ask" && !target.open) target.showModal();
});
document.addEventListener("submit", ({ target }) => target.closest("#ask")?.close());

// --- Mouse and fingers

let shift = false; // as the label of a box was pressed
document.addEventListener("click", (event) => {
  const { target } = event, box = boxOf(target), picture = target.closest?.(".tile > a");
  if (target.closest?.("[data-everything]")) everything(target.closest("[data-everything]"));
  else if (target.closest?.("[data-clear]")) clear();
  else if (target.closest?.("[data-tick]")) {
    event.preventDefault();
    document.body.classList.toggle("ticking");
    show();
  } else if (target.closest?.("[aria-disabled=true][value=compare]")) event.preventDefault();
  else if (box === target) {
    choose(box, box.checked, event.shiftKey || shift);
    shift = false;
  } else if (box && target.closest("label")) shift = event.shiftKey;
  else if (box && picture && (event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    choose(box, event.shiftKey || !box.checked, event.shiftKey);
  } else if (picture && isSelecting() && event.pointerType === "touch") {
    event.preventDefault(); // also while boxes are on their way
    if (box) choose(box, !box.checked, false);
  }
});

// --- Keys

const button = (work) => bar()?.querySelector(`[name=work][value=${work}]:not([aria-disabled=true])`);
document.addEventListener("keydown", (event) => {
  const { key, target } = event, box = boxOf(target), isOpen = document.querySelector("dialog[open], :popover-open");
  if (isTyping(event) || isOpen) return;
  const act = (does) => (event.preventDefault(), does());
  const toggle = () => choose(box, !box.checked || event.shiftKey, event.shiftKey);
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "a" && boxes().length) {
    act(() => mark(boxes(), true));
  } else if (key === "Escape" && isSelecting()) act(clear);
  else if (key === " " && box && target.matches("a")) act(toggle);
  else if (!isLetter(event)) return;
  else if (key.toLowerCase() === "x" && box) act(toggle);
  else if (key === "Delete" && picked.size) act(() => button("delete")?.click());
});

// Back from a comparison or a picture, the same ones are selected. A browser may have kept the whole page, or not.
const KEPT = "selection-left", here = () => location.pathname;
addEventListener("pagehide", () => {
  if (bar()) sessionStorage.setItem(KEPT, JSON.stringify({ at: here(), picked: [...picked], all }));
});
const left = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
if (left.at === here() && performance.getEntriesByType("navigation")[0]?.type === "back_forward") {
  left.picked.forEach((key) => picked.add(key));
  all = left.all;
  each(".tick", (box) => (box.checked = box.checked || picked.has(box.value)));
}

each(".tick:checked", (box) => picked.add(box.value));
if (picked.size) show();
