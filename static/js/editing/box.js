// The rectangle of the editor: by numbers, or by the arrows of the keyboard.

import { byId, changed } from "../dom.js";

const STEP = 8; // pixels; with Alt one
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function boxes(desk, mask, tools) {
  const hole = desk.querySelector("[data-hole]");
  const field = (part) => document.querySelector(`[name=box_${part}]`);
  const parts = ["left", "top", "width", "height"];
  const box = () => Object.fromEntries(parts.map((part) => [part, Number(field(part).value) || 0]));

  const show = () => {
    const { left, top, width, height } = box();
    hole.hidden = !(width && height);
    Object.assign(hole.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  };
  const set = (next) => {
    const { width, height } = mask.canvas;
    next.width = Math.min(Math.max(1, next.width), width);
    next.height = Math.min(Math.max(1, next.height), height);
    next.left = Math.min(Math.max(0, next.left), width - next.width);
    next.top = Math.min(Math.max(0, next.top), height - next.height);
    for (const part of parts) field(part).value = next[part];
    show();
  };
  const mark = (erases) => {
    if (!field("width").value || !field("height").value) return field("width").focus();
    mask.remember();
    mask.rectangle(box(), erases);
    const by = Number(document.querySelector("[name=feather]").value) || 0;
    if (by && !erases) mask.feather(by);
    for (const part of parts) field(part).value = "";
    show();
    tools.touched();
  };

  document.addEventListener("input", ({ target }) => target.matches("[data-box] input") && show());
  hole.addEventListener("keydown", (event) => {
    const way = WAYS[event.key], step = event.altKey ? 1 : STEP, now = box();
    if (way && event.shiftKey) set({ ...now, width: now.width + way[0] * step, height: now.height + way[1] * step });
    else if (way) set({ ...now, left: now.left + way[0] * step, top: now.top + way[1] * step });
    else if (event.key === "Enter") mark(false);
    else if (event.key === "Delete" || event.key === "Backspace") mark(true);
    else return;
    event.preventDefault();
    event.stopPropagation(); // arrows lead to other pictures elsewhere
  });
  hole.tabIndex = 0;
  hole.setAttribute("role", "application");
  hole.setAttribute("aria-label", byId("box").querySelector("summary").textContent.trim());
  hole.setAttribute("aria-describedby", "box-keys");
  show();

  return {
    mark: () => mark(false),
    unmark: () => mark(true),
    take() {
      byId("box").open = true;
      const { width, height } = mask.canvas, now = box();
      const quarter = (side) => Math.round(side / 4 / STEP) * STEP || side;
      const middle = { width: quarter(width), height: quarter(height) };
      middle.left = Math.round((width - middle.width) / 2);
      middle.top = Math.round((height - middle.height) / 2);
      set(now.width && now.height ? now : middle);
      changed(field("width"));
      hole.focus();
    },
  };
}
