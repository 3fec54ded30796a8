// Previews of styles: the large sheet beside a style, and two pictures over each other.

import { each } from "../dom.js";

// The large sheet is the one on the card, once more.
function enlarge(pick) {
  const strip = pick.querySelector(".strip img"), sheet = document.createElement("div");
  pick.classList.add("enlarged");
  if (!strip) return;
  sheet.className = "sheet";
  sheet.append(strip.cloneNode(), strip.cloneNode());
  sheet.lastChild.className = "second";
  pick.querySelector(".peek").prepend(sheet);
}

// The large sheet goes away with Esc and with a press, until one comes back to it.
export function hush() {
  each(".pick:is(:hover, :focus-within)", (pick) => pick.classList.add("hushed"));
}
document.addEventListener("pointerdown", hush);
for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, ({ target }) => {
    const pick = target.closest?.(".pick:not(.enlarged)");
    if (pick) enlarge(pick);
    each(".pick.hushed", (pick) => pick.contains(target) || pick.classList.remove("hushed"));
  });
}

document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-cut]")) target.closest(".versus").style.setProperty("--cut", `${target.value}%`);
});
