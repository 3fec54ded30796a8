// Boards: the dialog that puts pictures on them, and their order.

import { byId } from "../dom.js";

// --- The dialog

function openBoards(numbers) {
  const known = byId("board-picker"), dialog = known ?? document.createElement("dialog");
  if (!known) {
    dialog.id = "board-picker";
    dialog.setAttribute("aria-labelledby", "board-picker-title");
    document.body.append(dialog);
  }
  const query = new URLSearchParams(numbers.map((number) => ["picture", number]));
  const address = `${byId("marked").dataset.boards}?${query}`;
  htmx.ajax("GET", address, { target: dialog, swap: "innerHTML" }).then(() => {
    if (dialog.firstElementChild && !dialog.open) dialog.showModal();
  });
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-boards]:not(template)");
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  if (!opener || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  openBoards([opener.dataset.boards]);
});
document.addEventListener("boards-chosen", () => byId("board-picker")?.close());

// What was ticked while a search was on its way stays so, and in the list.
let options = [];
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id === "board-options") options = [...detail.target.querySelectorAll("li:has([name=board])")];
});
document.addEventListener("htmx:afterSwap", () => {
  const list = byId("board-options"), box = (item) => item.querySelector("[name=board]");
  for (const item of options.splice(0).reverse()) {
    const same = list?.querySelector(`[name=board][value="${box(item).value}"]`);
    if (same) same.checked = box(item).checked;
    else if (box(item).checked) list?.prepend(item);
  }
});

// What is off a board leaves its wall.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful && detail.elt.matches("[data-off]")) detail.elt.closest("figure").remove();
});

// --- The order

const board = () => byId("arrange");
const placed = () => [...board().querySelectorAll(".placed")];

// One after the other, in the order in which they were made.
let sent = Promise.resolve();
function send(fields) {
  const values = Object.fromEntries(fields), address = board().getAttribute("action");
  sent = sent.then(() => htmx.ajax("POST", address, { source: board(), values, swap: "none" }));
}

function tell(figure) {
  const all = placed(), said = board().dataset.placed;
  byId("announcer").textContent = said.replace("%1", all.indexOf(figure) + 1).replace("%2", all.length);
}

// Where its neighbour is on this page it changes places here; beyond the edge of the page the server answers.
function move(figure, verb) {
  const all = placed(), at = all.indexOf(figure), focused = document.activeElement;
  const isFirstPage = !board().elements.after.value;
  if (verb === "earlier" && at > 0) all[at - 1].before(figure);
  else if (verb === "later" && at < all.length - 1) all[at + 1].after(figure);
  else if (verb === "first" && isFirstPage && at > 0) all[0].before(figure);
  else return false;
  focused?.focus();
  tell(figure);
  send([[verb, figure.dataset.picture]]);
  return true;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("#arrange button"), figure = button?.closest(".placed");
  if (!figure) return;
  if (button.name === "cover") {
    event.preventDefault();
    for (const each of board().querySelectorAll("[name=cover]")) each.setAttribute("aria-pressed", each === button);
    send([["cover", figure.dataset.picture]]);
  } else if (button.name !== "picture" && move(figure, button.name)) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  const figure = event.target.closest?.(".placed");
  const verb = { ArrowLeft: "earlier", ArrowRight: "later", Home: "first" }[event.key];
  if (!figure || !verb || !event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault(); // Alt ← is Back
  if (!move(figure, verb)) figure.querySelector(`[name=${verb}]`).click();
});

let dragged;
document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.(".placed");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  dragged.classList.add("dragged");
});
document.addEventListener("dragover", (event) => {
  const over = event.target.closest?.(".placed");
  if (!dragged) return;
  event.preventDefault();
  if (!over || over === dragged) return;
  const { left, width } = over.getBoundingClientRect();
  if (event.clientX < left + width / 2) over.before(dragged);
  else over.after(dragged);
});
document.addEventListener("drop", (event) => dragged && event.preventDefault());
document.addEventListener("dragend", () => {
  if (!dragged) return;
  const figure = dragged, next = figure.nextElementSibling, last = figure.previousElementSibling;
  dragged = undefined;
  figure.classList.remove("dragged");
  tell(figure);
  // Before its neighbour; at the end of the page behind the last one, whatever comes after that.
  if (next) send([["move", figure.dataset.picture], ["place", next.dataset.picture]]);
  else if (last) send([["move", figure.dataset.picture], ["behind", last.dataset.picture]]);
});
