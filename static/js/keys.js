// Keys find their button.

import { open } from "./buttons.js";
import { byId, each } from "./dom.js";
import { hush } from "./previews.js";

const singles = () => localStorage.getItem("single-keys") !== "off";
document.addEventListener("htmx:load", () => each("[data-single-keys]", (box) => (box.checked = singles())));
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-single-keys]")) localStorage.setItem("single-keys", target.checked ? "on" : "off");
});

// Fields that take letters.
const FIELDS = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select";
export const isTyping = ({ target }) => target.isContentEditable || target.matches?.(FIELDS);

// A key that nobody types with, and that no dialog is open for.
export function isPlain(event) {
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  return !isTyping(event) && !modified && !document.querySelector("dialog[open]") && singles();
}

let going = 0; // until when a letter after G names a page
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
  if (!isPlain(event)) return;
  const letter = key.toLowerCase();
  if (event.timeStamp < going) {
    going = 0;
    press(document.querySelector(`.rail [data-key="${CSS.escape(letter)}"]`));
  } else if (letter === "g") going = event.timeStamp + 1500;
  else if ((key === "ArrowLeft" || key === "ArrowRight") && !target.matches?.("[type=range], [type=radio]")) {
    press(document.querySelector(`a[rel=${key === "ArrowLeft" ? "prev" : "next"}]`));
  } else if (letter === "t") press(document.querySelector("[data-theme-button]"));
  else if (key === "?" && byId("shortcuts")) open(byId("shortcuts"));
  else if (key === "/") {
    const search = document.querySelector("[type=search]");
    if (search) event.preventDefault();
    search?.focus();
  }
});
