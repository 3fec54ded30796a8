// The editor of a picture: its tools, its keys, and the mask that the form sends.

import { byId, each } from "../dom.js";
import { isTyping } from "../keys.js";
import { boxes } from "./box.js";
import { fileOf, keptMask } from "./kept.js";
import { grows } from "./margins.js";
import { maskOn } from "./mask.js";
import { paint } from "./strokes.js";
import { viewOf } from "./view.js";

const SOON = 300; // milliseconds after a change until the mask is kept
const LARGER = 1.25;
const SIDES = ["left", "top", "right", "bottom"];

async function begin(desk) {
  const size = { width: Number(desk.dataset.width), height: Number(desk.dataset.height) };
  const canvas = desk.querySelector("[data-mask]"), form = document.querySelector("[data-editor-form]");
  const brush = document.querySelector("[data-brush]"), says = document.querySelector("[data-editor-says]");
  Object.assign(canvas, size);
  const mask = maskOn(canvas), view = viewOf(desk, mask, size), kept = keptMask(desk.dataset.editor);
  let name = "brush", isHeld = false, waiting, isUnsent = false;

  const button = (act) => document.querySelector(`[data-act=${act}]`);
  const tell = (text) => (says.textContent = text);
  const show = () => {
    button("undo").disabled = !mask.canUndo();
    button("redo").disabled = !mask.canRedo();
    const share = Math.round(mask.share() * 1000) / 10;
    const isLarger = SIDES.some((side) => view.margins()[side]), otherwise = isLarger ? "added" : "nothing";
    tell(share ? says.dataset.marked.replace("%1", `${share} %`) : says.dataset[otherwise]);
    return share > 0;
  };
  // The file that the form sends, and that a reload finds.
  const settle = () => {
    clearTimeout(waiting);
    const carrier = new DataTransfer(), isMarked = show(), margins = view.margins();
    const text = mask.text();
    if (isMarked) carrier.items.add(fileOf(text));
    form.elements.mask.files = carrier.files;
    form.elements.mask_id.value = "";
    isUnsent = false;
    if (!isMarked && !SIDES.some((side) => margins[side])) kept.remove();
    else if (!kept.write(text, margins)) tell(says.dataset.unkept);
  };
  const tools = {
    name: () => name,
    size: () => Number(brush.value),
    isHeld: () => isHeld,
    touched() {
      isUnsent = true;
      clearTimeout(waiting);
      waiting = setTimeout(settle, SOON);
    },
  };

  const found = kept.read();
  if (found) for (const side of SIDES) form.elements[`add_${side}`].value = found.sides[side] ?? 0;
  grows(desk, view, tools);
  const box = boxes(desk, mask, tools);
  try {
    if (found) await mask.load(found.blob);
    else if (desk.dataset.stored) await mask.load(await (await fetch(desk.dataset.stored)).blob());
  } catch {
    kept.remove(); // it is no picture
  }
  paint(desk, mask, view, tools);
  view.fit();
  settle();

  const by = () => Math.min(64, Math.max(1, Number(document.querySelector("[data-by]").value) || 8));
  const step = (times) => (brush.value = Math.round(brush.value * times));
  const acts = {
    undo: () => mask.undo(),
    redo: () => mask.redo(),
    smaller: () => step(1 / LARGER),
    larger: () => step(LARGER),
    in: () => view.scale(LARGER),
    out: () => view.scale(1 / LARGER),
    fit: () => view.fit(),
    mark: box.mark,
    unmark: box.unmark,
    "by-arrows": box.take,
  };
  for (const act of ["invert", "fill", "clear", "grow", "feather"]) {
    acts[act] = () => {
      mask.remember();
      mask[act](by());
    };
  }
  document.addEventListener("click", ({ target }) => {
    const pressed = target.closest("[data-act], [data-tool]");
    if (pressed?.dataset.tool) {
      name = pressed.dataset.tool;
      each("[data-tool]", (tool) => (tool.ariaPressed = String(tool === pressed)));
      desk.classList.toggle("moves", name === "hand");
    } else if (pressed) {
      acts[pressed.dataset.act]();
      if (!["in", "out", "fit", "smaller", "larger", "by-arrows"].includes(pressed.dataset.act)) tools.touched();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (isTyping(event)) return;
    const letter = event.key.toLowerCase(), isControl = event.ctrlKey || event.metaKey;
    if (letter === " " && event.target === document.body) {
      event.preventDefault();
      isHeld = true;
    } else if (isControl && (letter === "z" || letter === "y")) {
      event.preventDefault();
      button(letter === "y" || event.shiftKey ? "redo" : "undo").click();
    }
  });
  document.addEventListener("keyup", ({ key }) => key === " " && (isHeld = false));
  const hurry = () => isUnsent && settle();
  form.addEventListener("submit", hurry);
  addEventListener("pagehide", hurry);
  let wide = desk.clientWidth; // the height changes with the bars of a phone's browser
  new ResizeObserver(() => {
    if (desk.clientWidth !== wide) view.fit();
    wide = desk.clientWidth;
  }).observe(desk);
  desk.dataset.ready = "true";
}

const desk = document.querySelector("[data-editor]");
if (desk && byId("compose-form")) begin(desk);
