// The form that orders pictures: the seed, finding a style, examples, what is missing, the picture to start from.

import { byId, changed, each } from "../dom.js";

function sow(value) {
  byId("seed").value = value;
  changed(byId("seed"));
}

const random = () => String(crypto.getRandomValues(new Uint32Array(1))[0]);

function filter() {
  const others = document.querySelector("[data-more-styles]");
  if (others) htmx.trigger(others, "search"); // once they are there, they are filtered too
  const words = document.querySelector("[data-style-search]").value.toLowerCase().split(/\s+/);
  const kind = document.querySelector("[data-style-kind]:checked")?.value;
  const found = (card) => words.every((word) => card.dataset.words.toLowerCase().includes(word));
  const cards = [...document.querySelectorAll(".style-card[data-words]")];
  cards.forEach((card) => {
    const fits = !kind || card.dataset.kind === kind || card.dataset.kind === "base";
    card.hidden = !(fits && found(card));
  });
  each("[data-no-style]", (line) => (line.hidden = cards.some((card) => !card.hidden)));
}

export function startFrom(picture) {
  const input = byId("reference-file"), mode = byId("mode-image");
  if (!input) return false;
  const carrier = new DataTransfer();
  carrier.items.add(picture);
  if (!mode.checked) {
    mode.checked = true;
    changed(mode);
  }
  input.files = carrier.files;
  changed(input);
  return true;
}

document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-style-search], [data-style-kind]")) filter();
  if (target.id === "seed") {
    byId("keep-seed").ariaPressed = String(target.value !== "");
    byId("seed-kept")?.remove(); // it is another one now
  }
});

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest(selector);
  const example = hit("[data-prompt]"), remove = hit("[name=without]"), reason = hit("#readiness a[href^='#']");
  if (hit("[data-let-go]")) {
    event.preventDefault();
    sow("");
  }
  if (hit("[data-keep-seed]")) sow(byId("seed").value ? "" : random());
  if (hit("[data-dice]")) {
    event.preventDefault();
    sow(random());
  }
  if (remove) byId(`style-${remove.value}`).checked = false;
  if (example) {
    event.preventDefault();
    byId("view-compose").checked = true;
    byId("prompt").value = example.dataset.prompt;
    changed(byId("prompt"));
    byId("prompt").focus();
  }
  if (reason) {
    const field = byId(reason.hash.slice(1));
    const inner = () => field?.querySelector("input:not([type=hidden]), textarea, select");
    const control = field?.matches("input, textarea, select") ? field : inner();
    if (!control) return;
    event.preventDefault();
    control.closest("details")?.setAttribute("open", "");
    control.focus();
  }
});

document.addEventListener("htmx:afterSettle", (event) => {
  const isSearched = document.querySelector("[data-style-search]")?.value;
  if (isSearched || document.querySelector("[data-style-kind]:checked")?.value) filter();
  if (event.detail.target?.matches?.("[data-given]")) htmx.trigger(".compose .fields", "change");
  const refused = event.detail.xhr?.status === 422 && event.detail.target?.id === "compose-form";
  if (refused) (document.querySelector("#readiness a") ?? document.querySelector("[aria-invalid=true]"))?.focus();
});
