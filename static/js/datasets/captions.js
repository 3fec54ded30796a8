// Captions: saved when one leaves them, driven by keys, tags dragged or pressed onto them.

import { byId, each } from "../dom.js";

const captions = () => [...document.querySelectorAll("[data-caption]")];
const text = (form) => form.elements.caption;
const isDirty = (form) => text(form).value !== text(form).defaultValue;

function note(form) {
  const card = form.closest(".caption"), { template, trigger } = byId("captions").dataset;
  card.classList.toggle("dirty", isDirty(form));
  card.classList.remove("failed");
  const read = template.replaceAll("{trigger}", () => trigger).replaceAll("{caption}", () => text(form).value);
  const parts = read.split(",").map((part) => part.trim()).filter(Boolean);
  each("[data-reads]", (line) => (line.textContent = parts.join(", ")), form);
  const unsaved = document.querySelectorAll(".caption.dirty").length;
  each("[data-unsaved]", (line) => {
    line.hidden = !unsaved;
    line.textContent = line.dataset.words.replace("%1", unsaved);
  });
}

function keepCaption(form) {
  if (isDirty(form) && form.sending !== text(form).value) form.requestSubmit();
}

// What is on its way to the server must arrive before the page goes.
export function whenSaved(act) {
  if (!document.querySelector("[data-caption].htmx-request")) act();
  else document.addEventListener("htmx:afterRequest", () => setTimeout(() => whenSaved(act)), { once: true });
}

let following; // the caption whose successor is still being fetched
function step(form, by) {
  const all = captions(), next = all[all.indexOf(form) + by], more = byId("captions-more");
  if (next) text(next).focus();
  else if (by > 0 && more?.matches(".more")) {
    following = form;
    more.scrollIntoView();
  }
}

function addTag(form, tag) {
  const field = text(form), old = field.value.replace(/[\s,]+$/, "");
  if (field.readOnly || old.split(",").some((other) => other.trim().toLowerCase() === tag.toLowerCase())) return;
  field.value = old ? `${old}, ${tag}` : tag;
  note(form);
}

document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.matches("[data-caption]")) elt.sending = text(elt).value;
});
document.addEventListener("htmx:afterRequest", ({ detail: { elt, successful, xhr } }) => {
  if (!elt.matches("[data-caption]") || !elt.isConnected) return;
  const refused = xhr.status === 422; // its foot says why
  if (successful && !refused) text(elt).defaultValue = elt.sending;
  delete elt.sending;
  note(elt);
  elt.closest(".caption").classList.toggle("failed", !successful && !refused);
});
document.addEventListener("htmx:afterSettle", ({ target }) => {
  each(".caption.dirty [data-caption]", note, target);
  if (!following) return;
  const form = following;
  following = undefined;
  step(form, 1);
});
document.addEventListener("input", ({ target }) => target.form?.matches("[data-caption]") && note(target.form));
document.addEventListener("focusout", ({ target }) => {
  const form = target.form;
  // Where somebody else wrote meanwhile, one of the two texts is chosen, and not by leaving the field.
  if (form?.matches("[data-caption]") && !form.querySelector("[data-newer]")) keepCaption(form);
});
addEventListener("beforeunload", (event) => captions().some(isDirty) && event.preventDefault());
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-save-captions]")) captions().forEach(keepCaption);
});
document.addEventListener("keydown", (event) => {
  const { key, code, target, altKey, shiftKey } = event, form = target.form?.matches("[data-caption]") && target.form;
  const control = event.ctrlKey || event.metaKey;
  if (control && key.toLowerCase() === "s" && captions().length) {
    event.preventDefault();
    captions().forEach(keepCaption);
  } else if (!form || control || event.isComposing || !target.matches("textarea")) return;
  else if (altKey && /^Digit[1-9]$/.test(code)) {
    event.preventDefault();
    const tag = document.querySelectorAll("[data-tag]")[code.at(-1) - 1];
    if (tag) addTag(form, tag.dataset.tag);
  } else if ((key === "Enter" && !shiftKey && !altKey) || (altKey && (key === "ArrowDown" || key === "ArrowUp"))) {
    event.preventDefault();
    keepCaption(form);
    step(form, key === "ArrowUp" ? -1 : 1);
  }
});

let carried; // the tag that is being dragged
document.addEventListener("dragstart", ({ target }) => (carried = target.dataset?.tag));
document.addEventListener("dragend", () => (carried = undefined));
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    const form = carried && event.target.closest(".caption")?.querySelector("[data-caption]");
    if (!form) return;
    event.preventDefault();
    if (name === "drop") {
      addTag(form, carried);
      keepCaption(form);
    }
  });
}
