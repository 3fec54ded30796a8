// A picture of the studio becomes the reference where the form is: by its button, or dragged onto the form, also from
// another window. Dragged onto the place of another picture, it becomes that one. The rest of the form stays.

import { byId, changed } from "../dom.js";

const KIND = "application/x-stylestudio-picture"; // what is dragged, beside what browsers add
const form = () => byId("compose-form");

const take = (number, { dataset }, target) => (
  htmx.ajax("POST", dataset.from.replace(/\b0\b/, number), { target, swap: "outerHTML" })
);

async function startFrom(number) {
  const mode = byId("mode-image"), compose = byId("view-compose");
  if (!compose.checked) {
    compose.checked = true;
    changed(compose);
  }
  if (!mode.checked) {
    mode.checked = true;
    changed(mode);
  }
  await take(number, form(), "#reference");
  byId("reference").scrollIntoView({ block: "nearest" });
  if (form().elements.reference_id) byId("announcer").textContent = form().dataset.taken;
}

document.addEventListener("click", (event) => {
  const { target, ctrlKey, metaKey, shiftKey } = event;
  const link = form() && target.closest("a[href*='?reference=']");
  if (!link || ctrlKey || metaKey || shiftKey) return;
  event.preventDefault();
  startFrom(new URLSearchParams(link.search).get("reference"));
});

document.addEventListener("dragstart", ({ target, dataTransfer }) => {
  const link = target.closest?.("figure.tile")?.querySelector("a[href]");
  const number = link?.pathname.match(/\/gallery\/(\d+)\/$/)?.[1];
  if (number) dataTransfer.setData(KIND, number);
});

// Heard before those that take files: with a picture browsers drag the small file that the page shows, too.
function over(event) {
  const place = form(), isPicture = event.dataTransfer?.types.includes(KIND);
  const isOver = isPicture && event.type !== "dragend" && place?.contains(event.target);
  place?.classList.toggle("over", isOver && event.type === "dragover");
  if (!isPicture) return;
  event.stopImmediatePropagation();
  if (!isOver) return;
  event.preventDefault();
  if (event.type !== "drop") return;
  const number = event.dataTransfer.getData(KIND), own = event.target.closest("[data-given][data-from]");
  if (own) take(number, own, own);
  else startFrom(number);
}
for (const name of ["dragover", "drop", "dragend"]) document.addEventListener(name, over, true);

// A click on a given picture says what is to stay when it is cut: the fields hold it as numbers.
document.addEventListener("click", (event) => {
  const figure = event.target.closest("[data-focus]"), prefix = figure?.dataset.focus;
  const way = figure && document.querySelector(`[name="${prefix}_fit"][value="cut"], [name="${prefix}"][value="cut"]`);
  if (!way) return;
  const box = figure.getBoundingClientRect();
  const parts = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  way.checked = true;
  ["x", "y"].forEach((axis, place) => (byId(`${prefix}_${axis}`).value = Math.round(parts[place] * 100)));
  changed(byId(`${prefix}_x`));
});
