// What is added around the picture: by numbers, or by dragging an edge.

import { changed, each } from "../dom.js";

const STEP = 8;

export function grows(desk, view, tools) {
  const field = (side) => document.querySelector(`[name=add_${side}]`);
  const most = Number(field("left").max);
  const length = (side) => Math.min(most, Math.max(0, Math.round((Number(field(side).value) || 0) / STEP) * STEP));
  const sides = () => Object.fromEntries(["left", "top", "right", "bottom"].map((side) => [side, length(side)]));
  const take = () => {
    view.grow(sides());
    tools.touched();
  };

  let held;
  each("[data-edge]", (edge) => {
    edge.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      event.stopPropagation();
      edge.setPointerCapture(event.pointerId);
      held = { side: edge.dataset.edge, event, from: length(edge.dataset.edge) };
    });
    edge.addEventListener("pointermove", ({ clientX, clientY }) => {
      if (!held) return;
      const by = { left: held.event.clientX - clientX, right: clientX - held.event.clientX };
      by.top = held.event.clientY - clientY;
      by.bottom = clientY - held.event.clientY;
      field(held.side).value = held.from + by[held.side] / view.zoom();
      field(held.side).value = length(held.side);
    });
    edge.addEventListener("pointerup", () => {
      if (!held) return;
      field(held.side).closest("details").open = true;
      const { side } = held;
      held = undefined;
      changed(field(side));
      view.fit();
    });
  }, desk);
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("[data-margins] input")) return;
    target.value = length(target.name.replace("add_", ""));
    take();
    view.fit();
  });
  view.grow(sides());
}
