// Keys find their button.

import { open } from "./buttons.js";
import { byId, each } from "./dom.js";
import { hush } from "./ordering/previews.js";

const singles = () => localStorage.getItem("single-keys") !== "off";
document.addEventListener("htmx:load", () => each("[data-single-keys]", (box) => (box.checked = singles())));
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-single-keys]")) localStorage.setItem("single-keys", target.checked ? "on" : "off");
});

// Fields that take letters.
const FIELDS = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select";
export const isTyping = ({ target }) => target.isContentEditable || target.matches?.(FIELDS);
const ALONG = { ArrowLeft: "prev", ArrowRight: "next" };
let going = 0; // until when a letter after G names a page

// Whether a key means itself: nobody types, no dialog is open, and single letters are not switched off.
export function isLetter(event) {
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  return singles() && !isTyping(event) && !modified && !document.querySelector("dialog[open]");
}

// What a letter presses: for the pictures that are selected, in the one that has the focus, else on the page.
function pressed(letter, target) {
  const wanted = `[data-press="${CSS.escape(letter)}"]`;
  const tile = target.closest?.("figure.tile"), many = document.querySelector(`#selection:not([hidden]) ${wanted}`);
  return many ?? tile?.querySelector(wanted) ?? document.querySelector(`${wanted}:not(figure.tile *, #tile-acts *)`);
}

function write(event) {
  event.preventDefault();
  byId("view-compose").checked = true;
  byId("prompt").focus();
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const press = (element) => element && (event.preventDefault(), element.click());
  if (key === "Escape") hush();
  if (key === "Enter" && target.dataset?.enter && !event.isComposing) return press(byId(target.dataset.enter));
  if (key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = document.querySelector("#compose-form .go");
    if (button && !event.repeat) press(button);
  } else if (event.altKey && !event.ctrlKey && !event.metaKey) {
    const button = { Digit1: "mode-text", Digit2: "mode-image", KeyR: "dice" }[event.code];
    if (button) press(byId(button));
  }
  if (!isLetter(event)) return;
  const letter = key.toLowerCase();
  if (event.timeStamp < going) {
    going = 0;
    press(document.querySelector(`.rail [data-key="${CSS.escape(letter)}"]`));
  } else if (letter === "g") going = event.timeStamp + 1500;
  else if (ALONG[key] && !event.shiftKey && !target.matches?.("[type=range], [type=radio]")) {
    press(document.querySelector(`a[rel=${ALONG[key]}]`));
  } else if (letter === "t") press(document.querySelector("[data-theme-button]"));
  else if (letter === "p" && byId("prompt")) write(event);
  else if (key === "?" && byId("shortcuts")) open(byId("shortcuts"));
  else if (key === "/") {
    const search = document.querySelector("[type=search]");
    if (search) event.preventDefault();
    search?.focus();
  } else press(pressed(letter, target));
});
