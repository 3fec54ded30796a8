// Buttons that the browser answers itself, and presses that are made once.

import { byId } from "./dom.js";
import { say } from "./toast.js";

// --- One press makes one thing
// While a request is on its way htmx drops another press (hx-sync), and the server knows a form by its request id. What
// is left is a quick answer between the two clicks: the second click of a double click never means a second thing.

const MEANT = 300; // milliseconds after which the same key on the same form is pressed on purpose

function maker(button) {
  if (button?.matches("[data-once]")) return button;
  const form = button?.type === "submit" && !button.hasAttribute("formaction") && button.form;
  return form && form.elements.request_id ? form : undefined;
}

document.addEventListener("click", (event) => {
  const thing = maker(event.target.closest?.("button"));
  if (!thing) return;
  const keyed = event.detail === 0, again = keyed && event.timeStamp - (thing.keyed ?? -MEANT) < MEANT;
  if (keyed) thing.keyed = event.timeStamp;
  if (event.detail < 2 && !again) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

// A key that is held down presses once.
document.addEventListener("keydown", (event) => {
  const { target, key, repeat } = event, held = repeat && (key === "Enter" || key === " ");
  const isButton = target.matches?.("button");
  const presses = isButton ? maker(target) : target.form?.elements.request_id && !target.matches("textarea");
  if (held && (presses || event.ctrlKey || event.metaKey)) event.preventDefault();
}, true);

// A page that comes out of the browser's memory brings the id of a press that was answered.
function renew() {
  const id = byId("request-id"), some = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...some].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (id) id.value = hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5");
}
addEventListener("pageshow", ({ persisted }) => persisted && renew());
renew();

// --- Dialogs. What is in one may come when it is opened for the first time.

export function open(dialog) {
  if (dialog.matches("[hx-get]") && !dialog.firstElementChild) htmx.trigger(dialog, "open");
  dialog.showModal();
}

// One that stayed empty would cover the reason, which is said in the corner.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, ({ target }) => target.matches("dialog") && target.close());
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (!opener) return;
  event.preventDefault();
  opener.closest("[popover]")?.hidePopover();
  open(byId(opener.dataset.open));
});

// --- Text for the clipboard

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS a page that is not on this machine has no clipboard: the old way still works.
    const box = document.createElement("textarea");
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  await copy(button.dataset.copy);
  button.focus();
  say(button.dataset.copied);
});
