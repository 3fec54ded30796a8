// A picture file dropped or pasted on any page, or chosen with the button: what it was made with, what to do with it.

import { open } from "../buttons.js";
import { startFrom } from "./compose.js";
import { byId, changed } from "../dom.js";

const MOST_SENT = 8 * 2 ** 20; // bytes: the texts stand in front of the pixels
let picture;

const firstPicture = (files) => [...(files ?? [])].find((file) => file.type.startsWith("image/"));

function put(file, input) {
  const carrier = new DataTransfer();
  carrier.items.add(file);
  input.files = carrier.files;
}

// On the place of a picture that a recipe asks for, it is that picture, and nobody asks what to do with it.
function give(file, place) {
  const input = place?.closest?.("[data-given][data-from]")?.querySelector("[type=file]");
  if (!input) return false;
  put(file, input);
  changed(input);
  return true;
}

function ask(file) {
  const dialog = byId("dropped");
  if (!dialog || document.querySelector("dialog[open]:not(#dropped)")) return false;
  picture = file;
  if (!dialog.open) open(dialog);
  if (dialog.firstElementChild) read();
  return true;
}

function read() {
  const dialog = byId("dropped"), input = dialog.querySelector("[name=picture]"), { name, size, type } = picture;
  byId("dropped-found").replaceChildren();
  dialog.querySelector("[data-add]").hidden = !document.querySelector("[data-upload=dataset] [type=file]");
  put(size > MOST_SENT ? new File([picture.slice(0, MOST_SENT)], name, { type }) : picture, input);
  input.dispatchEvent(new Event("change", { bubbles: true }));
}
document.addEventListener("htmx:load", ({ target }) => target.matches("#dropped > .body") && read());

document.addEventListener("dragover", (event) => {
  if (event.defaultPrevented || !byId("dropped") || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.querySelector("#reference .file")?.classList.add("over");
});
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, () => document.querySelector("#reference .file")?.classList.remove("over"));
}
document.addEventListener("drop", (event) => {
  if (event.defaultPrevented || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault(); // the browser would leave the page for the file
  const file = firstPicture(event.dataTransfer.files);
  if (file && !give(file, event.target)) ask(file);
});
document.addEventListener("paste", (event) => {
  const file = firstPicture(event.clipboardData.files);
  if (file && (give(file, document.activeElement) || ask(file))) event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-read-picture]")) {
    event.preventDefault();
    byId("dropped-choose").click();
  } else if (picture && event.target.closest("#dropped [data-start]") && startFrom(picture)) {
    event.preventDefault(); // elsewhere the form sends it, and the form for new pictures opens
    byId("dropped").close();
  } else if (picture && event.target.closest("#dropped [data-add]")) {
    const input = document.querySelector("[data-upload=dataset] [type=file]");
    put(picture, input);
    changed(input);
    byId("dropped").close();
  }
});
document.addEventListener("submit", ({ target }) => {
  if (picture && target.matches("#dropped-start")) put(picture, target.elements.picture);
}, true);
document.addEventListener("change", ({ target }) => {
  if (target.id !== "dropped-choose" || !target.files.length) return;
  const [file] = target.files;
  target.value = "";
  ask(file);
});
