// The animations of a sheet: each frame is shown for as long as the sheet says. Who wants less motion plays them.

import { each } from "../dom.js";

const button = document.querySelector("[data-play]");
const begun = new Map(); // of each reel: which frame it shows
let timer;

function turn(reel) {
  const frames = reel.children, now = begun.get(reel) ?? 0, next = (now + 1) % frames.length;
  frames[now].classList.remove("on");
  frames[next].classList.add("on");
  begun.set(reel, next);
}

function play(on) {
  clearInterval(timer);
  button.ariaPressed = String(on);
  const [first] = document.querySelectorAll("[data-reel]");
  if (on) timer = setInterval(() => each("[data-reel]", turn), Number(first.dataset.reel));
}

if (button) {
  each("[data-reel]", (reel) => reel.firstElementChild.classList.add("on"));
  button.addEventListener("click", () => play(button.ariaPressed !== "true"));
  play(!matchMedia("(prefers-reduced-motion: reduce)").matches);
}
