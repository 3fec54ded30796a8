// While one writes a prompt: phrases that begin like the one after the last comma. Nothing is chosen until somebody
// goes to it, so that Enter and Tab do what they always do.

import { byId, changed, each } from "../dom.js";
import { say } from "../toast.js";

const PAUSE = 200; // milliseconds between two questions
const MARKS = ",，、\n", UNSPACED = /[\u3040-\u30ff\u3400-\u9fff]/;
const answers = new Map();
let timer, current = -1; // the option that Enter takes

const isOn = () => localStorage.getItem("completion") !== "off";
const box = () => byId("completions");
const options = () => [...box().querySelectorAll("[role=option]")];

// What is being written: from the last comma to the caret, if that is at its end.
function begun({ selectionStart: end, selectionEnd, value }) {
  const before = value.slice(0, end), behind = value.slice(end);
  const text = before.slice(Math.max(...[...MARKS].map((mark) => before.lastIndexOf(mark))) + 1).trimStart();
  const isAtEnd = end === selectionEnd && !behind.split(/[,，、\n]/)[0].trim();
  return isAtEnd && (text.length > 1 || UNSPACED.test(text)) ? text : "";
}

function close() {
  clearTimeout(timer);
  if (!box() || box().hidden) return;
  box().hidden = true;
  byId("prompt").removeAttribute("aria-activedescendant");
}

function mark(number) {
  current = number;
  options().forEach((option, place) => (option.ariaSelected = String(place === number)));
  const option = options()[number];
  option?.scrollIntoView({ block: "nearest" });
  if (option) byId("prompt").setAttribute("aria-activedescendant", option.id);
  else byId("prompt").removeAttribute("aria-activedescendant");
}

async function find(text) {
  if (!answers.has(text)) {
    const answer = await fetch(`${box().dataset.words}?q=${encodeURIComponent(text)}`);
    answers.set(text, (await answer.json()).words);
  }
  return answers.get(text);
}

async function offer() {
  const field = byId("prompt"), text = begun(field);
  if (!text) return close();
  const words = await find(text).catch(() => []);
  if (begun(field) !== text || document.activeElement !== field) return;
  if (!words.length) return close();
  byId("completion-list").replaceChildren(...words.map((word, number) => {
    const option = document.createElement("li");
    Object.assign(option, { id: `completion-${number}`, role: "option", textContent: word });
    return option;
  }));
  box().hidden = false;
  mark(-1);
  byId("announcer").textContent = box().dataset.count.replace("%1", words.length);
}

function take(option) {
  const field = byId("prompt"), end = field.selectionStart;
  field.setRangeText(option.textContent, end - begun(field).length, end, "end");
  close();
  changed(field);
}

function later() {
  clearTimeout(timer);
  if (isOn()) timer = setTimeout(offer, PAUSE);
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "prompt") return;
  if (event.isComposing || !event.isTrusted) close(); // a word is not chosen yet, or was put there by a press
  else later();
});
document.addEventListener("compositionend", ({ target }) => target.id === "prompt" && later());
document.addEventListener("focusout", ({ target }) => target.id === "prompt" && close());

document.addEventListener("keydown", (event) => {
  const { target, key, isComposing, ctrlKey, metaKey, altKey, shiftKey } = event;
  if (target.id !== "prompt" || isComposing || box().hidden) return;
  if (ctrlKey || metaKey || altKey || shiftKey) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[key], number = options().length, chosen = options()[current];
  if (step) mark(current < 0 && step < 0 ? number - 1 : (current + step + number) % number);
  else if (key === "Escape") close();
  else if (chosen && (key === "Enter" || key === "Tab")) take(chosen);
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

// A press on the list leaves the caret where it is.
document.addEventListener("pointerdown", (event) => event.target.closest("#completions") && event.preventDefault());
document.addEventListener("mousedown", (event) => event.target.closest("#completions") && event.preventDefault());
document.addEventListener("click", ({ target }) => {
  const option = target.closest("#completions [role=option]");
  if (option) take(option);
  if (!target.closest("[data-no-completion]")) return;
  localStorage.setItem("completion", "off");
  close();
  say(box().dataset.off);
});

document.addEventListener("htmx:load", () => each("[data-completion]", (tick) => (tick.checked = isOn())));
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-completion]")) localStorage.setItem("completion", target.checked ? "on" : "off");
});
