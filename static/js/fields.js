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
  const text = target.dataset.text ?? (target.type === "range" ? Number(target.value).toFixed(2) : target.value);
  each(`[data-shows="${CSS.escape(target.name)}"]`, (output) => (output.textContent = text));
});

// --- Pictures that are ticked are counted on the button that takes them

document.addEventListener("change", ({ target }) => {
  const form = target.closest("[data-choose]");
  if (form) byId("chosen").textContent = form.querySelectorAll(":checked").length || "";
});

// --- Filters that submit themselves

document.addEventListener("change", ({ target }) => {
  const chooses = target.matches("select, [type=checkbox]") && target.form?.matches("[data-autosubmit]");
  if (chooses) whenSaved(() => target.form.requestSubmit());
});
