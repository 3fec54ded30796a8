// Fields of any form: what they show of their value, and filters that submit themselves.

import { whenSaved } from "./datasets/captions.js";
import { byId, each } from "./dom.js";

document.addEventListener("input", ({ target }) => {
  if (!target.name) return;
  const wrong = target.closest("[aria-invalid]");
  if (wrong) {
    wrong.ariaInvalid = null;
    byId(`${target.name}-error`)?.remove();
  }
  // One of several says of itself what it stands for.
  const said = target.dataset.text ?? (target.type === "radio" && target.closest("label")?.title);
  const text = said || (target.type === "range" ? Number(target.value).toFixed(2) : target.value);
  each(`[data-shows="${CSS.escape(target.name)}"]`, (output) => (output.textContent = text));
});

// --- Pictures that are ticked are counted on the button that takes them

document.addEventListener("change", ({ target }) => {
  const form = target.closest("[data-choose]");
  if (form) byId("chosen").textContent = form.querySelectorAll(":checked").length || "";
});

// --- Filters that submit themselves

document.addEventListener("change", ({ target }) => {
  const chooses = target.matches("select, [type=checkbox], [type=radio]") && target.form?.matches("[data-autosubmit]");
  if (chooses) whenSaved(() => target.form.requestSubmit());
});

// What is not set does not stand in the address.
document.addEventListener("formdata", ({ target, formData }) => {
  if (!target.matches("[data-autosubmit]")) return;
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

// On a phone filters are folded until they are asked for.
if (matchMedia("(max-width: 760px)").matches) each("details[data-fold]", (fold) => (fold.open = false));
