// The toast in the corner: eight seconds, longer while somebody is at it. What failed on the way is said here too.

import { byId } from "./dom.js";

let leaving;
function arm() {
  clearTimeout(leaving);
  const toast = byId("toast");
  if (!toast?.firstElementChild || toast.querySelector(".is-waiting, .is-running")) return;
  leaving = setTimeout(() => (toast.matches(":hover, :focus-within") ? arm() : toast.replaceChildren()), 8000);
}

export function say(words) {
  const box = document.createElement("div");
  box.className = "toast";
  box.textContent = words;
  byId("toast").replaceChildren(box);
  arm();
}

document.addEventListener("htmx:responseError", (event) => {
  const { trouble, forbidden } = byId("toast").dataset, { xhr } = event.detail;
  const told = xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") && xhr.responseText;
  say(told || (xhr.status === 403 ? forbidden : trouble));
});
document.addEventListener("htmx:sendError", () => say(byId("toast").dataset.offline));

document.addEventListener("htmx:afterSettle", arm);
arm();
